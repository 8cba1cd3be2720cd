package datastore

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// conflictPaths returns the paths of an error.
func conflictPaths(err error) (paths []string) {
	for _, e := range yangerr.From(err) {
		if e.Path != nil && e.Tag == yangerr.OperationFailed {
			paths = append(paths, e.Path.String())
		}
	}
	return paths
}

func TestPrivateCandidatesAreSeparate(t *testing.T) {
	st := newStore(t)
	s := st.schema
	transact(t, st.session(), set(s, "/lsp[name='x']/label", "100"))
	a, b, shared := st.session(), st.session(), st.session()
	a.SetPrivate()
	b.SetPrivate()
	edit := func(session *Session, path, value string) {
		t.Helper()
		if err := session.Edit(bg, []tree.Edit{set(s, path, value)}); err != nil {
			t.Fatal(err)
		}
	}
	see := func(session *Session, path, want string) {
		t.Helper()
		if got := leaf(s, session.Candidate(), path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	edit(a, "/lsp[name='x']/tc", "1")
	edit(b, "/lsp[name='x']/ttl", "9")
	edit(shared, "/lsp[name='x']/description", "shared")
	see(a, "/lsp[name='x']/ttl", "-")
	see(a, "/lsp[name='x']/description", "-")
	see(b, "/lsp[name='x']/tc", "-")
	see(shared, "/lsp[name='x']/tc", "-")
	if !a.Private() || shared.Private() || a.Base() != st.Running().Root {
		t.Error("the sessions are not what they were made")
	}
	// The locks have nothing to do with each other.
	if err := shared.Discard(bg); err != nil {
		t.Fatal(err)
	}
	for _, session := range []*Session{shared, b} {
		want := yangerr.Tag("")
		if session == b { // it has changes
			want = yangerr.LockDenied
		}
		wantTag(t, session.Lock(bg, Candidate), want)
	}
	edit(a, "/lsp[name='x']/tc", "2")
	base := a.Base()
	c, err := a.Commit(bg, CommitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// b and its branch are as they were; a is where it committed.
	see(b, "/lsp[name='x']/tc", "-")
	if b.Base() != base || a.Base() != c.New || a.Candidate() != c.New {
		t.Error("the branches are not where they should be")
	}
	if err := b.UpdateCandidate(bg, RevertOnConflict); err != nil {
		t.Fatal(err)
	}
	see(b, "/lsp[name='x']/tc", "2")
	see(b, "/lsp[name='x']/ttl", "9")
	edit(b, "/lsp[name='x']/tc", "3")
	if err := b.Discard(bg); err != nil {
		t.Fatal(err)
	}
	see(b, "/lsp[name='x']/ttl", "-")
	see(b, "/lsp[name='x']/tc", "2")
	if err := b.Lock(bg, Candidate); err != nil {
		t.Error(err)
	}
	wantTag(t, b.Lock(bg, Candidate), yangerr.LockDenied)
	edit(b, "/lsp[name='x']/tc", "4")
	if err := b.Unlock(bg, Candidate); err != nil {
		t.Error(err)
	}
	see(b, "/lsp[name='x']/tc", "2")
	wantTag(t, b.Unlock(bg, Candidate), yangerr.OperationFailed)
	wantTag(t, shared.UpdateCandidate(bg, PreferRunning), yangerr.OperationNotSupported)
	a.Close()
	wantTag(t, a.UpdateCandidate(bg, PreferRunning), yangerr.OperationFailed)
	wantTag(t, a.Discard(bg), yangerr.OperationFailed)
}

// TestConflicts has running and a private candidate change the same base. The
// results are those of label, tc and next-hop/label of x, of y's label.
func TestConflicts(t *testing.T) {
	x := func(rest string) string { return "/lsp[name='x']" + rest }
	tests := []struct {
		name               string
		running, candidate func(*Store) []tree.Edit
		conflicts          []string
		candidateWins      string
		runningWins        string
	}{
		{"different leafs",
			func(st *Store) []tree.Edit { return []tree.Edit{set(st.schema, x("/tc"), "1")} },
			func(st *Store) []tree.Edit { return []tree.Edit{set(st.schema, x("/label"), "200")} },
			nil, "200 1 5 101", "200 1 5 101"},
		{"the same leaf",
			func(st *Store) []tree.Edit {
				return []tree.Edit{set(st.schema, x("/tc"), "1"), set(st.schema, x("/label"), "150")}
			},
			func(st *Store) []tree.Edit {
				return []tree.Edit{set(st.schema, x("/tc"), "2"), set(st.schema, x("/next-hop/label"), "6")}
			},
			[]string{"/box:box/lsp[name='x']/tc"}, "150 2 6 101", "150 1 6 101"},
		{"the same leaf to the same value",
			func(st *Store) []tree.Edit { return []tree.Edit{set(st.schema, x("/tc"), "1")} },
			func(st *Store) []tree.Edit { return []tree.Edit{set(st.schema, x("/tc"), "1")} },
			nil, "100 1 5 101", "100 1 5 101"},
		{"deleted by running",
			func(st *Store) []tree.Edit { return []tree.Edit{del(st.schema, x(""))} },
			func(st *Store) []tree.Edit { return []tree.Edit{set(st.schema, x("/tc"), "2")} },
			[]string{"/box:box/lsp[name='x']"}, "100 2 5 101", "- - - 101"},
		{"deleted by the candidate",
			func(st *Store) []tree.Edit {
				return []tree.Edit{set(st.schema, x("/tc"), "1"), set(st.schema, x("/next-hop/label"), "7")}
			},
			func(st *Store) []tree.Edit { return []tree.Edit{del(st.schema, x(""))} },
			[]string{"/box:box/lsp[name='x']"}, "- - - 101", "100 1 7 101"},
		{"deleted by both",
			func(st *Store) []tree.Edit { return []tree.Edit{del(st.schema, x(""))} },
			func(st *Store) []tree.Edit { return []tree.Edit{del(st.schema, x(""))} },
			nil, "- - - 101", "- - - 101"},
		{"made by both",
			func(st *Store) []tree.Edit { return []tree.Edit{set(st.schema, "/lsp[name='z']/tc", "1")} },
			func(st *Store) []tree.Edit { return []tree.Edit{set(st.schema, "/lsp[name='z']/tc", "2")} },
			[]string{"/box:box/lsp[name='z']/tc"}, "100 - 5 101", "100 - 5 101"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			st := newStore(t)
			s := st.schema
			other := st.session()
			transact(t, other, set(s, x("/label"), "100"), set(s, x("/next-hop/label"), "5"), set(s, "/lsp[name='y']/label", "101"))
			sessions := map[Resolution]*Session{RevertOnConflict: st.session(), PreferCandidate: st.session(), PreferRunning: st.session()}
			for _, session := range sessions {
				session.SetPrivate()
				if err := session.Edit(bg, test.candidate(st)); err != nil {
					t.Fatal(err)
				}
			}
			transact(t, other, test.running(st)...)
			for r, session := range sessions {
				before := session.Candidate()
				err := session.UpdateCandidate(bg, r)
				want := []string(nil)
				if r == RevertOnConflict {
					want = test.conflicts
				}
				if got := conflictPaths(err); !slices.Equal(got, want) || (err == nil) != (want == nil) {
					t.Errorf("mode %d: conflicts %q (%v), want %q", r, got, err, want)
				}
				state := test.candidateWins
				if r == PreferRunning {
					state = test.runningWins
				}
				got := ""
				for _, p := range []string{x("/label"), x("/tc"), x("/next-hop/label"), "/lsp[name='y']/label"} {
					got += " " + leaf(s, session.Candidate(), p)
				}
				switch {
				case want != nil:
					if session.Candidate() != before {
						t.Errorf("mode %d: a refused update has changed something", r)
					}
					_, err := session.Commit(bg, CommitOptions{})
					if got := conflictPaths(err); !slices.Equal(got, want) {
						t.Errorf("commit: conflicts %q (%v), want %q", got, err, want)
					}
				case got[1:] != state:
					t.Errorf("mode %d: %s, want %s", r, got[1:], state)
				case session.Base() != st.Running().Root:
					t.Errorf("mode %d: the branch is not at running", r)
				}
			}
			// Resolved, it can be committed.
			session := sessions[PreferCandidate]
			if _, err := session.Commit(bg, CommitOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestMergeProperties: without conflicts the three modes agree, and what each
// prefers wins.
func TestMergeProperties(t *testing.T) {
	s := box(t)
	r := rand.New(rand.NewPCG(31, 32))
	base := tree.Empty(s)
	seen := 0
	for round := range 400 {
		candidate := apply(t, base, randomEdits(r, s, 4)...)
		running := apply(t, base, randomEdits(r, s, 4)...)
		mine, conflicts := merge(base, running, candidate, false)
		theirs, again := merge(base, running, candidate, true)
		if !slices.EqualFunc(conflicts, again, tree.Path.Equal) {
			t.Fatalf("round %d: the modes see other conflicts: %v, %v", round, conflicts, again)
		}
		if len(conflicts) == 0 && !tree.Equal(mine, theirs) {
			t.Fatalf("round %d: without a conflict the modes differ", round)
		}
		for _, p := range conflicts {
			seen++
			if got, want := theirs.Get(p), running.Get(p); (got == nil) != (want == nil) || got != nil && !tree.Equal(got, want) {
				t.Fatalf("round %d: %s is not what running has", round, p)
			}
		}
		base = running
	}
	if seen == 0 {
		t.Error("there was no conflict")
	}
}
