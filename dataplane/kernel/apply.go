package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// batch is one Apply. Operations change the model one after the other and note
// what they touch; then all routes go to the kernel in one pipeline: what is
// wanted first, each replaced in one step, what is wanted no longer after it.
type batch struct {
	d        *Driver
	lsps     map[string]struct{}       // To be put again.
	labels   map[uint32]struct{}       // Perhaps to be deleted.
	prefixes map[netip.Prefix]struct{} // Perhaps to be deleted.
	leaving  []*section                // Deleted sections.
	chains   bool                      // Chains of an earlier process are to go.
	failed   []*dataplane.OpError

	arena   arena
	changes []mplsnl.Change
	owners  []dataplane.Key // Of changes.
	top     uint32          // The highest label put.
}

// newBatch returns a batch for n operations.
func newBatch(d *Driver, n int) *batch {
	return &batch{
		d: d, lsps: make(map[string]struct{}, n),
		labels: map[uint32]struct{}{}, prefixes: map[netip.Prefix]struct{}{},
		changes: make([]mplsnl.Change, 0, n), owners: make([]dataplane.Key, 0, n),
	}
}

// Apply makes the operations.
func (d *Driver) Apply(ctx context.Context, ops []dataplane.Op) []*dataplane.OpError {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.chains != nil {
		return d.chains.apply(ctx, ops, d.check)
	}
	b := newBatch(d, len(ops))
	for _, op := range ops {
		if err := ctx.Err(); err != nil {
			b.fail(op.Key, "cancelled", true, err)
			continue
		}
		b.operation(op)
	}
	b.collect()
	b.send()
	b.inform(ops)
	for _, s := range b.leaving {
		b.leave(s)
	}
	if b.chains {
		if _, err := sweepChains(d.link); err != nil {
			b.fail(staleChains().Key(), "cannot take the chains away", true, err)
		}
	}
	return b.failed
}

func (b *batch) fail(k dataplane.Key, reason string, retry bool, err error) {
	b.failed = append(b.failed, &dataplane.OpError{Key: k, Reason: reason, Retry: retry, Err: err})
}

// operation takes one operation into the model.
func (b *batch) operation(op dataplane.Op) {
	if op.Verb == dataplane.Delete {
		switch op.Key.Kind {
		case dataplane.KindSection:
			b.deleteSection(op.Key.Name)
		case dataplane.KindLSP:
			b.drop(op.Key.Name)
		}
		return
	}
	if err := b.d.check(op.Object); err != nil {
		if oe, ok := errors.AsType[*dataplane.OpError](err); ok {
			b.failed = append(b.failed, oe)
		}
		return
	}
	switch o := op.Object.(type) {
	case dataplane.Section:
		b.putSection(o)
	case dataplane.LSP:
		if old, ok := b.d.model.lsps[o.Name]; ok && sameClaims(old, o) {
			b.d.model.lsps[o.Name] = o // The usual change: only the next hop is new.
		} else {
			b.drop(o.Name)
			b.takeOver(o)
			b.d.model.insert(o)
		}
		b.lsps[o.Name] = struct{}{}
	}
}

// sameClaims reports whether two states of an LSP are found under the same
// label and section in the indexes of the model.
func sameClaims(a, b dataplane.LSP) bool {
	return a.InLabel == b.InLabel && a.Out.Section == b.Out.Section && len(a.Prefixes) == 0 && len(b.Prefixes) == 0
}

// drop takes an LSP out of the model and notes what it may leave behind.
func (b *batch) drop(name string) {
	l, ok := b.d.model.lsps[name]
	if !ok {
		return
	}
	if l.InLabel != 0 {
		b.labels[l.InLabel] = struct{}{}
	}
	for _, p := range l.Prefixes {
		b.prefixes[p] = struct{}{}
	}
	b.d.model.remove(name)
	delete(b.lsps, name)
}

