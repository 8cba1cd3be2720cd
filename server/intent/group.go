package intent

import (
	"slices"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/gen/mtp"
	"github.com/tandem-ne/tandem/server/tree"
)

// peers tells what kind of tunnel suits: one that leads to one far end, or one
// that leads to many.
type peers bool

const (
	onePeer   peers = false
	manyPeers peers = true
)

func (n peers) String() string {
	if n == manyPeers {
		return "point-to-multipoint"
	}
	return "point-to-point"
}

// head is an LSP of a tunnel that starts at this node.
type head struct {
	lsp     string
	working bool
	peers   peers
}

// heads returns the LSPs of a tunnel that start at this node, the working one
// first.
func (v *view) heads(name string) []head {
	t := v.tunnel(name)
	if t == nil {
		return nil
	}
	var all []head
	for _, num := range lspNums(t) {
		l := t.Lsp[num]
		working := l.Role != mtp.MtpNode_MplsTp_Tunnels_Tunnel_Lsp_Role_protecting
		for _, candidate := range v.members(l) {
			if c := v.lsp(candidate); c != nil && operation(c) == dataplane.ImposeAndForward {
				all = append(all, head{candidate, working, peers(isP2MP(c))})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b head) int {
		switch {
		case a.working == b.working:
			return 0
		case a.working:
			return -1
		}
		return 1
	})
	return all
}

// members returns the static LSPs of an entry of a tunnel.
func (v *view) members(l *mtp.MtpNode_MplsTp_Tunnels_Tunnel_Lsp) []string {
	if l.BidirectionalLsp == nil {
		return []string{deref(l.StaticLsp)}
	}
	b := v.bidir(*l.BidirectionalLsp)
	if b == nil {
		return nil
	}
	return []string{deref(b.ForwardLsp), deref(b.ReverseLsp)}
}

// workingHead returns the LSP that starts at this node and carries the traffic
// of a tunnel as long as nothing is wrong. Errors are about at, which refers to
// the tunnel.
func (v *view) workingHead(at tree.Path, name string, want peers) (string, bool) {
	if v.tunnel(name) == nil {
		v.fail(at, "tunnel-without-lsp", "there is no tunnel %q", name)
		return "", false
	}
	for _, h := range v.heads(name) {
		if h.working && h.peers == want {
			return h.lsp, true
		}
	}
	v.fail(at, "tunnel-without-lsp", "tunnel %q has no working %s LSP that starts at this node", name, want)
	return "", false
}

// nextHop translates where the LSP or pseudowire at p sends. down says that a tunnel on the way is administratively down,
// where the tunnels' own objects do not say it.
func (v *view) nextHop(p tree.Path, h hop, want peers) (next dataplane.NextHop, down, ok bool) {
	switch {
	case h.section != nil:
		return dataplane.NextHop{Section: *h.section, Stack: h.stack}, false, true
	case h.tunnel == nil:
		return next, false, false
	}
	refers := h.tunnelPath(p)
	if want == manyPeers || v.hasGroups() {
		if _, ok := v.workingHead(refers, *h.tunnel, want); !ok || !v.checkRecursion(refers, *h.tunnel, nil) || !v.checkDepth(refers, h) {
			return next, false, false
		}
		return dataplane.NextHop{Group: *h.tunnel, Stack: h.stack}, false, true
	}
	return v.flatten(refers, h, nil)
}

// hasGroups reports whether the data plane follows tunnels by itself.
func (v *view) hasGroups() bool { return v.caps.Features[dataplane.FeatureHierarchy] }

// checkRecursion walks through all LSPs of a tunnel that start here, and of the
// tunnels that they enter: a tunnel that comes again would carry itself. trail is
// the tunnels on the way here.
func (v *view) checkRecursion(at tree.Path, name string, trail []string) bool {
	if slices.Contains(trail, name) {
		v.fail(at, "tunnel-recursion", "tunnel %q would carry itself", name)
		return false
	}
	for _, h := range v.heads(name) {
		for _, next := range hops(v.lsp(h.lsp)) {
			if next.tunnel != nil && !v.checkRecursion(at, *next.tunnel, append(trail, name)) {
				return false
			}
		}
	}
	return true
}

// checkDepth holds the labels that packets have in the end, and the tunnels one
// inside the other, against the data plane.
func (v *view) checkDepth(at tree.Path, h hop) bool {
	labels, tunnels := v.depth(h)
	switch {
	case labels > v.caps.MaxImpose:
		v.lack(at, "%d labels are to be imposed, those of the tunnels included: the %s data plane imposes up to %d", labels, v.caps.Driver, v.caps.MaxImpose)
	case tunnels > v.caps.MaxNesting:
		v.lack(at, "%d tunnels one inside the other: the %s data plane has up to %d", tunnels, v.caps.Driver, v.caps.MaxNesting)
	default:
		return true
	}
	return false
}

// depth returns the most labels that packets can have once they have left by h,
// and the tunnels that they are in. No tunnel carries itself.
func (v *view) depth(h hop) (labels, tunnels int) {
	if h.tunnel != nil {
		for _, first := range v.heads(*h.tunnel) {
			for _, next := range hops(v.lsp(first.lsp)) {
				l, t := v.depth(next)
				labels, tunnels = max(labels, l), max(tunnels, t)
			}
		}
		tunnels++
	}
	return labels + len(h.stack) + h.extra, tunnels
}

// flatten follows the working LSPs of the tunnels on the way: their labels go on
// top of those of h, and the section is that of the outermost. down says that one
// of them is administratively down. trail is the tunnels on the way here.
func (v *view) flatten(at tree.Path, h hop, trail []string) (next dataplane.NextHop, down, ok bool) {
	switch {
	case h.section != nil:
		return dataplane.NextHop{Section: *h.section, Stack: h.stack}, false, true
	case h.tunnel == nil:
		return next, false, false
	case slices.Contains(trail, *h.tunnel):
		v.fail(at, "tunnel-recursion", "tunnel %q would carry itself", *h.tunnel)
		return next, false, false
	}
	first, ok := v.workingHead(at, *h.tunnel, onePeer)
	if !ok {
		return next, false, false
	}
	outer, ok := v.oneHop(first)
	if !ok {
		return next, false, false
	}
	next, down, ok = v.flatten(at, outer, append(trail, *h.tunnel))
	if !ok {
		return next, false, false
	}
	next.Stack = append(slices.Clip(next.Stack), h.stack...)
	return next, down || v.lspDown(first), true
}

// oneHop returns the next hop of a point-to-point LSP.
func (v *view) oneHop(lsp string) (hop, bool) {
	c := v.lsp(lsp)
	if c == nil {
		return hop{}, false
	}
	all := hops(c)
	if len(all) != 1 {
		return hop{}, false
	}
	return all[0], true
}

// buildGroup returns the group of a tunnel, nil when no LSP of the tunnel starts
// at this node or the data plane does not follow tunnels.
func (v *view) buildGroup(name string) dataplane.Object {
	t := v.tunnel(name)
	all := v.heads(name)
	if t == nil || len(all) == 0 || !v.hasGroups() {
		return nil
	}
	p := v.entryPath(ref{tunnel, name})
	g := dataplane.Group{Name: name, Down: t.AdminState == mtp.MtpTypes_AdminState_down}
	for _, h := range all {
		if h.peers != all[0].peers {
			v.fail(p, "tunnel-mixed", "tunnel %q has a point-to-point and a point-to-multipoint LSP: %q and %q", name, all[0].lsp, h.lsp)
			return nil
		}
		g.Legs = append(g.Legs, h.lsp)
	}
	if len(all) > 1 {
		if c := v.lsp(all[0].lsp); c != nil && c.InSegment != nil {
			quiet := *v // errors of prefixes are those of the LSP
			g.Prefixes = quiet.prefixes(v.entryPath(ref{staticLSP, all[0].lsp}), all[0].lsp, c.InSegment.IpPrefix)
		}
	}
	return v.capable(p, g)
}

// groupTakesPrefixes reports whether the IP clients of an LSP enter the group of
// its tunnel: they are protected by the other LSP of the tunnel.
func (v *view) groupTakesPrefixes(lsp string) bool {
	if !v.hasGroups() {
		return false
	}
	for _, t := range v.state.Tunnels(lsp) {
		if all := v.heads(t); len(all) > 1 && all[0].lsp == lsp {
			return true
		}
	}
	return false
}

// endsHere reports whether a tunnel has an LSP that ends at this node, or of which
// this node is a bud.
func (v *view) endsHere(name string) bool {
	t := v.tunnel(name)
	if t == nil {
		return false
	}
	for _, l := range t.Lsp {
		for _, member := range v.members(l) {
			if c := v.lsp(member); c != nil && (operation(c) == dataplane.PopAndLookup || deref(c.Bud)) {
				return true
			}
		}
	}
	return false
}
