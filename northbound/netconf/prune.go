package netconf

import (
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// pruned returns what of n, an instance of a container or of the root, keep takes:
// keep decides about leafs, leaf-list entries and anydata, and about containers and
// entries that nothing was kept in. Entries keep their keys. parallel is the same
// instance in another tree, which keep gets the counterparts from. The result is nil if nothing is left.
func pruned(n, parallel *tree.Node, keep func(n, parallel *tree.Node) bool) *tree.Node {
	if n == nil {
		return nil
	}
	b := tree.NewBuilder(tree.New(n.Schema()))
	if !pruneInto(b, n, parallel, keep) {
		return nil
	}
	return b.Seal()
}

// pruneInto adds what is kept of the children of n and reports whether that is
// anything besides keys.
func pruneInto(b *tree.Builder, n, parallel *tree.Node, keep func(n, parallel *tree.Node) bool) bool {
	some := false
	for c := range n.Children() {
		other := counterpart(parallel, c)
		if c.IsHolder() {
			for e := range c.Children() {
				if pruneOne(b, e, entryOf(other, e), keep) {
					some = true
				}
			}
			continue
		}
		if c.Schema().IsKey() {
			b.Put(c)
			continue
		}
		if pruneOne(b, c, other, keep) {
			some = true
		}
	}
	return some
}

func pruneOne(b *tree.Builder, n, parallel *tree.Node, keep func(n, parallel *tree.Node) bool) bool {
	s := n.Schema()
	switch s.Kind {
	case schema.Container, schema.List:
		inner := tree.NewBuilder(tree.New(b.At()))
		inner.Enter(s, n.Keys()...)
		if !pruneInto(inner, n, parallel, keep) && !keep(n, parallel) {
			return false
		}
		inner.Leave()
		made := inner.Seal().Child(s)
		if made != nil && made.IsHolder() {
			made = made.EntryAt(0)
		}
		if made == nil {
			return false // a container without presence in which nothing is left
		}
		b.Put(made)
		return true
	case schema.LeafList:
		if keep(n, parallel) {
			b.Leaf(s, n.Value())
			return true
		}
	default:
		if keep(n, parallel) {
			b.Put(n)
			return true
		}
	}
	return false
}

// counterpart returns the child of parallel, which may be nil, with the schema
// node of n, a child of the same place in another tree.
func counterpart(parallel, n *tree.Node) *tree.Node {
	if parallel == nil {
		return nil
	}
	return parallel.Child(n.Schema())
}

// entryOf returns the entry of holder, which may be nil, with the keys of e.
func entryOf(holder, e *tree.Node) *tree.Node {
	if holder == nil || len(e.Keys()) == 0 {
		return nil
	}
	return holder.Entry(e.Keys()...)
}

// limitDepth cuts what sel selected of root down to so many levels, of which the
// selected nodes are the first (RFC 8526 section 3.1.1.2); without a filter those
// at the top are selected. Keys stay in their entries.
func limitDepth(root *tree.Node, sel *selection, depth int) *tree.Node {
	if root == nil {
		return nil
	}
	f := &tree.Filter{Node: root.Schema()}
	switch {
	case sel == nil:
		for _, c := range root.Schema().Children() {
			f.Children = append(f.Children, &tree.Filter{Node: c, All: true})
		}
	case sel.filter != nil:
		f = sel.filter
	default:
		return cutNodes(root, sel, depth)
	}
	b := tree.NewBuilder(tree.New(root.Schema()))
	cutBelow(b, root, []*tree.Filter{f}, depth)
	return b.Seal()
}

// cutBelow adds the children of n, which all filters selected.
func cutBelow(b *tree.Builder, n *tree.Node, filters []*tree.Filter, depth int) {
	for c := range n.Children() {
		s := c.Schema()
		var below []*tree.Filter
		whole := false
		for _, f := range filters {
			for _, g := range f.Children {
				if g.Node == s {
					below = append(below, g)
					whole = whole || g.All || len(g.Children) == 0
				}
			}
			for _, m := range f.Content {
				whole = whole || m.Leaf == s
			}
		}
		each(c, func(e *tree.Node) {
			switch {
			case whole || s.IsKey():
				putCut(b, e, depth)
			case len(below) > 0:
				b.Enter(s, e.Keys()...)
				cutBelow(b, e, below, depth)
				b.Leave()
			}
		})
	}
}

// cutNodes is limitDepth for an XPath filter that only its evaluation explains.
func cutNodes(root *tree.Node, sel *selection, depth int) *tree.Node {
	paths, err := selected(root, sel.exprs())
	if err != nil {
		return nil
	}
	b := tree.NewBuilder(tree.New(root.Schema()))
	for _, p := range paths {
		last := len(p) - 1
		if last < 0 {
			continue
		}
		for _, st := range p[:last] {
			b.Enter(st.Node, st.Keys...)
		}
		if n := root.Get(p); n != nil {
			putCut(b, n, depth)
		}
		for range last {
			b.Leave()
		}
	}
	return b.Seal()
}

// putCut adds n with depth levels, of which n is the first.
func putCut(b *tree.Builder, n *tree.Node, depth int) {
	s := n.Schema()
	switch {
	case s.Kind == schema.Container && depth == 1:
		b.Put(tree.New(s)) // shown though nothing of it is
	case s.Kind == schema.Container, s.Kind == schema.List:
		b.Enter(s, n.Keys()...)
		for c := range n.Children() {
			if depth > 1 || c.Schema().IsKey() {
				each(c, func(e *tree.Node) { putCut(b, e, depth-1) })
			}
		}
		b.Leave()
	case s.Kind == schema.LeafList:
		b.Leaf(s, n.Value())
	default:
		b.Put(n)
	}
}

// each calls f for n, or for the entries of a holder.
func each(n *tree.Node, f func(*tree.Node)) {
	if !n.IsHolder() {
		f(n)
		return
	}
	for e := range n.Children() {
		f(e)
	}
}
