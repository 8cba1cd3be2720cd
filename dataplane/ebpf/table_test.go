package ebpf

import (
	"bytes"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/oam"
)

var multicast = [6]byte{0x01, 0x00, 0x5e, 0x90, 0x00, 0x00}

// TestFrames writes out, octet by octet, what the model test covers at random.
// The LSPs are those of pairLSPs.
func TestFrames(t *testing.T) {
	p := newPair(t)
	v4, v6, ach := ip4("10.2.0.1"), ip6("2001:db8:2::1"), []byte{0x10, 0, 0, 0x22, 0x20, 0xc0, 3, 24}
	gal := lse{13, 0, 1, true}
	in := func(parts ...any) []byte { return frame(own, outPeer, 0, 0x8847, parts...) }
	onVLAN := func(vlan uint16, parts ...any) []byte { return frame(own, outPeer, vlan, 0x8847, parts...) }
	plain := func(parts ...any) []byte { return frame(outPeer, outOwn, 0, 0x8847, parts...) }
	tagged := func(parts ...any) []byte { return frame(outPeer, own, 20, 0x8847, parts...) }
	up := func(typ uint16, packet []byte) []byte { return frame(own, outPeer, 0, typ, packet) }
	deep := func(n int) (b []byte) {
		for range n {
			b = lse{24, 0, 64, false}.append(b)
		}
		return b
	}
	for _, c := range []struct {
		name    string
		frame   []byte
		impose  bool
		verdict uint32
		want    []byte  // Nil with drops.
		event   string  // The one event counted, if any.
		punt    *punted // And what it says.
	}{
		{name: "swap", frame: in(lse{16, 5, 64, true}, v4), verdict: xdpRedirect, want: plain(lse{1<<20 - 1, 5, 63, true}, v4)},
		{name: "swap, not the bottom", frame: in(lse{16, 5, 2, false}, lse{777, 1, 9, true}, v4), verdict: xdpRedirect,
			want: plain(lse{1<<20 - 1, 5, 1, false}, lse{777, 1, 9, true}, v4)},
		{name: "swap in an SPME, to a VLAN", frame: in(lse{17, 5, 64, true}, v4), verdict: xdpRedirect,
			want: tagged(lse{300, 5, 255, false}, lse{200, 5, 63, true}, v4)},
		{name: "swap with traffic classes set", frame: in(lse{18, 7, 255, true}, v4), verdict: xdpRedirect,
			want: plain(lse{300, 5, 9, false}, lse{200, 1, 254, true}, v4)},
		{name: "swap to six labels", frame: in(lse{19, 2, 64, true}, v4), verdict: xdpRedirect,
			want: tagged(lse{501, 2, 255, false}, lse{502, 2, 255, false}, lse{503, 3, 9, false}, lse{504, 2, 255, false},
				lse{505, 2, 255, false}, lse{506, 2, 63, true}, v4)},
		{name: "pop, label below untouched", frame: in(lse{20, 5, 64, false}, lse{777, 1, 9, true}, v4), verdict: xdpRedirect,
			want: plain(lse{777, 1, 9, true}, v4)},
		{name: "pop to IPv4", frame: in(lse{20, 5, 64, true}, v4), verdict: xdpRedirect, want: frame(outPeer, outOwn, 0, 0x0800, v4)},
		{name: "pop to IPv6 on a VLAN", frame: in(lse{21, 5, 64, true}, v6), verdict: xdpRedirect, want: frame(outPeer, own, 20, 0x86dd, v6)},
		{name: "pop and impose", frame: in(lse{22, 5, 20, true}, v4), verdict: xdpRedirect, want: plain(lse{400, 5, 255, true}, v4)},
		{name: "pop and lookup of IPv4", frame: in(lse{24, 5, 20, true}, v4), verdict: xdpPass, want: up(0x0800, v4)},
		{name: "pop and lookup of IPv6 from a VLAN", frame: onVLAN(20, lse{24, 5, 20, true}, v6), verdict: xdpPass, want: up(0x86dd, v6)},
		{name: "pop and lookup of the labels below", frame: in(deep(11), lse{16, 3, 9, true}, v4), verdict: xdpRedirect,
			want: plain(lse{1<<20 - 1, 3, 8, true}, v4)},
		{name: "explicit null", frame: in(lse{0, 0, 64, true}, v4), verdict: xdpPass, want: up(0x0800, v4)},
		{name: "IPv6 explicit null", frame: in(lse{2, 0, 64, true}, v6), verdict: xdpPass, want: up(0x86dd, v6)},
		{name: "explicit null above a label", frame: in(lse{0, 0, 64, false}, lse{16, 0, 7, true}, v4), verdict: xdpRedirect,
			want: plain(lse{1<<20 - 1, 0, 6, true}, v4)},
		{name: "the space of the interface", frame: onVLAN(30, lse{16, 0, 7, true}, v4), verdict: xdpRedirect, want: plain(lse{999, 0, 6, true}, v4)},
		{name: "its tunnel over a label of the platform", frame: onVLAN(30, lse{30, 0, 7, false}, lse{17, 0, 7, true}, v4), verdict: xdpRedirect,
			want: tagged(lse{300, 0, 255, false}, lse{200, 0, 6, true}, v4)},
		{name: "the MPLS-TP address", frame: frame(multicast, outPeer, 0, 0x8847, lse{16, 0, 7, true}, v4), verdict: xdpRedirect,
			want: plain(lse{1<<20 - 1, 0, 6, true}, v4)},
		{name: "impose", frame: frame(own, own, 0, 0x0800, v4), impose: true, verdict: xdpRedirect, want: plain(lse{600, 0, 255, true}, v4)},
		{name: "impose, longest prefix", frame: frame(own, own, 0, 0x0800, ip4("10.1.9.9")), impose: true, verdict: xdpRedirect,
			want: tagged(lse{601, 0, 255, false}, lse{602, 6, 9, true}, ip4("10.1.9.9"))},
		{name: "impose on IPv6", frame: frame(own, own, 0, 0x86dd, v6), impose: true, verdict: xdpRedirect, want: plain(lse{600, 0, 255, true}, v6)},

		{name: "not MPLS", frame: frame(own, outPeer, 0, 0x0800, v4), verdict: xdpPass, want: frame(own, outPeer, 0, 0x0800, v4)},
		{name: "MPLS multicast, RFC 5332", frame: frame(own, outPeer, 0, 0x8848, lse{16, 0, 7, true}), verdict: xdpPass,
			want: frame(own, outPeer, 0, 0x8848, lse{16, 0, 7, true})},
		{name: "a VLAN that is no section", frame: onVLAN(99, lse{16, 0, 7, true}, v4), verdict: xdpPass, want: onVLAN(99, lse{16, 0, 7, true}, v4)},

		{name: "no label at all", frame: in(), verdict: xdpDrop, event: "malformed"},
		{name: "half a label", frame: in([]byte{0, 1}), verdict: xdpDrop, event: "malformed"},
		{name: "no bottom", frame: in(lse{24, 0, 64, false}), verdict: xdpDrop, event: "malformed"},
		{name: "half a second label", frame: in(lse{24, 0, 64, false}, []byte{0, 1, 2}), verdict: xdpDrop, event: "malformed"},
		{name: "too deep", frame: in(deep(12), lse{16, 0, 64, true}, v4), verdict: xdpDrop, event: "too-deep"},
		{name: "GAL not at the bottom", frame: in(lse{24, 0, 64, false}, lse{13, 0, 1, false}, lse{24, 0, 1, true}, ach), verdict: xdpDrop, event: "malformed"},
		{name: "GAL with nothing below", frame: in(gal), verdict: xdpDrop, event: "malformed"},
		{name: "GAL below an explicit null", frame: in(lse{0, 0, 9, false}, gal, ach), verdict: xdpDrop, event: "malformed"},
		{name: "router alert at the bottom", frame: in(lse{1, 0, 9, true}, v4), verdict: xdpDrop, event: "malformed"},
		{name: "unknown label", frame: in(lse{4711, 0, 64, true}, v4), verdict: xdpDrop, event: "unknown-label"},
		{name: "a label of the platform where the interface has its own", frame: onVLAN(30, lse{17, 0, 7, true}, v4), verdict: xdpDrop, event: "unknown-label"},
		{name: "another station", frame: frame(outPeer, own, 0, 0x8847, lse{16, 0, 7, true}), verdict: xdpDrop, event: "foreign-mac"},
		{name: "broadcast", frame: frame([6]byte{255, 255, 255, 255, 255, 255}, own, 0, 0x8847, lse{16, 0, 7, true}), verdict: xdpDrop, event: "foreign-mac"},
		{name: "section down", frame: onVLAN(40, lse{16, 0, 7, true}, v4), verdict: xdpDrop, event: "section-down"},
		{name: "section down on the way out", frame: in(lse{27, 0, 7, true}, v4), verdict: xdpDrop, event: "section-down"},
		{name: "section gone on the way out", frame: in(lse{29, 0, 7, true}, v4), verdict: xdpDrop, event: "section-down"},
		{name: "LSP down", frame: in(lse{26, 0, 7, true}, v4), verdict: xdpDrop, event: "lsp-down"},
		{name: "LSP down at its end", frame: in(lse{25, 0, 7, true}, v4), verdict: xdpDrop, event: "lsp-down"},
		{name: "payload neither IP nor label", frame: in(lse{20, 0, 7, true}, ach), verdict: xdpDrop, event: "unknown-payload"},
		{name: "payload at the end neither", frame: in(lse{24, 0, 7, true}, ach), verdict: xdpDrop, event: "unknown-payload"},
		{name: "IPv4 header cut short", frame: in(lse{20, 0, 7, true}, v4[:19]), verdict: xdpDrop, event: "unknown-payload"},
		{name: "IPv4 header length 4", frame: in(lse{20, 0, 7, true}, append([]byte{0x44}, v4[1:]...)), verdict: xdpDrop, event: "unknown-payload"},
		{name: "IPv6 below the IPv4 explicit null", frame: in(lse{0, 0, 7, true}, v6), verdict: xdpDrop, event: "unknown-payload"},
		{name: "longer than the section takes", frame: in(lse{28, 0, 7, true}, make([]byte, 57)), verdict: xdpDrop, event: "too-long"},
		{name: "impose without a prefix", frame: frame(own, own, 0, 0x0800, ip4("192.0.2.1")), impose: true, verdict: xdpDrop, event: "unknown-prefix"},
		{name: "impose, LSP down", frame: frame(own, own, 0, 0x0800, ip4("10.9.0.1")), impose: true, verdict: xdpDrop, event: "lsp-down"},
		{name: "impose of what is not IP", frame: frame(own, own, 0, 0x0806, v4), impose: true, verdict: xdpDrop},

		{name: "G-ACh of the section", frame: in(gal, ach), verdict: xdpDrop, event: "punted-gal", punt: &punted{oam.ReasonGAL, 0, false}},
		{name: "G-ACh of an LSP that ends here", frame: in(lse{24, 0, 64, false}, gal, ach), verdict: xdpDrop, event: "punted-gal",
			punt: &punted{oam.ReasonGAL, 24, true}},
		{name: "with TTL 1", frame: in(lse{24, 0, 1, false}, gal, ach), verdict: xdpDrop, event: "punted-gal", punt: &punted{oam.ReasonGAL, 24, true}},
		{name: "of an LSP that is down", frame: in(lse{25, 0, 64, false}, gal, ach), verdict: xdpDrop, event: "punted-gal", punt: &punted{oam.ReasonGAL, 25, true}},
		{name: "of an LSP in an SPME", frame: in(lse{24, 0, 64, false}, lse{24, 0, 64, false}, gal, ach), verdict: xdpDrop, event: "punted-gal",
			punt: &punted{oam.ReasonGAL, 24, true}},
		{name: "G-ACh passing through", frame: in(lse{16, 0, 64, false}, gal, ach), verdict: xdpRedirect, want: plain(lse{1<<20 - 1, 0, 63, false}, gal, ach)},
		{name: "TTL 1", frame: in(lse{16, 0, 1, true}, v4), verdict: xdpDrop, event: "punted-ttl", punt: &punted{oam.ReasonTTLExpired, 16, true}},
		{name: "TTL 0 does not wrap", frame: in(lse{16, 0, 0, true}, v4), verdict: xdpDrop, event: "punted-ttl", punt: &punted{oam.ReasonTTLExpired, 16, true}},
		{name: "router alert", frame: in(lse{1, 0, 9, false}, lse{16, 0, 9, true}, v4), verdict: xdpDrop, event: "punted-router-alert",
			punt: &punted{oam.ReasonRouterAlert, 1, true}},
		{name: "unknown reserved label", frame: in(lse{9, 0, 9, true}, v4), verdict: xdpDrop, event: "punted-reserved", punt: &punted{oam.ReasonReserved, 9, true}},
		{name: "extension label", frame: in(lse{15, 0, 9, false}, lse{16, 0, 9, true}, v4), verdict: xdpDrop, event: "punted-reserved",
			punt: &punted{oam.ReasonReserved, 15, true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			program := p.objs.TandemSection
			if c.impose {
				program = p.objs.TandemImpose
			}
			before := p.events(t)
			verdict, got := p.run(t, program, c.frame)
			if verdict != c.verdict {
				t.Fatalf("verdict %d, want %d", verdict, c.verdict)
			}
			if c.want != nil && !bytes.Equal(got, c.want) {
				t.Errorf("frame\n got %x\nwant %x", got, c.want)
			}
			p.sameEvents(t, before, c.event)
			p.m.punted = c.punt
			p.checkPunt(t, c.frame)
		})
	}
}

