package intent

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/tidwall/btree"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/gen/mtp"
	"github.com/tandem-ne/tandem/server/tree"
)

// kind is one of the things that intent reads. From section on they are the
// objects that deltas are made of: an object refers to objects of lower kinds,
// and a static LSP to tunnels besides.
type kind uint8

const (
	settings kind = iota // of the node
	labelBlock
	section
	staticLSP
	bidirectionalLSP
	tunnel
	meg
)

func (k kind) String() string {
	return [...]string{"node", "mpls-label-block", "section", "static-lsp", "bidirectional-lsp", "tunnel", "meg"}[k]
}

// ref names one object of the configuration.
type ref struct {
	kind kind
	name string
}

func (r ref) compare(o ref) int {
	if r.kind != o.kind {
		return cmp.Compare(r.kind, o.kind)
	}
	return strings.Compare(r.name, o.name)
}

// use says that the object from refers to the object to.
type use struct{ to, from ref }

// label is an incoming label in its label space: a section, or "" for the platform.
type label struct {
	space string
	value uint32
	lsp   string
}

// port is where a section attaches.
type port struct {
	name    string
	vlan    uint16 // 0: untagged
	section string
}

// client is an IP prefix that enters an LSP.
type client struct {
	prefix netip.Prefix
	lsp    string
}

// State is what the translation remembers of one configuration: who refers to
// whom, and who holds which label, port and prefix. It never changes; a copy
// shares all that stays the same.
type State struct {
	intent  *Intent
	root    *tree.Node
	uses    *btree.BTreeG[use]
	labels  *btree.BTreeG[label]
	ports   *btree.BTreeG[port]
	clients *btree.BTreeG[client]
}

// Root returns the configuration that the State belongs to.
func (s *State) Root() *tree.Node { return s.root }

func (i *Intent) emptyState() *State {
	return &State{
		intent: i,
		root:   tree.Empty(i.schema),
		uses: btree.NewBTreeG(func(a, b use) bool {
			if c := a.to.compare(b.to); c != 0 {
				return c < 0
			}
			return a.from.compare(b.from) < 0
		}),
		labels: btree.NewBTreeG(func(a, b label) bool {
			if a.value == b.value && a.space == b.space {
				return a.lsp < b.lsp
			}
			return a.space < b.space || a.space == b.space && a.value < b.value
		}),
		ports: btree.NewBTreeG(func(a, b port) bool {
			return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.vlan, b.vlan), cmp.Compare(a.section, b.section)) < 0
		}),
		clients: btree.NewBTreeG(func(a, b client) bool {
			return cmp.Or(a.prefix.Compare(b.prefix), cmp.Compare(a.lsp, b.lsp)) < 0
		}),
	}
}

func (s *State) with(root *tree.Node) *State {
	return &State{
		intent: s.intent, root: root,
		uses: s.uses.Copy(), labels: s.labels.Copy(), ports: s.ports.Copy(), clients: s.clients.Copy(),
	}
}

// users returns the objects of kind k that refer to r, in the order of their names.
func (s *State) users(r ref, k kind) []string {
	var names []string
	s.uses.Ascend(use{to: r, from: ref{kind: k}}, func(u use) bool {
		if u.to != r || u.from.kind != k {
			return false
		}
		names = append(names, u.from.name)
		return true
	})
	return names
}

// holders returns the LSPs that have the label.
func (s *State) holders(space string, value uint32) []string {
	var names []string
	s.labels.Ascend(label{space: space, value: value}, func(l label) bool {
		if l.space != space || l.value != value {
			return false
		}
		names = append(names, l.lsp)
		return true
	})
	return names
}

// hasLabelSpace reports whether the section has a label space of its own.
func (s *State) hasLabelSpace(name string) bool {
	found := false
	s.labels.Ascend(label{space: name}, func(l label) bool {
		found = name != "" && l.space == name
		return false
	})
	return found
}

func (s *State) attached(name string, vlan uint16) []string {
	var names []string
	s.ports.Ascend(port{name: name, vlan: vlan}, func(p port) bool {
		if p.name != name || p.vlan != vlan {
			return false
		}
		names = append(names, p.section)
		return true
	})
	return names
}

func (s *State) entering(prefix netip.Prefix) []string {
	var names []string
	s.clients.Ascend(client{prefix: prefix}, func(c client) bool {
		if c.prefix != prefix {
			return false
		}
		names = append(names, c.lsp)
		return true
	})
	return names
}

