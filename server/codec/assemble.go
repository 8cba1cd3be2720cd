package codec

import (
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// maxErrors ends the decoding of a message that is wrong throughout.
const maxErrors = 100

// instruction is what one element asks for: its effective operation and, in
// user-ordered lists, its place.
type instruction struct {
	op     tree.Op
	insert tree.Insert
	where  []schema.Value
	etag   string // of this element alone; empty where it has none
}

// frame is one open container or list entry.
type frame struct {
	s     *schema.Node
	keys  []schema.Value
	op    tree.Op
	hint  int      // index of the child matched last
	seen  []uint64 // which leafs, containers and anydata occurred, by Index
	cases []*schema.Case
}

// assembler collects what a decoder reads. Neighbouring elements under one
// operation become one edit with a subtree (a region); an element with another
// operation closes the region first, so that the edits stand in document
// order.
type assembler struct {
	schema *schema.Schema
	frames []frame
	base   tree.Path // path of frames[0]
	edits  []tree.Edit
	errs   yangerr.List
	config bool // state data is not allowed

	build  *tree.Builder
	region int // index of the frame that the region is rooted at, -1 for none
	place  instruction
}

func newAssembler(s *schema.Schema, at *schema.Node, base tree.Path, op tree.Op) *assembler {
	a := &assembler{schema: s, base: base, region: -1}
	a.frames = append(make([]frame, 0, 16), frame{s: at, op: op})
	return a
}

// whole makes everything one region, rooted at the first frame.
func (a *assembler) whole(base *tree.Node) {
	a.region = 0
	a.build = tree.NewBuilder(base)
	a.place = instruction{op: a.frames[0].op}
}

func (a *assembler) top() *frame { return &a.frames[len(a.frames)-1] }

// path is the path of the innermost frame.
func (a *assembler) path() tree.Path {
	p := make(tree.Path, len(a.base), len(a.base)+len(a.frames))
	copy(p, a.base)
	for i := range a.frames[1:] {
		f := &a.frames[i+1]
		p = append(p, tree.Step{Node: f.s, Keys: f.keys})
	}
	return p
}

// fail records an error and reports whether decoding should go on.
func (a *assembler) fail(e *yangerr.Error) bool {
	a.errs = append(a.errs, e)
	return len(a.errs) < maxErrors
}

// complete returns the keys of an entry of s; nil, and an error for each, where
// some are missing.
func (a *assembler) complete(s *schema.Node, keys []schema.Value) []schema.Value {
	found := keys
	for i, key := range keys {
		if key.IsZero() {
			a.fail(yangerr.New(yangerr.MissingElement, a.path().Child(s), "the entry of list %q has no key %q", s.Name, s.Keys[i].Name).
				WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Keys[i].Name}))
			found = nil
		}
	}
	return found
}

// child finds the child of the innermost frame with this name and a module
// that matches.
func (a *assembler) child(name string, matches func(*schema.Module) bool) *schema.Node {
	f := a.top()
	kids := f.s.Children()
	// Most documents follow the schema's order or repeat one list.
	for i := f.hint; i < len(kids) && i < f.hint+3; i++ {
		if kids[i].Name == name && matches(kids[i].Module) {
			f.hint = i
			return kids[i]
		}
	}
	c := f.s.Child(name)
	if c != nil && c.Plain != c.Name && !matches(c.Module) {
		c = nil
		if i := slices.IndexFunc(kids, func(k *schema.Node) bool { return k.Name == name && matches(k.Module) }); i >= 0 {
			c = kids[i]
		}
	}
	if c == nil || !matches(c.Module) {
		return nil
	}
	f.hint = c.Index
	return c
}

// once records that the leaf, container or anydata s occurs in the innermost
// frame and checks that it is the first, and the only case of its choice
// (RFC 7950 section 8.3.1).
func (a *assembler) once(s *schema.Node, op tree.Op) *yangerr.Error {
	f := a.top()
	if s.Kind != schema.List && s.Kind != schema.LeafList {
		word, bit := s.Index/64, uint64(1)<<(s.Index%64)
		for len(f.seen) <= word {
			f.seen = append(f.seen, 0)
		}
		if f.seen[word]&bit != 0 {
			return badElement(a.path().Child(s), s.Name, "the %s %q occurs twice", s.Kind, s.Name)
		}
		f.seen[word] |= bit
	}
	if op == tree.Delete || op == tree.Remove {
		return nil
	}
	for c := s.Case; c != nil; c = c.Choice.Parent {
		known := false
		for _, other := range f.cases {
			if other.Choice != c.Choice {
				continue
			}
			if other != c {
				return badElement(a.path().Child(s), s.Name,
					"%q is in case %q of choice %q, of which case %q is present too", s.Name, c.Name, c.Choice.Name, other.Name)
			}
			known = true
		}
		if !known {
			f.cases = append(f.cases, c)
		}
	}
	return nil
}

func badElement(p tree.Path, name, format string, args ...any) *yangerr.Error {
	return yangerr.New(yangerr.BadElement, p, format, args...).
		WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: name})
}

