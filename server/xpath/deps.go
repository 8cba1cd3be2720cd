package xpath

import (
	"cmp"
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
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
