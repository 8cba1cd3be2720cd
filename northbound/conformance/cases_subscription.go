package conformance

import (
	"strings"
	"time"
)

// subscriptionCases are those of RFC 8639, RFC 8640 and RFC 8641.
func subscriptionCases() []Case {
	need := []string{"ietf-subscribed-notifications"}
	push := []string{"ietf-subscribed-notifications", "ietf-yang-push"}
	onChange := append([]string{"ietf-yang-push:on-change"}, push...)
	const stream = "<stream>NETCONF</stream>"
	sn := func(name, inside string) string {
		return "<" + name + ` xmlns="` + namespace("sn") + `" xmlns:yp="` + namespace("yp") + `" xmlns:ds="` + namespace("ds") + `">` + inside + "</" + name + ">"
	}
	establish := func(s *Session, inside string) string {
		id := s.RPC(sn("establish-subscription", inside)).Works().Get("sn:id").Value()
		s.c.Check(id != "", "there is no id")
		return id
	}
	datastore := func(name, trigger string) string {
		return "<yp:datastore>ds:" + name + `</yp:datastore><yp:datastore-subtree-filter><top xmlns="` + nsTest + `"/></yp:datastore-subtree-filter>` + trigger
	}
	const change = "<yp:on-change/>"
	subscriptions := func(c *Context) *Element {
		return c.RPC(`<nc:get><nc:filter type="subtree"><subscriptions xmlns="` + namespace("sn") + `"/></nc:filter></nc:get>`).Data()
	}
	return []Case{
		{"rfc8639-2.4.2-establish", "establish-subscription returns an id", need, func(c *Context) {
			establish(c.Main(), stream)
		}},
		{"rfc8639-2.4.2-events-come", "the events of the stream come", append([]string{"ietf-netconf-notifications"}, need...), func(c *Context) {
			establish(c.Main(), stream)
			c.Open().Set(`<top><name>x</name></top>`)
			c.Main().Notification("netconf-config-change")
		}},
		{"rfc8639-2.4.2-two-subscriptions", "a session has any number of subscriptions, each with an id of its own", need, func(c *Context) {
			c.Check(establish(c.Main(), stream) != establish(c.Main(), stream), "two have one id")
		}},
		{"rfc8639-2.4.2-unknown-stream", "a stream that does not exist is refused", need, func(c *Context) {
			c.Check(c.RPC(sn("establish-subscription", "<stream>bogus</stream>")).Failed(), "it is accepted")
		}},
		{"rfc8640-7-unknown-stream-error", "the error is invalid-value for the leaf stream", need, func(c *Context) {
			c.RPC(sn("establish-subscription", "<stream>bogus</stream>")).OneOf([]string{"invalid-value"})
		}},
		{"rfc8639-2.4.2-no-target", "a stream or a datastore must be named", need, func(c *Context) {
			c.Check(c.RPC(sn("establish-subscription", "")).Failed(), "it is accepted")
		}},
		{"rfc8639-2.2-filter", "a filter selects events", append([]string{"ietf-netconf-notifications"}, need...), func(c *Context) {
			establish(c.Main(), stream+`<stream-subtree-filter><netconf-session-end xmlns="`+namespace("ncn")+`"/></stream-subtree-filter>`)
			s := c.Open()
			s.Set(`<top><name>x</name></top>`)
			s.RPC("<nc:close-session/>").OK()
			c.Main().Notification("netconf-session-end")
			c.Check(c.Main().MaybeNotification("netconf-config-change", 100*time.Millisecond) == nil, "what is not selected comes")
		}},
		{"rfc8639-2.4.2.1-replay", "events since replay-start-time come, then replay-completed", append([]string{"ietf-subscribed-notifications:replay", "ietf-netconf-notifications"}, need...), func(c *Context) {
			start := time.Now().UTC().Add(-time.Second).Format(time.RFC3339)
			c.Set(`<top><name>x</name></top>`)
			s := c.Open()
			id := establish(s, stream+"<replay-start-time>"+start+"</replay-start-time>")
			s.Notification("netconf-config-change")
			n := s.Notification("replay-completed").Get("sn:replay-completed")
			c.Check(n.Get("sn:id").Value() == id, "replay-completed has the id %q", n.Get("sn:id").Value())
		}},
		{"rfc8639-2.4.2-stop-in-the-past", "a stop-time that is over is refused", need, func(c *Context) {
			c.Check(c.RPC(sn("establish-subscription", stream+"<stop-time>2020-01-01T00:00:00Z</stop-time>")).Failed(), "it is accepted")
		}},
		{"rfc8639-2.4.4-delete", "delete-subscription ends it", append([]string{"ietf-netconf-notifications"}, need...), func(c *Context) {
			id := establish(c.Main(), stream)
			c.RPC(sn("delete-subscription", "<id>"+id+"</id>")).OK()
			c.Open().Set(`<top><name>x</name></top>`)
			c.Check(c.Main().MaybeNotification("netconf-config-change", 100*time.Millisecond) == nil, "an event comes")
		}},
		{"rfc8639-2.4.4-delete-unknown", "a subscription that does not exist cannot be deleted", need, func(c *Context) {
			c.Check(c.RPC(sn("delete-subscription", "<id>4294967290</id>")).Failed(), "it is accepted")
		}},
		{"rfc8639-2.4.4-delete-of-another", "a subscription of another session cannot be deleted", need, func(c *Context) {
			id := establish(c.Open(), stream)
			c.Check(c.RPC(sn("delete-subscription", "<id>"+id+"</id>")).Failed(), "it is accepted")
		}},
		{"rfc8639-2.4.5-kill", "kill-subscription ends that of another session, which is told", need, func(c *Context) {
			s := c.Open()
			id := establish(s, stream)
			c.RPC(sn("kill-subscription", "<id>"+id+"</id>")).OK()
			n := s.Notification("subscription-terminated").Get("sn:subscription-terminated")
			c.Check(n.Get("sn:id").Value() == id && strings.HasSuffix(n.Get("sn:reason").Value(), "no-such-subscription"), "id or reason is wrong: %q", n.Get("sn:reason").Value())
		}},
		{"rfc8639-2.4.5-kill-unknown", "a subscription that does not exist cannot be killed", need, func(c *Context) {
			c.Check(c.RPC(sn("kill-subscription", "<id>4294967290</id>")).Failed(), "it is accepted")
		}},
		{"rfc8639-2.4.3-modify", "modify-subscription changes the filter, and the subscriber is told", append([]string{"ietf-netconf-notifications"}, need...), func(c *Context) {
			id := establish(c.Main(), stream+`<stream-subtree-filter><netconf-session-end xmlns="`+namespace("ncn")+`"/></stream-subtree-filter>`)
			c.RPC(sn("modify-subscription", "<id>"+id+`</id><stream-subtree-filter><netconf-config-change xmlns="`+namespace("ncn")+`"/></stream-subtree-filter>`)).OK()
			c.Open().Set(`<top><name>x</name></top>`)
			c.Main().Notification("netconf-config-change")
		}},
		{"rfc8639-2.4.3-modify-unknown", "a subscription that does not exist cannot be modified", need, func(c *Context) {
			c.Check(c.RPC(sn("modify-subscription", "<id>4294967290</id><stop-time>2040-01-01T00:00:00Z</stop-time>")).Failed(), "it is accepted")
		}},
		{"rfc8639-2.9-listed", "the subscriptions are listed as state", need, func(c *Context) {
			id := establish(c.Main(), stream)
			c.Check(subscriptions(c).Has("sn:subscriptions/sn:subscription[id="+id+"]"), "it is not")
		}},
		{"rfc8639-2.4.1-session-end", "a subscription ends with its session", need, func(c *Context) {
			s := c.Open()
			id := establish(s, stream)
			s.Close()
			c.Eventually("the subscription is gone", func() bool { return !subscriptions(c).Has("sn:subscriptions/sn:subscription[id=" + id + "]") })
		}},
		{"rfc8640-5-session-goes-on", "a session with subscriptions takes requests", need, func(c *Context) {
			establish(c.Main(), stream)
			c.Set(`<top><name>x</name></top>`)
		}},
		{"rfc8641-3.3-periodic", "a periodic subscription sends the datastore again and again", push, func(c *Context) {
			c.Set(`<top><name>x</name></top>`)
			s := c.Open()
			id := establish(s, datastore("running", "<yp:periodic><yp:period>10</yp:period></yp:periodic>"))
			for range 3 {
				n := s.Notification("push-update").Get("yp:push-update")
				c.Check(n.Get("yp:id").Value() == id, "the id is %q", n.Get("yp:id").Value())
				c.Same("name", n.Values("yp:datastore-contents/top/name"), []string{"x"})
			}
		}},
		{"rfc8641-3.3-sync-on-start", "an on-change subscription starts with the whole datastore", onChange, func(c *Context) {
			c.Set(`<top><name>x</name></top>`)
			s := c.Open()
			establish(s, datastore("running", change))
			c.Same("name", s.Notification("push-update").Values("yp:push-update/yp:datastore-contents/top/name"), []string{"x"})
		}},
		{"rfc8641-3.3-no-sync-on-start", "unless the subscriber does not want that", onChange, func(c *Context) {
			c.Set(`<top><name>x</name></top>`)
			s := c.Open()
			establish(s, datastore("running", "<yp:on-change><yp:sync-on-start>false</yp:sync-on-start></yp:on-change>"))
			c.Set(`<top><name>y</name></top>`)
			s.Notification("push-change-update")
			c.Check(s.MaybeNotification("push-update", 50*time.Millisecond) == nil, "it comes")
		}},
		{"rfc8641-3.7-change", "a change comes as a YANG patch", onChange, func(c *Context) {
			c.Set(`<top><name>x</name></top>`)
			s := c.Open()
			id := establish(s, datastore("running", change))
			s.Notification("push-update")
			c.Set(`<top><name>y</name></top>`)
			n := s.Notification("push-change-update").Get("yp:push-change-update")
			c.Check(n.Get("yp:id").Value() == id, "the id is %q", n.Get("yp:id").Value())
			c.Check(len(n.below("edit")) == 1 && n.below("value")[0].Has("name") && n.below("value")[0].Get("name").Value() == "y", "the patch is not of the leaf name")
		}},
		{"rfc8641-3.7-deletion", "so does a deletion", onChange, func(c *Context) {
			c.Set(`<top><name>x</name><count>1</count></top>`)
			s := c.Open()
			establish(s, datastore("running", change))
			s.Notification("push-update")
			c.Set(`<top><name nc:operation="delete"/></top>`)
			n := s.Notification("push-change-update")
			ops := n.below("operation")
			c.Check(len(ops) == 1 && (ops[0].Value() == "delete" || ops[0].Value() == "remove"), "the patch has no deletion")
		}},
		{"rfc8641-3.6-filter", "changes elsewhere do not come", onChange, func(c *Context) {
			s := c.Open()
			establish(s, datastore("running", change))
			c.Set(`<types><int8>1</int8></types>`)
			c.Check(s.MaybeNotification("push-change-update", 100*time.Millisecond) == nil, "one comes")
		}},
		{"rfc8641-4.4.5-excluded-change", "excluded changes do not come", onChange, func(c *Context) {
			c.Set(`<top><name>x</name></top>`)
			s := c.Open()
			establish(s, datastore("running", "<yp:on-change><yp:excluded-change>replace</yp:excluded-change></yp:on-change>"))
			s.Notification("push-update")
			c.Set(`<top><name>y</name></top>`)
			c.Set(`<top><count>1</count></top>`)
			n := s.Notification("push-change-update")
			ops := n.below("operation")
			c.Check(len(ops) == 1 && ops[0].Value() != "replace", "the replacement comes")
		}},
		{"rfc8641-3.3-dampening", "within the dampening period one update comes, with the last value", onChange, func(c *Context) {
			c.Set(`<top><name>x</name></top>`)
			s := c.Open()
			establish(s, datastore("running", "<yp:on-change><yp:dampening-period>50</yp:dampening-period></yp:on-change>"))
			s.Notification("push-update")
			for _, v := range []string{"a", "b", "c", "d"} {
				c.Set("<top><name>" + v + "</name></top>")
			}
			last, updates := "", 0
			c.Eventually("the last value comes", func() bool {
				if n := s.MaybeNotification("push-change-update", 20*time.Millisecond); n != nil {
					updates++
					last = n.below("value")[0].Get("name").Value()
				}
				return last == "d"
			})
			c.Check(updates <= 2, "%d updates come", updates)
		}},
		{"rfc8641-4.4.1-resync", "resync-subscription sends the datastore again", onChange, func(c *Context) {
			c.Set(`<top><name>x</name></top>`)
			s := c.Open()
			id := establish(s, datastore("running", change))
			s.Notification("push-update")
			s.RPC(`<resync-subscription xmlns="` + namespace("yp") + `"><id>` + id + `</id></resync-subscription>`).OK()
			c.Same("name", s.Notification("push-update").Values("yp:push-update/yp:datastore-contents/top/name"), []string{"x"})
		}},
		{"rfc8641-4.4.1-resync-unknown", "a subscription that does not exist cannot be resynchronized", onChange, func(c *Context) {
			c.Check(c.RPC(`<resync-subscription xmlns="`+namespace("yp")+`"><id>4294967290</id></resync-subscription>`).Failed(), "it is accepted")
		}},
		{"rfc8641-3.3-period-zero", "a period of nothing is refused", push, func(c *Context) {
			c.Check(c.RPC(sn("establish-subscription", datastore("running", "<yp:periodic><yp:period>0</yp:period></yp:periodic>"))).Failed(), "it is accepted")
		}},
		{"rfc8641-3.10-unknown-datastore", "a datastore that the server does not have is refused", push, func(c *Context) {
			c.Check(c.RPC(sn("establish-subscription", datastore("dynamic", "<yp:periodic><yp:period>100</yp:period></yp:periodic>"))).Failed(), "it is accepted")
		}},
		{"rfc8641-3.10-no-trigger", "a subscription to a datastore needs a trigger", push, func(c *Context) {
			c.Check(c.RPC(sn("establish-subscription", datastore("running", ""))).Failed(), "it is accepted")
		}},
	}
}

