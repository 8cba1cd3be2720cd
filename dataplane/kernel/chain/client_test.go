package chain_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
	"github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"
)

// clientState is state with a client's interface, pseudowires p and q into the
// tunnel and numbers for all.
func clientState(change ...func(*dataplane.Pseudowire)) *chain.State {
	s := state()
	s.Ports["user0"] = chain.Port{Name: "user0", Index: 3, MAC: dataplane.MAC{2, 9}, MTU: 1500}
	for i, name := range []string{"p", "q"} {
		w := dataplane.Pseudowire{Name: name, InLabel: 500 + uint32(i), Out: into(600 + uint32(i))}
		for _, f := range change {
			f(&w)
		}
		put(s, w)
		s.Records[w.Key()] = 80 + uint32(i)
	}
	return s
}

func into(labels ...uint32) dataplane.NextHop {
	h := out("", labels...)
	h.Group = "t"
	return h
}

func served(change ...func(*dataplane.Service)) dataplane.Service {
	v := dataplane.Service{Name: "s", Attachment: dataplane.Attachment{Interface: "user0"}, Send: "p", Receive: []string{"p"}}
	for _, f := range change {
		f(&v)
	}
	return v
}

// compiled compiles an object that has a number.
func compiled(t *testing.T, s *chain.State, o dataplane.Object) chain.Compiled {
	t.Helper()
	if s.Records[o.Key()] == 0 {
		s.Records[o.Key()] = 90
	}
	put(s, o)
	got, err := s.Compile(o)
	if err != nil {
		t.Fatalf("%v: %v", o, err)
	}
	return got
}

// sound fails the test where the kernel would refuse filters one beside the
// other, or where they are not read as they are written.
func sound(t *testing.T, filters []mplsnl.Filter) {
	t.Helper()
	type place struct {
		block, chain uint32
		pref         uint16
	}
	type entry struct {
		place
		match mplsnl.Match
	}
	protocols, handles, matches := map[place]uint16{}, map[[4]uint32]bool{}, map[entry]bool{}
	for _, f := range filters {
		at := place{f.Block, f.Chain, f.Pref}
		if p, ok := protocols[at]; ok && p != f.Protocol {
			t.Errorf("chain %d preference %#x is of two protocols, %#x and %#x", f.Chain, f.Pref, p, f.Protocol)
		}
		protocols[at] = f.Protocol
		name := [4]uint32{f.Block, f.Chain, uint32(f.Pref), f.Handle}
		if handles[name] || matches[entry{at, f.Match}] || f.Handle == 0 || !chain.Ours(&f) {
			t.Errorf("filter %v (%s): handle or match twice, or without cookie", name, text(f))
		}
		handles[name], matches[entry{at, f.Match}] = true, true
		indices := map[[2]uint32]bool{}
		for _, a := range f.Actions {
			if n := [2]uint32{uint32(a.Kind), a.Index}; a.Index != 0 && indices[n] {
				t.Errorf("filter %v has action %#x twice: the kernel would never return", name, a.Index)
			} else {
				indices[n] = true
			}
		}
		if len(f.Actions) > mplsnl.MaxActions {
			t.Errorf("filter %v has %d actions", name, len(f.Actions))
		}
		b, err := f.Append(nil)
		if err != nil {
			t.Errorf("filter %v: %v", name, err)
			continue
		}
		if back, _, err := mplsnl.ParseFilter(b); err != nil || !back.Equal(&f) {
			t.Errorf("filter %v: %s is read as %s, %v", name, text(f), text(back), err)
		}
	}
}

func controlWord(w *dataplane.Pseudowire) { w.ControlWord = true }
func tagged(w *dataplane.Pseudowire)      { w.Type = dataplane.EthernetTagged }
func layer3(w *dataplane.Pseudowire)      { w.Type, w.EncapsulationLabel = dataplane.NetworkLayer, true }

