package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

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
	check   func(dataplane.Object) error
	dirty   map[dataplane.Key]edge // With what of it has changed.
	now     map[dataplane.Key]*result
	asked   map[dataplane.Key]struct{} // What was put, not only touched.
	failed  []*dataplane.OpError
	found   map[string]chain.Port
	serving map[string]struct{} // Interfaces that are made ready for clients.
	leave   map[string]struct{} // Interfaces perhaps no longer used.
	joining []joining
	peers   []link.Link // Sections of the other way of this driver, to be undone.

	put      []mplsnl.FilterChange
	putBy    []dataplane.Key
	remove   []mplsnl.FilterChange
	retire   []mplsnl.FilterChange // Of groups that were entered until remove was done.
	routes   []mplsnl.Change
	routeBy  []dataplane.Key
	away     []netip.Prefix  // Routes perhaps to be deleted.
	gone     []filterID      // Filters perhaps to be deleted.
	others   []mplsnl.Change // Routes of the other kind of driver, to be deleted.
	othersBy []dataplane.Key
	settled  map[uint32]struct{}
	binds    map[dataplane.Key][]chain.Count
	unqueue  map[string]int // Sections that perhaps use queues no more, and where.
	lost     []spaceLabel   // Labels that perhaps nobody has any more.
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
		chains: t, check: check, dirty: map[dataplane.Key]edge{}, now: map[dataplane.Key]*result{}, asked: map[dataplane.Key]struct{}{}, leave: map[string]struct{}{},
		found: map[string]chain.Port{}, serving: map[string]struct{}{},
		settled: map[uint32]struct{}{}, binds: map[dataplane.Key][]chain.Count{}, unqueue: map[string]int{},
	}
}

// run compiles what is dirty and sends the difference.
func (c *change) run() {
	c.spread()
	c.compileAll()
	for _, k := range c.order() {
		c.difference(k)
	}
	if err := c.settle(c.settled); err != nil {
		c.failed = append(c.failed, &dataplane.OpError{Reason: "cannot read counters", Retry: true, Err: err})
	}
	c.rebind()
	told := map[dataplane.Key]bool{}
	c.send(told)
	c.enterAll()
	c.endRoutes(told)
	c.inform()
	c.openTouched()
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
	if a, ok := circuitOf(op.Object); ok {
		if other, taken := c.claims.circuits[a]; taken && other != k {
			c.drop(other)
		}
	}
	if old, ok := c.state.Objects[k]; ok {
		c.release(old)
		c.left(old)
	}
	c.claim(op.Object)
	what := onChange | onSwitch
	if _, was := c.state.Objects[k]; !was {
		what |= onExist
	}
	c.state.Objects[k] = op.Object
	c.number(op.Object)
	c.dirty[k] |= what
	c.asked[k] = struct{}{}
	switch o := op.Object.(type) {
	case dataplane.Section:
		c.joins(k, o.Interface, o.Down)
		c.schedules(o)
	case dataplane.Service:
		// Without the interface, compiling tells.
		_, _ = c.portOnce(o.Attachment.Interface)
		delete(c.leave, o.Attachment.Interface)
	case dataplane.Group:
		if active, ok := c.state.Active[o.Name]; !ok || int(active) >= len(o.Legs) {
			c.state.Active[o.Name] = o.Active
		}
	}
}

// joins brings an object to its interface.
func (c *change) joins(k dataplane.Key, name string, down bool) {
	delete(c.leave, name)
	p, err := c.portOnce(name)
	if errors.Is(err, link.ErrNotFound) {
		return // Compiling tells.
	}
	if err != nil {
		c.fail(k, fmt.Sprintf("cannot use interface %s: %v", name, err), true, err)
		return
	}
	c.joining = append(c.joining, joining{k, p, down})
}

// portOnce looks an interface up, once in a change: many services are on one.
func (c *change) portOnce(name string) (chain.Port, error) {
	if p, ok := c.found[name]; ok {
		return p, nil
	}
	p, err := c.port(name)
	if err == nil {
		c.found[name] = p
	}
	return p, err
}

// joining is an object on its way to an interface.
type joining struct {
	key  dataplane.Key
	port chain.Port
	down bool
}