// urlCases are those of RFC 6241 section 8.8. The file lies where the server
// lets file URLs lead.
func urlCases() []Case {
	need := []string{":url?scheme=file", ":candidate"}
	const url = "<nc:url>file:///conformance-suite.xml</nc:url>"
	copyOf := func(target, source string) string {
		return "<nc:copy-config><nc:target>" + target + "</nc:target><nc:source>" + source + "</nc:source></nc:copy-config>"
	}
	remove := "<nc:delete-config><nc:target>" + url + "</nc:target></nc:delete-config>"
	return []Case{
		{"rfc6241-8.8-copy-to-url-and-back", "a configuration is copied to a URL and from it", need, func(c *Context) {
			c.Set(`<top><name>saved</name></top>`)
			c.RPC(copyOf(url, "<nc:running/>")).OK()
			c.Cleanup(func() { c.RPC("<nc:discard-changes/>"); c.RPC(remove) })
			c.Set(`<top><name>other</name><count>1</count></top>`)
			c.RPC(copyOf("<nc:candidate/>", url)).OK()
			c.Want(c.Edited(), `<top><name>saved</name></top>`)
		}},
		{"rfc6241-8.8-edit-from-url", "the configuration of edit-config comes from a URL", need, func(c *Context) {
			c.Set(`<top><name>saved</name></top>`)
			c.RPC(copyOf(url, "<nc:running/>")).OK()
			c.Cleanup(func() { c.RPC("<nc:discard-changes/>"); c.RPC(remove) })
			c.Set(`<top><name>other</name><count>1</count></top>`)
			c.RPC("<nc:edit-config><nc:target><nc:candidate/></nc:target>" + url + "</nc:edit-config>").OK()
			c.Want(c.Edited(), `<top><name>saved</name><count>1</count></top>`)
		}},
		{"rfc6241-8.8-validate-url", "validate takes a URL", append([]string{":validate"}, need...), func(c *Context) {
			c.RPC(copyOf(url, "<nc:running/>")).OK()
			c.Cleanup(func() { c.RPC(remove) })
			c.RPC("<nc:validate><nc:source>" + url + "</nc:source></nc:validate>").OK()
		}},
		{"rfc6241-8.8-delete-url", "delete-config takes a URL", need, func(c *Context) {
			c.RPC(copyOf(url, "<nc:running/>")).OK()
			c.RPC(remove).OK()
			c.Check(c.RPC(copyOf("<nc:candidate/>", url)).Failed(), "the file is still there")
		}},
		{"rfc6241-8.8-missing-file", "a file that is not there is refused", need, func(c *Context) {
			c.Check(c.RPC(copyOf("<nc:candidate/>", "<nc:url>file:///conformance-nothing.xml</nc:url>")).Failed(), "it is accepted")
		}},
		{"rfc6241-8.8-unknown-scheme", "a scheme that is not announced is refused", need, func(c *Context) {
			c.Check(c.RPC(copyOf("<nc:candidate/>", "<nc:url>gopher://192.0.2.1/x</nc:url>")).Failed(), "it is accepted")
		}},
		{"rfc6241-8.8-url-to-itself", "source and target must differ", need, func(c *Context) {
			c.Check(c.RPC(copyOf(url, url)).Failed(), "it is accepted")
		}},
	}
}
