package ebpf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	bpflink "github.com/cilium/ebpf/link"
)

// openHooks adopts the pinned links and puts the new programs in their place,
// one step each. Links of interfaces that are gone are removed. Where the
// tables are new, those of another schema version forward until the first
// Apply has filled ours.
func (d *Driver) openHooks(adopted bool) error {
	d.startMode()
	entries, err := os.ReadDir(d.pins.links())
	if err != nil {
		return fmt.Errorf("list pinned links: %w", err)
	}
	for _, e := range entries {
		if err := d.openHook(e.Name()); err != nil {
			return err
		}
	}
	if l, err := d.net.ByName(d.opt.ImposeDevice + "x"); err == nil {
		// Before changeModes tells the programs which interface sends by tc: with
		// none, relayed frames would go nowhere until the device is opened.
		d.impose = l
		if h := d.hooks[l.Index]; h != nil {
			h.roles, h.program = roleImpose, d.objs.TandemImpose
		}
	}
	for _, s := range d.sections {
		d.adoptRole(int(s.entry.Ifindex), roleSection)
		if s.entry.Vlan != 0 {
			d.adoptRole(int(s.entry.Ifindex), roleTagged)
		}
		if s.entry.Flags&flagSectionQueues != 0 {
			d.queuesOf(int(s.entry.Ifindex), s.hash)
		}
	}
	for _, ifindex := range d.attachmentInterfaces() {
		d.adoptRole(ifindex, roleAttachment)
		if h := d.hooks[ifindex]; h != nil && h.direct {
			if h.program, err = d.attachmentProgram.get(); err != nil {
				return err
			}
		}
	}
	d.adoptMode()
	if !adopted && len(d.hooks) > 0 {
		d.otherPinned = true
		return nil
	}
	return d.updateHooks()
}

// openHook adopts one pinned link.
func (d *Driver) openHook(pin string) error {
	index, what, ok := modeOfPin(pin)
	ifindex, err := strconv.Atoi(index)
	if !ok || err != nil {
		return nil
	}
	l, err := bpflink.LoadPinnedLink(filepath.Join(d.pins.links(), pin), nil)
	if err != nil {
		return fmt.Errorf("open pinned link %s: %w", pin, err)
	}
	h := d.hooks[ifindex]
	if h == nil {
		h = &hook{ifindex: ifindex, mode: ModeTC, program: d.objs.TandemSection}
	}
	probe := hook{ifindex: ifindex}
	if what == tcxPin {
		probe.relay.link = l
	} else {
		probe.link = l
	}
	if !probe.attached() {
		if err := errors.Join(l.Unpin(), l.Close()); err != nil {
			return fmt.Errorf("remove stale link %s: %w", pin, err)
		}
		return nil
	}
	switch what {
	case tcxPin:
		h.relay.link = l
	case ModeNative.String():
		h.link, h.mode = l, ModeNative
	default:
		h.link, h.mode = l, ModeGeneric
	}
	if i, err := d.net.ByIndex(ifindex); err == nil {
		h.name = i.Name
	}
	d.hooks[ifindex] = h
	return nil
}

// adoptRole notes what an interface is used for by tables that were adopted.
// Where there is no link, because all is done by a filter, that is taken over.
func (d *Driver) adoptRole(ifindex int, r role) {
	h := d.hooks[ifindex]
	if h == nil {
		l, err := d.net.ByIndex(ifindex)
		if err != nil {
			return // Gone: the dump will tell.
		}
		if id, err := d.net.Ingress(ifindex, relayName); err != nil || id == 0 {
			return
		}
		h = &hook{ifindex: ifindex, name: l.Name, mode: ModeTC, program: d.objs.TandemSection}
		d.hooks[ifindex] = h
	}
	h.roles |= r
	if r == roleAttachment {
		if l, err := d.net.ByIndex(ifindex); err == nil {
			h.direct, _ = d.attachmentMode(l)
		}
	}
}

