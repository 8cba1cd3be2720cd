package shard_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
	"github.com/tandem-ne/tandem/oam/bfd"
	"github.com/tandem-ne/tandem/oam/shard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeClock is set by hand.
type fakeClock struct{ now int64 }

func (c *fakeClock) Now() int64 { return c.now }

// fakeTransport is a receive queue filled by hand and a record of what was sent.
type fakeTransport struct {
	queue   []oam.Rx
	endless *oam.Rx // Received for ever, as in a flood.
	sent    [][]byte
	discard bool
	opened  []oam.Path
	closed  []oam.PathID
	refuse  error
	wakes   int
}

func (f *fakeTransport) OpenPath(p oam.Path) (oam.PathID, error) {
	if f.refuse != nil {
		return 0, f.refuse
	}
	f.opened = append(f.opened, p)
	return oam.PathID(len(f.opened) - 1), nil
}
func (f *fakeTransport) ClosePath(id oam.PathID) { f.closed = append(f.closed, id) }
func (f *fakeTransport) Wake()                   { f.wakes++ }
func (f *fakeTransport) Close() error            { return nil }

func (f *fakeTransport) Send(batch []oam.Tx) (int, error) {
	if f.discard {
		return len(batch), nil
	}
	for _, tx := range batch {
		f.sent = append(f.sent, append([]byte(nil), tx.Payload...))
	}
	return len(batch), nil
}

func (f *fakeTransport) Recv(batch []oam.Rx, _ int64) (int, error) {
	n := copy(batch, f.queue)
	f.queue = f.queue[n:]
	for ; f.endless != nil && n < len(batch); n++ {
		batch[n] = *f.endless
	}
	return n, nil
}

type recorder struct {
	mu     sync.Mutex
	events []oam.Event
}

func (r *recorder) OnEvent(ev oam.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, ev)
}

func (r *recorder) find(kind oam.EventKind, d oam.Defect) *oam.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.events {
		if r.events[i].Kind == kind && r.events[i].Defect == d {
			return &r.events[i]
		}
	}
	return nil
}

func lspMEG(name string, label uint32) oam.MEG {
	return oam.MEG{
		Name: name, Entity: oam.LSP, AdminUp: true,
		Path:      oam.Path{Section: "s1", Labels: []oam.LSE{{Label: label, TTL: 255}}, GALTTL: 1},
		RxSection: "s1", RxLabel: label, RxHasLabel: true,
		Local: ach.MEPID{Type: ach.MEPIDLSP, NodeID: 1, TunnelNum: 1, LSPNum: 1},
		Peer:  ach.MEPID{Type: ach.MEPIDLSP, NodeID: 2, TunnelNum: 1, LSPNum: 1},
		CC:    oam.CCConfig{Enabled: true, TxInterval: 10 * time.Millisecond, RxInterval: 10 * time.Millisecond},
	}
}

func sectionMEG(name, section string) oam.MEG {
	m := lspMEG(name, 0)
	m.Entity, m.Path.Labels, m.Path.Section = oam.Section, nil, section
	m.RxSection, m.RxLabel, m.RxHasLabel = section, 0, false
	m.Local = ach.MEPID{Type: ach.MEPIDSection, NodeID: 1, IfNum: 1}
	m.Peer = ach.MEPID{Type: ach.MEPIDSection, NodeID: 2, IfNum: 1}
	return m
}

