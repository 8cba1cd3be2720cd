package plan_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
)

// builder makes a consistent state of all kinds of objects. The same names mean
// different things from state to state, so that plans lead through everything.
type builder struct {
	r        *rand.Rand
	objects  []dataplane.Object
	sections []string
	groups   []string // Of LSPs, those that may be entered so far.
	free     map[string][]int
}

// randomState returns a consistent set of objects.
func randomState(r *rand.Rand) []dataplane.Object {
	b := &builder{r: r, free: map[string][]int{}}
	for _, what := range []string{"lsp", "group", "pseudowire", "label", "out", "prefix", "pwgroup"} {
		b.free[what] = r.Perm(30)
	}
	for i := range 4 {
		if r.IntN(4) > 0 {
			s := section(fmt.Sprintf("s%d", i), fmt.Sprintf("eth%d", i+r.IntN(2)*4))
			s.Down = r.IntN(4) == 0
			b.sections = append(b.sections, s.Name)
			b.add(s)
		}
	}
	if len(b.sections) == 0 {
		return b.objects
	}
	for range r.IntN(5) {
		b.tunnel()
	}
	for range r.IntN(8) {
		b.lsp()
	}
	for i := range r.IntN(4) {
		b.service(i)
	}
	return b.objects
}

func (b *builder) add(o dataplane.Object) { b.objects = append(b.objects, o) }

// take takes an unused number.
func (b *builder) take(what string) int {
	n := b.free[what][0]
	b.free[what] = b.free[what][1:]
	return n
}

func (b *builder) out() uint32 { return uint32(100 + b.take("out")) }

// hop leads over a section or into a tunnel.
func (b *builder) hop() dataplane.NextHop {
	h := dataplane.NextHop{Stack: []dataplane.LabelEntry{{Label: b.out()}}}
	if len(b.groups) > 0 && b.r.IntN(2) == 0 {
		h.Group = b.groups[b.r.IntN(len(b.groups))]
	} else {
		h.Section = b.sections[b.r.IntN(len(b.sections))]
	}
	return h
}

// tunnel makes a group with its legs, which may enter tunnels made before.
func (b *builder) tunnel() {
	g := dataplane.Group{Name: fmt.Sprintf("g%d", b.take("group")%6)}
	if slices.Contains(b.groups, g.Name) {
		return
	}
	for range 1 + b.r.IntN(2) {
		l := dataplane.LSP{Name: fmt.Sprintf("l%d", b.take("lsp")), Op: dataplane.ImposeAndForward, Out: b.hop()}
		g.Legs = append(g.Legs, l.Name)
		b.add(l)
	}
	if b.r.IntN(2) == 0 {
		g.Prefixes = []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.0.%d.0/24", b.take("prefix")))}
	}
	b.add(g)
	b.groups = append(b.groups, g.Name)
}

func (b *builder) lsp() {
	l := dataplane.LSP{Name: fmt.Sprintf("l%d", b.take("lsp")), Op: dataplane.SwapAndForward, InLabel: uint32(16 + b.take("label"))}
	switch b.r.IntN(4) {
	case 0:
		l.Op, l.InLabel, l.Out = dataplane.ImposeAndForward, 0, b.hop()
		l.Prefixes = []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.0.%d.0/24", b.take("prefix")))}
	case 1:
		for i := range 1 + b.r.IntN(2) {
			l.Branches = append(l.Branches, dataplane.Branch{Name: fmt.Sprint(i), NextHop: b.hop()})
		}
	default:
		l.Out = b.hop()
	}
	b.add(l)
}

func (b *builder) pseudowire() string {
	p := dataplane.Pseudowire{Name: fmt.Sprintf("p%d", b.take("pseudowire")), InLabel: uint32(16 + b.take("label")), Out: b.hop()}
	b.add(p)
	return p.Name
}

func (b *builder) service(i int) {
	v := dataplane.Service{Name: fmt.Sprintf("v%d", i), Attachment: dataplane.Attachment{Interface: fmt.Sprintf("ac%d", b.r.IntN(2)), OuterVLAN: uint16(1 + i)}}
	switch b.r.IntN(3) {
	case 0:
		v.Send = b.pseudowire()
		v.Receive = []string{v.Send}
	case 1:
		g := dataplane.Group{Name: fmt.Sprintf("pw%d", b.take("pwgroup")%3), Pseudowires: true, Legs: []string{b.pseudowire(), b.pseudowire()}}
		for _, o := range b.objects {
			if o.Key() == g.Key() {
				return
			}
		}
		v.Send, v.SendGroup, v.Receive = g.Name, true, g.Legs
		b.add(g)
	default:
		b.add(dataplane.SwitchingPoint{Name: v.Name, Segments: [2]string{b.pseudowire(), b.pseudowire()}})
		return
	}
	b.add(v)
}

func find(objects []dataplane.Object) func(dataplane.Key) dataplane.Object {
	m := map[dataplane.Key]dataplane.Object{}
	for _, o := range objects {
		m[o.Key()] = o
	}
	return func(k dataplane.Key) dataplane.Object { return m[k] }
}

// needs lists what an object refers to, worked out apart from the planner.
func needs(o dataplane.Object) []dataplane.Key {
	var keys []dataplane.Key
	ref := func(k dataplane.Kind, names ...string) {
		for _, n := range names {
			if n != "" {
				keys = append(keys, dataplane.Key{Kind: k, Name: n})
			}
		}
	}
	switch o := o.(type) {
	case dataplane.LSP:
		ref(dataplane.KindSection, o.InSection, o.Out.Section)
		ref(dataplane.KindGroup, o.Out.Group, o.Selector)
		for _, b := range o.Branches {
			ref(dataplane.KindSection, b.Section)
			ref(dataplane.KindGroup, b.Group)
		}
	case dataplane.Group:
		if o.Pseudowires {
			ref(dataplane.KindPseudowire, o.Legs...)
		} else {
			ref(dataplane.KindLSP, o.Legs...)
		}
	case dataplane.Pseudowire:
		ref(dataplane.KindSection, o.Out.Section)
		ref(dataplane.KindGroup, o.Out.Group)
	case dataplane.Service:
		if o.SendGroup {
			ref(dataplane.KindGroup, o.Send)
		} else {
			ref(dataplane.KindPseudowire, o.Send)
		}
		ref(dataplane.KindPseudowire, o.Receive...)
	case dataplane.SwitchingPoint:
		ref(dataplane.KindPseudowire, o.Segments[:]...)
	}
	return keys
}

// checkState fails the test if a reference leads nowhere, or round in a cycle:
// neither may happen at any step of a plan.
func checkState(t *testing.T, state []dataplane.Object, ops string) {
	t.Helper()
	look := find(state)
	done := map[dataplane.Key]bool{}
	var walk func(k dataplane.Key, path []dataplane.Key)
	walk = func(k dataplane.Key, path []dataplane.Key) {
		if slices.Contains(path, k) {
			t.Fatalf("cycle %v %s on the way of\n%s", path, k, ops)
		}
		if done[k] {
			return
		}
		o := look(k)
		if o == nil {
			t.Fatalf("%v needs %s on the way of\n%s", path, k, ops)
		}
		for _, n := range needs(o) {
			walk(n, append(path, k))
		}
		done[k] = true
	}
	for _, o := range state {
		walk(o.Key(), nil)
	}
}
