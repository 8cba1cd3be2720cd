package tree

import (
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// inHolder performs ed on, or below, the entry or the whole of a list or
// leaf-list below n; holder is what n has of it.
func (e *editor) inHolder(n, holder *Node, ed *Edit, i int) (*Node, *yangerr.Error) {
	st := &ed.Path[i]
	s := st.Node
	last := i == len(ed.Path)-1
	keys := st.Keys
	if last && s.Kind == schema.LeafList && len(keys) == 0 && !ed.Value.IsZero() {
		keys = []schema.Value{ed.Value}
	}
	if len(keys) == 0 && st.Pos == 0 {
		switch {
		case last && (modeOf(s) != keyless || ed.Tree == nil || ed.Tree.IsHolder()):
			return e.whole(n, holder, ed)
		case modeOf(s) == keyless && ed.makes():
			// Every edit on a list without keys makes an entry of its own.
		default:
			return nil, yangerr.New(yangerr.MissingElement, ed.Path[:i+1], "An entry of list %q is named by its keys.", s.Name).
				WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name})
		}
	} else if want := keyCount(s); len(keys) != want {
		return nil, yangerr.New(yangerr.MissingElement, ed.Path[:i+1], "%q takes %d keys, not %d.", s.Name, want, len(keys)).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name})
	}
	var old item
	found := false
	if holder != nil {
		if st.Pos > 0 {
			if found = st.Pos <= holder.Len(); found {
				old = holder.in.list.at(st.Pos - 1)
			}
		} else {
			old, found = holder.in.list.find(s, keys)
		}
	}
	if last {
		return e.entry(n, holder, ed, keys, old, found)
	}
	if s.Kind == schema.LeafList {
		return nil, yangerr.New(yangerr.UnknownElement, ed.Path, "A leaf-list has no children.")
	}
	entry := old.node
	if !found {
		if !ed.makes() {
			if ed.Op == Remove {
				return n, nil
			}
			return nil, missing(ed, i)
		}
		entry = e.freshEntry(s, keys)
	}
	next, err := e.below(entry, ed, i+1)
	if err != nil {
		return nil, err
	}
	if next == old.node {
		return n, nil
	}
	return e.keep(n, holder, next, keys, old, found), nil
}

func keyCount(s *schema.Node) int {
	if s.Kind == schema.LeafList {
		return 1
	}
	return len(s.Keys)
}

// keep stores entry next where old was, or as the last one.
func (e *editor) keep(n, holder, next *Node, keys []schema.Value, old item, found bool) *Node {
	h := e.ownHolder(holder, next.schema)
	if found {
		h.in.list.store(e.t, next, keys, old.label)
	} else {
		h.in.list.put(e.t, next, keys)
	}
	return e.adopt(n, holder, h)
}

func (e *editor) ownHolder(holder *Node, s *schema.Node) *Node {
	if holder == nil {
		return e.freshHolder(s)
	}
	return e.own(holder)
}

// entry performs ed on one entry.
func (e *editor) entry(n, holder *Node, ed *Edit, keys []schema.Value, old item, found bool) (*Node, *yangerr.Error) {
	s := ed.Path[len(ed.Path)-1].Node
	switch ed.Op {
	case None:
		if !found {
			return nil, missing(ed, len(ed.Path)-1)
		}
		return n, nil
	case Delete, Remove:
		if !found {
			if ed.Op == Delete {
				return nil, missing(ed, len(ed.Path)-1)
			}
			return n, nil
		}
		h := e.own(holder)
		h.in.list.drop(e.t, old)
		if h.Len() > 0 {
			return e.adopt(n, holder, h), nil
		}
		n = e.own(n)
		e.dropKid(n, s)
		return n, nil
	case Create:
		if found {
			return nil, exists(ed)
		}
	}
	if err := e.checkContent(ed, s, keys); err != nil {
		return nil, err
	}
	if err := e.checkPlace(ed, holder); err != nil {
		return nil, err
	}
	next := old.node
	switch {
	case s.Kind == schema.LeafList:
		if !found {
			next = NewLeaf(s, keys[0])
		}
	case found && ed.Op == Merge:
		if ed.Tree != nil {
			next = e.own(old.node)
			e.merge(next, ed.Tree)
		}
	case ed.Tree != nil:
		next = ed.Tree
	default:
		next = e.freshEntry(s, keys)
	}
	self := ed.Insert >= Before && len(ed.Where) > 0 && found && compareKeys(ed.Where, old.node) == 0
	if ed.Insert == Default || self {
		if next == old.node {
			return n, nil
		}
		return e.keep(n, holder, next, keys, old, found), nil
	}
	h := e.ownHolder(holder, s)
	h.in.list.place(e.t, next, keys, ed.Insert, ed.Where)
	return e.adopt(n, holder, h), nil
}

