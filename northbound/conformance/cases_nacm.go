package conformance

import (
	"strconv"
	"time"
)

// nacmCases are those of RFC 8341. They add a group and a list of rules of their
// own, and take them away again.
func nacmCases() []Case {
	need := []string{"ietf-netconf-acm", "can:users"}
	const ns = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"
	const userName, data = "ct-user", `<top><name>n</name><item><name>a</name><value>1</value></item><item><name>b</name></item><secret>s</secret><guarded>g</guarded></top>`
	rule := func(name, what, operations, action string) string {
		return "<rule><name>" + name + "</name>" + what + "<access-operations>" + operations + "</access-operations><action>" + action + "</action></rule>"
	}
	const module = "<module-name>mtp-conformance-test</module-name>"
	all := rule("all", module, "*", "permit")
	at := func(p string) string { return module + `<path xmlns:ct="` + nsTest + `">` + p + "</path>" }
	// rules puts rules in force for the user, and data into running, and opens
	// a session of the user.
	rules := func(c *Context, list string) *Session {
		c.Set(data)
		c.Set(`<nacm xmlns="` + ns + `"><groups><group><name>ct-group</name><user-name>` + userName + `</user-name></group></groups>` +
			`<rule-list nc:operation="replace" yang:insert="first"><name>ct-rules</name><group>ct-group</group>` + list + `</rule-list></nacm>`)
		c.Cleanup(func() {
			c.RPC("<nc:discard-changes/>")
			c.Set(`<nacm xmlns="` + ns + `"><groups><group nc:operation="remove"><name>ct-group</name></group></groups><rule-list nc:operation="remove"><name>ct-rules</name></rule-list></nacm>`)
		})
		return c.OpenAs(userName)
	}
	// refused edits and commits as the user and wants access-denied of either.
	refused := func(s *Session, config string) {
		r := s.Edit(config)
		if !r.Failed() && s.c.has[":candidate"] {
			r = s.RPC("<nc:commit/>")
		}
		s.c.Main().RPC("<nc:discard-changes/>")
		r.Error("access-denied")
	}
	get := func(s *Session) *Element { return s.Get("running") }
	return []Case{
		{"rfc8341-3.4.5-read-by-default", "without a rule reading is permitted", need, func(c *Context) {
			c.Check(get(rules(c, "")).Has("top/name"), "it is not")
		}},
		{"rfc8341-3.4.5-no-write-by-default", "without a rule writing is answered access-denied", need, func(c *Context) {
			refused(rules(c, ""), `<top><name>x</name></top>`)
			c.Same("name", c.Running().Values("top/name"), []string{"n"})
		}},
		{"rfc8341-3.4.5-permit-write", "a rule permits writing", need, func(c *Context) {
			rules(c, all).Set(`<top><name>x</name></top>`)
			c.Same("name", c.Running().Values("top/name"), []string{"x"})
		}},
		{"rfc8341-3.4.5-deny-read", "what may not be read is left out without an error", need, func(c *Context) {
			got := get(rules(c, rule("no", at("/ct:top/ct:item[ct:name='a']"), "read", "deny")))
			c.Check(!got.Has("top/item[name=a]") && got.Has("top/item[name=b]") && got.Has("top/name"), "the wrong nodes are there")
		}},
		{"rfc8341-3.4.5-deny-read-of-a-leaf", "a single leaf can be denied", need, func(c *Context) {
			got := get(rules(c, rule("no", at("/ct:top/ct:item/ct:value"), "read", "deny")))
			c.Check(got.Has("top/item[name=a]") && !got.Has("top/item[name=a]/value"), "the wrong nodes are there")
		}},
		{"rfc8341-3.4.5-first-rule-decides", "the first rule that matches decides", need, func(c *Context) {
			got := get(rules(c, rule("yes", at("/ct:top/ct:item[ct:name='a']"), "read", "permit")+rule("no", at("/ct:top/ct:item"), "read", "deny")))
			c.Check(got.Has("top/item[name=a]") && !got.Has("top/item[name=b]"), "the wrong nodes are there")
		}},
		{"rfc8341-3.2.5-create-only", "create, update and delete are told apart", need, func(c *Context) {
			s := rules(c, rule("create", module, "create read", "permit"))
			s.Set(`<top><item><name>c</name></item></top>`)
			refused(s, `<top><item nc:operation="delete"><name>a</name></item></top>`)
			refused(s, `<top><item><name>a</name><value>2</value></item></top>`)
		}},
		{"rfc8341-3.2.5-delete-only", "delete does not permit to create", need, func(c *Context) {
			s := rules(c, rule("delete", module, "delete read", "permit"))
			s.Set(`<top><item nc:operation="delete"><name>a</name></item></top>`)
			refused(s, `<top><item><name>c</name></item></top>`)
		}},
		{"rfc8341-3.2.5-update-only", "update changes leafs, no more", need, func(c *Context) {
			s := rules(c, rule("update", module, "update read", "permit"))
			s.Set(`<top><name>x</name></top>`)
			refused(s, `<top><item><name>c</name></item></top>`)
		}},
		{"rfc8341-3.2.5-error-names-the-node", "access-denied to data has the type application and the path of the node", need, func(c *Context) {
			s := rules(c, "")
			r := s.Edit(`<top><name>x</name></top>`)
			if !r.Failed() && c.Has(":candidate") {
				r = s.RPC("<nc:commit/>")
			}
			c.RPC("<nc:discard-changes/>")
			r.Error("access-denied", kind("application"), path("/ct:top/ct:name"))
		}},
		{"rfc8341-3.4.5-default-deny-all", "default-deny-all hides a node without a rule", need, func(c *Context) {
			c.Check(!get(rules(c, "")).Has("top/secret"), "it is shown")
		}},
		{"rfc8341-3.4.5-default-deny-all-with-rule", "a rule opens it", need, func(c *Context) {
			c.Check(get(rules(c, all)).Has("top/secret"), "it is not shown")
		}},
		{"rfc8341-3.4.5-default-deny-write", "default-deny-write lets a node be read", need, func(c *Context) {
			s := rules(c, "")
			c.Check(get(s).Has("top/guarded"), "it is not shown")
			refused(s, `<top><guarded>x</guarded></top>`)
		}},
		{"rfc8341-3.4.5-nacm-is-hidden", "the rules themselves are default-deny-all", need, func(c *Context) {
			got := rules(c, "").RPC(`<nc:get-config><nc:source><nc:running/></nc:source></nc:get-config>`).Data()
			c.Check(!got.Has("nacm:nacm"), "they are shown")
		}},
		{"rfc8341-3.4.4-deny-rpc", "an operation that a rule denies is answered access-denied", append([]string{"ietf-netconf-monitoring"}, need...), func(c *Context) {
			s := rules(c, rule("no", "<module-name>ietf-netconf-monitoring</module-name><rpc-name>get-schema</rpc-name>", "exec", "deny"))
			s.RPC(`<get-schema xmlns="`+namespace("ncm")+`"><identifier>mtp-conformance-test</identifier></get-schema>`).Error("access-denied", kind("protocol"))
		}},
		{"rfc8341-3.4.4-exec-by-default", "without a rule operations are permitted", append([]string{"ietf-netconf-monitoring"}, need...), func(c *Context) {
			rules(c, "").RPC(`<get-schema xmlns="` + namespace("ncm") + `"><identifier>mtp-conformance-test</identifier></get-schema>`).Works()
		}},
		{"rfc8341-3.4.4-close-session", "close-session is always permitted", need, func(c *Context) {
			s := rules(c, rule("no", "<module-name>*</module-name><rpc-name>*</rpc-name>", "exec", "deny"))
			s.RPC("<nc:get/>").Error("access-denied")
			s.RPC("<nc:close-session/>").OK()
		}},
		{"rfc8341-3.4.4-kill-session", "kill-session is default-deny-all", need, func(c *Context) {
			s := rules(c, "")
			s.RPC("<nc:kill-session><nc:session-id>" + c.Main().ID + "</nc:session-id></nc:kill-session>").Error("access-denied")
		}},
		{"rfc8341-3.4.4-kill-session-with-rule", "a rule permits kill-session", need, func(c *Context) {
			s := rules(c, rule("kill", "<module-name>ietf-netconf</module-name><rpc-name>kill-session</rpc-name>", "exec", "permit"))
			other := c.Open()
			s.RPC("<nc:kill-session><nc:session-id>" + other.ID + "</nc:session-id></nc:kill-session>").OK()
			other.Ended()
		}},
		{"rfc8341-3.4.4-delete-config", "delete-config is default-deny-all", append([]string{":startup"}, need...), func(c *Context) {
			rules(c, "").RPC("<nc:delete-config><nc:target><nc:startup/></nc:target></nc:delete-config>").Error("access-denied")
		}},
		{"rfc8341-3.4.6-deny-notification", "a notification that a rule denies is not sent", append([]string{":notification", "ietf-netconf-notifications"}, need...), func(c *Context) {
			s := rules(c, rule("no", "<module-name>ietf-netconf-notifications</module-name><notification-name>netconf-config-change</notification-name>", "read", "deny"))
			s.RPC(`<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>`).OK()
			c.Set(`<top><name>x</name></top>`)
			c.Open()
			s.Notification("netconf-session-start")
			c.Check(s.MaybeNotification("netconf-config-change", 100*time.Millisecond) == nil, "it comes")
		}},
		{"rfc8341-3.4.4-deny-action", "an action that a rule denies is answered access-denied", append([]string{"can:emit", "mtp-conformance-augment"}, need...), func(c *Context) {
			s := rules(c, rule("no", `<module-name>*</module-name><path xmlns:ct="`+nsTest+`" xmlns:cx="`+nsAugment+`">/ct:top/ct:item/cx:echo</path>`, "exec", "deny"))
			s.RPC(`<action xmlns="urn:ietf:params:xml:ns:yang:1"><top xmlns="` + nsTest + `"><item><name>a</name><echo xmlns="` + nsAugment + `"><text>hi</text></echo></item></top></action>`).Error("access-denied")
		}},
		{"rfc8341-3.4.1-denied-operations", "denied operations are counted", need, func(c *Context) {
			count := func() int {
				got := c.RPC(`<nc:get><nc:filter type="subtree"><nacm xmlns="` + ns + `"><denied-operations/></nacm></nc:filter></nc:get>`).Data()
				n, err := strconv.Atoi(got.Get("nacm:nacm/nacm:denied-operations").Value())
				c.Check(err == nil, "there is no counter")
				return n
			}
			s := rules(c, "")
			before := count()
			s.RPC("<nc:kill-session><nc:session-id>" + c.Main().ID + "</nc:session-id></nc:kill-session>").Error("access-denied")
			c.Check(count() == before+1, "%d became %d", before, count())
		}},
		{"rfc8341-3.4.1-other-group", "rules of a group the user is not in do not count", need, func(c *Context) {
			rules(c, rule("no", module, "read", "deny"))
			c.Check(get(c.OpenAs("ct-other")).Has("top/name"), "they do")
		}},
		{"rfc8341-3.4.1-at-once", "a change of the rules counts for sessions that are open", need, func(c *Context) {
			s := rules(c, "")
			c.Check(get(s).Has("top/name"), "nothing can be read")
			c.Set(`<nacm xmlns="` + ns + `"><rule-list><name>ct-rules</name>` + rule("no", module, "read", "deny") + `</rule-list></nacm>`)
			c.Check(!get(s).Has("top/name"), "the old rules count")
		}},
		{"rfc8341-3.4.5-filters-do-not-tell", "a filter does not tell of what may not be read", need, func(c *Context) {
			s := rules(c, rule("no", at("/ct:top/ct:item[ct:name='a']"), "read", "deny"))
			got := s.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="subtree"><top><item><value>1</value></item></top></nc:filter></nc:get-config>`).Data()
			c.Check(!got.Has("top/item"), "it does")
		}},
	}
}
