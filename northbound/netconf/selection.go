package netconf

import (
	"sync"

	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// selection is a compiled filter: a subtree (RFC 6241 section 6) or an XPath
// expression (section 8.9). A nil selection selects everything. It never changes
// and is safe for concurrent use.
type selection struct {
	schema  *schema.Schema
	subtree *filterNode  // nil for XPath
	filter  *tree.Filter // what the filter selects; nil for nothing, or where only expr tells
	expr    *xpath.Expr  // nil for a subtree
	text    string       // of expr
	prefix  map[string]*schema.Module

	mu     sync.Mutex
	events map[*schema.Node]*xpath.Expr // expr compiled for notifications; nil where it cannot be
}

// newSubtree compiles a subtree filter.
func newSubtree(s *schema.Schema, f *filterNode) *selection {
	return &selection{schema: s, subtree: f, filter: f.compile(s, s.Root())}
}

// newXPath compiles an XPath filter whose value must be a node-set. bindings are
// the namespace declarations in scope; names without prefix belong to any module.
func newXPath(s *schema.Schema, text string, bindings map[string]string) (*selection, error) {
	x, err := compileXPath(s, text, bindings, "filter")
	if err != nil {
		return nil, err
	}
	if !x.IsNodes() {
		return nil, yangerr.New(yangerr.InvalidValue, nil, "the value of the XPath filter %q is not a node-set", text).WithType(yangerr.Protocol).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: "filter"})
	}
	sel := &selection{schema: s, expr: x, text: text, prefix: prefixes(s, bindings)}
	sel.filter = keyedFilter(s, text, sel.prefix)
	return sel, nil
}

// bindingsOf returns the namespace declarations in scope on the first element
// called local in the operation whose start tag is the current token, which stays
// the current one: an XPath expression in it takes its prefixes from there.
func (q *request) bindingsOf(local string) (map[string]string, error) {
	m, depth := q.r.Mark(), q.r.Depth()
	var found map[string]string
	for found == nil {
		kind, err := q.r.Next()
		if err != nil {
			return nil, err
		}
		if kind == xmltok.End && q.r.Depth() < depth {
			break
		}
		if kind == xmltok.Start && string(q.r.Local()) == local {
			found = q.bindings()
		}
	}
	q.r.Rewind(m)
	return found, nil
}

// selectionOf compiles the content of an anydata parameter with a subtree filter.
func (q *request) selectionOf(a *tree.Any) (*selection, error) {
	f, err := readAnySubtree(a, q.txid)
	if err != nil {
		return nil, err
	}
	return newSubtree(q.srv.schema, f), nil
}

// readAnySubtree reads the elements of an anydata as a subtree filter, with etags on
// them where txid allows.
func readAnySubtree(a *tree.Any, txid bool) (*filterNode, error) {
	text := make([]byte, 0, len(a.XML)+len("<filter></filter>"))
	text = append(append(append(text, "<filter>"...), a.XML...), "</filter>"...)
	q := &request{r: xmltok.NewReader(text, xmltok.Limits{}), txid: txid}
	if _, err := q.r.Next(); err != nil {
		return nil, err
	}
	return q.readSubtree()
}

// apply returns what the selection selects of root, or nil for nothing. The error
// is that of an expression which costs too much.
func (sel *selection) apply(root *tree.Node) (*tree.Node, error) {
	switch {
	case sel == nil:
		return root, nil
	case sel.filter != nil:
		return tree.Select(root, sel.filter), nil
	case sel.expr == nil:
		return nil, nil
	}
	nodes, err := sel.nodes(root)
	if err != nil {
		return nil, err
	}
	return gather(root, nodes), nil
}

// nodes evaluates the expression of the selection.
func (sel *selection) nodes(root *tree.Node) ([]xpath.Node, error) {
	nodes, err := sel.expr.Nodes(xpath.Context{Root: root})
	if err != nil {
		return nil, yangerr.New(yangerr.ResourceDenied, nil, "the XPath filter cannot be evaluated: %v", err).WithType(yangerr.Protocol)
	}
	return nodes, nil
}

