// Package punt is what the eBPF programs that punt frames to OAM share on the
// side of user space: the rates of their token buckets, the slots and counters
// of G-ACh channel types, and the ring buffer, read in place.
package punt

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
)

// Rate is that of a token bucket for punts.
type Rate struct {
	PerSecond uint32 // At least 1.
	Burst     uint32 // Frames taken at once after a pause; at least 1.
}

// Limit is a rate as the programs have it, struct limit: Cost nanoseconds of
// credit buy one punt.
type Limit struct{ Cost, Burst uint64 }

// Limit converts a rate.
func (r Rate) Limit() Limit {
	cost := uint64(time.Second) / uint64(max(r.PerSecond, 1))
	return Limit{Cost: cost, Burst: cost * uint64(max(r.Burst, 1))}
}

// Rates are those of one data plane. The zero value of each is its default.
type Rates struct {
	// GAL limits G-ACh frames of one section, per CPU, Exception each of TTL
	// expiry, router alert and reserved labels. Zero: 200,000/s in bursts of
	// 8,192 and 1,000/s in bursts of 128.
	GAL, Exception Rate
	// MEG limits the punts of one MEG: a section, LSP or pseudowire. Zero:
	// 5,000/s in bursts of 512.
	MEG Rate
	// Channels limit the punts of G-ACh channel types, per CPU, over all MEGs.
	// Types that are not named have the rates of DefaultChannels, or Unknown.
	// At most 62 types that are not in those defaults.
	Channels map[ach.ChannelType]Rate
	// Unknown limits all other channel types together. Zero: 1,000/s in bursts
	// of 128.
	Unknown Rate
}

// WithDefaults puts the defaults in.
func (r Rates) WithDefaults() Rates {
	r.GAL = cmp.Or(r.GAL, Rate{PerSecond: 200_000, Burst: 8192})
	r.Exception = cmp.Or(r.Exception, Rate{PerSecond: 1000, Burst: 128})
	r.MEG = cmp.Or(r.MEG, Rate{PerSecond: 5000, Burst: 512})
	r.Unknown = cmp.Or(r.Unknown, Rate{PerSecond: 1000, Burst: 128})
	return r
}

// DefaultChannels are the rates of punts by channel type. CC has room for a
// thousand sessions at 3.33 ms before they are steady, the ones that carry
// protection and defects come before those that can wait.
func DefaultChannels() map[ach.ChannelType]Rate {
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

// The places of limits in the table of the programs: by reason, then that of
// every MEG, then by slot of a channel type; slot 0 is all types without one.
const (
	Reasons      = 5
	LimitMEG     = Reasons
	LimitChannel = LimitMEG + 1
	Channels     = 64
	Limits       = LimitChannel + Channels
)

// SlotTable tells the slot of each channel type.
type SlotTable struct{ Slot [1 << 16]uint8 }

// Tables returns the limits by their places, and the slots. Types have them in
// ascending order, those of the defaults first.
func (r Rates) Tables() ([Limits]Limit, *SlotTable, error) {
	r = r.WithDefaults()
	rates := DefaultChannels()
	known := slices.Sorted(maps.Keys(rates))
	maps.Copy(rates, r.Channels)
	more := slices.DeleteFunc(slices.Sorted(maps.Keys(r.Channels)), func(t ach.ChannelType) bool { return slices.Contains(known, t) })
	types := append(known, more...)
	all := [Limits]Limit{LimitMEG: r.MEG.Limit(), LimitChannel: r.Unknown.Limit()}
	if len(types) >= Channels {
		return all, nil, fmt.Errorf("rates for %d channel types: at most %d are possible", len(types), Channels-1)
	}
	for reason := range Reasons {
		all[reason] = r.Exception.Limit()
		if o := oam.Reason(reason); o == oam.ReasonGAL || o == oam.ReasonPWACH {
			all[reason] = r.GAL.Limit()
		}
	}
	table := new(SlotTable)
	for i, channel := range types {
		table.Slot[channel] = uint8(i + 1)
		all[LimitChannel+i+1] = rates[channel].Limit()
	}
	return all, table, nil
}

// Names returns what the counters of slots are called: "0x0022", and "other"
// for slot 0.
func (t *SlotTable) Names() [Channels]string {
	names := [Channels]string{0: "other"}
	for channel, slot := range t.Slot {
		if slot != 0 {
			names[slot] = fmt.Sprintf("0x%04x", channel)
		}
	}
	return names
}

// Count is what was counted of a channel type.
type Count struct{ Received, Consumed, Punted, Limited uint64 }

// Tell adds the counters of a channel type that has been seen:
// "channel-0x0022-received", "-consumed" (by sessions in a steady state),
// "-punted" and "-limited".
func (c Count) Tell(name string, out map[string]uint64) {
	if c.Received == 0 {
		return
	}
	prefix := "channel-" + name
	out[prefix+"-received"], out[prefix+"-consumed"] = c.Received, c.Consumed
	out[prefix+"-punted"], out[prefix+"-limited"] = c.Punted, c.Limited
}
