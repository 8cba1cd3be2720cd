package drivertest

import (
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
)

// lsp is a short way to write an LSP in a case.
func lsp(op dataplane.Operation, in uint32, next dataplane.NextHop) dataplane.LSP {
	return dataplane.LSP{Name: "x", Op: op, InLabel: in, Out: next}
}

// imposing is an LSP for IP clients.
func imposing(next dataplane.NextHop, prefixes ...string) dataplane.LSP {
	l := dataplane.LSP{Name: "x", Op: dataplane.ImposeAndForward, Out: next}
	for _, p := range prefixes {
		l.Prefixes = append(l.Prefixes, netip.MustParsePrefix(p))
	}
	return l
}

// down returns l with its administrative state down.
func down(l dataplane.LSP) dataplane.LSP {
	l.Down = true
	return l
}

// The operations by short names, to keep the table readable.
const (
	swap      = dataplane.SwapAndForward
	pop       = dataplane.PopAndForward
	popImpose = dataplane.PopImposeAndForward
	popLookup = dataplane.PopAndLookup
)

// packetCases is the table: what each operation does to a packet.
func packetCases() []packetCase {
	var all []packetCase
	all = append(all, swapCases()...)
	all = append(all, popCases()...)
	all = append(all, lookupCases()...)
	all = append(all, imposeCases()...)
	all = append(all, dropCases()...)
	all = append(all, sectionCases()...)
	all = append(all, groupCases()...)
	all = append(all, specialCases()...)
	all = append(all, branchCases()...)
	all = append(all, conditionCases()...)
	all = append(all, pseudowireCases()...)
	all = append(all, badPseudowireCases()...)
	all = append(all, attachmentCases()...)
	all = append(all, segmentCases()...)
	return append(all, packetClientCases()...)
}

// swapCases: RFC 3031 section 3.10; TC is kept (RFC 5462), TTL one less.
func swapCases() []packetCase {
	inner := ip(remoteIPv4, clientIPv4, 64)
	tcSet := dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 200, TC: 3, HasTC: true}}}
	ttlSet := dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 300, TTL: 9}, {Label: 200}}}
	return []packetCase{{
		name: "swap, bottom of stack", objects: with(lsp(swap, 100, out("east", 200))),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 64}), inner) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{200, e.tc(5), 63}), inner) },
	}, {
		name: "swap leaves the labels below alone", objects: with(lsp(swap, 100, out("east", 200))),
		in: West, send: func(e env) []byte {
			return e.fromWest(stack(label{100, 5, 64}, label{777, 3, 9}, label{778, 1, 255}), inner)
		},
		out: East, want: func(e env) []byte {
			return e.toEast(stack(label{200, e.tc(5), 63}, label{777, 3, 9}, label{778, 1, 255}), inner)
		},
	}, {
		name: "swap with a payload that is not IP", objects: with(lsp(swap, 100, out("east", 200))),
		in: West, send: func(e env) []byte {
			return e.fromWest(stack(label{100, 0, 64}), []byte("\x00\x00\x00\x00control word"))
		},
		out: East, want: func(e env) []byte { return e.toEast(stack(label{200, 0, 63}), []byte("\x00\x00\x00\x00control word")) },
	}, {
		name: "swap in an SPME of two: a stack of three", objects: with(lsp(swap, 100, out("east", 400, 300, 200))),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 64}), inner) },
		out: East, want: func(e env) []byte {
			return e.toEast(stack(label{400, e.tc(5), e.imposed(255, 64)}, label{300, e.tc(5), e.imposed(255, 64)}, label{200, e.tc(5), 63}), inner)
		},
	}, {
		name: "swap sets a configured traffic class", objects: with(lsp(swap, 100, tcSet)),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 64}), inner) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{200, 3, 63}), inner) },
	}, {
		name: "swap imposes with a configured TTL", objects: with(lsp(swap, 100, ttlSet)),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 64}), inner) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{300, e.tc(5), 9}, label{200, e.tc(5), 63}), inner) },
	}, {
		name: "swap of TTL 2", objects: with(lsp(swap, 100, out("east", 200))),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 0, 2}), inner) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{200, 0, 1}), inner) },
	}, {
		name: "swap back to where it came from", objects: with(lsp(swap, 100, out("west", 200))),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 0, 64}), inner) },
		out: West, want: func(e env) []byte {
			return ethernet(e.west.Peer, e.west.MAC, typeMPLS, stack(label{200, 0, 63}), inner)
		},
	}, {
		name: "swap between the ends of the label range", objects: with(lsp(swap, 16, out("east", dataplane.MaxLabel))),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{16, 0, 64}), inner) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{dataplane.MaxLabel, 0, 63}), inner) },
	}}
}

