package intent

import (
	"cmp"
	"slices"

	"github.com/tandem-ne/tandem/server/tree"
)

// checkBlocks holds the label blocks against each other, and all labels against
// the blocks: it runs when a block has changed.
func (v *view) checkBlocks() {
	v.allLabels = true
	blocks := slices.Clone(v.blocks())
	slices.SortFunc(blocks, func(a, b *blockConfig) int {
		return cmp.Or(cmp.Compare(deref(a.StartLabel), deref(b.StartLabel)), cmp.Compare(deref(a.Index), deref(b.Index)))
	})
	var last *blockConfig // of those before, the one that reaches highest
	for _, b := range blocks {
		p := v.entryPath(ref{labelBlock, deref(b.Index)})
		if deref(b.EndLabel) < deref(b.StartLabel) {
			v.fail(below(p, "end-label"), "label-block-empty", "the end label of a label block is lower than its start label")
		}
		if last != nil && deref(b.StartLabel) <= deref(last.EndLabel) {
			v.fail(below(p, "start-label"), "label-blocks-overlap", "label block %q overlaps label block %q", deref(b.Index), deref(last.Index))
		}
		if last == nil || deref(b.EndLabel) > deref(last.EndLabel) {
			last = b
		}
	}
	v.state.labels.Scan(func(l label) bool {
		v.checkInBlocks(v.entryPath(ref{staticLSP, l.lsp}), l.value)
		return len(v.errors) < enoughErrors
	})
}

// checkInBlocks holds the incoming label of the LSP at p against the blocks.
func (v *view) checkInBlocks(p tree.Path, value uint32) {
	blocks := v.blocks()
	if len(blocks) == 0 {
		return
	}
	for _, b := range blocks {
		if deref(b.StartLabel) <= value && value <= deref(b.EndLabel) {
			return
		}
	}
	v.fail(below(p, "in-segment", "incoming-label"), "label-outside-blocks", "the incoming label is outside every static label block")
}
