package xpath

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// Evaluation visits at most maxVisits nodes and makes strings of at most
// maxString octets: what clients send may ask for more than any must does.
const (
	maxVisits = 1 << 24
	maxString = 1 << 24
)

var (
	errTooMany = errors.New("xpath: the evaluation visits too many nodes")
	errTooLong = errors.New("xpath: a string becomes too long")
)

// element is a node of the accessible tree together with its place: data nodes
// keep no parent.
type element struct {
	schema *schema.Node
	node   *tree.Node // nil: a default in use, an implied container, or a dummy
	parent int32      // -1 for the root
	pos    int32      // position of an entry or default among its like, from 0; -1 if not known
	depth  uint8
	text   bool // the text node of a leaf
	dummy  bool // stands for a context node that does not exist
}

// machine evaluates one expression. Elements are numbered; those that nothing
// refers to any more are given back in the order of a stack, so that scanning a
// list takes no memory.
type machine struct {
	expr     *Expr
	elements []element
	keep     int // elements below this number may be in a nodeSet
	kept     int // how often a node was put into a nodeSet
	spare    []*nodeSet
	current  int32
	op       int32 // the operation or notification, or -1
	visits   int
	within   int // whens around this one that are being evaluated
	err      error
}

// focus is the context of XPath 1.0 section 1: node, position and size.
type focus struct {
	node int32
	pos  int
	size int
}

// nodeSet is a node-set that is being built or looked at.
type nodeSet struct{ ids []int32 }

// saved is a state of the stack of elements to return to.
type saved struct{ elements, keep int }

func (m *machine) save() saved { return saved{len(m.elements), m.keep} }

// restore gives back all elements that came after save.
func (m *machine) restore(s saved) {
	m.keep = s.keep
	m.elements = m.elements[:s.elements]
}

// newSet returns an empty node-set; free takes it back.
func (m *machine) newSet() *nodeSet {
	if n := len(m.spare); n > 0 {
		s := m.spare[n-1]
		m.spare = m.spare[:n-1]
		return s
	}
	return &nodeSet{}
}

func (m *machine) free(s *nodeSet) {
	s.ids = s.ids[:0]
	m.spare = append(m.spare, s)
}

// add puts id into the set and keeps its element.
func (m *machine) add(s *nodeSet, id int32) bool {
	s.ids = append(s.ids, id)
	m.keep = max(m.keep, int(id)+1)
	m.kept++
	return true
}

func (m *machine) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

// push adds an element; -1 after an error.
func (m *machine) push(e element) int32 {
	if m.visits++; m.visits > maxVisits || m.err != nil {
		m.fail(errTooMany)
		return -1
	}
	if e.parent >= 0 {
		e.depth = m.elements[e.parent].depth + 1
	}
	m.elements = append(m.elements, e)
	return int32(len(m.elements) - 1)
}

// visit shows e to yield for as long as yield runs, or longer if it is kept.
func (m *machine) visit(e element, yield func(int32) bool) bool {
	id := m.push(e)
	if id < 0 {
		return false
	}
	ok := yield(id)
	if m.keep <= int(id) {
		m.elements = m.elements[:id]
	}
	return ok
}

// value returns the string-value of XPath 1.0 section 5.
func (m *machine) value(id int32) string {
	e := &m.elements[id]
	switch e.schema.Kind {
	case schema.Leaf, schema.LeafList:
		return m.leaf(id).String()
	case schema.Anydata, schema.Anyxml:
		return ""
	}
	var b strings.Builder
	m.descend(id, nil, func(n int32) bool {
		if m.elements[n].text {
			b.WriteString(m.leaf(n).String())
			if b.Len() > maxString {
				m.fail(errTooLong)
				return false
			}
		}
		return true
	})
	return b.String()
}

// leaf returns the value of a leaf, an entry of a leaf-list, or the text in it.
func (m *machine) leaf(id int32) schema.Value {
	e := &m.elements[id]
	switch {
	case e.node != nil:
		return e.node.Value()
	case !e.dummy && e.pos >= 0 && int(e.pos) < len(e.schema.Defaults):
		return e.schema.Defaults[e.pos]
	}
	return schema.Value{}
}

// same reports whether a and b are the same node.
func (m *machine) same(a, b int32) bool {
	for a != b {
		if a < 0 || b < 0 {
			return false
		}
		x, y := &m.elements[a], &m.elements[b]
		if x.schema != y.schema || x.node != y.node || x.text != y.text || x.depth != y.depth {
			return false
		}
		if (x.node == nil || len(x.schema.Keys) == 0 && x.schema.Kind == schema.List) && x.pos != y.pos {
			return false
		}
		a, b = x.parent, y.parent
	}
	return true
}

// compare orders nodes as in the document; 0 for the same node.
func (m *machine) compare(a, b int32) int {
	deeper := cmp.Compare(m.elements[a].depth, m.elements[b].depth)
	for m.elements[a].depth > m.elements[b].depth {
		a = m.elements[a].parent
	}
	for m.elements[b].depth > m.elements[a].depth {
		b = m.elements[b].parent
	}
	for a != b {
		x, y := &m.elements[a], &m.elements[b]
		if x.parent != y.parent && !m.same(x.parent, y.parent) {
			a, b = x.parent, y.parent
			continue
		}
		if x.schema != y.schema {
			return cmp.Or(cmp.Compare(rank(x.schema), rank(y.schema)), cmp.Compare(x.schema.ID, y.schema.ID))
		}
		if x.node == y.node && x.pos == y.pos || m.same(a, b) {
			return deeper
		}
		return cmp.Compare(m.position(a), m.position(b))
	}
	return deeper
}

