package plan_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

func lspKey(name string) dataplane.Key {
	return dataplane.Key{Kind: dataplane.KindLSP, Name: name}
}

func sectionKey(name string) dataplane.Key {
	return dataplane.Key{Kind: dataplane.KindSection, Name: name}
}

func TestSetCheck(t *testing.T) {
	own := section("own", "eth2")
	own.InterfaceLabelSpace = true
	inOwn := swap("in-own", 100, "west", 202)
	inOwn.InSection = "own"
	start := dataplane.Delta{Put: list(section("west", "eth0"), section("east", "eth1"), own,
		swap("a", 100, "west", 200), swap("b", 101, "west", 201), inOwn, impose("c", "east", 300, "198.51.100.0/24"))}
	tagged := section("tagged", "eth0")
	tagged.VLAN = 7
	noSpace := own
	noSpace.InterfaceLabelSpace = false
	inWest := swap("x", 100, "east", 200)
	inWest.InSection = "west"
	put := func(o ...dataplane.Object) dataplane.Delta { return dataplane.Delta{Put: o} }
	for _, c := range []struct {
		name  string
		delta dataplane.Delta
		key   dataplane.Key // At fault; zero: the change is good.
		want  string
	}{
		{name: "a free label", delta: put(swap("d", 102, "east", 200))},
		{name: "the same label in another space", delta: put(swap("d", 102, "east", 200), func() dataplane.LSP { l := swap("e", 102, "west", 203); l.InSection = "own"; return l }())},
		{name: "a label that is taken", delta: put(swap("d", 100, "east", 200)), key: lspKey("d"), want: "label 100 belongs to lsp/a"},
		{name: "a label that is taken in a space of its own", delta: put(func() dataplane.LSP { l := swap("e", 100, "west", 203); l.InSection = "own"; return l }()), key: lspKey("e"), want: "label 100 of section own belongs to lsp/in-own"},
		{name: "a label that becomes free in the same change", delta: dataplane.Delta{Put: list(swap("d", 100, "east", 200)), Delete: []dataplane.Key{lspKey("a")}}},
		{name: "two LSPs change labels", delta: put(swap("a", 101, "west", 200), swap("b", 100, "west", 201))},
		{name: "a label twice in one change", delta: put(swap("d", 102, "east", 200), swap("e", 102, "east", 201)), key: lspKey("e"), want: "label 102 belongs to lsp/d"},
		{name: "a prefix that is taken", delta: put(impose("d", "east", 301, "198.51.100.0/24")), key: lspKey("d"), want: "prefix 198.51.100.0/24 belongs to lsp/c"},
		{name: "a longer prefix", delta: put(impose("d", "east", 301, "198.51.100.0/25"))},
		{name: "a prefix twice in one LSP", delta: put(impose("d", "east", 301, "203.0.113.0/24", "203.0.113.0/24")), key: lspKey("d"), want: "occurs twice"},
		{name: "an interface that is taken", delta: put(section("north", "eth0")), key: sectionKey("north"), want: "interface eth0 belongs to section/west"},
		{name: "a VLAN on it", delta: put(tagged)},
		{name: "a section that is not there", delta: put(swap("d", 102, "north", 200)), key: lspKey("d"), want: "no section north"},
		{name: "a section that comes with it", delta: put(swap("d", 102, "north", 200), section("north", "eth9"))},
		{name: "a label in a section without space", delta: put(inWest), key: lspKey("x"), want: "section west has no label space"},
		{name: "a section that is needed goes", delta: dataplane.Delta{Delete: []dataplane.Key{sectionKey("east")}}, key: lspKey("c"), want: "no section east"},
		{name: "a section goes with its LSP", delta: dataplane.Delta{Delete: []dataplane.Key{sectionKey("east"), lspKey("c")}}},
		{name: "a section goes and its LSP moves", delta: dataplane.Delta{Put: list(impose("c", "west", 300, "198.51.100.0/24")), Delete: []dataplane.Key{sectionKey("east")}}},
		{name: "a label space that is needed goes", delta: put(noSpace), key: lspKey("in-own"), want: "no label space"},
		{name: "a key twice", delta: dataplane.Delta{Put: list(swap("a", 100, "west", 200)), Delete: []dataplane.Key{lspKey("a")}}, key: lspKey("a"), want: "occurs twice in one change"},
		{name: "an object that is not valid", delta: put(swap("d", 3, "west", 200)), key: lspKey("d"), want: "incoming label 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var set plan.Set
			if err := set.Check(start); err != nil {
				t.Fatalf("Check of the start: %v", err)
			}
			set.Apply(start)
			err := set.Check(c.delta)
			if c.key == (dataplane.Key{}) {
				if err != nil {
					t.Errorf("Check: %v", err)
				}
				return
			}
			oe, ok := errors.AsType[*dataplane.OpError](err)
			if !ok || oe.Key != c.key || !strings.Contains(oe.Reason, c.want) || oe.Retry {
				t.Errorf("Check: got %v, want %s: ...%s...", err, c.key, c.want)
			}
			if n := set.Len(); n != len(start.Put) {
				t.Errorf("Check changed the set: %d objects", n)
			}
		})
	}
}
