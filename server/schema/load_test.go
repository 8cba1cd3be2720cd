package schema_test

import (
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
)

func TestLoadTakesTheNewestRevision(t *testing.T) {
	text := func(revision, leaf string) []byte {
		return []byte("module m { namespace urn:m; prefix m; revision " + revision + "; leaf " + leaf + " { type int8; } }")
	}
	o := schema.Options{Implement: []string{"m", "m"}, Sources: []schema.Source{
		{Name: "dir/m@2024-01-01.yang", Text: text("2024-01-01", "old")},
		{Name: "m.yang", Text: text("2026-01-01", "new")},
		{Name: "m@2025-01-01.yang", Text: text("2025-01-01", "middle")},
		{Name: "broken.yang", Text: []byte("this is not YANG {")}, // nobody asks for it
	}}
	s, err := schema.Compile(o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Module("m").Revision != "2026-01-01" || s.Root().Child("new") == nil || len(s.Modules()) != 1 {
		t.Errorf("modules %+v", s.Modules())
	}
	if m := s.Module("m"); m.YangVersion != "1" || m.Schema() != s || m.SourceName != "m.yang" {
		t.Errorf("module %+v", m)
	}
}

func TestLoadErrors(t *testing.T) {
	sub := func(name, owner, body string) string {
		return "submodule " + name + " { yang-version 1.1; belongs-to " + owner + " { prefix m; } " + body + " }"
	}
	for name, tc := range map[string]struct {
		texts []string
		want  string
	}{
		"submodule of another":      {[]string{module("include s;"), sub("s", "other", "")}, `m.yang:2: submodule s belongs to "other", not to m`},
		"module included":           {[]string{module("include s-import;"), named("s-import", "")}, "s-import.yang:1: this is module s-import, not submodule s-import"},
		"submodule imported":        {[]string{module("import s { prefix s; }"), sub("s", "m", "")}, "this is submodule s, not module s"},
		"fault in a submodule":      {[]string{module("include s;"), sub("s", "m", "leaf x { type nix; }")}, `s.yang:1: no type "nix" is in scope`},
		"twice over submodules":     {[]string{module("include s; typedef t { type int8; }"), sub("s", "m", "typedef t { type int8; }")}, `typedef "t" is defined twice`},
		"import circle is fine":     {[]string{module("import n { prefix n; } leaf a { type n:t; }"), named("n", "import m { prefix m; } typedef t { type nix; }")}, `n.yang:2: no type "nix"`},
		"other name":                {[]string{"module m { namespace urn:m; prefix m; import x { prefix x; } }", strings.Replace(named("x", ""), "module x", "module x ", 1) + " module y {}"}, "not one module or submodule"},
		"no namespace":              {[]string{"module m { prefix m; }"}, "has no namespace statement"},
		"bad version":               {[]string{"module m { yang-version 3; namespace urn:m; prefix m; }"}, `yang-version "3" is not 1 or 1.1`},
		"mandatory augment":         {[]string{module("container c;"), named("n", "import m { prefix m; } augment /m:c { leaf x { mandatory true; type int8; } }")}, "cannot add a mandatory node"},
		"feature that is not there": {[]string{module("import n { prefix n; } leaf x { if-feature n:f; type int8; }"), named("n", "")}, `module n has no feature "f"`},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := compileText(tc.texts...)
			if s != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v; want an error with %q", err, tc.want)
			}
		})
	}
	_, err := schema.Compile(schema.Options{Implement: []string{"nix"}})
	if err == nil || err.Error() != "no source for module nix" {
		t.Errorf("got %v", err)
	}
	_, err = schema.Compile(schema.Options{Implement: []string{"m"}, Sources: []schema.Source{{Name: "m.yang", Text: make([]byte, 5<<20)}}})
	if err == nil || err.Error() != "m.yang: the module text is larger than 4 MiB" {
		t.Errorf("got %v", err)
	}
	_, err = schema.Compile(schema.Options{Implement: []string{"m"}, Features: map[string][]string{"m": {"nix"}},
		Sources: []schema.Source{{Name: "m.yang", Text: []byte(module(""))}}})
	if err == nil || !strings.Contains(err.Error(), `module m has no feature "nix"`) {
		t.Errorf("got %v", err)
	}
}

func TestTypeAccessors(t *testing.T) {
	typ := leafType(t, "type string { length '1..3|7'; pattern 'a.*' { error-message m; } }")
	if l := typ.Length(); len(l) != 2 || l[0] != (schema.Length{Min: 1, Max: 3}) || l[1].Max != 7 {
		t.Errorf("length %v", l)
	}
	if p := typ.Patterns(); len(p) != 1 || p[0].Source != "a.*" || p[0].Message != "m" || typ.Range() != nil {
		t.Errorf("patterns %v", p)
	}
	if b := leafType(t, "type bits { bit b { position 5; } bit a { position 2; } }").Bits(); len(b) != 2 || b[0].Name != "a" || b[1].Position != 5 {
		t.Errorf("bits %v", b)
	}
	if d := leafType(t, "type decimal64 { fraction-digits 4; }"); d.FractionDigits() != 4 || d.Range()[0].Min != "-922337203685477.5808" {
		t.Errorf("decimal64 %v", d.Range())
	}
	if r := leafType(t, "type int8;").Range(); r[0] != (schema.Range{Min: "-128", Max: "127"}) {
		t.Errorf("range %v", r)
	}
	s := mustCompile(t, module(valueModule))
	kind := find(t, s, "/m:top/kind").Type
	if ids := kind.Identities(); len(ids) != 1 || len(ids[0].Derived) != 3 || ids[0].Derived[0].String() != "m:dog" {
		t.Errorf("identities %v", ids)
	}
	if typ := leafType(t, "type instance-identifier { require-instance false; }"); typ.RequireInstance() || typ.Kind() != schema.InstanceIdentifier {
		t.Error("require-instance is lost")
	}
}
