package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// testExamples loads each of the examples of the lab into its elements, sends
// what it is for, and takes it back.
func testExamples(t *testing.T, r *rig) {
	checks := map[string]func(*testing.T, *rig){
		"entropy":     func(*testing.T, *rig) {},
		"group":       checkGroup,
		"ip":          checkIP,
		"l-lsp":       func(t *testing.T, r *rig) { r.crosses(t) },
		"label-space": checkLabelSpace,
		"qinq": func(t *testing.T, r *rig) {
			checkTags(t, r, "qinq", []uint16{0x88a8, 30, 0x8100, 7}, []uint16{0x8100, 40})
		},
		"spme": checkSPME,
		"tagged": func(t *testing.T, r *rig) {
			checkTags(t, r, "tagged", []uint16{0x8100, 60}, []uint16{0x8100, 70})
		},
	}
	dirs, err := filepath.Glob(filepath.Join("..", "..", "testdata", "lab", "services", "examples", "*"))
	if err != nil || len(dirs) != len(checks) {
		t.Fatalf("%d examples, %d checks: %v", len(dirs), len(checks), err)
	}
	for _, dir := range dirs {
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			check, ok := checks[name]
			if !ok {
				t.Fatal("nothing checks this example")
			}
			files, err := filepath.Glob(filepath.Join(dir, "*.xml"))
			if err != nil || len(files) == 0 {
				t.Fatalf("no file: %v", err)
			}
			for _, file := range files {
				node := strings.TrimSuffix(filepath.Base(file), ".xml")
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				before := r.config(t, node, "running")
				r.commit(t, node, string(text))
				defer func() {
					r.rpc(t, node, `<rollback xmlns="urn:tandem:yang:mtp-commits"><steps>1</steps></rollback>`)
					r.rpc(t, node, `<commit/>`)
					if after := r.config(t, node, "running"); after != before {
						t.Errorf("%s: the way back leads to\n%s\nnot to\n%s", node, after, before)
					}
				}()
				eventually(t, node+" holds the example", func() bool { return r.allApplied(t, node) })
			}
			check(t, r)
		})
	}
}

// allApplied reports whether the data plane of a node holds every object.
func (r *rig) allApplied(t *testing.T, node string) bool {
	t.Helper()
	reply := r.get(t, node, mplsTP)
	return !slices.ContainsFunc(slices.Concat(reply.Sections, reply.LSPs, reply.Tunnels, reply.PWs, reply.Services),
		func(o object) bool { return o.State != "" && o.State != "applied" })
}

// crosses waits until a client's packets and CC cross the network.
func (r *rig) crosses(t *testing.T) {
	t.Helper()
	eventually(t, "all CC sessions up", func() bool { return len(r.notUp(t, "pe1")) == 0 && len(r.notUp(t, "pe2")) == 0 })
	eventually(t, "clients reach each other", r.ping(t, "192.0.2.2"))
}

func checkGroup(t *testing.T, r *rig) {
	r.crosses(t)
	if n := find(r.get(t, "pe1", mplsTP).LSPs, "to-pe2-b").Out; n != 0 {
		t.Errorf("%d packets on the protecting LSP, which nobody has selected", n)
	}
}

func checkLabelSpace(t *testing.T, r *rig) {
	before := find(r.get(t, "p", mplsTP).LSPs, "pe3-to-pe2").In
	r.crosses(t)
	eventually(t, "packets of pe3 find their label", func() bool { return find(r.get(t, "p", mplsTP).LSPs, "pe3-to-pe2").In > before })
}

func checkSPME(t *testing.T, r *rig) {
	r.crosses(t)
	for _, node := range []string{"pe1", "p"} {
		eventually(t, node+" sends into its SPME", func() bool {
			o := find(r.get(t, node, mplsTP).Tunnels, "spme")
			return o.Oper == "up" && o.Out > 0
		})
	}
}

// tags writes pairs of TPID and VLAN behind the addresses of a frame.
func tags(to, from []byte, pairs []uint16, rest ...[]byte) []byte {
	f := join(to, from)
	for _, v := range pairs {
		f = binary.BigEndian.AppendUint16(f, v)
	}
	return join(f, join(rest...))
}

// checkTags sends frames with some tags and wants them with others.
func checkTags(t *testing.T, r *rig, pw string, send, want []uint16) {
	west, east := r.listen(t, "ce1", "trunk", 5*time.Second), r.listen(t, "ce2", "trunk", 5*time.Second)
	payload := bytes.Repeat([]byte(pw), 20)
	west.send(t, tags(stationEast, stationWest, []uint16{send[0], send[1] + 1}, []byte{0x88, 0xb5}, payload))
	west.send(t, tags(stationEast, stationWest, send, []byte{0x88, 0xb5}, payload))
	f, ok := east.receive(t, stationWest)
	if !ok {
		t.Fatal("nothing arrived")
	}
	if full := ethernet(stationEast, stationWest, 0, payload); f.vid != want[1] || !bytes.Equal(f.frame, full) {
		t.Errorf("VLAN %d\n%x\nwant VLAN %d\n%x", f.vid, f.frame, want[1], full)
	}
	out, in := find(r.get(t, "pe1", mplsTP).PWs, pw), find(r.get(t, "pe2", mplsTP).PWs, pw)
	if out.Out != 1 || in.In != 1 {
		t.Errorf("%d frames into the pseudowire, %d out of it, want 1", out.Out, in.In)
	}
}

