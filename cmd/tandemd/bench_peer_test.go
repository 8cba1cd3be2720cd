package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// benchModule is a model that every server can load: testdata/bench.
const benchModule = "../../testdata/bench"

// measured is a NETCONF server under measurement.
type measured struct {
	connect func(b *testing.B) *wire // a session of its own
	pid     int
}

// tandemServer is a real tandemd with the model of the comparison, reached over
// SSH, with journal and fsync.
func tandemServer(b *testing.B) *measured {
	b.Helper()
	modules, err := filepath.Abs(benchModule)
	if err != nil {
		b.Fatal(err)
	}
	l := oneElement(b, "bpeer", "--yang-dir "+modules)
	b.Cleanup(func() {
		if err := l.Down(context.Background()); err != nil {
			b.Error(err)
		}
	})
	if err := l.Boot(b.Context()); err != nil {
		b.Fatal(err)
	}
	return &measured{func(b *testing.B) *wire { return openWire(b, l, "one") }, l.Processes["one"].PID}
}

// netconfdServer is Debian's netconfd, reached without SSH: its subsystem program
// is started as sshd would start it.
func netconfdServer(b *testing.B) *measured {
	b.Helper()
	modules, err := filepath.Abs(benchModule)
	if err != nil {
		b.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "nd") // The path of a socket must be short.
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	cmd := exec.Command("/usr/sbin/netconfd", "--module=mtp-bench", "--modpath=/usr/share/yuma/modules:"+modules,
		"--no-startup", "--target=candidate", "--superuser=admin", "--ncxserver-sockname="+socket, "--home="+dir, "--log-level=error")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir)
	if err := cmd.Start(); err != nil {
		b.Fatalf("%v: run .ci/deps", err)
	}
	b.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			b.Error(err)
		}
		cmd.Wait()
	})
	eventually(b, "netconfd listens", func() bool {
		_, err := os.Stat(socket)
		return err == nil
	})
	return &measured{func(b *testing.B) *wire {
		b.Helper()
		cmd := exec.Command("/usr/sbin/netconf-subsystem", "--ncxserver-sockname=830@"+socket)
		cmd.Env = append(os.Environ(), "USER=admin", "SSH_CONNECTION=127.0.0.1 4711 127.0.0.1 830")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		in, err := cmd.StdinPipe()
		if err != nil {
			b.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			in.Close()
			// The program forks: its group is ended.
			if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
				b.Error(err)
			}
			cmd.Wait()
		})
		return greet(b, in, out)
	}, cmd.Process.Pid}
}

func benchLSPs(first, n int) string {
	var x strings.Builder
	x.WriteString(`<bench xmlns="urn:tandem:test:bench"><section><name>east</name></section><section><name>west</name></section>`)
	for i := first; i < first+n; i++ {
		fmt.Fprintf(&x, `<lsp><name>lsp-%d</name><description>circuit %d of the comparison</description><admin-state>up</admin-state>`+
			`<operation>swap</operation><incoming-section>east</incoming-section><incoming-label>%d</incoming-label>`+
			`<outgoing-section>west</outgoing-section><outgoing-label>%d</outgoing-label><traffic-class>3</traffic-class><ttl>255</ttl>`+
			`<bandwidth>10000000</bandwidth><burst>16000</burst><setup-priority>7</setup-priority><holding-priority>7</holding-priority>`+
			`<customer>customer %d</customer><circuit>c-%d</circuit></lsp>`, i, i, 16+i, 16+i, i%100, i)
	}
	x.WriteString(`</bench>`)
	return x.String()
}

// BenchmarkPeer does the same work on Tandem, which syncs its journal and speaks
// SSH, and on netconfd, which does neither.
func BenchmarkPeer(b *testing.B) {
	for _, c := range []struct {
		name  string
		n     int
		start func(*testing.B) *measured
	}{{"tandem-1000", 1000, tandemServer}, {"netconfd-1000", 1000, netconfdServer}, {"tandem-10000", 10000, tandemServer}} {
		b.Run(c.name, func(b *testing.B) {
			s := c.start(b)
			w := s.connect(b)
			comparePeers(b, s, w, c.n)
		})
	}
}

// comparePeers measures a server that is to hold n LSPs.
func comparePeers(b *testing.B, s *measured, w *wire, n int) {
	load := edit(benchLSPs(0, n))
	remove := edit(`<bench xmlns="urn:tandem:test:bench" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete"/>`) // base:1.0 knows no remove
	w.call(b, load)
	w.call(b, `<commit/>`)
	b.Run("load", func(b *testing.B) {
		var editing, committing time.Duration
		for b.Loop() {
			b.StopTimer()
			w.call(b, remove)
			w.call(b, `<commit/>`)
			b.StartTimer()
			began := time.Now()
			w.call(b, load)
			editing += time.Since(began)
			began = time.Now()
			w.call(b, `<commit/>`)
			committing += time.Since(began)
		}
		b.ReportMetric(editing.Seconds()*1000/float64(b.N), "ms/edit")
		b.ReportMetric(committing.Seconds()*1000/float64(b.N), "ms/commit")
	})
	step := func(name string, f func(i int)) {
		i := 0
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f(i)
				i++
			}
			b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms")
		})
	}
	step("one-more", func(i int) {
		w.call(b, edit(benchLSPs(n+i, 1)))
		w.call(b, `<commit/>`)
	})
	step("get-config", func(int) { w.call(b, `<get-config><source><running/></source></get-config>`) })
	step("get-one-subtree", func(int) {
		w.call(b, `<get-config><source><running/></source><filter type="subtree"><bench xmlns="urn:tandem:test:bench"><lsp><name>lsp-500</name></lsp></bench></filter></get-config>`)
	})
	step("get-one-xpath", func(int) {
		w.call(b, `<get-config><source><running/></source><filter xmlns:bench="urn:tandem:test:bench" type="xpath" select="/bench:bench/bench:lsp[bench:name='lsp-500']"/></get-config>`)
	})
	step("validate", func(int) { w.call(b, `<validate><source><candidate/></source></validate>`) })
	step("one-leaf", func(i int) {
		w.call(b, edit(fmt.Sprintf(`<bench xmlns="urn:tandem:test:bench"><note>%d</note></bench>`, i)))
		w.call(b, `<commit/>`)
	})
	// How long a reader waits at worst while another session commits everything.
	b.Run("read-delay", func(b *testing.B) {
		reader := s.connect(b)
		var worst time.Duration
		for b.Loop() {
			w.call(b, remove)
			w.call(b, `<commit/>`)
			w.call(b, load)
			done := make(chan struct{})
			go func() {
				defer close(done)
				w.call(b, `<commit/>`)
			}()
			for committing := true; committing; {
				select {
				case <-done:
					committing = false
				default:
				}
				began := time.Now()
				reader.call(b, `<get-config><source><running/></source><filter type="subtree"><bench xmlns="urn:tandem:test:bench"><note/></bench></filter></get-config>`)
				worst = max(worst, time.Since(began))
			}
		}
		b.ReportMetric(worst.Seconds()*1000, "ms-worst")
	})
	b.Run("connect", func(b *testing.B) {
		for b.Loop() {
			s.connect(b)
		}
		b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms")
	})
	b.Run("resident", func(b *testing.B) {
		for b.Loop() {
		}
		b.ReportMetric(float64(residentOf(b, s.pid))/1024, "MiB-resident")
	})
}
