package tree

import (
	"github.com/tandem-ne/tandem/server/schema"
)

// Filter selects instances of Node below the instances that its parent selects.
// NETCONF subtree filters and gNMI path patterns both compile to it. The top
// Filter has the schema node of the tree's root as its Node.
type Filter struct {
	Node *schema.Node
	// Keys holds key values by key index. An entry with all of them is looked up;
	// with some of them the entries are scanned. For a leaf-list index 0 is the value.
	Keys map[int]schema.Value
	// Pos, if not 0, is the position of an entry of a list without keys, from 1.
	Pos int
	// Content holds conditions that must all be true, as content matches of RFC
	// 6241 section 6.2.5. A condition on a key works like one of Keys.
	Content []Match
	// All selects the whole subtree. It is implied if there are no Children.
	All bool
	// Children select what of the subtree is wanted; several may have the same Node.
	Children []*Filter
}

// Match is the condition that leaf Leaf, a child of the filtered node, has this
// value or this default in use, or that leaf-list Leaf contains it. A leaf that
// matched is selected too.
type Match struct {
	Leaf  *schema.Node
	Value schema.Value
}

// Select returns the part of root that f selects, or nil if there is nothing.
// Entries keep their keys; containers and entries in which nothing was selected
// are left out. What is selected whole is shared with root.
func Select(root *Node, f *Filter) *Node {
	if root == nil || f == nil || f.Node != root.schema {
		return nil
	}
	e := editor{t: new(token)}
	return e.pick(root, f)
}

// pick returns what f selects of n, an instance of f.Node other than a holder.
func (e *editor) pick(n *Node, f *Filter) *Node {
	for _, m := range f.Content {
		if !m.holds(n) {
			return nil
		}
	}
	if f.All || len(f.Children) == 0 || n.in == nil || n.in.any != nil {
		return n
	}
	var out *Node
	add := func(kid *Node) {
		if kid == nil {
			return
		}
		if out == nil {
			out = e.fresh(n.schema)
			out.in.withheld = n.in.withheld
			if n.schema.Kind == schema.List {
				k := len(n.schema.Keys)
				out.in.kids = append(out.in.kids, n.in.kids[:k]...)
			}
		}
		have := out.Child(kid.schema)
		switch {
		case have == nil || have == kid:
			e.setKid(out, kid)
		case kid.IsHolder():
			h := e.own(have)
			e.mergeHolder(h, kid)
			e.setKid(out, h)
		case kid.schema.Kind == schema.Container:
			c := e.own(have)
			e.merge(c, kid)
			e.setKid(out, c)
		}
	}
	for _, c := range f.Children {
		kid := n.Child(c.Node)
		switch {
		case kid == nil:
		case kid.IsHolder():
			add(e.pickEntries(kid, c))
		default:
			add(e.pick(kid, c))
		}
	}
	if out == nil {
		return nil
	}
	for _, m := range f.Content {
		add(n.Child(m.Leaf))
	}
	return out
}

func (m *Match) holds(n *Node) bool {
	if m.Leaf.Kind == schema.LeafList {
		return n.Child(m.Leaf).Entry(m.Value) != nil
	}
	v, _ := Effective(n, m.Leaf)
	return !v.IsZero() && schema.Compare(v, m.Value) == 0
}

// pickEntries returns a holder with what f selects of the entries of h, or nil.
func (e *editor) pickEntries(h *Node, f *Filter) *Node {
	l, s := h.in.list, h.schema
	if f.takesAll() {
		return h
	}
	var out *Node
	add := func(n *Node) {
		if n == nil {
			return
		}
		if out == nil {
			out = e.freshHolder(s)
		}
		out.in.list.put(e.t, n, n.Keys())
	}
	if f.Pos > 0 {
		if f.Pos <= l.len() {
			add(e.pick(l.at(f.Pos-1).node, f))
		}
		return out
	}
	keys, complete := f.keys(s)
	if complete {
		if it, ok := l.find(s, keys); ok {
			add(e.pick(it.node, f))
		}
		return out
	}
	l.each(func(it item) bool {
		for i, k := range keys {
			if !k.IsZero() && schema.Compare(k, it.node.in.kids[i].value) != 0 {
				return true
			}
		}
		add(e.pick(it.node, f))
		return true
	})
	return out
}

// takesAll reports whether f selects every entry whole.
func (f *Filter) takesAll() bool {
	return len(f.Keys) == 0 && f.Pos == 0 && len(f.Content) == 0 && (f.All || len(f.Children) == 0)
}

// keys returns the key values that f asks for, zero where it asks for none, and
// whether it asks for all.
func (f *Filter) keys(s *schema.Node) (keys []schema.Value, complete bool) {
	if s.Kind == schema.LeafList {
		if v, ok := f.Keys[0]; ok {
			return []schema.Value{v}, true
		}
		return nil, false
	}
	keys = make([]schema.Value, len(s.Keys))
	for i, v := range f.Keys {
		if i >= 0 && i < len(keys) {
			keys[i] = v
		}
	}
	for _, m := range f.Content {
		if i := m.Leaf.KeyIndex(); i >= 0 && keys[i].IsZero() {
			keys[i] = m.Value
		}
	}
	for _, k := range keys {
		if k.IsZero() {
			return keys, false
		}
	}
	return keys, len(keys) > 0
}

// FilterOf returns the filter, of a tree whose root is an instance of root, that
// selects the subtree at p. A step without keys, or a zero Value in Keys, stands
// for any.
func FilterOf(root *schema.Node, p Path) *Filter {
	top := &Filter{Node: root}
	at := top
	for i := range p {
		f := &Filter{Node: p[i].Node, Pos: p[i].Pos}
		for k, v := range p[i].Keys {
			if !v.IsZero() {
				if f.Keys == nil {
					f.Keys = make(map[int]schema.Value, len(p[i].Keys))
				}
				f.Keys[k] = v
			}
		}
		at.Children = []*Filter{f}
		at = f
	}
	at.All = true
	return top
}
