package nacm

import (
	"fmt"
	"io"
	"testing"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/served"
	"github.com/tandem-ne/tandem/server/tree"
)

// element is the served schema with n LSPs of 9 leafs.
func element(tb testing.TB, n int) (*schema.Schema, *tree.Node) {
	tb.Helper()
	s, err := served.Schema()
	if err != nil {
		tb.Fatal(err)
	}
	b := tree.NewBuilder(tree.Empty(s))
	for i := range n {
		at := fmt.Sprintf("/mtp-node:mpls-tp/mtp-lsp:lsps/static-lsp[name='lsp-%05d']/", i)
		for _, leaf := range [][2]string{
			{"description", "from here to there"}, {"admin-state", "up"}, {"operation", "swap-and-forward"},
			{"in-segment/incoming-label", fmt.Sprint(100000 + i)}, {"in-segment/incoming-section", "west"},
			{"out-segment/nhlfe-single/outgoing-section", "east"},
			{"out-segment/nhlfe-single/mpls-label-stack/entry[id='1']/label", fmt.Sprint(200000 + i)},
			{"out-segment/nhlfe-single/mpls-label-stack/entry[id='1']/traffic-class", "3"},
		} {
			p := parse(tb, s, at+leaf[0])
			b.Set(p, schema.MustParse(p[len(p)-1].Node.Type, leaf[1]))
		}
	}
	return s, b.Seal()
}

const lsps = "/mtp-node:mpls-tp/mtp-lsp:lsps/static-lsp"

// ruleSets are what operators configure: the first three leave LSPs alone.
var ruleSets = []struct {
	name  string
	rules []ruleOf
}{
	{"everything", []ruleOf{{module: "*", action: "permit"}}},
	{"defaults", nil},
	{"typical", []ruleOf{
		{path: "/ietf-system:system/authentication", action: "deny"},
		{module: "mtp-oam", ops: "create update delete", action: "deny"},
		{path: lsps, ops: "create update delete", action: "permit"},
		{rpc: "kill-session", action: "permit"},
		{module: "*", ops: "read exec", action: "permit"},
	}},
	{"one-hidden", []ruleOf{{path: lsps + "[name='lsp-05000']", action: "deny"}}},
	{"one-shown", []ruleOf{{path: lsps + "[name='lsp-05000']", action: "permit"}, {path: lsps, action: "deny"}}},
	{"leaf-hidden", []ruleOf{{path: lsps + "/description", action: "deny"}}},
}

// BenchmarkGetConfig encodes 10,000 LSPs as get-config does; "none" is without
// access control. read-us is what finding out about access takes of it.
func BenchmarkGetConfig(b *testing.B) {
	s, root := element(b, 10000)
	run := func(name string, k *Checker) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := codec.EncodeXML(io.Discard, k.ReadStore(root), codec.EncodeOptions{ConfigOnly: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("none", nil)
	for _, set := range ruleSets {
		run(set.name, control(b, s, rulesOf(b, s, "", set.rules...)).Checker(Identity{User: "ann"}))
	}
}

// BenchmarkRead is the part of access control in BenchmarkGetConfig.
func BenchmarkRead(b *testing.B) {
	s, root := element(b, 10000)
	for _, set := range ruleSets {
		k := control(b, s, rulesOf(b, s, "", set.rules...)).Checker(Identity{User: "ann"})
		b.Run(set.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.Read(root)
			}
		})
	}
}

// BenchmarkReadStore is ReadStore after a commit that changed one leaf.
func BenchmarkReadStore(b *testing.B) {
	s, root := element(b, 10000)
	p := parse(b, s, lsps+"[name='lsp-05000']/admin-state")
	bd := tree.NewBuilder(root)
	bd.Set(p, schema.MustParse(p[len(p)-1].Node.Type, "down"))
	roots := []*tree.Node{root, bd.Seal()}
	for _, set := range ruleSets {
		k := control(b, s, rulesOf(b, s, "", set.rules...)).Checker(Identity{User: "ann"})
		b.Run(set.name, func(b *testing.B) {
			b.ReportAllocs()
			k.ReadStore(root)
			for i := 1; b.Loop(); i++ {
				k.ReadStore(roots[i%2])
			}
		})
	}
}

// BenchmarkReadStoreSame is ReadStore of a tree that it remembers.
func BenchmarkReadStoreSame(b *testing.B) {
	s, root := element(b, 10000)
	k := control(b, s, rulesOf(b, s, "", ruleSets[len(ruleSets)-1].rules...)).Checker(Identity{User: "ann"})
	for b.Loop() {
		k.ReadStore(root)
	}
}

// BenchmarkWrite decides about one changed leaf among 10,000 LSPs.
func BenchmarkWrite(b *testing.B) {
	s, root := element(b, 10000)
	p := parse(b, s, lsps+"[name='lsp-05000']/description")
	bd := tree.NewBuilder(root)
	bd.Set(p, schema.MustParse(p[len(p)-1].Node.Type, "elsewhere"))
	changed := bd.Seal()
	for _, set := range ruleSets {
		k := control(b, s, rulesOf(b, s, "write-default=permit", set.rules...)).Checker(Identity{User: "ann"})
		b.Run(set.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.Write(root, changed)
			}
		})
	}
}

// BenchmarkUpdate puts rules into force and asks one user's first question.
func BenchmarkUpdate(b *testing.B) {
	s, root := element(b, 1)
	c := New(Options{Schema: s, Log: quiet()})
	k := c.Checker(Identity{User: "ann"})
	a, other := rulesOf(b, s, "", ruleSets[2].rules...), rulesOf(b, s, "", ruleSets[3].rules...)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.Update([]*tree.Node{a, other}[i%2])
		k.Read(root)
	}
}
