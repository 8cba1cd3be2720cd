package mplsnl

import (
	"encoding/binary"
	"errors"
)

// align rounds up to the alignment of netlink messages and attributes.
func align(n int) int { return (n + 3) &^ 3 }

// nested and byteOrder are flags in the type of an attribute.
const (
	flagNested   = 1 << 15
	flagNetOrder = 1 << 14
)

// attributes yields type (without flags) and value of each attribute of b. It
// stops at the first malformed one; wellFormed tells whether there is one.
func attributes(b []byte) func(yield func(typ uint16, value []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			n := int(binary.NativeEndian.Uint16(b))
			if n < 4 || n > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:])&^(flagNested|flagNetOrder), b[4:n]) {
				return
			}
			b = b[min(len(b), align(n)):]
		}
	}
}

// wellFormed reports whether b is a sequence of whole attributes.
func wellFormed(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 4 {
			return false
		}
		n := int(binary.NativeEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return false
		}
		b = b[min(len(b), align(n)):]
	}
	return true
}

// appendAttr appends one attribute, padded.
func appendAttr(b []byte, typ uint16, value []byte) []byte {
	b = appendAttrHeader(b, typ, len(value))
	b = append(b, value...)
	return pad(b, len(value))
}

func appendAttrHeader(b []byte, typ uint16, n int) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+n))
	return binary.NativeEndian.AppendUint16(b, typ)
}

func pad(b []byte, n int) []byte {
	for ; n%4 != 0; n++ {
		b = append(b, 0)
	}
	return b
}

func appendU8(b []byte, typ uint16, v uint8) []byte {
	return append(appendAttrHeader(b, typ, 1), v, 0, 0, 0)
}

func appendU16(b []byte, typ uint16, v uint16) []byte {
	return append(binary.NativeEndian.AppendUint16(appendAttrHeader(b, typ, 2), v), 0, 0)
}

func appendU32(b []byte, typ uint16, v uint32) []byte {
	return binary.NativeEndian.AppendUint32(appendAttrHeader(b, typ, 4), v)
}

// appendNest appends an attribute that holds attributes, written by f.
func appendNest(b []byte, typ uint16, f func([]byte) []byte) []byte {
	start := len(b)
	b = f(appendAttrHeader(b, typ, 0))
	binary.NativeEndian.PutUint16(b[start:], uint16(len(b)-start))
	return b
}

func parseU8(v []byte) (uint8, error) {
	if len(v) != 1 {
		return 0, errors.New("malformed 8-bit attribute")
	}
	return v[0], nil
}

func parseU16(v []byte) (uint16, error) {
	if len(v) != 2 {
		return 0, errors.New("malformed 16-bit attribute")
	}
	return binary.NativeEndian.Uint16(v), nil
}
