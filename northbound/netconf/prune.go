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
