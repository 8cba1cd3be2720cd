package netconf

// parseKillSubscription reads <kill-subscription> (RFC 8639 section 2.4.5), which
// ends the subscription of any session. Its client gets subscription-terminated;
// nobody waits for that.
func parseKillSubscription(q *request) (func() error, error) {
	in, err := q.readSubscription("ietf-subscribed-notifications", "kill-subscription")
	if err != nil {
		return nil, err
	}
	return func() error {
		d := in.srv.subs.get(in.id(), nil)
		if d == nil {
			return subscriptionError(appNoSuchSubscription, "there is no subscription %d", in.id())
		}
		d.end(reasonNoSuch)
		return in.ok()
	}, nil
}
