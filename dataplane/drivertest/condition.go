package drivertest

import (
	"github.com/tandem-ne/tandem/dataplane"
)

// conditionCases: transport paths, sections among them, that are blocked for
// users (RFC 6371 sections 5.1.2 and 6.2), and loopback in the data plane (RFC
// 6435 section 4).
func conditionCases() []packetCase {
	inner := ip(remoteIPv4, clientIPv4, 64)
	gach := []byte("\x10\x00\x00\x07on the channel")
	shut := func(section string, more ...dataplane.Object) func(env) []dataplane.Object {
		return func(e env) []dataplane.Object {
			all := e.sections()
			for i, o := range all {
				if v := o.(dataplane.Section); v.Name == section {
					v.Blocked = true
					all[i] = v
				}
			}
			return append(all, more...)
		}
	}
	blocked := func(l dataplane.LSP) dataplane.LSP { l.Blocked = true; return l }
	loop := func(l dataplane.LSP, into string) dataplane.LSP { l.Loop = into; return l }
	ends := dataplane.LSP{Name: "x", Op: popLookup, InLabel: 100}
	back := dataplane.LSP{Name: "back", Op: swap, InLabel: 110, Out: out("west", 210)}
	begins := leg("back", out("west", 210))
	send := func(e env) []byte { return e.fromWest(stack(label{100, 5, 64}), inner) }
	gal := func(ttl uint8) func(e env) []byte {
		return func(e env) []byte { return e.fromWest(stack(label{100, 5, ttl}, label{13, 0, 1}), gach) }
	}
	blockedLeg := []dataplane.Object{blocked(leg("w", out("east", 300))), group("g", "w")}
	pwBlocked := func(p *dataplane.Pseudowire) { p.Blocked = true }
	segments := func(e env) []dataplane.Object {
		west := second(controlWord, func(q *dataplane.Pseudowire) { q.Out = out("west", qOut) })
		return append(append(e.sections(), tunnel()...), pw(controlWord, pwBlocked), west,
			dataplane.SwitchingPoint{Name: "s", Segments: [2]string{"p", "q"}})
	}
	pwLoop := func(p *dataplane.Pseudowire) { p.Loop = "p" }
	return []packetCase{
		{name: "a blocked LSP drops users", objects: with(blocked(lsp(swap, 100, out("east", 200)))), in: West, send: send, drop: "blocked"},
		{name: "a blocked LSP lets the G-ACh through", objects: with(blocked(lsp(swap, 100, out("east", 200)))), in: West, send: gal(64),
			out: East, want: func(e env) []byte { return e.toEast(stack(label{200, 5, 63}, label{13, 0, 1}), gach) }},
		{name: "a blocked LSP drops the G-ACh of an LSP in it", objects: with(blocked(lsp(swap, 100, out("east", 200)))), in: West, drop: "blocked",
			send: func(e env) []byte {
				return e.fromWest(stack(label{100, 5, 64}, label{777, 0, 9}, label{13, 0, 1}), gach)
			}},
		{name: "a blocked LSP that ends here drops users", objects: with(blocked(ends)), in: West, send: send, drop: "blocked"},
		{name: "a blocked LSP that begins here drops IP clients", objects: with(blocked(imposing(out("east", 200), remotePrefix))), in: Client, drop: "blocked",
			send: func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 64)) }},
		{name: "a blocked leg drops what enters the group", objects: with(append(blockedLeg, lsp(swap, 100, into("g", 200)))...), in: West, send: send, drop: "blocked"},
		{name: "a blocked LSP drops TTL 1 as ever", objects: with(blocked(lsp(swap, 100, out("east", 200)))), in: West, drop: "ttl-expired",
			send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 1}), inner) }},
		{name: "a blocked section drops users that arrive", objects: shut("west", lsp(swap, 100, out("east", 200))), in: West, send: send, drop: "blocked"},
		{name: "a blocked section drops the G-ACh of an LSP on it", objects: shut("west", lsp(swap, 100, out("east", 200))), in: West, send: gal(64), drop: "blocked"},
		{name: "a blocked section drops what has no label", objects: shut("west"), in: West, drop: "blocked",
			send: func(e env) []byte { return e.fromWest([]byte{0, 6, 0x40}) }},
		{name: "a blocked section takes its own G-ACh", objects: shut("west"), in: West, drop: "punted-gal",
			send: func(e env) []byte { return e.fromWest(stack(label{13, 0, 1}), gach) }},
		{name: "nothing of users leaves by a blocked section", objects: shut("east", lsp(swap, 100, out("east", 200))), in: West, send: send, drop: "blocked"},
		{name: "no G-ACh of an LSP leaves by a blocked section", objects: shut("east", lsp(swap, 100, out("east", 200))), in: West, send: gal(64), drop: "blocked"},
		{name: "nothing leaves by a blocked section through a group", objects: shut("east", leg("w", out("east", 300)), group("g", "w"), lsp(swap, 100, into("g", 200))),
			in: West, send: send, drop: "blocked"},
		{name: "no IP client leaves by a blocked section", objects: shut("east", imposing(out("east", 200), remotePrefix)), in: Client, drop: "blocked",
			send: func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 64)) }},
		{name: "a branch over a blocked section takes nothing from the others", in: West, send: send, drop: "blocked",
			objects: shut("east", dataplane.LSP{Name: "x", Op: swap, InLabel: 100, Branches: []dataplane.Branch{
				{Name: "e", NextHop: out("east", 200)}, {Name: "w", NextHop: out("west", 210)}}}),
			out: West, want: func(e env) []byte { return e.toWest(stack(label{210, 5, 63}), inner) }},
		{name: "loopback on the way", objects: with(loop(lsp(swap, 100, out("east", 200)), "back"), back), in: West, send: send,
			out: West, want: func(e env) []byte { return e.toWest(stack(label{210, 5, 63}), inner) }},
		{name: "loopback of the G-ACh", objects: with(loop(lsp(swap, 100, out("east", 200)), "back"), back), in: West, send: gal(64),
			out: West, want: func(e env) []byte { return e.toWest(stack(label{210, 5, 63}, label{13, 0, 1}), gach) }},
		{name: "loopback into a blocked LSP", objects: with(loop(lsp(swap, 100, out("east", 200)), "back"), blocked(back)), in: West, send: send,
			out: West, want: func(e env) []byte { return e.toWest(stack(label{210, 5, 63}), inner) }},
		{name: "loopback at the end", objects: with(loop(ends, "back"), begins), in: West, send: send,
			out: West, want: func(e env) []byte { return e.toWest(stack(label{210, 5, 255}), inner) }},
		{name: "loopback at the end, labels below", objects: with(loop(ends, "back"), begins), in: West,
			send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 64}, label{777, 3, 9}), inner) },
			out:  West, want: func(e env) []byte { return e.toWest(stack(label{210, 5, 255}, label{777, 3, 9}), inner) }},
		{name: "loopback at the end, the G-ACh too", objects: with(loop(ends, "back"), begins), in: West, send: gal(64),
			out: West, want: func(e env) []byte { return e.toWest(stack(label{210, 5, 255}, label{13, 0, 1}), gach) }},
		{name: "loopback takes TTL 1 out", objects: with(loop(lsp(swap, 100, out("east", 200)), "back"), back), in: West, drop: "ttl-expired",
			send: func(e env) []byte { return e.fromWest(stack(label{100, 5, 1}), inner) }},
		{name: "loopback takes the G-ACh with TTL 1 out", objects: with(loop(ends, "back"), begins), in: West, send: gal(1)},
		{name: "loopback of an LSP that is down drops", objects: with(down(loop(lsp(swap, 100, out("east", 200)), "back")), back), in: West, send: send, drop: "lsp-down"},
		{name: "a blocked pseudowire drops what comes from the client", objects: service(pw(pwBlocked)), in: Customer, drop: "blocked",
			send: func(env) []byte { return user() }},
		{name: "a blocked pseudowire drops what comes from the network", objects: service(pw(pwBlocked)), in: East, drop: "blocked",
			send: func(e env) []byte { return e.pwIn(user()) }},
		{name: "loopback of a pseudowire", objects: service(pw(controlWord, pwLoop)), in: East,
			send: func(e env) []byte {
				return e.fromEast(stack(label{tunnelIn, 0, 64}, label{pIn, 3, 9}), word(0), user())
			},
			out: East, want: func(e env) []byte {
				return e.toEast(stack(label{tunnelOut, 3, 255}, label{pOut, 3, 8}), word(0), user())
			}},
		{name: "loopback of a pseudowire, its channel too", objects: service(pw(controlWord, pwLoop)), in: East,
			send: func(e env) []byte { return e.fromEast(stack(label{tunnelIn, 0, 64}, label{pIn, 3, 9}), gach) },
			out:  East, want: func(e env) []byte {
				return e.toEast(stack(label{tunnelOut, 3, 255}, label{pOut, 3, 8}), gach)
			}},
		{name: "a blocked segment drops users", objects: segments, in: East, send: func(e env) []byte { return e.pwIn(word(0), user()) }, drop: "blocked"},
		{name: "a blocked segment lets its channel through", objects: segments, in: East, send: func(e env) []byte { return e.pwIn(gach) },
			out: West, want: func(e env) []byte { return e.toWest(stack(label{qOut, 0, 63}), gach) }},
		{name: "loopback of a pseudowire takes TTL 1 out", objects: service(pw(controlWord, pwLoop)), in: East, drop: "ttl-expired",
			send: func(e env) []byte {
				return e.fromEast(stack(label{tunnelIn, 0, 64}, label{pIn, 3, 1}), word(0), user())
			}},
	}
}
