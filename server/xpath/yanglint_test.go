package xpath_test

import (
	"fmt"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/xpath"
)

// likeYanglint prints nodes as yanglint's data -x does.
func likeYanglint(nodes []xpath.Node) string {
	var b strings.Builder
	for _, n := range nodes {
		if len(n.Path) == 0 || n.Text {
			continue
		}
		st := n.Path[len(n.Path)-1]
		fmt.Fprintf(&b, "  %s \"%s\"", st.Node.Kind, st.Node.Name)
		switch st.Node.Kind {
		case schema.Leaf, schema.LeafList:
			fmt.Fprintf(&b, " (value: \"%s\")", n.Value)
		case schema.List:
			b.WriteString(" (")
			for i, k := range st.Node.Keys {
				if i > 0 {
					b.WriteString(" ")
				}
				fmt.Fprintf(&b, "\"%s\": \"%s\";", k.Name, st.Keys[i])
			}
			b.WriteString(")")
		}
		b.WriteString("\n")
	}
	if b.Len() == 0 {
		return "\tEmpty\n"
	}
	return b.String()
}

// squeeze takes away what yanglint prints in no certain way: line ends behind
// containers, and a container that libyang has besides the modules that were loaded.
func squeeze(s string) string {
	s = strings.Replace(s, `container "schema-mounts"`, "", 1)
	return strings.Join(strings.Fields(s), " ")
}

// yanglintExpressions are node-sets, and conditions on the existence of one node.
// Not among them is what libyang 2.1 does otherwise than XPath 1.0: it has no
// text nodes, counts positions over all context nodes together (section 2.4),
// passes over part of the following axis (2.2), puts line ends into the
// string-value of a container (5.2) and has floor(-2.5) = -2 (4.4).
func yanglintExpressions() []string {
	exprs := []string{
		"/*", "//*", "/yard:yard/track", "/yard:yard/track/name", "//track/wagon", "//number", "//wagon/..", "//wagon/../name", "//*[. = 5]",
		"/yard:yard/track[2]/wagon[1]", "/yard:yard/track[last()]", "/yard:yard/*[3]", "(//wagon)[last()]", "//track[position() > 1]/name", "//track[gate]/preceding-sibling::track",
		"//track[gate]/following-sibling::*", "//wagon[load]", "//wagon[not(load)]", "//track/signal/*", "//volts | //name", "/yard:yard/crew:worker/crew:track",
		"/yard:yard/track[name='a']/wagon[owner='x'][number='1']/load", "/yard:yard/track[name=/yard:yard/main]/kind", "//wagon[number = 1]/owner", "//ancestor::track/name",
		"//wagon/ancestor-or-self::*", "/yard:yard/track[2]/following::*", "//number/preceding::load", "/yard:yard/day", "/yard:yard/month[2]", "/yard:yard/month[. > 6]",
		"//name[starts-with(., 'n')]", "//tag[contains(., 'e')]", "//*[local-name() = 'name']", "//name[string-length() = 5]", "deref(/yard:yard/main)", "deref(/yard:yard/main)/../state",
		"deref(//crew:worker[1]/crew:track)/../wagon", "//track[derived-from(kind, 'yard:train')]/name", "//track[derived-from-or-self(kind, 'yard:bus')]/name", "//track[enum-value(state) = 7]/name",
		"//track[bit-is-set(flags, 'crane')]/name", "//name[re-match(., '[a-b]')]", "//track[kind = 'yard:bus']/name", "//gate/width", "//fuse", "//count/total", "//track[not(wagon)]/name",
		"//wagon[load < 0 or load > 20]/number", "//wagon[load = //limit + 2]", "//track[length = 100]/name", "//track[length != //track/length]/name", "//track[count(wagon) mod 2 = 1]/name",
		"//track[sum(wagon/load) = 20]/name", "/yard:yard/track[position() mod 2 = 1]/name", "//self::wagon/number", "/yard:yard/track[2]/child::*[2]", "/yard:yard/track[1]/*[last()]", "/yard:yard/track[2]/descendant::*[3]",
	}
	for _, condition := range []string{
		"1 < 2", "'a' = 'b'", "count(//*) > 50", "sum(//load) = 25", "string(//track) = 'x'", "floor(2.5) = 2", "ceiling(2.1) = 3", "round(2.5) = 3", "number('x') = number('x')",
		"substring('12345', 2, 3) = '234'", "substring-before('a/b', '/') = 'a'", "substring-after('a/b', '/') = 'b'", "translate('bar', 'abc', 'AB') = 'BAr'", "normalize-space(concat('a', '') ) = 'a'",
		"concat('a', 'b', 1) = 'ab1'", "boolean(//none)", "not(//gate)", "//length = 50", "//length != 50", "//length > 100", "//month < //day", "//grade < 0", "//track/name = //main",
		"string-length('abc') = 3", "true() > false()", "//name = true()", "1 div 0 > 100", "5 mod -2 = 1", "(1 = 1) = ('a' = 'a')",
	} {
		exprs = append(exprs, "/yard:yard["+condition+"]")
	}
	return exprs
}
