package validate

import (
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// Forbidden returns an unknown-element error for every node that edits make or
// set while a when around it is false in root, the result of applying them (RFC
// 7950 sections 8.3.1 and 8.3.2). What a later edit of the same request took away
// again counts for nothing. The cost follows the edits.
//
// Change finds data that is new against the last valid tree; Forbidden also finds
// a request that sets a value which is there already. It needs no State, so that
// an edit of a candidate can be answered at once.
func (v *Validator) Forbidden(root *tree.Node, edits []tree.Edit) yangerr.List {
	p := v.plan
	if !p.hasWhen || len(p.faults) > 0 {
		return nil
	}
	f := &forbidding{check: newCheck(p, nil, root), known: map[string]bool{}}
	for i := range edits {
		f.edit(&edits[i])
	}
	return inOrder(f.errs, root)
}

type forbidding struct {
	*check
	known map[string]bool // paths that were looked at
}

func (f *forbidding) edit(ed *tree.Edit) {
	if ed.Op != tree.Merge && ed.Op != tree.Replace && ed.Op != tree.Create {
		return
	}
	for i := range ed.Path {
		at := ed.Path[:i+1]
		if last := i == len(ed.Path)-1; last && at[i].Node.Kind == schema.LeafList && len(at[i].Keys) == 0 && !ed.Value.IsZero() {
			at = append(slices.Clone(ed.Path[:i]), tree.Step{Node: at[i].Node, Keys: []schema.Value{ed.Value}})
		}
		if f.plan.whenAt[at[i].Node.ID] && !f.node(at) {
			return
		}
	}
	if ed.Tree == nil {
		return
	}
	tree.Scan(ed.Tree, ed.Path, func(p tree.Path, n *tree.Node) bool {
		s := n.Schema()
		if len(p) > len(ed.Path) && f.plan.whenAt[s.ID] && !f.node(p) {
			return false
		}
		return f.plan.whenUnder[s.ID]
	})
}

// node looks at the whens of what is at p, and reports whether they are true.
func (f *forbidding) node(p tree.Path) bool {
	n := f.root.Get(p)
	if n == nil {
		return true
	}
	key := p.String()
	if ok, known := f.known[key]; known {
		return ok
	}
	f.known[key] = true
	s := p[len(p)-1].Node
	for _, cond := range f.plan.conditions[s.ID] {
		if cond.must != nil {
			continue
		}
		at := p
		if cond.expr.ContextNode() != cond.node {
			at = p[:len(p)-1]
		}
		ok, err := cond.expr.Bool(xpath.Context{Root: f.root, Path: at})
		switch {
		case err != nil:
			f.fail(yangerr.New(yangerr.OperationFailed, slices.Clone(p), "%s: %v.", cond.expr, err))
		case ok:
			continue
		default:
			f.unwanted(cond, p)
		}
		f.known[key] = false
		return false
	}
	return true
}
