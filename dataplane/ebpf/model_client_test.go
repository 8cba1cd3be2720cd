package ebpf

import (
	"encoding/binary"
	"slices"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/oam"
)

// tag is an IEEE 802.1Q tag.
type tag struct{ tpid, tci uint16 }

func (t tag) vid() uint16 { return t.tci & 0xfff }

// clientFrame is a frame of a client taken apart: at most two tags are looked
// at.
type clientFrame struct {
	macs []byte // Both addresses.
	tags []tag
	typ  uint16
	rest []byte
}

// parseClient tells also whether the frame is whole up to its last tag.
func parseClient(f []byte) (c clientFrame, whole bool) {
	if len(f) < etherLen {
		return c, false
	}
	c.macs, c.typ, c.rest = f[:12], binary.BigEndian.Uint16(f[12:]), f[14:]
	for len(c.tags) < 2 && (c.typ == typeCTag || c.typ == typeSTag) {
		if len(c.rest) < 4 {
			return c, false
		}
		c.tags = append(c.tags, tag{c.typ, binary.BigEndian.Uint16(c.rest)})
		c.typ, c.rest = binary.BigEndian.Uint16(c.rest[2:]), c.rest[4:]
	}
	return c, true
}

func (c clientFrame) bytes() []byte {
	b := slices.Clone(c.macs)
	for _, t := range c.tags {
		b = binary.BigEndian.AppendUint16(b, t.tpid)
		b = binary.BigEndian.AppendUint16(b, t.tci)
	}
	return append(binary.BigEndian.AppendUint16(b, c.typ), c.rest...)
}

// pcp is the priority code point of the outer tag, 0 without one.
func (c clientFrame) pcp() uint8 {
	if len(c.tags) == 0 {
		return 0
	}
	return uint8(c.tags[0].tci >> 13)
}

// outerType is the type of the outer tag of a circuit.
func outerType(a dataplane.Attachment) uint16 {
	if a.NNI {
		return typeSTag
	}
	return typeCTag
}

// matches tells how many tags of the frame the circuit matches, -1: it is not
// its frame.
func (c clientFrame) matches(a dataplane.Attachment) int {
	if a.OuterVLAN == 0 {
		return 0
	}
	if len(c.tags) == 0 || c.tags[0].tpid != outerType(a) || c.tags[0].vid() != a.OuterVLAN {
		return -1
	}
	if a.InnerVLAN == 0 {
		return 1
	}
	if len(c.tags) < 2 || c.tags[1].tpid != typeCTag || c.tags[1].vid() != a.InnerVLAN {
		return -1
	}
	return 2
}

// circuitTags are the tags that a circuit matches, with a priority.
func circuitTags(a dataplane.Attachment, pcp uint8) (ts []tag) {
	if a.OuterVLAN != 0 {
		ts = append(ts, tag{outerType(a), uint16(pcp)<<13 | a.OuterVLAN})
	}
	if a.InnerVLAN != 0 {
		ts = append(ts, tag{typeCTag, uint16(pcp)<<13 | a.InnerVLAN})
	}
	return ts
}

