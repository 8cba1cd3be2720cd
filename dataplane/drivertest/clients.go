package drivertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// clients is the life of groups, pseudowires and services.
func (s suite) clients(t *testing.T) {
	t.Run("one section, one service", s.oneSection)
	t.Run("sequence numbers", s.sequence)
	t.Run("bandwidth profile", s.police)
	t.Run("what a pseudowire carries changes under its service", s.retype)
	t.Run("counters of everything", s.countEverything)
	t.Run("counters of what ends on the way out", s.accounting)
	t.Run("counters stay over puts", s.countersStay)
	t.Run("change of a pseudowire loses nothing", s.changeLossless)
	t.Run("change of every part", s.changeClients)
	t.Run("claims move", s.claimsMove)
	t.Run("what is missing is named", s.missing)
	t.Run("adoption of everything", s.adoptEverything)
	t.Run("stale objects of every kind are swept", s.sweepEverything)
	t.Run("a client's interface goes and comes back", s.vanishCustomer)
	t.Run("a link flaps below a tunnel", s.flapTunnel)
}

// oneSection opens a driver on next to nothing: what comes later must not be
// what makes the first section work.
func (s suite) oneSection(t *testing.T) {
	d, e, ok := s.begin(t, func(e env) []dataplane.Object {
		return append(append(e.sections()[1:], tunnel()...), pw(), served(e))
	})
	if !ok {
		return
	}
	defer d.close(t)
	s.exchange(t, e, packetCase{in: Customer, send: func(env) []byte { return user() }, out: East, want: func(e env) []byte { return e.pwOut(0, user()) }})
	s.exchange(t, e, packetCase{in: East, send: func(e env) []byte { return e.pwIn(user()) }, out: Customer, want: func(env) []byte { return user() }})
}

// sequence sends numbered frames both ways (RFC 4385 section 4).
func (s suite) sequence(t *testing.T) {
	d, e, ok := s.begin(t, service(pw(sequencing)))
	if !ok {
		return
	}
	defer d.close(t)
	for n := uint16(1); n < 5; n++ {
		s.exchange(t, e, packetCase{in: Customer, send: func(env) []byte { return user() },
			out: East, want: func(e env) []byte { return e.pwOut(0, word(n), user()) }})
	}
	for _, c := range []struct {
		n      uint16
		passes bool
	}{
		{1, true}, {2, true}, {2, false}, {4, true}, {3, false}, {0, true}, {5, true},
		{32700, true}, {65000, true}, {32700, false}, {65535, true}, {0, true}, {1, true}, {65535, false}, {2, true},
	} {
		x := packetCase{in: East, send: func(e env) []byte { return e.pwIn(word(c.n), user()) }, out: Customer}
		if c.passes {
			x.want = func(env) []byte { return user() }
		}
		s.exchange(t, e, x)
	}
	s.resync(t, d, e)
	// The numbers go on over a change of something else.
	d.put(t, pw(sequencing, func(p *dataplane.Pseudowire) { p.MTU = 400 }))
	s.exchange(t, e, packetCase{in: Customer, send: func(env) []byte { return user() },
		out: East, want: func(e env) []byte { return e.pwOut(0, word(5), user()) }})
}

// resync has the peer begin anew: the last of sixteen frames that are behind, one
// after the other, is the first of the new numbering. A frame in order, or one
// that is behind them too, starts the count again. 3 is expected.
func (s suite) resync(t *testing.T, d driver, e env) {
	t.Helper()
	before := d.drops(t)
	send := func(n uint16, passes bool) {
		t.Helper()
		x := packetCase{in: East, send: func(e env) []byte { return e.pwIn(word(n), user()) }, out: Customer}
		if passes {
			x.want = func(env) []byte { return user() }
		}
		s.exchange(t, e, x)
	}
	send(30000, true)
	for n := range uint16(15) {
		send(1+n, false)
	}
	send(30001, true)
	for n := range uint16(15) {
		send(10+2*n, false)
	}
	send(5, false)
	for n := range uint16(14) {
		send(6+n, false)
	}
	send(20, true)
	send(21, true)
	send(20, false)
	after := d.drops(t)
	if n := after["noted-resynchronized"] - before["noted-resynchronized"]; after != nil && n != 1 {
		t.Errorf("%d times resynchronized, want 1", n)
	}
	if n := after["sequence"] - before["sequence"]; after != nil && n != 15+15+15+1 {
		t.Errorf("%d frames counted under sequence, want 46", n)
	}
}

