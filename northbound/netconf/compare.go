package netconf

import (
	"fmt"
	"io"

	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/tree"
)

// parseCompare reads <compare> (RFC 9144 section 4).
func parseCompare(q *request) (func() error, error) {
	bindings, err := q.bindingsOf("xpath-filter")
	if err != nil {
		return nil, err
	}
	input, err := q.input(q.rpcNode(nsCompare, "compare"))
	if err != nil {
		return nil, err
	}
	source, err := q.storeOf(input, "source")
	if err != nil {
		return nil, err
	}
	target, err := q.storeOf(input, "target")
	if err != nil {
		return nil, err
	}
	filter, err := q.filterOf(input, bindings)
	if err != nil {
		return nil, err
	}
	point := input.ChildNamed("reference-point")
	if point != nil && !q.ds.Private() {
		return nil, wrongValue("reference-point", "this session has no private candidate")
	}
	tagged := input.ChildNamed("with-etag")
	all, origins := input.ChildNamed("all") != nil, input.ChildNamed("report-origin") != nil
	return func() error {
		// State is left out where only one side can have it.
		onlyConfig := !all && (source == operationalStore) != (target == operationalStore)
		if (source == datastore.Candidate) != (target == datastore.Candidate) && point != nil {
			return q.comparePrivate(source, target, filter, point.Value().String(), q.comparedEtag(source, target, tagged))
		}
		old, err := q.compared(source, filter, onlyConfig)
		if err != nil {
			return err
		}
		new, err := q.compared(target, filter, onlyConfig)
		if err != nil {
			return err
		}
		if filter != nil && old == nil && new == nil {
			return q.reply(func(w io.Writer) { fmt.Fprintf(w, `<no-matches xmlns="%s"/>`, nsCompare) })
		}
		p := patch{oldOrigin: source == operationalStore, newOrigin: target == operationalStore}
		if filter != nil {
			p.oldAll, p.newAll = q.whole(source), q.whole(target)
		}
		p.etag = q.comparedEtag(source, target, tagged)
		if origins {
			p.intended = q.srv.store.Running().Root
		}
		p.dst = fmt.Appendf(p.dst, `<differences xmlns="%s">`, nsCompare)
		p.differences("compare", fmt.Sprintf("from %s to %s", source, target), q.orEmpty(old), q.orEmpty(new))
		p.dst = append(p.dst, "</differences>"...)
		return q.reply(func(w io.Writer) { w.Write(p.dst) })
	}, nil
}

// comparedEtag returns what gives the later transaction id of a node in the
// datastores of configuration that are compared, nil where the client does not
// want it or there is none.
func (q *request) comparedEtag(source, target datastore.Name, tagged *tree.Node) func(tree.Path) string {
	if tagged == nil || !tagged.Value().Bool() {
		return nil
	}
	var sides []txids
	for _, store := range []datastore.Name{source, target} {
		if ids, ok := q.txidsOf(store); ok {
			sides = append(sides, ids)
		}
	}
	// The one id of startup cannot be told to be earlier or later.
	if len(sides) == 2 && sides[0].whole != "" {
		sides = sides[1:]
	} else if len(sides) == 2 && sides[1].whole != "" {
		sides = sides[:1]
	}
	if len(sides) == 0 {
		return nil
	}
	return func(at tree.Path) string {
		last := uint64(0)
		for _, ids := range sides {
			last = max(last, ids.snap.LastChange(at))
		}
		return sides[0].etag(last)
	}
}

// compared returns one side of a comparison.
func (q *request) compared(store datastore.Name, filter *selection, onlyConfig bool) (*tree.Node, error) {
	var root *tree.Node
	var err error
	switch store {
	case operationalStore:
		root, _, err = q.operational(q.srv.store.Running().Root, filter, tree.Explicit)
	case intendedStore:
		root, err = filter.apply(q.visible(q.srv.store.Running().Root))
	default:
		root, err = filter.apply(q.visible(q.root(store)))
	}
	if err == nil && onlyConfig && store == operationalStore {
		root = pruned(root, nil, func(n, _ *tree.Node) bool { return n.Schema().Config })
	}
	return root, err
}

// whole returns what a side of a comparison holds without a filter; of operational
// what is configured.
func (q *request) whole(store datastore.Name) *tree.Node {
	if store == operationalStore || store == intendedStore {
		store = datastore.Running
	}
	return q.visible(q.root(store))
}

// orEmpty returns root, or a tree without content for nil.
func (q *request) orEmpty(root *tree.Node) *tree.Node {
	if root == nil {
		return tree.Empty(q.srv.schema)
	}
	return root
}
