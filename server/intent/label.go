package intent

import (
	"cmp"
	"slices"
)

// checkBlocks holds the label blocks against each other: it runs when a block has
// changed.
func (v *view) checkBlocks() {
	blocks := slices.Clone(v.blocks())
	slices.SortFunc(blocks, func(a, b *blockConfig) int {
		return cmp.Or(cmp.Compare(deref(a.StartLabel), deref(b.StartLabel)), cmp.Compare(deref(a.Index), deref(b.Index)))
	})
	var last *blockConfig // of those before, the one that reaches highest
	for _, b := range blocks {
		if last != nil && deref(b.StartLabel) <= deref(last.EndLabel) {
			v.fail(below(v.entryPath(ref{labelBlock, deref(b.Index)}), "start-label"), "label-blocks-overlap",
				"label block %q overlaps label block %q", deref(b.Index), deref(last.Index))
		}
		if last == nil || deref(b.EndLabel) > deref(last.EndLabel) {
			last = b
		}
	}
}
