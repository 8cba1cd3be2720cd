package server_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	quoted   = regexp.MustCompile("`([^`]+)`")
	fileName = regexp.MustCompile(`^[a-z][\w./-]*\.(go|h|yang|md|sh)$`)
	testName = regexp.MustCompile(`^(Test|Fuzz)[A-Z]\w*$`)
	mdLink   = regexp.MustCompile(`\]\(([^)#:]+)\)`)
)

// tests returns the names of all test and fuzz functions of the repository.
func tests(t *testing.T, root string) map[string]bool {
	t.Helper()
	cmd := exec.Command("git", "grep", "-hoE", `^func (Test|Fuzz)[A-Z]\w*`, "--", "*_test.go")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git grep: %v", err)
	}
	names := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		names[strings.TrimPrefix(strings.TrimSpace(line), "func ")] = true
	}
	return names
}

// TestReadmeNamesWhatExists holds the README's claims against the tree: every
// file, test and make target that it names is there.
func TestReadmeNamesWhatExists(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	known := tests(t, root)
	for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
		name := m[1]
		switch {
		case testName.MatchString(name):
			if !known[name] {
				t.Errorf("README.md names the test %s, which does not exist", name)
			}
		case strings.HasPrefix(name, "make "):
			if target := strings.Fields(name)[1]; !strings.Contains(string(makefile), "\n"+target+":") {
				t.Errorf("README.md names %q, which is no target", name)
			}
		case strings.Contains(name, "/") && fileName.MatchString(name):
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Errorf("README.md names the file %s: %v", name, err)
			}
		}
	}
	for _, m := range mdLink.FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Errorf("README.md links to %s: %v", m[1], err)
		}
	}
}
