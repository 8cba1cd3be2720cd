package codec

import (
	"errors"
	"slices"

	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// The namespaces whose attributes and elements the codec itself knows.
const (
	NamespaceNETCONF      = "urn:ietf:params:xml:ns:netconf:base:1.0"
	NamespaceYANG         = yangerr.NamespaceYANG
	NamespaceWithDefaults = "urn:ietf:params:xml:ns:netconf:default:1.0"
	NamespaceTxid         = "urn:ietf:params:xml:ns:netconf:txid:1.0"
)

// EditOptions steers DecodeEdits.
type EditOptions struct {
	// Default is the default-operation of RFC 6241 section 7.2: Merge,
	// Replace or None. With Replace the content replaces all of the target.
	Default tree.Op
	// Etag, if not nil, is called for each element with the attribute etag of
	// draft-ietf-netconf-transaction-id, which is unknown otherwise.
	Etag func(at tree.Path, value string)
}

// DecodeEdits reads the content of a <config> element, whose start tag is the
// current token of r, up to its end tag and returns the edits in document
// order. The error is a yangerr.List.
func DecodeEdits(s *schema.Schema, r *xmltok.Reader, opt EditOptions) ([]tree.Edit, error) {
	a := newAssembler(s, s.Root(), nil, opt.Default)
	a.config = true
	if opt.Default == tree.Replace {
		a.whole(tree.Empty(s))
	}
	d := newXMLDecoder(a, r)
	d.edit, d.etag = true, opt.Etag
	if err := d.content(); err != nil {
		return nil, xmlError(err)
	}
	return a.finish()
}

// DataOptions steers DecodeData.
type DataOptions struct {
	// ConfigOnly refuses state data.
	ConfigOnly bool
}

// DecodeData reads the content of the element whose start tag is the current
// token of r, up to its end tag, as an instance of at: the schema's root for
// the content of <config> or <data>, the input or output of an operation, or a
// notification. The error is a yangerr.List.
func DecodeData(s *schema.Schema, at *schema.Node, r *xmltok.Reader, opt DataOptions) (*tree.Node, error) {
	a := newAssembler(s, at, basePath(at), tree.Merge)
	a.config = opt.ConfigOnly
	a.whole(tree.New(at))
	if err := newXMLDecoder(a, r).content(); err != nil {
		return nil, xmlError(err)
	}
	return a.tree()
}

// basePath is the path of an RPC's input or output or of a notification for
// messages; empty for the root.
func basePath(at *schema.Node) tree.Path {
	var p tree.Path
	for n := at; n != nil && n.Module != nil; n = n.Parent {
		if n.Kind != schema.Input && n.Kind != schema.Output {
			p = append(p, tree.Step{Node: n})
		}
	}
	slices.Reverse(p)
	return p
}

// DecodeAction reads the content of an <action> element of RFC 7950 section
// 7.15.2, whose start tag is the current token of r, up to its end tag. It
// returns the path of the instance that the action is invoked on, the action
// and its input.
func DecodeAction(s *schema.Schema, r *xmltok.Reader) (tree.Path, *schema.Node, *tree.Node, error) {
	a := newAssembler(s, s.Root(), nil, tree.Merge)
	d := newXMLDecoder(a, r)
	path, action, input, err := d.action()
	if err != nil {
		return nil, nil, nil, xmlError(err)
	}
	if len(a.errs) > 0 {
		return nil, nil, nil, a.errs
	}
	return path, action, input, nil
}

// errStop ends decoding after too many errors.
var errStop = errors.New("codec: too many errors")

type xmlDecoder struct {
	*assembler
	r     *xmltok.Reader
	edit  bool // operation, insert, key and value attributes have a meaning
	etag  func(tree.Path, string)
	match func(*schema.Module) bool
	text  []byte
}

func newXMLDecoder(a *assembler, r *xmltok.Reader) *xmlDecoder {
	d := &xmlDecoder{assembler: a, r: r}
	d.match = func(m *schema.Module) bool { return m.Namespace == d.r.Space() }
	return d
}

// Module resolves a prefix in the scope of the current token: xmlDecoder is a
// schema.Resolver.
func (d *xmlDecoder) Module(prefix string) *schema.Module {
	space, ok := d.r.Lookup(prefix)
	if !ok {
		return nil
	}
	return d.schema.ModuleByNamespace(space)
}

// xmlError turns a fault of the document into the error that RFC 6241 names.
func xmlError(err error) error {
	var x *xmltok.Error
	if errors.As(err, &x) {
		tag := yangerr.MalformedMessage
		if x.TooBig {
			tag = yangerr.TooBig
		}
		return yangerr.List{yangerr.New(tag, nil, "%s", x.Error()).WithType(yangerr.RPC)}
	}
	return yangerr.From(err)
}

// ErrorOf is err, which came from an xmltok.Reader, as errors of the
// management plane: malformed-message, or too-big for an exceeded limit.
func ErrorOf(err error) yangerr.List { return yangerr.From(xmlError(err)) }

// report records an error about the element that was just started, whose
// content is then skipped.
func (d *xmlDecoder) report(e *yangerr.Error) error {
	if !d.fail(e) {
		return d.errs
	}
	return d.r.Skip()
}

// content reads the children of the innermost frame, to its end tag.
func (d *xmlDecoder) content() error {
	for {
		k, err := d.r.Next()
		if err != nil {
			return err
		}
		switch k {
		case xmltok.End:
			return nil
		case xmltok.Text:
			if !xmltok.IsSpace(d.r.Text()) {
				f := d.top()
				name := f.s.Name
				if !d.fail(badElement(d.path(), name, "the %s %q contains character data", f.s.Kind, name)) {
					return d.errs
				}
			}
		case xmltok.Start:
			if err := d.element(); err != nil {
				return err
			}
		}
	}
}

// element reads one child of the innermost frame.
func (d *xmlDecoder) element() error {
	s := d.child(string(d.r.Local()), d.match)
	if s == nil {
		return d.report(d.unknown())
	}
	if d.config && !s.Config {
		return d.report(yangerr.New(yangerr.UnknownElement, d.path().Child(s),
			"%q is state data, which a configuration does not contain", s.Name).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name}))
	}
	in := instruction{op: d.top().op}
	if len(d.r.Attrs()) > 0 {
		var e *yangerr.Error
		if in, e = d.attributes(s, in); e != nil {
			return d.report(e)
		}
	}
	if e := d.once(s, in.op); e != nil {
		return d.report(e)
	}
	if in.etag != "" && s.Kind != schema.List {
		d.etag(d.path().Child(s), in.etag)
	}
	switch s.Kind {
	case schema.Leaf, schema.LeafList:
		return d.leafElement(s, in)
	case schema.Anydata, schema.Anyxml:
		content, err := captureXML(d.r)
		if err != nil {
			return err
		}
		d.any(s, content, in)
		return nil
	case schema.List:
		keys, err := d.keys(s)
		if err != nil {
			return err
		}
		if keys == nil && len(s.Keys) > 0 {
			if len(d.errs) >= maxErrors {
				return d.errs
			}
			return d.r.Skip()
		}
		d.enter(s, keys, in)
		if in.etag != "" {
			d.etag(d.path(), in.etag)
		}
	default:
		d.enter(s, nil, in)
	}
	if len(d.errs) >= maxErrors {
		return d.errs
	}
	if err := d.content(); err != nil {
		return err
	}
	d.leave()
	return nil
}

