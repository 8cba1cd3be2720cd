package nacm

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// decodeRule reads a rule with a path, which stands in an element with the given
// namespace declarations.
func decodeRule(s *schema.Schema, declarations, path string) (*tree.Node, error) {
	text := `<config><nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"><rule-list><name>l</name><rule><name>r</name>` +
		`<path` + declarations + `>` + path + `</path><action>deny</action></rule></rule-list></nacm></config>`
	r := xmltok.NewReader([]byte(text), xmltok.Limits{})
	if _, err := r.Next(); err != nil {
		return nil, err
	}
	return codec.DecodeData(s, s.Root(), r, codec.DataOptions{ConfigOnly: true})
}

// TestPathsInXML: a path means what the namespace declarations around it say,
// and comes back with declarations of its own.
func TestPathsInXML(t *testing.T) {
	s := shop(t)
	const both = ` xmlns:a="urn:test:shop" xmlns:b="urn:test:deposit"`
	for _, c := range []struct{ declarations, path, want, back string }{
		{both, "/", "/", ">/<"},
		{both, "/a:top", "/shop:top", ` xmlns:s="urn:test:shop">/s:top<`},
		{both, "/a:top/a:item/b:deposit/b:amount", "/shop:top/item/deposit:deposit/amount",
			` xmlns:s="urn:test:shop" xmlns:d="urn:test:deposit">/s:top/s:item/d:deposit/d:amount<`},
		{both, "/a:top/a:item[a:id='x:y']", "/shop:top/item[id='x:y']", `>/s:top/s:item[s:id='x:y']<`},
		{both, "/a:top/a:item[a:id=$USER]/a:price", "/shop:top/item[id=$USER]/price", `>/s:top/s:item[s:id=$USER]/s:price<`},
		{both, "/a:top/a:item/a:part[a:number='7']", "/shop:top/item/part[number='7']", `>/s:top/s:item/s:part[s:number='7']<`},
		{both, "/a:top/a:item/a:sell", "/shop:top/item/sell", `>/s:top/s:item/s:sell<`},
		{both, "/a:top/a:item/a:part/a:broken", "/shop:top/item/part/broken", `s:broken<`},
		{both, "/a:top/a:tag[.='old']", "/shop:top/tag[.='old']", `>/s:top/s:tag[.='old']<`},
	} {
		root, err := decodeRule(s, c.declarations, c.path)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		leaf := root.Get(parse(t, s, "/ietf-netconf-acm:nacm/rule-list[name='l']/rule[name='r']/path"))
		if got := leaf.Value().String(); got != c.want {
			t.Errorf("%s is kept as %s, want %s", c.path, got, c.want)
		}
		if _, err := parsePath(s, c.want); err != nil {
			t.Errorf("%s: %v", c.want, err)
		}
		if back := string(codec.AppendXML(nil, leaf, codec.EncodeOptions{})); !strings.Contains(back, c.back) {
			t.Errorf("%s comes back as %s, want %s in it", c.path, back, c.back)
		}
	}
	for _, c := range []struct{ declarations, path, want string }{
		{"", "/a:top", "no module is known by the prefix"},
		{both, "/top", "has no prefix"},
		{both, "", "empty"},
		{both, "a:top", "slash"},
		{both, "/a:nothing", "no data node"},
		{both, "/a:top/b:item", "no data node"},
		{both, "/a:top/*", "a node name is expected"},
		{both, "//a:top", "a node name is expected"},
		{both, "/a:top/a:item[a:price='1']", "not a key"},
		{both, "/a:top/a:item[a:id=$OTHER]", "quoted value"},
		{both, "/a:top/a:item[a:id='x'", "closing bracket"},
		{both, "/a:open", "no data node"}, // an operation has rpc-name
	} {
		if _, err := decodeRule(s, c.declarations, c.path); err == nil || !strings.Contains(err.Error(), c.want) || !yangerr.From(err).Has(yangerr.InvalidValue) {
			t.Errorf("%q: %v, want invalid-value: %s", c.path, err, c.want)
		}
	}
}

func FuzzPath(f *testing.F) {
	s := shop(f)
	for _, seed := range []string{"/", "/shop:top/item[id='a']/part[number='7'][maker=$USER]", "/shop:top/item/deposit:deposit", "/shop:top/tag[.='x']", "/shop:top[", "/x"} {
		f.Add(seed)
	}
	typ := find(f, s, "/ietf-netconf-acm:nacm/rule-list/rule/path").Type
	f.Fuzz(func(t *testing.T, text string) {
		v, err := typ.Parse(text, s.NameResolver(nil))
		if err != nil {
			parsePath(s, text)
			return
		}
		// What the schema takes, the rules understand, and it is canonical.
		if _, err := parsePath(s, v.String()); err != nil {
			t.Errorf("%q is kept as %q: %v", text, v, err)
		}
		if again, err := typ.Parse(v.String(), s.NameResolver(nil)); err != nil || again != v {
			t.Errorf("%q is kept as %q, and that as %q: %v", text, v, again, err)
		}
	})
}

