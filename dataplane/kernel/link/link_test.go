package link_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open returns a handle in the element of a new lab. The test needs root.
func open(t *testing.T) (*netlab.Lab, *link.Handle) {
	t.Helper()
	l := netlab.New(t)
	var h *link.Handle
	l.Do(t, func() {
		var err error
		if h, err = link.Open(); err != nil {
			t.Fatalf("Open: %v", err)
		}
	})
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return l, h
}

func TestLinks(t *testing.T) {
	l, h := open(t)
	port := l.Port(drivertest.West)
	got, err := h.ByName(port.Name)
	if err != nil || got.Name != port.Name || got.MAC != port.MAC || got.MTU != 1500 || !got.Up || !got.Carrier {
		t.Errorf("ByName: %+v, %v", got, err)
	}
	if again, err := h.ByIndex(got.Index); err != nil || again != got {
		t.Errorf("ByIndex: %+v, %v", again, err)
	}
	all, err := h.List()
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	found := false
	for _, x := range all {
		found = found || x == got
	}
	if !found {
		t.Errorf("List: %+v lacks %+v", all, got)
	}
	l.SetPort(t, drivertest.West, false)
	if got, err = h.ByName(port.Name); err != nil || got.Up || got.Carrier {
		t.Errorf("a port that is down: %+v, %v", got, err)
	}
	if err := h.SetUp(got.Index); err != nil {
		t.Errorf("SetUp: %v", err)
	}
	if got, err = h.ByName(port.Name); err != nil || !got.Up {
		t.Errorf("after SetUp: %+v, %v", got, err)
	}
	for _, on := range []bool{true, true, false, false} {
		if err := h.SetPromiscuous(got.Index, on); err != nil {
			t.Errorf("SetPromiscuous(%v): %v", on, err)
		}
		if got, err = h.ByName(port.Name); err != nil || got.Promiscuous != on {
			t.Errorf("after SetPromiscuous(%v): %+v, %v", on, got, err)
		}
	}
	for _, err := range []error{
		func() error { _, err := h.ByName("nowhere0"); return err }(),
		func() error { _, err := h.ByIndex(4242); return err }(),
	} {
		if !errors.Is(err, link.ErrNotFound) {
			t.Errorf("no such interface: %v", err)
		}
	}
	if err := h.SetUp(4242); err == nil {
		t.Error("SetUp of no interface succeeds")
	}
	if err := h.SetPromiscuous(4242, true); err == nil {
		t.Error("SetPromiscuous of no interface succeeds")
	}
}

func TestVeth(t *testing.T) {
	l, h := open(t)
	for range 2 {
		near, far, err := h.EnsureVeth("mtp0", "mtp0x")
		if err != nil || near.Name != "mtp0" || far.Name != "mtp0x" || near.Index == far.Index {
			t.Fatalf("EnsureVeth: %+v, %+v, %v", near, far, err)
		}
	}
	if _, _, err := h.EnsureVeth("lo", "lox"); err == nil {
		t.Error("lo passes for a veth")
	}
	for range 2 {
		if err := h.Delete("mtp0"); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	for _, name := range []string{"mtp0", "mtp0x"} {
		if _, err := h.ByName(name); !errors.Is(err, link.ErrNotFound) {
			t.Errorf("%s after Delete: %v", name, err)
		}
	}
	if _, err := h.ByName(l.Port(drivertest.West).Name); err != nil {
		t.Errorf("another interface: %v", err)
	}
}

func TestRoutes(t *testing.T) {
	_, h := open(t)
	d, _, err := h.EnsureVeth("mtp0", "mtp0x")
	if err != nil {
		t.Fatal(err)
	}
	v4, v6, hole := netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:100::/48"), netip.MustParsePrefix("203.0.113.0/24")
	want := map[netip.Prefix]link.Route{
		v4:   {Prefix: v4, Index: d.Index, MTU: 1480, Protocol: link.Protocol},
		v6:   {Prefix: v6, Index: d.Index, Protocol: link.Protocol},
		hole: {Prefix: hole, Blackhole: true, Protocol: link.Protocol},
	}
	check := func() {
		t.Helper()
		rs, err := h.ListRoutes(link.Protocol)
		if err != nil || len(rs) != len(want) {
			t.Fatalf("ListRoutes: %v, %v", rs, err)
		}
		for _, r := range rs {
			if r != want[r.Prefix] {
				t.Errorf("route %+v, want %+v", r, want[r.Prefix])
			}
		}
	}
	for range 2 {
		for _, r := range want {
			if err := h.ReplaceRoute(r); err != nil {
				t.Fatalf("ReplaceRoute %v: %v", r.Prefix, err)
			}
		}
		check()
	}
	changed := want[v4]
	changed.MTU = 1400
	want[v4] = changed
	errs := h.ReplaceRoutes([]link.Route{changed, {Prefix: netip.MustParsePrefix("192.0.2.128/25"), Index: 4242}, {}})
	if errs[0] != nil || errs[1] == nil || errs[2] == nil {
		t.Errorf("ReplaceRoutes: %v", errs)
	}
	check()
	delete(want, v6)
	for range 2 {
		if err := h.DeleteRoute(v6); err != nil {
			t.Errorf("DeleteRoute: %v", err)
		}
	}
	check()
	if errs := h.DeleteRoutes([]netip.Prefix{v4, hole}); errs[0] != nil || errs[1] != nil {
		t.Errorf("DeleteRoutes: %v", errs)
	}
	clear(want)
	check()
}

func TestNeighbours(t *testing.T) {
	l, h := open(t)
	west, err := h.ByName(l.Port(drivertest.West).Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"169.254.144.1", "fe80::1"} {
		ip := netip.MustParseAddr(a)
		for _, mac := range []dataplane.MAC{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}} {
			if err := h.SetNeighbour(west.Index, ip, mac); err != nil {
				t.Fatalf("SetNeighbour: %v", err)
			}
			if got, err := h.NeighboursOf(ip); err != nil || len(got) != 1 || got[west.Index] != mac {
				t.Errorf("NeighboursOf %s: %v, %v", a, got, err)
			}
		}
		for range 2 {
			if err := h.DeleteNeighbour(west.Index, ip); err != nil {
				t.Errorf("DeleteNeighbour: %v", err)
			}
		}
		if got, err := h.NeighboursOf(ip); err != nil || len(got) != 0 {
			t.Errorf("NeighboursOf %s after delete: %v, %v", a, got, err)
		}
	}
}

