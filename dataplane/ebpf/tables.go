package ebpf

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
)

// Flags and operations of bpf/maps.h.
const (
	flagLSPDown       = 1
	flagShortPipe     = 2
	flagSectionDown   = 1
	flagSectionSpace  = 2
	flagSectionQueues = 4
	galSReason        = 0

	maxImpose  = 6
	maxReceive = 12
)

// hashName is how names are kept in the tables: FNV-1a, 64 bits.
func hashName(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// labelKey names a label in its space; section 0 is the per-platform space.
type labelKey struct{ section, label uint32 }

// lspEntry builds the table entry of an LSP, without name, time and counter.
func lspEntry(l dataplane.LSP, in, out uint32) tandemLsp {
	e := tandemLsp{InLabel: l.InLabel, InSection: in, Out: out, Op: uint8(l.Op), N: uint8(len(l.Out.Stack))}
	if l.Down {
		e.Flags |= flagLSPDown
	}
	if l.TTLMode == dataplane.ShortPipe {
		e.Flags |= flagShortPipe
	}
	for i, le := range l.Out.Stack {
		ttl := uint32(le.EffectiveTTL())
		if l.Op == dataplane.SwapAndForward && i == len(l.Out.Stack)-1 {
			ttl = 0 // The packet's own is put in.
		}
		e.Lse[i] = le.Label<<12 | ttl
		if le.HasTC {
			e.Lse[i] |= uint32(le.TC) << 9
			e.TcSet |= 1 << i
		}
	}
	return e
}

// stackOf is the inverse of lspEntry's label stack.
func stackOf(e tandemLsp) []dataplane.LabelEntry {
	n := min(int(e.N), maxImpose)
	if n == 0 {
		return nil
	}
	out := make([]dataplane.LabelEntry, n)
	for i := range out {
		le := dataplane.LabelEntry{Label: e.Lse[i] >> 12, TTL: uint8(e.Lse[i])}
		if e.TcSet&(1<<i) != 0 {
			le.HasTC, le.TC = true, uint8(e.Lse[i]>>9&7)
		}
		out[i] = le
	}
	return out
}

func prefix4(p netip.Prefix) tandemPrefix4Key {
	return tandemPrefix4Key{Length: uint32(p.Bits()), Address: p.Addr().As4()}
}

func prefix6(p netip.Prefix) tandemPrefix6Key {
	return tandemPrefix6Key{Length: uint32(p.Bits()), Address: p.Addr().As16()}
}

// directPorts is DIRECT_PORTS of bpf/maps.h.
const directPorts = 4096

// setPort tells which section an interface, or a VLAN on one, is of.
func (t *tandemMaps) setPort(k tandemPortKey, id uint32) error {
	if k.Vlan == 0 && k.Ifindex < directPorts {
		return t.DirectPorts.Update(k.Ifindex, id, ebpf.UpdateAny)
	}
	return t.Ports.Update(k, id, ebpf.UpdateAny)
}

func (t *tandemMaps) clearPort(k tandemPortKey) error {
	if k.Vlan == 0 && k.Ifindex < directPorts {
		return t.DirectPorts.Update(k.Ifindex, uint32(0), ebpf.UpdateAny)
	}
	return absent(t.Ports.Delete(k))
}

// setLabel points a label to an LSP.
func (t *tandemMaps) setLabel(k labelKey, id uint32) error {
	if k.section == 0 {
		return t.PlatformLabels.Update(k.label, id, ebpf.UpdateAny)
	}
	return t.SectionLabels.Update(tandemLabelKey{Section: k.section, Label: k.label}, id, ebpf.UpdateAny)
}

func (t *tandemMaps) clearLabel(k labelKey) error {
	if k.section == 0 {
		return t.PlatformLabels.Update(k.label, uint32(0), ebpf.UpdateAny)
	}
	return absent(t.SectionLabels.Delete(tandemLabelKey{Section: k.section, Label: k.label}))
}

func (t *tandemMaps) setPrefix(p netip.Prefix, id uint32) error {
	if p.Addr().Is4() {
		return t.Prefixes4.Update(prefix4(p), id, ebpf.UpdateAny)
	}
	return t.Prefixes6.Update(prefix6(p), id, ebpf.UpdateAny)
}

func (t *tandemMaps) clearPrefix(p netip.Prefix) error {
	if p.Addr().Is4() {
		return absent(t.Prefixes4.Delete(prefix4(p)))
	}
	return absent(t.Prefixes6.Delete(prefix6(p)))
}

// absent makes deleting what is not there a success.
func absent(err error) error {
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil
	}
	return err
}

