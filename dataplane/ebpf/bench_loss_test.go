package ebpf

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
)

// lossCase is something that happens to a node while frames go through it at
// full speed. What it returns is done meanwhile.
type lossCase struct {
	name string
	set  func(b *testing.B, c *chain) (do func())
}

// BenchmarkLoss counts the frames that are lost while processes end, start and
// change what is in the data plane. The tests of the same name in
// restart_test.go are the proofs; these are their figures.
func BenchmarkLoss(b *testing.B) {
	for _, x := range lossCases() {
		b.Run(x.name, func(b *testing.B) {
			c := newChain(b, 1, swapStream(100))
			c.poll(b)
			do := x.set(b, c)
			made, sunk := underTraffic(b, c, do)
			b.ReportMetric(float64(made-sunk), "lost")
			b.ReportMetric(float64(made), "sent")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func lossCases() []lossCase {
	// again ends the process and starts the next, some times.
	again := func(times int, mode Mode, end func(b *testing.B, p *process, o childOrder)) func(*testing.B, *chain) func() {
		return func(b *testing.B, c *chain) func() {
			o := restartOrder(c, testFS(b), mode)
			p := startChild(b, c.nodes[0], o)
			b.Cleanup(func() { p.stop(b) })
			return func() {
				for range times {
					end(b, p, o)
					p = startChild(b, c.nodes[0], o)
				}
			}
		}
	}
	killed := func(b *testing.B, p *process, _ childOrder) { p.kill(b) }
	stopped := func(b *testing.B, p *process, _ childOrder) { p.stop(b) }
	upgraded := func(b *testing.B, p *process, o childOrder) {
		p.stop(b)
		removePrograms(b, filepath.Join(o.FS, "tandem", "restart"))
	}
	relaid := func(b *testing.B, p *process, o childOrder) {
		p.stop(b)
		ageVersion(b, o.FS, "restart")
	}
	return []lossCase{
		{"kill-generic", again(3, ModeGeneric, killed)},
		{"kill-native", again(3, ModeNative, killed)},
		{"stop", again(3, ModeGeneric, stopped)},
		{"upgrade", again(2, ModeGeneric, upgraded)},
		{"layout", again(1, ModeGeneric, relaid)},
		{"mode", func(b *testing.B, c *chain) func() {
			o := restartOrder(c, testFS(b), ModeGeneric)
			startChild(b, c.nodes[0], o).stop(b)
			return func() {
				for _, mode := range []Mode{ModeNative, ModeGeneric, ModeNative, ModeTC, ModeGeneric} {
					o.Mode = mode
					startChild(b, c.nodes[0], o).stop(b)
				}
			}
		}},
		{"switch", func(b *testing.B, c *chain) func() {
			d := openNode(b, c, 0, ModeGeneric)
			apply(b, d, nodeSections(c, 0)...)
			apply(b, d, groupOf(10_000)...)
			return func() {
				for i, until := 0, time.Now().Add(time.Second/2); time.Now().Before(until); i++ {
					if err := d.Switch(b.Context(), "tunnel", uint8(i%2)); err != nil {
						b.Fatal(err)
					}
				}
			}
		}},
		{"replace", func(b *testing.B, c *chain) func() {
			d := openNode(b, c, 0, ModeGeneric)
			apply(b, d, nodeSections(c, 0)...)
			one := dataplane.LSP{Name: "x", Op: swap, InLabel: 100, Out: via("east", entries(200)...)}
			other := one
			other.Out = via("east", entries(201, 300)...)
			apply(b, d, one)
			return func() {
				for range 200 {
					apply(b, d, other)
					apply(b, d, one)
				}
			}
		}},
	}
}
