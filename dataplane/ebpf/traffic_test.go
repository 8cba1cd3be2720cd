package ebpf

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	bpflink "github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
)

// space is a network namespace of a test's own.
type space struct{ f *os.File }

func newSpace(t testing.TB) space {
	t.Helper()
	ch := make(chan error, 1)
	var s space
	go func() {
		runtime.LockOSThread() // The thread ends with the goroutine.
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			s.f, err = os.Open("/proc/thread-self/ns/net")
		}
		ch <- err
	}()
	if err := <-ch; err != nil {
		t.Fatalf("make namespace: %v (the test needs root)", err)
	}
	t.Cleanup(func() { s.f.Close() })
	return s
}

// enter calls f on a thread in the namespace.
func (s space) enter(f func() error) error {
	ch := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := unix.Setns(int(s.f.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			err = f()
		}
		ch <- err
	}()
	return <-ch
}

func (s space) do(t testing.TB, f func() error) {
	t.Helper()
	if err := s.enter(f); err != nil {
		t.Fatal(err)
	}
}

// realIP makes the shell of busybox, in the guest, run the ip in the path and not
// its own.
const realIP = "ip() { \"$(which ip)\" \"$@\"; }\n"

// sh runs a shell script in the namespace.
func (s space) sh(t testing.TB, script string) {
	t.Helper()
	s.do(t, func() error {
		if out, err := exec.Command("sh", "-ec", realIP+script).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", script, err, out)
		}
		return nil
	})
}

func (s space) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), s.f.Fd()) }

func (s space) ifIndex(t testing.TB, name string) (index int) {
	t.Helper()
	s.do(t, func() (err error) { index, err = ifIndex(name); return err })
	return index
}

func ifIndex(name string) (int, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	return i.Index, nil
}

// chain is nodes in a row with a generator and a sink at its ends, all of veth:
//
//	gen0 --- west0 [node 0] east0 --- west0 [node 1] east0 --- sink0
type chain struct {
	gen, sink space
	nodes     []space
	objs      *trafficObjects
	genIndex  int
	head      []byte
}

// stream is what the generator of a chain makes.
type stream struct {
	head   []byte // At least the 56 octets that it writes.
	labels uint32 // Number of random labels in the top entry; 0: as in head.
	stride uint32 // Between two of them; 0: 1.
	hosts  uint32 // Number of random destinations of an IPv4 packet; 0: as in head.
	sink   uint16 // The sink counts this ethertype as arrived; 0: every frame.
}

const (
	chainGen  = "02:00:00:00:00:a0"
	chainSink = "02:00:00:00:00:a1"
)

func chainWest(node int) string { return fmt.Sprintf("02:00:00:00:0%d:50", node) }
func chainEast(node int) string { return fmt.Sprintf("02:00:00:00:0%d:51", node) }

// newChain builds the topology with interfaces up.
func newChain(t testing.TB, nodes int, s stream) *chain {
	t.Helper()
	c := &chain{gen: newSpace(t), sink: newSpace(t), head: pad(s.head)}
	// Without IPv6 nothing is sent that the generator does not send.
	const quiet = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null || :\n"
	left, leftName, leftMAC := c.gen, "gen0", chainGen
	c.gen.sh(t, "ip link set lo up")
	for i := range nodes {
		n := newSpace(t)
		n.sh(t, quiet+"ip link set lo up\nsysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0")
		c.link(t, left, leftName, leftMAC, n, "west0", chainWest(i))
		left, leftName, leftMAC = n, "east0", chainEast(i)
		c.nodes = append(c.nodes, n)
	}
	c.link(t, left, leftName, leftMAC, c.sink, "sink0", chainSink)
	c.load(t, s)
	return c
}

func (c *chain) link(t testing.TB, a space, aName, aMAC string, z space, zName, zMAC string) {
	t.Helper()
	a.sh(t, fmt.Sprintf("ip link add %s address %s type veth peer name %s address %s netns %s; ip link set %s up",
		aName, aMAC, zName, zMAC, z.path(), aName))
	z.sh(t, fmt.Sprintf("ip link set %s up", zName))
}

// load loads generator and sink for s.
func (c *chain) load(t testing.TB, s stream) {
	t.Helper()
	c.genIndex = c.gen.ifIndex(t, "gen0")
	c.objs = c.traffic(t, s, nil)
	attachXDP(t, c.sink, "sink0", c.objs.TrafficSink)
}

// aim makes the generator of a loaded chain that of s.
func (c *chain) aim(t testing.TB, s stream) {
	t.Helper()
	c.head = pad(s.head)
	c.objs.TrafficGenerate = c.traffic(t, s, map[string]*ebpf.Map{"tally": c.objs.Tally}).TrafficGenerate
}

// traffic loads programs for s, on maps that are there already.
func (c *chain) traffic(t testing.TB, s stream, on map[string]*ebpf.Map) *trafficObjects {
	t.Helper()
	spec, err := loadTraffic()
	if err != nil {
		t.Fatal(err)
	}
	var words [16]uint64
	n := min(len(c.head)/8, len(words))
	for i := range n {
		words[i] = binary.NativeEndian.Uint64(c.head[8*i:])
	}
	for name, v := range map[string]any{
		"gen_ifindex": uint32(c.genIndex), "gen_head": words, "gen_words": uint32(n), "gen_labels": s.labels, "gen_stride": max(s.stride, 1), "gen_hosts": s.hosts,
		"sink_type": s.sink>>8 | s.sink<<8,
	} {
		if err := spec.Variables[name].Set(v); err != nil {
			t.Fatal(err)
		}
	}
	objs := new(trafficObjects)
	if err := spec.LoadAndAssign(objs, &ebpf.CollectionOptions{MapReplacements: on}); err != nil {
		t.Fatalf("load generator and sink: %v", err)
	}
	t.Cleanup(func() { objs.Close() })
	return objs
}

