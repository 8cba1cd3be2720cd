package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/openconfig/goyang/pkg/yang"

	"github.com/tandem-ne/tandem/gen/mtp"
)

const yangDir = "../../../yang"

// TestCommittedIsCurrent generates again: gen/mtp is what the modules say.
func TestCommittedIsCurrent(t *testing.T) {
	out := filepath.Join(t.TempDir(), "mtp.go")
	if err := generate(yangDir, out); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../../mtp/mtp.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("gen/mtp/mtp.go differs from what the modules give: run go generate ./gen and commit the result")
	}
}

func TestGenerateReportsBadModules(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mtp-types.yang"), []byte("module mtp-types {"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := generate(dir, filepath.Join(dir, "mtp.go")); err == nil {
		t.Error("generate took a module that does not parse")
	}
}

// TestNoActionBecomesData fails on an action without an output, which ygot
// turns into a container.
func TestNoActionBecomesData(t *testing.T) {
	actions := actionsOf(t)
	if len(actions) < 15 {
		t.Fatalf("found %d actions in the modules, want at least 15", len(actions))
	}
	data := map[string]bool{}
	walkFields(reflect.TypeFor[mtp.MtpNode_MplsTp](), "/mtp-node/mpls-tp", data)
	if !data["/mtp-node/mpls-tp/oam/meg/mep/cc"] {
		t.Fatal("the generated structs have no MEP: the paths have changed")
	}
	for path := range actions {
		if data[path] {
			t.Errorf("the action %s has become a container: give it an output", path)
		}
	}
}

// walkFields collects the schema paths of the fields below a generated struct.
func walkFields(typ reflect.Type, path string, into map[string]bool) {
	for i := range typ.NumField() {
		field := typ.Field(i)
		child := path + "/" + field.Tag.Get("path")
		into[child] = true
		elem := field.Type
		for elem.Kind() == reflect.Map || elem.Kind() == reflect.Slice || elem.Kind() == reflect.Pointer {
			elem = elem.Elem()
		}
		if elem.Kind() == reflect.Struct {
			walkFields(elem, child, into)
		}
	}
}

// actionsOf returns the schema paths of all actions, in ygot's form: the module
// of the top-level node first, then names.
func actionsOf(t *testing.T) map[string]bool {
	ms := yang.NewModules()
	ms.AddPath(yangDir, filepath.Join(yangDir, "standard"))
	for _, m := range modules {
		if err := ms.Read(filepath.Join(yangDir, m+".yang")); err != nil {
			t.Fatal(err)
		}
	}
	if errs := ms.Process(); errs != nil {
		t.Fatal(errs)
	}
	root, err := ms.GetModule("mtp-node")
	if err != nil {
		t.Fatal(err)
	}
	actions := map[string]bool{}
	var walk func(e *yang.Entry)
	walk = func(e *yang.Entry) {
		if e.Node != nil && e.Node.Kind() == "action" {
			actions[e.Path()] = true
			return
		}
		for _, child := range e.Dir {
			walk(child)
		}
	}
	walk(root)
	return actions
}
