//go:build ignore

// Command bench runs the benchmarks behind the figures that design and README
// promise, prints them as one table and appends each row as a JSON object to
// the file named by BENCH_OUT. A figure of a peer is measured in the same run,
// on the same machine, or left out.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// row is one line of the table: a metric of a benchmark, and the metric of
// another that it is held against.
type row struct {
	name      string
	bench     string // Name of the benchmark without the -N suffix.
	metric    string // Unit as b.ReportMetric or testing print it.
	peer      string // What the peer is; empty: none.
	peerBench string
	target    string
}

// suite is one run of go test.
type suite struct {
	pkg, pattern, time string
	rows               []row
}

// result is what BENCH_OUT gets.
type result struct {
	Time   string  `json:"time"`
	Name   string  `json:"name"`
	Figure float64 `json:"figure"`
	Unit   string  `json:"unit"`
	Peer   string  `json:"peer,omitempty"`
	PeerIs float64 `json:"peer_figure,omitempty"`
	Ratio  float64 `json:"ratio,omitempty"`
	Target string  `json:"target,omitempty"`
	// JitterP99 is how late a 1 ms sleep was on this machine just before the
	// row was measured, in microseconds.
	JitterP99 float64 `json:"jitter_p99_us"`
}

const (
	ebpfPkg      = "./dataplane/ebpf"
	daemonPkg    = "./cmd/tandemd"
	ipv4         = "kernel IPv4 forwarding, same topology"
	ipv4Bench    = "BenchmarkForward/kernel-ipv4"
	fanout       = "BenchmarkFanout/100x1conns/1leafs"
	ceiling      = "gRPC alone, same readers"
	ceilingBench = "BenchmarkFanoutCeiling"
	oneCommit    = "one more LSP: edit-config + commit (fsync, data plane) on "
	atThousand   = "the same on 1,000"
	noRules      = "without access control"
	noRulesBench = "BenchmarkGetConfig/none"
	netconfd     = "netconfd 2.13, no fsync, no SSH"
)

