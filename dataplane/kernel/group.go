package kernel

import (
	"context"

	"github.com/tandem-ne/tandem/dataplane"
)

// Switch implements dataplane.Driver: the chain of the group gets the filters
// of the other leg beside those of this one, which then go. Who enters the
// group is not touched; only copies into it and what selects by it is.
func (d *Driver) Switch(_ context.Context, group string, leg uint8) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := dataplane.Key{Kind: dataplane.KindGroup, Name: group}
	if d.chains == nil {
		return &dataplane.OpError{Key: k, Reason: "there is no such group"}
	}
	return d.chains.switchTo(k, leg)
}

func (t *chains) switchTo(k dataplane.Key, leg uint8) error {
	g, ok := t.state.Objects[k].(dataplane.Group)
	switch {
	case !ok:
		return &dataplane.OpError{Key: k, Reason: "there is no such group"}
	case int(leg) >= len(g.Legs):
		return &dataplane.OpError{Key: k, Reason: "the group has no such leg"}
	case t.state.Active[k.Name] == leg:
		return nil
	}
	t.state.Active[k.Name] = leg
	c := t.newChange(nil)
	c.dirty[k] = onSwitch
	c.run()
	if len(c.failed) > 0 {
		return c.failed[0]
	}
	return nil
}

// ActiveLeg implements dataplane.Driver.
func (d *Driver) ActiveLeg(group string) (uint8, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := dataplane.Key{Kind: dataplane.KindGroup, Name: group}
	if d.chains == nil || d.chains.state.Objects[k] == nil {
		return 0, &dataplane.OpError{Key: k, Reason: "there is no such group"}
	}
	return d.chains.state.Active[group], nil
}
