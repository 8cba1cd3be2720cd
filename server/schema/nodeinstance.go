package schema

import "strings"

// UserVariable is the one variable of a node-instance-identifier: the name of
// the session's user (RFC 8341 section 3.5.2).
const UserVariable = "$USER"

// IsNodeInstance reports whether t is node-instance-identifier of
// ietf-netconf-acm. Its values are kept in the form of RFC 7951 section 6.11,
// like instance-identifiers, because the text that a client sent means nothing
// without the namespace declarations that stood around it.
func (t *Type) IsNodeInstance() bool {
	return t.name == "node-instance-identifier" && t.module != nil && t.module.Name == "ietf-netconf-acm"
}

// parseNodeInstance reads an instance-identifier that may lack keys, may lead to
// an action or a notification, may compare with $USER, or is "/" (RFC 8341
// section 3.5.2). It must name nodes of the schema: an access control rule about
// a node that does not exist protects nothing.
func (t *Type) parseNodeInstance(lexical string, r Resolver) (Value, *ValueError) {
	text := strings.Trim(lexical, space)
	if text == "/" {
		return Value{t, text}, nil
	}
	p := instanceParser{text: text, resolver: r, node: t.module.Schema().root, rule: true}
	if err := p.parse(); err != nil {
		return Value{}, t.invalid(lexical, "%v", err)
	}
	return Value{t, p.out.String()}, nil
}

// tiedTo returns the action or notification that module m defines in n under name.
func (n *Node) tiedTo(m *Module, name string) *Node {
	for _, list := range [][]*Node{n.Actions(), n.Notifications()} {
		for _, c := range list {
			if c.Module == m && c.Name == name {
				return c
			}
		}
	}
	return nil
}
