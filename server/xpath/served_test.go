package xpath_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/served"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
)

// undeviated compiles the modules that the element serves, without its deviations: a
// rule that no driver needs yet is proved all the same.
func undeviated(t testing.TB) *schema.Schema {
	t.Helper()
	o, err := served.Options()
	if err != nil {
		t.Fatal(err)
	}
	o.Implement = slices.DeleteFunc(o.Implement, func(name string) bool { return strings.Contains(name, "deviations") })
	s, err := schema.Compile(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rule is a compiled must of the served modules.
type rule struct {
	*xpath.Expr
	node    *schema.Node
	message string
}

// everyNode calls fn for all nodes of the schema, those of operations and
// notifications included.
func everyNode(s *schema.Schema, fn func(*schema.Node)) {
	var visit func(n *schema.Node)
	visit = func(n *schema.Node) {
		fn(n)
		for _, k := range n.Children() {
			visit(k)
		}
		for _, k := range n.Actions() {
			visit(k.Input)
			visit(k.Output)
		}
		for _, k := range n.Notifications() {
			visit(k)
		}
	}
	visit(s.Root())
	for _, r := range s.RPCs() {
		visit(r.Input)
		visit(r.Output)
	}
	for _, n := range s.Notifications() {
		visit(n)
	}
}

// musts compiles every must of the schema.
func musts(t testing.TB, s *schema.Schema) map[*schema.Node][]rule {
	t.Helper()
	rules := map[*schema.Node][]rule{}
	everyNode(s, func(n *schema.Node) {
		for i := range n.Must {
			x, err := xpath.CompileMust(n, &n.Must[i])
			if err != nil {
				t.Fatalf("%s: must: %v", n.Must[i].Source, err)
			}
			rules[n] = append(rules[n], rule{x, n, n.Must[i].Message})
		}
	})
	return rules
}

// load reads XML data as configuration.
func load(t testing.TB, s *schema.Schema, data []byte) *tree.Node {
	t.Helper()
	root, err := decode(s, data)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func decode(s *schema.Schema, data []byte) (*tree.Node, error) {
	r := xmltok.NewReader(slices.Concat([]byte("<data>"), data, []byte("</data>")), xmltok.Limits{})
	if _, err := r.Next(); err != nil {
		return nil, err
	}
	return codec.DecodeData(s, s.Root(), r, codec.DataOptions{ConfigOnly: true})
}

// instances calls fn for every instance in the accessible tree that has
// rules, the implied ones included.
func instances(root *tree.Node, n *tree.Node, s *schema.Node, p tree.Path, rules map[*schema.Node][]rule, fn func(tree.Path, *schema.Node)) {
	fn(p, s)
	for _, c := range s.Children() {
		if !c.Config {
			continue
		}
		kid := n.Child(c)
		switch {
		case kid != nil && kid.IsHolder():
			for e := range kid.Children() {
				instances(root, e, c, p.Child(c, e.Keys()...), rules, fn)
			}
		case kid != nil:
			instances(root, kid, c, p.Child(c), rules, fn)
		case c.Kind == schema.Container && !c.Presence && c.Case == nil:
			instances(root, nil, c, p.Child(c), rules, fn)
		case c.Kind == schema.Leaf && len(c.Defaults) == 1 && c.Case == nil:
			fn(p.Child(c), c)
		}
	}
}

// broken returns the messages of all musts that are false.
func broken(t testing.TB, root *tree.Node, s *schema.Schema, rules map[*schema.Node][]rule) []string {
	t.Helper()
	var out []string
	instances(root, root, s.Root(), nil, rules, func(p tree.Path, n *schema.Node) {
		for _, r := range rules[n] {
			ok, err := r.Bool(xpath.Context{Root: root, Path: p})
			if err != nil {
				t.Fatalf("%s at %s: %v", r, p, err)
			}
			if !ok {
				out = append(out, r.message)
			}
		}
	})
	return out
}

// TestServedExpressionsCompile: every must and when of the served modules
// compiles, names only what exists, and survives printing.
func TestServedExpressionsCompile(t *testing.T) {
	s := undeviated(t)
	count := 0
	everyNode(s, func(n *schema.Node) {
		var all []*xpath.Expr
		for i := range n.Must {
			x, err := xpath.CompileMust(n, &n.Must[i])
			if err != nil {
				t.Errorf("%s: must: %v", n.Must[i].Source, err)
				continue
			}
			all = append(all, x)
		}
		for i := range n.When {
			x, err := xpath.CompileWhen(n, &n.When[i])
			if err != nil {
				t.Errorf("%s: when: %v", n.When[i].Source, err)
				continue
			}
			all = append(all, x)
		}
		for _, x := range all {
			count++
			// The features radius and, in subscriptions, configured are off, so that
			// nothing has these names.
			if strings.HasPrefix(x.String(), "not(../transport) or ") {
				continue
			}
			if len(x.Unmatched()) > 0 && x.String() != ". != 'sys:radius' or ../../radius/server" {
				t.Errorf("%s: %s: nothing is called %q", n, x, x.Unmatched())
			}
			if len(x.Deps()) == 0 {
				t.Errorf("%s: %s depends on nothing", n, x)
			}
		}
	})
	if count < 60 {
		t.Errorf("compiled %d expressions: the walk misses some", count)
	}
}

// TestServedMusts: base.xml breaks no must; each case of rejected.txt breaks
// the must that yanglint names for it, and no other.
func TestServedMusts(t *testing.T) {
	s := undeviated(t)
	rules := musts(t, s)
	base, err := os.ReadFile("../../yang/testdata/base.xml")
	if err != nil {
		t.Fatal(err)
	}
	if got := broken(t, load(t, s, base), s, rules); len(got) > 0 {
		t.Fatalf("base.xml breaks: %q", got)
	}
	messages := map[string]bool{}
	for n, rs := range rules {
		for i, r := range rs {
			if strings.HasPrefix(n.Must[i].Source, "mtp-") {
				messages[r.message] = true
			}
		}
	}
	// A label block that is empty holds no label of an LSP or pseudowire either.
	also := map[string][]string{"label block is not empty": {
		"the incoming label is outside every static label block", "the receive label is outside every static label block",
	}}
	text, err := os.ReadFile("../../yang/testdata/rejected.txt")
	if err != nil {
		t.Fatal(err)
	}
	broke := map[string]bool{}
	for _, section := range strings.Split(string(text), "\n# ")[1:] {
		name, rest, _ := strings.Cut(section, "\n")
		data, old, want := base, "", ""
		for _, line := range strings.Split(rest, "\n") {
			switch mark, arg, _ := strings.Cut(line, " "); mark {
			case "-":
				old = arg
			case "+":
				if bytes.Count(data, []byte(old)) != 1 {
					t.Fatalf("%s: %q is not in base.xml once", name, old)
				}
				data = bytes.Replace(data, []byte(old), []byte(arg), 1)
			case "!":
				want = arg
			}
		}
		root, err := decode(s, data)
		if err != nil {
			if messages[want] {
				t.Errorf("%s: does not decode: %v", name, err)
			}
			continue // A type refuses it already, and no must is about it.
		}
		got := broken(t, root, s, rules)
		if !messages[want] {
			continue // About a type, a unique, a leafref: package validate checks those.
		}
		broke[want] = true
		slices.Sort(got)
		got = slices.DeleteFunc(slices.Compact(got), func(m string) bool { return slices.Contains(also[name], m) })
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s: broken are %q, want %q", name, got, want)
		}
	}
	for m := range messages {
		if !broke[m] {
			t.Errorf("no case breaks: %s", m)
		}
	}
}
