package netconf

import (
	"sync"

	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// The error-app-tags of RFC 5717 section 2.4.1.
const (
	appNotANodeSet = "not-a-node-set"
	appNoMatches   = "no-matches"
)

// parsePartialLock reads <partial-lock> (RFC 5717 section 2.4.1). Each <select> is
// an XPath expression whose prefixes are those in scope on its element.
func parsePartialLock(q *request) (func() error, error) {
	var exprs []*xpath.Expr
	var texts []string
	err := q.children("partial-lock", func() error {
		if q.r.Space() != nsPartialLock || string(q.r.Local()) != "select" {
			return unknownElement(q.r, yangerr.Protocol, "<partial-lock> has the parameter <select> only")
		}
		bindings := q.bindings()
		text, err := q.text()
		if err != nil {
			return err
		}
		x, err := compileXPath(q.srv.schema, text, bindings, "select")
		if err == nil && !x.IsNodes() {
			err = yangerr.New(yangerr.InvalidValue, nil, "the value of %q is not a node-set", text).WithType(yangerr.Protocol).
				WithAppTag(appNotANodeSet).WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: "select"})
		}
		exprs, texts = append(exprs, x), append(texts, q.canonicalXPath(text, bindings))
		return err
	})
	if err == nil && len(exprs) == 0 {
		err = missingElement("<partial-lock> needs a <%s>", "select")
	}
	if err != nil {
		return nil, err
	}
	return func() error {
		var locked []tree.Path
		again := func(running *tree.Node) (paths []tree.Path, err error) {
			locked, err = selected(running, exprs)
			return locked, err
		}
		paths, err := again(q.srv.store.Running().Root)
		if err != nil {
			return err
		}
		id, err := q.ds.PartialLock(q.ctx, paths, again)
		if err != nil {
			return err
		}
		q.srv.partial.keep(id, texts, q.srv.store.Locks())
		rpc := q.rpcNode(nsPartialLock, "partial-lock")
		w := &writer{b: tree.NewBuilder(tree.New(rpc.Output)), at: []*schema.Node{rpc.Output}}
		w.number("lock-id", id)
		for _, p := range locked {
			w.leaf("locked-node", p.String())
		}
		return q.output(rpc.Output, w.b.Seal())
	}, nil
}

// canonicalXPath returns an expression with the names of modules as prefixes, as
// state has it (yang:xpath1.0).
func (q *request) canonicalXPath(text string, bindings map[string]string) string {
	n, err := q.srv.schema.Find("/ietf-netconf-monitoring:netconf-state/datastores/datastore/locks/partial-lock/select")
	if err != nil {
		return text
	}
	v, err := n.Type.Parse(text, bindingResolver{q.srv.schema, bindings})
	if err != nil {
		return text
	}
	return v.String()
}

// parsePartialUnlock reads <partial-unlock> (RFC 5717 section 2.4.2).
func parsePartialUnlock(q *request) (func() error, error) {
	rpc := q.rpcNode(nsPartialLock, "partial-unlock")
	input, err := q.input(rpc)
	if err != nil {
		return nil, err
	}
	leaf := input.ChildNamed("lock-id")
	if leaf == nil {
		return nil, missingElement("<partial-unlock> needs a <%s>", "lock-id")
	}
	return func() error {
		if err := q.ds.PartialUnlock(q.ctx, uint32(leaf.Value().Uint())); err != nil {
			return err
		}
		return q.ok()
	}, nil
}

// selects remembers what was asked for in the partial locks that are held.
type selects struct {
	mu    sync.Mutex
	texts map[uint32][]string
}

// keep remembers the expressions of a lock and forgets those of locks that are gone.
func (s *selects) keep(id uint32, texts []string, held []datastore.Lock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := map[uint32][]string{}
	for _, l := range held {
		if t := s.texts[l.Partial]; t != nil {
			kept[l.Partial] = t
		}
	}
	kept[id] = texts
	s.texts = kept
}

func (s *selects) of(id uint32) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.texts[id]
}

// selected returns the nodes that the expressions select of running, each once.
func selected(running *tree.Node, exprs []*xpath.Expr) ([]tree.Path, error) {
	var paths []tree.Path
	seen := map[string]bool{}
	for _, x := range exprs {
		nodes, err := x.Nodes(xpath.Context{Root: running})
		if err != nil {
			return nil, yangerr.New(yangerr.ResourceDenied, nil, "the expression cannot be evaluated: %v", err).WithType(yangerr.Protocol)
		}
		for _, n := range nodes {
			if id := n.Path.String(); n.Node != nil && !seen[id] {
				seen[id] = true
				paths = append(paths, n.Path)
			}
		}
	}
	if len(paths) == 0 {
		return nil, yangerr.New(yangerr.OperationFailed, nil, "nothing in running matches").WithType(yangerr.Protocol).WithAppTag(appNoMatches)
	}
	return paths, nil
}

// rpcNode returns the schema node of an operation whose module is served.
func (q *request) rpcNode(space, local string) *schema.Node {
	return q.srv.schema.RPC(q.srv.schema.ModuleByNamespace(space), local)
}
