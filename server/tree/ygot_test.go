package tree_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/ygot/ygot"

	"github.com/tandem-ne/tandem/gen/mtp"
	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/served"
	"github.com/tandem-ne/tandem/server/tree"
)

func servedSchema(t testing.TB) *schema.Schema {
	t.Helper()
	s, err := served.Schema()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDiffAgainstYgot: for pairs of random configurations of /mpls-tp, the leafs
// that Diff reports are those that ygot.Diff reports for the generated structs.
func TestDiffAgainstYgot(t *testing.T) {
	s := servedSchema(t)
	top, err := s.Find("/mtp-node:mpls-tp")
	if err != nil {
		t.Fatal(err)
	}
	leafs := 0
	for seed := range uint64(25) {
		g := randomConfig{r: rand.New(rand.NewPCG(seed, 11)), schema: s}
		old := g.tree(tree.Empty(s), top)
		base := old
		if seed%2 == 0 {
			base = tree.Empty(s)
		}
		new := g.tree(base, top)
		ours := changedLeafs(old, new)
		theirs := ygotChanges(t, typed(t, old), typed(t, new))
		for _, p := range slices.Sorted(maps.Keys(ours)) {
			if ours[p] != theirs[p] {
				t.Errorf("seed %d: %s is %q, for ygot %q", seed, p, ours[p], theirs[p])
			}
		}
		for _, p := range slices.Sorted(maps.Keys(theirs)) {
			if ours[p] == "" {
				t.Errorf("seed %d: %s is %q for ygot only", seed, p, theirs[p])
			}
		}
		leafs += len(ours)
		next, errs := tree.Apply(old, tree.Edits(old, new))
		if len(errs) > 0 || !tree.Equal(next, new) {
			t.Errorf("seed %d: the edits do not lead to the new tree: %v", seed, errs)
		}
	}
	if leafs < 500 {
		t.Errorf("only %d leafs changed: the test tests little", leafs)
	}
}

// changedLeafs returns "update" or "delete" by the path of each leaf or
// leaf-list that differs, in the manner of gNMI.
func changedLeafs(old, new *tree.Node) map[string]string {
	out := map[string]string{}
	for c := range tree.Diff(old, new) {
		for e := range tree.Expand(c) {
			switch e.Path[len(e.Path)-1].Node.Kind {
			case schema.Leaf:
				out[gnmiPath(e.Path)] = "update"
				if e.Op == tree.Deleted {
					out[gnmiPath(e.Path)] = "delete"
				}
			case schema.LeafList:
				p := append(tree.Path(nil), e.Path...)
				p[len(p)-1].Keys = nil
				out[gnmiPath(p)] = "update"
				if new.Get(p) == nil {
					out[gnmiPath(p)] = "delete"
				}
			}
		}
	}
	return out
}

func gnmiPath(p tree.Path) string {
	var b strings.Builder
	for _, st := range p {
		b.WriteString("/" + st.Node.Name)
		keys := map[string]string{}
		for i, v := range st.Keys {
			keys[st.Node.Keys[i].Name] = v.String()
		}
		writeKeys(&b, keys)
	}
	return b.String()
}

func writeKeys(b *strings.Builder, keys map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		fmt.Fprintf(b, "[%s=%s]", k, keys[k])
	}
}

func typed(t *testing.T, n *tree.Node) *mtp.Device {
	t.Helper()
	dev := &mtp.Device{}
	text := codec.AppendJSON(nil, n, codec.EncodeOptions{IETF: true})
	if err := mtp.Unmarshal(text, dev); err != nil {
		t.Fatalf("ygot refuses: %v\n%s", err, text)
	}
	return dev
}

func ygotChanges(t *testing.T, old, new *mtp.Device) map[string]string {
	t.Helper()
	n, err := ygot.Diff(old, new)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	text := func(p *gpb.Path) string {
		var b strings.Builder
		for _, e := range p.Elem {
			b.WriteString("/" + e.Name)
			writeKeys(&b, e.Key)
		}
		return b.String()
	}
	for _, u := range n.Update {
		out[text(u.Path)] = "update"
	}
	for _, p := range n.Delete {
		out[text(p)] = "delete"
	}
	return out
}

// randomConfig makes configurations from few names and numbers, so that two of
// them have much in common.
type randomConfig struct {
	r      *rand.Rand
	schema *schema.Schema
	b      *tree.Builder
}

func (g *randomConfig) tree(base *tree.Node, top *schema.Node) *tree.Node {
	g.b = tree.NewBuilder(base)
	g.b.Enter(top)
	g.fill(top, 0)
	return g.b.Seal()
}

// fill leaves out choices, which need an edit to change the case, and presence,
// which the structs cannot tell.
func (g *randomConfig) fill(at *schema.Node, depth int) {
	for _, c := range at.Children() {
		if c.IsKey() || !c.Config || c.Case != nil || c.Presence || depth > 5 || g.r.IntN(3) == 0 {
			continue
		}
		switch c.Kind {
		case schema.Container:
			g.b.Enter(c)
			g.fill(c, depth+1)
			g.b.Leave()
		case schema.List:
			for range 1 + g.r.IntN(3) {
				keys := make([]schema.Value, len(c.Keys))
				ok := len(keys) > 0
				for i, k := range c.Keys {
					keys[i] = g.value(k.Type)
					ok = ok && !keys[i].IsZero()
				}
				if ok {
					g.b.Enter(c, keys...)
					g.fill(c, depth+1)
					g.b.Leave()
				}
			}
		case schema.Leaf, schema.LeafList:
			if v := g.value(c.Type); !v.IsZero() {
				g.b.Leaf(c, v)
			}
		}
	}
}

// value returns a random value of t, or none if none of a few guesses is one.
func (g *randomConfig) value(t *schema.Type) schema.Value {
	for t.Kind() == schema.Leafref {
		t = t.Leafref().Target.Type
	}
	guesses := []string{"a", "b", "c", "true", "false", "192.0.2.1", "ABCDEF", "NL", strconv.Itoa(g.r.IntN(6)), strconv.Itoa(100 + g.r.IntN(6))}
	switch t.Kind() {
	case schema.Enumeration:
		guesses = nil
		for _, e := range t.Enums() {
			guesses = append(guesses, e.Name)
		}
	case schema.Identityref, schema.Bits, schema.Binary, schema.Empty, schema.InstanceIdentifier, schema.Union, schema.Decimal64:
		return schema.Value{}
	}
	for _, i := range g.r.Perm(len(guesses)) {
		if v, err := t.Parse(guesses[i], g.schema.NameResolver(nil)); err == nil {
			return v
		}
	}
	return schema.Value{}
}
