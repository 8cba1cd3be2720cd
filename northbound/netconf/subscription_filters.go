package netconf

import (
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// renew compiles the filter that the subscription names again, because the
// container filters has changed, and tells the client (RFC 8639 section 2.7.2).
func (d *subscription) renew() error {
	t := d.current()
	sel, err := d.sess.srv.namedFilter(d.sess.srv.store.Running().Root, t.filterName, d.push != nil)
	if err != nil {
		d.end(reasonFilterUnavailable)
		return nil
	}
	t.sel = sel
	if err := d.apply(t); err != nil {
		d.end(reasonFilterUnavailable)
		return nil
	}
	if err := d.sendState("subscription-modified", func(w *writer) { d.describe(w) }); err != nil {
		return err
	}
	return d.follow()
}

// follow sends the selection after another filter was applied.
func (d *subscription) follow() error {
	if d.push == nil || !d.push.canSync() {
		return nil
	}
	return d.push.resync()
}

// apply makes t the terms in force; the subscription's goroutine calls it.
func (d *subscription) apply(t terms) error {
	if d.push != nil {
		if err := d.push.change(t); err != nil {
			return err
		}
	} else {
		d.stream.sel, d.stream.stop = t.sel, t.stop
	}
	d.setTerms(t)
	return nil
}

// filtersChanged has the subscriptions look at the filters that they name. It
// does not wait for them.
func (s *Server) filtersChanged(old, new *tree.Node) {
	top := s.schema.Root().ChildIn(s.schema.Module("ietf-subscribed-notifications"), "filters")
	if top == nil || old.Child(top) == new.Child(top) {
		return
	}
	for _, d := range s.subs.list() {
		t := d.current()
		if t.filterName == "" || equalFilter(old.Child(top), new.Child(top), t.filterName, d.push != nil) {
			continue
		}
		select {
		case d.renewed <- struct{}{}:
		default:
		}
	}
}

// equalFilter reports whether two instances of the container filters have the
// same filter of that name.
func equalFilter(old, new *tree.Node, name string, datastore bool) bool {
	list := "stream-filter"
	if datastore {
		list = "selection-filter"
	}
	entry := func(n *tree.Node) *tree.Node {
		if n == nil || n.ChildNamed(list) == nil {
			return nil
		}
		holder := n.ChildNamed(list)
		return holder.Entry(schema.StringValue(holder.Schema().Keys[0].Type, name))
	}
	a, b := entry(old), entry(new)
	return a == b || a != nil && b != nil && tree.Equal(a, b)
}