// image is what the tables hold.
type image struct {
	sections map[uint32]tandemSection
	ports    map[tandemPortKey]uint32
	lsps     map[uint32]tandemLsp
	labels   map[labelKey]uint32
	prefixes map[netip.Prefix]uint32
}

// read reads all tables: once at the start, then for dumps and audits.
func (t *tandemMaps) read() (*image, error) {
	im := &image{
		sections: map[uint32]tandemSection{}, ports: map[tandemPortKey]uint32{},
		lsps: map[uint32]tandemLsp{}, labels: map[labelKey]uint32{}, prefixes: map[netip.Prefix]uint32{},
	}
	err := errors.Join(
		each(t.Sections, func(k uint32, v *tandemSection) {
			if v.Ifindex != 0 {
				im.sections[k] = *v
			}
		}),
		eachMapped(t.Lsps, func(k uint32, v *tandemLsp) {
			if v.Op != 0 {
				im.lsps[k] = *v
			}
		}),
		eachMapped(t.PlatformLabels, func(k uint32, v *uint32) {
			if *v != 0 {
				im.labels[labelKey{0, k}] = *v
			}
		}),
		each(t.SectionLabels, func(k tandemLabelKey, v *uint32) { im.labels[labelKey{k.Section, k.Label}] = *v }),
		eachMapped(t.DirectPorts, func(k uint32, v *uint32) {
			if *v != 0 {
				im.ports[tandemPortKey{Ifindex: k}] = *v
			}
		}),
		each(t.Ports, func(k tandemPortKey, v *uint32) { im.ports[k] = *v }),
		each(t.Prefixes4, func(k tandemPrefix4Key, v *uint32) {
			im.prefixes[netip.PrefixFrom(netip.AddrFrom4(k.Address), int(k.Length))] = *v
		}),
		each(t.Prefixes6, func(k tandemPrefix6Key, v *uint32) {
			im.prefixes[netip.PrefixFrom(netip.AddrFrom16(k.Address), int(k.Length))] = *v
		}),
	)
	if err != nil {
		return nil, err
	}
	return im, nil
}

// each calls f for every entry of m, in batches.
func each[K comparable, V any](m *ebpf.Map, f func(K, *V)) error {
	const batch = 1 << 14
	keys, values := make([]K, batch), make([]V, batch)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&cursor, keys, values, nil)
		for i := range n {
			f(keys[i], &values[i])
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read map: %w", err)
		}
	}
}

// eachMapped calls f for every entry of an array that can be mapped.
func eachMapped[V any](m *ebpf.Map, f func(uint32, *V)) error {
	mem, err := m.Memory()
	if err != nil {
		return fmt.Errorf("map array: %w", err)
	}
	var v V
	// The kernel rounds the size of an element up to 8.
	size := (int(unsafe.Sizeof(v)) + 7) &^ 7
	buf := make([]byte, size<<10)
	for k := uint32(0); k < m.MaxEntries(); {
		n := min(len(buf), int(m.MaxEntries()-k)*size)
		if _, err := mem.ReadAt(buf[:n], int64(k)*int64(size)); err != nil {
			return fmt.Errorf("read mapped array: %w", err)
		}
		for off := 0; off < n; off += size {
			v = *(*V)(unsafe.Pointer(&buf[off]))
			f(k, &v)
			k++
		}
	}
	return nil
}

// total sums a per-CPU counter.
func total(perCPU []tandemCounters) (s tandemCounters) {
	for i := range perCPU {
		c := &perCPU[i]
		s.InPackets += c.InPackets
		s.InOctets += c.InOctets
		s.OutPackets += c.OutPackets
		s.OutOctets += c.OutOctets
		s.InDrops += c.InDrops
		s.OutDrops += c.OutDrops
	}
	return s
}
