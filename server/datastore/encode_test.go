package datastore

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

func header() CommitInfo {
	return CommitInfo{
		ID: 7, Time: time.Date(2026, 11, 21, 1, 2, 3, 4, time.UTC), SessionID: 9,
		Session: SessionInfo{User: "ops", Protocol: "gnmi", Peer: "[::1]:1"}, Comment: "why",
		confirm: confirmRecord{op: opExtend, base: 5, timeout: time.Minute, token: "t"},
	}
}

func TestRecordsRestoreAnyChange(t *testing.T) {
	s := box(t)
	r := rand.New(rand.NewPCG(1, 2))
	root := tree.Empty(s)
	for round := range 400 {
		next := apply(t, root, randomEdits(r, s, 1+r.IntN(12))...)
		raw := encodeRecord(fingerprintOf(s), header(), tree.Edits(root, next), tree.Edits(next, root))
		for _, trusted := range []bool{true, false} {
			info, _, d, err := openRecord(s, raw)
			if err != nil || !reflect.DeepEqual(info, header()) {
				t.Fatalf("round %d: header %+v, %v", round, info, err)
			}
			d.trusted = trusted
			edits, err := d.edits()
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if got := apply(t, root, edits...); !tree.Equal(got, next) {
				t.Fatalf("round %d: the record restores another tree", round)
			}
			if edits, err = d.edits(); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if got := apply(t, next, edits...); !tree.Equal(got, root) {
				t.Fatalf("round %d: the record does not lead back", round)
			}
			if err := d.end(); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		root = next
	}
}

func TestCheckpointsRestoreAnyTree(t *testing.T) {
	s := box(t)
	r := rand.New(rand.NewPCG(3, 4))
	dir := t.TempDir()
	at := time.Date(2026, 11, 21, 1, 2, 3, 4, time.UTC)
	root := tree.Empty(s)
	for id := range uint64(60) {
		root = apply(t, root, randomEdits(r, s, 1+r.IntN(20))...)
		if _, err := writeCheckpoint(dir, checkpointName(id), s, Snapshot{Root: root, ID: id, Time: at}, &limits{}); err != nil {
			t.Fatal(err)
		}
		c, err := readCheckpoint(s, filepath.Join(dir, checkpointName(id)))
		if err != nil {
			t.Fatal(err)
		}
		if c.id != id || !c.time.Equal(at) || c.schemaChanged || !tree.Equal(c.root, root) {
			t.Fatalf("checkpoint %d is read back as another one", id)
		}
	}
}

func TestTreeFarLargerThanTheBuffer(t *testing.T) {
	s := box(t)
	root := lsps(s, tree.Empty(s), 0, 3000)
	dir := t.TempDir()
	size, err := writeCheckpoint(dir, checkpointName(1), s, Snapshot{Root: root, ID: 1}, &limits{})
	if err != nil {
		t.Fatal(err)
	}
	if size < 2*flushSize/3 {
		t.Fatalf("%d octets do not leave the buffer", size)
	}
	c, err := readCheckpoint(s, filepath.Join(dir, checkpointName(1)))
	if err != nil || !tree.Equal(c.root, root) {
		t.Fatalf("read back: %v", err)
	}
}

func TestDamagedRecordsAreErrors(t *testing.T) {
	s := box(t)
	root := tree.Empty(s)
	next := apply(t, root, randomEdits(rand.New(rand.NewPCG(5, 6)), s, 40)...)
	raw := encodeRecord(fingerprintOf(s), header(), tree.Edits(root, next), nil)
	decode := func(raw []byte) error {
		_, _, d, err := openRecord(s, raw)
		if err == nil {
			_, err = d.edits()
		}
		return err
	}
	for n := range raw {
		if decode(raw[:n]) == nil {
			t.Errorf("cut off after %d of %d octets: no error", n, len(raw))
		}
		flipped := append([]byte(nil), raw...)
		flipped[n] ^= 0x10
		if decode(flipped) == nil {
			t.Errorf("octet %d changed: no error", n)
		}
	}
}

func TestRecordOfAnotherSchema(t *testing.T) {
	old := box(t)
	tests := []struct {
		name string
		new  []string
		edit tree.Edit
		want string
	}{
		{"unchanged meaning", []string{"fraction-digits 3", "fraction-digits 4"}, set(old, "/values/mix", "seven"), ""},
		{"node gone", []string{"leaf mtu { type uint16; default 1500; }", ""}, set(old, "/sections/section[name='s']/mtu", "9"), "no node box:mtu"},
		{"range narrower", []string{"leaf tc { type uint8; }", "leaf tc { type uint8 { range 0..7; } }"}, set(old, "/lsp[name='a']/tc", "9"), "/tc"},
		{"key more", []string{`key "b a"`, `key "b a colour"`}, set(old, "/pair[b='x'][a='1']", ""), "has 3 keys"},
		{"kind changed", []string{"leaf plain { type string; }", "container plain { leaf p { type string; } }"}, set(old, "/values/plain", "p"), "cannot have a value"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := box(t, test.new...)
			raw := encodeRecord(fingerprintOf(old), header(), []tree.Edit{test.edit}, nil)
			_, print, d, err := openRecord(s, raw)
			if err != nil {
				t.Fatal(err)
			}
			if print == fingerprintOf(s) {
				t.Error("the schemas have one fingerprint")
			}
			edits, err := d.edits()
			if test.want == "" {
				if err != nil || edits[0].Path.String() != test.edit.Path.String() || edits[0].Path[0].Node.Parent != s.Root() {
					t.Errorf("edits %v, %v", edits, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func FuzzRecord(f *testing.F) {
	s := box(f)
	r := rand.New(rand.NewPCG(7, 8))
	root := tree.Empty(s)
	for range 20 {
		next := apply(f, root, randomEdits(r, s, 5)...)
		f.Add(encodeRecord(fingerprintOf(s), header(), tree.Edits(root, next), tree.Edits(next, root))[recordHead:])
		root = next
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		info, redo, undo, err := decodeBody(s, body)
		if err != nil {
			return
		}
		// What can be read is written and read to the same octets.
		again := encodeRecord(fingerprint{}, info, redo, undo)
		info2, redo2, undo2, err := decodeBody(s, again[recordHead:])
		if err != nil {
			t.Fatalf("written again it cannot be read: %v", err)
		}
		if third := encodeRecord(fingerprint{}, info2, redo2, undo2); string(third) != string(again) {
			t.Fatalf("octets\n%x\nbecome\n%x", again, third)
		}
	})
}

// decodeBody reads a record that consists of body behind a fitting head, every
// value checked.
func decodeBody(s *schema.Schema, body []byte) (info CommitInfo, redo, undo []tree.Edit, err error) {
	raw := make([]byte, recordHead, recordHead+len(body))
	raw[0] = recordVersion
	raw = append(raw, body...)
	binary.LittleEndian.PutUint32(raw[1:], crc32.Checksum(raw[5:], castagnoli()))
	info, _, d, err := openRecord(s, raw)
	if err != nil {
		return info, nil, nil, err
	}
	if redo, err = d.edits(); err == nil {
		if undo, err = d.edits(); err == nil {
			err = d.end()
		}
	}
	return info, redo, undo, err
}

func FuzzCheckpoint(f *testing.F) {
	s := box(f)
	r := rand.New(rand.NewPCG(9, 10))
	root := tree.Empty(s)
	for range 10 {
		root = apply(f, root, randomEdits(r, s, 8)...)
		e := newEncoder()
		e.children(root, 0)
		(*versions)(nil).encode(e)
		f.Add(e.buf)
		e.buf = e.buf[:len(e.buf)-1]
		newVersions(3).after(tree.Empty(s), root, 7).encode(e)
		f.Add(e.buf)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		raw := []byte(checkpointMagic)
		e := &encoder{buf: raw}
		e.text("another schema")
		e.uint(1)
		e.uint(2)
		raw = append(e.buf, body...)
		raw = binary.LittleEndian.AppendUint32(raw, crc32.Checksum(raw, castagnoli()))
		c, err := decodeCheckpoint(s, raw)
		if err != nil {
			return
		}
		e = newEncoder()
		e.children(c.root, 0)
		d := &decoder{schema: s, data: e.buf}
		b := tree.NewBuilder(tree.Empty(s))
		d.children(b, s.Root())
		if !tree.Equal(c.root, b.Seal()) {
			t.Fatal("written and read again it is another tree")
		}
		e, again := newEncoder(), newEncoder()
		c.versions.encode(e)
		decodeVersions(&decoder{schema: s, data: e.buf}).encode(again)
		if !bytes.Equal(e.buf, again.buf) {
			t.Fatal("written and read again the versions are others")
		}
	})
}
