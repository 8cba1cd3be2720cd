package xmltok

import (
	"bytes"
	"unicode/utf8"
)

func (r *Reader) next() (Kind, error) {
	if r.kind == End {
		// The closed element's declarations stay in scope while its end
		// tag is the current token, and leave here.
		r.bindings = r.bindings[:r.stack[:len(r.stack)+1][len(r.stack)].bindings]
	}
	if r.pending {
		r.pending = false
		return r.close()
	}
	r.tokenStart = r.pos
	if len(r.stack) == 0 {
		return r.outside()
	}
	return r.inside()
}

// outside reads what may stand before and after the root element.
func (r *Reader) outside() (Kind, error) {
	for {
		for r.pos < len(r.data) && isSpace(r.data[r.pos]) {
			r.pos++
		}
		r.tokenStart = r.pos
		rest := r.data[r.pos:]
		switch {
		case len(rest) == 0:
			if !r.seenRoot {
				return EOF, r.errorAt(r.pos, "the document has no root element")
			}
			return EOF, nil
		case rest[0] != '<':
			if r.pos == 0 && bytes.HasPrefix(rest, []byte("\xef\xbb\xbf")) {
				r.pos += 3
				continue
			}
			return EOF, r.errorAt(r.pos, "character data outside the root element")
		case len(rest) > 1 && rest[1] == '?':
			if err := r.instruction(); err != nil {
				return EOF, err
			}
		case bytes.HasPrefix(rest, []byte("<!--")):
			if err := r.comment(); err != nil {
				return EOF, err
			}
		case len(rest) > 1 && rest[1] == '!':
			return EOF, r.errorAt(r.pos, "a document type declaration is not allowed")
		case len(rest) > 1 && rest[1] == '/':
			return EOF, r.errorAt(r.pos, "an end tag without a start tag")
		case r.seenRoot:
			return EOF, r.errorAt(r.pos, "a second root element")
		default:
			r.seenRoot = true
			return r.open()
		}
	}
}

// inside reads one token of an element's content.
func (r *Reader) inside() (Kind, error) {
	from := r.pos
	used := false // scratch holds the text read so far
	have := false
	for {
		p := r.pos
		plain := true // the run needs no resolving
		for p < len(r.data) {
			c := r.data[p]
			if c == '<' {
				break
			}
			if c <= ']' && (c == '&' || c == '\r' || c == ']') {
				if c == ']' {
					if bytes.HasPrefix(r.data[p:], []byte("]]>")) {
						return EOF, r.errorAt(p, "]]> in character data")
					}
				} else {
					plain = false
				}
			}
			p++
		}
		if p >= len(r.data) {
			return EOF, r.errorAt(len(r.data), "the document ends inside the element %q", r.openName())
		}
		if p > r.pos {
			switch {
			case plain && !have:
				r.text, used = r.data[r.pos:p], false
			default:
				if !used {
					r.scratch = append(r.scratch[:0], r.text...)
					if !have {
						r.scratch = r.scratch[:0]
					}
					used = true
				}
				var err error
				if r.scratch, err = r.resolve(r.scratch, r.pos, p, false); err != nil {
					return EOF, err
				}
				r.text = r.scratch
			}
			have = true
			r.pos = p
		}
		rest := r.data[p:]
		if len(rest) < 2 {
			return EOF, r.errorAt(p, "the document ends inside a tag")
		}
		switch rest[1] {
		case '!':
			switch {
			case bytes.HasPrefix(rest, []byte("<!--")):
				if err := r.comment(); err != nil {
					return EOF, err
				}
			case bytes.HasPrefix(rest, []byte("<![CDATA[")):
				end := bytes.Index(rest[9:], []byte("]]>"))
				if end < 0 {
					return EOF, r.errorAt(p, "a CDATA section is not closed")
				}
				if !used {
					r.scratch = r.scratch[:0]
					if have {
						r.scratch = append(r.scratch, r.text...)
					}
					used = true
				}
				r.scratch = appendLines(r.scratch, rest[9:9+end])
				r.text = r.scratch
				have = have || end > 0
				r.pos = p + 9 + end + 3
			default:
				return EOF, r.errorAt(p, "a markup declaration is not allowed")
			}
			continue
		case '?':
			if err := r.instruction(); err != nil {
				return EOF, err
			}
			continue
		}
		if have {
			r.tokenStart = from
			return Text, nil
		}
		r.tokenStart = r.pos
		if rest[1] == '/' {
			return r.closeTag()
		}
		return r.open()
	}
}

