package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestServices carries clients over pseudowires: a port, a VLAN, two segments
// and a point-to-multipoint one, in a lab of three PEs and a P. The examples want
// what the kernel data plane lacks, and CC at the pace of this machine what a
// queue does: neither is for the guest.
func TestServices(t *testing.T) {
	testServices(t, bringLab(t, "services", "t1s"),
		serviceTest{"examples", testExamples},
		serviceTest{"the G-ACh has a queue of its own", testChannelQueue},
		serviceTest{"TCP with offloads left on", testServiceTCP},
		serviceTest{"forwarding survives kill -9 of every element", testKillServices})
}

// serviceTest is a test of the lab of services when all its sessions are up,
// and leaves it so.
type serviceTest struct {
	name string
	run  func(*testing.T, *rig)
}

// testServices configures the lab and runs the tests that every data plane
// passes, and more.
func testServices(t *testing.T, r *rig, more ...serviceTest) {
	if err := r.ConfigureAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, test := range append([]serviceTest{
		{"clients reach each other", testSites},
		{"states and counters", testServiceState},
		{"one VLAN here is another there", testTrunk},
		{"a bandwidth profile", testPolicing},
		{"a leaf is pruned and grafted", testPrune},
		{"a section too narrow for its pseudowires", testNarrowSection},
		{"a label space that would hide labels", testLabelSpaceRefused},
		{"mis-connected LSPs carry no client", testMisconnected},
		{"an LSP is locked and looped back", testMaintenance},
	}, more...) {
		t.Run(test.name, func(t *testing.T) {
			eventually(t, "all CC sessions up", func() bool {
				return len(r.notUp(t, "pe1")) == 0 && len(r.notUp(t, "pe2")) == 0 && len(r.notUp(t, "pe3")) == 0
			})
			test.run(t, r)
		})
	}
}

// testSites lets ARP and echo packets cross every kind of service.
func testSites(t *testing.T, r *rig) {
	for _, p := range r.Topology.Demo.Pings {
		eventually(t, p.From+" reaches "+p.To, func() bool { return r.Ping(t.Context(), p.From, p.To) == nil })
	}
}

// testServiceState sends ten packets each way and finds them in every object of
// the way.
func testServiceState(t *testing.T, r *rig) {
	type counts struct{ service, wire, tunnel object }
	read := func(node string) counts {
		reply := r.get(t, node, mplsTP)
		c := counts{find(reply.Services, "wire"), find(reply.PWs, "wire"), find(reply.Tunnels, "pe1-pe2")}
		for _, o := range []object{c.service, c.wire, c.tunnel} {
			if o.Oper != "up" {
				t.Errorf("%s: oper-state of %q is %q, want up", node, o.Name, o.Oper)
			}
		}
		for _, o := range []object{c.service, c.wire} {
			if o.State != "applied" {
				t.Errorf("%s: %q is %s (%s)", node, o.Name, o.State, o.Reason)
			}
		}
		return c
	}
	nodes := []string{"pe1", "pe2"}
	before := map[string]counts{}
	for _, n := range nodes {
		before[n] = read(n)
	}
	r.run(t, "ce1", "ping", "-q", "-c", "10", "-i", "0.05", "-W", "2", "192.0.2.2")
	for _, n := range nodes {
		was, is := before[n], read(n)
		for _, c := range []struct {
			what     string
			was, is  object
			incoming bool
		}{{"service", was.service, is.service, true}, {"pseudowire", was.wire, is.wire, true}, {"tunnel", was.tunnel, is.tunnel, false}} {
			if c.incoming && c.is.In-c.was.In < 10 {
				t.Errorf("%s: the %s counted %d in, want 10", n, c.what, c.is.In-c.was.In)
			}
			if c.is.Out-c.was.Out < 10 {
				t.Errorf("%s: the %s counted %d out, want 10", n, c.what, c.is.Out-c.was.Out)
			}
		}
	}
	if o := find(r.get(t, "pe2", mplsTP).Switches, "far"); o.Oper != "up" {
		t.Errorf("the switching point is %+v, want up", o)
	}
}

