package validate

import (
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// plan is what the constraints of a schema come to, by the ID of a node. It
// never changes.
type plan struct {
	schema *schema.Schema
	// refs are the references that a leaf or leaf-list makes.
	refs []*refs
	// targets are the leafs that leafrefs lead to.
	targets []bool
	// counted are the targets whose instances are counted by value, because
	// finding one by walking would mean a scan.
	counted []bool
	// implied are targets whose default may be what a leafref refers to.
	implied []*schema.Node
	// looks are, by the node that a predicate of a leafref looks at, the leafrefs
	// to verify again when that node changes.
	looks [][]look
	// identifier is the type of some leaf that is an instance-identifier and
	// requires its instance; nil if there is none.
	identifier *schema.Type
	// lists with unique statements, by ID; and for every node at, above or below
	// a leaf of a unique statement, the lists that it matters to.
	unique  []*schema.Node
	affects [][]*schema.Node
	// cluster tells which containers and lists have a constraint on what exists
	// below them, containers without presence included.
	cluster []bool
	// conditions are the musts and whens of a node; readers those that read it.
	conditions [][]*condition
	readers    [][]reader
	// whens are the readers that are about a when; whensBelow tells that a node
	// below has some.
	whens      [][]reader
	whensBelow []bool
	// whenAt are the nodes with a when, whenUnder those with one below.
	whenAt, whenUnder []bool
	hasWhen           bool
	// demanding tells of the nodes whose absence is an error while their whens
	// are true: mandatory ones, and what demands something below.
	demanding []bool
	// implying are the children that may exist without instance and have a must,
	// themselves or below.
	implying [][]*schema.Node
	// conditional are the nodes that are implied only while some when is true;
	// tupleReaders are, by what those whens read, the lists whose tuples change.
	conditional    []bool
	anyConditional bool
	tupleReaders   [][]tupleReader
	// supplants tells of the nodes that may take the place of a default.
	supplants []bool
	faults    yangerr.List // conditions that do not compile
}

// refs is what one leaf may refer to. A value of one of the plain types, those
// of a union that refer to nothing, refers to nothing.
type refs struct {
	leaf     *schema.Node
	leafrefs []*leafref
	instance bool
	plain    map[*schema.Type]bool
}

// leafref is a compiled path of a leafref.
type leafref struct {
	leaf   *schema.Node
	target *schema.Node
	up     int // levels from the leaf to where the path starts; -1: at the root
	steps  []refStep
	lookup bool // no list on the way has to be scanned
	// simple tells that the path starts at the root and has no predicates: where
	// it leads does not depend on where the leaf is.
	simple bool
}

// refStep is one name of a leafref's path.
type refStep struct {
	node  *schema.Node
	preds []pred
}

// pred is "key = current()/../path": the value of a leaf near the leafref.
type pred struct {
	key  *schema.Node
	up   int
	down []*schema.Node
}

// look says that leaf refers with a predicate that leads over down, from some
// node above leaf.
type look struct {
	leaf *schema.Node
	down []*schema.Node
}

func compile(s *schema.Schema) *plan {
	n := s.NumNodes()
	p := &plan{
		schema: s, refs: make([]*refs, n), targets: make([]bool, n), counted: make([]bool, n),
		unique: make([]*schema.Node, n), affects: make([][]*schema.Node, n), cluster: make([]bool, n), looks: make([][]look, n),
		conditions: make([][]*condition, n), readers: make([][]reader, n),
		whens: make([][]reader, n), whensBelow: make([]bool, n), whenAt: make([]bool, n), whenUnder: make([]bool, n), demanding: make([]bool, n), implying: make([][]*schema.Node, n),
		conditional: make([]bool, n), tupleReaders: make([][]tupleReader, n), supplants: make([]bool, n),
	}
	p.visit(s.Root())
	seen := map[*schema.Node]bool{}
	for _, r := range p.refs {
		if r == nil {
			continue
		}
		for _, l := range r.leafrefs {
			p.watch(l)
			p.targets[l.target.ID] = true
			if l.simple && !l.lookup {
				p.counted[l.target.ID] = true
			}
			if len(l.target.Defaults) > 0 && !seen[l.target] {
				seen[l.target] = true
				p.implied = append(p.implied, l.target)
			}
		}
	}
	p.compileConditions(s.Root())
	p.watchConditions()
	p.watchTuples(s.Root())
	return p
}

// watch registers what the predicates of l look at: a change of the last node,
// or of a container on the way to it.
func (p *plan) watch(l *leafref) {
	for i := range l.steps {
		for _, pr := range l.steps[i].preds {
			for k, n := range pr.down {
				p.looks[n.ID] = append(p.looks[n.ID], look{leaf: l.leaf, down: pr.down[:k+1]})
			}
		}
	}
}

// visit compiles what n and the configuration below it demand, and reports
// whether its cluster has constraints.
func (p *plan) visit(n *schema.Node) bool {
	demands := false
	for _, ch := range n.Choices() {
		demands = demands || ch.Config
	}
	for _, c := range n.Children() {
		if !c.Config {
			continue
		}
		switch c.Kind {
		case schema.Leaf, schema.LeafList:
			if r := p.leaf(c); r != nil {
				p.refs[c.ID] = r
			}
		case schema.Container, schema.List:
			if p.visit(c) && c.Kind == schema.Container && !c.Presence {
				demands = true
			}
		}
		demands = demands || c.Mandatory || c.MinElements > 0 || c.MaxElements > 0
		p.demanding[c.ID] = c.Mandatory || c.MinElements > 0 || c.Kind == schema.Container && !c.Presence && p.cluster[c.ID]
		for ca := c.Case; ca != nil; ca = ca.Choice.Parent {
			p.demanding[c.ID] = p.demanding[c.ID] || ca.Choice.Mandatory
		}
	}
	if n.Kind == schema.List && len(n.Unique) > 0 {
		p.unique[n.ID] = n
		for _, u := range n.Unique {
			for _, leaf := range u {
				for at := leaf; at != n; at = at.Parent {
					p.affects[at.ID] = append(p.affects[at.ID], n)
					p.affectsCases(at, n)
				}
			}
		}
	}
	p.cluster[n.ID] = demands
	return demands
}

// affectsCases registers what decides whether the defaults in the case of at are
// in use: the nodes of all cases beside it.
func (p *plan) affectsCases(at, list *schema.Node) {
	if at.Case == nil {
		return
	}
	for _, s := range at.Parent.Children() {
		if s.Case != nil && s != at {
			p.affects[s.ID] = append(p.affects[s.ID], list)
		}
	}
}

// leaf returns what the leaf may refer to, or nil.
func (p *plan) leaf(n *schema.Node) *refs {
	r := &refs{leaf: n, plain: map[*schema.Type]bool{}}
	var add func(t *schema.Type)
	add = func(t *schema.Type) {
		switch t.Kind() {
		case schema.Union:
			for _, m := range t.Union() {
				add(m)
			}
		case schema.Leafref:
			if t.Leafref().Target == nil {
				return
			}
			if t.RequireInstance() {
				r.leafrefs = append(r.leafrefs, compileLeafref(n, t.Leafref()))
				return
			}
			for t.Kind() == schema.Leafref {
				t = t.Leafref().Target.Type
			}
			r.plain[t] = true
		case schema.InstanceIdentifier:
			if t.RequireInstance() {
				r.instance, p.identifier = true, t
				return
			}
			r.plain[t] = true
		default:
			r.plain[t] = true
		}
	}
	add(n.Type)
	if len(r.leafrefs) == 0 && !r.instance {
		return nil
	}
	return r
}

// compileLeafref turns the path of a leafref of leaf into steps. The schema has
// checked the path and knows where it leads; what is left to read are the number
// of ".." and the predicates (RFC 7950 section 9.9.2).
func compileLeafref(leaf *schema.Node, spec *schema.LeafrefSpec) *leafref {
	l := &leafref{leaf: leaf, target: spec.Target, up: -1}
	parts, preds := splitPath(spec.Path)
	start := (*schema.Node)(nil) // the root
	if parts[0] == ".." {
		l.up = 0
		start = leaf
		for l.up < len(parts) && parts[l.up] == ".." {
			l.up++
			start = start.Parent
		}
	}
	for n := spec.Target; n != start && n.Parent != nil; n = n.Parent {
		l.steps = append([]refStep{{node: n}}, l.steps...)
	}
	for i := range l.steps {
		at := max(l.up, 0) + i
		for _, text := range preds[at] {
			l.steps[i].preds = append(l.steps[i].preds, compilePred(leaf, l.steps[i].node, text, &spec.Expr))
		}
	}
	l.lookup, l.simple = l.isLookup(), l.up < 0 && !l.hasPredicates()
	return l
}

// splitPath returns the names of a path in order and the predicates by the
// index of their name.
func splitPath(text string) (parts []string, preds map[int][]string) {
	preds = map[int][]string{}
	text = strings.TrimPrefix(strings.Join(strings.Fields(text), ""), "/")
	for text != "" {
		end := strings.IndexAny(text, "/[")
		if end < 0 {
			end = len(text)
		}
		parts = append(parts, text[:end])
		text = text[end:]
		for strings.HasPrefix(text, "[") {
			body, rest, _ := strings.Cut(text[1:], "]")
			preds[len(parts)-1] = append(preds[len(parts)-1], body)
			text = rest
		}
		text = strings.TrimPrefix(text, "/")
	}
	return parts, preds
}

// compilePred reads "key=current()/../name", a part of path.
func compilePred(leaf, list *schema.Node, text string, path *schema.Expr) pred {
	named := func(n *schema.Node, name string) *schema.Node {
		module, local := path.Default, name
		if prefix, after, ok := strings.Cut(name, ":"); ok {
			module, local = path.Prefixes[prefix], after
		}
		return n.ChildIn(module, local)
	}
	key, value, _ := strings.Cut(text, "=")
	p := pred{key: named(list, key)}
	at := leaf
	for part := range strings.SplitSeq(strings.TrimPrefix(value, "current()/"), "/") {
		if part == ".." {
			p.up++
			at = at.Parent
			continue
		}
		if at = named(at, part); at == nil {
			break
		}
		p.down = append(p.down, at)
	}
	return p
}

func (l *leafref) hasPredicates() bool {
	for i := range l.steps {
		if len(l.steps[i].preds) > 0 {
			return true
		}
	}
	return false
}

// isLookup reports whether every list on the way is entered with all its keys:
// from predicates, or because its one key is the target.
func (l *leafref) isLookup() bool {
	for i := range l.steps {
		s := &l.steps[i]
		if s.node.Kind != schema.List || len(s.preds) == len(s.node.Keys) {
			continue
		}
		if len(s.node.Keys) == 1 && l.steps[i+1].node == s.node.Keys[0] {
			continue
		}
		return false
	}
	return true
}

// child returns the instance of c below n; a container without presence exists
// even if it has none.
func child(n *tree.Node, c *schema.Node) *tree.Node {
	if kid := n.Child(c); kid != nil {
		return kid
	}
	if c.Kind == schema.Container && !c.Presence {
		return tree.New(c)
	}
	return nil
}
