package bfd_test

import (
	"testing"
	"time"

	"github.com/tandem-ne/tandem/oam"
)

// steadyPair is two nodes of which each consumes what it expects, up and steady.
func steadyPair(t *testing.T, change func(*oam.MEG)) (*sim, *node, *node) {
	t.Helper()
	s := newSim(t)
	s.consume = true
	a, b := s.addNode("A"), s.addNode("B")
	s.links["A>B"], s.links["B>A"] = &link{to: "B", delay: 1e6}, &link{to: "A", delay: 1e6}
	for _, n := range s.order {
		m := pairMEG(n, oam.LSP)
		if change != nil {
			change(&m)
		}
		d := oam.Delta{Put: []oam.MEG{m}}
		if err := n.shard.Prepare(d); err != nil {
			t.Fatal(err)
		}
		n.shard.Apply(d)
	}
	s.run(10e9)
	for _, n := range s.order {
		if len(n.watches) != 1 || n.consumed < 500 {
			t.Fatalf("%s: %d watches, %d frames consumed in 10 s", n.name, len(n.watches), n.consumed)
		}
		n.log = nil
	}
	return s, a, b
}

func (n *node) counters(t *testing.T) oam.Counters {
	t.Helper()
	st, ok := n.engine.State("m")
	if !ok {
		t.Fatal("no session")
	}
	return st.Counters
}

// TestSteadyDetection: the peer falls silent, and the loss is found exactly a
// detection time after the last frame that the data plane noted.
func TestSteadyDetection(t *testing.T) {
	s, a, b := steadyPair(t, nil)
	b.dead = true
	s.run(11e9)
	if len(a.log) == 0 || a.log[0].Kind != oam.DefectEntered || a.log[0].Defect != oam.LossOfContinuity {
		t.Fatalf("events %v", a.log)
	}
	if e := a.log[0]; e.Time != e.lastCC+int64(30*time.Millisecond) || e.reported != e.Time {
		t.Errorf("loss at %v reported at %v, the last CC came at %v", e.Time, e.reported, e.lastCC)
	}
	if len(a.watches) != 0 {
		t.Error("a session that is down still watches")
	}
}

// TestSteadyCounts: received packets are counted at any instant, consumed or not.
func TestSteadyCounts(t *testing.T) {
	s, a, b := steadyPair(t, nil)
	s.links["B>A"].delay = 0 // Nothing is under way while the test looks.
	for range 50 {
		s.run(s.now + 7e6)
		if got, sent := a.counters(t).ReceivedCC, b.counters(t).SentCC; got != sent {
			t.Fatalf("%d received of %d", got, sent)
		}
	}
}

// TestSteadyEnds: what a session is told that is new ends the watch, and it
// begins again after three packets that are alike.
func TestSteadyEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(s *script, a, b *node)
		up   bool // The session stays up.
	}{
		{"a Poll", func(s *script, a, _ *node) { s.inject(a, "CC(up poll tx=10ms rx=10ms)") }, true},
		{"another interval", func(s *script, a, _ *node) { s.inject(a, "CC(up tx=10ms rx=20ms)") }, true},
		{"a diagnostic", func(s *script, a, _ *node) { s.inject(a, "CC(up diag=3 tx=10ms rx=10ms)") }, true},
		{"another multiplier", func(s *script, a, _ *node) { s.inject(a, "CC(up mult=4 tx=10ms rx=10ms)") }, true},
		{"an authenticated one is dropped", func(s *script, a, _ *node) { s.inject(a, "CC(up auth tx=10ms rx=10ms)") }, true},
		{"Down", func(s *script, a, _ *node) { s.inject(a, "CC(down tx=10ms rx=10ms)") }, false},
		{"a wrong source", func(s *script, a, _ *node) { s.inject(a, "CC(up your=77 tx=10ms rx=10ms)") }, false},
		{"the data plane forgets", func(_ *script, a, _ *node) { a.watches[0].at.Label++ }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim, a, b := steadyPair(t, nil)
			s := &script{sim: sim, file: c.name, megs: map[string]oam.MEG{"A": pairMEG(a, oam.LSP)}, checked: map[string]int{}}
			before, sent := a.counters(t).ReceivedCC, b.counters(t).SentCC
			c.do(s, a, b)
			sim.run(sim.now + 1e6)
			sim.run(sim.now + 6e9)
			if c.up != (len(a.log) == 0) {
				t.Errorf("events %v", a.log)
			}
			if len(a.watches) != 1 {
				t.Fatalf("%d watches after 6 s", len(a.watches))
			}
			// No packet is lost to the session between the two ways; one may be under way.
			got, want := a.counters(t), b.counters(t).SentCC-sent
			if n := got.ReceivedCC - before + got.Dropped(); n < want || n > want+2 {
				t.Errorf("%d received or dropped, %d sent", n, want)
			}
			consumed := a.consumed
			sim.run(sim.now + 1e9)
			if a.consumed < consumed+90 {
				t.Errorf("%d consumed in the second after", a.consumed-consumed)
			}
		})
	}
}

// TestSteadyNot: sessions that expect something of every packet do not leave
// them to the data plane.
func TestSteadyNot(t *testing.T) {
	s := newSim(t)
	s.consume = true
	a, b := s.addNode("A"), s.addNode("B")
	s.links["A>B"], s.links["B>A"] = &link{to: "B", delay: 1e6}, &link{to: "A", delay: 1e6}
	for i, n := range s.order {
		m := pairMEG(n, oam.Section)
		m.CC.TxInterval = []time.Duration{10 * time.Millisecond, 100 * time.Millisecond}[i]
		m.CC.RxInterval = 10 * time.Millisecond
		n.shard.Apply(oam.Delta{Put: []oam.MEG{m}})
	}
	s.run(20e9)
	// B sends every 100 ms where A expects 10 ms: a defect that each packet renews.
	if a.consumed != 0 || len(a.watches) != 0 {
		t.Errorf("%d frames consumed of a peer with the wrong period", a.consumed)
	}
	if b.consumed == 0 {
		t.Error("nothing consumed of the peer with the right one")
	}
}

// TestSteadyFlapping: a peer that says something else each time is never watched.
func TestSteadyFlapping(t *testing.T) {
	sim, a, b := steadyPair(t, nil)
	b.dead = true
	s := &script{sim: sim, megs: map[string]oam.MEG{"A": pairMEG(a, oam.LSP)}, checked: map[string]int{}}
	consumed := a.consumed
	for i := range 300 {
		s.inject(a, []string{"CC(up tx=10ms rx=10ms)", "CC(up tx=10ms rx=11ms)"}[i%2])
		sim.run(sim.now + 10e6)
	}
	// The first may be as before.
	if n := a.consumed - consumed; n > 1 || len(a.watches) != 0 {
		t.Errorf("%d consumed, %d watches", n, len(a.watches))
	}
	if len(a.log) != 0 {
		t.Errorf("events %v", a.log)
	}
}
