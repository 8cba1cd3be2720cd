package mplsnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// rtaxMTU is RTAX_MTU, the attribute in RTA_METRICS.
const rtaxMTU = 2

// IPRoute is an IPv4 or IPv6 route in the main table, perhaps with labels to
// impose.
type IPRoute struct {
	Prefix    netip.Prefix
	Protocol  uint8
	Metric    uint32 // Priority; IPv6 has no 0.
	Interface int
	// Gateway is a next hop of the family of Prefix that is taken as on-link,
	// whatever the addresses of the interface; invalid: none.
	Gateway netip.Addr
	// Labels are imposed, top first, each with TTL (0: that of the packet, if
	// the sysctl net.mpls.ip_ttl_propagate says so).
	Labels []uint32
	TTL    uint8
	MTU    uint32 // 0: that of the interface.
	// Blackhole drops; Interface and what follows are not used.
	Blackhole bool
	Flags     uint32 // RTNH_F_*; RTNH_F_ONLINK is set where there is a Gateway.
}

// Equal reports whether the kernel would forward the same with either.
func (r IPRoute) Equal(o IPRoute) bool {
	if r.Prefix != o.Prefix || r.Protocol != o.Protocol || r.Metric != o.Metric || r.Blackhole != o.Blackhole {
		return false
	}
	return r.Blackhole || r.Interface == o.Interface && r.Gateway == o.Gateway && r.TTL == o.TTL &&
		r.MTU == o.MTU && slices.Equal(r.Labels, o.Labels)
}

// family returns the address family of the prefix.
func (r IPRoute) family() (uint8, error) {
	switch a := r.Prefix.Addr(); {
	case !r.Prefix.IsValid() || r.Prefix.Masked() != r.Prefix || a.Is4In6():
		return 0, fmt.Errorf("%v is not a prefix", r.Prefix)
	case a.Is4():
		return unix.AF_INET, nil
	}
	return unix.AF_INET6, nil
}

// appendHead appends struct rtmsg, RTA_DST and RTA_PRIORITY.
func (r IPRoute) appendHead(b []byte, scope, typ uint8, flags uint32) ([]byte, error) {
	family, err := r.family()
	if err != nil {
		return b, err
	}
	b = append(b, family, uint8(r.Prefix.Bits()), 0, 0, unix.RT_TABLE_MAIN, r.Protocol, scope, typ)
	b = binary.NativeEndian.AppendUint32(b, flags)
	b = appendAttr(b, unix.RTA_DST, r.Prefix.Addr().AsSlice())
	return appendU32(b, unix.RTA_PRIORITY, r.Metric), nil
}

// AppendDelete appends the body of an RTM_DELROUTE message, which takes away
// nothing but a route with this prefix, protocol and metric.
func (r IPRoute) AppendDelete(b []byte) ([]byte, error) {
	return r.appendHead(b, unix.RT_SCOPE_NOWHERE, unix.RTN_UNSPEC, 0)
}

// Append appends the body of an RTM_NEWROUTE message.
func (r IPRoute) Append(b []byte) ([]byte, error) {
	flags := r.Flags
	if r.Gateway.IsValid() {
		flags |= unix.RTNH_F_ONLINK
	}
	scope, typ := uint8(unix.RT_SCOPE_UNIVERSE), uint8(unix.RTN_UNICAST)
	if r.Blackhole {
		typ = unix.RTN_BLACKHOLE
	} else if r.Prefix.Addr().Is4() && !r.Gateway.IsValid() {
		scope = unix.RT_SCOPE_LINK
	}
	b, err := r.appendHead(b, scope, typ, flags)
	if err != nil || r.Blackhole {
		return b, err
	}
	if r.MTU != 0 {
		b = appendNest(b, unix.RTA_METRICS, func(b []byte) []byte { return appendU32(b, rtaxMTU, r.MTU) })
	}
	if r.Gateway.IsValid() {
		if r.Gateway.Is4() != r.Prefix.Addr().Is4() {
			return b, fmt.Errorf("gateway %v is of another family than %v", r.Gateway, r.Prefix)
		}
		b = appendAttr(b, unix.RTA_GATEWAY, r.Gateway.AsSlice())
	}
	b = appendU32(b, unix.RTA_OIF, uint32(r.Interface))
	if len(r.Labels) == 0 {
		return b, nil
	}
	b = appendU16(b, unix.RTA_ENCAP_TYPE, unix.LWTUNNEL_ENCAP_MPLS)
	return appendNest(b, unix.RTA_ENCAP, func(b []byte) []byte {
		b, err = appendStack(b, unix.MPLS_IPTUNNEL_DST, r.Labels...)
		if r.TTL != 0 {
			b = appendU8(b, unix.MPLS_IPTUNNEL_TTL, r.TTL)
		}
		return b
	}), err
}

