package bfd

import "github.com/tandem-ne/tandem/oam/ach"

// AppendCC appends a CC message to b: ACH of type 0x0022 and control packet
// (RFC 6428 section 3.4). All state changes and Poll/Final exchanges travel
// in CC messages.
func AppendCC(b []byte, p *Packet) ([]byte, error) {
	return p.Append(ach.Header{Type: ach.CC}.Append(b))
}

// ParseCC parses the body of a CC message, the octets behind its ACH. What
// follows the control packet is Ethernet padding and has no meaning.
func ParseCC(p *Packet, body []byte) (padding []byte, err error) {
	return p.Parse(body)
}
