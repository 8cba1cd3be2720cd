package chain_test

import (
	"net/netip"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/link"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// priorities returns what the filters write into the priority of packets, in
// order.
func priorities(filters []mplsnl.Filter) (all []uint32) {
	for _, f := range filters {
		for _, a := range f.Actions {
			if a.Kind == mplsnl.SKBEdit && a.SKB.HasPriority {
				all = append(all, a.SKB.Priority)
			}
		}
	}
	return all
}

// TestClasses: which queue is named, and that none is where there are no queues
// or the label says it.
func TestClasses(t *testing.T) {
	three, five := uint8(3), uint8(5)
	llsp := func(l dataplane.LSP, class *uint8) dataplane.LSP { l.Class = class; return l }
	pop := dataplane.LSP{Name: "x", Op: dataplane.PopAndForward, InLabel: 100, Out: out("east")}
	short := pop
	short.TTLMode = dataplane.ShortPipe
	tree := swap(dataplane.NextHop{})
	tree.Branches = []dataplane.Branch{{Name: "a", NextHop: dataplane.NextHop{Group: "u", Stack: out("", 200).Stack}}, {Name: "b", NextHop: out("east", 201)}}
	routed := impose("x", "east", 300)
	routed.Prefixes = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	group := dataplane.NextHop{Group: "t", Stack: out("", 200).Stack}
	for _, c := range []struct {
		name   string
		object dataplane.Object
		queues bool
		want   []uint32
	}{
		{"E-LSP", swap(out("east", 200)), true, nil},
		{"L-LSP", llsp(swap(out("east", 200)), &three), true, []uint32{link.ByClass(3)}},
		{"L-LSP without queues", llsp(swap(out("east", 200)), &three), false, nil},
		{"L-LSP into a group", llsp(swap(group), &three), false, []uint32{link.ByClass(3)}},
		{"L-LSP of IP clients", llsp(routed, &five), true, []uint32{link.ByClass(5)}},
		{"pop without queues", pop, false, nil},
		{"pop, short pipe: IP by its precedence", short, true, []uint32{link.ByClient, link.ByClient}},
		{"pop, L-LSP", llsp(pop, &three), true, []uint32{link.ByClass(3), link.ByClass(3), link.ByClass(3)}},
		{"a branch through an L-LSP, and one that is none", tree, true, []uint32{link.ByClass(5), 0}},
	} {
		s := state()
		put(s, dataplane.Section{Name: "east", Interface: "east0", Queues: dataplane.Queues{Enabled: c.queues}})
		put(s, llsp(impose("five", "east", 501), &five))
		put(s, dataplane.Group{Name: "u", Legs: []string{"five"}})
		s.Clients[c.object.Key()] = 16
		put(s, c.object)
		got, err := s.Compile(c.object)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		have := priorities(got.Filters)
		if len(c.want) == 2 && len(have) > 2 && len(have)%2 == 0 {
			have = have[:2] // Of each traffic class the same.
		}
		if len(have) != len(c.want) {
			t.Errorf("%s: %x, want %x", c.name, have, c.want)
			continue
		}
		for i := range have {
			if have[i] != c.want[i] {
				t.Errorf("%s: %x, want %x", c.name, have, c.want)
			}
		}
	}

	// Pipe: the traffic class of the label that goes, a filter for each.
	s := state()
	put(s, dataplane.Section{Name: "east", Interface: "east0", Queues: dataplane.Queues{Enabled: true}})
	put(s, pop)
	got, err := s.Compile(pop)
	if err != nil {
		t.Fatal(err)
	}
	named := map[uint32]int{}
	for _, f := range got.Filters {
		for _, p := range priorities([]mplsnl.Filter{f}) {
			if named[p]++; f.Match.LSE[0].TC != uint8(p-link.ByClass(0)) || !f.Match.LSE[0].HasTC {
				t.Errorf("priority %x for %+v", p, f.Match.LSE[0])
			}
		}
	}
	for tc := range uint8(8) {
		if named[link.ByClass(tc)] != 3 { // Labels below, IPv4, IPv6.
			t.Errorf("class %d is named %d times", tc, named[link.ByClass(tc)])
		}
	}
	handles := map[[3]uint32]bool{}
	for _, f := range got.Filters {
		name := [3]uint32{f.Chain, uint32(f.Pref), f.Handle}
		if handles[name] {
			t.Errorf("filter %v twice", name)
		}
		handles[name] = true
	}
}

// TestLoop: what loops goes on as of the opposite direction, or ends.
func TestLoop(t *testing.T) {
	looped := swap(out("east", 200))
	looped.Loop = "back"
	back := dataplane.LSP{Name: "back", Op: dataplane.SwapAndForward, InLabel: 110, Out: out("west", 210)}
	down, blocked, ends, tree := back, back, back, back
	down.Down, blocked.Blocked = true, true
	ends.Op, ends.Out = dataplane.PopAndLookup, dataplane.NextHop{}
	tree.Branches, tree.Out = []dataplane.Branch{{Name: "a", NextHop: out("west", 211)}}, dataplane.NextHop{}
	begins := dataplane.LSP{Name: "back", Op: dataplane.ImposeAndForward, Out: out("west", 210)}
	for _, c := range []struct {
		name string
		back dataplane.Object
		text string
	}{
		{"back", back, "count ttl count modify pedit redirect"},
		{"back where it begins", begins, "count ttl count modify pedit redirect"},
		{"back into what is blocked", blocked, "count ttl count modify pedit redirect"},
		{"back into what is down", down, "count ttl drop count"},
		{"back into what ends", ends, "count ttl drop count"},
		{"back into a tree", tree, "count ttl drop count"},
		{"back into nothing", nil, "count ttl drop count"},
	} {
		s := state()
		if c.back != nil {
			put(s, c.back)
		}
		put(s, looped)
		got, err := s.Compile(looped)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if len(got.Filters) != 1 || text(got.Filters[0]) != c.text || got.Filters[0].Match.LSE[0].Label != looped.InLabel {
			t.Errorf("%s: %d filters, first %q", c.name, len(got.Filters), text(got.Filters[0]))
		}
	}
	s := state()
	put(s, begins)
	put(s, looped)
	got, _ := s.Compile(looped)
	for _, a := range got.Filters[0].Actions {
		if a.Kind == mplsnl.MPLS && a.MPLS.Op == mplsnl.MPLSModify && (a.MPLS.Label != 210 || a.MPLS.TTL != 255) {
			t.Errorf("the label of what begins here: %+v", a.MPLS)
		}
	}
	var who []chain.What
	for _, n := range got.Counts {
		if n.Key == begins.Key() {
			who = append(who, n.What)
		}
	}
	if len(who) != 3 { // In, Taken, Out.
		t.Errorf("the opposite direction counts %v", who)
	}
}

// TestBlockedSection: its own G-ACh passes, nothing else.
func TestBlockedSection(t *testing.T) {
	s := state()
	sec := dataplane.Section{Name: "west", Interface: "west0", Condition: dataplane.Condition{Blocked: true}}
	put(s, sec)
	got, err := s.Compile(sec)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, f := range got.Filters {
		texts = append(texts, text(f))
		if f.Match.LSE[0].HasLabel && (f.Match.LSE[0].Label != 13 || f.Pref >= 0x20) {
			t.Errorf("filter %+v", f)
		}
	}
	want := []string{"count count drop", "count skbedit goto", "count count drop", "count skbedit goto", "drop"}
	if len(texts) != len(want) {
		t.Fatalf("%q, want %q", texts, want)
	}
	for i := range want {
		if texts[i] != want[i] {
			t.Errorf("filter %d: %q, want %q", i, texts[i], want[i])
		}
	}
	x := swap(out("west", 200))
	put(s, x)
	c, err := s.Compile(x)
	if err != nil || len(c.Filters) != 1 || text(c.Filters[0]) != "count ttl drop count" {
		t.Errorf("over a blocked section: %v, %q", err, text(c.Filters[0]))
	}
}
