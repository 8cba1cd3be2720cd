package oper

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// reg is one pattern of one subscriber.
type reg struct {
	sub     *Sub
	pattern tree.Path
	exact   bool // every list step has all its keys
}

// index finds the patterns that a change concerns without looking at the others.
type index struct {
	root  *bucket         // the empty pattern
	at    map[int]*bucket // by the ID of the pattern's last schema node
	below map[int][]*reg  // by the IDs of the schema nodes above that
	count int
}

// bucket holds the patterns that end at one schema node.
type bucket struct {
	exact map[string][]*reg // by the keys on the way
	wild  []*reg
}

func newIndex() index {
	return index{root: &bucket{}, at: make(map[int]*bucket), below: make(map[int][]*reg)}
}

func (x *index) empty() bool { return x.count == 0 }

func (x *index) bucket(p tree.Path) *bucket {
	if len(p) == 0 {
		return x.root
	}
	id := p[len(p)-1].Node.ID
	b := x.at[id]
	if b == nil {
		b = &bucket{}
		x.at[id] = b
	}
	return b
}

func (x *index) add(r *reg) {
	x.count++
	b := x.bucket(r.pattern)
	if r.exact {
		if b.exact == nil {
			b.exact = make(map[string][]*reg)
		}
		k := pathKeys(r.pattern)
		b.exact[k] = append(b.exact[k], r)
	} else {
		b.wild = append(b.wild, r)
	}
	for i := range max(len(r.pattern)-1, 0) {
		id := r.pattern[i].Node.ID
		x.below[id] = append(x.below[id], r)
	}
}

func (x *index) remove(r *reg) {
	x.count--
	without := func(list []*reg) []*reg {
		return slices.DeleteFunc(list, func(o *reg) bool { return o == r })
	}
	b := x.bucket(r.pattern)
	if r.exact {
		k := pathKeys(r.pattern)
		if b.exact[k] = without(b.exact[k]); len(b.exact[k]) == 0 {
			delete(b.exact, k)
		}
	} else {
		b.wild = without(b.wild)
	}
	if len(r.pattern) > 0 && len(b.exact) == 0 && len(b.wild) == 0 {
		delete(x.at, r.pattern[len(r.pattern)-1].Node.ID)
	}
	for i := range max(len(r.pattern)-1, 0) {
		id := r.pattern[i].Node.ID
		if x.below[id] = without(x.below[id]); len(x.below[id]) == 0 {
			delete(x.below, id)
		}
	}
}

// each calls f for the patterns that match p, whose keys down to this node are
// in keys.
func (b *bucket) each(keys []byte, p tree.Path, f func(*reg)) {
	for _, r := range b.exact[string(keys)] {
		f(r)
	}
	for _, r := range b.wild {
		if r.matches(p) {
			f(r)
		}
	}
}

// appendKeys adds the keys of st to a text that differs for different keys.
func appendKeys(b []byte, st *tree.Step) []byte {
	for _, k := range st.Keys {
		s := k.String()
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	if len(st.Keys) == 0 && st.Pos != 0 {
		b = binary.AppendUvarint(append(b, 0), uint64(st.Pos))
	}
	return b
}

func pathKeys(p tree.Path) string {
	var b []byte
	for i := range p {
		b = appendKeys(b, &p[i])
	}
	return string(b)
}

// isExact reports whether p names one instance.
func isExact(p tree.Path) bool {
	for i := range p {
		switch p[i].Node.Kind {
		case schema.List, schema.LeafList:
			if len(p[i].Keys) == 0 || slices.ContainsFunc(p[i].Keys, schema.Value.IsZero) {
				return false
			}
		}
	}
	return true
}

// matches compares the steps that the pattern and p both have.
func (r *reg) matches(p tree.Path) bool {
	for i := range min(len(r.pattern), len(p)) {
		if !covers(&r.pattern[i], &p[i]) {
			return false
		}
	}
	return true
}

// covers reports whether every instance of b is one of a.
func covers(a, b *tree.Step) bool {
	if a.Node != b.Node {
		return false
	}
	if len(a.Keys) == 0 {
		return a.Pos == 0 || a.Pos == b.Pos
	}
	if len(a.Keys) != len(b.Keys) {
		return false
	}
	for i, k := range a.Keys {
		if !k.IsZero() && k != b.Keys[i] {
			return false
		}
	}
	return true
}

// Reduce leaves out the patterns (SubOptions.Paths) that another one takes in, so
// that no instance comes twice.
func Reduce(patterns []tree.Path) []tree.Path {
	takesIn := func(p, q tree.Path) bool {
		if len(p) > len(q) {
			return false
		}
		for i := range p {
			if !covers(&p[i], &q[i]) {
				return false
			}
		}
		return true
	}
	var kept []tree.Path
	for i, q := range patterns {
		covered := false
		for j, p := range patterns {
			if i != j && takesIn(p, q) && (j < i || !takesIn(q, p)) {
				covered = true
				break
			}
		}
		if !covered {
			kept = append(kept, q)
		}
	}
	return kept
}

// descend delivers what r's pattern selects of n, which came or went at p.
func (h *Hub) descend(t time.Time, r *reg, op tree.ChangeOp, n *tree.Node, p tree.Path) {
	if len(p) == len(r.pattern) {
		c := tree.Change{Op: op, Path: p}
		if op == tree.Created {
			c.New = n
		} else {
			c.Old = n
		}
		hash := h.hash(&c)
		n := h.made[hash]
		if n == nil || !n.one[0].Path.Equal(p) {
			n = h.newChange(t, c, hash)
			if h.several {
				h.made[hash] = n
			}
		}
		r.sub.push(n)
		return
	}
	st := &r.pattern[len(p)]
	child := n.Child(st.Node)
	switch {
	case child == nil:
	case !child.IsHolder():
		h.descend(t, r, op, child, p.Child(st.Node))
	case len(st.Keys) > 0 && !slices.ContainsFunc(st.Keys, schema.Value.IsZero):
		if e := child.Entry(st.Keys...); e != nil {
			h.descend(t, r, op, e, p.Child(st.Node, st.Keys...))
		}
	default:
		for e := range child.Children() {
			if q := p.Child(st.Node, e.Keys()...); covers(st, &q[len(p)]) {
				h.descend(t, r, op, e, q)
			}
		}
	}
}
