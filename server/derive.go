package server

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/server/alarm"
	"github.com/tandem-ne/tandem/server/tree"
)

// needs returns the objects without which o does not forward.
func needs(o dataplane.Object) []dataplane.Key {
	var keys []dataplane.Key
	hop := func(h dataplane.NextHop) {
		if h.Section != "" {
			keys = append(keys, dataplane.Key{Kind: dataplane.KindSection, Name: h.Section})
		}
		if h.Group != "" {
			keys = append(keys, dataplane.Key{Kind: dataplane.KindGroup, Name: h.Group})
		}
	}
	switch o := o.(type) {
	case dataplane.LSP:
		hop(o.Out)
		for _, b := range o.Branches {
			hop(b.NextHop)
		}
	case dataplane.Group:
		kind := dataplane.KindLSP
		if o.Pseudowires {
			kind = dataplane.KindPseudowire
		}
		for _, leg := range o.Legs {
			keys = append(keys, dataplane.Key{Kind: kind, Name: leg})
		}
	case dataplane.Pseudowire:
		hop(o.Out)
	case dataplane.SwitchingPoint:
		for _, segment := range o.Segments {
			keys = append(keys, dataplane.Key{Kind: dataplane.KindPseudowire, Name: segment})
		}
	case dataplane.Service:
		if o.Send != "" {
			keys = append(keys, dataplane.Key{Kind: dataplane.KindPseudowire, Name: o.Send})
		}
		for _, name := range o.Receive {
			keys = append(keys, dataplane.Key{Kind: dataplane.KindPseudowire, Name: name})
		}
	}
	return keys
}

// derive computes the oper-state of the dirty objects and of those that need
// them, what is needed first, and then of what the configuration makes of them.
func (h *health) derive() {
	var lsps []string
	for len(h.dirty) > 0 {
		for _, k := range slices.SortedFunc(maps.Keys(h.dirty), compareKeys) {
			lsps = h.deriveObject(k, lsps)
		}
	}
	h.derivePaired(lsps)
}

func compareKeys(a, b dataplane.Key) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
}

// deriveObject derives one object, after the dirty ones that it needs, and marks
// those that need it where its state has changed. It returns lsps with the LSPs
// that changed.
func (h *health) deriveObject(k dataplane.Key, lsps []string) []string {
	if !h.dirty[k] {
		return lsps
	}
	delete(h.dirty, k)
	for _, need := range h.needs(k) {
		lsps = h.deriveObject(need, lsps)
	}
	next, why := h.operState(k)
	if next == "" {
		return lsps
	}
	h.notePseudowire(k, next, why)
	if k.Kind == dataplane.KindGroup {
		h.publishActiveLSP(k)
	}
	if next == h.published[k] {
		return lsps
	}
	h.published[k] = next
	switch at := h.state.Path(k); k.Kind {
	case dataplane.KindGroup, dataplane.KindService:
		h.touched[at.String()] = at
	default:
		e := edits{at: at}
		e.set(next, "oper-state")
		h.out = append(h.out, e.all...)
	}
	for user := range h.users[k] {
		h.dirty[user] = true
	}
	if k.Kind == dataplane.KindLSP {
		lsps = append(lsps, k.Name)
		for _, leaf := range h.state.Leaves(k.Name) {
			h.dirty[dataplane.Key{Kind: dataplane.KindPseudowire, Name: leaf}] = true
		}
	}
	return lsps
}

// needs returns what an object needs; a leaf of a point-to-multipoint pseudowire
// needs the LSPs that bring it.
func (h *health) needs(k dataplane.Key) []dataplane.Key {
	o := h.objects[k]
	if p, ok := o.(dataplane.Pseudowire); ok && p.Out.Group == "" && p.Out.Section == "" {
		return h.state.Carriers(k.Name)
	}
	return needs(o)
}

// operState returns "" for an object that is not configured, and why it is not up
// where that is in another object.
func (h *health) operState(k dataplane.Key) (state, why string) {
	o := h.objects[k]
	if o == nil {
		return "", ""
	}
	switch {
	case isDown(o):
		return operDown, ""
	case !h.installed[k]:
		return operNotInstalled, ""
	case h.isLocked(k):
		return operLocked, ""
	case h.signalFail(k):
		return operDown, "OAM finds a signal fail"
	}
	switch o := o.(type) {
	case dataplane.Section:
		if !h.links[o.Interface].Carrier {
			return operDown, ""
		}
		return operUp, ""
	case dataplane.Group:
		leg, err := h.s.reconciler.ActiveLeg(o.Name)
		if err != nil || int(leg) >= len(o.Legs) {
			return operNotInstalled, ""
		}
		return h.through(needs(o)[leg : leg+1])
	case dataplane.LSP:
		if len(o.Branches) > 0 {
			return h.branches(needs(o))
		}
	case dataplane.Service:
		return h.serviceState(o)
	}
	return h.through(h.needs(k))
}

