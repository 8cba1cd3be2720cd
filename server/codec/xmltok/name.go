package xmltok

import "unicode/utf8"

func isNameStart(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }

func isNameByte(c byte) bool {
	return isNameStart(c) || c >= '0' && c <= '9' || c == '-' || c == '.'
}

// scanName reads a QName of Namespaces in XML 1.0 at p and returns its end.
func (r *Reader) scanName(p int) (int, error) {
	start, part, colon := p, p, false
	for p < len(r.data) {
		c := r.data[p]
		if c < utf8.RuneSelf {
			if c == ':' {
				if colon || p == part {
					return 0, r.errorAt(start, "a malformed qualified name")
				}
				colon = true
				p++
				part = p
				continue
			}
			if !isNameByte(c) {
				break
			}
			if p == part && !isNameStart(c) {
				return 0, r.errorAt(start, "a name starts with %q", c)
			}
			p++
			continue
		}
		ru, n := utf8.DecodeRune(r.data[p:])
		if !isNameRune(ru, p == part) {
			break
		}
		p += n
	}
	if p == part {
		return 0, r.errorAt(start, "a name is missing")
	}
	return p, nil
}

// isNameRune is NameStartChar and NameChar of XML 1.0, fifth edition, for
// characters beyond ASCII.
func isNameRune(r rune, first bool) bool {
	switch {
	case r >= 0xC0 && r <= 0x2FF && r != 0xD7 && r != 0xF7,
		r >= 0x370 && r <= 0x1FFF && r != 0x37E,
		r == 0x200C, r == 0x200D,
		r >= 0x2070 && r <= 0x218F, r >= 0x2C00 && r <= 0x2FEF,
		r >= 0x3001 && r <= 0xD7FF, r >= 0xF900 && r <= 0xFDCF,
		r >= 0xFDF0 && r <= 0xFFFD, r >= 0x10000 && r <= 0xEFFFF:
		return true
	case first:
		return false
	}
	return r == 0xB7 || r >= 0x300 && r <= 0x36F || r == 0x203F || r == 0x2040
}
