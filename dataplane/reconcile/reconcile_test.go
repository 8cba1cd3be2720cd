package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/fake"
	"github.com/tandem-ne/tandem/dataplane/plan"
	"github.com/tandem-ne/tandem/dataplane/reconcile"
)

func section(name, port string) dataplane.Section {
	return dataplane.Section{Name: name, Interface: port, PeerMAC: dataplane.MAC{2, 0, 0, 0, 0, 1}}
}

func swap(name string, in uint32, section string, out uint32) dataplane.LSP {
	return dataplane.LSP{
		Name: name, Op: dataplane.SwapAndForward, InLabel: in,
		Out: dataplane.NextHop{Section: section, Stack: []dataplane.LabelEntry{{Label: out}}},
	}
}

func lspKey(name string) dataplane.Key {
	return dataplane.Key{Kind: dataplane.KindLSP, Name: name}
}

func put(o ...dataplane.Object) dataplane.Delta { return dataplane.Delta{Put: o} }

func port(name string) fake.Port {
	return fake.Port{Name: name, MAC: dataplane.MAC{2, 0, 0, 0, 0, 9}, Up: true}
}

// rig is a reconciler on a fake, inside a synctest bubble.
type rig struct {
	*reconcile.Reconciler
	driver *fake.Driver
	start  time.Time
	log    []string // Statuses, "100ms lsp/a failed: reason".
}

func newRig(t *testing.T, change ...func(*reconcile.Options)) *rig {
	t.Helper()
	r := &rig{driver: fake.New(port("eth0"), port("eth1")), start: time.Now()}
	opt := reconcile.Options{
		Driver: r.driver, Log: slog.New(slog.DiscardHandler),
		OnStatus: func(k dataplane.Key, s reconcile.Status) {
			line := fmt.Sprintf("%v %s %s", time.Since(r.start), k, s.State)
			if s.Reason != "" {
				line += ": " + s.Reason
			}
			r.log = append(r.log, line)
			if s.Since.Before(r.start) || s.Since.After(time.Now()) {
				t.Errorf("%s: Since is %v", line, s.Since)
			}
		},
	}
	for _, f := range change {
		f(&opt)
	}
	r.Reconciler = reconcile.New(opt)
	t.Cleanup(func() {
		r.Close()
		if err := r.driver.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return r
}

// statuses returns what was reported since the last call.
func (r *rig) statuses() string {
	synctest.Wait()
	s := strings.Join(r.log, "\n")
	r.log = nil
	return s
}

// plan returns the operations since the last call.
func (r *rig) plan() string {
	synctest.Wait()
	return plan.Print(r.driver.TakeOps())
}

func (r *rig) begin(t *testing.T, desired ...dataplane.Object) {
	t.Helper()
	if err := r.Start(t.Context(), desired); err != nil {
		t.Fatalf("Start: %v", err)
	}
	r.flush(t)
}

func (r *rig) flush(t *testing.T) {
	t.Helper()
	if err := r.Flush(t.Context()); err != nil {
		t.Fatalf("Flush: %v", err)
	}
}

func (r *rig) state(t *testing.T, name string, want reconcile.State) {
	t.Helper()
	if s, _ := r.Status(lspKey(name)); s.State != want {
		t.Errorf("%s is %v (%s), want %v", name, s.State, s.Reason, want)
	}
}

func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAdoption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		west, a := section("west", "eth0"), swap("a", 100, "west", 200)
		r.driver.Plant(west, a)
		r.begin(t, west, a)
		equal(t, "operations", r.plan(), "")
		if n := r.driver.Applies(); n != 0 {
			t.Errorf("Apply was called %d times", n)
		}
		r.state(t, "a", reconcile.Applied)
		equal(t, "statuses", r.statuses(), "0s section/west applied\n0s lsp/a applied")
	})
}

func TestStartFixesAndSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		west := section("west", "eth0")
		r.driver.Plant(west, swap("a", 100, "west", 299), swap("stale", 300, "west", 301))
		// Before Start nothing is touched, whatever is prepared and updated.
		if err := r.Prepare(t.Context(), put(west, swap("a", 100, "west", 200))); err != nil {
			t.Fatalf("Prepare: %v", err)
		}
		r.Update(put(west, swap("a", 100, "west", 200)))
		equal(t, "operations before Start", r.plan(), "")
		r.begin(t, west, swap("a", 100, "west", 200), swap("b", 101, "west", 201))
		equal(t, "operations", r.plan(), `+ lsp/a swap-and-forward in 100 out 200 via west
+ lsp/b swap-and-forward in 101 out 201 via west
- lsp/?stale
`)
		equal(t, "data plane", r.driver.Text(), `section/west dev eth0 peer 02:00:00:00:00:01
lsp/a swap-and-forward in 100 out 200 via west
lsp/b swap-and-forward in 101 out 201 via west
`)
		if err := r.Start(t.Context(), nil); err == nil {
			t.Error("a second Start succeeds")
		}
	})
}

