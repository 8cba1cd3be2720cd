package kernel

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// found is what a dump reads from the kernel.
type found struct {
	links    map[int]link.Link
	byName   map[string]link.Link
	routes   []mplsnl.Route // All protocols.
	ipRoutes []mplsnl.IPRoute
	chains   []link.Link           // Interfaces of the other way of this driver.
	peers    map[int]dataplane.MAC // Interfaces with a neighbour entry of a section.
}

// Dump reads our routes and neighbour entries and turns them into objects,
// with the names of desired. The driver's model is made anew from it.
func (d *Driver) Dump(ctx context.Context, desired []dataplane.Object) ([]dataplane.Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.chains != nil {
		return d.chains.dump(desired, d.check)
	}
	f, err := d.read()
	if err != nil {
		return nil, fmt.Errorf("read the kernel data plane: %w", err)
	}
	p := parse{d: d, found: f, model: newModel(len(f.routes)), wanted: map[uint32]dataplane.LSP{}, prefixes: map[netip.Prefix]string{}}
	p.sections(desired)
	p.lsps(desired)
	if len(f.chains) > 0 {
		p.objects = append(p.objects, staleChains())
	}
	for _, s := range d.model.sections {
		if n := p.model.sections[s.Name]; n != nil && n.Interface == s.Interface {
			n.since = s.since
		}
	}
	d.model = p.model
	d.retap()
	return p.objects, nil
}

// read reads everything that Dump needs.
func (d *Driver) read() (found, error) {
	f := found{links: map[int]link.Link{}, byName: map[string]link.Link{}, peers: map[int]dataplane.MAC{}}
	links, err := d.link.List()
	if err != nil {
		return f, err
	}
	for _, l := range links {
		f.links[l.Index], f.byName[l.Name] = l, l
	}
	if f.routes, err = d.link.Conn().Routes(0); err != nil {
		return f, err
	}
	if f.ipRoutes, err = d.link.Conn().IPRoutes(link.Protocol); err != nil {
		return f, err
	}
	if f.chains, err = chainsOn(d.link); err != nil {
		return f, err
	}
	f.ipRoutes = slices.DeleteFunc(f.ipRoutes, func(r mplsnl.IPRoute) bool { return r.Metric != link.Metric })
	four, err := d.link.NeighboursOf(gatewayIPv4())
	if err != nil {
		return f, err
	}
	six, err := d.link.NeighboursOf(gatewayIPv6())
	if err != nil {
		return f, err
	}
	for index, mac := range four {
		// Half a section is none: it is put again then.
		if other, ok := six[index]; !d.ipv6(f.links[index].Name) || ok && other == mac {
			f.peers[index] = mac
		}
	}
	for index := range six {
		if _, ok := four[index]; !ok {
			f.peers[index] = dataplane.MAC{} // Ours to remove, equal to nothing.
		}
	}
	return f, nil
}

// parse turns what was found into objects.
type parse struct {
	d     *Driver
	arena arena
	found
	model    model
	objects  []dataplane.Object
	wanted   map[uint32]dataplane.LSP // Desired LSPs by label.
	prefixes map[netip.Prefix]string  // Names of desired LSPs by prefix.
}

// sections finds sections: interfaces with our neighbour entries.
func (p *parse) sections(desired []dataplane.Object) {
	names := map[string]dataplane.Section{}
	for _, o := range desired {
		if s, ok := o.(dataplane.Section); ok {
			names[s.Interface] = s
		}
	}
	for index, mac := range p.peers {
		l, ok := p.links[index]
		if !ok {
			continue
		}
		on, err := p.d.input(l.Name)
		s := dataplane.Section{Name: "?" + l.Name, Interface: l.Name, PeerMAC: mac, Down: err != nil || !on}
		if want, ok := names[l.Name]; ok {
			s.Name = want.Name
			if s.Equal(want) {
				s = want // A zero address stays one.
			}
		}
		p.model.sections[s.Name] = &section{Section: s, index: index, ipv6: p.d.ipv6(l.Name), since: time.Now()}
		p.objects = append(p.objects, s)
	}
}

