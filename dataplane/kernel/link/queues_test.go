package link_test

import (
	"encoding/binary"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
)

// tc runs the tc command in the element and returns what it says.
func tc(t *testing.T, l *netlab.Lab, args ...string) string {
	t.Helper()
	var out []byte
	l.Do(t, func() {
		var err error
		if out, err = exec.Command("tc", args...).CombinedOutput(); err != nil {
			t.Fatalf("tc %s: %v: %s", strings.Join(args, " "), err, out)
		}
	})
	return string(out)
}

func index(t *testing.T, l *netlab.Lab, h *link.Handle, p drivertest.PortID) int {
	t.Helper()
	west, err := h.ByName(l.Port(p).Name)
	if err != nil {
		t.Fatal(err)
	}
	return west.Index
}

func TestQueues(t *testing.T) {
	l, h := open(t)
	west := index(t, l, h, drivertest.West)
	if err := h.ProbeQueues(west); err != nil {
		t.Fatalf("ProbeQueues: %v", err)
	}
	if out := tc(t, l, "qdisc", "show", "dev", "west0"); strings.Contains(out, "htb") {
		t.Errorf("the probe leaves %s", out)
	}
	for range 2 {
		if err := h.ClearQueues(west); err != nil {
			t.Errorf("ClearQueues without queues: %v", err)
		}
	}
	if _, ok, err := h.Queues(west); ok || err != nil {
		t.Errorf("Queues without queues: %v, %v", ok, err)
	}
	for _, q := range []link.Queues{
		{},
		{Rate: 10_000_000},
		{Rate: 8},
		{Rate: 1_000_000_000, ByLabel: true},
		{Rate: 400_000_000_000},
		{Weights: [8]uint16{1, 2, 3, 4, 5, 6, 7, 65535}},
		{Rate: 1_000_000_000, Weights: [8]uint16{10, 20, 0, 70}},
		{Rate: 1_000_000_000, Weights: [8]uint16{10, 20, 0, 70}}, // The same again.
	} {
		if err := h.SetQueues(west, q); err != nil {
			t.Fatalf("SetQueues %+v: %v", q, err)
		}
		if got, ok, err := h.Queues(west); got != q || !ok || err != nil {
			t.Errorf("Queues: %+v, %v, %v; want %+v\n%s", got, ok, err, q, tc(t, l, "-d", "class", "show", "dev", "west0"))
		}
	}
	// Strict ones first, the highest class before all.
	out := tc(t, l, "class", "show", "dev", "west0")
	for class, prio := range map[string]string{"8": "prio 0", "7": "prio 1", "3": "prio 4", "4": "prio 5", "2": "prio 5", "1": "prio 5"} {
		line := ""
		for s := range strings.Lines(out) {
			if strings.HasPrefix(s, "class htb 7a4d:"+class+" ") {
				line = s
			}
		}
		if !strings.Contains(line, prio) {
			t.Errorf("class %s is %q, want %s", class, line, prio)
		}
	}
	if err := h.ClearQueues(west); err != nil {
		t.Fatal(err)
	}
	if out := tc(t, l, "qdisc", "show", "dev", "west0"); strings.Contains(out, "htb") {
		t.Errorf("after ClearQueues: %s", out)
	}
	if err := h.SetQueues(4242, link.Queues{}); !errors.Is(err, link.ErrNotFound) {
		t.Errorf("queues of no interface: %v", err)
	}
	if err := h.ClearQueues(4242); err != nil {
		t.Errorf("ClearQueues of no interface: %v", err)
	}
	if _, ok, err := h.Queues(4242); ok || err != nil {
		t.Errorf("queues of no interface: %v, %v", ok, err)
	}
}