// gather returns the tree of the nodes with all that is below them, their
// ancestors and the keys of those.
func gather(root *tree.Node, nodes []xpath.Node) *tree.Node {
	if root == nil {
		return nil
	}
	var b *tree.Builder
	var done tree.Path // the last one that was taken whole
	for _, n := range nodes {
		if n.Node == nil || done != nil && n.Path.HasPrefix(done) {
			continue // implied, or in what is there already
		}
		if len(n.Path) == 0 {
			return root
		}
		if b == nil {
			b = tree.NewBuilder(tree.New(root.Schema()))
		}
		last := len(n.Path) - 1
		for _, st := range n.Path[:last] {
			b.Enter(st.Node, st.Keys...)
		}
		if n.Node.Schema().Kind == schema.LeafList {
			b.Leaf(n.Node.Schema(), n.Node.Value())
		} else {
			b.Put(n.Node)
		}
		for range last {
			b.Leave()
		}
		done = n.Path
	}
	if b == nil {
		return nil
	}
	return b.Seal()
}

// view returns what must be gathered of the operational state before apply: nil
// for everything. nothing says that the selection selects nothing at all.
func (sel *selection) view() (f *tree.Filter, nothing bool) {
	switch {
	case sel == nil:
		return nil, false
	case sel.filter != nil:
		return sel.filter, false
	case sel.expr == nil:
		return nil, true
	}
	top := &tree.Filter{Node: sel.schema.Root()}
	for _, n := range sel.expr.Targets() {
		if n == top.Node {
			return nil, false
		}
		widen(top, n).All = true
	}
	for _, d := range sel.expr.Deps() {
		widen(top, d.Node)
	}
	return top, len(top.Children) == 0
}

// widen adds all instances of n to f and returns the filter for n.
func widen(f *tree.Filter, n *schema.Node) *tree.Filter {
	if n.Parent == nil {
		return f
	}
	up := widen(f, n.Parent)
	for _, c := range up.Children {
		if c.Node == n {
			return c
		}
	}
	c := &tree.Filter{Node: n}
	up.Children = append(up.Children, c)
	return c
}

// patterns returns what of the data the selection can select, as patterns of
// oper.SubOptions: everything for a nil selection, none for one that selects
// nothing.
func (sel *selection) patterns() []tree.Path {
	f, nothing := sel.view()
	switch {
	case nothing:
		return nil
	case f == nil:
		return []tree.Path{{}}
	}
	return filterPatterns(nil, nil, f)
}

func filterPatterns(list []tree.Path, at tree.Path, f *tree.Filter) []tree.Path {
	if f.All || len(f.Children) == 0 {
		return append(list, at)
	}
	for _, c := range f.Children {
		var keys []schema.Value
		if c.Node.Kind == schema.List {
			keys = make([]schema.Value, len(c.Node.Keys))
			some := false
			for i, v := range c.Keys {
				keys[i], some = v, true
			}
			for _, m := range c.Content {
				if i := m.Leaf.KeyIndex(); i >= 0 {
					keys[i], some = m.Value, true
				}
			}
			if !some {
				keys = nil
			}
		}
		list = filterPatterns(list, at.Child(c.Node, keys...), c)
	}
	return list
}

// admits reports whether the selection selects something of the notification
// (RFC 5277 section 3.6, RFC 8639 section 2.2).
func (sel *selection) admits(n oper.Notification) bool {
	switch {
	case sel == nil:
		return true
	case sel.subtree != nil:
		return sel.subtree.admits(sel.schema, n)
	}
	at := n.Node.Schema()
	sel.mu.Lock()
	x, known := sel.events[at]
	if !known {
		x, _ = xpath.Compile(sel.text, at, xpath.Options{Prefixes: sel.prefix})
		if sel.events == nil {
			sel.events = map[*schema.Node]*xpath.Expr{}
		}
		sel.events[at] = x
	}
	sel.mu.Unlock()
	if x == nil {
		return false
	}
	context := xpath.Context{Path: n.Path, Operation: n.Node}
	if len(n.Path) > 0 {
		// Of the data the message holds the nodes above the notification alone.
		b := tree.NewBuilder(tree.Empty(sel.schema))
		b.Set(n.Path, schema.Value{})
		context.Root = b.Seal()
	}
	ok, err := x.Bool(context)
	return ok && err == nil
}
