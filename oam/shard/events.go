package shard

import (
	"sync"

	"github.com/tandem-ne/tandem/oam"
)

// eventRing is how many events may wait for the observer.
const eventRing = 4096

// events carries events from the shard to the observer: a bounded ring, so
// that an observer that stops cannot make the shard wait or grow. When it is
// full, later events are lost and the observer is told so once.
type events struct {
	observer oam.Observer

	mu     sync.Mutex
	ready  *sync.Cond
	ring   [eventRing]oam.Event
	first  int
	count  int
	lost   bool
	closed bool
}

func newEvents(observer oam.Observer) *events {
	e := &events{observer: observer}
	e.ready = sync.NewCond(&e.mu)
	return e
}

// push queues an event. It is called by the shard.
func (e *events) push(ev oam.Event) {
	if e.observer == nil {
		return
	}
	e.mu.Lock()
	if e.count == eventRing {
		e.lost = true
	} else {
		e.ring[(e.first+e.count)%eventRing] = ev
		e.count++
	}
	e.mu.Unlock()
	e.ready.Signal()
}

// pop takes the next event; ok is false when there is none.
func (e *events) pop(wait bool) (ev oam.Event, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.count == 0 && !e.lost && wait && !e.closed {
		e.ready.Wait()
	}
	switch {
	case e.count > 0:
		ev = e.ring[e.first]
		e.ring[e.first] = oam.Event{} // Release its strings.
		e.first = (e.first + 1) % eventRing
		e.count--
		return ev, true
	case e.lost:
		e.lost = false
		return oam.Event{Kind: oam.EventsLost}, true
	}
	return oam.Event{}, false
}

// deliver gives the events that wait, and with wait those to come until
// close, to the observer.
func (e *events) deliver(wait bool) {
	if e.observer == nil {
		return
	}
	for {
		ev, ok := e.pop(wait)
		if !ok {
			return
		}
		e.observer.OnEvent(ev)
	}
}

// close ends deliver once it has delivered what waits.
func (e *events) close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.ready.Broadcast()
}
