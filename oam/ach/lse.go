package ach

import "encoding/binary"

// LSELen is the length of a label stack entry in octets.
const LSELen = 4

// MaxLabel is the largest label.
const MaxLabel = 1<<20 - 1

// The special-purpose labels this node knows (RFC 3032, RFC 5586, RFC 6790, RFC 7274).
const (
	LabelRouterAlert = 1
	LabelELI         = 7  // Entropy Label Indicator.
	LabelGAL         = 13 // Generic Associated Channel Label.
	LabelExtension   = 15 // Extension Label: the next label is an extended special-purpose one.
)

// LSE is one label stack entry: Label (20 bits), TC (3), S (1), TTL (8).
type LSE struct {
	Label uint32
	TC    uint8
	S     bool
	TTL   uint8
}

// Append appends the entry to b. Bits beyond the width of Label and TC are cut.
func (e LSE) Append(b []byte) []byte {
	v := e.Label<<12 | uint32(e.TC&7)<<9 | uint32(e.TTL)
	if e.S {
		v |= 1 << 8
	}
	return binary.BigEndian.AppendUint32(b, v)
}

// ParseLSE parses the label stack entry at the start of b.
func ParseLSE(b []byte) (e LSE, rest []byte, err error) {
	if len(b) < LSELen {
		return LSE{}, nil, errLSEShort
	}
	v := binary.BigEndian.Uint32(b)
	return LSE{Label: v >> 12, TC: uint8(v>>9) & 7, S: v&(1<<8) != 0, TTL: uint8(v)}, b[LSELen:], nil
}

// GAL returns the label stack entry that announces an ACH. It is always the
// bottom of the stack (RFC 5586 section 4.2) and its TTL is at least 1.
func GAL(tc, ttl uint8) LSE {
	return LSE{Label: LabelGAL, TC: tc, S: true, TTL: max(ttl, 1)}
}

// ParseStack parses label stack entries up to the bottom of the stack into
// stack and returns how many there were and what follows. A stack deeper than
// len(stack) is an error.
func ParseStack(stack []LSE, b []byte) (n int, rest []byte, err error) {
	rest = b
	for n < len(stack) {
		stack[n], rest, err = ParseLSE(rest)
		if err != nil {
			return n, nil, err
		}
		n++
		if stack[n-1].S {
			return n, rest, nil
		}
	}
	return n, nil, errStackDepth
}
