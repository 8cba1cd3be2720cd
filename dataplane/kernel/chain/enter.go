package chain

import (
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// Entry is one way to enter a group. Those of all groups that are alike share a
// chain, in which a label in front, the ticket, tells the group: its record
// number. The filters of the ticket turn it into the labels of the active leg.
type Entry struct {
	Group string
	Block uint32
	// InPlace: the packet comes with a label that it gives up, and the ticket
	// has that one's traffic class. Otherwise the ticket was put above a label
	// of the packet, which tells the traffic class.
	InPlace bool
	// Octets is how many a packet has, without the ticket, more than the kernel
	// counts.
	Octets int
}

// The range of Octets: even numbers from lowOctets on.
const (
	lowOctets  = -32
	octetSteps = groupSize / 2
)

// number tells entries apart within a block.
func (e Entry) number() (uint32, bool) {
	n := (e.Octets - lowOctets) / 2
	if e.Octets%2 != 0 || e.Octets < lowOctets || n >= octetSteps {
		return 0, false
	}
	if e.InPlace {
		n += octetSteps
	}
	return uint32(n), true
}

// chain is where packets enter.
func (e Entry) chain() uint32 {
	n, _ := e.number()
	return firstGroup + n
}

// index is that of the action that counts what leaves by a leg.
func (e Entry) index(ticket uint32, leg int) uint32 {
	n, _ := e.number()
	i := indexGroup | ticket<<8 | n<<1 | uint32(leg&1)
	if e.Block == Egress {
		i |= 1 << 28
	}
	return i
}

// OfGroup tells whether a chain is entered by what the filters of others do.
func OfGroup(chain uint32) bool { return chain >= firstGroup }

// enter notes an entry and returns the way there.
func (s *State) enter(c *Compiled, who dataplane.Key, e Entry) (leg, *dataplane.OpError) {
	k := key(dataplane.KindGroup, e.Group)
	c.refer(k)
	if _, ok := s.Objects[k].(dataplane.Group); !ok {
		return leg{}, fail(who, fmt.Sprintf("group %s is not in the data plane", e.Group))
	}
	if _, ok := e.number(); !ok {
		return leg{}, fail(who, fmt.Sprintf("enters group %s with too many labels", e.Group))
	}
	c.Enters = append(c.Enters, e)
	return leg{into: e.chain(), ticket: s.Records[k], inPlace: e.InPlace}, nil
}

// ways returns the ways out of a filter of a block. octets is how many the
// packet has, without its label in front and those of the next hop, more than
// the kernel counts. What is sent once enters the chain of its group; copies
// are resolved down to their sections.
func (s *State) ways(c *Compiled, who dataplane.Key, block uint32, octets int, to []dataplane.NextHop) ([]leg, *dataplane.OpError) {
	if len(to) == 1 && to[0].Group != "" {
		n := to[0]
		x, err := s.enter(c, who, Entry{Group: n.Group, Block: block, InPlace: len(n.Stack) == 0, Octets: octets + 4*len(n.Stack)})
		if err != nil {
			return nil, err
		}
		x.stack, x.own = n.Stack, len(n.Stack)
		return []leg{x}, nil
	}
	var all []leg
	for _, n := range to {
		more, err := s.resolve(c, who, n, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// origin is a packet about to leave a filter.
type origin struct {
	block  uint32
	index  uint32 // Of the action that has counted it.
	octets int    // How many it has more than that counts.
}

// leave returns the actions that end the filter of a packet that has the labels
// of n in front already: out of the section, or into the group. None: the way
// is down, for the reason.
func (s *State) leave(c *Compiled, who dataplane.Key, from origin, n dataplane.NextHop) ([]mplsnl.Action, Reason, *dataplane.OpError) {
	if n.Group != "" {
		x, err := s.enter(c, who, Entry{Group: n.Group, Block: from.block, Octets: from.octets})
		if err != nil {
			return nil, 0, err
		}
		return append(x.present(anyTC), x.send(true)...), 0, nil
	}
	legs, err := s.toSection(c, who, n)
	if err != nil {
		return nil, 0, err
	}
	if len(legs) == 0 {
		last := len(c.dead) - 1
		r := c.dead[last]
		c.dead = c.dead[:last] // The caller counts it.
		return nil, r, nil
	}
	x := legs[0]
	c.count(from.index, key(dataplane.KindSection, x.section), Out, from.octets)
	return append(x.address(), x.send(true)...), 0, nil
}

// begins compiles an LSP that only groups enter: its record. Its filters are
// those of the groups.
func (s *State) begins(c *Compiled, l dataplane.LSP) *dataplane.OpError {
	for _, n := range hops(l) {
		k := key(dataplane.KindSection, n.Section)
		if n.Group != "" {
			k = key(dataplane.KindGroup, n.Group)
		}
		c.need(k)
		if s.Objects[k] == nil {
			return fail(l.Key(), k.String()+" is not in the data plane")
		}
	}
	c.Filters = append(c.Filters, Record(l.Key(), s.Records[l.Key()], 0))
	return nil
}

// group compiles a group: its record, the filters of its active leg for each
// way to enter, and what its own clients enter.
func (s *State) group(c *Compiled, g dataplane.Group) *dataplane.OpError {
	kind := dataplane.KindLSP
	if g.Pseudowires {
		kind = dataplane.KindPseudowire
	}
	for _, name := range g.Legs {
		k := key(kind, name)
		c.need(k)
		if s.Objects[k] == nil {
			return fail(g.Key(), fmt.Sprintf("leg %s is not in the data plane", name))
		}
	}
	c.Filters = append(c.Filters, Record(g.Key(), s.Records[g.Key()], s.Active[g.Name]))
	if g.Pseudowires {
		return nil
	}
	for _, e := range s.Entries[g.Name] {
		if err := s.entry(c, g, e); err != nil {
			return err
		}
	}
	if len(g.Prefixes) == 0 && !s.Outlets[g.Name] {
		return nil
	}
	return s.clients(c, g.Key(), g.Prefixes, []dataplane.NextHop{{Group: g.Name}}, false)
}

// entry compiles one way to enter a group.
func (s *State) entry(c *Compiled, g dataplane.Group, e Entry) *dataplane.OpError {
	b := entering{State: s, c: c, g: g, Entry: e, ticket: s.Records[g.Key()]}
	if g.Down {
		index := e.index(b.ticket, 0)
		c.count(index, g.Key(), In, e.Octets)
		c.count(index, g.Key(), Dropped, 0)
		b.add(index, dropping(GroupDown))
		return nil
	}
	if g.Permanent {
		return b.bridge()
	}
	for i := range g.Legs {
		err := b.leg(i, i == int(s.Active[g.Name]))
		if err != nil && i == int(s.Active[g.Name]) {
			return err
		}
	}
	return nil
}

// entering makes the filters of one way to enter a group.
type entering struct {
	*State
	c *Compiled
	g dataplane.Group
	Entry
	ticket uint32
}

// front tells what the ticket passes on.
func (b *entering) front() front {
	if b.InPlace {
		return given
	}
	return ticket
}

// add adds the filter that takes all packets.
func (b *entering) add(index uint32, actions ...mplsnl.Action) {
	b.match(mplsnl.LSE{}, mplsnl.LSE{}, index, actions)
}

func (b *entering) match(m, below mplsnl.LSE, index uint32, actions []mplsnl.Action) {
	f := labelFilter(b.chain(), b.ticket, m, append([]mplsnl.Action{counting(index)}, actions...)...)
	f.Block, f.Match.LSE[1] = b.Block, below
	f.Handle = b.ticket<<5 + variant(m, below) + 1
	if len(b.g.Legs) == 2 && (m.TC == 0 && below.TC == 0) {
		// Never reached: the counter of the other leg goes on while it is held.
		f.Actions = append(f.Actions, counting(index^1))
	}
	b.c.Filters = append(b.c.Filters, f)
}

// send adds the filters of the ways out.
func (b *entering) send(index uint32, notes []mplsnl.Action, legs []leg) {
	forward := func(legs []leg, f front, tc int) []mplsnl.Action {
		return append(notes[:len(notes):len(notes)], forward(legs, f, tc)...)
	}
	if !copies(legs, b.front()) {
		b.add(index, forward(legs, b.front(), anyTC)...)
		return
	}
	for tc := range 8 {
		m := mplsnl.LSE{HasTC: true, TC: uint8(tc)}
		if b.InPlace {
			b.match(m, mplsnl.LSE{}, index, forward(legs, b.front(), tc))
		} else {
			b.match(mplsnl.LSE{}, m, index, forward(legs, b.front(), tc))
		}
	}
}

// leg compiles a leg of a selector bridge. One that is not active has no
// filters, but its counters, and the groups that it enters are ready.
func (b *entering) leg(i int, active bool) *dataplane.OpError {
	k := key(dataplane.KindLSP, b.g.Legs[i])
	l, ok := b.Objects[k].(dataplane.LSP)
	if !ok {
		return fail(b.g.Key(), fmt.Sprintf("leg %s is no LSP", b.g.Legs[i]))
	}
	from := len(b.c.dead)
	legs, err := b.ways(b.c, b.g.Key(), b.Block, b.Octets, hops(l))
	if err != nil {
		return err
	}
	classify(legs, l.Class)
	index := b.index(b.ticket, i)
	b.c.count(index, b.g.Key(), In, b.Octets)
	b.c.count(index, k, In, b.Octets)
	var ends []mplsnl.Action
	if why := closed(l); why != 0 {
		ends = []mplsnl.Action{dropping(why)}
	} else if len(legs) == 0 {
		ends = b.c.ends(from)
	}
	if ends != nil {
		b.c.count(index, k, Dropped, 0)
		if active {
			b.add(index, ends...)
		}
		return nil
	}
	for _, x := range legs {
		b.c.count(index, k, Out, b.Octets+4*x.own)
		b.c.account(index, x, b.Octets)
	}
	if active {
		b.send(index, b.c.notes(from), legs)
	}
	return nil
}

// bridge compiles a permanent bridge: a copy on each leg that is there.
func (b *entering) bridge() *dataplane.OpError {
	index, from := b.index(b.ticket, 0), len(b.c.dead)
	b.c.count(index, b.g.Key(), In, b.Octets)
	var all []leg
	for _, name := range b.g.Legs {
		k := key(dataplane.KindLSP, name)
		l, ok := b.Objects[k].(dataplane.LSP)
		if !ok {
			return fail(b.g.Key(), fmt.Sprintf("leg %s is no LSP", name))
		}
		b.c.count(index, k, In, b.Octets)
		if r := closed(l); r != 0 {
			b.c.dead = append(b.c.dead, r)
			b.c.count(index, k, Dropped, 0)
			continue
		}
		for _, h := range hops(l) {
			more, err := b.resolve(b.c, b.g.Key(), h, 1)
			if err != nil {
				return err
			}
			classify(more, l.Class)
			for _, x := range more {
				b.c.count(index, k, Out, b.Octets+4*x.own)
				b.c.account(index, x, b.Octets)
			}
			if len(more) == 0 {
				b.c.count(index, k, Dropped, 0)
			}
			all = append(all, more...)
		}
	}
	if len(all) == 0 {
		b.add(index, b.c.ends(from)...)
		return nil
	}
	b.send(index, b.c.notes(from), all)
	return nil
}
