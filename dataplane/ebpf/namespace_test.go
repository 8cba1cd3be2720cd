package ebpf

import (
	"bufio"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// startSleeper starts a process in a network namespace of its own and returns
// its number, by which ip(8) knows the namespace.
func startSleeper(t *testing.T) string {
	t.Helper()
	return sleeper(t, exec.Command("unshare", "--net", "sh", "-c", "echo; exec sleep 60"))
}

// pid is that of a process in the element's namespace.
func (e *element) pid(t *testing.T) string {
	t.Helper()
	var pid string
	e.lab.Do(t, func() { pid = sleeper(t, exec.Command("sh", "-c", "echo; exec sleep 60")) })
	return pid
}

func sleeper(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait() // Its error is the signal.
	})
	// The line tells that it is where it should be.
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(cmd.Process.Pid)
}

// runIn runs a command in the network namespace of a process.
func runIn(t *testing.T, pid, command string) string {
	t.Helper()
	args := append([]string{"--net", "--target", pid}, strings.Fields(command)...)
	out, err := exec.Command("nsenter", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	return string(out)
}
