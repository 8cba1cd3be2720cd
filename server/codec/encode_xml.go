package codec

import (
	"io"
	"strings"

	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// EncodeOptions steers the encoders.
type EncodeOptions struct {
	// Defaults is the retrieval mode of RFC 6243; the zero value prints what
	// the tree holds.
	Defaults tree.DefaultsMode
	// Tag, for XML only, marks leafs whose value is the default, as the mode
	// ReportAllTagged does, without adding any that the tree does not hold.
	Tag bool
	// Intended, for XML only, is the intended configuration of the operational data
	// that is printed: the annotation origin is added (RFC 8342 section 7).
	Intended *tree.Node
	// Marker, for XML only, adds attributes and cuts elements short.
	Marker Marker
	// ConfigOnly leaves out state data.
	ConfigOnly bool
	// Indent, if not empty, puts every element or member on a line of its
	// own, indented by this string per level.
	Indent string
	// IETF selects, for JSON only, the encoding of RFC 7951. Without it names
	// carry no module and 64-bit numbers are JSON numbers (gNMI JSON).
	IETF bool
}

// Marker decides about the elements of a tree while it is printed (transaction ids
// of NETCONF), except keys.
type Marker interface {
	// Enter is called for each element, an outer one before those in it. It returns
	// the attributes to add, each with a blank in front, and whether nothing is to
	// be printed in the element but the keys of an entry.
	Enter(n *tree.Node) (attrs string, cut bool)
	// Leave is called at the end of each element.
	Leave()
}

// flushAt is how many octets EncodeXML collects before it writes them, so that a
// tree of any size is printed in bounded memory.
const flushAt = 64 << 10

// EncodeXML writes n as AppendXML does, piece by piece. It stops at the first
// error of w.
func EncodeXML(w io.Writer, n *tree.Node, opt EncodeOptions) error {
	e := xmlEncoder{opt: opt, w: w}
	e.top(n)
	e.flush()
	return e.err
}

// AppendXML appends n: the root, the input or output of an operation as their
// children, any other node as its element, a holder as its entries' elements.
// The first element declares its namespace; further declarations appear where
// the module changes and on leafs whose value needs prefixes (RFC 7950
// sections 9.10.3 and 9.13.2).
func AppendXML(dst []byte, n *tree.Node, opt EncodeOptions) []byte {
	e := xmlEncoder{opt: opt, dst: dst}
	e.top(n)
	return e.dst
}

type xmlEncoder struct {
	opt  EncodeOptions
	dst  []byte
	from origin // where opt.Intended is set

	w    io.Writer // nil where all goes to dst
	done int       // octets written to w
	err  error     // of w
}

func (e *xmlEncoder) top(n *tree.Node) {
	if n == nil {
		return
	}
	e.from.at = e.opt.Intended
	if s := n.Schema(); s.Module == nil || s.Kind == schema.Input || s.Kind == schema.Output {
		e.children(n, nil, 0)
	} else {
		e.node(n, false, nil, 0)
	}
}

// flush writes what was collected. It is called only behind a list entry: the
// parent is then known not to be empty, and its start tag need not be at hand.
func (e *xmlEncoder) flush() {
	if e.w == nil || e.err != nil || len(e.dst) == 0 {
		return
	}
	_, e.err = e.w.Write(e.dst)
	e.done += len(e.dst)
	e.dst = e.dst[:0]
}

func (e *xmlEncoder) children(n *tree.Node, in *schema.Module, level int) {
	if e.opt.Defaults == tree.Explicit {
		for c := range n.Children() {
			e.node(c, false, in, level)
		}
		return
	}
	for v := range tree.WithDefaults(n, e.opt.Defaults) {
		e.node(v.Node, v.IsDefault, in, level)
	}
}

func (e *xmlEncoder) line(level int) {
	if e.opt.Indent == "" {
		return
	}
	if e.done+len(e.dst) > 0 {
		e.dst = append(e.dst, '\n')
	}
	for range level {
		e.dst = append(e.dst, e.opt.Indent...)
	}
}

// open appends a start tag without its closing >.
func (e *xmlEncoder) open(s *schema.Node, in *schema.Module, level int) {
	e.line(level)
	e.dst = append(e.dst, '<')
	e.dst = append(e.dst, s.Name...)
	if s.Module != in {
		e.dst = append(e.dst, ` xmlns="`...)
		e.dst = xmltok.AppendAttr(e.dst, s.Module.Namespace)
		e.dst = append(e.dst, '"')
	}
}

func (e *xmlEncoder) close(s *schema.Node) {
	e.dst = append(e.dst, '<', '/')
	e.dst = append(e.dst, s.Name...)
	e.dst = append(e.dst, '>')
}

// node appends one node; in is the module of the default namespace in scope.
func (e *xmlEncoder) node(n *tree.Node, isDefault bool, in *schema.Module, level int) {
	s := n.Schema()
	if e.opt.ConfigOnly && !s.Config {
		return
	}
	if n.IsHolder() {
		for c := range n.Children() {
			if e.node(c, isDefault, in, level); len(e.dst) >= flushAt {
				e.flush()
			}
			if e.err != nil {
				return
			}
		}
		return
	}
	switch s.Kind {
	case schema.Leaf, schema.LeafList:
		e.open(s, in, level)
		if e.opt.Intended != nil {
			e.annotate(n, isDefault)
		}
		if e.opt.Marker != nil && !s.IsKey() {
			attrs, cut := e.opt.Marker.Enter(n)
			e.opt.Marker.Leave()
			if e.dst = append(e.dst, attrs...); cut {
				e.dst = append(e.dst, '/', '>')
				return
			}
		}
		if (e.opt.Tag || e.opt.Defaults == tree.ReportAllTagged) && (isDefault || isDefaultValue(s, n.Value())) {
			e.dst = append(e.dst, ` xmlns:wd="`+NamespaceWithDefaults+`" wd:default="true"`...)
		}
		e.value(s, n.Value())
	case schema.Anydata, schema.Anyxml:
		e.open(s, in, level)
		content := anyAsXML(s, n.Anydata())
		if e.opt.Marker != nil {
			attrs, cut := e.opt.Marker.Enter(n)
			e.opt.Marker.Leave()
			if e.dst = append(e.dst, attrs...); cut {
				content = nil
			}
		}
		if len(content) == 0 {
			e.dst = append(e.dst, '/', '>')
			return
		}
		e.dst = append(e.dst, '>')
		e.dst = append(e.dst, content...)
		e.close(s)
	default:
		e.open(s, in, level)
		outer := e.from
		if e.opt.Intended != nil {
			e.from = e.annotate(n, isDefault)
		}
		cut := false
		if e.opt.Marker != nil {
			var attrs string
			attrs, cut = e.opt.Marker.Enter(n)
			e.dst = append(e.dst, attrs...)
		}
		e.dst = append(e.dst, '>')
		before := e.done + len(e.dst)
		if cut {
			for _, k := range s.Keys {
				e.node(n.Child(k), false, s.Module, level+1)
			}
		} else {
			e.children(n, s.Module, level+1)
		}
		if e.opt.Marker != nil {
			e.opt.Marker.Leave()
		}
		e.from = outer
		if e.done+len(e.dst) == before {
			e.dst = append(e.dst[:len(e.dst)-1], '/', '>')
			return
		}
		e.line(level)
		e.close(s)
	}
}

func isDefaultValue(s *schema.Node, v schema.Value) bool {
	return s.Kind == schema.Leaf && len(s.Defaults) == 1 && s.Defaults[0].String() == v.String()
}

// value appends the rest of a leaf: declarations, >, text and the end tag.
func (e *xmlEncoder) value(s *schema.Node, v schema.Value) {
	text := v.String()
	if t := v.Type(); t != nil {
		switch t.Kind() {
		case schema.Identityref:
			// Canonical is module:name; the prefix is declared on the leaf.
			name, local, ok := strings.Cut(text, ":")
			if m := moduleOf(s, name); ok && m != nil {
				e.prefix(m)
				e.dst = append(e.dst, '>')
				e.dst = append(e.dst, m.Prefix...)
				e.dst = append(e.dst, ':')
				e.dst = append(e.dst, local...)
				e.close(s)
				return
			}
		case schema.InstanceIdentifier:
			e.instance(s, text)
			return
		case schema.String:
			if t.IsNodeInstance() {
				e.instance(s, text)
				return
			}
			if t.IsXPath() {
				e.xpath(s, text)
				return
			}
		}
	}
	if text == "" {
		e.dst = append(e.dst, '/', '>')
		return
	}
	e.dst = append(e.dst, '>')
	e.dst = xmltok.AppendText(e.dst, text)
	e.close(s)
}

func (e *xmlEncoder) prefix(m *schema.Module) {
	e.dst = append(e.dst, " xmlns:"...)
	e.dst = append(e.dst, m.Prefix...)
	e.dst = append(e.dst, '=', '"')
	e.dst = xmltok.AppendAttr(e.dst, m.Namespace)
	e.dst = append(e.dst, '"')
}

// instance appends an instance-identifier, every name of which carries a
// prefix in XML.
func (e *xmlEncoder) instance(s *schema.Node, text string) {
	var used []*schema.Module
	converted := prefixed(text, func(name string) string {
		m := moduleOf(s, name)
		if m == nil {
			return name
		}
		for _, u := range used {
			if u == m {
				return m.Prefix
			}
		}
		used = append(used, m)
		e.prefix(m)
		return m.Prefix
	})
	e.dst = append(e.dst, '>')
	e.dst = xmltok.AppendText(e.dst, converted)
	e.close(s)
}

// xpath appends an XPath expression, whose prefixes are names of modules: they
// are declared as they are, so that no two modules have the same.
func (e *xmlEncoder) xpath(s *schema.Node, text string) {
	declared := map[string]bool{}
	schema.MapPrefixes(text, func(prefix string) string {
		if m := moduleOf(s, prefix); m != nil && !declared[prefix] {
			declared[prefix] = true
			e.dst = append(e.dst, " xmlns:"+prefix+`="`...)
			e.dst = xmltok.AppendAttr(e.dst, m.Namespace)
			e.dst = append(e.dst, '"')
		}
		return prefix
	})
	e.dst = append(e.dst, '>')
	e.dst = xmltok.AppendText(e.dst, text)
	e.close(s)
}

// moduleOf finds a module by name in the schema that s belongs to.
func moduleOf(s *schema.Node, name string) *schema.Module {
	if s.Module.Name == name {
		return s.Module
	}
	return s.Module.Schema().Module(name)
}

// prefixed turns the instance-identifier form of RFC 7951 section 6.11, in
// which a name without module has that of its parent, into the form of RFC
// 7950 section 9.13, in which every name has a prefix. Quoted values stay.
func prefixed(text string, prefix func(module string) string) string {
	var b strings.Builder
	module := ""
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '\'' || c == '"':
			end := strings.IndexByte(text[i+1:], c)
			if end < 0 {
				b.WriteString(text[i:])
				return b.String()
			}
			b.WriteString(text[i : i+end+2])
			i += end + 2
		case c == '$': // a variable has no module
			end := i + 1
			for end < len(text) && isNameByte(text[end]) {
				end++
			}
			b.WriteString(text[i:end])
			i = end
		case isNameByte(c) && !(c >= '0' && c <= '9') && c != '.' && c != '-':
			end := i
			for end < len(text) && isNameByte(text[end]) {
				end++
			}
			name := text[i:end]
			own := module
			if end < len(text) && text[end] == ':' {
				own = name
				start := end + 1
				for end = start; end < len(text) && isNameByte(text[end]); end++ {
				}
				name = text[start:end]
				if i > 0 && text[i-1] == '/' {
					module = own
				}
			}
			b.WriteString(prefix(own))
			b.WriteByte(':')
			b.WriteString(name)
			i = end
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}
