package punt

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Tables are those of bpf/punts.h, of one data plane.
type Tables struct{ Limits, ChannelSlots, Channels, Steady, Seen, Punts *ebpf.Map }

// Bucket is struct bucket: a token bucket.
type Bucket struct{ Time, Credit uint64 }

// channel is struct channel, on one CPU.
type channel struct {
	Bucket Bucket
	Count
}

// steadyKey is struct steady_key.
type steadyKey struct {
	Ifindex, Label   uint32
	Vlan             uint16
	HasLabel, Reason uint8
}

// expected is struct expected.
type expected struct {
	Seen   uint32
	Octets [7]uint32
}

// What an octet of struct slot_table has beside the slot.
const (
	steadyAnywhere = 0x40
	steadySection  = 0x80
	slotMask       = Channels - 1
)

// Set writes the rates. Buckets and counters stay, but those of slots that now
// stand for another channel type. Nothing is written if the rates are refused.
func (t Tables) Set(r Rates) error {
	limits, slots, err := r.Tables()
	if err != nil {
		return err
	}
	for i, l := range limits {
		if err := t.Limits.Update(uint32(i), l, ebpf.UpdateAny); err != nil {
			return fmt.Errorf("set punt rate: %w", err)
		}
	}
	before, err := t.slots()
	if err != nil {
		return err
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	for of, slot := range slots.Slot {
		if slot == 0 || before.Slot[of] == slot {
			continue
		}
		if err := t.Channels.Update(uint32(slot), make([]channel, cpus), ebpf.UpdateAny); err != nil {
			return fmt.Errorf("reset counters of channel type %#04x: %w", of, err)
		}
	}
	if err := t.ChannelSlots.Update(uint32(0), slots, ebpf.UpdateAny); err != nil {
		return fmt.Errorf("set channel types: %w", err)
	}
	return nil
}

// slots reads the slots that are in use.
func (t Tables) slots() (*SlotTable, error) {
	table := new(SlotTable)
	if err := t.ChannelSlots.Lookup(uint32(0), table); err != nil {
		return nil, fmt.Errorf("read channel types: %w", err)
	}
	for i := range table.Slot {
		table.Slot[i] &= slotMask
	}
	return table, nil
}

// Counters adds the counters of channel types, of all CPUs: see Count.Tell.
func (t Tables) Counters(out map[string]uint64) error {
	table, err := t.slots()
	if err != nil {
		return err
	}
	names := table.Names()
	var perCPU []channel
	for slot := range uint32(Channels) {
		if err := t.Channels.Lookup(slot, &perCPU); err != nil {
			return fmt.Errorf("read channel counters: %w", err)
		}
		var sum Count
		for _, c := range perCPU {
			sum.Received += c.Received
			sum.Consumed += c.Consumed
			sum.Punted += c.Punted
			sum.Limited += c.Limited
		}
		sum.Tell(names[slot], out)
	}
	return nil
}

// Open returns a reader. There is one at a time: a second one takes frames away
// from the first, and has steady sessions of the first forgotten. It outlives
// the maps of t.
func (t Tables) Open() (*Reader, error) {
	fd, err := unix.FcntlInt(uintptr(t.Punts.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open punt ring: %w", err)
	}
	ring, err := OpenRing(fd, int(t.Punts.MaxEntries()))
	if err != nil {
		return nil, err
	}
	r := &Reader{Ring: ring}
	if err := r.openSteady(t); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}