// adoptMode chooses the mode of all by what was adopted, and the reasons.
func (d *Driver) adoptMode() {
	for _, h := range d.hooks {
		if h.roles&roleImpose != 0 {
			h.reason = "relayed frames are seen by native XDP only"
			continue
		}
		if h.roles == 0 {
			continue // Of another schema version: the first Apply tells.
		}
		if !h.takesXDP() {
			h.mode = ModeRelay
			continue
		}
		if d.opt.Mode == ModeAuto && d.mode == ModeNative && (h.mode == ModeTC || !d.nativeSafe(h.name)) {
			d.mode, d.modeReason = ModeGeneric, h.name+" is a virtual interface, to which native redirection may drop frames"
			if h.mode == ModeTC {
				d.modeReason = h.name + " takes no XDP program of ours"
			}
		}
	}
	for _, h := range d.hooks {
		switch {
		case h.roles&roleImpose != 0:
		case h.mode == ModeTC && d.opt.Mode == ModeTC:
			h.reason = d.modeReason
		case h.mode == ModeTC:
			h.reason = "XDP was not possible"
			if foreign := d.foreignXDP(h.ifindex); foreign != "" {
				h.reason = fmt.Sprintf("interface %s has %s", h.name, foreign)
			}
			d.blocked[h.ifindex] = h.name
		case h.mode == ModeRelay:
			h.reason = relayReason
		default:
			h.reason = d.modeReason
		}
	}
}

// updateHooks puts this process's programs on every adopted link, and changes
// the mode where another one is asked for than that of the last process.
func (d *Driver) updateHooks() error {
	for _, h := range d.hooks {
		if h.link != nil {
			if err := h.link.Update(h.program); err != nil {
				return fmt.Errorf("replace program on interface %d: %w", h.ifindex, err)
			}
		}
		if h.relay.link != nil {
			if err := h.relay.link.Update(d.relayProgram()); err != nil {
				return fmt.Errorf("replace tc program on interface %d: %w", h.ifindex, err)
			}
		} else if err := d.attachRelay(h); err != nil {
			d.log.Warn("tc program not attached", "interface", h.name, "error", err)
		}
	}
	d.otherPinned = false
	if err := d.changeModes(); err != nil {
		return err
	}
	return d.pins.dropOtherVersions()
}

// changeModes brings adopted hooks to the mode of all. Nothing is lost: while
// an interface is between two XDP programs its frames go through the relay, and
// a program that passes everything keeps them there until all interfaces can
// take what is redirected natively.
func (d *Driver) changeModes() error {
	var changed []*hook
	for _, h := range d.hooks {
		if h.roles != 0 && h.roles&roleImpose == 0 && h.takesXDP() && h.mode != d.mode && d.blocked[h.ifindex] == "" {
			changed = append(changed, h)
		}
	}
	d.setNative(false)
	defer func() { d.setNative(d.allNative()) }()
	if len(changed) == 0 {
		return nil
	}
	pass, err := passProgram()
	if err != nil {
		return err
	}
	defer pass.Close()
	for _, h := range changed {
		from := h.mode
		d.detachXDP(h)
		if d.mode == ModeTC {
			h.mode, h.reason = ModeTC, d.modeReason
			continue
		}
		program := h.program
		h.program = pass
		err := d.attachAs(h, d.mode)
		h.program = program
		if err != nil {
			d.log.Error("mode of XDP not changed, frames are relayed from tc", "interface", h.name, "from", from, "error", err)
			h.mode, h.reason = ModeTC, err.Error()
			continue
		}
		h.reason = d.modeReason
	}
	for _, h := range changed {
		if h.link == nil {
			continue
		}
		if err := h.link.Update(h.program); err != nil {
			return fmt.Errorf("replace program on interface %s: %w", h.name, err)
		}
		d.log.Info("mode of XDP changed", "interface", h.name, "mode", h.mode)
	}
	return nil
}

// allNative tells whether every interface that frames are sent to takes native
// redirection.
func (d *Driver) allNative() bool {
	for _, h := range d.hooks {
		if h.mode != ModeNative {
			return false
		}
	}
	return d.mode == ModeNative
}

// passProgram loads a program that leaves every frame to tc.
func passProgram() (*ebpf.Program, error) {
	const xdpPass = 2
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "tandem_pass", Type: ebpf.XDP, AttachType: ebpf.AttachXDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()},
	})
	if err != nil {
		return nil, fmt.Errorf("load program: %w", err)
	}
	return p, nil
}
