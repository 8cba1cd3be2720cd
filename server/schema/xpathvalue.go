package schema

import "strings"

// IsXPath reports whether t is xpath1.0 of ietf-yang-types. Its values are kept
// with the names of modules as prefixes, because the text that a client sent
// means nothing without the namespace declarations that stood around it.
func (t *Type) IsXPath() bool {
	return t.name == "xpath1.0" && t.module != nil && t.module.Name == "ietf-yang-types"
}

// parseXPath gives every prefix in lexical that r knows the name of its module.
func (t *Type) parseXPath(lexical string, r Resolver) (Value, *ValueError) {
	if r == nil {
		return Value{t, lexical}, nil
	}
	return Value{t, MapPrefixes(lexical, func(prefix string) string {
		if m := r.Module(prefix); m != nil {
			return m.Name
		}
		return prefix
	})}, nil
}

// MapPrefixes replaces the prefixes of the names in an XPath expression. What
// stands in quotation marks is left alone.
func MapPrefixes(expr string, f func(prefix string) string) string {
	var b strings.Builder
	for i := 0; i < len(expr); {
		switch c := expr[i]; {
		case c == '\'' || c == '"':
			end := strings.IndexByte(expr[i+1:], c)
			if end < 0 {
				return b.String() + expr[i:]
			}
			b.WriteString(expr[i : i+end+2])
			i += end + 2
		case isNameStart(c):
			end := i + 1
			for end < len(expr) && isNameByte(expr[end]) {
				end++
			}
			name := expr[i:end]
			if end+1 < len(expr) && expr[end] == ':' && (expr[end+1] == '*' || isNameStart(expr[end+1])) {
				b.WriteString(f(name))
				b.WriteByte(':')
				// The local name stays, whatever it looks like.
				start := end + 1
				for end = start + 1; expr[start] != '*' && end < len(expr) && isNameByte(expr[end]); end++ {
				}
				b.WriteString(expr[start:end])
				i = end
				continue
			}
			b.WriteString(name)
			i = end
		case c >= '0' && c <= '9':
			// A number is no part of a name.
			for i < len(expr) && (expr[i] >= '0' && expr[i] <= '9' || expr[i] == '.') {
				b.WriteByte(expr[i])
				i++
			}
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

func isNameStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func isNameByte(c byte) bool {
	return isNameStart(c) || c == '-' || c == '.' || c >= '0' && c <= '9'
}
