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

func compileFile(t testing.TB, name string) *schema.Schema {
	t.Helper()
	source, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return compileText(t, string(source))
}

// TestPrune: what the server deletes because a when became false (RFC 7950
// section 8.3.2), and what it refuses because the change itself made it.
func TestPrune(t *testing.T) {
	s := compileFile(t, "testdata/when.yang")
	v := New(s)
	const base = `
		only-a = x
		tags = one
		tags = two
		gain = 1
		level = 1
		of-auto = yes
		port[name='p']/type = out
		port[name='p']/rate = 7
		port[name='p']/rule[id='1']/note = n
		port[name='q']
		user[name='u']/port = p
		user[name='u']/hard = p
		user[name='u']/cap = 1
		user[name='u']/hot = 2
		user[name='w']/port = q
		user[name='w']/linked = 3
	`
	for _, tc := range []struct{ name, before, edits, deleted, errors string }{
		{"nothing", "", "spare = x", "", ""},
		{"one leaf", "", "kind = b", "only-a", ""},
		{"by the loss of a value that is not the default", "kind = b\n- only-a\nbox/size = 11\nbig = x", "- kind", "box big", ""},
		{"a chain of three", "after-a = x\nlast = x", "kind = b", "only-a after-a last", ""},
		{"a chain that another leaf holds up", "after-a = x\nlast = x\nspare = x", "kind = b", "only-a after-a", ""},
		{"the whole of a leaf-list and a uses", "- level\n- of-auto", "kind = c", "only-a tags[.='one'] tags[.='two'] gain", ""},
		{"a container with what is in it, and who reads it", "kind = b\n- only-a\nbox/inner/depth = 1\nneeds-box = x", "kind = a", "box needs-box", ""},
		{"a default that is no longer in use", "kind = b\n- only-a\nbox/size = 11\nbig = x", "- box/size", "big", ""},
		{"a case of a choice", "kind = b\n- only-a\n- level\n- of-auto\nlever = 1\nnotch = 1\nnotch = 2", "kind = a", "lever notch[.='1'] notch[.='2']", ""},
		{"what another case pushed out", "", "level = 2", "of-auto", ""},
		{"an entry's own leaf, and a list that reads it", "", "port[name='p']/type = in", "port[name='p']/rate user[name='u']/cap port[name='p']/rule[id='1'] user[name='u']/hot", ""},
		{"over a reference that changed", "", "user[name='u']/port = q", "user[name='u']/cap", ""},
		{"over a reference to what is gone", "", "- port[name='q']", "user[name='w']/linked", ""},
		{"over a value", "", "port[name='p']/rate = 5", "user[name='u']/hot", ""},
		{"over deref", "", "port[name='q']/type = out", "user[name='w']/linked", ""},
		{"an augment", "kind = b\n- only-a\nextra = x\nmore/part[p='1']", "- kind", "extra more", ""},
		{"an augment that another leaf holds up", "kind = b\n- only-a\nextra = x\nspare = x", "- kind", "", ""},
		{"entries of a list, all but the new one", "row[k='1']\nrow[k='2']\nrow[k='3']", "row[k='4']\nkind = b", "only-a row[k='1'] row[k='2'] row[k='3']", ""},
		{"new data under a false when is refused", "", "kind = b\nafter-a = x", "only-a", "unknown-element after-a bad-element=after-a"},
		{"new data where it may not exist", "", "box/size = 1", "", "unknown-element box bad-element=box"},
		{"a change of what the change forbids", "", "kind = b\nonly-a = y", "", "unknown-element only-a bad-element=only-a"},
		{"a new entry in what the change forbids", "", "port[name='p']/type = in\nport[name='p']/rule[id='2']", "port[name='p']/rate user[name='u']/cap port[name='p']/rule[id='1'] user[name='u']/hot", "unknown-element port[name='p']/rule[id='2'] bad-element=rule"},
		{"deleted by hand as well", "", "kind = b\n- only-a", "", ""},
		{"the case and its condition in one edit", "", "kind = c\n- only-a\n- tags\n- gain\nwild/w = x", "of-auto", ""},
		{"what is gone is not missed", "asks\nkind = b\nasks/strict = x\nasks/some = 1\nasks/inside/few = 1\n- only-a", "- kind", "asks/strict asks/some[.='1'] asks/inside", ""},
		{"a mandatory leaf whose when became true", "asks", "kind = b", "only-a", "data-missing asks/strict\noperation-failed too-few-elements asks/some\noperation-failed too-few-elements asks/inside/few"},
		{"a mandatory choice whose when became true", "asks\n- only-a\n- tags\n- gain", "kind = c", "", "data-missing missing-choice asks missing-choice=pick"},
		{"a mandatory choice that is there", "asks\n- only-a\n- tags\n- gain", "kind = c\nasks/y = 1", "", ""},
		{"below what is new", "kind = b\n- only-a", "asks", "", "data-missing asks/strict\noperation-failed too-few-elements asks/some\noperation-failed too-few-elements asks/inside/few"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			state, errs := v.Full(edit(t, s, edit(t, s, tree.Empty(s), base), tc.before))
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			next := edit(t, s, state.Root(), tc.edits)
			pruned, gone := v.Prune(state, next)
			var got []string
			for _, p := range gone {
				got = append(got, short(p.String()))
				if pruned.Get(p) != nil {
					t.Errorf("%s is said to be gone", p)
				}
			}
			if got := strings.Join(got, " "); got != tc.deleted {
				t.Errorf("deleted %s\nwant    %s", got, tc.deleted)
			}
			if len(gone) == 0 && pruned != next {
				t.Error("nothing was deleted, but the root is another one")
			}
			_, errs = v.Change(state, pruned)
			if got := text(errs); got != tc.errors {
				t.Errorf("Change:\n%s\nwant:\n%s", got, tc.errors)
			}
			_, errs = v.Full(pruned)
			if got := text(errs); got != tc.errors {
				t.Errorf("Full:\n%s\nwant:\n%s", got, tc.errors)
			}
		})
	}
	if root, gone := v.Prune(nil, edit(t, s, tree.Empty(s), "box/size = 1")); len(gone) > 0 || root.Len() == 0 {
		t.Error("without a valid tree before there is nothing to delete")
	}
}

