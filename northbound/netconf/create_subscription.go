package netconf

import (
	"time"

	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// nsNotification is the namespace of RFC 5277.
const nsNotification = "urn:ietf:params:xml:ns:netconf:notification:1.0"

// parseCreateSubscription reads <create-subscription> (RFC 5277 section 2.1.1).
// There is one stream, NETCONF, without replay.
func parseCreateSubscription(q *request) (func() error, error) {
	stream := oper.NETCONF
	var filter *selection
	start, stop := "", ""
	err := q.params(map[string]func() error{
		"stream":    func() (err error) { stream, err = q.text(); return err },
		"filter":    func() (err error) { filter, err = q.readFilter(); return err },
		"startTime": func() (err error) { start, err = q.text(); return err },
		"stopTime":  func() (err error) { stop, err = q.text(); return err },
	})
	switch {
	case err != nil:
	case stop != "" && start == "":
		err = missingElement("a <stopTime> needs a <%s>", "startTime")
	case start != "":
		err = badTime("startTime", start)
	case stream != oper.NETCONF:
		err = yangerr.New(yangerr.InvalidValue, nil, "there is no stream %q, only %q", stream, oper.NETCONF).WithType(yangerr.Protocol).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: "stream"})
	}
	if err != nil {
		return nil, err
	}
	return func() error {
		if q.subscribed.Load() {
			return yangerr.New(yangerr.OperationFailed, nil, "this session has a subscription already").WithType(yangerr.Protocol)
		}
		// From here on nothing is lost: what happens before the reply is sent
		// follows it.
		sub, err := q.srv.hub.Notifications(stream, 0)
		if err != nil {
			return err
		}
		if err := q.ok(); err != nil {
			sub.Close()
			return err
		}
		q.subscribed.Store(true)
		q.notifier.Add(1)
		go func() {
			defer q.notifier.Done()
			defer sub.Close()
			q.session.notify(sub, filter)
		}()
		return nil
	}, nil
}

// badTime refuses a start of replay: the stream keeps no log.
func badTime(element, text string) error {
	if _, err := time.Parse(time.RFC3339Nano, text); err != nil {
		return yangerr.New(yangerr.BadElement, nil, "%q is not a time (RFC 3339)", text).WithType(yangerr.Protocol).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: element})
	}
	return yangerr.New(yangerr.OperationNotSupported, nil, "the stream keeps no log to replay").WithType(yangerr.Protocol).
		WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: element})
}
