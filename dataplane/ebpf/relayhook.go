package ebpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	bpflink "github.com/cilium/ebpf/link"
)

// relayName names our filter where there is no tcx.
const relayName = "tandem_relay"

// tcxPin is what the pin of a tcx link has for a mode.
const tcxPin = "tcx"

// relayHook is the tc program on the ingress of an interface: it does what XDP
// cannot (copies, queues), and everything where XDP is not.
type relayHook struct {
	link   bpflink.Link            // tcx, from Linux 6.6 on
	legacy func(ifindex int) error // tells whether the filter is there; before 6.6
}

// attached tells whether the program is still there.
func (r *relayHook) attached(ifindex int) bool {
	if r.legacy != nil {
		return r.legacy(ifindex) == nil
	}
	if r.link == nil {
		return false
	}
	info, err := r.link.Info()
	if err != nil {
		return false
	}
	x := info.TCX()
	return x != nil && int(x.Ifindex) == ifindex
}

// attachRelay puts the tc program on an interface, if it is not there. Under
// tcx it goes before all programs that are there: what is ours must not be
// changed or redirected by another, and what is not goes on to them untouched.
func (d *Driver) attachRelay(h *hook) error {
	if h.roles&roleImpose == 0 {
		// Before the program: it can do nothing without.
		if _, err := d.portRelay(uint32(h.ifindex), h.roles&roleAttachment != 0); err != nil {
			return err
		}
	}
	if d.relayProgram() == nil {
		return errors.New("no relay")
	}
	if h.relay.attached(h.ifindex) {
		return nil
	}
	if h.relay.link != nil {
		_ = errors.Join(h.relay.link.Unpin(), h.relay.link.Close()) // Somebody detached it.
		h.relay.link = nil
	}
	var l bpflink.Link
	err := d.net.Do(func() (err error) {
		l, err = bpflink.AttachTCX(bpflink.TCXOptions{
			Interface: h.ifindex, Program: d.relayProgram(), Attach: ebpf.AttachTCXIngress, Anchor: bpflink.Head(),
		})
		return err
	})
	if errors.Is(err, ebpf.ErrNotSupported) {
		return d.attachFilter(h)
	}
	if err != nil {
		return fmt.Errorf("attach tc program: %w", err)
	}
	if err := d.pinLink(l, h.ifindex, tcxPin); err != nil {
		return err
	}
	h.relay.link = l
	return nil
}

// attachFilter does the same by a filter of clsact. It replaces that of an
// earlier process in one step.
func (d *Driver) attachFilter(h *hook) error {
	added, err := d.net.SetIngress(h.ifindex, d.relayProgram().FD(), relayName)
	if added {
		d.remember(h.ifindex, clsactAdded)
	}
	if err != nil {
		return fmt.Errorf("attach tc program: %w", err)
	}
	h.relay.legacy = func(ifindex int) error {
		id, err := d.net.Ingress(ifindex, relayName)
		if err == nil && id == 0 {
			err = errors.New("filter is gone")
		}
		return err
	}
	return nil
}

// detachRelay takes the tc program off.
func (d *Driver) detachRelay(h *hook) {
	var err error
	if h.relay.link != nil {
		err = errors.Join(h.relay.link.Unpin(), h.relay.link.Close())
	}
	if h.relay.legacy != nil {
		err = d.net.ClearIngress(h.ifindex, relayName, d.forget(h.ifindex, clsactAdded))
	}
	h.relay = relayHook{}
	if err != nil {
		d.log.Warn("tc program not removed", "interface", h.name, "error", err)
	}
	if h.roles&roleImpose == 0 {
		d.dropPortRelay(uint32(h.ifindex))
	}
}
