package xpath

import (
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
)

// kind is the type of an expression's value. XPath without variables knows it
// before evaluation.
type kind uint8

const (
	kindNodes kind = iota
	kindNumber
	kindString
	kindBool
)

func (k kind) String() string {
	return [...]string{"a node-set", "a number", "a string", "a boolean"}[k]
}

type opcode uint8

const (
	opOr opcode = iota
	opAnd
	opEqual
	opNotEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opAdd
	opSubtract
	opMultiply
	opDivide
	opModulo
	opNegate
	opUnion
	opPath
	opNumber
	opLiteral
	opCall
)

// operators gives the text of an operator and how tightly it binds.
var operators = [...]struct {
	text string
	prec int
}{
	opOr: {"or", 1}, opAnd: {"and", 2},
	opEqual: {"=", 3}, opNotEqual: {"!=", 3},
	opLess: {"<", 4}, opLessEqual: {"<=", 4}, opGreater: {">", 4}, opGreaterEqual: {">=", 4},
	opAdd: {"+", 5}, opSubtract: {"-", 5},
	opMultiply: {"*", 6}, opDivide: {"div", 6}, opModulo: {"mod", 6},
	opNegate: {"-", 7}, opUnion: {"|", 8},
	opPath: {"", 9}, opNumber: {"", 9}, opLiteral: {"", 9}, opCall: {"", 9},
}

// expr is one operator or operand.
type expr struct {
	op   opcode
	kind kind
	kids []*expr // operands, arguments
	text string  // of a number or literal
	num  float64
	path *path
	fn   *function
	pos  int

	// What the compile pass finds.
	free     bool                     // the value does not depend on the context node, position and size
	position bool                     // the value depends on the context position or size
	size     bool                     // the value depends on the context size
	current  bool                     // a path that is just current()
	match    func(string) bool        // of re-match with a literal pattern
	identity *schema.Identity         // of derived-from with a literal
	derefs   map[*schema.Node][]*Expr // paths of the leafrefs that deref() may follow
	near     *static                  // where the nodes are, if they are reached from current()
}

// path is a location path, or a filter expression with steps.
type path struct {
	absolute bool
	filter   *expr // where the path starts, if not at the root or the context node
	preds    []*expr
	steps    []*step
	run      []*step // steps as they are evaluated
	order    order   // of the nodes it yields
	// breaks are the numbers of steps before which nodes may come twice or out
	// of order, and are brought in order before the next step.
	breaks []int
}

type axis uint8

const (
	axisChild axis = iota
	axisDescendant
	axisParent
	axisAncestor
	axisFollowingSibling
	axisPrecedingSibling
	axisFollowing
	axisPreceding
	axisAttribute
	axisNamespace
	axisSelf
	axisDescendantOrSelf
	axisAncestorOrSelf
)

var axes = [...]string{
	"child", "descendant", "parent", "ancestor", "following-sibling", "preceding-sibling", "following",
	"preceding", "attribute", "namespace", "self", "descendant-or-self", "ancestor-or-self",
}

type testKind uint8

const (
	testName testKind = iota // name, perhaps with a module
	testAny                  // * or prefix:*
	testNode                 // node()
	testText                 // text()
	testNone                 // comment(), processing-instruction()
)

type step struct {
	axis  axis
	test  testKind
	text  string // the test as written
	pos   int
	preds []*expr

	// What the compile pass finds.
	module   *schema.Module // nil: any
	local    string
	targets  []*schema.Node        // what the test can match here
	lead     map[*schema.Node]bool // targets and what is above them; nil: go everywhere
	keys     []*expr               // values of all keys of the only target, if the predicates give them
	filters  []*expr               // the predicates that remain beside keys
	collects bool                  // some predicate asks for the size
}

// String returns the expression in one canonical spelling, which parses to the
// same expression.
func (e *expr) String() string {
	var b strings.Builder
	e.print(&b)
	return b.String()
}

func (e *expr) print(b *strings.Builder) {
	switch e.op {
	case opNumber:
		b.WriteString(e.text)
	case opLiteral:
		quote := "'"
		if strings.Contains(e.text, "'") {
			quote = `"`
		}
		b.WriteString(quote + e.text + quote)
	case opCall:
		b.WriteString(e.fn.name + "(")
		for i, a := range e.kids {
			if i > 0 {
				b.WriteString(", ")
			}
			a.print(b)
		}
		b.WriteByte(')')
	case opNegate:
		b.WriteByte('-')
		e.operand(b, e.kids[0], operators[opNegate].prec)
	case opPath:
		e.path.print(b)
	default:
		o := operators[e.op]
		e.operand(b, e.kids[0], o.prec)
		b.WriteString(" " + o.text + " ")
		e.operand(b, e.kids[1], o.prec+1)
	}
}

// operand prints k, in brackets if it binds less than prec.
func (e *expr) operand(b *strings.Builder, k *expr, prec int) {
	// A "*" after a lone "/" would be a name.
	if operators[k.op].prec >= prec && (k.op != opPath || !k.path.absolute || len(k.path.steps) > 0) {
		k.print(b)
		return
	}
	b.WriteByte('(')
	k.print(b)
	b.WriteByte(')')
}

func (p *path) print(b *strings.Builder) {
	switch {
	case p.filter != nil:
		if p.filter.op == opCall || p.filter.op == opLiteral || p.filter.op == opNumber {
			p.filter.print(b)
		} else {
			b.WriteByte('(')
			p.filter.print(b)
			b.WriteByte(')')
		}
		printPredicates(b, p.preds)
		if len(p.steps) > 0 {
			b.WriteByte('/')
		}
	case p.absolute:
		b.WriteByte('/')
	}
	for i, s := range p.steps {
		if i > 0 {
			b.WriteByte('/')
		}
		switch {
		case s.axis == axisSelf && s.test == testNode && len(s.preds) == 0:
			b.WriteByte('.')
			continue
		case s.axis == axisParent && s.test == testNode && len(s.preds) == 0:
			b.WriteString("..")
			continue
		case s.axis == axisAttribute:
			b.WriteByte('@')
		case s.axis != axisChild:
			b.WriteString(axes[s.axis] + "::")
		}
		b.WriteString(s.text)
		printPredicates(b, s.preds)
	}
}

func printPredicates(b *strings.Builder, preds []*expr) {
	for _, p := range preds {
		b.WriteByte('[')
		p.print(b)
		b.WriteByte(']')
	}
}
