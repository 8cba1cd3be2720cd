package ebpf

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// Dump implements dataplane.Driver. It reads the tables, the links and the
// routes; what does not work as its entry says (a section whose program or
// interface is gone, an LSP without its label) is left out or shown as it is,
// so that the reconciler puts it again.
func (d *Driver) Dump(ctx context.Context, desired []dataplane.Object) ([]dataplane.Object, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	im, err := d.objs.read()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	routes, err := d.net.ListRoutes(link.Protocol)
	if err != nil {
		return nil, err
	}
	names := map[uint64]string{}
	for _, o := range desired {
		names[hashName(o.Key().Name)+uint64(o.Key().Kind)] = o.Key().Name
	}
	clear(d.strays)
	v := &dumpView{im: im, names: names, desired: map[dataplane.Key]dataplane.Object{}, prefixes: map[uint32][]netip.Prefix{}, hops: map[uint32]string{}}
	for _, o := range desired {
		v.desired[o.Key()] = o
	}
	v.routed(routes, d.imposeNear.Index)
	out := d.dumpSections(v)
	groups := d.dumpGroups(v)
	out = append(append(out, d.dumpLSPs(v)...), groups...)
	clients, err := d.dumpClients(v)
	if err != nil {
		return nil, err
	}
	return append(append(out, clients...), d.dumpLoose(im, routes)...), nil
}

// dumpView is what a dump goes by.
type dumpView struct {
	im       *image
	names    map[uint64]string
	desired  map[dataplane.Key]dataplane.Object
	prefixes map[uint32][]netip.Prefix // that are routed, too
	hops     map[uint32]string         // names of sections and groups, by reference
}

// name returns the name behind a hash.
func (v *dumpView) name(hash uint64, k dataplane.Kind) (string, bool) {
	n, ok := v.names[hash+uint64(k)]
	return n, ok
}

func (v *dumpView) routed(rts []link.Route, device int) {
	routed := make(map[netip.Prefix]bool, len(rts))
	for _, r := range rts {
		routed[r.Prefix] = r.Index == device
	}
	for p, ref := range v.im.prefixes {
		if routed[p] {
			v.prefixes[ref] = append(v.prefixes[ref], p)
		}
	}
	for _, ps := range v.prefixes {
		slices.SortFunc(ps, netip.Prefix.Compare)
	}
}

// hop is the inverse of Driver.hop.
func (v *dumpView) hop(e tandemLsp) dataplane.NextHop {
	h := dataplane.NextHop{Stack: stackOf(e)}
	if e.Out&refKind == refGroup {
		h.Group = v.hops[e.Out]
	} else {
		h.Section = v.hops[e.Out]
	}
	return h
}

func (d *Driver) dumpSections(v *dumpView) []dataplane.Object {
	var out []dataplane.Object
	for _, id := range slices.Sorted(maps.Keys(v.im.sections)) {
		e := v.im.sections[id]
		name, known := v.name(e.name, dataplane.KindSection)
		if !known {
			name = fmt.Sprintf("?section-%d", id)
		}
		v.hops[id] = name
		l, err := d.net.ByIndex(int(e.body.Ifindex))
		o := dataplane.Section{
			Name: name, Interface: l.Name, VLAN: e.body.Vlan, PeerMAC: e.body.Peer,
			InterfaceLabelSpace: e.body.Flags&flagSectionSpace != 0, Down: e.body.Flags&flagSectionDown != 0,
		}
		o.Blocked = e.body.Flags&flagSectionBlocked != 0
		if e.body.Flags&flagSectionQueues != 0 {
			o.Queues = d.queuesOf(int(e.body.Ifindex), e.name)
		}
		if s := d.sections[e.name]; !known || s == nil {
			d.strays[o.Key()] = func() error { return d.removeSection(id, e) }
		} else if err != nil || !d.sectionWorks(s, e, l, v.im) {
			continue
		}
		out = append(out, o)
	}
	return out
}

// sectionWorks tells whether everything that a section needs is in place.
func (d *Driver) sectionWorks(s *section, e sectionImage, l link.Link, im *image) bool {
	h := d.hooks[l.Index]
	return s.entry == e.body && im.ports[portOf(e.body)] == s.id && l.MAC == e.body.Own && min(l.MTU, 65535) == int(e.body.Mtu) &&
		h != nil && h.attached()
}

func (d *Driver) removeSection(id uint32, e sectionImage) error {
	if s := d.sections[e.name]; s != nil && s.id == id {
		return d.deleteSection(s)
	}
	if d.ports[portOf(e.body)] == nil {
		if err := d.releasePort(e.body); err != nil {
			return err
		}
	}
	if d.byID[id] != nil {
		return nil // In use since the dump.
	}
	return d.clearSection(id)
}

