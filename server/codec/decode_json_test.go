package codec

import (
	"errors"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

func path(t testing.TB, s *schema.Schema, text string) tree.Path {
	t.Helper()
	p, err := tree.ParsePath(s, text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDecodeJSONEdits(t *testing.T) {
	s := testSchema(t)
	for _, tc := range []struct {
		name, path, in string
		op             tree.Op
		ietf           bool
		want           string
	}{
		{"leaf", "/kitchen:top/u8", `5`, tree.Merge, true, "merge /kitchen:top/u8 = 5\n"},
		{"64-bit leaf", "/kitchen:top/i64", `"-5"`, tree.Replace, true, "replace /kitchen:top/i64 = -5\n"},
		{"64-bit leaf in plain JSON", "/kitchen:top/i64", `-5`, tree.Merge, false, "merge /kitchen:top/i64 = -5\n"},
		{"decimal64 in plain JSON", "/kitchen:top/dec", `1.5`, tree.Merge, false, "merge /kitchen:top/dec = 1.5\n"},
		{"exponents", "/kitchen:top/u16", `1.2e+3`, tree.Merge, true, "merge /kitchen:top/u16 = 1200\n"},
		{"fraction of zeros", "/kitchen:top/u16", `12.00`, tree.Merge, true, "merge /kitchen:top/u16 = 12\n"},
		{"container", "/kitchen:top/inner", ` {"kitchen:y" : "1"} `, tree.Replace, true, "replace /kitchen:top/inner {\"y\":\"1\"}\n"},
		{"unqualified below its module", "/kitchen:top/inner", `{"y":"1"}`, tree.Merge, true, "merge /kitchen:top/inner {\"y\":\"1\"}\n"},
		{"container replaced by nothing", "/kitchen:top/inner", `{}`, tree.Replace, true, "replace /kitchen:top/inner {}\n"},
		{"presence container", "/kitchen:top/presence", `{}`, tree.Merge, true, "merge /kitchen:top/presence {}\n"},
		{"entry without keys", "/kitchen:top/entry[name='a'][id='1']", `{"value":"v"}`, tree.Replace, true,
			"replace /kitchen:top/entry[name='a'][id='1'] {\"name\":\"a\",\"id\":1,\"value\":\"v\"}\n"},
		{"entry with the same keys", "/kitchen:top/entry[name='a'][id='1']", `{"id":1,"name":"a"}`, tree.Merge, true,
			"merge /kitchen:top/entry[name='a'][id='1'] {\"name\":\"a\",\"id\":1}\n"},
		{"entries inside, key last", "/kitchen:top", `{"kitchen:entry":[{"value":{},"x":1}]}`, tree.Merge, true, ""},
		{"leaf-list", "/kitchen:top/names", `["b","a"]`, tree.Merge, true,
			"remove /kitchen:top/names\nmerge /kitchen:top/names[.='b'] = b\nmerge /kitchen:top/names[.='a'] = a\n"},
		{"leaf-list value", "/kitchen:top/names[.='b']", `"b"`, tree.Replace, true, "merge /kitchen:top/names[.='b'] = b\n"},
		{"root", "/", `{"kitchen:top":{"u8":1},"pantry:store":{"n":2}}`, tree.Replace, true,
			"replace / {\"top\":{\"u8\":1},\"store\":{\"n\":2}}\n"},
		{"plain names", "/kitchen:top", `{"shelf":{"jar":"j"},"id":"kitchen:round"}`, tree.Merge, false,
			"merge /kitchen:top {\"id\":\"round\",\"shelf\":{\"jar\":\"j\"}}\n"},
		{"anydata", "/kitchen:top/blob", `{"x":[1,2]}`, tree.Replace, true, "replace /kitchen:top/blob {\"x\":[1,2]}\n"},
		{"union by JSON type", "/kitchen:top/uni", `"5"`, tree.Merge, true, "merge /kitchen:top/uni = 5\n"},
		{"empty", "/kitchen:top/empty", `[ null ]`, tree.Merge, true, "merge /kitchen:top/empty\n"},
		{"escapes", "/kitchen:top/str", `"\ud83d\ude00\u00e9\n\/\"\\\r\t"`, tree.Merge, true, "merge /kitchen:top/str = 😀é\n/\"\\\r\t\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			edits, err := DecodeJSONEdits(s, path(t, s, tc.path), []byte(tc.in), tc.op, JSONOptions{IETF: tc.ietf})
			if tc.want == "" {
				if err == nil {
					t.Errorf("got %s, want an error", printEdits(edits))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(printEdits(edits), "empty = \n", "empty\n")
			if got != tc.want {
				t.Errorf("got\n%swant\n%s", got, tc.want)
			}
		})
	}
}

func TestDecodeJSONErrors(t *testing.T) {
	s := testSchema(t)
	for _, tc := range []struct {
		name, path, in string
		tag            yangerr.Tag
		at             string
		msg            string
	}{
		{"unqualified at the root", "/", `{"top":{}}`, yangerr.UnknownElement, "", "kitchen:top"},
		{"unqualified in another module", "/kitchen:top", `{"kitchen:u8":1,"shelf":{}}`, yangerr.UnknownElement, "/kitchen:top", "pantry:shelf"},
		{"unknown member", "/kitchen:top", `{"nothing":1}`, yangerr.UnknownElement, "/kitchen:top", `no member "nothing"`},
		{"unknown module", "/kitchen:top", `{"bakery:u8":1}`, yangerr.UnknownNamespace, "/kitchen:top", "bakery"},
		{"wrong module", "/kitchen:top", `{"pantry:u8":1}`, yangerr.UnknownElement, "/kitchen:top", "pantry:u8"},
		{"annotation", "/kitchen:top", `{"@u8":{}}`, yangerr.UnknownAttribute, "/kitchen:top", "RFC 7952"},
		{"state data inside", "/kitchen:top", `{"kitchen:state":{}}`, yangerr.UnknownElement, "/kitchen:top/state", "state data"},
		{"state data", "/kitchen:top/state/count", `"1"`, yangerr.UnknownElement, "/kitchen:top/state/count", "state data"},
		{"member twice", "/kitchen:top", `{"u8":1,"kitchen:u8":1}`, yangerr.BadElement, "/kitchen:top/u8", "occurs twice"},
		{"list twice", "/kitchen:top", `{"entry":[],"entry":[]}`, yangerr.BadElement, "/kitchen:top/entry", "occurs twice"},
		{"entry twice", "/kitchen:top", `{"ordered":[{"name":"a"},{"name":"a"}]}`, yangerr.BadElement, "/kitchen:top/ordered[name='a']", "occurs twice"},
		{"leaf-list value twice", "/kitchen:top", `{"names":["a","a"]}`, yangerr.BadElement, "/kitchen:top/names[.='a']", "occurs twice"},
		{"leaf-list value twice at its path", "/kitchen:top/names", `["a","a"]`, yangerr.BadElement, "/kitchen:top/names[.='a']", "occurs twice"},
		{"two cases", "/kitchen:top", `{"road":"r","ship":"s"}`, yangerr.BadElement, "/kitchen:top/ship", "choice"},
		{"key missing", "/kitchen:top", `{"entry":[{"name":"a"}]}`, yangerr.MissingElement, "/kitchen:top/entry", `no key "id"`},
		{"key bad", "/kitchen:top", `{"entry":[{"name":"a","id":"x"}]}`, yangerr.InvalidValue, "/kitchen:top/entry/id", "a number"},
		{"key contradicts the path", "/kitchen:top/entry[name='a'][id='1']", `{"name":"b"}`, yangerr.InvalidValue, "/kitchen:top/entry[name='a'][id='1']/name", `the path says "a"`},
		{"path without entry", "/kitchen:top/entry", `[{}]`, yangerr.MissingElement, "/kitchen:top/entry", "names no entry"},
		{"number as string", "/kitchen:top/u8", `"5"`, yangerr.InvalidValue, "/kitchen:top/u8", "a string where JSON needs a number"},
		{"64-bit as number", "/kitchen:top/u64", `5`, yangerr.InvalidValue, "/kitchen:top/u64", "a number where JSON needs a string"},
		{"string as number", "/kitchen:top/str", `5`, yangerr.InvalidValue, "/kitchen:top/str", "needs a string"},
		{"boolean as string", "/kitchen:top/bool", `"true"`, yangerr.InvalidValue, "/kitchen:top/bool", "needs true or false"},
		{"empty as null", "/kitchen:top/empty", `null`, yangerr.InvalidValue, "/kitchen:top/empty", "needs [null]"},
		{"null", "/kitchen:top/u8", `null`, yangerr.InvalidValue, "/kitchen:top/u8", "null where"},
		{"fraction", "/kitchen:top/u8", `1.5`, yangerr.InvalidValue, "/kitchen:top/u8", "u8"},
		{"huge exponent", "/kitchen:top/u8", `1e999999999`, yangerr.InvalidValue, "/kitchen:top/u8", "u8"},
		{"out of range", "/kitchen:top/u8", `256`, yangerr.InvalidValue, "/kitchen:top/u8", "u8"},
		{"no member of the union", "/kitchen:top/uni", `"x"`, yangerr.InvalidValue, "/kitchen:top/uni", "no member of the union"},
		{"array for a container", "/kitchen:top/inner", `[]`, yangerr.InvalidValue, "/kitchen:top/inner", "an array where an object"},
		{"object for a list", "/kitchen:top", `{"entry":{}}`, yangerr.InvalidValue, "/kitchen:top/entry", "an object where an array"},
		{"scalar as entry", "/kitchen:top", `{"entry":[1]}`, yangerr.InvalidValue, "/kitchen:top/entry", "not an object"},
		{"anydata that is no object", "/kitchen:top/blob", `1`, yangerr.InvalidValue, "/kitchen:top/blob", "an object is expected"},
		{"value contradicts the path", "/kitchen:top/names[.='a']", `"b"`, yangerr.InvalidValue, "/kitchen:top/names[.='a']", "the path says"},
		{"nothing", "/kitchen:top", ``, yangerr.MalformedMessage, "", "no JSON value"},
		{"two values", "/kitchen:top/u8", `1 2`, yangerr.MalformedMessage, "", "text after"},
		{"not closed", "/kitchen:top", `{"u8":1`, yangerr.MalformedMessage, "", "ends where"},
		{"trailing comma", "/kitchen:top", `{"u8":1,}`, yangerr.MalformedMessage, "", "is expected"},
		{"leading zero", "/kitchen:top/u8", `01`, yangerr.MalformedMessage, "", "malformed number"},
		{"plus sign", "/kitchen:top/u8", `+1`, yangerr.MalformedMessage, "", "no JSON value"},
		{"bare point", "/kitchen:top/dec", `1.`, yangerr.MalformedMessage, "", "malformed number"},
		{"control character", "/kitchen:top/str", "\"\n\"", yangerr.MalformedMessage, "", "control character"},
		{"half a surrogate pair", "/kitchen:top/str", `"\ud83d"`, yangerr.MalformedMessage, "", "surrogate"},
		{"unknown escape", "/kitchen:top/str", `"\x"`, yangerr.MalformedMessage, "", "escape"},
		{"bad UTF-8", "/kitchen:top/str", "\"\xff\"", yangerr.MalformedMessage, "", "UTF-8"},
		{"name twice in anydata", "/kitchen:top/blob", `{"a":1,"a":2}`, yangerr.MalformedMessage, "", "occurs twice"},
		{"too deep", "/kitchen:top/blob", strings.Repeat(`{"a":`, 1000), yangerr.TooBig, "", "nested deeper"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			edits, err := DecodeJSONEdits(s, path(t, s, tc.path), []byte(tc.in), tree.Merge, JSONOptions{IETF: true})
			var l yangerr.List
			if !errors.As(err, &l) || len(l) != 1 || edits != nil {
				t.Fatalf("got %sand %v, want one error", printEdits(edits), err)
			}
			checkError(t, l[0], tc.tag, tc.at, tc.msg)
		})
	}
}
