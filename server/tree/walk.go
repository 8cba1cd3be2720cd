package tree

import (
	"iter"
	"slices"
)

// Walk calls fn for n, found at path p, and for all nodes below it in document
// order. Holders are passed over, unless n is one, whose entries are then
// walked. fn returns false to stay out of the node's children. The paths may be
// kept.
func Walk(n *Node, p Path, fn func(Path, *Node) bool) {
	Scan(n, p, func(p Path, n *Node) bool { return fn(slices.Clone(p), n) })
}

// Scan is Walk with one path that is written over: fn must copy what it keeps
// of it. The Keys of its steps may be kept.
func Scan(n *Node, p Path, fn func(Path, *Node) bool) {
	if n == nil {
		return
	}
	w := walker{path: append(make(Path, 0, len(p)+8), p...), fn: fn}
	if !n.IsHolder() {
		w.node(n)
		return
	}
	if len(w.path) == 0 {
		w.path = append(w.path, Step{})
	}
	w.entries(n)
}

type walker struct {
	path Path // of the node being visited
	fn   func(Path, *Node) bool
}

func (w *walker) node(n *Node) {
	if !w.fn(w.path, n) || n.in == nil {
		return
	}
	for _, k := range n.in.kids {
		w.path = append(w.path, Step{Node: k.schema})
		if k.IsHolder() {
			w.entries(k)
		} else {
			w.node(k)
		}
		w.path = w.path[:len(w.path)-1]
	}
}

// entries visits the entries of h, whose path ends in a step without keys.
func (w *walker) entries(h *Node) {
	last := len(w.path) - 1
	pos := 0
	h.in.list.each(func(it item) bool {
		pos++
		st := entryStep(it.node)
		if h.in.list.mode == keyless {
			st.Pos = pos
		}
		w.path[last] = st
		w.node(it.node)
		return true
	})
}

// Expand yields c and, if a subtree was Created or Deleted, one such change for
// every node below its top.
func Expand(c Change) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		if c.Op != Created && c.Op != Deleted {
			yield(c)
			return
		}
		top, going := c.New, true
		if c.Op == Deleted {
			top = c.Old
		}
		first := true
		Walk(top, c.Path, func(p Path, n *Node) bool {
			if !going {
				return false
			}
			sub := Change{Op: c.Op, Path: p}
			if first {
				sub.After, first = c.After, false
			}
			if c.Op == Created {
				sub.New = n
			} else {
				sub.Old = n
			}
			going = yield(sub)
			return going
		})
	}
}

// Edits returns edits that lead from old to new: Apply(old, Edits(old, new))
// equals new. Their content is shared with new. A list without keys that changed
// is replaced as a whole.
func Edits(old, new *Node) []Edit {
	var edits []Edit
	var whole Path // the list without keys that was replaced last
	for c := range Diff(old, new) {
		if i := positionStep(c.Path); i >= 0 {
			p := append(Path(nil), c.Path[:i+1]...)
			p[i] = Step{Node: p[i].Node}
			if whole == nil || !p.Equal(whole) {
				whole = p
				edits = append(edits, Edit{Op: Replace, Path: p, Tree: new.Get(p)})
			}
			continue
		}
		edits = append(edits, c.edit())
	}
	return edits
}

func positionStep(p Path) int {
	for i := range p {
		if p[i].Pos > 0 {
			return i
		}
	}
	return -1
}

// edit returns the edit that performs c.
func (c *Change) edit() Edit {
	ed := Edit{Op: Replace, Path: c.Path}
	if c.Op == Deleted {
		// Remove, as another edit may have taken it away with a case of a choice.
		ed.Op = Remove
		return ed
	}
	if c.New.in == nil {
		ed.Value = c.New.value
	} else {
		ed.Tree = c.New
	}
	if c.Op == Moved {
		ed.Op, ed.Tree = Merge, nil
	}
	if modeOf(c.New.schema) == positional {
		ed.Insert = First
		if c.After != nil {
			ed.Insert, ed.Where = After, c.After
		}
	}
	return ed
}