// TestClients: that services of all kinds become filters which the kernel
// takes, the same each time, and that no counter counts for one twice.
func TestClients(t *testing.T) {
	pair := dataplane.Group{Name: "pair", Pseudowires: true, Permanent: true, Legs: []string{"p", "q"}}
	both := func(v *dataplane.Service) { v.Send, v.SendGroup, v.Receive = "pair", true, []string{"p", "q"} }
	circuit := func(f func(*dataplane.Attachment)) func(*dataplane.Service) {
		return func(v *dataplane.Service) { f(&v.Attachment) }
	}
	classes := func(v *dataplane.Service) {
		v.Profile = &dataplane.Profile{CIR: 1e6, CBS: 9000, EIR: 2e6, EBS: 9000}
		v.Classes = &dataplane.ClassMap{Green: [8]uint8{0, 1, 2, 3, 4, 5, 6, 7}, Yellow: [8]uint8{7, 6, 5, 4, 3, 2, 1, 0}}
	}
	for _, c := range []struct {
		name string
		wire []func(*dataplane.Pseudowire)
		make []func(*dataplane.Service)
		// lane is what sends a frame with the fewest tags.
		lane string
	}{
		{"port", nil, nil, "police police count unname mac vlan modify push goto"},
		{"control word", []func(*dataplane.Pseudowire){controlWord}, nil, "police police count unname mac pedit mac vlan modify push goto"},
		{"tagged mode puts a tag on", []func(*dataplane.Pseudowire){tagged}, nil, "police police count unname vlan mac vlan modify push goto"},
		{"VLAN popped", nil, []func(*dataplane.Service){circuit(func(a *dataplane.Attachment) {
			a.OuterVLAN, a.Operation = 10, dataplane.PopTags
		})}, "police police count unname vlan mac vlan modify push goto"},
		{"QinQ popped", nil, []func(*dataplane.Service){circuit(func(a *dataplane.Attachment) {
			a.OuterVLAN, a.InnerVLAN, a.NNI, a.Operation = 10, 20, true, dataplane.PopTags
		})}, "police police count unname vlan vlan mac vlan modify push goto"},
		{"S-tag pushed", nil, []func(*dataplane.Service){circuit(func(a *dataplane.Attachment) {
			a.NNI, a.Operation, a.VLAN = true, dataplane.PushTag, 30
		})}, "police police count unname vlan mac vlan modify push goto"},
		{"VLAN translated", []func(*dataplane.Pseudowire){tagged}, []func(*dataplane.Service){circuit(func(a *dataplane.Attachment) {
			a.OuterVLAN, a.Operation, a.VLAN = 10, dataplane.TranslateTag, 30
		})}, "police police count unname vlan mac vlan modify push goto"},
		{"classes and a profile", nil, []func(*dataplane.Service){classes}, "police police count unname mac vlan modify push goto"},
		{"IP and MPLS packets", []func(*dataplane.Pseudowire){layer3}, []func(*dataplane.Service){classes}, "police police count unname push push modify push goto"},
		{"IP in a VLAN", []func(*dataplane.Pseudowire){layer3}, []func(*dataplane.Service){circuit(func(a *dataplane.Attachment) { a.OuterVLAN = 7 })},
			"police police count unname push push modify push goto"},
		{"a permanent bridge copies", nil, []func(*dataplane.Service){both},
			"police police count count unname mac vlan modify push pedit mirror pop modify push pedit redirect"},
		{"down", nil, []func(*dataplane.Service){func(v *dataplane.Service) { v.Down = true }}, ""},
		{"nothing to send to", nil, []func(*dataplane.Service){func(v *dataplane.Service) { v.Send = "" }}, "count drop"},
		{"a blocked pseudowire", []func(*dataplane.Pseudowire){func(w *dataplane.Pseudowire) { w.Blocked = true }}, nil, "count drop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := clientState(c.wire...)
			put(s, pair)
			s.Records[pair.Key()] = 85
			v := served(c.make...)
			got := compiled(t, s, v)
			all := slices.Clone(got.Filters)
			for _, name := range []string{"p", "q"} {
				all = append(all, compiled(t, s, s.Objects[dataplane.Key{Kind: dataplane.KindPseudowire, Name: name}]).Filters...)
			}
			all = append(all, chain.Base(s.Device)...)
			sound(t, slices.DeleteFunc(all, func(f mplsnl.Filter) bool { return f.Match.Kind == mplsnl.U32 }))
			if again := compiled(t, s, v); !reflect.DeepEqual(again, got) {
				t.Error("compiled again it is different")
			}
			seen := map[chain.Count]bool{}
			for _, n := range got.Counts {
				if seen[n] {
					t.Errorf("%+v twice", n)
				}
				seen[n] = true
			}
			lane := ""
			for _, f := range got.Filters {
				if strings.HasPrefix(text(f), c.lane) && c.lane != "" {
					lane = text(f)
				}
			}
			if lane != c.lane {
				t.Errorf("no filter is %q", c.lane)
			}
		})
	}
}

