package drivertest

import (
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/oam"
)

// Consuming is a source of punts whose data plane consumes what steady sessions
// expect.
type Consuming interface {
	packetio.Source
	packetio.Consumer
}

// SteadyRig is a section whose frames are punted. Labels 100 and 101 are those of
// LSPs that end at the element, 102 that of one that passes.
type SteadyRig struct {
	IfIndex uint32
	// Own and Peer are the addresses of the two ends.
	Own, Peer dataplane.MAC
	// Run has a frame come in and returns when the program is done with it.
	Run func(frame []byte)
	// Reader opens a reader of punts, as a process does that has started, after
	// the one before has been closed.
	Reader func() Consuming
	// Again puts the LSP of label 100 once more.
	Again func()
	// Now is CLOCK_MONOTONIC.
	Now func() int64
	// Counters are the drop counters of the driver, of which there have been
	// none.
	Counters func() map[string]uint64
}

// SteadyPacket is a CC packet from the ACH on.
func SteadyPacket() []byte {
	return []byte{0x10, 0, 0, 0x22, 0x20, 0xc0, 3, 24, 0, 0, 0, 9, 0, 0, 0, 7, 0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10, 0, 0, 0, 0}
}

// steadyCase is a frame and who expects it; nil: it is punted.
type steadyCase struct {
	name  string
	frame []byte
	seen  *oam.Seen
}

// Steady tests packetio.Consumer: what a session expects is noted and not punted,
// everything else is punted as ever.
func Steady(t *testing.T, r SteadyRig) {
	reader := r.Reader()
	defer func() { reader.Close() }()
	watch := func(a packetio.Arrival, octets []byte) *oam.Seen {
		seen, err := reader.Watch(a, octets)
		if err != nil {
			t.Fatal(err)
		}
		return seen
	}
	lsp, section := packetio.Arrival{Label: 100, HasLabel: true}, packetio.Arrival{IfIndex: r.IfIndex}
	ofLSP := watch(lsp, SteadyPacket())
	cases := r.steadyCases(ofLSP, nil)
	// Without a session on the section its frames are punted.
	r.steadyCheck(t, reader, cases)
	ofSection := watch(section, SteadyPacket())
	if _, err := reader.Watch(lsp, SteadyPacket()); err == nil {
		t.Error("one place is watched twice")
	}
	if _, err := reader.Watch(packetio.Arrival{Label: 101, HasLabel: true}, SteadyPacket()[1:]); err == nil {
		t.Error("27 octets are taken")
	}
	cases = r.steadyCases(ofLSP, ofSection)
	r.steadyCheck(t, reader, cases)
	if c := r.Counters(); c["channel-0x0022-consumed"] != 5 || c["channel-0x0022-received"] != c["channel-0x0022-punted"]+5 || c["channel-0x0022-limited"] != 0 {
		t.Errorf("counters %v", c)
	}

	punted := func(what string, frame []byte, want int) {
		t.Helper()
		if r.Run(frame); steadyTaken(reader) != want {
			t.Errorf("%s: want %d frames punted", what, want)
		}
	}
	// An LSP that is replaced is watched as before; one that is muted or no more
	// watched is not, and others are.
	r.Again()
	for range 1000 {
		r.Run(cases[0].frame)
	}
	if _, n := ofLSP.Load(); n != 1004 || steadyTaken(reader) != 0 {
		t.Errorf("%d noted", n)
	}
	reader.Mute(ofLSP)
	reader.Mute(ofLSP)
	punted("muted", cases[0].frame, 1)
	punted("muted, the section", cases[2].frame, 0)
	reader.Unwatch(ofLSP)
	reader.Unwatch(ofLSP)
	if watch(lsp, SteadyPacket()) == ofLSP {
		t.Error("watched again, in the same memory at once")
	}
	punted("watched again", cases[0].frame, 0)
	reader.Unwatch(ofSection)
	punted("the section, not watched", cases[2].frame, 1)
	ofLabel := watch(packetio.Arrival{IfIndex: r.IfIndex, Label: 101, HasLabel: true}, SteadyPacket())
	punted("a label of one section", cases[4].frame, 0)
	if _, n := ofLabel.Load(); n != 1 {
		t.Errorf("a label of one section: %d noted", n)
	}

	// A process that starts finds what its predecessor expected, and forgets it.
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	reader = r.Reader()
	for _, i := range []int{0, 2, 4} {
		punted("of an earlier process", cases[i].frame, 1)
	}
	// Looking at what was noted allocates nothing.
	ofLSP = watch(lsp, SteadyPacket())
	_, before := ofLSP.Load()
	r.Run(cases[0].frame)
	n := uint64(0)
	if a := testing.AllocsPerRun(100, func() { _, n = ofLSP.Load() }); a != 0 || n != before+1 {
		t.Errorf("%v allocations, %d noted, %d before", a, n, before)
	}
}

// steadyCases are frames beside the ones that are expected; the first five are
// told apart by place, all others by an octet.
func (r SteadyRig) steadyCases(ofLSP, ofSection *oam.Seen) []steadyCase {
	in := func(body []byte, labels ...label) []byte {
		return ethernet(r.Own, r.Peer, typeMPLS, stack(labels...), body)
	}
	lsp, gal := label{100, 3, 64}, label{13, 0, 1}
	cases := []steadyCase{
		{"LSP", in(SteadyPacket(), lsp, gal), ofLSP},
		{"other TC and TTL, padding", in(append(SteadyPacket(), make([]byte, 18)...), label{100, 0, 1}, label{13, 7, 255}), ofLSP},
		{"section", in(SteadyPacket(), gal), ofSection},
		{"cut short", in(SteadyPacket()[:27], lsp, gal), nil},
		{"another LSP", in(SteadyPacket(), label{101, 0, 64}, gal), nil},
		{"an expired TTL", in(SteadyPacket(), label{102, 0, 1}, gal), nil},
	}
	for i := range SteadyPacket() {
		for _, bit := range []byte{1, 0x80} {
			b := SteadyPacket()
			b[i] ^= bit
			cases = append(cases, steadyCase{"another octet", in(b, lsp, gal), nil})
		}
	}
	return cases
}

// steadyCheck runs the cases and looks what was noted where.
func (r SteadyRig) steadyCheck(t *testing.T, reader Consuming, cases []steadyCase) {
	t.Helper()
	counts := map[*oam.Seen]uint64{}
	for _, c := range cases {
		if c.seen != nil {
			_, counts[c.seen] = c.seen.Load()
		}
	}
	for _, c := range cases {
		start := r.Now()
		r.Run(c.frame)
		if n := steadyTaken(reader); (n == 1) != (c.seen == nil) {
			t.Errorf("%s (%x): %d frames punted", c.name, c.frame, n)
		}
		if c.seen != nil {
			counts[c.seen]++
			if last, _ := c.seen.Load(); last < start || last > r.Now() {
				t.Errorf("%s: noted at %d, not from %d to %d", c.name, last, start, r.Now())
			}
		}
		for s, want := range counts {
			if _, n := s.Load(); n != want {
				t.Errorf("%s (%x): %d noted, want %d", c.name, c.frame, n, want)
				counts[s] = n
			}
		}
	}
}

// steadyTaken is how many frames have been punted since the last call.
func steadyTaken(reader Consuming) int {
	frames := make([]packetio.Frame, 16)
	n := reader.Next(frames)
	reader.Release()
	return n
}
