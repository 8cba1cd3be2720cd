package netconf

// parseUnlock reads <unlock> (RFC 6241 section 7.6).
func parseUnlock(q *request) (func() error, error) {
	target, err := q.lockTarget("unlock")
	return func() error {
		if err := q.ds.Unlock(q.ctx, target); err != nil {
			return err
		}
		return q.ok()
	}, err
}
