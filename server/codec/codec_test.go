package codec

import (
	"os"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

const (
	kitchenNS = "urn:tandem:test:kitchen"
	pantryNS  = "urn:tandem:test:pantry"
)

func testSchema(t testing.TB) *schema.Schema {
	t.Helper()
	var opt schema.Options
	for _, name := range []string{"kitchen", "pantry"} {
		text, err := os.ReadFile("testdata/" + name + ".yang")
		if err != nil {
			t.Fatal(err)
		}
		opt.Sources = append(opt.Sources, schema.Source{Name: name + ".yang", Text: text})
		opt.Implement = append(opt.Implement, name)
	}
	s, err := schema.Compile(opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open returns a reader at the start tag of <config> around content, which is
// in the namespace of kitchen and may use the prefixes k, p, nc and yang.
func open(t testing.TB, content string) *xmltok.Reader {
	t.Helper()
	doc := `<config xmlns="` + kitchenNS + `" xmlns:k="` + kitchenNS + `" xmlns:p="` + pantryNS +
		`" xmlns:nc="` + NamespaceNETCONF + `" xmlns:yang="` + NamespaceYANG + `" xmlns:wd="` + NamespaceWithDefaults + `">` + content + `</config>`
	r := xmltok.NewReader([]byte(doc), xmltok.Limits{})
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	return r
}

// data decodes XML content as a tree.
func data(t testing.TB, s *schema.Schema, content string) *tree.Node {
	t.Helper()
	n, err := DecodeData(s, s.Root(), open(t, content), DataOptions{})
	if err != nil {
		t.Fatalf("%s: %v", content, err)
	}
	return n
}

// printEdits shows edits one per line.
func printEdits(edits []tree.Edit) string {
	var b strings.Builder
	for _, e := range edits {
		b.WriteString(e.Op.String())
		b.WriteByte(' ')
		b.WriteString(e.Path.String())
		if !e.Value.IsZero() {
			b.WriteString(" = " + e.Value.String())
		}
		if e.Tree != nil {
			b.WriteString(" " + string(AppendJSON(nil, e.Tree, EncodeOptions{})))
		}
		if e.Insert != tree.Default {
			b.WriteString([...]string{"", " first", " last", " before", " after"}[e.Insert])
			for _, w := range e.Where {
				b.WriteString(" " + w.String())
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
