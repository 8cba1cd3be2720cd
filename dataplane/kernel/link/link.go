// Package link gives both data planes the facts about interfaces and the IP
// routes they need from Linux: find a link, set it up, make the veth of the IP
// clients, put and list our IP routes, follow changes.
//
// A Handle works in the network namespace in which it was opened, from
// whichever goroutine it is called.
package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// Protocol is the rtm_protocol of every route of Tandem, MPLS and IP.
const Protocol = 201

// Metric is the priority of Tandem's IP routes: below connected routes (0),
// above what DHCP and routing daemons use (20 and more). It keeps a replace
// from hitting a foreign route of the same prefix.
const Metric = 5

// ErrNotFound is returned where there is no such interface.
var ErrNotFound = errors.New("no such interface")

// Link is an interface.
type Link struct {
	Index int
	Name  string
	MAC   dataplane.MAC
	MTU   int
	// Up is the administrative state; Carrier tells whether it is operational
	// besides.
	Up, Carrier bool
	// Promiscuous tells that somebody set it to take frames for all addresses;
	// not that a packet socket asks for it meanwhile.
	Promiscuous bool
	// Ethernet tells that its frames have Ethernet headers.
	Ethernet bool
	// Kind is the kind of a virtual interface, "veth" for example; empty for
	// hardware.
	Kind string
	// Master is the index of the bond, bridge or VRF it belongs to, or 0.
	Master int
}

// Handle gives access to the interfaces and routes of one namespace.
type Handle struct {
	nl    *netlink.Handle
	conn  *mplsnl.Conn
	netns *os.File
}

// Open opens a handle in the network namespace of the calling thread.
func Open() (*Handle, error) {
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		ns.Close()
		return nil, fmt.Errorf("open netlink handle: %w", err)
	}
	conn, err := mplsnl.Open()
	if err != nil {
		ns.Close()
		nl.Close()
		return nil, err
	}
	return &Handle{nl: nl, conn: conn, netns: ns}, nil
}

// Close releases the handle.
func (h *Handle) Close() error {
	h.nl.Close()
	return errors.Join(h.conn.Close(), h.netns.Close())
}

// Conn returns the connection for MPLS routes and batches of IP routes.
func (h *Handle) Conn() *mplsnl.Conn { return h.conn }

// List returns all interfaces.
func (h *Handle) List() ([]Link, error) {
	ls, err := h.conn.Links()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	out := make([]Link, len(ls))
	for i, l := range ls {
		out[i] = fromKernel(l)
	}
	return out, nil
}

// ByName returns the interface with a name, or ErrNotFound.
func (h *Handle) ByName(name string) (Link, error) {
	l, err := h.nl.LinkByName(name)
	return fromLibrary(l, name, err)
}

// ByIndex returns the interface with an index, or ErrNotFound.
func (h *Handle) ByIndex(index int) (Link, error) {
	l, err := h.nl.LinkByIndex(index)
	return fromLibrary(l, fmt.Sprintf("index %d", index), err)
}

// XDP returns the identifiers of the XDP programs on an interface.
func (h *Handle) XDP(index int) (mplsnl.XDP, error) {
	ls, err := h.conn.Links()
	if err != nil {
		return mplsnl.XDP{}, fmt.Errorf("list interfaces: %w", err)
	}
	for _, l := range ls {
		if l.Index == index {
			return l.XDP, nil
		}
	}
	return mplsnl.XDP{}, fmt.Errorf("index %d: %w", index, ErrNotFound)
}

// SetUp sets the administrative state of an interface to up.
func (h *Handle) SetUp(index int) error {
	l := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
	if err := h.nl.LinkSetUp(l); err != nil {
		return fmt.Errorf("set interface %d up: %w", index, err)
	}
	return nil
}

// SetPromiscuous makes an interface take frames for all addresses, or not.
func (h *Handle) SetPromiscuous(index int, on bool) error {
	l := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
	set := h.nl.SetPromiscOff
	if on {
		set = h.nl.SetPromiscOn
	}
	if err := set(l); err != nil {
		return fmt.Errorf("set interface %d promiscuous %v: %w", index, on, err)
	}
	return nil
}

// Delete removes an interface; one that is not there is no error.
func (h *Handle) Delete(name string) error {
	l, err := h.nl.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err == nil {
		err = h.nl.LinkDel(l)
	}
	if err != nil {
		return fmt.Errorf("delete interface %s: %w", name, err)
	}
	return nil
}

// SetNeighbour makes a permanent neighbour entry, so that ip is reached at mac
// without ARP or neighbour discovery.
func (h *Handle) SetNeighbour(index int, ip netip.Addr, mac dataplane.MAC) error {
	if err := h.nl.NeighSet(neighbour(index, ip, mac)); err != nil {
		return fmt.Errorf("set neighbour %s on interface %d: %w", ip, index, err)
	}
	return nil
}

// DeleteNeighbour removes the entry for ip; one that is not there is no error.
func (h *Handle) DeleteNeighbour(index int, ip netip.Addr) error {
	err := h.nl.NeighDel(neighbour(index, ip, dataplane.MAC{}))
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("delete neighbour %s on interface %d: %w", ip, index, err)
	}
	return nil
}

// NeighboursOf returns the permanent neighbour entries for an address, by the
// index of the interface.
func (h *Handle) NeighboursOf(ip netip.Addr) (map[int]dataplane.MAC, error) {
	family := unix.AF_INET
	if ip.Is6() {
		family = unix.AF_INET6
	}
	ns, err := h.nl.NeighList(0, family)
	if err != nil {
		return nil, fmt.Errorf("list neighbours: %w", err)
	}
	out := map[int]dataplane.MAC{}
	for _, n := range ns {
		a, ok := netip.AddrFromSlice(n.IP)
		if ok && a.Unmap() == ip && n.State&netlink.NUD_PERMANENT != 0 && len(n.HardwareAddr) == 6 {
			out[n.LinkIndex] = dataplane.MAC(n.HardwareAddr)
		}
	}
	return out, nil
}

func neighbour(index int, ip netip.Addr, mac dataplane.MAC) *netlink.Neigh {
	family := unix.AF_INET
	if ip.Is6() {
		family = unix.AF_INET6
	}
	return &netlink.Neigh{
		LinkIndex: index, Family: family, State: netlink.NUD_PERMANENT,
		IP: net.IP(ip.AsSlice()), HardwareAddr: net.HardwareAddr(mac[:]),
	}
}

func fromKernel(l mplsnl.Link) Link {
	return Link{
		Index: l.Index, Name: l.Name, MAC: l.MAC, MTU: l.MTU, Up: l.Up(), Carrier: l.Carrier(),
		Promiscuous: l.Flags&unix.IFF_PROMISC != 0,
		Ethernet:    l.Type == unix.ARPHRD_ETHER, Kind: l.Kind, Master: l.Master,
	}
}

func fromLibrary(l netlink.Link, what string, err error) (Link, error) {
	if errors.As(err, new(netlink.LinkNotFoundError)) || errors.Is(err, unix.ENODEV) {
		return Link{}, fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	if err != nil {
		return Link{}, fmt.Errorf("look up %s: %w", what, err)
	}
	a := l.Attrs()
	k := mplsnl.Link{Index: a.Index, Name: a.Name, MTU: a.MTU, Flags: a.RawFlags, Kind: l.Type(), Master: a.MasterIndex}
	if k.Kind == "device" {
		k.Kind = "" // What the library calls hardware.
	}
	if a.EncapType == "ether" {
		k.Type = unix.ARPHRD_ETHER
	}
	copy(k.MAC[:], a.HardwareAddr)
	return fromKernel(k), nil
}
