package xpath

import (
	"math"
	"slices"
)

// matches reports whether the node test holds, the principal node type being
// element on every axis that has nodes.
func (s *step) matches(e *element) bool {
	switch s.test {
	case testNode:
		return true
	case testText:
		return e.text
	case testNone:
		return false
	}
	if e.text || e.parent < 0 {
		return false
	}
	n := nameFor(e.schema)
	return (s.module == nil || n.Module == s.module) && (s.test == testAny || n.Name == s.local)
}

// axis shows the nodes of the axis for which the test holds, in the order of
// the axis. It is false when yield asked to stop or an error came up.
func (m *machine) axis(s *step, at int32, yield func(int32) bool) bool {
	// The test is made here so that predicates count only what passes it.
	test := func(id int32) bool {
		return !s.matches(&m.elements[id]) || yield(id)
	}
	parent := m.elements[at].parent
	switch s.axis {
	case axisChild:
		if s.test != testName {
			return m.children(at, nil, test)
		}
		for _, t := range s.targets {
			if parentOf(t) == m.elements[at].schema && !m.elements[at].text && !m.childOf(at, t, yield) {
				return false
			}
		}
		return true
	case axisDescendant:
		return m.descend(at, s.lead, test)
	case axisDescendantOrSelf:
		return test(at) && m.descend(at, s.lead, test)
	case axisSelf:
		return test(at)
	case axisParent:
		return parent < 0 || test(parent)
	case axisAncestor, axisAncestorOrSelf:
		if s.axis == axisAncestor {
			at = parent
		}
		for ; at >= 0; at = m.elements[at].parent {
			if !test(at) {
				return false
			}
		}
	case axisFollowingSibling:
		return m.siblings(at, true, test)
	case axisPrecedingSibling:
		return m.reversed(test, func(add func(int32) bool) bool { return m.siblings(at, false, add) })
	case axisFollowing:
		for ; at >= 0; at = m.elements[at].parent {
			ok := m.siblings(at, true, func(id int32) bool { return test(id) && m.descend(id, s.lead, test) })
			if !ok {
				return false
			}
		}
	case axisPreceding:
		for ; at >= 0; at = m.elements[at].parent {
			ok := m.reversed(test, func(add func(int32) bool) bool {
				return m.siblings(at, false, func(id int32) bool { return add(id) && m.descend(id, s.lead, add) })
			})
			if !ok {
				return false
			}
		}
	}
	return true
}

// siblings shows the nodes behind or in front of at below the same parent, in
// document order.
func (m *machine) siblings(at int32, behind bool, yield func(int32) bool) bool {
	parent := m.elements[at].parent
	if parent < 0 || m.elements[at].text {
		return true
	}
	met := false
	return m.children(parent, nil, func(id int32) bool {
		if m.same(id, at) {
			met = true
			return true
		}
		return met != behind || yield(id)
	})
}

// reversed shows what list shows, backwards.
func (m *machine) reversed(yield func(int32) bool, list func(func(int32) bool) bool) bool {
	save, set := m.save(), m.newSet()
	ok := list(func(id int32) bool { return m.add(set, id) })
	slices.Reverse(set.ids)
	return ok && m.show(set, save, yield)
}

// show shows a set, whose elements came after save, and frees it. The elements
// stay if yield put any of them into another set.
func (m *machine) show(set *nodeSet, save saved, yield func(int32) bool) bool {
	kept, ok := m.kept, true
	for i := 0; ok && i < len(set.ids); i++ {
		ok = yield(set.ids[i])
	}
	m.free(set)
	if m.kept == kept {
		m.restore(save)
	}
	return ok && m.err == nil
}

// walk shows the nodes that the steps from the one numbered i up to the one
// numbered end lead to from at, in no certain order and perhaps several times.
func (m *machine) walk(p *path, i, end int, at int32, yield func(int32) bool) bool {
	if i == end {
		return yield(at)
	}
	return m.step(p.run[i], at, func(id int32) bool { return m.walk(p, i+1, end, id, yield) })
}

// step shows the nodes that one step selects from at.
func (m *machine) step(s *step, at int32, yield func(int32) bool) bool {
	switch {
	case s.keys == nil:
	case s.axis == axisDescendant:
		if m.op < 0 {
			return m.lookupBelow(s, at, yield)
		}
	default:
		if done, ok := m.lookup(s, at, yield); done {
			return ok
		}
	}
	switch {
	case len(s.preds) == 0:
		return m.axis(s, at, yield)
	case s.collects:
		save, set := m.save(), m.newSet()
		ok := m.axis(s, at, func(id int32) bool { return m.add(set, id) })
		m.filter(set, s.preds)
		return ok && m.show(set, save, yield)
	}
	return m.stream(s.preds, yield, func(each func(int32) bool) bool { return m.axis(s, at, each) })
}

// maxStream is the number of predicates up to which positions are counted on
// the way.
const maxStream = 4

