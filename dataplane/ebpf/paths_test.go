package ebpf

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
)

// paths is an element with a section on each of two ports, for groups, branches
// and everything else that needs more than one program to run.
type paths struct {
	*Driver
	lab *netlab.Lab
	opt Options
}

func newPaths(t *testing.T, mode Mode) *paths {
	t.Helper()
	p := &paths{lab: netlab.New(t), opt: Options{BPFFS: testFS(t), Instance: "paths", Mode: mode, AuditInterval: time.Hour}}
	p.lab.Do(t, func() { p.Driver = mustOpen(t, p.opt) })
	t.Cleanup(func() { p.Close() })
	west, east := p.lab.Port(drivertest.West), p.lab.Port(drivertest.East)
	apply(t, p.Driver,
		dataplane.Section{Name: "west", Interface: west.Name, PeerMAC: west.Peer},
		dataplane.Section{Name: "east", Interface: east.Name, PeerMAC: east.Peer})
	return p
}

// forModes runs a test with generic and native XDP.
func forModes(t *testing.T, f func(t *testing.T, p *paths)) {
	modes := []Mode{ModeGeneric, ModeNative}
	if inGuest {
		modes = modes[:1]
	}
	for _, m := range modes {
		t.Run(m.String(), func(t *testing.T) { f(t, newPaths(t, m)) })
	}
}

// word is a label stack entry.
func word(label, tc, ttl uint32, bottom bool) []byte {
	v := label<<12 | tc<<9 | ttl
	if bottom {
		v |= 1 << 8
	}
	return binary.BigEndian.AppendUint32(nil, v)
}

// labelled is a frame to or from the other end of a port.
func (p *paths) labelled(port drivertest.PortID, out bool, parts ...[]byte) []byte {
	x := p.lab.Port(port)
	dst, src := x.MAC, x.Peer
	if out {
		dst, src = src, dst
	}
	return append(append(append(dst[:], src[:]...), 0x88, 0x47), bytes.Join(parts, nil)...)
}

// send sends labelled frames into a port.
func (p *paths) send(t *testing.T, port drivertest.PortID, parts ...[]byte) {
	t.Helper()
	p.lab.Send(t, port, p.labelled(port, false, parts...))
}

// expect waits for frames of a port, in any order, and for no others.
func (p *paths) expect(t *testing.T, port drivertest.PortID, want ...[]byte) {
	t.Helper()
	for len(want) > 0 {
		got := p.next(t, port, 5*time.Second)
		if got == nil {
			t.Fatalf("port %d: %d frames have not come, the first %x", port, len(want), want[0])
		}
		i := slices.IndexFunc(want, func(w []byte) bool { return bytes.Equal(got, w) })
		if i < 0 {
			t.Fatalf("port %d\n got %x\nwant %x", port, got, want)
		}
		want = slices.Delete(want, i, i+1)
	}
}

// silent fails the test if a labelled frame comes. A frame that was sent after
// the one in question has come, so that there is nothing to wait for.
func (p *paths) silent(t *testing.T, port drivertest.PortID) {
	t.Helper()
	if f := p.next(t, port, 0); f != nil {
		t.Fatalf("port %d: %x", port, f)
	}
}

// next returns the next labelled frame.
func (p *paths) next(t *testing.T, port drivertest.PortID, patience time.Duration) []byte {
	t.Helper()
	for {
		f := p.lab.Receive(t, port, patience)
		if f == nil || len(f) > 14 && f[12] == 0x88 && f[13] == 0x47 {
			return f
		}
	}
}

