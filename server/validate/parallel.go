package validate

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// Conditions of a large change are evaluated on several cores: what is new is
// cut into pieces of entries of one list, and every worker is a check of its own
// over the same trees and indexes, which nobody writes to any more.

const (
	pieceSize   = 128 // entries in a piece
	fewEntries  = 512 // below that one core is faster
	mostWorkers = 4
)

// piece is some new entries of one list, or one new node.
type piece struct {
	path  tree.Path    // of their parent
	above []*tree.Node // on that path
	nodes []*tree.Node
}

// isSmall reports whether it is not worth while to count what is new.
func (c *check) isSmall() bool {
	return len(c.changes) < fewEntries && !slices.ContainsFunc(c.changes, func(ch tree.Change) bool {
		return ch.Op == tree.Created && ch.Path[len(ch.Path)-1].Node.Kind == schema.Container
	})
}

// evaluateNew evaluates the conditions of everything that is new.
func (c *check) evaluateNew() {
	for i := range c.changes {
		ch := &c.changes[i]
		if ch.Op != tree.Created {
			continue
		}
		c.nodes = c.nodes[:0]
		for k := range ch.Path[:len(ch.Path)-1] {
			c.nodes = append(c.nodes, c.root.Get(ch.Path[:k+1]))
		}
		tree.Scan(ch.New, ch.Path, c.evaluateAt)
	}
}

// pieces cuts all that is new, and counts the entries in it. The conditions of
// containers around the pieces are evaluated on the way.
func (c *check) pieces() (out []piece, entries int) {
	add := func(p tree.Path, above []*tree.Node, n *tree.Node) {
		entries++
		if len(out) > 0 {
			last := &out[len(out)-1]
			if len(last.nodes) < pieceSize && last.nodes[0].Schema() == n.Schema() && last.path.Equal(p) {
				last.nodes = append(last.nodes, n)
				return
			}
		}
		out = append(out, piece{slices.Clone(p), slices.Clone(above), []*tree.Node{n}})
	}
	var gather func(p tree.Path, above []*tree.Node, n *tree.Node)
	gather = func(p tree.Path, above []*tree.Node, n *tree.Node) {
		s := n.Schema()
		if s.Kind != schema.Container {
			add(p, above, n)
			return
		}
		p = append(p, tree.Step{Node: s})
		c.nodes = append(c.nodes[:0], above...)
		c.evaluateAt(p, n)
		above = append(slices.Clip(above), n)
		for k := range n.Children() {
			if !k.IsHolder() {
				gather(p, above, k)
				continue
			}
			for e := range k.Children() {
				add(p, above, e)
			}
		}
	}
	var above []*tree.Node
	var last tree.Path
	for i := range c.changes {
		ch := &c.changes[i]
		if ch.Op != tree.Created {
			continue
		}
		p := ch.Path[:len(ch.Path)-1]
		if last == nil || !p.Equal(last) {
			last, above = p, above[:0:0]
			for k := range p {
				above = append(above, c.root.Get(p[:k+1]))
			}
		}
		gather(slices.Clip(p), above, ch.New)
	}
	return out, entries
}

// evaluatePieces evaluates the conditions of everything in the pieces.
func (c *check) evaluatePieces(all []piece) {
	for i := range all {
		pc := &all[i]
		p := append(slices.Clip(pc.path), tree.Step{})
		for _, n := range pc.nodes {
			p[len(p)-1] = stepTo(n)
			c.nodes = append(c.nodes[:0], pc.above...)
			tree.Scan(n, p, c.evaluateAt)
		}
	}
}

// stepTo returns the step of a path that leads to n.
func stepTo(n *tree.Node) tree.Step {
	st := tree.Step{Node: n.Schema()}
	if k := st.Node.Kind; k == schema.List || k == schema.LeafList {
		st.Keys = n.Keys()
	}
	return st
}

// worker returns a check that evaluates beside c.
func (c *check) worker() *check {
	w := newCheck(c.plan, nil, c.root)
	w.old, w.index, w.prior = c.old, c.index, c.prior
	return w
}

// verifyTogether runs work, and evaluates the pieces beside it, on as many cores
// as there are. The errors come in no certain order.
func (c *check) verifyTogether(all []piece, work func()) {
	var next atomic.Int64
	take := func(w *check) {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(all) {
				return
			}
			w.evaluatePieces(all[i : i+1])
		}
	}
	workers := make([]*check, min(runtime.GOMAXPROCS(0), mostWorkers)-1)
	var wg sync.WaitGroup
	for i := range workers {
		workers[i] = c.worker()
		wg.Go(func() { take(workers[i]) })
	}
	work()
	take(c)
	wg.Wait()
	for _, w := range workers {
		c.errs = append(c.errs, w.errs...)
	}
}
