package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// change is one Apply on chains. Operations change the state and note what
// they touch; then everything touched, and what depends on it, is compiled, and
// the difference goes to the kernel: filters and routes that are wanted first,
// each replaced in one step, those wanted no longer after them.
type change struct {
	*chains
	check  func(dataplane.Object) error
	dirty  map[dataplane.Key]struct{}
	asked  map[dataplane.Key]struct{} // What was put, not only touched.
	failed []*dataplane.OpError
	leave  map[string]struct{} // Interfaces perhaps no longer used.

	put      []mplsnl.FilterChange
	putBy    []dataplane.Key
	remove   []mplsnl.FilterChange
	routes   []mplsnl.Change
	routeBy  []dataplane.Key
	away     []netip.Prefix  // Routes perhaps to be deleted.
	gone     []filterID      // Filters perhaps to be deleted.
	others   []mplsnl.Change // Routes of the other kind of driver, to be deleted.
	othersBy []dataplane.Key
	settled  map[uint32]struct{}
	binds    map[dataplane.Key][]chain.Count
	unqueue  map[string]int // Sections that perhaps use queues no more, and where.
}

func (t *chains) apply(ctx context.Context, ops []dataplane.Op, check func(dataplane.Object) error) []*dataplane.OpError {
	c := t.newChange(check)
	if err := t.ensureBase(); err != nil {
		for _, op := range ops {
			c.fail(op.Key, err.Error(), true, err)
		}
		return c.failed
	}
	for _, op := range ops {
		if err := ctx.Err(); err != nil {
			c.fail(op.Key, "cancelled", true, err)
			continue
		}
		c.operation(op)
	}
	c.run()
	return c.failed
}

func (t *chains) newChange(check func(dataplane.Object) error) *change {
	return &change{
		chains: t, check: check, dirty: map[dataplane.Key]struct{}{}, asked: map[dataplane.Key]struct{}{}, leave: map[string]struct{}{},
		settled: map[uint32]struct{}{}, binds: map[dataplane.Key][]chain.Count{}, unqueue: map[string]int{},
	}
}

// run compiles what is dirty and sends the difference.
func (c *change) run() {
	c.spread()
	for k := range c.dirty {
		c.compile(k)
	}
	if err := c.settle(c.settled); err != nil {
		c.failed = append(c.failed, &dataplane.OpError{Reason: "cannot read counters", Retry: true, Err: err})
	}
	c.rebind()
	c.send()
	c.clearQueues()
	for name := range c.leave {
		if err := c.leaveInterface(name); err != nil && !errors.Is(err, unix.ENODEV) {
			c.failed = append(c.failed, &dataplane.OpError{Reason: "cannot leave interface " + name, Retry: true, Err: err})
		}
	}
}

func (c *change) fail(k dataplane.Key, reason string, retry bool, err error) {
	c.failed = append(c.failed, &dataplane.OpError{Key: k, Reason: reason, Retry: retry, Err: err})
}

// operation takes one operation into the state.
func (c *change) operation(op dataplane.Op) {
	if op.Verb == dataplane.Delete {
		c.drop(op.Key)
		return
	}
	if err := c.check(op.Object); err != nil {
		if oe, ok := errors.AsType[*dataplane.OpError](err); ok {
			c.failed = append(c.failed, oe)
		}
		return
	}
	k := op.Key
	if l, ok := labelOf(op.Object); ok {
		if other, taken := c.claims.labels[l]; taken && other != k {
			c.drop(other)
		}
	}
	if old, ok := c.state.Objects[k]; ok {
		c.release(old)
		c.left(old)
	}
	c.claim(op.Object)
	c.state.Objects[k] = op.Object
	c.number(op.Object)
	c.dirty[k], c.asked[k] = struct{}{}, struct{}{}
	switch o := op.Object.(type) {
	case dataplane.Section:
		c.joins(k, o.Interface, o.Down)
		c.schedules(o)
	case dataplane.Group:
		if active, ok := c.state.Active[o.Name]; !ok || int(active) >= len(o.Legs) {
			c.state.Active[o.Name] = o.Active
		}
	}
}

// joins brings an object to its interface.
func (c *change) joins(k dataplane.Key, name string, down bool) {
	delete(c.leave, name)
	p, err := c.port(name)
	if errors.Is(err, link.ErrNotFound) {
		return // Compiling tells.
	}
	if err == nil {
		err = c.enter(p)
	}
	if err != nil {
		if errors.Is(err, errForeignQdisc) && down {
			return
		}
		c.fail(k, fmt.Sprintf("cannot use interface %s: %v", name, err), true, err)
	}
}

// left notes the interface that an object may leave.
func (c *change) left(o dataplane.Object) {
	if name := interfaceOf(o); name != "" {
		c.leave[name] = struct{}{}
	}
	if s, ok := o.(dataplane.Section); ok && s.Queues.Enabled {
		c.unqueue[s.Name] = c.state.Ports[s.Interface].Index
	}
}

func (c *change) claim(o dataplane.Object) {
	if l, ok := labelOf(o); ok {
		c.claims.labels[l] = o.Key()
	}
	for _, p := range prefixesOf(o) {
		c.claims.prefixes[p] = o.Key()
	}
}