func TestQueuesString(t *testing.T) {
	for want, q := range map[string]link.Queues{
		"htb, strict 7 6 5 4 3 2 1 0":                             {},
		"htb, 1000000 bit/s, strict 7 6 5 4 3 2, weights 1:3 0:1": {Rate: 1_000_000, Weights: [8]uint16{1, 3}},
		"htb, weights 7:8 6:7 5:6 4:5 3:4 2:3 1:2 0:1":            {Weights: [8]uint16{1, 2, 3, 4, 5, 6, 7, 8}},
	} {
		if got := q.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestQueuesDrift: what somebody changed is not taken for ours, and is repaired
// by setting it again.
func TestQueuesDrift(t *testing.T) {
	l, h := open(t)
	west := index(t, l, h, drivertest.West)
	q := link.Queues{Rate: 50_000_000, Weights: [8]uint16{1, 1}}
	for _, c := range []struct {
		name string
		args string
	}{
		{"scheduler deleted", "qdisc del dev west0 root"},
		{"rate changed", "class change dev west0 parent 7a4d: classid 7a4d:10 htb rate 1mbit"},
		{"priority changed", "class change dev west0 parent 7a4d:10 classid 7a4d:8 htb rate 8kbit ceil 50mbit prio 7"},
		{"class of the G-ACh deleted", "class del dev west0 classid 7a4d:9"},
		{"class added", "class add dev west0 parent 7a4d:10 classid 7a4d:99 htb rate 1mbit"},
		{"filter deleted", "filter del dev west0 parent 7a4d:"},
	} {
		if err := h.SetQueues(west, q); err != nil {
			t.Fatalf("SetQueues: %v", err)
		}
		tc(t, l, strings.Fields(c.args)...)
		if _, ok, err := h.Queues(west); ok || err != nil {
			t.Errorf("%s: %v, %v", c.name, ok, err)
		}
		if strings.Contains(c.name, "added") {
			tc(t, l, "class", "del", "dev", "west0", "classid", "7a4d:99")
		}
		if err := h.SetQueues(west, q); err != nil {
			t.Fatalf("repair after %s: %v", c.name, err)
		}
		if got, ok, err := h.Queues(west); got != q || !ok || err != nil {
			t.Errorf("repair after %s: %+v, %v, %v", c.name, got, ok, err)
		}
	}
}

// TestForeignQueues: a scheduler of somebody else stays.
func TestForeignQueues(t *testing.T) {
	l, h := open(t)
	west := index(t, l, h, drivertest.West)
	tc(t, l, "qdisc", "add", "dev", "west0", "root", "handle", "1:", "htb")
	if err := h.SetQueues(west, link.Queues{}); !errors.Is(err, link.ErrForeignQueues) {
		t.Errorf("SetQueues: %v", err)
	}
	if err := h.ClearQueues(west); err != nil {
		t.Errorf("ClearQueues: %v", err)
	}
	if _, ok, err := h.Queues(west); ok || err != nil {
		t.Errorf("Queues: %v, %v", ok, err)
	}
	if out := tc(t, l, "qdisc", "show", "dev", "west0"); !strings.Contains(out, "htb 1:") {
		t.Errorf("the scheduler of somebody else is gone: %s", out)
	}
	if err := h.ProbeQueues(west); err == nil {
		t.Error("ProbeQueues where somebody else's is")
	}
}

// sender sends frames of a traffic class out of an interface of the element.
func sender(t *testing.T, l *netlab.Lab, index, class int) int {
	t.Helper()
	fd := -1
	l.Do(t, func() {
		var err error
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err == nil {
			err = errors.Join(
				unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, class),
				unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 64<<20),
				unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: index}))
		}
		if err != nil {
			t.Fatalf("packet socket: %v", err)
		}
	})
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// classFrame is an MPLS frame that carries its class and a number.
func classFrame(p drivertest.Port, class, number uint32, size int) []byte {
	f := make([]byte, size)
	copy(f, p.Peer[:])
	copy(f[6:], p.MAC[:])
	f[12], f[13] = 0x88, 0x47
	binary.BigEndian.PutUint32(f[14:], 1000<<12|class<<9|1<<8|64)
	binary.BigEndian.PutUint32(f[18:], number)
	return f
}

// arrived counts frames at the other end by class until n of class want are
// there, or none comes.
func arrived(t *testing.T, l *netlab.Lab, want uint32, n int) (count [8]int) {
	t.Helper()
	for count[want] < n {
		f := l.Receive(t, drivertest.West, 5*time.Second)
		if f == nil {
			return count
		}
		if len(f) > 18 && f[12] == 0x88 && f[13] == 0x47 {
			count[binary.BigEndian.Uint32(f[14:])>>9&7]++
		}
	}
	return count
}

// TestClassProtected floods class 0 through a shaped interface: frames of class
// 7 lose nothing, those of class 0 do.
func TestClassProtected(t *testing.T) {
	l, h := open(t)
	west := index(t, l, h, drivertest.West)
	port := l.Port(drivertest.West)
	if err := h.SetQueues(west, link.Queues{Rate: 20_000_000}); err != nil {
		t.Fatal(err)
	}
	user, oam := sender(t, l, west, 0), sender(t, l, west, 7)
	const control, ratio = 200, 50
	for i := range control * ratio {
		// The queue is full most of the time: ENOBUFS is the drop.
		if _, err := unix.Write(user, classFrame(port, 0, uint32(i), 1000)); err != nil && !errors.Is(err, unix.ENOBUFS) {
			t.Fatal(err)
		}
		if i%ratio == 0 {
			if _, err := unix.Write(oam, classFrame(port, 7, uint32(i), 90)); err != nil {
				t.Fatalf("frame of class 7 refused: %v", err)
			}
		}
	}
	if got := arrived(t, l, 7, control); got[7] != control {
		t.Errorf("%d of %d frames of class 7 arrived", got[7], control)
	}
	s, err := h.QueueStats(west)
	if err != nil {
		t.Fatal(err)
	}
	// The host's own control packets may be among them.
	if s[7].Packets < control || s[7].Drops != 0 || s[7].Octets < control*90 {
		t.Errorf("class 7: %+v", s[7])
	}
	if s[0].Drops == 0 || s[0].Packets == 0 {
		t.Errorf("class 0: %+v, want drops and packets", s[0])
	}
}

