package netconf

import (
	"github.com/tandem-ne/tandem/server/tree"
)

// parseGet reads <get> (RFC 6241 section 7.7): configuration and state.
func parseGet(q *request) (func() error, error) {
	var filter *selection
	var mode tree.DefaultsMode
	err := q.params(map[string]func() error{
		"filter":     func() (err error) { filter, err = q.readFilter(); return err },
		withDefaults: q.readWithDefaults(&mode),
	})
	if err != nil {
		return nil, err
	}
	return func() error {
		root, err := q.operational(q.srv.store.Running().Root, filter)
		if err != nil {
			return err
		}
		return q.data(root, encodeOptions(mode))
	}, nil
}

// operational returns what filter selects of running joined with all state.
// Providers that the filter does not touch are not asked.
func (q *request) operational(running *tree.Node, filter *selection) (*tree.Node, error) {
	f, nothing := filter.view()
	if nothing {
		return nil, nil
	}
	root, err := q.srv.hub.View(q.ctx, running, f)
	if err != nil || filter == nil || filter.filter != nil {
		return root, err
	}
	return filter.apply(root)
}