// popCases: RFC 3443 section 3, pipe and short-pipe: what is below the label
// keeps its TTL.
func popCases() []packetCase {
	v4, v6 := ip(remoteIPv4, clientIPv4, 64), ip(remoteIPv6, clientIPv6, 64)
	eastIP := func(e env, packet []byte) []byte {
		return ethernet(e.east.Peer, e.east.MAC, ipType(packet), packet)
	}
	short := lsp(pop, 100, out("east"))
	short.TTLMode = dataplane.ShortPipe
	explicit := dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 500, TTL: 33}}}
	return []packetCase{{
		name: "pop leaves the label below alone", objects: with(lsp(pop, 100, out("east"))),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 20}, label{777, 3, 9}), v4) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{777, 3, 9}), v4) },
	}, {
		name: "pop to IPv4", objects: with(lsp(pop, 100, out("east"))),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 20}), v4) },
		out: East, want: func(e env) []byte { return eastIP(e, ip(remoteIPv4, clientIPv4, e.payload(64))) },
	}, {
		name: "pop to IPv6", objects: with(lsp(pop, 100, out("east"))),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 20}), v6) },
		out: East, want: func(e env) []byte { return eastIP(e, ip(remoteIPv6, clientIPv6, e.payload(64))) },
	}, {
		name: "pop, short-pipe", objects: with(short),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 20}), v4) },
		out: East, want: func(e env) []byte { return eastIP(e, ip(remoteIPv4, clientIPv4, e.payload(64))) },
	}, {
		name: "pop to neither label nor IP drops", objects: with(lsp(pop, 100, out("east"))),
		in: West, send: func(e env) []byte {
			return e.fromWest(stack(label{100, 5, 20}), []byte("\x00\x00\x00\x00control word"))
		},
	}, {
		name: "pop and impose, bottom of stack", objects: with(lsp(popImpose, 100, out("east", 600, 500))),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 20}), v4) },
		out: East, want: func(e env) []byte {
			return e.toEast(stack(label{600, e.tc(5), e.imposed(255, 20)}, label{500, e.tc(5), e.imposed(255, 20)}), v4)
		},
	}, {
		name: "pop and impose above another label", objects: with(lsp(popImpose, 100, out("east", 500))),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 20}, label{777, 3, 9}), v4) },
		out: East, want: func(e env) []byte {
			return e.toEast(stack(label{500, e.tc(5), e.imposed(255, 20)}, label{777, 3, 9}), v4)
		},
	}, {
		name: "pop and impose with a configured TTL", objects: with(lsp(popImpose, 100, explicit)),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 20}), v4) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{500, e.tc(5), 33}), v4) },
	}}
}

