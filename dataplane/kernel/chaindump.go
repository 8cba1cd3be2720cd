package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// survey is what a dump of chains reads, and what it makes of it.
type survey struct {
	*chains
	qdiscs  map[int]mplsnl.Qdisc
	claimed map[filterID]struct{}
	kept    map[netip.Prefix]struct{}
	labels  []uint32    // Routes of MPLS with our protocol: of the other kind of driver.
	peers   []link.Link // Sections of that.
	objects []dataplane.Object
	before  *chain.State
	filters map[filterID]*mplsnl.Filter // Those of t.have, as they are.
	was     map[dataplane.Key]*made
}

// dump reads blocks, queueing disciplines and routes and compares them with
// what desired would be compiled to: a desired object is there when everything
// of it is. What belongs to none is returned under invented names.
func (t *chains) dump(desired []dataplane.Object, check func(dataplane.Object) error) ([]dataplane.Object, error) {
	if err := t.readAll(); err != nil {
		return nil, err
	}
	s := survey{chains: t, claimed: map[filterID]struct{}{}, kept: map[netip.Prefix]struct{}{}}
	if err := s.readKernel(); err != nil {
		return nil, fmt.Errorf("read the kernel data plane: %w", err)
	}
	if len(desired) > 0 {
		// Nobody asks for what is always there, so it is repaired here.
		if err := t.ensureBase(); err != nil {
			return nil, err
		}
	}
	// What is refused is not there.
	desired = slices.DeleteFunc(slices.Clone(desired), func(o dataplane.Object) bool { return check(o) != nil })
	s.recover(desired)
	s.match(desired)
	s.leftovers()
	t.retap()
	t.openOutlets()
	return s.objects, nil
}

// readKernel makes the picture of the kernel anew.
func (s *survey) readKernel() error {
	t := s.chains
	s.before, s.was, s.filters = t.state, t.made, map[filterID]*mplsnl.Filter{}
	t.state = chain.NewState()
	t.state.Outlets, t.state.Shared = s.before.Outlets, s.before.Shared
	t.made, t.users = map[dataplane.Key]*made{}, map[dataplane.Key]map[dataplane.Key]edge{}
	t.entered = map[chain.Entry]int{}
	t.have, t.routes, t.on = map[filterID]heldFilter{}, map[netip.Prefix]heldRoute{}, map[string]int{}
	t.foreign, t.claims, t.stale = map[filterID]struct{}{}, newClaims(), map[dataplane.Key]leftover{}
	t.broken = map[dataplane.Key]struct{}{}
	t.counts.whom = map[uint32][]chain.Count{}
	links, err := t.link.List()
	if err != nil {
		return err
	}
	for _, l := range links {
		p := chain.Port{Name: l.Name, Index: l.Index, MAC: l.MAC, MTU: l.MTU}
		t.state.Ports[l.Name] = p
		if l.Name == chain.Device {
			t.state.Device = p
		}
	}
	if s.qdiscs, err = t.link.Conn().Qdiscs(); err != nil {
		return err
	}
	for _, block := range []uint32{chain.Ingress, chain.Egress} {
		err := t.link.Conn().Filters(block, func(f mplsnl.Filter, _ []mplsnl.ActionStats, err error) {
			if err == nil && chain.Ours(&f) {
				t.have[idOf(&f)], s.filters[idOf(&f)] = heldFilter{}, &f
				for _, a := range f.Actions {
					t.state.Shared.Note(a)
				}
			} else {
				t.foreign[idOf(&f)] = struct{}{}
			}
		})
		if err != nil && !errors.Is(err, mplsnl.ErrInterrupted) {
			return err
		}
	}
	routes, err := t.link.Conn().IPRoutes(link.Protocol)
	if err != nil {
		return err
	}
	for _, r := range routes {
		if r.Metric == link.Metric {
			t.routes[r.Prefix] = heldRoute{what: r}
		}
	}
	mpls, err := t.link.Conn().Routes(link.Protocol)
	for _, r := range mpls {
		s.labels = append(s.labels, r.Label)
	}
	t.base = s.baseThere()
	if err != nil {
		return err
	}
	s.peers, err = peersOn(t.link)
	return err
}

