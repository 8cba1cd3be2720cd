package datastore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/tandem-ne/tandem/server/schema"
)

const (
	journalName = "journal.db"
	lockName    = "lock"

	pruneBatch = 256
)

// limits bound what a journal gathers.
type limits struct {
	// A checkpoint is due when the records since the last one are so many, or
	// have as many octets as half of it and at least minBytes: opening replays no
	// more than that, and checkpoints cost a constant factor of the records.
	records  int
	minBytes int64
	// Records that no checkpoint needs serve the history, up to these bounds.
	historyRecords int
	historyBytes   int64
}

func defaultLimits() limits {
	return limits{records: 8192, minBytes: 4 << 20, historyRecords: 1000, historyBytes: 256 << 20}
}

// The names of what the file holds: the records by commit id, and the id of the
// commit that a new file continued after.
func commitsBucket() []byte { return []byte("commits") }
func metaBucket() []byte    { return []byte("meta") }
func baseKey() []byte       { return []byte("base") }

// journal is the file of records with the checkpoints beside it. Only the
// store's writer appends; a goroutine makes checkpoints.
type journal struct {
	dir    string
	schema *schema.Schema
	print  fingerprint
	log    *slog.Logger
	limits limits
	lock   *os.File
	db     *bolt.DB

	// Of the writer: what came after the last checkpoint that was asked for.
	records int
	bytes   int64

	mu             sync.Mutex
	checkpointSize int64
	checkpoints    []uint64 // ids of the files, the newest first
	want           chan Snapshot
	done           chan struct{}
}

func openDB(name string) (*bolt.DB, error) {
	return bolt.Open(name, 0o600, &bolt.Options{
		// Every start begins a new file, so nobody reads the list of free pages.
		NoFreelistSync:  true,
		FreelistType:    bolt.FreelistMapType,
		InitialMmapSize: 64 << 20,
	})
}

func key(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// append makes one record durable.
func (j *journal) append(id uint64, record []byte) error {
	err := j.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(commitsBucket())
		b.FillPercent = 0.95 // keys only grow
		return b.Put(key(id), record)
	})
	if err != nil {
		return fmt.Errorf("datastore: journal: %w", err)
	}
	j.records++
	j.bytes += int64(len(record))
	return nil
}

// maybeCheckpoint asks for a checkpoint of snap if one is due. It does not wait.
func (j *journal) maybeCheckpoint(snap Snapshot) {
	j.mu.Lock()
	due := max(j.limits.minBytes, j.checkpointSize/2)
	j.mu.Unlock()
	if j.records < j.limits.records && j.bytes < due {
		return
	}
	select {
	case j.want <- snap:
		j.records, j.bytes = 0, 0
	default:
		// One is being made; the next commit asks again.
	}
}

func (j *journal) run() {
	defer close(j.done)
	for snap := range j.want {
		if err := j.checkpoint(snap); err != nil {
			j.log.Error("cannot write a checkpoint of the configuration", "commit", snap.ID, "reason", err)
		}
	}
}

// checkpoint writes the checkpoint of snap and removes what it makes superfluous:
// all but two checkpoints, and the records that neither they nor the history need.
func (j *journal) checkpoint(snap Snapshot) error {
	start := time.Now()
	size, err := writeCheckpoint(j.dir, j.schema, snap)
	if err != nil {
		return err
	}
	j.mu.Lock()
	j.checkpointSize = size
	if len(j.checkpoints) == 0 || j.checkpoints[0] != snap.ID {
		j.checkpoints = append([]uint64{snap.ID}, j.checkpoints...)
	}
	var drop []uint64
	if len(j.checkpoints) > 2 {
		drop = j.checkpoints[2:]
		j.checkpoints = j.checkpoints[:2:2]
	}
	oldest := j.checkpoints[len(j.checkpoints)-1]
	whole := len(j.checkpoints) == 2
	j.mu.Unlock()
	for _, id := range drop {
		if err := os.Remove(filepath.Join(j.dir, checkpointName(id))); err != nil {
			return err
		}
	}
	j.log.Debug("wrote a checkpoint", "commit", snap.ID, "octets", size, "took", time.Since(start))
	if !whole {
		return nil
	}
	return j.prune(oldest)
}

// prune deletes the records up to commit last that the history has no room for.
func (j *journal) prune(last uint64) error {
	limit, err := j.firstKept(last)
	if err != nil {
		return err
	}
	for {
		n := 0
		err := j.db.Update(func(tx *bolt.Tx) error {
			c := tx.Bucket(commitsBucket()).Cursor()
			for k, _ := c.First(); k != nil && n < pruneBatch; k, _ = c.First() {
				if binary.BigEndian.Uint64(k) >= limit {
					break
				}
				if err := c.Delete(); err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil || n < pruneBatch {
			return err
		}
	}
}

// firstKept returns the id of the first record to keep: going back from the
// newest, the history's bounds hold, but nothing after commit last is deleted.
func (j *journal) firstKept(last uint64) (limit uint64, err error) {
	err = j.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(commitsBucket()).Cursor()
		records, size := 0, int64(0)
		for k, v := c.Last(); k != nil; k, v = c.Prev() {
			id := binary.BigEndian.Uint64(k)
			records++
			size += int64(len(v))
			if id <= last && (records > j.limits.historyRecords || size > j.limits.historyBytes) {
				limit = id + 1
				return nil
			}
		}
		return nil
	})
	return limit, err
}

func (j *journal) close() error {
	close(j.want)
	<-j.done
	return j.release()
}

// release closes the files.
func (j *journal) release() error {
	var err error
	if j.db != nil {
		err = j.db.Close()
	}
	return errors.Join(err, j.lock.Close())
}
