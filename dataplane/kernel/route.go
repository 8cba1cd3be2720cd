package kernel

import (
	"fmt"
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// An IP route needs a gateway, or the kernel would send to the broadcast
// address. MPLS-TP has no IP next hops, so each section has an address of the
// link-local ranges that nobody asks for: a permanent neighbour entry leads it
// to the MAC address of the peer, and the route says that it is on the link.

// gatewayIPv4 and gatewayIPv6 stand for the peer of every section; neighbour
// entries are per interface.
func gatewayIPv4() netip.Addr { return netip.AddrFrom4([4]byte{169, 254, 144, 1}) }
func gatewayIPv6() netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: 0x01, 9: 0x00, 10: 0x5e, 11: 0x90, 15: 0x01})
}

// footprint is the routes of an LSP.
type footprint struct {
	mpls *mplsnl.Route // Nil: none.
	ip   []mplsnl.IPRoute
}

// routesOf turns an LSP into routes. The error tells why there can be none
// now; then the footprint is empty.
func (d *Driver) routesOf(l *dataplane.LSP, sections map[string]*section, a *arena) (footprint, *dataplane.OpError) {
	if l.Op == dataplane.PopAndLookup {
		if l.Down {
			return footprint{}, nil
		}
		return labelled(l, mplsnl.Hop{Interface: d.lo}, a), nil
	}
	sec := sections[l.Out.Section]
	if sec == nil {
		return footprint{}, &dataplane.OpError{Key: l.Key(), Reason: fmt.Sprintf("section %s is not in the data plane", l.Out.Section)}
	}
	off := l.Down || sec.Down
	if sec.index == 0 && !off {
		return footprint{}, &dataplane.OpError{Key: l.Key(), Reason: fmt.Sprintf("section %s has no interface %s", sec.Name, sec.Interface)}
	}
	if l.Op == dataplane.ImposeAndForward {
		return imposing(l, sec, off), nil
	}
	if off {
		return footprint{}, nil
	}
	hop := mplsnl.Hop{Interface: sec.index, Via: mplsnl.ViaLink(sec.PeerMAC.OrMulticast())}
	hop.Out = a.stack(l.Out.Stack)
	return labelled(l, hop, a), nil
}

// labelled is the footprint of an LSP with an incoming label. In the pipe model
// the TTL of a label never goes into the payload.
func labelled(l *dataplane.LSP, hop mplsnl.Hop, a *arena) footprint {
	return footprint{mpls: a.route(mplsnl.Route{Label: l.InLabel, Protocol: link.Protocol, Propagate: mplsnl.PropagateOff}, hop)}
}

// arena gives memory for the routes of one batch, many at a time.
type arena struct {
	routes []mplsnl.Route
	hops   []mplsnl.Hop
	labels []uint32
}

// slab is how many elements an arena takes at once.
const slab = 512

// take returns a slice of n new elements of s.
func take[T any](s *[]T, n int) []T {
	if cap(*s)-len(*s) < n {
		*s = make([]T, 0, max(n, slab))
	}
	from := len(*s)
	*s = (*s)[:from+n]
	return (*s)[from : from+n : from+n]
}

func (a *arena) route(r mplsnl.Route, hop mplsnl.Hop) *mplsnl.Route {
	r.Hops = take(&a.hops, 1)
	r.Hops[0] = hop
	p := &take(&a.routes, 1)[0]
	*p = r
	return p
}

// stack returns the labels of entries; nil for none.
func (a *arena) stack(entries []dataplane.LabelEntry) []uint32 {
	if len(entries) == 0 {
		return nil
	}
	labels := take(&a.labels, len(entries))
	for i, e := range entries {
		labels[i] = e.Label
	}
	return labels
}

// imposing is the footprint of an LSP for IP clients. While it is off, its
// prefixes are black holes: packets must not take another way.
func imposing(l *dataplane.LSP, sec *section, off bool) footprint {
	f := footprint{ip: make([]mplsnl.IPRoute, 0, len(l.Prefixes))}
	for _, p := range l.Prefixes {
		r := mplsnl.IPRoute{Prefix: p, Protocol: link.Protocol, Metric: link.Metric, Blackhole: off}
		if !off {
			r.Interface, r.TTL = sec.index, l.Out.Stack[0].EffectiveTTL()
			r.Gateway = gatewayIPv6()
			if p.Addr().Is4() {
				r.Gateway = gatewayIPv4()
			}
			for _, e := range l.Out.Stack {
				r.Labels = append(r.Labels, e.Label)
			}
		}
		f.ip = append(f.ip, r)
	}
	return f
}
