package ebpf

import (
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/plan"
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
		dataplane.Section{Name: "queued", Interface: "q0", PeerMAC: outPeer, Queues: dataplane.Queues{Enabled: true}},
		dataplane.Section{Name: "shut", Interface: "in0", VLAN: 50, PeerMAC: outPeer, Condition: dataplane.Condition{Blocked: true}},
	}
}

func blocked(l dataplane.LSP) dataplane.LSP { l.Blocked = true; return l }

func looped(l dataplane.LSP, into string) dataplane.LSP { l.Loop = into; return l }

func lLSP(l dataplane.LSP, class uint8) dataplane.LSP { l.Class = &class; return l }

func shortPipe(l dataplane.LSP) dataplane.LSP { l.TTLMode = dataplane.ShortPipe; return l }

// copyObjects are what a packet is copied by and what stops or turns it: trees,
// buds and permanent bridges in each other, L-LSPs among them, sections with
// queues and blocked ones, LSPs and pseudowires that are blocked or looped.
func copyObjects() []dataplane.Object {
	branch := func(name string, h dataplane.NextHop) dataplane.Branch {
		return dataplane.Branch{Name: name, NextHop: h}
	}
	tree := func(name string, in uint32, op dataplane.Operation, branches ...dataplane.Branch) dataplane.LSP {
		return dataplane.LSP{Name: name, Op: op, InLabel: in, Branches: branches}
	}
	leg := func(name string, h dataplane.NextHop) dataplane.LSP {
		return dataplane.LSP{Name: name, Op: imposes, Out: h}
	}
	lsp := func(name string, op dataplane.Operation, in uint32, h dataplane.NextHop) dataplane.LSP {
		return dataplane.LSP{Name: name, Op: op, InLabel: in, Out: h}
	}
	bud := func(l dataplane.LSP) dataplane.LSP { l.Bud = true; return l }
	down := func(l dataplane.LSP) dataplane.LSP { l.Down = true; return l }
	pw := func(name string, in uint32, h dataplane.NextHop, change ...func(*dataplane.Pseudowire)) dataplane.Pseudowire {
		p := dataplane.Pseudowire{Name: name, InLabel: in, Out: h, ControlWord: true}
		for _, f := range change {
			f(&p)
		}
		return p
	}
	circuit := func(name string, vlan uint16, send string, receive ...string) dataplane.Service {
		return dataplane.Service{Name: name, Send: send, Receive: receive,
			Classes:    &dataplane.ClassMap{Green: [8]uint8{0, 1, 2, 3, 4, 5, 6, 7}},
			Attachment: dataplane.Attachment{Interface: "ac0", OuterVLAN: vlan}}
	}
	pair := circuit("pair", 102, "pair", "pw-b", "pw-c")
	pair.SendGroup = true
	root := tree("root", 0, imposes, branch("a", via("plain", entries(600)...)), branch("b", through("tunnel", entries(601)...)))
	root.Prefixes = prefixes("10.1.0.0/16")
	client := leg("client", through("bridge", entries(602)...))
	client.Prefixes = prefixes("10.2.0.0/16")
	return append(pairSections(),
		leg("working", via("plain", entries(700)...)), leg("protecting", via("queued", entryTC(701, 3))),
		dataplane.Group{Name: "tunnel", Legs: []string{"working", "protecting"}, Active: 1},
		lLSP(leg("left", via("queued", entries(702)...)), 6), leg("right", through("tunnel", entries(703)...)),
		dataplane.Group{Name: "bridge", Legs: []string{"left", "right"}, Permanent: true, Prefixes: prefixes("10.5.0.0/16")},
		blocked(leg("left-shut", via("plain", entries(704)...))), leg("right-short", via("short", entries(705)...)),
		dataplane.Group{Name: "poor", Legs: []string{"left-shut", "right-short"}, Permanent: true, Prefixes: prefixes("10.6.0.0/16")},
		tree("tree-leg", 0, imposes, branch("a", via("queued", entryTC(706, 1))), branch("b", via("shut", entries(707)...)), branch("c", through("bridge", entries(708)...))),
		dataplane.Group{Name: "forest", Legs: []string{"tree-leg"}},
		leg("into-forest", through("forest", entries(709)...)),
		dataplane.Group{Name: "nested", Legs: []string{"into-forest"}},
		lLSP(leg("class-leg", via("queued", entries(710)...)), 2), leg("plain-leg", through("classed", entryTC(711, 7))),
		dataplane.Group{Name: "classed", Legs: []string{"class-leg"}}, dataplane.Group{Name: "above", Legs: []string{"plain-leg"}},
		root, client,
		tree("tree", 16, swap, branch("a", via("plain", entries(500)...)), branch("b", via("queued", entries(501, 502)...)), branch("c", through("tunnel", entries(503)...)), branch("d", via("down", entries(504)...))),
		bud(tree("bud", 17, swap, branch("a", via("queued", entryTC(505, 4))), branch("b", through("bridge", entries(506)...)))),
		lLSP(tree("class-tree", 18, popImpose, branch("a", via("queued", entries(507)...)), branch("b", through("nested", entries(508)...))), 5),
		tree("pop-tree", 19, pop, branch("a", via("queued")), branch("b", through("bridge"))),
		shortPipe(tree("short-tree", 20, pop, branch("a", via("queued")), branch("b", through("above")))),
		bud(blocked(tree("blocked-tree", 21, swap, branch("a", via("plain", entries(509)...))))),
		lsp("into-bridge", swap, 22, through("bridge", entries(510)...)),
		lsp("into-poor", swap, 23, through("poor", entries(511)...)),
		lsp("lookup", lookup, 24, dataplane.NextHop{}),
		lLSP(lsp("class-into-nested", swap, 25, through("nested", entries(512)...)), 1),
		lsp("pop-bridge", pop, 26, through("bridge")), shortPipe(lsp("short-bridge", pop, 27, through("bridge"))),
		lsp("pop-queued", pop, 28, via("queued")), shortPipe(lsp("short-queued", pop, 29, via("queued"))),
		blocked(lsp("blocked", swap, 30, via("plain", entries(513)...))), blocked(lsp("blocked-end", lookup, 31, dataplane.NextHop{})),
		looped(lsp("looped", swap, 32, via("plain", entries(514)...)), "back"), lsp("back", swap, 33, via("queued", entries(515)...)),
		looped(lsp("looped-end", lookup, 34, dataplane.NextHop{}), "back-begins"), leg("back-begins", through("bridge", entries(516)...)),
		looped(lsp("looped-shut", swap, 35, via("plain", entries(517)...)), "back-shut"), blocked(lsp("back-shut", swap, 36, via("plain", entries(518)...))),
		looped(lsp("looped-down", popImpose, 37, via("plain", entries(519)...)), "back-down"), down(lsp("back-down", swap, 38, via("plain", entries(520)...))),
		lsp("to-shut", swap, 39, via("shut", entries(521)...)), lsp("classed", swap, 40, through("above", entries(522)...)),
		pw("pw-a", 41, through("forest", entries(900)...)), circuit("tree-client", 101, "pw-a", "pw-a"),
		pw("pw-b", 42, through("tunnel", entries(901)...)), pw("pw-c", 43, via("queued", entries(902)...), func(p *dataplane.Pseudowire) { p.Sequencing = true }),
		dataplane.Group{Name: "pair", Pseudowires: true, Legs: []string{"pw-b", "pw-c"}, Permanent: true}, pair,
		pw("pw-blocked", 44, through("tunnel", entries(903)...), func(p *dataplane.Pseudowire) { p.Blocked = true }), circuit("blocked", 103, "pw-blocked", "pw-blocked"),
		pw("pw-looped", 45, via("queued", entries(904)...), func(p *dataplane.Pseudowire) { p.Loop = "pw-looped" }), circuit("looped", 104, "pw-looped", "pw-looped"),
		pw("segment-a", 46, through("bridge", entries(905)...), func(p *dataplane.Pseudowire) { p.Blocked = true }), pw("segment-b", 47, via("queued", entries(906)...)),
		dataplane.SwitchingPoint{Name: "switch", Segments: [2]string{"segment-a", "segment-b"}},
		pw("pw-leaf", 48, dataplane.NextHop{}), circuit("leaf", 106, "", "pw-leaf"),
	)
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

// groupObjects are transport paths on each other: a tunnel with two legs, an
// SPME in it, one that is down, one whose leg is; what enters them; and the
// end of 1+1.
func groupObjects() []dataplane.Object {
	leg := func(name, section string, es ...dataplane.LabelEntry) dataplane.LSP {
		return dataplane.LSP{Name: name, Op: imposes, Out: via(section, es...)}
	}
	down := leg("leg-down", "plain", entries(704)...)
	down.Down = true
	return append(pairSections(),
		leg("working", "plain", entries(700)...),
		leg("protecting", "vlan20", entryTC(701, 3)),
		leg("one", "plain", entries(702, 703)...),
		down,
		leg("narrow", "short", entries(705)...),
		dataplane.Group{Name: "tunnel", Legs: []string{"working", "protecting"}},
		dataplane.Group{Name: "switched", Legs: []string{"one", "narrow"}, Active: 1},
		dataplane.Group{Name: "down", Legs: []string{"leg-other"}, Down: true},
		leg("leg-other", "plain", entries(706)...),
		dataplane.Group{Name: "down-leg", Legs: []string{"leg-down"}},
		dataplane.LSP{Name: "spme-leg", Op: imposes, Out: through("tunnel", entryTC(710, 2))},
		dataplane.Group{Name: "spme", Legs: []string{"spme-leg"}, Prefixes: prefixes("10.6.0.0/16")},
		dataplane.LSP{Name: "spme-2-leg", Op: imposes, Out: through("spme", entries(711)...)},
		dataplane.Group{Name: "spme-2", Legs: []string{"spme-2-leg"}, Prefixes: prefixes("10.5.0.0/16", "2001:db8::/32")},
		dataplane.LSP{Name: "in-tunnel", Op: swap, InLabel: 16, Out: through("tunnel", entries(800)...)},
		dataplane.LSP{Name: "in-switched", Op: swap, InLabel: 17, Out: through("switched", entries(801)...)},
		dataplane.LSP{Name: "in-down", Op: swap, InLabel: 18, Out: through("down", entries(802)...)},
		dataplane.LSP{Name: "in-down-leg", Op: swap, InLabel: 19, Out: through("down-leg", entries(803)...)},
		dataplane.LSP{Name: "in-spme", Op: swap, InLabel: 20, Out: through("spme", entryTC(804, 6))},
		dataplane.LSP{Name: "in-spme-2", Op: popImpose, InLabel: 21, Out: through("spme-2", entries(805, 806)...)},
		dataplane.LSP{Name: "pop-in-tunnel", Op: pop, InLabel: 22, Out: through("tunnel")},
		dataplane.LSP{Name: "lookup", Op: lookup, InLabel: 24},
		dataplane.LSP{Name: "selected", Op: lookup, InLabel: 25, Selector: "switched", SelectorLeg: 1},
		dataplane.LSP{Name: "not-selected", Op: lookup, InLabel: 26, Selector: "switched"},
		dataplane.LSP{Name: "entropy", Op: imposes, Prefixes: prefixes("10.1.0.0/16", "2001:db8:1::/48"), EntropyLabel: true, Out: via("plain", entryTC(600, 4))},
		dataplane.LSP{Name: "entropy-tunnel", Op: imposes, Prefixes: prefixes("10.2.0.0/16"), EntropyLabel: true, Out: through("tunnel", entries(601, 602)...)},
		dataplane.LSP{Name: "client-tunnel", Op: imposes, Prefixes: prefixes("10.9.0.0/16"), Out: through("spme-2", entries(603)...)},
		dataplane.LSP{Name: "client-down", Op: imposes, Prefixes: prefixes("10.8.0.0/16"), Out: through("down", entries(604)...)},
	)
}

// clientObjects are pseudowires of every kind with their circuits: on ac0 those
// of a UNI and an NNI, on ac1 network-layer clients.
func clientObjects() []dataplane.Object {
	pw := func(name string, in uint32, to dataplane.NextHop, f func(*dataplane.Pseudowire)) dataplane.Pseudowire {
		p := dataplane.Pseudowire{Name: name, InLabel: in, Out: to}
		if f != nil {
			f(&p)
		}
		return p
	}
	service := func(name, port string, outer, inner uint16, op dataplane.VLANOperation, vlan uint16) dataplane.Service {
		return dataplane.Service{Name: name, Send: name, Receive: []string{name},
			Attachment: dataplane.Attachment{Interface: port, OuterVLAN: outer, InnerVLAN: inner, Operation: op, VLAN: vlan, PeerMAC: acPeer}}
	}
	nni := func(s dataplane.Service) dataplane.Service { s.Attachment.NNI = true; return s }
	cw := func(p *dataplane.Pseudowire) { p.ControlWord = true }
	classes := &dataplane.ClassMap{Green: [8]uint8{0, 1, 2, 3, 4, 5, 6, 7}, Yellow: [8]uint8{7, 6, 5, 4, 3, 2, 1, 0}}
	policed := service("policed", "ac0", 106, 0, dataplane.KeepTags, 0)
	policed.Profile, policed.Classes = &dataplane.Profile{CIR: 1, CBS: 1, EBS: 60_000}, classes
	down := service("service-down", "ac0", 107, 0, dataplane.KeepTags, 0)
	down.Down = true
	mapped := service("pop", "ac0", 101, 0, dataplane.PopTags, 0)
	mapped.Classes = classes
	networked := service("ip", "ac1", 0, 0, dataplane.KeepTags, 0)
	networked.Classes = classes
	return append(pairSections(),
		dataplane.LSP{Name: "working", Op: imposes, Out: via("plain", entries(700)...)},
		dataplane.LSP{Name: "protecting", Op: imposes, Out: via("vlan20", entries(701)...)},
		dataplane.Group{Name: "tunnel", Legs: []string{"working", "protecting"}},
		dataplane.LSP{Name: "lookup", Op: lookup, InLabel: 24},
		pw("port", 16, through("tunnel", entries(900)...), nil),
		service("port", "ac0", 0, 0, dataplane.KeepTags, 0),
		pw("pop", 17, through("tunnel", entries(901)...), cw),
		mapped,
		pw("push", 18, through("tunnel", entryTC(902, 3)), func(p *dataplane.Pseudowire) { p.ControlWord, p.Sequencing = true, true }),
		service("push", "ac0", 102, 0, dataplane.PushTag, 555),
		pw("translate", 19, via("plain", entries(903)...), func(p *dataplane.Pseudowire) { p.MTU = 100 }),
		service("translate", "ac0", 103, 0, dataplane.TranslateTag, 777),
		pw("tagged", 20, via("vlan20", entries(904)...), func(p *dataplane.Pseudowire) { p.Type, p.ControlWord = dataplane.EthernetTagged, true }),
		service("tagged", "ac0", 104, 0, dataplane.PopTags, 0),
		pw("qinq", 21, through("tunnel", entries(905)...), cw),
		nni(service("qinq", "ac0", 200, 10, dataplane.PopTags, 0)),
		pw("nni", 22, through("tunnel", entries(906)...), nil),
		nni(service("nni", "ac0", 200, 0, dataplane.TranslateTag, 201)),
		pw("push-nni", 23, through("tunnel", entries(907)...), nil),
		nni(service("push-nni", "ac0", 202, 0, dataplane.PushTag, 300)),
		pw("policed", 25, through("tunnel", entries(908)...), nil), policed,
		pw("service-down", 26, through("tunnel", entries(909)...), nil), down,
		pw("pw-down", 27, through("tunnel", entries(910)...), func(p *dataplane.Pseudowire) { p.Down = true }),
		service("pw-down", "ac0", 108, 0, dataplane.KeepTags, 0),
		pw("nobody", 28, through("tunnel", entries(911)...), cw),
		pw("ip", 29, through("tunnel", entries(912)...), func(p *dataplane.Pseudowire) { p.Type, p.EncapsulationLabel = dataplane.NetworkLayer, true }),
		networked,
		pw("ip-plain", 30, via("plain", entries(913)...), func(p *dataplane.Pseudowire) { p.Type = dataplane.NetworkLayer }),
		service("ip-plain", "ac1", 50, 0, dataplane.KeepTags, 0),
		pw("segment-a", 31, through("tunnel", entries(914)...), cw),
		pw("segment-b", 32, via("vlan20", entries(915)...), cw),
		dataplane.SwitchingPoint{Name: "switch", Segments: [2]string{"segment-a", "segment-b"}},
	)
}

// inOrder puts what is referred to before what refers to it.
func inOrder(objects []dataplane.Object) []dataplane.Object {
	ops := plan.Full(nil, objects)
	out := make([]dataplane.Object, len(ops))
	for i, op := range ops {
		out[i] = op.Object
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