func TestStartRefusesContradiction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		err := r.Start(t.Context(), []dataplane.Object{section("west", "eth0"), swap("a", 100, "west", 200), swap("b", 100, "west", 201)})
		if oe, ok := errors.AsType[*dataplane.OpError](err); !ok || oe.Key != lspKey("b") {
			t.Errorf("Start: %v", err)
		}
		equal(t, "operations", r.plan(), "")
	})
}

func TestStartWithoutDump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		west, a := section("west", "eth0"), swap("a", 100, "west", 200)
		r.driver.Plant(west, a, swap("stale", 300, "west", 301))
		r.driver.FailDump(errors.New("no memory"))
		r.begin(t, west, a)
		equal(t, "operations", r.plan(), "+ section/west dev eth0 peer 02:00:00:00:00:01\n+ lsp/a swap-and-forward in 100 out 200 via west\n")
		r.driver.FailDump(nil)
		time.Sleep(reconcile.DefaultRetryMax + time.Millisecond)
		equal(t, "operations when the dump works", r.plan(), "- lsp/?stale\n")
	})
}

func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.begin(t, section("west", "eth0"))
		r.statuses()
		r.plan()
		r.Update(put(swap("a", 100, "west", 200)))
		if s, ok := r.Status(lspKey("a")); !ok || s.State != reconcile.Pending {
			t.Errorf("right after Update the status is %v", s)
		}
		r.flush(t)
		equal(t, "statuses", r.statuses(), "0s lsp/a pending\n0s lsp/a applied")
		r.Update(dataplane.Delta{Delete: []dataplane.Key{lspKey("a")}})
		r.flush(t)
		equal(t, "statuses", r.statuses(), "0s lsp/a pending\n0s lsp/a absent")
		if _, ok := r.Status(lspKey("a")); ok {
			t.Error("a deleted object has a status")
		}
		r.plan()
		r.Update(put(section("west", "eth0")))
		r.flush(t)
		equal(t, "operations of an update that changes nothing", r.plan(), "")
	})
}

// TestBackOff: tries at 0, 100, 300, 700 ms and so on, up to every 30 s.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(o *reconcile.Options) { o.Audit = -1 })
		r.begin(t, section("west", "eth0"))
		r.statuses()
		r.plan()
		r.driver.Fail(lspKey("a"), "table is full", true)
		r.Update(put(swap("a", 100, "west", 200)))
		r.flush(t)
		equal(t, "statuses", r.statuses(), "0s lsp/a pending\n0s lsp/a failed: table is full")
		r.plan()
		const one = "+ lsp/a swap-and-forward in 100 out 200 via west\n"
		delay := 100 * time.Millisecond
		for range 12 {
			time.Sleep(delay - time.Millisecond)
			equal(t, fmt.Sprintf("operations before %v", delay), r.plan(), "")
			time.Sleep(time.Millisecond)
			equal(t, fmt.Sprintf("operations after %v", delay), r.plan(), one)
			delay = min(2*delay, 30*time.Second)
		}
		equal(t, "statuses of failures that stay the same", r.statuses(), "")
		r.driver.Heal(lspKey("a"))
		time.Sleep(delay)
		synctest.Wait()
		r.state(t, "a", reconcile.Applied)
		// The next failure begins with the shortest delay again.
		r.driver.Fail(lspKey("a"), "table is full", true)
		r.Update(put(swap("a", 100, "west", 201)))
		r.flush(t)
		r.plan()
		time.Sleep(100 * time.Millisecond)
		equal(t, "operations", r.plan(), "+ lsp/a swap-and-forward in 100 out 201 via west\n")
	})
}

// TestChangeEndsBackOff: a new configuration is tried at once.
func TestChangeEndsBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.begin(t, section("west", "eth0"))
		r.driver.Fail(lspKey("a"), "no", true)
		r.Update(put(swap("a", 100, "west", 200)))
		r.flush(t)
		r.driver.Heal(lspKey("a"))
		r.Update(put(swap("a", 101, "west", 200)))
		r.flush(t)
		r.state(t, "a", reconcile.Applied)
		// A delete that fails is tried again as well.
		r.driver.Fail(lspKey("a"), "busy", false)
		r.Update(dataplane.Delta{Delete: []dataplane.Key{lspKey("a")}})
		r.flush(t)
		r.state(t, "a", reconcile.Failed)
		r.driver.Heal(lspKey("a"))
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		equal(t, "data plane", r.driver.Text(), "section/west dev eth0 peer 02:00:00:00:00:01\n")
	})
}