// testServiceTCP moves some MiB between clients that leave checksums and
// segmentation to their interfaces, as every container and guest does.
func testServiceTCP(t *testing.T, r *rig) {
	for _, c := range []struct{ name, from, to, address string }{
		{"one segment", "ce1", "ce2", "192.0.2.2:7000"},
		{"two segments", "ce3", "ce1", "192.0.2.65:7000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := make([]byte, 4<<20)
			seed := rand.New(rand.NewPCG(1, 2))
			for i := 0; i < len(data); i += 8 {
				binary.LittleEndian.PutUint64(data[i:], seed.Uint64())
			}
			var l net.Listener
			if err := r.Enter(c.to, func() (err error) {
				l, err = net.Listen("tcp", c.address)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			got := make(chan error, 1)
			var echoed []byte
			go func() { // The far client sends back what it gets.
				conn, err := l.Accept()
				if err == nil {
					_, err = io.Copy(conn, conn)
					err = errors.Join(err, conn.Close())
				}
				got <- err
			}()
			conn, err := r.Dial(t.Context(), c.from, "tcp", c.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			sent := make(chan error, 1)
			go func() {
				_, err := conn.Write(data)
				sent <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
			}()
			if echoed, err = io.ReadAll(conn); err != nil {
				t.Fatalf("after %d of %d octets: %v", len(echoed), len(data), err)
			}
			if err := errors.Join(<-sent, <-got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(echoed, data) {
				t.Errorf("%d octets came back for %d, or others", len(echoed), len(data))
			}
			t.Logf("%d MiB there and back in %v", len(data)>>20, time.Since(began).Round(time.Millisecond))
		})
	}
}

// tagged is what a packet socket received, its VLAN tag beside it.
type tagged struct {
	vid   uint16 // 0: no tag
	frame []byte
}

// receive returns the next frame from a source address, or false when none
// came within the socket's time.
func (s *packetSocket) receive(t *testing.T, source []byte) (tagged, bool) {
	t.Helper()
	buf, control := make([]byte, 2048), make([]byte, 64)
	for {
		n, c, _, _, err := unix.Recvmsg(s.fd, buf, control, 0)
		if errors.Is(err, unix.EAGAIN) {
			return tagged{}, false
		}
		if err != nil {
			t.Fatal(err)
		}
		if n < 14 || !bytes.Equal(buf[6:12], source) {
			continue
		}
		f := tagged{frame: bytes.Clone(buf[:n])}
		messages, err := unix.ParseSocketControlMessage(control[:c])
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			// struct tpacket_auxdata: the tag is in its last two fields.
			if m.Header.Type == unix.PACKET_AUXDATA && binary.LittleEndian.Uint32(m.Data)&unix.TP_STATUS_VLAN_VALID != 0 {
				f.vid = binary.LittleEndian.Uint16(m.Data[16:]) & 0xfff
			}
		}
		return f, true
	}
}

// listen is a packet socket that tells tags and gives up after limit.
func (r *rig) listen(t *testing.T, node, ifc string, limit time.Duration) *packetSocket {
	t.Helper()
	s := r.packetSocket(t, node, ifc)
	wait := unix.NsecToTimeval(limit.Nanoseconds())
	if err := errors.Join(unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait)); err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	stationWest = []byte{2, 0, 0, 0xce, 0, 1}
	stationEast = []byte{2, 0, 0, 0xce, 0, 2}
)

// ethernet is a frame with a tag, or with none for VLAN 0.
func ethernet(to, from []byte, vid uint16, payload []byte) []byte {
	f := join(to, from)
	if vid != 0 {
		f = binary.BigEndian.AppendUint16(append(f, 0x81, 0), vid)
	}
	return join(f, []byte{0x88, 0xb5}, payload) // IEEE 802 local experimental
}

// testTrunk: VLAN 10 of one site is VLAN 20 of the other, and nothing else of
// the interface goes anywhere.
func testTrunk(t *testing.T, r *rig) {
	west, east := r.listen(t, "ce1", "trunk", 5*time.Second), r.listen(t, "ce2", "trunk", 5*time.Second)
	for _, c := range []struct {
		name           string
		from, to       *packetSocket
		source, target []byte
		vid, want      uint16
	}{
		{"west to east", west, east, stationWest, stationEast, 10, 20},
		{"east to west", east, west, stationEast, stationWest, 20, 10},
	} {
		for _, other := range []uint16{0, c.vid + 1, c.want} {
			c.from.send(t, ethernet(c.target, c.source, other, make([]byte, 46)))
		}
		payload := bytes.Repeat([]byte(c.name), 20)
		c.from.send(t, ethernet(c.target, c.source, c.vid, payload))
		f, ok := c.to.receive(t, c.source)
		if !ok {
			t.Fatalf("%s: nothing arrived", c.name)
		}
		// The first to arrive is the one: the others went before it.
		if want := ethernet(c.target, c.source, 0, payload); f.vid != c.want || !bytes.Equal(f.frame, want) {
			t.Errorf("%s: VLAN %d\n%x\nwant VLAN %d\n%x", c.name, f.vid, f.frame, c.want, want)
		}
	}
}

// testPolicing sends more than profile gold permits: what arrives is what the
// element calls green and yellow, and the rest is red.
func testPolicing(t *testing.T, r *rig) {
	const frames = 300
	trunk := func() (in uint64, colours map[string]uint64) {
		o := find(r.get(t, "pe1", mplsTP).Services, "trunk")
		colours = map[string]uint64{}
		for _, c := range o.Colours {
			colours[c.Name] = c.Packets
		}
		return o.In, colours
	}
	inBefore, before := trunk()
	west, east := r.listen(t, "ce1", "trunk", 5*time.Second), r.listen(t, "ce2", "trunk", 2*time.Second)
	frame := ethernet(stationEast, stationWest, 10, make([]byte, 1400))
	for range frames {
		west.send(t, frame)
	}
	arrived := uint64(0)
	for {
		if _, ok := east.receive(t, stationWest); !ok {
			break
		}
		arrived++
	}
	in, after := trunk()
	green, yellow, red := after["green"]-before["green"], after["yellow"]-before["yellow"], after["red"]-before["red"]
	t.Logf("%d frames sent: %d green, %d yellow, %d red, %d arrived", frames, green, yellow, red, arrived)
	if in-inBefore != frames || green+yellow+red != frames {
		t.Errorf("the service counted %d frames, %d with a colour; %d were sent", in-inBefore, green+yellow+red, frames)
	}
	if green+yellow != arrived || red == 0 || green == 0 || yellow == 0 {
		t.Errorf("%d green, %d yellow, %d red; %d arrived", green, yellow, red, arrived)
	}
}

// testPrune takes one leaf off the tree and puts it back, while packets to the
// other leaf flow: none of these is lost.
func testPrune(t *testing.T, r *rig) {
	const tree = `<mpls-tp xmlns="urn:tandem:yang:mtp-node" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0"><lsps xmlns="urn:tandem:yang:mtp-lsp">` +
		`<static-lsp><name>tree</name><out-segment><nhlfe-multiple>%</nhlfe-multiple></out-segment></static-lsp></lsps></mpls-tp>`
	leaf3 := func() bool { return r.ping(t, "192.0.2.131")() }
	eventually(t, "the leaf at pe3 answers", leaf3)
	finish := r.pinging(t, "ce1", "192.0.2.130", 600)
	for range 3 {
		r.commit(t, "p", strings.Replace(tree, "%", `<nhlfe nc:operation="delete"><index>pe3</index></nhlfe>`, 1))
		eventually(t, "the pruned leaf is silent", func() bool { return !leaf3() })
		r.commit(t, "p", strings.Replace(tree, "%", `<nhlfe><index>pe3</index><outgoing-section>to-pe3</outgoing-section>`+
			`<mpls-label-stack><entry><id>1</id><label>242</label></entry></mpls-label-stack></nhlfe>`, 1))
		eventually(t, "the grafted leaf answers", leaf3)
	}
	finish()
}

// pinging sends n echo packets, 10 ms apart; the function it returns waits for
// the end and fails the test if one was lost.
func (r *rig) pinging(t *testing.T, from, to string, n int) func() {
	t.Helper()
	ping := exec.CommandContext(t.Context(), "ip", "netns", "exec", r.Topology.Namespace(from),
		"ping", "-q", "-c", strconv.Itoa(n), "-i", "0.01", "-W", "2", to)
	var out strings.Builder
	ping.Stdout, ping.Stderr = &out, &out
	if err := ping.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := ping.Wait(); err != nil || !strings.Contains(out.String(), " 0% packet loss") {
			t.Errorf("%s to %s: %v\n%s", from, to, err, out.String())
		}
	}
}

