// Package netlab builds, for tests, an element with veth ports in a
// network namespace of its own and the other ends of the ports in another. It
// is the drivertest.Lab of the drivers that forward in Linux. The namespaces
// have no names and vanish with the last file that refers to them.
package netlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/drivertest"
)

// Lab implements drivertest.Lab.
type Lab struct {
	element, outside *os.File // Namespaces.
	nl               *netlink.Handle
	wires            [drivertest.Ports]*wire
	cleanup          func(func()) // at the end of the test that made the lab
}

// portNames are the interfaces of the element, in the order of PortID.
var portNames = [drivertest.Ports]string{"west0", "east0", "client0", "customer0", "customer1"}

// New builds a lab and tears it down at the end of the test. It needs root.
func New(t testing.TB) *Lab {
	t.Helper()
	l := &Lab{element: newNamespace(t), outside: newNamespace(t), cleanup: t.Cleanup}
	l.Do(t, func() {
		var err error
		if l.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
			t.Fatalf("netlink: %v", err)
		}
		t.Cleanup(l.nl.Close)
		lo, err := l.nl.LinkByName("lo")
		if err != nil {
			t.Fatalf("lo: %v", err)
		}
		if err := l.nl.LinkSetUp(lo); err != nil {
			t.Fatalf("set lo up: %v", err)
		}
		for file, value := range map[string]string{
			"ipv4/ip_forward": "1", "ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0",
			"ipv6/conf/all/forwarding": "1", "ipv6/conf/all/accept_dad": "0", "ipv6/conf/default/accept_dad": "0",
		} {
			sysctl(t, file, value)
		}
	})
	in(t, l.outside, func() { sysctl(t, "ipv6/conf/default/disable_ipv6", "1") })
	for p := range l.wires {
		l.AddPort(t, drivertest.PortID(p))
	}
	return l
}

// Port describes a port.
func (l *Lab) Port(p drivertest.PortID) drivertest.Port {
	return drivertest.Port{
		Name: portNames[p],
		MAC:  dataplane.MAC{2, 0, 0, 0, 0, 0x50 + byte(p)},
		Peer: dataplane.MAC{2, 0, 0, 0, 0, 0xa0 + byte(p)},
	}
}

// Do calls f in the element's namespace, on the calling goroutine.
func (l *Lab) Do(t testing.TB, f func()) { in(t, l.element, f) }

// AddPort makes a veth and opens a socket on its other end. Generic receive
// offload is on there, because a veth without it drops what native XDP
// redirects to it.
func (l *Lab) AddPort(t testing.TB, p drivertest.PortID) {
	t.Helper()
	port := l.Port(p)
	peer := port.Name + "p"
	veth := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: port.Name, HardwareAddr: port.MAC[:]},
		PeerName:  peer, PeerHardwareAddr: net.HardwareAddr(port.Peer[:]),
		PeerNamespace: netlink.NsFd(int(l.outside.Fd())),
	}
	if err := l.nl.LinkAdd(veth); err != nil {
		t.Fatalf("add %s: %v", port.Name, err)
	}
	in(t, l.outside, func() {
		w, err := openWire(peer)
		if err != nil {
			t.Fatalf("other end of %s: %v", port.Name, err)
		}
		l.wires[p] = w
		l.cleanup(w.close) // A port that a part of the test makes again is for all of it.
	})
	l.SetPort(t, p, true)
	if p == drivertest.Client {
		l.addClient(t, port)
	}
}

// addClient gives the client port its addresses and neighbours.
func (l *Lab) addClient(t testing.TB, port drivertest.Port) {
	t.Helper()
	link := l.link(t, port.Name)
	for _, a := range []struct{ own, peer string }{{"192.0.2.1/24", "192.0.2.2"}, {"2001:db8:2::1/64", "2001:db8:2::2"}} {
		p := netip.MustParsePrefix(a.own)
		addr := &netlink.Addr{
			IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())},
		}
		if p.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := l.nl.AddrReplace(link, addr); err != nil {
			t.Fatalf("address %s: %v", a.own, err)
		}
		neigh := &netlink.Neigh{
			LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT,
			IP: net.IP(netip.MustParseAddr(a.peer).AsSlice()), HardwareAddr: net.HardwareAddr(port.Peer[:]),
		}
		if err := l.nl.NeighSet(neigh); err != nil {
			t.Fatalf("neighbour %s: %v", a.peer, err)
		}
	}
}

// SetPort sets the administrative state of the element's end.
func (l *Lab) SetPort(t testing.TB, p drivertest.PortID, up bool) {
	t.Helper()
	link := l.link(t, portNames[p])
	set := l.nl.LinkSetDown
	if up {
		set = l.nl.LinkSetUp
	}
	if err := set(link); err != nil {
		t.Fatalf("set %s up=%v: %v", portNames[p], up, err)
	}
}

// RemovePort deletes the veth.
func (l *Lab) RemovePort(t testing.TB, p drivertest.PortID) {
	t.Helper()
	if err := l.nl.LinkDel(l.link(t, portNames[p])); err != nil {
		t.Fatalf("delete %s: %v", portNames[p], err)
	}
}

func (l *Lab) link(t testing.TB, name string) netlink.Link {
	t.Helper()
	link, err := l.nl.LinkByName(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return link
}

// in calls f with the calling thread in a namespace, and returns the thread to
// its own even if f ends the test.
func in(t testing.TB, ns *os.File, f func()) {
	t.Helper()
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatalf("network namespace: %v", err)
	}
	defer func() {
		// A thread that cannot return stays locked and dies with its goroutine.
		if err := netns.Set(home); err == nil {
			runtime.UnlockOSThread()
		}
		home.Close()
	}()
	if err := netns.Set(netns.NsHandle(ns.Fd())); err != nil {
		t.Fatalf("enter network namespace: %v (the test needs root)", err)
	}
	f()
}

// newNamespace makes a namespace on a thread that ends thereafter.
func newNamespace(t testing.TB) *os.File {
	t.Helper()
	type result struct {
		ns  *os.File
		err error
	}
	ch := make(chan result)
	go func() {
		runtime.LockOSThread() // Never unlocked: the thread ends with the goroutine.
		err := unix.Unshare(unix.CLONE_NEWNET)
		var r result
		if err == nil {
			r.ns, err = os.Open("/proc/thread-self/ns/net")
		}
		r.err = err
		ch <- r
	}()
	r := <-ch
	if r.err != nil {
		t.Fatalf("make network namespace: %v (the test needs root)", r.err)
	}
	t.Cleanup(func() { r.ns.Close() })
	return r.ns
}

// sysctl writes below /proc/sys/net in the namespace of the thread. A family
// that the kernel does not have is left out.
func sysctl(t testing.TB, file, value string) {
	t.Helper()
	err := os.WriteFile("/proc/sys/net/"+file, []byte(value), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("sysctl: %v", fmt.Errorf("%s = %s: %w", file, value, err))
	}
}
