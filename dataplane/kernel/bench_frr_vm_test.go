//go:build vm

package kernel_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// zebra is where testdata/vm/frr.sh puts FRR's daemon.
const zebra = "/usr/lib/frr/zebra"

// BenchmarkProgramLSPs is the time until n swaps are in the kernel: by the
// driver, by "ip -batch" and by FRR's zebra, which reads as many "mpls lsp" from
// its configuration. All three in the same guest, one after the other.
func BenchmarkProgramLSPs(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("tandem-%d", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				r := newRig(b)
				r.put(b, append(r.sections(), swap("top", 200_000, "east", 16))...) // Enlarges the label table.
				objects := make([]dataplane.Object, n)
				for i := range uint32(n) {
					objects[i] = swap(fmt.Sprintf("l%d", i), 1000+i, "east", 300_000+i)
				}
				ops := plan.Full(nil, objects)
				b.StartTimer()
				for _, err := range r.Apply(b.Context(), ops) {
					b.Fatalf("Apply: %v", err)
				}
				b.StopTimer()
				r.Driver.Close()
				b.StartTimer()
			}
			reportRate(b, n)
		})
		b.Run(fmt.Sprintf("ip-batch-%d", n), func(b *testing.B) {
			var batch strings.Builder
			for i := range n {
				fmt.Fprintf(&batch, "route replace %d as %d via link 02:00:00:00:00:a1 dev east0 proto 99\n", 1000+i, 300_000+i)
			}
			file := b.TempDir() + "/batch"
			if err := os.WriteFile(file, []byte(batch.String()), 0o600); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				b.StopTimer()
				r := newRig(b)
				r.put(b, append(r.sections(), swap("top", 200_000, "east", 16))...)
				b.StartTimer()
				r.ip(b, "-f", "mpls", "-batch", file)
			}
			reportRate(b, n)
		})
		b.Run(fmt.Sprintf("zebra-%d", n), func(b *testing.B) {
			for b.Loop() {
				benchZebra(b, n)
			}
			reportRate(b, n)
		})
	}
}

func reportRate(b *testing.B, n int) {
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s")
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "LSPs/s")
}

// benchZebra starts zebra with n LSPs and waits until they are in the kernel.
// The next hop is an IP address, because zebra takes no Ethernet address.
func benchZebra(b *testing.B, n int) {
	b.StopTimer()
	r := newRig(b)
	r.put(b, append(r.sections(), swap("top", 200_000, "east", 16))...)
	dir := b.TempDir()
	var conf strings.Builder
	for i := range n {
		fmt.Fprintf(&conf, "mpls lsp %d 192.0.2.2 %d\n", 1000+i, 300_000+i)
	}
	if err := os.WriteFile(dir+"/zebra.conf", []byte(conf.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	r.ip(b, "addr", "add", "192.0.2.1/24", "dev", "east0")
	r.ip(b, "neigh", "replace", "192.0.2.2", "lladdr", "02:00:00:00:00:a1", "dev", "east0")
	const protocol = 196 // RTPROT_ZSTATIC, of zebra's static LSPs.
	var conn *mplsnl.Conn
	var err error
	cmd := exec.Command(zebra, "-u", "root", "-g", "root", "-f", dir+"/zebra.conf", "-i", dir+"/zebra.pid", "--vty_socket", dir, "-z", dir+"/zserv", "-A", "127.0.0.1", "-P", "0")
	output := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = output, output
	b.StartTimer()
	r.Do(b, func() {
		if conn, err = mplsnl.Open(); err == nil {
			err = cmd.Start()
		}
	})
	if err != nil {
		b.Fatalf("zebra: %v (run.sh needs -x \"$(testdata/vm/frr.sh)\")", err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
		conn.Close()
		b.StartTimer()
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(4 * time.Minute); ; <-tick.C {
		routes, err := conn.Routes(protocol)
		if err != nil {
			b.Fatal(err)
		}
		if len(routes) >= n {
			b.StopTimer()
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("zebra has installed %d of %d LSPs; it says: %s", len(routes), n, output)
		}
	}
}
