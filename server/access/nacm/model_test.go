package nacm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// model decides as RFC 8341 section 3.4 is written: rule by rule, for one
// instance at a time, on the rules as the test made them.
type model struct {
	schema   *schema.Schema
	enabled  bool
	external bool
	defaults map[string]bool // "read", "write", "exec"
	groups   map[string][]string
	lists    []modelList
}

type modelList struct {
	groups []string
	rules  []modelRule
}

type modelRule struct {
	module, kind, name string // kind: "", "rpc", "notification", "path"
	path               tree.Path
	ops                string // "*" or names
	permit             bool
}

func (r *modelRule) text() string {
	if len(r.path) == 0 {
		return "/"
	}
	var b strings.Builder
	var module *schema.Module
	for _, st := range r.path {
		b.WriteByte('/')
		if st.Node.Module != module {
			module = st.Node.Module
			b.WriteString(module.Name + ":")
		}
		b.WriteString(st.Node.Name)
		for i, k := range st.Keys {
			switch {
			case k.IsZero():
			case st.Node.Kind == schema.LeafList:
				fmt.Fprintf(&b, "[.='%s']", k)
			default:
				fmt.Fprintf(&b, "[%s='%s']", st.Node.Keys[i].Name, k)
			}
		}
	}
	return b.String()
}

// covers: the rule's path is p or an ancestor of it.
func (r *modelRule) covers(p tree.Path) bool {
	if len(r.path) > len(p) {
		return false
	}
	for i, st := range r.path {
		if st.Node != p[i].Node {
			return false
		}
		for k, v := range st.Keys {
			if !v.IsZero() && v.String() != p[i].Keys[k].String() {
				return false
			}
		}
	}
	return true
}

func (m *model) rulesFor(user string, transport []string) (rules []modelRule) {
	groups := slices.Clone(m.groups[user])
	if m.external {
		groups = append(groups, transport...)
	}
	if len(groups) == 0 {
		return nil
	}
	for _, l := range m.lists {
		if slices.Contains(l.groups, "*") || slices.ContainsFunc(l.groups, func(g string) bool { return slices.Contains(groups, g) }) {
			rules = append(rules, l.rules...)
		}
	}
	return rules
}

func (r *modelRule) about(module, operation string) bool {
	return (r.module == "*" || r.module == module) && (r.ops == "*" || slices.Contains(strings.Fields(r.ops), operation))
}

func extended(n *schema.Node, name string) bool {
	return slices.ContainsFunc(n.Extensions, func(e schema.Extension) bool { return e.Name == name })
}

// data is section 3.4.5 for the node at p, step by step.
func (m *model) data(user string, transport []string, operation string, p tree.Path) bool {
	if !m.enabled || user == "root" { // 1, 2
		return true
	}
	s := p[len(p)-1].Node
	for _, r := range m.rulesFor(user, transport) { // 3 to 5
		if r.about(s.Module.Name, operation) && (r.kind == "" || r.kind == "path" && r.covers(p)) { // 6
			return r.permit // 7
		}
	}
	for n := s; n != nil; n = n.Parent {
		if extended(n, "default-deny-all") || operation != "read" && operation != "exec" && extended(n, "default-deny-write") {
			return false // 9, 10
		}
	}
	switch operation {
	case "read", "exec": // 11, 13
		return m.defaults[operation]
	}
	return m.defaults["write"] // 12
}

// visible is section 3.2.4: what may not be read is left out with everything
// below it. A key goes with its entry.
func (m *model) visible(user string, transport []string, p tree.Path) bool {
	for i := range p {
		if !p[i].Node.IsKey() && !m.data(user, transport, "read", p[:i+1]) {
			return false
		}
	}
	return true
}

