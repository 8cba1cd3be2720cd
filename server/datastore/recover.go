package datastore

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// Recovery tells what Open found on disk.
type Recovery struct {
	Checkpoint uint64    // commit of the checkpoint that was loaded; 0 for none
	Replayed   int       // records applied on top of it
	Last       uint64    // commit that running stands at
	Time       time.Time // of that commit

	// Damage describes what could not be read. Commits after Last are then lost
	// unless Damage concerns only files that were not needed.
	Damage []string
	// Torn describes a write at the very end that was cut off. The commit in it
	// was never answered, unless the disk lost what it had confirmed.
	Torn string
	// SchemaChanged is set when the data was written under another set of modules.
	SchemaChanged bool
	// Invalid lists where the stored configuration breaks a constraint of the
	// present schema. It is in force all the same; the next commit must mend it.
	Invalid yangerr.List

	history []CommitInfo
}

// loaded is a configuration on its way from the disk.
type loaded struct {
	Recovery
	root     *tree.Node
	versions *versions // nil where the checkpoint has none and no record was applied
	segments []found
	lost     bool // a record that is needed cannot be had
}

func (l *loaded) damaged(format string, args ...any) {
	l.Damage = append(l.Damage, fmt.Sprintf(format, args...))
}

// openJournal loads what dir holds: the newest checkpoint that can be read, then
// the records after it up to the first that is missing or damaged. Damaged files
// are set aside with the suffix ".damaged" and the state that was reached is
// written as a new checkpoint. Nothing is ever given up for a fresh start: if
// files are there and no state can be had from them, or what they hold has no
// place in the schema, that is an error.
func openJournal(dir string, s *schema.Schema, log *slog.Logger, lim limits) (*journal, *loaded, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("datastore: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("datastore: %w", err)
	}
	j := &journal{
		dir: dir, schema: s, print: fingerprintOf(s), log: log, limits: lim, lock: lock,
		needed: nothingNeeded, want: make(chan Snapshot), done: make(chan struct{}),
	}
	l := &loaded{}
	err = l.load(j)
	if err == nil {
		if err = j.resume(l); err != nil {
			err = fmt.Errorf("datastore: journal: %w", err)
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, j.release())
	}
	l.segments = nil
	go j.run()
	return j, l, nil
}

// lockDir keeps other processes out of dir as long as the file is open.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is in use by another process: %w", dir, err), f.Close())
	}
	return f, nil
}

// earlierJournal is what versions before the segments wrote.
const earlierJournal = "journal.db"

func (l *loaded) load(j *journal) error {
	if err := removeUnfinished(j.dir); err != nil {
		return fmt.Errorf("datastore: %w", err)
	}
	found, err := l.loadCheckpoint(j)
	if err != nil {
		return err
	}
	ids, err := segmentIDs(j.dir)
	if err != nil {
		return fmt.Errorf("datastore: %w", err)
	}
	if _, err := os.Stat(filepath.Join(j.dir, earlierJournal)); err == nil && len(ids) == 0 {
		return fmt.Errorf("datastore: %s in %s was written by an earlier version, which this one cannot read", earlierJournal, j.dir)
	}
	if len(ids) == 0 && found {
		l.damaged("the journal is missing beside its checkpoint")
	}
	if err := l.replay(j, ids); err != nil {
		return err
	}
	if len(l.Damage) > 0 && l.root == nil {
		return fmt.Errorf("datastore: no configuration can be read from %s: %q", j.dir, l.Damage)
	}
	return nil
}

