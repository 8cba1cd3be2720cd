package ebpf

import (
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
)

// Flags and types of bpf/maps_client.h. The types are those of dataplane.
const (
	flagPWDown        = 1
	flagPWBlocked     = 2
	flagPWControlWord = 4
	flagPWSequence    = 8
	flagPWNull        = 16
	flagPWSends       = 32
)

// nowhere is the loop of a pseudowire whose opposite one is gone: an identifier
// that no table has, so that nothing comes back by chance.
const nowhere = 1<<28 - 1

// clientFeatures are what pseudowires and services can do here.
func clientFeatures() []dataplane.Feature {
	return []dataplane.Feature{
		dataplane.FeatureEthernetPW, dataplane.FeatureControlWord, dataplane.FeatureSequencing,
		dataplane.FeatureSwitchingPW, dataplane.FeatureP2MPPW, dataplane.FeaturePWGroup,
		dataplane.FeatureNetworkLayer, dataplane.FeatureVLANOps, dataplane.FeatureQinQ,
		dataplane.FeaturePolicing, dataplane.FeatureClassMap, dataplane.FeaturePWACHPunt,
		dataplane.FeaturePWCounters,
	}
}

// clients are the pseudowires, services and switching points in the tables.
type clients struct {
	pws       map[uint64]*pseudowire
	pwByID    map[uint32]*pseudowire
	looping   map[*pseudowire]bool
	services  map[uint64]*service
	switching map[uint64]*switching
	circuits  map[tandemCircuitKey]*service
	tagged    map[uint32]uint32 // circuits with tags, by interface

	pwIDs, pwSlots, serviceIDs, serviceSlots *slots
	// Slots without references that are not empty yet.
	retiredPWs, retiredServices []uint32
}

// pseudowire is a pseudowire as it is in the tables.
type pseudowire struct {
	name  string // empty: adopted and not yet asked for
	slot  uint32
	to    uint32 // where its frames go: as pw_ref.to
	entry tandemPw
}

func (c *clients) init(t *tandemMaps) {
	*c = clients{
		pws: map[uint64]*pseudowire{}, pwByID: map[uint32]*pseudowire{}, looping: map[*pseudowire]bool{},
		services: map[uint64]*service{}, switching: map[uint64]*switching{},
		circuits: map[tandemCircuitKey]*service{}, tagged: map[uint32]uint32{},
		pwIDs: newSlots(t.PwRefs.MaxEntries()), pwSlots: newSlots(t.Pws.MaxEntries()),
		serviceIDs: newSlots(t.ServiceCounters.MaxEntries()), serviceSlots: newSlots(t.Services.MaxEntries()),
	}
}

// pwEntry builds the table entry of a pseudowire, without what the tables give.
func pwEntry(o dataplane.Pseudowire) tandemPw {
	e := tandemPw{
		Name: hashName(o.Name), InLabel: o.InLabel, Type: uint8(o.Type), Mtu: o.EffectiveMTU(), N: uint8(len(o.Out.Stack)),
	}
	for _, f := range []struct {
		is   bool
		flag uint8
	}{
		{o.Down, flagPWDown}, {o.Blocked, flagPWBlocked}, {o.ControlWord, flagPWControlWord},
		{o.Sequencing, flagPWSequence}, {o.EncapsulationLabel, flagPWNull}, {len(o.Out.Stack) != 0, flagPWSends},
	} {
		if f.is {
			e.Flags |= f.flag
		}
	}
	for i, le := range o.Out.Stack {
		ttl := le.EffectiveTTL()
		if i == len(o.Out.Stack)-1 {
			e.Ttl, ttl = ttl, 0
		}
		e.Lse[i] = le.Label<<12 | uint32(ttl)
		if le.HasTC {
			e.Lse[i] |= uint32(le.TC) << 9
			e.TcSet |= 1 << i
		}
	}
	return e
}

// pwStack is the inverse of pwEntry's label stack.
func pwStack(e tandemPw) []dataplane.LabelEntry {
	n := min(int(e.N), len(e.Lse))
	if n == 0 {
		return nil
	}
	out := make([]dataplane.LabelEntry, n)
	for i := range out {
		le := dataplane.LabelEntry{Label: e.Lse[i] >> 12, TTL: uint8(e.Lse[i])}
		if i == n-1 {
			le.TTL = e.Ttl
		}
		if e.TcSet&(1<<i) != 0 {
			le.HasTC, le.TC = true, uint8(e.Lse[i]>>9&7)
		}
		out[i] = le
	}
	return out
}