// seen returns what is left of n at p as lines of paths.
func (m *model) seen(user string, transport []string, n *tree.Node, p tree.Path) []string {
	s := n.Schema()
	var below []string
	children := 0
	if s.Kind == schema.Container || s.Kind == schema.List {
		for c := range n.Children() {
			switch {
			case c.Schema().IsKey():
				continue
			case !c.IsHolder():
				below = append(below, m.seen(user, transport, c, p.Child(c.Schema()))...)
			default:
				for e := range c.Children() {
					below = append(below, m.seen(user, transport, e, p.Child(c.Schema(), e.Keys()...))...)
				}
			}
			children++
		}
	}
	line := p.String()
	switch {
	case len(p) == 0:
		return below
	case s.Kind == schema.Leaf:
		line += " " + n.Value().String()
	case s.Kind == schema.Container && !s.Presence && children > 0 && len(below) == 0:
		return nil
	}
	if !m.visible(user, transport, p) {
		return nil
	}
	return append([]string{line}, below...)
}

// random makes rules, trees and users.
type random struct {
	*rand.Rand
	schema *schema.Schema
	nodes  []*schema.Node // data, actions, notifications in data
}

func newRandom(s *schema.Schema, seed uint64) *random {
	g := &random{Rand: rand.New(rand.NewPCG(seed, 8341)), schema: s}
	var walk func(n *schema.Node)
	walk = func(n *schema.Node) {
		for _, list := range [][]*schema.Node{n.Children(), n.Actions(), n.Notifications()} {
			for _, c := range list {
				if c.Module.Name != "shop" && c.Module.Name != "deposit" {
					continue
				}
				g.nodes = append(g.nodes, c)
				if c.Kind == schema.Container || c.Kind == schema.List {
					walk(c)
				}
			}
		}
	}
	walk(s.Root())
	return g
}

func one[T any](g *random, of ...T) T { return of[g.IntN(len(of))] }

// pattern returns a path to n with some keys.
func (g *random) pattern(n *schema.Node) tree.Path {
	if n.Parent == nil || n == g.schema.Root() {
		return nil
	}
	st := tree.Step{Node: n}
	for i := range max(len(n.Keys), 1) {
		if n.Kind != schema.List && n.Kind != schema.LeafList {
			break
		}
		v := schema.Value{}
		if g.IntN(2) == 0 {
			t := n.Type
			if n.Kind == schema.List {
				t = n.Keys[i].Type
			}
			v = schema.MustParse(t, one(g, "a", "b", "c"))
		}
		st.Keys = append(st.Keys, v)
	}
	return append(g.pattern(n.Parent), st)
}

func (g *random) rule() modelRule {
	r := modelRule{module: one(g, "*", "*", "*", "shop", "deposit", "nowhere"), permit: g.IntN(2) == 0, ops: "*"}
	if g.IntN(3) > 0 {
		var ops []string
		for _, o := range []string{"create", "read", "update", "delete", "exec"} {
			if g.IntN(2) == 0 {
				ops = append(ops, o)
			}
		}
		if len(ops) > 0 {
			r.ops = strings.Join(ops, " ")
		}
	}
	switch g.IntN(8) {
	case 0:
	case 1:
		r.kind, r.name = "rpc", one(g, "*", "open", "burn", "refund", "kill-session", "close-session")
	case 2:
		r.kind, r.name = "notification", one(g, "*", "closed", "robbed", "broken")
	default:
		r.kind = "path"
		if g.IntN(12) > 0 {
			r.path = g.pattern(g.nodes[g.IntN(len(g.nodes))])
		}
	}
	return r
}

func (g *random) model() *model {
	m := &model{
		schema: g.schema, enabled: g.IntN(20) > 0, external: g.IntN(2) == 0,
		defaults: map[string]bool{"read": g.IntN(2) == 0, "write": g.IntN(2) == 0, "exec": g.IntN(2) == 0},
		groups:   map[string][]string{"ann": {"staff"}, "bob": {"staff", "night"}},
	}
	for range 1 + g.IntN(3) {
		l := modelList{groups: []string{one(g, "*", "staff", "night", "guard", "nobody")}}
		for range g.IntN(6) {
			l.rules = append(l.rules, g.rule())
		}
		m.lists = append(m.lists, l)
	}
	return m
}

