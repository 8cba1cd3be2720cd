package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tandem-ne/tandem/cmd/tandem/client"
)

// ping returns whether one packet of a client comes back.
func (r *rig) ping(t *testing.T, to string) func() bool {
	return func() bool {
		return exec.CommandContext(t.Context(), "ip", "netns", "exec", r.Topology.Namespace("ce1"),
			"ping", "-q", "-c", "1", "-W", "1", to).Run() == nil
	}
}

// testDrift changes the kernel behind the element's back, as a person would:
// the element puts it right.
func testDrift(t *testing.T, r *rig) {
	for _, tc := range []struct {
		name string
		harm []string
		// Arguments of ip; show prints there when all is well.
		show  []string
		there string
	}{
		{"routes flushed", []string{"route", "flush", "proto", "201"}, []string{"route", "show", "proto", "201"}, "192.0.2.128/25"},
		{"IPv6 routes flushed", []string{"-6", "route", "flush", "proto", "201"}, []string{"-6", "route", "show", "proto", "201"}, "2001:db8:2::/64"},
		{"mtp0 deleted", []string{"link", "del", "mtp0"}, []string{"route", "show", "dev", "mtp0"}, "192.0.2.128/25"},
		{"mtp0 down", []string{"link", "set", "mtp0", "down"}, []string{"route", "show", "dev", "mtp0"}, "192.0.2.128/25"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := r.config(t, "pe1", "running")
			there := func() bool {
				// While the device is away ip fails.
				out, err := exec.CommandContext(t.Context(), "ip", append([]string{"-n", r.Topology.Namespace("pe1")}, tc.show...)...).Output()
				return err == nil && strings.Contains(string(out), tc.there)
			}
			eventually(t, tc.there+" before", there)
			r.run(t, "pe1", append([]string{"ip"}, tc.harm...)...)
			eventually(t, tc.there+" again", there)
			eventually(t, "IPv4 client packets", r.ping(t, "192.0.2.130"))
			eventually(t, "IPv6 client packets", r.ping(t, "2001:db8:2::2"))
			eventually(t, "every session up", func() bool { return r.allUp(t) })
			if after := r.config(t, "pe1", "running"); after != before {
				t.Errorf("running changed:\nbefore %s\nafter %s", before, after)
			}
		})
	}
}

// testPinnedPrograms: nobody takes the programs off by accident.
func testPinnedPrograms(t *testing.T, r *rig) {
	out, err := exec.CommandContext(t.Context(), "ip", "-n", r.Topology.Namespace("pe1"), "link", "set", "dev", "to-p1", "xdpgeneric", "off").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "active BPF XDP link") {
		t.Errorf("the XDP program could be taken off: %v %s", err, out)
	}
}

// testInterfaceAppears configures a section on an interface that is not there:
// the configuration is good, the state says what is missing, and the section
// works when the interface comes, goes and comes again.
func testInterfaceAppears(t *testing.T, r *rig) {
	r.commit(t, "pe1", `<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"><interface><name>late0</name>`+
		`<type xmlns:ianaift="urn:ietf:params:xml:ns:yang:iana-if-type">ianaift:ethernetCsmacd</type></interface></interfaces>`+
		`<mpls-tp xmlns="urn:tandem:yang:mtp-node"><sections><section><name>late</name><interface>late0</interface></section></sections></mpls-tp>`)
	section := func() object { return find(r.get(t, "pe1", mplsTP).Sections, "late") }
	missing := func() bool {
		s := section()
		return s.State == "failed" && strings.Contains(s.Reason, "late0") && s.Oper != "up"
	}
	eventually(t, "the section failed because late0 is missing", missing)
	for range 2 {
		r.run(t, "pe1", "ip", "link", "add", "late0", "type", "veth", "peer", "name", "late1")
		r.run(t, "pe1", "ip", "link", "set", "late0", "up")
		r.run(t, "pe1", "ip", "link", "set", "late1", "up")
		eventually(t, "the section applied and up", func() bool {
			s := section()
			return s.State == "applied" && s.Oper == "up"
		})
		r.run(t, "pe1", "ip", "link", "del", "late0")
		eventually(t, "the section failed again", missing)
	}
	r.commit(t, "pe1", `<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">`+
		`<interface nc:operation="delete"><name>late0</name></interface></interfaces>`+
		`<mpls-tp xmlns="urn:tandem:yang:mtp-node" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0"><sections>`+
		`<section nc:operation="delete"><name>late</name></section></sections></mpls-tp>`)
}

// testKillDuringCommits kills an element while commits are streaming in: every
// commit that was acknowledged is there afterwards, and at most one more, the
// one whose answer the kill cut off.
func testKillDuringCommits(t *testing.T, r *rig) {
	const rounds, perRound = 3, 25
	var last string
	acknowledged := 0
	for round := range rounds {
		s, err := r.NETCONF(t.Context(), "p2", nil)
		if err != nil {
			t.Fatal(err)
		}
		var done atomic.Int64
		ended := make(chan error, 1)
		go func() { ended <- commitStream(t.Context(), s, round, &done) }()
		eventually(t, "a stream of commits", func() bool { return done.Load() >= perRound })
		r.kill(t, "p2")
		if err := <-ended; err == nil {
			t.Fatal("the stream ended by itself")
		}
		// The peer is dead; only the client's side remains to be released.
		_ = s.Close()
		acknowledged = int(done.Load())
		last = commitName(round, acknowledged)
		r.restart(t, "p2")
		running := r.config(t, "p2", "running")
		if !strings.Contains(running, "<name>"+last+"</name>") && !strings.Contains(running, "<name>"+commitName(round, acknowledged+1)+"</name>") {
			t.Errorf("round %d: %d commits were acknowledged, the name of the node is neither %s nor the next: %s", round, acknowledged, last, running)
		}
	}
	r.commit(t, "p2", `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><node><name>p2</name></node></mpls-tp>`)
}

func commitName(round, n int) string { return fmt.Sprintf("p2-%d-%d", round, n) }

// commitStream commits one change after the other until the element is gone.
func commitStream(ctx context.Context, s *client.Session, round int, done *atomic.Int64) error {
	for n := 1; ctx.Err() == nil; n++ {
		_, err := s.RPC(ctx, edit(`<mpls-tp xmlns="urn:tandem:yang:mtp-node"><node><name>`+commitName(round, n)+`</name></node></mpls-tp>`))
		if err == nil {
			_, err = s.RPC(ctx, `<commit/>`)
		}
		if err != nil {
			return err
		}
		done.Store(int64(n))
	}
	return errors.New("the test ended")
}
