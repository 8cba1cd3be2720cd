package datastore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// <startup> is a file in the form of a checkpoint. The file of the boot has the
// id of the boot that the journal was last open in.
const (
	startupName = "startup.conf"
	bootName    = "boot"
)

// HasStartup reports whether <startup> exists (Options.Startup).
func (s *Store) HasStartup() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.startup != nil
}

// Startup returns <startup>: what the next boot begins with. ID is the commit
// that running was at when it was written. Without HasStartup it is zero.
func (s *Store) Startup() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.startup == nil {
		return Snapshot{}
	}
	return *s.startup
}

// SetStartup makes root the startup configuration (copy-config); nil stands for
// its deletion (delete-config), after which a boot begins with Options.Initial.
// When it returns, the change is on stable storage. The error is a yangerr.List:
// in-use if another session has locked <startup>, or what makes root invalid.
func (s *Session) SetStartup(ctx context.Context, root *tree.Node) error {
	st := s.store
	if _, err := st.gate(Startup); err != nil {
		return err
	}
	if err := st.starter.lock(ctx); err != nil {
		return err
	}
	defer st.starter.unlock()
	st.mu.Lock()
	err := st.free(s, Startup)
	st.mu.Unlock()
	if err != nil {
		return err
	}
	running := st.Running()
	switch {
	case root == nil:
		root = tree.Empty(st.schema)
	case root != running.Root:
		// To save running takes no more than the right to copy (RFC 8341 section
		// 3.2.6), and running is valid.
		if root, err = st.rewritten(st.Startup().Root, root); err != nil {
			return err
		}
		if _, errs := st.validator.Full(root); len(errs) > 0 {
			return errs
		}
		if st.authorize != nil {
			if err := st.authorize(s.info, &Change{Old: st.Startup().Root, New: root, Session: s.info}).Err(); err != nil {
				return err
			}
		}
	}
	if err := st.writeStartup(Snapshot{Root: root, ID: running.ID, Time: st.clock.Now()}); err != nil {
		st.log.Error("the startup configuration could not be written", "user", s.info.User, "session", s.id, "reason", err)
		return yangerr.New(yangerr.OperationFailed, nil, "the startup configuration could not be written to stable storage: %v", err)
	}
	return nil
}

func (s *Store) writeStartup(snap Snapshot) error {
	if _, err := writeCheckpoint(s.journal.dir, startupName, s.schema, snap, &s.journal.limits); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startup = &snap
	return nil
}

// beginStartup reads <startup> and, in another boot, makes it running; initial,
// which may be nil, stands in for a deleted one. The first time, <startup>
// becomes what running is: nothing that is in force is lost by the switch.
func (s *Store) beginStartup(initial *tree.Node, first, rebooted bool) error {
	name := filepath.Join(s.journal.dir, startupName)
	c, err := readCheckpoint(s.schema, name)
	switch {
	case err == nil:
	case c.schemaChanged:
		return misfit(startupName, err)
	default:
		if !errors.Is(err, fs.ErrNotExist) {
			what := fmt.Sprintf("%s: %v", startupName, err)
			s.recovery.Damage = append(s.recovery.Damage, what)
			s.log.Error("the startup configuration is damaged; running takes its place", "what", what)
			if err := setAside(name); err != nil {
				return err
			}
		}
		if first {
			if err := s.commitInitial(initial); err != nil {
				return err
			}
		}
		running := s.Running()
		return s.writeStartup(Snapshot{Root: running.Root, ID: running.ID, Time: s.clock.Now()})
	}
	s.startup = &Snapshot{Root: c.root, ID: c.id, Time: c.time}
	root := c.root
	if root.Len() == 0 && initial != nil {
		root = initial
	}
	cur := s.running.Load()
	if !first && !rebooted || same(cur.Root, root) {
		return nil
	}
	checked, errs := s.validator.Change(cur.checked, root)
	if len(errs) > 0 {
		s.recovery.Invalid = errs
		s.log.Error("the startup configuration breaks a constraint", "reason", errs)
	}
	_, err = s.install(context.Background(), cur, root, checked,
		CommitInfo{Session: systemSession(), Comment: "the host was booted: <startup> became running"}, nil)
	return err
}

// rebooted reports whether the host was booted since the journal was last open.
func (s *Store) rebooted(id string) (bool, error) {
	raw, err := os.ReadFile(filepath.Join(s.journal.dir, bootName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	before := strings.TrimSpace(string(raw))
	return id != "" && before != "" && before != id, err
}

// noteBoot remembers the present boot. It comes last in a start: one that was
// interrupted is made again.
func (s *Store) noteBoot(id string) error {
	name := filepath.Join(s.journal.dir, bootName)
	if raw, err := os.ReadFile(name); id == "" || err == nil && strings.TrimSpace(string(raw)) == id {
		return nil
	}
	if err := writeLine(name, id); err != nil {
		return err
	}
	s.journal.limits.at("boot written")
	return nameLine(name)
}

// writeLine writes a line to the file that nameLine makes the one of this name.
func writeLine(name, text string) error {
	f, err := os.OpenFile(name+tmpSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}

func nameLine(name string) error {
	if err := os.Rename(name+tmpSuffix, name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}
