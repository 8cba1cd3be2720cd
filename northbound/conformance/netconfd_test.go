package conformance_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/northbound/conformance"
)

// TestNetconfd is the control: Debian's netconfd must fail the cases that it is
// known to fail, and pass all others that apply to it. A suite that nobody fails
// proves nothing.
func TestNetconfd(t *testing.T) {
	target := netconfd(t)
	target.Known = netconfdFails()
	report(t, conformance.Run(t, target, *match))
}

// netconfd starts Debian's server with its files in a directory of the test. Its
// client side is the program that sshd would start as the subsystem: it takes
// the user and the port from the environment that sshd gives it.
func netconfd(t *testing.T) conformance.Target {
	t.Helper()
	server, client := program(t, "netconfd"), program(t, "netconf-subsystem")
	modules, err := filepath.Abs("modules")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "conf") // The path of a socket must be short.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	log := &serverLog{}
	cmd := exec.Command(server, "--module=mtp-conformance-test", "--modpath=/usr/share/yuma/modules:"+modules,
		"--feature-disable=mtp-conformance-test:absent", "--no-startup", "--target=candidate", "--superuser=admin",
		"--ncxserver-sockname="+socket, "--home="+dir, "--log-level=info")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Env = append(os.Environ(), "HOME="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-gone:
		case <-time.After(5 * time.Second):
			cmd.Process.Kill()
			<-gone
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
			break
		}
		select {
		case err := <-gone:
			gone <- err
			t.Fatalf("netconfd ends: %v\n%s", err, log)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("netconfd does not listen: %v", err)
		}
	}
	return conformance.Target{
		Name: "netconfd 2.13", Can: []string{"users"}, Patience: 3 * time.Second,
		Dial: func(user string) (io.ReadWriteCloser, error) {
			if user == "" {
				user = "admin"
			}
			return subsystem(client, "--ncxserver-sockname=830@"+socket, user, log)
		},
	}
}

func program(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	t.Fatalf("%s is missing: run .ci/deps", name)
	return ""
}

// process is a stream through a program's standard input and output.
type process struct {
	io.Writer // its input
	io.Reader // its output
	cmd       *exec.Cmd
	in, out   io.Closer
	log       *serverLog
}

func subsystem(path, socket, user string, log *serverLog) (io.ReadWriteCloser, error) {
	cmd := exec.Command(path, socket)
	cmd.Env = append(os.Environ(), "USER="+user, "SSH_CONNECTION=127.0.0.1 4711 127.0.0.1 830")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{in, out, cmd, in, out, log}, nil
}

// Write waits after hello until the server has taken it: a request that arrives
// in the same read is lost to netconfd until something else arrives.
func (p *process) Write(b []byte) (int, error) {
	before := p.log.count("now active")
	n, err := p.Writer.Write(b)
	if err == nil && bytes.Contains(b, []byte("hello>")) {
		for end := time.Now().Add(500 * time.Millisecond); p.log.count("now active") == before && time.Now().Before(end); {
			<-time.After(time.Millisecond)
		}
	}
	return n, err
}

// serverLog keeps what the server says.
type serverLog struct {
	mu   sync.Mutex
	text []byte
}

func (l *serverLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	return len(b), nil
}

func (l *serverLog) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.text, []byte(what))
}

func (l *serverLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// Close ends the program, which forks, with its group.
func (p *process) Close() error {
	err := errors.Join(p.in.Close(), syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL))
	p.cmd.Wait()
	return err
}
