package xpath

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// Options give the meaning of names.
type Options struct {
	Prefixes map[string]*schema.Module
	// Default is the module of names without prefix; nil stands for any module.
	Default *schema.Module
	// Config hides state from the expression, as a must or when of configuration
	// wants it (RFC 7950 section 6.4.1).
	Config bool
}

// Expr is a compiled expression.
type Expr struct {
	text       string
	context    *schema.Node
	root       *schema.Node
	top        *expr
	scope      scope
	configOnly bool
	deps       []Dep
	targets    []*schema.Node
	unmatched  []string
	whens      *whens
	machines   sync.Pool
}

// Compile compiles text for evaluation on instances of ctx: a node of the data
// tree, the root, or a node in an operation or notification. The error is a
// *SyntaxError.
func Compile(text string, ctx *schema.Node, o Options) (*Expr, error) {
	return compile(text, ctx, o, &whens{})
}

// CompileMust compiles a must statement of n.
func CompileMust(n *schema.Node, m *schema.Must) (*Expr, error) {
	return Compile(m.Text, n, Options{Prefixes: m.Prefixes, Default: m.Default, Config: n.Config})
}

// CompileWhen compiles a when statement that n depends on. The context node of
// the result is n or its parent, as w.Context says.
func CompileWhen(n *schema.Node, w *schema.When) (*Expr, error) { return compileWhen(n, w, &whens{}) }

func compileWhen(n *schema.Node, w *schema.When, shared *whens) (*Expr, error) {
	ctx := n
	if w.Context == schema.ContextParent && n.Parent != nil {
		ctx = n.Parent
	}
	return compile(w.Text, ctx, Options{Prefixes: w.Prefixes, Default: w.Default, Config: n.Config}, shared)
}

// String returns the expression in one canonical spelling.
func (x *Expr) String() string { return x.top.String() }

// ContextNode returns the schema node that x was compiled for.
func (x *Expr) ContextNode() *schema.Node { return x.context }

// Targets returns the schema nodes whose instances the node-set that is the value
// of x may hold; nil if the value is no node-set or is always empty.
func (x *Expr) Targets() []*schema.Node { return x.targets }

// Unmatched returns the names in x that no node or identity of the schema can
// match, so that what they stand in is always empty or false.
func (x *Expr) Unmatched() []string { return x.unmatched }

// Context says where an expression is evaluated.
type Context struct {
	Root *tree.Node // the data tree; nil is an empty one
	// Path leads from Root to the context node, or to the node that Operation
	// belongs to. What does not exist on it is taken to exist without content,
	// as RFC 7950 section 7.21.5 wants it for when.
	Path tree.Path
	// Nodes are the instances that Path leads to, step by step, from a caller that
	// knows them: they are then not looked up. It may be shorter than Path.
	Nodes []*tree.Node
	// Operation is the input or output of an RPC or action, or a notification,
	// in which the context node is; nil if it is data.
	Operation *tree.Node
	Inside    tree.Path // from Operation to the context node
}

// Bool evaluates x and converts the result to a boolean. The error is that of
// an evaluation which costs too much, or of a pattern that is none.
func (x *Expr) Bool(at Context) (bool, error) {
	m := x.start(at)
	b := m.boolean(x.top, focus{node: m.current, pos: 1, size: 1})
	return b, m.stop()
}

// Number evaluates x and converts the result to a number.
func (x *Expr) Number(at Context) (float64, error) {
	m := x.start(at)
	n := m.number(x.top, focus{node: m.current, pos: 1, size: 1})
	return n, m.stop()
}

// Text evaluates x and converts the result to a string.
func (x *Expr) Text(at Context) (string, error) {
	m := x.start(at)
	s := m.text(x.top, focus{node: m.current, pos: 1, size: 1})
	return s, m.stop()
}

// Node is a node of the accessible tree.
type Node struct {
	Path tree.Path
	// Node is nil for what is only implied: a default in use, a container
	// without presence and content.
	Node  *tree.Node
	Value schema.Value // of a leaf, an entry of a leaf-list, or its text
	Text  bool         // the text node of a leaf
}

// IsNodes reports whether the value of x is a node-set.
func (x *Expr) IsNodes() bool { return x.top.kind == kindNodes }

// Nodes evaluates x, whose value must be a node-set, and returns its nodes in
// document order. Paths into an operation begin at the operation.
func (x *Expr) Nodes(at Context) ([]Node, error) {
	if !x.IsNodes() {
		return nil, &SyntaxError{Text: x.text, Reason: "the value is " + x.top.kind.String() + " and not a node-set"}
	}
	m := x.start(at)
	var out []Node
	m.eachOnce(x.top, focus{node: m.current, pos: 1, size: 1}, func(id int32) bool {
		e := m.elements[id]
		n := Node{Path: m.path(id), Node: e.node, Text: e.text}
		if k := e.schema.Kind; k == schema.Leaf || k == schema.LeafList {
			n.Value = m.leaf(id)
		}
		out = append(out, n)
		return true
	})
	if err := m.stop(); err != nil {
		return nil, err
	}
	return out, nil
}

// machine takes an idle machine or makes one.
func (x *Expr) machine() *machine {
	m, _ := x.machines.Get().(*machine)
	if m == nil {
		m = &machine{}
	}
	*m = machine{expr: x, elements: m.elements[:0], spare: m.spare, op: -1}
	return m
}

