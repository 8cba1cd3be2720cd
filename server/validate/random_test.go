package validate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// randomEdits returns a script of few or many small edits.
func randomEdits(r *rand.Rand) string {
	var b strings.Builder
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	sec := func() string { return pick("s1", "s2", "s3", "s4") }
	lsp := func() string { return pick("a", "b", "c", "d") }
	num := func(n int) int { return 1 + r.IntN(n) }
	for range 1 + r.IntN(6) {
		if r.IntN(12) == 0 {
			fmt.Fprintf(&b, "peer[name='%s']/%s\n", pick("p", "q"), pick("mode = 1", "mode = 2", "note = x", "other = x", "other = x"))
			continue
		}
		if r.IntN(3) == 0 {
			b.WriteString("- ")
			switch r.IntN(14) {
			case 0:
				fmt.Fprintf(&b, "section[name='%s']\n", sec())
			case 1:
				fmt.Fprintf(&b, "section[name='%s']/%s\n", sec(), pick("level", "if-num", "alias"))
			case 2:
				fmt.Fprintf(&b, "lsp[name='%s']\n", lsp())
			case 3:
				fmt.Fprintf(&b, "lsp[name='%s']/hop[id='%d']\n", lsp(), num(3))
			case 4:
				fmt.Fprintf(&b, "lsp[name='%s']/hop\n", lsp())
			case 5:
				fmt.Fprintf(&b, "lsp[name='%s']/%s\n", lsp(), pick("in", "in/label", "in/section", "rank", "via", "tag"))
			case 6:
				fmt.Fprintf(&b, "tunnel[name='%s']\n", pick("t", "u"))
			case 7, 8:
				fmt.Fprintf(&b, "tunnel[name='%s']/%s\n", pick("t", "u"), pick("lsp", "hop", "any", "soft", "ref", "soft-ref"))
			case 9, 10:
				fmt.Fprintf(&b, "tunnel[name='%s']/end/%s\n", pick("t", "u"), pick("a", "x", "y", "z", "d", "e", "more", "more/m[.='1']"))
			case 11:
				fmt.Fprintf(&b, "%s\n", pick("guard", "guard/must-be", "guard/few[k='1']", "guard/few"))
			case 12:
				fmt.Fprintf(&b, "section[name='%s']/alias[.='e%d']\n", sec(), num(4))
			default:
				fmt.Fprintf(&b, "%s\n", pick("section", "lsp", "tunnel", "peer", "peer[name='p']", "peer[name='p']/mode", "peer[name='q']/other"))
			}
			continue
		}
		switch r.IntN(14) {
		case 0:
			fmt.Fprintf(&b, "section[name='%s']/if-num = %d\n", sec(), num(5))
		case 1:
			fmt.Fprintf(&b, "section[name='%s']/alias = e%d\n", sec(), num(4))
		case 2:
			fmt.Fprintf(&b, "section[name='%s']/level = %d\n", sec(), num(5))
		case 3:
			fmt.Fprintf(&b, "lsp[name='%s']/in/section = %s\n", lsp(), sec())
		case 4:
			fmt.Fprintf(&b, "lsp[name='%s']/in/label = %d\n", lsp(), 15+num(3))
		case 5:
			fmt.Fprintf(&b, "lsp[name='%s']/via = e%d\n", lsp(), num(4))
		case 6:
			fmt.Fprintf(&b, "lsp[name='%s']/rank = %d\n", lsp(), num(5))
		case 7:
			fmt.Fprintf(&b, "lsp[name='%s']/hop[id='%d']/peer = %d\n", lsp(), num(3), num(3))
		case 8:
			fmt.Fprintf(&b, "lsp[name='%s']/tag = %d\n", lsp(), num(6))
		case 9:
			fmt.Fprintf(&b, "tunnel[name='%s']/%s = %s\n", pick("t", "u"), pick("lsp", "any", "soft"), pick("a", "b", "c", "s1"))
		case 10:
			fmt.Fprintf(&b, "tunnel[name='%s']/hop = %d\n", pick("t", "u"), num(3))
		case 11:
			fmt.Fprintf(&b, "tunnel[name='%s']/%s = /net:net/%s\n", pick("t", "u"), pick("ref", "ref", "soft-ref"),
				pick("net:lsp[net:name='a']", "net:section[net:name='s1']/net:alias[.='e1']", "net:guard/net:must-be", "net:lsp[net:name='b']/net:in/net:label", "net:tunnel[net:name='t']/net:end"))
		case 12:
			fmt.Fprintf(&b, "tunnel[name='%s']/end/%s = %d\n", pick("t", "u"), pick("a", "x", "y", "z", "d", "e", "more/m", "more/m"), num(3))
		default:
			fmt.Fprintf(&b, "guard/%s\n", pick("must-be = x", "few[k='1']", "few[k='2']", "few[k='3']"))
		}
	}
	return b.String()
}

