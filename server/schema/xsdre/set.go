package xsdre

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// span is a range of characters with both ends in it.
type span struct{ lo, hi rune }

// set is a set of characters: ascending spans that neither overlap nor adjoin.
type set []span

// normal sorts and joins spans in any order.
func normal(spans []span) set {
	slices.SortFunc(spans, func(a, b span) int { return int(a.lo) - int(b.lo) })
	var out set
	for _, s := range spans {
		if n := len(out); n > 0 && s.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, s.hi)
			continue
		}
		out = append(out, s)
	}
	return out
}

func (s set) union(t set) set { return normal(slices.Concat(s, t)) }

func (s set) complement() set {
	var out set
	next := rune(0)
	for _, sp := range s {
		if sp.lo > next {
			out = append(out, span{next, sp.lo - 1})
		}
		next = sp.hi + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, span{next, unicode.MaxRune})
	}
	return out
}

// minus returns what is in s and not in t.
func (s set) minus(t set) set { return s.complement().union(t).complement() }

// table returns the characters of a Unicode range table.
func table(t *unicode.RangeTable) set {
	var spans []span
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			spans = append(spans, span{lo, hi})
			return
		}
		for r := lo; r <= hi; r += stride {
			spans = append(spans, span{r, r})
		}
	}
	for _, r := range t.R16 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	for _, r := range t.R32 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	return normal(spans)
}

// category returns the characters of a general category such as L or Nd. The
// category C and its part Cn include what is not assigned.
func category(name string) (set, bool) {
	switch name {
	case "C":
		var assigned set
		for _, c := range []string{"L", "M", "N", "P", "S", "Z"} {
			assigned = assigned.union(table(unicode.Categories[c]))
		}
		return assigned.complement(), true
	case "Cn":
		var assigned set
		for _, c := range []string{"L", "M", "N", "P", "S", "Z", "Cc", "Cf", "Co", "Cs"} {
			assigned = assigned.union(table(unicode.Categories[c]))
		}
		return assigned.complement(), true
	case "Cs", "LC":
		return nil, false // not in XML Schema
	}
	t, ok := unicode.Categories[name]
	if !ok {
		return nil, false
	}
	return table(t), true
}

// write appends s as a character class of Go.
func (s set) write(b *strings.Builder) {
	if len(s) == 0 {
		b.WriteString(`[^\x{0}-\x{10FFFF}]`)
		return
	}
	b.WriteByte('[')
	for _, sp := range s {
		writeRune(b, sp.lo)
		if sp.hi > sp.lo {
			b.WriteByte('-')
			writeRune(b, sp.hi)
		}
	}
	b.WriteByte(']')
}

func writeRune(b *strings.Builder, r rune) {
	if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
		b.WriteRune(r)
		return
	}
	fmt.Fprintf(b, `\x{%X}`, r)
}

// nameStart is the NameStartChar of XML 1.0.
func nameStart() set {
	return set{
		{':', ':'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}, {0xC0, 0xD6}, {0xD8, 0xF6}, {0xF8, 0x2FF}, {0x370, 0x37D},
		{0x37F, 0x1FFF}, {0x200C, 0x200D}, {0x2070, 0x218F}, {0x2C00, 0x2FEF}, {0x3001, 0xD7FF}, {0xF900, 0xFDCF},
		{0xFDF0, 0xFFFD}, {0x10000, 0xEFFFF},
	}
}

// nameChar is the NameChar of XML 1.0.
func nameChar() set {
	return nameStart().union(set{{'-', '.'}, {'0', '9'}, {0xB7, 0xB7}, {0x300, 0x36F}, {0x203F, 0x2040}})
}

// multi returns the characters of a multi-character escape \s \i \c \d \w or
// of its complement in upper case.
func multi(c rune) (set, bool) {
	var s set
	switch unicode.ToLower(c) {
	case 's':
		s = set{{'\t', '\n'}, {'\r', '\r'}, {' ', ' '}}
	case 'i':
		s = nameStart()
	case 'c':
		s = nameChar()
	case 'd':
		s = table(unicode.Nd)
	case 'w':
		other, _ := category("C")
		s = table(unicode.P).union(table(unicode.Z)).union(other).complement()
	default:
		return nil, false
	}
	if unicode.IsUpper(c) {
		s = s.complement()
	}
	return s, true
}