func (d *Driver) dumpGroups(v *dumpView) []dataplane.Object {
	var out []dataplane.Object
	for _, id := range slices.Sorted(maps.Keys(v.im.groups)) {
		e := v.im.groups[id]
		name, known := v.name(e.Name, dataplane.KindGroup)
		g := d.groups[e.Name]
		if !known || g == nil || g.id != id {
			name = fmt.Sprintf("?group-%d", id)
		}
		v.hops[refGroup|id] = name
		o := dataplane.Group{
			Name: name, Pseudowires: e.State&groupPWs != 0, Permanent: e.State&groupPermanent != 0,
			Down: e.State&groupDown != 0, Prefixes: v.prefixes[refGroup|id],
		}
		if e.State&groupActive != 0 {
			o.Active = 1
		}
		kind := dataplane.KindLSP
		if o.Pseudowires {
			kind = dataplane.KindPseudowire
		}
		for _, leg := range e.LegNames {
			if leg == 0 {
				continue
			}
			n, ok := v.name(leg, kind)
			if !ok {
				n = "?"
			}
			o.Legs = append(o.Legs, n)
		}
		if name[0] == '?' {
			d.strays[o.Key()] = func() error { return d.removeGroup(id, e) }
		} else if !d.groupInPlace(v.im, g) || !d.legsInPlace(g) {
			continue
		} else if err := d.openOutlet(g, name); err != nil {
			d.log.Error("no way into a group for OAM", "group", name, "error", err)
		}
		out = append(out, o)
	}
	return out
}

// groupInPlace tells whether the tables hold what was written of a group.
func (d *Driver) groupInPlace(im *image, g *group) bool {
	e := d.entryOf(g)
	e.State |= groupActive
	// The leg may have been switched since the table was read.
	was := im.groups[g.id]
	if was.State |= groupActive; was != e {
		return false
	}
	if e.State&groupPermanent == 0 || e.State&groupPWs != 0 {
		return true
	}
	list := im.copies[e.Copies]
	n := uint32(0)
	for i, r := range g.relays {
		if r == 0 {
			continue
		}
		leg := uint32(e.State>>(groupLegBits*i)) & refSlot
		if n >= list.N || uint32(list.Relay[n]) != r || im.relays[r] != (tandemRelay{Kind: relayLSP, Ref: leg}) {
			return false
		}
		n++
	}
	return n == list.N
}

// legsInPlace tells whether a group leads to the entries that its legs have.
func (d *Driver) legsInPlace(g *group) bool {
	state := d.entryOf(g).State
	for i, leg := range g.legs() {
		if slot := d.legSlot(leg, state&groupPWs != 0); slot == 0 || uint32(state>>(groupLegBits*i))&refSlot != slot {
			return false
		}
	}
	return true
}

func (d *Driver) removeGroup(id uint32, e tandemGroup) error {
	if g := d.groups[e.Name]; g != nil && g.id == id {
		rt := &routes{put: map[netip.Prefix]dataplane.Key{}}
		if err := d.deleteGroup(g, rt); err != nil {
			return err
		}
		d.applyRoutes(rt)
		return nil
	}
	if d.groupIDs[id] != nil {
		return nil // In use since the dump.
	}
	return d.objs.Groups.Update(id, tandemGroup{}, ebpf.UpdateAny)
}

func (d *Driver) dumpLSPs(v *dumpView) []dataplane.Object {
	var out []dataplane.Object
	for _, id := range slices.Sorted(maps.Keys(v.im.lsps)) {
		e := v.im.lsps[id]
		name, known := v.name(e.Name, dataplane.KindLSP)
		l := d.lsps[e.Name]
		stray := !known || l == nil || l.id != id
		if stray {
			name = fmt.Sprintf("?lsp-%d", id)
		} else if e != l.entry || !labelInPlace(v.im, e, id) || !branchesInPlace(v.im, l) {
			continue
		}
		o := v.lsp(name, e, id)
		if stray {
			d.strays[o.Key()] = func() error { return d.removeLSP(id, e) }
		} else {
			o.Branches = v.branches(o, l)
		}
		out = append(out, o)
	}
	return out
}

// lsp is the inverse of lspEntry.
func (v *dumpView) lsp(name string, e tandemLsp, id uint32) dataplane.LSP {
	o := dataplane.LSP{
		Name: name, Op: dataplane.Operation(e.Op), InLabel: e.InLabel, InSection: v.hops[e.InSection],
		Out: v.hop(e), Prefixes: v.prefixes[id],
		Down: e.Flags&flagLSPDown != 0, Bud: e.Flags&flagBud != 0, EntropyLabel: e.Flags&flagEntropy != 0,
	}
	o.Blocked = e.Flags&flagBlocked != 0
	if e.Flags&flagLoop != 0 {
		o.Loop, _ = v.name(e.LoopName, dataplane.KindLSP)
	}
	if e.Flags&flagShortPipe != 0 {
		o.TTLMode = dataplane.ShortPipe
	}
	if e.Flags&flagClass != 0 {
		o.Class = &e.Class
	}
	if e.Selector != 0 {
		o.Selector, o.SelectorLeg = v.hops[refGroup|e.Selector], e.SelectorLeg
	}
	return o
}

