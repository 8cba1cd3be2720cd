package drivertest

import (
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
)

// account is what a packet has done to the counters of an object.
type account struct {
	key               dataplane.Key
	in, out           uint64 // Packets.
	inDrops, outDrops uint64
}

// accounting compares who counts a packet that ends behind groups in groups, and
// one that is copied: see dataplane.Counters.
func (s suite) accounting(t *testing.T) {
	legKey := func(n string) account { return account{key: lspKey(n)} }
	groupAt := func(n string) account { return account{key: dataplane.Key{Kind: dataplane.KindGroup, Name: n}} }
	in := func(a account) account { a.in++; return a }
	sent := func(a account) account { a.out++; return in(a) }
	lost := func(a account) account { a.outDrops++; return in(a) }
	ended := func(a account) account { a.inDrops++; return in(a) }
	east := account{key: sectionKey("east"), outDrops: 1}
	x, w1, w2, w3 := legKey("x"), legKey("w1"), legKey("w2"), legKey("w3")
	g1, g2, g3 := groupAt("g1"), groupAt("g2"), groupAt("g3")
	// x enters g3, whose leg w3 enters g2, whose leg w2 enters g1, whose leg w1
	// leaves by East.
	nested := func(change func([]dataplane.Object)) func(env) []dataplane.Object {
		return func(e env) []dataplane.Object {
			all := append(e.sections(),
				leg("w1", out("east", 301)), group("g1", "w1"), leg("w2", into("g1", 302)), group("g2", "w2"),
				leg("w3", into("g2", 303)), group("g3", "w3"), lsp(swap, 100, into("g3", 200)))
			change(all)
			return all
		}
	}
	const eastAt, w1At, g1At, w2At = 1, 2, 3, 4
	nothing := func([]dataplane.Object) {}
	section := func(f func(*dataplane.Section)) func([]dataplane.Object) {
		return func(o []dataplane.Object) { v := o[eastAt].(dataplane.Section); f(&v); o[eastAt] = v }
	}
	atLSP := func(i int, f func(*dataplane.LSP)) func([]dataplane.Object) {
		return func(o []dataplane.Object) { v := o[i].(dataplane.LSP); f(&v); o[i] = v }
	}
	atGroup := func(i int, f func(*dataplane.Group)) func([]dataplane.Object) {
		return func(o []dataplane.Object) { v := o[i].(dataplane.Group); f(&v); o[i] = v }
	}
	tree := dataplane.LSP{Name: "w1", Op: dataplane.ImposeAndForward, Branches: []dataplane.Branch{
		{Name: "e", NextHop: out("east", 301)}, {Name: "w", NextHop: out("west", 311)}}}
	short, long := ip(remoteIPv4, clientIPv4, 64), make([]byte, 1490)
	long[0] = 0x45
	atEnd := []account{lost(x), lost(w3), lost(w2), lost(w1), in(g3), in(g2), in(g1), east}
	for _, c := range []struct {
		name    string
		objects func(env) []dataplane.Object
		payload []byte
		want    []account
		copies  int
	}{
		{"too long for the section", nested(nothing), long, atEnd, 0},
		{"section down", nested(section(func(v *dataplane.Section) { v.Down = true })), short, atEnd, 0},
		{"section blocked", nested(section(func(v *dataplane.Section) { v.Blocked = true })), short, atEnd, 0},
		{"the outermost leg down", nested(atLSP(w1At, func(l *dataplane.LSP) { l.Down = true })), short,
			[]account{lost(x), lost(w3), lost(w2), ended(w1), in(g3), in(g2), in(g1)}, 0},
		{"the outermost leg blocked", nested(atLSP(w1At, func(l *dataplane.LSP) { l.Blocked = true })), short,
			[]account{lost(x), lost(w3), lost(w2), ended(w1), in(g3), in(g2), in(g1)}, 0},
		{"the outermost group down", nested(atGroup(g1At, func(g *dataplane.Group) { g.Down = true })), short,
			[]account{lost(x), lost(w3), lost(w2), w1, in(g3), in(g2), ended(g1)}, 0},
		{"a leg in the middle down", nested(atLSP(w2At, func(l *dataplane.LSP) { l.Down = true })), short,
			[]account{lost(x), lost(w3), ended(w2), w1, in(g3), in(g2), g1}, 0},
		{"the outermost leg a tree, one branch down",
			nested(func(o []dataplane.Object) {
				o[w1At] = tree
				section(func(v *dataplane.Section) { v.Down = true })(o)
			}), short,
			[]account{sent(x), sent(w3), sent(w2), {key: w1.key, in: 1, out: 1, outDrops: 1}, in(g3), in(g2), in(g1), east}, 1},
		{"the outermost group a permanent bridge, one leg down",
			func(e env) []dataplane.Object {
				all := append(nested(atLSP(w1At, func(l *dataplane.LSP) { l.Down = true }))(e), leg("p1", out("west", 311)))
				atGroup(g1At, func(g *dataplane.Group) { g.Legs, g.Permanent = []string{"w1", "p1"}, true })(all)
				return all
			}, short,
			[]account{sent(x), sent(w3), sent(w2), ended(w1), sent(legKey("p1")), in(g3), in(g2), in(g1)}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, e, ok := s.begin(t, c.objects)
			if !ok {
				return
			}
			defer d.close(t)
			if !d.has(dataplane.FeatureLSPCounters, dataplane.FeatureSectionCounters, dataplane.FeatureOutDrops) {
				return
			}
			keys := make([]dataplane.Key, len(c.want))
			for i, a := range c.want {
				keys[i] = a.key
			}
			before := d.count(t, keys)
			s.drain(t)
			s.lab.Send(t, West, e.fromWest(stack(label{100, 0, 64}), c.payload))
			for range c.copies {
				if s.next(t, West, patience) == nil {
					t.Fatal("the copy is lost")
				}
			}
			s.quiet(t)
			for i, n := range d.count(t, keys) {
				b := before[i]
				got := account{keys[i], n.In.Packets - b.In.Packets, n.Out.Packets - b.Out.Packets, n.InDrops - b.InDrops, n.OutDrops - b.OutDrops}
				if keys[i].Kind == dataplane.KindGroup {
					got.out = 0 // The legs tell.
				}
				if got != c.want[i] {
					t.Errorf("%s: got %+v, want %+v", keys[i], got, c.want[i])
				}
			}
		})
	}
}
