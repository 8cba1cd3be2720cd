package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/openconfig/goyang/pkg/yang"
)

type featureKey struct{ module, name string }

// feature is a feature statement and whether it is supported.
type feature struct {
	stmt  *yang.Statement
	unit  *unit
	state featureState
}

type featureState uint8

const (
	featureUnknown featureState = iota
	featureInProgress
	featureOn
	featureOff
)

// collectFeatures records all features and decides which are supported.
func (c *compiler) collectFeatures() {
	for _, m := range c.order {
		for _, u := range m.texts() {
			for _, s := range u.stmt.SubStatements() {
				if s.Keyword != "feature" {
					continue
				}
				key := featureKey{u.mod.Name, s.Argument}
				if c.features[key] != nil {
					c.errorf(s, "feature %q is defined twice", s.Argument)
					continue
				}
				c.features[key] = &feature{stmt: s, unit: u}
			}
		}
	}
	for key, f := range c.features {
		if c.supported(key, f.stmt) && !slices.Contains(f.unit.mod.Features, key.name) {
			f.unit.mod.Features = append(f.unit.mod.Features, key.name)
		}
	}
	for _, m := range c.order {
		slices.Sort(m.mod.Features)
	}
	for name, list := range c.opts.Features {
		if c.schema.byName[name] == nil {
			continue
		}
		for _, f := range list {
			if c.features[featureKey{name, f}] == nil {
				c.errorf(nil, "module %s has no feature %q", name, f)
			}
		}
	}
}

// supported reports whether a feature is in force: it is asked for, and so is
// everything its own if-feature statements need.
func (c *compiler) supported(key featureKey, at *yang.Statement) bool {
	f := c.features[key]
	if f == nil {
		c.errorf(at, "module %s has no feature %q", key.module, key.name)
		return false
	}
	switch f.state {
	case featureOn:
		return true
	case featureOff:
		return false
	case featureInProgress:
		c.errorf(f.stmt, "feature %q depends on itself", key.name)
		return false
	}
	f.state = featureInProgress
	list, limited := c.opts.Features[key.module]
	on := !limited || slices.Contains(list, key.name)
	if !c.enabled(f.stmt, f.unit) {
		on = false
	}
	f.state = featureOff
	if on {
		f.state = featureOn
	}
	return on
}

// enabled reports whether all if-feature substatements of s hold.
func (c *compiler) enabled(s *yang.Statement, u *unit) bool {
	on := true
	for _, sub := range s.SubStatements() {
		if sub.Keyword == "if-feature" && !c.ifFeature(sub, u) {
			on = false
		}
	}
	return on
}

// ifFeature evaluates one if-feature expression (RFC 7950 section 7.20.2). In
// YANG 1.0 it is a single name, which is a special case of the expression.
func (c *compiler) ifFeature(s *yang.Statement, u *unit) bool {
	p := featureParser{tokens: featureTokens(s.Argument)}
	p.eval = func(name string) bool {
		mod := u.mod
		if prefix, local, ok := strings.Cut(name, ":"); ok {
			if mod = u.prefixes[prefix]; mod == nil {
				c.errorf(s, "if-feature: no module has the prefix %q", prefix)
				return false
			}
			name = local
		}
		return c.supported(featureKey{mod.Name, name}, s)
	}
	v := p.or(0)
	if p.err == nil && len(p.tokens) > 0 {
		p.fail("%q is not expected", p.tokens[0])
	}
	if p.err != nil {
		c.errorf(s, "if-feature %q: %v", s.Argument, p.err)
		return false
	}
	return v
}

func featureTokens(text string) []string {
	text = strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text)
	return strings.Fields(text)
}

// featureParser evaluates while it parses: or < and < not.
type featureParser struct {
	tokens []string
	eval   func(name string) bool
	err    error
}

func (p *featureParser) fail(format string, args ...any) bool {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
	p.tokens = nil
	return false
}

func (p *featureParser) accept(token string) bool {
	if len(p.tokens) > 0 && p.tokens[0] == token {
		p.tokens = p.tokens[1:]
		return true
	}
	return false
}

func (p *featureParser) or(depth int) bool {
	v := p.and(depth)
	for p.accept("or") {
		w := p.and(depth)
		v = v || w
	}
	return v
}

func (p *featureParser) and(depth int) bool {
	v := p.not(depth)
	for p.accept("and") {
		w := p.not(depth)
		v = v && w
	}
	return v
}

func (p *featureParser) not(depth int) bool {
	if depth > maxDepth {
		return p.fail("nested deeper than %d", maxDepth)
	}
	if p.accept("not") {
		return !p.not(depth + 1)
	}
	if p.accept("(") {
		v := p.or(depth + 1)
		if p.err == nil && !p.accept(")") {
			return p.fail("a closing parenthesis is missing")
		}
		return v
	}
	if len(p.tokens) == 0 {
		return p.fail("the expression ends too early")
	}
	name := p.tokens[0]
	if !isIdentifier(name, true) {
		return p.fail("%q is not a feature name", name)
	}
	p.tokens = p.tokens[1:]
	return p.eval(name)
}
