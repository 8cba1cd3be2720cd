package drivertest

import (
	"encoding/binary"
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
)

// Ethernet types.
const (
	typeMPLS = 0x8847
	typeIPv4 = 0x0800
	typeIPv6 = 0x86dd
	typeVLAN = 0x8100
	typeSTag = 0x88a8
	// typeTest is the Ethernet type for local experiments (IEEE 802).
	typeTest = 0x88b5
)

// label is a label stack entry in a test frame, "100 tc 5 ttl 64". The S bit
// comes from where it stands.
type label struct {
	label uint32
	tc    uint8
	ttl   uint8
}

// ethernet builds a frame. It pads to 60 octets no more than the kernel does
// on a veth: not at all.
func ethernet(dst, src dataplane.MAC, typ uint16, body ...[]byte) []byte {
	f := append(append([]byte(nil), dst[:]...), src[:]...)
	f = binary.BigEndian.AppendUint16(f, typ)
	for _, b := range body {
		f = append(f, b...)
	}
	return f
}

// tagged is ethernet with an IEEE 802.1Q tag.
func tagged(dst, src dataplane.MAC, vlan, typ uint16, body ...[]byte) []byte {
	tag := binary.BigEndian.AppendUint16(nil, vlan)
	tag = binary.BigEndian.AppendUint16(tag, typ)
	return ethernet(dst, src, typeVLAN, append([][]byte{tag}, body...)...)
}

// stack builds a label stack with the S bit on the last label.
func stack(labels ...label) []byte {
	b := openStack(labels...)
	b[len(b)-2] |= 1
	return b
}

// openStack builds a label stack without S bit.
func openStack(labels ...label) []byte {
	var b []byte
	for _, l := range labels {
		b = binary.BigEndian.AppendUint32(b, l.label<<12|uint32(l.tc)<<9|uint32(l.ttl))
	}
	return b
}

// protocolTest is the protocol number reserved for experiments (RFC 3692).
const protocolTest = 253

// ip builds an IPv4 or IPv6 packet with 26 octets of payload.
func ip(src, dst string, ttl uint8) []byte {
	payload := []byte("a packet of the test suite")
	s, d := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	if s.Is6() {
		b := []byte{0x60, 0, 0, 0, 0, byte(len(payload)), protocolTest, ttl}
		b = append(append(b, s.AsSlice()...), d.AsSlice()...)
		return append(b, payload...)
	}
	b := []byte{0x45, 0, 0, byte(20 + len(payload)), 0x12, 0x34, 0, 0, ttl, protocolTest, 0, 0}
	b = append(append(b, s.AsSlice()...), d.AsSlice()...)
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum))
	return append(b, payload...)
}

// ours reports whether a received frame can be part of a test: MPLS, the type
// for experiments, or IP of the protocol that ip uses. Neighbour discovery and the like are not.
func ours(f []byte) bool {
	if len(f) < 18 {
		return false
	}
	typ, b := binary.BigEndian.Uint16(f[12:]), f[14:]
	for (typ == typeVLAN || typ == typeSTag) && len(b) >= 4 {
		typ, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	switch typ {
	case typeMPLS, typeTest:
		return true
	case typeIPv4:
		return len(b) > 9 && b[9] == protocolTest
	case typeIPv6:
		return len(b) > 6 && b[6] == protocolTest
	}
	return false
}
