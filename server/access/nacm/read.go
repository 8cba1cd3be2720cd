package nacm

import (
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// Read is View.Read under the rules of this moment.
func (k *Checker) Read(root *tree.Node) *tree.Node { return k.View().Read(root) }

// ReadAt is View.ReadAt under the rules of this moment.
func (k *Checker) ReadAt(p tree.Path, n *tree.Node) *tree.Node { return k.View().ReadAt(p, n) }

// CanRead is View.CanRead under the rules of this moment.
func (k *Checker) CanRead(p tree.Path) bool { return k.View().CanRead(p) }

// Read returns what the user may read of root, the root of a datastore or of the
// operational state, or a part of it that was selected: what is not readable is
// silently left out with everything below it (RFC 8341 section 3.2.4). Where
// a rule's path permits a node below one that is not, the way to it stays: empty
// containers and the keys of entries. Read returns root itself if all of it is
// readable; an empty tree if nothing is.
func (v View) Read(root *tree.Node) *tree.Node {
	if v.r == nil || root == nil {
		return root
	}
	d := v.r.decisions(opRead)
	if out := tree.Sift(root, d.start(), d.sift, d.implied, d.few); out != nil {
		return out
	}
	return tree.New(root.Schema())
}

// sift decides for tree.Sift.
func (d *decisions) sift(at place, n *tree.Node) (tree.Verdict, place) {
	s := n.Schema()
	if s == d.root {
		return tree.Enter, at
	}
	if n.IsHolder() {
		for _, r := range at.fitting {
			if at.depth >= len(r.path) || r.path[at.depth].node == s {
				return tree.Enter, at
			}
		}
		next := place{depth: at.depth + 1}
		next.hidden = !d.permits(next, s) || at.hidden && !d.opens(next, s)
		switch v := d.verdict(next, s); v {
		case tree.Keep, tree.Drop:
			return v, at
		}
		return tree.Enter, at
	}
	next := d.look(at, s, &instance{node: n})
	return d.verdict(next, s), next
}

// few finds the entries of a holder that rules name by all their keys, where the
// others are kept or dropped whole.
func (d *decisions) few(at place, h *tree.Node) (rest tree.Verdict, entries []*tree.Node, ok bool) {
	s := h.Schema()
	next := place{depth: at.depth + 1}
	next.hidden = !d.permits(next, s) || at.hidden && !d.opens(next, s)
	if rest = d.verdict(next, s); rest != tree.Keep && rest != tree.Drop {
		return rest, nil, false
	}
	for _, r := range at.fitting {
		if at.depth >= len(r.path) {
			return rest, nil, false // fits every entry
		}
		st := &r.path[at.depth]
		if st.node != s {
			continue
		}
		keys, complete := st.keys()
		if !complete {
			return rest, nil, false
		}
		if e := h.Entry(keys...); e != nil && !slices.Contains(entries, e) {
			entries = append(entries, e)
		}
	}
	return rest, entries, true
}

// keys returns the key values that the predicates of a step give, if they give
// all of them.
func (st *pathStep) keys() (keys []schema.Value, complete bool) {
	types := []*schema.Type{st.node.Type}
	if st.node.Kind == schema.List {
		types = types[:0]
		for _, k := range st.node.Keys {
			types = append(types, k.Type)
		}
	}
	if len(types) == 0 || len(st.preds) != len(types) {
		return nil, false
	}
	keys = make([]schema.Value, len(types))
	for i := range st.preds {
		p := &st.preds[i]
		v, err := types[p.key].Parse(p.text, st.node.Module.Schema().NameResolver(st.node.Module))
		if err != nil || v.String() != p.text {
			return nil, false
		}
		keys[p.key] = v
	}
	return keys, !slices.ContainsFunc(keys, schema.Value.IsZero)
}

func (d *decisions) verdict(at place, s *schema.Node) tree.Verdict {
	switch {
	case !at.hidden && len(at.fitting) == 0 && d.plain[s.ID]&permitsAll != 0:
		return tree.Keep
	case !at.hidden:
		return tree.Enter
	case d.leads(at, s):
		return tree.Lead
	}
	return tree.Drop
}

// implied reports whether the defaults of c, a child without instance of what
// is at a place, may be shown.
func (d *decisions) implied(at place, c *schema.Node) bool {
	next := d.look(at, c, &instance{})
	if next.hidden || c.Kind != schema.Container {
		return !next.hidden
	}
	return len(next.fitting) == 0 && d.plain[c.ID]&permitsAll != 0
}

// ReadAt is Read for the instance n at path p: nil if nothing of it is readable.
func (v View) ReadAt(p tree.Path, n *tree.Node) *tree.Node {
	if v.r == nil || n == nil {
		return n
	}
	d := v.r.decisions(opRead)
	if len(p) == 0 {
		return v.Read(n)
	}
	at := d.lookTo(p[:len(p)-1])
	return tree.Sift(n, at, d.sift, d.implied, d.few)
}

// lookTo goes down a path from the root.
func (d *decisions) lookTo(p tree.Path) place {
	at := d.start()
	for i := range p {
		at = d.look(at, p[i].Node, &instance{keys: p[i].Keys})
	}
	return at
}

// CanRead reports whether the user may read the instance at p. A node that is
// only on the way to a readable one is none, but the keys of its entry are.
func (v View) CanRead(p tree.Path) bool {
	if v.r == nil {
		return true
	}
	d := v.r.decisions(opRead)
	if n := len(p) - 1; n > 0 && p[n].Node.IsKey() {
		at := d.lookTo(p[:n])
		return !at.hidden || d.leads(at, p[n-1].Node)
	}
	return !d.lookTo(p).hidden
}
