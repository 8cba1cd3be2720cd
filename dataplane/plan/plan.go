// Package plan works out what has to be done to a data plane: pure functions
// from desired and actual objects to ordered operations, which print as text.
//
// Make before break: what others refer to comes before them, so sections are
// first, then LSPs and groups in the order in which they enter each other, then
// pseudowires, services and switching points; what is no longer wanted goes
// last, in the opposite order. Objects of one level are in the order of their
// kinds and names, so that a plan is the same each time.
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
	Arrange(ops, in(want), in(have))
	return ops
}

func in(objects map[dataplane.Key]dataplane.Object) func(dataplane.Key) dataplane.Object {
	return func(k dataplane.Key) dataplane.Object { return objects[k] }
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
	Arrange(ops, in(current), in(current))
	return ops
}

// Order sorts ops in place to make before break, as far as they tell by
// themselves what refers to what.
func Order(ops []dataplane.Op) {
	nothing := func(dataplane.Key) dataplane.Object { return nil }
	Arrange(ops, nothing, nothing)
}

// Arrange sorts ops in place to make before break: an object is put after
// everything that it refers to, and deleted before that. desired finds what
// there will be and is not in ops, old what there was; both return nil for what
// they do not know.
func Arrange(ops []dataplane.Op, desired, old func(dataplane.Key) dataplane.Object) {
	puts := make(map[dataplane.Key]dataplane.Object, len(ops))
	for _, op := range ops {
		if op.Verb == dataplane.Put {
			puts[op.Key] = op.Object
		}
	}
	after := levels{known: make(map[dataplane.Key]int, len(ops)), look: func(k dataplane.Key) dataplane.Object {
		if o, ok := puts[k]; ok {
			return o
		}
		return desired(k)
	}}
	before := levels{known: map[dataplane.Key]int{}, look: old}
	sorted := make([]ranked, len(ops))
	for i, op := range ops {
		sorted[i] = ranked{op: op, rank: rank{level: after.of(op.Key), kind: int(op.Key.Kind)}}
		if op.Verb == dataplane.Delete {
			sorted[i].rank = rank{deleted: 1, level: -before.of(op.Key), kind: -int(op.Key.Kind)}
		} else if l, ok := op.Object.(dataplane.LSP); ok && l.Op == dataplane.ImposeAndForward {
			sorted[i].clients = 1
		}
	}
	slices.SortFunc(sorted, func(a, b ranked) int {
		return cmp.Or(
			cmp.Compare(a.deleted, b.deleted),
			cmp.Compare(a.level, b.level),
			cmp.Compare(a.kind, b.kind),
			cmp.Compare(a.clients, b.clients),
			strings.Compare(a.op.Key.Name, b.op.Key.Name),
		)
	})
	for i, s := range sorted {
		ops[i] = s.op
	}
}

// rank gives the place of an operation in a plan.
type rank struct {
	deleted int
	// level is how many references lead from the object down to a section:
	// negative in deletes.
	level int
	kind  int
	// clients is 1 for LSPs that IP clients enter: they come after those that
	// take them out again.
	clients int
}

type ranked struct {
	op dataplane.Op
	rank
}

// levels works out how far objects are from sections.
type levels struct {
	known map[dataplane.Key]int
	look  func(dataplane.Key) dataplane.Object
}

// of returns the level of an object; 0 if nothing is known about it. In a state
// that contradicts itself, which Set would refuse, a cycle is cut somewhere.
func (l levels) of(k dataplane.Key) int {
	if n, ok := l.known[k]; ok {
		return n
	}
	o := l.look(k)
	if o == nil {
		return 0
	}
	l.known[k] = 0
	n := 0
	for r := range references(o) {
		n = max(n, 1+l.of(r.key))
	}
	l.known[k] = n
	return n
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
