package conformance

import "strings"

// insertCases are those of RFC 7950 sections 7.7.9 and 7.8.6 on the order of
// lists and leaf-lists ordered by the user.
func insertCases() []Case {
	const list = `<top><step><id>a</id></step><step><id>b</id></step><step><id>c</id></step></top>`
	const leafs = `<top><order>a</order><order>b</order><order>c</order></top>`
	ordered := func(before, edit, at string, want ...string) func(c *Context) {
		return func(c *Context) {
			if before != "" {
				c.Set(before)
			}
			c.Set(edit)
			c.Same("the order", c.Running().Values(at), want)
		}
	}
	refused := func(before, edit string, tags string, wants ...want) func(c *Context) {
		return func(c *Context) {
			c.Set(before)
			c.Edit(edit).OneOf(strings.Fields(tags), wants...)
			c.Want(c.Edited(), before)
		}
	}
	const step, value = "top/step/id", "top/order"
	return []Case{
		{"rfc7950-7.8.6-order-is-kept", "entries ordered by the user stay in the order they are given", nil, ordered("", `<top><step><id>z</id></step><step><id>a</id></step><step><id>m</id></step></top>`, step, "z", "a", "m")},
		{"rfc7950-7.8.6-new-entry-last", "without insert a new entry comes last", nil, ordered(list, `<top><step><id>0</id></step></top>`, step, "a", "b", "c", "0")},
		{"rfc7950-7.8.6-insert-first", "insert first", nil, ordered(list, `<top><step yang:insert="first"><id>x</id></step></top>`, step, "x", "a", "b", "c")},
		{"rfc7950-7.8.6-insert-last", "insert last", nil, ordered(list, `<top><step yang:insert="last"><id>x</id></step></top>`, step, "a", "b", "c", "x")},
		{"rfc7950-7.8.6-insert-before", "insert before an entry", nil, ordered(list, `<top><step yang:insert="before" yang:key="[ct:id='b']"><id>x</id></step></top>`, step, "a", "x", "b", "c")},
		{"rfc7950-7.8.6-insert-after", "insert after an entry", nil, ordered(list, `<top><step yang:insert="after" yang:key="[ct:id='b']"><id>x</id></step></top>`, step, "a", "b", "x", "c")},
		{"rfc7950-7.8.6-insert-double-quotes", "the key predicate may use either quote", nil, ordered(list, `<top><step yang:insert="after" yang:key='[ct:id="a"]'><id>x</id></step></top>`, step, "a", "x", "b", "c")},
		{"rfc7950-7.8.6-move-first", "insert moves an entry that is there", nil, ordered(list, `<top><step yang:insert="first"><id>c</id></step></top>`, step, "c", "a", "b")},
		{"rfc7950-7.8.6-move-before", "insert before moves an entry that is there", nil, ordered(list, `<top><step yang:insert="before" yang:key="[ct:id='a']"><id>c</id></step></top>`, step, "c", "a", "b")},
		{"rfc7950-7.8.6-move-after", "insert after moves an entry that is there", nil, ordered(list, `<top><step yang:insert="after" yang:key="[ct:id='c']"><id>a</id></step></top>`, step, "b", "c", "a")},
		{"rfc7950-7.8.6-move-keeps-content", "an entry that is moved keeps what is in it", nil, func(c *Context) {
			c.Set(`<top><step><id>a</id><text>x</text></step><step><id>b</id></step></top>`)
			c.Set(`<top><step yang:insert="last"><id>a</id></step></top>`)
			c.Same("the order", c.Running().Values(step), []string{"b", "a"})
			c.Same("text", c.Running().Values("top/step/text"), []string{"x"})
		}},
		{"rfc7950-7.8.6-create-with-insert", "insert goes with create", nil, ordered(list, `<top><step nc:operation="create" yang:insert="first"><id>x</id></step></top>`, step, "x", "a", "b", "c")},
		{"rfc7950-7.8.6-replace-with-insert", "insert goes with replace", nil, ordered(list, `<top><step nc:operation="replace" yang:insert="first"><id>b</id></step></top>`, step, "b", "a", "c")},
		{"rfc7950-7.8.6-merge-without-insert-stays", "without insert an entry that is there stays where it is", nil, ordered(list, `<top><step><id>a</id><text>x</text></step></top>`, step, "a", "b", "c")},
		{"rfc7950-7.8.6-several-inserts", "inserts are carried out one after the other", nil, ordered(list, `<top><step yang:insert="first"><id>x</id></step><step yang:insert="before" yang:key="[ct:id='x']"><id>y</id></step></top>`, step, "y", "x", "a", "b", "c")},
		{"rfc7950-7.8.6-replace-list", "replace of the parent sets the order", nil, ordered(list, `<top nc:operation="replace"><step><id>c</id></step><step><id>a</id></step></top>`, step, "c", "a")},
		{"rfc7950-15.7-insert-missing-instance", "an insert at an entry that is not there is answered bad-attribute, missing-instance", nil,
			refused(list, `<top><step yang:insert="before" yang:key="[ct:id='zzz']"><id>x</id></step></top>`, "bad-attribute", appTag("missing-instance"))},
		{"rfc7950-15.7-insert-missing-instance-leaf-list", "an insert at a value that is not there is answered bad-attribute, missing-instance", nil,
			refused(leafs, `<top><order yang:insert="after" yang:value="zzz">x</order></top>`, "bad-attribute", appTag("missing-instance"))},
		{"rfc7950-7.8.6-insert-key-missing", "before and after need the attribute key", nil, refused(list, `<top><step yang:insert="before"><id>x</id></step></top>`, "missing-attribute", info("bad-attribute", "key"))},
		{"rfc7950-7.7.9-insert-value-missing", "before and after need the attribute value", nil, refused(leafs, `<top><order yang:insert="before">x</order></top>`, "missing-attribute", info("bad-attribute", "value"))},
		{"rfc7950-7.8.6-insert-bad-value", "insert is first, last, before or after", nil, refused(list, `<top><step yang:insert="middle"><id>x</id></step></top>`, "bad-attribute", info("bad-attribute", "insert"))},
		{"rfc7950-7.8.6-insert-bad-key", "key is a predicate", nil, refused(list, `<top><step yang:insert="before" yang:key="b"><id>x</id></step></top>`, "bad-attribute", info("bad-attribute", "key"))},
		{"rfc7950-7.7.9-order-is-kept", "values ordered by the user stay in the order they are given", nil, ordered("", `<top><order>z</order><order>a</order><order>m</order></top>`, value, "z", "a", "m")},
		{"rfc7950-7.7.9-insert-first", "insert first", nil, ordered(leafs, `<top><order yang:insert="first">x</order></top>`, value, "x", "a", "b", "c")},
		{"rfc7950-7.7.9-insert-last", "insert last", nil, ordered(leafs, `<top><order yang:insert="last">x</order></top>`, value, "a", "b", "c", "x")},
		{"rfc7950-7.7.9-insert-before", "insert before a value", nil, ordered(leafs, `<top><order yang:insert="before" yang:value="b">x</order></top>`, value, "a", "x", "b", "c")},
		{"rfc7950-7.7.9-insert-after", "insert after a value", nil, ordered(leafs, `<top><order yang:insert="after" yang:value="b">x</order></top>`, value, "a", "b", "x", "c")},
		{"rfc7950-7.7.9-move", "insert moves a value that is there", nil, ordered(leafs, `<top><order yang:insert="first">c</order></top>`, value, "c", "a", "b")},
		{"rfc7950-7.7.9-delete-keeps-order", "delete leaves the others in their order", nil, ordered(leafs, `<top><order nc:operation="delete">b</order></top>`, value, "a", "c")},
	}
}
