//go:build vm

package kernel_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
)

// peerRig is a lab whose east port takes labels, with a label table for those of
// the peers.
func peerRig(t testing.TB) rig {
	t.Helper()
	r := rig{Lab: netlab.New(t)}
	r.Do(t, func() {
		for file, value := range map[string]string{"platform_labels": "1048575", "conf/east0/input": "1"} {
			if err := os.WriteFile("/proc/sys/net/mpls/"+file, []byte(value), 0); err != nil {
				t.Fatal(err)
			}
		}
	})
	return r
}

// ipBatch is the time that "ip -batch" takes for n swaps.
func ipBatch(t testing.TB, n int) time.Duration {
	t.Helper()
	r := peerRig(t)
	var batch strings.Builder
	for i := range n {
		fmt.Fprintf(&batch, "route replace %d as %d via link 02:00:00:00:00:a1 dev east0 proto 99\n", 1000+i, 300_000+i)
	}
	file := t.TempDir() + "/batch"
	if err := os.WriteFile(file, []byte(batch.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	r.ip(t, "-f", "mpls", "-batch", file)
	return time.Since(start)
}

// zebra is where testdata/vm/frr.sh puts FRR's daemon.
const zebra = "/usr/lib/frr/zebra"

// zebraPatience is how long n LSPs of zebra are waited for.
const zebraPatience = 2 * time.Minute

// zebraConfig is the time from the start of FRR's zebra with n times "mpls lsp"
// in its configuration until all are in the kernel. The next hop is an IP
// address, because zebra takes no Ethernet address.
func zebraConfig(t testing.TB, n int) time.Duration {
	t.Helper()
	r := peerRig(t)
	dir := t.TempDir()
	var conf strings.Builder
	for i := range n {
		fmt.Fprintf(&conf, "mpls lsp %d 192.0.2.2 %d\n", 1000+i, 300_000+i)
	}
	if err := os.WriteFile(dir+"/zebra.conf", []byte(conf.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	r.ip(t, "addr", "add", "192.0.2.1/24", "dev", "east0")
	r.ip(t, "neigh", "replace", "192.0.2.2", "lladdr", "02:00:00:00:00:a1", "dev", "east0")
	const protocol = 196 // RTPROT_ZSTATIC, of zebra's static LSPs.
	var conn *mplsnl.Conn
	var err error
	cmd := exec.Command(zebra, "-u", "root", "-g", "root", "-f", dir+"/zebra.conf", "-i", dir+"/zebra.pid", "--vty_socket", dir, "-z", dir+"/zserv", "-A", "127.0.0.1", "-P", "0")
	output := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = output, output
	start := time.Now()
	r.Do(t, func() {
		if conn, err = mplsnl.Open(); err == nil {
			err = cmd.Start()
		}
	})
	if err != nil {
		t.Fatalf("zebra: %v (run.sh needs -x \"$(testdata/vm/frr.sh)\")", err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
		conn.Close()
	}()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		routes, err := conn.Routes(protocol)
		if err != nil {
			t.Fatal(err)
		}
		if len(routes) >= n {
			return time.Since(start)
		}
		if time.Since(start) > zebraPatience {
			t.Fatalf("zebra has installed %d of %d LSPs after %v; it says: %s", len(routes), n, zebraPatience, output)
		}
	}
}
