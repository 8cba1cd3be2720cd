package xpath_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
)

// TestDeps shows what is recorded: node, anchor, and the leaf that narrows.
func TestDeps(t *testing.T) {
	s, _ := yard(t)
	for _, tc := range []struct{ ctx, expr, want string }{
		{"/yard:yard/track", "length > 5", "length@track"},
		{"/yard:yard/track/length", ". > 5", "length@length"},
		{"/yard:yard/track/length", "../grade < current()", "length@length grade@track"},
		{"/yard:yard/track", "../name", "name@yard"},
		{"/yard:yard/track", "wagon[number = 1]/load", "wagon@track number@track load@track"},
		{"/yard:yard/main", "/yard/track[name = current()]/length", "track@ over main/main name@ over main/main length@ over main/main main@main yard@"},
		{"/crew:x", "", ""},
		{"/yard:yard/crew:worker", "/yard/track[name = current()/c:track]/grade", "yard@ track@ over track/worker name@ over track/worker grade@ over track/worker track@worker"},
		{"/yard:yard/track", "count(/yard/track) < 5", "yard@ track@"},
		{"/yard:yard/track", "signal/volts", "signal@track volts@track fuse@track pressure@track smell@track"},
		{"/yard:yard/track", "preceding-sibling::track/length", "track@yard length@yard"},
		{"/yard:yard/track", "true()", ""},
	} {
		if tc.expr == "" {
			continue
		}
		n, err := s.Find(tc.ctx)
		if err != nil {
			t.Fatal(err)
		}
		x, err := xpath.Compile(tc.expr, n, options(s))
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		for _, w := range strings.Split(strings.ReplaceAll(tc.want, " over ", "~"), " ") {
			if w != "" {
				want[strings.ReplaceAll(w, "~", " over ")] = true
			}
		}
		for _, d := range x.Deps() {
			text := d.Node.Name + "@" + d.Anchor.Name
			if d.Join != nil {
				text += " over " + d.Join.Leaf.Name + "/" + d.Join.Near.Name
			}
			if !want[text] {
				t.Errorf("%s: unexpected %s", tc.expr, text)
			}
			delete(want, text)
		}
		if len(want) > 0 {
			t.Errorf("%s: missing %v", tc.expr, want)
		}
	}
}

// dependents are expressions with their contexts, of every kind of step.
var dependents = [][2]string{
	{"/yard:yard/track", "count(wagon) * length + sum(wagon/load)"}, {"/yard:yard/track", "string(.)"}, {"/yard:yard/track", "../main = name"},
	{"/yard:yard/track", "count(preceding-sibling::track)"}, {"/yard:yard/track", "count(../track[length = current()/length])"}, {"/yard:yard/track", "string(signal)"},
	{"/yard:yard/track", "concat(signal/volts, signal/fuse/amps, signal/pressure, gate/width)"}, {"/yard:yard/track", "sum(/yard/track[name = current()/name]/wagon/load)"},
	{"/yard:yard/main", "string(/yard/track[name = current()]/length)"}, {"/yard:yard/main", "deref(.)/../wagon[1]/load"}, {"/yard:yard/main", "name(/yard/track[name = current()][gate])"},
	{"/yard:yard/crew:worker", "string(/yard/track[name = current()/c:track]/grade)"}, {"/yard:yard/crew:worker", "count(/yard/track[name = current()/c:track]/../track)"},
	{"/yard:yard/crew:worker", "count(/yard/track[name = current()/c:track and length > 60])"}, {"/yard:yard/crew:worker/track", "count(/yard/track[name = current()]/wagon[load > 1])"},
	{"/yard:yard/crew:worker/track", "count(/yard/track[length > 60][name = current()] | /yard/track[1]/name)"}, {"/yard:yard/crew:worker", "count(//wagon[owner = 'x'])"},
	{"/yard:yard/crew:worker", "count(following::*) + count(preceding::text())"}, {"/yard:yard/crew:worker", "string(/yard)"}, {"/yard:yard/crew:worker", "/yard/track/name = c:track"},
	{"/yard:yard/track/wagon", "position() + count(../wagon[1]/load) + load"}, {"/yard:yard/track/wagon", "concat(preceding-sibling::wagon[1]/number, following-sibling::*[1])"},
	{"/yard:yard/track/wagon", "count(../wagon[owner = current()/owner][number = current()/behind])"}, {"/yard:yard/track/wagon", "string(deref(behind)/../load)"}, {"/yard:yard/track/wagon/load", "number(.) > ../../length"},
	{"/yard:yard/track/wagon", "count(ancestor::*/name[. = /yard/main])"}, {"/yard:yard/track/signal", "height * 2 + count(*)"}, {"/yard:yard/limit", ". * count(//text())"}, {"/yard:yard/day", "sum(../month) + ."},
	{"/yard:yard/track/length", "count(//*[. = current()])"}, {"/yard:yard", "count(track/tag[. = 'a']) + count(month[. = 3]) * 10"}, {"/yard:yard/track", "count(../../yard/track[name = 'b']/tag)"},
	{"/yard:yard/crew:worker", "count(/yard/track[name = /yard/main][1]/tag[. = current()/c:track])"}, {"/yard:yard/crew:worker", "count(/yard/track[count(tag) = 1][name = current()/c:track])"},
}

