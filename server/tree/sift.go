package tree

import "github.com/tandem-ne/tandem/server/schema"

// Verdict is what Sift does with a node.
type Verdict uint8

const (
	// Drop leaves the node out with all that is below it.
	Drop Verdict = iota
	// Keep takes the node with all that is below it.
	Keep
	// Enter takes the node and asks about each of its children.
	Enter
)

// Sift returns root without what ask drops, or nil if nothing is left; root
// itself if nothing was dropped. ask is called for the root, then for the
// children of what it enters: leafs, containers, anydata and holders, and for
// the entries of holders. It gets the state that it returned for the node above.
// The keys of an entry stay with it, unasked. The cost follows what is entered.
//
// few, which may be nil, is asked about a holder that is entered: if ok, only
// the entries it names, each once, are entered, and rest, Keep or Drop, holds for all
// others. The cost then follows those.
//
// The result does not show the default of what was dropped, whatever the mode
// (WithDefaults), nor one of what is not there and implied, which may be nil,
// drops: it is asked like ask, about children with defaults, and below containers
// without presence that it enters.
func Sift[S any](root *Node, state S, ask func(state S, n *Node) (Verdict, S), implied func(state S, c *schema.Node) (Verdict, S),
	few func(state S, holder *Node) (rest Verdict, entries []*Node, ok bool)) *Node {
	return SiftAgain(root, nil, nil, state, ask, implied, few)
}

// SiftAgain is Sift for a tree much like was, of which Sift, asked the same way,
// has left: what root and was share is not asked about again, and shared by the
// results too. The cost follows what differs.
func SiftAgain[S any](root, was, left *Node, state S, ask func(state S, n *Node) (Verdict, S), implied func(state S, c *schema.Node) (Verdict, S),
	few func(state S, holder *Node) (rest Verdict, entries []*Node, ok bool)) *Node {
	if root == nil {
		return nil
	}
	s := sifter[S]{editor{t: new(token)}, ask, implied, few}
	return s.node(root, state, past{was, left})
}

// past is what was in the place of a node, and what was left of that.
type past struct{ was, left *Node }

// child is the past of a child that is an instance of s.
func (p past) child(s *schema.Node) past { return past{p.was.Child(s), p.left.Child(s)} }

// entry is the past of an entry with the keys of n.
func (p past) entry(n *Node) past {
	if p.was == nil || len(n.schema.Keys) == 0 && n.schema.Kind == schema.List {
		return past{}
	}
	keys := n.Keys()
	was, _ := p.was.in.list.find(n.schema, keys)
	var left item
	if p.left != nil {
		left, _ = p.left.in.list.find(n.schema, keys)
	}
	return past{was.node, left.node}
}

type sifter[S any] struct {
	e       editor
	ask     func(S, *Node) (Verdict, S)
	implied func(S, *schema.Node) (Verdict, S)
	few     func(S, *Node) (Verdict, []*Node, bool)
}

// node returns what is left of n, nil for nothing.
func (s *sifter[S]) node(n *Node, above S, p past) *Node {
	if n == p.was {
		return p.left
	}
	v, state := s.ask(above, n)
	switch {
	case v == Drop:
		return nil
	case v == Keep || n.in == nil || n.in.any != nil:
		return n
	case n.in.list != nil:
		return s.holder(n, state, p)
	}
	keys := 0
	if n.schema.Kind == schema.List {
		keys = len(n.schema.Keys)
	}
	out := n
	kept := 0
	var withheld []*schema.Node
	for i := keys; i < len(n.in.kids); i++ {
		kid := n.in.kids[i]
		got := s.node(kid, state, p.child(kid.schema))
		if got != nil {
			kept++
		}
		if got == kid {
			continue
		}
		out = s.e.own(out)
		if got == nil {
			s.e.dropKid(out, kid.schema)
			switch {
			case !kid.schema.HasDefaults():
			case s.implied != nil:
				withheld = s.absent(kid.schema, state, withheld)
			default:
				withheld = append(withheld, kid.schema)
			}
		} else {
			s.e.setKid(out, got)
		}
	}
	if kept == 0 && isNP(n.schema) && len(n.in.kids) > 0 {
		return nil
	}
	if s.implied != nil {
		for _, c := range n.schema.Children() {
			if !c.IsKey() && c.HasDefaults() && n.Child(c) == nil {
				withheld = s.absent(c, state, withheld)
			}
		}
	}
	if withheld != nil {
		out = s.e.own(out)
		out.withhold(withheld)
	}
	return out
}

// absent adds to withheld what must not be shown of c, which is not there.
func (s *sifter[S]) absent(c *schema.Node, above S, withheld []*schema.Node) []*schema.Node {
	v, state := s.implied(above, c)
	switch {
	case v == Drop:
		return append(withheld, c)
	case v == Enter && isNP(c):
		for _, k := range c.Children() {
			if k.HasDefaults() {
				withheld = s.absent(k, state, withheld)
			}
		}
	}
	return withheld
}

