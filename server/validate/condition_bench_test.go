package validate_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/served"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
)

// withLSPs adds the static LSPs numbered from to to-1, and bidirectional LSPs
// over two of them each.
func withLSPs(b *testing.B, s *schema.Schema, root *tree.Node, from, to int) *tree.Node {
	node, err := s.Find("/mtp-node:mpls-tp/mtp-lsp:lsps")
	if err != nil {
		b.Fatal(err)
	}
	list, pair := node.Child("static-lsp"), node.Child("bidirectional-lsp")
	in := list.Child("in-segment")
	bld := tree.NewBuilder(root)
	bld.Enter(node.Parent)
	bld.Enter(node)
	value := func(l *schema.Node, text string) schema.Value { return schema.MustParse(l.Type, text) }
	name := func(i int) string { return fmt.Sprintf("lsp-%06d", i) }
	for i := from; i < to; i++ {
		bld.Enter(list, value(list.Keys[0], name(i)))
		bld.Leaf(list.Child("operation"), value(list.Child("operation"), "pop-and-lookup"))
		bld.Enter(in)
		bld.Leaf(in.Child("incoming-label"), value(in.Child("incoming-label"), strconv.Itoa(16+i)))
		bld.Leave()
		bld.Leave()
		if i%2 == 1 {
			bld.Enter(pair, value(pair.Keys[0], name(i)))
			bld.Leaf(pair.Child("forward-lsp"), value(pair.Child("forward-lsp"), name(i-1)))
			bld.Leaf(pair.Child("reverse-lsp"), value(pair.Child("reverse-lsp"), name(i)))
			bld.Leave()
		}
	}
	return bld.Seal()
}

// BenchmarkServed validates LSPs of the served modules, with all their musts:
// everything, 9,000 LSPs more, one LSP more, and another label.
func BenchmarkServed(b *testing.B) {
	s, err := served.Schema()
	if err != nil {
		b.Fatal(err)
	}
	v := validate.New(s)
	check := func(b *testing.B, prev *validate.State, root *tree.Node) *validate.State {
		st, errs := v.Change(prev, root)
		if len(errs) > 0 {
			b.Fatal(errs[:1])
		}
		return st
	}
	for _, n := range []int{10000, 100000} {
		root := withLSPs(b, s, tree.Empty(s), 0, n)
		state := check(b, nil, root)
		more, many := withLSPs(b, s, root, n, n+1), withLSPs(b, s, root, n, n+9000)
		p, err := tree.ParsePath(s, fmt.Sprintf("/mtp-node:mpls-tp/mtp-lsp:lsps/static-lsp[name='lsp-%06d']/in-segment/incoming-label", n/2))
		if err != nil {
			b.Fatal(err)
		}
		other, errs := tree.Apply(root, []tree.Edit{{Op: tree.Merge, Path: p, Value: schema.MustParse(p[len(p)-1].Node.Type, "1000000")}})
		if len(errs) > 0 {
			b.Fatal(errs)
		}
		for _, c := range []struct {
			name string
			prev *validate.State
			root *tree.Node
		}{{"full", nil, root}, {"9000 more", state, many}, {"one more", state, more}, {"one label", state, other}} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					check(b, c.prev, c.root)
				}
			})
		}
	}
}
