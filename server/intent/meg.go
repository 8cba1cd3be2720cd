package intent

import (
	"slices"
	"strconv"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/gen/mtp"
	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
	"github.com/tandem-ne/tandem/server/tree"
)

func itoa(n uint16) string { return strconv.Itoa(int(n)) }

// buildMEG returns the MEG for the OAM engines, nil when there is none, it has
// no MEP at this node, or it breaks a rule.
func (v *view) buildMEG(name string) *oam.MEG {
	c := v.meg(name)
	if c == nil || c.Mep == nil {
		return nil
	}
	p := v.entryPath(ref{meg, name})
	found := len(v.errors)
	m := &oam.MEG{Name: name, AdminUp: c.AdminState != mtp.MtpTypes_AdminState_down}
	v.megTiming(below(p, "mep"), c, m)
	switch {
	case c.Section != nil:
		v.sectionMEG(p, c, m)
	case c.BidirectionalLsp != nil:
		v.lspMEG(p, c, m)
	case c.Pseudowire != nil:
		v.pseudowireMEG(p, c, m)
	case c.StaticLsp != nil:
		v.lack(below(p, "static-lsp"), "meg %q: a MEP of a unidirectional LSP needs the independent mode, which the OAM engine does not have", name)
	default:
		return nil
	}
	if len(v.errors) > found {
		return nil
	}
	return m
}

// megTiming takes over CC and CV and holds them against the engine.
func (v *view) megTiming(p tree.Path, c *megConfig, m *oam.MEG) {
	cc := c.Mep.Cc
	micro := func(us *uint32) time.Duration { return time.Duration(deref(us)) * time.Microsecond }
	m.CC = oam.CCConfig{
		Enabled:    deref(cc.Enabled),
		Mode:       oam.Coordinated,
		TxInterval: micro(cc.DesiredMinTxInterval),
		RxInterval: micro(cc.RequiredMinRxInterval),
		Multiplier: deref(cc.LocalMultiplier),
	}
	m.CV = deref(c.Mep.Cv.Enabled)
	if cc.Mode == mtp.MtpNode_MplsTp_Oam_Meg_Mep_Cc_Mode_independent {
		v.lack(below(p, "cc", "mode"), "meg %q: the OAM engine does not have the independent mode", m.Name)
	}
	for _, interval := range []struct {
		leaf  string
		value time.Duration
	}{{"desired-min-tx-interval", m.CC.TxInterval}, {"required-min-rx-interval", m.CC.RxInterval}} {
		if interval.value < oam.MinInterval || interval.value > oam.MaxInterval {
			v.lack(below(p, "cc", interval.leaf), "meg %q: the OAM engine runs intervals from %v to %v", m.Name, oam.MinInterval, oam.MaxInterval)
		}
	}
}

// globalID returns a Global_ID of the far end, which is that of this node unless
// the configuration says otherwise.
func (v *view) globalID(configured *uint32) uint32 {
	if configured != nil {
		return *configured
	}
	return deref(v.node().GlobalId)
}

func (v *view) sectionMEG(p tree.Path, c *megConfig, m *oam.MEG) {
	name := *c.Section
	s := v.section(name)
	if s == nil {
		return
	}
	m.Entity = oam.Section
	m.Path = oam.Path{Section: name, GALTTL: 1, GALTC: deref(c.Mep.Cc.TrafficClass)}
	m.RxSection = name
	m.AdminUp = m.AdminUp && s.AdminState != mtp.MtpTypes_AdminState_down
	if c.IccBased != nil {
		return
	}
	if s.IfNum == nil || s.Peer == nil || s.Peer.NodeId == nil || s.Peer.IfNum == nil {
		return // A must at the leaf section refuses it.
	}
	m.Local = ach.MEPID{Type: ach.MEPIDSection, GlobalID: deref(v.node().GlobalId), NodeID: nodeID(v.node().NodeId), IfNum: *s.IfNum}
	m.Peer = ach.MEPID{Type: ach.MEPIDSection, GlobalID: v.globalID(s.Peer.GlobalId), NodeID: nodeID(s.Peer.NodeId), IfNum: *s.Peer.IfNum}
	v.checkEnds(below(p, "section"), m)
}

// checkEnds refuses a MEG whose two ends have the same identifier: each end
// would take its own packets for the other's.
func (v *view) checkEnds(p tree.Path, m *oam.MEG) {
	if m.Local == m.Peer {
		v.fail(p, "mep-ids-equal", "both ends of meg %q have the same identifier", m.Name)
	}
}

