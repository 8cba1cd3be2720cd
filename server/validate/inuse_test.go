package validate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
)

// conditionalDefaults has defaults below whens, one when leading to the next, and
// everything that asks whether a default is in use.
const conditionalDefaults = `module net { yang-version 1.1; namespace "urn:n"; prefix n; container net {
	leaf mode { type string; }
	leaf a { when "../mode = 'x'"; type uint8; default 1; }
	container c { when "../a = 1"; leaf b { type uint8; default 2; } leaf-list many { type uint8; default 7; default 8; } }
	list l { key k; unique u; unique "p/q"; must "not(../c/b) or count(../l) < 4" { error-app-tag crowd; }
		leaf k { type uint8; }
		leaf u { when "../../mode = 'x'"; type uint8; default 5; }
		leaf w { type boolean; default false; }
		container p { when "../w = 'true'"; leaf q { type uint8; default 9; } } }
	leaf ref { type leafref { path "../c/b"; } }
	leaf many-ref { type leafref { path "../c/many"; } }
	leaf list-ref { type leafref { path "../l/u"; } }
	leaf any { type instance-identifier; }
	leaf m { type uint8; must "../c/b = 2" { error-app-tag two; } }
	leaf sum { type uint8; must "sum(../l/p/q) < 20" { error-app-tag sum; } }
	leaf count { type uint8; must "count(../c/many) = 2" { error-app-tag both; } }
} }`

func randomConditional(r *rand.Rand) string {
	var b strings.Builder
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	for range 1 + r.IntN(4) {
		l := fmt.Sprintf("l[k='%d']", 1+r.IntN(5))
		switch r.IntN(3) {
		case 0:
			b.WriteString("- " + pick("mode", "mode", "a", "a", "c", "c/b", "c/many", l, l, l+"/u", l+"/u", l+"/w", l+"/p", l+"/p/q", "ref", "many-ref", "list-ref", "any", "m", "sum", "count", "l") + "\n")
		case 1:
			b.WriteString(pick("mode = x", "mode = x", "mode = y", fmt.Sprintf("a = %d", 1+r.IntN(2)), l, l+"/w = "+pick("true", "true", "false"), fmt.Sprintf("%s/u = %d", l, 3+r.IntN(4)), fmt.Sprintf("%s/p/q = %d", l, 7+r.IntN(5))) + "\n")
		default:
			b.WriteString(pick(fmt.Sprintf("c/b = %d", 1+r.IntN(3)), "c/many[.='6']", "ref = "+pick("2", "2", "3"), "many-ref = "+pick("7", "6"), "list-ref = "+pick("5", "4"), "m = 1", "sum = 1", "count = 1",
				"any = /net:net/net:"+pick("a", "c/net:b", "c", "c/net:many[.='7']", l[:1]+"[net:k='1']/net:u", "l[net:k='2']/net:p/net:q", "l[net:k='2']/net:p")) + "\n")
		}
	}
	return b.String()
}

// conditionalFaults returns what is wrong with root, written down by hand.
func conditionalFaults(s *schema.Schema, root *tree.Node) []string {
	var out []string
	fault := func(tag, path string) { out = append(out, strings.TrimSpace(tag)+" "+path) }
	net := root.ChildNamed("net")
	num := func(n *tree.Node, name string) (int, bool) {
		v := n.ChildNamed(name)
		if v == nil {
			return 0, false
		}
		i, _ := strconv.Atoi(v.Value().String())
		return i, true
	}
	text := func(n *tree.Node, name string) string {
		if v := n.ChildNamed(name); v != nil {
			return v.Value().String()
		}
		return ""
	}
	x := text(net, "mode") == "x"
	a, set := num(net, "a")
	if set && !x {
		fault("unknown-element", "a")
	}
	if !set && x {
		a = 1
	}
	c := net.ChildNamed("c")
	if c != nil && a != 1 {
		fault("unknown-element", "c")
	}
	var instances []string // what any may name
	if set || x {
		instances = append(instances, "a")
	}
	if c != nil || a == 1 {
		instances = append(instances, "c")
	}
	b, hasB := num(c, "b")
	if !hasB && (c != nil || a == 1) {
		b, hasB = 2, true
	}
	if hasB {
		instances = append(instances, "c/b")
	}
	var many []string
	if h := c.ChildNamed("many"); h != nil {
		for e := range h.Children() {
			many = append(many, e.Value().String())
		}
	} else if c != nil || a == 1 {
		many = []string{"7", "8"}
	}
	for _, v := range many {
		instances = append(instances, "c/many[.='"+v+"']")
	}
	us, qs := map[int]int{}, map[int]int{}
	sum := 0
	entries := net.ChildNamed("l")
	for e := range entries.Children() {
		k := text(e, "k")
		at := "l[k='" + k + "']"
		u, ok := num(e, "u")
		if ok && !x {
			fault("unknown-element", at+"/u")
		}
		if !ok && x {
			u, ok = 5, true
		}
		if ok {
			us[u]++
			instances = append(instances, "l[k='"+k+"']/u")
		}
		p := e.ChildNamed("p")
		on := text(e, "w") == "true"
		if p != nil && !on {
			fault("unknown-element", at+"/p")
		}
		if on || p != nil {
			q, ok := num(p, "q")
			if !ok {
				q = 9
			}
			qs[q]++
			sum += q
			instances = append(instances, "l[k='"+k+"']/p", "l[k='"+k+"']/p/q")
		}
		if hasB && entries.Len() >= 4 {
			fault("operation-failed crowd", at)
		}
	}
	for _, m := range []map[int]int{us, qs} {
		for _, n := range m {
			if n > 1 {
				fault("operation-failed data-not-unique", "")
			}
		}
	}
	missing := func(name string, there bool) {
		if net.ChildNamed(name) != nil && !there {
			fault("data-missing instance-required", name)
		}
	}
	ref, _ := num(net, "ref")
	missing("ref", hasB && ref == b)
	missing("many-ref", slices.Contains(many, text(net, "many-ref")))
	list, _ := num(net, "list-ref")
	missing("list-ref", us[list] > 0)
	missing("any", slices.Contains(instances, strings.TrimPrefix(strings.ReplaceAll(text(net, "any"), "net:", ""), "/net/")))
	must := func(name, tag string, ok bool) {
		if net.ChildNamed(name) != nil && !ok {
			fault("operation-failed "+tag, name)
		}
	}
	must("m", "two", hasB && b == 2)
	must("sum", "sum", sum < 20)
	must("count", "both", len(many) == 2)
	slices.Sort(out)
	return slices.Compact(out)
}

