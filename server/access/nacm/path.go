package nacm

import (
	"fmt"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
)

// parsePath reads a node-instance-identifier in its canonical form, as package
// schema keeps it: the form of RFC 7951 section 6.11 in which keys may be
// missing, the last name may be an action's or a notification's, and "/" is the
// root.
func parsePath(s *schema.Schema, text string) ([]pathStep, error) {
	if text == "/" {
		return []pathStep{}, nil
	}
	p := pathParser{rest: text}
	at := s.Root()
	var module *schema.Module
	var path []pathStep
	for p.rest != "" {
		if !p.accept("/") {
			return nil, fmt.Errorf("%q: a slash is expected before %q", text, p.rest)
		}
		prefix, name := p.name()
		if prefix != "" {
			module = s.Module(prefix)
		}
		if module == nil {
			return nil, fmt.Errorf("%q: there is no module %q", text, prefix)
		}
		next := below(at, module, name)
		if next == nil {
			return nil, fmt.Errorf("%q: module %s has no %q below %s", text, module.Name, name, at.Path())
		}
		preds, err := p.predicates(next)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		path = append(path, pathStep{next, preds})
		at = next
	}
	if len(path) == 0 {
		return nil, fmt.Errorf("the path is empty")
	}
	return path, nil
}

// below returns the data node, action or notification that m defines in n.
func below(n *schema.Node, m *schema.Module, name string) *schema.Node {
	if c := n.ChildIn(m, name); c != nil {
		return c
	}
	for _, list := range [][]*schema.Node{n.Actions(), n.Notifications()} {
		for _, c := range list {
			if c.Module == m && c.Name == name {
				return c
			}
		}
	}
	return nil
}

type pathParser struct{ rest string }

func (p *pathParser) accept(s string) (ok bool) {
	p.rest, ok = strings.CutPrefix(p.rest, s)
	return ok
}

// name reads [prefix:]name.
func (p *pathParser) name() (prefix, name string) {
	end := strings.IndexAny(p.rest, "/[=]")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	if prefix, name, ok := strings.Cut(word, ":"); ok {
		return prefix, name
	}
	return "", word
}

func (p *pathParser) predicates(n *schema.Node) ([]pred, error) {
	var preds []pred
	for p.accept("[") {
		var c pred
		_, name := p.name()
		leaf := n
		switch {
		case name != "" && name[0] >= '0' && name[0] <= '9':
			preds = append(preds, pred{position: true})
			if !p.accept("]") {
				return nil, fmt.Errorf("a position ends with a bracket, not %q", p.rest)
			}
			continue
		case name != ".":
			if leaf = n.Child(name); leaf == nil || !leaf.IsKey() {
				return nil, fmt.Errorf("%q is no key of %s", name, n.Path())
			}
			c.key = leaf.KeyIndex()
		case n.Kind != schema.LeafList:
			return nil, fmt.Errorf("%s is no leaf-list", n.Path())
		}
		if !p.accept("=") {
			return nil, fmt.Errorf("%q is no comparison with %s", p.rest, name)
		}
		if p.accept(schema.UserVariable) {
			c.user = true
		} else {
			text, err := p.literal()
			if err != nil {
				return nil, err
			}
			c.text = text
		}
		if !p.accept("]") {
			return nil, fmt.Errorf("a closing bracket is expected before %q", p.rest)
		}
		preds = append(preds, c)
	}
	return preds, nil
}

func (p *pathParser) literal() (string, error) {
	for _, q := range []string{"'", `"`} {
		if p.accept(q) {
			text, rest, ok := strings.Cut(p.rest, q)
			if !ok {
				return "", fmt.Errorf("the quotation mark before %q is not closed", p.rest)
			}
			p.rest = rest
			return text, nil
		}
	}
	return "", fmt.Errorf("a quoted value is expected before %q", p.rest)
}
