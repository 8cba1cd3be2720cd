package ebpf

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// found remembers what was found on interfaces and changed by us, so that it
// can be put back, by this process or a later one: pinned beside the links, for
// it concerns interfaces and not a version of the tables.
type found struct {
	table   *ebpf.Map
	entries map[foundKey]bool
}

// foundKey names a feature that was on, or something that was not there.
type foundKey struct {
	Ifindex uint32
	Name    [32]byte // ETH_GSTRING_LEN.
}

// What is no feature begins with a plus. clsactAdded stands among the features for a clsact that we added.
const clsactAdded = "+clsact"

// madePromiscuous stands among the features for an interface that took frames
// for its own addresses only.
const madePromiscuous = "+promiscuous"

// foundPin is the pin beside the links.
const foundPin = "found"

func keyOf(ifindex int, name string) foundKey {
	k := foundKey{Ifindex: uint32(ifindex)}
	copy(k.Name[:], name)
	return k
}

// openFound opens or makes the memory. Entries of interfaces that are gone are
// dropped: an index does not come back before the host is started anew, which
// empties the BPF file system.
func (d *Driver) openFound() error {
	d.found.entries = map[foundKey]bool{}
	path := filepath.Join(d.pins.root, foundPin)
	m, err := ebpf.LoadPinnedMap(path, nil)
	if errors.Is(err, os.ErrNotExist) {
		m, err = ebpf.NewMap(&ebpf.MapSpec{
			Name: "tandem_found", Type: ebpf.Hash, KeySize: 36, ValueSize: 1, MaxEntries: 1 << 16, Flags: unix.BPF_F_NO_PREALLOC,
		})
		if err == nil {
			err = m.Pin(path)
		}
	}
	if err != nil {
		return fmt.Errorf("memory of offloads: %w", err)
	}
	d.found.table = m
	it := m.Iterate()
	var k foundKey
	var v uint8
	for it.Next(&k, &v) {
		d.found.entries[k] = true
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("memory of offloads: %w", err)
	}
	for k := range d.found.entries {
		if _, err := d.net.ByIndex(int(k.Ifindex)); errors.Is(err, link.ErrNotFound) {
			d.forgetKey(k)
		}
	}
	return nil
}

// remember writes before something is changed: a process that dies in between
// leaves a note too many, which harms nobody.
func (d *Driver) remember(ifindex int, name string) {
	k := keyOf(ifindex, name)
	if err := d.found.table.Update(k, uint8(1), ebpf.UpdateAny); err != nil {
		d.log.Warn("a setting that was found is not remembered", "interface-index", ifindex, "setting", name, "error", err)
	}
	d.found.entries[k] = true
}

// forget tells whether a setting was remembered, and ends that.
func (d *Driver) forget(ifindex int, name string) bool {
	k := keyOf(ifindex, name)
	was := d.found.entries[k]
	if was {
		d.forgetKey(k)
	}
	return was
}

func (d *Driver) forgetKey(k foundKey) {
	delete(d.found.entries, k)
	if err := absent(d.found.table.Delete(k)); err != nil {
		d.log.Warn("memory of offloads not written", "error", err)
	}
}

// remembered returns the features of an interface that were on, in order.
func (d *Driver) remembered(ifindex int) []string {
	var names []string
	for k := range d.found.entries {
		if name := unix.ByteSliceToString(k.Name[:]); int(k.Ifindex) == ifindex && name[0] != '+' {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// unwanted returns the features that must be off on an interface.
//
// Merging (LRO, and GRO by the card) makes one frame of several, and XDP
// programs in drivers do not go with it. GRO of the kernel merges nothing that
// is labelled, but what clients send, before generic XDP sees it. VLAN offload
// on receipt takes the tag out of the frame. All that the relay passes on is
// whole: it needs nothing off.
func unwanted(h *hook) map[string]bool {
	off := map[string]bool{}
	if h.roles&(roleSection|roleTagged) != 0 {
		off[link.FeatureLRO], off[link.FeatureGROHW] = false, false
	}
	if h.roles&roleTagged != 0 {
		off[link.FeatureRxVLAN] = false
	}
	if h.roles&roleAttachment != 0 && h.direct {
		for _, name := range []string{link.FeatureLRO, link.FeatureGROHW, link.FeatureGRO, link.FeatureRxVLAN, link.FeatureRxSVLAN} {
			off[name] = false
		}
	}
	return off
}

// switchOffloads turns off what is unwanted, after it has noted what was on.
func (d *Driver) switchOffloads(h *hook) error {
	if err := d.takeAll(h); err != nil {
		return err
	}
	want := unwanted(h)
	// What is unwanted no more comes back, if it was on.
	for _, name := range d.remembered(h.ifindex) {
		if _, still := want[name]; !still {
			d.restore(h.ifindex, h.name, name)
		}
	}
	if len(want) == 0 {
		return nil
	}
	now, err := d.net.Features(h.name)
	if err != nil {
		return nil // An interface that knows no ethtool has no offloads.
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if f := now[name]; !f.On {
			delete(want, name)
		} else if !f.Fixed {
			d.remember(h.ifindex, name)
		}
	}
	if len(want) == 0 {
		return nil
	}
	err = d.net.SetFeatures(h.name, want)
	switch {
	case errors.Is(err, link.ErrFixed):
		return &fault{fmt.Sprintf("interface %s: offload that breaks labelled frames cannot be turned off: %v", h.name, err), err}
	case err != nil:
		return err
	}
	d.log.Info("offloads turned off, for they break labelled frames", "interface", h.name, "offloads", strings.Join(slices.Sorted(maps.Keys(want)), " "))
	return nil
}

// takeAll makes a client's interface promiscuous: a card drops frames that are
// not for its own addresses, and a client's never are (RFC 4448, section 4.1).
func (d *Driver) takeAll(h *hook) error {
	if h.roles&roleAttachment == 0 {
		if d.found.entries[keyOf(h.ifindex, madePromiscuous)] {
			d.restore(h.ifindex, h.name, madePromiscuous)
		}
		return nil
	}
	l, err := d.net.ByIndex(h.ifindex)
	if err != nil || l.Promiscuous {
		return err
	}
	d.remember(h.ifindex, madePromiscuous)
	if err := d.net.SetPromiscuous(h.ifindex, true); err != nil {
		return err
	}
	d.log.Info("interface made promiscuous, for it is a client's", "interface", h.name)
	return nil
}

// restoreOffloads puts back what was found on an interface.
func (d *Driver) restoreOffloads(ifindex int) {
	names := d.remembered(ifindex)
	if d.found.entries[keyOf(ifindex, madePromiscuous)] {
		names = append(names, madePromiscuous)
	}
	if names == nil {
		return
	}
	l, err := d.net.ByIndex(ifindex)
	for _, name := range names {
		if err != nil {
			d.forget(ifindex, name) // Gone, and its settings with it.
			continue
		}
		d.restore(ifindex, l.Name, name)
	}
}

func (d *Driver) restore(ifindex int, ifc, name string) {
	err := putBack(d.net, ifindex, ifc, name)
	if err != nil && !errors.Is(err, link.ErrFixed) {
		d.log.Warn("setting not put back", "interface", ifc, "setting", name, "error", err)
	} else if err == nil {
		d.log.Info("setting put back", "interface", ifc, "setting", name)
	}
	d.forget(ifindex, name)
}

// putBack undoes what was remembered under a name.
func putBack(net *link.Handle, ifindex int, ifc, name string) error {
	if name == madePromiscuous {
		return net.SetPromiscuous(ifindex, false)
	}
	return net.SetFeatures(ifc, map[string]bool{name: true})
}
