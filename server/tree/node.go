package tree

import (
	"iter"
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
)

// Node is an instance of a schema node: a container, an entry of a list, a
// leaf, an entry of a leaf-list, an anydata, or the holder of all entries of a
// list or leaf-list below one parent. The root, an RPC's input and output, and
// a notification behave like containers. Nodes keep neither parent nor path.
type Node struct {
	schema *schema.Node
	value  schema.Value
	in     *inner
}

// inner is what nodes other than leafs have besides.
type inner struct {
	owner *token  // the batch that may change the node in place
	kids  []*Node // of a container or entry: keys first, then by schema index
	list  *list   // of a holder
	any   *Any    // of an anydata or anyxml
	// withheld are nodes below this one, children or in containers that have no
	// instance, whose defaults are not to be shown: Sift left the nodes out, or
	// would have, or Withhold was told so. Nil for none.
	withheld *[]*schema.Node
}

// token is the ownership of one batch of edits over the nodes it made. Sealing
// drops the only reference that could match, which makes the nodes immutable.
type token struct{ _ byte }

// Any is the content of an anydata or anyxml node (RFC 7950 sections 7.10 and
// 7.11) in the encoding it came in; exactly one field is set. XML is the content
// of the element with every namespace declaration that it uses; JSON is the
// member's value.
type Any struct {
	XML  []byte
	JSON []byte
}

// Empty returns the tree without any instance.
func Empty(s *schema.Schema) *Node { return New(s.Root()) }

// New returns an instance of s, a container, RPC input or output or
// notification, without children.
func New(s *schema.Node) *Node { return &Node{schema: s, in: &inner{}} }

// NewLeaf returns an instance of the leaf, or an entry of the leaf-list, s.
func NewLeaf(s *schema.Node, v schema.Value) *Node { return &Node{schema: s, value: v} }

// NewAny returns an instance of the anydata or anyxml s.
func NewAny(s *schema.Node, a *Any) *Node { return &Node{schema: s, in: &inner{any: a}} }

// Schema returns the schema node that n is an instance of. A holder and its
// entries have the same.
func (n *Node) Schema() *schema.Node { return n.schema }

// IsHolder reports whether n holds the entries of a list or leaf-list.
func (n *Node) IsHolder() bool { return n.in != nil && n.in.list != nil }

// Value returns the value of a leaf or leaf-list entry; the zero Value for other nodes.
func (n *Node) Value() schema.Value { return n.value }

// Anydata returns the content of an anydata or anyxml node, nil for other nodes.
func (n *Node) Anydata() *Any {
	if n.in == nil {
		return nil
	}
	return n.in.any
}

// Keys returns the key values of a list entry in the order of the key
// statement, or the value of a leaf-list entry. It is nil for other nodes and
// for entries of a list without keys.
func (n *Node) Keys() []schema.Value {
	switch n.schema.Kind {
	case schema.List:
		if n.IsHolder() || len(n.schema.Keys) == 0 {
			return nil
		}
		keys := make([]schema.Value, len(n.schema.Keys))
		for i := range keys {
			keys[i] = n.in.kids[i].value
		}
		return keys
	case schema.LeafList:
		if n.IsHolder() {
			return nil
		}
		return []schema.Value{n.value}
	}
	return nil
}

// Child returns the instance of s directly below n: a container, leaf or
// anydata, or the holder of a list or leaf-list. It is nil if there is none.
func (n *Node) Child(s *schema.Node) *Node {
	if n == nil || n.in == nil {
		return nil
	}
	if i, ok := find(n.in.kids, s); ok {
		return n.in.kids[i]
	}
	return nil
}

// ChildNamed returns the child with the given local name, as Child does.
func (n *Node) ChildNamed(name string) *Node {
	if n == nil {
		return nil
	}
	s := n.schema.Child(name)
	if s == nil {
		return nil
	}
	return n.Child(s)
}

