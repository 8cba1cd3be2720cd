package mplsnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Link is what a message about an interface tells.
type Link struct {
	Index int
	Name  string
	MAC   [6]byte
	MTU   int
	Flags uint32 // IFF_*.
	Type  uint16 // ARPHRD_*.
	// Kind is the kind of a virtual interface, "veth" for example; empty for
	// hardware.
	Kind string
	// Master is the index of the bond, bridge or VRF that it belongs to.
	Master int
	XDP    XDP
}

// XDP is the program on an interface; zero: none.
type XDP struct {
	Native, Generic, Offloaded uint32 // Identifiers of programs.
}

// Up reports the administrative state.
func (l Link) Up() bool { return l.Flags&unix.IFF_UP != 0 }

// Carrier reports whether the link is operational: up with carrier.
func (l Link) Carrier() bool {
	const both = unix.IFF_UP | unix.IFF_LOWER_UP
	return l.Flags&both == both
}

// Event is a change of an interface or a route. Exactly one pointer is set, or
// none after an overflow.
type Event struct {
	Deleted bool
	// Port is the netlink port of whose request made the change; 0: the
	// kernel's own doing. See Conn.Port.
	Port uint32
	Link *Link
	MPLS *Route
	IP   *IPRoute
	// Filter is the filter of a shared block (its name only), Qdisc the clsact
	// of an interface.
	Filter   *Filter
	Qdisc    *Qdisc
	Overflow bool // Changes were lost: dump.
}

// Monitor follows changes of interfaces and routes in one namespace.
type Monitor struct {
	file interface {
		Read([]byte) (int, error)
		Close() error
	}
	buf     []byte
	pending []Event
}

// OpenMonitor starts to follow interfaces, and IPv4, IPv6 and MPLS routes in
// the network namespace of the calling thread.
//
// What a request of the socket with the netlink port silent caused is left out
// where it is about routes and filters: thousands of echoes of a batch would
// cost more than the batch.
func OpenMonitor(silent uint32) (*Monitor, error) {
	fd, err := openSocket()
	if err != nil {
		return nil, err
	}
	// Our own batches are echoed here too: 10,000 routes take some 10 MB until
	// they are read. Without the capability the default has to do.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
	if err := attachSilence(fd, silent); err != nil {
		unix.Close(fd)
		return nil, err
	}
	for _, g := range []int{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_MPLS_ROUTE, unix.RTNLGRP_TC} {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("follow netlink group %d: %w", g, err)
		}
	}
	f, err := pollable(fd)
	if err != nil {
		return nil, err
	}
	return &Monitor{file: f, buf: make([]byte, 256<<10)}, nil
}

// Next waits for the next change. After Close it returns net.ErrClosed.
func (m *Monitor) Next() (Event, error) {
	for len(m.pending) == 0 {
		n, err := m.file.Read(m.buf)
		switch {
		case errors.Is(err, unix.ENOBUFS):
			return Event{Overflow: true}, nil
		case err != nil:
			return Event{}, errors.Join(net.ErrClosed, err)
		}
		for msg := range messages(m.buf[:n]).all() {
			if e, ok := parseEvent(msg); ok {
				e.Port = msg.port
				m.pending = append(m.pending, e)
			}
		}
	}
	e := m.pending[0]
	m.pending = m.pending[1:]
	return e, nil
}

// Close makes Next return.
func (m *Monitor) Close() error { return m.file.Close() }

// parseEvent decodes a notification; what cannot be decoded is reported as an
// overflow, because something changed and it is not known what.
func parseEvent(m message) (Event, bool) {
	e := Event{Deleted: m.typ == unix.RTM_DELROUTE || m.typ == unix.RTM_DELLINK || m.typ == unix.RTM_DELTFILTER || m.typ == unix.RTM_DELQDISC}
	switch m.typ {
	case unix.RTM_NEWTFILTER, unix.RTM_DELTFILTER:
		f, _, err := ParseFilter(m.body)
		if f.Block == 0 {
			return e, false // Not in a shared block, or malformed.
		}
		if err != nil && !errors.Is(err, ErrForeign) {
			return Event{Overflow: true}, true
		}
		e.Filter = &f
		return e, true
	case unix.RTM_NEWQDISC, unix.RTM_DELQDISC:
		q, ok, err := ParseQdisc(m.body)
		if err != nil {
			return Event{Overflow: true}, true
		}
		e.Qdisc = &q
		return e, ok
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		l, err := ParseLink(m.body)
		if err != nil {
			return Event{Overflow: true}, true
		}
		e.Link = &l
		return e, true
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		if len(m.body) > 0 && m.body[0] == unix.AF_MPLS {
			r, err := ParseRoute(m.body)
			if err != nil {
				return Event{Overflow: true}, true
			}
			e.MPLS = &r
			return e, true
		}
		r, ok, err := ParseIPRoute(m.body)
		if err != nil {
			return Event{Overflow: true}, true
		}
		e.IP = &r
		return e, ok
	}
	return e, false
}

