package ebpf

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
)

// load makes the tables that are not among those found, and loads the programs
// on top: large tables and verification take nearly all of the time, and neither
// needs the other ones to be done. The one program that a start does not wait
// for follows later. The tables found are those of the objects from now on.
func load(p pins, spec *ebpf.CollectionSpec, found map[string]*ebpf.Map) (*objects, *laterProgram, error) {
	objs := new(tandemObjects)
	tables, err := makeTables(spec, found)
	all := ebpf.Collection{Maps: tables}
	defer all.Close() // What was assigned is no longer its own.
	if err == nil {
		err = all.Assign(&objs.tandemMaps)
	}
	if err == nil {
		err = p.dropOtherPrograms()
	}
	var l *programLoader
	if err == nil {
		l, err = newProgramLoader(p, spec, objs.named())
	}
	if err != nil {
		objs.Close()
		return nil, nil, err
	}
	var done sync.WaitGroup
	var errs [3]error
	done.Go(func() { objs.TandemSection, errs[0] = l.load("tandem_section") })
	done.Go(func() { objs.TandemImpose, errs[1] = l.load("tandem_impose") })
	done.Go(func() { objs.TandemRelay, errs[2] = l.load("tandem_relay") })
	done.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		objs.Close()
		return nil, nil, err
	}
	return newObjects(objs), l.later(attachmentName), nil
}

// makeTables adds to the tables found those that are not there. Those with room
// for each processor are made one after the other, for the kernel makes each
// entry of them under one lock, and the others beside.
func makeTables(spec *ebpf.CollectionSpec, found map[string]*ebpf.Map) (map[string]*ebpf.Map, error) {
	var perCPU, others []string
	for name, m := range spec.Maps {
		switch {
		case found[name] != nil || strings.HasPrefix(name, "."): // Read-only data goes with its program.
		case m.Type == ebpf.PerCPUArray:
			perCPU = append(perCPU, name)
		default:
			others = append(others, name)
		}
	}
	var mu sync.Mutex
	var errs []error
	makeAll := func(names []string) {
		for _, name := range names {
			made, err := ebpf.NewMap(spec.Maps[name])
			mu.Lock()
			if err == nil {
				found[name] = made
			} else {
				errs = append(errs, fmt.Errorf("map %s: %w", name, err))
			}
			mu.Unlock()
		}
	}
	var done sync.WaitGroup
	done.Go(func() { makeAll(perCPU) })
	done.Go(func() { makeAll(others) })
	done.Wait()
	return found, errors.Join(errs...)
}

// attachmentName is the program that a start does not wait for.
const attachmentName = "tandem_attachment"

// laterProgram is a program that is verified while the driver works already:
// from start on, or as soon as somebody waits for it.
type laterProgram struct {
	load    func() (*ebpf.Program, error)
	once    sync.Once
	done    chan struct{}
	program *ebpf.Program
	err     error
}

// start begins to load the program, beside the caller.
func (l *laterProgram) start() {
	l.once.Do(func() {
		go func() {
			defer close(l.done)
			l.program, l.err = l.load()
		}()
	})
}

// get waits for the program. An error is one that trying again does not cure.
func (l *laterProgram) get() (*ebpf.Program, error) {
	l.start()
	<-l.done
	return l.program, l.err
}

// ready returns the program if it is there by now, else nil, and an error if it
// never will be.
func (l *laterProgram) ready() (*ebpf.Program, error) {
	select {
	case <-l.done:
		return l.program, l.err
	default:
		return nil, nil
	}
}

// close waits for the program if it is being loaded, and closes it.
func (l *laterProgram) close() {
	l.once.Do(func() { close(l.done) }) // Never begun, and never to begin.
	<-l.done
	if l.program != nil {
		l.program.Close()
	}
}
