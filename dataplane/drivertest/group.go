package drivertest

import (
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
)

const remotePrefix = "198.51.100.0/24"

// clients gives a group IP clients.
func clients(g dataplane.Group, prefixes ...string) dataplane.Group {
	for _, p := range prefixes {
		g.Prefixes = append(g.Prefixes, netip.MustParsePrefix(p))
	}
	return g
}

// groupCases: LSPs and IP clients that enter groups, and groups in groups (RFC
// 5921 section 3.8, hierarchy).
func groupCases() []packetCase {
	inner := ip(remoteIPv4, clientIPv4, 64)
	work, protect := leg("w", out("east", 300)), leg("p", out("west", 400))
	second := group("g", "w", "p")
	second.Active = 1
	both := group("g", "w", "p")
	both.Permanent = true
	groupOff := group("g", "w")
	groupOff.Down = true
	legClass := leg("w", dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 300, TC: 6, HasTC: true, TTL: 9}}})
	shortPipe := lsp(pop, 100, into("g"))
	shortPipe.TTLMode = dataplane.ShortPipe
	expedited := ip(remoteIPv4, clientIPv4, 64)
	expedited[1] = 7 << 5
	swapped := func(e env) []byte { return e.fromWest(stack(label{100, 5, 64}), inner) }
	clientIn := func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 64)) }
	nested := func(depth int) []dataplane.Object {
		objects := []dataplane.Object{leg("w1", out("east", 301)), group("g1", "w1")}
		for i := 2; i <= depth; i++ {
			w, g := "w"+string(rune('0'+i)), "g"+string(rune('0'+i))
			objects = append(objects, leg(w, into("g"+string(rune('0'+i-1)), 300+uint32(i))), group(g, w))
		}
		return append(objects, lsp(swap, 100, into("g"+string(rune('0'+depth)), 200)))
	}
	selected := func(leg uint8) func(env) []dataplane.Object {
		l := dataplane.LSP{Name: "x", Op: popLookup, InLabel: 100, Selector: "g", SelectorLeg: leg}
		return with(work, protect, both, l)
	}
	return []packetCase{{
		name: "an LSP in a group", objects: with(work, group("g", "w"), lsp(swap, 100, into("g", 200))),
		in: West, send: swapped,
		out: East, want: func(e env) []byte { return e.toEast(stack(label{300, 5, 255}, label{200, 5, 63}), inner) },
	}, {
		name: "an LSP in a group whose second leg is active", objects: with(work, protect, second, lsp(swap, 100, into("g", 200))),
		in: West, send: swapped,
		out: West, want: func(e env) []byte { return e.toWest(stack(label{400, 5, 255}, label{200, 5, 63}), inner) },
	}, {
		name: "the leg's own traffic class and TTL", objects: with(legClass, group("g", "w"), lsp(swap, 100, into("g", 200))),
		in: West, send: swapped,
		out: East, want: func(e env) []byte { return e.toEast(stack(label{300, 6, 9}, label{200, 5, 63}), inner) },
	}, {
		name: "the leg takes the traffic class that the LSP has got", in: West, send: swapped,
		objects: with(work, group("g", "w"), lsp(swap, 100, dataplane.NextHop{Group: "g", Stack: []dataplane.LabelEntry{{Label: 200, TC: 3, HasTC: true}}})),
		out:     East, want: func(e env) []byte { return e.toEast(stack(label{300, 3, 255}, label{200, 3, 63}), inner) },
	}, {
		name: "IP clients of a group", objects: with(work, protect, clients(group("g", "w", "p"), remotePrefix)),
		in: Client, send: clientIn,
		out: East, want: func(e env) []byte { return e.toEast(stack(label{300, 0, 255}), ip(clientIPv4, remoteIPv4, 63)) },
	}, {
		name: "IP clients of an LSP in a group", objects: with(work, group("g", "w"), imposing(into("g", 200), remotePrefix)),
		in: Client, send: clientIn,
		out: East, want: func(e env) []byte {
			return e.toEast(stack(label{300, 0, 255}, label{200, 0, 255}), ip(clientIPv4, remoteIPv4, 63))
		},
	}, {
		name: "pop and forward into a group: IP", objects: with(work, group("g", "w"), lsp(pop, 100, into("g"))),
		in: West, send: swapped,
		out: East, want: func(e env) []byte { return e.toEast(stack(label{300, 5, 255}), inner) },
	}, {
		name: "pop and forward into a group: another label", objects: with(work, group("g", "w"), lsp(pop, 100, into("g"))),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 64}, label{777, 3, 9}), inner) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{300, 5, 255}, label{777, 3, 9}), inner) },
	}, {
		name: "pop and forward into a group, short pipe: IP", objects: with(work, group("g", "w"), shortPipe),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 64}), expedited) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{300, e.tc(7), 255}), expedited) },
	}, {
		name: "pop and forward into a group, short pipe: another label", objects: with(work, group("g", "w"), shortPipe),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 64}, label{777, 3, 9}), inner) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{300, e.tc(3), 255}, label{777, 3, 9}), inner) },
	}, {
		name: "pop and forward into a permanent bridge", objects: with(work, protect, both, lsp(pop, 100, into("g"))),
		in: West, send: swapped,
		out: East, want: func(e env) []byte { return e.toEast(stack(label{300, 5, 255}), inner) },
		also: func(e env) []copied { return []copied{{West, e.toWest(stack(label{400, 5, 255}), inner)}} },
	}, {
		name: "pop and forward into a permanent bridge: another label", objects: with(work, protect, both, lsp(pop, 100, into("g"))),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 64}, label{777, 3, 9}), inner) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{300, 5, 255}, label{777, 3, 9}), inner) },
		also: func(e env) []copied {
			return []copied{{West, e.toWest(stack(label{400, 5, 255}, label{777, 3, 9}), inner)}}
		},
	}, {
		name: "groups in groups, two", objects: with(nested(2)...), in: West, send: swapped,
		out: East, want: func(e env) []byte {
			return e.toEast(stack(label{301, 5, 255}, label{302, 5, 255}, label{200, 5, 63}), inner)
		},
	}, {
		name: "groups in groups, three", objects: with(nested(3)...), in: West, send: swapped,
		out: East, want: func(e env) []byte {
			return e.toEast(stack(label{301, 5, 255}, label{302, 5, 255}, label{303, 5, 255}, label{200, 5, 63}), inner)
		},
	}, {
		name: "a permanent bridge sends on both legs", objects: with(work, protect, both, lsp(swap, 100, into("g", 200))),
		in: West, send: swapped,
		out: East, want: func(e env) []byte { return e.toEast(stack(label{300, 5, 255}, label{200, 5, 63}), inner) },
		also: func(e env) []copied {
			return []copied{{West, e.toWest(stack(label{400, 5, 255}, label{200, 5, 63}), inner)}}
		},
	}, {
		name: "a permanent bridge for IP clients", objects: with(work, protect, clients(both, remotePrefix)),
		in: Client, send: clientIn,
		out: East, want: func(e env) []byte { return e.toEast(stack(label{300, 0, 255}), ip(clientIPv4, remoteIPv4, 63)) },
		also: func(e env) []copied {
			return []copied{{West, e.toWest(stack(label{400, 0, 255}), ip(clientIPv4, remoteIPv4, 63))}}
		},
	}, {
		name: "a permanent bridge with one leg down", objects: with(work, down(protect), both, lsp(swap, 100, into("g", 200))),
		in: West, send: swapped, drop: "lsp-down",
		out: East, want: func(e env) []byte { return e.toEast(stack(label{300, 5, 255}, label{200, 5, 63}), inner) },
	}, {
		name: "a selector takes the active leg", objects: selected(0),
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 20}), inner) },
		out: Client, want: func(e env) []byte { return e.toClient(ip(remoteIPv4, clientIPv4, e.payload(63))) },
	}, {
		name: "a selector drops the other leg", objects: selected(1), drop: "not-selected",
		in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 20}), inner) },
	},
		{name: "a group that is down drops", objects: with(work, groupOff, lsp(swap, 100, into("g", 200))), in: West, send: swapped, drop: "group-down"},
		{name: "a leg that is down drops", objects: with(down(work), group("g", "w"), lsp(swap, 100, into("g", 200))), in: West, send: swapped, drop: "lsp-down"},
		{name: "a group that is down drops IP clients", objects: with(work, clients(groupOff, remotePrefix)), in: Client, send: clientIn, drop: "group-down"},
		{name: "an LSP that is down does not enter its group", objects: with(work, group("g", "w"), down(lsp(swap, 100, into("g", 200)))), in: West, send: swapped, drop: "lsp-down"},
		{name: "TTL 1 before a group drops", objects: with(work, group("g", "w"), lsp(swap, 100, into("g", 200))), in: West, drop: "ttl-expired",
			send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 1}), inner) }},
	}
}

