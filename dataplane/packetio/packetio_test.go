package packetio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/oam"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	macA = dataplane.MAC{2, 0, 0, 0, 0, 0xa}
	macB = dataplane.MAC{2, 0, 0, 0, 0, 0xb}
	ach  = []byte{0x10, 0, 0, 0x22, 0x20, 0xc0, 3, 24, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 3, 0xe8, 0, 0, 3, 0xe8, 0, 0, 0, 0}
)

// wire is a veth pair in a namespace of its own; the test's thread stays in it.
type wire struct{ a, b int }

// newWire locks the goroutine to its thread, which dies with the test.
func newWire(t testing.TB) wire {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("make namespace: %v (the test needs root)", err)
	}
	ip(t, "link add va address "+macA.String()+" type veth peer name vb address "+macB.String())
	ip(t, "link set va up")
	ip(t, "link set vb up")
	w := wire{index(t, "va"), index(t, "vb")}
	w.settle(t, w.a, w.b)
	w.settle(t, w.b, w.a)
	return w
}

// settle sends until something arrives: a link drops everything until the
// kernel has got round to its carrier.
func (w wire) settle(t testing.TB, from, to int) {
	t.Helper()
	out, in := newTap(t, from), newTap(t, to)
	fds := []unix.PollFd{{Fd: int32(in.fd), Events: unix.POLLIN}}
	probe := make([]byte, 60)
	copy(probe[12:], []byte{0x88, 0xb5})
	for end := time.Now().Add(10 * time.Second); ; {
		out.send(t, probe)
		if n, _ := unix.Poll(fds, 10); n > 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the link does not come up")
		}
	}
}

func ip(t testing.TB, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

func index(t testing.TB, name string) int {
	t.Helper()
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return i.Index
}

// tap receives every frame of an interface, or sends there.
type tap struct{ fd, ifindex int }

func newTap(t testing.TB, ifindex int) tap {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	tv := unix.Timeval{Sec: 5}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: swap16(unix.ETH_P_ALL), Ifindex: ifindex}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return tap{fd, ifindex}
}

func (p tap) send(t testing.TB, f []byte) {
	t.Helper()
	if err := unix.Sendto(p.fd, f, 0, &unix.SockaddrLinklayer{Ifindex: p.ifindex}); err != nil {
		t.Fatal(err)
	}
}

// next returns the next MPLS frame and its VLAN.
func (p tap) next(t testing.TB) ([]byte, uint16) {
	t.Helper()
	buf, oob := make([]byte, 4096), make([]byte, 256)
	for {
		n, on, _, _, err := unix.Recvmsg(p.fd, buf, oob, 0)
		if err != nil {
			t.Fatalf("no frame: %v", err)
		}
		if n < 18 || binary.BigEndian.Uint16(buf[12:]) != typeMPLS {
			continue
		}
		var f Frame
		(&SocketSource{}).ancillary(oob[:on], &f)
		return buf[:n], f.VLAN
	}
}

