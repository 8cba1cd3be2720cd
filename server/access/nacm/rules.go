package nacm

import (
	"slices"
	"strings"
	"sync"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// op is an access operation; its value is the bit of access-operations.
type op uint8

const (
	opCreate op = iota
	opRead
	opUpdate
	opDelete
	opExec
	numOps
)

func (o op) String() string {
	return [numOps]string{"create", "read", "update", "delete", "execute"}[o]
}

// ruleset is the content of /nacm, read once for each change of it.
type ruleset struct {
	control           *Control
	enabled, external bool
	defaults          [numOps]bool // true is permit
	users             map[string][]string
	lists             []ruleList
	perUser           bool // a rule speaks of $USER

	mu     sync.Mutex
	shared map[string]*rights
	memos  []*rights // that remember, the first since longest
}

// ruleList is one entry of /nacm/rule-list.
type ruleList struct {
	every  bool // group "*"
	groups []string
	rules  []rule
}

// kind is the rule-type of a rule.
type kind uint8

const (
	kindAny kind = iota
	kindRPC
	kindNotification
	kindData
)

// rule is one entry of /nacm/rule-list/rule.
type rule struct {
	module string // empty for every module
	kind   kind
	name   string // rpc-name or notification-name; empty for all
	path   []pathStep
	keyed  bool // path has predicates
	ops    [numOps]bool
	permit bool
}

// pathStep is one step of a rule's path.
type pathStep struct {
	node  *schema.Node
	preds []pred
}

// pred is a condition on a key: its index, or 0 for the value of a leaf-list.
type pred struct {
	key      int
	text     string // of the value in canonical form
	user     bool   // the value is $USER
	position bool   // the predicate is a position
}

// target is the node that the rule's path names; the root for "/".
func (r *rule) target(root *schema.Node) *schema.Node {
	if len(r.path) == 0 {
		return root
	}
	return r.path[len(r.path)-1].node
}

// parse reads the container nacm, which may be nil.
func (c *Control) parse(n *tree.Node) *ruleset {
	rs := &ruleset{control: c, users: map[string][]string{}, shared: map[string]*rights{}}
	rs.enabled = c.leaf(n, "enable-nacm", "true") == "true"
	rs.external = c.leaf(n, "enable-external-groups", "true") == "true"
	write := c.leaf(n, "write-default", "deny") == "permit"
	rs.defaults = [numOps]bool{
		opCreate: write, opUpdate: write, opDelete: write,
		opRead: c.leaf(n, "read-default", "permit") == "permit",
		opExec: c.leaf(n, "exec-default", "permit") == "permit",
	}
	if groups := n.ChildNamed("groups"); groups != nil {
		for g := range entries(groups, "group") {
			name := text(g, "name")
			for u := range entries(g, "user-name") {
				user := u.Value().String()
				rs.users[user] = append(rs.users[user], name)
			}
		}
	}
	for l := range entries(n, "rule-list") {
		var list ruleList
		for g := range entries(l, "group") {
			if v := g.Value().String(); v == "*" {
				list.every = true
			} else {
				list.groups = append(list.groups, v)
			}
		}
		for e := range entries(l, "rule") {
			if r, ok := c.parseRule(e); ok {
				list.rules = append(list.rules, r)
				rs.perUser = rs.perUser || r.speaksOfUser()
			}
		}
		rs.lists = append(rs.lists, list)
	}
	return rs
}

func (r *rule) speaksOfUser() bool { return anyPred(r.path, func(p pred) bool { return p.user }) }

func anyPred(path []pathStep, is func(pred) bool) bool {
	return slices.ContainsFunc(path, func(st pathStep) bool { return slices.ContainsFunc(st.preds, is) })
}

// parseRule reads an entry of /nacm/rule-list/rule; false for a rule that can
// match nothing.
func (c *Control) parseRule(e *tree.Node) (r rule, ok bool) {
	star := func(s string) string {
		if s == "*" {
			return ""
		}
		return s
	}
	r.module = star(text(e, "module-name"))
	r.permit = text(e, "action") == "permit"
	ops := text(e, "access-operations")
	for o := range r.ops {
		bit := [numOps]string{"create", "read", "update", "delete", "exec"}[o]
		r.ops[o] = ops == "" || ops == "*" || slices.Contains(strings.Fields(ops), bit)
	}
	switch {
	case e.ChildNamed("rpc-name") != nil:
		r.kind, r.name = kindRPC, star(text(e, "rpc-name"))
	case e.ChildNamed("notification-name") != nil:
		r.kind, r.name = kindNotification, star(text(e, "notification-name"))
	case e.ChildNamed("path") != nil:
		r.kind = kindData
		path, err := parsePath(c.schema, text(e, "path"))
		if err != nil {
			c.log.Warn("an access control rule is about nodes that the element does not have, and matches nothing",
				"rule", text(e, "name"), "reason", err)
			return r, false
		}
		r.path = path
		if anyPred(path, func(p pred) bool { return p.position }) {
			// Positions name no entry for longer than a moment: such a rule counts
			// on the safe side, for every entry if it denies and for none if it permits.
			if r.permit {
				return r, false
			}
			for i := range path {
				path[i].preds = slices.DeleteFunc(path[i].preds, func(p pred) bool { return p.position })
			}
		}
		r.keyed = slices.ContainsFunc(path, func(st pathStep) bool { return len(st.preds) > 0 })
	}
	return r, true
}

// leaf returns a leaf of the container nacm, or def where it is not set.
func (c *Control) leaf(n *tree.Node, name, def string) string {
	if t := text(n, name); t != "" {
		return t
	}
	return def
}

func text(n *tree.Node, name string) string {
	if c := n.ChildNamed(name); c != nil {
		return c.Value().String()
	}
	return ""
}

// entries yields the entries of a list or leaf-list below n.
func entries(n *tree.Node, name string) func(func(*tree.Node) bool) {
	return func(yield func(*tree.Node) bool) {
		if h := n.ChildNamed(name); h != nil {
			h.Children()(yield)
		}
	}
}

// rulesFor returns, in order, the rules for a user in groups: none for who is in
// no group, whatever the rules say of "*" (RFC 8341 section 3.4.4 step 5).
func (rs *ruleset) rulesFor(user string, groups []string) []rule {
	if len(groups) == 0 {
		return nil
	}
	var out []rule
	for i := range rs.lists {
		l := &rs.lists[i]
		if !l.every && !slices.ContainsFunc(l.groups, func(g string) bool { return slices.Contains(groups, g) }) {
			continue
		}
		for _, r := range l.rules {
			if r.speaksOfUser() {
				r.path = bindUser(r.path, user)
			}
			out = append(out, r)
		}
	}
	return out
}

// bindUser returns path with the user's name in place of $USER.
func bindUser(path []pathStep, user string) []pathStep {
	path = slices.Clone(path)
	for i := range path {
		path[i].preds = slices.Clone(path[i].preds)
		for j := range path[i].preds {
			if p := &path[i].preds[j]; p.user {
				p.text = user
			}
		}
	}
	return path
}

// writable reports whether some user or group can change some configuration.
func (rs *ruleset) writable() bool {
	if !rs.enabled || rs.defaults[opCreate] {
		return true
	}
	for i := range rs.lists {
		l := &rs.lists[i]
		reached := false
		for _, groups := range rs.users {
			reached = reached || l.every || slices.ContainsFunc(l.groups, func(g string) bool { return slices.Contains(groups, g) })
		}
		if reached && slices.ContainsFunc(l.rules, func(r rule) bool {
			return r.permit && (r.kind == kindAny || r.kind == kindData) && (r.ops[opCreate] || r.ops[opUpdate] || r.ops[opDelete])
		}) {
			return true
		}
	}
	return false
}
