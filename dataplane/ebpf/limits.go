package ebpf

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
)

// Of bpf/maps_oam.h.
const (
	maxSections  = 4096
	puntReasons  = 5
	limitMEG     = puntReasons
	limitChannel = limitMEG + 1
	channels     = 64
)

// DefaultChannelRates are the rates of punts by channel type. CC has room for a
// thousand sessions at 3.33 ms before they are steady, the ones that carry
// protection and defects come before those that can wait.
func DefaultChannelRates() map[ach.ChannelType]Rate {
	urgent, usual := Rate{PerSecond: 20_000, Burst: 2048}, Rate{PerSecond: 10_000, Burst: 1024}
	rates := map[ach.ChannelType]Rate{
		ach.CC: {PerSecond: 500_000, Burst: 16_384},
		ach.CV: urgent, ach.PSC: urgent, ach.FaultOAM: urgent, ach.LI: urgent, ach.RPS: urgent, ach.DualHome: urgent,
	}
	for _, t := range []ach.ChannelType{
		ach.MCC, ach.SCC, ach.BFD, ach.SBFD, ach.DLM, ach.ILM, ach.DM, ach.DLMDM, ach.ILMDM, ach.RTM, ach.IPv4,
		ach.OnDemand, ach.PWOAM, ach.MACWithdraw, ach.IPv6, ach.GAP, ach.Y1731,
	} {
		rates[t] = usual
	}
	return rates
}

// channelRates are the rates in force; the order of the types is that of their
// slots, which start at 1.
func (o Options) channelRates() ([]ach.ChannelType, map[ach.ChannelType]Rate) {
	rates := DefaultChannelRates()
	known := slices.Sorted(maps.Keys(rates))
	maps.Copy(rates, o.ChannelRates)
	more := slices.DeleteFunc(slices.Sorted(maps.Keys(o.ChannelRates)), func(t ach.ChannelType) bool { return slices.Contains(known, t) })
	return append(known, more...), rates
}

// setLimits writes the rates of punts. Buckets and counters stay.
func (t *tandemMaps) setLimits(o Options) error {
	types, rates := o.channelRates()
	if len(types) >= channels {
		return fmt.Errorf("rates for %d channel types: at most %d are possible", len(types), channels-1)
	}
	all := [limitChannel + channels]tandemLimit{limitMEG: o.MEGRate.limit(), limitChannel: o.UnknownChannelRate.limit()}
	for reason := range puntReasons {
		all[reason] = o.ExceptionRate.limit()
		if r := oam.Reason(reason); r == oam.ReasonGAL || r == oam.ReasonPWACH {
			all[reason] = o.GALRate.limit()
		}
	}
	var table tandemSlotTable
	for i, channel := range types {
		table.Slot[channel] = uint8(i + 1)
		all[limitChannel+i+1] = rates[channel].limit()
	}
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

// channelCounters adds the counters of the channel types that have been seen:
// "channel-0x0022-received", "-consumed" (by sessions in a steady state),
// "-punted" and "-limited"; "channel-other-…" are all types without a rate.
func (t *tandemMaps) channelCounters(out map[string]uint64) error {
	var table tandemSlotTable
	if err := t.ChannelSlots.Lookup(uint32(0), &table); err != nil {
		return fmt.Errorf("read channel types: %w", err)
	}
	names := make(map[uint32]string, channels)
	for channel, slot := range table.Slot {
		if slot != 0 {
			names[uint32(slot)] = fmt.Sprintf("0x%04x", channel)
		}
	}
	for slot := range uint32(channels) {
		var perCPU []tandemChannel
		if err := t.Channels.Lookup(slot, &perCPU); err != nil {
			return fmt.Errorf("read channel counters: %w", err)
		}
		var sum tandemChannel
		for _, c := range perCPU {
			sum.Received += c.Received
			sum.Consumed += c.Consumed
			sum.Punted += c.Punted
			sum.Limited += c.Limited
		}
		if sum.Received == 0 {
			continue
		}
		prefix := "channel-" + cmp.Or(names[slot], "other")
		out[prefix+"-received"], out[prefix+"-consumed"] = sum.Received, sum.Consumed
		out[prefix+"-punted"], out[prefix+"-limited"] = sum.Punted, sum.Limited
	}
	return nil
}