type rig struct {
	t         testing.TB
	clock     *fakeClock
	transport *fakeTransport
	engine    *bfd.Engine
	observer  *recorder
	*shard.Shard
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, clock: &fakeClock{now: 1e9}, transport: &fakeTransport{}, observer: &recorder{}}
	discr := uint32(0)
	r.engine = bfd.NewEngine(func() uint32 { discr++; return discr })
	var err error
	r.Shard, err = shard.New(shard.Options{
		Transport: r.transport, Clock: r.clock, Engines: []oam.Engine{r.engine}, Observer: r.observer, Granularity: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) put(megs ...oam.MEG) {
	r.t.Helper()
	d := oam.Delta{Put: megs}
	if err := r.Prepare(d); err != nil {
		r.t.Fatal(err)
	}
	r.Apply(d)
	r.poll()
}

func (r *rig) poll() (next int64) {
	r.t.Helper()
	next, err := r.Poll()
	if err != nil {
		r.t.Fatal(err)
	}
	return next
}

// frame is a CC frame of the peer of a MEG.
func (r *rig) frame(m *oam.MEG, state oam.BFDState, flags bfd.Flags) oam.Rx {
	r.t.Helper()
	st, _ := r.engine.State(m.Name)
	p := bfd.Packet{
		Version: 1, State: state, Flags: flags, DetectMult: 3, MyDiscr: 1000 + st.LocalDiscr, YourDiscr: st.LocalDiscr,
		DesiredMinTx: 10000, RequiredMinRx: 10000,
	}
	b, err := bfd.AppendCC(nil, &p)
	if err != nil {
		r.t.Fatal(err)
	}
	return oam.Rx{Time: r.clock.now, Section: m.RxSection, Label: m.RxLabel, HasLabel: m.RxHasLabel, Payload: b}
}

// up brings the session of a MEG up at its full rate.
func (r *rig) up(m *oam.MEG) {
	r.t.Helper()
	r.transport.queue = append(r.transport.queue, r.frame(m, oam.Init, 0), r.frame(m, oam.Up, bfd.FlagFinal))
	r.poll()
	if st, _ := r.engine.State(m.Name); st.LocalState != oam.Up || st.DetectionTime != 30*time.Millisecond {
		r.t.Fatalf("%s: %+v", m.Name, st)
	}
}

// TestLateLoopKeepsSessions: the loop was not run for 50 ms, but the frames
// were there in time; none of the sessions goes down.
func TestLateLoopKeepsSessions(t *testing.T) {
	r := newRig(t)
	m := lspMEG("m", 100)
	r.put(m)
	r.up(&m)
	start := r.clock.now
	for i := range 5 {
		f := r.frame(&m, oam.Up, 0)
		f.Time = start + int64(i+1)*10e6
		r.transport.queue = append(r.transport.queue, f)
	}
	r.clock.now = start + 55e6
	r.poll()
	if st, _ := r.engine.State("m"); st.LocalState != oam.Up || st.DownCount != 0 {
		t.Fatalf("%+v", st)
	}
	// Now there is nothing in the queue: the deadline is 30 ms after the last.
	r.clock.now = start + 80e6 - 1
	for r.poll() <= r.clock.now {
	}
	if st, _ := r.engine.State("m"); st.LocalState != oam.Up {
		t.Fatalf("down before the detection time: %+v", st)
	}
	r.clock.now++
	for r.poll() <= r.clock.now {
	}
	ev := r.observer.find(oam.DefectEntered, oam.LossOfContinuity)
	if ev == nil || ev.Time != start+80e6 {
		t.Fatalf("%+v", r.observer.events)
	}
}

// TestFloodStarvesNobody: a section is flooded for ever, the receive queue
// never runs empty. CC packets still leave, and silence on another section
// is still found.
func TestFloodStarvesNobody(t *testing.T) {
	r := newRig(t)
	m := lspMEG("m", 100)
	r.put(m)
	r.up(&m)
	r.transport.sent = nil
	r.transport.endless = &oam.Rx{Section: "flooded", Payload: []byte{0x10, 0, 0x12, 0x34}}
	start := r.clock.now
	for r.clock.now < start+100e6 {
		r.clock.now += 50e3 // A turn of 64 frames takes 50 us.
		r.transport.endless.Time = r.clock.now
		r.poll()
	}
	if n := len(r.transport.sent); n < 4 {
		t.Errorf("%d frames sent in 100 ms", n)
	}
	ev := r.observer.find(oam.DefectEntered, oam.LossOfContinuity)
	if ev == nil || ev.Time != start+30e6 {
		t.Fatalf("%+v", r.observer.events)
	}
	if c := r.Counters(); c.Drops[oam.DropNoMEG] < 64*1900 || c.Drops[oam.DropNoMEG] != c.Received-2 {
		t.Errorf("%+v", c)
	}
}

func TestDemultiplex(t *testing.T) {
	r := newRig(t)
	any := lspMEG("any", 300)
	any.RxSection = ""
	megs := []oam.MEG{lspMEG("a", 100), lspMEG("b", 200), sectionMEG("s", "s1"), sectionMEG("s2", "s2"), any}
	r.put(megs...)
	for i := range megs {
		f := r.frame(&megs[i], oam.Down, 0)
		if megs[i].Name == "any" {
			f.Section = "elsewhere"
		}
		r.transport.queue = append(r.transport.queue, f)
	}
	r.poll()
	for _, m := range megs {
		if st, ok := r.engine.State(m.Name); !ok || st.Counters.ReceivedCC != 1 || st.LocalState != oam.Init {
			t.Errorf("%s: %+v", m.Name, st)
		}
	}
	ok := r.frame(&megs[0], oam.Down, 0)
	for name, c := range map[string]struct {
		change func(*oam.Rx)
		want   oam.DropReason
	}{
		"other label":     {func(f *oam.Rx) { f.Label = 101 }, oam.DropNoMEG},
		"other section":   {func(f *oam.Rx) { f.Section = "s9" }, oam.DropNoMEG},
		"no section":      {func(f *oam.Rx) { f.Section = "" }, oam.DropNoMEG},
		"truncated":       {func(f *oam.Rx) { f.Truncated = true }, oam.DropTruncated},
		"empty":           {func(f *oam.Rx) { f.Payload = nil }, oam.DropNotACH},
		"not an ACH":      {func(f *oam.Rx) { f.Payload = []byte{0x45, 0, 0, 0x22} }, oam.DropNotACH},
		"ACH version 1":   {func(f *oam.Rx) { f.Payload[0] = 0x11 }, oam.DropNotACH},
		"unknown channel": {func(f *oam.Rx) { f.Payload[2] = 0x7f }, oam.DropUnknownChannel},
	} {
		f := ok
		f.Payload = append([]byte(nil), ok.Payload...)
		c.change(&f)
		before := r.Counters()
		r.transport.queue = append(r.transport.queue, f)
		r.poll()
		after := r.Counters()
		if after.Drops[c.want] != before.Drops[c.want]+1 {
			t.Errorf("%s: not counted as %v", name, c.want)
		}
	}
}

// TestPathRetry: a path that cannot be opened is tried again once a second.
func TestPathRetry(t *testing.T) {
	r := newRig(t)
	r.transport.refuse = errors.New("no such section")
	r.put(lspMEG("m", 100))
	r.clock.now += 999e6
	for r.poll() <= r.clock.now {
	}
	if c := r.Counters(); c.NotSent == 0 || c.Sent != 0 {
		t.Errorf("%+v", c)
	}
	r.transport.refuse = nil
	r.clock.now += 1e6
	r.poll()
	r.clock.now += 1e9
	r.poll()
	if len(r.transport.opened) != 1 || len(r.transport.sent) == 0 {
		t.Errorf("%d opened, %d sent", len(r.transport.opened), len(r.transport.sent))
	}
}

// TestKnownDiscriminatorWrongLabel: RFC 6428 section 3.7.2, the discriminator
// is in the database but does not have the expected label.
func TestKnownDiscriminatorWrongLabel(t *testing.T) {
	r := newRig(t)
	a, b := lspMEG("a", 100), lspMEG("b", 200)
	r.put(a, b)
	r.up(&a)
	r.up(&b)
	f := r.frame(&b, oam.Up, 0)
	f.Label = 100
	r.transport.queue = append(r.transport.queue, f)
	r.poll()
	ev := r.observer.find(oam.DefectEntered, oam.MisConnectivity)
	if ev == nil || ev.MEG != "a" || !strings.Contains(ev.Info, `belongs to MEG "b"`) {
		t.Fatalf("%+v", r.observer.events)
	}
	if st, _ := r.engine.State("b"); st.LocalState != oam.Up {
		t.Errorf("b: %+v", st)
	}
}

// TestTwoEnginesOneChannel is refused.
func TestTwoEnginesOneChannel(t *testing.T) {
	_, err := shard.New(shard.Options{
		Transport: &fakeTransport{}, Clock: &fakeClock{}, Engines: []oam.Engine{bfd.NewEngine(nil), bfd.NewEngine(nil)},
	})
	if err == nil || !strings.Contains(err.Error(), "cc") {
		t.Errorf("%v", err)
	}
	if _, err := shard.New(shard.Options{}); err == nil {
		t.Error("a shard without a transport")
	}
}