// branches returns those of an LSP, under the names that are desired or made up.
func (v *dumpView) branches(o dataplane.LSP, l *lsp) []dataplane.Branch {
	names := map[uint64]string{}
	if want, ok := v.desired[o.Key()].(dataplane.LSP); ok {
		for _, b := range want.Branches {
			names[hashName(b.Name)] = b.Name
		}
	}
	var out []dataplane.Branch
	for hash, b := range l.branches {
		if hash == 0 {
			continue
		}
		name, ok := names[hash]
		if !ok {
			name = fmt.Sprintf("?branch-%d", b.relay)
		}
		out = append(out, dataplane.Branch{Name: name, NextHop: v.hop(b.entry)})
	}
	slices.SortFunc(out, func(a, b dataplane.Branch) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// branchesInPlace tells whether list, relays and entries of the branches of an
// LSP are as they were written.
func branchesInPlace(im *image, l *lsp) bool {
	if l.entry.Copies == 0 {
		return true
	}
	list := im.copies[l.entry.Copies]
	if int(list.N) != len(l.branches) {
		return false
	}
	listed := map[uint32]bool{}
	for _, r := range list.Relay[:min(list.N, maxCopies)] {
		listed[uint32(r)] = true
	}
	for _, b := range l.branches {
		if !listed[b.relay] || im.relays[b.relay] != (tandemRelay{Kind: relayLSP, Ref: b.id}) || im.branches[b.id] != b.entry {
			return false
		}
	}
	return true
}

// prefixesInPlace tells whether the prefixes of a client lead to it.
func (d *Driver) prefixesInPlace(im *image, c client) bool {
	for p := range *c.owned() {
		if d.prefixes[p] == c && im.prefixes[p] != c.ref() {
			return false
		}
	}
	return true
}

func labelInPlace(im *image, e tandemLsp, id uint32) bool {
	k := labelKey{e.InSection, e.InLabel}
	return e.InLabel == 0 || im.labels[k] == leadOf(&e, id) && im.ref(k) == id
}

// dumpLoose returns labels, prefixes and routes that lead to no LSP of ours:
// somebody else wrote them.
func (d *Driver) dumpLoose(im *image, rts []link.Route) []dataplane.Object {
	var out []dataplane.Object
	stray := func(o dataplane.LSP, remove func() error) {
		d.strays[o.Key()] = remove
		out = append(out, o)
	}
	for k := range im.labels {
		id := im.ref(k)
		if e, ok := im.lsps[id]; !ok || (labelKey{e.InSection, e.InLabel}) != k {
			if d.labels[k] != nil || d.adoptLabel(k, id) {
				continue // Bent away from its LSP, which is not shown.
			}
			o := dataplane.LSP{Name: fmt.Sprintf("?label-%d-%d", k.section, k.label), InLabel: k.label}
			stray(o, func() error {
				if d.labels[k] != nil {
					return nil // In use since the dump.
				}
				return d.objs.clearLabel(k)
			})
		}
	}
	for p, id := range im.prefixes {
		_, ok := im.lsps[id]
		if id&refKind == refGroup {
			_, ok = im.groups[id&refSlot]
		}
		if !ok && d.prefixes[p] == nil {
			o := dataplane.LSP{Name: "?prefix-" + p.String(), Op: dataplane.ImposeAndForward, Prefixes: []netip.Prefix{p}}
			stray(o, func() error {
				if d.prefixes[p] != nil {
					return nil
				}
				return d.objs.clearPrefix(p)
			})
		}
	}
	for _, r := range rts {
		if _, ok := im.prefixes[r.Prefix]; !ok && r.Index == d.imposeNear.Index && d.prefixes[r.Prefix] == nil {
			o := dataplane.LSP{Name: "?route-" + r.Prefix.String(), Op: dataplane.ImposeAndForward, Prefixes: []netip.Prefix{r.Prefix}}
			stray(o, func() error {
				if d.prefixes[r.Prefix] != nil {
					return nil
				}
				return d.net.DeleteRoute(r.Prefix)
			})
		}
	}
	return out
}

func (d *Driver) removeLSP(id uint32, e tandemLsp) error {
	if l := d.lsps[e.Name]; l != nil && l.id == id {
		rt := &routes{put: map[netip.Prefix]dataplane.Key{}}
		if err := d.deleteLSP(l, rt); err != nil {
			return err
		}
		d.applyRoutes(rt)
		return d.clearRetired()
	}
	k := labelKey{e.InSection, e.InLabel}
	if e.InLabel != 0 && d.labels[k] == nil {
		if err := d.objs.clearLabel(k); err != nil {
			return err
		}
	}
	if d.lspIDs.used[id] {
		return nil // In use since the dump.
	}
	return d.objs.Lsps.Update(id, tandemLsp{}, ebpf.UpdateAny)
}
