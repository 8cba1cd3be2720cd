package yang_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	goyang "github.com/openconfig/goyang/pkg/yang"

	"github.com/tandem-ne/tandem/yang"
)

// tool returns the path of a program, and fails the test when there is none: a
// check that cannot run is not a check that passes.
func tool(t *testing.T, name, install string) string {
	t.Helper()
	if venv := os.Getenv("TANDEM_VENV"); venv != "" {
		if path, err := exec.LookPath(filepath.Join(venv, "bin", name)); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: %s", name, install)
	}
	return path
}

func pyang(t *testing.T) string {
	return tool(t, "pyang", "make a virtual environment with pyang==2.7.1 and name it in TANDEM_VENV")
}

func yanglint(t *testing.T) string {
	return tool(t, "yanglint", "install the package libyang2-tools")
}

// run returns what the program printed and whether it ended well.
func run(t *testing.T, program string, args ...string) (string, bool) {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		if _, ok := err.(*exec.ExitError); !ok {
			t.Fatal(err)
		}
	}
	return string(out), err == nil
}

// ourModules lists the files of the mtp modules in the order of Implemented:
// libyang wants mtp-types before the modules that use its identities in defaults.
func ourModules() []string {
	var files []string
	for _, m := range yang.Implemented() {
		if strings.HasPrefix(m.Name, "mtp-") && !strings.Contains(m.Name, "deviations") {
			files = append(files, m.Name+".yang")
		}
	}
	return files
}

func deviations(t *testing.T) []string {
	files, err := filepath.Glob("deviations/*.yang")
	if err != nil || len(files) == 0 {
		t.Fatalf("deviations: %v, %v", files, err)
	}
	return files
}

func TestPyangLint(t *testing.T) {
	args := []string{"--strict", "--lint", "--lint-namespace-prefix", "urn:tandem:yang:",
		"--lint-modulename-prefix", "mtp", "-p", ".:standard"}
	args = append(append(args, ourModules()...), deviations(t)...)
	if out, ok := run(t, pyang(t), args...); !ok || out != "" {
		t.Errorf("pyang is not content:\n%s", out)
	}
}

func TestYanglint(t *testing.T) {
	args := []string{"-p", ".", "-p", "standard"}
	if out, ok := run(t, yanglint(t), append(args, ourModules()...)...); !ok || out != "" {
		t.Errorf("yanglint is not content:\n%s", out)
	}
}

// TestYanglintServed loads what the element serves: the features that it
// supports, and the deviations.
func TestYanglintServed(t *testing.T) {
	args := []string{"-p", ".", "-p", "standard", "-p", "deviations"}
	var files []string
	for _, m := range yang.Implemented() {
		args = append(args, "-F", m.Name+":"+strings.Join(m.Features, ","))
		file := m.Name + ".yang"
		for _, dir := range []string{"standard", "deviations"} {
			if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
				file = filepath.Join(dir, file)
			}
		}
		files = append(files, file)
	}
	if out, ok := run(t, yanglint(t), append(args, files...)...); !ok || out != "" {
		t.Errorf("yanglint is not content:\n%s", out)
	}
}

// change is one line of testdata/rejected.txt that replaces text of base.xml.
type change struct{ old, new string }

type rejected struct {
	name    string
	changes []change
	want    string
}

func rejectedCases(t *testing.T) []rejected {
	t.Helper()
	text, err := os.ReadFile("testdata/rejected.txt")
	if err != nil {
		t.Fatal(err)
	}
	var cases []rejected
	for i, line := range strings.Split(string(text), "\n") {
		mark, rest, _ := strings.Cut(line, " ")
		switch {
		case mark == "#":
			cases = append(cases, rejected{name: rest})
		case len(cases) == 0 || mark == "":
		case mark == "-":
			c := &cases[len(cases)-1]
			c.changes = append(c.changes, change{old: rest})
		case mark == "+":
			c := &cases[len(cases)-1]
			c.changes[len(c.changes)-1].new = rest
		case mark == "!":
			cases[len(cases)-1].want = rest
		default:
			t.Fatalf("testdata/rejected.txt:%d: cannot read %q", i+1, line)
		}
	}
	return cases
}

