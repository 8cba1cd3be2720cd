package mplsnl

import (
	"bytes"
	"errors"
	"hash/maphash"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// lsr is what an LSP in the middle of the way becomes.
func lsr() Filter {
	f := Filter{
		Block: 0x54500001, Chain: 16, Pref: 0x20, Protocol: EtherMPLS, Handle: 0xc81,
		Match: Match{Kind: Flower},
		Actions: []Action{
			{Kind: GAct, Verdict: Pipe, Index: 0x40200064, Cookie: [16]byte{'t', 'a', 'n'}},
			{Kind: MPLS, Verdict: Pipe, MPLS: MPLSAction{Op: MPLSDecTTL}},
			{Kind: MPLS, Verdict: Pipe, MPLS: MPLSAction{Op: MPLSModify, HasLabel: true, Label: 200}},
			{Kind: Mirred, Verdict: Stolen, Mirred: MirredAction{Op: RedirectEgress, Interface: 7}},
		},
	}
	f.Match.LSE[0] = LSE{HasLabel: true, Label: 100}
	return f
}

// filters are one of each kind and option.
func filters() []Filter {
	vlan := Filter{
		Block: 1, Pref: 1, Protocol: EtherVLAN, Handle: 9,
		Match: Match{
			Kind: Flower, Interface: "eth0", HasDst: true, DstMAC: [6]byte{1, 0, 0x5e, 0x90}, EtherType: EtherMPLS,
			VLAN: Tag{Has: true, ID: 10, HasPrio: true, Prio: 5},
		},
		Actions: []Action{
			{Kind: VLAN, Verdict: Pipe, VLAN: VLANAction{Op: VLANPop}},
			{Kind: SKBEdit, Verdict: Pipe, SKB: SKBAction{HasType: true, HasPriority: true, Priority: 6}},
			{Kind: GAct, Verdict: GotoChain(16)},
		},
	}
	qinq := vlan
	qinq.Match = Match{Kind: Flower, VLAN: Tag{Has: true, ID: 10}, Inner: Tag{Has: true, ID: 20, HasPrio: true, Prio: 1}, EtherType: EtherIPv4}
	ip := Filter{Block: 1, Chain: 5, Pref: 2, Protocol: EtherIPv4, Handle: 1, Match: Match{Kind: Flower, TOS: 0xa0, TOSMask: 0xe0}}
	tagged := Filter{Block: 1, Chain: 1 << 24, Pref: 4, Protocol: EtherAll, Handle: 1, Match: Match{Kind: Flower, HasTags: true, Tags: 2}}
	untagged := tagged
	untagged.Match.Tags = 0
	known := tagged
	known.Match = Match{Kind: Flower, HasKey: true, Key: 1<<20 + 5, VLAN: Tag{Has: true, ID: 3}}
	known.Protocol = EtherVLAN
	deep := lsr()
	deep.Match.LSE[0] = LSE{HasLabel: true, Label: 1<<20 - 1, HasTC: true, TC: 7, HasBOS: true, HasTTL: true, TTL: 255}
	deep.Match.LSE[6] = LSE{HasLabel: true, Label: 13, HasBOS: true, BOS: true}
	word := Filter{
		Block: 1, Chain: 2, Pref: 0x1000, Protocol: EtherMPLS,
		Match: Match{Kind: U32, NWords: 2}, Actions: []Action{{Kind: GAct, Verdict: Drop, NoPerCPU: true}},
	}
	word.Match.Words[0] = Word{Value: 0x40000000, Mask: 0xf0000000, Offset: 4}
	word.Match.Words[1] = Word{Value: 0x00000100, Mask: 0x00000100, Offset: -14}
	all := Filter{Block: 2, Pref: 3, Protocol: EtherAll, Handle: 1, Match: Match{Kind: MatchAll}}
	edit := PeditAction{N: 3}
	for i := range 3 {
		edit.Keys[i] = PeditKey{Ethernet: i < 2, Value: 0x01020304, Mask: uint32(i), Offset: uint32(4 * i)}
	}
	all.Actions = []Action{
		{Kind: MPLS, Verdict: Pipe, MPLS: MPLSAction{Op: MPLSMACPush, HasLabel: true, Label: 500, TTL: 255, HasTC: true, TC: 3, HasBOS: true, BOS: true}},
		{Kind: MPLS, Verdict: Pipe, MPLS: MPLSAction{Op: MPLSPush, HasLabel: true, Label: 501, TTL: 1}},
		{Kind: MPLS, Verdict: Pipe, MPLS: MPLSAction{Op: MPLSPop, Protocol: EtherTEB}},
		{Kind: VLAN, Verdict: Pipe, VLAN: VLANAction{Op: VLANPush, ID: 4094, Protocol: EtherSVLAN, HasPrio: true, Prio: 7}},
		{Kind: VLAN, Verdict: Pipe, VLAN: VLANAction{Op: VLANModify, ID: 5, Protocol: EtherVLAN}},
		{Kind: VLAN, Verdict: Pipe, VLAN: VLANAction{Op: VLANPopEth}},
		{Kind: VLAN, Verdict: Pipe, VLAN: VLANAction{Op: VLANPushEth, Dst: [6]byte{2}, Src: [6]byte{4, 5}}},
		{Kind: Pedit, Verdict: Pipe, Pedit: edit},
		{Kind: Police, Verdict: Drop, Police: PoliceAction{Rate: 125000, Burst: PoliceBurst(9000, 125000), MTU: 1500, Conform: Pipe, Overhead: 14}},
		{Kind: Police, Verdict: Drop, Police: PoliceAction{Rate: 1 << 33, Burst: 7, MTU: NoMTU, Conform: Pass}},
		{Kind: Mirred, Verdict: Pipe, Mirred: MirredAction{Op: MirrorIngress, Interface: 3}},
		{Kind: TunnelKey, Verdict: Pipe, Tunnel: TunnelKeyAction{ID: 0x01020304}},
		{Kind: TunnelKey, Verdict: Pipe, Index: 9, Tunnel: TunnelKeyAction{Release: true}},
	}
	return []Filter{lsr(), vlan, qinq, ip, tagged, untagged, known, deep, word, all}
}

// TestFilterRoundTrip: what is written is read as it was, and written the same
// again.
func TestFilterRoundTrip(t *testing.T) {
	for i, f := range filters() {
		b, err := f.Append(nil)
		if err != nil {
			t.Fatalf("filter %d: %v", i, err)
		}
		got, stats, err := ParseFilter(b)
		if err != nil {
			t.Fatalf("filter %d: %v", i, err)
		}
		if !reflect.DeepEqual(got, f) || !got.Equal(&f) {
			t.Errorf("filter %d:\n got %+v\nwant %+v", i, got, f)
		}
		if len(stats) != len(f.Actions) {
			t.Errorf("filter %d: %d statistics for %d actions", i, len(stats), len(f.Actions))
		}
		again, err := got.Append(nil)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("filter %d is written differently: %v", i, err)
		}
	}
}

