package netconf

import (
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// dropInterval is the time between two lines of the log about strangers,
	// whose number is up to them.
	dropInterval = 10 * time.Second
	// doorGrace is how long a stranger has at least for its handshake when
	// others wait for its place; one who says nothing has a fifth of it.
	doorGrace = 5 * time.Second
	// waitersPerPlace bounds those who wait; one address may be half of them.
	waitersPerPlace = 16
)

// door bounds the connections whose user is not known yet. An honest client is
// through the handshake in no time, so that the one who has stood in the door
// for longest is the one to go. Newcomers wait until that one has had its time,
// or somebody leaves.
type door struct {
	limit int // of all; one address may have half of it
	grace time.Duration
	now   func() time.Time
	log   *slog.Logger

	mu        sync.Mutex
	strangers []*stranger // the oldest first
	waiting   []*stranger // likewise
	dropped   report
	refused   report
}

// report is a kind of event that the log has a line about once in dropInterval.
type report struct {
	count int       // since the last line
	told  time.Time // when that was
}

// tell calls line with the count if it is time for it.
func (r *report) tell(now time.Time, line func(count int)) {
	r.count++
	if now.Sub(r.told) >= dropInterval {
		line(r.count)
		r.count, r.told = 0, now
	}
}

// stranger is a connection in the door, or in front of it.
type stranger struct {
	conn  *heardConn
	host  string
	since time.Time
	retry chan struct{} // with room for one: there may be a place
}

// heardConn knows whether its peer has said anything.
type heardConn struct {
	net.Conn
	heard atomic.Bool
}

// Read implements io.Reader.
func (c *heardConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.heard.Load() {
		c.heard.Store(true)
	}
	return n, err
}

// enter lets a connection from host in and, where there is no room, closes
// another one that had its time. It waits for that. The stranger is to leave
// when the handshake is over; nil is one that was closed, because too many wait.
func (d *door) enter(conn net.Conn, host string) *stranger {
	st := &stranger{conn: &heardConn{Conn: conn}, host: host, retry: make(chan struct{}, 1)}
	d.mu.Lock()
	defer d.mu.Unlock()
	queued := false
	for {
		wait, ok := d.admit(st)
		if ok {
			if queued {
				d.forget(st)
			}
			return st
		}
		if !queued {
			if d.crowded(host) {
				d.drop(conn)
				return nil
			}
			d.waiting = append(d.waiting, st)
			queued = true
		}
		d.mu.Unlock()
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-st.retry:
			queued = false
		}
		t.Stop()
		d.mu.Lock()
	}
}

// admit gives st a place if there is one, or one whose holder had its time; if
// not it returns when that will be.
func (d *door) admit(st *stranger) (wait time.Duration, ok bool) {
	now := d.now()
	if i := d.victim(st.host); i >= 0 {
		v := d.strangers[i]
		if wait := d.graceOf(v, st.host) - now.Sub(v.since); wait > 0 {
			return wait, false
		}
		d.strangers = slices.Delete(d.strangers, i, i+1)
		d.drop(v.conn)
	}
	st.since = now
	d.strangers = append(d.strangers, st)
	return 0, true
}

// graceOf returns how long v may stand in the door when somebody from host wants
// its place. An address with nobody in the door does not wait for one that has
// several, so that a flood delays its own kind only.
func (d *door) graceOf(v *stranger, host string) time.Duration {
	mine, theirs := 0, 0
	for _, st := range d.strangers {
		switch st.host {
		case host:
			mine++
		case v.host:
			theirs++
		}
	}
	switch {
	case mine == 0 && theirs > 1:
		return 0
	case !v.conn.heard.Load():
		return d.grace / 5
	}
	return d.grace
}

// drop closes a connection that has no place.
func (d *door) drop(conn net.Conn) {
	conn.Close()
	d.dropped.tell(d.now(), func(count int) {
		d.log.Warn("NETCONF connections dropped", "reason", "too many unauthenticated connections",
			"count", count, "last-peer", conn.RemoteAddr())
	})
}

// refuse tells the log of a stranger who turned out to be no user, or of a user
// for whom there is no session.
func (d *door) refuse(peer string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused.tell(d.now(), func(count int) {
		d.log.Info("NETCONF connections refused", "count", count, "last-peer", peer, "last-reason", err)
	})
}

// victim returns who makes room for a newcomer from host, -1 where there is room:
// the oldest from the same address if that has its share, or else the oldest of
// the address with the most, so that nobody pushes out more than his own kind.
func (d *door) victim(host string) int {
	count := map[string]int{}
	most := 0
	for _, st := range d.strangers {
		count[st.host]++
		most = max(most, count[st.host])
	}
	switch {
	case count[host] >= max(1, d.limit/2):
		return slices.IndexFunc(d.strangers, func(st *stranger) bool { return st.host == host })
	case len(d.strangers) >= d.limit:
		return slices.IndexFunc(d.strangers, func(st *stranger) bool { return count[st.host] == most })
	}
	return -1
}

// leave frees the place of a stranger; false says that it was dropped before.
func (d *door) leave(st *stranger) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.strangers, st)
	if i < 0 {
		return false
	}
	d.strangers = slices.Delete(d.strangers, i, i+1)
	d.wake(st.host)
	return true
}

// wake tells the one who has waited longest that a place from host is free: one
// of the same address, who can have it for certain, or else anyone.
func (d *door) wake(host string) {
	i := slices.IndexFunc(d.waiting, func(st *stranger) bool { return st.host == host })
	if i < 0 && len(d.waiting) > 0 {
		i = 0
	}
	if i < 0 {
		return
	}
	st := d.waiting[i]
	d.waiting = slices.Delete(d.waiting, i, i+1)
	st.retry <- struct{}{}
}

// crowded reports whether nobody from host can wait any more.
func (d *door) crowded(host string) bool {
	same := 0
	for _, st := range d.waiting {
		if st.host == host {
			same++
		}
	}
	return len(d.waiting) >= waitersPerPlace*d.limit || same >= waitersPerPlace*d.limit/2
}

// forget takes a stranger out of those who wait.
func (d *door) forget(st *stranger) {
	if i := slices.Index(d.waiting, st); i >= 0 {
		d.waiting = slices.Delete(d.waiting, i, i+1)
	}
}