// push opens a frame and reuses the memory of one that was open before.
func (a *assembler) push(s *schema.Node, keys []schema.Value, op tree.Op) {
	n := len(a.frames)
	if n < cap(a.frames) {
		a.frames = a.frames[:n+1]
		f := &a.frames[n]
		f.s, f.keys, f.op, f.hint = s, keys, op, 0
		clear(f.seen)
		f.seen, f.cases = f.seen[:0], f.cases[:0]
		return
	}
	a.frames = append(a.frames, frame{s: s, keys: keys, op: op})
}

// enter opens a container or list entry.
func (a *assembler) enter(s *schema.Node, keys []schema.Value, in instruction) {
	if a.region >= 0 && in.op == a.place.op && in.insert == tree.Default {
		if a.build.Enter(s, keys...) && s.Kind == schema.List {
			a.push(s, keys, in.op)
			a.fail(badElement(a.path(), s.Name, "the entry of list %q occurs twice", s.Name))
			return
		}
		a.push(s, keys, in.op)
		return
	}
	a.flush()
	parent := a.top().s
	dead := a.top().op == tree.Delete || a.top().op == tree.Remove
	a.push(s, keys, in.op)
	switch {
	case dead:
	case in.op == tree.Delete || in.op == tree.Remove:
		a.edits = append(a.edits, tree.Edit{Op: in.op, Path: a.path()})
	case in.op == tree.None:
		if s.Kind == schema.List || s.Presence {
			a.edits = append(a.edits, tree.Edit{Op: tree.None, Path: a.path()})
		}
	default:
		a.region, a.place = len(a.frames)-1, in
		a.build = tree.NewBuilder(tree.New(parent))
		a.build.Enter(s, keys...)
	}
}

// leave closes the innermost frame.
func (a *assembler) leave() {
	switch {
	case a.region < 0:
	case a.region == len(a.frames)-1:
		a.flush()
	default:
		a.build.Leave()
	}
	a.frames = a.frames[:len(a.frames)-1]
}

// flush ends the region, if there is one, and emits its edit.
func (a *assembler) flush() {
	if a.region < 0 {
		return
	}
	root := a.region
	a.region = -1
	// A region at the first frame was not entered, so it is not left.
	for range len(a.frames) - max(root, 1) {
		a.build.Leave()
	}
	node := a.build.Seal()
	a.build = nil
	f := &a.frames[root]
	path := a.path()[:len(a.base)+root]
	if root > 0 {
		if node = node.Child(f.s); node != nil && f.s.Kind == schema.List {
			node = node.Entry(f.keys...)
		}
		if node == nil {
			if a.place.op == tree.Merge {
				return // a container without presence and content
			}
			node = tree.New(f.s)
		}
	}
	a.edits = append(a.edits, tree.Edit{Op: a.place.op, Path: path, Tree: node, Insert: a.place.insert, Where: a.place.where})
}

// leaf takes a leaf or a leaf-list entry.
func (a *assembler) leaf(s *schema.Node, v schema.Value, in instruction) {
	if a.region >= 0 && in.op == a.place.op && in.insert == tree.Default {
		if a.build.Leaf(s, v) && s.Kind == schema.LeafList && s.Config {
			a.fail(badElement(a.path().Child(s, v), s.Name, "the value %q of leaf-list %q occurs twice", v.String(), s.Name))
		}
		return
	}
	if a.dead() {
		return
	}
	a.flush()
	e := tree.Edit{Op: in.op, Value: v, Insert: in.insert, Where: in.where}
	if s.Kind == schema.LeafList {
		e.Path = a.path().Child(s, v)
	} else {
		e.Path = a.path().Child(s)
	}
	a.edits = append(a.edits, e)
}

// any takes an anydata or anyxml.
func (a *assembler) any(s *schema.Node, content *tree.Any, in instruction) {
	if a.region >= 0 && in.op == a.place.op {
		a.build.Put(tree.NewAny(s, content))
		return
	}
	if a.dead() {
		return
	}
	a.flush()
	e := tree.Edit{Op: in.op, Path: a.path().Child(s)}
	if in.op != tree.Delete && in.op != tree.Remove {
		e.Tree = tree.NewAny(s, content)
	}
	a.edits = append(a.edits, e)
}

// dead reports whether the innermost frame is being deleted, so that its
// content says nothing.
func (a *assembler) dead() bool {
	return a.region < 0 && (a.top().op == tree.Delete || a.top().op == tree.Remove)
}

// finish closes the first frame and returns the edits, or the errors.
func (a *assembler) finish() ([]tree.Edit, error) {
	if len(a.errs) > 0 {
		return nil, a.errs
	}
	a.flush()
	return a.edits, nil
}

// tree returns the region that whole opened, or the errors.
func (a *assembler) tree() (*tree.Node, error) {
	if len(a.errs) > 0 {
		return nil, a.errs
	}
	return a.build.Seal(), nil
}
