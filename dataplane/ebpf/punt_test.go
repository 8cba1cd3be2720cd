package ebpf

import (
	"testing"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/dataplane/punt"
	"github.com/tandem-ne/tandem/oam"
)

// TestPuntRate shows that a flood of one reason on one section takes its own
// tokens only.
func TestPuntRate(t *testing.T) {
	p := newPair(t, basicObjects())
	// One punt a day after the burst.
	p.put(t, p.objs.Limits, uint32(oam.ReasonTTLExpired), punt.Limit{Cost: 86400e9, Burst: 3 * 86400e9})
	expired := frame(own, outPeer, 0, 0x8847, lse{16, 0, 1, true}, ip4("10.0.0.1"))
	// Time since boot has filled the bucket at most to its burst; fill it.
	bucket := make([]punt.Bucket, ebpf.MustPossibleCPU())
	for i := range bucket {
		bucket[i].Credit = 3 * 86400e9
	}
	p.put(t, p.objs.Buckets, p.sectionID(t, "in")*punt.Reasons+uint32(oam.ReasonTTLExpired), bucket)
	count := func() (n int) {
		p.punts.Release()
		return p.punts.Next(make([]packetio.Frame, 64))
	}
	p.repeat(t, expired, 50)
	// The kernel may run it on more than one CPU, each with a bucket.
	if n := count(); n < 3 || n > 3*ebpf.MustPossibleCPU() {
		t.Errorf("%d frames punted of a flood, the burst is 3 per CPU", n)
	}
	if p.events(t)["punt-rate"] == 0 {
		t.Error("nothing counted as over the rate")
	}
	if verdict, _ := p.run(t, "in0", frame(own, outPeer, 0, 0x8847, lse{13, 0, 1, true}, []byte{16, 0, 0, 34})); verdict != xdpDrop || count() != 1 {
		t.Error("the flood has taken the G-ACh's tokens")
	}
	other := frame(own, outPeer, 20, 0x8847, lse{16, 0, 1, true}, ip4("10.0.0.1"))
	bucketOther := p.sectionID(t, "vlan20")*punt.Reasons + uint32(oam.ReasonTTLExpired)
	p.put(t, p.objs.Buckets, bucketOther, bucket)
	if p.run(t, "in0", other); count() != 1 {
		t.Error("the flood has taken another section's tokens")
	}
}

// TestPuntRingFull shows that a ring nobody reads costs the punts and nothing
// else, and that reading goes on after.
func TestPuntRingFull(t *testing.T) {
	p := newPair(t, basicObjects())
	long := frame(own, outPeer, 0, 0x8847, lse{13, 0, 1, true}, make([]byte, 1400))
	p.repeat(t, long, 4000)
	ev := p.events(t)
	if ev["punt-full"] == 0 || ev["punt-full"]+ev["punted-gal"] != 4000 {
		t.Fatalf("punted %d, ring full %d; want 4000 together", ev["punted-gal"], ev["punt-full"])
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
	if n != ev["punted-gal"] {
		t.Errorf("read %d records of %d", n, ev["punted-gal"])
	}
	p.check(t, "in0", frame(own, outPeer, 0, 0x8847, lse{13, 0, 1, true}, []byte{16, 0, 0, 34}))
	if p.punts.Bad() != 0 {
		t.Errorf("%d records not understood", p.punts.Bad())
	}
}

// TestPuntTruncates shows the cut of a long frame and the counter snapshot.
func TestPuntTruncates(t *testing.T) {
	p := newPair(t, basicObjects())
	const repeat = 7
	f := frame(own, outPeer, 0, 0x8847, lse{24, 0, 64, false}, lse{13, 0, 1, true}, make([]byte, 3000))
	p.repeat(t, f, repeat)
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
	p := newPair(t, basicObjects())
	f := frame(own, outPeer, 0, 0x8847, lse{13, 0, 1, true}, []byte{16, 0, 0, 34})
	p.repeat(t, f, 4000)
	frames, read := make([]packetio.Frame, 16), 0
	allocs := testing.AllocsPerRun(100, func() {
		read += p.punts.Next(frames)
		p.punts.Release()
	})
	if allocs != 0 || read != 101*len(frames) {
		t.Errorf("%v allocations per read, %d frames", allocs, read)
	}
}
