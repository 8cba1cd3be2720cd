package netlab

import (
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
)

// Space is a network namespace without a name, for labs of more than one
// element.
type Space struct{ f *os.File }

// NewSpace makes one that goes with the test. It needs root.
func NewSpace(t testing.TB) Space {
	t.Helper()
	return Space{newNamespace(t)}
}

// Do calls f in the namespace, on the calling goroutine.
func (s Space) Do(t testing.TB, f func()) {
	t.Helper()
	in(t, s.f, f)
}

// Run runs a program in the namespace.
func (s Space) Run(t testing.TB, name string, args ...string) {
	t.Helper()
	s.Do(t, func() {
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v: %s", name, args, err, out)
		}
	})
}

// Plug is an end of a wire between spaces.
type Plug struct {
	Space Space
	Name  string
	MAC   dataplane.MAC
	MTU   int
}

// Connect lays a veth between two spaces, both ends up.
func Connect(t testing.TB, a, b Plug) {
	t.Helper()
	a.Space.Do(t, func() {
		nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			t.Fatal(err)
		}
		defer nl.Close()
		err = nl.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: a.Name, HardwareAddr: a.MAC[:], MTU: a.MTU},
			PeerName:  b.Name, PeerHardwareAddr: net.HardwareAddr(b.MAC[:]), PeerNamespace: netlink.NsFd(int(b.Space.f.Fd())), PeerMTU: uint32(b.MTU),
		})
		if err != nil {
			t.Fatalf("add %s and %s: %v", a.Name, b.Name, err)
		}
	})
	for _, p := range []Plug{a, b} {
		p.Space.Do(t, func() {
			nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
			if err != nil {
				t.Fatal(err)
			}
			defer nl.Close()
			l, err := nl.LinkByName(p.Name)
			if err == nil {
				err = nl.LinkSetUp(l)
			}
			if err != nil {
				t.Fatalf("set %s up: %v", p.Name, err)
			}
		})
	}
}
