//go:build ignore

package main

import "fmt"

// row is one line of the table: a metric of a benchmark, and the same metric of
// another that it is held against.
type row struct {
	name   string
	bench  string // Name of the benchmark without the -N suffix.
	metric string // Unit as b.ReportMetric or testing print it.
	// of is the metric of the same benchmark that the figure is a part of.
	of              string
	peer, peerBench string // Empty: none.
	target          string // See judge.
	// as is the line of README's table; rows one after the other with the same
	// share it. Empty: not there.
	as string
}

func fig(name, bench, metric string) row { return row{name: name, bench: bench, metric: metric} }

func (r row) beside(peer, bench string) row { r.peer, r.peerBench = peer, bench; return r }
func (r row) want(target string) row        { r.target = target; return r }
func (r row) in(of string) row              { r.of = of; return r }
func (r row) readme(as string) row          { r.as = as; return r }

// suite is one run of the benchmarks of a package.
type suite struct {
	name         string
	pkg, pattern string
	time         string // -test.benchtime
	seconds      int    // What it takes on a quiet machine, about.
	guest, frr   bool   // In the guest of testdata/vm; with FRR in it.
	rows         []row
}

const (
	ebpfPkg   = "./dataplane/ebpf"
	kernelPkg = "./dataplane/kernel"
	daemonPkg = "./cmd/tandemd"
)

// suites are in the order of the table.
func suites() []suite {
	return []suite{
		programSuite(), programRandomSuite(), forwardSuite(),
		scaleSuite(), switchSuite(), memorySuite(), startSuite(), lossSuite(),
		guestForwardSuite(), guestScaleSuite(), guestServiceSuite(), guestSwitchSuite(),
		commitSuite(), loadSuite(), readSuite(), transactionSuite(), peerSuite(), sessionSuite(), accessSuite(), gnmiSuite(), ccSuite(), ccPacketSuite(),
	}
}

// sizes are numbers of LSPs.
var sizes = []struct {
	n    int
	text string
}{{1, "1 LSP"}, {1000, "1,000 LSPs"}, {10_000, "10,000 LSPs"}, {100_000, "100,000 LSPs"}}

func programSuite() suite {
	const net, as = "net-ns/packet", "program, ns a packet beyond those of an empty one: "
	free := func(name, bench string) row { return fig("program: "+name, bench, net) }
	program := func(name, bench string) row { return free(name, bench).want("<= 35") }
	const main, clients, punts = "BenchmarkProgram/", "BenchmarkProgramClients/", "BenchmarkProgramPunt/"
	labels := as + "swap / push / pop to IP / pop and look up / impose"
	pw := as + "PW encapsulation / decapsulation / switching point"
	rest := as + "punt / the record of it alone / CC consumed / swap into a protected tunnel"
	return suite{name: "programs by BPF_PROG_TEST_RUN, the least of 7 runs, less what an empty program takes", pkg: ebpfPkg, pattern: "^BenchmarkProgram(Clients|Punt)?$", time: "200000x", seconds: 20, rows: []row{
		program("swap", main+"swap").readme(labels), program("swap and push", main+"swap-and-push-1").readme(labels),
		program("pop-to-ip", main+"pop-to-ip").readme(labels), program("pop-and-lookup", main+"pop-and-lookup").readme(labels),
		program("impose one label", main+"impose-1").readme(labels),
		free("swap and push three", main+"swap-and-push-3"), free("unknown label dropped", main+"unknown-label"),
		program("PW encapsulation into a tunnel", clients+"pw-encapsulation").readme(pw), program("PW decapsulation", clients+"pw-decapsulation").readme(pw),
		free("PW switching point (S-PE)", clients+"pw-switching-point").readme(pw),
		free("PW encapsulation, control word, VLAN", clients+"pw-encapsulation-cw-vlan"),
		program("punt", punts+"punt-cc").readme(rest), free("punt: time and an empty record in the ring", punts+"record").readme(rest),
		free("steady CC packet consumed", punts+"consumed-cc").readme(rest),
		free("swap into a protection group", clients+"swap-into-a-group").readme(rest),
	}}
}

func programRandomSuite() suite {
	s := suite{name: "swap of a random one of many LSPs", pkg: ebpfPkg, pattern: "^BenchmarkProgramRandom$", time: "200000x", seconds: 12}
	for _, z := range sizes {
		s.rows = append(s.rows, fig("program: swap, a random one of "+z.text, fmt.Sprintf("BenchmarkProgramRandom/swap-%d", z.n), "net-ns/packet").
			readme("program, ns: swap of a random one of 1 / 1,000 / 10,000 / 100,000 LSPs"))
	}
	return s
}

