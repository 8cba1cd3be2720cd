//go:build vm

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
)

// TestDriverChange starts an LSR and an LER again with the other data plane, and
// back, under the packets of a client: what the other one left is swept, all is
// forwarded and watched as before, and what was lost is told.
func TestDriverChange(t *testing.T) {
	r := bringUp(t, slowly(t, "lab/diamond", 1_000_000), "kernel")
	if err := r.ConfigureAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	pings := func(t *testing.T) {
		t.Helper()
		for _, p := range r.Topology.Demo.Pings {
			eventually(t, p.From+" reaches "+p.To, func() bool { return r.Ping(t.Context(), p.From, p.To) == nil })
		}
	}
	eventually(t, "all CC sessions up", func() bool { return r.allUp(t) })
	pings(t)
	for _, to := range []string{"ebpf", "kernel"} {
		for _, node := range []string{"p1", "pe1"} {
			t.Run(node+" to "+to, func(t *testing.T) {
				count := r.losing(t, "ce1", "192.0.2.130")
				r.hangUp(t, node)
				if err := r.Stop(t.Context(), node); err != nil {
					t.Fatal(err)
				}
				r.Dataplane = to
				r.restart(t, node)
				eventually(t, "nothing is left of the other data plane", func() bool { return r.leftOver(t, node, to) == "" })
				eventually(t, "everything is applied", func() bool {
					reply := r.get(t, node, mplsTP)
					for _, o := range append(append(reply.Sections, reply.LSPs...), reply.Tunnels...) {
						if o.State != "applied" && o.State != "" {
							return false
						}
					}
					return true
				})
				pings(t)
				sent, lost := count()
				t.Logf("%d packets sent, %d lost", sent, lost)
				eventually(t, "all CC sessions up", func() bool { return r.allUp(t) })
				// A client that sends 20 packets a second loses at most what the
				// OAM of a path may miss before it is a defect.
				if lost > 60 {
					t.Errorf("%d packets lost over the change", lost)
				}
			})
		}
	}
}

// leftOver says what of the other data plane is still there.
func (r *rig) leftOver(t *testing.T, node, now string) string {
	t.Helper()
	var left []string
	add := func(what, found string) {
		if found = strings.TrimSpace(found); found != "" {
			left = append(left, what+": "+found)
		}
	}
	lines := func(text, with string) string {
		var found []string
		for line := range strings.Lines(text) {
			if strings.Contains(line, with) {
				found = append(found, strings.TrimSpace(line))
			}
		}
		return strings.Join(found, "; ")
	}
	links := r.run(t, node, "ip", "-o", "-d", "link", "show")
	if now == "kernel" {
		add("programs", lines(links, " xdp"))
		add("the veth pair", lines(links, "mtp0"))
		add("programs", lines(r.run(t, node, "tc", "qdisc", "show"), "tandem"))
		if _, err := os.Stat(filepath.Join("/sys/fs/bpf/tandem", r.Topology.Namespace(node))); err == nil {
			add("pins", "there")
		}
	} else {
		add("the pair of devices", lines(links, "mtk0"))
		add("blocks", lines(r.run(t, node, "tc", "qdisc", "show"), "ingress_block "+fmt.Sprint(chain.Ingress)))
		add("routes", r.run(t, node, "ip", "-f", "mpls", "route", "show", "proto", "201"))
	}
	return strings.Join(left, "\n")
}

// losing pings 20 times a second until the function that it returns is called,
// which tells how many packets were sent and how many of them lost.
func (r *rig) losing(t *testing.T, from, to string) func() (sent, lost int) {
	t.Helper()
	ping := exec.CommandContext(t.Context(), "ip", "netns", "exec", r.Topology.Namespace(from), "ping", "-q", "-i", "0.05", "-W", "2", to)
	var out strings.Builder
	ping.Stdout, ping.Stderr = &out, &out
	if err := ping.Start(); err != nil {
		t.Fatal(err)
	}
	return func() (sent, lost int) {
		t.Helper()
		if err := ping.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_ = ping.Wait() // Its exit code tells of losses too.
		words := strings.Fields(out.String())
		received := -1
		for i, w := range words {
			switch {
			case w == "packets" && words[i+1] == "transmitted,":
				sent, _ = strconv.Atoi(words[i-1])
				received, _ = strconv.Atoi(words[i+2])
			}
		}
		if received < 0 {
			t.Fatalf("ping says %s", out.String())
		}
		return sent, sent - received
	}
}
