package ebpf

import (
	"context"
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
