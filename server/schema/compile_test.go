package schema_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/served"
)

// servedOptions are what compiles the modules that the element serves.
func servedOptions(t testing.TB) schema.Options {
	t.Helper()
	o, err := served.Options()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestCompileServedModules(t *testing.T) {
	s, err := schema.Compile(servedOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	for id := range s.NumNodes() {
		n := s.NodeByID(id)
		if n.ID != id {
			t.Errorf("node %d has the ID %d", id, n.ID)
		}
		if found, err := s.Find(n.Path()); err != nil || found != n {
			t.Errorf("Find(%s) = %v, %v", n.Path(), found, err)
		}
		if hasType := n.Kind == schema.Leaf || n.Kind == schema.LeafList; hasType != (n.Type != nil) {
			t.Errorf("%s %s has the type %v", n.Kind, n.Path(), n.Type)
		}
	}
	if again, err := schema.Compile(servedOptions(t)); err != nil || again.ContentID() != s.ContentID() {
		t.Errorf("a second Compile gives another content-id, or %v", err)
	}
}

func BenchmarkCompileServedModules(b *testing.B) {
	o := servedOptions(b)
	for b.Loop() {
		if _, err := schema.Compile(o); err != nil {
			b.Fatal(err)
		}
	}
}

// everything uses each statement that shapes the tree.
const everything = `
  organization o; contact c; description "all"; revision 2026-01-02; revision 2025-01-01;
  extension mark { argument x; }
  feature on; feature off; feature both { if-feature "on and not off"; }
  identity base; identity a { base base; } identity gone { if-feature off; base base; }
  typedef percent { type uint8 { range 0..100; } units "%"; default 50; }
  typedef half { type percent { range 0..50; } }
  grouping inner { leaf deep { type percent; } }
  grouping g {
    leaf name { type string; }
    container box { uses inner; action reset { input { leaf why { type string; } } } notification full; }
    choice how { case auto { leaf auto { type empty; } } leaf manual { type int8; } }
    leaf ref { type leafref { path "../name"; } }
  }
  container top {
    m:mark hello;
    uses g { when "../x"; if-feature on;
      refine name { mandatory true; description "refined"; must "1" { error-message "no"; error-app-tag tag; } }
      refine box/deep { default 7; }
      refine box { presence "is there"; }
      augment box { when "deep > 1"; leaf extra { type half; } }
      augment how { leaf third { type int8; } } }
    leaf off { if-feature "off or (not on)"; type int8; }
    leaf both { if-feature both; type int8; default 0x10; }
    container state { config false; list anon { leaf v { type int8; } } leaf-list twice { type int8; default 1; default 1; } }
    choice pick { default two; when "../w";
      container one { leaf p { type int8; } }
      case two { when "../v"; leaf q { type int8; default 3; } choice nested { mandatory true; leaf r { type int8; } } } }
    list item { key "k j"; unique "u box/w"; ordered-by user; min-elements 1; max-elements 9;
      leaf j { type int8; default 4; } leaf k { type string; mandatory true; } leaf u { type int8; } container box { leaf w { type int8; } } }
    anydata any; anyxml xml { mandatory true; }
    leaf-list ll { type enumeration { enum a; enum b { if-feature off; } } default a; }
  }
  augment /top/pick { case three { leaf s { type int8; } } }
  augment /top/pick/three { when "../x"; leaf t { type int8; } }
  rpc go { input { leaf to { type leafref { path "/m:top/m:item/m:k"; } } leaf same { type leafref { path "../to"; } } } }
  notification done { leaf ok { type boolean; } }`

func TestCompileTree(t *testing.T) {
	var o schema.Options
	o.Sources = []schema.Source{{Name: "m.yang", Text: []byte(module(everything))}}
	o.Implement = []string{"m"}
	o.Features = map[string][]string{"m": {"on", "both"}}
	s, err := schema.Compile(o)
	if err != nil {
		t.Fatal(err)
	}
	m := s.Module("m")
	if m.Revision != "2026-01-02" || m.Description != "all" || !slices.Equal(m.Features, []string{"both", "on"}) || s.ModuleByNamespace("urn:test:m") != m {
		t.Errorf("module %+v", m)
	}
	var names []string
	for _, n := range find(t, s, "/m:top").Children() {
		names = append(names, n.Name)
	}
	if got, want := strings.Join(names, " "), "name box auto manual third ref both state one q r s t item any xml ll"; got != want {
		t.Errorf("children of top: %s\nwant            %s", got, want)
	}
	top := find(t, s, "/m:top")
	if len(top.Extensions) != 1 || top.Extensions[0] != (schema.Extension{Module: m, Name: "mark", Argument: "hello"}) {
		t.Errorf("extensions %v", top.Extensions)
	}
	if _, err := s.Find("/m:top/off"); err == nil {
		t.Error("a node of a feature that is off is there")
	}
	if s.Identity(m, "gone") != nil || len(s.Identity(m, "base").Derived) != 1 {
		t.Error("an identity of a feature that is off is there")
	}

	name := find(t, s, "/m:top/name")
	if !name.Mandatory || name.Description != "refined" || len(name.Must) != 1 || name.Must[0].AppTag != "tag" || name.Must[0].Message != "no" || name.Must[0].Prefixes["m"] != m {
		t.Errorf("refined leaf %+v", name)
	}
	if len(name.When) != 1 || name.When[0].Text != "../x" || name.When[0].Context != schema.ContextParent || name.When[0].Source != "m.yang:18" {
		t.Errorf("when of uses: %+v", name.When)
	}
	extra := find(t, s, "/m:top/box/extra")
	if len(extra.When) != 1 || extra.When[0].Text != "deep > 1" || len(extra.Defaults) != 1 || extra.Defaults[0].String() != "50" || extra.Units != "%" {
		t.Errorf("augmented leaf %+v", extra)
	}
	if r := extra.Type.Range(); len(r) != 1 || r[0] != (schema.Range{Min: "0", Max: "50"}) || extra.Type.Name() != "half" || extra.Type.Module() != m {
		t.Errorf("type %s with the range %v", extra.Type.Name(), r)
	}
	deep := find(t, s, "/m:top/box/deep")
	if deep.Defaults[0].String() != "7" || !deep.Parent.Presence || top.HasDefaults() != true || !deep.Parent.Config {
		t.Errorf("refined default %v", deep.Defaults)
	}
	if a := find(t, s, "/m:top/box/reset"); a.Kind != schema.Action || a.Input.Child("why").Config || a.Output == nil || a.Parent != deep.Parent {
		t.Errorf("action %+v", a)
	}
	if n := find(t, s, "/m:top/box/full"); n.Kind != schema.Notification || n.Parent.Notifications()[0] != n {
		t.Errorf("notification %+v", n)
	}
	if ref := find(t, s, "/m:top/ref").Type.Leafref(); ref.Target != name || !ref.RequireInstance {
		t.Errorf("leafref %+v", ref)
	}
	if v := find(t, s, "/m:top/both").Defaults; len(v) != 1 || v[0].String() != "16" {
		t.Errorf("hexadecimal default %v", v)
	}
	if n := find(t, s, "/m:top/state/anon/v"); n.Config || len(n.Parent.Keys) != 0 {
		t.Error("state below config false is configuration")
	}
	if n := find(t, s, "/m:top/state/twice"); len(n.Defaults) != 2 {
		t.Errorf("defaults %v", n.Defaults)
	}
	if n := find(t, s, "/m:top/ll"); len(n.Defaults) != 1 || len(n.Type.Enums()) != 1 {
		t.Errorf("leaf-list %+v", n)
	}
	if n := find(t, s, "/m:top/xml"); n.Kind != schema.Anyxml || !n.Mandatory {
		t.Errorf("anyxml %+v", n)
	}
}

func TestCompileList(t *testing.T) {
	s := mustCompile(t, module(everything))
	item := find(t, s, "/m:top/item")
	k, j := item.Child("k"), item.Child("j")
	if item.Keys[0] != k || item.Keys[1] != j || !k.IsKey() || j.KeyIndex() != 1 || item.Child("u").IsKey() || k.Mandatory || len(j.Defaults) != 0 {
		t.Errorf("keys %v", item.Keys)
	}
	if len(item.Unique) != 1 || item.Unique[0][0] != item.Child("u") || item.Unique[0][1] != find(t, s, "/m:top/item/box/w") {
		t.Errorf("unique %v", item.Unique)
	}
	if !item.UserOrdered || item.MinElements != 1 || item.MaxElements != 9 || item.HasDefaults() {
		t.Errorf("list %+v", item)
	}
}

func TestCompileChoices(t *testing.T) {
	s := mustCompile(t, module(everything))
	top := find(t, s, "/m:top")
	var pick *schema.Choice
	for _, c := range top.Choices() {
		if c.Name == "pick" {
			pick = c
		}
	}
	if pick == nil || len(top.Choices()) != 2 || len(pick.Cases) != 3 || pick.Default != pick.Cases[1] || pick.Owner != top {
		t.Fatalf("choice %+v", pick)
	}
	two := pick.Default
	q, r := top.Child("q"), top.Child("r")
	if q.Case != two || len(two.Children) != 2 || two.Children[1] != r || len(two.Choices) != 1 || !two.Choices[0].Mandatory || two.Choices[0].Parent != two || r.Case.Choice != two.Choices[0] {
		t.Errorf("case %+v", two)
	}
	if len(q.When) != 2 || q.When[0].Text != "../w" || q.When[1].Text != "../v" || q.When[1].Context != schema.ContextParent {
		t.Errorf("when of a leaf in a case: %+v", q.When)
	}
	if leaf := top.Child("t"); leaf.Case != top.Child("s").Case || leaf.Case.Name != "three" || len(leaf.When) != 2 || leaf.When[1].Context != schema.ContextParent {
		t.Errorf("leaf of an augmented case: %+v", leaf)
	}
	if p := find(t, s, "/m:top/one/p"); p.Case != nil || p.Parent.Case.Name != "one" {
		t.Errorf("short-hand case %+v", p.Parent.Case)
	}
}

func TestCompileOperations(t *testing.T) {
	s := mustCompile(t, module(everything))
	m := s.Module("m")
	op := s.RPC(m, "go")
	if op == nil || len(s.RPCs()) != 1 || op.Parent != nil || op.Path() != "/m:go" || s.Notification(m, "go") != nil {
		t.Fatalf("RPC %+v", op)
	}
	to := op.Input.Child("to")
	if to.Path() != "/m:go/input/to" || to.Type.Leafref().Target != find(t, s, "/m:top/item/k") || op.Input.Child("same").Type.Leafref().Target != to {
		t.Errorf("input %+v", to)
	}
	if n := s.Notification(m, "done"); n == nil || len(s.Notifications()) != 1 || n.Child("ok").Config || s.RPC(m, "done") != nil {
		t.Errorf("notification %+v", n)
	}
}

func TestCompileModulesTogether(t *testing.T) {
	s := mustCompile(t,
		`module main { yang-version 1.1; namespace urn:main; prefix main; include sub; import lib-import { prefix l; }
		   identity local { base l:root; } container c { uses l:g; leaf t { type l:t; } leaf s { type from-sub; } leaf far { type leafref { path "/main:c/l-aug"; } } } }`,
		`submodule sub { yang-version 1.1; belongs-to main { prefix q; } revision 2026-01-01; typedef from-sub { type uint8; default 3; } container subc { leaf x { type q:from-sub; } } }`,
		`module lib-import { yang-version 1.1; namespace urn:lib; prefix lib; identity root; identity leafy { base root; }
		   typedef t { type identityref { base root; } default leafy; } grouping g { leaf l-aug { type lib:t; } } container unused { leaf u { type int8; } } }`,
		`module dev { yang-version 1.1; namespace urn:dev; prefix dev; import main { prefix m; }
		   augment /m:c/dev:first { leaf second { type int8; } } augment /m:c { container first; leaf third { mandatory true; config false; type int8; } }
		   deviation /m:subc { deviate not-supported; }
		   deviation /m:c/m:s { deviate replace { type int16; } deviate add { default -5; must "1"; units "apples"; config false; } } }`)
	if s.Root().Child("unused") != nil || s.Module("lib-import").Implemented {
		t.Error("the nodes of an imported module are in the tree")
	}
	if s.Root().Child("subc") != nil {
		t.Error("a deviation left a node that is not supported")
	}
	main := s.Module("main")
	if !slices.Equal(main.Deviations, []string{"dev"}) || len(main.Submodules) != 1 || main.Submodules[0].Revision != "2026-01-01" || !slices.Equal(main.Imports, []string{"lib-import"}) {
		t.Errorf("module %+v", main)
	}
	leaf := find(t, s, "/main:c/l-aug")
	if leaf.Module != main || leaf.Defaults[0].String() != "lib-import:leafy" {
		t.Errorf("leaf of an imported grouping: module %s, default %v", leaf.Module.Name, leaf.Defaults)
	}
	r := s.NameResolver(main)
	for _, text := range []string{"local", "main:local", "lib-import:leafy"} {
		if _, err := leaf.Type.Parse(text, r); err != nil {
			t.Error(err)
		}
	}
	dev := find(t, s, "/main:c/s")
	if dev.Config || dev.Units != "apples" || len(dev.Must) != 1 || dev.Defaults[0].String() != "-5" || dev.Type.Kind() != schema.Int16 {
		t.Errorf("deviated leaf %+v", dev)
	}
	second := find(t, s, "/main:c/dev:first/second")
	if second.Module != s.Module("dev") || second.Path() != "/main:c/dev:first/second" {
		t.Errorf("augmented leaf %s", second.Path())
	}
}

func TestFindErrors(t *testing.T) {
	s := mustCompile(t, module(everything))
	for path, want := range map[string]string{
		"":          "does not begin with a slash",
		"m:top":     "does not begin with a slash",
		"/top":      `"top" needs its module's name before it`,
		"/x:top":    `no module "x"`,
		"/m:nope":   `no node "nope" of module m below /`,
		"/m:top/no": "below /m:top",
		"/m:top/":   `no node ""`,
	} {
		if n, err := s.Find(path); n != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Find(%q) = %v, %v; want an error with %q", path, n, err, want)
		}
	}
	if n, err := s.Find("/"); n != s.Root() || err != nil {
		t.Errorf("Find(/) = %v, %v", n, err)
	}
}

func TestContentIDChangesWithTheSet(t *testing.T) {
	ids := map[string]bool{}
	for _, text := range []string{module("leaf a { type int8; }"), module("leaf a { type int16; }"), module("leaf a { type int8; } feature f;")} {
		ids[mustCompile(t, text).ContentID()] = true
	}
	o := schema.Options{Sources: []schema.Source{{Name: "m.yang", Text: []byte(module("leaf a { type int8; } feature f;"))}}, Implement: []string{"m"}}
	o.Features = map[string][]string{"m": nil}
	s, err := schema.Compile(o)
	if err != nil {
		t.Fatal(err)
	}
	ids[s.ContentID()] = true
	if len(ids) != 4 {
		t.Errorf("four sets have %d content-ids", len(ids))
	}
}
