package schema

import (
	"slices"
	"strconv"
	"strings"

	"github.com/openconfig/goyang/pkg/yang"
)

// pendingType is a leaf whose type is bound, and whose defaults are read, when
// all nodes are there.
type pendingType struct {
	node  *Node
	entry *entry
	typ   typedef
}

// place is where a node is built.
type place struct {
	parent *Node
	kase   *Case
	config bool
	rpc    bool // in an RPC, action or notification: config has no meaning
	when   []When
}

// buildNodes turns the entries into nodes.
func (c *compiler) buildNodes() {
	s := c.schema
	s.root = &Node{Kind: Container, Config: true, keyIndex: -1}
	s.nodes = append(s.nodes, s.root)
	c.children(s.root, c.roots.children, place{parent: s.root, config: true})
	c.bindTypes()
	c.finishLists()
	for _, p := range c.pending {
		c.defaults(p)
	}
	// Children come after their parents, so backwards every subtree is done
	// before what is above it.
	for i := len(s.nodes) - 1; i >= 0; i-- {
		n := s.nodes[i]
		n.defaults = len(n.Defaults) > 0
		if n.Kind == List || n.Kind == Container && n.Presence {
			continue
		}
		n.defaults = n.defaults || slices.ContainsFunc(n.children, (*Node).HasDefaults)
	}
}

// children builds all entries of a list into at.parent.
func (c *compiler) children(owner *Node, list []*entry, at place) {
	for _, e := range list {
		if e.off {
			continue
		}
		switch {
		case e.kind == "choice":
			c.choice(owner, e, at)
		case e.kind == "case":
			c.errorf(e.stmt, "a case can stand in a choice only")
		default:
			c.node(e, at)
		}
	}
}

// node builds one node with everything below it.
func (c *compiler) node(e *entry, at place) *Node {
	n := &Node{
		ID: len(c.schema.nodes), Name: e.name, Module: e.mod, Kind: kindOf(e.kind), Parent: at.parent, Case: at.kase,
		Presence: e.presence != nil, Status: c.status(e.status),
		Units: argument(e.units), Description: argument(e.description), Reference: argument(e.reference),
		Extensions: e.extensions, keyIndex: -1,
	}
	e.node = n
	c.schema.nodes = append(c.schema.nodes, n)
	c.attach(n, e, at)
	n.Config = c.config(e, at)
	if e.mandatory != nil {
		n.Mandatory = c.boolean(e.mandatory)
	}
	if e.orderedBy != nil {
		switch e.orderedBy.Argument {
		case "user":
			n.UserOrdered = true
		case "system":
		default:
			c.errorf(e.orderedBy, "ordered-by %q is not user or system", e.orderedBy.Argument)
		}
	}
	n.MinElements, n.MaxElements = c.elements(e)
	for _, m := range e.must {
		n.Must = append(n.Must, Must{
			Expr: c.expr(m, n.Module), Message: argOf(m.stmt, "error-message"), AppTag: argOf(m.stmt, "error-app-tag"),
		})
	}
	n.When = slices.Clone(at.when)
	for _, w := range e.when {
		n.When = append(n.When, When{c.expr(w.located, w.module), w.context})
	}
	below := place{parent: n, config: n.Config, rpc: at.rpc}
	switch n.Kind {
	case RPC, Action, Notification:
		below.rpc, below.config = true, false
	case Leaf, LeafList:
		td := c.compileType(e.typ.stmt, e.typ.scope)
		if n.Units == "" {
			n.Units = argument(td.units)
		}
		c.pending = append(c.pending, pendingType{n, e, td})
	}
	c.children(n, e.children, below)
	if n.Kind == List {
		c.keys(n, e)
	}
	return n
}

func kindOf(keyword string) Kind {
	for i, name := range kindNames {
		if name == keyword {
			return Kind(i)
		}
	}
	return Container
}

func argument(s *yang.Statement) string {
	if s == nil {
		return ""
	}
	return s.Argument
}

