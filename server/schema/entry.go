package schema

import (
	"strings"

	"github.com/openconfig/goyang/pkg/yang"
)

// entry is a node of the schema tree while it is put together: choices, cases
// and nodes of unsupported features are still in it, and properties are still
// statements, so that refine and deviate can replace them.
type entry struct {
	stmt     *yang.Statement
	kind     string // the keyword; "root" for the top
	name     string
	mod      *Module
	scope    *scope // scope inside stmt
	parent   *entry
	children []*entry
	off      bool // an if-feature does not hold
	implicit bool // a case that a short-hand implies

	config      *yang.Statement
	mandatory   *yang.Statement
	presence    *yang.Statement
	minElements *yang.Statement
	maxElements *yang.Statement
	units       *yang.Statement
	description *yang.Statement
	reference   *yang.Statement
	key         *yang.Statement
	orderedBy   *yang.Statement
	status      *yang.Statement
	typ         located
	defaults    []located
	unique      []located
	must        []located
	when        []whenAt
	extensions  []Extension

	node *Node // what the entry becomes
}

// located is a statement and the scope that gives its prefixes a meaning.
type located struct {
	stmt  *yang.Statement
	scope *scope
}

type whenAt struct {
	located
	context Context
	module  *Module // of names without prefix
}

// child returns the schema child called name in mod, choices and cases included.
func (e *entry) child(mod *Module, name string) *entry {
	for _, c := range e.children {
		if c.name == name && c.mod == mod {
			return c
		}
	}
	return nil
}

func (e *entry) remove(child *entry) {
	for i, c := range e.children {
		if c == child {
			e.children = append(e.children[:i:i], e.children[i+1:]...)
			return
		}
	}
}

// newEntry makes the entry of a node statement with all its properties and
// children and appends it to parent. Below a choice, a short-hand case is added.
func (c *compiler) newEntry(parent *entry, s *yang.Statement, sc *scope, mod *Module) *entry {
	if parent.kind == "choice" && s.Keyword != "case" {
		wrap := &entry{stmt: s, kind: "case", name: s.Argument, mod: mod, scope: sc, parent: parent, implicit: true}
		parent.children = append(parent.children, wrap)
		parent = wrap
	}
	inner := c.within(s, sc)
	e := &entry{stmt: s, kind: s.Keyword, name: s.Argument, mod: mod, scope: inner, parent: parent}
	if e.kind == "input" || e.kind == "output" {
		e.name = e.kind
	}
	parent.children = append(parent.children, e)
	e.off = !c.enabled(s, sc.unit)
	for _, sub := range s.SubStatements() {
		switch sub.Keyword {
		case "type":
			e.typ = located{sub, inner}
		case "when":
			context := ContextSelf
			if e.kind == "choice" || e.kind == "case" {
				context = ContextParent
			}
			e.when = append(e.when, whenAt{located{sub, sc}, context, mod})
		case "must":
			e.must = append(e.must, located{sub, sc})
		case "default":
			e.defaults = append(e.defaults, located{sub, sc})
		case "unique":
			e.unique = append(e.unique, located{sub, sc})
		default:
			if p := e.property(sub.Keyword); p != nil {
				*p = sub
				continue
			}
			if prefix, name, ok := strings.Cut(sub.Keyword, ":"); ok && sc.unit.prefixes[prefix] != nil {
				e.extensions = append(e.extensions, Extension{sc.unit.prefixes[prefix], name, sub.Argument})
			}
		}
	}
	c.expand(e, s, inner, mod)
	if e.kind == "rpc" || e.kind == "action" {
		for _, kind := range []string{"input", "output"} {
			if e.child(mod, kind) == nil {
				e.children = append(e.children, &entry{stmt: s, kind: kind, name: kind, mod: mod, scope: inner, parent: e})
			}
		}
	}
	return e
}

// property returns the place of a statement that stands at most once.
func (e *entry) property(keyword string) **yang.Statement {
	switch keyword {
	case "config":
		return &e.config
	case "mandatory":
		return &e.mandatory
	case "presence":
		return &e.presence
	case "min-elements":
		return &e.minElements
	case "max-elements":
		return &e.maxElements
	case "units":
		return &e.units
	case "description":
		return &e.description
	case "reference":
		return &e.reference
	case "key":
		return &e.key
	case "ordered-by":
		return &e.orderedBy
	case "status":
		return &e.status
	}
	return nil
}

// expand adds the nodes that the substatements of s define to parent.
func (c *compiler) expand(parent *entry, s *yang.Statement, sc *scope, mod *Module) {
	for _, sub := range s.SubStatements() {
		switch sub.Keyword {
		case "container", "list", "leaf", "leaf-list", "anydata", "anyxml", "choice", "case", "action", "notification", "input", "output":
			c.newEntry(parent, sub, sc, mod)
		case "rpc":
			c.newEntry(parent, sub, sc, mod)
		case "uses":
			c.expandUses(parent, sub, sc, mod)
		}
	}
}

