package netconf

import (
	"github.com/tandem-ne/tandem/server/tree"
)

// parseGetConfig reads <get-config> (RFC 6241 section 7.1).
func parseGetConfig(q *request) (func() error, error) {
	var source string
	var filter *selection
	var mode tree.DefaultsMode
	err := q.params(map[string]func() error{
		"source":     func() (err error) { source, err = q.datastoreName([]string{"running", "candidate"}, nil); return err },
		"filter":     func() (err error) { filter, err = q.readFilter(); return err },
		withDefaults: q.readWithDefaults(&mode),
	})
	if err == nil && source == "" {
		err = missingElement("<get-config> needs a <%s>", "source")
	}
	if err != nil {
		return nil, err
	}
	return func() error {
		root, err := filter.apply(q.root(source))
		if err != nil {
			return err
		}
		opt := encodeOptions(mode)
		opt.ConfigOnly = true
		return q.data(root, opt)
	}, nil
}

// root returns the content of a datastore as it is now.
func (q *request) root(datastore string) *tree.Node {
	if datastore == "candidate" {
		return q.ds.Candidate()
	}
	return q.srv.store.Running().Root
}
