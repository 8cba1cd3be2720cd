package drivertest

import (
	"github.com/tandem-ne/tandem/dataplane"
)

// pseudowireCases: Ethernet over MPLS (RFC 4448) in a tunnel, raw and tagged,
// with and without control word.
func pseudowireCases() []packetCase {
	fromUser := func(env) []byte { return user() }
	toUser := func(env) []byte { return user() }
	twice := func(e env) []dataplane.Object {
		q := served(e, func(v *dataplane.Service) { v.Name, v.Send, v.Receive = "r", "q", []string{"q"} },
			on(func(a *dataplane.Attachment) { a.Interface = e.customer2.Name }))
		return append(service(pw())(e), second(controlWord), q)
	}
	spme := func(e env) []dataplane.Object {
		return append(e.sections(),
			leg("s-out", out("east", 310)), group("spme", "s-out"),
			leg("t-out", into("spme", tunnelOut)), group("t", "t-out"),
			dataplane.LSP{Name: "s-in", Op: popLookup, InLabel: 311},
			dataplane.LSP{Name: "t-in", Op: popLookup, InLabel: tunnelIn},
			pw(controlWord), served(e))
	}
	direct := pw(func(p *dataplane.Pseudowire) { p.Out = out("east", pOut) })
	ttl := pw(func(p *dataplane.Pseudowire) { p.Out.Stack = []dataplane.LabelEntry{{Label: pOut, TTL: 2}} })
	root := func(e env) []dataplane.Object {
		return append(e.sections(), dataplane.LSP{Name: "tree", Op: dataplane.ImposeAndForward, Branches: []dataplane.Branch{
			{Name: "e", NextHop: out("east", 300)}, {Name: "w", NextHop: out("west", 310)},
		}}, group("t", "tree"), pw(controlWord, func(p *dataplane.Pseudowire) { p.InLabel = 0 }),
			served(e, func(v *dataplane.Service) { v.Receive = nil }))
	}
	leaf := service(pw(controlWord, func(p *dataplane.Pseudowire) { p.Out = dataplane.NextHop{} }),
		func(v *dataplane.Service) { v.Send = "" })
	all := []packetCase{
		{name: "pseudowire, from the client", objects: service(pw()), in: Customer, send: fromUser,
			out: East, want: func(e env) []byte { return e.pwOut(0, user()) }},
		{name: "pseudowire, to the client", objects: service(pw()), in: East, send: func(e env) []byte { return e.pwIn(user()) }, out: Customer, want: toUser},
		{name: "control word, from the client", objects: service(pw(controlWord)), in: Customer, send: fromUser,
			out: East, want: func(e env) []byte { return e.pwOut(0, word(0), user()) }},
		{name: "control word, to the client", objects: service(pw(controlWord)), in: East, send: func(e env) []byte { return e.pwIn(word(0), user()) },
			out: Customer, want: toUser},
		{name: "control word, length and flags are not looked at", objects: service(pw(controlWord)), in: East,
			send: func(e env) []byte { return e.pwIn([]byte{0x0f, 0x20, 0, 0}, user()) }, out: Customer, want: toUser},
		{name: "control word, a sequence number nobody asked for", objects: service(pw(controlWord)), in: East,
			send: func(e env) []byte { return e.pwIn(word(4711), user()) }, out: Customer, want: toUser},
		{name: "without control word any first nibble is a frame", objects: service(pw()), in: East,
			send: func(e env) []byte { return e.pwIn(append([]byte{0x12}, user()[1:]...)) },
			out:  Customer, want: func(env) []byte { return append([]byte{0x12}, user()[1:]...) }},
		{name: "sequence numbers begin with 1", objects: service(pw(sequencing)), in: Customer, send: fromUser,
			out: East, want: func(e env) []byte { return e.pwOut(0, word(1), user()) }},
		{name: "sequence number 0 passes", objects: service(pw(sequencing)), in: East, send: func(e env) []byte { return e.pwIn(word(0), user()) },
			out: Customer, want: toUser},
		{name: "sequence number ahead passes", objects: service(pw(sequencing)), in: East, send: func(e env) []byte { return e.pwIn(word(32768), user()) },
			out: Customer, want: toUser},
		{name: "raw mode carries tags as they are", objects: service(pw()), in: Customer, send: func(env) []byte { return user(ctag(7).at(3), ctag(8)) },
			out: East, want: func(e env) []byte { return e.pwOut(0, user(ctag(7).at(3), ctag(8))) }},
		{name: "tagged mode adds a tag", objects: service(pw(taggedMode)), in: Customer, send: fromUser,
			out: East, want: func(e env) []byte { return e.pwOut(0, user(ctag(0))) }},
		{name: "tagged mode keeps a tag", objects: service(pw(taggedMode)), in: Customer, send: func(env) []byte { return user(ctag(7).at(3)) },
			out: East, want: func(e env) []byte { return e.pwOut(0, user(ctag(7).at(3))) }},
		{name: "tagged mode takes its own tag off", objects: service(pw(taggedMode)), in: East, send: func(e env) []byte { return e.pwIn(user(ctag(0))) },
			out: Customer, want: toUser},
		{name: "tagged mode leaves another tag on", objects: service(pw(taggedMode)), in: East, send: func(e env) []byte { return e.pwIn(user(ctag(7))) },
			out: Customer, want: func(env) []byte { return user(ctag(7)) }},
		{name: "the first of two pseudowires in a tunnel", objects: twice, in: East, send: func(e env) []byte { return e.pwIn(user()) }, out: Customer, want: toUser},
		{name: "the second of two pseudowires in a tunnel", objects: twice, in: East,
			send: func(e env) []byte {
				return e.fromEast(stack(label{tunnelIn, 0, 64}, label{qIn, 0, 64}), word(0), user())
			},
			out: Customer2, want: toUser},
		{name: "from the second client", objects: twice, in: Customer2, send: fromUser,
			out: East, want: func(e env) []byte {
				return e.toEast(stack(label{tunnelOut, 0, 255}, label{qOut, 0, 255}), word(0), user())
			}},
		{name: "a pseudowire in a tunnel in an SPME, from the client", objects: spme, in: Customer, send: fromUser,
			out: East, want: func(e env) []byte {
				return e.toEast(stack(label{310, 0, 255}, label{tunnelOut, 0, 255}, label{pOut, 0, 255}), word(0), user())
			}},
		{name: "a pseudowire in a tunnel in an SPME, to the client", objects: spme, in: East,
			send: func(e env) []byte {
				return e.fromEast(stack(label{311, 0, 9}, label{tunnelIn, 0, 64}, label{pIn, 0, 64}), word(0), user())
			}, out: Customer, want: toUser},
		{name: "a pseudowire right on a section", objects: service(direct), in: Customer, send: fromUser,
			out: East, want: func(e env) []byte { return e.toEast(stack(label{pOut, 0, 255}), user()) }},
		{name: "a pseudowire right off a section", objects: service(direct), in: East, send: func(e env) []byte { return e.fromEast(stack(label{pIn, 0, 64}), user()) },
			out: Customer, want: toUser},
		{name: "the TTL of the pseudowire's label", objects: service(ttl), in: Customer, send: fromUser,
			out: East, want: func(e env) []byte { return e.toEast(stack(label{tunnelOut, 0, 255}, label{pOut, 0, 2}), user()) }},
		{name: "a payload as long as the MTU", objects: service(pw(func(p *dataplane.Pseudowire) { p.MTU = 100 })), in: Customer,
			send: func(env) []byte { return userOf(100, ctag(7), ctag(8)) },
			out:  East, want: func(e env) []byte { return e.pwOut(0, userOf(100, ctag(7), ctag(8))) }},
		{name: "the root of a point-to-multipoint pseudowire", objects: root, in: Customer, send: fromUser,
			out: East, want: func(e env) []byte { return e.pwOut(0, word(0), user()) },
			also: func(e env) []copied {
				return []copied{{West, e.toWest(stack(label{310, 0, 255}, label{pOut, 0, 255}), word(0), user())}}
			}},
		{name: "a leaf of a point-to-multipoint pseudowire", objects: leaf, in: East, send: func(e env) []byte { return e.pwIn(word(0), user()) },
			out: Customer, want: toUser},
		{name: "a leaf sends nothing", objects: leaf, in: Customer, send: fromUser, drop: "pseudowire-down"},
	}
	return append(all, pairCases()...)
}

