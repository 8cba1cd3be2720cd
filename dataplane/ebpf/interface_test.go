package ebpf

import (
	"context"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	bpflink "github.com/cilium/ebpf/link"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/reconcile"
)

// managed is an element whose objects a reconciler keeps, as in the daemon.
type managed struct {
	*element
	rec *reconcile.Reconciler
}

func newManaged(t *testing.T, o Options, desired ...dataplane.Object) *managed {
	t.Helper()
	o.BPFFS, o.Instance, o.AuditInterval = testFS(t), "managed", 20*time.Millisecond
	e := newElementOn(t, o)
	if len(desired) > 0 {
		e.desired = desired
	}
	m := &managed{element: e, rec: reconcile.New(reconcile.Options{
		Driver: e.Driver, Log: slog.New(slog.DiscardHandler), OnStatus: func(dataplane.Key, reconcile.Status) {},
	})}
	if err := m.rec.Start(context.Background(), e.desired); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.rec.Close)
	return m
}

// status waits until an object has a state, and a reason that contains a text.
func (m *managed) status(t *testing.T, k dataplane.Key, want reconcile.State, reason string) {
	t.Helper()
	until(t, func() (string, bool) {
		s, _ := m.rec.Status(k)
		return s.State.String() + " " + s.Reason, s.State == want && strings.Contains(s.Reason, reason)
	})
}

// until waits for a condition; what it says last is in the failure.
func until(t *testing.T, f func() (string, bool)) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(10 * time.Second)
	defer timeout.Stop()
	for {
		said, ok := f()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("still: %s", said)
		}
	}
}

// run runs a command in the element and returns what it says.
func (e *element) run(t *testing.T, command string) string {
	t.Helper()
	var out []byte
	e.lab.Do(t, func() {
		var err error
		args := strings.Fields(command)
		if out, err = exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	})
	return string(out)
}

var westKey = dataplane.Key{Kind: dataplane.KindSection, Name: "west"}

// TestInterfaceComesAndGoes takes the interface of a section away in several
// ways. The section fails with the reason, nothing of ours stays on the
// interface, and as soon as there is one of its name again everything is as
// before, without an operator.
func TestInterfaceComesAndGoes(t *testing.T) {
	for _, c := range []struct{ name, away, elsewhere, back string }{
		{"renamed", "ip link set west0 down\nip link set west0 name other0\nip link set other0 up", "other0",
			"ip link set other0 down\nip link set other0 name west0\nip link set west0 up"},
		{"another takes its name", "ip link set west0 down\nip link set west0 name other0", "other0",
			"ip link add west0 type veth peer name west0q\nip link del west0\nip link set other0 name west0\nip link set west0 up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newManaged(t, Options{})
			m.forwards(t)
			for s := range strings.Lines(c.away) {
				m.run(t, s)
			}
			m.status(t, westKey, reconcile.Failed, "no interface west0")
			if out := m.run(t, "ip -d link show dev "+c.elsewhere); strings.Contains(out, "xdp") {
				t.Errorf("our program is still on it: %s", out)
			}
			for s := range strings.Lines(c.back) {
				m.run(t, s)
			}
			m.status(t, westKey, reconcile.Applied, "")
			m.forwards(t)
		})
	}
}

// TestInterfaceMoves moves the interface to another network namespace and back.
func TestInterfaceMoves(t *testing.T) {
	m := newManaged(t, Options{})
	m.forwards(t)
	other := startSleeper(t)
	m.run(t, "ip link set west0 netns "+other)
	m.status(t, westKey, reconcile.Failed, "no interface west0")
	if out := runIn(t, other, "ip -d link show dev west0"); strings.Contains(out, "xdp") {
		t.Errorf("our program went with it: %s", out)
	}
	runIn(t, other, "ip link set west0 netns "+m.pid(t))
	m.run(t, "ip link set west0 up")
	m.status(t, westKey, reconcile.Applied, "")
	m.forwards(t)
}

// TestInterfaceChanges: the new MTU and address hold without a commit, and a
// frame that is too long is dropped and counted.
func TestInterfaceChanges(t *testing.T) {
	m := newManaged(t, Options{})
	west := m.lab.Port(drivertest.West)
	tooLong := func() uint64 {
		t.Helper()
		c, err := m.DropCounters()
		if err != nil {
			t.Fatal(err)
		}
		return c["too-long"]
	}
	long := frame(west.MAC, west.Peer, 0, 0x8847, lse{100, 0, 64, true}, ip4("10.0.0.1"), make([]byte, 1300))
	m.lab.Send(t, drivertest.West, long)
	if f := nextMPLS(t, m.lab, drivertest.East, 5*time.Second); len(f) != len(long) {
		t.Fatalf("got %d octets, want %d", len(f), len(long))
	}
	before := tooLong()
	m.run(t, "ip link set east0 mtu 1000")
	until(t, func() (string, bool) {
		m.lab.Send(t, drivertest.West, long)
		n := tooLong()
		return "no frame counted as too long", n > before
	})
	m.run(t, "ip link set east0 mtu 1500")
	until(t, func() (string, bool) {
		m.lab.Send(t, drivertest.West, long)
		return "long frames are not forwarded again", nextMPLS(t, m.lab, drivertest.East, 20*time.Millisecond) != nil
	})
	for nextMPLS(t, m.lab, drivertest.East, 50*time.Millisecond) != nil {
		continue
	}

	m.run(t, "ip link set east0 address 02:00:00:00:00:99")
	until(t, func() (string, bool) {
		m.lab.Send(t, drivertest.West, frame(west.MAC, west.Peer, 0, 0x8847, lse{100, 0, 64, true}, ip4("10.0.0.1")))
		f := nextMPLS(t, m.lab, drivertest.East, time.Second)
		return "frames leave with the old address", len(f) > 14 && f[11] == 0x99
	})
}