// stream filters nodes by predicates that do not ask for the size.
func (m *machine) stream(preds []*expr, yield func(int32) bool, list func(func(int32) bool) bool) bool {
	var seen [maxStream]int
	enough := false
	ok := list(func(id int32) bool {
		for i, p := range preds {
			seen[i]++
			if !m.holds(p, focus{node: id, pos: seen[i]}) {
				// Behind the position that a literal asks for there is nothing.
				if p.op == opNumber && float64(seen[i]) >= p.num {
					enough = true
					return false
				}
				return m.err == nil
			}
		}
		return yield(id)
	})
	return ok || enough && m.err == nil
}

// filter applies predicates to a node-set in the order of its axis.
func (m *machine) filter(s *nodeSet, preds []*expr) {
	for _, p := range preds {
		size, kept := len(s.ids), 0
		for i := range size {
			if m.holds(p, focus{node: s.ids[i], pos: i + 1, size: size}) {
				s.ids[kept] = s.ids[i]
				kept++
			}
		}
		s.ids = s.ids[:kept]
	}
}

// holds evaluates a predicate (XPath 1.0 section 2.4).
func (m *machine) holds(p *expr, c focus) bool {
	if p.kind == kindNumber {
		n := m.number(p, c)
		return !math.IsNaN(n) && n == float64(c.pos)
	}
	return m.boolean(p, c)
}

// each shows the nodes of a node-set expression, in no certain order and perhaps
// several times. It is false when yield asked to stop or an error came up.
func (m *machine) each(e *expr, c focus, yield func(int32) bool) bool {
	switch e.op {
	case opUnion:
		return m.each(e.kids[0], c, yield) && m.each(e.kids[1], c, yield)
	case opCall:
		switch e.fn.id {
		case fnCurrent:
			return yield(m.current)
		case fnDeref:
			return m.deref(e, c, yield)
		}
		return true // id(): YANG data has no unique identifiers
	}
	p := e.path
	start := c.node
	switch {
	case p.absolute:
		start = 0
	case p.filter != nil && p.filter.current && len(p.preds) == 0:
		start = m.current
	case p.filter != nil:
		return m.eachFiltered(p, c, yield)
	}
	if len(p.breaks) == 0 {
		return m.walk(p, 0, len(p.run), start, yield)
	}
	save, set := m.save(), m.newSet()
	m.add(set, start)
	return m.segments(p, set, save, yield)
}

// eachFiltered shows the nodes of a path that starts with an expression.
func (m *machine) eachFiltered(p *path, c focus, yield func(int32) bool) bool {
	save, set := m.save(), m.newSet()
	if !m.gather(set, p.filter, c) {
		return false
	}
	m.filter(set, p.preds)
	return m.segments(p, set, save, yield)
}

// segments takes a node-set through the steps, in order after each break.
func (m *machine) segments(p *path, set *nodeSet, save saved, yield func(int32) bool) bool {
	from := 0
	for _, end := range p.breaks {
		next := m.newSet()
		for _, id := range set.ids {
			if !m.walk(p, from, end, id, func(id int32) bool { return m.add(next, id) }) {
				return false
			}
		}
		m.arrange(next)
		m.free(set)
		from, set = end, next
	}
	return m.show(set, save, func(id int32) bool { return m.walk(p, from, len(p.run), id, yield) })
}

// gather puts the node-set of e into s, in document order, each node once.
func (m *machine) gather(s *nodeSet, e *expr, c focus) bool {
	if !m.each(e, c, func(id int32) bool { return m.add(s, id) }) {
		return false
	}
	if e.order() == unordered {
		m.arrange(s)
	}
	return m.err == nil
}

// eachOnce shows each node of e once, in document order; yield must not keep it.
func (m *machine) eachOnce(e *expr, c focus, yield func(int32) bool) {
	if e.order() != unordered {
		m.each(e, c, yield)
		return
	}
	save, set := m.save(), m.newSet()
	if !m.gather(set, e, c) {
		return
	}
	for i := 0; i < len(set.ids) && yield(set.ids[i]); i++ {
	}
	m.free(set)
	m.restore(save)
}

// count returns the number of nodes of e.
func (m *machine) count(e *expr, c focus) int {
	n := 0
	m.eachOnce(e, c, func(int32) bool { n++; return true })
	return n
}

// first returns the first node of e in document order. The caller restores.
func (m *machine) first(e *expr, c focus) (id int32, found bool) {
	if e.order() != unordered {
		m.each(e, c, func(n int32) bool {
			id, found = n, true
			m.keep = max(m.keep, int(n)+1)
			m.kept++
			return false
		})
		return id, found && m.err == nil
	}
	set := m.newSet()
	if m.gather(set, e, c) && len(set.ids) > 0 {
		id, found = set.ids[0], true
	}
	m.free(set)
	return id, found
}
