package xpath

import (
	"cmp"
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// Dep says that the value of an expression may depend on the instances of a
// schema node, and for which context nodes it does.
//
// When an instance of Node comes, goes, moves or gets another value, only those
// instances of the context node must be evaluated again that are below the same
// instance of Anchor as the changed one. If Join is set, the changed instance is
// in the entry of Join.List, or that entry itself, and of those context nodes only
// those matter that have the value of that entry's key Join.Key in Join.Leaf.
//
// A subtree that comes or goes is a change of each node in it.
type Dep struct {
	Node   *schema.Node
	Anchor *schema.Node // an ancestor-or-self of the context node and of Node
	Join   *Join        // or nil
}

// Join narrows a Dep to one value, as the path list[key = current()/leaf] does.
type Join struct {
	List *schema.Node
	Key  *schema.Node
	Leaf *schema.Node // where the context node has the value
	// Near is an ancestor-or-self of the context node and of Leaf: the leaf is
	// below the same instance of it as the context node.
	Near *schema.Node
}

// Deps returns everything that the expression reads beside the existence of
// the context node, ordered by Node. Defaults in use and implied containers depend
// on what makes them so.
func (x *Expr) Deps() []Dep { return x.deps }

// join is a Join that is being compiled: what its predicates read is recorded
// before it is known whether they narrow anything. Until then, and if they do not,
// outer holds instead.
type join struct {
	Join
	depth int // of the list
	known bool
	outer *join
}

type depKey struct {
	node, anchor *schema.Node
	join         *join
}

// anchorAt returns the ancestor-or-self of the context node at a depth.
func (c *compiler) anchorAt(depth int) *schema.Node {
	n := c.out.context
	for d := c.depth; d > depth; d-- {
		n = parentOf(n)
	}
	return n
}

// reads records that the expression looks at the instances of st.
func (c *compiler) reads(st static) {
	anchor := c.anchorAt(st.min)
	for _, n := range st.nodes {
		if n == c.out.root {
			continue
		}
		k := depKey{node: n, anchor: anchor, join: st.join}
		c.deps[k] = true
		c.readsWhens(n, st)
		if n.Case == nil || len(n.Defaults) == 0 && n.Kind != schema.Container {
			continue
		}
		// What is implied is so as long as other cases have no instances.
		outer := n.Case
		for outer.Choice.Parent != nil {
			outer = outer.Choice.Parent
		}
		for _, ca := range outer.Choice.Cases {
			for _, s := range ca.Children {
				k.node = s
				c.deps[k] = true
			}
		}
	}
}

// readsValue records that the values of st are looked at: of what is no leaf,
// that of everything below it.
func (c *compiler) readsValue(st static) {
	for _, n := range st.nodes {
		if n.Type == nil {
			in := st
			in.nodes = c.below(n, false)
			c.reads(in)
		}
	}
	if len(st.nodes) == 1 && st.nodes[0] == c.out.context {
		c.reads(st) // current() and "." lead nowhere, so no step recorded them.
	}
}

// joinOn fills in j if a step finds its entry by a value near the context node.
func (c *compiler) joinOn(s *step, j *join) {
	list := s.targets[0]
	for i, k := range s.keys {
		near := k.near
		if list.Kind != schema.List || near == nil || near.min == 0 || len(near.nodes) != 1 || near.nodes[0].Kind != schema.Leaf {
			continue
		}
		j.known = true
		j.Join = Join{List: list, Key: list.Keys[i], Leaf: near.nodes[0], Near: c.anchorAt(near.min)}
		return
	}
}

// everyContext adds dependencies that another expression has, without narrowing.
func (c *compiler) everyContext(deps []Dep) {
	for _, d := range deps {
		c.deps[depKey{node: d.Node, anchor: c.out.root}] = true
	}
}

// finish sorts what was found.
func (c *compiler) finish() {
	type plain struct {
		node, anchor *schema.Node
		join         Join
	}
	seen := map[plain]bool{}
	for k := range c.deps {
		d := Dep{Node: k.node, Anchor: k.anchor}
		j := k.join
		for j != nil && !j.known {
			j = j.outer
		}
		if j != nil {
			d.Join = &j.Join
		}
		p := plain{node: d.Node, anchor: d.Anchor}
		if d.Join != nil {
			p.join = *d.Join
		}
		if !seen[p] {
			seen[p] = true
			c.out.deps = append(c.out.deps, d)
		}
	}
	slices.SortFunc(c.out.deps, func(a, b Dep) int {
		return cmp.Or(byID(a.Node, b.Node), byID(a.Anchor, b.Anchor), cmp.Compare(a.joinLeaf(), b.joinLeaf()))
	})
	for name := range c.missing {
		c.out.unmatched = append(c.out.unmatched, name)
	}
	slices.Sort(c.out.unmatched)
}

func (d *Dep) joinLeaf() int {
	if d.Join == nil {
		return -1
	}
	return d.Join.Leaf.ID
}

// Scope returns the part of p, the path of an instance of d.Node, that names
// the instance of d.Anchor: the context nodes to evaluate again are below it.
func (d *Dep) Scope(p tree.Path) tree.Path { return p[:min(depthOf(d.Anchor), len(p))] }

// Value returns the value of the key Join.Key of the entry of Join.List on p, the
// path of an instance of d.Node.
func (d *Dep) Value(p tree.Path) (schema.Value, bool) {
	for i := range p {
		if k := d.Join.Key.KeyIndex(); p[i].Node == d.Join.List && k >= 0 && k < len(p[i].Keys) {
			return p[i].Keys[k], true
		}
	}
	return schema.Value{}, false
}

// Contexts calls yield for every instance of the context node in the accessible
// tree of root at or below the node at p, the implied ones included, until yield
// returns false. The paths may be kept. It is for data nodes, not for operations.
func (x *Expr) Contexts(root *tree.Node, p tree.Path, yield func(tree.Path) bool) error {
	m := x.start(Context{Root: root})
	at, ok := int32(0), true
	for i := 0; i < len(p) && ok; i++ {
		if p[i].Keys == nil && p[i].Pos == 0 && p[i].Node == x.context && p[i].Node.Kind != schema.Leaf {
			break // All entries of a list, or a container.
		}
		at, ok = m.place(at, &p[i], false)
	}
	if ok && at >= 0 {
		var way []*schema.Node
		for n := x.context; n != nil && depthOf(n) > int(m.elements[at].depth); n = parentOf(n) {
			way = append(way, n)
		}
		slices.Reverse(way)
		m.keep = len(m.elements)
		m.contexts(at, way, yield)
	}
	return m.stop()
}

func (m *machine) contexts(at int32, way []*schema.Node, yield func(tree.Path) bool) bool {
	if len(way) == 0 {
		return yield(m.path(at))
	}
	if parentOf(way[0]) != m.elements[at].schema {
		return true
	}
	return m.childOf(at, way[0], func(id int32) bool { return m.contexts(id, way[1:], yield) })
}
