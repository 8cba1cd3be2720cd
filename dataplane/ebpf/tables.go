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
	flagLSPDown   = 1
	flagShortPipe = 2
	flagBlocked   = 4
	flagLoop      = 8
	flagBranch    = 16
	flagBud       = 32
	flagEntropy   = 64
	flagClass     = 128

	flagSectionDown    = 1
	flagSectionSpace   = 2
	flagSectionQueues  = 4
	flagSectionByTC    = 8
	flagSectionBlocked = 16

	galSReason = 0

	maxImpose   = 8
	maxReceive  = 12
	maxNesting  = 3
	maxCopies   = 62
	maxBranches = maxCopies - 1 // One is for a bud node.

	refGroup = 1 << 28
	refPW    = 2 << 28
	refKind  = 0xf0000000
	refSlot  = 0x0fffffff

	relayLSP   = 1
	relayGroup = 2
	relayPort  = 3
	relayPW    = 4
)

// hashName is how names are kept in the tables: FNV-1a, 64 bits.
func hashName(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// lspEntry builds the table entry of an LSP, without name, time and counter.
func lspEntry(l dataplane.LSP, in, out uint32) tandemLsp {
	e := hopEntry(l.Op, l.Out, out)
	e.InLabel, e.InSection = l.InLabel, in
	for _, f := range []struct {
		on   bool
		flag uint8
	}{
		{l.Down, flagLSPDown}, {l.TTLMode == dataplane.ShortPipe, flagShortPipe}, {l.Blocked, flagBlocked},
		{l.Bud, flagBud}, {l.EntropyLabel, flagEntropy}, {l.Class != nil, flagClass},
	} {
		if f.on {
			e.Flags |= f.flag
		}
	}
	if l.Class != nil {
		e.Class = *l.Class
	}
	return e
}

// hopEntry is the part of an entry that a next hop makes.
func hopEntry(op dataplane.Operation, h dataplane.NextHop, out uint32) tandemLsp {
	e := tandemLsp{Out: out, Op: uint8(op), N: uint8(len(h.Stack))}
	for i, le := range h.Stack {
		ttl := uint32(le.EffectiveTTL())
		if op == dataplane.SwapAndForward && i == len(h.Stack)-1 {
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

// setLoop points an LSP that is in loopback to another.
func (t *objects) setLoop(slot, to uint32) error {
	return t.write(t.Lsps, slot, int(unsafe.Offsetof(tandemLsp{}.Loop)), to)
}

// absent makes deleting what is not there a success.
func absent(err error) error {
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil
	}
	return err
}

// sectionImage is the body in use of a section's slot, and the rest of it.
type sectionImage struct {
	body        tandemSection
	current     uint32
	name, since uint64
}

// image is what the tables hold.
type image struct {
	sections map[uint32]sectionImage
	ports    map[tandemPortKey]uint32
	lsps     map[uint32]tandemLsp // without branches
	branches map[uint32]tandemLsp
	groups   map[uint32]tandemGroup
	copies   map[uint32]tandemCopies
	relays   map[uint32]tandemRelay
	labels   map[labelKey]lead
	plain    map[uint32]uint32 // by counter
	prefixes map[netip.Prefix]uint32
}

// read reads all tables: once at the start, then for dumps and audits.
func (t *objects) read() (*image, error) {
	im := &image{
		sections: map[uint32]sectionImage{}, ports: map[tandemPortKey]uint32{}, lsps: map[uint32]tandemLsp{},
		branches: map[uint32]tandemLsp{}, groups: map[uint32]tandemGroup{}, copies: map[uint32]tandemCopies{},
		relays: map[uint32]tandemRelay{}, labels: map[labelKey]lead{}, prefixes: map[netip.Prefix]uint32{},
		plain: map[uint32]uint32{},
	}
	err := errors.Join(
		each(t.Sections, func(k uint32, v *tandemSectionSlot) {
			if body := v.Body[v.Current&1]; k != 0 && body.Ifindex != 0 {
				im.sections[k] = sectionImage{body, v.Current & 1, v.Name, v.Since}
			}
		}),
		eachEntry(t.arrays[t.Lsps], func(k uint32, v *tandemLsp) {
			switch {
			case v.Op == 0:
			case v.Flags&flagBranch != 0:
				im.branches[k] = *v
			default:
				im.lsps[k] = *v
			}
		}),
		eachEntry(t.arrays[t.Groups], func(k uint32, v *tandemGroup) {
			if v.Name != 0 {
				im.groups[k] = *v
			}
		}),
		eachEntry(t.arrays[t.CopyLists], func(k uint32, v *tandemCopies) {
			if v.N != 0 {
				im.copies[k] = *v
			}
		}),
		eachEntry(t.arrays[t.Relays], func(k uint32, v *tandemRelay) {
			if v.Kind != 0 {
				im.relays[k] = *v
			}
		}),
		eachEntry(t.arrays[t.PlatformLabels], func(k uint32, v *tandemLabelEntry) {
			if v.Lead != 0 {
				im.labels[labelKey{0, k}] = lead(v.Lead)
			}
		}),
		each(t.SectionLabels, func(k tandemLabelKey, v *tandemLabelEntry) {
			im.labels[labelKey{k.Section, k.Label}] = lead(v.Lead)
		}),
		eachEntry(t.arrays[t.PlainLsps], func(k uint32, v *uint32) {
			if *v != 0 {
				im.plain[k] = *v
			}
		}),
		eachEntry(t.arrays[t.DirectPorts], func(k uint32, v *uint32) {
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