// pairCases: redundant pseudowires.
func pairCases() []packetCase {
	pair := func(change func(*dataplane.Group)) func(e env) []dataplane.Object {
		return func(e env) []dataplane.Object {
			g := dataplane.Group{Name: "pair", Pseudowires: true, Legs: []string{"p", "q"}}
			change(&g)
			return append(append(e.sections(), tunnel()...), pw(), second(), g,
				served(e, func(v *dataplane.Service) { v.Send, v.SendGroup, v.Receive = "pair", true, []string{"p", "q"} }))
		}
	}
	selector := pair(func(*dataplane.Group) {})
	standby := pair(func(g *dataplane.Group) { g.Active = 1 })
	permanent := pair(func(g *dataplane.Group) { g.Permanent = true })
	fromUser := func(env) []byte { return user() }
	onQ := func(e env) []byte { return e.fromEast(stack(label{tunnelIn, 0, 64}, label{qIn, 0, 64}), user()) }
	sentOnQ := func(e env) []byte { return e.toEast(stack(label{tunnelOut, 0, 255}, label{qOut, 0, 255}), user()) }
	return []packetCase{
		{name: "redundant pseudowires send on the active one", objects: selector, in: Customer, send: fromUser,
			out: East, want: func(e env) []byte { return e.pwOut(0, user()) }},
		{name: "redundant pseudowires, the second active", objects: standby, in: Customer, send: fromUser, out: East, want: sentOnQ},
		{name: "redundant pseudowires take from both", objects: selector, in: East, send: onQ, out: Customer, want: fromUser},
		{name: "a permanent bridge of pseudowires", objects: permanent, in: Customer, send: fromUser,
			out: East, want: func(e env) []byte { return e.pwOut(0, user()) },
			also: func(e env) []copied { return []copied{{East, sentOnQ(e)}} }},
		{name: "a permanent bridge takes from the active pseudowire", objects: permanent, in: East, send: func(e env) []byte { return e.pwIn(user()) },
			out: Customer, want: fromUser},
		{name: "a permanent bridge does not take from the other", objects: permanent, in: East, send: onQ, drop: "not-selected"},
		{name: "redundant pseudowires that are down drop", objects: pair(func(g *dataplane.Group) { g.Down = true }), in: Customer, send: fromUser, drop: "group-down"},
	}
}

