package schema_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
)

// TestCompileErrors breaks one rule at a time. The module statement is on the
// first line, so the body begins on line 2.
func TestCompileErrors(t *testing.T) {
	const lower = "module low-import { yang-version 1.1; namespace urn:low; prefix low; grouping g { leaf a { type string; } } container c; feature f; }"
	for name, tc := range map[string]struct {
		body string
		want string
	}{
		"syntax":                      {"leaf a { type string; ", "m.yang:4: "},
		"unknown statement":           {"\nlief a;", `m.yang:3: unknown statement "lief"`},
		"misplaced statement":         {"leaf a { type string; key x; }", `m.yang:2: statement key is not allowed in leaf "a"`},
		"second statement":            {"leaf a { type string; type int8; }", `m.yang:2: second type in leaf "a"`},
		"missing statement":           {"leaf a;", `m.yang:2: leaf "a" has no type statement`},
		"argument missing":            {"container;", "m.yang:2: container needs an argument"},
		"argument too many":           {"rpc r { input x; }", "m.yang:2: input takes no argument"},
		"identifier":                  {"container 1a;", `"1a" is not an identifier`},
		"extension prefix":            {"x:y z;", `extension x:y: no module has the prefix "x"`},
		"import unknown":              {"import nix { prefix n; }", "m.yang:2: no source for module nix"},
		"import twice":                {"import low-import { prefix m; }", `prefix "m" is used twice`},
		"import revision":             {"import low-import { prefix l; revision-date 2020-01-01; }", "no source for revision 2020-01-01 of low-import"},
		"include unknown":             {"include nix;", "no source for submodule nix"},
		"duplicate sibling":           {"leaf a { type string; }\ncontainer a;", "m.yang:3: container \"a\": there is already a leaf of this name below /"},
		"duplicate in cases":          {"choice c { case x { leaf a { type int8; } } case y { leaf a { type int8; } } }", "there is already a leaf of this name"},
		"duplicate case":              {"choice c { case x; leaf x { type int8; } }", `case "x" is there twice`},
		"duplicate rpc":               {"rpc r; notification r;", `"r" is defined twice in module m`},
		"duplicate action":            {"container c { action a; leaf a { type int8; } }", "there is already a"},
		"action in rpc":               {"rpc r { input { container c { action a; } } }", "cannot stand in an RPC"},
		"typedef unknown":             {"leaf a { type nix; }", `no type "nix" is in scope`},
		"typedef prefix unknown":      {"leaf a { type q:nix; }", `no type "q:nix" is in scope`},
		"typedef twice":               {"typedef t { type int8; } typedef t { type int8; }", `typedef "t" is defined twice`},
		"typedef shadow":              {"typedef t { type int8; } container c { typedef t { type int8; } }", `typedef "t" is defined twice`},
		"typedef builtin":             {"typedef string { type int8; }", "has the name of a built-in type"},
		"typedef circle":              {"typedef a { type b; } typedef b { type a; }", "is derived from itself"},
		"typedef default":             {"typedef a { type int8; default x; }", `default "x" of typedef "a"`},
		"unused typedef":              {"typedef a { type nix; }", `no type "nix"`},
		"default":                     {"leaf a { type int8; default 300; }", "default of /m:a"},
		"default outside restriction": {"typedef a { type int8; default 5; } leaf b { type a { range 1..4; } }", "the default of the type does not fit /m:b"},
		"default of mandatory":        {"leaf a { type int8; default 3; mandatory true; }", "mandatory leaf cannot have a default"},
		"default with min":            {"leaf-list a { type int8; min-elements 1; default 3; }", "leaf-list with min-elements cannot have a default"},
		"default twice":               {"leaf-list a { type int8; default 3; default 03; }", "is there twice"},
		"range outside":               {"typedef a { type int8 { range 1..4; } } leaf b { type a { range 1..5; } }", "1..5 is not within the type"},
		"range across hole":           {"typedef a { type int8 { range '1..4|6..9'; } } leaf b { type a { range 3..7; } }", "is not within"},
		"range descending":            {"leaf b { type int8 { range 5..4; } }", "5 is greater than 4"},
		"range overlap":               {"leaf b { type int8 { range '1..5|5..9'; } }", "overlap or are not in ascending order"},
		"range syntax":                {"leaf b { type int8 { range '1..'; } }", "a bound is missing"},
		"range number":                {"leaf b { type int8 { range 1..x; } }", "not an integer"},
		"range too wide":              {"leaf b { type int8 { range 0..200; } }", "holds -128 to 127"},
		"range of string":             {"leaf b { type string { range 0..2; } }", "type string cannot have a range"},
		"length of int":               {"leaf b { type int8 { length 0..2; } }", "type int8 cannot have a length"},
		"length syntax":               {"leaf b { type string { length '-1'; } }", `"-1" is not a length`},
		"pattern":                     {"leaf b {\n type string { pattern '[a'; } }", `m.yang:3: pattern "[a": the closing bracket of a class is missing`},
		"modifier":                    {"leaf b { type string { pattern a { modifier x; } } }", `modifier "x" is not invert-match`},
		"fraction missing":            {"leaf b { type decimal64; }", "type decimal64 needs the statement fraction-digits"},
		"fraction wrong":              {"leaf b { type decimal64 { fraction-digits 19; } }", `fraction-digits "19" is not 1 to 18`},
		"fraction derived":            {"typedef a { type decimal64 { fraction-digits 2; } } leaf b { type a { fraction-digits 1; } }", "cannot restrict the derived type"},
		"enum missing":                {"leaf b { type enumeration; }", "type enumeration needs the statement enum"},
		"enum twice":                  {"leaf b { type enumeration { enum a; enum a; } }", `enum "a" is defined twice`},
		"enum value twice":            {"leaf b { type enumeration { enum a { value 1; } enum b { value 1; } } }", "the value 1 is used twice"},
		"enum overflow":               {"leaf b { type enumeration { enum a { value 2147483647; } enum b; } }", "needs a value"},
		"enum space":                  {"leaf b { type enumeration { enum ' a'; } }", "begins or ends with a space"},
		"enum not in base":            {"typedef a { type enumeration { enum x; } } leaf b { type a { enum y; } }", "is not in the type that is restricted"},
		"enum other value":            {"typedef a { type enumeration { enum x; } } leaf b { type a { enum x { value 4; } } }", "has the value 0 in the type"},
		"bit twice":                   {"leaf b { type bits { bit a; bit a; } }", `bit "a" is defined twice`},
		"bit position twice":          {"leaf b { type bits { bit a { position 0; } bit b { position 0; } } }", "the position 0 is used twice"},
		"bit not in base":             {"typedef a { type bits { bit x; } } leaf b { type a { bit y; } }", "is not in the type that is restricted"},
		"base missing":                {"leaf b { type identityref; }", "type identityref needs the statement base"},
		"base unknown":                {"leaf b { type identityref { base x; } }", `module m has no identity "x"`},
		"identity circle":             {"identity a { base b; } identity b { base a; }", "is derived from itself"},
		"identity twice":              {"identity a; identity a;", `identity "a" is defined twice`},
		"union empty":                 {"leaf b { type union; }", "type union needs the statement type"},
		"union member":                {"leaf b { type union { type nix; } }", `no type "nix"`},
		"leafref missing path":        {"leaf b { type leafref; }", "type leafref needs the statement path"},
		"leafref syntax":              {"leaf b { type leafref { path 'a/b'; } }", "begins neither with a slash nor with .."},
		"leafref predicate":           {"leaf b { type leafref { path '/m:a[b=1]/c'; } }", "must compare a key with current()"},
		"leafref nowhere":             {"leaf b { type leafref { path ../c; } }", `module m has no data node "c" below /`},
		"leafref above root":          {"leaf b { type leafref { path ../../c; } }", "leads above the root"},
		"leafref to container":        {"container c; leaf b { type leafref { path /m:c; } }", "it leads to a container"},
		"leafref to itself":           {"leaf b { type leafref { path ../b; } }", "leads to the leaf itself"},
		"leafref circle":              {"leaf b { type leafref { path ../c; } } leaf c { type leafref { path ../b; } }", "form a circle"},
		"leafref to state":            {"leaf b { type leafref { path ../c; } } leaf c { config false; type int8; }", "configuration cannot require the state"},
		"leafref prefix":              {"leaf b { type leafref { path /q:c; } }", `no module has the prefix "q"`},
		"leafref not implemented":     {"import low-import { prefix low; } leaf b { type leafref { path /low:c; } }", "module low-import is imported but not implemented"},
		"grouping unknown":            {"uses g;", `no grouping "g" is in scope`},
		"grouping circle":             {"grouping g { uses h; } grouping h { uses g; } uses g;", `uses itself`},
		"refine nowhere":              {"grouping g { leaf a { type int8; } } uses g { refine b { config false; } }", `there is no node "b"`},
		"refine property":             {"grouping g { leaf a { type int8; } } uses g { refine a { presence x; } }", "presence cannot be refined in a leaf"},
		"refine default":              {"grouping g { container a; } uses g { refine a { default x; } }", "default cannot be refined in a container"},
		"uses augment nowhere":        {"grouping g { container a; } uses g { augment b { leaf x { type int8; } } }", `there is no node "b"`},
		"augment nowhere":             {"augment /m:x { leaf a { type int8; } }", `augment "/m:x": there is no node "m:x"`},
		"augment relative":            {"augment x { leaf a { type int8; } }", "does not begin with a slash"},
		"augment prefix":              {"augment /q:x { leaf a { type int8; } }", `no module has the prefix "q"`},
		"augment not implemented":     {"import low-import { prefix low; } augment /low:c { leaf a { type int8; } }", "imported but not implemented"},
		"augment leaf":                {"leaf x { type int8; } augment /m:x { leaf a { type int8; } }", "a leaf cannot be augmented"},
		"augment case":                {"container x; augment /m:x { case a; }", "a case can be added to a choice only"},
		"deviation nowhere":           {"deviation /m:x { deviate not-supported; }", "there is no node"},
		"deviate word":                {"leaf x { type int8; } deviation /m:x { deviate maybe; }", `deviate "maybe"`},
		"deviate add twice":           {"leaf x { type int8; units a; } deviation /m:x { deviate add { units b; } }", "there is already a units"},
		"deviate replace nothing":     {"leaf x { type int8; } deviation /m:x { deviate replace { units b; } }", "there is no units to replace"},
		"deviate delete nothing":      {"leaf x { type int8; units a; } deviation /m:x { deviate delete { units b; } }", `there is no units "b" to delete`},
		"deviate delete must":         {"leaf x { type int8; } deviation /m:x { deviate delete { must a; } }", `there is no must "a" to delete`},
		"deviate foreign":             {"container x; deviation /m:x { deviate add { units b; } }", "a container has no units"},
		"deviate type add":            {"leaf x { type int8; } deviation /m:x { deviate add { type int16; } }", "a type can be replaced only"},
		"deviate default twice":       {"leaf x { type int8; default 1; } deviation /m:x { deviate add { default 2; } }", "there is already a default"},
		"feature unknown":             {"leaf x { if-feature f; type int8; }", `module m has no feature "f"`},
		"feature prefix":              {"leaf x { if-feature q:f; type int8; }", `no module has the prefix "q"`},
		"feature syntax":              {"feature f; leaf x { if-feature 'f and'; type int8; }", "ends too early"},
		"feature parenthesis":         {"feature f; leaf x { if-feature '(f or f'; type int8; }", "closing parenthesis is missing"},
		"feature rest":                {"feature f; leaf x { if-feature 'f f'; type int8; }", `"f" is not expected`},
		"feature word":                {"feature f; leaf x { if-feature 'f or )'; type int8; }", `")" is not a feature name`},
		"feature circle":              {"feature f { if-feature g; } feature g { if-feature f; }", "depends on itself"},
		"feature twice":               {"feature f; feature f;", `feature "f" is defined twice`},
		"key missing":                 {"list l { leaf a { type int8; } }", "is configuration and has no key"},
		"key unknown":                 {"list l { key b; leaf a { type int8; } }", `key "b" is not a leaf`},
		"key container":               {"list l { key a; container a; }", `key "a" is not a leaf`},
		"key twice":                   {"list l { key 'a a'; leaf a { type int8; } }", `key "a" is named twice`},
		"key config":                  {"list l { key a; leaf a { config false; type int8; } }", "differ in config"},
		"key when":                    {"list l { key a; leaf a { when b; type int8; } }", "cannot have a when"},
		"key empty":                   {"list l { key ' '; leaf a { type int8; } }", "the key is empty"},
		"unique nowhere":              {"list l { key a; unique b; leaf a { type int8; } }", `there is no node "b"`},
		"unique container":            {"list l { key a; unique b; leaf a { type int8; } container b; }", "is a container, not a leaf"},
		"unique in list":              {"list l { key a; unique b/c; leaf a { type int8; } list b { key c; leaf c { type int8; } } }", "leads into another list"},
		"unique config":               {"list l { key a; unique b; leaf a { type int8; } leaf b { config false; type int8; } }", "differ in config"},
		"config below state":          {"container c { config false; leaf a { config true; type int8; } }", "cannot be config true below state"},
		"config word":                 {"leaf a { config maybe; type int8; }", `config "maybe" is not true or false`},
		"status word":                 {"leaf a { status old; type int8; }", `status "old"`},
		"ordered-by word":             {"leaf-list a { ordered-by me; type int8; }", `ordered-by "me"`},
		"min over max":                {"leaf-list a { min-elements 3; max-elements 2; type int8; }", "min-elements 3 is greater than max-elements 2"},
		"min word":                    {"leaf-list a { min-elements x; type int8; }", `min-elements "x" is not a number`},
		"max zero":                    {"leaf-list a { max-elements 0; type int8; }", `max-elements "0"`},
		"choice default":              {"choice c { default z; leaf a { type int8; } }", `choice "c" has no case "z"`},
		"choice default mandatory":    {"choice c { default a; mandatory true; leaf a { type int8; } }", "cannot have a default"},
		"choice default node":         {"choice c { default a; leaf a { mandatory true; type int8; } }", `has the mandatory node "a"`},
		"version":                     {"leaf a { type int8; } yang-version 2;", "second yang-version"},
		"nesting":                     {strings.Repeat("container c {", 300) + strings.Repeat("}", 300), "nested deeper than 200"},
		"namespace taken":             {"import twin-import { prefix t; }", "is already that of module"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := compileText(module(tc.body), lower, "module twin-import { namespace urn:test:m; prefix t; }")
			var list schema.CompileErrors
			if s != nil || !errors.As(err, &list) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v; want an error with %q", err, tc.want)
			}
		})
	}
}

