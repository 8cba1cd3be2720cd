// Package drivertest is the conformance suite of dataplane.Driver. One table of
// frames says what every operation does to a packet, octet by octet; where
// drivers may differ, the capability that says so selects the expectation. What
// a driver does not have it must refuse by name: no case is skipped.
//
// Read lab.go (what surrounds the element), packet.go (the table; the cases are
// in cases.go, group.go, special.go, condition.go, pseudowire.go and
// attachment.go, built from what client.go has), then lifecycle.go, clients.go,
// operate.go, refuse.go and link.go.
package drivertest

import (
	"context"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// Run runs the suite. newDriver opens the driver under test in the element of
// the lab (Run calls it through lab.Do); called again after Close it must find
// the forwarding state that was left behind. The cases run one after the
// other, each begins and ends with an empty data plane.
func Run(t *testing.T, newDriver func(t *testing.T) dataplane.Driver, lab Lab) {
	s := suite{lab: lab, open: newDriver}
	t.Run("Packets", s.packets)
	t.Run("Counters", s.counters)
	t.Run("Refuse", s.refuse)
	t.Run("Lifecycle", s.lifecycle)
	t.Run("Clients", s.clients)
	t.Run("Operate", s.operate)
	t.Run("Link", s.link)
}

type suite struct {
	lab  Lab
	open func(t *testing.T) dataplane.Driver
}

// driver is a driver in a case, with the calls a case makes.
type driver struct {
	dataplane.Driver
	lab Lab
}

// start opens the driver, empties it, and empties it again when the case ends.
func (s suite) start(t *testing.T) driver {
	t.Helper()
	d := s.reopen(t)
	d.empty(t)
	t.Cleanup(func() {
		d := s.reopen(t)
		d.empty(t)
		d.close(t)
	})
	return d
}

// reopen opens the driver on what is there. The case closes it.
func (s suite) reopen(t *testing.T) driver {
	t.Helper()
	d := driver{lab: s.lab}
	s.lab.Do(t, func() { d.Driver = s.open(t) })
	if d.Driver == nil {
		t.Fatal("newDriver returned nil")
	}
	return d
}

func (d driver) close(t *testing.T) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// apply applies ops and returns the failures.
func (d driver) apply(ops []dataplane.Op) []*dataplane.OpError {
	return d.Apply(context.Background(), ops)
}

// put prepares and puts objects in the order of a plan and fails the test if
// one fails.
func (d driver) put(t *testing.T, objects ...dataplane.Object) {
	t.Helper()
	ops := plan.Full(nil, objects)
	if err := d.Prepare(context.Background(), ops); err != nil {
		t.Fatalf("Prepare: %v", err)
	}
	for _, err := range d.apply(ops) {
		t.Fatalf("Apply: %v (%v)", err, err.Err)
	}
}

// remove deletes keys and fails the test if one fails.
func (d driver) remove(t *testing.T, keys ...dataplane.Key) {
	t.Helper()
	var ops []dataplane.Op
	for _, k := range keys {
		ops = append(ops, dataplane.Op{Verb: dataplane.Delete, Key: k})
	}
	plan.Order(ops)
	for _, err := range d.apply(ops) {
		t.Fatalf("Apply: %v (%v)", err, err.Err)
	}
}

// dump dumps and fails the test on an error.
func (d driver) dump(t *testing.T, desired ...dataplane.Object) []dataplane.Object {
	t.Helper()
	got, err := d.Dump(context.Background(), desired)
	if err != nil {
		t.Fatalf("Dump: %v", err)
	}
	return got
}

// holds fails the test unless a dump shows exactly these objects.
func (d driver) holds(t *testing.T, desired ...dataplane.Object) {
	t.Helper()
	if ops := plan.Full(d.dump(t, desired...), desired); len(ops) != 0 {
		t.Fatalf("dump differs from what was put; to do:\n%s", plan.Print(ops))
	}
}

// empty removes everything of ours, as a sweep of stale objects does.
func (d driver) empty(t *testing.T) {
	t.Helper()
	ops := plan.Full(d.dump(t), nil)
	for _, err := range d.apply(ops) {
		t.Fatalf("Apply: %v (%v)", err, err.Err)
	}
	if left := d.dump(t); len(left) != 0 {
		t.Fatalf("left after everything was deleted: %v", left)
	}
}

// has reports whether the driver has all features.
func (d driver) has(features ...dataplane.Feature) bool {
	c := d.Capabilities()
	for _, f := range features {
		if !c.Features[f] {
			return false
		}
	}
	return true
}
