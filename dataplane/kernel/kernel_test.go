package kernel

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

func TestPresent(t *testing.T) {
	if err := present("mpls_router", func() bool { return true }); err != nil {
		t.Errorf("a module that is there: %v", err)
	}
	const module = "tandem_test_no_such_module"
	err := present(module, func() bool { return false })
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), module) {
		t.Errorf("a module that is nowhere: %v", err)
	}
}

func TestLinkEvents(t *testing.T) {
	up := link.Link{Index: 3, Name: "eth0", MAC: dataplane.MAC{2}, MTU: 1500, Up: true, Carrier: true}
	change := func(f func(*link.Link)) link.Link { l := up; f(&l); return l }
	for _, c := range []struct {
		name   string
		old    link.Link
		was    bool
		now    link.Link
		want   dataplane.EventKind // 0: none.
		ifaces []string
	}{
		{"new", link.Link{}, false, up, dataplane.LinkChanged, []string{"eth0"}},
		{"the same again", up, true, up, 0, nil},
		{"another MTU", up, true, change(func(l *link.Link) { l.MTU = 9000 }), 0, nil},
		{"renamed", up, true, change(func(l *link.Link) { l.Name = "eth9" }), dataplane.LinkChanged, []string{"eth0", "eth9"}},
		{"another address", up, true, change(func(l *link.Link) { l.MAC[5] = 1 }), dataplane.LinkChanged, []string{"eth0"}},
		{"carrier lost", up, true, change(func(l *link.Link) { l.Carrier = false }), dataplane.LinkDown, []string{"eth0"}},
		{"set down", up, true, change(func(l *link.Link) { l.Up, l.Carrier = false, false }), dataplane.LinkDown, []string{"eth0"}},
		{"carrier back", change(func(l *link.Link) { l.Carrier = false }), true, up, dataplane.LinkUp, []string{"eth0"}},
	} {
		var got []string
		for _, e := range linkEvents(c.old, c.was, c.now) {
			if e.Kind != c.want {
				t.Errorf("%s: event %v", c.name, e.Kind)
			}
			got = append(got, e.Interface)
		}
		if !slices.Equal(got, c.ifaces) {
			t.Errorf("%s: events of %v, want %v", c.name, got, c.ifaces)
		}
	}
}

func TestDrift(t *testing.T) {
	prefix := netip.MustParsePrefix("198.51.100.0/24")
	ours := dataplane.Key{Kind: dataplane.KindLSP, Name: "a"}
	clients := dataplane.Key{Kind: dataplane.KindLSP, Name: "imp"}
	route := func(label uint32, protocol uint8) mplsnl.Route { return mplsnl.Route{Label: label, Protocol: protocol} }
	ip := func(protocol uint8, metric uint32, p netip.Prefix) mplsnl.IPRoute {
		return mplsnl.IPRoute{Prefix: p, Protocol: protocol, Metric: metric}
	}
	other := netip.MustParsePrefix("203.0.113.0/24")
	for _, c := range []struct {
		name  string
		event link.Event
		want  []dataplane.Key // Of Drift events; the zero key asks for an audit.
	}{
		{"our label deleted", link.Event{Kind: link.MPLSGone, MPLS: route(100, 201)}, []dataplane.Key{ours}},
		{"our label taken", link.Event{Kind: link.MPLSNew, MPLS: route(100, 4)}, []dataplane.Key{ours}},
		{"by ourselves", link.Event{Kind: link.MPLSGone, Own: true, MPLS: route(100, 201)}, nil},
		{"a foreign label", link.Event{Kind: link.MPLSNew, MPLS: route(500, 4)}, nil},
		{"a label with our protocol", link.Event{Kind: link.MPLSNew, MPLS: route(500, 201)}, []dataplane.Key{{}}},
		{"a label of nobody goes", link.Event{Kind: link.MPLSGone, MPLS: route(500, 201)}, nil},
		{"our prefix deleted", link.Event{Kind: link.RouteGone, IP: ip(201, 5, prefix)}, []dataplane.Key{clients}},
		{"our prefix by ourselves", link.Event{Kind: link.RouteGone, Own: true, IP: ip(201, 5, prefix)}, nil},
		{"our prefix of another metric", link.Event{Kind: link.RouteNew, IP: ip(201, 7, prefix)}, nil},
		{"our prefix of another protocol", link.Event{Kind: link.RouteNew, IP: ip(4, 5, prefix)}, nil},
		{"a prefix with our protocol", link.Event{Kind: link.RouteNew, IP: ip(201, 5, other)}, []dataplane.Key{{}}},
		{"messages lost", link.Event{Kind: link.Overflow}, []dataplane.Key{{}}},
	} {
		d := &Driver{model: newModel(0)}
		d.model.insert(dataplane.LSP{Name: "a", Op: dataplane.SwapAndForward, InLabel: 100, Out: dataplane.NextHop{Section: "s"}})
		d.model.insert(dataplane.LSP{Name: "imp", Op: dataplane.ImposeAndForward, Prefixes: []netip.Prefix{prefix}, Out: dataplane.NextHop{Section: "s"}})
		var got []dataplane.Key
		for _, e := range d.translate(c.event, map[int]link.Link{}) {
			if e.Kind != dataplane.Drift {
				t.Errorf("%s: event %v", c.name, e.Kind)
			}
			got = append(got, e.Key)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// TestModel: labels and prefixes have one owner, whatever comes in which
// order.
func TestModel(t *testing.T) {
	m := newModel(0)
	l := func(name string, label uint32) dataplane.LSP {
		return dataplane.LSP{Name: name, Op: dataplane.SwapAndForward, InLabel: label, Out: dataplane.NextHop{Section: "s"}}
	}
	m.insert(l("a", 100))
	m.insert(l("b", 100))
	if _, ok := m.lsps["a"]; ok || m.labels[100] != "b" {
		t.Errorf("after b took the label: %v, %v", m.lsps, m.labels)
	}
	m.remove("a")
	if m.labels[100] != "b" {
		t.Error("removing a took the label of b")
	}
	m.remove("b")
	if len(m.lsps)+len(m.labels)+len(m.users) != 0 {
		t.Errorf("left over: %+v", m)
	}
	m.seen(mplsnl.Route{Label: 7, Protocol: 4})
	m.seen(mplsnl.Route{Label: 7, Protocol: link.Protocol})
	if _, foreign := m.foreign[7]; foreign {
		t.Error("a label of ours is foreign")
	}
	m.seen(mplsnl.Route{Label: 7, Protocol: 4})
	if _, ours := m.routes[7]; ours || m.foreign[7] != 4 {
		t.Error("a foreign label is ours")
	}
}

// TestCheckClient: bursts that the kernel's buckets hold.
func TestCheckClient(t *testing.T) {
	for _, c := range []struct {
		profile dataplane.Profile
		refused bool
	}{
		{dataplane.Profile{CIR: 1e6, CBS: 10000}, false},
		{dataplane.Profile{CIR: 8, CBS: 273}, false},
		{dataplane.Profile{CIR: 8, CBS: 300}, true},
		{dataplane.Profile{CIR: 1e6, CBS: 10000, EIR: 1e3, EBS: 1 << 30}, true},
		{dataplane.Profile{EIR: 1e12, EBS: 1 << 30}, false},
	} {
		err := checkClient(dataplane.Service{Name: "s", Profile: &c.profile})
		if (err != nil) != c.refused || err != nil && !strings.Contains(err.Error(), string(dataplane.FeaturePolicing)) {
			t.Errorf("%+v: %v", c.profile, err)
		}
	}
}
