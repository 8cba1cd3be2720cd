// Package intent translates the configuration into what the engines are asked
// to do, and is the only place where names of the YANG modules meet names of
// the engines.
//
// Build is a pure function: the configuration before and after a commit in, a
// dataplane.Delta and an oam.Delta out, at a cost that follows the change. The
// rules of the models that need more than one object, and everything the data
// plane in use cannot do, come out as errors with a path before anything has
// happened. What Build needs to know about the rest of the configuration (who
// uses a section, a tunnel, a label) travels as a State beside each root.
package intent

import (
	"fmt"
	"strings"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// Options for New.
type Options struct {
	Schema       *schema.Schema
	Capabilities dataplane.Capabilities // of the driver in use
	// Stored names modules of the operator whose configuration is kept and
	// shown, and acted upon by nobody here.
	Stored []string
}

// Result is what a change of the configuration means for the engines.
type Result struct {
	Dataplane dataplane.Delta
	OAM       oam.Delta
	State     *State // belongs to the new configuration
}

// Intent is the translation for one schema and one driver. It never changes and
// is safe for concurrent use.
type Intent struct {
	schema *schema.Schema
	caps   dataplane.Capabilities
	stored []string

	sources [meg + 1]source
	lists   map[*schema.Node]kind // of the lists that deltas are made of
	above   map[*schema.Node]bool // ancestors of all sources
}

// source is where the objects of a kind stand in the configuration.
type source struct {
	schema *schema.Node // the list, or the container
	home   tree.Path    // of the container that holds the list, or of the container itself
	plan   *plan
}

// New prepares the translation. It refuses a schema with configuration leafs
// that nobody owns, and names all of them, or with a module that it cannot
// translate.
func New(o Options) (*Intent, error) {
	i := &Intent{schema: o.Schema, caps: o.Capabilities, stored: o.Stored}
	i.lists = map[*schema.Node]kind{}
	i.above = map[*schema.Node]bool{}
	for k, want := range [meg + 1]struct {
		path  string
		model any
	}{
		settings:         {"/mtp-node:mpls-tp/node", nodeConfig{}},
		labelBlock:       {"/mtp-node:mpls-tp/mpls-label-blocks/mpls-label-block", blockConfig{}},
		bandwidthProfile: {"/mtp-node:mpls-tp/mtp-qos:qos/bandwidth-profile", profileConfig{}},
		tcMap:            {"/mtp-node:mpls-tp/mtp-qos:qos/tc-map", tcMapConfig{}},
		scheduler:        {"/mtp-node:mpls-tp/mtp-qos:qos/scheduler", schedulerConfig{}},
		section:          {"/mtp-node:mpls-tp/sections/section", sectionConfig{}},
		staticLSP:        {"/mtp-node:mpls-tp/mtp-lsp:lsps/static-lsp", lspConfig{}},
		bidirectionalLSP: {"/mtp-node:mpls-tp/mtp-lsp:lsps/bidirectional-lsp", bidirConfig{}},
		tunnel:           {"/mtp-node:mpls-tp/mtp-lsp:tunnels/tunnel", tunnelConfig{}},
		pseudowire:       {"/mtp-node:mpls-tp/mtp-pw:pseudowires/pseudowire", pseudowireConfig{}},
		p2mpPseudowire:   {"/mtp-node:mpls-tp/mtp-pw:pseudowires/p2mp-pseudowire", p2mpConfig{}},
		switchingPoint:   {"/mtp-node:mpls-tp/mtp-pw:pseudowires/switching-point", switchingConfig{}},
		service:          {"/mtp-node:mpls-tp/mtp-service:services/service", serviceConfig{}},
		meg:              {"/mtp-node:mpls-tp/mtp-oam:oam/meg", megConfig{}},
	} {
		n, err := o.Schema.Find(want.path)
		if err != nil {
			return nil, fmt.Errorf("intent: the schema lacks %s: %w", want.path, err)
		}
		s := source{schema: n, home: containerPath(n)}
		if n.Kind == schema.List {
			s.home = containerPath(n.Parent)
		}
		if s.plan, err = newPlan(want.model, n, o.Stored); err != nil {
			return nil, fmt.Errorf("intent: %w", err)
		}
		i.sources[k] = s
		if kind(k) >= bandwidthProfile {
			i.lists[n] = kind(k)
		}
		for p := n.Parent; p != nil; p = p.Parent {
			i.above[p] = true
		}
	}
	if missing := i.unowned(); len(missing) > 0 {
		return nil, fmt.Errorf("intent: %d configuration leafs have neither an owner nor a deviation: %s",
			len(missing), strings.Join(missing, ", "))
	}
	return i, nil
}

// Path returns the instance that an object of the data plane is made from: a
// group is that of a tunnel, and a pseudowire is taken for a point-to-point one.
// It is nil for a kind that there is not.
func (i *Intent) Path(k dataplane.Key) tree.Path {
	of, ok := map[dataplane.Kind]kind{
		dataplane.KindSection: section, dataplane.KindLSP: staticLSP, dataplane.KindGroup: tunnel,
		dataplane.KindPseudowire: pseudowire, dataplane.KindService: service, dataplane.KindSwitchingPoint: switchingPoint,
	}[k.Kind]
	if !ok {
		return nil
	}
	return i.entryPath(ref{of, k.Name})
}

// MEGPath returns the instance of a MEG.
func (i *Intent) MEGPath(name string) tree.Path { return i.entryPath(ref{meg, name}) }

func (i *Intent) entryPath(r ref) tree.Path {
	s := &i.sources[r.kind]
	return s.home.Child(s.schema, key(s.schema, r.name))
}

// key is the value of the one key of a list.
func key(list *schema.Node, name string) schema.Value {
	return schema.StringValue(list.Keys[0].Type, name)
}

// containerPath returns the path of a node below containers only.
func containerPath(n *schema.Node) tree.Path {
	var p tree.Path
	for ; n != nil && n.Parent != nil; n = n.Parent {
		p = append(p, tree.Step{Node: n})
	}
	for a, b := 0, len(p)-1; a < b; a, b = a+1, b-1 {
		p[a], p[b] = p[b], p[a]
	}
	return p
}

// below extends p by containers and leafs, by name. A name that the schema does
// not have ends it: the path then names the nearest ancestor.
func below(p tree.Path, names ...string) tree.Path {
	for _, name := range names {
		next := p[len(p)-1].Node.Child(name)
		if next == nil {
			return p
		}
		p = p.Child(next)
	}
	return p
}
