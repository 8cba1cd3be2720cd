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
// silently left out with everything below it, whatever the rules say of that (RFC
// 8341 section 3.2.4). Read returns root itself if all of it is readable; an
// empty tree if nothing is.
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
		return d.unkeyed(at, s), at
	}
	next := d.look(at, s, &instance{node: n})
	return d.verdict(next, s), next
}

// few finds the entries of a holder that rules name by all their keys, where the
// others are kept or dropped whole.
func (d *decisions) few(at place, h *tree.Node) (rest tree.Verdict, entries []*tree.Node, ok bool) {
	s := h.Schema()
	if rest = d.unkeyed(at, s); rest == tree.Enter {
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
	case at.hidden:
		return tree.Drop
	case len(at.fitting) == 0 && d.plain[s.ID]&permitsAll != 0:
		return tree.Keep
	}
	return tree.Enter
}

// unkeyed is the verdict on the entries of s below a place that no rule with
// keys fits.
func (d *decisions) unkeyed(at place, s *schema.Node) tree.Verdict {
	next := place{depth: at.depth + 1}
	next.hidden = at.hidden || !d.permits(next, s)
	return d.verdict(next, s)
}

// implied is the verdict on the defaults of c, which has no instance below what is
// at a place.
func (d *decisions) implied(at place, c *schema.Node) (tree.Verdict, place) {
	next := d.look(at, c, &instance{})
	return d.verdict(next, c), next
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

// CanRead reports whether the user may read the instance at p: it and every node
// above it.
func (v View) CanRead(p tree.Path) bool {
	if v.r == nil {
		return true
	}
	return !v.r.decisions(opRead).lookTo(p).hidden
}