// attachment is a frame on a port; it tells whether a circuit takes it.
func (m *model) attachment(port string, f []byte) bool {
	c, whole := parseClient(f)
	best, found := -1, dataplane.Service{}
	for _, s := range m.services {
		if s.Attachment.Interface == port {
			if n := c.matches(s.Attachment); n > best {
				best, found = n, s
			}
		}
	}
	if best < 0 {
		return false
	}
	pw, sends := m.pws[found.Send], found.Send != "" && !found.SendGroup
	if g, ok := m.groups[found.Send]; found.SendGroup && ok && !g.Permanent {
		pw, sends = m.pws[g.Legs[m.active[g.Name]]], true
	}
	if m.networkLayer(found) {
		// The host keeps what is none of the client's network layer: ARP and the like.
		// So it does what has tags beside those of the circuit: a packet carries
		// none. A tag of VLAN 0 is a priority (IEEE 802.1Q) and no VLAN.
		more := len(c.tags) - len(circuitTags(found.Attachment, 0))
		if best == 0 && more == 1 && c.tags[0].vid() == 0 {
			more = 0
		}
		if !whole || more != 0 || c.typ != typeIPv4 && c.typ != typeIPv6 && c.typ != typeMPLS || dataplane.MAC(c.macs[:6]) != m.ifaces[port].mac {
			return false
		}
	}
	k := found.Key()
	add(&m.of(k).in, len(f))
	colour := 0
	switch {
	case found.Down:
		m.dropIn("service-down", k)
		return true
	case !whole:
		m.dropIn("runt", k)
		return true
	}
	if found.Profile != nil {
		// RFC 4115 section 3, colour blind.
		b := m.buckets[found.Name]
		switch n := uint64(len(f)); {
		case b[0] >= n:
			b[0] -= n
		case b[1] >= n:
			b[1] -= n
			colour = 1
		default:
			m.dropIn("policed", k)
			return true
		}
	}
	var class uint8
	if found.Classes != nil {
		by := c.pcp()
		if m.networkLayer(found) {
			by = clientClass(c)
		}
		class = [2][8]uint8{found.Classes.Green, found.Classes.Yellow}[colour][by]
	}
	if g, ok := m.groups[found.Send]; found.SendGroup && ok {
		add(&m.of(g.Key()).in, len(f))
		if g.Down {
			m.dropIn("group-down", k, g.Key())
			return true
		}
	}
	if g, ok := m.groups[found.Send]; found.SendGroup && ok && g.Permanent {
		for _, leg := range g.Legs {
			m.encapsulate(found, m.pws[leg], c, class)
		}
		return true
	}
	if !sends || pw.Name == "" {
		m.dropIn("pseudowire-down", k)
		return true
	}
	m.encapsulate(found, pw, c, class)
	return true
}

func clientClass(c clientFrame) uint8 {
	switch {
	case c.typ == typeMPLS && len(c.rest) >= 4:
		return parseEntry(c.rest).tc
	case c.typ == typeIPv4 && len(c.rest) >= 2:
		return c.rest[1] >> 5
	case c.typ == typeIPv6 && len(c.rest) >= 2:
		return c.rest[0] & 15 >> 1
	}
	return 0
}

// networkLayer tells whether a service is a network-layer client (RFC 5921
// section 3.4.5).
func (m *model) networkLayer(s dataplane.Service) bool {
	for _, n := range append([]string{s.Send}, s.Receive...) {
		if m.pws[n].Type == dataplane.NetworkLayer {
			return true
		}
	}
	return false
}

