package codec

import (
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

func operationOf(name []byte) (tree.Op, bool) {
	switch string(name) {
	case "merge":
		return tree.Merge, true
	case "replace":
		return tree.Replace, true
	case "create":
		return tree.Create, true
	case "delete":
		return tree.Delete, true
	case "remove":
		return tree.Remove, true
	}
	return tree.None, false
}

func insertOf(name []byte) (tree.Insert, bool) {
	switch string(name) {
	case "first":
		return tree.First, true
	case "last":
		return tree.Last, true
	case "before":
		return tree.Before, true
	case "after":
		return tree.After, true
	}
	return tree.Default, false
}

// attributes reads the attributes of the element of s that was just started:
// operation of RFC 6241 section 7.2, insert, key and value of RFC 7950
// sections 7.7.9 and 7.8.6, and default of RFC 6243 section 4.5.
func (d *xmlDecoder) attributes(s *schema.Node, in instruction) (instruction, *yangerr.Error) {
	var key, value *xmltok.Attr
	setDefault := false
	attrs := d.r.Attrs()
	bad := func(tag yangerr.Tag, a *xmltok.Attr, format string, args ...any) (instruction, *yangerr.Error) {
		return in, yangerr.New(tag, d.path().Child(s), format, args...).WithInfo(
			yangerr.Info{Name: yangerr.InfoBadAttribute, Value: string(a.Local)},
			yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name})
	}
	for i := range attrs {
		a := &attrs[i]
		switch {
		case a.Is(NamespaceWithDefaults, "default"):
			if v := string(a.Value); v != "true" && v != "1" && v != "false" && v != "0" {
				return bad(yangerr.BadAttribute, a, "the attribute default is %q, not a boolean", v)
			} else if setDefault = v == "true" || v == "1"; setDefault && s.Kind != schema.Leaf && s.Kind != schema.LeafList {
				return bad(yangerr.BadAttribute, a, "the attribute default stands on a %s", s.Kind)
			}
		case !d.edit && isMetadata(a):
		case !d.edit:
			return bad(yangerr.UnknownAttribute, a, "the attribute %q of namespace %q is not known here", a.Local, a.Space)
		case a.Is(NamespaceNETCONF, "operation"):
			op, ok := operationOf(a.Value)
			if !ok {
				return bad(yangerr.BadAttribute, a, "%q is no operation", a.Value)
			}
			if (in.op == tree.Delete || in.op == tree.Remove) && op != in.op {
				return bad(yangerr.BadAttribute, a, "operation %q inside an element that is being deleted", a.Value)
			}
			in.op = op
		case d.etag != nil && a.Is(NamespaceTxid, "etag"):
			if len(a.Value) == 0 {
				return bad(yangerr.BadAttribute, a, "the attribute etag is empty")
			}
			in.etag = string(a.Value)
		case a.Is(NamespaceYANG, "insert"):
			ins, ok := insertOf(a.Value)
			if !ok {
				return bad(yangerr.BadAttribute, a, "insert is %q, not first, last, before or after", a.Value)
			}
			if !s.UserOrdered {
				return bad(yangerr.BadAttribute, a, "insert on %s %q, which is not ordered by the user", s.Kind, s.Name)
			}
			in.insert = ins
		case a.Is(NamespaceYANG, "key") && s.Kind == schema.List && s.UserOrdered:
			key = a
		case a.Is(NamespaceYANG, "value") && s.Kind == schema.LeafList && s.UserOrdered:
			value = a
		default:
			return bad(yangerr.UnknownAttribute, a, "the attribute %q of namespace %q is not known on %s %q", a.Local, a.Space, s.Kind, s.Name)
		}
	}
	if in.insert != tree.Default && (in.op == tree.Delete || in.op == tree.Remove) {
		return in, yangerr.New(yangerr.BadAttribute, d.path().Child(s), "insert on an element that is being deleted").
			WithInfo(yangerr.Info{Name: yangerr.InfoBadAttribute, Value: "insert"}, yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name})
	}
	anchored := in.insert == tree.Before || in.insert == tree.After
	anchor, name := key, "key"
	if s.Kind == schema.LeafList {
		anchor, name = value, "value"
	}
	switch {
	case anchored && anchor == nil:
		return in, yangerr.New(yangerr.MissingAttribute, d.path().Child(s), "insert before or after needs the attribute %q", name).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadAttribute, Value: name}, yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name})
	case !anchored && anchor != nil:
		return bad(yangerr.BadAttribute, anchor, "the attribute %q needs insert before or after", name)
	case anchored && s.Kind == schema.List:
		where, err := parsePredicates(s, string(anchor.Value), d)
		if err != nil {
			return bad(yangerr.BadAttribute, anchor, "the attribute key: %s", err.Error())
		}
		in.where = where
	case anchored:
		v, err := s.Type.Parse(string(anchor.Value), d)
		if err != nil {
			return bad(yangerr.BadAttribute, anchor, "the attribute value: %s", err.Error())
		}
		in.where = []schema.Value{v}
	}
	if setDefault && d.edit {
		return d.defaulted(s, in)
	}
	return in, nil
}

// defaulted is the rule of RFC 6243 section 4.5.2: an element marked as
// default asks the server to return the node to its default, that is to
// remove what is configured.
func (d *xmlDecoder) defaulted(s *schema.Node, in instruction) (instruction, *yangerr.Error) {
	m := d.r.Mark()
	attrs := d.r.Attrs()
	ok, err := d.leafText(s)
	var v schema.Value
	var e *yangerr.Error
	if err == nil && ok {
		v, e = d.value(s)
	}
	d.r.Rewind(m)
	if err != nil || !ok {
		return in, nil // the fault is met again when the element is read
	}
	found := false
	for _, def := range s.Defaults {
		found = found || e == nil && schema.Compare(def, v) == 0 && def.String() == v.String()
	}
	if !found {
		for i := range attrs {
			if attrs[i].Space == NamespaceNETCONF && string(attrs[i].Value) == "delete" {
				return in, nil
			}
		}
		return in, yangerr.New(yangerr.InvalidValue, d.path().Child(s), "%s %q is marked as default, but %q is not its default", s.Kind, s.Name, d.text).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name})
	}
	in.op, in.insert, in.where = tree.Remove, tree.Default, nil
	return in, nil
}

// isMetadata reports whether an attribute of data is metadata that says
// nothing about its value: origin of RFC 8342 section 7.
func isMetadata(a *xmltok.Attr) bool {
	return a.Space == "urn:ietf:params:xml:ns:yang:ietf-origin" && string(a.Local) == "origin"
}

// actionOf is the action of s that the current start tag names, or nil.
func (d *xmlDecoder) actionOf(s *schema.Node) *schema.Node {
	for _, act := range s.Actions() {
		if act.Name == string(d.r.Local()) && d.match(act.Module) {
			return act
		}
	}
	return nil
}
