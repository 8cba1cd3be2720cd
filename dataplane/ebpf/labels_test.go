package ebpf

import (
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
)

// TestLeadOf tells which LSPs their label tells as a whole, and how.
func TestLeadOf(t *testing.T) {
	const (
		swap      = uint8(dataplane.SwapAndForward)
		pop       = uint8(dataplane.PopAndForward)
		slot      = 0x1234
		counter   = 0xabcdef
		reference = lead(counter<<32 | slot)
		plain     = lead(1<<63 | counter<<32)
	)
	swapTo := func(labels ...uint32) tandemLsp {
		e := tandemLsp{Op: swap, Out: 4095, N: uint8(len(labels)), InLabel: 16}
		for i, l := range labels {
			e.Lse[i] = l << 12
		}
		return e
	}
	with := func(e tandemLsp, change func(*tandemLsp)) tandemLsp {
		change(&e)
		return e
	}
	for _, c := range []struct {
		name  string
		entry tandemLsp
		want  lead
	}{
		{"swap", swapTo(0xfffff), plain | 0xffffffff},
		{"swap to an explicit null", swapTo(0), plain | 0xfff},
		{"swap with a traffic class", with(swapTo(100), func(e *tandemLsp) { e.Lse[0] |= 5 << 9; e.TcSet = 1 }), plain | 100<<12 | 0xfff | 5<<56 | 1<<59},
		{"swap with the traffic class 0", with(swapTo(100), func(e *tandemLsp) { e.TcSet = 1 }), plain | 100<<12 | 0xfff | 1<<59},
		{"pop", with(swapTo(), func(e *tandemLsp) { e.Op = pop }), plain | 0xfff | 1<<60},
		{"short pipe, class and entropy choose no way", with(swapTo(100), func(e *tandemLsp) {
			e.Flags = flagShortPipe | flagClass | flagEntropy
		}), plain | 100<<12 | 0xfff},
		{"selector of what does not end here", with(swapTo(100), func(e *tandemLsp) { e.Selector = 7 }), plain | 100<<12 | 0xfff},
		{"two labels", swapTo(100, 101), reference},
		{"swap for nothing", swapTo(), reference},
		{"pop and impose", with(swapTo(100), func(e *tandemLsp) { e.Op = uint8(dataplane.PopImposeAndForward) }), reference},
		{"pop and lookup", with(swapTo(), func(e *tandemLsp) { e.Op = uint8(dataplane.PopAndLookup) }), reference},
		{"impose", with(swapTo(100), func(e *tandemLsp) { e.Op = uint8(dataplane.ImposeAndForward) }), reference},
		{"into a group", with(swapTo(100), func(e *tandemLsp) { e.Out = refGroup | 3 }), reference},
		{"to nowhere", with(swapTo(100), func(e *tandemLsp) { e.Out = 0 }), reference},
		{"copies", with(swapTo(100), func(e *tandemLsp) { e.Copies = 1 }), reference},
		{"down", with(swapTo(100), func(e *tandemLsp) { e.Flags = flagLSPDown }), reference},
		{"blocked", with(swapTo(100), func(e *tandemLsp) { e.Flags = flagBlocked }), reference},
		{"looped", with(swapTo(100), func(e *tandemLsp) { e.Flags = flagLoop }), reference},
		{"branch", with(swapTo(100), func(e *tandemLsp) { e.Flags = flagBranch }), reference},
		{"bud", with(swapTo(100), func(e *tandemLsp) { e.Flags = flagBud }), reference},
		{"label space of an interface", with(swapTo(100), func(e *tandemLsp) { e.InSection = 1 }), reference},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.entry.Counter = counter
			got := leadOf(&c.entry, slot)
			if got != c.want {
				t.Fatalf("%#x, want %#x", uint64(got), uint64(c.want))
			}
			k := labelKey{0, 16}
			im := image{labels: map[labelKey]lead{k: got}, plain: map[uint32]uint32{counter: slot}}
			if ref := im.ref(k); ref != slot {
				t.Errorf("refers to %#x, want %#x", ref, slot)
			}
		})
	}
}
