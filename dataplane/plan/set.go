package plan

import (
	"fmt"
	"iter"
	"maps"

	"github.com/tandem-ne/tandem/dataplane"
)

// Set is a consistent set of desired objects: every reference leads somewhere
// that suits it, groups enter each other without a cycle, no label, prefix,
// interface or member is claimed twice and no two transport paths merge. The
// zero value is empty. A Set is not safe for concurrent use.
type Set struct {
	// Limits bounds how deep groups nest; the zero value does not.
	Limits Limits

	objects map[dataplane.Key]dataplane.Object
	// claims tells which object has a claim.
	claims map[claim]dataplane.Key
	// users tells which objects refer to one.
	users index[dataplane.Key]
	// ports tells which sections and services are on an interface.
	ports index[string]
	// inner tells which services take part of the frames of a tag.
	inner index[claim]
}

// Limits of what a data plane can do with one packet.
type Limits struct {
	// Groups is how many groups can lie on its way, Labels how many labels it
	// can get. 0: any number.
	Groups, Labels int
	// Driver is the name of the data plane, for refusals.
	Driver string
}

// index is a multimap to keys.
type index[K comparable] map[K]map[dataplane.Key]struct{}

func (x index[K]) add(at K, k dataplane.Key) {
	if x[at] == nil {
		x[at] = map[dataplane.Key]struct{}{}
	}
	x[at][k] = struct{}{}
}

func (x index[K]) drop(at K, k dataplane.Key) {
	delete(x[at], k)
	if len(x[at]) == 0 {
		delete(x, at)
	}
}

// Len returns the number of objects.
func (s *Set) Len() int { return len(s.objects) }

// Get returns the object with a key.
func (s *Set) Get(k dataplane.Key) (dataplane.Object, bool) {
	o, ok := s.objects[k]
	return o, ok
}

// All yields the objects in no order.
func (s *Set) All() iter.Seq[dataplane.Object] { return maps.Values(s.objects) }

// Objects returns the map of the set for Delta; it must not be changed.
func (s *Set) Objects() map[dataplane.Key]dataplane.Object { return s.objects }

// Users yields the objects that refer to one.
func (s *Set) Users(k dataplane.Key) iter.Seq[dataplane.Key] { return maps.Keys(s.users[k]) }

// On yields the sections and services on an interface, tagged or not.
func (s *Set) On(port string) iter.Seq[dataplane.Key] { return maps.Keys(s.ports[port]) }

// check is one Check: the set as it will be.
type check struct {
	set *Set
	// after holds what changes; nil: it goes.
	after map[dataplane.Key]dataplane.Object
	// mine holds the claims of what is put.
	mine map[claim]dataplane.Key
	depths
}

// look finds an object as it will be.
func (c *check) look(k dataplane.Key) dataplane.Object {
	if o, ok := c.after[k]; ok {
		return o
	}
	return c.set.objects[k]
}

// holder tells who will have a claim.
func (c *check) holder(of claim) (dataplane.Key, bool) {
	if k, ok := c.mine[of]; ok {
		return k, true
	}
	k, ok := c.set.claims[of]
	if _, changed := c.after[k]; changed {
		return dataplane.Key{}, false
	}
	return k, ok
}

// Check tells whether the set stays consistent with d, in the size of d and of
// what refers to it. The error is an *dataplane.OpError that names the object
// at fault. Nothing is changed.
func (s *Set) Check(d dataplane.Delta) error {
	c := check{
		set:   s,
		after: make(map[dataplane.Key]dataplane.Object, len(d.Put)+len(d.Delete)),
		mine:  make(map[claim]dataplane.Key, 2*len(d.Put)),
	}
	for _, k := range d.Delete {
		c.after[k] = nil
	}
	for _, o := range d.Put {
		if err := dataplane.Validate(o); err != nil {
			return err
		}
		if _, twice := c.after[o.Key()]; twice {
			return refuse(o.Key(), "occurs twice in one change")
		}
		c.after[o.Key()] = o
	}
	for _, o := range d.Put {
		if err := c.claim(o); err != nil {
			return err
		}
	}
	for _, o := range d.Put {
		if err := c.shared(o); err != nil {
			return err
		}
		if err := c.references(o); err != nil {
			return err
		}
	}
	if err := c.users(d); err != nil {
		return err
	}
	return c.nesting(d)
}

