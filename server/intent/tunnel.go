package intent

import (
	"slices"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/gen/mtp"
)

// lspNums returns the LSP_Nums of a tunnel in ascending order.
func lspNums(t *tunnelConfig) []uint16 {
	nums := make([]uint16, 0, len(t.Lsp))
	for n := range t.Lsp {
		nums = append(nums, n)
	}
	slices.Sort(nums)
	return nums
}

// checkBidirectional holds the two LSPs of a pair against each other.
func (v *view) checkBidirectional(name string) {
	b := v.bidir(name)
	if b == nil {
		return
	}
	p := v.entryPath(ref{bidirectionalLSP, name})
	forward, reverse := v.lsp(deref(b.ForwardLsp)), v.lsp(deref(b.ReverseLsp))
	if forward == nil || reverse == nil {
		return
	}
	// The unique statements compare forward with forward and reverse with reverse.
	for _, part := range [][2]string{{"forward-lsp", *b.ForwardLsp}, {"reverse-lsp", *b.ReverseLsp}} {
		for _, other := range v.state.BidirectionalLSPs(part[1]) {
			if other != name {
				v.fail(below(p, part[0]), "lsp-used-twice", "static-lsp %q is already part of bidirectional-lsp %q", part[1], other)
			}
		}
	}
	f, r := operation(forward), operation(reverse)
	if !(f == dataplane.ImposeAndForward && r == dataplane.PopAndLookup || f == dataplane.PopAndLookup && r == dataplane.ImposeAndForward || transit(f) && transit(r)) {
		v.fail(p, "lsp-ends", "the two LSPs do not fit: one starts here and the other ends here, or both pass through (forward-lsp: %s, reverse-lsp: %s)", f, r)
		return
	}
	v.checkCoRouted(name)
}

func transit(op dataplane.Operation) bool {
	return op == dataplane.SwapAndForward || op == dataplane.PopImposeAndForward || op == dataplane.PopAndForward
}

// checkCoRouted holds the sections of a co-routed pair against each other, as
// far as the configuration tells them: a label of the platform's space arrives
// from anywhere.
func (v *view) checkCoRouted(name string) {
	b := v.bidir(name)
	if b.Directionality != mtp.MtpTypes_Directionality_co_routed_bidirectional {
		return
	}
	p := v.entryPath(ref{bidirectionalLSP, name})
	for _, pair := range [][2]string{{*b.ForwardLsp, *b.ReverseLsp}, {*b.ReverseLsp, *b.ForwardLsp}} {
		out, in := v.lsp(pair[0]), v.lsp(pair[1])
		if in.InSegment == nil || operation(out) == dataplane.PopAndLookup {
			continue
		}
		if in.InSegment.IncomingSection == nil {
			v.checkSpace(pair[1], in, out)
			continue
		}
		quiet := *v // errors of the next hop are those of the LSP itself
		first, ok := quiet.oneHop(pair[0])
		if !ok {
			continue
		}
		next, _, ok := quiet.flatten(v.entryPath(ref{staticLSP, pair[0]}), first, nil)
		if ok && next.Section != *in.InSegment.IncomingSection {
			v.fail(p, "lsp-not-co-routed", "static-lsp %q leaves over section %q, but static-lsp %q arrives over section %q",
				pair[0], next.Section, pair[1], *in.InSegment.IncomingSection)
		}
	}
}

// checkSpace refuses a label of the platform's space where it would not be found:
// as the outermost one over a section with a label space of its own. The section
// is that over which the other LSP of the co-routed pair leaves; inside a tunnel
// the label is not the outermost.
func (v *view) checkSpace(name string, in, out *lspConfig) {
	for _, h := range hops(out) {
		if in.InSegment.IncomingLabel != nil && h.section != nil && v.state.hasLabelSpace(*h.section) {
			v.fail(below(v.entryPath(ref{staticLSP, name}), "in-segment", "incoming-label"), "label-space",
				"static-lsp %q arrives over section %q, which has a label space of its own since an LSP names it as incoming-section: name it here too", name, *h.section)
		}
	}
}

// checkTunnel holds the LSPs of a tunnel against other tunnels.
func (v *view) checkTunnel(name string) {
	t := v.tunnel(name)
	if t == nil {
		return
	}
	p := v.entryPath(ref{tunnel, name})
	for _, num := range lspNums(t) {
		l := t.Lsp[num]
		r := ref{bidirectionalLSP, deref(l.BidirectionalLsp)}
		if l.StaticLsp != nil {
			r = ref{staticLSP, *l.StaticLsp}
		}
		for _, other := range v.state.users(r, tunnel) {
			if other != name {
				list := p[len(p)-1].Node.Child("lsp")
				v.fail(p.Child(list, key(list, itoa(num))), "lsp-used-twice", "%s %q is already in tunnel %q", r.kind, r.name, other)
			}
		}
	}
}
