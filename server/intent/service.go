package intent

import (
	"maps"
	"net"
	"slices"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/gen/mtp"
	"github.com/tandem-ne/tandem/server/tree"
)

// buildService returns the service, nil when there is none, it has not both
// endpoints, or it breaks a rule.
func (v *view) buildService(name string) dataplane.Object {
	c := v.service(name)
	if c == nil {
		return nil
	}
	r := ref{service, name}
	p := v.entryPath(r)
	o := dataplane.Service{Name: name, Down: c.AdminState == mtp.MtpTypes_AdminState_down}
	attached, joined := false, false
	list := p[len(p)-1].Node.Child("endpoint")
	for _, end := range slices.Sorted(maps.Keys(c.Endpoint)) {
		e := c.Endpoint[end]
		at := p.Child(list, key(list, end))
		switch {
		case e.Ac != nil:
			attached = true
			v.attach(below(at, "ac"), name, e.Ac, &o)
		case e.Pw != nil:
			joined = true
			v.checkOneUse(below(at, "pw"), r, *e.Pw)
			o.Send, o.Receive = *e.Pw, []string{*e.Pw}
		case e.P2MpPseudowire != nil:
			joined = true
			v.join(below(at, "p2mp-pseudowire"), r, *e.P2MpPseudowire, &o)
		}
	}
	if !attached || !joined {
		return nil
	}
	return v.capable(p, o)
}

// join takes a point-to-multipoint pseudowire with its return pseudowires: at the
// root the client's frames go to all leaves and those of the leaves to the client,
// at a leaf the other way round.
func (v *view) join(at tree.Path, r ref, name string, o *dataplane.Service) {
	for _, other := range v.state.users(ref{p2mpPseudowire, name}, service) {
		if other != r.name {
			v.fail(at, "pseudowire-used-twice", "p2mp-pseudowire %q is already used by service %q", name, other)
		}
	}
	c := v.p2mpPseudowire(name)
	if c == nil {
		return
	}
	back := slices.Sorted(slices.Values(c.ReturnPseudowire))
	if isRoot(c) {
		o.Send, o.Receive = name, back
		return
	}
	o.Receive = []string{name}
	if len(back) > 0 {
		o.Send = back[0]
	}
}

// attach takes over an attachment circuit.
func (v *view) attach(at tree.Path, name string, c *circuitConfig, o *dataplane.Service) {
	o.Attachment = dataplane.Attachment{
		Interface: deref(c.Interface), OuterVLAN: deref(c.OuterVlanId), InnerVLAN: deref(c.InnerVlanId),
		NNI: c.Role == mtp.MtpNode_MplsTp_Services_Service_Endpoint_Ac_Role_nni,
	}
	switch c.VlanOperation {
	case mtp.MtpNode_MplsTp_Services_Service_Endpoint_Ac_VlanOperation_pop:
		o.Attachment.Operation = dataplane.PopTags
	case mtp.MtpNode_MplsTp_Services_Service_Endpoint_Ac_VlanOperation_push:
		o.Attachment.Operation, o.Attachment.VLAN = dataplane.PushTag, deref(c.VlanId)
	case mtp.MtpNode_MplsTp_Services_Service_Endpoint_Ac_VlanOperation_translate:
		o.Attachment.Operation, o.Attachment.VLAN = dataplane.TranslateTag, deref(c.VlanId)
	}
	if c.PeerMacAddress != nil {
		if mac, err := net.ParseMAC(*c.PeerMacAddress); err == nil && len(mac) == len(o.Attachment.PeerMAC) {
			o.Attachment.PeerMAC = dataplane.MAC(mac)
		}
	}
	for _, other := range v.state.attachments(o.Attachment.Interface) {
		if other.service != name && other.outer == o.Attachment.OuterVLAN && other.inner == o.Attachment.InnerVLAN {
			v.fail(below(at, "interface"), "attachment-circuit-in-use", "the same frames of interface %q already belong to service %q", other.name, other.service)
		}
	}
	mine := circuit{name: o.Attachment.Interface, outer: o.Attachment.OuterVLAN, inner: o.Attachment.InnerVLAN}
	for _, other := range v.state.attached(o.Attachment.Interface) {
		if meets(other.vlan, mine) {
			v.fail(below(at, "interface"), "attachment-circuit-in-use", "frames of the circuit on interface %q belong to section %q", other.name, other.section)
		}
	}
	if c.IngressBandwidthProfile != nil {
		o.Profile = v.bandwidth(*c.IngressBandwidthProfile)
	}
	if c.TcMap != nil {
		o.Classes = v.classes(*c.TcMap)
	}
}

// meets reports whether frames of a section in a VLAN (0: untagged) could belong
// to the circuit: one without VLANs takes all frames of its interface.
func meets(vlan uint16, c circuit) bool { return c.outer == 0 || c.outer == vlan }
