package conformance

import "strings"

// editCases are those of RFC 6241 section 7.2 and RFC 7950 sections 7 on the
// operations of edit-config.
func editCases() []Case {
	type operation struct {
		name, clause, before, edit, after string
		options                           []string
	}
	var cases []Case
	for _, o := range []operation{
		{"rfc6241-7.2-merge-is-the-default", "without an operation the data is merged", `<top><name>a</name><count>1</count></top>`, `<top><count>2</count></top>`, `<top><name>a</name><count>2</count></top>`, nil},
		{"rfc6241-7.2-merge-explicit", "merge merges", `<top><name>a</name></top>`, `<top nc:operation="merge"><count>2</count></top>`, `<top><name>a</name><count>2</count></top>`, nil},
		{"rfc6241-7.2-replace-container", "replace takes the place of all that was there", `<top><name>a</name><count>1</count><item><name>i</name></item></top>`, `<top nc:operation="replace"><count>2</count></top>`, `<top><count>2</count></top>`, nil},
		{"rfc6241-7.2-replace-entry", "replace of an entry leaves the others", `<top><item><name>a</name><value>1</value></item><item><name>b</name><value>2</value></item></top>`,
			`<top><item nc:operation="replace"><name>a</name><inner><a>x</a></inner></item></top>`, `<top><item><name>a</name><inner><a>x</a></inner></item><item><name>b</name><value>2</value></item></top>`, nil},
		{"rfc6241-7.2-replace-creates", "replace creates what is not there", ``, `<top><item nc:operation="replace"><name>a</name><value>1</value></item></top>`, `<top><item><name>a</name><value>1</value></item></top>`, nil},
		{"rfc6241-7.2-replace-leaf", "replace of a leaf", `<top><name>a</name><count>1</count></top>`, `<top><name nc:operation="replace">b</name></top>`, `<top><name>b</name><count>1</count></top>`, nil},
		{"rfc6241-7.2-create", "create creates what is not there", ``, `<top><item nc:operation="create"><name>a</name><value>1</value></item></top>`, `<top><item><name>a</name><value>1</value></item></top>`, nil},
		{"rfc6241-7.2-create-leaf", "create of a leaf", ``, `<top><name nc:operation="create">a</name></top>`, `<top><name>a</name></top>`, nil},
		{"rfc6241-7.2-delete", "delete deletes", `<top><item><name>a</name></item><item><name>b</name></item></top>`, `<top><item nc:operation="delete"><name>a</name></item></top>`, `<top><item><name>b</name></item></top>`, nil},
		{"rfc6241-7.2-delete-leaf", "delete of a leaf needs no value", `<top><name>a</name><count>1</count></top>`, `<top><name nc:operation="delete"/></top>`, `<top><count>1</count></top>`, nil},
		{"rfc6241-7.2-delete-container", "delete of a container deletes what is in it", `<top><flag><text>x</text></flag><name>a</name></top>`, `<top><flag nc:operation="delete"/></top>`, `<top><name>a</name></top>`, nil},
		{"rfc6241-7.2-delete-leaf-list-value", "delete of a value of a leaf-list leaves the others", `<top><tag>a</tag><tag>b</tag></top>`, `<top><tag nc:operation="delete">a</tag></top>`, `<top><tag>b</tag></top>`, nil},
		{"rfc6241-7.2-remove", "remove deletes", `<top><name>a</name><count>1</count></top>`, `<top><name nc:operation="remove"/></top>`, `<top><count>1</count></top>`, nil},
		{"rfc6241-7.2-remove-missing", "remove of what is not there is ignored", `<top><count>1</count></top>`, `<top><name nc:operation="remove"/><item nc:operation="remove"><name>a</name></item></top>`, `<top><count>1</count></top>`, nil},
		{"rfc6241-7.2-operations-mixed", "one edit may have many operations", `<top><item><name>a</name><value>1</value></item><item><name>b</name><value>2</value></item></top>`,
			`<top><item nc:operation="delete"><name>a</name></item><item><name>b</name><value nc:operation="replace">9</value></item><item nc:operation="create"><name>c</name></item></top>`,
			`<top><item><name>b</name><value>9</value></item><item><name>c</name></item></top>`, nil},
		{"rfc6241-7.2-operation-inside-replace", "an operation below an element with another one counts for its own element", `<top><item><name>a</name><value>1</value></item></top>`,
			`<top nc:operation="merge"><item nc:operation="replace"><name>a</name><inner><a nc:operation="create">x</a></inner></item></top>`, `<top><item><name>a</name><inner><a>x</a></inner></item></top>`, nil},
		{"rfc6241-7.2-default-operation-replace", "default-operation replace replaces what the edit names", `<top><name>a</name><count>1</count></top>`, `<top><count>2</count></top>`, `<top><count>2</count></top>`, []string{"<nc:default-operation>replace</nc:default-operation>"}},
		{"rfc6241-7.2-default-operation-merge", "default-operation merge", `<top><name>a</name></top>`, `<top><count>2</count></top>`, `<top><name>a</name><count>2</count></top>`, []string{"<nc:default-operation>merge</nc:default-operation>"}},
		{"rfc6241-7.2-default-operation-none", "with none only what has an operation is changed", `<top><name>a</name><item><name>i</name><value>1</value></item></top>`, `<top><item><name>i</name><value nc:operation="merge">2</value></item></top>`, `<top><name>a</name><item><name>i</name><value>2</value></item></top>`, []string{"<nc:default-operation>none</nc:default-operation>"}},
		{"rfc6241-7.2-default-operation-none-changes-nothing", "with none what has no operation is not changed", `<top><name>a</name></top>`, `<top><name>b</name></top>`, `<top><name>a</name></top>`, []string{"<nc:default-operation>none</nc:default-operation>"}},
		{"rfc6241-7.2-default-operation-none-delete", "with none a delete deletes", `<top><item><name>a</name></item><item><name>b</name></item></top>`, `<top><item nc:operation="delete"><name>b</name></item></top>`, `<top><item><name>a</name></item></top>`, []string{"<nc:default-operation>none</nc:default-operation>"}},
		{"rfc7950-7.5.8-container-merge", "merge creates a container with presence", ``, `<top><flag/></top>`, `<top><flag/></top>`, nil},
		{"rfc7950-7.5.8-np-container-created", "a container without presence may be created and deleted as needed", ``, `<top><item><name>a</name><inner><a>x</a></inner></item></top>`, `<top><item><name>a</name><inner><a>x</a></inner></item></top>`, nil},
		{"rfc7950-7.6.6-leaf-merge", "a leaf has one value", `<top><name>a</name></top>`, `<top><name>b</name></top>`, `<top><name>b</name></top>`, nil},
		{"rfc7950-7.6.6-leaf-empty-string", "an empty string is a value", ``, `<top><name></name></top>`, `<top><name/></top>`, nil},
		{"rfc7950-7.7.9-leaf-list-merge", "values of a leaf-list are added", `<top><tag>a</tag></top>`, `<top><tag>b</tag><tag>a</tag></top>`, `<top><tag>a</tag><tag>b</tag></top>`, nil},
		{"rfc7950-7.8.6-list-merge", "the keys say which entry is meant", `<top><item><name>a</name><value>1</value></item></top>`, `<top><item><name>a</name><inner><a>x</a></inner></item></top>`, `<top><item><name>a</name><value>1</value><inner><a>x</a></inner></item></top>`, nil},
		{"rfc7950-7.8.6-list-two-keys", "all keys together say which entry is meant", `<top><pair><first>a</first><second>1</second><value>x</value></pair></top>`, `<top><pair><first>a</first><second>2</second><value>y</value></pair></top>`,
			`<top><pair><first>a</first><second>1</second><value>x</value></pair><pair><first>a</first><second>2</second><value>y</value></pair></top>`, nil},
		{"rfc7950-7.10.4-anydata", "anydata is replaced as a whole", `<top><blob xmlns="` + nsAugment + `"><a xmlns="urn:x:y"><b>1</b></a></blob></top>`, `<top><blob xmlns="` + nsAugment + `"><c xmlns="urn:x:z"><d>2</d></c></blob></top>`, `<top><blob xmlns="` + nsAugment + `"><c xmlns="urn:x:z"><d>2</d></c></blob></top>`, nil},
	} {
		var needs []string
		if strings.Contains(o.edit, nsAugment) {
			needs = []string{"mtp-conformance-augment"}
		}
		cases = append(cases, Case{o.name, o.clause, needs, func(c *Context) {
			if o.before != "" {
				c.Set(o.before)
			}
			c.Edit(o.edit, o.options...).OK()
			c.Main().Commit()
			c.Want(c.Running(), o.after)
		}})
	}
	type refusal struct {
		name, clause, before, edit string
		tags                       string
		wants                      []want
		options                    []string
	}
	none := []string{"<nc:default-operation>none</nc:default-operation>"}
	for _, o := range []refusal{
		{"rfc6241-7.2-create-existing", "create of what is there is answered data-exists", `<top><item><name>a</name></item></top>`, `<top><item nc:operation="create"><name>a</name></item></top>`, "data-exists", nil, nil},
		{"rfc6241-7.2-create-existing-path", "data-exists names the node", `<top><item><name>a</name></item></top>`, `<top><item nc:operation="create"><name>a</name></item></top>`, "data-exists", []want{kind("application"), path("/ct:top/ct:item[ct:name='a']")}, nil},
		{"rfc6241-7.2-create-existing-leaf", "create of a leaf that is there is answered data-exists", `<top><name>a</name></top>`, `<top><name nc:operation="create">a</name></top>`, "data-exists", nil, nil},
		{"rfc6241-7.2-create-existing-container", "create of a container with presence that is there is answered data-exists", `<top><flag/></top>`, `<top><flag nc:operation="create"/></top>`, "data-exists", nil, nil},
		{"rfc6241-7.2-create-existing-leaf-list-value", "create of a value that is there is answered data-exists", `<top><tag>a</tag></top>`, `<top><tag nc:operation="create">a</tag></top>`, "data-exists", nil, nil},
		{"rfc6241-7.2-delete-missing", "delete of what is not there is answered data-missing", ``, `<top><item nc:operation="delete"><name>a</name></item></top>`, "data-missing", nil, nil},
		{"rfc6241-7.2-delete-missing-path", "data-missing names the node", `<top><name>n</name></top>`, `<top><item nc:operation="delete"><name>a</name></item></top>`, "data-missing", []want{kind("application"), path("/ct:top/ct:item[ct:name='a']")}, nil},
		{"rfc6241-7.2-delete-missing-leaf", "delete of a leaf that is not there is answered data-missing", `<top><name>n</name></top>`, `<top><count nc:operation="delete"/></top>`, "data-missing", nil, nil},
		{"rfc6241-7.2-delete-missing-leaf-list-value", "delete of a value that is not there is answered data-missing", `<top><tag>a</tag></top>`, `<top><tag nc:operation="delete">b</tag></top>`, "data-missing", nil, nil},
		{"rfc6241-7.2-default-operation-none-creates-nothing", "with none data that is not there is answered data-missing", `<top><name>n</name></top>`, `<top><item><name>a</name><value nc:operation="merge">1</value></item></top>`, "data-missing", nil, none},
		{"rfc6241-7.2-default-operation-none-container-missing", "with none a container that is not there is answered data-missing", `<top><name>n</name></top>`, `<top><flag><text nc:operation="create">x</text></flag></top>`, "data-missing", nil, none},
		{"rfc6241-7.2-bad-operation", "an operation that does not exist is answered bad-attribute", ``, `<top nc:operation="bogus"/>`, "bad-attribute", []want{info("bad-attribute", "operation")}, nil},
		{"rfc7950-7.8.6-key-missing", "an entry without its key is answered missing-element", ``, `<top><item><value>1</value></item></top>`, "missing-element", []want{info("bad-element", "name")}, nil},
		{"rfc7950-7.8.6-second-key-missing", "an entry without one of its keys is answered missing-element", ``, `<top><pair><first>a</first></pair></top>`, "missing-element", []want{info("bad-element", "second")}, nil},
		{"rfc7950-8.3.1-unknown-element", "a node that the schema does not have is answered unknown-element", ``, `<top><bogus>1</bogus></top>`, "unknown-element", []want{info("bad-element", "bogus")}, nil},
		{"rfc7950-8.3.1-unknown-element-at-the-top", "a node that the schema does not have is answered unknown-element", ``, `<bogus/>`, "unknown-element", []want{info("bad-element", "bogus")}, nil},
		{"rfc6241-A-unknown-namespace", "a namespace that the server does not have is answered unknown-namespace with its name", ``, `<top xmlns="urn:example:nothing"/>`, "unknown-namespace", []want{info("bad-element", "top"), info("bad-namespace", "urn:example:nothing")}, nil},
		{"rfc7950-8.3.1-namespace-of-a-child", "a node is looked for in its own namespace", ``, `<top><name xmlns="urn:example:nothing">a</name></top>`, "unknown-namespace unknown-element", nil, nil},
		{"rfc7950-8.3.1-state-cannot-be-edited", "state data is no part of a configuration", ``, `<state><uptime>1</uptime></state>`, "unknown-element invalid-value access-denied operation-not-supported", nil, nil},
		{"rfc7950-7.20.2-feature-off", "a node whose feature is off is answered unknown-element", ``, `<top><featured>x</featured></top>`, "unknown-element", nil, nil},
		{"rfc7950-8.3.1-leaf-twice", "a leaf can be there once", ``, `<top><name>a</name><name>b</name></top>`, "bad-element invalid-value data-exists operation-failed unknown-element", nil, nil},
		{"rfc7950-8.3.1-text-in-a-container", "text where elements belong is refused", ``, `<top>text<name>a</name></top>`, "bad-element invalid-value unknown-element", nil, nil},
		{"rfc7950-8.3.1-element-in-a-leaf", "an element in a leaf is refused", ``, `<top><name><x/></name></top>`, "bad-element invalid-value unknown-element", nil, nil},
	} {
		var needs []string
		if strings.Contains(o.name, "feature-off") {
			needs = []string{"!mtp-conformance-test:absent"}
		}
		cases = append(cases, Case{o.name, o.clause, needs, func(c *Context) {
			if o.before != "" {
				c.Set(o.before)
			}
			c.Edit(o.edit, o.options...).OneOf(strings.Fields(o.tags), o.wants...)
			c.Want(c.Edited(), o.before)
		}})
	}
	return append(cases, []Case{
		{"rfc6241-7.2-target-missing", "edit-config without a target is answered missing-element", nil, func(c *Context) {
			c.RPC(`<nc:edit-config><nc:config/></nc:edit-config>`).Error("missing-element", info("bad-element", "target"))
		}},
		{"rfc6241-7.2-config-missing", "edit-config without configuration is refused", nil, func(c *Context) {
			c.RPC(`<nc:edit-config><nc:target>` + c.Target() + `</nc:target></nc:edit-config>`).OneOf([]string{"missing-element", "data-missing"})
		}},
		{"rfc6241-7.2-empty-config", "an empty configuration changes nothing", nil, func(c *Context) {
			c.Set(`<top><name>a</name></top>`)
			c.Edit(``).OK()
			c.Want(c.Edited(), `<top><name>a</name></top>`)
		}},
		{"rfc6241-7.2-running-is-no-target", "without :writable-running running cannot be edited", []string{"!:writable-running"}, func(c *Context) {
			c.Check(c.RPC(editConfig("<nc:running/>", "", "<top><name>a</name></top>")).Failed(), "it is accepted")
			c.Want(c.Running(), ``)
		}},
		{"rfc6241-8.2-writable-running", "with :writable-running an edit of running takes effect at once", []string{":writable-running"}, func(c *Context) {
			c.RPC(editConfig("<nc:running/>", "", "<top><name>a</name></top>")).OK()
			c.Want(c.Running(), `<top><name>a</name></top>`)
		}},
		{"rfc6241-7.2-rollback-on-error", "with rollback-on-error an edit with an error changes nothing", []string{":rollback-on-error"}, func(c *Context) {
			c.Set(`<top><name>a</name></top>`)
			c.Edit(`<top><name>b</name><item><name>x</name></item><item nc:operation="delete"><name>nothing</name></item></top>`, "<nc:error-option>rollback-on-error</nc:error-option>").Error("data-missing")
			c.Want(c.Edited(), `<top><name>a</name></top>`)
		}},
		{"rfc6241-7.2-stop-on-error", "with stop-on-error the first error is reported", nil, func(c *Context) {
			r := c.Edit(`<top><item nc:operation="delete"><name>a</name></item><item nc:operation="delete"><name>b</name></item></top>`, "<nc:error-option>stop-on-error</nc:error-option>")
			r.Error("data-missing")
			c.Check(len(r.Errors()) == 1, "there are %d errors", len(r.Errors()))
		}},
		{"rfc6241-7.2-continue-on-error", "with continue-on-error the edit goes on and the errors are reported", nil, func(c *Context) {
			r := c.Edit(`<top><item nc:operation="delete"><name>a</name></item><name>b</name><item nc:operation="delete"><name>c</name></item></top>`, "<nc:error-option>continue-on-error</nc:error-option>")
			r.Error("data-missing")
			c.Check(len(r.Errors()) == 2, "there are %d errors, not 2", len(r.Errors()))
			c.Want(c.Edited(), `<top><name>b</name></top>`)
		}},
		{"rfc6241-7.2-bad-error-option", "an error-option that does not exist is refused", nil, func(c *Context) {
			c.Edit(`<top/>`, "<nc:error-option>bogus</nc:error-option>").OneOf([]string{"invalid-value", "bad-element"})
		}},
		{"rfc6241-7.2-test-then-set", "test-then-set refuses an edit that does not validate, and changes nothing", []string{":validate:1.1"}, func(c *Context) {
			c.Edit(`<must-rule><low>5</low><high>1</high></must-rule>`, "<nc:test-option>test-then-set</nc:test-option>").Error("operation-failed", appTag("high-low"))
			c.Want(c.Edited(), ``)
		}},
		{"rfc6241-7.2-test-then-set-valid", "test-then-set carries out a valid edit", []string{":validate:1.1"}, func(c *Context) {
			c.Edit(`<must-rule><low>1</low><high>5</high></must-rule>`, "<nc:test-option>test-then-set</nc:test-option>").OK()
			c.Want(c.Edited(), `<must-rule><low>1</low><high>5</high></must-rule>`)
		}},
		{"rfc6241-7.2-set", "set carries out an edit without a test", []string{":validate:1.1", ":candidate"}, func(c *Context) {
			c.Edit(`<must-rule><low>5</low><high>1</high></must-rule>`, "<nc:test-option>set</nc:test-option>").OK()
			c.Want(c.Edited(), `<must-rule><low>5</low><high>1</high></must-rule>`)
		}},
		{"rfc6241-7.2-test-only", "test-only tests and changes nothing", []string{":validate:1.1"}, func(c *Context) {
			c.Edit(`<top><name>a</name></top>`, "<nc:test-option>test-only</nc:test-option>").OK()
			c.Want(c.Edited(), ``)
		}},
		{"rfc6241-7.2-test-only-invalid", "test-only reports what set would meet", []string{":validate:1.1"}, func(c *Context) {
			c.Edit(`<must-rule><low>5</low><high>1</high></must-rule>`, "<nc:test-option>test-only</nc:test-option>").Error("operation-failed")
			c.Want(c.Edited(), ``)
		}},
		{"rfc6241-7.2-bad-test-option", "a test-option that does not exist is refused", []string{":validate:1.1"}, func(c *Context) {
			c.Edit(`<top/>`, "<nc:test-option>bogus</nc:test-option>").OneOf([]string{"invalid-value", "bad-element"})
		}},
		{"rfc7950-7.10-anydata-namespaces", "what is in anydata keeps its namespaces", []string{"mtp-conformance-augment"}, func(c *Context) {
			c.Set(`<top><blob xmlns="` + nsAugment + `"><a xmlns="urn:x:y" xmlns:p="urn:x:p"><p:b>1</p:b><c xmlns="urn:x:c"/></a></blob></top>`)
			a := c.Running().Get("top/cx:blob")
			c.Check(a != nil && len(a.Children) == 1 && a.Children[0].Space == "urn:x:y" && len(a.Children[0].Children) == 2 &&
				a.Children[0].Children[0].Space == "urn:x:p" && a.Children[0].Children[1].Space == "urn:x:c", "they are lost")
		}},
		{"rfc7950-8.2-same-local-names", "nodes of one local name in two namespaces are two nodes", []string{"mtp-conformance-names"}, func(c *Context) {
			c.Set(`<top><name>one</name><name xmlns="` + namespace("cn") + `">two</name></top>`)
			c.Set(`<top><name nc:operation="delete"/></top>`)
			c.Check(!c.Running().Has("top/name"), "the wrong one is deleted")
			c.Same("cn:name", c.Running().Values("top/cn:name"), []string{"two"})
		}},
	}...)
}
