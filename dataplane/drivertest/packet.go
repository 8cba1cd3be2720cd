package drivertest

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// packetCase is one frame through some objects. A driver without a feature that
// the objects need must refuse them.
type packetCase struct {
	name    string
	objects func(e env) []dataplane.Object
	in      PortID
	send    func(e env) []byte
	out     PortID
	want    func(e env) []byte // Nil, or returns nil: nothing comes out there.
	// also is what comes out besides, and where, in any order.
	also func(e env) []copied
	// drop is the name of the counter that tells why nothing comes out; empty:
	// not looked at.
	drop string
	// only names features without which nothing comes out, although the objects
	// are accepted.
	only []dataplane.Feature
	// mask tells which octets of the wanted frame count; nil: all.
	mask func(want []byte) []byte
}

// copied is one of several frames.
type copied struct {
	port  PortID
	frame []byte
}

// env is what cases are built from.
type env struct {
	west, east, client, customer, customer2 Port
	caps                                    dataplane.Capabilities
}

// tc returns the traffic class that arrives if kept: the kernel's routes write
// zero.
func (e env) tc(kept uint8) uint8 {
	if e.caps.Features[dataplane.FeatureTrafficClass] {
		return kept
	}
	return 0
}

// imposed returns the TTL of a label imposed on a packet whose label came with
// ttl in.
func (e env) imposed(configured, in uint8) uint8 {
	if e.caps.Features[dataplane.FeatureImposedTTL] {
		return configured
	}
	return in - 1
}

// payload returns the TTL of an IP payload where a driver without
// FeaturePayloadTTL takes one hop more off.
func (e env) payload(ttl uint8) uint8 {
	if e.caps.Features[dataplane.FeaturePayloadTTL] {
		return ttl
	}
	return ttl - 1
}

// fromWest builds an MPLS frame that arrives at West, toEast one as it leaves
// East.
func (e env) fromWest(body ...[]byte) []byte {
	return ethernet(e.west.MAC, e.west.Peer, typeMPLS, body...)
}

func (e env) toEast(body ...[]byte) []byte {
	return ethernet(e.east.Peer, e.east.MAC, typeMPLS, body...)
}

// fromClient builds an IP frame that arrives at Client.
func (e env) fromClient(packet []byte) []byte {
	return ethernet(e.client.MAC, e.client.Peer, ipType(packet), packet)
}

func (e env) toClient(packet []byte) []byte {
	return ethernet(e.client.Peer, e.client.MAC, ipType(packet), packet)
}

func ipType(packet []byte) uint16 {
	if packet[0]>>4 == 6 {
		return typeIPv6
	}
	return typeIPv4
}

// sections are the two that most cases use.
func (e env) sections() []dataplane.Object {
	return []dataplane.Object{
		dataplane.Section{Name: "west", Interface: e.west.Name, PeerMAC: e.west.Peer},
		dataplane.Section{Name: "east", Interface: e.east.Name, PeerMAC: e.east.Peer},
	}
}

// with returns the two sections and more.
func with(more ...dataplane.Object) func(env) []dataplane.Object {
	return func(e env) []dataplane.Object { return append(e.sections(), more...) }
}

// out is the next hop on a section with plain labels, top first.
func out(section string, labels ...uint32) dataplane.NextHop {
	h := dataplane.NextHop{Section: section}
	for _, l := range labels {
		h.Stack = append(h.Stack, dataplane.LabelEntry{Label: l})
	}
	return h
}

// packets runs the table on one driver, which is emptied after each case.
func (s suite) packets(t *testing.T) {
	d := s.start(t)
	defer d.close(t)
	for _, c := range packetCases() {
		t.Run(c.name, func(t *testing.T) {
			defer d.empty(t)
			s.packet(t, d, c)
		})
	}
}

func (s suite) env(d driver) env {
	return env{
		west: s.lab.Port(West), east: s.lab.Port(East), client: s.lab.Port(Client),
		customer: s.lab.Port(Customer), customer2: s.lab.Port(Customer2), caps: d.Capabilities(),
	}
}

func (s suite) packet(t *testing.T, d driver, c packetCase) {
	e := s.env(d)
	objects := c.objects(e)
	if !d.accepts(t, objects) {
		return
	}
	d.put(t, objects...)
	d.holds(t, objects...)
	if !d.has(c.only...) {
		c.want, c.also, c.drop = nil, nil, ""
	}
	before := d.drops(t)
	s.exchange(t, e, c)
	// A driver lists what it can tell, be it 0.
	after := d.drops(t)
	if _, tells := after[c.drop]; tells && after[c.drop]-before[c.drop] != 1 {
		t.Errorf("%d frames counted under %s, want 1; counters before %v, after %v", after[c.drop]-before[c.drop], c.drop, before, after)
	}
	d.holds(t, objects...)
}

// drops returns the counters of dropped frames, nil where there are none.
func (d driver) drops(t *testing.T) map[string]uint64 {
	t.Helper()
	c, ok := d.Driver.(dataplane.DiscardCounter)
	if !ok {
		return nil
	}
	m, err := c.DropCounters()
	if err != nil {
		t.Fatalf("DropCounters: %v", err)
	}
	return m
}

