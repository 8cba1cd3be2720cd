package fake

import (
	"encoding/binary"
	"slices"

	"github.com/tandem-ne/tandem/dataplane"
)

// tpid is the type of the outer tag of a circuit.
func tpid(a dataplane.Attachment) uint16 {
	if a.NNI {
		return typeSTag
	}
	return typeCTag
}

// matches tells whether the tags of a frame are those of a circuit. VLAN 0 is
// priority alone, and no VLAN.
func matches(a dataplane.Attachment, tags []tag) bool {
	if a.OuterVLAN != 0 && (len(tags) < 1 || tags[0].tpid != tpid(a) || tags[0].vlan() != a.OuterVLAN) {
		return false
	}
	return a.InnerVLAN == 0 || len(tags) > 1 && tags[1].tpid == typeCTag && tags[1].vlan() == a.InnerVLAN
}

// exactly tells whether tags that match a circuit are all that the frame has.
// A packet has no place for others; VLAN 0 on an untagged circuit is none.
func exactly(a dataplane.Attachment, tags []tag) bool {
	if a.OuterVLAN == 0 {
		return len(tags) == 0 || len(tags) == 1 && tags[0].vlan() == 0
	}
	return len(tags) == 1+min(int(a.InnerVLAN), 1)
}

// circuitOf returns the service whose circuit matches closest; nil: none.
func (d *Driver) circuitOf(port string, tags []tag) *service {
	var best *service
	score := func(a dataplane.Attachment) int {
		return min(int(a.OuterVLAN), 1) + min(int(a.InnerVLAN), 1)
	}
	for _, s := range d.services {
		a := s.Attachment
		if a.Interface == port && matches(a, tags) && (best == nil || score(a) > score(best.Attachment)) {
			best = s
		}
	}
	return best
}

// fromClient takes a frame off an attachment circuit.
func (d *Driver) fromClient(s *service, in Port, frame []byte) {
	e, whole := parseEthernet(frame)
	layer3 := d.carriesPackets(s.Service)
	if layer3 && !(whole && e.dst == in.MAC && exactly(s.Attachment, e.tags) && (e.typ == typeIPv4 || e.typ == typeIPv6 || e.typ == typeMPLS)) {
		return // For the host: address resolution, for example, or another VLAN.
	}
	c := d.counters(s.Key())
	count(&c.In, len(frame))
	fail := func(reason string) {
		c.InDrops++
		d.drop(reason)
	}
	switch {
	case s.Down:
		fail("service-down")
		return
	case !whole:
		fail("runt")
		return
	}
	colour := Green
	if s.Profile != nil {
		colour = s.meter.Mark(d.clock(), len(frame))
		count(&c.Colours[colour], len(frame))
		if colour == Red {
			fail("policed")
			return
		}
	}
	tc := class(s.Classes, colour, e, layer3)
	targets, ok := d.targets(s.Service, len(frame))
	if !ok {
		fail("group-down")
		return
	}
	if len(targets) == 0 {
		fail("pseudowire-down")
		return
	}
	for _, p := range targets {
		f := e
		f.tags = slices.Clone(e.tags)
		if !layer3 {
			operate(s.Attachment, &f)
		}
		d.encapsulate(p, f, tc)
	}
}

// carriesPackets tells whether a service has network-layer clients.
func (d *Driver) carriesPackets(s dataplane.Service) bool {
	names := slices.Clone(s.Receive)
	if g := d.groups[s.Send]; s.SendGroup && g != nil {
		names = append(names, g.Legs...)
	} else {
		names = append(names, s.Send)
	}
	for _, n := range names {
		if p := d.pseudowires[n]; p != nil {
			return p.Type == dataplane.NetworkLayer
		}
	}
	return false
}

// targets lists the pseudowires that a frame of a client goes to, of so many
// octets; false: it goes to a group that is down.
func (d *Driver) targets(s dataplane.Service, octets int) (to []*pseudowire, up bool) {
	names := []string{s.Send}
	if s.SendGroup {
		g := d.groups[s.Send]
		if g == nil {
			return nil, false
		}
		c := d.counters(g.Key())
		count(&c.In, octets)
		if g.Down {
			c.InDrops++
			return nil, false
		}
		if names = g.Legs; !g.Permanent {
			names = g.Legs[g.active : g.active+1]
		}
	}
	for _, n := range names {
		if p := d.pseudowires[n]; p != nil {
			to = append(to, p)
		}
	}
	return to, true
}

