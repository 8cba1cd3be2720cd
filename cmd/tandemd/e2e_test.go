package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/cmd/tandem/client"
	"github.com/tandem-ne/tandem/cmd/tandem/lab"
)

// The tests of this package are tier T1: real tandemd processes in network
// namespaces joined by veth pairs, driven by stock clients.

// tandemd is the path of the daemon that TestMain builds.
var tandemd string

func TestMain(m *testing.M) {
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (int, error) {
	if os.Geteuid() != 0 {
		return 1, errors.New("tier T1 makes network namespaces and loads eBPF programs: it needs root")
	}
	dir, err := os.MkdirTemp("", "tandem-t1-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	tandemd = filepath.Join(dir, "tandemd")
	if out, err := exec.Command("go", "build", "-o", tandemd, ".").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// bring loads the diamond under a name of its own, ready and unconfigured, and
// takes it down at the end of the test; a failed test prints the logs first.
func bring(t *testing.T, name string) *lab.Lab {
	t.Helper()
	topology, err := lab.Load(filepath.Join("..", "..", "testdata", "lab", "diamond"))
	if err != nil {
		t.Fatal(err)
	}
	topology.Name = name
	l := lab.New(topology, t.TempDir(), tandemd, "ebpf")
	t.Cleanup(func() {
		if t.Failed() {
			for _, node := range topology.Elements() {
				log, err := os.ReadFile(l.LogFile(node))
				t.Logf("log of %s (%v):\n%s", node, err, log)
			}
		}
		if err := l.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := l.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

// session opens a NETCONF session that is closed with the test.
func session(t *testing.T, l *lab.Lab, node string) *client.Session {
	t.Helper()
	s, err := l.NETCONF(t.Context(), node, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The element may have been killed by the test.
		_ = s.Close()
	})
	return s
}

// eventually polls until f is true; what says what was waited for.
func eventually(t *testing.T, what string, limit time.Duration, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// mpls is the part of a get reply that the tests look at.
type mpls struct {
	Sections []object `xml:"mpls-tp>sections>section"`
	LSPs     []object `xml:"mpls-tp>lsps>static-lsp"`
	MEGs     []meg    `xml:"mpls-tp>oam>meg"`
	Alarms   []struct {
		Type     string `xml:"alarm-type-id"`
		Resource string `xml:"resource"`
		Cleared  bool   `xml:"is-cleared"`
	} `xml:"alarms>alarm-list>alarm"`
}

type object struct {
	Name   string `xml:"name"`
	Oper   string `xml:"oper-state"`
	State  string `xml:"data-plane-state>state"`
	Reason string `xml:"data-plane-state>reason"`
	In     uint64 `xml:"statistics>in-packets"`
	Out    uint64 `xml:"statistics>out-packets"`
}

type meg struct {
	Name    string   `xml:"name"`
	State   string   `xml:"mep>state>session>local-state"`
	Defects []string `xml:"mep>state>defect"`
}

const everything = `<mpls-tp xmlns="urn:tandem:yang:mtp-node"/><alarms xmlns="urn:ietf:params:xml:ns:yang:ietf-alarms"/>`

// get reads everything from a fresh session.
func get(t *testing.T, l *lab.Lab, node string) mpls {
	t.Helper()
	s, err := l.NETCONF(t.Context(), node, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Get(t.Context(), everything)
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	var reply mpls
	if err := xml.Unmarshal([]byte(text), &reply); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return reply
}

// allUp reports whether every configured session of every element is up.
func allUp(t *testing.T, l *lab.Lab) bool {
	for _, node := range l.Topology.Elements() {
		megs := get(t, l, node).MEGs
		if len(megs) == 0 {
			return false
		}
		for _, m := range megs {
			if m.State != "up" || len(m.Defects) > 0 {
				return false
			}
		}
	}
	return true
}

// TestDiamond is the main job: configuration over NETCONF, packets across the
// LSPs, CC on every section and LSP, a cut and its defects, recovery.
func TestDiamond(t *testing.T) {
	l := bring(t, "t1d")
	if err := l.ConfigureAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Run("every session comes up", func(t *testing.T) {
		eventually(t, "all CC sessions up", 20*time.Second, func() bool { return allUp(t, l) })
	})
	t.Run("clients reach each other", func(t *testing.T) {
		for _, p := range l.Topology.Demo.Pings {
			if err := l.Ping(t.Context(), p.From, p.To); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("counters count", func(t *testing.T) { testCounters(t, l) })
	t.Run("a cut is a defect, an alarm and a notification", func(t *testing.T) { testCut(t, l) })
	t.Run("forwarding survives kill -9", func(t *testing.T) { testKill(t, l) })
	t.Run("G-ACh frames decode in tshark", func(t *testing.T) { testCapture(t, l) })
}

// testCounters sends ten packets and finds them on every LSP of the way.
func testCounters(t *testing.T, l *lab.Lab) {
	count := func(node, lsp string) object {
		for _, o := range get(t, l, node).LSPs {
			if o.Name == lsp {
				return o
			}
		}
		t.Fatalf("%s has no LSP %s", node, lsp)
		return object{}
	}
	before := map[string]object{}
	for _, node := range []string{"pe1", "p1", "pe2"} {
		before[node] = count(node, "east-1")
	}
	out, err := exec.Command("ip", "netns", "exec", l.Topology.Namespace("ce1"),
		"ping", "-n", "-q", "-c", "10", "-i", "0.05", "-W", "2", "192.0.2.130").CombinedOutput()
	if err != nil {
		t.Fatalf("ping: %v\n%s", err, out)
	}
	for _, node := range []string{"pe1", "p1", "pe2"} {
		after := count(node, "east-1")
		if after.State != "applied" {
			t.Errorf("%s: east-1 is %s (%s), want applied", node, after.State, after.Reason)
		}
		if n := after.In - before[node].In; n < 10 {
			t.Errorf("%s: east-1 counted %d packets in, want at least 10", node, n)
		}
		if node != "pe2" {
			if n := after.Out - before[node].Out; n < 10 {
				t.Errorf("%s: east-1 counted %d packets out, want at least 10", node, n)
			}
		}
	}
}

func testCut(t *testing.T, l *lab.Lab) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	updates, watchErr, err := l.Watch(ctx, "pe1")
	if err != nil {
		t.Fatal(err)
	}
	notifications := make(chan string, 16)
	s, err := l.NETCONF(ctx, "pe1", func(_ time.Time, content string) { notifications <- content })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.RPC(ctx, `<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>`); err != nil {
		t.Fatal(err)
	}
	cut := time.Now()
	if err := l.SetLink(ctx, "p1:to-pe2", "down"); err != nil {
		t.Fatal(err)
	}
	limit := time.After(10 * time.Second)
	for seen := false; !seen; {
		select {
		case u, ok := <-updates:
			if !ok {
				t.Fatal(watchErr())
			}
			if u.MEG == "lsp-1" && u.Has("loc") {
				seen = true
				t.Logf("loss of continuity: event %v after the cut, at the client %v", u.Event.Sub(cut), u.Arrival.Sub(cut))
				if u.Event.Before(cut) {
					t.Errorf("the event is dated %v before the cut", cut.Sub(u.Event))
				}
			}
		case <-limit:
			t.Fatal("no loss of continuity over gNMI within 10 s")
		}
	}
	for seen := false; !seen; {
		select {
		case n := <-notifications:
			seen = strings.Contains(n, "defect-condition-notification") && strings.Contains(n, "lsp-1") && strings.Contains(n, "loc")
		case <-limit:
			t.Fatal("no defect-condition-notification over NETCONF within 10 s")
		}
	}
	raised := func(cleared bool) func() bool {
		return func() bool {
			for _, a := range get(t, l, "pe1").Alarms {
				if strings.HasSuffix(a.Type, "loss-of-continuity") && strings.Contains(a.Resource, "lsp-1") {
					return a.Cleared == cleared
				}
			}
			return false
		}
	}
	eventually(t, "the alarm is raised", 5*time.Second, raised(false))
	if err := l.SetLink(ctx, "p1:to-pe2", "up"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the sessions recover", 20*time.Second, func() bool { return allUp(t, l) })
	eventually(t, "the alarm is cleared", 5*time.Second, raised(true))
}

// testKill kills an element that is forwarding, starts it again, and counts:
// no client packet is lost, and the configuration is there.
func testKill(t *testing.T, l *lab.Lab) {
	before := session(t, l, "p1")
	config, err := before.GetConfig(t.Context(), "running", "")
	if err != nil {
		t.Fatal(err)
	}
	ping := exec.Command("ip", "netns", "exec", l.Topology.Namespace("ce1"),
		"ping", "-n", "-q", "-c", "400", "-i", "0.01", "-W", "2", "192.0.2.130")
	var out strings.Builder
	ping.Stdout, ping.Stderr = &out, &out
	if err := ping.Start(); err != nil {
		t.Fatal(err)
	}
	if err := l.Kill(t.Context(), "p1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Start("p1"); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitReady(t.Context(), "p1"); err != nil {
		t.Fatal(err)
	}
	if err := ping.Wait(); err != nil || !strings.Contains(out.String(), " 0% packet loss") {
		t.Errorf("ping over the restart: %v\n%s", err, out.String())
	}
	after, err := session(t, l, "p1").GetConfig(t.Context(), "running", "")
	if err != nil {
		t.Fatal(err)
	}
	if after != config {
		t.Errorf("running changed over kill -9:\nbefore %s\nafter %s", config, after)
	}
	eventually(t, "sessions up after the restart", 20*time.Second, func() bool { return allUp(t, l) })
}

// testCapture lets tshark judge what an element sends.
func testCapture(t *testing.T, l *lab.Lab) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Fatal("tshark is missing: install the package tshark")
	}
	file := filepath.Join(t.TempDir(), "pe1.pcap")
	// The transmit side sees every G-ACh frame; XDP takes them on receipt.
	capture := exec.Command("ip", "netns", "exec", l.Topology.Namespace("pe1"),
		"tcpdump", "-i", "to-p1", "-Q", "out", "-w", file, "-c", "300", "mpls")
	if out, err := capture.CombinedOutput(); err != nil {
		t.Fatalf("tcpdump: %v\n%s", err, out)
	}
	read := func(filter string) []string {
		out, err := exec.Command(tshark, "-n", "-r", file, "-Y", filter).Output()
		if err != nil {
			t.Fatalf("tshark: %v", err)
		}
		return strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	if bad := read("_ws.malformed"); bad[0] != "" {
		t.Errorf("malformed frames:\n%s", strings.Join(bad, "\n"))
	}
	if n := len(read("bfd")); n < 250 {
		t.Errorf("tshark found %d BFD packets in 300 frames", n)
	}
	if cv := read("pwach.channel_type == 0x0023"); cv[0] == "" {
		t.Error("no CV packet in 300 frames of a section and an LSP MEG")
	}
}