// attach enters n into its parent.
func (c *compiler) attach(n *Node, e *entry, at place) {
	parent := at.parent
	root := c.schema.root
	switch n.Kind {
	case RPC, Notification, Action:
		if parent != root {
			list := &parent.actions
			if n.Kind == Notification {
				list = &parent.notifs
			}
			if at.rpc {
				c.errorf(e.stmt, "%s cannot stand in an RPC, action or notification", describe(e.stmt))
			}
			c.unique(n, e, parent)
			n.Index = len(*list)
			*list = append(*list, n)
			return
		}
		n.Parent = nil
		list := &c.schema.rpcs
		if n.Kind == Notification {
			list = &c.schema.notifs
		}
		key := nameKey{n.Module, n.Name}
		if c.schema.top[key] != nil {
			c.errorf(e.stmt, "%q is defined twice in module %s", n.Name, n.Module.Name)
		}
		c.schema.top[key] = n
		n.Index = len(*list)
		*list = append(*list, n)
		return
	case Input:
		parent.Input = n
		return
	case Output:
		parent.Output = n
		return
	}
	c.unique(n, e, parent)
	n.Index = len(parent.children)
	parent.children = append(parent.children, n)
	if parent.byName == nil {
		parent.byName = map[string]*Node{}
	}
	n.Plain = n.Name
	other := parent.byName[n.Name]
	if other == nil {
		parent.byName[n.Name] = n
		return
	}
	// Where no module is told, the nodes of this name are told apart by it.
	for _, k := range []*Node{n, other} {
		k.Plain = k.Module.Name + ":" + k.Name
		parent.byName[k.Plain] = k
	}
	if other.Module != parent.Module && (n.Module == parent.Module || c.rank(n.Module) < c.rank(other.Module)) {
		parent.byName[n.Name] = n
	}
}

// rank is the place of m among the modules to implement.
func (c *compiler) rank(m *Module) int { return slices.Index(c.opts.Implement, m.Name) }

// unique refuses a second node of the same name and module below parent, in
// whatever case (RFC 7950 section 6.2.1).
func (c *compiler) unique(n *Node, e *entry, parent *Node) {
	other := parent.ChildIn(n.Module, n.Name)
	for _, list := range [][]*Node{parent.actions, parent.notifs} {
		for _, o := range list {
			if o.Name == n.Name && o.Module == n.Module {
				other = o
			}
		}
	}
	if other != nil {
		c.errorf(e.stmt, "%s: there is already a %s of this name below %s", describe(e.stmt), other.Kind, parent.Path())
	}
}

// config decides whether e is configuration (RFC 7950 section 7.21.1).
func (c *compiler) config(e *entry, at place) bool {
	if at.rpc {
		return false
	}
	switch e.kind {
	case "rpc", "action", "notification", "input", "output":
		return false
	}
	if e.config == nil {
		return at.config
	}
	v := c.boolean(e.config)
	if v && !at.config {
		c.errorf(e.config, "%s cannot be config true below state", describe(e.stmt))
		return false
	}
	return v
}

// elements reads min-elements and max-elements.
func (c *compiler) elements(e *entry) (lo, hi uint32) {
	if s := e.minElements; s != nil {
		n, err := strconv.ParseUint(s.Argument, 10, 32)
		if err != nil {
			c.errorf(s, "min-elements %q is not a number", s.Argument)
		}
		lo = uint32(n)
	}
	if s := e.maxElements; s != nil && s.Argument != "unbounded" {
		n, err := strconv.ParseUint(s.Argument, 10, 32)
		if err != nil || n == 0 {
			c.errorf(s, "max-elements %q is neither a positive number nor unbounded", s.Argument)
		}
		hi = uint32(n)
	}
	if hi != 0 && lo > hi {
		c.errorf(e.stmt, "%s: min-elements %d is greater than max-elements %d", describe(e.stmt), lo, hi)
	}
	return lo, hi
}

