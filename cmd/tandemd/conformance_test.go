package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tandem-ne/tandem/northbound/conformance"
)

// TestConformance runs package conformance over SSH on a tandemd of its own, in
// the way that the package's README tells for any server. Not applicable are the
// cases that need several users or the RPCs of the test module; TestTandem of the
// package has them. The administrator is the recovery user, because some cases
// replace the whole configuration, /nacm with it.
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
	r := bringOne(t, "--recovery-user admin --startup --yang-dir "+modules+" --config-dir "+dir)
	r.run(t, "one", program, "-target", netconfAddr, "-user", "admin", "-key", r.KeyFile(),
		"-host-key", filepath.Join(r.StateDir("one"), "ssh", "ssh_host_ed25519_key.pub"), "-json", results)
	text, err := os.ReadFile(results)
	if err != nil {
		t.Fatal(err)
	}
	var list conformance.Results
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d cases pass, %d are not applicable", list.Count(conformance.Pass), list.Count(conformance.NotApplicable))
	if got := list.Count(conformance.Pass); got < 580 {
		t.Errorf("only %d cases pass", got)
	}
}
