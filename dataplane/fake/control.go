package fake

import (
	"strings"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
)

// Text prints every object, one on a line, in the order of their keys.
func (d *Driver) Text() string {
	d.mu.Lock()
	objects := d.list()
	d.mu.Unlock()
	var b strings.Builder
	for _, o := range objects {
		b.WriteString(o.String() + "\n")
	}
	return b.String()
}

// TakeOps returns the operations of Apply since the last call, failed ones
// included.
func (d *Driver) TakeOps() []dataplane.Op {
	d.mu.Lock()
	defer d.mu.Unlock()
	ops := d.ops
	d.ops = nil
	return ops
}

// Applies returns how often Apply was called.
func (d *Driver) Applies() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.applies
}

// Fail lets every operation on a key fail until Heal.
func (d *Driver) Fail(k dataplane.Key, reason string, retry bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults[k] = dataplane.OpError{Key: k, Reason: reason, Retry: retry}
}

// Heal ends Fail.
func (d *Driver) Heal(k dataplane.Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.faults, k)
}

// FailDump lets Dump fail with err; nil heals it.
func (d *Driver) FailDump(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dumpErr = err
}

// Lose removes an object behind the caller's back and sends no event.
func (d *Driver) Lose(k dataplane.Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.apply(dataplane.Op{Verb: dataplane.Delete, Key: k})
}

// Drift sends the event that k was changed; the zero Key asks for an audit.
func (d *Driver) Drift(k dataplane.Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notify(dataplane.Event{Kind: dataplane.Drift, Key: k})
}

// Plant puts an object into the data plane as a process before this one would
// have left it.
func (d *Driver) Plant(objects ...dataplane.Object) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range objects {
		d.put(o)
	}
}

// AddRoute gives the host an IP route outside the LSPs.
func (d *Driver) AddRoute(r Route) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.routes = append(d.routes, r)
}

// SetClock gives the meters and Counters.Since another clock.
func (d *Driver) SetClock(now func() time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clock = now
}

// SetEntropy gives IP packets another entropy label, 16..1048575.
func (d *Driver) SetEntropy(label func(packet []byte) uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entropy = label
}

// SetPort adds a port or changes it and sends the event that belongs to it.
func (d *Driver) SetPort(p Port) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old, was := d.ports[p.Name]
	d.ports[p.Name] = p
	kind := dataplane.LinkChanged
	if was && old.MAC == p.MAC {
		kind = dataplane.LinkDown
		if p.Up {
			kind = dataplane.LinkUp
		}
	}
	d.notify(dataplane.Event{Kind: kind, Interface: p.Name})
}

// RemovePort takes a port away, and the sections and services on it.
func (d *Driver) RemovePort(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.ports, name)
	for n, s := range d.sections {
		if s.Interface == name {
			delete(d.sections, n)
		}
	}
	for n, s := range d.services {
		if s.Attachment.Interface == name {
			delete(d.services, n)
		}
	}
	d.notify(dataplane.Event{Kind: dataplane.LinkChanged, Interface: name})
}

// notify queues an event; after one that did not fit comes a Drift without key.
// Caller holds mu.
func (d *Driver) notify(e dataplane.Event) {
	if d.closed {
		return
	}
	e.Time = time.Now()
	if d.lost {
		e = dataplane.Event{Time: e.Time, Kind: dataplane.Drift}
	}
	select {
	case d.events <- e:
		d.lost = false
	default:
		d.lost = true
	}
}

// Reopen gives the forwarding state to a new process: events start anew.
func (d *Driver) Reopen() *Driver {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		d.closed, d.lost = false, false
		d.events = make(chan dataplane.Event, cap(d.events))
	}
	return d
}
