package netconf

// parseDeleteSubscription reads <delete-subscription> (RFC 8639 section 2.4.4).
func parseDeleteSubscription(q *request) (func() error, error) {
	in, err := q.readSubscription("ietf-subscribed-notifications", "delete-subscription")
	if err != nil {
		return nil, err
	}
	return func() error {
		d := in.srv.subs.get(in.id(), in.session)
		if d == nil {
			return subscriptionError(appNoSuchSubscription, "this session has no subscription %d", in.id())
		}
		d.end("")
		// No notification follows the reply.
		select {
		case <-d.done:
		case <-in.ctx.Done():
		}
		return in.ok()
	}, nil
}
