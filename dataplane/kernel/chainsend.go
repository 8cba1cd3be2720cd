package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// send gives the difference to the kernel and notes what became of it.
func (c *change) send(told map[dataplane.Key]bool) {
	report := func(k dataplane.Key, what string, err error) { c.refused(told, k, what, err) }
	wanted := make(map[filterID]struct{}, len(c.put))
	for i := range c.put {
		wanted[idOf(c.put[i].Filter)] = struct{}{}
	}
	c.each(c.put, func(i int, err error) {
		f, k := c.put[i].Filter, c.putBy[i]
		if twin, ok := idOf(f).twin(); err != nil && ok {
			if _, there := c.have[twin]; there {
				wanted[twin] = struct{}{} // What was there goes on.
				c.made[k].filters = append(c.made[k].filters, twin)
			}
		}
		switch {
		case errors.Is(err, unix.EEXIST):
			c.foreign[idOf(f)] = struct{}{}
			if !told[k] {
				told[k] = true
				c.fail(k, taken(f), true, err)
			}
			return
		case err != nil:
			report(k, fmt.Sprintf("the filter of chain %d", f.Chain), err)
			return
		}
		c.have[idOf(f)] = heldFilter{sum: f.Sum(c.seed), owner: k}
	})
	c.changeRoutes(c.routes, func(i int, err error) {
		r, k := c.routes[i].IP, c.routeBy[i]
		if err != nil {
			report(k, fmt.Sprintf("the route for %s", r.Prefix), err)
			return
		}
		c.chains.routes[r.Prefix] = heldRoute{what: *r, owner: k}
	})
	c.sweep(wanted)
}

// refused reports what the kernel refuses, once for an object.
func (c *change) refused(told map[dataplane.Key]bool, k dataplane.Key, what string, err error) {
	if !told[k] {
		told[k] = true
		c.fail(k, refusedBecause(what, err), retryable(err), err)
	}
}

// endRoutes takes away what the other way of this driver has left, when the
// frames come here.
func (c *change) endRoutes(told map[dataplane.Key]bool) {
	c.changeRoutes(c.others, func(i int, err error) {
		if err != nil {
			c.refused(told, c.othersBy[i], fmt.Sprintf("the deletion of label %d", c.others[i].MPLS.Label), err)
		}
	})
	for _, l := range c.peers {
		if err := leavePeer(c.link, l); err != nil && !errors.Is(err, unix.ENODEV) {
			c.failed = append(c.failed, &dataplane.OpError{Reason: "cannot take the neighbour entries off " + l.Name, Retry: true, Err: err})
		}
	}
}

// sweep deletes what nobody wants any more.
func (c *change) sweep(wanted map[filterID]struct{}) {
	keep := map[netip.Prefix]struct{}{}
	for k := range c.dirty {
		if m := c.made[k]; m != nil {
			for _, id := range m.filters {
				wanted[id] = struct{}{}
			}
			for _, p := range m.prefixes {
				keep[p] = struct{}{}
			}
		}
	}
	for _, id := range c.gone {
		if _, ok := wanted[id]; ok {
			continue
		}
		if _, ok := c.have[id]; !ok {
			continue
		}
		wanted[id] = struct{}{} // Once.
		x := mplsnl.FilterChange{Delete: true, Filter: id.filter()}
		if twin, ok := id.twin(); ok && chain.OfGroup(id.chain) {
			if _, replaced := wanted[twin]; !replaced {
				c.retire = append(c.retire, x)
				continue
			}
		}
		c.remove = append(c.remove, x)
	}
	var routes []mplsnl.Change
	for _, p := range c.away {
		if _, ok := keep[p]; ok {
			continue
		}
		if _, ok := c.chains.routes[p]; ok {
			keep[p] = struct{}{}
			routes = append(routes, mplsnl.Change{Delete: true, IP: &mplsnl.IPRoute{Prefix: p, Protocol: link.Protocol, Metric: link.Metric}})
		}
	}
	c.changeRoutes(routes, func(i int, err error) {
		if err == nil {
			delete(c.chains.routes, routes[i].IP.Prefix)
		}
	})
	if len(c.put) > 0 && len(c.remove) > 0 {
		c.grace()
	}
	c.delete(c.remove)
	if len(c.put)+len(c.remove) > 0 && len(c.retire) > 0 {
		c.grace()
	}
	c.delete(c.retire)
}

func (c *change) delete(filters []mplsnl.FilterChange) {
	c.each(filters, func(i int, err error) {
		if err == nil {
			delete(c.have, idOf(filters[i].Filter))
		}
	})
}

// grace waits until no packet is looked up that began before the new filters
// were there: what is deleted after that is missed by none.
func (c *change) grace() {
	// MEMBARRIER_CMD_GLOBAL waits for a grace period of RCU.
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0); errno != 0 {
		time.Sleep(graceTime)
	}
}

const (
	membarrierGlobal = 1
	// graceTime is more than a grace period takes on an idle machine.
	graceTime = 50 * time.Millisecond
)

// each applies filters and calls done for each, in order.
func (c *change) each(changes []mplsnl.FilterChange, done func(i int, err error)) {
	bad := map[int]error{}
	err := c.link.Conn().ApplyFilters(changes, func(i int, err error) { bad[i] = err })
	for i := range changes {
		e := bad[i]
		if e == nil {
			e = err // Of the transport: nothing is known, all is tried again.
		}
		done(i, e)
	}
}

func (c *change) changeRoutes(changes []mplsnl.Change, done func(i int, err error)) {
	bad := map[int]error{}
	err := c.link.Conn().Apply(changes, func(i int, err error) { bad[i] = err })
	for i := range changes {
		e := bad[i]
		if e == nil {
			e = err
		}
		done(i, e)
	}
}

// refusedBecause says in a few words why the kernel refused something.
func refusedBecause(what string, err error) string {
	switch {
	case errors.Is(err, unix.ENODEV):
		return "the interface is gone"
	case errors.Is(err, unix.ENETDOWN):
		return "the interface is down"
	}
	return fmt.Sprintf("the kernel refuses %s: %v", what, err)
}