func TestInstanceData(t *testing.T) {
	program := yanglint(t)
	base, err := os.ReadFile("testdata/base.xml")
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-p", ".", "-p", "standard", "-t", "config"}, ourModules()...)
	args = append(args, "standard/iana-if-type.yang")

	t.Run("accepted", func(t *testing.T) {
		if out, ok := run(t, program, append(args, "testdata/base.xml")...); !ok || out != "" {
			t.Fatalf("a valid configuration is refused:\n%s", out)
		}
	})
	for _, tc := range rejectedCases(t) {
		t.Run(tc.name, func(t *testing.T) {
			data := base
			for _, c := range tc.changes {
				if n := bytes.Count(data, []byte(c.old)); n != 1 {
					t.Fatalf("%q occurs %d times in base.xml, want once", c.old, n)
				}
				data = bytes.Replace(data, []byte(c.old), []byte(c.new), 1)
			}
			file := filepath.Join(t.TempDir(), "case.xml")
			if err := os.WriteFile(file, data, 0o644); err != nil {
				t.Fatal(err)
			}
			out, ok := run(t, program, append(slices.Clip(args), file)...)
			if ok {
				t.Fatalf("yanglint takes it, want: %s", tc.want)
			}
			if tc.want == "" || !strings.Contains(out, tc.want) {
				t.Errorf("yanglint says:\n%s\nwant: %s", out, tc.want)
			}
		})
	}
}

// TestEveryRuleIsProved holds testdata/rejected.txt against the modules: each
// must has a message, an app-tag and a case; each unique has a case.
func TestEveryRuleIsProved(t *testing.T) {
	proved := map[string]bool{}
	for _, tc := range rejectedCases(t) {
		proved[tc.want] = true
	}
	musts, uniques := 0, 0
	for _, file := range ourModules() {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		statements, err := goyang.Parse(string(text), file)
		if err != nil {
			t.Fatal(err)
		}
		var walk func(s *goyang.Statement)
		walk = func(s *goyang.Statement) {
			switch s.Keyword {
			case "must":
				musts++
				message, tag := "", ""
				for _, sub := range s.SubStatements() {
					switch sub.Keyword {
					case "error-message":
						message = sub.Argument
					case "error-app-tag":
						tag = sub.Argument
					}
				}
				if message == "" || tag == "" {
					t.Errorf("%s: a must without error-message or error-app-tag", s.Location())
				} else if !proved[message] {
					t.Errorf("%s: no case in testdata/rejected.txt breaks the rule: %s", s.Location(), message)
				}
			case "unique":
				uniques++
				if !proved[`Unique data leaf(s) "`+s.Argument+`"`] {
					t.Errorf("%s: no case in testdata/rejected.txt breaks: unique %s", s.Location(), s.Argument)
				}
			}
			for _, sub := range s.SubStatements() {
				walk(sub)
			}
		}
		for _, s := range statements {
			walk(s)
		}
	}
	if musts < 50 || uniques < 20 {
		t.Errorf("found %d musts and %d uniques: the walk misses some", musts, uniques)
	}
}

// TestReadmeShowsTrees compares the trees in README.md with what pyang prints.
func TestReadmeShowsTrees(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "\n## Trees\n")
	_, rest, _ = strings.Cut(rest, "\n```\n")
	got, _, ok := strings.Cut(rest, "\n```")
	if !ok {
		t.Fatal("README.md has no block of trees")
	}
	args := append([]string{"-f", "tree", "-p", ".:standard"}, ourModules()...)
	want, ok := run(t, pyang(t), args...)
	if !ok {
		t.Fatalf("pyang: %s", want)
	}
	if got != strings.TrimRight(want, "\n") {
		t.Errorf("the trees in README.md are not those of the modules: put this there:\n%s", want)
	}
}