// police uses up both buckets at rates so low that nothing flows in meanwhile
// that would count (RFC 4115).
func (s suite) police(t *testing.T) {
	n := uint64(len(user()))
	profiled := func(v *dataplane.Service) {
		v.Profile = &dataplane.Profile{CIR: 8, CBS: 2*n + n/2, EIR: 8, EBS: n + n/2}
	}
	coloured := func(v *dataplane.Service) {
		profiled(v)
		v.Classes = &dataplane.ClassMap{Green: [8]uint8{5}, Yellow: [8]uint8{2}}
	}
	objects := service(pw(), profiled)
	green, yellow := uint8(0), uint8(0)
	probe := s.start(t)
	if probe.has(needsOf(service(pw(), coloured)(s.env(probe)))...) {
		objects, green, yellow = service(pw(), coloured), 5, 2
	}
	probe.close(t)
	d, e, ok := s.begin(t, objects)
	if !ok {
		return
	}
	defer d.close(t)
	before := d.drops(t)
	for _, tc := range []int{int(green), int(green), int(yellow), -1, -1} {
		c := packetCase{in: Customer, send: func(env) []byte { return user() }, out: East}
		if tc >= 0 {
			c.want = func(e env) []byte { return e.pwOut(uint8(tc), user()) }
		}
		s.exchange(t, e, c)
	}
	// What is left in the buckets is enough for a shorter frame.
	s.exchange(t, e, packetCase{in: Customer, send: func(env) []byte { return userOf(10) },
		out: East, want: func(e env) []byte { return e.pwOut(green, userOf(10)) }})
	if after := d.drops(t); after != nil && after["policed"]-before["policed"] != 2 {
		t.Errorf("%d frames counted under policed, want 2", after["policed"]-before["policed"])
	}
	v := objects(e)[len(objects(e))-1].(dataplane.Service)
	if got := d.count(t, []dataplane.Key{v.Key()})[0]; d.has(dataplane.FeaturePWCounters) {
		want := [3]dataplane.Counter{{Packets: 3, Octets: 2*n + uint64(len(userOf(10)))}, times(1, n), times(2, n)}
		if got.Colours != want || got.InDrops != 2 {
			t.Errorf("counters of the service: colours %v, %d drops, want %v, 2", got.Colours, got.InDrops, want)
		}
	}
}

// objectsOf joins the parts of an element that the driver can have all of.
func (d driver) objectsOf(e env, parts ...[]dataplane.Object) []dataplane.Object {
	all := e.sections()
	for _, p := range parts {
		if d.has(needsOf(p)...) {
			all = append(all, p...)
		}
	}
	return all
}

