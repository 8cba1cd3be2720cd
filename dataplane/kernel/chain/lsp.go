package chain

import (
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// lsp compiles an LSP.
func (s *State) lsp(c *Compiled, l dataplane.LSP) *dataplane.OpError {
	switch {
	case l.Op == dataplane.ImposeAndForward && len(l.Prefixes) == 0:
		return s.begins(c, l)
	case l.Op == dataplane.ImposeAndForward:
		return s.clients(c, l.Key(), l.Prefixes, hops(l), l.Down || l.Blocked)
	}
	space := uint32(Platform)
	if l.InSection != "" {
		k := key(dataplane.KindSection, l.InSection)
		c.need(k)
		sec, ok := s.Objects[k].(dataplane.Section)
		if !ok {
			return fail(l.Key(), fmt.Sprintf("section %s is not in the data plane", l.InSection))
		}
		if space, ok = s.space(sec); !ok {
			return fail(l.Key(), fmt.Sprintf("section %s has no label space", l.InSection))
		}
	}
	b := builder{State: s, c: c, l: l, space: space, at: base(space), in: labelIndex(space, l.InLabel, 0), passed: labelIndex(space, l.InLabel, 1)}
	c.count(b.in, l.Key(), In, 0)
	c.count(b.passed, l.Key(), Taken, 0)
	taken, err := s.selected(c, l)
	if err != nil {
		return err
	}
	switch {
	case l.Down:
		b.drop(LSPDown)
		return nil
	case l.Loop != "":
		return b.loop()
	case l.Blocked || !taken:
		r := Blocked
		if !l.Blocked {
			r = NotSelected
		}
		b.drop(r)
		return b.gach()
	}
	return b.operation(prefLabel)
}

// selected tells whether the receiving end of 1+1 takes the packets of l.
func (s *State) selected(c *Compiled, l dataplane.LSP) (bool, *dataplane.OpError) {
	if l.Selector == "" {
		return true, nil
	}
	k := key(dataplane.KindGroup, l.Selector)
	c.refer(k)
	c.Follows = append(c.Follows, l.Selector)
	if _, ok := s.Objects[k].(dataplane.Group); !ok {
		return false, fail(l.Key(), fmt.Sprintf("group %s is not in the data plane", l.Selector))
	}
	return s.Active[l.Selector] == l.SelectorLeg, nil
}

// builder makes the filters of one LSP with an incoming label.
type builder struct {
	*State
	c          *Compiled
	l          dataplane.LSP
	space, at  uint32
	in, passed uint32 // Indices of the counting actions.
	inner      mplsnl.LSE
	pref       uint16
}

// add adds a filter for the label.
func (b *builder) add(chain uint32, m mplsnl.LSE, actions ...mplsnl.Action) {
	f := labelFilter(chain, b.l.InLabel, m, actions...)
	if b.pref != 0 {
		f.Pref, f.Match.LSE[1] = b.pref, b.inner
		f.Handle = b.l.InLabel<<5 + variant(m, b.inner) + 1
	}
	b.c.Filters = append(b.c.Filters, f)
}

// drop adds the filter of an LSP that takes nothing. The counter of what
// passes stays bound, so that it goes on when the LSP does.
func (b *builder) drop(r Reason) {
	b.add(b.at, mplsnl.LSE{}, counting(b.in), decTTL(), dropping(r), counting(b.passed))
}

// gach lets the G-ACh through where user packets are blocked: what has a GAL
// right below the label.
func (b *builder) gach() *dataplane.OpError {
	b.pref, b.inner = prefGACh, mplsnl.LSE{HasLabel: true, Label: gal}
	return b.operation(prefGACh)
}

// begin returns the actions that every packet of the LSP meets first.
func (b *builder) begin(more ...mplsnl.Action) []mplsnl.Action {
	return append([]mplsnl.Action{counting(b.in), decTTL(), counting(b.passed)}, more...)
}

func (b *builder) operation(pref uint16) *dataplane.OpError {
	b.pref = pref
	if b.l.Op == dataplane.PopAndLookup {
		b.lookup()
		return nil
	}
	legs, err := b.ways(b.c, b.l.Key(), Ingress, -4, hops(b.l))
	if err != nil {
		return err
	}
	classify(legs, b.l.Class)
	for _, x := range legs {
		b.c.count(b.passed, b.l.Key(), Out, 4*x.own-4)
		b.c.account(b.passed, x, -4) // The label taken off.
	}
	switch {
	case len(legs) == 0 && !b.l.Bud:
		b.add(b.at, mplsnl.LSE{}, append(append([]mplsnl.Action{counting(b.in), decTTL()}, b.c.ends(0)...), counting(b.passed))...)
		return nil
	case b.l.Op == dataplane.PopAndForward && !labelled(legs):
		return b.pop(legs)
	case b.l.Op == dataplane.PopAndForward && b.l.TTLMode == dataplane.ShortPipe:
		b.shortPipe(legs)
		return nil
	}
	return b.swap(legs)
}

// labelled tells whether the way out imposes labels, those of a group: then
// the lowest of them takes the place of the label taken off.
func labelled(legs []leg) bool {
	for _, x := range legs {
		if len(x.stack) > 0 || x.into != 0 {
			return true
		}
	}
	return false
}

// swap adds the filters of what rewrites the label. Bud sends a copy to this
// node first, with the label it came with.
func (b *builder) swap(legs []leg) *dataplane.OpError {
	var bud []mplsnl.Action
	if b.l.Bud {
		if b.Device.Index == 0 {
			return fail(b.l.Key(), "there is no interface "+Device)
		}
		at := b.at
		f := labelFilter(chainBud, b.l.InLabel, mplsnl.LSE{HasBOS: true}, popTo(mplsnl.EtherMPLS), going(at))
		g := labelFilter(chainBud, b.l.InLabel, mplsnl.LSE{HasBOS: true, BOS: true}, going(chainDeliver))
		b.c.Filters = append(b.c.Filters, f, g)
		bud = []mplsnl.Action{pipe(mplsnl.Action{Kind: mplsnl.Mirred, Mirred: mplsnl.MirredAction{Op: mplsnl.MirrorIngress, Interface: b.Device.Index}})}
		if len(legs) == 0 {
			bud[0].Mirred.Op, bud[0].Verdict = mplsnl.RedirectIngress, mplsnl.Stolen
		}
	}
	f := given
	if b.l.Op == dataplane.SwapAndForward {
		f = swapped
	}
	before := append(b.c.notes(0), bud...)
	if !copies(legs, f) {
		b.add(b.at, mplsnl.LSE{}, append(b.begin(before...), forward(legs, f, anyTC)...)...)
	} else {
		for tc := range 8 {
			b.add(b.at, mplsnl.LSE{HasTC: true, TC: uint8(tc)}, append(b.begin(before...), forward(legs, f, tc)...)...)
		}
	}
	for _, f := range b.c.Filters {
		if len(f.Actions) > mplsnl.MaxActions {
			return fail(b.l.Key(), fmt.Sprintf("needs %d actions for its branches, the kernel takes %d", len(f.Actions), mplsnl.MaxActions))
		}
	}
	return nil
}

// pop adds the filters of what takes the label off and sends what is below.
func (b *builder) pop(legs []leg) *dataplane.OpError {
	send := func(protocol uint16, tc int) []mplsnl.Action {
		all := append(b.c.notes(0), popTo(protocol))
		switch {
		case tc != anyTC:
			all = append(all, priority(link.ByClass(uint8(tc))))
		case protocol != mplsnl.EtherMPLS && b.l.Class == nil && schedules(legs):
			all = append(all, priority(link.ByClient))
		}
		set := false
		for i, x := range legs {
			all = append(append(append(all, x.address()...), x.queue(&set)...), x.send(i == len(legs)-1)...)
		}
		return all
	}
	classes := b.classes(legs)
	for _, tc := range classes {
		b.add(b.at, withTC(mplsnl.LSE{HasBOS: true}, tc), b.begin(send(mplsnl.EtherMPLS, tc)...)...)
	}
	if b.pref == prefGACh {
		return nil // A label with a GAL below is never the last.
	}
	b.add(b.at, mplsnl.LSE{HasBOS: true, BOS: true}, counting(b.in), decTTL(), going(b.at+offPop))
	for _, tc := range classes {
		b.add(b.at+offIPv4, withTC(mplsnl.LSE{}, tc), append([]mplsnl.Action{counting(b.passed)}, send(mplsnl.EtherIPv4, tc)...)...)
		b.add(b.at+offIPv6, withTC(mplsnl.LSE{}, tc), append([]mplsnl.Action{counting(b.passed)}, send(mplsnl.EtherIPv6, tc)...)...)
	}
	return nil
}

// shortPipe adds the filters of what takes the label off and imposes others
// that have the traffic class of the client: of the next label, or of the
// precedence of an IP packet (RFC 3270 section 2.6.2.2), which the shared
// filters of the label space write into the label.
func (b *builder) shortPipe(legs []leg) {
	for tc := range 8 {
		b.inner.HasTC, b.inner.TC = true, uint8(tc)
		b.add(b.at, mplsnl.LSE{HasBOS: true}, b.begin(forward(legs, ticket, tc)...)...)
	}
	b.inner = mplsnl.LSE{}
	if b.pref == prefGACh {
		return
	}
	b.add(b.at, mplsnl.LSE{HasBOS: true, BOS: true}, counting(b.in), decTTL(), going(b.at+offClass))
	for _, at := range []uint32{b.at + offIPv4, b.at + offIPv6} {
		if !copies(legs, given) {
			b.add(at, mplsnl.LSE{}, append([]mplsnl.Action{counting(b.passed)}, forward(legs, given, anyTC)...)...)
			continue
		}
		for tc := range 8 {
			b.add(at, mplsnl.LSE{HasTC: true, TC: uint8(tc)}, append([]mplsnl.Action{counting(b.passed)}, forward(legs, given, tc)...)...)
		}
	}
}

// lookup adds the filters of what ends here: the next label is looked up in
// the same space, an IP packet goes to the host.
func (b *builder) lookup() {
	b.add(b.at, mplsnl.LSE{HasBOS: true}, b.begin(popTo(mplsnl.EtherMPLS), going(b.at))...)
	if b.pref == prefGACh {
		return
	}
	b.add(b.at, mplsnl.LSE{HasBOS: true, BOS: true}, b.begin(going(chainDeliver))...)
}

// Actions returns how many actions branches with stacks of these depths need,
// and how many there can be.
func Actions(depths []int, bud bool) (n, most int) {
	n = 3 // Count, time to live, count.
	if bud {
		n++
	}
	for i, d := range depths {
		n += max(d, 1) + 2
		if i < len(depths)-1 {
			n += max(d, 1) - 1
		}
	}
	return n, mplsnl.MaxActions
}
