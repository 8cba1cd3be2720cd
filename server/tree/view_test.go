package tree

import (
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
)

// filter builds a Filter from lines: depth by tabs, then a node name, then any of
// "key=value" (a key), "leaf==value" (a content match), "#n" (a position), "*" (all).
func filter(t testing.TB, s *schema.Schema, text string) *Filter {
	t.Helper()
	stack := []*Filter{{Node: s.Root()}}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.TrimSpace(line) == "" {
			continue
		}
		depth := len(line) - len(strings.TrimLeft(line, "\t"))
		words := strings.Fields(line)
		stack = stack[:depth+1]
		parent := stack[depth]
		f := &Filter{Node: parent.Node.Child(words[0])}
		if f.Node == nil {
			t.Fatalf("no node %q", words[0])
		}
		for _, w := range words[1:] {
			name, value, _ := strings.Cut(w, "=")
			switch {
			case w == "*":
				f.All = true
			case w[0] == '#':
				f.Pos = int(w[1] - '0')
			case strings.HasPrefix(value, "="):
				leaf := f.Node.Child(name)
				f.Content = append(f.Content, Match{leaf, schema.MustParse(leaf.Type, value[1:])})
			default:
				leaf := f.Node
				if name != "." {
					leaf = f.Node.Child(name)
				}
				if f.Keys == nil {
					f.Keys = map[int]schema.Value{}
				}
				f.Keys[max(0, leaf.KeyIndex())] = schema.MustParse(leaf.Type, value)
			}
		}
		parent.Children = append(parent.Children, f)
		stack = append(stack, f)
	}
	return stack[0]
}