// everything is an element with one of each kind, part by part.
func (d driver) everything(e env) []dataplane.Object {
	qinq := served(e, func(v *dataplane.Service) { v.Name, v.Send, v.Receive = "s2", "q", []string{"q"} },
		on(func(a *dataplane.Attachment) {
			a.Interface, a.OuterVLAN, a.InnerVLAN, a.NNI, a.Operation = e.customer2.Name, 10, 20, true, dataplane.PopTags
		}))
	third := served(e, func(v *dataplane.Service) {
		v.Name, v.Send, v.SendGroup, v.Receive = "s3", "pair", true, []string{"a", "b"}
	},
		on(func(a *dataplane.Attachment) { a.Interface, a.OuterVLAN = e.customer2.Name, 30 }))
	wire := func(name string, n uint32, change ...func(*dataplane.Pseudowire)) dataplane.Pseudowire {
		return pw(append(change, func(p *dataplane.Pseudowire) { p.Name, p.InLabel, p.Out = name, 500+n, into("t", 600+n) })...)
	}
	tree := dataplane.LSP{Name: "tree", Op: swap, InLabel: 120, Bud: true, Branches: []dataplane.Branch{
		{Name: "e", NextHop: out("east", 220)}, {Name: "w", NextHop: into("t", 221)},
	}}
	selecting := dataplane.LSP{Name: "sel", Op: popLookup, InLabel: 121, Selector: "t", SelectorLeg: 1}
	class := uint8(3)
	llsp := dataplane.LSP{Name: "llsp", Op: swap, InLabel: 122, Out: out("east", 222), Class: &class}
	entropy := imposing(out("east", 223), "203.0.113.0/24")
	entropy.Name, entropy.EntropyLabel = "entropy", true
	blocked := dataplane.LSP{Name: "blocked", Op: swap, InLabel: 124, Out: out("east", 224)}
	blocked.Blocked = true
	looped := dataplane.LSP{Name: "looped", Op: swap, InLabel: 125, Out: out("east", 225)}
	looped.Loop = "x"
	layer3 := wire("l3", 7, func(p *dataplane.Pseudowire) { p.Type, p.EncapsulationLabel = dataplane.NetworkLayer, true })
	l3service := served(e, func(v *dataplane.Service) { v.Name, v.Send, v.Receive = "s4", "l3", []string{"l3"} },
		on(func(a *dataplane.Attachment) {
			a.Interface, a.OuterVLAN, a.PeerMAC = e.customer2.Name, 40, e.customer2.Peer
		}))
	tunnels := []dataplane.Object{
		leg("t-out", out("east", tunnelOut)), leg("t-spare", out("west", 330)), clients(group("t", "t-out", "t-spare"), remotePrefix),
		dataplane.LSP{Name: "t-in", Op: popLookup, InLabel: tunnelIn},
	}
	x := lsp(swap, 100, out("east", 200))
	base := []dataplane.Object{x}
	joined := func(more ...dataplane.Object) []dataplane.Object { return append(slices.Clone(tunnels), more...) }
	all := d.objectsOf(e, base, tunnels)
	for _, part := range [][]dataplane.Object{
		joined(pw(controlWord), served(e)), joined(second(controlWord), qinq), joined(wire("a", 3), wire("b", 4),
			dataplane.Group{Name: "pair", Pseudowires: true, Legs: []string{"a", "b"}}, third),
		joined(wire("m", 5), wire("n", 6), dataplane.SwitchingPoint{Name: "sp", Segments: [2]string{"m", "n"}}),
		joined(tree), joined(selecting), {llsp}, {entropy}, {blocked}, {x, looped}, joined(layer3, l3service),
	} {
		if d.has(needsOf(part)...) {
			for _, o := range part {
				if !slices.ContainsFunc(all, func(p dataplane.Object) bool { return p.Key() == o.Key() }) {
					all = append(all, o)
				}
			}
		}
	}
	return all
}

// works sends a frame through everything that the driver has of everything.
func (s suite) works(t *testing.T, d driver, e env) {
	t.Helper()
	s.swapped(t, e, 100, 200)
	if d.has(needsOf(service(pw(controlWord))(e))...) {
		s.exchange(t, e, packetCase{in: Customer, send: func(env) []byte { return user() },
			out: East, want: func(e env) []byte { return e.pwOut(0, word(0), user()) }})
		s.exchange(t, e, packetCase{in: East, send: func(e env) []byte { return e.pwIn(word(0), user()) },
			out: Customer, want: func(env) []byte { return user() }})
	}
}

func (s suite) adoptEverything(t *testing.T) {
	d := s.start(t)
	e := s.env(d)
	objects := d.everything(e)
	d.put(t, objects...)
	d.holds(t, objects...)
	s.works(t, d, e)
	d.close(t)
	s.works(t, d, e)
	d = s.reopen(t)
	defer d.close(t)
	d.holds(t, objects...)
	s.works(t, d, e)
	d.put(t, objects...)
	d.holds(t, objects...)
	s.works(t, d, e)
}

func (s suite) sweepEverything(t *testing.T) {
	d := s.start(t)
	e := s.env(d)
	objects := d.everything(e)
	d.put(t, objects...)
	d.close(t)
	d = s.reopen(t)
	defer d.close(t)
	keep := append(e.sections(), lsp(swap, 100, out("east", 200)))
	ops := plan.Full(d.dump(t, keep...), keep)
	for _, op := range ops {
		if op.Verb != dataplane.Delete || !strings.HasPrefix(op.Key.Name, "?") {
			// What loops into an LSP that stays has nothing wrong with it but
			// that nobody wants it.
			t.Errorf("plan has %s %s, want the delete of something whose name starts with ?", op.Verb, op.Key)
		}
	}
	for _, err := range d.apply(ops) {
		t.Errorf("Apply: %v", err)
	}
	d.holds(t, keep...)
	s.swapped(t, e, 100, 200)
	s.exchange(t, e, packetCase{in: Customer, send: func(env) []byte { return user() }})
	s.exchange(t, e, packetCase{in: East, send: func(e env) []byte { return e.pwIn(word(0), user()) }})
	// Everything can be had again.
	d.put(t, objects...)
	d.holds(t, objects...)
	s.works(t, d, e)
}