func (r *Reader) openName() []byte {
	e := r.stack[len(r.stack)-1]
	return r.data[e.nameStart:e.nameEnd]
}

// comment skips a comment at pos. Two hyphens inside are refused.
func (r *Reader) comment() error {
	body := r.data[r.pos+4:]
	end := bytes.Index(body, []byte("--"))
	if end < 0 || end+2 >= len(body) {
		return r.errorAt(r.pos, "a comment is not closed")
	}
	if body[end+2] != '>' {
		return r.errorAt(r.pos+4+end, "-- inside a comment")
	}
	r.pos += 4 + end + 3
	return nil
}

// instruction skips a processing instruction or the XML declaration at pos.
func (r *Reader) instruction() error {
	start := r.pos
	p, err := r.scanName(start + 2)
	if err != nil {
		return err
	}
	target := r.data[start+2 : p]
	end := bytes.Index(r.data[p:], []byte("?>"))
	if end < 0 {
		return r.errorAt(start, "a processing instruction is not closed")
	}
	body := r.data[p : p+end]
	if len(body) > 0 && !isSpace(body[0]) || bytes.IndexByte(target, ':') >= 0 {
		return r.errorAt(start, "a malformed processing instruction")
	}
	if bytes.EqualFold(target, []byte("xml")) {
		first := start == 0 || start == 3 && bytes.HasPrefix(r.data, []byte("\xef\xbb\xbf"))
		if !first || string(target) != "xml" {
			return r.errorAt(start, "an XML declaration is only allowed at the start")
		}
		if err := r.declaration(start, body); err != nil {
			return err
		}
	}
	r.pos = p + end + 2
	return nil
}

// declaration checks the pseudo-attributes of the XML declaration.
func (r *Reader) declaration(start int, body []byte) error {
	order := 0
	for {
		trimmed := TrimSpace(body)
		if len(trimmed) == 0 {
			break
		}
		if !isSpace(body[0]) {
			return r.errorAt(start, "a malformed XML declaration")
		}
		eq := bytes.IndexByte(trimmed, '=')
		if eq < 0 {
			return r.errorAt(start, "a malformed XML declaration")
		}
		name, rest := TrimSpace(trimmed[:eq]), TrimSpace(trimmed[eq+1:])
		if len(rest) < 2 || rest[0] != '"' && rest[0] != '\'' {
			return r.errorAt(start, "a malformed XML declaration")
		}
		end := bytes.IndexByte(rest[1:], rest[0])
		if end < 0 {
			return r.errorAt(start, "a malformed XML declaration")
		}
		value := rest[1 : 1+end]
		// TrimSpace shares the array, so what follows keeps its leading
		// white space, which the next round demands.
		body = rest[1+end+1:]
		switch {
		case string(name) == "version" && order == 0:
			order = 1
			if string(value) != "1.0" {
				return r.errorAt(start, "XML version %q is not supported", value)
			}
		case string(name) == "encoding" && order == 1:
			order = 2
			if !bytes.EqualFold(value, []byte("UTF-8")) {
				return r.errorAt(start, "the encoding %q is not UTF-8", value)
			}
		case string(name) == "standalone" && (order == 1 || order == 2):
			order = 3
			if string(value) != "yes" && string(value) != "no" {
				return r.errorAt(start, "a malformed XML declaration")
			}
		default:
			return r.errorAt(start, "a malformed XML declaration")
		}
	}
	if order == 0 {
		return r.errorAt(start, "the XML declaration has no version")
	}
	return nil
}

// open reads a start tag at pos.
func (r *Reader) open() (Kind, error) {
	start := r.pos
	end, err := r.scanName(start + 1)
	if err != nil {
		return EOF, err
	}
	if len(r.stack) >= r.limits.Depth {
		e := r.errorAt(start, "elements are nested deeper than %d", r.limits.Depth)
		e.TooBig = true
		return EOF, e
	}
	r.stack = append(r.stack, element{int32(start + 1), int32(end), int32(len(r.bindings)), int32(start)})
	r.name = r.data[start+1 : end]
	r.attrs = r.attrs[:0]
	r.attrBuf = r.attrBuf[:0]
	p := end
	for {
		q := p
		for q < len(r.data) && isSpace(r.data[q]) {
			q++
		}
		if q >= len(r.data) {
			return EOF, r.errorAt(start, "the document ends inside a tag")
		}
		switch r.data[q] {
		case '>':
			r.pos = q + 1
			return r.opened(start)
		case '/':
			if q+1 >= len(r.data) || r.data[q+1] != '>' {
				return EOF, r.errorAt(q, "a / inside a tag")
			}
			r.pos = q + 2
			r.pending = true
			return r.opened(start)
		}
		if q == p {
			return EOF, r.errorAt(q, "white space is missing between attributes")
		}
		if p, err = r.attribute(q); err != nil {
			return EOF, err
		}
	}
}