// TestForbidden: a request that names data under a false when is refused,
// whether it changes anything or not (RFC 7950 section 8.3.1).
func TestForbidden(t *testing.T) {
	s := compileFile(t, "testdata/when.yang")
	v := New(s)
	for _, tc := range []struct{ name, edits, want string }{
		{"nothing", "spare = x", ""},
		{"allowed by the same request, later", "box/size = 1\nkind = b", ""},
		{"the value that is there", "only-a = x\nkind = b", "unknown-element only-a bad-element=only-a"},
		{"another value", "kind = b\nonly-a = y", "unknown-element only-a bad-element=only-a"},
		{"below a container", "box/inner/depth = 1", "unknown-element box bad-element=box"},
		{"every node of a request", "box/inner/depth = 1\nbox/size = 4\nkind = c\ntags = one\ntags = two\ngain = 1",
			"unknown-element tags[.='one'] bad-element=tags\nunknown-element tags[.='two'] bad-element=tags\nunknown-element box bad-element=box\nunknown-element gain bad-element=gain"},
		{"taken away again", "box/size = 1\n- box", ""},
		{"only deleted", "kind = b\n- only-a", ""},
		{"an entry of a list", "port[name='p']/rule[id='1']/note = x", "unknown-element port[name='p']/rule[id='1'] bad-element=rule"},
		{"a case", "lever = 3", "unknown-element lever bad-element=lever"},
		{"an augment", "more/part[p='1']", "unknown-element more bad-element=more"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			edits := script(t, s, tc.edits)
			root, errs := tree.Apply(edit(t, s, tree.Empty(s), "only-a = x"), edits)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			if got := text(v.Forbidden(root, edits)); got != tc.want {
				t.Errorf("one by one:\n%s\nwant:\n%s", got, tc.want)
			}
			// The same content as one subtree.
			payload, errs := tree.Apply(tree.Empty(s), edits)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			net := payload.ChildNamed("net")
			whole := []tree.Edit{{Op: tree.Merge, Path: parse(t, s, "kind")[:1], Tree: net}}
			if root, errs = tree.Apply(root, whole); len(errs) > 0 {
				t.Fatal(errs)
			}
			if got := text(v.Forbidden(root, whole)); got != tc.want {
				t.Errorf("as a subtree:\n%s\nwant:\n%s", got, tc.want)
			}
		})
	}
}

