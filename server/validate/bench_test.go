package validate

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// lsps returns edits that make LSPs from to to, each with two references, two
// unique tuples and an element count.
func lsps(b *testing.B, s *schema.Schema, from, to int) []tree.Edit {
	net := tree.Path{{Node: s.Root().Child("net")}}
	list := net[0].Node.Child("lsp")
	set := func(p tree.Path, s *schema.Node, text string) tree.Edit {
		return tree.Edit{Op: tree.Merge, Path: p.Child(s), Value: schema.MustParse(s.Type, text)}
	}
	var out []tree.Edit
	for i := from; i < to; i++ {
		p := net.Child(list, schema.MustParse(list.Keys[0].Type, fmt.Sprintf("lsp-%06d", i)))
		in := p.Child(list.Child("in"))
		hop := list.Child("hop")
		h := p.Child(hop, schema.MustParse(hop.Keys[0].Type, "1"))
		out = append(out, tree.Edit{Op: tree.Merge, Path: h},
			set(h, hop.Child("peer"), "1"),
			set(in, list.Child("in").Child("label"), strconv.Itoa(16+i)),
			set(in, list.Child("in").Child("section"), "east"))
	}
	return out
}

func grow(b *testing.B, root *tree.Node, eds []tree.Edit) *tree.Node {
	next, errs := tree.Apply(root, eds)
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	return next
}

// BenchmarkChangeOne validates one LSP more on many.
func BenchmarkChangeOne(b *testing.B) {
	s := compileSchema(b)
	v := New(s)
	for _, n := range []int{10000, 100000} {
		root := grow(b, edit(b, s, tree.Empty(s), "section[name='east']"), lsps(b, s, 0, n))
		state, errs := v.Full(root)
		if len(errs) > 0 {
			b.Fatal(errs)
		}
		next := grow(b, root, lsps(b, s, n, n+1))
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, errs := v.Change(state, next); len(errs) > 0 {
					b.Fatal(errs)
				}
			}
		})
	}
}

// BenchmarkFull validates 10,000 LSPs from nothing.
func BenchmarkFull(b *testing.B) {
	s := compileSchema(b)
	v := New(s)
	root := grow(b, edit(b, s, tree.Empty(s), "section[name='east']"), lsps(b, s, 0, 10000))
	b.ReportAllocs()
	for b.Loop() {
		if _, errs := v.Full(root); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}

// BenchmarkDeleteTarget deletes a section that one of 10,000 LSPs refers to.
func BenchmarkDeleteTarget(b *testing.B) {
	s := compileSchema(b)
	v := New(s)
	root := grow(b, edit(b, s, tree.Empty(s), "section[name='east']\nsection[name='west']"), lsps(b, s, 0, 10000))
	root = edit(b, s, root, "lsp[name='lsp-000077']/in/section = west")
	state, errs := v.Full(root)
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	next := edit(b, s, root, "- section[name='west']")
	for b.Loop() {
		if _, errs := v.Change(state, next); len(errs) != 1 {
			b.Fatal(errs)
		}
	}
}
