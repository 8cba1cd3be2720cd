package datastore

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidwall/btree"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// Uncommitted is the Version of a node of a candidate that differs from running:
// it has no commit yet.
const Uncommitted = ^uint64(0)

// versions has the commit that last changed each versioned node: the root, the
// containers and the entries of lists. It never changes.
//
// A node has a mark if it was made or changed by another commit than the one
// that made its parent; the parents of a node with a mark have one. So a subtree
// that was made in one commit costs one mark, and what was never touched since
// costs none.
type versions struct {
	root  mark
	nodes *btree.Map[string, mark] // by path
}

// mark is what is known of a node.
type mark struct {
	last uint64 // the commit that last changed it, or something below it
	made uint64 // the commit of what is below it without a mark
}

func newVersions(floor uint64) *versions {
	return &versions{root: mark{floor, floor}, nodes: btree.NewMap[string, mark](32)}
}

// versioned reports whether instances of s have a version of their own.
func versioned(s *schema.Node) bool { return s.Kind == schema.Container || s.Kind == schema.List }

// after returns the versions behind commit id, which made new of old. The cost
// follows the change.
func (v *versions) after(old, new *tree.Node, id uint64) *versions {
	if old == new {
		return v
	}
	next := &versions{root: mark{id, v.root.made}, nodes: v.nodes.Copy()}
	for c := range tree.Diff(old, new) {
		next.change(c, id)
	}
	return next
}

func (v *versions) change(c tree.Change, id uint64) {
	made, key := v.root.made, ""
	var in *schema.Module
	for i, st := range c.Path {
		if !versioned(st.Node) {
			return
		}
		key += stepKey(in, st)
		in = st.Node.Module
		if i == len(c.Path)-1 && c.Op != tree.Modified {
			// What is moved is what it was.
			if c.Op != tree.Moved {
				v.forget(key)
			}
			if c.Op == tree.Created {
				v.nodes.Set(key, mark{id, id})
			}
			return
		}
		m, ok := v.nodes.Get(key)
		if !ok {
			m.made = made
		}
		m.last, made = id, m.made
		v.nodes.Set(key, m)
	}
}

// stepKey is what a step below a node of module in adds to the key of a node: its
// text in Path.String.
func stepKey(in *schema.Module, st tree.Step) string {
	text := tree.Path{st}.String()
	if st.Node.Module == in {
		return "/" + text[len("/")+len(in.Name)+len(":"):]
	}
	return text
}

// forget drops the marks of a subtree.
func (v *versions) forget(at string) {
	gone := []string{at}
	below := at + "/"
	v.nodes.Ascend(below, func(key string, _ mark) bool {
		if !strings.HasPrefix(key, below) {
			return false
		}
		gone = append(gone, key)
		return true
	})
	for _, key := range gone {
		v.nodes.Delete(key)
	}
}

// encode writes the marks in the order of their keys, each key without what it has
// in common with the one before; nil is written as no versions.
func (v *versions) encode(e *encoder) {
	if v == nil {
		e.uint(0)
		return
	}
	e.uint(1)
	e.uint(v.root.last)
	e.uint(v.root.made)
	e.uint(uint64(v.nodes.Len()))
	before := ""
	v.nodes.Scan(func(key string, m mark) bool {
		n := 0
		for n < len(key) && n < len(before) && key[n] == before[n] {
			n++
		}
		e.uint(uint64(n))
		e.text(key[n:])
		e.uint(m.last)
		e.uint(m.made)
		e.flush(flushSize)
		before = key
		return e.err == nil
	})
}

func decodeVersions(d *decoder) *versions {
	if d.uint() == 0 {
		return nil
	}
	v := newVersions(0)
	v.root = mark{d.uint(), d.uint()}
	key := ""
	for range d.count() {
		n := d.uint()
		if n > uint64(len(key)) {
			d.fail("a key has %d octets of one with %d", n, len(key))
		}
		next := key[:n] + d.text()
		if next <= key {
			d.fail("the key %q follows %q", next, key)
		}
		key = next
		v.nodes.Set(key, mark{d.uint(), d.uint()})
	}
	return v
}

