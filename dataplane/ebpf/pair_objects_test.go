package ebpf

import (
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
)

// pairSections: "in", "vlan20", "own" (a label space of its own) and "down" are
// on in0, "plain" and "short" on what leaves.
func pairSections() []dataplane.Object {
	return []dataplane.Object{
		dataplane.Section{Name: "in", Interface: "in0", PeerMAC: outPeer},
		dataplane.Section{Name: "vlan20", Interface: "in0", VLAN: 20, PeerMAC: outPeer},
		dataplane.Section{Name: "own", Interface: "in0", VLAN: 30, PeerMAC: outPeer, InterfaceLabelSpace: true},
		dataplane.Section{Name: "down", Interface: "in0", VLAN: 40, PeerMAC: outPeer, Down: true},
		dataplane.Section{Name: "plain", Interface: "out0", PeerMAC: outPeer},
		dataplane.Section{Name: "short", Interface: "out1", PeerMAC: outPeer},
	}
}

func entries(labels ...uint32) (out []dataplane.LabelEntry) {
	for _, l := range labels {
		out = append(out, dataplane.LabelEntry{Label: l})
	}
	return out
}

// entryTC is a label with a traffic class and a TTL of its own.
func entryTC(label uint32, tc uint8) dataplane.LabelEntry {
	return dataplane.LabelEntry{Label: label, TC: tc, HasTC: true, TTL: 9}
}

func via(section string, es ...dataplane.LabelEntry) dataplane.NextHop {
	return dataplane.NextHop{Section: section, Stack: es}
}

func through(group string, es ...dataplane.LabelEntry) dataplane.NextHop {
	return dataplane.NextHop{Group: group, Stack: es}
}

func prefixes(ps ...string) (out []netip.Prefix) {
	for _, p := range ps {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

const (
	swap      = dataplane.SwapAndForward
	pop       = dataplane.PopAndForward
	popImpose = dataplane.PopImposeAndForward
	lookup    = dataplane.PopAndLookup
	imposes   = dataplane.ImposeAndForward
)

// basicObjects has every operation in every variety; labels from 16 on.
func basicObjects() []dataplane.Object {
	four := []dataplane.LabelEntry{{Label: 501}, {Label: 502}, entryTC(503, 3), {Label: 504}}
	return append(pairSections(),
		dataplane.LSP{Name: "swap", Op: swap, InLabel: 16, Out: via("plain", entries(1<<20-1)...)},
		dataplane.LSP{Name: "swap-push", Op: swap, InLabel: 17, Out: via("vlan20", entries(300, 200)...)},
		dataplane.LSP{Name: "swap-tc", Op: swap, InLabel: 18, Out: via("plain", entryTC(300, 5), entryTC(200, 1))},
		dataplane.LSP{Name: "swap-4", Op: swap, InLabel: 19, Out: via("vlan20", four...)},
		dataplane.LSP{Name: "pop", Op: pop, InLabel: 20, Out: via("plain")},
		dataplane.LSP{Name: "pop-short-pipe", Op: pop, InLabel: 21, TTLMode: dataplane.ShortPipe, Out: via("vlan20")},
		dataplane.LSP{Name: "pop-impose", Op: popImpose, InLabel: 22, Out: via("plain", entries(400)...)},
		dataplane.LSP{Name: "pop-impose-4", Op: popImpose, InLabel: 23, Out: via("plain", four...)},
		dataplane.LSP{Name: "lookup", Op: lookup, InLabel: 24},
		dataplane.LSP{Name: "lookup-down", Op: lookup, InLabel: 25, Down: true},
		dataplane.LSP{Name: "swap-down", Op: swap, InLabel: 26, Down: true, Out: via("plain", entries(200)...)},
		dataplane.LSP{Name: "swap-to-down", Op: swap, InLabel: 27, Out: via("down", entries(200)...)},
		dataplane.LSP{Name: "swap-to-short", Op: swap, InLabel: 28, Out: via("short", entries(200)...)},
		dataplane.LSP{Name: "own-swap", Op: swap, InLabel: 16, InSection: "own", Out: via("plain", entries(999)...)},
		dataplane.LSP{Name: "own-lookup", Op: lookup, InLabel: 30, InSection: "own"},
		dataplane.LSP{Name: "swap-last", Op: swap, InLabel: 1<<20 - 1, Out: via("in", entries(16)...)},
		dataplane.LSP{Name: "client", Op: imposes, Prefixes: prefixes("10.0.0.0/8", "2001:db8::/32"), Out: via("plain", entries(600)...)},
		dataplane.LSP{Name: "client-longer", Op: imposes, Prefixes: prefixes("10.1.0.0/16", "2001:db8:1::/48"), Out: via("vlan20", dataplane.LabelEntry{Label: 601}, entryTC(602, 6))},
		dataplane.LSP{Name: "client-host", Op: imposes, Prefixes: prefixes("10.1.2.3/32"), Out: via("vlan20", four...)},
		dataplane.LSP{Name: "client-down", Op: imposes, Prefixes: prefixes("10.9.0.0/16"), Down: true, Out: via("plain", entries(600)...)},
		dataplane.LSP{Name: "client-short", Op: imposes, Prefixes: prefixes("10.8.0.0/16"), Out: via("short", entries(600)...)},
	)
}
