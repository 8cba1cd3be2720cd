package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/openconfig/goyang/pkg/yang"
)

// Compile makes a Schema of the modules that o names and all they need. The
// error is of type CompileErrors and lists every fault that was found.
func Compile(o Options) (*Schema, error) {
	c := &compiler{
		grammar: newGrammar(), opts: o, index: map[string][]Source{}, units: map[string]*unit{},
		schema: &Schema{
			byName: map[string]*Module{}, byNamespace: map[string]*Module{},
			top: map[nameKey]*Node{}, identities: map[nameKey]*Identity{},
		},
		impl: map[string]bool{}, features: map[featureKey]*feature{},
		scopes: map[*yang.Statement]*scope{}, typedefs: map[*yang.Statement]*typedef{},
		patterns: map[patternKey]*Pattern{}, roots: &entry{kind: "root"},
	}
	for k := Int8; k <= InstanceIdentifier; k++ {
		if _, required := typeStatements(k); required == "" {
			c.builtin[k] = &Type{kind: k, name: k.String(), require: k == InstanceIdentifier, owner: c.schema}
		}
	}
	c.indexSources()
	names := slices.Sorted(slices.Values(o.Implement))
	for _, name := range names {
		c.impl[name] = true
	}
	for _, name := range slices.Compact(names) {
		c.loadModule(name, "", nil)
	}
	// What follows relies on well-formed statements and complete prefix maps.
	for _, m := range c.order {
		for _, u := range m.texts() {
			c.check(u, u.stmt, 0)
		}
	}
	if err := c.failed(); err != nil {
		return nil, err
	}
	slices.SortFunc(c.order, func(a, b *unit) int { return strings.Compare(a.name, b.name) })
	slices.SortFunc(c.schema.modules, func(a, b *Module) int { return strings.Compare(a.Name, b.Name) })
	for _, m := range c.order {
		slices.Sort(m.mod.Imports)
		c.topScope(m)
	}
	c.collectFeatures()
	c.collectIdentities()
	c.buildTree()
	c.buildNodes()
	c.checkUnused()
	if err := c.failed(); err != nil {
		return nil, err
	}
	c.schema.contentID = c.contentID()
	return c.schema, nil
}

// checkUnused compiles the top-level typedefs that no leaf uses, so that their
// faults are found too.
func (c *compiler) checkUnused() {
	for _, m := range c.order {
		for _, def := range m.scope.typedefs {
			c.compileTypedef(def)
		}
	}
}

// contentID hashes everything that decides what the schema is.
func (c *compiler) contentID() string {
	h := sha256.New()
	for _, m := range c.order {
		fmt.Fprintf(h, "%s %s %t %q %q\n", m.mod.Name, m.mod.Revision, m.mod.Implemented, m.mod.Features, m.mod.Deviations)
		for _, u := range m.texts() {
			fmt.Fprintf(h, "%s %d\n", u.name, len(u.src.Text))
			h.Write(u.src.Text)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