func TestSelect(t *testing.T) {
	s := compile(t)
	root := apply(t, s, Empty(s), `
		merge ~/lsp[name='a']/num = 1
		merge ~/lsp[name='a']/ttl = 9
		merge ~/lsp[name='a']/tag = x
		merge ~/lsp[name='a']/in-segment/label = 100
		merge ~/lsp[name='b']/num = 2
		merge ~/lsp[name='b']/guard
		merge ~/pair[a='1'][b='x']
		merge ~/pair[a='2'][b='x']
		merge ~/pair[a='1'][b='y']
		merge /net:net/dns = q
		merge /net:net/dns = p
		merge /net:net/state/event/what = one
		merge /net:net/state/event/what = two
		merge /net:banner = hi`)
	const a = "/net:net\n~\n~/lsp[name='a']\n"
	for _, tc := range []struct{ name, filter, want string }{
		{"one leaf of one entry", "net\n\tlsps\n\t\tlsp name=a\n\t\t\tnum", a + "~/lsp[name='a']/num = 1"},
		{"key as a content match", "net\n\tlsps\n\t\tlsp name==a\n\t\t\tnum", a + "~/lsp[name='a']/num = 1"},
		{"leafs of all entries", "net\n\tlsps\n\t\tlsp\n\t\t\tnum", a + "~/lsp[name='a']/num = 1\n~/lsp[name='b']\n~/lsp[name='b']/num = 2"},
		{"no such entry", "net\n\tlsps\n\t\tlsp name=z", ""},
		{"nothing in the entry", "net\n\tlsps\n\t\tlsp name=b\n\t\t\tttl", ""},
		{"content match alone selects all", "net\n\tlsps\n\t\tlsp num==2", "/net:net\n~\n~/lsp[name='b']\n~/lsp[name='b']/num = 2\n~/lsp[name='b']/guard"},
		{"content match and selection", "net\n\tlsps\n\t\tlsp num==2\n\t\t\tguard", "/net:net\n~\n~/lsp[name='b']\n~/lsp[name='b']/num = 2\n~/lsp[name='b']/guard"},
		{"content match on a default in use", "net\n\tlsps\n\t\tlsp ttl==255\n\t\t\tguard", "/net:net\n~\n~/lsp[name='b']\n~/lsp[name='b']/guard"},
		{"content match on a leaf-list", "net\n\tlsps\n\t\tlsp tag==x\n\t\t\tnum", a + "~/lsp[name='a']/num = 1\n~/lsp[name='a']/tag[.='x']"},
		{"content match that fails", "net\n\tlsps\n\t\tlsp num==3", ""},
		{"some of the keys", "net\n\tlsps\n\t\tpair b=x\n\t\t\ta", "/net:net\n~\n~/pair[b='x'][a='1']\n~/pair[b='x'][a='2']"},
		{"two filters of one list", "net\n\tlsps\n\t\tlsp name=a\n\t\t\tnum\n\t\tlsp name=b\n\t\t\tnum\n\t\tlsp name=a\n\t\t\tin-segment",
			a + "~/lsp[name='a']/num = 1\n~/lsp[name='a']/in-segment\n~/lsp[name='a']/in-segment/label = 100\n~/lsp[name='b']\n~/lsp[name='b']/num = 2"},
		{"one leaf-list value", "net\n\tdns .=p", "/net:net\n/net:net/dns[.='p']"},
		{"leaf-list keeps its order", "net\n\tdns", "/net:net\n/net:net/dns[.='q']\n/net:net/dns[.='p']"},
		{"position", "net\n\tstate\n\t\tevent #2", "/net:net\n/net:net/state\n/net:net/state/event[1]\n/net:net/state/event[1]/what = two"},
		{"position beyond", "net\n\tstate\n\t\tevent #3", ""},
		{"a top leaf", "banner", "/net:banner = hi"},
		{"what is absent", "net\n\textra", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := Select(root, filter(t, s, tc.filter))
			if got != nil {
				check(t, got)
			}
			if g, w := lines(dump(got)), lines(tc.want); g != w {
				t.Errorf("got:\n%s\nwant:\n%s", g, w)
			}
		})
	}
	all := Select(root, &Filter{Node: s.Root()})
	if all != root {
		t.Error("the whole tree is copied")
	}
	lsps := path(t, s, "~")
	if got := Select(root, FilterOf(s.Root(), lsps)); got.Get(lsps) != root.Get(lsps) {
		t.Error("a whole subtree is copied")
	}
	p := path(t, s, "~/lsp[name='a']/in-segment/label")
	if got := Select(root, FilterOf(s.Root(), p)); lines(dump(got)) != lines(a+"~/lsp[name='a']/in-segment\n~/lsp[name='a']/in-segment/label = 100") {
		t.Errorf("FilterOf selects\n%s", dump(got))
	}
	wild := Path{{Node: lsps[0].Node}, {Node: lsps[1].Node}, {Node: lsps[1].Node.Child("pair"), Keys: []schema.Value{{}, schema.MustParse(lsps[1].Node.Child("pair").Keys[1].Type, "1")}}}
	if got := Select(root, FilterOf(s.Root(), wild)).Get(wild[:2]).ChildNamed("pair").Len(); got != 2 {
		t.Errorf("a wildcard key selects %d entries, want 2", got)
	}
	if Select(root, &Filter{Node: lsps[0].Node}) != nil || Select(nil, all0(s)) != nil {
		t.Error("a filter of another node selects something")
	}
}

func all0(s *schema.Schema) *Filter { return &Filter{Node: s.Root()} }

// shown prints the tree as a mode shows it, defaults with an asterisk.
func shown(n *Node, mode DefaultsMode, indent string) string {
	var b strings.Builder
	for v := range WithDefaults(n, mode) {
		s := v.Schema()
		name := indent + s.Name
		if v.IsHolder() {
			var vals []string
			for e := range v.Children() {
				vals = append(vals, e.Keys()[0].String())
			}
			name += " " + strings.Join(vals, ",")
		}
		if s.Kind == schema.Leaf {
			name += " " + v.Value().String()
		}
		if v.IsDefault {
			name += " *"
		}
		b.WriteString(name + "\n")
		switch {
		case v.IsHolder() && s.Kind == schema.List:
			for e := range v.Children() {
				b.WriteString(shown(e, mode, indent+"\t"))
			}
		case s.Kind == schema.Container:
			b.WriteString(shown(v.Node, mode, indent+"\t"))
		}
	}
	return b.String()
}

