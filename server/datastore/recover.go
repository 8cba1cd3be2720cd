package datastore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"

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
	root *tree.Node
	raw  []rawRecord
}

type rawRecord struct {
	id   uint64
	data []byte
}

func (l *loaded) damaged(format string, args ...any) {
	l.Damage = append(l.Damage, fmt.Sprintf(format, args...))
}

// openJournal loads what dir holds: the newest checkpoint that can be read, then
// the records after it up to the first that is missing or damaged. Damaged files
// are set aside with the suffix ".damaged" and the state that was reached is
// written as a new checkpoint. Nothing is ever given up for a fresh start: if
// files are there and no state can be had from them, that is an error.
func openJournal(dir string, s *schema.Schema, log *slog.Logger, lim limits) (*journal, *loaded, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("datastore: %w", err)
	}
	j := &journal{
		dir: dir, schema: s, print: fingerprintOf(s), log: log, limits: lim,
		want: make(chan Snapshot), done: make(chan struct{}),
	}
	name := filepath.Join(dir, journalName)
	if err := clearFirstStart(dir, name, log); err != nil {
		return nil, nil, fmt.Errorf("datastore: %w", err)
	}
	l := &loaded{}
	if err := l.load(j, name); err != nil {
		return nil, nil, errors.Join(err, j.closeDB())
	}
	if len(l.Damage) > 0 || l.SchemaChanged {
		if err := j.renew(name, l); err != nil {
			return nil, nil, errors.Join(fmt.Errorf("datastore: after damage: %w", err), j.closeDB())
		}
	}
	if err := initDB(j.db, l.Last, nil); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("datastore: journal: %w", err), j.closeDB())
	}
	l.raw = nil
	go j.run()
	return j, l, nil
}

// clearFirstStart sets a journal aside that a first start could not finish: it
// has no more than the four pages that bbolt writes before any transaction, there
// is no checkpoint, and it cannot be opened.
func clearFirstStart(dir, name string, log *slog.Logger) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Size() > int64(4*os.Getpagesize()) {
		return err
	}
	if ids, err := checkpointIDs(dir); err != nil || len(ids) > 0 {
		return err
	}
	db, err := openGuarded(name)
	if err == nil {
		return db.Close()
	}
	if isLocked(err) {
		return nil
	}
	log.Warn("set aside a journal that was never written to", "file", name, "reason", err)
	return setAside(name)
}

// initDB makes the buckets of a new journal that continues after commit base and
// begins with records; it leaves a journal alone that has them.
func initDB(db *bolt.DB, base uint64, records []rawRecord) error {
	var ready bool
	err := db.View(func(tx *bolt.Tx) error {
		ready = tx.Bucket(commitsBucket()) != nil
		return nil
	})
	if err != nil || ready {
		return err
	}
	return db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket(commitsBucket())
		if err != nil {
			return err
		}
		for _, r := range records {
			// The octets of r may lie in a damaged file.
			if err := guard(func() error { return b.Put(key(r.id), r.data) }); err != nil {
				return err
			}
		}
		meta, err := tx.CreateBucketIfNotExists(metaBucket())
		if err != nil {
			return err
		}
		return meta.Put(baseKey(), key(base))
	})
}

func (j *journal) closeDB() error {
	if j.db == nil {
		return nil
	}
	return j.db.Close()
}

func (l *loaded) load(j *journal, name string) error {
	_, statErr := os.Stat(name)
	hadJournal := statErr == nil
	if statErr != nil && !errors.Is(statErr, fs.ErrNotExist) {
		return fmt.Errorf("datastore: %w", statErr)
	}
	db, err := openGuarded(name)
	switch {
	case isLocked(err):
		return fmt.Errorf("datastore: %s is in use by another process", name)
	case err != nil && !hadJournal:
		return fmt.Errorf("datastore: %w", err)
	case err != nil:
		l.damaged("%s: %v", journalName, err)
	default:
		j.db = db
	}
	hadCheckpoint, err := l.loadCheckpoint(j)
	if err != nil {
		return err
	}
	if j.db != nil {
		err := l.replay(j)
		var m *misfitError
		if errors.As(err, &m) {
			return misfit(journalName, err)
		}
		if err != nil {
			l.damaged("%s: %v", journalName, err)
		}
	}
	if !hadJournal && hadCheckpoint {
		l.damaged("%s is missing beside its checkpoint", journalName)
	}
	if len(l.Damage) > 0 && l.root == nil {
		return fmt.Errorf("datastore: no configuration can be read from %s: %q", j.dir, l.Damage)
	}
	return nil
}

