package shard_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

// TestPrepareRefuses breaks one rule at a time.
func TestPrepareRefuses(t *testing.T) {
	r := newRig(t)
	r.put(lspMEG("there", 500))
	for name, c := range map[string]struct {
		change func(*oam.MEG)
		field  string
	}{
		"no name":              {func(m *oam.MEG) { m.Name = "" }, "name"},
		"no section to send":   {func(m *oam.MEG) { m.Path.Section = "" }, "path.section"},
		"no label to send":     {func(m *oam.MEG) { m.Path.Labels = nil }, "path.labels"},
		"special label":        {func(m *oam.MEG) { m.Path.Labels[0].Label = 13 }, "path.labels"},
		"label too large":      {func(m *oam.MEG) { m.Path.Labels[0].Label = 1 << 20 }, "path.labels"},
		"TTL 0":                {func(m *oam.MEG) { m.Path.Labels[0].TTL = 0 }, "path.labels"},
		"TC 8":                 {func(m *oam.MEG) { m.Path.Labels[0].TC = 8 }, "path.labels"},
		"GAL TC 8":             {func(m *oam.MEG) { m.Path.GALTC = 8 }, "path.gal-tc"},
		"17 labels":            {func(m *oam.MEG) { m.Path.Labels = make([]oam.LSE, 17) }, "path.labels"},
		"no label to receive":  {func(m *oam.MEG) { m.RxHasLabel = false }, "rx-label"},
		"receive label 3":      {func(m *oam.MEG) { m.RxLabel = 3 }, "rx-label"},
		"label taken":          {func(m *oam.MEG) { m.RxLabel = 500 }, "rx-label"},
		"unknown entity":       {func(m *oam.MEG) { m.Entity = 9 }, "entity"},
		"section with a label": {func(m *oam.MEG) { m.Entity = oam.Section }, "entity"},
		"section from nowhere": {func(m *oam.MEG) { *m = sectionMEG("m", "s1"); m.RxSection = "" }, "rx-section"},
		"interval too short":   {func(m *oam.MEG) { m.CC.TxInterval = 3299 * time.Microsecond }, "cc.tx-interval"},
		"interval too long":    {func(m *oam.MEG) { m.CC.RxInterval = 61 * time.Second }, "cc.rx-interval"},
		"interval in ns":       {func(m *oam.MEG) { m.CC.RxInterval = 10*time.Millisecond + 1 }, "cc.rx-interval"},
		"other mode":           {func(m *oam.MEG) { m.CC.Mode = 1 }, "cc.mode"},
		"CV without CC":        {func(m *oam.MEG) { m.CV, m.CC.Enabled = true, false }, "cv"},
		"CV of another type":   {func(m *oam.MEG) { m.CV, m.Local.Type = true, ach.MEPIDSection }, "local"},
		"CV with itself":       {func(m *oam.MEG) { m.CV, m.Peer = true, m.Local }, "peer"},
		"CV with Node_ID 0":    {func(m *oam.MEG) { m.CV, m.Peer.NodeID = true, 0 }, "peer"},
		"CV with an IF_Num":    {func(m *oam.MEG) { m.CV, m.Peer.IfNum = true, 4 }, "peer"},
	} {
		m := lspMEG("m", 600)
		c.change(&m)
		err := r.Prepare(oam.Delta{Put: []oam.MEG{m}})
		var ce *oam.ConfigError
		if !errors.As(err, &ce) || ce.Field != c.field || ce.MEG != m.Name {
			t.Errorf("%s: %v, want field %s", name, err, c.field)
		}
	}
	if err := r.Prepare(oam.Delta{Put: []oam.MEG{lspMEG("x", 700), lspMEG("y", 700)}}); err == nil || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("two MEGs at one label: %v", err)
	}
	if err := r.Prepare(oam.Delta{Put: []oam.MEG{lspMEG("x", 700), lspMEG("x", 701)}}); err == nil {
		t.Error("one MEG twice is accepted")
	}
	// A label becomes free in the same delta.
	if err := r.Prepare(oam.Delta{Delete: []string{"there"}, Put: []oam.MEG{lspMEG("x", 500)}}); err != nil {
		t.Error(err)
	}
	if err := r.Prepare(oam.Delta{Put: []oam.MEG{lspMEG("there", 501), lspMEG("x", 500)}}); err != nil {
		t.Error(err)
	}
}

