package dataplane_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/ebpf"
	"github.com/tandem-ne/tandem/dataplane/kernel"
)

// update writes the table instead: go test ./dataplane -run Readme -update.
var update = flag.Bool("update", false, "write the table of drivers into README.md")

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
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok1 := strings.Cut(string(readme), "<!-- drivers -->\n")
	table, _, ok2 := strings.Cut(rest, "<!-- /drivers -->")
	if !ok1 || !ok2 {
		t.Fatal("README.md has no marks around the table of drivers")
	}
	if *update && table != b.String() {
		text := strings.Replace(string(readme), table, b.String(), 1)
		if err := os.WriteFile("README.md", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		table = b.String()
	}
	if diff := cmp.Diff(b.String(), table); diff != "" {
		t.Errorf("the table in README.md is not what the drivers publish (-drivers +README):\n%s\nit should be:\n%s", diff, b.String())
	}
	for _, d := range drivers {
		for _, l := range d.Limits {
			if !strings.HasSuffix(l, ".") {
				t.Errorf("%s: limit %q is not a sentence", d.Driver, l)
			}
		}
	}
}
