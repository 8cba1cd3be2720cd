package tree

import (
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// Op is an operation of RFC 6241 section 7.2.
type Op uint8

const (
	// None changes nothing and requires the instance to exist: what a message
	// says under default-operation "none" on the way to another operation.
	None Op = iota
	// Merge makes the instance, or gives it the value or content besides what it has.
	Merge
	// Replace makes the instance with exactly this value or content.
	Replace
	// Create is Replace for an instance that must not exist (data-exists).
	Create
	// Delete takes the instance away, which must exist (data-missing).
	Delete
	// Remove takes the instance away if it exists.
	Remove
)

// String returns the operation's name in RFC 6241.
func (o Op) String() string {
	return [...]string{"none", "merge", "replace", "create", "delete", "remove"}[o]
}

// Insert says where an entry of a user-ordered list or leaf-list goes (RFC 7950
// sections 7.7.9 and 7.8.6).
type Insert uint8

const (
	// Default appends an entry that is new and leaves an existing one where it is.
	Default Insert = iota
	// First puts the entry in front of all others.
	First
	// Last puts it behind all others.
	Last
	// Before puts it in front of the anchor.
	Before
	// After puts it behind the anchor.
	After
)

// Edit is one operation on one instance. The ancestors of what Merge, Replace
// and Create make are made with it.
type Edit struct {
	Op   Op
	Path Path
	// Value is that of a leaf. The value of a leaf-list entry is the key of the
	// last step; where that has none, Value stands in for it.
	Value schema.Value
	// Tree is the content for Merge, Replace and Create on anything but a leaf:
	// a node of the path's schema node whose keys, if it is an entry, are those
	// of the path. On a list or leaf-list as a whole it is a holder. Nil means no
	// content beyond the keys. The result shares it: it must be sealed.
	Tree   *Node
	Insert Insert
	// Where is the anchor of Before and After: the keys of an entry, or the one
	// value of a leaf-list entry.
	Where []schema.Value
}

// Apply performs edits in order on root with the semantics of RFC 6241 section
// 7.2 and RFC 7950 section 7. Either all succeed, or root is returned with every
// error: data-exists, data-missing, bad-attribute with missing-instance for an
// absent anchor, unknown-attribute for a place in what the user does not order,
// invalid-value for a key leaf that contradicts its entry,
// operation-not-supported for taking a key away. After an error, edits below
// the same path are passed over. The cost follows the edits, not root.
func Apply(root *Node, edits []Edit) (*Node, yangerr.List) {
	result, errs := ApplyEach(root, edits)
	if len(errs) > 0 {
		return root, errs
	}
	return result, nil
}

// ApplyEach performs every edit that can be performed (error-option
// continue-on-error) and returns the result with the errors of the others.
func ApplyEach(root *Node, edits []Edit) (*Node, yangerr.List) {
	e := editor{t: new(token)}
	var errs yangerr.List
	var failed Path
	for i := range edits {
		ed := &edits[i]
		if failed != nil && ed.Path.HasPrefix(failed) {
			continue
		}
		next, err := e.run(root, ed)
		if err != nil {
			errs = append(errs, err)
			failed = ed.Path
			continue
		}
		root = next
	}
	return root, errs
}

// editor is one batch: nodes that carry its token are its own and change in place.
type editor struct{ t *token }

// own returns n if the batch owns it, else a copy that it does. A leaf has
// nothing to own.
func (e *editor) own(n *Node) *Node {
	if n.in.owner == e.t {
		return n
	}
	c := e.fresh(n.schema)
	c.in.any, c.in.withheld = n.in.any, n.in.withheld
	if n.in.list != nil {
		l := *n.in.list
		c.in.list = &l
	}
	if n.in.kids != nil {
		c.in.kids = append(make([]*Node, 0, len(n.in.kids)+1), n.in.kids...)
	}
	return c
}

// fresh returns an empty container of the batch.
func (e *editor) fresh(s *schema.Node) *Node {
	c := &struct {
		Node
		inner
	}{}
	c.inner.owner = e.t
	c.Node = Node{schema: s, in: &c.inner}
	return &c.Node
}

// freshEntry returns an entry of list s with only its keys.
func (e *editor) freshEntry(s *schema.Node, keys []schema.Value) *Node {
	n := e.fresh(s)
	n.in.kids = make([]*Node, len(keys), max(len(keys), 4))
	for i, k := range keys {
		n.in.kids[i] = NewLeaf(s.Keys[i], k)
	}
	return n
}

func (e *editor) freshHolder(s *schema.Node) *Node {
	n := e.fresh(s)
	n.in.list = &list{mode: modeOf(s)}
	return n
}

// setKid puts kid below n, which the batch owns, in place of the instance of
// the same schema node.
func (e *editor) setKid(n, kid *Node) {
	i, ok := find(n.in.kids, kid.schema)
	if ok {
		n.in.kids[i] = kid
		return
	}
	n.in.kids = append(n.in.kids, nil)
	copy(n.in.kids[i+1:], n.in.kids[i:])
	n.in.kids[i] = kid
}

// dropKid takes the instance of s away from n, which the batch owns.
func (e *editor) dropKid(n *Node, s *schema.Node) {
	if i, ok := find(n.in.kids, s); ok {
		copy(n.in.kids[i:], n.in.kids[i+1:])
		n.in.kids[len(n.in.kids)-1] = nil
		n.in.kids = n.in.kids[:len(n.in.kids)-1]
	}
}

// clearOtherCases takes away what n has of other cases than s is in, for every
// choice around s (RFC 7950 section 7.9).
func (e *editor) clearOtherCases(n *Node, s *schema.Node) {
	if s.Case == nil {
		return
	}
	kept := n.in.kids[:0]
	for _, k := range n.in.kids {
		if !excludes(k.schema, s) {
			kept = append(kept, k)
		}
	}
	clear(n.in.kids[len(kept):])
	n.in.kids = kept
}

// excludes reports whether siblings a and b are in different cases of a choice.
func excludes(a, b *schema.Node) bool {
	for ca := a.Case; ca != nil; ca = ca.Choice.Parent {
		for cb := b.Case; cb != nil; cb = cb.Choice.Parent {
			if ca.Choice == cb.Choice && ca != cb {
				return true
			}
		}
	}
	return false
}

// isEmpty reports whether n is a holder without entries or a container without
// presence and children, which are not kept.
func isEmpty(n *Node) bool {
	if n.in == nil {
		return false
	}
	if n.in.list != nil {
		return n.in.list.len() == 0
	}
	return isNP(n.schema) && len(n.in.kids) == 0
}

// adopt puts kid, a result of editing below n, into n, or takes it out if
// nothing is left of it. before is what n had in its place. It returns n or an
// owned copy.
func (e *editor) adopt(n, before, kid *Node) *Node {
	switch {
	case kid == before && !isEmpty(kid):
		return n
	case isEmpty(kid):
		if before == nil {
			return n
		}
		n = e.own(n)
		e.dropKid(n, kid.schema)
	default:
		n = e.own(n)
		if before == nil {
			e.clearOtherCases(n, kid.schema)
		}
		e.setKid(n, kid)
	}
	return n
}

// run performs one edit on root.
func (e *editor) run(root *Node, ed *Edit) (*Node, *yangerr.Error) {
	if len(ed.Path) > 0 {
		return e.below(root, ed, 0)
	}
	if err := checkTree(ed, root.schema); err != nil {
		return nil, err
	}
	switch ed.Op {
	case None:
		return root, nil
	case Create:
		if root.Len() > 0 {
			return nil, exists(ed)
		}
	case Merge:
		if ed.Tree == nil {
			return root, nil
		}
		root = e.own(root)
		e.merge(root, ed.Tree)
		return root, nil
	}
	if ed.Tree != nil && ed.Op != Delete && ed.Op != Remove {
		return ed.Tree, nil
	}
	return e.fresh(root.schema), nil
}

func exists(ed *Edit) *yangerr.Error {
	return yangerr.New(yangerr.DataExists, ed.Path, "The instance to create exists already.")
}

func missing(ed *Edit, at int) *yangerr.Error {
	if ed.Op == Delete {
		return yangerr.New(yangerr.DataMissing, ed.Path, "The instance to delete does not exist.")
	}
	return yangerr.New(yangerr.DataMissing, ed.Path[:at+1], "The instance does not exist.")
}

// below performs ed on what is at ed.Path[i:] below n, a container or entry.
// It returns n, or an owned copy with the change; n is untouched if it fails.
func (e *editor) below(n *Node, ed *Edit, i int) (*Node, *yangerr.Error) {
	st := &ed.Path[i]
	s := st.Node
	if s.Parent != n.schema {
		return nil, yangerr.New(yangerr.UnknownElement, ed.Path[:i+1], "%q is not defined below %s.", s.Name, n.schema.Path()).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name})
	}
	last := i == len(ed.Path)-1
	before := n.Child(s)
	switch s.Kind {
	case schema.List, schema.LeafList:
		return e.inHolder(n, before, ed, i)
	case schema.Container:
		if last {
			return e.container(n, before, ed)
		}
	case schema.Leaf:
		if last {
			return e.leaf(n, before, ed)
		}
	case schema.Anydata, schema.Anyxml:
		if last {
			return e.anydata(n, before, ed)
		}
	}
	if s.Kind != schema.Container {
		return nil, yangerr.New(yangerr.UnknownElement, ed.Path, "A %s has no children.", s.Kind)
	}
	c := before
	if c == nil {
		if s.Presence && !ed.makes() {
			if ed.Op == Remove {
				return n, nil
			}
			return nil, missing(ed, i)
		}
		c = e.fresh(s)
	}
	c, err := e.below(c, ed, i+1)
	if err != nil {
		return nil, err
	}
	return e.adopt(n, before, c), nil
}

