// Package validate checks a configuration tree against the constraints of its
// schema (RFC 7950 section 8), at a cost that follows the change.
//
// The indexes that make this possible, of leafref targets and of unique
// statements, are one persistent State that travels beside a root. The
// datastore keeps the State of running and, for a commit, does
//
//	next, errs := v.Change(state, candidate) // state may be nil: everything is checked
//	...                                       // errs empty: journal, swap
//	state = next                              // next.Root() == candidate
//
// A State never changes; validating a candidate and throwing the result away
// costs nothing afterwards. Any number of goroutines may validate against the
// same State.
package validate

import (
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// State is a root that was found valid, with the indexes over it.
type State struct {
	root  *tree.Node
	index index
}

// Root returns the tree that the State belongs to.
func (s *State) Root() *tree.Node { return s.root }

// Context is what a Rule looks at.
type Context struct {
	Schema  *schema.Schema
	Old     *tree.Node // never nil: the empty tree if everything is validated
	New     *tree.Node
	Changes []tree.Change // from Old to New
}

// Rule is a constraint that the schema's own statements do not express. Check is
// called for every validation whose Changes are not empty and returns all
// violations; it must be safe for concurrent use. A rule that looks only at what
// Changes touch must find every violation that they can cause, because Old is
// known to be valid.
type Rule interface {
	Check(ctx *Context) yangerr.List
}

// Validator checks trees of one schema. It is safe for concurrent use.
type Validator struct {
	plan  *plan
	rules []Rule
}

// New returns a Validator for s with additional rules.
func New(s *schema.Schema, rules ...Rule) *Validator {
	return &Validator{plan: compile(s), rules: rules}
}

// Full checks all of root.
func (v *Validator) Full(root *tree.Node) (*State, yangerr.List) {
	return v.Change(nil, root)
}

// Change checks what differs between prev's root and root, and everything if
// prev is nil. It returns all errors, in document order, with the tags, app-tags,
// paths and info of RFC 7950 section 15; the State is nil then.
func (v *Validator) Change(prev *State, root *tree.Node) (*State, yangerr.List) {
	if len(v.plan.faults) > 0 {
		return nil, slices.Clone(v.plan.faults)
	}
	c := newCheck(v.plan, prev, root)
	c.collect()
	errs := c.verify(prev == nil)
	if len(c.changes) > 0 {
		ctx := &Context{Schema: v.plan.schema, Old: c.old, New: root, Changes: c.changes}
		for _, r := range v.rules {
			errs = append(errs, r.Check(ctx)...)
		}
	}
	if len(errs) > 0 {
		return nil, inOrder(errs, root)
	}
	return &State{root: root, index: c.index}, nil
}
