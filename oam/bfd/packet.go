package bfd

import (
	"encoding/binary"

	"github.com/tandem-ne/tandem/oam"
)

// Version is the BFD version sent and accepted (RFC 5880 section 4.1).
const Version = 1

// PacketLen is the length of a control packet without authentication.
const PacketLen = 24

// Packet is a BFD control packet (RFC 5880 section 4.1). Intervals are in
// microseconds as on the wire. Every bit of the packet has a place here, so
// that what parses marshals to the same octets.
type Packet struct {
	Version uint8    // 3 bits.
	Diag    oam.Diag // 5 bits.
	State   oam.BFDState
	Flags   Flags

	DetectMult         uint8
	MyDiscr, YourDiscr uint32
	DesiredMinTx       uint32
	RequiredMinRx      uint32
	RequiredMinEchoRx  uint32
	Auth               []byte // The authentication section, there exactly if the A flag is; aliases the input.
}

// Flags are the six flag bits of a control packet.
type Flags uint8

// The flags with their bits in the second octet of the packet.
const (
	FlagPoll        Flags = 0x20
	FlagFinal       Flags = 0x10
	FlagIndependent Flags = 0x08 // C: control plane independent.
	FlagAuth        Flags = 0x04 // A: authentication section present.
	FlagDemand      Flags = 0x02
	FlagMultipoint  Flags = 0x01
	flagMask        Flags = 0x3f
)

const (
	maxPacketLen = 255 // The Length field has 8 bits.
	minAuthLen   = 2   // Auth Type and Auth Len.
	authLenAt    = 1   // Where Auth Len is in the authentication section.
)

// A ParseError is a rule of RFC 5880 section 6.8.6 that a packet breaks, as
// the reason under which it is counted.
type ParseError struct {
	Reason oam.DropReason
	Rule   string
}

func (e *ParseError) Error() string { return "BFD control packet: " + e.Rule }

var (
	errVersion    = &ParseError{oam.DropVersion, "version is not 1"}
	errShort      = &ParseError{oam.DropLength, "shorter than 24 octets"}
	errLength     = &ParseError{oam.DropLength, "Length field is below the minimum or beyond the frame"}
	errAuthLen    = &ParseError{oam.DropLength, "authentication section does not fit the Length field"}
	errDetectMult = &ParseError{oam.DropDetectMult, "Detect Mult is 0"}
	errMultipoint = &ParseError{oam.DropFlags, "Multipoint bit is set"}
	errPollFinal  = &ParseError{oam.DropFlags, "Poll and Final bits are both set"}
	errMyDiscr    = &ParseError{oam.DropMyDiscr, "My Discriminator is 0"}
)

// Append appends the packet to b. The Length field follows from Auth. A
// packet that Parse would refuse is refused here with the same error.
func (p *Packet) Append(b []byte) ([]byte, error) {
	length := PacketLen + len(p.Auth)
	if (p.Flags&FlagAuth != 0) != (len(p.Auth) != 0) || length > maxPacketLen {
		return b, errAuthLen
	}
	if len(p.Auth) != 0 && (len(p.Auth) < minAuthLen || int(p.Auth[authLenAt]) != len(p.Auth)) {
		return b, errAuthLen
	}
	if err := p.check(); err != nil {
		return b, err
	}
	b = append(b,
		p.Version<<5|uint8(p.Diag)&0x1f,
		uint8(p.State)<<6|uint8(p.Flags&flagMask),
		p.DetectMult,
		uint8(length))
	b = binary.BigEndian.AppendUint32(b, p.MyDiscr)
	b = binary.BigEndian.AppendUint32(b, p.YourDiscr)
	b = binary.BigEndian.AppendUint32(b, p.DesiredMinTx)
	b = binary.BigEndian.AppendUint32(b, p.RequiredMinRx)
	b = binary.BigEndian.AppendUint32(b, p.RequiredMinEchoRx)
	return append(b, p.Auth...), nil
}

// Parse parses the control packet at the start of b and returns what follows
// it: a MEP-ID TLV in a CV message, or padding. The checks are those of RFC
// 5880 section 6.8.6 that need no session, in its order.
func (p *Packet) Parse(b []byte) (rest []byte, err error) {
	if len(b) < PacketLen {
		return nil, errShort
	}
	if b[0]>>5 != Version {
		return nil, errVersion
	}
	length := int(b[3])
	if length < PacketLen || length > len(b) {
		return nil, errLength
	}
	p.Version = b[0] >> 5
	p.Diag = oam.Diag(b[0] & 0x1f)
	p.State = oam.BFDState(b[1] >> 6)
	p.Flags = Flags(b[1]) & flagMask
	p.DetectMult = b[2]
	p.MyDiscr = binary.BigEndian.Uint32(b[4:])
	p.YourDiscr = binary.BigEndian.Uint32(b[8:])
	p.DesiredMinTx = binary.BigEndian.Uint32(b[12:])
	p.RequiredMinRx = binary.BigEndian.Uint32(b[16:])
	p.RequiredMinEchoRx = binary.BigEndian.Uint32(b[20:])
	p.Auth = nil
	switch {
	case p.Flags&FlagAuth != 0:
		if length < PacketLen+minAuthLen || int(b[PacketLen+authLenAt]) != length-PacketLen {
			return nil, errAuthLen
		}
		p.Auth = b[PacketLen:length]
	case length != PacketLen:
		return nil, errAuthLen
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return b[length:], nil
}

// check applies the rules that hold for sent and received packets alike. It
// returns a nil interface, not a nil pointer, when all is well.
func (p *Packet) check() error {
	switch {
	case p.Version != Version:
		return errVersion
	case p.DetectMult == 0:
		return errDetectMult
	case p.Flags&FlagMultipoint != 0:
		return errMultipoint
	case p.Flags&(FlagPoll|FlagFinal) == FlagPoll|FlagFinal:
		// RFC 5880 section 6.5: a packet never has both.
		return errPollFinal
	case p.MyDiscr == 0:
		return errMyDiscr
	}
	return nil
}
