package datastore

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

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

// TestLastChange compares with what a look at every node says.
func TestLastChange(t *testing.T) {
	s := box(t)
	dir := t.TempDir()
	o := Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet()}
	st, err := open(o, smallLimits())
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(23, 24))
	want := map[string]uint64{}
	check := func(floor uint64) {
		t.Helper()
		snap := st.Running()
		if got := snap.LastChange(nil); got != max(want[""], floor) {
			t.Fatalf("the root: %d, want %d", got, want[""])
		}
		tree.Walk(snap.Root, nil, func(p tree.Path, n *tree.Node) bool {
			key := p[:min(len(p), versionDepth)].String()
			if got := snap.LastChange(p); got != max(want[key], floor) {
				t.Fatalf("commit %d: %s: %d, want %d (floor %d)", snap.ID, p, got, want[key], floor)
			}
			return true
		})
	}
	session := st.session()
	for range 150 {
		c := transact(t, session, randomEdits(r, s, 1+r.IntN(4))...)
		if c.Old == c.New {
			continue
		}
		want[""] = c.ID
		tree.Walk(c.New, nil, func(p tree.Path, n *tree.Node) bool {
			if old := c.Old.Get(p); old == nil || !tree.Equal(old, n) {
				want[p.String()] = c.ID
			}
			return len(p) < versionDepth
		})
		check(0)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err = open(o, smallLimits()); err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	check(st.Recovery().Checkpoint)
}
