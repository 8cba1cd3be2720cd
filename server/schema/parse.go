package schema

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Parse reads the lexical form of a value, checks every restriction of the type
// and returns the value in canonical form (RFC 7950 section 9). A leafref is
// read as the type of its target. r gives the meaning of prefixes and may be nil
// where the type cannot contain any. The error is a *ValueError.
func (t *Type) Parse(lexical string, r Resolver) (Value, error) {
	v, err := t.parse(lexical, r, false)
	if err != nil {
		return Value{}, err
	}
	return v, nil
}

// invalid makes the error for a value that is not of type t.
func (t *Type) invalid(lexical, format string, args ...any) *ValueError {
	name := t.name
	if name != t.kind.String() {
		name += " (" + t.kind.String() + ")"
	}
	return &ValueError{Message: fmt.Sprintf("%s is not a valid %s: ", quote(lexical), name) + fmt.Sprintf(format, args...)}
}

// quote shortens what goes into a message.
func quote(s string) string {
	const limit = 80
	if len(s) > limit {
		cut := limit
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		return fmt.Sprintf("%q…", s[:cut])
	}
	return fmt.Sprintf("%q", s)
}

// space is the white space of XML.
const space = " \t\r\n"

// parse is Parse; inModule is true for texts in a YANG module, where integers
// have more forms.
func (t *Type) parse(lexical string, r Resolver, inModule bool) (Value, *ValueError) {
	switch t.kind {
	case String:
		if t.IsNodeInstance() {
			return t.parseNodeInstance(lexical, r)
		}
		if t.IsXPath() {
			return t.parseXPath(lexical, r)
		}
		return t.parseString(lexical)
	case Boolean:
		switch lexical {
		case "true", "false":
			return Value{t, lexical}, nil
		}
		return Value{}, t.invalid(lexical, "it is neither true nor false")
	case Enumeration:
		if i, ok := t.byEnum[lexical]; ok {
			return Value{t, t.enums[i].Name}, nil
		}
		return Value{}, t.invalid(lexical, "the enums are %s", t.enumNames())
	case Bits:
		return t.parseBits(lexical)
	case Binary:
		return t.parseBinary(lexical)
	case Empty:
		if lexical == "" {
			return Value{t, ""}, nil
		}
		return Value{}, t.invalid(lexical, "a leaf of type empty has no value")
	case Leafref:
		if t.leafref.Target == nil {
			return Value{}, t.invalid(lexical, "the leafref is not bound to a target")
		}
		return t.leafref.Target.Type.parse(lexical, r, inModule)
	case Identityref:
		return t.parseIdentity(lexical, r)
	case Union:
		for _, m := range t.union {
			if v, err := m.parse(lexical, r, inModule); err == nil {
				return v, nil
			}
		}
		return Value{}, t.noMember(lexical, r, inModule)
	case InstanceIdentifier:
		return t.parseInstance(lexical, r)
	}
	return t.parseNumeric(lexical, inModule)
}

func (t *Type) parseNumeric(lexical string, inModule bool) (Value, *ValueError) {
	text := strings.Trim(lexical, space)
	v, err := t.number(text, inModule)
	if err != nil && (t.ranges == nil || !errors.As(err, new(boundsError))) {
		return Value{}, t.invalid(lexical, "%v", err)
	}
	if err != nil || !inSpans(v, t.ranges) {
		e := t.invalid(lexical, "the range is %s", printSpans(t.ranges, t.formatNumber))
		return Value{}, t.rangeRule.apply(e)
	}
	return Value{t, t.formatNumber(v)}, nil
}

// apply lets a restriction's own message and tag replace the general ones.
func (r rule) apply(e *ValueError) *ValueError {
	if r.message != "" {
		e.Message, e.Stated = r.message, true
	}
	e.AppTag = r.appTag
	return e
}

// inSpans reports whether v is in one of the parts; no parts mean no restriction.
func inSpans(v uint64, spans []span) bool {
	for _, sp := range spans {
		if sp.min <= v && v <= sp.max {
			return true
		}
	}
	return spans == nil
}

func printSpans(spans []span, format func(uint64) string) string {
	parts := make([]string, len(spans))
	for i, sp := range spans {
		parts[i] = format(sp.min)
		if sp.max != sp.min {
			parts[i] += ".." + format(sp.max)
		}
	}
	return strings.Join(parts, " | ")
}