// TestRandomEdits holds three answers against each other: the incremental one,
// the full one, and a naive reading of the constraints that scans for everything.
func TestRandomEdits(t *testing.T) {
	s := compileSchema(t)
	v := New(s)
	valid, broken := 0, 0
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		state, errs := v.Full(edit(t, s, tree.Empty(s), base+"section[name='s1']\nsection[name='s2']/if-num = 3\n"))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for range 200 {
			was := state.Root()
			edits := randomEdits(r)
			next := edit(t, s, was, edits)
			st, errs := v.Change(state, next)
			_, full := v.Full(next)
			if a, b := text(errs), text(full); a != b {
				t.Fatalf("seed %d, edits:\n%s\nChange:\n%s\nFull:\n%s", seed, edits, a, b)
			}
			naive := naiveCheck(s, next)
			var got []string
			for _, e := range errs {
				if e.AppTag != "data-not-unique" {
					got = append(got, e.AppTag+" "+short(e.Path.String()))
					continue
				}
				got = append(got, "data-not-unique")
			}
			slices.Sort(got)
			got, naive = slices.Compact(got), slices.Compact(naive)
			if a, b := strings.Join(got, "\n"), strings.Join(naive, "\n"); a != b {
				t.Fatalf("seed %d, edits:\n%s\nChange:\n%s\nnaive:\n%s", seed, edits, a, b)
			}
			if len(errs) == 0 {
				state = st
				valid++
			} else {
				broken++
			}
		}
	}
	if valid < 300 || broken < 300 {
		t.Errorf("%d valid and %d broken trees: the test tests little", valid, broken)
	}
}

