package conformance

import "strings"

// nmdaCases are those of RFC 8526, RFC 8342 and RFC 9144.
func nmdaCases() []Case {
	need := []string{"ietf-netconf-nmda"}
	const ns = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
	ds := func(name string) string {
		return `<datastore xmlns:ds="` + namespace("ds") + `">ds:` + name + `</datastore>`
	}
	get := func(c *Context, params string) *Reply {
		return c.RPC(`<get-data xmlns="` + ns + `">` + params + `</get-data>`)
	}
	filter := func(inside string) string { return `<subtree-filter>` + inside + `</subtree-filter>` }
	top := filter(`<top xmlns="` + nsTest + `"/>`)
	edit := func(c *Context, name, params, config string) *Reply {
		return c.RPC(`<edit-data xmlns="` + ns + `">` + ds(name) + params + `<config` + operationNS + `>` + strings.ReplaceAll(config, "<top", `<top xmlns="`+nsTest+`"`) + `</config></edit-data>`)
	}
	const data = `<top><name>n</name><item><name>a</name><value>1</value><inner><a>x</a></inner></item></top>`
	compare := func(c *Context, source, target, more string) *Reply {
		return c.RPC(`<compare xmlns="` + namespace("cmp") + `" xmlns:ds="` + namespace("ds") + `"><source>ds:` + source + `</source><target>ds:` + target + `</target>` + more + `</compare>`)
	}
	cmp := []string{"ietf-nmda-compare", ":candidate"}
	return []Case{
		{"rfc8526-3.1.1-get-data-running", "get-data reads a datastore", need, func(c *Context) {
			c.Set(data)
			c.Want(get(c, ds("running")+top).Data(), data)
		}},
		{"rfc8526-3.1.1-data-namespace", "the data element is in the namespace of ietf-netconf-nmda", need, func(c *Context) {
			c.Check(get(c, ds("running")+top).Data().Space == ns, "it is not")
		}},
		{"rfc8526-3.1.1-candidate", "the candidate is read as it is edited", append([]string{":candidate"}, need...), func(c *Context) {
			c.Edit(data).OK()
			c.Want(get(c, ds("candidate")+top).Data(), data)
			c.Want(get(c, ds("running")+top).Data(), "")
		}},
		{"rfc8526-3.1.1-intended", "intended has the configuration of running", need, func(c *Context) {
			c.Set(data)
			c.Want(get(c, ds("intended")+top).Data(), data)
		}},
		{"rfc8526-3.1.1-operational", "operational has configuration and state", append([]string{"ietf-netconf-monitoring"}, need...), func(c *Context) {
			c.Set(data)
			c.Check(get(c, ds("operational")+top).Data().Has("top/name"), "the configuration is missing")
			c.Check(get(c, ds("operational")+filter(`<netconf-state xmlns="`+namespace("ncm")+`"/>`)).Data().Has("ncm:netconf-state"), "the state is missing")
		}},
		{"rfc8526-3.1.1-datastore-missing", "the datastore must be named", need, func(c *Context) {
			get(c, "").Error("missing-element", info("bad-element", "datastore"))
		}},
		{"rfc8526-3.1.1-datastore-unsupported", "a datastore that the server does not have is answered invalid-value", need, func(c *Context) {
			c.RPC(`<get-data xmlns="` + ns + `"><datastore xmlns:ds="` + namespace("ds") + `">ds:dynamic</datastore></get-data>`).Error("invalid-value")
		}},
		{"rfc8526-3.1.1-xpath-filter", "get-data takes an XPath filter", append([]string{":xpath"}, need...), func(c *Context) {
			c.Set(data)
			c.Want(get(c, ds("running")+`<xpath-filter xmlns:q="`+nsTest+`">/q:top/q:name</xpath-filter>`).Data(), `<top><name>n</name></top>`)
		}},
		{"rfc8526-3.1.1-config-filter-true", "config-filter true selects configuration", append([]string{"ietf-netconf-acm"}, need...), func(c *Context) {
			got := get(c, ds("operational")+filter(`<nacm xmlns="`+namespace("nacm")+`"/>`)+"<config-filter>true</config-filter>").Data()
			c.Check(!got.Has("nacm:nacm/nacm:denied-operations"), "state is returned")
		}},
		{"rfc8526-3.1.1-config-filter-false", "config-filter false selects state", append([]string{"ietf-netconf-acm"}, need...), func(c *Context) {
			got := get(c, ds("operational")+filter(`<nacm xmlns="`+namespace("nacm")+`"/>`)+"<config-filter>false</config-filter>").Data()
			c.Check(got.Has("nacm:nacm/nacm:denied-operations") && !got.Has("nacm:nacm/nacm:enable-nacm"), "the wrong nodes are returned")
		}},
		{"rfc8526-3.1.1-max-depth", "max-depth cuts the reply", need, func(c *Context) {
			c.Set(data)
			got := get(c, ds("running")+top+"<max-depth>3</max-depth>").Data()
			c.Check(got.Has("top/item[name=a]/value") && !got.Has("top/item[name=a]/inner/a"), "it is cut in the wrong place")
		}},
		{"rfc8526-3.1.1-max-depth-zero", "max-depth is at least 1", need, func(c *Context) {
			get(c, ds("running")+"<max-depth>0</max-depth>").Error("invalid-value")
		}},
		{"rfc8526-3.1.1-with-origin", "with-origin tells where the configuration in use comes from", append([]string{"ietf-netconf-nmda:origin"}, need...), func(c *Context) {
			c.Set(data)
			got := get(c, ds("operational")+top+"<with-origin/>").Data().Get("top")
			c.Check(got != nil, "there is no top")
			v, _ := got.Attr("or", "origin")
			prefix, local, _ := strings.Cut(v, ":")
			c.Check(local == "intended" && got.resolve(prefix) == namespace("or"), "the origin of top is %q", v)
		}},
		{"rfc8526-3.1.1-origin-of-defaults", "a default in use has the origin default", append([]string{"ietf-netconf-nmda:origin", ":with-operational-defaults"}, need...), func(c *Context) {
			c.Set(data)
			got := get(c, ds("operational")+top+`<with-origin/><with-defaults>report-all</with-defaults>`).Data().Get("top/mode")
			c.Check(got != nil, "the default is not returned")
			v, _ := got.Attr("or", "origin")
			c.Check(strings.HasSuffix(v, ":default"), "its origin is %q", v)
		}},
		{"rfc8526-3.1.1-origin-filter", "origin-filter selects by origin", append([]string{"ietf-netconf-nmda:origin"}, need...), func(c *Context) {
			c.Set(data)
			got := get(c, ds("operational")+top+`<origin-filter xmlns:or="`+namespace("or")+`">or:system</origin-filter>`).Data()
			c.Check(!got.Has("top/name"), "what is intended is returned for system")
		}},
		{"rfc8526-3.1.1-with-origin-elsewhere", "with-origin belongs to operational only", append([]string{"ietf-netconf-nmda:origin"}, need...), func(c *Context) {
			c.Check(get(c, ds("running")+"<with-origin/>").Failed(), "it is accepted")
		}},
		{"rfc8342-5.3-defaults-in-use", "operational has the defaults that are in use", append([]string{":with-operational-defaults"}, need...), func(c *Context) {
			c.Set(data)
			c.Same("mode", get(c, ds("operational")+top).Data().Values("top/mode"), []string{"auto"})
		}},
		{"rfc8526-3.1.2-edit-data", "edit-data edits a datastore", append([]string{":candidate"}, need...), func(c *Context) {
			edit(c, "candidate", "", `<top><name>n</name></top>`).OK()
			c.Want(c.Edited(), `<top><name>n</name></top>`)
		}},
		{"rfc8526-3.1.2-edit-data-operation", "the attribute operation works as in edit-config", append([]string{":candidate"}, need...), func(c *Context) {
			c.Set(data)
			edit(c, "candidate", "", `<top><name nc:operation="create">x</name></top>`).Error("data-exists")
			edit(c, "candidate", "", `<top><name nc:operation="delete"/></top>`).OK()
			c.Check(!c.Edited().Has("top/name"), "the leaf is there")
		}},
		{"rfc8526-3.1.2-default-operation", "edit-data has a default-operation", append([]string{":candidate"}, need...), func(c *Context) {
			c.Set(data)
			edit(c, "candidate", "<default-operation>none</default-operation>", `<top><name>x</name></top>`).OK()
			c.Want(c.Edited(), data)
			edit(c, "candidate", "<default-operation>replace</default-operation>", `<top><name>x</name></top>`).OK()
			c.Want(c.Edited(), `<top><name>x</name></top>`)
		}},
		{"rfc8526-3.1.2-operational-is-not-writable", "a datastore that cannot be written is answered invalid-value", need, func(c *Context) {
			edit(c, "operational", "", `<top><name>n</name></top>`).Error("invalid-value")
		}},
		{"rfc8526-3.1.2-intended-is-not-writable", "intended cannot be written", need, func(c *Context) {
			edit(c, "intended", "", `<top><name>n</name></top>`).Error("invalid-value")
		}},
		{"rfc8526-3.1.2-all-or-nothing", "an edit with an error changes nothing", append([]string{":candidate"}, need...), func(c *Context) {
			edit(c, "candidate", "", `<top><name>n</name><count>x</count></top>`).Error("invalid-value")
			c.Want(c.Edited(), "")
		}},
		{"rfc8526-3.2-lock", "lock and unlock name a datastore by its identity", append([]string{":candidate"}, need...), func(c *Context) {
			const nmda = `xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"`
			target := `<nc:target><datastore ` + nmda + ` xmlns:ds="` + namespace("ds") + `">ds:candidate</datastore></nc:target>`
			c.RPC("<nc:lock>" + target + "</nc:lock>").OK()
			c.Open().RPC("<nc:lock><nc:target><nc:candidate/></nc:target></nc:lock>").Error("lock-denied", info("session-id", c.Main().ID))
			c.RPC("<nc:unlock>" + target + "</nc:unlock>").OK()
		}},
		{"rfc8526-3.2-lock-operational", "operational cannot be locked", need, func(c *Context) {
			c.RPC(`<nc:lock><nc:target><datastore xmlns="` + ns + `" xmlns:ds="` + namespace("ds") + `">ds:operational</datastore></nc:target></nc:lock>`).Error("invalid-value")
		}},
		{"rfc8526-3.2-validate", "validate names a datastore by its identity", append([]string{":validate", ":candidate"}, need...), func(c *Context) {
			c.Edit(`<must-rule><low>5</low><high>1</high></must-rule>`, c.setOption()...).OK()
			c.RPC(`<nc:validate><nc:source><datastore xmlns="`+ns+`" xmlns:ds="`+namespace("ds")+`">ds:candidate</datastore></nc:source></nc:validate>`).Error("operation-failed", appTag("high-low"))
		}},
		{"rfc9144-4-no-differences", "datastores that are equal have no differences", cmp, func(c *Context) {
			c.Set(data)
			r := compare(c, "running", "candidate", "").Works()
			c.Check(!r.Has("cmp:differences/cmp:yang-patch/cmp:edit"), "there are some")
		}},
		{"rfc9144-4-differences", "differences come as a YANG patch that leads from source to target", cmp, func(c *Context) {
			c.Set(data)
			c.Edit(`<top><name>x</name><item nc:operation="delete"><name>a</name></item><count>1</count></top>`).OK()
			r := compare(c, "running", "candidate", "").Works()
			operations := map[string]string{}
			for _, e := range r.below("edit") {
				var op, target string
				for _, x := range e.Children {
					switch x.Local {
					case "operation":
						op = x.Value()
					case "target":
						target = x.Value()
					}
				}
				operations[target[strings.LastIndex(target, "/")+1:]] = op
			}
			c.Check(len(operations) == 3, "there are %v", operations)
			for target, want := range map[string]string{"name": "replace", "count": "create", "item=a": "delete"} {
				found := ""
				for got, op := range operations {
					if got == target || strings.HasSuffix(got, ":"+target) {
						found = op
					}
				}
				c.Check(found == want || want == "replace" && found == "merge" || want == "delete" && found == "remove", "%s is %q in %v", target, found, operations)
			}
		}},
		{"rfc9144-4-filter", "a filter limits what is compared", cmp, func(c *Context) {
			c.Set(data)
			c.Edit(`<top><name>x</name></top>`).OK()
			r := compare(c, "running", "candidate", `<subtree-filter><types xmlns="`+nsTest+`"/></subtree-filter>`).Works()
			c.Check(len(r.below("edit")) == 0, "what is not selected is compared")
		}},
		{"rfc9144-4-unknown-datastore", "a datastore that the server does not have is refused", cmp, func(c *Context) {
			compare(c, "running", "dynamic", "").OneOf([]string{"invalid-value"})
		}},
		{"rfc9144-4-source-missing", "source and target must be there", cmp, func(c *Context) {
			c.RPC(`<compare xmlns="`+namespace("cmp")+`" xmlns:ds="`+namespace("ds")+`"><target>ds:running</target></compare>`).Error("missing-element", info("bad-element", "source"))
		}},
	}
}
