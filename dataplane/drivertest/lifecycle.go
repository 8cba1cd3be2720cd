package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// lspKey is the key of an LSP.
func lspKey(name string) dataplane.Key {
	return dataplane.Key{Kind: dataplane.KindLSP, Name: name}
}

func sectionKey(name string) dataplane.Key {
	return dataplane.Key{Kind: dataplane.KindSection, Name: name}
}

// swapped sends a packet with label in into West and fails the test unless it
// leaves East with label out; out 0: unless it is dropped.
func (s suite) swapped(t *testing.T, e env, in, out uint32) {
	t.Helper()
	inner := ip(remoteIPv4, clientIPv4, 64)
	c := packetCase{in: West, out: East, send: func(e env) []byte { return e.fromWest(stack(label{in, 0, 64}), inner) }}
	if out != 0 {
		c.want = func(e env) []byte { return e.toEast(stack(label{out, 0, 63}), inner) }
	}
	s.exchange(t, e, c)
}

func (s suite) lifecycle(t *testing.T) {
	t.Run("put is idempotent", s.idempotent)
	t.Run("delete", s.deletes)
	t.Run("change of every part", s.change)
	t.Run("replace loses nothing", s.replace)
	t.Run("a label moves to another LSP", s.takeover)
	t.Run("a change of a section moves its LSPs", s.moveSection)
	t.Run("adoption after a restart", s.adopt)
	t.Run("a restart loses nothing", s.restart)
	t.Run("stale objects are found and swept", s.sweep)
	t.Run("a thousand LSPs", s.thousand)
	t.Run("a cancelled apply tells so", s.cancelled)
}

func (s suite) idempotent(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	objects := append(e.sections(), lsp(swap, 100, out("east", 200)))
	for range 3 {
		d.put(t, objects...)
		d.holds(t, objects...)
	}
	s.swapped(t, e, 100, 200)
}

func (s suite) deletes(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	imp := imposing(out("east", 300), "198.51.100.0/24", "2001:db8:100::/48")
	imp.Name = "imp"
	d.put(t, append(e.sections(), lsp(swap, 100, out("east", 200)), imp)...)
	s.swapped(t, e, 100, 200)
	d.remove(t, lspKey("x"), lspKey("imp"))
	s.swapped(t, e, 100, 0)
	d.holds(t, e.sections()...)
	// Again, and what never was.
	d.remove(t, lspKey("x"), lspKey("imp"), lspKey("never"), sectionKey("never"))
	d.remove(t, sectionKey("west"), sectionKey("east"))
	d.holds(t)
}

// change puts one name with one state after another; each must look like the
// first of its name.
func (s suite) change(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	d.put(t, e.sections()...)
	states := []dataplane.LSP{
		lsp(swap, 100, out("east", 200)),
		lsp(swap, 101, out("east", 200)),
		lsp(swap, 101, out("west", 200)),
		lsp(swap, 101, out("west", 300, 200)),
		down(lsp(swap, 101, out("west", 300, 200))),
		lsp(pop, 101, out("east")),
		lsp(popLookup, 101, dataplane.NextHop{}),
		imposing(out("east", 200), "198.51.100.0/24"),
		imposing(out("east", 201, 202), "198.51.100.0/24", "198.51.100.8/29", "2001:db8:100::/48"),
		imposing(out("west", 201), "198.51.100.8/29"),
		lsp(popImpose, 100, out("east", 500)),
	}
	for i, to := range states {
		for j, from := range states {
			if i == j {
				continue
			}
			d.put(t, from)
			d.put(t, to)
			d.holds(t, append(e.sections(), to)...)
		}
	}
}

// replace changes an LSP back and forth while packets pass: each one must
// arrive, with the old label or the new.
func (s suite) replace(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	one, two := lsp(swap, 100, out("east", 200)), lsp(swap, 100, out("east", 400, 300))
	d.put(t, append(e.sections(), one)...)
	inner := ip(remoteIPv4, clientIPv4, 64)
	s.lossless(t, West, e.fromWest(stack(label{100, 0, 64}), inner), East, [][]byte{
		e.toEast(stack(label{200, 0, 63}), inner),
		e.toEast(stack(label{400, 0, e.imposed(255, 64)}, label{300, 0, 63}), inner),
	}, d.flip(t, two, one))
	d.holds(t, append(e.sections(), one)...)
}

