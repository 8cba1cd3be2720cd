package xpath

import (
	"math"
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
)

// order is what is known before evaluation about the nodes of a node-set.
type order uint8

const (
	single    order = iota // at most one node
	flat                   // in document order, each once, none below another
	nested                 // in document order, each once
	unordered              // in any order, perhaps several times
)

func (e *expr) order() order {
	switch {
	case e.op == opPath:
		return e.path.order
	case e.op == opCall && e.fn.id != fnDeref:
		return single
	}
	return unordered
}

// static is what is known before evaluation about where the nodes of a
// node-set are.
type static struct {
	nodes []*schema.Node // elements, and leafs of which the text is meant
	text  bool           // some of the nodes may be texts
	min   int            // depth of the highest node that was passed on the way
	join  *join
	order order
}

// compiler resolves the names of one expression.
type compiler struct {
	out     *Expr
	op      *schema.Node // the operation or notification around the context node, or nil
	depth   int          // of the context node
	deps    map[depKey]bool
	missing map[string]bool
	err     error
}

func compile(text string, ctx *schema.Node, o Options, shared *whens) (*Expr, error) {
	top, err := parse(text)
	if err != nil {
		return nil, err
	}
	return compileParsed(text, top, ctx, o, shared)
}

func compileParsed(text string, top *expr, ctx *schema.Node, o Options, shared *whens) (*Expr, error) {
	x := &Expr{text: text, context: ctx, top: top, configOnly: o.Config, whens: shared}
	c := &compiler{out: x, deps: map[depKey]bool{}, missing: map[string]bool{}}
	x.root = ctx
	for n := ctx; n != nil; n = parentOf(n) {
		switch n.Kind {
		case schema.Input, schema.Output, schema.Notification:
			c.op = n
		}
		x.root = n
	}
	c.depth = depthOf(ctx)
	x.scope = scope{prefixes: o.Prefixes, def: o.Default}
	if ctx.Module != nil {
		x.scope.schema = ctx.Module.Schema()
	} else if kids := ctx.Children(); len(kids) > 0 {
		x.scope.schema = kids[0].Module.Schema()
	} else {
		x.scope.schema = &schema.Schema{}
	}
	x.targets = c.resolve(top, c.start()).nodes
	c.finish()
	return x, c.err
}

// depthOf returns the number of elements above those of n.
func depthOf(n *schema.Node) int {
	d := 0
	for n = parentOf(n); n != nil; n = parentOf(n) {
		d++
	}
	return d
}

// start is the context node.
func (c *compiler) start() static {
	return static{nodes: []*schema.Node{c.out.context}, min: c.depth}
}

func (c *compiler) fail(pos int, format string, args ...any) {
	if c.err == nil {
		c.err = errorf(c.out.text, pos, format, args...)
	}
}

// resolve compiles e for evaluation on at and returns what is known of its nodes.
func (c *compiler) resolve(e *expr, at static) static {
	switch e.op {
	case opNumber, opLiteral:
		e.free = true
		return static{}
	case opPath:
		return c.path(e, at)
	case opCall:
		return c.call(e, at)
	}
	var all static
	e.free = true
	byValue := e.op != opOr && e.op != opAnd && e.op != opUnion
	for i, k := range e.kids {
		st := c.resolve(k, at)
		e.free = e.free && k.free
		e.position = e.position || k.position
		e.size = e.size || k.size
		if byValue && k.kind == kindNodes && (e.op > opGreaterEqual || e.kids[1-i].kind != kindBool) {
			c.readsValue(st)
		}
		if i == 0 {
			all = st
			continue
		}
		all.nodes = union(all.nodes, st.nodes)
		all.text = all.text || st.text
		all.min = min(all.min, st.min)
		all.join = nil
	}
	all.order = unordered
	return all
}

func union(a, b []*schema.Node) []*schema.Node {
	out := append(slices.Clip(a), b...)
	slices.SortFunc(out, byID)
	return slices.Compact(out)
}

