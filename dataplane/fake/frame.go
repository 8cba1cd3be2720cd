package fake

import (
	"encoding/binary"
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
)

// Ethernet types and lengths.
const (
	etherLen  = 14
	typeCTag  = 0x8100
	typeSTag  = 0x88a8
	typeMPLS  = 0x8847
	typeIPv4  = 0x0800
	typeIPv6  = 0x86dd
	lseLen    = 4
	wordLen   = 4  // Of the control word.
	maxLookup = 16 // Labels taken off one packet.
)

// entry is one label stack entry (RFC 3032).
type entry struct {
	label  uint32
	tc     uint8
	bottom bool
	ttl    uint8
}

// top reads the first entry of a label stack.
func top(b []byte) (entry, bool) {
	if len(b) < lseLen {
		return entry{}, false
	}
	v := binary.BigEndian.Uint32(b)
	return entry{label: v >> 12, tc: uint8(v>>9) & 7, bottom: v>>8&1 == 1, ttl: uint8(v)}, true
}

// append prints the entry behind b.
func (e entry) append(b []byte) []byte {
	v := e.label<<12 | uint32(e.tc)<<9 | uint32(e.ttl)
	if e.bottom {
		v |= 1 << 8
	}
	return binary.BigEndian.AppendUint32(b, v)
}

// packet is something that labels are put on.
type packet struct {
	body []byte
	// labelled tells that body begins with a label.
	labelled bool
	// tc is the traffic class that imposed labels get.
	tc uint8
	// class is that of the last L-LSP on the way; nil: none.
	class *uint8
	// nested counts the groups on the way.
	nested int
}

// push puts entries, top first, on the packet. From then on the packet has the
// traffic class of its top label.
func (p packet) push(entries ...entry) packet {
	var b []byte
	for i, e := range entries {
		e.bottom = i == len(entries)-1 && !p.labelled
		b = e.append(b)
	}
	p.body = append(b, p.body...)
	if len(entries) > 0 {
		p.labelled, p.tc = true, entries[0].tc
	}
	return p
}

// impose makes the entries of new labels: TC of the packet unless one is
// configured (RFC 5462), TTL of their own (pipe, RFC 3443).
func impose(labels []dataplane.LabelEntry, tc uint8) []entry {
	out := make([]entry, len(labels))
	for i, l := range labels {
		out[i] = entry{label: l.Label, tc: tc, ttl: l.EffectiveTTL()}
		if l.HasTC {
			out[i].tc = l.TC
		}
	}
	return out
}

// tag is a VLAN tag of an Ethernet frame.
type tag struct {
	tpid, tci uint16
}

func (t tag) vlan() uint16 { return t.tci & 0xfff }

// priority is the priority code point.
func (t tag) priority() uint8 { return uint8(t.tci >> 13) }

// ethernet is an Ethernet frame in parts.
type ethernet struct {
	dst, src dataplane.MAC
	tags     []tag // Outer first; at most two are looked at.
	typ      uint16
	payload  []byte
}

// parseEthernet takes a frame apart; false: it is cut short.
func parseEthernet(b []byte) (ethernet, bool) {
	if len(b) < etherLen {
		return ethernet{}, false
	}
	e := ethernet{dst: dataplane.MAC(b[:6]), src: dataplane.MAC(b[6:12])}
	b = b[12:]
	for range 2 {
		tpid := binary.BigEndian.Uint16(b)
		if tpid != typeCTag && tpid != typeSTag {
			break
		}
		if len(b) < 6 {
			return ethernet{}, false
		}
		e.tags = append(e.tags, tag{tpid, binary.BigEndian.Uint16(b[2:])})
		b = b[4:]
	}
	e.typ, e.payload = binary.BigEndian.Uint16(b), b[2:]
	return e, true
}

// bytes puts the frame together.
func (e ethernet) bytes() []byte {
	b := append(append([]byte(nil), e.dst[:]...), e.src[:]...)
	for _, t := range e.tags {
		b = binary.BigEndian.AppendUint16(b, t.tpid)
		b = binary.BigEndian.AppendUint16(b, t.tci)
	}
	return append(binary.BigEndian.AppendUint16(b, e.typ), e.payload...)
}

// add puts a tag in front; it gets the priority of the tag behind it.
func (e *ethernet) add(tpid, vlan uint16) {
	t := tag{tpid, vlan}
	if len(e.tags) > 0 {
		t.tci |= e.tags[0].tci & 0xe000
	}
	e.tags = append([]tag{t}, e.tags...)
}

// etherType returns the type of an IP packet by its version, 0 for others.
func etherType(b []byte) uint16 {
	if len(b) > 0 {
		switch b[0] >> 4 {
		case 4:
			return typeIPv4
		case 6:
			return typeIPv6
		}
	}
	return 0
}

// precedence is the upper three bits of the DS field of an IP packet.
func precedence(b []byte) uint8 {
	switch {
	case len(b) < 2:
		return 0
	case b[0]>>4 == 4:
		return b[1] >> 5
	}
	return b[0] & 0xf >> 1
}

// hop takes one hop off the TTL of an IP packet and returns its destination.
func hop(b []byte) (netip.Addr, bool) {
	switch etherType(b) {
	case typeIPv4:
		if len(b) < 20 || b[8] <= 1 {
			return netip.Addr{}, false
		}
		b[8]--
		// The TTL is the high octet of its word: RFC 1624 equation 3.
		sum := uint32(^binary.BigEndian.Uint16(b[10:])) + uint32(^uint16(0x0100))
		sum = sum&0xffff + sum>>16
		sum = sum&0xffff + sum>>16
		binary.BigEndian.PutUint16(b[10:], ^uint16(sum))
		return netip.AddrFrom4([4]byte(b[16:20])), true
	case typeIPv6:
		if len(b) < 40 || b[7] <= 1 {
			return netip.Addr{}, false
		}
		b[7]--
		return netip.AddrFrom16([16]byte(b[24:40])), true
	}
	return netip.Addr{}, false
}