// countEverything compares the counters of group, leg, pseudowire, service and
// switching point with what was sent.
func (s suite) countEverything(t *testing.T) {
	objects := service(pw(controlWord, func(p *dataplane.Pseudowire) { p.MTU = 400 }))
	d, e, ok := s.begin(t, objects)
	if !ok {
		return
	}
	defer d.close(t)
	g, out, in := dataplane.Key{Kind: dataplane.KindGroup, Name: "t"}, lspKey("t-out"), lspKey("t-in")
	p, v := pw().Key(), served(e).Key()
	keys := []dataplane.Key{p, v, out, in, g}
	const packets = 4
	for range packets {
		s.exchange(t, e, packetCase{in: Customer, send: func(env) []byte { return user() },
			out: East, want: func(e env) []byte { return e.pwOut(0, word(0), user()) }})
		s.exchange(t, e, packetCase{in: East, send: func(e env) []byte { return e.pwIn(word(0), user()) },
			out: Customer, want: func(env) []byte { return user() }})
	}
	// Dropped: too long from the client, a wrong control word to it.
	s.exchange(t, e, packetCase{in: Customer, send: func(env) []byte { return userOf(401) }})
	s.exchange(t, e, packetCase{in: East, send: func(e env) []byte { return e.pwIn([]byte{0x50, 0, 0, 0}, user()) }})
	n := uint64(len(user()))
	want := []dataplane.Counters{
		{In: times(packets, n), Out: times(packets, n), InDrops: 1, OutDrops: 1},
		{In: dataplane.Counter{Packets: packets + 1, Octets: packets*n + uint64(len(userOf(401)))}, Out: times(packets, n)},
		{In: times(packets, 4+4+n), Out: times(packets, 4+4+4+n)},
		{In: times(packets+1, 4+4+4+n)},
		{In: times(packets, 4+4+n)},
	}
	got := d.count(t, keys)
	for i, k := range keys {
		pseudo := k.Kind == dataplane.KindPseudowire || k.Kind == dataplane.KindService
		if pseudo && !d.has(dataplane.FeaturePWCounters) || !pseudo && !d.has(dataplane.FeatureLSPCounters) {
			want[i] = dataplane.Counters{}
		}
		got[i].Since = want[i].Since
		if k == g {
			got[i].Out = dataplane.Counter{} // The legs tell.
		}
		if got[i] != want[i] {
			t.Errorf("counters of %s: got %+v, want %+v", k, got[i], want[i])
		}
	}
}

// countersStay changes everything under its counters.
func (s suite) countersStay(t *testing.T) {
	d, e, ok := s.begin(t, service(pw(controlWord)))
	if !ok {
		return
	}
	defer d.close(t)
	send := func() {
		s.exchange(t, e, packetCase{in: Customer, send: func(env) []byte { return user() },
			out: East, want: func(e env) []byte { return e.pwOut(0, word(0), user()) }})
	}
	send()
	keys := []dataplane.Key{pw().Key(), served(e).Key(), lspKey("t-out"), {Kind: dataplane.KindGroup, Name: "t"}, sectionKey("east")}
	before := d.count(t, keys)
	changed := []dataplane.Object{
		pw(controlWord, func(p *dataplane.Pseudowire) { p.MTU = 900; p.InLabel = 599 }),
		leg("t-out", dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: tunnelOut, TTL: 9}}}),
		clients(group("t", "t-out"), remotePrefix),
		dataplane.Section{Name: "east", Interface: e.east.Name, PeerMAC: dataplane.MAC{2, 0, 0, 0, 0xee, 1}},
	}
	d.put(t, changed...)
	d.put(t, service(pw(controlWord))(e)...)
	for i, c := range d.count(t, keys) {
		if c.In != before[i].In || c.Out != before[i].Out || c.Since != before[i].Since {
			t.Errorf("counters of %s over puts: before %+v, after %+v", keys[i], before[i], c)
		}
	}
	send()
	for i, c := range d.count(t, keys) {
		if b := before[i]; b.Out.Packets != 0 && c.Out.Packets != b.Out.Packets+1 || b.In.Packets != 0 && c.In.Packets != b.In.Packets+1 {
			t.Errorf("counters of %s do not go on: before %+v, after %+v", keys[i], b, c)
		}
	}
}