func forwardSuite() suite {
	const bench, as = "BenchmarkForward/", "1 / 1,000 / 10,000 / 100,000 LSPs beside as many routes"
	s := suite{name: "forwarding, all on one core: generator, elements, sink", pkg: ebpfPkg, pattern: "^BenchmarkForward$", time: "1x", seconds: 60,
		rows: []row{fig("generator and sink alone", bench+"direct", "Mpps").readme("generator and sink alone, one core")}}
	for _, mode := range []struct{ name, text, target string }{{"native", "native XDP", ">= 2 x"}, {"generic", "generic XDP", ">= 1.3 x"}, {"tc", "tc", ""}} {
		for _, z := range sizes {
			r := fig("swap, "+mode.text+", "+z.text, fmt.Sprintf("%sswap-%s-%d", bench, mode.name, z.n), "Mpps").
				beside("kernel IPv4", fmt.Sprintf("%skernel-ipv4-%d", bench, z.n)).readme("label swap, " + mode.text + ", " + as)
			r.target = mode.target
			s.rows = append(s.rows, r)
		}
	}
	s.rows = append(s.rows,
		fig("swap, native XDP, 100,000 LSPs, the rate itself", bench+"swap-native-100000", "Mpps").want(">= 5 Mpps").readme("label swap, native XDP, 100,000 LSPs"),
		fig("swap, native XDP, 100,000 LSPs, labels all over the space", bench+"swap-native-spread-100000", "Mpps").beside("kernel IPv4", bench+"kernel-ipv4-100000"),
		fig("one LSR, native, without generator and sink", bench+"swap-native-1", "node-ns/packet").beside("kernel IPv4", bench+"kernel-ipv4-1").want("<= 0.5 x"),
	)
	const pair = "pair of LERs with a pseudowire, native XDP on the circuit / native, circuit on a veth / generic, circuit on a veth"
	for _, p := range []struct{ text, bench, target string }{
		{"native XDP also on the circuit", "pw-pair-native", ">= 2 x"},
		{"native XDP, circuit relayed as on a veth", "pw-pair-native-relayed", ""},
		{"generic XDP, circuit relayed", "pw-pair-generic-relayed", ""},
	} {
		r := fig("LER pair with a PW, "+p.text, bench+p.bench, "Mpps").beside("two kernel routers", bench+"kernel-ipv4-2-nodes").readme(pair)
		r.target = p.target
		s.rows = append(s.rows, r)
	}
	s.rows = append(s.rows, fig("point-to-multipoint, two copies, generic XDP", bench+"p2mp-2-copies-generic", "Mpps").beside("kernel IPv4", bench+"kernel-ipv4-1").readme("point-to-multipoint, two copies, generic XDP"))
	return s
}

func scaleSuite() suite {
	const bench = "BenchmarkApply/"
	s := suite{name: "eBPF driver, LSPs into the data plane and a full audit", pkg: ebpfPkg, pattern: "^BenchmarkApply$", time: "3x", seconds: 20}
	const rate, audit = "eBPF driver, 10,000 / 100,000 LSPs into the data plane", "eBPF driver, full audit of 10,000 / 100,000"
	for _, z := range sizes[2:] {
		s.rows = append(s.rows, fig("eBPF driver: "+z.text+" into the data plane", fmt.Sprintf("%sput-%d", bench, z.n), "LSPs/s").want(">= 50000").readme(rate))
	}
	for _, z := range sizes[2:] {
		s.rows = append(s.rows, fig("eBPF driver: time until "+z.text+" are there", fmt.Sprintf("%sput-%d", bench, z.n), "s").readme(rate+", time"))
	}
	for _, z := range sizes[2:] {
		s.rows = append(s.rows, fig("eBPF driver: full audit of "+z.text, fmt.Sprintf("%saudit-%d", bench, z.n), "ms").readme(audit))
	}
	return s
}

// switchSizes are numbers of members of a group.
var switchSizes = []struct {
	n    int
	text string
}{{1, "1 member"}, {1000, "1,000 members"}, {10_000, "10,000 members"}}

func switchSuite() suite {
	s := suite{name: "eBPF driver, switch of a group", pkg: ebpfPkg, pattern: "^BenchmarkSwitch$", time: "100000x", seconds: 8}
	for _, z := range switchSizes {
		s.rows = append(s.rows, fig("eBPF driver: switch of a group with "+z.text, fmt.Sprintf("BenchmarkSwitch/%d", z.n), "us/switch").want("<= 1").
			readme("eBPF driver, switch of a group with 1 / 1,000 / 10,000 members"))
	}
	return s
}