// instanceName is the file with the name of the series that the ids of commits
// belong to.
const instanceName = "instance"

// Instance names the series of commit ids, in letters and digits: an id has one
// meaning within it. It survives restarts, and is another one where ids may come
// a second time: in an empty directory, or behind records that are lost.
func (s *Store) Instance() string { return s.instance }

func (s *Store) beginInstance(first bool) error {
	name := filepath.Join(s.journal.dir, instanceName)
	raw, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.instance = strings.TrimSpace(string(raw))
	if !first && s.instance != "" && len(s.recovery.Damage) == 0 && s.recovery.Torn == "" {
		return nil
	}
	s.instance = strings.ToLower(rand.Text()[:8])
	if err := writeLine(name, s.instance); err != nil {
		return err
	}
	return nameLine(name)
}

// Version is that of a versioned node (draft-ietf-netconf-transaction-id): the
// root, a container or an entry of a list of one configuration.
type Version struct {
	// Commit is the id of the commit that last changed the node or something
	// below it; Uncommitted where a candidate differs from running.
	Commit uint64

	of   *versions // nil where no node below has a mark
	made uint64
	key  string
	in   *schema.Module // of the node
}

// Version returns that of the root; Child leads to the others.
func (s Snapshot) Version() Version {
	if s.versions == nil {
		return Version{Commit: s.ID, made: s.ID}
	}
	return Version{Commit: s.versions.root.last, of: s.versions, made: s.versions.root.made}
}

// Child returns the version of a child that exists: that of its parent for a node
// which is not versioned.
func (v Version) Child(st tree.Step) Version {
	if !versioned(st.Node) || st.Node.Kind == schema.List && st.Keys == nil && st.Pos == 0 {
		return v
	}
	if v.of == nil {
		v.Commit = v.made
		return v
	}
	v.key += stepKey(v.in, st)
	v.in = st.Node.Module
	m, ok := v.of.nodes.Get(v.key)
	if !ok {
		return Version{Commit: v.made, made: v.made}
	}
	v.Commit, v.made = m.last, m.made
	return v
}

// LastChange returns the id of the commit that last changed the node at p or
// something below it. For one that is not versioned, or does not exist, that is
// the id of the closest versioned node above it.
func (s Snapshot) LastChange(p tree.Path) uint64 {
	v := s.Version()
	for i, st := range p {
		if s.Root == nil || s.Root.Get(p[:i+1]) == nil {
			break
		}
		v = v.Child(st)
	}
	return v.Commit
}

// LastChange is that of running as it is now.
func (s *Store) LastChange(p tree.Path) uint64 { return s.Running().LastChange(p) }

// CandidateSnapshot returns the candidate of the session. Its ID and versions are
// those of running, Uncommitted where the candidate differs.
func (s *Session) CandidateSnapshot() Snapshot {
	st := s.store
	st.mu.Lock()
	root, running := st.candidateRoot(s), st.Running()
	st.mu.Unlock()
	if !same(root, running.Root) {
		running.versions = running.versions.after(running.Root, root, Uncommitted)
	}
	running.Root = root
	return running
}

// Condition is what a client expects of running when the candidate that it edits
// is committed.
type Condition struct {
	Path tree.Path
	// Holds decides about the commit that last changed the node at Path.
	Holds func(commit uint64) bool
	// Err is the error of the commit where it does not hold.
	Err func(commit uint64) *yangerr.Error
}

// expect returns list with the conditions of next, which take the place of earlier
// ones on the same node. list itself never changes.
func expect(list, next []Condition) []Condition {
	if len(next) == 0 {
		return list
	}
	list = slices.Clone(list)
	for _, c := range next {
		list = slices.DeleteFunc(list, func(o Condition) bool { return o.Path.Equal(c.Path) })
		list = append(list, c)
	}
	return list
}

// unexpected returns the errors of the conditions that running does not meet.
func unexpected(running Snapshot, conditions []Condition) error {
	var errs yangerr.List
	for _, c := range conditions {
		if id := running.LastChange(c.Path); !c.Holds(id) {
			errs = append(errs, c.Err(id))
		}
	}
	return errs.Err()
}
