package datastore

import (
	"context"
	"fmt"
	"testing"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// holder returns the session-id in an error's info.
func holder(err error) string {
	for _, e := range yangerr.From(err) {
		for _, i := range e.Info {
			if i.Name == yangerr.InfoSessionID {
				return i.Value
			}
		}
	}
	return ""
}

// TestLocks plays scripts of RFC 6241 sections 7.5, 7.6, 8.3.5.2. The sessions
// are a and b; an error is its tag, lock-denied with the session in the way.
func TestLocks(t *testing.T) {
	type step struct{ who, do, want string }
	tests := []struct {
		name  string
		steps []step
	}{
		{"lock and unlock", []step{
			{"a", "lock running", ""}, {"a", "unlock running", ""}, {"b", "lock running", ""}, {"b", "unlock running", ""},
		}},
		{"both datastores", []step{{"a", "lock running", ""}, {"a", "lock candidate", ""}, {"b", "lock candidate", "lock-denied a"}}},
		{"held by another", []step{{"a", "lock running", ""}, {"b", "lock running", "lock-denied a"}}},
		{"held by itself", []step{{"a", "lock running", ""}, {"a", "lock running", "lock-denied a"}, {"a", "lock candidate", ""}, {"a", "lock candidate", "lock-denied a"}}},
		{"different holders", []step{{"a", "lock running", ""}, {"b", "lock candidate", ""}, {"a", "unlock candidate", "lock-denied b"}}},
		{"unlock what is free", []step{{"a", "unlock running", "operation-failed"}, {"a", "unlock candidate", "operation-failed"}}},
		{"unlock another's", []step{{"a", "lock running", ""}, {"b", "unlock running", "lock-denied a"}, {"a", "unlock running", ""}}},
		{"no such datastore", []step{{"a", "lock startup", "operation-not-supported"}, {"a", "unlock startup", "operation-not-supported"}}},
		{"candidate changed by itself", []step{{"a", "edit 1", ""}, {"a", "lock candidate", "lock-denied a"}, {"a", "discard", ""}, {"a", "lock candidate", ""}}},
		{"candidate changed by another", []step{{"a", "edit 1", ""}, {"b", "lock candidate", "lock-denied a"}, {"b", "lock running", ""}}},
		{"candidate changed by one that is gone", []step{{"a", "edit 1", ""}, {"a", "close", ""}, {"b", "lock candidate", "lock-denied 0"}}},
		{"candidate changed and changed back", []step{{"a", "edit 1", ""}, {"a", "remove", ""}, {"b", "lock candidate", ""}}},
		{"candidate committed", []step{{"a", "edit 1", ""}, {"a", "commit", ""}, {"b", "lock candidate", ""}}},
		{"edit of a locked candidate", []step{{"a", "lock candidate", ""}, {"b", "edit 1", "in-use"}, {"b", "discard", "in-use"}, {"b", "replace", "in-use"}, {"a", "edit 1", ""}}},
		{"edit while running is locked", []step{{"a", "lock running", ""}, {"b", "edit 1", ""}, {"b", "commit", "in-use"}, {"b", "transact 2", "in-use"}, {"a", "commit", ""}}},
		{"commit of a candidate that another holds", []step{{"a", "lock candidate", ""}, {"a", "edit 1", ""}, {"b", "commit", "in-use"}, {"b", "transact 2", "in-use"}, {"a", "commit", ""}, {"b", "transact 2", "in-use"}, {"a", "unlock candidate", ""}, {"b", "transact 2", ""}}},
		{"validate needs no lock", []step{{"a", "lock candidate", ""}, {"a", "lock running", ""}, {"b", "validate", ""}}},
		{"unlock discards", []step{{"a", "lock candidate", ""}, {"a", "edit 1", ""}, {"a", "unlock candidate", ""}, {"b", "see -", ""}, {"b", "lock candidate", ""}}},
		{"death of the holder discards", []step{{"a", "lock candidate", ""}, {"a", "edit 1", ""}, {"b", "see 1", ""}, {"a", "close", ""}, {"b", "see -", ""}, {"b", "lock candidate", ""}}},
		{"death without the lock keeps", []step{{"a", "edit 1", ""}, {"a", "close", ""}, {"b", "see 1", ""}, {"b", "commit", ""}, {"b", "see 1", ""}}},
		{"death frees running but keeps the candidate", []step{{"a", "lock running", ""}, {"a", "edit 1", ""}, {"a", "close", ""}, {"b", "see 1", ""}, {"b", "lock running", ""}}},
		{"kill frees and discards", []step{{"a", "lock running", ""}, {"a", "lock candidate", ""}, {"a", "edit 1", ""}, {"b", "kill a", ""}, {"b", "see -", ""}, {"b", "lock running", ""}, {"b", "lock candidate", ""}, {"b", "kill a", "invalid-value"}}},
		{"after the end", []step{{"a", "close", ""}, {"a", "edit 1", "operation-failed"}, {"a", "lock running", "operation-failed"}, {"a", "unlock running", "operation-failed"}, {"a", "commit", "operation-failed"}, {"a", "transact 1", "operation-failed"}, {"a", "validate", "operation-failed"}, {"a", "close", ""}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			st := newStore(t)
			killed := map[string]int{}
			sessions := map[string]*Session{}
			for _, name := range []string{"a", "b"} {
				sessions[name] = st.NewSession(SessionInfo{User: name}, func() { killed[name]++ })
			}
			names := map[string]string{"0": "0"}
			for name, s := range sessions {
				names[fmt.Sprint(s.ID())] = name
			}
			for i, step := range test.steps {
				s := sessions[step.who]
				var verb, arg string
				fmt.Sscan(step.do, &verb, &arg)
				var err error
				switch verb {
				case "lock":
					err = s.Lock(bg, Name(arg))
				case "unlock":
					err = s.Unlock(bg, Name(arg))
				case "edit":
					err = s.Edit(bg, []tree.Edit{set(st.schema, "/values/plain", arg)})
				case "remove":
					err = s.Edit(bg, []tree.Edit{del(st.schema, "/values/plain")})
				case "replace":
					err = s.Replace(bg, tree.Empty(st.schema))
				case "discard":
					err = s.Discard(bg)
				case "commit":
					_, err = s.Commit(bg, CommitOptions{})
				case "transact":
					_, err = s.Transact(bg, func(*tree.Node) ([]tree.Edit, error) {
						return []tree.Edit{set(st.schema, "/values/mix", arg)}, nil
					}, CommitOptions{})
				case "validate":
					err = s.Validate(bg, nil)
				case "close":
					s.Close()
				case "kill":
					err = st.Kill(sessions[arg].ID())
					if killed[arg] != 1 {
						t.Errorf("the transport of %s was ended %d times", arg, killed[arg])
					}
				case "see":
					if got := leaf(st.schema, s.Candidate(), "/values/plain"); got != arg {
						t.Errorf("step %d: the candidate has %s, want %s", i, got, arg)
					}
				default:
					t.Fatalf("step %q", step.do)
				}
				got := ""
				if err != nil {
					got = string(yangerr.From(err)[0].Tag)
					if h := holder(err); h != "" {
						got += " " + names[h]
					}
				}
				if got != step.want {
					t.Fatalf("step %d, %s of %s: %q, want %q (%v)", i, step.do, step.who, got, step.want, err)
				}
			}
		})
	}
}

func TestSessions(t *testing.T) {
	st := newStore(t)
	a, b := st.session(), st.session()
	if a.ID() == 0 || a.ID() == b.ID() || st.Session(a.ID()) != a || st.Session(99) != nil {
		t.Errorf("ids %d and %d", a.ID(), b.ID())
	}
	if list := st.Sessions(); len(list) != 2 || list[0] != a || list[1] != b {
		t.Errorf("sessions %v", list)
	}
	if err := a.Lock(bg, Candidate); err != nil {
		t.Fatal(err)
	}
	if err := b.Lock(bg, Running); err != nil {
		t.Fatal(err)
	}
	locks := st.Locks()
	if len(locks) != 2 || locks[0].Datastore != Running || locks[0].SessionID != b.ID() ||
		locks[1].Datastore != Candidate || locks[1].SessionID != a.ID() || locks[1].Since.IsZero() {
		t.Errorf("locks %+v", locks)
	}
	st.mu.Lock()
	st.lastSession = ^uint32(0) - 1
	st.mu.Unlock()
	c, d := st.session(), st.session()
	if c.ID() != ^uint32(0) || d.ID() != 3 {
		t.Errorf("ids after the wrap are %d and %d", c.ID(), d.ID())
	}
}

// TestCandidateKeepsTransactions has a gNMI Set come between the edits and the
// commit of a shared candidate.
func TestCandidateKeepsTransactions(t *testing.T) {
	tests := []struct {
		name            string
		start, own, set []string // "path=value", "path" to delete
		want            []string // "path=value" of running after the commit, "-" for none
	}{
		{"apart", nil, []string{"/values/plain=1"}, []string{"/values/mix=2"}, []string{"/values/plain=1", "/values/mix=2"}},
		{"the same leaf", []string{"/values/mix=0"}, []string{"/values/mix=1"}, []string{"/values/mix=2"}, []string{"/values/mix=1"}},
		{"a leaf that the candidate deleted", []string{"/values/mix=0"}, []string{"/values/mix"}, []string{"/values/mix=2"}, []string{"/values/mix=-"}},
		{"a leaf that the set deleted", []string{"/values/mix=0", "/values/plain=0"}, []string{"/values/plain=1"}, []string{"/values/mix"}, []string{"/values/mix=-", "/values/plain=1"}},
		{"an entry that the candidate deleted", []string{"/lsp[name='x']/label=20"}, []string{"/lsp[name='x']"}, []string{"/lsp[name='x']/label=21"}, []string{"/lsp[name='x']/label=-"}},
		{"an entry that the set deleted", []string{"/lsp[name='x']/label=20", "/lsp[name='y']/label=21"}, []string{"/lsp[name='y']/label=22"}, []string{"/lsp[name='x']"}, []string{"/lsp[name='x']/label=-", "/lsp[name='y']/label=22"}},
		{"one entry made by both", nil, []string{"/lsp[name='x']/label=20"}, []string{"/lsp[name='x']/label=21", "/lsp[name='x']/tc=2"}, []string{"/lsp[name='x']/label=20", "/lsp[name='x']/tc=2"}},
		{"two entries", nil, []string{"/lsp[name='x']/label=20"}, []string{"/lsp[name='y']/label=21"}, []string{"/lsp[name='x']/label=20", "/lsp[name='y']/label=21"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			st := newStore(t)
			edits := func(texts []string) (list []tree.Edit) {
				for _, text := range texts {
					path, value := cutLast(text)
					if value == "" {
						list = append(list, del(st.schema, path))
					} else {
						list = append(list, set(st.schema, path, value))
					}
				}
				return list
			}
			a, b := st.session(), st.session()
			transact(t, a, edits(test.start)...)
			if err := a.Edit(bg, edits(test.own)); err != nil {
				t.Fatal(err)
			}
			transact(t, b, edits(test.set)...)
			if _, err := a.Commit(bg, CommitOptions{}); err != nil {
				t.Fatal(err)
			}
			for _, text := range test.want {
				path, value := cutLast(text)
				if got := leaf(st.schema, st.Running().Root, path); got != value {
					t.Errorf("%s is %s, want %s", path, got, value)
				}
			}
		})
	}
}

// cutLast cuts "path=value" at the "=" after the last predicate.
func cutLast(text string) (path, value string) {
	for i := len(text) - 1; i >= 0; i-- {
		switch text[i] {
		case '=':
			return text[:i], text[i+1:]
		case ']', '/':
			return text, ""
		}
	}
	return text, ""
}

func TestUpdateKeepsTheCandidateOnError(t *testing.T) {
	st := newStore(t)
	a := st.session()
	if err := a.Edit(bg, []tree.Edit{set(st.schema, "/values/plain", "1")}); err != nil {
		t.Fatal(err)
	}
	kept := a.Candidate()
	err := a.Update(context.Background(), func(root *tree.Node) (*tree.Node, error) { return tree.Empty(st.schema), errTest })
	if err == nil || a.Candidate() != kept {
		t.Errorf("error %v, candidate changed: %v", err, a.Candidate() != kept)
	}
	if err := a.Replace(bg, st.Running().Root); err != nil {
		t.Fatal(err)
	}
	if err := a.Lock(bg, Candidate); err != nil {
		t.Errorf("a candidate that is running again: %v", err)
	}
}
