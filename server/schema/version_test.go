package schema_test

import (
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
)

// TestVersion1: what came with YANG 1.1 is refused in a module of version 1, and
// taken in one of version 1.1.
func TestVersion1(t *testing.T) {
	for name, body := range map[string]string{
		"anydata":                   "anydata x;",
		"action":                    "container c { action a; }",
		"notification in container": "container c { notification n; }",
		"must in notification":      "notification n { must 'true()'; leaf a { type string; } }",
		"must in input":             "rpc r { input { must 'true()'; leaf a { type string; } } }",
		"modifier":                  "leaf a { type string { pattern 'x' { modifier invert-match; } } }",
		"if-feature of an enum":     "feature f; leaf a { type enumeration { enum x; enum y { if-feature f; } } }",
		"if-feature of an identity": "feature f; identity i { if-feature f; }",
		"expression of features":    "feature f; feature g; leaf a { if-feature 'f or g'; type string; }",
		"defaults of a leaf-list":   "leaf-list a { type string; default x; }",
		"choice in a choice":        "choice c { choice d { leaf a { type string; } } }",
	} {
		for _, version := range []string{"", "yang-version 1;", "yang-version 1.1;"} {
			_, err := schema.Compile(schema.Options{
				Sources:   []schema.Source{{Name: "m.yang", Text: []byte("module m { " + version + " namespace urn:m; prefix m;\n" + body + "\n}")}},
				Implement: []string{"m"},
			})
			switch {
			case strings.Contains(version, "1.1"):
				if err != nil {
					t.Errorf("%s in version 1.1: %v", name, err)
				}
			case err == nil || !strings.Contains(err.Error(), "m.yang:2: ") || !strings.Contains(err.Error(), "needs yang-version 1.1"):
				t.Errorf("%s in %q: %v", name, version, err)
			}
		}
	}
}

func TestReadHeader(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"module a { namespace u; prefix p; include s; include t; revision 2020-01-01; revision 2021-05-06; feature f; }", "a 2021-05-06  [f] [s t] a@2021-05-06.yang"},
		{"submodule s { belongs-to a { prefix p; } }", "s  a [] [] s.yang"},
		{"submodule s { }", "m.yang:1: submodule s belongs to no module"},
		{"container c;", "m.yang:1: the text is not one module or submodule"},
		{"module a {", "m.yang:"},
	} {
		h, err := schema.ReadHeader(schema.Source{Name: "m.yang", Text: []byte(tc.text)})
		got := strings.Join([]string{h.Name, h.Revision, h.BelongsTo, "[" + strings.Join(h.Features, " ") + "]", "[" + strings.Join(h.Includes, " ") + "]", h.FileName()}, " ")
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.text, got, tc.want)
		}
	}
}
