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

// checkNode holds the identifiers of the node against RFC 6370 and RFC 6923.
func (v *view) checkNode() {
	if v.node().NodeId != nil && nodeID(v.node().NodeId) == 0 {
		v.fail(below(v.sources[settings].home, "node-id"), "node-id-zero", "0.0.0.0 is not a Node_ID")
	}
	if v.node().CountryCode != nil && v.node().Icc == nil {
		v.fail(below(v.sources[settings].home, "country-code"), "icc-missing", "a country code needs the ITU carrier code of the node")
	}
}

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
	for _, other := range v.state.attached(s.Interface, s.VLAN) {
		if other == name {
			continue
		}
		if s.VLAN == 0 {
			v.fail(below(p, "interface"), "section-interface-in-use", "interface %q already carries the untagged section %q", s.Interface, other)
		} else {
			v.fail(below(p, "interface"), "section-interface-in-use", "VLAN %d of interface %q already carries the section %q", s.VLAN, s.Interface, other)
		}
	}
	if c.Peer != nil {
		if c.Peer.NodeId != nil && nodeID(c.Peer.NodeId) == 0 {
			v.fail(below(p, "peer", "node-id"), "node-id-zero", "0.0.0.0 is not a Node_ID")
		}
		if c.Peer.MacAddress != nil {
			mac, err := net.ParseMAC(*c.Peer.MacAddress)
			if err != nil || len(mac) != len(s.PeerMAC) || mac[0]&1 != 0 || dataplane.MAC(mac) == (dataplane.MAC{}) {
				v.fail(below(p, "peer", "mac-address"), "mac-address-not-unicast", "the MAC address of the peer is not a unicast address")
				return nil
			}
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
