package xmltok

import "unicode/utf8"

// AppendText appends s as character data. A carriage return is written as a
// reference, because a reader would turn it into a line feed; characters that
// XML cannot carry become U+FFFD.
func AppendText(dst []byte, s string) []byte { return appendEscaped(dst, s, false) }

// AppendAttr appends s as the inside of a double-quoted attribute value.
func AppendAttr(dst []byte, s string) []byte { return appendEscaped(dst, s, true) }

func appendEscaped(dst []byte, s string, attr bool) []byte {
	last := 0
	for i := 0; i < len(s); {
		c := s[i]
		n := 1
		var esc string
		switch {
		case c == '<':
			esc = "&lt;"
		case c == '>':
			esc = "&gt;"
		case c == '&':
			esc = "&amp;"
		case c == '\r':
			esc = "&#13;"
		case attr && c == '"':
			esc = "&quot;"
		case attr && c == '\n':
			esc = "&#10;"
		case attr && c == '\t':
			esc = "&#9;"
		case c >= utf8.RuneSelf:
			var ru rune
			ru, n = utf8.DecodeRuneInString(s[i:])
			if ru == utf8.RuneError && n == 1 || !isChar(ru) {
				esc = "\uFFFD"
			}
		case c < 0x20 && c != '\n' && c != '\t':
			esc = "\uFFFD"
		}
		if esc != "" {
			dst = append(dst, s[last:i]...)
			dst = append(dst, esc...)
			last = i + n
		}
		i += n
	}
	return append(dst, s[last:]...)
}
