package xpath

import (
	"fmt"
	"math"
	"regexp"
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/schema/xsdre"
	"github.com/tandem-ne/tandem/server/tree"
)

// reMatch evaluates re-match() (RFC 7950 section 10.2.1).
func (m *machine) reMatch(e *expr, c focus) bool {
	match := e.match
	if match == nil {
		var err error
		if match, err = matcher(m.text(e.kids[1], c)); err != nil {
			m.fail(err)
			return false
		}
	}
	return match(m.text(e.kids[0], c))
}

// matcher compiles a regular expression of XML Schema.
func matcher(pattern string) (func(string) bool, error) {
	text, err := xsdre.Translate(pattern)
	if err != nil {
		return nil, fmt.Errorf("xpath: re-match() pattern %q: %w", pattern, err)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("xpath: re-match() pattern %q: %w", pattern, err)
	}
	return re.MatchString, nil
}

// derivedFrom evaluates derived-from() and derived-from-or-self() (RFC 7950
// sections 10.4.1 and 10.4.2).
func (m *machine) derivedFrom(e *expr, c focus) bool {
	base := e.identity
	if e.kids[1].op != opLiteral {
		base = m.expr.scope.identity(m.text(e.kids[1], c))
	}
	if base == nil {
		return false
	}
	found := false
	m.each(e.kids[0], c, func(id int32) bool {
		i := m.identityAt(id)
		found = i != nil && (i.DerivedFrom(base) || i == base && e.fn.id == fnDerivedFromOrSelf)
		return !found
	})
	return found
}

func (m *machine) identityAt(id int32) *schema.Identity {
	if e := &m.elements[id]; e.schema.Type == nil || e.text {
		return nil
	}
	return m.leaf(id).Identity()
}

// enumValue evaluates enum-value() (RFC 7950 section 10.5.1).
func (m *machine) enumValue(e *expr, c focus) float64 {
	save := m.save()
	defer m.restore(save)
	if v, ok := m.firstValue(e.kids[0], c); ok && v.Type().Kind() == schema.Enumeration {
		return float64(v.Int())
	}
	return math.NaN()
}

// bitIsSet evaluates bit-is-set() (RFC 7950 section 10.6.1).
func (m *machine) bitIsSet(e *expr, c focus) bool {
	name := m.text(e.kids[1], c)
	save := m.save()
	defer m.restore(save)
	v, ok := m.firstValue(e.kids[0], c)
	return ok && v.Type().Kind() == schema.Bits && slices.Contains(v.Bits(), name)
}

// firstValue returns the value of the first node of e, if that is a leaf.
func (m *machine) firstValue(e *expr, c focus) (schema.Value, bool) {
	id, ok := m.first(e, c)
	if !ok || m.elements[id].schema.Type == nil || m.elements[id].text {
		return schema.Value{}, false
	}
	v := m.leaf(id)
	return v, !v.IsZero()
}

// deref evaluates deref() (RFC 7950 section 10.3.1): of the first node, the
// instances that its leafref or instance-identifier refers to.
func (m *machine) deref(e *expr, c focus, yield func(int32) bool) bool {
	save := m.save()
	at, ok := m.first(e.kids[0], c)
	if !ok || m.elements[at].schema.Type == nil || m.elements[at].text {
		m.restore(save)
		return m.err == nil
	}
	v, set := m.leaf(at), m.newSet()
	if t := v.Type(); t != nil && t.Kind() == schema.InstanceIdentifier {
		m.follow(set, v)
	}
	for _, x := range e.derefs[m.elements[at].schema] {
		expr, current := m.expr, m.current
		m.expr, m.current = x, at
		ok := m.each(x.top, focus{node: at, pos: 1, size: 1}, func(id int32) bool { return m.add(set, id) })
		m.expr, m.current = expr, current
		if !ok {
			return false
		}
	}
	return m.show(set, save, yield)
}

// follow adds what an instance-identifier refers to.
func (m *machine) follow(set *nodeSet, v schema.Value) {
	p, err := tree.ParsePath(m.expr.scope.schema, v.String())
	if err != nil {
		return
	}
	at := int32(0)
	for i := range p {
		if m.expr.configOnly && !p[i].Node.Config {
			return
		}
		var ok bool
		if at, ok = m.place(at, &p[i], false); !ok || at < 0 {
			return
		}
	}
	m.add(set, at)
}

// compileDerefs compiles the paths of the leafrefs that the first argument of a
// deref() can be, each narrowed to the instances with the leafref's value.
func (c *compiler) compileDerefs(e *expr, nodes []*schema.Node) error {
	e.derefs = map[*schema.Node][]*Expr{}
	for _, n := range nodes {
		var err error
		var add func(t *schema.Type)
		add = func(t *schema.Type) {
			for _, u := range t.Union() {
				add(u)
			}
			spec := t.Leafref()
			if spec == nil || spec.Target == nil || err != nil {
				return
			}
			var x *Expr
			if x, err = compileLeafref(n, spec, c.out.whens); err == nil {
				e.derefs[n] = append(e.derefs[n], x)
				c.everyContext(x.deps)
			}
		}
		if n.Type != nil {
			add(n.Type)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compileLeafref returns the expression for the instances that a leafref n with
// this path refers to; n is the context node.
func compileLeafref(n *schema.Node, spec *schema.LeafrefSpec, shared *whens) (*Expr, error) {
	top, err := parse(spec.Path)
	if err != nil {
		return nil, err
	}
	if top.op == opPath && len(top.path.steps) > 0 {
		steps := top.path.steps
		last := steps[len(steps)-1]
		list := spec.Target.Parent
		if len(steps) > 1 && spec.Target.IsKey() && len(list.Keys) == 1 && last.axis == axisChild {
			key, err := parse(last.text + " = current()")
			if err != nil {
				return nil, err
			}
			before := steps[len(steps)-2]
			before.preds = append(before.preds, key)
		}
		self, err := parse(". = current()")
		if err != nil {
			return nil, err
		}
		last.preds = append(last.preds, self)
	}
	o := Options{Prefixes: spec.Expr.Prefixes, Default: spec.Expr.Default, Config: n.Config && n.Parent != nil}
	return compileParsed(spec.Path, top, n, o, shared)
}