// sameEvents fails the test unless exactly the one event was counted; an
// expired TTL is counted besides its punt.
func (r *rig) sameEvents(t *testing.T, before [len(eventNames)]uint64, want string) {
	t.Helper()
	for i, n := range r.events(t) {
		name := eventNames[i]
		counted := name == want || want == "punted-ttl" && name == "ttl-expired"
		if counted != (n == before[i]+1) || n > before[i]+1 {
			t.Errorf("%q counted %d times; want only %q", name, n-before[i], want)
		}
	}
}

// TestPuntRate shows that a flood of one reason on one section takes its own
// tokens only.
func TestPuntRate(t *testing.T) {
	p := newPair(t)
	// One punt a day after the burst.
	p.put(t, p.objs.Limits, uint32(oam.ReasonTTLExpired), tandemLimit{Cost: 86400e9, Burst: 3 * 86400e9})
	expired := frame(own, outPeer, 0, 0x8847, lse{16, 0, 1, true}, ip4("10.0.0.1"))
	// Time since boot has filled the bucket at most to its burst; fill it.
	bucket := make([]tandemBucket, ebpf.MustPossibleCPU())
	for i := range bucket {
		bucket[i].Credit = 3 * 86400e9
	}
	p.put(t, p.objs.Buckets, uint32(secIn*puntReasons)+uint32(oam.ReasonTTLExpired), bucket)
	count := func() (n int) {
		p.punts.Release()
		return p.punts.Next(make([]packetio.Frame, 64))
	}
	if _, err := p.objs.TandemSection.Run(&ebpf.RunOptions{Data: expired, Repeat: 50}); err != nil {
		t.Fatal(err)
	}
	// The kernel may run it on more than one CPU, each with a bucket.
	if n := count(); n < 3 || n > 3*ebpf.MustPossibleCPU() {
		t.Errorf("%d frames punted of a flood, the burst is 3 per CPU", n)
	}
	if p.events(t)[event("punt-rate")] == 0 {
		t.Error("nothing counted as over the rate")
	}
	if verdict, _ := p.run(t, p.objs.TandemSection, frame(own, outPeer, 0, 0x8847, lse{13, 0, 1, true}, []byte{16, 0, 0, 34})); verdict != xdpDrop || count() != 1 {
		t.Error("the flood has taken the G-ACh's tokens")
	}
	other := frame(own, outPeer, 20, 0x8847, lse{16, 0, 1, true}, ip4("10.0.0.1"))
	bucketOther := uint32(secOut*puntReasons) + uint32(oam.ReasonTTLExpired)
	p.put(t, p.objs.Buckets, bucketOther, bucket)
	if p.run(t, p.objs.TandemSection, other); count() != 1 {
		t.Error("the flood has taken another section's tokens")
	}
}

