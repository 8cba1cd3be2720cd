package oper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// counters is a provider that sets packets of each instance, and records what
// it was asked.
type counters struct {
	asked []string
	err   error
}

func (c *counters) Read(_ context.Context, req Request) error {
	for _, p := range req.Instances {
		c.asked = append(c.asked, strings.TrimPrefix(p.String(), "/ne:ne"))
		root := p[len(p)-1].Node
		for i, name := range []string{"packets", "octets", "now", "oper-state"} {
			if leaf := root.Child(name); leaf != nil {
				req.Build.Set(p.Child(leaf), schema.MustParse(leaf.Type, fmt.Sprint(i+1)))
			}
		}
	}
	return c.err
}

// sessions provides a list of state that only it knows.
type sessions struct{ filters []*tree.Filter }

func (s *sessions) Read(_ context.Context, req Request) error {
	s.filters = append(s.filters, req.Filter)
	list := req.Instances[0]
	node := list[len(list)-1].Node
	for i := range 3 {
		entry := list[:len(list)-1].Child(node, schema.MustParse(node.Keys[0].Type, fmt.Sprint(i)))
		req.Build.Set(entry.Child(node.Child("state")), schema.MustParse(node.Child("state").Type, "up"))
	}
	return nil
}

// leafs prints the leafs of a tree that are no keys.
func leafs(n *tree.Node) []string {
	var list []string
	tree.Walk(n, nil, func(p tree.Path, n *tree.Node) bool {
		if n.Schema().Kind == schema.Leaf && !n.Schema().IsKey() {
			list = append(list, strings.TrimPrefix(p.String(), "/ne:ne")+"="+n.Value().String())
		}
		return true
	})
	return list
}

func (r *rig) filter(path string) *tree.Filter {
	return tree.FilterOf(r.schema.Root(), r.path(path))
}