// checkIP sends an IPv4 packet to the element and wants it at the client.
func checkIP(t *testing.T, r *rig) {
	west, east := r.listen(t, "ce1", "trunk", 5*time.Second), r.listen(t, "ce2", "trunk", 5*time.Second)
	address := func(node string) (mac net.HardwareAddr) {
		if err := r.Enter(node, func() error {
			i, err := net.InterfaceByName("trunk")
			if err == nil {
				mac = i.HardwareAddr
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return mac
	}
	packet := join([]byte{0x45, 0, 0, 60, 0, 0, 0, 0, 64, 253, 0, 0, 192, 0, 2, 7, 198, 51, 100, 7}, make([]byte, 40))
	west.send(t, tags(address("pe1"), stationWest, []uint16{0x8100, 50}, []byte{0x08, 0}, packet))
	f, ok := east.receive(t, address("pe2"))
	if !ok {
		t.Fatal("nothing arrived")
	}
	if want := join(stationEast, address("pe2"), []byte{0x08, 0}, packet); f.vid != 50 || !bytes.Equal(f.frame, want) {
		t.Errorf("VLAN %d\n%x\nwant VLAN 50\n%x", f.vid, f.frame, want)
	}
}

// testChannelQueue fills the queue of the highest class with frames of a client:
// the CC packets of that class lose nothing and wait for nobody.
func testChannelQueue(t *testing.T, r *rig) {
	const client = `<mpls-tp xmlns="urn:tandem:yang:mtp-node" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0"><qos xmlns="urn:tandem:yang:mtp-qos">` +
		`<tc-map nc:operation="%"><name>highest</name><entry><pcp>0</pcp><traffic-class>7</traffic-class></entry></tc-map>` +
		`<scheduler nc:operation="%"><name>narrow</name><shaping-rate>1000000</shaping-rate></scheduler></qos>` +
		`<sections><section><name>to-p</name><scheduler xmlns="urn:tandem:yang:mtp-qos" nc:operation="%">narrow</scheduler></section></sections>` +
		`<services xmlns="urn:tandem:yang:mtp-service"><service><name>far</name><endpoint><name>ac</name><ac><tc-map nc:operation="%">highest</tc-map></ac></endpoint></service></services></mpls-tp>`
	r.commit(t, "pe1", strings.ReplaceAll(client, "%", "create"))
	eventually(t, "the section has queues", func() bool { return r.allApplied(t, "pe1") })
	far := r.packetSocket(t, "ce1", "far")
	frame := ethernet(stationEast, stationWest, 0, make([]byte, 1400))
	received := func() uint64 { return r.maintained(t, "pe2", "pe1-pe2").Received }
	before := received()
	// At 1 Mbit/s one second's worth is there before the first of them has gone.
	for range 2000 {
		if err := unix.Sendto(far.fd, frame, 0, &far.address); err != nil && !errors.Is(err, unix.ENOBUFS) {
			t.Fatal(err)
		}
	}
	eventually(t, "CC goes on", func() bool {
		if m := r.maintained(t, "pe2", "pe1-pe2"); m.State != "up" || len(m.Defects) > 0 {
			t.Fatalf("pe2: %+v", m)
		}
		return received() >= before+15
	})
	if r.ping(t, "192.0.2.66")() {
		t.Error("an echo packet of the full class came back: nothing was waiting")
	}
	r.commit(t, "pe1", strings.ReplaceAll(client, "%", "remove"))
	eventually(t, "the client is served again", r.ping(t, "192.0.2.66"))
}

// testNarrowSection shrinks an interface under its pseudowires: the element says
// which frames are lost, until there is room again.
func testNarrowSection(t *testing.T, r *rig) {
	narrow := func(cleared bool) func() bool {
		return func() bool {
			for _, a := range r.get(t, "pe1", alarms).Alarms {
				if strings.HasSuffix(a.Type, "pseudowire-mtu") && strings.Contains(a.Resource, "'wire'") {
					return a.Cleared == cleared
				}
			}
			return false
		}
	}
	r.run(t, "pe1", "ip", "link", "set", "to-p", "mtu", "1500")
	eventually(t, "the alarm is raised", narrow(false))
	r.run(t, "pe1", "ip", "link", "set", "to-p", "mtu", "2000")
	eventually(t, "the alarm is cleared", narrow(true))
}

// testLabelSpaceRefused: one LSP with a label space of its section would hide
// the labels of all others there, which the refusal names.
func testLabelSpaceRefused(t *testing.T, r *rig) {
	r.rpc(t, "p", edit(`<mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp"><static-lsp><name>pe3-to-pe1</name>`+
		`<in-segment><incoming-section>to-pe3</incoming-section></in-segment></static-lsp></lsps></mpls-tp>`))
	_, err := r.session(t, "p").RPC(t.Context(), `<commit/>`)
	const at = "/mtp:mpls-tp/lsp:lsps/lsp:static-lsp[lsp:name='pe3-to-pe2']/lsp:in-segment/lsp:incoming-label"
	if err == nil || !strings.Contains(err.Error(), at) || !strings.Contains(err.Error(), "label-space") {
		t.Errorf("commit: %v, want the error of %s", err, at)
	}
	r.rpc(t, "p", `<discard-changes/>`)
}
