package schema_test

import (
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
)

// pyang returns the path of the program.
func pyang(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{os.Getenv("TANDEM_VENV"), "../../.build/venv"} {
		p := filepath.Join(dir, "bin", "pyang")
		if _, err := os.Stat(p); dir != "" && err == nil {
			return p
		}
	}
	p, err := exec.LookPath("pyang")
	if err != nil {
		t.Fatal("pyang is missing: run .ci/deps python, or name a virtual environment in TANDEM_VENV")
	}
	return p
}

// TestCompileAgreesWithPyang compares the tree of all served modules, with all
// features and without deviations, with what another compiler makes of them:
// nodes, kinds, units, defaults and the targets of leafrefs.
func TestCompileAgreesWithPyang(t *testing.T) {
	o := servedOptions(t)
	o.Features = nil
	o.Implement = slices.DeleteFunc(o.Implement, func(m string) bool { return strings.HasSuffix(m, "-deviations") })
	// With all features a subscription refers to network instances.
	o.Implement = append(o.Implement, "ietf-ip", "ietf-network-instance")
	s, err := schema.Compile(o)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"--path", dir, "--format", "flatten", "--flatten-no-header", "--flatten-keyword", "--flatten-data-keywords",
		"--flatten-resolve-leafref", "--flatten-units", "--flatten-default"}
	for _, src := range o.Sources {
		file := filepath.Join(dir, src.Name)
		if err := os.WriteFile(file, src.Text, 0o600); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(o.Implement, strings.TrimSuffix(src.Name, ".yang")) {
			args = append(args, file)
		}
	}
	out, err := exec.Command(pyang(t), args...).Output()
	if err != nil {
		t.Fatalf("pyang: %v\n%s", err, out)
	}
	rows, err := csv.NewReader(strings.NewReader(string(out))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	keywords := map[string]string{}
	for _, r := range rows {
		keywords[r[0]] = r[1]
	}
	seen := map[*schema.Node]bool{}
	var structures []string
	for _, r := range rows {
		path, keyword, target, units, dflt := r[0], r[1], r[2], r[3], r[4]
		switch keyword {
		case "choice", "case", "input", "output":
			continue
		}
		if strings.HasSuffix(keyword, "'yang-data')") || strings.HasSuffix(keyword, "'structure')") {
			// Structures for messages (RFC 8040 section 8, RFC 8791) are no nodes of a schema.
			structures = append(structures, path)
		}
		if slices.ContainsFunc(structures, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") }) {
			continue
		}
		n := lookup(s, keywords, path)
		if n == nil {
			t.Errorf("%s %s of pyang is missing", keyword, path)
			continue
		}
		seen[n] = true
		if n.Kind.String() != keyword || n.Units != units {
			t.Errorf("%s is a %s in %q, for pyang a %s in %q", n, n.Kind, n.Units, keyword, units)
		}
		if dflt != "" && (len(n.Defaults) != 1 || local(n.Defaults[0].String()) != local(dflt)) {
			t.Errorf("the default of %s is %v, for pyang %q", n, n.Defaults, dflt)
		}
		if ref := leafrefTarget(n); keywords[target] != "" && (ref == nil || ref != lookup(s, keywords, target)) {
			t.Errorf("%s refers to %v, for pyang to %s", n, ref, target)
		}
	}
	for id := range s.NumNodes() {
		n := s.NodeByID(id)
		if !seen[n] && n.Module != nil && n.Kind != schema.Input && n.Kind != schema.Output {
			t.Errorf("%s %s is unknown to pyang", n.Kind, n)
		}
	}
	if len(seen) < 500 {
		t.Errorf("only %d nodes were compared", len(seen))
	}
}

// lookup finds the node at a path of pyang, in which choices and cases are steps.
func lookup(s *schema.Schema, keywords map[string]string, path string) *schema.Node {
	steps := strings.Split(path, "/")[1:]
	at, own, module := "", "", ""
	for _, step := range steps {
		at += "/" + step
		name := step
		if prefix, rest, ok := strings.Cut(step, ":"); ok {
			module, name = prefix, rest
		}
		if k := keywords[at]; k != "choice" && k != "case" {
			own += "/" + module + ":" + name
		}
	}
	for _, inside := range []string{"", "input", "output"} {
		try := own
		if inside != "" {
			// pyang leaves the steps input and output of an RPC or action out.
			parts := strings.Split(own, "/")
			for i := len(parts) - 1; i > 1; i-- {
				with := slices.Insert(slices.Clone(parts), i, inside)
				if n, err := s.Find(strings.Join(with, "/")); err == nil {
					return n
				}
			}
			continue
		}
		if n, err := s.Find(try); err == nil {
			return n
		}
	}
	return nil
}

func leafrefTarget(n *schema.Node) *schema.Node {
	if n.Type == nil || n.Type.Leafref() == nil {
		return nil
	}
	return n.Type.Leafref().Target
}

// local drops the prefix of an identityref.
func local(s string) string {
	if i := strings.LastIndexByte(s, ':'); i > 0 && !strings.Contains(s, "/") {
		return s[i+1:]
	}
	return s
}