func TestWithDefaults(t *testing.T) {
	s := compile(t)
	for _, tc := range []struct {
		name, edits string
		want        map[DefaultsMode]string
	}{
		{"an entry", "merge ~/lsp[name='a']/num = 7\nmerge /net:net/dns = x", map[DefaultsMode]string{
			Explicit:  "net\n\tlsps\n\t\tlsp a\n\t\t\tname a\n\t\t\tnum 7\n\tdns x",
			Trim:      "net\n\tlsps\n\t\tlsp a\n\t\t\tname a\n\t\t\tnum 7\n\tdns x",
			ReportAll: "net\n\tlsps\n\t\tlsp a\n\t\t\tname a\n\t\t\tnum 7\n\t\t\tttl 255 *\n\t\t\tin-segment *\n\t\t\t\tmode pipe *\n\t\t\tplain-b 3 *\n\tdns x",
		}},
		{"explicit values equal to the default", "merge ~/lsp[name='a']/ttl = 255\nmerge ~/lsp[name='a']/in-segment/mode = pipe\nmerge /net:net/dns = a\nmerge /net:net/dns = b\nmerge ~/lsp[name='a']/guard/wait = 5", map[DefaultsMode]string{
			Explicit:  "net\n\tlsps\n\t\tlsp a\n\t\t\tname a\n\t\t\tttl 255\n\t\t\tin-segment\n\t\t\t\tmode pipe\n\t\t\tguard\n\t\t\t\twait 5\n\tdns a,b",
			Trim:      "net\n\tlsps\n\t\tlsp a\n\t\t\tname a\n\t\t\tguard",
			ReportAll: "net\n\tlsps\n\t\tlsp a\n\t\t\tname a\n\t\t\tttl 255\n\t\t\tin-segment\n\t\t\t\tmode pipe\n\t\t\tguard\n\t\t\t\twait 5\n\t\t\tplain-b 3 *\n\tdns a,b",
		}},
		{"a default in a case that is not chosen", "merge ~/lsp[name='a']/inner-a = x", map[DefaultsMode]string{
			ReportAll: "net\n\tlsps\n\t\tlsp a\n\t\t\tname a\n\t\t\tttl 255 *\n\t\t\tin-segment *\n\t\t\t\tmode pipe *\n\t\t\tinner-a x\n\tdns a,b *",
		}},
		{"a default in the chosen case", "merge ~/lsp[name='a']/plain-a = x", map[DefaultsMode]string{
			ReportAll: "net\n\tlsps\n\t\tlsp a\n\t\t\tname a\n\t\t\tttl 255 *\n\t\t\tin-segment *\n\t\t\t\tmode pipe *\n\t\t\tplain-a x\n\t\t\tplain-b 3 *\n\tdns a,b *",
		}},
		{"an empty tree", "", map[DefaultsMode]string{
			Explicit: "", Trim: "", ReportAll: "net *\n\tdns a,b *", ReportAllTagged: "net *\n\tdns a,b *",
		}},
		{"below a presence container", "merge ~/lsp[name='a']/guard", map[DefaultsMode]string{
			ReportAllTagged: "net\n\tlsps\n\t\tlsp a\n\t\t\tname a\n\t\t\tttl 255 *\n\t\t\tin-segment *\n\t\t\t\tmode pipe *\n\t\t\tguard\n\t\t\t\twait 5 *\n\t\t\tplain-b 3 *\n\tdns a,b *",
		}},
	} {
		root := apply(t, s, Empty(s), tc.edits)
		for mode, want := range tc.want {
			if got := shown(root, mode, ""); strings.TrimSpace(got) != strings.TrimSpace(want) {
				t.Errorf("%s, mode %d:\n%s\nwant:\n%s", tc.name, mode, got, want)
			}
		}
	}
}

