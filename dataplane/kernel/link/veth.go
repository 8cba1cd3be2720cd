package link

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
)

// EnsureVeth returns the two ends of a veth pair, made if it was not there,
// both up and without ARP. An interface of one of the names that is not such
// an end is an error.
func (h *Handle) EnsureVeth(name, peer string) (Link, Link, error) {
	a, err := h.nl.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		add := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: peer}
		if err := h.nl.LinkAdd(add); err != nil && !errors.Is(err, os.ErrExist) {
			return Link{}, Link{}, fmt.Errorf("add veth pair %s, %s: %w", name, peer, err)
		}
		a, err = h.nl.LinkByName(name)
	}
	if err != nil {
		return Link{}, Link{}, fmt.Errorf("look up %s: %w", name, err)
	}
	b, err := h.nl.LinkByName(peer)
	if err != nil {
		return Link{}, Link{}, fmt.Errorf("look up %s: %w", peer, err)
	}
	if a.Type() != "veth" || b.Type() != "veth" || a.Attrs().ParentIndex != b.Attrs().Index {
		return Link{}, Link{}, fmt.Errorf("interfaces %s and %s are no veth pair", name, peer)
	}
	for _, l := range []netlink.Link{a, b} {
		if err := h.nl.LinkSetARPOff(l); err != nil {
			return Link{}, Link{}, fmt.Errorf("turn ARP off on %s: %w", l.Attrs().Name, err)
		}
		if err := h.SetUp(l.Attrs().Index); err != nil {
			return Link{}, Link{}, err
		}
	}
	la, err := h.ByIndex(a.Attrs().Index)
	if err != nil {
		return Link{}, Link{}, err
	}
	lb, err := h.ByIndex(b.Attrs().Index)
	return la, lb, err
}
