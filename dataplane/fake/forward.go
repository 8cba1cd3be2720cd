package fake

import (
	"encoding/binary"
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
)

// Ethernet types and lengths.
const (
	etherLen  = 14
	typeVLAN  = 0x8100
	typeMPLS  = 0x8847
	typeIPv4  = 0x0800
	typeIPv6  = 0x86dd
	maxLookup = 16 // Labels taken off one packet.
)

// Output is a frame that leaves a port.
type Output struct {
	Port  string
	Frame []byte
}

// packet is what is left of a frame behind its Ethernet header.
type packet struct {
	stack   []entry // Top first.
	payload []byte
}

// entry is one label stack entry (RFC 3032); where it stands gives the S bit.
type entry struct {
	label uint32
	tc    uint8
	ttl   uint8
}

// Forward gives the data plane a frame that arrived on a port and returns what
// it sends. The frame is not kept or changed.
func (d *Driver) Forward(port string, frame []byte) []Output {
	d.mu.Lock()
	defer d.mu.Unlock()
	in, ok := d.ports[port]
	if !ok || !in.Up || len(frame) < etherLen {
		return nil
	}
	dst, rest, typ, vlan := dataplane.MAC(frame[:6]), frame[etherLen:], binary.BigEndian.Uint16(frame[12:]), uint16(0)
	if typ == typeVLAN && len(rest) >= 4 {
		vlan, typ, rest = binary.BigEndian.Uint16(rest)&0xfff, binary.BigEndian.Uint16(rest[2:]), rest[4:]
	}
	if typ != typeMPLS {
		if dst != in.MAC || vlan != 0 {
			return nil
		}
		return d.routeIP(rest)
	}
	if dst != in.MAC && dst != dataplane.MulticastMAC() {
		return nil
	}
	sec, ok := d.sectionOn(port, vlan)
	if !ok || sec.Down {
		return nil
	}
	count(&d.section[sec.Name].In, len(rest))
	p, ok := parseStack(rest)
	if !ok {
		return nil
	}
	return d.forwardMPLS(sec, p)
}

func (d *Driver) sectionOn(port string, vlan uint16) (dataplane.Section, bool) {
	for _, s := range d.sections {
		if s.Interface == port && s.VLAN == vlan {
			return s, true
		}
	}
	return dataplane.Section{}, false
}

// forwardMPLS looks labels up until the packet is sent, dropped or turns out
// to be for an IP stack.
func (d *Driver) forwardMPLS(sec dataplane.Section, p packet) []Output {
	space := ""
	if sec.InterfaceLabelSpace {
		space = sec.Name
	}
	for range maxLookup {
		if len(p.stack) == 0 {
			return d.routeIP(p.payload)
		}
		top := p.stack[0]
		l := d.labels[spaceLabel{space, top.label}]
		if l == nil {
			return nil
		}
		count(&l.counters.In, p.len())
		if l.Down || top.ttl <= 1 {
			l.counters.InDrops++
			return nil
		}
		switch l.Op {
		case dataplane.PopAndLookup:
			p.stack = p.stack[1:]
			continue
		case dataplane.SwapAndForward:
			last := len(l.Out.Stack) - 1
			swapped := impose(l.Out.Stack[last], top.tc)
			swapped.ttl = top.ttl - 1
			p.stack = append([]entry{swapped}, p.stack[1:]...)
			p.stack = push(p.stack, l.Out.Stack[:last], top.tc)
		case dataplane.PopAndForward:
			p.stack = p.stack[1:]
		case dataplane.PopImposeAndForward:
			p.stack = push(p.stack[1:], l.Out.Stack, top.tc)
		}
		return d.send1(l, p)
	}
	return nil
}

// routeIP forwards an IP packet: into an LSP or to a neighbour.
func (d *Driver) routeIP(b []byte) []Output {
	b = append([]byte(nil), b...)
	dst, ok := hop(b)
	if !ok {
		return nil
	}
	bits, lookup := -1, (*lsp)(nil)
	var direct *Route
	for prefix, l := range d.prefixes {
		if prefix.Contains(dst) && prefix.Bits() > bits {
			bits, lookup = prefix.Bits(), l
		}
	}
	for i, r := range d.routes {
		if r.Prefix.Contains(dst) && r.Prefix.Bits() > bits {
			bits, direct = r.Prefix.Bits(), &d.routes[i]
		}
	}
	if direct != nil {
		return []Output{d.ethernet(direct.Port, 0, direct.MAC, etherType(b), b)}
	}
	if lookup == nil {
		return nil
	}
	count(&lookup.counters.In, len(b))
	if lookup.Down {
		lookup.counters.InDrops++
		return nil
	}
	return d.send1(lookup, packet{stack: push(nil, lookup.Out.Stack, 0), payload: b})
}

// send1 sends a packet on the LSP's section.
func (d *Driver) send1(l *lsp, p packet) []Output {
	sec, ok := d.sections[l.Out.Section]
	if !ok || sec.Down || !d.ports[sec.Interface].Up {
		l.counters.OutDrops++
		return nil
	}
	typ := uint16(typeMPLS)
	if len(p.stack) == 0 {
		if typ = etherType(p.payload); typ == 0 {
			l.counters.OutDrops++
			return nil
		}
	}
	b := p.append(nil)
	count(&l.counters.Out, len(b))
	count(&d.section[sec.Name].Out, len(b))
	return []Output{d.ethernet(sec.Interface, sec.VLAN, sec.PeerMAC.OrMulticast(), typ, b)}
}

func (d *Driver) ethernet(port string, vlan uint16, dst dataplane.MAC, typ uint16, b []byte) Output {
	src := d.ports[port].MAC
	f := append(append([]byte(nil), dst[:]...), src[:]...)
	if vlan != 0 {
		f = binary.BigEndian.AppendUint16(f, typeVLAN)
		f = binary.BigEndian.AppendUint16(f, vlan)
	}
	f = binary.BigEndian.AppendUint16(f, typ)
	return Output{Port: port, Frame: append(f, b...)}
}

// impose makes the entry of a new label: TC of the packet unless one is
// configured (RFC 5462), TTL of its own (pipe, RFC 3443).
func impose(e dataplane.LabelEntry, tc uint8) entry {
	if e.HasTC {
		tc = e.TC
	}
	return entry{label: e.Label, tc: tc, ttl: e.EffectiveTTL()}
}

// push puts labels, top first, on a stack.
func push(stack []entry, labels []dataplane.LabelEntry, tc uint8) []entry {
	var out []entry
	for _, e := range labels {
		out = append(out, impose(e, tc))
	}
	return append(out, stack...)
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

func parseStack(b []byte) (p packet, ok bool) {
	for len(b) >= 4 {
		lse := binary.BigEndian.Uint32(b)
		p.stack = append(p.stack, entry{label: lse >> 12, tc: uint8(lse>>9) & 7, ttl: uint8(lse)})
		b = b[4:]
		if lse&(1<<8) != 0 {
			p.payload = b
			return p, true
		}
	}
	return p, false
}

func (p packet) len() int { return 4*len(p.stack) + len(p.payload) }

func (p packet) append(b []byte) []byte {
	for i, e := range p.stack {
		lse := e.label<<12 | uint32(e.tc)<<9 | uint32(e.ttl)
		if i == len(p.stack)-1 {
			lse |= 1 << 8
		}
		b = binary.BigEndian.AppendUint32(b, lse)
	}
	return append(b, p.payload...)
}

func count(c *dataplane.Counter, octets int) {
	c.Packets++
	c.Octets += uint64(octets)
}
