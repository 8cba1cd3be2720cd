package ach

// Error says which part of a packet breaks which rule. The parsers return
// preallocated values, so that rejecting a packet allocates nothing.
type Error struct {
	What string // The header or TLV.
	Rule string // The rule it breaks.
}

func (e *Error) Error() string { return e.What + ": " + e.Rule }

var (
	errMEPIDShort  = &Error{What: "MEP-ID TLV", Rule: "shorter than its header or its Length field"}
	errMEPIDLength = &Error{What: "MEP-ID TLV", Rule: "Length field does not fit the type"}
	errMEPIDType   = &Error{What: "MEP-ID TLV", Rule: "unknown type"}
)