// maxNodes bounds the expanded tree: groupings that use groupings can grow
// exponentially with the text.
const maxNodes = 1 << 20

// expandUses copies a grouping into parent, refined and augmented.
func (c *compiler) expandUses(parent *entry, s *yang.Statement, sc *scope, mod *Module) {
	def := c.lookup(sc, s.Argument, (*scope).groupingTable)
	if def == nil {
		c.errorf(s, "no grouping %q is in scope", s.Argument)
		return
	}
	for _, g := range c.usesPath {
		if g == def.stmt {
			c.errorf(s, "grouping %q uses itself", s.Argument)
			return
		}
	}
	if c.expanded++; c.expanded > maxNodes {
		if c.expanded == maxNodes+1 {
			c.errorf(s, "the groupings expand to more than %d uses", maxNodes)
		}
		return
	}
	c.usesPath = append(c.usesPath, def.stmt)
	// The copies are made below a stand-in so that refine and augment see only
	// them, and not what else stands beside the uses statement.
	group := &entry{stmt: s, kind: parent.kind, name: parent.name, mod: parent.mod, scope: sc}
	c.expand(group, def.stmt, c.within(def.stmt, def.scope), mod)
	c.usesPath = c.usesPath[:len(c.usesPath)-1]
	off := !c.enabled(s, sc.unit)
	for _, sub := range s.SubStatements() {
		switch sub.Keyword {
		case "refine":
			c.refine(group, sub, sc, mod)
		case "augment":
			if target := c.descend(group, sub, sc, mod); target != nil {
				c.augment(target, sub, sc, mod)
			}
		}
	}
	when := first(s, "when")
	for _, e := range group.children {
		e.parent = parent
		e.off = e.off || off
		if when != nil {
			e.when = append(e.when, whenAt{located{when, sc}, ContextParent, mod})
		}
		parent.children = append(parent.children, e)
	}
}

// descend follows a descendant schema node identifier from base.
func (c *compiler) descend(base *entry, s *yang.Statement, sc *scope, mod *Module) *entry {
	e := base
	for step := range strings.SplitSeq(s.Argument, "/") {
		name, m := step, mod
		if prefix, local, ok := strings.Cut(step, ":"); ok {
			name = local
			// Inside a uses the nodes belong to the module that uses the grouping,
			// whatever prefix the grouping's own module writes.
			if sc.unit.prefixes[prefix] == nil {
				c.errorf(s, "%s: no module has the prefix %q", describe(s), prefix)
				return nil
			}
			if pm := sc.unit.prefixes[prefix]; pm != sc.unit.mod {
				m = pm
			}
		}
		next := e.child(m, name)
		if next == nil {
			c.errorf(s, "%s: there is no node %q in %s %q", describe(s), step, e.kind, e.name)
			return nil
		}
		e = next
	}
	return e
}

// refine applies one refine statement to the copies of a grouping.
func (c *compiler) refine(group *entry, s *yang.Statement, sc *scope, mod *Module) {
	e := c.descend(group, s, sc, mod)
	if e == nil {
		return
	}
	if !c.enabled(s, sc.unit) {
		e.off = true
	}
	var defaults []located
	for _, sub := range s.SubStatements() {
		switch sub.Keyword {
		case "must":
			if !c.allows(e.kind, "must") {
				c.errorf(sub, "must cannot be refined in a %s", e.kind)
				continue
			}
			e.must = append(e.must, located{sub, sc})
		case "default":
			if !c.allows(e.kind, "default") {
				c.errorf(sub, "default cannot be refined in a %s", e.kind)
				continue
			}
			defaults = append(defaults, located{sub, sc})
		case "if-feature":
		default:
			p := e.property(sub.Keyword)
			if p == nil {
				continue
			}
			if !c.allows(e.kind, sub.Keyword) {
				c.errorf(sub, "%s cannot be refined in a %s", sub.Keyword, e.kind)
				continue
			}
			*p = sub
		}
	}
	if defaults != nil {
		e.defaults = defaults
	}
}

// allows reports whether a property may be set on a node of this kind.
func (c *compiler) allows(kind, property string) bool {
	_, ok := c.grammar[kind][property]
	return ok
}

// augment adds the nodes of an augment statement, at top level or in a uses, to
// its target.
func (c *compiler) augment(target *entry, s *yang.Statement, sc *scope, mod *Module) {
	switch target.kind {
	case "leaf", "leaf-list", "anydata", "anyxml", "rpc", "action":
		c.errorf(s, "%s: a %s cannot be augmented", describe(s), target.kind)
		return
	}
	inner := c.within(s, sc)
	before := len(target.children)
	c.expand(target, s, inner, mod)
	off := !c.enabled(s, sc.unit)
	when := first(s, "when")
	for _, e := range target.children[before:] {
		if e.kind == "case" && target.kind != "choice" {
			c.errorf(e.stmt, "a case can be added to a choice only")
		}
		e.off = e.off || off
		if when != nil {
			e.when = append(e.when, whenAt{located{when, sc}, ContextParent, mod})
		}
	}
}
