package ebpf

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
)

// The word that a group is to the programs: see struct group of bpf/maps.h.
const (
	groupLegBits   = 28
	groupActive    = 1 << 56
	groupDown      = 1 << 57
	groupPermanent = 1 << 58
	groupPWs       = 1 << 59

	groupStateOffset  = 0
	groupCopiesOffset = 12
	groupLegsOffset   = 32
)

// group is a group as it is in the tables.
type group struct {
	name     string
	id       uint32
	entry    tandemGroup
	prefixes map[netip.Prefix]bool
	relays   [2]uint32 // to the legs of a permanent bridge
	own      uint32    // the relay that leads into the group
}

// legs returns the names of the legs, hashed.
func (g *group) legs() []uint64 {
	if g.entry.LegNames[1] == 0 {
		return g.entry.LegNames[:1]
	}
	return g.entry.LegNames[:]
}

// legSlot returns the slot of a leg in its table, 0 if it is not there.
func (d *Driver) legSlot(name uint64, pws bool) uint32 {
	if pws {
		return d.pseudowireSlot(name)
	}
	if l := d.lsps[name]; l != nil && l.entry.Op == uint8(dataplane.ImposeAndForward) {
		return l.id
	}
	return 0
}

// stateOf builds the word of a group, but for the active leg.
func (d *Driver) stateOf(o dataplane.Group) (uint64, error) {
	var state uint64
	for i, leg := range o.Legs {
		slot := d.legSlot(hashName(leg), o.Pseudowires)
		if slot == 0 {
			return 0, &fault{reason: "leg " + leg + " is not in the data plane"}
		}
		state |= uint64(slot) << (groupLegBits * i)
	}
	if o.Down {
		state |= groupDown
	}
	if o.Permanent {
		state |= groupPermanent
	}
	if o.Pseudowires {
		state |= groupPWs
	}
	return state, nil
}

func (d *Driver) putGroup(o dataplane.Group, rt *routes) error {
	name := hashName(o.Name)
	g := d.groups[name]
	if g != nil && g.name != "" && g.name != o.Name {
		return &fault{reason: fmt.Sprintf("name clashes with group %s", g.name)}
	}
	e := tandemGroup{Name: name}
	for i, leg := range o.Legs {
		e.LegNames[i] = hashName(leg)
	}
	var err error
	if e.State, err = d.stateOf(o); err != nil {
		return err
	}
	if g == nil {
		if g, err = d.newGroup(e); err != nil {
			return err
		}
	}
	e.Counter, e.Since = g.entry.Counter, g.entry.Since
	list, err := d.legRelays(g, e)
	if err != nil {
		return err
	}
	old := d.entryOf(g)
	if e.Copies = list; list == 0 {
		e.Copies = old.Copies // Until no program can still be about to use it.
	}
	if err := d.writeGroup(g, e, o.Active); err != nil {
		return err
	}
	if list == 0 && old.Copies != 0 {
		d.dropLegRelays(g, old.Copies)
		d.groupMu.Lock()
		g.entry.Copies = 0
		d.groupMu.Unlock()
		if err := d.objs.write(d.objs.Groups, g.id, groupCopiesOffset, uint32(0)); err != nil {
			return fmt.Errorf("write group: %w", err)
		}
	}
	g.name = o.Name
	if err := d.openOutlet(g, o.Name); err != nil {
		return err
	}
	d.setLegs(g, old.LegNames)
	was := g.prefixes
	if err := d.putPrefixes(g, o.Prefixes, rt); err != nil {
		return err
	}
	if old.LegNames != e.LegNames {
		d.reroute(rt, func(ref uint32) bool { return ref == g.ref() })
	}
	return d.dropPrefixes(g, was, rt)
}

// keptLeg tells which leg is active after a change of legs: the one that was, or
// where it is gone, or the group is new, the one that is asked for.
func keptLeg(old, e tandemGroup, asked uint8) uint8 {
	was := old.LegNames[0]
	if old.State&groupActive != 0 {
		was = old.LegNames[1]
	}
	for i, leg := range e.LegNames {
		if leg != 0 && leg == was {
			return uint8(i)
		}
	}
	return asked
}

