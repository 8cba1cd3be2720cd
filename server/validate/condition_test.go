package validate

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
)

func compileConditions(t testing.TB) *schema.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/cond.yang")
	if err != nil {
		t.Fatal(err)
	}
	return compileText(t, string(text))
}

func compileText(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile(schema.Options{Sources: []schema.Source{{Name: "net.yang", Text: []byte(text)}}, Implement: []string{"net"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestConditions: the errors of must and when, after a change and in full.
func TestConditions(t *testing.T) {
	s := compileConditions(t)
	v := New(s)
	const valid = "lsp[name='a']/label = 20\nlsp[name='b']/label = 21\npair[name='p']/one = a\npair[name='p']/two = b\n"
	for _, tc := range []struct{ name, edits, want string }{
		{"nothing", "", ""},
		{"must of a list, its message and tag", "limit = 1\n", "operation-failed lsp-limit lsp[name='a']\noperation-failed lsp-limit lsp[name='b']"},
		{"a default comes into use", "limit = 4\nlsp[name='c']\nlsp[name='d']\n- limit\n", "operation-failed lsp-limit lsp[name='a']\noperation-failed lsp-limit lsp[name='b']\noperation-failed lsp-limit lsp[name='c']\noperation-failed lsp-limit lsp[name='d']"},
		{"must without message", "lsp[name='a']/label = 3\n", "operation-failed must-violation lsp[name='a']/label"},
		{"must reads a leaf elsewhere", "floor = 21\n", "operation-failed must-violation lsp[name='a']/label"},
		{"over a reference", "lsp[name='a']/type = p2mp\nlsp[name='a']/hop[id='1']\nlsp[name='a']/hop[id='2']\n", "operation-failed must-violation pair[name='p']/one"},
		{"over another reference", "lsp[name='b']/label = 101\n", "operation-failed must-violation pair[name='p']/two"},
		{"not over a reference to another", "lsp[name='c']/label = 101\n", ""},
		{"musts of a leaf together", "pair[name='p']/two = a\n", "operation-failed must-violation pair[name='p']/two"},
		{"order of the user", "lsp[name='c']/hop[id='2']\nlsp[name='c']/hop[id='1']\n", "operation-failed must-violation lsp[name='c']/hop[id='1']"},
		{"container without instance", "mode = fast\n", "operation-failed must-violation lsp[name='a']/speed\noperation-failed must-violation lsp[name='b']/speed"},
		{"when of a leaf", "lsp[name='a']/hop[id='1']/cost = 3\n", "unknown-element lsp[name='a']/hop[id='1']/cost bad-element=cost"},
		{"when of a container", "extra/note = x\n", "unknown-element extra bad-element=extra"},
		{"must of a default below a when that is false", "- lsp\n- pair\n", ""},
		{"must below a when that is true", "- pair\n- lsp\nmode = fast\nextra/boost = 2\n", "operation-failed must-violation extra/boost"},
		{"when of a case", "- pair\n- lsp\nmode = fast\nextra/boost = 0\nside = 3\n", "unknown-element side bad-element=side"},
		{"when of a list", "gate/post[k='1']\ngate/width = 1\n", "unknown-element gate/post[k='1'] bad-element=post"},
		{"presence with defaults", "gate\nlimit = 2\n", "operation-failed gate gate"},
		{"default of a case", "radius = 0\n", "operation-failed must-violation radius"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			state, errs := v.Full(edit(t, s, tree.Empty(s), valid))
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			next := edit(t, s, state.Root(), tc.edits)
			_, errs = v.Change(state, next)
			if got := text(errs); got != tc.want {
				t.Errorf("Change:\n%s\nwant:\n%s", got, tc.want)
			}
			_, errs = v.Full(next)
			if got := text(errs); got != tc.want {
				t.Errorf("Full:\n%s\nwant:\n%s", got, tc.want)
			}
		})
	}
	_, errs := v.Full(edit(t, s, tree.Empty(s), "lsp[name='a']/type = p2mp\nlsp[name='b']/label = 1\n"))
	if len(errs) != 2 || errs[0].Message != "a tree has branches" || errs[1].Message != "The condition . >= ../../floor does not hold." {
		t.Errorf("the messages are %v", errs)
	}
}

// TestConditionThatDoesNotCompile: nothing is valid that cannot be checked.
func TestConditionThatDoesNotCompile(t *testing.T) {
	s := compileText(t, `module net { namespace "urn:n"; prefix n; container net { leaf a { type string; must "foo("; } } }`)
	_, errs := New(s).Full(tree.Empty(s))
	if len(errs) != 1 || !strings.Contains(errs[0].Message, "net.yang:1: ") || !strings.Contains(errs[0].Message, "no function foo()") {
		t.Errorf("got %v", errs)
	}
}

// TestRandomConditions holds Change against Full, and both against evaluating
// every condition at every context.
func TestRandomConditions(t *testing.T) {
	s := compileConditions(t)
	v := New(s)
	valid, broken := 0, 0
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 9))
		state, errs := v.Full(tree.Empty(s))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for range 150 {
			edits := randomConditions(r)
			next := edit(t, s, state.Root(), edits)
			st, errs := v.Change(state, next)
			_, full := v.Full(next)
			if a, b := text(errs), text(full); a != b {
				t.Fatalf("seed %d, edits:\n%s\nChange:\n%s\nFull:\n%s", seed, edits, a, b)
			}
			var got []string
			for _, e := range errs {
				if e.AppTag != "instance-required" {
					got = append(got, short(e.Path.String()))
				}
			}
			slices.Sort(got)
			if a, b := strings.Join(slices.Compact(got), "\n"), strings.Join(naiveConditions(t, s, next), "\n"); a != b {
				t.Fatalf("seed %d, edits:\n%s\nChange:\n%s\nnaive:\n%s", seed, edits, a, b)
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

func randomConditions(r *rand.Rand) string {
	var b strings.Builder
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	for range 1 + r.IntN(3) {
		lsp := "lsp[name='" + pick("a", "b", "c", "d") + "']"
		pair := "pair[name='" + pick("p", "q") + "']"
		if r.IntN(3) == 0 {
			b.WriteString("- " + pick(lsp, lsp+"/type", lsp+"/label", lsp+"/hop", lsp+"/hop[id='1']", lsp+"/hop[id='2']/cost", lsp+"/speed", lsp+"/speed/peak", pair, pair+"/one", pair+"/two",
				"limit", "mode", "floor", "extra", "extra/boost", "extra/note", "radius", "side", "corner", "gate", "gate/width", "gate/post", "lsp", "pair") + "\n")
			continue
		}
		b.WriteString(pick(lsp, lsp+"/type = "+pick("p2p", "p2mp"), fmt.Sprintf("%s/label = %d", lsp, 15+r.IntN(4)*40), fmt.Sprintf("%s/hop[id='%d']", lsp, 1+r.IntN(3)),
			lsp+"/hop[id='2']/cost = 3", fmt.Sprintf("%s/speed/peak = %d", lsp, 9+r.IntN(6)), pair+"/one = "+pick("a", "b", "c"), pair+"/two = "+pick("a", "b", "c"), fmt.Sprintf("limit = %d", r.IntN(6)),
			"mode = "+pick("slow", "fast"), fmt.Sprintf("floor = %d", 14+r.IntN(4)), fmt.Sprintf("extra/boost = %d", r.IntN(5)), "extra/note = x", fmt.Sprintf("radius = %d", r.IntN(4)), "side = 2",
			"corner[.='x']", "gate", fmt.Sprintf("gate/width = %d", r.IntN(4)), "gate/post[k='1']") + "\n")
	}
	return b.String()
}

// naiveConditions returns the paths at which some condition is false.
func naiveConditions(t *testing.T, s *schema.Schema, root *tree.Node) []string {
	var out []string
	holds := func(x *xpath.Expr, p tree.Path) bool {
		ok, err := x.Bool(xpath.Context{Root: root, Path: p})
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	// exists tells whether the whens of n at p are true and, if there is no
	// instance, those of everything around it.
	var exists func(n *schema.Node, p tree.Path, absent bool) bool
	exists = func(n *schema.Node, p tree.Path, absent bool) bool {
		if len(p) == 0 {
			return true
		}
		for i := range n.When {
			x, err := xpath.CompileWhen(n, &n.When[i])
			if err != nil {
				t.Fatal(err)
			}
			at := p
			if x.ContextNode() != n {
				at = p[:len(p)-1]
			}
			if !holds(x, at) {
				return false
			}
		}
		return !absent || exists(n.Parent, p[:len(p)-1], true)
	}
	var visit func(n *schema.Node)
	visit = func(n *schema.Node) {
		every, err := xpath.Compile("true()", n, xpath.Options{Config: true})
		if err != nil {
			t.Fatal(err)
		}
		err = every.Contexts(root, nil, func(p tree.Path) bool {
			absent := root.Get(p) == nil
			switch {
			case exists(n, p, absent):
			case absent:
				return true
			default:
				out = append(out, short(p.String()))
			}
			for i := range n.Must {
				x, err := xpath.CompileMust(n, &n.Must[i])
				if err != nil {
					t.Fatal(err)
				}
				if !holds(x, p) {
					out = append(out, short(p.String()))
				}
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range n.Children() {
			visit(k)
		}
	}
	visit(s.Root())
	slices.Sort(out)
	return slices.Compact(out)
}
