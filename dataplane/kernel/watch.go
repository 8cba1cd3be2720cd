package kernel

import (
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// watch follows changes of interfaces and routes and turns those that someone
// else made into events. It may block on a reader that is slow: then the kernel
// drops changes, the subscription says Overflow, and an audit follows.
func (d *Driver) watch(links []link.Link) {
	defer close(d.done)
	defer close(d.events)
	known := make(map[int]link.Link, len(links))
	for _, l := range links {
		known[l.Index] = l
	}
	for e := range d.sub.Events() {
		for _, out := range d.translate(e, known) {
			out.Time = time.Now()
			select {
			case d.events <- out:
			case <-d.stop:
				return
			}
		}
	}
}

// translate returns the events that a change gives rise to.
func (d *Driver) translate(e link.Event, known map[int]link.Link) []dataplane.Event {
	switch e.Kind {
	case link.LinkNew:
		old, was := known[e.Link.Index]
		known[e.Link.Index] = e.Link
		return linkEvents(old, was, e.Link)
	case link.LinkGone:
		delete(known, e.Link.Index)
		if d.chains != nil && e.Link.Name == chain.Device {
			break
		}
		return []dataplane.Event{{Kind: dataplane.LinkChanged, Interface: e.Link.Name}}
	case link.Overflow:
		return []dataplane.Event{{Kind: dataplane.Drift}}
	}
	if e.Own {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.chains != nil {
		return d.chains.translate(e)
	}
	switch e.Kind {
	case link.MPLSNew, link.MPLSGone:
		return d.driftMPLS(e)
	case link.RouteNew, link.RouteGone:
		return d.driftIP(e)
	}
	return nil
}

// linkEvents compares two states of an interface.
func linkEvents(old link.Link, was bool, l link.Link) []dataplane.Event {
	event := func(k dataplane.EventKind, name string) dataplane.Event {
		return dataplane.Event{Kind: k, Interface: name}
	}
	switch {
	case !was:
		return []dataplane.Event{event(dataplane.LinkChanged, l.Name)}
	case old.Name != l.Name:
		return []dataplane.Event{event(dataplane.LinkChanged, old.Name), event(dataplane.LinkChanged, l.Name)}
	case old.MAC != l.MAC:
		return []dataplane.Event{event(dataplane.LinkChanged, l.Name)}
	case old.Carrier && !l.Carrier:
		return []dataplane.Event{event(dataplane.LinkDown, l.Name)}
	case !old.Carrier && l.Carrier:
		return []dataplane.Event{event(dataplane.LinkUp, l.Name)}
	}
	return nil
}

// driftMPLS handles a change of an MPLS route by someone else. Caller holds
// mu.
func (d *Driver) driftMPLS(e link.Event) []dataplane.Event {
	m := &d.model
	if e.Kind == link.MPLSNew {
		m.seen(e.MPLS)
	} else {
		m.gone(e.MPLS.Label)
	}
	if name, ok := m.labels[e.MPLS.Label]; ok {
		return drift(name)
	}
	if e.Kind == link.MPLSNew && e.MPLS.Protocol == link.Protocol {
		return []dataplane.Event{{Kind: dataplane.Drift}} // Someone uses our protocol.
	}
	return nil
}

// driftIP handles a change of an IP route by someone else. Caller holds mu.
func (d *Driver) driftIP(e link.Event) []dataplane.Event {
	if e.IP.Protocol != link.Protocol || e.IP.Metric != link.Metric {
		return nil
	}
	if e.Kind == link.RouteNew {
		d.model.ipRoutes[e.IP.Prefix] = struct{}{}
	} else {
		delete(d.model.ipRoutes, e.IP.Prefix)
	}
	if name, ok := d.model.prefixes[e.IP.Prefix]; ok {
		return drift(name)
	}
	return []dataplane.Event{{Kind: dataplane.Drift}}
}

func drift(lsp string) []dataplane.Event {
	return []dataplane.Event{{Kind: dataplane.Drift, Key: dataplane.Key{Kind: dataplane.KindLSP, Name: lsp}}}
}
