package netconf

import "github.com/tandem-ne/tandem/server/datastore"

// parseDeleteConfig reads <delete-config> (RFC 6241 section 7.4) of startup or of
// what is at a URL; running and the candidate cannot be deleted.
func parseDeleteConfig(q *request) (func() error, error) {
	var target configRef
	err := q.params(map[string]func() error{
		"target": q.ref(&target, refKinds{stores: []datastore.Name{datastore.Startup}, url: true}),
	})
	if err == nil && target.isZero() {
		err = missingElement("<delete-config> needs a <%s>", "target")
	}
	if err != nil {
		return nil, err
	}
	return func() (err error) {
		if target.url != nil {
			err = q.srv.urls.remove(q.ctx, target.url)
		} else {
			err = q.ds.SetStartup(q.ctx, nil)
		}
		if err != nil {
			return err
		}
		return q.ok()
	}, nil
}
