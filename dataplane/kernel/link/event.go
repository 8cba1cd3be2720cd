package link

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// EventKind tells what changed.
type EventKind uint8

// The kinds of events.
const (
	// LinkNew: Link appeared or changed (name, address, MTU, state).
	LinkNew EventKind = iota + 1
	// LinkGone: Link was removed.
	LinkGone
	// RouteNew, RouteGone: the IP route Route was put or removed, whosever it
	// is.
	RouteNew
	RouteGone
	// MPLSNew, MPLSGone: the MPLS route MPLS was put or removed.
	MPLSNew
	MPLSGone
	// FilterNew, FilterGone: a filter of a shared block was put or removed;
	// QdiscGone: clsact was taken from an interface.
	FilterNew
	FilterGone
	QdiscGone
	// Overflow: events were lost; list everything again.
	Overflow
)

// Event is one change in the namespace.
type Event struct {
	Kind EventKind
	// Own tells that a request of the handle caused it.
	Own   bool
	Link  Link
	Route Route
	// IP is the route with all that Route leaves out, for the kernel driver.
	IP   mplsnl.IPRoute
	MPLS mplsnl.Route
	// Filter names a filter, Qdisc a clsact.
	Filter mplsnl.Filter
	Qdisc  mplsnl.Qdisc
}

// Subscription delivers events until it is closed.
type Subscription struct {
	events  chan Event
	monitor *mplsnl.Monitor
	port    uint32
	close   sync.Once
	stop    chan struct{}
	done    chan struct{}
}

// Subscribe follows interfaces, routes and filters of the handle's namespace,
// but routes and filters that the handle's connection changes. The caller reads Events and calls Close.
func (h *Handle) Subscribe() (*Subscription, error) {
	var m *mplsnl.Monitor
	err := h.Do(func() (err error) {
		m, err = mplsnl.OpenMonitor(h.conn.Port())
		return err
	})
	if err != nil {
		return nil, err
	}
	s := &Subscription{
		events: make(chan Event, 256), monitor: m, port: h.conn.Port(),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go s.run()
	return s, nil
}

// Events is closed after Close.
func (s *Subscription) Events() <-chan Event { return s.events }

// Close ends the subscription and waits until its goroutine is gone.
func (s *Subscription) Close() error {
	var err error
	s.close.Do(func() {
		close(s.stop)
		err = s.monitor.Close()
	})
	<-s.done
	return err
}

func (s *Subscription) run() {
	defer close(s.done)
	defer close(s.events)
	for {
		k, err := s.monitor.Next()
		if err != nil {
			return
		}
		e := eventOf(k)
		e.Own = k.Port != 0 && k.Port == s.port
		select {
		case s.events <- e:
		case <-s.stop:
			return
		}
	}
}

func eventOf(k mplsnl.Event) Event {
	kind := func(gone, put EventKind) EventKind {
		if k.Deleted {
			return gone
		}
		return put
	}
	switch {
	case k.Link != nil:
		return Event{Kind: kind(LinkGone, LinkNew), Link: fromKernel(*k.Link)}
	case k.MPLS != nil:
		return Event{Kind: kind(MPLSGone, MPLSNew), MPLS: *k.MPLS}
	case k.IP != nil:
		return Event{Kind: kind(RouteGone, RouteNew), Route: routeOf(*k.IP), IP: *k.IP}
	case k.Filter != nil:
		return Event{Kind: kind(FilterGone, FilterNew), Filter: *k.Filter}
	case k.Qdisc != nil:
		return Event{Kind: kind(QdiscGone, 0), Qdisc: *k.Qdisc}
	}
	return Event{Kind: Overflow}
}

// Do calls f on a thread in the handle's namespace. What Linux looks up by the
// namespace of the thread, sysctls for example, is reached so.
// It needs CAP_SYS_ADMIN only where the thread is in another namespace.
func (h *Handle) Do(f func() error) error {
	if here, err := h.sameNamespace(f); here {
		return err
	}
	ch := make(chan error, 1)
	go func() {
		// The thread ends with the goroutine: it is never unlocked, so no
		// other goroutine can find itself in a foreign namespace.
		runtime.LockOSThread()
		if err := unix.Setns(int(h.netns.Fd()), unix.CLONE_NEWNET); err != nil {
			ch <- err
			return
		}
		ch <- f()
	}()
	return <-ch
}

// sameNamespace calls f if the calling thread is in the handle's namespace.
func (h *Handle) sameNamespace(f func() error) (here bool, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var home, now unix.Stat_t
	if unix.Fstat(int(h.netns.Fd()), &home) != nil || unix.Stat("/proc/thread-self/ns/net", &now) != nil ||
		home.Ino != now.Ino || home.Dev != now.Dev {
		return false, nil
	}
	return true, f()
}