// lookupCases: the end of an LSP with another label or an IP client below.
func lookupCases() []packetCase {
	below := []dataplane.Object{
		dataplane.LSP{Name: "x", Op: popLookup, InLabel: 100},
		dataplane.LSP{Name: "y", Op: swap, InLabel: 101, Out: out("east", 201)},
	}
	return []packetCase{{
		name: "pop and look up IPv4", objects: with(lsp(popLookup, 100, dataplane.NextHop{})),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 20}), ip(remoteIPv4, clientIPv4, 64)) },
		out: Client, want: func(e env) []byte { return e.toClient(ip(remoteIPv4, clientIPv4, e.payload(63))) },
	}, {
		name: "pop and look up IPv6", objects: with(lsp(popLookup, 100, dataplane.NextHop{})),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 20}), ip(remoteIPv6, clientIPv6, 64)) },
		out: Client, want: func(e env) []byte { return e.toClient(ip(remoteIPv6, clientIPv6, e.payload(63))) },
	}, {
		name: "pop and look up a label that is swapped", objects: with(below...),
		in: West, send: func(e env) []byte {
			return e.fromWest(stack(label{100, 5, 20}, label{101, 3, 9}), ip(remoteIPv4, clientIPv4, 64))
		},
		out: East, want: func(e env) []byte { return e.toEast(stack(label{201, e.tc(3), 8}), ip(remoteIPv4, clientIPv4, 64)) },
	}, {
		name: "pop and look up a label that is unknown drops", objects: with(below...),
		in: West, send: func(e env) []byte {
			return e.fromWest(stack(label{100, 5, 20}, label{102, 3, 9}), ip(remoteIPv4, clientIPv4, 64))
		},
	}, {
		name: "pop and look up an IP packet whose TTL ends drops", objects: with(lsp(popLookup, 100, dataplane.NextHop{})),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 20}), ip(remoteIPv4, clientIPv4, 1)) },
	}}
}

// imposeCases: IP clients enter LSPs; the hop into the LSP counts as one (RFC
// 3443 section 3.1), TC is 0 and TTL 255 unless configured.
func imposeCases() []packetCase {
	const v4, v6 = "198.51.100.0/24", "2001:db8:100::/48"
	allTTL := dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 300, TTL: 7}, {Label: 200, TTL: 7}}}
	withTC := dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 200, TC: 4, HasTC: true}}}
	longest := []dataplane.Object{
		imposing(out("east", 200), v4),
		dataplane.LSP{Name: "y", Op: dataplane.ImposeAndForward, Out: out("east", 201), Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.8/29")}},
	}
	return []packetCase{{
		name: "impose on IPv4", objects: with(imposing(out("east", 200), v4)),
		in: Client, send: func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 64)) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{200, 0, 255}), ip(clientIPv4, remoteIPv4, 63)) },
	}, {
		name: "impose on IPv6", objects: with(imposing(out("east", 200), v6)),
		in: Client, send: func(e env) []byte { return e.fromClient(ip(clientIPv6, remoteIPv6, 64)) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{200, 0, 255}), ip(clientIPv6, remoteIPv6, 63)) },
	}, {
		name: "impose three labels for both families", objects: with(imposing(out("east", 400, 300, 200), v4, v6)),
		in: Client, send: func(e env) []byte { return e.fromClient(ip(clientIPv6, remoteIPv6, 64)) },
		out: East, want: func(e env) []byte {
			return e.toEast(stack(label{400, 0, 255}, label{300, 0, 255}, label{200, 0, 255}), ip(clientIPv6, remoteIPv6, 63))
		},
	}, {
		name: "impose with a configured TTL", objects: with(imposing(allTTL, v4)),
		in: Client, send: func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 64)) },
		out: East, want: func(e env) []byte {
			return e.toEast(stack(label{300, 0, 7}, label{200, 0, 7}), ip(clientIPv4, remoteIPv4, 63))
		},
	}, {
		name: "impose with a configured traffic class", objects: with(imposing(withTC, v4)),
		in: Client, send: func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 64)) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{200, 4, 255}), ip(clientIPv4, remoteIPv4, 63)) },
	}, {
		name: "impose by the longest prefix", objects: with(longest...),
		in: Client, send: func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 64)) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{201, 0, 255}), ip(clientIPv4, remoteIPv4, 63)) },
	}, {
		name: "impose on what no prefix has drops", objects: with(imposing(out("east", 200), "198.51.100.128/25", v6)),
		in: Client, send: func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 64)) },
	}, {
		name: "impose on an IP packet whose TTL ends drops", objects: with(imposing(out("east", 200), v4)),
		in: Client, send: func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 1)) },
	}, {
		name: "impose on an LSP that is down drops", objects: with(down(imposing(out("east", 200), v4, v6))),
		in: Client, send: func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 64)) },
	}, {
		name: "two LSPs join: impose here, look up there", objects: with(imposing(out("east", 200), v4),
			dataplane.LSP{Name: "y", Op: popLookup, InLabel: 100}),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 0, 20}), ip(remoteIPv6, clientIPv6, 9)) },
		out: Client, want: func(e env) []byte { return e.toClient(ip(remoteIPv6, clientIPv6, e.payload(8))) },
	}}
}