func (v *view) lspMEG(p tree.Path, c *megConfig, m *oam.MEG) {
	name := *c.BidirectionalLsp
	at := below(p, "bidirectional-lsp")
	b := v.bidir(name)
	if b == nil {
		return
	}
	send, receive := deref(b.ForwardLsp), deref(b.ReverseLsp)
	sc, rc := v.lsp(send), v.lsp(receive)
	if sc != nil && rc != nil && operation(sc) == dataplane.PopAndLookup {
		send, receive, sc, rc = receive, send, rc, sc
	}
	if sc == nil || rc == nil || operation(sc) != dataplane.ImposeAndForward || operation(rc) != dataplane.PopAndLookup {
		v.fail(below(p, "mep"), "mep-not-at-end", "bidirectional-lsp %q passes through this node: a MEP is at an end of the LSP", name)
		return
	}
	quiet := *v // errors of the next hop are those of the LSP itself
	first, ok := quiet.oneHop(send)
	if !ok {
		return
	}
	from := v.entryPath(ref{staticLSP, send})
	next, _, ok := quiet.nextHop(from, first, onePeer)
	_, down, whole := quiet.flatten(from, first, nil)
	if !ok || !whole || rc.InSegment == nil || rc.InSegment.IncomingLabel == nil {
		return
	}
	labels := withoutNull(next.Stack)
	if len(labels) == 0 {
		v.fail(below(p, "mep"), "mep-without-label", "static-lsp %q imposes an explicit null alone: the GAL has no label to be below", send)
		return
	}
	tc := deref(c.Mep.Cc.TrafficClass)
	m.Entity = oam.LSP
	m.Path = oam.Path{Section: next.Section, Group: next.Group, Labels: entries(labels, tc), GALTTL: 1, GALTC: tc}
	m.RxSection, m.RxLabel, m.RxHasLabel = deref(rc.InSegment.IncomingSection), *rc.InSegment.IncomingLabel, true
	m.AdminUp = m.AdminUp && !down && !v.lspDown(send) && !v.lspDown(receive)
	if c.IccBased == nil {
		v.lspEnds(at, name, b, m)
	}
}

// entries returns a stack as OAM sends it: in the traffic class of the MEP.
func entries(stack []dataplane.LabelEntry, tc uint8) []oam.LSE {
	lses := make([]oam.LSE, len(stack))
	for n, e := range stack {
		lses[n] = oam.LSE{Label: e.Label, TC: tc, TTL: e.EffectiveTTL()}
	}
	return lses
}

// lspEnds finds the identifiers of the two ends: in the tunnel that the LSP is
// in, else in its lsp-id (RFC 6370 sections 5.2 and 7.2.2).
func (v *view) lspEnds(at tree.Path, name string, b *bidirConfig, m *oam.MEG) {
	local := ach.MEPID{Type: ach.MEPIDLSP, GlobalID: deref(v.node().GlobalId), NodeID: nodeID(v.node().NodeId)}
	peer := ach.MEPID{Type: ach.MEPIDLSP}
	if tunnels := v.state.users(ref{bidirectionalLSP, name}, tunnel); len(tunnels) > 0 {
		t := v.tunnel(tunnels[0])
		d := t.Destination
		if d == nil || d.NodeId == nil {
			v.fail(at, "mep-id-missing", "a MEP of bidirectional-lsp %q needs the node-id of the destination of tunnel %q", name, tunnels[0])
			return
		}
		num := uint16(0)
		for n, l := range t.Lsp {
			if deref(l.BidirectionalLsp) == name {
				num = n
			}
		}
		local.TunnelNum, local.LSPNum = deref(t.TunnelNum), num
		peer.GlobalID, peer.NodeID, peer.LSPNum = v.globalID(d.GlobalId), nodeID(d.NodeId), num
		peer.TunnelNum = local.TunnelNum
		if d.TunnelNum != nil {
			peer.TunnelNum = *d.TunnelNum
		}
	} else if !v.lspID(at, name, b, &local, &peer) {
		return
	}
	m.Local, m.Peer = local, peer
	v.checkEnds(at, m)
}

