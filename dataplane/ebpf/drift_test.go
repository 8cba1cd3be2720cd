package ebpf

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	bpflink "github.com/cilium/ebpf/link"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel/netlab"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

// element is a driver in a lab with two sections, a swap and a client LSP.
type element struct {
	*Driver
	lab     *netlab.Lab
	opt     Options
	desired []dataplane.Object
}

func newElement(t *testing.T) *element {
	t.Helper()
	return newElementOn(t, Options{BPFFS: testFS(t), Instance: "drift", AuditInterval: 20 * time.Millisecond})
}

func newElementOn(t *testing.T, o Options) *element {
	t.Helper()
	e := &element{lab: netlab.New(t), opt: o}
	west, east := e.lab.Port(drivertest.West), e.lab.Port(drivertest.East)
	e.desired = []dataplane.Object{
		dataplane.Section{Name: "west", Interface: west.Name, PeerMAC: west.Peer},
		dataplane.Section{Name: "east", Interface: east.Name, PeerMAC: east.Peer},
		dataplane.LSP{Name: "x", Op: dataplane.SwapAndForward, InLabel: 100,
			Out: dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 101}}}},
		dataplane.LSP{Name: "imp", Op: dataplane.ImposeAndForward, Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
			Out: dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 102}}}},
	}
	e.lab.Do(t, func() { e.Driver = mustOpen(t, e.opt) })
	t.Cleanup(func() { e.Close() })
	apply(t, e.Driver, e.desired...)
	return e
}

// ip runs the ip command in the element.
func (e *element) ip(t *testing.T, args ...string) {
	t.Helper()
	e.lab.Do(t, func() {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	})
}

// waitEvent waits for an event that f accepts.
func (e *element) waitEvent(t *testing.T, what string, f func(dataplane.Event) bool) {
	t.Helper()
	timeout := time.NewTimer(10 * time.Second)
	defer timeout.Stop()
	for {
		select {
		case ev := <-e.Events():
			if f(ev) {
				return
			}
		case <-timeout.C:
			t.Fatalf("no event: %s", what)
		}
	}
}

// missing returns what is to be done to have what is desired.
func (e *element) missing(t *testing.T) []dataplane.Op {
	t.Helper()
	got, err := e.Dump(context.Background(), e.desired)
	if err != nil {
		t.Fatal(err)
	}
	return plan.Full(got, e.desired)
}

