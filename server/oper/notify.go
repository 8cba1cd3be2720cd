package oper

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tandem-ne/tandem/server/tree"
)

// streams are the readers of event streams.
type streams struct {
	mu   sync.Mutex
	subs map[*NotifSub]struct{}
}

// NotifSub reads an event stream. One goroutine at a time may read it.
type NotifSub struct {
	hub *Hub
	max int

	mu     sync.Mutex
	queue  []Notification
	sizes  []int
	bytes  int
	lost   bool
	closed bool
	wake   chan struct{}
}

// Notifications starts reading a stream; NETCONF is the one there is. maxBytes
// bounds the backlog as in SubOptions.
func (h *Hub) Notifications(stream string, maxBytes int) (*NotifSub, error) {
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
	return s, nil
}

// Notify sends a notification to the stream's readers. path is where in the data
// tree it belongs, empty for one that a module defines at its top level.
func (h *Hub) Notify(t time.Time, n *tree.Node, path tree.Path) {
	h.streams.mu.Lock()
	defer h.streams.mu.Unlock()
	if len(h.streams.subs) == 0 {
		return
	}
	size := changeSize + nodeBytes(n)
	for s := range h.streams.subs {
		s.push(Notification{Time: t, Node: n, Path: path}, size)
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
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next waits for the next notification. ErrOverflow says, once, that the backlog
// was dropped; what is sent after it can be read again.
func (s *NotifSub) Next(ctx context.Context) (Notification, error) {
	for {
		n, ok, err := s.take()
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

func (s *NotifSub) take() (n Notification, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return n, false, ErrClosed
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
	s.closed, s.queue, s.sizes = true, nil, nil
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
