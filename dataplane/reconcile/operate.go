package reconcile

import (
	"context"
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
)

// SetCondition lays a condition over a desired section, LSP or pseudowire. It
// stays over later changes of that object, audits and repairs, and goes with its
// Delete; the zero Condition takes it away. It takes effect like an Update. The error
// is an *dataplane.OpError: there is no such object, it has no condition, or
// the data plane lacks the feature; nothing has changed then.
func (r *Reconciler) SetCondition(k dataplane.Key, c dataplane.Condition) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	o, ok := r.desired.Get(k)
	if !ok {
		return &dataplane.OpError{Key: k, Reason: "there is no such object to set a condition of"}
	}
	with, ok := withCondition(o, c)
	if !ok {
		return &dataplane.OpError{Key: k, Reason: fmt.Sprintf("a %s has no condition", k.Kind)}
	}
	if err := dataplane.Validate(with); err != nil {
		return err
	}
	if err := r.opt.Driver.Capabilities().Check(with); err != nil {
		return err
	}
	if r.conditions[k] == c {
		return nil
	}
	r.conditions[k] = c
	if c == (dataplane.Condition{}) {
		delete(r.conditions, k)
	}
	r.mark(k)
	r.wake()
	return nil
}

// Condition returns what SetCondition has set.
func (r *Reconciler) Condition(k dataplane.Key) dataplane.Condition {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conditions[k]
}

// withCondition returns a copy of o with a condition; false: o can have none.
func withCondition(o dataplane.Object, c dataplane.Condition) (dataplane.Object, bool) {
	switch o := o.(type) {
	case dataplane.Section:
		o.Condition = c
		return o, true
	case dataplane.LSP:
		o.Condition = c
		return o, true
	case dataplane.Pseudowire:
		o.Condition = c
		return o, true
	}
	return o, false
}

// overlay returns a desired object as operation wants it: with its condition,
// and of a group the leg that was switched to. Caller holds mu.
func (r *Reconciler) overlay(o dataplane.Object) dataplane.Object {
	if c, ok := r.conditions[o.Key()]; ok {
		o, _ = withCondition(o, c)
	}
	if g, ok := o.(dataplane.Group); ok {
		if leg, ok := r.legs[g.Name]; ok {
			g.Active = leg
			return g
		}
	}
	return o
}

// Switch makes a leg the active one of a desired group. It goes to the driver
// at once, beside an Apply that may be running, because protection switching
// does not wait for configuration; the leg is remembered, so that a group that
// is put meanwhile or has to be made anew comes out with it. The error is an
// *dataplane.OpError; where the group is not in the data plane at present, the
// leg is remembered none the less.
func (r *Reconciler) Switch(ctx context.Context, group string, leg uint8) error {
	k := dataplane.Key{Kind: dataplane.KindGroup, Name: group}
	r.switching.Lock()
	defer r.switching.Unlock()
	r.mu.Lock()
	o, ok := r.desired.Get(k)
	g, _ := o.(dataplane.Group)
	switch {
	case !ok:
		r.mu.Unlock()
		return &dataplane.OpError{Key: k, Reason: "there is no such group"}
	case int(leg) >= len(g.Legs):
		r.mu.Unlock()
		return &dataplane.OpError{Key: k, Reason: fmt.Sprintf("there is no leg %d, the group has %d", leg, len(g.Legs))}
	}
	r.legs[group] = leg
	r.mu.Unlock()
	return r.opt.Driver.Switch(ctx, group, leg)
}

// ActiveLeg tells the leg of a group that is in use: what was switched to, else
// what the driver has, after a restart too.
func (r *Reconciler) ActiveLeg(group string) (uint8, error) {
	r.mu.Lock()
	leg, ok := r.legs[group]
	r.mu.Unlock()
	if ok {
		return leg, nil
	}
	return r.opt.Driver.ActiveLeg(group)
}

// keepLegs switches the groups of ops whose leg is not the remembered one: a
// Switch may have come between the plan and its execution.
func (r *Reconciler) keepLegs(ops []dataplane.Op) {
	for _, op := range ops {
		g, ok := op.Object.(dataplane.Group)
		if !ok {
			continue
		}
		if err := r.keepLeg(g.Name); err != nil {
			r.opt.Log.Error("cannot restore the active leg", "group", g.Name, "error", err)
		}
	}
}

func (r *Reconciler) keepLeg(group string) error {
	r.switching.Lock()
	defer r.switching.Unlock()
	r.mu.Lock()
	leg, switched := r.legs[group]
	r.mu.Unlock()
	if !switched {
		return nil
	}
	has, err := r.opt.Driver.ActiveLeg(group)
	if err != nil || has == leg {
		return nil // A group that failed is put again, with its leg.
	}
	return r.opt.Driver.Switch(r.ctx, group, leg)
}

// forgetLeg drops what is remembered of a group that has gone or lost the leg.
// Caller holds mu.
func (r *Reconciler) forgetLeg(k dataplane.Key) {
	if k.Kind == dataplane.KindGroup {
		delete(r.legs, k.Name)
	}
}
