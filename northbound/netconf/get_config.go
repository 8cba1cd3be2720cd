package netconf

import (
	"github.com/tandem-ne/tandem/server/tree"
)

// parseGetConfig reads <get-config> (RFC 6241 section 7.1).
func parseGetConfig(q *request) (func() error, error) {
	var source configRef
	var filter *selection
	var mode tree.DefaultsMode
	q.txid = true
	if err := q.rootEtag(); err != nil {
		return nil, err
	}
	err := q.params(map[string]func() error{
		"source":     q.ref(&source, refKinds{stores: readable}),
		"filter":     func() (err error) { filter, err = q.readFilter(); return err },
		withDefaults: q.readWithDefaults(&mode),
	})
	if err == nil && source.isZero() {
		err = missingElement("<get-config> needs a <%s>", "source")
	}
	if err != nil {
		return nil, err
	}
	asked := q.asked(filter)
	return func() error {
		full := q.root(source.store)
		var marker *txidMarker
		if asked != nil {
			ids, _ := q.txidsOf(source.store)
			full, marker = ids.snap.Root, ids.mark(asked)
		}
		root, opt, err := q.shown(q.visibleFor(full, filter), full, filter, mode)
		if err != nil {
			return err
		}
		opt.ConfigOnly = true
		root, opt = marker.apply(root, opt)
		return q.data(root, opt)
	}, nil
}