func (c *compiler) call(e *expr, at static) static {
	e.free = true
	var first static
	for i, k := range e.kids {
		st := c.resolve(k, at)
		e.free = e.free && k.free
		e.position = e.position || k.position
		e.size = e.size || k.size
		if i == 0 {
			first = st
		}
		arg := e.fn.args[min(i, len(e.fn.args)-1)]
		if k.kind == kindNodes && (arg == argString || arg == argNumber || e.fn.id == fnSum) {
			c.readsValue(st)
		}
	}
	switch e.fn.id {
	case fnLast:
		e.free, e.position, e.size = false, true, true
	case fnPosition:
		e.free, e.position = false, true
	case fnString, fnNumber, fnStringLength, fnNormalizeSpace, fnLocalName, fnName, fnNamespaceURI:
		if len(e.kids) == 0 {
			e.free = false
			if e.fn.id != fnLocalName && e.fn.id != fnName && e.fn.id != fnNamespaceURI {
				c.readsValue(at)
			}
		}
	case fnLang:
		e.free = false
	case fnCurrent:
		near := c.start()
		e.near = &near
		return near
	case fnReMatch:
		if e.kids[1].op == opLiteral {
			match, err := matcher(e.kids[1].text)
			if err != nil {
				c.fail(e.pos, "%v", err)
			}
			e.match = match
		}
	case fnDerivedFrom, fnDerivedFromOrSelf:
		if name := e.kids[1]; name.op == opLiteral {
			c.prefixOf(name.text, name.pos)
			if e.identity = c.out.scope.identity(name.text); e.identity == nil {
				c.missing[name.text] = true
			}
		}
	case fnDeref:
		if err := c.compileDerefs(e, first.nodes); err != nil && c.err == nil {
			c.err = err
		}
		c.readsValue(first)
		out := static{min: 0, order: unordered}
		for n := range e.derefs {
			out.nodes = append(out.nodes, refTargets(n.Type)...)
		}
		for _, n := range first.nodes {
			if refersAnywhere(n.Type) {
				out.nodes = c.below(c.out.root, true)
			}
		}
		out.nodes = union(out.nodes, nil)
		c.reads(out)
		return out
	}
	return static{order: single}
}

// refTargets returns the targets of the leafrefs that t can be.
func refTargets(t *schema.Type) []*schema.Node {
	var out []*schema.Node
	for _, u := range t.Union() {
		out = append(out, refTargets(u)...)
	}
	if l := t.Leafref(); l != nil && l.Target != nil {
		out = append(out, l.Target)
	}
	return out
}

// refersAnywhere reports whether t can be an instance-identifier.
func refersAnywhere(t *schema.Type) bool {
	for t != nil && t.Kind() == schema.Leafref && t.Leafref().Target != nil {
		t = t.Leafref().Target.Type
	}
	if t == nil {
		return false
	}
	return t.Kind() == schema.InstanceIdentifier || slices.ContainsFunc(t.Union(), refersAnywhere)
}

func (c *compiler) path(e *expr, at static) static {
	p := e.path
	st := at
	st.order = single
	switch {
	case p.absolute:
		e.free = true
		st = static{nodes: []*schema.Node{c.out.root}}
	case p.filter != nil:
		st = c.resolve(p.filter, at)
		st.order = p.filter.order()
		if st.order == unordered {
			st.order = nested // gathered before the path goes on
		}
		e.free, e.position, e.size = p.filter.free, p.filter.position, p.filter.size
		for _, q := range p.preds {
			c.resolve(q, st)
		}
		p.filter.current = p.filter.op == opCall && p.filter.fn.id == fnCurrent
	}
	p.run = fuse(p.steps)
	for i, s := range p.run {
		if st.order == unordered {
			p.breaks = append(p.breaks, i)
			st.order = nested
		}
		st = c.step(s, st)
	}
	p.order = st.order
	if p.filter != nil && p.filter.current && len(p.preds) == 0 {
		near := st
		e.near = &near
	}
	return st
}

