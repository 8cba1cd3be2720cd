// Package xmltok is a fast, strict, namespace-aware XML pull parser over one
// message held in memory, and the matching escape functions.
//
// It reads XML 1.0 with namespaces as RFC 6241 section 3 allows it on the
// wire: UTF-8 only, no document type declaration (so no entities but the five
// predefined ones and character references), comments and processing
// instructions skipped. Names and text are slices of the message wherever no
// reference has to be resolved, so reading allocates next to nothing.
package xmltok

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Kind is the kind of a token.
type Kind uint8

// The kinds of tokens. An empty-element tag yields Start and End. All
// character data between two tags, CDATA sections included and comments left
// out, is one Text token.
const (
	EOF Kind = iota
	Start
	End
	Text
)

// NamespaceXML is bound to the prefix xml in every document.
const NamespaceXML = "http://www.w3.org/XML/1998/namespace"

// Limits bounds what a Reader accepts. Zero fields take the defaults.
type Limits struct {
	Depth int // nested elements, default 128
	Bytes int // length of the message, default 64 MiB
	Attrs int // attributes and declarations of one element, default 128
}

// Error is a fault of the document.
type Error struct {
	Offset int64  // byte offset in the message
	Line   int    // from 1
	Msg    string // what is wrong
	TooBig bool   // a limit is exceeded; the document may be well-formed
}

func (e *Error) Error() string {
	return fmt.Sprintf("XML line %d, byte %d: %s", e.Line, e.Offset, e.Msg)
}

// Attr is one attribute that is not a namespace declaration.
type Attr struct {
	Space  string // namespace name, empty if the attribute has no prefix
	Prefix []byte // as written
	Local  []byte
	Value  []byte // references resolved, white space normalised
}

// Is reports whether the attribute has this expanded name.
func (a *Attr) Is(space, local string) bool {
	return string(a.Local) == local && a.Space == space
}

// Binding is a namespace declaration: prefix (empty for the default) to name.
type Binding struct {
	Prefix string
	Space  string
}

type element struct {
	nameStart, nameEnd int32 // qualified name as written
	bindings           int32 // len(Reader.bindings) before this element's own
	start              int32 // offset of the start tag
}

// Reader yields the tokens of one document. The slices it returns are valid
// until the next call of Next.
type Reader struct {
	data   []byte
	pos    int
	limits Limits

	kind       Kind
	tokenStart int
	name       []byte // qualified name
	prefixLen  int    // of name, 0 if none
	space      string
	attrs      []Attr
	text       []byte

	stack    []element
	bindings []Binding
	pending  bool // the End of an empty-element tag is due
	seenRoot bool
	scratch  []byte // resolved text
	attrBuf  []byte // resolved attribute values
	err      error
}

// NewReader starts reading data, which must not change while the Reader is
// in use.
func NewReader(data []byte, limits Limits) *Reader {
	if limits.Depth <= 0 {
		limits.Depth = 128
	}
	if limits.Bytes <= 0 {
		limits.Bytes = 64 << 20
	}
	if limits.Attrs <= 0 {
		limits.Attrs = 128
	}
	r := &Reader{data: data, limits: limits}
	r.bindings = append(r.bindings, Binding{"xml", NamespaceXML})
	switch {
	case len(data) > limits.Bytes:
		r.err = &Error{Line: 1, Msg: fmt.Sprintf("the message of %d bytes is longer than %d", len(data), limits.Bytes), TooBig: true}
	default:
		if i := firstBadChar(data); i >= 0 {
			r.pos = i
			r.err = r.errorAt(i, "a character that XML does not allow, or bad UTF-8")
		}
		r.pos = 0
	}
	return r
}

// Next reads the next token. After an error it keeps returning that error.
// EOF is returned after the root element has been closed and only white
// space, comments and processing instructions followed.
func (r *Reader) Next() (Kind, error) {
	if r.err != nil {
		return EOF, r.err
	}
	k, err := r.next()
	r.kind = k
	if err != nil {
		r.err = err
		return EOF, err
	}
	return k, nil
}

// Kind is the kind of the current token.
func (r *Reader) Kind() Kind { return r.kind }

// Local is the local name of the current start or end tag.
func (r *Reader) Local() []byte {
	if r.prefixLen > 0 {
		return r.name[r.prefixLen+1:]
	}
	return r.name
}

// Prefix is the prefix of the current start or end tag, empty if none.
func (r *Reader) Prefix() []byte { return r.name[:r.prefixLen] }

// Space is the namespace name of the current start or end tag, empty if none.
func (r *Reader) Space() string { return r.space }

