package datastore

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
)

// stored makes a directory with n commits and returns the tree after each.
func stored(t *testing.T, s *schema.Schema, n int, lim limits) (dir string, after []*tree.Node) {
	t.Helper()
	dir = t.TempDir()
	st, err := open(Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet(), Clock: tick()}, lim)
	if err != nil {
		t.Fatal(err)
	}
	after = append(after, st.Running().Root)
	session := st.session()
	for id := range uint64(n) {
		after = append(after, transact(t, session, commitEdits(s, id+1)...).New)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, after
}

// noCheckpoints keep everything in the journal.
func noCheckpoints() limits {
	return limits{records: 1 << 30, minBytes: 1 << 40, historyRecords: 1 << 30, historyBytes: 1 << 40}
}

func checkpointFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, checkpointPrefix+"*"+checkpointSuffix))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

// update changes the records as a tool would that knows nothing of them.
func update(t *testing.T, dir string, f func(b *bolt.Bucket) error) {
	t.Helper()
	db, err := openDB(filepath.Join(dir, journalName))
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { return f(tx.Bucket(commitsBucket())) })
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func edit(t *testing.T, name string, f func([]byte) []byte) {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, f(raw), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReopenAfterCheckpoints(t *testing.T) {
	s := box(t)
	for _, lim := range []limits{smallLimits(), noCheckpoints(), defaultLimits()} {
		dir, after := stored(t, s, 150, lim)
		for range 2 {
			st := openStore(t, s, dir)
			if st.Running().ID != 150 || !tree.Equal(st.Running().Root, after[150]) {
				t.Errorf("limits %+v: found commit %d", lim, st.Running().ID)
			}
			if rec := st.Recovery(); len(rec.Damage) != 0 || rec.Last != 150 || rec.Checkpoint+uint64(rec.Replayed) != 150 {
				t.Errorf("limits %+v: recovery %+v", lim, rec)
			}
			if err := st.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if lim == smallLimits() && len(checkpointFiles(t, dir)) != 2 {
			t.Errorf("checkpoints %q, want two", checkpointFiles(t, dir))
		}
	}
}

func TestPruningKeepsTheHistory(t *testing.T) {
	s := box(t)
	dir, _ := stored(t, s, 300, smallLimits())
	st, err := open(Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet()}, smallLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	n := len(st.History(0))
	if n < 30 || n > 200 {
		t.Errorf("%d commits are in the history of 300 with a bound of 30", n)
	}
}

// TestDamage breaks the files in one way each. What is found is the state after
// the commit want, with a report, and the store works on: one more commit is
// there at the next start, which has nothing more to report.
func TestDamage(t *testing.T) {
	s := box(t)
	journal := func(f func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) { edit(t, filepath.Join(dir, journalName), f) }
	}
	newest := func(f func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			files := checkpointFiles(t, dir)
			edit(t, files[len(files)-1], f)
		}
	}
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 0x55; return b }
	}
	cut := func(b []byte) []byte { return b[:len(b)/2] }
	records := func(f func(b *bolt.Bucket) error) func(*testing.T, string) {
		return func(t *testing.T, dir string) { update(t, dir, f) }
	}
	tests := []struct {
		name   string
		lim    limits
		damage func(t *testing.T, dir string)
		want   uint64 // 0: some commit, at least that of the newest checkpoint
		report string
	}{
		{"record changed", noCheckpoints(), records(func(b *bolt.Bucket) error {
			return b.Put(key(40), flip(20)(slices.Clone(b.Get(key(40)))))
		}), 39, "commit 40: the checksum"},
		{"record cut off", noCheckpoints(), records(func(b *bolt.Bucket) error {
			return b.Put(key(50), cut(slices.Clone(b.Get(key(50)))))
		}), 49, "commit 50: the checksum"},
		{"record empty", noCheckpoints(), records(func(b *bolt.Bucket) error { return b.Put(key(50), nil) }), 49, "commit 50"},
		{"record of a later version", noCheckpoints(), records(func(b *bolt.Bucket) error {
			raw := slices.Clone(b.Get(key(50)))
			raw[0] = 9
			return b.Put(key(50), raw)
		}), 49, "version 9"},
		{"record missing", noCheckpoints(), records(func(b *bolt.Bucket) error { return b.Delete(key(30)) }), 29, "commit 30 is missing"},
		{"record in another's place", noCheckpoints(), records(func(b *bolt.Bucket) error {
			return b.Put(key(30), slices.Clone(b.Get(key(29))))
		}), 29, "says commit 29"},
		{"foreign key", noCheckpoints(), records(func(b *bolt.Bucket) error { return b.Put([]byte("\xffx"), nil) }), 60, "key of 2 octets"},
		{"checkpoint changed", smallLimits(), newest(flip(-40)), 60, "checksum"},
		{"checkpoint cut off", smallLimits(), newest(cut), 60, "checksum"},
		{"checkpoint empty", smallLimits(), newest(func([]byte) []byte { return nil }), 60, "no checkpoint"},
		{"journal cut off", smallLimits(), journal(func(b []byte) []byte { return b[:3*4096] }), 0, journalName},
		{"journal overwritten", smallLimits(), journal(func(b []byte) []byte { return []byte(strings.Repeat("x", len(b))) }), 0, journalName},
		{"journal empty", smallLimits(), journal(func([]byte) []byte { return nil }), 0, journalName},
		{"journal gone", smallLimits(), func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, journalName)); err != nil {
				t.Fatal(err)
			}
		}, 0, "is missing"},
		{"journal of an earlier time", smallLimits(), records(func(b *bolt.Bucket) error {
			for id := uint64(10); id <= 60; id++ {
				if err := b.Delete(key(id)); err != nil {
					return err
				}
			}
			return nil
		}), 0, "before the checkpoint"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir, after := stored(t, s, 60, test.lim)
			atLeast := uint64(0)
			if ids, err := checkpointIDs(dir); err != nil {
				t.Fatal(err)
			} else if len(ids) > 0 {
				atLeast = ids[0]
			}
			test.damage(t, dir)
			st := openStore(t, s, dir)
			found := st.Running()
			if test.want != 0 && found.ID != test.want || test.want == 0 && found.ID < atLeast {
				t.Errorf("found commit %d, want %d (checkpoint %d)", found.ID, test.want, atLeast)
			}
			if !tree.Equal(found.Root, after[found.ID]) {
				t.Errorf("the tree found is not that of commit %d", found.ID)
			}
			if d := strings.Join(st.Recovery().Damage, "; "); !strings.Contains(d, test.report) {
				t.Errorf("report %q, want %q in it", d, test.report)
			}
			if files, err := filepath.Glob(filepath.Join(dir, "*"+damagedSuffix)); err != nil || len(files) == 0 && !strings.Contains(test.report, "missing") {
				t.Errorf("nothing was set aside: %v", err)
			}
			next := transact(t, st.session(), commitEdits(s, 1000)...)
			if err := st.Close(); err != nil {
				t.Fatal(err)
			}
			st = openStore(t, s, dir)
			if rec := st.Recovery(); len(rec.Damage) != 0 || rec.Last != found.ID+1 || !tree.Equal(st.Running().Root, next.New) {
				t.Errorf("the next start: %+v", rec)
			}
		})
	}
}