// fuse replaces descendant-or-self::node()/child::x by descendant::x where no
// position is asked for, which is the same and gives nodes in order.
func fuse(steps []*step) []*step {
	var out []*step
	for i := 0; i < len(steps); i++ {
		s := steps[i]
		if s.axis == axisDescendantOrSelf && s.test == testNode && len(s.preds) == 0 && i+1 < len(steps) {
			next := steps[i+1]
			if next.axis == axisChild && !slices.ContainsFunc(next.preds, asksPosition) {
				s = &step{}
				*s = *next
				s.axis = axisDescendant
				i++
			}
		}
		out = append(out, s)
	}
	return out
}

// asksPosition reports whether a predicate that was not compiled yet may depend
// on the context position.
func asksPosition(e *expr) bool {
	if e.kind == kindNumber || e.op == opCall && (e.fn.id == fnPosition || e.fn.id == fnLast) {
		return true
	}
	if e.op == opPath && e.path.filter != nil && asksPosition(e.path.filter) {
		return true
	}
	return slices.ContainsFunc(e.kids, asksPosition)
}

// prefixOf resolves the prefix of a name; false if there is no such prefix.
func (c *compiler) prefixOf(name string, pos int) (*schema.Module, string, bool) {
	prefix, local, ok := strings.Cut(name, ":")
	if !ok {
		return c.out.scope.def, name, true
	}
	m := c.out.scope.Module(prefix)
	if m == nil {
		c.fail(pos, "no module has the prefix %q", prefix)
	}
	return m, local, m != nil
}

func (c *compiler) step(s *step, at static) static {
	switch s.test {
	case testName:
		s.module, s.local, _ = c.prefixOf(s.text, s.pos)
	case testAny:
		if s.text != "*" {
			s.module, _, _ = c.prefixOf(s.text, s.pos)
		}
	}
	out := static{join: at.join, order: transition(s.axis, at.order)}
	reach, low := c.reach(s.axis, at)
	out.min = min(at.min, low)
	for _, n := range reach {
		if s.matches(&element{schema: n, parent: int32(depthOf(n)) - 1}) {
			out.nodes = append(out.nodes, n)
		}
	}
	textual := s.test == testNode || s.test == testText
	switch s.axis {
	case axisChild, axisDescendant, axisDescendantOrSelf, axisFollowing, axisPreceding, axisSelf:
		if textual {
			for _, n := range append(slices.Clip(at.nodes), reach...) {
				if n.Type != nil {
					out.nodes, out.text = append(out.nodes, n), true
				}
			}
		}
	}
	out.nodes = union(out.nodes, nil)
	for _, n := range out.nodes {
		low = min(low, depthOf(n))
	}
	if s.test == testName {
		s.targets = out.nodes
		if len(out.nodes) == 0 && c.err == nil && s.axis != axisAttribute && s.axis != axisNamespace {
			c.missing[s.text] = true
		}
		c.leads(s, at)
	}
	if out.join != nil && low < out.join.depth {
		out.join = nil
	}
	var pending *join
	if s.test == testName && s.axis == axisChild && len(s.targets) == 1 && len(s.preds) > 0 {
		pending = &join{depth: depthOf(s.targets[0]), outer: out.join}
		out.join = pending
	}
	switch s.axis {
	case axisParent, axisAncestor: // They are there as long as the context node is.
	case axisDescendant, axisDescendantOrSelf, axisFollowing, axisPreceding:
		if s.test != testName {
			c.reads(static{nodes: reach, min: out.min}) // What is on the way may imply what is found.
		}
		c.reads(out)
	default:
		c.reads(out)
	}
	for _, p := range s.preds {
		c.resolve(p, out)
		s.collects = s.collects || p.size
	}
	s.collects = s.collects || len(s.preds) > maxStream
	s.findKeys()
	if s.axis == axisChild && at.order == single {
		out.order = single
		for _, n := range out.nodes {
			if n.Kind != schema.List && n.Kind != schema.LeafList {
				continue
			}
			out.order = flat
		}
		if s.test != testName {
			out.order = flat
		}
	}
	if s.keys != nil {
		one := true
		for _, k := range s.keys {
			one = one && (k.kind != kindNodes || k.order() == single)
		}
		switch {
		case one && at.order == single && s.axis == axisChild:
			out.order = single
		case !one:
			out.order = unordered
		}
		if pending != nil {
			c.joinOn(s, pending)
		}
	}
	return out
}

