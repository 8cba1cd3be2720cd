package netconf

import (
	"github.com/tandem-ne/tandem/server/codec"
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
		root, opt, err := q.operational(q.srv.store.Running().Root, filter, mode)
		if err != nil {
			return err
		}
		return q.data(root, opt)
	}, nil
}

// operational returns what filter selects of running joined with all state, and
// how it is printed. Providers that the filter does not touch are not asked.
func (q *request) operational(running *tree.Node, filter *selection, mode tree.DefaultsMode) (*tree.Node, codec.EncodeOptions, error) {
	opt := codec.EncodeOptions{Defaults: mode}
	f, nothing := filter.view()
	if nothing {
		return nil, opt, nil
	}
	// A filter that looks at content waits for what the user may read.
	exact := (mode == tree.Explicit || mode == tree.Trim) && q.nacm.View().IsAll()
	if !exact && f != nil {
		f = relaxed(f)
	}
	root, err := q.srv.hub.View(q.ctx, running, f)
	if err != nil {
		return nil, opt, err
	}
	root = q.nacm.Read(root)
	if exact && (filter == nil || filter.filter != nil) {
		return root, opt, nil
	}
	return q.shown(root, running, filter, mode)
}