// ParseIPRoute decodes the body of an RTM_NEWROUTE or RTM_DELROUTE message of
// AF_INET or AF_INET6. Attributes it does not know are left out; ok is false
// for a route that is not of the main table or not a plain or blackhole
// unicast route.
func ParseIPRoute(b []byte) (r IPRoute, ok bool, err error) {
	if len(b) < rtmsgLen || b[0] != unix.AF_INET && b[0] != unix.AF_INET6 {
		return r, false, errors.New("not an IP route")
	}
	if !wellFormed(b[rtmsgLen:]) {
		return r, false, errors.New("malformed attribute")
	}
	if b[4] != unix.RT_TABLE_MAIN || b[7] != unix.RTN_UNICAST && b[7] != unix.RTN_BLACKHOLE {
		return r, false, nil
	}
	r = IPRoute{Protocol: b[5], Blackhole: b[7] == unix.RTN_BLACKHOLE, Flags: binary.NativeEndian.Uint32(b[8:])}
	addr := netip.IPv4Unspecified()
	if b[0] == unix.AF_INET6 {
		addr = netip.IPv6Unspecified()
	}
	var encap []byte
	var encapType uint16
	for typ, v := range attributes(b[rtmsgLen:]) {
		switch typ {
		case unix.RTA_DST:
			addr, err = parseAddr(v, addr)
		case unix.RTA_GATEWAY:
			r.Gateway, err = parseAddr(v, addr)
		case unix.RTA_PRIORITY:
			r.Metric, err = parseU32(v)
		case unix.RTA_OIF:
			var i uint32
			i, err = parseU32(v)
			r.Interface = int(i)
		case unix.RTA_METRICS:
			for t, m := range attributes(v) {
				if t == rtaxMTU && err == nil {
					r.MTU, err = parseU32(m)
				}
			}
		case unix.RTA_ENCAP_TYPE:
			if len(v) != 2 {
				return r, false, errors.New("malformed encapsulation type")
			}
			encapType = binary.NativeEndian.Uint16(v)
		case unix.RTA_ENCAP:
			encap = v
		}
		if err != nil {
			return r, false, err
		}
	}
	if r.Prefix = netip.PrefixFrom(addr, int(b[1])); !r.Prefix.IsValid() || r.Prefix.Masked() != r.Prefix {
		return r, false, fmt.Errorf("%v/%d is not a prefix", addr, b[1])
	}
	if encapType == unix.LWTUNNEL_ENCAP_MPLS && !r.Blackhole {
		err = r.parseEncap(encap)
	}
	return r, err == nil, err
}

func (r *IPRoute) parseEncap(b []byte) (err error) {
	for typ, v := range attributes(b) {
		switch typ {
		case unix.MPLS_IPTUNNEL_DST:
			r.Labels, err = parseStack(v)
		case unix.MPLS_IPTUNNEL_TTL:
			if len(v) != 1 {
				return errors.New("malformed TTL of an encapsulation")
			}
			r.TTL = v[0]
		}
		if err != nil {
			return err
		}
	}
	if len(r.Labels) == 0 {
		return errors.New("MPLS encapsulation without labels")
	}
	return nil
}

// parseAddr returns v as an address of the family of like.
func parseAddr(v []byte, like netip.Addr) (netip.Addr, error) {
	a, ok := netip.AddrFromSlice(v)
	if !ok || a.BitLen() != like.BitLen() {
		return a, fmt.Errorf("address of %d octets", len(v))
	}
	return a, nil
}

func parseU32(v []byte) (uint32, error) {
	if len(v) != 4 {
		return 0, fmt.Errorf("number of %d octets", len(v))
	}
	return binary.NativeEndian.Uint32(v), nil
}
