package oper

import (
	"time"
)

// The bounds of a stream's replay log: the oldest notifications make room.
const (
	DefaultLogCount = 10_000
	DefaultLogBytes = 8 << 20 // estimated octets
)

// StreamInfo describes an event stream (RFC 5277 section 3.4, RFC 8639 section
// 2.1).
type StreamInfo struct {
	Name        string
	Description string
	// Created is since when the log has been kept.
	Created time.Time
	// Aged is the time of the latest notification that has left the log; zero
	// if none has.
	Aged time.Time
}

// Streams returns the event streams by name. Each can be replayed.
func (h *Hub) Streams() []StreamInfo {
	h.streams.mu.Lock()
	defer h.streams.mu.Unlock()
	l := &h.streams.log
	return []StreamInfo{{Name: NETCONF, Description: "All notifications of the element.", Created: l.created, Aged: l.aged}}
}

// eventLog is the replay log of a stream. What is in entries is never
// overwritten, so that a reader may keep a part of it.
type eventLog struct {
	entries  []logged
	bytes    int
	maxCount int
	maxBytes int
	created  time.Time
	aged     time.Time
}

type logged struct {
	Notification
	size int
}

func newEventLog(now time.Time) eventLog {
	return eventLog{maxCount: DefaultLogCount, maxBytes: DefaultLogBytes, created: now}
}

// add appends a notification and lets the oldest go that exceed the bounds; the
// caller holds the streams' mu.
func (l *eventLog) add(n Notification, size int) {
	l.entries = append(l.entries, logged{n, size})
	l.bytes += size
	drop := 0
	for len(l.entries)-drop > l.maxCount || l.bytes > l.maxBytes {
		e := &l.entries[drop]
		l.bytes -= e.size
		if e.Time.After(l.aged) {
			l.aged = e.Time
		}
		drop++
	}
	l.entries = l.entries[drop:]
}

// since returns what the log holds from t on, in the order in which it happened.
// The times of engines may differ a little from that order; every one counts for
// itself.
func (l *eventLog) since(t time.Time) []logged {
	for i := range l.entries {
		if !l.entries[i].Time.Before(t) {
			return l.entries[i:len(l.entries):len(l.entries)]
		}
	}
	return nil
}
