package ebpf

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
)

// clientImage is what the tables of the clients hold.
type clientImage struct {
	pws       map[uint32]tandemPw // by slot
	refs      map[uint32]tandemPwRef
	services  map[uint32]tandemService // by slot
	circuits  map[tandemCircuitKey]uint32
	switching map[uint64]tandemSegments
}

func (t *objects) readClients() (*clientImage, error) {
	im := &clientImage{
		pws: map[uint32]tandemPw{}, refs: map[uint32]tandemPwRef{}, services: map[uint32]tandemService{},
		circuits: map[tandemCircuitKey]uint32{}, switching: map[uint64]tandemSegments{},
	}
	return im, errors.Join(
		eachEntry(t.arrays[t.Pws], func(k uint32, v *tandemPw) {
			if v.Id != 0 {
				im.pws[k] = *v
			}
		}),
		eachEntry(t.arrays[t.PwRefs], func(k uint32, v *tandemPwRef) {
			if v.Entry != 0 {
				im.refs[k] = *v
			}
		}),
		eachEntry(t.arrays[t.Services], func(k uint32, v *tandemService) {
			if v.Id != 0 {
				im.services[k] = *v
			}
		}),
		eachEntry(t.arrays[t.DirectCircuits], func(k uint32, v *tandemCircuits) {
			if v.Service != 0 {
				im.circuits[tandemCircuitKey{Ifindex: k}] = v.Service
			}
		}),
		each(t.TaggedCircuits, func(k tandemCircuitKey, v *uint32) { im.circuits[k] = *v }),
		each(t.SwitchingPoints, func(k uint64, v *tandemSegments) { im.switching[k] = *v }),
	)
}

// leads tells whether a circuit leads to the entry of its service; one that is
// withdrawn has none.
func (im *clientImage) leads(e tandemService, slot uint32) bool {
	return e.Ifindex == 0 || im.circuits[circuitOf(e)] == slot
}

// receive is the set of pseudowires whose frames go to a service.
func (im *clientImage) receive() map[uint32]map[uint32]bool {
	out := map[uint32]map[uint32]bool{}
	for id, r := range im.refs {
		if r.To == 0 || r.To&refKind != 0 {
			continue
		}
		if out[r.To] == nil {
			out[r.To] = map[uint32]bool{}
		}
		out[r.To][id] = true
	}
	return out
}

// adoptClients takes over what the tables of the clients hold. What nothing
// leads to was left by a process that died between two writes.
func (d *Driver) adoptClients() error {
	im, err := d.objs.readClients()
	if err != nil {
		return err
	}
	c := &d.clients
	for slot, e := range im.pws {
		d.generation = max(d.generation, e.Generation)
		ref, ok := im.refs[e.Id]
		if !ok || ref.Entry != slot {
			if err := d.objs.Pws.Update(slot, tandemPw{}, ebpf.UpdateAny); err != nil {
				return err
			}
			continue
		}
		pw := &pseudowire{slot: slot, to: ref.To, entry: e}
		c.pws[e.Name], c.pwByID[e.Id] = pw, pw
		if e.Loop != 0 {
			c.looping[pw] = true
		}
		c.pwIDs.take(e.Id)
		c.pwSlots.take(slot)
		d.counterIDs.take(e.Counter)
	}
	for id := range im.refs {
		if c.pwByID[id] == nil {
			if err := d.objs.PwRefs.Update(id, tandemPwRef{}, ebpf.UpdateAny); err != nil {
				return err
			}
		}
	}
	if err := d.adoptServices(im); err != nil {
		return err
	}
	for hash, segs := range im.switching {
		c.switching[hash] = &switching{hash: hash, segs: segs}
	}
	return nil
}

func (d *Driver) adoptServices(im *clientImage) error {
	c, receive := &d.clients, im.receive()
	for slot, e := range im.services {
		d.generation = max(d.generation, e.Generation)
		old := c.services[e.Name]
		if !im.leads(e, slot) || old != nil && old.entry.Generation > e.Generation {
			if err := d.objs.Services.Update(slot, tandemService{}, ebpf.UpdateAny); err != nil {
				return err
			}
			continue
		}
		s := &service{slot: slot, entry: e, receive: receive[slot]}
		if s.receive == nil {
			s.receive = map[uint32]bool{}
		}
		c.services[e.Name] = s
		c.serviceSlots.take(slot)
		c.serviceIDs.take(e.Id)
		if k := circuitOf(e); k.Ifindex != 0 {
			c.circuits[k] = s
			if k.Outer != 0 {
				c.tagged[k.Ifindex]++
			}
		}
	}
	for k := range im.circuits {
		if c.circuits[k] == nil {
			if err := d.objs.setCircuit(k, 0, c.directOf(k.Ifindex)); err != nil {
				return err
			}
		}
	}
	return nil
}

