package netconf

// parseCloseSession reads <close-session> (RFC 6241 section 7.8): the session
// ends when the reply is on its way.
func parseCloseSession(q *request) (func() error, error) {
	err := q.params(nil)
	return func() error {
		if err := q.ok(); err != nil {
			return err
		}
		return errClosed
	}, err
}
