package kernel

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
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
	have   map[filterID]held[mplsnl.Filter]
	routes map[netip.Prefix]held[mplsnl.IPRoute]
	// foreign are filters of others in our blocks.
	foreign map[filterID]struct{}
	claims  claims
	counts  counts
	base    bool // The device, the blocks and what is always there.
	// broken are the objects that could not be compiled when last tried.
	broken map[dataplane.Key]struct{}
	// stale are the filters and routes of objects with invented names.
	stale map[dataplane.Key]leftover
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
	uses     map[dataplane.Key]edge
	enters   []chain.Entry
	counts   []chain.Count
}

// edge is how an object depends on another: what of that changes it.
type edge uint8

const (
	onChange edge = 1 << iota // Everything.
	onSwitch                  // Which leg is active.
	onExist                   // Whether it is there.
)

// usesOf sums up what an object depends on.
func usesOf(c *chain.Compiled) map[dataplane.Key]edge {
	if len(c.Depends)+len(c.Refers)+len(c.Follows) == 0 {
		return nil
	}
	all := make(map[dataplane.Key]edge, len(c.Depends)+len(c.Refers))
	for _, k := range c.Depends {
		all[k] |= onChange
	}
	for _, k := range c.Refers {
		all[k] |= onExist
	}
	for _, name := range c.Follows {
		all[dataplane.Key{Kind: dataplane.KindGroup, Name: name}] |= onSwitch
	}
	return all
}

// held is something in the kernel.
type held[T any] struct {
	what  T
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
func (t *chains) find(f *mplsnl.Filter) (id filterID, h held[mplsnl.Filter], known bool) {
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
		have: map[filterID]held[mplsnl.Filter]{}, routes: map[netip.Prefix]held[mplsnl.IPRoute]{},
		foreign: map[filterID]struct{}{}, claims: newClaims(), counts: newCounts(time.Now()), stale: map[dataplane.Key]leftover{}, broken: map[dataplane.Key]struct{}{},
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
		if h, ok := t.have[idOf(&f)]; ok && same(&h.what, &f) {
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
		t.have[idOf(c.Filter)] = held[mplsnl.Filter]{what: *c.Filter}
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
	for _, o := range t.state.Objects {
		if interfaceOf(o) == name {
			return nil
		}
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
