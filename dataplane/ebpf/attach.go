package ebpf

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	bpflink "github.com/cilium/ebpf/link"

	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// relayReason is why an attachment circuit is in ModeRelay.
const relayReason = "frames of a virtual interface can lack checksums and segmentation, which the relay completes"

// hostState is what the driver keeps of interfaces.
type hostState struct {
	modeReason string                   // why mode is what it is
	blocked    map[int]string           // interfaces on which somebody else's XDP program keeps ours out
	found      found                    // what was changed there
	queues     *link.Scheduling[uint64] // by hashed name of the section
}

// role is what an interface is used for; an interface can have several.
type role uint8

const (
	// roleSection: labelled frames are taken.
	roleSection role = 1 << iota
	// roleTagged: of sections on VLANs.
	roleTagged
	// roleAttachment: frames of clients are taken.
	roleAttachment
	// roleImpose: the far end of the impose device.
	roleImpose
)

// hook is our programs on an interface.
type hook struct {
	ifindex int
	name    string // when it was last asked for
	roles   role
	mode    Mode
	reason  string // why this mode
	// direct tells that frames of clients on it are complete, so that XDP may
	// take them.
	direct bool
	// link is the XDP program, nil in ModeTC and ModeRelay.
	link    bpflink.Link
	program *ebpf.Program
	relay   relayHook
}

// takesXDP tells whether XDP is needed for what the interface is used for.
func (h *hook) takesXDP() bool {
	return h.roles&^roleAttachment != 0 || h.direct
}

// attached tells whether our programs are still on the interface.
func (h *hook) attached() bool {
	if h.link == nil {
		return h.relay.attached(h.ifindex)
	}
	info, err := h.link.Info()
	if err != nil {
		return false
	}
	x := info.XDP()
	return x != nil && int(x.Ifindex) == h.ifindex
}

// useInterface makes sure that our programs are on an interface for a role. It
// switches offloads that break label switching, remembers what they were, and
// chooses the mode. An error that a retry cannot cure is a *fault.
func (d *Driver) useInterface(l link.Link, r role) error {
	if err := d.suitable(l, r); err != nil {
		return err
	}
	h := d.hooks[l.Index]
	isNew := h == nil
	if isNew {
		h = &hook{ifindex: l.Index, program: d.objs.TandemSection}
		if r == roleImpose {
			h.program = d.objs.TandemImpose
		}
		d.hooks[l.Index] = h
	}
	before := h.roles
	h.name = l.Name
	h.roles |= r
	err := d.equip(h, l)
	if err != nil {
		h.roles = before
		if isNew {
			d.detach(l.Index)
		}
	}
	d.setNative(d.allNative())
	return err
}

// equip puts on the interface what its roles need.
func (d *Driver) equip(h *hook, l link.Link) error {
	if h.roles&roleAttachment != 0 {
		h.direct, _ = d.attachmentMode(l)
	}
	if err := d.choose(h); err != nil {
		return err
	}
	if err := d.switchOffloads(h); err != nil {
		return err
	}
	relay := d.attachRelay(h)
	if !h.takesXDP() {
		if d.opt.Mode == ModeAuto && d.mode == ModeNative {
			d.fallBack(h.name + " is a virtual interface, to which native redirection may drop frames")
		}
		d.detachXDP(h)
		h.mode, h.reason = ModeRelay, relayReason
		return relay
	}
	if d.opt.Mode == ModeTC && h.roles&roleImpose == 0 {
		d.detachXDP(h)
		h.mode, h.reason = ModeTC, "asked for"
		return relay
	}
	return d.attachXDP(h, relay)
}

// choose picks the XDP program for what the interface is used for, and puts it in
// the place of one that is there.
func (d *Driver) choose(h *hook) error {
	want := d.objs.TandemSection
	switch {
	case h.roles&roleImpose != 0:
		want = d.objs.TandemImpose
	case h.roles&roleAttachment != 0 && h.direct:
		var err error
		if want, err = d.attachmentProgram.get(); err != nil {
			return err
		}
	}
	if h.program == want {
		return nil
	}
	h.program = want
	if h.link == nil {
		return nil
	}
	if err := h.link.Update(want); err != nil {
		return fmt.Errorf("replace program on interface %d: %w", h.ifindex, err)
	}
	return nil
}

