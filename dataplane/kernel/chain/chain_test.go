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
	s.Records[tunnel()] = 77
	return s
}

func tunnel() dataplane.Key { return dataplane.Key{Kind: dataplane.KindGroup, Name: "t"} }

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
		case a.Kind == mplsnl.TunnelKey && a.Tunnel.Release:
			b.WriteString("unname")
		case a.Kind == mplsnl.TunnelKey:
			b.WriteString("name")
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
		{"into a group", swap(group), 1, "count ttl count modify push goto", 0},
		{"into a group with labels of its own", swap(dataplane.NextHop{Group: "t", Stack: out("", 300, 200).Stack}), 8, "count ttl count modify push push goto", 0},
		{"down", down, 1, "count ttl drop count", 0},
		{"blocked: the G-ACh goes on", blocked, 2, "count ttl drop count", 0},
		{"branches", tree, 10, "pop goto", 0},
		{"pop", pop, 4, "count ttl count pop pedit redirect", 0},
		{"pop and look up", look, 2, "count ttl count pop goto", 0},
		{"not selected", selector, 2, "count ttl drop count", 0},
		{"clients", clients, 1, "count count modify push pedit redirect", 2},
		{"clients of nobody", impose("x", "east", 300), 1, "drop", 0},
		{"pop into a group", dataplane.LSP{Name: "x", Op: dataplane.PopAndForward, InLabel: 100, Out: dataplane.NextHop{Group: "t"}}, 1, "count ttl count modify goto", 0},
		{"a group", dataplane.Group{Name: "t", Legs: []string{"working", "protecting"}}, 1, "drop", 0},
		{"a section", dataplane.Section{Name: "west", Interface: "west0"}, 3, "count skbedit goto", 0},
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

// TestDepends: an object is compiled again when anything on its way changes; who
// enters a group only when that comes or goes.
func TestDepends(t *testing.T) {
	s := state()
	in := dataplane.NextHop{Group: "t", Stack: out("", 200).Stack}
	got, err := s.Compile(swap(in))
	if err != nil || !slices.Equal(got.Refers, []dataplane.Key{tunnel()}) || len(got.Depends)+len(got.Follows) != 0 {
		t.Errorf("who enters depends on %v, follows %v, refers to %v: %v", got.Depends, got.Follows, got.Refers, err)
	}
	both := swap(dataplane.NextHop{})
	both.Branches = []dataplane.Branch{{Name: "a", NextHop: in}, {Name: "b", NextHop: out("west", 201)}}
	clients := impose("x", "east", 300)
	clients.Prefixes, clients.Out = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, in
	s.Clients[clients.Key()] = 16
	for _, o := range []dataplane.Object{both, clients} {
		if got, err = s.Compile(o); err != nil {
			t.Fatal(err)
		}
		for _, k := range []dataplane.Key{
			tunnel(), {Kind: dataplane.KindLSP, Name: "working"}, {Kind: dataplane.KindSection, Name: "east"},
		} {
			if !slices.Contains(got.Depends, k) {
				t.Errorf("%s does not depend on %s", o.Key(), k)
			}
		}
	}
	if got, err = s.Compile(both); err != nil || !slices.Equal(got.Follows, []string{"t"}) {
		t.Errorf("copies follow %v, %v", got.Follows, err)
	}
	s.Active["t"] = 1
	if got, err = s.Compile(both); err != nil {
		t.Fatal(err)
	}
	for _, a := range got.Filters[0].Actions {
		if a.Kind == mplsnl.Mirred && a.Mirred.Interface != s.Ports["west0"].Index {
			t.Errorf("after the switch a copy leaves by interface %d", a.Mirred.Interface)
		}
	}
}