// TestFilterHex spells one message out, octet by octet (little-endian hosts).
func TestFilterHex(t *testing.T) {
	f := lsr()
	f.Actions = f.Actions[:2]
	want := unhex(t, `
		00000000 ffffffff                # family, interface: a shared block
		810c0000 01005054                # handle 0xc81, block
		88472000                         # protocol in network order, preference
		0b00 0100 666c6f77657200 00      # TCA_KIND flower
		0800 0b00 10000000               # TCA_CHAIN 16
		9800 0200                        # TCA_OPTIONS
		  7400 0300                      # TCA_FLOWER_ACT
		    4000 0100                    # 1st action
		      0900 0100 6761637400 000000  # kind gact
		      1400 0600 74616e00000000000000000000000000  # cookie
		      1c00 0280                  # options, nested
		        1800 0200 64002040 00000000 03000000 00000000 00000000  # index, capabilities, pipe
		    3000 0200                    # 2nd action
		      0900 0100 6d706c7300 000000  # kind mpls
		      2000 0280                  # options, nested
		        1c00 0200 00000000 00000000 03000000 00000000 00000000 04000000  # dec_ttl
		  0600 0800 8847 0000            # TCA_FLOWER_KEY_ETH_TYPE
		  1800 6380                      # TCA_FLOWER_KEY_MPLS_OPTS, nested
		    1400 0180                    # one entry, nested
		      0500 0100 01 000000        # depth 1
		      0800 0500 64000000         # label 100
	`)
	got, err := f.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("\n got %x\nwant %x", got, want)
	}
}