// attachXDP puts the XDP program on an interface in the mode of all, or leaves
// its frames to the relay if ModeAuto allows that.
func (d *Driver) attachXDP(h *hook, relay error) error {
	if h.roles&roleImpose != 0 && d.relayProgram() != nil {
		// Generic XDP passes by what tc has redirected, and relayed frames are
		// that.
		if h.mode == ModeNative && h.attached() {
			return nil
		}
		d.detachXDP(h)
		h.reason = "relayed frames are seen by native XDP only"
		return d.attachAs(h, ModeNative)
	}
	if h.link != nil && h.mode == d.mode && h.attached() {
		h.reason = d.modeReason
		return nil
	}
	if d.opt.Mode == ModeAuto && d.mode == ModeNative && !d.nativeSafe(h.name) {
		d.fallBack(h.name + " is a virtual interface, to which native redirection may drop frames")
	}
	if h.mode == ModeTC && h.link == nil && d.opt.Mode == ModeAuto && h.relay.attached(h.ifindex) && d.foreignXDP(h.ifindex) != "" {
		return relay // As it was found.
	}
	d.detachXDP(h)
	err := d.attachAs(h, d.mode)
	if err != nil && d.opt.Mode == ModeAuto && d.mode == ModeNative {
		d.fallBack(h.name + ": " + err.Error())
		err = d.attachAs(h, d.mode)
	}
	if err == nil {
		h.reason = d.modeReason
		return nil
	}
	foreign := d.foreignXDP(h.ifindex)
	if foreign != "" {
		err = &fault{fmt.Sprintf("interface %s has %s", h.name, foreign), err}
		d.blocked[h.ifindex] = h.name
	}
	if d.opt.Mode != ModeAuto {
		return err
	}
	if relay != nil {
		return errors.Join(err, relay)
	}
	h.mode, h.reason = ModeTC, err.Error()
	d.log.Warn("XDP not possible, frames are relayed from tc", "interface", h.name, "why", h.reason)
	return nil
}

// foreignXDP names the XDP programs on an interface, empty for none. Ours is
// not on it when this is asked.
func (d *Driver) foreignXDP(ifindex int) string {
	x, err := d.net.XDP(ifindex)
	if err != nil {
		return ""
	}
	for _, id := range []uint32{x.Native, x.Generic, x.Offloaded} {
		if id == 0 {
			continue
		}
		name := ""
		if p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id)); err == nil {
			if info, err := p.Info(); err == nil {
				name = " " + info.Name
			}
			p.Close()
		}
		return fmt.Sprintf("an XDP program of somebody else (%d%s)", id, name)
	}
	return ""
}

// suitable refuses interfaces that cannot be used, or not by us.
func (d *Driver) suitable(l link.Link, r role) error {
	if !l.Ethernet {
		return &fault{reason: fmt.Sprintf("interface %s is no Ethernet", l.Name)}
	}
	if l.Master == 0 {
		return nil
	}
	m, err := d.net.ByIndex(l.Master)
	if err != nil {
		return nil // In another namespace, or gone since.
	}
	switch m.Kind {
	case "bond", "team":
		return &fault{reason: fmt.Sprintf("interface %s belongs to %s %s: use that", l.Name, m.Kind, m.Name)}
	case "bridge", "openvswitch":
		if r == roleAttachment {
			return &fault{reason: fmt.Sprintf("interface %s belongs to %s %s, which would lose all its frames", l.Name, m.Kind, m.Name)}
		}
	}
	return nil
}

// nativeSafe tells whether frames can be redirected natively to an interface
// that runs XDP itself: to network cards.
func (d *Driver) nativeSafe(name string) bool {
	hw, err := d.hardware(name)
	return err == nil && hw.Bus != ""
}

// hardware tells what is behind an interface.
func (d *Driver) hardware(name string) (link.Hardware, error) {
	if d.opt.hardware != nil {
		return d.opt.hardware(name)
	}
	return d.net.Hardware(name)
}

// attachmentMode tells whether XDP may take the frames of clients on an
// interface. What a neighbour in the same machine sends (veth, tun, a virtual
// machine's card) can lack its checksum or wait for segmentation, and only tc
// sees such frames whole.
func (d *Driver) attachmentMode(l link.Link) (direct bool, driver string) {
	hw, err := d.hardware(l.Name)
	if err != nil {
		return false, l.Kind
	}
	switch hw.Driver {
	case "virtio_net", "vmxnet3", "hv_netvsc", "vif", "ena", "gve":
		return false, hw.Driver
	}
	return hw.Bus != "" && d.opt.Mode != ModeTC, hw.Driver
}

