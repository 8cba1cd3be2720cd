package schema

import (
	"slices"
	"strings"

	"github.com/openconfig/goyang/pkg/yang"
)

// pendingAugment is an augment whose target may be made by another augment.
type pendingAugment struct {
	unit *unit
	stmt *yang.Statement
}

// buildTree makes the entries of all implemented modules and applies augments
// and deviations.
func (c *compiler) buildTree() {
	var augments, deviations []pendingAugment
	for _, m := range c.order {
		if !m.mod.Implemented {
			continue
		}
		for _, u := range m.texts() {
			c.expand(c.roots, u.stmt, u.scope, u.mod)
			for _, s := range u.stmt.SubStatements() {
				switch s.Keyword {
				case "augment":
					augments = append(augments, pendingAugment{u, s})
				case "deviation":
					deviations = append(deviations, pendingAugment{u, s})
				}
			}
		}
	}
	c.augmentAll(augments)
	for _, d := range deviations {
		c.deviate(d)
	}
}

// augmentAll applies the augments in rounds until none finds its target any more.
func (c *compiler) augmentAll(list []pendingAugment) {
	for len(list) > 0 {
		var rest []pendingAugment
		for _, a := range list {
			target, _ := c.absolute(a)
			if target == nil {
				rest = append(rest, a)
				continue
			}
			c.augment(target, a.stmt, a.unit.scope, a.unit.mod)
			c.checkAugment(target, a)
		}
		if len(rest) == len(list) {
			for _, a := range rest {
				_, why := c.absolute(a)
				c.errorf(a.stmt, "%s: %s", describe(a.stmt), why)
			}
			return
		}
		list = rest
	}
}

// checkAugment refuses mandatory nodes that a module adds unconditionally to
// another one's configuration (RFC 7950 section 7.17).
func (c *compiler) checkAugment(target *entry, a pendingAugment) {
	if target.mod == a.unit.mod || first(a.stmt, "when") != nil {
		return
	}
	for e := target; e != nil; e = e.parent {
		switch {
		case e.config != nil && e.config.Argument == "false":
			return
		case e.kind == "input", e.kind == "output", e.kind == "notification":
			return
		}
	}
	for _, sub := range a.stmt.SubStatements() {
		if mandatory := first(sub, "mandatory"); mandatory != nil && mandatory.Argument == "true" {
			if cfg := first(sub, "config"); cfg == nil || cfg.Argument != "false" {
				c.errorf(mandatory, "%s: an augment of another module without when cannot add a mandatory node", describe(sub))
			}
		}
	}
}

// absolute follows the absolute schema node identifier of an augment or a
// deviation; when it leads nowhere, why says where it ends.
func (c *compiler) absolute(a pendingAugment) (target *entry, why string) {
	path, ok := strings.CutPrefix(a.stmt.Argument, "/")
	if !ok {
		return nil, "the path does not begin with a slash"
	}
	e := c.roots
	for step := range strings.SplitSeq(path, "/") {
		mod, name := a.unit.mod, step
		if prefix, local, ok := strings.Cut(step, ":"); ok {
			if mod = a.unit.prefixes[prefix]; mod == nil {
				return nil, "no module has the prefix \"" + prefix + "\""
			}
			name = local
		}
		next := e.child(mod, name)
		if next == nil {
			if !mod.Implemented {
				return nil, "module " + mod.Name + " is imported but not implemented"
			}
			return nil, "there is no node \"" + step + "\""
		}
		e = next
	}
	return e, ""
}

// deviate applies one deviation statement (RFC 7950 section 7.20.3).
func (c *compiler) deviate(d pendingAugment) {
	e, why := c.absolute(d)
	if e == nil {
		c.errorf(d.stmt, "%s: %s", describe(d.stmt), why)
		return
	}
	if e.mod != d.unit.mod && !slices.Contains(e.mod.Deviations, d.unit.mod.Name) {
		e.mod.Deviations = append(e.mod.Deviations, d.unit.mod.Name)
		slices.Sort(e.mod.Deviations)
	}
	for _, s := range d.stmt.SubStatements() {
		if s.Keyword != "deviate" {
			continue
		}
		switch s.Argument {
		case "not-supported":
			e.parent.remove(e)
			if e.parent.implicit && len(e.parent.children) == 0 {
				e.parent.parent.remove(e.parent)
			}
		case "add", "replace", "delete":
			for _, sub := range s.SubStatements() {
				c.deviateProperty(e, s.Argument, sub, d.unit.scope)
			}
		default:
			c.errorf(s, "deviate %q is not not-supported, add, replace or delete", s.Argument)
		}
	}
}

