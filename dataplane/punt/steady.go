package punt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/oam"
)

// Reader is a Ring whose programs note the frames that steady sessions expect
// instead of punting them.
type Reader struct {
	*Ring
	steady *ebpf.Map
	// seen are the sightings, slots the entries of channel types: tables in
	// memory, never unmapped before the Reader is garbage.
	seen, slots []byte
	// next is the lowest slot of seen that was never used, free those that were,
	// the one that has rested longest first.
	next uint32
	free []uint32
	held map[*oam.Seen]watched
	// expecting counts the sessions by what their programs have to look for.
	expecting map[sought]int
}

type watched struct {
	key   steadyKey
	slot  uint32
	of    sought
	muted bool
}

// sought is a channel type of which frames are expected, and where: on any
// section, or on one.
type sought struct {
	channel uint16
	where   uint8
}

var _ packetio.Consumer = (*Reader)(nil)

// openSteady maps the sightings and forgets what an earlier process expected:
// its sessions are gone, and what their peers still send is news to ours.
func (r *Reader) openSteady(t Tables) (err error) {
	r.next, r.held, r.expecting = 1, map[*oam.Seen]watched{}, map[sought]int{}
	if r.steady, err = t.Steady.Clone(); err != nil {
		return fmt.Errorf("open steady sessions: %w", err)
	}
	for _, m := range []struct {
		of   *ebpf.Map
		size int
		to   *[]byte
	}{
		{t.Seen, int(t.Seen.MaxEntries()) * int(unsafe.Sizeof(oam.Seen{})), &r.seen},
		{t.ChannelSlots, len(SlotTable{}.Slot), &r.slots},
	} {
		if *m.to, err = unix.Mmap(m.of.FD(), 0, m.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
			return fmt.Errorf("map sightings: %w", err)
		}
		// A session may look at its Seen after Close; it holds the Reader, by its
		// transport, as long as it can.
		runtime.AddCleanup(r, func(b []byte) { _ = unix.Munmap(b) }, *m.to)
	}
	return r.forget()
}

// forget has all frames punted.
func (r *Reader) forget() error {
	var stale []steadyKey
	var k steadyKey
	var e expected
	all := r.steady.Iterate()
	for all.Next(&k, &e) {
		stale = append(stale, k)
	}
	if err := all.Err(); err != nil {
		return fmt.Errorf("read steady sessions: %w", err)
	}
	for _, k := range stale {
		if err := r.steady.Delete(k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("forget steady session: %w", err)
		}
	}
	for channel, entry := range r.slots {
		if entry&^slotMask != 0 {
			r.mark(uint16(channel), entry&slotMask)
		}
	}
	return nil
}

// mark writes the entry of a channel type.
func (r *Reader) mark(channel uint16, entry uint8) {
	word := (*uint32)(unsafe.Pointer(&r.slots[channel&^3]))
	shift := channel & 3 * 8
	atomic.StoreUint32(word, atomic.LoadUint32(word)&^(0xff<<shift)|uint32(entry)<<shift)
}

// expect says that there is one session more (or less) for which the programs
// have to look.
func (r *Reader) expect(s sought, more int) {
	r.expecting[s] += more
	entry := r.slots[s.channel] &^ s.where
	if r.expecting[s] != 0 {
		entry |= s.where
	} else {
		delete(r.expecting, s)
	}
	if entry != r.slots[s.channel] {
		r.mark(s.channel, entry)
	}
}

// slot returns an unused slot of seen, 0 if there is none. One that was used
// rests as long as others can be had: a program may be about to note a frame in
// it.
func (r *Reader) slot() (slot uint32) {
	switch {
	case int(r.next) < len(r.seen)/int(unsafe.Sizeof(oam.Seen{})):
		slot = r.next
		r.next++
	case len(r.free) > 0:
		slot, r.free = r.free[0], r.free[1:]
	}
	return slot
}

// Watch implements packetio.Consumer.
func (r *Reader) Watch(a packetio.Arrival, octets []byte) (*oam.Seen, error) {
	e := expected{}
	if len(octets) != len(e.Octets)*4 {
		return nil, fmt.Errorf("%d octets to expect, %d are compared", len(octets), len(e.Octets)*4)
	}
	for i := range e.Octets {
		e.Octets[i] = binary.NativeEndian.Uint32(octets[4*i:])
	}
	k := steadyKey{Ifindex: a.IfIndex, Vlan: a.VLAN, Label: a.Label, Reason: uint8(a.Reason)}
	if a.HasLabel {
		k.HasLabel = 1
	}
	of := sought{channel: binary.BigEndian.Uint16(octets[2:]), where: steadyAnywhere}
	if a.IfIndex != 0 {
		of.where = steadySection
	}
	if e.Seen = r.slot(); e.Seen == 0 {
		return nil, errors.New("no room for another steady session")
	}
	if err := r.steady.Update(k, e, ebpf.UpdateNoExist); err != nil {
		r.free = append(r.free, e.Seen)
		return nil, fmt.Errorf("expect steady session: %w", err)
	}
	r.expect(of, 1)
	seen := (*oam.Seen)(unsafe.Pointer(&r.seen[uintptr(e.Seen)*unsafe.Sizeof(oam.Seen{})]))
	r.held[seen] = watched{key: k, slot: e.Seen, of: of}
	return seen, nil
}

// Mute implements packetio.Consumer.
func (r *Reader) Mute(seen *oam.Seen) {
	w, ok := r.held[seen]
	if !ok || w.muted {
		return
	}
	// What cannot be deleted is gone, or goes on being noted, which is right if
	// it comes in there.
	_ = r.steady.Delete(w.key)
	r.expect(w.of, -1)
	w.muted = true
	r.held[seen] = w
}

// Unwatch implements packetio.Consumer.
func (r *Reader) Unwatch(seen *oam.Seen) {
	w, ok := r.held[seen]
	if !ok {
		return
	}
	r.Mute(seen)
	delete(r.held, seen)
	r.free = append(r.free, w.slot)
}

// Close implements packetio.Source.
func (r *Reader) Close() error {
	var err error
	if r.steady != nil {
		err = r.steady.Close()
	}
	return errors.Join(err, r.Ring.Close())
}