func TestEffective(t *testing.T) {
	s := compile(t)
	root := apply(t, s, Empty(s), "merge ~/lsp[name='a']/inner-a = x\nmerge ~/lsp[name='b']/ttl = 255")
	for _, tc := range []struct {
		path, want string
	}{
		{"~/lsp[name='a']/ttl", "255"},
		{"~/lsp[name='a']/in-segment/mode", "pipe"},
		{"~/lsp[name='a']/guard/wait", ""},
		{"~/lsp[name='a']/plain-b", ""},
		{"~/lsp[name='b']/plain-b", "3"},
		{"~/lsp[name='b']/num", ""},
		{"~/lsp[name='z']/ttl", ""},
		{"~/lsp[name='a']/inner-a", "x"},
		{"/net:banner", ""},
		{"/net:net/dns[.='a']", "a"},
		{"/net:net/dns[.='c']", ""},
	} {
		v, ok := root.GetValue(path(t, s, tc.path))
		if v.String() != tc.want || ok != (tc.want != "") {
			t.Errorf("%s is %q %v, want %q", tc.path, v, ok, tc.want)
		}
	}
	lsp := path(t, s, "~/lsp[name='a']")
	if _, isDefault := Effective(root.Get(lsp), lsp[2].Node.Child("ttl")); !isDefault {
		t.Error("a default is not told")
	}
	lsp[2].Keys[0] = schema.MustParse(lsp[2].Node.Keys[0].Type, "b")
	if _, isDefault := Effective(root.Get(lsp), lsp[2].Node.Child("ttl")); isDefault {
		t.Error("an explicit value is called a default")
	}
}

func TestBuilder(t *testing.T) {
	s := compile(t)
	net := s.Root().Child("net")
	lsps, lsp := net.Child("lsps"), net.Child("lsps").Child("lsp")
	val := func(leaf *schema.Node, text string) schema.Value { return schema.MustParse(leaf.Type, text) }
	base := apply(t, s, Empty(s), "merge ~/lsp[name='a']/num = 1\nmerge /net:net/dns = x")
	was := dump(base)

	b := NewBuilder(base)
	if !b.Enter(net) || !b.Enter(lsps) || !b.Enter(lsp, val(lsp.Keys[0], "a")) {
		t.Error("what exists is called new")
	}
	if !b.Leaf(lsp.Child("num"), val(lsp.Child("num"), "2")) || b.Leaf(lsp.Child("ttl"), val(lsp.Child("ttl"), "3")) {
		t.Error("Leaf tells wrongly what existed")
	}
	if b.Leaf(lsp.Child("tag"), val(lsp.Child("tag"), "t")) || !b.Leaf(lsp.Child("tag"), val(lsp.Child("tag"), "t")) {
		t.Error("Leaf tells wrongly about a leaf-list")
	}
	b.Enter(lsp.Child("in-segment")) // left empty: it goes
	b.Leave()
	if b.Has(lsp.Child("in-segment")) || !b.Has(lsp.Child("num")) || b.At() != lsp {
		t.Error("the cursor is wrong")
	}
	b.Leave()
	if b.Enter(lsp, val(lsp.Keys[0], "b")) {
		t.Error("a new entry is called existing")
	}
	b.Enter(lsp.Child("guard")) // presence: it stays
	b.Leave()
	b.Leave()
	b.Put(base.Get(path(t, s, "~/lsp[name='a']"))) // replaces what was built
	b.Leave()
	b.Enter(net.Child("state"))
	for _, what := range []string{"one", "one"} {
		event := net.Child("state").Child("event")
		b.Enter(event)
		b.Leaf(event.Child("what"), val(event.Child("what"), what))
		b.Leave()
	}
	b.Set(path(t, s, "~/lsp[name='c']/num"), val(lsp.Child("num"), "9"))
	b.Remove(path(t, s, "/net:net/dns[.='x']"))
	b.Remove(path(t, s, "/net:net/dns[.='x']"))
	b.Set(path(t, s, "/net:net/extra"), schema.Value{})
	b.Leave()
	got := b.Seal()
	check(t, got)
	want := "/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/num = 1\n~/lsp[name='b']\n~/lsp[name='b']/guard\n~/lsp[name='c']\n~/lsp[name='c']/num = 9\n" +
		"/net:net/state\n/net:net/state/event[1]\n/net:net/state/event[1]/what = one\n/net:net/state/event[2]\n/net:net/state/event[2]/what = one"
	if lines(dump(got)) != want {
		t.Errorf("got:\n%s\nwant:\n%s", dump(got), want)
	}
	if dump(base) != was {
		t.Error("the base changed")
	}
}

