package server

import (
	"context"
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/tree"
)

// provideClients registers the readers of the counters of tunnels, pseudowires,
// switching points, services and channel types.
func (s *Server) provideClients() error {
	const (
		tunnels     = "/mtp-node:mpls-tp/mtp-lsp:tunnels/tunnel"
		pseudowires = "/mtp-node:mpls-tp/mtp-pw:pseudowires"
		services    = "/mtp-node:mpls-tp/mtp-service:services/service"
	)
	for path, p := range map[string]oper.Provider{
		tunnels + "/statistics":                          statistics{s, dataplane.KindGroup},
		pseudowires + "/pseudowire/statistics":           statistics{s, dataplane.KindPseudowire},
		pseudowires + "/p2mp-pseudowire/statistics":      statistics{s, dataplane.KindPseudowire},
		pseudowires + "/switching-point/statistics":      statistics{s, dataplane.KindSwitchingPoint},
		services + "/statistics":                         statistics{s, dataplane.KindService},
		services + "/policing":                           policing{s},
		"/mtp-node:mpls-tp/mtp-oam:oam/counters/channel": channelCounters{s},
	} {
		if err := s.Hub.Provide(path, p); err != nil {
			return fmt.Errorf("provider of %s: %w", path, err)
		}
	}
	return nil
}

// policed reports whether a service has a bandwidth profile.
func policed(service *tree.Node) bool {
	if service == nil {
		return false
	}
	ends := service.ChildNamed("endpoint")
	if ends == nil {
		return false
	}
	for end := range ends.Children() {
		if ac := end.ChildNamed("ac"); ac != nil && leafText(ac, "ingress-bandwidth-profile") != "" {
			return true
		}
	}
	return false
}

// policing reads how many frames of each service its bandwidth profile found
// green, yellow and red.
type policing struct{ *Server }

// Read implements oper.Provider.
func (p policing) Read(ctx context.Context, req oper.Request) error {
	var keys []dataplane.Key
	var at []int // of the instances that have a profile
	for i, instance := range req.Instances {
		if service := req.Running.Get(instance[:len(instance)-1]); policed(service) {
			keys = append(keys, dataplane.Key{Kind: dataplane.KindService, Name: service.Keys()[0].String()})
			at = append(at, i)
		}
	}
	counters, err := p.driver.Counters(ctx, keys, make([]dataplane.Counters, 0, len(keys)))
	if err != nil {
		return err
	}
	for n, i := range at {
		if counters[n].Since.IsZero() {
			continue // Not in the data plane: there is nothing that counts.
		}
		for colour, c := range counters[n].Colours {
			e := edits{at: entry(req.Instances[i], "colour", [...]string{"green", "yellow", "red"}[colour])}
			e.setUint(c.Packets, "packets")
			e.setUint(c.Octets, "octets")
			e.build(req.Build)
		}
	}
	return nil
}
