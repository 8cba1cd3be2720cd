package ebpf

import (
	"fmt"
	"testing"

	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
)

// BenchmarkOpen is the start of the driver: cold, with nothing pinned, and warm,
// adopting what the process before it left.
func BenchmarkOpen(b *testing.B) {
	lab := netlab.New(b)
	fs := testFS(b)
	start := func(b *testing.B, instance string) {
		b.StopTimer()
		var d *Driver
		var err error
		lab.Do(b, func() {
			b.StartTimer()
			d, err = Open(Options{BPFFS: fs, Instance: instance, MaxLSPs: 1 << 17})
			b.StopTimer()
		})
		if err != nil {
			b.Fatal(err)
		}
		d.Close()
		b.StartTimer()
	}
	n := 0
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			n++
			start(b, fmt.Sprintf("cold-%d", n))
			b.StopTimer()
			lab.Do(b, func() {
				if err := Remove(Options{BPFFS: fs, Instance: fmt.Sprintf("cold-%d", n)}); err != nil {
					b.Fatal(err)
				}
			})
			b.StartTimer()
		}
	})
	b.Run("warm", func(b *testing.B) {
		b.StopTimer()
		start(b, "warm") // What there is to adopt.
		for b.Loop() {
			start(b, "warm")
		}
	})
}
