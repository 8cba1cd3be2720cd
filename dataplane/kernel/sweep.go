package kernel

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// Sweep takes away what this driver, in either of its ways, has put into the
// network namespace of the calling thread: for whoever goes on with another
// driver. What that one has there already is left alone: IP routes that neither
// impose labels nor drop are not of this driver. No driver may be open. n is
// how many things were taken away.
func Sweep(log *slog.Logger) (n int, err error) {
	h, err := link.Open()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	chains, err := sweepChains(h)
	routes, e := sweepRoutes(h)
	if n, err = chains+routes, errors.Join(err, e); n > 0 && log != nil {
		log.Info("swept what the kernel data plane has left", "chains", chains, "routes", routes)
	}
	return n, err
}

// sweepChains takes the shared block off all interfaces, and then the device
// that keeps it: with that go all filters, and the routes of IP clients.
func sweepChains(h *link.Handle) (n int, err error) {
	on, err := chainsOn(h)
	if err != nil {
		return 0, err
	}
	for _, l := range on {
		if l.Name == chain.Device {
			continue
		}
		if err := errors.Join(h.ClearQueues(l.Index), h.Conn().DeleteQdisc(l.Index)); err != nil {
			return n, fmt.Errorf("take chains off %s: %w", l.Name, err)
		}
		n++
	}
	if _, err := h.ByName(chain.Device); errors.Is(err, link.ErrNotFound) {
		return n, nil
	}
	return n + 1, h.Delete(chain.Device)
}

// chainsOn returns the interfaces that chains are on, with their device.
func chainsOn(h *link.Handle) (on []link.Link, err error) {
	links, err := h.List()
	if err != nil {
		return nil, err
	}
	qdiscs, err := h.Conn().Qdiscs()
	for _, l := range links {
		if l.Name == chain.Device || qdiscs[l.Index].IngressBlock == chain.Ingress {
			on = append(on, l)
		}
	}
	return on, err
}

// sweepRoutes takes away the routes of labels and IP clients and the neighbour
// entries of sections.
func sweepRoutes(h *link.Handle) (n int, err error) {
	mpls, err := h.Conn().Routes(link.Protocol)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EAFNOSUPPORT) {
		return 0, err
	}
	var changes []mplsnl.Change
	for i := range mpls {
		changes = append(changes, mplsnl.Change{Delete: true, MPLS: &mpls[i]})
	}
	ip, err := h.Conn().IPRoutes(link.Protocol)
	if err != nil {
		return 0, err
	}
	for i, r := range ip {
		if r.Metric == link.Metric && (len(r.Labels) > 0 || r.Blackhole) {
			changes = append(changes, mplsnl.Change{Delete: true, IP: &ip[i]})
		}
	}
	var failed error
	err = h.Conn().Apply(changes, func(_ int, err error) { failed = err })
	if err = errors.Join(err, failed); err != nil {
		return 0, fmt.Errorf("delete %d routes: %w", len(changes), err)
	}
	peers, err := peersOn(h)
	for _, l := range peers {
		err = errors.Join(err, leavePeer(h, l), untap(h, l.Index))
	}
	return len(changes) + len(peers), err
}

// peersOn returns the interfaces that have a neighbour entry of a section.
func peersOn(h *link.Handle) (on []link.Link, err error) {
	links, err := h.List()
	if err != nil {
		return nil, err
	}
	four, err := h.NeighboursOf(gatewayIPv4())
	if err != nil {
		return nil, err
	}
	six, err := h.NeighboursOf(gatewayIPv6())
	for _, l := range links {
		_, v4 := four[l.Index]
		_, v6 := six[l.Index]
		if v4 || v6 {
			on = append(on, l)
		}
	}
	return on, err
}

// leavePeer undoes what a section on routes does to an interface.
func leavePeer(h *link.Handle, l link.Link) error {
	return errors.Join(
		setInput(h, l.Name, false),
		h.DeleteNeighbour(l.Index, gatewayIPv4()),
		h.DeleteNeighbour(l.Index, gatewayIPv6()),
	)
}

// untap takes the tap of an earlier process away from in front of routes.
func untap(h *link.Handle, index int) error {
	if id, err := h.Ingress(index, tapName); err != nil || id == 0 {
		return nil // There is none.
	}
	return h.ClearIngress(index, tapName, true)
}

// setInput lets an interface take labelled frames, or not. Without MPLS in the
// kernel none does.
func setInput(h *link.Handle, name string, on bool) error {
	value := "0"
	if on {
		value = "1"
	}
	return h.Do(func() error {
		err := os.WriteFile(filepath.Join(sysctlMPLS, "conf", name, "input"), []byte(value), 0)
		if !on && errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	})
}

// staleChains is what chains that an earlier process has left are for a driver
// that makes routes. Frames go to chains before they go to routes, so they are
// deleted last.
func staleChains() dataplane.Section {
	return dataplane.Section{Name: "?" + chain.Device, Interface: chain.Device}
}

// stalePeer is the section on routes that an earlier process has left, for a
// driver that makes chains.
func stalePeer(l link.Link) dataplane.Section {
	return dataplane.Section{Name: "?peer-" + l.Name, Interface: l.Name}
}
