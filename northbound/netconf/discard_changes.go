package netconf

// parseDiscardChanges reads <discard-changes> (RFC 6241 section 8.3.4.2).
func parseDiscardChanges(q *request) (func() error, error) {
	err := q.params(nil)
	return func() error {
		if err := q.ds.Discard(q.ctx); err != nil {
			return err
		}
		return q.ok()
	}, err
}
