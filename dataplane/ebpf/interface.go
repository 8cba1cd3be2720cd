package ebpf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// prepareSection makes an interface ready for a section, before a table leads to
// it.
func (d *Driver) prepareSection(l link.Link, o dataplane.Section) error {
	roles := roleSection
	if o.VLAN != 0 {
		roles |= roleTagged
	}
	if err := d.useInterface(l, roles); err != nil {
		return err
	}
	d.joinMulticast(l.Name)
	return d.setQueues(l, o)
}

// withdraw takes a section off an interface that is gone, renamed, moved or
// cannot be used any more. It stays known, with its counters; what is sent to
// it is dropped and counted until a Put finds an interface of its name.
func (d *Driver) withdraw(s *section) {
	if s == nil || s.entry.Ifindex == 0 {
		return
	}
	old := s.entry
	e := old
	e.Ifindex = 0
	err := d.writeSection(s, e)
	d.clearQueues(int(old.Ifindex), s.hash)
	if err := errors.Join(err, d.releasePort(old)); err != nil {
		d.log.Error("section not withdrawn", "section", s.name, "error", err)
	}
}

// leaveIdle ends the use of an interface by sections if there is none on it.
func (d *Driver) leaveIdle(ifindex int) {
	for k := range d.ports {
		if int(k.Ifindex) == ifindex {
			return
		}
	}
	d.leaveInterface(ifindex, roleSection|roleTagged)
}

// InterfaceStates implements dataplane.InterfaceReporter.
func (d *Driver) InterfaceStates() ([]dataplane.InterfaceState, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]dataplane.InterfaceState, 0, len(d.hooks))
	for ifindex, h := range d.hooks {
		if h.roles&roleImpose != 0 {
			continue
		}
		s := dataplane.InterfaceState{Name: h.name, Mode: h.mode.String(), Reason: h.reason, Switched: d.remembered(ifindex)}
		if l, err := d.net.ByIndex(ifindex); err == nil && l.Master != 0 {
			if m, err := d.net.ByIndex(l.Master); err == nil {
				s.Reason += fmt.Sprintf("; it belongs to %s %s, which does not see labelled frames", m.Kind, m.Name)
			}
		}
		if q, ok := d.queues.Of(ifindex); ok {
			s.Queueing = q.String()
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b dataplane.InterfaceState) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// closeHooks releases what the process holds of interfaces; all stays attached.
func (d *Driver) closeHooks() {
	for _, h := range d.hooks {
		if h.link != nil {
			h.link.Close()
		}
		if h.relay.link != nil {
			h.relay.link.Close()
		}
	}
	if d.found.table != nil {
		d.found.table.Close()
	}
}

// removeHost puts interfaces back as they were found: offloads, filters, queues.
func removeHost(p pins, net *link.Handle) error {
	all, err := net.List()
	if err != nil {
		return err
	}
	names := map[uint32]string{}
	for _, l := range all {
		names[uint32(l.Index)] = l.Name
	}
	m, err := ebpf.LoadPinnedMap(filepath.Join(p.root, foundPin), nil)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("memory of offloads: %w", err)
	}
	clean := map[uint32]bool{}
	var failed error
	if m != nil {
		defer m.Close()
		var k foundKey
		var v uint8
		for it := m.Iterate(); it.Next(&k, &v); {
			name := unix.ByteSliceToString(k.Name[:])
			switch ifc := names[k.Ifindex]; {
			case name == clsactAdded:
				clean[k.Ifindex] = true
			case ifc != "":
				if err := putBack(net, int(k.Ifindex), ifc, name); !errors.Is(err, link.ErrFixed) {
					failed = errors.Join(failed, err)
				}
			}
		}
	}
	for _, l := range all {
		failed = errors.Join(failed, net.ClearIngress(l.Index, relayName, clean[uint32(l.Index)]), net.ClearQueues(l.Index))
	}
	return failed
}
