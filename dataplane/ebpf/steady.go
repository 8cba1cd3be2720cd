package ebpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/oam"
)

// steadyTable is the side of user space of the tables steady and seen: what
// sessions in a steady state expect, and when it came.
type steadyTable struct {
	expected *ebpf.Map
	slots    *slots
	memory   []byte // the table of sightings; never unmapped before the Punts are garbage
	held     map[*oam.Seen]watched
}

type watched struct {
	key   tandemSteadyKey
	slot  uint32
	muted bool
}

var _ packetio.Consumer = (*Punts)(nil)

// openSteady maps the sightings and forgets what an earlier process expected:
// its sessions are gone, and what their peers still send is news to ours.
func (p *Punts) openSteady(t *tandemMaps) (err error) {
	s := &p.steady
	if s.expected, err = t.Steady.Clone(); err != nil {
		return fmt.Errorf("open steady sessions: %w", err)
	}
	if err := s.forget(); err != nil {
		return err
	}
	size := int(t.Seen.MaxEntries()) * int(unsafe.Sizeof(oam.Seen{}))
	if s.memory, err = unix.Mmap(t.Seen.FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("map sightings: %w", err)
	}
	// A session may look at its Seen after Close; it holds the Punts, by its
	// transport, as long as it can.
	runtime.AddCleanup(p, func(m []byte) { _ = unix.Munmap(m) }, s.memory)
	s.slots, s.held = newSlots(t.Seen.MaxEntries()), map[*oam.Seen]watched{}
	return nil
}

func (s *steadyTable) forget() error {
	var stale []tandemSteadyKey
	if err := each(s.expected, func(k tandemSteadyKey, _ *tandemExpected) { stale = append(stale, k) }); err != nil {
		return err
	}
	for _, k := range stale {
		if err := absent(s.expected.Delete(k)); err != nil {
			return fmt.Errorf("forget steady session: %w", err)
		}
	}
	return nil
}

func (s *steadyTable) seen(slot uint32) *oam.Seen {
	return (*oam.Seen)(unsafe.Pointer(&s.memory[uintptr(slot)*unsafe.Sizeof(oam.Seen{})]))
}

// Watch implements packetio.Consumer.
func (p *Punts) Watch(a packetio.Arrival, octets []byte) (*oam.Seen, error) {
	s := &p.steady
	e := tandemExpected{}
	if len(octets) != len(e.Octets)*4 {
		return nil, fmt.Errorf("%d octets to expect, %d are compared", len(octets), len(e.Octets)*4)
	}
	for i := range e.Octets {
		e.Octets[i] = binary.NativeEndian.Uint32(octets[4*i:])
	}
	k := tandemSteadyKey{Ifindex: a.IfIndex, Vlan: a.VLAN, Label: a.Label, Reason: uint8(a.Reason)}
	if a.HasLabel {
		k.HasLabel = 1
	}
	e.Seen = s.slots.get(time.Now())
	if e.Seen == 0 {
		return nil, errors.New("no room for another steady session")
	}
	if err := s.expected.Update(k, e, ebpf.UpdateNoExist); err != nil {
		s.slots.put(e.Seen, time.Now())
		return nil, fmt.Errorf("expect steady session: %w", err)
	}
	seen := s.seen(e.Seen)
	s.held[seen] = watched{key: k, slot: e.Seen}
	return seen, nil
}

// Mute implements packetio.Consumer.
func (p *Punts) Mute(seen *oam.Seen) {
	w, ok := p.steady.held[seen]
	if !ok || w.muted {
		return
	}
	// What cannot be deleted is gone, or goes on being noted, which is right if
	// it comes in there.
	_ = p.steady.expected.Delete(w.key)
	w.muted = true
	p.steady.held[seen] = w
}

// Unwatch implements packetio.Consumer. The slot rests before it is another
// session's: a program may be about to note a frame in it.
func (p *Punts) Unwatch(seen *oam.Seen) {
	s := &p.steady
	w, ok := s.held[seen]
	if !ok {
		return
	}
	p.Mute(seen)
	delete(s.held, seen)
	s.slots.put(w.slot, time.Now())
}
