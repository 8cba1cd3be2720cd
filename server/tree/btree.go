package tree

import (
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
)

// A bnode is a node of a persistent B-tree of items. Trees that descend from
// one another share the bnodes that did not change, and diffItems skips them.
// The tree has no locks: a bnode is changed in place only by the batch that
// owns it, and no reader sees it before that batch is sealed.
type bnode struct {
	owner *token
	items []item
	kids  []*bnode // nil in a leaf, else one more than items
	size  int      // items in the whole subtree
}

// item is an entry of a holder. The label orders the entries of a positional
// list; it is 0 in others.
type item struct {
	node  *Node
	label uint64
}

const (
	maxItems = 31
	minItems = 15
)

// probe is a place in a B-tree: by key, or by label.
type probe struct {
	keys    []schema.Value
	label   uint64
	byLabel bool
}

func (p *probe) compare(it item) int {
	if p.byLabel {
		switch {
		case p.label < it.label:
			return -1
		case p.label > it.label:
			return 1
		}
		return 0
	}
	return compareKeys(p.keys, it.node)
}

// compareKeys compares keys with those of entry n, without copying either.
func compareKeys(keys []schema.Value, n *Node) int {
	if n.in == nil {
		return schema.Compare(keys[0], n.value)
	}
	for i, k := range keys {
		if c := schema.Compare(k, n.in.kids[i].value); c != 0 {
			return c
		}
	}
	return 0
}

// compareEntries orders two entries of one list by their keys.
func compareEntries(a, b *Node) int {
	if a.in == nil {
		return schema.Compare(a.value, b.value)
	}
	for i := range a.schema.Keys {
		if c := schema.Compare(a.in.kids[i].value, b.in.kids[i].value); c != 0 {
			return c
		}
	}
	return 0
}

// search returns the position of p among n's items, or the kid to descend into.
func (n *bnode) search(p *probe) (int, bool) {
	lo, hi := 0, len(n.items)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch c := p.compare(n.items[mid]); {
		case c == 0:
			return mid, true
		case c < 0:
			hi = mid
		default:
			lo = mid + 1
		}
	}
	return lo, false
}

func (n *bnode) len() int {
	if n == nil {
		return 0
	}
	return n.size
}

func (n *bnode) get(p *probe) (item, bool) {
	for n != nil {
		i, ok := n.search(p)
		if ok {
			return n.items[i], true
		}
		if n.kids == nil {
			return item{}, false
		}
		n = n.kids[i]
	}
	return item{}, false
}

// at returns the item at position i, which must exist.
func (n *bnode) at(i int) item {
	for n.kids != nil {
		k := 0
		for ; ; k++ {
			size := n.kids[k].size
			if i < size {
				break
			}
			if i -= size; i == 0 {
				return n.items[k]
			}
			i--
		}
		n = n.kids[k]
	}
	return n.items[i]
}

// rank returns how many items are before p.
func (n *bnode) rank(p *probe) int {
	r := 0
	for n != nil {
		i, ok := n.search(p)
		r += i
		if n.kids == nil {
			return r
		}
		for _, k := range n.kids[:i] {
			r += k.size
		}
		if ok {
			return r + n.kids[i].size
		}
		n = n.kids[i]
	}
	return r
}

// each calls yield for all items in order until it returns false.
func (n *bnode) each(yield func(item) bool) bool {
	if n == nil {
		return true
	}
	for i, it := range n.items {
		if n.kids != nil && !n.kids[i].each(yield) {
			return false
		}
		if !yield(it) {
			return false
		}
	}
	return n.kids == nil || n.kids[len(n.items)].each(yield)
}

// first returns the least item of a tree that is not empty.
func (n *bnode) first() item {
	for n.kids != nil {
		n = n.kids[0]
	}
	return n.items[0]
}

// last returns the greatest item of a tree that is not empty.
func (n *bnode) last() item {
	for n.kids != nil {
		n = n.kids[len(n.kids)-1]
	}
	return n.items[len(n.items)-1]
}

func (n *bnode) own(t *token) *bnode {
	if n.owner == t {
		return n
	}
	c := &bnode{owner: t, size: n.size}
	c.items = append(make([]item, 0, min(len(n.items)+2, maxItems+1)), n.items...)
	if n.kids != nil {
		c.kids = append(make([]*bnode, 0, min(len(n.kids)+2, maxItems+2)), n.kids...)
	}
	return c
}

// set puts it at p, in place of the item that is there, and returns the new tree.
func (n *bnode) set(t *token, p *probe, it item) *bnode {
	if n == nil {
		return &bnode{owner: t, items: []item{it}, size: 1}
	}
	root, up, right := n.insert(t, p, it)
	if right == nil {
		return root
	}
	return &bnode{
		owner: t, items: []item{up}, kids: []*bnode{root, right},
		size: root.size + 1 + right.size,
	}
}

