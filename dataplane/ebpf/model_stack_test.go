package ebpf

import (
	"encoding/binary"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/oam"
)

// walker works on the label stack of one frame, from the top.
type walker struct {
	m      *model
	sec    dataplane.Section
	source dataplane.MAC
	whole  []byte // From the label stack on.
	b      []byte // What is left of it.

	above    uint32 // Label of what ended here just above.
	hasAbove bool
	ended    dataplane.Key // What that is.
	copied   bool          // The copy of a bud node.
}

// modelEntry is a label stack entry taken apart (RFC 3032, RFC 5462).
type modelEntry struct {
	label  uint32
	tc     uint8
	bottom bool
	ttl    uint8
}

func parseEntry(b []byte) modelEntry {
	v := binary.BigEndian.Uint32(b)
	return modelEntry{label: v >> 12, tc: uint8(v>>9) & 7, bottom: v>>8&1 == 1, ttl: uint8(v)}
}

func (w *walker) malformed() { w.m.dropIn("malformed", w.sec.Key()) }

func (w *walker) punt(reason oam.Reason, label uint32, has bool) {
	w.m.out.punt = &modelPunt{reason, label, has, w.whole}
}

// run goes down the stack until the packet is sent, delivered, punted or
// dropped.
func (w *walker) run() {
	for depth := 0; ; depth++ {
		if depth == modelMaxReceive {
			w.m.dropIn("too-deep", w.sec.Key())
			return
		}
		if len(w.b) < 4 {
			why := "no-bottom"
			if depth == 0 {
				why = "short"
			}
			w.m.dropIn(why, w.sec.Key())
			return
		}
		e, rest := parseEntry(w.b), w.b[4:]
		if e.label < labelLowest {
			if !w.special(e, rest, depth) {
				return
			}
			continue
		}
		k, ok := w.find(e.label, depth)
		switch {
		case !ok:
			w.m.dropIn("unknown-label", w.sec.Key())
			return
		case k.Kind == dataplane.KindPseudowire:
			w.m.pseudowire(w, w.m.pws[k.Name], e, rest)
			return
		case !w.lsp(w.m.lsps[k.Name], e, rest):
			return
		}
	}
}

// find looks a label up: in the space of the section if it has one, and below
// another label in that of the platform too (RFC 3031 section 3.14).
func (w *walker) find(label uint32, depth int) (dataplane.Key, bool) {
	if w.sec.InterfaceLabelSpace {
		if k, ok := w.m.labels[modelLabel{w.sec.Name, label}]; ok || depth == 0 {
			return k, ok
		}
	}
	k, ok := w.m.labels[modelLabel{"", label}]
	return k, ok
}

// special handles special-purpose labels (RFC 7274) and tells whether the stack
// goes on.
func (w *walker) special(e modelEntry, rest []byte, depth int) bool {
	switch e.label {
	case labelGAL:
		// RFC 5586 section 4.2: at the bottom, an ACH below. On top for a section,
		// else directly below the label of an LSP that ends here.
		if !e.bottom || len(rest) < 4 || depth > 0 && !w.hasAbove {
			w.malformed()
		} else {
			w.punt(oam.ReasonGAL, w.above, w.hasAbove)
		}
	case labelRouterAlert:
		// RFC 3032 section 2.1: anywhere but at the bottom.
		if e.bottom {
			w.malformed()
		} else {
			w.punt(oam.ReasonRouterAlert, e.label, true)
		}
	case labelIPv4Null, labelIPv6Null:
		// RFC 4182: anywhere in the stack.
		if e.ttl <= 1 {
			w.m.events["ttl-expired"]++
			w.punt(oam.ReasonTTLExpired, e.label, true)
			return false
		}
		if e.bottom {
			want := byte(4)
			if e.label == labelIPv6Null {
				want = 6
			}
			w.deliver(rest, want, w.sec.Key())
			return false
		}
		w.above, w.hasAbove, w.b = 0, false, rest
		return true
	case labelELI:
		// RFC 6790 section 4.1: ELI and EL are thrown away below a label that was
		// popped here; nowhere else is an ELI seen by who looks at the top.
		if !w.hasAbove || e.bottom || len(rest) < 4 || parseEntry(rest).label < labelLowest {
			w.m.dropIn("entropy-label", w.sec.Key())
			return false
		}
		if parseEntry(rest).bottom {
			w.deliver(rest[4:], 0, w.ended)
			return false
		}
		w.b = rest[4:]
		return true
	case labelExtension:
		// RFC 7274 section 3.1: what follows is an extended special-purpose label,
		// of which this node knows none.
		w.m.dropIn("extension-label", w.sec.Key())
	default:
		w.m.dropIn("special-label", w.sec.Key())
	}
	return false
}

