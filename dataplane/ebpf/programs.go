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

// pinnedPrograms returns the programs that a process of the same build left,
// where they use just the maps given: what has been verified once need not be
// again, and verification is nearly all of a start. It returns nil where one is
// missing or another.
func pinnedPrograms(p pins, spec *ebpf.CollectionSpec, all map[string]*ebpf.Map) map[string]*ebpf.Program {
	ours := map[ebpf.MapID]bool{}
	for _, m := range all {
		info, err := m.Info()
		if err != nil {
			return nil
		}
		id, _ := info.ID()
		ours[id] = true
	}
	out := map[string]*ebpf.Program{}
	for name := range spec.Programs {
		prog, err := ebpf.LoadPinnedProgram(filepath.Join(p.programs(), name), nil)
		if err == nil {
			out[name] = prog
			err = usesOnly(prog, ours)
		}
		if err != nil {
			for _, prog := range out {
				prog.Close()
			}
			return nil
		}
	}
	return out
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

// pinPrograms leaves the programs to the next process of this build; those of
// other builds go. Without it the next start is slower, no more.
func pinPrograms(p pins, programs map[string]*ebpf.Program) error {
	old, err := filepath.Glob(filepath.Join(p.root, programsPrefix+"*"))
	for _, dir := range old {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err = errors.Join(err, os.MkdirAll(p.programs(), 0o700)); err != nil {
		return err
	}
	for name, prog := range programs {
		err = errors.Join(err, prog.Pin(filepath.Join(p.programs(), name)))
	}
	return err
}
