package ebpf

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
)

// branch is a branch of a point-to-multipoint LSP as it is in the tables: an
// entry of its own, which the frames reach by a relay. The branch that is this
// node (a bud) has the name 0.
type branch struct {
	id, relay uint32
	entry     tandemLsp
}

// discard is what a change has left over.
type discard struct {
	branches map[uint64]*branch
	list     uint32
}

// discard gives back relays, entries and lists to which nothing leads any more.
// A relay rests before it is another's, for frames may be under way to it.
func (d *Driver) discard(x *discard) {
	if x == nil {
		return
	}
	for _, b := range x.branches {
		if err := d.dropRelay(b.relay); err != nil {
			d.log.Error("relay not removed", "error", err)
			continue // The slot stays taken.
		}
		d.retired = append(d.retired, b.id)
	}
	if x.list != 0 {
		d.listIDs.put(x.list, time.Now())
	}
}

// putBranches writes the branches of an LSP and the list of their relays, which
// goes into its entry. Branches that stay the same keep entry and relay: copies
// to them go on whatever becomes of the others.
func (d *Driver) putBranches(o dataplane.LSP, e *tandemLsp, old *lsp) (map[uint64]*branch, *discard, error) {
	var was map[uint64]*branch
	gone := &discard{branches: map[uint64]*branch{}}
	if old != nil {
		was, gone.list = old.branches, old.entry.Copies
	}
	if len(o.Branches) == 0 {
		gone.branches = was
		return nil, gone, nil
	}
	want := make(map[uint64]tandemLsp, len(o.Branches)+1)
	for _, b := range o.Branches {
		out, err := d.hop(b.NextHop)
		if err != nil {
			return nil, nil, err
		}
		be := hopEntry(o.Op, b.NextHop, out)
		be.Flags, be.Class = flagBranch|e.Flags&(flagClass|flagShortPipe|flagEntropy), e.Class
		want[hashName(b.Name)] = be
	}
	if o.Bud {
		want[0] = tandemLsp{Op: uint8(dataplane.PopAndLookup), Flags: flagBranch}
	}
	now, order := make(map[uint64]*branch, len(want)), make([]uint32, 0, len(want))
	for name, be := range want {
		be.Name, be.Parent, be.Counter, be.InSection = name, e.Counter, e.Counter, e.InSection
		b, err := d.putBranch(be, was[name])
		if err != nil {
			for name := range was {
				delete(now, name)
			}
			d.discard(&discard{branches: now})
			return nil, nil, err
		}
		now[name] = b
		if name != 0 {
			order = append(order, b.relay)
		}
	}
	if o.Bud {
		order = append(order, now[0].relay) // The last one, which can be left out.
	}
	for name, b := range was {
		if now[name] == nil {
			gone.branches[name] = b
		} else if now[name].id != b.id {
			d.retired = append(d.retired, b.id)
		}
	}
	if old != nil && d.sameList(old.entry.Copies, order, o.Bud) {
		e.Copies, gone.list = old.entry.Copies, 0
		return now, gone, nil
	}
	list, err := d.newList(order)
	e.Copies = list
	return now, gone, err
}

func (d *Driver) putBranch(e tandemLsp, old *branch) (*branch, error) {
	if old != nil && old.entry == e {
		// Written again, to repair what somebody changed.
		if err := d.objs.Lsps.Update(old.id, e, ebpf.UpdateAny); err != nil {
			return nil, fmt.Errorf("write branch: %w", err)
		}
		return old, d.objs.Relays.Update(old.relay, tandemRelay{Kind: relayLSP, Ref: old.id}, ebpf.UpdateAny)
	}
	id, err := d.writeEntry(e)
	if err != nil {
		return nil, err
	}
	b := &branch{id: id, entry: e}
	if old != nil {
		b.relay = old.relay
		return b, d.setRelay(b.relay, relayLSP, id)
	}
	b.relay, err = d.newRelay(relayLSP, id)
	return b, err
}

// newRelay returns a relay that leads to ref.
func (d *Driver) newRelay(kind, ref uint32) (uint32, error) {
	id := d.relayIDs.get(time.Now())
	if id == 0 {
		return 0, &fault{reason: "the table of relays is full"}
	}
	return id, d.setRelay(id, kind, ref)
}

// setRelay turns a relay, in one write of eight octets.
func (d *Driver) setRelay(id, kind, ref uint32) error {
	if err := d.objs.write(d.objs.Relays, id, 0, uint64(kind)|uint64(ref)<<32); err != nil {
		return fmt.Errorf("write relay: %w", err)
	}
	return nil
}

func (d *Driver) dropRelay(id uint32) error {
	if id == 0 {
		return nil
	}
	if err := d.setRelay(id, 0, 0); err != nil {
		return err
	}
	d.relayIDs.put(id, time.Now())
	return nil
}

// newList writes a list of copies.
func (d *Driver) newList(relays []uint32) (uint32, error) {
	id := d.listIDs.get(time.Now())
	if id == 0 {
		return 0, &fault{reason: "the table of branch lists is full"}
	}
	if err := d.objs.CopyLists.Update(id, listOf(relays), ebpf.UpdateAny); err != nil {
		d.listIDs.put(id, time.Now())
		return 0, fmt.Errorf("write list of branches: %w", err)
	}
	return id, nil
}

func listOf(relays []uint32) tandemCopies {
	c := tandemCopies{N: uint32(len(relays))}
	for i, r := range relays {
		c.Relay[i] = uint16(r)
	}
	return c
}

// sameList tells whether a list holds these relays, whatever their order but for
// a last one that has to be.
func (d *Driver) sameList(id uint32, relays []uint32, last bool) bool {
	var c tandemCopies
	if id == 0 || d.objs.CopyLists.Lookup(id, &c) != nil || int(c.N) != len(relays) {
		return false
	}
	has := map[uint32]bool{}
	for i := range c.N {
		has[uint32(c.Relay[i])] = true
	}
	for _, r := range relays {
		if !has[r] {
			return false
		}
	}
	return !last || uint32(c.Relay[c.N-1]) == relays[len(relays)-1]
}

// relayAll marks the relay of an interface all of whose frames are relayed.
const relayAll = 1 << 16

// portRelay makes the tc program of an interface send its frames to the impose
// device: all of them, or those only that are of a section or an attachment
// circuit. It returns the relay.
func (d *Driver) portRelay(ifindex uint32, all bool) (uint32, error) {
	var id uint32
	if err := absent(d.objs.RelayPorts.Lookup(ifindex, &id)); err != nil {
		return 0, fmt.Errorf("read relay of interface %d: %w", ifindex, err)
	}
	id &^= relayAll
	var err error
	if id != 0 {
		err = d.setRelay(id, relayPort, ifindex)
	} else {
		id, err = d.newRelay(relayPort, ifindex)
	}
	if err != nil {
		return 0, err
	}
	value := id
	if all {
		value |= relayAll
	}
	if err := d.objs.RelayPorts.Update(ifindex, value, ebpf.UpdateAny); err != nil {
		return 0, fmt.Errorf("write relay of interface %d: %w", ifindex, err)
	}
	return id, nil
}

// dropPortRelay undoes portRelay.
func (d *Driver) dropPortRelay(ifindex uint32) {
	var id uint32
	err := d.objs.RelayPorts.Lookup(ifindex, &id)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return
	}
	if err == nil {
		err = absent(d.objs.RelayPorts.Delete(ifindex))
	}
	if err == nil {
		err = d.dropRelay(id &^ relayAll)
	}
	if err != nil {
		d.log.Error("relay of an interface not removed", "interface-index", ifindex, "error", err)
	}
}
