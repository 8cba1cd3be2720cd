package bfd

import (
	"bytes"
	"sync/atomic"

	"github.com/tandem-ne/tandem/oam"
)

const (
	// steadyAfter is how many CC packets without a difference, and without an
	// effect but on the detection time, make the session steady.
	steadyAfter = 3

	// steadyRefused is after how many such packets a data plane that does not
	// consume them is asked again.
	steadyRefused = 1000
)

// watch is the part of a session that leaves CC packets which say nothing new
// to the data plane. All a packet of a steady session does is to move the
// detection time, by the instant at which the kernel saw it: the data plane
// notes that instant, and the session looks before it does anything else.
type watch struct {
	seen    *oam.Seen // Nil while every packet comes here.
	counted uint64    // Of seen's count.
	at      int64     // When the last frame noted was seen.
	last    [oam.WatchLen]byte
	same    int // How often last has come here in a row; negative: not to be watched for so many.
}

// steady says whether another packet like the last one would change nothing but
// the detection time.
func (m *machine) steady() bool {
	return m.state == oam.Up && m.remoteState == oam.Up && m.defects == 0 &&
		!m.polling && !m.finalOwed && m.remoteMult != 0 && m.periodExpected()
}

// heard notes that a packet like the last one came at an instant.
func (m *machine) heard(at int64) {
	if at+m.detection > m.detectAt {
		m.detectAt = at + m.detection
	}
}

// look takes what the data plane has noted. It costs two loads.
func (s *session) look() {
	if s.watch.seen == nil {
		return
	}
	last, n := s.watch.seen.Load()
	if n == s.watch.counted {
		return
	}
	s.watch.counted, s.watch.at = n, last
	s.m.heard(last)
}

// settle follows a CC packet that the machine has taken: it starts the watch
// after some that were alike, and ends it with one that differs.
func (s *session) settle(payload []byte) {
	w := &s.watch
	if len(payload) < oam.WatchLen || s.pkt.Flags != 0 && s.pkt.Flags != FlagIndependent || !s.m.steady() {
		s.unwatch()
		w.same = min(w.same, 0)
		return
	}
	if !bytes.Equal(w.last[:], payload[:oam.WatchLen]) {
		s.unwatch()
		copy(w.last[:], payload)
		w.same = min(w.same, 0)
	}
	w.same++
	if w.same < steadyAfter {
		return
	}
	// If it is watched already, these were on their way, or the data plane has
	// forgotten: asking again is right in both cases.
	s.unwatch()
	w.same = 0
	if w.seen = s.host.Watch(w.last[:]); w.seen == nil {
		w.same = -steadyRefused
		return
	}
	_, w.counted = w.seen.Load()
	s.consumed.start(w.seen, w.counted)
}

// unwatch has every packet come here again.
func (s *session) unwatch() {
	if s.watch.seen == nil {
		return
	}
	s.host.Unwatch(s.watch.seen)
	s.look()
	s.watch.seen = nil
	s.consumed.stop(s.watch.counted)
}

// consumed counts the packets that the data plane consumed, for readers on any
// goroutine: those of the watch there is may be counted at this very moment. A
// sequence number is odd while the shard changes the fields (a seqlock).
type consumed struct {
	seq        atomic.Uint32
	seen       atomic.Pointer[oam.Seen]
	base, done atomic.Uint64 // seen's count at its start; what earlier watches had.
}

func (c *consumed) start(s *oam.Seen, base uint64) {
	c.seq.Add(1)
	c.base.Store(base)
	c.seen.Store(s)
	c.seq.Add(1)
}

func (c *consumed) stop(count uint64) {
	c.seq.Add(1)
	c.done.Add(count - c.base.Load())
	c.seen.Store(nil)
	c.seq.Add(1)
}

func (c *consumed) load() uint64 {
	for {
		before := c.seq.Load()
		n := c.done.Load()
		if s := c.seen.Load(); s != nil {
			_, count := s.Load()
			n += count - c.base.Load()
		}
		if before&1 == 0 && c.seq.Load() == before {
			return n
		}
	}
}
