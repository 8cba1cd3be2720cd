package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sysctlMPLS is where the sysctls of mpls_router are.
const sysctlMPLS = "/proc/sys/net/mpls"

// ErrUnavailable is returned where the kernel has no MPLS and none can be
// loaded.
var ErrUnavailable = errors.New("the kernel has no MPLS")

// Probe tells whether the kernel driver can work here: mpls_router and
// mpls_iptunnel are there or can be loaded. The error says what is missing.
func Probe() error {
	if err := present("mpls_router", func() bool { return exists(sysctlMPLS) }); err != nil {
		return err
	}
	return present("mpls_iptunnel", func() bool { return exists("/sys/module/mpls_iptunnel") || builtIn("mpls_iptunnel") })
}

// present checks for a module and tries to load it.
func present(module string, there func() bool) error {
	if there() {
		return nil
	}
	path, err := exec.LookPath("modprobe")
	if err != nil {
		path = "/sbin/modprobe"
	}
	out, err := exec.Command(path, module).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s is not loaded and modprobe says %q (%w)", ErrUnavailable, module, bytes.TrimSpace(out), err)
	}
	// Where another process is loading it at this moment, modprobe is content
	// before it is ready.
	for end := time.Now().Add(loadPatience); !there(); time.Sleep(loadPoll) {
		if time.Now().After(end) {
			return fmt.Errorf("%w: %s was loaded but is not there", ErrUnavailable, module)
		}
	}
	return nil
}

const (
	loadPatience = 10 * time.Second
	loadPoll     = 10 * time.Millisecond
)

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// builtIn looks a module up among those linked into the kernel.
func builtIn(module string) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	b, err := os.ReadFile(filepath.Join("/lib/modules", unix.ByteSliceToString(u.Release[:]), "modules.builtin"))
	return err == nil && strings.Contains(string(b), "/"+module+".ko")
}

// setInput lets an interface take labelled frames, or not.
func (d *Driver) setInput(name string, on bool) error { return setInput(d.link, name, on) }

// input reports whether an interface takes labelled frames.
func (d *Driver) input(name string) (on bool, err error) {
	err = d.link.Do(func() error {
		b, err := os.ReadFile(filepath.Join(sysctlMPLS, "conf", name, "input"))
		on = strings.TrimSpace(string(b)) == "1"
		return err
	})
	return on, err
}

// ipv6 reports whether an interface has IPv6.
func (d *Driver) ipv6(name string) (on bool) {
	// Without the file there is no IPv6 at all, and on stays false.
	_ = d.link.Do(func() error {
		b, err := os.ReadFile(filepath.Join("/proc/sys/net/ipv6/conf", name, "disable_ipv6"))
		on = err == nil && strings.TrimSpace(string(b)) == "0"
		return err
	})
	return on
}

// ensureLabels makes the label table large enough for a label. It grows by
// powers of two, because each step copies the table.
func (d *Driver) ensureLabels(label uint32) error {
	return d.link.Do(func() error {
		file := filepath.Join(sysctlMPLS, "platform_labels")
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		have, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 32)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if uint64(label) < have {
			return nil
		}
		size := uint64(4096)
		for size <= uint64(label) {
			size *= 2
		}
		size = min(size, maxLabel+1)
		return os.WriteFile(file, strconv.AppendUint(nil, size, 10), 0)
	})
}
