package datastore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The journal is a row of segments, files of frames. A segment begins with 64
// octets: magic, id of the first commit that it can hold, zeros, CRC-32C. Each
// frame begins at a multiple of 8 with 24 octets: mark, length, id, zeros,
// CRC-32C over these; the record of the commit follows. A frame without a record
// says that the process stopped in order. What is not yet written is zero: the
// octets are there before they are needed, so that a commit is one write and one
// flush of data that moves no end of file.
const (
	segmentMagic  = "TNDMLOG1"
	segmentPrefix = "journal-"
	segmentSuffix = ".log"
	segmentHead   = 64

	frameMark  = 0x4d52_464a
	frameHead  = 24
	frameAlign = 8
)

// segment is one file of the journal.
type segment struct {
	first, last uint64 // commits in it; last is first-1 while it is empty
	size        int64  // octets in use
}

func segmentName(first uint64) string {
	return fmt.Sprintf("%s%016x%s", segmentPrefix, first, segmentSuffix)
}

func align(n int64) int64 { return (n + frameAlign - 1) &^ (frameAlign - 1) }

// frame returns the octets of a record's frame; a nil record makes the frame of
// an orderly stop.
func frame(id uint64, record []byte) []byte {
	b := make([]byte, align(int64(frameHead+len(record))))
	binary.LittleEndian.PutUint32(b, frameMark)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(record)))
	binary.LittleEndian.PutUint64(b[8:], id)
	binary.LittleEndian.PutUint32(b[frameHead-4:], crc32.Checksum(b[:frameHead-4], castagnoli()))
	copy(b[frameHead:], record)
	return b
}

