package tree

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
)

// ParsePath reads the instance-identifier form of RFC 7951 section 6.11 that
// String writes: "/module:name/name[key='value']". Predicates name the keys in
// any order, all of them or none; one without any stands for all entries of the
// list or leaf-list. Blanks are allowed where XPath allows them. "/" is the root.
func ParsePath(s *schema.Schema, text string) (Path, error) {
	return ParseRelative(s, s.Root(), text)
}

// ParseRelative reads a path whose first name is a child of at, the input of an
// RPC for example.
func ParseRelative(s *schema.Schema, at *schema.Node, text string) (Path, error) {
	r := reader{schema: s, text: text}
	p, err := r.path(at)
	if err != nil {
		return nil, fmt.Errorf("path %q: %w", text, err)
	}
	return p, nil
}

// reader is the state of parsing one path.
type reader struct {
	schema *schema.Schema
	text   string
	pos    int
}

// modules resolves the prefixes of key values, which are module names here.
type modules struct {
	schema *schema.Schema
	leaf   *schema.Node
}

// Module implements schema.Resolver.
func (m modules) Module(prefix string) *schema.Module {
	if prefix == "" {
		return m.leaf.Module
	}
	return m.schema.Module(prefix)
}

func (r *reader) fail(format string, args ...any) error {
	return fmt.Errorf("at byte %d: %s", r.pos, fmt.Sprintf(format, args...))
}

func (r *reader) blanks() {
	for r.pos < len(r.text) && strings.IndexByte(" \t\r\n", r.text[r.pos]) >= 0 {
		r.pos++
	}
}

// take consumes c if it is next.
func (r *reader) take(c byte) bool {
	if r.pos < len(r.text) && r.text[r.pos] == c {
		r.pos++
		return true
	}
	return false
}

func (r *reader) path(n *schema.Node) (Path, error) {
	if r.text == "/" {
		return Path{}, nil
	}
	var p Path
	mod := n.Module
	for r.pos < len(r.text) {
		if !r.take('/') {
			return nil, r.fail("a slash is expected")
		}
		prefix, name, err := r.name()
		if err != nil {
			return nil, err
		}
		if prefix != "" {
			if mod = r.schema.Module(prefix); mod == nil {
				return nil, r.fail("there is no module %q", prefix)
			}
		}
		if mod == nil {
			return nil, r.fail("%q needs its module's name before it", name)
		}
		child := n.ChildIn(mod, name)
		if child == nil {
			return nil, r.fail("%s has no child %q of module %s", n.Path(), name, mod.Name)
		}
		n = child
		st := Step{Node: n}
		if err := r.predicates(&st); err != nil {
			return nil, err
		}
		p = append(p, st)
	}
	if p == nil {
		return nil, r.fail("a path begins with a slash")
	}
	return p, nil
}

func isNameByte(c byte) bool {
	return c == '_' || c == '-' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// name reads "name" or "prefix:name".
func (r *reader) name() (prefix, local string, err error) {
	ident := func() string {
		start := r.pos
		for r.pos < len(r.text) && isNameByte(r.text[r.pos]) {
			r.pos++
		}
		return r.text[start:r.pos]
	}
	local = ident()
	if local != "" && r.take(':') {
		prefix, local = local, ident()
	}
	if local == "" {
		return "", "", r.fail("a name is expected")
	}
	return prefix, local, nil
}

func (r *reader) predicates(st *Step) error {
	given := 0
	for {
		r.blanks()
		if !r.take('[') {
			break
		}
		r.blanks()
		if r.pos < len(r.text) && r.text[r.pos] >= '0' && r.text[r.pos] <= '9' {
			if err := r.position(st); err != nil {
				return err
			}
			given++
			continue
		}
		if err := r.keyPredicate(st); err != nil {
			return err
		}
		given++
	}
	if st.Node.Kind == schema.List && given > 0 && st.Pos == 0 && given != len(st.Node.Keys) {
		return r.fail("list %q has %d keys, %d are given", st.Node.Name, len(st.Node.Keys), given)
	}
	return nil
}

func (r *reader) position(st *Step) error {
	start := r.pos
	for r.pos < len(r.text) && r.text[r.pos] >= '0' && r.text[r.pos] <= '9' {
		r.pos++
	}
	n, err := strconv.ParseUint(r.text[start:r.pos], 10, 31)
	if err != nil || n == 0 {
		return r.fail("%q is no position", r.text[start:r.pos])
	}
	if st.Node.Kind != schema.List || len(st.Node.Keys) > 0 || st.Pos > 0 {
		return r.fail("only a list without keys takes one position, %q does not", st.Node.Name)
	}
	st.Pos = int(n)
	r.blanks()
	if !r.take(']') {
		return r.fail("] is expected")
	}
	return nil
}

func (r *reader) keyPredicate(st *Step) error {
	leaf, index := st.Node, 0
	if r.pos+1 < len(r.text) && r.text[r.pos] == '.' && !isNameByte(r.text[r.pos+1]) {
		r.pos++
		if st.Node.Kind != schema.LeafList {
			return r.fail("[.=...] belongs on a leaf-list, %q is a %s", st.Node.Name, st.Node.Kind)
		}
		if st.Keys != nil {
			return r.fail("a second value for leaf-list %q", st.Node.Name)
		}
		st.Keys = make([]schema.Value, 1)
	} else {
		prefix, name, err := r.name()
		if err != nil {
			return err
		}
		leaf = nil
		for i, k := range st.Node.Keys {
			if k.Name == name && (prefix == "" || k.Module.Name == prefix) {
				leaf, index = k, i
			}
		}
		if leaf == nil || st.Node.Kind != schema.List {
			return r.fail("%s %q has no key %q", st.Node.Kind, st.Node.Name, name)
		}
		if st.Keys == nil {
			st.Keys = make([]schema.Value, len(st.Node.Keys))
		}
		if !st.Keys[index].IsZero() {
			return r.fail("key %q is given twice", name)
		}
	}
	r.blanks()
	if !r.take('=') {
		return r.fail("= is expected")
	}
	r.blanks()
	text, err := r.literal()
	if err != nil {
		return err
	}
	r.blanks()
	if !r.take(']') {
		return r.fail("] is expected")
	}
	v, err := leaf.Type.Parse(text, modules{r.schema, leaf})
	if err != nil {
		return r.fail("%q of %q: %s", text, leaf.Name, err)
	}
	st.Keys[index] = v
	return nil
}

// literal reads a quoted string, or concat() of such.
func (r *reader) literal() (string, error) {
	if !strings.HasPrefix(r.text[r.pos:], "concat") {
		return r.quoted()
	}
	r.pos += len("concat")
	r.blanks()
	if !r.take('(') {
		return "", r.fail("( is expected after concat")
	}
	var b strings.Builder
	for n := 1; ; n++ {
		r.blanks()
		s, err := r.quoted()
		if err != nil {
			return "", err
		}
		b.WriteString(s)
		r.blanks()
		if r.take(')') {
			if n < 2 {
				return "", r.fail("concat takes two strings or more")
			}
			return b.String(), nil
		}
		if !r.take(',') {
			return "", r.fail(", or ) is expected")
		}
	}
}

func (r *reader) quoted() (string, error) {
	if r.pos >= len(r.text) || r.text[r.pos] != '\'' && r.text[r.pos] != '"' {
		return "", r.fail("a quoted string is expected")
	}
	end := strings.IndexByte(r.text[r.pos+1:], r.text[r.pos])
	if end < 0 {
		return "", r.fail("the quoted string does not end")
	}
	s := r.text[r.pos+1 : r.pos+1+end]
	r.pos += end + 2
	return s, nil
}
