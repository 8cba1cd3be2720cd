package ebpf

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// childEnv tells this test binary to be a process that drives a data plane
// until it is killed, or its standard input ends.
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
	io.Copy(io.Discard, os.Stdin)
	return d.Close()
}

// process is a child that drives the node of a chain.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	todo  int // Operations that it found to do.
}

func startChild(t testing.TB, node space, o childOrder) *process {
	t.Helper()
	order, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command("/proc/self/exe")}
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(order))
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	node.do(t, p.cmd.Start)
	line, _ := bufio.NewReader(out).ReadString('\n')
	if _, err := fmt.Sscanf(line, "ready %d", &p.todo); err != nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		t.Fatalf("child says %q", line)
	}
	return p
}

// kill is kill -9.
func (p *process) kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.cmd.Wait() // Its error is the signal.
}

// stop lets the process end as a service that is stopped does.
func (p *process) stop(t testing.TB) {
	t.Helper()
	p.stdin.Close()
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("child stopped: %v", err)
	}
}

// swapStream is traffic on one label.
func swapStream(label uint32) stream {
	return stream{head: frame(mustMAC(chainWest(0)), mustMAC(chainGen), 0, typeMPLS, lse{label, 0, 64, true}, forwardable()), sink: typeMPLS}
}

// underTraffic does something while frames go through a chain without a pause,
// and returns what was made and what arrived. The frames of a run that was cut
// short are counted too.
func underTraffic(t testing.TB, c *chain, do func()) (made, sunk uint64) {
	t.Helper()
	before := c.tally(t)
	var stop atomic.Bool
	done := c.pump(t, &stop, 1<<15, 32)
	defer stop.Store(true)
	for deadline := time.Now().Add(10 * time.Second); c.tally(t).sunk == before.sunk; {
		if time.Now().After(deadline) {
			t.Fatal("nothing arrives")
		}
	}
	do()
	stop.Store(true)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	after := c.settled(t)
	return after.made - before.made, after.sunk - before.sunk
}

func restartOrder(c *chain, fs string, mode Mode) childOrder {
	s := nodeSections(c, 0)
	return childOrder{FS: fs, Mode: mode, Label: 100, West: s[0].(dataplane.Section), East: s[1].(dataplane.Section)}
}

// TestRestartLosesNothing ends the driving process in both ways, again and
// again, under traffic, and starts the next, which adopts the tables and
// replaces the programs, as an upgrade does.
func TestRestartLosesNothing(t *testing.T) {
	for _, mode := range []Mode{ModeGeneric, ModeNative} {
		t.Run(mode.String(), func(t *testing.T) {
			c := newChain(t, 1, swapStream(100))
			o := restartOrder(c, testFS(t), mode)
			p := startChild(t, c.nodes[0], o)
			if p.todo != 3 {
				t.Fatalf("%d operations on an empty data plane, want 3", p.todo)
			}
			c.poll(t)
			first := c.programID(t)
			made, sunk := underTraffic(t, c, func() {
				for i := range 4 {
					if i%2 == 0 {
						p.kill(t)
					} else {
						p.stop(t)
						// A process of another build finds no programs of its own.
						removePrograms(t, filepath.Join(o.FS, "tandem", "restart"))
					}
					if p = startChild(t, c.nodes[0], o); p.todo != 0 {
						t.Errorf("restart %d: %d operations to do after adoption, want none", i, p.todo)
					}
				}
			})
			p.stop(t)
			t.Logf("%d frames over 4 restarts, %d arrived", made, sunk)
			if made != sunk {
				t.Errorf("%d of %d frames lost", made-sunk, made)
			}
			if c.programID(t) == first {
				t.Error("the program of the first process is still there")
			}
			var d *Driver
			c.nodes[0].do(t, func() (err error) {
				d, err = Open(Options{BPFFS: o.FS, Instance: "restart", Mode: mode})
				return err
			})
			defer d.Close()
			n, err := d.Counters(context.Background(), []dataplane.Key{lspKey("x")}, nil)
			if err != nil || n[0].In.Packets != made || n[0].Out.Packets != made || n[0].Since.IsZero() {
				t.Errorf("counters after all restarts: %+v, %v; want %d packets", n, err, made)
			}
		})
	}
}

// TestOtherVersionLosesNothing starts a process over the pins of one with
// another layout of the tables: those go on until ours are filled.
func TestOtherVersionLosesNothing(t *testing.T) {
	c := newChain(t, 1, swapStream(100))
	o := restartOrder(c, testFS(t), ModeGeneric)
	startChild(t, c.nodes[0], o).kill(t)
	c.poll(t)
	ageVersion(t, o.FS, "restart")
	made, sunk := underTraffic(t, c, func() {
		p := startChild(t, c.nodes[0], o)
		if p.todo != 3 {
			t.Errorf("%d operations to fill new tables, want 3", p.todo)
		}
		p.stop(t)
	})
	t.Logf("%d frames over a change of version, %d arrived", made, sunk)
	if made != sunk {
		t.Errorf("%d of %d frames lost", made-sunk, made)
	}
}

