package tree

import (
	"github.com/tandem-ne/tandem/server/schema"
)

// Builder makes a tree by moving a cursor over it. It checks nothing: callers
// pass schema nodes that belong below the cursor, and values of their types. It
// is for one goroutine, and its nodes become immutable with Seal.
type Builder struct {
	e     editor
	stack []*Node // from the root to the cursor; all are owned
}

// NewBuilder returns a Builder whose cursor is at base, which itself never changes.
func NewBuilder(base *Node) *Builder {
	b := &Builder{e: editor{t: new(token)}}
	b.stack = append(make([]*Node, 0, 8), b.e.own(base))
	return b
}

func (b *Builder) top() *Node { return b.stack[len(b.stack)-1] }

// At returns the schema node that the cursor is at.
func (b *Builder) At() *schema.Node { return b.top().schema }

// Has reports whether there is an instance of s below the cursor.
func (b *Builder) Has(s *schema.Node) bool { return b.top().Child(s) != nil }

// Enter moves the cursor to container s below it, or to the entry of list s
// with the given keys, making it if it is not there, and reports whether it was.
// An entry of a list without keys is always new.
func (b *Builder) Enter(s *schema.Node, keys ...schema.Value) (existed bool) {
	at := b.top()
	have := at.Child(s)
	if s.Kind != schema.List {
		c := have
		if c == nil {
			c = b.e.fresh(s)
		} else {
			c = b.e.own(c)
		}
		if c != have {
			b.e.setKid(at, c)
		}
		b.stack = append(b.stack, c)
		return have != nil
	}
	h := b.e.ownHolder(have, s)
	if h != have {
		b.e.setKid(at, h)
	}
	l := h.in.list
	old, found := l.find(s, keys)
	entry := old.node
	if !found {
		entry = b.e.freshEntry(s, keys)
		l.put(b.e.t, entry, keys)
	} else if entry = b.e.own(old.node); entry != old.node {
		l.store(b.e.t, entry, keys, old.label)
	}
	b.stack = append(b.stack, entry)
	return found
}

// Leaf sets leaf s below the cursor, or adds v to leaf-list s, and reports
// whether there was a value of the leaf, or this one in the leaf-list, before.
func (b *Builder) Leaf(s *schema.Node, v schema.Value) (existed bool) {
	at := b.top()
	have := at.Child(s)
	if s.Kind != schema.LeafList {
		if have == nil || have.value != v {
			b.e.setKid(at, NewLeaf(s, v))
		}
		return have != nil
	}
	keys := []schema.Value{v}
	if have != nil {
		if _, found := have.in.list.find(s, keys); found {
			return true
		}
	}
	h := b.e.ownHolder(have, s)
	if h != have {
		b.e.setKid(at, h)
	}
	h.in.list.put(b.e.t, NewLeaf(s, v), keys)
	return false
}

// Put sets the subtree n (a container, holder, leaf or anydata) below the cursor
// in place of what is there, or puts the entry n into its list.
func (b *Builder) Put(n *Node) {
	at := b.top()
	switch {
	case isEmpty(n):
		b.e.dropKid(at, n.schema)
	case n.schema.Kind == schema.List && !n.IsHolder(), n.schema.Kind == schema.LeafList && !n.IsHolder():
		have := at.Child(n.schema)
		h := b.e.ownHolder(have, n.schema)
		if h != have {
			b.e.setKid(at, h)
		}
		h.in.list.put(b.e.t, n, n.Keys())
	default:
		b.e.setKid(at, n)
	}
}

// Leave moves the cursor to the parent. A container without presence that is
// empty then disappears. At the root Leave does nothing.
func (b *Builder) Leave() {
	if len(b.stack) == 1 {
		return
	}
	n := b.top()
	b.stack = b.stack[:len(b.stack)-1]
	if isEmpty(n) {
		b.e.dropKid(b.top(), n.schema)
	}
}

// Set moves the cursor to the root and sets the leaf, or adds the leaf-list
// entry, at p with all that is missing on the way. For a container or entry v is
// the zero Value. Other cases of a choice are taken away.
func (b *Builder) Set(p Path, v schema.Value) { b.edit(&Edit{Op: Merge, Path: p, Value: v}) }

// Remove moves the cursor to the root and removes what is at p, if anything.
func (b *Builder) Remove(p Path) { b.edit(&Edit{Op: Remove, Path: p}) }

// edit performs ed at the root. An edit that does not fit the schema changes
// nothing, as everywhere in a Builder.
func (b *Builder) edit(ed *Edit) {
	for len(b.stack) > 1 {
		b.Leave()
	}
	if next, err := b.e.run(b.stack[0], ed); err == nil {
		b.stack[0] = next
	}
}

// Seal returns the tree and ends the use of the Builder.
func (b *Builder) Seal() *Node {
	for len(b.stack) > 1 {
		b.Leave()
	}
	root := b.stack[0]
	b.stack, b.e.t = nil, nil
	return root
}
