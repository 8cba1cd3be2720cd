package codec

import (
	"encoding/base64"
	"math"
	"math/big"
	"strconv"
	"strings"

	gpb "github.com/openconfig/gnmi/proto/gnmi"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// ToTypedValue returns v under gNMI's PROTO encoding (gNMI specification
// section 2.2.3): int_val for signed and uint_val for unsigned integers,
// bool_val, bytes_val for binary, double_val for decimal64, bool_val true for
// empty, and string_val for all else, identities with their module's name.
func ToTypedValue(v schema.Value) *gpb.TypedValue {
	t := v.Type()
	if t == nil {
		return &gpb.TypedValue{Value: &gpb.TypedValue_StringVal{StringVal: v.String()}}
	}
	switch k := t.Kind(); {
	case k.IsSigned():
		return &gpb.TypedValue{Value: &gpb.TypedValue_IntVal{IntVal: v.Int()}}
	case k.IsUnsigned():
		return &gpb.TypedValue{Value: &gpb.TypedValue_UintVal{UintVal: v.Uint()}}
	case k == schema.Boolean:
		return &gpb.TypedValue{Value: &gpb.TypedValue_BoolVal{BoolVal: v.Bool()}}
	case k == schema.Empty:
		return &gpb.TypedValue{Value: &gpb.TypedValue_BoolVal{BoolVal: true}}
	case k == schema.Binary:
		return &gpb.TypedValue{Value: &gpb.TypedValue_BytesVal{BytesVal: v.Bytes()}}
	case k == schema.Decimal64:
		f, err := strconv.ParseFloat(v.String(), 64)
		if err == nil {
			return &gpb.TypedValue{Value: &gpb.TypedValue_DoubleVal{DoubleVal: f}}
		}
	}
	return &gpb.TypedValue{Value: &gpb.TypedValue_StringVal{StringVal: v.String()}}
}

// LeafListTypedValue returns the values of a leaf-list under PROTO.
func LeafListTypedValue(holder *tree.Node) *gpb.TypedValue {
	arr := &gpb.ScalarArray{Element: make([]*gpb.TypedValue, 0, holder.Len())}
	for c := range holder.Children() {
		arr.Element = append(arr.Element, ToTypedValue(c.Value()))
	}
	return &gpb.TypedValue{Value: &gpb.TypedValue_LeaflistVal{LeaflistVal: arr}}
}

// JSONTypedValue returns n as json_ietf_val if opt.IETF is set, else as
// json_val (gNMI specification section 2.3.1: a leaf is a bare JSON value).
func JSONTypedValue(n *tree.Node, opt EncodeOptions) *gpb.TypedValue {
	data := AppendJSON(nil, n, opt)
	if opt.IETF {
		return &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: data}}
	}
	return &gpb.TypedValue{Value: &gpb.TypedValue_JsonVal{JsonVal: data}}
}

// FromTypedValue returns the edits that give the value tv to the instance at
// path with operation op, Merge or Replace. Containers and list entries take
// JSON values; leafs take JSON or the scalar of their type; a leaf-list takes
// a JSON array or leaflist_val, which replaces it whole. The error is a
// yangerr.List; the tag operation-not-supported stands for an encoding that is
// not supported.
func FromTypedValue(s *schema.Schema, path tree.Path, tv *gpb.TypedValue, op tree.Op) ([]tree.Edit, error) {
	one := func(tag yangerr.Tag, format string, args ...any) ([]tree.Edit, error) {
		return nil, yangerr.List{yangerr.New(tag, path, format, args...)}
	}
	switch v := tv.GetValue().(type) {
	case nil:
		return one(yangerr.MissingElement, "the update has no value")
	case *gpb.TypedValue_JsonIetfVal:
		return DecodeJSONEdits(s, path, v.JsonIetfVal, op, JSONOptions{IETF: true, ConfigOnly: true})
	case *gpb.TypedValue_JsonVal:
		return DecodeJSONEdits(s, path, v.JsonVal, op, JSONOptions{ConfigOnly: true})
	case *gpb.TypedValue_AsciiVal, *gpb.TypedValue_ProtoBytes, *gpb.TypedValue_AnyVal:
		return one(yangerr.OperationNotSupported, "the encoding %s is not supported", valueName(tv))
	}
	if len(path) == 0 {
		return one(yangerr.InvalidValue, "a %s cannot be the value of the root", valueName(tv))
	}
	last := path[len(path)-1]
	n := last.Node
	if !n.Config {
		return one(yangerr.UnknownElement, "%q is state data, which cannot be set", n.Name)
	}
	switch n.Kind {
	case schema.Leaf:
		if v, e := scalarValue(s, n, path, tv); e != nil {
			return nil, yangerr.List{e}
		} else {
			return []tree.Edit{{Op: op, Path: path, Value: v}}, nil
		}
	case schema.LeafList:
		if len(last.Keys) > 0 {
			v, e := scalarValue(s, n, path, tv)
			if e != nil {
				return nil, yangerr.List{e}
			}
			if v.String() != last.Keys[0].String() {
				return one(yangerr.InvalidValue, "the value is %q, but the path says %q", v.String(), last.Keys[0].String())
			}
			return []tree.Edit{{Op: tree.Merge, Path: path, Value: v}}, nil
		}
		arr, ok := tv.GetValue().(*gpb.TypedValue_LeaflistVal)
		if !ok {
			return one(yangerr.InvalidValue, "leaf-list %q: %s where leaflist_val is expected", n.Name, valueName(tv))
		}
		var values []schema.Value
		for _, el := range arr.LeaflistVal.GetElement() {
			v, e := scalarValue(s, n, path, el)
			if e != nil {
				return nil, yangerr.List{e}
			}
			values = append(values, v)
		}
		edits, e := LeafListEdits(path, values)
		if e != nil {
			return nil, yangerr.List{e}
		}
		return edits, nil
	}
	return one(yangerr.InvalidValue, "%s %q: %s where JSON is expected", n.Kind, n.Name, valueName(tv))
}