// expr keeps an XPath expression with what compiling it needs.
func (c *compiler) expr(l located, mod *Module) Expr {
	return Expr{Text: l.stmt.Argument, Prefixes: l.scope.unit.prefixes, Default: mod, Source: source(l.stmt)}
}

// choice builds a choice and the nodes of its cases.
func (c *compiler) choice(owner *Node, e *entry, at place) {
	ch := &Choice{Name: e.name, Module: e.mod, Parent: at.kase, Owner: owner, Config: c.config(e, at)}
	if e.mandatory != nil {
		ch.Mandatory = c.boolean(e.mandatory)
	}
	if at.kase != nil {
		at.kase.Choices = append(at.kase.Choices, ch)
	} else {
		owner.choices = append(owner.choices, ch)
	}
	when := slices.Concat(at.when, c.whens(e))
	seen := map[string]bool{}
	for _, ce := range e.children {
		if seen[ce.name] {
			c.errorf(ce.stmt, "case %q is there twice in choice %q", ce.name, e.name)
		}
		seen[ce.name] = true
		if ce.off || ce.implicit && !slices.ContainsFunc(ce.children, func(e *entry) bool { return !e.off }) {
			continue
		}
		kase := &Case{Name: ce.name, Module: ce.mod, Choice: ch, When: slices.Concat(when, c.whens(ce))}
		ch.Cases = append(ch.Cases, kase)
		before := len(owner.children)
		c.children(owner, ce.children, place{parent: at.parent, kase: kase, config: ch.Config, rpc: at.rpc, when: kase.When})
		kase.Children = slices.Clone(owner.children[before:])
	}
	if len(e.defaults) == 0 {
		return
	}
	s := e.defaults[0].stmt
	name := s.Argument
	if _, local, ok := strings.Cut(name, ":"); ok {
		name = local
	}
	for _, kase := range ch.Cases {
		if kase.Name == name {
			ch.Default = kase
		}
	}
	switch {
	case ch.Default == nil && !seen[name]:
		c.errorf(s, "choice %q has no case %q", e.name, s.Argument)
	case ch.Mandatory:
		c.errorf(s, "the mandatory choice %q cannot have a default", e.name)
	case ch.Default != nil:
		for _, n := range ch.Default.Children {
			if n.Mandatory && n.Case == ch.Default {
				c.errorf(s, "the default case %q has the mandatory node %q", name, n.Name)
			}
		}
	}
}

func (c *compiler) whens(e *entry) []When {
	var list []When
	for _, w := range e.when {
		list = append(list, When{c.expr(w.located, w.module), ContextParent})
	}
	return list
}

// keys resolves the key statement of a list.
func (c *compiler) keys(n *Node, e *entry) {
	if e.key == nil {
		if n.Config {
			c.errorf(e.stmt, "%s is configuration and has no key", describe(e.stmt))
		}
		return
	}
	for _, name := range strings.Fields(e.key.Argument) {
		local := name
		if _, after, ok := strings.Cut(name, ":"); ok {
			local = after
		}
		k := n.byName[local]
		switch {
		case k == nil || k.Kind != Leaf || k.Case != nil:
			c.errorf(e.key, "key %q is not a leaf of %s", name, describe(e.stmt))
		case k.keyIndex >= 0:
			c.errorf(e.key, "key %q is named twice", name)
		case k.Config != n.Config:
			c.errorf(e.key, "key %q and its list differ in config", name)
		case len(k.When) > 0:
			c.errorf(e.key, "key %q cannot have a when", name)
		default:
			k.keyIndex = len(n.Keys)
			n.Keys = append(n.Keys, k)
			k.Mandatory = false // a key is always there; its mandatory has no meaning
		}
	}
	if len(strings.Fields(e.key.Argument)) == 0 {
		c.errorf(e.key, "the key is empty")
	}
	c.lists = append(c.lists, listEntry{n, e})
}

