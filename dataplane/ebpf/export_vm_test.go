//go:build vm

package ebpf

import (
	"fmt"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
)

// Guest benchmarks hold this driver against that of the kernel, which may refer
// to this package: they are in the package beside, which sees what is here.

// Opener opens a driver in the network namespace of the thread.
type Opener struct {
	Name string
	Open func() (dataplane.Driver, error)
}

// openerOf is an Opener of this driver in a mode.
func openerOf(t testing.TB, name string, o Options) Opener {
	o.BPFFS = testFS(t)
	return Opener{name, func() (dataplane.Driver, error) { return Open(o) }}
}

// CompareDrivers measures forwarding by drivers, this one in two modes and the
// kernel's IPv4, each in the same topology.
func CompareDrivers(b *testing.B, others []Opener) {
	all := append(others,
		openerOf(b, "ebpf-native", Options{Instance: "guest-native", Mode: ModeNative}),
		openerOf(b, "ebpf-generic", Options{Instance: "guest-generic", Mode: ModeGeneric}))
	beds := []*bed{directBed(), ipBed("kernel-ipv4", 1)}
	for _, o := range all {
		var d dataplane.Driver
		put := func(t testing.TB, objects []dataplane.Object) {
			for _, err := range d.Apply(t.Context(), puts(objects)) {
				t.Fatalf("Apply: %v (%v)", err, err.Err)
			}
		}
		beds = append(beds, &bed{name: o.Name, nodes: 1,
			prepare: func(t testing.TB, c *chain) {
				c.poll(t)
				c.nodes[0].do(t, func() (err error) { d, err = o.Open(); return err })
				t.Cleanup(func() { d.Close() })
				put(t, nodeSections(c, 0))
			},
			grow:   func(t testing.TB, _ *chain, from, to uint32) { put(t, swaps(to, 1)[from:]) },
			stream: func(n uint32) stream { return labelled(n, 1) },
		})
	}
	forward(b, beds, forwardSizes[:2], 1<<13)
}

// ChangeDrivers counts the frames that are lost while one driver takes over from
// another. XDP comes before all that the kernel does, so this one applies before
// the kernel's is swept; the kernel's needs an ingress that nobody has, so this
// one is swept before.
func ChangeDrivers(b *testing.B, kernel Opener, sweep func() error) {
	fs := testFS(b)
	o := Options{BPFFS: fs, Instance: "change", Mode: ModeGeneric}
	ours := Opener{"ebpf", func() (dataplane.Driver, error) { return Open(o) }}
	for _, x := range []struct {
		name       string
		from, to   Opener
		sweep      func() error
		sweepFirst bool
	}{
		{"kernel-to-ebpf", kernel, ours, sweep, false},
		{"ebpf-to-kernel", ours, kernel, func() error { return Remove(o) }, true},
	} {
		b.Run(x.name, func(b *testing.B) {
			c := newChain(b, 1, swapStream(100))
			c.poll(b)
			objects := append(nodeSections(c, 0), dataplane.LSP{Name: "x", Op: swap, InLabel: 100, Out: via("east", entries(200)...)})
			start := func(o Opener) (d dataplane.Driver) {
				c.nodes[0].do(b, func() (err error) {
					if d, err = o.Open(); err != nil {
						return err
					}
					for _, err := range d.Apply(b.Context(), puts(objects)) {
						return fmt.Errorf("Apply: %w (%v)", err, err.Err)
					}
					return nil
				})
				return d
			}
			old := start(x.from)
			var next dataplane.Driver
			made, sunk := underTraffic(b, c, func() {
				if err := old.Close(); err != nil { // As a process that ends.
					b.Fatal(err)
				}
				if x.sweepFirst {
					c.nodes[0].do(b, x.sweep)
				}
				next = start(x.to)
				if !x.sweepFirst {
					c.nodes[0].do(b, x.sweep)
				}
			})
			defer next.Close()
			b.ReportMetric(float64(made-sunk), "lost")
			b.ReportMetric(float64(made), "sent")
			b.ReportMetric(0, "ns/op")
		})
	}
}
