package drivertest

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

func (s suite) refuse(t *testing.T) {
	t.Run("invalid objects", s.invalid)
	t.Run("too deep a stack", s.tooDeep)
	t.Run("missing interface", s.missingInterface)
	t.Run("missing section", s.missingSection)
	t.Run("capabilities are complete", s.capabilities)
}

// invalid gives Prepare objects that no driver can take.
func (s suite) invalid(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	prefix := imposing(out("east", 200))
	prefix.Prefixes = []netip.Prefix{netip.MustParsePrefix("198.51.100.9/24")}
	imposeIn := imposing(out("east", 200), "198.51.100.0/24")
	imposeIn.InLabel = 100
	swapPrefix := lsp(swap, 100, out("east", 200))
	swapPrefix.Prefixes = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	tc := lsp(swap, 100, dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 200, TC: 8, HasTC: true}}})
	section := e.sections()[0].(dataplane.Section)
	vlan, multi, long := section, section, section
	vlan.VLAN, multi.PeerMAC, long.Interface = 4095, dataplane.MAC{1, 0, 0x5e, 0, 0, 1}, "an-interface-name-too-long"
	for _, c := range []struct {
		object dataplane.Object
		reason string // Part of it.
	}{
		{lsp(swap, 15, out("east", 200)), "incoming label 15"},
		{lsp(swap, 0, out("east", 200)), "incoming label 0"},
		{lsp(swap, 1<<20, out("east", 200)), "incoming label 1048576"},
		{lsp(swap, 100, out("east", 3)), "outgoing label 3"},
		{lsp(swap, 100, out("east", 200, 1<<20)), "outgoing label 1048576"},
		{lsp(swap, 100, out("east")), "needs an outgoing label"},
		{lsp(swap, 100, out("", 200)), "needs the section"},
		{lsp(pop, 100, out("east", 200)), "imposes no label"},
		{lsp(popLookup, 100, out("east")), "no next hop"},
		{lsp(popImpose, 100, out("east")), "needs an outgoing label"},
		{lsp(dataplane.Operation(9), 100, out("east", 200)), "no operation 9"},
		{dataplane.LSP{Name: "?x", Op: popLookup, InLabel: 100}, "cannot be the name"},
		{tc, "traffic class 8"},
		{prefix, "bits set behind its length"},
		{imposeIn, "no incoming label"},
		{swapPrefix, "no prefixes"},
		{vlan, "VLAN 4095"},
		{multi, "group address"},
		{long, "cannot be the name of an interface"},
		{lsp(swap, 100, out("east", 200, 0, 201)), "outgoing label 0"},
		{lsp(swap, 100, dataplane.NextHop{Section: "east", Group: "g", Stack: out("", 200).Stack}), "cannot send on section east and enter group g"},
		{dataplane.LSP{Name: "x", Op: popLookup, InLabel: 100, Bud: true}, "a bud node"},
		{group("g"), "needs a leg"},
		{group("g", "a", "b", "c"), "at most two legs"},
		{group("g", "a", "a"), "both legs"},
		{pw(func(p *dataplane.Pseudowire) { p.InLabel = 3 }), "receive-label 3"},
		{pw(func(p *dataplane.Pseudowire) { p.Sequencing = true }), "needs the control word"},
		{pw(func(p *dataplane.Pseudowire) { p.Out.Stack = nil }), "transmit-label"},
		{served(e, on(func(a *dataplane.Attachment) { a.OuterVLAN = 4095 })), "VLAN 4095"},
		{served(e, on(func(a *dataplane.Attachment) { a.InnerVLAN = 7 })), "inner VLAN 7"},
		{served(e, on(func(a *dataplane.Attachment) { a.Operation = dataplane.PopTags })), "pop needs the VLAN"},
		{served(e, func(v *dataplane.Service) { v.Profile = &dataplane.Profile{} }), "passes nothing"},
		{dataplane.SwitchingPoint{Name: "s", Segments: [2]string{"p", "p"}}, "both segments"},
	} {
		ops := []dataplane.Op{{Verb: dataplane.Put, Key: c.object.Key(), Object: c.object}}
		err := d.Prepare(context.Background(), ops)
		oe, ok := errors.AsType[*dataplane.OpError](err)
		if !ok || oe.Key != c.object.Key() || !strings.Contains(oe.Reason, c.reason) {
			t.Errorf("Prepare of %v: got %v, want an *OpError with %q", c.object, err, c.reason)
		}
	}
	d.holds(t)
}