// TestWire: what comes from the network, and which chains it goes through.
func TestWire(t *testing.T) {
	down := func(w *dataplane.Pseudowire) { w.Down = true }
	const short = "count count count drop"
	const frame = "count vlan pop vlan vlan vlan vlan skbedit count name goto"
	for _, c := range []struct {
		name   string
		change []func(*dataplane.Pseudowire)
		want   []string
	}{
		{"without control word", nil, []string{"count drop", short, frame, "goto", "count drop", "count drop", "vlan in"}},
		{"with control word", []func(*dataplane.Pseudowire){controlWord}, []string{
			"count drop", "count drop", short, "count vlan pop pop vlan vlan vlan vlan skbedit count name goto", "goto", "count drop", "count drop", "vlan in",
		}},
		{"down", []func(*dataplane.Pseudowire){down}, []string{"count drop", "count drop", "count drop", "vlan in"}},
		{"down, its channel goes on", []func(*dataplane.Pseudowire){controlWord, down}, []string{
			"count drop", "count drop", "count drop", "count drop", "goto", "count drop", "count drop", "vlan in",
		}},
		{"root of a tree", []func(*dataplane.Pseudowire){func(w *dataplane.Pseudowire) { w.InLabel = 0 }}, nil},
	} {
		s := clientState(c.change...)
		o := s.Objects[dataplane.Key{Kind: dataplane.KindPseudowire, Name: "p"}]
		got := compiled(t, s, o)
		sound(t, got.Filters)
		var texts []string
		for _, f := range got.Filters[1:] { // The first is the record.
			texts = append(texts, text(f))
		}
		if !slices.Equal(texts, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, texts, c.want)
		}
	}
}

// TestSwitchingPoint: both directions, and what is down or blocked.
func TestSwitchingPoint(t *testing.T) {
	point := dataplane.SwitchingPoint{Name: "s", Segments: [2]string{"p", "q"}}
	for _, c := range []struct {
		name   string
		change func(p, q *dataplane.Pseudowire)
		want   []string
	}{
		{"both ways", func(_, _ *dataplane.Pseudowire) {}, []string{"count ttl count modify push goto", "count ttl count modify push goto"}},
		{"a segment is down", func(p, _ *dataplane.Pseudowire) { p.Down = true }, []string{"count drop", "count count drop"}},
		{"a segment without a label of its own", func(p, _ *dataplane.Pseudowire) { p.InLabel = 0 }, []string{"count ttl count modify push goto"}},
		{"blocked: without control word nothing passes", func(p, _ *dataplane.Pseudowire) { p.Blocked = true },
			[]string{"count drop", "count drop"}},
	} {
		s := clientState()
		var w [2]dataplane.Pseudowire
		for i, name := range point.Segments {
			w[i] = s.Objects[dataplane.Key{Kind: dataplane.KindPseudowire, Name: name}].(dataplane.Pseudowire)
		}
		c.change(&w[0], &w[1])
		put(s, w[0])
		put(s, w[1])
		got := compiled(t, s, point)
		sound(t, got.Filters)
		var texts []string
		for _, f := range got.Filters[1:] {
			texts = append(texts, text(f))
		}
		if !slices.Equal(texts, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, texts, c.want)
		}
	}
}

