package ebpf

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/tandem-ne/tandem/oam"
)

// model is the forwarding written a second time, in Go and from the RFCs, to
// hold the programs against. It is slow and has no state but counters.
type model struct {
	sections map[uint32]tandemSection
	ports    map[tandemPortKey]uint32
	lsps     map[uint32]tandemLsp
	labels   map[labelKey]uint32
	prefixes map[netip.Prefix]uint32

	lspCount map[uint32]tandemCounters
	secCount map[uint32]tandemCounters
	events   [len(eventNames)]uint64
	punted   *punted // by the last frame
}

// punted is what a punt says.
type punted struct {
	reason   oam.Reason
	label    uint32
	hasLabel bool
}

// Events by the names of DropCounters.
func event(name string) int {
	for i, n := range eventNames {
		if n == name {
			return i
		}
	}
	panic("no event " + name)
}

func newModel() *model {
	return &model{
		sections: map[uint32]tandemSection{}, ports: map[tandemPortKey]uint32{}, lsps: map[uint32]tandemLsp{},
		labels: map[labelKey]uint32{}, prefixes: map[netip.Prefix]uint32{},
		lspCount: map[uint32]tandemCounters{}, secCount: map[uint32]tandemCounters{},
	}
}

func (m *model) lspCounter(id uint32, f func(*tandemCounters)) {
	c := m.lspCount[id]
	f(&c)
	m.lspCount[id] = c
}

func (m *model) secCounter(id uint32, f func(*tandemCounters)) {
	c := m.secCount[id]
	f(&c)
	m.secCount[id] = c
}

// dropIn counts a drop at the LSP, or at the section if there is none (0).
func (m *model) dropIn(sec, lsp uint32, why string) (uint32, []byte) {
	m.events[event(why)]++
	if lsp != 0 {
		m.lspCounter(lsp, func(c *tandemCounters) { c.InDrops++ })
	} else if sec != 0 {
		m.secCounter(sec, func(c *tandemCounters) { c.InDrops++ })
	}
	return xdpDrop, nil
}

func (m *model) punt(reason oam.Reason, label uint32, has bool) (uint32, []byte) {
	m.events[event("punted-gal")+int(reason)]++
	m.punted = &punted{reason, label, has}
	return xdpDrop, nil
}

// receive is a frame on interface 1.
func (m *model) receive(f []byte) (uint32, []byte) {
	m.punted = nil
	if len(f) < 14 {
		return xdpPass, f
	}
	typ, at, vlan := binary.BigEndian.Uint16(f[12:]), 14, uint32(0)
	if typ == 0x8100 && len(f) >= 18 {
		vlan, typ, at = uint32(binary.BigEndian.Uint16(f[14:])&0xfff), binary.BigEndian.Uint16(f[16:]), 18
	}
	id, ok := m.ports[tandemPortKey{Ifindex: 1, Vlan: vlan}]
	if typ != 0x8847 || !ok {
		return xdpPass, f
	}
	s := m.sections[id]
	if mac := [6]byte(f); mac != s.Own && mac != [6]byte{0x01, 0x00, 0x5e, 0x90, 0x00, 0x00} {
		return m.dropIn(id, 0, "foreign-mac")
	}
	m.secCounter(id, func(c *tandemCounters) { c.InPackets++; c.InOctets += uint64(len(f) - at) })
	if s.Flags&flagSectionDown != 0 {
		return m.dropIn(id, 0, "section-down")
	}
	return m.labels1(f, f[at:], id)
}

// labels1 works on the label stack b of frame f, from the top.
func (m *model) labels1(f, b []byte, sec uint32) (uint32, []byte) {
	var above uint32 // The LSP that ended here.
	for depth := 0; ; depth++ {
		if depth == maxReceive {
			return m.dropIn(sec, 0, "too-deep")
		}
		if len(b) < 4 {
			return m.dropIn(sec, 0, "malformed")
		}
		v, rest := binary.BigEndian.Uint32(b), b[4:]
		label, tc, bottom, ttl := v>>12, v>>9&7, v>>8&1 == 1, v&255
		switch {
		case label == 13:
			if !bottom || len(rest) < 4 || depth > 0 && above == 0 {
				return m.dropIn(sec, 0, "malformed")
			}
			return m.punt(oam.ReasonGAL, above, above != 0)
		case label == 1 && bottom:
			return m.dropIn(sec, 0, "malformed")
		case label == 1:
			return m.punt(oam.ReasonRouterAlert, 1, true)
		case label == 0 || label == 2:
			if ttl <= 1 {
				m.events[event("ttl-expired")]++
				return m.punt(oam.ReasonTTLExpired, label, true)
			}
			if bottom {
				version := byte(4)
				if label == 2 {
					version = 6
				}
				if ipVersion(rest) != version {
					return m.dropIn(sec, 0, "unknown-payload")
				}
				return m.deliver(f, rest, sec)
			}
			above, b = 0, rest
			continue
		case label < 16:
			return m.punt(oam.ReasonReserved, label, true)
		}
		id := m.find(sec, label, depth)
		l := m.lsps[id]
		if id == 0 || l.Op < 2 || l.Op > 5 {
			return m.dropIn(sec, 0, "unknown-label")
		}
		m.lspCounter(id, func(c *tandemCounters) { c.InPackets++; c.InOctets += uint64(len(b)) })
		oamNext := l.Op == 5 && !bottom && len(rest) >= 4 && binary.BigEndian.Uint32(rest)>>12 == 13
		if ttl <= 1 && !oamNext {
			m.events[event("ttl-expired")]++
			m.lspCounter(id, func(c *tandemCounters) { c.InDrops++ })
			return m.punt(oam.ReasonTTLExpired, label, true)
		}
		if l.Flags&flagLSPDown != 0 && !oamNext {
			return m.dropIn(sec, id, "lsp-down")
		}
		if l.Op != 5 {
			return m.forward(id, rest, ttl, tc, bottom)
		}
		if bottom {
			if ipVersion(rest) == 0 {
				return m.dropIn(sec, id, "unknown-payload")
			}
			return m.deliver(f, rest, sec)
		}
		above, b = label, rest
	}
}

