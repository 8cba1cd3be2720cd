package tree

import (
	"iter"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// ParsePath reads the instance-identifier form of RFC 7951 section 6.11.
func ParsePath(s *schema.Schema, text string) (Path, error) { return nil, nil }

// ParseRelative reads a path whose first name is looked up below at, the input of an RPC for example.
func ParseRelative(s *schema.Schema, at *schema.Node, text string) (Path, error) { return nil, nil }

// String returns the instance-identifier form of RFC 7951 section 6.11.
func (p Path) String() string { return "" }

// Format returns p as XPath with prefix(module) on every name.
func (p Path) Format(prefix func(module string) string) string { return "" }

// Equal reports whether p and q name the same instance.
func (p Path) Equal(q Path) bool { return false }

// HasPrefix reports whether q is p or an ancestor of p.
func (p Path) HasPrefix(q Path) bool { return false }

// Op is an operation of RFC 6241 section 7.2.
type Op uint8

// None only requires the node to exist (default-operation "none").
const (
	None Op = iota
	Merge
	Replace
	Create
	Delete
	Remove
)

// Insert says where an entry of a user-ordered list or leaf-list goes.
type Insert uint8

// Default leaves an existing entry where it is and appends a new one.
const (
	Default Insert = iota
	First
	Last
	Before
	After
)

// Edit is one operation on one instance.
type Edit struct {
	Op     Op
	Path   Path
	Value  schema.Value   // of a leaf; of a leaf-list entry it may be given here or as the key of the last step
	Tree   *Node          // optional content of a container, entry, holder or anydata
	Insert Insert         // only on entries of user-ordered lists and leaf-lists
	Where  []schema.Value // anchor of Before and After: keys, or the leaf-list value
}

// Apply performs edits in order on root. Either all succeed, or root is
// returned with every error.
func Apply(root *Node, edits []Edit) (*Node, yangerr.List) { return root, nil }

// ApplyEach performs every edit that can be performed (error-option
// continue-on-error) and returns the result with the errors of the others.
func ApplyEach(root *Node, edits []Edit) (*Node, yangerr.List) { return root, nil }

// Builder makes a tree with a cursor; see NewBuilder.
type Builder struct{}

// NewBuilder returns a Builder whose cursor is at base. base itself never changes.
func NewBuilder(base *Node) *Builder { return &Builder{} }

// Enter moves the cursor to the child container s, or to the entry of list s
// with the given keys, making it if it is not there, and reports whether it was.
// An entry of a list without keys is always new.
func (b *Builder) Enter(s *schema.Node, keys ...schema.Value) (existed bool) { return false }

// Leaf sets leaf s below the cursor, or adds v to leaf-list s, and reports
// whether the leaf was set or the value was there already.
func (b *Builder) Leaf(s *schema.Node, v schema.Value) (existed bool) { return false }

// Put sets the whole subtree n (a container, holder, leaf or anydata) below the
// cursor in place of what is there, or puts the entry n into its list.
func (b *Builder) Put(n *Node) {}

// Has reports whether there is an instance of s below the cursor.
func (b *Builder) Has(s *schema.Node) bool { return false }

// At returns the schema node that the cursor is at.
func (b *Builder) At() *schema.Node { return nil }

// Leave moves the cursor to the parent. A container without presence that is
// empty then disappears.
func (b *Builder) Leave() {}

// Set sets the leaf or adds the leaf-list entry at p, counted from the root
// whatever the cursor is at, with all that is missing on the way; for a
// container or entry v is the zero Value.
func (b *Builder) Set(p Path, v schema.Value) {}

// Remove removes what is at p, if anything, counted from the root.
func (b *Builder) Remove(p Path) {}

// Seal returns the tree and ends the use of the Builder.
func (b *Builder) Seal() *Node { return nil }

// ChangeOp says what happened to a node.
type ChangeOp uint8

// A Created or Deleted subtree is one change at its topmost node; Modified is a
// new value of a leaf or anydata; Moved is a new place among the entries of a
// user-ordered list or leaf-list.
const (
	Created ChangeOp = iota + 1
	Deleted
	Modified
	Moved
)

// Change is one difference between two trees.
type Change struct {
	Op       ChangeOp
	Path     Path
	Old, New *Node
	// After is, for user-ordered entries Created or Moved, the keys of the entry
	// before it in the new tree; nil when it is the first.
	After []schema.Value
}

// Diff yields the changes from old to new in document order, in time
// proportional to their number.
func Diff(old, new *Node) iter.Seq[Change] { return func(func(Change) bool) {} }

// Expand yields c and, for a Created or Deleted subtree, one such change for every node in it (holders have none).
func Expand(c Change) iter.Seq[Change] { return func(func(Change) bool) {} }

// Edits returns edits that turn old into new: Apply(old, Edits(old, new)) equals new.
func Edits(old, new *Node) []Edit { return nil }

// Equal reports whether both trees hold the same instances in the same order.
func Equal(a, b *Node) bool { return false }

// Walk calls fn for n, found at path p, and all nodes below it in document
// order, holders not; fn returns false to stay out of the node's children.
func Walk(n *Node, p Path, fn func(Path, *Node) bool) {}

// MergeTrees returns the union of base and over; where both have a leaf, that of
// over. A nil tree is empty.
func MergeTrees(base, over *Node) *Node { return base }

// Filter selects instances of Node below the instances its parent filter selects.
// The filter of a root has the schema's root as its Node.
type Filter struct {
	Node     *schema.Node
	Keys     map[int]schema.Value // by key index; all keys given: one lookup
	Pos      int
	Content  []Match   // all must hold, as RFC 6241 section 6.2.5 content matches
	All      bool      // the whole subtree
	Children []*Filter // otherwise what of it
}

// Match is the condition that leaf Leaf, a child of the filtered node, has this
// value (or leaf-list Leaf contains it), the default in use included.
type Match struct {
	Leaf  *schema.Node
	Value schema.Value
}

// Select returns the part of root that f selects, or nil. Entries keep their
// keys. Subtrees taken whole are shared with root.
func Select(root *Node, f *Filter) *Node { return nil }

// FilterOf returns the filter that selects the subtree at p, in which steps
// without keys stand for all entries.
func FilterOf(root *schema.Node, p Path) *Filter { return nil }

// DefaultsMode is a retrieval mode of RFC 6243 section 3.
type DefaultsMode uint8

// The modes; the zero value is Explicit, our basic mode.
const (
	Explicit DefaultsMode = iota
	ReportAll
	Trim
	ReportAllTagged
)

// View is a node as one retrieval mode shows it.
type View struct {
	*Node
	IsDefault bool // not in the tree: a default in use, or a container that leads to one
}

// WithDefaults yields the children of n as mode shows them, in schema order.
// Below a View call WithDefaults again.
func WithDefaults(n *Node, mode DefaultsMode) iter.Seq[View] { return func(func(View) bool) {} }

// Effective returns the value of leaf s below n, or its default if that is in
// use (RFC 7950 section 7.6.1), and whether it is the default.
func Effective(n *Node, s *schema.Node) (v schema.Value, isDefault bool) { return v, false }

type item struct {
	node  *Node
	label uint64
}
type list struct{}

func (l *list) get(keys []schema.Value) item { return item{} }
func (l *list) at(i int) item                { return item{} }
func (l *list) len() int                     { return 0 }
func (l *list) each(f func(item) bool) bool  { return true }