func TestSubscribe(t *testing.T) {
	l, h := open(t)
	s, err := h.Subscribe()
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	wait := func(what string, want func(link.Event) bool) {
		t.Helper()
		timeout := time.NewTimer(10 * time.Second)
		defer timeout.Stop()
		for {
			select {
			case e := <-s.Events():
				if want(e) {
					return
				}
			case <-timeout.C:
				t.Fatalf("no event: %s", what)
			}
		}
	}
	west := l.Port(drivertest.West).Name
	l.SetPort(t, drivertest.West, false)
	wait("link down", func(e link.Event) bool { return e.Kind == link.LinkNew && e.Link.Name == west && !e.Link.Up })
	l.SetPort(t, drivertest.West, true)
	wait("link up", func(e link.Event) bool { return e.Kind == link.LinkNew && e.Link.Name == west && e.Link.Carrier })
	l.RemovePort(t, drivertest.West)
	wait("link gone", func(e link.Event) bool { return e.Kind == link.LinkGone && e.Link.Name == west })
	d, _, err := h.EnsureVeth("mtp0", "mtp0x")
	if err != nil {
		t.Fatal(err)
	}
	// What somebody else does to routes is told; what the handle does is not.
	var other *link.Handle
	l.Do(t, func() { other, err = link.Open() })
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	own, p := netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("198.51.100.0/24")
	if err := h.ReplaceRoute(link.Route{Prefix: own, Index: d.Index}); err != nil {
		t.Fatal(err)
	}
	if err := other.ReplaceRoute(link.Route{Prefix: p, Index: d.Index}); err != nil {
		t.Fatal(err)
	}
	told := func(kind link.EventKind) func(link.Event) bool {
		return func(e link.Event) bool {
			if e.Route.Prefix == own {
				t.Errorf("the handle's own change is told: %+v", e.Route)
			}
			return e.Kind == kind && e.Route.Prefix == p && !e.Own
		}
	}
	wait("route put", told(link.RouteNew))
	if err := h.DeleteRoute(own); err != nil {
		t.Fatal(err)
	}
	if err := other.DeleteRoute(p); err != nil {
		t.Fatal(err)
	}
	wait("route deleted", told(link.RouteGone))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	for range s.Events() {
		continue
	}
}

// TestBatchErrors sends a batch of several sends with bad routes in between:
// each error belongs to its route, and the others are put.
func TestBatchErrors(t *testing.T) {
	_, h := open(t)
	d, _, err := h.EnsureVeth("mtp0", "mtp0x")
	if err != nil {
		t.Fatal(err)
	}
	const n = 1500
	rs := make([]link.Route, n)
	for i := range rs {
		rs[i] = link.Route{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24), Index: d.Index}
		switch i % 7 {
		case 3:
			rs[i].Index = 4242 // The kernel refuses it.
		case 5:
			rs[i].Prefix = netip.Prefix{} // We cannot write it.
		}
	}
	good := 0
	for i, err := range h.ReplaceRoutes(rs) {
		if bad := i%7 == 3 || i%7 == 5; bad != (err != nil) {
			t.Errorf("route %d: %v", i, err)
		}
		if err == nil {
			good++
		}
	}
	got, err := h.ListRoutes(link.Protocol)
	if err != nil || len(got) != good {
		t.Errorf("%d routes, %v; want %d", len(got), err, good)
	}
}
