package tree

import (
	"bytes"
	"iter"
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
)

// ChangeOp says what happened to a node.
type ChangeOp uint8

const (
	// Created is a subtree that is new; one change stands for all of it.
	Created ChangeOp = iota + 1
	// Deleted is a subtree that is gone; one change stands for all of it.
	Deleted
	// Modified is a leaf with another value or an anydata with other content.
	Modified
	// Moved is an entry of a user-ordered list or leaf-list with another place
	// among those that stayed. What changed inside it comes as further changes.
	Moved
)

// String returns the name in small letters.
func (o ChangeOp) String() string {
	return [...]string{"unchanged", "created", "deleted", "modified", "moved"}[o]
}

// Change is one difference between two trees. Lists and leaf-lists change entry
// by entry: no change is about a holder.
type Change struct {
	Op       ChangeOp
	Path     Path
	Old, New *Node // nil where there is none
	// After is, for entries in an order of their own that are Created or Moved,
	// the keys of the entry in front in the new tree; nil for the first entry.
	After []schema.Value
}

// Diff yields the changes from old to new, instances of the same schema node,
// parents before what is in them, siblings in schema order; of entries with an
// order of their own first those that are gone, then those with a new place in
// the new order, then what changed inside. Applied one after the other they lead
// from old to new. What both trees share is passed over:
// the cost follows the changes and the depth of the trees, not their size. The
// paths may be kept.
func Diff(old, new *Node) iter.Seq[Change] {
	return DiffAt(nil, old, new)
}

// DiffAt is Diff for two instances found at path p.
func DiffAt(p Path, old, new *Node) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		d := differ{path: append(make(Path, 0, len(p)+8), p...), yield: yield}
		d.children(old, new)
	}
}

// Equal reports whether both trees hold the same instances in the same order.
func Equal(a, b *Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.schema != b.schema || a.value != b.value || !sameAny(a.Anydata(), b.Anydata()) {
		return false
	}
	if a.IsHolder() {
		d := differ{}
		same := true
		d.yield = func(Change) bool { same = false; return false }
		d.path = append(d.path, Step{Node: a.schema})
		d.holder(a, b)
		return same
	}
	for range Diff(a, b) {
		return false
	}
	return true
}

func sameAny(a, b *Any) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.XML, b.XML) && bytes.Equal(a.JSON, b.JSON)
}

type differ struct {
	path  Path // of what is being compared; reused
	yield func(Change) bool
}

func (d *differ) push(st Step) { d.path = append(d.path, st) }
func (d *differ) pop()         { d.path = d.path[:len(d.path)-1] }

// emit reports one change of what st names below the current path.
func (d *differ) emit(op ChangeOp, st Step, old, new *Node, after []schema.Value) bool {
	p := make(Path, len(d.path)+1)
	copy(p, d.path)
	p[len(d.path)] = st
	return d.yield(Change{Op: op, Path: p, Old: old, New: new, After: after})
}

// children compares two containers or entries of the same schema node.
func (d *differ) children(old, new *Node) bool {
	if old == new || old.in == nil || new.in == nil {
		return true
	}
	o, n := old.in.kids, new.in.kids
	for len(o) > 0 || len(n) > 0 {
		order := 0
		switch {
		case len(o) == 0:
			order = 1
		case len(n) == 0:
			order = -1
		case o[0] != n[0]:
			order = rank(o[0].schema) - rank(n[0].schema)
		}
		var a, b *Node
		if order <= 0 {
			a, o = o[0], o[1:]
		}
		if order >= 0 {
			b, n = n[0], n[1:]
		}
		if a != b && !d.kid(a, b) {
			return false
		}
	}
	return true
}

// kid compares two instances of one schema node, of which one may be nil.
func (d *differ) kid(a, b *Node) bool {
	some := a
	if a == nil {
		some = b
	}
	st := Step{Node: some.schema}
	switch {
	case some.IsHolder():
		return d.holder(a, b)
	case a == nil:
		return d.emit(Created, st, nil, b, nil)
	case b == nil:
		return d.emit(Deleted, st, a, nil, nil)
	case some.in == nil:
		return a.value == b.value || d.emit(Modified, st, a, b, nil)
	case some.in.any != nil:
		return sameAny(a.in.any, b.in.any) || d.emit(Modified, st, a, b, nil)
	}
	d.push(st)
	ok := d.children(a, b)
	d.pop()
	return ok
}

// holder compares the entries of a list or leaf-list; a or b may be nil.
func (d *differ) holder(a, b *Node) bool {
	var la, lb list
	var s *schema.Node
	if a != nil {
		la, s = *a.in.list, a.schema
	}
	if b != nil {
		lb, s = *b.in.list, b.schema
	}
	switch modeOf(s) {
	case keyless:
		return d.keyless(s, la.order, lb.order)
	case positional:
		return d.positional(s, &la, &lb)
	}
	return diffItems(la.keyed, lb.keyed, func(x, y item) bool {
		switch {
		case x.node == nil:
			return d.emit(Created, entryStep(y.node), nil, y.node, nil)
		case y.node == nil:
			return d.emit(Deleted, entryStep(x.node), x.node, nil, nil)
		}
		return d.entry(x.node, y.node)
	})
}

func entryStep(n *Node) Step { return Step{Node: n.schema, Keys: n.Keys()} }

