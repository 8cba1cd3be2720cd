package tap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/dataplane/punt"
	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
)

const (
	unspec = 0xffffffff // TC_ACT_UNSPEC: the kernel's own filters are next.
	shot   = 2          // TC_ACT_SHOT
	// loopback is the interface that test runs come in on.
	loopback = 1
)

func own() dataplane.MAC  { return dataplane.MAC{2, 0, 0, 0, 0, 1} }
func peer() dataplane.MAC { return dataplane.MAC{2, 0, 0, 0, 0, 2} }

// rig is a tap with a reader.
type rig struct {
	*Tap
	ring *punt.Reader
}

func newRig(t testing.TB, rates punt.Rates) rig {
	t.Helper()
	tap, err := Load(rates)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := tap.Source()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ring.Close(); err != nil {
			t.Error(err)
		}
		if err := tap.Close(); err != nil {
			t.Error(err)
		}
	})
	r := rig{tap, ring}
	r.port(t, Section{Own: own()})
	return r
}

func (r rig) port(t testing.TB, s Section) {
	t.Helper()
	if err := r.SetPort(Port{IfIndex: loopback}, s); err != nil {
		t.Fatal(err)
	}
}

func (r rig) label(t testing.TB, space, label uint32, k Kind) {
	t.Helper()
	if err := r.SetLabel(space, label, k); err != nil {
		t.Fatal(err)
	}
}

type lse struct {
	label uint32
	ttl   uint8
}