// class gives the traffic class of a frame by its priority, or of a packet by
// its precedence.
func class(m *dataplane.ClassMap, colour Colour, e ethernet, layer3 bool) uint8 {
	if m == nil {
		return 0
	}
	i := uint8(0)
	if l, ok := top(e.payload); layer3 && e.typ == typeMPLS && ok {
		i = l.tc
	} else if layer3 {
		i = precedence(e.payload)
	} else if len(e.tags) > 0 {
		i = e.tags[0].priority()
	}
	if colour == Yellow {
		return m.Yellow[i]
	}
	return m.Green[i]
}

// operate does the VLAN operation of a circuit to a frame from the client.
func operate(a dataplane.Attachment, e *ethernet) {
	switch a.Operation {
	case dataplane.PopTags:
		e.tags = e.tags[1:]
		if a.InnerVLAN != 0 {
			e.tags = e.tags[1:]
		}
	case dataplane.PushTag:
		e.add(tpid(a), a.VLAN)
	case dataplane.TranslateTag:
		e.tags[0].tci = e.tags[0].tci&0xf000 | a.VLAN
	}
}

// restore does the opposite to a frame towards the client; false: the frame
// has not the tags that it must have.
func restore(a dataplane.Attachment, e *ethernet) bool {
	written := len(e.tags) > 0 && e.tags[0].tpid == tpid(a) && e.tags[0].vlan() == a.VLAN
	switch a.Operation {
	case dataplane.PopTags:
		if a.InnerVLAN != 0 {
			e.add(typeCTag, a.InnerVLAN)
		}
		e.add(tpid(a), a.OuterVLAN)
	case dataplane.PushTag:
		if !written {
			return false
		}
		e.tags = e.tags[1:]
	case dataplane.TranslateTag:
		if !written {
			return false
		}
		e.tags[0].tci = e.tags[0].tci&0xf000 | a.OuterVLAN
	}
	return matches(a, e.tags)
}

// encapsulate sends a client's frame, or packet, on a pseudowire.
func (d *Driver) encapsulate(p *pseudowire, e ethernet, tc uint8) {
	c := d.counters(p.Key())
	fail := func(reason string) {
		c.OutDrops++
		d.drop(reason)
	}
	switch {
	case p.Down || len(p.Out.Stack) == 0:
		fail("pseudowire-down")
		return
	case p.Blocked:
		fail("blocked")
		return
	case len(e.payload) > int(p.EffectiveMTU()):
		fail("payload-too-long")
		return
	}
	q := packet{tc: tc}
	switch p.Type {
	case dataplane.NetworkLayer:
		q.body, q.labelled = e.payload, e.typ == typeMPLS
	case dataplane.EthernetTagged:
		if len(e.tags) == 0 {
			e.tags = []tag{{typeCTag, 0}}
		}
		q.body = e.bytes()
	default:
		q.body = e.bytes()
	}
	octets := len(q.body)
	if p.ControlWord {
		// RFC 4448 section 4.6: all zero but the sequence number.
		word := make([]byte, wordLen)
		if p.Sequencing {
			binary.BigEndian.PutUint16(word[2:], p.next())
		}
		q.body = append(word, q.body...)
	}
	if p.EncapsulationLabel && !q.labelled {
		null := uint32(dataplane.ExplicitNullIPv4)
		if e.typ == typeIPv6 {
			null = dataplane.ExplicitNullIPv6
		}
		q = q.push(entry{label: null, tc: tc, ttl: 255})
	}
	d.sendClient(p, c, q.push(impose(p.Out.Stack, tc)...), octets)
}

// sendClient sends what a pseudowire has encapsulated and counts the octets of
// the client.
func (d *Driver) sendClient(p *pseudowire, c *dataplane.Counters, q packet, octets int) bool {
	sent := dataplane.Counters{}
	if !d.send(p.Out, &sent, q) {
		c.OutDrops++
		return false
	}
	count(&c.Out, octets)
	return true
}

