package ebpf

import (
	"fmt"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
)

// BenchmarkOpen is the start of the driver: cold, with nothing pinned; warm,
// adopting what the process before it left, which is nothing but tables and
// programs, or 10,000 LSPs.
func BenchmarkOpen(b *testing.B) {
	s := newSpace(b)
	s.sh(b, "ip link add east0 type veth peer name far0; ip link set east0 up; ip link set far0 up")
	fs := testFS(b)
	options := func(instance string) Options {
		return Options{BPFFS: fs, Instance: instance, MaxLSPs: 1 << 17}
	}
	open := func(b *testing.B, instance string) (d *Driver) {
		b.Helper()
		s.do(b, func() (err error) { d, err = Open(options(instance)); return err })
		return d
	}
	remove := func(b *testing.B, instance string) {
		b.Helper()
		s.do(b, func() error { return Remove(options(instance)) })
	}
	b.Run("cold", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			instance := fmt.Sprintf("cold-%d", i)
			d := open(b, instance)
			b.StopTimer()
			if _, err := d.attachmentProgram.get(); err != nil {
				b.Fatal(err)
			}
			d.Close()
			remove(b, instance)
			b.StartTimer()
		}
	})
	again := func(b *testing.B, instance string) {
		for b.Loop() {
			d := open(b, instance)
			b.StopTimer()
			d.Close()
			b.StartTimer()
		}
		b.StopTimer()
		remove(b, instance)
	}
	b.Run("warm", func(b *testing.B) {
		open(b, "warm").Close()
		again(b, "warm")
	})
	b.Run("adopt-10000", func(b *testing.B) {
		const n = 10_000
		d := open(b, "adopt")
		apply(b, d, dataplane.Section{Name: "east", Interface: "east0"})
		apply(b, d, swaps(n, 1)...)
		d.Close()
		again(b, "adopt")
	})
}
