// Package xsdre translates the regular expressions of XML Schema (XSD-TYPES
// appendix F), which YANG's pattern statement uses, to those of Go.
package xsdre

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	maxDepth  = 200   // nesting of parentheses and classes
	goRepeat  = 1000  // largest repetition count of Go's regexp
	maxRepeat = 65535 // largest that is translated, as a sequence of smaller ones
	maxOutput = 1 << 20
)

// Translate returns the Go expression that matches the same texts as pattern.
// Like the pattern it covers the whole text; letter case, "^" and "$" have no
// special meaning. The error says what is wrong with the pattern.
func Translate(pattern string) (string, error) {
	if !utf8.ValidString(pattern) {
		return "", errors.New("it is not UTF-8")
	}
	t := translator{in: pattern}
	t.out.WriteString(`\A(?:`)
	t.alternatives(0)
	if t.err == nil && t.in != "" {
		t.fail("a closing parenthesis has no opening one")
	}
	if t.err != nil {
		return "", t.err
	}
	t.out.WriteString(`)\z`)
	expr := t.out.String()
	if _, err := syntax.Parse(expr, syntax.Perl); err != nil {
		var se *syntax.Error
		if errors.As(err, &se) {
			return "", errors.New(string(se.Code))
		}
		return "", err
	}
	return expr, nil
}

// Lazy returns a function that matches texts against a translated expression
// and compiles it when it is first called: most patterns of a set of modules are
// never needed.
func Lazy(expr string) func(string) bool {
	re := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
	return func(s string) bool { return re().MatchString(s) }
}

type translator struct {
	in  string
	out strings.Builder
	err error
}

func (t *translator) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf(format, args...)
	}
	t.in = ""
}

// peek returns the next character, or -1 at the end.
func (t *translator) peek() rune {
	if t.in == "" {
		return -1
	}
	r, _ := utf8.DecodeRuneInString(t.in)
	return r
}

func (t *translator) next() rune {
	r := t.peek()
	if r >= 0 {
		t.in = t.in[utf8.RuneLen(r):]
	}
	return r
}

// alternatives translates regExp: branches up to a closing parenthesis or the end.
func (t *translator) alternatives(depth int) {
	if depth > maxDepth {
		t.fail("it is nested deeper than %d", maxDepth)
		return
	}
	for {
		t.branch(depth)
		if t.peek() != '|' {
			return
		}
		t.next()
		t.out.WriteByte('|')
	}
}

func (t *translator) branch(depth int) {
	for t.err == nil {
		switch t.peek() {
		case -1, '|', ')':
			return
		}
		start := t.out.Len()
		t.atom(depth)
		t.quantifier(start)
		if t.out.Len() > maxOutput {
			t.fail("it is too large")
		}
	}
}

// atom translates one character, class or group.
func (t *translator) atom(depth int) {
	switch r := t.next(); r {
	case '(':
		t.out.WriteString("(?:")
		t.alternatives(depth + 1)
		if t.err == nil && t.next() != ')' {
			t.fail("a closing parenthesis is missing")
		}
		t.out.WriteByte(')')
	case '[':
		t.class(depth + 1).write(&t.out)
	case '.':
		t.out.WriteString(`[^\n\r]`)
	case '\\':
		if s := t.escape(); t.err == nil {
			s.write(&t.out)
		}
	case '?', '*', '+', '{':
		t.fail("the quantifier %q has nothing before it", r)
	case '}', ']':
		t.fail("%q must be written with a backslash", r)
	default:
		t.out.WriteString(regexp.QuoteMeta(string(r)))
	}
}

// quantifier translates what may follow the atom that begins at start.
func (t *translator) quantifier(start int) {
	switch t.peek() {
	case '?', '*', '+':
		t.out.WriteRune(t.next())
	case '{':
		text, rest, ok := strings.Cut(t.in[1:], "}")
		if !ok {
			t.fail("the closing brace of a quantifier is missing")
			return
		}
		t.in = rest
		lo, hi, err := parseQuantifier(text)
		if err != nil {
			t.fail("the quantifier {%s} %v", text, err)
			return
		}
		t.repeat(start, lo, hi)
	}
}

// parseQuantifier reads n, n, or n,m; hi is -1 when there is no upper bound.
func parseQuantifier(text string) (lo, hi int, err error) {
	from, to, comma := strings.Cut(text, ",")
	count := func(s string) int {
		n, e := strconv.ParseUint(s, 10, 32)
		switch {
		case e != nil || s[0] == '+':
			err = errors.New("is not a count")
		case n > maxRepeat:
			err = fmt.Errorf("is greater than %d", maxRepeat)
		}
		return int(n)
	}
	lo = count(from)
	switch {
	case !comma:
		hi = lo
	case to == "":
		hi = -1
	default:
		hi = count(to)
	}
	if err == nil && hi >= 0 && lo > hi {
		err = errors.New("has its smaller count last")
	}
	return lo, hi, err
}

