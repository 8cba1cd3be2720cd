package fake

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/tandem-ne/tandem/dataplane"
)

// Dump returns what the tables hold. Like a real data plane it knows labels,
// prefixes and interfaces; names come from desired, and stay.
func (d *Driver) Dump(_ context.Context, desired []dataplane.Object) ([]dataplane.Object, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dumpErr != nil {
		return nil, d.dumpErr
	}
	d.rename(desired)
	return d.list(), nil
}

// identity is what tells an object apart in a data plane without names. What
// has nothing of the kind (a leg, a group, the root of a pseudowire) is known
// by its name even here.
func identity(o dataplane.Object) string {
	switch o := o.(type) {
	case dataplane.Section:
		return fmt.Sprintf("port %s.%d", o.Interface, o.VLAN)
	case dataplane.Service:
		a := o.Attachment
		return fmt.Sprintf("circuit %s.%d.%d.%v", a.Interface, a.OuterVLAN, a.InnerVLAN, a.NNI)
	}
	if l, ok := labelOf(o); ok {
		return fmt.Sprintf("label %s/%d", l.section, l.label)
	}
	return "name " + o.Key().String()
}

// rename gives every object the name that desired has for its port, label,
// prefix or circuit, or one that starts with "?".
func (d *Driver) rename(desired []dataplane.Object) {
	known := map[string]dataplane.Key{}
	prefixes := map[netip.Prefix]dataplane.Key{}
	for _, o := range desired {
		known[identity(o)] = o.Key()
		for _, p := range prefixesOf(o) {
			prefixes[p] = o.Key()
		}
	}
	objects, names := d.list(), map[dataplane.Key]string{}
	// Sections first: label spaces are named after them.
	for _, o := range objects {
		k := o.Key()
		if l, ok := o.(dataplane.LSP); ok && l.InSection != "" {
			l.InSection = names[key(dataplane.KindSection, l.InSection)]
			o = l
		}
		n, ok := known[identity(o)]
		for _, p := range prefixesOf(o) {
			if q, has := prefixes[p]; !ok && has && q.Kind == k.Kind {
				n, ok = q, true
			}
		}
		if ok && n.Kind == k.Kind {
			names[k] = n.Name
		} else {
			names[k] = "?" + strings.TrimLeft(k.Name, "?")
		}
	}
	d.move(objects, names)
}

// move puts everything under its new name.
func (d *Driver) move(objects []dataplane.Object, names map[dataplane.Key]string) {
	groups, pseudowires, services, counts := d.groups, d.pseudowires, d.services, d.counts
	d.sections, d.lsps, d.groups = map[string]dataplane.Section{}, map[string]*lsp{}, map[string]*group{}
	d.pseudowires, d.services = map[string]*pseudowire{}, map[string]*service{}
	d.points, d.labels = map[string]dataplane.SwitchingPoint{}, map[spaceLabel]dataplane.Key{}
	d.prefixes, d.counts = map[netip.Prefix]dataplane.Key{}, map[dataplane.Key]*dataplane.Counters{}
	for _, o := range objects {
		k, name := o.Key(), names[o.Key()]
		o = visit(o, func(k dataplane.Kind, n string) string {
			if names[key(k, n)] != "" {
				return names[key(k, n)]
			}
			return n
		})
		switch o := o.(type) {
		case dataplane.Section:
			o.Name = name
			d.sections[name] = o
		case dataplane.LSP:
			o.Name = name
			d.lsps[name] = &lsp{o}
		case dataplane.Group:
			o.Name = name
			d.groups[name] = &group{o, groups[k.Name].active}
		case dataplane.Pseudowire:
			o.Name = name
			p := *pseudowires[k.Name]
			p.Pseudowire = o
			d.pseudowires[name] = &p
		case dataplane.Service:
			o.Name = name
			d.services[name] = &service{o, services[k.Name].meter}
		case dataplane.SwitchingPoint:
			o.Name = name
			d.points[name] = o
		}
		now := key(k.Kind, name)
		if c := counts[k]; c != nil {
			d.counts[now] = c
		}
		if l, ok := labelOf(d.object(now)); ok {
			d.labels[l] = now
		}
		for _, p := range prefixesOf(d.object(now)) {
			d.prefixes[p] = now
		}
	}
}
