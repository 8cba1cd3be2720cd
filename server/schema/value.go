package schema

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// Value is a value of a leaf or leaf-list entry in canonical form. Values are
// comparable with ==; the zero Value is no value.
type Value struct {
	typ *Type // never a leafref or union
	str string
}

// String returns the canonical form (RFC 7950 section 9), which is the same in
// every encoding: an identityref is "module:name", an instance-identifier has
// the form of RFC 7951, bits stand in the order of their positions.
func (v Value) String() string { return v.str }

// Type returns the built-in type with its restrictions: of a union the member
// that took the value, of a leafref the type of its target; nil for the zero Value.
func (v Value) Type() *Type { return v.typ }

// IsZero reports whether v is no value.
func (v Value) IsZero() bool { return v.typ == nil }

// Int returns the number of an integer type, the value of an enum, or 0.
func (v Value) Int() int64 {
	switch {
	case v.typ == nil:
		return 0
	case v.typ.kind == Enumeration:
		if i, ok := v.typ.byEnum[v.str]; ok {
			return int64(v.typ.enums[i].Value)
		}
		return 0
	case v.typ.kind == Uint64:
		return int64(v.Uint())
	}
	n, _ := strconv.ParseInt(v.str, 10, 64)
	return n
}

// Uint returns the number of an unsigned integer type, or 0.
func (v Value) Uint() uint64 {
	n, _ := strconv.ParseUint(v.str, 10, 64)
	return n
}

// Bool reports whether v is the boolean true.
func (v Value) Bool() bool { return v.typ != nil && v.typ.kind == Boolean && v.str == "true" }

// Decimal returns a decimal64 as digits × 10^-frac, or 0, 0.
func (v Value) Decimal() (digits int64, frac int) {
	if v.typ == nil || v.typ.kind != Decimal64 {
		return 0, 0
	}
	digits, err := parseDecimal(v.str, v.typ.fraction)
	if err != nil {
		return 0, 0
	}
	return digits, v.typ.fraction
}

// Bytes returns the octets of a binary, or nil.
func (v Value) Bytes() []byte {
	if v.typ == nil || v.typ.kind != Binary {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(v.str)
	if err != nil {
		return nil
	}
	return b
}

// Bits returns the names of the bits that are set, by ascending position.
func (v Value) Bits() []string {
	if v.typ == nil || v.typ.kind != Bits {
		return nil
	}
	return strings.Fields(v.str)
}

// Identity returns the identity that an identityref names, or nil.
func (v Value) Identity() *Identity {
	if v.typ == nil || v.typ.kind != Identityref || len(v.typ.bases) == 0 {
		return nil
	}
	mod, name, _ := strings.Cut(v.str, ":")
	s := v.typ.bases[0].Module.schema
	if m := s.byName[mod]; m != nil {
		return s.identities[nameKey{m, name}]
	}
	return nil
}

// Compare orders values: numbers by their size, all else by canonical form, and
// numbers before all else. It is 0 for values that print the same.
func Compare(a, b Value) int {
	an, bn := a.isNumber(), b.isNumber()
	switch {
	case an && bn:
		return cmp.Or(compareNumbers(a.str, b.str), strings.Compare(a.str, b.str))
	case an:
		return -1
	case bn:
		return 1
	}
	return strings.Compare(a.str, b.str)
}

func (v Value) isNumber() bool { return v.typ != nil && v.typ.kind <= Decimal64 }

// compareNumbers compares canonical numbers as text, which costs no allocation
// and knows no overflow: sign, then length of the whole part, then digits.
func compareNumbers(a, b string) int {
	an, bn := strings.HasPrefix(a, "-"), strings.HasPrefix(b, "-")
	switch {
	case an && bn:
		a, b = b[1:], a[1:]
	case an:
		return -1
	case bn:
		return 1
	}
	aw, af, _ := strings.Cut(a, ".")
	bw, bf, _ := strings.Cut(b, ".")
	return cmp.Or(cmp.Compare(len(aw), len(bw)), strings.Compare(aw, bw),
		strings.Compare(strings.TrimRight(af, "0"), strings.TrimRight(bf, "0")))
}

// StringValue makes the value of t whose canonical form is s. It is for callers
// that produce state and know what they write: nothing is checked, except that
// the member of a union is found by reading s.
func StringValue(t *Type, s string) Value {
	for t.kind == Leafref && t.leafref.Target != nil {
		t = t.leafref.Target.Type
	}
	if t.kind == Union && len(t.union) > 0 {
		if v, err := t.parse(s, canonicalResolver{t}, false); err == nil {
			return v
		}
		return StringValue(t.union[len(t.union)-1], s)
	}
	return Value{t, s}
}

// MustParse is Parse with module names as prefixes; it panics on a value that
// is not of type t. It is for tests and for constants.
func MustParse(t *Type, lexical string) Value {
	v, err := t.parse(lexical, canonicalResolver{t}, false)
	if err != nil {
		panic(fmt.Sprintf("schema: %v", err))
	}
	return v
}

// canonicalResolver resolves module names through any module that the type
// leads to.
type canonicalResolver struct{ t *Type }

func (r canonicalResolver) Module(prefix string) *Module {
	if s := r.t.schema(); s != nil {
		return s.byName[prefix]
	}
	return nil
}

// schema returns the schema that t belongs to, as far as t can contain prefixes.
func (t *Type) schema() *Schema {
	switch t.kind {
	case Identityref:
		if len(t.bases) > 0 {
			return t.bases[0].Module.schema
		}
	case InstanceIdentifier:
		return t.owner
	case Leafref:
		if t.leafref.Target != nil {
			return t.leafref.Target.Type.schema()
		}
	case Union:
		for _, m := range t.union {
			if s := m.schema(); s != nil {
				return s
			}
		}
	}
	return nil
}
