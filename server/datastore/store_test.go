package datastore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
	"github.com/tandem-ne/tandem/server/yangerr"
)

var bg = context.Background()

func TestEditCommitAndReadBack(t *testing.T) {
	st := newStore(t)
	a, b := st.session(), st.session()
	if err := a.Edit(bg, []tree.Edit{set(st.schema, "/lsp[name='x']/label", "100")}); err != nil {
		t.Fatal(err)
	}
	if got := leaf(st.schema, st.Running().Root, "/lsp[name='x']/label"); got != "-" {
		t.Errorf("running has %s before the commit", got)
	}
	if got := leaf(st.schema, b.Candidate(), "/lsp[name='x']/label"); got != "100" {
		t.Errorf("another session sees %s in the candidate", got)
	}
	c, err := a.Commit(bg, CommitOptions{Comment: "first"})
	if err != nil {
		t.Fatal(err)
	}
	if c.ID != 1 || c.SessionID != a.ID() || c.Session.User != "ops" || c.New != st.Running().Root || c.Old == c.New {
		t.Errorf("commit %+v", c)
	}
	if got := leaf(st.schema, st.Running().Root, "/lsp[name='x']/label"); got != "100" {
		t.Errorf("running has %s", got)
	}
	if b.Candidate() != st.Running().Root {
		t.Error("after the commit the candidate is not running")
	}
}

func TestFailedEditChangesNothing(t *testing.T) {
	st := newStore(t)
	a := st.session()
	good := set(st.schema, "/lsp[name='x']/label", "100")
	if err := a.Edit(bg, []tree.Edit{good}); err != nil {
		t.Fatal(err)
	}
	before := a.Candidate()
	err := a.Edit(bg, []tree.Edit{set(st.schema, "/lsp[name='y']/label", "101"), del(st.schema, "/lsp[name='z']")})
	wantTag(t, err, yangerr.DataMissing)
	if a.Candidate() != before {
		t.Error("the candidate changed")
	}
	_, err = a.Transact(bg, func(*tree.Node) ([]tree.Edit, error) {
		return []tree.Edit{good, del(st.schema, "/lsp[name='z']")}, nil
	}, CommitOptions{})
	wantTag(t, err, yangerr.DataMissing)
	_, err = a.Transact(bg, func(*tree.Node) ([]tree.Edit, error) { return nil, errTest }, CommitOptions{})
	if !errors.Is(err, errTest) {
		t.Errorf("error %v, want the function's", err)
	}
	if st.Running().ID != 0 {
		t.Error("running changed")
	}
}

func TestEmptyCommitWritesNothing(t *testing.T) {
	st := newStore(t)
	a := st.session()
	calls := 0
	st.OnCommit(func(Commit) { calls++ })
	st.Register(prepare(func(*Change) (func(), error) { calls++; return nil, nil }))
	transact(t, a, set(st.schema, "/lsp[name='x']/label", "100"))
	calls = 0
	first := st.Running()
	for _, c := range []Commit{
		transact(t, a),
		transact(t, a, set(st.schema, "/lsp[name='x']/label", "100")),
		transact(t, a, set(st.schema, "/lsp[name='y']", ""), del(st.schema, "/lsp[name='y']")),
	} {
		if c.ID != first.ID || c.Old != first.Root || c.New != first.Root {
			t.Errorf("commit %+v, want commit %d unchanged", c, first.ID)
		}
	}
	if c, err := a.Commit(bg, CommitOptions{}); err != nil || c.ID != first.ID {
		t.Errorf("commit of an untouched candidate: %+v, %v", c, err)
	}
	if calls != 0 || st.Running() != first || len(st.History(0)) != 1 {
		t.Errorf("%d calls, running %d, %d commits in the history", calls, st.Running().ID, len(st.History(0)))
	}
}

type prepare func(*Change) (func(), error)

func (f prepare) Prepare(_ context.Context, c *Change) (func(), error) { return f(c) }