// lsps finds LSPs. What the kernel holds for a desired one is compared as
// routes: if they are the ones it would get, it is there.
func (p *parse) lsps(desired []dataplane.Object) {
	ip := map[netip.Prefix]mplsnl.IPRoute{}
	for _, r := range p.ipRoutes {
		ip[r.Prefix] = r
		p.model.ipRoutes[r.Prefix] = struct{}{}
	}
	mpls := make(map[uint32]mplsnl.Route, len(p.routes))
	p.objects = slices.Grow(p.objects, len(p.routes))
	for _, r := range p.routes {
		p.model.seen(r)
		if r.Protocol == link.Protocol {
			mpls[r.Label] = r
		}
	}
	for _, o := range desired {
		if l, ok := o.(dataplane.LSP); ok && p.match(l, mpls, ip) {
			delete(mpls, l.InLabel)
			for _, prefix := range l.Prefixes {
				delete(ip, prefix)
			}
			p.add(l)
		} else if ok {
			p.wanted[l.InLabel] = l
			for _, prefix := range l.Prefixes {
				p.prefixes[prefix] = l.Name
			}
		}
	}
	for label, r := range mpls {
		p.add(p.decode(r, p.wanted[label]))
	}
	p.clients(ip)
}

// match reports whether the kernel holds exactly what l would get.
func (p *parse) match(l dataplane.LSP, mpls map[uint32]mplsnl.Route, ip map[netip.Prefix]mplsnl.IPRoute) bool {
	want, oe := p.d.routesOf(&l, p.model.sections, &p.arena)
	if oe != nil {
		return false
	}
	have, ok := mpls[l.InLabel]
	if ok != (want.mpls != nil) || ok && !have.Equal(*want.mpls) {
		return false
	}
	for _, r := range want.ip {
		if have, ok := ip[r.Prefix]; !ok || !have.Equal(r) {
			return false
		}
	}
	return true
}

// add takes a found LSP into the result and the model.
func (p *parse) add(l dataplane.LSP) {
	p.objects = append(p.objects, l)
	p.model.insert(l)
}

// decode turns a route into an LSP as well as that can be done. want is the
// desired LSP with its label, which it differs from, or has no name.
func (p *parse) decode(r mplsnl.Route, want dataplane.LSP) dataplane.LSP {
	l := dataplane.LSP{Name: want.Name, InLabel: r.Label, Op: dataplane.PopAndForward}
	if l.Name == "" {
		l.Name = fmt.Sprintf("?label-%d", r.Label)
	}
	if len(r.Hops) == 0 {
		return l
	}
	h := r.Hops[0]
	switch {
	case len(h.Out) > 0:
		l.Op = dataplane.SwapAndForward
	case h.Interface == p.d.lo:
		l.Op = dataplane.PopAndLookup
		return l
	}
	l.Out.Section = p.sectionOf(h)
	for _, label := range h.Out {
		l.Out.Stack = append(l.Out.Stack, dataplane.LabelEntry{Label: label})
	}
	return l
}

// sectionOf names the section that a next hop is on, with a name that no
// section can have if it is on none.
func (p *parse) sectionOf(h mplsnl.Hop) string {
	mac, _ := h.Via.Link()
	for name, s := range p.model.sections {
		if s.index == h.Interface && s.PeerMAC.OrMulticast() == dataplane.MAC(mac) {
			return name
		}
	}
	return fmt.Sprintf("?interface-%d", h.Interface)
}

// clients groups the IP routes that belong to no desired LSP as they should:
// those with a name by that name, the others one by one.
func (p *parse) clients(ip map[netip.Prefix]mplsnl.IPRoute) {
	lsps := map[string]*dataplane.LSP{}
	for prefix, r := range ip {
		name := p.prefixes[prefix]
		if name == "" {
			name = "?prefix-" + strings.ReplaceAll(prefix.String(), "/", "-")
		}
		l := lsps[name]
		if l == nil {
			l = &dataplane.LSP{Name: name, Op: dataplane.ImposeAndForward, Down: r.Blackhole}
			for _, label := range r.Labels {
				l.Out.Stack = append(l.Out.Stack, dataplane.LabelEntry{Label: label, TTL: r.TTL})
			}
			// What differs from the desired LSP must not look equal to it.
			l.Out.Section = fmt.Sprintf("?interface-%d", r.Interface)
			lsps[name] = l
		}
		l.Prefixes = append(l.Prefixes, prefix)
	}
	for _, l := range lsps {
		p.add(*l)
	}
}
