package chain_test

import (
	"slices"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// shared returns the indices of a filter's actions that are of a pool, by kind.
func shared(f mplsnl.Filter) map[mplsnl.ActionKind]uint32 {
	all := map[mplsnl.ActionKind]uint32{}
	for _, a := range f.Actions {
		if a.Index > 0x60000000 && a.Index < 0x70000000 {
			all[a.Kind] = a.Index
		}
	}
	return all
}

// TestPool: LSPs over one section share its addresses and its interface, those
// over another do not, and what a restart has noted stays.
func TestPool(t *testing.T) {
	s := state()
	compile := func(s *chain.State, o dataplane.Object) []mplsnl.Filter {
		put(s, o)
		got, err := s.Compile(o)
		if err != nil {
			t.Fatal(err)
		}
		return got.Filters
	}
	lsp := func(label uint32, section string) mplsnl.Filter {
		l := swap(out(section, 1000+label))
		l.Name, l.InLabel = section, label
		return compile(s, l)[0]
	}
	first, second, other := lsp(100, "east"), lsp(101, "east"), lsp(102, "west")
	for _, kind := range []mplsnl.ActionKind{mplsnl.Pedit, mplsnl.Mirred} {
		a, b, c := shared(first)[kind], shared(second)[kind], shared(other)[kind]
		if a == 0 || a != b || a == c || c == 0 {
			t.Errorf("%s: indices %#x and %#x on one section, %#x on another", kind, a, b, c)
		}
	}
	if n := len(shared(first)); n != 2 {
		t.Errorf("%d actions of a swap are shared, want 2: %s", n, text(first))
	}
	// A new process reads what is there, in any order.
	again := state()
	for _, f := range []mplsnl.Filter{other, first} {
		for _, a := range f.Actions {
			again.Shared.Note(a)
		}
	}
	l := swap(out("east", 1100))
	l.Name, l.InLabel = "east", 100
	if f := compile(again, l)[0]; !f.Equal(&first) {
		t.Errorf("after a restart %s is another filter", text(f))
	}
	l.Out.Section = "west"
	again.Ports["west0"] = chain.Port{Name: "west0", Index: 77, MAC: dataplane.MAC{2, 7}, MTU: 1500}
	for kind, index := range shared(compile(again, l)[0]) {
		if index == shared(first)[kind] || index == shared(other)[kind] {
			t.Errorf("%s: index %#x has two contents", kind, index)
		}
	}
}

// TestPoolRefuses: what one filter has twice, and what counts or meters for one.
func TestPoolRefuses(t *testing.T) {
	s := state()
	tree := swap(dataplane.NextHop{})
	tree.Branches = []dataplane.Branch{{Name: "a", NextHop: out("east", 300)}, {Name: "b", NextHop: out("east", 301)}}
	put(s, tree)
	got, err := s.Compile(tree)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := shared(got.Filters[0])[mplsnl.Pedit]; ok {
		t.Errorf("the addresses that %s has twice are shared", text(got.Filters[0]))
	}
	s = clientState()
	v := served(func(v *dataplane.Service) { v.Profile = &dataplane.Profile{CIR: 1e6, CBS: 9000, EIR: 1e6, EBS: 9000} })
	meters := 0
	for _, f := range compiled(t, s, v).Filters {
		for _, a := range f.Actions {
			if a.Kind == mplsnl.Police && a.Police.Rate != 0 {
				meters++
				if a.Index != 0 {
					t.Errorf("a meter has the index %#x", a.Index)
				}
			}
		}
		if _, ok := chain.IsRecord(&f); ok && slices.ContainsFunc(f.Actions, func(a mplsnl.Action) bool { return a.Index != 0 }) {
			t.Error("a record is shared")
		}
	}
	if meters != 2 {
		t.Errorf("%d meters, want 2", meters)
	}
}