// frameAt reads the head of the frame at off. ok is false if there is none.
func frameAt(data []byte, off int64) (id uint64, length int64, ok bool) {
	if off+frameHead > int64(len(data)) {
		return 0, 0, false
	}
	h := data[off : off+frameHead]
	if binary.LittleEndian.Uint32(h) != frameMark || binary.LittleEndian.Uint32(h[frameHead-4:]) != crc32.Checksum(h[:frameHead-4], castagnoli()) {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint64(h[8:]), int64(binary.LittleEndian.Uint32(h[4:])), true
}

// appender appends frames to the last segment. It belongs to the store's writer.
type appender struct {
	dir    string
	limits limits
	file   *os.File
	first  uint64
	off    int64 // where the next frame goes
	alloc  int64 // octets of the file that are there
	broken error // why nothing can be written any more
}

// startSegment makes a new, durable segment whose first commit is id. fill, which
// may be nil, writes its first frames; ready is called before the file gets its
// name.
func startSegment(dir string, lim limits, id uint64, fill func(*appender) error, ready func() error) (*appender, error) {
	name := filepath.Join(dir, segmentName(id))
	f, err := os.OpenFile(name+tmpSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	a := &appender{dir: dir, limits: lim, file: f, first: id}
	head := make([]byte, segmentHead)
	copy(head, segmentMagic)
	binary.LittleEndian.PutUint64(head[8:], id)
	binary.LittleEndian.PutUint32(head[segmentHead-4:], crc32.Checksum(head[:segmentHead-4], castagnoli()))
	if err = a.write(head); err == nil && fill != nil {
		err = fill(a)
	}
	if err == nil {
		err = a.extend(a.off + 1)
	}
	if err == nil {
		err = f.Sync()
	}
	lim.at("segment written")
	if err == nil && ready != nil {
		err = ready()
	}
	if err == nil {
		err = os.Rename(name+tmpSuffix, name)
	}
	lim.at("segment named")
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return a, nil
}

func (a *appender) write(b []byte) error {
	if _, err := a.file.WriteAt(b, a.off); err != nil {
		return err
	}
	a.off += int64(len(b))
	a.alloc = max(a.alloc, a.off)
	return nil
}

// openSegment continues a segment whose good frames end at size. What comes
// after them is a frame that was cut off, or zeros.
func openSegment(dir string, lim limits, seg segment) (*appender, error) {
	f, err := os.OpenFile(filepath.Join(dir, segmentName(seg.first)), os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	a := &appender{dir: dir, limits: lim, file: f, first: seg.first, off: seg.size, alloc: seg.size}
	if err = f.Truncate(seg.size); err == nil {
		if err = a.extend(seg.size + 1); err == nil {
			err = f.Sync()
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return a, nil
}

// extend makes the file long enough for octets up to end, with zeros that are
// really written: space that is only reserved costs a change of the file
// system's own records with each commit.
func (a *appender) extend(end int64) error {
	if end <= a.alloc {
		return nil
	}
	n := (end-a.alloc)/a.limits.chunk + 1
	zeros := make([]byte, a.limits.chunk)
	for range n {
		if _, err := a.file.WriteAt(zeros, a.alloc); err != nil {
			return err
		}
		a.alloc += a.limits.chunk
	}
	return nil
}

// append makes one frame durable. If it fails the frame is not there: either it
// can be wiped out, or nothing is appended any more.
func (a *appender) append(b []byte) error {
	if a.broken != nil {
		return fmt.Errorf("an earlier write failed and could not be undone: %w", a.broken)
	}
	end := a.off + int64(len(b))
	if err := a.extend(end); err != nil {
		return err
	}
	a.limits.at("append")
	_, err := a.file.WriteAt(b, a.off)
	a.limits.at("append written")
	if err == nil {
		err = unix.Fdatasync(int(a.file.Fd()))
	}
	if err != nil {
		_, undo := a.file.WriteAt(make([]byte, len(b)), a.off)
		if undo == nil {
			undo = unix.Fdatasync(int(a.file.Fd()))
		}
		if undo != nil {
			a.broken = errors.Join(err, undo)
		}
		return err
	}
	a.limits.at("append durable")
	a.off = end
	return nil
}

// stop marks the orderly end and gives unused space back.
func (a *appender) stop(last uint64) error {
	err := a.broken
	if err == nil {
		if err = a.append(frame(last, nil)); err == nil {
			err = a.file.Truncate(a.off)
		}
	}
	return errors.Join(err, a.file.Close())
}

// found is what reading a segment gives.
type found struct {
	segment
	records []span
	stopped bool   // the last frame says so
	tail    string // what is behind the last good frame, if not zeros
}

// span is where a record lies in its file.
type span struct {
	id       uint64
	from, to int64
}

// readSegment reads a segment's file, see parseSegment.
func readSegment(dir string, first uint64, damage func(what string)) (data []byte, s found, err error) {
	data, err = os.ReadFile(filepath.Join(dir, segmentName(first)))
	if err != nil {
		return nil, s, err
	}
	return data, parseSegment(data, first, damage), nil
}

// parseSegment finds the frames in a segment. Octets that are no frame are passed
// over up to the next one and reported to damage; only at the end of the file they may be a write that was
// cut off, and are then described in tail.
func parseSegment(data []byte, first uint64, damage func(what string)) (s found) {
	s.segment = segment{first: first, last: first - 1, size: segmentHead}
	if len(data) < segmentHead || string(data[:8]) != segmentMagic ||
		binary.LittleEndian.Uint32(data[segmentHead-4:]) != crc32.Checksum(data[:segmentHead-4], castagnoli()) {
		damage("its head is damaged")
	} else if id := binary.LittleEndian.Uint64(data[8:]); id != first {
		damage(fmt.Sprintf("it is the one that begins with commit %d", id))
	}
	bad := int64(-1) // where octets begin that are no frame
	for off := int64(segmentHead); off < int64(len(data)); {
		id, length, ok := frameAt(data, off)
		end := align(off + frameHead + length)
		if !ok || end > int64(len(data)) {
			if bad < 0 && !zero(data[off:min(off+frameAlign, int64(len(data)))]) {
				bad = off
			}
			off += frameAlign
			continue
		}
		if bad >= 0 {
			damage(fmt.Sprintf("%d octets at %d are no record", off-bad, bad))
			bad = -1
		}
		if length > 0 {
			s.records = append(s.records, span{id, off + frameHead, off + frameHead + length})
			s.last, s.size = id, end
		}
		s.stopped = length == 0
		off = end
	}
	switch {
	case bad >= 0 && s.stopped:
		damage(fmt.Sprintf("%d octets behind its end", int64(len(data))-bad))
	case bad >= 0:
		s.tail = fmt.Sprintf("the octets from %d on are a write that was cut off", bad)
	}
	return s
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// segmentIDs returns the first commits of the segments in dir, the oldest first.
func segmentIDs(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var ids []uint64
	for _, entry := range entries {
		name, ok := strings.CutPrefix(entry.Name(), segmentPrefix)
		if name, ok = strings.CutSuffix(name, segmentSuffix); !ok {
			continue
		}
		id, err := strconv.ParseUint(name, 16, 64)
		if err != nil || segmentName(id) != entry.Name() {
			continue
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, nil
}

// removeUnfinished removes the files that an interrupted process left before
// they got their names.
func removeUnfinished(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*"+tmpSuffix))
	for _, name := range names {
		if err == nil {
			err = os.Remove(name)
		}
	}
	return err
}
