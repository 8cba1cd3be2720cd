package fake

import (
	"github.com/tandem-ne/tandem/dataplane"
)

// Output is a frame that leaves a port, and the class of the queue that it
// waits in: that of the L-LSP, or the traffic class of its top label.
type Output struct {
	Port  string
	Frame []byte
	Queue uint8
}

// Forward gives the data plane a frame that arrived on a port and returns what
// it sends. The frame is not kept or changed.
func (d *Driver) Forward(port string, frame []byte) []Output {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out = nil
	if in, ok := d.ports[port]; ok && in.Up {
		d.receive(in, frame)
	}
	return d.out
}

// receive tells apart what is for a section, for an attachment circuit and for
// the host.
func (d *Driver) receive(in Port, frame []byte) {
	e, whole := parseEthernet(frame)
	vlan := uint16(0)
	if len(e.tags) > 0 {
		vlan = e.tags[0].vlan()
	}
	if sec, ok := d.sectionOn(in.Name, vlan); ok && whole && e.typ == typeMPLS && len(e.tags) < 2 && (len(e.tags) == 0 || e.tags[0].tpid == typeCTag) {
		d.labelled(sec, in, e)
		return
	}
	if s := d.circuitOf(in.Name, e.tags); s != nil {
		d.fromClient(s, in, frame)
		return
	}
	if whole && e.dst == in.MAC && len(e.tags) == 0 && e.typ != typeMPLS {
		d.routeIP(e.payload)
	}
}

func (d *Driver) sectionOn(port string, vlan uint16) (dataplane.Section, bool) {
	for _, s := range d.sections {
		if s.Interface == port && s.VLAN == vlan {
			return s, true
		}
	}
	return dataplane.Section{}, false
}

// labelled takes a labelled frame off a section.
func (d *Driver) labelled(sec dataplane.Section, in Port, e ethernet) {
	if e.dst != in.MAC && e.dst != dataplane.MulticastMAC() {
		d.drop("foreign-mac")
		return
	}
	c := d.counters(sec.Key())
	count(&c.In, len(e.payload))
	l, _ := top(e.payload)
	switch {
	case sec.Down:
		c.InDrops++
		d.drop("section-down")
		return
	case sec.Blocked && l.label != dataplane.GAL:
		c.InDrops++
		d.drop("blocked")
		return
	}
	space := ""
	if sec.InterfaceLabelSpace {
		space = sec.Name
	}
	d.lookup(arrival{sec: sec.Name, space: space, frame: e.bytes()}, e.payload)
}

// arrival is where a labelled packet came from, and what was taken off it.
type arrival struct {
	sec, space string
	frame      []byte
	// above is the LSP whose label was the last to be popped, zero after a
	// label that was no LSP's; stack are all labels so far.
	above dataplane.Key
	stack []uint32
}

// lookup takes labels off until the packet is sent, dropped, punted or turns
// out to be for an IP stack.
func (d *Driver) lookup(a arrival, b []byte) {
	for range maxLookup {
		e, ok := top(b)
		switch {
		case !ok && len(a.stack) == 0:
			d.drop("short")
			return
		case !ok:
			d.drop("no-bottom")
			return
		}
		a.stack = append(a.stack, e.label)
		if e.label < dataplane.MinLabel {
			if b = d.special(&a, e, b); b == nil {
				return
			}
			continue
		}
		k, ok := d.labels[spaceLabel{a.space, e.label}]
		if !ok {
			d.drop("unknown-label")
			return
		}
		if k.Kind == dataplane.KindPseudowire {
			d.fromNetwork(a, d.pseudowires[k.Name], e, b)
			return
		}
		if b = d.lsp(&a, d.lsps[k.Name], e, b); b == nil {
			return
		}
	}
	d.drop("too-deep")
}

// special handles a special-purpose label (RFC 7274) and returns what is to be
// looked up next, nil for nothing.
func (d *Driver) special(a *arrival, e entry, b []byte) []byte {
	below := b[lseLen:]
	switch e.label {
	case dataplane.GAL:
		// RFC 5586 section 4.2: always the bottom of the stack; alone for a
		// section, else right below the label of what it belongs to.
		if !e.bottom || len(below) < 4 || len(a.stack) > 1 && a.above == (dataplane.Key{}) {
			d.drop("malformed")
			return nil
		}
		d.punt("gal", *a, below)
	case dataplane.RouterAlert:
		if e.bottom {
			d.drop("malformed")
			return nil
		}
		d.punt("router-alert", *a, below)
	case dataplane.ExplicitNullIPv4, dataplane.ExplicitNullIPv6:
		a.above = dataplane.Key{}
		switch {
		case e.ttl <= 1:
			d.drop("ttl-expired")
			d.punt("ttl", *a, below)
		case !e.bottom:
			return below
		case etherType(below) != map[uint32]uint16{dataplane.ExplicitNullIPv4: typeIPv4, dataplane.ExplicitNullIPv6: typeIPv6}[e.label]:
			d.drop("unknown-payload")
		default:
			d.routeIP(below)
		}
	case dataplane.EntropyIndicator:
		// RFC 6790 section 4.1: it and the entropy label go with the label of
		// the tunnel above them.
		el, ok := top(below)
		if a.above == (dataplane.Key{}) || e.bottom || !ok || el.label < dataplane.MinLabel {
			d.drop("entropy-label")
			return nil
		}
		a.stack = append(a.stack, el.label)
		if !el.bottom {
			return below[lseLen:]
		}
		d.deliver(a.above, below[lseLen:])
	case dataplane.ExtensionLabel:
		// RFC 7274 section 3.1: the label below is no ordinary one, and none of
		// those that there are is known here.
		d.drop("extension-label")
	default:
		d.drop("special-label")
	}
	return nil
}

