package schema

import (
	"strings"

	"github.com/openconfig/goyang/pkg/yang"
)

// scope holds the typedefs and groupings that a statement defines; names are
// looked up outwards from where they are used (RFC 7950 section 5.5).
type scope struct {
	parent    *scope
	unit      *unit
	typedefs  map[string]*definition
	groupings map[string]*definition
}

// definition is a typedef or grouping statement and the scope around it.
type definition struct {
	stmt  *yang.Statement
	scope *scope
}

// topScope fills the top-level scope of a module from all its texts.
func (c *compiler) topScope(m *unit) {
	for _, u := range m.texts() {
		c.define(u.scope, u.stmt)
	}
}

// within returns the scope inside s: outer itself unless s defines something.
func (c *compiler) within(s *yang.Statement, outer *scope) *scope {
	if sc, ok := c.scopes[s]; ok {
		return sc
	}
	sc := outer
	if first(s, "typedef") != nil || first(s, "grouping") != nil {
		sc = &scope{parent: outer, unit: outer.unit, typedefs: map[string]*definition{}, groupings: map[string]*definition{}}
		c.define(sc, s)
	}
	c.scopes[s] = sc
	return sc
}

// define enters the typedefs and groupings directly below s into sc.
func (c *compiler) define(sc *scope, s *yang.Statement) {
	for _, sub := range s.SubStatements() {
		var table map[string]*definition
		var outer *definition
		switch sub.Keyword {
		case "typedef":
			table = sc.typedefs
			outer = sc.parent.find(sub.Argument, (*scope).typedefTable)
			if builtinKind(sub.Argument) != 0 {
				c.errorf(sub, "typedef %q has the name of a built-in type", sub.Argument)
				continue
			}
		case "grouping":
			table = sc.groupings
			outer = sc.parent.find(sub.Argument, (*scope).groupingTable)
		default:
			continue
		}
		if table[sub.Argument] != nil || outer != nil {
			c.errorf(sub, "%s is defined twice in its scope", describe(sub))
			continue
		}
		table[sub.Argument] = &definition{stmt: sub, scope: sc}
	}
}

func (sc *scope) typedefTable() map[string]*definition  { return sc.typedefs }
func (sc *scope) groupingTable() map[string]*definition { return sc.groupings }

// find looks name up from sc outwards.
func (sc *scope) find(name string, table func(*scope) map[string]*definition) *definition {
	for ; sc != nil; sc = sc.parent {
		if d := table(sc)[name]; d != nil {
			return d
		}
	}
	return nil
}

// lookup resolves a reference with an optional prefix, or returns nil.
func (c *compiler) lookup(sc *scope, ref string, table func(*scope) map[string]*definition) *definition {
	prefix, name, ok := strings.Cut(ref, ":")
	if !ok {
		return sc.find(ref, table)
	}
	mod := sc.unit.prefixes[prefix]
	switch {
	case mod == nil:
		return nil
	case mod == sc.unit.mod:
		return sc.find(name, table)
	}
	if u := c.units[mod.Name]; u != nil && u.scope != nil {
		return table(u.scope)[name]
	}
	return nil
}
