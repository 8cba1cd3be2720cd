package dataplane_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/ebpf"
	"github.com/tandem-ne/tandem/dataplane/kernel"
)

// update writes the tables instead: go test ./dataplane -run Readme -update.
var update = flag.Bool("update", false, "write the tables into README.md")

// TestReadmeTable compares the table of drivers in README.md with what they
// publish.
func TestReadmeTable(t *testing.T) {
	drivers := []dataplane.Capabilities{kernel.Capabilities(), new(ebpf.Driver).Capabilities()}
	var b strings.Builder
	row := func(name string, cell func(dataplane.Capabilities) string) {
		fmt.Fprintf(&b, "| %s |", name)
		for _, d := range drivers {
			fmt.Fprintf(&b, " %s |", cell(d))
		}
		b.WriteString("\n")
	}
	row("", func(c dataplane.Capabilities) string { return c.Driver })
	row("---", func(dataplane.Capabilities) string { return "---" })
	for _, f := range dataplane.Features() {
		row(string(f), func(c dataplane.Capabilities) string {
			if c.Features[f] {
				return "yes"
			}
			return "no"
		})
	}
	row("labels imposed in all", func(c dataplane.Capabilities) string { return fmt.Sprint(c.MaxImpose) })
	row("labels parsed", func(c dataplane.Capabilities) string { return fmt.Sprint(c.MaxReceive) })
	row("groups on the way of a packet", func(c dataplane.Capabilities) string { return fmt.Sprint(c.MaxNesting) })
	row("branches of an LSP", func(c dataplane.Capabilities) string { return fmt.Sprint(c.MaxBranches) })
	row("highest incoming label", func(c dataplane.Capabilities) string { return fmt.Sprint(c.MaxLabel) })
	inReadme(t, "drivers", b.String())
	for _, d := range drivers {
		for _, l := range d.Limits {
			if !strings.HasSuffix(l, ".") {
				t.Errorf("%s: limit %q is not a sentence", d.Driver, l)
			}
		}
	}
}

// TestReadmeKernels compares the table of kernels in README.md with what the
// drivers offer by the table that their tests on those kernels hold them to.
func TestReadmeKernels(t *testing.T) {
	var b strings.Builder
	b.WriteString("| Linux | met in | kernel | ebpf |\n| --- | --- | --- | --- |\n")
	for _, k := range drivertest.Kernels() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", k.Series, k.Where, offeredByKernel(k), offeredByEBPF(k))
	}
	inReadme(t, "kernels", b.String())
}

func offeredByKernel(k drivertest.Linux) string {
	if k.NoMPLS {
		return "not there"
	}
	c, err := kernel.Without(k.TC)
	if err != nil {
		return "routes: " + err.Error()
	}
	var lost []string
	var why string
	for _, f := range dataplane.Features() {
		if r := c.Lacking[f]; r != "" {
			lost, why = append(lost, string(f)), r
		}
	}
	if lost == nil {
		return "all"
	}
	return fmt.Sprintf("all but %s: %s", strings.Join(lost, ", "), why)
}

func offeredByEBPF(k drivertest.Linux) string {
	if len(k.BPF) == 0 {
		return "all"
	}
	return "refused: no " + strings.Join(k.BPF, ", no ")
}

// inReadme compares the table between the marks of a name with what it should
// be, or writes it.
func inReadme(t *testing.T, name, want string) {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok1 := strings.Cut(string(readme), "<!-- "+name+" -->\n")
	table, _, ok2 := strings.Cut(rest, "<!-- /"+name+" -->")
	if !ok1 || !ok2 {
		t.Fatalf("README.md has no marks around the table of %s", name)
	}
	if *update && table != want {
		text := strings.Replace(string(readme), table+"<!-- /"+name, want+"<!-- /"+name, 1)
		if err := os.WriteFile("README.md", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		table = want
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("the table of %s in README.md is not what is true (-true +README):\n%s\nit should be:\n%s", name, diff, want)
	}
}
