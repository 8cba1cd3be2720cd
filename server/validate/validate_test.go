package validate

import (
	"os"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

func compileSchema(t testing.TB) *schema.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/net.yang")
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Compile(schema.Options{
		Sources:   []schema.Source{{Name: "net.yang", Text: text}},
		Implement: []string{"net"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parse(t testing.TB, s *schema.Schema, text string) tree.Path {
	t.Helper()
	p, err := tree.ParsePath(s, "/net:net/"+text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// script reads edits, one per line: "path = value" sets, "path" makes, "- path"
// removes. Paths begin below /net:net.
func script(t testing.TB, s *schema.Schema, text string) []tree.Edit {
	t.Helper()
	var out []tree.Edit
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		ed := tree.Edit{Op: tree.Merge}
		if rest, ok := strings.CutPrefix(line, "- "); ok {
			ed.Op, line = tree.Remove, rest
		}
		where, value, hasValue := strings.Cut(line, " = ")
		ed.Path = parse(t, s, where)
		if hasValue {
			ed.Value = schema.MustParse(ed.Path[len(ed.Path)-1].Node.Type, value)
		}
		out = append(out, ed)
	}
	return out
}

func edit(t testing.TB, s *schema.Schema, root *tree.Node, text string) *tree.Node {
	t.Helper()
	next, errs := tree.Apply(root, script(t, s, text))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return next
}

// text prints errors as "tag app-tag path [info=value ...]", one a line.
func text(errs yangerr.List) string {
	var lines []string
	for _, e := range errs {
		line := string(e.Tag)
		if e.AppTag != "" {
			line += " " + e.AppTag
		}
		line += " " + short(e.Path.String())
		for _, i := range e.Info {
			v := i.Value
			if i.Path != nil {
				v = short(i.Path.String())
			}
			line += " " + i.Name + "=" + v
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func short(p string) string { return strings.TrimPrefix(p, "/net:net/") }

const base = `
	section[name='east']/if-num = 1
	section[name='east']/alias = e1
	section[name='west']/if-num = 2
	section[name='west']/level = 7
	lsp[name='a']/in/section = east
	lsp[name='a']/hop[id='1']
	lsp[name='a']/hop[id='2']/peer = 1
	lsp[name='b']/in/section = west
	lsp[name='b']/hop[id='5']
	tunnel[name='t']/end/a = 1
	tunnel[name='t']/end/x = 1
	tunnel[name='t']/end/more/m = 1
	tunnel[name='t']/end/more/m = 2
	tunnel[name='t']/lsp = a
	tunnel[name='t']/hop = 2
`

const tunnel = `
	tunnel[name='u']/end/a = 1
	tunnel[name='u']/end/x = 1
	tunnel[name='u']/end/more/m = 1
	tunnel[name='u']/end/more/m = 2
`

// TestConstraints edits a valid tree and names every error that follows, with
// the tags, paths and info of RFC 7950 section 15. No error means valid.
func TestConstraints(t *testing.T) {
	s := compileSchema(t)
	v := New(s)
	root := edit(t, s, tree.Empty(s), base)
	state, errs := v.Full(root)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, tc := range []struct{ name, edits, want string }{
		{"leafref to nothing", "lsp[name='a']/in/section = north",
			"data-missing instance-required lsp[name='a']/in/section"},
		{"leafref in a new entry", "lsp[name='c']/in/section = north\nlsp[name='c']/hop[id='1']",
			"data-missing instance-required lsp[name='c']/in/section"},
		{"target deleted", "- section[name='west']",
			"data-missing instance-required lsp[name='b']/in/section"},
		{"target deleted with its referrer", "- section[name='west']\n- lsp[name='b']", ""},
		{"target deleted and made again", "- section[name='west']\nsection[name='west']/if-num = 9", ""},
		{"target made with its referrer", "section[name='n']\nlsp[name='a']/in/section = n", ""},
		{"leaf-list of leafrefs", "lsp[name='a']/via = e1\nlsp[name='a']/via = e2",
			"data-missing instance-required lsp[name='a']/via[.='e2']"},
		{"target in a leaf-list deleted", "lsp[name='a']/via = e1\n- section[name='east']/alias[.='e1']",
			"data-missing instance-required lsp[name='a']/via[.='e1']"},
		{"target that is no key", "lsp[name='a']/rank = 7", ""},
		{"target that is no key is missing", "lsp[name='a']/rank = 8",
			"data-missing instance-required lsp[name='a']/rank"},
		{"default in use as a target", "lsp[name='a']/rank = 3", ""},
		{"default goes out of use as a target", "lsp[name='a']/rank = 3\nsection[name='east']/level = 4",
			"data-missing instance-required lsp[name='a']/rank"},
		{"relative leafref in the same entry", "lsp[name='a']/hop[id='1']/peer = 2", ""},
		{"relative leafref looks only there", "lsp[name='a']/hop[id='1']/peer = 5",
			"data-missing instance-required lsp[name='a']/hop[id='1']/peer"},
		{"predicate: value of another entry", "tunnel[name='t']/hop = 5",
			"data-missing instance-required tunnel[name='t']/hop"},
		{"predicate: the leaf it looks at changes", "tunnel[name='t']/lsp = b",
			"data-missing instance-required tunnel[name='t']/hop"},
		{"predicate: the leaf it looks at goes", "- tunnel[name='t']/lsp",
			"data-missing instance-required tunnel[name='t']/hop"},
		{"predicate: both change", "tunnel[name='t']/lsp = b\ntunnel[name='t']/hop = 5", ""},
		{"predicate: target deleted", "- lsp[name='a']/hop[id='2']",
			"data-missing instance-required tunnel[name='t']/hop"},
		{"union: a number refers to nothing", "tunnel[name='t']/any = 77", ""},
		{"union: the second reference holds", "tunnel[name='t']/any = east", ""},
		{"union: no reference holds", "tunnel[name='t']/any = x",
			"data-missing instance-required tunnel[name='t']/any"},
		{"union: target deleted", "tunnel[name='t']/any = b\n- lsp[name='b']",
			"data-missing instance-required tunnel[name='t']/any"},
		{"union: an instance-identifier that holds", "tunnel[name='t']/mixed = /net:net/lsp[net:name='a']", ""},
		{"union: an instance-identifier that does not", "tunnel[name='t']/mixed = /net:net/lsp[net:name='x']",
			"data-missing instance-required tunnel[name='t']/mixed"},
		{"union: a name beside an instance-identifier", "tunnel[name='t']/mixed = a", ""},
		{"union: no name beside an instance-identifier", "tunnel[name='t']/mixed = x",
			"data-missing instance-required tunnel[name='t']/mixed"},
		{"require-instance false", "tunnel[name='t']/soft = x\ntunnel[name='t']/soft-ref = /net:net/lsp[net:name='x']", ""},
		{"instance-identifier", "tunnel[name='t']/ref = /net:net/lsp[net:name='a']/in", ""},
		{"instance-identifier to nothing", "tunnel[name='t']/ref = /net:net/lsp[net:name='x']",
			"data-missing instance-required tunnel[name='t']/ref"},
		{"instance-identifier: instance deleted", "tunnel[name='t']/ref = /net:net/lsp[net:name='b']/net:hop[net:id='5']\n- lsp[name='b']",
			"data-missing instance-required tunnel[name='t']/ref"},
		{"unique leaf", "section[name='x']/if-num = 1",
			"operation-failed data-not-unique section[name='x'] non-unique=section[name='east']/if-num non-unique=section[name='x']/if-num"},
		{"unique leaf changed", "section[name='west']/if-num = 1",
			"operation-failed data-not-unique section[name='west'] non-unique=section[name='east']/if-num non-unique=section[name='west']/if-num"},
		{"unique values swapped", "section[name='west']/if-num = 1\nsection[name='east']/if-num = 2", ""},
		{"unique with a default in use", "lsp[name='b']/in/section = east",
			"operation-failed data-not-unique lsp[name='b'] non-unique=lsp[name='a']/in/label non-unique=lsp[name='a']/in/section non-unique=lsp[name='b']/in/label non-unique=lsp[name='b']/in/section"},
		{"unique told apart by one leaf", "lsp[name='b']/in/section = east\nlsp[name='b']/in/label = 17", ""},
		{"unique: an explicit value equals the default of another", "lsp[name='b']/in/section = east\nlsp[name='b']/in/label = 16",
			"operation-failed data-not-unique lsp[name='b'] non-unique=lsp[name='a']/in/label non-unique=lsp[name='a']/in/section non-unique=lsp[name='b']/in/label non-unique=lsp[name='b']/in/section"},
		{"unique: a default comes into use", "peer[name='p']\npeer[name='q']/other = x\n- peer[name='q']/other",
			"operation-failed data-not-unique peer[name='q'] non-unique=peer[name='p']/mode non-unique=peer[name='q']/mode"},
		{"unique: a default out of use", "peer[name='p']\npeer[name='q']/other = x", ""},
		{"unique: entries without all leafs take no part", "- lsp[name='a']/in/section\n- lsp[name='b']/in/section", ""},
		{"too few elements when the last goes", "- lsp[name='b']/hop[id='5']",
			"operation-failed too-few-elements lsp[name='b']/hop"},
		{"too few elements in a new entry", "lsp[name='c']",
			"operation-failed too-few-elements lsp[name='c']/hop"},
		{"too many elements", "section[name='east']/alias = e2\nsection[name='east']/alias = e3\nsection[name='east']/alias = e4\nlsp[name='a']/via = e1\nlsp[name='a']/via = e2\nlsp[name='a']/via = e3\nlsp[name='a']/via = e4",
			"operation-failed too-many-elements lsp[name='a']/via"},
		{"too few in a container without presence that is absent", "- tunnel[name='t']/end/more",
			"operation-failed too-few-elements tunnel[name='t']/end/more/m"},
		{"mandatory leaf deleted", "- tunnel[name='t']/end/a", "data-missing tunnel[name='t']/end/a"},
		{"mandatory below an absent container without presence", "tunnel[name='u']",
			"data-missing missing-choice tunnel[name='u']/end missing-choice=how\ndata-missing tunnel[name='u']/end/a\noperation-failed too-few-elements tunnel[name='u']/end/more/m"},
		{"mandatory choice", "- tunnel[name='t']/end/x",
			"data-missing missing-choice tunnel[name='t']/end missing-choice=how"},
		{"mandatory in a case that is chosen", tunnel + "tunnel[name='u']/end/z = 1",
			"data-missing missing-choice tunnel[name='u']/end missing-choice=deep\ndata-missing tunnel[name='u']/end/y"},
		{"case complete", tunnel + "tunnel[name='u']/end/y = 1\ntunnel[name='u']/end/d = 1", ""},
		{"mandatory below a presence container that is absent", "- guard", ""},
		{"mandatory below a presence container", "guard", "data-missing guard/must-be"},
		{"too many entries", "guard/must-be = x\nguard/few[k='1']\nguard/few[k='2']\nguard/few[k='3']",
			"operation-failed too-many-elements guard/few"},
		{"state in configuration", "lsp[name='a']/oper = up", "unknown-element lsp[name='a']/oper bad-element=oper"},
		{"state in a new entry", "lsp[name='c']/oper = up\nlsp[name='c']/hop[id='1']", "unknown-element lsp[name='c']/oper bad-element=oper"},
		{"order of a user-ordered list", "lsp[name='a']/hop[id='9']/peer = 200\nlsp[name='a']/hop[id='3']/peer = 201",
			"data-missing instance-required lsp[name='a']/hop[id='9']/peer\ndata-missing instance-required lsp[name='a']/hop[id='3']/peer"},
		{"everything at once, in document order", "guard\nlsp[name='c']/in/section = q\n- section[name='west']\nsection[name='x']/if-num = 1",
			"operation-failed data-not-unique section[name='x'] non-unique=section[name='east']/if-num non-unique=section[name='x']/if-num\n" +
				"data-missing instance-required lsp[name='b']/in/section\n" +
				"data-missing instance-required lsp[name='c']/in/section\n" +
				"operation-failed too-few-elements lsp[name='c']/hop\n" +
				"data-missing guard/must-be"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			next := edit(t, s, root, tc.edits)
			st, errs := v.Change(state, next)
			if got := text(errs); got != tc.want {
				t.Errorf("Change:\n%s\nwant:\n%s", got, tc.want)
			}
			if (st == nil) != (tc.want != "") || st != nil && st.Root() != next {
				t.Error("the State does not fit the errors")
			}
			if _, errs := v.Full(next); text(errs) != tc.want {
				t.Errorf("Full:\n%s\nwant:\n%s", text(errs), tc.want)
			}
			for _, e := range errs {
				if !strings.HasSuffix(e.Message, ".") || e.Type != yangerr.Application {
					t.Errorf("message %q, type %q", e.Message, e.Type)
				}
			}
			// The State of before is as it was.
			if _, errs := v.Change(state, root); len(errs) > 0 {
				t.Errorf("the earlier State changed: %v", errs)
			}
		})
	}
}

// TestChoiceExclusive gives both cases of a choice, which no edit can make.
func TestChoiceExclusive(t *testing.T) {
	s := compileSchema(t)
	v := New(s)
	b := tree.NewBuilder(edit(t, s, tree.Empty(s), base))
	net := s.Root().Child("net")
	list := net.Child("tunnel")
	b.Enter(net)
	b.Enter(list, schema.MustParse(list.Keys[0].Type, "t"))
	b.Enter(list.Child("end"))
	for _, name := range []string{"y", "d"} {
		leaf := list.Child("end").Child(name)
		b.Leaf(leaf, schema.MustParse(leaf.Type, "1"))
	}
	_, errs := v.Full(b.Seal())
	if got, want := text(errs), "bad-element tunnel[name='t']/end bad-element=y"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

type countingRule struct{ calls int }

func (r *countingRule) Check(ctx *Context) yangerr.List {
	r.calls++
	var errs yangerr.List
	for _, ch := range ctx.Changes {
		if ch.Op == tree.Created && ctx.Old.Get(ch.Path) == nil && ctx.New.Get(ch.Path) == ch.New {
			errs = append(errs, yangerr.New(yangerr.OperationFailed, ch.Path, "No."))
		}
	}
	return errs
}

func TestRules(t *testing.T) {
	s := compileSchema(t)
	r := &countingRule{}
	plain, _ := New(s).Full(edit(t, s, tree.Empty(s), base))
	v := New(s, r)
	if _, errs := v.Change(plain, plain.Root()); len(errs) > 0 || r.calls != 0 {
		t.Errorf("a rule was asked about no change: %v", errs)
	}
	_, errs := v.Change(plain, edit(t, s, plain.Root(), "guard\nsection[name='z']"))
	if got, want := text(errs), "operation-failed section[name='z']\noperation-failed guard\ndata-missing guard/must-be"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
