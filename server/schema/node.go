package schema

import "strings"

// Kind tells what a Node is.
type Kind uint8

// The kinds of nodes. Choices and cases are not nodes of the data tree: see Case.
const (
	Container Kind = iota
	List
	Leaf
	LeafList
	Anydata
	Anyxml
	RPC
	Action
	Input
	Output
	Notification
)

var kindNames = [...]string{
	"container", "list", "leaf", "leaf-list", "anydata", "anyxml",
	"rpc", "action", "input", "output", "notification",
}

// String returns the YANG statement of the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Status of a definition (RFC 7950 section 7.21.2).
type Status uint8

// The values of status; an absent statement means Current.
const (
	Current Status = iota
	Deprecated
	Obsolete
)

// String returns the argument of the status statement.
func (s Status) String() string {
	return [...]string{"current", "deprecated", "obsolete"}[s]
}

// Node is a node of the schema tree as data sees it: choices and cases are
// flattened away, uses and augments are expanded, deviations are applied. Its
// fields must not be changed.
type Node struct {
	ID   int // dense, from 0
	Name string
	// Plain is how the node is called where names carry no module: its name, or
	// "module:name" if its parent has several data children of that name.
	Plain  string
	Module *Module // nil only for the root
	Kind   Kind
	Parent *Node // data parent; nil for the root, RPCs and top-level notifications
	Index  int   // position in Parent.Children, Actions or Notifications

	Config      bool // false also in RPCs, actions and notifications
	Mandatory   bool // leaf, anydata, anyxml: RFC 7950 section 7.6.5
	Presence    bool // container whose existence means something
	UserOrdered bool // list, leaf-list: ordered-by user
	Status      Status
	Units       string
	Description string
	Reference   string

	Keys        []*Node   // of a list, in the order of the key statement
	Unique      [][]*Node // descendant leafs of a list
	MinElements uint32    // 0 when there is no lower bound
	MaxElements uint32    // 0 when there is no upper bound

	Type     *Type   // leaf, leaf-list
	Defaults []Value // leaf: at most one; leaf-list: any number
	Case     *Case   // innermost case that the node is in, or nil

	Must []Must
	When []When

	// Extensions are the extension statements in the node's own statement, such
	// as default-deny-write of ietf-netconf-acm.
	Extensions []Extension

	Input  *Node // of an RPC or action, never nil there
	Output *Node

	children []*Node
	byName   map[string]*Node
	actions  []*Node
	notifs   []*Node
	choices  []*Choice
	keyIndex int // -1 when the node is no key
	defaults bool
}

// Children returns the data children in schema order, those of all cases included.
func (n *Node) Children() []*Node { return n.children }

// Child returns the data child called name, or nil. Of several, which an augment
// may make (RFC 7950 section 7.17), it is that of n's own module, else of the module
// that Options.Implement names first; the others are found under Plain.
func (n *Node) Child(name string) *Node { return n.byName[name] }

// ChildIn returns the data child that module m defines under name, or nil.
func (n *Node) ChildIn(m *Module, name string) *Node {
	c := n.byName[name]
	if c == nil || c.Module == m {
		return c
	}
	if c.Plain != name && m != nil {
		return n.byName[m.Name+":"+name]
	}
	return nil
}

// Actions returns the actions defined for instances of n.
func (n *Node) Actions() []*Node { return n.actions }

// Notifications returns the notifications defined for instances of n.
func (n *Node) Notifications() []*Node { return n.notifs }

// Choices returns the choices directly below n; those nested in cases are
// reached through their cases.
func (n *Node) Choices() []*Choice { return n.choices }

// IsKey reports whether n is a key of its list.
func (n *Node) IsKey() bool { return n.keyIndex >= 0 }

// KeyIndex returns the position of n in its list's Keys, or -1.
func (n *Node) KeyIndex() int { return n.keyIndex }

// HasDefaults reports whether n is a leaf or leaf-list with a default, or a
// container without presence that reaches one through such containers.
func (n *Node) HasDefaults() bool { return n.defaults }

// Path returns the schema path that Schema.Find takes; "/" for the root.
func (n *Node) Path() string {
	var steps []*Node
	for p := n; p != nil && p.Module != nil; p = p.Parent {
		steps = append(steps, p)
	}
	if len(steps) == 0 {
		return "/"
	}
	var b strings.Builder
	mod := (*Module)(nil)
	for i := len(steps) - 1; i >= 0; i-- {
		b.WriteByte('/')
		if steps[i].Module != mod {
			mod = steps[i].Module
			b.WriteString(mod.Name)
			b.WriteByte(':')
		}
		b.WriteString(steps[i].Name)
	}
	return b.String()
}

// String returns the path, for messages.
func (n *Node) String() string { return n.Path() }

// Choice is a choice statement (RFC 7950 section 7.9).
type Choice struct {
	Name      string
	Module    *Module
	Mandatory bool
	Config    bool
	Default   *Case // or nil
	Cases     []*Case
	Parent    *Case // the case around the choice, or nil
	Owner     *Node // the data node it is below
}

// Case is one case of a choice, written out or implied by a short-hand.
type Case struct {
	Name     string
	Module   *Module
	Choice   *Choice
	Children []*Node   // the data nodes of the case and of choices nested in it
	Choices  []*Choice // choices directly in this case
	When     []When    // already included in the When of every child
}

// Extension is the use of an extension statement.
type Extension struct {
	Module   *Module
	Name     string
	Argument string
}

// Expr is an XPath expression of the schema, kept as text with what is needed
// to compile it (RFC 7950 section 6.4).
type Expr struct {
	Text     string
	Prefixes map[string]*Module // prefixes of the module the text stands in; shared
	Default  *Module            // module of names without prefix
	Source   string             // "file:line"
}

// Must is a must statement (RFC 7950 section 7.5.3).
type Must struct {
	Expr
	Message string // error-message, or empty
	AppTag  string // error-app-tag, or empty
}

// Context tells which node a when expression is evaluated on.
type Context uint8

const (
	// ContextSelf is the node that the statement belongs to.
	ContextSelf Context = iota
	// ContextParent is the node's data parent: when on a choice, a case, a uses
	// or an augment (RFC 7950 section 7.21.5).
	ContextParent
)

// When is a when statement that decides whether the node may exist.
type When struct {
	Expr
	Context Context
}