// unknown is the error for an element that the schema does not have.
func (d *xmlDecoder) unknown() *yangerr.Error {
	name := string(d.r.Local())
	var p yangerr.Path
	if path := d.path(); len(path) > 0 {
		p = path
	}
	info := yangerr.Info{Name: yangerr.InfoBadElement, Value: name}
	if m := d.schema.ModuleByNamespace(d.r.Space()); m == nil || !m.Implemented {
		return yangerr.New(yangerr.UnknownNamespace, p, "the element %q is in namespace %q, which no implemented module has", name, d.r.Space()).
			WithInfo(info, yangerr.Info{Name: yangerr.InfoBadNamespace, Value: d.r.Space()})
	}
	where := "the top level"
	if d.top().s.Module != nil {
		where = d.top().s.Kind.String() + " \"" + d.top().s.Name + "\""
	}
	return yangerr.New(yangerr.UnknownElement, p, "%s has no element %q of namespace %q", where, name, d.r.Space()).
		WithInfo(info)
}

// leafElement reads a leaf or leaf-list entry.
func (d *xmlDecoder) leafElement(s *schema.Node, in instruction) error {
	remove := in.op == tree.Delete || in.op == tree.Remove
	if s.IsKey() && d.top().s == s.Parent && len(d.top().keys) > 0 {
		if remove && d.top().op != in.op {
			return d.report(yangerr.New(yangerr.BadAttribute, d.path().Child(s), "the key %q cannot be deleted apart from its entry", s.Name).
				WithInfo(yangerr.Info{Name: yangerr.InfoBadAttribute, Value: "operation"},
					yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name}))
		}
		return d.r.Skip() // keys read it
	}
	ok, err := d.leafText(s)
	if err != nil || !ok {
		return err
	}
	if remove && s.Kind == schema.Leaf {
		d.leaf(s, schema.Value{}, in)
		return nil
	}
	v, e := d.value(s)
	if e != nil {
		if !d.fail(e) {
			return d.errs
		}
		return nil
	}
	d.leaf(s, v, in)
	if len(d.errs) >= maxErrors {
		return d.errs
	}
	return nil
}