// enterAll lets frames of the interfaces into the chains, which are there by
// now.
func (c *change) enterAll() {
	tried := map[int]error{}
	for _, j := range c.joining {
		err, again := tried[j.port.Index]
		if !again {
			err = c.enter(j.port)
			tried[j.port.Index] = err
		}
		if err != nil && !(errors.Is(err, errForeignQdisc) && j.down) {
			c.fail(j.key, fmt.Sprintf("cannot use interface %s: %v", j.port.Name, err), true, err)
		}
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
	if name := interfaceOf(o); name != "" {
		c.on[name]++
	}
	if l, ok := labelOf(o); ok {
		c.claims.labels[l] = o.Key()
	}
	if a, ok := circuitOf(o); ok {
		c.claims.circuits[a] = o.Key()
	}
	for _, p := range prefixesOf(o) {
		c.claims.prefixes[p] = o.Key()
	}
}

func (c *change) release(o dataplane.Object) {
	k := o.Key()
	c.exit(o)
	if l, ok := labelOf(o); ok && c.claims.labels[l] == k {
		delete(c.claims.labels, l)
		c.lost = append(c.lost, l)
	}
	if a, ok := circuitOf(o); ok && c.claims.circuits[a] == k {
		delete(c.claims.circuits, a)
	}
	for _, p := range prefixesOf(o) {
		if c.claims.prefixes[p] == k {
			delete(c.claims.prefixes, p)
		}
	}
}

// exit counts an object off its interface.
func (t *chains) exit(o dataplane.Object) {
	if name := interfaceOf(o); name != "" {
		if t.on[name]--; t.on[name] == 0 {
			delete(t.on, name)
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
		if s.peer.Index != 0 {
			c.peers = append(c.peers, s.peer)
		}
	}
	o, ok := c.state.Objects[k]
	if !ok {
		if _, ok := c.made[k]; ok {
			c.dirty[k] |= onChange // Something of what the last Dump found absent.
		}
		return
	}
	c.release(o)
	c.left(o)
	delete(c.state.Objects, k)
	c.unnumber(k)
	c.dirty[k] |= onChange | onSwitch | onExist
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
		what := c.dirty[k]
		for user, how := range c.users[k] {
			if how&what == 0 || c.dirty[user]&(onChange|onSwitch) == onChange|onSwitch {
				continue
			}
			c.dirty[user] |= onChange | onSwitch
			work = append(work, user)
		}
	}
}

// result is what an object is compiled to.
type result struct {
	chain.Compiled
	err *dataplane.OpError
}

// compileAll compiles what is dirty, and groups again that are entered in more
// or fewer ways than before.
func (c *change) compileAll() {
	work := make([]dataplane.Key, 0, len(c.dirty))
	for k := range c.dirty {
		work = append(work, k)
	}
	for len(work) > 0 {
		k := work[len(work)-1]
		work = work[:len(work)-1]
		var before []chain.Entry
		if r, again := c.now[k]; again {
			before = r.Enters
		} else if m := c.made[k]; m != nil {
			before = m.enters
		}
		r := new(result)
		if o, there := c.state.Objects[k]; there {
			r.Compiled, r.err = c.state.Compile(o)
		}
		c.now[k] = r
		c.reenter(before, r.Enters, func(group string) {
			g := dataplane.Key{Kind: dataplane.KindGroup, Name: group}
			if _, ok := c.dirty[g]; !ok {
				c.dirty[g] = 0
			}
			work = append(work, g)
		})
	}
}

// reenter counts the ways in which groups are entered, and calls changed with
// the groups that have got or lost one.
func (t *chains) reenter(before, after []chain.Entry, changed func(group string)) {
	for _, e := range after {
		if t.entered[e]++; t.entered[e] == 1 {
			t.state.Entries[e.Group] = append(t.state.Entries[e.Group], e)
			changed(e.Group)
		}
	}
	for _, e := range before {
		if t.entered[e]--; t.entered[e] > 0 {
			continue
		}
		delete(t.entered, e)
		left := slices.DeleteFunc(slices.Clone(t.state.Entries[e.Group]), func(x chain.Entry) bool { return x == e })
		t.state.Entries[e.Group] = left
		if len(left) == 0 {
			delete(t.state.Entries, e.Group)
		}
		changed(e.Group)
	}
}

// order returns what is dirty so that what is entered comes before who enters.
func (c *change) order() []dataplane.Key {
	all := make([]dataplane.Key, 0, len(c.now))
	seen := make(map[dataplane.Key]struct{}, len(c.now))
	var visit func(k dataplane.Key)
	visit = func(k dataplane.Key) {
		r, ok := c.now[k]
		if _, done := seen[k]; done || !ok {
			return
		}
		seen[k] = struct{}{}
		for _, e := range r.Enters {
			visit(dataplane.Key{Kind: dataplane.KindGroup, Name: e.Group})
		}
		all = append(all, k)
	}
	for k := range c.now {
		visit(k)
	}
	return all
}

// difference notes what of an object is not in the kernel yet, and what may be
// too much.
func (c *change) difference(k dataplane.Key) {
	now := c.now[k]
	_, there := c.state.Objects[k]
	_, was := c.broken[k]
	_, asked := c.asked[k]
	switch {
	case now.err == nil:
		delete(c.broken, k)
		if v, ok := c.state.Objects[k].(dataplane.Service); ok {
			c.serve(k, v.Attachment.Interface)
		}
	case asked || !was: // Who has failed already and is only touched again says nothing new.
		c.failed = append(c.failed, now.err)
		c.broken[k] = struct{}{}
	}
	old := c.made[k]
	next := &made{uses: usesOf(&now.Compiled), enters: now.Enters, counts: slices.Clip(now.Counts)}
	if old != nil {
		next.since = old.since
	} else {
		next.since = time.Now()
	}
	if len(now.Filters) > 0 {
		next.filters = make([]filterID, 0, len(now.Filters))
	}
	for i := range now.Filters {
		f := &now.Filters[i]
		id, h, known := c.find(f)
		if known && h.owner == k && h.sum == f.Sum(c.seed) {
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
	var counted []chain.Count
	if old != nil {
		for _, id := range old.filters {
			// A pseudowire that went over to another service took its filters along.
			if h, ok := c.have[id]; !ok || h.owner == k {
				c.gone = append(c.gone, id)
			}
		}
		c.away = append(c.away, old.prefixes...)
		counted = old.counts
		c.depend(k, old.uses, false)
	}
	c.depend(k, next.uses, true)
	if !slices.Equal(counted, next.counts) {
		indices(counted, c.settled)
		c.binds[k] = next.counts
	}
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

func (c *change) depend(k dataplane.Key, on []use, yes bool) {
	for _, u := range on {
		switch users := c.users[u.on]; {
		case yes && users == nil:
			c.users[u.on] = map[dataplane.Key]edge{k: u.how}
		case yes:
			users[k] = u.how
		default:
			delete(users, k)
			if len(users) == 0 {
				delete(c.users, u.on)
			}
		}
	}
}

// rebind changes whom the actions count for.
func (c *change) rebind() {
	for i := range c.settled {
		delete(c.counts.whom, i)
	}
	for _, list := range c.binds {
		c.counts.bind(list)
	}
	for k := range c.now {
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
