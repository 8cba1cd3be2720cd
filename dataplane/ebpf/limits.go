package ebpf

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane/punt"
)

// maxSections is that of bpf/maps_oam.h.
const maxSections = 4096

// rates are those of the options.
func (o Options) rates() punt.Rates {
	return punt.Rates{GAL: o.GALRate, Exception: o.ExceptionRate, MEG: o.MEGRate, Channels: o.ChannelRates, Unknown: o.UnknownChannelRate}
}

// setLimits writes the rates of punts. Buckets and counters stay.
func (t *tandemMaps) setLimits(o Options) error {
	all, slots, err := o.rates().Tables()
	if err != nil {
		return err
	}
	table := tandemSlotTable{Slot: slots.Slot}
	for i, l := range all {
		if err := t.Limits.Update(uint32(i), l, ebpf.UpdateAny); err != nil {
			return fmt.Errorf("set punt rate: %w", err)
		}
	}
	var before tandemSlotTable
	if err := t.ChannelSlots.Lookup(uint32(0), &before); err != nil {
		return fmt.Errorf("read channel types: %w", err)
	}
	if err := t.resetChannels(&before, &table); err != nil {
		return err
	}
	if err := t.ChannelSlots.Update(uint32(0), table, ebpf.UpdateAny); err != nil {
		return fmt.Errorf("set channel types: %w", err)
	}
	return nil
}

// resetChannels starts the counters of slots anew that now stand for another
// channel type than before.
func (t *tandemMaps) resetChannels(before, after *tandemSlotTable) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	for channel, slot := range after.Slot {
		if slot == 0 || before.Slot[channel] == slot {
			continue
		}
		if err := t.Channels.Update(uint32(slot), make([]tandemChannel, cpus), ebpf.UpdateAny); err != nil {
			return fmt.Errorf("reset counters of channel type %#04x: %w", channel, err)
		}
	}
	return nil
}

// channelCounters adds the counters of channel types.
func (t *tandemMaps) channelCounters(out map[string]uint64) error {
	var table tandemSlotTable
	if err := t.ChannelSlots.Lookup(uint32(0), &table); err != nil {
		return fmt.Errorf("read channel types: %w", err)
	}
	names := (&punt.SlotTable{Slot: table.Slot}).Names()
	for slot := range uint32(punt.Channels) {
		var perCPU []tandemChannel
		if err := t.Channels.Lookup(slot, &perCPU); err != nil {
			return fmt.Errorf("read channel counters: %w", err)
		}
		var sum punt.Count
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
