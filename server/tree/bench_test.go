package tree

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/tandem-ne/tandem/server/schema"
)

// lspEdits returns one edit per leaf of LSPs from to to, as a codec makes them.
func lspEdits(t testing.TB, s *schema.Schema, from, to int) []Edit {
	lsps := path(t, s, "~")
	list := s.Root().Child("net").Child("lsps").Child("lsp")
	leaf := func(p Path, s *schema.Node, text string) Edit {
		return Edit{Op: Merge, Path: p.Child(s), Value: schema.MustParse(s.Type, text)}
	}
	var out []Edit
	for i := from; i < to; i++ {
		p := lsps.Child(list, schema.MustParse(list.Keys[0].Type, fmt.Sprintf("lsp-%06d", i)))
		seg := p.Child(list.Child("in-segment"))
		out = append(out, Edit{Op: Merge, Path: p},
			leaf(p, list.Child("num"), strconv.Itoa(i%65536)),
			leaf(p, list.Child("ttl"), "64"),
			leaf(seg, seg[len(seg)-1].Node.Child("label"), strconv.Itoa(16+i)),
			leaf(seg, seg[len(seg)-1].Node.Child("section"), "east"),
			leaf(p, list.Child("plain-a"), "x"))
	}
	return out
}

func large(t testing.TB, s *schema.Schema, n int) *Node {
	root, errs := Apply(Empty(s), lspEdits(t, s, 0, n))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return root
}

// BenchmarkApplyOne adds one entry of six nodes to a large list.
func BenchmarkApplyOne(b *testing.B) {
	s := compile(b)
	for _, n := range []int{10000, 100000} {
		root := large(b, s, n)
		eds := lspEdits(b, s, n, n+1)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Apply(root, eds)
			}
		})
	}
}

// BenchmarkDiffOne compares a large tree with one that has an entry more, in
// the middle.
func BenchmarkDiffOne(b *testing.B) {
	s := compile(b)
	for _, n := range []int{10000, 100000} {
		root := large(b, s, n)
		p := path(b, s, "~/lsp[name='lsp-005000x']")
		next, errs := Apply(root, []Edit{{Op: Create, Path: p}})
		if len(errs) > 0 {
			b.Fatal(errs)
		}
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				changes := 0
				for range Diff(root, next) {
					changes++
				}
				if changes != 1 {
					b.Fatal(changes)
				}
			}
		})
	}
}

// BenchmarkBuild makes a tree of 10,000 entries from 60,000 edits, and with the
// cursor of a Builder.
func BenchmarkBuild(b *testing.B) {
	s := compile(b)
	const n = 10000
	eds := lspEdits(b, s, 0, n)
	b.Run("edits", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Apply(Empty(s), eds)
		}
	})
	b.Run("builder", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			bu := NewBuilder(Empty(s))
			depth := 0
			for i := range eds {
				p := eds[i].Path
				if len(p) == 3 {
					for ; depth > 0; depth-- {
						bu.Leave()
					}
					bu.Enter(p[0].Node)
					bu.Enter(p[1].Node)
					bu.Enter(p[2].Node, p[2].Keys...)
					depth = 3
					continue
				}
				if len(p) == 5 {
					bu.Enter(p[3].Node)
				}
				bu.Leaf(p[len(p)-1].Node, eds[i].Value)
				if len(p) == 5 {
					bu.Leave()
				}
			}
			bu.Seal()
		}
	})
}

// BenchmarkDiffAll compares two trees of 10,000 entries that share nothing.
func BenchmarkDiffAll(b *testing.B) {
	s := compile(b)
	x, y := large(b, s, 10000), large(b, s, 10000)
	for b.Loop() {
		for range Diff(x, y) {
		}
	}
}

// BenchmarkLookup finds one entry among 100,000.
func BenchmarkLookup(b *testing.B) {
	s := compile(b)
	root := large(b, s, 100000)
	p := path(b, s, "~/lsp[name='lsp-054321']/in-segment/label")
	b.ReportAllocs()
	for b.Loop() {
		if root.Get(p) == nil {
			b.Fatal("not found")
		}
	}
}

// BenchmarkMemory reports the live bytes of a tree per entry of eight nodes.
func BenchmarkMemory(b *testing.B) {
	s := compile(b)
	var root *Node
	for b.Loop() {
		root = nil
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		root = large(b, s, 10000)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/10000, "B/entry")
	}
	runtime.KeepAlive(root)
}
