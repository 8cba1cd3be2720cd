package xpath

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// argKind is what a function converts an argument to. argAny is left as it is.
type argKind uint8

const (
	argAny argKind = iota
	argNodes
	argString
	argNumber
	argBool
)

// function is an entry of the library: XPath 1.0 section 4, RFC 7950 section 10.
type function struct {
	name     string
	result   kind
	min, max int
	args     []argKind // the last one stands for all further arguments
	id       funcID
}

type funcID uint8

const (
	fnLast funcID = iota
	fnPosition
	fnCount
	fnID
	fnLocalName
	fnNamespaceURI
	fnName
	fnString
	fnConcat
	fnStartsWith
	fnContains
	fnSubstringBefore
	fnSubstringAfter
	fnSubstring
	fnStringLength
	fnNormalizeSpace
	fnTranslate
	fnBoolean
	fnNot
	fnTrue
	fnFalse
	fnLang
	fnNumber
	fnSum
	fnFloor
	fnCeiling
	fnRound
	fnCurrent
	fnReMatch
	fnDeref
	fnDerivedFrom
	fnDerivedFromOrSelf
	fnEnumValue
	fnBitIsSet
)

// findFunction returns the function with the given name, or nil.
func findFunction(name string) *function {
	f := func(id funcID, result kind, min, max int, args ...argKind) *function {
		return &function{name: name, result: result, min: min, max: max, args: args, id: id}
	}
	switch name {
	case "last":
		return f(fnLast, kindNumber, 0, 0)
	case "position":
		return f(fnPosition, kindNumber, 0, 0)
	case "count":
		return f(fnCount, kindNumber, 1, 1, argNodes)
	case "id":
		return f(fnID, kindNodes, 1, 1, argAny)
	case "local-name":
		return f(fnLocalName, kindString, 0, 1, argNodes)
	case "namespace-uri":
		return f(fnNamespaceURI, kindString, 0, 1, argNodes)
	case "name":
		return f(fnName, kindString, 0, 1, argNodes)
	case "string":
		return f(fnString, kindString, 0, 1, argString)
	case "concat":
		return f(fnConcat, kindString, 2, maxNodes, argString)
	case "starts-with":
		return f(fnStartsWith, kindBool, 2, 2, argString)
	case "contains":
		return f(fnContains, kindBool, 2, 2, argString)
	case "substring-before":
		return f(fnSubstringBefore, kindString, 2, 2, argString)
	case "substring-after":
		return f(fnSubstringAfter, kindString, 2, 2, argString)
	case "substring":
		return f(fnSubstring, kindString, 2, 3, argString, argNumber)
	case "string-length":
		return f(fnStringLength, kindNumber, 0, 1, argString)
	case "normalize-space":
		return f(fnNormalizeSpace, kindString, 0, 1, argString)
	case "translate":
		return f(fnTranslate, kindString, 3, 3, argString)
	case "boolean":
		return f(fnBoolean, kindBool, 1, 1, argBool)
	case "not":
		return f(fnNot, kindBool, 1, 1, argBool)
	case "true":
		return f(fnTrue, kindBool, 0, 0)
	case "false":
		return f(fnFalse, kindBool, 0, 0)
	case "lang":
		return f(fnLang, kindBool, 1, 1, argString)
	case "number":
		return f(fnNumber, kindNumber, 0, 1, argNumber)
	case "sum":
		return f(fnSum, kindNumber, 1, 1, argNodes)
	case "floor":
		return f(fnFloor, kindNumber, 1, 1, argNumber)
	case "ceiling":
		return f(fnCeiling, kindNumber, 1, 1, argNumber)
	case "round":
		return f(fnRound, kindNumber, 1, 1, argNumber)
	case "current":
		return f(fnCurrent, kindNodes, 0, 0)
	case "re-match":
		return f(fnReMatch, kindBool, 2, 2, argString)
	case "deref":
		return f(fnDeref, kindNodes, 1, 1, argNodes)
	case "derived-from":
		return f(fnDerivedFrom, kindBool, 2, 2, argNodes, argString)
	case "derived-from-or-self":
		return f(fnDerivedFromOrSelf, kindBool, 2, 2, argNodes, argString)
	case "enum-value":
		return f(fnEnumValue, kindNumber, 1, 1, argNodes)
	case "bit-is-set":
		return f(fnBitIsSet, kindBool, 2, 2, argNodes, argString)
	}
	return nil
}