// TestPuntRingFull shows that a ring nobody reads costs the punts and nothing
// else, and that reading goes on after.
func TestPuntRingFull(t *testing.T) {
	p := newPair(t)
	long := frame(own, outPeer, 0, 0x8847, lse{13, 0, 1, true}, make([]byte, 1400))
	if _, err := p.objs.TandemSection.Run(&ebpf.RunOptions{Data: long, Repeat: 4000}); err != nil {
		t.Fatal(err)
	}
	ev := p.events(t)
	if ev[event("punt-full")] == 0 || ev[event("punt-full")]+ev[event("punted-gal")] != 4000 {
		t.Fatalf("punted %d, ring full %d; want 4000 together", ev[event("punted-gal")], ev[event("punt-full")])
	}
	frames, n := make([]packetio.Frame, 64), uint64(0)
	for {
		k := p.punts.Next(frames)
		n += uint64(k)
		for i := range k {
			if len(frames[i].Stack) != 1404 || frames[i].Truncated {
				t.Fatalf("record of %d octets, truncated %v", len(frames[i].Stack), frames[i].Truncated)
			}
		}
		p.punts.Release()
		if k < len(frames) {
			break
		}
	}
	if n != ev[event("punted-gal")] {
		t.Errorf("read %d records of %d", n, ev[event("punted-gal")])
	}
	p.check(t, frame(own, outPeer, 0, 0x8847, lse{13, 0, 1, true}, []byte{16, 0, 0, 34}), false)
	if p.punts.Bad() != 0 {
		t.Errorf("%d records not understood", p.punts.Bad())
	}
}

