package netconf

import "github.com/tandem-ne/tandem/server/datastore"

// parseLock reads <lock> (RFC 6241 section 7.5).
func parseLock(q *request) (func() error, error) {
	target, err := q.lockTarget("lock")
	return func() error {
		if err := q.ds.Lock(q.ctx, target); err != nil {
			return err
		}
		return q.ok()
	}, err
}

// lockTarget reads the target of <lock> and <unlock>.
func (q *request) lockTarget(operation string) (datastore.Name, error) {
	target := ""
	err := q.params(map[string]func() error{
		"target": func() (err error) {
			target, err = q.datastoreName([]string{string(datastore.Running), string(datastore.Candidate)}, nil)
			return err
		},
	})
	if err == nil && target == "" {
		err = missingElement("<"+operation+"> needs a <%s>", "target")
	}
	return datastore.Name(target), err
}
