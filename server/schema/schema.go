package schema

import (
	"fmt"
	"strings"
)

// Source is the text of one YANG module or submodule.
type Source struct {
	Name string // file name, used in messages: "ietf-ip.yang" or "ietf-ip@2018-02-22.yang"
	Text []byte
}

// Options says what to compile.
type Options struct {
	// Sources holds every module that may be needed. Those that no implemented
	// module reaches by import or include are not looked at.
	Sources []Source
	// Implement names the modules whose data nodes, operations, notifications,
	// augments and deviations are in force (RFC 7950 section 5.6.5).
	Implement []string
	// Features lists the supported features by module; of a module that is
	// absent here all features are supported.
	Features map[string][]string
}

// Schema is a compiled set of modules. It never changes and is safe for
// concurrent use.
type Schema struct {
	root        *Node
	modules     []*Module // sorted by name
	byName      map[string]*Module
	byNamespace map[string]*Module
	rpcs        []*Node
	notifs      []*Node
	top         map[nameKey]*Node // RPCs and top-level notifications
	identities  map[nameKey]*Identity
	nodes       []*Node
	contentID   string
}

// nameKey identifies something that a module defines at its top level.
type nameKey struct {
	module *Module
	name   string
}

// Module is one module, with what its submodules add to it.
type Module struct {
	Name         string
	Revision     string // "2026-11-21"; empty when the module has no revision statement
	Namespace    string
	Prefix       string
	YangVersion  string // "1" or "1.1"
	Organization string
	Contact      string
	Description  string
	Implemented  bool
	Features     []string // the supported features, sorted
	Deviations   []string // modules with deviations for this one, sorted
	Submodules   []*Submodule
	Imports      []string // names of imported modules, sorted
	Source       []byte
	SourceName   string

	schema *Schema
}

// Schema returns the schema that m is part of.
func (m *Module) Schema() *Schema { return m.schema }

// Submodule is one submodule that a module includes.
type Submodule struct {
	Name       string
	Revision   string
	Source     []byte
	SourceName string
}

// Root returns the node above all top-level data nodes of the implemented
// modules. It is a container without module and without name.
func (s *Schema) Root() *Node { return s.root }

// Modules returns the implemented and the imported modules, sorted by name.
func (s *Schema) Modules() []*Module { return s.modules }

// Module returns the module called name, or nil.
func (s *Schema) Module(name string) *Module { return s.byName[name] }

// ModuleByNamespace returns the module with the XML namespace ns, or nil.
func (s *Schema) ModuleByNamespace(ns string) *Module { return s.byNamespace[ns] }

// RPC returns the operation that module m defines under name, or nil.
func (s *Schema) RPC(m *Module, name string) *Node {
	if n := s.top[nameKey{m, name}]; n != nil && n.Kind == RPC {
		return n
	}
	return nil
}

// RPCs returns all operations, ordered by module and then as defined.
func (s *Schema) RPCs() []*Node { return s.rpcs }

// Notification returns the top-level notification that m defines under name, or nil.
func (s *Schema) Notification(m *Module, name string) *Node {
	if n := s.top[nameKey{m, name}]; n != nil && n.Kind == Notification {
		return n
	}
	return nil
}

// Notifications returns all top-level notifications, ordered by module and then
// as defined.
func (s *Schema) Notifications() []*Node { return s.notifs }

// Identity returns the identity that m defines under name, or nil.
func (s *Schema) Identity(m *Module, name string) *Identity {
	return s.identities[nameKey{m, name}]
}

// ContentID identifies the set of modules, revisions, features and deviations
// together with the texts they were compiled from (RFC 8525 content-id): equal
// sets give equal strings on every machine.
func (s *Schema) ContentID() string { return s.contentID }

// NumNodes returns the number of nodes; their IDs are 0 to NumNodes-1.
func (s *Schema) NumNodes() int { return len(s.nodes) }

// NodeByID returns the node with the given ID, or nil.
func (s *Schema) NodeByID(id int) *Node {
	if id < 0 || id >= len(s.nodes) {
		return nil
	}
	return s.nodes[id]
}

// Find returns the node at a schema path: names from the top, each qualified by
// its module where it differs from the parent's ("/ietf-interfaces:interfaces/interface"),
// without keys and without the names of choices and cases. RPCs, actions,
// notifications, input and output are steps like any other; "/" is the root.
func (s *Schema) Find(path string) (*Node, error) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return nil, fmt.Errorf("schema path %q does not begin with a slash", path)
	}
	n := s.root
	if rest == "" {
		return n, nil
	}
	mod := (*Module)(nil)
	for step := range strings.SplitSeq(rest, "/") {
		name := step
		if prefix, local, found := strings.Cut(step, ":"); found {
			if mod = s.byName[prefix]; mod == nil {
				return nil, fmt.Errorf("schema path %q: no module %q", path, prefix)
			}
			name = local
		}
		if mod == nil {
			return nil, fmt.Errorf("schema path %q: %q needs its module's name before it", path, step)
		}
		next := n.step(s, mod, name)
		if next == nil {
			return nil, fmt.Errorf("schema path %q: no node %q of module %s below %s", path, name, mod.Name, n.Path())
		}
		n, mod = next, next.Module
	}
	return n, nil
}

// step returns the schema child of n, of whatever kind, that mod defines as name.
func (n *Node) step(s *Schema, mod *Module, name string) *Node {
	if n.Parent == nil && n.Module == nil {
		if top := s.top[nameKey{mod, name}]; top != nil {
			return top
		}
	}
	if c := n.ChildIn(mod, name); c != nil {
		return c
	}
	for _, c := range n.actions {
		if c.Name == name && c.Module == mod {
			return c
		}
	}
	for _, c := range n.notifs {
		if c.Name == name && c.Module == mod {
			return c
		}
	}
	switch {
	case n.Input != nil && name == "input":
		return n.Input
	case n.Output != nil && name == "output":
		return n.Output
	}
	return nil
}

// NameResolver returns the Resolver of RFC 7951: prefixes are module names, and
// a name without one belongs to def.
func (s *Schema) NameResolver(def *Module) Resolver { return nameResolver{s, def} }

type nameResolver struct {
	schema *Schema
	def    *Module
}

func (r nameResolver) Module(prefix string) *Module {
	if prefix == "" {
		return r.def
	}
	return r.schema.byName[prefix]
}
