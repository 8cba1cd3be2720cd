package ebpf

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	bpflink "github.com/cilium/ebpf/link"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// childEnv tells this test binary to be a process that drives a data plane
// until it is killed.
const childEnv = "TANDEM_EBPF_CHILD"

// childOrder is what the child is told in childEnv.
type childOrder struct {
	FS    string
	Mode  Mode
	Label uint32 // Of the LSP "x", swapped to one more.
	West  dataplane.Section
	East  dataplane.Section
}

func (o childOrder) objects() []dataplane.Object {
	return []dataplane.Object{o.West, o.East, dataplane.LSP{
		Name: "x", Op: dataplane.SwapAndForward, InLabel: o.Label,
		Out: dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: o.Label + 1}}},
	}}
}

func TestMain(m *testing.M) {
	if order := os.Getenv(childEnv); order != "" {
		if err := child(order); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child opens the driver, tells what is to do compared with what it found,
// does it, and waits for the end.
func child(order string) error {
	var o childOrder
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return err
	}
	d, err := Open(Options{BPFFS: o.FS, Instance: "restart", Mode: o.Mode})
	if err != nil {
		return err
	}
	got, err := d.Dump(context.Background(), o.objects())
	if err != nil {
		return err
	}
	ops := plan.Full(got, o.objects())
	for _, err := range d.Apply(context.Background(), ops) {
		return err
	}
	fmt.Println("ready", len(ops))
	select {}
}

// startChild starts a child in the element and returns how much it had to do.
func startChild(t *testing.T, lab *netlab.Lab, o childOrder) (*exec.Cmd, int) {
	t.Helper()
	order, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"="+string(order))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	lab.Do(t, func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	var todo int
	if _, err := fmt.Sscanf(line, "ready %d", &todo); err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatalf("child says %q", line)
	}
	return cmd, todo
}

// kill is kill -9.
func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // Its error is the signal.
}

// TestRestartLosesNothing kills the driving process again and again under
// traffic, and starts the next, which replaces the programs.
func TestRestartLosesNothing(t *testing.T) {
	for _, mode := range []Mode{ModeGeneric, ModeNative} {
		t.Run(mode.String(), func(t *testing.T) { restart(t, mode) })
	}
}

func restart(t *testing.T, mode Mode) {
	lab := netlab.New(t)
	west, east := lab.Port(drivertest.West), lab.Port(drivertest.East)
	o := childOrder{
		FS: testFS(t), Mode: mode, Label: 100,
		West: dataplane.Section{Name: "west", Interface: west.Name, PeerMAC: west.Peer},
		East: dataplane.Section{Name: "east", Interface: east.Name, PeerMAC: east.Peer},
	}
	cmd, todo := startChild(t, lab, o)
	if todo != 3 {
		t.Fatalf("%d operations on an empty data plane, want 3", todo)
	}
	first := programID(t, o, lab, west.Name)

	type result struct{ sent, got int }
	stop, done := make(chan struct{}), make(chan result)
	go func() {
		var r result
		defer func() { done <- r }()
		in := frame(west.MAC, west.Peer, 0, 0x8847, lse{100, 0, 64, true}, ip4("10.0.0.1"))
		for {
			const burst = 32 // A veth queues 256 frames.
			for range burst {
				lab.Send(t, drivertest.West, in)
			}
			r.sent += burst
			for range burst {
				if nextMPLS(t, lab, drivertest.East, 5*time.Second) == nil {
					return
				}
				r.got++
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for i := range 5 {
		kill(t, cmd)
		if i%2 == 0 {
			// A process of another build finds no programs of its own.
			removePrograms(t, filepath.Join(o.FS, "tandem", "restart"))
		}
		if cmd, todo = startChild(t, lab, o); todo != 0 {
			t.Errorf("restart %d: %d operations to do after adoption, want none", i, todo)
		}
	}
	kill(t, cmd)
	close(stop)
	r := <-done
	t.Logf("%s: %d frames sent over 5 restarts, %d arrived", mode, r.sent, r.got)
	if r.got != r.sent {
		t.Errorf("%d of %d frames lost", r.sent-r.got, r.sent)
	}
	if programID(t, o, lab, west.Name) == first {
		t.Error("the program of the first process is still there")
	}
	var d *Driver
	lab.Do(t, func() { d = mustOpen(t, Options{BPFFS: o.FS, Instance: "restart", Mode: mode}) })
	defer d.Close()
	c, err := d.Counters(context.Background(), []dataplane.Key{key(dataplane.KindLSP, "x")}, nil)
	if err != nil || c[0].In.Packets != uint64(r.sent) || c[0].Out.Packets != uint64(r.sent) || c[0].Since.IsZero() {
		t.Errorf("counters after all restarts: %+v, %v; want %d packets", c, err, r.sent)
	}
}

// removePrograms removes the programs kept for the next start.
func removePrograms(t *testing.T, root string) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(root, programsPrefix+"*"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("programs kept: %v, %v", dirs, err)
	}
	if err := os.RemoveAll(dirs[0]); err != nil {
		t.Fatal(err)
	}
}

// nextMPLS returns the next MPLS frame at a port.
func nextMPLS(t testing.TB, lab *netlab.Lab, p drivertest.PortID, patience time.Duration) []byte {
	for {
		f := lab.Receive(t, p, patience)
		if f == nil || len(f) > 14 && f[12] == 0x88 && f[13] == 0x47 {
			return f
		}
	}
}

// programID is the identifier of the program on an interface.
func programID(t *testing.T, o childOrder, lab *netlab.Lab, name string) uint32 {
	t.Helper()
	links, err := filepath.Glob(filepath.Join(o.FS, "tandem", "restart", "links", "*"))
	if err != nil || len(links) != 3 {
		t.Fatalf("pinned links: %v, %v", links, err)
	}
	l, err := bpflink.LoadPinnedLink(links[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := l.Info()
	if err != nil {
		t.Fatal(err)
	}
	return uint32(info.Program)
}