// running is the model as configuration.
func (m *model) running(t *testing.T) *tree.Node {
	const nacm = "/ietf-netconf-acm:nacm/"
	word := map[bool]string{true: "permit", false: "deny"}
	lines := []string{
		fmt.Sprintf("%senable-nacm %v", nacm, m.enabled), fmt.Sprintf("%senable-external-groups %v", nacm, m.external),
		nacm + "read-default " + word[m.defaults["read"]], nacm + "write-default " + word[m.defaults["write"]],
		nacm + "exec-default " + word[m.defaults["exec"]],
	}
	for user, groups := range m.groups {
		for _, group := range groups {
			lines = append(lines, fmt.Sprintf("%sgroups/group[name='%s']/user-name[.='%s']", nacm, group, user))
		}
	}
	for i, l := range m.lists {
		name := fmt.Sprint("list", i)
		lines = append(lines, fmt.Sprintf("%srule-list[name='%s']/group[.='%s']", nacm, name, l.groups[0]))
		var rules []ruleOf
		for _, r := range l.rules {
			o := ruleOf{module: r.module, ops: r.ops, action: word[r.permit]}
			switch r.kind {
			case "rpc":
				o.rpc = r.name
			case "notification":
				o.notification = r.name
			case "path":
				o.path = r.text()
			}
			rules = append(rules, o)
		}
		lines = append(lines, ruleLines(name, rules)...)
	}
	return config(t, m.schema, lines...)
}

// data makes a tree of the shop.
func (g *random) data() *tree.Node {
	b := tree.NewBuilder(tree.Empty(g.schema))
	g.fill(b, g.schema.Root())
	return b.Seal()
}

func (g *random) fill(b *tree.Builder, at *schema.Node) {
	taken := ""
	for _, c := range at.Children() {
		if c.Module.Name != "shop" && c.Module.Name != "deposit" || c.IsKey() || g.IntN(3) == 0 {
			continue
		}
		if c.Case != nil {
			if taken != "" {
				continue
			}
			taken = c.Name
		}
		switch c.Kind {
		case schema.Leaf:
			value := map[schema.TypeKind]string{schema.String: one(g, "x", "y"), schema.Uint8: one(g, "1", "2", "9"), schema.Empty: ""}[c.Type.Kind()]
			b.Leaf(c, schema.MustParse(c.Type, value))
		case schema.LeafList:
			for _, v := range []string{"a", "b", "c"} {
				if g.IntN(2) == 0 {
					b.Leaf(c, schema.MustParse(c.Type, v))
				}
			}
		case schema.Container:
			b.Enter(c)
			g.fill(b, c)
			b.Leave()
		case schema.List:
			for range g.IntN(4) {
				var keys []schema.Value
				for _, k := range c.Keys {
					keys = append(keys, schema.MustParse(k.Type, one(g, "a", "b", "c")))
				}
				b.Enter(c, keys...)
				g.fill(b, c)
				b.Leave()
			}
		}
	}
}

var identities = []Identity{
	{User: "ann"}, {User: "bob"}, {User: "cid"}, {User: "cid", Groups: []string{"guard"}}, {User: "ann", Groups: []string{"night"}}, {User: "root"},
}

// TestCompiledIsTheRFC compares every kind of decision with the model, on random
// rules, trees and users.
func TestCompiledIsTheRFC(t *testing.T) {
	s := shop(t)
	for seed := range uint64(600) {
		g := newRandom(s, seed)
		m := g.model()
		c := control(t, s, m.running(t))
		old, new := g.data(), g.data()
		for _, id := range identities {
			k := c.Checker(id)
			fail := func(format string, args ...any) {
				t.Helper()
				t.Fatalf("seed %d, %+v: %s\nrules:\n%s", seed, id, fmt.Sprintf(format, args...), strings.Join(paths(m.running(t)), "\n"))
			}
			want := m.seen(id.User, id.Groups, old, nil)
			got := k.Read(old)
			if have := paths(got); !slices.Equal(have, want) {
				fail("Read\n got %q\nwant %q", have, want)
			}
			if slices.Equal(want, paths(old)) && len(m.lists) == 0 && got != old {
				fail("Read copied what it may show whole")
			}
			compareInstances(m, id, k, old, fail)
			compareDefaults(m, id, got, nil, fail)
			compareWrite(m, id, k, old, new, fail)
			compareOperations(m, id, k, fail)
			compareTied(m, id, k, old, fail)
		}
	}
}