// forwards fails the test unless both LSPs carry a packet.
func (e *element) forwards(t *testing.T) {
	t.Helper()
	west, client := e.lab.Port(drivertest.West), e.lab.Port(drivertest.Client)
	e.lab.Send(t, drivertest.West, frame(west.MAC, west.Peer, 0, 0x8847, lse{100, 0, 64, true}, ip4("10.0.0.1")))
	packet := ip4("198.51.100.9")
	copy(packet[12:], []byte{192, 0, 2, 2})
	// The header checksum of this one packet.
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(packet[i])<<8 | uint32(packet[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	packet[10], packet[11] = byte(^sum>>8), byte(^sum)
	e.lab.Send(t, drivertest.Client, frame(client.MAC, client.Peer, 0, 0x0800, packet))
	seen := map[uint32]bool{}
	for range 2 {
		f := nextMPLS(t, e.lab, drivertest.East, 5*time.Second)
		if f == nil {
			t.Fatalf("only %d of 2 packets came out", len(seen))
		}
		seen[uint32(f[14])<<12|uint32(f[15])<<4|uint32(f[16])>>4] = true
	}
	if !seen[101] || !seen[102] {
		t.Fatalf("labels %v, want 101 and 102", seen)
	}
}

// TestDrift changes things behind the driver's back: it must tell, its dump
// must show it, and putting again what was desired must repair it.
func TestDrift(t *testing.T) {
	drift := func(k dataplane.Kind, name string) func(dataplane.Event) bool {
		return func(e dataplane.Event) bool { return e.Kind == dataplane.Drift && e.Key == key(k, name) }
	}
	anything := func(e dataplane.Event) bool { return e.Kind == dataplane.Drift && e.Key == dataplane.Key{} }
	lspX := func(e *element) *lsp { return e.lsps[hashName("x")] }
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, e *element) error
		event func(dataplane.Event) bool
	}{
		{"program detached", func(t *testing.T, e *element) error {
			paths, err := filepath.Glob(filepath.Join(e.pins.links(), "*"))
			if err != nil {
				return err
			}
			for _, p := range paths {
				l, err := bpflink.LoadPinnedLink(p, nil)
				if err != nil {
					return err
				}
				if err := l.Detach(); err != nil {
					return err
				}
				l.Close()
			}
			return nil
		}, drift(dataplane.KindSection, "west")},
		{"LSP entry wiped", func(t *testing.T, e *element) error {
			return e.objs.Lsps.Update(lspX(e).id, tandemLsp{}, ebpf.UpdateAny)
		}, drift(dataplane.KindLSP, "x")},
		{"LSP entry changed", func(t *testing.T, e *element) error {
			entry := lspX(e).entry
			entry.Lse[0] = 999 << 12
			return e.objs.Lsps.Update(lspX(e).id, entry, ebpf.UpdateAny)
		}, drift(dataplane.KindLSP, "x")},
		{"label cleared", func(t *testing.T, e *element) error {
			return e.objs.clearLabel(labelKey{0, 100})
		}, drift(dataplane.KindLSP, "x")},
		{"label tells another way", func(t *testing.T, e *element) error {
			entry := lspX(e).entry
			entry.Lse[0] = 999 << 12
			return e.objs.writeLabel(labelKey{0, 100}, leadOf(&entry, lspX(e).id))
		}, drift(dataplane.KindLSP, "x")},
		{"label tells nothing", func(t *testing.T, e *element) error {
			return e.objs.setLabel(labelKey{0, 100}, lspX(e).id, lspX(e).entry.Counter)
		}, drift(dataplane.KindLSP, "x")},
		{"label of another entry", func(t *testing.T, e *element) error {
			return e.objs.PlainLsps.Update(lspX(e).entry.Counter, e.lsps[hashName("imp")].id, ebpf.UpdateAny)
		}, drift(dataplane.KindLSP, "x")},
		{"prefix cleared", func(t *testing.T, e *element) error {
			return e.objs.clearPrefix(netip.MustParsePrefix("198.51.100.0/24"))
		}, drift(dataplane.KindLSP, "imp")},
		{"route flushed", func(t *testing.T, e *element) error {
			e.ip(t, "route", "flush", "proto", "201")
			return nil
		}, drift(dataplane.KindLSP, "imp")},
		{"section entry changed", func(t *testing.T, e *element) error {
			s := e.sections[hashName("east")]
			entry := s.entry
			entry.Peer[5]++
			slot := tandemSectionSlot{Current: s.current, Name: s.hash, Since: s.since}
			slot.Body[s.current] = entry
			return e.objs.Sections.Update(s.id, slot, ebpf.UpdateAny)
		}, drift(dataplane.KindSection, "east")},
		{"port removed", func(t *testing.T, e *element) error {
			return e.objs.clearPort(portOf(e.sections[hashName("west")].entry))
		}, drift(dataplane.KindSection, "west")},
		{"foreign label", func(t *testing.T, e *element) error {
			return e.objs.setLabel(labelKey{0, 777}, lspX(e).id, 0)
		}, anything},
		{"foreign prefix", func(t *testing.T, e *element) error {
			return e.objs.setPrefix(netip.MustParsePrefix("203.0.113.0/24"), 4000)
		}, anything},
		{"foreign LSP", func(t *testing.T, e *element) error {
			return e.objs.Lsps.Update(uint32(4000), tandemLsp{Name: 1, Op: 2, InLabel: 778, Out: 1, N: 1}, ebpf.UpdateAny)
		}, anything},
		{"impose device deleted", func(t *testing.T, e *element) error {
			e.ip(t, "link", "del", "mtp0")
			return nil
		}, anything},
		{"impose device down", func(t *testing.T, e *element) error {
			e.ip(t, "link", "set", "mtp0", "down")
			return nil
		}, func(ev dataplane.Event) bool { return ev.Kind == dataplane.Drift && ev.Key == dataplane.Key{} }},
		{"address of the interface changed", func(t *testing.T, e *element) error {
			e.ip(t, "link", "set", "west0", "address", "02:00:00:00:00:77")
			e.ip(t, "link", "set", "west0", "address", e.lab.Port(drivertest.West).MAC.String())
			return nil
		}, func(ev dataplane.Event) bool { return ev.Kind == dataplane.LinkChanged && ev.Interface == "west0" }},
		{"MTU of the interface changed", func(t *testing.T, e *element) error {
			e.ip(t, "link", "set", "east0", "mtu", "1400")
			return nil
		}, func(ev dataplane.Event) bool { return ev.Kind == dataplane.LinkChanged && ev.Interface == "east0" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newElement(t)
			e.forwards(t)
			if ops := e.missing(t); len(ops) != 0 {
				t.Fatalf("before anything happened:\n%s", plan.Print(ops))
			}
			e.mu.Lock()
			err := c.spoil(t, e)
			e.mu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			e.waitEvent(t, c.name, c.event)
			ops := e.missing(t)
			if len(ops) == 0 && !strings.HasPrefix(c.name, "address") {
				t.Fatal("the dump does not show it")
			}
			for _, err := range e.Apply(context.Background(), ops) {
				t.Fatalf("repair: %v", err)
			}
			if ops := e.missing(t); len(ops) != 0 {
				t.Fatalf("after the repair:\n%s", plan.Print(ops))
			}
			e.forwards(t)
		})
	}
}

