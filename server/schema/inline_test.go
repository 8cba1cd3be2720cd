package schema_test

import (
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
)

// compileText compiles modules given as texts; each begins with its keyword and
// name. All of them are implemented, except those whose name ends in "-import"
// and submodules.
func compileText(texts ...string) (*schema.Schema, error) {
	var o schema.Options
	for _, text := range texts {
		fields := strings.Fields(text)
		o.Sources = append(o.Sources, schema.Source{Name: fields[1] + ".yang", Text: []byte(text)})
		if fields[0] == "module" && !strings.HasSuffix(fields[1], "-import") {
			o.Implement = append(o.Implement, fields[1])
		}
	}
	return schema.Compile(o)
}

// module wraps a body into a YANG 1.1 module called m with the prefix m.
func module(body string) string { return named("m", body) }

func named(name, body string) string {
	return "module " + name + " { yang-version 1.1; namespace \"urn:test:" + name + "\"; prefix " + name + ";\n" + body + "\n}"
}

func mustCompile(t testing.TB, texts ...string) *schema.Schema {
	t.Helper()
	s, err := compileText(texts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func find(t testing.TB, s *schema.Schema, path string) *schema.Node {
	t.Helper()
	n, err := s.Find(path)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// leafType compiles a module with one leaf of the given type statement.
func leafType(t testing.TB, typ string) *schema.Type {
	t.Helper()
	return find(t, mustCompile(t, module("leaf x { "+typ+" }")), "/m:x").Type
}
