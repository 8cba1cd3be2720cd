package server

import (
	"fmt"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/server/alarm"
	"github.com/tandem-ne/tandem/server/tree"
)

// A storm of expiring TTLs begins with stormRate a second for stormBegin, and
// is over with less than a tenth of that for stormEnd. On-demand OAM and
// traceroutes stay far below.
const (
	stormLook  = time.Second
	stormRate  = 500
	stormBegin = 3 * stormLook
	stormEnd   = 10 * stormLook
)

// expiryCounter is implemented by drivers that count expired TTLs by section.
type expiryCounter interface {
	// TTLExpiries returns how often the TTL of a packet has expired, by the name
	// of the section it came in on.
	TTLExpiries() (map[string]uint64, error)
}

// storm watches one counter.
type storm struct {
	last   uint64
	known  bool
	since  time.Time // of the first look that speaks for a change
	active bool
}

// step takes a reading and reports whether the storm has begun or ended, and
// the rate a second.
func (s *storm) step(now time.Time, count uint64, elapsed time.Duration) (changed bool, rate uint64) {
	first := !s.known
	delta := count - s.last
	if count < s.last {
		delta = 0 // Counted anew.
	}
	s.last, s.known = count, true
	if first || elapsed <= 0 {
		return false, 0
	}
	rate = uint64(float64(delta) / elapsed.Seconds())
	speaks, after := rate >= stormRate, stormBegin
	if s.active {
		speaks, after = rate < stormRate/10, stormEnd
	}
	switch {
	case !speaks:
		s.since = time.Time{}
	case s.since.IsZero():
		// It has been so for the whole interval that ends now.
		s.since = now.Add(-elapsed)
	}
	if s.since.IsZero() || now.Sub(s.since) < after {
		return false, rate
	}
	s.active, s.since = !s.active, time.Time{}
	return true, rate
}

// guard raises the alarm of a TTL-expiry storm: packets that nobody's OAM has
// sent die here in numbers because labels of several nodes form a loop (RFC
// 5921 section 3.11; static labels know no other guard). By section where the
// driver tells, else for the node.
type guard struct {
	read   func() (map[string]uint64, error)
	raise  func(section string, rate uint64, at time.Time)
	clear  func(section string, at time.Time)
	storms map[string]*storm
	before time.Time
	stop   chan struct{}
	done   chan struct{}
}

func newGuard(read func() (map[string]uint64, error)) *guard {
	return &guard{read: read, storms: map[string]*storm{}, stop: make(chan struct{}), done: make(chan struct{})}
}

// run looks every second until close.
func (g *guard) run() {
	defer close(g.done)
	tick := time.NewTicker(stormLook)
	defer tick.Stop()
	g.look(time.Now())
	for {
		select {
		case now := <-tick.C:
			g.look(now)
		case <-g.stop:
			return
		}
	}
}

func (g *guard) close() {
	close(g.stop)
	<-g.done
}

// look reads the counters once. A section that is gone has no more packets.
func (g *guard) look(now time.Time) {
	counts, err := g.read()
	if err != nil {
		return // The data plane says so elsewhere; the next look takes it up.
	}
	elapsed := now.Sub(g.before)
	g.before = now
	for section := range counts {
		if g.storms[section] == nil {
			g.storms[section] = &storm{}
		}
	}
	for section, s := range g.storms {
		count, there := counts[section]
		if !there {
			if !s.active {
				delete(g.storms, section)
				continue
			}
			count = s.last
		}
		changed, rate := s.step(now, count, elapsed)
		switch {
		case !changed:
		case s.active:
			g.raise(section, rate, now)
		default:
			g.clear(section, now)
		}
	}
}

// startGuard starts the guard where the driver counts what it needs.
func (s *Server) startGuard() {
	read := func() (map[string]uint64, error) { return nil, nil }
	switch d := s.driver.(type) {
	case expiryCounter:
		read = d.TTLExpiries
	case dataplane.DiscardCounter:
		read = func() (map[string]uint64, error) {
			all, err := d.DropCounters()
			return map[string]uint64{"": all["ttl-expired"]}, err
		}
	}
	s.guard = newGuard(read)
	s.guard.raise = func(section string, rate uint64, at time.Time) {
		where := "this node"
		if section != "" {
			where = "section " + section
		}
		s.stormAlarm(section, func(id alarm.ID) error {
			return s.Alarms.Raise(alarm.Alarm{ID: id, Time: at, Text: fmt.Sprintf(
				"the TTL of %d packets a second expires on %s: the labels of several nodes may form a loop", rate, where)})
		})
	}
	s.guard.clear = func(section string, at time.Time) {
		s.stormAlarm(section, func(id alarm.ID) error { return s.Alarms.Clear(id, at) })
	}
	go s.guard.run()
}

func (s *Server) stormAlarm(section string, report func(alarm.ID) error) {
	root := tree.Path{{Node: s.Schema.Root().Child("mpls-tp")}}
	at := below(root, "node")
	if section != "" {
		at = s.intent.Path(dataplane.Key{Kind: dataplane.KindSection, Name: section})
	}
	if err := report(alarm.ID{Resource: at, TypeID: "mtp-alarms:ttl-expiry-storm"}); err != nil {
		s.log.Error("alarm of a TTL-expiry storm", "section", section, "err", err)
	}
}
