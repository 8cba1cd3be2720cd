package ebpf

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// Flags of bpf/maps_client.h.
const (
	flagServiceDown    = 1
	flagServiceNNI     = 2
	flagServiceNetwork = 4
	flagServicePoliced = 8
	flagServiceClasses = 16
)

// service is a service as it is in the tables.
type service struct {
	name    string // empty: adopted and not yet asked for
	slot    uint32
	entry   tandemService
	receive map[uint32]bool // identifiers of pseudowires
}

// serviceEntry builds the table entry of a service, without what the tables and
// the interface give.
func serviceEntry(o dataplane.Service) tandemService {
	a := o.Attachment
	e := tandemService{
		Name: hashName(o.Name), Outer: a.OuterVLAN, Inner: a.InnerVLAN, Vlan: a.VLAN, Op: uint8(a.Operation), Peer: a.PeerMAC,
	}
	if o.Down {
		e.Flags |= flagServiceDown
	}
	if a.NNI {
		e.Flags |= flagServiceNNI
	}
	if p := o.Profile; p != nil {
		e.Flags |= flagServicePoliced
		e.Committed, e.Excess = rateEntry(p.CIR, p.CBS), rateEntry(p.EIR, p.EBS)
	}
	if m := o.Classes; m != nil {
		e.Flags |= flagServiceClasses
		e.Classes = [2][8]uint8{m.Green, m.Yellow}
	}
	return e
}

// octet is OCTET of bpf/police.h: an octet in 1e-9 bit.
const octet = 8_000_000_000

// rateEntry is a bucket of burst octets that fills at rate bits per second: in
// units of 1e-9 bit a rate of one fills one in a nanosecond.
func rateEntry(rate, burst uint64) tandemRate {
	r := tandemRate{Rate: rate, Burst: burst * octet, Fill: 1<<64 - 1}
	if rate != 0 {
		lo, hi := bits.Add64(r.Burst, rate-1, 0)
		r.Fill, _ = bits.Div64(hi, lo, rate)
	}
	return r
}

// profileOf is the inverse of serviceEntry's buckets.
func profileOf(e tandemService) *dataplane.Profile {
	if e.Flags&flagServicePoliced == 0 {
		return nil
	}
	return &dataplane.Profile{
		CIR: e.Committed.Rate, CBS: e.Committed.Burst / octet, EIR: e.Excess.Rate, EBS: e.Excess.Burst / octet,
	}
}

func classesOf(e tandemService) *dataplane.ClassMap {
	if e.Flags&flagServiceClasses == 0 {
		return nil
	}
	return &dataplane.ClassMap{Green: e.Classes[0], Yellow: e.Classes[1]}
}

// circuitOf is where the frames of a service's client arrive.
func circuitOf(e tandemService) tandemCircuitKey {
	k := tandemCircuitKey{Ifindex: e.Ifindex, Outer: e.Outer, Inner: e.Inner}
	if e.Outer != 0 {
		k.Tpid = bits.ReverseBytes16(0x8100)
		if e.Flags&flagServiceNNI != 0 {
			k.Tpid = bits.ReverseBytes16(0x88a8)
		}
	}
	return k
}

// serviceEnds are the pseudowires of a service.
type serviceEnds struct {
	send    uint32 // as service.send of the table
	network bool
	receive map[uint32]bool
}

// endsOf finds the pseudowires of a service.
func (d *Driver) endsOf(o dataplane.Service) (serviceEnds, error) {
	e := serviceEnds{receive: map[uint32]bool{}}
	switch {
	case o.SendGroup:
		ref, err := d.hop(dataplane.NextHop{Group: o.Send})
		if err != nil {
			return e, err
		}
		e.send = ref
	case o.Send != "":
		pw, err := d.pwNamed(o.Send)
		if err != nil {
			return e, err
		}
		e.send, e.network = refPW|pw.entry.Id, pw.entry.Type == uint8(dataplane.NetworkLayer)
	}
	for _, name := range o.Receive {
		pw, err := d.pwNamed(name)
		if err != nil {
			return e, err
		}
		e.receive[pw.entry.Id] = true
		// With a group, and with nothing to send to, the others tell the type.
		e.network = e.network || pw.entry.Type == uint8(dataplane.NetworkLayer)
	}
	return e, nil
}

