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
	old  *bolt.DB    // the journal of the earlier process
	raw  []rawRecord // in it
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
// files are there and no state can be had from them, or what they hold has no
// place in the schema, that is an error.
//
// The journal of an earlier process is only read. The records that are still
// needed, each of them verified, begin a new file: damage that reading does not
// show, in bbolt's list of free pages for instance, cannot spread.
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
		want: make(chan Snapshot), done: make(chan struct{}),
	}
	l := &loaded{}
	err = l.load(j)
	if err == nil {
		if err = j.renew(l); err != nil {
			err = fmt.Errorf("datastore: new journal: %w", err)
		}
	}
	if l.old != nil {
		err = errors.Join(err, l.old.Close())
	}
	if err != nil {
		return nil, nil, errors.Join(err, j.release())
	}
	l.raw = nil
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

func (l *loaded) load(j *journal) error {
	found, err := l.loadCheckpoint(j)
	if err != nil {
		return err
	}
	name := filepath.Join(j.dir, journalName)
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if found {
			l.damaged("%s is missing beside its checkpoint", journalName)
		}
	case err != nil:
		return fmt.Errorf("datastore: %w", err)
	case !found && info.Size() <= int64(4*os.Getpagesize()):
		// A first start was interrupted: bbolt writes four pages before any
		// transaction.
	default:
		err = l.readJournal(j, name)
	}
	var m *misfitError
	if errors.As(err, &m) {
		return misfit(journalName, err)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.damaged("%s: %v", journalName, err)
	}
	if len(l.Damage) > 0 && l.root == nil {
		return fmt.Errorf("datastore: no configuration can be read from %s: %q", j.dir, l.Damage)
	}
	return nil
}

func (l *loaded) readJournal(j *journal, name string) error {
	err := guard(func() (err error) {
		l.old, err = bolt.Open(name, 0o600, &bolt.Options{ReadOnly: true})
		return err
	})
	if err != nil {
		return err
	}
	return l.replay(j)
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
		return l.old.View(func(tx *bolt.Tx) error {
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

// renew begins a new journal with the records that are still needed. Where there
// was damage, or the schema is another one, the state that was reached becomes a
// checkpoint first.
func (j *journal) renew(l *loaded) error {
	if len(l.Damage) > 0 || l.SchemaChanged {
		snap := Snapshot{Root: l.root, ID: l.Last, Time: l.Time}
		size, err := writeCheckpoint(j.dir, j.schema, snap)
		if err != nil {
			return err
		}
		j.checkpointSize, j.records, j.bytes = size, 0, 0
		if len(j.checkpoints) == 0 || j.checkpoints[0] != snap.ID {
			j.checkpoints = append([]uint64{snap.ID}, j.checkpoints...)
		}
	}
	name := filepath.Join(j.dir, journalName)
	fresh := name + tmpSuffix
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var err error
	if j.db, err = openDB(fresh); err != nil {
		return err
	}
	if err := j.begin(l); err != nil {
		return err
	}
	if len(l.Damage) > 0 {
		if err := keepAside(name); err != nil {
			return err
		}
	}
	if err := os.Rename(fresh, name); err != nil {
		return err
	}
	return syncDir(j.dir)
}

// begin fills a new file: it continues after commit l.Last.
func (j *journal) begin(l *loaded) error {
	return j.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket(commitsBucket())
		if err != nil {
			return err
		}
		b.FillPercent = 0.95
		for _, r := range j.needed(l.raw) {
			// The octets of r may lie in a damaged file.
			if err := guard(func() error { return b.Put(key(r.id), r.data) }); err != nil {
				return err
			}
		}
		meta, err := tx.CreateBucket(metaBucket())
		if err != nil {
			return err
		}
		return meta.Put(baseKey(), key(l.Last))
	})
}

// needed returns the records after the older checkpoint, and before it those
// that the history has room for.
func (j *journal) needed(raw []rawRecord) []rawRecord {
	oldest := uint64(0)
	if n := len(j.checkpoints); n > 1 {
		oldest = j.checkpoints[n-1]
	}
	size := int64(0)
	for i := len(raw) - 1; i >= 0; i-- {
		size += int64(len(raw[i].data))
		if raw[i].id <= oldest && (len(raw)-i > j.limits.historyRecords || size > j.limits.historyBytes) {
			return raw[i+1:]
		}
	}
	return raw
}

// keepAside gives a damaged file a second name, under which it stays.
func keepAside(name string) error {
	aside := name + damagedSuffix
	if err := os.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Link(name, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