// encapsulate sends a client's frame into a pseudowire.
func (m *model) encapsulate(s dataplane.Service, pw dataplane.Pseudowire, c clientFrame, class uint8) {
	k := pw.Key()
	switch {
	case pw.Down || len(pw.Out.Stack) == 0:
		m.dropOut("pseudowire-down", k)
		return
	case pw.Blocked:
		m.dropOut("blocked", k)
		return
	}
	p := parcel{sender: k, section: pw.Out.Section, group: pw.Out.Group}
	if pw.Type == dataplane.NetworkLayer {
		if c.typ != typeMPLS && c.typ != ipType(c.rest) {
			m.dropOut("unknown-payload", k)
			return
		}
		if len(c.rest) > int(pw.EffectiveMTU()) {
			m.dropOut("payload-too-long", k)
			return
		}
		p.body, p.labelled = c.rest, c.typ == typeMPLS
		if pw.EncapsulationLabel && !p.labelled {
			null := uint32(labelIPv4Null)
			if c.typ == typeIPv6 {
				null = labelIPv6Null
			}
			p.body, p.labelled = append(modelEntry{label: null, tc: class, bottom: true, ttl: 255}.append(nil), c.rest...), true
		}
		p.overhead = 4*len(pw.Out.Stack) + len(p.body) - len(c.rest)
		p.push(pw.Out.Stack, class, -1)
		m.send(p)
		return
	}
	c.tags = slices.Clone(c.tags)
	a := s.Attachment
	switch a.Operation {
	case dataplane.PopTags:
		c.tags = c.tags[len(circuitTags(a, 0)):]
	case dataplane.PushTag:
		c.tags = append([]tag{{outerType(a), uint16(c.pcp())<<13 | a.VLAN}}, c.tags...)
	case dataplane.TranslateTag:
		c.tags[0].tci = c.tags[0].tci&0xf000 | a.VLAN
	}
	if pw.Type == dataplane.EthernetTagged && len(c.tags) == 0 {
		// RFC 4448 section 4.4.1.
		c.tags = []tag{{typeCTag, 0}}
	}
	// Of the frame as it is carried two tags are looked at, whatever they were.
	c, whole := parseClient(c.bytes())
	if !whole {
		m.dropOut("runt", k)
		return
	}
	if len(c.rest) > int(pw.EffectiveMTU()) {
		m.dropOut("payload-too-long", k)
		return
	}
	b := c.bytes()
	if pw.ControlWord {
		var cw uint32
		if pw.Sequencing {
			n := m.sent[pw.Name]
			cw = uint32(n)
			if n++; n == 0 {
				n = 1 // RFC 4385 section 4.1: 0 is no sequence number.
			}
			m.sent[pw.Name] = n
		}
		b, p.overhead = append(binary.BigEndian.AppendUint32(nil, cw), b...), 4
	}
	p.body = b
	p.overhead += 4 * len(pw.Out.Stack)
	p.push(pw.Out.Stack, class, -1)
	m.send(p)
}

// pseudowire is what arrives with the label of a pseudowire: e is the label,
// rest what is behind it.
func (m *model) pseudowire(w *walker, pw dataplane.Pseudowire, e modelEntry, rest []byte) {
	k := pw.Key()
	other, switched := m.otherSegment(pw.Name)
	channel := e.bottom && pw.ControlWord && len(rest) >= 4 && rest[0]>>4 == 1 ||
		!e.bottom && len(rest) >= 8 && parseEntry(rest).label == labelGAL && parseEntry(rest).bottom
	if !switched && pw.Loop == "" {
		// RFC 5586 section 4.2.1.1, RFC 5085: the associated channel of the
		// pseudowire, in any condition.
		if e.bottom && pw.ControlWord && len(rest) >= 4 && rest[0]>>4 == 1 {
			w.punt(oam.ReasonPWACH, e.label, true)
			return
		}
		if !e.bottom && len(rest) >= 8 && parseEntry(rest).label == labelGAL && parseEntry(rest).bottom {
			w.above, w.hasAbove = e.label, true
			w.special(parseEntry(rest), rest[4:], 1)
			return
		}
	}
	if e.ttl <= 1 {
		m.events["ttl-expired"]++
		m.of(k).inDrops++
		w.punt(oam.ReasonTTLExpired, e.label, true)
		return
	}
	if pw.Down {
		m.dropIn("pseudowire-down", k)
		return
	}
	if pw.Loop != "" {
		// RFC 6435 section 4, like a switching point.
		m.segment(pw, m.pws[pw.Loop], e, rest, true)
		return
	}
	if switched {
		m.segment(pw, other, e, rest, channel)
		return
	}
	if pw.Blocked {
		m.dropIn("blocked", k)
		return
	}
	if pw.Type == dataplane.NetworkLayer {
		m.toNetworkLayer(pw, e, rest)
		return
	}
	if !e.bottom {
		m.dropIn("malformed", k)
		return
	}
	body := rest
	if pw.ControlWord {
		if len(rest) < 4 || rest[0]>>4 != 0 {
			m.dropIn("control-word", k)
			return
		}
		body = rest[4:]
	}
	add(&m.of(k).in, len(body))
	if pw.Sequencing && !m.inOrder(pw.Name, binary.BigEndian.Uint16(rest[2:])) {
		m.dropIn("sequence", k)
		return
	}
	s, ok := m.receiver(pw.Name)
	if !ok {
		m.dropIn(modelNoAttachment, k)
		return
	}
	if !m.toClient(s, pw) {
		return
	}
	m.toEthernet(s, pw, body, e.tc)
}

