package ebpf

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"

	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
)

// TestMissing: what this kernel lacks is what the table says. Where it lacks
// nothing the driver opens and offers everything; elsewhere it is refused with
// the names of what is missing, before anything is touched.
func TestMissing(t *testing.T) {
	want := drivertest.Kernel(t)
	missing, err := Missing()
	if err != nil || !slices.Equal(missing, want.BPF) {
		t.Errorf("Linux %s lacks %q, want %q (%v)", want.Series, missing, want.BPF, err)
	}
	fs, lab := testFS(t), netlab.New(t)
	lab.Do(t, func() {
		d, err := Open(Options{BPFFS: fs, Instance: "missing"})
		if len(want.BPF) == 0 {
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			for f, has := range new(Driver).Capabilities().Features {
				if c := d.Capabilities(); c.Features[f] != has {
					t.Errorf("%s is %v here, %s", f, c.Features[f], c.Lacking[f])
				}
			}
			return
		}
		if err == nil {
			d.Close()
			t.Fatal("the driver opens")
		}
		if !errors.Is(err, ErrUnavailable) || !strings.HasSuffix(err.Error(), "this kernel has no "+strings.Join(want.BPF, ", no ")) {
			t.Errorf("Open: %v", err)
		}
		if _, err := os.Stat(filepath.Join(fs, "tandem")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("what Open left: %v", err)
		}
	})
}

// TestPartsAreAll: what the programs call is either tried at open or in every
// kernel that has ring buffers (5.8).
func TestPartsAreAll(t *testing.T) {
	spec, err := loadTandem()
	if err != nil {
		t.Fatal(err)
	}
	old := []asm.BuiltinFunc{
		asm.FnMapLookupElem, asm.FnKtimeGetNs, asm.FnGetSmpProcessorId, asm.FnRedirect, asm.FnCloneRedirect,
		asm.FnSkbVlanPush, asm.FnSkbVlanPop, asm.FnSkbChangeType, asm.FnXdpAdjustHead, asm.FnXdpAdjustMeta,
		asm.FnSpinLock, asm.FnSpinUnlock, asm.FnRingbufReserve, asm.FnRingbufSubmit, asm.FnRingbufDiscard,
	}
	tried := map[asm.BuiltinFunc]bool{}
	for _, h := range helpers() {
		tried[h.number] = true
	}
	called := map[asm.BuiltinFunc]bool{}
	for name, p := range spec.Programs {
		for _, i := range p.Instructions {
			if f := asm.BuiltinFunc(i.Constant); i.IsBuiltinCall() {
				called[f] = true
				if !slices.Contains(old, f) && !tried[f] {
					t.Errorf("%s calls %v, which Probe does not try", name, f)
				}
			}
		}
	}
	for f := range tried {
		if !called[f] {
			t.Errorf("Probe tries %v, which no program calls", f)
		}
	}
}
