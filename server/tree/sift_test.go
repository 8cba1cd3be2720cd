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
	}, func(_ int, c *schema.Node) (Verdict, int) {
		if c == ttl {
			return Drop, 0
		}
		return Keep, 0
	}, nil)
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

// TestSiftAgain compares SiftAgain with Sift after edits of every kind, and counts
// what it asks about.
func TestSiftAgain(t *testing.T) {
	s := compile(t)
	root := manyEntries(t, s, 60)
	ttl := path(t, s, "~/lsp[name='a']/ttl")[3].Node
	for share := range 4 {
		asked := 0
		// What is dropped depends on nothing but the path, as it must.
		ask := func(above string, n *Node) (Verdict, string) {
			asked++
			at := above + "/" + n.schema.Name
			if !n.IsHolder() {
				for _, k := range n.Keys() {
					at += "[" + k.String() + "]"
				}
			}
			sum := 0
			for _, c := range []byte(at) {
				sum = (sum*31 + int(c)) % 97
			}
			switch {
			case n.IsHolder() || len(above) < 12:
				return Enter, at
			case sum < share*16:
				return Drop, at
			case sum > 90:
				return Keep, at
			}
			return Enter, at
		}
		implied := func(_ string, c *schema.Node) (Verdict, string) {
			if c == ttl {
				return Drop, ""
			}
			return Enter, ""
		}
		was, left := root, Sift(root, "", ask, implied, nil)
		rnd := rand.New(rand.NewPCG(uint64(share), 7))
		for round := range 200 {
			name := fmt.Sprintf("%03d", rnd.IntN(70))
			script := []string{
				"merge ~/lsp[name='" + name + "']/num = " + fmt.Sprint(rnd.IntN(100)),
				"merge ~/lsp[name='" + name + "']/ttl = 9",
				"remove ~/lsp[name='" + name + "']",
				"remove ~/lsp[name='" + name + "']/in-segment",
				"merge ~/lsp[name='" + name + "']/in-segment/label = 8",
				"merge ~/lsp[name='000']/stage[id='" + fmt.Sprint(rnd.IntN(80)) + "']/text = y",
				"remove ~/lsp[name='000']/stage[id='" + fmt.Sprint(rnd.IntN(80)) + "']",
				"merge ~/lsp[name='000']/hop[.='" + fmt.Sprint(rnd.IntN(80)) + "']",
			}[rnd.IntN(8)]
			now := apply(t, s, was, script)
			want := Sift(now, "", ask, implied, nil)
			asked = 0
			got := SiftAgain(now, was, left, "", ask, implied, nil)
			if !Equal(got, want) || dumpAll(got) != dumpAll(want) {
				t.Fatalf("share %d, round %d, %s:\n%s\nwant\n%s", share, round, script, dump(got), dump(want))
			}
			if now == was && got != left {
				t.Errorf("%s: nothing differs, but the result is another", script)
			}
			if !strings.Contains(script, "'000'") && asked > 40 {
				t.Errorf("share %d, %s: asked %d times", share, script, asked)
			}
			was, left = now, got
		}
	}
	if SiftAgain(root, root, nil, "", func(string, *Node) (Verdict, string) { return Keep, "" }, nil, nil) != nil {
		t.Error("what was left of the same tree is not taken")
	}
}

// dumpAll shows n with the defaults that it shows.
func dumpAll(n *Node) string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	for v := range WithDefaults(n, ReportAll) {
		fmt.Fprintf(&b, "(%s %v %s%s)", v.schema.Name, v.IsDefault, v.value, dumpAll(v.Node))
	}
	return b.String()
}
