package validate

import (
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
)

// Prune deletes from root what prev has too and whose when statement the change
// from prev to root made false (RFC 7950 sections 8.2 and 8.3.2: the server
// deletes such nodes). A deletion may make further whens false: they follow. It
// returns root itself if nothing is to be deleted, and the paths of what was, in
// the order of deletion. The cost follows the change.
//
// Data that is new or different against prev stays: a request that makes data
// where it may not exist is an error, which Change reports. A nil prev is an
// empty one. Prune is to be called before Change, with the same prev.
func (v *Validator) Prune(prev *State, root *tree.Node) (*tree.Node, []tree.Path) {
	p := v.plan
	if prev == nil || prev.root == root || !p.hasWhen || len(p.faults) > 0 {
		return root, nil
	}
	c := newCheck(p, prev, root)
	pr := &pruner{check: c}
	c.act = pr.consider
	for ch := range tree.Diff(prev.root, root) {
		c.whenReaders(&ch)
	}
	for len(pr.doomed) > 0 {
		pr.round()
	}
	return c.root, pr.deleted
}

// pruner is a check that looks only at whens, and deletes.
type pruner struct {
	*check
	doomed  []tree.Path // whose when is false in root, to be deleted in this round
	deleted []tree.Path
}

// round deletes what is doomed and finds what follows from that.
func (pr *pruner) round() {
	var gone []tree.Change
	var edits []tree.Edit
	slices.SortFunc(pr.doomed, func(a, b tree.Path) int { return comparePaths(a, b, pr.root) })
	for _, p := range pr.doomed {
		if len(gone) > 0 && p.HasPrefix(gone[len(gone)-1].Path) {
			continue // It goes with what it is in.
		}
		gone = append(gone, tree.Change{Op: tree.Deleted, Path: p, Old: pr.root.Get(p)})
		edits = append(edits, tree.Edit{Op: tree.Remove, Path: p})
	}
	root, errs := tree.Apply(pr.root, edits)
	if len(errs) > 0 {
		gone = nil // Change reports what cannot be deleted.
	}
	pr.root = root
	for i := range gone {
		pr.deleted = append(pr.deleted, gone[i].Path)
	}
	pr.doomed = nil
	clear(pr.done)
	clear(pr.joins)
	for i := range gone {
		pr.whenReaders(&gone[i])
	}
}

// consider is called for every context of a when that may have become false.
func (pr *pruner) consider(cond *condition, p tree.Path, nodes []*tree.Node) {
	about := p
	if cond.expr.ContextNode() != cond.node {
		about = p.Child(cond.node)
	}
	n := pr.root.Get(about)
	if n == nil || cond.node.IsKey() {
		return
	}
	// An evaluation that fails is an error of Change.
	if ok, err := cond.expr.Bool(xpath.Context{Root: pr.root, Path: p, Nodes: nodes}); ok || err != nil {
		return
	}
	if n.IsHolder() {
		for e := range n.Children() {
			pr.doom(append(slices.Clone(about[:len(about)-1]), tree.Step{Node: cond.node, Keys: e.Keys()}), e)
		}
		return
	}
	pr.doom(slices.Clone(about), n)
}

// doom marks n, at p, for deletion if nothing in it is new or different.
func (pr *pruner) doom(p tree.Path, n *tree.Node) {
	was := pr.old.Get(p)
	if was == nil || p[len(p)-1].Keys == nil && p[len(p)-1].Node.Kind == schema.List {
		return
	}
	if n.Schema().Type != nil || n.Anydata() != nil {
		if tree.Equal(was, n) {
			pr.doomed = append(pr.doomed, p)
		}
		return
	}
	for ch := range tree.DiffAt(p, was, n) {
		if ch.Op == tree.Created || ch.Op == tree.Modified {
			return
		}
	}
	pr.doomed = append(pr.doomed, p)
}

// whenReaders schedules the whens that read the nodes of ch.
func (c *check) whenReaders(ch *tree.Change) {
	top := len(ch.Path)
	visit := func(p tree.Path, n *tree.Node) bool {
		rs := c.whens[n.Schema().ID]
		for i := range rs {
			if r := &rs[i]; r.deep < top || ch.Op == tree.Modified || ch.Op == tree.Moved {
				c.affected(r, p)
			}
		}
		return c.whensBelow[n.Schema().ID]
	}
	scanChange(ch, visit)
}
