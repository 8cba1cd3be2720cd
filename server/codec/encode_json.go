package codec

import (
	"io"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// EncodeJSON writes n as AppendJSON does.
func EncodeJSON(w io.Writer, n *tree.Node, opt EncodeOptions) error {
	_, err := w.Write(AppendJSON(nil, n, opt))
	return err
}

// AppendJSON appends the JSON value of n: an object for a container, list
// entry, operation, notification or the root, an array for a holder, the bare
// value for a leaf or an entry of a leaf-list. With IETF set it follows RFC
// 7951, and the members of the outermost object always carry their module's
// name; otherwise names carry none and numbers are JSON numbers (gNMI JSON).
func AppendJSON(dst []byte, n *tree.Node, opt EncodeOptions) []byte {
	if n == nil {
		return append(dst, "{}"...)
	}
	e := jsonEncoder{opt: opt, dst: dst}
	e.node(n, nil, 0)
	return e.dst
}

type jsonEncoder struct {
	opt EncodeOptions
	dst []byte
}

func (e *jsonEncoder) line(level int) {
	if e.opt.Indent == "" {
		return
	}
	e.dst = append(e.dst, '\n')
	for range level {
		e.dst = append(e.dst, e.opt.Indent...)
	}
}

// node appends the value of n; in is the module that names without one
// belong to inside the value.
func (e *jsonEncoder) node(n *tree.Node, in *schema.Module, level int) {
	s := n.Schema()
	switch {
	case n.IsHolder():
		e.dst = append(e.dst, '[')
		first := true
		for c := range n.Children() {
			if !first {
				e.dst = append(e.dst, ',')
			}
			first = false
			e.line(level + 1)
			e.node(c, in, level+1)
		}
		if !first {
			e.line(level)
		}
		e.dst = append(e.dst, ']')
	case s.Kind == schema.Leaf || s.Kind == schema.LeafList:
		e.dst = appendJSONValue(e.dst, n.Value(), e.opt.IETF)
	case s.Kind == schema.Anydata || s.Kind == schema.Anyxml:
		e.dst = append(e.dst, anyAsJSON(s, n.Anydata(), e.opt.IETF)...)
	default:
		e.object(n, in, level)
	}
}

func (e *jsonEncoder) object(n *tree.Node, in *schema.Module, level int) {
	e.dst = append(e.dst, '{')
	first := true
	member := func(c *tree.Node) {
		s := c.Schema()
		if e.opt.ConfigOnly && !s.Config {
			return
		}
		mark, wasFirst := len(e.dst), first
		if !first {
			e.dst = append(e.dst, ',')
		}
		first = false
		e.line(level + 1)
		e.dst = append(e.dst, '"')
		if e.opt.IETF && s.Module != in {
			e.dst = append(e.dst, s.Module.Name...)
			e.dst = append(e.dst, ':')
		}
		name := s.Name
		if !e.opt.IETF {
			name = s.Plain
		}
		e.dst = append(e.dst, name...)
		e.dst = append(e.dst, '"', ':')
		if e.opt.Indent != "" {
			e.dst = append(e.dst, ' ')
		}
		before := len(e.dst)
		e.node(c, s.Module, level+1)
		// A container that only state data holds up says nothing.
		if e.opt.ConfigOnly && s.Kind == schema.Container && !s.Presence && len(e.dst) == before+2 {
			e.dst, first = e.dst[:mark], wasFirst
		}
	}
	if e.opt.Defaults == tree.Explicit {
		for c := range n.Children() {
			member(c)
		}
	} else {
		for v := range tree.WithDefaults(n, e.opt.Defaults) {
			member(v.Node)
		}
	}
	if !first {
		e.line(level)
	}
	e.dst = append(e.dst, '}')
}

// appendJSONValue appends the JSON value of v: RFC 7951 section 6 if ietf is
// set, else as gNMI's JSON encoding has it.
func appendJSONValue(dst []byte, v schema.Value, ietf bool) []byte {
	t := v.Type()
	if t == nil {
		return append(dst, "null"...)
	}
	text := v.String()
	switch t.Kind() {
	case schema.Int8, schema.Int16, schema.Int32, schema.Uint8, schema.Uint16, schema.Uint32, schema.Boolean:
		return append(dst, text...)
	case schema.Int64, schema.Uint64, schema.Decimal64:
		if !ietf {
			return append(dst, text...)
		}
	case schema.Empty:
		return append(dst, "[null]"...)
	case schema.Identityref:
		if !ietf {
			if _, local, ok := strings.Cut(text, ":"); ok {
				text = local
			}
		}
	}
	return appendJSONString(dst, text)
}