func memorySuite() suite {
	return suite{name: "eBPF driver, memory", pkg: ebpfPkg, pattern: "^BenchmarkMemory$", time: "1x", seconds: 6, rows: []row{
		fig("eBPF driver: memory of an LSP in the process, of 100,000", "BenchmarkMemory", "B-process/LSP").readme("eBPF driver, octets of an LSP in the process / in the kernel"),
		fig("eBPF driver: memory of an LSP in the kernel's tables", "BenchmarkMemory", "B-kernel/LSP").readme("eBPF driver, octets of an LSP in the process / in the kernel"),
		fig("eBPF driver: tables that do not grow with LSPs", "BenchmarkMemory", "MiB-kernel-fixed"),
	}}
}

func startSuite() suite {
	const as = "start of the eBPF driver, cold / adopting what a process left / the same with 10,000 LSPs"
	return suite{name: "eBPF driver, start", pkg: ebpfPkg, pattern: "^BenchmarkOpen$", time: "5x", seconds: 10, rows: []row{
		fig("eBPF driver: start, nothing there", "BenchmarkOpen/cold", "ns/op").want("<= 300 ms").readme(as),
		fig("eBPF driver: start, adopting", "BenchmarkOpen/warm", "ns/op").want("<= 300 ms").readme(as),
		fig("eBPF driver: start, adopting 10,000 LSPs", "BenchmarkOpen/adopt-10000", "ns/op").readme(as),
	}}
}

func lossSuite() suite {
	s := suite{name: "frames lost at full speed", pkg: ebpfPkg, pattern: "^BenchmarkLoss$", time: "1x", seconds: 25}
	for _, c := range []struct{ text, bench string }{
		{"3 times kill -9 and start, generic XDP", "kill-generic"}, {"3 times kill -9 and start, native XDP", "kill-native"},
		{"3 times stop and start", "stop"}, {"2 upgrades", "upgrade"}, {"1 change of the tables' layout", "layout"},
		{"5 changes of mode", "mode"}, {"half a second of switches of a group with 10,000 members", "switch"}, {"400 replacements of the LSP", "replace"},
	} {
		s.rows = append(s.rows, fig("lost over "+c.text, "BenchmarkLoss/"+c.bench, "lost").in("sent").want("= 0").
			readme("eBPF driver, frames lost over kill -9 (generic / native XDP) / stop / upgrade / new layout of the tables / change of mode / switch / replace, at full speed"))
	}
	return s
}

func guestForwardSuite() suite {
	const bench = "BenchmarkGuestForward/"
	s := suite{name: "forwarding in the guest (emulated: ratios only)", pkg: ebpfPkg, pattern: "^(BenchmarkGuestForward|BenchmarkDriverChange)$", time: "1x", seconds: 45, guest: true}
	for _, c := range []struct{ name, text string }{
		{"routes", "mpls_router"}, {"chains", "kernel driver (tc)"}, {"ebpf-native", "eBPF, native XDP"}, {"ebpf-generic", "eBPF, generic XDP"},
	} {
		for _, z := range sizes[:2] {
			s.rows = append(s.rows, fig("guest: swap, "+c.text+", "+z.text, fmt.Sprintf("%s%s-%d", bench, c.name, z.n), "Mpps").
				beside("kernel IPv4", fmt.Sprintf("%skernel-ipv4-%d", bench, z.n)).readme("in the guest, label swap, "+c.text+", 1 / 1,000 LSPs"))
		}
	}
	s.rows = append(s.rows,
		fig("guest: swap, eBPF native against mpls_router, 1,000 LSPs", bench+"ebpf-native-1000", "Mpps").beside("mpls_router", bench+"routes-1000"),
		fig("guest: swap, chains against mpls_router, 1,000 LSPs", bench+"chains-1000", "Mpps").beside("mpls_router", bench+"routes-1000"),
		fig("guest: change of driver, kernel to eBPF", "BenchmarkDriverChange/kernel-to-ebpf", "lost").in("sent").readme("in the guest, frames lost over a change of driver, kernel to eBPF / eBPF to kernel"),
		fig("guest: change of driver, eBPF to kernel", "BenchmarkDriverChange/ebpf-to-kernel", "lost").in("sent").readme("in the guest, frames lost over a change of driver, kernel to eBPF / eBPF to kernel"))
	return s
}

