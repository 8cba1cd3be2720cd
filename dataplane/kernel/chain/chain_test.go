package chain_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// state is an element with two sections and a tunnel of two legs.
func state() *chain.State {
	s := chain.NewState()
	s.Device = chain.Port{Name: chain.Device, Index: 9}
	for i, name := range []string{"west", "east"} {
		s.Ports[name+"0"] = chain.Port{Name: name + "0", Index: i + 1, MAC: dataplane.MAC{2, byte(i)}, MTU: 1500}
		put(s, dataplane.Section{Name: name, Interface: name + "0", PeerMAC: dataplane.MAC{2, 1, byte(i)}})
	}
	put(s, impose("working", "east", 501))
	put(s, impose("protecting", "west", 502))
	put(s, dataplane.Group{Name: "t", Legs: []string{"working", "protecting"}})
	s.Records[dataplane.Key{Kind: dataplane.KindGroup, Name: "t"}] = 7
	return s
}

func put(s *chain.State, o dataplane.Object) { s.Objects[o.Key()] = o }

func out(section string, labels ...uint32) dataplane.NextHop {
	h := dataplane.NextHop{Section: section}
	for _, l := range labels {
		h.Stack = append(h.Stack, dataplane.LabelEntry{Label: l})
	}
	return h
}

func impose(name, section string, labels ...uint32) dataplane.LSP {
	return dataplane.LSP{Name: name, Op: dataplane.ImposeAndForward, Out: out(section, labels...)}
}

func swap(next dataplane.NextHop) dataplane.LSP {
	return dataplane.LSP{Name: "x", Op: dataplane.SwapAndForward, InLabel: 100, Out: next}
}

// text prints what a filter does, shortly.
func text(f mplsnl.Filter) string {
	var b strings.Builder
	for _, a := range f.Actions {
		switch {
		case a.Kind == mplsnl.MPLS:
			b.WriteString([]string{"", "pop", "push", "modify", "ttl", "mac"}[a.MPLS.Op])
		case a.Kind == mplsnl.Mirred:
			b.WriteString([]string{"", "redirect", "mirror", "in", "in-mirror"}[a.Mirred.Op])
		case a.Verdict == mplsnl.Drop:
			b.WriteString("drop")
		case a.Kind == mplsnl.GAct && a.Verdict == mplsnl.Pipe:
			b.WriteString("count")
		case a.Kind == mplsnl.GAct:
			b.WriteString("goto")
		default:
			b.WriteString(a.Kind.String())
		}
		b.WriteByte(' ')
	}
	return strings.TrimSpace(b.String())
}

// TestLSP: which filters an LSP becomes, and that a filter fits into the
// kernel's message.
func TestLSP(t *testing.T) {
	group := dataplane.NextHop{Group: "t", Stack: out("", 200).Stack}
	down, blocked := swap(out("east", 200)), swap(out("east", 200))
	down.Down, blocked.Blocked = true, true
	tree := swap(dataplane.NextHop{})
	tree.Bud = true
	tree.Branches = []dataplane.Branch{{Name: "a", NextHop: out("east", 300, 200)}, {Name: "b", NextHop: out("west", 201)}}
	pop := dataplane.LSP{Name: "x", Op: dataplane.PopAndForward, InLabel: 100, Out: out("east")}
	look := dataplane.LSP{Name: "x", Op: dataplane.PopAndLookup, InLabel: 100}
	selector := look
	selector.Selector, selector.SelectorLeg = "t", 1
	clients := impose("x", "east", 300, 200)
	clients.Prefixes = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	for _, c := range []struct {
		name    string
		object  dataplane.Object
		filters int
		first   string
		routes  int
	}{
		{"swap", swap(out("east", 200)), 1, "count ttl count modify pedit redirect", 0},
		{"swap and impose: a filter for each class", swap(out("east", 300, 200)), 8, "count ttl count modify push pedit redirect", 0},
		{"into a group", swap(group), 8, "count ttl count modify push pedit redirect", 0},
		{"down", down, 1, "count drop count", 0},
		{"blocked: the G-ACh goes on", blocked, 2, "count drop count", 0},
		{"branches", tree, 10, "pop goto", 0},
		{"pop", pop, 4, "count ttl count pop pedit redirect", 0},
		{"pop and look up", look, 2, "count ttl count pop goto", 0},
		{"not selected", selector, 2, "count drop count", 0},
		{"clients", clients, 1, "count count modify push pedit redirect", 2},
		{"clients of nobody", impose("x", "east", 300), 1, "drop", 0},
		{"pop into a group", dataplane.LSP{Name: "x", Op: dataplane.PopAndForward, InLabel: 100, Out: dataplane.NextHop{Group: "t"}}, 1, "count ttl count modify pedit redirect", 0},
		{"a group", dataplane.Group{Name: "t", Legs: []string{"working", "protecting"}}, 1, "drop", 0},
		{"a section", dataplane.Section{Name: "west", Interface: "west0"}, 2, "count skbedit goto", 0},
	} {
		s := state()
		s.Clients[c.object.Key()] = 16
		put(s, c.object)
		got, err := s.Compile(c.object)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if len(got.Filters) != c.filters || len(got.Routes) != c.routes || c.filters > 0 && text(got.Filters[0]) != c.first {
			t.Errorf("%s: %d filters, %d routes, first %q; want %d, %d, %q", c.name, len(got.Filters), len(got.Routes), text(got.Filters[0]), c.filters, c.routes, c.first)
		}
		handles := map[[3]uint32]bool{}
		for _, f := range got.Filters {
			name := [3]uint32{f.Chain, uint32(f.Pref), f.Handle}
			if handles[name] || !chain.Ours(&f) {
				t.Errorf("%s: filter %v twice, or without cookie", c.name, name)
			}
			handles[name] = true
			b, err := f.Append(nil)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if back, _, err := mplsnl.ParseFilter(b); err != nil || !back.Equal(&f) {
				t.Errorf("%s: %s is read as %s, %v", c.name, text(f), text(back), err)
			}
		}
	}
}