// TestRandomPrune holds Prune against evaluating every when at every instance
// until nothing more is to be deleted, and Change against Full on the result.
func TestRandomPrune(t *testing.T) {
	s := compileFile(t, "testdata/when.yang")
	v := New(s)
	valid, broken, deleted := 0, 0, 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		state, errs := v.Full(tree.Empty(s))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for range 120 {
			edits := randomWhens(r)
			next := edit(t, s, state.Root(), edits)
			pruned, gone := v.Prune(state, next)
			if want := naivePrune(t, s, state.Root(), next); !tree.Equal(pruned, want) {
				t.Fatalf("seed %d, edits:\n%s\nthe results differ:\n%s\nwant:\n%s", seed, edits, listing(pruned), listing(want))
			}
			deleted += len(gone)
			st, errs := v.Change(state, pruned)
			_, full := v.Full(pruned)
			if a, b := text(errs), text(full); a != b {
				t.Fatalf("seed %d, edits:\n%s\nChange:\n%s\nFull:\n%s", seed, edits, a, b)
			}
			if len(errs) > 0 {
				broken++
				continue
			}
			state = st
			valid++
		}
	}
	if valid < 1000 || broken < 500 || deleted < 500 {
		t.Errorf("%d valid and %d broken trees, %d deletions: the test tests little", valid, broken, deleted)
	}
}

func listing(root *tree.Node) string {
	var b strings.Builder
	tree.Walk(root, nil, func(p tree.Path, n *tree.Node) bool {
		if len(p) > 1 {
			fmt.Fprintf(&b, "%s %s\n", short(p.String()), n.Value())
		}
		return true
	})
	return b.String()
}

func randomWhens(r *rand.Rand) string {
	var b strings.Builder
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	for range 1 + r.IntN(3) {
		port := "port[name='" + pick("p", "q") + "']"
		user := "user[name='" + pick("u", "w") + "']"
		if r.IntN(4) == 0 {
			b.WriteString("- " + pick("kind", "only-a", "spare", "box", "box/size", "box/inner", "level", port, port+"/type", port+"/rate", user, user+"/port", "row", "row[k='1']", "asks", "asks/strict", "asks/x", "more") + "\n")
			continue
		}
		b.WriteString(pick("kind = "+pick("a", "b", "c"), "kind = "+pick("a", "b", "c"), "only-a = x", "after-a = x", "last = x", "spare = x", "tags = "+pick("one", "two"), fmt.Sprintf("box/size = %d", 9+r.IntN(4)),
			"box/inner", "needs-box = x", "big = x", fmt.Sprintf("gain = %d", r.IntN(3)), fmt.Sprintf("level = %d", r.IntN(2)), "lever = 1", "notch = 1", "wild/w = x", "of-auto = x", port+"/type = "+pick("in", "out"),
			fmt.Sprintf("%s/rate = %d", port, 4+r.IntN(4)), fmt.Sprintf("%s/rule[id='%d']", port, r.IntN(2)), user+"/port = "+pick("p", "q"), user+"/hard = "+pick("p", "q"), user+"/cap = 1", user+"/hot = 1", user+"/linked = 1",
			fmt.Sprintf("row[k='%d']", r.IntN(5)), "asks", "asks/strict = x", "asks/some = 1", "asks/inside/few = 1", "asks/x = 1", "asks/y = 1", "extra = x", "more/part[p='1']", "more/much = 1") + "\n")
	}
	return b.String()
}

// naivePrune deletes, round by round, every instance with a false when that was
// in old and of which nothing is new or different.
func naivePrune(t *testing.T, s *schema.Schema, old, root *tree.Node) *tree.Node {
	t.Helper()
	for {
		var edits []tree.Edit
		tree.Walk(root, nil, func(p tree.Path, n *tree.Node) bool {
			for i := range n.Schema().When {
				x, err := xpath.CompileWhen(n.Schema(), &n.Schema().When[i])
				if err != nil {
					t.Fatal(err)
				}
				at := p
				if x.ContextNode() != n.Schema() {
					at = p[:len(p)-1]
				}
				ok, err := x.Bool(xpath.Context{Root: root, Path: at})
				if err != nil {
					t.Fatal(err)
				}
				was := old.Get(p)
				if ok || was == nil {
					continue
				}
				if !slices.ContainsFunc(slices.Collect(tree.DiffAt(p, was, n)), func(c tree.Change) bool { return c.Op == tree.Created || c.Op == tree.Modified }) {
					edits = append(edits, tree.Edit{Op: tree.Remove, Path: p})
					return false
				}
			}
			return true
		})
		if len(edits) == 0 {
			return root
		}
		root, _ = tree.Apply(root, edits)
	}
}
