package xpath

import (
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// maxWhens bounds how far whens may depend on one another through what they make
// exist. Beyond, in a circle, nothing is implied.
const maxWhens = 16

// decides reports whether whens decide if s, which has no instance, is implied: a
// container without presence, or defaults (RFC 7950 sections 7.5.1, 7.6.1, 7.7.2).
func decides(s *schema.Node) bool { return len(s.When) > 0 && impliable(s) }

// impliable reports whether s may exist in the accessible tree without instance.
func impliable(s *schema.Node) bool {
	switch s.Kind {
	case schema.Container:
		return !s.Presence
	case schema.Leaf, schema.LeafList:
		return len(s.Defaults) > 0
	}
	return false
}

// readsWhens records that the expression looks at n of st, which may be implied:
// whether it is depends on what the whens of it and around it read.
func (c *compiler) readsWhens(n *schema.Node, st static) {
	for ; n != nil && impliable(n) && depthOf(n) > st.min; n = n.Parent {
		if len(n.When) == 0 {
			continue
		}
		for _, w := range c.whensOf(n) {
			for _, d := range w.deps {
				k := depKey{node: d.Node, anchor: c.anchorAt(min(depthOf(d.Anchor), st.min))}
				if j := st.join; j != nil && j.List != nil && depthOf(d.Anchor) >= depthOf(j.List) {
					k.join = j // What the when reads is in the same entry.
				}
				c.deps[k] = true
			}
		}
	}
}

// whensOf compiles the whens of n, once for all that the expression leads to.
// Those that do not compile are a fault of the schema, and found there.
func (c *compiler) whensOf(n *schema.Node) []*Expr {
	all := c.out.whens
	ws, known := all.of[n]
	if known {
		return ws
	}
	if all.of == nil {
		all.of = map[*schema.Node][]*Expr{}
	}
	all.of[n] = nil // A circle ends here.
	for i := range n.When {
		if w, err := compileWhen(n, &n.When[i], all); err == nil {
			ws = append(ws, w)
		}
	}
	all.of[n] = ws
	return ws
}

// whens are the compiled whens of nodes that may be implied. Expressions that
// were compiled together share them.
type whens struct{ of map[*schema.Node][]*Expr }

// allowed reports whether the whens of s, of which there is no instance below at,
// let it be implied.
func (m *machine) allowed(at int32, s *schema.Node) bool {
	if len(s.When) == 0 {
		return true
	}
	for _, w := range m.expr.whens.of[s] {
		if m.within == maxWhens || !m.inside(w, at, s) {
			return false
		}
	}
	return true
}

// inside evaluates w, a when of s, below the element at.
func (m *machine) inside(w *Expr, at int32, s *schema.Node) bool {
	in := w.machine()
	in.within, in.visits = m.within+1, m.visits
	m.copyTo(in, at)
	if in.current = int32(len(in.elements) - 1); w.context == s {
		in.current, _ = in.place(in.current, &tree.Step{Node: s}, true)
	}
	in.keep = len(in.elements)
	ok := in.current >= 0 && in.boolean(w.top, focus{node: in.current, pos: 1, size: 1})
	m.visits = in.visits
	if err := in.stop(); err != nil {
		m.fail(err)
		return false
	}
	return ok
}

// copyTo lays out the elements from the root to at in another machine.
func (m *machine) copyTo(in *machine, at int32) {
	e := m.elements[at]
	if e.parent >= 0 {
		m.copyTo(in, e.parent)
		e.parent = int32(len(in.elements) - 1)
	}
	if at == m.op {
		in.op = int32(len(in.elements))
	}
	in.elements = append(in.elements, e)
}

// Defaults knows the defaults of a configuration that are in use only while a
// when statement is true. It never changes.
type Defaults struct {
	whens   map[*schema.Node][]*Expr
	decided []bool // by ID: nodes with such whens, and what is above them
}

// NewDefaults compiles the whens of s that decide about defaults.
func NewDefaults(s *schema.Schema) *Defaults {
	d := &Defaults{whens: map[*schema.Node][]*Expr{}, decided: make([]bool, s.NumNodes())}
	d.visit(s.Root(), &whens{})
	return d
}

func (d *Defaults) visit(n *schema.Node, shared *whens) {
	if decides(n) && n.HasDefaults() {
		for i := range n.When {
			if w, err := compileWhen(n, &n.When[i], shared); err == nil {
				d.whens[n] = append(d.whens[n], w)
			}
		}
		for up := n; up != nil; up = up.Parent {
			d.decided[up.ID] = true
		}
	}
	for _, k := range n.Children() {
		if k.Config {
			d.visit(k, shared)
		}
	}
}

// Decided reports whether whens decide about defaults of s or below.
func (d *Defaults) Decided(s *schema.Node) bool { return d.decided[s.ID] }

// InUse returns part so that no retrieval mode shows a default whose when is
// false in full, a configuration. part is what of full is to be shown, perhaps
// with state; it is returned itself where no when decides about any default.
func (d *Defaults) InUse(part, full *tree.Node) *tree.Node {
	return d.InUseAt(nil, part, full)
}

// InUseAt is InUse for the part of full at and below path p.
func (d *Defaults) InUseAt(p tree.Path, part, full *tree.Node) *tree.Node {
	if len(d.whens) == 0 {
		return part
	}
	return tree.Withhold(part, p, d.Decided, func(p tree.Path, c *schema.Node) bool {
		for _, w := range d.whens[c] {
			at := Context{Root: full, Path: p}
			if w.context != c {
				at.Path = p[:len(p)-1]
			}
			// An evaluation that costs too much hides the default.
			if ok, err := w.Bool(at); !ok || err != nil {
				return true
			}
		}
		return false
	})
}
