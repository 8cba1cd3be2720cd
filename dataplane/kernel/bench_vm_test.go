//go:build vm

package kernel_test

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/ebpf"
	"github.com/tandem-ne/tandem/dataplane/kernel"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// contender is a driver in a rig, for benchmarks.
type contender struct {
	name string
	open func(t testing.TB, r rig) dataplane.Driver
}

// contenders are the drivers, all on the same kernel.
func contenders() []contender {
	quiet := slog.New(slog.DiscardHandler)
	onKernel := func(routes bool) func(testing.TB, rig) dataplane.Driver {
		return func(t testing.TB, r rig) (d dataplane.Driver) {
			r.Do(t, func() {
				k, err := kernel.Open(kernel.Options{Log: quiet, Routes: routes})
				if err != nil {
					t.Fatalf("Open: %v", err)
				}
				d = k
			})
			return d
		}
	}
	return []contender{
		{"routes", onKernel(true)},
		{"ebpf", func(t testing.TB, r rig) (d dataplane.Driver) {
			r.Do(t, func() {
				e, err := ebpf.Open(ebpf.Options{Instance: "contender", MaxLSPs: 1 << 17, Mode: ebpf.ModeGeneric, Log: quiet})
				if err != nil {
					t.Fatalf("Open: %v", err)
				}
				d = e
			})
			return d
		}},
		{"chains", onKernel(false)},
	}
}

// scaleSizes are numbers of LSPs; a driver that is not there after scaleLimit is
// not asked for more.
var scaleSizes = []int{10_000, 100_000}

const scaleLimit = 150 * time.Second

// scale is what is measured of a driver with a number of LSPs.
type scale struct {
	err                  error
	put, audit, adopt    time.Duration
	process, kernelSpace float64 // Octets per LSP.
}

// BenchmarkScale puts LSPs into the data plane, reads them back (a full audit)
// and has a new process find them (adoption): each driver of ours, and "ip
// -batch" and FRR's zebra beside, in the same guest one after the other.
func BenchmarkScale(b *testing.B) {
	for _, c := range contenders() {
		got := make([]scale, len(scaleSizes))
		err := netlab.Attempt(b, func(t testing.TB) { c.measure(t, got) })
		for i, n := range scaleSizes {
			b.Run(fmt.Sprintf("%s-%d", c.name, n), func(b *testing.B) {
				s := got[i]
				if s.err != nil {
					b.Fatal(s.err)
				}
				if s.put == 0 {
					b.Fatal(err)
				}
				reportRate(b, n, s.put)
				b.ReportMetric(s.process, "B-process/LSP")
				b.ReportMetric(s.kernelSpace, "B-kernel/LSP")
				if s.audit == 0 || s.adopt == 0 {
					b.Fatal(err)
				}
				b.ReportMetric(float64(s.audit.Microseconds())/1e3, "ms-audit")
				b.ReportMetric(float64(s.adopt.Microseconds())/1e3, "ms-adopt")
			})
		}
	}
	for _, n := range scaleSizes {
		b.Run(fmt.Sprintf("ip-batch-%d", n), func(b *testing.B) { reportRate(b, n, ipBatch(b, n)) })
	}
	for _, n := range scaleSizes {
		b.Run(fmt.Sprintf("zebra-%d", n), func(b *testing.B) { reportRate(b, n, zebraConfig(b, n)) })
	}
}

func reportRate(b *testing.B, n int, took time.Duration) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(took.Seconds(), "s")
	b.ReportMetric(float64(n)/took.Seconds(), "LSPs/s")
}