func (l *loaded) loadCheckpoint(j *journal) (found bool, err error) {
	ids, err := checkpointIDs(j.dir)
	if err != nil {
		return false, fmt.Errorf("datastore: %w", err)
	}
	for _, id := range ids {
		name := filepath.Join(j.dir, checkpointName(id))
		c, err := readCheckpoint(j.schema, name)
		if err == nil && c.id != id {
			err = fmt.Errorf("it holds commit %d", c.id)
		}
		if err != nil && c.schemaChanged && l.root != nil {
			// Only the history needs it; the next checkpoint takes it away.
			j.checkpoints = append(j.checkpoints, id)
			continue
		}
		if err != nil && c.schemaChanged {
			return true, misfit(checkpointName(id), err)
		}
		if err != nil {
			l.damaged("%s: %v", checkpointName(id), err)
			if err := setAside(name); err != nil {
				return true, fmt.Errorf("datastore: %w", err)
			}
			continue
		}
		j.checkpoints = append(j.checkpoints, id)
		if l.root == nil {
			l.root, l.versions = c.root, c.versions
			l.Checkpoint, l.Last, l.Time = c.id, c.id, c.time
			l.SchemaChanged = c.schemaChanged
			j.checkpointSize = c.size
		}
	}
	return len(ids) > 0, nil
}

// replay applies the records after the checkpoint and gathers the history.
func (l *loaded) replay(j *journal, ids []uint64) error {
	for n, first := range ids {
		name := segmentName(first)
		data, f, err := readSegment(j.dir, first, func(what string) { l.damaged("%s: %s", name, what) })
		if err != nil {
			return fmt.Errorf("datastore: %w", err)
		}
		open := n == len(ids)-1 && !f.stopped // a process may have died while it wrote here
		if f.tail != "" && !open {
			l.damaged("%s: %s", name, f.tail)
		} else if f.tail != "" {
			l.Torn = name + ": " + f.tail
		}
		l.segments = append(l.segments, f)
		if err := l.records(j, name, data, open); err != nil {
			return err
		}
		if l.lost {
			break
		}
	}
	if n := len(l.history); n > 0 && l.history[n-1].ID != l.Last {
		l.damaged("the journal ends with commit %d, before the checkpoint of commit %d", l.history[n-1].ID, l.Last)
		l.history = nil
	}
	return nil
}

// records takes in those of the last segment.
func (l *loaded) records(j *journal, name string, data []byte, open bool) error {
	f := &l.segments[len(l.segments)-1]
	for i, r := range f.records {
		err := l.record(j, r.id, data[r.from:r.to])
		var (
			misplaced  *misfitError
			unreadable *unreadableError
		)
		switch {
		case err == nil:
		case errors.As(err, &misplaced):
			return misfit(name, err)
		case open && i == len(f.records)-1 && f.tail == "" && errors.As(err, &unreadable):
			l.Torn = fmt.Sprintf("%s: commit %d: %v", name, r.id, err)
			f.size, f.last = r.from-frameHead, r.id-1
		default:
			l.damaged("%s: commit %d: %v", name, r.id, err)
		}
	}
	return nil
}

// unreadableError says that the octets are no record.
type unreadableError struct{ error }

// record takes one record in. It goes into the history, and if it comes after
// the checkpoint, into the configuration. Where one that is needed cannot be
// had, none after it can be used.
func (l *loaded) record(j *journal, id uint64, raw []byte) error {
	if l.lost {
		return errors.New("it comes after what is lost")
	}
	info, print, d, err := openRecord(j.schema, raw)
	if err == nil && info.ID != id {
		err = fmt.Errorf("the record says commit %d", info.ID)
	}
	if err != nil {
		return &unreadableError{err}
	}
	if n := len(l.history); n > 0 && id != l.history[n-1].ID+1 && id <= l.Checkpoint+1 {
		// Only the history needs what is missing.
		l.damaged("commits %d to %d are missing", l.history[n-1].ID+1, id-1)
		l.history = nil
	}
	if id > l.Checkpoint {
		if id != l.Last+1 {
			l.lost = true
			return fmt.Errorf("commit %d is missing before it", l.Last+1)
		}
		root := l.root
		if root == nil {
			root = tree.Empty(j.schema)
		}
		next, err := redo(root, d)
		if err != nil && print != j.print {
			return &misfitError{err}
		}
		if err != nil {
			l.lost = true
			return err
		}
		if l.versions == nil {
			l.versions = newVersions(l.Checkpoint)
		}
		l.versions = l.versions.after(root, next, id)
		l.root, l.Last, l.Time = next, id, info.Time
		l.Replayed++
		j.records++
		j.bytes += int64(len(raw))
		l.SchemaChanged = l.SchemaChanged || print != j.print
	}
	l.history = append(l.history, info)
	return nil
}

