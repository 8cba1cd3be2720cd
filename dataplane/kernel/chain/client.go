package chain

import (
	"crypto/sha256"
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
	if s.Device.Index == 0 {
		return fail(k, "there is no interface "+Device)
	}
	legs, err := s.ways(c, k, Egress, -egressOctets, to)
	if err != nil {
		return err
	}
	if l, ok := s.Objects[k].(dataplane.LSP); ok {
		classify(legs, l.Class)
	}
	label := s.Clients[k]
	in, passed := labelIndex(clientSpace, label, 0), labelIndex(clientSpace, label, 1)
	f := mplsnl.Filter{
		Block: Egress, Chain: 0, Pref: prefLabel, Protocol: mplsnl.EtherMPLS, Handle: label,
		Match: mplsnl.Match{Kind: mplsnl.Flower},
	}
	f.Match.LSE[0] = mplsnl.LSE{HasLabel: true, Label: label}
	begin := []mplsnl.Action{counting(in), counting(passed)}
	if k.Kind == dataplane.KindGroup {
		begin = nil // It counts in its own chain.
	} else {
		c.count(in, k, In, -egressOctets)
		c.count(passed, k, Taken, 0)
	}
	switch {
	case down || len(legs) == 0:
		ends := c.ends(0)
		if l, ok := s.Objects[k].(dataplane.LSP); ok && closed(l) != 0 {
			ends = []mplsnl.Action{dropping(closed(l))}
		}
		f.Actions = append(append([]mplsnl.Action{counting(in)}, ends...), counting(passed))
	default:
		f.Actions = append(append(begin, c.notes(0)...), forward(legs, given, 0)...)
		for _, x := range legs {
			c.account(passed, x, -egressOctets)
			if k.Kind == dataplane.KindLSP {
				c.count(passed, k, Out, 4*x.own-egressOctets)
			}
		}
	}
	c.Filters = append(c.Filters, f)
	mtu := 0
	for _, n := range to {
		if m := s.room(c, n, 0); m != 0 && (mtu == 0 || m < mtu) {
			mtu = m
		}
	}
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

// room returns how long a packet may be before the labels of a next hop,
// whatever leg is active on the way; 0: not known.
func (s *State) room(c *Compiled, n dataplane.NextHop, nesting int) int {
	least := 0
	within := func(m int) {
		if m != 0 && (least == 0 || m < least) {
			least = m
		}
	}
	if n.Group == "" {
		k := key(dataplane.KindSection, n.Section)
		c.need(k)
		if sec, ok := s.Objects[k].(dataplane.Section); ok {
			within(s.Ports[sec.Interface].MTU)
		}
	} else if nesting < maxNesting {
		k := key(dataplane.KindGroup, n.Group)
		c.need(k)
		g, _ := s.Objects[k].(dataplane.Group)
		for _, name := range g.Legs {
			k := key(dataplane.KindLSP, name)
			c.need(k)
			if l, ok := s.Objects[k].(dataplane.LSP); ok {
				for _, h := range hops(l) {
					within(s.room(c, h, nesting+1))
				}
			}
		}
	}
	if least == 0 {
		return 0
	}
	return max(least-4*len(n.Stack), 1)
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
