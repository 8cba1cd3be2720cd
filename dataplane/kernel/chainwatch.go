package kernel

import (
	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// audit is the event that asks for a full audit.
func audit() []dataplane.Event { return []dataplane.Event{{Kind: dataplane.Drift}} }

// drifted is the event that an object was changed; without one, an audit.
func (t *chains) drifted(k dataplane.Key) []dataplane.Event {
	if k == (dataplane.Key{}) {
		t.base = false
	}
	return []dataplane.Event{{Kind: dataplane.Drift, Key: k}}
}

// translate turns a change that somebody else made into events. Links are
// translated elsewhere.
func (t *chains) translate(e link.Event) []dataplane.Event {
	switch e.Kind {
	case link.FilterNew, link.FilterGone:
		return t.filterChanged(&e.Filter, e.Kind == link.FilterGone)
	case link.QdiscGone:
		return t.qdiscGone(e.Qdisc.Interface)
	case link.LinkGone:
		if e.Link.Name == chain.Device {
			t.base = false
			return audit()
		}
	case link.RouteNew, link.RouteGone:
		if e.IP.Protocol != link.Protocol || e.IP.Metric != link.Metric {
			return nil
		}
		h, ok := t.routes[e.IP.Prefix]
		delete(t.routes, e.IP.Prefix)
		if e.Kind == link.RouteNew {
			t.routes[e.IP.Prefix] = heldRoute{what: e.IP, owner: h.owner}
		}
		if ok && h.owner != (dataplane.Key{}) {
			return t.drifted(h.owner)
		}
		return audit()
	}
	return nil
}

func (t *chains) filterChanged(f *mplsnl.Filter, gone bool) []dataplane.Event {
	if f.Block != chain.Ingress && f.Block != chain.Egress {
		return nil
	}
	id := idOf(f)
	h, ours := t.have[id]
	if !gone {
		if !ours {
			t.foreign[id] = struct{}{}
			return nil
		}
		h.sum = 0
		t.have[id] = h
		return t.drifted(h.owner)
	}
	if ours {
		delete(t.have, id)
		return t.drifted(h.owner)
	}
	if _, ok := t.foreign[id]; ok {
		delete(t.foreign, id)
		for k, m := range t.made {
			for _, want := range m.filters {
				if want == id {
					return t.drifted(k)
				}
			}
		}
		return nil
	}
	if f.Handle != 0 {
		return nil
	}
	// A preference, a chain or a whole block was emptied.
	var all []filterID
	for id := range t.have {
		if id.block == f.Block && id.chain == f.Chain && (f.Pref == 0 || id.pref == f.Pref) {
			all = append(all, id)
		}
	}
	for _, id := range all {
		delete(t.have, id)
	}
	if len(all) == 0 {
		return nil
	}
	t.base = false
	return audit()
}

// qdiscGone: someone took clsact from an interface, and with it our filters.
func (t *chains) qdiscGone(index int) []dataplane.Event {
	if index == t.state.Device.Index {
		t.base = false
		return audit()
	}
	var events []dataplane.Event
	for k, o := range t.state.Objects {
		if name := interfaceOf(o); name != "" && t.state.Ports[name].Index == index {
			events = append(events, dataplane.Event{Kind: dataplane.Drift, Key: k})
		}
	}
	return events
}