// redo applies the edits of a record.
func redo(root *tree.Node, d *decoder) (*tree.Node, error) {
	edits, err := d.edits()
	if err != nil {
		return nil, err
	}
	next, errs := tree.Apply(root, edits)
	return next, errs.Err()
}

// misfitError says that intact data has no place in the present schema.
type misfitError struct{ error }

func (e *misfitError) Unwrap() error { return e.error }

// misfit is why Open gives up and leaves all files as they are: another set of
// modules can still read them.
func misfit(name string, err error) error {
	return fmt.Errorf("datastore: %s was written under other YANG modules and does not fit the present ones: %w", name, err)
}

// resume makes the journal ready for the next commit. Where nothing is damaged
// it goes on in the last segment. Otherwise, or if the schema is another one, the
// state that was reached becomes a checkpoint first; damaged segments are set
// aside, and the records that are still good begin a new one.
func (j *journal) resume(l *loaded) error {
	if len(l.Damage) > 0 || l.SchemaChanged {
		snap := Snapshot{Root: l.root, ID: l.Last, Time: l.Time, versions: l.versions}
		size, err := writeCheckpoint(j.dir, checkpointName(snap.ID), j.schema, snap, &j.limits)
		if err != nil {
			return err
		}
		j.checkpointSize, j.records, j.bytes = size, 0, 0
		if len(j.checkpoints) == 0 || j.checkpoints[0] != snap.ID {
			j.checkpoints = append([]uint64{snap.ID}, j.checkpoints...)
		}
	}
	var err error
	n := len(l.segments)
	switch {
	case len(l.Damage) > 0:
		return j.rescue(l)
	case n == 0:
		j.tail, err = startSegment(j.dir, j.limits, l.Last+1, nil, nil)
		j.segments = []segment{{first: l.Last + 1, last: l.Last, size: segmentHead}}
	default:
		j.tail, err = openSegment(j.dir, j.limits, l.segments[n-1].segment)
		for _, f := range l.segments {
			j.segments = append(j.segments, f.segment)
		}
	}
	return err
}

// rescue begins a new segment with the records of the history and sets all that
// there was aside.
func (j *journal) rescue(l *loaded) error {
	first := l.Last + 1
	if len(l.history) > 0 {
		first = l.history[0].ID
	}
	fill := func(a *appender) error {
		next := first
		for _, f := range l.segments {
			data, f, err := readSegment(j.dir, f.first, func(string) {})
			if err != nil {
				return err
			}
			for _, r := range f.records {
				if r.id != next || next > l.Last {
					continue
				}
				// Of two frames with one id, the good one counts.
				if info, _, _, err := openRecord(j.schema, data[r.from:r.to]); err != nil || info.ID != r.id {
					continue
				}
				if err := a.write(frame(r.id, data[r.from:r.to])); err != nil {
					return err
				}
				next++
			}
		}
		return nil
	}
	aside := func() error {
		ids, err := segmentIDs(j.dir)
		for _, id := range ids {
			if err == nil {
				err = setAside(filepath.Join(j.dir, segmentName(id)))
			}
		}
		return err
	}
	var err error
	j.tail, err = startSegment(j.dir, j.limits, first, fill, aside)
	j.segments = []segment{{first: first, last: l.Last}}
	if err == nil {
		j.segments[0].size = j.tail.off
	}
	return err
}