// attachXDP attaches a program natively until the end of the test.
func attachXDP(t testing.TB, s space, name string, p *ebpf.Program) {
	t.Helper()
	index := s.ifIndex(t, name)
	s.do(t, func() error {
		x, err := bpflink.AttachXDP(bpflink.XDPOptions{Program: p, Interface: index, Flags: bpflink.XDPDriverMode})
		if err == nil {
			t.Cleanup(func() { x.Close() })
		}
		return err
	})
}

// tally is what generator and sink have counted: the constants of
// traffic.bpf.c.
type tally struct{ made, sunk, octets, strange uint64 }

func (c *chain) tally(t testing.TB) (out tally) {
	t.Helper()
	for i, n := range []*uint64{&out.made, &out.sunk, &out.octets, &out.strange} {
		var perCPU []uint64
		if err := c.objs.Tally.Lookup(uint32(i), &perCPU); err != nil {
			t.Fatal(err)
		}
		for _, v := range perCPU {
			*n += v
		}
	}
	return out
}

// make generates n frames, batch at a time. One system call takes them through
// the chain, on the processor of the thread. At its end it waits for RCU some
// ten milliseconds, so n should be large.
func (c *chain) make(n, batch int) error {
	ctx := struct{ data, end, meta, ingress, queue, egress uint32 }{end: uint32(len(c.head)), ingress: uint32(c.genIndex)}
	_, err := c.objs.TrafficGenerate.Run(&ebpf.RunOptions{
		Data: c.head, Repeat: uint32(n), Context: &ctx, Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES, BatchSize: uint32(batch),
	})
	return err
}

// pump generates frames until stop is set; what it returns tells the end.
func (c *chain) pump(t testing.TB, stop *atomic.Bool, n, batch int) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		done <- c.gen.enter(func() error {
			if err := behindSoftirqs(); err != nil {
				return err
			}
			for !stop.Load() {
				if err := c.make(n, batch); err != nil {
					return err
				}
			}
			return nil
		})
	}()
	return done
}

// settled waits until as many frames have arrived as were made, or for a second
// nothing more arrives, and returns the tally.
func (c *chain) settled(t testing.TB) tally {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var last tally
	for since := time.Now(); ; <-tick.C {
		now := c.tally(t)
		if now != last {
			last, since = now, time.Now()
		}
		if now.made == now.sunk || time.Since(since) > time.Second {
			return now
		}
	}
}

// window is one measurement of a chain.
type window struct{ perFrame, loss float64 } // Nanoseconds of processor; share.

// window sends n frames and measures the processor time of everything that
// happened to them: of the thread in whose system call it happens, softirqs
// included (they run on its account), and of the softirq thread of its CPU.
func (c *chain) window(t testing.TB, n int) (w window) {
	t.Helper()
	c.gen.do(t, func() error {
		cpu, err := pin()
		if err == nil {
			err = behindSoftirqs()
		}
		if err != nil {
			return err
		}
		before, softBefore, cpuBefore := c.tally(t), softirqTime(cpu), threadTime()
		if err := c.make(n, 64); err != nil {
			return err
		}
		spent := threadTime() - cpuBefore + softirqTime(cpu) - softBefore
		after := c.tally(t)
		got, made := after.sunk-before.sunk, after.made-before.made
		if got == 0 {
			return fmt.Errorf("none of %d frames arrived", made)
		}
		w = window{float64(spent) / float64(got), 1 - float64(got)/float64(made)}
		return nil
	})
	return w
}

// behindSoftirqs lets the thread of the kernel that forwards come before the
// calling one, which makes the frames: on kernels before 6.6 that does all of it
// as soon as there is much, and what is made meanwhile overflows its ring.
func behindSoftirqs() error {
	if !inGuest {
		return nil
	}
	return unix.Setpriority(unix.PRIO_PROCESS, 0, 19)
}

// pin keeps the thread on the CPU it is on.
func pin() (int, error) {
	var cpu uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 {
		return 0, errno
	}
	var set unix.CPUSet
	set.Set(int(cpu))
	return int(cpu), unix.SchedSetaffinity(0, &set)
}

func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// softirqTime is the processor time of ksoftirqd of a CPU.
func softirqTime(cpu int) time.Duration {
	name := fmt.Sprintf("ksoftirqd/%d\n", cpu)
	// It is among the first threads of the kernel.
	for pid := 2; pid < 16+16*runtime.NumCPU(); pid++ {
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil || string(comm) != name {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		var ns int64
		if err == nil {
			fmt.Sscan(string(stat), &ns)
		}
		return time.Duration(ns)
	}
	return 0
}

func mustMAC(s string) dataplane.MAC {
	var m dataplane.MAC
	if _, err := fmt.Sscanf(strings.ReplaceAll(s, ":", " "), "%x %x %x %x %x %x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]); err != nil {
		panic(err)
	}
	return m
}

// forwardable is an IPv4 packet with a good checksum.
func forwardable() []byte {
	p := ip4("198.51.100.9")
	copy(p[12:], []byte{203, 0, 113, 1})
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(p[10:], ^uint16(sum))
	return p
}

// pad makes a frame the 60 octets of the shortest on a wire, and at least the
// seven words of the generator.
func pad(f []byte) []byte {
	f = append([]byte(nil), f...)
	for len(f) < 60 {
		f = append(f, 0)
	}
	return f
}
