package tree

import (
	"github.com/tandem-ne/tandem/server/schema"
)

// Step is one level of a Path.
type Step struct {
	Node *schema.Node
	// Keys are the keys of a list entry in the order of the key statement, or
	// the one value of a leaf-list entry. Without Keys and Pos the step stands
	// for the holder, that is for all entries.
	Keys []schema.Value
	// Pos is the position, from 1, of an entry of a list without keys.
	Pos int
}

// Path names an instance from the root down. The empty Path is the root. It is
// immutable by convention and implements yangerr.Path.
type Path []Step

// Child returns p with one more step. It never writes into p's array.
func (p Path) Child(s *schema.Node, keys ...schema.Value) Path {
	q := make(Path, len(p)+1)
	copy(q, p)
	q[len(p)] = Step{Node: s, Keys: keys}
	return q
}
