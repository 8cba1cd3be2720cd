package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The tests of this package are tier T1: real tandemd processes in network
// namespaces joined by veth pairs, driven by stock clients. One of them,
// tagged vm, runs in the guest of tier T2 on the kernel's own MPLS.

// tandemd is the path of the daemon under test.
var tandemd string

// asDaemon in the environment turns the test binary into tandemd: the guest has
// no compiler to make one with.
const asDaemon = "TANDEM_TEST_AS_DAEMON"

func TestMain(m *testing.M) {
	if os.Getenv(asDaemon) != "" {
		main()
		return
	}
	code, err := prepareAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func prepareAndRun(m *testing.M) (int, error) {
	if os.Geteuid() != 0 {
		return 1, errors.New("tier T1 makes network namespaces and loads eBPF programs: it needs root")
	}
	if os.Getenv("TANDEM_VM") != "" {
		var err error
		if tandemd, err = os.Executable(); err != nil {
			return 1, err
		}
		if err := os.Setenv(asDaemon, "1"); err != nil {
			return 1, err
		}
		return m.Run(), nil
	}
	dir, err := os.MkdirTemp("", "tandem-t1-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	tandemd = filepath.Join(dir, "tandemd")
	if out, err := exec.Command("go", "build", "-o", tandemd, ".").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return m.Run(), nil
}