func (p *paths) countersOf(t *testing.T, k dataplane.Kind, name string) dataplane.Counters {
	t.Helper()
	c, err := p.Counters(context.Background(), []dataplane.Key{key(k, name)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c[0].Since = time.Time{}
	return c[0]
}

func (p *paths) dropsOf(t *testing.T, reason string) uint64 {
	t.Helper()
	n, err := p.DropCounters()
	if err != nil {
		t.Fatal(err)
	}
	return n[reason]
}

func stackOn(section string, labels ...uint32) dataplane.NextHop {
	h := dataplane.NextHop{Section: section}
	for _, l := range labels {
		h.Stack = append(h.Stack, dataplane.LabelEntry{Label: l})
	}
	return h
}

func into(group string, labels ...uint32) dataplane.NextHop {
	h := stackOn("", labels...)
	h.Group = group
	return h
}

func begins(name string, h dataplane.NextHop) dataplane.LSP {
	return dataplane.LSP{Name: name, Op: dataplane.ImposeAndForward, Out: h}
}

func swaps1(name string, in uint32, h dataplane.NextHop) dataplane.LSP {
	return dataplane.LSP{Name: name, Op: dataplane.SwapAndForward, InLabel: in, Out: h}
}

var payload = bytes.Repeat([]byte{0xa5}, 50)

// tunnel is a group with a leg on each section.
func tunnel(name string, first uint32) []dataplane.Object {
	return []dataplane.Object{
		begins(name+"-w", stackOn("west", first)), begins(name+"-p", stackOn("east", first+1)),
		dataplane.Group{Name: name, Legs: []string{name + "-w", name + "-p"}},
	}
}

// TestGroups sends through groups, nested up to three deep, and switches them.
func TestGroups(t *testing.T) {
	forModes(t, func(t *testing.T, p *paths) {
		apply(t, p.Driver, tunnel("t1", 1001)...)
		apply(t, p.Driver,
			begins("t2-w", into("t1", 2001)), dataplane.Group{Name: "t2", Legs: []string{"t2-w"}},
			begins("t3-w", into("t2", 3001)), dataplane.Group{Name: "t3", Legs: []string{"t3-w"}},
			swaps1("a", 100, into("t1", 101)), swaps1("b", 200, into("t3", 201)),
			dataplane.LSP{Name: "php", Op: dataplane.PopAndForward, InLabel: 300, Out: into("t1")})
		p.send(t, drivertest.East, word(100, 5, 64, true), payload)
		p.expect(t, drivertest.West, p.labelled(drivertest.West, true, word(1001, 5, 255, false), word(101, 5, 63, true), payload))
		p.send(t, drivertest.East, word(200, 3, 9, false), word(77, 1, 7, true), payload)
		p.expect(t, drivertest.West, p.labelled(drivertest.West, true, word(1001, 3, 255, false), word(2001, 3, 255, false),
			word(3001, 3, 255, false), word(201, 3, 8, false), word(77, 1, 7, true), payload))
		if err := p.Switch(context.Background(), "t1", 1); err != nil {
			t.Fatal(err)
		}
		p.send(t, drivertest.West, word(200, 3, 9, true), payload)
		p.expect(t, drivertest.East, p.labelled(drivertest.East, true, word(1002, 3, 255, false), word(2001, 3, 255, false),
			word(3001, 3, 255, false), word(201, 3, 8, true), payload))
		p.send(t, drivertest.West, word(300, 6, 9, false), word(77, 1, 7, true), payload)
		p.expect(t, drivertest.East, p.labelled(drivertest.East, true, word(1002, 6, 255, false), word(77, 1, 7, true), payload))
		p.silent(t, drivertest.West)

		n := uint64(len(payload))
		for k, want := range map[dataplane.Key]dataplane.Counters{
			key(dataplane.KindGroup, "t1"): {In: dataplane.Counter{Packets: 4, Octets: 4*n + 4 + 16 + 12 + 4}},
			key(dataplane.KindGroup, "t3"): {In: dataplane.Counter{Packets: 2, Octets: 2*n + 8 + 4}},
			key(dataplane.KindLSP, "t1-w"): {In: dataplane.Counter{Packets: 2, Octets: 2*n + 4 + 16}, Out: dataplane.Counter{Packets: 2, Octets: 2*n + 8 + 20}},
			key(dataplane.KindLSP, "t1-p"): {In: dataplane.Counter{Packets: 2, Octets: 2*n + 12 + 4}, Out: dataplane.Counter{Packets: 2, Octets: 2*n + 16 + 8}},
			key(dataplane.KindLSP, "t3-w"): {In: dataplane.Counter{Packets: 2, Octets: 2*n + 8 + 4}, Out: dataplane.Counter{Packets: 2, Octets: 2*n + 12 + 8}},
			key(dataplane.KindLSP, "b"):    {In: dataplane.Counter{Packets: 2, Octets: 2*n + 12}, Out: dataplane.Counter{Packets: 2, Octets: 2*n + 12}},
		} {
			if got := p.countersOf(t, k.Kind, k.Name); got != want {
				t.Errorf("%s: counters\n got %+v\nwant %+v", k, got, want)
			}
		}
		for name, leg := range map[string]uint8{"t1": 1, "t2": 0} {
			if got, err := p.ActiveLeg(name); err != nil || got != leg {
				t.Errorf("active leg of %s: %d, %v", name, got, err)
			}
		}
		if err := p.Switch(context.Background(), "t2", 1); err == nil {
			t.Error("switched to a leg that is not there")
		}
		if err := p.Switch(context.Background(), "none", 0); err == nil {
			t.Error("switched a group that is not there")
		}
	})
}

// TestGroupChanges shows that a Put keeps the active leg, and which one follows
// when it goes.
func TestGroupChanges(t *testing.T) {
	p := newPaths(t, ModeGeneric)
	apply(t, p.Driver, tunnel("t", 1001)...)
	apply(t, p.Driver, begins("other", stackOn("west", 1003)), swaps1("a", 100, into("t", 101)))
	via := func(port drivertest.PortID, label uint32) {
		t.Helper()
		p.send(t, drivertest.East, word(100, 0, 64, true), payload)
		p.expect(t, port, p.labelled(port, true, word(label, 0, 255, false), word(101, 0, 63, true), payload))
	}
	via(drivertest.West, 1001)
	if err := p.Switch(context.Background(), "t", 1); err != nil {
		t.Fatal(err)
	}
	via(drivertest.East, 1002)
	before := p.countersOf(t, dataplane.KindGroup, "t")
	apply(t, p.Driver, dataplane.Group{Name: "t", Legs: []string{"t-w", "t-p"}, Prefixes: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}})
	via(drivertest.East, 1002)
	apply(t, p.Driver, dataplane.Group{Name: "t", Legs: []string{"t-p", "other"}})
	if leg, _ := p.ActiveLeg("t"); leg != 0 {
		t.Errorf("the active leg is now the first one, not %d", leg)
	}
	via(drivertest.East, 1002)
	// A leg with other labels: the group goes on with them.
	apply(t, p.Driver, begins("t-p", stackOn("east", 1009)))
	via(drivertest.East, 1009)
	apply(t, p.Driver, dataplane.Group{Name: "t", Legs: []string{"t-w", "other"}, Active: 1})
	via(drivertest.West, 1003)
	if after := p.countersOf(t, dataplane.KindGroup, "t"); after.In.Packets != before.In.Packets+4 {
		t.Errorf("counters of the group started again: %+v, before %+v", after, before)
	}
	drops := func(reason string, n uint64) {
		t.Helper()
		p.send(t, drivertest.East, word(100, 0, 64, true), payload)
		p.waitDrops(t, reason, n)
	}
	other := begins("other", stackOn("west", 1003))
	other.Down = true
	apply(t, p.Driver, other)
	drops("lsp-down", 1)
	apply(t, p.Driver, dataplane.Group{Name: "t", Legs: []string{"t-w", "other"}, Down: true})
	drops("group-down", 1)
}

func (p *paths) waitDrops(t *testing.T, reason string, n uint64) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); p.dropsOf(t, reason) != n; {
		if time.Now().After(deadline) {
			t.Fatalf("%d drops under %s, want %d", p.dropsOf(t, reason), reason, n)
		}
		p.lab.Receive(t, drivertest.West, time.Millisecond)
	}
}

