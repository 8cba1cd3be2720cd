package conformance

import (
	"slices"
	"strings"
)

// monitoringCases are those of RFC 6022, RFC 8525 and RFC 7895's capability.
func monitoringCases() []Case {
	mon := []string{"ietf-netconf-monitoring"}
	state := func(c *Context, inside string) *Element {
		got := c.RPC(`<nc:get><nc:filter type="subtree"><netconf-state xmlns="` + namespace("ncm") + `">` + inside + `</netconf-state></nc:filter></nc:get>`).Data()
		s := got.Get("ncm:netconf-state")
		if s == nil {
			c.Fatalf("there is no netconf-state")
		}
		return s
	}
	schema := func(c *Context, inside string) *Reply {
		return c.RPC(`<get-schema xmlns="` + namespace("ncm") + `">` + inside + `</get-schema>`)
	}
	lib := []string{"ietf-yang-library", ":yang-library:1.1"}
	library := func(c *Context) *Element {
		l := c.RPC(`<nc:get><nc:filter type="subtree"><yang-library xmlns="` + namespace("yanglib") + `"/></nc:filter></nc:get>`).Data().Get("yanglib:yang-library")
		if l == nil {
			c.Fatalf("there is no yang-library")
		}
		return l
	}
	return []Case{
		{"rfc6022-2.1.1-capabilities", "the capabilities are those of hello", mon, func(c *Context) {
			got := state(c, "<capabilities/>").Values("ncm:capabilities/ncm:capability")
			want := slices.Clone(c.Main().Capabilities)
			slices.Sort(got)
			slices.Sort(want)
			c.Same("capabilities", got, want)
		}},
		{"rfc6022-2.1.2-datastores", "the datastores are listed", mon, func(c *Context) {
			got := state(c, "<datastores/>").Values("ncm:datastores/ncm:datastore/ncm:name")
			c.Check(slices.Contains(got, "running"), "running is missing: %q", got)
			c.Check(slices.Contains(got, "candidate") == c.Has(":candidate"), "candidate: %q", got)
			c.Check(slices.Contains(got, "startup") == c.Has(":startup"), "startup: %q", got)
		}},
		{"rfc6022-2.1.2-global-lock", "a global lock is shown with session and time", mon, func(c *Context) {
			c.RPC("<nc:lock><nc:target><nc:running/></nc:target></nc:lock>").OK()
			l := state(c, "<datastores/>").Get("ncm:datastores/ncm:datastore[name=running]/ncm:locks/ncm:global-lock")
			c.Check(l != nil, "the lock is not shown")
			c.Check(l.Get("ncm:locked-by-session").Value() == c.Main().ID, "it is shown as that of session %q", l.Get("ncm:locked-by-session").Value())
			c.Check(l.Get("ncm:locked-time").Value() != "", "it has no time")
		}},
		{"rfc6022-2.1.2-no-lock", "no lock is shown when there is none", mon, func(c *Context) {
			c.Check(len(state(c, "<datastores/>").All("ncm:datastores/ncm:datastore/ncm:locks")) == 0, "one is shown")
		}},
		{"rfc6022-2.1.3-schemas", "the schemas are listed, each with namespace and location", mon, func(c *Context) {
			s := state(c, "<schemas/>")
			one := s.Get("ncm:schemas/ncm:schema[identifier=mtp-conformance-test]")
			c.Check(one != nil, "mtp-conformance-test is missing")
			c.Check(one.Get("ncm:version").Value() == "2026-11-22" && one.Get("ncm:namespace").Value() == nsTest && one.Get("ncm:location").Value() == "NETCONF", "it is listed wrongly")
		}},
		{"rfc6022-2.1.3-format-is-an-identity", "the format is the identity yang of ietf-netconf-monitoring", mon, func(c *Context) {
			f := state(c, "<schemas/>").Get("ncm:schemas/ncm:schema[identifier=mtp-conformance-test]/ncm:format")
			prefix, local, ok := strings.Cut(f.Value(), ":")
			if !ok {
				prefix, local = "", f.Value()
			}
			c.Check(local == "yang" && f.resolve(prefix) == namespace("ncm"), "the format is %q", f.Value())
		}},
		{"rfc6022-2.1.4-sessions", "this session is listed with its user", mon, func(c *Context) {
			one := state(c, "<sessions/>").Get("ncm:sessions/ncm:session[session-id=" + c.Main().ID + "]")
			c.Check(one != nil, "it is not")
			c.Check(one.Get("ncm:username").Value() != "" && one.Get("ncm:login-time").Value() != "" && one.Get("ncm:transport").Value() != "", "user, time or transport is missing")
		}},
		{"rfc6022-2.1.4-in-rpcs", "in-rpcs counts the requests of the session", mon, func(c *Context) {
			at := "ncm:sessions/ncm:session[session-id=" + c.Main().ID + "]/ncm:in-rpcs"
			before := state(c, "<sessions/>").Get(at).Value()
			after := state(c, "<sessions/>").Get(at).Value()
			c.Check(before != "" && before != after, "it is %q, then %q", before, after)
		}},
		{"rfc6022-2.1.4-out-rpc-errors", "out-rpc-errors counts the errors sent", mon, func(c *Context) {
			at := "ncm:sessions/ncm:session[session-id=" + c.Main().ID + "]/ncm:out-rpc-errors"
			before := state(c, "<sessions/>").Get(at).Value()
			c.Check(c.RPC("<nc:bogus/>").Failed(), "no error")
			after := state(c, "<sessions/>").Get(at).Value()
			c.Check(before != "" && before != after, "it is %q, then %q", before, after)
		}},
		{"rfc6022-2.1.4-session-gone", "a session that has ended is not listed", mon, func(c *Context) {
			s := c.Open()
			id := s.ID
			s.RPC("<nc:close-session/>").OK()
			c.Eventually("the session is gone", func() bool {
				return !state(c, "<sessions/>").Has("ncm:sessions/ncm:session[session-id=" + id + "]")
			})
		}},
		{"rfc6022-2.1.5-statistics", "the server counts since it started", mon, func(c *Context) {
			s := state(c, "<statistics/>")
			c.Check(s.Get("ncm:statistics/ncm:netconf-start-time").Value() != "" && s.Get("ncm:statistics/ncm:in-sessions").Value() != "", "start time or sessions are missing")
		}},
		{"rfc6022-3.1-get-schema", "get-schema returns the module", mon, func(c *Context) {
			text := schema(c, "<identifier>mtp-conformance-test</identifier><version>2026-11-22</version><format>yang</format>").Data().Text
			c.Check(strings.Contains(text, "module mtp-conformance-test {") && strings.HasSuffix(strings.TrimSpace(text), "}"), "it returns %.100q", text)
		}},
		{"rfc6022-3.1-data-namespace", "the data element is in the namespace of ietf-netconf-monitoring", mon, func(c *Context) {
			d := schema(c, "<identifier>mtp-conformance-test</identifier>").Data()
			c.Check(d.Space == namespace("ncm"), "it is in %q", d.Space)
		}},
		{"rfc6022-3.1-format-default", "format and version may be left out", mon, func(c *Context) {
			c.Check(strings.Contains(schema(c, "<identifier>mtp-conformance-test</identifier>").Data().Text, "module mtp-conformance-test"), "the module does not come")
		}},
		{"rfc6022-3.1-every-schema", "every schema that is listed can be had", mon, func(c *Context) {
			for _, one := range state(c, "<schemas/>").All("ncm:schemas/ncm:schema") {
				id, version := one.Get("ncm:identifier").Value(), one.Get("ncm:version").Value()
				if one.Get("ncm:location").Value() != "NETCONF" || !strings.HasSuffix(one.Get("ncm:format").Value(), "yang") {
					continue
				}
				text := schema(c, "<identifier>"+id+"</identifier><version>"+version+"</version>").Data().Text
				c.Check(strings.Contains(text, "module "+id), "%s comes as %.60q", id, text)
			}
		}},
		{"rfc6022-3.1-unknown-schema", "a schema that does not exist is answered invalid-value", mon, func(c *Context) {
			schema(c, "<identifier>bogus</identifier>").Error("invalid-value")
		}},
		{"rfc6022-3.1-unknown-version", "a version that does not exist is answered invalid-value", mon, func(c *Context) {
			schema(c, "<identifier>mtp-conformance-test</identifier><version>1999-01-01</version>").Error("invalid-value")
		}},
		{"rfc6022-3.1-unknown-format", "a format that the server does not have is answered invalid-value", mon, func(c *Context) {
			schema(c, "<identifier>mtp-conformance-test</identifier><format>rng</format>").Error("invalid-value")
		}},
		{"rfc6022-3.1-identifier-missing", "identifier is mandatory", mon, func(c *Context) {
			schema(c, "").Error("missing-element", info("bad-element", "identifier"))
		}},
		{"rfc8525-3-module", "yang-library lists the modules of a set", lib, func(c *Context) {
			m := library(c).Get("yanglib:module-set/yanglib:module[name=mtp-conformance-test]")
			c.Check(m != nil && m.Get("yanglib:revision").Value() == "2026-11-22" && m.Get("yanglib:namespace").Value() == nsTest, "mtp-conformance-test is missing or wrong")
		}},
		{"rfc8525-3-content-id", "the content-id is that of hello", lib, func(c *Context) {
			id := library(c).Get("yanglib:content-id").Value()
			c.Check(id != "" && slices.ContainsFunc(c.Main().Capabilities, func(s string) bool {
				return strings.HasSuffix(s, "content-id="+id) || strings.Contains(s, "content-id="+id+"&")
			}), "content-id %q is not that of hello", id)
		}},
		{"rfc8525-3-schemas-of-datastores", "each datastore has a schema that is listed, made of sets that are listed", lib, func(c *Context) {
			l := library(c)
			names, sets := l.Values("yanglib:schema/yanglib:name"), l.Values("yanglib:module-set/yanglib:name")
			used := l.Values("yanglib:datastore/yanglib:schema")
			c.Check(len(used) > 0, "there is no datastore")
			for _, u := range used {
				c.Check(slices.Contains(names, u), "the schema %q is not listed", u)
			}
			for _, u := range l.Values("yanglib:schema/yanglib:module-set") {
				c.Check(slices.Contains(sets, u), "the set %q is not listed", u)
			}
		}},
		{"rfc8525-3-features", "a feature that is off is not listed", append([]string{"!mtp-conformance-test:absent"}, lib...), func(c *Context) {
			c.Check(!library(c).Has("yanglib:module-set/yanglib:module[name=mtp-conformance-test]/yanglib:feature"), "one is listed")
		}},
		{"rfc8525-3-imports-apart", "a module is implemented or import-only, not both in one revision", lib, func(c *Context) {
			l := library(c)
			implemented := map[string]string{}
			for _, m := range l.All("yanglib:module-set/yanglib:module") {
				implemented[m.Get("yanglib:name").Value()] = m.Get("yanglib:revision").Value()
			}
			for _, m := range l.All("yanglib:module-set/yanglib:import-only-module") {
				r, both := implemented[m.Get("yanglib:name").Value()]
				c.Check(!both || r != m.Get("yanglib:revision").Value(), "%s is both", m.Get("yanglib:name").Value())
			}
		}},
		{"rfc8525-3-modules-of-hello", "the modules that hello announces are listed", lib, func(c *Context) {
			l := library(c)
			var all []string
			all = append(all, l.Values("yanglib:module-set/yanglib:module/yanglib:name")...)
			all = append(all, l.Values("yanglib:module-set/yanglib:import-only-module/yanglib:name")...)
			for _, one := range c.Main().Capabilities {
				if _, rest, ok := strings.Cut(one, "?module="); ok {
					name, _, _ := strings.Cut(rest, "&")
					c.Check(slices.Contains(all, name), "%s is not", name)
				}
			}
		}},
		{"rfc8525-4-modules-state", "the list of RFC 7895 is still there, with the same modules", []string{"ietf-yang-library"}, func(c *Context) {
			got := c.RPC(`<nc:get><nc:filter type="subtree"><modules-state xmlns="` + namespace("yanglib") + `"/></nc:filter></nc:get>`).Data()
			m := got.Get("yanglib:modules-state/yanglib:module[name=mtp-conformance-test]")
			c.Check(m != nil && m.Get("yanglib:conformance-type").Value() == "implement" && got.Get("yanglib:modules-state/yanglib:module-set-id").Value() != "", "mtp-conformance-test or the id is missing")
		}},
	}
}