// modelOrder is what a pseudowire remembers of the numbers that came.
type modelOrder struct {
	expected uint16
	refused  []uint16 // One behind the other, since the last one in order.
}

// ahead is the comparison of RFC 4385 section 4.2, on a circle of 2^16.
func ahead(n, expected uint16) bool {
	if n >= expected {
		return int(n)-int(expected) < 32768
	}
	return int(expected)-int(n) >= 32768
}

// inOrder is RFC 4385 section 4.2, and the rule of the contract for a peer that
// begins anew: the sixteenth of refused frames that follow each other in order
// is taken.
func (m *model) inOrder(pw string, n uint16) bool {
	o := m.order[pw]
	if n == 0 {
		return true
	}
	if !ahead(n, o.expected) {
		if k := len(o.refused); k > 0 && !ahead(n, after(o.refused[k-1])) {
			o.refused = nil
		}
		if o.refused = append(o.refused, n); len(o.refused) < 16 {
			return false
		}
		m.events["noted-resynchronized"]++
	}
	o.expected, o.refused = after(n), nil
	return true
}

// after is the next number; 0 is none.
func after(n uint16) uint16 {
	if n == 65535 {
		return 1
	}
	return n + 1
}

// otherSegment is where a switching point sends what arrives on a pseudowire.
func (m *model) otherSegment(pw string) (dataplane.Pseudowire, bool) {
	for _, p := range m.points {
		for i, s := range p.Segments {
			if s == pw {
				return m.pws[p.Segments[1-i]], true
			}
		}
	}
	return dataplane.Pseudowire{}, false
}

// segment switches a pseudowire (RFC 6073 section 4): the label changes, TTL
// less one, what is behind it stays. open frames pass where users are blocked.
func (m *model) segment(in, out dataplane.Pseudowire, e modelEntry, rest []byte, open bool) {
	overhead := 0
	if in.ControlWord && len(rest) >= 4 {
		overhead = 4
	}
	if in.Blocked && !open {
		m.dropIn("blocked", in.Key())
		return
	}
	add(&m.of(in.Key()).in, max(len(rest)-overhead, 0))
	switch {
	case out.Name == "":
		m.dropIn("blocked", in.Key())
		return
	case out.Down || len(out.Out.Stack) == 0:
		m.dropOut("pseudowire-down", out.Key())
		return
	case out.Blocked && !open:
		m.dropOut("blocked", out.Key())
		return
	}
	if !out.ControlWord {
		overhead = 0
	} else if len(rest) >= 4 {
		overhead = 4
	}
	p := parcel{sender: out.Key(), overhead: overhead + 4*len(out.Out.Stack), section: out.Out.Section, group: out.Out.Group,
		body: rest, labelled: !e.bottom}
	p.push(out.Out.Stack, e.tc, int16(e.ttl)-1)
	m.send(p)
}

// receiver is the service that takes what arrives on a pseudowire.
func (m *model) receiver(pw string) (dataplane.Service, bool) {
	for _, s := range m.services {
		if slices.Contains(s.Receive, pw) {
			return s, true
		}
	}
	return dataplane.Service{}, false
}

// toClient is what holds for all frames towards a client.
func (m *model) toClient(s dataplane.Service, pw dataplane.Pseudowire) bool {
	if s.Down {
		m.endAtService("service-down", s, pw)
		return false
	}
	if g, ok := m.groups[s.Send]; ok && s.SendGroup && g.Permanent {
		if i := slices.Index(g.Legs, pw.Name); i >= 0 && uint8(i) != m.active[g.Name] {
			m.endAtService("not-selected", s, pw)
			return false
		}
	}
	return true
}

// endAtService drops a frame that a service was to hand to its client.
func (m *model) endAtService(why string, s dataplane.Service, pw dataplane.Pseudowire) {
	m.dropIn(why, pw.Key())
	m.of(s.Key()).outDrops++
}

