package codec

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

func typed(t testing.TB, text string) *gpb.TypedValue {
	t.Helper()
	tv := &gpb.TypedValue{}
	if err := prototext.Unmarshal([]byte(text), tv); err != nil {
		t.Fatal(err)
	}
	return tv
}

// TestTypedValue: PROTO has one scalar per leaf (gNMI specification 2.2.3),
// and what it gives is taken back.
func TestTypedValue(t *testing.T) {
	s := testSchema(t)
	top := data(t, s, everything).ChildNamed("top")
	for _, tc := range []struct{ leaf, want string }{
		{"i8", `int_val: -128`},
		{"i64", `int_val: -9223372036854775808`},
		{"u8", `uint_val: 255`},
		{"u64", `uint_val: 18446744073709551615`},
		{"dec", `double_val: -1.125`},
		{"str", `string_val: "a <b> & \"c\" é😀"`},
		{"bool", `bool_val: true`},
		{"enum", `string_val: "two words"`},
		{"bits", `string_val: "a c"`},
		{"bin", `bytes_val: "hello"`},
		{"ref", `uint_val: 9`},
		{"id", `string_val: "pantry:square"`},
		{"empty", `bool_val: true`},
		{"inst", `string_val: "/kitchen:top/entry[name='a:/[b'][id='1']/pantry:label"`},
		{"uni", `uint_val: 18446744073709551615`},
	} {
		t.Run(tc.leaf, func(t *testing.T) {
			n := top.ChildNamed(tc.leaf)
			got, want := ToTypedValue(n.Value()), typed(t, tc.want)
			if d := cmp.Diff(want, got, protocmp.Transform()); d != "" {
				t.Fatal(d)
			}
			edits, err := FromTypedValue(s, path(t, s, "/kitchen:top/"+tc.leaf), got, tree.Replace)
			if err != nil {
				t.Fatal(err)
			}
			if len(edits) != 1 || edits[0].Op != tree.Replace || edits[0].Value != n.Value() {
				t.Errorf("taken back as %s", printEdits(edits))
			}
		})
	}
	want := typed(t, `leaflist_val { element { uint_val: 3 } element { uint_val: 10 } }`)
	if d := cmp.Diff(want, LeafListTypedValue(top.ChildNamed("numbers")), protocmp.Transform()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(typed(t, `json_ietf_val: "\"18446744073709551615\""`), JSONTypedValue(top.ChildNamed("u64"), EncodeOptions{IETF: true}), protocmp.Transform()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(typed(t, `json_val: "18446744073709551615"`), JSONTypedValue(top.ChildNamed("u64"), EncodeOptions{}), protocmp.Transform()); d != "" {
		t.Error(d)
	}
}

func TestFromTypedValue(t *testing.T) {
	s := testSchema(t)
	for _, tc := range []struct {
		name, path, in string
		want           string
	}{
		{"int_val for an unsigned leaf", "/kitchen:top/u8", `int_val: 5`, "merge /kitchen:top/u8 = 5\n"},
		{"uint_val for a signed leaf", "/kitchen:top/i8", `uint_val: 5`, "merge /kitchen:top/i8 = 5\n"},
		{"integer for a decimal64", "/kitchen:top/dec", `int_val: 5`, "merge /kitchen:top/dec = 5.0\n"},
		{"the deprecated float", "/kitchen:top/dec", `float_val: 0.1`, "merge /kitchen:top/dec = 0.1\n"},
		{"the deprecated decimal64", "/kitchen:top/dec", `decimal_val { digits: -1125 precision: 3 }`, "merge /kitchen:top/dec = -1.125\n"},
		{"identity without module", "/kitchen:top/id", `string_val: "round"`, "merge /kitchen:top/id = kitchen:round\n"},
		{"leaf-list", "/kitchen:top/numbers", `leaflist_val { element { uint_val: 7 } element { uint_val: 3 } }`,
			"remove /kitchen:top/numbers\nmerge /kitchen:top/numbers[.='7'] = 7\nmerge /kitchen:top/numbers[.='3'] = 3\n"},
		{"empty leaf-list", "/kitchen:top/numbers", `leaflist_val {}`, "remove /kitchen:top/numbers\n"},
		{"leaf-list value", "/kitchen:top/numbers[.='7']", `uint_val: 7`, "merge /kitchen:top/numbers[.='7'] = 7\n"},
		{"JSON_IETF", "/kitchen:top/inner", `json_ietf_val: "{\"kitchen:y\":\"1\"}"`, "merge /kitchen:top/inner {\"y\":\"1\"}\n"},
		{"JSON", "/kitchen:top/u64", `json_val: "5"`, "merge /kitchen:top/u64 = 5\n"},
		{"union", "/kitchen:top/uni", `bool_val: true`, "merge /kitchen:top/uni = true\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			edits, err := FromTypedValue(s, path(t, s, tc.path), typed(t, tc.in), tree.Merge)
			if err != nil {
				t.Fatal(err)
			}
			if got := printEdits(edits); got != tc.want {
				t.Errorf("got\n%swant\n%s", got, tc.want)
			}
		})
	}
}

func TestFromTypedValueErrors(t *testing.T) {
	s := testSchema(t)
	nan := &gpb.TypedValue{Value: &gpb.TypedValue_DoubleVal{DoubleVal: math.NaN()}}
	for _, tc := range []struct {
		name, path string
		in         *gpb.TypedValue
		tag        yangerr.Tag
		msg        string
	}{
		{"nil", "/kitchen:top/u8", nil, yangerr.MissingElement, "no value"},
		{"no value", "/kitchen:top/u8", &gpb.TypedValue{}, yangerr.MissingElement, "no value"},
		{"ASCII", "/kitchen:top/u8", typed(t, `ascii_val: "5"`), yangerr.OperationNotSupported, "ascii_val"},
		{"bytes of a protobuf", "/kitchen:top/u8", typed(t, `proto_bytes: "5"`), yangerr.OperationNotSupported, "proto_bytes"},
		{"string for a number", "/kitchen:top/u8", typed(t, `string_val: "5"`), yangerr.InvalidValue, "string_val where int_val"},
		{"negative for unsigned", "/kitchen:top/u8", typed(t, `int_val: -5`), yangerr.InvalidValue, "u8"},
		{"out of range", "/kitchen:top/u8", typed(t, `uint_val: 256`), yangerr.InvalidValue, "u8"},
		{"number for a string", "/kitchen:top/str", typed(t, `uint_val: 256`), yangerr.InvalidValue, "uint_val where string_val"},
		{"number for a boolean", "/kitchen:top/bool", typed(t, `uint_val: 1`), yangerr.InvalidValue, "where bool_val"},
		{"false for empty", "/kitchen:top/empty", typed(t, `bool_val: false`), yangerr.InvalidValue, "bool_val true"},
		{"string for binary", "/kitchen:top/bin", typed(t, `string_val: "aGVsbG8="`), yangerr.InvalidValue, "where bytes_val"},
		{"not a number", "/kitchen:top/dec", nan, yangerr.InvalidValue, "where double_val"},
		{"too precise", "/kitchen:top/dec", typed(t, `double_val: 0.00001`), yangerr.InvalidValue, "dec"},
		{"precision of a decimal", "/kitchen:top/dec", typed(t, `decimal_val { digits: 1 precision: 4000000000 }`), yangerr.InvalidValue, "dec"},
		{"no member of the union", "/kitchen:top/uni", typed(t, `int_val: -1`), yangerr.InvalidValue, "no member"},
		{"scalar for a leaf-list", "/kitchen:top/numbers", typed(t, `uint_val: 1`), yangerr.InvalidValue, "leaflist_val is expected"},
		{"bad value in a leaf-list", "/kitchen:top/numbers", typed(t, `leaflist_val { element { bool_val: true } }`), yangerr.InvalidValue, "bool_val where"},
		{"value twice in a leaf-list", "/kitchen:top/numbers", typed(t, `leaflist_val { element { uint_val: 1 } element { int_val: 1 } }`), yangerr.BadElement, "occurs twice"},
		{"leaf-list value contradicts the path", "/kitchen:top/numbers[.='7']", typed(t, `uint_val: 8`), yangerr.InvalidValue, "path says"},
		{"scalar for a container", "/kitchen:top/inner", typed(t, `string_val: "x"`), yangerr.InvalidValue, "where JSON is expected"},
		{"scalar for the root", "/", typed(t, `string_val: "x"`), yangerr.InvalidValue, "the root"},
		{"state data", "/kitchen:top/state/count", typed(t, `uint_val: 1`), yangerr.UnknownElement, "state data"},
		{"malformed JSON", "/kitchen:top/inner", typed(t, `json_ietf_val: "{"`), yangerr.MalformedMessage, "JSON byte 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			edits, err := FromTypedValue(s, path(t, s, tc.path), tc.in, tree.Merge)
			l := yangerr.From(err)
			if len(l) != 1 || edits != nil {
				t.Fatalf("got %sand %v, want one error", printEdits(edits), err)
			}
			if l[0].Tag != tc.tag || !strings.Contains(l[0].Message, tc.msg) {
				t.Errorf("got %v, want %s ...%s...", l[0], tc.tag, tc.msg)
			}
		})
	}
}
