package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// chains is the driver where LSPs are chains of traffic control: what it was
// given, what that becomes, and what is in the kernel.
type chains struct {
	log   *slog.Logger
	link  *link.Handle
	state *chain.State
	// made is what each object has become.
	made map[dataplane.Key]*made
	// users are the objects that depend on one, and how; entered counts who
	// enters a group in which way.
	users   map[dataplane.Key]map[dataplane.Key]edge
	entered map[chain.Entry]int
	// have are the filters and routes in the kernel that are ours, with their
	// owner; the zero key owns what every label space needs.
	have   map[filterID]heldFilter
	routes map[netip.Prefix]heldRoute
	seed   maphash.Seed // Of the sums in have.
	// foreign are filters of others in our blocks.
	foreign map[filterID]struct{}
	claims  claims
	counts  counts
	base    bool // The device, the blocks and what is always there.
	// broken are the objects that could not be compiled when last tried.
	broken map[dataplane.Key]struct{}
	// stale are the filters and routes of objects with invented names.
	stale map[dataplane.Key]leftover
	on    map[string]int // How many objects are on an interface.
	// merging are the offloads that were switched off where clients are.
	merging map[string]map[string]bool
	// selective are the interfaces of clients that took frames for their own
	// addresses only.
	selective map[string]bool
	// queues are those of sections, by name.
	queues *link.Scheduling[string]
	tap    *tapping // nil: there is none.
	// outlets are where OAM sends into groups.
	outlets *outlets
}

// made is what an object has become.
type made struct {
	filters  []filterID
	prefixes []netip.Prefix
	uses     []use
	enters   []chain.Entry
	counts   []chain.Count
	since    time.Time // When its counters began.
}

// use is what an object depends on, and how.
type use struct {
	on  dataplane.Key
	how edge
}

// edge is how an object depends on another: what of that changes it.
type edge uint8

const (
	onChange edge = 1 << iota // Everything.
	onSwitch                  // Which leg is active.
	onExist                   // Whether it is there.
)

// usesOf sums up what an object depends on.
func usesOf(c *chain.Compiled) []use {
	n := len(c.Depends) + len(c.Refers) + len(c.Follows)
	if n == 0 {
		return nil
	}
	all := make([]use, 0, n)
	for _, k := range c.Depends {
		all = append(all, use{k, onChange})
	}
	for _, k := range c.Refers {
		all = append(all, use{k, onExist})
	}
	for _, name := range c.Follows {
		all = append(all, use{dataplane.Key{Kind: dataplane.KindGroup, Name: name}, onSwitch})
	}
	if n == 1 {
		return all
	}
	slices.SortFunc(all, func(a, b use) int {
		return cmp.Or(cmp.Compare(a.on.Kind, b.on.Kind), strings.Compare(a.on.Name, b.on.Name))
	})
	unique := all[:1]
	for _, u := range all[1:] {
		if last := &unique[len(unique)-1]; last.on == u.on {
			last.how |= u.how
		} else {
			unique = append(unique, u)
		}
	}
	return slices.Clip(slices.Clone(unique))
}

// heldRoute is a route in the kernel.
type heldRoute struct {
	what  mplsnl.IPRoute
	owner dataplane.Key
}

// heldFilter is a filter in the kernel: there are as many as labels, so only its
// sum is kept. 0: it is not as anybody has wanted it.
type heldFilter struct {
	sum   uint64
	owner dataplane.Key
}

// leftover is what belongs to no desired object.
type leftover struct {
	filters  []filterID
	prefixes []netip.Prefix
	labels   []uint32 // Of routes of MPLS.
	ifname   string
	peer     link.Link // Of a section on routes.
}

// filterID names a filter in the kernel.
type filterID struct {
	block, chain, handle uint32
	pref, protocol       uint16
}

// idOf names a filter. The handle of a u32 filter is the kernel's; its
// preference says all.
func idOf(f *mplsnl.Filter) filterID {
	id := filterID{block: f.Block, chain: f.Chain, handle: f.Handle, pref: f.Pref, protocol: f.Protocol}
	if f.Match.Kind == mplsnl.U32 {
		id.handle = 0
	}
	return id
}

// filter returns what is needed to delete it.
func (id filterID) filter() *mplsnl.Filter {
	f := &mplsnl.Filter{Block: id.block, Chain: id.chain, Handle: id.handle, Pref: id.pref, Protocol: id.protocol, Match: mplsnl.Match{Kind: mplsnl.Flower}}
	if id.handle == 0 {
		f.Match.Kind = mplsnl.U32 // All of the preference: it has but one.
	}
	return f
}

// twin names the other place of a filter of a label: a filter that changes is
// put there and deleted here, because a lookup that is under way while the
// kernel replaces one in its hash table can miss both. ok is false where there
// is none.
func (id filterID) twin() (filterID, bool) {
	pref, ok := chain.Twin(id.block, id.chain, id.pref)
	id.pref = pref
	return id, ok
}

