package ebpf

import (
	"encoding/binary"

	"github.com/tandem-ne/tandem/dataplane"
)

// forward is what an LSP does to what is left when its own label is gone: rest,
// with labels or without; ttl and tc are those of the label that is gone.
func (m *model) forward(l dataplane.LSP, rest []byte, labelled bool, ttl, tc uint8, class *uint8) {
	if l.Class != nil {
		class = l.Class
	}
	if len(l.Branches) == 0 {
		m.hop(l, l.Out, rest, labelled, ttl, tc, class)
		return
	}
	for _, b := range l.Branches {
		m.hop(l, b.NextHop, rest, labelled, ttl, tc, class)
	}
}

// hop sends on one next hop of an LSP.
func (m *model) hop(l dataplane.LSP, to dataplane.NextHop, rest []byte, labelled bool, ttl, tc uint8, class *uint8) {
	if l.Op == dataplane.PopAndForward {
		// RFC 3270 section 2.6.2: the class of the LSP goes on with the packet in
		// the pipe model, that of what it carried in the short pipe model.
		if l.TTLMode == dataplane.ShortPipe {
			tc = classOf(rest, labelled)
		} else if class == nil {
			class = &tc
		}
	}
	p := parcel{class: class, sender: l.Key(), section: to.Section, group: to.Group, labelled: labelled, body: rest,
		popped: l.Op == dataplane.PopAndForward, tc: tc}
	if l.EntropyLabel && !labelled {
		// RFC 6790 section 4.2: TTL and TC of the indicator are those of the label
		// above, the TTL of the entropy label is 0.
		above := to.Stack[len(to.Stack)-1]
		eli := modelEntry{label: labelELI, tc: tc, ttl: above.EffectiveTTL()}
		if above.HasTC {
			eli.tc = above.TC
		}
		p.body = append(eli.append(nil), modelEntry{label: labelLowest, bottom: true}.append(nil)...)
		p.body, p.labelled, p.entropy = append(p.body, rest...), true, len(rest)+4
	}
	swapped := int16(-1)
	if l.Op == dataplane.SwapAndForward {
		swapped = int16(ttl) - 1
	}
	p.push(to.Stack, tc, swapped)
	m.send(p)
}

// append writes the entry.
func (e modelEntry) append(b []byte) []byte {
	v := e.label<<12 | uint32(e.tc)<<9 | uint32(e.ttl)
	if e.bottom {
		v |= 1 << 8
	}
	return binary.BigEndian.AppendUint32(b, v)
}

// parcel is a packet on the way out.
type parcel struct {
	sender         dataplane.Key // Whose Out it counts as; zero: nobody's.
	overhead       int           // Octets of body that the sender does not count.
	section, group string
	body           []byte
	labelled       bool // body begins with a label; else it is an IP packet.
	entropy        int  // The entropy label is that far before the end; 0: none.
	// A label that is gone leaves its traffic class to those that come instead.
	popped bool
	tc     uint8
	class  *uint8 // Of the last L-LSP on the way, or of a pipe that ended; nil: none.
}

// classOf is the traffic class of what begins with a label, or of an IP packet.
func classOf(p []byte, labelled bool) uint8 {
	switch {
	case len(p) < 4:
		return 0
	case labelled:
		return parseEntry(p).tc
	case p[0]>>4 == 4:
		return p[1] >> 5
	}
	return p[0] & 15 >> 1
}

// push puts labels above the body: TTL and TC as configured, else 255 and tc.
// The lowest one has TTL swapped unless that is negative (RFC 3443 section 3).
func (p *parcel) push(stack []dataplane.LabelEntry, tc uint8, swapped int16) {
	var b []byte
	for i, le := range stack {
		e := modelEntry{label: le.Label, tc: tc, ttl: le.EffectiveTTL()}
		if le.HasTC {
			e.tc = le.TC
		}
		if i == len(stack)-1 {
			e.bottom = !p.labelled
			if swapped >= 0 {
				e.ttl = uint8(swapped)
			}
		}
		b = e.append(b)
	}
	if len(stack) > 0 {
		p.body, p.labelled, p.popped = append(b, p.body...), true, false
	}
}