// TestInstancesApart runs two elements, in namespaces of their own, on one BPF
// file system.
func TestInstancesApart(t *testing.T) {
	a := newElement(t)
	b := newElementOn(t, Options{BPFFS: a.opt.BPFFS}) // The default instance: the namespace.
	b.forwards(t)
	for _, err := range b.Apply(context.Background(), plan.Full(b.desired, nil)) {
		t.Fatal(err)
	}
	a.forwards(t)
	if dirs, _ := filepath.Glob(filepath.Join(a.opt.BPFFS, "tandem", "*")); len(dirs) != 2 {
		t.Errorf("instances %v, want two", dirs)
	}
}

// TestSchemaChange replaces tables of another version: the programs on them
// forward until the first Apply has filled the new ones.
func TestSchemaChange(t *testing.T) {
	e := newElement(t)
	e.Close()
	old := filepath.Join(e.pins.root, "v0")
	if err := os.Mkdir(old, 0o700); err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadDir(e.pins.maps())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range maps {
		if err := os.Rename(filepath.Join(e.pins.maps(), m.Name()), filepath.Join(old, m.Name())); err != nil {
			t.Fatal(err)
		}
	}
	e.forwards(t)
	e.lab.Do(t, func() { e.Driver = mustOpen(t, e.opt) })
	defer e.Close()
	e.forwards(t) // On the old tables.
	ops := e.missing(t)
	if len(ops) < len(e.desired) {
		t.Fatalf("the new tables are not empty; to do:\n%s", plan.Print(ops))
	}
	for _, err := range e.Apply(context.Background(), ops) {
		t.Fatal(err)
	}
	e.forwards(t)
	if ops := e.missing(t); len(ops) != 0 {
		t.Errorf("to do after the change:\n%s", plan.Print(ops))
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("the old tables are still pinned")
	}
}

