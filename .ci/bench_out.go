//go:build ignore

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// record is one line of BENCH_OUT: a row, or, without a name, what a run says of
// itself at its begin (machine) and its end (seconds).
type record struct {
	Run   string `json:"run"` // When the run began: the same in all its records.
	Suite string `json:"suite,omitempty"`
	Name  string `json:"name,omitempty"`

	Figure float64 `json:"figure"`
	Unit   string  `json:"unit,omitempty"`
	// Of is what the figure is a part of.
	Of     float64 `json:"of,omitempty"`
	Peer   string  `json:"peer,omitempty"`
	PeerIs float64 `json:"peer_figure,omitempty"`
	Ratio  float64 `json:"ratio,omitempty"`
	Target string  `json:"target,omitempty"`
	// Met tells whether the target was met; absent: there is none, or no figure.
	Met *bool `json:"met,omitempty"`
	// Missing tells why there is no figure.
	Missing string `json:"missing,omitempty"`
	// JitterP99 is how late a 1 ms sleep was on this machine just before the
	// suite, in microseconds, Load the load average then.
	JitterP99 float64 `json:"jitter_p99_us,omitempty"`
	Load      float64 `json:"load,omitempty"`

	Machine  string  `json:"machine,omitempty"`
	Commit   string  `json:"commit,omitempty"`
	Complete bool    `json:"complete,omitempty"` // Every suite, to the end.
	Seconds  float64 `json:"seconds,omitempty"`
}

// output is where rows go.
type output struct {
	began    time.Time
	run      string
	complete bool
	file     *os.File // nil: none is wanted.
	jitter   float64
	load     float64
	missing  int
	unmet    []string
	err      error // The first of writing.
}

func newOutput(file string, complete bool) (*output, error) {
	o := &output{began: time.Now(), complete: complete}
	o.run = o.began.UTC().Format(time.RFC3339)
	if file != "" {
		var err error
		if o.file, err = os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
			return nil, err
		}
	}
	r := record{Run: o.run, Machine: machine(), Load: loadAverage(), Commit: commit()}
	o.write(r)
	fmt.Printf("%s, commit %s\n", r.Machine, r.Commit)
	if r.Load > float64(runtime.NumCPU())/2 {
		fmt.Printf("the machine is busy (load %.1f on %d processors): only ratios of one suite say something\n", r.Load, runtime.NumCPU())
	}
	return o, nil
}

func (o *output) close() {
	if o.file != nil {
		o.file.Close()
	}
}

func (o *output) write(r record) {
	if o.file == nil || o.err != nil {
		return
	}
	b, err := json.Marshal(r)
	if err == nil {
		_, err = o.file.Write(append(b, '\n'))
	}
	o.err = err
}

func (o *output) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}

// suite prints the head of the rows of a suite.
func (o *output) suite(s suite) {
	o.jitter, o.load = sleepJitter(), loadAverage()
	fmt.Printf("\n%s (load %.1f, a 1 ms sleep up to %.2f ms late)\n", s.name, o.load, o.jitter/1e3)
}

// row prints and keeps a row; missing tells why it has no figure.
func (o *output) row(s suite, r row, f figures, missing string) {
	rec := record{Run: o.run, Suite: s.name, Name: r.name, Unit: r.metric, Target: r.target, Missing: missing, JitterP99: o.jitter, Load: o.load}
	figure, beside, verdict := "-", "", ""
	if missing != "" {
		o.missing++
		verdict = "NOT MEASURED: " + missing
	} else {
		rec.Figure, rec.Of = f.figure, f.of
		n, u := display(f.figure, r.metric)
		figure = n + " " + u
		if r.of != "" {
			figure = fmt.Sprintf("%s of %s %s", number(f.figure), number(f.of), r.of)
		}
		if r.peerBench != "" {
			rec.Peer, rec.PeerIs = r.peer, f.peer
			if f.peer != 0 {
				rec.Ratio = f.figure / f.peer
			}
			n, _ := display(f.peer, r.metric)
			beside = fmt.Sprintf("%.2f x %s: %s", rec.Ratio, r.peer, n)
		}
		if r.target != "" {
			met, off, err := judge(r, rec.Figure, rec.Ratio)
			if err != nil {
				o.err = fmt.Errorf("row %q: %w", r.name, err)
				return
			}
			rec.Met = &met
			verdict = "wanted " + r.target + ": met"
			if !met {
				verdict = "wanted " + r.target + ": NOT MET" + off
				o.unmet = append(o.unmet, r.name+off)
			}
		}
	}
	o.write(rec)
	fmt.Println(strings.TrimRight(fmt.Sprintf("  %-68s %-24s %-44s %s", r.name, figure, beside, verdict), " "))
}