// lsp is what an LSP does to a packet that came with its label. It tells whether
// the label below is looked up.
func (w *walker) lsp(l dataplane.LSP, e modelEntry, rest []byte) bool {
	m, k := w.m, l.Key()
	add(&m.of(k).in, len(w.b))
	gal := !e.bottom && len(rest) >= 4 && parseEntry(rest).label == labelGAL
	// The G-ACh of an LSP that ends here reaches its MEP with any TTL and in any
	// condition.
	if gal && l.Op == dataplane.PopAndLookup && (l.Loop == "" || e.ttl <= 1) {
		w.above, w.hasAbove, w.ended, w.b = e.label, true, k, rest
		return true
	}
	if e.ttl <= 1 {
		m.events["ttl-expired"]++
		m.of(k).inDrops++
		w.punt(oam.ReasonTTLExpired, e.label, true)
		return false
	}
	switch {
	case l.Down:
		m.dropIn("lsp-down", k)
		return false
	case l.Loop != "":
		w.loop(l, e, rest)
		return false
	case l.Blocked && !gal && l.Loop == "":
		m.dropIn("blocked", k)
		return false
	case l.Selector != "" && m.active[l.Selector] != l.SelectorLeg:
		m.events["not-selected"]++
		return false
	}
	if l.Op != dataplane.PopAndLookup {
		m.forward(l, rest, !e.bottom, e.ttl, e.tc, nil)
		if !l.Bud {
			return false
		}
		// The copy for this node: it comes from nowhere, with this label on top.
		if gal {
			w.punt(oam.ReasonGAL, e.label, true)
			return false
		}
		w.copied, w.whole = true, w.b
		w.sec = w.m.sections[l.InSection]
	}
	if e.bottom {
		w.deliver(rest, 0, k)
		return false
	}
	w.above, w.hasAbove, w.ended, w.b = e.label, true, k, rest
	return true
}

// loop sends a packet into the LSP of the opposite direction (RFC 6435 section
// 4) without the label that it came with.
func (w *walker) loop(l dataplane.LSP, e modelEntry, rest []byte) {
	back, ok := w.m.lsps[l.Loop]
	if !ok || back.Op == dataplane.PopAndLookup || len(back.Branches) > 0 {
		w.m.dropIn("blocked", l.Key())
		return
	}
	octets := len(rest)
	if back.Op != dataplane.ImposeAndForward {
		octets += 4 // As if it had arrived there.
	}
	add(&w.m.of(back.Key()).in, octets)
	if back.Down {
		w.m.dropIn("lsp-down", back.Key())
		return
	}
	w.m.forward(back, rest, !e.bottom, e.ttl, e.tc, nil)
}

// deliver hands an IP packet to the host, as if it had come untagged to the
// interface. want is its version, 0: either.
func (w *walker) deliver(p []byte, want byte, of dataplane.Key) {
	v := ipVersion(p)
	if v == 0 || want != 0 && v != want {
		w.m.dropIn("unknown-payload", of)
		return
	}
	own := w.m.ifaces[w.sec.Interface].mac
	if w.copied {
		own = w.m.ifaces[impose].mac
	}
	w.m.out.host = frame(own, w.source, 0, ipType(p), p)
}
