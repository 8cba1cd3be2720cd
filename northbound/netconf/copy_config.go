package netconf

import (
	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// parseCopyConfig reads <copy-config> (RFC 6241 section 7.3). The target is the
// candidate; the source a datastore or a configuration in the message.
func parseCopyConfig(q *request) (func() error, error) {
	var source, target string
	var inline *tree.Node
	var mode tree.DefaultsMode
	err := q.params(map[string]func() error{
		"target": func() (err error) { target, err = q.datastoreName([]string{"candidate"}, nil); return err },
		"source": func() (err error) {
			source, err = q.datastoreName([]string{"running", "candidate"}, q.readConfig(&inline))
			return err
		},
		withDefaults: q.readWithDefaults(&mode),
	})
	switch {
	case err != nil:
	case target == "":
		err = missingElement("<copy-config> needs a <%s>", "target")
	case source == "":
		err = missingElement("<copy-config> needs a <%s>", "source")
	case mode != tree.Explicit:
		err = yangerr.New(yangerr.OperationNotSupported, nil, "a copy between datastores takes over what was set, so <with-defaults> can be explicit only").
			WithType(yangerr.Protocol).WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: withDefaults})
	case source == target:
		err = yangerr.New(yangerr.InvalidValue, nil, "source and target of <copy-config> are the same datastore").WithType(yangerr.Protocol)
	}
	if err != nil {
		return nil, err
	}
	return func() error {
		if inline == nil {
			inline = q.root(source)
		}
		if err := q.ds.Replace(q.ctx, inline); err != nil {
			return err
		}
		return q.ok()
	}, nil
}

// readConfig reads a <config> that holds a whole configuration.
func (q *request) readConfig(into **tree.Node) func() error {
	return func() (err error) {
		*into, err = codec.DecodeData(q.srv.schema, q.srv.schema.Root(), q.r, codec.DataOptions{ConfigOnly: true})
		return err
	}
}