func guestScaleSuite() suite {
	const bench = "BenchmarkScale/"
	s := suite{name: "LSPs into the kernel, in the guest (emulated: ratios only)", pkg: kernelPkg, pattern: "^BenchmarkScale$", time: "1x", seconds: 430, guest: true, frr: true}
	drivers := []struct{ name, text string }{{"routes", "kernel driver, routes"}, {"chains", "kernel driver, chains"}, {"ebpf", "eBPF driver"}}
	for _, peer := range []struct{ name, text string }{{"ip-batch", "ip -batch"}, {"zebra", "FRR zebra"}} {
		for _, d := range drivers {
			for _, z := range sizes[2:] {
				s.rows = append(s.rows, fig("guest: "+d.text+", "+z.text+", beside "+peer.text, fmt.Sprintf("%s%s-%d", bench, d.name, z.n), "LSPs/s").
					beside(peer.text, fmt.Sprintf("%s%s-%d", bench, peer.name, z.n)).readme("in the guest, 10,000 / 100,000 LSPs programmed, "+d.text+" beside "+peer.text))
			}
		}
	}
	for _, d := range drivers {
		for _, z := range sizes[2:] {
			s.rows = append(s.rows, fig("guest: "+d.text+", time until "+z.text+" are there", fmt.Sprintf("%s%s-%d", bench, d.name, z.n), "s").
				readme("in the guest, time until 10,000 / 100,000 LSPs are there, "+d.text))
		}
	}
	for _, p := range []struct{ name, text string }{{"ip-batch", "ip -batch"}, {"zebra", "FRR zebra"}} {
		for _, z := range sizes[2:] {
			s.rows = append(s.rows, fig("guest: "+p.text+", time until "+z.text+" are there", fmt.Sprintf("%s%s-%d", bench, p.name, z.n), "s").readme("in the guest, time until 10,000 / 100,000 LSPs are there, "+p.text))
		}
	}
	for _, d := range drivers {
		for _, z := range sizes[2:] {
			at := fmt.Sprintf("%s%s-%d", bench, d.name, z.n)
			s.rows = append(s.rows,
				fig("guest: "+d.text+", full audit of "+z.text, at, "ms-audit"),
				fig("guest: "+d.text+", start adopting "+z.text, at, "ms-adopt"),
				fig("guest: "+d.text+", memory of one of "+z.text+", process", at, "B-process/LSP"))
			if d.name != "ebpf" { // Its tables are there beforehand: BenchmarkMemory.
				s.rows = append(s.rows, fig("guest: "+d.text+", memory of one of "+z.text+", kernel", at, "B-kernel/LSP"))
			}
		}
	}
	return s
}

func guestServiceSuite() suite {
	const bench = "BenchmarkServices/"
	s := suite{name: "services into the kernel, in the guest (emulated: ratios only)", pkg: kernelPkg, pattern: "^BenchmarkServices$", time: "1x", seconds: 150, guest: true}
	numbers := []struct {
		n    int
		text string
	}{{100, "100"}, {1000, "1,000"}, {5000, "5,000"}}
	for _, c := range []struct{ text, metric string }{{"services put", "beside-services/s"}, {"services deleted", "deleted-services/s"}} {
		for _, z := range numbers {
			r := fig("guest: kernel driver, "+c.text+" beside "+z.text, fmt.Sprintf("%schains-%d", bench, z.n), c.metric).
				readme("in the guest, " + c.text + " beside 100 / 1,000 / 5,000, kernel driver")
			if z.n > 100 {
				// O(1): those that are there must not show.
				r = r.beside("beside 100", bench+"chains-100").want(">= 0.5 x")
			}
			s.rows = append(s.rows, r)
		}
	}
	for _, z := range numbers {
		at := fmt.Sprintf("%schains-%d", bench, z.n)
		s.rows = append(s.rows,
			fig("guest: kernel driver, "+z.text+" services from none", at, "services/s"),
			fig("guest: kernel driver, full audit of "+z.text+" services", at, "ms-audit"),
			fig("guest: kernel driver, memory of one of "+z.text+" services, process", at, "B-process/service"),
			fig("guest: kernel driver, memory of one of "+z.text+" services, kernel", at, "B-kernel/service"))
	}
	return s
}

func guestSwitchSuite() suite {
	s := suite{name: "switch of a group, in the guest (emulated: ratios only)", pkg: kernelPkg, pattern: "^BenchmarkSwitchOver$", time: "1x", seconds: 30, guest: true}
	for _, d := range []struct{ name, text string }{{"chains", "kernel driver"}, {"ebpf", "eBPF driver"}} {
		for _, z := range switchSizes {
			r := fig("guest: "+d.text+", switch of a group with "+z.text, fmt.Sprintf("BenchmarkSwitchOver/%s-%d", d.name, z.n), "us/switch").
				readme("in the guest, switch of a group with 1 / 1,000 / 10,000 members, " + d.text)
			if z.n > 1 {
				// O(1): the size of the group must not show.
				r = r.beside("with 1 member", "BenchmarkSwitchOver/"+d.name+"-1").want("<= 2 x")
			}
			s.rows = append(s.rows, r)
		}
	}
	return s
}
