package conformance

import "strings"

// constraintCases are those of RFC 7950 sections 7, 8 and 15: what a valid
// datastore has to keep, and the error that says so.
func constraintCases() []Case {
	// refused is a configuration that breaks a constraint.
	refused := func(name, clause, before, edit, tag string, wants ...want) Case {
		return Case{name, clause, nil, func(c *Context) {
			if before != "" {
				c.Set(before)
			}
			c.Refused(edit).OneOf(strings.Fields(tag), wants...)
			c.Want(c.Running(), before)
		}}
	}
	// accepted is one that keeps them all.
	accepted := func(name, clause, before, edit, after string) Case {
		return Case{name, clause, nil, func(c *Context) {
			if before != "" {
				c.Set(before)
			}
			c.Set(edit)
			c.Want(c.Running(), after)
		}}
	}
	missing := func(local string) want { return info("bad-element", local) }
	// choice wants the element that RFC 7950 section 15.6 defines.
	choice := func(name string) want {
		return func(e *Element) string {
			if e.Get("nc:error-info/yang:missing-choice").Value() != name {
				return "error-info has no missing-choice " + quote(name)
			}
			return ""
		}
	}
	return []Case{
		// must: 7.5.3, 15.4.
		refused("rfc7950-7.5.3-must", "a must that is false makes the configuration invalid", "", `<must-rule><low>5</low><high>1</high></must-rule>`, "operation-failed"),
		refused("rfc7950-15.4-must-path", "the error of a must names the node", "", `<must-rule><low>5</low><high>1</high></must-rule>`, "operation-failed", path("/ct:must-rule/ct:high")),
		refused("rfc7950-7.5.4.1-error-message", "the model's error-message is sent", "", `<must-rule><low>5</low><high>1</high></must-rule>`, "operation-failed", message("high is below low")),
		refused("rfc7950-7.5.4.2-error-app-tag", "the model's error-app-tag is sent", "", `<must-rule><low>5</low><high>1</high></must-rule>`, "operation-failed", appTag("high-low")),
		refused("rfc7950-7.5.4-message-tag-and-path", "a message of the model does not displace tag and path", "", `<must-rule><low>5</low><high>1</high></must-rule>`, "operation-failed", message("high is below low"), appTag("high-low"), path("/ct:must-rule/ct:high")),
		refused("rfc7950-15.4-must-violation", "without a tag of the model error-app-tag is must-violation", "", `<must-rule><even>3</even></must-rule>`, "operation-failed", appTag("must-violation"), path("/ct:must-rule/ct:even")),
		refused("rfc7950-7.5.3-must-of-a-list", "a must of a list counts for each entry", "", `<must-rule><part><id>a</id><value>1</value></part><part><id>b</id><value>11</value></part></must-rule>`, "operation-failed", appTag("part-size"), path("/ct:must-rule/ct:part[ct:id='b']")),
		refused("rfc7950-7.5.3-must-other-node-changes", "a must is checked when any node it looks at changes", `<must-rule><low>1</low><high>3</high></must-rule>`, `<must-rule><low>5</low></must-rule>`, "operation-failed", path("/ct:must-rule/ct:high")),
		refused("rfc7950-7.5.3-must-other-node-goes", "a must is checked when a node it looks at is deleted", `<must-rule><part><id>a</id><value>1</value></part><own>a</own></must-rule>`, `<must-rule><part nc:operation="delete"><id>a</id></part></must-rule>`, "operation-failed", appTag("no-part")),
		accepted("rfc7950-7.5.3-must-holds", "a must that holds is no hindrance", "", `<must-rule><low>1</low><high>1</high><even>4</even></must-rule>`, `<must-rule><low>1</low><high>1</high><even>4</even></must-rule>`),
		refused("rfc7950-6.4-sum", "sum() is part of XPath", "", `<must-rule><part><id>a</id><value>1</value></part><part><id>b</id><value>2</value></part><total>4</total></must-rule>`, "operation-failed", appTag("wrong-total")),
		accepted("rfc7950-6.4-sum-holds", "sum() is part of XPath", "", `<must-rule><part><id>a</id><value>1</value></part><part><id>b</id><value>2</value></part><total>3</total></must-rule>`,
			`<must-rule><part><id>a</id><value>1</value></part><part><id>b</id><value>2</value></part><total>3</total></must-rule>`),
		accepted("rfc7950-10.1.1-current", "current() is the node of the expression", "", `<must-rule><part><id>a</id><value>1</value></part><own>a</own></must-rule>`, `<must-rule><part><id>a</id><value>1</value></part><own>a</own></must-rule>`),
		refused("rfc7950-10.1.1-current-differs", "current() is the node of the expression", "", `<must-rule><part><id>a</id><value>1</value></part><own>b</own></must-rule>`, "operation-failed", appTag("no-part")),
		accepted("rfc7950-10.2.1-re-match", "re-match() matches a whole string", "", `<must-rule><word>abc</word></must-rule>`, `<must-rule><word>abc</word></must-rule>`),
		refused("rfc7950-10.2.1-re-match-anchored", "re-match() matches a whole string", "", `<must-rule><word>abcd</word></must-rule>`, "operation-failed", appTag("not-three")),
		accepted("rfc7950-10.3.1-deref", "deref() follows a leafref", "", `<top><item><name>a</name><value>6</value></item></top><must-rule><item>a</item></must-rule>`, `<top><item><name>a</name><value>6</value></item></top><must-rule><item>a</item></must-rule>`),
		refused("rfc7950-10.3.1-deref-false", "deref() follows a leafref", "", `<top><item><name>a</name><value>5</value></item></top><must-rule><item>a</item></must-rule>`, "operation-failed", appTag("item-value")),
		accepted("rfc7950-10.4.1-derived-from", "derived-from() holds for what is derived, in any number of steps", "", `<must-rule><kind>ct:dog</kind></must-rule>`, `<must-rule><kind>ct:dog</kind></must-rule>`),
		refused("rfc7950-10.4.1-derived-from-itself", "derived-from() does not hold for the identity itself", "", `<must-rule><kind>ct:mammal</kind></must-rule>`, "operation-failed", appTag("not-derived")),
		accepted("rfc7950-10.4.2-derived-from-or-self", "derived-from-or-self() holds for the identity itself", "", `<must-rule><kind-or-self>ct:mammal</kind-or-self></must-rule>`, `<must-rule><kind-or-self>ct:mammal</kind-or-self></must-rule>`),
		accepted("rfc7950-10.5.1-enum-value", "enum-value() is the number of an enum", "", `<must-rule><number>small</number></must-rule>`, `<must-rule><number>small</number></must-rule>`),
		refused("rfc7950-10.5.1-enum-value-false", "enum-value() is the number of an enum", "", `<must-rule><number>large</number></must-rule>`, "operation-failed", appTag("too-large")),
		accepted("rfc7950-10.6.1-bit-is-set", "bit-is-set() tells of a bit", "", `<must-rule><switches>on</switches></must-rule>`, `<must-rule><switches>on</switches></must-rule>`),
		refused("rfc7950-10.6.1-bit-is-set-false", "bit-is-set() tells of a bit", "", `<must-rule><switches>on off</switches></must-rule>`, "operation-failed", appTag("on-and-off")),
		// mandatory: 7.6.5, 7.9.4, 15.6.
		refused("rfc7950-7.6.5-mandatory-leaf", "a mandatory leaf that is missing is answered data-missing", "", `<mandatory-leaf><other>x</other></mandatory-leaf>`, "data-missing"),
		refused("rfc7950-7.6.5-mandatory-leaf-path", "the error names the leaf, or the node that lacks it", "", `<mandatory-leaf><other>x</other></mandatory-leaf>`, "data-missing", func(e *Element) string {
			if path("/ct:mandatory-leaf/ct:needed")(e) == "" || path("/ct:mandatory-leaf")(e) == "" {
				return ""
			}
			return path("/ct:mandatory-leaf/ct:needed")(e)
		}),
		refused("rfc7950-7.6.5-mandatory-leaf-deleted", "a mandatory leaf cannot be deleted", `<mandatory-leaf><needed>x</needed></mandatory-leaf>`, `<mandatory-leaf><needed nc:operation="delete"/></mandatory-leaf>`, "data-missing"),
		accepted("rfc7950-7.6.5-mandatory-only-in-its-parent", "without its parent a mandatory leaf is not needed", "", `<top><name>a</name></top>`, `<top><name>a</name></top>`),
		refused("rfc7950-15.6-mandatory-choice", "a missing mandatory choice is answered data-missing with error-app-tag missing-choice", "", `<mandatory-choice><other>x</other></mandatory-choice>`, "data-missing", appTag("missing-choice")),
		refused("rfc7950-15.6-mandatory-choice-path", "error-path names the node with the choice", "", `<mandatory-choice><other>x</other></mandatory-choice>`, "data-missing", path("/ct:mandatory-choice")),
		refused("rfc7950-15.6-mandatory-choice-name", "error-info names the choice", "", `<mandatory-choice><other>x</other></mandatory-choice>`, "data-missing", choice("way")),
		accepted("rfc7950-7.9.4-mandatory-choice", "any case will do", "", `<mandatory-choice><right>x</right></mandatory-choice>`, `<mandatory-choice><right>x</right></mandatory-choice>`),
		// min-elements, max-elements: 15.2, 15.3.
		refused("rfc7950-15.3-too-few", "too few entries are answered operation-failed, too-few-elements", "", `<limits/>`, "operation-failed", appTag("too-few-elements")),
		refused("rfc7950-15.3-too-few-path", "error-path names the list", "", `<limits/>`, "operation-failed", path("/ct:limits/ct:entry")),
		refused("rfc7950-15.2-too-many", "too many entries are answered operation-failed, too-many-elements", "", `<limits><entry><id>a</id></entry><entry><id>b</id></entry><entry><id>c</id></entry><entry><id>d</id></entry></limits>`, "operation-failed", appTag("too-many-elements")),
		refused("rfc7950-15.2-too-many-path", "error-path names the list, or the first entry too many", "", `<limits><entry><id>a</id></entry><entry><id>b</id></entry><entry><id>c</id></entry><entry><id>d</id></entry></limits>`, "operation-failed", func(e *Element) string {
			got := e.Get("nc:error-path")
			if got == nil || !strings.HasPrefix(expand(got.Value(), got.resolve), expand("/ct:limits/ct:entry", namespace)) {
				return "error-path is " + quote(got.Value())
			}
			return ""
		}),
		refused("rfc7950-15.2-too-many-values", "max-elements counts for a leaf-list, too", "", `<limits><entry><id>a</id></entry><value>1</value><value>2</value><value>3</value></limits>`, "operation-failed", appTag("too-many-elements")),
		accepted("rfc7950-7.7.5-enough", "as many as are allowed", "", `<limits><entry><id>a</id></entry><entry><id>b</id></entry><entry><id>c</id></entry><value>1</value><value>2</value></limits>`,
			`<limits><entry><id>a</id></entry><entry><id>b</id></entry><entry><id>c</id></entry><value>1</value><value>2</value></limits>`),
		refused("rfc7950-15.3-last-one-deleted", "the last entry that must be there cannot be deleted", `<limits><entry><id>a</id></entry></limits>`, `<limits><entry nc:operation="delete"><id>a</id></entry></limits>`, "operation-failed", appTag("too-few-elements")),
		// unique: 7.8.3, 15.1.
		refused("rfc7950-15.1-unique", "entries that are not unique are answered operation-failed, data-not-unique", "",
			`<uniques><server><name>a</name><address>x</address><endpoint><port>1</port></endpoint></server><server><name>b</name><address>x</address><endpoint><port>1</port></endpoint></server></uniques>`, "operation-failed", appTag("data-not-unique")),
		refused("rfc7950-15.1-unique-info", "error-info names the leafs that are not unique", "",
			`<uniques><server><name>a</name><address>x</address><endpoint><port>1</port></endpoint></server><server><name>b</name><address>x</address><endpoint><port>1</port></endpoint></server></uniques>`, "operation-failed", hasInfo("yang", "non-unique")),
		refused("rfc7950-7.8.3-unique-later", "unique is checked against the entries that are there", `<uniques><server><name>a</name><address>x</address><endpoint><port>1</port></endpoint></server></uniques>`,
			`<uniques><server><name>b</name><address>x</address><endpoint><port>1</port></endpoint></server></uniques>`, "operation-failed", appTag("data-not-unique")),
		accepted("rfc7950-7.8.3-unique-part", "entries may share a part of what is unique", "", `<uniques><server><name>a</name><address>x</address><endpoint><port>1</port></endpoint></server><server><name>b</name><address>x</address><endpoint><port>2</port></endpoint></server></uniques>`,
			`<uniques><server><name>a</name><address>x</address><endpoint><port>1</port></endpoint></server><server><name>b</name><address>x</address><endpoint><port>2</port></endpoint></server></uniques>`),
		accepted("rfc7950-7.8.3-unique-missing-leaf", "entries without one of the leafs are not compared", "", `<uniques><server><name>a</name><address>x</address></server><server><name>b</name><address>x</address></server></uniques>`,
			`<uniques><server><name>a</name><address>x</address></server><server><name>b</name><address>x</address></server></uniques>`),
		// leafref and instance-identifier: 9.9, 9.13, 15.5.
		refused("rfc7950-15.5-leafref", "a leafref to nothing is answered data-missing, instance-required", "", `<types><reference>nothing</reference></types>`, "data-missing", appTag("instance-required")),
		refused("rfc7950-15.5-leafref-path", "error-path names the leafref", "", `<types><reference>nothing</reference></types>`, "data-missing", path("/ct:types/ct:reference")),
		refused("rfc7950-15.5-leafref-target-deleted", "what a leafref points to cannot be deleted alone", `<top><item><name>a</name></item></top><types><reference>a</reference></types>`, `<top><item nc:operation="delete"><name>a</name></item></top>`, "data-missing", appTag("instance-required"), path("/ct:types/ct:reference")),
		accepted("rfc7950-9.9-leafref", "a leafref to what is there", "", `<types><reference>a</reference></types><top><item><name>a</name></item></top>`, `<types><reference>a</reference></types><top><item><name>a</name></item></top>`),
		accepted("rfc7950-9.9.3-require-instance-false", "a leafref that requires no instance", "", `<types><loose-reference>7</loose-reference></types>`, `<types><loose-reference>7</loose-reference></types>`),
		refused("rfc7950-9.9-leafref-type", "a leafref has the type of what it points to", "", `<types><loose-reference>x</loose-reference></types>`, "invalid-value"),
		refused("rfc7950-15.5-instance-identifier", "an instance-identifier of nothing is answered data-missing, instance-required", "", `<types><instance>/ct:top/ct:item[ct:name='a']</instance></types>`, "data-missing", appTag("instance-required"), path("/ct:types/ct:instance")),
		{"rfc7950-9.13-instance-identifier", "an instance-identifier of what is there", nil, func(c *Context) {
			c.Set(`<top><item><name>a</name></item></top><types><instance xmlns:z="` + nsTest + `">/z:top/z:item[z:name='a']/z:name</instance></types>`)
			got := c.Running().Get("types/instance")
			c.Check(got != nil && expand(got.Value(), got.resolve) == expand("/ct:top/ct:item[ct:name='a']/ct:name", namespace), "it comes back as another one")
		}},
		refused("rfc7950-9.13-instance-deleted", "what an instance-identifier points to cannot be deleted alone", `<top><item><name>a</name></item></top><types><instance>/ct:top/ct:item[ct:name='a']</instance></types>`,
			`<top><item nc:operation="delete"><name>a</name></item></top>`, "data-missing", appTag("instance-required")),
		accepted("rfc7950-9.13-require-instance-false", "an instance-identifier that requires no instance", "", `<types><loose-instance>/ct:top/ct:name</loose-instance></types>`, `<types><loose-instance>/ct:top/ct:name</loose-instance></types>`),
		refused("rfc7950-9.13-unknown-node", "an instance-identifier of a node that the schema does not have", "", `<types><loose-instance>/ct:top/ct:bogus</loose-instance></types>`, "invalid-value"),
		// when: 7.21.5, 8.2.1, 8.3.1.
		accepted("rfc7950-7.21.5-when-true", "a node whose when is true may be there", "", `<whens><kind>alpha</kind><alpha>x</alpha></whens>`, `<whens><kind>alpha</kind><alpha>x</alpha></whens>`),
		accepted("rfc7950-7.21.5-when-any-order", "a when looks at the data after the edit", "", `<whens><alpha>x</alpha><kind>alpha</kind></whens>`, `<whens><kind>alpha</kind><alpha>x</alpha></whens>`),
		refused("rfc7950-8.3.1-when-false", "a node whose when is false is answered unknown-element", "", `<whens><kind>beta</kind><alpha>x</alpha></whens>`, "unknown-element", missing("alpha")),
		refused("rfc7950-8.3.1-when-false-before", "a node whose when is false by what is there is answered unknown-element", `<whens><kind>beta</kind></whens>`, `<whens><alpha>x</alpha></whens>`, "unknown-element", missing("alpha")),
		accepted("rfc7950-8.2.1-when-becomes-false", "when a request makes a when false the server deletes the node", `<whens><kind>alpha</kind><alpha>x</alpha></whens>`, `<whens><kind>none</kind></whens>`, `<whens><kind>none</kind></whens>`),
		accepted("rfc7950-8.2.1-when-becomes-false-container", "a container goes with all that is in it", `<whens><kind>beta</kind><beta><x>1</x></beta></whens>`, `<whens><kind>none</kind></whens>`, `<whens><kind>none</kind></whens>`),
		accepted("rfc7950-8.2.1-when-becomes-false-chained", "a deletion may make another when false", `<whens><kind>alpha</kind><alpha>yes</alpha><chained>z</chained></whens>`, `<whens><kind>none</kind></whens>`, `<whens><kind>none</kind></whens>`),
		accepted("rfc7950-8.2.1-when-node-deleted", "so may the deletion of what the when looks at", `<whens><kind>alpha</kind><alpha>x</alpha></whens>`, `<whens><kind nc:operation="delete"/></whens>`, ``),
		accepted("rfc7950-8.2.1-when-exchange", "one node goes and another comes with one request", `<whens><kind>alpha</kind><alpha>x</alpha></whens>`, `<whens><kind>beta</kind><beta><x>1</x></beta></whens>`, `<whens><kind>beta</kind><beta><x>1</x></beta></whens>`),
		// choice: 7.9, 8.2.
		accepted("rfc7950-7.9-one-case", "all nodes of one case may be there", "", `<choices><one-a>a</one-a><one-b>b</one-b></choices>`, `<choices><one-a>a</one-a><one-b>b</one-b></choices>`),
		accepted("rfc7950-7.9-case-takes-over", "a node of one case deletes those of all others", `<choices><one-a>a</one-a><one-b>b</one-b></choices>`, `<choices><two-a>x</two-a></choices>`, `<choices><two-a>x</two-a></choices>`),
		accepted("rfc7950-7.9-short-case-takes-over", "a leaf may be a case of its own", `<choices><two-c><x>1</x></two-c></choices>`, `<choices><three>x</three></choices>`, `<choices><three>x</three></choices>`),
		accepted("rfc7950-7.9-same-case-stays", "another node of the same case deletes nothing", `<choices><one-a>a</one-a></choices>`, `<choices><one-b>b</one-b></choices>`, `<choices><one-a>a</one-a><one-b>b</one-b></choices>`),
		accepted("rfc7950-7.9-create-takes-over", "create of a node of another case takes over, too", `<choices><one-a>a</one-a></choices>`, `<choices><three nc:operation="create">x</three></choices>`, `<choices><three>x</three></choices>`),
		refused("rfc7950-8.3.1-two-cases", "nodes of two cases in one request are answered bad-element", "", `<choices><one-a>a</one-a><two-a>b</two-a></choices>`, "bad-element"),
		refused("rfc7950-8.3.1-two-cases-named", "bad-element names one of them", "", `<choices><one-a>a</one-a><three>b</three></choices>`, "bad-element", func(e *Element) string {
			if info("bad-element", "one-a")(e) == "" || info("bad-element", "three")(e) == "" {
				return ""
			}
			return "error-info names neither node"
		}),
		// All of them at once.
		refused("rfc7950-8.1-constraints-on-the-whole", "constraints are checked on the whole configuration", `<must-rule><low>1</low><high>3</high></must-rule>`, `<must-rule nc:operation="replace"><high>3</high><low>4</low></must-rule>`, "operation-failed"),
	}
}
