package server

import (
	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/oam"
)

// blocker carries out the consequent action of a mis-connectivity defect: the
// user traffic of the transport path is blocked at this MEP until the defect
// clears (RFC 6371 section 5.1.2), because it is that of another customer. It
// belongs to the goroutine of health.
type blocker struct {
	by     map[string]dataplane.Key // what each MEG with the defect blocks
	failed map[string]bool          // MEGs whose path the data plane could not block yet
}

func newBlocker() blocker {
	return blocker{by: map[string]dataplane.Key{}, failed: map[string]bool{}}
}

// guard brings what a MEG blocks in line with its defects.
func (h *health) guard(meg string) {
	var want dataplane.Key
	if h.defects[meg].Has(oam.MisConnectivity) {
		want = h.receiving(meg)
	}
	have := h.block.by[meg]
	if have == want {
		return
	}
	delete(h.block.by, meg)
	delete(h.block.failed, meg)
	if have != (dataplane.Key{}) && !h.blocked(have) {
		h.setBlocked(have, false)
	}
	switch {
	case want == (dataplane.Key{}):
	case h.blocked(want) || h.setBlocked(want, true):
		h.block.by[meg] = want
	default:
		h.block.failed[meg] = true
	}
}

// guardObject looks again at the MEGs of an object that is new.
func (h *health) guardObject(k dataplane.Key) {
	for _, meg := range h.state.MEGs(k) {
		h.guard(meg)
	}
}

// guardFailed tries again what the data plane refused.
func (h *health) guardFailed() {
	for meg := range h.block.failed {
		h.guard(meg)
	}
}

// unguard forgets an object that left the configuration, and its condition with
// it.
func (h *health) unguard(k dataplane.Key) {
	for meg, of := range h.block.by {
		if of == k {
			delete(h.block.by, meg)
		}
	}
}

// blocked reports whether a MEG blocks the object.
func (h *health) blocked(k dataplane.Key) bool {
	for _, of := range h.block.by {
		if of == k {
			return true
		}
	}
	return false
}

// receiving is what the user traffic of a MEG's path comes out of at this MEP:
// the LSP that ends here, or the pseudowire. The LSPs of a section are not one
// object and are not blocked; each has its own MEG.
func (h *health) receiving(meg string) dataplane.Key {
	if h.state == nil {
		return dataplane.Key{}
	}
	for _, k := range h.state.Entity(meg) {
		switch o := h.objects[k].(type) {
		case dataplane.LSP:
			if o.Op == dataplane.PopAndLookup {
				return k
			}
		case dataplane.Pseudowire:
			return k
		}
	}
	return dataplane.Key{}
}

// setBlocked blocks or unblocks an object; what else operation has made of it
// stays.
func (h *health) setBlocked(k dataplane.Key, on bool) bool {
	c := h.s.reconciler.Condition(k)
	c.Blocked = on
	if err := h.s.reconciler.SetCondition(k, c); err != nil {
		h.s.log.Warn("user traffic of a mis-connected path not blocked", "object", k, "block", on, "err", err)
		return false
	}
	return true
}