var stock = []string{
	"/shop:top/item[id='a']/price 5", "/shop:top/item[id='a']/cost 3", "/shop:top/item[id='a']/deposit:deposit/until may",
	"/shop:top/item[id='b']/price 6", "/shop:top/item[id='b']/box/width 2", "/shop:top/safe/code 9", "/deposit:office/door open",
}

// TestRead shows what users see, rule set by rule set.
func TestRead(t *testing.T) {
	s := shop(t)
	root := config(t, s, stock...)
	all := paths(root)
	without := func(hidden ...string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(p string) bool {
			return slices.ContainsFunc(hidden, func(h string) bool { return strings.HasPrefix(p, h) })
		})
	}
	const cost, itemA, itemB = "/shop:top/item[id='a']/cost", "/shop:top/item[id='a']", "/shop:top/item[id='b']"
	for _, c := range []struct {
		name, defaults, user string
		groups               []string
		rules                []ruleOf
		want                 []string
	}{
		{"nothing configured", "", "ann", nil, nil, without(cost)},
		{"no enforcement", "enable-nacm=false", "ann", nil, nil, all},
		{"recovery session", "read-default=deny", "root", nil, nil, all},
		{"read-default deny", "read-default=deny", "ann", nil, nil, nil},
		{"default-deny-all needs a rule", "", "ann", nil, []ruleOf{{path: "/shop:top/item/cost", action: "permit"}}, all},
		{"permit all", "read-default=deny", "ann", nil, []ruleOf{{action: "permit"}}, all},
		{"the first rule decides", "", "ann", nil, []ruleOf{{path: itemB, action: "permit"}, {path: "/shop:top/item", action: "deny"}}, without(itemA)},
		{"in this order nothing is left", "", "ann", nil, []ruleOf{{path: "/shop:top/item", action: "deny"}, {path: itemB, action: "permit"}}, without(itemA, itemB)},
		{"without keys every entry", "", "ann", nil, []ruleOf{{path: "/shop:top/item/price", action: "deny"}}, without(cost, itemA+"/price", itemB+"/price")},
		{"module", "", "ann", nil, []ruleOf{{module: "deposit", action: "deny"}}, without(cost, itemA+"/deposit:deposit", "/deposit:office")},
		{"a module that is not there", "", "ann", nil, []ruleOf{{module: "nowhere", action: "deny"}}, without(cost)},
		{"other operations", "", "ann", nil, []ruleOf{{ops: "create update delete exec", action: "deny"}}, without(cost)},
		{"rules for operations say nothing about data", "", "ann", nil, []ruleOf{{rpc: "*", action: "deny"}, {notification: "*", action: "deny"}}, without(cost)},
		{"$USER", "", "ann", nil, []ruleOf{{path: "/shop:top/item[id=$USER]", action: "deny"}}, without(cost)},
		{"no group, no rules, not even those of *", "", "cid", nil, []ruleOf{{action: "deny"}}, without(cost)},
		{"a group of the transport", "", "cid", []string{"guard"}, []ruleOf{{action: "deny"}}, nil},
		{"which is not believed", "enable-external-groups=false", "cid", []string{"guard"}, []ruleOf{{action: "deny"}}, without(cost)},
		{"below what is denied nothing is permitted", "read-default=deny", "ann", nil, []ruleOf{{path: itemA, action: "permit"}}, nil},
		{"not by an earlier rule either", "", "ann", nil, []ruleOf{{path: itemA + "/price", action: "permit"}, {path: "/shop:top/item", action: "deny"}}, without(itemA, itemB)},
		{"nor by its module", "read-default=deny", "ann", nil, []ruleOf{{module: "deposit", action: "permit"}}, []string{"/deposit:office", "/deposit:office/door open"}},
		{"/ is everything", "read-default=deny", "ann", nil, []ruleOf{{path: "/", action: "permit"}}, all},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := control(t, s, rulesOf(t, s, c.defaults, c.rules...)).Checker(Identity{User: c.user, Groups: c.groups})
			got := k.Read(root)
			if have := paths(got); !slices.Equal(have, c.want) {
				t.Errorf("got  %q\nwant %q", have, c.want)
			}
			if slices.Equal(c.want, all) && len(c.rules) < 1 && got != root {
				t.Error("everything may be read, but the tree was copied")
			}
		})
	}
}

