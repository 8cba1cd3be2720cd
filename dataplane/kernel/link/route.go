package link

import (
	"fmt"
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// Route is an IP route of Tandem in the main table.
type Route struct {
	Prefix netip.Prefix
	Index  int    // Of the interface.
	MTU    uint32 // Octets of IP packet; 0: that of the interface.
	// Blackhole drops what matches; Index and MTU are not used.
	Blackhole bool
	// Protocol is the rtm_protocol. ReplaceRoute and DeleteRoute ignore it:
	// they know only ours.
	Protocol uint8
}

// ReplaceRoute creates or replaces the route for a prefix in one step.
func (h *Handle) ReplaceRoute(r Route) error { return first(h.ReplaceRoutes([]Route{r})) }

// ReplaceRoutes replaces many, pipelined; the result has one error per route.
func (h *Handle) ReplaceRoutes(rs []Route) []error { return h.apply(rs, false) }

// DeleteRoute removes our route for a prefix; one that is not there is no
// error.
func (h *Handle) DeleteRoute(p netip.Prefix) error { return first(h.DeleteRoutes([]netip.Prefix{p})) }

// DeleteRoutes removes many, pipelined; the result has one error per prefix.
func (h *Handle) DeleteRoutes(ps []netip.Prefix) []error {
	rs := make([]Route, len(ps))
	for i, p := range ps {
		rs[i].Prefix = p
	}
	return h.apply(rs, true)
}

// ListRoutes returns the IPv4 and IPv6 routes of the main table with an
// rtm_protocol, usually Protocol.
func (h *Handle) ListRoutes(protocol uint8) ([]Route, error) {
	ks, err := h.conn.IPRoutes(protocol)
	if err != nil {
		return nil, fmt.Errorf("list IP routes: %w", err)
	}
	rs := make([]Route, len(ks))
	for i, k := range ks {
		rs[i] = routeOf(k)
	}
	return rs, nil
}

func routeOf(k mplsnl.IPRoute) Route {
	return Route{Prefix: k.Prefix, Index: k.Interface, MTU: k.MTU, Blackhole: k.Blackhole, Protocol: k.Protocol}
}

func (h *Handle) apply(rs []Route, del bool) []error {
	errs := make([]error, len(rs))
	routes := make([]mplsnl.IPRoute, len(rs))
	changes := make([]mplsnl.Change, len(rs))
	for i, r := range rs {
		routes[i] = mplsnl.IPRoute{
			Prefix: r.Prefix, Protocol: Protocol, Metric: Metric,
			Interface: r.Index, MTU: r.MTU, Blackhole: r.Blackhole,
		}
		changes[i] = mplsnl.Change{Delete: del, IP: &routes[i]}
	}
	done := 0
	err := h.conn.Apply(changes, func(i int, err error) {
		errs[i], done = fmt.Errorf("route %s: %w", rs[i].Prefix, err), i+1
	})
	if err != nil {
		for i := done; i < len(errs); i++ {
			errs[i] = err
		}
	}
	return errs
}

func first(errs []error) error { return errs[0] }
