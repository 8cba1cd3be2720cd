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

// head sets h to what is next.
func (c *cursor) head(h *head) {
	for len(c.stack) > 0 {
		f := &c.stack[len(c.stack)-1]
		switch {
		case f.n.kids == nil && f.i < len(f.n.items):
			h.sub, h.item = nil, f.n.items[f.i]
			return
		case f.n.kids != nil && f.i <= 2*len(f.n.items):
			if f.i%2 == 0 {
				h.sub, h.height = f.n.kids[f.i/2], f.height-1
				return
			}
			h.sub, h.item = nil, f.n.items[f.i/2]
			return
		}
		c.stack = c.stack[:len(c.stack)-1]
	}
	*h = head{end: true}
}

// skip steps over the head h and sets it to what comes behind.
func (c *cursor) skip(h *head) {
	c.stack[len(c.stack)-1].i++
	c.head(h)
}

// enter steps into the head h, a subtree, and sets it to the first of it.
func (c *cursor) enter(h *head) {
	c.stack[len(c.stack)-1].i++
	c.entered++
	c.stack = append(c.stack, frame{n: h.sub, height: h.height})
	c.head(h)
}

// least returns the first item of what is next.
func (h *head) least() *Node {
	if h.sub != nil {
		return h.sub.first().node
	}
	return h.item.node
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
	var ha, hb head
	ca.head(&ha)
	cb.head(&hb)
	// left and right step over what is only in a, or only in b.
	left := func() bool {
		if ha.sub != nil {
			ca.enter(&ha)
			return true
		}
		it := ha.item
		ca.skip(&ha)
		return fn(it, item{})
	}
	right := func() bool {
		if hb.sub != nil {
			cb.enter(&hb)
			return true
		}
		it := hb.item
		cb.skip(&hb)
		return fn(item{}, it)
	}
	for {
		switch {
		case ha.end && hb.end:
			return true
		case ha.end:
			if !right() {
				return false
			}
			continue
		case hb.end:
			if !left() {
				return false
			}
			continue
		case ha.sub != nil && ha.sub == hb.sub:
			ca.skip(&ha)
			cb.skip(&hb)
			continue
		}
		order := 0
		if la, lb := ha.least(), hb.least(); la != lb {
			order = compareEntries(la, lb)
		}
		switch {
		// Only the side that is behind advances, and where both begin with the
		// same key the taller subtree opens first: so a shared subtree is at the
		// head of both cursors at the same time, wherever it hangs.
		case order < 0:
			if !left() {
				return false
			}
		case order > 0:
			if !right() {
				return false
			}
		case ha.sub != nil && (hb.sub == nil || ha.height > hb.height):
			ca.enter(&ha)
		case hb.sub != nil && (ha.sub == nil || hb.height > ha.height):
			cb.enter(&hb)
		case ha.sub != nil:
			ca.enter(&ha)
			cb.enter(&hb)
		default:
			a, b := ha.item, hb.item
			ca.skip(&ha)
			cb.skip(&hb)
			if a != b && !fn(a, b) {
				return false
			}
		}
	}
}
