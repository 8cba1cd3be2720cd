package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The frames of this file are put together octet by octet, not with the code
// under test.

// lse is a label stack entry: label, S bit and TTL; the traffic class is 7.
func lse(label uint32, bottom bool, ttl uint8) []byte {
	v := label<<12 | 7<<9 | uint32(ttl)
	if bottom {
		v |= 1 << 8
	}
	return binary.BigEndian.AppendUint32(nil, v)
}

var (
	gal       = lse(13, true, 1)
	channelCC = []byte{0x10, 0, 0, 0x22}
	channelCV = []byte{0x10, 0, 0, 0x23}
)

// control is a BFD control packet in state Up to a discriminator that nobody
// has, with octets of it replaced.
func control(replace map[int]byte) []byte {
	p := []byte{
		1 << 5, 3 << 6, 3, 24, // version 1, state Up, Detect Mult 3
		0, 0, 0, 99, // My Discriminator
		0xde, 0xad, 0xbe, 0xef, // Your Discriminator
		0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10, 0, 0, 0, 0, // 10 ms, 10 ms, no echo
	}
	for i, v := range replace {
		p[i] = v
	}
	return p
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// packetSocket is a raw socket on an interface of a node.
type packetSocket struct {
	fd      int
	address unix.SockaddrLinklayer
}

func (r *rig) packetSocket(t *testing.T, node, ifc string) *packetSocket {
	t.Helper()
	const protocol = 0x0300 // ETH_P_ALL in network byte order: outgoing frames are given to no other
	s := &packetSocket{}
	err := r.Enter(node, func() error {
		i, err := net.InterfaceByName(ifc)
		if err != nil {
			return err
		}
		s.address = unix.SockaddrLinklayer{Protocol: protocol, Ifindex: i.Index}
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol); err != nil {
			return err
		}
		// All that a test sends before it reads has room.
		return errors.Join(unix.Bind(s.fd, &s.address), unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20), unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(s.fd) })
	return s
}

func (s *packetSocket) send(t *testing.T, frame []byte) {
	t.Helper()
	if err := unix.Sendto(s.fd, frame, 0, &s.address); err != nil {
		t.Fatal(err)
	}
}

// toPE1 addresses a frame from p1 to pe1.
func toPE1(labelled ...[]byte) []byte {
	return append([]byte{2, 0, 0, 0, 1, 0x11, 2, 0, 0, 0, 0x11, 1, 0x88, 0x47}, join(labelled...)...)
}

// discarded is what a node counted: the packets that OAM discarded, those of
// the data plane under "data-plane " and the reason, and the lost punts.
func (r *rig) discarded(t *testing.T, node string) map[string]uint64 {
	t.Helper()
	reply := r.get(t, node, mplsTP)
	counts := map[string]uint64{"overruns": reply.Overruns}
	for _, d := range reply.Discards {
		counts[d.Reason] = d.Packets
	}
	for _, d := range reply.Dropped {
		counts["data-plane "+d.Reason] = d.Packets
	}
	for _, d := range reply.Punts {
		counts["punt "+d.Reason] = d.Packets
	}
	return counts
}