// TestRandomDamage overwrites octets anywhere in the journal. Whatever they meant
// to bbolt, the start ends well: with a state that was once acknowledged, and
// with a report if it is not the last one; or with an error.
func TestRandomDamage(t *testing.T) {
	s := box(t)
	dir, after := stored(t, s, 60, noCheckpoints())
	good, err := os.ReadFile(filepath.Join(dir, journalName))
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(good, "\x00"))
	r := rand.New(rand.NewPCG(15, 16))
	pageSize := os.Getpagesize()
	whole, partly, failed := 0, 0, 0
	for round := range 60 {
		raw := bytes.Clone(good[:used+pageSize])
		// The two first pages say where everything else is; bbolt has two copies.
		at := 2*pageSize + r.IntN(used-2*pageSize)
		if round%3 == 0 {
			at -= at % pageSize // the header of a page
		}
		for i := range 1 + r.IntN(24) {
			if at+i < used {
				raw[at+i] = byte(r.Uint32())
			}
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalName), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		st, err := Open(Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet()})
		if err != nil {
			failed++
			continue
		}
		found := st.Running()
		if !tree.Equal(found.Root, after[found.ID]) {
			t.Errorf("round %d: the tree found is not that of commit %d", round, found.ID)
		}
		if found.ID == 60 {
			whole++
		} else if partly++; len(st.Recovery().Damage) == 0 {
			t.Errorf("round %d: commit %d is in force and nothing is reported", round, found.ID)
		}
		// It works on: what is committed now is there at the next start.
		session, want := st.session(), found.Root
		for i := range uint64(2) {
			want = transact(t, session, commitEdits(s, 1000+i)...).New
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		st = openStore(t, s, dir)
		if rec := st.Recovery(); len(rec.Damage) > 0 || !tree.Equal(st.Running().Root, want) {
			t.Errorf("round %d: the next start: %+v", round, rec)
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d without effect, %d with a loss that was reported, %d without any state", whole, partly, failed)
	if partly == 0 || whole == 0 {
		t.Error("the damage does not hit what it should")
	}
}

func TestNothingLeftIsAnError(t *testing.T) {
	s := box(t)
	dir, _ := stored(t, s, 60, smallLimits())
	for _, name := range append(checkpointFiles(t, dir), filepath.Join(dir, journalName)) {
		edit(t, name, func(b []byte) []byte { return []byte(strings.Repeat("x", len(b))) })
	}
	st, err := Open(Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet()})
	if err == nil {
		st.Close()
		t.Fatal("a store without any readable state opened")
	}
	if !strings.Contains(err.Error(), "no configuration can be read") {
		t.Error(err)
	}
}

