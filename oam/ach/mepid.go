package ach

import (
	"encoding/binary"
	"fmt"
)

// MEPIDType is the type of a Source MEP-ID TLV (RFC 6428, section 3.5.1 to 3.5.3).
type MEPIDType uint16

// The MEP-ID types of RFC 6428.
const (
	MEPIDSection MEPIDType = 0 // Section MEP-ID, RFC 6428 section 3.5.1.
	MEPIDLSP     MEPIDType = 1 // LSP MEP-ID, also used for SPMEs, RFC 6428 section 3.5.2.
	MEPIDPW      MEPIDType = 2 // PW Endpoint MEP-ID, RFC 6428 section 3.5.3.
)

// String returns the name the RFC gives to the type.
func (t MEPIDType) String() string {
	switch t {
	case MEPIDSection:
		return "section"
	case MEPIDLSP:
		return "lsp"
	case MEPIDPW:
		return "pw"
	}
	return fmt.Sprintf("mep-id-type-%d", uint16(t))
}

// MEPID is a maintenance entity group end point identifier (RFC 6370 section
// 7.2) as a Source MEP-ID TLV carries it. Fields that the type does not use
// are zero, so two MEPIDs are the same end point exactly if they compare equal.
type MEPID struct {
	Type     MEPIDType
	GlobalID uint32 // All types. 0 means that no Global_ID is used.
	NodeID   uint32 // All types. 0 is not a valid Node_ID.

	IfNum uint32 // Section only: IF_Num of the interface.

	TunnelNum uint16 // LSP only.
	LSPNum    uint16 // LSP only.

	ACID    uint32 // PW only: AC_ID.
	AGIType uint8  // PW only: type of the Attachment Group Identifier.
	AGI     string // PW only: value of the AGI, 0 to 255 octets.
}

// Lengths of the parts of a Source MEP-ID TLV in octets.
const (
	tlvHeaderLen   = 4
	mepIDFixedLen  = 12 // Value of the section and LSP types.
	mepIDPWBaseLen = 14 // Value of the PW type without the AGI value.
)

// Check reports what makes m impossible to send.
func (m MEPID) Check() error {
	switch m.Type {
	case MEPIDSection:
		if m.TunnelNum != 0 || m.LSPNum != 0 || m.ACID != 0 || m.AGIType != 0 || m.AGI != "" {
			return &Error{What: "MEP-ID TLV", Rule: "a section MEP-ID has only Global_ID, Node_ID and IF_Num"}
		}
	case MEPIDLSP:
		if m.IfNum != 0 || m.ACID != 0 || m.AGIType != 0 || m.AGI != "" {
			return &Error{What: "MEP-ID TLV", Rule: "an LSP MEP-ID has only Global_ID, Node_ID, Tunnel_Num and LSP_Num"}
		}
	case MEPIDPW:
		if m.IfNum != 0 || m.TunnelNum != 0 || m.LSPNum != 0 {
			return &Error{What: "MEP-ID TLV", Rule: "a PW MEP-ID has only Global_ID, Node_ID, AC_ID and AGI"}
		}
		if len(m.AGI) > 255 {
			return &Error{What: "MEP-ID TLV", Rule: "AGI value longer than 255 octets"}
		}
	default:
		return &Error{What: "MEP-ID TLV", Rule: fmt.Sprintf("unknown type %d", uint16(m.Type))}
	}
	return nil
}

// Append appends the Source MEP-ID TLV of m to b.
func (m MEPID) Append(b []byte) ([]byte, error) {
	if err := m.Check(); err != nil {
		return b, err
	}
	length := mepIDFixedLen
	if m.Type == MEPIDPW {
		length = mepIDPWBaseLen + len(m.AGI)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(m.Type))
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = binary.BigEndian.AppendUint32(b, m.GlobalID)
	b = binary.BigEndian.AppendUint32(b, m.NodeID)
	switch m.Type {
	case MEPIDSection:
		b = binary.BigEndian.AppendUint32(b, m.IfNum)
	case MEPIDLSP:
		b = binary.BigEndian.AppendUint16(b, m.TunnelNum)
		b = binary.BigEndian.AppendUint16(b, m.LSPNum)
	case MEPIDPW:
		b = binary.BigEndian.AppendUint32(b, m.ACID)
		b = append(b, m.AGIType, uint8(len(m.AGI)))
		b = append(b, m.AGI...)
	}
	return b, nil
}

// ParseMEPID parses the Source MEP-ID TLV at the start of b and returns what
// follows it. The Length field counts the value only (RFC 6428 section 3.5).
func ParseMEPID(b []byte) (m MEPID, rest []byte, err error) {
	value, typ, rest, err := CutMEPID(b)
	if err != nil {
		return MEPID{}, nil, err
	}
	m.Type = typ
	m.GlobalID = binary.BigEndian.Uint32(value)
	m.NodeID = binary.BigEndian.Uint32(value[4:])
	switch typ {
	case MEPIDSection:
		m.IfNum = binary.BigEndian.Uint32(value[8:])
	case MEPIDLSP:
		m.TunnelNum = binary.BigEndian.Uint16(value[8:])
		m.LSPNum = binary.BigEndian.Uint16(value[10:])
	case MEPIDPW:
		m.ACID = binary.BigEndian.Uint32(value[8:])
		m.AGIType = value[12]
		m.AGI = string(value[mepIDPWBaseLen:])
	}
	return m, rest, nil
}

// CutMEPID checks the Source MEP-ID TLV at the start of b and splits it into
// type and value without allocating. The value aliases b.
func CutMEPID(b []byte) (value []byte, typ MEPIDType, rest []byte, err error) {
	if len(b) < tlvHeaderLen {
		return nil, 0, nil, errMEPIDShort
	}
	typ = MEPIDType(binary.BigEndian.Uint16(b))
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length > len(b)-tlvHeaderLen {
		return nil, typ, nil, errMEPIDShort
	}
	value, rest = b[tlvHeaderLen:tlvHeaderLen+length], b[tlvHeaderLen+length:]
	switch typ {
	case MEPIDSection, MEPIDLSP:
		if length != mepIDFixedLen {
			return nil, typ, nil, errMEPIDLength
		}
	case MEPIDPW:
		if length < mepIDPWBaseLen || length != mepIDPWBaseLen+int(value[13]) {
			return nil, typ, nil, errMEPIDLength
		}
	default:
		return nil, typ, nil, errMEPIDType
	}
	return value, typ, rest, nil
}

// String prints the identifier in the notation of RFC 6370:
// Global_ID::Node_ID::..., each number in decimal and the Node_ID as a dotted quad.
func (m MEPID) String() string {
	node := fmt.Sprintf("%d::%d.%d.%d.%d", m.GlobalID, byte(m.NodeID>>24), byte(m.NodeID>>16), byte(m.NodeID>>8), byte(m.NodeID))
	switch m.Type {
	case MEPIDSection:
		return fmt.Sprintf("section %s::%d", node, m.IfNum)
	case MEPIDLSP:
		return fmt.Sprintf("lsp %s::%d::%d", node, m.TunnelNum, m.LSPNum)
	case MEPIDPW:
		return fmt.Sprintf("pw %d:%x::%s::%d", m.AGIType, m.AGI, node, m.ACID)
	}
	return fmt.Sprintf("%s %s", m.Type, node)
}