// checkContent refuses content that is no entry of s with these keys.
func (e *editor) checkContent(ed *Edit, s *schema.Node, keys []schema.Value) *yangerr.Error {
	t := ed.Tree
	if t == nil || s.Kind == schema.LeafList || modeOf(s) == keyless {
		return nil
	}
	if t.schema == s && !t.IsHolder() && compareKeys(keys, t) == 0 {
		return nil
	}
	return yangerr.New(yangerr.InvalidValue, ed.Path, "The content's keys contradict the keys of the entry.")
}

// checkPlace refuses a place on what has no order of its own (RFC 7950 section
// 8.3.1), and an anchor that does not exist (section 15.7).
func (e *editor) checkPlace(ed *Edit, holder *Node) *yangerr.Error {
	if ed.Insert == Default {
		return nil
	}
	s := ed.Path[len(ed.Path)-1].Node
	bad := func(tag yangerr.Tag, attribute, format string, args ...any) *yangerr.Error {
		return yangerr.New(tag, ed.Path, format, args...).WithInfo(
			yangerr.Info{Name: yangerr.InfoBadAttribute, Value: attribute},
			yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name})
	}
	if modeOf(s) != positional {
		return bad(yangerr.UnknownAttribute, "insert", "%q is not ordered by the user.", s.Name)
	}
	if ed.Insert == First || ed.Insert == Last {
		return nil
	}
	if holder != nil {
		if _, ok := holder.in.list.find(s, ed.Where); ok {
			return nil
		}
	}
	attribute := "key"
	if s.Kind == schema.LeafList {
		attribute = "value"
	}
	return bad(yangerr.BadAttribute, attribute, "The entry to insert before or after does not exist.").
		WithAppTag(yangerr.AppMissingInstance)
}

// whole performs ed on a list or leaf-list with all its entries.
func (e *editor) whole(n, holder *Node, ed *Edit) (*Node, *yangerr.Error) {
	s := ed.Path[len(ed.Path)-1].Node
	switch {
	case holder == nil && (ed.Op == None || ed.Op == Delete):
		return nil, missing(ed, len(ed.Path)-1)
	case holder != nil && ed.Op == Create:
		return nil, exists(ed)
	case ed.Op == None, ed.Op == Merge && ed.Tree == nil:
		return n, nil
	case ed.Tree != nil && (ed.Tree.schema != s || !ed.Tree.IsHolder()):
		return nil, yangerr.New(yangerr.MissingElement, ed.Path, "An entry of %q is named by its keys.", s.Name).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name})
	case ed.Op == Merge && holder != nil:
		h := e.own(holder)
		e.mergeHolder(h, ed.Tree)
		return e.adopt(n, holder, h), nil
	case ed.Op == Delete || ed.Op == Remove || ed.Tree == nil:
		if holder == nil {
			return n, nil
		}
		n = e.own(n)
		e.dropKid(n, s)
		return n, nil
	}
	return e.adopt(n, holder, ed.Tree), nil
}

// merge brings the content of src into dst, a container or entry of the same
// schema node that the batch owns. It shares what dst does not have.
func (e *editor) merge(dst, src *Node) {
	if src.in == nil {
		return
	}
	for _, kid := range src.in.kids {
		have := dst.Child(kid.schema)
		switch {
		case have == kid:
		case have == nil:
			if isEmpty(kid) {
				continue
			}
			e.clearOtherCases(dst, kid.schema)
			e.setKid(dst, kid)
		case kid.IsHolder():
			h := e.own(have)
			e.mergeHolder(h, kid)
			e.setKid(dst, h)
		case kid.schema.Kind == schema.Container:
			c := e.own(have)
			e.merge(c, kid)
			e.setKid(dst, c)
		case kid.in != nil || kid.value != have.value:
			e.setKid(dst, kid)
		}
	}
}

// mergeHolder brings the entries of src into dst, a holder that the batch owns.
func (e *editor) mergeHolder(dst, src *Node) {
	l := dst.in.list
	src.in.list.each(func(it item) bool {
		keys := it.node.Keys()
		old, found := l.find(dst.schema, keys)
		switch {
		case !found:
			l.put(e.t, it.node, keys)
		case old.node == it.node || it.node.in == nil:
		default:
			next := e.own(old.node)
			e.merge(next, it.node)
			l.store(e.t, next, keys, old.label)
		}
		return true
	})
}

// MergeTrees returns the union of base and over, instances of the same schema
// node; where both have a leaf it is that of over. A nil tree is empty. What
// only one of them has is shared.
func MergeTrees(base, over *Node) *Node {
	if base == nil {
		return over
	}
	if over == nil || over == base {
		return base
	}
	e := editor{t: new(token)}
	base = e.own(base)
	e.merge(base, over)
	return base
}
