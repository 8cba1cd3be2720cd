package ebpf

import (
	"fmt"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/packetio"
)

// openBench loads the benchmark's programs on the tables of objs.
func openBench(b *testing.B, objs *tandemMaps, set func(*ebpf.CollectionSpec)) *benchObjects {
	b.Helper()
	spec, err := loadBench()
	if err != nil {
		b.Fatal(err)
	}
	if set != nil {
		set(spec)
	}
	replace := map[string]*ebpf.Map{}
	if objs != nil {
		for name, m := range objs.named() {
			if s := spec.Maps[name]; s != nil {
				s.MaxEntries = m.MaxEntries()
				replace[name] = m
			}
		}
		if err := tellCounters(spec); err != nil {
			b.Fatal(err)
		}
	}
	o := new(benchObjects)
	if err := spec.LoadAndAssign(o, &ebpf.CollectionOptions{MapReplacements: replace}); err != nil {
		b.Fatalf("load: %v", err)
	}
	b.Cleanup(func() { o.Close() })
	return o
}

// BenchmarkProgram is the cost of a program per packet, run by
// BPF_PROG_TEST_RUN: ns/packet with, net-ns/packet without what the wrapper
// costs that makes the frame new again.
func BenchmarkProgram(b *testing.B) {
	p := newPairIn(b, ModeNative, basicObjects())
	o := openBench(b, &p.objs.tandemMaps, nil)
	// The impose device redirects by itself, as where all interfaces are native.
	if err := p.objs.ByTc.Update(uint32(0), uint32(0), ebpf.UpdateAny); err != nil {
		b.Fatal(err)
	}
	v4 := ip4("10.2.0.1")
	in := func(parts ...any) []byte { return frame(own, outPeer, 0, 0x8847, parts...) }
	for _, c := range []struct {
		name    string
		program *ebpf.Program
		port    string
		frame   []byte
		wrapper *ebpf.Program
		verdict uint32
	}{
		{"swap", o.BenchSection, "in0", in(lse{16, 5, 64, true}, v4), o.BenchWrapper, xdpRedirect},
		{"swap-and-push-1", o.BenchSection, "in0", in(lse{17, 5, 64, true}, v4), o.BenchWrapperMove, xdpRedirect},
		{"swap-and-push-3", o.BenchSection, "in0", in(lse{19, 5, 64, true}, v4), o.BenchWrapperMove, xdpRedirect},
		{"pop-to-label", o.BenchSection, "in0", in(lse{20, 5, 64, false}, lse{777, 0, 1, true}, v4), o.BenchWrapperMove, xdpRedirect},
		{"pop-to-ip", o.BenchSection, "in0", in(lse{20, 5, 64, true}, v4), o.BenchWrapperMove, xdpRedirect},
		{"pop-and-impose", o.BenchSection, "in0", in(lse{22, 5, 64, true}, v4), o.BenchWrapper, xdpRedirect},
		{"pop-and-lookup", o.BenchSection, "in0", in(lse{24, 5, 64, true}, v4), o.BenchWrapperMove, xdpPass},
		{"pop-and-lookup-and-swap", o.BenchSection, "in0", in(lse{24, 5, 64, false}, lse{16, 5, 64, true}, v4), o.BenchWrapperMove, xdpRedirect},
		{"impose-1", o.BenchImpose, impose, frame(own, own, 0, 0x0800, v4), o.BenchWrapperMove, xdpRedirect},
		{"unknown-label", o.BenchSection, "in0", in(lse{4711, 5, 64, true}, v4), o.BenchWrapper, xdpDrop},
	} {
		b.Run(c.name, func(b *testing.B) { p.benchProgram(b, c.program, c.wrapper, c.port, c.frame, c.verdict) })
	}
}

// BenchmarkProgramClients is BenchmarkProgram for pseudowires over a tunnel
// with two legs, and for LSPs that enter one.
func BenchmarkProgramClients(b *testing.B) {
	clients, groups := newPairIn(b, ModeNative, clientObjects()), newPairIn(b, ModeNative, groupObjects())
	oc, og := openBench(b, &clients.objs.tandemMaps, nil), openBench(b, &groups.objs.tandemMaps, nil)
	inner := frame(outPeer, acPeer, 0, typeIPv4, ip4("10.1.2.3"))
	in := func(parts ...any) []byte { return frame(own, outPeer, 0, typeMPLS, parts...) }
	for _, c := range []struct {
		name    string
		p       *pair
		program *ebpf.Program
		port    string
		frame   []byte
		wrapper *ebpf.Program
		verdict uint32
	}{
		{"pw-encapsulation", clients, oc.BenchAttachment, "ac0", frame(outPeer, acPeer, 0, typeIPv4, ip4("10.1.2.3")), oc.BenchWrapperMove, xdpRedirect},
		{"pw-encapsulation-cw-vlan", clients, oc.BenchAttachment, "ac0", frame(outPeer, acPeer, 101, typeIPv4, ip4("10.1.2.3")), oc.BenchWrapperMove, xdpRedirect},
		{"pw-decapsulation", clients, oc.BenchSection, "in0", in(lse{16, 0, 64, true}, inner), oc.BenchWrapperMove, xdpRedirect},
		{"pw-switching-point", clients, oc.BenchSection, "in0", in(lse{31, 0, 64, true}, []byte{0, 0, 0, 0}, inner), oc.BenchWrapperMove, xdpRedirect},
		{"swap-into-a-group", groups, og.BenchSection, "in0", in(lse{16, 5, 64, true}, ip4("10.2.0.1")), og.BenchWrapperMove, xdpRedirect},
	} {
		b.Run(c.name, func(b *testing.B) { c.p.benchProgram(b, c.program, c.wrapper, c.port, c.frame, c.verdict) })
	}
}