// attribute reads one attribute or declaration at p and returns its end.
func (r *Reader) attribute(p int) (int, error) {
	nameEnd, err := r.scanName(p)
	if err != nil {
		return 0, err
	}
	name := r.data[p:nameEnd]
	q := nameEnd
	for q < len(r.data) && isSpace(r.data[q]) {
		q++
	}
	if q >= len(r.data) || r.data[q] != '=' {
		return 0, r.errorAt(q, "the attribute %q has no value", name)
	}
	q++
	for q < len(r.data) && isSpace(r.data[q]) {
		q++
	}
	if q >= len(r.data) || r.data[q] != '"' && r.data[q] != '\'' {
		return 0, r.errorAt(q, "the value of attribute %q is not quoted", name)
	}
	n := bytes.IndexByte(r.data[q+1:], r.data[q])
	if n < 0 {
		return 0, r.errorAt(q, "the value of attribute %q is not closed", name)
	}
	from, to := q+1, q+1+n
	value := r.data[from:to]
	if i := bytes.IndexByte(value, '<'); i >= 0 {
		return 0, r.errorAt(from+i, "< in the value of attribute %q", name)
	}
	if bytes.ContainsAny(value, "&\r\n\t") {
		before := len(r.attrBuf)
		if r.attrBuf, err = r.resolve(r.attrBuf, from, to, true); err != nil {
			return 0, err
		}
		value = r.attrBuf[before:len(r.attrBuf):len(r.attrBuf)]
	}
	own := r.stack[len(r.stack)-1].bindings
	if len(r.attrs)+len(r.bindings)-int(own) >= r.limits.Attrs {
		e := r.errorAt(p, "an element has more than %d attributes", r.limits.Attrs)
		e.TooBig = true
		return 0, e
	}
	colon := bytes.IndexByte(name, ':')
	prefix, local := name[:max(colon, 0)], name[colon+1:]
	switch {
	case string(name) == "xmlns" || string(prefix) == "xmlns":
		if string(name) == "xmlns" {
			local = nil
		}
		return to + 1, r.declare(p, local, value)
	default:
		for i := range r.attrs {
			if bytes.Equal(r.attrs[i].Local, local) && bytes.Equal(r.attrs[i].Prefix, prefix) {
				return 0, r.errorAt(p, "the attribute %q occurs twice", name)
			}
		}
		r.attrs = append(r.attrs, Attr{Prefix: prefix, Local: local, Value: value})
	}
	return to + 1, nil
}

// declare adds a namespace declaration to the innermost element.
func (r *Reader) declare(p int, prefix, space []byte) error {
	own := r.bindings[r.stack[len(r.stack)-1].bindings:]
	for i := range own {
		if own[i].Prefix == string(prefix) {
			return r.errorAt(p, "the namespace prefix %q is declared twice", prefix)
		}
	}
	switch {
	case len(prefix) > 0 && len(space) == 0:
		return r.errorAt(p, "the namespace prefix %q is declared empty", prefix)
	case string(prefix) == "xmlns", (string(prefix) == "xml") != (string(space) == NamespaceXML),
		string(space) == "http://www.w3.org/2000/xmlns/":
		return r.errorAt(p, "the prefixes xml and xmlns and their namespaces are reserved")
	}
	b := Binding{}
	// Messages declare the same few namespaces again and again (every list
	// entry of some clients): reuse the strings of what is in scope.
	for i := len(r.bindings) - 1; i >= 0 && (b.Space == "" || b.Prefix == ""); i-- {
		if r.bindings[i].Space == string(space) {
			b.Space = r.bindings[i].Space
		}
		if r.bindings[i].Prefix == string(prefix) {
			b.Prefix = r.bindings[i].Prefix
		}
	}
	if b.Space == "" {
		b.Space = string(space)
	}
	if b.Prefix == "" {
		b.Prefix = string(prefix)
	}
	r.bindings = append(r.bindings, b)
	return nil
}