// TestUserVariable: a rule with $USER is about other instances for each user.
func TestUserVariable(t *testing.T) {
	s := shop(t)
	root := config(t, s, "/shop:top/item[id='ann']/price 1", "/shop:top/item[id='bob']/price 2")
	c := control(t, s, rulesOf(t, s, "", ruleOf{path: "/shop:top/item[id=$USER]", action: "permit"}, ruleOf{path: "/shop:top/item", action: "deny"}))
	for _, user := range []string{"ann", "bob"} {
		got := paths(c.Checker(Identity{User: user}).Read(root))
		if len(got) != 3 || got[1] != "/shop:top/item[id='"+user+"']" {
			t.Errorf("%s sees %q", user, got)
		}
	}
}

func TestWriteErrors(t *testing.T) {
	s := shop(t)
	old := config(t, s, stock...)
	with := func(lines ...string) *tree.Node { return config(t, s, append(slices.Clone(stock), lines...)...) }
	for _, c := range []struct {
		name  string
		rules []ruleOf
		new   *tree.Node
		want  []string // error-paths
	}{
		{"nothing differs", nil, old, nil},
		{"a leaf", nil, with("/shop:top/item[id='a']/price 6"), []string{"/shop:top/item[id='a']/price"}},
		{"each node is named", nil, with("/shop:top/item[id='a']/price 6", "/shop:top/item[id='c']/price 6", "/shop:top/name x"),
			[]string{"/shop:top/name", "/shop:top/item[id='a']/price", "/shop:top/item[id='c']"}},
		{"create is not update", []ruleOf{{path: "/shop:top/item", ops: "create", action: "permit"}},
			with("/shop:top/item[id='a']/price 6", "/shop:top/item[id='c']/price 6"), []string{"/shop:top/item[id='a']/price"}},
		{"all of a new subtree", []ruleOf{{path: "/shop:top/item/price", ops: "create", action: "deny"}, {path: "/shop:top/item", action: "permit"}},
			with("/shop:top/item[id='c']/price 6", "/shop:top/item[id='c']/box/width 1"), []string{"/shop:top/item[id='c']/price"}},
		{"a container without presence needs nothing", []ruleOf{{path: "/shop:top/item/box/width", action: "permit"}}, with("/shop:top/item[id='a']/box/width 1"), nil},
		{"what cannot be read is not named", []ruleOf{{path: "/shop:top/item/cost", ops: "read delete", action: "deny"}, {path: "/shop:top/item", action: "permit"}},
			config(t, s, stock[3:]...), nil},
		{"default-deny-write", []ruleOf{{module: "deposit", action: "permit"}}, with("/shop:top/safe/code 1"), []string{"/shop:top/safe/code"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctl := control(t, s, rulesOf(t, s, "", c.rules...))
			errs := ctl.Checker(Identity{User: "ann"}).Write(old, c.new)
			var got []string
			for _, e := range errs {
				got = append(got, e.Path.String())
				if e.Tag != yangerr.AccessDenied {
					t.Error(e)
				}
			}
			if c.name == "what cannot be read is not named" {
				if len(got) != 1 || strings.Contains(got[0], "cost") {
					t.Errorf("errors about %q", got)
				}
				return
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("errors about %q, want %q", got, c.want)
			}
			if _, writes, _ := ctl.Denied(); (writes == 1) != (len(c.want) > 0) {
				t.Errorf("denied-data-writes is %d", writes)
			}
		})
	}
}

// TestReplacedCase: what goes because another case is chosen needs no right (RFC
// 8341 section 3.2.5).
func TestReplacedCase(t *testing.T) {
	s := shop(t)
	old, new := config(t, s, "/shop:top/card/holder me"), config(t, s, "/shop:top/cash")
	k := control(t, s, rulesOf(t, s, "", ruleOf{path: "/shop:top/cash", action: "permit"})).Checker(Identity{User: "ann"})
	if errs := k.Write(old, new); len(errs) > 0 {
		t.Error(errs)
	}
	if errs := k.Write(old, config(t, s, "/shop:top/name x")); len(errs) != 2 {
		t.Errorf("%v, want the new leaf and the deleted one", errs)
	}
}