func multipoint(name string, in uint32, branches ...dataplane.Branch) dataplane.LSP {
	return dataplane.LSP{Name: name, Op: dataplane.SwapAndForward, InLabel: in, Branches: branches}
}

// TestPointToMultipoint copies at a branch node, over a section and a group, and
// grafts and prunes without a loss on the others.
func TestPointToMultipoint(t *testing.T) {
	forModes(t, func(t *testing.T, p *paths) {
		apply(t, p.Driver, tunnel("t", 1001)...)
		east := dataplane.Branch{Name: "east", NextHop: stackOn("east", 501)}
		west := dataplane.Branch{Name: "west", NextHop: stackOn("west", 502, 503)}
		over := dataplane.Branch{Name: "over", NextHop: into("t", 504)}
		apply(t, p.Driver, multipoint("m", 500, east, west, over))
		fromEast := p.labelled(drivertest.East, true, word(501, 4, 63, true), payload)
		fromWest := p.labelled(drivertest.West, true, word(502, 4, 255, false), word(503, 4, 63, true), payload)
		fromTunnel := p.labelled(drivertest.West, true, word(1001, 4, 255, false), word(504, 4, 63, true), payload)
		p.send(t, drivertest.West, word(500, 4, 64, true), payload)
		p.expect(t, drivertest.East, fromEast)
		p.expect(t, drivertest.West, fromWest, fromTunnel)
		n := uint64(len(payload))
		if got, want := p.countersOf(t, dataplane.KindLSP, "m"), (dataplane.Counters{
			In: dataplane.Counter{Packets: 1, Octets: n + 4}, Out: dataplane.Counter{Packets: 3, Octets: 3*n + 16},
		}); got != want {
			t.Errorf("counters %+v, want %+v", got, want)
		}
		relayOf := p.lsps[hashName("m")].branches[hashName("east")].relay
		for i, set := range [][]dataplane.Branch{{east}, {east, over}, {over, west, east}} {
			apply(t, p.Driver, multipoint("m", 500, set...))
			p.send(t, drivertest.West, word(500, 4, 64, true), payload)
			p.expect(t, drivertest.East, fromEast)
			if b := p.lsps[hashName("m")].branches[hashName("east")]; b.relay != relayOf {
				t.Errorf("change %d gives a branch that stays another relay", i)
			}
		}
		held, err := p.Dump(context.Background(), append(tunnel("t", 1001), multipoint("m", 500, east, west, over),
			dataplane.Section{Name: "west"}, dataplane.Section{Name: "east"}))
		if err != nil || !slices.ContainsFunc(held, multipoint("m", 500, east, west, over).Equal) {
			t.Errorf("dump %v, %v", held, err)
		}
	})
}