// TestClientsMissing: what a service cannot have, or has not, is named.
func TestClientsMissing(t *testing.T) {
	unlike := clientState()
	q := dataplane.Pseudowire{Name: "q", InLabel: 501, Out: into(601), ControlWord: true}
	put(unlike, q)
	put(unlike, dataplane.Group{Name: "pair", Pseudowires: true, Permanent: true, Legs: []string{"p", "q"}})
	full := clientState()
	full.Records = map[dataplane.Key]uint32{}
	crowded := clientState()
	crowded.Ports["user0"] = chain.Port{Name: "user0", Index: 1 << 14}
	for _, c := range []struct {
		name   string
		state  *chain.State
		object dataplane.Object
		want   string
	}{
		{"no pseudowire to send to", clientState(), served(func(v *dataplane.Service) { v.Send = "x" }), "pseudowire x is not in the data plane"},
		{"no pseudowire to receive from", clientState(), served(func(v *dataplane.Service) { v.Receive = []string{"y"} }), "pseudowire y is not in the data plane"},
		{"no group", clientState(), served(func(v *dataplane.Service) { v.Send, v.SendGroup = "pair", true }), "group pair is not in the data plane"},
		{"no interface", clientState(), served(func(v *dataplane.Service) { v.Attachment.Interface = "nowhere0" }), "no interface nowhere0"},
		{"too high an index", crowded, served(), "index 16384 of interface user0"},
		{"copies that differ", unlike, served(func(v *dataplane.Service) { v.Send, v.SendGroup = "pair", true }), "must look alike"},
		{"no number", full, served(), "no more than"},
		{"a pseudowire without its tunnel", clientState(), dataplane.Pseudowire{Name: "p", Out: dataplane.NextHop{Group: "u", Stack: out("", 1000).Stack}}, "group/u is not"},
		{"a point without its segment", clientState(), dataplane.SwitchingPoint{Name: "s", Segments: [2]string{"p", "z"}}, "pseudowire z is not in the data plane"},
	} {
		if c.name != "no number" {
			c.state.Records[c.object.Key()] = 90
		}
		put(c.state, c.object)
		got, err := c.state.Compile(c.object)
		if err == nil || !strings.Contains(err.Reason, c.want) || err.Key != c.object.Key() || len(got.Filters) != 0 {
			t.Errorf("%s: %v, %d filters", c.name, err, len(got.Filters))
		}
	}
}

// TestStaleClients: filters of a pseudowire or service that nobody wants are
// one stale object.
func TestStaleClients(t *testing.T) {
	s := clientState()
	names := map[string]bool{}
	for _, f := range compiled(t, s, served()).Filters {
		if f.Match.HasKey {
			names[chain.Stale(&f).Key().Name] = true
		}
	}
	if len(names) != 2 || !names["?record-80"] || !names["?record-90"] {
		t.Errorf("stale objects %v, want those of the numbers 80 and 90", names)
	}
}

// TestTwins: a filter has one other place, which has this one, and the order of
// levels stays.
func TestTwins(t *testing.T) {
	for _, f := range compiled(t, clientState(), served()).Filters {
		twin, ok := chain.Twin(f.Block, f.Chain, f.Pref)
		if !f.Match.HasKey {
			continue
		}
		back, also := chain.Twin(f.Block, f.Chain, twin)
		if !ok || !also || back != f.Pref || twin>>4 != f.Pref>>4 {
			t.Errorf("twin of %#x is %#x, of that %#x", f.Pref, twin, back)
		}
	}
}

