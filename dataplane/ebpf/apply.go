package ebpf

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// routes are the IP routes that a batch changes, in order of change: the last
// word on a prefix counts.
type routes struct {
	put   map[netip.Prefix]dataplane.Key
	order []link.Route
	gone  []netip.Prefix
}

// Apply implements dataplane.Driver. Table writes take effect one by one, in
// the order of ops; the IP routes of the batch follow, pipelined, the new ones
// last and the old ones first, so that no packet is routed to the impose
// device without a prefix there.
func (d *Driver) Apply(ctx context.Context, ops []dataplane.Op) []*dataplane.OpError {
	d.mu.Lock()
	defer d.mu.Unlock()
	var failed []*dataplane.OpError
	rt := &routes{put: map[netip.Prefix]dataplane.Key{}}
	for i, op := range ops {
		err := ctx.Err()
		if err == nil {
			err = d.applyOne(op, rt)
		}
		if err != nil {
			failed = append(failed, opError(ops[i].Key, err))
		}
	}
	failed = append(failed, d.applyRoutes(rt)...)
	if err := d.clearRetired(); err != nil {
		d.log.Error("an old entry stays in the table of LSPs", "error", err)
	}
	if d.otherPinned {
		if err := d.takeOver(); err != nil {
			d.log.Error("programs of another version not replaced", "error", err)
		}
	}
	return failed
}

// takeOver replaces the programs of another schema version after the first
// batch has filled our tables.
func (d *Driver) takeOver() error {
	if err := d.updateHooks(); err != nil {
		return err
	}
	for ifindex, h := range d.hooks {
		if h.roles == 0 && ifindex != d.impose.Index {
			d.detach(ifindex) // Of the other version alone.
		}
	}
	return d.openImposeDevice()
}

// fault is an error with a reason for people that a retry cannot cure.
type fault struct {
	reason string
	err    error
}

func (f *fault) Error() string { return f.reason }
func (f *fault) Unwrap() error { return f.err }

func opError(k dataplane.Key, err error) *dataplane.OpError {
	e := &dataplane.OpError{Key: k, Reason: err.Error(), Retry: true, Err: err}
	if f := new(fault); errors.As(err, &f) {
		e.Retry = false
	}
	return e
}

func (d *Driver) applyOne(op dataplane.Op, rt *routes) error {
	if op.Verb == dataplane.Delete {
		if remove := d.strays[op.Key]; remove != nil {
			delete(d.strays, op.Key)
			return remove()
		}
		if op.Key.Kind == dataplane.KindSection {
			return d.deleteSection(d.sections[hashName(op.Key.Name)])
		}
		return d.deleteLSP(d.lsps[hashName(op.Key.Name)], rt)
	}
	if err := dataplane.Validate(op.Object); err != nil {
		return &fault{err.Error(), err}
	}
	switch o := op.Object.(type) {
	case dataplane.Section:
		return d.putSection(o, rt)
	case dataplane.LSP:
		return d.putLSP(o, rt)
	}
	return &fault{reason: fmt.Sprintf("unknown object %T", op.Object)}
}

