package netconf

import (
	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// parseAction reads <action> (RFC 7950 section 7.15.2).
func parseAction(q *request) (func() error, error) {
	path, node, input, err := codec.DecodeAction(q.srv.schema, q.r)
	if err != nil {
		return nil, err
	}
	if errs := checkInput(node.Input, input, nil); len(errs) > 0 {
		return nil, errs
	}
	action := q.srv.actions[node.Path()]
	if action == nil {
		return nil, yangerr.New(yangerr.OperationNotSupported, nil, "the action %s is not supported by this element", node.Path()).
			WithType(yangerr.Protocol).WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: node.Name})
	}
	return func() error {
		if err := q.mayInvoke(path, node); err != nil {
			return err
		}
		if err := q.exists(path); err != nil {
			return err
		}
		output, err := action(q.ctx, path, input)
		if err != nil {
			return err
		}
		return q.output(node.Output, output)
	}, nil
}

// exists checks that the instance that an action is invoked on is there.
// Containers without presence need no instance of their own.
func (q *request) exists(path tree.Path) error {
	last := -1
	for i, step := range path {
		if step.Node.Kind == schema.List || step.Node.Presence {
			last = i
		}
	}
	if last < 0 {
		return nil
	}
	path = path[:last+1]
	view, err := q.srv.hub.View(q.ctx, q.srv.store.Running().Root, tree.FilterOf(q.srv.schema.Root(), path))
	if err != nil {
		return err
	}
	if view == nil || view.Get(path) == nil {
		return yangerr.New(yangerr.DataMissing, path, "the instance that the action is invoked on does not exist")
	}
	return nil
}

// checkInput finds mandatory parameters of an operation that are not there (RFC
// 7950 section 7.14.2). path is that of the input below the operation.
func checkInput(s *schema.Node, n *tree.Node, errs yangerr.List) yangerr.List {
	missing := func(name string) {
		errs = append(errs, yangerr.New(yangerr.MissingElement, nil, "the parameter <%s> of %s is mandatory", name, operationOf(s)).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: name}))
	}
	for _, c := range s.Children() {
		if !active(c, n) || len(c.When) > 0 {
			continue // another case was chosen, or the parameter depends on more than is known here
		}
		var got *tree.Node
		if n != nil {
			got = n.Child(c)
		}
		switch {
		case got == nil && (c.Mandatory || c.MinElements > 0):
			missing(c.Name)
		case c.Kind == schema.Container && (got != nil || !c.Presence):
			errs = checkInput(c, got, errs)
		case c.Kind == schema.List && got != nil:
			for e := range got.Children() {
				errs = checkInput(c, e, errs)
			}
		}
	}
	for _, ch := range s.Choices() {
		if ch.Mandatory && !chosen(ch, n) {
			errs = append(errs, yangerr.New(yangerr.DataMissing, nil, "one case of the choice %q of %s is mandatory", ch.Name, operationOf(s)).
				WithAppTag(yangerr.AppMissingChoice).WithInfo(yangerr.Info{Name: yangerr.InfoMissingChoice, Namespace: yangerr.NamespaceYANG, Value: ch.Name}))
		}
	}
	return errs
}

func operationOf(s *schema.Node) string {
	for s.Parent != nil && s.Kind != schema.RPC && s.Kind != schema.Action {
		s = s.Parent
	}
	return s.Path()
}

// active reports whether c is in no case, or in cases that are in use.
func active(c *schema.Node, n *tree.Node) bool {
	for k := c.Case; k != nil; k = k.Choice.Parent {
		if !present(k, n) {
			return false
		}
	}
	return true
}

func present(k *schema.Case, n *tree.Node) bool {
	for _, c := range k.Children {
		if n != nil && n.Child(c) != nil {
			return true
		}
	}
	return false
}

func chosen(ch *schema.Choice, n *tree.Node) bool {
	for _, k := range ch.Cases {
		if present(k, n) {
			return true
		}
	}
	return false
}
