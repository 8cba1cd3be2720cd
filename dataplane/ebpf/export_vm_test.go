//go:build vm

package ebpf

import (
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
// another, as tandemd does it: the new one applies, then what the old one left is
// swept, then what the new one could not apply before is tried again. Before 6.6
// that is the case with the ingress of an interface, which only one can have.
func ChangeDrivers(b *testing.B, kernel Opener, sweep func() error) {
	o := Options{BPFFS: testFS(b), Instance: "change", Mode: ModeGeneric}
	ours := Opener{"ebpf", func() (dataplane.Driver, error) { return Open(o) }}
	for _, x := range []struct {
		name     string
		from, to Opener
		sweep    func() error
	}{
		{"kernel-to-ebpf", kernel, ours, sweep},
		{"ebpf-to-kernel", ours, kernel, func() error { return Remove(o) }},
	} {
		b.Run(x.name, func(b *testing.B) {
			c := newChain(b, 1, swapStream(100))
			c.poll(b)
			node := c.nodes[0]
			objects := append(nodeSections(c, 0), dataplane.LSP{Name: "x", Op: swap, InLabel: 100, Out: via("east", entries(200)...)})
			open := func(o Opener) (d dataplane.Driver) {
				node.do(b, func() (err error) { d, err = o.Open(); return err })
				b.Cleanup(func() { d.Close() })
				return d
			}
			all := func(d dataplane.Driver) (first error) {
				for _, err := range d.Apply(b.Context(), puts(objects)) {
					return err
				}
				return nil
			}
			old := open(x.from)
			if err := all(old); err != nil {
				b.Fatal(err)
			}
			made, sunk := underTraffic(b, c, func() {
				if err := old.Close(); err != nil { // As a process that ends.
					b.Fatal(err)
				}
				next := open(x.to)
				first := all(next)
				node.do(b, x.sweep)
				if first != nil {
					if err := all(next); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.ReportMetric(float64(made-sunk), "lost")
			b.ReportMetric(float64(made), "sent")
			b.ReportMetric(0, "ns/op")
		})
	}
}
