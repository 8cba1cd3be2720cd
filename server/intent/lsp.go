package intent

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/gen/mtp"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// hop is where an LSP, one of its branches or a pseudowire sends: labels, top
// first, and then a section or a tunnel.
type hop struct {
	branch          string
	section, tunnel *string
	stack           []dataplane.LabelEntry
	extra           int    // labels that the data plane adds by itself
	leaf            string // of a pseudowire: the leaf with the label; "" of an LSP
}

// tunnelPath returns the leaf that names the tunnel of h.
func (h hop) tunnelPath(p tree.Path) tree.Path {
	if h.leaf != "" {
		return below(p, "tunnel")
	}
	return below(h.path(p), "outgoing-tunnel")
}

// labels returns the label values as one text, the key of an exit; "" for an
// explicit null alone, which is no label of an LSP.
func (h hop) labels() string {
	var b []byte
	for _, e := range withoutNull(h.stack) {
		b = binary.BigEndian.AppendUint32(b, e.Label)
	}
	return string(b)
}

// withoutNull returns a stack without the explicit null that may be its lowest
// label: what the LSP is known by at its next hop.
func withoutNull(stack []dataplane.LabelEntry) []dataplane.LabelEntry {
	if n := len(stack); n > 0 && stack[n-1].Label < dataplane.MinLabel {
		return stack[:n-1]
	}
	return stack
}

// hops returns the next hop of an LSP, or its branches in the order of their
// names; none of an LSP that ends here.
func hops(l *lspConfig) []hop {
	if l.OutSegment == nil {
		return nil
	}
	if n := l.OutSegment.NhlfeSingle; n != nil && (n.OutgoingSection != nil || n.OutgoingTunnel != nil) {
		h := hop{section: n.OutgoingSection, tunnel: n.OutgoingTunnel}
		if n.MplsLabelStack != nil {
			h.stack = stack(n.MplsLabelStack.Entry, func(e *mtp.MtpNode_MplsTp_Lsps_StaticLsp_OutSegment_NhlfeSingle_MplsLabelStack_Entry) dataplane.LabelEntry {
				return labelEntry(e.Label, e.Ttl, e.TrafficClass)
			})
		}
		return []hop{h}
	}
	var all []hop
	if m := l.OutSegment.NhlfeMultiple; m != nil {
		for _, index := range slices.Sorted(maps.Keys(m.Nhlfe)) {
			n := m.Nhlfe[index]
			h := hop{branch: index, section: n.OutgoingSection, tunnel: n.OutgoingTunnel}
			if n.MplsLabelStack != nil {
				h.stack = stack(n.MplsLabelStack.Entry, func(e *mtp.MtpNode_MplsTp_Lsps_StaticLsp_OutSegment_NhlfeMultiple_Nhlfe_MplsLabelStack_Entry) dataplane.LabelEntry {
					return labelEntry(e.Label, e.Ttl, e.TrafficClass)
				})
			}
			all = append(all, h)
		}
	}
	return all
}

// stack returns the entries of a label stack, top first: the lowest id is the
// top.
func stack[E any](entries map[uint8]E, entry func(E) dataplane.LabelEntry) []dataplane.LabelEntry {
	if len(entries) == 0 {
		return nil
	}
	all := make([]dataplane.LabelEntry, 0, len(entries))
	if len(entries) == 1 { // The usual case, without sorting.
		for _, e := range entries {
			all = append(all, entry(e))
		}
		return all
	}
	for _, id := range slices.Sorted(maps.Keys(entries)) {
		all = append(all, entry(entries[id]))
	}
	return all
}

func labelEntry(label *uint32, ttl, tc *uint8) dataplane.LabelEntry {
	return dataplane.LabelEntry{Label: deref(label), TTL: deref(ttl), TC: deref(tc), HasTC: tc != nil}
}

// path returns the instance of a next hop of the LSP or pseudowire at p.
func (h hop) path(p tree.Path) tree.Path {
	if h.leaf != "" {
		return below(p, h.leaf)
	}
	if h.branch == "" {
		return below(p, "out-segment", "nhlfe-single")
	}
	p = below(p, "out-segment", "nhlfe-multiple")
	list := p[len(p)-1].Node.Child("nhlfe")
	return p.Child(list, key(list, h.branch))
}

// operation returns the data plane's name of an operation, 0 for none.
func operation(l *lspConfig) dataplane.Operation {
	switch l.Operation {
	case mtp.MtpNode_MplsTp_Lsps_StaticLsp_Operation_impose_and_forward:
		return dataplane.ImposeAndForward
	case mtp.MtpNode_MplsTp_Lsps_StaticLsp_Operation_swap_and_forward:
		return dataplane.SwapAndForward
	case mtp.MtpNode_MplsTp_Lsps_StaticLsp_Operation_pop_and_forward:
		return dataplane.PopAndForward
	case mtp.MtpNode_MplsTp_Lsps_StaticLsp_Operation_pop_impose_and_forward:
		return dataplane.PopImposeAndForward
	case mtp.MtpNode_MplsTp_Lsps_StaticLsp_Operation_pop_and_lookup:
		return dataplane.PopAndLookup
	}
	return 0
}

func isP2MP(l *lspConfig) bool {
	return l.Type == mtp.MtpNode_MplsTp_Lsps_StaticLsp_Type_p2mp
}