// insert does the work of set below the root. A node that had to be split
// returns the item between its halves and the right half.
func (n *bnode) insert(t *token, p *probe, it item) (self *bnode, up item, right *bnode) {
	n = n.own(t)
	i, ok := n.search(p)
	if ok {
		n.items[i] = it
		return n, item{}, nil
	}
	if n.kids == nil {
		n.items = slices.Insert(n.items, i, it)
		n.size++
	} else {
		before := n.kids[i].size
		kid, u, r := n.kids[i].insert(t, p, it)
		n.kids[i] = kid
		if r == nil {
			n.size += kid.size - before
			return n, item{}, nil
		}
		n.items = slices.Insert(n.items, i, u)
		n.kids = slices.Insert(n.kids, i+1, r)
		n.size += kid.size + 1 + r.size - before
	}
	if len(n.items) <= maxItems {
		return n, item{}, nil
	}
	// Entries mostly arrive in order: a split at the right edge then leaves the
	// left node full instead of half empty.
	at := len(n.items) / 2
	if i == len(n.items)-1 {
		at = len(n.items) - 2
	}
	up = n.items[at]
	right = &bnode{owner: t, items: slices.Clone(n.items[at+1:])}
	clear(n.items[at:])
	n.items = n.items[:at]
	if n.kids != nil {
		right.kids = slices.Clone(n.kids[at+1:])
		clear(n.kids[at+1:])
		n.kids = n.kids[:at+1]
	}
	right.resize()
	n.resize()
	return n, up, right
}

func (n *bnode) resize() {
	n.size = len(n.items)
	for _, k := range n.kids {
		n.size += k.size
	}
}

// remove deletes the item at p, which must exist, and returns the new tree.
func (n *bnode) remove(t *token, p *probe) *bnode {
	n = n.delete(t, p)
	if len(n.items) > 0 {
		return n
	}
	if n.kids == nil {
		return nil
	}
	return n.kids[0]
}

func (n *bnode) delete(t *token, p *probe) *bnode {
	n = n.own(t)
	n.size--
	i, ok := n.search(p)
	switch {
	case n.kids == nil:
		n.items = slices.Delete(n.items, i, i+1)
		return n
	case ok:
		n.kids[i], n.items[i] = n.kids[i].deleteLast(t)
	default:
		n.kids[i] = n.kids[i].delete(t, p)
	}
	n.refill(t, i)
	return n
}

func (n *bnode) deleteLast(t *token) (*bnode, item) {
	n = n.own(t)
	n.size--
	last := len(n.items) - 1
	if n.kids == nil {
		it := n.items[last]
		n.items = slices.Delete(n.items, last, last+1)
		return n, it
	}
	kid, it := n.kids[last+1].deleteLast(t)
	n.kids[last+1] = kid
	n.refill(t, last+1)
	return n, it
}

// refill brings kid i, which may have lost an item, back to minItems: from a
// sibling that can spare one, or by joining both.
func (n *bnode) refill(t *token, i int) {
	kid := n.kids[i]
	if len(kid.items) >= minItems {
		return
	}
	if i > 0 && len(n.kids[i-1].items) > minItems {
		left := n.kids[i-1].own(t)
		last := len(left.items) - 1
		kid.items = slices.Insert(kid.items, 0, n.items[i-1])
		n.items[i-1] = left.items[last]
		left.items = slices.Delete(left.items, last, last+1)
		if kid.kids != nil {
			kid.kids = slices.Insert(kid.kids, 0, left.kids[last+1])
			left.kids = slices.Delete(left.kids, last+1, last+2)
		}
		n.kids[i-1] = left
		left.resize()
		kid.resize()
		return
	}
	if i < len(n.items) && len(n.kids[i+1].items) > minItems {
		right := n.kids[i+1].own(t)
		kid.items = append(kid.items, n.items[i])
		n.items[i] = right.items[0]
		right.items = slices.Delete(right.items, 0, 1)
		if kid.kids != nil {
			kid.kids = append(kid.kids, right.kids[0])
			right.kids = slices.Delete(right.kids, 0, 1)
		}
		n.kids[i+1] = right
		right.resize()
		kid.resize()
		return
	}
	if i == len(n.items) {
		i--
	}
	left, right := n.kids[i].own(t), n.kids[i+1]
	left.items = append(append(left.items, n.items[i]), right.items...)
	left.kids = append(left.kids, right.kids...)
	left.resize()
	n.items = slices.Delete(n.items, i, i+1)
	n.kids[i] = left
	n.kids = slices.Delete(n.kids, i+1, i+2)
}
