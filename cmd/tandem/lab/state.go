package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// DefaultRunDir holds one directory for each lab that is up.
const DefaultRunDir = "/run/tandem-lab"

// Lab is a lab on this machine.
type Lab struct {
	Topology *Topology
	// RunDir is the lab's directory: state directories, logs, keys.
	RunDir string
	// Tandemd is the path of the daemon.
	Tandemd string
	// Dataplane is passed to every element: auto, kernel or ebpf.
	Dataplane string
	// Progress is told each step as it is done; nil for silence.
	Progress func(format string, args ...any)
	// Processes are the running elements.
	Processes map[string]Process
}

// Process is a running tandemd.
type Process struct {
	PID int `json:"pid"`
	// Started is field 22 of /proc/PID/stat: with the PID it names the process
	// even after the number was given to another.
	Started string `json:"started"`
}

type stateFile struct {
	Topology  string             `json:"topology"`
	Tandemd   string             `json:"tandemd"`
	Dataplane string             `json:"dataplane"`
	Processes map[string]Process `json:"processes"`
}

// New prepares a lab that is not up yet.
func New(t *Topology, runDir, tandemd, dataplane string) *Lab {
	return &Lab{
		Topology:  t,
		RunDir:    filepath.Join(runDir, t.Name),
		Tandemd:   tandemd,
		Dataplane: dataplane,
		Processes: map[string]Process{},
	}
}

// Open finds a lab that is up.
func Open(name, runDir string) (*Lab, error) {
	dir := filepath.Join(runDir, name)
	text, err := os.ReadFile(filepath.Join(dir, "lab.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("lab %s is not up (nothing in %s)", name, dir)
	}
	if err != nil {
		return nil, err
	}
	var s stateFile
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("%s/lab.json: %w", dir, err)
	}
	t, err := Load(s.Topology)
	if err != nil {
		return nil, err
	}
	l := New(t, runDir, s.Tandemd, s.Dataplane)
	l.Processes = s.Processes
	return l, nil
}

// Names lists the labs that are up.
func Names(runDir string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(runDir, "*", "lab.json"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range found {
		names = append(names, filepath.Base(filepath.Dir(f)))
	}
	return names, nil
}

func (l *Lab) save() error {
	dir, err := filepath.Abs(l.Topology.Dir)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(stateFile{dir, l.Tandemd, l.Dataplane, l.Processes}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.RunDir, "lab.json"), append(text, '\n'), 0o600)
}

func (l *Lab) progress(format string, args ...any) {
	if l.Progress != nil {
		l.Progress(format, args...)
	}
}

// StateDir is the state directory of an element.
func (l *Lab) StateDir(node string) string { return filepath.Join(l.RunDir, node) }

// LogFile is where an element's log goes.
func (l *Lab) LogFile(node string) string { return filepath.Join(l.RunDir, node+".log") }

// KeyFile is the administrator's private key, made for this lab.
func (l *Lab) KeyFile() string { return filepath.Join(l.RunDir, "admin_ed25519") }

// Running reports whether an element's process lives.
func (l *Lab) Running(node string) bool {
	p, ok := l.Processes[node]
	return ok && p.alive()
}

func startTime(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The name of the program stands in parentheses and may contain spaces.
	_, rest, ok := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 || fields[0] == "Z" && !hasThreads(pid) {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	return fields[19], nil
}

// hasThreads reports whether threads besides the first are left: a process that is
// killed keeps its sockets until the last one has ended, while the first may be a
// zombie already.
func hasThreads(pid int) bool {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return err == nil && len(tasks) > 1
}

func (p Process) alive() bool {
	s, err := startTime(p.PID)
	return err == nil && s == p.Started
}

// signal sends sig unless the process has ended.
func (p Process) signal(sig syscall.Signal) error {
	if !p.alive() {
		return nil
	}
	if err := syscall.Kill(p.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// wait returns when the process has ended, or when ctx has.
func (p Process) wait(ctx context.Context) error {
	return poll(ctx, 5*time.Millisecond, func() (bool, error) { return !p.alive(), nil })
}

// poll calls done every so often until it is true, fails, or ctx ends.
func poll(ctx context.Context, every time.Duration, done func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
