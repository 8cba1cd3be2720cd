package conformance

import (
	"strings"
	"time"
)

// eventCases are those of RFC 5277 and RFC 6470, and RFC 7950 section 7.16.
func eventCases() []Case {
	note := []string{":notification"}
	events := []string{":notification", "ietf-netconf-notifications"}
	emit := []string{":notification", "can:emit", "mtp-conformance-augment"}
	const ns = "urn:ietf:params:xml:ns:netconf:notification:1.0"
	subscribe := func(s *Session, params string) *Reply {
		return s.RPC(`<create-subscription xmlns="` + ns + `">` + params + `</create-subscription>`)
	}
	streams := func(c *Context) *Element {
		return c.RPC(`<nc:get><nc:filter type="subtree"><netconf xmlns="` + namespace("manage") + `"/></nc:filter></nc:get>`).Data()
	}
	fire := func(s *Session, item, text string) {
		s.RPC(`<emit xmlns="` + nsAugment + `"><item>` + item + `</item><text>` + text + `</text><level>7</level></emit>`).OK()
	}
	commit := func(c *Context, value string) { c.Open().Set(`<top><name>` + value + `</name></top>`) }
	return []Case{
		{"rfc5277-2.1.1-create-subscription", "create-subscription is answered ok", note, func(c *Context) {
			subscribe(c.Main(), "").OK()
		}},
		{"rfc5277-2.1.1-stream-named", "the stream NETCONF can be named", note, func(c *Context) {
			subscribe(c.Main(), "<stream>NETCONF</stream>").OK()
		}},
		{"rfc5277-2.1.1-unknown-stream", "a stream that does not exist is refused", note, func(c *Context) {
			subscribe(c.Main(), "<stream>bogus</stream>").OneOf([]string{"invalid-value", "bad-element", "data-missing"})
		}},
		{"rfc5277-2.1.1-stop-without-start", "stopTime without startTime is answered missing-element", note, func(c *Context) {
			subscribe(c.Main(), "<stopTime>2040-01-01T00:00:00Z</stopTime>").Error("missing-element", info("bad-element", "startTime"))
		}},
		{"rfc5277-2.1.1-stop-before-start", "a stopTime before the startTime is answered bad-element", note, func(c *Context) {
			subscribe(c.Main(), "<startTime>2020-01-02T00:00:00Z</startTime><stopTime>2020-01-01T00:00:00Z</stopTime>").Error("bad-element", info("bad-element", "stopTime"))
		}},
		{"rfc5277-2.1.1-start-in-the-future", "a startTime in the future is answered bad-element", note, func(c *Context) {
			subscribe(c.Main(), "<startTime>2040-01-01T00:00:00Z</startTime>").Error("bad-element", info("bad-element", "startTime"))
		}},
		{"rfc5277-2.1.1-bad-time", "what is no time is refused", note, func(c *Context) {
			subscribe(c.Main(), "<startTime>yesterday</startTime>").OneOf([]string{"invalid-value", "bad-element"})
		}},
		{"rfc5277-2.1.1-second-subscription", "a session has one subscription", note, func(c *Context) {
			subscribe(c.Main(), "").OK()
			c.Check(subscribe(c.Main(), "").Failed(), "a second one is accepted")
		}},
		{"rfc5277-2.2.1-notification", "a notification has eventTime first, then one event", events, func(c *Context) {
			subscribe(c.Main(), "").OK()
			commit(c, "x")
			n := c.Main().Notification("netconf-config-change")
			c.Check(n.Space == ns && len(n.Children) == 2 && n.Children[0].Local == "eventTime" && n.Children[0].Space == ns, "it has not")
			_, err := time.Parse(time.RFC3339, n.Children[0].Value())
			c.Check(err == nil, "eventTime is %q", n.Children[0].Value())
		}},
		{"rfc5277-2.3-no-subscription", "without a subscription no notification comes", events, func(c *Context) {
			s := c.Main()
			commit(c, "x")
			s.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter/></nc:get-config>`).Works()
			c.Check(s.MaybeNotification("netconf-config-change", 100*time.Millisecond) == nil, "one comes")
		}},
		{"rfc5277-6-interleave", "with :interleave a session with a subscription takes requests", []string{":notification", ":interleave"}, func(c *Context) {
			subscribe(c.Main(), "").OK()
			c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter/></nc:get-config>`).Works()
			c.Set(`<top><name>x</name></top>`)
		}},
		{"rfc5277-2.1.1-subtree-filter", "a filter selects notifications", events, func(c *Context) {
			subscribe(c.Main(), `<filter type="subtree"><netconf-session-end xmlns="`+namespace("ncn")+`"/></filter>`).OK()
			s := c.Open()
			commit(c, "x")
			s.RPC("<nc:close-session/>").OK()
			c.Main().Notification("netconf-session-end")
			c.Check(c.Main().MaybeNotification("netconf-config-change", 100*time.Millisecond) == nil, "what is not selected comes")
		}},
		{"rfc5277-3.2.5.1-streams", "the streams are listed, NETCONF among them", []string{":notification", "nc-notifications"}, func(c *Context) {
			c.Check(streams(c).Has("manage:netconf/manage:streams/manage:stream[name=NETCONF]"), "NETCONF is missing")
		}},
		{"rfc5277-3.3-replay", "with replay the events since startTime come, then replayComplete", []string{":notification", "nc-notifications", "ietf-netconf-notifications"}, func(c *Context) {
			c.Check(streams(c).Get("manage:netconf/manage:streams/manage:stream[name=NETCONF]/manage:replaySupport").Value() == "true", "the stream has no replay")
			start := time.Now().UTC().Add(-time.Hour).Format(time.RFC3339)
			commit(c, "x")
			subscribe(c.Main(), "<startTime>"+start+"</startTime>").OK()
			c.Main().Notification("netconf-config-change")
			c.Main().Notification("replayComplete")
			commit(c, "y")
			c.Main().Notification("netconf-config-change")
		}},
		{"rfc5277-3.3-replay-stops", "after stopTime comes notificationComplete, and the subscription is over", []string{":notification", "nc-notifications"}, func(c *Context) {
			subscribe(c.Main(), "<startTime>2020-01-01T00:00:00Z</startTime><stopTime>2020-01-02T00:00:00Z</stopTime>").OK()
			c.Main().Notification("replayComplete")
			c.Main().Notification("notificationComplete")
			subscribe(c.Main(), "").OK()
		}},
		{"rfc6470-2.2-config-change", "netconf-config-change tells datastore, user, session and target", events, func(c *Context) {
			subscribe(c.Main(), "").OK()
			s := c.Open()
			s.Set(`<top><name>x</name></top>`)
			n := c.Main().Notification("netconf-config-change").Get("ncn:netconf-config-change")
			c.Check(n != nil, "it is not of ietf-netconf-notifications")
			c.Check(n.Get("ncn:changed-by/ncn:session-id").Value() == s.ID && n.Get("ncn:changed-by/ncn:username").Value() != "", "changed-by is wrong")
			c.Check(len(n.All("ncn:edit")) > 0, "it names no edit")
			target := n.Get("ncn:edit/ncn:target")
			c.Check(target != nil && strings.HasPrefix(expand(target.Value(), target.resolve), expand("/ct:top", namespace)), "target is %q", target.Value())
			c.Check(n.Get("ncn:datastore").Value() != "candidate", "the datastore is candidate")
		}},
		{"rfc6470-2.2-config-change-operations", "each edit has its operation", events, func(c *Context) {
			c.Set(`<top><item><name>a</name></item><count>1</count></top>`)
			s := c.Open()
			subscribe(s, "").OK()
			c.Set(`<top><item nc:operation="delete"><name>a</name></item><count>2</count><tag>t</tag></top>`)
			n := s.Notification("netconf-config-change").Get("ncn:netconf-config-change")
			got := map[string]string{}
			for _, e := range n.All("ncn:edit") {
				target := e.Get("ncn:target")
				got[expand(target.Value(), target.resolve)] = e.Get("ncn:operation").Value()
			}
			op := got[expand("/ct:top/ct:item[ct:name='a']", namespace)]
			c.Check(op == "delete" || op == "remove", "the deletion is %q in %v", op, got)
			op = got[expand("/ct:top/ct:count", namespace)]
			c.Check(op == "replace" || op == "merge", "the change is %q in %v", op, got)
			op = got[expand("/ct:top/ct:tag[.='t']", namespace)]
			c.Check(op == "create" || op == "merge", "the creation is %q in %v", op, got)
		}},
		{"rfc6470-2.2-no-change-no-event", "a commit that changes nothing is no config-change", events, func(c *Context) {
			subscribe(c.Main(), "").OK()
			c.Open().Commit()
			c.Check(c.Main().MaybeNotification("netconf-config-change", 150*time.Millisecond) == nil, "there is one")
		}},
		{"rfc6470-2.3-session-start", "netconf-session-start tells user and session", events, func(c *Context) {
			subscribe(c.Main(), "").OK()
			s := c.Open()
			n := c.Main().Notification("netconf-session-start").Get("ncn:netconf-session-start")
			c.Check(n != nil && n.Get("ncn:session-id").Value() == s.ID && n.Get("ncn:username").Value() != "", "session or user is wrong")
		}},
		{"rfc6470-2.3-session-end-closed", "netconf-session-end after close-session: closed", events, func(c *Context) {
			s := c.Open()
			subscribe(c.Main(), "").OK()
			s.RPC("<nc:close-session/>").OK()
			n := c.Main().Notification("netconf-session-end").Get("ncn:netconf-session-end")
			c.Check(n != nil && n.Get("ncn:session-id").Value() == s.ID && n.Get("ncn:termination-reason").Value() == "closed", "session or reason is wrong: %q", n.Get("ncn:termination-reason").Value())
		}},
		{"rfc6470-2.3-session-end-dropped", "netconf-session-end after a loss of the connection: dropped", events, func(c *Context) {
			s := c.Open()
			subscribe(c.Main(), "").OK()
			s.Close()
			n := c.Main().Notification("netconf-session-end").Get("ncn:netconf-session-end")
			c.Check(n != nil && n.Get("ncn:session-id").Value() == s.ID && n.Get("ncn:termination-reason").Value() == "dropped", "session or reason is wrong: %q", n.Get("ncn:termination-reason").Value())
		}},
		{"rfc6470-2.3-session-end-killed", "netconf-session-end after kill-session: killed, and by whom", events, func(c *Context) {
			s := c.Open()
			subscribe(c.Main(), "").OK()
			k := c.Open()
			k.RPC("<nc:kill-session><nc:session-id>" + s.ID + "</nc:session-id></nc:kill-session>").OK()
			n := c.Main().Notification("netconf-session-end").Get("ncn:netconf-session-end")
			c.Check(n != nil && n.Get("ncn:termination-reason").Value() == "killed" && n.Get("ncn:killed-by").Value() == k.ID, "reason or killer is wrong")
		}},
		{"rfc6470-2.4-confirmed-commit", "start and cancel of a confirmed commit are told", append([]string{":confirmed-commit:1.1"}, events...), func(c *Context) {
			s := c.Open()
			subscribe(s, "").OK()
			c.Edit(`<top><name>x</name></top>`).OK()
			c.RPC("<nc:commit><nc:confirmed/><nc:confirm-timeout>60</nc:confirm-timeout></nc:commit>").OK()
			n := s.Notification("netconf-confirmed-commit").Get("ncn:netconf-confirmed-commit")
			c.Check(n.Get("ncn:confirm-event").Value() == "start" && n.Get("ncn:timeout").Value() != "", "start: %q, timeout %q", n.Get("ncn:confirm-event").Value(), n.Get("ncn:timeout").Value())
			c.RPC("<nc:cancel-commit/>").OK()
			n = s.Notification("netconf-confirmed-commit").Get("ncn:netconf-confirmed-commit")
			c.Check(n.Get("ncn:confirm-event").Value() == "cancel", "cancel: %q", n.Get("ncn:confirm-event").Value())
		}},
		{"rfc6470-2.4-confirmed-commit-complete", "the confirmation is told", append([]string{":confirmed-commit:1.1"}, events...), func(c *Context) {
			c.Edit(`<top><name>x</name></top>`).OK()
			c.RPC("<nc:commit><nc:confirmed/></nc:commit>").OK()
			s := c.Open()
			subscribe(s, "").OK()
			c.RPC("<nc:commit/>").OK()
			n := s.Notification("netconf-confirmed-commit").Get("ncn:netconf-confirmed-commit")
			c.Check(n.Get("ncn:confirm-event").Value() == "complete", "it is %q", n.Get("ncn:confirm-event").Value())
		}},
		{"rfc6470-2.4-confirmed-commit-timeout", "the time-out is told", append([]string{":confirmed-commit:1.1"}, events...), func(c *Context) {
			c.Edit(`<top><name>x</name></top>`).OK()
			c.RPC("<nc:commit><nc:confirmed/><nc:confirm-timeout>1</nc:confirm-timeout></nc:commit>").OK()
			s := c.Open()
			subscribe(s, "").OK()
			n := s.Notification("netconf-confirmed-commit").Get("ncn:netconf-confirmed-commit")
			c.Check(n.Get("ncn:confirm-event").Value() == "timeout", "it is %q", n.Get("ncn:confirm-event").Value())
		}},
		{"rfc7950-7.16.2-notification", "a notification of a module is its element in the module's namespace", emit, func(c *Context) {
			c.Set(`<top><item><name>a</name></item></top>`)
			s := c.Open()
			subscribe(s, "").OK()
			fire(c.Main(), "a", "hello")
			n := s.Notification("event").Get("event")
			c.Check(n != nil && n.Get("text").Value() == "hello" && n.Get("level").Value() == "7", "it is not")
		}},
		{"rfc7950-7.16.2-nested-notification", "a notification tied to a node comes inside the node and its ancestors with keys", emit, func(c *Context) {
			c.Set(`<top><item><name>a</name></item></top>`)
			s := c.Open()
			subscribe(s, "").OK()
			fire(c.Main(), "a", "hello")
			n := s.Notification("changed")
			c.Same("what", n.Values("top/item[name=a]/cx:changed/cx:what"), []string{"hello"})
		}},
		{"rfc5277-2.1.1-filter-on-content", "a content match selects notifications", emit, func(c *Context) {
			c.Set(`<top><item><name>a</name></item></top>`)
			s := c.Open()
			subscribe(s, `<filter type="subtree"><event xmlns="`+nsTest+`"><text>two</text></event></filter>`).OK()
			fire(c.Main(), "a", "one")
			fire(c.Main(), "a", "two")
			c.Same("text", []string{s.Notification("event").Get("event/text").Value()}, []string{"two"})
		}},
		{"rfc5277-3.4-filter-xpath", "an XPath filter selects notifications", append([]string{":xpath"}, emit...), func(c *Context) {
			c.Set(`<top><item><name>a</name></item></top>`)
			s := c.Open()
			subscribe(s, `<filter type="xpath" xmlns:q="`+nsTest+`" select="/q:event[q:level &gt; 5]"/>`).OK()
			fire(c.Main(), "a", "one")
			c.Same("text", []string{s.Notification("event").Get("event/text").Value()}, []string{"one"})
			c.Check(s.MaybeNotification("changed", 100*time.Millisecond) == nil, "what is not selected comes")
		}},
	}
}

