package netconf

import "github.com/tandem-ne/tandem/server/datastore"

// parseLock reads <lock> (RFC 6241 section 7.5, RFC 8526 section 3.2).
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
	var target configRef
	err := q.params(map[string]func() error{
		"target": q.ref(&target, refKinds{stores: readable, nmda: true}),
	})
	if err == nil && target.isZero() {
		err = missingElement("<"+operation+"> needs a <%s>", "target")
	}
	return target.store, err
}