// suites are in the order of the table in the design.
var suites = []suite{
	{daemonPkg, "^BenchmarkCommit$", "300x", []row{
		{oneCommit + "1,000", "BenchmarkCommit/1000", "ms/commit", "", "", "<= 5"},
		{oneCommit + "10,000", "BenchmarkCommit/10000", "ms/commit", atThousand, "BenchmarkCommit/1000", "<= 5"},
		{oneCommit + "100,000", "BenchmarkCommit/100000", "ms/commit", atThousand, "BenchmarkCommit/1000", "<= 5"},
		{"resident memory at 1,000 LSPs", "BenchmarkCommit/1000", "MiB-resident", "", "", ""},
		{"resident memory at 10,000 LSPs", "BenchmarkCommit/10000", "MiB-resident", "", "", "<= 120"},
		{"resident memory at 100,000 LSPs", "BenchmarkCommit/100000", "MiB-resident", "", "", ""},
	}},
	{daemonPkg, "^BenchmarkLoad10000$", "3x", []row{
		{"load of 10,000 LSPs: edit + commit + in the data plane", "BenchmarkLoad10000", "s/load", "", "", "<= 1"},
		{"of which edit-config", "BenchmarkLoad10000", "s/edit", "", "", "<= 0.35"},
		{"of which commit", "BenchmarkLoad10000", "s/commit", "", "", "<= 0.4"},
	}},
	{daemonPkg, "^BenchmarkGetConfig$", "1s", []row{
		{"get-config of 10,000 LSPs", "BenchmarkGetConfig/10000", "ms/get-config", "", "", "<= 60"},
		{"get-config of one LSP of 10,000, one after the other", "BenchmarkGetConfig/one", "get-config/s", "", "", ">= 5000"},
	}},
	{daemonPkg, "^BenchmarkTransaction$", "2s", []row{
		{"durable one-leaf transactions, one after the other", "BenchmarkTransaction", "transactions/s", "", "", ">= 1500"},
	}},
	{daemonPkg, "^BenchmarkPeer$", "10x", []row{
		{"edit-config of 1,000 LSPs of 16 leafs", "BenchmarkPeer/tandem-1000/load", "ms/edit", netconfd, "BenchmarkPeer/netconfd-1000/load", "<= 350"},
		{"edit-config of 10,000 LSPs of 16 leafs", "BenchmarkPeer/tandem-10000/load", "ms/edit", "", "", "<= 350"},
		{"commit of those (1,000)", "BenchmarkPeer/tandem-1000/load", "ms/commit", netconfd, "BenchmarkPeer/netconfd-1000/load", "<= 400"},
		{"commit of those (10,000)", "BenchmarkPeer/tandem-10000/load", "ms/commit", "", "", "<= 400"},
		{"one more LSP on 1,000: edit-config + commit", "BenchmarkPeer/tandem-1000/one-more", "ms", netconfd, "BenchmarkPeer/netconfd-1000/one-more", "<= 5"},
		{"one more LSP on 10,000: edit-config + commit", "BenchmarkPeer/tandem-10000/one-more", "ms", "", "", "<= 5"},
		{"get-config of 1,000 LSPs", "BenchmarkPeer/tandem-1000/get-config", "ms", netconfd, "BenchmarkPeer/netconfd-1000/get-config", "<= 60"},
		{"get-config of 10,000 LSPs", "BenchmarkPeer/tandem-10000/get-config", "ms", "", "", "<= 60"},
		{"get-config of one of 1,000 by subtree key", "BenchmarkPeer/tandem-1000/get-one-subtree", "ms", netconfd, "BenchmarkPeer/netconfd-1000/get-one-subtree", "<= 0.5"},
		{"get-config of one of 10,000 by subtree key", "BenchmarkPeer/tandem-10000/get-one-subtree", "ms", "", "", "<= 0.5"},
		{"get-config of one of 1,000 by XPath key", "BenchmarkPeer/tandem-1000/get-one-xpath", "ms", netconfd, "BenchmarkPeer/netconfd-1000/get-one-xpath", "<= 0.5"},
		{"get-config of one of 10,000 by XPath key", "BenchmarkPeer/tandem-10000/get-one-xpath", "ms", "", "", "<= 0.5"},
		{"validate of a candidate like running, 1,000 LSPs", "BenchmarkPeer/tandem-1000/validate", "ms", netconfd, "BenchmarkPeer/netconfd-1000/validate", "<= 20"},
		{"validate of a candidate like running, 10,000 LSPs", "BenchmarkPeer/tandem-10000/validate", "ms", "", "", "<= 20"},
		{"one-leaf edit-config + commit beside 1,000 LSPs", "BenchmarkPeer/tandem-1000/one-leaf", "ms", netconfd, "BenchmarkPeer/netconfd-1000/one-leaf", "<= 5"},
		{"one-leaf edit-config + commit beside 10,000 LSPs", "BenchmarkPeer/tandem-10000/one-leaf", "ms", "", "", "<= 5"},
		{"worst read while another session commits 1,000 LSPs", "BenchmarkPeer/tandem-1000/read-delay", "ms-worst", netconfd, "BenchmarkPeer/netconfd-1000/read-delay", "<= 20"},
		{"worst read while another session commits 10,000 LSPs", "BenchmarkPeer/tandem-10000/read-delay", "ms-worst", "", "", "<= 20"},
		{"connect and hello beside 1,000 LSPs", "BenchmarkPeer/tandem-1000/connect", "ms", netconfd, "BenchmarkPeer/netconfd-1000/connect", "<= 20"},
		{"connect and hello beside 10,000 LSPs", "BenchmarkPeer/tandem-10000/connect", "ms", "", "", "<= 20"},
		{"resident memory with 1,000 LSPs", "BenchmarkPeer/tandem-1000/resident", "MiB-resident", netconfd, "BenchmarkPeer/netconfd-1000/resident", "<= 120"},
		{"resident memory with 10,000 LSPs", "BenchmarkPeer/tandem-10000/resident", "MiB-resident", "", "", "<= 120"},
	}},
	{daemonPkg, "^BenchmarkSessions$", "1x", []row{
		{"connect, authenticate, hello", "BenchmarkSessions/connect", "ms/connect", "", "", "<= 20"},
		{"1,000 NETCONF sessions held over SSH", "BenchmarkSessions/held", "KiB/session", "", "", ""},
		{"worst of 100 small get-configs beside them", "BenchmarkSessions/held", "ms-worst", "", "", ""},
	}},
	{"./server/access/nacm", "^BenchmarkGetConfig$", "50x", []row{
		{"get-config of 10,000 LSPs encoded under typical NACM rules", "BenchmarkGetConfig/typical", "ns/op", noRules, noRulesBench, "<= 1.05 x"},
		{"the same, one leaf hidden in each LSP", "BenchmarkGetConfig/leaf-hidden", "ns/op", noRules, noRulesBench, "<= 1.05 x"},
	}},
	{"./northbound/gnmi", "^(BenchmarkSetOneLeaf|BenchmarkFanout|BenchmarkFanoutCeiling)$", "1s", []row{
		{"gNMI Set of one leaf on 10,000 leafs, durable", "BenchmarkSetOneLeaf", "ns/op", "", "", "<= 5e6"},
		{"gNMI fan-out to 100 subscribers, one leaf an event", fanout, "deliveries/s", ceiling, ceilingBench, ">= 500000"},
		{"the same, processor time of the server", fanout, "CPU-ns/delivery", ceiling, ceilingBench, "<= 700"},
		{"the same, 50 leafs an event", "BenchmarkFanout/100x1conns/50leafs", "CPU-ns/delivery", "", "", "<= 700"},
	}},
	{daemonPkg, "^BenchmarkCC$", "1x", []row{
		{"CC at 100 sessions x 10 ms: processor per packet sent or received", "BenchmarkCC", "us-cpu/packet", "", "", "<= 5"},
		{"CC at 100 sessions x 10 ms: of one core", "BenchmarkCC", "%-of-core", "", "", ""},
	}},
	{"./oam/shard", "^BenchmarkCCPacket$", "1s", []row{
		{"CC packet in process, 1,000 sessions", "BenchmarkCCPacket/sessions=1000", "ns/packet", "", "", ""},
	}},
	{ebpfPkg, "^BenchmarkForward$", "1x", []row{
		{"generator and sink alone, one core", "BenchmarkForward/direct", "Mpps", "", "", ""},
		{"swap, native XDP, 1 LSP, one core", "BenchmarkForward/swap-native-1", "Mpps", ipv4, ipv4Bench, ">= 2 x"},
		{"swap, native XDP, 1,000 LSPs", "BenchmarkForward/swap-native-1000", "Mpps", ipv4, ipv4Bench, ">= 2 x"},
		{"swap, native XDP, 10,000 LSPs", "BenchmarkForward/swap-native-10000", "Mpps", ipv4, ipv4Bench, ">= 2 x"},
		{"swap, native XDP, 100,000 LSPs", "BenchmarkForward/swap-native-100000", "Mpps", ipv4, ipv4Bench, ">= 5 Mpps"},
		{"swap, native XDP, 100,000 LSPs against as many routes", "BenchmarkForward/swap-native-100000", "Mpps", "kernel IPv4, 100,000 routes", "BenchmarkForward/kernel-ipv4-100000", ">= 2 x"},
		{"swap, generic XDP, 1 LSP", "BenchmarkForward/swap-generic-1", "Mpps", ipv4, ipv4Bench, ">= 1.3 x"},
		{"swap, generic XDP, 1,000 LSPs", "BenchmarkForward/swap-generic-1000", "Mpps", ipv4, ipv4Bench, ">= 1.3 x"},
		{"swap, generic XDP, 10,000 LSPs", "BenchmarkForward/swap-generic-10000", "Mpps", ipv4, ipv4Bench, ">= 1.3 x"},
		{"swap, generic XDP, 100,000 LSPs against as many routes", "BenchmarkForward/swap-generic-100000", "Mpps", "kernel IPv4, 100,000 routes", "BenchmarkForward/kernel-ipv4-100000", ">= 1.3 x"},
		{"one LSR, native, without generator and sink", "BenchmarkForward/swap-native-1", "node-ns/packet", ipv4, ipv4Bench, "<= 0.5 x"},
		{"LER pair with a pseudowire, generic XDP", "BenchmarkForward/pw-pair-generic", "Mpps", "two routers of the kernel", "BenchmarkForward/kernel-ipv4-2-nodes", ""},
		{"point-to-multipoint, two copies, generic XDP", "BenchmarkForward/p2mp-2-copies-generic", "Mpps", ipv4, ipv4Bench, ""},
	}},
	{ebpfPkg, "^BenchmarkProgram$", "200000x", []row{
		{"program: swap", "BenchmarkProgram/swap", "net-ns/packet", "", "", "<= 35"},
		{"program: swap and push", "BenchmarkProgram/swap-and-push-1", "net-ns/packet", "", "", "<= 35"},
		{"program: pop-to-ip", "BenchmarkProgram/pop-to-ip", "net-ns/packet", "", "", "<= 35"},
		{"program: pop-and-lookup", "BenchmarkProgram/pop-and-lookup", "net-ns/packet", "", "", "<= 35"},
		{"program: impose one label", "BenchmarkProgram/impose-1", "net-ns/packet", "", "", "<= 35"},
	}},
	{ebpfPkg, "^BenchmarkProgramClients$", "200000x", []row{
		{"program: swap into a protection group", "BenchmarkProgramClients/swap-into-a-group", "net-ns/packet", "", "", ""},
		{"program: PW encapsulation into a tunnel", "BenchmarkProgramClients/pw-encapsulation", "net-ns/packet", "", "", "<= 35"},
		{"program: PW decapsulation", "BenchmarkProgramClients/pw-decapsulation", "net-ns/packet", "", "", "<= 35"},
		{"program: PW switching point", "BenchmarkProgramClients/pw-switching-point", "net-ns/packet", "", "", ""},
		{"program: punt", "BenchmarkProgramClients/punt", "net-ns/packet", "", "", ""},
	}},
	{ebpfPkg, "^BenchmarkProgramRandom$", "200000x", []row{
		{"program: swap, a random one of 1,000 LSPs", "BenchmarkProgramRandom/swap-1000", "net-ns/packet", "", "", ""},
		{"program: swap, a random one of 100,000 LSPs", "BenchmarkProgramRandom/swap-100000", "net-ns/packet", "", "", ""},
	}},
	{ebpfPkg, "^BenchmarkApply$", "3x", []row{
		{"ebpf driver: LSPs into the data plane", "BenchmarkApply/put-10000", "LSPs/s", "", "", ""},
	}},
	{ebpfPkg, "^BenchmarkSwitch$", "100000x", []row{
		{"switch of a group with 1 member", "BenchmarkSwitch/1", "us/switch", "", "", "<= 1"},
		{"switch of a group with 1,000 members", "BenchmarkSwitch/1000", "us/switch", "with 1 member", "BenchmarkSwitch/1", "<= 1"},
		{"switch of a group with 10,000 members", "BenchmarkSwitch/10000", "us/switch", "with 1 member", "BenchmarkSwitch/1", "<= 1"},
	}},
	{ebpfPkg, "^BenchmarkMemory$", "1x", []row{
		{"memory of an LSP in the driver, of 100,000", "BenchmarkMemory", "B-process/LSP", "", "", ""},
		{"memory of an LSP in the kernel's tables", "BenchmarkMemory", "B-kernel/LSP", "", "", ""},
	}},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		os.Exit(1)
	}
}