// TestBud delivers at this node what it copies on.
func TestBud(t *testing.T) {
	forModes(t, func(t *testing.T, p *paths) {
		bud := multipoint("m", 500, dataplane.Branch{Name: "east", NextHop: stackOn("east", 501)})
		bud.Bud = true
		// What is below comes out as an LSP of its own, so that it can be seen.
		apply(t, p.Driver, bud, swaps1("below", 600, stackOn("west", 601)))
		p.send(t, drivertest.West, word(500, 2, 64, false), word(600, 1, 9, true), payload)
		p.expect(t, drivertest.East, p.labelled(drivertest.East, true, word(501, 2, 63, false), word(600, 1, 9, true), payload))
		p.expect(t, drivertest.West, p.labelled(drivertest.West, true, word(601, 1, 8, true), payload))
	})
}

// TestPermanentBridge sends on both legs, and the receiving end takes the
// selected one.
func TestPermanentBridge(t *testing.T) {
	forModes(t, func(t *testing.T, p *paths) {
		objects := tunnel("t", 1001)
		g := objects[2].(dataplane.Group)
		g.Permanent = true
		objects[2] = g
		apply(t, p.Driver, objects...)
		apply(t, p.Driver, swaps1("a", 100, into("t", 101)))
		p.send(t, drivertest.East, word(100, 5, 64, true), payload)
		p.expect(t, drivertest.West, p.labelled(drivertest.West, true, word(1001, 5, 255, false), word(101, 5, 63, true), payload))
		p.expect(t, drivertest.East, p.labelled(drivertest.East, true, word(1002, 5, 255, false), word(101, 5, 63, true), payload))

		ends := func(name string, in uint32, leg uint8) dataplane.LSP {
			return dataplane.LSP{Name: name, Op: dataplane.PopAndLookup, InLabel: in, Selector: "t", SelectorLeg: leg}
		}
		apply(t, p.Driver, ends("from-w", 2001, 0), ends("from-p", 2002, 1), swaps1("client", 700, stackOn("west", 701)))
		both := func(leg uint32) {
			t.Helper()
			for i := range uint32(2) {
				p.send(t, drivertest.East, word(2001+i, 0, 64, false), word(700, i, 9, true), payload)
			}
			p.expect(t, drivertest.West, p.labelled(drivertest.West, true, word(701, leg, 8, true), payload))
			p.waitDrops(t, "not-selected", uint64(leg)+1)
		}
		both(0)
		if err := p.Switch(context.Background(), "t", 1); err != nil {
			t.Fatal(err)
		}
		both(1)
		if c := p.countersOf(t, dataplane.KindLSP, "from-w"); c.InDrops != 0 || c.In.Packets != 2 {
			t.Errorf("a leg that is not selected has errors: %+v", c)
		}
	})
}

