package kernel

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// model is what the driver knows: the objects it was given or found, who has
// which label and prefix, and which routes of ours and of others are in the
// kernel.
type model struct {
	sections map[string]*section
	lsps     map[string]dataplane.LSP
	labels   map[uint32]string
	prefixes map[netip.Prefix]string
	// users tells which LSPs send on a section.
	users map[string]map[string]struct{}
	// routes and ipRoutes are ours and in the kernel.
	routes   map[uint32]struct{}
	ipRoutes map[netip.Prefix]struct{}
	// foreign are labels of others, with their protocol.
	foreign map[uint32]uint8
}

// section is a section and where it is now.
type section struct {
	dataplane.Section
	index int // Of the interface; 0: there is none.
	ipv6  bool
	since time.Time
}

// newModel returns an empty model with room for n labels.
func newModel(n int) model {
	return model{
		sections: map[string]*section{},
		lsps:     make(map[string]dataplane.LSP, n),
		labels:   make(map[uint32]string, n),
		prefixes: map[netip.Prefix]string{},
		users:    map[string]map[string]struct{}{},
		routes:   make(map[uint32]struct{}, n),
		ipRoutes: map[netip.Prefix]struct{}{},
		foreign:  map[uint32]uint8{},
	}
}

// insert adds an LSP, taking its label and prefixes over from whoever has
// them. An LSP that loses its label is gone.
func (m *model) insert(l dataplane.LSP) {
	if l.InLabel != 0 {
		if other, ok := m.labels[l.InLabel]; ok && other != l.Name {
			m.remove(other)
		}
		m.labels[l.InLabel] = l.Name
	}
	for _, p := range l.Prefixes {
		m.prefixes[p] = l.Name
	}
	m.lsps[l.Name] = l
	if s := l.Out.Section; s != "" {
		if m.users[s] == nil {
			m.users[s] = map[string]struct{}{}
		}
		m.users[s][l.Name] = struct{}{}
	}
}

// remove takes an LSP out, with what it still has.
func (m *model) remove(name string) {
	l, ok := m.lsps[name]
	if !ok {
		return
	}
	delete(m.lsps, name)
	if m.labels[l.InLabel] == name {
		delete(m.labels, l.InLabel)
	}
	for _, p := range l.Prefixes {
		if m.prefixes[p] == name {
			delete(m.prefixes, p)
		}
	}
	delete(m.users[l.Out.Section], name)
	if len(m.users[l.Out.Section]) == 0 {
		delete(m.users, l.Out.Section)
	}
}

// seen notes a route that is in the kernel.
func (m *model) seen(r mplsnl.Route) {
	if r.Protocol == link.Protocol {
		delete(m.foreign, r.Label)
		m.routes[r.Label] = struct{}{}
	} else {
		delete(m.routes, r.Label)
		m.foreign[r.Label] = r.Protocol
	}
}

// taken says whose a label is that is not ours, as far as it is known.
func (m *model) taken(label uint32) string {
	if protocol, ok := m.foreign[label]; ok {
		return fmt.Sprintf("label %d belongs to a route of protocol %d that is not Tandem's", label, protocol)
	}
	return fmt.Sprintf("label %d belongs to a route that is not Tandem's", label)
}

// gone notes that a label has no route any more.
func (m *model) gone(label uint32) {
	delete(m.foreign, label)
	delete(m.routes, label)
}
