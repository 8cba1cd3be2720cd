package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestDiamond shares one lab among everything that needs one. Every subtest
// leaves the sessions up and the configuration as it found it, so that each can
// be run alone.
func TestDiamond(t *testing.T) {
	r := bring(t)
	if err := r.ConfigureAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		run  func(*testing.T, *rig)
	}{
		{"every session comes up", func(t *testing.T, r *rig) {}},
		{"ncclient", testNcclient},
		{"Juniper go-netconf", testJuniper},
		{"nemith netconf", testNemith},
		{"TLS and call home", testTransports},
		{"gnmi_cli", testGNMICLI},
		{"NETCONF and gNMI see each other", testBothProtocols},
		{"users do what they may", testAccess},
		{"messages that are none", testBadMessages},
		{"configurations that are wrong", testBadConfigurations},
		{"gNMI that is none", testBadGNMI},
		{"a flood of connections", testFlood},
		{"clients reach each other", testPings},
		{"counters count", testCounters},
		{"G-ACh frames that are wrong", testBadFrames},
		{"drift is put right", testDrift},
		{"programs cannot be taken off", testPinnedPrograms},
		{"a section whose interface comes later", testInterfaceAppears},
		{"kill -9 during commits", testKillDuringCommits},
		{"a cut is a defect, an alarm and a notification", testCut},
		{"forwarding survives kill -9", testKill},
		{"G-ACh frames decode in tshark", testCapture},
	} {
		t.Run(test.name, func(t *testing.T) {
			eventually(t, "all CC sessions up", func() bool { return r.allUp(t) })
			test.run(t, r)
		})
	}
}

func testPings(t *testing.T, r *rig) {
	for _, p := range r.Topology.Demo.Pings {
		if err := r.Ping(t.Context(), p.From, p.To); err != nil {
			t.Error(err)
		}
	}
}

// testCounters sends ten packets and finds them on every LSP of the way.
func testCounters(t *testing.T, r *rig) {
	count := func(node string) object {
		o := find(r.get(t, node, mplsTP).LSPs, "east-1")
		if o.State != "applied" {
			t.Errorf("%s: east-1 is %q (%s), want applied", node, o.State, o.Reason)
		}
		return o
	}
	before := map[string]object{}
	for _, node := range []string{"pe1", "p1", "pe2"} {
		before[node] = count(node)
	}
	r.run(t, "ce1", "ping", "-q", "-c", "10", "-i", "0.05", "-W", "2", "192.0.2.130")
	for _, node := range []string{"pe1", "p1", "pe2"} {
		after := count(node)
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

func testCut(t *testing.T, r *rig) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	updates, watchErr, err := r.Watch(ctx, "pe1")
	if err != nil {
		t.Fatal(err)
	}
	notified := make(chan string, 1)
	s, err := r.NETCONF(ctx, "pe1", func(_ time.Time, n string) {
		if strings.Contains(n, "defect-condition-notification") && strings.Contains(n, "lsp-1") && strings.Contains(n, "loc") {
			select {
			case notified <- n:
			default: // The first is enough; the session must go on being read.
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the subscribed session: %v", err)
		}
	}()
	if _, err := s.RPC(ctx, `<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>`); err != nil {
		t.Fatal(err)
	}
	cut := time.Now()
	if err := r.SetLink(ctx, "p1:to-pe2", "down"); err != nil {
		t.Fatal(err)
	}
	limit := time.After(patience)
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
			t.Fatal("no loss of continuity over gNMI")
		}
	}
	select {
	case <-notified:
	case <-limit:
		t.Fatal("no defect-condition-notification over NETCONF")
	}
	raised := func(cleared bool) func() bool {
		return func() bool {
			for _, a := range r.get(t, "pe1", alarms).Alarms {
				if strings.HasSuffix(a.Type, "loss-of-continuity") && strings.Contains(a.Resource, "lsp-1") {
					return a.Cleared == cleared
				}
			}
			return false
		}
	}
	eventually(t, "the alarm is raised", raised(false))
	if err := r.SetLink(ctx, "p1:to-pe2", "up"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the sessions recover", func() bool { return r.allUp(t) })
	eventually(t, "the alarm is cleared", raised(true))
}

// testKill kills an element that is forwarding, starts it again, and counts:
// no client packet is lost, and the configuration is there.
func testKill(t *testing.T, r *rig) {
	config := r.config(t, "p1", "running")
	ping := exec.CommandContext(t.Context(), "ip", "netns", "exec", r.Topology.Namespace("ce1"),
		"ping", "-q", "-c", "300", "-i", "0.01", "-W", "2", "192.0.2.130")
	var out strings.Builder
	ping.Stdout, ping.Stderr = &out, &out
	if err := ping.Start(); err != nil {
		t.Fatal(err)
	}
	r.kill(t, "p1")
	r.restart(t, "p1")
	if err := ping.Wait(); err != nil || !strings.Contains(out.String(), " 0% packet loss") {
		t.Errorf("ping over the restart: %v\n%s", err, out.String())
	}
	if after := r.config(t, "p1", "running"); after != config {
		t.Errorf("running changed over kill -9:\nbefore %s\nafter %s", config, after)
	}
	eventually(t, "sessions up after the restart", func() bool { return r.allUp(t) })
}

// testCapture lets tshark judge what an element sends.
func testCapture(t *testing.T, r *rig) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Fatal("tshark is missing: install the package tshark")
	}
	const frames = 100
	file := filepath.Join(t.TempDir(), "pe1.pcap")
	// The transmit side sees every G-ACh frame; XDP takes them on receipt.
	r.run(t, "pe1", "tcpdump", "-i", "to-p1", "-Q", "out", "-w", file, "-c", strconv.Itoa(frames), "mpls")
	out, err := exec.CommandContext(t.Context(), tshark, "-n", "-r", file, "-T", "fields",
		"-e", "frame.number", "-e", "frame.protocols", "-e", "pwach.channel_type", "-e", "_ws.malformed").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	bfd, cv := 0, 0
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != frames {
		t.Fatalf("tshark read %d of %d frames:\n%s", len(lines), frames, out)
	}
	for _, line := range lines {
		f := strings.Split(line, "\t")
		if f[3] != "" {
			t.Errorf("malformed frame: %s", line)
		}
		if strings.Contains(f[1], "bfd") {
			bfd++
		}
		if f[2] == "0x0023" {
			cv++
		}
	}
	if bfd < frames*8/10 {
		t.Errorf("tshark found %d BFD packets in %d frames", bfd, frames)
	}
	if cv == 0 {
		t.Errorf("no CV packet in %d frames of a section and an LSP MEG", frames)
	}
}
