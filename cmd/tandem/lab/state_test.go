package lab

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// loaded is a lab of the sound topology below a directory of its own.
func loaded(t *testing.T) (*Lab, string) {
	t.Helper()
	topology, err := Load(write(t, sound))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	l := New(topology, dir, "/nowhere/tandemd", "auto")
	if err := os.MkdirAll(l.RunDir, 0o700); err != nil {
		t.Fatal(err)
	}
	return l, dir
}

func TestSaveAndOpen(t *testing.T) {
	l, dir := loaded(t)
	if _, err := Open("small", dir); err == nil || !strings.Contains(err.Error(), "lab small is not up") {
		t.Errorf("open before it is up: %v", err)
	}
	l.Processes["a"] = Process{PID: 4711, Started: "99"}
	if err := l.save(); err != nil {
		t.Fatal(err)
	}
	got, err := Open("small", dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.Tandemd != l.Tandemd || got.Dataplane != "auto" || got.RunDir != l.RunDir || got.Processes["a"] != l.Processes["a"] {
		t.Errorf("read back %+v", got)
	}
	if names, err := Names(dir); err != nil || len(names) != 1 || names[0] != "small" {
		t.Errorf("names %v, %v", names, err)
	}
	if err := got.vacant(); err == nil || !strings.Contains(err.Error(), "up already") {
		t.Errorf("up twice: %v", err)
	}
	if err := os.WriteFile(filepath.Join(l.RunDir, "lab.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("small", dir); err == nil || !strings.Contains(err.Error(), "lab.json") {
		t.Errorf("open with a torn file: %v", err)
	}
}

func TestDownOfNothing(t *testing.T) {
	l, _ := loaded(t)
	if err := l.Down(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(l.RunDir); err != nil {
		t.Errorf("a directory that no lab made is gone: %v", err)
	}
}

// TestProcess: a process is known by its number and its start, so that a number
// given to another is never signalled.
func TestProcess(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	started, err := startTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	stranger := Process{PID: cmd.Process.Pid, Started: started + "1"}
	if stranger.alive() {
		t.Error("another process of the same number is taken for ours")
	}
	if err := stranger.signal(syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	p := Process{PID: cmd.Process.Pid, Started: started}
	if !p.alive() {
		t.Fatal("the process has ended: a stranger was signalled")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.wait(ctx); err == nil {
		t.Error("wait returned while the process lives")
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// A zombie has ended, although nobody has waited for it.
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.wait(ctx); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process was not killed")
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		t.Errorf("a signal to nobody: %v", err)
	}
}
