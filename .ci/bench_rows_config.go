//go:build ignore

package main

import "fmt"

// The suites of configuration, management and OAM.

func commitSuite() suite {
	s := suite{name: "one more LSP: edit-config and commit (fsync, data plane)", pkg: daemonPkg, pattern: "^BenchmarkCommit$", time: "300x", seconds: 15}
	for i, z := range sizes[1:] {
		r := fig("one more LSP on "+z.text, fmt.Sprintf("BenchmarkCommit/%d", z.n), "ms/commit").want("<= 5").
			readme("one more LSP, edit-config and commit with data plane, on 1,000 / 10,000 / 100,000")
		if i > 0 {
			r = r.beside("on 1,000", "BenchmarkCommit/1000")
		}
		s.rows = append(s.rows, r)
	}
	for _, z := range sizes[1:] {
		r := fig("resident memory at "+z.text, fmt.Sprintf("BenchmarkCommit/%d", z.n), "MiB-resident").readme("resident memory at 1,000 / 10,000 / 100,000 LSPs (wanted: 10,000)")
		if z.n == 10_000 {
			r = r.want("<= 120")
		}
		s.rows = append(s.rows, r)
	}
	return s
}

func loadSuite() suite {
	const b = "BenchmarkLoad10000"
	return suite{name: "load of 10,000 LSPs", pkg: daemonPkg, pattern: "^BenchmarkLoad10000$", time: "3x", seconds: 8, rows: []row{
		fig("edit, commit, in the data plane", b, "s/load").want("<= 1").readme("load of 10,000 LSPs until all are in the data plane"),
		fig("of which edit-config", b, "s/edit").want("<= 0.35"),
		fig("of which commit", b, "s/commit").want("<= 0.4"),
	}}
}

func readSuite() suite {
	return suite{name: "get-config", pkg: daemonPkg, pattern: "^BenchmarkGetConfig$", time: "1s", seconds: 6, rows: []row{
		fig("get-config of 10,000 LSPs", "BenchmarkGetConfig/10000", "ms/get-config").want("<= 60"),
		fig("get-config of one LSP of 10,000, one after the other", "BenchmarkGetConfig/one", "get-config/s").want(">= 5000").readme("small get-configs, one session"),
	}}
}

func transactionSuite() suite {
	return suite{name: "durable transactions", pkg: daemonPkg, pattern: "^BenchmarkTransaction$", time: "2s", seconds: 5, rows: []row{
		fig("durable one-leaf transactions, one after the other", "BenchmarkTransaction", "transactions/s").want(">= 1500").readme("durable one-leaf transactions, one session"),
	}}
}

// peerSuite holds NETCONF against Debian's netconfd, which has no fsync and no
// SSH.
func peerSuite() suite {
	s := suite{name: "NETCONF beside netconfd 2.13 (no fsync, no SSH)", pkg: daemonPkg, pattern: "^BenchmarkPeer$", time: "10x", seconds: 40}
	for _, c := range []struct{ what, bench, metric, target, as string }{
		{"edit-config of %s of 16 leafs", "load", "ms/edit", "<= 350", "model of 16 leafs, edit-config of 1,000 / 10,000"},
		{"commit of those, %s", "load", "ms/commit", "<= 400", "commit of those"},
		{"one more LSP on %s: edit-config + commit", "one-more", "ms", "<= 5", "one more on 1,000 / 10,000, edit-config and commit"},
		{"get-config of %s", "get-config", "ms", "<= 60", "get-config of 1,000 / 10,000"},
		{"get-config of one of %s by subtree key", "get-one-subtree", "ms", "<= 0.5", "get-config of one of 1,000 / 10,000, by subtree"},
		{"get-config of one of %s by XPath key", "get-one-xpath", "ms", "<= 0.5", "the same by XPath"},
		{"validate of a candidate like running, %s", "validate", "ms", "<= 20", ""},
		{"one-leaf edit-config + commit beside %s", "one-leaf", "ms", "<= 5", "one leaf beside 1,000 / 10,000, edit-config and commit"},
		{"worst read while another session commits %s", "read-delay", "ms-worst", "<= 20", "worst read while another session commits 1,000 / 10,000"},
		{"connect and hello beside %s", "connect", "ms", "<= 20", ""},
		{"resident memory with %s", "resident", "MiB-resident", "<= 120", ""},
	} {
		for _, z := range sizes[1:3] {
			r := fig(fmt.Sprintf(c.what, z.text), fmt.Sprintf("BenchmarkPeer/tandem-%d/%s", z.n, c.bench), c.metric).want(c.target).readme(c.as)
			if z.n == 1000 {
				r = r.beside("netconfd", "BenchmarkPeer/netconfd-1000/"+c.bench)
			}
			s.rows = append(s.rows, r)
		}
	}
	return s
}

