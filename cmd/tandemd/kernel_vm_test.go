//go:build vm

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
)

// TestKernelDiamond is the main job on the kernel's own MPLS: the same
// configuration, --dataplane auto, filters that iproute2 shows, drift repaired,
// a cut found by CC.
func TestKernelDiamond(t *testing.T) {
	// Four elements share an emulated machine.
	r := bringUp(t, slowly(t, "lab/diamond", 1_000_000), "auto")
	if err := r.ConfigureAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The filter of label 101 in the shared block of the sections.
	block, handle := fmt.Sprint(chain.Ingress), fmt.Sprintf("%#x", 101<<5+1)
	swapped := func() bool {
		_, filter, found := strings.Cut(r.run(t, "p1", "tc", "filter", "show", "block", block, "chain", "16"), "handle "+handle+" ")
		return found && strings.Contains(filter, "mpls_label 101") && strings.Contains(filter, "modify label 201") &&
			strings.Contains(filter, "Egress Redirect to device to-pe2")
	}
	eventually(t, "the swap is a filter of the kernel", swapped)
	for _, p := range r.Topology.Demo.Pings {
		if err := r.Ping(t.Context(), p.From, p.To); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "all CC sessions up", func() bool { return r.allUp(t) })
	r.run(t, "p1", "tc", "filter", "delete", "block", block, "chain", "16", "protocol", "mpls_uc", "pref", "32", "handle", handle, "flower")
	eventually(t, "the deleted filter is back", swapped)
	if err := r.SetLink(t.Context(), "p1:to-pe2", "down"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "loss of continuity at pe1", func() bool {
		for _, m := range r.get(t, "pe1", oamOnly).MEGs {
			if m.Name == "lsp-1" {
				return m.State == "down"
			}
		}
		return false
	})
	if err := r.SetLink(t.Context(), "p1:to-pe2", "up"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "recovery", func() bool { return r.allUp(t) })
	if err := r.Ping(t.Context(), "ce1", "192.0.2.130"); err != nil {
		t.Error(err)
	}
}

// TestKernelServices carries the clients of the lab of services by the kernel's
// own MPLS and traffic control.
func TestKernelServices(t *testing.T) {
	testServices(t, bringUp(t, slowly(t, "lab/services", 1_000_000), "kernel"))
}
