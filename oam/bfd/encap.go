package bfd

import (
	"encoding/binary"
	"fmt"

	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
)

// UDP ports of BFD over IP: single hop and LSP (RFC 5881, RFC 5884), and
// multihop (RFC 5883).
const (
	portBFD         = 3784
	portBFDMultihop = 4784
	protocolUDP     = 17
	ipv4HeaderLen   = 20
	ipv6HeaderLen   = 40
	udpHeaderLen    = 8
)

// foreign finds the BFD control packet in a frame that came in another
// encapsulation than this MEG uses: on the BFD channel of RFC 5885, in an IP
// packet on the IP channels, or on the right channel but without a GAL.
func foreign(channel ach.ChannelType, body []byte) (bfd []byte, ok bool) {
	switch channel {
	case ach.CC, ach.CV, ach.BFD:
		return body, true
	case ach.IPv4:
		if len(body) < ipv4HeaderLen || body[0]>>4 != 4 || body[9] != protocolUDP {
			return nil, false
		}
		header := int(body[0]&0xf) * 4
		if header < ipv4HeaderLen || header > len(body) {
			return nil, false
		}
		return udpPayload(body[header:])
	case ach.IPv6:
		if len(body) < ipv6HeaderLen || body[0]>>4 != 6 || body[6] != protocolUDP {
			return nil, false
		}
		return udpPayload(body[ipv6HeaderLen:])
	}
	return nil, false
}

func udpPayload(b []byte) ([]byte, bool) {
	if len(b) < udpHeaderLen {
		return nil, false
	}
	port := binary.BigEndian.Uint16(b[2:])
	return b[udpHeaderLen:], port == portBFD || port == portBFDMultihop
}

// encapsulation names the encapsulation of a frame for a person.
func encapsulation(rx *oam.Rx, channel ach.ChannelType, want oam.Reason) string {
	switch {
	case rx.Reason != want && want == oam.ReasonGAL:
		return "BFD without a GAL"
	case rx.Reason != want:
		return fmt.Sprintf("BFD by %v, expected %v", rx.Reason, want)
	case channel == ach.IPv4:
		return "BFD in IPv4 on the G-ACh"
	case channel == ach.IPv6:
		return "BFD in IPv6 on the G-ACh"
	}
	return "BFD on channel type 0x0007 (RFC 5885)"
}
