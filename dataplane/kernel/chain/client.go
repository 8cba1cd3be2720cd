package chain

import (
	"crypto/sha256"
	"fmt"
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// GatewayIPv4 and GatewayIPv6 stand for whoever is behind Device: an IP route
// needs a gateway, and Device asks for no neighbour.
func GatewayIPv4() netip.Addr { return netip.AddrFrom4([4]byte{169, 254, 144, 1}) }

// GatewayIPv6 is GatewayIPv4 of the other family.
func GatewayIPv6() netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: 0x01, 9: 0x00, 10: 0x5e, 11: 0x90, 15: 0x01})
}

// egressOctets is what the kernel counts more at the egress of Device than
// the IP packet: the Ethernet header and the client label.
const egressOctets = 14 + 4

// clients compiles what IP clients enter: routes to Device with the client
// label, and the filter of that label, which makes the labels of the way.
func (s *State) clients(c *Compiled, k dataplane.Key, prefixes []netip.Prefix, to []dataplane.NextHop, down bool) *dataplane.OpError {
	var legs []leg
	for _, n := range to {
		more, err := s.resolve(c, k, n, 0)
		if err != nil {
			return err
		}
		legs = append(legs, more...)
	}
	if len(prefixes) == 0 {
		if k.Kind == dataplane.KindLSP {
			c.Filters = append(c.Filters, Record(k, s.Records[k], 0))
		}
		return nil
	}
	if s.Device.Index == 0 {
		return fail(k, "there is no interface "+Device)
	}
	label := s.Clients[k]
	in, passed := labelIndex(clientSpace, label, 0), labelIndex(clientSpace, label, 1)
	c.count(in, k, In, -egressOctets)
	c.count(passed, k, Taken, 0)
	f := mplsnl.Filter{
		Block: Egress, Chain: 0, Pref: prefLabel, Protocol: mplsnl.EtherMPLS, Handle: label,
		Match: mplsnl.Match{Kind: mplsnl.Flower},
	}
	f.Match.LSE[0] = mplsnl.LSE{HasLabel: true, Label: label}
	mtu := 0
	switch {
	case down || len(legs) == 0:
		r := wayDown(to)
		if l, ok := s.Objects[k].(dataplane.LSP); ok && l.Down {
			r = LSPDown
		} else if ok && l.Blocked {
			r = Blocked
		}
		f.Actions = []mplsnl.Action{counting(in), dropping(r), counting(passed)}
	default:
		f.Actions = append([]mplsnl.Action{counting(in), counting(passed)}, forward(legs, false, 0)...)
		for _, x := range legs {
			c.account(passed, x, -egressOctets)
			if k.Kind == dataplane.KindLSP {
				c.count(passed, k, Out, 4*x.own-egressOctets)
			}
			if m := x.port.MTU - 4*len(x.stack); x.port.MTU != 0 && (mtu == 0 || m < mtu) {
				mtu = m
			}
		}
	}
	c.Filters = append(c.Filters, f)
	for _, p := range prefixes {
		r := mplsnl.IPRoute{
			Prefix: p, Protocol: link.Protocol, Metric: link.Metric, Interface: s.Device.Index,
			Labels: []uint32{label}, TTL: 255, Gateway: GatewayIPv6(), MTU: uint32(max(mtu, 0)),
		}
		if p.Addr().Is4() {
			r.Gateway = GatewayIPv4()
		}
		c.Routes = append(c.Routes, r)
	}
	return nil
}

// group compiles a group: its record, and what its own clients enter.
func (s *State) group(c *Compiled, g dataplane.Group) *dataplane.OpError {
	kind := dataplane.KindLSP
	if g.Pseudowires {
		kind = dataplane.KindPseudowire
	}
	for _, name := range g.Legs {
		k := key(kind, name)
		c.need(k)
		if s.Objects[k] == nil {
			return fail(g.Key(), fmt.Sprintf("leg %s is not in the data plane", name))
		}
	}
	c.Filters = append(c.Filters, Record(g.Key(), s.Records[g.Key()], s.Active[g.Name]))
	if len(g.Prefixes) == 0 || g.Pseudowires {
		return nil
	}
	return s.clients(c, g.Key(), g.Prefixes, []dataplane.NextHop{{Group: g.Name}}, g.Down)
}

// Record is the filter that no packet meets and that tells, after a restart,
// that there is a group and which leg is active, or an LSP that is only a leg.
func Record(k dataplane.Key, handle uint32, active uint8) mplsnl.Filter {
	f := mplsnl.Filter{
		Block: Ingress, Chain: chainRecord, Pref: 1, Protocol: mplsnl.EtherMPLS, Handle: handle,
		Match:   mplsnl.Match{Kind: mplsnl.Flower},
		Actions: []mplsnl.Action{{Kind: mplsnl.GAct, Verdict: mplsnl.Drop, NoPerCPU: true, Cookie: RecordCookie(k, active)}},
	}
	f.Match.LSE[0] = mplsnl.LSE{HasLabel: true, Label: handle & 0xfffff}
	return f
}

// RecordCookie is the key of an object, hashed, and the active leg of a group.
func RecordCookie(k dataplane.Key, active uint8) (c [16]byte) {
	h := sha256.Sum256([]byte(k.String()))
	copy(c[:15], h[:])
	c[15] = active + 1
	return c
}

// IsRecord tells whether a filter is the record of a group.
func IsRecord(f *mplsnl.Filter) (cookie [16]byte, ok bool) {
	if f.Block != Ingress || f.Chain != chainRecord || len(f.Actions) != 1 {
		return cookie, false
	}
	return f.Actions[0].Cookie, true
}
