package ebpf

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
)

// Apply implements dataplane.Driver. Table writes take effect one by one, in
// the order of ops; the IP routes of the batch follow, pipelined, the new ones
// last and the old ones first, so that no packet is routed to the impose
// device without a prefix there.
func (d *Driver) Apply(ctx context.Context, ops []dataplane.Op) []*dataplane.OpError {
	d.mu.Lock()
	defer d.mu.Unlock()
	var failed []*dataplane.OpError
	rt := &routes{put: map[netip.Prefix]dataplane.Key{}}
	for i, op := range ops {
		err := ctx.Err()
		if err == nil {
			err = d.applyOne(op, rt)
		}
		if err != nil {
			failed = append(failed, opError(ops[i].Key, err))
		}
	}
	failed = append(failed, d.applyRoutes(rt)...)
	if err := d.clearRetired(); err != nil {
		d.log.Error("an old entry stays in the table of LSPs", "error", err)
	}
	if err := d.clearRetiredClients(); err != nil {
		d.log.Error("an old entry stays in the table of pseudowires or services", "error", err)
	}
	if d.otherPinned {
		if err := d.takeOver(); err != nil {
			d.log.Error("programs of another version not replaced", "error", err)
		}
	}
	return failed
}

// takeOver replaces the programs of another schema version after the first
// batch has filled our tables.
func (d *Driver) takeOver() error {
	if err := d.updateHooks(); err != nil {
		return err
	}
	for ifindex, h := range d.hooks {
		if h.roles == 0 && ifindex != d.impose.Index {
			d.detach(ifindex) // Of the other version alone.
		}
	}
	return d.openImposeDevice()
}

// fault is an error with a reason for people that a retry cannot cure.
type fault struct {
	reason string
	err    error
}

func (f *fault) Error() string { return f.reason }
func (f *fault) Unwrap() error { return f.err }

func opError(k dataplane.Key, err error) *dataplane.OpError {
	e := &dataplane.OpError{Key: k, Reason: err.Error(), Retry: true, Err: err}
	if f := new(fault); errors.As(err, &f) {
		e.Retry = false
	}
	return e
}

func (d *Driver) applyOne(op dataplane.Op, rt *routes) error {
	if op.Verb == dataplane.Delete {
		if remove := d.strays[op.Key]; remove != nil {
			delete(d.strays, op.Key)
			return remove()
		}
		return d.delete(op.Key, rt)
	}
	if err := dataplane.Validate(op.Object); err != nil {
		return &fault{err.Error(), err}
	}
	switch o := op.Object.(type) {
	case dataplane.Section:
		return d.putSection(o, rt)
	case dataplane.LSP:
		return d.putLSP(o, rt)
	case dataplane.Group:
		return d.putGroup(o, rt)
	case dataplane.Pseudowire:
		return d.putPseudowire(o)
	case dataplane.Service:
		return d.putService(o)
	case dataplane.SwitchingPoint:
		return d.putSwitchingPoint(o)
	}
	return &fault{reason: fmt.Sprintf("unknown object %T", op.Object)}
}

func (d *Driver) delete(k dataplane.Key, rt *routes) error {
	name := hashName(k.Name)
	switch k.Kind {
	case dataplane.KindSection:
		return d.deleteSection(d.sections[name])
	case dataplane.KindLSP:
		return d.deleteLSP(d.lsps[name], rt)
	case dataplane.KindGroup:
		return d.deleteGroup(d.groups[name], rt)
	case dataplane.KindPseudowire:
		return d.deletePseudowire(d.clients.pws[name])
	case dataplane.KindService:
		return d.deleteService(d.clients.services[name])
	case dataplane.KindSwitchingPoint:
		return d.deleteSwitchingPoint(d.clients.switching[name])
	}
	return nil
}
