package ebpf

import (
	"bytes"
	"context"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/dataplane/punt"
	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
)

// oamRig is a driver in a namespace and what it punts. Frames go through the
// program of the west port by BPF_PROG_TEST_RUN.
type oamRig struct {
	*Driver
	lab    *netlab.Lab
	punts  *Punts
	west   int
	opt    Options
	frames [64]packetio.Frame
	out    []byte
}

func newOAMRig(t testing.TB, o Options, objects ...dataplane.Object) *oamRig {
	t.Helper()
	o.BPFFS, o.Instance, o.Mode = testFS(t), "oam", ModeGeneric
	r := &oamRig{lab: netlab.New(t), opt: o, out: make([]byte, 4096)}
	r.lab.Do(t, func() {
		r.Driver = mustOpen(t, o)
		l, err := r.net.ByName(r.lab.Port(drivertest.West).Name)
		if err != nil {
			t.Fatal(err)
		}
		r.west = l.Index
	})
	t.Cleanup(func() { r.Driver.Close() })
	r.reader(t)
	r.put(t, append([]dataplane.Object{
		dataplane.Section{Name: "west", Interface: r.lab.Port(drivertest.West).Name, PeerMAC: r.lab.Port(drivertest.West).Peer},
		dataplane.Section{Name: "east", Interface: r.lab.Port(drivertest.East).Name, PeerMAC: r.lab.Port(drivertest.East).Peer},
	}, objects...)...)
	return r
}

// reader opens a reader of punts, as a process does that has started.
func (r *oamRig) reader(t testing.TB) {
	t.Helper()
	var err error
	if r.punts, err = r.Punts(); err != nil {
		t.Fatal(err)
	}
	punts := r.punts
	t.Cleanup(func() { punts.Close() })
}

func (r *oamRig) put(t testing.TB, objects ...dataplane.Object) {
	t.Helper()
	var ops []dataplane.Op
	for _, o := range objects {
		ops = append(ops, dataplane.Op{Verb: dataplane.Put, Key: o.Key(), Object: o})
	}
	r.lab.Do(t, func() {
		for _, err := range r.Apply(context.Background(), ops) {
			t.Fatal(err)
		}
	})
}

// in is a labelled frame for the west port.
func (r *oamRig) in(parts ...any) []byte {
	p := r.lab.Port(drivertest.West)
	return frame(p.MAC, p.Peer, 0, 0x8847, parts...)
}

// run runs a frame n times and returns the verdict and the frame of the last.
func (r *oamRig) run(t testing.TB, f []byte, n int) (verdict uint32, out []byte) {
	t.Helper()
	ctx := struct{ data, end, meta, ingress, queue, egress uint32 }{end: uint32(len(f)), ingress: uint32(r.west)}
	r.lab.Do(t, func() {
		// One by one: a signal between repetitions ends them with EINTR, and the
		// library begins anew, so that more frames are counted than were asked for.
		for range n {
			opt := ebpf.RunOptions{Data: f, DataOut: r.out, Context: &ctx}
			var err error
			if verdict, err = r.objs.TandemSection.Run(&opt); err != nil {
				t.Fatalf("run: %v", err)
			}
			out = opt.DataOut
		}
	})
	return verdict, out
}

// taken returns the frames punted since the last call.
func (r *oamRig) taken() []packetio.Frame {
	r.punts.Release()
	return r.frames[:r.punts.Next(r.frames[:])]
}

func (r *oamRig) dropped(t testing.TB) map[string]uint64 {
	t.Helper()
	all, err := r.DropCounters()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var gal = lse{13, 0, 1, true}

func ends(name string, label uint32) dataplane.LSP {
	return dataplane.LSP{Name: name, Op: dataplane.PopAndLookup, InLabel: label}
}

func TestSteady(t *testing.T) {
	r := newOAMRig(t, Options{}, ends("a", 100), ends("b", 101),
		dataplane.LSP{Name: "swap", Op: dataplane.SwapAndForward, InLabel: 102,
			Out: dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 202}}}})
	p := r.lab.Port(drivertest.West)
	drivertest.Steady(t, drivertest.SteadyRig{
		IfIndex: uint32(r.west), Own: p.MAC, Peer: p.Peer,
		Run: func(f []byte) {
			if verdict, _ := r.run(t, f, 1); verdict != xdpDrop {
				t.Errorf("%x: verdict %d", f, verdict)
			}
		},
		Reader: func() drivertest.Consuming {
			reader, err := r.Punts()
			if err != nil {
				t.Fatal(err)
			}
			return reader
		},
		Again:    func() { r.put(t, ends("a", 100)) },
		Now:      monotonic,
		Counters: func() map[string]uint64 { return r.dropped(t) },
	})
}