// naiveCheck scans the whole tree for each constraint of the test's schema.
func naiveCheck(s *schema.Schema, root *tree.Node) []string {
	var out []string
	values := map[string][]string{} // schema path to "instance path\x00value"
	at := map[string]string{}       // instance path to value
	nodes := map[string]int{}       // instance path to number of entries or children
	tree.Walk(root, nil, func(p tree.Path, n *tree.Node) bool {
		text := short(p.String())
		nodes[text]++
		if n.Schema().Kind == schema.List || n.Schema().Kind == schema.LeafList {
			q := append(tree.Path(nil), p...)
			q[len(q)-1] = tree.Step{Node: n.Schema()}
			nodes[short(q.String())]++
		}
		if !n.Value().IsZero() {
			sp := short(n.Schema().Path())
			values[sp] = append(values[sp], n.Value().String())
			at[text] = n.Value().String()
		}
		return true
	})
	in := func(sp, v string) bool { return slices.Contains(values[sp], v) }
	entries := func(list string) []string {
		var names []string
		for _, e := range slices.Sorted(func(yield func(string) bool) {
			for k := range nodes {
				if strings.HasPrefix(k, list+"[name='") && strings.HasSuffix(k, "']") && strings.Count(k, "[") == 1 && !yield(k) {
					return
				}
			}
		}) {
			names = append(names, e)
		}
		return names
	}
	missing := func(p string) { out = append(out, "instance-required "+p) }
	levels := map[string]bool{}
	tags, labels, ifs := map[string]int{}, map[string]int{}, map[string]int{}
	for _, e := range entries("section") {
		if l, ok := at[e+"/level"]; ok {
			levels[l] = true
		} else {
			levels["3"] = true
		}
		if n, ok := at[e+"/if-num"]; ok {
			ifs[n]++
		}
	}
	for _, e := range entries("lsp") {
		section, ok := at[e+"/in/section"]
		if ok && !in("section/name", section) {
			missing(e + "/in/section")
		}
		if ok {
			label, ok := at[e+"/in/label"]
			if !ok {
				label = "16"
			}
			labels[section+" "+label]++
		}
		if v, ok := at[e+"/tag"]; ok {
			tags[v]++
		}
		if v, ok := at[e+"/rank"]; ok && !levels[v] {
			missing(e + "/rank")
		}
		for i := range 5 {
			via := fmt.Sprintf("e%d", i)
			p := fmt.Sprintf("%s/via[.='%s']", e, via)
			if nodes[p] > 0 && !in("section/alias", via) {
				missing(p)
			}
			p = fmt.Sprintf("%s/hop[id='%d']", e, i)
			if v, ok := at[p+"/peer"]; ok && nodes[fmt.Sprintf("%s/hop[id='%s']", e, v)] == 0 {
				missing(p + "/peer")
			}
		}
		if nodes[e+"/via"] > 3 {
			out = append(out, "too-many-elements "+e+"/via")
		}
		if nodes[e+"/hop"] == 0 {
			out = append(out, "too-few-elements "+e+"/hop")
		}
	}
	for _, e := range entries("tunnel") {
		lsp, hasLSP := at[e+"/lsp"]
		if hasLSP && nodes["lsp[name='"+lsp+"']"] == 0 {
			missing(e + "/lsp")
		}
		if hop, ok := at[e+"/hop"]; ok && (!hasLSP || nodes[fmt.Sprintf("lsp[name='%s']/hop[id='%s']", lsp, hop)] == 0) {
			missing(e + "/hop")
		}
		if v, ok := at[e+"/any"]; ok && !in("lsp/name", v) && !in("section/name", v) {
			missing(e + "/any")
		}
		if v, ok := at[e+"/ref"]; ok {
			p := short(v)
			parent := p[:max(0, strings.LastIndexByte(p, '/'))]
			implied := strings.HasSuffix(p, "/in") || strings.HasSuffix(p, "/end") || strings.HasSuffix(p, "/in/label")
			parent = strings.TrimSuffix(parent, "/in")
			if nodes[p] == 0 && (!implied || nodes[parent] == 0) {
				missing(e + "/ref")
			}
		}
		end := e + "/end"
		has := func(names ...string) bool {
			for _, n := range names {
				if _, ok := at[end+"/"+n]; ok {
					return true
				}
			}
			return false
		}
		if !has("a") {
			out = append(out, " "+end+"/a")
		}
		if !has("x", "y", "z", "d", "e") {
			out = append(out, "missing-choice "+end)
		}
		if has("y", "z", "d", "e") {
			if !has("y") {
				out = append(out, " "+end+"/y")
			}
			if !has("d", "e") {
				out = append(out, "missing-choice "+end)
			}
		}
		if nodes[end+"/more/m"] < 2 {
			out = append(out, "too-few-elements "+end+"/more/m")
		}
	}
	if nodes["guard"] > 0 {
		if nodes["guard/must-be"] == 0 {
			out = append(out, " guard/must-be")
		}
		if nodes["guard/few"] > 2 {
			out = append(out, "too-many-elements guard/few")
		}
	}
	modes := map[string]int{}
	for _, e := range entries("peer") {
		mode, ok := at[e+"/mode"]
		if _, other := at[e+"/other"]; !ok && !other {
			mode, ok = "1", true
		}
		if ok {
			modes[mode]++
		}
	}
	for _, m := range []map[string]int{tags, labels, ifs, modes} {
		for _, n := range m {
			if n > 1 {
				out = append(out, "data-not-unique")
			}
		}
	}
	slices.Sort(out)
	return out
}