func (c *compiler) deviateProperty(e *entry, how string, s *yang.Statement, sc *scope) {
	if strings.Contains(s.Keyword, ":") {
		return
	}
	if s.Keyword != "type" && !c.allows(e.kind, s.Keyword) {
		c.errorf(s, "a %s has no %s", e.kind, s.Keyword)
		return
	}
	switch s.Keyword {
	case "type":
		if how != "replace" || e.typ.stmt == nil {
			c.errorf(s, "a type can be replaced only, in a leaf or leaf-list")
			return
		}
		e.typ = located{s, sc}
	case "must":
		c.deviateList(&e.must, how, s, sc)
	case "unique":
		c.deviateList(&e.unique, how, s, sc)
	case "default":
		if how == "replace" {
			if len(e.defaults) == 0 {
				c.errorf(s, "there is no default to replace")
			}
			e.defaults = []located{{s, sc}}
			return
		}
		if how == "add" && e.kind != "leaf-list" && len(e.defaults) > 0 {
			c.errorf(s, "there is already a default")
			return
		}
		c.deviateList(&e.defaults, how, s, sc)
	default:
		p := e.property(s.Keyword)
		switch {
		case p == nil:
			c.errorf(s, "%s cannot be deviated", s.Keyword)
		case how == "add" && *p != nil:
			c.errorf(s, "there is already a %s", s.Keyword)
		case how == "replace" && *p == nil && s.Keyword != "config" && s.Keyword != "mandatory" && s.Keyword != "min-elements" && s.Keyword != "max-elements":
			c.errorf(s, "there is no %s to replace", s.Keyword)
		case how == "delete" && (*p == nil || (*p).Argument != s.Argument):
			c.errorf(s, "there is no %s %q to delete", s.Keyword, s.Argument)
		case how == "delete":
			*p = nil
		default:
			*p = s
		}
	}
}

// deviateList adds to or deletes from a property that may stand several times.
func (c *compiler) deviateList(list *[]located, how string, s *yang.Statement, sc *scope) {
	switch how {
	case "add":
		*list = append(*list, located{s, sc})
	case "delete":
		for i, l := range *list {
			if l.stmt.Argument == s.Argument {
				*list = slices.Delete(slices.Clone(*list), i, i+1)
				return
			}
		}
		c.errorf(s, "there is no %s %q to delete", s.Keyword, s.Argument)
	default:
		c.errorf(s, "a %s can be added or deleted, not replaced", s.Keyword)
	}
}

// collectIdentities makes all identities of supported features and links them.
func (c *compiler) collectIdentities() {
	type pending struct {
		id   *Identity
		stmt *yang.Statement
		unit *unit
	}
	var list []pending
	for _, m := range c.order {
		for _, u := range m.texts() {
			for _, s := range u.stmt.SubStatements() {
				if s.Keyword != "identity" || !c.enabled(s, u) {
					continue
				}
				key := nameKey{u.mod, s.Argument}
				if c.schema.identities[key] != nil {
					c.errorf(s, "identity %q is defined twice", s.Argument)
					continue
				}
				id := &Identity{
					Name: s.Argument, Module: u.mod, Status: c.status(first(s, "status")),
					Description: argOf(s, "description"), ancestors: map[*Identity]bool{},
				}
				c.schema.identities[key] = id
				list = append(list, pending{id, s, u})
			}
		}
	}
	for _, p := range list {
		for _, s := range p.stmt.SubStatements() {
			if s.Keyword == "base" {
				if base := c.identity(s, p.unit); base != nil {
					p.id.Bases = append(p.id.Bases, base)
				}
			}
		}
	}
	for _, p := range list {
		if !p.id.ascend(p.id.Bases, map[*Identity]bool{}) {
			c.errorf(p.stmt, "identity %q is derived from itself", p.id.Name)
			continue
		}
		for base := range p.id.ancestors {
			base.Derived = append(base.Derived, p.id)
		}
	}
	for _, p := range list {
		slices.SortFunc(p.id.Derived, func(a, b *Identity) int { return strings.Compare(a.String(), b.String()) })
	}
}

// ascend enters everything above bases into the ancestors of i; false when i is
// among them.
func (i *Identity) ascend(bases []*Identity, seen map[*Identity]bool) bool {
	for _, b := range bases {
		if b == i {
			return false
		}
		if seen[b] {
			continue
		}
		seen[b] = true
		i.ancestors[b] = true
		if !i.ascend(b.Bases, seen) {
			return false
		}
	}
	return true
}

// identity resolves a base statement.
func (c *compiler) identity(s *yang.Statement, u *unit) *Identity {
	mod, name := u.mod, s.Argument
	if prefix, local, ok := strings.Cut(name, ":"); ok {
		if mod = u.prefixes[prefix]; mod == nil {
			c.errorf(s, "base: no module has the prefix %q", prefix)
			return nil
		}
		name = local
	}
	id := c.schema.identities[nameKey{mod, name}]
	if id == nil {
		c.errorf(s, "module %s has no identity %q", mod.Name, name)
	}
	return id
}

// status reads a status statement; s may be nil.
func (c *compiler) status(s *yang.Statement) Status {
	if s == nil {
		return Current
	}
	switch s.Argument {
	case "current":
		return Current
	case "deprecated":
		return Deprecated
	case "obsolete":
		return Obsolete
	}
	c.errorf(s, "status %q is not current, deprecated or obsolete", s.Argument)
	return Current
}
