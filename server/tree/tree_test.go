package tree

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// compile compiles testdata/net.yang.
func compile(t testing.TB) *schema.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/net.yang")
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Compile(schema.Options{
		Sources:   []schema.Source{{Name: "net.yang", Text: text}},
		Implement: []string{"net"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// path parses an instance path; "~" stands for /net:net/lsps.
func path(t testing.TB, s *schema.Schema, text string) Path {
	t.Helper()
	p, err := ParsePath(s, strings.Replace(text, "~", "/net:net/lsps", 1))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// edits reads one edit per line: operation, path, and then, as far as they
// apply, "= value" and "first", "last", "before key" or "after key".
func edits(t testing.TB, s *schema.Schema, script string) []Edit {
	t.Helper()
	ops := map[string]Op{"none": None, "merge": Merge, "replace": Replace, "create": Create, "delete": Delete, "remove": Remove}
	places := map[string]Insert{"first": First, "last": Last, "before": Before, "after": After}
	var out []Edit
	for line := range strings.Lines(script) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		op, ok := ops[f[0]]
		if !ok {
			t.Fatalf("no operation: %q", line)
		}
		ed := Edit{Op: op, Path: path(t, s, f[1])}
		node := s.Root()
		if len(ed.Path) > 0 {
			node = ed.Path[len(ed.Path)-1].Node
		}
		f = f[2:]
		if len(f) > 1 && f[0] == "=" {
			ed.Value = schema.MustParse(node.Type, f[1])
			f = f[2:]
		}
		if len(f) > 0 {
			ed.Insert = places[f[0]]
			if len(f) > 1 {
				typ := node.Type
				if node.Kind == schema.List {
					typ = node.Keys[0].Type
				}
				ed.Where = []schema.Value{schema.MustParse(typ, f[1])}
			}
		}
		out = append(out, ed)
	}
	return out
}

// apply performs the script on root and expects no error.
func apply(t testing.TB, s *schema.Schema, root *Node, script string) *Node {
	t.Helper()
	next, errs := Apply(root, edits(t, s, script))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return next
}

// dump prints a tree, one node a line, holders left out.
func dump(n *Node) string {
	var b strings.Builder
	Walk(n, nil, func(p Path, n *Node) bool {
		if len(p) == 0 {
			return true
		}
		if n.schema.IsKey() {
			return true
		}
		b.WriteString(strings.Replace(p.String(), "/net:net/lsps", "~", 1))
		if n.schema.Kind == schema.Leaf {
			fmt.Fprintf(&b, " = %s", n.value)
		}
		if a := n.Anydata(); a != nil {
			fmt.Fprintf(&b, " %s%s", a.XML, a.JSON)
		}
		b.WriteByte('\n')
		return true
	})
	return b.String()
}

// check verifies what must be true of every tree.
func check(t testing.TB, n *Node) {
	t.Helper()
	if n.IsHolder() {
		l := n.in.list
		if l.len() == 0 {
			t.Fatalf("%s: a holder without entries", n.schema.Path())
		}
		checkBnode(t, l.keyed, true)
		checkBnode(t, l.order, true)
		count := 0
		var prev item
		l.each(func(it item) bool {
			if l.mode != keyless {
				if got, ok := l.find(n.schema, it.node.Keys()); !ok || got != it {
					t.Fatalf("%s: entry %v is not found by its keys", n.schema.Path(), it.node.Keys())
				}
			}
			if l.rankOf(it) != count || l.at(count) != it {
				t.Fatalf("%s: entry %d is not at its place", n.schema.Path(), count)
			}
			switch {
			case count == 0:
			case l.mode == sorted && compareEntries(prev.node, it.node) >= 0,
				l.mode != sorted && prev.label >= it.label:
				t.Fatalf("%s: entries are out of order", n.schema.Path())
			}
			prev = it
			count++
			check(t, it.node)
			return true
		})
		if count != n.Len() {
			t.Fatalf("%s: Len() = %d, entries = %d", n.schema.Path(), n.Len(), count)
		}
		return
	}
	last := -1 << 30
	for k := range n.Children() {
		if r := rank(k.schema); r <= last {
			t.Fatalf("%s: children out of order", n.schema.Path())
		} else {
			last = r
		}
		if isEmpty(k) {
			t.Fatalf("%s: empty and kept", k.schema.Path())
		}
		check(t, k)
	}
}

func checkBnode(t testing.TB, n *bnode, root bool) int {
	t.Helper()
	if n == nil {
		return 0
	}
	size, depth := len(n.items), 0
	if size == 0 || size > maxItems {
		t.Fatalf("a bnode with %d items", size)
	}
	if n.kids != nil && len(n.kids) != len(n.items)+1 {
		t.Fatalf("a bnode with %d items and %d kids", len(n.items), len(n.kids))
	}
	for i, k := range n.kids {
		d := checkBnode(t, k, false)
		if i > 0 && d != depth {
			t.Fatal("leaves at different depths")
		}
		depth = d
		size += k.size
	}
	if n.size != size {
		t.Fatalf("a bnode of size %d says %d", size, n.size)
	}
	return depth + 1
}

func wantErrors(t testing.TB, got yangerr.List, want ...string) {
	t.Helper()
	var lines []string
	for _, e := range got {
		line := string(e.Tag)
		if e.AppTag != "" {
			line += " " + e.AppTag
		}
		if e.Path != nil {
			line += " " + strings.Replace(e.Path.String(), "/net:net/lsps", "~", 1)
		}
		lines = append(lines, line)
		if !strings.HasSuffix(e.Message, ".") {
			t.Errorf("message %q is no sentence", e.Message)
		}
	}
	if a, b := strings.Join(lines, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("errors:\n%s\nwant:\n%s", a, b)
	}
}