// badPseudowireCases: what must not pass a pseudowire.
func badPseudowireCases() []packetCase {
	fromUser := func(env) []byte { return user() }
	in := func(body ...[]byte) func(env) []byte { return func(e env) []byte { return e.pwIn(body...) } }
	mtu := func(p *dataplane.Pseudowire) { p.MTU = 100 }
	serviceDown := func(v *dataplane.Service) { v.Down = true }
	alone := func(e env) []dataplane.Object { return append(append(e.sections(), tunnel()...), pw()) }
	return []packetCase{
		{name: "control word of nibble 2 drops", objects: service(pw(controlWord)), in: East, send: in([]byte{0x20, 0, 0, 0}, user()), drop: "control-word"},
		{name: "control word of nibble 4 drops", objects: service(pw(controlWord)), in: East, send: in([]byte{0x45, 0, 0, 0}, user()), drop: "control-word"},
		{name: "half a control word drops", objects: service(pw(controlWord)), in: East, send: in([]byte{0, 0}), drop: "control-word"},
		{name: "a channel of the pseudowire is not for the client", objects: service(pw(controlWord)), in: East, send: in([]byte{0x10, 0, 0, 7}, []byte("on the channel"))},
		{name: "sequence number behind drops", objects: service(pw(sequencing)), in: East, send: in(word(40000), user()), drop: "sequence"},
		{name: "TTL 1 at the label of a pseudowire drops", objects: service(pw()), in: East, drop: "ttl-expired",
			send: func(e env) []byte { return e.fromEast(stack(label{tunnelIn, 0, 64}, label{pIn, 0, 1}), user()) }},
		{name: "TTL 1 above a pseudowire drops", objects: service(pw()), in: East, drop: "ttl-expired",
			send: func(e env) []byte { return e.fromEast(stack(label{tunnelIn, 0, 1}, label{pIn, 0, 64}), user()) }},
		{name: "a label below that of a pseudowire drops", objects: service(pw()), in: East, drop: "malformed",
			send: func(e env) []byte {
				return e.fromEast(stack(label{tunnelIn, 0, 64}, label{pIn, 0, 64}, label{777, 0, 64}), user())
			}},
		{name: "a runt drops", objects: service(pw()), in: East, send: in(user()[:13]), drop: "runt"},
		{name: "a runt behind a control word drops", objects: service(pw(controlWord)), in: East, send: in(word(0), user()[:10]), drop: "runt"},
		{name: "half a tag drops", objects: service(pw()), in: East, send: in(user(ctag(7))[:15]), drop: "runt"},
		{name: "nothing at all drops", objects: service(pw()), in: East, send: in(), drop: "runt"},
		{name: "a payload too long from the client drops", objects: service(pw(mtu)), in: Customer, send: func(env) []byte { return userOf(101) }, drop: "payload-too-long"},
		{name: "a payload too long to the client drops", objects: service(pw(mtu)), in: East, send: in(userOf(101)), drop: "payload-too-long"},
		{name: "a frame too long for the section with its labels drops", objects: service(pw()), in: Customer, send: func(env) []byte { return userOf(1490) }, drop: "too-long"},
		{name: "a frame as long as the section takes", objects: service(pw(controlWord)), in: Customer, send: func(env) []byte { return userOf(1474) },
			out: East, want: func(e env) []byte { return e.pwOut(0, word(0), userOf(1474)) }},
		{name: "a pseudowire without client drops", objects: alone, in: East, send: in(user()), drop: "no-attachment"},
		{name: "a pseudowire that is down drops to the client", objects: service(pw(pwDown)), in: East, send: in(user()), drop: "pseudowire-down"},
		{name: "a pseudowire that is down drops from the client", objects: service(pw(pwDown)), in: Customer, send: fromUser, drop: "pseudowire-down"},
		{name: "a service that is down drops to the client", objects: service(pw(), serviceDown), in: East, send: in(user()), drop: "service-down"},
		{name: "a service that is down drops from the client", objects: service(pw(), serviceDown), in: Customer, send: fromUser, drop: "service-down"},
		{name: "tagged mode drops what has no tag", objects: service(pw(taggedMode)), in: East, send: in(user()), drop: "vlan-mismatch"},
		{name: "a pseudowire in a tunnel that is down drops", in: Customer, send: fromUser, drop: "group-down",
			objects: func(e env) []dataplane.Object {
				g := group("t", "t-out")
				g.Down = true
				return append(e.sections(), leg("t-out", out("east", tunnelOut)), g, pw(), served(e))
			}},
		{name: "the label of a pseudowire that is unknown drops", objects: service(pw()), in: East, drop: "unknown-label",
			send: func(e env) []byte { return e.fromEast(stack(label{tunnelIn, 0, 64}, label{pIn + 9, 0, 64}), user()) }},
	}
}

