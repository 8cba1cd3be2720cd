package ebpf

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// section is a section as it is in the tables.
type section struct {
	name        string // empty: adopted and not yet asked for
	id, counter uint32
	hash, since uint64
	entry       tandemSection // the body in use
	current     uint32        // which of the two it is
	flipped     time.Time     // when that changed
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
	e := d.sectionEntry(o, l)
	hash := hashName(o.Name)
	s := d.sections[hash]
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
	e = d.sectionEntry(o, l) // The way out may be another now.
	if s == nil {
		id := d.sectionIDs.get(time.Now())
		if id == 0 {
			return &fault{reason: "the table of sections is full"}
		}
		counter, err := d.newCounter()
		if err != nil {
			d.sectionIDs.put(id, time.Now())
			return err
		}
		s = &section{id: id, hash: hash, counter: counter, since: uint64(time.Now().UnixNano())}
	}
	old := s.entry
	if err := d.writeSection(s, e); err != nil {
		return fmt.Errorf("write section: %w", err)
	}
	s.name = o.Name
	d.sections[hash], d.byID[s.id], d.ports[portOf(e)] = s, s, s
	if old.Ifindex != 0 && portOf(old) != portOf(e) {
		d.clearQueues(int(old.Ifindex), hash)
		if err := d.releasePort(old); err != nil {
			return err
		}
	}
	if err := d.objs.setPort(portOf(e), s.id); err != nil {
		return fmt.Errorf("write port: %w", err)
	}
	if !o.Queues.Enabled {
		d.clearQueues(l.Index, hash) // Nothing is sent through them any more.
	}
	if old.Mtu != e.Mtu && old.Ifindex != 0 {
		d.reroute(rt, func(ref uint32) bool { return ref == s.id })
	}
	return nil
}

// sectionEntry builds the body of a section.
func (d *Driver) sectionEntry(o dataplane.Section, l link.Link) tandemSection {
	e := tandemSection{
		Ifindex: uint32(l.Index), Vlan: o.VLAN, Mtu: uint16(min(l.MTU, 65535)),
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
	if o.Blocked {
		e.Flags |= flagSectionBlocked
	}
	if d.byTC {
		e.Flags |= flagSectionByTC
	}
	return e
}

// setNative tells the programs whether what comes from the impose device can be
// redirected to sections by XDP. Where it cannot, the tc program does it.
func (d *Driver) setNative(native bool) {
	if d.byTC == !native {
		return
	}
	d.byTC = !native
	if err := d.setByTC(); err != nil {
		d.log.Error("way out of the impose device not written", "error", err)
	}
	for _, s := range d.sections {
		e := s.entry
		e.Flags &^= flagSectionByTC
		if d.byTC {
			e.Flags |= flagSectionByTC
		}
		if e.Ifindex == 0 {
			continue
		}
		if err := d.writeSection(s, e); err != nil {
			d.log.Error("section not written", "section", s.name, "error", err)
		}
	}
}

// setByTC writes which interface sends by the tc program.
func (d *Driver) setByTC() error {
	far := uint32(0)
	if d.byTC {
		far = uint32(d.impose.Index)
	}
	return d.objs.ByTc.Update(uint32(0), far, ebpf.UpdateAny)
}

// relayProgram is the tc program of interfaces in use.
func (d *Driver) relayProgram() *ebpf.Program { return d.objs.TandemRelay }

// writeSection writes the body that is not in use and then makes it the one in
// use, so that a program sees the one or the other. One that is in use already
// is written over itself, to repair it.
func (d *Driver) writeSection(s *section, e tandemSection) error {
	e.Counter = s.counter
	slot := tandemSectionSlot{Current: s.current, Name: s.hash, Since: s.since}
	slot.Body[s.current] = s.entry
	if e == s.entry || s.entry == (tandemSection{}) {
		slot.Body[s.current] = e
		if err := d.objs.Sections.Update(s.id, slot, ebpf.UpdateAny); err != nil {
			return err
		}
		s.entry = e
		return nil
	}
	if time.Since(s.flipped) < rest {
		awaitPrograms() // One may still read the body that was in use before.
	}
	slot.Body[1-s.current] = e
	if err := d.objs.Sections.Update(s.id, slot, ebpf.UpdateAny); err != nil {
		return err
	}
	slot.Current = 1 - s.current
	if err := d.objs.Sections.Update(s.id, slot, ebpf.UpdateAny); err != nil {
		return err
	}
	s.current, s.entry, s.flipped = slot.Current, e, time.Now()
	return nil
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
	if err := d.clearSection(s.id); err != nil {
		return fmt.Errorf("remove section: %w", err)
	}
	d.clearQueues(int(s.entry.Ifindex), s.hash)
	delete(d.sections, s.hash)
	delete(d.byID, s.id)
	now := time.Now()
	d.sectionIDs.put(s.id, now)
	d.counterIDs.put(s.counter, now)
	return nil
}

// clearSection empties a slot: first what nobody reads, then the reference.
func (d *Driver) clearSection(id uint32) error {
	var slot tandemSectionSlot
	if err := d.objs.Sections.Lookup(id, &slot); err != nil {
		return err
	}
	awaitPrograms()
	slot.Name, slot.Body[1-slot.Current&1] = 0, tandemSection{}
	if err := d.objs.Sections.Update(id, slot, ebpf.UpdateAny); err != nil {
		return err
	}
	slot.Current = 1 - slot.Current&1
	return d.objs.Sections.Update(id, slot, ebpf.UpdateAny)
}

// setHost tells the programs of the impose device: its index is where relayed
// frames are sent, the address of its far end what the host takes.
func (d *Driver) setHost() error {
	e := tandemSection{
		Ifindex: uint32(d.imposeNear.Index), Mtu: 65535, Peer: d.impose.MAC, Own: d.impose.MAC, Flags: flagSectionDown,
	}
	var slot tandemSectionSlot
	if err := d.objs.Sections.Lookup(uint32(0), &slot); err != nil {
		return fmt.Errorf("read section: %w", err)
	}
	if err := d.setByTC(); err != nil {
		return fmt.Errorf("write way out of the impose device: %w", err)
	}
	s := &section{since: uint64(d.impose.Index), entry: slot.Body[slot.Current&1], current: slot.Current & 1}
	if err := d.writeSection(s, e); err != nil {
		return fmt.Errorf("write section: %w", err)
	}
	return nil
}

func portOf(e tandemSection) tandemPortKey {
	return tandemPortKey{Ifindex: e.Ifindex, Vlan: uint32(e.Vlan)}
}
