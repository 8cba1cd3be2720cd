package ebpf

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
)

// load makes the maps that are not in replace and loads the programs on top,
// each in a goroutine of its own: large maps and verification take nearly all of
// the time, and neither needs the other ones to be done. Programs that an
// earlier process of this build left on the same maps are taken as they are.
// Maps in replace stay the caller's.
func load(p pins, spec *ebpf.CollectionSpec, replace map[string]*ebpf.Map) (*tandemObjects, error) {
	all, err := loadMaps(spec, replace)
	if err != nil {
		return nil, err
	}
	defer func() {
		for name, m := range all {
			if replace[name] == nil {
				m.Close() // The objects hold clones.
			}
		}
	}()
	coll, err := openPrograms(p, spec, all)
	if err != nil {
		return nil, err
	}
	objs := new(tandemObjects)
	err = errors.Join(coll.Assign(&objs.tandemPrograms), coll.Assign(&objs.tandemMaps))
	coll.Close() // What was assigned is no longer its own.
	if err != nil {
		objs.Close()
		return nil, err
	}
	return objs, nil
}

// openPrograms returns programs and clones of the maps.
func openPrograms(p pins, spec *ebpf.CollectionSpec, all map[string]*ebpf.Map) (*ebpf.Collection, error) {
	if found := pinnedPrograms(p, spec, all); found != nil {
		out := &ebpf.Collection{Programs: found, Maps: map[string]*ebpf.Map{}}
		for name, m := range all {
			clone, err := m.Clone()
			if err != nil {
				out.Close()
				return nil, err
			}
			out.Maps[name] = clone
		}
		return out, nil
	}
	out, err := loadPrograms(spec, all)
	if err != nil {
		return nil, err
	}
	if err := pinPrograms(p, out.Programs); err != nil {
		out.Close()
		return nil, fmt.Errorf("pin programs: %w", err)
	}
	return out, nil
}

// loadMaps makes maps.
func loadMaps(spec *ebpf.CollectionSpec, replace map[string]*ebpf.Map) (map[string]*ebpf.Map, error) {
	var (
		mu   sync.Mutex
		done sync.WaitGroup
		all  = map[string]*ebpf.Map{}
		errs []error
	)
	for name, m := range spec.Maps {
		if strings.HasPrefix(name, ".") {
			continue // Read-only data goes with its program.
		}
		if r := replace[name]; r != nil {
			mu.Lock()
			all[name] = r
			mu.Unlock()
			continue
		}
		done.Go(func() {
			made, err := ebpf.NewMap(m)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("map %s: %w", name, err))
				return
			}
			all[name] = made
		})
	}
	done.Wait()
	if err := errors.Join(errs...); err != nil {
		for name, m := range all {
			if replace[name] == nil {
				m.Close()
			}
		}
		return nil, err
	}
	return all, nil
}

// loadPrograms loads every program on maps, and returns one collection with
// programs and clones of the maps.
func loadPrograms(spec *ebpf.CollectionSpec, all map[string]*ebpf.Map) (*ebpf.Collection, error) {
	var (
		mu   sync.Mutex
		done sync.WaitGroup
		errs []error
	)
	out := &ebpf.Collection{Programs: map[string]*ebpf.Program{}, Maps: map[string]*ebpf.Map{}}
	for name, p := range spec.Programs {
		one := spec.Copy()
		one.Programs = map[string]*ebpf.ProgramSpec{name: p}
		done.Go(func() {
			c, err := ebpf.NewCollectionWithOptions(one, ebpf.CollectionOptions{MapReplacements: all})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			out.Programs[name] = c.DetachProgram(name)
			for name := range all {
				if out.Maps[name] == nil {
					out.Maps[name] = c.DetachMap(name)
				}
			}
			c.Close()
		})
	}
	done.Wait()
	if err := errors.Join(errs...); err != nil {
		out.Close()
		return nil, err
	}
	return out, nil
}
