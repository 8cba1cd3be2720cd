package schema

import "github.com/openconfig/goyang/pkg/yang"

// TypeKind is a built-in type of YANG (RFC 7950 section 4.2.4).
type TypeKind uint8

// The built-in types.
const (
	Int8 TypeKind = iota + 1
	Int16
	Int32
	Int64
	Uint8
	Uint16
	Uint32
	Uint64
	Decimal64
	String
	Boolean
	Enumeration
	Bits
	Binary
	Leafref
	Identityref
	Empty
	Union
	InstanceIdentifier
)

var typeKindNames = [...]string{
	"", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
	"decimal64", "string", "boolean", "enumeration", "bits", "binary", "leafref",
	"identityref", "empty", "union", "instance-identifier",
}

// String returns the name of the built-in type.
func (k TypeKind) String() string {
	if int(k) < len(typeKindNames) {
		return typeKindNames[k]
	}
	return "unknown"
}

// IsSigned reports whether k is int8 to int64.
func (k TypeKind) IsSigned() bool { return k >= Int8 && k <= Int64 }

// IsUnsigned reports whether k is uint8 to uint64.
func (k TypeKind) IsUnsigned() bool { return k >= Uint8 && k <= Uint64 }

// Type is a type with all restrictions of its typedef chain.
type Type struct {
	kind       TypeKind
	name       string // typedef, or the built-in type
	module     *Module
	fraction   int
	ranges     []span // integers and decimal64, ascending
	rangeRule  rule
	lengths    []span // string and binary
	lengthRule rule
	patterns   []*Pattern
	enums      []Enum
	bits       []Bit
	byEnum     map[string]int
	byBit      map[string]int
	bases      []*Identity
	union      []*Type
	leafref    *LeafrefSpec
	require    bool    // instance-identifier
	owner      *Schema // instance-identifier
}

// rule is what a range or length says about its violation.
type rule struct{ message, appTag string }

// Kind returns the built-in type.
func (t *Type) Kind() TypeKind { return t.kind }

// Name returns the name of the outermost typedef, or of the built-in type.
func (t *Type) Name() string { return t.name }

// Module returns the module of the typedef that Name names; nil for a built-in type.
func (t *Type) Module() *Module { return t.module }

// FractionDigits returns 1 to 18 for decimal64, else 0.
func (t *Type) FractionDigits() int { return t.fraction }

// Range is one part of a range restriction; both ends are canonical numbers.
type Range struct{ Min, Max string }

// Length is one part of a length restriction: characters of a string, octets of
// a binary.
type Length struct{ Min, Max uint64 }

// Enum is one enum of an enumeration.
type Enum struct {
	Name   string
	Value  int32
	Status Status
}

// Bit is one bit of a bits type.
type Bit struct {
	Name     string
	Position uint32
	Status   Status
}

// Enums returns the enums in the order of definition.
func (t *Type) Enums() []Enum { return t.enums }

// Bits returns the bits by ascending position.
func (t *Type) Bits() []Bit { return t.bits }

// Identities returns the bases of an identityref.
func (t *Type) Identities() []*Identity { return t.bases }

// Patterns returns all patterns of the typedef chain; each must hold.
func (t *Type) Patterns() []*Pattern { return t.patterns }

// Union returns the member types in order.
func (t *Type) Union() []*Type { return t.union }

// Leafref returns what a leafref refers to; nil for other types.
func (t *Type) Leafref() *LeafrefSpec { return t.leafref }

// RequireInstance reports whether an instance-identifier or leafref must refer
// to something that exists.
func (t *Type) RequireInstance() bool {
	if t.kind == Leafref {
		return t.leafref.RequireInstance
	}
	return t.require
}

// LeafrefSpec is the path of a leafref with the node it leads to.
type LeafrefSpec struct {
	Path            string
	Target          *Node
	RequireInstance bool
	Expr            Expr // Path with its prefixes and position
	path            leafrefPath
	stmt            *yang.Statement
}

// Resolver gives the meaning of prefixes inside a value.
type Resolver interface {
	// Module returns the module that prefix stands for, or nil. The empty prefix
	// stands for names that have none: in XML the default namespace in scope, in
	// JSON the module of the leaf.
	Module(prefix string) *Module
}

// ValueError says why a text is not a value of a type.
type ValueError struct {
	Message string
	AppTag  string // error-app-tag of the violated restriction, or empty
	Stated  bool   // Message is the error-message of the violated restriction
}

// Error returns the message.
func (e *ValueError) Error() string { return e.Message }

// Pattern is a pattern statement.
type Pattern struct {
	Source  string // the regular expression of XML Schema as written
	Invert  bool   // modifier invert-match
	Message string // error-message, or empty
	AppTag  string // error-app-tag, or empty

	match func(string) bool
}

// Match reports whether s satisfies the pattern, the modifier included.
func (p *Pattern) Match(s string) bool { return p.match(s) != p.Invert }

// Range returns the parts of the range restriction in ascending order, of a
// number type without one its whole range; nil for other types.
func (t *Type) Range() []Range {
	lo, hi, ok := t.numberLimits()
	if !ok {
		return nil
	}
	spans := t.ranges
	if spans == nil {
		spans = []span{{lo, hi}}
	}
	list := make([]Range, len(spans))
	for i, sp := range spans {
		list[i] = Range{t.formatNumber(sp.min), t.formatNumber(sp.max)}
	}
	return list
}

// Length returns the parts of the length restriction in ascending order; nil
// when there is none.
func (t *Type) Length() []Length {
	var list []Length
	for _, sp := range t.lengths {
		list = append(list, Length{sp.min, sp.max})
	}
	return list
}

// builtinKind returns the built-in type called name, or 0.
func builtinKind(name string) TypeKind {
	for k := Int8; k <= InstanceIdentifier; k++ {
		if typeKindNames[k] == name {
			return k
		}
	}
	return 0
}