// TestAdmission: whatever a circuit is and carries, no two of its filters have
// one name, unless they match the same: the kernel replaces a filter only by
// one that looks at the same bits.
func TestAdmission(t *testing.T) {
	type name struct {
		pref   uint16
		handle uint32
	}
	seen := map[name]mplsnl.Match{}
	for _, wire := range [][]func(*dataplane.Pseudowire){nil, {layer3}} {
		for _, a := range []dataplane.Attachment{
			{}, {NNI: true}, {OuterVLAN: 1}, {OuterVLAN: 4094}, {OuterVLAN: 1, NNI: true}, {OuterVLAN: 1, InnerVLAN: 1}, {OuterVLAN: 1, InnerVLAN: 4094, NNI: true},
		} {
			for _, index := range []int{3, 64, 67, 1<<14 - 1} {
				s := clientState(wire...)
				s.Ports["user0"] = chain.Port{Name: "user0", Index: index, MAC: dataplane.MAC{2, 9}, MTU: 1500}
				a.Interface = "user0"
				for _, f := range compiled(t, s, served(func(v *dataplane.Service) { v.Attachment = a })).Filters {
					if f.Chain != 0 {
						continue
					}
					n := name{f.Pref, f.Handle}
					f.Match.Interface += strings.Repeat("'", index%61) // The index is in the handle alone.
					if was, ok := seen[n]; ok && was != f.Match {
						t.Errorf("%+v with %d: preference %#x handle %#x is taken", a, index, f.Pref, f.Handle)
					}
					seen[n] = f.Match
				}
			}
		}
	}
}

// TestManyClients: services that are alike share their chains and are told apart
// there by their numbers, whatever they do to frames.
func TestManyClients(t *testing.T) {
	s := clientState()
	var all []mplsnl.Filter
	var first map[uint32]bool
	for i := range uint32(20) {
		w := dataplane.Pseudowire{Name: fmt.Sprintf("w%d", i), InLabel: 1000 + i, Out: into(2000 + i), ControlWord: true}
		v := served(func(v *dataplane.Service) {
			v.Name, v.Send, v.Receive = fmt.Sprintf("s%d", i), w.Name, []string{w.Name}
			v.Attachment.OuterVLAN, v.Attachment.Operation = uint16(1+i), dataplane.PopTags
			v.Profile = &dataplane.Profile{CIR: 1e6, CBS: 9000, EIR: 2e6, EBS: 9000}
			v.Classes = &dataplane.ClassMap{Green: [8]uint8{0, 1, 2, 3, 4, 5, 6, 7}}
		})
		s.Records[w.Key()], s.Records[v.Key()] = 1<<20-1-2*i, 1<<20-2-2*i
		all = append(append(all, compiled(t, s, w).Filters...), compiled(t, s, v).Filters...)
		chains := map[uint32]bool{}
		for _, f := range all {
			chains[f.Chain] = true
		}
		if first == nil {
			first = chains
		} else if len(chains) != len(first) {
			t.Fatalf("%d chains with one service, %d with %d", len(first), len(chains), i+1)
		}
	}
	sound(t, all)
}

// TestFollows: a service to redundant pseudowires is compiled again when their
// group switches, and sends on the other one then.
func TestFollows(t *testing.T) {
	s := clientState()
	put(s, dataplane.Group{Name: "pair", Pseudowires: true, Legs: []string{"p", "q"}})
	v := served(func(v *dataplane.Service) { v.Send, v.SendGroup, v.Receive = "pair", true, []string{"p", "q"} })
	label := func() uint32 {
		got := compiled(t, s, v)
		if !slices.Contains(got.Follows, "pair") {
			t.Error("does not follow its group")
		}
		for _, f := range got.Filters {
			for _, a := range f.Actions {
				if a.Kind == mplsnl.MPLS && a.MPLS.Op == mplsnl.MPLSModify {
					return a.MPLS.Label
				}
			}
		}
		return 0
	}
	if got := label(); got != 600 {
		t.Errorf("sends on label %d, want 600", got)
	}
	s.Active["pair"] = 1
	if got := label(); got != 601 {
		t.Errorf("after the switch it sends on label %d, want 601", got)
	}
}