// leafText reads the content of a leaf into d.text, up to its end tag, which
// stays the current token, so that its prefixes are still in scope.
func (d *xmlDecoder) leafText(s *schema.Node) (bool, error) {
	d.text = d.text[:0]
	for {
		k, err := d.r.Next()
		if err != nil {
			return false, err
		}
		switch k {
		case xmltok.End:
			return true, nil
		case xmltok.Text:
			d.text = append(d.text, d.r.Text()...)
		case xmltok.Start:
			depth := d.r.Depth()
			e := yangerr.New(yangerr.UnknownElement, d.path().Child(s), "the %s %q contains the element %q", s.Kind, s.Name, d.r.Local()).
				WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: string(d.r.Local())})
			if !d.fail(e) {
				return false, d.errs
			}
			for k != xmltok.End || d.r.Depth() >= depth-1 {
				if k, err = d.r.Next(); err != nil {
					return false, err
				}
			}
			return false, nil
		}
	}
}

// value parses d.text as a value of s.
func (d *xmlDecoder) value(s *schema.Node) (schema.Value, *yangerr.Error) {
	v, err := s.Type.Parse(string(d.text), d)
	if err != nil && trimmable(s.Type) {
		if trimmed := xmltok.TrimSpace(d.text); len(trimmed) < len(d.text) {
			v, err = s.Type.Parse(string(trimmed), d)
		}
	}
	if err != nil {
		return v, valueError(d.path().Child(s), s, err)
	}
	return v, nil
}

// trimmable reports whether white space around a value is no part of it.
func trimmable(t *schema.Type) bool {
	for t.Kind() == schema.Leafref && t.Leafref().Target != nil {
		t = t.Leafref().Target.Type
	}
	switch t.Kind() {
	case schema.String, schema.Binary, schema.Union:
		return false
	}
	return true
}

// valueError is the error for a text that is no value of s: invalid-value by
// RFC 7950 section 8.3.1, with the app-tag of the restriction and, as section
// 7.5.4.1 demands, exactly its message.
func valueError(p tree.Path, s *schema.Node, err error) *yangerr.Error {
	var v schema.ValueError
	if is := (*schema.ValueError)(nil); errors.As(err, &is) {
		v = *is
	}
	e := yangerr.New(yangerr.InvalidValue, p, "%s %q: %s", s.Kind, s.Name, err.Error())
	if v.Stated {
		e = yangerr.New(yangerr.InvalidValue, p, "%s", v.Message)
	}
	return e.WithAppTag(v.AppTag).WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name})
}

