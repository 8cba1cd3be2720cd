package datastore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// A checkpoint is a file with one whole configuration: the magic, the schema's
// content-id, commit id and time, the tree, the versions of its nodes, and a
// CRC-32C over all of it. The first form had no versions.
const (
	checkpointMagic  = "TNDMCP02"
	checkpointMagic1 = "TNDMCP01"
	checkpointPrefix = "checkpoint-"
	checkpointSuffix = ".ckpt"
	tmpSuffix        = ".tmp"
	damagedSuffix    = ".damaged"
)

type checkpoint struct {
	id            uint64
	time          time.Time
	root          *tree.Node
	versions      *versions // nil where the file has none
	size          int64
	schemaChanged bool
}

func checkpointName(id uint64) string {
	return fmt.Sprintf("%s%016x%s", checkpointPrefix, id, checkpointSuffix)
}

// writeCheckpoint makes snap durable in the file of the given name, which it
// replaces, and returns the file's size.
func writeCheckpoint(dir, name string, s *schema.Schema, snap Snapshot, lim *limits) (size int64, err error) {
	name = filepath.Join(dir, name)
	f, err := os.OpenFile(name+tmpSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(name+tmpSuffix))
		}
	}()
	e := newEncoder()
	sum := uint32(0)
	e.sink = func(b []byte) error {
		sum = crc32.Update(sum, castagnoli(), b)
		size += int64(len(b))
		_, err := f.Write(b)
		return err
	}
	e.buf = append(e.buf, checkpointMagic...)
	e.text(s.ContentID())
	e.uint(snap.ID)
	e.uint(uint64(snap.Time.UnixNano()))
	e.children(snap.Root, 0)
	snap.versions.encode(e)
	e.flush(0)
	if e.err != nil {
		return 0, e.err
	}
	if _, err := f.Write(binary.LittleEndian.AppendUint32(nil, sum)); err != nil {
		return 0, err
	}
	lim.at("checkpoint written")
	if err := f.Sync(); err != nil {
		return 0, err
	}
	lim.at("checkpoint durable")
	if err := os.Rename(name+tmpSuffix, name); err != nil {
		return 0, err
	}
	err = errors.Join(f.Close(), syncDir(dir))
	lim.at("checkpoint named")
	return size, err
}

func readCheckpoint(s *schema.Schema, name string) (c checkpoint, err error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return c, err
	}
	return decodeCheckpoint(s, raw)
}

func decodeCheckpoint(s *schema.Schema, raw []byte) (c checkpoint, err error) {
	defer catch(&err)
	magic := string(raw[:min(len(raw), len(checkpointMagic))])
	if magic != checkpointMagic && magic != checkpointMagic1 || len(raw) < len(checkpointMagic)+4 {
		return c, errors.New("this is no checkpoint")
	}
	data, tail := raw[:len(raw)-4], raw[len(raw)-4:]
	if binary.LittleEndian.Uint32(tail) != crc32.Checksum(data, castagnoli()) {
		return c, errors.New("the checksum does not fit")
	}
	d := &decoder{schema: s, data: data, at: len(checkpointMagic)}
	d.trusted = d.text() == s.ContentID()
	c.schemaChanged = !d.trusted
	c.id = d.uint()
	c.time = time.Unix(0, int64(d.uint())).UTC()
	b := tree.NewBuilder(tree.Empty(s))
	d.children(b, s.Root())
	if magic == checkpointMagic {
		c.versions = decodeVersions(d)
	}
	if d.at != len(d.data) {
		d.fail("%d octets are left over", len(d.data)-d.at)
	}
	c.root, c.size = b.Seal(), int64(len(raw))
	return c, nil
}

// checkpointIDs returns the ids of the files in dir, the newest first.
func checkpointIDs(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var ids []uint64
	for _, entry := range entries {
		name, ok := strings.CutPrefix(entry.Name(), checkpointPrefix)
		if !ok {
			continue
		}
		name, ok = strings.CutSuffix(name, checkpointSuffix)
		if !ok {
			continue
		}
		id, err := strconv.ParseUint(name, 16, 64)
		if err != nil || checkpointName(id) != entry.Name() {
			continue
		}
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uint64) int {
		if a > b {
			return -1
		}
		return 1
	})
	return ids, nil
}

// setAside renames a damaged file so that it stays for inspection; a file of
// that name from an earlier time is replaced.
func setAside(name string) error {
	err := os.Rename(name, name+damagedSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
