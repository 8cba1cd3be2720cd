package ebpf

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

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
	out, sectionName := d.dumpSections(im, names)
	return append(out, d.dumpLSPs(im, names, sectionName, routes)...), nil
}

// dumpSections returns the sections and the names by identifier.
func (d *Driver) dumpSections(im *image, names map[uint64]string) ([]dataplane.Object, map[uint32]string) {
	var out []dataplane.Object
	byID := map[uint32]string{}
	for _, id := range slices.Sorted(maps.Keys(im.sections)) {
		e := im.sections[id]
		name, known := names[e.Name+uint64(dataplane.KindSection)]
		if !known {
			name = fmt.Sprintf("?section-%d", id)
		}
		byID[id] = name
		l, err := d.net.ByIndex(int(e.Ifindex))
		o := dataplane.Section{
			Name: name, Interface: l.Name, VLAN: e.Vlan, PeerMAC: e.Peer,
			InterfaceLabelSpace: e.Flags&flagSectionSpace != 0, Down: e.Flags&flagSectionDown != 0,
		}
		if e.Flags&flagSectionQueues != 0 {
			o.Queues = d.queuesOf(int(e.Ifindex), e.Name)
		}
		if !known {
			d.strays[o.Key()] = func() error { return d.removeSection(id, e) }
		} else if s := d.sections[e.Name]; s == nil {
			d.strays[o.Key()] = func() error { return d.removeSection(id, e) }
		} else if err != nil || !d.sectionWorks(s, e, l, im) {
			continue
		}
		out = append(out, o)
	}
	return out, byID
}

// sectionWorks tells whether everything that a section needs is in place.
func (d *Driver) sectionWorks(s *section, e tandemSection, l link.Link, im *image) bool {
	h := d.hooks[l.Index]
	return s.entry == e && im.ports[portOf(e)] == s.id && l.MAC == e.Own && min(l.MTU, 65535) == int(e.Mtu) &&
		h != nil && h.attached()
}

func (d *Driver) removeSection(id uint32, e tandemSection) error {
	if s := d.sections[e.Name]; s != nil && s.id == id {
		return d.deleteSection(s)
	}
	if d.ports[portOf(e)] == nil {
		if err := d.releasePort(e); err != nil {
			return err
		}
	}
	if d.byID[id] != nil {
		return nil // In use since the dump.
	}
	return d.objs.Sections.Update(id, tandemSection{}, ebpf.UpdateAny)
}

func (d *Driver) dumpLSPs(im *image, names map[uint64]string, sectionName map[uint32]string, rts []link.Route) []dataplane.Object {
	routed := make(map[netip.Prefix]bool, len(rts))
	for _, r := range rts {
		routed[r.Prefix] = r.Index == d.imposeNear.Index
	}
	prefixes := map[uint32][]netip.Prefix{}
	for p, id := range im.prefixes {
		if routed[p] {
			prefixes[id] = append(prefixes[id], p)
		}
	}
	var out []dataplane.Object
	for _, id := range slices.Sorted(maps.Keys(im.lsps)) {
		e := im.lsps[id]
		name, known := names[e.Name+uint64(dataplane.KindLSP)]
		l := d.lsps[e.Name]
		stray := !known || l == nil || l.id != id
		if stray {
			name = fmt.Sprintf("?lsp-%d", id)
		} else if e != l.entry || !labelInPlace(im, e, id) {
			continue
		}
		o := dataplane.LSP{
			Name: name, Op: dataplane.Operation(e.Op), InLabel: e.InLabel, InSection: sectionName[e.InSection],
			Out:  dataplane.NextHop{Section: sectionName[e.Out], Stack: stackOf(e)},
			Down: e.Flags&flagLSPDown != 0, Prefixes: prefixes[id],
		}
		if e.Flags&flagShortPipe != 0 {
			o.TTLMode = dataplane.ShortPipe
		}
		slices.SortFunc(o.Prefixes, netip.Prefix.Compare)
		if stray {
			d.strays[o.Key()] = func() error { return d.removeLSP(id, e) }
		}
		out = append(out, o)
	}
	return append(out, d.dumpLoose(im, rts)...)
}

func labelInPlace(im *image, e tandemLsp, id uint32) bool {
	return e.InLabel == 0 || im.labels[labelKey{e.InSection, e.InLabel}] == id
}

// dumpLoose returns labels, prefixes and routes that lead to no LSP of ours:
// somebody else wrote them.
func (d *Driver) dumpLoose(im *image, rts []link.Route) []dataplane.Object {
	var out []dataplane.Object
	stray := func(o dataplane.LSP, remove func() error) {
		d.strays[o.Key()] = remove
		out = append(out, o)
	}
	for k, id := range im.labels {
		if e, ok := im.lsps[id]; !ok || (labelKey{e.InSection, e.InLabel}) != k {
			if d.labels[k] != nil {
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
		if _, ok := im.lsps[id]; !ok && d.prefixes[p] == nil {
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
