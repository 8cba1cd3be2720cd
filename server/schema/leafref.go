package schema

import (
	"errors"
	"fmt"
	"strings"

	"github.com/openconfig/goyang/pkg/yang"
)

// leafrefStep is one name of a leafref path.
type leafrefStep struct{ prefix, name string }

// leafrefPath is the parsed form of a path statement: where it starts and the
// names from there. Predicates matter for values only, not for the target.
type leafrefPath struct {
	absolute bool
	up       int
	steps    []leafrefStep
}

// leafref reads a path statement (RFC 7950 section 9.9.2).
func (c *compiler) leafref(s *yang.Statement, sc *scope) *LeafrefSpec {
	p, err := parseLeafref(s.Argument)
	if err != nil {
		c.errorf(s, "path %q: %v", s.Argument, err)
		return &LeafrefSpec{Path: s.Argument}
	}
	return &LeafrefSpec{
		Path: s.Argument, RequireInstance: true, path: p, stmt: s,
		Expr: Expr{Text: s.Argument, Prefixes: sc.unit.prefixes, Source: source(s)},
	}
}

func parseLeafref(text string) (leafrefPath, error) {
	l := pathLexer{rest: text}
	var p leafrefPath
	if l.accept("/") {
		p.absolute = true
	} else {
		for l.accept("..") {
			p.up++
			if !l.accept("/") {
				return p, errors.New("the path ends in ..")
			}
		}
		if p.up == 0 {
			return p, errors.New("the path begins neither with a slash nor with ..")
		}
	}
	for {
		step, err := l.name()
		if err != nil {
			return p, err
		}
		p.steps = append(p.steps, step)
		for l.accept("[") {
			if err := l.predicate(); err != nil {
				return p, err
			}
		}
		if l.end() {
			return p, nil
		}
		if !l.accept("/") {
			return p, fmt.Errorf("a slash is expected before %s", quote(l.rest))
		}
	}
}

// pathLexer reads the tokens of a path; white space may stand between them.
type pathLexer struct{ rest string }

func (l *pathLexer) skip() { l.rest = strings.TrimLeft(l.rest, space) }

func (l *pathLexer) end() bool {
	l.skip()
	return l.rest == ""
}

func (l *pathLexer) accept(token string) bool {
	l.skip()
	rest, ok := strings.CutPrefix(l.rest, token)
	l.rest = rest
	return ok
}

func (l *pathLexer) name() (leafrefStep, error) {
	l.skip()
	end := 0
	for end < len(l.rest) && (isIdentByte(l.rest[end]) || l.rest[end] == ':') {
		end++
	}
	word := l.rest[:end]
	if !isIdentifier(word, true) {
		return leafrefStep{}, fmt.Errorf("a node name is expected before %s", quote(l.rest))
	}
	l.rest = l.rest[end:]
	if prefix, name, ok := strings.Cut(word, ":"); ok {
		return leafrefStep{prefix, name}, nil
	}
	return leafrefStep{name: word}, nil
}

// predicate reads "key = current()/../…/name ]".
func (l *pathLexer) predicate() error {
	if _, err := l.name(); err != nil {
		return err
	}
	if !l.accept("=") {
		return fmt.Errorf("an equals sign is expected before %s", quote(l.rest))
	}
	if !l.accept("current") || !l.accept("(") || !l.accept(")") || !l.accept("/") || !l.accept("..") || !l.accept("/") {
		return errors.New("a predicate must compare a key with current()/../…")
	}
	for l.accept("..") {
		if !l.accept("/") {
			return errors.New("the path of a predicate ends in ..")
		}
	}
	for {
		if _, err := l.name(); err != nil {
			return err
		}
		if l.accept("]") {
			return nil
		}
		if !l.accept("/") {
			return errors.New("a predicate lacks its closing bracket")
		}
	}
}

// bindType returns t for the leaf n: the same type, or a copy in which every
// leafref knows its target.
func (c *compiler) bindType(t *Type, n *Node) *Type {
	if !t.hasLeafref() {
		return t
	}
	bound := *t
	if t.leafref != nil {
		spec := *t.leafref
		if spec.Expr.Default == nil {
			spec.Expr.Default = n.Module
		}
		spec.Target = c.leafrefTarget(&spec, n)
		bound.leafref = &spec
	}
	bound.union = nil
	for _, m := range t.union {
		bound.union = append(bound.union, c.bindType(m, n))
	}
	return &bound
}

// leafrefTarget walks the path of spec from n; nil when it leads nowhere.
func (c *compiler) leafrefTarget(spec *LeafrefSpec, n *Node) *Node {
	fail := func(format string, args ...any) *Node {
		c.errorf(spec.stmt, "path %q of %s: %s", spec.Path, n.Path(), fmt.Sprintf(format, args...))
		return nil
	}
	at := c.schema.root
	if !spec.path.absolute {
		at = n
		for range spec.path.up {
			if at = c.accessibleParent(at); at == nil {
				return fail("it leads above the root")
			}
		}
	}
	for _, step := range spec.path.steps {
		mod := spec.Expr.Default
		if step.prefix != "" {
			if mod = spec.Expr.Prefixes[step.prefix]; mod == nil {
				return fail("no module has the prefix %q", step.prefix)
			}
		}
		next := at.ChildIn(mod, step.name)
		if next == nil {
			if !mod.Implemented {
				return fail("module %s is imported but not implemented", mod.Name)
			}
			return fail("module %s has no data node %q below %s", mod.Name, step.name, at.Path())
		}
		at = next
	}
	switch {
	case at.Kind != Leaf && at.Kind != LeafList:
		return fail("it leads to a %s", at.Kind)
	case at == n:
		return fail("it leads to the leaf itself")
	case n.Config && spec.RequireInstance && !at.Config:
		return fail("configuration cannot require the state %s to exist", at.Path())
	}
	return at
}

// accessibleParent returns the parent of n in the tree that XPath sees: an
// operation or action stands in the place of its input and output (RFC 7950
// section 6.4.1). The parent of the root is nil.
func (c *compiler) accessibleParent(n *Node) *Node {
	if n == c.schema.root {
		return nil
	}
	if n.Kind == Input || n.Kind == Output {
		n = n.Parent
	}
	if n.Parent == nil {
		return c.schema.root
	}
	return n.Parent
}

// checkLeafrefCycles refuses leafrefs that refer to each other in a circle.
func (c *compiler) checkLeafrefCycles() {
	state := map[*Node]uint8{} // 1 on the way, 2 done
	var visit func(n *Node, t *Type) bool
	visit = func(n *Node, t *Type) bool {
		for _, m := range t.union {
			if !visit(n, m) {
				return false
			}
		}
		if t.leafref == nil || t.leafref.Target == nil {
			return true
		}
		target := t.leafref.Target
		switch state[target] {
		case 1:
			c.errorf(t.leafref.stmt, "path %q of %s: the leafrefs form a circle", t.leafref.Path, n.Path())
			return false
		case 2:
			return true
		}
		state[target] = 1
		ok := target.Type == nil || visit(target, target.Type)
		state[target] = 2
		return ok
	}
	for _, p := range c.pending {
		if p.node.Type != nil && state[p.node] == 0 {
			state[p.node] = 1
			visit(p.node, p.node.Type)
			state[p.node] = 2
		}
	}
}