// opened resolves the prefixes of a start tag once all declarations are read.
func (r *Reader) opened(start int) (Kind, error) {
	if err := r.resolveName(start); err != nil {
		return EOF, err
	}
	for i := range r.attrs {
		a := &r.attrs[i]
		if len(a.Prefix) == 0 {
			continue
		}
		space, ok := r.lookupBytes(a.Prefix)
		if !ok {
			return EOF, r.errorAt(start, "the namespace prefix %q of an attribute is not declared", a.Prefix)
		}
		a.Space = space
		for j := range r.attrs[:i] {
			if r.attrs[j].Space == space && bytes.Equal(r.attrs[j].Local, a.Local) {
				return EOF, r.errorAt(start, "the attribute %q of namespace %q occurs twice", a.Local, space)
			}
		}
	}
	return Start, nil
}

func (r *Reader) resolveName(start int) error {
	r.prefixLen = max(bytes.IndexByte(r.name, ':'), 0)
	space, ok := r.lookupBytes(r.name[:r.prefixLen])
	if !ok {
		return r.errorAt(start, "the namespace prefix %q is not declared", r.name[:r.prefixLen])
	}
	r.space = space
	return nil
}

func (r *Reader) lookupBytes(prefix []byte) (string, bool) {
	for i := len(r.bindings) - 1; i >= 0; i-- {
		if r.bindings[i].Prefix == string(prefix) {
			return r.bindings[i].Space, true
		}
	}
	return "", len(prefix) == 0
}

// closeTag reads an end tag at pos.
func (r *Reader) closeTag() (Kind, error) {
	open := r.openName()
	p := r.pos + 2
	if !bytes.HasPrefix(r.data[p:], open) {
		return EOF, r.errorAt(r.pos, "the element %q is closed by another end tag", open)
	}
	p += len(open)
	for p < len(r.data) && isSpace(r.data[p]) {
		p++
	}
	if p >= len(r.data) || r.data[p] != '>' {
		return EOF, r.errorAt(r.pos, "the element %q is closed by another end tag", open)
	}
	r.pos = p + 1
	return r.close()
}

// close ends the innermost element.
func (r *Reader) close() (Kind, error) {
	r.name = r.openName()
	if err := r.resolveName(r.tokenStart); err != nil {
		return EOF, err
	}
	r.attrs = r.attrs[:0]
	r.stack = r.stack[:len(r.stack)-1]
	return End, nil
}

// resolve appends data[from:to] with its references resolved and its line
// ends normalised; in an attribute white space becomes a space (XML 1.0
// section 3.3.3).
func (r *Reader) resolve(dst []byte, from, to int, attr bool) ([]byte, error) {
	for p := from; p < to; {
		c := r.data[p]
		switch c {
		case '&':
			n := bytes.IndexByte(r.data[p:min(to, p+12)], ';')
			if n < 0 {
				return dst, r.errorAt(p, "an & that starts no reference")
			}
			ref := r.data[p+1 : p+n]
			ch, ok := reference(ref)
			if !ok {
				return dst, r.errorAt(p, "the reference &%s; is not defined", ref)
			}
			dst = utf8.AppendRune(dst, ch)
			p += n + 1
			continue
		case '\r':
			if p+1 < to && r.data[p+1] == '\n' {
				p++
			}
			c = '\n'
		}
		if attr && (c == '\n' || c == '\t') {
			c = ' '
		}
		dst = append(dst, c)
		p++
	}
	return dst, nil
}

// appendLines appends text with its line ends normalised.
func appendLines(dst, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\r' {
			if i+1 < len(text) && text[i+1] == '\n' {
				continue
			}
			c = '\n'
		}
		dst = append(dst, c)
	}
	return dst
}

func reference(ref []byte) (rune, bool) {
	switch string(ref) {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	if len(ref) < 2 || ref[0] != '#' {
		return 0, false
	}
	digits, base := ref[1:], rune(10)
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	var ch rune
	for _, c := range digits {
		var d rune
		switch {
		case c >= '0' && c <= '9':
			d = rune(c - '0')
		case base == 16 && c >= 'a' && c <= 'f':
			d = rune(c-'a') + 10
		case base == 16 && c >= 'A' && c <= 'F':
			d = rune(c-'A') + 10
		default:
			return 0, false
		}
		if ch = ch*base + d; ch > utf8.MaxRune {
			return 0, false
		}
	}
	return ch, len(digits) > 0 && isChar(ch)
}
