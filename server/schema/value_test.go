package schema_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
)

// valueModule holds what identityrefs and instance-identifiers refer to.
const valueModule = `
  identity animal; identity pet { base animal; } identity dog { base pet; } identity stone;
  identity wet; identity fish { base pet; base wet; }
  container top {
    list item { key "name num"; leaf name { type string; } leaf num { type uint8; }
      leaf v { type string; } list pos { config false; leaf a { type string; } } }
    leaf-list ll { type int8; }
    leaf kind { type identityref { base animal; } }
    list bykind { key kind; leaf kind { type identityref { base animal; } } }
  }`

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		typ       string
		canonical map[string]string // lexical to canonical
		wrong     map[string]string // lexical to a part of the message
	}{
		{"type int8;", map[string]string{"0": "0", "-128": "-128", "+127": "127", "007": "7", "-0": "0", " 5\n": "5"},
			map[string]string{"": "not an integer", "128": "holds -128 to 127", "-129": "holds", "1.0": "not an integer", "0x10": "not an integer",
				"--1": "not an integer", "+-1": "not an integer", "1 2": "not an integer", "1_0": "not an integer", "9999999999999999999999": "holds"}},
		{"type int16;", map[string]string{"-32768": "-32768", "32767": "32767"}, map[string]string{"32768": "holds -32768 to 32767"}},
		{"type int32;", map[string]string{"-2147483648": "-2147483648"}, map[string]string{"2147483648": "holds"}},
		{"type int64;", map[string]string{"-9223372036854775808": "-9223372036854775808", "9223372036854775807": "9223372036854775807"},
			map[string]string{"9223372036854775808": "holds", "-9223372036854775809": "holds"}},
		{"type uint8;", map[string]string{"255": "255", "-0": "0"}, map[string]string{"256": "holds 0 to 255", "-1": "holds"}},
		{"type uint16;", map[string]string{"65535": "65535"}, map[string]string{"65536": "holds"}},
		{"type uint32;", map[string]string{"4294967295": "4294967295"}, map[string]string{"4294967296": "holds"}},
		{"type uint64;", map[string]string{"18446744073709551615": "18446744073709551615"}, map[string]string{"18446744073709551616": "holds"}},
		{`type uint8 { range "1..4 | 10 | 20..max"; }`, map[string]string{"1": "1", "10": "10", "255": "255"},
			map[string]string{"0": "the range is 1..4 | 10 | 20..255", "5": "range", "11": "range"}},
		{`type int8 { range "min..-5 | 5..10"; }`, map[string]string{"-128": "-128", "-5": "-5", "5": "5"}, map[string]string{"-4": "range", "11": "range"}},
		{`type uint8 { range "1..4" { error-message "one to four"; error-app-tag "small"; } }`, nil, map[string]string{"9": "one to four"}},
		{"type decimal64 { fraction-digits 2; }",
			map[string]string{"0": "0.0", "-0.00": "0.0", "+1.5": "1.5", "010.50": "10.5", "-0.05": "-0.05", "1.2000": "1.2", "92233720368547758.07": "92233720368547758.07", "-92233720368547758.08": "-92233720368547758.08"},
			map[string]string{"": "not a decimal", "1.": "not a decimal", ".5": "not a decimal", "1.234": "more than 2 fraction digits", "1e3": "not a decimal", "92233720368547758.08": "holds -92233720368547758.08 to 92233720368547758.07", "+": "not a decimal"}},
		{"type decimal64 { fraction-digits 18; }", map[string]string{"9.223372036854775807": "9.223372036854775807"}, map[string]string{"9.3": "holds"}},
		{`type decimal64 { fraction-digits 1; range "-1.5 .. 2 | 3.1"; }`, map[string]string{"-1.5": "-1.5", "2.0": "2.0", "3.1": "3.1"}, map[string]string{"2.1": "range is -1.5..2.0 | 3.1"}},
		{"type string;", map[string]string{"": "", " a ": " a ", "日本": "日本", "\t": "\t"}, map[string]string{"\x00": "character that XML does not allow", "\xff": "character", "\ufffe": "character"}},
		{`type string { length "2..3 | 5"; }`, map[string]string{"ab": "ab", "日本語": "日本語", "abcde": "abcde"}, map[string]string{"a": "its length is 1, allowed are 2..3 | 5 characters", "abcd": "length"}},
		{`type string { pattern '[a-z]+'; pattern 'x.*' { modifier invert-match; } }`, map[string]string{"abc": "abc"},
			map[string]string{"ABC": "does not match the pattern", "xyz": "matches the excluded pattern", "abc1": "does not match"}},
		{`type string { pattern 'a' { error-message "only a"; error-app-tag "a-only"; } }`, map[string]string{"a": "a"}, map[string]string{"b": "only a"}},
		{"type boolean;", map[string]string{"true": "true", "false": "false"}, map[string]string{"1": "neither true nor false", "TRUE": "neither", "": "neither", " true": "neither"}},
		{"type enumeration { enum a; enum 'b c' { value 7; } enum d; }", map[string]string{"a": "a", "b c": "b c", "d": "d"}, map[string]string{"e": "the enums are a, b c, d", "": "enums", " a": "enums"}},
		{"type bits { bit z { position 9; } bit a { position 1; } bit m; }", map[string]string{"": "", "z a": "a z", " m\n a ": "a m"},
			map[string]string{"q": `no bit "q"`, "a a": `bit "a" is there twice`, "A": "no bit"}},
		{"type binary;", map[string]string{"": "", "aGk=": "aGk=", "aG k\n=": "aGk="}, map[string]string{"a": "not base64", "aGk": "not base64", "aGl=": "not base64", "a_k=": "not base64"}},
		{`type binary { length "2"; }`, map[string]string{"aGk=": "aGk="}, map[string]string{"aA==": "its length is 1, allowed are 2 octets"}},
		{"type empty;", map[string]string{"": ""}, map[string]string{"x": "has no value", " ": "has no value"}},
		{"type identityref { base animal; }", map[string]string{"dog": "m:dog", "m:pet": "m:pet", " m:dog ": "m:dog"},
			map[string]string{"animal": "m:animal is not derived from m:animal", "stone": "not derived", "cat": `no identity "cat"`, "q:dog": `no module is known by the prefix "q"`, "": "no identity"}},
		{"type identityref { base pet; base wet; }", map[string]string{"fish": "m:fish"}, map[string]string{"dog": "m:dog is not derived from m:wet"}},
		{"type union { type uint8; type enumeration { enum auto; } type identityref { base animal; } }",
			map[string]string{"07": "7", "auto": "auto", "dog": "m:dog"}, map[string]string{"300": "no member of the union takes it", "": "no member"}},
		{"type union { type string { length 1; } type union { type int8; type boolean; } }", map[string]string{"1": "1", "10": "10", "true": "true"}, map[string]string{"1000": "no member"}},
		{`type leafref { path "/m:top/m:item/m:num"; }`, map[string]string{"08": "8"}, map[string]string{"256": "is not a valid uint8"}},
		{"type instance-identifier;",
			map[string]string{"/m:top": "/m:top", "/m:top/m:kind": "/m:top/kind", "/m:top/m:ll[.='07']": "/m:top/ll[.='7']",
				`/m:top/item[m:num = "1"] [ name='a b' ]/v`:     "/m:top/item[name='a b'][num='1']/v",
				`/m:top/m:item[m:name="it's"][num='2']`:         `/m:top/item[name="it's"][num='2']`,
				"/m:top/m:item[name='a'][num='1']/m:pos[ 3 ]/a": "/m:top/item[name='a'][num='1']/pos[3]/a",
				"/m:top/bykind[kind='m:dog']":                   "/m:top/bykind[kind='m:dog']"},
			map[string]string{"": "it is empty", "top": "slash is expected", "/top": `first name "top" has no prefix`, "/q:top": "no module is known", "/m:nope": "no data node",
				"/m:top/": "node name is expected", "/m:top/item[name='a']": `lacks its key "num"`, "/m:top/item": "lacks its key", "/m:top/item[name='a'][name='b']": "twice",
				"/m:top/item[v='a']": "not a key", "/m:top[1]": "takes no position", "/m:top/item[1]": "takes no position", "/m:top/item[name='a'][1]": "takes no position",
				"/m:top/item[name='a'": "closing bracket", "/m:top/item[name='a]": "closing quote", "/m:top/item[name]": "equals sign", "/m:top/item[name=a]": "quoted value",
				"/m:top/item[name='a'][num='x']": "not a valid uint8", "/m:top[.='x']": "takes no predicate", "/m:top/m:ll[0]": "not a position", "/m:top/m:ll[1][2]": "takes one predicate",
				"/m:top/m:ll[.='1'][.='2']": "takes one predicate", "/m:top/item[name='a'][num='1']/pos[1][2]": "takes one predicate", "/m:top/m:ll[1": "closing bracket"}},
	} {
		s := mustCompile(t, module(valueModule+"leaf x { "+tc.typ+" }"))
		typ, r := find(t, s, "/m:x").Type, s.NameResolver(s.Module("m"))
		for in, want := range tc.canonical {
			v, err := typ.Parse(in, r)
			if err != nil || v.String() != want {
				t.Errorf("%s: Parse(%q) = %q, %v; want %q", tc.typ, in, v, err, want)
				continue
			}
			if again, err := typ.Parse(v.String(), r); again != v || err != nil {
				t.Errorf("%s: Parse(%q) = %q, %v: the canonical form is not stable", tc.typ, v, again, err)
			}
			if trusted := schema.StringValue(typ, want); trusted != v {
				t.Errorf("%s: StringValue(%q) differs from the parsed value", tc.typ, want)
			}
		}
		for in, want := range tc.wrong {
			v, err := typ.Parse(in, r)
			var verr *schema.ValueError
			if !errors.As(err, &verr) || !strings.Contains(verr.Message, want) || !v.IsZero() {
				t.Errorf("%s: Parse(%q) = %q, %v; want an error with %q", tc.typ, in, v, err, want)
			}
		}
	}
}