func TestExec(t *testing.T) {
	s := shop(t)
	for _, c := range []struct {
		defaults, module, rpc string
		rules                 []ruleOf
		want                  bool
	}{
		{"", "shop", "open", nil, true},
		{"exec-default=deny", "shop", "open", nil, false},
		{"exec-default=deny", base, "close-session", []ruleOf{{rpc: "close-session", action: "deny"}}, true},
		{"", base, "kill-session", nil, false},
		{"", base, "delete-config", nil, false},
		{"", base, "kill-session", []ruleOf{{module: base, rpc: "kill-session", ops: "exec", action: "permit"}}, true},
		{"", "shop", "burn", nil, false},
		{"", "shop", "burn", []ruleOf{{rpc: "burn", action: "permit"}}, true},
		{"", "shop", "burn", []ruleOf{{rpc: "burn", ops: "read", action: "permit"}}, false},
		{"", "deposit", "refund", []ruleOf{{module: "shop", rpc: "refund", action: "deny"}}, true},
		{"", "deposit", "refund", []ruleOf{{module: "deposit", rpc: "*", action: "deny"}}, false},
		{"", "", "unheard-of", []ruleOf{{rpc: "unheard-of", action: "deny"}}, false},
		{"enable-nacm=false", "shop", "burn", nil, true},
	} {
		ctl := control(t, s, rulesOf(t, s, c.defaults, c.rules...))
		err := ctl.Checker(Identity{User: "ann"}).ExecName(c.module, c.rpc)
		if (err == nil) != c.want {
			t.Errorf("%s %s:%s with %+v: %v", c.defaults, c.module, c.rpc, c.rules, err)
		}
		if n, _, _ := ctl.Denied(); (n == 1) == c.want {
			t.Errorf("denied-operations is %d after %v", n, err)
		}
		if err := ctl.Checker(Identity{User: "root"}).ExecName(c.module, c.rpc); err != nil {
			t.Errorf("recovery session: %v", err)
		}
	}
	var nobody *Checker
	if err := nobody.ExecName("shop", "burn"); err != nil {
		t.Errorf("without access control: %v", err)
	}
}

// TestPositions: a rule about a position, which names another entry tomorrow, counts
// on the safe side: for every entry if it denies, for none if it permits.
func TestPositions(t *testing.T) {
	s := shop(t)
	root := config(t, s, "/shop:top/name x", "/shop:top/tag[.='a']", "/shop:top/tag[.='b']")
	const tag, second = "/shop:top/tag", "/shop:top/tag[2]"
	for _, c := range []struct {
		what  string
		rules []ruleOf
		tags  int
	}{
		{"no rules", nil, 2},
		{"denied", []ruleOf{{path: second, action: "deny"}}, 0},
		{"permitted, then all denied", []ruleOf{{path: second, action: "permit"}, {path: tag, action: "deny"}}, 0},
		{"all permitted before", []ruleOf{{path: tag, action: "permit"}, {path: second, action: "deny"}}, 2},
		{"for another operation", []ruleOf{{path: second, ops: "update", action: "deny"}}, 2},
	} {
		got := control(t, s, rulesOf(t, s, "", c.rules...)).Checker(Identity{User: "ann"}).Read(root)
		if n := got.Get(parse(t, s, "/shop:top")).ChildNamed("tag"); n == nil && c.tags > 0 || n != nil && n.Len() != c.tags {
			t.Errorf("%s: %q", c.what, paths(got))
		}
	}
	for _, path := range []string{"/shop:top[1]", "/shop:top/item[1]"} {
		if _, err := decodeRule(s, ` xmlns:shop="urn:test:shop"`, path); err == nil {
			t.Errorf("%s has keys or no entries, but the position is taken", path)
		}
	}
}

// TestUpdate: rules are compiled when /nacm has changed, and only then; checkers
// that are in use follow; nobody being able to write is worth a warning.
func TestUpdate(t *testing.T) {
	s := shop(t)
	var log bytes.Buffer
	c := New(Options{Schema: s, Log: slog.New(slog.NewTextHandler(&log, nil))})
	k := c.Checker(Identity{User: "ann"})
	root := config(t, s, stock...)
	permissive := rulesOf(t, s, "", ruleOf{action: "permit"})
	c.Update(permissive)
	if log.Len() > 0 {
		t.Errorf("logged %s", &log)
	}
	if k.Read(root) != root || !k.View().IsAll() {
		t.Error("not everything can be read")
	}
	rules, changed := c.rules.Load(), k.Changed()
	other := tree.NewBuilder(permissive)
	other.Set(parse(t, s, "/shop:top/name"), schema.MustParse(find(t, s, "/shop:top/name").Type, "x"))
	c.Update(other.Seal())
	if c.rules.Load() != rules {
		t.Error("the rules were compiled again although they have not changed")
	}
	select {
	case <-changed:
		t.Error("a change is told that was none")
	default:
	}
	c.Update(root) // without /nacm
	<-changed
	if k.Read(root) == root || k.View().IsAll() {
		t.Error("everything can still be read")
	}
	if !strings.Contains(log.String(), "lets anybody change") {
		t.Errorf("nobody can write, and the log says %q", &log)
	}
}
