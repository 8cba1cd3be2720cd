package xpath

import (
	"math"

	"github.com/tandem-ne/tandem/server/schema"
)

// boolean evaluates e and converts the result to a boolean.
func (m *machine) boolean(e *expr, c focus) bool {
	if m.err != nil {
		return false
	}
	switch e.kind {
	case kindNodes:
		found := false
		m.each(e, c, func(int32) bool { found = true; return false })
		return found
	case kindNumber:
		n := m.number(e, c)
		return n != 0 && !math.IsNaN(n)
	case kindString:
		return m.text(e, c) != ""
	}
	switch e.op {
	case opOr:
		return m.boolean(e.kids[0], c) || m.boolean(e.kids[1], c)
	case opAnd:
		return m.boolean(e.kids[0], c) && m.boolean(e.kids[1], c)
	case opCall:
		return m.callBool(e, c)
	}
	return m.relation(e, c)
}

// number evaluates e and converts the result to a number.
func (m *machine) number(e *expr, c focus) float64 {
	if m.err != nil {
		return math.NaN()
	}
	switch e.kind {
	case kindBool:
		if m.boolean(e, c) {
			return 1
		}
		return 0
	case kindString, kindNodes:
		return parseNumber(m.text(e, c))
	}
	switch e.op {
	case opNumber:
		return e.num
	case opNegate:
		return -m.number(e.kids[0], c)
	case opCall:
		return m.callNumber(e, c)
	}
	x, y := m.number(e.kids[0], c), m.number(e.kids[1], c)
	switch e.op {
	case opAdd:
		return x + y
	case opSubtract:
		return x - y
	case opMultiply:
		return x * y
	case opDivide:
		return x / y
	}
	return math.Mod(x, y)
}

// text evaluates e and converts the result to a string.
func (m *machine) text(e *expr, c focus) string {
	if m.err != nil {
		return ""
	}
	switch e.kind {
	case kindBool:
		if m.boolean(e, c) {
			return "true"
		}
		return "false"
	case kindNumber:
		return formatNumber(m.number(e, c))
	case kindNodes:
		save, s := m.save(), ""
		if id, ok := m.first(e, c); ok {
			s = m.value(id)
		}
		m.restore(save)
		return s
	}
	if e.op == opLiteral {
		return e.text
	}
	return m.callString(e, c)
}

// relation evaluates a comparison (XPath 1.0 section 3.4).
func (m *machine) relation(e *expr, c focus) bool {
	l, r, op := e.kids[0], e.kids[1], e.op
	if l.kind != kindNodes && r.kind != kindNodes {
		return m.plain(op, l, r, c)
	}
	if l.kind == kindNodes && r.kind == kindNodes {
		return m.pairs(op, l, r, c)
	}
	if l.kind != kindNodes {
		l, r, op = r, l, mirrored(op)
	}
	found := false
	switch {
	case r.kind == kindBool:
		x, y := 0.0, 0.0
		if m.boolean(l, c) {
			x = 1
		}
		if m.boolean(r, c) {
			y = 1
		}
		return ordered(op, x, y)
	case r.kind == kindString && (op == opEqual || op == opNotEqual):
		s := m.text(r, c)
		m.each(l, c, func(id int32) bool {
			found = m.equals(id, s) == (op == opEqual)
			return !found
		})
	default:
		y := m.number(r, c)
		m.each(l, c, func(id int32) bool {
			found = ordered(op, parseNumber(m.value(id)), y)
			return !found
		})
	}
	return found && m.err == nil
}

// plain compares values neither of which is a node-set.
func (m *machine) plain(op opcode, l, r *expr, c focus) bool {
	if op == opEqual || op == opNotEqual {
		switch {
		case l.kind == kindBool || r.kind == kindBool:
			return (m.boolean(l, c) == m.boolean(r, c)) == (op == opEqual)
		case l.kind == kindString && r.kind == kindString:
			return (m.text(l, c) == m.text(r, c)) == (op == opEqual)
		}
	}
	return ordered(op, m.number(l, c), m.number(r, c))
}

// pairs compares two node-sets: some pair of nodes must satisfy op.
func (m *machine) pairs(op opcode, l, r *expr, c focus) bool {
	found := false
	if op == opEqual || op == opNotEqual {
		// Of what is on the right, the first value is kept apart: there is rarely another.
		var first string
		var rest map[string]bool
		any := false
		m.each(r, c, func(id int32) bool {
			switch s := m.value(id); {
			case !any:
				first, any = s, true
			case s != first && rest == nil:
				rest = map[string]bool{s: true}
			case s != first:
				rest[s] = true
			}
			// Two different values differ from whatever is on the left.
			return op == opEqual || rest == nil
		})
		if !any {
			return false
		}
		m.each(l, c, func(id int32) bool {
			s := m.value(id)
			if op == opEqual {
				found = s == first || rest[s]
			} else {
				found = s != first || rest != nil
			}
			return !found
		})
		return found && m.err == nil
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	any := false
	m.each(r, c, func(id int32) bool {
		if n := parseNumber(m.value(id)); !math.IsNaN(n) {
			lo, hi, any = min(lo, n), max(hi, n), true
		}
		return true
	})
	if op == opLess || op == opLessEqual {
		lo = hi
	}
	m.each(l, c, func(id int32) bool {
		found = any && ordered(op, parseNumber(m.value(id)), lo)
		return !found
	})
	return found && m.err == nil
}

// equals compares a node with a string. The prefix of an identity in the string
// is one of the expression, as that of a value in the module would be.
func (m *machine) equals(id int32, s string) bool {
	switch m.elements[id].schema.Kind {
	case schema.Leaf, schema.LeafList:
	default:
		return m.value(id) == s
	}
	v := m.leaf(id)
	if v.String() == s {
		return true
	}
	if t := v.Type(); t == nil || t.Kind() != schema.Identityref {
		return false
	}
	i := m.expr.scope.identity(s)
	return i != nil && i == v.Identity()
}

func mirrored(op opcode) opcode {
	switch op {
	case opLess:
		return opGreater
	case opLessEqual:
		return opGreaterEqual
	case opGreater:
		return opLess
	case opGreaterEqual:
		return opLessEqual
	}
	return op
}

func ordered(op opcode, x, y float64) bool {
	switch op {
	case opEqual:
		return x == y
	case opNotEqual:
		return x != y
	case opLess:
		return x < y
	case opLessEqual:
		return x <= y
	case opGreater:
		return x > y
	}
	return x >= y
}
