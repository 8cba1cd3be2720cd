package intent

import (
	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/gen/mtp"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// pseudowireHop is where a pseudowire sends; leaf is the one with the label.
func pseudowireHop(tunnel *string, label *uint32, leaf string) hop {
	return hop{leaf: leaf, tunnel: tunnel, stack: []dataplane.LabelEntry{{Label: deref(label)}}}
}

func isRoot(p *p2mpConfig) bool {
	return p.Role == mtp.MtpNode_MplsTp_Pseudowires_P2MpPseudowire_Role_root
}

// pwType returns the data plane's name of a type; false for one that no data
// plane emulates.
func (v *view) pwType(p tree.Path, r ref, t mtp.E_MtpTypes_PwType) (dataplane.PWType, bool) {
	switch t {
	case mtp.MtpTypes_PwType_ethernet:
		return dataplane.Ethernet, true
	case mtp.MtpTypes_PwType_ethernet_tagged_mode:
		return dataplane.EthernetTagged, true
	case mtp.MtpTypes_PwType_network_layer:
		return dataplane.NetworkLayer, true
	}
	v.lack(below(p, "pw-type"), "%s: no data plane emulates this type", r)
	return 0, false
}

// buildPseudowire returns the pseudowire, nil when there is none or it breaks a
// rule.
func (v *view) buildPseudowire(name string) dataplane.Object {
	c := v.pseudowire(name)
	if c == nil {
		return nil
	}
	r := ref{pseudowire, name}
	p := v.entryPath(r)
	v.checkLabel(below(p, "receive-label"), r, deref(c.ReceiveLabel))
	kind, ok := v.pwType(p, r, c.PwType)
	h := pseudowireHop(c.Tunnel, c.TransmitLabel, "transmit-label")
	if deref(c.EncapsulationLabel) {
		h.extra = 1
	}
	next, down, reached := v.nextHop(p, h, onePeer)
	if !ok || !reached {
		return nil
	}
	v.checkExit(p, r, h)
	o := dataplane.Pseudowire{
		Name: name, Type: kind, InLabel: deref(c.ReceiveLabel), Out: next, MTU: deref(c.Mtu),
		Down: down || c.AdminState == mtp.MtpTypes_AdminState_down,
	}
	if kind == dataplane.NetworkLayer {
		o.EncapsulationLabel = deref(c.EncapsulationLabel)
	} else {
		// A when takes both away from a network-layer client, with their defaults.
		o.ControlWord, o.Sequencing = deref(c.ControlWord), deref(c.Sequencing)
	}
	return v.capable(p, o)
}

// buildP2MP returns the point-to-multipoint pseudowire: at the root one that only
// sends, at a leaf one that only receives (RFC 7338 section 3).
func (v *view) buildP2MP(name string) dataplane.Object {
	c := v.p2mpPseudowire(name)
	if c == nil {
		return nil
	}
	r := ref{p2mpPseudowire, name}
	p := v.entryPath(r)
	list := p[len(p)-1].Node.Child("return-pseudowire")
	for _, back := range c.ReturnPseudowire {
		v.checkOneUse(p.Child(list, schema.StringValue(list.Type, back)), r, back)
	}
	kind, ok := v.pwType(p, r, c.PwType)
	if !ok {
		return nil
	}
	o := dataplane.Pseudowire{
		Name: name, Type: kind, ControlWord: deref(c.ControlWord), Sequencing: deref(c.Sequencing), MTU: deref(c.Mtu),
		Down: c.AdminState == mtp.MtpTypes_AdminState_down,
	}
	if !isRoot(c) {
		o.InLabel = deref(c.Label)
		v.checkLabel(below(p, "label"), r, o.InLabel)
		if !v.endsHere(deref(c.Tunnel)) {
			v.fail(below(p, "tunnel"), "tunnel-without-lsp", "tunnel %q has no LSP that ends at this node, a leaf", deref(c.Tunnel))
			return nil
		}
		return v.capable(p, o)
	}
	h := pseudowireHop(c.Tunnel, c.Label, "label")
	next, _, reached := v.nextHop(p, h, manyPeers)
	if !reached {
		return nil
	}
	v.checkExit(p, r, h)
	o.Out = next
	return v.capable(p, o)
}

// checkOneUse refuses a second use of a pseudowire: it ends in one service, goes
// through one switching point, or comes back from one leaf. at is where r uses it.
func (v *view) checkOneUse(at tree.Path, r ref, name string) {
	for _, k := range []kind{p2mpPseudowire, switchingPoint, service} {
		for _, other := range v.state.users(ref{pseudowire, name}, k) {
			if o := (ref{k, other}); o != r {
				v.fail(at, "pseudowire-used-twice", "pseudowire %q is already used by %s", name, o)
			}
		}
	}
}

// buildSwitchingPoint returns the switching point, nil when there is none.
func (v *view) buildSwitchingPoint(name string) dataplane.Object {
	c := v.switchingPoint(name)
	if c == nil {
		return nil
	}
	r := ref{switchingPoint, name}
	p := v.entryPath(r)
	v.checkOneUse(below(p, "segment-1"), r, deref(c.Segment_1))
	v.checkOneUse(below(p, "segment-2"), r, deref(c.Segment_2))
	return v.capable(p, dataplane.SwitchingPoint{Name: name, Segments: [2]string{deref(c.Segment_1), deref(c.Segment_2)}})
}