// pwNamed returns a pseudowire of the data plane.
func (d *Driver) pwNamed(name string) (*pseudowire, error) {
	pw := d.clients.pws[hashName(name)]
	if pw == nil {
		return nil, &fault{reason: "pseudowire " + name + " is not in the data plane"}
	}
	return pw, nil
}

func (d *Driver) putPseudowire(o dataplane.Pseudowire) error {
	e := pwEntry(o)
	if len(o.Out.Stack) > len(e.Lse) {
		return &fault{reason: fmt.Sprintf("%d labels of its own, a pseudowire has up to %d", len(o.Out.Stack), len(e.Lse))}
	}
	if e.Flags&flagPWSends != 0 {
		out, err := d.hop(o.Out)
		if err != nil {
			return err
		}
		e.Out = out
	}
	c := &d.clients
	old := c.pws[e.Name]
	if old != nil && old.name != "" && old.name != o.Name {
		return &fault{reason: fmt.Sprintf("name clashes with pseudowire %s", old.name)}
	}
	if o.Loop != "" && o.Loop != o.Name {
		pw, err := d.pwNamed(o.Loop)
		if err != nil {
			return err
		}
		e.Loop = pw.entry.Id
	}
	was := e.Type
	if old != nil {
		was = old.entry.Type
	}
	pw, err := d.writePW(e, o.Loop == o.Name && o.Loop != "", old)
	if err != nil {
		return err
	}
	pw.name = o.Name
	delete(c.looping, pw)
	if pw.entry.Loop != 0 {
		c.looping[pw] = true
	}
	if e.Type != was {
		return d.retype(pw)
	}
	return nil
}

// writePW writes an entry, turns the identifier to it, and the label to the
// identifier. What is there already is written over, to repair it.
func (d *Driver) writePW(e tandemPw, loopSelf bool, old *pseudowire) (*pseudowire, error) {
	c, now := &d.clients, time.Now()
	if old != nil {
		e.Id, e.Counter, e.Since, e.Generation = old.entry.Id, old.entry.Counter, old.entry.Since, old.entry.Generation
		if loopSelf {
			e.Loop = e.Id
		}
		if e == old.entry {
			if err := d.objs.Pws.Update(old.slot, e, ebpf.UpdateAny); err != nil {
				return nil, fmt.Errorf("write pseudowire: %w", err)
			}
			return old, d.refer(old)
		}
	} else {
		e.Since = uint64(now.UnixNano())
		if err := d.newPWID(&e, now); err != nil {
			return nil, err
		}
		if loopSelf {
			e.Loop = e.Id
		}
	}
	d.generation++
	e.Generation = d.generation
	slot, err := takeSlot(c.pwSlots, func() error { return d.clearRetiredPWs() }, "pseudowires")
	if err == nil {
		err = d.objs.Pws.Update(slot, e, ebpf.UpdateAny)
	}
	if err != nil {
		c.pwSlots.put(slot, now)
		if old == nil {
			d.freePWID(e, now)
		}
		return nil, fmt.Errorf("write pseudowire: %w", err)
	}
	pw := old
	if pw == nil {
		pw = &pseudowire{}
		c.pws[e.Name], c.pwByID[e.Id] = pw, pw
	} else {
		c.retiredPWs = append(c.retiredPWs, pw.slot)
	}
	was := pw.entry
	pw.slot, pw.entry = slot, e
	if err := d.refer(pw); err != nil {
		return nil, err
	}
	if was.InLabel != 0 && was.InLabel != e.InLabel {
		return pw, d.dropPWLabel(was)
	}
	return pw, nil
}

// newPWID gives a pseudowire its identifier and counters, both of which it has
// for its life.
func (d *Driver) newPWID(e *tandemPw, now time.Time) error {
	if e.Id = d.clients.pwIDs.get(now); e.Id == 0 {
		return &fault{reason: "the table of pseudowires is full"}
	}
	var err error
	if e.Counter, err = d.newCounter(); err != nil {
		d.clients.pwIDs.put(e.Id, now)
		return err
	}
	if err := d.objs.PwStates.Update(e.Id, tandemPwState{}, ebpf.UpdateAny); err != nil {
		d.freePWID(*e, now)
		return fmt.Errorf("start pseudowire: %w", err)
	}
	return nil
}

func (d *Driver) freePWID(e tandemPw, now time.Time) {
	d.clients.pwIDs.put(e.Id, now)
	d.counterIDs.put(e.Counter, now)
}

// refer makes the identifier and the label lead to the entry.
func (d *Driver) refer(pw *pseudowire) error {
	if err := d.setPWRef(pw); err != nil {
		return err
	}
	if pw.entry.InLabel == 0 {
		return nil
	}
	if err := d.claimLabel(labelKey{0, pw.entry.InLabel}, refPW|pw.entry.Id, pw.entry.Counter); err != nil {
		return fmt.Errorf("write label: %w", err)
	}
	return nil
}