func (s suite) changeLossless(t *testing.T) {
	d, e, ok := s.begin(t, service(pw()))
	if !ok {
		return
	}
	defer d.close(t)
	other := pw(func(p *dataplane.Pseudowire) { p.Out = into("t", 699) })
	s.lossless(t, Customer, user(), East, [][]byte{
		e.pwOut(0, user()),
		e.toEast(stack(label{tunnelOut, 0, 255}, label{699, 0, 255}), user()),
	}, d.flip(t, other, served(e), pw(), group("t", "t-out")))
	s.lossless(t, East, e.pwIn(user()), Customer, [][]byte{user()}, d.flip(t, other, served(e), pw(), group("t", "t-out")))
}

// changeClients puts one name with one state after another; each must look like
// the first of its name.
func (s suite) changeClients(t *testing.T) {
	d, e, ok := s.begin(t, func(e env) []dataplane.Object {
		return append(append(e.sections(), tunnel()...), leg("u-out", out("west", 340)), group("u", "u-out"))
	})
	if !ok {
		return
	}
	defer d.close(t)
	if !d.has(dataplane.FeatureEthernetPW) {
		return
	}
	base := append(append(e.sections(), tunnel()...), leg("u-out", out("west", 340)), group("u", "u-out"))
	states := [][]dataplane.Object{
		{pw(), served(e)},
		{pw(controlWord), served(e)},
		{pw(sequencing), served(e, func(v *dataplane.Service) { v.Down = true })},
		{pw(taggedMode), served(e, on(func(a *dataplane.Attachment) { a.OuterVLAN = 10 }))},
		{pw(pwDown), served(e, on(func(a *dataplane.Attachment) { a.OuterVLAN, a.InnerVLAN, a.NNI = 10, 20, true }))},
		{pw(func(p *dataplane.Pseudowire) { p.MTU = 9000 }), served(e, on(func(a *dataplane.Attachment) { a.Interface = e.customer2.Name }))},
		{pw(func(p *dataplane.Pseudowire) { p.InLabel = 777 }), served(e, on(func(a *dataplane.Attachment) { a.Operation, a.VLAN = dataplane.PushTag, 5 }))},
		{pw(func(p *dataplane.Pseudowire) { p.Out = into("u", 888) }), served(e, func(v *dataplane.Service) { v.Profile = &dataplane.Profile{CIR: 1e6, CBS: 10000} })},
		{pw(func(p *dataplane.Pseudowire) { p.Out = out("east", 888) }), served(e, func(v *dataplane.Service) { v.Classes = &dataplane.ClassMap{Green: [8]uint8{7}} })},
	}
	states = slices.DeleteFunc(states, func(o []dataplane.Object) bool { return !d.has(needsOf(o)...) })
	for i, to := range states {
		for j, from := range states {
			if i != j {
				d.put(t, from...)
				d.put(t, to...)
				d.holds(t, append(slices.Clone(base), to...)...)
			}
		}
	}
}

// claimsMove gives labels, circuits and prefixes to another object before the
// one that has them is deleted, as plans do.
func (s suite) claimsMove(t *testing.T) {
	d, e, ok := s.begin(t, service(pw()))
	if !ok {
		return
	}
	defer d.close(t)
	base := append(e.sections(), tunnel()...)
	move := func(from, to []dataplane.Object) {
		t.Helper()
		for _, err := range d.apply(plan.Full(from, to)) {
			t.Fatalf("Apply: %v", err)
		}
		d.holds(t, append(slices.Clone(base), to...)...)
	}
	first := []dataplane.Object{pw(), served(e)}
	taken := lsp(swap, pIn, out("east", 200))
	move(first, []dataplane.Object{taken})
	s.swapped(t, e, pIn, 200)
	move([]dataplane.Object{taken}, first)
	s.exchange(t, e, packetCase{in: East, send: func(e env) []byte { return e.pwIn(user()) }, out: Customer, want: func(env) []byte { return user() }})
	other := []dataplane.Object{second(), served(e, func(v *dataplane.Service) { v.Name, v.Send, v.Receive = "r", "q", []string{"q"} })}
	move(first, other)
	s.exchange(t, e, packetCase{in: Customer, send: func(env) []byte { return user() }, out: East, want: func(e env) []byte {
		return e.toEast(stack(label{tunnelOut, 0, 255}, label{qOut, 0, 255}), user())
	}})
	ipInLSP := imposing(out("east", 200), remotePrefix)
	move(other, []dataplane.Object{ipInLSP})
	work := leg("w", out("east", 201))
	inGroup := []dataplane.Object{work, clients(group("g", "w"), remotePrefix)}
	move([]dataplane.Object{ipInLSP}, inGroup)
	s.exchange(t, e, packetCase{in: Client, send: func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 64)) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{201, 0, 255}), ip(clientIPv4, remoteIPv4, 63)) }})
	move(inGroup, []dataplane.Object{ipInLSP})
	s.exchange(t, e, packetCase{in: Client, send: func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 64)) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{200, 0, 255}), ip(clientIPv4, remoteIPv4, 63)) }})
}

