package nacm

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/yang"
)

// shop compiles the modules of testdata with the standard ones they need.
func shop(t testing.TB) *schema.Schema {
	t.Helper()
	o := schema.Options{Implement: []string{ModuleName, base, "nc-notifications", "notifications", "shop", "deposit"}}
	sources, err := yang.Sources()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sources {
		o.Sources = append(o.Sources, schema.Source{Name: s.Name, Text: s.Text})
	}
	for _, name := range []string{"shop.yang", "deposit.yang"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		o.Sources = append(o.Sources, schema.Source{Name: name, Text: text})
	}
	s, err := schema.Compile(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// config builds a tree from lines "path" or "path value".
func config(t testing.TB, s *schema.Schema, lines ...string) *tree.Node {
	t.Helper()
	b := tree.NewBuilder(tree.Empty(s))
	for _, line := range lines {
		path, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		p := parse(t, s, path)
		v := schema.Value{}
		switch n := p[len(p)-1]; n.Node.Kind {
		case schema.LeafList:
			v = n.Keys[0]
		case schema.Leaf:
			var err error
			if v, err = n.Node.Type.Parse(value, s.NameResolver(n.Node.Module)); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		b.Set(p, v)
	}
	return b.Seal()
}

func parse(t testing.TB, s *schema.Schema, path string) tree.Path {
	t.Helper()
	p, err := tree.ParsePath(s, path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func find(t testing.TB, s *schema.Schema, path string) *schema.Node {
	t.Helper()
	n, err := s.Find(path)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// ruleOf is what a test says of a rule; what it leaves out is not configured.
type ruleOf struct {
	module, rpc, notification, path, ops, action string
}

// rulesOf is a configuration of /nacm: user ann is in group staff, bob in staff
// and night, cid in none; the rules are those of one list for group "*".
func rulesOf(t testing.TB, s *schema.Schema, defaults string, rules ...ruleOf) *tree.Node {
	t.Helper()
	const nacm = "/ietf-netconf-acm:nacm"
	lines := []string{
		nacm + "/groups/group[name='staff']/user-name[.='ann']", nacm + "/groups/group[name='staff']/user-name[.='bob']",
		nacm + "/groups/group[name='night']/user-name[.='bob']", nacm + "/rule-list[name='all']/group[.='*']",
	}
	for _, d := range strings.Fields(defaults) {
		name, value, _ := strings.Cut(d, "=")
		lines = append(lines, nacm+"/"+name+" "+value)
	}
	return config(t, s, append(lines, ruleLines("all", rules)...)...)
}

func ruleLines(list string, rules []ruleOf) (lines []string) {
	for i, r := range rules {
		at := fmt.Sprintf("/ietf-netconf-acm:nacm/rule-list[name='%s']/rule[name='%d']/", list, i)
		for _, leaf := range [][2]string{
			{"module-name", r.module}, {"rpc-name", r.rpc}, {"notification-name", r.notification}, {"path", r.path},
			{"access-operations", r.ops}, {"action", r.action},
		} {
			if leaf[1] != "" {
				lines = append(lines, at+leaf[0]+" "+leaf[1])
			}
		}
	}
	return lines
}

// control is a Control with the rules in force.
func control(t testing.TB, s *schema.Schema, running *tree.Node) *Control {
	t.Helper()
	c := New(Options{Schema: s, RecoveryUser: "root", Log: quiet()})
	c.Update(running)
	return c
}

// paths lists what is in n: the paths of leafs with their values, and those of
// what has nothing in it.
func paths(n *tree.Node) []string {
	var out []string
	tree.Walk(n, nil, func(p tree.Path, at *tree.Node) bool {
		switch k := at.Schema().Kind; {
		case len(p) == 0 || at.Schema().IsKey():
		case k == schema.Leaf:
			out = append(out, p.String()+" "+at.Value().String())
		default:
			out = append(out, p.String())
		}
		return true
	})
	return out
}
