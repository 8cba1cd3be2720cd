//go:build !vm

// The guest of tier T2 has neither the sources nor a compiler.

package tap

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
)

// TestObject holds the committed object against its sources: by checksum
// everywhere, and by building it again where clang 14 is.
func TestObject(t *testing.T) {
	sums, err := os.ReadFile("object.sha256")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(sums)) {
		want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != want {
			t.Errorf("%s is not what the object was built from: run go generate here, with clang 14", name)
		}
	}
	if _, err := exec.LookPath("clang-14"); err != nil {
		t.Log("clang 14 is not here: compared by checksum only")
		return
	}
	source, err := os.ReadFile("generate.go")
	if err != nil {
		t.Fatal(err)
	}
	_, command, _ := strings.Cut(string(source), "//go:generate go run ")
	command, _, _ = strings.Cut(command, "\n")
	dir := t.TempDir()
	program, rest, _ := strings.Cut(command, " ")
	c := exec.Command("go", append([]string{"run", program, "-output-dir", dir}, strings.Fields(rest)...)...)
	c.Env = append(os.Environ(), "GOPACKAGE=tap")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	const object = "tap_bpfel.o"
	built, err := ebpf.LoadCollectionSpec(filepath.Join(dir, object))
	if err != nil {
		t.Fatal(err)
	}
	committed, err := ebpf.LoadCollectionSpec(object)
	if err != nil {
		t.Fatal(err)
	}
	// Instructions and maps, not octets: debug information may differ between
	// builds of one compiler.
	if len(built.Programs) != 1 || len(built.Maps) != len(committed.Maps) {
		t.Errorf("%d programs and %d maps are built", len(built.Programs), len(built.Maps))
	}
	for name, p := range built.Programs {
		q := committed.Programs[name]
		if q == nil || fmt.Sprint(p.Instructions) != fmt.Sprint(q.Instructions) {
			t.Errorf("program %s is another", name)
		}
	}
	for name, m := range built.Maps {
		o := committed.Maps[name]
		if o == nil || o.Type != m.Type || o.KeySize != m.KeySize || o.ValueSize != m.ValueSize || o.MaxEntries != m.MaxEntries || o.Flags != m.Flags {
			t.Errorf("map %s is another", name)
		}
	}
}
