package netconf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/served"
)

const casesDir = "../../testdata/netconf"

// closedText, in place of a message, expects the end of the session.
const closedText = "(closed)"

// TestCases runs the step directories of testdata/netconf, whose README says how
// they are written. With TANDEM_UPDATE=1 it writes what it gets instead.
func TestCases(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(casesDir, "*-*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) { runCase(t, dir) })
	}
}

func runCase(t *testing.T, dir string) {
	e := caseElement(t, dir)
	e.commitFile(filepath.Join(dir, "config.xml"))
	sessions := map[string]*client{}
	session := func(name string) *client {
		if sessions[name] == nil {
			base := base11
			if name == "old" {
				base = base10
			}
			var more []string
			if strings.HasPrefix(name, "private") {
				more = append(more, privateCandidate)
			}
			sessions[name] = e.open(base, more...)
		}
		return sessions[name]
	}
	session("")
	steps, err := filepath.Glob(filepath.Join(dir, "[0-9]*.xml"))
	if err != nil || len(steps) == 0 {
		t.Fatalf("no steps: %v", err)
	}
	slices.SortFunc(steps, compareSteps)
	for _, file := range steps {
		parts := strings.Split(strings.TrimSuffix(filepath.Base(file), ".xml"), "-")
		name := strings.Join(parts[2:], "-")
		text := readFile(t, file)
		switch parts[1] {
		case "send":
			session(name).send(strings.ReplaceAll(text, "{instance}", e.store.Instance()))
		case "expect":
			got := closedText
			msg, err := session(name).in.next()
			switch {
			case err == nil:
				got = strings.ReplaceAll(string(msg), e.store.Instance()+"-", "{instance}-")
			case !errors.Is(err, io.EOF):
				t.Fatalf("%s: %v", file, err)
			}
			if os.Getenv("TANDEM_UPDATE") != "" {
				update(t, file, got)
				continue
			}
			if !expected(text, got) {
				t.Errorf("%s\nwant %s\n got %s", file, strings.TrimSpace(text), got)
			}
		default:
			t.Fatalf("%s is neither send nor expect", file)
		}
	}
}

// caseElement starts the server of a case: its directory may have modules (*.yang),
// a directory files, which file URLs lead to a copy of, and a file startup, for an
// element with a startup datastore.
func caseElement(t *testing.T, dir string) *element {
	t.Helper()
	var more []schema.Source
	modules, err := filepath.Glob(filepath.Join(dir, "*.yang"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		text, err := os.ReadFile(m)
		if err != nil {
			t.Fatal(err)
		}
		more = append(more, schema.Source{Name: filepath.Base(m), Text: text})
	}
	urls := t.TempDir()
	if err := os.CopyFS(urls, os.DirFS(filepath.Join(dir, "files"))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(dir, "startup"))
	return newElementWith(t, served.Choices{Startup: err == nil}, func(o *Options) { o.URLs.Dir = urls }, more...)
}

// compareSteps orders by number; what is sent comes before what is expected.
func compareSteps(a, b string) int {
	key := func(f string) string {
		parts := strings.SplitN(filepath.Base(f), "-", 3)
		return parts[0] + map[bool]string{true: "0", false: "1"}[strings.HasPrefix(parts[1], "send")] + f
	}
	return strings.Compare(key(a), key(b))
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil && !(os.IsNotExist(err) && strings.Contains(file, "expect")) {
		t.Fatal(err)
	}
	return strings.TrimRight(string(text), "\n")
}

// expected compares a message with an expectation, in which … stands for text
// without markup, and line breaks with the white space around them for nothing.
func expected(want, got string) bool {
	var b strings.Builder
	for line := range strings.Lines(want) {
		b.WriteString(strings.TrimSpace(line))
	}
	pattern := strings.ReplaceAll(regexp.QuoteMeta(b.String()), "…", "[^<>]*")
	return regexp.MustCompile(`\A` + pattern + `\z`).MatchString(got)
}

// update writes a message as an expectation, one element with content a line.
func update(t *testing.T, file, got string) {
	t.Helper()
	got = regexp.MustCompile(`>\d{4}-\d\d-\d\dT[^<]*<`).ReplaceAllString(got, ">…<")
	got = regexp.MustCompile(`({instance}-s)\w+`).ReplaceAllString(got, "$1…")
	got = regexp.MustCompile(`(/?>)(<[^/])`).ReplaceAllString(got, "$1\n$2")
	if err := os.WriteFile(file, []byte(got+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// commitFile makes the content of a file the running configuration; a file that
// is not there leaves it empty.
func (e *element) commitFile(file string) {
	e.t.Helper()
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		e.t.Fatal(err)
	}
	e.commit(string(text))
}

func (e *element) commit(config string) {
	e.t.Helper()
	r := xmltok.NewReader(fmt.Appendf(nil, `<config xmlns="%s">%s</config>`, nsBase, config), xmltok.Limits{})
	if _, err := r.Next(); err != nil {
		e.t.Fatal(err)
	}
	root, err := codec.DecodeData(e.schema, e.schema.Root(), r, codec.DataOptions{ConfigOnly: true})
	if err != nil {
		e.t.Fatal(err)
	}
	s := e.store.NewSession(datastore.SessionInfo{User: "setup", Protocol: "system"}, nil)
	defer s.Close()
	if err := s.Replace(e.t.Context(), root); err != nil {
		e.t.Fatal(err)
	}
	if _, err := s.Commit(e.t.Context(), datastore.CommitOptions{}); err != nil {
		e.t.Fatal(err)
	}
}