// makes reports whether the operation makes missing ancestors.
func (ed *Edit) makes() bool { return ed.Op == Merge || ed.Op == Replace || ed.Op == Create }

func (e *editor) leaf(n, before *Node, ed *Edit) (*Node, *yangerr.Error) {
	s := ed.Path[len(ed.Path)-1].Node
	switch ed.Op {
	case None:
		if before == nil {
			return nil, missing(ed, len(ed.Path)-1)
		}
		return n, nil
	case Delete, Remove:
		if s.IsKey() {
			return nil, yangerr.New(yangerr.OperationNotSupported, ed.Path, "A key cannot be taken away from its entry.")
		}
		return e.take(n, before, ed)
	case Create:
		if before != nil {
			return nil, exists(ed)
		}
	}
	if ed.Value.IsZero() {
		return nil, yangerr.New(yangerr.InvalidValue, ed.Path, "The leaf needs a value.")
	}
	if before != nil {
		if before.value == ed.Value {
			return n, nil
		}
		if s.IsKey() {
			return nil, yangerr.New(yangerr.InvalidValue, ed.Path, "The value contradicts the key of the entry.")
		}
	}
	n = e.own(n)
	e.clearOtherCases(n, s)
	e.setKid(n, NewLeaf(s, ed.Value))
	return n, nil
}

