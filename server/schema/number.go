package schema

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// span is an interval of numbers or lengths with both ends in it. Signed
// numbers are kept with the sign bit flipped, so that all compare as unsigned.
type span struct{ min, max uint64 }

const signBit = 1 << 63

func flip(v int64) uint64 { return uint64(v) ^ signBit }

// numberLimits returns what the built-in number type can hold.
func (t *Type) numberLimits() (lo, hi uint64, ok bool) {
	switch t.kind {
	case Int8, Int16, Int32, Int64:
		bits := 8 << (t.kind - Int8)
		return flip(-1 << (bits - 1)), flip(1<<(bits-1) - 1), true
	case Uint8, Uint16, Uint32, Uint64:
		bits := 8 << (t.kind - Uint8)
		return 0, math.MaxUint64 >> (64 - bits), true
	case Decimal64:
		return flip(math.MinInt64), flip(math.MaxInt64), true
	}
	return 0, 0, false
}

// parseNumber reads a decimal number of t's kind without looking at its range.
func (t *Type) parseNumber(s string) (uint64, error) { return t.number(s, false) }

// number reads an integer or decimal64. With inModule, integers may also be
// hexadecimal or octal, as in defaults (RFC 7950 section 9.2.1).
func (t *Type) number(s string, inModule bool) (uint64, error) {
	if t.kind == Decimal64 {
		v, err := parseDecimal(s, t.fraction)
		if errors.Is(err, strconv.ErrRange) {
			return 0, boundsError{t}
		}
		return flip(v), err
	}
	base := 10
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || digits == "" {
		return 0, errors.New("it is not an integer")
	}
	if inModule && len(digits) > 1 && digits[0] == '0' {
		base, digits = 8, digits[1:]
		if digits[0] == 'x' || digits[0] == 'X' {
			base, digits = 16, digits[1:]
		}
	}
	if strings.HasPrefix(digits, "+") || strings.Contains(digits, "_") {
		return 0, errors.New("it is not an integer")
	}
	abs, err := strconv.ParseUint(digits, base, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, boundsError{t}
	}
	if err != nil {
		return 0, errors.New("it is not an integer")
	}
	negative := s[0] == '-'
	v := abs
	if t.kind.IsSigned() {
		switch {
		case negative && abs <= signBit:
			v = uint64(-int64(abs)) ^ signBit
		case !negative && abs < signBit:
			v = abs ^ signBit
		default:
			return 0, boundsError{t}
		}
	} else if negative && abs != 0 {
		return 0, boundsError{t}
	}
	if lo, hi, _ := t.numberLimits(); v < lo || v > hi {
		return 0, boundsError{t}
	}
	return v, nil
}

// boundsError says that a well-formed number does not fit its built-in type.
type boundsError struct{ t *Type }

func (e boundsError) Error() string {
	lo, hi, _ := e.t.numberLimits()
	return fmt.Sprintf("%s holds %s to %s", e.t.kind, e.t.formatNumber(lo), e.t.formatNumber(hi))
}

// formatNumber returns the canonical form (RFC 7950 sections 9.2.2 and 9.3.2).
func (t *Type) formatNumber(v uint64) string {
	switch {
	case t.kind == Decimal64:
		return formatDecimal(int64(v^signBit), t.fraction)
	case t.kind.IsSigned():
		return strconv.FormatInt(int64(v^signBit), 10)
	}
	return strconv.FormatUint(v, 10)
}

// parseDecimal reads a decimal64 as the number of its smallest units; the error
// is strconv.ErrRange when the type cannot hold it.
func parseDecimal(s string, fraction int) (int64, error) {
	body, negative := s, false
	if body != "" && (body[0] == '+' || body[0] == '-') {
		negative = body[0] == '-'
		body = body[1:]
	}
	whole, frac, point := strings.Cut(body, ".")
	if whole == "" || point && frac == "" || !allDigits(whole) || !allDigits(frac) {
		return 0, errors.New("it is not a decimal number")
	}
	frac = strings.TrimRight(frac, "0")
	if len(frac) > fraction {
		return 0, fmt.Errorf("it has more than %d fraction digits", fraction)
	}
	digits := strings.TrimLeft(whole, "0") + frac + strings.Repeat("0", fraction-len(frac))
	if digits == "" {
		digits = "0"
	}
	abs, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || abs > signBit || abs == signBit && !negative {
		return 0, strconv.ErrRange
	}
	if negative {
		return -int64(abs), nil
	}
	return int64(abs), nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// formatDecimal prints at least one digit on each side of the point and no
// other trailing zeros.
func formatDecimal(v int64, fraction int) string {
	sign, abs := "", uint64(v)
	if v < 0 {
		sign, abs = "-", -abs
	}
	digits := strconv.FormatUint(abs, 10)
	if pad := fraction + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	whole, frac := digits[:len(digits)-fraction], strings.TrimRight(digits[len(digits)-fraction:], "0")
	if frac == "" {
		frac = "0"
	}
	return sign + whole + "." + frac
}

func parseLength(s string) (uint64, error) {
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil || s[0] == '+' {
		return 0, fmt.Errorf("%q is not a length", s)
	}
	return v, nil
}

func formatLength(v uint64) string { return strconv.FormatUint(v, 10) }