// scalarValue parses a scalar as a value of leaf n.
func scalarValue(s *schema.Schema, n *schema.Node, path tree.Path, tv *gpb.TypedValue) (schema.Value, *yangerr.Error) {
	v, err := parseScalar(n.Type, tv, s.NameResolver(n.Module))
	if err != nil {
		return v, valueError(path, n, err)
	}
	return v, nil
}

func parseScalar(t *schema.Type, tv *gpb.TypedValue, r schema.Resolver) (schema.Value, error) {
	for t.Kind() == schema.Leafref && t.Leafref().Target != nil {
		t = t.Leafref().Target.Type
	}
	if t.Kind() == schema.Union {
		for _, member := range t.Union() {
			if v, err := parseScalar(member, tv, r); err == nil {
				return v, nil
			}
		}
		return schema.Value{}, &schema.ValueError{Message: valueName(tv) + " of this value matches no member of the union"}
	}
	text, ok, want := "", false, "string_val"
	switch k := t.Kind(); {
	case k.IsSigned() || k.IsUnsigned():
		text, ok = integerText(tv)
		want = "int_val or uint_val"
	case k == schema.Decimal64:
		text, ok = decimalText(tv)
		want = "double_val"
	case k == schema.Boolean:
		var b *gpb.TypedValue_BoolVal
		if b, ok = tv.GetValue().(*gpb.TypedValue_BoolVal); ok {
			text = strconv.FormatBool(b.BoolVal)
		}
		want = "bool_val"
	case k == schema.Empty:
		b, is := tv.GetValue().(*gpb.TypedValue_BoolVal)
		ok = is && b.BoolVal
		want = "bool_val true"
	case k == schema.Binary:
		var b *gpb.TypedValue_BytesVal
		if b, ok = tv.GetValue().(*gpb.TypedValue_BytesVal); ok {
			text = base64.StdEncoding.EncodeToString(b.BytesVal)
		}
		want = "bytes_val"
	default:
		var str *gpb.TypedValue_StringVal
		if str, ok = tv.GetValue().(*gpb.TypedValue_StringVal); ok {
			text = str.StringVal
		}
	}
	if !ok {
		return schema.Value{}, &schema.ValueError{Message: valueName(tv) + " where " + want + " is expected"}
	}
	return t.Parse(text, r)
}

func integerText(tv *gpb.TypedValue) (string, bool) {
	switch v := tv.GetValue().(type) {
	case *gpb.TypedValue_IntVal:
		return strconv.FormatInt(v.IntVal, 10), true
	case *gpb.TypedValue_UintVal:
		return strconv.FormatUint(v.UintVal, 10), true
	}
	return "", false
}

// decimalText is the shortest decimal that the value stands for; the
// deprecated float_val and decimal_val are still understood.
func decimalText(tv *gpb.TypedValue) (string, bool) {
	switch v := tv.GetValue().(type) {
	case *gpb.TypedValue_DoubleVal:
		if math.IsNaN(v.DoubleVal) || math.IsInf(v.DoubleVal, 0) {
			return "", false
		}
		return strconv.FormatFloat(v.DoubleVal, 'f', -1, 64), true
	case *gpb.TypedValue_FloatVal:
		f := float64(v.FloatVal)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return "", false
		}
		return strconv.FormatFloat(f, 'f', -1, 32), true
	case *gpb.TypedValue_DecimalVal:
		if v.DecimalVal.GetPrecision() > 18 {
			return "", false
		}
		den := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(v.DecimalVal.GetPrecision())), nil)
		text := new(big.Rat).SetFrac(big.NewInt(v.DecimalVal.GetDigits()), den).FloatString(18)
		return strings.TrimSuffix(strings.TrimRight(text, "0"), "."), true
	}
	return integerText(tv)
}

// valueName is the name of the field of TypedValue that is set.
func valueName(tv *gpb.TypedValue) string {
	m := tv.ProtoReflect()
	fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("value"))
	if fd == nil {
		return "no value"
	}
	return string(fd.Name())
}