// newGroup takes a slot for a group and writes it, but for its state.
func (d *Driver) newGroup(e tandemGroup) (*group, error) {
	now := time.Now()
	g := &group{id: d.groupSlots.get(now)}
	if g.id == 0 {
		return nil, &fault{reason: "the table of groups is full"}
	}
	var err error
	if e.Counter, err = d.newCounter(); err != nil {
		d.groupSlots.put(g.id, now)
		return nil, err
	}
	e.Since, e.State, e.LegNames = uint64(now.UnixNano()), 0, [2]uint64{}
	if err := d.objs.Groups.Update(g.id, e, ebpf.UpdateAny); err != nil {
		d.groupSlots.put(g.id, now)
		d.counterIDs.put(e.Counter, now)
		return nil, fmt.Errorf("write group: %w", err)
	}
	g.entry = e
	d.groupMu.Lock()
	defer d.groupMu.Unlock()
	d.groups[e.Name], d.groupIDs[g.id] = g, g
	return g, nil
}

// writeGroup changes a group piece by piece, each in one write: what a program
// needs for the new state is there before the state is.
func (d *Driver) writeGroup(g *group, e tandemGroup, asked uint8) error {
	d.groupMu.Lock()
	defer d.groupMu.Unlock()
	if keptLeg(g.entry, e, asked) != 0 {
		e.State |= groupActive
	}
	for _, w := range []struct {
		offset int
		value  any
	}{
		{groupCopiesOffset, e.Copies},
		{groupLegsOffset, e.LegNames[0]},
		{groupLegsOffset + 8, e.LegNames[1]},
		{groupStateOffset, e.State},
	} {
		if err := d.objs.write(d.objs.Groups, g.id, w.offset, w.value); err != nil {
			return fmt.Errorf("write group: %w", err)
		}
	}
	g.entry = e
	return nil
}

// legRelays makes the list of relays to the legs of a permanent bridge, 0 for
// any other group.
func (d *Driver) legRelays(g *group, e tandemGroup) (uint32, error) {
	if e.State&groupPermanent == 0 {
		return 0, nil
	}
	kind := uint32(relayLSP)
	if e.State&groupPWs != 0 {
		kind = relayPW
	}
	var relays []uint32
	for i, leg := range e.LegNames {
		if leg == 0 {
			continue
		}
		slot := uint32(e.State>>(groupLegBits*i)) & refSlot
		if g.relays[i] == 0 {
			var err error
			if g.relays[i], err = d.newRelay(kind, slot); err != nil {
				return 0, err
			}
		} else if err := d.setRelay(g.relays[i], kind, slot); err != nil {
			return 0, err
		}
		relays = append(relays, g.relays[i])
	}
	if d.sameList(g.entry.Copies, relays, false) {
		return g.entry.Copies, nil
	}
	list, err := d.newList(relays)
	if err == nil && g.entry.Copies != 0 {
		d.listIDs.put(g.entry.Copies, time.Now())
	}
	return list, err
}

func (d *Driver) dropLegRelays(g *group, list uint32) {
	for i, r := range g.relays {
		if err := d.dropRelay(r); err != nil {
			d.log.Error("relay not removed", "error", err)
		}
		g.relays[i] = 0
	}
	if list != 0 {
		d.listIDs.put(list, time.Now())
	}
}

// setLegs keeps the index from legs to groups.
func (d *Driver) setLegs(g *group, was [2]uint64) {
	for _, leg := range was {
		delete(d.legOf[leg], g)
	}
	for _, leg := range g.legs() {
		if d.legOf[leg] == nil {
			d.legOf[leg] = map[*group]bool{}
		}
		d.legOf[leg][g] = true
	}
}

