package chain

import (
	"encoding/binary"
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// maxNesting bounds how many groups are entered one in another.
const maxNesting = 4

// leg is one way out: the labels in front of the packet, top first, and the
// section they go to.
type leg struct {
	section string
	port    Port
	vlan    uint16
	peer    dataplane.MAC
	stack   []dataplane.LabelEntry
	own     int // Labels of the stack that are not those of groups.
	// into is the chain of the group that is entered instead of a section, and
	// ticket the label that stands for the group there; 0: none. With inPlace
	// the label in front becomes the ticket.
	into, ticket uint32
	inPlace      bool
	// queued tells that the section has queues, class which one it is to be;
	// nil: that of the label.
	queued bool
	class  *uint8
	// via are the groups and LSPs on the way with the number of labels that
	// were there when each was entered.
	via []via
}

// via is a group or a leg, with the labels that are there on entering it and,
// of a leg, on leaving it.
type via struct {
	key     dataplane.Key
	in, out int
}

// resolve follows a next hop through groups to the sections it reaches now:
// one, or both legs of a permanent bridge. None is a way that is down. Copies
// are compiled so; what is sent once enters the chain of a group instead.
func (s *State) resolve(c *Compiled, who dataplane.Key, n dataplane.NextHop, nesting int) ([]leg, *dataplane.OpError) {
	if n.Group != "" {
		return s.resolveGroup(c, who, n, nesting)
	}
	return s.toSection(c, who, n)
}

// toSection is the way out on a section; none while that is down.
func (s *State) toSection(c *Compiled, who dataplane.Key, n dataplane.NextHop) ([]leg, *dataplane.OpError) {
	k := key(dataplane.KindSection, n.Section)
	c.need(k)
	sec, ok := s.Objects[k].(dataplane.Section)
	if !ok {
		return nil, fail(who, fmt.Sprintf("section %s is not in the data plane", n.Section))
	}
	if r := shut(sec); r != 0 {
		c.dead = append(c.dead, r)
		return nil, nil
	}
	p := s.Ports[sec.Interface]
	if p.Index == 0 {
		return nil, fail(who, fmt.Sprintf("section %s has no interface %s", sec.Name, sec.Interface))
	}
	return []leg{{section: sec.Name, port: p, vlan: sec.VLAN, peer: sec.PeerMAC.OrMulticast(), stack: n.Stack, own: len(n.Stack), queued: sec.Queues.Enabled}}, nil
}

// shut tells why a section takes nothing of users; 0: it does.
func shut(sec dataplane.Section) Reason {
	switch {
	case sec.Down:
		return SectionDown
	case sec.Blocked:
		return Blocked
	}
	return 0
}

// hops are the next hops of an LSP: one, or those of its branches.
func hops(l dataplane.LSP) []dataplane.NextHop {
	if len(l.Branches) == 0 {
		return []dataplane.NextHop{l.Out}
	}
	all := make([]dataplane.NextHop, 0, len(l.Branches))
	for _, b := range l.Branches {
		all = append(all, b.NextHop)
	}
	return all
}

func (s *State) resolveGroup(c *Compiled, who dataplane.Key, n dataplane.NextHop, nesting int) ([]leg, *dataplane.OpError) {
	k := key(dataplane.KindGroup, n.Group)
	c.need(k)
	c.Follows = append(c.Follows, n.Group)
	g, ok := s.Objects[k].(dataplane.Group)
	if !ok {
		return nil, fail(who, fmt.Sprintf("group %s is not in the data plane", n.Group))
	}
	if nesting == maxNesting {
		return nil, fail(who, fmt.Sprintf("more than %d groups one in another", maxNesting))
	}
	if g.Down {
		c.dead = append(c.dead, GroupDown)
		return nil, nil
	}
	names := g.Legs
	if !g.Permanent {
		active := int(s.Active[g.Name])
		if active >= len(g.Legs) {
			c.dead = append(c.dead, GroupDown)
			return nil, nil
		}
		names = g.Legs[active : active+1]
	}
	var all []leg
	for _, name := range names {
		k := key(dataplane.KindLSP, name)
		c.need(k)
		l, ok := s.Objects[k].(dataplane.LSP)
		if !ok {
			return nil, fail(who, fmt.Sprintf("leg %s of group %s is not in the data plane", name, g.Name))
		}
		if r := closed(l); r != 0 {
			c.dead = append(c.dead, r)
			continue
		}
		var more []leg
		for _, h := range hops(l) {
			ways, err := s.resolve(c, who, h, nesting+1)
			if err != nil {
				return nil, err
			}
			more = append(more, ways...)
		}
		classify(more, l.Class)
		own := len(n.Stack)
		for _, x := range more {
			here := []via{{k, own, own + x.own}, {g.Key(), own, own}}
			for _, v := range x.via {
				here = append(here, via{v.key, v.in + own, v.out + own})
			}
			x.via, x.own = here, own
			x.stack = append(inherit(x.stack, n.Stack), n.Stack...)
			all = append(all, x)
		}
	}
	return all, nil
}

// closed tells why an LSP that begins here takes nothing; 0: it does.
func closed(l dataplane.LSP) Reason {
	switch {
	case l.Down:
		return LSPDown
	case l.Blocked:
		return Blocked
	}
	return 0
}

// inherit returns the labels of a leg: those without a traffic class of their
// own take that of the label below them, if it has one.
func inherit(stack, below []dataplane.LabelEntry) []dataplane.LabelEntry {
	all := append([]dataplane.LabelEntry(nil), stack...)
	if len(below) > 0 && below[0].HasTC {
		for i := range all {
			if !all[i].HasTC {
				all[i].HasTC, all[i].TC = true, below[0].TC
			}
		}
	}
	return all
}

// account counts what passes an action for everything on the way of a leg.
// octets is what the packet has more than the kernel counts, before labels.
//
// What enters the chain of a group is counted there.
func (c *Compiled) account(index uint32, x leg, octets int) {
	if x.into != 0 {
		return
	}
	for _, v := range x.via {
		c.count(index, v.key, In, octets+4*v.in)
		c.count(index, v.key, Taken, 0)
		c.count(index, v.key, Out, octets+4*v.out)
	}
	c.count(index, key(dataplane.KindSection, x.section), Out, octets+4*len(x.stack))
}

// address writes the Ethernet addresses of the way out, over those that came.
func (x leg) address() []mplsnl.Action {
	if x.into != 0 {
		return nil
	}
	var head [12]byte
	copy(head[:], x.peer[:])
	copy(head[6:], x.port.MAC[:])
	a := mplsnl.Action{Kind: mplsnl.Pedit, Pedit: mplsnl.PeditAction{N: 3}}
	for i := range 3 {
		a.Pedit.Keys[i] = mplsnl.PeditKey{Ethernet: true, Offset: uint32(4 * i), Value: binary.BigEndian.Uint32(head[4*i:])}
	}
	return []mplsnl.Action{pipe(a)}
}

// send returns the actions that end a chain: the frame with its addresses goes
// out of the port. A mirror leaves the packet as it was before.
func (x leg) send(last bool) []mplsnl.Action {
	if x.into != 0 {
		return []mplsnl.Action{going(x.into)}
	}
	var all []mplsnl.Action
	if x.vlan != 0 {
		all = append(all, vlan(mplsnl.VLANAction{Op: mplsnl.VLANPush, ID: x.vlan, Protocol: mplsnl.EtherVLAN}))
	}
	if last {
		return append(all, mplsnl.Action{
			Kind: mplsnl.Mirred, Verdict: mplsnl.Stolen, NoPerCPU: true,
			Mirred: mplsnl.MirredAction{Op: mplsnl.RedirectEgress, Interface: x.port.Index},
		})
	}
	all = append(all, pipe(mplsnl.Action{Kind: mplsnl.Mirred, Mirred: mplsnl.MirredAction{Op: mplsnl.MirrorEgress, Interface: x.port.Index}}))
	if x.vlan != 0 {
		all = append(all, vlan(mplsnl.VLANAction{Op: mplsnl.VLANPop}))
	}
	return all
}

// front is what the label in front of a packet is for those that rewrite it.
type front uint8

const (
	swapped front = iota // It passes its TTL on, and its traffic class.
	given                // It passes its traffic class on.
	ticket               // It stands for a group and passes on nothing.
)

// anyTC stands for the traffic class of a packet where it is not known.
const anyTC = -1

// push imposes labels, the lowest first. One without a traffic class of its
// own takes tc.
func push(stack []dataplane.LabelEntry, tc int) []mplsnl.Action {
	var all []mplsnl.Action
	for i := len(stack) - 1; i >= 0; i-- {
		e := stack[i]
		m := mplsnl.MPLSAction{Op: mplsnl.MPLSPush, HasLabel: true, Label: e.Label, TTL: e.EffectiveTTL(), HasTC: true, TC: uint8(max(tc, 0))}
		if e.HasTC {
			m.TC = e.TC
		}
		all = append(all, mpls(m))
	}
	return all
}

// rewrite gives the label in front another value, its TTL where ttl is not 0,
// and its traffic class where that is known.
func rewrite(e dataplane.LabelEntry, ttl uint8, tc int) mplsnl.Action {
	m := mplsnl.MPLSAction{Op: mplsnl.MPLSModify, HasLabel: true, Label: e.Label, TTL: ttl, HasTC: e.HasTC, TC: e.TC}
	if !e.HasTC && tc != anyTC {
		m.HasTC, m.TC = true, uint8(tc)
	}
	return mpls(m)
}

// copies tells whether labels take their traffic class from the packet in a
// way that needs one filter for each.
func copies(legs []leg, f front) bool {
	with, without := false, false
	for _, x := range legs {
		if x.inPlace && f == ticket {
			return true
		}
		for i, e := range x.stack {
			lowest := i == len(x.stack)-1
			switch {
			case !e.HasTC && (!lowest || f == ticket):
				return true
			case lowest && e.HasTC:
				with = true
			case lowest:
				without = true
			}
		}
	}
	return with && without // What one copy writes, the next would pass on.
}

// labels returns the actions that turn the label in front into the stack of x,
// for a packet of a traffic class.
func (x leg) labels(f front, tc int) []mplsnl.Action {
	var all []mplsnl.Action
	if last := len(x.stack) - 1; last >= 0 {
		ttl := uint8(0)
		if f != swapped {
			ttl = x.stack[last].EffectiveTTL()
		}
		all = append([]mplsnl.Action{rewrite(x.stack[last], ttl, tc)}, push(x.stack[:last], tc)...)
	}
	if f != ticket {
		tc = anyTC
	}
	return append(all, x.present(tc)...)
}

// present puts the label in front by which the group is known in its chain.
func (x leg) present(tc int) []mplsnl.Action {
	e := dataplane.LabelEntry{Label: x.ticket}
	switch {
	case x.into == 0:
		return nil
	case x.inPlace:
		return []mplsnl.Action{rewrite(e, 0, tc)}
	}
	return push([]dataplane.LabelEntry{e}, 0)
}

// forward returns the actions that send a labelled packet on all legs. The
// label in front is rewritten for each anew; what was pushed for one is taken
// off for the next.
func forward(legs []leg, f front, tc int) []mplsnl.Action {
	var all []mplsnl.Action
	set := false
	for i, x := range legs {
		last := i == len(legs)-1
		all = append(append(append(all, x.labels(f, tc)...), x.address()...), x.queue(&set)...)
		all = append(all, x.send(last)...)
		if !last {
			for range len(x.stack) - 1 {
				all = append(all, popTo(mplsnl.EtherMPLS))
			}
		}
	}
	return all
}