// frame is an MPLS frame; the last label has the S bit.
func frame(to dataplane.MAC, body string, stack ...lse) []byte {
	p := peer()
	b := append(append(append([]byte(nil), to[:]...), p[:]...), 0x88, 0x47)
	for i, l := range stack {
		v := l.label<<12 | uint32(l.ttl)
		if i == len(stack)-1 {
			v |= 1 << 8
		}
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return append(b, body...)
}

// open is frame without a bottom.
func open(stack ...lse) []byte {
	b := frame(own(), "", append(stack, lse{})...)
	return b[:len(b)-4]
}

// run runs a frame n times, one by one: a signal between repetitions ends them
// with EINTR, and the library begins anew and counts frames twice.
func (r rig) run(t testing.TB, f []byte, n int) (verdict uint32) {
	t.Helper()
	for range n {
		var err error
		if verdict, err = r.objs.TandemTap.Run(&ebpf.RunOptions{Data: f}); err != nil {
			t.Fatal(err)
		}
	}
	return verdict
}

// taken returns what is in the ring.
func (r rig) taken() (all []packetio.Frame) {
	frames := make([]packetio.Frame, 64)
	for {
		n := r.ring.Next(frames)
		for _, f := range frames[:n] {
			f.Stack = bytes.Clone(f.Stack)
			all = append(all, f)
		}
		r.ring.Release()
		if n < len(frames) {
			return all
		}
	}
}

func (r rig) counts(t testing.TB) map[string]uint64 {
	t.Helper()
	out := map[string]uint64{}
	if err := r.Counters(out); err != nil {
		t.Fatal(err)
	}
	return out
}

const channel = "\x10\x00\x00\x22on the channel"

// populate makes labels known: 100 passes, 110 ends, 120 ends and is held, 130
// is a bud, 140 ends and loops, 500 to 503 are pseudowires.
func (r rig) populate(t testing.TB, space uint32) {
	t.Helper()
	for l, k := range map[uint32]Kind{
		100: Known, 110: Known | Ends, 120: Known | Ends | Held, 130: Known | Bud, 140: Known | Ends | Loop,
		500: Known | PW | Word, 501: Known | PW, 502: Known | PW | Word | Join, 1<<20 - 1: Known | Ends,
	} {
		r.label(t, space, l, k)
	}
}

// cases are what reaches OAM, and of whom it is. Nothing is taken from the
// kernel but what it would mistake.
func cases() []struct {
	name    string
	frame   []byte
	reason  oam.Reason
	entity  oam.EntityKind
	label   uint32 // 0: none
	verdict uint32
	drop    string
} {
	type test = struct {
		name    string
		frame   []byte
		reason  oam.Reason
		entity  oam.EntityKind
		label   uint32
		verdict uint32
		drop    string
	}
	gal, me := lse{13, 1}, own()
	punts := func(name string, reason oam.Reason, entity oam.EntityKind, label uint32, body string, stack ...lse) test {
		return test{name: name, frame: frame(me, body, stack...), reason: reason, entity: entity, label: label, verdict: unspec}
	}
	const none = oam.Reason(99)
	passes := func(name string, body string, stack ...lse) test {
		return test{name: name, frame: frame(me, body, stack...), reason: none, verdict: unspec}
	}
	drops := func(name, why string, f []byte) test {
		return test{name: name, frame: f, reason: none, verdict: shot, drop: why}
	}
	deep := make([]lse, 15)
	for i := range deep {
		deep[i] = lse{110, 64}
	}
	multicast := dataplane.MulticastMAC()
	return []test{
		punts("GAL of the section", oam.ReasonGAL, oam.Section, 0, channel, gal),
		punts("GAL of the section with any TTL", oam.ReasonGAL, oam.Section, 0, channel, lse{13, 255}),
		punts("GAL of an LSP", oam.ReasonGAL, oam.LSP, 110, channel, lse{110, 64}, gal),
		punts("GAL of an LSP with TTL 1", oam.ReasonGAL, oam.LSP, 110, channel, lse{110, 1}, gal),
		punts("GAL of an LSP that is held", oam.ReasonGAL, oam.LSP, 120, channel, lse{120, 64}, gal),
		punts("GAL of an LSP in an LSP", oam.ReasonGAL, oam.LSP, 1<<20-1, channel, lse{110, 64}, lse{1<<20 - 1, 64}, gal),
		punts("GAL at a bud", oam.ReasonGAL, oam.LSP, 130, channel, lse{130, 64}, gal),
		punts("TTL on the way", oam.ReasonTTLExpired, oam.LSP, 100, channel, lse{100, 1}, gal),
		punts("TTL 0 on the way", oam.ReasonTTLExpired, oam.LSP, 100, "\x45", lse{100, 0}),
		punts("TTL at the end", oam.ReasonTTLExpired, oam.LSP, 110, "\x45", lse{110, 1}),
		punts("TTL below a label that ends", oam.ReasonTTLExpired, oam.LSP, 100, "\x45", lse{110, 9}, lse{100, 1}),
		punts("TTL of an explicit null", oam.ReasonTTLExpired, oam.NoEntity, 2, "\x60", lse{2, 1}),
		punts("TTL in a loop", oam.ReasonTTLExpired, oam.LSP, 140, "\x45", lse{140, 1}),
		punts("GAL with TTL 1 in a loop", oam.ReasonGAL, oam.LSP, 140, channel, lse{140, 1}, gal),
		punts("router alert", oam.ReasonRouterAlert, oam.NoEntity, 1, "", lse{110, 9}, lse{1, 9}, lse{500, 9}),
		punts("channel of a pseudowire", oam.ReasonPWACH, oam.Pseudowire, 500, channel, lse{110, 9}, lse{500, 9}),
		punts("channel of a pseudowire with TTL 1", oam.ReasonPWACH, oam.Pseudowire, 500, channel, lse{500, 1}),
		punts("GAL of a pseudowire", oam.ReasonGAL, oam.Pseudowire, 501, channel, lse{501, 9}, gal),
		punts("TTL of a pseudowire", oam.ReasonTTLExpired, oam.Pseudowire, 500, "\x00\x00\x00\x00", lse{500, 1}),
		punts("TTL of a segment", oam.ReasonTTLExpired, oam.Pseudowire, 502, channel, lse{502, 1}),
		passes("a packet on its way", "\x45", lse{100, 64}),
		passes("G-ACh on its way", channel, lse{100, 64}, gal),
		passes("G-ACh in a loop", channel, lse{140, 64}, gal),
		passes("G-ACh of somebody in a bud", channel, lse{130, 64}, lse{110, 64}, gal),
		passes("G-ACh of somebody in a held LSP", channel, lse{120, 64}, lse{110, 64}, gal),
		passes("a packet that ends here", "\x45", lse{110, 64}),
		passes("a label that nobody has", channel, lse{99, 1}, gal),
		passes("a label below that nobody has", channel, lse{110, 64}, lse{99, 1}, gal),
		passes("frame of a pseudowire", "\x00\x00\x00\x00frame", lse{500, 9}),
		passes("nibble 1 without a control word", channel, lse{501, 9}),
		passes("channel of a segment", channel, lse{502, 9}),
		passes("GAL that is not the bottom", "", gal, lse{110, 64}),
		passes("explicit null of a packet", "\x45", lse{0, 64}),
		passes("router alert at the bottom", "", lse{1, 64}),
		passes("a reserved label", "", lse{9, 64}),
		passes("as deep as the kernel goes", "\x45", deep...),
		{name: "to all of MPLS-TP", frame: frame(multicast, channel, gal), reason: oam.ReasonGAL, entity: oam.Section, verdict: unspec},
		{name: "to another station", frame: frame(peer(), channel, gal), reason: none, verdict: unspec},
		drops("a stack without a bottom", "no-bottom", open(lse{110, 64}, lse{110, 64})),
		drops("half a label", "short", open(lse{110, 64})[:17]),
		drops("no label at all", "short", open()),
		drops("a GAL with nothing below", "malformed", frame(me, "\x10", gal)),
		drops("G-ACh below an explicit null", "malformed", frame(me, channel, lse{0, 64}, gal)),
		drops("a stack too deep", "too-deep", frame(me, "\x45", append(deep, lse{100, 64})...)),
	}
}

func TestCases(t *testing.T) {
	for _, space := range []uint32{0, 7} {
		r := newRig(t, punt.Rates{})
		r.port(t, Section{Own: own(), Space: space})
		r.populate(t, space)
		for _, c := range cases() {
			name := fmt.Sprintf("%s, space %d", c.name, space)
			before, start := r.counts(t), monotonic()
			if v := r.run(t, c.frame, 1); v != c.verdict {
				t.Errorf("%s: verdict %d, want %d", name, int32(v), int32(c.verdict))
			}
			got := r.taken()
			if c.drop != "" {
				if n := r.counts(t)[c.drop] - before[c.drop]; n != 1 {
					t.Errorf("%s: %d counted as %s", name, n, c.drop)
				}
			}
			if c.reason > oam.ReasonPWACH {
				if len(got) != 0 {
					t.Errorf("%s: punted %+v", name, got)
				}
				continue
			}
			if len(got) != 1 {
				t.Errorf("%s: %d frames punted", name, len(got))
				continue
			}
			f := got[0]
			if f.Reason != c.reason || f.Entity != c.entity || f.HasLabel != (c.label != 0) || f.Label != c.label || f.IfIndex != loopback ||
				f.VLAN != 0 || f.Truncated || !bytes.Equal(f.Stack, c.frame[14:]) {
				t.Errorf("%s: %+v", name, f)
			}
			if f.Time < start || f.Time > monotonic() {
				t.Errorf("%s: time %d", name, f.Time)
			}
		}
		if r.ring.Bad() != 0 {
			t.Errorf("%d records not understood", r.ring.Bad())
		}
	}
}

// TestForgets: what is taken back is not looked at any more.
func TestForgets(t *testing.T) {
	r := newRig(t, punt.Rates{})
	r.populate(t, 0)
	for i := range uint32(8) {
		r.label(t, 0, 104+i, Known|Ends)
	}
	r.label(t, 0, 105, 0)
	of := func(label uint32) []byte { return frame(own(), channel, lse{label, 64}, lse{13, 1}) }
	for label, want := range map[uint32]int{104: 1, 105: 0, 106: 1, 107: 1} {
		if r.run(t, of(label), 1); len(r.taken()) != want {
			t.Errorf("label %d: want %d punted", label, want)
		}
	}
	r.port(t, Section{Own: own(), Down: true})
	if r.run(t, of(110), 1); len(r.taken()) != 0 {
		t.Error("punted on a section that is down")
	}
	r.port(t, Section{Own: own(), Blocked: true})
	if r.run(t, of(110), 1); len(r.taken()) != 0 {
		t.Error("the G-ACh of an LSP on a blocked section")
	}
	if v := r.run(t, open(), 1); v != unspec {
		t.Errorf("what has no label on a blocked section: verdict %d", v)
	}
	if r.run(t, frame(own(), channel, lse{13, 1}), 1); len(r.taken()) != 1 {
		t.Error("a blocked section has lost its G-ACh")
	}
	r.port(t, Section{Own: own(), Passes: true})
	if v := r.run(t, open(lse{110, 64}), 1); v != unspec {
		t.Errorf("an open stack that the kernel takes apart: verdict %d", v)
	}
	r.port(t, Section{Own: own(), Space: 5})
	if r.run(t, of(110), 1); len(r.taken()) != 0 {
		t.Error("a label of the platform on a section with a space of its own")
	}
	r.label(t, 5, 110, Known|Ends)
	if r.run(t, of(110), 1); len(r.taken()) != 1 {
		t.Error("not punted")
	}
	if err := r.Clear(func(Port) bool { return true }, func(space, label uint32) bool { return label == 100 }); err != nil {
		t.Fatal(err)
	}
	if r.run(t, of(110), 1); len(r.taken()) != 0 {
		t.Error("a label that was cleared")
	}
	r.port(t, Section{Own: own()})
	if r.run(t, frame(own(), "", lse{100, 1}), 1); len(r.taken()) != 1 {
		t.Error("a label that was kept is forgotten")
	}
	if n, err := r.Expiries(Port{IfIndex: loopback}); n != 1 || err != nil {
		t.Errorf("%d expiries, %v", n, err)
	}
	if err := r.RemovePort(Port{IfIndex: loopback}); err != nil {
		t.Fatal(err)
	}
	if r.run(t, frame(own(), channel, lse{13, 1}), 1); len(r.taken()) != 0 {
		t.Error("punted where there is no section")
	}
	if n, err := r.Expiries(Port{IfIndex: loopback}); n != 0 || err != nil {
		t.Errorf("%d expiries of no section, %v", n, err)
	}
	if err := r.SetLabel(0, 1<<20, Known); err == nil {
		t.Error("label 1048576 is taken")
	}
}

// TestTruncates cuts frames that are longer than a record.
func TestTruncates(t *testing.T) {
	r := newRig(t, punt.Rates{})
	for _, n := range []int{100, 256 - 14 - 4, 257 - 14 - 4, 1500, 3000} {
		f := frame(own(), string(append([]byte{0x10, 0, 0, 0x22}, make([]byte, n-4)...)), lse{13, 1})
		r.run(t, f, 1)
		got := r.taken()
		if len(got) != 1 || len(got[0].Stack) != min(len(f), 2048)-14 || got[0].Truncated != (len(f) > 2048) {
			t.Errorf("%d octets: %d frames", len(f), len(got))
		}
	}
}

// TestLimits: a MEG that is flooded takes its own tokens, a channel type its own,
// a section its own; what is over is counted.
func TestLimits(t *testing.T) {
	once := func(burst uint32) punt.Rate { return punt.Rate{PerSecond: 1, Burst: burst} }
	plenty := punt.Rate{PerSecond: 1e9, Burst: 1 << 20}
	// A test run stays on a CPU, but which is the kernel's choice.
	cpus := ebpf.MustPossibleCPU()
	dm := string([]byte{0x10, 0, 0, byte(ach.DM)})
	a, b := lse{110, 64}, lse{111, 64}
	load := func(t *testing.T, rates punt.Rates) rig {
		r := newRig(t, rates)
		r.label(t, 0, 110, Known|Ends)
		r.label(t, 0, 111, Known|Ends)
		return r
	}
	t.Run("MEG", func(t *testing.T) {
		r := load(t, punt.Rates{MEG: once(5)})
		r.run(t, frame(own(), dm, a, lse{13, 1}), 100)
		flood := len(r.taken())
		if flood < 5 || flood > 6 {
			t.Errorf("%d frames of a flooded MEG, 5 are let through", flood)
		}
		if r.run(t, frame(own(), dm, b, lse{13, 1}), 1); len(r.taken()) != 1 {
			t.Error("the flood has taken another MEG's tokens")
		}
		if r.run(t, frame(own(), dm, lse{13, 1}), 1); len(r.taken()) != 1 {
			t.Error("the flood has taken the section's tokens")
		}
		if c := r.counts(t); c["punt-meg-limited"] != uint64(100-flood) || c["channel-0x000c-limited"] != uint64(100-flood) ||
			c["channel-0x000c-received"] != 102 || c["channel-0x000c-punted"] != uint64(flood)+2 || c["punted-gal"] != uint64(flood)+2 {
			t.Errorf("counters %v", c)
		}
	})
	t.Run("channel type", func(t *testing.T) {
		r := load(t, punt.Rates{MEG: plenty, Unknown: once(3), Channels: map[ach.ChannelType]punt.Rate{0x7ff9: once(2)}})
		r.run(t, frame(own(), "\x10\x00\x77\x77", a, lse{13, 1}), 50)
		unknown := len(r.taken())
		if unknown < 3 || unknown > 3*cpus+1 {
			t.Errorf("%d frames of an unknown channel type, 3 are let through per CPU", unknown)
		}
		r.run(t, frame(own(), "\x10\x00\x7f\xf9", a, lse{13, 1}), 50)
		if named := len(r.taken()); named < 2 || named > 2*cpus+1 {
			t.Errorf("%d frames of a channel type, 2 are let through per CPU", named)
		}
		if r.run(t, frame(own(), dm, a, lse{13, 1}), 1); len(r.taken()) != 1 {
			t.Error("a flood of an unknown type has taken the tokens of DM")
		}
		if r.run(t, frame(own(), "\x01\x02\x03\x04", a, lse{13, 1}), 1); len(r.taken()) != 1 {
			t.Error("what is no ACH is not punted")
		}
		if c := r.counts(t); c["punt-channel-limited"] == 0 || c["channel-other-received"] != 50 || c["channel-0x7ff9-received"] != 50 {
			t.Errorf("counters %v", c)
		}
	})
	t.Run("reason", func(t *testing.T) {
		r := load(t, punt.Rates{MEG: plenty, Exception: once(4)})
		r.run(t, frame(own(), "\x45", lse{110, 1}), 50)
		if n := len(r.taken()); n < 4 || n > 4*cpus+1 {
			t.Errorf("%d expired frames, 4 are let through per CPU", n)
		}
		if r.run(t, frame(own(), dm, a, lse{13, 1}), 1); len(r.taken()) != 1 {
			t.Error("expired frames have taken the tokens of the G-ACh")
		}
		if n, err := r.Expiries(Port{IfIndex: loopback}); n != 50 || err != nil {
			t.Errorf("%d of 50 expiries counted, %v", n, err)
		}
		if c := r.counts(t); c["punt-rate"] == 0 {
			t.Errorf("counters %v", c)
		}
	})
	t.Run("too many channel types", func(t *testing.T) {
		rates := punt.Rates{Channels: map[ach.ChannelType]punt.Rate{}}
		for i := range ach.ChannelType(punt.Channels) {
			rates.Channels[0x7000+i] = once(1)
		}
		if tap, err := Load(rates); err == nil {
			tap.Close()
			t.Error("more channel types than slots are taken")
		}
	})
}

// TestRingFull: a ring that nobody reads costs the punts and nothing else.
func TestRingFull(t *testing.T) {
	plenty := punt.Rate{PerSecond: 1e9, Burst: 1 << 20}
	r := newRig(t, punt.Rates{MEG: plenty, GAL: plenty})
	long := frame(own(), string(append([]byte{0x10, 0, 0, 0x22}, make([]byte, 1400)...)), lse{13, 1})
	if v := r.run(t, long, 4000); v != unspec {
		t.Errorf("verdict %d", v)
	}
	c := r.counts(t)
	if c["punt-full"] == 0 || c["punt-full"]+c["punted-gal"] != 4000 {
		t.Fatalf("counters %v", c)
	}
	if n := uint64(len(r.taken())); n != c["punted-gal"] {
		t.Errorf("read %d of %d", n, c["punted-gal"])
	}
	if r.run(t, long, 1); len(r.taken()) != 1 {
		t.Error("nothing is punted after that")
	}
}

// TestAllocs: reading punts allocates nothing.
func TestAllocs(t *testing.T) {
	plenty := punt.Rate{PerSecond: 1e9, Burst: 1 << 20}
	r := newRig(t, punt.Rates{MEG: plenty, GAL: plenty})
	r.run(t, frame(own(), channel, lse{13, 1}), 4000)
	frames, read := make([]packetio.Frame, 16), 0
	if a := testing.AllocsPerRun(100, func() {
		read += r.ring.Next(frames)
		r.ring.Release()
	}); a != 0 || read != 101*len(frames) {
		t.Errorf("%v allocations, %d frames", a, read)
	}
}

func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // It cannot fail.
	return ts.Nano()
}

// BenchmarkLoad is what the tap costs at start.
func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		tap, err := Load(punt.Rates{})
		if err != nil {
			b.Fatal(err)
		}
		if err := tap.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSteady(t *testing.T) {
	r := newRig(t, punt.Rates{})
	again := func() { r.label(t, 0, 100, Known|Ends) }
	again()
	r.label(t, 0, 101, Known|Ends)
	r.label(t, 0, 102, Known)
	drivertest.Steady(t, drivertest.SteadyRig{
		IfIndex: loopback, Own: own(), Peer: peer(),
		Run: func(f []byte) {
			if v := r.run(t, f, 1); v != unspec {
				t.Errorf("%x: verdict %d", f, v)
			}
		},
		Reader: func() drivertest.Consuming {
			reader, err := r.Source()
			if err != nil {
				t.Fatal(err)
			}
			return reader
		},
		Again:    again,
		Now:      monotonic,
		Counters: func() map[string]uint64 { return r.counts(t) },
	})
}
