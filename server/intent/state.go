package intent

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/btree"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/server/tree"
)

// kind is one of the things that intent reads. From bandwidthProfile on they are
// the objects that deltas are made of: an object refers to objects of lower
// kinds, and a static LSP to tunnels besides.
type kind uint8

const (
	settings kind = iota // of the node
	labelBlock
	bandwidthProfile
	tcMap
	scheduler
	section
	staticLSP
	bidirectionalLSP
	tunnel
	pseudowire
	p2mpPseudowire
	switchingPoint
	service
	meg
)

func (k kind) String() string {
	return [...]string{
		"node", "mpls-label-block", "bandwidth-profile", "tc-map", "scheduler", "section", "static-lsp", "bidirectional-lsp",
		"tunnel", "pseudowire", "p2mp-pseudowire", "switching-point", "service", "meg",
	}[k]
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

func (r ref) String() string { return r.kind.String() + " " + strconv.Quote(r.name) }

// label is an incoming label in its label space: a section, or "" for the platform.
type label struct {
	space  string
	value  uint32
	holder ref
}

// port is where a section attaches.
type port struct {
	name    string
	vlan    uint16 // 0: untagged
	section string
}

// circuit is where a service attaches.
type circuit struct {
	name         string
	outer, inner uint16 // 0: not looked at
	service      string
}

// client is an IP prefix that enters an LSP.
type client struct {
	prefix netip.Prefix
	lsp    string
}

// exit is a way out of the node: a section or a tunnel, the labels that packets
// have there, and who sends them.
type exit struct {
	to     ref
	stack  string
	from   ref
	branch string
}

// State is what the translation remembers of one configuration: who refers to
// whom, and who holds which label, port, circuit and prefix, and who leaves with
// which labels. It never changes; a copy shares all that stays the same.
type State struct {
	intent   *Intent
	root     *tree.Node
	uses     *btree.BTreeG[use]
	labels   *btree.BTreeG[label]
	ports    *btree.BTreeG[port]
	circuits *btree.BTreeG[circuit]
	clients  *btree.BTreeG[client]
	exits    *btree.BTreeG[exit]
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
				return a.holder.compare(b.holder) < 0
			}
			return a.space < b.space || a.space == b.space && a.value < b.value
		}),
		ports: btree.NewBTreeG(func(a, b port) bool {
			return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.vlan, b.vlan), cmp.Compare(a.section, b.section)) < 0
		}),
		circuits: btree.NewBTreeG(func(a, b circuit) bool {
			return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.outer, b.outer), cmp.Compare(a.inner, b.inner),
				cmp.Compare(a.service, b.service)) < 0
		}),
		clients: btree.NewBTreeG(func(a, b client) bool {
			return cmp.Or(a.prefix.Compare(b.prefix), cmp.Compare(a.lsp, b.lsp)) < 0
		}),
		exits: btree.NewBTreeG(func(a, b exit) bool {
			return cmp.Or(cmp.Compare(a.stack, b.stack), a.to.compare(b.to), a.from.compare(b.from), cmp.Compare(a.branch, b.branch)) < 0
		}),
	}
}

func (s *State) with(root *tree.Node) *State {
	return &State{
		intent: s.intent, root: root,
		uses: s.uses.Copy(), labels: s.labels.Copy(), ports: s.ports.Copy(), circuits: s.circuits.Copy(),
		clients: s.clients.Copy(), exits: s.exits.Copy(),
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

// MEGs returns the names of the MEGs that watch a section, a pseudowire or a static
// LSP, the latter alone or as part of a bidirectional LSP.
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
	case dataplane.KindPseudowire:
		return s.users(ref{pseudowire, k.Name}, meg)
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
	case m.Pseudowire != nil:
		return []dataplane.Key{{Kind: dataplane.KindPseudowire, Name: *m.Pseudowire}}
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

// Attached returns the services with an attachment circuit on an interface.
func (s *State) Attached(interfaceName string) []string {
	var names []string
	for _, c := range s.attachments(interfaceName) {
		names = append(names, c.service)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Leaves returns the point-to-multipoint pseudowires that reach this node, a leaf,
// by a static LSP.
func (s *State) Leaves(lsp string) []string {
	var names []string
	for _, t := range s.Tunnels(lsp) {
		names = append(names, s.users(ref{tunnel, t}, p2mpPseudowire)...)
	}
	return names
}

// Carriers returns the static LSPs that bring a point-to-multipoint pseudowire to
// this node, a leaf.
func (s *State) Carriers(pw string) []dataplane.Key {
	v := s.intent.view(s)
	p := v.p2mpPseudowire(pw)
	if p == nil || v.tunnel(deref(p.Tunnel)) == nil {
		return nil
	}
	var keys []dataplane.Key
	t := v.tunnel(*p.Tunnel)
	for _, num := range lspNums(t) {
		for _, name := range v.members(t.Lsp[num]) {
			if c := v.lsp(name); c != nil && (operation(c) == dataplane.PopAndLookup || deref(c.Bud)) {
				keys = append(keys, dataplane.Key{Kind: dataplane.KindLSP, Name: name})
			}
		}
	}
	return keys
}

// Path returns the instance of an object in the configuration: as Intent.Path,
// and it knows which pseudowires are point-to-multipoint.
func (s *State) Path(k dataplane.Key) tree.Path {
	if k.Kind == dataplane.KindPseudowire {
		p := s.intent.entryPath(ref{p2mpPseudowire, k.Name})
		if s.root.Get(p) != nil {
			return p
		}
	}
	return s.intent.Path(k)
}