// transition returns the order of the nodes on an axis of nodes in order o.
func transition(a axis, o order) order {
	switch a {
	case axisSelf:
		return o
	case axisChild:
		if o <= flat {
			return flat
		}
	case axisParent:
		if o == single {
			return single
		}
	case axisDescendant, axisDescendantOrSelf:
		if o <= flat {
			return nested
		}
	case axisFollowingSibling:
		if o == single {
			return flat
		}
	case axisFollowing:
		if o == single {
			return nested
		}
	case axisAttribute, axisNamespace:
		return single
	}
	return unordered
}

// reach returns the elements on an axis, and the depth of the highest node that
// is passed on the way.
func (c *compiler) reach(a axis, at static) (out []*schema.Node, low int) {
	low = math.MaxInt
	for _, n := range at.nodes {
		d := depthOf(n)
		switch a {
		case axisSelf:
			out = append(out, n)
		case axisChild:
			out = append(out, c.children(n)...)
		case axisDescendant, axisDescendantOrSelf:
			out = append(out, c.below(n, a == axisDescendantOrSelf)...)
		case axisParent:
			if p := parentOf(n); p != nil {
				out, low = append(out, p), min(low, d-1)
			}
			if at.text {
				out = append(out, n) // the leaf around a text
			}
		case axisAncestor, axisAncestorOrSelf:
			if a == axisAncestorOrSelf || at.text {
				out = append(out, n)
			}
			for n = parentOf(n); n != nil; n = parentOf(n) {
				out = append(out, n)
			}
			low = 0
		case axisFollowingSibling, axisPrecedingSibling:
			if p := parentOf(n); p != nil {
				out, low = append(out, c.children(p)...), min(low, d-1)
			}
		case axisFollowing, axisPreceding:
			out, low = append(out, c.below(c.out.root, false)...), 0
		}
		if len(out) > 1<<16 {
			out = union(out, nil)
		}
	}
	return union(out, nil), low
}

// children returns the element children of n.
func (c *compiler) children(n *schema.Node) []*schema.Node {
	var out []*schema.Node
	for _, k := range n.Children() {
		if k.Config || !c.out.configOnly {
			out = append(out, k)
		}
	}
	if c.op != nil && parentOf(c.op) == n {
		out = append(out, c.op)
	}
	return out
}

// below returns the elements below n.
func (c *compiler) below(n *schema.Node, self bool) []*schema.Node {
	var out []*schema.Node
	if self {
		out = append(out, n)
	}
	for _, k := range c.children(n) {
		out = append(out, c.below(k, true)...)
	}
	return out
}

// leads finds what stands on the way to the targets of a step, so that the
// search stays out of everything else.
func (c *compiler) leads(s *step, at static) {
	switch s.axis {
	case axisDescendant, axisDescendantOrSelf, axisFollowing, axisPreceding:
	default:
		return
	}
	s.lead = map[*schema.Node]bool{}
	way := static{min: 0}
	for _, t := range s.targets {
		for n := t; n != nil && !s.lead[n]; n = parentOf(n) {
			s.lead[n] = true
			way.nodes = append(way.nodes, n)
		}
	}
	if s.axis == axisDescendant || s.axis == axisDescendantOrSelf {
		way.min = at.min
		way.nodes = slices.DeleteFunc(way.nodes, func(n *schema.Node) bool { return depthOf(n) < way.min })
	}
	c.reads(way)
}