// branchCases: point-to-multipoint LSPs, one copy to each branch (RFC 4461),
// and bud nodes.
func branchCases() []packetCase {
	inner := ip(remoteIPv4, clientIPv4, 64)
	branches := func(op dataplane.Operation, in uint32, b ...dataplane.Branch) dataplane.LSP {
		return dataplane.LSP{Name: "x", Op: op, InLabel: in, Branches: b}
	}
	east := dataplane.Branch{Name: "e", NextHop: out("east", 200)}
	west := dataplane.Branch{Name: "w", NextHop: out("west", 400, 300)}
	tree := branches(swap, 100, east, west)
	bud := tree
	bud.Bud = true
	head := branches(dataplane.ImposeAndForward, 0, east, west)
	head.Prefixes = []netip.Prefix{netip.MustParsePrefix(remotePrefix)}
	grouped := branches(swap, 100, east, dataplane.Branch{Name: "g", NextHop: into("g", 500)})
	send := func(e env) []byte { return e.fromWest(stack(label{100, 5, 64}), inner) }
	toEast := func(e env) []byte { return e.toEast(stack(label{200, 5, 63}), inner) }
	toWest := func(e env) []copied {
		return []copied{{West, e.toWest(stack(label{400, 5, 255}, label{300, 5, 63}), inner)}}
	}
	westDown := func(e env) []dataplane.Object {
		s := e.sections()
		far := dataplane.Section{Name: "far", Interface: e.customer.Name, PeerMAC: e.customer.Peer, Down: true}
		return append(s, far, branches(swap, 100, east, dataplane.Branch{Name: "f", NextHop: out("far", 300)}))
	}
	return []packetCase{
		{name: "a branch node copies", objects: with(tree), in: West, send: send, out: East, want: toEast, also: toWest},
		{name: "one branch", objects: with(branches(swap, 100, east)), in: West, send: send, out: East, want: toEast},
		{name: "two branches over one section", objects: with(branches(swap, 100, east, dataplane.Branch{Name: "f", NextHop: out("east", 201)})),
			in: West, send: send, out: East, want: toEast, also: func(e env) []copied {
				return []copied{{East, e.toEast(stack(label{201, 5, 63}), inner)}}
			}},
		{name: "a bud node copies and delivers IP", objects: with(bud), in: West, send: send, out: East, want: toEast,
			also: func(e env) []copied {
				return append(toWest(e), copied{Client, e.toClient(ip(remoteIPv4, clientIPv4, e.payload(63)))})
			}},
		{name: "a bud node copies and looks up the label below", objects: with(bud, dataplane.LSP{Name: "y", Op: swap, InLabel: 101, Out: out("east", 202)}),
			in: West, send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 64}, label{101, 3, 9}), inner) },
			out: East, want: func(e env) []byte { return e.toEast(stack(label{200, 5, 63}, label{101, 3, 9}), inner) },
			also: func(e env) []copied {
				return []copied{
					{East, e.toEast(stack(label{202, 3, 8}), inner)},
					{West, e.toWest(stack(label{400, 5, 255}, label{300, 5, 63}, label{101, 3, 9}), inner)},
				}
			}},
		{name: "a branch into a group", objects: with(leg("l", out("west", 300)), group("g", "l"), grouped), in: West, send: send, out: East, want: toEast,
			also: func(e env) []copied {
				return []copied{{West, e.toWest(stack(label{300, 5, 255}, label{500, 5, 63}), inner)}}
			}},
		{name: "branches that pop", objects: with(branches(pop, 100,
			dataplane.Branch{Name: "e", NextHop: out("east")}, dataplane.Branch{Name: "w", NextHop: out("west")})), in: West,
			send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 64}, label{777, 3, 9}), inner) },
			out:  East, want: func(e env) []byte { return e.toEast(stack(label{777, 3, 9}), inner) },
			also: func(e env) []copied { return []copied{{West, e.toWest(stack(label{777, 3, 9}), inner)}} }},
		{name: "the root of a tree for IP clients", objects: with(head), in: Client,
			send: func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 64)) },
			out:  East, want: func(e env) []byte { return e.toEast(stack(label{200, 0, 255}), ip(clientIPv4, remoteIPv4, 63)) },
			also: func(e env) []copied {
				return []copied{{West, e.toWest(stack(label{400, 0, 255}, label{300, 0, 255}), ip(clientIPv4, remoteIPv4, 63))}}
			}},
		{name: "the root of a tree in a group", objects: with(branches(dataplane.ImposeAndForward, 0, east, west), group("g", "x"),
			dataplane.LSP{Name: "y", Op: swap, InLabel: 101, Out: into("g", 500)}), in: West,
			send: func(e env) []byte { return e.fromWest(stack(label{101, 5, 64}), inner) },
			out:  East, want: func(e env) []byte { return e.toEast(stack(label{200, 5, 255}, label{500, 5, 63}), inner) },
			also: func(e env) []copied {
				return []copied{{West, e.toWest(stack(label{400, 5, 255}, label{300, 5, 255}, label{500, 5, 63}), inner)}}
			}},
		{name: "a branch whose section is down loses nothing for the others", objects: westDown, in: West, send: send, out: East, want: toEast, drop: "section-down"},
		{name: "a tree that is down drops", objects: with(down(tree)), in: West, send: send, drop: "lsp-down"},
		{name: "TTL 1 at a branch node drops", objects: with(tree), in: West, drop: "ttl-expired",
			send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 1}), inner) }},
		{name: "a bud node drops what is no IP and copies it", objects: with(bud), in: West, drop: "unknown-payload",
			send: func(e env) []byte {
				return e.fromWest(stack(label{100, 5, 64}), []byte("\x00\x00\x00\x00control word"))
			},
			out: East, want: func(e env) []byte { return e.toEast(stack(label{200, 5, 63}), []byte("\x00\x00\x00\x00control word")) },
			also: func(e env) []copied {
				return []copied{{West, e.toWest(stack(label{400, 5, 255}, label{300, 5, 63}), []byte("\x00\x00\x00\x00control word"))}}
			}},
	}
}
