//go:build vm

package kernel_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
	"github.com/tandem-ne/tandem/dataplane/plan"
	"github.com/tandem-ne/tandem/dataplane/reconcile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a driver in a lab.
type rig struct {
	*netlab.Lab
	dataplane.Driver
}

func newRig(t testing.TB) rig { return newRigOf(t, kernel.Options{Routes: true}) }

func newRigOf(t testing.TB, opt kernel.Options) rig {
	t.Helper()
	opt.Log = slog.New(slog.DiscardHandler)
	r := rig{Lab: netlab.New(t)}
	r.Do(t, func() {
		d, err := kernel.Open(opt)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		r.Driver = d
	})
	t.Cleanup(func() {
		if err := r.Driver.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return r
}

// ip runs iproute2 in the element: the referee, and the one who changes things
// behind our back.
func (r rig) ip(t testing.TB, args ...string) string {
	t.Helper()
	var out []byte
	r.Do(t, func() {
		var err error
		out, err = exec.Command("ip", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	})
	return string(out)
}

// mplsRoutes returns our routes as iproute2 prints them, but for its spelling.
func (r rig) mplsRoutes(t testing.TB) string {
	t.Helper()
	return strings.ReplaceAll(r.ip(t, "-f", "mpls", "route", "show", "proto", "201"), "propogate", "propagate")
}

// lines returns the sorted, space-normalised lines of a text.
func lines(s string) []string {
	var out []string
	for l := range strings.Lines(s) {
		if f := strings.Join(strings.Fields(l), " "); f != "" {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}

func (r rig) put(t testing.TB, objects ...dataplane.Object) {
	t.Helper()
	for _, err := range r.Apply(context.Background(), plan.Full(nil, objects)) {
		t.Fatalf("Apply: %v (%v)", err, err.Err)
	}
}

func (r rig) sections() []dataplane.Object {
	east := r.Port(drivertest.East)
	return []dataplane.Object{
		dataplane.Section{Name: "west", Interface: r.Port(drivertest.West).Name, PeerMAC: r.Port(drivertest.West).Peer},
		dataplane.Section{Name: "east", Interface: east.Name, PeerMAC: east.Peer},
	}
}

func swap(name string, in uint32, section string, out ...uint32) dataplane.LSP {
	l := dataplane.LSP{Name: name, Op: dataplane.SwapAndForward, InLabel: in, Out: dataplane.NextHop{Section: section}}
	for _, label := range out {
		l.Out.Stack = append(l.Out.Stack, dataplane.LabelEntry{Label: label})
	}
	return l
}

func impose(name, section string, out uint32, prefixes ...string) dataplane.LSP {
	l := swap(name, 0, section, out)
	l.Op = dataplane.ImposeAndForward
	for _, p := range prefixes {
		l.Prefixes = append(l.Prefixes, netip.MustParsePrefix(p))
	}
	return l
}

// event reads events until one satisfies want.
func (r rig) event(t *testing.T, want func(dataplane.Event) bool) {
	t.Helper()
	timeout := time.NewTimer(10 * time.Second)
	defer timeout.Stop()
	for {
		select {
		case e := <-r.Events():
			if want(e) {
				return
			}
		case <-timeout.C:
			t.Fatal("the event did not come")
		}
	}
}

func isDrift(k dataplane.Key) func(dataplane.Event) bool {
	return func(e dataplane.Event) bool { return e.Kind == dataplane.Drift && e.Key == k }
}

// TestReferee lets iproute2 read what the driver wrote.
func TestReferee(t *testing.T) {
	r := newRig(t)
	off := swap("off", 105, "east", 205)
	off.Down = true
	offIP := impose("off-ip", "east", 305, "203.0.113.0/24")
	offIP.Down = true
	join := swap("join", 104, "west", 204)
	join.Op = dataplane.PopImposeAndForward
	r.put(t, append(r.sections(),
		swap("a", 100, "east", 200), swap("b", 101, "east", 400, 300, 201),
		dataplane.LSP{Name: "pop", Op: dataplane.PopAndForward, InLabel: 102, Out: dataplane.NextHop{Section: "east"}},
		dataplane.LSP{Name: "look", Op: dataplane.PopAndLookup, InLabel: 103},
		join, off, offIP, impose("imp", "east", 300, "198.51.100.0/24", "2001:db8:100::/48"))...)
	want := lines(`
		100 as to 200 via link 02:00:00:00:00:a1 dev east0 ttl-propagate disabled
		101 as to 400/300/201 via link 02:00:00:00:00:a1 dev east0 ttl-propagate disabled
		102 via link 02:00:00:00:00:a1 dev east0 ttl-propagate disabled
		103 dev lo ttl-propagate disabled
		104 as to 204 via link 02:00:00:00:00:a0 dev west0 ttl-propagate disabled
	`)
	if diff := cmp.Diff(want, lines(r.mplsRoutes(t))); diff != "" {
		t.Errorf("ip -f mpls route (-want +got):\n%s", diff)
	}
	want = lines(`
		198.51.100.0/24 encap mpls 300 ttl 255 via 169.254.144.1 dev east0 metric 5 onlink
		blackhole 203.0.113.0/24 metric 5
	`)
	if diff := cmp.Diff(want, lines(r.ip(t, "-4", "route", "show", "proto", "201"))); diff != "" {
		t.Errorf("ip -4 route (-want +got):\n%s", diff)
	}
	want = lines(`2001:db8:100::/48 encap mpls 300 ttl 255 via fe80::100:5e90:0:1 dev east0 metric 5 onlink pref medium`)
	if diff := cmp.Diff(want, lines(r.ip(t, "-6", "route", "show", "proto", "201"))); diff != "" {
		t.Errorf("ip -6 route (-want +got):\n%s", diff)
	}
	want = lines("169.254.144.1 lladdr 02:00:00:00:00:a1 PERMANENT\nfe80::100:5e90:0:1 lladdr 02:00:00:00:00:a1 router PERMANENT")
	got := lines(strings.ReplaceAll(r.ip(t, "neigh", "show", "dev", "east0", "nud", "permanent"), "a1 PERMANENT", "a1 PERMANENT"))
	for i := range got {
		got[i] = strings.Replace(got[i], " router ", " ", 1)
		want[i] = strings.Replace(want[i], " router ", " ", 1)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ip neigh (-want +got):\n%s", diff)
	}
}

// TestDriftEvents changes routes with iproute2 and expects the event that
// names the LSP, and none for what is not ours.
func TestDriftEvents(t *testing.T) {
	r := newRig(t)
	a, imp := swap("a", 100, "east", 200), impose("imp", "east", 300, "198.51.100.0/24", "2001:db8:100::/48")
	r.put(t, append(r.sections(), a, imp)...)
	const via = "02:00:00:00:00:a1"
	for _, c := range []struct {
		name string
		args string
		key  dataplane.Key
	}{
		{"label deleted", "-f mpls route del 100", a.Key()},
		{"label replaced under our protocol", "-f mpls route replace 100 as 999 via link " + via + " dev east0 proto 201", a.Key()},
		{"label replaced under another protocol", "-f mpls route replace 100 as 999 via link " + via + " dev east0 proto 99", a.Key()},
		{"IPv4 prefix deleted", "-4 route del 198.51.100.0/24 proto 201", imp.Key()},
		{"IPv6 prefix deleted", "-6 route del 2001:db8:100::/48 proto 201", imp.Key()},
		{"stranger with our protocol", "-f mpls route add 777 as 778 via link " + via + " dev east0 proto 201", dataplane.Key{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.ip(t, strings.Fields(c.args)...)
			r.event(t, isDrift(c.key))
			desired := append(r.sections(), a, imp)
			got, err := r.Dump(t.Context(), desired)
			if err != nil {
				t.Fatalf("Dump: %v", err)
			}
			ops := plan.Full(got, desired)
			if len(ops) != 1 {
				t.Errorf("to do after the change:\n%s", plan.Print(ops))
			}
			if strings.Contains(c.args, "proto 99") {
				if failed := r.Apply(t.Context(), ops); len(failed) != 1 || failed[0].Key != c.key {
					t.Errorf("Apply while the label is a foreign one: %v", failed)
				}
				// The label comes free: the driver must say so.
				r.ip(t, "-f", "mpls", "route", "del", "100")
				r.event(t, isDrift(c.key))
			}
			for _, err := range r.Apply(t.Context(), ops) {
				t.Fatalf("Apply: %v (%v)", err, err.Err)
			}
			if got, err = r.Dump(t.Context(), desired); err != nil || len(plan.Full(got, desired)) != 0 {
				t.Errorf("to do after the repair: %v\n%s", err, plan.Print(plan.Full(got, desired)))
			}
		})
	}
}

// TestForeignLabel: a label that someone else routes is not taken away from
// him, and is ours as soon as he lets it go.
func TestForeignLabel(t *testing.T) {
	r := newRig(t)
	r.put(t, append(r.sections(), swap("other", 101, "east", 201))...)
	r.ip(t, "-f", "mpls", "route", "add", "100", "as", "999", "via", "link", "02:00:00:00:00:a1", "dev", "east0", "proto", "99")
	a := swap("a", 100, "east", 200)
	// The driver may not have heard of it yet: it refuses, and then knows whose it is.
	r.eventually(t, "the driver knows whose the label is", func() bool {
		failed := r.Apply(t.Context(), plan.Full(nil, []dataplane.Object{a}))
		if len(failed) != 1 || failed[0].Key != a.Key() || !failed[0].Retry || !strings.Contains(failed[0].Reason, "label 100 belongs to a route ") {
			t.Fatalf("Apply: %v", failed)
		}
		return strings.Contains(failed[0].Reason, "of protocol 99 that is not Tandem's")
	})
	if got := r.ip(t, "-f", "mpls", "route", "show", "100"); !strings.Contains(got, "as to 999") {
		t.Errorf("the foreign route is now %q", got)
	}
	// Deleting our LSP must not delete the foreign route either.
	if failed := r.Apply(t.Context(), []dataplane.Op{{Verb: dataplane.Delete, Key: a.Key()}}); len(failed) != 0 {
		t.Errorf("Apply: %v", failed)
	}
	if got := r.ip(t, "-f", "mpls", "route", "show", "100"); !strings.Contains(got, "as to 999") {
		t.Errorf("the foreign route is now %q", got)
	}
	r.ip(t, "-f", "mpls", "route", "del", "100")
	r.eventually(t, "the label is free", func() bool {
		return len(r.Apply(t.Context(), plan.Full(nil, []dataplane.Object{a}))) == 0
	})
}

// eventually waits for a condition; it checks again at every event and every
// few milliseconds.
func (r rig) eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(10 * time.Second)
	defer timeout.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("not reached: %s", what)
		}
	}
}

// TestReconcile runs the reconciler on the kernel: someone flushes routes and
// addresses, takes links down and away; it all comes back. Then the process
// ends and a new one adopts without an operation.
func TestReconcile(t *testing.T) {
	r := newRig(t)
	desired := append(r.sections(), swap("a", 100, "east", 200), swap("b", 101, "east", 201, 301),
		dataplane.LSP{Name: "look", Op: dataplane.PopAndLookup, InLabel: 103}, impose("imp", "east", 300, "198.51.100.0/24", "2001:db8:100::/48"))
	start := func(d dataplane.Driver) *reconcile.Reconciler {
		rec := reconcile.New(reconcile.Options{Driver: d, Log: slog.New(slog.DiscardHandler)})
		if err := errors.Join(rec.Start(t.Context(), desired), rec.Flush(t.Context())); err != nil {
			t.Fatalf("Start: %v", err)
		}
		return rec
	}
	rec := start(r.Driver)
	table := func() []string {
		return slices.Concat(lines(r.mplsRoutes(t)),
			lines(r.ip(t, "-4", "route", "show", "proto", "201")), lines(r.ip(t, "-6", "route", "show", "proto", "201")))
	}
	want := table()
	if len(want) != 5 {
		t.Fatalf("routes:\n%s", strings.Join(want, "\n"))
	}
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"flush of labels", func() { r.ip(t, "-f", "mpls", "route", "flush", "proto", "201") }},
		{"flush of IPv4", func() { r.ip(t, "-4", "route", "flush", "proto", "201") }},
		{"flush of IPv6", func() { r.ip(t, "-6", "route", "flush", "proto", "201") }},
		{"link flap", func() { r.SetPort(t, drivertest.East, false); r.SetPort(t, drivertest.East, true) }},
		{"link replaced", func() { r.RemovePort(t, drivertest.East); r.AddPort(t, drivertest.East) }},
		{"link renamed and back", func() {
			r.SetPort(t, drivertest.East, false)
			r.ip(t, "link", "set", "east0", "name", "other0")
			r.ip(t, "link", "set", "other0", "name", "east0")
			r.SetPort(t, drivertest.East, true)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.do()
			r.eventually(t, "the routes are back", func() bool { return slices.Equal(table(), want) })
			r.eventually(t, "every object is applied", func() bool {
				for _, o := range desired {
					if s, _ := rec.Status(o.Key()); s.State != reconcile.Applied {
						return false
					}
				}
				return true
			})
		})
	}
	rec.Close()
	// The next process: a driver that counts what it is asked to do.
	var counting countingDriver
	r.Do(t, func() {
		d, err := kernel.Open(kernel.Options{Log: slog.New(slog.DiscardHandler), Routes: true})
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		counting.Driver = d
	})
	rec = start(&counting)
	rec.Close()
	if err := counting.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if counting.ops != 0 {
		t.Errorf("adoption made %d operations", counting.ops)
	}
}