// fromNetwork takes a packet with the label of a pseudowire on top of b.
func (d *Driver) fromNetwork(a arrival, p *pseudowire, l entry, b []byte) {
	c, body := d.counters(p.Key()), b[lseLen:]
	a.above = p.Key()
	other, point := d.segment(p.Name)
	fail := func(reason string) {
		c.InDrops++
		d.drop(reason)
	}
	next, _ := top(body)
	gal := !l.bottom && next.label == dataplane.GAL
	ach := l.bottom && p.ControlWord && len(body) >= wordLen && body[0]>>4 == 1
	ends := point == nil && p.Loop == ""
	switch {
	case gal && ends:
		d.lookup(a, body)
		return
	case ach && ends:
		d.punt("pseudowire-ach", a, body)
		return
	case l.ttl <= 1:
		fail("ttl-expired") // VCCV type 3, RFC 5085 section 5.1.3.
		d.punt("ttl", a, body)
		return
	case p.Down:
		fail("pseudowire-down")
		return
	case p.Loop != "":
		d.swap(p, d.pseudowires[p.Loop], nil, l, body, true)
		return
	case point != nil:
		d.swap(p, other, point, l, body, ach || gal)
		return
	case p.Blocked:
		fail("blocked")
		return
	}
	if p.Type == dataplane.NetworkLayer {
		d.packetToClient(p, c, l, body)
		return
	}
	if !l.bottom {
		fail("malformed")
		return
	}
	if p.ControlWord {
		if len(body) < wordLen || body[0]>>4 != 0 {
			fail("control-word")
			return
		}
		seq := binary.BigEndian.Uint16(body[2:])
		body = body[wordLen:]
		if p.Sequencing && !d.inOrder(p, seq) {
			count(&c.In, len(body))
			fail("sequence")
			return
		}
	}
	count(&c.In, len(body))
	d.toClient(p, c, body)
}

// toClient sends an Ethernet frame off a pseudowire to its attachment circuit.
func (d *Driver) toClient(p *pseudowire, c *dataplane.Counters, frame []byte) {
	s, fail := d.receiver(p, c)
	if s == nil {
		return
	}
	e, whole := parseEthernet(frame)
	if !whole {
		fail("runt")
		return
	}
	if p.Type == dataplane.EthernetTagged {
		if len(e.tags) == 0 {
			fail("vlan-mismatch")
			return
		}
		if e.tags[0] == (tag{typeCTag, 0}) {
			e.tags = e.tags[1:] // That of a frame without tag.
		}
	}
	if !restore(s.Attachment, &e) {
		fail("vlan-mismatch")
		return
	}
	if len(e.payload) > int(p.EffectiveMTU()) {
		fail("payload-too-long")
		return
	}
	out := e.bytes()
	count(&d.counters(s.Key()).Out, len(out))
	d.out = append(d.out, Output{Port: s.Attachment.Interface, Frame: out})
}

// packetToClient sends a packet off a service label to its client (RFC 5921
// section 3.4.5).
func (d *Driver) packetToClient(p *pseudowire, c *dataplane.Counters, l entry, b []byte) {
	count(&c.In, len(b))
	s, fail := d.receiver(p, c)
	if s == nil {
		return
	}
	typ := uint16(typeMPLS)
	if next, ok := top(b); !l.bottom && ok && next.bottom && (next.label == dataplane.ExplicitNullIPv4 || next.label == dataplane.ExplicitNullIPv6) {
		b, l.bottom = b[lseLen:], true
	}
	if l.bottom {
		typ = etherType(b)
	}
	switch {
	case typ == 0:
		fail("unknown-payload")
		return
	case len(b) > int(p.EffectiveMTU()):
		fail("payload-too-long")
		return
	}
	a := s.Attachment
	e := ethernet{dst: a.PeerMAC, src: d.ports[a.Interface].MAC, typ: typ, payload: b}
	if a.InnerVLAN != 0 {
		e.add(typeCTag, a.InnerVLAN)
	}
	if a.OuterVLAN != 0 {
		e.add(tpid(a), a.OuterVLAN)
	}
	out := e.bytes()
	count(&d.counters(s.Key()).Out, len(out))
	d.out = append(d.out, Output{Port: a.Interface, Frame: out})
}