func TestPipelineOrder(t *testing.T) {
	s := box(t)
	var steps []string
	step := func(format string, args ...any) { steps = append(steps, fmt.Sprintf(format, args...)) }
	var st *Store
	st, err := Open(Options{
		Schema: s, Validator: validate.New(s, rule(func(*validate.Context) yangerr.List { step("validate"); return nil })),
		Dir: t.TempDir(), Log: quiet(), Clock: tick(),
		Authorize: func(i SessionInfo, c *Change) yangerr.List { step("authorize %s", i.User); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for _, name := range []string{"dataplane", "oam"} {
		st.Register(prepare(func(c *Change) (func(), error) {
			step("prepare %s %d", name, st.Running().ID)
			return func() { step("apply %s %d", name, st.Running().ID) }, nil
		}))
	}
	st.OnCommit(func(c Commit) { step("notify %d", c.ID) })
	a := st.session()
	transact(t, a, set(s, "/lsp[name='x']/label", "100"))
	want := []string{"validate", "authorize ops", "prepare dataplane 0", "prepare oam 0", "apply dataplane 1", "apply oam 1", "notify 1"}
	if !slices.Equal(steps, want) {
		t.Errorf("steps %q\nwant  %q", steps, want)
	}
	// Validate goes the same way without a trace, and needs no right to write.
	steps = nil
	if err := a.Edit(bg, []tree.Edit{set(s, "/lsp[name='x']/label", "101")}); err != nil {
		t.Fatal(err)
	}
	if err := a.Validate(bg, nil); err != nil {
		t.Fatal(err)
	}
	want = []string{"validate", "prepare dataplane 1", "prepare oam 1"}
	if !slices.Equal(steps, want) {
		t.Errorf("validate: steps %q\nwant  %q", steps, want)
	}
}

type rule func(*validate.Context) yangerr.List

func (f rule) Check(c *validate.Context) yangerr.List { return f(c) }

// TestDurableBeforeItIsSeen: nobody sees a commit that a crash could still undo.
func TestDurableBeforeItIsSeen(t *testing.T) {
	s := box(t)
	var st *Store
	var steps []string
	lim := defaultLimits()
	lim.step = func(point string) {
		if st != nil {
			steps = append(steps, fmt.Sprintf("%s %d", point, st.Running().ID))
		}
	}
	opened, err := open(Options{Schema: s, Validator: validate.New(s), Dir: t.TempDir(), Log: quiet()}, lim)
	if err != nil {
		t.Fatal(err)
	}
	st = opened
	st.Register(prepare(func(*Change) (func(), error) {
		return func() { steps = append(steps, fmt.Sprintf("apply %d", st.Running().ID)) }, nil
	}))
	transact(t, st.session(), set(s, "/lsp[name='x']/label", "100"))
	want := []string{"append 0", "append written 0", "append durable 0", "apply 1"}
	if !slices.Equal(steps, want) {
		t.Errorf("steps %q, want %q", steps, want)
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}

// TestWhenDeletes: data under a when that a commit makes false is deleted (RFC
// 7950 section 8.2), and the candidate is running afterwards.
func TestWhenDeletes(t *testing.T) {
	s := box(t, "leaf tc { type uint8; }", `leaf tc { when "../operation = 'swap'"; type uint8; }`)
	st := openStore(t, s, t.TempDir())
	a := st.session()
	x := "/lsp[name='x']"
	transact(t, a, set(s, x+"/operation", "swap"), set(s, x+"/tc", "3"))
	if err := a.Edit(bg, []tree.Edit{set(s, x+"/operation", "pop")}); err != nil {
		t.Fatal(err)
	}
	if err := a.Validate(bg, nil); err != nil {
		t.Error(err)
	}
	c, err := a.Commit(bg, CommitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if leaf(s, c.New, x+"/tc") != "-" || leaf(s, c.New, x+"/operation") != "pop" || a.Candidate() != c.New {
		t.Errorf("tc is %s, operation %s", leaf(s, c.New, x+"/tc"), leaf(s, c.New, x+"/operation"))
	}
	// The same in one transaction; the record has the deletion too.
	transact(t, a, set(s, x+"/operation", "swap"), set(s, x+"/tc", "4"))
	c = transact(t, a, set(s, x+"/operation", "push"))
	if leaf(s, c.New, x+"/tc") != "-" {
		t.Error("a transaction left what its when forbids")
	}
	before, err := st.At(c.ID - 1)
	if err != nil || leaf(s, before.Root, x+"/tc") != "4" {
		t.Errorf("before it tc was %s, %v", leaf(s, before.Root, x+"/tc"), err)
	}
	// New data where a when is false is the client's mistake.
	_, err = a.Transact(bg, func(*tree.Node) ([]tree.Edit, error) { return []tree.Edit{set(s, x+"/tc", "5")}, nil }, CommitOptions{})
	if err == nil {
		t.Error("data whose when is false was committed")
	}
}

func TestRefusedCommitChangesNothing(t *testing.T) {
	s := box(t)
	refuse := ""
	refusal := func(name string) yangerr.List {
		if refuse == name {
			return yangerr.List{yangerr.New(yangerr.InvalidValue, parse(s, "/lsp[name='x']"), "refused by %s", name)}
		}
		return nil
	}
	applied := 0
	dir := t.TempDir()
	open := func() *Store {
		st, err := Open(Options{
			Schema: s, Validator: validate.New(s, rule(func(*validate.Context) yangerr.List { return refusal("rule") })),
			Dir: dir, Log: quiet(), Authorize: func(SessionInfo, *Change) yangerr.List { return refusal("access") },
		})
		if err != nil {
			t.Fatal(err)
		}
		st.Register(prepare(func(*Change) (func(), error) { return func() { applied++ }, nil }))
		st.Register(prepare(func(*Change) (func(), error) { return nil, refusal("engine").Err() }))
		st.OnCommit(func(Commit) { applied++ })
		return st
	}
	st := open()
	a := st.session()
	for _, refuse = range []string{"rule", "access", "engine"} {
		if err := a.Edit(bg, []tree.Edit{set(s, "/lsp[name='x']/label", "100")}); err != nil {
			t.Fatal(err)
		}
		kept := a.Candidate()
		_, err := a.Commit(bg, CommitOptions{})
		wantTag(t, err, yangerr.InvalidValue)
		if err := a.Validate(bg, nil); refuse == "access" && err != nil {
			t.Errorf("validate asks for the right to write: %v", err)
		} else if refuse != "access" {
			wantTag(t, err, yangerr.InvalidValue)
		}
		_, err = a.Transact(bg, func(*tree.Node) ([]tree.Edit, error) {
			return []tree.Edit{set(s, "/lsp[name='x']/label", "101")}, nil
		}, CommitOptions{})
		wantTag(t, err, yangerr.InvalidValue)
		if l := yangerr.From(err); l[0].Path == nil || l[0].Path.String() != "/box:box/lsp[name='x']" {
			t.Errorf("%s: the error's path is %v", refuse, l[0].Path)
		}
		if st.Running().ID != 0 || applied != 0 || a.Candidate() != kept || len(st.History(0)) != 0 {
			t.Errorf("%s: something changed", refuse)
		}
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	refuse = ""
	st = open()
	defer st.Close()
	if st.Running().ID != 0 || st.Running().Root.Len() != 0 {
		t.Error("a refused commit was stored")
	}
}

func TestCommitIsRefusedAfterItsContext(t *testing.T) {
	st := newStore(t)
	a, b := st.session(), st.session()
	inside, leave := make(chan struct{}), make(chan struct{})
	st.Register(prepare(func(*Change) (func(), error) {
		close(inside)
		<-leave
		return nil, nil
	}))
	done := make(chan error, 1)
	go func() {
		_, err := a.Transact(bg, func(*tree.Node) ([]tree.Edit, error) {
			return []tree.Edit{set(st.schema, "/lsp[name='x']/label", "100")}, nil
		}, CommitOptions{})
		done <- err
	}()
	<-inside
	ctx, cancel := context.WithCancel(bg)
	cancel()
	_, err := b.Commit(ctx, CommitOptions{})
	wantTag(t, err, yangerr.ResourceDenied)
	wantTag(t, b.Lock(ctx, Running), yangerr.ResourceDenied)
	// Readers of running do not wait for the commit that stands still.
	if st.Running().ID != 0 || b.Candidate() == nil {
		t.Error("a reader saw something else")
	}
	close(leave)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCommitGivenUpByItsClient(t *testing.T) {
	st := newStore(t)
	ctx, cancel := context.WithCancel(bg)
	st.Register(prepare(func(*Change) (func(), error) { cancel(); return nil, nil }))
	_, err := st.session().Transact(ctx, func(*tree.Node) ([]tree.Edit, error) {
		return []tree.Edit{set(st.schema, "/lsp[name='x']/label", "100")}, nil
	}, CommitOptions{})
	wantTag(t, err, yangerr.OperationFailed)
	if st.Running().ID != 0 {
		t.Error("the commit was made")
	}
}

func TestJournalThatCannotBeWritten(t *testing.T) {
	s := box(t)
	st, err := Open(Options{Schema: s, Validator: validate.New(s), Dir: t.TempDir(), Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	a := st.session()
	transact(t, a, set(st.schema, "/lsp[name='x']/label", "100"))
	applied := 0
	st.Register(prepare(func(*Change) (func(), error) { return func() { applied++ }, nil }))
	before := st.Running()
	if err := st.journal.tail.file.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = a.Transact(bg, func(*tree.Node) ([]tree.Edit, error) {
		return []tree.Edit{set(st.schema, "/lsp[name='x']/label", "101")}, nil
	}, CommitOptions{})
	wantTag(t, err, yangerr.OperationFailed)
	if st.Running() != before || applied != 0 || len(st.History(0)) != 1 {
		t.Error("a commit that could not be written has changed something")
	}
	if err := st.Close(); err == nil {
		t.Error("the end of a journal that cannot be written is no error")
	}
}

func TestInitialConfiguration(t *testing.T) {
	s := box(t)
	dir := t.TempDir()
	factory := apply(t, tree.Empty(s), set(s, "/lsp[name='f']/label", "100"))
	o := Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet(), Initial: factory}
	for range 2 {
		st, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		h := st.History(0)
		if st.Running().ID != 1 || len(h) != 1 || h[0].Session.User != "system" || !tree.Equal(st.Running().Root, factory) {
			t.Errorf("running %d, history %+v", st.Running().ID, h)
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// Later starts keep what is stored, whatever the factory says.
	o.Initial = apply(t, factory, set(s, "/lsp[name='g']/label", "101"))
	st, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if leaf(s, st.Running().Root, "/lsp[name='g']/label") != "-" {
		t.Error("a later start took the initial configuration")
	}
}

func TestInvalidInitialConfigurationIsRefused(t *testing.T) {
	s := box(t)
	no := rule(func(*validate.Context) yangerr.List {
		return yangerr.List{yangerr.New(yangerr.OperationFailed, nil, "no")}
	})
	_, err := Open(Options{
		Schema: s, Validator: validate.New(s, no), Dir: t.TempDir(), Log: quiet(),
		Initial: apply(t, tree.Empty(s), set(s, "/lsp[name='f']/label", "100")),
	})
	wantTag(t, err, yangerr.OperationFailed)
}

func TestOpenRefusesBadOptions(t *testing.T) {
	s := box(t)
	for _, o := range []Options{
		{},
		{Schema: s, Validator: validate.New(s)},
		{Schema: s, Dir: t.TempDir()},
		{Schema: s, Validator: validate.New(s), Dir: "testdata/box.yang"},
	} {
		if st, err := Open(o); err == nil {
			t.Errorf("%+v opened", o)
			st.Close()
		}
	}
}

func TestHistory(t *testing.T) {
	s := box(t)
	const kept, made = 30, 2*30 + 5
	st, err := open(Options{Schema: s, Validator: validate.New(s), Dir: t.TempDir(), Log: quiet()}, smallLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	a := st.NewSession(SessionInfo{User: "eve", Protocol: "gnmi", Peer: "p"}, nil)
	for i := range made {
		ed := set(st.schema, "/lsp[name='x']/label", fmt.Sprint(16+i))
		_, err := a.Transact(bg, func(*tree.Node) ([]tree.Edit, error) { return []tree.Edit{ed}, nil }, CommitOptions{Comment: fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	h := st.History(3)
	if len(h) != 3 || h[0].ID != made || h[2].ID != h[0].ID-2 || h[0].Comment != fmt.Sprint(made-1) ||
		h[0].Session.User != "eve" || h[0].SessionID != a.ID() || h[0].Time.IsZero() {
		t.Errorf("history %+v", h)
	}
	if n := len(st.History(0)); n < kept || n > 2*kept {
		t.Errorf("%d commits are kept", n)
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	st := newStore(t)
	a := st.session()
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	b := st.session()
	for _, session := range []*Session{a, b} {
		_, err := session.Commit(bg, CommitOptions{})
		wantTag(t, err, yangerr.OperationFailed)
		wantTag(t, session.Edit(bg, nil), yangerr.OperationFailed)
		wantTag(t, session.Lock(bg, Running), yangerr.OperationFailed)
		wantTag(t, session.Unlock(bg, Running), yangerr.OperationFailed)
		wantTag(t, session.Validate(bg, nil), yangerr.OperationFailed)
	}
	if st.Running().Root == nil {
		t.Error("running cannot be read any more")
	}
}

// TestConcurrentUse has writers, lockers and readers at work at once: every
// commit is seen by the callbacks in order, and what running holds in the end is
// what the successful transactions wrote.
func TestConcurrentUse(t *testing.T) {
	st := newStore(t)
	var last uint64
	st.OnCommit(func(c Commit) {
		if c.ID != last+1 {
			t.Errorf("commit %d follows %d", c.ID, last)
		}
		last = c.ID
	})
	var done atomic.Bool
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			var id uint64
			for !done.Load() {
				snap := st.Running()
				if snap.ID < id {
					t.Errorf("commit %d was read after %d", snap.ID, id)
				}
				id = snap.ID
				for range snap.Root.Children() {
				}
				st.Locks()
				st.History(2)
			}
		})
	}
	var wrote [3]int
	for w := range 3 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for i := range 60 {
				session := st.session()
				switch r.IntN(4) {
				case 0:
					if session.Lock(bg, Candidate) == nil {
						if err := session.Edit(bg, []tree.Edit{set(st.schema, "/values/plain", fmt.Sprint(i))}); err != nil {
							t.Error(err)
						}
						if r.IntN(2) == 0 {
							if _, err := session.Commit(bg, CommitOptions{}); err != nil && !yangerr.From(err).Has(yangerr.InUse) {
								t.Error(err)
							}
						}
					}
				default:
					ed := set(st.schema, fmt.Sprintf("/lsp[name='w%d']/label", w), fmt.Sprint(1000*w+100+i))
					_, err := session.Transact(bg, func(*tree.Node) ([]tree.Edit, error) { return []tree.Edit{ed}, nil }, CommitOptions{})
					switch {
					case err == nil:
						wrote[w] = 1000*w + 100 + i
					case !yangerr.From(err).Has(yangerr.InUse):
						t.Error(err)
					}
				}
				session.Close()
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
	for w, label := range wrote {
		want := "-"
		if label > 0 {
			want = fmt.Sprint(label)
		}
		if got := leaf(st.schema, st.Running().Root, fmt.Sprintf("/lsp[name='w%d']/label", w)); got != want {
			t.Errorf("writer %d: label %s, want %s", w, got, want)
		}
	}
	if last != st.Running().ID || len(st.Sessions()) != 0 || len(st.Locks()) != 0 {
		t.Errorf("last %d of %d, %d sessions, %d locks", last, st.Running().ID, len(st.Sessions()), len(st.Locks()))
	}
}
