package netconf

import (
	"fmt"
	"io"
	"strconv"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// The datastores of RFC 8342 that RFC 6241 does not know.
const (
	intendedStore    datastore.Name = "intended"
	operationalStore datastore.Name = "operational"
)

// getData holds the parameters of <get-data> (RFC 8526 section 3.1.1).
type getData struct {
	store   datastore.Name
	filter  *selection
	config  *tree.Node // config-filter, nil for both
	origin  *originFilter
	depth   int // 0 is unbounded
	origins bool
	mode    tree.DefaultsMode
	ids     *txidFilter // nil where no transaction ids are asked for
}

// parseGetData reads <get-data>.
func parseGetData(q *request) (func() error, error) {
	q.txid = true
	if err := q.rootEtag(); err != nil {
		return nil, err
	}
	bindings, err := q.bindingsOf("xpath-filter")
	if err != nil {
		return nil, err
	}
	input, err := q.input(q.rpcNode(nsNMDA, "get-data"))
	if err != nil {
		return nil, err
	}
	var g getData
	if g.store, err = q.storeOf(input, "datastore"); err != nil {
		return nil, err
	}
	if g.filter, err = q.filterOf(input, bindings); err != nil {
		return nil, err
	}
	if err = g.read(input); err != nil {
		return nil, err
	}
	g.ids = q.asked(g.filter)
	if g.ids != nil && g.store == operationalStore {
		return nil, yangerr.New(yangerr.UnknownAttribute, nil, "operational is no datastore of configuration and has no transaction ids").WithType(yangerr.Protocol).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadAttribute, Value: "etag"}, yangerr.Info{Name: yangerr.InfoBadElement, Value: "get-data"})
	}
	return func() error { return q.getData(&g) }, nil
}

// storeOf returns the datastore that the leaf of an input names, which must be one
// of this element.
func (q *request) storeOf(input *tree.Node, leaf string) (datastore.Name, error) {
	id := input.ChildNamed(leaf).Value().Identity()
	if id != nil && id.Module.Namespace == nsDatastores {
		switch name := datastore.Name(id.Name); name {
		case datastore.Running, datastore.Candidate, intendedStore, operationalStore:
			return name, nil
		case datastore.Startup:
			if q.srv.startup {
				return name, nil
			}
		}
	}
	return "", wrongValue(leaf, "this element has no datastore %s", input.ChildNamed(leaf).Value())
}

// filterOf compiles the subtree-filter or xpath-filter of an input; nil is none.
func (q *request) filterOf(input *tree.Node, bindings map[string]string) (*selection, error) {
	if n := input.ChildNamed("subtree-filter"); n != nil {
		return q.selectionOf(n.Anydata())
	}
	if n := input.ChildNamed("xpath-filter"); n != nil {
		return newXPath(q.srv.schema, n.Value().String(), bindings)
	}
	return nil, nil
}

// read takes over the other parameters.
func (g *getData) read(input *tree.Node) error {
	operational := g.store == operationalStore
	g.config = input.ChildNamed("config-filter")
	g.origins = input.ChildNamed("with-origin") != nil
	if g.origins && !operational {
		return wrongValue("with-origin", "only the operational datastore has origins")
	}
	for _, name := range []string{"origin-filter", "negated-origin-filter"} {
		list := input.ChildNamed(name)
		if list == nil {
			continue
		}
		if !operational {
			return yangerr.New(yangerr.UnknownElement, nil, "only the operational datastore has a parameter <%s>", name).WithType(yangerr.Protocol).
				WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: name})
		}
		g.origin = &originFilter{negated: name != "origin-filter"}
		for e := range list.Children() {
			g.origin.wanted = append(g.origin.wanted, e.Value().Identity())
		}
	}
	if n := input.ChildNamed("max-depth"); n != nil && n.Value().String() != "unbounded" {
		g.depth, _ = strconv.Atoi(n.Value().String())
	}
	// The basic mode of operational is to report every value in use.
	word := "explicit"
	if operational {
		word = "report-all"
	}
	if n := input.ChildNamed("with-defaults"); n != nil {
		word = n.Value().String()
	}
	g.mode = modeOf(word)
	return nil
}

// getData sends what was asked for.
func (q *request) getData(g *getData) error {
	var root *tree.Node
	var opt codec.EncodeOptions
	var err error
	running := q.srv.store.Running().Root
	var marker *txidMarker
	full := running
	if g.ids != nil {
		ids, _ := q.txidsOf(g.store)
		full, marker = ids.snap.Root, ids.mark(g.ids)
	} else if g.store != operationalStore && g.store != intendedStore {
		full = q.root(g.store)
	}
	switch g.store {
	case operationalStore:
		root, opt, err = q.operational(running, g.filter, g.mode)
	default:
		root, opt, err = q.shown(q.visibleFor(full, g.filter), full, g.filter, g.mode)
	}
	if err != nil {
		return err
	}
	if g.depth > 0 || g.origin != nil || g.config != nil {
		root, opt = concrete(root, opt)
	}
	if g.config != nil {
		want := g.config.Value().Bool()
		root = pruned(root, nil, func(n, _ *tree.Node) bool { return n.Schema().Config == want })
	}
	if g.origin != nil && root != nil {
		root = g.origin.apply(q.srv.schema, root, running)
	}
	opt.ConfigOnly = g.store != operationalStore
	if g.origins {
		opt.Intended = running
	}
	root, opt = marker.apply(root, opt)
	if g.depth > 0 {
		opt = q.limitDepth(root, g.filter, g.depth, opt)
	}
	return q.replyAnydata(nsNMDA, "data", root, opt)
}

// concrete returns a tree that holds what opt would add to root in print.
func concrete(root *tree.Node, opt codec.EncodeOptions) (*tree.Node, codec.EncodeOptions) {
	if root == nil || opt.Defaults != tree.ReportAll && opt.Defaults != tree.ReportAllTagged {
		return root, opt
	}
	return withAllDefaults(root), codec.EncodeOptions{Tag: opt.Defaults == tree.ReportAllTagged}
}

// replyAnydata sends the one anydata of an output.
func (q *request) replyAnydata(space, element string, root *tree.Node, opt codec.EncodeOptions) error {
	return q.reply(func(w io.Writer) {
		if root == nil || root.Len() == 0 && root.Schema().Kind == schema.Container && opt.Defaults == tree.Explicit {
			fmt.Fprintf(w, `<%s xmlns="%s"%s/>`, element, space, markerAttrs(opt))
			return
		}
		fmt.Fprintf(w, `<%s xmlns="%s"%s>`, element, space, markerAttrs(opt))
		codec.EncodeXML(w, root, opt)
		fmt.Fprintf(w, "</%s>", element)
	})
}