// Is reports whether the current tag has this expanded name.
func (r *Reader) Is(space, local string) bool {
	return string(r.Local()) == local && r.space == space
}

// Attrs are the attributes of the current start tag, without namespace
// declarations, in document order.
func (r *Reader) Attrs() []Attr { return r.attrs }

// Text is the character data of the current Text token.
func (r *Reader) Text() []byte { return r.text }

// Offset is where the current token starts in the message.
func (r *Reader) Offset() int { return r.tokenStart }

// End is where the current token ends in the message.
func (r *Reader) End() int { return r.pos }

// Data is the message.
func (r *Reader) Data() []byte { return r.data }

// Depth is the number of open elements; a start tag counts itself.
func (r *Reader) Depth() int { return len(r.stack) }

// Lookup returns the namespace name bound to prefix at the current token,
// the empty prefix being the default namespace. It reports false for a prefix
// that is not declared; an undeclared default namespace is "" and true.
func (r *Reader) Lookup(prefix string) (string, bool) {
	for i := len(r.bindings) - 1; i >= 0; i-- {
		if r.bindings[i].Prefix == prefix {
			return r.bindings[i].Space, true
		}
	}
	return "", prefix == ""
}

// Bindings returns the namespace declarations in scope at the current token,
// innermost first, each prefix once, without the prefix xml.
func (r *Reader) Bindings() []Binding {
	var out []Binding
next:
	for i := len(r.bindings) - 1; i > 0; i-- {
		for _, b := range out {
			if b.Prefix == r.bindings[i].Prefix {
				continue next
			}
		}
		out = append(out, r.bindings[i])
	}
	return out
}

// OwnBindings returns the namespace declarations written in the current
// start tag, in document order.
func (r *Reader) OwnBindings() []Binding {
	if len(r.stack) == 0 {
		return nil
	}
	return r.bindings[r.stack[len(r.stack)-1].bindings:]
}

// Skip reads to the end tag of the element whose start tag is the current
// token. Its content is checked like any other.
func (r *Reader) Skip() error {
	depth := len(r.stack)
	for {
		k, err := r.Next()
		if err != nil {
			return err
		}
		if k == End && len(r.stack) == depth-1 {
			return nil
		}
	}
}

// Mark is a position of a Reader to return to with Rewind.
type Mark struct {
	pos, tokenStart, depth, bindings int
	pending                          bool
	kind                             Kind
	name                             []byte
	prefixLen                        int
	space                            string
}

// Mark records the position after the current token.
func (r *Reader) Mark() Mark {
	return Mark{
		pos: r.pos, tokenStart: r.tokenStart, depth: len(r.stack), bindings: len(r.bindings),
		pending: r.pending, kind: r.kind, name: r.name, prefixLen: r.prefixLen, space: r.space,
	}
}

// Rewind returns to m. The element that was innermost at m must still be open
// or just have been closed by no more than skipping its content: nothing
// outside it may have been read. Attributes and text of the token at m are
// gone.
func (r *Reader) Rewind(m Mark) {
	r.pos, r.tokenStart, r.pending, r.kind = m.pos, m.tokenStart, m.pending, m.kind
	r.name, r.prefixLen, r.space = m.name, m.prefixLen, m.space
	r.stack, r.bindings = r.stack[:m.depth], r.bindings[:m.bindings]
	r.attrs, r.text = nil, nil
}

// IsSpace reports whether b is white space only.
func IsSpace(b []byte) bool {
	for _, c := range b {
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}

// TrimSpace cuts leading and trailing XML white space.
func TrimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func (r *Reader) errorAt(offset int, format string, args ...any) *Error {
	offset = min(offset, len(r.data))
	return &Error{
		Offset: int64(offset),
		Line:   1 + bytes.Count(r.data[:offset], []byte{'\n'}),
		Msg:    fmt.Sprintf(format, args...),
	}
}

// firstBadChar returns the offset of the first byte that is not part of a
// Char of XML 1.0 production 2 in UTF-8, or -1.
func firstBadChar(data []byte) int {
	for i := 0; i < len(data); {
		c := data[i]
		switch {
		case c >= utf8.RuneSelf:
			ru, n := utf8.DecodeRune(data[i:])
			if ru == utf8.RuneError && n <= 1 || !isChar(ru) {
				return i
			}
			i += n
		case c < 0x20 && c != '\n' && c != '\t' && c != '\r':
			return i
		default:
			i++
		}
	}
	return -1
}

func isChar(r rune) bool {
	return r == 0x9 || r == 0xA || r == 0xD || r >= 0x20 && r <= 0xD7FF ||
		r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}
