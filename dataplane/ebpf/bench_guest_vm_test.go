//go:build vm

package ebpf_test

import (
	"log/slog"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/ebpf"
	"github.com/tandem-ne/tandem/dataplane/kernel"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

func kernelOpener(name string, routes bool) ebpf.Opener {
	return ebpf.Opener{Name: name, Open: func() (dataplane.Driver, error) {
		return kernel.Open(kernel.Options{Log: slog.New(slog.DiscardHandler), Routes: routes})
	}}
}

// BenchmarkGuestForward holds the drivers against each other and against the
// kernel's IPv4, all in one guest.
func BenchmarkGuestForward(b *testing.B) {
	ebpf.CompareDrivers(b, []ebpf.Opener{kernelOpener("routes", true), kernelOpener("chains", false)})
}

// BenchmarkDriverChange takes a node under traffic from one driver to the other.
func BenchmarkDriverChange(b *testing.B) {
	ebpf.ChangeDrivers(b, kernelOpener("chains", false), func() error {
		d, err := kernel.Open(kernel.Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		defer d.Close()
		found, err := d.Dump(b.Context(), nil)
		if err != nil {
			return err
		}
		for _, err := range d.Apply(b.Context(), plan.Full(found, nil)) {
			return err
		}
		return nil
	})
}