// missing puts objects without what they refer to.
func (s suite) missing(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	d.put(t, e.sections()...)
	for _, c := range []struct {
		object dataplane.Object
		names  string
	}{
		{lsp(swap, 100, into("g", 200)), "g"},
		{group("g", "absent"), "absent"},
		{pw(), "t"},
		{served(e), "p"},
		{dataplane.SwitchingPoint{Name: "s", Segments: [2]string{"left", "right"}}, "left"},
		{dataplane.LSP{Name: "x", Op: swap, InLabel: 100, Branches: []dataplane.Branch{{Name: "b", NextHop: out("gone", 200)}}}, "gone"},
	} {
		if !d.has(needsOf([]dataplane.Object{c.object})...) {
			continue
		}
		failed := d.apply(plan.Full(nil, []dataplane.Object{c.object}))
		if len(failed) != 1 || failed[0].Key != c.object.Key() || failed[0].Retry || !strings.Contains(failed[0].Reason, c.names) {
			t.Errorf("Apply of %v: got %v, want one error without Retry that names %s", c.object, failed, c.names)
		}
	}
	d.holds(t, e.sections()...)
	if all := service(pw())(e); d.has(needsOf(all)...) {
		d.put(t, all...)
		d.holds(t, all...)
	}
}

// vanishCustomer deletes the interface of an attachment circuit and makes it
// anew.
func (s suite) vanishCustomer(t *testing.T) {
	d, e, ok := s.begin(t, service(pw()))
	if !ok {
		return
	}
	defer d.close(t)
	s.lab.RemovePort(t, Customer)
	d.wait(t, dataplane.LinkChanged, e.customer.Name)
	failed := d.apply(plan.Full(nil, []dataplane.Object{served(e)}))
	if len(failed) != 1 || failed[0].Retry || !strings.Contains(failed[0].Reason, e.customer.Name) {
		t.Errorf("service on an interface that is gone: got %v, want an error without Retry that names it", failed)
	}
	s.exchange(t, e, packetCase{in: East, send: func(e env) []byte { return e.pwIn(user()) }})
	s.lab.AddPort(t, Customer)
	d.wait(t, dataplane.LinkChanged, e.customer.Name)
	d.put(t, served(e))
	d.holds(t, service(pw())(e)...)
	s.exchange(t, e, packetCase{in: Customer, send: func(env) []byte { return user() }, out: East, want: func(e env) []byte { return e.pwOut(0, user()) }})
	s.exchange(t, e, packetCase{in: East, send: func(e env) []byte { return e.pwIn(user()) }, out: Customer, want: func(env) []byte { return user() }})
}

// flapTunnel takes East down and up; one Put of the section must be enough for
// what is in the tunnel.
func (s suite) flapTunnel(t *testing.T) {
	d, e, ok := s.begin(t, service(pw()))
	if !ok {
		return
	}
	defer d.close(t)
	s.lab.SetPort(t, East, false)
	d.wait(t, dataplane.LinkDown, e.east.Name)
	s.lab.SetPort(t, East, true)
	d.wait(t, dataplane.LinkUp, e.east.Name)
	d.put(t, e.sections()[1])
	d.holds(t, service(pw())(e)...)
	for i := range 2 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			s.exchange(t, e, packetCase{in: Customer, send: func(env) []byte { return user() }, out: East, want: func(e env) []byte { return e.pwOut(0, user()) }})
			s.exchange(t, e, packetCase{in: East, send: func(e env) []byte { return e.pwIn(user()) }, out: Customer, want: func(env) []byte { return user() }})
		})
	}
}
