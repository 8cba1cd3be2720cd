package kernel

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
)

// linkQueues are the queues of a section on its interface: labelled frames go
// by the traffic class of the outermost label, but where a filter says
// otherwise.
func linkQueues(q dataplane.Queues) link.Queues {
	return link.Queues{Rate: q.Rate, Weights: q.Weights, ByLabel: true}
}

// setQueues puts the queues of a section on its interface, or takes ours off
// one that an earlier process left with them.
func (t *chains) setQueues(p chain.Port, o dataplane.Section) error {
	if !o.Queues.Enabled {
		if _, used := t.queues.Of(p.Index); used {
			return nil // Taken off after frames have ceased to go through them.
		}
		return t.link.ClearQueues(p.Index)
	}
	err := t.queues.Set(p.Index, o.Name, linkQueues(o.Queues))
	if err != nil && !errors.Is(err, link.ErrForeignQueues) && !errors.Is(err, link.ErrOtherQueues) {
		return err
	}
	if err != nil {
		return fmt.Errorf("interface %s: %w", p.Name, err)
	}
	return nil
}

// schedules brings the queues of a section to its interface.
func (c *change) schedules(o dataplane.Section) {
	p, ok := c.state.Ports[o.Interface]
	if !ok {
		return // Compiling tells.
	}
	if err := c.setQueues(p, o); err != nil && !errors.Is(err, link.ErrNotFound) {
		c.fail(o.Key(), "cannot set queues up: "+err.Error(), true, err)
	}
}

// clearQueues ends the use of queues by sections that have none now, or are
// elsewhere.
func (c *change) clearQueues() {
	for name, index := range c.unqueue {
		o, _ := c.state.Objects[dataplane.Key{Kind: dataplane.KindSection, Name: name}].(dataplane.Section)
		if o.Queues.Enabled && c.state.Ports[o.Interface].Index == index {
			continue
		}
		if err := c.queues.Clear(index, name); err != nil && !errors.Is(err, link.ErrNotFound) {
			c.failed = append(c.failed, &dataplane.OpError{Reason: "cannot take queues off", Retry: true, Err: err})
		}
	}
}

// queued tells, for a dump, whether a section has the queues it should have.
func (s *survey) queued(o dataplane.Section, wanted map[string]bool) bool {
	p, ok := s.state.Ports[o.Interface]
	if !ok || !o.Queues.Enabled && wanted[o.Interface] {
		return true
	}
	q, there, err := s.link.Queues(p.Index)
	if err != nil || !o.Queues.Enabled {
		return err == nil && !there
	}
	if !there || q != linkQueues(o.Queues) {
		return false
	}
	s.queues.Note(p.Index, o.Name, q)
	return true
}

// InterfaceStates implements dataplane.InterfaceReporter.
func (d *Driver) InterfaceStates() ([]dataplane.InterfaceState, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	used := map[string]string{} // What queues on an interface.
	if d.chains == nil {
		for _, s := range d.model.sections {
			used[s.Interface] = ""
		}
	} else {
		for _, o := range d.chains.state.Objects {
			name := interfaceOf(o)
			if name == "" || used[name] != "" {
				continue
			}
			used[name] = ""
			if q, ok := d.chains.queues.Of(d.chains.state.Ports[name].Index); ok {
				used[name] = q.String()
			}
		}
	}
	reason := ""
	if d.noTap != nil {
		reason = "OAM takes its frames from packet sockets: " + d.noTap.Error()
	}
	out := make([]dataplane.InterfaceState, 0, len(used))
	for name, queueing := range used {
		out = append(out, dataplane.InterfaceState{Name: name, Mode: "kernel", Reason: reason, Queueing: queueing})
	}
	slices.SortFunc(out, func(a, b dataplane.InterfaceState) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

var _ dataplane.InterfaceReporter = (*Driver)(nil)
