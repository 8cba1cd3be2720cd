package tree

import (
	"github.com/tandem-ne/tandem/server/schema"
)

// mode is how a holder orders and finds its entries.
type mode uint8

const (
	sorted     mode = iota // by key
	positional             // in an order of their own, found by key
	keyless                // in an order of their own, found by position only
)

// list is the content of a holder: one B-tree by key, one by label, or both.
// Labels rise along the order of the entries with gaps between them, so that
// an insertion or a move touches one entry; only when a gap is used up are all
// labels dealt out anew.
type list struct {
	mode  mode
	keyed *bnode // nil if keyless
	order *bnode // nil if sorted
}

const (
	labelStart = uint64(1) << 63
	labelGap   = uint64(1) << 32
)

// modeOf tells how the entries of s are held. Lists and leaf-lists with
// ordered-by user keep their order; so do leaf-lists of state, RPCs and
// notifications, where ordered-by means nothing but the order often does.
func modeOf(s *schema.Node) mode {
	switch {
	case s.Kind == schema.List && len(s.Keys) == 0:
		return keyless
	case s.UserOrdered || s.Kind == schema.LeafList && !s.Config:
		return positional
	}
	return sorted
}

func (l *list) len() int {
	if l.mode == sorted {
		return l.keyed.len()
	}
	return l.order.len()
}

// sequence returns the B-tree in the order of the entries.
func (l *list) sequence() *bnode {
	if l.mode == sorted {
		return l.keyed
	}
	return l.order
}

func (l *list) at(i int) item { return l.sequence().at(i) }

func (l *list) each(yield func(item) bool) bool { return l.sequence().each(yield) }

// find returns the entry with the given keys.
func (l *list) find(s *schema.Node, keys []schema.Value) (item, bool) {
	want := 1
	if s.Kind == schema.List {
		want = len(s.Keys)
	}
	if l.mode == keyless || len(keys) != want {
		return item{}, false
	}
	return l.keyed.get(&probe{keys: keys})
}

// rankOf returns the position of it, an item of l.
func (l *list) rankOf(it item) int {
	if l.mode == sorted {
		return l.keyed.rank(&probe{keys: it.node.Keys()})
	}
	return l.order.rank(&probe{label: it.label, byLabel: true})
}

// store puts n, whose place is known, into the B-trees.
func (l *list) store(t *token, n *Node, keys []schema.Value, label uint64) {
	it := item{node: n, label: label}
	if l.mode != keyless {
		l.keyed = l.keyed.set(t, &probe{keys: keys}, it)
	}
	if l.mode != sorted {
		l.order = l.order.set(t, &probe{label: label, byLabel: true}, it)
	}
}

// put replaces the entry with the same keys, which keeps its place, or adds n
// as the last one.
func (l *list) put(t *token, n *Node, keys []schema.Value) {
	switch l.mode {
	case sorted:
		l.store(t, n, keys, 0)
		return
	case positional:
		if old, ok := l.keyed.get(&probe{keys: keys}); ok {
			l.store(t, n, keys, old.label)
			return
		}
	}
	l.store(t, n, keys, l.newLabel(t, Last, item{}))
}

// place adds n at a place, or moves the entry with the same keys there with n
// as its new content. The anchor of Before and After is an item of l other than
// that entry. Only for positional lists.
func (l *list) place(t *token, n *Node, keys []schema.Value, where Insert, anchor []schema.Value) {
	if old, ok := l.keyed.get(&probe{keys: keys}); ok {
		l.drop(t, old)
	}
	var at item
	if where == Before || where == After {
		at, _ = l.keyed.get(&probe{keys: anchor})
	}
	l.store(t, n, keys, l.newLabel(t, where, at))
}

// drop removes an item of l.
func (l *list) drop(t *token, it item) {
	if l.mode != keyless {
		l.keyed = l.keyed.remove(t, &probe{keys: it.node.Keys()})
	}
	if l.mode != sorted {
		l.order = l.order.remove(t, &probe{label: it.label, byLabel: true})
	}
}

// newLabel returns a free label at a place beside the item at.
func (l *list) newLabel(t *token, where Insert, at item) uint64 {
	if l.order == nil {
		return labelStart
	}
	for {
		lo, hi := uint64(0), ^uint64(0)
		switch where {
		case First:
			hi = l.order.first().label
			if hi > labelGap {
				return hi - labelGap
			}
		case Before, After:
			i := l.order.rank(&probe{label: at.label, byLabel: true})
			if where == After {
				i++
			}
			if i > 0 {
				lo = l.order.at(i - 1).label
			}
			switch {
			case i < l.order.len():
				hi = l.order.at(i).label
			case lo < hi-labelGap:
				return lo + labelGap
			}
			if i == 0 && hi > labelGap {
				return hi - labelGap
			}
		default:
			lo = l.order.last().label
			if lo < hi-labelGap {
				return lo + labelGap
			}
		}
		if hi-lo > 1 {
			return lo + (hi-lo)/2
		}
		l.renumber(t)
		if where == Before || where == After {
			at, _ = l.keyed.get(&probe{keys: at.node.Keys()})
		}
	}
}

// renumber deals out all labels anew, evenly.
func (l *list) renumber(t *token) {
	old := l.order
	l.order = nil
	label := labelStart - uint64(old.len()/2)*labelGap
	old.each(func(it item) bool {
		var keys []schema.Value
		if l.mode != keyless {
			keys = it.node.Keys()
		}
		l.store(t, it.node, keys, label)
		label += labelGap
		return true
	})
}

// before returns the item in front of it, an item of a positional list, if there is one.
func (l *list) before(it item) (item, bool) {
	i := l.order.rank(&probe{label: it.label, byLabel: true})
	if i == 0 {
		return item{}, false
	}
	return l.order.at(i - 1), true
}