// baseThere tells whether device, blocks and the filters that are always there
// are.
func (s *survey) baseThere() bool {
	d := s.state.Device
	all := d.Index != 0 && s.qdiscs[d.Index] == mplsnl.Qdisc{Interface: d.Index, IngressBlock: chain.Ingress, EgressBlock: chain.Egress}
	for _, f := range chain.Base(chain.Port{Name: chain.Device, Index: d.Index}) {
		s.claimed[idOf(&f)] = struct{}{}
		all = s.as(idOf(&f), &f, dataplane.Key{}) && all
	}
	return all
}

// as tells whether a filter is as it should be, and notes whose it is.
func (s *survey) as(id filterID, want *mplsnl.Filter, owner dataplane.Key) bool {
	have, ok := s.filters[id]
	if !ok {
		return false
	}
	h := heldFilter{owner: owner}
	if ok = same(have, want); ok {
		h.sum = want.Sum(s.seed)
	}
	s.have[id] = h
	return ok
}

// recover finds the numbers that an earlier process gave.
func (s *survey) recover(desired []dataplane.Object) {
	t := s.chains
	type record struct {
		handle uint32
		active uint8
	}
	records := map[[15]byte]record{}
	spaces := map[string]uint32{}
	for _, f := range s.filters {
		if c, ok := chain.IsRecord(f); ok && f.Handle >= dataplane.MinLabel {
			records[[15]byte(c[:15])] = record{f.Handle, c[15] - 1}
		}
		if ifname, vlan, space, ok := chain.Admission(f); ok {
			spaces[fmt.Sprintf("%s.%d", ifname, vlan)] = space
		}
	}
	for _, o := range desired {
		k := o.Key()
		c := chain.RecordCookie(k, 0)
		r, known := records[[15]byte(c[:15])]
		if known {
			t.claims.records[r.handle], t.state.Records[k] = k, r.handle
		}
		switch o := o.(type) {
		case dataplane.Group:
			t.state.Active[o.Name] = o.Active
			if known && int(r.active) < len(o.Legs) {
				t.state.Active[o.Name] = r.active
			}
		case dataplane.Section:
			space := spaces[fmt.Sprintf("%s.%d", o.Interface, o.VLAN)]
			if _, taken := t.claims.spaces[space]; o.InterfaceLabelSpace && space > chain.Platform && !taken {
				t.claims.spaces[space], t.state.Spaces[o.Name] = o.Name, space
			}
		}
		for _, p := range prefixesOf(o) {
			r, ok := t.routes[p]
			if !ok || len(r.what.Labels) != 1 || t.state.Clients[k] != 0 {
				continue
			}
			if _, taken := t.claims.clients[r.what.Labels[0]]; !taken {
				t.claims.clients[r.what.Labels[0]], t.state.Clients[k] = k, r.what.Labels[0]
			}
		}
	}
	for _, o := range desired {
		// That of a group without routes is known to this process alone.
		k := o.Key()
		label := s.before.Clients[k]
		if _, taken := t.claims.clients[label]; label != 0 && !taken && t.state.Clients[k] == 0 && t.state.Outlets[k.Name] {
			t.claims.clients[label], t.state.Clients[k] = k, label
		}
	}
	for _, o := range desired {
		t.state.Objects[o.Key()] = o
		t.number(o)
	}
}

