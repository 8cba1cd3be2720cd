package xpath

import (
	"math"
	"strconv"
	"strings"
)

// parseNumber converts a string as XPath 1.0 section 4.4 says: white space, an
// optional "-", digits with an optional point; anything else is NaN.
func parseNumber(s string) float64 {
	s = strings.Trim(s, " \t\r\n")
	digits, point := 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c):
			digits++
		case c == '.' && !point:
			point = true
		case c == '-' && i == 0:
		default:
			return math.NaN()
		}
	}
	if digits == 0 {
		return math.NaN()
	}
	f, _ := strconv.ParseFloat(s, 64) // out of range is an infinity
	return f
}

// formatNumber converts a number as XPath 1.0 section 4.2 says.
func formatNumber(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0:
		return "0"
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// round returns the closest integer, of two the one closer to positive infinity.
func round(f float64) float64 {
	switch {
	case f != f || math.IsInf(f, 0) || f == math.Trunc(f):
		return f
	case f < 0 && f >= -0.5:
		return math.Copysign(0, -1)
	}
	r := math.Floor(f)
	if f-r >= 0.5 {
		r++
	}
	return r
}
