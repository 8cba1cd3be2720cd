package nacm

import "github.com/tandem-ne/tandem/server/tree"

// maxMemos bounds how many rights remember what they left of a datastore.
const maxMemos = 16

// memo is what was left of the datastore that was read last.
type memo struct{ root, left *tree.Node }

// ReadStore is View.ReadStore under the rules of this moment.
func (k *Checker) ReadStore(root *tree.Node) *tree.Node { return k.View().ReadStore(root) }

// ReadStore is Read for the root of a whole datastore, which will be read again: it
// remembers the result, so that reading the same tree costs nothing, and reading
// one that was made from it by an edit costs what the edit changed. Results share
// what did not change. The 16 that read last remember.
func (v View) ReadStore(root *tree.Node) *tree.Node {
	if v.r == nil || root == nil {
		return root
	}
	var m memo
	if last := v.r.memo.Load(); last != nil {
		m = *last
	}
	if m.root != root {
		d := v.r.decisions(opRead)
		m = memo{root, tree.SiftAgain(root, m.root, m.left, d.start(), d.sift, d.implied, d.few)}
		v.r.remember(&m)
	}
	if m.left == nil {
		return tree.New(root.Schema())
	}
	return m.left
}

// remember keeps m and makes who has kept one for longest forget.
func (r *rights) remember(m *memo) {
	rs := r.rules
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.memo.Load() == nil {
		if len(rs.memos) == maxMemos {
			rs.memos[0].memo.Store(nil)
			rs.memos = append(rs.memos[:0], rs.memos[1:]...)
		}
		rs.memos = append(rs.memos, r)
	}
	r.memo.Store(m)
}