// isDown reports whether an object is administratively down.
func isDown(o dataplane.Object) bool {
	switch o := o.(type) {
	case dataplane.Section:
		return o.Down
	case dataplane.LSP:
		return o.Down
	case dataplane.Group:
		return o.Down
	case dataplane.Pseudowire:
		return o.Down
	case dataplane.Service:
		return o.Down
	}
	return false
}

// through is the state of what needs all of keys: the worst of theirs, where one
// that is not installed is as bad as one that is down.
func (h *health) through(keys []dataplane.Key) (state, why string) {
	state = operUp
	for _, k := range keys {
		switch h.published[k] {
		case operUp:
		case operDegraded:
			state, why = operDegraded, about(k, operDegraded)
		case operLocked:
			return operDown, about(k, operLocked)
		default:
			return operDown, about(k, operDown)
		}
	}
	return state, why
}

// branches is the state of a point-to-multipoint LSP: degraded while only some of
// its branches forward.
func (h *health) branches(keys []dataplane.Key) (state, why string) {
	good := 0
	for _, k := range keys {
		if h.published[k] == operUp {
			good++
		} else {
			why = about(k, operDown)
		}
	}
	switch good {
	case len(keys):
		return operUp, ""
	case 0:
		return operDown, why
	}
	return operDegraded, why
}

// about says for people which object is in which state.
func about(k dataplane.Key, state string) string {
	kind := k.Kind.String()
	if k.Kind == dataplane.KindGroup {
		kind = "tunnel"
	}
	return fmt.Sprintf("%s %s is %s", kind, k.Name, state)
}

// serviceState is up while the attachment circuit and the pseudowire are: of a
// point-to-multipoint service the one that sends to all, or receives from the root.
func (h *health) serviceState(o dataplane.Service) (state, why string) {
	if !h.links[o.Attachment.Interface].Carrier {
		return operDown, "interface " + o.Attachment.Interface + " is down"
	}
	name := o.Send
	if p, ok := h.objects[dataplane.Key{Kind: dataplane.KindPseudowire, Name: o.Send}].(dataplane.Pseudowire); len(o.Receive) > 0 && (!ok || p.InLabel != 0) {
		name = o.Receive[0] // The pseudowire itself, or the one from the root.
	}
	return h.through([]dataplane.Key{{Kind: dataplane.KindPseudowire, Name: name}})
}

// signalFail reports whether OAM has found the object defective: loss of
// continuity and mis-connectivity are signal fail (RFC 6371 section 5.1.2).
func (h *health) signalFail(k dataplane.Key) bool {
	for _, meg := range h.state.MEGs(k) {
		d := h.defects[meg]
		if d.Has(oam.LossOfContinuity) || d.Has(oam.MisConnectivity) {
			return true
		}
	}
	return false
}

func pseudowireFault(at tree.Path) alarm.ID {
	return alarm.ID{Resource: at, TypeID: "mtp-alarms:pseudowire-fault"}
}

// notePseudowire raises the alarm of a pseudowire that is down though it should
// not be, and clears it. One that the data plane does not hold has an alarm of its
// own.
func (h *health) notePseudowire(k dataplane.Key, state, why string) {
	if k.Kind != dataplane.KindPseudowire {
		return
	}
	at := h.state.Path(k)
	if state != operDown || isDown(h.objects[k]) {
		h.clearFault(k, at)
		return
	}
	text := "pseudowire " + k.Name + " does not forward: " + why
	if h.faults[k] == text {
		return
	}
	h.faults[k] = text
	if err := h.s.Alarms.Raise(alarm.Alarm{ID: pseudowireFault(at), Time: time.Now(), Text: text}); err != nil {
		h.s.log.Error("alarm not raised", "object", k, "err", err)
	}
}

func (h *health) clearFault(k dataplane.Key, at tree.Path) {
	if _, raised := h.faults[k]; !raised {
		return
	}
	delete(h.faults, k)
	if err := h.s.Alarms.Clear(pseudowireFault(at), time.Now()); err != nil {
		h.s.log.Error("alarm not cleared", "object", k, "err", err)
	}
}