func run() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "WHAT\tFIGURE\tUNIT\tPEER\tPEER'S\tRATIO\tTARGET\tJITTER P99 us")
	var failed []string
	var results []result
	for _, s := range suites {
		jitter := sleepJitter()
		fmt.Fprintf(os.Stderr, "bench: %s %s\n", s.pkg, s.pattern)
		metrics, err := runSuite(s)
		if err != nil {
			failed = append(failed, err.Error())
		}
		for _, r := range s.rows {
			figure, ok := metrics[r.bench][r.metric]
			if !ok {
				failed = append(failed, fmt.Sprintf("%s: %s reported no %s", s.pkg, r.bench, r.metric))
				continue
			}
			out := result{Time: time.Now().UTC().Format(time.RFC3339), Name: r.name, Figure: figure, Unit: r.metric, Target: r.target, JitterP99: jitter}
			cells := []string{"-", "-", "-"}
			if r.peer != "" {
				out.Peer, out.PeerIs = r.peer, metrics[r.peerBench][r.metric]
				if out.PeerIs != 0 {
					out.Ratio = figure / out.PeerIs
				}
				cells = []string{r.peer, number(out.PeerIs), fmt.Sprintf("%.2f", out.Ratio)}
			}
			results = append(results, out)
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.0f\n", r.name, number(figure), r.metric, cells[0], cells[1], cells[2], r.target, jitter)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := appendResults(results); err != nil {
		return err
	}
	if len(failed) > 0 {
		return fmt.Errorf("not everything was measured:\n  %s", strings.Join(failed, "\n  "))
	}
	return nil
}

