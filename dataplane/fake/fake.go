// Package fake is a data plane in memory: it keeps objects, prints them as
// text, fails where it is told to, loses objects behind the caller's back, and
// forwards frames. It passes the same conformance suite as the real drivers,
// so that its forwarding (forward.go) can be read as their specification.
package fake

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
)

// Driver implements dataplane.Driver.
type Driver struct {
	caps dataplane.Capabilities

	mu       sync.Mutex
	events   chan dataplane.Event
	closed   bool
	ports    map[string]Port
	routes   []Route
	sections map[string]dataplane.Section
	lsps     map[string]*lsp
	labels   map[spaceLabel]*lsp
	prefixes map[netip.Prefix]*lsp
	section  map[string]*dataplane.Counters
	faults   map[dataplane.Key]dataplane.OpError
	dumpErr  error
	ops      []dataplane.Op
	applies  int
	lost     bool // An event did not fit.
}

// Port is an interface of the host that the fake stands on.
type Port struct {
	Name string
	MAC  dataplane.MAC
	Up   bool
}

// Route is an IP route of the host, outside the LSPs: to a neighbour on a
// port.
type Route struct {
	Prefix netip.Prefix
	Port   string
	MAC    dataplane.MAC
}

type lsp struct {
	dataplane.LSP
	counters dataplane.Counters
}

type spaceLabel struct {
	section string // Empty: per-platform.
	label   uint32
}

// New returns a data plane on the given ports.
func New(ports ...Port) *Driver {
	d := &Driver{
		caps:     capabilities(),
		events:   make(chan dataplane.Event, 64),
		ports:    map[string]Port{},
		sections: map[string]dataplane.Section{},
		lsps:     map[string]*lsp{},
		labels:   map[spaceLabel]*lsp{},
		prefixes: map[netip.Prefix]*lsp{},
		section:  map[string]*dataplane.Counters{},
		faults:   map[dataplane.Key]dataplane.OpError{},
	}
	for _, p := range ports {
		d.ports[p.Name] = p
	}
	return d
}

// Capabilities lists everything that forwarding in memory does.
func (d *Driver) Capabilities() dataplane.Capabilities { return d.caps }

func capabilities() dataplane.Capabilities {
	c := dataplane.Capabilities{
		Driver: "fake", Features: map[dataplane.Feature]bool{},
		MaxImpose: 16, MaxReceive: 16, MaxLabel: dataplane.MaxLabel,
		Limits: []string{"Forwards nothing but the frames that tests give it."},
	}
	base := true
	for _, f := range dataplane.Features() {
		base = base && f != dataplane.FeatureHierarchy
		c.Features[f] = base
	}
	for _, f := range []dataplane.Feature{dataplane.FeatureGALPunt, dataplane.FeatureTTLPunt, dataplane.FeatureKernelTime} {
		c.Features[f] = false
	}
	return c
}

// Prepare refuses what Capabilities lacks.
func (d *Driver) Prepare(_ context.Context, ops []dataplane.Op) error {
	for _, op := range ops {
		if op.Verb == dataplane.Delete {
			continue
		}
		if err := dataplane.Validate(op.Object); err != nil {
			return err
		}
		if err := d.caps.Check(op.Object); err != nil {
			return err
		}
	}
	return nil
}