// finish prints the sum of a run.
func (o *output) finish(toTheEnd bool) (missing int, err error) {
	took := time.Since(o.began).Seconds()
	o.write(record{Run: o.run, Complete: o.complete && toTheEnd, Seconds: took})
	fmt.Printf("\n%.0f s; %d rows without a figure; %d figures that miss their target\n", took, o.missing, len(o.unmet))
	for _, name := range o.unmet {
		fmt.Println("  not met: " + name)
	}
	return o.missing, o.err
}

// judge tells whether a row's target is met: "<= 5", ">= 2 x" (the ratio to the
// peer), "= 0", "<= 5 ms" (of a metric in ns). off is by how much it is not.
func judge(r row, figure, ratio float64) (met bool, off string, err error) {
	target, fields := r.target, strings.Fields(r.target)
	if len(fields) < 2 {
		return false, "", fmt.Errorf("target %q", target)
	}
	want, err := strconv.ParseFloat(fields[1], 64)
	if err != nil {
		return false, "", fmt.Errorf("target %q: %w", target, err)
	}
	got := figure
	switch {
	case len(fields) > 2 && fields[2] == "x":
		got = ratio
	case len(fields) > 2 && fields[2] == "ms" && r.metric == "ns/op":
		got /= 1e6
	}
	switch fields[0] {
	case "<=":
		met = got <= want
	case ">=":
		met = got >= want
	case "=":
		met = got == want
	default:
		return false, "", fmt.Errorf("target %q", target)
	}
	if times := max(got/want, want/got); !met && want != 0 && got != 0 {
		off = fmt.Sprintf(" (off by %.2f times)", times)
	}
	return met, off, nil
}

// display is a figure with its unit, for people: long times per operation in
// milliseconds.
func display(f float64, metric string) (figure, as string) {
	if metric == "ns/op" && f >= 1e5 {
		return number(f / 1e6), "ms"
	}
	return number(f), unit(metric)
}

// number is a figure for people.
func number(f float64) string {
	switch {
	case f == float64(int64(f)) || f >= 1000:
		return thousands(int64(f + 0.5))
	case f >= 100:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case f >= 0.1:
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return strconv.FormatFloat(f, 'g', 2, 64)
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// unit is a metric's name without what the row says anyway: "ms/commit" is ms,
// "net-ns/packet" ns, "MiB-resident" MiB; rates keep what is counted.
func unit(metric string) string {
	if strings.HasSuffix(metric, "/s") || metric == "%-of-core" {
		return strings.ReplaceAll(metric, "-of-core", " of a core")
	}
	m, _, _ := strings.Cut(metric, "/")
	for _, u := range []string{"ns", "us", "ms", "KiB", "MiB"} {
		if slices.Contains(strings.Split(m, "-"), u) {
			return u
		}
	}
	switch {
	case strings.HasPrefix(m, "B-"):
		return "octets"
	case m == "lost":
		return "frames"
	}
	return m
}

// sleepJitter returns the 99th percentile of how late 1 ms sleeps end, in us.
func sleepJitter() float64 {
	late := make([]time.Duration, 200)
	for i := range late {
		began := time.Now()
		time.Sleep(time.Millisecond)
		late[i] = time.Since(began) - time.Millisecond
	}
	slices.Sort(late)
	return float64(late[len(late)*99/100]) / float64(time.Microsecond)
}

func loadAverage() (load float64) {
	b, _ := os.ReadFile("/proc/loadavg")
	fmt.Sscan(string(b), &load)
	return load
}

// machine says what the figures are of.
func machine() string {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for sc := bufio.NewScanner(bytes.NewReader(b)); sc.Scan(); {
			if name, value, ok := strings.Cut(sc.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d x %s, Linux %s, %s", runtime.NumCPU(), model, strings.TrimSpace(string(release)), runtime.Version())
}

func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
