package datastore

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
)

const lockName = "lock"

// limits bound what a journal gathers.
type limits struct {
	// A checkpoint is due when the records since the last one are so many, or
	// have as many octets as half of it and at least minBytes: opening replays no
	// more than that, and checkpoints cost a constant factor of the records.
	records  int
	minBytes int64
	// Records that no checkpoint needs serve the history, up to these bounds and
	// the rest of a segment.
	historyRecords int
	historyBytes   int64
	// A segment that has so many octets is not continued, and a file grows by so
	// many octets at once.
	segment, chunk int64
	// atClose asks for a checkpoint when the store is closed.
	atClose bool

	// step, which may be nil, is told how far a change of the files has come.
	step func(point string)
}

func defaultLimits() limits {
	return limits{
		records: 8192, minBytes: 4 << 20, historyRecords: 1000, historyBytes: 256 << 20, segment: 4 << 20, chunk: 1 << 20,
	}
}

func (l *limits) at(point string) {
	if l.step != nil {
		l.step(point)
	}
}

// journal is the row of segments with the checkpoints beside it. Only the
// store's writer appends; a goroutine makes checkpoints and prunes.
type journal struct {
	dir    string
	schema *schema.Schema
	print  fingerprint
	log    *slog.Logger
	limits limits
	lock   *os.File
	tail   *appender

	// Of the writer: what came after the last checkpoint that was asked for.
	records int
	bytes   int64

	mu             sync.Mutex
	segments       []segment // the last one is tail's
	needed         uint64    // records after this commit may not be pruned
	checkpointSize int64
	checkpoints    []uint64 // ids of the files, the newest first
	want           chan Snapshot
	done           chan struct{}
}

// append makes the record of commit id durable.
func (j *journal) append(id uint64, record []byte) error {
	if j.tail.off >= j.limits.segment {
		if err := j.rotate(id); err != nil {
			return fmt.Errorf("datastore: journal: %w", err)
		}
	}
	if err := j.tail.append(frame(id, record)); err != nil {
		return fmt.Errorf("datastore: journal: %w", err)
	}
	j.records++
	j.bytes += int64(len(record))
	j.mu.Lock()
	last := &j.segments[len(j.segments)-1]
	last.last, last.size = id, j.tail.off
	j.mu.Unlock()
	return nil
}

// rotate begins a new segment with commit id.
func (j *journal) rotate(id uint64) error {
	tail, err := startSegment(j.dir, j.limits, id, nil, nil)
	if err != nil {
		return err
	}
	// Everything in the old one is durable; what it has room for is given back.
	err = errors.Join(j.tail.file.Truncate(j.tail.off), j.tail.file.Close())
	if err != nil {
		j.log.Warn("a full segment of the journal keeps its unused space", "reason", err)
	}
	j.tail = tail
	j.mu.Lock()
	j.segments = append(j.segments, segment{first: id, last: id - 1, size: tail.off})
	j.mu.Unlock()
	return nil
}

// keepAfter protects the records after commit id; math.MaxUint64 protects none.
func (j *journal) keepAfter(id uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.needed = id
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
// all but two checkpoints, and the segments that neither they nor the history need.
func (j *journal) checkpoint(snap Snapshot) error {
	start := time.Now()
	size, err := writeCheckpoint(j.dir, checkpointName(snap.ID), j.schema, snap, &j.limits)
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
		j.limits.at("checkpoint dropped")
	}
	j.log.Debug("wrote a checkpoint", "commit", snap.ID, "octets", size, "took", time.Since(start))
	if !whole {
		return nil
	}
	return j.prune(oldest)
}

// prune deletes the oldest segments: those up to commit last that the history
// has no room for.
func (j *journal) prune(last uint64) error {
	for {
		j.mu.Lock()
		seg, ok := j.superfluous(min(last, j.needed))
		if ok {
			j.segments = j.segments[1:]
		}
		j.mu.Unlock()
		if !ok {
			return nil
		}
		if err := os.Remove(filepath.Join(j.dir, segmentName(seg.first))); err != nil {
			return err
		}
		j.limits.at("segment dropped")
	}
}

// superfluous returns the oldest segment if it can go; the caller holds mu.
func (j *journal) superfluous(last uint64) (segment, bool) {
	if len(j.segments) < 2 || j.segments[0].last > last {
		return segment{}, false
	}
	size := int64(0)
	for _, s := range j.segments[1:] {
		size += s.size
	}
	newest := j.segments[len(j.segments)-1].last
	if newest-j.segments[0].last < uint64(j.limits.historyRecords) && size < j.limits.historyBytes {
		return segment{}, false
	}
	return j.segments[0], true
}

// oldest returns the commit before the first record that is kept.
func (j *journal) oldest() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.segments[0].first - 1
}

// between calls visit with the records of the commits after from up to to, the
// oldest first. It may run beside the writer.
func (j *journal) between(from, to uint64, visit func(id uint64, raw []byte) error) error {
	j.mu.Lock()
	segments := append([]segment(nil), j.segments...)
	j.mu.Unlock()
	next := from + 1
	for _, s := range segments {
		if s.last <= from || s.first > to {
			continue
		}
		data, f, err := readSegment(j.dir, s.first, func(string) {})
		if err != nil {
			return err
		}
		for _, r := range f.records {
			if r.id <= from || r.id > to {
				continue
			}
			if r.id != next {
				return fmt.Errorf("the record of commit %d is missing", next)
			}
			if err := visit(r.id, data[r.from:r.to]); err != nil {
				return err
			}
			next++
		}
	}
	if next != to+1 {
		return fmt.Errorf("the record of commit %d is missing", next)
	}
	return nil
}

// close writes a checkpoint of last if records came since the latest one, and ends
// the journal. A start with another set of modules then finds only what is in
// force: data that was deleted before does not bind the element to its modules.
func (j *journal) close(last Snapshot) error {
	close(j.want)
	<-j.done
	if j.records > 0 && j.limits.atClose && last.Root != nil {
		if err := j.checkpoint(last); err != nil {
			j.log.Error("cannot write a checkpoint of the configuration", "commit", last.ID, "reason", err)
		}
	}
	j.mu.Lock()
	end := j.segments[len(j.segments)-1].last
	j.mu.Unlock()
	err := j.tail.stop(end)
	j.tail = nil
	return errors.Join(err, j.release())
}

// release closes the files.
func (j *journal) release() error {
	var err error
	if j.tail != nil {
		err = j.tail.file.Close()
	}
	return errors.Join(err, j.lock.Close())
}

// nothingNeeded is what keepAfter is called with where pruning is free.
const nothingNeeded = math.MaxUint64
