package datastore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
	"github.com/tandem-ne/tandem/server/yangerr"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if kill := os.Getenv(killEnv); kill != "" {
			if err := crashChild(dir, kill); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// box compiles testdata/box.yang with the replacements made in its text.
func box(t testing.TB, oldNew ...string) *schema.Schema {
	t.Helper()
	s, err := compileBox(oldNew...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func compileBox(oldNew ...string) (*schema.Schema, error) {
	text, err := os.ReadFile("testdata/box.yang")
	if err != nil {
		return nil, err
	}
	text = []byte(strings.NewReplacer(oldNew...).Replace(string(text)))
	return schema.Compile(schema.Options{
		Sources:   []schema.Source{{Name: "box.yang", Text: text}},
		Implement: []string{"box"},
	})
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func openStore(t testing.TB, s *schema.Schema, dir string) *Store {
	t.Helper()
	st, err := Open(Options{Schema: s, Validator: validate.New(s), Dir: dir, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

func newStore(t testing.TB) *Store {
	t.Helper()
	return openStore(t, box(t), t.TempDir())
}

func (s *Store) session() *Session {
	return s.NewSession(SessionInfo{User: "ops", Protocol: "netconf", Peer: "192.0.2.1:5"}, nil)
}

// set makes one edit: merge of a value, or of the node itself where value is empty.
func set(s *schema.Schema, path, value string) tree.Edit {
	p := parse(s, path)
	ed := tree.Edit{Op: tree.Merge, Path: p}
	if typ := p[len(p)-1].Node.Type; value != "" && typ != nil {
		ed.Value = schema.MustParse(typ, value)
	}
	return ed
}

func del(s *schema.Schema, path string) tree.Edit {
	return tree.Edit{Op: tree.Delete, Path: parse(s, path)}
}

// parse reads a path below /box:box.
func parse(s *schema.Schema, path string) tree.Path {
	p, err := tree.ParsePath(s, "/box:box"+path)
	if err != nil {
		panic(err)
	}
	return p
}

// leaf returns the value at a path of root, or "-".
func leaf(s *schema.Schema, root *tree.Node, path string) string {
	n := root.Get(parse(s, path))
	if n == nil {
		return "-"
	}
	return n.Value().String()
}

func transact(t testing.TB, session *Session, edits ...tree.Edit) Commit {
	t.Helper()
	c, err := session.Transact(context.Background(), func(*tree.Node) ([]tree.Edit, error) { return edits, nil }, CommitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func apply(t testing.TB, root *tree.Node, edits ...tree.Edit) *tree.Node {
	t.Helper()
	next, errs := tree.Apply(root, edits)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return next
}

// wantTag checks that err has one of the error tags, and nothing if tag is empty.
func wantTag(t testing.TB, err error, tag yangerr.Tag) {
	t.Helper()
	if tag == "" {
		if err != nil {
			t.Errorf("error %v, want none", err)
		}
		return
	}
	if err == nil || !yangerr.From(err).Has(tag) {
		t.Errorf("error %v, want tag %s", err, tag)
	}
}

// lsps adds n LSPs of 16 leafs with the numbers from first on, and a section.
func lsps(s *schema.Schema, root *tree.Node, first, n int) *tree.Node {
	b := tree.NewBuilder(root)
	top := s.Root().Child("box")
	b.Enter(top)
	b.Enter(top.Child("sections"))
	section := top.Child("sections").Child("section")
	b.Enter(section, str(section.Child("name"), "s1"))
	b.Leave()
	b.Leave()
	for i := first; i < first+n; i++ {
		buildLSP(b, top.Child("lsp"), i)
	}
	return b.Seal()
}

func str(s *schema.Node, text string) schema.Value { return schema.StringValue(s.Type, text) }

func buildLSP(b *tree.Builder, lsp *schema.Node, i int) {
	put := func(s *schema.Node, name, text string) {
		c := s.Child(name)
		b.Leaf(c, schema.MustParse(c.Type, text))
	}
	b.Enter(lsp, str(lsp.Child("name"), lspName(i)))
	put(lsp, "label", fmt.Sprint(16+i))
	put(lsp, "section", "s1")
	put(lsp, "operation", "swap")
	put(lsp, "ttl", "64")
	put(lsp, "tc", "3")
	put(lsp, "description", "transport for customer")
	nh := lsp.Child("next-hop")
	b.Enter(nh)
	put(nh, "interface", "eth1")
	put(nh, "mac", "02:00:00:00:00:01")
	put(nh, "label", fmt.Sprint(1000+i))
	b.Leave()
	eg := lsp.Child("egress")
	b.Enter(eg)
	put(eg, "peer", "pe2")
	put(eg, "cost", "10")
	put(eg, "weight", "1")
	put(eg, "enabled", "true")
	put(eg, "owner", "noc")
	b.Leave()
	b.Leave()
}

func lspName(i int) string { return fmt.Sprintf("lsp-%06d", i) }

// lspTree returns a whole LSP to create with one edit.
func lspEdit(s *schema.Schema, i int) tree.Edit {
	lsp := s.Root().Child("box").Child("lsp")
	b := tree.NewBuilder(tree.New(lsp.Parent))
	buildLSP(b, lsp, i)
	return tree.Edit{
		Op:   tree.Create,
		Path: tree.Path{{Node: lsp.Parent}, {Node: lsp, Keys: []schema.Value{str(lsp.Child("name"), lspName(i))}}},
		Tree: b.Seal().Child(lsp).EntryAt(0),
	}
}

// randomEdits returns edits of all kinds that always apply.
func randomEdits(r *rand.Rand, s *schema.Schema, n int) []tree.Edit {
	name := func() string { return fmt.Sprintf("n%d", r.IntN(6)) }
	lsp := func() string { return "/lsp[name='" + name() + "']" }
	remove := func(path string) tree.Edit { return tree.Edit{Op: tree.Remove, Path: parse(s, path)} }
	kinds := []func() tree.Edit{
		func() tree.Edit { return set(s, lsp()+"/description", "d"+fmt.Sprint(r.IntN(50))) },
		func() tree.Edit { return set(s, lsp()+"/next-hop/label", fmt.Sprint(r.IntN(50))) },
		func() tree.Edit { return remove(lsp()) },
		func() tree.Edit { return remove(lsp() + "/next-hop") },
		func() tree.Edit { return remove(lsp() + "/hop") },
		func() tree.Edit {
			ed := set(s, lsp()+fmt.Sprintf("/hop[.='%d']", r.IntN(5)), "")
			ed.Insert = []tree.Insert{tree.Default, tree.First, tree.Last}[r.IntN(3)]
			return ed
		},
		func() tree.Edit {
			ed := set(s, lsp()+fmt.Sprintf("/stage[id='%d']", r.IntN(5)), "")
			ed.Insert = []tree.Insert{tree.Default, tree.First, tree.Last}[r.IntN(3)]
			return ed
		},
		func() tree.Edit {
			return set(s, lsp()+fmt.Sprintf("/stage[id='%d']/text", r.IntN(5)), fmt.Sprint("t", r.IntN(9)))
		},
		func() tree.Edit {
			return set(s, fmt.Sprintf("/pair[b='%s'][a='%d']/colour", name(), r.IntN(3)), []string{"box:red", "box:blue"}[r.IntN(2)])
		},
		func() tree.Edit {
			p := parse(s, fmt.Sprintf("/pair[b='%s'][a='%d']/flag", name(), r.IntN(3)))
			return tree.Edit{Op: tree.Merge, Path: p, Value: schema.StringValue(p[len(p)-1].Node.Type, "")}
		},
		func() tree.Edit { return remove(fmt.Sprintf("/pair[b='%s'][a='%d']", name(), r.IntN(3))) },
		func() tree.Edit { return set(s, "/values/d64", fmt.Sprintf("%d.5", r.IntN(50))) },
		func() tree.Edit { return set(s, "/values/i64", fmt.Sprint(r.Int64()-1<<62)) },
		func() tree.Edit { return set(s, "/values/bin", []string{"AAEC", "/w=="}[r.IntN(2)]) },
		func() tree.Edit {
			return set(s, "/values/where", "/box:box/lsp[name='"+name()+"']/label")
		},
		func() tree.Edit { return set(s, "/values/bits", []string{"x", "x z", "y z"}[r.IntN(3)]) },
		func() tree.Edit { return set(s, "/values/mix", []string{"7", "none", "seven", "300"}[r.IntN(4)]) },
		func() tree.Edit { return set(s, fmt.Sprintf("/values/tag[.='%s']", name()), "") },
		func() tree.Edit { return set(s, "/values/guard", "") },
		func() tree.Edit { return set(s, "/values/plain", "p") },
		func() tree.Edit { return set(s, "/values/fancy/x", "x") },
		func() tree.Edit { return remove("/values") },
		func() tree.Edit {
			p := parse(s, "/values/blob")
			a := &tree.Any{JSON: []byte(fmt.Sprintf(`{"n":%d}`, r.IntN(9)))}
			if r.IntN(2) == 0 {
				a = &tree.Any{XML: []byte(fmt.Sprintf(`<x xmlns="urn:x">%d</x>`, r.IntN(9)))}
			}
			return tree.Edit{Op: tree.Replace, Path: p, Tree: tree.NewAny(p[len(p)-1].Node, a)}
		},
	}
	edits := make([]tree.Edit, n)
	for i := range edits {
		edits[i] = kinds[r.IntN(len(kinds))]()
	}
	return edits
}

// ticker is a clock that goes on one second a call.
type ticker struct {
	hostClock
	mu sync.Mutex
	at time.Time
}

func tick() *ticker { return &ticker{at: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)} }

func (c *ticker) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Second)
	return c.at
}

var errTest = errors.New("refused by the test")
