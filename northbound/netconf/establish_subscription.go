package netconf

import (
	"strconv"
	"time"

	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// parseEstablishSubscription reads <establish-subscription> (RFC 8639 section
// 2.4.2, RFC 8641 section 4.4.1).
func parseEstablishSubscription(q *request) (func() error, error) {
	in, err := q.readSubscription("ietf-subscribed-notifications", "establish-subscription")
	if err != nil {
		return nil, err
	}
	return in.establishSubscription, nil
}

func (in *subscriptionInput) establishSubscription() error {
	sess := in.session
	if sess.subscribed.Load() {
		// RFC 8640 section 3.
		return yangerr.New(yangerr.OperationNotSupported, nil, "this session has a subscription that was made with <create-subscription>").
			WithType(yangerr.Protocol)
	}
	if n := in.srv.subs.of(sess); n >= maxSubscriptions {
		return subscriptionError(appInsufficient, "this session has %d subscriptions already", n)
	}
	d := &subscription{
		sess: sess, quit: make(chan struct{}), done: make(chan struct{}),
		calls: make(chan func()), renewed: make(chan struct{}, 1),
	}
	if err := in.filter(&d.terms); err != nil {
		return err
	}
	var revision time.Time
	var err error
	if in.datastore {
		err = in.establishPush(d)
	} else {
		revision, err = in.establishStream(d)
	}
	if err != nil {
		return err
	}
	in.srv.subs.add(d)
	w := &writer{b: tree.NewBuilder(tree.New(in.rpc.Output))}
	w.at = append(w.at, in.rpc.Output)
	w.number("id", d.id)
	if !revision.IsZero() {
		w.leaf("replay-start-time-revision", timestamp(revision))
	}
	if err := in.output(in.rpc.Output, w.b.Seal()); err != nil {
		in.srv.subs.remove(d)
		d.close()
		return err
	}
	d.start()
	return nil
}

// close releases what a subscription that was never started holds.
func (d *subscription) close() {
	if d.stream != nil {
		d.stream.sub.Close()
	} else {
		d.push.close()
	}
}

// establishStream prepares a subscription to an event stream. revision is what
// replay can start from if that is later than what was asked for.
func (in *subscriptionInput) establishStream(d *subscription) (revision time.Time, err error) {
	for _, name := range []string{"periodic", "on-change"} {
		if in.has(name) {
			return revision, invalidParameter(name, "a subscription to an event stream has no <%s>", name)
		}
	}
	var stream *oper.StreamInfo
	for _, st := range in.srv.hub.Streams() {
		if st.Name == in.text("stream") {
			stream = &st
		}
	}
	if stream == nil {
		return revision, invalidParameter("stream", "there is no stream %q", in.text("stream"))
	}
	now := d.now()
	if d.replay, err = in.time(in.in, "replay-start-time"); err != nil {
		return revision, err
	}
	if !d.replay.IsZero() && !d.replay.Before(now) {
		return revision, invalidParameter("replay-start-time", "the replay-start-time must be in the past")
	}
	if d.terms.stop, err = in.stopTime(d.replay); err != nil {
		return revision, err
	}
	var sub *oper.NotifSub
	if d.replay.IsZero() {
		sub, err = in.srv.hub.Notifications(stream.Name, in.srv.subs.backlog)
	} else {
		sub, err = in.srv.hub.Replay(stream.Name, d.replay, in.srv.subs.backlog)
		first := stream.Created
		if !stream.Aged.IsZero() {
			first = stream.Aged
		}
		if first.After(d.replay) {
			revision = first
		}
	}
	if err != nil {
		return revision, err
	}
	d.stream = &streamReader{
		sess: d.sess, sub: sub, sel: d.terms.sel, stop: d.terms.stop,
		replayed: func() error { return d.sendState("replay-completed", nil) },
		dropped:  d.suspendedAndResumed,
		calls:    d.calls, renewed: d.renewed, renew: d.renew, quit: d.quit,
	}
	return revision, nil
}

// stopTime reads the stop-time, which must be later than the start of replay, or
// in the future where there is no replay.
func (in *subscriptionInput) stopTime(replay time.Time) (time.Time, error) {
	stop, err := in.time(in.in, "stop-time")
	switch {
	case err != nil || stop.IsZero():
	case !replay.IsZero() && !stop.After(replay):
		err = invalidParameter("stop-time", "the stop-time must be later than the replay-start-time")
	case replay.IsZero() && !stop.After(in.srv.now()):
		err = invalidParameter("stop-time", "the stop-time must be in the future")
	}
	return stop, err
}

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

// describe writes id-less terms of the subscription as the grouping
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