func TestMergeTrees(t *testing.T) {
	s := compile(t)
	base := apply(t, s, Empty(s), "merge ~/lsp[name='a']/num = 1\nmerge ~/lsp[name='b']/num = 2\nmerge /net:banner = x")
	over := apply(t, s, Empty(s), "merge ~/lsp[name='b']/num = 3\nmerge ~/lsp[name='c']\nmerge /net:net/state/count = 5")
	hb, ho := hash(base), hash(over)
	got := MergeTrees(base, over)
	check(t, got)
	want := "/net:net\n~\n~/lsp[name='a']\n~/lsp[name='a']/num = 1\n~/lsp[name='b']\n~/lsp[name='b']/num = 3\n~/lsp[name='c']\n/net:net/state\n/net:net/state/count = 5\n/net:banner = x"
	if lines(dump(got)) != want {
		t.Errorf("got:\n%s", dump(got))
	}
	if got.Get(path(t, s, "~/lsp[name='a']")) != base.Get(path(t, s, "~/lsp[name='a']")) {
		t.Error("an untouched entry is copied")
	}
	if MergeTrees(nil, over) != over || MergeTrees(base, nil) != base || MergeTrees(base, base) != base {
		t.Error("a union with nothing is a copy")
	}
	if hash(base) != hb || hash(over) != ho {
		t.Error("the operands changed")
	}
}

func TestExpand(t *testing.T) {
	s := compile(t)
	root := apply(t, s, Empty(s), "merge ~/lsp[name='a']/num = 1\nmerge ~/lsp[name='a']/hop = 7")
	for _, dir := range []struct {
		old, new *Node
		op       ChangeOp
	}{{Empty(s), root, Created}, {root, Empty(s), Deleted}} {
		var got []string
		for c := range Diff(dir.old, dir.new) {
			for e := range Expand(c) {
				if e.Op != dir.op || (e.New == nil) != (e.Op == Deleted) || (e.Old == nil) != (e.Op == Created) {
					t.Errorf("%s is %s", e.Path, e.Op)
				}
				got = append(got, strings.Replace(e.Path.String(), "/net:net/lsps", "~", 1))
			}
		}
		want := []string{"/net:net", "~", "~/lsp[name='a']", "~/lsp[name='a']/name", "~/lsp[name='a']/num", "~/lsp[name='a']/hop[.='7']"}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v", dir.op, got)
		}
	}
	for c := range Diff(Empty(s), root) {
		for range Expand(c) {
			break // leaving early must be harmless
		}
	}
}

func TestReading(t *testing.T) {
	s := compile(t)
	root := apply(t, s, Empty(s), "merge ~/pair[a='2'][b='x']\nmerge ~/pair[a='1'][b='x']/c = net:red\nmerge /net:net/dns = q\nmerge /net:net/dns = p")
	pair := root.ChildNamed("net").ChildNamed("lsps").ChildNamed("pair")
	if !pair.IsHolder() || pair.Len() != 2 || pair.EntryAt(0).Keys()[1].String() != "1" || pair.EntryAt(2) != nil || pair.EntryAt(-1) != nil {
		t.Error("the holder is wrong")
	}
	keys := pair.EntryAt(1).Keys()
	if pair.Entry(keys...) != pair.EntryAt(1) || pair.Entry(keys[0]) != nil || pair.Entry() != nil || pair.Position(keys...) != 1 || pair.Position(keys[0]) != -1 {
		t.Error("lookup by key is wrong")
	}
	dns := root.ChildNamed("net").ChildNamed("dns")
	if dns.EntryAt(0).Value().String() != "q" || dns.Position(dns.EntryAt(1).Value()) != 1 {
		t.Error("the order of a leaf-list is wrong")
	}
	var nothing *Node
	if nothing.Child(s.Root()) != nil || nothing.ChildNamed("x") != nil || nothing.Entry() != nil || nothing.Len() != 0 || nothing.EntryAt(0) != nil || nothing.Position() != -1 {
		t.Error("a nil Node has something")
	}
	for range nothing.Children() {
		t.Error("a nil Node has children")
	}
	if root.Get(path(t, s, "~/pair[a='1'][b='x']/c")).Value().String() != "net:red" || root.Get(path(t, s, "~/pair/c")) != nil || root.Get(path(t, s, "~/pair")) != pair {
		t.Error("Get is wrong")
	}
	if root.ChildNamed("nonsense") != nil || root.Schema() != s.Root() {
		t.Error("the root is wrong")
	}
}