// callString evaluates a function with a string as its result.
func (m *machine) callString(e *expr, c focus) string {
	switch e.fn.id {
	case fnLocalName, fnNamespaceURI, fnName:
		at := c.node
		found := true
		if len(e.kids) == 0 {
			return m.nameOf(e.fn.id, at)
		}
		save := m.save()
		at, found = m.first(e.kids[0], c)
		defer m.restore(save)
		if !found {
			return ""
		}
		return m.nameOf(e.fn.id, at)
	case fnString:
		if len(e.kids) == 0 {
			return m.value(c.node)
		}
		return m.text(e.kids[0], c)
	case fnConcat:
		var b strings.Builder
		for _, a := range e.kids {
			b.WriteString(m.text(a, c))
			if b.Len() > maxString {
				m.fail(errTooLong)
				return ""
			}
		}
		return b.String()
	case fnSubstringBefore:
		s, sep := m.text(e.kids[0], c), m.text(e.kids[1], c)
		if i := strings.Index(s, sep); i >= 0 {
			return s[:i]
		}
		return ""
	case fnSubstringAfter:
		s, sep := m.text(e.kids[0], c), m.text(e.kids[1], c)
		if i := strings.Index(s, sep); i >= 0 {
			return s[i+len(sep):]
		}
		return ""
	case fnSubstring:
		length := math.Inf(1)
		s, from := m.text(e.kids[0], c), m.number(e.kids[1], c)
		if len(e.kids) == 3 {
			length = m.number(e.kids[2], c)
		}
		return substring(s, from, length)
	case fnNormalizeSpace:
		s := ""
		if len(e.kids) == 0 {
			s = m.value(c.node)
		} else {
			s = m.text(e.kids[0], c)
		}
		return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) }), " ")
	default: // fnTranslate
		return translate(m.text(e.kids[0], c), m.text(e.kids[1], c), m.text(e.kids[2], c))
	}
}

// substring returns the characters of s at the positions p, counted from 1, with
// p >= round(from) and p < round(from) + round(length).
func substring(s string, from, length float64) string {
	first := round(from)
	end := first + round(length)
	lo, pos := -1, 1.0
	for i := range s {
		if in := pos >= first && pos < end; in && lo < 0 {
			lo = i
		} else if !in && lo >= 0 {
			return s[lo:i]
		}
		pos++
	}
	if lo < 0 {
		return ""
	}
	return s[lo:]
}

// translate replaces the characters of from by those at the same place in to,
// and removes those for which there is none.
func translate(s, from, to string) string {
	keys, values := []rune(from), []rune(to)
	return strings.Map(func(r rune) rune {
		i := slices.Index(keys, r)
		switch {
		case i < 0:
			return r
		case i < len(values):
			return values[i]
		}
		return -1
	}, s)
}

// callNumber evaluates a function with a number as its result.
func (m *machine) callNumber(e *expr, c focus) float64 {
	switch e.fn.id {
	case fnLast:
		return float64(c.size)
	case fnPosition:
		return float64(c.pos)
	case fnCount:
		return float64(m.count(e.kids[0], c))
	case fnStringLength:
		s := ""
		if len(e.kids) == 0 {
			s = m.value(c.node)
		} else {
			s = m.text(e.kids[0], c)
		}
		return float64(utf8.RuneCountInString(s))
	case fnNumber:
		if len(e.kids) == 0 {
			return parseNumber(m.value(c.node))
		}
		return m.number(e.kids[0], c)
	case fnSum:
		sum := 0.0
		m.eachOnce(e.kids[0], c, func(n int32) bool {
			sum += parseNumber(m.value(n))
			return true
		})
		return sum
	case fnFloor:
		return math.Floor(m.number(e.kids[0], c))
	case fnCeiling:
		return math.Ceil(m.number(e.kids[0], c))
	case fnRound:
		return round(m.number(e.kids[0], c))
	default: // fnEnumValue
		return m.enumValue(e, c)
	}
}

// callBool evaluates a function with a boolean as its result.
func (m *machine) callBool(e *expr, c focus) bool {
	switch e.fn.id {
	case fnStartsWith:
		return strings.HasPrefix(m.text(e.kids[0], c), m.text(e.kids[1], c))
	case fnContains:
		return strings.Contains(m.text(e.kids[0], c), m.text(e.kids[1], c))
	case fnBoolean:
		return m.boolean(e.kids[0], c)
	case fnNot:
		return !m.boolean(e.kids[0], c)
	case fnTrue:
		return true
	case fnReMatch:
		return m.reMatch(e, c)
	case fnDerivedFrom, fnDerivedFromOrSelf:
		return m.derivedFrom(e, c)
	case fnBitIsSet:
		return m.bitIsSet(e, c)
	}
	return false // false(), and lang(): YANG data has no xml:lang
}