// repeat makes the atom from start on occur lo to hi times. Go allows counts up
// to 1000, so greater ones become sequences of smaller ones.
func (t *translator) repeat(start, lo, hi int) {
	if lo <= goRepeat && hi <= goRepeat {
		switch {
		case hi < 0:
			fmt.Fprintf(&t.out, "{%d,}", lo)
		default:
			fmt.Fprintf(&t.out, "{%d,%d}", lo, hi)
		}
		return
	}
	whole := t.out.String()
	head, atom := whole[:start], whole[start:]
	if len(atom)*(max(lo, hi)/goRepeat+2) > maxOutput {
		t.fail("it is too large")
		return
	}
	t.out.Reset()
	t.out.WriteString(head)
	t.out.WriteString("(?:")
	rest := hi - lo
	for ; lo > goRepeat; lo -= goRepeat {
		fmt.Fprintf(&t.out, "%s{%d}", atom, goRepeat)
	}
	if hi < 0 {
		fmt.Fprintf(&t.out, "%s{%d,}", atom, lo)
	} else {
		fmt.Fprintf(&t.out, "%s{%d}", atom, lo)
		for ; rest > 0; rest -= goRepeat {
			fmt.Fprintf(&t.out, "%s{0,%d}", atom, min(rest, goRepeat))
		}
	}
	t.out.WriteByte(')')
}

// escape reads what follows a backslash and returns the characters it stands for.
func (t *translator) escape() set {
	r := t.next()
	switch r {
	case -1:
		t.fail("it ends in a backslash")
		return nil
	case 'n':
		return set{{'\n', '\n'}}
	case 'r':
		return set{{'\r', '\r'}}
	case 't':
		return set{{'\t', '\t'}}
	case '\\', '|', '.', '?', '*', '+', '(', ')', '{', '}', '-', '[', ']', '^':
		return set{{r, r}}
	case 'p', 'P':
		return t.property(r == 'P')
	}
	if s, ok := multi(r); ok {
		return s
	}
	t.fail(`the escape \%c does not exist in XML Schema`, r)
	return nil
}

// property reads {category} or {IsBlock} after \p or \P.
func (t *translator) property(negated bool) set {
	if t.next() != '{' {
		t.fail(`\p needs a name in braces`)
		return nil
	}
	name, rest, ok := strings.Cut(t.in, "}")
	if !ok {
		t.fail(`the closing brace of \p is missing`)
		return nil
	}
	t.in = rest
	s, ok := category(name)
	if blockName, isBlock := strings.CutPrefix(name, "Is"); isBlock {
		s, ok = block(blockName)
	}
	if !ok {
		t.fail("there is no category or block %q", name)
		return nil
	}
	if negated {
		s = s.complement()
	}
	return s
}

// class reads a character class after its opening bracket.
func (t *translator) class(depth int) set {
	if depth > maxDepth {
		t.fail("it is nested deeper than %d", maxDepth)
		return nil
	}
	negated := t.peek() == '^'
	if negated {
		t.next()
	}
	var spans []span
	var minus set
	empty := true
loop:
	for t.err == nil {
		if strings.HasPrefix(t.in, "-[") && !empty {
			t.in = t.in[2:]
			minus = t.class(depth + 1)
			if t.err == nil && t.next() != ']' {
				t.fail("a subtraction must end its class")
			}
			break
		}
		r := t.next()
		switch {
		case r < 0:
			t.fail("the closing bracket of a class is missing")
			return nil
		case r == ']' && empty:
			t.fail("a class is empty")
			return nil
		case r == ']':
			break loop
		case r == '[':
			t.fail("[ in a class must be written with a backslash")
			return nil
		}
		empty = false
		lo := set{{r, r}}
		if r == '\\' {
			lo = t.escape()
		}
		if t.err != nil {
			return nil
		}
		spans = append(spans, t.rangeFrom(lo)...)
	}
	if t.err != nil {
		return nil
	}
	s := normal(spans)
	if negated {
		s = s.complement()
	}
	if minus != nil {
		s = s.minus(minus)
	}
	return s
}

// rangeFrom reads the rest of a range that begins with lo; a hyphen at the end
// of the class, before a subtraction or after an escape for many characters
// stands for itself.
func (t *translator) rangeFrom(lo set) []span {
	if t.peek() != '-' || len(lo) != 1 || lo[0].lo != lo[0].hi || strings.HasPrefix(t.in, "-]") || strings.HasPrefix(t.in, "-[") {
		return lo
	}
	t.next()
	r := t.next()
	hi := set{{r, r}}
	switch r {
	case -1:
		t.fail("the closing bracket of a class is missing")
		return nil
	case '\\':
		hi = t.escape()
	}
	switch {
	case t.err != nil:
	case len(hi) != 1 || hi[0].lo != hi[0].hi:
		t.fail("a range ends in an escape for many characters")
	case lo[0].lo > hi[0].lo:
		t.fail("the range %c-%c is empty", lo[0].lo, hi[0].lo)
	default:
		return []span{{lo[0].lo, hi[0].lo}}
	}
	return nil
}
