package ebpf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	bpflink "github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
)

// hook is a program on an interface.
type hook struct {
	link    bpflink.Link
	ifindex int
	mode    Mode
	program *ebpf.Program
}

// attached tells whether the program is still on its interface.
func (h *hook) attached() bool {
	info, err := h.link.Info()
	if err != nil {
		return false
	}
	x := info.XDP()
	return x != nil && int(x.Ifindex) == h.ifindex
}

// openHooks adopts the pinned links and puts the new programs in their place,
// one step each. Links of interfaces that are gone are removed. Where the
// tables are new, those of another schema version forward until the first
// Apply has filled ours.
func (d *Driver) openHooks(adopted bool) error {
	d.mode = ModeGeneric
	if d.opt.Mode != ModeGeneric {
		d.mode = ModeNative
	}
	entries, err := os.ReadDir(d.pins.links())
	if err != nil {
		return fmt.Errorf("list pinned links: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(d.pins.links(), e.Name())
		index, mode, ok := strings.Cut(e.Name(), "-")
		ifindex, err := strconv.Atoi(index)
		if !ok || err != nil {
			continue
		}
		l, err := bpflink.LoadPinnedLink(path, nil)
		if err != nil {
			return fmt.Errorf("open pinned link %s: %w", e.Name(), err)
		}
		h := &hook{link: l, ifindex: ifindex, mode: ModeGeneric, program: d.objs.TandemSection}
		if mode == ModeNative.String() {
			h.mode = ModeNative
		} else if d.opt.Mode == ModeAuto {
			d.mode = ModeGeneric
		}
		if !h.attached() {
			if err := errors.Join(l.Unpin(), l.Close()); err != nil {
				return fmt.Errorf("remove stale link %s: %w", e.Name(), err)
			}
			continue
		}
		d.hooks[ifindex] = h
	}
	if !adopted && len(d.hooks) > 0 {
		d.otherPinned = true
		return nil
	}
	return d.updateHooks()
}

// updateHooks puts this process's programs on every adopted link.
func (d *Driver) updateHooks() error {
	far := 0
	if l, err := d.net.ByName(d.opt.ImposeDevice + "x"); err == nil {
		far = l.Index
	}
	for _, h := range d.hooks {
		if h.ifindex == far {
			h.program = d.objs.TandemImpose
		}
		if err := h.link.Update(h.program); err != nil {
			return fmt.Errorf("replace program on interface %d: %w", h.ifindex, err)
		}
	}
	d.otherPinned = false
	return d.pins.dropOtherVersions()
}

// attach makes sure that a program is on an interface.
func (d *Driver) attach(ifindex int, name string, program *ebpf.Program) error {
	if h := d.hooks[ifindex]; h != nil {
		if h.attached() && h.mode == d.mode {
			return nil
		}
		d.detach(ifindex)
	}
	if d.opt.Mode == ModeAuto && d.mode == ModeNative && !d.nativeSafe(name) {
		if err := d.fallBack(name, "is a virtual interface"); err != nil {
			return err
		}
	}
	err := d.attachAs(d.mode, ifindex, program)
	if err != nil && d.opt.Mode == ModeAuto && d.mode == ModeNative {
		if err := d.fallBack(name, err.Error()); err != nil {
			return err
		}
		err = d.attachAs(d.mode, ifindex, program)
	}
	return err
}

// fallBack turns every hook to generic XDP, because native redirection works
// only between interfaces that all have it.
func (d *Driver) fallBack(name, why string) error {
	d.mode = ModeGeneric
	for ifindex, h := range d.hooks {
		d.log.Info("native XDP given up for generic", "interface-index", ifindex, "because-of", name, "why", why)
		d.detach(ifindex)
		if err := d.attachAs(ModeGeneric, ifindex, h.program); err != nil {
			return err
		}
	}
	return nil
}

func (d *Driver) attachAs(m Mode, ifindex int, program *ebpf.Program) error {
	flags := bpflink.XDPGenericMode
	if m == ModeNative {
		flags = bpflink.XDPDriverMode
	}
	var l bpflink.Link
	err := d.net.Do(func() (err error) {
		l, err = bpflink.AttachXDP(bpflink.XDPOptions{Program: program, Interface: ifindex, Flags: flags})
		return err
	})
	if err != nil {
		return fmt.Errorf("attach %s XDP: %w", m, err)
	}
	path := d.pins.link(ifindex, m)
	if err = l.Pin(path); errors.Is(err, os.ErrNotExist) {
		// Somebody removed the directory since the last look.
		if err = d.pins.make(); err == nil {
			err = l.Pin(path)
		}
	}
	if err != nil {
		l.Close()
		return fmt.Errorf("pin XDP link: %w", err)
	}
	d.hooks[ifindex] = &hook{link: l, ifindex: ifindex, mode: m, program: program}
	return nil
}

// detach takes the program off an interface.
func (d *Driver) detach(ifindex int) {
	h := d.hooks[ifindex]
	if h == nil {
		return
	}
	delete(d.hooks, ifindex)
	if err := errors.Join(h.link.Unpin(), h.link.Close()); err != nil {
		d.log.Warn("XDP link not removed", "interface-index", ifindex, "error", err)
	}
}

// openImposeDevice makes the device of the IP clients and puts the program on
// its far end. The near end has no offloads: what reaches the program are
// packets with their checksums, one frame each.
func (d *Driver) openImposeDevice() error {
	near, far, err := d.net.EnsureVeth(d.opt.ImposeDevice, d.opt.ImposeDevice+"x")
	if err != nil {
		return fmt.Errorf("impose device: %w", err)
	}
	d.imposeNear, d.impose = near, far
	err = d.net.Do(func() error {
		for _, l := range []string{near.Name, far.Name} {
			// Nothing but what the routes send may come this way: no
			// neighbour discovery, no router solicitations.
			err := os.WriteFile("/proc/sys/net/ipv6/conf/"+l+"/addr_gen_mode", []byte("1"), 0)
			if err != nil && !errors.Is(err, os.ErrNotExist) { // A kernel without IPv6.
				return err
			}
		}
		for _, cmd := range []uint32{unix.ETHTOOL_STSO, unix.ETHTOOL_SGSO, unix.ETHTOOL_STXCSUM} {
			if on, err := ethtoolGet(near.Name, cmd-1); err == nil && on == 0 {
				continue // Each command to set is the one after that to get.
			}
			if err := ethtoolSet(near.Name, cmd, 0); err != nil {
				return fmt.Errorf("turn offloads off on %s: %w", near.Name, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("impose device: %w", err)
	}
	if err := d.setHost(); err != nil {
		return fmt.Errorf("impose device: %w", err)
	}
	if d.otherPinned {
		return nil // Its link, if there is one, is updated with the others.
	}
	return d.attach(far.Index, far.Name, d.objs.TandemImpose)
}

// nativeSafe tells whether frames can be redirected natively to an interface
// that runs XDP itself.
func (d *Driver) nativeSafe(name string) bool {
	if name == d.impose.Name {
		return true // Nothing is redirected to it.
	}
	var driver string
	err := d.net.Do(func() (err error) {
		driver, err = ethtoolDriver(name)
		return err
	})
	return err == nil && driver != "veth" && driver != "tun"
}

// prepareVLAN keeps VLAN tags in the frames, where XDP sees them.
func (d *Driver) prepareVLAN(name string) error {
	const flagRXVLAN = 1 << 8
	err := d.net.Do(func() error {
		v, err := ethtoolGet(name, unix.ETHTOOL_GFLAGS)
		if err != nil || v&flagRXVLAN == 0 {
			return nil // A driver without the flag leaves tags alone.
		}
		return ethtoolSet(name, unix.ETHTOOL_SFLAGS, v&^flagRXVLAN)
	})
	if err != nil {
		return fmt.Errorf("turn receive VLAN offload off: %w", err)
	}
	return nil
}

// joinMulticast makes a card receive the MPLS-TP address. Like the program, and
// unlike the membership of a socket, it outlives the process. An interface that
// cannot filter refuses, and receives everything anyway.
func (d *Driver) joinMulticast(name string) {
	err := d.net.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		var req struct {
			name   [unix.IFNAMSIZ]byte
			family uint16 // AF_UNSPEC
			mac    dataplane.MAC
			_      [16]byte
		}
		copy(req.name[:unix.IFNAMSIZ-1], name)
		req.mac = dataplane.MulticastMAC()
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCADDMULTI, uintptr(unsafe.Pointer(&req)))
		if e != 0 && e != unix.EEXIST {
			return e
		}
		return nil
	})
	if err != nil {
		d.log.Info("MPLS-TP multicast address not joined", "interface", name, "error", err)
	}
}

// ethtoolValue is struct ethtool_value.
type ethtoolValue struct{ cmd, data uint32 }

func ethtoolSet(name string, cmd, value uint32) error {
	_, err := ethtool(name, &ethtoolValue{cmd, value})
	return err
}

func ethtoolGet(name string, cmd uint32) (uint32, error) {
	return ethtool(name, &ethtoolValue{cmd: cmd})
}

func ethtool(name string, v *ethtoolValue) (uint32, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	var req struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(req.name[:unix.IFNAMSIZ-1], name)
	req.data = unsafe.Pointer(v)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); e != 0 {
		return 0, e
	}
	return v.data, nil
}

func ethtoolDriver(name string) (string, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	info, err := unix.IoctlGetEthtoolDrvinfo(fd, name)
	if err != nil {
		return "", err
	}
	return unix.ByteSliceToString(info.Driver[:]), nil
}