// flip returns a change for lossless: it puts each object in turn.
func (d driver) flip(t *testing.T, objects ...dataplane.Object) func() {
	return func() {
		for _, o := range objects {
			for _, err := range d.apply(plan.Full(nil, []dataplane.Object{o})) {
				t.Errorf("Apply: %v", err)
			}
		}
	}
}

// lossless makes a change again and again while frames pass: each must come
// out, once, as one of those wanted.
func (s suite) lossless(t *testing.T, in PortID, frame []byte, out PortID, want [][]byte, change func()) {
	t.Helper()
	s.drain(t)
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		for n := 1; ; n++ {
			change()
			select {
			case <-stop:
				done <- n
				return
			default:
			}
		}
	}()
	const bursts, burst = 40, 32 // A veth queues 256 frames.
	lost := 0
	for range bursts {
		for range burst {
			s.lab.Send(t, in, frame)
		}
		for range burst {
			got := s.next(t, out, patience)
			if got == nil {
				lost++
				break
			}
			if !slices.ContainsFunc(want, func(w []byte) bool { return bytes.Equal(w, got) }) {
				t.Errorf("frame that is none of the wanted: %s", dumpFrame(got))
			}
		}
		if lost > 0 {
			break
		}
	}
	close(stop)
	if n := <-done; lost > 0 {
		t.Fatalf("frames were lost over %d changes", n)
	}
	s.drain(t)
}

func (s suite) takeover(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	old := lsp(swap, 100, out("east", 200))
	d.put(t, append(e.sections(), old)...)
	next := old
	next.Name, next.Out = "y", out("east", 201)
	ops := plan.Full([]dataplane.Object{old}, []dataplane.Object{next})
	if n := len(ops); n != 2 {
		t.Fatalf("plan has %d operations, want put and delete", n)
	}
	for _, err := range d.apply(ops) {
		t.Fatalf("Apply: %v", err)
	}
	d.holds(t, append(e.sections(), next)...)
	s.swapped(t, e, 100, 201)
	// Two LSPs change labels with each other in one go.
	other := lsp(swap, 101, out("east", 202))
	d.put(t, other)
	next.InLabel, other.InLabel = 101, 100
	d.put(t, next, other)
	d.holds(t, append(e.sections(), next, other)...)
	s.swapped(t, e, 100, 202)
	s.swapped(t, e, 101, 201)
}

func (s suite) moveSection(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	x := lsp(swap, 100, out("out", 200))
	sec := dataplane.Section{Name: "out", Interface: e.east.Name, PeerMAC: e.east.Peer}
	west := e.sections()[0]
	d.put(t, west, sec, x)
	s.swapped(t, e, 100, 200)
	sec.PeerMAC = dataplane.MAC{2, 0, 0, 0, 0xee, 1}
	d.put(t, sec)
	d.holds(t, west, sec, x)
	moved := e
	moved.east.Peer = sec.PeerMAC
	s.swapped(t, moved, 100, 200)
	sec.Down = true
	d.put(t, sec)
	d.holds(t, west, sec, x)
	s.swapped(t, moved, 100, 0)
	sec.Down = false
	d.put(t, sec)
	s.swapped(t, moved, 100, 200)
}

// adopt closes the driver and opens it again: packets pass all the time, the
// dump shows what was there, and it can be changed.
func (s suite) adopt(t *testing.T) {
	d := s.start(t)
	e := s.env(d)
	imp := imposing(out("east", 500, 400), "198.51.100.0/24", "2001:db8:100::/48")
	imp.Name = "imp"
	objects := append(e.sections(),
		lsp(swap, 100, out("east", 200)), imp,
		dataplane.LSP{Name: "pop", Op: pop, InLabel: 110, Out: out("east")},
		dataplane.LSP{Name: "look", Op: popLookup, InLabel: 111},
		dataplane.LSP{Name: "join", Op: popImpose, InLabel: 112, Out: out("west", 212)},
		down(dataplane.LSP{Name: "off", Op: swap, InLabel: 113, Out: out("east", 213)}),
	)
	d.put(t, objects...)
	d.close(t)
	s.swapped(t, e, 100, 200)
	d = s.reopen(t)
	defer d.close(t)
	d.holds(t, objects...)
	s.swapped(t, e, 100, 200)
	changed := lsp(swap, 100, out("east", 201))
	d.put(t, changed)
	s.swapped(t, e, 100, 201)
	d.remove(t, lspKey("x"), lspKey("imp"))
	s.swapped(t, e, 100, 0)
}