// compareInstances asks about every node by itself.
func compareInstances(m *model, id Identity, k *Checker, root *tree.Node, fail func(string, ...any)) {
	tree.Walk(root, nil, func(p tree.Path, n *tree.Node) bool {
		if len(p) == 0 {
			return true
		}
		want := m.seen(id.User, id.Groups, n, p)
		visible := m.visible(id.User, id.Groups, p)
		if n.Schema().IsKey() {
			// A key is there with its entry.
			return true
		}
		if got := k.CanRead(p); got != visible {
			fail("CanRead(%s) = %v", p, got)
		}
		got := k.ReadAt(p, n)
		var have []string
		if got != nil {
			tree.Walk(got, p, func(q tree.Path, at *tree.Node) bool {
				if !at.Schema().IsKey() {
					line := q.String()
					if at.Schema().Kind == schema.Leaf {
						line += " " + at.Value().String()
					}
					have = append(have, line)
				}
				return true
			})
		}
		if !slices.Equal(have, want) {
			fail("ReadAt(%s)\n got %q\nwant %q", p, have, want)
		}
		return true
	})
}

// compareDefaults looks at the defaults that the filtered tree shows: those of
// leafs that may be seen, and no others.
func compareDefaults(m *model, id Identity, n *tree.Node, p tree.Path, fail func(string, ...any)) {
	shown := map[string]bool{}
	for v := range tree.WithDefaults(n, tree.ReportAll) {
		s := v.Schema()
		q := p.Child(s)
		shown[s.Name] = v.IsDefault
		switch {
		case v.IsDefault && s.Kind == schema.Leaf && !m.visible(id.User, id.Groups, q):
			fail("the default of %s is shown", q)
		case v.IsHolder() && s.Kind == schema.List:
			for e := range v.Children() {
				compareDefaults(m, id, e, p.Child(s, e.Keys()...), fail)
			}
		case s.Kind == schema.Container:
			compareDefaults(m, id, v.Node, q, fail)
		}
	}
	if len(p) == 0 {
		return
	}
	for _, s := range n.Schema().Children() {
		if n.Child(s) == nil && s.Case == nil && !shown[s.Name] && m.defaultsIn(id, p.Child(s)) {
			fail("the default of %s is not shown", p.Child(s))
		}
	}
}

// defaultsIn reports whether the user may see a default of the node at p or, if that
// is a container without presence, in it.
func (m *model) defaultsIn(id Identity, p tree.Path) bool {
	s := p[len(p)-1].Node
	switch {
	case s.Kind == schema.Leaf:
		return len(s.Defaults) > 0 && m.visible(id.User, id.Groups, p)
	case s.Kind == schema.Container && !s.Presence:
		return slices.ContainsFunc(s.Children(), func(c *schema.Node) bool { return c.Case == nil && m.defaultsIn(id, p.Child(c)) })
	}
	return false
}

func compareWrite(m *model, id Identity, k *Checker, old, new *tree.Node, fail func(string, ...any)) {
	want := true
	may := func(operation string, p tree.Path) {
		s := p[len(p)-1].Node
		if s.IsKey() || s.Kind == schema.Container && !s.Presence && operation != "update" {
			return
		}
		want = want && m.data(id.User, id.Groups, operation, p)
	}
	for c := range tree.Diff(old, new) {
		last := c.Path[len(c.Path)-1].Node
		if c.Op == tree.Deleted && last.Case != nil {
			parent := new.Get(c.Path[:len(c.Path)-1])
			if other := map[string]string{"cash": "card", "card": "cash"}[last.Name]; parent.ChildNamed(other) != nil {
				continue
			}
		}
		for e := range tree.Expand(c) {
			may(map[tree.ChangeOp]string{tree.Created: "create", tree.Deleted: "delete", tree.Modified: "update", tree.Moved: "update"}[e.Op], e.Path)
		}
	}
	errs := k.Write(old, new)
	if got := len(errs) == 0; got != want {
		fail("Write = %v, want permitted %v\nfrom %q\nto   %q", errs, want, paths(old), paths(new))
	}
	for _, e := range errs {
		if p := e.Path.(tree.Path); new.Get(p) == nil && old.Get(p) != nil && len(p) > 0 && !k.CanRead(p) {
			fail("the error tells of %s, which cannot be read", p)
		}
	}
}

