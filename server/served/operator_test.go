package served

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/yang"
)

// The modules of an operator, in all the forms that are taken.
const (
	site = `module acme-site {
  namespace "urn:acme:site";
  prefix site;
  import ietf-inet-types { prefix inet; }
  include acme-site-rack;
  revision 2026-11-01 { description "First."; }
  feature power { description "Power feeds."; }
  feature cooling { description "Fans."; }
  container site {
    leaf name { type string; }
    leaf gateway { type inet:ip-address; }
    leaf feeds { if-feature power; type uint8; }
    leaf fans { if-feature cooling; type uint8; }
    uses racks;
  }
}
`
	rack = `submodule acme-site-rack {
  belongs-to acme-site { prefix site; }
  revision 2026-11-01;
  grouping racks { list rack { key id; leaf id { type uint16; } leaf rows { type uint8 { range "1..48"; } } } }
}
`
	ticket = `module acme-ticket {
  yang-version 1.1;
  namespace "urn:acme:ticket";
  prefix t;
  import mtp-node { prefix mtp; }
  import mtp-lsp { prefix lsp; }
  augment "/mtp:mpls-tp/lsp:lsps/lsp:static-lsp" {
    leaf ticket { type string { pattern "T[0-9]+"; } must "../lsp:description" { error-message "a ticket needs a description"; error-app-tag "acme-ticket"; } }
  }
}
`
	limits = `module acme-limits {
  yang-version 1.1;
  namespace "urn:acme:limits";
  prefix a;
  import mtp-node { prefix mtp; }
  import mtp-lsp { prefix lsp; }
  deviation "/mtp:mpls-tp/lsp:lsps/lsp:static-lsp" { deviate add { max-elements 2; } }
  deviation "/mtp:mpls-tp/lsp:lsps/lsp:static-lsp/lsp:bandwidth" { deviate not-supported; }
}
`
)

func writeDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReadDir(t *testing.T) {
	inet, err := ownTexts()
	if err != nil {
		t.Fatal(err)
	}
	dir := writeDir(t, map[string]string{
		"acme-site@2026-11-01.yang": site, "acme-site-rack.yang": rack, "acme-ticket.yang": ticket, "acme-limits.yang": limits,
		"features": "# what we have\nacme-site: power # no fans\n", "README": "not YANG", "ietf-inet-types.yang": string(inet["ietf-inet-types"]),
	})
	if err := os.Mkdir(filepath.Join(dir, "old"), 0o700); err != nil {
		t.Fatal(err)
	}
	m, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"acme-limits", "acme-site", "acme-ticket", "ietf-inet-types"}; !slices.Equal(m.Names, want) {
		t.Errorf("the modules are %v, want %v", m.Names, want)
	}
	plain, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	s, err := SchemaWith(Choices{Modules: m})
	if err != nil {
		t.Fatal(err)
	}
	if s.ContentID() == plain.ContentID() {
		t.Error("further modules do not change the content-id")
	}
	for path, there := range map[string]bool{
		"/acme-site:site/name": true, "/acme-site:site/feeds": true, "/acme-site:site/fans": false, "/acme-site:site/rack/rows": true,
		"/mtp-node:mpls-tp/mtp-lsp:lsps/static-lsp/acme-ticket:ticket": true, "/mtp-node:mpls-tp/mtp-lsp:lsps/static-lsp/bandwidth": false,
	} {
		if _, err := s.Find(path); (err == nil) != there {
			t.Errorf("%s: %v, there is to be one: %t", path, err, there)
		}
	}
	mod := s.Module("acme-site")
	if !mod.Implemented || mod.YangVersion != "1" || !slices.Equal(mod.Features, []string{"power"}) || len(mod.Submodules) != 1 {
		t.Errorf("acme-site: implemented %t, version %s, features %v, %d submodules", mod.Implemented, mod.YangVersion, mod.Features, len(mod.Submodules))
	}
	if d := s.Module("mtp-lsp").Deviations; !slices.Contains(d, "acme-limits") {
		t.Errorf("mtp-lsp is deviated by %v", d)
	}
	lsp, err := s.Find("/mtp-node:mpls-tp/mtp-lsp:lsps/static-lsp")
	if err != nil || lsp.MaxElements != 2 {
		t.Errorf("max-elements of static-lsp: %v, %v", lsp, err)
	}
}

