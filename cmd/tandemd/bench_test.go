package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/cmd/tandem/client"
	"github.com/tandem-ne/tandem/cmd/tandem/lab"
)

// The benchmarks measure a real tandemd over NETCONF, journal with fsync and
// eBPF data plane included. `make bench` prints them as a table.

// pair brings up two configured elements on one link.
func pair(b *testing.B, name string) *lab.Lab {
	b.Helper()
	topology, err := lab.Load(filepath.Join("..", "..", "testdata", "lab", "pair"))
	if err != nil {
		b.Fatal(err)
	}
	topology.Name = name
	l := lab.New(topology, b.TempDir(), tandemd, "ebpf")
	b.Cleanup(func() {
		if err := l.Down(context.Background()); err != nil {
			b.Error(err)
		}
	})
	if err := l.Up(b.Context()); err != nil {
		b.Fatal(err)
	}
	return l
}

func open(b *testing.B, l *lab.Lab, node string) *client.Session {
	b.Helper()
	s, err := l.NETCONF(b.Context(), node, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func call(b *testing.B, s *client.Session, rpc string) string {
	b.Helper()
	reply, err := s.RPC(b.Context(), rpc)
	if err != nil {
		b.Fatal(err)
	}
	return reply
}

// swaps returns the configuration of n LSPs from a label on.
func swaps(first, n int) string {
	var x strings.Builder
	x.WriteString(`<mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp">`)
	for label := first; label < first+n; label++ {
		fmt.Fprintf(&x, `<static-lsp><name>swap-%d</name><description>transit %d</description>`+
			`<operation>swap-and-forward</operation><in-segment><incoming-label>%d</incoming-label></in-segment>`+
			`<out-segment><nhlfe-single><outgoing-section>link</outgoing-section><mpls-label-stack><entry><id>1</id>`+
			`<label>%d</label></entry></mpls-label-stack></nhlfe-single></out-segment><bandwidth>10000000</bandwidth></static-lsp>`,
			label, label, label, label)
	}
	x.WriteString(`</lsps></mpls-tp>`)
	return x.String()
}

func edit(config string) string {
	return `<edit-config><target><candidate/></target><config>` + config + `</config></edit-config>`
}

// applied waits until the data plane holds an LSP.
func applied(b *testing.B, s *client.Session, label int) {
	b.Helper()
	filter := fmt.Sprintf(`<mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp"><static-lsp>`+
		`<name>swap-%d</name><data-plane-state/></static-lsp></lsps></mpls-tp>`, label)
	deadline := time.Now().Add(time.Minute)
	for {
		reply, err := s.Get(b.Context(), filter)
		if err != nil {
			b.Fatal(err)
		}
		if strings.Contains(reply, "<state>applied</state>") {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("swap-%d is not applied: %s", label, reply)
		}
	}
}

const firstLabel = 16

func BenchmarkLoad10000(b *testing.B) {
	l := pair(b, "bload")
	s := open(b, l, "a")
	config := swaps(firstLabel, 10000)
	remove := edit(`<mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp" ` +
		`xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="remove"/></mpls-tp>`)
	var editing, committing time.Duration
	for b.Loop() {
		began := time.Now()
		call(b, s, edit(config))
		editing += time.Since(began)
		began = time.Now()
		call(b, s, `<commit/>`)
		committing += time.Since(began)
		applied(b, s, firstLabel+9999)
		b.StopTimer()
		call(b, s, remove)
		call(b, s, `<commit/>`)
		b.StartTimer()
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/load")
	b.ReportMetric(editing.Seconds()/float64(b.N), "s/edit")
	b.ReportMetric(committing.Seconds()/float64(b.N), "s/commit")
}

// BenchmarkCommit adds one LSP to a configuration that has many: one edit-config
// and one commit, each a round trip.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1000, 10000, 100000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			l := pair(b, "bcommit"+strconv.Itoa(n))
			s := open(b, l, "a")
			for first := 0; first < n; first += 10000 {
				call(b, s, edit(swaps(firstLabel+first, min(10000, n))))
				call(b, s, `<commit/>`)
			}
			applied(b, s, firstLabel+n-1)
			next := firstLabel + n
			for b.Loop() {
				call(b, s, edit(swaps(next, 1)))
				call(b, s, `<commit/>`)
				next++
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/commit")
			b.ReportMetric(float64(residentKiB(b, l, "a"))/1024, "MiB-resident")
		})
	}
}

