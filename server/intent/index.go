package intent

import (
	"net/netip"

	"github.com/tidwall/btree"
)

// from yields the items of an index from pivot on, as long as they match.
func from[T any](t *btree.BTreeG[T], pivot T, match func(T) bool) func(yield func(T) bool) {
	return func(yield func(T) bool) {
		t.Ascend(pivot, func(item T) bool { return match(item) && yield(item) })
	}
}

// holders returns who has the label.
func (s *State) holders(space string, value uint32) []ref {
	var all []ref
	for l := range from(s.labels, label{space: space, value: value}, func(l label) bool { return l.space == space && l.value == value }) {
		all = append(all, l.holder)
	}
	return all
}

// hasLabelSpace reports whether the section has a label space of its own.
func (s *State) hasLabelSpace(name string) bool {
	found := false
	s.labels.Ascend(label{space: name}, func(l label) bool {
		found = name != "" && l.space == name
		return false
	})
	return found
}

// attached returns the sections on an interface, tagged or not.
func (s *State) attached(name string) []port {
	var all []port
	for p := range from(s.ports, port{name: name}, func(p port) bool { return p.name == name }) {
		all = append(all, p)
	}
	return all
}

// attachments returns the attachment circuits of an interface.
func (s *State) attachments(name string) []circuit {
	var all []circuit
	for c := range from(s.circuits, circuit{name: name}, func(c circuit) bool { return c.name == name }) {
		all = append(all, c)
	}
	return all
}

func (s *State) entering(prefix netip.Prefix) []string {
	var names []string
	for c := range from(s.clients, client{prefix: prefix}, func(c client) bool { return c.prefix == prefix }) {
		names = append(names, c.lsp)
	}
	return names
}

// leaving returns who sends the same labels the same way.
func (s *State) leaving(to ref, stack string) []exit {
	var all []exit
	for e := range from(s.exits, exit{to: to, stack: stack}, func(e exit) bool { return e.to == to && e.stack == stack }) {
		all = append(all, e)
	}
	return all
}

// change adds what an object of view v contributes, or takes it back.
func (s *State) change(v *view, r ref, add bool) {
	refer := func(k kind, name *string) {
		if name != nil {
			put(s.uses, use{to: ref{k, *name}, from: r}, add)
		}
	}
	incoming := func(space string, value *uint32) {
		if value != nil {
			put(s.labels, label{space, *value, r}, add)
		}
	}
	outgoing := func(h hop, branch string) {
		if h.section != nil {
			put(s.exits, exit{ref{section, *h.section}, h.labels(), r, branch}, add)
		}
		if h.tunnel != nil {
			put(s.exits, exit{ref{tunnel, *h.tunnel}, h.labels(), r, branch}, add)
		}
		refer(section, h.section)
		refer(tunnel, h.tunnel)
	}
	switch r.kind {
	case section:
		if c := v.section(r.name); c != nil && c.Interface != nil {
			put(s.ports, port{*c.Interface, deref(c.VlanId), r.name}, add)
			refer(scheduler, c.Scheduler)
		}
	case staticLSP:
		l := v.lsp(r.name)
		if l == nil {
			return
		}
		if in := l.InSegment; in != nil {
			refer(section, in.IncomingSection)
			incoming(deref(in.IncomingSection), in.IncomingLabel)
			for _, p := range in.IpPrefix {
				if prefix, err := netip.ParsePrefix(p); err == nil {
					put(s.clients, client{prefix.Masked(), r.name}, add)
				}
			}
		}
		// A section or tunnel may be used by several branches: all of them come
		// and go together.
		for _, h := range hops(l) {
			outgoing(h, h.branch)
		}
	case bidirectionalLSP:
		if b := v.bidir(r.name); b != nil {
			refer(staticLSP, b.ForwardLsp)
			refer(staticLSP, b.ReverseLsp)
		}
	case tunnel:
		if t := v.tunnel(r.name); t != nil {
			for _, l := range t.Lsp {
				refer(bidirectionalLSP, l.BidirectionalLsp)
				refer(staticLSP, l.StaticLsp)
			}
		}
	case pseudowire:
		if p := v.pseudowire(r.name); p != nil {
			incoming("", p.ReceiveLabel)
			outgoing(pseudowireHop(p.Tunnel, p.TransmitLabel, "transmit-label"), "")
		}
	case p2mpPseudowire:
		if p := v.p2mpPseudowire(r.name); p != nil {
			if isRoot(p) {
				outgoing(pseudowireHop(p.Tunnel, p.Label, "label"), "")
			} else {
				incoming("", p.Label)
				refer(tunnel, p.Tunnel)
			}
			for _, name := range p.ReturnPseudowire {
				refer(pseudowire, &name)
			}
		}
	case switchingPoint:
		if p := v.switchingPoint(r.name); p != nil {
			refer(pseudowire, p.Segment_1)
			refer(pseudowire, p.Segment_2)
		}
	case service:
		if c := v.service(r.name); c != nil {
			for _, e := range c.Endpoint {
				refer(pseudowire, e.Pw)
				refer(p2mpPseudowire, e.P2MpPseudowire)
				if ac := e.Ac; ac != nil {
					refer(bandwidthProfile, ac.IngressBandwidthProfile)
					refer(tcMap, ac.TcMap)
					put(s.circuits, circuit{deref(ac.Interface), deref(ac.OuterVlanId), deref(ac.InnerVlanId), r.name}, add)
				}
			}
		}
	case meg:
		if m := v.meg(r.name); m != nil {
			refer(section, m.Section)
			refer(bidirectionalLSP, m.BidirectionalLsp)
			refer(staticLSP, m.StaticLsp)
			refer(pseudowire, m.Pseudowire)
		}
	}
}