// receiver finds the service that takes the frames of a pseudowire, and how to
// count a frame that it does not get; nil: there is none that does.
func (d *Driver) receiver(p *pseudowire, c *dataplane.Counters) (*service, func(string)) {
	fail := func(reason string) {
		c.InDrops++
		d.drop(reason)
	}
	var s *service
	for _, x := range d.services {
		if slices.Contains(x.Receive, p.Name) {
			s = x
		}
	}
	if s == nil {
		fail("no-attachment")
		return nil, fail
	}
	both := func(reason string) {
		d.counters(s.Key()).OutDrops++
		fail(reason)
	}
	switch {
	case s.Down || !d.ports[s.Attachment.Interface].Up:
		both("service-down")
		return nil, both
	case !d.takes(s.Service, p.Name):
		d.drop("not-selected")
		return nil, both
	}
	return s, both
}

// takes tells whether a service takes what comes on a pseudowire: of a group
// with a permanent bridge only the active leg.
func (d *Driver) takes(s dataplane.Service, name string) bool {
	g := d.groups[s.Send]
	if !s.SendGroup || g == nil || !g.Permanent {
		return true
	}
	i := slices.Index(g.Legs, name)
	return i < 0 || uint8(i) == g.active
}

// segment finds the switching point of a pseudowire and its other segment.
func (d *Driver) segment(name string) (*pseudowire, *dataplane.SwitchingPoint) {
	for _, s := range d.points {
		for i, n := range s.Segments {
			if n == name {
				return d.pseudowires[s.Segments[1-i]], &s
			}
		}
	}
	return nil, nil
}

// swap sends what came on one segment on the other: the label changes, its TTL
// is one less, its traffic class stays; what is below is not looked at (RFC
// 6073). open lets it pass where users are blocked.
func (d *Driver) swap(p, q *pseudowire, at *dataplane.SwitchingPoint, l entry, body []byte, open bool) {
	c := d.counters(p.Key())
	octets := len(body)
	if p.ControlWord && octets >= wordLen {
		octets -= wordLen
	}
	if !open && p.Blocked {
		c.InDrops++
		d.drop("blocked")
		return
	}
	count(&c.In, octets)
	if q == nil {
		c.InDrops++
		d.drop("blocked") // Whoever is looped into nothing is locked.
		return
	}
	qc := d.counters(q.Key())
	switch {
	case q.Down || len(q.Out.Stack) == 0:
		qc.OutDrops++
		d.drop("pseudowire-down")
		return
	case !open && q.Blocked:
		qc.OutDrops++
		d.drop("blocked")
		return
	}
	entries := impose(q.Out.Stack, l.tc)
	entries[len(entries)-1].ttl = l.ttl - 1
	sent := d.sendClient(q, qc, packet{body: body, labelled: !l.bottom, tc: l.tc}.push(entries...), octets)
	if at != nil {
		sc := d.counters(at.Key())
		count(&sc.In, octets)
		if sent {
			count(&sc.Out, octets)
		}
	}
}

// next returns the sequence number of the next frame: 1 to 65535, as 0 tells
// that there is none (RFC 4385 section 4.1).
func (p *pseudowire) next() uint16 {
	p.sent++
	if p.sent == 0 {
		p.sent = 1
	}
	return p.sent
}

// resync is how many frames out of order in a row, but in order among
// themselves, are those of a peer that has begun to count anew.
const resync = 16

// notBehind compares sequence numbers (RFC 4385 section 4.2).
func notBehind(seq, expected uint16) bool {
	return seq >= expected && seq-expected < 1<<15 || seq < expected && expected-seq >= 1<<15
}

// inOrder tells whether a frame comes in its order (RFC 4385 section 4.2), or is
// the first of a new numbering: the RFC alone would refuse a peer that has begun
// anew for up to 32,767 frames.
func (d *Driver) inOrder(p *pseudowire, seq uint16) bool {
	following := max(seq+1, 1) // 65535 + 1 is 0 here.
	switch {
	case seq == 0:
		return true
	case notBehind(seq, max(p.expected, 1)):
	case p.late != 0 && notBehind(seq, p.following):
		p.late++
	default:
		p.late = 1
	}
	ok := notBehind(seq, max(p.expected, 1))
	if !ok && p.late == resync {
		d.drops["noted-resynchronized"]++
		ok = true
	}
	if p.following = following; ok {
		p.late, p.expected = 0, following
	}
	return ok
}
