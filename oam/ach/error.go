package ach

// Error says which part of a packet breaks which rule. The parsers return
// preallocated values, so that rejecting a packet allocates nothing.
type Error struct {
	What string // The header or TLV.
	Rule string // The rule it breaks.
}

func (e *Error) Error() string { return e.What + ": " + e.Rule }

var (
	errLSEShort     = &Error{What: "label stack", Rule: "shorter than an entry"}
	errStackDepth   = &Error{What: "label stack", Rule: "deeper than this node reads"}
	errHeaderShort  = &Error{What: "ACH", Rule: "shorter than 4 octets"}
	errHeaderNibble = &Error{What: "ACH", Rule: "first nibble is not 0001"}
	errMEPIDShort   = &Error{What: "MEP-ID TLV", Rule: "shorter than its header or its Length field"}
	errMEPIDLength  = &Error{What: "MEP-ID TLV", Rule: "Length field does not fit the type"}
	errMEPIDType    = &Error{What: "MEP-ID TLV", Rule: "unknown type"}
)
