package link

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// dummyMTU is more than any route through the interface says.
const dummyMTU = 65535

// Dummy makes sure that there is a dummy interface with a name, that it is up,
// and returns it. An interface of another kind with that name is an error.
func (h *Handle) Dummy(name string) (Link, error) {
	l, err := h.nl.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = name, dummyMTU
		if err := h.nl.LinkAdd(&netlink.Dummy{LinkAttrs: attrs}); err != nil && !errors.Is(err, unix.EEXIST) {
			return Link{}, fmt.Errorf("make interface %s: %w", name, err)
		}
		l, err = h.nl.LinkByName(name)
	}
	if err != nil {
		return Link{}, fmt.Errorf("look up %s: %w", name, err)
	}
	if l.Type() != "dummy" {
		return Link{}, fmt.Errorf("interface %s is of kind %s, not dummy", name, l.Type())
	}
	if l.Attrs().Flags&1 == 0 {
		if err := h.SetUp(l.Attrs().Index); err != nil {
			return Link{}, err
		}
	}
	return h.ByName(name)
}
