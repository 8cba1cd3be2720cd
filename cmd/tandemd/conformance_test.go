package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tandem-ne/tandem/northbound/conformance"
)

// TestConformance runs cases of package conformance over SSH on a tandemd of its
// own, in the way that the package's README tells for any server: those of
// framing, messages and sessions, which are what a real transport adds to
// TestTandem of the package; all cases in this way had not ended after 100 s
// on two busy cores.
func TestConformance(t *testing.T) {
	suite := filepath.Join("..", "..", "northbound", "conformance")
	modules, err := filepath.Abs(filepath.Join(suite, "modules"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, results := filepath.Join(dir, "conformance"), filepath.Join(dir, "results.json")
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, "./"+suite).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := bringOne(t, "--startup --yang-dir "+modules+" --config-dir "+dir)
	r.run(t, "one", program, "-target", netconfAddr, "-user", "admin", "-key", r.KeyFile(),
		"-host-key", filepath.Join(r.StateDir("one"), "ssh", "ssh_host_ed25519_key.pub"), "-json", results, "-cases", "^rfc(6242-|6241-[348]\\.1|6241-7\\.[89]-)")
	text, err := os.ReadFile(results)
	if err != nil {
		t.Fatal(err)
	}
	var list conformance.Results
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d cases pass, %d are not applicable", list.Count(conformance.Pass), list.Count(conformance.NotApplicable))
	if got := list.Count(conformance.Pass); got < 40 {
		t.Errorf("only %d cases pass", got)
	}
}