// attachable tells what is known by now to keep attachment circuits off an
// interface.
func (d *Driver) attachable(name string) error {
	_, err := d.attachmentProgram.ready()
	if err == nil {
		return nil
	}
	l, missing := d.net.ByName(name)
	if missing != nil {
		return nil // It may come, and be another.
	}
	if direct, _ := d.attachmentMode(l); !direct {
		return nil
	}
	return err
}

// fallBack turns every interface from native to generic XDP, because native
// redirection works only between interfaces that all have it. Frames that
// arrive between the two programs go through the relay.
func (d *Driver) fallBack(why string) {
	d.setNative(false)
	d.mode, d.modeReason = ModeGeneric, why
	for _, h := range d.hooks {
		if h.mode != ModeNative || h.roles&roleImpose != 0 {
			continue
		}
		d.log.Warn("native XDP given up for generic", "interface", h.name, "why", why)
		d.detachXDP(h)
		if err := d.attachAs(h, ModeGeneric); err != nil {
			h.mode, h.reason = ModeTC, err.Error()
			d.log.Error("generic XDP not possible, frames are relayed from tc", "interface", h.name, "error", err)
			continue
		}
		h.reason = why
	}
}

// attachAs attaches the XDP program and pins the link. The hook is changed only
// if that succeeds.
func (d *Driver) attachAs(h *hook, m Mode) error {
	flags := bpflink.XDPGenericMode
	if m == ModeNative {
		flags = bpflink.XDPDriverMode
	}
	var l bpflink.Link
	err := d.net.Do(func() (err error) {
		l, err = bpflink.AttachXDP(bpflink.XDPOptions{Program: h.program, Interface: h.ifindex, Flags: flags})
		return err
	})
	if err != nil {
		return fmt.Errorf("attach %s XDP: %w", m, err)
	}
	if err := d.pinLink(l, h.ifindex, m.String()); err != nil {
		return err
	}
	h.link, h.mode = l, m
	return nil
}

// pinLink pins a link, or closes it.
func (d *Driver) pinLink(l bpflink.Link, ifindex int, what string) error {
	path := d.pins.link(ifindex, what)
	err := l.Pin(path)
	if err != nil {
		// Somebody removed the directory since the last look.
		if err = d.pins.make(); err == nil {
			err = l.Pin(path)
		}
	}
	if err != nil {
		l.Close()
		return fmt.Errorf("pin link: %w", err)
	}
	return nil
}

// detachXDP takes the XDP program off.
func (d *Driver) detachXDP(h *hook) {
	if h.link == nil {
		return
	}
	if err := errors.Join(h.link.Unpin(), h.link.Close()); err != nil {
		d.log.Warn("XDP link not removed", "interface", h.name, "error", err)
	}
	h.link = nil
}

// leaveInterface ends a role of an interface; with the last one goes everything
// that was put on it, and offloads are as they were found.
func (d *Driver) leaveInterface(ifindex int, r role) {
	h := d.hooks[ifindex]
	if h == nil {
		return
	}
	if h.roles &^= r; h.roles != 0 {
		h.direct = h.direct && h.roles&roleAttachment != 0
		if l, err := d.net.ByIndex(ifindex); err == nil {
			if err := d.equip(h, l); err != nil {
				d.log.Warn("programs of an interface not changed", "interface", h.name, "error", err)
			}
		}
		return
	}
	d.detach(ifindex)
}

// detach takes everything of ours off an interface.
func (d *Driver) detach(ifindex int) {
	h := d.hooks[ifindex]
	if h == nil {
		return
	}
	delete(d.hooks, ifindex)
	d.detachXDP(h)
	d.detachRelay(h)
	d.restoreOffloads(ifindex)
	if len(d.hooks) <= 1 {
		d.startMode() // Only the impose device is left: the next one may be a card.
	}
	d.setNative(d.allNative())
}

// startMode is the mode before any interface speaks against it.
func (d *Driver) startMode() {
	d.mode, d.modeReason = d.opt.Mode, "asked for"
	if d.opt.Mode == ModeAuto {
		d.mode, d.modeReason = ModeNative, "every interface in use is a card with native XDP"
	}
}

// modeOfPin reads the name of a pinned link, INDEX-MODE.
func modeOfPin(name string) (index, what string, ok bool) { return strings.Cut(name, "-") }
