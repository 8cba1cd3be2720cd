package ebpf

import (
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// hookInterval is the time between two looks at the XDP links: cheap, and the
// kernel sends no event when one is detached.
const hookInterval = time.Second

// watch turns the kernel's events into the driver's.
func (d *Driver) watch() {
	defer d.done.Done()
	seen := map[int]link.Link{}
	if ls, err := d.net.List(); err == nil {
		for _, l := range ls {
			seen[l.Index] = l
		}
	}
	for e := range d.sub.Events() {
		switch e.Kind {
		case link.LinkNew:
			old, known := seen[e.Link.Index]
			seen[e.Link.Index] = e.Link
			d.linkChanged(old, known, e.Link)
		case link.LinkGone:
			delete(seen, e.Link.Index)
			d.linkGone(e.Link)
		case link.RouteGone:
			d.routeGone(e.Route)
		case link.Overflow:
			d.emit(dataplane.Event{Kind: dataplane.Drift})
		}
	}
}

// concerns tells whether a section uses or wants the interface.
func (d *Driver) concerns(l link.Link) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wanted[l.Name] || l.Index == d.impose.Index || l.Index == d.imposeNear.Index || d.hooks[l.Index] != nil
}

// linkChanged reports what became of an interface. What is configured follows
// the name: an interface that is renamed is gone under the old name and new
// under the other.
func (d *Driver) linkChanged(old link.Link, known bool, l link.Link) {
	if known && old.Name != l.Name && d.concerns(old) {
		d.emit(dataplane.Event{Kind: dataplane.LinkDown, Interface: old.Name})
		d.emit(dataplane.Event{Kind: dataplane.LinkChanged, Interface: old.Name})
		known = false
	}
	if !d.concerns(l) {
		return
	}
	if !known || old.Name != l.Name || old.MAC != l.MAC || old.MTU != l.MTU || old.Master != l.Master {
		d.emit(dataplane.Event{Kind: dataplane.LinkChanged, Interface: l.Name})
	}
	up, wasUp := l.Up && l.Carrier, known && old.Up && old.Carrier
	switch {
	case up && !wasUp:
		d.emit(dataplane.Event{Kind: dataplane.LinkUp, Interface: l.Name})
	case !up && wasUp:
		d.emit(dataplane.Event{Kind: dataplane.LinkDown, Interface: l.Name})
	}
	d.keepOffloads(l)
}

// keepOffloads turns off again what somebody turned on: the kernel reports a
// change of features as one of the interface.
func (d *Driver) keepOffloads(l link.Link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.hooks[l.Index]
	if h == nil || h.roles&roleImpose != 0 {
		return
	}
	if err := d.switchOffloads(h); d.newFault("offloads of "+l.Name, err) {
		d.log.Error("offloads not turned off", "interface", l.Name, "error", err)
	}
}

func (d *Driver) linkGone(l link.Link) {
	if !d.concerns(l) {
		return
	}
	d.emit(dataplane.Event{Kind: dataplane.LinkDown, Interface: l.Name})
	d.emit(dataplane.Event{Kind: dataplane.LinkChanged, Interface: l.Name})
}

// routeGone reports a route that somebody else removed: ours leaves d.prefixes
// before its route goes.
func (d *Driver) routeGone(r link.Route) {
	if r.Protocol != link.Protocol {
		return
	}
	d.mu.Lock()
	c := d.prefixes[r.Prefix]
	ours := c != nil && r.Index == d.imposeNear.Index
	var k dataplane.Key
	if ours {
		k = c.key()
	}
	d.mu.Unlock()
	if ours {
		d.emitDrift(k.Kind, k.Name)
	}
}

// emitDrift reports drift of one object, or of everything if it has no name yet.
func (d *Driver) emitDrift(k dataplane.Kind, name string) {
	e := dataplane.Event{Kind: dataplane.Drift}
	if name != "" {
		e.Key = dataplane.Key{Kind: k, Name: name}
	}
	d.emit(e)
}

// emit never blocks: when the channel is full, a Drift without a key follows
// as soon as there is room.
func (d *Driver) emit(e dataplane.Event) {
	e.Time = time.Now()
	d.evMu.Lock()
	defer d.evMu.Unlock()
	if d.lost {
		select {
		case d.events <- dataplane.Event{Time: e.Time, Kind: dataplane.Drift}:
			d.lost = false
		default:
			return
		}
	}
	select {
	case d.events <- e:
	default:
		d.lost = true
	}
}

// auditLoop looks for what the kernel tells nobody: programs taken off and
// table entries changed.
func (d *Driver) auditLoop() {
	defer d.done.Done()
	hooks := time.NewTicker(min(hookInterval, d.opt.AuditInterval))
	defer hooks.Stop()
	tables := time.NewTicker(d.opt.AuditInterval)
	defer tables.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-hooks.C:
			d.auditHooks()
		case <-tables.C:
			err := d.auditTables()
			d.mu.Lock()
			if d.newFault("tables", err) {
				d.log.Error("audit of the ebpf tables", "error", err)
			}
			d.mu.Unlock()
		}
		d.flushLost()
	}
}

// flushLost sends the overdue Drift of emit.
func (d *Driver) flushLost() {
	d.evMu.Lock()
	defer d.evMu.Unlock()
	if !d.lost {
		return
	}
	select {
	case d.events <- dataplane.Event{Time: time.Now(), Kind: dataplane.Drift}:
		d.lost = false
	default:
	}
}

