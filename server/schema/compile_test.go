package schema_test

import (
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/yang"
)

// served returns the options that compile what the element serves.
func served(t testing.TB) schema.Options {
	t.Helper()
	sources, err := yang.Sources()
	if err != nil {
		t.Fatal(err)
	}
	o := schema.Options{Features: map[string][]string{}}
	for _, s := range sources {
		o.Sources = append(o.Sources, schema.Source{Name: s.Name, Text: s.Text})
	}
	for _, m := range yang.Implemented() {
		o.Implement = append(o.Implement, m.Name)
		o.Features[m.Name] = m.Features
	}
	return o
}

func TestCompileServedModules(t *testing.T) {
	s, err := schema.Compile(served(t))
	if err != nil {
		t.Fatal(err)
	}
	for id := range s.NumNodes() {
		n := s.NodeByID(id)
		found, err := s.Find(n.Path())
		if err != nil || found != n {
			t.Errorf("Find(%s) = %v, %v", n.Path(), found, err)
		}
	}
}

func BenchmarkCompileServedModules(b *testing.B) {
	o := served(b)
	for b.Loop() {
		if _, err := schema.Compile(o); err != nil {
			b.Fatal(err)
		}
	}
}