// takeOver drops the LSP that has the label o gets.
func (b *batch) takeOver(o dataplane.LSP) {
	if other, ok := b.d.model.labels[o.InLabel]; ok && o.InLabel != 0 {
		b.drop(other)
	}
}

// putSection brings a section to its interface and touches the LSPs on it.
func (b *batch) putSection(o dataplane.Section) {
	d := b.d
	old := d.model.sections[o.Name]
	s := &section{Section: o, since: time.Now()}
	if old != nil {
		s.since = old.since
		if old.Interface != o.Interface {
			b.leaving = append(b.leaving, old)
		}
	}
	d.model.sections[o.Name] = s
	for name := range d.model.users[o.Name] {
		b.lsps[name] = struct{}{}
	}
	l, err := d.link.ByName(o.Interface)
	if errors.Is(err, link.ErrNotFound) {
		b.fail(o.Key(), "there is no interface "+o.Interface, false, err)
		return
	}
	if err == nil {
		err = d.join(s, l)
	}
	if err != nil {
		s.index = 0
		b.fail(o.Key(), "cannot prepare interface "+o.Interface, true, err)
	}
}

// join makes an interface ready for a section: the neighbour entries of its
// peer, then the input of labels.
func (d *Driver) join(s *section, l link.Link) error {
	mac := s.PeerMAC.OrMulticast()
	if err := d.link.SetNeighbour(l.Index, gatewayIPv4(), mac); err != nil {
		return err
	}
	if s.ipv6 = d.ipv6(l.Name); s.ipv6 {
		if err := d.link.SetNeighbour(l.Index, gatewayIPv6(), mac); err != nil {
			return err
		}
	}
	if err := d.setInput(l.Name, !s.Down); err != nil {
		return err
	}
	s.index = l.Index
	return nil
}

// deleteSection takes a section out of the model; its LSPs, if some are left,
// lose their routes.
func (b *batch) deleteSection(name string) {
	m := &b.d.model
	if name == staleChains().Name {
		b.chains = true
		return
	}
	s, ok := m.sections[name]
	if !ok {
		return
	}
	delete(m.sections, name)
	b.leaving = append(b.leaving, s)
	for user := range m.users[name] {
		b.lsps[user] = struct{}{}
	}
}

// leave undoes join, unless another section has come to the interface. An
// interface that is gone has nothing left to undo.
func (b *batch) leave(s *section) {
	d := b.d
	for _, other := range d.model.sections {
		if other.Interface == s.Interface {
			return
		}
	}
	l, err := d.link.ByName(s.Interface)
	if errors.Is(err, link.ErrNotFound) {
		return
	}
	if err == nil {
		err = leavePeer(d.link, l)
	}
	if err != nil {
		b.fail(s.Key(), "cannot leave interface "+s.Interface, true, err)
	}
}

// collect turns what was touched into changes of routes.
func (b *batch) collect() {
	m := &b.d.model
	var clients []string
	for name := range b.lsps {
		l := m.lsps[name]
		if l.Op == dataplane.ImposeAndForward {
			clients = append(clients, name)
		} else {
			b.routes(&l)
		}
	}
	for _, name := range clients { // IP clients after the labels.
		l := m.lsps[name]
		b.routes(&l)
	}
	for label := range b.labels {
		if _, ours := m.routes[label]; ours {
			b.add(mplsnl.Change{Delete: true, MPLS: &mplsnl.Route{Label: label, Protocol: link.Protocol}}, dataplane.Key{})
		}
	}
	for p := range b.prefixes {
		if _, ours := m.ipRoutes[p]; ours {
			b.add(mplsnl.Change{Delete: true, IP: &mplsnl.IPRoute{Prefix: p, Protocol: link.Protocol, Metric: link.Metric}}, dataplane.Key{})
		}
	}
}

// routes adds what an LSP becomes.
func (b *batch) routes(l *dataplane.LSP) {
	f, oe := b.d.routesOf(l, b.d.model.sections, &b.arena)
	if oe != nil {
		b.failed = append(b.failed, oe)
	}
	b.put(l, f)
	if f.mpls != nil {
		b.top = max(b.top, l.InLabel)
	}
}

