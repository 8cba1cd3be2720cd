package intent

import (
	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/server/tree"
)

// bandwidth returns a bandwidth profile, nil when there is none.
func (v *view) bandwidth(name string) *dataplane.Profile {
	c := v.profile(name)
	if c == nil {
		return nil
	}
	return &dataplane.Profile{CIR: deref(c.Cir), EIR: deref(c.Eir), CBS: deref(c.Cbs), EBS: deref(c.Ebs)}
}

// classes returns a map from priority to traffic class, nil when there is none.
func (v *view) classes(name string) *dataplane.ClassMap {
	c := v.tcMap(name)
	if c == nil {
		return nil
	}
	m := new(dataplane.ClassMap)
	for pcp, e := range c.Entry {
		if int(pcp) >= len(m.Green) {
			continue
		}
		m.Green[pcp], m.Yellow[pcp] = deref(e.TrafficClass), deref(e.TrafficClass)
		if e.YellowTrafficClass != nil {
			m.Yellow[pcp] = *e.YellowTrafficClass
		}
	}
	return m
}

// queues returns the queueing of a section's interface.
func (v *view) queues(p tree.Path, name string, s *sectionConfig) (q dataplane.Queues) {
	if s.Scheduler == nil {
		return q
	}
	for _, other := range v.state.attached(deref(s.Interface)) {
		if o := v.section(other.section); other.section != name && o != nil && o.Scheduler != nil && *o.Scheduler != *s.Scheduler {
			v.fail(below(p, "scheduler"), "scheduler-differs", "section %q queues interface %q by scheduler %q", other.section, other.name, *o.Scheduler)
		}
	}
	c := v.scheduler(*s.Scheduler)
	if c == nil {
		return q
	}
	q.Enabled, q.Rate = true, deref(c.ShapingRate)
	for class, e := range c.Queue {
		if int(class) < len(q.Weights) {
			q.Weights[class] = deref(e.Weight)
		}
	}
	return q
}
