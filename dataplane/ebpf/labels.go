package ebpf

import (
	"github.com/cilium/ebpf"

	"github.com/tandem-ne/tandem/dataplane"
)

// labelKey names a label in its space; section 0 is the per-platform space.
type labelKey struct{ section, label uint32 }

// lead is what a label leads to: struct label_entry of bpf/maps.h.
type lead uint64

const (
	leadCounter = 32
	maxCounter  = 1<<24 - 1
	leadTC      = 56
	leadTCSet   = lead(1) << 59
	leadPop     = lead(1) << 60
	leadPlain   = lead(1) << 63
)

// leadTo refers to what has the counter.
func leadTo(ref, counter uint32) lead { return lead(counter)<<leadCounter | lead(ref) }

// leadOf is the lead of the label of an LSP in its slot.
func leadOf(e *tandemLsp, slot uint32) lead {
	to := leadTo(slot, e.Counter)
	if e.InSection != 0 || e.Flags&^(flagShortPipe|flagClass|flagEntropy) != 0 || e.Copies != 0 || e.Out == 0 || e.Out&refKind != 0 {
		return to
	}
	plain := leadPlain | lead(e.Counter)<<leadCounter | lead(e.Out)
	switch op := dataplane.Operation(e.Op); {
	case op == dataplane.PopAndForward && e.N == 0:
		return plain | leadPop
	case op == dataplane.SwapAndForward && e.N == 1 && e.TcSet == 0:
		return plain | lead(e.Lse[0]&^0xfff)
	case op == dataplane.SwapAndForward && e.N == 1:
		return plain | lead(e.Lse[0]&^0xfff) | leadTCSet | lead(e.Lse[0]>>9&7)<<leadTC
	}
	return to
}

// ref is what a label refers to, 0 for nothing.
func (im *image) ref(k labelKey) uint32 {
	to := im.labels[k]
	if to&leadPlain != 0 {
		return im.plain[uint32(to>>leadCounter)&maxCounter]
	}
	return uint32(to)
}

// setLabel points a label to what has the counter.
func (t *objects) setLabel(k labelKey, ref, counter uint32) error {
	return t.writeLabel(k, leadTo(ref, counter))
}

// setLSPLabel points the label of an LSP to its slot. Where the label is to tell
// all of it, the slot is written first: in between plain packets go the old way and
// others the new one, each all of it.
func (t *objects) setLSPLabel(l *lsp) error {
	to := leadOf(&l.entry, l.id)
	if to&leadPlain != 0 {
		if err := t.write(t.PlainLsps, l.entry.Counter, 0, l.id); err != nil {
			return err
		}
	}
	return t.writeLabel(l.labelKey(), to)
}

func (t *objects) writeLabel(k labelKey, to lead) error {
	if k.section == 0 {
		return t.write(t.PlatformLabels, k.label, 0, uint64(to))
	}
	return t.SectionLabels.Update(tandemLabelKey{Section: k.section, Label: k.label}, tandemLabelEntry{Lead: uint64(to)}, ebpf.UpdateAny)
}

func (t *objects) clearLabel(k labelKey) error {
	if k.section == 0 {
		return t.writeLabel(k, 0)
	}
	return absent(t.SectionLabels.Delete(tandemLabelKey{Section: k.section, Label: k.label}))
}
