package ebpf

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
)

// BenchmarkApply is the rate at which LSPs get into the data plane, 10,000 at
// a time, and BenchmarkApply/dump at which they are read back.
func BenchmarkApply(b *testing.B) {
	const n = 10_000
	s := newSpace(b)
	s.sh(b, "ip link add east0 type veth peer name far0; ip link set east0 up")
	fs := testFS(b)
	var d *Driver
	s.do(b, func() (err error) { d, err = Open(Options{BPFFS: fs, Instance: "bench"}); return err })
	defer d.Close()
	section := dataplane.Section{Name: "east", Interface: "east0"}
	apply(b, d, section)
	objects := swaps(n, 1)
	ops := make([]dataplane.Op, n)
	for i, o := range objects {
		ops[i] = dataplane.Op{Verb: dataplane.Put, Key: o.Key(), Object: o}
	}
	deletes := make([]dataplane.Op, n)
	for i, o := range objects {
		deletes[i] = dataplane.Op{Verb: dataplane.Delete, Key: o.Key()}
	}
	b.Run("put-10000", func(b *testing.B) {
		for b.Loop() {
			for _, err := range d.Apply(context.Background(), ops) {
				b.Fatal(err)
			}
			b.StopTimer()
			for _, err := range d.Apply(context.Background(), deletes) {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "LSPs/s")
	})
	b.Run("dump-10000", func(b *testing.B) {
		for _, err := range d.Apply(context.Background(), ops) {
			b.Fatal(err)
		}
		for b.Loop() {
			got, err := d.Dump(context.Background(), objects)
			if err != nil || len(got) != n+1 {
				b.Fatalf("dump of %d objects, %v", len(got), err)
			}
		}
	})
}

// BenchmarkMemory is what an LSP costs: in the process with 100,000 of them, and
// in the tables of the kernel.
func BenchmarkMemory(b *testing.B) {
	const n = 100_000
	c := newChain(b, 1, swapStream(16))
	d := openNode(b, c, 0, ModeGeneric)
	apply(b, d, nodeSections(c, 0)...)
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
	table := 0.0
	for name, m := range d.objs.named() {
		switch name {
		case "lsps":
			table += float64(m.ValueSize())
		case "counter_table":
			table += float64(m.MaxEntries()) / float64(d.objs.counters()) * float64(m.ValueSize())
		}
	}
	b.ReportMetric(float64(grown)/n, "B-process/LSP")
	b.ReportMetric(table, "B-kernel/LSP")
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