func TestParseAppTag(t *testing.T) {
	for typ, want := range map[string]string{
		`type string { pattern 'a' { error-app-tag "a-only"; } }`: "a-only",
		`type string { length 1 { error-app-tag "one"; } }`:       "one",
		`type uint8 { range 1 { error-app-tag "first"; } }`:       "first",
		`type uint8;`: "",
	} {
		_, err := leafType(t, typ).Parse("999", nil)
		var verr *schema.ValueError
		if !errors.As(err, &verr) || verr.AppTag != want {
			t.Errorf("%s: error %+v, want the tag %q", typ, verr, want)
		}
	}
}

func TestValueAccessors(t *testing.T) {
	if v := schema.MustParse(leafType(t, "type int64;"), "-9223372036854775808"); v.Int() != -1<<63 {
		t.Errorf("Int() = %d", v.Int())
	}
	if v := schema.MustParse(leafType(t, "type uint64;"), "18446744073709551615"); v.Uint() != 1<<64-1 || v.Int() != -1 {
		t.Errorf("Uint() = %d, Int() = %d", v.Uint(), v.Int())
	}
	if d, f := schema.MustParse(leafType(t, "type decimal64 { fraction-digits 3; }"), "-1.5").Decimal(); d != -1500 || f != 3 {
		t.Errorf("Decimal() = %d, %d", d, f)
	}
	if v := schema.MustParse(leafType(t, "type enumeration { enum a { value -3; } enum b; }"), "b"); v.Int() != -2 {
		t.Errorf("Int() of an enum = %d", v.Int())
	}
	if b := schema.MustParse(leafType(t, "type binary;"), "aGk=").Bytes(); string(b) != "hi" {
		t.Errorf("Bytes() = %q", b)
	}
	if b := schema.MustParse(leafType(t, "type bits { bit a; bit b; bit c; }"), "c a").Bits(); len(b) != 2 || b[0] != "a" || b[1] != "c" {
		t.Errorf("Bits() = %q", b)
	}
	if v := schema.MustParse(leafType(t, "type boolean;"), "true"); !v.Bool() {
		t.Error("Bool() is false")
	}
	s := mustCompile(t, module(valueModule))
	kind := find(t, s, "/m:top/kind").Type
	if id := schema.MustParse(kind, "m:dog").Identity(); id == nil || id != s.Identity(s.Module("m"), "dog") {
		t.Errorf("Identity() = %v", id)
	}
	var zero schema.Value
	if !zero.IsZero() || zero.Int() != 0 || zero.Bool() || zero.Bytes() != nil || zero.Bits() != nil || zero.Identity() != nil || zero.Type() != nil {
		t.Error("the zero Value is not empty")
	}
}

