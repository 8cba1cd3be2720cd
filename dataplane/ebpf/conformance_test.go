package ebpf

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
)

// testFS mounts a BPF file system of the test's own.
func testFS(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := mountBPFFS(dir); err != nil {
		t.Fatalf("%v (the test needs root)", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// mustOpen opens a driver in the namespace of the thread. What the verifier
// says against a program is shown.
func mustOpen(t testing.TB, o Options) *Driver {
	t.Helper()
	d, err := Open(o)
	if ve := new(ebpf.VerifierError); errors.As(err, &ve) {
		t.Logf("verifier: %s", strings.Join(ve.Log[max(0, len(ve.Log)-30):], "\n"))
	}
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return d
}

func TestConformance(t *testing.T) {
	modes := []Mode{ModeGeneric, ModeNative, ModeTC}
	if inGuest {
		modes = modes[:1]
	}
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			fs, lab := testFS(t), netlab.New(t)
			drivertest.Run(t, func(t *testing.T) dataplane.Driver {
				return mustOpen(t, Options{BPFFS: fs, Instance: "conformance", Mode: mode, Log: slog.New(slog.DiscardHandler)})
			}, lab)
		})
	}
}

func key(k dataplane.Kind, name string) dataplane.Key { return dataplane.Key{Kind: k, Name: name} }

// apply puts objects in order and fails the test on an error.
func apply(t testing.TB, d *Driver, objects ...dataplane.Object) {
	t.Helper()
	for _, err := range d.Apply(context.Background(), puts(objects)) {
		t.Fatalf("Apply: %v", err)
	}
}

func puts(objects []dataplane.Object) []dataplane.Op {
	ops := make([]dataplane.Op, len(objects))
	for i, o := range objects {
		ops[i] = dataplane.Op{Verb: dataplane.Put, Key: o.Key(), Object: o}
	}
	return ops
}