func (t *Type) parseString(lexical string) (Value, *ValueError) {
	length, ok := countChars(lexical)
	if !ok {
		return Value{}, t.invalid(lexical, "it contains a character that XML does not allow (RFC 7950 section 9.4)")
	}
	if t.lengths != nil && !inSpans(length, t.lengths) {
		e := t.invalid(lexical, "its length is %d, allowed are %s characters", length, printSpans(t.lengths, formatLength))
		return Value{}, t.lengthRule.apply(e)
	}
	for _, p := range t.patterns {
		if p.Match(lexical) {
			continue
		}
		e := t.invalid(lexical, "it does not match the pattern %q", p.Source)
		if p.Invert {
			e = t.invalid(lexical, "it matches the excluded pattern %q", p.Source)
		}
		return Value{}, rule{p.Message, p.AppTag}.apply(e)
	}
	return Value{t, lexical}, nil
}

// countChars returns the number of characters, and false when one of them is not
// a yang-char (RFC 7950 section 14).
func countChars(s string) (uint64, bool) {
	n := uint64(0)
	for i := 0; i < len(s); {
		if b := s[i]; b < utf8.RuneSelf {
			if b < ' ' && b != '\t' && b != '\n' && b != '\r' {
				return 0, false
			}
			i++
			n++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || 0xFDD0 <= r && r <= 0xFDEF || r&0xFFFE == 0xFFFE {
			return 0, false
		}
		i += size
		n++
	}
	return n, true
}

func (t *Type) enumNames() string {
	const limit = 12
	var names []string
	for i, e := range t.enums {
		if i == limit {
			names = append(names, fmt.Sprintf("and %d more", len(t.enums)-limit))
			break
		}
		names = append(names, e.Name)
	}
	return strings.Join(names, ", ")
}

func (t *Type) parseBits(lexical string) (Value, *ValueError) {
	names := strings.FieldsFunc(lexical, func(r rune) bool { return strings.ContainsRune(space, r) })
	index := make([]int, 0, len(names))
	for _, name := range names {
		i, ok := t.byBit[name]
		if !ok {
			return Value{}, t.invalid(lexical, "there is no bit %q", name)
		}
		if slices.Contains(index, i) {
			return Value{}, t.invalid(lexical, "bit %q is there twice", name)
		}
		index = append(index, i)
	}
	slices.Sort(index)
	for j, i := range index {
		names[j] = t.bits[i].Name
	}
	return Value{t, strings.Join(names, " ")}, nil
}

func (t *Type) parseBinary(lexical string) (Value, *ValueError) {
	text := lexical
	if strings.ContainsAny(text, space) {
		text = strings.Map(func(r rune) rune {
			if strings.ContainsRune(space, r) {
				return -1
			}
			return r
		}, text)
	}
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return Value{}, t.invalid(lexical, "it is not base64 (RFC 4648 section 4)")
	}
	if !inSpans(uint64(len(data)), t.lengths) {
		e := t.invalid(lexical, "its length is %d, allowed are %s octets", len(data), printSpans(t.lengths, formatLength))
		return Value{}, t.lengthRule.apply(e)
	}
	return Value{t, text}, nil
}

func (t *Type) parseIdentity(lexical string, r Resolver) (Value, *ValueError) {
	text := strings.Trim(lexical, space)
	prefix, name, ok := strings.Cut(text, ":")
	if !ok {
		prefix, name = "", text
	}
	var mod *Module
	if r != nil {
		mod = r.Module(prefix)
	}
	if mod == nil {
		if prefix == "" {
			return Value{}, t.invalid(lexical, "the name has no prefix and no namespace is in scope")
		}
		return Value{}, t.invalid(lexical, "no module is known by the prefix %q", prefix)
	}
	id := mod.schema.identities[nameKey{mod, name}]
	if id == nil {
		return Value{}, t.invalid(lexical, "module %s has no identity %q", mod.Name, name)
	}
	for _, base := range t.bases {
		if !id.DerivedFrom(base) {
			return Value{}, t.invalid(lexical, "%s is not derived from %s", id, base)
		}
	}
	return Value{t, id.String()}, nil
}

// noMember explains why no member of a union takes the value: the members' own
// reasons when there are few of them.
func (t *Type) noMember(lexical string, r Resolver, inModule bool) *ValueError {
	const limit = 3
	var reasons []string
	for i, m := range t.union {
		if i == limit {
			reasons = append(reasons, fmt.Sprintf("and %d more", len(t.union)-limit))
			break
		}
		_, err := m.parse(lexical, r, inModule)
		reasons = append(reasons, strings.TrimPrefix(err.Message, quote(lexical)+" "))
	}
	return t.invalid(lexical, "no member of the union takes it (%s)", strings.Join(reasons, "; "))
}
