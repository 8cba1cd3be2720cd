package netconf

import (
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"
)

// dropInterval is the time between two lines of the log about dropped strangers,
// whose number is up to them.
const dropInterval = 10 * time.Second

// door bounds the connections whose user is not known yet. Newcomers are always
// let in: an honest client is through the handshake in no time, so that the one
// who has stood in the door for longest is the one to go.
type door struct {
	limit int // of all; one address may have half of it
	now   func() time.Time
	log   *slog.Logger

	mu        sync.Mutex
	strangers []*stranger // the oldest first
	dropped   int         // since the last line of the log
	told      time.Time   // when that was
}

// stranger is a connection in the door.
type stranger struct {
	conn net.Conn
	host string
}

// enter lets a connection from host in and, where there is no room, closes
// another one. The stranger is to leave when the handshake is over.
func (d *door) enter(conn net.Conn, host string) *stranger {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := d.victim(host); i >= 0 {
		v := d.strangers[i]
		d.strangers = slices.Delete(d.strangers, i, i+1)
		v.conn.Close()
		d.dropped++
		if now := d.now(); now.Sub(d.told) >= dropInterval {
			d.log.Warn("NETCONF connections dropped", "reason", "too many unauthenticated connections",
				"count", d.dropped, "last-peer", v.conn.RemoteAddr())
			d.dropped, d.told = 0, now
		}
	}
	st := &stranger{conn, host}
	d.strangers = append(d.strangers, st)
	return st
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
	return true
}
