package netconf

// parseCancelCommit reads <cancel-commit> (RFC 6241 section 8.4.4.1).
func parseCancelCommit(q *request) (func() error, error) {
	id := ""
	err := q.params(map[string]func() error{
		"persist-id": func() (err error) { id, err = q.token(); return err },
	})
	if err != nil {
		return nil, err
	}
	return func() error {
		if err := q.ds.CancelCommit(q.ctx, id); err != nil {
			return err
		}
		return q.ok()
	}, nil
}