// TestChannelProtected floods the highest class, with all labels and priorities
// as the G-ACh has them, through a shaped interface: the G-ACh loses nothing,
// whatever shape it has and wherever it was sent.
func TestChannelProtected(t *testing.T) {
	for _, byLabel := range []bool{false, true} {
		l, h := open(t)
		west := index(t, l, h, drivertest.West)
		port := l.Port(drivertest.West)
		if err := h.SetQueues(west, link.Queues{Rate: 20_000_000, ByLabel: byLabel}); err != nil {
			t.Fatal(err)
		}
		lse := func(label, bottom uint32) uint32 { return label<<12 | 7<<9 | bottom<<8 | 64 }
		frame := func(tag bool, words ...uint32) []byte {
			f := append(append([]byte(nil), port.Peer[:]...), port.MAC[:]...)
			if tag {
				f = append(f, 0x81, 0, 0xe0, 7)
			}
			f = append(f, 0x88, 0x47)
			for _, w := range words {
				f = binary.BigEndian.AppendUint32(f, w)
			}
			return append(f, make([]byte, 64)...)
		}
		const ach = 0x10000007 // BFD of RFC 5885
		deep := make([]uint32, 14)
		for i := range deep {
			deep[i] = lse(1000+uint32(i), 0)
		}
		channel := [][]byte{
			frame(false, lse(13, 1), ach),
			frame(false, lse(1000, 0), lse(13, 1), ach),
			frame(true, lse(1000, 0), lse(1001, 0), lse(13, 1), ach),
			frame(false, lse(1000, 0), lse(2000, 1), ach),
			frame(false, lse(13, 1), 0x10000009),
			frame(false, lse(13, 1), 0x1000000f),
			frame(false, append(deep, lse(13, 1), ach)...),
		}
		// Neither a GAL nor an ACH is where it counts.
		users := [][]byte{
			frame(false, lse(1000, 0), lse(2000, 1), 0x00001000, ach),
			frame(false, lse(1000, 1), 0x45000000, lse(13, 1)),
			frame(true, lse(1000, 1), 0x11000000),
			frame(false, lse(13, 0), lse(1000, 1), 0x00000000),
			frame(false, lse(1000, 0), lse(13, 1), 0x1000000a),   // Loss.
			frame(false, lse(1000, 0), lse(2000, 1), 0x1000000c), // Delay.
			frame(true, lse(13, 1), 0x1000000e),
		}
		user, oam := sender(t, l, west, 7), sender(t, l, west, 7)
		const rounds, flood = 42, 250
		for i := range rounds {
			for j := range flood {
				f := append(users[j%len(users)], make([]byte, 900)...)
				if _, err := unix.Write(user, f); err != nil && !errors.Is(err, unix.ENOBUFS) {
					t.Fatal(err)
				}
			}
			if _, err := unix.Write(oam, channel[i%len(channel)]); err != nil {
				t.Fatalf("by label %v: frame %d of the G-ACh refused: %v", byLabel, i, err)
			}
		}
		s, err := h.QueueStats(west)
		if err != nil {
			t.Fatal(err)
		}
		c := s[link.ChannelQueue]
		if c.Drops != 0 || c.Packets+c.Backlog != rounds {
			t.Errorf("by label %v: the G-ACh: %+v, want %d packets and no drops", byLabel, c, rounds)
		}
		if s[7].Drops == 0 {
			t.Errorf("by label %v: class 7: %+v, want drops", byLabel, s[7])
		}
	}
}

// TestWeights fills two weighted queues and looks at the order in which they
// are emptied.
func TestWeights(t *testing.T) {
	l, h := open(t)
	west := index(t, l, h, drivertest.West)
	port := l.Port(drivertest.West)
	// Both queues are filled while next to nothing leaves, however long that
	// takes, and then emptied so slowly that the reader keeps up.
	queues := link.Queues{Rate: 200_000, Weights: [8]uint16{1, 3}}
	if err := h.SetQueues(west, queues); err != nil {
		t.Fatal(err)
	}
	for class := range 2 {
		fd := sender(t, l, west, class)
		for i := range 900 {
			if _, err := unix.Write(fd, classFrame(port, uint32(class), uint32(i), 1000)); err != nil {
				t.Fatal(err)
			}
		}
	}
	queues.Rate = 10_000_000
	if err := h.SetQueues(west, queues); err != nil {
		t.Fatal(err)
	}
	// The first frames left before the second queue was filled.
	before := arrived(t, l, 1, 100)
	first := arrived(t, l, 1, 300)
	ratio := float64(first[1]) / float64(first[0])
	t.Logf("before %v, then %v: ratio %.2f", before, first, ratio)
	if ratio < 2.4 || ratio > 3.8 {
		t.Errorf("%d frames of class 1 with %d of class 0: ratio %.2f, want 3", first[1], first[0], ratio)
	}
}