func mustNew(t testing.TB, s Source) *Transport {
	t.Helper()
	tr, err := New(Options{Source: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

func mustOpen(t testing.TB, tr *Transport, p oam.Path) oam.PathID {
	t.Helper()
	id, err := tr.OpenPath(p)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func lse(label uint32, tc, ttl uint8, s uint32) []byte {
	return appendLSE(nil, oam.LSE{Label: label, TC: tc, TTL: ttl}, s)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func ether(dst, src dataplane.MAC, parts ...[]byte) []byte {
	return join(append([][]byte{dst[:], src[:], {0x88, 0x47}}, parts...)...)
}

func TestSend(t *testing.T) {
	w := newWire(t)
	tr, far := mustNew(t, nil), newTap(t, w.b)
	tr.SetSection("plain", Section{IfIndex: w.a, Local: macA, Peer: macB, Up: true})
	tr.SetSection("multicast", Section{IfIndex: w.a, Local: macA, Up: true})
	tr.SetSection("vlan", Section{IfIndex: w.a, VLAN: 100, Local: macA, Peer: macB, Up: true})
	labels := []oam.LSE{{Label: 400, TTL: 255, TC: 6}, {Label: 200, TTL: 64}}
	var all [][]byte
	for _, c := range []struct {
		name string
		path oam.Path
		vlan uint16
		want []byte
	}{
		{"section", oam.Path{Section: "plain", GALTTL: 1}, 0, ether(macB, macA, lse(13, 0, 1, 1), ach)},
		{"TTL 0 of the GAL is 1", oam.Path{Section: "plain", GALTC: 7}, 0, ether(macB, macA, lse(13, 7, 1, 1), ach)},
		{"LSP in an SPME", oam.Path{Section: "plain", Labels: labels, GALTTL: 9}, 0,
			ether(macB, macA, lse(400, 6, 255, 0), lse(200, 0, 64, 0), lse(13, 0, 9, 1), ach)},
		{"multicast", oam.Path{Section: "multicast", GALTTL: 1}, 0, ether(dataplane.MulticastMAC(), macA, lse(13, 0, 1, 1), ach)},
		{"pseudowire with a control word", oam.Path{Section: "plain", Labels: labels, Control: oam.ControlPWACH}, 0,
			ether(macB, macA, lse(400, 6, 255, 0), lse(200, 0, 64, 1), ach)},
		{"pseudowire by router alert", oam.Path{Section: "plain", Labels: labels, Control: oam.ControlRouterAlert}, 0,
			ether(macB, macA, lse(400, 6, 255, 0), lse(1, 0, 64, 0), lse(200, 0, 64, 1), ach)},
		{"VLAN", oam.Path{Section: "vlan", Labels: labels[1:], GALTTL: 1}, 100, ether(macB, macA, lse(200, 0, 64, 0), lse(13, 0, 1, 1), ach)},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := mustOpen(t, tr, c.path)
			if n, err := tr.Send([]oam.Tx{{Path: id, Payload: ach}}); n != 1 || err != nil {
				t.Fatalf("Send: %d, %v", n, err)
			}
			got, vlan := far.next(t)
			if !bytes.Equal(got, c.want) || vlan != c.vlan {
				t.Errorf("frame on VLAN %d\n got %x\nwant %x", vlan, got, c.want)
			}
			all = append(all, append([]byte(nil), got...))
			tr.ClosePath(id)
		})
	}
	tshark(t, all)
}

// tshark fails the test if it finds a frame malformed or not to be a G-ACh.
func tshark(t *testing.T, frames [][]byte) {
	t.Helper()
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0)
	for i, f := range frames {
		for _, v := range []uint32{uint32(i), 0, uint32(len(f)), uint32(len(f))} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		b = append(b, f...)
	}
	file := filepath.Join(t.TempDir(), "sent.pcap")
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tshark", "-r", file, "-T", "fields", "-e", "frame.protocols", "-e", "_ws.malformed", "-e", "mpls.label").CombinedOutput()
	if err != nil {
		t.Fatalf("tshark: %v: %s", err, out)
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "eth:") {
			continue // A warning of tshark's own.
		}
		n++
		if strings.Contains(strings.ToLower(line), "malformed") || !strings.Contains(line, "pwach") && !strings.Contains(line, "bfd") {
			t.Errorf("tshark reads %s", line)
		}
	}
	if n != len(frames) {
		t.Errorf("tshark reads %d frames of %d: %s", n, len(frames), out)
	}
}

func TestOpenPathRefuses(t *testing.T) {
	newWire(t)
	tr := mustNew(t, nil)
	tr.SetSection("s", Section{})
	deep := make([]oam.LSE, MaxLabels+1)
	for i := range deep {
		deep[i] = oam.LSE{Label: 100, TTL: 255}
	}
	for name, p := range map[string]oam.Path{
		"unknown section":                  {Section: "none"},
		"reserved label":                   {Section: "s", Labels: []oam.LSE{{Label: 15, TTL: 1}}},
		"label too large":                  {Section: "s", Labels: []oam.LSE{{Label: 1 << 20, TTL: 1}}},
		"traffic class 8":                  {Section: "s", Labels: []oam.LSE{{Label: 16, TC: 8, TTL: 1}}},
		"TTL 0":                            {Section: "s", Labels: []oam.LSE{{Label: 16}}},
		"too many labels":                  {Section: "s", Labels: deep},
		"GAL with TC 8":                    {Section: "s", GALTC: 8},
		"nowhere":                          {Labels: deep[2:]},
		"two ways":                         {Section: "s", Group: "g"},
		"a group where there is no way in": {Group: "g", Labels: deep[2:]},
		"unknown control":                  {Section: "s", Labels: deep[2:], Control: 3},
		"neither label nor GAL":            {Section: "s", Control: oam.ControlPWACH},
		"router alert without label":       {Section: "s", Control: oam.ControlRouterAlert},
	} {
		if _, err := tr.OpenPath(p); err == nil {
			t.Errorf("%s: path opened", name)
		}
	}
	if id, err := tr.OpenPath(oam.Path{Section: "s", Labels: deep[1:]}); err != nil || id != 0 {
		t.Errorf("the deepest path: %d, %v", id, err)
	}
}

// TestSectionChanges: paths follow their section.
func TestSectionChanges(t *testing.T) {
	w := newWire(t)
	tr, far := mustNew(t, nil), newTap(t, w.b)
	tr.SetSection("s", Section{})
	id := mustOpen(t, tr, oam.Path{Section: "s"})
	tx := []oam.Tx{{Path: id, Payload: ach}}
	down := func(when string) {
		t.Helper()
		if n, err := tr.Send(tx); n != 0 || !errors.Is(err, errSectionDown) {
			t.Errorf("%s: Send %d, %v", when, n, err)
		}
	}
	down("without interface")
	tr.SetSection("s", Section{IfIndex: w.a, Local: macA, Peer: macB})
	down("while down")
	for _, peer := range []dataplane.MAC{macB, {2, 0, 0, 0, 0, 0xc}} {
		tr.SetSection("s", Section{IfIndex: w.a, Local: macA, Peer: peer, Up: true})
		if n, err := tr.Send(tx); n != 1 || err != nil {
			t.Fatalf("Send: %d, %v", n, err)
		}
		if got, _ := far.next(t); !bytes.Equal(got[:6], peer[:]) {
			t.Errorf("frame to %x, want %v", got[:6], peer)
		}
	}
	tr.RemoveSection("s")
	down("after removal")
	tr.RemoveSection("never")
	if _, err := tr.Send([]oam.Tx{{Path: 77, Payload: ach}, {Path: -1, Payload: ach}, {Path: id}}); err == nil {
		t.Error("unknown paths and an empty payload are sent")
	}
	tr.ClosePath(77)
	tr.ClosePath(id)
	down("after close")
	if c := tr.Counters(); c.Sent != 2 || c.SectionDown != 7 {
		t.Errorf("counters %+v", c)
	}
}

// TestSendErrors: what the kernel refuses does not hold up the rest.
func TestSendErrors(t *testing.T) {
	w := newWire(t)
	tr, far := mustNew(t, nil), newTap(t, w.b)
	tr.SetSection("good", Section{IfIndex: w.a, Local: macA, Peer: macB, Up: true})
	tr.SetSection("bad", Section{IfIndex: 9999, Local: macA, Peer: macB, Up: true})
	good, bad := mustOpen(t, tr, oam.Path{Section: "good"}), mustOpen(t, tr, oam.Path{Section: "bad"})
	var batch []oam.Tx
	for i := range 2*txMax + 10 {
		p := good
		if i%10 == 3 {
			p = bad
		}
		batch = append(batch, oam.Tx{Path: p, Payload: join(ach, []byte{byte(i)})})
	}
	n, err := tr.Send(batch)
	if want := len(batch) - 14; n != want || !errors.Is(err, unix.ENXIO) && !errors.Is(err, unix.ENODEV) {
		t.Fatalf("sent %d of %d, %v; want %d", n, len(batch), err, want)
	}
	for i := range batch {
		if i%10 == 3 {
			continue
		}
		if got, _ := far.next(t); got[len(got)-1] != byte(i) {
			t.Fatalf("frame %d comes as %d", i, got[len(got)-1])
		}
	}
	if c := tr.Counters(); c.SendErrors != 14 || c.Sent != uint64(n) {
		t.Errorf("counters %+v", c)
	}
}

// TestSocketSource sends every kind of frame and looks at what comes out.
func TestSocketSource(t *testing.T) {
	w := newWire(t)
	src, err := NewSocketSource()
	if err != nil {
		t.Fatal(err)
	}
	tr, far := mustNew(t, src), newTap(t, w.b)
	tr.SetSection("s", Section{IfIndex: w.a, Local: macA, Peer: macB, Up: true})
	tr.SetSection("v", Section{IfIndex: w.a, VLAN: 7, Local: macA, Peer: macB, Up: true})
	gal := lse(13, 0, 1, 1)
	vlan := func(id byte, f []byte) []byte { return join(f[:12], []byte{0x81, 0, 0, id}, f[12:]) }
	var deep []byte
	for range 11 {
		deep = append(deep, lse(100, 0, 64, 0)...)
	}
	end := ether(macA, macB, lse(1, 0, 255, 0), lse(999, 0, 9, 1))
	for _, c := range []struct {
		name  string
		frame []byte
		want  *oam.Rx // Without time and interface; nil: nothing.
	}{
		{"section", ether(macA, macB, gal, ach), &oam.Rx{Section: "s", Reason: oam.ReasonGAL, Depth: 1, Payload: ach}},
		{"LSP", ether(macA, macB, lse(100, 5, 64, 0), gal, ach),
			&oam.Rx{Section: "s", Reason: oam.ReasonGAL, Label: 100, HasLabel: true, Depth: 2, Payload: ach}},
		{"LSP in an SPME", ether(macA, macB, lse(300, 5, 64, 0), lse(200, 0, 1, 0), gal, ach),
			&oam.Rx{Section: "s", Reason: oam.ReasonGAL, Label: 200, HasLabel: true, Depth: 3, Payload: ach}},
		{"twelve labels", ether(macA, macB, deep, gal, ach),
			&oam.Rx{Section: "s", Reason: oam.ReasonGAL, Label: 100, HasLabel: true, Depth: 12, Payload: ach}},
		{"multicast", ether(dataplane.MulticastMAC(), macB, gal, ach), &oam.Rx{Section: "s", Reason: oam.ReasonGAL, Depth: 1, Payload: ach}},
		{"VLAN", vlan(7, ether(macA, macB, gal, ach)), &oam.Rx{Section: "v", Reason: oam.ReasonGAL, Depth: 1, Payload: ach}},
		{"expired", ether(macA, macB, lse(100, 0, 1, 1), ach),
			&oam.Rx{Section: "s", Reason: oam.ReasonTTLExpired, Label: 100, HasLabel: true, Depth: 1, Payload: ach}},
		{"expired above a GAL", ether(macA, macB, lse(100, 0, 0, 0), gal, ach),
			&oam.Rx{Section: "s", Reason: oam.ReasonTTLExpired, Label: 100, HasLabel: true, Depth: 2, Payload: ach}},
		{"reserved", ether(macA, macB, lse(9, 0, 64, 1), ach),
			&oam.Rx{Section: "s", Reason: oam.ReasonReserved, Label: 9, HasLabel: true, Depth: 1, Payload: ach}},
		{"explicit null", ether(macA, macB, lse(0, 0, 64, 1), ach), nil},
		{"user packet", ether(macA, macB, lse(100, 0, 64, 1), ach), nil},
		{"not MPLS", join(macA[:], macB[:], []byte{0x88, 0xb5}, gal, ach), nil},
		{"another station", ether(dataplane.MAC{2, 0, 0, 0, 0, 99}, macB, gal, ach), nil},
		{"another group", ether(dataplane.MAC{1, 0, 0x5e, 0, 0, 1}, macB, gal, ach), nil},
		{"VLAN of no section", vlan(8, ether(macA, macB, gal, ach)), nil},
		{"no bottom", ether(macA, macB, lse(100, 0, 1, 0)), nil},
		{"GAL not at the bottom", ether(macA, macB, lse(13, 0, 64, 0), lse(100, 0, 64, 1), ach), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := monotonic()
			far.send(t, c.frame)
			far.send(t, end) // Tells that nothing came before it.
			var batch [4]oam.Rx
			var got []oam.Rx
			for len(got) == 0 || got[len(got)-1].Label != 1 {
				n, err := tr.Recv(batch[:], monotonic()+int64(5*time.Second))
				if err != nil || n == 0 {
					t.Fatalf("Recv: %d, %v", n, err)
				}
				for _, r := range batch[:n] {
					if r.Time < start-int64(time.Second) || r.Time > monotonic() || r.IfIndex != uint32(w.a) {
						t.Errorf("time %d (now %d), interface %d", r.Time, monotonic(), r.IfIndex)
					}
					r.Payload = bytes.Clone(r.Payload)
					got = append(got, r)
				}
			}
			got = got[:len(got)-1]
			switch {
			case c.want == nil && len(got) != 0:
				t.Errorf("received %+v", got[0])
			case c.want != nil && len(got) != 1:
				t.Errorf("received %d frames", len(got))
			case c.want != nil:
				r := got[0]
				r.Time, r.IfIndex = 0, 0
				// The stack is what is in front of the payload, whatever the header was.
				if want := bytes.TrimSuffix(c.frame, ach); !bytes.HasSuffix(want, r.Stack) || len(r.Stack) != 4*int(r.Depth) {
					t.Errorf("stack %x of frame %x", r.Stack, c.frame)
				}
				r.Stack = nil
				switch {
				case r.Label >= 16:
					c.want.Entity = oam.LSP
				case r.HasLabel:
					c.want.Entity = oam.NoEntity
				}
				if fmt.Sprintf("%+v", r) != fmt.Sprintf("%+v", *c.want) {
					t.Errorf("received\n %+v, want\n %+v", r, *c.want)
				}
			}
		})
	}
	if c := tr.Counters(); c.NoSection != 1 || c.Malformed != 1 || src.Foreign() != 2 || src.Dropped() != 0 {
		t.Errorf("counters %+v, foreign %d, dropped %d", c, src.Foreign(), src.Dropped())
	}
}

