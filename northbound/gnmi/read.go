package gnmi

import (
	"slices"

	gpb "github.com/openconfig/gnmi/proto/gnmi"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// filterOf selects what a pattern needs: its instances and, where a default
// may be in use below them, also the entries on the way in which nothing is
// set, and the siblings that decide about it.
func filterOf(root *schema.Node, pattern tree.Path) *tree.Filter {
	if len(pattern) == 0 || !pattern[len(pattern)-1].Node.HasDefaults() {
		return tree.FilterOf(root, pattern)
	}
	top := &tree.Filter{Node: root}
	at := top
	for i := range pattern {
		st := &pattern[i]
		last := i == len(pattern)-1
		if i > 0 && (st.Node.Case != nil || st.Node.Presence && !last) {
			at.Children = nil
			break
		}
		f := &tree.Filter{Node: st.Node, Pos: st.Pos}
		for k, v := range st.Keys {
			if !v.IsZero() {
				if f.Keys == nil {
					f.Keys = make(map[int]schema.Value, len(st.Keys))
				}
				f.Keys[k] = v
			}
		}
		if len(st.Node.Keys) > 0 && !last {
			f.Children = append(f.Children, &tree.Filter{Node: st.Node.Keys[0], All: true})
		}
		at.Children = append(at.Children, f)
		at = f
	}
	at.All = true
	return top
}

// match yields the instances of pattern in root with their paths. A default in
// use counts as an instance of its leaf or leaf-list if defaults is set. A
// leaf-list is one instance, its holder, unless the pattern names a value.
// Entries of lists without keys, which no gNMI path can name, are left out.
func match(root *tree.Node, pattern tree.Path, defaults bool, yield func(tree.Path, *tree.Node)) {
	m := matcher{pattern: pattern, defaults: defaults, yield: yield}
	m.walk(root, make(tree.Path, 0, len(pattern)))
}

type matcher struct {
	pattern  tree.Path
	defaults bool
	yield    func(tree.Path, *tree.Node)
}

func (m *matcher) walk(n *tree.Node, p tree.Path) {
	if len(p) == len(m.pattern) {
		m.yield(slices.Clone(p), n)
		return
	}
	st := &m.pattern[len(p)]
	s := st.Node
	c := n.Child(s)
	switch s.Kind {
	case schema.List:
		if c == nil || len(s.Keys) == 0 {
			return
		}
		if len(st.Keys) > 0 && !slices.ContainsFunc(st.Keys, schema.Value.IsZero) {
			if e := c.Entry(st.Keys...); e != nil {
				m.walk(e, append(p, *st))
			}
			return
		}
		for e := range c.Children() {
			if keys := e.Keys(); covers(st.Keys, keys) {
				m.walk(e, append(p, tree.Step{Node: s, Keys: keys}))
			}
		}
		return
	case schema.LeafList:
		if c != nil && len(st.Keys) > 0 {
			c = c.Entry(st.Keys...)
		}
		if c == nil && m.defaults && len(st.Keys) == 0 && len(s.Defaults) > 0 {
			for v := range tree.WithDefaults(n, tree.ReportAll) {
				if v.Schema() == s {
					c = v.Node
				}
			}
		}
	case schema.Leaf:
		if c == nil && m.defaults {
			if v, _ := tree.Effective(n, s); !v.IsZero() {
				c = tree.NewLeaf(s, v)
			}
		}
	case schema.Container:
		if c == nil && m.defaults && !s.Presence && s.HasDefaults() && !n.Withholds(s) {
			c = tree.Implied(n, s)
		}
	}
	if c != nil {
		m.walk(c, append(p, *st))
	}
}

// covers reports whether keys fit a pattern's, zero ones of which fit all.
func covers(pattern, keys []schema.Value) bool {
	for i, k := range pattern {
		if !k.IsZero() && k != keys[i] {
			return false
		}
	}
	return true
}

// leafs calls emit for every leaf, leaf-list and anydata at and below n, which
// is at elems. mode decides about defaults.
func leafs(elems []*gpb.PathElem, n *tree.Node, mode tree.DefaultsMode, emit func([]*gpb.PathElem, *tree.Node)) {
	s := n.Schema()
	switch {
	case s.Kind == schema.Leaf, s.Kind == schema.LeafList, s.Kind == schema.Anydata, s.Kind == schema.Anyxml:
		emit(slices.Clone(elems), n)
		return
	case n.IsHolder():
		if len(s.Keys) == 0 {
			return
		}
		last := len(elems) - 1
		for e := range n.Children() {
			leafs(append(elems[:last:last], elemOf(s, e.Keys())), e, mode, emit)
		}
		return
	}
	for v := range tree.WithDefaults(n, mode) {
		leafs(append(elems, &gpb.PathElem{Name: v.Schema().Plain}), v.Node, mode, emit)
	}
}

// valueOf is n, a leaf, leaf-list or anydata, under an encoding. PROTO has no
// scalar for anydata, which is therefore JSON_IETF there.
func valueOf(n *tree.Node, enc gpb.Encoding) *gpb.TypedValue {
	s := n.Schema()
	if enc == gpb.Encoding_PROTO {
		switch {
		case n.IsHolder():
			return codec.LeafListTypedValue(n)
		case s.Kind == schema.Leaf || s.Kind == schema.LeafList:
			return codec.ToTypedValue(n.Value())
		}
		enc = gpb.Encoding_JSON_IETF
	}
	return codec.JSONTypedValue(n, codec.EncodeOptions{IETF: enc == gpb.Encoding_JSON_IETF, Defaults: tree.ReportAll})
}

// stateOnly is n, a container, entry or the root, without configuration but
// for the keys of the entries that hold state; nil if there is no state.
func stateOnly(n *tree.Node) *tree.Node {
	s := n.Schema()
	if !s.Config {
		return n
	}
	if s.Kind != schema.Container && s.Kind != schema.List {
		return nil
	}
	if s.Kind == schema.List {
		b := tree.NewBuilder(tree.New(s.Parent))
		b.Enter(s, n.Keys()...)
		if !copyState(b, n) {
			return nil
		}
		return b.Seal().Child(s).Entry(n.Keys()...)
	}
	b := tree.NewBuilder(tree.New(s))
	if !copyState(b, n) {
		return nil
	}
	return b.Seal()
}

// copyState puts the state in n below b's cursor and reports whether there is any.
func copyState(b *tree.Builder, n *tree.Node) (found bool) {
	for c := range n.Children() {
		s := c.Schema()
		switch {
		case !s.Config:
			b.Put(c)
			found = true
		case s.Kind == schema.List:
			for e := range c.Children() {
				if state := stateOnly(e); state != nil {
					b.Put(state)
					found = true
				}
			}
		case s.Kind == schema.Container:
			if state := stateOnly(c); state != nil {
				b.Put(state)
				found = true
			}
		}
	}
	return found
}
