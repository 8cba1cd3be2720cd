package tree

import (
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
)

// Withhold returns n, a container, an entry or the root at path p, so that it does
// not show those defaults, whatever the mode, that refused refuses. It is called with the path of each child c that is
// not there, that has defaults (schema.Node.HasDefaults) and for which or for
// something below which decided is true: for a container without presence first,
// and if that is not refused, for what is below. decided must be true for all
// that is above a node for which it is. The cost follows the nodes for which it
// is; without any, n itself is returned.
func Withhold(n *Node, p Path, decided func(*schema.Node) bool, refused func(p Path, c *schema.Node) bool) *Node {
	if n == nil || n.in == nil || n.in.any != nil || !decided(n.schema) {
		return n
	}
	w := withholder{editor{t: new(token)}, decided, refused}
	p = append(make(Path, 0, len(p)+8), p...)
	if n.in.list != nil {
		return w.holder(n, p[:max(0, len(p)-1)])
	}
	return w.node(n, p)
}

type withholder struct {
	e       editor
	decided func(*schema.Node) bool
	refused func(Path, *schema.Node) bool
}

// node returns n, a container or entry at p, or a copy with what is withheld.
func (w *withholder) node(n *Node, p Path) *Node {
	out := n
	for _, kid := range n.in.kids {
		if s := kid.schema; kid.in == nil || kid.in.any != nil || !w.decided(s) {
			continue
		}
		got := kid
		if kid.in.list != nil {
			got = w.holder(kid, p)
		} else {
			got = w.node(kid, append(p, Step{Node: kid.schema}))
		}
		if got != kid {
			out = w.e.own(out)
			w.e.setKid(out, got)
		}
	}
	var withheld []*schema.Node
	for _, c := range n.schema.Children() {
		if c.HasDefaults() && w.decided(c) && n.Child(c) == nil && !n.Withholds(c) {
			withheld = w.absent(c, p, withheld)
		}
	}
	if withheld != nil {
		out = w.e.own(out)
		out.withhold(withheld)
	}
	return out
}

func (w *withholder) holder(h *Node, p Path) *Node {
	out := h
	pos := 0
	h.in.list.each(func(it item) bool {
		pos++
		st := Step{Node: h.schema, Keys: it.node.Keys()}
		if len(h.schema.Keys) == 0 {
			st.Pos = pos
		}
		if got := w.node(it.node, append(p, st)); got != it.node {
			out = w.e.own(out)
			out.in.list.replace(w.e.t, it, got)
		}
		return true
	})
	return out
}

// absent adds what is withheld of c, which has no instance below p.
func (w *withholder) absent(c *schema.Node, p Path, withheld []*schema.Node) []*schema.Node {
	p = append(p, Step{Node: c})
	if w.refused(p, c) {
		return append(withheld, c)
	}
	if isNP(c) {
		for _, k := range c.Children() {
			if k.HasDefaults() && w.decided(k) {
				withheld = w.absent(k, p, withheld)
			}
		}
	}
	return withheld
}

// withhold adds to what n, which is being made, withholds.
func (n *Node) withhold(more []*schema.Node) {
	if n.in.withheld != nil {
		more = append(slices.Clip(*n.in.withheld), more...)
	}
	n.in.withheld = &more
}
