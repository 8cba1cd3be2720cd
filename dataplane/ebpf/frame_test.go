package ebpf

import (
	"encoding/binary"
	"net/netip"
)

// Verdicts of XDP.
const (
	xdpDrop     = 1
	xdpPass     = 2
	xdpRedirect = 4
)

// Addresses of the tests: own is that of interface in0, outOwn of those out,
// outPeer of all neighbours.
var (
	own     = [6]byte{2, 0, 0, 0, 0, 0x50}
	outOwn  = [6]byte{2, 0, 0, 0, 0, 0x51}
	outPeer = [6]byte{2, 0, 0, 0, 0, 0xa1}
	acOwn   = [6]byte{2, 0, 0, 0, 0, 0x60}
	acPeer  = [6]byte{2, 0, 0, 0, 0, 0xc1}
)

// lse is a label stack entry of a test frame.
type lse struct {
	label, tc, ttl uint32
	s              bool
}

func (l lse) append(b []byte) []byte {
	v := l.label<<12 | l.tc<<9 | l.ttl
	if l.s {
		v |= 1 << 8
	}
	return binary.BigEndian.AppendUint32(b, v)
}

// frame builds a frame; vlan 0: untagged.
func frame(dst, src [6]byte, vlan, typ uint16, parts ...any) []byte {
	b := append(append([]byte(nil), dst[:]...), src[:]...)
	if vlan != 0 {
		b = binary.BigEndian.AppendUint16(b, 0x8100)
		b = binary.BigEndian.AppendUint16(b, vlan)
	}
	b = binary.BigEndian.AppendUint16(b, typ)
	for _, p := range parts {
		switch p := p.(type) {
		case lse:
			b = p.append(b)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

// ip4 and ip6 are packets to an address, without regard to checksums.
func ip4(dst string) []byte {
	b := make([]byte, 46)
	b[0], b[3], b[8], b[9] = 0x45, 46, 64, 253
	copy(b[16:], netip.MustParseAddr(dst).AsSlice())
	return b
}

func ip6(dst string) []byte {
	b := make([]byte, 66)
	b[0], b[5], b[6], b[7] = 0x60, 26, 253, 64
	copy(b[24:], netip.MustParseAddr(dst).AsSlice())
	return b
}
