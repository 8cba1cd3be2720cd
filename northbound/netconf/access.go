package netconf

import (
	"slices"

	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// checker returns what decides for a user: nil, which permits everything,
// without access control.
func (s *Server) checker(who nacm.Identity) *nacm.Checker {
	if s.nacm == nil {
		return nil
	}
	return s.nacm.Checker(who)
}

// permit returns parse, the parser of the operation that is the current token,
// or what refuses the operation if the user may not execute it (RFC 8341 section
// 3.4.4). Its parameters are then of no interest. Of an action, which is none,
// the node decides that it names.
func (q *request) permit(parse parser) parser {
	space, local := q.r.Space(), string(q.r.Local())
	if q.nacm == nil || space == yangerr.NamespaceYANG && local == "action" {
		return parse
	}
	module := ""
	if m := q.srv.schema.ModuleByNamespace(space); m != nil {
		module = m.Name
	}
	denied := q.nacm.ExecName(module, local)
	if denied == nil {
		return parse
	}
	return func(q *request) (func() error, error) {
		return func() error { return denied }, q.skip()
	}
}

// skip reads the current element to its end.
func (q *request) skip() error {
	for depth := 1; depth > 0; {
		kind, err := q.r.Next()
		switch {
		case err != nil:
			return err
		case kind == xmltok.Start:
			depth++
		case kind == xmltok.End:
			depth--
		}
	}
	return nil
}

// visible returns what the user of the session may see of root, that of a
// datastore: those of old commits and of the operational state are no use
// to remember. A filter must work on that, or it would tell what the user may not
// see (RFC 8341 section 3.2.4).
func (q *request) visible(root *tree.Node) *tree.Node { return q.nacm.ReadStore(root) }

// visibleFor is visible as far as sel may select of it: what a filter with keys
// leaves out is not looked at.
func (q *request) visibleFor(root *tree.Node, sel *selection) *tree.Node {
	if q.nacm.View().IsAll() || sel == nil || sel.filter == nil || !keyed(sel.filter) {
		return q.visible(root)
	}
	return q.nacm.Read(q.orEmpty(tree.Select(root, relaxed(sel.filter))))
}

// keyed reports whether f gives keys of all lists that it selects of.
func keyed(f *tree.Filter) bool {
	if f.Node.Kind == schema.List {
		return len(f.Keys) > 0 || slices.ContainsFunc(f.Content, func(m tree.Match) bool { return m.Leaf.IsKey() })
	}
	return len(f.Children) > 0 && !slices.ContainsFunc(f.Children, func(c *tree.Filter) bool { return !keyed(c) })
}

// mayWrite decides whether the user may make new out of old, the contents of a
// datastore.
func (q *request) mayWrite(old, new *tree.Node) error { return q.nacm.Write(old, new).Err() }

// replace makes root the candidate, as far as the user may.
func (q *request) replace(root *tree.Node) error {
	return q.ds.Update(q.ctx, func(candidate *tree.Node) (*tree.Node, error) {
		return root, q.mayWrite(candidate, root)
	})
}

// disclosed returns what the user of the session may see of a notification. A
// netconf-config-change names only changed nodes that the user may read, and is
// not for who may read none of them: any is false then.
func (sess *session) disclosed(n oper.Notification) (shown oper.Notification, any bool) {
	view := sess.nacm.View()
	if s := n.Node.Schema(); view.IsAll() || s.Name != configChange || s.Module.Name != notificationsModule {
		return n, true
	}
	edit := n.Node.Schema().Child("edit")
	before := n.Node.Child(edit)
	n.Node = tree.Sift(n.Node, struct{}{}, func(_ struct{}, c *tree.Node) (tree.Verdict, struct{}) {
		switch {
		case c == n.Node || c.Schema() == edit && c.IsHolder():
			return tree.Enter, struct{}{}
		case c.Schema() == edit:
			p, err := tree.ParsePath(sess.srv.schema, c.ChildNamed("target").Value().String())
			if err != nil || !view.CanRead(p) {
				return tree.Drop, struct{}{}
			}
		}
		return tree.Keep, struct{}{}
	}, nil, nil)
	return n, before == nil || n.Node.Child(edit) != nil
}

// mayInvoke decides about an action on the instance at path.
func (q *request) mayInvoke(path tree.Path, action *schema.Node) error {
	return q.nacm.Action(path, action)
}
