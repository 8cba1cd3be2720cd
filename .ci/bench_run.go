//go:build ignore

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// builder builds test binaries, each once, and runs suites.
type builder struct {
	dir   string
	built map[string]string // By package.
}

func newBuilder() (*builder, error) {
	dir, err := os.MkdirTemp("", "tb") // The paths of sockets in it must be short.
	if err != nil {
		return nil, err
	}
	return &builder{dir: dir, built: map[string]string{}}, nil
}

func (b *builder) close() { os.RemoveAll(b.dir) }

// run runs a suite and gives the collector its lines. It ends, whatever the
// suite does, at the suite's limit.
func (b *builder) run(ctx context.Context, s suite, c *collector) error {
	limit := time.Duration(s.seconds) * 4 * time.Second
	limit = max(limit, 2*time.Minute)
	var cmd *exec.Cmd
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	flags := []string{"-test.run", "^$", "-test.bench", s.pattern, "-test.benchtime", s.time, "-test.benchmem"}
	if s.guest {
		args := []string{"-t", strconv.Itoa(int(limit.Seconds()) - 30), "-m", "3072"}
		if s.frr {
			if tree, err := exec.CommandContext(ctx, "testdata/vm/frr.sh").Output(); err == nil {
				args = append(args, "-x", strings.TrimSpace(string(tree)))
			} else {
				c.note("FRR is not to be had: " + stderrOf(err))
			}
		}
		cmd = exec.CommandContext(ctx, "testdata/vm/run.sh", append(append(args, s.pkg, "--"), flags...)...)
	} else {
		binary, err := b.build(ctx, s.pkg)
		if err != nil {
			return err
		}
		cmd = exec.CommandContext(ctx, binary, flags...)
		cmd.Dir = filepath.Clean(s.pkg)
		cmd.Env = append(os.Environ(), "TMPDIR="+b.dir)
	}
	// With all the processes that it starts, so that none is left at the end, nor a
	// file system that it has mounted.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	pr, pw := io.Pipe()
	cmd.Stdout, cmd.Stderr = pw, pw
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		pw.Close()
		done <- err
	}()
	sc := bufio.NewScanner(pr)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		c.line(sc.Text())
	}
	io.Copy(io.Discard, pr)
	err := <-done
	if ctx.Err() == context.DeadlineExceeded {
		return fmt.Errorf("had not ended after %.0f s", limit.Seconds())
	}
	return err
}

// build returns the test binary of a package.
func (b *builder) build(ctx context.Context, pkg string) (string, error) {
	if bin := b.built[pkg]; bin != "" {
		return bin, nil
	}
	bin := filepath.Join(b.dir, strings.NewReplacer("/", "_", ".", "").Replace(pkg)+".test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", bin, pkg).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s does not build: %v: %s", pkg, err, strings.TrimSpace(string(out)))
	}
	b.built[pkg] = bin
	return bin, nil
}

func stderrOf(err error) string {
	if e, ok := err.(*exec.ExitError); ok && len(e.Stderr) > 0 {
		return strings.TrimSpace(string(e.Stderr))
	}
	return err.Error()
}

// collector makes rows of the lines of a suite.
type collector struct {
	suite   suite
	emit    func(suite, row, figures, string)
	metrics map[string]map[string]float64 // By benchmark and unit.
	reasons map[string]string             // Why a benchmark failed.
	said    []string                      // The last lines that are no results.
	name    string                        // Of the benchmark that runs.
	failing string                        // The one whose reason comes.
	emitted []bool
}

// figures are those of a row.
type figures struct{ figure, peer, of float64 }

// note keeps what may tell why something is missing.
func (c *collector) note(text string) {
	c.said = append(c.said, text)
	c.said = c.said[max(0, len(c.said)-30):]
}

func (c *collector) line(text string) {
	if c.metrics == nil {
		c.metrics, c.reasons, c.emitted = map[string]map[string]float64{}, map[string]string{}, make([]bool, len(c.suite.rows))
	}
	fields := strings.Fields(text)
	if rest, failed := strings.CutPrefix(strings.TrimSpace(text), "--- FAIL: "); failed {
		c.failing = c.plainName(strings.Fields(rest)[0])
		return
	}
	if c.failing != "" && strings.HasPrefix(text, " ") && len(fields) > 1 {
		// "file.go:12: why"; more lines go on with it.
		if c.reasons[c.failing] == "" && strings.Contains(fields[0], ".go:") {
			fields = fields[1:]
		}
		c.reasons[c.failing] = strings.TrimSpace(c.reasons[c.failing] + " " + strings.Join(fields, " "))
		return
	}
	c.failing = ""
	// The name is printed before the benchmark runs: what it writes itself may
	// part it from its result.
	if len(fields) > 0 && strings.HasPrefix(fields[0], "Benchmark") {
		c.name, fields = c.plainName(fields[0]), fields[1:]
	}
	if c.name == "" || len(fields) < 3 || !isCount(fields[0]) {
		if len(fields) > 0 && !slices.Contains([]string{"goos:", "goarch:", "pkg:", "cpu:"}, fields[0]) {
			c.note(text)
		}
		return
	}
	m := map[string]float64{}
	for i := 1; i+1 < len(fields); i += 2 {
		if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
			m[fields[i+1]] = v
		}
	}
	c.metrics[c.name] = m
	for i, r := range c.suite.rows {
		if f, missing := c.figures(r); !c.emitted[i] && missing == "" {
			c.emitted[i] = true
			c.emit(c.suite, r, f, "")
		}
	}
}

// figures returns those of a row, or the benchmark that has not given its own.
func (c *collector) figures(r row) (f figures, missing string) {
	var ok bool
	if f.figure, ok = c.metrics[r.bench][r.metric]; !ok {
		return f, r.bench
	}
	if r.of != "" {
		if f.of, ok = c.metrics[r.bench][r.of]; !ok {
			return f, r.bench
		}
	}
	if r.peerBench != "" {
		if f.peer, ok = c.metrics[r.peerBench][r.metric]; !ok {
			return f, r.peerBench
		}
	}
	return f, ""
}

// finish emits what has not come, with the reason; err is how the suite ended.
func (c *collector) finish(err error) {
	if c.emitted == nil {
		c.line("")
	}
	for i, r := range c.suite.rows {
		if c.emitted[i] {
			continue
		}
		f, missing := c.figures(r)
		why := ""
		for name := missing; name != "" && why == ""; {
			why = c.reasons[name]
			cut := strings.LastIndexByte(name, '/')
			name = name[:max(cut, 0)]
		}
		if why == "" && err != nil {
			why = err.Error()
			if len(c.said) > 0 {
				why += ": " + tellTale(c.said)
			}
		}
		if why == "" {
			why = missing + " reported no " + r.metric
		}
		if missing == r.peerBench && missing != r.bench && missing != "" {
			why = "its peer: " + why
		}
		c.emit(c.suite, r, f, why)
	}
}

// tellTale is the line that tells most about the end of a suite: the first of a
// panic, or else the last that was printed.
func tellTale(said []string) string {
	for _, line := range said {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") || strings.HasPrefix(line, "testdata/vm: ") {
			return line
		}
	}
	return strings.TrimSpace(said[len(said)-1])
}

// guestProcessors is what testdata/vm/run.sh gives a guest.
const guestProcessors = 2

// plainName is a benchmark's name without the number of processors.
func (c *collector) plainName(name string) string {
	n := runtime.GOMAXPROCS(0)
	if c.suite.guest {
		n = guestProcessors
	}
	return strings.TrimSuffix(name, fmt.Sprintf("-%d", n))
}

func isCount(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}
