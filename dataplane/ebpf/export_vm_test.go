//go:build vm

package ebpf

import (
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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
			made, sunk, gap := c.inTurn(b, func() {
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
			b.ReportMetric(float64(gap.Microseconds())/1e3, "ms-gap")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// inTurn does something while frames go through a chain in small groups, the next
// as soon as one has arrived or been waited for in vain: so slow a machine as the
// guest loses frames of its generator at full speed. gap is the longest time in
// which nothing arrived.
func (c *chain) inTurn(t testing.TB, do func()) (made, sunk uint64, gap time.Duration) {
	t.Helper()
	const group, patience = 16, 20 * time.Millisecond
	before := c.settled(t).sunk
	arrived := func() uint64 {
		var perCPU []uint64
		if err := c.objs.Tally.Lookup(uint32(1), &perCPU); err != nil { // SUNK of traffic.bpf.c
			return 0
		}
		n := -before
		for _, v := range perCPU {
			n += v
		}
		return n
	}
	var stop atomic.Bool
	done := make(chan error, 1)
	go func() {
		done <- c.gen.enter(func() error {
			fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			to := &unix.SockaddrLinklayer{Ifindex: c.genIndex}
			last := time.Now()
			for have, lost := uint64(0), uint64(0); !stop.Load(); {
				for range group {
					if err := unix.Sendto(fd, c.head, 0, to); err != nil {
						return err
					}
					made++
				}
				for sent := time.Now(); ; {
					n, now := arrived(), time.Now()
					if n != have {
						gap, last, have = max(gap, now.Sub(last)), now, n
					}
					if n+lost >= made {
						break
					}
					if now.Sub(sent) > patience {
						lost = made - n
						break
					}
				}
			}
			return nil
		})
	}()
	defer stop.Store(true)
	for deadline := time.Now().Add(10 * time.Second); arrived() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nothing arrives")
		}
	}
	do()
	after := arrived()
	for deadline := time.Now().Add(10 * time.Second); arrived() == after; {
		if time.Now().After(deadline) {
			t.Fatal("nothing arrives any more")
		}
	}
	stop.Store(true)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Second); arrived() != made && time.Now().Before(deadline); {
	}
	return made, arrived(), gap
}
