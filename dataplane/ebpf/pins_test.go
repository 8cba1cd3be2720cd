package ebpf

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// logged is an element and its log, warnings and errors.
func logged(t *testing.T) (*element, *bytes.Buffer) {
	t.Helper()
	out := new(bytes.Buffer)
	// The audit writes under the driver's lock, and lines reads under it.
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	e := newElementOn(t, Options{BPFFS: testFS(t), Instance: "pins", AuditInterval: time.Hour, Log: log})
	if _, err := e.attachmentProgram.get(); err != nil { // Its pin is the last.
		t.Fatal(err)
	}
	return e, out
}

// lines counts the lines of a log that contain a text.
func (e *element) lines(out *bytes.Buffer, text string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Count(out.String(), text)
}

// pinned lists the pins of the element, by their path below its directory.
func (e *element) pinned(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(e.pins.root, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range paths {
		paths[i] = strings.TrimPrefix(p, e.pins.root)
	}
	return strings.Join(paths, "\n")
}

// TestPinsRemoved removes pins of a running driver: they come back, packets go
// on, and the next process adopts everything.
func TestPinsRemoved(t *testing.T) {
	for name, spoil := range map[string]func(e *element) error{
		"directory of the instance": func(e *element) error { return os.RemoveAll(e.pins.root) },
		"directory of all":          func(e *element) error { return os.RemoveAll(filepath.Dir(e.pins.root)) },
		"links":                     func(e *element) error { return os.RemoveAll(e.pins.links()) },
		"one map":                   func(e *element) error { return os.Remove(filepath.Join(e.pins.maps(), "lsps")) },
		"all, and programs detached": func(e *element) error {
			for _, h := range e.hooks {
				if err := h.link.Detach(); err != nil {
					return err
				}
			}
			return os.RemoveAll(e.pins.root)
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, out := logged(t)
			before := e.pinned(t)
			e.mu.Lock()
			err := spoil(e)
			e.mu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				e.auditHooks()
			}
			for _, err := range e.Apply(context.Background(), e.missing(t)) {
				t.Fatalf("repair: %v", err)
			}
			if after := e.pinned(t); after != before {
				t.Errorf("pinned is\n%s\nwant\n%s", after, before)
			}
			if n := e.lines(out, "pins restored"); n != 1 {
				t.Errorf("the repair is told %d times", n)
			}
			if n := e.lines(out, "level=ERROR"); n != 0 {
				t.Errorf("%d errors", n)
			}
			e.forwards(t)
			e.Close()
			e.forwards(t)
			e.lab.Do(t, func() { e.Driver = mustOpen(t, e.opt) })
			defer e.Close()
			if ops := e.missing(t); len(ops) != 0 {
				t.Errorf("the next process has %d operations to do", len(ops))
			}
		})
	}
}

// TestAttachWithoutDirectory attaches between the removal of the directory and
// the next look.
func TestAttachWithoutDirectory(t *testing.T) {
	e, _ := logged(t)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := os.RemoveAll(e.pins.root); err != nil {
		t.Fatal(err)
	}
	e.detach(e.impose.Index)
	if err := e.useInterface(e.impose, roleImpose); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(e.pins.link(e.impose.Index, e.hooks[e.impose.Index].mode.String())); err != nil {
		t.Error(err)
	}
}

// TestFaultIsToldOnce puts something in the way of the repair: one line says so,
// one says that it is over, and packets go on all the time.
func TestFaultIsToldOnce(t *testing.T) {
	e, out := logged(t)
	e.mu.Lock()
	err := os.RemoveAll(e.pins.root)
	obstacle, cerr := e.objs.Limits.Clone()
	if err == nil && cerr == nil {
		err = obstacle.Pin(e.pins.root)
	}
	e.mu.Unlock()
	if err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	defer obstacle.Close()
	for range 5 {
		e.auditHooks()
	}
	if n := e.lines(out, `msg="pins not restored"`); n != 1 {
		t.Errorf("the fault is told %d times", n)
	}
	e.forwards(t)
	e.mu.Lock()
	err = obstacle.Unpin()
	e.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		e.auditHooks()
	}
	if n := e.lines(out, "pins restored"); n != 1 {
		t.Errorf("the repair is told %d times", n)
	}
	if n := e.lines(out, "level="); n != 2 {
		t.Errorf("%d lines, want 2:\n%s", n, out)
	}
}
