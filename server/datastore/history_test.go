package datastore

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// appTag returns the app-tag of an invalid-value, or the whole error.
func appTag(err error) string {
	if l := yangerr.From(err); len(l) == 1 && l[0].Tag == yangerr.InvalidValue {
		return l[0].AppTag
	}
	return fmt.Sprint(err)
}

func TestAtGoesBackToEveryCommit(t *testing.T) {
	s := box(t)
	for _, lim := range []limits{smallLimits(), manySegments(), defaultLimits()} {
		dir, after := stored(t, s, 200, lim)
		st, err := open(Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet()}, lim)
		if err != nil {
			t.Fatal(err)
		}
		oldest := st.Oldest()
		if pruned := oldest > 0; pruned != (lim.records == smallLimits().records) || oldest > 200-30 {
			t.Errorf("the oldest commit is %d", oldest)
		}
		for id := range uint64(203) {
			at, err := st.At(id)
			switch {
			case id > 200:
				if appTag(err) != AppNoSuchCommit {
					t.Errorf("commit %d: %v", id, err)
				}
			case id < oldest:
				if appTag(err) != AppCommitNotKept {
					t.Errorf("commit %d: %v", id, err)
				}
			case err != nil || at.ID != id || !tree.Equal(at.Root, after[id]) || id > oldest && at.Time.IsZero():
				t.Errorf("commit %d: %d of %v, %v", id, at.ID, at.Time, err)
			}
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAtBesideCommits reads the history while it is written and pruned.
func TestAtBesideCommits(t *testing.T) {
	s := box(t)
	st, err := open(Options{Schema: s, Validator: validate.New(s), Dir: t.TempDir(), Log: quiet()}, smallLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	var after sync.Map
	after.Store(uint64(0), st.Running().Root)
	done := make(chan struct{})
	var readers sync.WaitGroup
	read := 0
	readers.Go(func() {
		r := rand.New(rand.NewPCG(21, 22))
		for {
			select {
			case <-done:
				return
			default:
			}
			cur := st.Running().ID
			id := cur - min(cur, r.Uint64N(40))
			at, err := st.At(id)
			if err != nil {
				if appTag(err) != AppCommitNotKept {
					t.Error(err)
				}
				continue
			}
			if want, ok := after.Load(id); ok {
				read++
				if !tree.Equal(at.Root, want.(*tree.Node)) {
					t.Errorf("commit %d is not what it was", id)
				}
			}
		}
	})
	session := st.session()
	for id := range uint64(300) {
		c := transact(t, session, commitEdits(s, id+1)...)
		after.Store(c.ID, c.New)
	}
	close(done)
	readers.Wait()
	if read == 0 {
		t.Error("nothing was read")
	}
}

func TestAtUnderAnotherSchema(t *testing.T) {
	s := box(t)
	dir := t.TempDir()
	st := openStore(t, s, dir)
	session := st.session()
	transact(t, session, set(s, "/values/tag[.='a']", ""))
	transact(t, session, del(s, "/values"))
	transact(t, session, set(s, "/lsp[name='x']/label", "100"))
	st.journal.limits.atClose = false // as after a crash
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	// What is in force fits; what was deleted does not.
	other := box(t, "container values {", "container others {")
	refused(t, dir, other, "no node box:values") // the record of commit 1 has to be applied
	st, err := open(Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet()}, smallLimits())
	if err != nil {
		t.Fatal(err)
	}
	if err := st.journal.checkpoint(st.Running()); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	st = openStore(t, other, dir)
	if _, err := st.At(2); err != nil {
		t.Error(err)
	}
	if _, err := st.At(1); appTag(err) != AppCommitNotKept {
		t.Error(err)
	}
}

// TestAModuleMayGoAfterItsData: what was deleted does not refuse a start without
// its module once the store was closed, though an older checkpoint holds it.
func TestAModuleMayGoAfterItsData(t *testing.T) {
	s, dir := box(t), t.TempDir()
	begin := func(s *schema.Schema) *Store {
		t.Helper()
		st, err := Open(Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	end := func(st *Store) {
		t.Helper()
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
	st := begin(s)
	session := st.NewSession(SessionInfo{User: "alice"}, nil)
	transact(t, session, set(s, "/values/tag[.='a']", ""))
	end(st)
	other := box(t, "container values {", "container others {")
	refused(t, dir, other, "no node box:values")
	st = begin(s)
	session = st.NewSession(SessionInfo{User: "alice"}, nil)
	transact(t, session, del(s, "/values"))
	transact(t, session, set(s, "/lsp[name='x']/label", "100"))
	want := st.Running().Root
	end(st)
	for range 2 {
		st = begin(other)
		if st.Running().ID != 3 || st.Running().Root.Len() != want.Len() {
			t.Errorf("running is commit %d", st.Running().ID)
		}
		end(st)
	}
}

func TestAJournalOfAnEarlierVersionIsRefused(t *testing.T) {
	s := box(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "journal.db"), make([]byte, 16384), 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := Open(Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet()})
	if err == nil {
		st.Close()
		t.Fatal("it opened")
	}
	if !strings.Contains(err.Error(), "earlier version") {
		t.Error(err)
	}
}

// TestLastChange compares with what a look at every node says, also behind
// restarts and checkpoints.
func TestLastChange(t *testing.T) {
	s := box(t)
	dir := t.TempDir()
	o := Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet()}
	st, err := open(o, smallLimits())
	if err != nil {
		t.Fatal(err)
	}
	instance := st.Instance()
	r := rand.New(rand.NewPCG(23, 24))
	want := map[string]uint64{}
	check := func() {
		t.Helper()
		snap := st.Running()
		var look func(p tree.Path, n *tree.Node, v Version, id uint64)
		look = func(p tree.Path, n *tree.Node, v Version, id uint64) {
			if versioned(n.Schema()) || len(p) == 0 {
				id = want[p.String()]
			}
			if v.Commit != id || snap.LastChange(p) != id {
				t.Fatalf("commit %d: %s: %d and %d, want %d", snap.ID, p, v.Commit, snap.LastChange(p), id)
			}
			for c := range n.Children() {
				each := []*tree.Node{c}
				if c.IsHolder() {
					each = slices.Collect(c.Children())
				}
				for _, e := range each {
					q := p.Child(e.Schema(), e.Keys()...)
					if len(e.Schema().Keys) == 0 && e.Schema().Kind == schema.List {
						continue // only state has lists without keys
					}
					look(q, e, v.Child(q[len(p)]), id)
				}
			}
		}
		look(nil, snap.Root, snap.Version(), 0)
	}
	for i := range 200 {
		if i%40 == 39 {
			if err := st.Close(); err != nil {
				t.Fatal(err)
			}
			if st, err = open(o, smallLimits()); err != nil {
				t.Fatal(err)
			}
			check()
		}
		session := st.session()
		c := transact(t, session, randomEdits(r, s, 1+r.IntN(4))...)
		session.Close()
		if c.Old == c.New || tree.Equal(c.Old, c.New) {
			continue
		}
		next := map[string]uint64{tree.Path(nil).String(): c.ID}
		tree.Walk(c.New, nil, func(p tree.Path, n *tree.Node) bool {
			next[p.String()] = want[p.String()]
			if old := c.Old.Get(p); old == nil || !tree.Equal(old, n) {
				next[p.String()] = c.ID
			}
			return true
		})
		want = next
		check()
	}
	defer st.Close()
	if st.Recovery().Checkpoint == 0 {
		t.Error("no checkpoint was read")
	}
	if st.Instance() != instance || instance == "" {
		t.Errorf("the instance was %q, is %q", instance, st.Instance())
	}
}
