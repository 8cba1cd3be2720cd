package validate

import (
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// eachRef calls fn with every reference that leaf n at p makes.
func (c *check) eachRef(p tree.Path, n *tree.Node, fn func(refItem)) {
	r := c.refs[n.Schema().ID]
	if r == nil || r.plain[n.Value().Type()] {
		return
	}
	v, keys := n.Value(), keysOf(p)
	if r.instance && v.Type().Kind() == schema.InstanceIdentifier {
		if target, err := tree.ParsePath(c.schema, v.String()); err == nil {
			v = schema.StringValue(v.Type(), target.String())
		}
		fn(refItem{target: instances, value: v, leaf: r.leaf, keys: keys})
		return
	}
	for _, l := range r.leafrefs {
		fn(refItem{target: l.target.ID, value: v, leaf: r.leaf, keys: keys})
	}
}

// dependents notes the references whose predicates look at what changed, such as
// "current()/../x". The other side of a predicate is a key, whose entry can only
// come or go as a whole, and with it the values of the target.
func (c *check) dependents(ch *tree.Change) {
	s := ch.Path[len(ch.Path)-1].Node
	for _, d := range c.looks[s.ID] {
		base := len(ch.Path) - len(d.down)
		if base < 0 {
			continue
		}
		above := c.root.Get(ch.Path[:base])
		if above == nil {
			continue
		}
		c.instancesBelow(above, ch.Path[:base], d.leaf, func(p tree.Path, n *tree.Node) {
			c.eachRef(p, n, func(it refItem) { c.made = append(c.made, it) })
		})
	}
}

// instancesBelow calls fn for all instances of leaf below n, which is at p.
func (c *check) instancesBelow(n *tree.Node, p tree.Path, leaf *schema.Node, fn func(tree.Path, *tree.Node)) {
	next := leaf
	for next.Parent != n.Schema() {
		if next = next.Parent; next == nil {
			return
		}
	}
	kid := n.Child(next)
	if kid == nil {
		return
	}
	visit := func(kid *tree.Node, q tree.Path) {
		if next == leaf {
			fn(q, kid)
		} else {
			c.instancesBelow(kid, q, leaf, fn)
		}
	}
	if !kid.IsHolder() {
		visit(kid, p.Child(next))
		return
	}
	for e := range kid.Children() {
		visit(e, p.Child(next, e.Keys()...))
	}
}

// verifyRefs checks the references that are new, and those to what is gone.
func (c *check) verifyRefs() {
	for i := range c.made {
		c.verifyRef(&c.made[i])
	}
	for v := range c.gone {
		pivot := refItem{target: v.target, value: v.value}
		c.index.refs.Ascend(pivot, func(it refItem) bool {
			if it.target != v.target || it.value.String() != v.value.String() {
				return false
			}
			c.verifyRef(&it)
			return true
		})
	}
	for _, prefix := range c.removed {
		c.index.refs.Ascend(refItem{target: instances, value: prefix}, func(it refItem) bool {
			if it.target != instances || !strings.HasPrefix(it.value.String(), prefix.String()) {
				return false
			}
			c.verifyRef(&it)
			return true
		})
	}
}

// verifyRef reports the leaf of it if it refers to nothing. A union may offer
// several references, of which one has to hold.
func (c *check) verifyRef(it *refItem) {
	r, v := c.refs[it.leaf.ID], it.value
	for _, l := range r.leafrefs {
		if l.simple && it.target != instances && c.leads(l, v) {
			return
		}
	}
	p := pathOf(it.leaf, it.keys)
	if c.root.Get(p) == nil {
		return // gone together with what it referred to
	}
	if it.target == instances {
		if !c.present(v.String()) {
			c.fail(yangerr.New(yangerr.DataMissing, p, "There is no instance %s.", v).
				WithAppTag(yangerr.AppInstanceRequired))
		}
		return
	}
	for _, l := range r.leafrefs {
		if !l.simple && c.resolves(l, p, v) {
			return
		}
	}
	c.fail(yangerr.New(yangerr.DataMissing, p, "There is no %s with the value %q.", r.leafrefs[0].target.Path(), v.String()).
		WithAppTag(yangerr.AppInstanceRequired))
}

// leads is resolves for a simple leafref, which need not be followed twice.
func (c *check) leads(l *leafref, v schema.Value) bool {
	key := found{l, v}
	ok, known := c.found[key]
	if !known {
		ok = c.resolves(l, nil, v)
		c.found[key] = ok
	}
	return ok
}

// present reports whether an instance-identifier leads to configuration.
func (c *check) present(text string) bool {
	p, err := tree.ParsePath(c.schema, text)
	if err != nil {
		return false
	}
	if c.root.Get(p) != nil {
		return true
	}
	if _, ok := c.root.GetValue(p); ok {
		return c.inUse(c.root, p)
	}
	// A container without presence exists with its parent.
	for at := p; len(at) > 0 && at[len(at)-1].Node.Kind == schema.Container && !at[len(at)-1].Node.Presence; {
		at = at[:len(at)-1]
		if c.root.Get(at) != nil {
			return c.inUse(c.root, p)
		}
	}
	return false
}

// resolves reports whether l, followed from the leaf at p, leads to an instance
// with value v.
func (c *check) resolves(l *leafref, p tree.Path, v schema.Value) bool {
	if l.simple && !l.lookup {
		if _, ok := c.index.counts.Get(countItem{target: l.target.ID, value: v.String()}); ok {
			return true
		}
		if len(l.target.Defaults) == 0 {
			return false
		}
	}
	at, way := c.root, tree.Path(nil)
	if l.up > 0 {
		way = p[:len(p)-l.up]
		if at = c.root.Get(way); at == nil {
			return false
		}
	}
	return c.follow(way, at, l, 0, p, v)
}

// follow walks the steps of l from i on, below n. way is the path of n, if the
// target is implied only while a when is true.
func (c *check) follow(way tree.Path, n *tree.Node, l *leafref, i int, p tree.Path, v schema.Value) bool {
	st := &l.steps[i]
	last := i == len(l.steps)-1
	switch st.node.Kind {
	case schema.Leaf:
		have, isDefault := tree.Effective(n, st.node)
		return last && !have.IsZero() && schema.Compare(have, v) == 0 && (!isDefault || c.usable(way, st.node))
	case schema.LeafList:
		if holder := n.Child(st.node); holder != nil {
			return holder.Entry(v) != nil
		}
		for w := range tree.WithDefaults(n, tree.ReportAll) {
			if w.Schema() == st.node {
				return w.Entry(v) != nil && c.usable(way, st.node)
			}
		}
		return false
	case schema.List:
		return c.followList(way, n.Child(st.node), l, i, p, v)
	}
	kid := child(n, st.node)
	if c.conditional[l.target.ID] {
		way = way.Child(st.node)
	}
	return kid != nil && !last && c.follow(way, kid, l, i+1, p, v)
}

// usable reports whether the default of s below the node at way is in use.
func (c *check) usable(way tree.Path, s *schema.Node) bool {
	return !c.conditional[s.ID] || c.inUse(c.root, way.Child(s))
}

func (c *check) followList(way tree.Path, holder *tree.Node, l *leafref, i int, p tree.Path, v schema.Value) bool {
	if holder == nil || i+1 >= len(l.steps) {
		return false
	}
	st := &l.steps[i]
	want := make([]schema.Value, len(st.node.Keys))
	known := 0
	set := func(k *schema.Node, v schema.Value) bool {
		w := &want[k.KeyIndex()]
		if w.IsZero() {
			*w = v
			known++
		}
		return schema.Compare(*w, v) == 0
	}
	for _, pr := range st.preds {
		have, ok := c.current(p, &pr)
		if !ok || pr.key == nil || !pr.key.IsKey() || !set(pr.key, have) {
			return false
		}
	}
	if next := l.steps[i+1].node; next.IsKey() && !set(next, v) {
		return false
	}
	below := func(keys []schema.Value) tree.Path {
		if !c.conditional[l.target.ID] {
			return nil
		}
		return way.Child(st.node, keys...)
	}
	if known == len(want) {
		e := holder.Entry(want...)
		return e != nil && c.follow(below(want), e, l, i+1, p, v)
	}
	for e := range holder.Children() {
		match := true
		for k, have := range e.Keys() {
			if !want[k].IsZero() && schema.Compare(want[k], have) != 0 {
				match = false
			}
		}
		if match && c.follow(below(e.Keys()), e, l, i+1, p, v) {
			return true
		}
	}
	return false
}

// current returns the value that a predicate compares with, seen from the leaf at p.
func (c *check) current(p tree.Path, pr *pred) (schema.Value, bool) {
	if len(p) < pr.up || len(pr.down) == 0 {
		return schema.Value{}, false
	}
	q := append(tree.Path(nil), p[:len(p)-pr.up]...)
	for _, n := range pr.down {
		q = append(q, tree.Step{Node: n})
	}
	return c.root.GetValue(q)
}