// TestEntries: what the ways into a group become, by leg, and that a switch
// changes nothing else.
func TestEntries(t *testing.T) {
	down, blocked := impose("working", "east", 501), impose("working", "east", 501)
	down.Down, blocked.Blocked = true, true
	fixed := impose("working", "east", 501)
	fixed.Out.Stack[0].TC, fixed.Out.Stack[0].HasTC = 3, true
	nested := dataplane.LSP{Name: "working", Op: dataplane.ImposeAndForward, Out: dataplane.NextHop{Group: "u", Stack: out("", 501).Stack}}
	tree := dataplane.LSP{Name: "working", Op: dataplane.ImposeAndForward, Branches: []dataplane.Branch{
		{Name: "a", NextHop: out("east", 501)}, {Name: "b", NextHop: out("west", 601, 502)},
	}}
	group := func(change func(*dataplane.Group)) dataplane.Group {
		g := dataplane.Group{Name: "t", Legs: []string{"working", "protecting"}}
		change(&g)
		return g
	}
	plain := group(func(*dataplane.Group) {})
	permanent := group(func(g *dataplane.Group) { g.Permanent = true })
	off := group(func(g *dataplane.Group) { g.Down = true })
	label := chain.Entry{Group: "t", Block: chain.Ingress}
	popped := chain.Entry{Group: "t", Block: chain.Ingress, InPlace: true, Octets: -4}
	client := chain.Entry{Group: "t", Block: chain.Egress, Octets: -14}
	for _, c := range []struct {
		name    string
		group   dataplane.Group
		leg     dataplane.LSP
		active  uint8
		entry   chain.Entry
		filters int
		text    string
		out     string // The interface of the last action.
	}{
		{"a label", plain, impose("working", "east", 501), 0, label, 8, "count modify pedit redirect", "east0"},
		{"the other leg", plain, impose("working", "east", 501), 1, label, 8, "count modify pedit redirect", "west0"},
		{"from IP clients", plain, impose("working", "east", 501), 0, client, 8, "count modify pedit redirect", "east0"},
		{"a label in place", plain, impose("working", "east", 501), 0, popped, 1, "count modify pedit redirect", "east0"},
		{"two labels in place", plain, impose("working", "east", 502, 501), 0, popped, 8, "count modify push pedit redirect", "east0"},
		{"a leg with a traffic class", plain, fixed, 0, label, 1, "count modify pedit redirect", "east0"},
		{"a leg in a group", plain, nested, 0, label, 8, "count modify push goto", ""},
		{"a leg with branches", plain, tree, 0, label, 8, "count modify pedit mirror modify push pedit redirect", "west0"},
		{"a permanent bridge", permanent, impose("working", "east", 501), 0, label, 8, "count modify pedit mirror modify pedit redirect", "west0"},
		{"a permanent bridge with a leg down", permanent, down, 0, label, 8, "count count modify pedit redirect", "west0"},
		{"down", off, impose("working", "east", 501), 0, label, 1, "count drop", ""},
		{"leg down", plain, down, 0, label, 1, "count drop", ""},
		{"leg blocked", plain, blocked, 0, popped, 1, "count drop", ""},
	} {
		s := state()
		put(s, impose("far", "west", 503))
		put(s, dataplane.Group{Name: "u", Legs: []string{"far"}})
		s.Records[dataplane.Key{Kind: dataplane.KindGroup, Name: "u"}] = 78
		put(s, c.leg)
		put(s, c.group)
		s.Active["t"] = c.active
		s.Entries["t"] = []chain.Entry{c.entry}
		got, err := s.Compile(c.group)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		filters := got.Filters[1:] // Behind the record.
		if other := filters[0].Actions[len(filters[0].Actions)-1]; other.Index != filters[0].Actions[0].Index^1 {
			t.Errorf("%s: the counter of the other leg is not held", c.name)
		}
		filters[0].Actions = filters[0].Actions[:len(filters[0].Actions)-1]
		if len(filters) != c.filters || text(filters[0]) != c.text {
			t.Errorf("%s: %d filters, first %q; want %d, %q", c.name, len(filters), text(filters[0]), c.filters, c.text)
			continue
		}
		for _, f := range filters {
			if f.Block != c.entry.Block || !chain.OfGroup(f.Chain) || f.Match.LSE[0].Label != 77 || !chain.Ours(&f) {
				t.Errorf("%s: filter %+v", c.name, f)
			}
			if last := f.Actions[len(f.Actions)-1]; c.out != "" && last.Mirred.Interface != s.Ports[c.out].Index {
				t.Errorf("%s: leaves by interface %d", c.name, last.Mirred.Interface)
			}
		}
		if _, ok := chain.Twin(c.entry.Block, filters[0].Chain, filters[0].Pref); !ok {
			t.Errorf("%s: no other place", c.name)
		}
		indices := map[uint32]bool{}
		for _, n := range got.Counts {
			indices[n.Index] = true
		}
		if !indices[filters[0].Actions[0].Index] {
			t.Errorf("%s: nobody is counted for", c.name)
		}
	}
}

// TestEnter: where what enters a group goes, and that what enters alike goes to
// one place.
func TestEnter(t *testing.T) {
	clients := impose("c", "", 300)
	clients.Prefixes, clients.Out.Group = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, "t"
	own := dataplane.Group{Name: "t", Legs: []string{"working", "protecting"}, Prefixes: clients.Prefixes}
	into := func(labels ...uint32) dataplane.NextHop {
		return dataplane.NextHop{Group: "t", Stack: out("", labels...).Stack}
	}
	for _, c := range []struct {
		object dataplane.Object
		want   chain.Entry
	}{
		{swap(into(200)), chain.Entry{Group: "t", Block: chain.Ingress}},
		{swap(into(300, 200)), chain.Entry{Group: "t", Block: chain.Ingress, Octets: 4}},
		{dataplane.LSP{Name: "x", Op: dataplane.PopAndForward, InLabel: 100, Out: into()}, chain.Entry{Group: "t", Block: chain.Ingress, InPlace: true, Octets: -4}},
		{dataplane.LSP{Name: "x", Op: dataplane.PopImposeAndForward, InLabel: 100, Out: into(200)}, chain.Entry{Group: "t", Block: chain.Ingress}},
		{clients, chain.Entry{Group: "t", Block: chain.Egress, Octets: -14}},
		{own, chain.Entry{Group: "t", Block: chain.Egress, InPlace: true, Octets: -18}},
	} {
		s := state()
		s.Clients[c.object.Key()] = 16
		put(s, c.object)
		got, err := s.Compile(c.object)
		if err != nil || !slices.Equal(got.Enters, []chain.Entry{c.want}) {
			t.Errorf("%v enters %+v, want %+v (%v)", c.object, got.Enters, c.want, err)
			continue
		}
		f := got.Filters[len(got.Filters)-1]
		last := f.Actions[len(f.Actions)-1]
		to, ok := last.Verdict.Chain()
		label := f.Actions[len(f.Actions)-2].MPLS
		if !ok || !chain.OfGroup(to) || label.Label != 77 {
			t.Errorf("%v: goes to chain %#x, %v, with label %d in front", c.object, to, ok, label.Label)
		}
	}
	deep := swap(into(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26))
	if got, err := state().Compile(deep); err == nil || len(got.Enters) != 0 {
		t.Errorf("26 labels enter a group: %v", got.Enters)
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