type countingDriver struct {
	dataplane.Driver
	ops int
}

func (d *countingDriver) Apply(ctx context.Context, ops []dataplane.Op) []*dataplane.OpError {
	d.ops += len(ops)
	return d.Driver.Apply(ctx, ops)
}

// TestSections: leaving an interface leaves nothing behind.
func TestSections(t *testing.T) {
	r := newRig(t)
	input := func() (v string) {
		r.Do(t, func() {
			b, err := os.ReadFile("/proc/sys/net/mpls/conf/east0/input")
			if err != nil {
				t.Fatal(err)
			}
			v = strings.TrimSpace(string(b))
		})
		return v
	}
	east := r.sections()[1].(dataplane.Section)
	r.put(t, east)
	if input() != "1" {
		t.Error("input of labels is off")
	}
	moved := east
	moved.Interface, moved.PeerMAC = r.Port(drivertest.West).Name, r.Port(drivertest.West).Peer
	r.put(t, moved)
	if input() != "0" {
		t.Error("input of labels is on after the section has moved")
	}
	if got := r.ip(t, "neigh", "show", "dev", "east0"); strings.Contains(got, "PERMANENT") {
		t.Errorf("left behind: %s", got)
	}
	down := east
	down.Down = true
	r.put(t, down)
	if input() != "0" {
		t.Error("input of labels is on while the section is down")
	}
}

// TestUnequalTTL: what one iptunnel route cannot say is refused.
func TestUnequalTTL(t *testing.T) {
	r := newRig(t)
	l := impose("imp", "east", 300, "198.51.100.0/24")
	l.Out.Stack = []dataplane.LabelEntry{{Label: 300, TTL: 9}, {Label: 301}}
	err := r.Prepare(t.Context(), plan.Full(nil, []dataplane.Object{l}))
	if oe, ok := errors.AsType[*dataplane.OpError](err); !ok || !strings.Contains(oe.Reason, string(dataplane.FeatureImposedTTL)) {
		t.Errorf("Prepare: %v", err)
	}
}
