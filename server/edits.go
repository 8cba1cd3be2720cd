package server

import (
	"strconv"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// edits collects state to publish below one instance. Names are those of the
// model; a name that is not there is a fault of this package, which the tests of
// every publisher meet.
type edits struct {
	at  tree.Path
	all []tree.Edit
}

// below returns the path of a child container.
func below(at tree.Path, names ...string) tree.Path {
	for _, name := range names {
		at = at.Child(at[len(at)-1].Node.Child(name))
	}
	return at
}

// set puts a leaf; the last name is the leaf's. The value is in canonical form.
func (e *edits) set(value string, names ...string) {
	p := below(e.at, names...)
	leaf := p[len(p)-1].Node
	e.all = append(e.all, tree.Edit{Op: tree.Merge, Path: p, Value: schema.StringValue(leaf.Type, value)})
}

func (e *edits) setUint(value uint64, names ...string) {
	e.set(strconv.FormatUint(value, 10), names...)
}

func (e *edits) setTime(t time.Time, names ...string) {
	e.set(dateAndTime(t), names...)
}

// remove takes a node away, and all below it; one that is not there is fine.
func (e *edits) remove(names ...string) {
	e.all = append(e.all, tree.Edit{Op: tree.Remove, Path: below(e.at, names...)})
}

// list replaces all entries of a leaf-list.
func (e *edits) list(values []string, names ...string) {
	e.remove(names...)
	p := below(e.at, names[:len(names)-1]...)
	leaf := p[len(p)-1].Node.Child(names[len(names)-1])
	for _, v := range values {
		value := schema.StringValue(leaf.Type, v)
		e.all = append(e.all, tree.Edit{Op: tree.Merge, Path: p.Child(leaf, value), Value: value})
	}
}

// entry returns the path of a list entry by the texts of its keys.
func entry(at tree.Path, list string, keys ...string) tree.Path {
	node := at[len(at)-1].Node.Child(list)
	values := make([]schema.Value, len(keys))
	for i, k := range keys {
		values[i] = schema.StringValue(node.Keys[i].Type, k)
	}
	return at.Child(node, values...)
}

// dateAndTime prints a yang:date-and-time (RFC 6991 section 3) in UTC, to the
// microsecond.
func dateAndTime(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.999999Z07:00")
}