// lspID takes the identifiers from the lsp-id: the end with the Node_ID of this
// node is the local one.
func (v *view) lspID(at tree.Path, name string, b *bidirConfig, local, peer *ach.MEPID) bool {
	missing := func() bool {
		v.fail(at, "mep-id-missing",
			"a MEP of bidirectional-lsp %q needs a tunnel with the LSP, or an lsp-id with lsp-num and the node-id and tunnel-num of both ends, one of them this node", name)
		return false
	}
	if b.LspId == nil || b.LspId.LspNum == nil || b.LspId.Source == nil || b.LspId.Destination == nil {
		return missing()
	}
	source, destination := b.LspId.Source, b.LspId.Destination
	ends := []ach.MEPID{
		{Type: ach.MEPIDLSP, GlobalID: v.globalID(source.GlobalId), NodeID: nodeID(source.NodeId), TunnelNum: deref(source.TunnelNum), LSPNum: *b.LspId.LspNum},
		{Type: ach.MEPIDLSP, GlobalID: v.globalID(destination.GlobalId), NodeID: nodeID(destination.NodeId), TunnelNum: deref(destination.TunnelNum), LSPNum: *b.LspId.LspNum},
	}
	here := slices.IndexFunc(ends, func(e ach.MEPID) bool {
		return e.NodeID == local.NodeID && e.GlobalID == local.GlobalID
	})
	if source.TunnelNum == nil || destination.TunnelNum == nil || ends[0].NodeID == 0 || ends[1].NodeID == 0 || here < 0 {
		return missing()
	}
	*local, *peer = ends[here], ends[1-here]
	return true
}

// pseudowireMEG fills the MEG of a pseudowire: it sends into the tunnel under the
// transmit-label, on the control channel of the pseudowire (RFC 5085, RFC 6423).
func (v *view) pseudowireMEG(p tree.Path, c *megConfig, m *oam.MEG) {
	name := *c.Pseudowire
	at := below(p, "pseudowire")
	w := v.pseudowire(name)
	if w == nil {
		return
	}
	if users := v.state.users(ref{pseudowire, name}, switchingPoint); len(users) > 0 {
		v.fail(below(p, "mep"), "mep-not-at-end", "pseudowire %q goes on at switching-point %q: a MEP is at an end", name, users[0])
		return
	}
	quiet := *v // errors of the next hop are those of the pseudowire itself
	h := pseudowireHop(w.Tunnel, w.TransmitLabel, "transmit-label")
	from := v.entryPath(ref{pseudowire, name})
	next, _, ok := quiet.nextHop(from, h, onePeer)
	_, down, whole := quiet.flatten(from, h, nil)
	if !ok || !whole {
		return
	}
	tc := deref(c.Mep.Cc.TrafficClass)
	m.Entity = oam.Pseudowire
	m.Path = oam.Path{Section: next.Section, Group: next.Group, Labels: entries(next.Stack, tc), GALTTL: 1, GALTC: tc}
	if w.PwType != mtp.MtpTypes_PwType_network_layer && w.Vccv.ControlChannel == mtp.MtpNode_MplsTp_Pseudowires_Pseudowire_Vccv_ControlChannel_pw_ach {
		m.Path.Control = oam.ControlPWACH
		if !v.caps.Features[dataplane.FeaturePWACHPunt] {
			v.lack(at, "meg %q: needs %s, which the %s data plane does not have", m.Name, dataplane.FeaturePWACHPunt, v.caps.Driver)
		}
	}
	m.RxLabel, m.RxHasLabel = deref(w.ReceiveLabel), true
	m.AdminUp = m.AdminUp && !down && w.AdminState != mtp.MtpTypes_AdminState_down
	if c.IccBased != nil || w.Local == nil || w.Peer == nil {
		return // A must refuses a MEP without identifiers.
	}
	m.Local = ach.MEPID{Type: ach.MEPIDPW, GlobalID: v.globalID(w.Local.GlobalId), NodeID: nodeID(v.node().NodeId), ACID: deref(w.Local.AcId)}
	if w.Local.NodeId != nil {
		m.Local.NodeID = nodeID(w.Local.NodeId)
	}
	m.Peer = ach.MEPID{Type: ach.MEPIDPW, GlobalID: v.globalID(w.Peer.GlobalId), NodeID: nodeID(w.Peer.NodeId), ACID: deref(w.Peer.AcId)}
	if w.Agi != nil {
		m.Local.AGIType, m.Local.AGI = agiText, *w.Agi
		m.Peer.AGIType, m.Peer.AGI = agiText, *w.Agi
	}
	v.checkEnds(at, m)
}

// agiText is the type of attachment group identifiers in the MEP-ID of a
// pseudowire: 1, the only one that is registered (RFC 4446 section 3.4).
const agiText = 1
