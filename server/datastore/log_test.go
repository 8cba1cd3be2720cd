package datastore

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
)

// segmentHeadOf returns the head of a segment that begins with commit first.
func segmentHeadOf(first uint64) []byte {
	head := make([]byte, segmentHead)
	copy(head, segmentMagic)
	binary.LittleEndian.PutUint64(head[8:], first)
	binary.LittleEndian.PutUint32(head[segmentHead-4:], crc32.Checksum(head[:segmentHead-4], castagnoli()))
	return head
}

// FuzzSegment: whatever a segment's file holds, the frames that are found in it
// make a segment in which they are found again and nothing else.
func FuzzSegment(f *testing.F) {
	whole := bytes.Join([][]byte{
		segmentHeadOf(7), frame(7, []byte("one")), frame(8, bytes.Repeat([]byte("x"), 100)), frame(9, []byte{0, 0, 0, 0, 0, 0, 0, 0}), frame(9, nil),
	}, nil)
	f.Add(whole)
	f.Add(whole[:len(whole)-frameHead])
	f.Add(append(bytes.Clone(whole[:len(whole)-40]), make([]byte, 100)...))
	f.Add(append(append(bytes.Clone(whole[:120]), "no frame"...), whole[120:]...))
	f.Add(segmentHeadOf(1))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		reports := 0
		s := parseSegment(data, 7, func(string) { reports++ })
		again := segmentHeadOf(7)
		for _, r := range s.records {
			again = append(again, frame(r.id, data[r.from:r.to])...)
		}
		if s.size > max(int64(len(data)), segmentHead) {
			t.Fatalf("%d octets of %d are in use", s.size, len(data))
		}
		s2 := parseSegment(again, 7, func(what string) { t.Fatal(what) })
		if s2.tail != "" || len(s2.records) != len(s.records) || s2.last != s.last {
			t.Fatalf("%d records up to %d become %d up to %d, tail %q", len(s.records), s.last, len(s2.records), s2.last, s2.tail)
		}
		for i, r := range s.records {
			r2 := s2.records[i]
			if r2.id != r.id || !bytes.Equal(again[r2.from:r2.to], data[r.from:r.to]) {
				t.Fatalf("record %d is another one", i)
			}
		}
		if reports == 0 && s2.size > s.size {
			t.Fatalf("without a report %d octets in use become %d", s.size, s2.size)
		}
	})
}

// TestAppendThatFailsLeavesNothing: a frame that could not be flushed is wiped
// out, and where that fails too nothing more is accepted.
func TestAppendThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	a, err := startSegment(dir, defaultLimits(), 1, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.append(frame(1, []byte("good"))); err != nil {
		t.Fatal(err)
	}
	writable := a.file
	readOnly, err := os.Open(filepath.Join(dir, segmentName(1)))
	if err != nil {
		t.Fatal(err)
	}
	a.file = readOnly
	if err := a.append(frame(2, []byte("refused"))); err == nil {
		t.Fatal("a write to a file that is open for reading succeeded")
	}
	a.file = writable
	if err := a.append(frame(2, []byte("later"))); err == nil {
		t.Error("after a write that could not be undone another one was accepted")
	}
	if err := a.stop(1); err == nil {
		t.Error("the journal stopped as if in order")
	}
	if err := readOnly.Close(); err != nil {
		t.Error(err)
	}
	_, s, err := readSegment(dir, 1, func(what string) { t.Error(what) })
	if err != nil || s.last != 1 || s.tail != "" || s.stopped {
		t.Errorf("found %+v, %v", s, err)
	}
}
