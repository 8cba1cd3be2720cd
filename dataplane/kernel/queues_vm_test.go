//go:build vm

package kernel_test

import (
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// handle opens a handle in the element.
func (r rig) handle(t testing.TB) *link.Handle {
	t.Helper()
	var h *link.Handle
	r.Do(t, func() {
		var err error
		if h, err = link.Open(); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { h.Close() })
	return h
}

func (r rig) index(t testing.TB, h *link.Handle, p drivertest.PortID) int {
	t.Helper()
	l, err := h.ByName(r.Port(p).Name)
	if err != nil {
		t.Fatal(err)
	}
	return l.Index
}

// TestQueuesOfSection: the scheduler is there as long as the section wants it,
// is adopted, repaired and removed, and frames wait in the queue of their
// traffic class.
func TestQueuesOfSection(t *testing.T) {
	r := newChainRig(t)
	h := r.handle(t)
	east := r.index(t, h, drivertest.East)
	sections := r.sections()
	plain := sections[1].(dataplane.Section)
	queued := plain
	queued.Queues = dataplane.Queues{Enabled: true, Rate: 100_000_000, Weights: [8]uint16{1, 2}}
	desired := []dataplane.Object{sections[0], queued, swap("a", 100, "east", 200)}
	r.put(t, desired...)
	has := func() bool {
		t.Helper()
		q, ok, err := h.Queues(east)
		if err != nil {
			t.Fatal(err)
		}
		return ok && q == link.Queues{Rate: 100_000_000, Weights: [8]uint16{1, 2}, ByLabel: true}
	}
	if !has() {
		t.Fatal("no queues")
	}
	for _, class := range []uint32{5, 0, 7} {
		before, err := h.QueueStats(east)
		if err != nil {
			t.Fatal(err)
		}
		r.expect(t, r.in(lse(100, class, 64)), drivertest.East, r.out(drivertest.East, lse(200, class, 63)))
		after, err := h.QueueStats(east)
		if err != nil {
			t.Fatal(err)
		}
		if after[class].Packets == before[class].Packets {
			t.Errorf("a packet of class %d is not in its queue: %+v, then %+v", class, before, after)
		}
	}
	todo := func(d dataplane.Driver) []dataplane.Op {
		t.Helper()
		got, err := d.Dump(t.Context(), desired)
		if err != nil {
			t.Fatal(err)
		}
		return plan.Full(got, desired)
	}
	if ops := todo(r); len(ops) != 0 {
		t.Errorf("to do:\n%s", plan.Print(ops))
	}
	r.tc(t, "qdisc del dev east0 root")
	if ops := todo(r); len(ops) == 0 || ops[0].Key != queued.Key() {
		t.Errorf("to do without queues:\n%s", plan.Print(ops))
	}
	r.put(t, queued)

	// Another process finds them, and takes them off with the section.
	r.Driver.Close()
	d := r.open(t)
	defer d.Close()
	r.Driver = d
	if ops := todo(d); len(ops) != 0 || !has() {
		t.Errorf("to do after adoption:\n%s", plan.Print(ops))
	}
	other := dataplane.Section{Name: "vlan", Interface: "east0", VLAN: 7, Queues: dataplane.Queues{Enabled: true, Rate: 1}}
	if failed := d.Apply(t.Context(), plan.Full(nil, []dataplane.Object{other})); len(failed) != 1 || failed[0].Key != other.Key() {
		t.Errorf("other queues on the same interface: %v", failed)
	}
	r.put(t, plain)
	if _, ok, err := h.Queues(east); ok || err != nil {
		t.Errorf("queues are left: %v", err)
	}
	r.put(t, queued)
	for _, err := range d.Apply(t.Context(), []dataplane.Op{
		{Verb: dataplane.Delete, Key: dataplane.Key{Kind: dataplane.KindLSP, Name: "a"}}, {Verb: dataplane.Delete, Key: other.Key()}, {Verb: dataplane.Delete, Key: queued.Key()},
	}) {
		t.Error(err)
	}
	if _, ok, err := h.Queues(east); ok || err != nil {
		t.Errorf("queues are left: %v", err)
	}

	// Those that a process left behind whose section nobody wants any more go.
	r.put(t, queued)
	d.Close()
	again := r.open(t)
	defer again.Close()
	got, err := again.Dump(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range again.Apply(t.Context(), plan.Full(got, nil)) {
		t.Error(err)
	}
	if _, ok, err := h.Queues(east); ok || err != nil {
		t.Errorf("queues are left: %v", err)
	}
}
