package reconcile_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/reconcile"
)

func groupKey(name string) dataplane.Key {
	return dataplane.Key{Kind: dataplane.KindGroup, Name: name}
}

// tunnel is group t with two legs, and an LSP in it.
func tunnel() []dataplane.Object {
	legOn := func(name, section string, out uint32) dataplane.LSP {
		l := swap(name, 0, section, out)
		l.Op = dataplane.ImposeAndForward
		return l
	}
	in := swap("a", 100, "", 200)
	in.Out.Group = "t"
	return []dataplane.Object{
		section("west", "eth0"), section("east", "eth1"), legOn("w", "west", 300), legOn("p", "east", 301),
		dataplane.Group{Name: "t", Legs: []string{"w", "p"}}, in,
	}
}

// active fails the test unless the reconciler and the driver have a leg.
func (r *rig) active(t *testing.T, want uint8) {
	t.Helper()
	if leg, err := r.ActiveLeg("t"); err != nil || leg != want {
		t.Errorf("ActiveLeg: %d, %v, want %d", leg, err, want)
	}
	if leg, err := r.driver.ActiveLeg("t"); err != nil || leg != want {
		t.Errorf("ActiveLeg of the driver: %d, %v, want %d", leg, err, want)
	}
}

func TestSetCondition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.begin(t, section("west", "eth0"), swap("a", 100, "west", 200))
		r.plan()
		if err := r.SetCondition(lspKey("a"), dataplane.Condition{Blocked: true}); err != nil {
			t.Fatalf("SetCondition: %v", err)
		}
		equal(t, "blocked", r.plan(), "+ lsp/a swap-and-forward in 100 out 200 via west blocked\n")
		r.Update(put(swap("a", 100, "west", 201)))
		equal(t, "a change under the condition", r.plan(), "+ lsp/a swap-and-forward in 100 out 201 via west blocked\n")
		r.Audit()
		equal(t, "an audit under the condition", r.plan(), "")
		r.driver.Lose(lspKey("a"))
		r.Audit()
		equal(t, "a repair under the condition", r.plan(), "+ lsp/a swap-and-forward in 100 out 201 via west blocked\n")
		if err := r.SetCondition(lspKey("a"), dataplane.Condition{Blocked: true}); err != nil {
			t.Errorf("the same condition: %v", err)
		}
		equal(t, "the same condition", r.plan(), "")
		if err := r.SetCondition(lspKey("a"), dataplane.Condition{}); err != nil {
			t.Errorf("no condition: %v", err)
		}
		equal(t, "no condition", r.plan(), "+ lsp/a swap-and-forward in 100 out 201 via west\n")
		if err := r.SetCondition(lspKey("a"), dataplane.Condition{Loop: "a"}); err != nil {
			t.Fatalf("loop: %v", err)
		}
		if got := r.Condition(lspKey("a")); got != (dataplane.Condition{Loop: "a"}) {
			t.Errorf("Condition: %+v", got)
		}
		r.plan()
		r.Update(dataplane.Delta{Delete: []dataplane.Key{lspKey("a")}})
		r.Update(put(swap("a", 100, "west", 202)))
		equal(t, "deleted and made again", r.plan(), "+ lsp/a swap-and-forward in 100 out 202 via west\n")
		if got := r.Condition(lspKey("a")); got != (dataplane.Condition{}) {
			t.Errorf("Condition after the delete: %+v", got)
		}
	})
}

func TestSetConditionRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.begin(t, tunnel()...)
		r.plan()
		for _, c := range []struct {
			key  dataplane.Key
			cond dataplane.Condition
			want string
		}{
			{lspKey("never"), dataplane.Condition{Blocked: true}, "no such object"},
			{groupKey("t"), dataplane.Condition{Blocked: true}, "a group has no condition"},
			{lspKey("a"), dataplane.Condition{Loop: "?a"}, "cannot loop into"},
		} {
			err := r.SetCondition(c.key, c.cond)
			oe, ok := errors.AsType[*dataplane.OpError](err)
			if !ok || oe.Key != c.key || !strings.Contains(oe.Reason, c.want) {
				t.Errorf("SetCondition of %s: got %v, want %q", c.key, err, c.want)
			}
		}
		equal(t, "operations", r.plan(), "")
	})
}

func TestSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.begin(t, tunnel()...)
		r.active(t, 0)
		if err := r.Switch(t.Context(), "t", 1); err != nil {
			t.Fatalf("Switch: %v", err)
		}
		r.active(t, 1)
		// A group that has to be made anew comes out with the leg.
		r.driver.Lose(groupKey("t"))
		r.Audit()
		r.flush(t)
		r.active(t, 1)
		g := tunnel()[4].(dataplane.Group)
		g.Down = true
		r.Update(put(g))
		r.flush(t)
		r.active(t, 1)
		// Without the second leg only the first can be active.
		g.Legs = []string{"w"}
		r.Update(put(g))
		r.flush(t)
		r.active(t, 0)
		g.Legs = []string{"w", "p"}
		r.Update(put(g))
		r.flush(t)
		r.active(t, 0)
		for _, c := range []struct {
			group string
			leg   uint8
		}{{"never", 0}, {"t", 2}} {
			err := r.Switch(t.Context(), c.group, c.leg)
			if oe, ok := errors.AsType[*dataplane.OpError](err); !ok || oe.Key != groupKey(c.group) {
				t.Errorf("Switch of %s to %d: %v", c.group, c.leg, err)
			}
		}
		r.active(t, 0)
	})
}

