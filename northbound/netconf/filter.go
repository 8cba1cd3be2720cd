package netconf

import (
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// filterNode is one element of a subtree filter (RFC 6241 section 6).
type filterNode struct {
	space, local string
	etag         string // the client's transaction id, empty for none
	text         string // trimmed; a content match where it is not empty
	bindings     map[string]string
	children     []*filterNode
}

// readFilter reads a <filter>, whose start tag is the current token: a subtree
// (RFC 6241 section 6) or, with :xpath, an expression in its attribute select
// (section 8.9.5.1). A subtree filter without content selects nothing.
func (q *request) readFilter() (*selection, error) {
	kind, expr, hasSelect := "subtree", "", false
	for _, a := range q.r.Attrs() {
		switch {
		case a.Is("", "type") || a.Is(nsBase, "type"):
			if kind = string(a.Value); kind != "subtree" && kind != "xpath" {
				return nil, badFilterAttribute(yangerr.BadAttribute, "type", "a filter of type %q is not supported, only subtree and xpath are", a.Value)
			}
		case a.Is("", "select") || a.Is(nsBase, "select"):
			expr, hasSelect = string(a.Value), true
		case q.txid && a.Space == nsTxidAttr:
		default:
			return nil, unknownAttribute(a, "filter", "a filter has the attributes type and select only")
		}
	}
	if err := q.rootEtag(); err != nil {
		return nil, err
	}
	switch {
	case kind == "xpath" && !hasSelect:
		return nil, badFilterAttribute(yangerr.MissingAttribute, "select", "a filter of type xpath needs the attribute select")
	case kind == "subtree" && hasSelect:
		return nil, badFilterAttribute(yangerr.UnknownAttribute, "select", "a subtree filter has no attribute select")
	case kind == "xpath":
		sel, err := newXPath(q.srv.schema, expr, q.bindings())
		if err != nil {
			return nil, err
		}
		return sel, q.empty()
	}
	f, err := q.readSubtree()
	if err != nil {
		return nil, err
	}
	return newSubtree(q.srv.schema, f), nil
}

func badFilterAttribute(tag yangerr.Tag, attribute, format string, args ...any) error {
	return yangerr.New(tag, nil, format, args...).WithType(yangerr.Protocol).
		WithInfo(yangerr.Info{Name: yangerr.InfoBadAttribute, Value: attribute}, yangerr.Info{Name: yangerr.InfoBadElement, Value: "filter"})
}

// readSubtree reads the content of the current element as a subtree filter.
func (q *request) readSubtree() (*filterNode, error) {
	f := &filterNode{bindings: q.bindings()}
	left := maxFilterNodes
	if err := q.filterContent(f, &left); err != nil {
		return nil, err
	}
	return f, nil
}

func unknownAttribute(a xmltok.Attr, element, why string) error {
	return yangerr.New(yangerr.UnknownAttribute, nil, "the element <%s> has the attribute %q: %s", element, a.Local, why).WithType(yangerr.Protocol).
		WithInfo(yangerr.Info{Name: yangerr.InfoBadAttribute, Value: string(a.Local)}, yangerr.Info{Name: yangerr.InfoBadElement, Value: element})
}

// maxFilterNodes bounds the elements of one filter.
const maxFilterNodes = 1 << 16

// bindings returns the namespace declarations in scope at the current tag.
func (q *request) bindings() map[string]string {
	m := map[string]string{}
	for _, b := range q.r.Bindings() {
		m[b.Prefix] = b.Space
	}
	return m
}

func (q *request) filterContent(f *filterNode, left *int) error {
	for {
		kind, err := q.r.Next()
		if err != nil {
			return err
		}
		switch kind {
		case xmltok.End:
			return nil
		case xmltok.Text:
			f.text += string(xmltok.TrimSpace(q.r.Text()))
		case xmltok.Start:
			c := &filterNode{space: q.r.Space(), local: string(q.r.Local()), bindings: f.bindings}
			if *left--; *left < 0 {
				return yangerr.New(yangerr.TooBig, nil, "a filter may have %d elements", maxFilterNodes).WithType(yangerr.Protocol)
			}
			// Attribute match expressions (section 6.2.2) select by attributes of the
			// data. Data that YANG defines has none, so nothing could ever match.
			for _, a := range q.r.Attrs() {
				if !q.txid || a.Space != nsTxidAttr {
					return unknownAttribute(a, c.local, "no data of this element has attributes that a filter could match")
				}
			}
			if q.txid {
				var err error
				if c.etag, err = q.etagAttr(); err != nil {
					return err
				}
			}
			if len(q.r.OwnBindings()) > 0 {
				c.bindings = q.bindings()
			}
			if err := q.filterContent(c, left); err != nil {
				return err
			}
			if c.text != "" && len(c.children) > 0 {
				return yangerr.New(yangerr.BadElement, nil, "the filter element <%s> has both text and elements", c.local).WithType(yangerr.Protocol).
					WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: c.local})
			}
			f.children = append(f.children, c)
		}
	}
}

