package tree

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
)

// A model is the naive twin of a tree: text of path to text of value, and the
// order of user-ordered entries by the path of their list.
type model struct {
	nodes map[string]string
	order map[string][]string
}

func (m *model) clone() *model {
	c := &model{nodes: map[string]string{}, order: map[string][]string{}}
	for k, v := range m.nodes {
		c.nodes[k] = v
	}
	for k, v := range m.order {
		c.order[k] = slices.Clone(v)
	}
	return c
}

// under returns the paths at and below p.
func (m *model) under(p string) []string {
	var out []string
	for k := range m.nodes {
		if k == p || len(k) > len(p) && k[:len(p)] == p && (k[len(p)] == '/' || k[len(p)] == '[') {
			out = append(out, k)
		}
	}
	return out
}

func (m *model) remove(p string) {
	for _, k := range m.under(p) {
		delete(m.nodes, k)
		for l, order := range m.order {
			if i := slices.Index(order, k); i >= 0 {
				m.order[l] = slices.Delete(order, i, i+1)
			}
		}
	}
}

// entry makes entry p of list l with its place.
func (m *model) entry(l, p string, op Op, insert Insert, anchor string) bool {
	_, found := m.nodes[p]
	if op == Create && found {
		return false
	}
	if (insert == Before || insert == After) && !slices.Contains(m.order[l], anchor) {
		return false
	}
	if op == Replace {
		for _, k := range m.under(p) {
			if k != p {
				m.remove(k)
			}
		}
	}
	m.nodes[p] = ""
	if l == "" {
		return true // sorted
	}
	if self := insert >= Before && anchor == p; insert != Default && !self {
		if i := slices.Index(m.order[l], p); i >= 0 {
			m.order[l] = slices.Delete(m.order[l], i, i+1)
		}
	}
	order := m.order[l]
	switch {
	case slices.Contains(order, p):
	case insert == First:
		order = slices.Insert(order, 0, p)
	case insert == Before:
		order = slices.Insert(order, slices.Index(order, anchor), p)
	case insert == After:
		order = slices.Insert(order, slices.Index(order, anchor)+1, p)
	default:
		order = append(order, p)
	}
	m.order[l] = order
	return true
}

// compare checks that the tree holds what the model does.
func (m *model) compare(t testing.TB, root *Node) {
	t.Helper()
	nodes := map[string]string{}
	order := map[string][]string{}
	Walk(root, nil, func(p Path, n *Node) bool {
		if n.schema.IsKey() || isNP(n.schema) || len(p) == 0 {
			return true
		}
		text := p.String()
		nodes[text] = ""
		if n.schema.Kind == schema.Leaf {
			nodes[text] = n.value.String()
		}
		if modeOf(n.schema) == positional {
			q := append(Path(nil), p...)
			q[len(q)-1] = Step{Node: n.schema}
			order[q.String()] = append(order[q.String()], text)
		}
		return true
	})
	for k, v := range m.nodes {
		if w, ok := nodes[k]; !ok || v != w {
			t.Fatalf("%s is %q, the model says %q (present: %v)", k, w, v, ok)
		}
	}
	for k := range nodes {
		if _, ok := m.nodes[k]; !ok {
			t.Fatalf("%s is not in the model", k)
		}
	}
	for l, want := range m.order {
		if !slices.Equal(order[l], want) {
			t.Fatalf("order of %s is %v, the model says %v", l, order[l], want)
		}
	}
}

// gen makes random edits, each with what it does to a model.
type gen struct {
	r *rand.Rand
	s *schema.Schema
	t testing.TB
	n int // how many different entries
}

func (g *gen) path(text string) Path { return path(g.t, g.s, text) }

