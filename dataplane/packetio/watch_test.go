package packetio

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/oam"
)

// fakeConsumer is a data plane that consumes, and has one group.
type fakeConsumer struct {
	*fakeSource
	watched map[*oam.Seen]Arrival
	muted   []*oam.Seen
	refuse  error
	outlet  Outlet
}

func (c *fakeConsumer) Watch(a Arrival, octets []byte) (*oam.Seen, error) {
	if c.refuse != nil {
		return nil, c.refuse
	}
	s := new(oam.Seen)
	c.watched[s] = a
	return s, nil
}
func (c *fakeConsumer) Mute(s *oam.Seen)      { c.muted = append(c.muted, s) }
func (c *fakeConsumer) Unwatch(s *oam.Seen)   { delete(c.watched, s) }
func (c *fakeConsumer) Outlet(string) *Outlet { return &c.outlet }

func newFakeConsumer(t testing.TB) *fakeConsumer {
	return &fakeConsumer{fakeSource: newFakeSource(t), watched: map[*oam.Seen]Arrival{}}
}

// TestWatch: a session's arrival is told as interface and VLAN, and only while
// there is one.
func TestWatch(t *testing.T) {
	newWire(t)
	if tr := mustNew(t, nil); tr.Watch(oam.Arrival{Label: 100, HasLabel: true}, ach) != nil {
		t.Error("watched without a data plane")
	}
	if tr := mustNew(t, newFakeSource(t)); tr.Watch(oam.Arrival{Label: 100, HasLabel: true}, ach) != nil {
		t.Error("watched by a data plane that cannot")
	}
	c := newFakeConsumer(t)
	tr := mustNew(t, c)
	up := Section{IfIndex: 7, VLAN: 30, Up: true}
	tr.SetSection("s", up)
	tr.SetSection("down", Section{IfIndex: 8})
	tr.SetSection("nowhere", Section{Up: true})
	lsp, section := oam.Arrival{Label: 100, HasLabel: true}, oam.Arrival{Section: "s"}
	for _, a := range []oam.Arrival{{Section: "down"}, {Section: "nowhere"}, {Section: "unknown"}} {
		if tr.Watch(a, ach) != nil {
			t.Errorf("%+v is watched", a)
		}
	}
	l, s := tr.Watch(lsp, ach), tr.Watch(section, ach)
	if l == nil || s == nil || c.watched[l] != (Arrival{Label: 100, HasLabel: true}) || c.watched[s] != (Arrival{IfIndex: 7, VLAN: 30}) {
		t.Fatalf("watched %+v", c.watched)
	}
	// The same again changes nothing; another interface ends what is watched there.
	tr.SetSection("s", up)
	if len(c.muted) != 0 {
		t.Error("muted without a change")
	}
	up.IfIndex = 9
	tr.SetSection("s", up)
	if !slices.Equal(c.muted, []*oam.Seen{s}) {
		t.Errorf("muted %v, want %v", c.muted, s)
	}
	tr.Unwatch(s)
	if s = tr.Watch(section, ach); c.watched[s] != (Arrival{IfIndex: 9, VLAN: 30}) {
		t.Errorf("watched %+v", c.watched)
	}
	tr.RemoveSection("s")
	if len(c.muted) != 2 || c.muted[1] != s {
		t.Errorf("muted %v after the section went", c.muted)
	}
	tr.Unwatch(s)
	tr.Unwatch(s)
	tr.Unwatch(new(oam.Seen))
	tr.Unwatch(l)
	if len(c.watched) != 0 {
		t.Errorf("%+v are still watched", c.watched)
	}
	c.refuse = errors.New("full")
	if tr.Watch(lsp, ach) != nil || tr.Counters().Unwatched != 1 {
		t.Errorf("counters %+v", tr.Counters())
	}
	c.refuse = nil
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if tr.Watch(lsp, ach) != nil {
		t.Error("watched after Close")
	}
	tr.Unwatch(l)
}