// lsp does what an LSP does to a packet with its label e on top of b, and
// returns what is to be looked up next, nil for nothing.
func (d *Driver) lsp(a *arrival, l *lsp, e entry, b []byte) []byte {
	c, below := d.counters(l.Key()), b[lseLen:]
	count(&c.In, len(b))
	a.above = l.Key()
	gach := false
	if next, ok := top(below); ok && !e.bottom {
		gach = next.label == dataplane.GAL
	}
	ends := l.Op == dataplane.PopAndLookup
	if ends && gach && (l.Loop == "" || e.ttl <= 1) {
		return below // OAM reaches its MEP whatever the state of the LSP.
	}
	fail := func(reason string) []byte {
		c.InDrops++
		d.drop(reason)
		return nil
	}
	switch {
	case e.ttl <= 1:
		d.punt("ttl", *a, below)
		return fail("ttl-expired")
	case l.Down:
		return fail("lsp-down")
	case l.Loop != "":
		d.loop(l, c, e, b)
		return nil
	case l.Blocked && !gach:
		return fail("blocked")
	case ends && l.Selector != "" && !d.selected(l.LSP):
		d.drop("not-selected") // No error: the other leg is the one in use.
		return nil
	}
	p := packet{body: below, labelled: !e.bottom, tc: e.tc}
	if !ends {
		d.forward(l, c, p, e.ttl-1)
		if !l.Bud {
			return nil
		}
	}
	if !e.bottom {
		return below
	}
	d.deliver(l.Key(), below)
	return nil
}

// selected tells whether the packets of an LSP with a selector are taken.
func (d *Driver) selected(l dataplane.LSP) bool {
	g := d.groups[l.Selector]
	return g != nil && g.active == l.SelectorLeg
}

// loop sends a packet back as if it had arrived on the LSP of the opposite
// direction (RFC 6435 section 4), which need not be open to users.
func (d *Driver) loop(l *lsp, c *dataplane.Counters, e entry, b []byte) {
	back := d.lsps[l.Loop]
	if back == nil || back.Op == dataplane.PopAndLookup || len(back.Branches) != 0 {
		c.InDrops++
		d.drop("blocked") // A looped path is a locked one.
		return
	}
	bc, below := d.counters(back.Key()), b[lseLen:]
	p := packet{body: below, labelled: !e.bottom, tc: e.tc}
	if back.Op == dataplane.ImposeAndForward {
		count(&bc.In, len(below))
	} else {
		count(&bc.In, len(b))
	}
	if back.Down {
		bc.InDrops++
		d.drop("lsp-down")
		return
	}
	d.forward(back, bc, p, e.ttl-1)
}

// forward sends what is below a label, or what enters an LSP here, to the next
// hop or to each branch. ttl is that of a swapped label.
func (d *Driver) forward(l *lsp, c *dataplane.Counters, p packet, ttl uint8) {
	switch {
	case l.Class != nil:
		p.class = l.Class
	case l.Op == dataplane.PopAndForward && l.TTLMode == dataplane.Pipe:
		p.class = &p.tc // The traffic class of the LSP selects the queue.
	case l.Op == dataplane.PopAndForward && !p.labelled:
		p.tc = precedence(p.body) // That of the client does (short-pipe).
	case l.Op == dataplane.PopAndForward:
		next, _ := top(p.body)
		p.tc = next.tc
	}
	for h := range l.hops() {
		q := p
		entries := impose(h.Stack, p.tc)
		switch l.Op {
		case dataplane.SwapAndForward:
			entries[len(entries)-1].ttl = ttl
		case dataplane.ImposeAndForward:
			if l.EntropyLabel && !p.labelled {
				lowest := entries[len(entries)-1]
				entries = append(entries,
					entry{label: dataplane.EntropyIndicator, tc: lowest.tc, ttl: lowest.ttl},
					entry{label: d.entropy(p.body)})
			}
		}
		d.send(h, c, q.push(entries...))
	}
}

// deliver gives an IP packet that comes out of an LSP to the host.
func (d *Driver) deliver(from dataplane.Key, b []byte) {
	if etherType(b) == 0 {
		d.counters(from).InDrops++
		d.drop("unknown-payload")
		return
	}
	d.routeIP(b)
}

// routeIP forwards an IP packet: into an LSP or a group, or to a neighbour.
func (d *Driver) routeIP(b []byte) {
	b = append([]byte(nil), b...)
	dst, ok := hop(b)
	if !ok {
		return
	}
	bits, into := -1, dataplane.Key{}
	var direct *Route
	for prefix, k := range d.prefixes {
		if prefix.Contains(dst) && prefix.Bits() > bits {
			bits, into = prefix.Bits(), k
		}
	}
	for i, r := range d.routes {
		if r.Prefix.Contains(dst) && r.Prefix.Bits() > bits {
			bits, direct = r.Prefix.Bits(), &d.routes[i]
		}
	}
	p := packet{body: b}
	switch {
	case direct != nil:
		d.transmit(direct.Port, ethernet{dst: direct.MAC, typ: etherType(b), payload: b}, 0)
	case into.Kind == dataplane.KindGroup:
		d.enterGroup(into.Name, p)
	case into.Kind == dataplane.KindLSP:
		d.enterLSP(d.lsps[into.Name], p)
	}
}

func count(c *dataplane.Counter, octets int) {
	c.Packets++
	c.Octets += uint64(octets)
}
