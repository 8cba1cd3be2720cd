package punt_test

import (
	"bytes"
	"testing"
	"unsafe"

	"github.com/tandem-ne/tandem/dataplane/packetio"
	"github.com/tandem-ne/tandem/dataplane/punt"
	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
)

func TestLimit(t *testing.T) {
	for _, c := range []struct {
		rate punt.Rate
		want punt.Limit
	}{
		{punt.Rate{PerSecond: 1000, Burst: 128}, punt.Limit{Cost: 1e6, Burst: 128e6}},
		{punt.Rate{PerSecond: 1e9, Burst: 1}, punt.Limit{Cost: 1, Burst: 1}},
		{punt.Rate{}, punt.Limit{Cost: 1e9, Burst: 1e9}}, // No rate lets nothing through for ever.
		{punt.Rate{PerSecond: 1 << 31, Burst: 5}, punt.Limit{}},
	} {
		if got := c.rate.Limit(); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.rate, got, c.want)
		}
	}
}

func TestTables(t *testing.T) {
	rate := punt.Rate{PerSecond: 10, Burst: 10}
	limits, slots, err := punt.Rates{Channels: map[ach.ChannelType]punt.Rate{0x7ff9: rate, ach.CC: rate, 0x7ff8: rate}}.Tables()
	if err != nil {
		t.Fatal(err)
	}
	names := slots.Names()
	seen := map[uint8]ach.ChannelType{}
	for channel, slot := range slots.Slot {
		if slot == 0 {
			continue
		}
		if other, twice := seen[slot]; twice {
			t.Errorf("slot %d is that of %#x and %#x", slot, other, channel)
		}
		seen[slot] = ach.ChannelType(channel)
	}
	if len(seen) != len(punt.DefaultChannels())+2 || names[slots.Slot[ach.CC]] != "0x0022" || names[0] != "other" {
		t.Errorf("%d slots, names %q", len(seen), names)
	}
	// Types of the options come behind the defaults, so that these keep their slots.
	if a, b := slots.Slot[0x7ff8], slots.Slot[0x7ff9]; b != a+1 || int(b) != len(seen) {
		t.Errorf("slots %d and %d of %d", a, b, len(seen))
	}
	for channel, want := range map[ach.ChannelType]punt.Rate{ach.CC: rate, 0x7ff9: rate, ach.DM: punt.DefaultChannels()[ach.DM]} {
		if got := limits[punt.LimitChannel+int(slots.Slot[channel])]; got != want.Limit() {
			t.Errorf("rate of %#x: %+v", channel, got)
		}
	}
	defaults := punt.Rates{}.WithDefaults()
	for reason, want := range map[oam.Reason]punt.Rate{
		oam.ReasonGAL: defaults.GAL, oam.ReasonPWACH: defaults.GAL, oam.ReasonTTLExpired: defaults.Exception, oam.ReasonRouterAlert: defaults.Exception,
	} {
		if limits[reason] != want.Limit() {
			t.Errorf("rate of %v: %+v", reason, limits[reason])
		}
	}
	if limits[punt.LimitMEG] != defaults.MEG.Limit() || limits[punt.LimitChannel] != defaults.Unknown.Limit() {
		t.Errorf("rates of MEGs and of unknown types: %+v", limits[punt.LimitMEG:punt.LimitChannel+1])
	}
	many := map[ach.ChannelType]punt.Rate{}
	for i := range ach.ChannelType(punt.Channels) {
		many[0x7000+i] = rate
	}
	if _, _, err := (punt.Rates{Channels: many}).Tables(); err == nil {
		t.Error("more channel types than slots are taken")
	}
}

func TestTell(t *testing.T) {
	out := map[string]uint64{}
	punt.Count{}.Tell("0x0001", out)
	punt.Count{Received: 4, Consumed: 1, Punted: 2, Limited: 1}.Tell("other", out)
	if len(out) != 4 || out["channel-other-received"] != 4 || out["channel-other-consumed"] != 1 || out["channel-other-punted"] != 2 || out["channel-other-limited"] != 1 {
		t.Errorf("%v", out)
	}
}

// FuzzParse: a record, however damaged, gives a frame that lies in it, or none.
func FuzzParse(f *testing.F) {
	head := make([]byte, unsafe.Sizeof(punt.Head{}))
	f.Add(append(bytes.Clone(head), 1, 2, 3))
	f.Add([]byte{1})
	h := punt.Head{Time: 7, Ifindex: 3, Length: 22, Captured: 22, Stack: 14, HasLabel: 1, Label: 100}
	whole := unsafe.Slice((*byte)(unsafe.Pointer(&h)), unsafe.Sizeof(h))
	f.Add(append(bytes.Clone(whole), make([]byte, 22)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Records in the ring are aligned to 8.
		words := make([]uint64, len(b)/8+1)
		record := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(b))
		copy(record, b)
		var got packetio.Frame
		if !punt.Parse(record, &got) {
			return
		}
		h := (*punt.Head)(unsafe.Pointer(&words[0]))
		if len(got.Stack) != int(h.Captured)-int(h.Stack) || got.Truncated != (uint32(h.Captured) < h.Length) || got.Time != int64(h.Time) {
			t.Fatalf("record %x gives %+v", record, got)
		}
	})
}
