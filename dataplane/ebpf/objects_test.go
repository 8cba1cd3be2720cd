//go:build !vm

// The guest of tier T2 has neither the sources nor a compiler.

package ebpf

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

// TestObjects holds the committed objects against their sources: by checksum
// everywhere, and by building them again where clang 14 is.
func TestObjects(t *testing.T) {
	sums, err := os.ReadFile("objects.sha256")
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
			t.Errorf("%s is not what the objects were built from: run go generate here, with clang 14", name)
		}
	}
	if _, err := exec.LookPath("clang-14"); err != nil {
		t.Log("clang 14 is not here: objects compared by checksum only")
		return
	}
	dir := t.TempDir()
	source, err := os.ReadFile("generate.go")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(source)) {
		cmd, ok := strings.CutPrefix(strings.TrimSpace(line), "//go:generate go run ")
		if !ok {
			continue
		}
		args := strings.Fields(cmd)
		args = append([]string{"run", args[0], "-output-dir", dir}, args[1:]...)
		c := exec.Command("go", args...)
		c.Env = append(os.Environ(), "GOPACKAGE=ebpf")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	built, err := filepath.Glob(filepath.Join(dir, "*.o"))
	if err != nil || len(built) != 3 {
		t.Fatalf("objects built: %v, %v", built, err)
	}
	for _, b := range built {
		sameObject(t, b, filepath.Base(b))
	}
}

// sameObject compares instructions and maps, not octets: debug information may
// differ between builds of one compiler.
func sameObject(t *testing.T, a, b string) {
	t.Helper()
	x, err := ebpf.LoadCollectionSpec(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := ebpf.LoadCollectionSpec(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Programs) != len(y.Programs) || len(x.Maps) != len(y.Maps) {
		t.Fatalf("%s: %d programs and %d maps, built %d and %d", b, len(y.Programs), len(y.Maps), len(x.Programs), len(x.Maps))
	}
	for name, p := range x.Programs {
		q := y.Programs[name]
		if q == nil || len(p.Instructions) != len(q.Instructions) {
			t.Fatalf("%s: program %s is not the one its source gives", b, name)
		}
		for i, ins := range p.Instructions {
			other := q.Instructions[i]
			if ins.OpCode != other.OpCode || ins.Dst != other.Dst || ins.Src != other.Src || ins.Offset != other.Offset ||
				ins.Constant != other.Constant || ins.Reference() != other.Reference() {
				t.Fatalf("%s: program %s differs at instruction %d: %v, built %v", b, name, i, other, ins)
			}
		}
	}
	for name, m := range x.Maps {
		n := y.Maps[name]
		if n == nil || m.Type != n.Type || m.KeySize != n.KeySize || m.ValueSize != n.ValueSize || m.MaxEntries != n.MaxEntries || m.Flags != n.Flags {
			t.Errorf("%s: map %s is not the one its source gives", b, name)
		}
	}
}
