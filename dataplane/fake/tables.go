package fake

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tandem-ne/tandem/dataplane"
)

func key(k dataplane.Kind, name string) dataplane.Key { return dataplane.Key{Kind: k, Name: name} }

func (d *Driver) apply(op dataplane.Op) *dataplane.OpError {
	if op.Verb == dataplane.Delete {
		d.remove(op.Key)
		delete(d.counts, op.Key)
		return nil
	}
	if err := d.Prepare(context.Background(), []dataplane.Op{op}); err != nil {
		return err.(*dataplane.OpError)
	}
	for _, k := range needs(op.Object) {
		if !d.has(k) {
			return &dataplane.OpError{Key: op.Key, Reason: fmt.Sprintf("%s %s is not in the data plane", k.Kind, k.Name)}
		}
	}
	port := ""
	switch o := op.Object.(type) {
	case dataplane.Section:
		port = o.Interface
	case dataplane.Service:
		port = o.Attachment.Interface
	}
	if _, ok := d.ports[port]; port != "" && !ok {
		d.remove(op.Key)
		return &dataplane.OpError{Key: op.Key, Reason: "there is no interface " + port}
	}
	d.put(op.Object)
	return nil
}

// needs lists what must be there before an object. What a Condition names need
// not: whoever loops into nothing is locked.
func needs(o dataplane.Object) []dataplane.Key {
	switch x := o.(type) {
	case dataplane.LSP:
		x.Loop = ""
		o = x
	case dataplane.Pseudowire:
		x.Loop = ""
		o = x
	}
	var keys []dataplane.Key
	visit(o, func(k dataplane.Kind, name string) string {
		keys = append(keys, key(k, name))
		return name
	})
	return keys
}

// visit calls f for each name that an object refers to and returns a copy with
// the names that f returns.
func visit(o dataplane.Object, f func(dataplane.Kind, string) string) dataplane.Object {
	one := func(k dataplane.Kind, name string) string {
		if name == "" {
			return ""
		}
		return f(k, name)
	}
	all := func(k dataplane.Kind, names []string) []string {
		names = slices.Clone(names)
		for i := range names {
			names[i] = f(k, names[i])
		}
		return names
	}
	hop := func(h dataplane.NextHop) dataplane.NextHop {
		h.Section, h.Group = one(dataplane.KindSection, h.Section), one(dataplane.KindGroup, h.Group)
		return h
	}
	switch o := o.(type) {
	case dataplane.LSP:
		o.InSection, o.Out = one(dataplane.KindSection, o.InSection), hop(o.Out)
		o.Selector, o.Loop = one(dataplane.KindGroup, o.Selector), one(dataplane.KindLSP, o.Loop)
		o.Branches = slices.Clone(o.Branches)
		for i := range o.Branches {
			o.Branches[i].NextHop = hop(o.Branches[i].NextHop)
		}
		return o
	case dataplane.Group:
		kind := dataplane.KindLSP
		if o.Pseudowires {
			kind = dataplane.KindPseudowire
		}
		o.Legs = all(kind, o.Legs)
		return o
	case dataplane.Pseudowire:
		o.Out, o.Loop = hop(o.Out), one(dataplane.KindPseudowire, o.Loop)
		return o
	case dataplane.Service:
		kind := dataplane.KindPseudowire
		if o.SendGroup {
			kind = dataplane.KindGroup
		}
		o.Send, o.Receive = one(kind, o.Send), all(dataplane.KindPseudowire, o.Receive)
		return o
	case dataplane.SwitchingPoint:
		for i, s := range o.Segments {
			o.Segments[i] = f(dataplane.KindPseudowire, s)
		}
		return o
	}
	return o
}

// object returns what has a key, nil for nothing.
func (d *Driver) object(k dataplane.Key) dataplane.Object {
	switch k.Kind {
	case dataplane.KindSection:
		if s, ok := d.sections[k.Name]; ok {
			return s
		}
	case dataplane.KindLSP:
		if l := d.lsps[k.Name]; l != nil {
			return l.LSP
		}
	case dataplane.KindGroup:
		if g := d.groups[k.Name]; g != nil {
			return g.Group
		}
	case dataplane.KindPseudowire:
		if p := d.pseudowires[k.Name]; p != nil {
			return p.Pseudowire
		}
	case dataplane.KindService:
		if s := d.services[k.Name]; s != nil {
			return s.Service
		}
	case dataplane.KindSwitchingPoint:
		if s, ok := d.points[k.Name]; ok {
			return s
		}
	}
	return nil
}

func (d *Driver) has(k dataplane.Key) bool { return d.object(k) != nil }

