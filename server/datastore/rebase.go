package datastore

import (
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// rebase carries the change from base to running over to a candidate that was
// made from base. Where the candidate has changed the same leaf, list ordered by
// the user, or deleted subtree itself, it stays as it is. The cost follows the
// change of running, not that of the candidate.
func rebase(base, running, candidate *tree.Node) *tree.Node {
	merged, _ := merge(base, running, candidate, false)
	return merged
}

// merge is rebase that tells where both have changed the same. With
// preferRunning these places get what running has.
func merge(base, running, candidate *tree.Node, preferRunning bool) (*tree.Node, []tree.Path) {
	r := rebaser{base: base, running: running, candidate: candidate, preferRunning: preferRunning}
	var ordered tree.Path
	for c := range tree.Diff(base, running) {
		p := c.Path
		if h := orderedHolder(p); h != nil {
			if h.Equal(ordered) {
				continue
			}
			p, ordered = h, h
		}
		if top := deletedAbove(base, candidate, p); top != nil {
			r.conflict(top, running.Get(top))
			continue
		}
		r.place(p, base.Get(p), running.Get(p), candidate.Get(p))
	}
	// An edit can miss its place only if the candidate has no room for it, the
	// other case of a choice for instance; the rest is carried over all the same.
	merged, _ := tree.ApplyEach(candidate, r.edits)
	return merged, r.conflicts
}

// deletedAbove returns the path of the ancestor of p that candidate has deleted
// with all that was in it, or nil.
func deletedAbove(base, candidate *tree.Node, p tree.Path) tree.Path {
	if parent := p[:len(p)-1]; candidate.Get(parent) != nil || base.Get(parent) == nil {
		return nil
	}
	n := len(p) - 1
	for n > 1 && candidate.Get(p[:n-1]) == nil {
		n--
	}
	return p[:n:n]
}

// orderedHolder returns the path of the outermost list or leaf-list ordered by
// the user that p goes through, or nil. Its order makes it one value.
func orderedHolder(p tree.Path) tree.Path {
	for i := range p {
		if p[i].Node.UserOrdered {
			return p[:i].Child(p[i].Node)
		}
	}
	return nil
}

type rebaser struct {
	base, running, candidate *tree.Node
	preferRunning            bool
	edits                    []tree.Edit
	conflicts                []tree.Path
}

// conflict notes that both have changed the node at p, which is r in running.
func (x *rebaser) conflict(p tree.Path, r *tree.Node) {
	if n := len(x.conflicts); n > 0 && x.conflicts[n-1].Equal(p) {
		return
	}
	x.conflicts = append(x.conflicts, p)
	if x.preferRunning {
		x.take(p, r)
	}
}

// place decides about the node at p, which the three trees show as b, r and c
// and in which r differs from b.
func (x *rebaser) place(p tree.Path, b, r, c *tree.Node) {
	switch {
	case equalNodes(b, c):
		x.take(p, r)
	case equalNodes(r, c):
		// Both have made the same of it.
	case r == nil || c == nil || !hasParts(r):
		if r == nil && c == nil {
			return
		}
		x.conflict(p, r)
	case r.IsHolder():
		s := r.Schema()
		for e := range r.Children() {
			keys := e.Keys()
			x.part(p[:len(p)-1].Child(s, keys...), b.Entry(keys...), e, c.Entry(keys...))
		}
		for e := range b.Children() {
			keys := e.Keys()
			if r.Entry(keys...) == nil {
				x.part(p[:len(p)-1].Child(s, keys...), e, nil, c.Entry(keys...))
			}
		}
	default:
		for n := range r.Children() {
			s := n.Schema()
			x.part(p.Child(s), b.Child(s), n, c.Child(s))
		}
		for n := range b.Children() {
			if s := n.Schema(); r.Child(s) == nil {
				x.part(p.Child(s), n, nil, c.Child(s))
			}
		}
	}
}

func (x *rebaser) part(p tree.Path, b, r, c *tree.Node) {
	if !equalNodes(b, r) {
		x.place(p, b, r, c)
	}
}

// take puts running's n at p into the candidate, or removes what is there.
func (x *rebaser) take(p tree.Path, n *tree.Node) {
	ed := tree.Edit{Op: tree.Replace, Path: p}
	switch {
	case n == nil:
		ed.Op = tree.Remove
	case n.Schema().Kind == schema.Leaf:
		ed.Value = n.Value()
	case n.Schema().Kind == schema.LeafList && !n.IsHolder():
		ed.Op = tree.Merge
	default:
		ed.Tree = n
	}
	x.edits = append(x.edits, ed)
}

// hasParts reports whether two changes of n can concern different parts of it.
func hasParts(n *tree.Node) bool {
	switch n.Schema().Kind {
	case schema.Leaf, schema.Anydata, schema.Anyxml:
		return false
	case schema.List, schema.LeafList:
		return !n.Schema().UserOrdered && (n.IsHolder() || n.Schema().Kind == schema.List)
	}
	return true
}

// equalNodes compares what two trees have at one place. Trees that come from
// each other share what is equal; leafs may have been set anew.
func equalNodes(a, b *tree.Node) bool {
	if a == b {
		return true
	}
	return a != nil && b != nil && a.Schema().Kind == schema.Leaf && a.Value() == b.Value()
}