// TestByLabel looks at the queue in which frames wait: that of their outermost
// label, whatever their priority, unless that names a class.
func TestByLabel(t *testing.T) {
	l, h := open(t)
	west := index(t, l, h, drivertest.West)
	port := l.Port(drivertest.West)
	if err := h.SetQueues(west, link.Queues{ByLabel: true}); err != nil {
		t.Fatal(err)
	}
	other := func(typ uint16, payload string) []byte {
		f := append(append([]byte(nil), port.Peer[:]...), port.MAC[:]...)
		return append(binary.BigEndian.AppendUint16(f, typ), payload+strings.Repeat("\x00", 40)...)
	}
	mpls := func(class uint32) []byte { return classFrame(port, class, 0, 60) }
	tagged := func(typ uint16, f []byte) []byte {
		return append(append(f[:12:12], byte(typ>>8), byte(typ), 0, 7), f[12:]...)
	}
	for _, c := range []struct {
		name     string
		priority uint32
		frame    []byte
		want     int
	}{
		{"a label", 0, mpls(5), 5},
		{"a label, and another priority", 6, mpls(3), 3},
		{"a label behind a tag", 0, tagged(0x8100, mpls(7)), 7},
		{"a class that is named", link.ByClass(2), mpls(5), 2},
		{"class 0, named", link.ByClass(0), mpls(5), 0},
		{"something else, by its priority", 4, other(0x88b5, ""), 4},
		{"something else behind a tag", 4, tagged(0x8100, other(0x88b5, "")), 4},
		{"a priority of no class", 99, other(0x88b5, ""), 0},
		{"IPv4, by its own precedence", link.ByClient, other(0x0800, "\x45\xb8"), 5},
		{"IPv6, by its own precedence", link.ByClient, other(0x86dd, "\x6c\x00"), 6},
		{"what has none", link.ByClient, other(0x88b5, ""), 0},
		{"IPv4 as ever", 1, other(0x0800, "\x45\xb8"), 1},
	} {
		before, err := h.QueueStats(west)
		if err != nil {
			t.Fatal(err)
		}
		fd := sender(t, l, west, int(c.priority))
		if _, err := unix.Write(fd, c.frame); err != nil {
			t.Fatal(err)
		}
		after, err := h.QueueStats(west)
		if err != nil {
			t.Fatal(err)
		}
		// The host's own packets have priorities of their own.
		if n := after[c.want].Packets - before[c.want].Packets; n == 0 {
			t.Errorf("%s: not in queue %d: %+v, then %+v", c.name, c.want, before, after)
		}
	}
}

// TestProbeQueues: this host has queues, and the probe leaves nothing.
func TestProbeQueues(t *testing.T) {
	if err := link.ProbeQueues(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ip", "link", "show", "mtpr0").CombinedOutput(); err == nil {
		t.Errorf("the probe leaves %s", out)
	}
}

// TestSchedulingShared: sections of one interface share its queues; the last one
// takes them off.
func TestSchedulingShared(t *testing.T) {
	l, h := open(t)
	west := index(t, l, h, drivertest.West)
	s := link.NewScheduling[string](h)
	q := link.Queues{Rate: 1_000_000}
	for _, user := range []string{"a", "b"} {
		if err := s.Set(west, user, q); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Set(west, "c", link.Queues{}); !errors.Is(err, link.ErrOtherQueues) {
		t.Errorf("other queues: %v", err)
	}
	if got := s.Drift(); len(got) != 0 {
		t.Errorf("drift of %v", got)
	}
	tc(t, l, "qdisc", "del", "dev", "west0", "root")
	if got := s.Drift(); len(got) != 2 {
		t.Errorf("drift of %v, want both", got)
	}
	for _, user := range []string{"a", "b"} {
		if err := s.Set(west, user, q); err != nil {
			t.Fatal(err)
		}
	}
	for i, user := range []string{"a", "c", "b"} {
		if err := s.Clear(west, user); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := h.Queues(west); ok != (i < 2) || err != nil {
			t.Errorf("queues after %s is gone: %v, %v", user, ok, err)
		}
	}
}