// segmentCases: switching points (RFC 6073).
func segmentCases() []packetCase {
	point := func(change ...func(*dataplane.Pseudowire)) func(e env) []dataplane.Object {
		return func(e env) []dataplane.Object {
			west := second(append([]func(*dataplane.Pseudowire){func(q *dataplane.Pseudowire) { q.Out = into("u", qOut) }}, change...)...)
			return append(append(e.sections(), tunnel()...),
				leg("u-out", out("west", 320)), group("u", "u-out"), dataplane.LSP{Name: "u-in", Op: popLookup, InLabel: 321},
				pw(change...), west, dataplane.SwitchingPoint{Name: "s", Segments: [2]string{"p", "q"}})
		}
	}
	from := func(l label, body ...[]byte) func(env) []byte {
		return func(e env) []byte {
			return e.fromEast(append([][]byte{stack(label{tunnelIn, 0, 64}, l)}, body...)...)
		}
	}
	toWest := func(l label, body ...[]byte) func(env) []byte {
		return func(e env) []byte {
			return e.toWest(append([][]byte{stack(label{320, l.tc, 255}, l)}, body...)...)
		}
	}
	ach := []byte("\x10\x00\x00\x07on the channel")
	return []packetCase{
		{name: "a switching point, one way", objects: point(controlWord), in: East, send: from(label{pIn, 5, 64}, word(7), user()),
			out: West, want: toWest(label{qOut, 5, 63}, word(7), user())},
		{name: "a switching point, the other way", objects: point(controlWord), in: West,
			send: func(e env) []byte { return e.fromWest(stack(label{321, 0, 64}, label{qIn, 5, 64}), word(7), user()) },
			out:  East, want: func(e env) []byte {
				return e.toEast(stack(label{tunnelOut, 5, 255}, label{pOut, 5, 63}), word(7), user())
			}},
		{name: "a switching point without control word", objects: point(), in: East, send: from(label{pIn, 0, 9}, user()),
			out: West, want: toWest(label{qOut, 0, 8}, user())},
		{name: "a switching point passes the channel on", objects: point(controlWord), in: East, send: from(label{pIn, 0, 64}, ach),
			out: West, want: toWest(label{qOut, 0, 63}, ach)},
		{name: "a switching point does not count sequence numbers", objects: point(sequencing), in: East, send: from(label{pIn, 0, 64}, word(40000), user()),
			out: West, want: toWest(label{qOut, 0, 63}, word(40000), user())},
		{name: "TTL 1 at a switching point drops", objects: point(controlWord), in: East, send: from(label{pIn, 0, 1}, word(0), user()), drop: "ttl-expired"},
		{name: "TTL 2 at a switching point passes", objects: point(controlWord), in: East, send: from(label{pIn, 0, 2}, word(0), user()),
			out: West, want: toWest(label{qOut, 0, 1}, word(0), user())},
		{name: "a segment that is down drops", objects: point(pwDown), in: East, send: from(label{pIn, 0, 64}, user()), drop: "pseudowire-down"},
	}
}
