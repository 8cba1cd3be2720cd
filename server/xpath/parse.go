package xpath

import (
	"fmt"
	"slices"
	"strconv"
)

// parser reads the grammar of XPath 1.0 by recursive descent.
type parser struct {
	text  string
	toks  []token
	at    int
	nodes int
	depth int
}

// parse reads text and checks the numbers and kinds of arguments.
func parse(text string) (e *expr, err error) {
	toks, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{text: text, toks: toks}
	e, err = p.or()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEnd {
		return nil, p.fail(t, "unexpected %s", t)
	}
	return e, nil
}

func (t token) String() string {
	if t.kind == tokEnd {
		return "end of the expression"
	}
	return strconv.Quote(t.text)
}

func (p *parser) peek() token { return p.toks[p.at] }

func (p *parser) next() token {
	t := p.toks[p.at]
	if t.kind != tokEnd {
		p.at++
	}
	return t
}

// take moves over the token of kind k with this text, if it is the next one.
func (p *parser) take(k tokenKind, text string) bool {
	if t := p.peek(); t.kind == k && t.text == text {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(text string) error {
	if p.take(tokPunct, text) {
		return nil
	}
	return p.fail(p.peek(), "expected %q and found %s", text, p.peek())
}

func (p *parser) fail(t token, format string, args ...any) error {
	return &SyntaxError{Text: p.text, Offset: t.pos, Reason: fmt.Sprintf(format, args...)}
}

// count bounds the size of the expression.
func (p *parser) count() error {
	if p.nodes++; p.nodes > maxNodes {
		return p.fail(p.peek(), "the expression has more than %d parts", maxNodes)
	}
	return nil
}

// or is the entry of the grammar and the only way back into it.
func (p *parser) or() (*expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(p.peek(), "brackets are nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	return p.binary(1)
}

// binary reads operators of precedence prec and above; all associate to the left.
func (p *parser) binary(prec int) (*expr, error) {
	if prec == operators[opNegate].prec {
		return p.unary()
	}
	left, err := p.binary(prec + 1)
	if err != nil {
		return nil, err
	}
	for {
		op, ok := p.operator(prec)
		if !ok {
			return left, nil
		}
		t := p.next()
		right, err := p.binary(prec + 1)
		if err != nil {
			return nil, err
		}
		if err := p.count(); err != nil {
			return nil, err
		}
		k := kindBool
		if op >= opAdd {
			k = kindNumber
		}
		left = &expr{op: op, kind: k, kids: []*expr{left, right}, pos: t.pos}
	}
}

func (p *parser) operator(prec int) (opcode, bool) {
	t := p.peek()
	if t.kind != tokOperator {
		return 0, false
	}
	for op := opOr; op <= opModulo; op++ {
		if operators[op].prec == prec && operators[op].text == t.text {
			return op, true
		}
	}
	return 0, false
}

func (p *parser) unary() (*expr, error) {
	signs, pos := 0, p.peek().pos
	for p.take(tokOperator, "-") {
		if signs++; signs > maxDepth {
			return nil, p.fail(p.peek(), "more than %d signs in a row", maxDepth)
		}
	}
	e, err := p.union()
	for ; err == nil && signs > 0; signs-- {
		e, err = &expr{op: opNegate, kind: kindNumber, kids: []*expr{e}, pos: pos}, p.count()
	}
	return e, err
}

func (p *parser) union() (*expr, error) {
	left, err := p.path()
	if err != nil {
		return nil, err
	}
	for p.peek().kind == tokOperator && p.peek().text == "|" {
		t := p.next()
		right, err := p.path()
		if err != nil {
			return nil, err
		}
		if left.kind != kindNodes || right.kind != kindNodes {
			return nil, p.fail(t, `"|" joins node-sets only`)
		}
		if err := p.count(); err != nil {
			return nil, err
		}
		left = &expr{op: opUnion, kids: []*expr{left, right}, pos: t.pos}
	}
	return left, nil
}

// path reads a location path or a filter expression.
func (p *parser) path() (*expr, error) {
	if err := p.count(); err != nil {
		return nil, err
	}
	t := p.peek()
	switch {
	case t.kind == tokPunct && t.text == "$":
		return nil, p.fail(t, "YANG binds no variables")
	case t.kind == tokLiteral, t.kind == tokNumber, t.kind == tokFunction, t.kind == tokPunct && t.text == "(":
		return p.filter()
	}
	e := &expr{op: opPath, path: &path{}, pos: t.pos}
	switch {
	case p.take(tokOperator, "//"):
		e.path.absolute = true
		e.path.steps = append(e.path.steps, everywhere(t.pos))
	case p.take(tokOperator, "/"):
		e.path.absolute = true
		if !p.startsStep() {
			return e, nil
		}
	}
	return e, p.relative(e.path)
}

// everywhere is the step that "//" stands for.
func everywhere(pos int) *step {
	return &step{axis: axisDescendantOrSelf, test: testNode, text: "node()", pos: pos}
}

func (p *parser) startsStep() bool {
	switch t := p.peek(); t.kind {
	case tokName, tokNodeType, tokAxis:
		return true
	case tokPunct:
		return t.text == "." || t.text == ".." || t.text == "@"
	}
	return false
}

// relative reads steps.
func (p *parser) relative(to *path) error {
	for {
		s, err := p.step()
		if err != nil {
			return err
		}
		to.steps = append(to.steps, s)
		t := p.peek()
		switch {
		case p.take(tokOperator, "//"):
			if err := p.count(); err != nil {
				return err
			}
			to.steps = append(to.steps, everywhere(t.pos))
		case p.take(tokOperator, "/"):
		default:
			return nil
		}
	}
}

func (p *parser) step() (*step, error) {
	if err := p.count(); err != nil {
		return nil, err
	}
	t := p.next()
	s := &step{pos: t.pos}
	if t.kind == tokPunct && (t.text == "." || t.text == "..") {
		s.axis, s.test, s.text = axisSelf, testNode, "node()"
		if t.text == ".." {
			s.axis = axisParent
		}
		return s, nil
	}
	switch {
	case t.kind == tokAxis:
		i := slices.Index(axes[:], t.text)
		if i < 0 {
			return nil, p.fail(t, "there is no axis %q", t.text)
		}
		s.axis = axis(i)
		if err := p.expect("::"); err != nil {
			return nil, err
		}
		t = p.next()
	case t.kind == tokPunct && t.text == "@":
		s.axis = axisAttribute
		t = p.next()
	}
	switch t.kind {
	case tokName:
		s.test, s.text = testName, t.text
		if t.text[len(t.text)-1] == '*' {
			s.test = testAny
		}
	case tokNodeType:
		s.text = t.text + "()"
		if err := p.expect("("); err != nil {
			return nil, err
		}
		switch t.text {
		case "node":
			s.test = testNode
		case "text":
			s.test = testText
		default:
			s.test = testNone
			if lit := p.peek(); t.text == "processing-instruction" && lit.kind == tokLiteral {
				p.next()
				s.text = "processing-instruction(" + (&expr{op: opLiteral, text: lit.text}).String() + ")"
			}
		}
		if err := p.expect(")"); err != nil {
			return nil, err
		}
	default:
		return nil, p.fail(t, "expected a step and found %s", t)
	}
	var err error
	s.preds, err = p.predicates()
	return s, err
}

func (p *parser) predicates() ([]*expr, error) {
	var preds []*expr
	for p.take(tokPunct, "[") {
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		if err := p.expect("]"); err != nil {
			return nil, err
		}
		preds = append(preds, e)
	}
	return preds, nil
}

// filter reads a primary expression with what may follow it.
func (p *parser) filter() (*expr, error) {
	e, err := p.primary()
	if err != nil {
		return nil, err
	}
	t := p.peek()
	preds, err := p.predicates()
	if err != nil {
		return nil, err
	}
	slash := p.peek()
	deep := p.take(tokOperator, "//")
	further := deep || p.take(tokOperator, "/")
	if len(preds) == 0 && !further {
		return e, nil
	}
	if e.kind != kindNodes {
		return nil, p.fail(t, "%s is %s: only a node-set has predicates and steps", e, e.kind)
	}
	out := &expr{op: opPath, path: &path{filter: e, preds: preds}, pos: e.pos}
	if deep {
		out.path.steps = append(out.path.steps, everywhere(slash.pos))
	}
	if !further {
		return out, nil
	}
	return out, p.relative(out.path)
}

func (p *parser) primary() (*expr, error) {
	t := p.next()
	switch t.kind {
	case tokLiteral:
		return &expr{op: opLiteral, kind: kindString, text: t.text, pos: t.pos}, nil
	case tokNumber:
		n, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return nil, p.fail(t, "the number %q is out of range", t.text)
		}
		return &expr{op: opNumber, kind: kindNumber, text: t.text, num: n, pos: t.pos}, nil
	case tokFunction:
		return p.call(t)
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	return e, p.expect(")")
}

func (p *parser) call(t token) (*expr, error) {
	fn := findFunction(t.text)
	if fn == nil {
		return nil, p.fail(t, "there is no function %s()", t.text)
	}
	e := &expr{op: opCall, kind: fn.result, fn: fn, pos: t.pos}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	for !p.take(tokPunct, ")") {
		if len(e.kids) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		a, err := p.or()
		if err != nil {
			return nil, err
		}
		if i := min(len(e.kids), len(fn.args)-1); i >= 0 && fn.args[i] == argNodes && a.kind != kindNodes {
			return nil, p.fail(t, "argument %d of %s() is %s and must be a node-set", len(e.kids)+1, fn.name, a.kind)
		}
		e.kids = append(e.kids, a)
	}
	if len(e.kids) < fn.min || len(e.kids) > fn.max {
		return nil, p.fail(t, "%s() does not take %d arguments", fn.name, len(e.kids))
	}
	return e, nil
}
