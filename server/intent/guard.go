package intent

import (
	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/server/tree"
)

// checkLabel holds an incoming label against the label space of the platform: a
// unique statement passes over an LSP without incoming-section (RFC 7950 section
// 7.8.3), and sees no other list. The label spaces of sections are checked by it.
func (v *view) checkLabel(at tree.Path, r ref, value uint32) {
	for _, other := range v.state.holders("", value) {
		if other != r {
			v.fail(at, "label-in-use", "label %d is already used in the label space of the platform, by %s", value, other)
			return // One is enough: there may be as many as there are LSPs.
		}
	}
}

// checkExits refuses LSPs that merge: what leaves with the same labels the same
// way is one LSP from there on (RFC 5921 section 3.11 and RFC 5960 section 3.1:
// MPLS-TP LSPs do not merge), and branches that share a link (RFC 4461 section 1).
func (v *view) checkExits(p tree.Path, r ref, c *lspConfig, all []hop) {
	first := map[string]string{} // The branch over each section.
	for _, h := range all {
		v.checkExit(p, r, h)
		if h.section != nil {
			if branch, there := first[*h.section]; there {
				v.fail(h.path(p), "branch-section", "branches %q and %q of %s leave over section %q: a point-to-multipoint LSP has one copy on a link", branch, h.branch, r, *h.section)
			} else {
				first[*h.section] = h.branch
			}
		}
		if c.InSegment == nil || c.InSegment.IncomingSection == nil {
			continue
		}
		if h.section != nil && *h.section == *c.InSegment.IncomingSection {
			v.fail(h.path(p), "lsp-returns", "%s would leave over section %q, over which it arrives", r, *h.section)
		}
	}
}

// checkExit holds one way out of r, which is at p, against all others.
func (v *view) checkExit(p tree.Path, r ref, h hop) {
	to := ref{}
	switch {
	case len(withoutNull(h.stack)) == 0:
		return // Without a label there is nothing that merges.
	case h.section != nil:
		to = ref{section, *h.section}
	case h.tunnel != nil:
		to = ref{tunnel, *h.tunnel}
	}
	top := h.stack[0].Label
	for _, other := range v.state.leaving(to, h.labels()) {
		switch {
		case other.from != r:
			v.fail(h.path(p), "lsp-merge", "%s would leave over %s with label %d, as %s does: LSPs do not merge", r, to, top, other.from)
			return
		case other.branch != h.branch:
			v.fail(h.path(p), "lsp-merge", "branches %q and %q of %s leave over %s with the same label %d", h.branch, other.branch, r, to, top)
			return
		}
	}
}

// checkLoop follows an LSP over sections whose far end is this node: one that
// comes back to itself is a loop (RFC 5921 section 3.11).
func (v *view) checkLoop(p tree.Path, name string) {
	seen := map[string]bool{}
	var follow func(lsp string) bool
	follow = func(lsp string) bool {
		c := v.lsp(lsp)
		if c == nil || seen[lsp] {
			return false
		}
		seen[lsp] = true
		for _, h := range hops(c) {
			for _, next := range v.feeds(h) {
				if next == name {
					if lsp == name {
						v.fail(h.path(p), "lsp-loop", "static-lsp %q would feed itself over section %q, whose peer is this node", name, *h.section)
					} else {
						v.fail(p, "lsp-loop", "static-lsp %q and static-lsp %q would feed each other: the peer of section %q is this node", name, lsp, *h.section)
					}
					return true
				}
				if follow(next) {
					return true
				}
			}
		}
		return false
	}
	follow(name)
}

// leadsBack reports whether the far end of a next hop is this node.
func (v *view) leadsBack(h hop) bool {
	return h.section != nil && len(h.stack) > 0 && v.peerIsSelf(*h.section)
}

// feeds returns the LSPs of this node that take what leaves by h.
func (v *view) feeds(h hop) []string {
	if !v.leadsBack(h) {
		return nil
	}
	var names []string
	take := func(space string) {
		for _, holder := range v.state.holders(space, h.stack[0].Label) {
			if c := v.lsp(holder.name); holder.kind == staticLSP && c != nil && operation(c) != dataplane.PopAndLookup {
				names = append(names, holder.name)
			}
		}
	}
	arrives := ""
	if peer := v.section(*h.section).Peer; peer.IfNum != nil {
		for e := range v.entries(section) {
			name := e.Keys()[0].String()
			if s := v.section(name); s != nil && s.IfNum != nil && *s.IfNum == *peer.IfNum && v.state.hasLabelSpace(name) {
				arrives = name
			}
		}
	}
	take(arrives)
	return names
}

// peerIsSelf reports whether the far end of a section is this node.
func (v *view) peerIsSelf(name string) bool {
	s := v.section(name)
	if s == nil || s.Peer == nil || s.Peer.NodeId == nil || v.node().NodeId == nil {
		return false
	}
	return nodeID(s.Peer.NodeId) == nodeID(v.node().NodeId) && v.globalID(s.Peer.GlobalId) == deref(v.node().GlobalId)
}
