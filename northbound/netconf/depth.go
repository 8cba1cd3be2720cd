package netconf

import (
	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// depthMarker cuts what sel selected down to so many levels, of which the selected
// nodes are the first (RFC 8526 section 3.1.1.2); without a filter those at the top
// are selected. Keys stay in their entries. It is a codec.Marker.
type depthMarker struct {
	inner codec.Marker // may be nil
	depth int
	nodes map[*tree.Node]bool // what an XPath filter that only its evaluation explains selected
	stack []depthFrame
}

// depthFrame is one open element.
type depthFrame struct {
	left    int // levels from this one on; 0 above what was selected
	filters []*tree.Filter
}

// pick returns what sel selects of root, and keeps in mind what that is where the
// result does not show it.
func (q *request) pick(sel *selection, root *tree.Node) (*tree.Node, error) {
	if sel == nil || sel.expr == nil || sel.filter != nil {
		return sel.apply(root)
	}
	nodes, err := sel.nodes(root)
	for _, n := range nodes {
		if n.Node != nil {
			q.picked = append(q.picked, n.Path)
		}
	}
	return gather(root, nodes), err
}

// limitDepth has what sel selected of root printed to a depth.
func (q *request) limitDepth(root *tree.Node, sel *selection, depth int, opt codec.EncodeOptions) codec.EncodeOptions {
	if root == nil {
		return opt
	}
	m := &depthMarker{inner: opt.Marker, depth: depth}
	top := depthFrame{}
	switch {
	case sel == nil:
		top.left = depth + 1
	case sel.filter != nil:
		top.filters = []*tree.Filter{sel.filter}
	default:
		m.nodes = map[*tree.Node]bool{}
		for _, p := range q.picked {
			m.nodes[root.Get(p)] = true
		}
		if m.nodes[root] {
			top.left = depth + 1
		}
	}
	m.stack = append(m.stack, top)
	opt.Marker = m
	return opt
}

func (m *depthMarker) Enter(n *tree.Node) (attrs string, cut bool) {
	s := n.Schema()
	up := &m.stack[len(m.stack)-1]
	f := depthFrame{left: up.left - 1}
	if up.left == 0 {
		f.left = 0
		whole := m.nodes[n]
		for _, above := range up.filters {
			for _, g := range above.Children {
				if g.Node == s {
					f.filters = append(f.filters, g)
					whole = whole || g.All || len(g.Children) == 0
				}
			}
			for _, c := range above.Content {
				whole = whole || c.Leaf == s
			}
		}
		if whole {
			f.left = m.depth
		}
	}
	m.stack = append(m.stack, f)
	if m.inner != nil {
		attrs, cut = m.inner.Enter(n)
	}
	return attrs, cut || f.left == 1 && (s.Kind == schema.Container || s.Kind == schema.List)
}

func (m *depthMarker) Leave() {
	m.stack = m.stack[:len(m.stack)-1]
	if m.inner != nil {
		m.inner.Leave()
	}
}
