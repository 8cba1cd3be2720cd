package plan

import (
	"fmt"
	"iter"
	"maps"
	"net/netip"

	"github.com/tandem-ne/tandem/dataplane"
)

// Set is a consistent set of desired objects: every reference leads somewhere,
// no label, prefix or interface is claimed twice. The zero value is empty. A
// Set is not safe for concurrent use.
type Set struct {
	objects map[dataplane.Key]dataplane.Object
	// claims tells which object has a label, prefix or port.
	claims map[claim]dataplane.Key
	// users tells which LSPs refer to a section.
	users index
	// ports tells which sections are on an interface.
	ports index
}

// index is a multimap from a name to keys.
type index map[string]map[dataplane.Key]struct{}

func (x index) add(name string, k dataplane.Key) {
	if x[name] == nil {
		x[name] = map[dataplane.Key]struct{}{}
	}
	x[name][k] = struct{}{}
}

func (x index) drop(name string, k dataplane.Key) {
	delete(x[name], k)
	if len(x[name]) == 0 {
		delete(x, name)
	}
}

// claim is something that only one object may have. Exactly one part is set
// besides the label's space.
type claim struct {
	label  uint32
	space  string // Section whose label space it is; empty: per-platform.
	prefix netip.Prefix
	port   string
	vlan   uint16
}

// String names the claim for people.
func (c claim) String() string {
	switch {
	case c.prefix.IsValid():
		return "prefix " + c.prefix.String()
	case c.port != "" && c.vlan != 0:
		return fmt.Sprintf("interface %s VLAN %d", c.port, c.vlan)
	case c.port != "":
		return "interface " + c.port
	case c.space != "":
		return fmt.Sprintf("label %d of section %s", c.label, c.space)
	}
	return fmt.Sprintf("label %d", c.label)
}

// claims yields what o claims.
func claims(o dataplane.Object) iter.Seq[claim] {
	return func(yield func(claim) bool) {
		switch o := o.(type) {
		case dataplane.Section:
			yield(claim{port: o.Interface, vlan: o.VLAN})
		case dataplane.LSP:
			if o.InLabel != 0 && !yield(claim{label: o.InLabel, space: o.InSection}) {
				return
			}
			for _, p := range o.Prefixes {
				if !yield(claim{prefix: p}) {
					return
				}
			}
		}
	}
}

// references returns the sections that o needs; empty names count for nothing.
func references(o dataplane.Object) [2]string {
	if l, ok := o.(dataplane.LSP); ok {
		if l.Out.Section == l.InSection {
			return [2]string{l.InSection}
		}
		return [2]string{l.InSection, l.Out.Section}
	}
	return [2]string{}
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

// Users yields the LSPs that refer to a section.
func (s *Set) Users(section string) iter.Seq[dataplane.Key] { return maps.Keys(s.users[section]) }

// On yields the sections on an interface, tagged or not.
func (s *Set) On(port string) iter.Seq[dataplane.Key] { return maps.Keys(s.ports[port]) }

// Check tells whether the set stays consistent with d, in O(d). The error is
// an *dataplane.OpError that names the first object at fault in the order of
// d. Nothing is changed.
func (s *Set) Check(d dataplane.Delta) error {
	after := make(map[dataplane.Key]dataplane.Object, len(d.Put)+len(d.Delete))
	for _, k := range d.Delete {
		after[k] = nil
	}
	for _, o := range d.Put {
		if err := dataplane.Validate(o); err != nil {
			return err
		}
		if _, twice := after[o.Key()]; twice {
			return refuse(o.Key(), "occurs twice in one change")
		}
		after[o.Key()] = o
	}
	// lookup sees the set as it will be.
	lookup := func(k dataplane.Key) dataplane.Object {
		if o, ok := after[k]; ok {
			return o
		}
		return s.objects[k]
	}
	mine := make(map[claim]dataplane.Key, len(d.Put))
	for _, o := range d.Put {
		if err := s.checkClaims(o, after, mine); err != nil {
			return err
		}
		if err := checkReferences(o, lookup); err != nil {
			return err
		}
	}
	return s.checkUsers(d, lookup)
}

// checkClaims looks for another object that has what o claims, after the
// change.
func (s *Set) checkClaims(o dataplane.Object, after map[dataplane.Key]dataplane.Object, mine map[claim]dataplane.Key) error {
	for c := range claims(o) {
		if other, ok := mine[c]; ok {
			if other == o.Key() {
				return refuse(o.Key(), "%s occurs twice", c)
			}
			return refuse(o.Key(), "%s belongs to %s", c, other)
		}
		mine[c] = o.Key()
		other, ok := s.claims[c]
		if !ok || other == o.Key() {
			continue
		}
		if _, changed := after[other]; !changed {
			return refuse(o.Key(), "%s belongs to %s", c, other)
		}
	}
	return nil
}

// checkReferences tells whether what o refers to exists and suits it.
func checkReferences(o dataplane.Object, lookup func(dataplane.Key) dataplane.Object) error {
	for _, name := range references(o) {
		if name == "" {
			continue
		}
		sec, ok := lookup(dataplane.Key{Kind: dataplane.KindSection, Name: name}).(dataplane.Section)
		if !ok {
			return refuse(o.Key(), "there is no section %s", name)
		}
		if l := o.(dataplane.LSP); l.InSection == name && !sec.InterfaceLabelSpace {
			return refuse(o.Key(), "section %s has no label space of its own", name)
		}
	}
	return nil
}

// checkUsers tells whether LSPs that d does not put still find their sections.
func (s *Set) checkUsers(d dataplane.Delta, lookup func(dataplane.Key) dataplane.Object) error {
	left := func(section string) error {
		for k := range s.users[section] {
			if o := lookup(k); o != nil {
				if err := checkReferences(o, lookup); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, k := range d.Delete {
		if k.Kind == dataplane.KindSection {
			if err := left(k.Name); err != nil {
				return err
			}
		}
	}
	for _, o := range d.Put {
		old, ok := s.objects[o.Key()].(dataplane.Section)
		if sec, is := o.(dataplane.Section); ok && is && old.InterfaceLabelSpace != sec.InterfaceLabelSpace {
			if err := left(sec.Name); err != nil {
				return err
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
		s.users, s.ports = index{}, index{}
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
	for _, name := range references(old) {
		s.users.drop(name, k)
	}
	if sec, ok := old.(dataplane.Section); ok {
		s.ports.drop(sec.Interface, k)
	}
}

func (s *Set) insert(o dataplane.Object) {
	k := o.Key()
	s.objects[k] = o
	for c := range claims(o) {
		s.claims[c] = k
	}
	for _, name := range references(o) {
		if name != "" {
			s.users.add(name, k)
		}
	}
	if sec, ok := o.(dataplane.Section); ok {
		s.ports.add(sec.Interface, k)
	}
}

func refuse(k dataplane.Key, format string, args ...any) error {
	return &dataplane.OpError{Key: k, Reason: fmt.Sprintf(format, args...)}
}
