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
	again := h.block.failed[meg]
	delete(h.block.by, meg)
	delete(h.block.failed, meg)
	if have != (dataplane.Key{}) {
		h.resetCondition(have)
	}
	if want != (dataplane.Key{}) {
		h.block.by[meg] = want
		if err := h.setCondition(want); err != nil {
			delete(h.block.by, meg)
			h.block.failed[meg] = true
			if !again {
				h.s.log.Warn("user traffic of a mis-connected path is not blocked", "meg", meg, "object", want, "err", err)
			}
		}
	}
	h.publishMaintenance(meg)
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
// the section, the LSP that ends here, or the pseudowire.
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
		case dataplane.Section, dataplane.Pseudowire:
			return k
		}
	}
	return dataplane.Key{}
}
