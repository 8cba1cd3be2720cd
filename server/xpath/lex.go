package xpath

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SyntaxError says what is wrong with the text of an expression.
type SyntaxError struct {
	Text   string // the expression
	Offset int    // in octets, from 0
	Reason string
}

// Error returns the reason with the place and the expression.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s at offset %d of %q", e.Reason, e.Offset, e.Text)
}

type tokenKind uint8

const (
	tokEnd      tokenKind = iota
	tokNumber             // text is as written
	tokLiteral            // text is without quotation marks
	tokName               // a name test: prefix:name, name, prefix:*, *
	tokFunction           // a function's name
	tokNodeType           // comment, text, processing-instruction, node
	tokAxis               // the name in front of "::"
	tokOperator           // and or mod div * / // | + - = != < <= > >=
	tokPunct              // ( ) [ ] . .. @ , :: $
)

type token struct {
	kind tokenKind
	text string
	pos  int
}

// maxText bounds the length of an expression in octets, maxNodes its operators
// and operands, maxDepth the nesting of its brackets.
const (
	maxText  = 1 << 16
	maxNodes = 1 << 12
	maxDepth = 100
)

// lex splits text into tokens by the rules of XPath 1.0 section 3.7, which tell
// names from operators by what stands before them.
func lex(text string) ([]token, error) {
	fail := func(pos int, format string, args ...any) ([]token, error) {
		return nil, &SyntaxError{Text: text, Offset: pos, Reason: fmt.Sprintf(format, args...)}
	}
	if len(text) > maxText {
		return nil, &SyntaxError{Text: text[:64] + "...", Reason: fmt.Sprintf("the expression is longer than %d octets", maxText)}
	}
	var toks []token
	add := func(k tokenKind, s string, pos int) { toks = append(toks, token{k, s, pos}) }
	for i := 0; i < len(text); {
		c := text[i]
		start := i
		switch {
		case isSpace(c):
			i++
			continue
		case c == '\'' || c == '"':
			end := strings.IndexByte(text[i+1:], c)
			if end < 0 {
				return fail(i, "a literal has no end")
			}
			if lit := text[i+1 : i+1+end]; !utf8.ValidString(lit) {
				return fail(i, "a literal is not UTF-8")
			}
			add(tokLiteral, text[i+1:i+1+end], start)
			i += end + 2
			continue
		case isDigit(c) || c == '.' && i+1 < len(text) && isDigit(text[i+1]):
			for i < len(text) && isDigit(text[i]) {
				i++
			}
			if i < len(text) && text[i] == '.' {
				i++
				for i < len(text) && isDigit(text[i]) {
					i++
				}
			}
			add(tokNumber, text[start:i], start)
			continue
		}
		two := ""
		if i+1 < len(text) {
			two = text[i : i+2]
		}
		switch two {
		case "//", "!=", "<=", ">=":
			add(tokOperator, two, start)
			i += 2
			continue
		case "..", "::":
			add(tokPunct, two, start)
			i += 2
			continue
		}
		switch c {
		case '/', '|', '+', '-', '=', '<', '>':
			add(tokOperator, text[i:i+1], start)
			i++
			continue
		case '(', ')', '[', ']', '.', '@', ',', '$':
			add(tokPunct, text[i:i+1], start)
			i++
			continue
		case '*':
			if operatorFollows(toks) {
				add(tokOperator, "*", start)
			} else {
				add(tokName, "*", start)
			}
			i++
			continue
		}
		n := ncName(text[i:])
		if n == 0 {
			r, _ := utf8.DecodeRuneInString(text[i:])
			return fail(i, "unexpected %q", r)
		}
		name := text[i : i+n]
		i += n
		if operatorFollows(toks) {
			switch name {
			case "and", "or", "mod", "div":
				add(tokOperator, name, start)
				continue
			}
			return fail(start, "expected an operator and found %q", name)
		}
		if strings.HasPrefix(text[i:], ":") && !strings.HasPrefix(text[i:], "::") {
			if strings.HasPrefix(text[i+1:], "*") {
				i += 2
				add(tokName, name+":*", start)
				continue
			}
			n := ncName(text[i+1:])
			if n == 0 {
				return fail(i, "expected a name after the prefix %q", name)
			}
			name = text[start : i+1+n]
			i += 1 + n
		}
		next := i
		for next < len(text) && isSpace(text[next]) {
			next++
		}
		switch {
		case next < len(text) && text[next] == '(':
			switch name {
			case "comment", "text", "processing-instruction", "node":
				add(tokNodeType, name, start)
			default:
				add(tokFunction, name, start)
			}
		case strings.HasPrefix(text[next:], "::"):
			add(tokAxis, name, start)
		default:
			add(tokName, name, start)
		}
	}
	add(tokEnd, "", len(text))
	return toks, nil
}

// operatorFollows reports whether a name or "*" after toks is an operator.
func operatorFollows(toks []token) bool {
	if len(toks) == 0 {
		return false
	}
	switch last := toks[len(toks)-1]; last.kind {
	case tokOperator, tokAxis:
		return false
	case tokPunct:
		switch last.text {
		case "@", "::", "(", "[", ",", "$":
			return false
		}
	}
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// ncName returns the length of the name without colon that s begins with.
func ncName(s string) int {
	for i, r := range s {
		first := r == '_' || unicode.IsLetter(r)
		if !first && (i == 0 || r != '-' && r != '.' && r != 0xB7 && !unicode.IsDigit(r) && !unicode.Is(unicode.M, r)) || r == utf8.RuneError {
			return i
		}
	}
	return len(s)
}