// TestMissing: what an object refers to and is not there is named.
func TestMissing(t *testing.T) {
	for _, c := range []struct {
		object dataplane.Object
		want   string
	}{
		{swap(out("north", 200)), "section north"},
		{swap(dataplane.NextHop{Group: "u", Stack: out("", 2).Stack}), "group u"},
		{dataplane.LSP{Name: "x", Op: dataplane.PopAndLookup, InLabel: 100, InSection: "north"}, "section north"},
		{dataplane.LSP{Name: "x", Op: dataplane.PopAndLookup, InLabel: 100, InSection: "own"}, "no label space"},
		{dataplane.Group{Name: "g", Legs: []string{"working", "absent"}}, "absent"},
		{dataplane.Section{Name: "n", Interface: "nowhere0"}, "no interface nowhere0"},
		{dataplane.LSP{Name: "x", Op: dataplane.PopAndLookup, InLabel: 100, Selector: "u"}, "group u"},
	} {
		s := state()
		put(s, dataplane.Section{Name: "own", Interface: "west0", InterfaceLabelSpace: true})
		got, err := s.Compile(c.object)
		if err == nil || !strings.Contains(err.Reason, c.want) || err.Retry || len(got.Filters) != 0 {
			t.Errorf("%v: %v", c.object, err)
		}
	}
}

// TestDepends: an object is compiled again when anything on its way changes.
func TestDepends(t *testing.T) {
	s := state()
	got, err := s.Compile(swap(dataplane.NextHop{Group: "t", Stack: out("", 200).Stack}))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []dataplane.Key{
		{Kind: dataplane.KindGroup, Name: "t"}, {Kind: dataplane.KindLSP, Name: "working"}, {Kind: dataplane.KindSection, Name: "east"},
	} {
		if !slices.Contains(got.Depends, k) {
			t.Errorf("does not depend on %s", k)
		}
	}
	s.Active["t"] = 1
	if got, err = s.Compile(swap(dataplane.NextHop{Group: "t", Stack: out("", 200).Stack})); err != nil {
		t.Fatal(err)
	}
	last := got.Filters[0].Actions[len(got.Filters[0].Actions)-1]
	if last.Mirred.Interface != s.Ports["west0"].Index {
		t.Errorf("after the switch it leaves by interface %d", last.Mirred.Interface)
	}
}

// TestActions: what fits into a filter and what does not.
func TestActions(t *testing.T) {
	for _, c := range []struct {
		depths []int
		bud    bool
		want   int
	}{
		{[]int{1}, false, 6}, {[]int{1, 1}, false, 9}, {[]int{2, 1}, true, 12}, {[]int{8}, false, 13},
	} {
		if n, most := chain.Actions(c.depths, c.bud); n != c.want || most != mplsnl.MaxActions {
			t.Errorf("%v: %d of %d actions, want %d", c.depths, n, most, c.want)
		}
	}
}

// TestBase: nothing that is always there is there twice, and each u32 filter
// has a preference of its own: the kernel tells them apart by nothing else.
func TestBase(t *testing.T) {
	prefs, names := map[uint16]bool{}, map[[4]uint32]bool{}
	all := append(chain.Base(chain.Port{Name: chain.Device}), chain.Space(2)...)
	for _, f := range append(all, chain.Space(chain.MaxSpace)...) {
		name := [4]uint32{f.Block, f.Chain, uint32(f.Pref), f.Handle}
		if names[name] || !chain.Ours(&f) {
			t.Errorf("filter %v twice, or without cookie", name)
		}
		names[name] = true
		if f.Match.Kind == mplsnl.U32 {
			if prefs[f.Pref] {
				t.Errorf("preference %d twice", f.Pref)
			}
			prefs[f.Pref] = true
		}
	}
	chain.Reasons(func(index uint32, name string) {
		if name == "" {
			t.Errorf("index %#x has no name", index)
		}
	})
}

// TestRecord: the record of a group tells its active leg.
func TestRecord(t *testing.T) {
	k := dataplane.Key{Kind: dataplane.KindGroup, Name: "tunnel"}
	lsp := dataplane.Key{Kind: dataplane.KindLSP, Name: "tunnel"}
	f := chain.Record(k, 5, 1)
	c, ok := chain.IsRecord(&f)
	if !ok || c != chain.RecordCookie(k, 1) || c == chain.RecordCookie(k, 0) || c == chain.RecordCookie(lsp, 1) {
		t.Errorf("cookie %x, %v", c, ok)
	}
	if _, ok := chain.IsRecord(&mplsnl.Filter{Block: chain.Ingress}); ok {
		t.Error("an empty filter is a record")
	}
}
