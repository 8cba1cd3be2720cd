package conformance_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	which := *match
	if which == nil {
		// Now and then netconfd hangs for good when a session with a subscription
		// is lost, so the cases of RFC 5277 and RFC 6470 are no part of the control.
		which = regexp.MustCompile(`^rfc(5717|6022|624[123]|7950|8\d\d\d|9144)-`)
	}
	report(t, conformance.Run(t, target, which))
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
	d := &daemon{socket: filepath.Join(dir, "s")}
	d.make = func() *exec.Cmd {
		// A dump would keep a crashed one for seconds on a busy machine.
		cmd := exec.Command("/bin/sh", "-c", `ulimit -c 0; exec "$0" "$@"`, server, "--module=mtp-conformance-test", "--modpath=/usr/share/yuma/modules:"+modules,
			"--feature-disable=mtp-conformance-test:absent", "--no-startup", "--target=candidate", "--superuser="+admin,
			"--ncxserver-sockname="+d.socket, "--home="+dir, "--log-level=info")
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &d.log, &d.log
		cmd.Env = append(os.Environ(), "HOME="+dir)
		cmd.WaitDelay = time.Second // It may leave a child behind that holds the log.
		return cmd
	}
	if err := d.ensure(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stop)
	return conformance.Target{
		Name: "netconfd 2.13", Patience: 3 * time.Second, Tries: 3,
		Dial: func(user string) (io.ReadWriteCloser, error) {
			if err := d.ensure(); err != nil {
				return nil, err
			}
			if user == "" {
				user = admin
			}
			return subsystem(client, "--ncxserver-sockname=830@"+d.socket, user, &d.log)
		},
	}
}

// daemon is a server that is started again when it has crashed, as some cases
// make it.
type daemon struct {
	make   func() *exec.Cmd
	socket string
	log    serverLog
	cmd    *exec.Cmd
	gone   chan struct{} // closed when cmd has ended
}

// ensure returns when the server listens.
func (d *daemon) ensure() error {
	if d.cmd != nil {
		select {
		case <-d.gone:
		default:
			return nil
		}
	}
	if err := os.Remove(d.socket); err != nil && !os.IsNotExist(err) {
		return err
	}
	d.cmd, d.gone = d.make(), make(chan struct{})
	if err := d.cmd.Start(); err != nil {
		return err
	}
	go func(cmd *exec.Cmd, gone chan struct{}) {
		cmd.Wait()
		close(gone)
	}(d.cmd, d.gone)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if conn, err := net.Dial("unix", d.socket); err == nil {
			return conn.Close()
		}
		select {
		case <-d.gone:
			return fmt.Errorf("netconfd ends:\n%s", &d.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return errors.New("netconfd does not listen")
}

func (d *daemon) stop() {
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.gone:
	case <-time.After(5 * time.Second):
		d.cmd.Process.Kill()
		<-d.gone
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
