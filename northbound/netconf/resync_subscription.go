package netconf

// parseResyncSubscription reads <resync-subscription> (RFC 8641 section 4.4.3).
func parseResyncSubscription(q *request) (func() error, error) {
	in, err := q.readSubscription("ietf-yang-push", "resync-subscription")
	if err != nil {
		return nil, err
	}
	return func() error {
		d := in.srv.subs.get(in.id(), in.session)
		switch {
		case d == nil || d.push == nil:
			return subscriptionError(appNoSuchResync, "this session has no subscription %d to a datastore", in.id())
		case !d.push.canSync():
			return subscriptionError(appOnChangeSync, "subscription %d is not on-change with sync-on-start", d.id)
		}
		ran := d.call(func() {
			if err = in.ok(); err == nil {
				err = d.push.resync()
			}
		})
		if !ran {
			return subscriptionError(appNoSuchResync, "subscription %d has ended", d.id)
		}
		return err
	}, nil
}