// operationCases are those of RFC 7950 sections 7.14 and 7.15: RPCs and actions.
func operationCases() []Case {
	rpc := []string{"can:emit"}
	act := []string{"can:emit", "mtp-conformance-augment"}
	action := func(c *Context, inside string) *Reply {
		return c.RPC(`<action xmlns="urn:ietf:params:xml:ns:yang:1">` + inside + `</action>`)
	}
	echo := func(inside string) string { return `<echo xmlns="` + nsAugment + `">` + inside + `</echo>` }
	return []Case{
		{"rfc7950-7.14.4-rpc", "the output of an RPC is below rpc-reply, in the module's namespace", rpc, func(c *Context) {
			r := c.RPC(`<poke><number>7</number><word>w</word></poke>`).Works()
			c.Same("output", []string{r.Get("number").Value(), r.Get("word").Value()}, []string{"8", "w"})
		}},
		{"rfc7950-7.14.2-default-of-input", "a leaf of the input that is left out has its default", rpc, func(c *Context) {
			c.Same("word", c.RPC(`<poke><number>7</number></poke>`).Works().Values("word"), []string{"hello"})
		}},
		{"rfc7950-7.14.2-mandatory-input", "a mandatory leaf of the input is missing-element", rpc, func(c *Context) {
			c.RPC(`<poke><word>w</word></poke>`).Error("missing-element", info("bad-element", "number"))
		}},
		{"rfc7950-8.3.1-input-value", "a wrong value in the input is invalid-value", rpc, func(c *Context) {
			c.RPC(`<poke><number>101</number></poke>`).Error("invalid-value")
		}},
		{"rfc7950-8.3.1-input-unknown", "an unknown element in the input is unknown-element", rpc, func(c *Context) {
			c.RPC(`<poke><number>1</number><bogus/></poke>`).Error("unknown-element", info("bad-element", "bogus"))
		}},
		{"rfc7950-8.3.1-input-two-cases", "two cases of a choice in the input are bad-element", rpc, func(c *Context) {
			c.RPC(`<poke><number>1</number><fast/><slow/></poke>`).Error("bad-element")
		}},
		{"rfc7950-7.15.2-action", "an action is invoked on an entry, its output is below rpc-reply", act, func(c *Context) {
			c.Set(`<top><item><name>a</name></item></top>`)
			r := action(c, `<top xmlns="`+nsTest+`"><item><name>a</name>`+echo("<text>hi</text>")+`</item></top>`).Works()
			c.Same("text", r.Values("cx:text"), []string{"hi"})
		}},
		{"rfc7950-7.15-action-on-nothing", "an action on an entry that is not there is refused", act, func(c *Context) {
			c.Check(action(c, `<top xmlns="`+nsTest+`"><item><name>zzz</name>`+echo("<text>hi</text>")+`</item></top>`).Failed(), "it is accepted")
		}},
		{"rfc7950-7.15.2-action-key-missing", "an action needs the keys of the entry", act, func(c *Context) {
			c.Set(`<top><item><name>a</name></item></top>`)
			action(c, `<top xmlns="`+nsTest+`"><item>`+echo("<text>hi</text>")+`</item></top>`).OneOf([]string{"missing-element", "bad-element"})
		}},
		{"rfc7950-7.15.2-no-action", "an action element without an action is refused", act, func(c *Context) {
			c.Set(`<top><item><name>a</name></item></top>`)
			c.Check(action(c, `<top xmlns="`+nsTest+`"><item><name>a</name></item></top>`).Failed(), "it is accepted")
		}},
		{"rfc7950-7.15.2-two-actions", "an action element holds one action", act, func(c *Context) {
			c.Set(`<top><item><name>a</name></item></top>`)
			action(c, `<top xmlns="`+nsTest+`"><item><name>a</name>`+echo("<text>hi</text>")+echo("<text>ho</text>")+`</item></top>`).OneOf([]string{"bad-element", "unknown-element", "operation-failed"})
		}},
		{"rfc7950-7.15-action-input", "the input of an action is checked", act, func(c *Context) {
			c.Set(`<top><item><name>a</name></item></top>`)
			action(c, `<top xmlns="`+nsTest+`"><item><name>a</name>`+echo("<text>far too long</text>")+`</item></top>`).Error("invalid-value")
			action(c, `<top xmlns="`+nsTest+`"><item><name>a</name>`+echo("")+`</item></top>`).Error("missing-element", info("bad-element", "text"))
		}},
		{"rfc7950-7.15-action-is-no-rpc", "an action is not invoked without its node", act, func(c *Context) {
			c.Check(c.RPC(echo("<text>hi</text>")).Failed(), "it is accepted")
		}},
	}
}