func (c *change) release(o dataplane.Object) {
	k := o.Key()
	if l, ok := labelOf(o); ok && c.claims.labels[l] == k {
		delete(c.claims.labels, l)
	}
	for _, p := range prefixesOf(o) {
		if c.claims.prefixes[p] == k {
			delete(c.claims.prefixes, p)
		}
	}
}

// drop takes an object out of the state.
func (c *change) drop(k dataplane.Key) {
	if s, ok := c.stale[k]; ok {
		c.gone, c.away = append(c.gone, s.filters...), append(c.away, s.prefixes...)
		delete(c.stale, k)
		for _, label := range s.labels {
			r := mplsnl.Change{Delete: true, MPLS: &mplsnl.Route{Label: label, Protocol: link.Protocol}}
			c.others, c.othersBy = append(c.others, r), append(c.othersBy, k)
		}
		if s.ifname != "" {
			c.leave[s.ifname] = struct{}{}
		}
	}
	o, ok := c.state.Objects[k]
	if !ok {
		return
	}
	c.release(o)
	c.left(o)
	delete(c.state.Objects, k)
	c.unnumber(k)
	c.dirty[k] = struct{}{}
}

// spread marks what depends on what is dirty.
func (c *change) spread() {
	work := make([]dataplane.Key, 0, len(c.dirty))
	for k := range c.dirty {
		work = append(work, k)
	}
	for len(work) > 0 {
		k := work[len(work)-1]
		work = work[:len(work)-1]
		for user := range c.users[k] {
			if _, ok := c.dirty[user]; !ok {
				c.dirty[user] = struct{}{}
				work = append(work, user)
			}
		}
	}
}

// compile finds out what an object becomes and notes the difference to what it
// was.
func (c *change) compile(k dataplane.Key) {
	var now chain.Compiled
	o, there := c.state.Objects[k]
	if there {
		var err *dataplane.OpError
		now, err = c.state.Compile(o)
		_, was := c.broken[k]
		_, asked := c.asked[k]
		switch {
		case err == nil:
			delete(c.broken, k)
		case asked || !was: // Who has failed already and is only touched again says nothing new.
			c.failed = append(c.failed, err)
			c.broken[k] = struct{}{}
		}
	} else {
		delete(c.broken, k)
	}
	old := c.made[k]
	next := &made{depends: now.Depends, counts: now.Counts}
	for i := range now.Filters {
		f := &now.Filters[i]
		id, h, known := c.find(f)
		if known && h.owner == k && same(&h.what, f) {
			next.filters = append(next.filters, id)
			continue
		}
		if twin, ok := id.twin(); ok && known {
			// In its other place, and then away from this one.
			c.gone = append(c.gone, id)
			id, f.Pref = twin, twin.pref
			_, known = c.have[twin]
		}
		next.filters = append(next.filters, id)
		if _, ok := c.foreign[id]; ok {
			c.fail(k, taken(f), true, unix.EEXIST)
			continue
		}
		c.put, c.putBy = append(c.put, mplsnl.FilterChange{Filter: f, New: !known}), append(c.putBy, k)
	}
	for i := range now.Routes {
		r := &now.Routes[i]
		if c.claims.prefixes[r.Prefix] != k {
			continue
		}
		next.prefixes = append(next.prefixes, r.Prefix)
		if h, ok := c.chains.routes[r.Prefix]; ok && h.owner == k && h.what.Equal(*r) {
			continue
		}
		c.routes, c.routeBy = append(c.routes, mplsnl.Change{IP: r}), append(c.routeBy, k)
	}
	if old != nil {
		c.gone, c.away = append(c.gone, old.filters...), append(c.away, old.prefixes...)
		c.depend(k, old.depends, false)
		indices(old.counts, c.settled)
	}
	c.depend(k, next.depends, true)
	c.binds[k] = next.counts
	if there {
		c.made[k] = next
	} else {
		delete(c.made, k)
	}
}

// taken says that somebody else has the place of a filter.
func taken(f *mplsnl.Filter) string {
	return fmt.Sprintf("chain %d preference %d handle %#x is a filter that is not Tandem's", f.Chain, f.Pref, f.Handle)
}

func (c *change) depend(k dataplane.Key, on []dataplane.Key, yes bool) {
	for _, d := range on {
		switch users := c.users[d]; {
		case yes && users == nil:
			c.users[d] = map[dataplane.Key]struct{}{k: {}}
		case yes:
			users[k] = struct{}{}
		default:
			delete(users, k)
			if len(users) == 0 {
				delete(c.users, d)
			}
		}
	}
}

// rebind changes whom the actions count for.
func (c *change) rebind() {
	for i := range c.settled {
		delete(c.counts.whom, i)
	}
	for k, list := range c.binds {
		c.counts.bind(k, list)
		if c.state.Objects[k] == nil {
			delete(c.counts.totals, k)
		}
	}
	for i := range c.settled {
		if _, ok := c.counts.whom[i]; !ok {
			delete(c.counts.last, i)
		}
	}
}