// dropCases: what must not be forwarded.
func dropCases() []packetCase {
	inner := ip(remoteIPv4, clientIPv4, 64)
	through := with(lsp(swap, 100, out("east", 200)))
	from := func(body ...[]byte) func(env) []byte { return func(e env) []byte { return e.fromWest(body...) } }
	cut := stack(label{100, 0, 64})[:3]
	return []packetCase{
		{name: "unknown label drops", drop: "unknown-label", objects: through, in: West, send: from(stack(label{101, 0, 64}), inner)},
		{name: "TTL 1 drops", drop: "ttl-expired", objects: through, in: West, send: from(stack(label{100, 0, 1}), inner)},
		{name: "TTL 0 drops", drop: "ttl-expired", objects: through, in: West, send: from(stack(label{100, 0, 0}), inner)},
		{name: "TTL 1 before a pop drops", drop: "ttl-expired", objects: with(lsp(pop, 100, out("east"))), in: West, send: from(stack(label{100, 0, 1}, label{777, 0, 9}), inner)},
		{name: "reserved label 4 drops", objects: through, in: West, send: from(stack(label{4, 0, 64}), inner)},
		{name: "implicit null on the wire drops", objects: through, in: West, send: from(stack(label{3, 0, 64}), inner)},
		{name: "LSP down drops", drop: "lsp-down", objects: with(down(lsp(swap, 100, out("east", 200)))), in: West, send: from(stack(label{100, 0, 64}), inner)},
		{name: "unicast for another station drops", drop: "foreign-mac", objects: through, in: West, send: func(e env) []byte {
			return ethernet(dataplane.MAC{2, 0, 0, 0, 0xff, 1}, e.west.Peer, typeMPLS, stack(label{100, 0, 64}), inner)
		}},
		{name: "half a label drops", drop: "short", objects: through, in: West, send: from(cut)},
		{name: "no label at all drops", drop: "short", objects: through, in: West, send: from()},
		{name: "a packet as long as the section takes", objects: through, in: West, send: from(stack(label{100, 0, 64}), make([]byte, 1496)),
			out: East, want: func(e env) []byte { return e.toEast(stack(label{200, 0, 63}), make([]byte, 1496)) }},
		{name: "a packet too long for the section drops", objects: with(lsp(swap, 100, out("east", 400, 300, 200))), in: West, drop: "too-long",
			send: from(stack(label{100, 0, 64}), make([]byte, 1496))},
		{name: "a packet on a port without section drops", objects: through, in: Client, send: func(e env) []byte {
			return ethernet(e.client.MAC, e.client.Peer, typeMPLS, stack(label{100, 0, 64}), inner)
		}},
		{name: "section in down drops", drop: "section-down", in: West, send: from(stack(label{100, 0, 64}), inner), objects: func(e env) []dataplane.Object {
			s := e.sections()
			west := s[0].(dataplane.Section)
			west.Down = true
			return []dataplane.Object{west, s[1], lsp(swap, 100, out("east", 200))}
		}},
		{name: "section out down drops", drop: "section-down", in: West, send: from(stack(label{100, 0, 64}), inner), objects: func(e env) []dataplane.Object {
			s := e.sections()
			east := s[1].(dataplane.Section)
			east.Down = true
			return []dataplane.Object{s[0], east, lsp(swap, 100, out("east", 200))}
		}},
		{name: "section out down drops IP clients", in: Client, send: func(e env) []byte {
			return e.fromClient(ip(clientIPv4, remoteIPv4, 64))
		}, objects: func(e env) []dataplane.Object {
			s := e.sections()
			east := s[1].(dataplane.Section)
			east.Down = true
			return []dataplane.Object{s[0], east, imposing(out("east", 200), "198.51.100.0/24")}
		}},
	}
}

