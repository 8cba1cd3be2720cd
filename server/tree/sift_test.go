package tree

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
)

// manyEntries has lists of each kind with n entries.
func manyEntries(t testing.TB, s *schema.Schema, n int) *Node {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "merge ~/lsp[name='%03d']/num = %d\nmerge ~/lsp[name='%03d']/in-segment/label = 7\n", i, i, i)
		fmt.Fprintf(&b, "merge ~/lsp[name='000']/stage[id='%d']/text = x\nmerge ~/lsp[name='000']/hop[.='%d']\n", (i*37)%n, (i*41)%n)
	}
	return apply(t, s, Empty(s), b.String())
}

// TestSiftDropsLeafByLeaf compares Sift with the removal of each dropped node by an
// edit, for lists in every order and shares from none to all.
func TestSiftDropsLeafByLeaf(t *testing.T) {
	s := compile(t)
	root := manyEntries(t, s, 90)
	for share := range 11 {
		rnd := rand.New(rand.NewPCG(uint64(share), 1))
		want, drop := root, map[*Node]bool{}
		Walk(root, nil, func(p Path, n *Node) bool {
			if len(p) < 3 || n.schema.IsKey() || rnd.IntN(10) >= share {
				return true
			}
			drop[n] = true
			want, _ = Apply(want, []Edit{{Op: Remove, Path: p}})
			return false
		})
		ask := func(depth int, n *Node) (Verdict, int) {
			if drop[n] {
				return Drop, depth
			}
			return Enter, depth + 1
		}
		got := Sift(root, 0, ask, nil, nil)
		if got == nil {
			got = Empty(s)
		}
		if !Equal(got, want) {
			t.Fatalf("share %d:\n%s\nwant\n%s", share, dump(got), dump(want))
		}
		if share == 0 && got != root {
			t.Error("nothing was dropped, but the tree was copied")
		}
		// The result can be edited and compared like any other.
		if again := apply(t, s, got, "merge ~/lsp[name='zzz']/num = 1"); again.Get(path(t, s, "~/lsp[name='zzz']")) == nil {
			t.Error("an edit of the result is lost")
		}
		if slices.Collect(Diff(got, want)) != nil {
			t.Error("the result differs from what it equals")
		}
	}
}

// TestSiftFew enters only the entries that it is told of.
func TestSiftFew(t *testing.T) {
	s := compile(t)
	root := manyEntries(t, s, 50)
	lsps := path(t, s, "~/lsp[name='007']")
	one := root.Get(lsps)
	for _, c := range []struct {
		rest, verdict Verdict
		want          int
	}{{Keep, Keep, 50}, {Keep, Drop, 49}, {Drop, Keep, 1}, {Drop, Drop, 0}} {
		entered := 0
		got := Sift(root, 0, func(_ int, n *Node) (Verdict, int) {
			if n.schema == lsps[len(lsps)-1].Node && !n.IsHolder() {
				entered++
				return c.verdict, 0
			}
			return Enter, 0
		}, nil, func(_ int, h *Node) (Verdict, []*Node, bool) {
			return c.rest, []*Node{one}, h.schema == one.schema
		})
		n := got.Get(lsps[:len(lsps)-1]).Child(one.schema)
		have := 0
		if n != nil {
			have = n.Len()
		}
		if have != c.want || entered != 1 {
			t.Errorf("rest %d, verdict %d: %d entries left, want %d; %d entered", c.rest, c.verdict, have, c.want, entered)
		}
		if c.want == 50 && got != root {
			t.Error("nothing was dropped, but the tree was copied")
		}
	}
}

// TestSiftWithholdsDefaults: the default of what was dropped is not shown in its
// place, after an edit or a selection either.
func TestSiftWithholdsDefaults(t *testing.T) {
	s := compile(t)
	root := apply(t, s, Empty(s), "merge ~/lsp[name='a']/ttl = 9\nmerge ~/lsp[name='a']/num = 1\nmerge ~/lsp[name='b']/num = 2")
	ttl := path(t, s, "~/lsp[name='a']/ttl")[3].Node
	got := Sift(root, 0, func(_ int, n *Node) (Verdict, int) {
		if n.schema == ttl {
			return Drop, 0
		}
		return Enter, 0
	}, func(_ int, c *schema.Node) bool { return c != ttl }, nil)
	edited := apply(t, s, got, "merge ~/lsp[name='a']/num = 3\nmerge ~/lsp[name='b']/num = 4")
	selected := Select(got, FilterOf(s.Root(), path(t, s, "~/lsp[name='a']")[:3]))
	for _, c := range []struct {
		what  string
		root  *Node
		entry string
	}{{"dropped", got, "a"}, {"not there", got, "b"}, {"edited", edited, "a"}, {"edited beside", edited, "b"}, {"selected", selected, "a"}} {
		e := c.root.Get(path(t, s, "~/lsp[name='"+c.entry+"']"))
		if v, _ := Effective(e, ttl); !v.IsZero() || !e.Withholds(ttl) {
			t.Errorf("%s: Effective is %s", c.what, v)
		}
		for v := range WithDefaults(e, ReportAll) {
			if v.Schema() == ttl {
				t.Errorf("%s: the default is shown", c.what)
			}
		}
	}
	// Other defaults are.
	if v, isDefault := Effective(got.Get(path(t, s, "~/lsp[name='a']")), path(t, s, "~/lsp[name='a']/plain-b")[3].Node); v.String() != "3" || !isDefault {
		t.Errorf("plain-b is %s", v)
	}
}