func TestInterruptedFirstStart(t *testing.T) {
	s := box(t)
	for _, size := range []int{0, 100, os.Getpagesize(), 4 * os.Getpagesize()} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalName), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		st := openStore(t, s, dir)
		if rec := st.Recovery(); len(rec.Damage) != 0 || rec.Last != 0 {
			t.Errorf("a journal of %d empty octets: %+v", size, rec)
		}
		transact(t, st.session(), commitEdits(s, 1)...)
	}
}

func TestInterruptedCheckpointIsRemoved(t *testing.T) {
	s := box(t)
	dir, after := stored(t, s, 10, noCheckpoints())
	torn := filepath.Join(dir, checkpointName(10)+tmpSuffix)
	if err := os.WriteFile(torn, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	st := openStore(t, s, dir)
	if !tree.Equal(st.Running().Root, after[10]) || len(st.Recovery().Damage) != 0 {
		t.Errorf("recovery %+v", st.Recovery())
	}
	if _, err := os.Stat(torn); err == nil {
		t.Error("the torn file is still there")
	}
}

func TestTwoProcessesCannotShareADirectory(t *testing.T) {
	s := box(t)
	dir := t.TempDir()
	openStore(t, s, dir)
	st, err := Open(Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet()})
	if err == nil {
		st.Close()
		t.Fatal("the second one opened")
	}
	if !strings.Contains(err.Error(), "in use by another process") {
		t.Error(err)
	}
}

func TestSchemaChange(t *testing.T) {
	s := box(t)
	for _, lim := range []limits{smallLimits(), noCheckpoints()} {
		dir, after := stored(t, s, 60, lim)
		refused(t, dir, box(t, "container values {", "container others {"), "no node box:values")
		refused(t, dir, box(t, "type int64;", "type int64 { range 0..9; }"), "i64")
		changed := box(t, "default 1500", "default 9000")
		st := openStore(t, changed, dir)
		if !st.Recovery().SchemaChanged || st.Running().ID != 60 || len(st.Recovery().Damage) != 0 {
			t.Errorf("recovery %+v", st.Recovery())
		}
		if st.Running().Root.Schema() != changed.Root() || st.Running().Root.Len() != after[60].Len() {
			t.Error("the tree is not one of the new schema")
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		// The state was written under the new schema: the next start is a plain one.
		st = openStore(t, changed, dir)
		if st.Recovery().SchemaChanged {
			t.Error("the change of schema is reported twice")
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		// A schema that cannot hold the configuration is refused, and nothing is lost.
		refused(t, dir, box(t, "container values {", "container others {", "default 1500", "default 9000"), "no node box:values")
		st = openStore(t, changed, dir)
		if st.Running().ID != 60 {
			t.Errorf("afterwards commit %d is found", st.Running().ID)
		}
	}
}

// refused opens dir under a schema that has no place for what is there.
func refused(t *testing.T, dir string, s *schema.Schema, want string) {
	t.Helper()
	st, err := Open(Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet()})
	if err == nil {
		st.Close()
		t.Error("a configuration without a place in the schema was dropped")
	} else if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "other YANG modules") {
		t.Error(err)
	}
}
