package codec

import (
	"bytes"
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// captureXML copies the content of the element whose start tag is the current
// token, up to its end tag, byte for byte, and makes it stand alone: every
// top-level child declares the namespaces in scope that it uses. Prefixes
// that occur in text count as used, because they may be part of a value.
func captureXML(r *xmltok.Reader) (*tree.Any, error) {
	scope := r.Bindings()
	from := r.End()
	depth := r.Depth()
	var out []byte
	copied := from
	for {
		k, err := r.Next()
		if err != nil {
			return nil, err
		}
		if k == xmltok.End && r.Depth() == depth-1 {
			// The end tag of an empty-element tag has no bytes of its own.
			if end := r.Offset(); end > copied {
				out = append(out, r.Data()[copied:end]...)
			}
			return &tree.Any{XML: out}, nil
		}
		if k != xmltok.Start || r.Depth() != depth+1 {
			continue
		}
		own := slices.Clone(r.OwnBindings())
		start := r.Offset()
		nameEnd := start + 1 + len(r.Local())
		if n := len(r.Prefix()); n > 0 {
			nameEnd += n + 1
		}
		afterTag := r.End()
		if err := r.Skip(); err != nil {
			return nil, err
		}
		end := max(r.End(), afterTag)
		whole := r.Data()[start:end]
		out = append(out, r.Data()[copied:nameEnd]...)
		out = declareUsed(out, scope, own, whole)
		out = append(out, r.Data()[nameEnd:end]...)
		copied = end
	}
}

// declareUsed appends the declarations of scope that the element with these
// bytes may need and does not write itself.
func declareUsed(dst []byte, scope, own []xmltok.Binding, element []byte) []byte {
	scope = slices.Clone(scope)
	slices.SortFunc(scope, func(a, b xmltok.Binding) int { return bytes.Compare([]byte(a.Prefix), []byte(b.Prefix)) })
	for _, b := range scope {
		if slices.ContainsFunc(own, func(o xmltok.Binding) bool { return o.Prefix == b.Prefix }) {
			continue
		}
		if b.Prefix == "" {
			dst = append(dst, ` xmlns="`...)
		} else {
			if !bytes.Contains(element, []byte(b.Prefix+":")) {
				continue
			}
			dst = append(dst, ` xmlns:`...)
			dst = append(dst, b.Prefix...)
			dst = append(dst, `="`...)
		}
		dst = xmltok.AppendAttr(dst, b.Space)
		dst = append(dst, '"')
	}
	return dst
}

// anyAsXML returns the content of an anydata or anyxml as XML.
func anyAsXML(s *schema.Node, a *tree.Any) []byte {
	switch {
	case a == nil:
		return nil
	case a.JSON != nil:
		j := jsonScanner{data: a.JSON, limit: 1 << 16}
		return appendJSONAsXML(nil, &j, "", s.Module, s.Module.Schema())
	}
	return a.XML
}

// appendJSONAsXML appends a JSON value as XML content: members become
// elements, arrays repeated elements. A module name that the schema knows
// becomes its namespace; other names keep the namespace around them.
func appendJSONAsXML(dst []byte, j *jsonScanner, name string, in *schema.Module, all *schema.Schema) []byte {
	module, local, ok := strings.Cut(name, ":")
	declare := false
	if !ok {
		local = name
	} else if m := all.Module(module); m != nil {
		declare = m != in
		in = m
	}
	open := func() {
		if local == "" {
			return
		}
		dst = append(append(dst, '<'), local...)
		if declare {
			dst = append(dst, ` xmlns="`...)
			dst = xmltok.AppendAttr(dst, in.Namespace)
			dst = append(dst, '"')
		}
		dst = append(dst, '>')
	}
	closed := func() {
		if local != "" {
			dst = append(append(append(dst, '<', '/'), local...), '>')
		}
	}
	switch j.kind() {
	case jsonObject:
		open()
		if j.open('{') != nil {
			return dst
		}
		for first := true; ; {
			more, err := j.more(&first, '}')
			if err != nil || !more {
				break
			}
			member, err := j.name()
			if err != nil {
				break
			}
			dst = appendJSONAsXML(dst, j, member, in, all)
		}
		closed()
	case jsonArray:
		if j.open('[') != nil {
			return dst
		}
		for first := true; ; {
			more, err := j.more(&first, ']')
			if err != nil || !more {
				break
			}
			outer := in
			if declare {
				outer = nil
			}
			dst = appendJSONAsXML(dst, j, name, outer, all)
		}
	default:
		var text string
		switch j.kind() {
		case jsonString:
			text, _ = j.str()
		case jsonNumber:
			text, _ = j.number()
		default:
			if text, _ = j.literal(); text == "null" {
				text = ""
			}
		}
		open()
		dst = xmltok.AppendText(dst, text)
		closed()
	}
	return dst
}

// anyAsJSON returns the content of an anydata or anyxml as a JSON value.
func anyAsJSON(s *schema.Node, a *tree.Any, ietf bool) []byte {
	switch {
	case a == nil:
		return []byte("{}")
	case a.JSON != nil:
		return a.JSON
	}
	// The captured content needs one element around it to be a document.
	doc := make([]byte, 0, len(a.XML)+16)
	doc = append(append(append(doc, "<any>"...), a.XML...), "</any>"...)
	r := xmltok.NewReader(doc, xmltok.Limits{Depth: 1 << 16, Bytes: 1 << 30})
	if _, err := r.Next(); err != nil {
		return []byte("null")
	}
	v, err := elementAsJSON(r, nil, s.Module.Schema(), ietf)
	if err != nil {
		return []byte("null")
	}
	if s.Kind == schema.Anydata && len(a.XML) == 0 {
		return []byte("{}")
	}
	return v
}

// elementAsJSON turns the content of the element that was just started into a
// JSON value: a string without child elements, else an object whose members
// are the children, repeated ones as an array. Attributes have no place in
// JSON and are left out.
func elementAsJSON(r *xmltok.Reader, in *schema.Module, all *schema.Schema, ietf bool) ([]byte, error) {
	type member struct {
		name   string
		values [][]byte
	}
	var members []member
	var text []byte
	for {
		k, err := r.Next()
		if err != nil {
			return nil, err
		}
		switch k {
		case xmltok.Text:
			text = append(text, r.Text()...)
		case xmltok.Start:
			name := string(r.Local())
			m := all.ModuleByNamespace(r.Space())
			if ietf && m != nil && m != in {
				name = m.Name + ":" + name
			}
			v, err := elementAsJSON(r, m, all, ietf)
			if err != nil {
				return nil, err
			}
			i := slices.IndexFunc(members, func(o member) bool { return o.name == name })
			if i < 0 {
				i = len(members)
				members = append(members, member{name: name})
			}
			members[i].values = append(members[i].values, v)
		case xmltok.End:
			if len(members) == 0 {
				return appendJSONString(nil, string(text)), nil
			}
			out := []byte{'{'}
			for i, m := range members {
				if i > 0 {
					out = append(out, ',')
				}
				out = append(appendJSONString(out, m.name), ':')
				if len(m.values) == 1 {
					out = append(out, m.values[0]...)
					continue
				}
				out = append(out, '[')
				out = append(out, bytes.Join(m.values, []byte{','})...)
				out = append(out, ']')
			}
			return append(out, '}'), nil
		}
	}
}