func TestView(t *testing.T) {
	r := newRig(t)
	stats, clock, table := &counters{}, &counters{}, &sessions{}
	for path, p := range map[string]Provider{"/ne:ne/lsp/statistics": stats, "/ne:ne/clock": clock, "/ne:ne/sessions/session": table} {
		if err := r.hub.Provide(path, p); err != nil {
			t.Fatal(err)
		}
	}
	r.commit("/lsp[name='a']/label=1", "/lsp[name='b']/label=2", "/name=x")
	r.publish("/lsp[name='a']/oper-state=up", "/lsp[name='c']/oper-state=down", "/clock/offset=5")
	f := func(node string, children ...*tree.Filter) *tree.Filter {
		n, err := r.schema.Find("/ne:ne" + node)
		if err != nil {
			t.Fatal(err)
		}
		return &tree.Filter{Node: n, Children: children}
	}
	top := func(children ...*tree.Filter) *tree.Filter {
		return &tree.Filter{Node: r.schema.Root(), Children: []*tree.Filter{f("", children...)}}
	}
	match := func(f *tree.Filter, leaf, value string) *tree.Filter {
		l := f.Node.Child(leaf)
		f.Content = append(f.Content, tree.Match{Leaf: l, Value: schema.MustParse(l.Type, value)})
		return f
	}
	tests := []struct {
		name   string
		filter *tree.Filter
		want   []string
		stats  []string // instances that the statistics were asked for
		clock  int
		table  int
	}{
		{"everything", nil, []string{
			"/name=x", "/lsp[name='a']/label=1", "/lsp[name='a']/oper-state=up",
			"/lsp[name='a']/statistics/packets=1", "/lsp[name='a']/statistics/octets=2",
			"/lsp[name='b']/label=2", "/lsp[name='b']/statistics/packets=1", "/lsp[name='b']/statistics/octets=2",
			"/lsp[name='c']/oper-state=down", "/lsp[name='c']/statistics/packets=1", "/lsp[name='c']/statistics/octets=2",
			"/sessions/session[id='0']/state=up", "/sessions/session[id='1']/state=up", "/sessions/session[id='2']/state=up",
			"/clock/now=3", "/clock/offset=5",
		}, []string{"/lsp[name='a']/statistics", "/lsp[name='b']/statistics", "/lsp[name='c']/statistics"}, 1, 1},
		{"configuration only", r.filter("/lsp/label"), []string{"/lsp[name='a']/label=1", "/lsp[name='b']/label=2"}, nil, 0, 0},
		{"one counter", r.filter("/lsp[name='b']/statistics/octets"), []string{"/lsp[name='b']/statistics/octets=2"}, []string{"/lsp[name='b']/statistics"}, 0, 0},
		{"one entry", r.filter("/lsp[name='a']"), []string{
			"/lsp[name='a']/label=1", "/lsp[name='a']/oper-state=up", "/lsp[name='a']/statistics/packets=1", "/lsp[name='a']/statistics/octets=2",
		}, []string{"/lsp[name='a']/statistics"}, 0, 0},
		{"an entry that is not there", r.filter("/lsp[name='z']/statistics"), nil, nil, 0, 0},
		{"pushed beside pulled", r.filter("/clock/offset"), []string{"/clock/offset=5"}, nil, 1, 0},
		{"one entry of a provider's list", r.filter("/sessions/session[id='1']"), []string{"/sessions/session[id='1']/state=up"}, nil, 0, 1},
		{"two entries", top(
			&tree.Filter{Node: f("/lsp").Node, Keys: map[int]schema.Value{0: schema.MustParse(f("/lsp/name").Node.Type, "a")}, Children: []*tree.Filter{f("/lsp/statistics", f("/lsp/statistics/packets"))}},
			&tree.Filter{Node: f("/lsp").Node, Keys: map[int]schema.Value{0: schema.MustParse(f("/lsp/name").Node.Type, "b")}, Children: []*tree.Filter{f("/lsp/oper-state"), f("/lsp/label")}},
		), []string{"/lsp[name='a']/statistics/packets=1", "/lsp[name='b']/label=2"}, []string{"/lsp[name='a']/statistics"}, 0, 0},
		{"a condition on configuration selects state", top(match(f("/lsp", f("/lsp/oper-state")), "label", "1")), []string{
			"/lsp[name='a']/label=1", "/lsp[name='a']/oper-state=up",
		}, nil, 0, 0},
		{"a condition on state selects configuration", top(match(f("/lsp", f("/lsp/label"), f("/lsp/oper-state")), "oper-state", "up")), []string{
			"/lsp[name='a']/label=1", "/lsp[name='a']/oper-state=up",
		}, nil, 0, 0},
		{"a condition on a key", top(match(f("/lsp", f("/lsp/statistics")), "name", "b")), []string{
			"/lsp[name='b']/statistics/packets=1", "/lsp[name='b']/statistics/octets=2",
		}, []string{"/lsp[name='b']/statistics"}, 0, 0},
		{"a condition alone", top(match(f("/lsp"), "label", "2")), []string{
			"/lsp[name='b']/label=2", "/lsp[name='b']/statistics/packets=1", "/lsp[name='b']/statistics/octets=2",
		}, []string{"/lsp[name='a']/statistics", "/lsp[name='b']/statistics", "/lsp[name='c']/statistics"}, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stats.asked, clock.asked, table.filters = nil, nil, nil
			n, err := r.hub.View(context.Background(), r.running, test.filter)
			if err != nil {
				t.Fatal(err)
			}
			got, want := leafs(n), slices.Clone(test.want)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("view holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if !slices.Equal(stats.asked, test.stats) || len(clock.asked) != test.clock || len(table.filters) != test.table {
				t.Errorf("asked %q, clock %d, sessions %d; want %q, %d, %d", stats.asked, len(clock.asked), len(table.filters), test.stats, test.clock, test.table)
			}
		})
	}
}

