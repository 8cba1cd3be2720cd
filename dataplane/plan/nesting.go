package plan

import (
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/dataplane"
)

// depth is what lies below an object on the way of a packet: groups entered and
// labels imposed, its own included.
type depth struct{ groups, labels int }

func (d depth) max(e depth) depth { return depth{max(d.groups, e.groups), max(d.labels, e.labels)} }

// depths remembers the depths of one Check.
type depths struct{ known map[dataplane.Key]depth }

// nesting refuses groups that enter themselves, and what is deeper than the
// limits: in what is put, and in what stands upon it.
func (c *check) nesting(d dataplane.Delta) error {
	c.known = map[dataplane.Key]depth{}
	for _, o := range d.Put {
		if _, err := c.depth(o, nil); err != nil {
			return err
		}
	}
	if c.set.Limits.Groups == 0 && c.set.Limits.Labels == 0 {
		return nil
	}
	before := check{set: c.set, depths: depths{map[dataplane.Key]depth{}}}
	for _, o := range d.Put {
		now := c.known[o.Key()]
		if err := c.within(o, now); err != nil {
			return err
		}
		old, ok := c.set.objects[o.Key()]
		if !ok {
			continue
		}
		if was, err := before.depth(old, nil); err == nil && (now.groups > was.groups || now.labels > was.labels) {
			if err := c.above(o.Key()); err != nil {
				return err
			}
		}
	}
	return nil
}

// above checks the users of an object that has become deeper, and theirs.
func (c *check) above(k dataplane.Key) error {
	for u := range c.set.users[k] {
		o := c.look(u)
		if o == nil {
			continue
		}
		now, err := c.depth(o, nil)
		if err != nil {
			return err
		}
		if err := c.within(o, now); err != nil {
			return err
		}
		if err := c.above(u); err != nil {
			return err
		}
	}
	return nil
}

func (c *check) within(o dataplane.Object, d depth) error {
	l := c.set.Limits
	if l.Groups != 0 && d.groups > l.Groups {
		return refuse(o.Key(), "%d groups lie on the way of one packet, the %s data plane has up to %d", d.groups, l.Driver, l.Groups)
	}
	if l.Labels != 0 && d.labels > l.Labels {
		with := ""
		if d.groups > 0 {
			with = " with those of groups"
		}
		return refuse(o.Key(), "%d labels are to be imposed%s, the %s data plane imposes up to %d", d.labels, with, l.Driver, l.Labels)
	}
	return nil
}

// depth works out the depth of an object. path leads to it and shows a cycle.
func (c *check) depth(o dataplane.Object, path []dataplane.Key) (depth, error) {
	k := o.Key()
	if d, ok := c.known[k]; ok {
		return d, nil
	}
	if i := slices.Index(path, k); i >= 0 {
		return depth{}, refuse(k, "is entered from within itself: %s", chain(append(path[i:], k)))
	}
	path = append(path, k)
	var d depth
	for r := range references(o) {
		if r.role != enters && r.role != leg && r.role != sendsTo {
			continue
		}
		below := c.look(r.key)
		if below == nil {
			continue
		}
		e, err := c.depth(below, path)
		if err != nil {
			return depth{}, err
		}
		d = d.max(e)
	}
	switch o := o.(type) {
	case dataplane.LSP:
		d.labels += o.Imposes()
	case dataplane.Pseudowire:
		d.labels += o.Imposes()
	case dataplane.Group:
		d.groups++
	}
	c.known[k] = d
	return d, nil
}

// chain prints a cycle of groups and their legs in words.
func chain(path []dataplane.Key) string {
	var b strings.Builder
	for i, k := range path {
		if i > 0 {
			if k.Kind == dataplane.KindLSP {
				b.WriteString(", leg ")
			} else {
				b.WriteString(" enters ")
			}
		}
		b.WriteString(words(k.Kind) + " " + k.Name)
	}
	return b.String()
}