// TestFilterRefused: what cannot be written is an error, and not sent.
func TestFilterRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Filter)
		want   string
	}{
		{"chain", func(f *Filter) { f.Chain = 1 << 28 }, "out of range"},
		{"preference", func(f *Filter) { f.Pref = 0 }, "out of range"},
		{"label", func(f *Filter) { f.Match.LSE[0].Label = 1 << 20 }, "out of range"},
		{"traffic class", func(f *Filter) { f.Match.LSE[1] = LSE{HasTC: true, TC: 8} }, "out of range"},
		{"classifier", func(f *Filter) { f.Match.Kind = 9 }, "unknown"},
		{"action", func(f *Filter) { f.Actions[0].Kind = 0 }, "unknown"},
		{"actions", func(f *Filter) { f.Actions = make([]Action, MaxActions+1) }, "at most 32"},
		{"no word", func(f *Filter) { f.Match.Kind = U32 }, "0 words"},
	} {
		f := lsr()
		c.change(&f)
		if _, err := f.Append(nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestParseFilterForeign: filters of others have a name and are not taken for
// ours.
func TestParseFilterForeign(t *testing.T) {
	f := lsr()
	b, err := f.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	kind := bytes.Replace(b, []byte("flower\x00"), []byte("cgroup\x00"), 1)
	if got, _, err := ParseFilter(kind); !errors.Is(err, ErrForeign) || got.Handle != f.Handle || got.Pref != f.Pref {
		t.Errorf("another classifier: %+v, %v", got, err)
	}
	own := bytes.Clone(b)
	copy(own[4:], []byte{7, 0, 0, 0})
	if _, _, err := ParseFilter(own); !errors.Is(err, ErrForeign) {
		t.Errorf("a filter of one interface: %v", err)
	}
	for n := range b {
		if _, _, err := ParseFilter(b[:n]); err == nil && n > tcmsgLen+20 && n != len(b) && !wellFormed(b[tcmsgLen:n]) {
			t.Errorf("cut to %d octets: no error", n)
		}
	}
}

// TestEqual: an index counts where both have one, memory for counters never.
func TestEqual(t *testing.T) {
	a, b := lsr(), lsr()
	b.Actions[1].Index, b.Actions[1].NoPerCPU = 77, true
	if !a.Equal(&b) {
		t.Error("an index of the kernel's makes a difference")
	}
	b.Actions[0].Index++
	if a.Equal(&b) {
		t.Error("another index makes no difference")
	}
	c := lsr()
	c.Actions[2].MPLS.Label++
	if a.Equal(&c) || a.Equal(&Filter{}) {
		t.Error("another label makes no difference")
	}
}

// TestSum: two filters have the same sum when nothing that the kernel is told
// differs.
func TestSum(t *testing.T) {
	seed := maphash.MakeSeed()
	seen := map[uint64]int{}
	for i, f := range filters() {
		sum := f.Sum(seed)
		if was, again := seen[sum]; again || sum == 0 {
			t.Errorf("filters %d and %d have the sum %#x", i, was, sum)
		}
		seen[sum] = i
		if f.Sum(seed) != sum {
			t.Errorf("filter %d has another sum each time", i)
		}
		for j := range f.Actions {
			other := f
			other.Actions = slices.Clone(f.Actions)
			other.Actions[j].Index++
			if other.Sum(seed) == sum {
				t.Errorf("filter %d: index of action %d makes no difference", i, j)
			}
		}
		other := f
		other.Chain++
		if other.Sum(seed) == sum {
			t.Errorf("filter %d: the chain makes no difference", i)
		}
	}
}

func TestQdisc(t *testing.T) {
	want := Qdisc{Interface: 5, IngressBlock: 7, EgressBlock: 8}
	b, err := want.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, ok, err := ParseQdisc(b)
	if err != nil || !ok || got != want {
		t.Errorf("got %+v, %v, %v", got, ok, err)
	}
	b[12] = 0
	if _, ok, err := ParseQdisc(b); ok || err != nil {
		t.Errorf("a queueing discipline of the egress: %v, %v", ok, err)
	}
	if _, _, err := ParseQdisc(b[:10]); err == nil {
		t.Error("half a message is no error")
	}
}

// TestSilence runs the socket filter on messages.
func TestSilence(t *testing.T) {
	vm, err := bpf.NewVM(silence(0x01020304))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		typ   uint16
		port  uint32
		taken bool
	}{
		{unix.RTM_NEWROUTE, 0x01020304, false},
		{unix.RTM_DELROUTE, 0x01020304, false},
		{unix.RTM_NEWTFILTER, 0x01020304, false},
		{unix.RTM_DELTFILTER, 0x01020304, false},
		{unix.RTM_NEWLINK, 0x01020304, true},
		{unix.RTM_DELQDISC, 0x01020304, true},
		{unix.RTM_NEWROUTE, 0x01020305, true},
		{unix.RTM_DELTFILTER, 0, true},
	} {
		b := make([]byte, 64)
		b[4], b[5] = byte(c.typ), byte(c.typ>>8)
		b[12], b[13], b[14], b[15] = byte(c.port), byte(c.port>>8), byte(c.port>>16), byte(c.port>>24)
		if n, err := vm.Run(b); err != nil || n > 0 != c.taken {
			t.Errorf("type %d port %#x: %d, %v", c.typ, c.port, n, err)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, x := range filters() {
		b, err := x.Append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, _, err := ParseFilter(b)
		if err != nil {
			return
		}
		first, err := x.Append(nil)
		if err != nil {
			return // In range for the kernel, not for us.
		}
		y, _, err := ParseFilter(first)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		second, err := y.Append(nil)
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("written twice, differently: %v\n%x\n%x", err, first, second)
		}
	})
}
