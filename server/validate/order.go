package validate

import (
	"cmp"
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// inOrder sorts errors by where their paths are in root, and drops repetitions.
func inOrder(errs yangerr.List, root *tree.Node) yangerr.List {
	slices.SortStableFunc(errs, func(a, b *yangerr.Error) int {
		pa, _ := a.Path.(tree.Path)
		pb, _ := b.Path.(tree.Path)
		return cmp.Or(comparePaths(pa, pb, root), cmp.Compare(a.AppTag, b.AppTag), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(errs, func(a, b *yangerr.Error) bool {
		pa, _ := a.Path.(tree.Path)
		pb, _ := b.Path.(tree.Path)
		return a.Tag == b.Tag && a.AppTag == b.AppTag && a.Message == b.Message && pa.Equal(pb)
	})
}

// comparePaths orders paths as their instances stand in root, ancestors first.
func comparePaths(a, b tree.Path, root *tree.Node) int {
	for i := range min(len(a), len(b)) {
		x, y := &a[i], &b[i]
		if x.Node != y.Node {
			return cmp.Or(cmp.Compare(keyRank(x.Node), keyRank(y.Node)), cmp.Compare(x.Node.Index, y.Node.Index))
		}
		if slices.Equal(x.Keys, y.Keys) {
			continue
		}
		if x.Node.UserOrdered && len(x.Keys) > 0 && len(y.Keys) > 0 {
			whole := append(a[:i:i], tree.Step{Node: x.Node})
			if h := root.Get(whole); h != nil {
				px, py := h.Position(x.Keys...), h.Position(y.Keys...)
				if px >= 0 && py >= 0 {
					return cmp.Compare(px, py)
				}
			}
		}
		return slices.CompareFunc(x.Keys, y.Keys, schema.Compare)
	}
	return cmp.Compare(len(a), len(b))
}

// keyRank puts keys in front of their siblings.
func keyRank(n *schema.Node) int {
	if n.IsKey() {
		return n.KeyIndex()
	}
	return 1 << 30
}