func TestCompileReportsAllErrors(t *testing.T) {
	_, err := compileText(module("leaf a { type nix; }\nleaf b { type nox; }\nuses g;"))
	want := "m.yang:2: no type \"nix\" is in scope\nm.yang:3: no type \"nox\" is in scope\nm.yang:4: no grouping \"g\" is in scope"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestNamesOfSeveralModules: RFC 7950 section 6.2.1 lets siblings of several
// modules have one name; where names carry no module they have Plain.
func TestNamesOfSeveralModules(t *testing.T) {
	x := func(body string) string { return "import m { prefix m; }\n augment /m:c { " + body + " }" }
	s, err := schema.Compile(schema.Options{Implement: []string{"p", "o", "n", "m"}, Sources: []schema.Source{
		{Name: "m.yang", Text: []byte(module("container c { leaf own { type string; } }"))},
		{Name: "n.yang", Text: []byte(named("n", x("leaf x { type string; } leaf own { type string; }")))},
		{Name: "o.yang", Text: []byte(named("o", x("leaf x { type uint8; } leaf only { type string; }")))},
		{Name: "p.yang", Text: []byte(named("p", x("leaf x { type boolean; }")))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c := s.Root().Child("c")
	for _, tc := range []struct{ module, name, plain string }{
		{"m", "own", "m:own"}, {"n", "own", "n:own"}, {"n", "x", "n:x"}, {"o", "x", "o:x"}, {"p", "x", "p:x"}, {"o", "only", "only"},
	} {
		k := c.ChildIn(s.Module(tc.module), tc.name)
		if k == nil || k.Module.Name != tc.module || k.Plain != tc.plain || c.Child(tc.plain) != k {
			t.Errorf("%s:%s is %v", tc.module, tc.name, k)
		}
	}
	if k := c.ChildIn(s.Module("p"), "own"); k != nil {
		t.Errorf("p:own is %v", k)
	}
	if own, x := c.Child("own"), c.Child("x"); own.Module.Name != "m" || x.Module.Name != "p" {
		t.Errorf("own is of %s, x of %s", own.Module.Name, x.Module.Name)
	}
	_, err = compileText(module("container c { leaf x { type string; } choice y { case z { leaf x { type string; } } } }"))
	if want := "there is already a leaf of this name below /m:c"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v; want %s", err, want)
	}
}

// FuzzCompile checks that no text makes Compile panic.
func FuzzCompile(f *testing.F) {
	f.Add(module(valueModule))
	f.Add(module(everything))
	f.Add(module("leaf b { type leafref { path '../c[d = current()/../e]/f'; } }"))
	f.Add(module("deviation /m:x { deviate replace { type int16; default 4; } } leaf x { type int8; }"))
	f.Fuzz(func(t *testing.T, text string) {
		o := schema.Options{Sources: []schema.Source{{Name: "m.yang", Text: []byte(text)}}, Implement: []string{"m"}}
		s, err := schema.Compile(o)
		if (s == nil) == (err == nil) {
			t.Fatalf("schema %v, error %v", s, err)
		}
	})
}
