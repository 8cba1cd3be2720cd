package conformance

import "slices"

// defaultsCases are those of RFC 6243 and of RFC 7950 on defaults.
func defaultsCases() []Case {
	need := func(mode string) []string { return []string{":with-defaults", ":with-defaults?mode=" + mode} }
	const nsWD = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
	get := func(c *Context, mode string) *Reply {
		return c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="subtree"><top/></nc:filter><with-defaults xmlns="` + nsWD + `">` + mode + `</with-defaults></nc:get-config>`)
	}
	// One leaf set to its default, one left at it, one set to something else.
	const data = `<top><name>n</name><mode>auto</mode><item><name>a</name></item><item><name>b</name><note>other</note></item></top>`
	modes := func(c *Context, mode string) (set, left, other bool) {
		got := get(c, mode).Data()
		return got.Has("top/mode"), got.Has("top/item[name=a]/note"), got.Has("top/item[name=b]/note")
	}
	return []Case{
		{"rfc6243-4.3-basic-mode-announced", ":with-defaults names the basic mode", []string{":with-defaults"}, func(c *Context) {
			c.Check(c.Has(":with-defaults?basic-mode=explicit") || c.Has(":with-defaults?basic-mode=trim") || c.Has(":with-defaults?basic-mode=report-all"), "it does not")
		}},
		{"rfc6243-3.1-report-all", "report-all returns every default", need("report-all"), func(c *Context) {
			c.Set(data)
			set, left, other := modes(c, "report-all")
			c.Check(set && left && other, "set to the default: %v, left at it: %v, other: %v", set, left, other)
		}},
		{"rfc6243-3.1-report-all-values", "the defaults returned are those of the schema", need("report-all"), func(c *Context) {
			c.Set(data)
			c.Same("note", get(c, "report-all").Data().Values("top/item[name=a]/note"), []string{"none"})
		}},
		{"rfc6243-3.2-trim", "trim returns nothing that equals its default", need("trim"), func(c *Context) {
			c.Set(data)
			set, left, other := modes(c, "trim")
			c.Check(!set && !left && other, "set to the default: %v, left at it: %v, other: %v", set, left, other)
		}},
		{"rfc6243-3.3-explicit", "explicit returns what a client has set", need("explicit"), func(c *Context) {
			c.Set(data)
			set, left, other := modes(c, "explicit")
			c.Check(set && !left && other, "set to the default: %v, left at it: %v, other: %v", set, left, other)
		}},
		{"rfc6243-3.4-report-all-tagged", "report-all-tagged marks each default", need("report-all-tagged"), func(c *Context) {
			c.Set(data)
			got := get(c, "report-all-tagged").Data()
			for _, p := range []string{"top/item[name=a]/note"} {
				e := got.Get(p)
				c.Check(e != nil, "%s is not returned", p)
				v, _ := e.Attr("wd", "default")
				c.Check(v == "true" || v == "1", "%s is not marked", p)
			}
			_, marked := got.Get("top/item[name=b]/note").Attr("wd", "default")
			c.Check(!marked, "what is no default is marked")
		}},
		{"rfc6243-2.1-without-the-parameter", "without the parameter the basic mode counts", []string{":with-defaults?basic-mode=explicit"}, func(c *Context) {
			c.Set(data)
			got := c.Running()
			c.Check(got.Has("top/mode") && !got.Has("top/item[name=a]/note"), "it does not")
		}},
		{"rfc6243-4.5.1-unsupported-mode", "a mode that does not exist is refused", []string{":with-defaults"}, func(c *Context) {
			get(c, "bogus").OneOf([]string{"invalid-value", "operation-not-supported", "bad-element"})
		}},
		{"rfc6243-4.5.2-get", "get takes the parameter", need("report-all"), func(c *Context) {
			c.Set(data)
			got := c.RPC(`<nc:get><nc:filter type="subtree"><top/></nc:filter><with-defaults xmlns="` + nsWD + `">report-all</with-defaults></nc:get>`).Data()
			c.Check(got.Has("top/item[name=a]/note"), "it does not")
		}},
		{"rfc6243-4.5.3-edit-with-default-attribute", "an edit may mark a node as the default it is", need("report-all-tagged"), func(c *Context) {
			c.Set(`<top><name>n</name><mode>manual</mode></top>`)
			c.Edit(`<top><mode xmlns:wd="urn:ietf:params:xml:ns:netconf:default:1.0" wd:default="true">auto</mode></top>`).OK()
			c.Main().Commit()
			c.Check(c.Running().Get("top/mode").Value() != "manual", "the node keeps its old value")
		}},
		{"rfc6243-4.5.3-edit-with-wrong-default", "a node marked as default that is not one is answered invalid-value", need("report-all-tagged"), func(c *Context) {
			c.Edit(`<top><mode xmlns:wd="urn:ietf:params:xml:ns:netconf:default:1.0" wd:default="true">manual</mode></top>`).Error("invalid-value")
		}},
		{"rfc6243-2.3.1-create-explicit-default", "explicit mode: a leaf set to its default exists, so create is answered data-exists", []string{":with-defaults?basic-mode=explicit"}, func(c *Context) {
			c.Set(`<top><mode>auto</mode></top>`)
			c.Edit(`<top><mode nc:operation="create">auto</mode></top>`).Error("data-exists")
		}},
		{"rfc6243-2.3.3-create-default", "explicit mode: a leaf left at its default does not exist, so create works", []string{":with-defaults?basic-mode=explicit"}, func(c *Context) {
			c.Set(`<top><name>n</name></top>`)
			c.Edit(`<top><mode nc:operation="create">auto</mode></top>`).OK()
		}},
		{"rfc6243-2.3.3-delete-default", "explicit mode: a leaf left at its default cannot be deleted", []string{":with-defaults?basic-mode=explicit"}, func(c *Context) {
			c.Set(`<top><name>n</name></top>`)
			c.Edit(`<top><mode nc:operation="delete"/></top>`).Error("data-missing")
		}},
		{"rfc7950-7.6.1-default-after-delete", "a leaf that is deleted is at its default again", need("report-all"), func(c *Context) {
			c.Set(`<top><mode>manual</mode><name>n</name></top>`)
			c.Set(`<top><mode nc:operation="delete"/></top>`)
			c.Same("mode", get(c, "report-all").Data().Values("top/mode"), []string{"auto"})
		}},
		{"rfc7950-7.6.1-default-in-use", "a default counts in expressions: kind of nothing, no when is true", need("report-all"), func(c *Context) {
			got := c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="subtree"><whens/></nc:filter><with-defaults xmlns="` + nsWD + `">report-all</with-defaults></nc:get-config>`).Data()
			c.Check(!got.Has("whens/beta/y"), "a default below a when that is false is returned")
		}},
		{"rfc7950-7.6.1-default-below-when", "a default below a when that is true is in use", need("report-all"), func(c *Context) {
			c.Set(`<whens><kind>beta</kind></whens>`)
			got := c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="subtree"><whens/></nc:filter><with-defaults xmlns="` + nsWD + `">report-all</with-defaults></nc:get-config>`).Data()
			c.Same("y", got.Values("whens/beta/y"), []string{"why"})
		}},
		{"rfc7950-7.9.3-default-case", "the default of the default case is in use when no case is there", need("report-all"), func(c *Context) {
			c.Set(`<choices><three>x</three></choices>`)
			got := c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="subtree"><choices/></nc:filter><with-defaults xmlns="` + nsWD + `">report-all</with-defaults></nc:get-config>`).Data()
			c.Same("interval", got.Values("choices/interval"), []string{"30"})
		}},
		{"rfc7950-7.9.3-other-case", "with another case there the default of the default case is not in use", need("report-all"), func(c *Context) {
			c.Set(`<choices><daily/></choices>`)
			got := c.RPC(`<nc:get-config><nc:source><nc:running/></nc:source><nc:filter type="subtree"><choices/></nc:filter><with-defaults xmlns="` + nsWD + `">report-all</with-defaults></nc:get-config>`).Data()
			c.Check(!got.Has("choices/interval"), "it is returned")
		}},
		{"rfc7950-7.7.2-leaf-list-defaults", "the defaults of a leaf-list are in use when it has no value", append(need("report-all"), "mtp-conformance-augment"), func(c *Context) {
			c.Set(`<top><name>n</name></top>`)
			got := get(c, "report-all").Data().Values("top/cx:preset")
			slices.Sort(got)
			c.Same("preset", got, []string{"one", "two"})
		}},
		{"rfc7950-7.7.2-leaf-list-values", "with a value of its own a leaf-list has no defaults", append(need("report-all"), "mtp-conformance-augment"), func(c *Context) {
			c.Set(`<top><preset xmlns="` + nsAugment + `">three</preset></top>`)
			c.Same("preset", get(c, "report-all").Data().Values("top/cx:preset"), []string{"three"})
		}},
	}
}