// find gives the identifier of the LSP of a label, 0 if there is none.
func (m *model) find(sec, label uint32, depth int) uint32 {
	if m.sections[sec].Flags&flagSectionSpace != 0 {
		if id := m.labels[labelKey{sec, label}]; id != 0 || depth == 0 {
			return id
		}
	}
	return m.labels[labelKey{0, label}]
}

func (m *model) deliver(f, packet []byte, sec uint32) (uint32, []byte) {
	typ := uint16(0x0800)
	if ipVersion(packet) == 6 {
		typ = 0x86dd
	}
	return xdpPass, frame(m.sections[sec].Own, [6]byte(f[6:]), 0, typ, packet)
}

// ipVersion returns 4 or 6 where b begins with a header of that length.
func ipVersion(b []byte) byte {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && b[0]&15 >= 5:
		return 4
	case len(b) >= 40 && b[0]>>4 == 6:
		return 6
	}
	return 0
}

// forward sends rest under the labels of an LSP.
func (m *model) forward(id uint32, rest []byte, ttl, tc uint32, bottom bool) (uint32, []byte) {
	l := m.lsps[id]
	o := m.sections[l.Out]
	drop := func(why string) (uint32, []byte) {
		m.events[event(why)]++
		m.lspCounter(id, func(c *tandemCounters) { c.OutDrops++ })
		m.secCounter(l.Out, func(c *tandemCounters) { c.OutDrops++ })
		return xdpDrop, nil
	}
	if o.Ifindex == 0 || o.Flags&flagSectionDown != 0 {
		return drop("section-down")
	}
	typ := uint16(0x8847)
	if l.N == 0 && bottom {
		switch ipVersion(rest) {
		case 4:
			typ = 0x0800
		case 6:
			typ = 0x86dd
		default:
			return drop("unknown-payload")
		}
	}
	var stack []byte
	for i, entry := range stackOf(l) {
		out := lse{label: entry.Label, tc: tc, ttl: uint32(entry.TTL)}
		last := i == int(l.N)-1
		if entry.HasTC {
			out.tc = uint32(entry.TC)
		}
		if last && l.Op == 2 {
			out.ttl = ttl - 1
		}
		out.s = last && bottom
		stack = out.append(stack)
	}
	body := append(stack, rest...)
	if len(body) > int(o.Mtu) {
		return drop("too-long")
	}
	n := uint64(len(body))
	m.lspCounter(id, func(c *tandemCounters) { c.OutPackets++; c.OutOctets += n })
	m.secCounter(l.Out, func(c *tandemCounters) { c.OutPackets++; c.OutOctets += n })
	return xdpRedirect, frame(o.Peer, o.Own, o.Vlan, typ, body)
}

// impose is a frame on the far end of the impose device.
func (m *model) impose(f []byte) (uint32, []byte) {
	m.punted = nil
	if len(f) < 14 {
		return xdpDrop, nil
	}
	var dst netip.Addr
	switch typ := binary.BigEndian.Uint16(f[12:]); {
	case typ == 0x0800 && len(f) >= 34:
		dst = netip.AddrFrom4([4]byte(f[30:34]))
	case typ == 0x86dd && len(f) >= 54:
		dst = netip.AddrFrom16([16]byte(f[38:54]))
	default:
		return xdpDrop, nil
	}
	id, best := uint32(0), -1
	for p, to := range m.prefixes {
		if p.Contains(dst) && p.Bits() > best {
			id, best = to, p.Bits()
		}
	}
	if id == 0 {
		return m.dropIn(0, 0, "unknown-prefix")
	}
	m.lspCounter(id, func(c *tandemCounters) { c.InPackets++; c.InOctets += uint64(len(f) - 14) })
	if m.lsps[id].Flags&flagLSPDown != 0 {
		return m.dropIn(0, id, "lsp-down")
	}
	return m.forward(id, f[14:], 0, 0, true)
}

func sameFrame(a, b []byte) bool { return bytes.Equal(a, b) }
