package schema

import (
	"path"
	"slices"
	"strings"

	"github.com/openconfig/goyang/pkg/yang"
)

// maxSource is the largest module text that is read, in bytes.
const maxSource = 4 << 20

// compiler holds the state of one Compile.
type compiler struct {
	grammar  grammar
	opts     Options
	errs     []CompileError
	index    map[string][]Source // by module name, the newest revision first
	units    map[string]*unit    // loaded modules and submodules, by name
	schema   *Schema
	order    []*unit // modules in the order of loading
	impl     map[string]bool
	features map[featureKey]*feature
	scopes   map[*yang.Statement]*scope
	typedefs map[*yang.Statement]*typedef
	builtin  [InstanceIdentifier + 1]*Type // built-in types without restriction
	patterns map[patternKey]*Pattern
	usesPath []*yang.Statement // groupings being expanded
	expanded int               // uses statements expanded so far
	roots    *entry            // top-level data nodes, RPCs and notifications of all modules
	pending  []pendingType     // leafs whose type waits for the tree
	lists    []listEntry       // lists whose unique statements wait for the tree
}

// unit is one module or submodule text.
type unit struct {
	stmt     *yang.Statement
	src      Source
	name     string
	revision string
	mod      *Module
	main     *unit // the unit of the module statement: itself for a module
	prefixes map[string]*Module
	subs     []*unit // of a module: all its submodules
	scope    *scope  // top level; the maps are shared by a module and its submodules
}

// indexSources sorts the sources by module name, taken from the file name.
func (c *compiler) indexSources() {
	for _, s := range c.opts.Sources {
		name, _, _ := strings.Cut(strings.TrimSuffix(path.Base(s.Name), ".yang"), "@")
		c.index[name] = append(c.index[name], s)
	}
	for _, list := range c.index {
		slices.SortStableFunc(list, func(a, b Source) int { return strings.Compare(b.Name, a.Name) })
	}
}

// load parses the module or submodule called name and, for a module, all it
// imports and includes. at is the statement that asks, or nil. It returns nil
// when the text cannot be had; the reason is recorded.
func (c *compiler) load(name, revision string, at *yang.Statement, keyword string) *unit {
	if u, ok := c.units[name]; ok {
		switch {
		case u == nil:
		case u.stmt.Keyword != keyword:
			c.errorf(at, "%s is a %s, not a %s", name, u.stmt.Keyword, keyword)
			return nil
		case revision != "" && u.revision != revision:
			c.errorf(at, "revision %s of %s is asked for but %s is in use", revision, name, u.revision)
		}
		return u
	}
	c.units[name] = nil
	list := c.index[name]
	if len(list) == 0 {
		c.errorf(at, "no source for %s %s", keyword, name)
		return nil
	}
	var found *unit
	for _, src := range list {
		u := c.parse(src)
		if u == nil {
			return nil
		}
		if u.name != name || u.stmt.Keyword != keyword {
			c.errorf(u.stmt, "this is %s %s, not %s %s", u.stmt.Keyword, u.name, keyword, name)
			return nil
		}
		if revision == "" && (found == nil || u.revision > found.revision) || revision != "" && u.revision == revision {
			found = u
		}
	}
	if found == nil {
		c.errorf(at, "no source for revision %s of %s", revision, name)
		return nil
	}
	c.units[name] = found
	return found
}

// parse turns one source into a unit without resolving anything.
func (c *compiler) parse(src Source) *unit {
	if len(src.Text) > maxSource {
		c.errs = append(c.errs, CompileError{File: src.Name, Reason: "the module text is larger than 4 MiB"})
		return nil
	}
	stmts, err := yang.Parse(string(src.Text), src.Name)
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			c.errs = append(c.errs, parseError(src.Name, strings.TrimSpace(line)))
		}
		return nil
	}
	if len(stmts) != 1 || stmts[0].Keyword != "module" && stmts[0].Keyword != "submodule" {
		c.errs = append(c.errs, CompileError{File: src.Name, Line: 1, Reason: "the text is not one module or submodule"})
		return nil
	}
	u := &unit{stmt: stmts[0], src: src, name: stmts[0].Argument}
	for _, s := range u.stmt.SubStatements() {
		if s.Keyword == "revision" && s.Argument > u.revision {
			u.revision = s.Argument
		}
	}
	return u
}