// restart ends the driver and starts it anew, several times, while packets
// pass: none may be missing.
func (s suite) restart(t *testing.T) {
	d := s.start(t)
	e := s.env(d)
	objects := append(e.sections(), lsp(swap, 100, out("east", 200)))
	d.put(t, objects...)
	s.drain(t)
	inner := ip(remoteIPv4, clientIPv4, 64)
	frame, want := e.fromWest(stack(label{100, 0, 64}), inner), e.toEast(stack(label{200, 0, 63}), inner)
	type result struct {
		bursts int
		fault  string
	}
	stop, done := make(chan struct{}), make(chan result)
	go func() {
		var r result
		defer func() { done <- r }()
		for r.fault == "" {
			const burst = 32 // A veth queues 256 frames.
			for range burst {
				s.lab.Send(t, West, frame)
			}
			for range burst {
				if got := s.next(t, East, patience); !bytes.Equal(got, want) {
					r.fault = dumpFrame(got)
					return
				}
			}
			r.bursts++
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for range 3 {
		d.close(t)
		d = s.reopen(t)
		d.holds(t, objects...)
		d.put(t, objects...)
	}
	close(stop)
	if r := <-done; r.fault != "" || r.bursts == 0 {
		t.Errorf("after %d bursts a packet came out as %s", r.bursts, r.fault)
	}
	d.close(t)
}

func (s suite) sweep(t *testing.T) {
	d := s.start(t)
	e := s.env(d)
	keep := lsp(swap, 100, out("east", 200))
	stale := dataplane.LSP{Name: "stale", Op: swap, InLabel: 101, Out: out("east", 201)}
	staleIP := imposing(out("east", 300), "198.51.100.0/24")
	staleIP.Name = "stale-ip"
	d.put(t, append(e.sections(), keep, stale, staleIP)...)
	d.close(t)
	d = s.reopen(t)
	defer d.close(t)
	desired := append(e.sections(), keep)
	ops := plan.Full(d.dump(t, desired...), desired)
	if len(ops) != 2 {
		t.Errorf("plan has %d operations, want two deletes:\n%s", len(ops), plan.Print(ops))
	}
	for _, op := range ops {
		if op.Verb != dataplane.Delete || op.Key.Kind != dataplane.KindLSP || op.Key.Name == "" || op.Key.Name[0] != '?' {
			t.Errorf("plan has %s %s, want the delete of an LSP with a name that starts with ?", op.Verb, op.Key)
		}
	}
	for _, err := range d.apply(ops) {
		t.Errorf("Apply: %v", err)
	}
	d.holds(t, desired...)
	s.swapped(t, e, 101, 0)
	s.swapped(t, e, 100, 200)
}

func (s suite) thousand(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	objects := e.sections()
	var keys []dataplane.Key
	for i := range uint32(1000) {
		l := lsp(swap, 1000+i, out("east", 5000+i))
		l.Name = fmt.Sprintf("l%d", i)
		objects = append(objects, l)
		keys = append(keys, l.Key())
	}
	d.put(t, objects...)
	d.holds(t, objects...)
	s.swapped(t, e, 1000, 5000)
	s.swapped(t, e, 1999, 5999)
	d.remove(t, keys...)
	d.holds(t, e.sections()...)
	s.swapped(t, e, 1000, 0)
}

func (s suite) cancelled(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ops := plan.Full(nil, append(e.sections(), lsp(swap, 100, out("east", 200))))
	failed := d.Apply(ctx, ops)
	if len(failed) != len(ops) {
		t.Fatalf("%d of %d operations failed in a cancelled apply", len(failed), len(ops))
	}
	for _, err := range failed {
		if !err.Retry {
			t.Errorf("%v: want Retry, a cancelled operation can be tried again", err)
		}
	}
	d.holds(t)
}