// foreignProgram puts an XDP program of somebody else on an interface.
func (e *element) foreignProgram(t *testing.T, ifc string) bpflink.Link {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "firewall", Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	var l bpflink.Link
	e.lab.Do(t, func() {
		i, err := e.net.ByName(ifc)
		if err == nil {
			l, err = bpflink.AttachXDP(bpflink.XDPOptions{Program: p, Interface: i.Index, Flags: bpflink.XDPGenericMode})
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { l.Close() })
	return l
}

// TestForeignXDPRefused: where a mode is asked for, a section on an interface
// with a program of somebody else fails and says whose; the program stays. When
// it leaves, the section comes by itself.
func TestForeignXDPRefused(t *testing.T) {
	m := newManaged(t, Options{Mode: ModeGeneric})
	m.rec.Update(dataplane.Delta{Delete: []dataplane.Key{westKey, key(dataplane.KindLSP, "x")}})
	if err := m.rec.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	foreign := m.foreignProgram(t, "west0")
	m.rec.Update(dataplane.Delta{Put: m.desired})
	m.status(t, westKey, reconcile.Failed, "firewall")
	if info, err := foreign.Info(); err != nil || info.XDP().Ifindex == 0 {
		t.Errorf("the program of somebody else: %+v, %v", info, err)
	}
	if err := foreign.Close(); err != nil {
		t.Fatal(err)
	}
	m.status(t, westKey, reconcile.Applied, "")
	m.forwards(t)
}

// features returns which of the features are on.
func (e *element) features(t *testing.T, ifc string) map[string]link.Feature {
	t.Helper()
	f, err := e.net.Features(ifc)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestOffloads: a section on a VLAN has receive VLAN offload off as long as it
// is there, whatever happens to the process, and whoever turns it on.
func TestOffloads(t *testing.T) {
	const name = link.FeatureRxVLAN
	vlan := dataplane.Section{Name: "tagged", Interface: "west0", VLAN: 20}
	for _, c := range []struct {
		name string
		end  func(t *testing.T, m *managed)
	}{
		{"section deleted", func(t *testing.T, m *managed) {
			m.rec.Update(dataplane.Delta{Delete: []dataplane.Key{vlan.Key(), westKey}})
			if err := m.rec.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}},
		{"section deleted by a later process", func(t *testing.T, m *managed) {
			m.rec.Close()
			m.Close()
			m.lab.Do(t, func() { m.Driver = mustOpen(t, m.opt) })
			t.Cleanup(func() { m.Driver.Close() })
			if m.features(t, "west0")[name].On {
				t.Error("on after the process")
			}
			for _, err := range m.Apply(context.Background(), []dataplane.Op{
				{Verb: dataplane.Delete, Key: vlan.Key()}, {Verb: dataplane.Delete, Key: westKey},
			}) {
				t.Fatal(err)
			}
		}},
		{"element removed", func(t *testing.T, m *managed) {
			m.rec.Close()
			m.Close()
			var err error
			m.lab.Do(t, func() { err = Remove(m.opt) })
			if err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newManaged(t, Options{})
			if !m.features(t, "west0")[name].On {
				t.Fatal("the offload is off before")
			}
			m.rec.Update(dataplane.Delta{Put: []dataplane.Object{vlan}})
			m.status(t, vlan.Key(), reconcile.Applied, "")
			if m.features(t, "west0")[name].On || !m.features(t, "east0")[name].On {
				t.Error("the offload must be off on the interface of the section, and there only")
			}
			states, err := m.InterfaceStates()
			if err != nil || len(states) != 2 || states[1].Name != "west0" || len(states[1].Switched) != 1 || states[1].Switched[0] != name {
				t.Errorf("states: %+v, %v", states, err)
			}
			m.run(t, "ethtool -K west0 rxvlan on")
			until(t, func() (string, bool) { return "turned on by somebody", !m.features(t, "west0")[name].On })
			h, err := link.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			c.end(t, m)
			if out := m.run(t, "ethtool -k west0"); !strings.Contains(out, "rx-vlan-offload: on") {
				t.Errorf("not as it was found:\n%s", out)
			}
		})
	}
}

// TestUnsuitable: interfaces that cannot carry a section are refused with the
// reason.
func TestUnsuitable(t *testing.T) {
	e := newElement(t)
	for _, s := range []string{
		"ip tuntap add dev tun9 mode tun", "ip link add br9 type bridge", "ip link set client0 master br9",
	} {
		e.run(t, s)
	}
	for _, c := range []struct {
		ifc, reason string
	}{{"lo", "no Ethernet"}, {"tun9", "no Ethernet"}, {"nowhere9", "no interface"}} {
		o := dataplane.Section{Name: "bad", Interface: c.ifc}
		failed := e.Apply(context.Background(), []dataplane.Op{{Verb: dataplane.Put, Key: o.Key(), Object: o}})
		if len(failed) != 1 || failed[0].Retry || !strings.Contains(failed[0].Reason, c.reason) {
			t.Errorf("%s: %v", c.ifc, failed)
		}
	}
	client, err := e.net.ByName("client0")
	if err != nil {
		t.Fatal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.suitable(client, roleAttachment); err == nil || !strings.Contains(err.Error(), "bridge br9") {
		t.Errorf("attachment circuit on a port of a bridge: %v", err)
	}
	if err := e.suitable(client, roleSection); err != nil {
		t.Errorf("section on a port of a bridge: %v", err)
	}
}

// modeOf returns how an interface is attached.
func (e *element) modeOf(t *testing.T, ifc string) dataplane.InterfaceState {
	t.Helper()
	states, err := e.InterfaceStates()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		if s.Name == ifc {
			return s
		}
	}
	return dataplane.InterfaceState{}
}

// TestForeignXDPRelayed: with ModeAuto, frames of an interface with a program of
// somebody else come through tc, labelled ones and those of IP clients. When it
// leaves, XDP takes over by itself.
func TestForeignXDPRelayed(t *testing.T) {
	m := newManaged(t, Options{})
	if s := m.modeOf(t, "west0"); s.Mode != "generic" {
		t.Errorf("before: %+v", s)
	}
	m.rec.Update(dataplane.Delta{Delete: []dataplane.Key{westKey, key(dataplane.KindLSP, "x")}})
	if err := m.rec.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	foreign := m.foreignProgram(t, "west0")
	m.rec.Update(dataplane.Delta{Put: m.desired})
	m.status(t, westKey, reconcile.Applied, "")
	if s := m.modeOf(t, "west0"); s.Mode != "tc" || !strings.Contains(s.Reason, "firewall") {
		t.Errorf("beside another program: %+v", s)
	}
	m.forwards(t)
	if err := foreign.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, func() (string, bool) { s := m.modeOf(t, "west0"); return s.Mode, s.Mode == "generic" })
	m.forwards(t)
}

// TestQueuesOfSection: the scheduler is there as long as the section wants it,
// is repaired, adopted and removed, and frames go through it by their class.
func TestQueuesOfSection(t *testing.T) {
	m := newManaged(t, Options{})
	east := m.desired[1].(dataplane.Section)
	east.Queues = dataplane.Queues{Enabled: true, Rate: 100_000_000, Weights: [8]uint16{1, 2}}
	m.rec.Update(dataplane.Delta{Put: []dataplane.Object{east}})
	m.status(t, east.Key(), reconcile.Applied, "")
	m.forwards(t)
	out, err := m.net.ByName("east0")
	if err != nil {
		t.Fatal(err)
	}
	west := m.lab.Port(drivertest.West)
	m.lab.Send(t, drivertest.West, frame(west.MAC, west.Peer, 0, 0x8847, lse{100, 5, 64, true}, ip4("10.0.0.1")))
	until(t, func() (string, bool) {
		s, err := m.net.QueueStats(out.Index)
		return "no frame of class 5 in its queue", err == nil && s[5].Packets > 0
	})
	has := func() bool {
		_, ok, err := m.net.Queues(out.Index)
		return ok && err == nil
	}
	m.run(t, "tc qdisc del dev east0 root")
	until(t, func() (string, bool) { return "not repaired", has() })
	if s := m.modeOf(t, "east0"); !strings.Contains(s.Queueing, "weights 1:2 0:1") {
		t.Errorf("state: %+v", s)
	}

	// Another process finds them, and takes them off with the section.
	m.rec.Close()
	m.Close()
	m.lab.Do(t, func() { m.Driver = mustOpen(t, m.opt) })
	t.Cleanup(func() { m.Driver.Close() })
	m.desired[1] = east
	if ops := m.missing(t); len(ops) != 0 {
		t.Errorf("to do after adoption: %v", ops)
	}
	other := dataplane.Section{Name: "vlan", Interface: "east0", VLAN: 7, Queues: dataplane.Queues{Enabled: true, Rate: 1}}
	failed := m.Apply(context.Background(), []dataplane.Op{{Verb: dataplane.Put, Key: other.Key(), Object: other}})
	if len(failed) != 1 || !strings.Contains(failed[0].Reason, "another section") {
		t.Errorf("other queues on the same interface: %v", failed)
	}
	for _, err := range m.Apply(context.Background(), []dataplane.Op{{Verb: dataplane.Delete, Key: east.Key()}}) {
		t.Fatal(err)
	}
	if has() {
		t.Error("queues are left")
	}
}
