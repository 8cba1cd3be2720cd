package intent

import (
	"reflect"
	"slices"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// Build translates the change from old to new. prev is the State of old, from
// the Result of an earlier Build; nil means that the engines have nothing yet,
// and old is not looked at. The errors, in a fixed order, are the rules that new
// breaks in what the change touches, the first 100 or so; then there is no Result.
//
// new must be valid by the schema: Build relies on mandatory nodes and leafrefs.
func (i *Intent) Build(prev *State, old, new *tree.Node) (*Result, yangerr.List) {
	switch {
	case prev == nil:
		prev = i.emptyState()
	case prev.root != old:
		// The caller lost track of the State: make it again, at the cost of
		// reading all of old.
		prev = i.index(old)
	}
	next := prev.with(new)
	before, after := i.view(prev), i.view(next)
	t := i.touched(prev.root, new)
	for _, r := range t.refs() {
		next.change(before, r, false)
		next.change(after, r, true)
	}
	t.spread(before, after)
	after.spreadNode(t)
	b := builder{before: before, after: after, touched: t}
	result := b.run()
	if len(after.errors) > 0 {
		return nil, after.errors
	}
	result.State = next
	return result, nil
}

// index makes the State of a configuration from nothing.
func (i *Intent) index(root *tree.Node) *State {
	s := i.emptyState()
	t := i.touched(s.root, root)
	s.root = root
	v := i.view(s)
	for _, r := range t.refs() {
		s.change(v, r, true)
	}
	return s
}

// touched collects what a change is about.
type touched struct {
	objects map[ref]bool
	blocks  bool // label blocks
	nodeID  bool // identifiers of the node
	ttlMode bool
}

// refs lists the objects by kind and name.
func (t *touched) refs() []ref {
	refs := make([]ref, 0, len(t.objects))
	for r := range t.objects {
		refs = append(refs, r)
	}
	slices.SortFunc(refs, ref.compare)
	return refs
}

// touched finds the entries of our lists that differ.
func (i *Intent) touched(old, new *tree.Node) *touched {
	t := &touched{objects: map[ref]bool{}}
	for c := range tree.Diff(old, new) {
		if !i.within(t, c.Path) {
			i.enter(t, c.Old)
			i.enter(t, c.New)
		}
	}
	return t
}

// within notes the entry or setting that a path leads into; it is false for a
// path that ends above all of them.
func (i *Intent) within(t *touched, p tree.Path) bool {
	for at := range p {
		n := p[at].Node
		if k, ok := i.lists[n]; ok {
			t.objects[ref{k, p[at].Keys[0].String()}] = true
			return true
		}
		switch {
		case n == i.sources[labelBlock].schema:
			t.blocks = true
			return true
		case n.Parent == i.sources[settings].schema:
			t.setting(n.Name)
			return true
		case !i.above[n] && n != i.sources[settings].schema:
			return true
		}
	}
	return false
}

func (t *touched) setting(name string) {
	switch name {
	case "node-id", "global-id", "icc", "country-code":
		t.nodeID = true
	case "ttl-mode":
		t.ttlMode = true
	}
}

// enter notes the entries and settings in a subtree that came or went as a whole.
func (i *Intent) enter(t *touched, n *tree.Node) {
	if n == nil {
		return
	}
	for c := range n.Children() {
		s := c.Schema()
		k, ours := i.lists[s]
		switch {
		case ours && c.IsHolder():
			for e := range c.Children() {
				t.objects[ref{k, e.Keys()[0].String()}] = true
			}
		case s == i.sources[labelBlock].schema:
			t.blocks = true
		case s.Parent == i.sources[settings].schema:
			t.setting(s.Name)
		case i.above[s] || s == i.sources[settings].schema:
			i.enter(t, c)
		}
	}
}

// spread adds every object whose translation depends on a touched one, in
// either configuration.
func (t *touched) spread(views ...*view) {
	queue := make([]ref, 0, len(t.objects))
	for r := range t.objects {
		queue = append(queue, r)
	}
	views = slices.DeleteFunc(views, func(v *view) bool { return v.state.uses.Len() == 0 })
	add := func(k kind, names ...string) {
		for _, name := range names {
			if r := (ref{k, name}); !t.objects[r] {
				t.objects[r] = true
				queue = append(queue, r)
			}
		}
	}
	for len(queue) > 0 {
		r := queue[0]
		queue = queue[1:]
		for _, v := range views {
			for _, k := range dependents(r.kind) {
				add(k, v.state.users(r, k)...)
			}
			switch r.kind {
			case section:
				// Over a section that leads back here LSPs can feed each other.
				if v.peerIsSelf(r.name) {
					add(staticLSP, v.state.users(r, staticLSP)...)
				}
				// In a label space of its own the labels of the platform are unknown.
				if spaceChanged(views, r.name) {
					for _, name := range v.state.users(r, staticLSP) {
						add(bidirectionalLSP, v.state.BidirectionalLSPs(name)...)
					}
				}
			case switchingPoint:
				// Its segments have no MEP here.
				if x := v.switchingPoint(r.name); x != nil {
					add(pseudowire, deref(x.Segment_1), deref(x.Segment_2))
				}
			case staticLSP:
				// A section has a label space when an LSP says so.
				if l := v.lsp(r.name); l != nil && l.InSegment != nil && l.InSegment.IncomingSection != nil {
					add(section, *l.InSegment.IncomingSection)
				}
			case tunnel:
				// LSPs in it have its identifiers and administrative state.
				if !sameShape(views, r.name) {
					add(pseudowire, v.state.users(r, pseudowire)...)
					add(p2mpPseudowire, v.state.users(r, p2mpPseudowire)...)
				}
				if c := v.tunnel(r.name); c != nil {
					for _, l := range c.Lsp {
						if l.BidirectionalLsp != nil {
							add(bidirectionalLSP, *l.BidirectionalLsp)
							if b := v.bidir(*l.BidirectionalLsp); b != nil {
								add(staticLSP, deref(b.ForwardLsp), deref(b.ReverseLsp))
							}
						}
						if l.StaticLsp != nil {
							add(staticLSP, *l.StaticLsp)
						}
					}
				}
			}
		}
	}
}

// dependents returns the kinds whose translation depends on an object that they
// refer to.
func dependents(k kind) []kind {
	switch k {
	case bandwidthProfile, tcMap, p2mpPseudowire:
		return []kind{service}
	case scheduler:
		return []kind{section}
	case section:
		return []kind{meg}
	case staticLSP, bidirectionalLSP:
		return []kind{bidirectionalLSP, tunnel, meg}
	case tunnel:
		return []kind{staticLSP} // Those that enter it: their MEGs have its labels.
	case pseudowire:
		return []kind{p2mpPseudowire, switchingPoint, service, meg}
	}
	return nil
}

// spaceChanged reports whether a section has a label space of its own in one
// configuration only.
func spaceChanged(views []*view, name string) bool {
	return len(views) < 2 || views[0].state.hasLabelSpace(name) != views[1].state.hasLabelSpace(name)
}

// sameShape reports whether a tunnel is the same before and after to those who
// enter it by its group: what starts here and what ends here. Its pseudowires may
// be many, and its labels are not theirs.
func sameShape(views []*view, name string) bool {
	type shape struct {
		one, many, ends, down bool
		labels, tunnels       int
	}
	var first shape
	for i, v := range views {
		quiet := *v // who enters the tunnel reports what is wrong with it
		v = &quiet
		if !v.hasGroups() {
			return false
		}
		s := shape{ends: v.endsHere(name)}
		if v.checkRecursion(nil, name, nil) {
			s.labels, s.tunnels = v.depth(hop{tunnel: &name})
			_, s.down, _ = v.flatten(nil, hop{tunnel: &name}, nil)
		}
		for _, h := range v.heads(name) {
			s.one = s.one || h.working && h.peers == onePeer
			s.many = s.many || h.working && h.peers == manyPeers
		}
		if i == 0 {
			first = s
		} else if s != first {
			return false
		}
	}
	return len(views) > 1
}

// spreadNode adds the objects that depend on a setting of the node: their number
// is that of the whole configuration, and such a change is rare.
func (v *view) spreadNode(t *touched) {
	all := func(k kind) {
		for e := range v.entries(k) {
			t.objects[ref{k, e.Keys()[0].String()}] = true
		}
	}
	if t.ttlMode || t.nodeID {
		all(staticLSP) // Which sections lead back here depends on the Node_ID.
	}
	if t.nodeID {
		all(meg)
	}
}

// enoughErrors is where Build stops to look for more: one wrong label block can
// put every label outside.
const enoughErrors = 100

// builder makes the deltas out of the touched objects.
type builder struct {
	before, after *view
	touched       *touched
	pseudowires   map[string]bool // done already
	result        Result
}

func (b *builder) run() *Result {
	if b.touched.blocks {
		b.after.checkBlocks()
	}
	for _, r := range b.touched.refs() {
		if len(b.after.errors) >= enoughErrors {
			break
		}
		switch r.kind {
		case section:
			b.object(dataplane.KindSection, r.name, (*view).buildSection)
		case staticLSP:
			b.object(dataplane.KindLSP, r.name, (*view).buildLSP)
		case bidirectionalLSP:
			b.after.checkBidirectional(r.name)
		case tunnel:
			b.after.checkTunnel(r.name)
			b.object(dataplane.KindGroup, r.name, (*view).buildGroup)
		case pseudowire, p2mpPseudowire:
			b.pseudowire(r.name)
		case switchingPoint:
			b.object(dataplane.KindSwitchingPoint, r.name, (*view).buildSwitchingPoint)
		case service:
			b.object(dataplane.KindService, r.name, (*view).buildService)
		case meg:
			b.meg(r.name, b.before.buildMEG(r.name), b.after.buildMEG(r.name))
		}
	}
	return &b.result
}

// object makes the delta of what a function makes of both configurations.
func (b *builder) object(k dataplane.Kind, name string, make func(*view, string) dataplane.Object) {
	old, new := make(b.before, name), make(b.after, name)
	switch {
	case new == nil && old == nil:
	case new == nil:
		b.result.Dataplane.Delete = append(b.result.Dataplane.Delete, dataplane.Key{Kind: k, Name: name})
	case old == nil || !new.Equal(old):
		b.result.Dataplane.Put = append(b.result.Dataplane.Put, new)
	}
}

// pseudowire makes the delta of a name that both kinds of pseudowires share, once.
func (b *builder) pseudowire(name string) {
	if b.pseudowires[name] {
		return
	}
	if b.pseudowires == nil {
		b.pseudowires = map[string]bool{}
	}
	b.pseudowires[name] = true
	b.object(dataplane.KindPseudowire, name, func(v *view, name string) dataplane.Object {
		if o := v.buildPseudowire(name); o != nil {
			return o
		}
		return v.buildP2MP(name)
	})
}

func (b *builder) meg(name string, old, new *oam.MEG) {
	switch {
	case new == nil && old == nil:
	case new == nil:
		b.result.OAM.Delete = append(b.result.OAM.Delete, name)
	case old == nil || !reflect.DeepEqual(old, new):
		b.result.OAM.Put = append(b.result.OAM.Put, *new)
	}
}
