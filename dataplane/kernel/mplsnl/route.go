package mplsnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// rtmsgLen is the length of struct rtmsg.
const rtmsgLen = 12

// Propagate tells whether the TTL of the label is copied into the payload when
// the last label is popped (RTA_TTL_PROPAGATE).
type Propagate uint8

// The values of Propagate. PropagateDefault follows the sysctl
// net.mpls.ip_ttl_propagate.
const (
	PropagateDefault Propagate = iota
	PropagateOff
	PropagateOn
)

// Route is a route of AF_MPLS: what happens to packets that arrive with Label.
type Route struct {
	Label     uint32 // 0..1048575.
	Protocol  uint8  // rtm_protocol.
	Propagate Propagate
	// Hops has one element, or several that share the load (of foreign routes
	// only; Tandem makes none).
	Hops []Hop
}

// Hop is a next hop. An empty Out pops.
type Hop struct {
	Interface int
	Out       []uint32 // The labels that take the place of Label, top first.
	Via       Via
	Flags     uint8 // RTNH_F_DEAD, RTNH_F_LINKDOWN; set by the kernel.
}

// Via is the address of a next hop; the zero value is none.
type Via struct {
	Family uint16 // AF_PACKET, AF_INET, AF_INET6.
	len    uint8
	addr   [16]byte
}

// ViaLink returns the next hop with an Ethernet address.
func ViaLink(mac [6]byte) Via {
	v := Via{Family: unix.AF_PACKET, len: 6}
	copy(v.addr[:], mac[:])
	return v
}

// ViaIP returns the next hop with an IP address.
func ViaIP(a netip.Addr) Via {
	b := a.AsSlice()
	v := Via{Family: unix.AF_INET6, len: uint8(len(b))}
	if a.Is4() {
		v.Family = unix.AF_INET
	}
	copy(v.addr[:], b)
	return v
}

// Link returns the Ethernet address of the next hop, if it has one.
func (v Via) Link() (mac [6]byte, ok bool) {
	copy(mac[:], v.addr[:])
	return mac, v.Family == unix.AF_PACKET && v.len == 6
}

// Equal reports whether the kernel would forward the same with either. What
// the kernel sets by itself (Flags) does not count.
func (r Route) Equal(o Route) bool {
	return r.Label == o.Label && r.Protocol == o.Protocol && r.Propagate == o.Propagate &&
		slices.EqualFunc(r.Hops, o.Hops, func(a, b Hop) bool {
			return a.Interface == b.Interface && a.Via == b.Via && slices.Equal(a.Out, b.Out)
		})
}

// Append appends the body of an RTM_NEWROUTE message, attributes in the order
// in which the kernel sends them.
func (r Route) Append(b []byte) ([]byte, error) {
	b = append(b, unix.AF_MPLS, 20, 0, 0, unix.RT_TABLE_MAIN, r.Protocol, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST)
	flags := uint32(0)
	if len(r.Hops) == 1 {
		flags = uint32(r.Hops[0].Flags)
	}
	b = binary.NativeEndian.AppendUint32(b, flags)
	b, err := appendStack(b, unix.RTA_DST, r.Label)
	if err != nil {
		return b, err
	}
	if r.Propagate != PropagateDefault {
		b = appendU8(b, unix.RTA_TTL_PROPAGATE, uint8(r.Propagate-PropagateOff))
	}
	switch len(r.Hops) {
	case 0:
		return b, errors.New("a route needs a next hop")
	case 1:
		if b, err = r.Hops[0].append(b); err != nil {
			return b, err
		}
		return appendU32(b, unix.RTA_OIF, uint32(r.Hops[0].Interface)), nil
	}
	return appendNest(b, unix.RTA_MULTIPATH, func(b []byte) []byte {
		for _, h := range r.Hops {
			start := len(b)
			b = append(b, 0, 0, h.Flags, 0)
			b = binary.NativeEndian.AppendUint32(b, uint32(h.Interface))
			var e error
			if b, e = h.append(b); e != nil && err == nil {
				err = e
			}
			binary.NativeEndian.PutUint16(b[start:], uint16(len(b)-start))
		}
		return b
	}), err
}

// AppendDelete appends the body of an RTM_DELROUTE message.
func (r Route) AppendDelete(b []byte) ([]byte, error) {
	b = append(b, unix.AF_MPLS, 20, 0, 0, unix.RT_TABLE_MAIN, r.Protocol, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST, 0, 0, 0, 0)
	return appendStack(b, unix.RTA_DST, r.Label)
}

// append appends labels and address of a next hop.
func (h Hop) append(b []byte) ([]byte, error) {
	if len(h.Out) > 0 {
		var err error
		if b, err = appendStack(b, unix.RTA_NEWDST, h.Out...); err != nil {
			return b, err
		}
	}
	if h.Via.Family != 0 {
		b = appendAttrHeader(b, unix.RTA_VIA, 2+int(h.Via.len))
		b = binary.NativeEndian.AppendUint16(b, h.Via.Family)
		b = append(b, h.Via.addr[:h.Via.len]...)
		b = pad(b, 2+int(h.Via.len))
	}
	return b, nil
}

