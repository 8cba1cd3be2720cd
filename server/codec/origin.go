package codec

import (
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// NamespaceOrigin is that of the annotation origin (RFC 8342 section 7).
const NamespaceOrigin = "urn:ietf:params:xml:ns:yang:ietf-origin"

// The origins of this element's data, identities of ietf-origin.
const (
	OriginIntended = "intended"
	OriginDefault  = "default"
	OriginSystem   = "system"
)

// OriginOf returns the origin of n, a node of configuration in the operational
// datastore; intended is the same instance in the intended one, nil if it has none.
func OriginOf(n, intended *tree.Node, isDefault bool) string {
	s := n.Schema()
	switch {
	case intended != nil:
		return OriginIntended
	case isDefault, s.Kind == schema.Leaf && isDefaultValue(s, n.Value()):
		return OriginDefault
	}
	return OriginSystem
}

// origin keeps the place in the intended configuration beside the node that is
// printed, and the origin that its children have unless they say otherwise.
type origin struct {
	at        *tree.Node
	inherited string
}

// find returns the instance of n, a child of where o is, in the intended configuration.
func (o origin) find(n *tree.Node) *tree.Node {
	if o.at == nil {
		return nil
	}
	m := o.at.Child(n.Schema())
	if m != nil && m.IsHolder() && !n.IsHolder() {
		if len(n.Keys()) == 0 {
			return nil
		}
		return m.Entry(n.Keys()...)
	}
	return m
}

// annotate appends the annotation of n where it differs from that of its parent
// and returns the place for the children of n.
func (e *xmlEncoder) annotate(n *tree.Node, isDefault bool) origin {
	next := origin{at: e.from.find(n), inherited: e.from.inherited}
	s := n.Schema()
	if !s.Config || s.Kind == schema.Container && !s.Presence && next.inherited != "" {
		return next // containers without presence have no origin of their own
	}
	if is := OriginOf(n, next.at, isDefault); is != next.inherited {
		next.inherited = is
		e.dst = append(e.dst, ` xmlns:or="`+NamespaceOrigin+`" or:origin="or:`+is+`"`...)
	}
	return next
}
