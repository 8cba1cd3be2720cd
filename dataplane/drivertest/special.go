package drivertest

import (
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
)

// specialCases: special-purpose labels (RFC 3032 section 2.1, RFC 4182, RFC
// 6790, RFC 7274) and deep stacks.
func specialCases() []packetCase {
	v4, v6 := ip(remoteIPv4, clientIPv4, 64), ip(remoteIPv6, clientIPv6, 64)
	through := lsp(swap, 100, out("east", 200))
	ends := dataplane.LSP{Name: "end", Op: popLookup, InLabel: 110}
	both := with(through, ends)
	from := func(body ...[]byte) func(env) []byte { return func(e env) []byte { return e.fromWest(body...) } }
	entropy := []dataplane.Feature{dataplane.FeatureEntropy}
	const (
		null4, alert, null6, implicit, eli, xl = dataplane.ExplicitNullIPv4, dataplane.RouterAlert, dataplane.ExplicitNullIPv6,
			dataplane.ImplicitNull, dataplane.EntropyIndicator, dataplane.ExtensionLabel
	)
	all := []packetCase{{
		name: "impose explicit null for IPv4", objects: with(imposing(out("east", 200, null4), remotePrefix)),
		in: Client, send: func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 64)) },
		out: East, want: func(e env) []byte {
			return e.toEast(stack(label{200, 0, 255}, label{null4, 0, 255}), ip(clientIPv4, remoteIPv4, 63))
		},
	}, {
		name: "impose explicit null for IPv6", objects: with(imposing(out("east", null6), "2001:db8:100::/48")),
		in: Client, send: func(e env) []byte { return e.fromClient(ip(clientIPv6, remoteIPv6, 64)) },
		out: East, want: func(e env) []byte { return e.toEast(stack(label{null6, 0, 255}), ip(clientIPv6, remoteIPv6, 63)) },
	}, {
		name: "swap to explicit null", objects: with(lsp(swap, 100, out("east", null4))),
		in: West, send: from(stack(label{100, 5, 64}, label{777, 3, 9}), v4),
		out: East, want: func(e env) []byte { return e.toEast(stack(label{null4, e.tc(5), 63}, label{777, 3, 9}), v4) },
	}, {
		name: "explicit null alone: IPv4", objects: both, in: West, send: from(stack(label{null4, 5, 64}), v4),
		out: Client, want: func(e env) []byte { return e.toClient(ip(remoteIPv4, clientIPv4, e.payload(63))) },
	}, {
		name: "explicit null alone: IPv6", objects: both, in: West, send: from(stack(label{null6, 5, 64}), v6),
		out: Client, want: func(e env) []byte { return e.toClient(ip(remoteIPv6, clientIPv6, e.payload(63))) },
	}, {
		name: "explicit null below the label of an LSP", objects: both, in: West, send: from(stack(label{110, 5, 64}, label{null4, 5, 64}), v4),
		out: Client, want: func(e env) []byte { return e.toClient(ip(remoteIPv4, clientIPv4, e.payload(63))) },
	}, {
		name: "explicit null above another label", objects: both, in: West, send: from(stack(label{null6, 5, 64}, label{100, 3, 9}), v4),
		out: East, want: func(e env) []byte { return e.toEast(stack(label{200, e.tc(3), 8}), v4) },
	}, {
		name: "an entropy label goes with the label of the LSP: IP", only: entropy, objects: both, in: West,
		send: from(stack(label{110, 5, 64}, label{eli, 5, 64}, label{4711, 0, 0}), v4),
		out:  Client, want: func(e env) []byte { return e.toClient(ip(remoteIPv4, clientIPv4, e.payload(63))) },
	}, {
		name: "an entropy label goes with the label of the LSP: another label", only: entropy, objects: both, in: West,
		send: from(stack(label{110, 5, 64}, label{eli, 5, 64}, label{4711, 0, 0}, label{100, 3, 9}), v4),
		out:  East, want: func(e env) []byte { return e.toEast(stack(label{200, 3, 8}), v4) },
	}, {
		name: "an entropy label is not looked at where the LSP goes on", objects: both, in: West,
		send: from(stack(label{100, 5, 64}, label{eli, 5, 64}, label{4711, 0, 0}), v4),
		out:  East, want: func(e env) []byte {
			return e.toEast(stack(label{200, e.tc(5), 63}, label{eli, 5, 64}, label{4711, 0, 0}), v4)
		},
	}, {
		name: "a stack of eight labels taken off", objects: both, in: West,
		send: from(stack(label{110, 1, 64}, label{110, 1, 64}, label{110, 1, 64}, label{110, 1, 64}, label{110, 1, 64}, label{110, 1, 64}, label{110, 1, 64}, label{100, 3, 9}), v4),
		out:  East, want: func(e env) []byte { return e.toEast(stack(label{200, e.tc(3), 8}), v4) },
	}, {
		name: "a stack of four labels imposed", objects: with(lsp(popImpose, 100, out("east", 600, 500, 400, 300))), in: West,
		send: from(stack(label{100, 5, 64}), v4),
		out:  East, want: func(e env) []byte {
			imposed := func(l uint32) label { return label{l, e.tc(5), e.imposed(255, 64)} }
			return e.toEast(stack(imposed(600), imposed(500), imposed(400), imposed(300)), v4)
		},
	}}
	for _, reserved := range []uint32{implicit, 4, 5, 6, 8, 9, 10, 11, 12, 14} {
		all = append(all,
			packetCase{name: fmt.Sprintf("special label %d drops", reserved), objects: both, in: West, drop: "special-label", send: from(stack(label{reserved, 0, 64}), v4)},
			packetCase{name: fmt.Sprintf("special label %d below an LSP drops", reserved), objects: both, in: West, drop: "special-label", send: from(stack(label{110, 0, 64}, label{reserved, 0, 64}), v4)})
	}
	imposes := imposing(out("east", 200), remotePrefix)
	imposes.EntropyLabel = true
	return append(all, []packetCase{
		{name: "an entropy label indicator on top drops", objects: both, in: West, drop: "entropy-label", send: from(stack(label{eli, 0, 64}, label{4711, 0, 0}), v4)},
		{name: "an entropy label indicator below an explicit null drops", objects: both, in: West, drop: "entropy-label", send: from(stack(label{null4, 0, 64}, label{eli, 0, 64}, label{4711, 0, 0}), v4)},
		{name: "an entropy label indicator at the bottom drops", objects: both, in: West, drop: "entropy-label", send: from(stack(label{110, 0, 64}, label{eli, 0, 64}), v4)},
		{name: "a special label as entropy label drops", objects: both, in: West, drop: "entropy-label", send: from(stack(label{110, 0, 64}, label{eli, 0, 64}, label{13, 0, 0}), v4)},
		{name: "an extended special label drops", objects: both, in: West, drop: "extension-label", send: from(stack(label{xl, 0, 64}, label{16, 0, 64}), v4)},
		{name: "an extended special label is no ordinary one", objects: both, in: West, drop: "extension-label", send: from(stack(label{xl, 0, 64}, label{100, 0, 64}), v4)},
		{name: "an extension label below an LSP drops", objects: both, in: West, drop: "extension-label", send: from(stack(label{110, 0, 64}, label{xl, 0, 64}, label{100, 0, 64}), v4)},
		{name: "an extension label at the bottom drops", objects: both, in: West, drop: "extension-label", send: from(stack(label{110, 0, 64}, label{xl, 0, 64}), v4)},
		{name: "explicit null of IPv4 on IPv6 drops", objects: both, in: West, drop: "unknown-payload", send: from(stack(label{null4, 0, 64}), v6)},
		{name: "explicit null of IPv6 on IPv4 drops", objects: both, in: West, drop: "unknown-payload", send: from(stack(label{null6, 0, 64}), v4)},
		{name: "router alert on top is not forwarded", objects: both, in: West, send: from(stack(label{alert, 0, 64}, label{100, 0, 64}), v4)},
		{name: "router alert at the bottom drops", objects: both, in: West, drop: "malformed", send: from(stack(label{110, 0, 64}, label{alert, 0, 64}), v4)},
		{name: "a GAL with nothing below goes nowhere", objects: both, in: West, send: from(stack(label{110, 0, 64}, label{13, 0, 1}))},
		{name: "a GAL that is not the bottom drops", objects: both, in: West, drop: "malformed", send: from(stack(label{110, 0, 64}, label{13, 0, 1}, label{100, 0, 1}), v4)},
		{name: "a stack that ends before its bottom drops", objects: both, in: West, drop: "no-bottom", send: from(openStack(label{110, 0, 64}, label{110, 0, 64}))},
		{name: "a stack too deep drops", objects: both, in: West, drop: "too-deep", send: func(e env) []byte {
			labels := make([]label, e.caps.MaxReceive+1)
			for i := range labels {
				labels[i] = label{110, 0, 64}
			}
			return e.fromWest(stack(append(labels, label{100, 0, 64})...), v4)
		}, out: East, want: func(e env) []byte {
			if e.caps.Driver != "kernel-routes" {
				return nil
			}
			// Each label goes round by lo once more; there is no end to it.
			return e.toEast(stack(label{200, 0, 63}), v4)
		}},
		{name: "what is no IP at the end of an LSP drops", objects: both, in: West, drop: "unknown-payload", send: from(stack(label{110, 0, 64}), []byte("\x00\x00\x00\x00control word"))},
		{name: "an LSP with an entropy label", objects: with(imposes), in: Client,
			send: func(e env) []byte { return e.fromClient(ip(clientIPv4, remoteIPv4, 64)) },
			out:  East, want: func(e env) []byte {
				return e.toEast(stack(label{200, 0, 255}, label{eli, 0, 255}, label{16, 0, 0}), ip(clientIPv4, remoteIPv4, 63))
			},
			mask: func(f []byte) []byte {
				g := append([]byte(nil), f...)
				if at := 14 + 8; len(g) > at+4 && (g[at] != 0 || g[at+1] != 0) { // At least 16: some bit above the lowest four.
					g[at], g[at+1], g[at+2] = 1, 0, g[at+2]&0xf
				}
				return g
			}},
	}...)
}