// operations is section 3.4.4.
func (m *model) operation(id Identity, n *schema.Node) bool {
	module, name := n.Module.Name, n.Name
	if !m.enabled || id.User == "root" || name == "close-session" {
		return true
	}
	for _, r := range m.rulesFor(id.User, id.Groups) {
		if r.about(module, "exec") && (r.kind == "" || r.kind == "rpc" && (r.name == "*" || r.name == name)) {
			return r.permit
		}
	}
	if extended(n, "default-deny-all") || name == "kill-session" || name == "delete-config" {
		return false
	}
	return m.defaults["exec"]
}

// event is section 3.4.6 for a notification at top level.
func (m *model) event(id Identity, n *schema.Node) bool {
	if !m.enabled || id.User == "root" || n.Name == "replayComplete" || n.Name == "notificationComplete" {
		return true
	}
	for _, r := range m.rulesFor(id.User, id.Groups) {
		if r.about(n.Module.Name, "read") && (r.kind == "" || r.kind == "notification" && (r.name == "*" || r.name == n.Name)) {
			return r.permit
		}
	}
	return !extended(n, "default-deny-all") && m.defaults["read"]
}

func compareOperations(m *model, id Identity, k *Checker, fail func(string, ...any)) {
	for _, n := range m.schema.RPCs() {
		if got, want := k.Exec(n) == nil, m.operation(id, n); got != want {
			fail("Exec(%s) = %v", n, got)
		}
		if got, want := k.ExecName(n.Module.Name, n.Name) == nil, m.operation(id, n); got != want {
			fail("ExecName(%s) = %v", n, got)
		}
	}
	for _, n := range m.schema.Notifications() {
		if got, want := k.Notify(tree.New(n), nil), m.event(id, n); got != want {
			fail("Notify(%s) = %v", n, got)
		}
	}
}

// compareTied asks about the action and the notification of data nodes: all nodes
// above must be readable (section 3.1.1).
func compareTied(m *model, id Identity, k *Checker, root *tree.Node, fail func(string, ...any)) {
	readable := func(p tree.Path) bool {
		for i := 1; i <= len(p); i++ {
			if !m.visible(id.User, id.Groups, p[:i]) {
				return false
			}
		}
		return true
	}
	tree.Walk(root, nil, func(p tree.Path, n *tree.Node) bool {
		if n.Schema().Kind != schema.List || len(p) == 0 {
			return true
		}
		for _, a := range n.Schema().Actions() {
			want := readable(p) && m.data(id.User, id.Groups, "exec", p.Child(a))
			if got := k.Action(p, a) == nil; got != want {
				fail("Action(%s, %s) = %v", p, a.Name, got)
			}
		}
		for _, a := range n.Schema().Notifications() {
			want := readable(p)
			if m.enabled && id.User != "root" {
				decided := false
				for _, r := range m.rulesFor(id.User, id.Groups) {
					if decided || !r.about(a.Module.Name, "read") {
						continue
					}
					if r.kind == "" || r.kind == "notification" && (r.name == "*" || r.name == a.Name) || r.kind == "path" && r.covers(p.Child(a)) {
						decided, want = true, want && r.permit
					}
				}
				if !decided {
					want = want && m.defaults["read"]
				}
			}
			if got := k.Notify(tree.New(a), p); got != want {
				fail("Notify(%s, %s) = %v", p, a.Name, got)
			}
		}
		return true
	})
}