// once is a rate that gives a burst and then, in the life of a test, nothing.
func once(burst uint32) punt.Limit { return punt.Limit{Cost: 1e9, Burst: uint64(burst) * 1e9} }

// TestPuntLimits: a MEG that is flooded takes its own tokens, a channel type its
// own; what is over is counted and the rest is punted.
func TestPuntLimits(t *testing.T) {
	r := newOAMRig(t, Options{}, ends("a", 100), ends("b", 101))
	limit := func(i uint32, l punt.Limit) {
		t.Helper()
		if err := r.objs.Limits.Update(i, l, ebpf.UpdateAny); err != nil {
			t.Fatal(err)
		}
	}
	channel := func(t ach.ChannelType, body ...byte) []byte {
		return append([]byte{0x10, 0, byte(t >> 8), byte(t)}, body...)
	}
	a, b, section := lse{100, 0, 64, false}, lse{101, 0, 64, false}, r.in(gal, channel(ach.DM))

	limit(punt.LimitMEG, once(5))
	r.run(t, r.in(a, gal, channel(ach.DM)), 100)
	// The bucket is shared by the CPUs: a race lets one through for each.
	flood := len(r.taken())
	if flood < 5 || flood > 5+ebpf.MustPossibleCPU()+1 {
		t.Errorf("%d frames of a flooded MEG, 5 are let through", flood)
	}
	if r.run(t, r.in(b, gal, channel(ach.DM)), 1); len(r.taken()) != 1 {
		t.Error("the flood has taken another MEG's tokens")
	}
	if r.run(t, section, 1); len(r.taken()) != 1 {
		t.Error("the flood has taken the section's tokens")
	}
	counts := r.dropped(t)
	if n := counts["punt-meg-limited"]; n != uint64(100-flood) || counts["channel-0x000c-limited"] != n ||
		counts["channel-0x000c-received"] != 102 || counts["channel-0x000c-punted"] != uint64(flood)+2 {
		t.Errorf("counters %v", counts)
	}

	limit(punt.LimitMEG, Rate{PerSecond: 1e9, Burst: 1 << 20}.Limit())
	limit(punt.LimitChannel, once(3)) // Types without a slot.
	r.run(t, r.in(a, gal, channel(0x7777)), 50)
	unknown := len(r.taken())
	if unknown < 3 || unknown > 3*ebpf.MustPossibleCPU()+1 {
		t.Errorf("%d frames of an unknown channel type, 3 are let through per CPU", unknown)
	}
	if r.run(t, r.in(a, gal, channel(ach.CV)), 1); len(r.taken()) != 1 {
		t.Error("a flood of an unknown type has taken the tokens of CV")
	}
	counts = r.dropped(t)
	if n := counts["punt-channel-limited"]; n != uint64(50-unknown) || counts["channel-other-limited"] != n || counts["channel-other-received"] != 50 {
		t.Errorf("counters %v", counts)
	}
	// The octets behind a GAL that cannot be an ACH have no channel and no bucket.
	if r.run(t, r.in(a, gal, []byte{1, 2, 3, 4}), 1); len(r.taken()) != 1 {
		t.Error("what is no ACH is not punted")
	}
}