// appendStack appends an attribute with a label stack: 20 bits of label, the S
// bit on the last, no TC and no TTL.
func appendStack(b []byte, typ uint16, labels ...uint32) ([]byte, error) {
	b = appendAttrHeader(b, typ, 4*len(labels))
	for i, l := range labels {
		if l >= 1<<20 {
			return b, fmt.Errorf("label %d has more than 20 bits", l)
		}
		lse := l << 12
		if i == len(labels)-1 {
			lse |= 1 << 8
		}
		b = binary.BigEndian.AppendUint32(b, lse)
	}
	return b, nil
}

// parseStack is the inverse of appendStack.
func parseStack(v []byte) ([]uint32, error) {
	if len(v) == 0 || len(v)%4 != 0 {
		return nil, fmt.Errorf("label stack of %d octets", len(v))
	}
	labels := make([]uint32, 0, len(v)/4)
	for i := 0; i < len(v); i += 4 {
		lse := binary.BigEndian.Uint32(v[i:])
		if bottom := lse&(1<<8) != 0; bottom != (i == len(v)-4) {
			return nil, errors.New("label stack without S bit at its end, and only there")
		}
		labels = append(labels, lse>>12)
	}
	return labels, nil
}

// ParseRoute decodes the body of an RTM_NEWROUTE or RTM_DELROUTE message of
// AF_MPLS. Attributes it does not know are left out.
func ParseRoute(b []byte) (Route, error) {
	if len(b) < rtmsgLen || b[0] != unix.AF_MPLS {
		return Route{}, errors.New("not a route of AF_MPLS")
	}
	if !wellFormed(b[rtmsgLen:]) {
		return Route{}, errors.New("malformed attribute")
	}
	r := Route{Protocol: b[5]}
	hop := Hop{Flags: uint8(binary.NativeEndian.Uint32(b[8:]))}
	single, dst := false, false
	for typ, v := range attributes(b[rtmsgLen:]) {
		switch typ {
		case unix.RTA_DST:
			l, err := parseStack(v)
			if err != nil || len(l) != 1 {
				return Route{}, errors.Join(errors.New("destination is not one label"), err)
			}
			r.Label, dst = l[0], true
		case unix.RTA_TTL_PROPAGATE:
			if len(v) != 1 || v[0] > 1 {
				return Route{}, errors.New("malformed TTL propagation")
			}
			r.Propagate = PropagateOff + Propagate(v[0])
		case unix.RTA_MULTIPATH:
			hops, err := parseHops(v)
			if err != nil {
				return Route{}, err
			}
			r.Hops = hops
		case unix.RTA_OIF:
			if len(v) != 4 {
				return Route{}, errors.New("malformed interface index")
			}
			hop.Interface, single = int(binary.NativeEndian.Uint32(v)), true
		default:
			if err := hop.attribute(typ, v); err != nil {
				return Route{}, err
			}
		}
	}
	if !dst {
		return Route{}, errors.New("route without destination")
	}
	if single && r.Hops == nil {
		r.Hops = []Hop{hop}
	}
	return r, nil
}

// attribute takes in RTA_NEWDST and RTA_VIA.
func (h *Hop) attribute(typ uint16, v []byte) (err error) {
	switch typ {
	case unix.RTA_NEWDST:
		h.Out, err = parseStack(v)
		return err
	case unix.RTA_VIA:
		if len(v) < 3 || len(v) > 2+len(h.Via.addr) {
			return fmt.Errorf("next hop address of %d octets", len(v))
		}
		h.Via = Via{Family: binary.NativeEndian.Uint16(v), len: uint8(len(v) - 2)}
		if h.Via.Family == 0 {
			return errors.New("next hop address without family")
		}
		copy(h.Via.addr[:], v[2:])
	}
	return nil
}

// parseHops decodes RTA_MULTIPATH.
func parseHops(b []byte) ([]Hop, error) {
	var hops []Hop
	for len(b) > 0 {
		if len(b) < 8 {
			return nil, errors.New("truncated next hop")
		}
		n := int(binary.NativeEndian.Uint16(b))
		if n < 8 || n > len(b) || !wellFormed(b[8:n]) {
			return nil, errors.New("malformed next hop")
		}
		h := Hop{Flags: b[2], Interface: int(binary.NativeEndian.Uint32(b[4:]))}
		for typ, v := range attributes(b[8:n]) {
			if err := h.attribute(typ, v); err != nil {
				return nil, err
			}
		}
		hops = append(hops, h)
		b = b[min(len(b), align(n)):]
	}
	return hops, nil
}
