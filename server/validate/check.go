package validate

import (
	"slices"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// check is one validation. It first brings the indexes from the old tree to the
// new one and notes what the changes may have broken, then verifies that.
type check struct {
	*plan
	old, root *tree.Node
	index     index
	prior     index // that of old
	changes   []tree.Change
	errs      yangerr.List

	made    []refItem           // references that are new
	gone    map[valueOf]bool    // values that some instance of a target lost
	found   map[found]bool      // what leafrefs that only depend on the value led to
	removed []schema.Value      // paths of deleted subtrees, for instance-identifiers
	tuples  []uniqueItem        // tuples that are new
	entries map[string]pathPair // entries whose tuples may have changed
	recheck []pathPair          // clusters to verify: path, and where it is in root
	done    map[due]bool        // conditions that were evaluated below a path
	joins   map[dueFor]bool     // conditions that were evaluated for a value
	asked   valueOf             // what referred was asked last, and its answer
	answer  bool
	// act is called for each context of a condition that was scheduled.
	act   func(*condition, tree.Path, []*tree.Node)
	nodes []*tree.Node // on the path of the node whose conditions are evaluated
	// late are the clusters that may demand more because a when became true.
	late    []pathPair
	demands map[string]bool
	last    tree.Path // of the cluster that was noted last
	// allNamed tells that every instance-identifier is verified.
	allNamed bool
}

type valueOf struct {
	target int
	value  schema.Value
}

// found is a leafref with a value.
type found struct {
	leafref *leafref
	value   schema.Value
}

// pathPair is a node with its path.
type pathPair struct {
	path tree.Path
	node *tree.Node
}

func newCheck(p *plan, prev *State, root *tree.Node) *check {
	c := &check{plan: p, root: root, gone: map[valueOf]bool{}, found: map[found]bool{}, entries: map[string]pathPair{},
		demands: map[string]bool{}, done: map[due]bool{}, joins: map[dueFor]bool{}}
	c.act = c.evaluate
	if prev != nil {
		c.old, c.prior, c.index = prev.root, prev.index, prev.index.copy()
	} else {
		c.old, c.index = tree.Empty(p.schema), newIndex()
		c.prior = c.index
	}
	return c
}

// collect goes through the changes.
func (c *check) collect() {
	for ch := range tree.Diff(c.old, c.root) {
		c.changes = append(c.changes, ch)
	}
	for i := range c.changes {
		ch := &c.changes[i]
		switch ch.Op {
		case tree.Created:
			tree.Scan(ch.New, ch.Path, c.enter)
		case tree.Deleted:
			tree.Scan(ch.Old, ch.Path, c.leave)
			if c.identifier != nil {
				c.removed = append(c.removed, schema.StringValue(c.identifier, ch.Path.String()))
			}
		case tree.Modified:
			c.leave(ch.Path, ch.Old)
			c.enter(ch.Path, ch.New)
		}
		c.around(ch)
		c.turned(ch)
	}
	c.retuple()
}

// enter indexes n, which is new at p. The path is the caller's.
func (c *check) enter(p tree.Path, n *tree.Node) bool {
	s := n.Schema()
	if !s.Config {
		c.fail(yangerr.New(yangerr.UnknownElement, slices.Clone(p), "%q is state and cannot be configured.", s.Name).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: s.Name}))
		return false
	}
	c.supplant(p)
	switch s.Kind {
	case schema.Leaf, schema.LeafList:
		if c.counted[s.ID] {
			c.index.count(s.ID, n.Value().String(), 1)
		}
		c.eachRef(p, n, func(it refItem) {
			c.index.refs.Set(it)
			c.made = append(c.made, it)
		})
	case schema.List:
		c.eachTuple(c.root, p, n, func(it uniqueItem) {
			c.index.unique.Set(it)
			c.tuples = append(c.tuples, it)
		})
		if c.cluster[s.ID] {
			c.recheck = append(c.recheck, pathPair{slices.Clone(p), n})
		}
	case schema.Container:
		if c.cluster[s.ID] && s.Presence {
			c.recheck = append(c.recheck, pathPair{slices.Clone(p), n})
		}
	}
	return true
}

// leave takes n, which was at p, out of the indexes.
func (c *check) leave(p tree.Path, n *tree.Node) bool {
	c.supplant(p)
	switch s := n.Schema(); s.Kind {
	case schema.Leaf, schema.LeafList:
		if c.counted[s.ID] {
			c.index.count(s.ID, n.Value().String(), -1)
		}
		if c.targets[s.ID] {
			c.gone[valueOf{s.ID, n.Value()}] = true
		}
		c.eachRef(p, n, func(it refItem) { c.index.refs.Delete(it) })
	case schema.List:
		c.eachTuple(c.old, p, n, func(it uniqueItem) { c.index.unique.Delete(it) })
	}
	return true
}

// around notes what a change means for the nodes above it: the parent's cluster,
// the lists whose unique statements look at it, the references that use it.
func (c *check) around(ch *tree.Change) {
	s := ch.Path[len(ch.Path)-1].Node
	if ch.Op == tree.Moved {
		return
	}
	if lists := c.affects[s.ID]; lists != nil {
		for i := range ch.Path[:len(ch.Path)-1] {
			if slices.Contains(lists, ch.Path[i].Node) {
				c.entries[ch.Path[:i+1].String()] = pathPair{path: ch.Path[:i+1]}
			}
		}
	}
	for _, t := range c.implied {
		// Where a change touches the surroundings of a target with a default, that
		// default may have gone out of use; a when may look anywhere.
		if top(t) == ch.Path[0].Node || c.conditional[t.ID] {
			for _, d := range t.Defaults {
				c.gone[valueOf{t.ID, d}] = true
			}
		}
	}
	c.dependents(ch)
	if ch.Op == tree.Modified {
		return
	}
	// What came or went matters to its parent, which is in both trees. That the
	// parent is a container without presence changes nothing: had its own
	// existence changed, the change would be about it.
	p := ch.Path[:len(ch.Path)-1]
	if c.last != nil && p.Equal(c.last) {
		return
	}
	c.last = p
	if n := c.root.Get(p); n != nil && c.cluster[n.Schema().ID] {
		c.recheck = append(c.recheck, pathPair{p, n})
	}
}

func top(n *schema.Node) *schema.Node {
	for n.Parent != nil && n.Parent.Parent != nil {
		n = n.Parent
	}
	return n
}

func (c *check) fail(e *yangerr.Error) { c.errs = append(c.errs, e) }

// verify reports all that is broken.
func (c *check) verify(all bool) yangerr.List {
	if all {
		c.recheck = append(c.recheck, pathPair{tree.Path{}, c.root})
		c.impliedBelow(tree.Path{}, c.root)
	}
	rest := func() {
		for _, r := range c.recheck {
			c.structure(r.path, r.node)
		}
		c.verifyRefs()
		c.verifyUnique()
		if all {
			return
		}
		for i := range c.changes {
			c.readersOf(&c.changes[i])
		}
		for _, r := range c.late {
			c.structure(r.path, r.node)
		}
	}
	if c.isSmall() {
		c.evaluateNew()
		rest()
	} else if created, entries := c.pieces(); entries < fewEntries {
		c.evaluatePieces(created)
		rest()
	} else {
		c.verifyTogether(created, rest)
	}
	return c.errs
}
