package drivertest

import (
	"context"
	"errors"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

func (s suite) operate(t *testing.T) {
	t.Run("switch", s.switches)
	t.Run("switch under traffic loses nothing", s.switchLossless)
	t.Run("switch of what is not there", s.switchNothing)
	t.Run("the active leg stays over puts", s.legStays)
	t.Run("the active leg stays over a restart", s.legAdopted)
	t.Run("switch moves the selector", s.switchSelector)
	t.Run("switch of redundant pseudowires", s.switchPair)
	t.Run("graft and prune lose nothing on other branches", s.graft)
	t.Run("a condition comes and goes", s.conditions)
}

// protected is group g with a leg over East and one over West, and an LSP in
// it.
func protected(e env) []dataplane.Object {
	return append(e.sections(), leg("w", out("east", 300)), leg("p", out("west", 400)), group("g", "w", "p"),
		lsp(swap, 100, into("g", 200)))
}

// through sends a packet into the LSP of protected and wants it on a leg.
func (s suite) through(t *testing.T, e env, leg uint8) {
	t.Helper()
	inner := ip(remoteIPv4, clientIPv4, 64)
	c := packetCase{in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 64}), inner) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{300, 5, 255}, label{200, 5, 63}), inner) }}
	if leg == 1 {
		c.out, c.want = West, func(e env) []byte { return e.toWest(stack(label{400, 5, 255}, label{200, 5, 63}), inner) }
	}
	s.exchange(t, e, c)
}

// switchTo switches and asks for the active leg.
func (d driver) switchTo(t *testing.T, group string, leg uint8) {
	t.Helper()
	if err := d.Switch(context.Background(), group, leg); err != nil {
		t.Fatalf("Switch to leg %d: %v", leg, err)
	}
	d.active(t, group, leg)
}

func (d driver) active(t *testing.T, group string, want uint8) {
	t.Helper()
	if got, err := d.ActiveLeg(group); err != nil || got != want {
		t.Fatalf("ActiveLeg of %s: got %d, %v, want %d", group, got, err, want)
	}
}

// begin starts a driver with objects; false: it has refused them by name.
func (s suite) begin(t *testing.T, objects func(env) []dataplane.Object) (driver, env, bool) {
	t.Helper()
	d := s.start(t)
	e := s.env(d)
	if !d.accepts(t, objects(e)) {
		d.close(t)
		return d, e, false
	}
	d.put(t, objects(e)...)
	return d, e, true
}

func (s suite) switches(t *testing.T) {
	d, e, ok := s.begin(t, protected)
	if !ok {
		return
	}
	defer d.close(t)
	d.active(t, "g", 0)
	for _, leg := range []uint8{1, 1, 0, 1, 0} {
		d.switchTo(t, "g", leg)
		s.through(t, e, leg)
		d.holds(t, protected(e)...)
	}
}

func (s suite) switchLossless(t *testing.T) {
	objects := func(e env) []dataplane.Object {
		return append(e.sections(), leg("w", out("east", 300)), leg("p", out("east", 400)), group("g", "w", "p"),
			lsp(swap, 100, into("g", 200)))
	}
	d, e, ok := s.begin(t, objects)
	if !ok {
		return
	}
	defer d.close(t)
	inner := ip(remoteIPv4, clientIPv4, 64)
	s.lossless(t, West, e.fromWest(stack(label{100, 0, 64}), inner), East, [][]byte{
		e.toEast(stack(label{300, 0, 255}, label{200, 0, 63}), inner),
		e.toEast(stack(label{400, 0, 255}, label{200, 0, 63}), inner),
	}, func() {
		for _, leg := range []uint8{1, 0} {
			if err := d.Switch(context.Background(), "g", leg); err != nil {
				t.Errorf("Switch: %v", err)
			}
		}
	})
}

func (s suite) switchNothing(t *testing.T) {
	d, _, ok := s.begin(t, protected)
	if !ok {
		return
	}
	defer d.close(t)
	for _, c := range []struct {
		group string
		leg   uint8
	}{{"never", 0}, {"g", 2}, {"x", 0}} {
		err := d.Switch(context.Background(), c.group, c.leg)
		oe, ok := errors.AsType[*dataplane.OpError](err)
		if !ok || oe.Key != (dataplane.Key{Kind: dataplane.KindGroup, Name: c.group}) {
			t.Errorf("Switch of %s to leg %d: got %v, want an *OpError of the group", c.group, c.leg, err)
		}
	}
	if leg, err := d.ActiveLeg("never"); err == nil {
		t.Errorf("ActiveLeg of a group that is not there: %d", leg)
	}
	d.active(t, "g", 0)
}

func (s suite) legStays(t *testing.T) {
	d, e, ok := s.begin(t, protected)
	if !ok {
		return
	}
	defer d.close(t)
	d.switchTo(t, "g", 1)
	d.put(t, protected(e)...)
	d.active(t, "g", 1)
	s.through(t, e, 1)
	changed := clients(group("g", "w", "p"), remotePrefix)
	d.put(t, changed)
	d.active(t, "g", 1)
	s.through(t, e, 1)
	one := group("g", "w")
	d.put(t, one)
	d.active(t, "g", 0)
	s.through(t, e, 0)
	again := group("g", "w", "p")
	again.Active = 1
	d.remove(t, lspKey("x"), again.Key())
	d.put(t, again, lsp(swap, 100, into("g", 200)))
	d.active(t, "g", 1)
	s.through(t, e, 1)
}