// measure fills got, one entry for each of scaleSizes, as far as it comes.
func (c contender) measure(t testing.TB, got []scale) {
	r := rig{Lab: netlab.New(t)}
	kernelBefore := kernelMemory(t)
	r.Driver = c.open(t, r)
	closed := false
	defer func() {
		if !closed {
			r.Driver.Close()
		}
	}()
	desired := r.sections()
	r.put(t, desired...)
	var took time.Duration
	var grown float64
	have := 0
	for i, n := range scaleSizes {
		objects := make([]dataplane.Object, 0, n-have)
		for j := have; j < n; j++ {
			objects = append(objects, swap(fmt.Sprintf("l%d", j), 1000+uint32(j), "east", 300_000+uint32(j)))
		}
		before := heap()
		// In parts, so that one that takes too long can be told.
		for part := objects; len(part) > 0; {
			now := part[:min(10_000, len(part))]
			part = part[len(now):]
			ops := plan.Full(nil, now)
			start := time.Now()
			for _, err := range r.Apply(t.Context(), ops) {
				t.Fatalf("Apply: %v (%v)", err, err.Err)
			}
			took += time.Since(start)
			have += len(now)
			if took > scaleLimit && have < n {
				got[i].err = fmt.Errorf("%d of %d LSPs after %.0f s, %.0f/s: not waited for", have, n, took.Seconds(), float64(have)/took.Seconds())
				return
			}
		}
		grown += heap() - before
		runtime.KeepAlive(objects)
		desired = append(desired, objects...)
		got[i].put = took
		got[i].kernelSpace = (kernelMemory(t) - kernelBefore) / float64(n)
		got[i].process = grown / float64(n)
		got[i].audit = audit(t, r.Driver, desired)
		// Another process opens the same data plane.
		if c.name == "ebpf" {
			if err := r.Driver.Close(); err != nil {
				t.Fatal(err)
			}
			closed = true
		}
		start := time.Now()
		d := c.open(t, r)
		audit(t, d, desired)
		got[i].adopt = time.Since(start)
		if closed {
			r.Driver, closed = d, false
		} else if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// audit reads everything back and compares it with what is desired, of which it
// must not differ.
func audit(t testing.TB, d dataplane.Driver, desired []dataplane.Object) time.Duration {
	t.Helper()
	start := time.Now()
	found, err := d.Dump(t.Context(), desired)
	if err != nil {
		t.Fatalf("Dump: %v", err)
	}
	ops := plan.Full(found, desired)
	took := time.Since(start)
	if len(ops) != 0 {
		t.Fatalf("%d differences to %d objects, the first: %s", len(ops), len(desired), plan.Print(ops[:1]))
	}
	return took
}

func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// kernelMemory is what the kernel holds for itself: slab, per-CPU and virtually
// mapped memory.
func kernelMemory(t testing.TB) (octets float64) {
	t.Helper()
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, ":")
		switch name {
		case "Slab", "Percpu", "VmallocUsed":
			var kib float64
			fmt.Sscan(rest, &kib)
			octets += kib * 1024
		}
	}
	return octets
}

// BenchmarkSwitchOver is a switch of a group by the number of its members.
func BenchmarkSwitchOver(b *testing.B) {
	for _, c := range contenders() {
		if c.name == "routes" {
			continue // Has no groups.
		}
		var r rig
		have := uint32(0)
		err := netlab.Attempt(b, func(t testing.TB) {
			r = rig{Lab: netlab.New(t)}
			r.Driver = c.open(t, r)
			t.Cleanup(func() { r.Driver.Close() })
			r.put(t, append(r.sections(), tunnel()...)...)
		})
		for _, n := range []uint32{1, 1000, 10_000} {
			var took time.Duration
			switches := 0
			if err == nil {
				err = netlab.Attempt(b, func(t testing.TB) {
					var members []dataplane.Object
					for ; have < n; have++ {
						members = append(members, dataplane.LSP{
							Name: fmt.Sprintf("m%d", have), Op: dataplane.SwapAndForward, InLabel: 1000 + have,
							Out: dataplane.NextHop{Group: "tunnel", Stack: []dataplane.LabelEntry{{Label: 200_000 + have}}},
						})
					}
					r.put(t, members...)
					for took < time.Second/2 && switches < 500 || switches < 2 {
						start := time.Now()
						if err := r.Switch(t.Context(), "tunnel", uint8(1-switches%2)); err != nil {
							t.Fatal(err)
						}
						took += time.Since(start)
						switches++
					}
				})
			}
			b.Run(fmt.Sprintf("%s-%d", c.name, n), func(b *testing.B) {
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(took.Nanoseconds())/1e3/float64(switches), "us/switch")
			})
		}
	}
}
