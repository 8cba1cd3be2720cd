package ebpf

import (
	"net/netip"

	"github.com/cilium/ebpf"
)

// adopt takes over what the tables hold.
func (d *Driver) adopt() error {
	im, err := d.objs.read()
	if err != nil {
		return err
	}
	if err := d.adoptSections(im); err != nil {
		return err
	}
	if err := d.adoptLSPs(im); err != nil {
		return err
	}
	if err := d.adoptGroups(im); err != nil {
		return err
	}
	if err := d.adoptClients(); err != nil {
		return err
	}
	if err := d.adoptReferences(im); err != nil {
		return err
	}
	d.log.Info("ebpf data plane adopted", "sections", len(d.sections), "lsps", len(d.lsps), "groups", len(d.groups))
	return nil
}

func (d *Driver) adoptSections(im *image) error {
	for id, e := range im.sections {
		if old := d.sections[e.name]; old != nil || im.ports[portOf(e.body)] != id {
			if err := d.clearSection(id); err != nil {
				return err
			}
			continue // Left by a process that died between two writes.
		}
		d.sectionIDs.take(id)
		d.counterIDs.take(e.body.Counter)
		s := &section{id: id, counter: e.body.Counter, hash: e.name, since: e.since, entry: e.body, current: e.current}
		d.sections[e.name], d.byID[id], d.ports[portOf(e.body)] = s, s, s
	}
	for k, id := range im.ports {
		if s := d.byID[id]; s == nil || portOf(s.entry) != k {
			if err := d.objs.clearPort(k); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Driver) adoptLSPs(im *image) error {
	for id, e := range im.lsps {
		d.generation = max(d.generation, e.Generation)
		l := &lsp{id: id, entry: e, prefixes: map[netip.Prefix]bool{}}
		old := d.lsps[e.Name]
		if old != nil {
			// Two generations: the process died while it replaced one. The one
			// that the label points to is in force; without a label, the newer.
			k := labelKey{e.InSection, e.InLabel}
			if im.ref(k) != id && (im.ref(k) == old.id || old.entry.Generation > e.Generation) {
				l, old = old, l
			}
			if err := d.objs.Lsps.Update(old.id, tandemLsp{}, ebpf.UpdateAny); err != nil {
				return err
			}
		}
		d.lsps[e.Name] = l
	}
	for _, l := range d.lsps {
		d.lspIDs.take(l.id)
		d.counterIDs.take(l.entry.Counter)
		if l.entry.LoopName != 0 {
			if d.loopsTo[l.entry.LoopName] == nil {
				d.loopsTo[l.entry.LoopName] = map[uint64]bool{}
			}
			d.loopsTo[l.entry.LoopName][l.entry.Name] = true
		}
		d.adoptBranches(l, im)
	}
	// Branches that no list leads to.
	for id := range im.branches {
		if !d.lspIDs.used[id] {
			if err := d.objs.Lsps.Update(id, tandemLsp{}, ebpf.UpdateAny); err != nil {
				return err
			}
		}
	}
	return nil
}

// adoptBranches finds the branches of an LSP by its list.
func (d *Driver) adoptBranches(l *lsp, im *image) {
	list, ok := im.copies[l.entry.Copies]
	if !ok || list.N > maxCopies {
		return
	}
	d.listIDs.take(l.entry.Copies)
	l.branches = map[uint64]*branch{}
	for _, r := range list.Relay[:list.N] {
		id := im.relays[uint32(r)].Ref
		e, ok := im.branches[id]
		if !ok || e.Parent != l.entry.Counter || im.relays[uint32(r)].Kind != relayLSP {
			continue // Dump shows the LSP without it, and it is put again.
		}
		l.branches[e.Name] = &branch{id: id, relay: uint32(r), entry: e}
		d.relayIDs.take(uint32(r))
		d.lspIDs.take(id)
	}
}

func (d *Driver) adoptGroups(im *image) error {
	for id, e := range im.groups {
		if d.groups[e.Name] != nil || e.State == 0 && e.LegNames[0] == 0 {
			if err := d.objs.Groups.Update(id, tandemGroup{}, ebpf.UpdateAny); err != nil {
				return err
			}
			continue
		}
		g := &group{id: id, entry: e, prefixes: map[netip.Prefix]bool{}}
		d.groups[e.Name], d.groupIDs[id] = g, g
		d.groupSlots.take(id)
		d.counterIDs.take(e.Counter)
		d.setLegs(g, [2]uint64{})
		if list, ok := im.copies[e.Copies]; ok && list.N <= 2 {
			d.listIDs.take(e.Copies)
			for i, r := range list.Relay[:list.N] {
				g.relays[i] = uint32(r)
				d.relayIDs.take(uint32(r))
			}
		}
	}
	return nil
}

// adoptReferences takes over labels, prefixes and relays, and removes those that
// lead nowhere.
func (d *Driver) adoptReferences(im *image) error {
	byID := map[uint32]*lsp{}
	for _, l := range d.lsps {
		byID[l.id] = l
	}
	for k := range im.labels {
		id := im.ref(k)
		if l := byID[id]; l != nil && k == l.labelKey() {
			d.labels[k] = l
		} else if d.adoptLabel(k, id) {
			continue
		} else if err := d.objs.clearLabel(k); err != nil {
			return err
		}
	}
	for p, ref := range im.prefixes {
		if l := byID[ref]; l != nil {
			d.prefixes[p], l.prefixes[p] = l, true
		} else if g := d.groupIDs[ref&refSlot]; g != nil && ref&refKind == refGroup {
			d.prefixes[p], g.prefixes[p] = g, true
		} else if err := d.objs.clearPrefix(p); err != nil {
			return err
		}
	}
	ports := map[uint32]uint32{}
	if err := each(d.objs.RelayPorts, func(ifindex uint32, v *uint32) { ports[*v&^relayAll] = ifindex }); err != nil {
		return err
	}
	for id, r := range im.relays {
		switch g := d.groupIDs[r.Ref]; {
		case d.relayIDs.used[id]:
		case r.Kind == relayGroup && g != nil && g.own == 0:
			g.own = id
			d.relayIDs.take(id)
		case r.Kind == relayPort && ports[id] == r.Ref:
			d.relayIDs.take(id)
		default:
			if err := d.setRelay(id, 0, 0); err != nil {
				return err
			}
		}
	}
	return nil
}
