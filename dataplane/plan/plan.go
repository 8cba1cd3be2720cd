// Package plan works out what has to be done to a data plane: pure functions
// from desired and actual objects to ordered operations, which print as text.
//
// Make before break: sections come first, then LSPs that take an incoming
// label, then those that send IP clients into a label; what is no longer
// wanted goes last, in the opposite order. Objects of one rank are in the order
// of their names, so that a plan is the same each time.
package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/dataplane"
)

// Full returns the operations that lead from actual to desired. Applied to
// actual they leave nothing to do. If a key occurs twice in desired, the last
// counts.
func Full(actual, desired []dataplane.Object) []dataplane.Op {
	have := make(map[dataplane.Key]dataplane.Object, len(actual))
	for _, o := range actual {
		have[o.Key()] = o
	}
	want := make(map[dataplane.Key]dataplane.Object, len(desired))
	for _, o := range desired {
		want[o.Key()] = o
	}
	var ops []dataplane.Op
	for k, o := range want {
		if old, ok := have[k]; !ok || !old.Equal(o) {
			ops = append(ops, dataplane.Op{Verb: dataplane.Put, Key: k, Object: o})
		}
	}
	for k := range have {
		if _, ok := want[k]; !ok {
			ops = append(ops, dataplane.Op{Verb: dataplane.Delete, Key: k})
		}
	}
	Order(ops)
	return ops
}

// Delta returns the operations that make d of current, in O(d). What d puts
// unchanged, and what it deletes but current does not have, needs none.
func Delta(current map[dataplane.Key]dataplane.Object, d dataplane.Delta) []dataplane.Op {
	ops := make([]dataplane.Op, 0, len(d.Put)+len(d.Delete))
	for _, o := range d.Put {
		if old, ok := current[o.Key()]; !ok || !old.Equal(o) {
			ops = append(ops, dataplane.Op{Verb: dataplane.Put, Key: o.Key(), Object: o})
		}
	}
	for _, k := range d.Delete {
		if _, ok := current[k]; ok {
			ops = append(ops, dataplane.Op{Verb: dataplane.Delete, Key: k})
		}
	}
	Order(ops)
	return ops
}

// Order sorts ops in place to make before break.
func Order(ops []dataplane.Op) {
	slices.SortFunc(ops, func(a, b dataplane.Op) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)),
			strings.Compare(a.Key.Name, b.Key.Name),
			cmp.Compare(a.Verb, b.Verb),
		)
	})
}

// rank gives the place of an operation in a plan: puts up the kinds, then
// deletes down the kinds.
func rank(op dataplane.Op) int {
	const deletes = 1000
	if op.Verb == dataplane.Delete {
		return deletes - int(op.Key.Kind)
	}
	if l, ok := op.Object.(dataplane.LSP); ok && l.Op == dataplane.ImposeAndForward {
		return 2*int(op.Key.Kind) + 1
	}
	return 2 * int(op.Key.Kind)
}

// Print prints ops, one on a line: "+" and the object put, "-" and the key
// deleted.
func Print(ops []dataplane.Op) string {
	var b strings.Builder
	for _, op := range ops {
		if op.Verb == dataplane.Delete {
			b.WriteString("- " + op.Key.String() + "\n")
		} else {
			b.WriteString("+ " + op.Object.String() + "\n")
		}
	}
	return b.String()
}
