package netconf

import (
	"time"

	"github.com/tandem-ne/tandem/server/oper"
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