// compile turns the filter's content into a selection below root. The result is
// nil when nothing can match.
func (f *filterNode) compile(s *schema.Schema, root *schema.Node) *tree.Filter {
	t := &tree.Filter{Node: root}
	if len(f.children) == 0 || !f.fill(s, t) {
		return nil
	}
	return t
}

// fill adds the content of f to t, whose Node f names; false says that nothing
// can match.
func (f *filterNode) fill(s *schema.Schema, t *tree.Filter) bool {
	selects := false // some child is not a content match
	for _, c := range f.children {
		nodes := c.nodes(s, t.Node)
		if c.text != "" {
			v, ok := schema.Value{}, false
			if len(nodes) > 0 {
				v, ok = c.value(s, nodes[0])
			}
			if !ok {
				return false
			}
			t.Content = append(t.Content, tree.Match{Leaf: nodes[0], Value: v})
			continue
		}
		selects = true
		for _, n := range nodes { // What the schema does not know selects nothing.
			below := &tree.Filter{Node: n}
			switch {
			case len(c.children) == 0:
				below.All = true
			case n.Kind != schema.Container && n.Kind != schema.List || !c.fill(s, below):
				continue
			}
			t.Children = append(t.Children, below)
		}
	}
	t.All = !selects
	if selects && len(t.Children) == 0 {
		// The conditions still select their own leafs (section 6.2.5).
		for _, m := range t.Content {
			t.Children = append(t.Children, &tree.Filter{Node: m.Leaf, All: true})
		}
		return len(t.Content) > 0
	}
	return true
}

// nodes returns the children of at that f names. An empty namespace is a wildcard
// (section 6.2.1): of several nodes, what names carry without a module comes first.
func (f *filterNode) nodes(s *schema.Schema, at *schema.Node) []*schema.Node {
	n := at.Child(f.local)
	if f.space != "" {
		n = at.ChildIn(s.ModuleByNamespace(f.space), f.local)
	}
	if n == nil {
		return nil
	}
	nodes := []*schema.Node{n}
	if f.space == "" && n.Plain != n.Name {
		for _, c := range at.Children() {
			if c.Name == n.Name && c != n {
				nodes = append(nodes, c)
			}
		}
	}
	return nodes
}

// value reads the text of a content match; what is not a value of the leaf
// matches nothing.
func (f *filterNode) value(s *schema.Schema, leaf *schema.Node) (schema.Value, bool) {
	if leaf.Kind != schema.Leaf && leaf.Kind != schema.LeafList {
		return schema.Value{}, false
	}
	v, err := leaf.Type.Parse(f.text, bindingResolver{s, f.bindings})
	return v, err == nil
}

// bindingResolver gives prefixes the meaning of XML namespace declarations.
type bindingResolver struct {
	schema   *schema.Schema
	bindings map[string]string
}

func (r bindingResolver) Module(prefix string) *schema.Module {
	return r.schema.ModuleByNamespace(r.bindings[prefix])
}

// nsWithDefaults is the namespace of the parameter of RFC 6243 section 4.5.1.
const nsWithDefaults = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"

// withDefaults is the parameter's key in params.
const withDefaults = "{" + nsWithDefaults + "}with-defaults"

// readWithDefaults reads the parameter into mode.
func (q *request) readWithDefaults(mode *tree.DefaultsMode) func() error {
	return func() error {
		if q.srv.schema.Module("ietf-netconf-with-defaults") == nil {
			return unknownElement(q.r, yangerr.Protocol, "there is no parameter <with-defaults> here")
		}
		word, err := q.word("explicit", "report-all", "report-all-tagged", "trim")
		*mode = modeOf(word)
		return err
	}
}

// modeOf is the retrieval mode with the given name.
func modeOf(word string) tree.DefaultsMode {
	switch word {
	case "report-all":
		return tree.ReportAll
	case "report-all-tagged":
		return tree.ReportAllTagged
	case "trim":
		return tree.Trim
	}
	return tree.Explicit
}