// TestModeChange starts the next process with another mode of XDP under
// traffic.
func TestModeChange(t *testing.T) {
	c := newChain(t, 1, swapStream(100))
	c.poll(t)
	o := restartOrder(c, testFS(t), ModeGeneric)
	startChild(t, c.nodes[0], o).stop(t)
	made, sunk := underTraffic(t, c, func() {
		for _, mode := range []Mode{ModeNative, ModeGeneric, ModeNative, ModeTC, ModeGeneric} {
			o.Mode = mode
			p := startChild(t, c.nodes[0], o)
			if p.todo != 0 {
				t.Errorf("%s: %d operations to do after adoption, want none", mode, p.todo)
			}
			p.stop(t)
		}
	})
	t.Logf("%d frames over 5 changes of mode, %d arrived", made, sunk)
	if made != sunk {
		t.Errorf("%d of %d frames lost", made-sunk, made)
	}
}

// TestSwitchLosesNothing switches a group with more and more members back and
// forth under traffic of one of them.
func TestSwitchLosesNothing(t *testing.T) {
	for _, n := range []int{1, 1000, 10_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := newChain(t, 1, swapStream(100))
			d := openNode(t, c, 0, ModeGeneric)
			apply(t, d, nodeSections(c, 0)...)
			apply(t, d, groupOf(n)...)
			const switches = 2000
			made, sunk := underTraffic(t, c, func() {
				for i := range switches {
					if err := d.Switch(t.Context(), "tunnel", uint8(i%2)); err != nil {
						t.Fatal(err)
					}
				}
			})
			t.Logf("%d frames over %d switches, %d arrived", made, switches, sunk)
			got, err := d.Counters(t.Context(), []dataplane.Key{lspKey("working"), lspKey("protecting")}, nil)
			if err != nil || got[0].Out.Packets+got[1].Out.Packets != made || got[0].Out.Packets == 0 || got[1].Out.Packets == 0 {
				t.Errorf("legs sent %d and %d of %d frames: %v", got[0].Out.Packets, got[1].Out.Packets, made, err)
			}
			if made != sunk {
				t.Errorf("%d of %d frames lost", made-sunk, made)
			}
		})
	}
}

// TestGraftLosesNothing grafts and prunes a branch of a point-to-multipoint LSP
// again and again, while traffic goes to the other.
func TestGraftLosesNothing(t *testing.T) {
	c := newChain(t, 1, swapStream(100))
	c.nodes[0].sh(t, "ip link add side0 type veth peer name side1; ip link set side0 up; ip link set side1 up")
	d := openNode(t, c, 0, ModeGeneric)
	apply(t, d, nodeSections(c, 0)...)
	tree := dataplane.LSP{Name: "tree", Op: swap, InLabel: 100, Branches: []dataplane.Branch{{Name: "east", NextHop: via("east", entries(200)...)}}}
	apply(t, d, dataplane.Section{Name: "side", Interface: "side0", PeerMAC: outPeer}, tree)
	grafted := tree
	grafted.Branches = append(slices.Clone(tree.Branches), dataplane.Branch{Name: "side", NextHop: via("side", entries(201)...)})
	made, sunk := underTraffic(t, c, func() {
		for range 100 {
			apply(t, d, grafted)
			apply(t, d, tree)
		}
	})
	t.Logf("%d frames over 100 grafts and prunes, %d arrived", made, sunk)
	if made != sunk {
		t.Errorf("%d of %d frames lost", made-sunk, made)
	}
}

// poll makes the first interface of every node poll, which native redirection to
// it needs.
func (c *chain) poll(t testing.TB) {
	t.Helper()
	for _, n := range c.nodes {
		n.sh(t, "ethtool -K west0 gro on")
	}
}

// programID is the identifier of the program on the first interface of a chain.
func (c *chain) programID(t testing.TB) (id uint32) {
	t.Helper()
	c.nodes[0].do(t, func() error {
		h, err := link.Open()
		if err != nil {
			return err
		}
		defer h.Close()
		index, err := ifIndex("west0")
		if err != nil {
			return err
		}
		x, err := h.XDP(index)
		id = max(x.Native, x.Generic)
		return err
	})
	return id
}

// ageVersion makes the pinned tables those of an older version.
func ageVersion(t testing.TB, fs, instance string) {
	t.Helper()
	root := filepath.Join(fs, "tandem", instance)
	from, to := filepath.Join(root, fmt.Sprintf("v%d", schemaVersion)), filepath.Join(root, "v0")
	maps, err := os.ReadDir(from)
	if err == nil {
		err = os.Mkdir(to, 0o700)
	}
	for _, m := range maps {
		if err == nil {
			err = os.Rename(filepath.Join(from, m.Name()), filepath.Join(to, m.Name()))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// removePrograms removes the programs kept for the next start.
func removePrograms(t testing.TB, root string) {
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
