package codec

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// JSONError is a fault of a JSON text.
type JSONError struct {
	Offset int64
	Msg    string
	TooBig bool
}

func (e *JSONError) Error() string { return fmt.Sprintf("JSON byte %d: %s", e.Offset, e.Msg) }

// jsonKind is the kind of a JSON value, known from its first byte.
type jsonKind uint8

const (
	jsonInvalid jsonKind = iota
	jsonObject
	jsonArray
	jsonString
	jsonNumber
	jsonBool
	jsonNull
)

func (k jsonKind) String() string {
	return [...]string{"nothing", "an object", "an array", "a string", "a number", "a boolean", "null"}[k]
}

// jsonScanner reads RFC 8259 strictly, value by value.
type jsonScanner struct {
	data  []byte
	pos   int
	depth int
	limit int // of depth
	names map[string]string
}

func newJSONScanner(data []byte) (*jsonScanner, error) {
	if !utf8.Valid(data) {
		return nil, &JSONError{Msg: "the text is not UTF-8"}
	}
	return &jsonScanner{data: data, limit: 128}, nil
}

func (j *jsonScanner) errorf(format string, args ...any) error {
	return &JSONError{Offset: int64(j.pos), Msg: fmt.Sprintf(format, args...)}
}

func (j *jsonScanner) space() {
	for j.pos < len(j.data) {
		switch j.data[j.pos] {
		case ' ', '\t', '\n', '\r':
			j.pos++
		default:
			return
		}
	}
}

// kind tells what value comes next.
func (j *jsonScanner) kind() jsonKind {
	j.space()
	if j.pos >= len(j.data) {
		return jsonInvalid
	}
	switch c := j.data[j.pos]; {
	case c == '{':
		return jsonObject
	case c == '[':
		return jsonArray
	case c == '"':
		return jsonString
	case c == '-' || c >= '0' && c <= '9':
		return jsonNumber
	case c == 't' || c == 'f':
		return jsonBool
	case c == 'n':
		return jsonNull
	}
	return jsonInvalid
}

func (j *jsonScanner) expect(c byte) error {
	j.space()
	if j.pos >= len(j.data) {
		return j.errorf("the text ends where %q is expected", c)
	}
	if j.data[j.pos] != c {
		return j.errorf("%q where %q is expected", j.data[j.pos], c)
	}
	j.pos++
	return nil
}

// more handles the separators inside an object or array: it reports whether
// another element follows, and reads over the closing byte if none does.
func (j *jsonScanner) more(first *bool, closing byte) (bool, error) {
	j.space()
	if j.pos >= len(j.data) {
		return false, j.errorf("the text ends where %q is expected", closing)
	}
	if j.data[j.pos] == closing {
		j.pos++
		j.depth--
		return false, nil
	}
	if *first {
		*first = false
		return true, nil
	}
	if err := j.expect(','); err != nil {
		return false, err
	}
	return true, nil
}

// open reads { or [.
func (j *jsonScanner) open(c byte) error {
	if err := j.expect(c); err != nil {
		return err
	}
	if j.depth++; j.depth > j.limit {
		return &JSONError{Offset: int64(j.pos), Msg: fmt.Sprintf("values are nested deeper than %d", j.limit), TooBig: true}
	}
	return nil
}

// name reads a member's name and the colon. A document has few names, many
// times each, so that they are kept.
func (j *jsonScanner) name() (string, error) {
	j.space()
	if j.pos < len(j.data) && j.data[j.pos] == '"' {
		rest := j.data[j.pos+1:]
		if n := bytes.IndexByte(rest[:min(len(rest), 64)], '"'); n > 0 {
			if known, ok := j.names[string(rest[:n])]; ok {
				j.pos += n + 2
				return known, j.expect(':')
			}
		}
	}
	start := j.pos
	s, err := j.str()
	if err != nil {
		return "", err
	}
	// A name that was written with escapes is not what stands in the text.
	if len(j.names) < 1024 && j.pos-start == len(s)+2 {
		if j.names == nil {
			j.names = make(map[string]string)
		}
		j.names[s] = s
	}
	return s, j.expect(':')
}

// str reads a string.
func (j *jsonScanner) str() (string, error) {
	if err := j.expect('"'); err != nil {
		return "", err
	}
	start := j.pos
	for j.pos < len(j.data) {
		switch c := j.data[j.pos]; {
		case c == '"':
			s := string(j.data[start:j.pos])
			j.pos++
			return s, nil
		case c == '\\':
			return j.escaped(start)
		case c < 0x20:
			return "", j.errorf("a control character inside a string")
		}
		j.pos++
	}
	return "", j.errorf("a string is not closed")
}

