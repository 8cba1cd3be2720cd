package ebpf

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
)

// programsPrefix begins the directory of the programs that an earlier process
// verified.
const programsPrefix = "programs-"

// programs is the directory of this build's programs.
func (p pins) programs() string {
	sum := sha256.Sum256(_TandemBytes)
	return filepath.Join(p.root, programsPrefix+hex.EncodeToString(sum[:8]))
}

// programLoader loads programs on tables. Those that an earlier process of this
// build left on the same tables it takes as they are: what has been verified once
// need not be again, and verification is most of a start.
type programLoader struct {
	pins   pins
	spec   *ebpf.CollectionSpec
	tables map[string]*ebpf.Map
	ids    map[ebpf.MapID]bool // of the tables
}

func newProgramLoader(p pins, spec *ebpf.CollectionSpec, tables map[string]*ebpf.Map) (*programLoader, error) {
	l := &programLoader{p, spec, tables, map[ebpf.MapID]bool{}}
	for name, m := range tables {
		info, err := m.Info()
		if err != nil {
			return nil, fmt.Errorf("map %s: %w", name, err)
		}
		id, _ := info.ID()
		l.ids[id] = true
	}
	return l, nil
}

// load returns a program, which is pinned for the next process.
func (l *programLoader) load(name string) (*ebpf.Program, error) {
	path := filepath.Join(l.pins.programs(), name)
	if prog := l.pinned(path); prog != nil {
		return prog, nil
	}
	one := l.spec.Copy()
	one.Programs = map[string]*ebpf.ProgramSpec{name: one.Programs[name]}
	all, err := ebpf.NewCollectionWithOptions(one, ebpf.CollectionOptions{MapReplacements: l.tables})
	if err != nil {
		return nil, err
	}
	defer all.Close()
	prog := all.DetachProgram(name)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("unpin program: %w", err), prog.Close())
	}
	// A pin that cannot be made is missed by the next look at the pins (restorePins).
	_ = prog.Pin(path)
	return prog, nil
}

// pinned returns the program that is pinned, nil where there is none or one on
// other tables.
func (l *programLoader) pinned(path string) *ebpf.Program {
	prog, err := ebpf.LoadPinnedProgram(path, nil)
	if err != nil {
		return nil
	}
	if usesOnly(prog, l.ids) != nil {
		prog.Close()
		return nil
	}
	return prog
}

// later is a program that the driver can do without for a while.
func (l *programLoader) later(name string) *laterProgram {
	return &laterProgram{done: make(chan struct{}), load: func() (*ebpf.Program, error) {
		prog, err := l.load(name)
		if err != nil {
			return nil, &fault{fmt.Sprintf("the program %s cannot be loaded: %v", name, err), err}
		}
		return prog, nil
	}}
}

// usesOnly fails if a program uses another table than those given; its own
// read-only data is no table.
func usesOnly(prog *ebpf.Program, ours map[ebpf.MapID]bool) error {
	info, err := prog.Info()
	if err != nil {
		return err
	}
	ids, ok := info.MapIDs()
	if !ok {
		return errors.New("the kernel does not tell the maps of a program")
	}
	for _, id := range ids {
		if ours[id] {
			continue
		}
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			return err
		}
		info, err := m.Info()
		m.Close()
		if err != nil {
			return err
		}
		if !strings.Contains(info.Name, ".") {
			return fmt.Errorf("map %s is another", info.Name)
		}
	}
	return nil
}

// dropOtherPrograms unpins the programs of other builds.
func (p pins) dropOtherPrograms() error {
	dirs, err := filepath.Glob(filepath.Join(p.root, programsPrefix+"*"))
	for _, dir := range dirs {
		if dir != p.programs() {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}
	return err
}
