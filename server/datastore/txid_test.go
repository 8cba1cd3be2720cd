package datastore

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// TestInstance has ids that may come a second time in a series of their own.
func TestInstance(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, dir string)
		same   bool
	}{
		{"an orderly restart", func(*testing.T, string) {}, true},
		{"damaged records", func(t *testing.T, dir string) {
			edit(t, journalFile(t, dir), func(raw []byte) []byte { raw[60] ^= 1; return raw })
		}, false},
		{"an empty directory, but for the name", func(t *testing.T, dir string) {
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				if filepath.Base(f) != instanceName {
					if err := os.Remove(f); err != nil {
						t.Fatal(err)
					}
				}
			}
		}, false},
		{"the name is gone", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, instanceName)); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"the name is empty", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, instanceName), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := box(t)
			dir, _ := stored(t, s, 5, noCheckpoints())
			read := func() string {
				raw, err := os.ReadFile(filepath.Join(dir, instanceName))
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
				return string(raw)
			}
			before := read()
			tc.change(t, dir)
			st := openStore(t, s, dir)
			if len(st.Instance()) != 8 || st.Instance()+"\n" != read() {
				t.Errorf("the instance is %q, stored is %q", st.Instance(), read())
			}
			if (st.Instance()+"\n" == before) != tc.same {
				t.Errorf("it was %q and is %q", before, st.Instance())
			}
		})
	}
}

// TestFirstFormOfCheckpoints reads the form that has no versions.
func TestFirstFormOfCheckpoints(t *testing.T) {
	s := box(t)
	dir := t.TempDir()
	root := lsps(s, tree.Empty(s), 0, 3)
	name := filepath.Join(dir, checkpointName(7))
	for _, v := range []*versions{nil, newVersions(2)} {
		if _, err := writeCheckpoint(dir, checkpointName(7), s, Snapshot{Root: root, ID: 7, versions: v}, &limits{}); err != nil {
			t.Fatal(err)
		}
		if c, err := readCheckpoint(s, name); err != nil || (c.versions == nil) != (v == nil) || !tree.Equal(c.root, root) {
			t.Errorf("%+v, %v", c.versions, err)
		}
		if v != nil {
			break
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		raw = append([]byte(checkpointMagic1), raw[len(checkpointMagic):len(raw)-5]...)
		raw = binary.LittleEndian.AppendUint32(raw, crc32.Checksum(raw, castagnoli()))
		if c, err := decodeCheckpoint(s, raw); err != nil || c.versions != nil || !tree.Equal(c.root, root) {
			t.Errorf("the first form: %+v, %v", c.versions, err)
		}
	}
}

// TestConditionsOfACandidate has conditions live as long as what they came with.
func TestConditionsOfACandidate(t *testing.T) {
	never := func(at tree.Path) []Condition {
		return []Condition{{
			Path:  at,
			Holds: func(uint64) bool { return false },
			Err: func(id uint64) *yangerr.Error {
				return yangerr.New(yangerr.OperationFailed, at, "the commit is %d", id)
			},
		}}
	}
	keep := func(n *tree.Node) (*tree.Node, error) { return n, nil }
	for _, private := range []bool{false, true} {
		for _, tc := range []struct {
			name  string
			after func(t *testing.T, s *Session)
			fails bool
		}{
			{"an edit that changes nothing", func(*testing.T, *Session) {}, true},
			{"discard", func(t *testing.T, s *Session) {
				if err := s.Discard(t.Context()); err != nil {
					t.Fatal(err)
				}
			}, false},
			{"a commit that failed", func(t *testing.T, s *Session) {
				if _, err := s.Commit(t.Context(), CommitOptions{}); err == nil {
					t.Fatal("the commit went through")
				}
			}, true},
			{"lock", func(t *testing.T, s *Session) {
				if err := s.Lock(t.Context(), Candidate); err != nil {
					t.Fatal(err)
				}
			}, false},
			{"a later one on the same node", func(t *testing.T, s *Session) {
				c := never(nil)
				c[0].Holds = func(uint64) bool { return true }
				if err := s.UpdateIf(t.Context(), c, keep); err != nil {
					t.Fatal(err)
				}
			}, false},
			{"an edit that fails", func(t *testing.T, s *Session) {
				c := never(nil)
				c[0].Holds = func(uint64) bool { return true }
				failed := errors.New("no")
				if err := s.UpdateIf(t.Context(), c, func(*tree.Node) (*tree.Node, error) { return nil, failed }); !errors.Is(err, failed) {
					t.Fatal(err)
				}
			}, true},
		} {
			name := map[bool]string{false: "shared: ", true: "private: "}[private] + tc.name
			t.Run(name, func(t *testing.T) {
				st := newStore(t)
				s := st.session()
				defer s.Close()
				if private {
					s.SetPrivate()
				}
				if err := s.UpdateIf(t.Context(), never(nil), keep); err != nil {
					t.Fatal(err)
				}
				tc.after(t, s)
				_, err := s.Commit(t.Context(), CommitOptions{})
				if (err != nil) != tc.fails {
					t.Errorf("the commit's error is %v", err)
				}
				if err != nil {
					wantTag(t, err, yangerr.OperationFailed)
				}
			})
		}
	}
}

// TestCandidateVersions has Uncommitted exactly where the candidate differs.
func TestCandidateVersions(t *testing.T) {
	st := newStore(t)
	s := st.session()
	defer s.Close()
	sch := st.schema
	c := transact(t, s, set(sch, "/sections/section[name='a']/mtu", "1000"), set(sch, "/sections/section[name='b']/mtu", "1000"))
	e := set(sch, "/sections/section[name='c']/mtu", "1000")
	if err := s.Edit(t.Context(), []tree.Edit{e}); err != nil {
		t.Fatal(err)
	}
	snap := s.CandidateSnapshot()
	for at, want := range map[string]uint64{
		"":                                Uncommitted,
		"/sections":                       Uncommitted,
		"/sections/section[name='a']":     c.ID,
		"/sections/section[name='b']/mtu": c.ID,
		"/sections/section[name='c']":     Uncommitted,
		"/sections/section[name='c']/mtu": Uncommitted,
		"/sections/section[name='d']":     Uncommitted,
	} {
		if got := snap.LastChange(parse(sch, at)); got != want {
			t.Errorf("%s: %d, want %d", at, got, want)
		}
	}
	if got := st.LastChange(e.Path); got != c.ID {
		t.Errorf("what is not in running: %d, want that of what is above it, %d", got, c.ID)
	}
	if err := s.Discard(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.CandidateSnapshot().LastChange(nil); got != c.ID {
		t.Errorf("after discard: %d, want %d", got, c.ID)
	}
}