// pseudowireSlot returns the identifier of a pseudowire by its hashed name, 0 if
// it is not there.
func (d *Driver) pseudowireSlot(name uint64) uint32 {
	if pw := d.clients.pws[name]; pw != nil {
		return pw.entry.Id
	}
	return 0
}

// adoptLabel tells whether a label rightly leads to a pseudowire.
func (d *Driver) adoptLabel(k labelKey, ref uint32) bool {
	pw := d.clients.pwByID[ref&refSlot]
	return ref&refKind == refPW && pw != nil && k == labelKey{0, pw.entry.InLabel}
}

// pseudowireLabels is how many labels lead to pseudowires.
func (d *Driver) pseudowireLabels() (n int) {
	for _, pw := range d.clients.pws {
		if pw.entry.InLabel != 0 && d.labels[labelKey{0, pw.entry.InLabel}] == nil {
			n++
		}
	}
	return n
}

// attachmentInterfaces are the interfaces of adopted attachment circuits.
func (d *Driver) attachmentInterfaces() []int {
	set := map[int]bool{}
	for k := range d.clients.circuits {
		set[int(k.Ifindex)] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// room tells whether the tables take so many pseudowires and services more.
func (c *clients) room(k dataplane.Key, pws, services int) error {
	// One slot is none, one is needed to replace.
	if n := int(c.pwSlots.size) - 2; len(c.pws)+pws > n {
		return &dataplane.OpError{Key: k, Reason: fmt.Sprintf("the table of the ebpf data plane holds %d pseudowires", n)}
	}
	if n := int(c.serviceSlots.size) - 2; len(c.services)+services > n {
		return &dataplane.OpError{Key: k, Reason: fmt.Sprintf("the table of the ebpf data plane holds %d services", n)}
	}
	return nil
}

// pwWorks tells whether everything that leads to a pseudowire is in place.
func (d *Driver) pwWorks(pw *pseudowire, im *image, cim *clientImage) bool {
	e := pw.entry
	k := labelKey{0, e.InLabel}
	return cim.pws[pw.slot] == e && cim.refs[e.Id] == tandemPwRef{Entry: pw.slot, To: pw.to} &&
		(e.InLabel == 0 || d.labels[k] != nil || im.labels[k] == leadTo(refPW|e.Id, e.Counter))
}

// serviceInPlace tells whether the tables hold a service as it was written.
func (d *Driver) serviceInPlace(s *service, im *clientImage) bool {
	if im.services[s.slot] != s.entry {
		return false
	}
	k := circuitOf(s.entry)
	if k.Ifindex != 0 && d.clients.circuits[k] == s {
		if im.circuits[k] != s.slot {
			return false
		}
	}
	for id := range s.receive {
		if pw := d.clients.pwByID[id]; pw != nil && pw.to == s.slot && im.refs[id].To != s.slot {
			return false
		}
	}
	return true
}

// auditClients compares the tables of the clients with what was written, and
// tells whether there is more in them.
func (d *Driver) auditClients(im *image) (drift []dataplane.Key, foreign bool, err error) {
	cim, err := d.objs.readClients()
	if err != nil {
		return nil, false, err
	}
	c := &d.clients
	for _, pw := range c.pws {
		if !d.pwWorks(pw, im, cim) {
			drift = append(drift, dataplane.Key{Kind: dataplane.KindPseudowire, Name: pw.name})
		}
	}
	for _, s := range c.services {
		if !d.serviceInPlace(s, cim) {
			drift = append(drift, dataplane.Key{Kind: dataplane.KindService, Name: s.name})
		}
	}
	for hash, sp := range c.switching {
		if cim.switching[hash] != sp.segs {
			drift = append(drift, dataplane.Key{Kind: dataplane.KindSwitchingPoint, Name: sp.name})
		}
	}
	foreign = len(cim.pws) > len(c.pws) || len(cim.services) > len(c.services) ||
		len(cim.circuits) > len(c.circuits) || len(cim.switching) > len(c.switching)
	return drift, foreign, nil
}

// dumpClients is the part of Dump for pseudowires, services and switching points.
func (d *Driver) dumpClients(v *dumpView) ([]dataplane.Object, error) {
	cim, err := d.objs.readClients()
	if err != nil {
		return nil, err
	}
	names := map[uint32]string{}
	for id, r := range cim.refs {
		names[id] = fmt.Sprintf("?pseudowire-%d", id)
		if n, ok := v.name(cim.pws[r.Entry].Name, dataplane.KindPseudowire); ok {
			names[id] = n
		}
	}
	out := d.dumpPWs(v, cim, names)
	out = append(out, d.dumpServices(v, cim, names)...)
	for _, hash := range slices.Sorted(maps.Keys(cim.switching)) {
		segs := cim.switching[hash]
		name, known := v.name(hash, dataplane.KindSwitchingPoint)
		sp := d.clients.switching[hash]
		if !known {
			name = fmt.Sprintf("?switching-point-%x", hash)
		}
		o := dataplane.SwitchingPoint{Name: name, Segments: [2]string{names[segs.A], names[segs.B]}}
		if !known || sp == nil {
			d.strays[o.Key()] = func() error {
				if sp == nil {
					return absent(d.objs.SwitchingPoints.Delete(hash))
				}
				return d.deleteSwitchingPoint(sp)
			}
		} else if cim.refs[segs.A].To != refPW|segs.B || cim.refs[segs.B].To != refPW|segs.A {
			continue
		}
		out = append(out, o)
	}
	return out, nil
}

func (d *Driver) dumpPWs(v *dumpView, cim *clientImage, names map[uint32]string) []dataplane.Object {
	var out []dataplane.Object
	for _, slot := range slices.Sorted(maps.Keys(cim.pws)) {
		e := cim.pws[slot]
		pw := d.clients.pws[e.Name]
		name, known := v.name(e.Name, dataplane.KindPseudowire)
		stray := !known || pw == nil || pw.slot != slot
		if stray {
			name = names[e.Id]
			if pw == nil || pw.slot != slot || name == "" {
				name = fmt.Sprintf("?pseudowire-entry-%d", slot)
			}
		} else if !d.pwWorks(pw, v.im, cim) {
			continue
		}
		o := dataplane.Pseudowire{
			Name: name, Type: dataplane.PWType(e.Type), InLabel: e.InLabel,
			ControlWord: e.Flags&flagPWControlWord != 0, Sequencing: e.Flags&flagPWSequence != 0,
			EncapsulationLabel: e.Flags&flagPWNull != 0, MTU: e.Mtu, Down: e.Flags&flagPWDown != 0,
			Condition: dataplane.Condition{Blocked: e.Flags&flagPWBlocked != 0},
		}
		if e.Loop != 0 {
			o.Loop = names[e.Loop]
		}
		if e.Flags&flagPWSends != 0 {
			o.Out = dataplane.NextHop{Stack: pwStack(e)}
			if e.Out&refKind == refGroup {
				o.Out.Group = v.hops[e.Out]
			} else {
				o.Out.Section = v.hops[e.Out]
			}
		}
		if stray {
			d.strays[o.Key()] = func() error { return d.removePW(slot, e) }
		}
		out = append(out, o)
	}
	return out
}

// removePW removes an entry that Dump has shown as nobody's.
func (d *Driver) removePW(slot uint32, e tandemPw) error {
	if pw := d.clients.pws[e.Name]; pw != nil && pw.slot == slot {
		return d.deletePseudowire(pw)
	}
	if d.clients.pwSlots.used[slot] {
		return nil // In use since the dump.
	}
	return d.objs.Pws.Update(slot, tandemPw{}, ebpf.UpdateAny)
}

func (d *Driver) dumpServices(v *dumpView, cim *clientImage, names map[uint32]string) []dataplane.Object {
	var out []dataplane.Object
	receive := cim.receive()
	for _, slot := range slices.Sorted(maps.Keys(cim.services)) {
		e := cim.services[slot]
		s := d.clients.services[e.Name]
		name, known := v.name(e.Name, dataplane.KindService)
		if !known || s == nil || s.slot != slot {
			o := dataplane.Service{Name: fmt.Sprintf("?service-%d", slot)}
			d.strays[o.Key()] = func() error { return d.removeService(slot, e) }
			out = append(out, o)
			continue
		}
		l, err := d.net.ByIndex(int(e.Ifindex))
		h := d.hooks[int(e.Ifindex)]
		if err != nil || !d.serviceInPlace(s, cim) || !cim.leads(e, slot) || l.MAC != e.Own || min(l.MTU, 65535) != int(e.Mtu) ||
			h == nil || !h.attached() {
			continue
		}
		o := dataplane.Service{
			Name: name, Down: e.Flags&flagServiceDown != 0, Profile: profileOf(e), Classes: classesOf(e),
			Attachment: dataplane.Attachment{
				Interface: l.Name, OuterVLAN: e.Outer, InnerVLAN: e.Inner, NNI: e.Flags&flagServiceNNI != 0,
				Operation: dataplane.VLANOperation(e.Op), VLAN: e.Vlan, PeerMAC: e.Peer,
			},
		}
		switch {
		case e.Send&refKind == refGroup:
			o.Send, o.SendGroup = v.hops[e.Send], true
		case e.Send != 0:
			o.Send = names[e.Send&refSlot]
		}
		for _, id := range slices.Sorted(maps.Keys(receive[slot])) {
			o.Receive = append(o.Receive, names[id])
		}
		out = append(out, o)
	}
	return out
}

// removeService removes an entry that Dump has shown as nobody's.
func (d *Driver) removeService(slot uint32, e tandemService) error {
	if s := d.clients.services[e.Name]; s != nil && s.slot == slot {
		return d.deleteService(s)
	}
	if d.clients.serviceSlots.used[slot] {
		return nil // In use since the dump.
	}
	return d.objs.Services.Update(slot, tandemService{}, ebpf.UpdateAny)
}