func (d *Driver) putService(o dataplane.Service) error {
	d.wanted[o.Attachment.Interface] = true
	l, err := d.net.ByName(o.Attachment.Interface)
	if errors.Is(err, link.ErrNotFound) {
		d.withdrawService(d.clients.services[hashName(o.Name)])
		return &fault{"no interface " + o.Attachment.Interface, err}
	}
	if err != nil {
		return err
	}
	to, err := d.endsOf(o)
	if err != nil {
		return err
	}
	e := serviceEntry(o)
	e.Ifindex, e.Mtu, e.Own, e.Send = uint32(l.Index), uint16(min(l.MTU, 65535)), l.MAC, to.send
	if to.network {
		e.Flags |= flagServiceNetwork
	}
	old := d.clients.services[e.Name]
	if old != nil && old.name != "" && old.name != o.Name {
		return &fault{reason: fmt.Sprintf("name clashes with service %s", old.name)}
	}
	if err := d.useInterface(l, roleAttachment); err != nil {
		d.withdrawService(old)
		if !d.hasCircuits(e.Ifindex) {
			d.leaveInterface(l.Index, roleAttachment)
		}
		return err
	}
	s, was, err := d.writeService(e, old)
	if err != nil {
		return err
	}
	s.name = o.Name
	return d.joinService(s, to.receive, was)
}

// withdrawService takes a service off an interface that is gone or cannot be
// used any more. It stays known, with its counters.
func (d *Driver) withdrawService(s *service) {
	if s == nil || s.entry.Ifindex == 0 {
		return
	}
	e := s.entry
	e.Ifindex = 0
	s, was, err := d.writeService(e, s)
	if err == nil {
		err = d.joinService(s, was.receive, was)
	}
	if err != nil {
		d.log.Error("service not withdrawn", "error", err)
	}
}

// retype tells the services of a pseudowire that has become another type what
// they carry now.
func (d *Driver) retype(pw *pseudowire) error {
	for _, s := range d.clients.services {
		if !s.receive[pw.entry.Id] && s.entry.Send != refPW|pw.entry.Id {
			continue
		}
		e := s.entry
		e.Flags &^= flagServiceNetwork
		if pw.entry.Type == uint8(dataplane.NetworkLayer) {
			e.Flags |= flagServiceNetwork
		}
		if e == s.entry {
			continue
		}
		receive := s.receive
		s, was, err := d.writeService(e, s)
		if err != nil {
			return err
		}
		if err := d.joinService(s, receive, was); err != nil {
			return err
		}
	}
	return nil
}

// writeService writes an entry: over the one that is there if it is the same, to
// repair it, and else into another slot, where nothing leads yet. was is the
// entry, and the slot, that it takes the place of.
func (d *Driver) writeService(e tandemService, old *service) (s *service, was service, err error) {
	c, now := &d.clients, time.Now()
	if old != nil {
		was = *old
		e.Id, e.Since, e.Generation = old.entry.Id, old.entry.Since, old.entry.Generation
		if e == old.entry {
			return old, was, d.objs.Services.Update(old.slot, e, ebpf.UpdateAny)
		}
	} else {
		e.Since = uint64(now.UnixNano())
		if e.Id = c.serviceIDs.get(now); e.Id == 0 {
			return nil, was, &fault{reason: "the table of services is full"}
		}
		zeros := make([]tandemServiceCount, ebpf.MustPossibleCPU())
		err = d.objs.ServiceCounters.Update(e.Id, zeros, ebpf.UpdateAny)
		if err == nil {
			err = d.objs.Policers.Update(e.Id, tandemPolicer{}, ebpf.UpdateAny)
		}
	}
	d.generation++
	e.Generation = d.generation
	var slot uint32
	if err == nil {
		slot, err = takeSlot(c.serviceSlots, d.clearRetiredServices, "services")
	}
	if err == nil {
		err = d.objs.Services.Update(slot, e, ebpf.UpdateAny)
	}
	if err != nil {
		c.serviceSlots.put(slot, now)
		if old == nil {
			c.serviceIDs.put(e.Id, now)
		}
		return nil, was, fmt.Errorf("write service: %w", err)
	}
	if s = old; s == nil {
		s = &service{}
		c.services[e.Name] = s
	}
	s.slot, s.entry = slot, e
	return s, was, nil
}

// joinService makes the circuit and the pseudowires lead to the entry, the ones
// that frames go out by first, and what led to the old one no longer.
func (d *Driver) joinService(s *service, receive map[uint32]bool, was service) error {
	c := &d.clients
	for id := range receive {
		if err := d.direct(c.pwByID[id], s.slot); err != nil {
			return err
		}
	}
	s.receive = receive
	if s.entry.Ifindex != 0 {
		if err := d.setCircuit(circuitOf(s.entry), s); err != nil {
			return fmt.Errorf("write attachment circuit: %w", err)
		}
	}
	if was.slot == 0 {
		return nil
	}
	for id := range was.receive {
		if !receive[id] {
			if err := d.undirect(c.pwByID[id], was.slot); err != nil {
				return err
			}
		}
	}
	if k := circuitOf(was.entry); k != circuitOf(s.entry) {
		if err := d.leaveCircuit(k, s); err != nil {
			return err
		}
	}
	if was.slot != s.slot {
		c.retiredServices = append(c.retiredServices, was.slot)
	}
	return nil
}

