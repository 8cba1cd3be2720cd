package nacm

import (
	"sync"
	"sync/atomic"

	"github.com/tandem-ne/tandem/server/schema"
)

// defaultDeny are the extensions of RFC 8341 section 3.5.2 that are in force at a
// schema node: its own and, for data, those of the nodes above it.
type defaultDeny struct{ write, all bool }

// defaultDenials finds them for every node of the schema.
func defaultDenials(s *schema.Schema) []defaultDeny {
	out := make([]defaultDeny, s.NumNodes())
	var mark func(n *schema.Node, above defaultDeny)
	mark = func(n *schema.Node, above defaultDeny) {
		d := above
		for _, e := range n.Extensions {
			if e.Module == nil || e.Module.Name != ModuleName {
				continue
			}
			d.all = d.all || e.Name == "default-deny-all"
			d.write = d.write || e.Name == "default-deny-write"
		}
		out[n.ID] = d
		for _, list := range [][]*schema.Node{n.Children(), n.Actions(), n.Notifications()} {
			for _, c := range list {
				mark(c, d)
			}
		}
	}
	mark(s.Root(), defaultDeny{})
	for _, list := range [][]*schema.Node{s.RPCs(), s.Notifications()} {
		for _, n := range list {
			mark(n, defaultDeny{})
		}
	}
	return out
}

// rights are the rules for a set of groups, compiled for each access operation
// when it is first asked for.
type rights struct {
	rules *ruleset
	list  []rule
	memo  atomic.Pointer[memo]
	ops   [numOps]struct {
		once sync.Once
		d    decisions
	}
}

// decisions are the answers for one access operation. What rules without keys
// decide is there for every schema node; rules with keys are kept beside and
// looked at only where an instance fits them.
type decisions struct {
	op    op
	root  *schema.Node
	deny  []defaultDeny
	def   bool    // of the operation where no rule matches
	rules []*rule // for data, in order
	keyed []*rule // those of them with keys
	plain []answer
}

// answer is what holds for a schema node where no rule with keys fits.
type answer uint8

const (
	// permits: access to the node is permitted.
	permits answer = 1 << iota
	// permitsAll: and to everything below it.
	permitsAll
)

func (r *rights) decisions(o op) *decisions {
	slot := &r.ops[o]
	slot.once.Do(func() { slot.d.compile(r, o) })
	return &slot.d
}

func (d *decisions) compile(r *rights, o op) {
	c := r.rules.control
	d.op, d.root, d.deny, d.def = o, c.schema.Root(), c.deny, r.rules.defaults[o]
	d.plain = make([]answer, c.schema.NumNodes())
	for i := range r.list {
		if q := &r.list[i]; q.ops[o] && (q.kind == kindAny || q.kind == kindData) {
			d.rules = append(d.rules, q)
			if q.keyed {
				d.keyed = append(d.keyed, q)
			}
		}
	}
	d.fill(d.root, 0)
}

// fill compiles s, at the given depth below the root, and what is below it.
func (d *decisions) fill(s *schema.Node, depth int) answer {
	var a answer
	if s == d.root || d.scan(s, depth, nil) {
		a = permits | permitsAll
	}
	for _, c := range s.Children() {
		if d.fill(c, depth+1)&permitsAll == 0 {
			a &^= permitsAll
		}
	}
	d.plain[s.ID] = a
	return a
}

// about reports whether the rule's module-name covers s.
func (r *rule) about(s *schema.Node) bool { return r.module == "" || r.module == s.Module.Name }

// scan finds the first rule for an instance of s, which the rules in fitting,
// out of those with keys, fit so far; then what holds without any.
func (d *decisions) scan(s *schema.Node, depth int, fitting []*rule) bool {
	for _, r := range d.rules {
		switch {
		case !r.about(s):
		case r.kind == kindAny:
			return r.permit
		case len(r.path) > depth:
		case r.keyed:
			for _, f := range fitting {
				if f == r {
					return r.permit
				}
			}
		default:
			at := s
			for i := depth; i > len(r.path); i-- {
				at = at.Parent
			}
			if at == r.target(d.root) {
				return r.permit
			}
		}
	}
	return d.byDefault(s)
}

// byDefault is what holds where no rule matches.
func (d *decisions) byDefault(s *schema.Node) bool {
	deny := d.deny[s.ID]
	if deny.all || deny.write && (d.op == opCreate || d.op == opUpdate || d.op == opDelete) {
		return false
	}
	return d.def
}

// all reports whether the operation is permitted everywhere.
func (d *decisions) all() bool { return d.plain[d.root.ID]&permitsAll != 0 && len(d.keyed) == 0 }