// TestSwitchBeforeTheGroup switches a group that the data plane refuses at
// present: it comes out with the leg.
func TestSwitchBeforeTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.driver.Fail(groupKey("t"), "out of memory", true)
		r.begin(t, tunnel()...)
		if err := r.Switch(t.Context(), "t", 1); err == nil {
			t.Error("Switch of a group that is not in the data plane succeeds")
		}
		r.driver.Heal(groupKey("t"))
		r.Audit()
		r.flush(t)
		r.Update(dataplane.Delta{})
		synctest.Wait()
		if s, _ := r.Status(groupKey("t")); s.State != reconcile.Failed {
			t.Fatalf("group is %v before its back-off", s.State)
		}
		r.Update(put(func() dataplane.Group { g := tunnel()[4].(dataplane.Group); g.Permanent = true; return g }()))
		r.flush(t)
		r.active(t, 1)
		r.state(t, "a", reconcile.Applied)
	})
}

// TestDependentsAreRetried lets everything fail for want of an interface; when
// it comes, all of it becomes good, level by level.
func TestDependentsAreRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		objects := tunnel()
		objects[1] = section("east", "eth9")
		objects[3] = func() dataplane.LSP { l := objects[3].(dataplane.LSP); return l }()
		pw := dataplane.Pseudowire{Name: "pw", InLabel: 500, Out: dataplane.NextHop{Group: "t", Stack: []dataplane.LabelEntry{{Label: 600}}}}
		svc := dataplane.Service{Name: "s", Attachment: dataplane.Attachment{Interface: "eth1"}, Send: "pw", Receive: []string{"pw"}}
		r.begin(t, append(objects, pw, svc)...)
		failed := []dataplane.Key{sectionKey("east"), lspKey("p"), groupKey("t"), lspKey("a"), pw.Key(), svc.Key()}
		for _, k := range failed {
			if s, _ := r.Status(k); s.State != reconcile.Failed {
				t.Errorf("%s is %v before its interface is there", k, s.State)
			}
		}
		r.driver.SetPort(port("eth9"))
		synctest.Wait()
		r.flush(t)
		for _, k := range failed {
			if s, _ := r.Status(k); s.State != reconcile.Applied {
				t.Errorf("%s is %v (%s) after its interface came", k, s.State, s.Reason)
			}
		}
	})
}

// TestServiceFollowsItsInterface puts a service again when its interface
// changes.
func TestServiceFollowsItsInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		pw := dataplane.Pseudowire{Name: "pw", InLabel: 500, Out: dataplane.NextHop{Section: "west", Stack: []dataplane.LabelEntry{{Label: 600}}}}
		svc := dataplane.Service{Name: "s", Attachment: dataplane.Attachment{Interface: "eth1"}, Send: "pw", Receive: []string{"pw"}}
		r.begin(t, section("west", "eth0"), pw, svc)
		r.plan()
		r.driver.RemovePort("eth1")
		synctest.Wait()
		if s, _ := r.Status(svc.Key()); s.State != reconcile.Failed || !strings.Contains(s.Reason, "eth1") {
			t.Errorf("service is %v (%s) without its interface", s.State, s.Reason)
		}
		r.driver.SetPort(port("eth1"))
		synctest.Wait()
		r.flush(t)
		if s, _ := r.Status(svc.Key()); s.State != reconcile.Applied {
			t.Errorf("service is %v (%s) with its interface", s.State, s.Reason)
		}
	})
}

// TestDeletesGoDown deletes a whole tunnel: users first.
func TestDeletesGoDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		objects := tunnel()
		r.begin(t, objects...)
		r.plan()
		var d dataplane.Delta
		for _, o := range objects {
			d.Delete = append(d.Delete, o.Key())
		}
		r.Update(d)
		equal(t, "operations", r.plan(), "- lsp/a\n- group/t\n- lsp/p\n- lsp/w\n- section/east\n- section/west\n")
	})
}

func sectionKey(name string) dataplane.Key {
	return dataplane.Key{Kind: dataplane.KindSection, Name: name}
}

// TestAgain puts what is there and what failed once more, and nothing else.
func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.begin(t, tunnel()...)
		r.plan()
		r.Again(dataplane.KindSection)
		r.flush(t)
		sections := 0
		for _, o := range tunnel() {
			if o.Key().Kind == dataplane.KindSection {
				sections++
			}
		}
		ops := r.driver.TakeOps()
		for _, op := range ops {
			if op.Verb != dataplane.Put || op.Key.Kind != dataplane.KindSection {
				t.Errorf("%v %v", op.Verb, op.Key)
			}
		}
		if len(ops) != sections || sections == 0 {
			t.Errorf("%d operations for %d sections", len(ops), sections)
		}
		r.Again(dataplane.KindSwitchingPoint) // There is none.
		r.flush(t)
		if ops := r.driver.TakeOps(); len(ops) != 0 {
			t.Errorf("%d operations", len(ops))
		}
	})
}