// entry compares two entries with the same keys.
func (d *differ) entry(a, b *Node) bool {
	if a == b || a.in == nil {
		return true
	}
	d.push(entryStep(b))
	ok := d.children(a, b)
	d.pop()
	return ok
}

// keyless compares entries that have nothing but their position.
func (d *differ) keyless(s *schema.Node, a, b *bnode) bool {
	if a == b {
		return true
	}
	common := min(a.len(), b.len())
	for i := range common {
		x, y := a.at(i).node, b.at(i).node
		if x == y {
			continue
		}
		d.push(Step{Node: s, Pos: i + 1})
		ok := d.children(x, y)
		d.pop()
		if !ok {
			return false
		}
	}
	for i := a.len(); i > common; i-- {
		if !d.emit(Deleted, Step{Node: s, Pos: i}, a.at(i-1).node, nil, nil) {
			return false
		}
	}
	for i := common; i < b.len(); i++ {
		if !d.emit(Created, Step{Node: s, Pos: i + 1}, nil, b.at(i).node, nil) {
			return false
		}
	}
	return true
}

// positional compares lists whose entries have an order of their own.
func (d *differ) positional(s *schema.Node, a, b *list) bool {
	var placed []item // new in b, or moved: by new place
	var kept [][2]item
	var suspects []suspect
	ok := diffItems(a.keyed, b.keyed, func(x, y item) bool {
		switch {
		case y.node == nil:
			return d.emit(Deleted, entryStep(x.node), x.node, nil, nil)
		case x.node == nil:
			placed = append(placed, y)
			return true
		}
		kept = append(kept, [2]item{x, y})
		if x.label != y.label {
			suspects = append(suspects, suspect{old: x, new: y})
		}
		return true
	})
	if !ok {
		return false
	}
	was := make(map[*Node]*Node)
	for _, m := range moved(a, b, suspects) {
		placed = append(placed, m.new)
		was[m.new.node] = m.old.node
	}
	slices.SortFunc(placed, func(x, y item) int {
		if x.label < y.label {
			return -1
		}
		return 1
	})
	for _, it := range placed {
		var after []schema.Value
		if prev, ok := b.before(it); ok {
			after = prev.node.Keys()
		}
		op, old := Created, was[it.node]
		if old != nil {
			op = Moved
		}
		if !d.emit(op, entryStep(it.node), old, it.node, after) {
			return false
		}
	}
	for _, k := range kept {
		if !d.entry(k[0].node, k[1].node) {
			return false
		}
	}
	return true
}

// suspect is an entry of both lists whose label differs: it may have moved.
type suspect struct {
	old, new     item
	oldAt, newAt uint64 // label of the last fixed entry in front of it, 0 for none
}

// moved returns which suspects changed their place. Entries with equal labels
// are in the same order in both lists, because labels rise along both: those
// are fixed. A suspect between the same two fixed entries in both lists may
// have stayed; of these, a longest sequence in the same order did.
func moved(a, b *list, suspects []suspect) []suspect {
	if len(suspects) == 0 {
		return nil
	}
	fixed := func(l, other *list, it item) bool {
		o, ok := other.keyed.get(&probe{keys: it.node.Keys()})
		return ok && o.label == it.label
	}
	anchors := func(l, other *list, label func(*suspect) uint64, set func(*suspect, uint64)) {
		slices.SortFunc(suspects, func(x, y suspect) int {
			if label(&x) < label(&y) {
				return -1
			}
			return 1
		})
		for i := range suspects {
			s := &suspects[i]
			at := item{label: label(s)}
			for {
				prev, ok := l.before(at)
				if !ok {
					set(s, 0)
					break
				}
				if fixed(l, other, prev) {
					set(s, prev.label)
					break
				}
				if i > 0 && prev.label == label(&suspects[i-1]) {
					p := &suspects[i-1]
					if l == a {
						set(s, p.oldAt)
					} else {
						set(s, p.newAt)
					}
					break
				}
				at = prev
			}
		}
	}
	anchors(a, b, func(s *suspect) uint64 { return s.old.label }, func(s *suspect, at uint64) { s.oldAt = at })
	anchors(b, a, func(s *suspect) uint64 { return s.new.label }, func(s *suspect, at uint64) { s.newAt = at })
	// suspects are in their new order now.
	var out, stay []suspect
	for _, s := range suspects {
		if s.oldAt != s.newAt {
			out = append(out, s)
		} else {
			stay = append(stay, s)
		}
	}
	keep := longestRising(stay)
	for i, s := range stay {
		if !keep[i] {
			out = append(out, s)
		}
	}
	return out
}

// longestRising marks a longest subsequence of s with rising old labels.
func longestRising(s []suspect) []bool {
	var tails []int // index of the least end of a rising run of each length
	prev := make([]int, len(s))
	for i := range s {
		k, _ := slices.BinarySearchFunc(tails, s[i].old.label, func(t int, label uint64) int {
			if s[t].old.label < label {
				return -1
			}
			return 1
		})
		prev[i] = -1
		if k > 0 {
			prev[i] = tails[k-1]
		}
		if k == len(tails) {
			tails = append(tails, i)
		} else {
			tails[k] = i
		}
	}
	keep := make([]bool, len(s))
	if len(tails) > 0 {
		for i := tails[len(tails)-1]; i >= 0; i = prev[i] {
			keep[i] = true
		}
	}
	return keep
}
