package link

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// filterHandle marks our filter among those of the same preference.
const filterHandle = queueMajor

// SetIngress puts a program of eBPF on the ingress of an interface, as a filter
// (cls_bpf, direct action) of clsact: the way of kernels before tcx (6.6). A
// filter of that name is replaced in one step; those of others stay. Ours has
// the lowest preference that is free for it, so that it comes first. The result
// tells whether the clsact was not there.
func (h *Handle) SetIngress(index, program int, name string) (added bool, err error) {
	err = h.nl.QdiscAdd(clsact(index))
	if added = err == nil; !added && !errors.Is(err, unix.EEXIST) {
		return false, fmt.Errorf("add clsact to interface %d: %w", index, err)
	}
	f := &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: index, Parent: netlink.HANDLE_MIN_INGRESS, Handle: filterHandle, Protocol: unix.ETH_P_ALL,
		},
		Fd: program, Name: name, DirectAction: true,
	}
	old, _, err := h.ingress(index, name)
	if err != nil {
		return added, err
	}
	if old != nil {
		f.Priority = old.Priority
		if err := h.nl.FilterReplace(f); err != nil {
			return added, fmt.Errorf("replace filter on interface %d: %w", index, err)
		}
		return added, nil
	}
	// A preference is of one kind of filter and one protocol: another's is
	// passed over.
	const preferences = 64
	for f.Priority = 1; ; f.Priority++ {
		err = h.nl.FilterAdd(f)
		if err == nil {
			return added, nil
		}
		if f.Priority == preferences || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV) {
			return added, fmt.Errorf("add filter to interface %d: %w", index, err)
		}
	}
}

// Ingress returns the identifier of the program of our filter of a name, 0 if
// there is none.
func (h *Handle) Ingress(index int, name string) (program int, err error) {
	f, _, err := h.ingress(index, name)
	if f == nil || err != nil {
		return 0, err
	}
	return f.Id, nil
}

// ClearIngress removes our filter of a name. With clean, the clsact goes as
// well if nobody else has a filter there. What is not there is no error.
func (h *Handle) ClearIngress(index int, name string, clean bool) error {
	gone := func(err error) bool { // No such interface, or no clsact.
		return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL)
	}
	f, others, err := h.ingress(index, name)
	if err == nil && f != nil {
		err = h.nl.FilterDel(f)
	}
	if err == nil && clean && !others {
		var out []netlink.Filter
		if out, err = h.nl.FilterList(device(index), netlink.HANDLE_MIN_EGRESS); err == nil && len(out) == 0 {
			err = h.nl.QdiscDel(clsact(index))
		}
	}
	if err != nil && !gone(err) {
		return fmt.Errorf("clear filter of interface %d: %w", index, err)
	}
	return nil
}

// ingress finds our filter of a name and tells whether there are others.
func (h *Handle) ingress(index int, name string) (ours *netlink.BpfFilter, others bool, err error) {
	all, err := h.nl.FilterList(device(index), netlink.HANDLE_MIN_INGRESS)
	if err != nil {
		return nil, false, fmt.Errorf("filters of interface %d: %w", index, err)
	}
	for _, f := range all {
		b, is := f.(*netlink.BpfFilter)
		if is && b.Handle == filterHandle && b.Name == name && b.DirectAction {
			ours = b
		} else {
			others = true
		}
	}
	return ours, others, nil
}

func clsact(index int) *netlink.Clsact {
	return &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
	}}
}

// blockLink stands for no interface: the filters are those of a shared block.
const blockLink = -1

// SetBlock puts a program of eBPF before the filters of a shared block, as a
// filter (cls_bpf, direct action) of preference 1. Ours of that name is replaced
// in one step.
func (h *Handle) SetBlock(block uint32, program int, name string) error {
	if err := h.nl.FilterReplace(blockFilter(block, program, name)); err != nil {
		return fmt.Errorf("put program before block %d: %w", block, err)
	}
	return nil
}

// Block returns the identifier of the program before a shared block, 0 if there
// is none of that name.
func (h *Handle) Block(block uint32, name string) (program int, err error) {
	all, err := h.nl.FilterList(device(blockLink), block)
	if err != nil {
		return 0, fmt.Errorf("filters of block %d: %w", block, err)
	}
	for _, f := range all {
		if b, is := f.(*netlink.BpfFilter); is && b.Handle == filterHandle && b.Name == name {
			return b.Id, nil
		}
	}
	return 0, nil
}

// ClearBlock removes our program; one that is not there is no error.
func (h *Handle) ClearBlock(block uint32) error {
	err := h.nl.FilterDel(blockFilter(block, -1, ""))
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("remove program before block %d: %w", block, err)
	}
	return nil
}

func blockFilter(block uint32, program int, name string) *netlink.BpfFilter {
	return &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: blockLink, Parent: block, Handle: filterHandle, Priority: 1, Protocol: unix.ETH_P_ALL},
		Fd:          program, Name: name, DirectAction: true,
	}
}
