package validate

import (
	"fmt"
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// maxNonUnique bounds the entries that one data-not-unique error lists.
const maxNonUnique = 8

// eachTuple calls fn with the tuple that entry n at p of root has for every unique
// statement of its list. An entry in which a leaf has neither a value nor a
// default in use takes no part (RFC 7950 section 7.8.3).
func (c *check) eachTuple(root *tree.Node, p tree.Path, n *tree.Node, fn func(uniqueItem)) {
	list := c.unique[n.Schema().ID]
	if list == nil {
		return
	}
next:
	for i, leaves := range list.Unique {
		tuple := make([]schema.Value, len(leaves))
		for k, leaf := range leaves {
			v, isDefault := below(n, leaf)
			if v.IsZero() || isDefault && c.conditional[leaf.ID] && !c.inUse(root, pathTo(p, leaf)) {
				continue next
			}
			tuple[k] = v
		}
		fn(uniqueItem{list: list, number: i, parent: keysOf(p[:len(p)-1]), tuple: tuple, keys: n.Keys()})
	}
}

// below returns the value of leaf, a descendant of n through containers, or its
// default, and whether it is that.
func below(n *tree.Node, leaf *schema.Node) (v schema.Value, isDefault bool) {
	if n = descend(n, leaf.Parent); n == nil {
		return schema.Value{}, false
	}
	return tree.Effective(n, leaf)
}

func descend(n *tree.Node, to *schema.Node) *tree.Node {
	if to == n.Schema() {
		return n
	}
	if n = descend(n, to.Parent); n == nil {
		return nil
	}
	return child(n, to)
}

// retuple brings the tuples of the entries noted up to date. Entries that are
// new or gone were dealt with when they were walked.
func (c *check) retuple() {
	for _, e := range c.entries {
		was, is := c.old.Get(e.path), c.root.Get(e.path)
		if was == nil || is == nil {
			continue
		}
		c.eachTuple(c.old, e.path, was, func(it uniqueItem) { c.index.unique.Delete(it) })
		c.eachTuple(c.root, e.path, is, func(it uniqueItem) {
			c.index.unique.Set(it)
			c.tuples = append(c.tuples, it)
		})
	}
}

// verifyUnique reports every new tuple that another entry has too, once. Equal
// tuples are neighbours in the index: it is read once if much of it is new, else
// at every new tuple.
func (c *check) verifyUnique() {
	var same []uniqueItem
	report := func() {
		if len(same) > 1 {
			c.fail(notUnique(same[:min(len(same), maxNonUnique)]))
		}
		same = same[:0]
	}
	if len(c.tuples) > c.index.unique.Len()/4 {
		c.index.unique.Scan(func(it uniqueItem) bool {
			if len(same) > 0 && same[0].compareTuple(&it) != 0 {
				report()
			}
			same = append(same, it)
			return true
		})
		report()
		return
	}
	slices.SortFunc(c.tuples, func(a, b uniqueItem) int { return a.compareTuple(&b) })
	for i := range c.tuples {
		pivot := c.tuples[i]
		if i > 0 && c.tuples[i-1].compareTuple(&pivot) == 0 {
			continue
		}
		pivot.keys = nil
		c.index.unique.Ascend(pivot, func(it uniqueItem) bool {
			if it.compareTuple(&pivot) != 0 {
				return false
			}
			same = append(same, it)
			return len(same) < maxNonUnique
		})
		report()
	}
}

func notUnique(same []uniqueItem) *yangerr.Error {
	list := same[0].list
	leaves := list.Unique[same[0].number]
	what := ""
	for i, leaf := range leaves {
		if i > 0 {
			what += " "
		}
		what += fmt.Sprintf("%s=%q", leaf.Name, same[0].tuple[i].String())
	}
	path := func(it *uniqueItem) tree.Path {
		return append(pathOf(list.Parent, it.parent), tree.Step{Node: list, Keys: it.keys})
	}
	e := yangerr.New(yangerr.OperationFailed, path(&same[1]),
		"%s must be unique among the entries of %q.", what, list.Name).WithAppTag(yangerr.AppNotUnique)
	for i := range same {
		for _, leaf := range leaves {
			p := path(&same[i])
			at := len(p)
			for n := leaf; n != list; n = n.Parent {
				p = append(p[:at:at], append(tree.Path{{Node: n}}, p[at:]...)...)
			}
			e.WithInfo(yangerr.Info{Name: yangerr.InfoNonUnique, Namespace: yangerr.NamespaceYANG, Path: p})
		}
	}
	return e
}
