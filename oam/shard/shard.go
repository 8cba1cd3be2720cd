// Package shard is the loop that hosts OAM sessions: one goroutine on one
// thread that owns its sessions, one timing wheel, one receive queue and one
// batch of frames to send. Nothing on its way from a frame to a machine and
// from a machine to a frame takes a lock or allocates.
//
// Read turn first; config.go is how a configuration reaches the loop, wheel.go
// the timers, events.go the way out.
package shard

import (
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
)

const (
	// batchLen is how many frames one turn receives, and sends at once.
	batchLen = 64

	// maxBacklog is after how many frames without the receive queue ever
	// being empty silence counts as silence: a flood on one section must not
	// hide a cut on another.
	maxBacklog = 4096

	// retryPath is how long after a failure a path is opened again.
	retryPath = int64(time.Second)

	// DefaultGranularity is the rest after a turn. It is shorter where a
	// MEG runs so fast that it would be more than a thirteenth of its
	// interval: 250 us at 3.3 ms.
	DefaultGranularity = 500 * time.Microsecond
	restShare          = 13
)

// Options says what a shard works with.
type Options struct {
	Transport oam.Transport // Required; closed by Close.
	Clock     oam.Clock     // Required.
	Engines   []oam.Engine  // No channel type may be claimed twice.
	Observer  oam.Observer  // May be nil.

	// Granularity is how long the loop does not look at timers, and with a
	// Clock that is a Sleeper at frames neither, after a turn that had work.
	// Both may be late by it under load and are on time when the loop is
	// idle; received frames keep the kernel's time. 0 is DefaultGranularity,
	// negative is none.
	Granularity time.Duration
}

// Counters count what concerns no single session. Frames and drops of
// sessions are in them too.
type Counters struct {
	Received uint64 // Frames the transport gave.
	Sent     uint64 // Frames the transport took.
	NotSent  uint64 // Frames it did not take, or that had no path.
	Drops    [oam.NumDropReasons]uint64
}

// Shard hosts sessions. Run or Poll drive it; the other methods may be
// called from any goroutine.
type Shard struct {
	transport   oam.Transport
	watcher     oam.Watcher // Nil if the transport is none.
	clock       oam.Clock
	sleeper     oam.Sleeper // Nil if the clock is none.
	engines     []oam.Engine
	granularity int64
	adaptive    bool // granularity follows the fastest MEG there has been.
	events      *events

	// The loop's own.
	channels map[ach.ChannelType]int // Index of the engine.
	megs     map[rxKey]*meg
	wheel    *wheel
	due      timer
	seen     int64 // Every frame the kernel saw before has been processed.
	backlog  int   // Frames since the queue was last empty.
	wakeAt   int64
	restTill int64 // The rest after the last turn that had work ends here.
	rx       [batchLen]oam.Rx
	tx       [batchLen]oam.Tx
	txLen    int
	buffers  [batchLen][oam.MaxFrame]byte

	control control

	received, sent, notSent atomic.Uint64
	drops                   [oam.NumDropReasons]atomic.Uint64
}

// New returns a shard with no MEGs.
func New(o Options) (*Shard, error) {
	if o.Transport == nil || o.Clock == nil {
		return nil, errors.New("shard: a transport and a clock are required")
	}
	granularity := int64(o.Granularity)
	switch {
	case granularity == 0:
		granularity = int64(DefaultGranularity)
	case granularity < 0:
		granularity = 0
	}
	s := &Shard{
		transport: o.Transport, clock: o.Clock, engines: o.Engines,
		granularity: granularity, adaptive: o.Granularity == 0,
		events:   newEvents(o.Observer),
		channels: make(map[ach.ChannelType]int),
		megs:     make(map[rxKey]*meg),
		wheel:    newWheel(o.Clock.Now()),
		seen:     o.Clock.Now(),
	}
	s.watcher, _ = o.Transport.(oam.Watcher)
	s.sleeper, _ = o.Clock.(oam.Sleeper)
	s.due.prev, s.due.next = &s.due, &s.due
	s.control.init()
	for i, e := range o.Engines {
		for _, c := range e.Channels() {
			if _, taken := s.channels[c]; taken {
				return nil, errors.New("shard: channel type " + c.String() + " is claimed by two engines")
			}
			s.channels[c] = i
		}
	}
	return s, nil
}