// TestRandomConditionalDefaults holds Change against Full, and both against the
// constraints written down by hand; what a retrieval shows, against what
// expressions see.
func TestRandomConditionalDefaults(t *testing.T) {
	s := compileText(t, conditionalDefaults)
	v := New(s)
	d := xpath.NewDefaults(s)
	valid, broken := 0, 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 11))
		state, errs := v.Full(tree.Empty(s))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for range 120 {
			edits := randomConditional(r)
			next := edit(t, s, state.Root(), edits)
			if r.IntN(2) == 0 {
				next, _ = v.Prune(state, next)
			}
			st, errs := v.Change(state, next)
			_, full := v.Full(next)
			if a, b := text(errs), text(full); a != b {
				t.Fatalf("seed %d, edits:\n%s\nChange:\n%s\nFull:\n%s", seed, edits, a, b)
			}
			var got []string
			for _, e := range errs {
				tag, path := strings.TrimSpace(string(e.Tag)+" "+e.AppTag), short(e.Path.String())
				if e.AppTag == "data-not-unique" {
					path = ""
				}
				got = append(got, tag+" "+path)
			}
			slices.Sort(got)
			got = slices.Compact(got)
			if want := conditionalFaults(s, next); !slices.Equal(got, want) {
				t.Fatalf("seed %d, edits:\n%s\ngot:\n%s\nwant:\n%s", seed, edits, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if a, b := shownLeafs(d.InUse(next, next)), seenLeafs(t, s, next); !slices.Equal(a, b) {
				t.Fatalf("seed %d: shown\n%s\nseen\n%s", seed, strings.Join(a, "\n"), strings.Join(b, "\n"))
			}
			if len(errs) > 0 {
				broken++
				continue
			}
			state = st
			valid++
		}
	}
	if valid < 500 || broken < 500 {
		t.Errorf("%d valid and %d broken trees: the test tests little", valid, broken)
	}
}

// shownLeafs returns the leafs that report-all shows, sorted.
func shownLeafs(root *tree.Node) []string {
	var out []string
	var visit func(n *tree.Node, at string)
	visit = func(n *tree.Node, at string) {
		for v := range tree.WithDefaults(n, tree.ReportAll) {
			at := at
			if !n.IsHolder() {
				at += "/" + v.Schema().Name
			} else if len(v.Schema().Keys) > 0 {
				at += "[" + v.Keys()[0].String() + "]"
			}
			if v.Schema().Type != nil && !v.IsHolder() {
				out = append(out, at+"="+v.Value().String())
				continue
			}
			visit(v.Node, at)
		}
	}
	visit(root, "")
	slices.Sort(out)
	return out
}

// seenLeafs returns the leafs that the expression //* finds, sorted.
func seenLeafs(t *testing.T, s *schema.Schema, root *tree.Node) []string {
	x, err := xpath.Compile("//*", s.Root(), xpath.Options{Config: true})
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := x.Nodes(xpath.Context{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, n := range nodes {
		if n.Path[len(n.Path)-1].Node.Type == nil {
			continue
		}
		at := ""
		for _, st := range n.Path {
			at += "/" + st.Node.Name
			if st.Node.Kind == schema.List {
				at += "[" + st.Keys[0].String() + "]"
			}
		}
		out = append(out, at+"="+n.Value.String())
	}
	slices.Sort(out)
	return out
}
