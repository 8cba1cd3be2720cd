package intent

import (
	"net/netip"
	"slices"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/gen/mtp"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

type nhlfeConfig = mtp.MtpNode_MplsTp_Lsps_StaticLsp_OutSegment_NhlfeSingle

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

// labels returns the entries of a stack, top first: the lowest id is the top.
func labels(next *nhlfeConfig) []dataplane.LabelEntry {
	if next == nil || next.MplsLabelStack == nil || len(next.MplsLabelStack.Entry) == 0 {
		return nil
	}
	entries := next.MplsLabelStack.Entry
	ids := make([]uint8, 0, len(entries))
	for id := range entries {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	stack := make([]dataplane.LabelEntry, 0, len(ids))
	for _, id := range ids {
		e := entries[id]
		stack = append(stack, dataplane.LabelEntry{
			Label: deref(e.Label), TTL: deref(e.Ttl), TC: deref(e.TrafficClass), HasTC: e.TrafficClass != nil,
		})
	}
	return stack
}

// buildLSP returns the LSP, nil when there is none or it breaks a rule.
func (v *view) buildLSP(name string) dataplane.Object {
	c := v.lsp(name)
	if c == nil {
		return nil
	}
	p := v.entryPath(ref{staticLSP, name})
	if isP2MP(c) {
		v.lack(below(p, "type"), "static-lsp %q: the data plane has no point-to-multipoint LSPs", name)
		return nil
	}
	o := dataplane.LSP{Name: name, Op: operation(c), Down: v.lspDown(name)}
	if v.node().TtlMode == mtp.MtpNode_MplsTp_Node_TtlMode_short_pipe {
		o.TTLMode = dataplane.ShortPipe
	}
	if in := c.InSegment; in != nil {
		o.InLabel, o.InSection = deref(in.IncomingLabel), deref(in.IncomingSection)
		if in.IncomingLabel != nil && in.IncomingSection == nil {
			v.checkLabel(p, name, o.InLabel)
		}
		o.Prefixes = v.prefixes(p, name, in.IpPrefix)
	}
	if o.Op != dataplane.PopAndLookup {
		next, down, ok := v.nextHop(p, c, nil)
		if !ok {
			return nil
		}
		o.Out, o.Down = next, o.Down || down
	}
	return v.capable(p, o)
}

// checkLabel holds an incoming label against the label space of the platform: a
// unique statement passes over an LSP without incoming-section (RFC 7950
// section 7.8.3). The label spaces of sections are checked by it.
func (v *view) checkLabel(p tree.Path, name string, value uint32) {
	for _, other := range v.state.holders("", value) {
		if other != name {
			v.fail(below(p, "in-segment", "incoming-label"), "label-in-use",
				"label %d is already used in the label space of the platform, by static-lsp %q", value, other)
			return // One is enough: there may be as many as there are LSPs.
		}
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

// nextHop resolves where an LSP sends, through the tunnels it enters: their
// labels go on top of its own. down says that one of them is administratively
// down. trail is the tunnels on the way here.
func (v *view) nextHop(p tree.Path, c *lspConfig, trail []string) (next dataplane.NextHop, down, ok bool) {
	n := nhlfe(c)
	switch {
	case n == nil:
		return next, false, false
	case n.OutgoingSection != nil:
		return dataplane.NextHop{Section: *n.OutgoingSection, Stack: labels(n)}, false, true
	case n.OutgoingTunnel == nil:
		return next, false, false
	}
	at := below(p, "out-segment", "nhlfe-single", "outgoing-tunnel")
	name := *n.OutgoingTunnel
	if slices.Contains(trail, name) {
		v.fail(at, "tunnel-recursion", "tunnel %q would carry itself", name)
		return next, false, false
	}
	head, ok := v.tunnelHead(at, name)
	if !ok {
		return next, false, false
	}
	outer, down, ok := v.nextHop(p, v.lsp(head), append(trail, name))
	if !ok {
		return next, false, false
	}
	next.Section = outer.Section
	next.Stack = append(slices.Clip(outer.Stack), labels(n)...)
	return next, down || v.lspDown(head), true
}

// tunnelHead returns the LSP that starts at this node and carries the traffic of
// a tunnel. Errors are about at, which refers to the tunnel.
func (v *view) tunnelHead(at tree.Path, name string) (string, bool) {
	t := v.tunnel(name)
	if t == nil {
		v.fail(at, "tunnel-without-lsp", "there is no tunnel %q", name)
		return "", false
	}
	for _, num := range lspNums(t) {
		l := t.Lsp[num]
		if l.Role == mtp.MtpNode_MplsTp_Tunnels_Tunnel_Lsp_Role_protecting {
			continue
		}
		candidates := []string{deref(l.StaticLsp)}
		if b := v.bidir(deref(l.BidirectionalLsp)); l.BidirectionalLsp != nil && b != nil {
			candidates = []string{deref(b.ForwardLsp), deref(b.ReverseLsp)}
		}
		for _, candidate := range candidates {
			if c := v.lsp(candidate); c != nil && operation(c) == dataplane.ImposeAndForward && !isP2MP(c) {
				return candidate, true
			}
		}
	}
	v.fail(at, "tunnel-without-lsp", "tunnel %q has no working point-to-point LSP that starts at this node", name)
	return "", false
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