// TestReconfigure: MEGs swap their labels, one loses its CC, one its place;
// what did not change keeps its session.
func TestReconfigure(t *testing.T) {
	r := newRig(t)
	a, b := lspMEG("a", 100), lspMEG("b", 200)
	r.put(a, b)
	r.up(&a)
	r.up(&b)
	a.RxLabel, b.RxLabel = 200, 100
	r.put(a, b)
	for _, m := range []oam.MEG{a, b} {
		r.transport.queue = append(r.transport.queue, r.frame(&m, oam.Up, 0))
		r.poll()
		if st, _ := r.engine.State(m.Name); st.LocalState != oam.Up || st.UpCount != 1 || st.Counters.ReceivedCC != 3 {
			t.Errorf("%s: %+v", m.Name, st)
		}
	}
	if len(r.transport.closed) != 0 {
		t.Errorf("paths %v closed though none changed", r.transport.closed)
	}
	r.transport.sent = nil
	a.Path.Labels = []oam.LSE{{Label: 101, TTL: 255}}
	r.put(a)
	if len(r.transport.opened) != 3 || len(r.transport.closed) != 1 {
		t.Errorf("%d paths opened, %v closed", len(r.transport.opened), r.transport.closed)
	}
	if st, _ := r.engine.State("a"); st.LocalState != oam.Up {
		t.Errorf("a new path took the session down: %+v", st)
	}
	b.CC.Enabled = false
	r.put(b)
	if _, ok := r.engine.State("b"); ok {
		t.Error("b still has a session")
	}
	r.Apply(oam.Delta{Delete: []string{"a", "never-there"}})
	r.poll()
	if _, ok := r.engine.State("a"); ok {
		t.Error("a still has a session")
	}
	// Each of the two said goodbye.
	var p bfd.Packet
	if len(r.transport.sent) != 2 {
		t.Fatalf("%d frames", len(r.transport.sent))
	}
	for _, f := range r.transport.sent {
		if _, err := bfd.ParseCC(&p, f[ach.HeaderLen:]); err != nil || p.State != oam.AdminDown {
			t.Errorf("% x, %v", f, err)
		}
	}
	if next := r.poll(); next != oam.Forever {
		t.Errorf("a timer is left at %d", next)
	}
	r.put(lspMEG("c", 200))
}

