package fake

import (
	"iter"

	"github.com/tandem-ne/tandem/dataplane"
)

// hops yields the next hops of an LSP: one, or one per branch.
func (l *lsp) hops() iter.Seq[dataplane.NextHop] {
	return func(yield func(dataplane.NextHop) bool) {
		if len(l.Branches) == 0 {
			yield(l.Out)
			return
		}
		for _, b := range l.Branches {
			if !yield(b.NextHop) {
				return
			}
		}
	}
}

// send sends a packet on a section or into a group; c counts for whoever put
// the last label on.
func (d *Driver) send(h dataplane.NextHop, c *dataplane.Counters, p packet) bool {
	ok := false
	if h.Group != "" {
		ok = d.enterGroup(h.Group, p)
	} else {
		ok = d.sendSection(h.Section, p)
	}
	if ok {
		count(&c.Out, len(p.body))
	} else {
		c.OutDrops++
	}
	return ok
}

// enterGroup sends a packet on the active leg of a group, or on all with a
// permanent bridge.
func (d *Driver) enterGroup(name string, p packet) bool {
	g := d.groups[name]
	if g == nil {
		return d.drop("group-empty")
	}
	c := d.counters(g.Key())
	count(&c.In, len(p.body))
	switch p.nested++; {
	case g.Down:
		c.InDrops++
		return d.drop("group-down")
	case p.nested > maxNesting:
		c.InDrops++
		return d.drop("nesting")
	}
	sent := g.Permanent // What becomes of the copies is theirs to count.
	for i, name := range g.Legs {
		if uint8(i) != g.active && !g.Permanent {
			continue
		}
		l := d.lsps[name]
		if l == nil {
			c.InDrops++
			d.drop("group-empty")
			continue
		}
		sent = d.enterLSP(l, p) || sent
	}
	return sent
}

// enterLSP sends a client's packet into an LSP that begins here.
func (d *Driver) enterLSP(l *lsp, p packet) bool {
	c := d.counters(l.Key())
	count(&c.In, len(p.body))
	switch {
	case l.Down:
		c.InDrops++
		return d.drop("lsp-down")
	case l.Blocked:
		c.InDrops++
		return d.drop("blocked")
	}
	drops := c.OutDrops
	d.forward(l, c, p, 0)
	return len(l.Branches) != 0 || c.OutDrops == drops
}

// sendSection sends a packet on a section.
func (d *Driver) sendSection(name string, p packet) bool {
	sec, ok := d.sections[name]
	if !ok || sec.Down || !d.ports[sec.Interface].Up {
		if ok {
			d.counters(sec.Key()).OutDrops++
		}
		return d.drop("section-down")
	}
	c := d.counters(sec.Key())
	if sec.Blocked {
		c.OutDrops++
		return d.drop("blocked")
	}
	e := ethernet{dst: sec.PeerMAC.OrMulticast(), typ: typeMPLS, payload: p.body}
	if !p.labelled {
		if e.typ = etherType(p.body); e.typ == 0 {
			c.OutDrops++
			return d.drop("unknown-payload")
		}
	}
	if mtu := d.ports[sec.Interface].MTU; mtu != 0 && len(p.body) > mtu {
		c.OutDrops++
		return d.drop("too-long")
	}
	if sec.VLAN != 0 {
		e.tags = []tag{{typeCTag, sec.VLAN}}
	}
	queue := p.tc
	if l, ok := top(p.body); ok && p.labelled {
		queue = l.tc
	}
	if p.class != nil {
		queue = *p.class
	}
	count(&c.Out, len(p.body))
	d.transmit(sec.Interface, e, queue)
	return true
}

// transmit sends a frame from a port.
func (d *Driver) transmit(port string, e ethernet, queue uint8) {
	e.src = d.ports[port].MAC
	d.out = append(d.out, Output{Port: port, Frame: e.bytes(), Queue: queue})
}

// drop counts a frame that goes no further, and returns false.
func (d *Driver) drop(reason string) bool {
	d.drops[reason]++
	return false
}

// Punt is a frame that OAM gets.
type Punt struct {
	// Reason is "gal", "ttl", "router-alert" or "pseudowire-ach".
	Reason string
	// Section is where it arrived, Of the LSP or pseudowire it belongs to (zero:
	// the section), Stack the labels that were looked at, top first.
	Section string
	Of      dataplane.Key
	Stack   []uint32
	// Payload is what is below these labels, Frame everything.
	Payload, Frame []byte
	// Counters are those of Of when it arrived (RFC 6374 section 2.2).
	Counters dataplane.Counters
}

// punt gives a frame to OAM.
func (d *Driver) punt(reason string, a arrival, payload []byte) {
	p := Punt{Reason: reason, Section: a.sec, Of: a.above, Stack: a.stack, Payload: payload, Frame: a.frame}
	if a.above != (dataplane.Key{}) {
		p.Counters = *d.counters(a.above)
	}
	d.punts = append(d.punts, p)
	d.drops["punted-"+reason]++
}

// TakePunts returns the frames punted since the last call.
func (d *Driver) TakePunts() []Punt {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.punts
	d.punts = nil
	return p
}
