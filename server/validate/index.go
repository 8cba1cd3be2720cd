package validate

import (
	"cmp"
	"slices"

	"github.com/tidwall/btree"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// index holds what a validation needs to know of the rest of the tree. The
// trees are copy-on-write: a copy costs nothing until it changes, and reading
// one while others copy it is safe.
type index struct {
	refs   *btree.BTreeG[refItem]
	unique *btree.BTreeG[uniqueItem]
	counts *btree.BTreeG[countItem]
}

func newIndex() index {
	return index{
		refs:   btree.NewBTreeG(func(a, b refItem) bool { return a.compare(&b) < 0 }),
		unique: btree.NewBTreeG(func(a, b uniqueItem) bool { return a.compare(&b) < 0 }),
		counts: btree.NewBTreeG(func(a, b countItem) bool {
			return cmp.Or(cmp.Compare(a.target, b.target), cmp.Compare(a.value, b.value)) < 0
		}),
	}
}

func (x index) copy() index {
	return index{refs: x.refs.Copy(), unique: x.unique.Copy(), counts: x.counts.Copy()}
}

// instances is the target of a refItem that is an instance-identifier.
const instances = -1

// refItem says that a leaf refers to the instances of target with a value. Keys
// are those of all lists on the way to the leaf, one after the other, and the
// value of a leaf-list: with the schema they give the path.
type refItem struct {
	target int          // ID, or instances
	value  schema.Value // of the leaf; of an instance-identifier as tree.Path prints it
	leaf   *schema.Node
	keys   []schema.Value
}

func (a *refItem) compare(b *refItem) int {
	if c := cmp.Or(cmp.Compare(a.target, b.target), cmp.Compare(a.value.String(), b.value.String())); c != 0 {
		return c
	}
	if c := cmp.Compare(leafID(a.leaf), leafID(b.leaf)); c != 0 {
		return c
	}
	return slices.CompareFunc(a.keys, b.keys, schema.Compare)
}

// leafID orders the pivot of a scan, which has no leaf, before all items.
func leafID(n *schema.Node) int {
	if n == nil {
		return -1
	}
	return n.ID
}

// uniqueItem is the tuple of values that an entry has for one unique statement.
type uniqueItem struct {
	list   *schema.Node
	number int            // of the unique statement
	parent []schema.Value // keys of the lists around the list
	tuple  []schema.Value
	keys   []schema.Value // of the entry; nil in the pivot of a scan
}

func (a *uniqueItem) compare(b *uniqueItem) int {
	return cmp.Or(a.compareTuple(b), slices.CompareFunc(a.keys, b.keys, schema.Compare))
}

func (a *uniqueItem) compareTuple(b *uniqueItem) int {
	if c := cmp.Or(cmp.Compare(a.list.ID, b.list.ID), cmp.Compare(a.number, b.number)); c != 0 {
		return c
	}
	return cmp.Or(slices.CompareFunc(a.parent, b.parent, schema.Compare),
		slices.CompareFunc(a.tuple, b.tuple, schema.Compare))
}

// countItem says how many instances of a leaf have a value.
type countItem struct {
	target int
	value  string
	count  int
}

func (x index) count(target int, value string, by int) {
	it, _ := x.counts.Get(countItem{target: target, value: value})
	it = countItem{target, value, it.count + by}
	if it.count == 0 {
		x.counts.Delete(it)
		return
	}
	x.counts.Set(it)
}

// keysOf returns all keys of p, one after the other.
func keysOf(p tree.Path) []schema.Value {
	n := 0
	for i := range p {
		n += len(p[i].Keys)
	}
	keys := make([]schema.Value, 0, n)
	for i := range p {
		keys = append(keys, p[i].Keys...)
	}
	return keys
}

// pathOf is the reverse of keysOf for an instance of n.
func pathOf(n *schema.Node, keys []schema.Value) tree.Path {
	depth := 0
	for at := n; at.Parent != nil; at = at.Parent {
		depth++
	}
	p := make(tree.Path, depth)
	for at := n; at.Parent != nil; at = at.Parent {
		depth--
		p[depth].Node = at
	}
	for i := range p {
		take := 0
		switch s := p[i].Node; s.Kind {
		case schema.List:
			take = len(s.Keys)
		case schema.LeafList:
			take = 1
		}
		if take > 0 && len(keys) >= take {
			p[i].Keys, keys = keys[:take:take], keys[take:]
		}
	}
	return p
}