// sectionCases: how sections appear on the wire.
func sectionCases() []packetCase {
	inner := ip(remoteIPv4, clientIPv4, 64)
	multicast := func(e env) []dataplane.Object {
		return []dataplane.Object{
			dataplane.Section{Name: "west", Interface: e.west.Name},
			dataplane.Section{Name: "east", Interface: e.east.Name},
			lsp(swap, 100, out("east", 200)),
		}
	}
	vlans := func(e env) []dataplane.Object {
		return []dataplane.Object{
			dataplane.Section{Name: "west", Interface: e.west.Name, VLAN: 10, PeerMAC: e.west.Peer},
			dataplane.Section{Name: "east", Interface: e.east.Name, VLAN: 20, PeerMAC: e.east.Peer},
			lsp(swap, 100, out("east", 200)),
		}
	}
	spaces := func(e env) []dataplane.Object {
		x, y := lsp(swap, 100, out("east", 201)), lsp(swap, 100, out("east", 202))
		x.InSection, y.Name = "west", "y"
		return []dataplane.Object{
			dataplane.Section{Name: "west", Interface: e.west.Name, PeerMAC: e.west.Peer, InterfaceLabelSpace: true},
			dataplane.Section{Name: "east", Interface: e.east.Name, PeerMAC: e.east.Peer},
			x, y,
		}
	}
	return []packetCase{{
		name: "multicast section to multicast section", objects: multicast, in: West,
		send: func(e env) []byte {
			return ethernet(dataplane.MulticastMAC(), e.west.Peer, typeMPLS, stack(label{100, 0, 64}), inner)
		},
		out: East, want: func(e env) []byte {
			return ethernet(dataplane.MulticastMAC(), e.east.MAC, typeMPLS, stack(label{200, 0, 63}), inner)
		},
	}, {
		name: "multicast section takes unicast too", objects: multicast, in: West,
		send: func(e env) []byte { return e.fromWest(stack(label{100, 0, 64}), inner) },
		out:  East, want: func(e env) []byte {
			return ethernet(dataplane.MulticastMAC(), e.east.MAC, typeMPLS, stack(label{200, 0, 63}), inner)
		},
	}, {
		name: "VLAN to VLAN", objects: vlans, in: West,
		send: func(e env) []byte {
			return tagged(e.west.MAC, e.west.Peer, 10, typeMPLS, stack(label{100, 0, 64}), inner)
		},
		out: East, want: func(e env) []byte {
			return tagged(e.east.Peer, e.east.MAC, 20, typeMPLS, stack(label{200, 0, 63}), inner)
		},
	}, {
		name: "untagged into a VLAN section drops", objects: vlans, in: West,
		send: func(e env) []byte { return e.fromWest(stack(label{100, 0, 64}), inner) },
	}, {
		name: "another VLAN drops", objects: vlans, in: West,
		send: func(e env) []byte {
			return tagged(e.west.MAC, e.west.Peer, 11, typeMPLS, stack(label{100, 0, 64}), inner)
		},
	}, {
		name: "label space of the interface", objects: spaces, in: West,
		send: func(e env) []byte { return e.fromWest(stack(label{100, 0, 64}), inner) },
		out:  East, want: func(e env) []byte { return e.toEast(stack(label{201, 0, 63}), inner) },
	}, {
		name: "label space of the platform beside it", objects: spaces, in: East,
		send: func(e env) []byte {
			return ethernet(e.east.MAC, e.east.Peer, typeMPLS, stack(label{100, 0, 64}), inner)
		},
		out: East, want: func(e env) []byte { return e.toEast(stack(label{202, 0, 63}), inner) },
	}}
}
