package tree

import (
	"iter"
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
)

// DefaultsMode is a retrieval mode of RFC 6243 section 3.
type DefaultsMode uint8

const (
	// Explicit shows what clients set, values equal to a default included. It is
	// the basic mode of this server.
	Explicit DefaultsMode = iota
	// ReportAll shows all defaults in use besides.
	ReportAll
	// Trim hides leafs whose value is the default.
	Trim
	// ReportAllTagged is ReportAll; codecs mark the Views that are IsDefault.
	ReportAllTagged
)

// View is a node as a retrieval mode shows it.
type View struct {
	*Node
	// IsDefault marks what the tree does not hold: a default in use, or a
	// container without presence that leads to one.
	IsDefault bool
}

// WithDefaults yields the children of n as mode shows them, in schema order,
// keys first: holders, too, stand for their entries. It builds no tree; for the
// children of a View call it again.
func WithDefaults(n *Node, mode DefaultsMode) iter.Seq[View] {
	return func(yield func(View) bool) {
		if n == nil || n.in == nil {
			return
		}
		switch {
		case n.in.list != nil || mode == Explicit || mode != Trim && !fillable(n.schema):
			for k := range n.Children() {
				if !yield(View{Node: k}) {
					return
				}
			}
		case mode == Trim:
			for _, k := range n.in.kids {
				if !trimmed(k) && !yield(View{Node: k}) {
					return
				}
			}
		default:
			withDefaults(n, yield)
		}
	}
}

// fillable reports whether some child of s has defaults.
func fillable(s *schema.Node) bool {
	for _, c := range s.Children() {
		if c.HasDefaults() {
			return true
		}
	}
	return false
}

// trimmed reports whether Trim hides k: a value that is the default, a leaf-list
// with just its defaults, or a container with nothing to show.
func trimmed(k *Node) bool {
	s := k.schema
	switch {
	case s.Kind == schema.Leaf:
		return len(s.Defaults) == 1 && s.Defaults[0] == k.value && !s.IsKey()
	case s.Kind == schema.LeafList && k.IsHolder():
		if len(s.Defaults) == 0 || len(s.Defaults) != k.Len() {
			return false
		}
		i, same := 0, true
		k.in.list.each(func(it item) bool {
			same = it.node.value == s.Defaults[i]
			i++
			return same
		})
		return same
	case isNP(s) && k.in.list == nil:
		for _, kid := range k.in.kids {
			if !trimmed(kid) {
				return false
			}
		}
		return true
	}
	return false
}

// withDefaults yields the children of n with the defaults in use among them.
func withDefaults(n *Node, yield func(View) bool) bool {
	kids := n.in.kids
	for len(kids) > 0 && kids[0].schema.IsKey() {
		if !yield(View{Node: kids[0]}) {
			return false
		}
		kids = kids[1:]
	}
	for _, c := range n.schema.Children() {
		if c.IsKey() {
			continue
		}
		if len(kids) > 0 && kids[0].schema == c {
			if !yield(View{Node: kids[0]}) {
				return false
			}
			kids = kids[1:]
			continue
		}
		if !c.HasDefaults() || !inUse(n, c) || n.Withholds(c) {
			continue
		}
		if !yield(View{Node: Implied(n, c), IsDefault: true}) {
			return false
		}
	}
	return true
}

// Implied returns c, which has no instance below n, as its defaults make it:
// the leaf, the holder of a leaf-list, or the container without presence.
func Implied(n *Node, c *schema.Node) *Node {
	switch c.Kind {
	case schema.Leaf:
		return NewLeaf(c, c.Defaults[0])
	case schema.LeafList:
		e := editor{t: new(token)}
		h := e.freshHolder(c)
		for _, v := range c.Defaults {
			h.in.list.put(e.t, NewLeaf(c, v), []schema.Value{v})
		}
		return h
	}
	k := New(c)
	if n != nil {
		k.in.withheld = n.in.withheld // It tells of what is below k, too.
	}
	return k
}

// Withholds reports whether the defaults of s, a child of n, must not be shown
// in its place: Sift left s out, or Withhold was told so.
func (n *Node) Withholds(s *schema.Node) bool {
	return n != nil && n.in.withheld != nil && slices.Contains(*n.in.withheld, s)
}

// inUse reports whether the defaults of s, which has no instance below n, are in
// use: s is in no case, or in a case that has an instance below n, or in the
// default case of a choice without any instance (RFC 7950 sections 7.6.1, 7.9.3).
func inUse(n *Node, s *schema.Node) bool {
	for ca := s.Case; ca != nil; ca = ca.Choice.Parent {
		chosen, any := false, false
		for _, k := range n.in.kids {
			for kc := k.schema.Case; kc != nil; kc = kc.Choice.Parent {
				if kc.Choice == ca.Choice {
					any = true
					chosen = chosen || kc == ca
				}
			}
		}
		if any && !chosen || !any && ca.Choice.Default != ca {
			return false
		}
	}
	return true
}

// Effective returns the value of leaf s below n, a container or entry, or its
// default if that is in use, and whether it is the default. It is the zero Value
// if there is neither.
func Effective(n *Node, s *schema.Node) (v schema.Value, isDefault bool) {
	if k := n.Child(s); k != nil {
		return k.value, false
	}
	if len(s.Defaults) == 1 && s.Kind == schema.Leaf && n != nil && n.in != nil && inUse(n, s) && !n.Withholds(s) {
		return s.Defaults[0], true
	}
	return schema.Value{}, false
}