// ifinfomsgLen is the length of struct ifinfomsg.
const ifinfomsgLen = 16

// ParseLink decodes the body of an RTM_NEWLINK or RTM_DELLINK message.
func ParseLink(b []byte) (Link, error) {
	if len(b) < ifinfomsgLen || !wellFormed(b[ifinfomsgLen:]) {
		return Link{}, errors.New("malformed message about an interface")
	}
	l := Link{Index: int(int32(binary.NativeEndian.Uint32(b[4:]))), Flags: binary.NativeEndian.Uint32(b[8:]),
		Type: binary.NativeEndian.Uint16(b[2:])}
	for typ, v := range attributes(b[ifinfomsgLen:]) {
		switch typ {
		case unix.IFLA_IFNAME:
			l.Name = unix.ByteSliceToString(v)
		case unix.IFLA_ADDRESS:
			if len(v) == len(l.MAC) {
				copy(l.MAC[:], v)
			}
		case unix.IFLA_MTU:
			mtu, err := parseU32(v)
			if err != nil {
				return Link{}, err
			}
			l.MTU = int(mtu)
		case unix.IFLA_MASTER:
			master, err := parseU32(v)
			if err != nil {
				return Link{}, err
			}
			l.Master = int(int32(master))
		case unix.IFLA_LINKINFO:
			l.Kind = parseKind(v)
		case unix.IFLA_XDP:
			l.XDP = parseXDP(v)
		}
	}
	if l.Index <= 0 {
		return Link{}, errors.New("message about an interface without index")
	}
	return l, nil
}

// parseKind finds the kind in IFLA_LINKINFO.
func parseKind(b []byte) (kind string) {
	if !wellFormed(b) {
		return ""
	}
	for typ, v := range attributes(b) {
		if typ == unix.IFLA_INFO_KIND {
			kind = unix.ByteSliceToString(v)
		}
	}
	return kind
}

// parseXDP decodes IFLA_XDP. Where there is one program only, older kernels give
// its identifier without the attribute of its mode.
func parseXDP(b []byte) (x XDP) {
	const native, generic, offloaded = 1, 2, 3 // XDP_ATTACHED_*.
	var mode byte
	var id uint32
	if !wellFormed(b) {
		return x
	}
	for typ, v := range attributes(b) {
		n, _ := parseU32(v)
		switch typ {
		case unix.IFLA_XDP_ATTACHED:
			if len(v) == 1 {
				mode = v[0]
			}
		case unix.IFLA_XDP_PROG_ID:
			id = n
		case unix.IFLA_XDP_DRV_PROG_ID:
			x.Native = n
		case unix.IFLA_XDP_SKB_PROG_ID:
			x.Generic = n
		case unix.IFLA_XDP_HW_PROG_ID:
			x.Offloaded = n
		}
	}
	switch {
	case x != XDP{}:
	case mode == native:
		x.Native = id
	case mode == generic:
		x.Generic = id
	case mode == offloaded:
		x.Offloaded = id
	}
	return x
}

// Links returns every interface of the namespace.
func (c *Conn) Links() (links []Link, err error) {
	for range dumpAttempts {
		links = links[:0]
		err = c.Dump(unix.RTM_GETLINK, make([]byte, ifinfomsgLen), func(typ uint16, b []byte) error {
			l, err := ParseLink(b)
			if err == nil && typ == unix.RTM_NEWLINK {
				links = append(links, l)
			}
			return err
		})
		if !errors.Is(err, ErrInterrupted) {
			break
		}
	}
	return links, err
}
