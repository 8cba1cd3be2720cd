package validate

import (
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// structure checks what must exist, and what may not exist together, below n,
// an entry, a presence container or the root, down to the next such nodes
// (RFC 7950 sections 7.6.5, 7.7.5, 7.7.6, 7.9.4). Containers without presence
// are looked into whether they have an instance or not.
func (c *check) structure(p tree.Path, n *tree.Node) {
	for _, ch := range n.Schema().Choices() {
		c.choice(p, n, ch)
	}
	for _, s := range n.Schema().Children() {
		if !s.Config {
			continue
		}
		kid := n.Child(s)
		switch s.Kind {
		case schema.List, schema.LeafList:
			c.elements(p, n, s, kid.Len())
		case schema.Container:
			if s.Presence || !c.cluster[s.ID] {
				continue
			}
			if kid == nil {
				if !c.demanded(p, n, s) {
					continue
				}
				kid = tree.New(s)
			}
			c.structure(p.Child(s), kid)
		default:
			if s.Mandatory && kid == nil && c.demanded(p, n, s) {
				c.fail(yangerr.New(yangerr.DataMissing, p.Child(s), "%q is mandatory.", s.Name))
			}
		}
	}
}

// demanded reports whether the absence of s below n, at p, matters: s is in no
// case, or in a case of which there is something, and its whens are true.
func (c *check) demanded(p tree.Path, n *tree.Node, s *schema.Node) bool {
	return (s.Case == nil || active(n, s.Case)) && c.allowed(p, s)
}

// allowed reports whether the whens of s, of which there is no instance below
// p, are true (RFC 7950 section 7.21.5).
func (c *check) allowed(p tree.Path, s *schema.Node) bool {
	if len(s.When) == 0 {
		return true
	}
	for _, cond := range c.plan.conditions[s.ID] {
		if cond.must != nil {
			continue
		}
		at := p
		if cond.expr.ContextNode() == s {
			at = p.Child(s)
		}
		if ok, err := cond.expr.Bool(xpath.Context{Root: c.root, Path: at}); err != nil {
			c.fail(yangerr.New(yangerr.OperationFailed, p.Child(s), "%s: %v.", cond.expr, err))
			return false
		} else if !ok {
			return false
		}
	}
	return true
}

// active reports whether n has a node of the case.
func active(n *tree.Node, ca *schema.Case) bool {
	for _, s := range ca.Children {
		if n.Child(s) != nil {
			return true
		}
	}
	return false
}

// choice checks one choice below n and those nested in it.
func (c *check) choice(p tree.Path, n *tree.Node, ch *schema.Choice) {
	if !ch.Config {
		return
	}
	var chosen *schema.Case
	for _, ca := range ch.Cases {
		if !active(n, ca) {
			continue
		}
		if chosen != nil {
			c.fail(yangerr.New(yangerr.BadElement, p, "Choice %q cannot have both cases %q and %q.", ch.Name, chosen.Name, ca.Name).
				WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: firstOf(n, ca)}))
			continue
		}
		chosen = ca
		for _, nested := range ca.Choices {
			c.choice(p, n, nested)
		}
	}
	if chosen == nil && ch.Mandatory && c.selectable(p, ch) {
		c.fail(yangerr.New(yangerr.DataMissing, p, "Choice %q is mandatory.", ch.Name).
			WithAppTag(yangerr.AppMissingChoice).
			WithInfo(yangerr.Info{Name: yangerr.InfoMissingChoice, Namespace: yangerr.NamespaceYANG, Value: ch.Name}))
	}
}

// selectable reports whether the whens around some node of the choice are true;
// those of the choice itself are among them.
func (c *check) selectable(p tree.Path, ch *schema.Choice) bool {
	for _, ca := range ch.Cases {
		for _, s := range ca.Children {
			if s.Config && c.allowed(p, s) {
				return true
			}
		}
	}
	return false
}

// firstOf returns the name of the first node of the case that n has.
func firstOf(n *tree.Node, ca *schema.Case) string {
	for _, s := range ca.Children {
		if n.Child(s) != nil {
			return s.Name
		}
	}
	return ca.Name
}

// elements checks the number of entries of s below n.
func (c *check) elements(p tree.Path, n *tree.Node, s *schema.Node, have int) {
	switch {
	case uint64(have) < uint64(s.MinElements) && (have > 0 || c.demanded(p, n, s)):
		c.fail(yangerr.New(yangerr.OperationFailed, p.Child(s), "%q needs %d entries at least and has %d.", s.Name, s.MinElements, have).
			WithAppTag(yangerr.AppTooFewElements))
	case s.MaxElements > 0 && uint64(have) > uint64(s.MaxElements):
		c.fail(yangerr.New(yangerr.OperationFailed, p.Child(s), "%q takes %d entries at most and has %d.", s.Name, s.MaxElements, have).
			WithAppTag(yangerr.AppTooManyElements))
	}
}