func (d *Driver) putSection(o dataplane.Section, rt *routes) error {
	d.wanted[o.Interface] = true
	l, err := d.net.ByName(o.Interface)
	if errors.Is(err, link.ErrNotFound) {
		d.withdraw(d.sections[hashName(o.Name)])
		return &fault{"no interface " + o.Interface, err}
	}
	if err != nil {
		return err
	}
	e := tandemSection{
		Name: hashName(o.Name), Ifindex: uint32(l.Index), Vlan: o.VLAN, Mtu: uint16(min(l.MTU, 65535)),
		Own: l.MAC, Peer: o.PeerMAC.OrMulticast(),
	}
	if o.Down {
		e.Flags |= flagSectionDown
	}
	if o.InterfaceLabelSpace {
		e.Flags |= flagSectionSpace
	}
	if o.Queues.Enabled {
		e.Flags |= flagSectionQueues
	}
	s := d.sections[e.Name]
	if s != nil && s.name != "" && s.name != o.Name {
		return &fault{reason: fmt.Sprintf("name clashes with section %s", s.name)}
	}
	if other := d.ports[portOf(e)]; other != nil && other != s {
		if other.name != "" {
			return &fault{reason: fmt.Sprintf("interface %s, VLAN %d is that of section %s", o.Interface, o.VLAN, other.name)}
		}
		// Adopted under a name that nobody asked for: it goes.
		if err := d.deleteSection(other); err != nil {
			return err
		}
	}
	if err := d.prepareSection(l, o); err != nil {
		d.withdraw(s)
		d.leaveIdle(l.Index)
		return err
	}
	if s == nil {
		id := d.sectionIDs.get(time.Now())
		if id == 0 {
			return &fault{reason: "the table of sections is full"}
		}
		e.Since = uint64(time.Now().UnixNano())
		s = &section{id: id}
		if err := d.zeroCounters(d.objs.SectionCounters, id); err != nil {
			d.sectionIDs.put(id, time.Now())
			return err
		}
	} else {
		e.Since = s.entry.Since
	}
	old := s.entry
	if err := d.objs.Sections.Update(s.id, e, ebpf.UpdateAny); err != nil {
		return fmt.Errorf("write section: %w", err)
	}
	s.name, s.entry = o.Name, e
	d.sections[e.Name], d.byID[s.id], d.ports[portOf(e)] = s, s, s
	if old.Ifindex != 0 && portOf(old) != portOf(e) {
		d.clearQueues(int(old.Ifindex), old.Name)
		if err := d.releasePort(old); err != nil {
			return err
		}
	}
	if err := d.objs.setPort(portOf(e), s.id); err != nil {
		return fmt.Errorf("write port: %w", err)
	}
	if !o.Queues.Enabled {
		d.clearQueues(l.Index, e.Name) // Nothing is sent through them any more.
	}
	if old.Mtu != e.Mtu && old.Ifindex != 0 {
		d.rerouteVia(s, rt)
	}
	return nil
}

// rerouteVia puts the routes into the LSPs through a section again: its MTU
// changed.
func (d *Driver) rerouteVia(s *section, rt *routes) {
	for p, l := range d.prefixes {
		if l.entry.Out == s.id {
			rt.add(d.routeFor(p, l), dataplane.Key{Kind: dataplane.KindLSP, Name: l.name})
		}
	}
}

// releasePort forgets an interface, or VLAN, that a section used.
func (d *Driver) releasePort(e tandemSection) error {
	if err := d.objs.clearPort(portOf(e)); err != nil {
		return fmt.Errorf("remove port: %w", err)
	}
	delete(d.ports, portOf(e))
	for k := range d.ports {
		if k.Ifindex == e.Ifindex {
			return nil
		}
	}
	d.leaveInterface(int(e.Ifindex), roleSection|roleTagged)
	return nil
}

func (d *Driver) deleteSection(s *section) error {
	if s == nil {
		return nil
	}
	if err := d.releasePort(s.entry); err != nil {
		return err
	}
	if err := d.objs.Sections.Update(s.id, tandemSection{}, ebpf.UpdateAny); err != nil {
		return fmt.Errorf("remove section: %w", err)
	}
	d.clearQueues(int(s.entry.Ifindex), s.entry.Name)
	delete(d.sections, s.entry.Name)
	delete(d.byID, s.id)
	d.sectionIDs.put(s.id, time.Now())
	return nil
}