func (s suite) tooDeep(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	n := d.Capabilities().MaxImpose
	var labels []uint32
	for i := range n + 1 {
		labels = append(labels, 200+uint32(i))
	}
	deepest := lsp(swap, 100, out("east", labels[:n]...))
	d.put(t, append(e.sections(), deepest)...)
	d.holds(t, append(e.sections(), deepest)...)
	ops := plan.Full(nil, []dataplane.Object{lsp(swap, 101, out("east", labels...))})
	if _, ok := errors.AsType[*dataplane.OpError](d.Prepare(context.Background(), ops)); !ok {
		t.Errorf("Prepare takes a stack of %d labels, %d is what the driver claims", n+1, n)
	}
}

// missingInterface: the section fails, so does the LSP on it, and nothing
// else.
func (s suite) missingInterface(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	lost := dataplane.Section{Name: "lost", Interface: "nowhere0", PeerMAC: e.east.Peer}
	stuck := lsp(swap, 101, out("lost", 201))
	stuck.Name = "stuck"
	good := lsp(swap, 100, out("east", 200))
	ops := plan.Full(nil, append(e.sections(), lost, stuck, good))
	if err := d.Prepare(context.Background(), ops); err != nil {
		t.Fatalf("Prepare: %v; a missing interface must not hinder a commit", err)
	}
	failed := map[dataplane.Key]*dataplane.OpError{}
	for _, err := range d.apply(ops) {
		failed[err.Key] = err
	}
	for _, k := range []dataplane.Key{lost.Key(), stuck.Key()} {
		switch err := failed[k]; {
		case err == nil:
			t.Errorf("%s was put without its interface", k)
		case err.Retry:
			t.Errorf("%s: %q says Retry, but only an event can help", k, err.Reason)
		}
	}
	if err := failed[lost.Key()]; err != nil && !strings.Contains(err.Reason, "nowhere0") {
		t.Errorf("reason %q does not name the interface", err.Reason)
	}
	if len(failed) != 2 {
		t.Errorf("failed: %v", failed)
	}
	d.holds(t, append(e.sections(), good)...)
	s.swapped(t, e, 100, 200)
	s.swapped(t, e, 101, 0)
	d.remove(t, stuck.Key(), lost.Key())
}

func (s suite) missingSection(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	e := s.env(d)
	x := lsp(swap, 100, out("east", 200))
	failed := d.apply(plan.Full(nil, []dataplane.Object{x}))
	if len(failed) != 1 || failed[0].Key != x.Key() || !strings.Contains(failed[0].Reason, "east") {
		t.Fatalf("Apply of an LSP without its section: got %v, want one error that names the section", failed)
	}
	d.put(t, append(e.sections(), x)...)
	s.swapped(t, e, 100, 200)
}

// capabilities checks that the matrix speaks of every feature and that what it
// says in numbers makes sense.
func (s suite) capabilities(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	c := d.Capabilities()
	for _, f := range dataplane.Features() {
		if _, ok := c.Features[f]; !ok {
			t.Errorf("the matrix does not speak of %s", f)
		}
	}
	if n := len(dataplane.Features()); len(c.Features) != n {
		t.Errorf("the matrix has %d features, there are %d", len(c.Features), n)
	}
	for f, has := range c.Features {
		if !has && len(c.Limits) == 0 {
			t.Errorf("%s is missing and Limits tells nothing", f)
		}
	}
	for _, n := range []struct {
		feature     dataplane.Feature
		what        string
		claims, min int
	}{
		{dataplane.FeatureHierarchy, "groups on the way of a packet", c.MaxNesting, 1},
		{dataplane.FeatureP2MP, "branches", c.MaxBranches, 2},
	} {
		if c.Features[n.feature] && n.claims < n.min || !c.Features[n.feature] && n.claims != 0 {
			t.Errorf("%s is %v, and %d %s are claimed", n.feature, c.Features[n.feature], n.claims, n.what)
		}
	}
	if c.Driver == "" || c.MaxImpose < 3 || c.MaxReceive < 3 || c.MaxLabel < 1<<20-2 || c.MaxLabel > dataplane.MaxLabel {
		t.Errorf("capabilities %+v", c)
	}
}
