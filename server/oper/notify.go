package oper

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tandem-ne/tandem/server/tree"
)

// ErrReplayed is what Next returns once, when all that the log had to replay
// has been read.
var ErrReplayed = errors.New("oper: the log was replayed")

// streams are the readers of event streams and the log.
type streams struct {
	mu   sync.Mutex
	subs map[*NotifSub]struct{}
	log  eventLog
}

// NotifSub reads an event stream. One goroutine at a time may read it.
type NotifSub struct {
	hub *Hub
	max int

	mu        sync.Mutex
	replay    []logged // of the log, still to be read
	from      time.Time
	replaying bool
	queue     []Notification
	sizes     []int
	bytes     int
	lost      bool
	closed    bool
	wake      chan struct{}
}

// Notifications starts reading a stream; NETCONF is the one there is. maxBytes
// bounds the backlog as in SubOptions.
func (h *Hub) Notifications(stream string, maxBytes int) (*NotifSub, error) {
	return h.notifications(stream, maxBytes, func(*NotifSub) {})
}

// Replay is Notifications that begins with what the log holds from the given
// time on. Next returns ErrReplayed between the last of that and the first that
// is new; nothing is missing in between and nothing comes twice. The log is
// shared: a reader of it costs nothing of its backlog.
func (h *Hub) Replay(stream string, from time.Time, maxBytes int) (*NotifSub, error) {
	return h.notifications(stream, maxBytes, func(s *NotifSub) {
		s.replaying, s.from, s.replay = true, from, h.streams.log.since(from)
	})
}

func (h *Hub) notifications(stream string, maxBytes int, start func(*NotifSub)) (*NotifSub, error) {
	if stream != NETCONF {
		return nil, fmt.Errorf("oper: there is no stream %q", stream)
	}
	if maxBytes <= 0 {
		maxBytes = DefaultMaxBytes
	}
	s := &NotifSub{hub: h, max: maxBytes, wake: make(chan struct{}, 1)}
	h.streams.mu.Lock()
	defer h.streams.mu.Unlock()
	if h.streams.subs == nil {
		h.streams.subs = make(map[*NotifSub]struct{})
	}
	h.streams.subs[s] = struct{}{}
	start(s)
	return s, nil
}

// Notify sends a notification to the stream's log and readers. path is where in
// the data tree it belongs, empty for one that a module defines at its top level.
func (h *Hub) Notify(t time.Time, n *tree.Node, path tree.Path) {
	size := changeSize + nodeBytes(n)
	note := Notification{Time: t, Node: n, Path: path}
	h.streams.mu.Lock()
	defer h.streams.mu.Unlock()
	h.streams.log.add(note, size)
	for s := range h.streams.subs {
		s.push(note, size)
	}
}

func (s *NotifSub) push(n Notification, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost || s.closed {
		return
	}
	if s.bytes+size > s.max {
		s.queue, s.sizes, s.bytes, s.lost = nil, nil, 0, true
	} else {
		s.queue = append(s.queue, n)
		s.sizes = append(s.sizes, size)
		s.bytes += size
	}
	s.signal()
}

func (s *NotifSub) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next waits for the next notification. ErrOverflow says, once, that the backlog
// was dropped; what is sent after it can be read again.
func (s *NotifSub) Next(ctx context.Context) (Notification, error) {
	for {
		n, ok, err := s.Poll()
		if ok || err != nil {
			return n, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Notification{}, context.Cause(ctx)
		}
	}
}

// Ready receives when Poll may have something that it had not before.
func (s *NotifSub) Ready() <-chan struct{} { return s.wake }

// Poll is Next without waiting; ok says whether there is a notification.
func (s *NotifSub) Poll() (n Notification, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return n, false, ErrClosed
	}
	if s.replaying {
		for len(s.replay) > 0 {
			n = s.replay[0].Notification
			if s.replay = s.replay[1:]; !n.Time.Before(s.from) {
				return n, true, nil
			}
		}
		s.replaying, s.replay = false, nil
		return Notification{}, false, ErrReplayed
	}
	switch {
	case s.lost:
		s.lost = false
		return n, false, ErrOverflow
	case len(s.queue) == 0:
		return n, false, nil
	}
	n = s.queue[0]
	s.bytes -= s.sizes[0]
	s.queue[0] = Notification{}
	s.queue, s.sizes = s.queue[1:], s.sizes[1:]
	return n, true, nil
}

// Close ends the reading and wakes the reader. It may be called again.
func (s *NotifSub) Close() {
	s.hub.streams.mu.Lock()
	delete(s.hub.streams.subs, s)
	s.hub.streams.mu.Unlock()
	s.mu.Lock()
	s.closed, s.queue, s.sizes, s.replay = true, nil, nil, nil
	s.mu.Unlock()
	s.signal()
}
