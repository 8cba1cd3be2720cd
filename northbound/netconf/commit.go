package netconf

import "github.com/tandem-ne/tandem/server/datastore"

// parseCommit reads <commit> (RFC 6241 section 8.3.4.1).
func parseCommit(q *request) (func() error, error) {
	err := q.params(nil)
	return func() error {
		if _, err := q.ds.Commit(q.ctx, datastore.CommitOptions{}); err != nil {
			return err
		}
		return q.ok()
	}, err
}
