package validate

import (
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
)

// A default below a when that is false is not in use (RFC 7950 section 7.21.5).
// For expressions package xpath sees to that; here it matters to unique, and to
// what leafrefs and instance-identifiers lead to.

// tupleReader says that the tuples of list change with a when that reads
// something.
type tupleReader struct {
	dep  *xpath.Dep
	list *schema.Node
}

// isConditional reports whether n, if it has no instance, is implied only while
// some when is true.
func isConditional(n *schema.Node) bool {
	for ; n.Kind == schema.Container && !n.Presence || len(n.Defaults) > 0; n = n.Parent {
		if len(n.When) > 0 {
			return true
		}
		if n.Parent == nil {
			return false
		}
	}
	return false
}

// watchTuples registers what the whens around the leafs of unique statements
// read, and what may be implied only while a when is true.
func (p *plan) watchTuples(n *schema.Node) {
	p.conditional[n.ID] = isConditional(n)
	p.anyConditional = p.anyConditional || p.conditional[n.ID]
	p.supplants[n.ID] = p.identifier != nil && supplants(n)
	for _, leaves := range n.Unique {
		for _, leaf := range leaves {
			for at := leaf; at != n; at = at.Parent {
				for _, cond := range p.conditions[at.ID] {
					if cond.must == nil && isConditional(leaf) {
						p.tuplesOf(cond, n)
					}
				}
			}
		}
	}
	for _, k := range n.Children() {
		if k.Config {
			p.watchTuples(k)
		}
	}
}

func (p *plan) tuplesOf(cond *condition, list *schema.Node) {
	deps := cond.expr.Deps()
	for i := range deps {
		id := deps[i].Node.ID
		p.tupleReaders[id] = append(p.tupleReaders[id], tupleReader{&deps[i], list})
	}
}

// supplants reports whether defaults of s or beside it may go out of use when an
// instance of s comes or goes.
func supplants(s *schema.Node) bool {
	return s.Kind == schema.LeafList && len(s.Defaults) > 0 || s.Case != nil && slices.ContainsFunc(s.Parent.Children(), func(n *schema.Node) bool {
		return n.Case != nil && n.HasDefaults()
	})
}

// supplant notes that instance-identifiers may have named a default which is not
// in use any more, because of what came or went at p.
func (c *check) supplant(p tree.Path) {
	if c.supplants[p[len(p)-1].Node.ID] {
		c.removed = append(c.removed, schema.StringValue(c.identifier, p[:len(p)-1].String()))
	}
}

// turned notes what may be new in use, or not any more, because a when reads
// what changed: the entries with other tuples, and all that instance-identifiers
// name.
func (c *check) turned(ch *tree.Change) {
	if !c.anyConditional {
		return
	}
	touched := false
	visit := func(p tree.Path, n *tree.Node) bool {
		id := n.Schema().ID
		touched = touched || len(c.whens[id]) > 0
		for _, r := range c.tupleReaders[id] {
			c.instances(r.list, r.dep.Scope(p), func(p tree.Path, _ *tree.Node) {
				c.entries[p.String()] = pathPair{path: slices.Clone(p)}
			})
		}
		return true
	}
	scanChange(ch, visit)
	if touched && c.identifier != nil && !c.allNamed {
		c.allNamed = true
		c.removed = append(c.removed, schema.StringValue(c.identifier, ""))
	}
}

// instances calls fn for every instance of s, which is no leaf, at or below p; if
// p is deeper than that, for the one that it is in.
func (c *check) instances(s *schema.Node, p tree.Path, fn func(tree.Path, *tree.Node)) {
	p = p[:min(len(p), depth(s))]
	switch n := c.root.Get(p); {
	case n == nil:
	case n.Schema() != s:
		c.instancesBelow(n, p, s, fn)
	case n.IsHolder():
		for e := range n.Children() {
			fn(append(slices.Clone(p[:len(p)-1]), tree.Step{Node: s, Keys: e.Keys()}), e)
		}
	default:
		fn(p, n)
	}
}

// inUse reports whether the whens of what is implied at p in root are true, and
// those of the containers without instance that it is in.
func (c *check) inUse(root *tree.Node, p tree.Path) bool {
	for ; len(p) > 0 && c.conditional[p[len(p)-1].Node.ID] && root.Get(p) == nil; p = p[:len(p)-1] {
		if !c.whensHold(root, p) {
			return false
		}
	}
	return true
}

// mayExist reports whether the whens of what is implied at p, and of everything
// above it, are true.
func (c *check) mayExist(p tree.Path) bool {
	for ; len(p) > 0; p = p[:len(p)-1] {
		if !c.whensHold(c.root, p) {
			return false
		}
	}
	return true
}

// whensHold reports whether no when of the node at p is false in root.
func (c *check) whensHold(root *tree.Node, p tree.Path) bool {
	for _, cond := range c.plan.conditions[p[len(p)-1].Node.ID] {
		if cond.must != nil {
			continue
		}
		at := p
		if cond.expr.ContextNode() != cond.node {
			at = p[:len(p)-1]
		}
		if ok, err := cond.expr.Bool(xpath.Context{Root: root, Path: at}); err == nil && !ok {
			return false
		}
	}
	return true
}

// pathTo returns the path of n, which is below the node at p through containers.
func pathTo(p tree.Path, n *schema.Node) tree.Path {
	if len(p) > 0 && p[len(p)-1].Node == n || len(p) == 0 && n.Parent == nil {
		return slices.Clip(p)
	}
	return pathTo(p, n.Parent).Child(n)
}
