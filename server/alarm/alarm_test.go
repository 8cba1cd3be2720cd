package alarm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// compile compiles the modules that the element serves, with the given features
// of ietf-alarms.
func compile(t testing.TB, features ...string) *schema.Schema {
	t.Helper()
	var o schema.Options
	for _, pattern := range []string{"../../yang/*.yang", "../../yang/standard/*.yang"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			o.Sources = append(o.Sources, schema.Source{Name: filepath.Base(name), Text: text})
		}
	}
	o.Implement = []string{"iana-if-type", "ietf-alarms", "ietf-interfaces", "mtp-alarms", "mtp-node"}
	o.Features = map[string][]string{"ietf-alarms": features}
	s, err := schema.Compile(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type rig struct {
	t      testing.TB
	schema *schema.Schema
	hub    *oper.Hub
	list   *List
	notes  *oper.NotifSub
	at     time.Time
}

func newRig(t testing.TB, features ...string) *rig {
	t.Helper()
	r := &rig{t: t, schema: compile(t, features...), at: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	r.hub = oper.New(r.schema, nil, r.now)
	var err error
	if r.notes, err = r.hub.Notifications(oper.NETCONF, 0); err != nil {
		t.Fatal(err)
	}
	if r.list, err = New(r.hub, r.schema, r.now); err != nil {
		t.Fatal(err)
	}
	return r
}

func both() []string { return []string{"alarm-history", "alarm-summary"} }

func (r *rig) now() time.Time { return r.at }

func (r *rig) path(text string) tree.Path {
	p, err := tree.ParsePath(r.schema, text)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rig) id(section, kind string) ID {
	return ID{Resource: r.path("/mtp-node:mpls-tp/sections/section[name='" + section + "']"), TypeID: "mtp-alarms:" + kind}
}

func (r *rig) raise(id ID, sev Severity, text string) {
	r.t.Helper()
	if err := r.list.Raise(Alarm{ID: id, Severity: sev, Text: text, Time: r.at}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) clear(id ID) {
	r.t.Helper()
	if err := r.list.Clear(id, r.at); err != nil {
		r.t.Fatal(err)
	}
}

// dump prints the leafs at a path of the state, "name value" each.
func (r *rig) dump(path string) string {
	r.t.Helper()
	n := r.hub.State().Get(r.path(path))
	var lines []string
	tree.Walk(n, nil, func(p tree.Path, n *tree.Node) bool {
		if k := n.Schema().Kind; k == schema.Leaf || k == schema.LeafList {
			lines = append(lines, n.Schema().Name+" "+n.Value().String())
		}
		return true
	})
	return strings.Join(lines, "\n")
}

// alarmPath is the place of a section's alarm.
func alarmPath(section, kind string) string {
	return fmt.Sprintf(`/ietf-alarms:alarms/alarm-list/alarm[resource="/mtp-node:mpls-tp/sections/section[name='%s']"][alarm-type-id='mtp-alarms:%s'][alarm-type-qualifier='']`, section, kind)
}

// notified returns the notifications that wait, each as its severity and text.
func (r *rig) notified() []string {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var list []string
	for {
		n, err := r.notes.Next(ctx)
		if err != nil {
			return list
		}
		get := func(name string) string { return n.Node.ChildNamed(name).Value().String() }
		list = append(list, fmt.Sprintf("%s %s %s %s", get("time"), get("alarm-type-id"), get("perceived-severity"), get("alarm-text")))
	}
}

func (r *rig) want(path, want string) {
	r.t.Helper()
	if got := r.dump(path); got != strings.TrimSpace(strings.ReplaceAll(want, "\t", "")) {
		r.t.Errorf("%s holds\n%s\nwant\n%s", path, got, strings.ReplaceAll(want, "\t", ""))
	}
}

func TestLifeOfAnAlarm(t *testing.T) {
	r := newRig(t, both()...)
	id := r.id("s1", "loss-of-continuity")
	r.raise(id, "", "no CC for 30 ms")
	r.want(alarmPath("s1", "loss-of-continuity"), `resource /mtp-node:mpls-tp/sections/section[name='s1']
		alarm-type-id mtp-alarms:loss-of-continuity
		alarm-type-qualifier 
		time-created 2026-11-21T12:00:00.000000Z
		is-cleared false
		last-raised 2026-11-21T12:00:00.000000Z
		last-changed 2026-11-21T12:00:00.000000Z
		perceived-severity critical
		alarm-text no CC for 30 ms
		time 2026-11-21T12:00:00.000000Z
		perceived-severity critical
		alarm-text no CC for 30 ms`)
	r.at = r.at.Add(time.Second)
	r.clear(id)
	r.at = r.at.Add(time.Second)
	r.raise(id, Major, "no CC for 10 s")
	r.want(alarmPath("s1", "loss-of-continuity"), `resource /mtp-node:mpls-tp/sections/section[name='s1']
		alarm-type-id mtp-alarms:loss-of-continuity
		alarm-type-qualifier 
		time-created 2026-11-21T12:00:00.000000Z
		is-cleared false
		last-raised 2026-11-21T12:00:02.000000Z
		last-changed 2026-11-21T12:00:02.000000Z
		perceived-severity major
		alarm-text no CC for 10 s
		time 2026-11-21T12:00:00.000000Z
		perceived-severity critical
		alarm-text no CC for 30 ms
		time 2026-11-21T12:00:01.000000Z
		perceived-severity cleared
		alarm-text no CC for 30 ms
		time 2026-11-21T12:00:02.000000Z
		perceived-severity major
		alarm-text no CC for 10 s`)
	r.want("/ietf-alarms:alarms/summary/alarm-summary[severity='major']", "severity major\ntotal 1\nnot-cleared 1\ncleared 0")
	r.want("/ietf-alarms:alarms/summary/alarm-summary[severity='critical']", "severity critical\ntotal 0\nnot-cleared 0\ncleared 0")
	want := []string{
		"2026-11-21T12:00:00.000000Z mtp-alarms:loss-of-continuity critical no CC for 30 ms",
		"2026-11-21T12:00:01.000000Z mtp-alarms:loss-of-continuity cleared no CC for 30 ms",
		"2026-11-21T12:00:02.000000Z mtp-alarms:loss-of-continuity major no CC for 10 s",
	}
	if got := r.notified(); !slices.Equal(got, want) {
		t.Errorf("notifications %q\nwant %q", got, want)
	}
}

func TestSummaryAndCount(t *testing.T) {
	r := newRig(t, both()...)
	a, b, c := r.id("s1", "loss-of-continuity"), r.id("s2", "loss-of-continuity"), r.id("s1", "locked")
	r.raise(a, "", "a")
	r.raise(b, Major, "b")
	r.raise(c, "", "c")
	r.clear(b)
	r.want("/ietf-alarms:alarms/summary", `severity critical
		total 1
		not-cleared 1
		cleared 0
		severity indeterminate
		total 0
		not-cleared 0
		cleared 0
		severity major
		total 1
		not-cleared 0
		cleared 1
		severity minor
		total 0
		not-cleared 0
		cleared 0
		severity warning
		total 1
		not-cleared 1
		cleared 0`)
	r.want("/ietf-alarms:alarms/alarm-list/number-of-alarms", "number-of-alarms 3")
}

func TestReportsThatSayNothingNew(t *testing.T) {
	r := newRig(t, both()...)
	id := r.id("s1", "loss-of-continuity")
	r.clear(id)
	r.raise(id, Critical, "x")
	before := r.hub.State()
	r.raise(id, Critical, "x")
	r.raise(id, "", "x")
	r.clear(r.id("s2", "loss-of-continuity"))
	if r.hub.State() != before {
		t.Error("a repeated report changed the state")
	}
	r.clear(id)
	before = r.hub.State()
	r.clear(id)
	if r.hub.State() != before || len(r.notified()) != 2 {
		t.Error("a second clear changed something")
	}
}

func TestQualifiersMakeAlarmsDiffer(t *testing.T) {
	r := newRig(t, both()...)
	id := r.id("s1", "protection-protocol-failure")
	for _, q := range []string{"nr", "to"} {
		id.Qualifier = q
		r.raise(id, "", q)
	}
	r.clear(id)
	r.want("/ietf-alarms:alarms/summary/alarm-summary[severity='major']", "severity major\ntotal 2\nnot-cleared 1\ncleared 1")
}

func TestTimesOfOneAlarmAscend(t *testing.T) {
	r := newRig(t, both()...)
	id := r.id("s1", "loss-of-continuity")
	r.raise(id, "", "x")
	r.at = r.at.Add(-time.Hour) // the clock was set back
	r.clear(id)
	r.raise(id, "", "x")
	var times []string
	for _, n := range r.notified() {
		times = append(times, n[:27])
	}
	want := []string{"2026-11-21T12:00:00.000000Z", "2026-11-21T12:00:00.000001Z", "2026-11-21T12:00:00.000002Z"}
	if !slices.Equal(times, want) {
		t.Errorf("times %q, want %q", times, want)
	}
}

func TestStatusChangesAreBounded(t *testing.T) {
	r := newRig(t, both()...)
	id := r.id("s1", "loss-of-continuity")
	for range 50 {
		r.raise(id, "", "x")
		r.clear(id)
	}
	changes := r.hub.State().Get(r.path(alarmPath("s1", "loss-of-continuity") + "/status-change"))
	if changes.Len() != maxStatusChanges {
		t.Errorf("%d status changes, want %d", changes.Len(), maxStatusChanges)
	}
	last := changes.EntryAt(changes.Len() - 1)
	if got := last.ChildNamed("perceived-severity").Value().String(); got != "cleared" {
		t.Errorf("the latest status change is %s", got)
	}
	if got := last.Keys()[0].String(); got != "2026-11-21T12:00:00.000099Z" {
		t.Errorf("the latest status change is of %s", got)
	}
}

func TestClearedAlarmsAreBounded(t *testing.T) {
	r := newRig(t, both()...)
	active := r.id("stays", "loss-of-continuity")
	r.raise(active, "", "x")
	for i := range maxCleared + 3 {
		id := r.id(fmt.Sprint("s", i), "loss-of-continuity")
		r.raise(id, "", "x")
		r.clear(id)
	}
	alarms := r.hub.State().Get(r.path("/ietf-alarms:alarms/alarm-list/alarm"))
	if alarms.Len() != maxCleared+1 {
		t.Errorf("%d alarms", alarms.Len())
	}
	for section, kept := range map[string]bool{"stays": true, "s0": false, "s2": false, "s3": true} {
		if got := r.hub.State().Get(r.path(alarmPath(section, "loss-of-continuity"))) != nil; got != kept {
			t.Errorf("the alarm of %s is there: %v, want %v", section, got, kept)
		}
	}
	r.want("/ietf-alarms:alarms/summary/alarm-summary[severity='critical']",
		fmt.Sprintf("severity critical\ntotal %d\nnot-cleared 1\ncleared %d", maxCleared+1, maxCleared))
}

func TestInventory(t *testing.T) {
	r := newRig(t, both()...)
	list := r.hub.State().Get(r.path("/ietf-alarms:alarms/alarm-inventory/alarm-type"))
	module := r.schema.Module("mtp-alarms")
	seen := map[string]bool{}
	for e := range list.Children() {
		seen[e.Keys()[0].String()] = true
		if d := e.ChildNamed("description").Value().String(); len(d) < 20 || strings.Contains(d, "\n") {
			t.Errorf("%s is described as %q", e.Keys()[0], d)
		}
		if e.ChildNamed("severity-level").Len() == 0 || e.ChildNamed("will-clear").Value().String() != "true" {
			t.Errorf("%s lacks severities or will-clear", e.Keys()[0])
		}
	}
	// The table in Go and the module list the same concrete types.
	for _, i := range r.schema.Identity(module, "mpls-tp-alarm").Derived {
		if !seen[i.String()] {
			t.Errorf("%s is missing in the inventory", i)
		}
		delete(seen, i.String())
	}
	if len(seen) > 0 {
		t.Errorf("the module does not have %v", seen)
	}
	for _, typ := range Types() {
		if !slices.Contains(typ.Levels, typ.Severity) {
			t.Errorf("%s: the default %s is none of its levels", typ.ID, typ.Severity)
		}
	}
}

func TestRaiseRefuses(t *testing.T) {
	r := newRig(t, both()...)
	good := Alarm{ID: r.id("s1", "loss-of-continuity"), Severity: Major, Text: "x"}
	tests := []struct {
		name string
		edit func(*Alarm)
		want string
	}{
		{"unknown type", func(a *Alarm) { a.TypeID = "mtp-alarms:fire" }, "no alarm type"},
		{"abstract type", func(a *Alarm) { a.TypeID = "mtp-alarms:mpls-tp-alarm" }, "no alarm type"},
		{"severity of another type", func(a *Alarm) { a.Severity = Warning }, "severity"},
		{"severity that is none", func(a *Alarm) { a.Severity = "cleared" }, "severity"},
		{"no text", func(a *Alarm) { a.Text = "" }, "no text"},
		{"no resource", func(a *Alarm) { a.Resource = nil }, "no resource"},
	}
	before := r.hub.State()
	for _, test := range tests {
		a := good
		test.edit(&a)
		if err := r.list.Raise(a); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
		}
	}
	if r.hub.State() != before || len(r.notified()) != 0 {
		t.Error("a refused report changed something")
	}
}

func TestWithoutOptionalFeatures(t *testing.T) {
	r := newRig(t)
	id := r.id("s1", "loss-of-continuity")
	r.raise(id, "", "x")
	r.clear(id)
	r.want("/ietf-alarms:alarms/alarm-list/number-of-alarms", "number-of-alarms 1")
	if len(r.notified()) != 2 {
		t.Error("notifications are missing")
	}
}

func TestNewNeedsTheModules(t *testing.T) {
	s, err := schema.Compile(schema.Options{
		Sources: []schema.Source{{Name: "x.yang", Text: []byte(
			`module x { yang-version 1.1; namespace "urn:x"; prefix x; leaf y { type string; } }`)}},
		Implement: []string{"x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(oper.New(s, nil, nil), s, nil); err == nil {
		t.Error("an alarm list without a model was made")
	}
}

func TestConcurrentReports(t *testing.T) {
	r := newRig(t, both()...)
	ids := make([]ID, 4)
	for i := range ids {
		ids[i] = r.id(fmt.Sprint("s", i), "loss-of-continuity")
	}
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			for range 50 {
				if err := r.list.Raise(Alarm{ID: id, Text: "x"}); err != nil {
					t.Error(err)
				}
				if err := r.list.Clear(id, time.Time{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(r.notified()); n != 400 {
		t.Errorf("%d notifications, want 400", n)
	}
	r.want("/ietf-alarms:alarms/summary/alarm-summary[severity='critical']", "severity critical\ntotal 4\nnot-cleared 0\ncleared 4")
}

// BenchmarkRaiseClear toggles one alarm among 10,000.
func BenchmarkRaiseClear(b *testing.B) {
	r := newRig(b, both()...)
	var ids []ID
	for i := range 10_000 {
		ids = append(ids, r.id(fmt.Sprint("s", i), "loss-of-continuity"))
		r.raise(ids[i], "", "x")
	}
	r.notes.Close()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		id := ids[i%len(ids)]
		i++
		if err := r.list.Clear(id, time.Time{}); err != nil {
			b.Fatal(err)
		}
		r.at = r.at.Add(time.Millisecond)
		if err := r.list.Raise(Alarm{ID: id, Text: "x"}); err != nil {
			b.Fatal(err)
		}
	}
}