// step returns a random edit and performs it on m; false means that the edit
// must be refused.
func (g *gen) step(m *model) (Edit, bool) {
	name := strconv.Itoa(g.r.IntN(g.n))
	lsp := fmt.Sprintf("/net:net/lsps/lsp[name='%s']", name)
	op := []Op{Merge, Merge, Replace, Create, Delete, Remove}[g.r.IntN(6)]
	switch g.r.IntN(6) {
	case 0: // an entry of a sorted list
		ed := Edit{Op: op, Path: g.path(lsp)}
		return ed, m.apply(op, lsp, func() bool { return m.entry("", lsp, op, Default, "") })
	case 1, 2: // a leaf, perhaps of a choice
		leaf := []string{"num", "ttl", "in-segment/label", "guard/wait", "plain-b", "plain-a", "fancy/x", "inner-a"}[g.r.IntN(8)]
		p := lsp + "/" + leaf
		path := g.path(p)
		v := schema.MustParse(path[len(path)-1].Node.Type, strconv.Itoa(g.r.IntN(200)))
		ed := Edit{Op: op, Path: path, Value: v}
		return ed, m.apply(op, p, func() bool {
			if _, ok := m.nodes[p]; ok && op == Create {
				return false
			}
			m.imply(lsp)
			if leaf == "guard/wait" {
				m.nodes[lsp+"/guard"] = ""
			}
			others := map[string][]string{
				"plain-b": {"fancy", "inner-a"}, "plain-a": {"fancy", "inner-a"},
				"fancy/x": {"plain-a", "plain-b"}, "inner-a": {"plain-a", "plain-b"},
			}[leaf]
			for _, o := range others {
				m.remove(lsp + "/" + o)
			}
			m.nodes[p] = v.String()
			return true
		})
	case 3: // a presence container
		p := lsp + "/guard"
		return Edit{Op: op, Path: g.path(p)}, m.apply(op, p, func() bool {
			_, found := m.nodes[p]
			if found && op == Create {
				return false
			}
			m.imply(lsp)
			if op == Replace {
				m.remove(p)
			}
			m.nodes[p] = ""
			return true
		})
	case 4: // an entry with a place
		l := lsp + "/stage"
		p := fmt.Sprintf("%s[id='%d']", l, g.r.IntN(20))
		insert, anchor := Insert(g.r.IntN(5)), g.r.IntN(20)
		path := g.path(p)
		ed := Edit{Op: op, Path: path, Insert: insert}
		ed.Where = []schema.Value{schema.MustParse(path[len(path)-1].Node.Keys[0].Type, strconv.Itoa(anchor))}
		return ed, m.apply(op, p, func() bool {
			had := m.clone()
			if !m.entry(l, p, op, insert, fmt.Sprintf("%s[id='%d']", l, anchor)) {
				*m = *had
				return false
			}
			m.imply(lsp)
			return true
		})
	default: // a leaf-list entry with a place
		p := fmt.Sprintf("/net:net/dns[.='%d']", g.r.IntN(40))
		insert, anchor := Insert(g.r.IntN(5)), g.r.IntN(40)
		path := g.path(p)
		ed := Edit{Op: op, Path: path, Insert: insert}
		ed.Where = []schema.Value{schema.MustParse(path[1].Node.Type, strconv.Itoa(anchor))}
		return ed, m.apply(op, p, func() bool {
			return m.entry("/net:net/dns", p, op, insert, fmt.Sprintf("/net:net/dns[.='%d']", anchor))
		})
	}
}

func (m *model) imply(lsp string) {
	if _, ok := m.nodes[lsp]; !ok {
		m.nodes[lsp] = ""
	}
}

// apply does Delete and Remove of p, and all else with make.
func (m *model) apply(op Op, p string, make func() bool) bool {
	if op != Delete && op != Remove {
		return make()
	}
	_, found := m.nodes[p]
	m.remove(p)
	return found || op == Remove
}

func hash(n *Node) uint64 {
	h := fnv.New64a()
	h.Write([]byte(dump(n)))
	return h.Sum64()
}

// TestModel runs random batches against the model. After each: the tree is what
// the model says, refused batches changed nothing, the difference leads from
// every earlier snapshot to the new one, and no snapshot ever changed.
func TestModel(t *testing.T) {
	s := compile(t)
	for seed := range uint64(5) {
		g := &gen{r: rand.New(rand.NewPCG(seed, 1)), s: s, t: t, n: 20}
		type snapshot struct {
			root *Node
			hash uint64
		}
		root, m := Empty(s), &model{nodes: map[string]string{}, order: map[string][]string{}}
		snapshots := []snapshot{{root, hash(root)}}
		for range 120 {
			var batch []Edit
			try, good := m.clone(), true
			for range 1 + g.r.IntN(8) {
				had := try.clone()
				ed, ok := g.step(try)
				if !ok {
					*try = *had
					if g.r.IntN(10) > 0 {
						continue // mostly good batches
					}
					good = false
				}
				batch = append(batch, ed)
			}
			next, errs := Apply(root, batch)
			if (len(errs) == 0) != good {
				t.Fatalf("seed %d: errors %v, the model says good: %v", seed, errs, good)
			}
			if !good {
				if next != root {
					t.Fatalf("seed %d: a refused batch changed the tree", seed)
				}
				continue
			}
			m, root = try, next
			m.compare(t, root)
			check(t, root)
			snapshots = append(snapshots, snapshot{root, hash(root)})
			old := snapshots[g.r.IntN(len(snapshots))].root
			checkDiff(t, old, root)
		}
		for i, sn := range snapshots {
			if hash(sn.root) != sn.hash {
				t.Fatalf("seed %d: snapshot %d changed", seed, i)
			}
		}
		other := rebuild(root)
		if !Equal(root, other) {
			t.Fatalf("seed %d: a rebuilt tree differs", seed)
		}
		checkDiff(t, snapshots[len(snapshots)/2].root, other)
	}
}

