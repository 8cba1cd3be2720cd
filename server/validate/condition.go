package validate

import (
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// condition is a must or when of a node, compiled.
type condition struct {
	node *schema.Node // what the statement is about
	expr *xpath.Expr
	must *schema.Must // nil for a when
}

// reader says that a condition reads instances of some node.
type reader struct {
	cond *condition
	dep  *xpath.Dep
	deep int // depth of dep.Anchor: steps of a path to an instance of it
	// joined tells that the index of references finds, by the key of an entry,
	// the leafs that dep.Join is about.
	joined bool
	near   int // depth of dep.Join.Near
	// cluster is set if the condition is a when of what may be demanded: the
	// entry, presence container or root that demands it.
	cluster *schema.Node
}

// compileConditions compiles every must and when of the configuration. A fault
// refuses every validation: what cannot be checked is not accepted.
func (p *plan) compileConditions(n *schema.Node) (implied bool) {
	add := func(x *xpath.Expr, err error, source string, must *schema.Must) {
		if err != nil {
			p.faults = append(p.faults, yangerr.New(yangerr.OperationFailed, nil, "%s: %v", source, err))
			return
		}
		p.conditions[n.ID] = append(p.conditions[n.ID], &condition{node: n, expr: x, must: must})
		if must != nil {
			return
		}
		p.hasWhen, p.whenAt[n.ID] = true, true
		for up := n.Parent; up != nil; up = up.Parent {
			p.whenUnder[up.ID] = true
		}
	}
	for i := range n.Must {
		x, err := xpath.CompileMust(n, &n.Must[i])
		add(x, err, n.Must[i].Source, &n.Must[i])
	}
	for i := range n.When {
		x, err := xpath.CompileWhen(n, &n.When[i])
		add(x, err, n.When[i].Source, nil)
	}
	below := false
	for _, k := range n.Children() {
		if k.Config && p.compileConditions(k) {
			p.implying[n.ID] = append(p.implying[n.ID], k)
			below = true
		}
	}
	for _, c := range p.conditions[n.ID] {
		below = below || c.must != nil
	}
	return below && (n.Kind == schema.Container && !n.Presence || n.Kind == schema.Leaf && len(n.Defaults) > 0)
}

// watchConditions registers what the conditions read.
func (p *plan) watchConditions() {
	for _, conds := range p.conditions {
		for _, c := range conds {
			deps := c.expr.Deps()
			for i := range deps {
				d := &deps[i]
				r := reader{cond: c, dep: d, deep: depth(d.Anchor)}
				if c.must == nil && p.demanding[c.node.ID] {
					r.cluster = clusterOf(c.node.Parent)
				}
				if j := d.Join; j != nil {
					r.joined, r.near = p.indexes(j), depth(j.Near)
				}
				p.readers[d.Node.ID] = append(p.readers[d.Node.ID], r)
				if c.must != nil {
					continue
				}
				p.whens[d.Node.ID] = append(p.whens[d.Node.ID], r)
				for n := d.Node.Parent; n != nil; n = n.Parent {
					p.whensBelow[n.ID] = true
				}
			}
		}
	}
}

// clusterOf returns the node whose instances are looked at as a whole when n is:
// containers without presence belong to what they are in.
func clusterOf(n *schema.Node) *schema.Node {
	for n.Kind == schema.Container && !n.Presence && n.Parent != nil {
		n = n.Parent
	}
	return n
}

// indexes reports whether every instance of j.Leaf is in the index of references
// as one that refers to j.Key.
func (p *plan) indexes(j *xpath.Join) bool {
	r := p.refs[j.Leaf.ID]
	return r != nil && len(r.plain) == 0 && !r.instance && len(j.Leaf.Defaults) == 0 &&
		slices.ContainsFunc(r.leafrefs, func(l *leafref) bool { return l.target == j.Key })
}

// depth returns the number of steps of a path to an instance of n.
func depth(n *schema.Node) int {
	d := 0
	for ; n.Parent != nil; n = n.Parent {
		d++
	}
	return d
}

// due are the evaluations of a condition that were made or are scheduled.
type due struct {
	cond *condition
	path string
}

// dueFor are evaluations for the contexts that have a value in a leaf.
type dueFor struct {
	reader *reader
	value  schema.Value
}

// evaluateAt evaluates the conditions of n, which is new at p, and of what it implies.
func (c *check) evaluateAt(p tree.Path, n *tree.Node) bool {
	if len(p) == 0 {
		return true
	}
	// Scan comes to parents before what is in them.
	c.nodes = append(c.nodes[:len(p)-1], n)
	for _, cond := range c.plan.conditions[n.Schema().ID] {
		at := len(p)
		if cond.expr.ContextNode() != cond.node {
			at--
		}
		c.evaluate(cond, p[:at], c.nodes[:at])
	}
	c.impliedBelow(p, n)
	return true
}

// impliedBelow evaluates the musts of containers and defaults below n, at p, that
// have no instance.
func (c *check) impliedBelow(p tree.Path, n *tree.Node) {
	for _, k := range c.implying[n.Schema().ID] {
		if n.Child(k) == nil {
			c.evaluateBelow(p, k)
		}
	}
}

// evaluateBelow evaluates the musts of k and below it at what is implied at p.
func (c *check) evaluateBelow(p tree.Path, k *schema.Node) {
	for _, cond := range c.plan.conditions[k.ID] {
		if cond.must != nil {
			c.schedule(cond, p)
		}
	}
	for _, below := range c.implying[k.ID] {
		c.evaluateBelow(p, below)
	}
}

// scanChange visits the nodes of ch: all that is new or gone, or the one that
// differs.
func scanChange(ch *tree.Change, visit func(tree.Path, *tree.Node) bool) {
	switch ch.Op {
	case tree.Created:
		tree.Scan(ch.New, ch.Path, visit)
	case tree.Deleted:
		tree.Scan(ch.Old, ch.Path, visit)
	default:
		visit(ch.Path, ch.New)
	}
}

// readersOf schedules what reads the nodes of ch, and what ch makes implied.
func (c *check) readersOf(ch *tree.Change) {
	top := len(ch.Path)
	visit := func(p tree.Path, n *tree.Node) bool {
		rs := c.readers[n.Schema().ID]
		for i := range rs {
			// In what is new or gone as a whole there is nothing to schedule.
			if r := &rs[i]; r.deep < top || ch.Op == tree.Modified || ch.Op == tree.Moved {
				c.affected(r, p)
			}
		}
		return true
	}
	scanChange(ch, visit)
	// Where something is gone, or another case of a choice took over, there may
	// now be something implied.
	if s := ch.Path[top-1].Node; ch.Op != tree.Modified {
		for _, k := range c.implying[s.Parent.ID] {
			if k == s || k.Case != nil && s.Case != nil {
				c.evaluateBelow(ch.Path[:top-1], k)
			}
		}
	}
}

// affected schedules the contexts of r for which the instance at p matters.
func (c *check) affected(r *reader, p tree.Path) {
	var v schema.Value
	ok := r.joined
	if ok {
		v, ok = r.dep.Value(p)
	}
	if !ok {
		c.schedule(r.cond, r.dep.Scope(p))
		c.demand(r, r.dep.Scope(p))
		return
	}
	// A context that refers to v only now is new, or its leaf has another value:
	// it is evaluated for that reason. So the index of the old tree tells all.
	j := r.dep.Join
	if !c.referred(j.Key.ID, v) {
		return
	}
	key := dueFor{r, v}
	if c.joins[key] {
		return
	}
	c.joins[key] = true
	c.prior.refs.Ascend(refItem{target: j.Key.ID, value: v}, func(it refItem) bool {
		if it.target != j.Key.ID || it.value.String() != v.String() {
			return false
		}
		if it.leaf == j.Leaf {
			leaf := pathOf(it.leaf, it.keys)
			c.schedule(r.cond, leaf[:min(r.near, len(leaf))])
			c.demand(r, leaf[:min(r.near, len(leaf))])
		}
		return true
	})
}

// referred reports whether something in the old tree refers to value v of the
// target. The nodes of an entry come one after the other and ask the same.
func (c *check) referred(target int, v schema.Value) bool {
	if key := (valueOf{target, v}); c.asked != key {
		c.asked, c.answer = key, false
		c.prior.refs.Ascend(refItem{target: target, value: v}, func(it refItem) bool {
			c.answer = it.target == target && it.value.String() == v.String()
			return false
		})
	}
	return c.answer
}

// demand notes the clusters at or below p that demand what r is about: its when
// may have become true.
func (c *check) demand(r *reader, p tree.Path) {
	if r.cluster == nil {
		return
	}
	note := func(p tree.Path, n *tree.Node) {
		if key := p.String(); !c.demands[key] {
			c.demands[key] = true
			c.late = append(c.late, pathPair{slices.Clone(p), n})
		}
	}
	c.instances(r.cluster, p, note)
}

// schedule evaluates a condition at all its contexts at or below p, once.
func (c *check) schedule(cond *condition, p tree.Path) {
	key := due{cond, p.String()}
	if c.done[key] {
		return
	}
	c.done[key] = true
	err := cond.expr.Contexts(c.root, p, func(at tree.Path) bool {
		c.act(cond, at, nil)
		return true
	})
	if err != nil {
		c.fail(yangerr.New(yangerr.OperationFailed, slices.Clone(p), "%s: %v.", cond.expr, err))
	}
}

// evaluate evaluates a condition with the context at p, which it does not keep.
// nodes are the instances on p, if they are known.
func (c *check) evaluate(cond *condition, p tree.Path, nodes []*tree.Node) {
	ok, err := cond.expr.Bool(xpath.Context{Root: c.root, Path: p, Nodes: nodes})
	if ok && err == nil && cond.must != nil {
		return
	}
	about := p
	if cond.expr.ContextNode() != cond.node {
		about = p.Child(cond.node)
	}
	absent := c.root.Get(about) == nil
	switch {
	case err != nil:
		c.fail(yangerr.New(yangerr.OperationFailed, slices.Clone(about), "%s: %v.", cond.expr, err))
	case ok && absent && slices.Contains(c.implying[cond.node.Parent.ID], cond.node):
		c.evaluateBelow(about[:len(about)-1], cond.node) // It may be implied only now.
	case ok, absent && (cond.must == nil || !c.mayExist(about)):
	case cond.must == nil:
		c.unwanted(cond, about)
	default:
		message, tag := cond.must.Message, cond.must.AppTag
		if message == "" {
			message = "The condition " + cond.expr.String() + " does not hold."
		}
		if tag == "" {
			tag = yangerr.AppMustViolation
		}
		c.fail(yangerr.New(yangerr.OperationFailed, slices.Clone(about), "%s", message).WithAppTag(tag))
	}
}

// unwanted reports what exists at p, or all entries there, against a when.
func (c *check) unwanted(cond *condition, p tree.Path) {
	n := c.root.Get(p)
	if n.IsHolder() {
		for e := range n.Children() {
			c.unwanted(cond, append(slices.Clone(p[:len(p)-1]), tree.Step{Node: cond.node, Keys: e.Keys()}))
		}
		return
	}
	c.fail(yangerr.New(yangerr.UnknownElement, slices.Clone(p), "%q exists only when %s.", cond.node.Name, cond.expr).
		WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: cond.node.Name}))
}
