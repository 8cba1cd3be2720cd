package netconf

// parseModifySubscription reads <modify-subscription> (RFC 8639 section 2.4.3,
// RFC 8641 section 4.4.2). What is not given as a filter or stop-time is taken
// away; triggers that are not given stay. Where another selection is followed
// from now on, and the client wanted synchronization, it gets all of it.
func parseModifySubscription(q *request) (func() error, error) {
	in, err := q.readSubscription("ietf-subscribed-notifications", "modify-subscription")
	if err != nil {
		return nil, err
	}
	return in.modifySubscription, nil
}

func (in *subscriptionInput) modifySubscription() error {
	d := in.srv.subs.get(in.id(), in.session)
	if d == nil {
		return subscriptionError(appNoSuchSubscription, "this session has no subscription %d", in.id())
	}
	if in.datastore != (d.push != nil) {
		return invalidParameter("id", "the target of subscription %d cannot become another one", d.id)
	}
	t := terms{trigger: d.current().trigger}
	var err error
	if err = in.filter(&t); err != nil {
		return err
	}
	if t.stop, err = in.stopTime(d.replay); err != nil {
		return err
	}
	if in.datastore {
		if err = in.modifyTrigger(d, &t); err != nil {
			return err
		}
	}
	ran := d.call(func() {
		other := !d.current().sameFilter(t)
		if err = d.apply(t); err != nil {
			return
		}
		if err = in.ok(); err == nil && other {
			err = d.follow()
		}
	})
	if !ran {
		return subscriptionError(appNoSuchSubscription, "subscription %d has ended", d.id)
	}
	return err
}