// find looks a filter up in both its places and gives it the preference of the
// one where it is.
func (t *chains) find(f *mplsnl.Filter) (id filterID, h heldFilter, known bool) {
	id = idOf(f)
	if h, known = t.have[id]; known {
		return id, h, true
	}
	if twin, ok := id.twin(); ok {
		if h, known = t.have[twin]; known {
			f.Pref = twin.pref
			return twin, h, true
		}
	}
	return id, h, false
}

func newChains(h *link.Handle, log *slog.Logger) *chains {
	return &chains{
		log:  log,
		link: h, state: chain.NewState(), queues: link.NewScheduling[string](h), outlets: newOutlets(),
		made: map[dataplane.Key]*made{}, users: map[dataplane.Key]map[dataplane.Key]edge{}, entered: map[chain.Entry]int{},
		have: map[filterID]heldFilter{}, routes: map[netip.Prefix]heldRoute{}, seed: maphash.MakeSeed(),
		foreign: map[filterID]struct{}{}, claims: newClaims(), counts: newCounts(), stale: map[dataplane.Key]leftover{}, broken: map[dataplane.Key]struct{}{},
		on: map[string]int{},
	}
}

// ensureBase makes the device and the blocks where they are not there.
func (t *chains) ensureBase() error {
	if t.base {
		return nil
	}
	l, err := t.link.Dummy(chain.Device)
	if err != nil {
		return err
	}
	q := mplsnl.Qdisc{Interface: l.Index, IngressBlock: chain.Ingress, EgressBlock: chain.Egress}
	all, err := t.link.Conn().Qdiscs()
	if err != nil {
		return fmt.Errorf("list queueing disciplines: %w", err)
	}
	switch was, there := all[l.Index]; {
	case there && was != q:
		return fmt.Errorf("interface %s has an ingress queueing discipline that is not Tandem's", l.Name)
	case !there:
		if err := t.link.Conn().AddQdisc(q); err != nil {
			return fmt.Errorf("put clsact on %s: %w", l.Name, err)
		}
	}
	t.state.Device = chain.Port{Name: l.Name, Index: l.Index, MAC: l.MAC, MTU: l.MTU}
	var changes []mplsnl.FilterChange
	for _, f := range chain.Base(t.state.Device) {
		if h, ok := t.have[idOf(&f)]; ok && h.sum == f.Sum(t.seed) {
			continue
		}
		changes = append(changes, mplsnl.FilterChange{Filter: &f})
	}
	var failed error
	err = t.link.Conn().ApplyFilters(changes, func(i int, err error) {
		failed = fmt.Errorf("filter of chain %d: %w", changes[i].Filter.Chain, err)
	})
	if err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	for _, c := range changes {
		t.have[idOf(c.Filter)] = heldFilter{sum: c.Filter.Sum(t.seed)}
	}
	t.base = true
	t.tap.before(chain.Ingress)
	return nil
}

// same compares what is in the kernel with what should be.
func same(have, want *mplsnl.Filter) bool {
	if have.Match.Kind == mplsnl.U32 {
		h := *have
		h.Handle = want.Handle
		return h.Equal(want)
	}
	return have.Equal(want)
}

// port looks an interface up and keeps what it found in the state.
func (t *chains) port(name string) (chain.Port, error) {
	l, err := t.link.ByName(name)
	if err != nil {
		delete(t.state.Ports, name)
		return chain.Port{}, err
	}
	p := chain.Port{Name: l.Name, Index: l.Index, MAC: l.MAC, MTU: l.MTU}
	t.state.Ports[name] = p
	return p, nil
}

// enter puts the shared block on an interface.
func (t *chains) enter(p chain.Port) error {
	q := mplsnl.Qdisc{Interface: p.Index, IngressBlock: chain.Ingress}
	err := t.link.Conn().AddQdisc(q)
	if err == nil {
		return nil
	}
	all, e := t.link.Conn().Qdiscs()
	if e != nil {
		return e
	}
	if was, there := all[p.Index]; there {
		if was.IngressBlock == chain.Ingress {
			return nil
		}
		if id, _ := t.link.Ingress(p.Index, tapName); id == 0 {
			return errForeignQdisc
		}
		// A tap in front of routes, left by an earlier process.
		if t.link.ClearIngress(p.Index, tapName, true) != nil || t.link.Conn().AddQdisc(q) != nil {
			return errForeignQdisc
		}
		return nil
	}
	return err
}

// errForeignQdisc tells that somebody else has the ingress of an interface.
var errForeignQdisc = fmt.Errorf("the interface has an ingress queueing discipline that is not Tandem's: %w", unix.EEXIST)

// leaveInterface takes the shared block off an interface that no object uses.
func (t *chains) leaveInterface(name string) error {
	if t.on[name] > 0 {
		return nil
	}
	t.mayMerge(name)
	t.takeOwn(name)
	p, ok := t.state.Ports[name]
	delete(t.state.Ports, name)
	if !ok {
		return nil
	}
	all, err := t.link.Conn().Qdiscs()
	if err == nil && all[p.Index].IngressBlock == chain.Ingress && p.Index != t.state.Device.Index {
		err = errors.Join(t.link.Conn().DeleteQdisc(p.Index), t.link.ClearQueues(p.Index))
	}
	return err
}