// Entry returns the entry of a holder with the given keys, in the order of the
// key statement, or with the given leaf-list value. It is nil if there is none,
// if n is no holder, or if the number of keys is wrong.
func (n *Node) Entry(keys ...schema.Value) *Node {
	if n == nil || !n.IsHolder() {
		return nil
	}
	it, _ := n.in.list.find(n.schema, keys)
	return it.node
}

// EntryAt returns the entry at position i of a holder, counted from 0.
func (n *Node) EntryAt(i int) *Node {
	if n == nil || !n.IsHolder() || i < 0 || i >= n.in.list.len() {
		return nil
	}
	return n.in.list.at(i).node
}

// Position returns the position, from 0, of the entry of a holder with the given
// keys, or -1.
func (n *Node) Position(keys ...schema.Value) int {
	if n == nil || !n.IsHolder() {
		return -1
	}
	it, ok := n.in.list.find(n.schema, keys)
	if !ok {
		return -1
	}
	return n.in.list.rankOf(it)
}

// Children yields the children of a container or entry in schema order, keys
// first, and the entries of a holder in their order.
func (n *Node) Children() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		if n == nil || n.in == nil {
			return
		}
		if n.in.list != nil {
			n.in.list.each(func(it item) bool { return yield(it.node) })
			return
		}
		for _, k := range n.in.kids {
			if !yield(k) {
				return
			}
		}
	}
}

// Len returns the number of children, or of entries of a holder.
func (n *Node) Len() int {
	if n == nil || n.in == nil {
		return 0
	}
	if n.in.list != nil {
		return n.in.list.len()
	}
	return len(n.in.kids)
}

// Get returns the node at p below n, or nil. A last step without keys on a list
// or leaf-list gives the holder.
func (n *Node) Get(p Path) *Node {
	for i := range p {
		n = n.step(&p[i])
		if n == nil {
			return nil
		}
		if n.IsHolder() && i < len(p)-1 {
			return nil
		}
	}
	return n
}

func (n *Node) step(st *Step) *Node {
	c := n.Child(st.Node)
	if c == nil || !c.IsHolder() {
		return c
	}
	switch {
	case len(st.Keys) > 0:
		return c.Entry(st.Keys...)
	case st.Pos > 0:
		return c.EntryAt(st.Pos - 1)
	}
	return c
}

// GetValue returns the value of the leaf or the entry of a leaf-list at p, a default
// in use included, and whether there is one.
func (n *Node) GetValue(p Path) (schema.Value, bool) {
	if n == nil {
		return schema.Value{}, false
	}
	if len(p) == 0 {
		return n.value, !n.value.IsZero()
	}
	at, last := n, p[len(p)-1]
	for i := range p[:len(p)-1] {
		next := at.step(&p[i])
		if next == nil {
			if s := p[i].Node; s.Kind != schema.Container || s.Presence {
				return schema.Value{}, false
			}
			next = Implied(at, p[i].Node)
		}
		at = next
	}
	if last.Node.Kind == schema.LeafList {
		c := at.step(&last)
		switch s := last.Node; {
		case c != nil:
			return c.value, !c.IsHolder()
		case at.Child(s) == nil && inUse(at, s) && !at.Withholds(s) && len(last.Keys) == 1 && slices.Contains(s.Defaults, last.Keys[0]):
			return last.Keys[0], true
		}
		return schema.Value{}, false
	}
	v, _ := Effective(at, last.Node)
	return v, !v.IsZero()
}

// rank orders the children of one parent: keys first, then as in the schema.
func rank(s *schema.Node) int {
	if k := s.KeyIndex(); k >= 0 {
		return k - 1<<20
	}
	return s.Index
}

// find returns where in kids the instance of s is, or where it belongs.
func find(kids []*Node, s *schema.Node) (int, bool) {
	if len(kids) == 0 {
		return 0, false
	}
	return slices.BinarySearchFunc(kids, rank(s), func(k *Node, r int) int { return rank(k.schema) - r })
}

// isNP reports whether s is a container without presence, which exists
// whenever its parent does and is kept only while it has children.
func isNP(s *schema.Node) bool {
	return s.Kind == schema.Container && !s.Presence && s.Parent != nil
}