// needsOf lists the features that objects need.
func needsOf(objects []dataplane.Object) []dataplane.Feature {
	c := dataplane.Capabilities{Features: map[dataplane.Feature]bool{}, MaxImpose: 99, MaxBranches: 999, MaxLabel: dataplane.MaxLabel}
	for _, f := range dataplane.Features() {
		c.Features[f] = true
	}
	var needs []dataplane.Feature
	for _, f := range dataplane.Features() {
		c.Features[f] = false
		for _, o := range objects {
			if c.Check(o) != nil {
				needs = append(needs, f)
				break
			}
		}
		c.Features[f] = true
	}
	return needs
}

// accepts reports whether the driver has everything that objects need. If not,
// it must refuse them by name.
func (d driver) accepts(t *testing.T, objects []dataplane.Object) bool {
	t.Helper()
	needs := needsOf(objects)
	if !d.has(needs...) {
		d.refuses(t, objects, needs)
		return false
	}
	caps := d.Capabilities()
	set := plan.Set{Limits: plan.Limits{Groups: caps.MaxNesting, Labels: caps.MaxImpose, Driver: caps.Driver}}
	if err := set.Check(dataplane.Delta{Put: objects}); err != nil {
		if !strings.Contains(err.Error(), caps.Driver+" data plane") {
			t.Fatalf("the objects of the case: %v", err)
		}
		return false // Deeper than the driver claims.
	}
	return true
}

// exchange sends the frame of a case and compares what comes out.
func (s suite) exchange(t *testing.T, e env, c packetCase) {
	t.Helper()
	s.drain(t)
	s.lab.Send(t, c.in, c.send(e))
	var wants []copied
	if c.want != nil {
		if f := c.want(e); f != nil {
			wants = append(wants, copied{c.out, f})
		}
	}
	if c.also != nil {
		wants = append(wants, c.also(e)...)
	}
	s.expect(t, wants, c.mask)
}

// expect receives frames, in any order, and fails the test if they are not the
// wanted ones.
func (s suite) expect(t *testing.T, wants []copied, mask func([]byte) []byte) {
	t.Helper()
	left := slices.Clone(wants)
	for _, w := range wants {
		got := s.next(t, w.port, patience)
		i := slices.IndexFunc(left, func(l copied) bool {
			return l.port == w.port && (bytes.Equal(got, l.frame) ||
				mask != nil && len(got) == len(l.frame) && bytes.Equal(mask(got), mask(l.frame)))
		})
		if i < 0 {
			t.Fatalf("frame out of port %d:\n got %s\nwant %s", w.port, dumpFrame(got), dumpFrame(w.frame))
		}
		left = slices.Delete(left, i, i+1)
	}
	s.quiet(t)
}

// next returns the next frame of a test at a port.
func (s suite) next(t *testing.T, p PortID, patience time.Duration) []byte {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		f := s.lab.Receive(t, p, max(time.Until(end), 0))
		if f == nil || ours(f) {
			return f
		}
	}
}

// drain throws away what is left of earlier frames.
func (s suite) drain(t *testing.T) {
	t.Helper()
	for p := range portCount {
		for s.next(t, p, 0) != nil {
			continue
		}
	}
}

// settle is how long a frame that must not come is given to come after all.
// It is not a limit on a result that is correct: it only makes a wrong frame
// more likely to be seen.
const settle = 20 * time.Millisecond

// quiet fails the test if another frame comes out anywhere.
func (s suite) quiet(t *testing.T) {
	t.Helper()
	end := time.Now().Add(settle)
	for p := range portCount {
		if f := s.next(t, p, max(time.Until(end), 0)); f != nil {
			t.Fatalf("port %d sends a frame that must not be: %s", p, dumpFrame(f))
		}
	}
}

// refuses fails the test unless the driver refuses objects by naming one of
// the features it lacks, and has nothing of them afterwards.
func (d driver) refuses(t *testing.T, objects []dataplane.Object, needs []dataplane.Feature) {
	t.Helper()
	ops := make([]dataplane.Op, len(objects))
	for i, o := range objects {
		ops[i] = dataplane.Op{Verb: dataplane.Put, Key: o.Key(), Object: o}
	}
	err := d.Prepare(context.Background(), ops)
	oe, ok := errors.AsType[*dataplane.OpError](err)
	if !ok {
		t.Fatalf("Prepare of what the driver does not have: got %v, want an *OpError", err)
	}
	names := slices.ContainsFunc(needs, func(f dataplane.Feature) bool {
		return !d.Capabilities().Features[f] && strings.Contains(oe.Reason, string(f))
	})
	if !names {
		t.Errorf("Prepare refuses with %q, which names none of %v", oe.Reason, needs)
	}
	if got := d.dump(t, objects...); len(got) != 0 {
		t.Errorf("Prepare changed the data plane: %v", got)
	}
}

func dumpFrame(f []byte) string {
	if f == nil {
		return "nothing"
	}
	if len(f) < 14 {
		return hex.EncodeToString(f)
	}
	return hex.EncodeToString(f[:6]) + " " + hex.EncodeToString(f[6:12]) + " " + hex.EncodeToString(f[12:14]) + " " + hex.EncodeToString(f[14:])
}