// Apply executes ops in order.
func (d *Driver) Apply(ctx context.Context, ops []dataplane.Op) []*dataplane.OpError {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.applies++
	var failed []*dataplane.OpError
	for _, op := range ops {
		d.ops = append(d.ops, op)
		var err *dataplane.OpError
		if f, ok := d.faults[op.Key]; ok {
			err = &f
		} else if ctx.Err() != nil {
			err = &dataplane.OpError{Key: op.Key, Reason: "cancelled", Retry: true, Err: ctx.Err()}
		} else {
			err = d.apply(op)
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

func (d *Driver) apply(op dataplane.Op) *dataplane.OpError {
	if op.Verb == dataplane.Delete {
		switch op.Key.Kind {
		case dataplane.KindSection:
			delete(d.sections, op.Key.Name)
			delete(d.section, op.Key.Name)
		case dataplane.KindLSP:
			d.removeLSP(op.Key.Name)
		}
		return nil
	}
	if err := d.Prepare(context.Background(), []dataplane.Op{op}); err != nil {
		return err.(*dataplane.OpError)
	}
	switch o := op.Object.(type) {
	case dataplane.Section:
		if _, ok := d.ports[o.Interface]; !ok {
			delete(d.sections, o.Name)
			return &dataplane.OpError{Key: op.Key, Reason: "there is no interface " + o.Interface}
		}
		d.sections[o.Name] = o
		if d.section[o.Name] == nil {
			d.section[o.Name] = &dataplane.Counters{Since: time.Now()}
		}
	case dataplane.LSP:
		return d.putLSP(o)
	}
	return nil
}

func (d *Driver) putLSP(o dataplane.LSP) *dataplane.OpError {
	for _, s := range []string{o.Out.Section, o.InSection} {
		if _, ok := d.sections[s]; s != "" && !ok {
			return &dataplane.OpError{Key: o.Key(), Reason: fmt.Sprintf("section %s is not in the data plane", s)}
		}
	}
	n := &lsp{LSP: o, counters: dataplane.Counters{Since: time.Now()}}
	if old := d.lsps[o.Name]; old != nil {
		n.counters = old.counters
		d.removeLSP(o.Name)
	}
	d.lsps[o.Name] = n
	if o.Op == dataplane.ImposeAndForward {
		for _, p := range o.Prefixes {
			if other := d.prefixes[p]; other != nil {
				other.Prefixes = slices.DeleteFunc(slices.Clone(other.Prefixes), func(q netip.Prefix) bool { return p == q })
			}
			d.prefixes[p] = n
		}
		return nil
	}
	k := spaceLabel{o.InSection, o.InLabel}
	if other := d.labels[k]; other != nil {
		delete(d.lsps, other.Name) // An LSP is its label; n takes it over.
	}
	d.labels[k] = n
	return nil
}

// removeLSP takes an LSP away, and with it what it still holds.
func (d *Driver) removeLSP(name string) {
	l := d.lsps[name]
	if l == nil {
		return
	}
	delete(d.lsps, name)
	if k := (spaceLabel{l.InSection, l.InLabel}); d.labels[k] == l {
		delete(d.labels, k)
	}
	for _, p := range l.Prefixes {
		if d.prefixes[p] == l {
			delete(d.prefixes, p)
		}
	}
}

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

// list returns everything in the order of keys. Caller holds mu.
func (d *Driver) list() []dataplane.Object {
	var out []dataplane.Object
	for _, s := range d.sections {
		out = append(out, s)
	}
	for _, l := range d.lsps {
		out = append(out, l.LSP)
	}
	slices.SortFunc(out, func(a, b dataplane.Object) int {
		return cmp.Or(cmp.Compare(a.Key().Kind, b.Key().Kind), strings.Compare(a.Key().Name, b.Key().Name))
	})
	return out
}

// rename gives every object the name that desired has for its port, label or
// prefix, or one that starts with "?".
func (d *Driver) rename(desired []dataplane.Object) {
	ports := map[string]string{}
	labels := map[spaceLabel]string{}
	prefixes := map[netip.Prefix]string{}
	empty := map[string]bool{} // Imposing LSPs without prefixes have nothing but a name.
	for _, o := range desired {
		switch o := o.(type) {
		case dataplane.Section:
			ports[fmt.Sprint(o.Interface, ".", o.VLAN)] = o.Name
		case dataplane.LSP:
			if o.Op != dataplane.ImposeAndForward {
				labels[spaceLabel{o.InSection, o.InLabel}] = o.Name
			}
			for _, p := range o.Prefixes {
				prefixes[p] = o.Name
			}
			empty[o.Name] = o.Op == dataplane.ImposeAndForward && len(o.Prefixes) == 0
		}
	}
	names := map[string]string{"": ""} // Old to new, of sections.
	sections := map[string]dataplane.Section{}
	counters := map[string]*dataplane.Counters{}
	for old, s := range d.sections {
		s.Name = ports[fmt.Sprint(s.Interface, ".", s.VLAN)]
		if s.Name == "" {
			s.Name = "?" + strings.TrimLeft(old, "?")
		}
		names[old], sections[s.Name], counters[s.Name] = s.Name, s, d.section[old]
	}
	d.sections, d.section = sections, counters
	lsps := map[string]*lsp{}
	clear(d.labels)
	for old, l := range d.lsps {
		l.InSection, l.Out.Section = names[l.InSection], names[l.Out.Section]
		if l.Op == dataplane.ImposeAndForward {
			if l.Name = "?" + strings.TrimLeft(old, "?"); empty[old] && len(l.Prefixes) == 0 {
				l.Name = old
			}
			for _, p := range l.Prefixes {
				if n := prefixes[p]; n != "" {
					l.Name = n
				}
			}
		} else {
			k := spaceLabel{l.InSection, l.InLabel}
			d.labels[k] = l
			if l.Name = labels[k]; l.Name == "" {
				l.Name = "?" + strings.TrimLeft(old, "?")
			}
		}
		lsps[l.Name] = l
	}
	d.lsps = lsps
}

// Counters returns the counters of keys.
func (d *Driver) Counters(_ context.Context, keys []dataplane.Key, dst []dataplane.Counters) ([]dataplane.Counters, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range keys {
		var c dataplane.Counters
		switch k.Kind {
		case dataplane.KindSection:
			if s := d.section[k.Name]; s != nil {
				c = *s
			}
		case dataplane.KindLSP:
			if l := d.lsps[k.Name]; l != nil {
				c = l.counters
			}
		}
		dst = append(dst, c)
	}
	return dst, nil
}

// Events delivers link changes and drift.
func (d *Driver) Events() <-chan dataplane.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.events
}

// Close ends the events.
func (d *Driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.closed = true
		close(d.events)
	}
	return nil
}
