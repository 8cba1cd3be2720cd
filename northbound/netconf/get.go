package netconf

import (
	"github.com/tandem-ne/tandem/server/tree"
)

// parseGet reads <get> (RFC 6241 section 7.7): configuration and state.
func parseGet(q *request) (func() error, error) {
	var filter *filterNode
	var mode tree.DefaultsMode
	err := q.params(map[string]func() error{
		"filter":     func() (err error) { filter, err = q.readFilter(); return err },
		withDefaults: q.readWithDefaults(&mode),
	})
	if err != nil {
		return nil, err
	}
	return func() error {
		var f *tree.Filter
		if filter != nil {
			if f = filter.compile(q.srv.schema, q.srv.schema.Root()); f == nil {
				return q.data(nil, encodeOptions(mode))
			}
		}
		root, err := q.srv.hub.View(q.ctx, q.srv.store.Running().Root, f)
		if err != nil {
			return err
		}
		return q.data(root, encodeOptions(mode))
	}, nil
}
