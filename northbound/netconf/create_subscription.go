package netconf

import (
	"time"

	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// nsNotification is the namespace of RFC 5277.
const nsNotification = "urn:ietf:params:xml:ns:netconf:notification:1.0"

// parseCreateSubscription reads <create-subscription> (RFC 5277 section 2.1.1).
func parseCreateSubscription(q *request) (func() error, error) {
	stream := oper.NETCONF
	var filter *selection
	startText, stopText := "", ""
	readFilter := func() (err error) {
		if filter != nil {
			return badParameter("filter", "<create-subscription> has the parameter <filter> twice")
		}
		filter, err = q.readFilter()
		return err
	}
	err := q.params(map[string]func() error{
		"stream": func() (err error) { stream, err = q.text(); return err },
		"filter": readFilter,
		// ncclient sends the filter as it does in <get>.
		foreign(nsBase, "filter"): readFilter,

		"startTime": func() (err error) { startText, err = q.text(); return err },
		"stopTime":  func() (err error) { stopText, err = q.text(); return err },
	})
	if err != nil {
		return nil, err
	}
	start, stop, err := replayTimes(startText, stopText, q.srv.now())
	if err != nil {
		return nil, err
	}
	if stream != oper.NETCONF {
		return nil, yangerr.New(yangerr.InvalidValue, nil, "there is no stream %q, only %q", stream, oper.NETCONF).WithType(yangerr.Protocol).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: "stream"})
	}
	return func() error { return q.createSubscription(stream, filter, start, stop) }, nil
}

// replayTimes reads startTime and stopTime; the zero Time stands for none.
func replayTimes(startText, stopText string, now time.Time) (start, stop time.Time, err error) {
	if startText != "" {
		if start, err = parseTime("startTime", startText); err != nil {
			return start, stop, err
		}
		if start.After(now) {
			return start, stop, badParameter("startTime", "the startTime %s is in the future", startText)
		}
	}
	if stopText != "" {
		if startText == "" {
			return start, stop, missingElement("a <stopTime> needs a <%s>", "startTime")
		}
		if stop, err = parseTime("stopTime", stopText); err != nil {
			return start, stop, err
		}
		if !stop.After(start) {
			return start, stop, badParameter("stopTime", "the stopTime %s is not later than the startTime", stopText)
		}
	}
	return start, stop, nil
}

func parseTime(element, text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, badParameter(element, "%q is not a time (RFC 3339)", text)
	}
	return t, nil
}

// badParameter is the error of RFC 5277 section 2.1.1 for a parameter.
func badParameter(element, format string, args ...any) error {
	return yangerr.New(yangerr.BadElement, nil, format, args...).WithType(yangerr.Protocol).
		WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: element})
}

func (q *request) createSubscription(stream string, filter *selection, start, stop time.Time) error {
	if q.subscribed.Load() {
		return yangerr.New(yangerr.OperationFailed, nil, "this session has a subscription already").WithType(yangerr.Protocol)
	}
	if q.srv.subs.of(q.session) > 0 {
		return yangerr.New(yangerr.OperationNotSupported, nil, "this session has subscriptions that were established with <establish-subscription>").
			WithType(yangerr.Protocol)
	}
	// From here on nothing is lost: what happens before the reply is sent
	// follows it.
	var sub *oper.NotifSub
	var err error
	if start.IsZero() {
		sub, err = q.srv.hub.Notifications(stream, q.srv.subs.backlog)
	} else {
		sub, err = q.srv.hub.Replay(stream, start, q.srv.subs.backlog)
	}
	if err != nil {
		return err
	}
	if err := q.ok(); err != nil {
		sub.Close()
		return err
	}
	sess := q.session
	sess.subscribed.Store(true)
	sess.subscriptions.Add(1)
	r := &streamReader{
		sess: sess, sub: sub, sel: filter, stop: stop,
		replayed: func() error { return sess.manageEvent("replayComplete") },
		dropped:  func() error { return nil },
	}
	sess.notifier.Go(func() {
		if r.run() {
			// Before the client hears of the end it can subscribe again.
			sess.subscribed.Store(false)
			sess.subscriptions.Add(-1)
			sess.manageEvent("notificationComplete")
		}
	})
	return nil
}

// manageEvent sends a notification of nc-notifications, about the subscription.
func (sess *session) manageEvent(name string) error {
	s := sess.srv.schema
	n := s.Notification(s.Module("nc-notifications"), name)
	_, err := sess.emit(event{Notification: oper.Notification{Time: sess.srv.now(), Node: tree.New(n)}, own: true})
	return err
}