// testBadFrames sends G-ACh frames that are wrong from pe1's neighbour: each is
// counted under its reason, and no session changes.
func testBadFrames(t *testing.T, r *rig) {
	// No session may change here: none does because a packet was late.
	r.pace(t, 1_000_000)
	defer r.pace(t, 100_000)
	quiet := r.watchSessions(t, "pe1")
	p1 := r.packetSocket(t, "p1", "to-pe1")
	lsp1 := join(lse(401, false, 255), gal)
	const each = 5
	for _, tc := range []struct {
		name   string
		frame  []byte
		reason string
	}{
		{"IP behind the GAL", toPE1(gal, []byte{0x45, 0, 0, 20}), "not-ach"},
		{"nothing behind the GAL", toPE1(gal), "data-plane malformed"},
		{"ACH cut after an octet", toPE1(gal, []byte{0x10}), "data-plane malformed"},
		{"stack without a bottom", toPE1(lse(401, false, 255), lse(401, false, 255)), "data-plane no-bottom"},
		{"GAL that is not the bottom", toPE1(lse(401, false, 255), lse(13, false, 1), lse(500, true, 1), channelCC, control(nil)), "data-plane malformed"},
		{"label of nobody", toPE1(lse(7777, true, 64), []byte{0x45, 0, 0, 20}), "data-plane unknown-label"},
		{"ACH of version 1", toPE1(lsp1, []byte{0x11, 0, 0, 0x22}, control(nil)), "not-ach"},
		{"unknown channel type", toPE1(lsp1, []byte{0x10, 0, 0x7f, 0xff}, control(nil)), "unknown-channel"},
		{"CC cut", toPE1(lsp1, channelCC, control(nil)[:10]), "length"},
		{"CC cut on a section", toPE1(gal, channelCC, control(nil)[:23]), "length"},
		{"Length over the packet", toPE1(lsp1, channelCC, control(map[int]byte{3: 48})), "length"},
		{"version 0", toPE1(lsp1, channelCC, control(map[int]byte{0: 0})), "version"},
		{"Detect Mult 0", toPE1(lsp1, channelCC, control(map[int]byte{2: 0})), "detect-mult"},
		{"Multipoint", toPE1(lsp1, channelCC, control(map[int]byte{1: 3<<6 | 1})), "flags"},
		{"My Discriminator 0", toPE1(lsp1, channelCC, control(map[int]byte{7: 0})), "my-discriminator"},
		{"Your Discriminator 0", toPE1(gal, channelCC, control(map[int]byte{8: 0, 9: 0, 10: 0, 11: 0})), "your-discriminator-zero"},
		{"MEP-ID cut", toPE1(lsp1, channelCV, control(nil), []byte{0, 1, 0, 12, 0, 0}), "mep-id-malformed"},
		{"CV without MEP-ID", toPE1(gal, channelCV, control(nil)), "mep-id-malformed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := r.discarded(t, "pe1")
			for range each {
				p1.send(t, tc.frame)
			}
			eventually(t, "discards counted as "+tc.reason, func() bool {
				return r.discarded(t, "pe1")[tc.reason] >= before[tc.reason]+each
			})
			if after := r.discarded(t, "pe1"); after[tc.reason]-before[tc.reason] != each {
				t.Errorf("%d frames of reason %s: before %v, after %v", each, tc.reason, before, after)
			}
		})
	}
	t.Run("TTL expires at a transit node", func(t *testing.T) {
		pe1 := r.packetSocket(t, "pe1", "to-p1")
		before := r.discarded(t, "p1")
		pe1.send(t, append([]byte{2, 0, 0, 0, 0x11, 1, 2, 0, 0, 0, 1, 0x11, 0x88, 0x47}, join(lse(101, false, 1), gal, channelCC, control(nil))...))
		eventually(t, "punted and discarded: no MEG", func() bool {
			after := r.discarded(t, "p1")
			return after["no-meg"] == before["no-meg"]+1 && after["punt ttl-expired"] == before["punt ttl-expired"]+1
		})
	})
	t.Run("flood", func(t *testing.T) {
		const frames = 20000
		before := r.discarded(t, "pe1")
		frame := toPE1(lsp1, []byte{0x10, 0, 0x7f, 0xff})
		for range frames {
			p1.send(t, frame)
		}
		eventually(t, "every frame of the flood counted", func() bool {
			after := r.discarded(t, "pe1")
			return after["unknown-channel"]-before["unknown-channel"]+after["overruns"]-before["overruns"] >= frames
		})
	})
	quiet()
	t.Run("own frames come back", func(t *testing.T) { testLoop(t, r, p1) })
}

