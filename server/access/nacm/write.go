package nacm

import (
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// maxDenials bounds the errors of one refused change.
const maxDenials = 32

// Write decides whether the user may make new out of old (RFC 8341 sections 3.2.5
// and 3.2.8): each node that differs needs the right to create, update or delete
// it; a subtree that comes or goes, all of its nodes. Containers without
// presence exist with their parents (RFC 7950 section 7.5.1) and keys with their
// entries, so neither needs a right of its own; nor does what disappears because
// another case of its choice was chosen. It returns access-denied for each node,
// at most 32, and nil if everything is permitted. The cost follows the change.
func (k *Checker) Write(old, new *tree.Node) yangerr.List {
	r := k.rights()
	if r == nil || old == new {
		return nil
	}
	w := writing{k: k, new: new}
	all := true
	for _, o := range []op{opCreate, opUpdate, opDelete} {
		w.ops[o] = r.decisions(o)
		all = all && w.ops[o].all()
	}
	if all {
		return nil
	}
	for c := range tree.Diff(old, new) {
		if w.change(c); len(w.errs) >= maxDenials {
			break
		}
	}
	if len(w.errs) > 0 {
		k.control.writes.Add(1)
	}
	return w.errs
}

type writing struct {
	k    *Checker
	new  *tree.Node
	ops  [numOps]*decisions
	errs yangerr.List
}

func (w *writing) change(c tree.Change) {
	if len(c.Path) == 0 {
		return
	}
	o, n := opUpdate, (*tree.Node)(nil)
	switch c.Op {
	case tree.Created:
		o, n = opCreate, c.New
	case tree.Deleted:
		if w.replaced(c.Path) {
			return
		}
		o, n = opDelete, c.Old
	}
	d := w.ops[o]
	last := len(c.Path) - 1
	at := d.start()
	for i := range c.Path[:last] {
		at = d.into(at, c.Path[i].Node, &instance{keys: c.Path[i].Keys})
	}
	step := &c.Path[last]
	at = d.into(at, step.Node, &instance{keys: step.Keys})
	w.node(d, at, c.Path, n)
}

// node checks the node at p and, if it is not nil, everything in n.
func (w *writing) node(d *decisions, at place, p tree.Path, n *tree.Node) {
	s := p[len(p)-1].Node
	if len(at.fitting) == 0 && d.plain[s.ID]&permitsAll != 0 || len(w.errs) >= maxDenials {
		return
	}
	if (n == nil || !isOrganising(s)) && !s.IsKey() && !d.permits(at, s) {
		w.deny(d.op, p)
		return
	}
	if n == nil || n.Schema().Kind != schema.Container && n.Schema().Kind != schema.List {
		return
	}
	for c := range n.Children() {
		if !c.IsHolder() {
			q := p.Child(c.Schema())
			w.node(d, d.into(at, c.Schema(), &instance{node: c}), q, c)
			continue
		}
		for e := range c.Children() {
			w.node(d, d.into(at, c.Schema(), &instance{node: e}), p.Child(c.Schema(), e.Keys()...), e)
		}
	}
}

// isOrganising reports whether s is a container without presence.
func isOrganising(s *schema.Node) bool { return s.Kind == schema.Container && !s.Presence }

// replaced reports whether what is gone at p had to go because the new tree has
// another case of its choice.
func (w *writing) replaced(p tree.Path) bool {
	s := p[len(p)-1].Node
	if s.Case == nil {
		return false
	}
	parent := w.new.Get(p[:len(p)-1])
	for k := s.Case; k != nil && parent != nil; k = k.Choice.Parent {
		for _, other := range k.Choice.Cases {
			if other == k {
				continue
			}
			for _, c := range other.Children {
				if parent.Child(c) != nil {
					return true
				}
			}
		}
	}
	return false
}

// deny notes an error about p.
func (w *writing) deny(o op, p tree.Path) {
	denial := w.k.denial(o, p)
	at := denial.Path.String()
	if slices.ContainsFunc(w.errs, func(e *yangerr.Error) bool { return e.Path.String() == at }) {
		return
	}
	w.errs = append(w.errs, denial)
}