// keys reads ahead for the keys of the entry whose start tag is the current
// token, wherever they stand in it, and returns to the start tag. It returns
// nil after it reported an error.
func (d *xmlDecoder) keys(s *schema.Node) ([]schema.Value, error) {
	if len(s.Keys) == 0 {
		return nil, nil
	}
	keys := make([]schema.Value, len(s.Keys))
	missing, bad := len(keys), false
	m := d.r.Mark()
	for missing > 0 {
		k, err := d.r.Next()
		if err != nil {
			return nil, err
		}
		if k == xmltok.End {
			break
		}
		if k == xmltok.Text {
			continue
		}
		i := slices.IndexFunc(s.Keys, func(key *schema.Node) bool {
			return key.Name == string(d.r.Local()) && key.Module.Namespace == d.r.Space()
		})
		if i < 0 {
			if err := d.r.Skip(); err != nil {
				return nil, err
			}
			continue
		}
		ok, err := d.leafText(s.Keys[i])
		if err != nil {
			return nil, err
		}
		if !ok {
			bad = true
			break
		}
		if !keys[i].IsZero() {
			continue // the second one is reported when the content is read
		}
		missing--
		var e *yangerr.Error
		if keys[i], e = d.value(s.Keys[i]); e != nil {
			e.Path = d.path().Child(s).Child(s.Keys[i])
			d.fail(e)
			bad = true
			break
		}
	}
	d.r.Rewind(m)
	if bad {
		return nil, nil
	}
	return d.complete(s, keys), nil
}

// action walks down to the one action or its container.
func (d *xmlDecoder) action() (path tree.Path, action *schema.Node, input *tree.Node, err error) {
	for {
		k, err := d.r.Next()
		if err != nil {
			return nil, nil, nil, err
		}
		if k == xmltok.Text {
			if !xmltok.IsSpace(d.r.Text()) {
				return nil, nil, nil, badElement(d.path(), d.top().s.Name, "character data in an action request")
			}
			continue
		}
		if k == xmltok.End {
			if action == nil {
				d.fail(yangerr.New(yangerr.MissingElement, d.path(), "the request names no action"))
			}
			return path, action, input, nil
		}
		f := d.top()
		if key := f.s.Child(string(d.r.Local())); key != nil && key.IsKey() && d.match(key.Module) {
			if err := d.r.Skip(); err != nil {
				return nil, nil, nil, err
			}
			continue
		}
		if action != nil {
			return nil, nil, nil, badElement(d.path(), string(d.r.Local()), "the request names more than one action")
		}
		if act := d.actionOf(f.s); act != nil {
			path, action = d.path(), act
			in := newAssembler(d.schema, act.Input, append(d.path(), tree.Step{Node: act}), tree.Merge)
			in.whole(tree.New(act.Input))
			if err := newXMLDecoder(in, d.r).content(); err != nil {
				return nil, nil, nil, err
			}
			if input, err = in.tree(); err != nil {
				return nil, nil, nil, err
			}
			continue
		}
		s := d.child(string(d.r.Local()), d.match)
		if s == nil || s.Kind != schema.Container && s.Kind != schema.List {
			return nil, nil, nil, d.unknown()
		}
		var keys []schema.Value
		if s.Kind == schema.List {
			if keys, err = d.keys(s); err != nil {
				return nil, nil, nil, err
			}
			if keys == nil {
				return nil, nil, nil, d.errs
			}
		}
		d.push(s, keys, tree.Merge)
		if path, action, input, err = d.action(); err != nil {
			return nil, nil, nil, err
		}
		d.frames = d.frames[:len(d.frames)-1]
	}
}
