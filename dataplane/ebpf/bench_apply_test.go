package ebpf

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// BenchmarkApply is the rate at which LSPs get into the data plane, all in one
// Apply, and the time that a full audit takes when they are there: read back and
// compare with what is desired.
func BenchmarkApply(b *testing.B) {
	s := newSpace(b)
	s.sh(b, "ip link add east0 type veth peer name far0; ip link set east0 up")
	fs := testFS(b)
	var d *Driver
	s.do(b, func() (err error) { d, err = Open(Options{BPFFS: fs, Instance: "bench", MaxLSPs: 1 << 17}); return err })
	defer d.Close()
	section := dataplane.Section{Name: "east", Interface: "east0"}
	apply(b, d, section)
	for _, n := range []uint32{10_000, 100_000} {
		objects := swaps(n, 1)
		ops, deletes := puts(objects), make([]dataplane.Op, n)
		for i, o := range objects {
			deletes[i] = dataplane.Op{Verb: dataplane.Delete, Key: o.Key()}
		}
		do := func(b *testing.B, ops []dataplane.Op) {
			for _, err := range d.Apply(context.Background(), ops) {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprintf("put-%d", n), func(b *testing.B) {
			for b.Loop() {
				do(b, ops)
				b.StopTimer()
				do(b, deletes)
				b.StartTimer()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "LSPs/s")
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s")
		})
		b.Run(fmt.Sprintf("audit-%d", n), func(b *testing.B) {
			do(b, ops)
			desired := append([]dataplane.Object{section}, objects...)
			for b.Loop() {
				got, err := d.Dump(context.Background(), desired)
				if err != nil {
					b.Fatal(err)
				}
				if missing := plan.Full(got, desired); len(missing) != 0 {
					b.Fatalf("%d differences", len(missing))
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N), "ms")
			b.StopTimer()
			do(b, deletes)
		})
	}
}

// BenchmarkMemory is what an LSP costs: in the process with 100,000 of them, and
// in the tables of the kernel, which are made for MaxLSPs at once.
func BenchmarkMemory(b *testing.B) {
	const n, size = 100_000, 1 << 16
	s := newSpace(b)
	s.sh(b, "ip link add east0 type veth peer name far0; ip link set east0 up")
	open := func(maxLSPs uint32) (d *Driver) {
		fs := testFS(b)
		s.do(b, func() (err error) {
			d, err = Open(Options{BPFFS: fs, Instance: fmt.Sprint("memory-", maxLSPs), ImposeDevice: fmt.Sprint("imp", maxLSPs), MaxLSPs: maxLSPs})
			return err
		})
		b.Cleanup(func() { d.Close() })
		return d
	}
	tables := func(d *Driver) (sum uint64) {
		for _, m := range d.objs.named() {
			info, err := m.Info()
			if err != nil {
				b.Fatal(err)
			}
			octets, _ := info.Memlock() // Nothing for a trie that is empty.
			sum += octets
		}
		if sum == 0 {
			b.Fatal("the kernel does not tell the memory of maps")
		}
		return sum
	}
	small, d := open(size), open(2*size)
	apply(b, d, dataplane.Section{Name: "east", Interface: "east0"})
	objects := swaps(n, 1)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for b.Loop() {
		apply(b, d, objects...)
	}
	grown := heap() - before
	runtime.KeepAlive(objects)
	all := tables(d)
	perLSP := float64(all-tables(small)) / size
	b.ReportMetric(float64(grown)/n, "B-process/LSP")
	b.ReportMetric(perLSP, "B-kernel/LSP")
	b.ReportMetric((float64(all)-2*size*perLSP)/(1<<20), "MiB-kernel-fixed")
}

// groupOf is a tunnel with two legs over the same section and n LSPs in it.
func groupOf(n int) []dataplane.Object {
	objects := []dataplane.Object{
		dataplane.LSP{Name: "working", Op: imposes, Out: via("east", entries(700)...)},
		dataplane.LSP{Name: "protecting", Op: imposes, Out: via("east", entries(701)...)},
		dataplane.Group{Name: "tunnel", Legs: []string{"working", "protecting"}},
	}
	for i := range uint32(n) {
		objects = append(objects, dataplane.LSP{Name: fmt.Sprintf("member-%d", i), Op: swap, InLabel: 100 + i, Out: through("tunnel", entries(200_000+i)...)})
	}
	return objects
}

// BenchmarkSwitch is the time of a switch of a group by its number of members.
func BenchmarkSwitch(b *testing.B) {
	for _, n := range []int{1, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := newChain(b, 1, swapStream(100))
			d := openNode(b, c, 0, ModeGeneric)
			apply(b, d, nodeSections(c, 0)...)
			apply(b, d, groupOf(n)...)
			leg := uint8(0)
			for b.Loop() {
				leg ^= 1
				if err := d.Switch(b.Context(), "tunnel", leg); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e3, "us/switch")
		})
	}
}