func TestViewOfAProvidedConfigurationList(t *testing.T) {
	r := newRig(t)
	p := &counters{}
	if err := r.hub.Provide("/ne:ne/lsp", p); err != nil {
		t.Fatal(err)
	}
	r.commit("/lsp[name='a']/label=1", "/lsp[name='b']/label=2")
	n, err := r.hub.View(context.Background(), r.running, r.filter("/lsp[name='b']/oper-state"))
	if err != nil {
		t.Fatal(err)
	}
	if got := leafs(n); !slices.Equal(got, []string{"/lsp[name='b']/oper-state=4"}) || !slices.Equal(p.asked, []string{"/lsp[name='b']"}) {
		t.Errorf("view %q, asked %q", got, p.asked)
	}
}

func TestViewFails(t *testing.T) {
	r := newRig(t)
	broken := errors.New("no reply from the driver")
	if err := r.hub.Provide("/ne:ne/clock", &counters{err: broken}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.hub.View(context.Background(), r.running, nil); !errors.Is(err, broken) || !strings.Contains(err.Error(), "/ne:ne/clock") {
		t.Errorf("error %v", err)
	}
	if _, err := r.hub.View(context.Background(), r.running, r.filter("/lsp")); err != nil {
		t.Errorf("a provider that was not asked failed: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.hub.View(ctx, r.running, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want Canceled", err)
	}
	for _, path := range []string{"", "/", "lsp", "/ne:ne/none", "/ne:alarm"} {
		if err := r.hub.Provide(path, &counters{}); err == nil {
			t.Errorf("Provide(%q) succeeded", path)
		}
	}
}

func TestViewLeavesTheHubAlone(t *testing.T) {
	r := newRig(t)
	if err := r.hub.Provide("/ne:ne/clock", &counters{}); err != nil {
		t.Fatal(err)
	}
	r.commit("/lsp[name='a']/label=1")
	r.publish("/lsp[name='a']/oper-state=up")
	before := r.hub.Snapshot()
	if _, err := r.hub.View(context.Background(), r.running, nil); err != nil {
		t.Fatal(err)
	}
	if r.hub.Snapshot() != before || len(leafs(before.State)) != 1 || len(leafs(before.Running)) != 1 {
		t.Error("a view changed what the hub holds")
	}
}

func TestNotifications(t *testing.T) {
	r := newRig(t)
	alarm := r.schema.Notification(r.schema.Module("ne"), "alarm")
	note := func(text string) *tree.Node {
		b := tree.NewBuilder(tree.New(alarm))
		b.Leaf(alarm.Child("text"), schema.StringValue(alarm.Child("text").Type, text))
		return b.Seal()
	}
	if _, err := r.hub.Notifications("SNMP", 0); err == nil {
		t.Error("an unknown stream was opened")
	}
	r.hub.Notify(r.at, note("nobody listens"), nil)
	open := func(max int) *NotifSub {
		s, err := r.hub.Notifications(NETCONF, max)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	wide, narrow := open(0), open(1000)
	where := r.path("/lsp[name='a']")
	for i := range 50 {
		r.hub.Notify(r.at.Add(time.Duration(i)), note(fmt.Sprint(i)), where)
	}
	for i := range 50 {
		n, err := wide.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if got := n.Node.ChildNamed("text").Value().String(); got != fmt.Sprint(i) || !n.Path.Equal(where) || !n.Time.Equal(r.at.Add(time.Duration(i))) {
			t.Errorf("notification %d is %s at %v of %s", i, got, n.Time, n.Path)
		}
	}
	if _, err := narrow.Next(context.Background()); !errors.Is(err, ErrOverflow) {
		t.Errorf("error %v, want ErrOverflow", err)
	}
	r.hub.Notify(r.at, note("later"), nil)
	if n, err := narrow.Next(context.Background()); err != nil || n.Node.ChildNamed("text").Value().String() != "later" {
		t.Errorf("after the overflow: %+v, %v", n, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error, 1)
	go func() {
		_, err := narrow.Next(ctx)
		errs <- err
	}()
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want Canceled", err)
	}
	go func() {
		_, err := narrow.Next(context.Background())
		errs <- err
	}()
	narrow.Close()
	if err := <-errs; !errors.Is(err, ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
}