// randomEdits changes some instances of the yard, and adds and removes others.
func randomEdits(t *testing.T, s *schema.Schema, root *tree.Node, r *rand.Rand) *tree.Node {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	for range 1 + r.IntN(3) {
		track := "/yard:yard/track[name='" + pick("a", "b", "c", "d") + "']"
		wagon := fmt.Sprintf("%s/wagon[owner='%s'][number='%d']", track, pick("x", "w"), 1+r.IntN(3))
		worker := fmt.Sprintf("/yard:yard/crew:worker[id='%d']", 1+r.IntN(3))
		path, val, _ := strings.Cut(pick(
			track+"/length=50", track+"/length=70", track+"/grade=1.25", track+"/signal/volts=9", track+"/signal/pressure=3", track+"/signal/smell=x", track+"/signal/height=7", track+"/gate",
			track+"/gate/width=5", track+"/tag[.='a']", track+"/tag[.='b']", track, wagon, wagon+"/load=4", wagon+"/load=70", wagon+"/behind=1", wagon+"/behind=2",
			worker+"/crew:track=a", worker+"/crew:track=b", worker+"/crew:track=d", worker, "/yard:yard/main=a", "/yard:yard/main=d", "/yard:yard/limit=4", "/yard:yard/day[.='7']",
			"/yard:yard/month[.='3']", "/yard:yard/name=x", track+"/signal", "/yard:yard"), "=")
		if i := strings.LastIndexByte(path+"="+val, '='); strings.Contains(path+"="+val, "[") {
			whole := path + "=" + val
			path, val = whole, ""
			if whole[len(whole)-1] != ']' && i > strings.LastIndexByte(whole, ']') {
				path, val = whole[:i], whole[i+1:]
			}
		}
		p, err := tree.ParsePath(s, strings.ReplaceAll(path, "worker[id='1']/crew:", "worker[id='1']/"))
		if err != nil {
			p, err = tree.ParsePath(s, strings.ReplaceAll(path, "/crew:track", "/track"))
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		e := tree.Edit{Op: tree.Merge, Path: p}
		last := p[len(p)-1].Node
		switch {
		case r.IntN(3) == 0 && (len(p) > 1 || r.IntN(20) == 0):
			e.Op = tree.Remove
		case last.Kind == schema.Leaf:
			e.Value = schema.MustParse(last.Type, val)
		case last.UserOrdered && r.IntN(2) == 0:
			e.Insert = tree.First
		}
		next, errs := tree.Apply(root, []tree.Edit{e})
		if len(errs) > 0 {
			t.Fatalf("%s: %v", path, errs)
		}
		root = next
	}
	return root
}

// TestDepsAreComplete: after random edits, only instances that the dependencies
// name have another value.
func TestDepsAreComplete(t *testing.T) {
	s, base := yard(t)
	var exprs []*xpath.Expr
	for _, d := range dependents {
		n, err := s.Find(d[0])
		if err != nil {
			t.Fatal(err)
		}
		x, err := xpath.Compile(d[1], n, options(s))
		if err != nil {
			t.Fatal(err)
		}
		exprs = append(exprs, x)
	}
	values := func(x *xpath.Expr, root *tree.Node) map[string]string {
		out := map[string]string{}
		if err := x.Contexts(root, nil, func(p tree.Path) bool {
			text, err := x.Text(xpath.Context{Root: root, Path: p})
			if err != nil {
				t.Fatal(err)
			}
			out[p.String()] = text
			return true
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	changed, spared := 0, 0
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 5))
		old := base
		for range 40 {
			root := randomEdits(t, s, old, r)
			for _, x := range exprs {
				before, after := values(x, old), values(x, root)
				touched := affected(t, x, old, root)
				for p, v := range after {
					was, existed := before[p]
					switch {
					case existed && was != v && !touched[p]:
						for c := range tree.Diff(old, root) {
							t.Logf("%s %s", c.Op, c.Path)
						}
						t.Fatalf("seed %d: %s at %s was %q and is %q, and nothing says so", seed, x, p, was, v)
					case existed && was != v:
						changed++
					case !touched[p]:
						spared++
					}
				}
			}
			old = root
		}
	}
	if changed < 1000 || spared < 10000 {
		t.Errorf("%d values changed, %d were spared: the test tests little", changed, spared)
	}
}

// affected returns the contexts of x to evaluate again for the changes from old to root.
func affected(t *testing.T, x *xpath.Expr, old, root *tree.Node) map[string]bool {
	out := map[string]bool{}
	for c := range tree.Diff(old, root) {
		for sub := range tree.Expand(c) {
			for _, d := range x.Deps() {
				if d.Node != sub.Path[len(sub.Path)-1].Node {
					continue
				}
				err := x.Contexts(root, d.Scope(sub.Path), func(p tree.Path) bool {
					if d.Join == nil || joined(root, &d, p, sub.Path) {
						out[p.String()] = true
					}
					return true
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return out
}

// joined reports whether the context at p has the value in Join.Leaf that the
// changed entry has in its key.
func joined(root *tree.Node, d *xpath.Dep, p, change tree.Path) bool {
	want, ok := d.Value(change)
	if !ok {
		return false
	}
	near := p
	for len(near) > 0 && near[len(near)-1].Node != d.Join.Near {
		near = near[:len(near)-1]
	}
	leaf := near
	if d.Join.Leaf != d.Join.Near {
		leaf = near.Child(d.Join.Leaf)
	}
	v, ok := root.GetValue(leaf)
	return ok && v.String() == want.String()
}
