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
	"github.com/tandem-ne/tandem/gen/mtp"
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

	node                                    *schema.Node // the container
	blocks, sections, lsps, bidirs          *schema.Node // the lists
	tunnels, megs                           *schema.Node
	lists                                   map[*schema.Node]kind
	homes                                   map[*schema.Node]tree.Path // paths of the containers that hold the lists, and of node
	above                                   map[*schema.Node]bool      // ancestors of the lists and of the container
	nodePlan, blockPlan, sectionPlan        *plan
	lspPlan, bidirPlan, tunnelPlan, megPlan *plan
}

// New prepares the translation. It refuses a schema with configuration leafs
// that nobody owns, and names all of them, or with a module that it cannot
// translate.
func New(o Options) (*Intent, error) {
	i := &Intent{schema: o.Schema, caps: o.Capabilities, stored: o.Stored}
	find := func(path string) (*schema.Node, error) {
		n, err := o.Schema.Find(path)
		if err != nil {
			return nil, fmt.Errorf("intent: the schema lacks %s: %w", path, err)
		}
		return n, nil
	}
	for _, want := range []struct {
		node **schema.Node
		path string
	}{
		{&i.node, "/mtp-node:mpls-tp/node"},
		{&i.blocks, "/mtp-node:mpls-tp/mpls-label-blocks/mpls-label-block"},
		{&i.sections, "/mtp-node:mpls-tp/sections/section"},
		{&i.lsps, "/mtp-node:mpls-tp/mtp-lsp:lsps/static-lsp"},
		{&i.bidirs, "/mtp-node:mpls-tp/mtp-lsp:lsps/bidirectional-lsp"},
		{&i.tunnels, "/mtp-node:mpls-tp/mtp-lsp:tunnels/tunnel"},
		{&i.megs, "/mtp-node:mpls-tp/mtp-oam:oam/meg"},
	} {
		var err error
		if *want.node, err = find(want.path); err != nil {
			return nil, err
		}
	}
	i.lists = map[*schema.Node]kind{
		i.sections: section, i.lsps: staticLSP, i.bidirs: bidirectionalLSP, i.tunnels: tunnel, i.megs: meg,
	}
	i.above = map[*schema.Node]bool{}
	i.homes = map[*schema.Node]tree.Path{i.node: containerPath(i.node)}
	for _, n := range []*schema.Node{i.blocks, i.sections, i.lsps, i.bidirs, i.tunnels, i.megs} {
		i.homes[n.Parent] = containerPath(n.Parent)
	}
	for _, n := range []*schema.Node{i.blocks, i.sections, i.lsps, i.bidirs, i.tunnels, i.megs, i.node} {
		for p := n.Parent; p != nil; p = p.Parent {
			i.above[p] = true
		}
	}
	for _, want := range []struct {
		plan  **plan
		model any
		node  *schema.Node
	}{
		{&i.nodePlan, mtp.MtpNode_MplsTp_Node{}, i.node},
		{&i.blockPlan, mtp.MtpNode_MplsTp_MplsLabelBlocks_MplsLabelBlock{}, i.blocks},
		{&i.sectionPlan, mtp.MtpNode_MplsTp_Sections_Section{}, i.sections},
		{&i.lspPlan, mtp.MtpNode_MplsTp_Lsps_StaticLsp{}, i.lsps},
		{&i.bidirPlan, mtp.MtpNode_MplsTp_Lsps_BidirectionalLsp{}, i.bidirs},
		{&i.tunnelPlan, mtp.MtpNode_MplsTp_Tunnels_Tunnel{}, i.tunnels},
		{&i.megPlan, mtp.MtpNode_MplsTp_Oam_Meg{}, i.megs},
	} {
		var err error
		if *want.plan, err = newPlan(want.model, want.node, o.Stored); err != nil {
			return nil, fmt.Errorf("intent: %w", err)
		}
	}
	if missing := i.unowned(); len(missing) > 0 {
		return nil, fmt.Errorf("intent: %d configuration leafs have neither an owner nor a deviation: %s",
			len(missing), strings.Join(missing, ", "))
	}
	return i, nil
}

// Path returns the instance of a section or static LSP; nil for a kind that has none.
func (i *Intent) Path(k dataplane.Key) tree.Path {
	switch k.Kind {
	case dataplane.KindSection:
		return i.entryPath(ref{section, k.Name})
	case dataplane.KindLSP:
		return i.entryPath(ref{staticLSP, k.Name})
	}
	return nil
}

// MEGPath returns the instance of a MEG.
func (i *Intent) MEGPath(name string) tree.Path { return i.entryPath(ref{meg, name}) }

// list returns the list that holds the objects of a kind.
func (i *Intent) list(k kind) *schema.Node {
	switch k {
	case section:
		return i.sections
	case staticLSP:
		return i.lsps
	case bidirectionalLSP:
		return i.bidirs
	case tunnel:
		return i.tunnels
	}
	return i.megs
}

func (i *Intent) entryPath(r ref) tree.Path {
	list := i.list(r.kind)
	return i.homes[list.Parent].Child(list, key(list, r.name))
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