// claim looks for another object that has what o claims, after the change.
func (c *check) claim(o dataplane.Object) error {
	for want := range claims(o) {
		other, ok := c.mine[want]
		if ok && other == o.Key() {
			return refuse(o.Key(), "%s occurs twice", want)
		}
		if !ok {
			other, ok = c.holder(want)
		}
		if ok && other != o.Key() {
			return refuse(o.Key(), "%s", want.taken(other))
		}
		c.mine[want] = o.Key()
	}
	return nil
}

// shared looks for a section and a service that want the same VLAN, the service
// with an inner tag.
func (c *check) shared(o dataplane.Object) error {
	switch o := o.(type) {
	case dataplane.Section:
		vlan := portClaim(o.Interface, false, o.VLAN, 0)
		for k := range c.set.inner[vlan] {
			if _, changed := c.after[k]; !changed {
				return refuse(o.Key(), "%s", vlan.taken(k))
			}
		}
	case dataplane.Service:
		if vlan, ok := outer(o); ok {
			if k, ok := c.holder(vlan); ok && k.Kind == dataplane.KindSection {
				return refuse(o.Key(), "%s", vlan.taken(k))
			}
		}
	}
	return nil
}

// outer returns the claim on everything with the outer tag of a service that
// takes only some inner tags of it.
func outer(v dataplane.Service) (claim, bool) {
	a := v.Attachment
	return portClaim(a.Interface, a.NNI, a.OuterVLAN, 0), a.InnerVLAN != 0
}

// users tells whether objects that d does not put still find what they refer
// to, and find it as they need it.
func (c *check) users(d dataplane.Delta) error {
	for _, k := range d.Delete {
		if err := c.usersOf(k); err != nil {
			return err
		}
	}
	for _, o := range d.Put {
		if old, ok := c.set.objects[o.Key()]; ok && faceOf(old) != faceOf(o) {
			if err := c.usersOf(o.Key()); err != nil {
				return err
			}
		}
	}
	return nil
}

// usersOf checks the users of an object, and of a group also the services of
// its legs: they may name them.
func (c *check) usersOf(k dataplane.Key) error {
	for u := range c.set.users[k] {
		if o := c.look(u); o != nil {
			if err := c.references(o); err != nil {
				return err
			}
		}
	}
	g, ok := c.set.objects[k].(dataplane.Group)
	if !ok || !g.Pseudowires {
		return nil
	}
	for _, l := range g.Legs {
		for u := range c.set.users[key(dataplane.KindPseudowire, l)] {
			if v, ok := c.look(u).(dataplane.Service); ok {
				if err := c.references(v); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Apply makes the change, which Check has accepted, and returns its plan.
func (s *Set) Apply(d dataplane.Delta) []dataplane.Op {
	ops := Delta(s.objects, d)
	if s.objects == nil {
		s.objects = map[dataplane.Key]dataplane.Object{}
		s.claims = map[claim]dataplane.Key{}
		s.users, s.ports, s.inner = index[dataplane.Key]{}, index[string]{}, index[claim]{}
	}
	for _, op := range ops {
		s.remove(op.Key)
	}
	for _, op := range ops {
		if op.Verb == dataplane.Put {
			s.insert(op.Object)
		}
	}
	return ops
}

func (s *Set) remove(k dataplane.Key) {
	old, ok := s.objects[k]
	if !ok {
		return
	}
	delete(s.objects, k)
	for c := range claims(old) {
		delete(s.claims, c)
	}
	for r := range references(old) {
		s.users.drop(r.key, k)
	}
	switch o := old.(type) {
	case dataplane.Section:
		s.ports.drop(o.Interface, k)
	case dataplane.Service:
		s.ports.drop(o.Attachment.Interface, k)
		if vlan, ok := outer(o); ok {
			s.inner.drop(vlan, k)
		}
	}
}

func (s *Set) insert(o dataplane.Object) {
	k := o.Key()
	s.objects[k] = o
	for c := range claims(o) {
		s.claims[c] = k
	}
	for r := range references(o) {
		s.users.add(r.key, k)
	}
	switch o := o.(type) {
	case dataplane.Section:
		s.ports.add(o.Interface, k)
	case dataplane.Service:
		s.ports.add(o.Attachment.Interface, k)
		if vlan, ok := outer(o); ok {
			s.inner.add(vlan, k)
		}
	}
}

func refuse(k dataplane.Key, format string, args ...any) error {
	return &dataplane.OpError{Key: k, Reason: fmt.Sprintf(format, args...)}
}
