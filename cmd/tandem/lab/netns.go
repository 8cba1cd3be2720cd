package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/vishvananda/netns"
)

// inNamespace runs f on a thread that is inside the named network namespace.
// Sockets that f makes stay in it.
func inNamespace(name string, f func() error) error {
	errc := make(chan error, 1)
	go func() {
		// The thread is not unlocked when it cannot be brought back: the
		// runtime then ends it with the goroutine instead of reusing it.
		runtime.LockOSThread()
		errc <- func() (err error) {
			home, err := netns.Get()
			if err != nil {
				return fmt.Errorf("own network namespace: %w", err)
			}
			defer func() { err = errors.Join(err, home.Close()) }()
			target, err := netns.GetFromName(name)
			if err != nil {
				return fmt.Errorf("network namespace %s: %w", name, err)
			}
			defer func() { err = errors.Join(err, target.Close()) }()
			if err := netns.Set(target); err != nil {
				return fmt.Errorf("enter %s: %w", name, err)
			}
			err = f()
			if e := netns.Set(home); e != nil {
				return errors.Join(err, e)
			}
			runtime.UnlockOSThread()
			return err
		}()
	}()
	return <-errc
}

// Enter runs f inside a node's network namespace, on a thread of its own.
// Sockets that f makes stay in the namespace.
func (l *Lab) Enter(node string, f func() error) error {
	return inNamespace(l.Topology.Namespace(node), f)
}

// Dial connects from inside a node's network namespace. The address must be
// literal.
func (l *Lab) Dial(ctx context.Context, node, network, address string) (net.Conn, error) {
	return dialIn(l.Topology.Namespace(node))(ctx, network, address)
}

// dialIn returns a dialler whose connections start inside a namespace. The
// address must be literal: a name would be resolved on another thread.
func dialIn(namespace string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = inNamespace(namespace, func() (err error) {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}
}

// ipBatch runs lines of ip(8) in one process, inside a namespace when it is
// named. The first line that fails ends it.
func ipBatch(ctx context.Context, namespace string, lines ...string) error {
	if len(lines) == 0 {
		return nil
	}
	args := []string{"-batch", "-"}
	if namespace != "" {
		args = append([]string{"-n", namespace}, args...)
	}
	cmd := exec.CommandContext(ctx, "ip", args...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s\n%s", strings.Join(args, " "), err, strings.TrimSpace(string(out)), strings.Join(lines, "\n"))
	}
	return nil
}

// sysctl writes a network setting of the namespace.
func sysctl(namespace, key, value string) error {
	return inNamespace(namespace, func() error {
		return os.WriteFile("/proc/sys/"+strings.ReplaceAll(key, ".", "/"), []byte(value), 0o644)
	})
}