// put makes an object what it is to be: counters, sequence numbers, tokens and
// the active leg of one that is there already stay.
func (d *Driver) put(o dataplane.Object) {
	d.release(o.Key())
	d.counters(o.Key())
	switch o := o.(type) {
	case dataplane.Section:
		d.sections[o.Name] = o
	case dataplane.LSP:
		d.lsps[o.Name] = &lsp{o}
	case dataplane.Group:
		g := &group{Group: o, active: o.Active}
		if old := d.groups[o.Name]; old != nil && int(old.active) < len(o.Legs) {
			g.active = old.active
		}
		d.groups[o.Name] = g
	case dataplane.Pseudowire:
		p := &pseudowire{Pseudowire: o}
		if old := d.pseudowires[o.Name]; old != nil {
			p.sent, p.expected, p.late, p.following = old.sent, old.expected, old.late, old.following
		}
		d.pseudowires[o.Name] = p
	case dataplane.Service:
		d.putService(o)
	case dataplane.SwitchingPoint:
		d.points[o.Name] = o
	}
	d.claim(o)
}

func (d *Driver) putService(o dataplane.Service) {
	for name, other := range d.services {
		a, b := o.Attachment, other.Attachment
		if name != o.Name && a.Interface == b.Interface && a.OuterVLAN == b.OuterVLAN && a.InnerVLAN == b.InnerVLAN && a.NNI == b.NNI {
			delete(d.services, name) // Its circuit is all that it was.
		}
	}
	s := &service{Service: o}
	if old := d.services[o.Name]; old != nil && old.meter != nil && o.Profile != nil {
		s.meter = old.meter
		s.meter.Set(*o.Profile, d.clock())
	} else if o.Profile != nil {
		s.meter = NewMeter(*o.Profile, d.clock())
	}
	d.services[o.Name] = s
}

// labelOf returns the incoming label of an object.
func labelOf(o dataplane.Object) (spaceLabel, bool) {
	switch o := o.(type) {
	case dataplane.LSP:
		return spaceLabel{o.InSection, o.InLabel}, o.InLabel != 0
	case dataplane.Pseudowire:
		return spaceLabel{"", o.InLabel}, o.InLabel != 0
	}
	return spaceLabel{}, false
}

func prefixesOf(o dataplane.Object) []netip.Prefix {
	switch o := o.(type) {
	case dataplane.LSP:
		return o.Prefixes
	case dataplane.Group:
		return o.Prefixes
	}
	return nil
}

// claim takes the label and the prefixes of an object over from whoever has
// them.
func (d *Driver) claim(o dataplane.Object) {
	k := o.Key()
	if l, ok := labelOf(o); ok {
		if other, had := d.labels[l]; had && other != k {
			d.remove(other) // What arrives with a label is that label.
		}
		d.labels[l] = k
	}
	for _, p := range prefixesOf(o) {
		if other, had := d.prefixes[p]; had && other != k {
			d.lose(other, p)
		}
		d.prefixes[p] = k
	}
}

// lose takes a prefix away from an object.
func (d *Driver) lose(k dataplane.Key, p netip.Prefix) {
	without := func(from []netip.Prefix) []netip.Prefix {
		return slices.DeleteFunc(slices.Clone(from), func(q netip.Prefix) bool { return p == q })
	}
	if l := d.lsps[k.Name]; k.Kind == dataplane.KindLSP && l != nil {
		l.Prefixes = without(l.Prefixes)
	}
	if g := d.groups[k.Name]; k.Kind == dataplane.KindGroup && g != nil {
		g.Prefixes = without(g.Prefixes)
	}
}

// release gives up the label and the prefixes that an object still has.
func (d *Driver) release(k dataplane.Key) {
	o := d.object(k)
	if o == nil {
		return
	}
	if l, ok := labelOf(o); ok && d.labels[l] == k {
		delete(d.labels, l)
	}
	for _, p := range prefixesOf(o) {
		if d.prefixes[p] == k {
			delete(d.prefixes, p)
		}
	}
}

// remove takes an object away, and with it what it still has.
func (d *Driver) remove(k dataplane.Key) {
	d.release(k)
	switch k.Kind {
	case dataplane.KindSection:
		delete(d.sections, k.Name)
	case dataplane.KindLSP:
		delete(d.lsps, k.Name)
	case dataplane.KindGroup:
		delete(d.groups, k.Name)
	case dataplane.KindPseudowire:
		delete(d.pseudowires, k.Name)
	case dataplane.KindService:
		delete(d.services, k.Name)
	case dataplane.KindSwitchingPoint:
		delete(d.points, k.Name)
	}
}

// list returns everything in the order of keys. Caller holds mu.
func (d *Driver) list() []dataplane.Object {
	var out []dataplane.Object
	for _, s := range d.sections {
		out = append(out, s)
	}
	for _, l := range d.lsps {
		out = append(out, l.LSP)
	}
	for _, g := range d.groups {
		out = append(out, g.Group)
	}
	for _, p := range d.pseudowires {
		out = append(out, p.Pseudowire)
	}
	for _, s := range d.services {
		out = append(out, s.Service)
	}
	for _, s := range d.points {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b dataplane.Object) int {
		return cmp.Or(cmp.Compare(a.Key().Kind, b.Key().Kind), strings.Compare(a.Key().Name, b.Key().Name))
	})
	return out
}
