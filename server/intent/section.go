package intent

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/gen/mtp"
	"github.com/tandem-ne/tandem/server/tree"
)

// nodeID returns the number of a Node_ID, 0 for none.
func nodeID(dotted *string) uint32 {
	if dotted == nil {
		return 0
	}
	a, err := netip.ParseAddr(*dotted)
	if err != nil || !a.Is4() {
		return 0
	}
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// buildSection returns the section, nil when there is none or it breaks a rule.
func (v *view) buildSection(name string) dataplane.Object {
	c := v.section(name)
	if c == nil {
		return nil
	}
	p := v.entryPath(ref{section, name})
	s := dataplane.Section{
		Name:                name,
		Interface:           deref(c.Interface),
		VLAN:                deref(c.VlanId),
		InterfaceLabelSpace: v.state.hasLabelSpace(name),
		Down:                c.AdminState == mtp.MtpTypes_AdminState_down,
	}
	if s.VLAN == 0 {
		// Those with a VLAN are told apart by a unique statement, which passes over
		// a section without one.
		for _, other := range v.state.attached(s.Interface) {
			if other.vlan == 0 && other.section != name {
				v.fail(below(p, "interface"), "section-interface-in-use", "interface %q already carries the untagged section %q", s.Interface, other.section)
			}
		}
	}
	for _, c := range v.state.attachments(s.Interface) {
		if meets(s.VLAN, c) {
			v.fail(below(p, "interface"), "section-interface-in-use", "frames of the section on interface %q belong to service %q", s.Interface, c.service)
		}
	}
	s.Queues = v.queues(p, name, c)
	if c.Peer != nil && c.Peer.MacAddress != nil {
		if mac, err := net.ParseMAC(*c.Peer.MacAddress); err == nil && len(mac) == len(s.PeerMAC) {
			s.PeerMAC = dataplane.MAC(mac)
		}
	}
	return v.capable(p, s)
}

// capable refuses what the data plane in use cannot do.
func (v *view) capable(p tree.Path, o dataplane.Object) dataplane.Object {
	err := dataplane.Validate(o)
	if err == nil {
		err = v.caps.Check(o)
	}
	if err == nil {
		return o
	}
	reason := err.Error()
	if op := (*dataplane.OpError)(nil); errors.As(err, &op) {
		reason = op.Reason
	}
	v.lack(p, "%s %q: %s", p[len(p)-1].Node.Name, o.Key().Name, reason)
	return nil
}