// TestLinkComesBack: nothing is tried until the interface comes, then
// everything on it at once.
func TestLinkComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(o *reconcile.Options) { o.Audit = -1 })
		r.begin(t, section("west", "eth0"), section("lost", "eth7"), swap("a", 100, "west", 200), swap("b", 101, "lost", 201))
		r.state(t, "a", reconcile.Applied)
		r.state(t, "b", reconcile.Failed)
		r.plan()
		time.Sleep(time.Hour)
		equal(t, "operations without an event", r.plan(), "")
		r.driver.SetPort(port("eth7"))
		equal(t, "operations when the interface comes", r.plan(), "+ section/lost dev eth7 peer 02:00:00:00:00:01\n+ lsp/b swap-and-forward in 101 out 201 via lost\n")
		r.state(t, "b", reconcile.Applied)
		// A link that flaps gets its section again, and only that.
		down := port("eth0")
		down.Up = false
		r.driver.SetPort(down)
		equal(t, "operations when a link goes down", r.plan(), "")
		r.driver.SetPort(port("eth0"))
		equal(t, "operations when it comes up", r.plan(), "+ section/west dev eth0 peer 02:00:00:00:00:01\n")
		// An interface that goes takes its section with it, and says why.
		r.driver.RemovePort("eth7")
		synctest.Wait()
		s, _ := r.Status(dataplane.Key{Kind: dataplane.KindSection, Name: "lost"})
		equal(t, "status", fmt.Sprint(s.State, " ", s.Reason), "failed there is no interface eth7")
	})
}

func TestDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		west, a, b := section("west", "eth0"), swap("a", 100, "west", 200), swap("b", 101, "west", 201)
		r.begin(t, west, a, b)
		want := r.driver.Text()
		r.plan()
		r.statuses()
		// Told by an event that names the object.
		r.driver.Lose(a.Key())
		r.driver.Drift(a.Key())
		equal(t, "operations after drift of a", r.plan(), "+ "+a.String()+"\n")
		equal(t, "statuses", r.statuses(), "0s lsp/a pending\n0s lsp/a applied")
		// Told by an event that asks for an audit.
		r.driver.Lose(b.Key())
		r.driver.Plant(swap("intruder", 300, "west", 301))
		r.driver.Drift(dataplane.Key{})
		equal(t, "operations after an audit", r.plan(), "+ "+b.String()+"\n- lsp/?intruder\n")
		// Not told at all: the periodic audit finds it.
		r.driver.Lose(a.Key())
		time.Sleep(reconcile.DefaultAudit - time.Millisecond)
		equal(t, "operations before the audit", r.plan(), "")
		time.Sleep(time.Millisecond)
		equal(t, "operations of the audit", r.plan(), "+ "+a.String()+"\n")
		equal(t, "data plane", r.driver.Text(), want)
		// Asked for.
		r.driver.Lose(a.Key())
		r.Audit()
		r.flush(t)
		equal(t, "operations of an audit on demand", r.plan(), "+ "+a.String()+"\n")
		// Nothing wrong, nothing done.
		r.Audit()
		r.flush(t)
		equal(t, "operations of an audit that finds nothing", r.plan(), "")
	})
}

func TestPrepare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.begin(t, section("west", "eth0"), swap("a", 100, "west", 200))
		r.plan()
		deep := swap("b", 101, "west", 201)
		for i := range uint32(20) {
			deep.Out.Stack = append(deep.Out.Stack, dataplane.LabelEntry{Label: 300 + i})
		}
		for _, c := range []struct {
			delta dataplane.Delta
			want  string
		}{
			{put(swap("b", 101, "west", 201)), ""},
			{put(swap("b", 100, "west", 201)), "lsp/b: label 100 belongs to lsp/a"},
			{put(swap("b", 101, "east", 201)), "lsp/b: there is no section east"},
			{put(deep), "lsp/b: 21 labels are to be imposed, the fake data plane imposes up to 16"},
			{dataplane.Delta{Delete: []dataplane.Key{{Kind: dataplane.KindSection, Name: "west"}}}, "lsp/a: there is no section west"},
		} {
			got := ""
			if err := r.Prepare(t.Context(), c.delta); err != nil {
				got = err.Error()
			}
			equal(t, "Prepare", got, c.want)
		}
		equal(t, "operations", r.plan(), "")
	})
}

func TestFlushAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.Update(put(section("west", "eth0")))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush before Start: %v", err)
		}
		r.begin(t, section("west", "eth0"))
		r.Close()
		r.Close()
		r.Update(put(section("east", "eth1")))
		if err := r.Flush(t.Context()); err == nil {
			t.Error("Flush after Close with changes left succeeds")
		}
	})
}