// fakeSource gives frames from memory.
type fakeSource struct {
	event    int
	frames   []Frame
	released int
}

func newFakeSource(t testing.TB) *fakeSource {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	return &fakeSource{event: fd}
}

func (s *fakeSource) FD() int { return s.event }
func (s *fakeSource) Next(dst []Frame) int {
	n := copy(dst, s.frames)
	s.frames = s.frames[n:]
	return n
}
func (s *fakeSource) Release()     { s.released++ }
func (s *fakeSource) Close() error { return unix.Close(s.event) }

func TestRecv(t *testing.T) {
	newWire(t)
	src := newFakeSource(t)
	tr := mustNew(t, src)
	tr.SetSection("s", Section{IfIndex: 5, Up: true})
	good := Frame{IfIndex: 5, Stack: join(lse(13, 0, 1, 1), ach), Truncated: true}
	var batch [8]oam.Rx

	// Bad frames between good ones do not make a batch look like the last.
	for i := range 20 {
		f := good
		switch i % 4 {
		case 1:
			f.IfIndex = 6
		case 2:
			f.Stack = f.Stack[:3]
		}
		src.frames = append(src.frames, f)
	}
	if n, err := tr.Recv(batch[:], 0); n != 8 || err != nil {
		t.Fatalf("Recv: %d, %v; want a full batch", n, err)
	}
	if n, err := tr.Recv(batch[:], 0); n != 2 || err != nil {
		t.Fatalf("Recv: %d, %v; want the last 2", n, err)
	}
	if c := tr.Counters(); c != (Counters{Received: 10, NoSection: 5, Malformed: 5, Truncated: 10}) {
		t.Errorf("counters %+v", c)
	}
	if n, err := tr.Recv(batch[:], 0); n != 0 || err != nil {
		t.Errorf("Recv of nothing with a deadline in the past: %d, %v", n, err)
	}
	soon := monotonic() + int64(2*time.Millisecond)
	if n, err := tr.Recv(batch[:], soon); n != 0 || err != nil || monotonic() < soon {
		t.Errorf("Recv until a deadline: %d, %v, %d ns early", n, err, soon-monotonic())
	}
	// A Wake before Recv counts, once.
	tr.Wake()
	tr.Wake()
	if n, err := tr.Recv(batch[:], oam.Forever); n != 0 || err != nil {
		t.Errorf("Recv after Wake: %d, %v", n, err)
	}
	// Wake and Close reach a waiting Recv.
	for _, c := range []struct {
		do   func()
		want error
	}{{tr.Wake, nil}, {func() { tr.Close() }, os.ErrClosed}} {
		done := make(chan error)
		go func() {
			_, err := tr.Recv(batch[:], oam.Forever)
			done <- err
		}()
		c.do()
		if err := <-done; !errors.Is(err, c.want) {
			t.Errorf("Recv: %v, want %v", err, c.want)
		}
	}
	if _, err := tr.Send([]oam.Tx{{}}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Send after Close: %v", err)
	}
	if _, err := tr.OpenPath(oam.Path{Section: "s"}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("OpenPath after Close: %v", err)
	}
}

// FuzzWalk: the stack walk ends within the frame, at the first bottom.
func FuzzWalk(f *testing.F) {
	f.Add(join(lse(100, 0, 1, 0), lse(13, 0, 1, 1), ach))
	f.Add([]byte{0, 0, 1})
	f.Add(bytes.Repeat(lse(100, 0, 1, 0), maxDepth+1))
	f.Fuzz(func(t *testing.T, b []byte) {
		depth, payload, ok := walk(b)
		want := 0
		for want < maxDepth && 4*want+4 <= len(b) {
			want++
			if b[4*want-2]&1 == 1 {
				if !ok || depth != want || !bytes.Equal(payload, b[4*want:]) {
					t.Fatalf("depth %d, ok %v; the bottom is at %d", depth, ok, want)
				}
				return
			}
		}
		if ok {
			t.Fatalf("a bottom at depth %d that is not there", depth)
		}
	})
}