func (s suite) legAdopted(t *testing.T) {
	d, e, ok := s.begin(t, protected)
	if !ok {
		return
	}
	d.switchTo(t, "g", 1)
	d.close(t)
	s.through(t, e, 1)
	d = s.reopen(t)
	defer d.close(t)
	d.holds(t, protected(e)...)
	d.active(t, "g", 1)
	d.put(t, protected(e)...)
	d.active(t, "g", 1)
	s.through(t, e, 1)
	d.switchTo(t, "g", 0)
	s.through(t, e, 0)
}

func (s suite) switchSelector(t *testing.T) {
	objects := func(e env) []dataplane.Object {
		all := []dataplane.Object{}
		for _, o := range protected(e) {
			if g, ok := o.(dataplane.Group); ok {
				g.Permanent = true
				o = g
			}
			all = append(all, o)
		}
		return append(all,
			dataplane.LSP{Name: "r0", Op: popLookup, InLabel: 110, Selector: "g"},
			dataplane.LSP{Name: "r1", Op: popLookup, InLabel: 111, Selector: "g", SelectorLeg: 1})
	}
	d, e, ok := s.begin(t, objects)
	if !ok {
		return
	}
	defer d.close(t)
	for _, leg := range []uint8{0, 1, 0} {
		d.switchTo(t, "g", leg)
		for _, in := range []uint32{110, 111} {
			c := packetCase{in: West, send: func(e env) []byte {
				return e.fromWest(stack(label{in, 0, 20}), ip(remoteIPv4, clientIPv4, 64))
			}, out: Client}
			if in == 110+uint32(leg) {
				c.want = func(e env) []byte { return e.toClient(ip(remoteIPv4, clientIPv4, e.payload(63))) }
			}
			s.exchange(t, e, c)
		}
	}
	d.holds(t, objects(e)...)
}

func (s suite) switchPair(t *testing.T) {
	objects := func(e env) []dataplane.Object {
		return append(append(e.sections(), tunnel()...), pw(), second(),
			dataplane.Group{Name: "pair", Pseudowires: true, Legs: []string{"p", "q"}},
			served(e, func(v *dataplane.Service) { v.Send, v.SendGroup, v.Receive = "pair", true, []string{"p", "q"} }))
	}
	d, e, ok := s.begin(t, objects)
	if !ok {
		return
	}
	defer d.close(t)
	for _, leg := range []uint8{0, 1, 0} {
		d.switchTo(t, "pair", leg)
		s.exchange(t, e, packetCase{in: Customer, send: func(env) []byte { return user() }, out: East, want: func(e env) []byte {
			return e.toEast(stack(label{tunnelOut, 0, 255}, label{pOut + uint32(leg), 0, 255}), user())
		}})
	}
	d.holds(t, objects(e)...)
}

// graft adds a branch to a tree and takes it away, while packets go to another.
func (s suite) graft(t *testing.T) {
	tree := lsp(swap, 100, dataplane.NextHop{})
	tree.Branches = []dataplane.Branch{{Name: "e", NextHop: out("east", 200)}}
	grafted := tree
	grafted.Branches = append(grafted.Branches[:1:1], dataplane.Branch{Name: "w", NextHop: out("west", 300)})
	d, e, ok := s.begin(t, with(tree))
	if !ok {
		return
	}
	defer d.close(t)
	inner := ip(remoteIPv4, clientIPv4, 64)
	s.lossless(t, West, e.fromWest(stack(label{100, 0, 64}), inner), East,
		[][]byte{e.toEast(stack(label{200, 0, 63}), inner)}, d.flip(t, grafted, tree))
	d.holds(t, with(tree)(e)...)
	s.swapped(t, e, 100, 200)
	d.put(t, grafted)
	d.holds(t, with(grafted)(e)...)
	s.exchange(t, e, packetCase{in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 0, 64}), inner) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{200, 0, 63}), inner) },
		also: func(e env) []copied { return []copied{{West, e.toWest(stack(label{300, 0, 63}), inner)}} }})
}

// conditions puts conditions on an LSP and a pseudowire and takes them off.
func (s suite) conditions(t *testing.T) {
	x := lsp(swap, 100, out("east", 200))
	back := dataplane.LSP{Name: "back", Op: swap, InLabel: 110, Out: out("west", 210)}
	blocked, looped := x, x
	blocked.Blocked, looped.Loop = true, "back"
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	d.put(t, append(e.sections(), x, back)...)
	inner := ip(remoteIPv4, clientIPv4, 64)
	for _, state := range []dataplane.LSP{blocked, x, looped, blocked, looped, x} {
		if !d.has(needsOf([]dataplane.Object{state})...) {
			if err := d.Prepare(context.Background(), plan.Full(nil, []dataplane.Object{state})); err == nil {
				t.Errorf("Prepare takes %v", state)
			}
			continue
		}
		d.put(t, state)
		d.holds(t, append(e.sections(), state, back)...)
		switch {
		case state.Blocked:
			s.swapped(t, e, 100, 0)
		case state.Loop != "":
			s.exchange(t, e, packetCase{in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 0, 64}), inner) },
				out: West, want: func(e env) []byte { return e.toWest(stack(label{210, 0, 63}), inner) }})
		default:
			s.swapped(t, e, 100, 200)
		}
	}
}