// setCircuit makes a circuit lead to a service, 0 for none.
func (d *Driver) setCircuit(k tandemCircuitKey, s *service) error {
	c := &d.clients
	var slot uint32
	if s != nil {
		slot = s.slot
	}
	known := c.circuits[k] != nil
	if s != nil {
		c.circuits[k] = s
	} else {
		delete(c.circuits, k)
	}
	if k.Outer != 0 {
		switch {
		case s != nil && !known:
			c.tagged[k.Ifindex]++
		case s == nil && known:
			c.tagged[k.Ifindex]--
		}
		if c.tagged[k.Ifindex] == 0 {
			delete(c.tagged, k.Ifindex)
		}
	}
	return d.objs.setCircuit(k, slot, c.directOf(k.Ifindex))
}

// directOf is what direct_circuits says of an interface.
func (c *clients) directOf(ifindex uint32) tandemCircuits {
	v := tandemCircuits{Tagged: c.tagged[ifindex]}
	if s := c.circuits[tandemCircuitKey{Ifindex: ifindex}]; s != nil {
		v.Service = s.slot
	}
	return v
}

// setCircuit writes a circuit: the hash first where it comes and last where it
// goes, since the interface's entry tells whether to look.
func (t *tandemMaps) setCircuit(k tandemCircuitKey, slot uint32, direct tandemCircuits) error {
	inHash := k.Outer != 0 || k.Ifindex >= directPorts
	if inHash && slot != 0 {
		if err := t.TaggedCircuits.Update(k, slot, ebpf.UpdateAny); err != nil {
			return err
		}
	}
	if k.Ifindex < directPorts {
		if err := t.DirectCircuits.Update(k.Ifindex, direct, ebpf.UpdateAny); err != nil {
			return err
		}
	}
	if inHash && slot == 0 {
		return absent(t.TaggedCircuits.Delete(k))
	}
	return nil
}

// leaveCircuit forgets a circuit that a service had, unless another has taken it
// over, and leaves the interface with the last one.
func (d *Driver) leaveCircuit(k tandemCircuitKey, s *service) error {
	c := &d.clients
	if k.Ifindex == 0 {
		return nil
	}
	if c.circuits[k] == s {
		if err := d.setCircuit(k, nil); err != nil {
			return fmt.Errorf("remove attachment circuit: %w", err)
		}
	}
	if !d.hasCircuits(k.Ifindex) {
		d.leaveInterface(int(k.Ifindex), roleAttachment)
	}
	return nil
}

// hasCircuits tells whether an interface has attachment circuits.
func (d *Driver) hasCircuits(ifindex uint32) bool {
	return d.clients.tagged[ifindex] != 0 || d.clients.circuits[tandemCircuitKey{Ifindex: ifindex}] != nil
}

func (d *Driver) deleteService(s *service) error {
	if s == nil {
		return nil
	}
	c := &d.clients
	if err := d.leaveCircuit(circuitOf(s.entry), s); err != nil {
		return err
	}
	for id := range s.receive {
		if err := d.undirect(c.pwByID[id], s.slot); err != nil {
			return err
		}
	}
	delete(c.services, s.entry.Name)
	c.retiredServices = append(c.retiredServices, s.slot)
	c.serviceIDs.put(s.entry.Id, time.Now())
	return nil
}

// serviceCounters reads the counters of a service.
func (d *Driver) serviceCounters(s *service) (dataplane.Counters, error) {
	var perCPU []tandemServiceCount
	if err := d.objs.ServiceCounters.Lookup(s.entry.Id, &perCPU); err != nil {
		return dataplane.Counters{}, err
	}
	out := dataplane.Counters{Since: time.Unix(0, int64(s.entry.Since))}
	for _, c := range perCPU {
		out.In.Packets += c.InPackets
		out.In.Octets += c.InOctets
		out.Out.Packets += c.OutPackets
		out.Out.Octets += c.OutOctets
		out.InDrops += c.InDrops
		out.OutDrops += c.OutDrops
		for i := range out.Colours {
			out.Colours[i].Packets += c.ColourPackets[i]
			out.Colours[i].Octets += c.ColourOctets[i]
		}
	}
	return out, nil
}