func (d *Driver) putLSP(o dataplane.LSP, rt *routes) error {
	var in, out uint32
	if o.InSection != "" {
		s := d.sections[hashName(o.InSection)]
		if s == nil {
			return &fault{reason: "section " + o.InSection + " is not in the data plane"}
		}
		in = s.id
	}
	if o.Out.Section != "" {
		s := d.sections[hashName(o.Out.Section)]
		if s == nil {
			return &fault{reason: "section " + o.Out.Section + " is not in the data plane"}
		}
		out = s.id
	}
	e := lspEntry(o, in, out)
	e.Name = hashName(o.Name)
	old := d.lsps[e.Name]
	if old != nil && old.name != "" && old.name != o.Name {
		return &fault{reason: fmt.Sprintf("name clashes with LSP %s", old.name)}
	}
	l, err := d.writeLSP(e, old)
	if err != nil {
		return err
	}
	l.name = o.Name
	d.lsps[e.Name] = l
	// New references first, then what the old entry has too much.
	if e.InLabel != 0 {
		if err := d.objs.setLabel(l.labelKey(), l.id); err != nil {
			return fmt.Errorf("write label: %w", err)
		}
		d.labels[l.labelKey()] = l
	}
	key := dataplane.Key{Kind: dataplane.KindLSP, Name: o.Name}
	was := l.prefixes
	l.prefixes = make(map[netip.Prefix]bool, len(o.Prefixes))
	for _, p := range o.Prefixes {
		if err := d.objs.setPrefix(p, l.id); err != nil {
			return fmt.Errorf("write prefix %s: %w", p, err)
		}
		d.prefixes[p], l.prefixes[p] = l, true
		rt.add(d.routeFor(p, l), key)
	}
	if old == nil || old == l {
		return d.dropPrefixes(l, was, rt)
	}
	return d.retire(old, rt)
}

// writeLSP writes the entry: into the slot that it has if the content is the
// same, to repair it, and else into a new one, so that no program ever sees
// half of a change. Counters go on.
func (d *Driver) writeLSP(e tandemLsp, old *lsp) (*lsp, error) {
	now := time.Now()
	if old != nil {
		e.Counter, e.Since, e.Generation = old.entry.Counter, old.entry.Since, old.entry.Generation
		if e == old.entry {
			return old, d.objs.Lsps.Update(old.id, e, ebpf.UpdateAny)
		}
	} else {
		e.Since = uint64(now.UnixNano())
		if e.Counter = d.counterIDs.get(now); e.Counter == 0 {
			return nil, &fault{reason: "the table of LSPs is full"}
		}
		if err := d.zeroCounters(d.objs.LspCounters, e.Counter); err != nil {
			d.counterIDs.put(e.Counter, now)
			return nil, err
		}
	}
	d.generation++
	e.Generation = d.generation
	l := &lsp{entry: e, id: d.lspIDs.get(now)}
	if l.id == 0 && d.clearRetired() == nil {
		l.id = d.lspIDs.get(now)
	}
	err := error(&fault{reason: "the table of LSPs is full"})
	if l.id != 0 {
		err = d.objs.Lsps.Update(l.id, e, ebpf.UpdateAny)
	}
	if err != nil {
		d.lspIDs.put(l.id, now)
		if old == nil {
			d.counterIDs.put(e.Counter, now)
		}
		return nil, fmt.Errorf("write LSP: %w", err)
	}
	return l, nil
}

// dropPrefixes removes what still leads to l and is none of its prefixes.
func (d *Driver) dropPrefixes(l *lsp, was map[netip.Prefix]bool, rt *routes) error {
	for p := range was {
		if d.prefixes[p] == l && !l.prefixes[p] {
			if err := d.unroute(p, rt); err != nil {
				return err
			}
		}
	}
	return nil
}

// unroute takes a prefix off the data plane.
func (d *Driver) unroute(p netip.Prefix, rt *routes) error {
	delete(d.prefixes, p)
	rt.remove(p)
	if err := d.objs.clearPrefix(p); err != nil {
		return fmt.Errorf("remove prefix %s: %w", p, err)
	}
	return nil
}