// put adds the routes of an LSP; what it has and should not goes to the
// deletes.
func (b *batch) put(l *dataplane.LSP, f footprint) {
	m := &b.d.model
	if l.InLabel != 0 {
		_, foreign := m.foreign[l.InLabel]
		_, ours := m.routes[l.InLabel]
		switch {
		case f.mpls == nil:
			b.labels[l.InLabel] = struct{}{}
		case foreign:
			b.fail(l.Key(), m.taken(l.InLabel), true, unix.EEXIST)
		default:
			delete(b.labels, l.InLabel)
			// A label that is not ours yet may be somebody's by now: the
			// monitor tells it later than the kernel.
			b.add(mplsnl.Change{MPLS: f.mpls, New: !ours}, l.Key())
		}
	}
	if len(f.ip) == 0 {
		for _, p := range l.Prefixes {
			b.prefixes[p] = struct{}{}
		}
		return
	}
	for i := range f.ip {
		if m.prefixes[f.ip[i].Prefix] == l.Name {
			delete(b.prefixes, f.ip[i].Prefix)
			b.add(mplsnl.Change{IP: &f.ip[i]}, l.Key())
		}
	}
}

func (b *batch) add(c mplsnl.Change, owner dataplane.Key) {
	b.changes = append(b.changes, c)
	b.owners = append(b.owners, owner)
}

// send gives the changes to the kernel and notes what became of them.
func (b *batch) send() {
	m := &b.d.model
	if b.top > 0 {
		if err := b.d.ensureLabels(b.top); err != nil {
			b.d.log.Error("cannot enlarge the label table", "label", b.top, "error", err)
		}
	}
	bad := map[int]error{}
	err := b.d.link.Conn().Apply(b.changes, func(i int, err error) { bad[i] = err })
	told := map[dataplane.Key]bool{}
	for i, c := range b.changes {
		e := bad[i]
		if e == nil {
			e = err // Of the transport: what was made is not known, all is tried again.
			if e == nil || !c.Delete {
				m.done(c)
			}
		}
		if e == nil {
			continue
		}
		k := b.owners[i]
		if k == (dataplane.Key{}) {
			b.d.log.Warn("cannot delete a route", "error", e)
			continue
		}
		if !told[k] {
			told[k] = true
			b.fail(k, b.d.reason(c, e), retryable(e), e)
		}
	}
}

// done notes a change that the kernel has made.
func (m *model) done(c mplsnl.Change) {
	switch {
	case c.MPLS != nil && c.Delete:
		delete(m.routes, c.MPLS.Label)
	case c.MPLS != nil:
		m.routes[c.MPLS.Label] = struct{}{}
	case c.Delete:
		delete(m.ipRoutes, c.IP.Prefix)
	default:
		m.ipRoutes[c.IP.Prefix] = struct{}{}
	}
}

// retryable tells whether time alone can help: not where an interface is
// missing or down, because an event will tell when it is there.
func retryable(err error) bool {
	return !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.ENETDOWN) && !errors.Is(err, unix.ENETUNREACH) && !errors.Is(err, unix.EINVAL)
}

// reason says in a few words why the kernel refused a route.
func (d *Driver) reason(c mplsnl.Change, err error) string {
	switch {
	case errors.Is(err, unix.ENODEV):
		return "the interface is gone"
	case errors.Is(err, unix.ENETDOWN):
		return "the interface is down"
	case c.IP != nil:
		return fmt.Sprintf("the kernel refuses the route for %s: %v", c.IP.Prefix, err)
	case c.New && errors.Is(err, unix.EEXIST):
		return d.model.taken(c.MPLS.Label)
	}
	return fmt.Sprintf("the kernel refuses the route for label %d: %v", c.MPLS.Label, err)
}