// toEthernet hands a frame to the client: the opposite of what the circuit does
// to frames from there.
func (m *model) toEthernet(s dataplane.Service, pw dataplane.Pseudowire, body []byte, tc uint8) {
	c, whole := parseClient(body)
	if !whole {
		m.endAtService("runt", s, pw)
		return
	}
	payload := len(c.rest)
	c.tags = slices.Clone(c.tags)
	a := s.Attachment
	mismatch := func() { m.endAtService("vlan-mismatch", s, pw) }
	if pw.Type == dataplane.EthernetTagged {
		if len(c.tags) == 0 {
			mismatch()
			return
		}
		if c.tags[0] == (tag{typeCTag, 0}) {
			c.tags = c.tags[1:]
			c = again(c)
		}
	}
	switch a.Operation {
	case dataplane.PopTags:
		c.tags = append(circuitTags(a, c.pcp()), c.tags...)
	case dataplane.PushTag:
		if len(c.tags) == 0 || c.tags[0].tpid != outerType(a) || c.tags[0].vid() != a.VLAN {
			mismatch()
			return
		}
		c.tags = c.tags[1:]
		c = again(c)
	case dataplane.TranslateTag:
		if len(c.tags) == 0 || c.tags[0].tpid != outerType(a) || c.tags[0].vid() != a.VLAN {
			mismatch()
			return
		}
		c.tags[0].tci = c.tags[0].tci&0xf000 | a.OuterVLAN
	}
	if c.matches(a) < 0 {
		mismatch()
		return
	}
	f := c.bytes()
	// The interface takes one tag more than its MTU says, as Linux has it.
	if payload > int(pw.EffectiveMTU()) || len(f) > m.ifaces[a.Interface].mtu+etherLen+4*min(len(c.tags), 1) {
		m.endAtService("payload-too-long", s, pw)
		return
	}
	add(&m.of(s.Key()).out, len(f))
	m.out.sent = append(m.out.sent, sentFrame{a.Interface, f, tc})
}

// again looks at the tags anew after one was taken off.
func again(c clientFrame) clientFrame {
	c, _ = parseClient(c.bytes())
	c.tags = slices.Clone(c.tags)
	return c
}

// toNetworkLayer hands a packet to a network-layer client.
func (m *model) toNetworkLayer(pw dataplane.Pseudowire, e modelEntry, rest []byte) {
	k, typ, body, fault := pw.Key(), uint16(0), rest, "unknown-payload"
	if e.bottom {
		typ = ipType(rest)
	} else if len(rest) >= 8 {
		below := parseEntry(rest)
		typ = typeMPLS
		if below.bottom && (below.label == labelIPv4Null || below.label == labelIPv6Null) {
			typ, body = ipType(rest[4:]), rest[4:]
			if below.label == labelIPv4Null != (typ == typeIPv4) {
				typ = 0
			}
		}
	} else {
		fault = "malformed"
	}
	add(&m.of(k).in, len(rest))
	s, ok := m.receiver(pw.Name)
	if !ok {
		m.dropIn(modelNoAttachment, k)
		return
	}
	if !m.toClient(s, pw) {
		return
	}
	if typ == 0 {
		m.endAtService(fault, s, pw)
		return
	}
	iface, tags := m.ifaces[s.Attachment.Interface], circuitTags(s.Attachment, 0)
	if len(body) > int(pw.EffectiveMTU()) || len(body)+4*max(0, len(tags)-1) > iface.mtu {
		m.endAtService("payload-too-long", s, pw)
		return
	}
	c := clientFrame{macs: append(append([]byte(nil), s.Attachment.PeerMAC[:]...), iface.mac[:]...), tags: tags, typ: typ, rest: body}
	f := c.bytes()
	add(&m.of(s.Key()).out, len(f))
	m.out.sent = append(m.out.sent, sentFrame{s.Attachment.Interface, f, e.tc})
}
