package datastore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// TestPartialLocks plays RFC 5717. A lock is of the paths given; x and y are two
// LSPs of running, n/label that of one.
func TestPartialLocks(t *testing.T) {
	type step struct{ who, do, want string }
	tests := []struct {
		name  string
		steps []step
	}{
		{"the holder may write, others elsewhere", []step{
			{"a", "partial x", ""}, {"a", "set x/label 20", ""}, {"b", "set y/label 21", ""}, {"b", "set x/label 22", "in-use"},
		}},
		{"all ways of writing", []step{
			{"a", "partial x", ""}, {"b", "delete x", "in-use"}, {"b", "set x/next-hop/label 5", "in-use"}, {"b", "deleteall", "in-use"},
			{"b", "edit x/label 22", ""}, {"b", "commit", "in-use"}, {"b", "discard", ""}, {"b", "edit y/label 23", ""}, {"b", "commit", ""},
		}},
		{"a leaf only", []step{{"a", "partial x/label", ""}, {"b", "set x/label 22", "in-use"}, {"b", "set x/tc 2", ""}, {"b", "delete x", "in-use"}}},
		{"what is deleted stays locked", []step{{"a", "partial x", ""}, {"a", "delete x", ""}, {"b", "set x/label 22", "in-use"}, {"a", "set x/label 22", ""}}},
		{"overlap", []step{
			{"a", "partial x", ""}, {"b", "partial x", "lock-denied a"}, {"b", "partial x/label", "lock-denied a"}, {"b", "partial y", ""},
			{"b", "partial y x", "lock-denied a"}, {"a", "partial x/label", ""}, {"a", "partial y/label", "lock-denied b"},
		}},
		{"all of it", []step{{"a", "partial", "operation-failed"}, {"a", "partial .", ""}, {"b", "partial x", "lock-denied a"}, {"b", "set y/label 22", "in-use"}}},
		{"beside the lock of running", []step{
			{"a", "partial x", ""}, {"b", "lock running", "lock-denied a"}, {"a", "lock running", "lock-denied a"}, {"b", "lock candidate", ""},
			{"a", "unlock 1", ""}, {"b", "lock running", ""}, {"a", "partial x", "lock-denied b"}, {"b", "partial x", "lock-denied b"},
		}},
		{"unlock", []step{
			{"a", "partial x", ""}, {"a", "partial y", ""}, {"b", "unlock 1", "invalid-value"}, {"a", "unlock 7", "invalid-value"}, {"a", "unlock 0", "invalid-value"},
			{"a", "unlock 1", ""}, {"a", "unlock 1", "invalid-value"}, {"b", "set x/label 22", ""}, {"b", "set y/label 23", "in-use"},
		}},
		{"end of the session", []step{{"a", "partial x", ""}, {"b", "partial y", ""}, {"a", "close", ""}, {"b", "set x/label 22", ""}, {"a", "partial x", "operation-failed"}}},
		{"kill", []step{{"a", "partial x", ""}, {"b", "kill a", ""}, {"b", "set x/label 22", ""}, {"b", "lock running", ""}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			st := newStore(t)
			s := st.schema
			transact(t, st.session(), set(s, "/lsp[name='x']/label", "100"), set(s, "/lsp[name='y']/label", "101"))
			a, b := st.NewSession(SessionInfo{User: "a"}, nil), st.NewSession(SessionInfo{User: "b"}, nil)
			sessions := map[string]*Session{"a": a, "b": b}
			path := func(word string) string {
				if word == "." {
					return ""
				}
				name, rest, _ := strings.Cut(word, "/")
				if rest != "" {
					rest = "/" + rest
				}
				return "/lsp[name='" + name + "']" + rest
			}
			for i, step := range test.steps {
				session := sessions[step.who]
				words := strings.Fields(step.do)
				write := func(edits ...tree.Edit) error {
					_, err := session.Transact(bg, func(*tree.Node) ([]tree.Edit, error) { return edits, nil }, CommitOptions{})
					return err
				}
				var err error
				switch words[0] {
				case "partial":
					var paths []tree.Path
					for _, word := range words[1:] {
						paths = append(paths, parse(s, path(word)))
					}
					_, err = session.PartialLock(bg, nil, func(*tree.Node) ([]tree.Path, error) { return paths, nil })
				case "unlock":
					var id uint32
					fmt.Sscan(words[1], &id)
					err = session.PartialUnlock(bg, id)
				case "set":
					err = write(set(s, path(words[1]), words[2]))
				case "delete":
					err = write(del(s, path(words[1])))
				case "deleteall":
					err = write(del(s, ""))
				case "edit":
					err = session.Edit(bg, []tree.Edit{set(s, path(words[1]), words[2])})
				case "commit":
					_, err = session.Commit(bg, CommitOptions{})
				case "discard":
					err = session.Discard(bg)
				case "lock":
					err = session.Lock(bg, Name(words[1]))
				case "close":
					session.Close()
				case "kill":
					err = st.Kill(sessions[words[1]].ID())
				}
				got := ""
				if err != nil {
					got = string(yangerr.From(err)[0].Tag)
				}
				for name, other := range sessions {
					if holder(err) == fmt.Sprint(other.ID()) {
						got += " " + name
					}
				}
				if got != step.want {
					t.Errorf("step %d, %s %s: %q (%v), want %q", i, step.who, step.do, got, err, step.want)
				}
			}
		})
	}
}

func TestPartialLocksAreListed(t *testing.T) {
	st := newStore(t)
	s := st.schema
	transact(t, st.session(), set(s, "/lsp[name='x']/label", "100"))
	a := st.session()
	x := []tree.Path{parse(s, "/lsp[name='x']")}
	id, err := a.PartialLock(bg, x, nil)
	if err != nil {
		t.Fatal(err)
	}
	locks := st.Locks()
	if len(locks) != 1 || locks[0].Partial != id || id == 0 || locks[0].SessionID != a.ID() || locks[0].Datastore != Running ||
		!slices.EqualFunc(locks[0].Nodes, x, tree.Path.Equal) {
		t.Errorf("locks %+v", locks)
	}
	if _, err := a.PartialLock(bg, nil, nil); err == nil || yangerr.From(err)[0].AppTag != AppNoMatches {
		t.Errorf("no path: %v", err)
	}
	if _, err := a.PartialLock(bg, nil, func(*tree.Node) ([]tree.Path, error) { return nil, errTest }); err != errTest {
		t.Errorf("a selection that fails: %v", err)
	}
}
