package ebpf

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
)

// Verdicts of XDP.
const (
	xdpDrop     = 1
	xdpPass     = 2
	xdpRedirect = 4
)

// rig is the programs with tables of their own, run by BPF_PROG_TEST_RUN: no
// interface, no pins. Frames come in on interface 1, the kernel's default.
type rig struct {
	objs *tandemObjects
	out  []byte
}

const rigLSPs = 1 << 17

func newRig(t testing.TB) *rig {
	t.Helper()
	spec, err := loadTandem()
	if err != nil {
		t.Fatal(err)
	}
	spec.Maps["lsps"].MaxEntries, spec.Maps["lsp_counters"].MaxEntries = rigLSPs, rigLSPs
	spec.Maps["meg_buckets"].MaxEntries = maxSections + rigLSPs
	objs := new(tandemObjects)
	if err := spec.LoadAndAssign(objs, nil); err != nil {
		t.Fatalf("load programs: %v (the test needs root)", err)
	}
	t.Cleanup(func() { objs.Close() })
	r := &rig{objs: objs, out: make([]byte, 4096)}
	for i := range uint32(limitChannel + channels) {
		r.put(t, objs.Limits, i, Rate{PerSecond: 1_000_000_000, Burst: 1 << 20}.limit())
	}
	return r
}

func (r *rig) put(t testing.TB, m *ebpf.Map, k, v any) {
	t.Helper()
	if err := m.Update(k, v, ebpf.UpdateAny); err != nil {
		t.Fatalf("%s: %v", m, err)
	}
}

// Addresses of the rig's sections.
var (
	own     = [6]byte{2, 0, 0, 0, 0, 0x50}
	outOwn  = [6]byte{2, 0, 0, 0, 0, 0x51}
	outPeer = [6]byte{2, 0, 0, 0, 0, 0xa1}
)

// Sections of the rig: 1 is untagged, 2 to 4 are VLANs of interface 1.
const (
	secIn     = 1
	secOut    = 2 // VLAN 20
	secOwn    = 3 // VLAN 30, label space of its own
	secDown   = 4 // VLAN 40, down
	secPlain  = 5 // out, untagged, interface 2
	secShort  = 6 // out, MTU 60, interface 3
	secAbsent = 7
)

func (r *rig) sections(t testing.TB) map[uint32]tandemSection {
	all := map[uint32]tandemSection{
		secIn:    {Ifindex: 1, Mtu: 1500, Own: own, Peer: outPeer},
		secOut:   {Ifindex: 1, Vlan: 20, Mtu: 1500, Own: own, Peer: outPeer},
		secOwn:   {Ifindex: 1, Vlan: 30, Mtu: 1500, Own: own, Peer: outPeer, Flags: flagSectionSpace},
		secDown:  {Ifindex: 1, Vlan: 40, Mtu: 1500, Own: own, Peer: outPeer, Flags: flagSectionDown},
		secPlain: {Ifindex: 2, Mtu: 1500, Own: outOwn, Peer: outPeer},
		secShort: {Ifindex: 3, Mtu: 60, Own: outOwn, Peer: outPeer},
	}
	for id, s := range all {
		r.put(t, r.objs.Sections, id, s)
		if err := r.objs.setPort(portOf(s), id); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// lsp writes an LSP and returns its entry.
func (r *rig) lsp(t testing.TB, id uint32, l dataplane.LSP, in, out uint32) tandemLsp {
	t.Helper()
	e := lspEntry(l, in, out)
	e.Counter = id
	r.put(t, r.objs.Lsps, id, e)
	if l.InLabel != 0 {
		if err := r.objs.setLabel(labelKey{in, l.InLabel}, id); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range l.Prefixes {
		if err := r.objs.setPrefix(p, id); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// run runs a program on a frame.
func (r *rig) run(t testing.TB, p *ebpf.Program, frame []byte) (uint32, []byte) {
	t.Helper()
	opt := ebpf.RunOptions{Data: frame, DataOut: r.out}
	verdict, err := p.Run(&opt)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	return verdict, opt.DataOut
}

func (r *rig) counters(t testing.TB, m *ebpf.Map, slot uint32) tandemCounters {
	t.Helper()
	var perCPU []tandemCounters
	if err := m.Lookup(slot, &perCPU); err != nil {
		t.Fatal(err)
	}
	return total(perCPU)
}

func (r *rig) events(t testing.TB) (n [len(eventNames)]uint64) {
	t.Helper()
	for i := range n {
		var perCPU []uint64
		if err := r.objs.Events.Lookup(uint32(i), &perCPU); err != nil {
			t.Fatal(err)
		}
		for _, c := range perCPU {
			n[i] += c
		}
	}
	return n
}

// lse is a label stack entry of a test frame.
type lse struct {
	label, tc, ttl uint32
	s              bool
}

func (l lse) append(b []byte) []byte {
	v := l.label<<12 | l.tc<<9 | l.ttl
	if l.s {
		v |= 1 << 8
	}
	return binary.BigEndian.AppendUint32(b, v)
}

// frame builds a frame; vlan 0: untagged.
func frame(dst, src [6]byte, vlan, typ uint16, parts ...any) []byte {
	b := append(append([]byte(nil), dst[:]...), src[:]...)
	if vlan != 0 {
		b = binary.BigEndian.AppendUint16(b, 0x8100)
		b = binary.BigEndian.AppendUint16(b, vlan)
	}
	b = binary.BigEndian.AppendUint16(b, typ)
	for _, p := range parts {
		switch p := p.(type) {
		case lse:
			b = p.append(b)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

// ip4 and ip6 are packets to an address, without regard to checksums.
func ip4(dst string) []byte {
	b := make([]byte, 46)
	b[0], b[3], b[8], b[9] = 0x45, 46, 64, 253
	copy(b[16:], netip.MustParseAddr(dst).AsSlice())
	return b
}

func ip6(dst string) []byte {
	b := make([]byte, 66)
	b[0], b[5], b[6], b[7] = 0x60, 26, 253, 64
	copy(b[24:], netip.MustParseAddr(dst).AsSlice())
	return b
}