// take carries out delete or remove of before, the only instance of its node.
func (e *editor) take(n, before *Node, ed *Edit) (*Node, *yangerr.Error) {
	last := len(ed.Path) - 1
	if before == nil {
		if ed.Op == Delete {
			return nil, missing(ed, last)
		}
		return n, nil
	}
	n = e.own(n)
	e.dropKid(n, ed.Path[last].Node)
	return n, nil
}

func (e *editor) anydata(n, before *Node, ed *Edit) (*Node, *yangerr.Error) {
	s := ed.Path[len(ed.Path)-1].Node
	switch {
	case before == nil && (ed.Op == None || ed.Op == Delete):
		return nil, missing(ed, len(ed.Path)-1)
	case before != nil && ed.Op == Create:
		return nil, exists(ed)
	case ed.Op == None, ed.Op == Remove && before == nil:
		return n, nil
	case ed.Op == Delete || ed.Op == Remove:
		n = e.own(n)
		e.dropKid(n, s)
		return n, nil
	}
	if err := checkTree(ed, s); err != nil {
		return nil, err
	}
	kid := ed.Tree
	if kid == nil {
		kid = NewAny(s, &Any{})
	}
	n = e.own(n)
	e.clearOtherCases(n, s)
	e.setKid(n, kid)
	return n, nil
}

// checkTree refuses content that is of another schema node than s.
func checkTree(ed *Edit, s *schema.Node) *yangerr.Error {
	if ed.Tree == nil || ed.Tree.schema == s && !ed.Tree.IsHolder() {
		return nil
	}
	return yangerr.New(yangerr.InvalidValue, ed.Path, "The content is of %s.", ed.Tree.schema.Path())
}

func (e *editor) container(n, before *Node, ed *Edit) (*Node, *yangerr.Error) {
	s := ed.Path[len(ed.Path)-1].Node
	if err := checkTree(ed, s); err != nil {
		return nil, err
	}
	switch ed.Op {
	case None:
		if before == nil && s.Presence {
			return nil, missing(ed, len(ed.Path)-1)
		}
		return n, nil
	case Delete, Remove:
		return e.take(n, before, ed)
	case Create:
		if before != nil {
			return nil, exists(ed)
		}
	case Merge:
		if before != nil {
			if ed.Tree == nil {
				return n, nil
			}
			kid := e.own(before)
			e.merge(kid, ed.Tree)
			return e.adopt(n, before, kid), nil
		}
	}
	kid := ed.Tree
	if kid == nil {
		kid = e.fresh(s)
	}
	return e.adopt(n, before, kid), nil
}