// checkDiff checks that the changes lead from old to new and touch nothing twice.
func checkDiff(t testing.TB, old, new *Node) {
	t.Helper()
	eds := Edits(old, new)
	got, errs := Apply(old, eds)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	check(t, got)
	if a, b := dump(got), dump(new); a != b {
		t.Fatalf("the difference leads to\n%s\ninstead of\n%s", a, b)
	}
	if !Equal(got, new) || len(Edits(got, new)) != 0 {
		t.Fatal("equal trees differ")
	}
	seen := map[string]bool{}
	for c := range Diff(old, new) {
		key := c.Path.String()
		if c.Op == Moved {
			key += " moved"
		}
		if seen[key] {
			t.Fatalf("%s changes twice", key)
		}
		seen[key] = true
		if o, n := old.Get(c.Path), new.Get(c.Path); o != c.Old || n != c.New {
			t.Fatalf("%s %s: Old and New are not what the trees hold", c.Op, key)
		}
	}
}

// rebuild makes an equal tree that shares nothing.
func rebuild(root *Node) *Node {
	b := NewBuilder(New(root.schema))
	var copyAll func(n *Node)
	copyAll = func(n *Node) {
		for k := range n.Children() {
			switch s := k.schema; {
			case k.IsHolder() && s.Kind == schema.LeafList:
				for e := range k.Children() {
					b.Leaf(s, e.value)
				}
			case k.IsHolder():
				for e := range k.Children() {
					b.Enter(s, e.Keys()...)
					copyAll(e)
					b.Leave()
				}
			case s.Kind == schema.Container:
				b.Enter(s)
				copyAll(k)
				b.Leave()
			case k.in != nil:
				b.Put(NewAny(s, k.in.any))
			default:
				b.Leaf(s, k.value)
			}
		}
	}
	copyAll(root)
	return b.Seal()
}

// TestLargeLists grows and shrinks lists beyond several levels of the B-tree,
// sorted and user-ordered, in order and at random.
func TestLargeLists(t *testing.T) {
	s := compile(t)
	r := rand.New(rand.NewPCG(1, 2))
	const n = 800
	for _, list := range []string{"/net:net/dns", "~/lsp"} {
		root := Empty(s)
		perm := r.Perm(n)
		at := func(i int) Path {
			key := "[name='" + strconv.Itoa(i) + "']"
			if list == "/net:net/dns" {
				key = "[.='" + strconv.Itoa(i) + "']"
			}
			return path(t, s, list+key)
		}
		var batch []Edit
		for _, i := range perm {
			batch = append(batch, Edit{Op: Create, Path: at(i)})
		}
		root, errs := Apply(root, batch)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		check(t, root)
		full := root
		for k, i := range r.Perm(n) {
			old := root
			root, errs = Apply(root, []Edit{{Op: Delete, Path: at(i)}})
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			if k%300 == 0 || k > n-10 {
				check(t, root)
				checkDiff(t, old, root)
				checkDiff(t, full, root)
				checkDiff(t, root, full)
			}
		}
		if root.Len() != 0 {
			t.Error("entries are left")
		}
	}
}