// testLoop sends pe1's own CC packets back to it, as a looped port would: they
// are discarded, the MEG reports a mis-connection until they stop, and meanwhile
// no client packet is taken from the section (RFC 6371 section 5.1.2).
func testLoop(t *testing.T, r *rig, p1 *packetSocket) {
	frame := toPE1(ownCC(t, r.packetSocket(t, "pe1", "to-p1"))[14:])
	before := r.discarded(t, "pe1")
	for range 100 {
		p1.send(t, frame)
	}
	eventually(t, "looped packets discarded", func() bool {
		return r.discarded(t, "pe1")["your-discriminator"] == before["your-discriminator"]+100
	})
	misconnected := func() bool {
		return slices.ContainsFunc(r.notUp(t, "pe1"), func(m meg) bool {
			return m.Name == "to-p1" && m.Blocked && slices.ContainsFunc(m.Defects, func(d string) bool { return strings.HasSuffix(d, "mis-connectivity") })
		})
	}
	eventually(t, "a mis-connection of the section", misconnected)
	client := toPE1(lse(401, true, 64), make([]byte, 40))
	eventually(t, "client packets of the section blocked and counted", func() bool {
		p1.send(t, frame) // The defect lasts for as long as they come.
		p1.send(t, client)
		return r.discarded(t, "pe1")["data-plane blocked"] >= before["data-plane blocked"]+10
	})
	eventually(t, "recovery", func() bool { return r.allUp(t) })
	if m := r.maintained(t, "pe1", "to-p1"); m.Blocked {
		t.Errorf("the section is blocked after the recovery: %+v", m)
	}
	eventually(t, "client packets", r.ping(t, "192.0.2.130"))
}

// ownCC captures a CC packet of the section MEG that an element sends.
func ownCC(t *testing.T, s *packetSocket) []byte {
	t.Helper()
	buffer := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(s.fd, buffer, 0)
		if err != nil {
			t.Fatalf("no CC packet: %v", err)
		}
		ll, ok := from.(*unix.SockaddrLinklayer)
		// The TTL of the GAL is the element's choice.
		if ok && ll.Pkttype == unix.PACKET_OUTGOING && n >= 22 && bytes.HasPrefix(buffer[12:n], []byte{0x88, 0x47, gal[0], gal[1]}) &&
			bytes.Equal(buffer[18:22], channelCC) {
			return bytes.Clone(buffer[:n])
		}
	}
}

// pace sets the interval of the LSP MEGs, in microseconds, and waits until both
// ends use it.
func (r *rig) pace(t *testing.T, interval int) {
	t.Helper()
	var megs strings.Builder
	for _, name := range []string{"lsp-1", "lsp-2"} {
		fmt.Fprintf(&megs, `<meg><name>%s</name><mep><cc><desired-min-tx-interval>%d</desired-min-tx-interval>`+
			`<required-min-rx-interval>%d</required-min-rx-interval></cc></mep></meg>`, name, interval, interval)
	}
	for _, node := range []string{"pe1", "pe2"} {
		r.commit(t, node, `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><oam xmlns="urn:tandem:yang:mtp-oam">`+megs.String()+`</oam></mpls-tp>`)
	}
	for _, node := range []string{"pe1", "pe2"} {
		eventually(t, fmt.Sprintf("the LSP MEGs of %s at %d us", node, interval), func() bool {
			for _, m := range r.get(t, node, oamOnly).MEGs {
				if strings.HasPrefix(m.Name, "lsp-") && (m.Detect < 3*interval || m.Detect > 4*interval) {
					return false
				}
			}
			return r.allUp(t)
		})
	}
}

// watchSessions subscribes to a node's sessions; the function it returns fails
// the test if one was not up or had a defect in between.
func (r *rig) watchSessions(t *testing.T, node string) func() {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	updates, watchErr, err := r.Watch(ctx, node)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		eventually(t, "all sessions of "+node+" up", func() bool { return len(r.notUp(t, node)) == 0 })
		cancel()
		for u := range updates {
			if u.Leaf == "local-state" && u.Value != "up" || u.Leaf == "defect" && u.Value != "" {
				t.Errorf("%s: %s became %q", u.MEG, u.Leaf, u.Value)
			}
		}
		if err := watchErr(); err != nil {
			t.Error(err)
		}
	}
}
