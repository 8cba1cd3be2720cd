package datastore

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// recordVersion is the first octet of a journal record; 4 octets of CRC-32C
// over the rest follow, then the schema's fingerprint, the header and the edits.
const recordVersion = 2

// confirmOp is what a commit means to a confirmed commit.
type confirmOp uint8

const (
	opNone     confirmOp = iota
	opStart              // the first confirmed commit
	opExtend             // one that follows up
	opComplete           // the confirming commit
	opCancel             // rollback on demand, or at the end of the session
	opTimeout            // rollback because nobody confirmed
)

// confirmRecord is the part of a record about a confirmed commit. With opNone
// nothing else is set.
type confirmRecord struct {
	op      confirmOp
	base    uint64        // the commit that a rollback leads or led back to
	timeout time.Duration // from the commit's time on, of opStart and opExtend
	token   string        // persist; empty where it is bound to the session
}

// fingerprint stands for a schema's content-id in a record.
type fingerprint [8]byte

func fingerprintOf(s *schema.Schema) fingerprint {
	sum := sha256.Sum256([]byte(s.ContentID()))
	return fingerprint(sum[:8])
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

const recordHead = 1 + 4 + len(fingerprint{})

// encodeRecord returns the record of a commit that redo describes, and undo the
// way back.
func encodeRecord(print fingerprint, info CommitInfo, redo, undo []tree.Edit) []byte {
	e := newEncoder()
	e.buf = make([]byte, recordHead, 512)
	e.buf[0] = recordVersion
	copy(e.buf[5:], print[:])
	e.uint(info.ID)
	e.uint(uint64(info.Time.UnixNano()))
	e.uint(uint64(info.SessionID))
	for _, s := range []string{info.Session.User, info.Session.Protocol, info.Session.Peer, info.Comment} {
		e.text(s)
	}
	e.buf = append(e.buf, byte(info.confirm.op))
	if info.confirm.op != opNone {
		e.uint(info.confirm.base)
		e.uint(uint64(info.confirm.timeout))
		e.text(info.confirm.token)
	}
	for _, edits := range [][]tree.Edit{redo, undo} {
		e.uint(uint64(len(edits)))
		for i := range edits {
			e.edit(&edits[i])
		}
	}
	binary.LittleEndian.PutUint32(e.buf[1:], crc32.Checksum(e.buf[5:], castagnoli()))
	return e.buf
}

// openRecord checks a record and reads its header; the decoder stands before
// the edits.
func openRecord(s *schema.Schema, raw []byte) (info CommitInfo, print fingerprint, d *decoder, err error) {
	defer catch(&err)
	if len(raw) < recordHead {
		return info, print, nil, fmt.Errorf("%d octets are too few", len(raw))
	}
	if raw[0] != recordVersion {
		return info, print, nil, fmt.Errorf("version %d is not known", raw[0])
	}
	if sum := binary.LittleEndian.Uint32(raw[1:]); sum != crc32.Checksum(raw[5:], castagnoli()) {
		return info, print, nil, errors.New("the checksum does not fit")
	}
	copy(print[:], raw[5:])
	d = &decoder{schema: s, data: raw, at: recordHead, trusted: print == fingerprintOf(s)}
	info.ID = d.uint()
	info.Time = time.Unix(0, int64(d.uint())).UTC()
	info.SessionID = uint32(d.uint())
	for _, p := range []*string{&info.Session.User, &info.Session.Protocol, &info.Session.Peer, &info.Comment} {
		*p = d.text()
	}
	if info.confirm.op = confirmOp(d.byte()); info.confirm.op != opNone {
		if info.confirm.op > opTimeout {
			d.fail("there is no confirm operation %d", info.confirm.op)
		}
		info.confirm.base = d.uint()
		info.confirm.timeout = time.Duration(d.uint())
		info.confirm.token = d.text()
	}
	return info, print, d, nil
}

// edits reads one of the two lists of edits at the end of a record, the one of
// redo first.
func (d *decoder) edits() (edits []tree.Edit, err error) {
	defer catch(&err)
	edits = make([]tree.Edit, d.count())
	for i := range edits {
		edits[i] = d.edit()
	}
	return edits, nil
}

// end checks that nothing is left over behind the lists of edits.
func (d *decoder) end() error {
	if d.at != len(d.data) {
		return &decodeError{d.at, fmt.Sprintf("%d octets are left over", len(d.data)-d.at)}
	}
	return nil
}