// rank orders siblings: keys first, operations last, else as in the schema.
func rank(s *schema.Node) int {
	switch {
	case s.Kind == schema.Input || s.Kind == schema.Output || s.Kind == schema.Notification:
		return 1<<24 + s.Index
	case s.KeyIndex() >= 0:
		return s.KeyIndex() - 1<<20
	}
	return s.Index
}

// position returns the place of an entry among those of its list.
func (m *machine) position(id int32) int {
	e := &m.elements[id]
	if e.pos < 0 && e.node != nil && e.parent >= 0 {
		if holder := m.elements[e.parent].node.Child(e.schema); holder != nil {
			e.pos = int32(holder.Position(e.node.Keys()...))
		}
	}
	return int(e.pos)
}

// arrange brings a node-set in document order, each node once.
func (m *machine) arrange(s *nodeSet) {
	slices.SortFunc(s.ids, m.compare)
	s.ids = slices.CompactFunc(s.ids, m.same)
}

// parentOf returns the schema node of an element's parent; nil for the root.
func parentOf(s *schema.Node) *schema.Node {
	switch {
	case s.Kind == schema.Input || s.Kind == schema.Output:
		return parentOf(s.Parent)
	case s.Parent != nil:
		return s.Parent
	case s.Module != nil:
		return s.Module.Schema().Root()
	}
	return nil
}

// nameFor returns the node whose name the element of s bears.
func nameFor(s *schema.Node) *schema.Node {
	if s.Kind == schema.Input || s.Kind == schema.Output {
		return s.Parent
	}
	return s
}

// childOf shows the instances of s, a child of the schema node of at.
func (m *machine) childOf(at int32, s *schema.Node, yield func(int32) bool) bool {
	e := &m.elements[at]
	if m.op >= 0 && s == m.elements[m.op].schema {
		if m.same(at, m.elements[m.op].parent) {
			return yield(m.op)
		}
		return true
	}
	if m.expr.configOnly && !s.Config || e.dummy {
		return true
	}
	kid := e.node.Child(s)
	switch {
	case kid == nil:
		return m.implied(at, s, yield)
	case !kid.IsHolder():
		return m.visit(element{schema: s, node: kid, parent: at, pos: -1}, yield)
	}
	pos := int32(0)
	for entry := range kid.Children() {
		if !m.visit(element{schema: s, node: entry, parent: at, pos: pos}, yield) {
			return false
		}
		pos++
	}
	return true
}

// implied shows the defaults of s, which has no instance below at, if they are
// in use, or the container without presence.
func (m *machine) implied(at int32, s *schema.Node, yield func(int32) bool) bool {
	switch s.Kind {
	case schema.Container:
		if s.Presence || !inUse(m.elements[at].node, s) || !m.allowed(at, s) {
			return true
		}
		return m.visit(element{schema: s, parent: at, pos: -1}, yield)
	case schema.Leaf, schema.LeafList:
		if len(s.Defaults) == 0 || !inUse(m.elements[at].node, s) || !m.allowed(at, s) {
			return true
		}
		for i := range s.Defaults {
			if !m.visit(element{schema: s, parent: at, pos: int32(i)}, yield) {
				return false
			}
		}
	}
	return true
}

// inUse reports whether s may be implied below n, which may be nil: it is in no
// case, or its case has an instance, or is the default of a choice that has none
// (RFC 7950 sections 7.6.1 and 7.9.3).
func inUse(n *tree.Node, s *schema.Node) bool {
	for ca := s.Case; ca != nil; ca = ca.Choice.Parent {
		if n != nil && chosen(n, ca) {
			continue
		}
		if ca.Choice.Default != ca {
			return false
		}
		for _, other := range ca.Choice.Cases {
			if n != nil && chosen(n, other) {
				return false
			}
		}
	}
	return true
}

// chosen reports whether n has a node of the case.
func chosen(n *tree.Node, ca *schema.Case) bool {
	for _, s := range ca.Children {
		if n.Child(s) != nil {
			return true
		}
	}
	return false
}

// children shows all children of at in document order: elements, or the text of
// a leaf. With lead, only instances of nodes in it.
func (m *machine) children(at int32, lead map[*schema.Node]bool, yield func(int32) bool) bool {
	e := m.elements[at]
	switch e.schema.Kind {
	case schema.Leaf, schema.LeafList:
		if e.text || lead != nil || m.leaf(at).String() == "" {
			return true
		}
		return m.visit(element{schema: e.schema, node: e.node, parent: at, pos: e.pos, text: true}, yield)
	}
	for _, k := range e.schema.Keys {
		if (lead == nil || lead[k]) && !m.childOf(at, k, yield) {
			return false
		}
	}
	for _, s := range e.schema.Children() {
		if (lead == nil || lead[s]) && !s.IsKey() && !m.childOf(at, s, yield) {
			return false
		}
	}
	if m.op >= 0 && m.same(at, m.elements[m.op].parent) {
		return yield(m.op)
	}
	return true
}

// descend shows everything below at in document order.
func (m *machine) descend(at int32, lead map[*schema.Node]bool, yield func(int32) bool) bool {
	return m.children(at, lead, func(id int32) bool {
		return yield(id) && m.descend(id, lead, yield)
	})
}
