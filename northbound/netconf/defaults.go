package netconf

import (
	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// shown returns what sel selects of root under a retrieval mode of RFC 6243, and
// how it is printed. A filter sees the defaults that the mode reports, and nothing
// that it does not select is added. full is the configuration that root is what
// the user may see of; it decides which defaults are in use.
func (q *request) shown(root, full *tree.Node, sel *selection, mode tree.DefaultsMode) (*tree.Node, codec.EncodeOptions, error) {
	opt := codec.EncodeOptions{Defaults: mode}
	if mode == tree.Explicit || mode == tree.Trim || root == nil {
		root, err := q.pick(sel, root)
		return root, opt, err
	}
	if sel == nil {
		return q.srv.defaults.InUse(root, full), opt, nil
	}
	top := root.Schema()
	if sel.filter != nil {
		if root = tree.Select(root, relaxed(sel.filter)); root == nil {
			root = tree.New(top)
		}
	}
	root, err := q.pick(sel, withAllDefaults(q.srv.defaults.InUse(root, full)))
	return root, codec.EncodeOptions{Tag: mode == tree.ReportAllTagged}, err
}

// relaxed returns a filter that keeps of the data what f may select once the
// defaults are there: it looks at keys, not at other leafs.
func relaxed(f *tree.Filter) *tree.Filter {
	r := &tree.Filter{Node: f.Node, Keys: f.Keys, Pos: f.Pos, All: f.All || len(f.Children) == 0}
	for _, m := range f.Content {
		if m.Leaf.IsKey() {
			r.Content = append(r.Content, m)
		} else {
			r.All = true
		}
	}
	for _, c := range f.Children {
		if c.Node.Kind != schema.List {
			// What is not set, or is a container that nothing is set in, must not
			// take its parent with it.
			r.All = r.All || c.Node.HasDefaults() && f.Node.Kind == schema.List
		}
		r.Children = append(r.Children, relaxed(c))
	}
	if r.All {
		r.Children = nil
	}
	return r
}

// withAllDefaults returns root with every default in use as if it were set.
func withAllDefaults(root *tree.Node) *tree.Node {
	b := tree.NewBuilder(root)
	addDefaults(b, root)
	return b.Seal()
}

func addDefaults(b *tree.Builder, n *tree.Node) {
	for v := range tree.WithDefaults(n, tree.ReportAll) {
		s := v.Schema()
		switch s.Kind {
		case schema.Leaf:
			if v.IsDefault {
				b.Leaf(s, v.Value())
			}
		case schema.LeafList:
			if v.IsDefault {
				b.Put(v.Node)
			}
		case schema.Container:
			b.Enter(s)
			addDefaults(b, v.Node)
			b.Leave()
		case schema.List:
			if !v.IsHolder() {
				addEntry(b, s, v.Node)
				continue
			}
			for e := range v.Children() {
				addEntry(b, s, e)
			}
		}
	}
}

// addEntry adds the defaults of an entry; those of a list without keys cannot be
// named and stay as they are.
func addEntry(b *tree.Builder, s *schema.Node, e *tree.Node) {
	if len(s.Keys) == 0 {
		return
	}
	b.Enter(s, e.Keys()...)
	addDefaults(b, e)
	b.Leave()
}