// TestPuntTruncates shows the cut of a long frame and the counter snapshot.
func TestPuntTruncates(t *testing.T) {
	p := newPair(t)
	const repeat = 7
	f := frame(own, outPeer, 0, 0x8847, lse{24, 0, 64, false}, lse{13, 0, 1, true}, make([]byte, 3000))
	if _, err := p.objs.TandemSection.Run(&ebpf.RunOptions{Data: f, Repeat: repeat}); err != nil {
		t.Fatal(err)
	}
	frames := make([]packetio.Frame, 16)
	if n := p.punts.Next(frames); n != repeat {
		t.Fatalf("%d punts, want %d", n, repeat)
	}
	if !frames[0].Truncated || len(frames[0].Stack) != 2048-14 {
		t.Errorf("punt of %d octets, truncated %v", len(frames[0].Stack), frames[0].Truncated)
	}
	for i := range uint64(repeat) {
		if s := frames[i].Snapshot; s.InPackets != i+1 || s.InOctets != (i+1)*uint64(len(f)-14) || s.OutPackets != 0 || s.OutOctets != 0 {
			t.Errorf("punt %d: snapshot %+v", i, s)
		}
	}
}

// TestPuntsAllocs: reading punts allocates nothing.
func TestPuntsAllocs(t *testing.T) {
	p := newPair(t)
	f := frame(own, outPeer, 0, 0x8847, lse{13, 0, 1, true}, []byte{16, 0, 0, 34})
	if _, err := p.objs.TandemSection.Run(&ebpf.RunOptions{Data: f, Repeat: 4000}); err != nil {
		t.Fatal(err)
	}
	frames, read := make([]packetio.Frame, 16), 0
	allocs := testing.AllocsPerRun(100, func() {
		read += p.punts.Next(frames)
		p.punts.Release()
	})
	if allocs != 0 || read != 101*len(frames) {
		t.Errorf("%v allocations per read, %d frames", allocs, read)
	}
}

// FuzzPunt: a record, however damaged, gives a frame that lies in it, or none.
func FuzzPunt(f *testing.F) {
	head := make([]byte, unsafe.Sizeof(tandemPunt{}))
	f.Add(append(head, 1, 2, 3))
	f.Add([]byte{1})
	p := tandemPunt{Time: 7, Ifindex: 3, Length: 22, Captured: 22, Stack: 14, HasLabel: 1, Label: 100}
	whole := unsafe.Slice((*byte)(unsafe.Pointer(&p)), unsafe.Sizeof(p))
	f.Add(append(bytes.Clone(whole), make([]byte, 22)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Records in the ring are aligned to 8.
		words := make([]uint64, len(b)/8+1)
		record := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(b))
		copy(record, b)
		var got packetio.Frame
		if !parsePunt(record, &got) {
			return
		}
		h := (*tandemPunt)(unsafe.Pointer(&words[0]))
		if len(got.Stack) != int(h.Captured)-int(h.Stack) || got.Truncated != (uint32(h.Captured) < h.Length) || got.Time != int64(h.Time) {
			t.Fatalf("record %x gives %+v", record, got)
		}
	})
}
