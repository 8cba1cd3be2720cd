//go:build vm

package kernel_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// TestMissing: what this kernel lacks is what the table says, and an open driver
// offers everything else.
func TestMissing(t *testing.T) {
	want := drivertest.Kernel(t)
	missing, err := kernel.Missing()
	if err != nil || !slices.Equal(missing, want.TC) {
		t.Errorf("Linux %s lacks %q, want %q (%v)", want.Series, missing, want.TC, err)
	}
	chains, err := kernel.Without(want.TC)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		routes bool
		want   dataplane.Capabilities
	}{"chains": {false, chains}, "routes": {true, kernel.RouteCapabilities()}} {
		got := newRigOf(t, kernel.Options{Routes: c.routes}).Capabilities()
		if got.Driver != c.want.Driver || !maps.Equal(got.Features, c.want.Features) || !maps.Equal(got.Lacking, c.want.Lacking) || !slices.Equal(got.Limits, c.want.Limits) {
			t.Errorf("Linux %s, %s:\n got %+v\nwant %+v", want.Series, name, got, c.want)
		}
	}
}

// clients tells whether the kernel under test has pseudowires. Where it has not,
// objects that need them must be refused with the part that is missing.
func (r rig) clients(t *testing.T, objects []dataplane.Object) bool {
	t.Helper()
	lacks := drivertest.Kernel(t).TC
	if len(lacks) == 0 {
		return true
	}
	const want = "needs ethernet-pseudowire, which the kernel data plane does not have on this host: traffic control of this kernel has no "
	err := r.Prepare(t.Context(), plan.Full(nil, objects))
	if err == nil || !strings.Contains(err.Error(), want+strings.Join(lacks, ", no ")) {
		t.Errorf("Prepare: %v, want %q and the parts %q", err, want, lacks)
	}
	return false
}