// holder returns what is left of a holder's entries. It changes a copy where
// most stay, and starts from nothing where few do.
func (s *sifter[S]) holder(h *Node, state S, p past) *Node {
	type change struct {
		it  item
		got *Node
	}
	l := h.in.list
	if s.few != nil {
		if rest, entries, ok := s.few(state, h); ok {
			return s.among(h, state, rest, entries)
		}
	}
	if p.was != nil && l.mode == sorted {
		return s.differing(h, state, p)
	}
	var changed []change
	same, dropped := 0, 0
	l.each(func(it item) bool {
		if got := s.node(it.node, state, p.entry(it.node)); got == it.node {
			same++
		} else {
			changed = append(changed, change{it, got})
			if got == nil {
				dropped++
			}
		}
		return true
	})
	switch {
	case len(changed) == 0:
		return h
	case dropped == l.len():
		return nil
	}
	if dropped == 0 && l.mode == sorted {
		out := s.e.freshHolder(h.schema)
		next := 0
		out.in.list.keyed = l.keyed.remap(s.e.t, func(it item) *Node {
			if next < len(changed) && changed[next].it.node == it.node {
				next++
				return changed[next-1].got
			}
			return it.node
		})
		return out
	}
	if same >= l.len()/2 {
		out := s.e.own(h)
		for _, c := range changed {
			if c.got == nil {
				out.in.list.drop(s.e.t, c.it)
			} else {
				out.in.list.replace(s.e.t, c.it, c.got)
			}
		}
		return out
	}
	// Asking again would cost more than remembering: what changed is in the
	// order of the entries.
	var out *Node
	next := 0
	l.each(func(it item) bool {
		got := it.node
		if next < len(changed) && changed[next].it.node == it.node {
			got = changed[next].got
			next++
		}
		if got == nil {
			return true
		}
		if out == nil {
			out = s.e.freshHolder(h.schema)
		}
		out.in.list.store(s.e.t, got, got.Keys(), it.label)
		return true
	})
	return out
}

// differing returns what is left of a holder whose entries are held by their keys,
// made from what was left of another.
func (s *sifter[S]) differing(h *Node, state S, p past) *Node {
	out := p.left
	if out == nil {
		out = s.e.freshHolder(h.schema)
	}
	whole := p.left == p.was // and so far all that differs is taken whole
	diffItems(p.was.in.list.keyed, h.in.list.keyed, func(before, now item) bool {
		var old, got *Node
		if before.node != nil && p.left != nil {
			it, _ := p.left.in.list.find(h.schema, before.node.Keys())
			old = it.node
		}
		if now.node != nil {
			got = s.node(now.node, state, past{before.node, old})
		}
		whole = whole && got == now.node
		switch {
		case got == old:
		case got == nil:
			it, _ := out.in.list.find(h.schema, before.node.Keys())
			out = s.e.own(out)
			out.in.list.drop(s.e.t, it)
		default:
			out = s.e.own(out)
			out.in.list.replace(s.e.t, now, got)
		}
		return true
	})
	switch {
	case whole:
		return h
	case out.in.list.len() == 0:
		return nil
	}
	return out
}

// among returns what is left of a holder of which only some entries are entered.
func (s *sifter[S]) among(h *Node, state S, rest Verdict, entries []*Node) *Node {
	out := h
	if rest == Drop {
		out = s.e.freshHolder(h.schema)
	}
	for _, e := range entries {
		got := s.node(e, state, past{})
		it, _ := h.in.list.find(h.schema, e.Keys())
		switch {
		case rest == Drop && got == nil, rest == Keep && got == e:
		case rest == Drop:
			out.in.list.replace(s.e.t, it, got)
		case got == nil:
			out = s.e.own(out)
			out.in.list.drop(s.e.t, it)
		default:
			out = s.e.own(out)
			out.in.list.replace(s.e.t, it, got)
		}
	}
	if out.in.list.len() == 0 {
		return nil
	}
	return out
}

// replace puts n, which has the same keys, in the place of it.
func (l *list) replace(t *token, it item, n *Node) { l.store(t, n, n.Keys(), it.label) }

// remap returns a tree of the same form with what f returns, in order, for
// each item.
func (n *bnode) remap(t *token, f func(item) *Node) *bnode {
	if n == nil {
		return nil
	}
	c := &bnode{owner: t, size: n.size, items: make([]item, len(n.items), min(len(n.items)+2, maxItems+1))}
	if n.kids != nil {
		c.kids = make([]*bnode, len(n.kids), min(len(n.kids)+2, maxItems+2))
	}
	for i := range n.items {
		if n.kids != nil {
			c.kids[i] = n.kids[i].remap(t, f)
		}
		c.items[i] = item{node: f(n.items[i]), label: n.items[i].label}
	}
	if n.kids != nil {
		c.kids[len(n.items)] = n.kids[len(n.items)].remap(t, f)
	}
	return c
}