// turnLeg leads a group to the entry that a leg has now, 0 for none.
func (d *Driver) turnLeg(g *group, l *lsp) error {
	if d.entryOf(g).State&groupPWs != 0 {
		return nil
	}
	for i, leg := range g.entry.LegNames {
		if leg != l.entry.Name {
			continue
		}
		if err := d.writeLeg(g, i, l.id); err != nil {
			return err
		}
		if g.relays[i] != 0 {
			if err := d.setRelay(g.relays[i], relayLSP, l.id); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeLeg puts the slot of a leg into the state.
func (d *Driver) writeLeg(g *group, i int, slot uint32) error {
	d.groupMu.Lock()
	defer d.groupMu.Unlock()
	shift := groupLegBits * i
	state := g.entry.State&^(refSlot<<shift) | uint64(slot)<<shift
	if state == g.entry.State {
		return nil
	}
	if err := d.objs.write(d.objs.Groups, g.id, groupStateOffset, state); err != nil {
		return fmt.Errorf("write group: %w", err)
	}
	g.entry.State = state
	return nil
}

func (d *Driver) deleteGroup(g *group, rt *routes) error {
	if g == nil {
		return nil
	}
	for p := range g.prefixes {
		if d.prefixes[p] == client(g) {
			if err := d.unroute(p, rt); err != nil {
				return err
			}
		}
	}
	if err := d.objs.write(d.objs.Groups, g.id, groupStateOffset, uint64(0)); err != nil {
		return fmt.Errorf("remove group: %w", err)
	}
	d.outlets.shut(g.name)
	if err := d.dropRelay(g.own); err != nil {
		return err
	}
	d.dropLegRelays(g, g.entry.Copies)
	awaitPrograms()
	if err := d.objs.Groups.Update(g.id, tandemGroup{}, ebpf.UpdateAny); err != nil {
		return fmt.Errorf("remove group: %w", err)
	}
	for _, leg := range g.entry.LegNames {
		delete(d.legOf[leg], g)
	}
	d.groupMu.Lock()
	defer d.groupMu.Unlock()
	delete(d.groups, g.entry.Name)
	delete(d.groupIDs, g.id)
	d.groupSlots.put(g.id, time.Now())
	d.counterIDs.put(g.entry.Counter, time.Now())
	return nil
}

// entryOf returns the entry of a group as it should be in the table.
func (d *Driver) entryOf(g *group) tandemGroup {
	d.groupMu.Lock()
	defer d.groupMu.Unlock()
	return g.entry
}

// Switch implements dataplane.Driver: one write of eight octets. It waits for
// no Apply.
func (d *Driver) Switch(_ context.Context, name string, leg uint8) error {
	d.groupMu.Lock()
	defer d.groupMu.Unlock()
	k := dataplane.Key{Kind: dataplane.KindGroup, Name: name}
	g := d.groups[hashName(name)]
	if g == nil {
		return &dataplane.OpError{Key: k, Reason: "there is no such group"}
	}
	if int(leg) >= len(g.legs()) {
		return &dataplane.OpError{Key: k, Reason: fmt.Sprintf("there is no leg %d", leg)}
	}
	state := g.entry.State &^ groupActive
	if leg != 0 {
		state |= groupActive
	}
	if err := d.objs.write(d.objs.Groups, g.id, groupStateOffset, state); err != nil {
		return &dataplane.OpError{Key: k, Reason: err.Error(), Retry: true, Err: err}
	}
	g.entry.State = state
	return nil
}

// ActiveLeg implements dataplane.Driver.
func (d *Driver) ActiveLeg(name string) (uint8, error) {
	d.groupMu.Lock()
	defer d.groupMu.Unlock()
	g := d.groups[hashName(name)]
	if g == nil {
		return 0, &dataplane.OpError{Key: dataplane.Key{Kind: dataplane.KindGroup, Name: name}, Reason: "there is no such group"}
	}
	if g.entry.State&groupActive != 0 {
		return 1, nil
	}
	return 0, nil
}

// openOutlet gives OAM its way into a group: a relay, which stays the same as
// long as the group is there.
func (d *Driver) openOutlet(g *group, name string) error {
	if g.own == 0 {
		var err error
		if g.own, err = d.newRelay(relayGroup, g.id); err != nil {
			return err
		}
	}
	d.outlets.open(name, d.imposeNear.Index, uint16(g.own))
	return nil
}
