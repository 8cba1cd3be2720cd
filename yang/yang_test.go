package yang_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/yang"
)

func TestSourcesAreCompleteAndUnchanged(t *testing.T) {
	sources, err := yang.Sources()
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, s := range sources {
		if _, twice := texts[s.Name]; twice {
			t.Errorf("%s is there twice", s.Name)
		}
		texts[s.Name] = string(s.Text)
		if want := "module " + strings.TrimSuffix(s.Name, ".yang"); !strings.Contains(string(s.Text), want) {
			t.Errorf("%s does not contain %q", s.Name, want)
		}
	}
	for _, m := range yang.Implemented() {
		if texts[m.Name+".yang"] == "" {
			t.Errorf("%s is implemented but not embedded", m.Name)
		}
		for _, f := range m.Features {
			if !strings.Contains(texts[m.Name+".yang"], "feature "+f+" {") {
				t.Errorf("%s has no feature %s", m.Name, f)
			}
		}
	}
	sums, err := os.ReadFile("standard/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(sums)) {
		sum, file, _ := strings.Cut(strings.TrimSpace(line), "  ")
		got := sha256.Sum256([]byte(texts[file]))
		if hex.EncodeToString(got[:]) != sum {
			t.Errorf("%s is not what SHA256SUMS says", file)
		}
	}
}

// TestFetch runs the script in a copy of the directory, from the modules that
// are here already: no network.
func TestFetch(t *testing.T) {
	script, err := os.ReadFile("fetch.sh")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("standard/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("standard")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		source func(t *testing.T) string // directory to fetch from
		args   []string
		want   string // in the output of a failure; empty: it succeeds
	}{
		{name: "fetches and verifies", source: func(*testing.T) string { return here }},
		{name: "check of nothing", source: func(*testing.T) string { return here }, args: []string{"--check"}, want: "run yang/fetch.sh"},
		{name: "module missing", source: func(t *testing.T) string { return t.TempDir() }, want: "is not in"},
		{name: "module changed", source: func(t *testing.T) string {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(here)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "ietf-ip.yang"), []byte("module ietf-ip {}\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			return dir
		}, want: "ietf-ip.yang"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string][]byte{"fetch.sh": script, "standard/SHA256SUMS": sums} {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, text, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("sh", append([]string{filepath.Join(dir, "fetch.sh")}, tc.args...)...)
			cmd.Env = append(os.Environ(), "TANDEM_YANG_MODULES="+tc.source(t))
			out, err := cmd.CombinedOutput()
			fetched, _ := filepath.Glob(filepath.Join(dir, "standard", "*.yang"))
			if tc.want == "" {
				if err != nil || len(fetched) != strings.Count(string(sums), "\n") {
					t.Errorf("fetch.sh: %v, %d modules\n%s", err, len(fetched), out)
				}
				return
			}
			if err == nil || !strings.Contains(string(out), tc.want) {
				t.Errorf("fetch.sh: %v, want a failure that names %q\n%s", err, tc.want, out)
			}
			if len(fetched) != 0 {
				t.Errorf("a failed fetch left %d modules behind", len(fetched))
			}
		})
	}
}
