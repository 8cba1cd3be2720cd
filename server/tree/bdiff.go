package tree

// cursor walks a B-tree in order and can step over whole subtrees.
type cursor struct {
	stack   []frame
	entered int // subtrees stepped into: what a comparison costs
}

// frame is a bnode with the next thing to visit: in a leaf item i, in an inner
// node kid i/2 if i is even and item i/2 if it is odd.
type frame struct {
	n      *bnode
	i      int
	height int // 0 for a leaf
}

// head is what is next in a cursor: a subtree, an item, or nothing.
type head struct {
	sub    *bnode
	height int
	item   item
	end    bool
}

func newCursor(root *bnode) *cursor {
	c := &cursor{stack: make([]frame, 0, 8)}
	if root != nil {
		h := 0
		for n := root; n.kids != nil; n = n.kids[0] {
			h++
		}
		c.stack = append(c.stack, frame{n: root, height: h})
	}
	return c
}

func (c *cursor) head() head {
	for len(c.stack) > 0 {
		f := &c.stack[len(c.stack)-1]
		switch {
		case f.n.kids == nil && f.i < len(f.n.items):
			return head{item: f.n.items[f.i]}
		case f.n.kids != nil && f.i <= 2*len(f.n.items):
			if f.i%2 == 0 {
				return head{sub: f.n.kids[f.i/2], height: f.height - 1}
			}
			return head{item: f.n.items[f.i/2]}
		}
		c.stack = c.stack[:len(c.stack)-1]
	}
	return head{end: true}
}

// skip steps over the head.
func (c *cursor) skip() { c.stack[len(c.stack)-1].i++ }

// enter steps into the head, a subtree.
func (c *cursor) enter(h head) {
	c.skip()
	c.entered++
	c.stack = append(c.stack, frame{n: h.sub, height: h.height})
}

// least returns the first item of what is next.
func (h head) least() item {
	if h.sub != nil {
		return h.sub.first()
	}
	return h.item
}

// diffItems calls fn for every item that is only in a (b is zero), only in b
// (a is zero), or in both under one key but with another node or label. Both
// trees are ordered by key. Subtrees that they share cost nothing.
func diffItems(a, b *bnode, fn func(a, b item) bool) bool {
	if a == b {
		return true
	}
	return diffCursors(newCursor(a), newCursor(b), fn)
}

func diffCursors(ca, cb *cursor, fn func(a, b item) bool) bool {
	for {
		ha, hb := ca.head(), cb.head()
		switch {
		case ha.end && hb.end:
			return true
		case ha.end:
			if hb.sub != nil {
				cb.enter(hb)
			} else if cb.skip(); !fn(item{}, hb.item) {
				return false
			}
			continue
		case hb.end:
			if ha.sub != nil {
				ca.enter(ha)
			} else if ca.skip(); !fn(ha.item, item{}) {
				return false
			}
			continue
		case ha.sub != nil && ha.sub == hb.sub:
			ca.skip()
			cb.skip()
			continue
		}
		la, lb := ha.least(), hb.least()
		order := 0
		if la.node != lb.node {
			order = compareEntries(la.node, lb.node)
		}
		switch {
		// Only the side that is behind advances, and where both begin with the
		// same key the taller subtree opens first: so a shared subtree is at the
		// head of both cursors at the same time, wherever it hangs.
		case order < 0:
			if ha.sub != nil {
				ca.enter(ha)
			} else if ca.skip(); !fn(ha.item, item{}) {
				return false
			}
		case order > 0:
			if hb.sub != nil {
				cb.enter(hb)
			} else if cb.skip(); !fn(item{}, hb.item) {
				return false
			}
		case ha.sub != nil && (hb.sub == nil || ha.height > hb.height):
			ca.enter(ha)
		case hb.sub != nil && (ha.sub == nil || hb.height > ha.height):
			cb.enter(hb)
		case ha.sub != nil:
			ca.enter(ha)
			cb.enter(hb)
		default:
			ca.skip()
			cb.skip()
			if ha.item != hb.item && !fn(ha.item, hb.item) {
				return false
			}
		}
	}
}