// Run drives the shard until Close and returns nil then, or the error that
// made the transport unusable. It keeps its goroutine on one thread, so that
// the caller can give that thread a real-time priority.
func (s *Shard) Run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	delivered := make(chan struct{})
	go func() {
		defer close(delivered)
		s.events.deliver(true)
	}()
	defer func() {
		s.events.close()
		<-delivered
	}()
	for {
		if err := s.turn(s.wakeAt); err != nil {
			if errors.Is(err, os.ErrClosed) {
				return nil
			}
			return err
		}
	}
}

// Poll makes one turn without waiting, gives what happened to the observer,
// and says when to call again at the latest. It is for a caller that drives
// several shards from one thread, such as a simulation; it must not be mixed
// with Run.
func (s *Shard) Poll() (next int64, err error) {
	err = s.turn(0)
	s.events.deliver(false)
	return s.wakeAt, err
}

// Close closes the transport, which makes Run return. Sessions are left as
// they are, so that their peers see nothing of a restart that is quick enough.
func (s *Shard) Close() error { return s.transport.Close() }

// turn is the loop's body: receive, configure, expire, send.
func (s *Shard) turn(deadline int64) error {
	before := s.clock.Now()
	if s.sleeper != nil && s.restTill > before && deadline > before {
		s.sleeper.SleepUntil(s.restTill)
		before = s.clock.Now()
	}
	n, err := s.transport.Recv(s.rx[:], deadline)
	if err != nil {
		return err
	}
	now := s.clock.Now()
	s.received.Add(uint64(n))
	for i := range n {
		s.receive(now, &s.rx[i])
	}
	s.backlog += n
	if n < len(s.rx) || s.backlog >= maxBacklog {
		// The queue was empty after before: silence until then is silence.
		// The reading after Recv would not do: a frame may have come while
		// this thread was waiting for a processor.
		s.seen, s.backlog = before, 0
	}
	s.configure(now)

	s.wheel.take(now, &s.due)
	if n > 0 || s.due.next != &s.due {
		s.restTill = now + s.granularity
	}
	for t := pop(&s.due); t != nil; t = pop(&s.due) {
		t.owner.expire(now)
	}
	s.flush()

	s.wakeAt = s.wheel.next()
	switch {
	case s.control.pending.Load():
		s.wakeAt = now // The rest of a large configuration.
	case s.wakeAt > now:
		s.wakeAt = max(s.wakeAt, now+s.granularity)
	}
	return nil
}

// receive takes one frame to the session it is for.
func (s *Shard) receive(now int64, rx *oam.Rx) {
	if rx.Truncated {
		s.drop(oam.DropTruncated)
		return
	}
	if rx.Time <= 0 || rx.Time > now {
		rx.Time = now
	}
	h, body, err := ach.ParseHeader(rx.Payload)
	if err != nil || h.Version != 0 {
		s.drop(oam.DropNotACH)
		return
	}
	m := s.megs[rxKey{rx.Section, rx.Label, rx.HasLabel}]
	if m == nil && rx.HasLabel {
		m = s.megs[rxKey{"", rx.Label, true}]
	}
	if m == nil {
		s.drop(oam.DropNoMEG)
		return
	}
	i, ok := s.channels[h.Type]
	if !ok {
		s.drop(oam.DropUnknownChannel)
		return
	}
	hosted := m.sessions[i]
	if hosted == nil {
		s.drop(oam.DropAdminDown)
		return
	}
	hosted.session.Receive(now, rx, h.Type, body)
	s.wheel.arm(&hosted.timer, hosted.session.Next())
}

// flush hands the queued frames to the transport.
func (s *Shard) flush() {
	if s.txLen == 0 {
		return
	}
	// A frame that is not taken is lost like one on the wire; the protocols
	// repeat themselves, and the counter shows it.
	sent, _ := s.transport.Send(s.tx[:s.txLen])
	s.sent.Add(uint64(sent))
	s.notSent.Add(uint64(s.txLen - sent))
	s.txLen = 0
}

func (s *Shard) drop(r oam.DropReason) { s.drops[r].Add(1) }

// Counters reads the counters.
func (s *Shard) Counters() Counters {
	c := Counters{Received: s.received.Load(), Sent: s.sent.Load(), NotSent: s.notSent.Load()}
	for r := range s.drops {
		c.Drops[r] = s.drops[r].Load()
	}
	return c
}
