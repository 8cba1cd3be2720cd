package main

import (
	"bytes"
	"strings"
	"testing"
)

// mep invokes an action of the MEP of a MEG and returns the reply.
func (r *rig) mep(t *testing.T, node, meg, action string) string {
	t.Helper()
	return r.rpc(t, node, mepAction(meg, action))
}

// mepAction invokes an action of the MEP of a MEG.
func mepAction(meg, action string) string {
	return `<action xmlns="urn:ietf:params:xml:ns:yang:1"><mpls-tp xmlns="urn:tandem:yang:mtp-node"><oam xmlns="urn:tandem:yang:mtp-oam">` +
		`<meg><name>` + meg + `</name><mep>` + action + `</mep></meg></oam></mpls-tp></action>`
}

// maintained returns what a node shows of a MEG.
func (r *rig) maintained(t *testing.T, node, name string) meg {
	t.Helper()
	for _, m := range r.get(t, node, oamOnly).MEGs {
		if m.Name == name {
			return m
		}
	}
	return meg{}
}

// testMaintenance locks an LSP at both ends, which stops its clients and not its
// OAM, loops it back at one of them, sees a test packet return, and undoes all.
func testMaintenance(t *testing.T, r *rig) {
	const lsp = "pe1-pe2"
	accepted := func(node, action string) {
		t.Helper()
		if reply := r.mep(t, node, lsp, action); !strings.Contains(reply, ">accepted<") {
			t.Fatalf("%s: %s: %s", node, action, reply)
		}
	}
	if reply := r.mep(t, "pe2", lsp, "<loopback><enable>true</enable></loopback>"); !strings.Contains(reply, ">refused<") {
		t.Errorf("a loopback without a lock: %s", reply)
	}
	eventually(t, "clients reach each other before", r.ping(t, "192.0.2.2"))
	blocked := r.discarded(t, "pe1")["data-plane blocked"]
	accepted("pe1", "<lock/>")
	accepted("pe2", "<lock/>")
	for _, node := range []string{"pe1", "pe2"} {
		if m := r.maintained(t, node, lsp); m.Lock != "locked-local" || m.Looped || !m.Blocked || m.State != "up" {
			t.Errorf("%s: %+v, want a lock and CC that is up", node, m)
		}
	}
	if r.ping(t, "192.0.2.2")() {
		t.Error("a client crosses a locked LSP")
	}
	if now := r.discarded(t, "pe1")["data-plane blocked"]; now <= blocked {
		t.Errorf("blocked packets: %d before, %d after", blocked, now)
	}
	if o := find(r.get(t, "pe1", mplsTP).Services, "wire"); o.Oper != "down" {
		t.Errorf("the service over a locked LSP is %q", o.Oper)
	}

	accepted("pe2", "<loopback><enable>true</enable></loopback>")
	// Test traffic of 1,400 octets, which no OAM packet has.
	const frames, size = 300, 1400
	back := func() uint64 { return find(r.get(t, "p", mplsTP).LSPs, "pe2-to-pe1").Octets }
	before := back()
	p := r.packetSocket(t, "p", "to-pe2")
	frame := join([]byte{2, 0, 0, 0, 2, 1, 2, 0, 0, 0, 0x10, 2, 0x88, 0x47}, lse(212, true, 64), bytes.Repeat([]byte{0xa5}, size-4))
	for range frames {
		p.send(t, frame)
	}
	eventually(t, "the test traffic is back", func() bool { return back()-before >= frames*size })
	if m := r.maintained(t, "pe2", lsp); !m.Looped {
		t.Errorf("pe2: %+v, want a loopback", m)
	}
	accepted("pe2", "<unlock/>")
	accepted("pe1", "<unlock/>")
	eventually(t, "the LSP is up at both ends", func() bool { return len(r.notUp(t, "pe1")) == 0 && len(r.notUp(t, "pe2")) == 0 })
	eventually(t, "clients reach each other again", r.ping(t, "192.0.2.2"))
	if m := r.maintained(t, "pe2", lsp); m.Lock != "unlocked" || m.Looped || m.Blocked {
		t.Errorf("pe2: %+v, want nothing of it", m)
	}
}
