package xpath

import (
	"math"
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
)

// findKeys looks among the predicates of a child step to one list or leaf-list,
// or of a descendant step to one list, for the values of all keys. The values must
// not depend on the entry, so that the entry can be looked up by them. Leafs of the
// same name do not count below a descendant step: they have no keys, so that the
// predicates are false for them.
func (s *step) findKeys() {
	targets := s.targets
	if s.axis == axisDescendant && len(targets) > 1 {
		targets = slices.DeleteFunc(slices.Clone(targets), func(n *schema.Node) bool {
			return n.Kind == schema.Leaf || n.Kind == schema.LeafList
		})
	}
	if s.test != testName || len(targets) != 1 {
		return
	}
	list := targets[0]
	keys := list.Keys
	switch s.axis {
	case axisChild:
	case axisDescendant:
		// Its positions count over all parents together.
		asks := func(p *expr) bool { return p.position || p.kind == kindNumber }
		if list.Kind != schema.List || slices.ContainsFunc(s.preds, asks) {
			return
		}
	default:
		return
	}
	switch {
	case list.Kind == schema.LeafList:
		keys = []*schema.Node{list}
	case list.Kind != schema.List || len(keys) == 0:
		return
	}
	values := make([]*expr, len(keys))
	var filters []*expr
	found := 0
	var take func(p *expr)
	take = func(p *expr) {
		if p.op == opAnd && !p.position {
			take(p.kids[0])
			take(p.kids[1])
			return
		}
		if p.op == opEqual {
			for i := range 2 {
				k := keyOf(p.kids[i], list, keys)
				if k >= 0 && values[k] == nil && canLookUp(keys[k], p.kids[1-i]) {
					values[k] = p.kids[1-i]
					found++
					return
				}
			}
		}
		filters = append(filters, p)
	}
	for i, p := range s.preds {
		if p.position || p.kind == kindNumber {
			// What comes behind a position is counted among what came before it.
			filters = append(filters, s.preds[i:]...)
			break
		}
		take(p)
	}
	if found == len(keys) {
		s.targets, s.keys, s.filters = targets, values, filters
	}
}

// keyOf returns which key the expression e in a predicate stands for, or -1.
func keyOf(e *expr, list *schema.Node, keys []*schema.Node) int {
	if e.op != opPath || e.path.absolute || e.path.filter != nil || len(e.path.steps) != 1 {
		return -1
	}
	s := e.path.steps[0]
	switch {
	case len(s.preds) > 0:
		return -1
	case s.axis == axisSelf && list.Kind == schema.LeafList && s.test == testNode:
		return 0
	case s.axis == axisChild && s.test == testName && len(s.targets) == 1 && list.Kind == schema.List:
		return slices.Index(keys, s.targets[0])
	}
	return -1
}

// canLookUp reports whether key = e can be answered from the index: equal
// strings must be equal values.
func canLookUp(key *schema.Node, e *expr) bool {
	t := key.Type
	for t.Kind() == schema.Leafref && t.Leafref().Target != nil {
		t = t.Leafref().Target.Type
	}
	if !e.free || t.Kind() == schema.Union && !allStrings(t) {
		return false
	}
	switch e.kind {
	case kindNumber:
		// A float64 holds each of their values exactly.
		return t.Kind() <= schema.Uint32 && t.Kind() != schema.Int64
	case kindBool:
		return false
	}
	return true
}

func allStrings(t *schema.Type) bool {
	for _, m := range t.Union() {
		if k := m.Kind(); k != schema.String && (k != schema.Union || !allStrings(m)) {
			return false
		}
	}
	return true
}

// lookupBelow is lookup at every parent of the list at or below at.
func (m *machine) lookupBelow(s *step, at int32, yield func(int32) bool) bool {
	e := &m.elements[at]
	if e.text {
		return true
	}
	var room [8]*schema.Node
	way := room[:0]
	for n := parentOf(s.targets[0]); n != e.schema; n = parentOf(n) {
		if n == nil {
			return true // The list is elsewhere.
		}
		way = append(way, n)
	}
	slices.Reverse(way)
	return m.along(at, way, func(id int32) bool {
		_, ok := m.lookup(s, id, yield)
		return ok
	})
}

// along shows the instances of the last node of way, each of which is a child of
// the one before, below at.
func (m *machine) along(at int32, way []*schema.Node, yield func(int32) bool) bool {
	if len(way) == 0 {
		return yield(at)
	}
	return m.childOf(at, way[0], func(id int32) bool { return m.along(id, way[1:], yield) })
}

// lookup shows the entries whose keys have the values that the predicates give,
// and that pass the other predicates. It is not done if the entries are implied.
func (m *machine) lookup(s *step, at int32, yield func(int32) bool) (done, ok bool) {
	list := s.targets[0]
	e := &m.elements[at]
	if e.schema != parentOf(list) || e.text || m.op >= 0 && m.elements[m.op].schema == list {
		return true, true
	}
	holder := e.node.Child(list)
	switch {
	case m.expr.configOnly && !list.Config:
		return true, true
	case holder == nil && list.Kind == schema.List:
		return true, true
	case holder == nil || !holder.IsHolder():
		return false, true
	}
	var room [4]schema.Value
	values := room[:0]
	find := func(each func(int32) bool) bool {
		return m.entries(s, list, values, at, func(id int32) bool { return each(id) })
	}
	if len(s.keys) > len(room) {
		values = make([]schema.Value, 0, len(s.keys))
	}
	switch {
	case len(s.filters) == 0:
		return true, find(yield)
	case s.collects || len(s.filters) > maxStream:
		save, set := m.save(), m.newSet()
		ok := find(func(id int32) bool { return m.add(set, id) })
		m.filter(set, s.filters)
		return true, ok && m.show(set, save, yield)
	}
	return true, m.stream(s.filters, yield, find)
}

// entries shows the entries with the given values of the first keys and the
// values that the expressions give for the others.
func (m *machine) entries(s *step, list *schema.Node, values []schema.Value, at int32, yield func(int32) bool) bool {
	i := len(values)
	if i == len(s.keys) {
		entry := m.elements[at].node.Child(list).Entry(values...)
		if entry == nil {
			return true
		}
		return m.visit(element{schema: list, node: entry, parent: at, pos: -1}, yield)
	}
	key := list
	if list.Kind == schema.List {
		key = list.Keys[i]
	}
	try := func(text string) bool {
		v, err := key.Type.Parse(text, &m.expr.scope)
		if err != nil || v.String() != text && (v.Type().Kind() != schema.Identityref || s.keys[i].kind == kindNodes) {
			return true
		}
		return m.entries(s, list, append(values, v), at, yield)
	}
	e := s.keys[i]
	c := focus{node: at, pos: 1, size: 1}
	switch e.kind {
	case kindNumber:
		n := m.number(e, c)
		if n != math.Trunc(n) {
			return true // no integer, nor NaN
		}
		return try(formatNumber(n))
	case kindString:
		return try(m.text(e, c))
	}
	if e.order() == single {
		save := m.save()
		id, found := m.first(e, c)
		text := ""
		if found {
			text = m.value(id)
		}
		m.restore(save)
		return !found && m.err == nil || found && try(text)
	}
	var texts []string
	m.eachOnce(e, c, func(id int32) bool {
		texts = append(texts, m.value(id))
		return true
	})
	slices.Sort(texts)
	for _, text := range slices.Compact(texts) {
		if !try(text) {
			return false
		}
	}
	return m.err == nil
}