// listEntry remembers the unique statements of a list.
type listEntry struct {
	node  *Node
	entry *entry
}

// finishLists resolves unique statements and checks the types of keys.
func (c *compiler) finishLists() {
	for _, l := range c.lists {
		for _, k := range l.node.Keys {
			if k.Type != nil && k.Type.kind == Empty && l.entry.scope.unit.mod.YangVersion == "1" {
				c.errorf(l.entry.key, "key %q cannot be of type empty in YANG version 1", k.Name)
			}
		}
		for _, u := range l.entry.unique {
			var leafs []*Node
			for path := range strings.FieldsSeq(u.stmt.Argument) {
				if leaf := c.uniqueLeaf(l, path, u); leaf != nil {
					leafs = append(leafs, leaf)
				}
			}
			if len(leafs) > 0 {
				l.node.Unique = append(l.node.Unique, leafs)
			}
		}
	}
}

func (c *compiler) uniqueLeaf(l listEntry, path string, u located) *Node {
	at := l.entry
	for step := range strings.SplitSeq(path, "/") {
		mod, name := l.node.Module, step
		if prefix, local, ok := strings.Cut(step, ":"); ok {
			name = local
			if pm := u.scope.unit.prefixes[prefix]; pm != u.scope.unit.mod {
				mod = pm
			}
		}
		next := at.child(mod, name)
		if next == nil {
			c.errorf(u.stmt, "unique %q: there is no node %q in %s %q", path, step, at.kind, at.name)
			return nil
		}
		if at = next; at.kind == "list" {
			c.errorf(u.stmt, "unique: %q leads into another list", path)
			return nil
		}
	}
	n, list := at.node, l.node
	if n == nil {
		if at.kind == "choice" || at.kind == "case" {
			c.errorf(u.stmt, "unique: %q is a %s, not a leaf", path, at.kind)
		}
		return nil // a node of a feature that is not supported
	}
	switch {
	case n.Kind != Leaf:
		c.errorf(u.stmt, "unique: %q is a %s, not a leaf", path, n.Kind)
		return nil
	case n.Config != list.Config:
		c.errorf(u.stmt, "unique: %q and its list differ in config", path)
		return nil
	}
	return n
}

// bindTypes gives every leaf its type.
func (c *compiler) bindTypes() {
	for _, p := range c.pending {
		if p.typ.typ != nil {
			p.node.Type = c.bindType(p.typ.typ, p.node)
		}
	}
	c.checkLeafrefCycles()
}

// defaults reads the defaults of a leaf or leaf-list, its own or those of its
// type (RFC 7950 sections 7.6.1 and 7.7.2).
func (c *compiler) defaults(p pendingType) {
	n := p.node
	list := p.entry.defaults
	inherited := false
	switch {
	case len(list) > 0 && n.Mandatory:
		c.errorf(list[0].stmt, "a mandatory leaf cannot have a default")
	case len(list) > 0 && n.Kind == LeafList && n.MinElements > 0:
		c.errorf(list[0].stmt, "a leaf-list with min-elements cannot have a default")
	case n.IsKey():
		list = nil
	case len(list) == 0 && p.typ.dflt.stmt != nil && !n.Mandatory && n.MinElements == 0:
		list, inherited = []located{p.typ.dflt}, true
	}
	if n.Type == nil {
		return
	}
	for _, d := range list {
		v, err := n.Type.parse(d.stmt.Argument, unitResolver{d.scope.unit}, true)
		if err != nil {
			if inherited {
				c.errorf(p.entry.typ.stmt, "the default of the type does not fit %s: %v", n.Path(), err)
			} else {
				c.errorf(d.stmt, "default of %s: %v", n.Path(), err)
			}
			continue
		}
		if slices.Contains(n.Defaults, v) && n.Config {
			c.errorf(d.stmt, "default %q of %s is there twice", v, n.Path())
			continue
		}
		n.Defaults = append(n.Defaults, v)
	}
}