// TestLargeCommit: thousands of MEGs are taken in portions, between which
// the sessions that run get their turns.
func TestLargeCommit(t *testing.T) {
	r := newRig(t)
	m := lspMEG("running", 100)
	r.put(m)
	r.up(&m)
	var d oam.Delta
	for i := range 2000 {
		d.Put = append(d.Put, lspMEG(fmt.Sprint("new", i), uint32(1000+i)))
	}
	if err := r.Prepare(d); err != nil {
		t.Fatal(err)
	}
	r.Apply(d)
	before, _ := r.engine.State("running")
	turns := 0
	for next := r.poll(); next <= r.clock.now; next = r.poll() {
		turns++
		r.clock.now += 1e6 // A slow machine: one portion takes 1 ms.
		f := r.frame(&m, oam.Up, 0)
		r.transport.queue = append(r.transport.queue, f)
	}
	after, _ := r.engine.State("running")
	if turns < 2000/32 || after.DownCount != 0 || after.Counters.SentCC-before.Counters.SentCC < uint64(turns/10) {
		t.Errorf("%d turns, %+v", turns, after)
	}
	all := 0
	r.engine.Each(func(_ string, st oam.SessionState) {
		if st.LocalState != oam.AdminDown {
			all++
		}
	})
	if all != 2001 {
		t.Errorf("%d sessions run", all)
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

// chanTransport is a transport that really waits, for Run under synctest.
type chanTransport struct {
	fakeTransport
	base   time.Time
	frames chan oam.Rx
	wake   chan struct{}
	close  chan struct{}
	once   sync.Once
	turns  int // Of Recv that had frames.
}

// sleepingTransport is one whose clock can sleep.
type sleepingTransport struct{ *chanTransport }

func (c sleepingTransport) SleepUntil(t int64) { time.Sleep(time.Duration(t - c.Now())) }

func newChanTransport() *chanTransport {
	return &chanTransport{base: time.Now(), frames: make(chan oam.Rx, 1000), wake: make(chan struct{}, 1), close: make(chan struct{})}
}

func (c *chanTransport) Now() int64 { return int64(time.Since(c.base)) + 1 }
func (c *chanTransport) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
func (c *chanTransport) Close() error {
	c.once.Do(func() { close(c.close) })
	return nil
}
func (c *chanTransport) Send(batch []oam.Tx) (int, error) { return len(batch), nil }
func (c *chanTransport) Recv(batch []oam.Rx, deadline int64) (int, error) {
	timer := time.NewTimer(time.Duration(min(deadline, int64(time.Hour*24*365)) - c.Now()))
	defer timer.Stop()
	select {
	case batch[0] = <-c.frames:
		c.turns++
		for n := 1; n < len(batch); n++ {
			select {
			case batch[n] = <-c.frames:
			default:
				return n, nil
			}
		}
		return len(batch), nil
	case <-timer.C:
	case <-c.wake:
	case <-c.close:
		return 0, os.ErrClosed
	}
	return 0, nil
}

// TestRun drives the real loop on synctest's clock: configuration wakes it,
// timers fire, the observer hears, Close ends it.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newChanTransport()
		rec := &recorder{}
		engine := bfd.NewEngine(nil)
		s, err := shard.New(shard.Options{Transport: tr, Clock: tr, Engines: []oam.Engine{engine}, Observer: rec})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- s.Run() }()
		synctest.Wait()
		s.Apply(oam.Delta{Put: []oam.MEG{lspMEG("m", 100)}})
		if st, ok := engine.State("m"); !ok || st.LocalDiscr == 0 {
			t.Error("the session cannot be read at once")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if st, _ := engine.State("m"); st.LocalState != oam.Down || st.Counters.SentCC < 2 {
			t.Errorf("%+v", st)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		ev := rec.find(oam.DefectEntered, oam.LossOfContinuity)
		if ev == nil || ev.Time != 3e9+1 || ev.MEG != "m" {
			t.Errorf("%+v", rec.events)
		}
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestRest: a loop whose clock can sleep serves frames that come every 10 us
// in portions, smaller ones where a MEG is fast; an idle one serves a frame
// the moment it comes.
func TestRest(t *testing.T) {
	for _, c := range []struct {
		interval time.Duration
		turns    int
	}{{time.Second, 20}, {10 * time.Millisecond, 20}, {3300 * time.Microsecond, 40}} {
		synctest.Test(t, func(t *testing.T) {
			tr := newChanTransport()
			// The same jitter in every run: no timer just before a frame.
			engine := bfd.NewEngine(func() uint32 { return 4711 })
			s, err := shard.New(shard.Options{Transport: tr, Clock: sleepingTransport{tr}, Engines: []oam.Engine{engine}})
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error)
			go func() { done <- s.Run() }()
			m := lspMEG("m", 100)
			m.CC.TxInterval, m.CC.RxInterval = c.interval, c.interval
			s.Apply(oam.Delta{Put: []oam.MEG{m}})
			for range 10 {
				time.Sleep(997 * time.Millisecond)
				tr.frames <- oam.Rx{}
				synctest.Wait()
				if len(tr.frames) != 0 {
					t.Error("an idle loop lets a frame wait")
				}
			}
			for range 1000 {
				time.Sleep(10 * time.Microsecond)
				tr.frames <- oam.Rx{}
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if got := s.Counters().Received; got != 1010 || tr.turns < 10+c.turns || tr.turns > 10+c.turns+2 {
				t.Errorf("%v: %d frames in %d turns", c.interval, got, tr.turns)
			}
			s.Close()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// stuckObserver never returns until it is let go.
type stuckObserver struct {
	recorder
	gate chan struct{}
}

func (o *stuckObserver) OnEvent(ev oam.Event) {
	<-o.gate
	o.recorder.OnEvent(ev)
}

// TestSlowObserver: an observer that hangs costs events, and is told so; it
// does not cost a turn.
func TestSlowObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newChanTransport()
		o := &stuckObserver{gate: make(chan struct{})}
		engine := bfd.NewEngine(nil)
		s, err := shard.New(shard.Options{Transport: tr, Clock: tr, Engines: []oam.Engine{engine}, Observer: o})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- s.Run() }()
		m := lspMEG("m", 100)
		for i := range 6000 {
			m.AdminUp = i%2 == 0
			s.Apply(oam.Delta{Put: []oam.MEG{m}})
			synctest.Wait()
		}
		if st, _ := engine.State("m"); st.LocalState != oam.AdminDown {
			t.Errorf("the loop waits for the observer: %+v", st)
		}
		close(o.gate)
		synctest.Wait()
		if o.find(oam.EventsLost, 0) == nil || len(o.events) < 4096 {
			t.Errorf("%d events, and no word of the lost ones", len(o.events))
		}
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