// escaped reads the rest of a string that contains an escape.
func (j *jsonScanner) escaped(start int) (string, error) {
	out := append([]byte(nil), j.data[start:j.pos]...)
	for j.pos < len(j.data) {
		c := j.data[j.pos]
		switch {
		case c == '"':
			j.pos++
			return string(out), nil
		case c < 0x20:
			return "", j.errorf("a control character inside a string")
		case c != '\\':
			out = append(out, c)
			j.pos++
			continue
		}
		if j.pos+1 >= len(j.data) {
			break
		}
		j.pos += 2
		switch e := j.data[j.pos-1]; e {
		case '"', '\\', '/':
			out = append(out, e)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, err := j.hex4()
			if err != nil {
				return "", err
			}
			if utf16.IsSurrogate(r) {
				if !bytes.HasPrefix(j.data[j.pos:], []byte(`\u`)) {
					return "", j.errorf("half a surrogate pair")
				}
				j.pos += 2
				low, err := j.hex4()
				if err != nil {
					return "", err
				}
				if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
					return "", j.errorf("half a surrogate pair")
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			return "", j.errorf("the escape \\%c does not exist", e)
		}
	}
	return "", j.errorf("a string is not closed")
}

func (j *jsonScanner) hex4() (rune, error) {
	if j.pos+4 > len(j.data) {
		return 0, j.errorf("a short \\u escape")
	}
	n, err := strconv.ParseUint(string(j.data[j.pos:j.pos+4]), 16, 16)
	if err != nil {
		return 0, j.errorf("a malformed \\u escape")
	}
	j.pos += 4
	return rune(n), nil
}

// number reads a number as written.
func (j *jsonScanner) number() (string, error) {
	j.space()
	start := j.pos
	digits := func() bool {
		from := j.pos
		for j.pos < len(j.data) && j.data[j.pos] >= '0' && j.data[j.pos] <= '9' {
			j.pos++
		}
		return j.pos > from
	}
	if j.pos < len(j.data) && j.data[j.pos] == '-' {
		j.pos++
	}
	lead := j.pos
	if !digits() || j.data[lead] == '0' && j.pos > lead+1 {
		return "", j.errorf("a malformed number")
	}
	if j.pos < len(j.data) && j.data[j.pos] == '.' {
		j.pos++
		if !digits() {
			return "", j.errorf("a malformed number")
		}
	}
	if j.pos < len(j.data) && (j.data[j.pos] == 'e' || j.data[j.pos] == 'E') {
		j.pos++
		if j.pos < len(j.data) && (j.data[j.pos] == '+' || j.data[j.pos] == '-') {
			j.pos++
		}
		if !digits() {
			return "", j.errorf("a malformed number")
		}
	}
	return string(j.data[start:j.pos]), nil
}

// literal reads true, false or null.
func (j *jsonScanner) literal() (string, error) {
	j.space()
	for _, w := range [...]string{"true", "false", "null"} {
		if bytes.HasPrefix(j.data[j.pos:], []byte(w)) {
			j.pos += len(w)
			return w, nil
		}
	}
	return "", j.errorf("no JSON value")
}

// skip reads any value; duplicate names in its objects are refused.
func (j *jsonScanner) skip() error {
	switch j.kind() {
	case jsonObject:
		if err := j.open('{'); err != nil {
			return err
		}
		names := map[string]bool{}
		for first := true; ; {
			more, err := j.more(&first, '}')
			if err != nil || !more {
				return err
			}
			name, err := j.name()
			if err != nil {
				return err
			}
			if names[name] {
				return j.errorf("the name %q occurs twice", name)
			}
			names[name] = true
			if err := j.skip(); err != nil {
				return err
			}
		}
	case jsonArray:
		if err := j.open('['); err != nil {
			return err
		}
		for first := true; ; {
			more, err := j.more(&first, ']')
			if err != nil || !more {
				return err
			}
			if err := j.skip(); err != nil {
				return err
			}
		}
	case jsonString:
		_, err := j.str()
		return err
	case jsonNumber:
		_, err := j.number()
		return err
	}
	_, err := j.literal()
	return err
}

// end checks that nothing but white space is left.
func (j *jsonScanner) end() error {
	if j.space(); j.pos < len(j.data) {
		return j.errorf("text after the value")
	}
	return nil
}

// appendJSONString appends s quoted. Bytes that are not UTF-8 become U+FFFD.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	last := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[last:i]...), "\uFFFD"...)
				last = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[last:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			const hex = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		last = i
	}
	return append(append(dst, s[last:]...), '"')
}