func (d *Driver) setPWRef(pw *pseudowire) error {
	if err := d.objs.PwRefs.Update(pw.entry.Id, tandemPwRef{Entry: pw.slot, To: pw.to}, ebpf.UpdateAny); err != nil {
		return fmt.Errorf("turn pseudowire to its entry: %w", err)
	}
	return nil
}

// direct makes the frames of a pseudowire go somewhere.
func (d *Driver) direct(pw *pseudowire, to uint32) error {
	pw.to = to
	return d.setPWRef(pw)
}

// undirect stops the frames of a pseudowire from going there, if they still do.
func (d *Driver) undirect(pw *pseudowire, to uint32) error {
	if pw == nil || pw.to != to {
		return nil
	}
	return d.direct(pw, 0)
}

// dropPWLabel forgets a label, unless somebody else has taken it over.
func (d *Driver) dropPWLabel(e tandemPw) error {
	if e.InLabel == 0 {
		return nil
	}
	return d.releaseLabel(labelKey{0, e.InLabel}, refPW|e.Id)
}

// claimLabel makes a label lead to a pseudowire, whoever had it before.
func (d *Driver) claimLabel(k labelKey, ref, counter uint32) error {
	delete(d.labels, k)
	return d.objs.setLabel(k, ref, counter)
}

// releaseLabel clears a label that still leads to a pseudowire.
func (d *Driver) releaseLabel(k labelKey, ref uint32) error {
	var now tandemLabelEntry
	if err := d.objs.PlatformLabels.Lookup(k.label, &now); err != nil {
		return err
	}
	if uint32(now.Lead) != ref || lead(now.Lead)&leadPlain != 0 {
		return nil
	}
	return d.objs.clearLabel(k)
}

func (d *Driver) deletePseudowire(pw *pseudowire) error {
	if pw == nil {
		return nil
	}
	c, now := &d.clients, time.Now()
	if err := d.dropPWLabel(pw.entry); err != nil {
		return fmt.Errorf("remove label: %w", err)
	}
	for other := range c.looping {
		if other != pw && other.entry.Loop == pw.entry.Id {
			e := other.entry
			e.Loop = nowhere
			if _, err := d.writePW(e, false, other); err != nil {
				return err
			}
		}
	}
	if err := d.objs.PwRefs.Update(pw.entry.Id, tandemPwRef{}, ebpf.UpdateAny); err != nil {
		return fmt.Errorf("remove pseudowire: %w", err)
	}
	delete(c.pws, pw.entry.Name)
	delete(c.pwByID, pw.entry.Id)
	delete(c.looping, pw)
	c.retiredPWs = append(c.retiredPWs, pw.slot)
	d.freePWID(pw.entry, now)
	return nil
}

// takeSlot gives out a slot, if need be after clearing the retired ones.
func takeSlot(s *slots, clear func() error, what string) (uint32, error) {
	if slot := s.get(time.Now()); slot != 0 {
		return slot, nil
	}
	if err := clear(); err != nil {
		return 0, err
	}
	if slot := s.get(time.Now()); slot != 0 {
		return slot, nil
	}
	return 0, &fault{reason: "the table of " + what + " is full"}
}

// clearRetiredPWs and clearRetiredServices empty entries to which no reference
// has led since they were retired, after a grace period (see clearRetired).
func (d *Driver) clearRetiredPWs() error {
	return emptyRetired(&d.clients.retiredPWs, d.clients.pwSlots, d.objs.Pws, tandemPw{})
}

func (d *Driver) clearRetiredServices() error {
	return emptyRetired(&d.clients.retiredServices, d.clients.serviceSlots, d.objs.Services, tandemService{})
}

func emptyRetired(retired *[]uint32, s *slots, m *ebpf.Map, empty any) error {
	if len(*retired) == 0 {
		return nil
	}
	awaitPrograms()
	var failed error
	for _, slot := range *retired {
		if err := m.Update(slot, empty, ebpf.UpdateAny); err != nil {
			failed = fmt.Errorf("empty an entry: %w", err)
			continue // The slot stays taken; an audit finds the entry.
		}
		s.put(slot, time.Now())
	}
	*retired = (*retired)[:0]
	return failed
}

// clearRetiredClients ends a batch.
func (d *Driver) clearRetiredClients() error {
	if err := d.clearRetiredPWs(); err != nil {
		return err
	}
	return d.clearRetiredServices()
}