func sessionSuite() suite {
	return suite{name: "NETCONF sessions over SSH", pkg: daemonPkg, pattern: "^BenchmarkSessions$", time: "1x", seconds: 10, rows: []row{
		fig("connect, authenticate, hello", "BenchmarkSessions/connect", "ms/connect").want("<= 20").readme("connect, authenticate, hello"),
		fig("1,000 sessions held", "BenchmarkSessions/held", "KiB/session").readme("each of 1,000 sessions held"),
		fig("worst of 100 small get-configs beside them", "BenchmarkSessions/held", "ms-worst"),
	}}
}

func accessSuite() suite {
	const peer, peerBench = "without access control", "BenchmarkGetConfig/none"
	return suite{name: "access control", pkg: "./server/access/nacm", pattern: "^BenchmarkGetConfig$", time: "50x", seconds: 5, rows: []row{
		fig("get-config of 10,000 LSPs encoded under typical rules", "BenchmarkGetConfig/typical", "ns/op").beside(peer, peerBench).want("<= 1.05 x").readme("get-config of 10,000 under typical NACM rules"),
		fig("the same, one leaf hidden in each LSP", "BenchmarkGetConfig/leaf-hidden", "ns/op").beside(peer, peerBench).want("<= 1.05 x"),
	}}
}

func gnmiSuite() suite {
	const fanout, peer, peerBench = "BenchmarkFanout/100x1conns/1leafs", "gRPC alone, same readers", "BenchmarkFanoutCeiling"
	return suite{name: "gNMI", pkg: "./northbound/gnmi", pattern: "^(BenchmarkSetOneLeaf|BenchmarkFanout|BenchmarkFanoutCeiling)$", time: "1s", seconds: 20, rows: []row{
		fig("Set of one leaf on 10,000 leafs, durable", "BenchmarkSetOneLeaf", "ns/op").want("<= 5 ms").readme("gNMI Set of one leaf, durable"),
		fig("fan-out to 100 subscribers, one leaf an event", fanout, "deliveries/s").beside(peer, peerBench).want(">= 500000").readme("gNMI to 100 subscribers"),
		fig("the same, processor time of the server", fanout, "CPU-ns/delivery").beside(peer, peerBench).want("<= 700").readme("the same, processor time of the server for each"),
		fig("the same, 50 leafs an event", "BenchmarkFanout/100x1conns/50leafs", "CPU-ns/delivery").want("<= 700"),
	}}
}

func ccSuite() suite {
	return suite{name: "CC", pkg: daemonPkg, pattern: "^BenchmarkCC$", time: "1x", seconds: 10, rows: []row{
		fig("100 sessions x 10 ms: processor per packet sent or received", "BenchmarkCC", "us-cpu/packet").want("<= 5").readme("CC, 100 sessions at 10 ms, per packet sent or received, kernel included"),
		fig("100 sessions x 10 ms: of one core", "BenchmarkCC", "%-of-core"),
	}}
}

func ccPacketSuite() suite {
	return suite{name: "CC packet in process", pkg: "./oam/shard", pattern: "^BenchmarkCCPacket$", time: "1s", seconds: 4, rows: []row{
		fig("CC packet in process, 1,000 sessions", "BenchmarkCCPacket/sessions=1000", "ns/packet"),
	}}
}
