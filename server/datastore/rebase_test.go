package datastore

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tandem-ne/tandem/server/tree"
)

// inValues tells the edits below /box:box/values.
func inValues(e tree.Edit) bool { return len(e.Path) > 1 && e.Path[1].Node.Name == "values" }

func TestRebaseProperties(t *testing.T) {
	s := box(t)
	r := rand.New(rand.NewPCG(11, 12))
	base := tree.Empty(s)
	for round := range 300 {
		own, set := randomEdits(r, s, 8), randomEdits(r, s, 8)
		candidate, running := apply(t, base, own...), apply(t, base, set...)
		if got := rebase(base, running, base); !tree.Equal(got, running) {
			t.Fatalf("round %d: an untouched candidate does not follow running", round)
		}
		if got := rebase(base, base, candidate); !tree.Equal(got, candidate) {
			t.Fatalf("round %d: without a change of running the candidate changed", round)
		}
		if got := rebase(base, running, running); !tree.Equal(got, running) {
			t.Fatalf("round %d: a candidate that is running changed", round)
		}
		// Changes that do not touch each other are all there.
		own = slices.DeleteFunc(own, func(e tree.Edit) bool { return !inValues(e) })
		set = slices.DeleteFunc(set, inValues)
		candidate, running = apply(t, base, own...), apply(t, base, set...)
		if got, want := rebase(base, running, candidate), apply(t, running, own...); !tree.Equal(got, want) {
			t.Fatalf("round %d: of two changes apart from each other one is lost", round)
		}
		base = running
	}
}

func TestRebaseTakesAnOrderedListAsOneValue(t *testing.T) {
	s := box(t)
	hop := func(n string, i tree.Insert) tree.Edit {
		e := set(s, "/lsp[name='x']/hop[.='"+n+"']", "")
		e.Insert = i
		return e
	}
	order := func(root *tree.Node) (list []string) {
		for e := range root.Get(parse(s, "/lsp[name='x']/hop")).Children() {
			list = append(list, e.Value().String())
		}
		return list
	}
	base := apply(t, tree.Empty(s), hop("1", tree.Last), hop("2", tree.Last), hop("3", tree.Last))
	running := apply(t, base, hop("3", tree.First), hop("4", tree.Last))
	beside := apply(t, base, set(s, "/lsp[name='x']/tc", "1"))
	if got, want := order(rebase(base, running, beside)), []string{"3", "1", "2", "4"}; !slices.Equal(got, want) {
		t.Errorf("an untouched list has the order %v, want %v", got, want)
	}
	within := apply(t, base, hop("2", tree.First))
	if got, want := order(rebase(base, running, within)), []string{"2", "1", "3"}; !slices.Equal(got, want) {
		t.Errorf("a list of its own has the order %v, want %v", got, want)
	}
}