// testMisconnected crosses two LSPs at the P: their egress sees MEP-IDs that are
// not the expected ones, raises the alarm and lets no client packet through
// (RFC 6371 section 5.1.1), until they are put right.
func testMisconnected(t *testing.T, r *rig) {
	cross := func(fromPE2, fromPE3 string) {
		lsp := func(name, label string) string {
			return `<static-lsp><name>` + name + `</name><out-segment><nhlfe-single><mpls-label-stack><entry><id>1</id><label>` +
				label + `</label></entry></mpls-label-stack></nhlfe-single></out-segment></static-lsp>`
		}
		r.commit(t, "p", `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp">`+
			lsp("pe2-to-pe1", fromPE2)+lsp("pe3-to-pe1", fromPE3)+`</lsps></mpls-tp>`)
	}
	blocked := func() uint64 { return r.discarded(t, "pe1")["data-plane blocked"] }
	alarmed := func(cleared bool) func() bool {
		return func() bool {
			n := 0
			for _, a := range r.get(t, "pe1", alarms).Alarms {
				if strings.HasSuffix(a.Type, "mis-connectivity") && a.Cleared == cleared {
					n++
				}
			}
			return n == 2
		}
	}
	before := blocked()
	cross("231", "221")
	eventually(t, "both alarms are raised", alarmed(false))
	eventually(t, "client packets are blocked and counted", func() bool {
		return !r.ping(t, "192.0.2.2")() && blocked() > before
	})
	cross("221", "231")
	eventually(t, "the alarms are cleared", alarmed(true))
	eventually(t, "clients reach each other again", r.ping(t, "192.0.2.2"))
}

// testKillServices kills one element after the other under traffic.
func testKillServices(t *testing.T, r *rig) {
	for _, node := range []string{"pe1", "p", "pe2"} {
		config := r.config(t, node, "running")
		wire, far, cast := r.pinging(t, "ce1", "192.0.2.2", 300), r.pinging(t, "ce1", "192.0.2.66", 300), r.pinging(t, "ce1", "192.0.2.130", 300)
		r.kill(t, node)
		r.restart(t, node)
		wire()
		far()
		cast()
		if after := r.config(t, node, "running"); after != config {
			t.Errorf("%s: running changed over kill -9:\nbefore %s\nafter %s", node, config, after)
		}
	}
}
