package netconf

import (
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/tree"
)

// parseEditData reads <edit-data> (RFC 8526 section 3.1.2). Of a failed edit
// nothing stays.
func parseEditData(q *request) (func() error, error) {
	e := editConfig{operation: tree.Merge, errorOption: "rollback-on-error"}
	err := q.params(map[string]func() error{
		"datastore":         func() error { return q.datastoreRef(&e.target, []datastore.Name{datastore.Candidate}) },
		"default-operation": q.defaultOperation(&e),
		"config":            q.editContent(&e),
		"url":               q.editContent(&e),
		withEtag:            q.flag(&e.withEtag),
	})
	if err != nil {
		return nil, err
	}
	return q.editing(&e, "edit-data", "datastore")
}