// TestAnyOrderConverges runs random states in random order over one data
// plane, with failures, losses and link changes in between: whenever it comes
// to rest, it shows the last state.
func TestAnyOrderConverges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(5, 6))
		states := [][]dataplane.Object{
			{},
			{section("west", "eth0")},
			{section("west", "eth0"), swap("a", 100, "west", 200)},
			{section("west", "eth0"), section("east", "eth1"), swap("a", 100, "east", 200), swap("b", 101, "west", 201)},
			{section("west", "eth1"), section("east", "eth0"), swap("a", 101, "east", 200), swap("b", 100, "west", 201)},
			{section("east", "eth1"), swap("b", 100, "east", 200), swap("c", 101, "east", 202)},
			{section("west", "eth0"), section("east", "eth1"), swap("c", 300, "west", 301), swap("a", 301, "east", 302)},
		}
		texts := make([]string, len(states))
		for i, s := range states {
			r := newRig(t)
			r.begin(t, s...)
			texts[i] = r.driver.Text()
			r.Close()
		}
		r := newRig(t)
		r.begin(t)
		var now []dataplane.Object
		for round := range 400 {
			next := rnd.IntN(len(states))
			trouble := lspKey([]string{"a", "b", "c"}[rnd.IntN(3)])
			switch rnd.IntN(4) {
			case 0:
				r.driver.Fail(trouble, "trouble", true)
			case 1:
				r.driver.Lose(trouble)
				r.driver.Drift(trouble)
			case 2:
				r.driver.RemovePort("eth0")
			}
			d := delta(now, states[next])
			if err := r.Prepare(t.Context(), d); err != nil {
				t.Fatalf("Prepare: %v", err)
			}
			r.Update(d)
			now = states[next]
			if rnd.IntN(2) == 0 {
				synctest.Wait()
			}
			r.driver.Heal(trouble)
			r.driver.SetPort(port("eth0"))
			if rnd.IntN(3) > 0 {
				continue
			}
			// Longer than every back-off so far, shorter than an audit.
			time.Sleep(time.Second)
			synctest.Wait()
			equal(t, fmt.Sprintf("round %d", round), r.driver.Text(), texts[next])
			for _, o := range now {
				if s, _ := r.Status(o.Key()); s.State != reconcile.Applied {
					t.Errorf("round %d: %s is %v: %s", round, o.Key(), s.State, s.Reason)
				}
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	})
}

func delta(from, to []dataplane.Object) dataplane.Delta {
	d := dataplane.Delta{Put: to}
	keep := map[dataplane.Key]bool{}
	for _, o := range to {
		keep[o.Key()] = true
	}
	for _, o := range from {
		if !keep[o.Key()] {
			d.Delete = append(d.Delete, o.Key())
		}
	}
	return d
}

func BenchmarkLoad10000(b *testing.B) {
	desired := []dataplane.Object{section("west", "eth0")}
	for i := range uint32(10000) {
		desired = append(desired, swap(fmt.Sprintf("l%d", i), 1000+i, "west", 20000+i))
	}
	for b.Loop() {
		d := fake.New(port("eth0"))
		r := reconcile.New(reconcile.Options{Driver: d, Log: slog.New(slog.DiscardHandler)})
		if err := errors.Join(r.Start(b.Context(), desired), r.Flush(b.Context())); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

func BenchmarkOneOn10000(b *testing.B) {
	desired := []dataplane.Object{section("west", "eth0")}
	for i := range uint32(10000) {
		desired = append(desired, swap(fmt.Sprintf("l%d", i), 1000+i, "west", 20000+i))
	}
	r := reconcile.New(reconcile.Options{Driver: fake.New(port("eth0")), Log: slog.New(slog.DiscardHandler)})
	defer r.Close()
	if err := errors.Join(r.Start(b.Context(), desired), r.Flush(b.Context())); err != nil {
		b.Fatal(err)
	}
	out := uint32(0)
	for b.Loop() {
		out++
		d := put(swap("l77", 1077, "west", 100+out%2))
		if err := r.Prepare(b.Context(), d); err != nil {
			b.Fatal(err)
		}
		r.Update(d)
		if err := r.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// TestManyDrifts: what is lost together is repaired together.
func TestManyDrifts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		desired := []dataplane.Object{section("west", "eth0")}
		for i := range uint32(50) {
			desired = append(desired, swap(fmt.Sprintf("l%d", i), 100+i, "west", 200+i))
		}
		r.begin(t, desired...)
		want, applies := r.driver.Text(), r.driver.Applies()
		for _, o := range desired[1:] {
			r.driver.Lose(o.Key())
			r.driver.Drift(o.Key())
		}
		synctest.Wait()
		equal(t, "data plane", r.driver.Text(), want)
		// The goroutine may wake up at the first event already.
		if n := r.driver.Applies() - applies; n > 10 {
			t.Errorf("%d applies for 50 events", n)
		}
	})
}