// TestDiffCost: comparing a large list with one that differs in one entry steps
// into the bnodes on the way to it and their neighbours, wherever it is.
func TestDiffCost(t *testing.T) {
	s := compile(t)
	root := large(t, s, 4000)
	holder := path(t, s, "~/lsp")
	for _, script := range []string{
		"create ~/lsp[name='lsp-001500x']", "delete ~/lsp[name='lsp-000000']", "delete ~/lsp[name='lsp-003999']",
		"delete ~/lsp[name='lsp-002000']", "merge ~/lsp[name='lsp-000777']/num = 9", "create ~/lsp[name='a']", "create ~/lsp[name='z']",
	} {
		old, next := root.Get(holder), apply(t, s, root, script).Get(holder)
		a, b := newCursor(old.in.list.keyed), newCursor(next.in.list.keyed)
		changes := 0
		diffCursors(a, b, func(x, y item) bool { changes++; return true })
		if changes != 1 || a.entered > 8 || b.entered > 8 {
			t.Errorf("%s: %d changes, %d and %d bnodes read", script, changes, a.entered, b.entered)
		}
	}
	// Also where the B-tree becomes a level higher.
	e := editor{t: new(token)}
	var grown *bnode
	for _, i := range rand.New(rand.NewPCG(5, 5)).Perm(4000) {
		p := path(t, s, "~/lsp[name='"+strconv.Itoa(i)+"']")[2]
		next := grown.set(new(token), &probe{keys: p.Keys}, item{node: e.freshEntry(p.Node, p.Keys)})
		a, b := newCursor(grown), newCursor(next)
		diffCursors(a, b, func(x, y item) bool { return true })
		if a.entered > 10 || b.entered > 10 {
			t.Fatalf("%d entries: %d and %d bnodes read", next.size, a.entered, b.entered)
		}
		grown = next
	}
	if depth := checkBnode(t, grown, true); depth < 3 {
		t.Errorf("only %d levels", depth)
	}
}

// TestManyMoves uses up the gaps between places.
func TestManyMoves(t *testing.T) {
	s := compile(t)
	root := apply(t, s, Empty(s), "merge /net:net/dns = a\nmerge /net:net/dns = b\nmerge /net:net/dns = c\nmerge /net:net/dns = d")
	for i := range 200 {
		old := root
		if i%2 == 0 {
			root = apply(t, s, root, "merge /net:net/dns = c after a\nmerge /net:net/dns = b after a")
		} else {
			root = apply(t, s, root, "merge /net:net/dns = b before d\nmerge /net:net/dns = c after a")
		}
		check(t, root)
		checkDiff(t, old, root)
	}
	if want := "/net:net\n/net:net/dns[.='a']\n/net:net/dns[.='c']\n/net:net/dns[.='b']\n/net:net/dns[.='d']\n"; dump(root) != want {
		t.Errorf("got:\n%s", dump(root))
	}
}

// TestMovedIsMinimal: one entry that moves is one change, also when places were
// dealt out anew, and a move there and back is none.
func TestMovedIsMinimal(t *testing.T) {
	s := compile(t)
	var script string
	for i := range 100 {
		script += fmt.Sprintf("merge /net:net/dns = %d\n", i)
	}
	root := apply(t, s, Empty(s), script)
	moved := apply(t, s, root, "merge /net:net/dns = 70 after 3")
	for _, from := range []*Node{root, rebuild(root)} {
		for _, to := range []*Node{moved, rebuild(moved)} {
			var got []string
			for c := range Diff(from, to) {
				got = append(got, c.Op.String()+" "+c.Path.String()+" "+c.After[0].String())
			}
			if len(got) != 1 || got[0] != "moved /net:net/dns[.='70'] 3" {
				t.Errorf("changes %v", got)
			}
		}
	}
	back := apply(t, s, moved, "merge /net:net/dns = 70 after 69")
	if !Equal(root, back) {
		t.Error("a move there and back is a difference")
	}
}

// TestConcurrentReaders reads a snapshot while batches derive others from it.
func TestConcurrentReaders(t *testing.T) {
	s := compile(t)
	g := &gen{r: rand.New(rand.NewPCG(7, 7)), s: s, t: t, n: 200}
	m := &model{nodes: map[string]string{}, order: map[string][]string{}}
	root := Empty(s)
	for range 2000 {
		if ed, ok := g.step(m); ok {
			root, _ = Apply(root, []Edit{ed})
		}
	}
	want := hash(root)
	var batches [4][]Edit
	for i := range batches {
		for range 200 {
			ed, _ := g.step(m)
			batches[i] = append(batches[i], ed)
		}
	}
	var wg sync.WaitGroup
	for i := range batches {
		wg.Go(func() {
			next := root
			for k := 0; k < len(batches[i]); k += 10 {
				next, _ = ApplyEach(next, batches[i][k:k+10])
				for range Diff(root, next) {
				}
			}
		})
		wg.Go(func() {
			for range 5 {
				if hash(root) != want {
					t.Error("the snapshot changed under a reader")
				}
			}
		})
	}
	wg.Wait()
}