func (p *parcel) topTC() uint8 {
	if p.popped {
		return p.tc
	}
	if p.labelled && len(p.body) >= 4 {
		return parseEntry(p.body).tc
	}
	return 0
}

// send takes a packet through the groups to a section. Groups and legs
// count as In what they are handed, legs as Out what they send.
func (m *model) send(p parcel) {
	type leg struct {
		key  dataplane.Key
		size int
	}
	var legs []leg
	size := len(p.body) - p.overhead
	imposed := 0
	senders := func(more ...dataplane.Key) []dataplane.Key {
		if p.sender != (dataplane.Key{}) {
			more = append(more, p.sender)
		}
		return more
	}
	end := func(why string, in dataplane.Key) {
		m.events[why]++
		if in != (dataplane.Key{}) {
			m.of(in).inDrops++
		}
		for _, k := range senders() {
			m.of(k).outDrops++
		}
		for _, l := range legs {
			m.of(l.key).outDrops++
		}
	}
	for depth := 0; p.group != ""; depth++ {
		g, ok := m.groups[p.group]
		if depth == modelMaxNesting || !ok {
			end("nesting", dataplane.Key{})
			return
		}
		c := m.of(g.Key())
		add(&c.in, len(p.body))
		if g.Down {
			end("group-down", g.Key())
			return
		}
		if g.Permanent && len(p.body) < 4 { // The relay of the copies takes no less.
			why := "unknown-payload"
			if p.labelled {
				why = "malformed"
			}
			m.dropOut(why, senders()...)
			return
		}
		if g.Permanent {
			for _, k := range senders() {
				add(&m.of(k).out, size)
			}
			for _, l := range legs {
				add(&m.of(l.key).out, l.size)
			}
			for _, name := range g.Legs {
				m.enter(name, p.body, p.labelled, p.topTC(), p.class)
			}
			return
		}
		name := g.Legs[m.active[g.Name]]
		l, ok := m.lsps[name]
		if !ok {
			end("group-empty", g.Key())
			return
		}
		add(&m.of(l.Key()).in, len(p.body))
		switch {
		case l.Down:
			end("lsp-down", l.Key())
			return
		case l.Blocked:
			end("blocked", l.Key())
			return
		}
		if l.Class != nil {
			p.class = l.Class
		}
		if len(l.Branches) > 0 {
			for _, k := range senders() {
				add(&m.of(k).out, size)
			}
			for _, l := range legs {
				add(&m.of(l.key).out, l.size)
			}
			m.forward(l, p.body, p.labelled, 0, p.topTC(), p.class)
			return
		}
		p.push(l.Out.Stack, p.topTC(), -1)
		imposed += len(l.Out.Stack)
		legs = append(legs, leg{l.Key(), len(p.body)})
		p.section, p.group = l.Out.Section, l.Out.Group
	}
	typ := uint16(typeMPLS)
	if !p.labelled {
		if typ = ipType(p.body); typ == 0 {
			m.dropOut("unknown-payload", senders(sectionKey(p.section))...)
			return
		}
	}
	s, ok := m.sections[p.section]
	drops := senders(sectionKey(p.section))
	for _, l := range legs {
		drops = append(drops, l.key)
	}
	iface, exists := m.ifaces[s.Interface]
	switch {
	case !ok || !exists || s.Down:
		m.dropOut("section-down", drops...)
		return
	case s.Blocked:
		m.dropOut("blocked", drops...)
		return
	case len(p.body) > iface.mtu:
		m.dropOut("too-long", drops...)
		return
	}
	for _, k := range senders() {
		add(&m.of(k).out, size)
	}
	for _, l := range legs {
		add(&m.of(l.key).out, l.size)
	}
	add(&m.of(s.Key()).out, len(p.body))
	f := frame(s.PeerMAC.OrMulticast(), iface.mac, s.VLAN, typ, p.body)
	queue := p.topTC()
	if p.class != nil {
		queue = *p.class
	}
	m.out.sent = append(m.out.sent, sentFrame{s.Interface, f, queue})
	if p.entropy > 0 {
		m.out.entropy = len(f) - p.entropy
	}
}
