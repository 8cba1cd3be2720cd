package nacm

import (
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// place is where a walk through instances stands.
type place struct {
	depth int
	// hidden says that the node cannot be read, nor anything below it.
	hidden bool
	// fitting are the rules with keys that fit the instance as far as their path
	// and the walk have gone.
	fitting []*rule
}

func (d *decisions) start() place { return place{fitting: d.keyed} }

// instance is what the keys of a step are compared with: a node, or the keys
// of a path's step.
type instance struct {
	node *tree.Node
	keys []schema.Value
}

func (in *instance) key(s *schema.Node, i int) (schema.Value, bool) {
	switch {
	case in.node == nil:
		if i >= len(in.keys) {
			return schema.Value{}, false
		}
		return in.keys[i], true
	case s.Kind == schema.LeafList:
		return in.node.Value(), true
	}
	if k := in.node.Child(s.Keys[i]); k != nil {
		return k.Value(), true
	}
	return schema.Value{}, false
}

// fits reports whether an instance of s, one step below depth, fits r.
func (r *rule) fits(depth int, s *schema.Node, in *instance) bool {
	if depth >= len(r.path) {
		return true // below the node that the path names
	}
	st := &r.path[depth]
	if st.node != s {
		return false
	}
	for i := range st.preds {
		p := &st.preds[i]
		if v, ok := in.key(s, p.key); !ok || v.String() != p.text {
			return false
		}
	}
	return true
}

// into goes down to an instance of s.
func (d *decisions) into(at place, s *schema.Node, in *instance) place {
	next := place{depth: at.depth + 1, hidden: at.hidden}
	n := 0
	for _, r := range at.fitting {
		if r.fits(at.depth, s, in) {
			n++
		}
	}
	switch n {
	case 0:
	case len(at.fitting):
		next.fitting = at.fitting
	default:
		next.fitting = make([]*rule, 0, n)
		for _, r := range at.fitting {
			if r.fits(at.depth, s, in) {
				next.fitting = append(next.fitting, r)
			}
		}
	}
	return next
}

// permits reports whether the operation is permitted on the instance of s at a
// place, whatever is above it.
func (d *decisions) permits(at place, s *schema.Node) bool {
	if len(at.fitting) == 0 {
		return d.plain[s.ID]&permits != 0
	}
	return d.scan(s, at.depth, at.fitting)
}

// look goes down to an instance of s for reading; place.hidden tells the result.
func (d *decisions) look(at place, s *schema.Node, in *instance) place {
	next := d.into(at, s, in)
	if !s.IsKey() { // a key is read with its entry
		next.hidden = next.hidden || !d.permits(next, s)
	}
	return next
}