// buildLSP returns the LSP, nil when there is none or it breaks a rule.
func (v *view) buildLSP(name string) dataplane.Object {
	c := v.lsp(name)
	if c == nil {
		return nil
	}
	r := ref{staticLSP, name}
	p := v.entryPath(r)
	o := dataplane.LSP{
		Name: name, Op: operation(c), Down: v.lspDown(name),
		Bud: deref(c.Bud), Class: c.LLspClass, EntropyLabel: deref(c.EntropyLabel),
	}
	if v.node().TtlMode == mtp.MtpNode_MplsTp_Node_TtlMode_short_pipe {
		o.TTLMode = dataplane.ShortPipe
	}
	if in := c.InSegment; in != nil {
		o.InLabel, o.InSection = deref(in.IncomingLabel), deref(in.IncomingSection)
		if in.IncomingLabel != nil && in.IncomingSection == nil {
			v.checkLabel(below(p, "in-segment", "incoming-label"), r, o.InLabel)
		}
		o.Prefixes = v.prefixes(p, name, in.IpPrefix)
	}
	v.checkEntropy(p, name, o)
	all := hops(c)
	v.checkNulls(p, all, o.Prefixes)
	if !v.nextHops(p, all, &o) {
		return nil
	}
	v.checkExits(p, r, c, all)
	if slices.ContainsFunc(all, v.leadsBack) {
		v.checkLoop(p, name)
	}
	if v.groupTakesPrefixes(name) {
		o.Prefixes = nil
	}
	return v.capable(p, o)
}

// nextHops resolves where the LSP sends; false when a rule is broken.
func (v *view) nextHops(p tree.Path, all []hop, o *dataplane.LSP) bool {
	if o.Op == dataplane.PopAndLookup {
		return true
	}
	whole, down := true, 0
	for _, h := range all {
		if o.EntropyLabel {
			h.extra = 2 // The indicator and the label (RFC 6790 section 4.2).
		}
		next, isDown, ok := v.nextHop(p, h, onePeer)
		if !ok {
			whole = false
			continue
		}
		if isDown {
			down++
		}
		if h.branch != "" {
			o.Branches = append(o.Branches, dataplane.Branch{Name: h.branch, NextHop: next})
		} else {
			o.Out = next
		}
	}
	o.Down = o.Down || down > 0 && down == len(all)
	return whole && len(all) > 0
}

// checkNulls holds explicit nulls against what enters the LSP here: the next hop
// takes what is below one for a packet of its family (RFC 3032 section 2.1).
func (v *view) checkNulls(p tree.Path, all []hop, prefixes []netip.Prefix) {
	for _, h := range all {
		if len(withoutNull(h.stack)) == len(h.stack) {
			continue
		}
		null := h.stack[len(h.stack)-1].Label
		for _, prefix := range prefixes {
			if (null == dataplane.ExplicitNullIPv6) != prefix.Addr().Is6() {
				v.fail(h.path(p), "explicit-null-family", "explicit null %d is below the packets of prefix %s", null, prefix)
				break
			}
		}
	}
}

// checkEntropy keeps entropy labels off MPLS-TP LSPs: nothing may spread what is
// one path with OAM on it (RFC 5921 section 2).
func (v *view) checkEntropy(p tree.Path, name string, o dataplane.LSP) {
	if !o.EntropyLabel {
		return
	}
	if users := v.state.BidirectionalLSPs(name); len(users) > 0 {
		v.fail(below(p, "entropy-label"), "entropy-label-unexpected", "static-lsp %q is part of bidirectional-lsp %q: an MPLS-TP LSP has no entropy label", name, users[0])
	} else if users := v.state.Tunnels(name); len(users) > 0 {
		v.fail(below(p, "entropy-label"), "entropy-label-unexpected", "static-lsp %q is in tunnel %q: an MPLS-TP LSP has no entropy label", name, users[0])
	}
}

func (v *view) prefixes(p tree.Path, name string, texts []string) []netip.Prefix {
	var prefixes []netip.Prefix
	list := p[len(p)-1].Node.Child("in-segment").Child("ip-prefix")
	for _, text := range texts {
		at := below(p, "in-segment").Child(list, schema.StringValue(list.Type, text))
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			v.fail(at, "ip-prefix", "%q is not an IP prefix", text)
			continue
		}
		prefix = prefix.Masked()
		for _, other := range v.state.entering(prefix) {
			if other != name {
				v.fail(at, "ip-prefix-in-use", "prefix %s already enters static-lsp %q", prefix, other)
			}
		}
		if slices.Contains(prefixes, prefix) {
			v.fail(at, "ip-prefix-in-use", "prefix %s is there twice", prefix)
			continue
		}
		prefixes = append(prefixes, prefix)
	}
	slices.SortFunc(prefixes, netip.Prefix.Compare)
	return prefixes
}

// lspDown reports whether an LSP, or a tunnel that it is in, is administratively down.
func (v *view) lspDown(name string) bool {
	c := v.lsp(name)
	if c == nil || c.AdminState == mtp.MtpTypes_AdminState_down {
		return true
	}
	for _, t := range v.state.Tunnels(name) {
		if tc := v.tunnel(t); tc != nil && tc.AdminState == mtp.MtpTypes_AdminState_down {
			return true
		}
	}
	return false
}
