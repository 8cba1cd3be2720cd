package bfd

import "github.com/tandem-ne/tandem/oam/ach"

// AppendCV appends a CV message to b: ACH of type 0x0023, control packet and
// the Source MEP-ID TLV of the sender (RFC 6428 section 3.5). The Length
// field of the control packet does not count the TLV.
func AppendCV(b []byte, p *Packet, source ach.MEPID) ([]byte, error) {
	b, err := p.Append(ach.Header{Type: ach.CV}.Append(b))
	if err != nil {
		return b, err
	}
	return source.Append(b)
}

// ParseCV parses the body of a CV message, the octets behind its ACH, and
// returns the Source MEP-ID TLV whole, so that a receiver can compare it
// with the one it expects without decoding it. If the control packet is good
// and the TLV is not, err is an *ach.Error and p is set.
func ParseCV(p *Packet, body []byte) (tlv, padding []byte, err error) {
	rest, err := p.Parse(body)
	if err != nil {
		return nil, nil, err
	}
	_, _, padding, err = ach.CutMEPID(rest)
	if err != nil {
		return nil, nil, err
	}
	return rest[:len(rest)-len(padding)], padding, nil
}