// parseError splits "file:line:column: reason" of the parser.
func parseError(file, line string) CompileError {
	if rest, ok := strings.CutPrefix(line, file+":"); ok {
		if loc, reason, ok := strings.Cut(rest, ": "); ok {
			if _, n := splitLocation(file + ":" + loc); n > 0 {
				return CompileError{File: file, Line: n, Reason: reason}
			}
		}
		return CompileError{File: file, Reason: strings.TrimSpace(rest)}
	}
	return CompileError{File: file, Reason: line}
}

// loadModule loads a module with its submodules and imports, fills in its
// Module and prefix maps, and returns its unit, or nil.
func (c *compiler) loadModule(name, revision string, at *yang.Statement) *unit {
	known := c.units[name] != nil
	u := c.load(name, revision, at, "module")
	if u == nil || known {
		return u
	}
	s := u.stmt
	u.main = u
	u.mod = &Module{
		Name: u.name, Revision: u.revision, Namespace: argOf(s, "namespace"),
		Prefix: argOf(s, "prefix"), YangVersion: argOf(s, "yang-version"),
		Organization: argOf(s, "organization"), Contact: argOf(s, "contact"),
		Description: argOf(s, "description"), Implemented: c.impl[u.name],
		Source: u.src.Text, SourceName: u.src.Name, schema: c.schema,
	}
	switch u.mod.YangVersion {
	case "":
		u.mod.YangVersion = "1"
	case "1", "1.1":
	default:
		c.errorf(first(s, "yang-version"), "yang-version %q is not 1 or 1.1", u.mod.YangVersion)
	}
	if u.mod.Namespace == "" {
		c.errorf(s, "module %s has an empty namespace", u.name)
	} else if other := c.schema.byNamespace[u.mod.Namespace]; other != nil {
		c.errorf(first(s, "namespace"), "namespace %q is already that of module %s", u.mod.Namespace, other.Name)
	} else {
		c.schema.byNamespace[u.mod.Namespace] = u.mod
	}
	c.schema.byName[u.name] = u.mod
	c.schema.modules = append(c.schema.modules, u.mod)
	c.order = append(c.order, u)
	u.scope = &scope{unit: u, typedefs: map[string]*definition{}, groupings: map[string]*definition{}}
	c.link(u)
	return u
}

// link resolves the imports and includes of u, which belongs to the module u.main.
func (c *compiler) link(u *unit) {
	u.prefixes = map[string]*Module{}
	own := argOf(u.stmt, "prefix")
	if u != u.main {
		if b := first(u.stmt, "belongs-to"); b != nil {
			own = argOf(b, "prefix")
		}
	}
	u.prefixes[own] = u.mod
	for _, s := range u.stmt.SubStatements() {
		switch s.Keyword {
		case "import":
			m := c.loadModule(s.Argument, argOf(s, "revision-date"), s)
			if m == nil {
				continue
			}
			prefix := argOf(s, "prefix")
			if u.prefixes[prefix] != nil {
				c.errorf(s, "prefix %q is used twice", prefix)
			}
			u.prefixes[prefix] = m.mod
			if !slices.Contains(u.mod.Imports, s.Argument) {
				u.mod.Imports = append(u.mod.Imports, s.Argument)
			}
		case "include":
			c.include(u, s)
		}
	}
}

func (c *compiler) include(u *unit, s *yang.Statement) {
	known := c.units[s.Argument] != nil
	sub := c.load(s.Argument, argOf(s, "revision-date"), s, "submodule")
	if sub == nil {
		return
	}
	if owner := argOf(sub.stmt, "belongs-to"); owner != u.mod.Name {
		c.errorf(s, "submodule %s belongs to %q, not to %s", sub.name, owner, u.mod.Name)
		return
	}
	if known {
		return
	}
	sub.main, sub.mod = u.main, u.mod
	sub.scope = &scope{unit: sub, typedefs: u.scope.typedefs, groupings: u.scope.groupings}
	u.main.subs = append(u.main.subs, sub)
	u.mod.Submodules = append(u.mod.Submodules, &Submodule{
		Name: sub.name, Revision: sub.revision, Source: sub.src.Text, SourceName: sub.src.Name,
	})
	c.link(sub)
}

// texts returns the units of a module: its own and those of its submodules.
func (u *unit) texts() []*unit { return append([]*unit{u.main}, u.main.subs...) }
