//go:build vm

package kernel_test

import (
	"bytes"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// clientFrame is a frame of a client with a type of its own.
func clientFrame() []byte {
	return append([]byte{2, 0, 0, 0, 0xcc, 2, 2, 0, 0, 0, 0xcc, 1, 0x88, 0xb5}, bytes.Repeat([]byte{0x5a}, 60)...)
}

// served is a pseudowire into a tunnel over East, and its service on Customer.
func (r rig) served() []dataplane.Object {
	return append(r.sections(),
		dataplane.LSP{Name: "to", Op: dataplane.ImposeAndForward, Out: dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 300}}}},
		dataplane.Group{Name: "t", Legs: []string{"to"}},
		dataplane.Pseudowire{Name: "p", InLabel: 500, ControlWord: true, Out: dataplane.NextHop{Group: "t", Stack: []dataplane.LabelEntry{{Label: 600}}}},
		dataplane.Service{Name: "s", Attachment: dataplane.Attachment{Interface: "customer0"}, Send: "p", Receive: []string{"p"}})
}

// through sends a frame each way.
func (r rig) through(t *testing.T) {
	t.Helper()
	word := []byte{0, 0, 0, 0}
	r.Send(t, drivertest.Customer, clientFrame())
	want := append(r.out(drivertest.East, lse(300, 0, 255), lse(600, 0, 255)|0x100)[:22], append(word, clientFrame()...)...)
	r.comes(t, drivertest.East, want)
	in := append(r.in(lse(500, 0, 64) | 0x100)[:18], append(word, clientFrame()...)...)
	r.Send(t, drivertest.West, in)
	for end := time.Now().Add(10 * time.Second); ; {
		got := r.Receive(t, drivertest.Customer, max(time.Until(end), 0))
		if got != nil && (len(got) < 14 || got[12] != 0x88 || got[13] != 0xb5) {
			continue // Neighbour discovery and the like.
		}
		if !bytes.Equal(got, clientFrame()) {
			t.Fatalf("to the client:\n got %x\nwant %x", got, clientFrame())
		}
		return
	}
}

// TestClientDrift: filters of pseudowires and services that somebody deletes
// are told with their owner, and made again.
func TestClientDrift(t *testing.T) {
	r := newChainRig(t)
	desired := r.served()
	if !r.clients(t, desired) {
		return
	}
	r.put(t, desired...)
	r.through(t)
	wire, service := desired[len(desired)-2].Key(), desired[len(desired)-1].Key()
	// The first filter of a stage of the service.
	shown := r.tc(t, fmt.Sprintf("filter show block %d", chain.Ingress))
	lane := regexp.MustCompile(`filter protocol (\S+) pref (\d+) flower chain (33[23]\d\d) handle (0x[0-9a-f]+)`).FindStringSubmatch(shown)
	if lane == nil {
		t.Fatalf("no chain of an object in\n%s", shown)
	}
	for _, c := range []struct {
		name string
		do   func()
		keys []dataplane.Key
	}{
		{"filter of a lane or a pseudowire", func() {
			r.tc(t, fmt.Sprintf("filter del block %d chain %s protocol %s pref %s handle %s flower", chain.Ingress, lane[3], lane[1], lane[2], lane[4]))
		}, []dataplane.Key{wire, service}},
		{"queueing discipline", func() { r.tc(t, "qdisc del dev customer0 clsact") }, []dataplane.Key{service}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.do()
			r.event(t, func(e dataplane.Event) bool {
				for _, k := range c.keys {
					if isDrift(k)(e) {
						return true
					}
				}
				return false
			})
			got, err := r.Dump(t.Context(), desired)
			if err != nil {
				t.Fatal(err)
			}
			ops := plan.Full(got, desired)
			if len(ops) == 0 {
				t.Fatal("a dump finds nothing missing")
			}
			for _, err := range r.Apply(t.Context(), ops) {
				t.Fatalf("Apply: %v (%v)", err, err.Err)
			}
			if got, err = r.Dump(t.Context(), desired); err != nil || len(plan.Full(got, desired)) != 0 {
				t.Errorf("to do after the repair: %v\n%s", err, plan.Print(plan.Full(got, desired)))
			}
			r.through(t)
		})
	}
}

// TestClientIsPromiscuous: a client's interface takes frames for all addresses
// while a service is on it, if it did not before.
func TestClientIsPromiscuous(t *testing.T) {
	for _, before := range []bool{false, true} {
		r := newChainRig(t)
		var h *link.Handle
		r.Do(t, func() {
			var err error
			if h, err = link.Open(); err != nil {
				t.Fatal(err)
			}
		})
		defer h.Close()
		l, err := h.ByName("customer0")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.SetPromiscuous(l.Index, before); err != nil {
			t.Fatal(err)
		}
		is := func(when string, want bool) {
			t.Helper()
			if l, err := h.ByName("customer0"); err != nil || l.Promiscuous != want {
				t.Errorf("promiscuous %v before, %s: %v, %v", before, when, l.Promiscuous, err)
			}
		}
		desired := r.served()
		if !r.clients(t, desired) {
			continue
		}
		r.put(t, desired...)
		is("with a service", true)
		for _, err := range r.Apply(t.Context(), []dataplane.Op{{Verb: dataplane.Delete, Key: desired[len(desired)-1].Key()}}) {
			t.Fatal(err)
		}
		is("without", before)
	}
}
