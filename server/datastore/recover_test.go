package datastore

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
	return limits{
		records: 1 << 30, minBytes: 1 << 40, historyRecords: 1 << 30, historyBytes: 1 << 40, segment: 4 << 20, chunk: 64 << 10,
	}
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

// journalFile returns the one segment in dir.
func journalFile(t *testing.T, dir string) string {
	t.Helper()
	ids, err := segmentIDs(dir)
	if err != nil || len(ids) != 1 {
		t.Fatalf("segments %d: %v", ids, err)
	}
	return filepath.Join(dir, segmentName(ids[0]))
}

// update changes the records: f returns what takes the place of one, nil for
// nothing. The journal is one segment then.
func update(t *testing.T, dir string, f func(id uint64, raw []byte) []byte) {
	t.Helper()
	ids, err := segmentIDs(dir)
	if err != nil || len(ids) == 0 {
		t.Fatalf("segments %d: %v", ids, err)
	}
	var frames [][]byte
	for _, id := range ids {
		data, s, err := readSegment(dir, id, func(what string) { t.Error(what) })
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range s.records {
			if raw := f(r.id, slices.Clone(data[r.from:r.to])); raw != nil {
				frames = append(frames, frame(r.id, raw))
			}
		}
		if err := os.Remove(filepath.Join(dir, segmentName(id))); err != nil {
			t.Fatal(err)
		}
	}
	lim := defaultLimits()
	a, err := startSegment(dir, lim, ids[0], func(a *appender) error {
		for _, b := range frames {
			if err := a.write(b); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.file.Close(); err != nil {
		t.Fatal(err)
	}
}

// at changes the record of one commit.
func at(id uint64, f func([]byte) []byte) func(uint64, []byte) []byte {
	return func(n uint64, raw []byte) []byte {
		if n == id {
			return f(raw)
		}
		return raw
	}
}

func journalFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, segmentPrefix+"*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return files
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
				t.Errorf("limits %d: found commit %d", lim.records, st.Running().ID)
			}
			if rec := st.Recovery(); len(rec.Damage) != 0 || rec.Last != 150 || rec.Checkpoint+uint64(rec.Replayed) != 150 {
				t.Errorf("limits %d: recovery %+v", lim.records, rec)
			}
			if err := st.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if lim.records == smallLimits().records && len(checkpointFiles(t, dir)) != 2 {
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
		return func(t *testing.T, dir string) {
			ids, err := segmentIDs(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range ids {
				edit(t, filepath.Join(dir, segmentName(id)), f)
			}
		}
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
	records := func(f func(uint64, []byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) { update(t, dir, f) }
	}
	var before []byte
	tests := []struct {
		name   string
		lim    limits
		damage func(t *testing.T, dir string)
		want   uint64 // 0: some commit, at least that of the newest checkpoint
		report string
	}{
		{"record changed", noCheckpoints(), records(at(40, flip(20))), 39, "commit 40: the checksum"},
		{"record cut off", noCheckpoints(), records(at(50, cut)), 49, "commit 50: the checksum"},
		{"record of a later version", noCheckpoints(), records(at(50, func(raw []byte) []byte {
			raw[0] = 9
			return raw
		})), 49, "version 9"},
		{"record missing", noCheckpoints(), records(at(30, func([]byte) []byte { return nil })), 29, "commit 30 is missing"},
		{"record in another's place", noCheckpoints(), records(func(id uint64, raw []byte) []byte {
			if id == 29 {
				before = raw
			}
			if id == 30 {
				return before
			}
			return raw
		}), 29, "says commit 29"},
		{"a frame's mark changed", noCheckpoints(), journal(func(b []byte) []byte {
			for off, n := int64(segmentHead), 0; ; n++ {
				_, length, _ := frameAt(b, off)
				if n == 19 {
					b[off] ^= 1
					return b
				}
				off = align(off + frameHead + length)
			}
		}), 19, "are no record"},
		{"octets behind an orderly end", noCheckpoints(), journal(func(b []byte) []byte { return append(b, "something"...) }), 60, "behind its end"},
		{"head of the journal changed", noCheckpoints(), journal(flip(9)), 60, "head is damaged"},
		{"journal of another place", noCheckpoints(), func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, segmentName(1)), filepath.Join(dir, segmentName(2))); err != nil {
				t.Fatal(err)
			}
		}, 60, "begins with commit 1"},
		{"one segment of several missing", manySegments(), func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, segmentName(middle(t, dir)))); err != nil {
				t.Fatal(err)
			}
		}, 0, "is missing"},
		{"a segment of the history missing", smallLimits(), func(t *testing.T, dir string) {
			ids, err := segmentIDs(dir)
			if err != nil || len(ids) < 3 {
				t.Fatalf("segments %d: %v", ids, err)
			}
			if err := os.Remove(filepath.Join(dir, segmentName(ids[1]))); err != nil {
				t.Fatal(err)
			}
		}, 60, "are missing"},
		{"checkpoint changed", smallLimits(), newest(flip(-40)), 60, "checksum"},
		{"checkpoint cut off", smallLimits(), newest(cut), 60, "checksum"},
		{"checkpoint empty", smallLimits(), newest(func([]byte) []byte { return nil }), 60, "no checkpoint"},
		{"journal cut off", smallLimits(), journal(func(b []byte) []byte { return b[:200] }), 0, "journal"},
		{"journal overwritten", smallLimits(), journal(func(b []byte) []byte { return []byte(strings.Repeat("x", len(b))) }), 0, "journal"},
		{"journal empty", smallLimits(), journal(func([]byte) []byte { return nil }), 0, "journal"},
		{"journal gone", smallLimits(), func(t *testing.T, dir string) {
			ids, err := segmentIDs(dir)
			for _, id := range ids {
				err = errors.Join(err, os.Remove(filepath.Join(dir, segmentName(id))))
			}
			if err != nil {
				t.Fatal(err)
			}
		}, 0, "is missing"},
		{"journal of an earlier time", smallLimits(), records(func(id uint64, raw []byte) []byte {
			if id >= 35 {
				return nil
			}
			return raw
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

// manySegments begin a new segment every few commits and write no checkpoint.
func manySegments() limits {
	lim := noCheckpoints()
	lim.segment, lim.chunk = 4<<10, 4<<10
	return lim
}

// middle returns a segment that is neither the first nor the last.
func middle(t *testing.T, dir string) uint64 {
	t.Helper()
	ids, err := segmentIDs(dir)
	if err != nil || len(ids) < 3 {
		t.Fatalf("segments %d: %v", ids, err)
	}
	return ids[len(ids)/2]
}

// TestRandomDamage overwrites octets anywhere in the journal of a process that
// was killed. The start ends well: with a state that was once acknowledged, and
// with a report if it is not the last one, or with an error.
func TestRandomDamage(t *testing.T) {
	s := box(t)
	dir, after := stored(t, s, 60, noCheckpoints())
	good, err := os.ReadFile(journalFile(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	good = good[:len(good)-frameHead] // without the mark of an orderly stop
	r := rand.New(rand.NewPCG(15, 16))
	whole, partly, failed := 0, 0, 0
	for round := range 150 {
		raw := append(bytes.Clone(good), make([]byte, 4096)...)
		at := r.IntN(len(good))
		switch round % 3 {
		case 0: // one bit
			raw[at] ^= 1 << r.IntN(8)
		case 1: // a few octets
			for i := range 1 + r.IntN(24) {
				raw[min(at+i, len(good)-1)] = byte(r.Uint32())
			}
		case 2: // a sector that was never written
			clear(raw[at&^511 : min(at&^511+512, len(good))])
		}
		changed := !bytes.Equal(raw[:len(good)], good)
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, segmentName(1)), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		st, err := Open(Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet()})
		if err != nil {
			failed++
			continue
		}
		found, rec := st.Running(), st.Recovery()
		if !tree.Equal(found.Root, after[found.ID]) {
			t.Errorf("round %d: the tree found is not that of commit %d", round, found.ID)
		}
		switch {
		case found.ID == 60:
			whole++
		case changed && len(rec.Damage) == 0 && rec.Torn == "":
			t.Errorf("round %d: commit %d is in force and nothing is reported", round, found.ID)
		case found.ID < 59 && len(rec.Damage) == 0:
			t.Errorf("round %d: the loss of more than the last commit is taken for a write that was cut off", round)
		default:
			partly++
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
		if rec := st.Recovery(); len(rec.Damage) > 0 || rec.Torn != "" || !tree.Equal(st.Running().Root, want) {
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

// TestTornTail cuts the last record off at every octet: what a write leaves that
// was interrupted. Nothing but that commit is gone, and it is no damage.
func TestTornTail(t *testing.T) {
	s := box(t)
	dir, after := stored(t, s, 5, noCheckpoints())
	name := journalFile(t, dir)
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	_, f, err := readSegment(dir, 1, func(what string) { t.Error(what) })
	if err != nil {
		t.Fatal(err)
	}
	last := f.records[4]
	for to := last.from - frameHead; to <= last.to; to++ {
		dir := t.TempDir()
		raw := append(bytes.Clone(good[:to]), make([]byte, 4096)...)
		if err := os.WriteFile(filepath.Join(dir, segmentName(1)), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		st := openStore(t, s, dir)
		want := uint64(4)
		if bytes.Equal(raw[:last.to], good[:last.to]) { // the rest of it is zero anyway
			want = 5
		}
		rec := st.Recovery()
		if st.Running().ID != want || !tree.Equal(st.Running().Root, after[want]) || len(rec.Damage) != 0 {
			t.Errorf("cut off at %d: %+v", to-last.from, rec)
		}
		if torn := want == 4 && to > last.from-frameHead; torn != (rec.Torn != "") {
			t.Errorf("cut off at %d: torn %q", to-last.from, rec.Torn)
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingLeftIsAnError(t *testing.T) {
	s := box(t)
	dir, _ := stored(t, s, 60, smallLimits())
	for _, name := range append(checkpointFiles(t, dir), journalFiles(t, dir)...) {
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
	for _, size := range []int{0, 40, 4096} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, segmentName(1)+tmpSuffix), make([]byte, size), 0o600); err != nil {
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