// start takes a machine and lays out the context.
func (x *Expr) start(at Context) *machine {
	m := x.machine()
	id := m.push(element{schema: x.root, node: at.Root, parent: -1, pos: -1})
	for i := range at.Path {
		if st := &at.Path[i]; i < len(at.Nodes) && at.Nodes[i] != nil {
			id = m.push(element{schema: st.Node, node: at.Nodes[i], parent: id, pos: int32(st.Pos - 1)})
			continue
		}
		id, _ = m.place(id, &at.Path[i], true)
	}
	if at.Operation != nil {
		id = m.push(element{schema: at.Operation.Schema(), node: at.Operation, parent: id, pos: -1})
		m.op = id
		for i := range at.Inside {
			id, _ = m.place(id, &at.Inside[i], true)
		}
	}
	m.current, m.keep = id, len(m.elements)
	return m
}

// stop gives the machine back.
func (m *machine) stop() error {
	err := m.err
	clear(m.elements) // An idle machine holds no tree.
	m.expr.machines.Put(m)
	return err
}

// place pushes the instance that st names below at. If there is none, it is a
// dummy or, without dummy, nothing.
func (m *machine) place(at int32, st *tree.Step, dummy bool) (int32, bool) {
	s, parent := st.Node, m.elements[at].node
	e := element{schema: s, node: parent.Child(s), parent: at, pos: -1}
	if e.node != nil && e.node.IsHolder() {
		if st.Pos > 0 {
			e.node, e.pos = e.node.EntryAt(st.Pos-1), int32(st.Pos-1)
		} else {
			e.node = e.node.Entry(st.Keys...)
		}
	} else if e.node == nil && inUse(parent, s) && (dummy || m.allowed(at, s)) {
		switch {
		case s.Kind == schema.Container && !s.Presence:
			return m.push(e), true
		case s.Kind == schema.Leaf && len(s.Defaults) > 0:
			e.pos = 0
			return m.push(e), true
		case s.Kind == schema.LeafList && len(st.Keys) == 1:
			if i := slices.Index(s.Defaults, st.Keys[0]); i >= 0 {
				e.pos = int32(i)
				return m.push(e), true
			}
		}
	}
	if e.node == nil {
		if !dummy {
			return -1, false
		}
		e.dummy = true
	}
	return m.push(e), true
}

// path returns the path of an element, from the root or the operation.
func (m *machine) path(id int32) tree.Path {
	n := 0
	for i := id; i != m.op && m.elements[i].parent >= 0; i = m.elements[i].parent {
		if !m.elements[i].text {
			n++
		}
	}
	p := make(tree.Path, n)
	for ; n > 0; id = m.elements[id].parent {
		e := &m.elements[id]
		if e.text {
			continue
		}
		n--
		p[n].Node = e.schema
		switch {
		case e.schema.Kind == schema.LeafList:
			p[n].Keys = []schema.Value{m.leaf(id)}
		case e.schema.Kind == schema.List && len(e.schema.Keys) == 0:
			p[n].Pos = int(e.pos) + 1
		case e.schema.Kind == schema.List && e.node != nil:
			p[n].Keys = e.node.Keys()
		}
	}
	return p
}

// scope resolves prefixes in names and in values.
type scope struct {
	prefixes map[string]*schema.Module
	def      *schema.Module
	schema   *schema.Schema
}

// Module implements schema.Resolver: the prefixes of the expression, then the
// names of modules, as canonical values carry them.
func (s *scope) Module(prefix string) *schema.Module {
	if prefix == "" {
		return s.def
	}
	if m := s.prefixes[prefix]; m != nil {
		return m
	}
	return s.schema.Module(prefix)
}

// identity returns the identity that text names, or nil.
func (s *scope) identity(text string) *schema.Identity {
	prefix, name, ok := strings.Cut(text, ":")
	if !ok {
		prefix, name = "", text
	}
	if m := s.Module(prefix); m != nil {
		return s.schema.Identity(m, name)
	}
	return nil
}

// prefix returns the prefix that stands for m, or the name of m.
func (s *scope) prefix(m *schema.Module) string {
	if s.prefixes[m.Prefix] == m {
		return m.Prefix
	}
	best := m.Name
	found := false
	for p, is := range s.prefixes {
		if is == m && (!found || p < best) {
			best, found = p, true
		}
	}
	return best
}

// nameOf evaluates local-name(), namespace-uri() and name().
func (m *machine) nameOf(id funcID, at int32) string {
	e := &m.elements[at]
	if e.text || e.parent < 0 {
		return ""
	}
	n := nameFor(e.schema)
	switch id {
	case fnLocalName:
		return n.Name
	case fnNamespaceURI:
		return n.Module.Namespace
	}
	return m.expr.scope.prefix(n.Module) + ":" + n.Name
}

// errorf returns a fault of the expression at an offset.
func errorf(text string, pos int, format string, args ...any) error {
	return &SyntaxError{Text: text, Offset: pos, Reason: fmt.Sprintf(format, args...)}
}

func byID(a, b *schema.Node) int { return cmp.Compare(a.ID, b.ID) }