func number(f float64) string {
	switch {
	case f >= 1000:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}

// runSuite returns metric by benchmark and unit.
func runSuite(s suite) (map[string]map[string]float64, error) {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", s.pattern, "-benchtime", s.time, "-benchmem", "-timeout", "30m", s.pkg)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	err := cmd.Run()
	metrics := map[string]map[string]float64{}
	name := ""
	for sc := bufio.NewScanner(&out); sc.Scan(); {
		fields := strings.Fields(sc.Text())
		// The name is printed before the benchmark runs: what it writes itself
		// may part it from its result.
		if len(fields) > 0 && strings.HasPrefix(fields[0], "Benchmark") {
			name, fields = fields[0], fields[1:]
		}
		if len(fields) < 3 || !iterations(fields[0]) {
			if err != nil {
				fmt.Fprintln(os.Stderr, sc.Text())
			}
			continue
		}
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			if _, e := strconv.Atoi(name[i+1:]); e == nil {
				name = name[:i]
			}
		}
		m := map[string]float64{}
		for i := 1; i+1 < len(fields); i += 2 {
			if v, e := strconv.ParseFloat(fields[i], 64); e == nil {
				m[fields[i+1]] = v
			}
		}
		metrics[name] = m
	}
	if err != nil {
		return metrics, fmt.Errorf("%s %s: %w", s.pkg, s.pattern, err)
	}
	return metrics, nil
}

// iterations reports whether a field is a count of iterations.
func iterations(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}

// sleepJitter returns the 99th percentile of how late 1 ms sleeps end, in us.
func sleepJitter() float64 {
	late := make([]time.Duration, 300)
	for i := range late {
		began := time.Now()
		time.Sleep(time.Millisecond)
		late[i] = time.Since(began) - time.Millisecond
	}
	slices.Sort(late)
	return float64(late[len(late)*99/100]) / float64(time.Microsecond)
}

func appendResults(results []result) error {
	name := os.Getenv("BENCH_OUT")
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	enc := json.NewEncoder(f)
	for _, r := range results {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}