func TestCompare(t *testing.T) {
	typ := leafType(t, "type union { type int64; type uint64; type decimal64 { fraction-digits 3; } type string; }")
	ascending := []string{"-9223372036854775808", "-10", "-9.5", "-9", "-0.5", "0", "0.05", "0.5", "0.51", "1", "9", "9.5", "10", "18446744073709551615", "", "a", "b"}
	for i, a := range ascending {
		for j, b := range ascending {
			got := schema.Compare(schema.MustParse(typ, a), schema.MustParse(typ, b))
			if want := sign(i - j); got != want {
				t.Errorf("Compare(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func TestParseAllocations(t *testing.T) {
	typ := leafType(t, "type uint32;")
	if n := testing.AllocsPerRun(100, func() { typ.Parse("7", nil) }); n > 0 {
		t.Errorf("reading a small number allocates %v times", n)
	}
}

// FuzzParse checks for every type that the canonical form reads as itself.
func FuzzParse(f *testing.F) {
	types := []string{
		"type int8;", "type uint64;", "type decimal64 { fraction-digits 7; }", "type string { length '0..40'; }", "type boolean;",
		"type bits { bit a; bit b { position 70; } bit c; }", "type binary;", "type empty;", "type identityref { base animal; }",
		"type instance-identifier;", "type union { type decimal64 { fraction-digits 2; } type instance-identifier; type string; }",
	}
	body := valueModule
	for i, typ := range types {
		body += "leaf x" + string(rune('a'+i)) + " { " + typ + " }\n"
		f.Add(uint8(i), "1")
	}
	f.Add(uint8(2), "-007.1000")
	f.Add(uint8(5), " c  a ")
	f.Add(uint8(8), "m:dog")
	f.Add(uint8(9), `/m:top/m:item[num="1"][name='a']/pos[2]`)
	s := mustCompile(f, module(body))
	r := s.NameResolver(s.Module("m"))
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		i := int(which) % len(types)
		n, err := s.Find("/m:x" + string(rune('a'+i)))
		if err != nil {
			t.Fatal(err)
		}
		v, err := n.Type.Parse(text, r)
		if err != nil {
			return
		}
		if again, err := n.Type.Parse(v.String(), r); err != nil || again != v {
			t.Fatalf("%s: %q reads as %q, and that as %q, %v", types[i], text, v, again, err)
		}
	})
}
