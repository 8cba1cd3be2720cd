package chain

import (
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// The counting actions of a pseudowire, by their place behind its number. From
// wireOut on there is one for each number of tags, from wireClient on one for
// each way to the client.
const (
	wireIn = iota
	wireTaken
	wireInDrop
	wireOutDrop
	wireOut
	wireLoop   = 12 // Two.
	wireClient = 16
)

// otherHost is PACKET_OTHERHOST: a frame that no filter takes because its
// client is just going must not reach the stack of the host.
const otherHost = 3

// The stages of a pseudowire: its frames as they left it, as the service needs
// them, and why they are dropped.
const (
	stageFrame   = 0
	stageOps     = 1 // Two, without and with the tag of tagged mode taken off.
	stageMatch   = 3
	stageTooLong = 7
)

// Levels of the filters in chainWire.
const (
	levelExpired = iota
	levelSwap
	levelEnd
)

// wire compiles a pseudowire: what comes from the network, down to the client's
// frame. Its service, or switching point, puts filters before the last ones.
func (s *State) wire(c *Compiled, o dataplane.Pseudowire) *dataplane.OpError {
	p, err := s.numbered(c, o.Key())
	if err != nil {
		return err
	}
	if len(o.Out.Stack) > 0 {
		k := key(dataplane.KindSection, o.Out.Section)
		if o.Out.Group != "" {
			k = key(dataplane.KindGroup, o.Out.Group)
		}
		if c.refer(k); s.Objects[k] == nil {
			return fail(o.Key(), k.String()+" is not in the data plane")
		}
	}
	octets := -labelLen - wordOf(o)
	c.count(indexOf(p.number, wireIn), o.Key(), In, octets)
	c.count(indexOf(p.number, wireTaken), o.Key(), Taken, 0)
	c.count(indexOf(p.number, wireInDrop), o.Key(), Dropped, 0)
	c.count(indexOf(p.number, wireOutDrop), o.Key(), OutDropped, 0)
	if o.InLabel == 0 {
		return nil
	}
	p.add(toClient(p.number, stageFrame), 7, mplsnl.EtherAll, mplsnl.Match{}, p.lost(NoAttachment)...)
	switch {
	case o.Loop != "" && !o.Down:
		if err := p.loop(o); err != nil {
			return err
		}
	case o.Down || o.Blocked:
		r := PseudowireDown
		if !o.Down {
			r = Blocked
		}
		p.drop(o, r)
	case o.Type == dataplane.NetworkLayer:
		p.packets(o)
	default:
		p.frames(o)
	}
	p.label(chainWire, levelExpired, o.InLabel, mplsnl.LSE{HasTTL: true, TTL: 1}, mplsnl.LSE{}, p.lost(TTLZero)...)
	c.Filters = append(c.Filters, labelFilter(base(Platform), o.InLabel, mplsnl.LSE{},
		vlan(mplsnl.VLANAction{Op: mplsnl.VLANPush, ID: wireVLAN, Protocol: mplsnl.EtherSVLAN}), s.toDevice()))
	return p.fits()
}

// labelLen and etherLen are the octets of a label and of an Ethernet header.
const (
	labelLen = 4
	tagLen   = 4
	etherLen = 14
)

// wordOf is the length of the control word of a pseudowire.
func wordOf(o dataplane.Pseudowire) int {
	if o.ControlWord {
		return 4
	}
	return 0
}

// lost drops a packet of the pseudowire and counts it there.
func (p *parts) lost(r Reason) []mplsnl.Action {
	return []mplsnl.Action{counting(indexOf(p.number, wireInDrop)), dropping(r)}
}

// drop takes nothing but the channel.
func (p *parts) drop(o dataplane.Pseudowire, r Reason) {
	if o.ControlWord {
		for _, at := range []uint32{chainUser, chainOther, chainShort} {
			p.label(at, levelEnd, o.InLabel, mplsnl.LSE{}, mplsnl.LSE{}, p.lost(r)...)
		}
		p.label(chainWire, levelEnd, o.InLabel, mplsnl.LSE{HasBOS: true, BOS: true}, mplsnl.LSE{}, going(chainNibble))
		p.label(chainWire, levelEnd, o.InLabel, mplsnl.LSE{HasBOS: true}, mplsnl.LSE{}, p.lost(r)...)
		return
	}
	p.label(chainWire, levelEnd, o.InLabel, mplsnl.LSE{}, mplsnl.LSE{}, p.lost(r)...)
}

// frames takes Ethernet frames off the pseudowire and makes them look as if
// they had just been received: with the first tag, if there is one, beside the
// frame. No action does that, but act_vlan does when it takes off one of two
// tags that it has put on.
func (p *parts) frames(o dataplane.Pseudowire) {
	pop := []mplsnl.Action{counting(indexOf(p.number, wireIn)), vlan(mplsnl.VLANAction{Op: mplsnl.VLANPopEth})}
	if o.ControlWord {
		pop = append(pop, popTo(mplsnl.EtherMPLS))
	}
	tag := vlan(mplsnl.VLANAction{Op: mplsnl.VLANPush, ID: wireVLAN, Protocol: mplsnl.EtherVLAN})
	untag := mplsnl.Action{Kind: mplsnl.VLAN, Verdict: mplsnl.Pipe, Index: IndexTag, Cookie: Cookie(), VLAN: mplsnl.VLANAction{Op: mplsnl.VLANPop}}
	pop = append(pop, popTo(mplsnl.EtherTEB), tag, tag, popTag(), untag,
		pipe(mplsnl.Action{Kind: mplsnl.SKBEdit, SKB: mplsnl.SKBAction{HasType: true, Type: otherHost}}),
		counting(indexOf(p.number, wireTaken)), known(p.number), going(chainToClient+stageFrame))
	next := uint32(chainWhole)
	if o.ControlWord {
		next = chainNibble
		p.label(chainOther, levelEnd, o.InLabel, mplsnl.LSE{}, mplsnl.LSE{}, p.lost(ControlWord)...)
	}
	// What is shorter than an Ethernet header must not be handled as one.
	short := append([]mplsnl.Action{counting(indexOf(p.number, wireIn)), counting(indexOf(p.number, wireTaken))}, p.lost(Runt)...)
	p.label(chainShort, levelEnd, o.InLabel, mplsnl.LSE{}, mplsnl.LSE{}, short...)
	p.label(chainUser, levelEnd, o.InLabel, mplsnl.LSE{}, mplsnl.LSE{}, pop...)
	p.label(chainWire, levelEnd, o.InLabel, mplsnl.LSE{HasBOS: true, BOS: true}, mplsnl.LSE{}, going(next))
	p.label(chainWire, levelEnd, o.InLabel, mplsnl.LSE{HasBOS: true}, mplsnl.LSE{}, p.lost(Malformed)...)
}

// packets takes IP and MPLS packets off a service label, and the encapsulation
// label with it (RFC 5921 section 3.4.5).
func (p *parts) packets(o dataplane.Pseudowire) {
	out := func(pops ...uint16) []mplsnl.Action {
		all := []mplsnl.Action{counting(indexOf(p.number, wireIn)), counting(indexOf(p.number, wireTaken))}
		for _, to := range pops {
			all = append(all, popTo(to))
		}
		return append(all,
			pipe(mplsnl.Action{Kind: mplsnl.SKBEdit, SKB: mplsnl.SKBAction{HasType: true, Type: otherHost}}),
			known(p.number), going(chainToClient+stageFrame))
	}
	bottom, more := mplsnl.LSE{HasBOS: true, BOS: true}, mplsnl.LSE{HasBOS: true}
	for _, v := range []struct {
		at uint32
		to uint16
	}{{chainIPv4, mplsnl.EtherIPv4}, {chainIPv6, mplsnl.EtherIPv6}} {
		p.label(v.at, levelEnd, o.InLabel, bottom, mplsnl.LSE{}, out(v.to)...)
		p.label(v.at, levelEnd, o.InLabel, more, mplsnl.LSE{}, out(mplsnl.EtherMPLS, v.to)...)
	}
	unknown := append([]mplsnl.Action{counting(indexOf(p.number, wireIn)), counting(indexOf(p.number, wireTaken))}, p.lost(NotIP)...)
	p.label(chainOther, levelEnd, o.InLabel, mplsnl.LSE{}, mplsnl.LSE{}, unknown...)
	p.label(chainWire, levelEnd, o.InLabel, bottom, mplsnl.LSE{}, going(chainPacket))
	for _, null := range []uint32{ipv4Null, ipv6Null} {
		p.label(chainWire, levelEnd, o.InLabel, more, mplsnl.LSE{HasLabel: true, Label: null, HasBOS: true, BOS: true}, going(chainNull))
	}
	p.label(chainWire, levelEnd+1, o.InLabel, more, mplsnl.LSE{}, out(mplsnl.EtherMPLS)...)
}

// point compiles a switching point: a label filter for each direction, before
// those by which the segments end here.
func (s *State) point(c *Compiled, o dataplane.SwitchingPoint) *dataplane.OpError {
	p, err := s.numbered(c, o.Key())
	if err != nil {
		return err
	}
	var segments [2]dataplane.Pseudowire
	for i, name := range o.Segments {
		k := key(dataplane.KindPseudowire, name)
		c.need(k)
		w, ok := s.Objects[k].(dataplane.Pseudowire)
		if !ok {
			return fail(o.Key(), fmt.Sprintf("pseudowire %s is not in the data plane", name))
		}
		segments[i] = w
	}
	for i, from := range segments {
		if from.InLabel == 0 {
			continue
		}
		if err := p.swap(from, segments[1-i], 2*i); err != nil {
			return err
		}
	}
	return p.fits()
}

// loop sends what comes back, as a switching point does, on the pseudowire of
// the other direction; the channel too.
func (p *parts) loop(o dataplane.Pseudowire) *dataplane.OpError {
	k := key(dataplane.KindPseudowire, o.Loop)
	back := o
	if o.Loop != o.Name {
		p.c.need(k)
		var ok bool
		if back, ok = p.Objects[k].(dataplane.Pseudowire); !ok {
			return fail(o.Key(), fmt.Sprintf("pseudowire %s is not in the data plane", o.Loop))
		}
	}
	o.Blocked, back.Blocked = false, false
	return p.swap(o, back, wireLoop)
}

// both are those for whom what goes through a segment counts.
func (p *parts) both(segment dataplane.Pseudowire) []dataplane.Key {
	if p.key.Kind == dataplane.KindSwitchingPoint {
		return []dataplane.Key{segment.Key(), p.key}
	}
	return []dataplane.Key{segment.Key()}
}

// swap sends what comes on one segment on the other: the label changes, its TTL
// is one less, its traffic class stays; what is below is not looked at. Where
// users are blocked the channel passes.
func (p *parts) swap(from, to dataplane.Pseudowire, which int) *dataplane.OpError {
	in, out := indexOf(p.number, which), indexOf(p.number, which+1)
	octets := -labelLen - wordOf(from)
	drop := func(w dataplane.Pseudowire, what int, r Reason) []mplsnl.Action {
		return []mplsnl.Action{counting(indexOf(p.Records[w.Key()], what)), dropping(r)}
	}
	var blocked []mplsnl.Action
	switch {
	case from.Down:
		p.label(chainWire, levelSwap, from.InLabel, mplsnl.LSE{}, mplsnl.LSE{}, drop(from, wireInDrop, PseudowireDown)...)
		return nil
	case from.Blocked:
		blocked = drop(from, wireInDrop, Blocked)
	case to.Blocked:
		blocked = drop(to, wireOutDrop, Blocked)
	}
	if to.Down || len(to.Out.Stack) == 0 {
		p.c.count(in, from.Key(), In, octets)
		p.label(chainWire, levelSwap, from.InLabel, mplsnl.LSE{}, mplsnl.LSE{}, append([]mplsnl.Action{counting(in)}, drop(from, wireInDrop, PseudowireDown)...)...)
		return nil
	}
	at := uint32(chainWire)
	switch {
	case blocked != nil && !from.ControlWord:
		p.label(at, levelSwap, from.InLabel, mplsnl.LSE{}, mplsnl.LSE{}, blocked...)
		return nil
	case blocked != nil:
		at = chainChannel
		for _, c := range []uint32{chainUser, chainOther, chainShort} {
			p.label(c, levelSwap, from.InLabel, mplsnl.LSE{}, mplsnl.LSE{}, blocked...)
		}
		p.label(chainWire, levelSwap, from.InLabel, mplsnl.LSE{HasBOS: true}, mplsnl.LSE{}, blocked...)
		p.label(chainWire, levelSwap, from.InLabel, mplsnl.LSE{HasBOS: true, BOS: true}, mplsnl.LSE{}, going(chainNibble))
	}
	dead := len(p.c.dead)
	legs, err := p.ways(p.c, p.key, Ingress, -labelLen, []dataplane.NextHop{to.Out})
	if err != nil {
		return err
	}
	for _, k := range p.both(from) {
		p.c.count(in, k, In, octets)
	}
	if len(legs) == 0 {
		p.label(at, levelSwap, from.InLabel, mplsnl.LSE{}, mplsnl.LSE{},
			append([]mplsnl.Action{counting(in), counting(indexOf(p.Records[to.Key()], wireOutDrop))}, p.c.ends(dead)...)...)
		return nil
	}
	for _, k := range p.both(to) {
		p.c.count(out, k, Out, octets)
	}
	for _, x := range legs {
		p.c.account(out, x, -labelLen)
	}
	begin := []mplsnl.Action{counting(in), decTTL(), counting(out)}
	if !copies(legs, swapped) {
		p.label(at, levelSwap, from.InLabel, mplsnl.LSE{}, mplsnl.LSE{}, append(begin, forward(legs, swapped, anyTC)...)...)
		return nil
	}
	for tc := range 8 {
		p.label(at, levelSwap, from.InLabel, mplsnl.LSE{HasTC: true, TC: uint8(tc)}, mplsnl.LSE{},
			append(begin[:3:3], forward(legs, swapped, tc)...)...)
	}
	return nil
}
