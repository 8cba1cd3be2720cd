package schema

import "errors"

type span struct{ min, max uint64 }
type leafrefStep struct{}
type Pattern struct{ Source string; Invert bool; Message, AppTag string }

func (t *Type) Range() []Range { return nil }
func (t *Type) Length() []Length { return nil }
func (t *Type) Parse(lexical string, r Resolver) (Value, error) { return Value{t, lexical}, nil }
func (v Value) String() string { return v.str }
func (v Value) Type() *Type { return v.typ }
func (v Value) IsZero() bool { return v.typ == nil }
func (v Value) Int() int64 { return 0 }
func (v Value) Uint() uint64 { return 0 }
func (v Value) Bool() bool { return v.str == "true" }
func (v Value) Decimal() (digits int64, frac int) { return 0, 0 }
func (v Value) Bytes() []byte { return nil }
func (v Value) Bits() []string { return nil }
func Compare(a, b Value) int { return 0 }
func StringValue(t *Type, s string) Value { return Value{t, s} }
func MustParse(t *Type, s string) Value { return Value{t, s} }
func Compile(o Options) (*Schema, error) { return nil, errors.New("schema: being written") }
