package nacm

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// TestReadStore: what is remembered is what Read would find, edit by edit, and what
// an edit left alone is shared.
func TestReadStore(t *testing.T) {
	s := shop(t)
	for seed := range uint64(200) {
		g := newRandom(s, seed)
		m := g.model()
		c := control(t, s, m.running(t))
		checkers := make([]*Checker, len(identities))
		for i, id := range identities {
			checkers[i] = c.Checker(id)
		}
		root := g.data()
		for range 6 {
			var edits []tree.Edit
			for _, e := range tree.Edits(root, g.data()) {
				if g.IntN(3) > 0 {
					edits = append(edits, e)
				}
			}
			root, _ = tree.ApplyEach(root, edits)
			for i, k := range checkers {
				want, got := k.Read(root), k.ReadStore(root)
				if !slices.Equal(paths(got), paths(want)) {
					t.Fatalf("seed %d, %+v:\n got %q\nwant %q", seed, identities[i], paths(got), paths(want))
				}
				compareDefaults(m, identities[i], got, nil, func(format string, args ...any) { t.Fatalf(format, args...) })
				if k.ReadStore(root) != got {
					t.Error("the same tree is read again")
				}
			}
		}
	}
}

// TestReadStoreShares: after a change of one LSP all others are those of before.
func TestReadStoreShares(t *testing.T) {
	s, root := element(t, 100)
	k := control(t, s, rulesOf(t, s, "", ruleOf{path: lsps + "/description", action: "deny"})).Checker(Identity{User: "ann"})
	before := k.ReadStore(root)
	p := parse(t, s, lsps+"[name='lsp-00007']/admin-state")
	b := tree.NewBuilder(root)
	b.Set(p, schema.MustParse(p[len(p)-1].Node.Type, "down"))
	after := k.ReadStore(b.Seal())
	changed := slices.Collect(tree.Diff(before, after))
	if len(changed) != 1 || changed[0].Path.String() != p.String() {
		t.Errorf("changes %v", changed)
	}
	for i := range 100 {
		entry := parse(t, s, lsps+fmt.Sprintf("[name='lsp-%05d']", i))
		if shared := before.Get(entry) == after.Get(entry); shared != (i != 7) {
			t.Errorf("%s: shared %v", entry, shared)
		}
	}
}

// TestMemosAreBounded: of many users with rules of their own few remember, and
// those who forgot read the same.
func TestMemosAreBounded(t *testing.T) {
	s := shop(t)
	var lines []string
	for i := range 3 * maxMemos {
		lines = append(lines, fmt.Sprintf("/ietf-netconf-acm:nacm/groups/group[name='g']/user-name[.='u%d']", i))
	}
	lines = append(lines, "/ietf-netconf-acm:nacm/rule-list[name='all']/group[.='g']")
	lines = append(lines, ruleLines("all", []ruleOf{{path: "/shop:top/item[id=$USER]", action: "deny"}})...)
	c := control(t, s, config(t, s, lines...))
	root := config(t, s, append(stock, "/shop:top/item[id='u1']/price 1", "/shop:top/item[id='u40']/price 1")...)
	var all sync.WaitGroup
	for i := range 3 * maxMemos {
		k := c.Checker(Identity{User: fmt.Sprint("u", i)})
		all.Go(func() {
			for range 3 {
				if got, want := paths(k.ReadStore(root)), paths(k.Read(root)); !slices.Equal(got, want) {
					t.Errorf("u%d: got %q, want %q", i, got, want)
				}
			}
		})
	}
	all.Wait()
	rs := c.rules.Load()
	kept := 0
	for _, r := range rs.shared {
		if r.memo.Load() != nil {
			kept++
		}
	}
	if kept != maxMemos || len(rs.memos) != maxMemos {
		t.Errorf("%d remember, %d are listed, want %d", kept, len(rs.memos), maxMemos)
	}
}