// retire removes an entry and the references that still lead to it; another
// LSP may have taken over its label or a prefix. Its counters stay.
func (d *Driver) retire(l *lsp, rt *routes) error {
	if k := l.labelKey(); d.labels[k] == l {
		delete(d.labels, k)
		if err := d.objs.clearLabel(k); err != nil {
			return fmt.Errorf("remove label: %w", err)
		}
	}
	for p := range l.prefixes {
		if d.prefixes[p] == l {
			if err := d.unroute(p, rt); err != nil {
				return err
			}
		}
	}
	d.retired = append(d.retired, l.id)
	return nil
}

// clearRetired empties the entries to which no reference has led since they were
// retired. A program may still be reading one that it looked up just before, so
// a grace period comes first.
func (d *Driver) clearRetired() error {
	if len(d.retired) == 0 {
		return nil
	}
	awaitPrograms()
	var failed error
	for _, id := range d.retired {
		if err := d.objs.Lsps.Update(id, tandemLsp{}, ebpf.UpdateAny); err != nil {
			failed = fmt.Errorf("remove LSP: %w", err)
			continue // The slot stays taken; an audit finds the entry.
		}
		d.lspIDs.put(id, time.Now())
	}
	d.retired = d.retired[:0]
	return failed
}

// awaitPrograms returns when every program that runs now has ended: they run in
// read-side critical sections of RCU, and this command of membarrier(2) waits for
// a grace period.
func awaitPrograms() {
	const global = 1 // MEMBARRIER_CMD_GLOBAL
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0); errno != 0 {
		// A kernel with full dynamic ticks has no such command.
		<-time.After(rest)
	}
}

func (d *Driver) deleteLSP(l *lsp, rt *routes) error {
	if l == nil {
		return nil
	}
	if err := d.retire(l, rt); err != nil {
		return err
	}
	delete(d.lsps, l.entry.Name)
	d.counterIDs.put(l.entry.Counter, time.Now())
	return nil
}

// zeroCounters starts the counters of a slot.
func (d *Driver) zeroCounters(m *ebpf.Map, slot uint32) error {
	if err := m.Update(slot, d.zeros, ebpf.UpdateAny); err != nil {
		return fmt.Errorf("zero counters: %w", err)
	}
	return nil
}

// routeFor is the IP route that leads a prefix into an LSP: its MTU leaves
// room for the labels.
func (d *Driver) routeFor(p netip.Prefix, l *lsp) link.Route {
	r := link.Route{Prefix: p, Index: d.imposeNear.Index, Protocol: link.Protocol}
	if s := d.byID[l.entry.Out]; s != nil && uint32(s.entry.Mtu) > 4*maxImpose {
		r.MTU = uint32(s.entry.Mtu) - 4*uint32(l.entry.N)
	}
	return r
}

func (r *routes) add(route link.Route, k dataplane.Key) {
	r.put[route.Prefix] = k
	r.order = append(r.order, route)
}

func (r *routes) remove(p netip.Prefix) {
	delete(r.put, p)
	r.gone = append(r.gone, p)
}

// applyRoutes brings the host's routes in line with the prefixes.
func (d *Driver) applyRoutes(rt *routes) []*dataplane.OpError {
	var failed []*dataplane.OpError
	var gone []netip.Prefix
	for _, p := range rt.gone {
		if _, back := rt.put[p]; !back {
			gone = append(gone, p)
		}
	}
	if len(gone) > 0 {
		for i, err := range d.net.DeleteRoutes(gone) {
			if err != nil {
				d.log.Warn("route not removed", "prefix", gone[i], "error", err)
			}
		}
	}
	var put []link.Route
	for _, r := range rt.order {
		if _, ok := rt.put[r.Prefix]; ok && d.prefixes[r.Prefix] != nil {
			put = append(put, r)
		}
	}
	if len(put) == 0 {
		return nil
	}
	for i, err := range d.net.ReplaceRoutes(put) {
		if err != nil {
			failed = append(failed, opError(rt.put[put[i].Prefix], err))
		}
	}
	return failed
}