// TestChannelRates: types of the options get slots of their own, and keep their
// counters over a restart with other ones.
func TestChannelRates(t *testing.T) {
	r := newOAMRig(t, Options{ChannelRates: map[ach.ChannelType]Rate{0x7ff9: {PerSecond: 10, Burst: 10}}}, ends("a", 100))
	f := r.in(lse{100, 0, 64, false}, gal, []byte{0x10, 0, 0x7f, 0xf9})
	r.run(t, f, 4)
	if n := r.dropped(t)["channel-0x7ff9-received"]; n != 4 {
		t.Errorf("%d frames counted, 4 received", n)
	}
	r.Driver.Close()
	r.opt.ChannelRates[0x7ff8] = Rate{PerSecond: 1, Burst: 1}
	r.lab.Do(t, func() { r.Driver = mustOpen(t, r.opt) })
	r.run(t, f, 1)
	// 0x7ff8 has come before it: the slot is another, and counts anew.
	if c := r.dropped(t); c["channel-0x7ff9-received"] != 1 || c["channel-0x7ff8-received"] != 0 {
		t.Errorf("counters %v", c)
	}
	tooMany := Options{ChannelRates: map[ach.ChannelType]Rate{}}
	for i := range ach.ChannelType(punt.Channels) {
		tooMany.ChannelRates[0x7000+i] = Rate{PerSecond: 1, Burst: 1}
	}
	if err := r.objs.punting().Set(tooMany.rates()); err == nil {
		t.Error("more channel types than slots are taken")
	}
}

// TestPuntTells: what a punt says beside the frame.
func TestPuntTells(t *testing.T) {
	r := newOAMRig(t, Options{}, ends("spme", 99), ends("a", 100),
		dataplane.LSP{Name: "swap", Op: dataplane.SwapAndForward, InLabel: 102,
			Out: dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 202}}}})
	cc := drivertest.SteadyPacket()
	user := r.in(lse{102, 0, 64, true}, ip4("10.0.0.1"))
	for range 10 {
		r.run(t, user, 1)
	}
	for _, c := range []struct {
		name   string
		frame  []byte
		entity oam.EntityKind
		reason oam.Reason
		label  uint32
		in     uint64 // packets of the snapshot
		out    uint64
	}{
		{"section", r.in(gal, cc), oam.Section, oam.ReasonGAL, 0, 11, 0},
		{"LSP", r.in(lse{100, 0, 64, false}, gal, cc), oam.LSP, oam.ReasonGAL, 100, 1, 0},
		{"LSP in an SPME", r.in(lse{99, 0, 64, false}, lse{100, 0, 64, false}, gal, cc), oam.LSP, oam.ReasonGAL, 100, 2, 0},
		{"expired", r.in(lse{102, 0, 1, false}, gal, cc), oam.LSP, oam.ReasonTTLExpired, 102, 11, 10},
		{"router alert", r.in(lse{1, 0, 64, false}, lse{102, 0, 64, true}, cc), oam.NoEntity, oam.ReasonRouterAlert, 1, 0, 0},
	} {
		start := monotonic()
		r.run(t, c.frame, 1)
		got := r.taken()
		if len(got) != 1 {
			t.Errorf("%s: %d frames punted", c.name, len(got))
			continue
		}
		f := got[0]
		if f.Entity != c.entity || f.Reason != c.reason || f.Label != c.label || f.Snapshot.InPackets != c.in || f.Snapshot.OutPackets != c.out {
			t.Errorf("%s: %+v", c.name, f)
		}
		if c.out != 0 && f.Snapshot.OutOctets != c.out*uint64(len(user)-14) {
			t.Errorf("%s: snapshot %+v, %d octets sent in each of %d", c.name, f.Snapshot, len(user)-14, c.out)
		}
		if f.Time < start || f.Time > monotonic() || !bytes.Equal(f.Stack, c.frame[14:]) {
			t.Errorf("%s: at %d, stack %x", c.name, f.Time, f.Stack)
		}
	}
}

// TestTTLExpiries are counted by section, punted or not.
func TestTTLExpiries(t *testing.T) {
	r := newOAMRig(t, Options{ExceptionRate: Rate{PerSecond: 1, Burst: 1}}, ends("a", 100))
	r.run(t, r.in(lse{100, 0, 1, true}, ip4("10.0.0.1")), 300)
	r.run(t, r.in(lse{100, 0, 64, false}, gal, drivertest.SteadyPacket()), 5)
	got, err := r.TTLExpiries()
	if err != nil || len(got) != 2 || got["west"] != 300 || got["east"] != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

// monotonic reads the clock of the programs.
func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // It cannot fail.
	return ts.Nano()
}