// BenchmarkProgramPunt is BenchmarkProgram for frames that are OAM's: noted, and
// copied into a ring that is emptied before it is full. The first row is the
// record alone.
func BenchmarkProgramPunt(b *testing.B) {
	p := newPairIn(b, ModeNative, groupObjects())
	o := openBench(b, &p.objs.tandemMaps, nil)
	in := func(parts ...any) []byte { return frame(own, outPeer, 0, typeMPLS, parts...) }
	if _, err := p.punts.Watch(packetio.Arrival{Label: 24, HasLabel: true}, drivertest.SteadyPacket()); err != nil {
		b.Fatal(err)
	}
	lsp, pad := lse{24, 0, 64, false}, make([]byte, 8)
	other := drivertest.SteadyPacket()
	other[5] ^= 0x40
	for _, c := range []struct {
		name    string
		program *ebpf.Program
		frame   []byte
	}{
		{"record", o.BenchRecord, in(lsp, gal, other, pad)},
		{"consumed-cc", o.BenchSection, in(lsp, gal, drivertest.SteadyPacket(), pad)},
		{"punt-cc", o.BenchSection, in(lsp, gal, other, pad)},
		{"punt-dm", o.BenchSection, in(lsp, gal, []byte{0x10, 0, 0, 0x0c}, make([]byte, 44))},
		{"punt-section", o.BenchSection, in(gal, []byte{0x10, 0, 0, 0x0c}, make([]byte, 44))},
	} {
		b.Run(c.name, func(b *testing.B) {
			// Less than the ring holds, and not to be changed: a longer run of
			// the benchmark has more rounds.
			const n = 8192
			frames := make([]packetio.Frame, 256)
			gross, wrapper := int64(1<<62), int64(1<<62)
			var err error
			p.do(func() {
				for range max(7, b.N/n) {
					for p.punts.Next(frames) == len(frames) {
						p.punts.Release()
					}
					p.punts.Release()
					var g, w int64
					if g, err = runOn(c.program, p.index["in0"], c.frame, xdpDrop, n); err != nil {
						return
					}
					if w, err = runOn(o.BenchWrapper, p.index["in0"], c.frame, xdpDrop, n); err != nil {
						return
					}
					gross, wrapper = min(gross, g), min(wrapper, w)
				}
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(max(gross-wrapper, 0)), "net-ns/packet")
			b.ReportMetric(0, "ns/op")
		})
	}
	if n := p.events(b)["punt-full"]; n != 0 {
		b.Errorf("%d frames found the ring full", n)
	}
}

// benchProgram takes the least of some rounds: noise only ever adds.
func (p *pair) benchProgram(b *testing.B, program, wrapper *ebpf.Program, port string, f []byte, verdict uint32) {
	net := int64(1 << 62)
	gross := net
	var err error
	p.do(func() {
		for range 7 {
			var g, w int64
			if g, err = runOn(program, p.index[port], f, verdict, b.N); err != nil {
				return
			}
			if w, err = runOn(wrapper, p.index[port], f, xdpDrop, b.N); err != nil {
				return
			}
			gross, net = min(gross, g), min(net, g-w)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(gross), "ns/packet")
	b.ReportMetric(float64(max(net, 0)), "net-ns/packet")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkProgramRandom is the cost of a swap where every packet has another
// label of many: what the look-ups cost when they miss the caches.
func BenchmarkProgramRandom(b *testing.B) {
	for _, c := range []struct{ labels, stride uint32 }{{1, 1}, {1000, 1}, {10_000, 1}, {100_000, 1}, {100_000, spreadStride}} {
		name := fmt.Sprintf("swap-%d", c.labels)
		if c.stride != 1 {
			name += "-spread"
		}
		b.Run(name, func(b *testing.B) {
			ch := newChain(b, 1, stream{head: make([]byte, 60)})
			d := openNode(b, ch, 0, ModeNative)
			apply(b, d, nodeSections(ch, 0)...)
			apply(b, d, swaps(c.labels, c.stride)...)
			o := openBench(b, &d.objs.tandemMaps, func(s *ebpf.CollectionSpec) {
				for name, v := range map[string]uint32{"bench_labels": c.labels, "bench_stride": c.stride} {
					if err := s.Variables[name].Set(v); err != nil {
						b.Fatal(err)
					}
				}
			})
			west := ch.nodes[0].ifIndex(b, "west0")
			f := pad(frame(mustMAC(chainWest(0)), mustMAC(chainGen), 0, 0x8847, lse{16, 0, 64, true}, forwardable()))
			net := int64(1 << 62)
			ch.nodes[0].do(b, func() error {
				for range 7 {
					g, err := runOn(o.BenchSectionRandom, west, f, xdpRedirect, b.N)
					if err != nil {
						return err
					}
					w, err := runOn(o.BenchWrapperRandom, west, f, xdpDrop, b.N)
					if err != nil {
						return err
					}
					net = min(net, g-w)
				}
				return nil
			})
			b.ReportMetric(float64(max(net, 0)), "net-ns/packet")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// runOn runs a program n times as if on an interface of the thread's namespace
// and returns what one run took, in nanoseconds.
func runOn(p *ebpf.Program, index int, f []byte, want uint32, n int) (int64, error) {
	ctx := struct{ data, end, meta, ingress, queue, egress uint32 }{end: uint32(len(f)), ingress: uint32(index)}
	start := threadTime()
	verdict, err := p.Run(&ebpf.RunOptions{Data: f, DataOut: make([]byte, 256), Repeat: uint32(n), Context: &ctx})
	if err != nil {
		return 0, err
	}
	if verdict != want {
		return 0, fmt.Errorf("verdict %d, want %d", verdict, want)
	}
	return int64(threadTime()-start) / int64(n), nil
}
