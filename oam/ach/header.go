package ach

import "encoding/binary"

// HeaderLen is the length of an ACH in octets.
const HeaderLen = 4

// Header is an Associated Channel Header: 0001 (4 bits), Version (4),
// Reserved (8), Channel Type (16). RFC 5586 section 2.1.
type Header struct {
	Version  uint8 // 0 in every specification so far.
	Reserved uint8 // Sent as 0 and ignored on receipt; kept here.
	Type     ChannelType
}

// Append appends the header to b.
func (h Header) Append(b []byte) []byte {
	b = append(b, 0x10|h.Version&0xf, h.Reserved)
	return binary.BigEndian.AppendUint16(b, uint16(h.Type))
}

// ParseHeader parses the ACH at the start of b. It accepts any version: what
// to do with one it does not know is for the caller to say.
func ParseHeader(b []byte) (h Header, rest []byte, err error) {
	if len(b) < HeaderLen {
		return Header{}, nil, errHeaderShort
	}
	if b[0]>>4 != 1 {
		return Header{}, nil, errHeaderNibble
	}
	return Header{Version: b[0] & 0xf, Reserved: b[1], Type: ChannelType(binary.BigEndian.Uint16(b[2:]))}, b[HeaderLen:], nil
}
