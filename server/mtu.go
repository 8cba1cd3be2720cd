package server

import (
	"fmt"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/server/alarm"
	"github.com/tandem-ne/tandem/server/tree"
)

// What the frame of a client has besides its payload.
const (
	defaultPayload = 1500
	ethernetHeader = 14
	word           = 4 // Octets of a label, a tag or a control word.
)

// remeasure has the pseudowires looked at again whose way leads through k, or that
// are k: labels on the way, or the MTU of an interface, may be others.
func (h *health) remeasure(k dataplane.Key) { h.unmeasured[k] = true }

// measure raises the alarm of each pseudowire that may send larger frames than a
// section on its way takes, and clears it. Nothing else would tell before a
// client misses its large packets: the MTU of an interface is the host's, and
// changes without a commit.
func (h *health) measure() {
	seen := map[dataplane.Key]bool{}
	var visit func(k dataplane.Key)
	visit = func(k dataplane.Key) {
		if seen[k] {
			return
		}
		seen[k] = true
		if p, ok := h.objects[k].(dataplane.Pseudowire); ok {
			h.measurePseudowire(k, p)
		}
		for user := range h.users[k] {
			visit(user)
		}
	}
	for k := range h.unmeasured {
		visit(k)
	}
	clear(h.unmeasured)
}

// measurePseudowire looks at one; a client's tags come on top of what it counts.
func (h *health) measurePseudowire(k dataplane.Key, p dataplane.Pseudowire) {
	payload := int(p.MTU)
	if payload == 0 {
		payload = defaultPayload
	}
	head := ethernetHeader
	switch {
	case p.Type == dataplane.NetworkLayer:
		head = 0
	case p.Type == dataplane.EthernetTagged:
		head += word
	}
	if p.ControlWord || p.EncapsulationLabel {
		head += word
	}
	at, known := h.room(p.Out, 0)
	text := ""
	if known && at.room < head+payload && !p.Down {
		text = fmt.Sprintf("pseudowire %s: payloads of more than %d octets do not fit section %s: interface %s has MTU %d, and MTU %d of the pseudowire needs %d",
			p.Name, max(at.room-head, 0), at.section, at.ifc, at.mtu, payload, at.mtu-at.room+head+payload)
	}
	if h.narrow[k] == text {
		return
	}
	if text == "" {
		h.clearNarrow(k, h.state.Path(k))
		return
	}
	h.narrow[k] = text
	if err := h.s.Alarms.Raise(alarm.Alarm{ID: pseudowireMTU(h.state.Path(k)), Time: time.Now(), Text: text}); err != nil {
		h.s.log.Error("alarm not raised", "object", k, "err", err)
	}
}

func pseudowireMTU(at tree.Path) alarm.ID {
	return alarm.ID{Resource: at, TypeID: "mtp-alarms:pseudowire-mtu"}
}

// clearNarrow clears the alarm of the pseudowire k, which is, or was, at a path.
func (h *health) clearNarrow(k dataplane.Key, at tree.Path) {
	if h.narrow[k] == "" {
		return
	}
	delete(h.narrow, k)
	if err := h.s.Alarms.Clear(pseudowireMTU(at), time.Now()); err != nil {
		h.s.log.Error("alarm not cleared", "object", k, "err", err)
	}
}

// bottleneck is the section that leaves the least room for what is below the
// labels.
type bottleneck struct {
	section, ifc string
	mtu, room    int
}

// room follows every way that a packet may take from a next hop. It is not known
// while an interface is missing.
func (h *health) room(hop dataplane.NextHop, depth int) (least bottleneck, known bool) {
	const deepest = 16 // More than any driver nests.
	take := func(b bottleneck, ok bool) {
		if b.room -= word * len(hop.Stack); ok && (!known || b.room < least.room) {
			least, known = b, true
		}
	}
	switch {
	case depth > deepest:
	case hop.Section != "":
		s, _ := h.objects[dataplane.Key{Kind: dataplane.KindSection, Name: hop.Section}].(dataplane.Section)
		mtu := h.links[s.Interface].MTU
		take(bottleneck{hop.Section, s.Interface, mtu, mtu}, mtu > 0)
	case hop.Group != "":
		g, _ := h.objects[dataplane.Key{Kind: dataplane.KindGroup, Name: hop.Group}].(dataplane.Group)
		for _, leg := range g.Legs {
			l, _ := h.objects[dataplane.Key{Kind: dataplane.KindLSP, Name: leg}].(dataplane.LSP)
			take(h.room(l.Out, depth+1))
			for _, b := range l.Branches {
				take(h.room(b.NextHop, depth+1))
			}
		}
	}
	return least, known
}