// guard runs f so that damaged pages, on which bbolt panics or faults, become
// an error.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("a page is damaged: %v", r)
		}
	}()
	return f()
}

func openGuarded(name string) (db *bolt.DB, err error) {
	err = guard(func() error {
		db, err = openDB(name)
		return err
	})
	return db, err
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
			l.root = c.root
			l.Checkpoint, l.Last, l.Time = c.id, c.id, c.time
			l.SchemaChanged = c.schemaChanged
			j.checkpointSize = c.size
		}
	}
	return len(ids) > 0, nil
}

// replay applies the records after the checkpoint and gathers the history.
func (l *loaded) replay(j *journal) error {
	return guard(func() error {
		return j.db.View(func(tx *bolt.Tx) error {
			b, meta := tx.Bucket(commitsBucket()), tx.Bucket(metaBucket())
			if b == nil || meta == nil {
				if l.Checkpoint != 0 {
					return errors.New("it is empty")
				}
				return nil
			}
			base := meta.Get(baseKey())
			if len(base) != 8 {
				return errors.New("it does not say where it begins")
			}
			newest := binary.BigEndian.Uint64(base)
			c := b.Cursor()
			for k, v := c.First(); k != nil; k, v = c.Next() {
				if len(k) != 8 {
					return fmt.Errorf("a key of %d octets", len(k))
				}
				id := binary.BigEndian.Uint64(k)
				if err := l.record(j, id, v); err != nil {
					return fmt.Errorf("commit %d: %w", id, err)
				}
				newest = max(newest, id)
			}
			if newest < l.Checkpoint {
				return fmt.Errorf("it ends with commit %d, before the checkpoint of commit %d", newest, l.Checkpoint)
			}
			return nil
		})
	})
}

func (l *loaded) record(j *journal, id uint64, raw []byte) error {
	info, print, d, err := openRecord(j.schema, raw)
	if err == nil && info.ID != id {
		err = fmt.Errorf("the record says commit %d", info.ID)
	}
	needed := id > l.Checkpoint
	if err != nil {
		if !needed {
			l.damaged("%s: commit %d, which only the history needs: %v", journalName, id, err)
			return nil
		}
		return err
	}
	if needed {
		if id != l.Last+1 {
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
			return err
		}
		l.root, l.Last, l.Time = next, id, info.Time
		l.Replayed++
		j.records++
		j.bytes += int64(len(raw))
		l.SchemaChanged = l.SchemaChanged || print != j.print
	}
	l.history = append(l.history, info)
	l.raw = append(l.raw, rawRecord{id, raw})
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

// renew writes the state that was reached as a checkpoint and, where the journal
// was damaged, starts a new one with the records that could be read.
func (j *journal) renew(name string, l *loaded) error {
	snap := Snapshot{Root: l.root, ID: l.Last, Time: l.Time}
	size, err := writeCheckpoint(j.dir, j.schema, snap)
	if err != nil {
		return err
	}
	j.checkpointSize, j.records, j.bytes = size, 0, 0
	if len(j.checkpoints) == 0 || j.checkpoints[0] != snap.ID {
		j.checkpoints = append([]uint64{snap.ID}, j.checkpoints...)
	}
	if len(l.Damage) == 0 {
		return nil
	}
	fresh := name + tmpSuffix
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := openDB(fresh)
	if err != nil {
		return err
	}
	err = initDB(db, l.Last, l.raw)
	if err := errors.Join(err, db.Close(), j.closeDB()); err != nil {
		return err
	}
	if err := setAside(name); err != nil {
		return err
	}
	if err := os.Rename(fresh, name); err != nil {
		return err
	}
	if err := syncDir(j.dir); err != nil {
		return err
	}
	j.db, err = openDB(name)
	return err
}