func residentKiB(b *testing.B, l *lab.Lab, node string) int {
	b.Helper()
	return residentOf(b, l.Processes[node].PID)
}

func residentOf(b *testing.B, pid int) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return kib
}

func BenchmarkGetConfig(b *testing.B) {
	l := pair(b, "bget")
	s := open(b, l, "a")
	call(b, s, edit(swaps(firstLabel, 10000)))
	call(b, s, `<commit/>`)
	w := openWire(b, l, "a")
	b.Run("10000", func(b *testing.B) {
		for b.Loop() {
			b.SetBytes(int64(w.call(b, `<get-config><source><running/></source></get-config>`)))
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/get-config")
	})
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			w.call(b, `<get-config><source><running/></source><filter type="subtree"><mpls-tp xmlns="urn:tandem:yang:mtp-node">`+
				`<lsps xmlns="urn:tandem:yang:mtp-lsp"><static-lsp><name>swap-5000</name></static-lsp></lsps></mpls-tp></filter></get-config>`)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "get-config/s")
	})
}

// BenchmarkTransaction changes one leaf durably: edit-config and commit.
func BenchmarkTransaction(b *testing.B) {
	l := pair(b, "btx")
	w := openWire(b, l, "a")
	i := 0
	for b.Loop() {
		w.call(b, edit(fmt.Sprintf(`<mpls-tp xmlns="urn:tandem:yang:mtp-node"><node><name>n%d</name></node></mpls-tp>`, i)))
		w.call(b, `<commit/>`)
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "transactions/s")
}

// BenchmarkCC runs 100 LSP MEGs at 10 ms between two elements and divides the
// processor time of one of them by the CC and CV packets it sent and received.
func BenchmarkCC(b *testing.B) {
	const sessions, window = 100, 10 * time.Second
	l := pair(b, "bcc")
	for _, node := range []string{"a", "b"} {
		s := open(b, l, node)
		call(b, s, edit(megs(node, sessions)))
		call(b, s, `<commit/>`)
	}
	count := func() (packets uint64, up int) {
		var reply struct {
			Sessions []struct {
				State    string `xml:"local-state"`
				Sent     uint64 `xml:"send-packet-count"`
				Received uint64 `xml:"receive-packet-count"`
			} `xml:"mpls-tp>oam>meg>mep>state>session"`
		}
		unmarshal(b, call(b, open(b, l, "a"), `<get><filter type="subtree"><mpls-tp xmlns="urn:tandem:yang:mtp-node"><oam xmlns="urn:tandem:yang:mtp-oam"/></mpls-tp></filter></get>`), &reply)
		for _, s := range reply.Sessions {
			packets += s.Sent + s.Received
			if s.State == "up" {
				up++
			}
		}
		return packets, up
	}
	deadline := time.Now().Add(30 * time.Second)
	for _, up := count(); up < sessions; _, up = count() {
		if time.Now().After(deadline) {
			b.Fatalf("%d of %d sessions up", up, sessions)
		}
	}
	var packets uint64
	var cpu time.Duration
	for b.Loop() {
		before, _ := count()
		used := cpuTime(b, l, "a")
		timer := time.NewTimer(window)
		<-timer.C
		cpu += cpuTime(b, l, "a") - used
		after, up := count()
		packets += after - before
		if up < sessions {
			b.Errorf("%d of at least %d sessions up at the end", up, sessions)
		}
	}
	b.ReportMetric(float64(cpu.Microseconds())/float64(packets), "us-cpu/packet")
	b.ReportMetric(float64(packets)/window.Seconds()/float64(b.N), "packets/s")
	b.ReportMetric(100*cpu.Seconds()/window.Seconds()/float64(b.N), "%-of-core")
}
