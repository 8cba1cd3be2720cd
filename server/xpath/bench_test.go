package xpath_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
)

// lsps returns a tree with n static LSPs and a bidirectional LSP over the last two.
func lsps(b *testing.B, s *schema.Schema, n int) *tree.Node {
	node, err := s.Find("/mtp-node:mpls-tp/mtp-lsp:lsps")
	if err != nil {
		b.Fatal(err)
	}
	list, pair := node.Child("static-lsp"), node.Child("bidirectional-lsp")
	in := list.Child("in-segment")
	bld := tree.NewBuilder(tree.Empty(s))
	bld.Enter(node.Parent)
	bld.Enter(node)
	leaf := func(l *schema.Node, text string) { bld.Leaf(l, schema.MustParse(l.Type, text)) }
	for i := range n {
		bld.Enter(list, schema.MustParse(list.Keys[0].Type, fmt.Sprintf("lsp-%06d", i)))
		leaf(list.Child("operation"), "pop-and-lookup")
		bld.Enter(in)
		leaf(in.Child("incoming-label"), strconv.Itoa(16+i))
		bld.Leave()
		bld.Leave()
	}
	bld.Enter(pair, schema.MustParse(pair.Keys[0].Type, "pair"))
	leaf(pair.Child("forward-lsp"), fmt.Sprintf("lsp-%06d", n-2))
	leaf(pair.Child("reverse-lsp"), fmt.Sprintf("lsp-%06d", n-1))
	return bld.Seal()
}

func mustParse(b *testing.B, s *schema.Schema, path string) tree.Path {
	p, err := tree.ParsePath(s, path)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// BenchmarkMusts evaluates all musts of one static-lsp among many.
func BenchmarkMusts(b *testing.B) {
	s := undeviated(b)
	rules := musts(b, s)
	for _, n := range []int{10000, 100000} {
		root := lsps(b, s, n)
		p := mustParse(b, s, fmt.Sprintf("/mtp-node:mpls-tp/mtp-lsp:lsps/static-lsp[name='lsp-%06d']", n/2))
		list := p[len(p)-1].Node
		b.Run(fmt.Sprintf("%d/one-of-%d", n, len(rules[list])), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				r := rules[list][i%len(rules[list])]
				i++
				if ok, err := r.Bool(xpath.Context{Root: root, Path: p}); !ok || err != nil {
					b.Fatal(r, ok, err)
				}
			}
		})
	}
}

// BenchmarkKeyedStep finds an entry by a key that another leaf holds:
// /mtp:mpls-tp/lsps/static-lsp[name = current()]/type = 'p2p'.
func BenchmarkKeyedStep(b *testing.B) {
	s := undeviated(b)
	rules := musts(b, s)
	for _, n := range []int{10000, 100000} {
		root := lsps(b, s, n)
		p := mustParse(b, s, "/mtp-node:mpls-tp/mtp-lsp:lsps/bidirectional-lsp[name='pair']/reverse-lsp")
		r := rules[p[len(p)-1].Node][0]
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := r.Bool(xpath.Context{Root: root, Path: p}); !ok || err != nil {
					b.Fatal(r, ok, err)
				}
			}
		})
	}
}

// BenchmarkScan counts the entries of a list that a predicate on a leaf selects.
func BenchmarkScan(b *testing.B) {
	s := undeviated(b)
	root := lsps(b, s, 10000)
	p := mustParse(b, s, "/mtp-node:mpls-tp/mtp-lsp:lsps")
	n := p[len(p)-1].Node
	x, err := xpath.Compile("count(static-lsp[operation = 'pop-and-lookup' and type = 'p2p'])", n, xpath.Options{Config: true})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if got, err := x.Number(xpath.Context{Root: root, Path: p}); got != 10000 || err != nil {
			b.Fatal(got, err)
		}
	}
}

// BenchmarkFilter finds one entry of 10,000 as a NETCONF filter does: from the
// root, by its key, with prefixes of the client's.
func BenchmarkFilter(b *testing.B) {
	s := undeviated(b)
	root := lsps(b, s, 10000)
	o := xpath.Options{Prefixes: map[string]*schema.Module{"m": s.Module("mtp-node"), "l": s.Module("mtp-lsp")}}
	for _, text := range []string{
		"/m:mpls-tp/l:lsps/l:static-lsp[l:name='lsp-005000']",
		"/mpls-tp/lsps/static-lsp[name='lsp-005000']/in-segment",
		"//l:static-lsp[l:name='lsp-005000']",
		"/m:mpls-tp/l:lsps/*[l:name='lsp-005000']",
	} {
		x, err := xpath.Compile(text, s.Root(), o)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(strings.ReplaceAll(text, "/", "|"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got, err := x.Nodes(xpath.Context{Root: root}); len(got) != 1 || err != nil {
					b.Fatal(got, err)
				}
			}
		})
	}
}
