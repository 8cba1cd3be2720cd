package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// provideState registers the readers of what nobody pushes, and publishes what
// never changes.
func (s *Server) provideState(o Options) error {
	for path, p := range map[string]oper.Provider{
		"/mtp-node:mpls-tp/sections/section/statistics":        statistics{s, dataplane.KindSection},
		"/mtp-node:mpls-tp/mtp-lsp:lsps/static-lsp/statistics": statistics{s, dataplane.KindLSP},
		"/mtp-node:mpls-tp/mtp-oam:oam/meg/mep/state/session":  sessionProvider{s},
		"/mtp-node:mpls-tp/mtp-oam:oam/counters":               oamCounters{s},
		"/mtp-node:mpls-tp/node/data-plane/discard":            discardProvider{s},
		"/mtp-node:mpls-tp/node/data-plane/interface":          interfaceProvider{s},
		"/mtp-node:mpls-tp/node/data-plane/" + resynchronized:  resynchronizations{s},
		"/mtp-node:mpls-tp/mpls-label-blocks/mpls-label-block": labelBlocks{s},
		"/ietf-system:system-state/clock":                      systemClock{s},
	} {
		if err := s.Hub.Provide(path, p); err != nil {
			return fmt.Errorf("provider of %s: %w", path, err)
		}
	}
	if err := s.publishDataPlane(o); err != nil {
		return err
	}
	return s.publishPlatform()
}

// publishDataPlane shows which driver is active, why, and what it can do.
func (s *Server) publishDataPlane(o Options) error {
	c := s.driver.Capabilities()
	root := tree.Path{{Node: s.Schema.Root().Child("mpls-tp")}}
	e := edits{at: below(root, "node", "data-plane")}
	e.set(c.Driver, "driver")
	e.set(o.DriverReason, "reason")
	e.setUint(uint64(c.MaxImpose), "maximum-label-stack-depth")
	e.list(c.Limits, "limitation")
	for _, f := range slices.Sorted(maps.Keys(c.Features)) {
		feature := edits{at: entry(e.at, "feature", string(f))}
		feature.set(strconv.FormatBool(c.Features[f]), "supported")
		e.all = append(e.all, feature.all...)
	}
	return s.Hub.Publish(s.started, e.all)
}

// statistics reads the counters of sections or LSPs.
type statistics struct {
	*Server
	kind dataplane.Kind
}

// Read implements oper.Provider.
func (p statistics) Read(ctx context.Context, req oper.Request) error {
	keys := make([]dataplane.Key, len(req.Instances))
	for i, at := range req.Instances {
		keys[i] = dataplane.Key{Kind: p.kind, Name: at[len(at)-2].Keys[0].String()}
	}
	counters, err := p.driver.Counters(ctx, keys, make([]dataplane.Counters, 0, len(keys)))
	if err != nil {
		return err
	}
	for i, at := range req.Instances {
		c := counters[i]
		if c.Since.IsZero() {
			continue // Not in the data plane: there is nothing that counts.
		}
		e := edits{at: at, all: make([]tree.Edit, 0, 8)}
		if p.kind == dataplane.KindGroup {
			// What enters a group is what the tunnel sends; what arrives is
			// counted at the LSPs that end here.
			c.Out, c.OutDrops = c.In, c.InDrops+c.OutDrops
		} else {
			e.setUint(c.In.Packets, "in-packets")
			e.setUint(c.In.Octets, "in-octets")
			e.setUint(c.InDrops, "in-drops")
		}
		e.setUint(c.Out.Packets, "out-packets")
		e.setUint(c.Out.Octets, "out-octets")
		e.setUint(c.OutDrops, "out-drops")
		e.setTime(c.Since, "discontinuity-time")
		e.build(req.Build)
	}
	return nil
}

// drops reads what the driver counts beside its objects; nothing where it does
// not.
func (s *Server) drops() (map[string]uint64, error) {
	if d, ok := s.driver.(dataplane.DiscardCounter); ok {
		return d.DropCounters()
	}
	return nil, nil
}

const (
	punted  = "punted-"  // Prefix of the counters of punts.
	channel = "channel-" // Prefix of the counters of channel types.
	noted   = "noted-"   // Prefix of what was counted and not dropped.
)

// discardProvider lists what the data plane dropped, by reason.
type discardProvider struct{ *Server }

// Read implements oper.Provider.
func (p discardProvider) Read(_ context.Context, req oper.Request) error {
	counters, err := p.drops()
	if err != nil {
		return err
	}
	root := tree.Path{{Node: p.Schema.Root().Child("mpls-tp")}}
	at := below(root, "node", "data-plane")
	for reason, n := range counters {
		if strings.HasPrefix(reason, punted) || strings.HasPrefix(reason, channel) || strings.HasPrefix(reason, noted) {
			continue
		}
		e := edits{at: entry(at, "discard", reason)}
		e.setUint(n, "packets")
		e.build(req.Build)
	}
	return nil
}

// resynchronized is the leaf of resynchronizations.
const resynchronized = "sequence-resynchronizations"

// resynchronizations tells how often sequence numbers were taken anew.
type resynchronizations struct{ *Server }

// Read implements oper.Provider.
func (p resynchronizations) Read(_ context.Context, req oper.Request) error {
	counters, err := p.drops()
	if err != nil {
		return err
	}
	if n, counted := counters[noted+"resynchronized"]; counted {
		root := tree.Path{{Node: p.Schema.Root().Child("mpls-tp")}}
		e := edits{at: below(root, "node", "data-plane")}
		e.setUint(n, resynchronized)
		e.build(req.Build)
	}
	return nil
}

// labelBlocks counts the incoming labels in use in each block.
type labelBlocks struct{ *Server }

// Read implements oper.Provider.
func (p labelBlocks) Read(_ context.Context, req oper.Request) error {
	if len(req.Instances) == 0 {
		return nil
	}
	var labels []uint64
	if lsps := req.Running.ChildNamed("mpls-tp").ChildNamed("lsps"); lsps != nil {
		if all := lsps.ChildNamed("static-lsp"); all != nil {
			for lsp := range all.Children() {
				if in := lsp.ChildNamed("in-segment"); in != nil {
					if label := in.ChildNamed("incoming-label"); label != nil {
						labels = append(labels, label.Value().Uint())
					}
				}
			}
		}
	}
	slices.Sort(labels)
	for _, at := range req.Instances {
		block := req.Running.Get(at)
		if block == nil {
			continue
		}
		first, _ := slices.BinarySearch(labels, bound(block, "start-label"))
		last, _ := slices.BinarySearch(labels, bound(block, "end-label")+1)
		leaf := at[len(at)-1].Node.Child("inuse-labels-count")
		req.Build.Set(at.Child(leaf), schema.StringValue(leaf.Type, strconv.Itoa(last-first)))
	}
	return nil
}

func bound(block *tree.Node, leaf string) uint64 {
	n := block.ChildNamed(leaf)
	if n == nil {
		return 0
	}
	return n.Value().Uint()
}
