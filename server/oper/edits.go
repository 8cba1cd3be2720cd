package oper

import (
	"cmp"
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// fewEdits is up to how many edits what they changed is looked up by their
// paths; comparing the trees once is cheaper for many.
const fewEdits = 32

// changes calls f for what edits made different between old and new, as
// tree.Diff yields it and in its order. A comparison passes over all children of
// every node on the way to a change; few edits are looked up instead.
func (h *Hub) changes(old, new *tree.Node, edits []tree.Edit, f func(tree.Change)) {
	if len(edits) <= fewEdits && !slices.ContainsFunc(edits, isIndirect) {
		h.changesAt(old, new, edits, f)
		return
	}
	for c := range tree.Diff(old, new) {
		f(c)
	}
}

// isIndirect reports whether ed may change more than what is at its path or
// contains it, or something whose change says more than its path.
func isIndirect(ed tree.Edit) bool {
	for i := range ed.Path {
		switch s := ed.Path[i].Node; {
		case s.Case != nil: // it takes away other cases
			return true
		case s.Kind == schema.LeafList:
			return true
		case s.Kind == schema.List && (s.UserOrdered || len(s.Keys) == 0 || len(ed.Path[i].Keys) != len(s.Keys)):
			return true
		}
	}
	return len(ed.Path) == 0
}

// changesAt is changes for edits none of which is indirect.
func (h *Hub) changesAt(old, new *tree.Node, edits []tree.Edit, f func(tree.Change)) {
	paths := h.paths[:0]
	for i := range edits {
		paths = append(paths, edits[i].Path)
	}
	slices.SortFunc(paths, comparePaths)
	var done tree.Path // with all below it
	for _, p := range paths {
		if done == nil || !p.HasPrefix(done) {
			done = changeAt(old, new, p, f)
		}
	}
	clear(paths)
	h.paths = paths[:0]
}

// comparePaths orders paths as Diff does: parents first, siblings in schema
// order, entries by their keys.
func comparePaths(p, q tree.Path) int {
	for i := range min(len(p), len(q)) {
		if c := cmp.Compare(p[i].Node.Index, q[i].Node.Index); c != 0 {
			return c
		}
		if c := slices.CompareFunc(p[i].Keys, q[i].Keys, schema.Compare); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(p), len(q))
}

// changeAt calls f for the changes at p and below, or for the one of a node
// above p that came or went, and returns the path that is dealt with.
func changeAt(old, new *tree.Node, p tree.Path, f func(tree.Change)) tree.Path {
	for i := range p {
		if old == new {
			return p[:i]
		}
		a, b := childAt(old, &p[i]), childAt(new, &p[i])
		if a == nil || b == nil {
			p = p[:i+1]
			switch {
			case a != nil:
				f(tree.Change{Op: tree.Deleted, Path: slices.Clone(p), Old: a})
			case b != nil:
				f(tree.Change{Op: tree.Created, Path: slices.Clone(p), New: b})
			}
			return p
		}
		old, new = a, b
	}
	if !isLeaf(old.Schema()) {
		for c := range tree.DiffAt(p, old, new) {
			f(c)
		}
	} else if !tree.Equal(old, new) {
		f(tree.Change{Op: tree.Modified, Path: slices.Clone(p), Old: old, New: new})
	}
	return p
}

func childAt(n *tree.Node, st *tree.Step) *tree.Node {
	c := n.Child(st.Node)
	if c == nil || st.Node.Kind != schema.List {
		return c
	}
	return c.Entry(st.Keys...)
}
