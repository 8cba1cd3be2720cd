package netconf

import (
	"strconv"

	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/tree"
)

// describe writes the terms of the subscription as the grouping
// subscription-policy has them.
func (d *subscription) describe(w *writer) {
	t := d.current()
	if d.push != nil {
		d.push.describe(w, t)
	} else {
		d.describeFilter(w, t, "stream", "stream-filter-name")
		w.leaf("stream", oper.NETCONF)
		if !d.replay.IsZero() {
			w.leaf("replay-start-time", timestamp(d.replay))
		}
	}
	if !t.stop.IsZero() {
		w.leaf("stop-time", timestamp(t.stop))
	}
	w.leaf("encoding", "ietf-subscribed-notifications:encode-xml")
}

func (d *subscription) describeFilter(w *writer, t terms, kind, byName string) {
	switch {
	case t.filterName != "":
		w.leaf(byName, t.filterName)
	case t.subtree != nil:
		w.any(kind+"-subtree-filter", t.subtree)
	case t.xpath != "":
		w.leaf(kind+"-xpath-filter", t.xpath)
	}
}

// any sets the anydata called name.
func (w *writer) any(name string, a *tree.Any) {
	if n := w.at[len(w.at)-1].Child(name); n != nil {
		w.b.Put(tree.NewAny(n, a))
	}
}

// subscriptionState writes /subscriptions (RFC 8639 section 3.1).
func (s *Server) subscriptionState(w *writer) {
	for _, d := range s.subs.list() {
		w.in("subscription", []string{strconv.FormatUint(uint64(d.id), 10)}, func() {
			d.describe(w)
			w.in("receivers", nil, func() {
				w.in("receiver", []string{"NETCONF session " + strconv.FormatUint(uint64(d.sess.ds.ID()), 10)}, func() {
					sent, excluded := d.counters()
					w.leaf("sent-event-records", strconv.FormatUint(sent, 10))
					w.leaf("excluded-event-records", strconv.FormatUint(excluded, 10))
					w.leaf("state", "active")
				})
			})
		})
	}
}

func (d *subscription) counters() (sent, excluded uint64) {
	if d.push != nil {
		return d.push.sent.Load(), d.push.excluded.Load()
	}
	return d.stream.sent.Load(), d.stream.excluded.Load()
}
