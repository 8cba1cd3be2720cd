package kernel

import (
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// counts turns the counters of actions into those of objects. An action counts
// on while the filters that share it are replaced. What it counted since it was
// read last goes to those it counts for at that time: before that changes, it
// is read.
type counts struct {
	last   map[uint32]mplsnl.ActionStats
	whom   map[uint32][]chain.Count
	totals map[dataplane.Key]*total
}

// total is the counters of one object.
type total struct {
	dataplane.Counters
	taken, drops uint64
}

func newCounts() counts {
	return counts{
		last: map[uint32]mplsnl.ActionStats{},
		whom: map[uint32][]chain.Count{}, totals: map[dataplane.Key]*total{},
	}
}

// add takes in what was read of one action.
func (c *counts) add(s mplsnl.ActionStats) {
	whom, ok := c.whom[s.Index]
	if !ok {
		return
	}
	last := c.last[s.Index]
	if s.Packets < last.Packets || s.Octets < last.Octets {
		last = mplsnl.ActionStats{} // Another action of that index.
	}
	packets, octets := s.Packets-last.Packets, s.Octets-last.Octets
	c.last[s.Index] = s
	if packets == 0 {
		return
	}
	for _, w := range whom {
		t := c.total(w.Key)
		n := dataplane.Counter{Packets: packets, Octets: uint64(int64(octets) + int64(packets)*int64(w.Octets))}
		switch w.What {
		case chain.In:
			t.In.Packets += n.Packets
			t.In.Octets += n.Octets
		case chain.Out:
			t.Out.Packets += n.Packets
			t.Out.Octets += n.Octets
		case chain.Taken:
			t.taken += n.Packets
		case chain.Dropped:
			t.drops += n.Packets
		default:
			t.countClient(w.What, n)
		}
	}
}

func (c *counts) total(k dataplane.Key) *total {
	t := c.totals[k]
	if t == nil {
		t = new(total)
		c.totals[k] = t
	}
	return t
}

// bind makes actions count for what a list says, which is in the order of their
// indices. All of an index are of one object, so its part of the list is kept.
func (c *counts) bind(list []chain.Count) {
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Index == list[0].Index {
			n++
		}
		c.whom[list[0].Index] = list[:n:n]
		list = list[n:]
	}
}

// takes tells whether an object counts what it has taken.
func (m *made) takes(k dataplane.Key) bool {
	for i := range m.counts {
		if w := &m.counts[i]; w.What == chain.Taken && w.Key == k {
			return true
		}
	}
	return false
}

// indices returns those of a list, each once.
func indices(list []chain.Count, to map[uint32]struct{}) {
	for _, w := range list {
		to[w.Index] = struct{}{}
	}
}

// settle reads the actions of a set before they count for others.
func (t *chains) settle(set map[uint32]struct{}) error {
	if len(set) == 0 {
		return nil
	}
	if 4*len(set) > len(t.counts.whom) {
		return t.readAll()
	}
	list := make([]uint32, 0, len(set))
	for i := range set {
		if _, ok := t.counts.whom[i]; ok {
			list = append(list, i)
		}
	}
	return t.link.Conn().CountsOf(list, t.counts.add)
}

func (t *chains) readAll() error {
	if len(t.counts.whom) == 0 {
		return nil
	}
	if err := t.link.Conn().Counts(t.counts.add); err != nil {
		return fmt.Errorf("read counters: %w", err)
	}
	return nil
}

// read returns the counters of objects. Those of one call are read together.
func (t *chains) read(keys []dataplane.Key, dst []dataplane.Counters) ([]dataplane.Counters, error) {
	set := map[uint32]struct{}{}
	all := false
	for _, k := range keys {
		// What a section, a group or a leg sends is counted by others.
		m := t.made[k]
		all = all || m == nil || len(t.users[k]) != 0
		if m != nil {
			indices(m.counts, set)
		}
	}
	var err error
	if all {
		err = t.readAll()
	} else {
		err = t.settle(set)
	}
	if err != nil {
		return dst, err
	}
	for _, k := range keys {
		var c dataplane.Counters
		m := t.made[k]
		if m == nil || t.state.Objects[k] == nil {
			dst = append(dst, c)
			continue
		}
		if n := t.counts.totals[k]; n != nil {
			c = n.Counters
			c.InDrops = n.drops
			if c.In.Packets > n.taken && m.takes(k) {
				c.InDrops += c.In.Packets - n.taken
			}
		}
		c.Since = m.since
		dst = append(dst, c)
	}
	return dst, nil
}

// reasons returns what was dropped for no single object.
func (t *chains) reasons() (map[string]uint64, error) {
	names := map[uint32]string{}
	out := map[string]uint64{}
	chain.Reasons(func(index uint32, name string) { names[index], out[name] = name, 0 })
	err := t.link.Conn().Counts(func(s mplsnl.ActionStats) {
		if name, ok := names[s.Index]; ok {
			out[name] += s.Packets
		}
	})
	// What is too long for a section is dropped by its interface, unless it is a
	// client's.
	delete(out, chain.TooLong.String())
	if err == nil {
		err = t.link.Conn().CountsOfKind(mplsnl.VLAN, []uint32{chain.IndexTag}, func(s mplsnl.ActionStats) { out[chain.Runt.String()] += s.Drops })
	}
	if err != nil {
		return out, err
	}
	err = t.link.Conn().CountsOfKind(mplsnl.MPLS, []uint32{chain.IndexTTL}, func(s mplsnl.ActionStats) { out[chain.TTLZero.String()] += s.Drops })
	return out, err
}