// match finds out which desired objects are there.
func (s *survey) match(desired []dataplane.Object) {
	t := s.chains
	c := t.newChange(nil)
	began := time.Now()
	wanted := map[string]bool{} // Interfaces with queues.
	for _, o := range desired {
		c.claim(o)
		c.dirty[o.Key()] = 0
		if sec, ok := o.(dataplane.Section); ok && sec.Queues.Enabled {
			wanted[sec.Interface] = true
		}
	}
	c.compileAll()
	var absent []dataplane.Key
	for _, o := range desired {
		k := o.Key()
		now := c.now[k]
		there := now.err == nil && s.bound(o)
		if sec, ok := o.(dataplane.Section); ok {
			there = s.queued(sec, wanted) && there
		}
		m := &made{uses: usesOf(&now.Compiled), enters: now.Enters, counts: slices.Clip(now.Counts), since: began}
		if was := s.was[k]; was != nil {
			m.since = was.since
		}
		for i := range now.Filters {
			id, _, _ := t.find(&now.Filters[i])
			s.claimed[id] = struct{}{}
			m.filters = append(m.filters, id)
			there = s.as(id, &now.Filters[i], k) && there
		}
		for i := range now.Routes {
			p := now.Routes[i].Prefix
			s.kept[p] = struct{}{}
			m.prefixes = append(m.prefixes, p)
			h, ok := t.routes[p]
			if ok {
				h.owner = k
				t.routes[p] = h
			}
			there = there && ok && h.what.Equal(now.Routes[i])
		}
		t.made[k] = m
		c.depend(k, m.uses, true)
		t.counts.bind(m.counts)
		if there {
			s.objects = append(s.objects, o)
		} else {
			absent = append(absent, k)
		}
	}
	for _, k := range absent {
		c.exit(t.state.Objects[k])
		delete(t.state.Objects, k)
		if k.Kind == dataplane.KindGroup {
			delete(t.state.Active, k.Name)
		}
	}
	for k := range t.counts.totals {
		if t.made[k] == nil {
			delete(t.counts.totals, k)
		}
	}
}

// bound tells whether the interface of an object has our block.
func (s *survey) bound(o dataplane.Object) bool {
	name := interfaceOf(o)
	if name == "" {
		return true
	}
	p, ok := s.state.Ports[name]
	return ok && s.qdiscs[p.Index].IngressBlock == chain.Ingress
}

// leftovers invents objects for what nobody wants.
func (s *survey) leftovers() {
	t := s.chains
	found := map[dataplane.Key]dataplane.Object{}
	add := func(o dataplane.Object, to func(*leftover)) {
		l := t.stale[o.Key()]
		to(&l)
		t.stale[o.Key()] = l
		found[o.Key()] = o
	}
	for id, f := range s.filters {
		if _, ok := s.claimed[id]; !ok {
			add(chain.Stale(f), func(l *leftover) { l.filters = append(l.filters, id) })
		}
	}
	for p, h := range t.routes {
		if _, ok := s.kept[p]; !ok {
			o := dataplane.LSP{
				Name: "?prefix-" + strings.ReplaceAll(p.String(), "/", "-"), Op: dataplane.ImposeAndForward, Prefixes: []netip.Prefix{p},
			}
			if len(h.what.Labels) == 1 && h.what.Interface == t.state.Device.Index {
				o.Name = chain.StaleClient(h.what.Labels[0])
			}
			add(o, func(l *leftover) { l.prefixes = append(l.prefixes, p) })
		}
	}
	for _, label := range s.labels {
		o := dataplane.LSP{Name: fmt.Sprintf("?route-%d", label), Op: dataplane.PopAndForward, InLabel: label}
		add(o, func(l *leftover) { l.labels = append(l.labels, label) })
	}
	for _, peer := range s.peers {
		add(stalePeer(peer), func(l *leftover) { l.peer = peer })
	}
	used := map[string]bool{chain.Device: true}
	for _, o := range t.state.Objects {
		used[interfaceOf(o)] = true
	}
	for name, p := range t.state.Ports {
		if s.qdiscs[p.Index].IngressBlock == chain.Ingress && !used[name] {
			o := dataplane.Section{Name: "?" + name, Interface: name}
			add(o, func(l *leftover) { l.ifname = name })
		}
	}
	for _, o := range found {
		s.objects = append(s.objects, o)
	}
}

// interfaceOf names the interface that an object is on.
func interfaceOf(o dataplane.Object) string {
	switch o := o.(type) {
	case dataplane.Section:
		return o.Interface
	case dataplane.Service:
		return o.Attachment.Interface
	}
	return ""
}