// TestReadDirRefuses: what cannot be served is named with file, line and reason.
func TestReadDirRefuses(t *testing.T) {
	const minimal = "module %s { namespace \"urn:%s\"; prefix p; }\n"
	module := func(name string) string { return strings.ReplaceAll(minimal, "%s", name) }
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  []string // parts of the error, with DIR for the directory
	}{
		{"syntax", map[string]string{"a.yang": "module a {\n  namespace \"urn:a\"\n  prefix a;\n}\n"}, []string{"DIR/a.yang:3: "}},
		{"no YANG", map[string]string{"a.yang": ""}, []string{"DIR/a.yang:1: the text is not one module or submodule"}},
		{"two faults in two files", map[string]string{"a.yang": "module b { namespace \"urn:b\"; prefix b; }", "c.yang": "module {"},
			[]string{"DIR/a.yang:1: this is module b of revision \"\": the file must be called b.yang", "DIR/c.yang:"}},
		{"name of the file", map[string]string{"acme.yang": module("acme-site")}, []string{"DIR/acme.yang:1: this is module acme-site", "must be called acme-site.yang"}},
		{"revision of the file", map[string]string{"acme-site@2025-01-01.yang": site, "acme-site-rack.yang": rack},
			[]string{"DIR/acme-site@2025-01-01.yang:1: ", "acme-site@2026-11-01.yang"}},
		{"two revisions", map[string]string{"acme-site.yang": site, "acme-site@2026-11-01.yang": site, "acme-site-rack.yang": rack},
			[]string{"DIR/acme-site@2026-11-01.yang:1: module acme-site is in acme-site.yang too"}},
		{"a module of the element", map[string]string{"mtp-lsp.yang": module("mtp-lsp")}, []string{"DIR/mtp-lsp.yang:1: module mtp-lsp is part of the element itself"}},
		{"missing import", map[string]string{"a.yang": "module a {\n namespace \"urn:a\";\n prefix a;\n import nowhere { prefix n; }\n}\n"},
			[]string{"DIR/a.yang:4: no source for module nowhere"}},
		{"imported revision", map[string]string{"a.yang": "module a {\n namespace \"urn:a\";\n prefix a;\n import ietf-inet-types { prefix n; revision-date 2010-09-24; }\n}\n"},
			[]string{"DIR/a.yang:4: no source for revision 2010-09-24 of ietf-inet-types"}},
		{"missing submodule", map[string]string{"acme-site.yang": site}, []string{"DIR/acme-site.yang:5: no source for submodule acme-site-rack"}},
		{"submodule without module", map[string]string{"acme-site-rack.yang": rack}, []string{"DIR/acme-site-rack.yang:1: submodule acme-site-rack belongs to module acme-site, which is not here"}},
		{"submodule that nothing includes", map[string]string{"acme-site.yang": module("acme-site"), "acme-site-rack.yang": rack},
			[]string{"DIR/acme-site-rack.yang:1: submodule acme-site-rack is included by nothing of module acme-site"}},
		{"namespace of another", map[string]string{"a.yang": "module a { namespace \"urn:same\"; prefix a; }", "b.yang": "module b { namespace \"urn:same\"; prefix b; }"},
			[]string{"DIR/b.yang:1: namespace \"urn:same\" is already that of module a"}},
		{"namespace of ours", map[string]string{"z.yang": "module z {\n namespace \"urn:tandem:yang:mtp-lsp\";\n prefix z;\n}"}, []string{"namespace \"urn:tandem:yang:mtp-lsp\" is already that of module"}},
		{"unknown type", map[string]string{"a.yang": "module a {\n namespace \"urn:a\";\n prefix a;\n leaf x {\n  type nothing;\n }\n}\n"}, []string{"DIR/a.yang:5: "}},
		{"augment of nothing", map[string]string{"a.yang": "module a {\n namespace \"urn:a\";\n prefix a;\n import mtp-node { prefix m; }\n augment \"/m:mpls-tp/m:nowhere\" { leaf x { type string; } }\n}\n"},
			[]string{"DIR/a.yang:5: "}},
		{"deviation of nothing", map[string]string{"a.yang": "module a {\n namespace \"urn:a\";\n prefix a;\n import mtp-node { prefix m; }\n deviation \"/m:mpls-tp/m:nowhere\" { deviate not-supported; }\n}\n"},
			[]string{"DIR/a.yang:5: "}},
		{"a statement of 1.1 in 1.0", map[string]string{"a.yang": "module a {\n namespace \"urn:a\";\n prefix a;\n anydata x;\n}\n"}, []string{"DIR/a.yang:4: anydata in module \"a\" needs yang-version 1.1"}},
		{"version 2", map[string]string{"a.yang": "module a {\n yang-version 2;\n namespace \"urn:a\";\n prefix a;\n}\n"}, []string{"DIR/a.yang:2: yang-version \"2\" is not 1 or 1.1"}},
		{"a name that the parent has of this module", map[string]string{"a.yang": "module a {\n namespace \"urn:a\";\n prefix a;\n import mtp-node { prefix m; }\n augment \"/m:mpls-tp\" {\n  container sections { leaf x { type string; } }\n  leaf sections { type string; }\n }\n}\n"},
			[]string{"DIR/a.yang:7: "}},
		{"feature of nothing", map[string]string{"a.yang": module("a"), "features": "\na: x\nb:\nnonsense\n"},
			[]string{"DIR/features:2: module a has no feature x", "DIR/features:3: there is no module b here", "DIR/features:4: a line is MODULE: FEATURE ..."}},
		{"features twice", map[string]string{"a.yang": module("a"), "features": "a:\na:\n"}, []string{"DIR/features:2: module a has a line already"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := writeDir(t, tc.files)
			m, err := ReadDir(dir)
			if err == nil {
				_, err = SchemaWith(Choices{Modules: m})
			}
			if err == nil {
				t.Fatal("nothing is wrong with it")
			}
			var faults schema.CompileErrors
			if !errors.As(err, &faults) {
				t.Errorf("the error is %T", err)
			}
			got := strings.ReplaceAll(err.Error(), dir, "DIR")
			for _, want := range tc.want {
				if !strings.Contains(got, want) {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		})
	}
}

func TestReadDirThatIsNone(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadDir(filepath.Join(dir, "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadDir(file); err == nil {
		t.Error("a file is taken for a directory")
	}
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "a.yang")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "b.yang"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "c.yang"), make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := ReadDir(dir)
	for _, want := range []string{"a.yang: no such file", "b.yang: this is no regular file", "c.yang: the module text is larger than 4 MiB"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if m, err := ReadDir(t.TempDir()); err != nil || len(m.Names) != 0 {
		t.Errorf("an empty directory: %v, %v", m, err)
	}
	if len(yang.Implemented()) == 0 {
		t.Error("the element has no modules")
	}
}