// TestHalfReplaced adopts what a process leaves that dies while it replaces an
// LSP: two entries of one name, of which the label leads to the old one, or for
// plain packets to the old one and for others to the new one.
func TestHalfReplaced(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(e *element, counter uint32) error
		ops  int
	}{
		{"entry written", func(*element, uint32) error { return nil }, 0},
		{"label half turned", func(e *element, counter uint32) error {
			return e.objs.PlainLsps.Update(counter, uint32(50), ebpf.UpdateAny)
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newElement(t)
			x := e.lsps[hashName("x")]
			later := x.entry
			later.Generation, later.Lse[0] = x.entry.Generation+10, 555<<12
			if err := e.objs.Lsps.Update(uint32(50), later, ebpf.UpdateAny); err != nil {
				t.Fatal(err)
			}
			if err := c.then(e, x.entry.Counter); err != nil {
				t.Fatal(err)
			}
			e.Close()
			e.lab.Do(t, func() { e.Driver = mustOpen(t, e.opt) })
			defer e.Close()
			e.forwards(t)
			ops := e.missing(t)
			if len(ops) != c.ops {
				t.Errorf("to do:\n%s", plan.Print(ops))
			}
			apply(t, e.Driver, e.desired...)
			if ops := e.missing(t); len(ops) != 0 {
				t.Errorf("to do after the repair:\n%s", plan.Print(ops))
			}
			e.forwards(t)
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	fs := testFS(t)
	for _, instance := range []string{"..", "a/b", "a b", strings.Repeat("x", 65)} {
		if d, err := Open(Options{BPFFS: fs, Instance: instance}); err == nil {
			d.Close()
			t.Errorf("instance %q accepted", instance)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err := Open(Options{BPFFS: file}); err == nil {
		d.Close()
		t.Error("a file accepted as BPF file system")
	}
}

// TestMulticastJoined: a card would filter the MPLS-TP address out.
func TestMulticastJoined(t *testing.T) {
	e := newElement(t)
	e.lab.Do(t, func() {
		out, err := exec.Command("ip", "maddr", "show", "dev", "west0").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "01:00:5e:90:00:00") {
			t.Errorf("addresses of the interface: %v: %s", err, out)
		}
	})
}

func TestAutoMode(t *testing.T) {
	if err := Probe(); err != nil {
		t.Fatal(err)
	}
	if m := newElement(t).Mode(); m != ModeGeneric {
		t.Errorf("mode %v on veth, want generic", m)
	}
}

// TestClose shows that nothing runs after Close.
func TestClose(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	lab, fs := netlab.New(t), testFS(t)
	var d *Driver
	lab.Do(t, func() { d = mustOpen(t, Options{BPFFS: fs, Instance: "close"}) })
	for range 2 {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestBareNamespace runs where there never was an address or a route, as on
// the P nodes of a network.
func TestBareNamespace(t *testing.T) {
	fs, done := testFS(t), make(chan error)
	go func() {
		runtime.LockOSThread() // The thread ends with the goroutine.
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			d, err := Open(Options{BPFFS: fs})
			if err != nil {
				return err
			}
			defer d.Close()
			got, err := d.Dump(context.Background(), nil)
			if err == nil && len(got) != 0 {
				err = fmt.Errorf("dump of nothing: %v", got)
			}
			return err
		}()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestRemove takes everything off: nothing is pinned, labelled frames pass the
// interface by, the impose device and the routes are gone.
func TestRemove(t *testing.T) {
	e := newElement(t)
	e.forwards(t)
	e.Close()
	for range 2 { // The second time there is nothing.
		var err error
		e.lab.Do(t, func() { err = Remove(e.opt) })
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(e.pins.root); !os.IsNotExist(err) {
		t.Errorf("pins are left: %v", err)
	}
	e.lab.Do(t, func() {
		out, err := exec.Command("ip", "-d", "link").CombinedOutput()
		if err != nil || strings.Contains(string(out), "xdp") || strings.Contains(string(out), "mtp0") {
			t.Errorf("interfaces after removal: %v: %s", err, out)
		}
	})
}
