package tree

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
)

// Step is one level of a Path.
type Step struct {
	Node *schema.Node
	// Keys are the keys of a list entry in the order of the key statement, or
	// the one value of a leaf-list entry. Without Keys and Pos the step stands
	// for the holder, that is for all entries.
	Keys []schema.Value
	// Pos is the position, from 1, of an entry of a list without keys.
	Pos int
}

// Path names an instance from the root down. The empty Path is the root. It is
// immutable by convention and implements yangerr.Path.
type Path []Step

// Child returns p with one more step. It never writes into p's array.
func (p Path) Child(s *schema.Node, keys ...schema.Value) Path {
	q := make(Path, len(p)+1)
	copy(q, p)
	q[len(p)] = Step{Node: s, Keys: keys}
	return q
}

func (st *Step) equal(o *Step) bool {
	return st.Node == o.Node && st.Pos == o.Pos && slices.Equal(st.Keys, o.Keys)
}

// Equal reports whether p and q name the same instance.
func (p Path) Equal(q Path) bool { return len(p) == len(q) && p.HasPrefix(q) }

// HasPrefix reports whether q is p or an ancestor of p.
func (p Path) HasPrefix(q Path) bool {
	if len(q) > len(p) {
		return false
	}
	for i := range q {
		if !p[i].equal(&q[i]) {
			return false
		}
	}
	return true
}

// String returns the instance-identifier form of RFC 7951 section 6.11: a name
// carries its module's name where that differs from the name before. The root
// is "/". A key value with both kinds of quotation marks is written with
// concat(), as XPath has no escapes.
func (p Path) String() string {
	if len(p) == 0 {
		return "/"
	}
	b := make([]byte, 0, 64*len(p))
	var mod *schema.Module
	for i := range p {
		st := &p[i]
		b = append(b, '/')
		if st.Node.Module != mod {
			mod = st.Node.Module
			b = append(append(b, mod.Name...), ':')
		}
		b = append(b, st.Node.Name...)
		b = st.appendPredicates(b, nil)
	}
	return string(b)
}

// Format returns p as XPath in which every name carries prefix(module), as an
// error-path needs it. Identity values of keys carry the prefix too.
func (p Path) Format(prefix func(module string) string) string {
	if len(p) == 0 {
		return "/"
	}
	b := make([]byte, 0, 64*len(p))
	for i := range p {
		st := &p[i]
		b = append(b, '/')
		b = append(append(b, prefix(st.Node.Module.Name)...), ':')
		b = append(b, st.Node.Name...)
		b = st.appendPredicates(b, prefix)
	}
	return string(b)
}

func (st *Step) appendPredicates(b []byte, prefix func(string) string) []byte {
	if st.Pos > 0 {
		return append(strconv.AppendInt(append(b, '['), int64(st.Pos), 10), ']')
	}
	for i, v := range st.Keys {
		b = append(b, '[')
		if st.Node.Kind != schema.List || i >= len(st.Node.Keys) {
			b = append(b, '.')
		} else {
			if prefix != nil {
				b = append(append(b, prefix(st.Node.Keys[i].Module.Name)...), ':')
			}
			b = append(b, st.Node.Keys[i].Name...)
		}
		b = append(b, '=')
		text := v.String()
		if t := v.Type(); prefix != nil && t != nil && t.Kind() == schema.Identityref {
			if mod, name, ok := strings.Cut(text, ":"); ok {
				text = prefix(mod) + ":" + name
			}
		}
		b = append(appendLiteral(b, text), ']')
	}
	return b
}

// appendLiteral writes s as an XPath literal, or as a concat() of literals if it
// holds both kinds of quotation marks.
func appendLiteral(b []byte, s string) []byte {
	switch {
	case !strings.Contains(s, "'"):
		return append(append(append(b, '\''), s...), '\'')
	case !strings.Contains(s, `"`):
		return append(append(append(b, '"'), s...), '"')
	}
	b = append(b, "concat("...)
	for i, part := range strings.Split(s, "'") {
		if i > 0 {
			b = append(b, `,"'",`...)
		}
		b = append(append(append(b, '\''), part...), '\'')
	}
	return append(b, ')')
}