// TestQueues sends by the tc program where a section has queues.
func TestSectionQueues(t *testing.T) {
	forModes(t, func(t *testing.T, p *paths) {
		east := p.lab.Port(drivertest.East)
		apply(t, p.Driver,
			dataplane.Section{Name: "east", Interface: east.Name, PeerMAC: east.Peer, Queues: dataplane.Queues{Enabled: true}},
			swaps1("a", 100, stackOn("east", 101)))
		p.send(t, drivertest.West, word(100, 5, 64, true), payload)
		p.expect(t, drivertest.East, p.labelled(drivertest.East, true, word(101, 5, 63, true), payload))
	})
}

// TestGroupsAdopted restarts: legs, branches and relays are as they were, and
// the other leg stays the active one.
func TestGroupsAdopted(t *testing.T) {
	p := newPaths(t, ModeGeneric)
	west, east := p.lab.Port(drivertest.West), p.lab.Port(drivertest.East)
	desired := append([]dataplane.Object{
		dataplane.Section{Name: "west", Interface: west.Name, PeerMAC: west.Peer},
		dataplane.Section{Name: "east", Interface: east.Name, PeerMAC: east.Peer},
	}, tunnel("t", 1001)...)
	bud := multipoint("m", 500, dataplane.Branch{Name: "east", NextHop: stackOn("east", 501)},
		dataplane.Branch{Name: "over", NextHop: into("t", 504)})
	bud.Bud = true
	permanent := dataplane.Group{Name: "both", Legs: []string{"both-w", "both-p"}, Permanent: true}
	desired = append(desired, bud, swaps1("a", 100, into("t", 101)), begins("both-w", stackOn("west", 1101)),
		begins("both-p", stackOn("east", 1102)), permanent, swaps1("c", 800, into("both", 801)))
	apply(t, p.Driver, desired...)
	if err := p.Switch(context.Background(), "t", 1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p.Close()
		p.lab.Do(t, func() { p.Driver = mustOpen(t, p.opt) })
		held, err := p.Dump(context.Background(), desired)
		if err != nil || len(held) != len(desired) {
			t.Fatalf("%d objects held of %d, %v: %v", len(held), len(desired), err, held)
		}
		for _, o := range desired {
			if !slices.ContainsFunc(held, o.Equal) {
				t.Errorf("not held: %v", o)
			}
		}
		if leg, err := p.ActiveLeg("t"); err != nil || leg != 1 {
			t.Errorf("active leg %d, %v", leg, err)
		}
		apply(t, p.Driver, desired...) // New processes put what they know: nothing changes.
	}
	p.send(t, drivertest.West, word(100, 0, 64, true), payload)
	p.send(t, drivertest.West, word(800, 0, 64, true), payload)
	p.expect(t, drivertest.East, p.labelled(drivertest.East, true, word(1002, 0, 255, false), word(101, 0, 63, true), payload),
		p.labelled(drivertest.East, true, word(1102, 0, 255, false), word(801, 0, 63, true), payload))
	p.expect(t, drivertest.West, p.labelled(drivertest.West, true, word(1101, 0, 255, false), word(801, 0, 63, true), payload))
	slices.Reverse(desired)
	for _, o := range desired {
		for _, err := range p.Apply(context.Background(), []dataplane.Op{{Verb: dataplane.Delete, Key: o.Key()}}) {
			t.Errorf("delete: %v", err)
		}
	}
	im, err := p.objs.read()
	if err != nil {
		t.Fatal(err)
	}
	if n := fmt.Sprint(len(im.lsps), len(im.branches), len(im.groups), len(im.relays), len(im.sections), len(im.labels)); n != "0 0 0 0 0 0" {
		t.Errorf("left behind: %s", n)
	}
}
