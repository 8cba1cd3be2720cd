package oper

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/tree"
)

// TestChangesOfEdits: what is looked up by the paths of edits is what a
// comparison of the trees yields, in the same order and from and to the same
// nodes, for random edits of containers, entries and leafs.
func TestChangesOfEdits(t *testing.T) {
	r := newRig(t)
	rnd := rand.New(rand.NewPCG(3, 4))
	texts := func() string {
		lsp := fmt.Sprintf("/lsp[name='n%d']", rnd.IntN(4))
		switch rnd.IntN(9) {
		case 0:
			return lsp
		case 1:
			return lsp + "/statistics"
		case 2:
			return lsp + fmt.Sprintf("/statistics/packets=%d", rnd.IntN(3))
		case 3:
			return lsp + fmt.Sprintf("/next[a='x'][b='%d']/state=s%d", rnd.IntN(2), rnd.IntN(3))
		case 4:
			return lsp + fmt.Sprintf("/next[a='x'][b='%d']", rnd.IntN(2))
		case 5:
			return fmt.Sprintf("/clock/offset=%d", rnd.IntN(2))
		case 6:
			return "/sessions"
		case 7:
			return fmt.Sprintf("/sessions/session[id='%d']/state=s%d", rnd.IntN(3), rnd.IntN(2))
		}
		return lsp + fmt.Sprintf("/oper-state=s%d", rnd.IntN(3))
	}
	old := tree.Empty(r.schema)
	found := 0
	for step := range 5000 {
		var edits []tree.Edit
		for range 1 + rnd.IntN(6) {
			text := texts()
			if rnd.IntN(3) == 0 {
				path, _, _ := strings.Cut(text, "=s")
				if i := strings.LastIndexByte(path, '='); i > strings.LastIndexByte(path, ']') {
					path = path[:i]
				}
				edits = append(edits, tree.Edit{Op: tree.Remove, Path: r.path(path)})
				continue
			}
			edits = append(edits, r.edits(text)...)
		}
		if slices.ContainsFunc(edits, isIndirect) {
			t.Fatalf("%v are compared as a whole", edits)
		}
		next, errs := tree.Apply(old, edits)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		var got, want []tree.Change
		r.hub.changes(old, next, edits, func(c tree.Change) { got = append(got, c) })
		for c := range tree.Diff(old, next) {
			want = append(want, c)
		}
		same := func(a, b tree.Change) bool {
			return a.Op == b.Op && a.Path.Equal(b.Path) && a.Old == b.Old && a.New == b.New
		}
		if !slices.EqualFunc(got, want, same) {
			t.Fatalf("step %d, edits %v: got %v, want %v", step, edits, got, want)
		}
		found += len(got)
		old = next
	}
	if found < 5000 {
		t.Errorf("only %d changes were seen", found)
	}
}

// TestIndirectEdits are compared: their changes are not at their paths.
func TestIndirectEdits(t *testing.T) {
	r := newRig(t)
	for text, want := range map[string]bool{
		"/lsp[name='a']/oper-state=up": false,
		"/lsp[name='a']":               false,
		"/lsp":                         true,
		"/lsp[name='a']/hop[.='1']":    true,
	} {
		if got := isIndirect(r.edits(text)[0]); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if !isIndirect(tree.Edit{Op: tree.Replace}) {
		t.Error("the root is not compared")
	}
}

// TestMemo: readers of the same changes share, others do not.
func TestMemo(t *testing.T) {
	r := newRig(t)
	a, b, c := r.subscribe("/lsp/oper-state"), r.subscribe("/lsp/oper-state"), r.subscribe("/lsp[name='b']/oper-state")
	get := func(s *Sub, made string) string {
		return next(t, s).Memo.Get("key", func() any { return made }).(string)
	}
	for _, texts := range [][]string{
		{"/lsp[name='b']/oper-state=up"},
		{"/lsp[name='a']/oper-state=up", "/lsp[name='c']/oper-state=up", "/lsp[name='b']/oper-state=down"},
	} {
		r.publish(texts...)
		if x, y := get(a, "by a"), get(b, "by b"); x != "by a" || y != x {
			t.Errorf("%q: the equal readers have %q and %q", texts, x, y)
		}
		if _, err := c.take(make([]Batch, 1)); err != nil {
			t.Error(err)
		}
	}
	r.publish("/lsp[name='d']/oper-state=up", "/lsp[name='b']/oper-state=up")
	if x, y := get(a, "by a"), get(c, "by c"); x != "by a" || y != "by c" {
		t.Errorf("readers of different changes have %q and %q", x, y)
	}
	m := &Memo{}
	if x, y := m.Get(1, func() any { return "one" }), m.Get(2, func() any { return "two" }); x == y {
		t.Error("two keys have one value")
	}
}
