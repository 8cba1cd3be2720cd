//go:build vm

package kernel_test

import (
	"strings"
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
	states, err := r.Driver.(dataplane.InterfaceReporter).InterfaceStates()
	if err != nil || len(states) != 2 || states[0].Name != "east0" || states[0].Mode != "kernel" ||
		!strings.Contains(states[0].Queueing, "weights 1:2 0:1") || states[1].Queueing != "" {
		t.Errorf("interfaces %+v, %v", states, err)
	}
	missing := func(d dataplane.Driver) []dataplane.Op {
		t.Helper()
		got, err := d.Dump(t.Context(), desired)
		if err != nil {
			t.Fatal(err)
		}
		return plan.Full(got, desired)
	}
	if ops := missing(r); len(ops) != 0 {
		t.Errorf("to do:\n%s", plan.Print(ops))
	}
	r.tc(t, "qdisc del dev east0 root")
	if ops := missing(r); len(ops) == 0 || ops[0].Key != queued.Key() {
		t.Errorf("to do without queues:\n%s", plan.Print(ops))
	}
	r.put(t, queued)

	// Another process finds them, and takes them off with the section.
	r.Driver.Close()
	d := r.open(t)
	defer d.Close()
	r.Driver = d
	if ops := missing(d); len(ops) != 0 || !has() {
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

// TestClassesOfLSPs: the queue in which a packet waits (RFC 3270).
func TestClassesOfLSPs(t *testing.T) {
	r := newChainRig(t)
	h := r.handle(t)
	east := r.index(t, h, drivertest.East)
	sections := r.sections()
	queued := sections[1].(dataplane.Section)
	queued.Queues = dataplane.Queues{Enabled: true}
	three := uint8(3)
	llsp := swap("llsp", 101, "east", 201)
	llsp.Class = &three
	popped := dataplane.LSP{Name: "pop", Op: dataplane.PopAndForward, InLabel: 102, Out: dataplane.NextHop{Section: "east"}}
	short := popped
	short.Name, short.InLabel, short.TTLMode = "short", 103, dataplane.ShortPipe
	leg := swap("leg", 0, "east", 501)
	leg.Op, leg.Class = dataplane.ImposeAndForward, &three
	member := dataplane.LSP{Name: "member", Op: dataplane.SwapAndForward, InLabel: 104,
		Out: dataplane.NextHop{Group: "g", Stack: []dataplane.LabelEntry{{Label: 204}}}}
	r.put(t, sections[0], queued, swap("e", 100, "east", 200), llsp, popped, short, leg, dataplane.Group{Name: "g", Legs: []string{"leg"}}, member)
	ip := "\x45\xb8" + strings.Repeat("\x00", 6) + "\x40\xfd" + strings.Repeat("\x00", 30) // DSCP 46: precedence 5.
	for _, c := range []struct {
		name  string
		frame []byte
		want  int
	}{
		{"E-LSP: the traffic class", r.in(lse(100, 6, 9)), 6},
		{"L-LSP: its own class", r.in(lse(101, 6, 9)), 3},
		{"pop, pipe: the class of the LSP", r.in(lse(102, 6, 9), lse(777, 2, 9)), 6},
		{"pop, short pipe: that of the label below", r.in(lse(103, 6, 9), lse(777, 2, 9)), 2},
		{"pop to IP, pipe", append(r.in(lse(102, 7, 9))[:18], ip...), 7},
		{"pop to IP, short pipe: that of the packet", append(r.in(lse(103, 6, 9))[:18], ip...), 5},
		{"into an L-LSP", r.in(lse(104, 6, 9)), 3},
	} {
		before, err := h.QueueStats(east)
		if err != nil {
			t.Fatal(err)
		}
		r.Send(t, drivertest.West, c.frame)
		r.eventually(t, c.name, func() bool {
			after, err := h.QueueStats(east)
			return err == nil && after[c.want].Packets > before[c.want].Packets
		})
	}
}