// newFault tells whether err is news about a part of the driver: a look that
// finds what the last one found says nothing. A nil error ends the fault.
func (d *Driver) newFault(part string, err error) bool {
	if err == nil {
		delete(d.faults, part)
		return false
	}
	old := d.faults[part]
	d.faults[part] = err.Error()
	return old != d.faults[part]
}

// auditHooks repairs the pins and the impose device, which are no objects, and
// reports the sections whose program was taken off.
func (d *Driver) auditHooks() {
	var drift []string
	d.mu.Lock()
	restored, err := d.restorePins()
	if restored > 0 {
		d.log.Warn("pins restored that somebody removed", "count", restored)
	}
	if d.newFault("pins", err) {
		d.log.Error("pins not restored", "error", err)
	}
	if h := d.hooks[d.impose.Index]; !d.otherPinned && (h == nil || !h.attached()) {
		d.detach(d.impose.Index)
		err := d.openImposeDevice()
		if err == nil {
			d.log.Warn("impose device restored")
			drift = append(drift, "") // Its routes went with it.
		}
		if d.newFault("impose device", err) {
			d.log.Error("impose device not restored", "error", err)
		}
	}
	if d.raiseImposeDevice() {
		drift = append(drift, "") // The kernel took the routes when it went down.
	}
	for _, s := range d.sections {
		if h := d.hooks[int(s.entry.Ifindex)]; h != nil && !h.attached() {
			drift = append(drift, s.name)
		}
	}
	drift = append(drift, d.queueDrift()...)
	free := d.unblock()
	d.mu.Unlock()
	for _, name := range drift {
		d.emitDrift(dataplane.KindSection, name)
	}
	for _, ifc := range free {
		d.emit(dataplane.Event{Kind: dataplane.LinkChanged, Interface: ifc})
	}
}

// unblock looks whether the XDP programs of others that kept ours out have left.
// Interfaces in ModeTC get ours at once; the names of those whose sections
// failed are returned.
func (d *Driver) unblock() (free []string) {
	for ifindex, name := range d.blocked {
		x, err := d.net.XDP(ifindex)
		if err == nil && (x.Native != 0 || x.Generic != 0 || x.Offloaded != 0) {
			continue
		}
		delete(d.blocked, ifindex)
		h := d.hooks[ifindex]
		if h == nil || h.mode != ModeTC {
			free = append(free, name)
			continue
		}
		if err := d.attachAs(h, d.mode); err != nil {
			d.blocked[ifindex] = name // Another look, another try.
			if d.newFault("XDP of "+name, err) {
				d.log.Warn("XDP still not possible", "interface", name, "error", err)
			}
			continue
		}
		h.reason = d.modeReason
		d.log.Info("XDP possible again", "interface", name, "mode", h.mode)
	}
	return free
}

// raiseImposeDevice sets the ends of the impose device up that somebody set
// down, and reports whether there was one.
func (d *Driver) raiseImposeDevice() (raised bool) {
	for _, end := range []link.Link{d.imposeNear, d.impose} {
		l, err := d.net.ByIndex(end.Index)
		if err != nil || l.Up {
			continue // One that is gone is made again by the next look.
		}
		err = d.net.SetUp(end.Index)
		if d.newFault(end.Name+" down", err) {
			d.log.Error("impose device not set up again", "device", end.Name, "error", err)
		}
		if err != nil {
			continue
		}
		d.log.Warn("impose device set up again", "device", end.Name)
		raised = true
	}
	return raised
}

// auditTables compares the tables with what was written.
func (d *Driver) auditTables() error {
	var drift []dataplane.Key
	d.mu.Lock()
	im, err := d.objs.read()
	if err != nil {
		d.mu.Unlock()
		return err
	}
	for _, s := range d.sections {
		if s.entry.Ifindex == 0 {
			continue // Withdrawn, with its interface.
		}
		if im.sections[s.id].body != s.entry || im.ports[portOf(s.entry)] != s.id {
			drift = append(drift, dataplane.Key{Kind: dataplane.KindSection, Name: s.name})
		}
	}
	for _, l := range d.lsps {
		ok := im.lsps[l.id] == l.entry && (l.entry.InLabel == 0 || d.labels[l.labelKey()] != l || labelInPlace(im, l.entry, l.id)) &&
			branchesInPlace(im, l) && d.prefixesInPlace(im, l)
		if !ok {
			drift = append(drift, l.key())
		}
	}
	for _, g := range d.groups {
		if !d.groupInPlace(im, g) || !d.prefixesInPlace(im, g) {
			drift = append(drift, g.key())
		}
	}
	clients, foreignClients, err := d.auditClients(im)
	if err != nil {
		d.mu.Unlock()
		return err
	}
	drift = append(drift, clients...)
	foreign := foreignClients || len(im.sections) > len(d.sections) || len(im.lsps) > len(d.lsps) || len(im.groups) > len(d.groups) ||
		len(im.labels) > len(d.labels)+d.pseudowireLabels() || len(im.prefixes) > len(d.prefixes) || len(im.ports) > len(d.ports)
	d.mu.Unlock()
	for _, k := range drift {
		d.emitDrift(k.Kind, k.Name)
	}
	if foreign {
		d.emit(dataplane.Event{Kind: dataplane.Drift})
	}
	return nil
}