// change adds what an object of view v contributes, or takes it back.
func (s *State) change(v *view, r ref, add bool) {
	refer := func(k kind, name *string) {
		if name == nil {
			return
		}
		u := use{to: ref{k, *name}, from: r}
		if add {
			s.uses.Set(u)
		} else {
			s.uses.Delete(u)
		}
	}
	switch r.kind {
	case section:
		if c := v.section(r.name); c != nil && c.Interface != nil {
			put(s.ports, port{*c.Interface, deref(c.VlanId), r.name}, add)
		}
	case staticLSP:
		l := v.lsp(r.name)
		if l == nil {
			return
		}
		if in := l.InSegment; in != nil {
			refer(section, in.IncomingSection)
			if in.IncomingLabel != nil {
				put(s.labels, label{deref(in.IncomingSection), *in.IncomingLabel, r.name}, add)
			}
			for _, p := range in.IpPrefix {
				if prefix, err := netip.ParsePrefix(p); err == nil {
					put(s.clients, client{prefix.Masked(), r.name}, add)
				}
			}
		}
		if next := nhlfe(l); next != nil {
			refer(section, next.OutgoingSection)
			refer(tunnel, next.OutgoingTunnel)
		}
	case bidirectionalLSP:
		if b := v.bidir(r.name); b != nil {
			refer(staticLSP, b.ForwardLsp)
			refer(staticLSP, b.ReverseLsp)
		}
	case tunnel:
		if t := v.tunnel(r.name); t != nil {
			for _, l := range t.Lsp {
				refer(bidirectionalLSP, l.BidirectionalLsp)
				refer(staticLSP, l.StaticLsp)
			}
		}
	case meg:
		if m := v.meg(r.name); m != nil {
			refer(section, m.Section)
			refer(bidirectionalLSP, m.BidirectionalLsp)
			refer(staticLSP, m.StaticLsp)
		}
	}
}

func put[T any](t *btree.BTreeG[T], item T, add bool) {
	if add {
		t.Set(item)
	} else {
		t.Delete(item)
	}
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// nhlfe returns the one next hop of an LSP, nil when it has none.
func nhlfe(l *mtp.MtpNode_MplsTp_Lsps_StaticLsp) *mtp.MtpNode_MplsTp_Lsps_StaticLsp_OutSegment_NhlfeSingle {
	if l.OutSegment == nil {
		return nil
	}
	return l.OutSegment.NhlfeSingle
}

// MEGs returns the names of the MEGs that watch a section or a static LSP, the
// latter alone or as part of a bidirectional LSP.
func (s *State) MEGs(k dataplane.Key) []string {
	switch k.Kind {
	case dataplane.KindSection:
		return s.users(ref{section, k.Name}, meg)
	case dataplane.KindLSP:
		names := s.users(ref{staticLSP, k.Name}, meg)
		for _, b := range s.BidirectionalLSPs(k.Name) {
			names = append(names, s.users(ref{bidirectionalLSP, b}, meg)...)
		}
		return names
	}
	return nil
}

// Entity returns what a MEG watches: a section, an LSP, or the two LSPs of a
// bidirectional one, forward first. It is nil for a MEG that there is not.
func (s *State) Entity(name string) []dataplane.Key {
	v := s.intent.view(s)
	m := v.meg(name)
	if m == nil {
		return nil
	}
	switch {
	case m.Section != nil:
		return []dataplane.Key{{Kind: dataplane.KindSection, Name: *m.Section}}
	case m.StaticLsp != nil:
		return []dataplane.Key{{Kind: dataplane.KindLSP, Name: *m.StaticLsp}}
	case m.BidirectionalLsp != nil:
		if b := v.bidir(*m.BidirectionalLsp); b != nil {
			return []dataplane.Key{
				{Kind: dataplane.KindLSP, Name: deref(b.ForwardLsp)},
				{Kind: dataplane.KindLSP, Name: deref(b.ReverseLsp)},
			}
		}
	}
	return nil
}

// BidirectionalLSPs returns the names of the bidirectional LSPs that a static
// LSP is part of.
func (s *State) BidirectionalLSPs(lsp string) []string {
	return s.users(ref{staticLSP, lsp}, bidirectionalLSP)
}

// Tunnels returns the names of the tunnels that a static LSP is in, alone or as
// part of a bidirectional LSP.
func (s *State) Tunnels(lsp string) []string {
	names := s.users(ref{staticLSP, lsp}, tunnel)
	for _, b := range s.BidirectionalLSPs(lsp) {
		names = append(names, s.users(ref{bidirectionalLSP, b}, tunnel)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