// TestOutlet: frames for a group go in by the outlet as it is at that moment.
func TestOutlet(t *testing.T) {
	w := newWire(t)
	c := newFakeConsumer(t)
	tr, far := mustNew(t, c), newTap(t, w.b)
	id := mustOpen(t, tr, oam.Path{Group: "spme", Labels: []oam.LSE{{Label: 200, TC: 5, TTL: 255}}, GALTTL: 1})
	tx := []oam.Tx{{Path: id, Payload: ach}}
	if n, err := tr.Send(tx); n != 0 || !errors.Is(err, errSectionDown) {
		t.Errorf("Send into a group that is not there: %d, %v", n, err)
	}
	for _, tci := range []uint16{1, 0xffff} {
		c.outlet.Open(w.a, tci)
		if n, err := tr.Send(tx); n != 1 || err != nil {
			t.Fatalf("Send: %d, %v", n, err)
		}
		got := far.tagged(t)
		want := join(make([]byte, 12), []byte{0x88, 0xa8, byte(tci >> 8), byte(tci), 0x88, 0x47}, lse(200, 5, 255, 0), lse(13, 0, 1, 1), ach)
		if !bytes.Equal(got, want) {
			t.Errorf("frame\n got %x\nwant %x", got, want)
		}
	}
	c.outlet.Shut()
	if n, _ := tr.Send(tx); n != 0 {
		t.Error("sent into a group that has gone")
	}
	c.outlet.Open(w.a, 3)
	if a := testing.AllocsPerRun(100, func() {
		c.outlet.Open(w.a, 4)
		_, _ = tr.Send(tx)
		c.outlet.Open(w.a, 5)
		_, _ = tr.Send(tx)
	}); a != 0 {
		t.Errorf("%v allocations when an outlet changes", a)
	}
	tr.ClosePath(id)
	if n, _ := tr.Send(tx); n != 0 {
		t.Error("sent on a closed path")
	}
}

// TestPriority: frames go into the queue of the class of their top label; a
// batch of different ones stays in order.
func TestPriority(t *testing.T) {
	w := newWire(t)
	tr, far := mustNew(t, nil), newTap(t, w.b)
	tr.SetSection("s", Section{IfIndex: w.a, Local: macA, Peer: macB, Up: true})
	var tx []oam.Tx
	var want [][]byte
	for i, tc := range []uint8{0, 7, 7, 3, 0} {
		id := mustOpen(t, tr, oam.Path{Section: "s", Labels: []oam.LSE{{Label: 100, TC: tc, TTL: 255}}})
		payload := join(ach, []byte{byte(i)})
		tx = append(tx, oam.Tx{Path: id, Payload: payload})
		want = append(want, ether(macB, macA, lse(100, tc, 255, 0), lse(13, 0, 1, 1), payload))
	}
	if n, err := tr.Send(tx); n != len(tx) || err != nil {
		t.Fatalf("Send: %d, %v", n, err)
	}
	for i := range want {
		if got, _ := far.next(t); !bytes.Equal(got, want[i]) {
			t.Errorf("frame %d is %x, want %x", i, got, want[i])
		}
	}
	if tr.tx.priority != 0 {
		t.Errorf("the socket is left with priority %d", tr.tx.priority)
	}
}

// tagged returns the next frame with an S-tag, the tag in its place: the kernel
// takes it off the frame before a packet socket sees it.
func (p tap) tagged(t testing.TB) []byte {
	t.Helper()
	buf, oob := make([]byte, 4096), make([]byte, 256)
	for {
		n, on, _, _, err := unix.Recvmsg(p.fd, buf, oob, 0)
		if err != nil {
			t.Fatalf("no frame: %v", err)
		}
		messages, err := unix.ParseSocketControlMessage(oob[:on])
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA {
				continue
			}
			aux := (*unix.TpacketAuxdata)(unsafe.Pointer(&m.Data[0]))
			if aux.Status&unix.TP_STATUS_VLAN_VALID != 0 {
				tag := []byte{byte(aux.Vlan_tpid >> 8), byte(aux.Vlan_tpid), byte(aux.Vlan_tci >> 8), byte(aux.Vlan_tci)}
				return join(buf[:12], tag, buf[12:n])
			}
		}
	}
}
