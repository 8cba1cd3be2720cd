//go:build vm

package kernel_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// newChainRig is a driver with chains in a lab.
func newChainRig(t testing.TB) rig {
	t.Helper()
	r := rig{Lab: netlab.New(t)}
	r.Driver = r.open(t)
	t.Cleanup(func() {
		if err := r.Driver.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return r
}

func (r rig) open(t testing.TB) (d dataplane.Driver) {
	t.Helper()
	r.Do(t, func() {
		k, err := kernel.Open(kernel.Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		d = k
	})
	return d
}

// tc runs iproute2 in the element.
func (r rig) tc(t testing.TB, args string) string {
	t.Helper()
	var out []byte
	r.Do(t, func() {
		var err error
		if out, err = exec.Command("tc", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("tc %s: %v: %s", args, err, out)
		}
	})
	return string(out)
}

// frame is an MPLS frame to or from a port.
func frame(dst, src dataplane.MAC, lses ...uint32) []byte {
	f := append(append([]byte(nil), dst[:]...), src[:]...)
	f = append(f, 0x88, 0x47)
	for i, l := range lses {
		if i == len(lses)-1 {
			l |= 1 << 8
		}
		f = append(f, byte(l>>24), byte(l>>16), byte(l>>8), byte(l))
	}
	return append(f, "a payload that is neither IP nor a control word"...)
}

func lse(label, tc, ttl uint32) uint32 { return label<<12 | tc<<9 | ttl }

func (r rig) in(lses ...uint32) []byte {
	p := r.Port(drivertest.West)
	return frame(p.MAC, p.Peer, lses...)
}

func (r rig) out(id drivertest.PortID, lses ...uint32) []byte {
	p := r.Port(id)
	return frame(p.Peer, p.MAC, lses...)
}

// expect sends a frame into West and expects one frame out of a port, or none.
func (r rig) expect(t *testing.T, send []byte, id drivertest.PortID, want []byte) {
	t.Helper()
	r.Send(t, drivertest.West, send)
	r.comes(t, id, want)
}

func (r rig) comes(t *testing.T, id drivertest.PortID, want []byte) {
	t.Helper()
	patience := 10 * time.Second
	if want == nil {
		patience = 30 * time.Millisecond
	}
	for end := time.Now().Add(patience); ; {
		got := r.Receive(t, id, max(time.Until(end), 0))
		if got != nil && (len(got) < 14 || got[12] != 0x88 || got[13] != 0x47) {
			continue // Neighbour discovery and the like.
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("port %d:\n got %x\nwant %x", id, got, want)
		}
		return
	}
}

func (r rig) counters(t testing.TB, k dataplane.Key) dataplane.Counters {
	t.Helper()
	c, err := r.Counters(t.Context(), []dataplane.Key{k}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c[0]
}

// tunnel is a group of two legs, one east and one back west.
func tunnel() []dataplane.Object {
	working, protecting := swap("working", 0, "east", 501), swap("protecting", 0, "west", 502)
	working.Op, protecting.Op = dataplane.ImposeAndForward, dataplane.ImposeAndForward
	return []dataplane.Object{working, protecting, dataplane.Group{Name: "tunnel", Legs: []string{"working", "protecting"}}}
}

// TestGroups: members follow a switch at once, keep their counters, and a new
// process finds the active leg again.
func TestGroups(t *testing.T) {
	r := newChainRig(t)
	member := dataplane.LSP{
		Name: "member", Op: dataplane.SwapAndForward, InLabel: 100,
		Out: dataplane.NextHop{Group: "tunnel", Stack: []dataplane.LabelEntry{{Label: 200}}},
	}
	desired := append(r.sections(), append(tunnel(), member)...)
	r.put(t, desired...)
	r.expect(t, r.in(lse(100, 5, 64)), drivertest.East, r.out(drivertest.East, lse(501, 5, 255), lse(200, 5, 63)))
	if err := r.Switch(t.Context(), "tunnel", 1); err != nil {
		t.Fatal(err)
	}
	r.expect(t, r.in(lse(100, 5, 64)), drivertest.West, r.out(drivertest.West, lse(502, 5, 255), lse(200, 5, 63)))
	n := uint64(len(r.in(lse(100, 0, 1))) - 14)
	for k, want := range map[dataplane.Key]dataplane.Counters{
		member.Key(): {In: dataplane.Counter{Packets: 2, Octets: 2 * n}, Out: dataplane.Counter{Packets: 2, Octets: 2 * n}},
		{Kind: dataplane.KindGroup, Name: "tunnel"}:   {In: dataplane.Counter{Packets: 2, Octets: 2 * n}},
		{Kind: dataplane.KindLSP, Name: "working"}:    {In: dataplane.Counter{Packets: 1, Octets: n}, Out: dataplane.Counter{Packets: 1, Octets: n + 4}},
		{Kind: dataplane.KindLSP, Name: "protecting"}: {In: dataplane.Counter{Packets: 1, Octets: n}, Out: dataplane.Counter{Packets: 1, Octets: n + 4}},
	} {
		got := r.counters(t, k)
		if got.In != want.In || k.Kind == dataplane.KindLSP && got.Out != want.Out || got.InDrops != 0 {
			t.Errorf("%s: got %+v, want %+v", k, got, want)
		}
	}
	if err := r.Switch(t.Context(), "tunnel", 2); err == nil {
		t.Error("Switch to a leg that is not there succeeds")
	}
	if err := r.Switch(t.Context(), "nobody", 0); err == nil {
		t.Error("Switch of a group that is not there succeeds")
	}
	d := r.open(t)
	defer d.Close()
	got, err := d.Dump(t.Context(), desired)
	if err != nil {
		t.Fatal(err)
	}
	if ops := plan.Full(got, desired); len(ops) != 0 {
		t.Errorf("to do after a restart:\n%s", plan.Print(ops))
	}
	if leg, err := d.ActiveLeg("tunnel"); err != nil || leg != 1 {
		t.Errorf("active leg after a restart: %d, %v", leg, err)
	}
}

// TestSwitchLoss switches a group while packets pass: none is missing.
func TestSwitchLoss(t *testing.T) {
	r := newChainRig(t)
	member := dataplane.LSP{
		Name: "member", Op: dataplane.SwapAndForward, InLabel: 100,
		Out: dataplane.NextHop{Group: "tunnel", Stack: []dataplane.LabelEntry{{Label: 200}}},
	}
	legs := tunnel()
	back := legs[1].(dataplane.LSP)
	back.Out.Section = "east"
	legs[1] = back
	r.put(t, append(r.sections(), append(legs, member)...)...)
	const packets, burst = 2000, 20
	send := r.in(lse(100, 0, 64))
	got := 0
	for i := range packets {
		r.Send(t, drivertest.West, send)
		if i%burst == burst-1 {
			if err := r.Switch(t.Context(), "tunnel", uint8(i/burst%2)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for got < packets {
		f := r.Receive(t, drivertest.East, 5*time.Second)
		if f == nil {
			break
		}
		if bytes.Equal(f[12:14], []byte{0x88, 0x47}) {
			got++
		}
	}
	if got != packets {
		drops, err := r.Driver.(*kernel.Driver).DropCounters()
		t.Errorf("%d of %d packets arrived; drops %v, %v", got, packets, drops, err)
	}
	if c := r.counters(t, member.Key()); c.In.Packets != packets || c.Out.Packets != packets {
		t.Errorf("counted over %d switches: %+v", packets/burst, c)
	}
}

// TestP2MP: a copy on each branch and one for this node, each with its labels.
func TestP2MP(t *testing.T) {
	r := newChainRig(t)
	branch := func(name, section string, labels ...uint32) dataplane.Branch {
		return dataplane.Branch{Name: name, NextHop: swap("", 0, section, labels...).Out}
	}
	tree := dataplane.LSP{
		Name: "tree", Op: dataplane.SwapAndForward, InLabel: 100, Bud: true,
		Branches: []dataplane.Branch{branch("a", "east", 300, 200), branch("b", "west", 201)},
	}
	inner := swap("inner", 777, "east", 778)
	r.put(t, append(r.sections(), tree, inner)...)
	r.Send(t, drivertest.West, r.in(lse(100, 3, 64), lse(777, 1, 9)))
	r.comes(t, drivertest.West, r.out(drivertest.West, lse(201, 3, 63), lse(777, 1, 9)))
	want := [][]byte{
		r.out(drivertest.East, lse(778, 1, 8)),
		r.out(drivertest.East, lse(300, 3, 255), lse(200, 3, 63), lse(777, 1, 9)),
	}
	for range want {
		f := r.Receive(t, drivertest.East, 10*time.Second)
		for f != nil && !bytes.Equal(f[12:14], []byte{0x88, 0x47}) {
			f = r.Receive(t, drivertest.East, 10*time.Second) // Neighbour discovery.
		}
		i := -1
		for j, w := range want {
			if bytes.Equal(f, w) {
				i = j
			}
		}
		if i < 0 {
			t.Fatalf("east: %x", f)
		}
		want[i] = nil
	}
	n := uint64(len(r.in(lse(1, 0, 0), lse(2, 0, 0))) - 14)
	if c := r.counters(t, tree.Key()); c.In.Octets != n || c.Out.Packets != 2 || c.Out.Octets != 2*n+4 {
		t.Errorf("counters of the tree: %+v for %d octets", c, n)
	}
	// A branch that goes leaves the other alone.
	tree.Branches, tree.Bud = tree.Branches[1:], false
	r.put(t, tree)
	r.expect(t, r.in(lse(100, 3, 64), lse(777, 1, 9)), drivertest.West, r.out(drivertest.West, lse(201, 3, 63), lse(777, 1, 9)))
	r.comes(t, drivertest.East, nil)
	big := tree
	for i := range 20 {
		big.Branches = append(big.Branches, branch(fmt.Sprint("x", i), "east", 1000+uint32(i)))
	}
	if err := r.Prepare(t.Context(), plan.Full(nil, []dataplane.Object{big})); err == nil {
		t.Error("21 branches are not refused")
	}
}

// TestBlocked: user packets of a blocked LSP are dropped and counted, its
// G-ACh goes on.
func TestBlocked(t *testing.T) {
	r := newChainRig(t)
	l := swap("x", 100, "east", 200)
	l.Blocked = true
	r.put(t, append(r.sections(), l)...)
	r.expect(t, r.in(lse(100, 0, 64)), drivertest.East, nil)
	r.expect(t, r.in(lse(100, 0, 64), lse(13, 0, 1)), drivertest.East, r.out(drivertest.East, lse(200, 0, 63), lse(13, 0, 1)))
	if c := r.counters(t, l.Key()); c.In.Packets != 2 || c.InDrops != 1 || c.Out.Packets != 1 {
		t.Errorf("counters: %+v", c)
	}
	drops, err := r.Driver.(*kernel.Driver).DropCounters()
	if err != nil || drops["blocked"] != 1 {
		t.Errorf("drops: %v, %v", drops, err)
	}
	l.Blocked = false
	r.put(t, l)
	r.expect(t, r.in(lse(100, 0, 64)), drivertest.East, r.out(drivertest.East, lse(200, 0, 63)))
}

// TestChainReferee lets iproute2 read what the driver wrote.
func TestChainReferee(t *testing.T) {
	r := newChainRig(t)
	r.put(t, append(r.sections(), swap("a", 100, "east", 200), impose("imp", "east", 300, "198.51.100.0/24"))...)
	got := strings.Join(strings.Fields(r.tc(t, fmt.Sprintf("-s filter show block %d chain 16", chain.Ingress))), " ")
	for _, want := range []string{
		"filter protocol mpls_uc pref 32 flower handle 0xc81 eth_type 8847 mpls_label 100",
		"mpls dec_ttl pipe", "mpls modify label 200 pipe", "Egress Redirect to device east0",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("tc filter show lacks %q:\n%s", want, got)
		}
	}
	got = r.ip(t, "-4", "route", "show", "proto", "201")
	if want := "198.51.100.0/24 encap mpls 16 ttl 255 via 169.254.144.1 dev mtk0 metric 5 onlink mtu 1496"; strings.Join(strings.Fields(got), " ") != want {
		t.Errorf("ip route: %s", got)
	}
}

// TestForeignIngress: an interface whose ingress somebody else has is refused
// and left as it is; so is a filter of somebody else in our block.
func TestForeignIngress(t *testing.T) {
	r := newChainRig(t)
	r.tc(t, "qdisc add dev east0 clsact")
	failed := r.Apply(t.Context(), plan.Full(nil, r.sections()))
	if len(failed) != 1 || failed[0].Key.Name != "east" || !strings.Contains(failed[0].Reason, "not Tandem's") {
		t.Fatalf("Apply: %v", failed)
	}
	if got := r.tc(t, "qdisc show dev east0"); !strings.Contains(got, "clsact") || strings.Contains(got, "block") {
		t.Errorf("the foreign queueing discipline: %s", got)
	}
	r.tc(t, "qdisc del dev east0 clsact")
	r.put(t, r.sections()...)
	r.tc(t, fmt.Sprintf("filter add block %d chain 16 protocol mpls_uc pref 32 handle %#x flower mpls lse depth 1 label 100 action drop", chain.Ingress, 100<<5+1))
	a := swap("a", 100, "east", 200)
	r.eventually(t, "the foreign filter is in the way", func() bool {
		failed := r.Apply(t.Context(), plan.Full(nil, []dataplane.Object{a}))
		return len(failed) == 1 && strings.Contains(failed[0].Reason, "not Tandem's") && failed[0].Retry
	})
	r.tc(t, fmt.Sprintf("filter del block %d chain 16 protocol mpls_uc pref 32 handle %#x flower", chain.Ingress, 100<<5+1))
	r.eventually(t, "the place is free", func() bool {
		return len(r.Apply(t.Context(), plan.Full(nil, []dataplane.Object{a}))) == 0
	})
	r.expect(t, r.in(lse(100, 0, 64)), drivertest.East, r.out(drivertest.East, lse(200, 0, 63)))
}

// TestChainDrift: what is deleted behind our back is told with its owner.
func TestChainDrift(t *testing.T) {
	r := newChainRig(t)
	a, imp := swap("a", 100, "east", 200), impose("imp", "east", 300, "198.51.100.0/24")
	desired := append(r.sections(), a, imp)
	r.put(t, desired...)
	east := dataplane.Key{Kind: dataplane.KindSection, Name: "east"}
	for _, c := range []struct {
		name string
		do   func()
		key  dataplane.Key
	}{
		{"filter deleted", func() {
			r.tc(t, fmt.Sprintf("filter del block %d chain 16 protocol mpls_uc pref 32 handle 0xc81 flower", chain.Ingress))
		}, a.Key()},
		{"chain emptied", func() { r.tc(t, fmt.Sprintf("filter del block %d chain 16", chain.Ingress)) }, dataplane.Key{}},
		{"queueing discipline deleted", func() { r.tc(t, "qdisc del dev east0 clsact") }, east},
		{"route deleted", func() { r.ip(t, "-4", "route", "del", "198.51.100.0/24", "proto", "201") }, imp.Key()},
		{"device deleted", func() { r.ip(t, "link", "del", chain.Device) }, dataplane.Key{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.do()
			r.event(t, isDrift(c.key))
			got, err := r.Dump(t.Context(), desired)
			if err != nil {
				t.Fatal(err)
			}
			ops := plan.Full(got, desired)
			for _, err := range r.Apply(t.Context(), ops) {
				t.Fatalf("Apply: %v (%v)", err, err.Err)
			}
			if got, err = r.Dump(t.Context(), desired); err != nil || len(plan.Full(got, desired)) != 0 {
				t.Errorf("to do after the repair: %v\n%s", err, plan.Print(plan.Full(got, desired)))
			}
			r.expect(t, r.in(lse(100, 0, 64)), drivertest.East, r.out(drivertest.East, lse(200, 0, 63)))
		})
	}
}
