package dataplane_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
)

func lsp(change ...func(*dataplane.LSP)) dataplane.LSP {
	l := dataplane.LSP{
		Name: "a", Op: dataplane.SwapAndForward, InLabel: 100,
		Out: dataplane.NextHop{Section: "west", Stack: []dataplane.LabelEntry{{Label: 300}, {Label: 200}}},
	}
	for _, f := range change {
		f(&l)
	}
	return l
}

func section(change ...func(*dataplane.Section)) dataplane.Section {
	s := dataplane.Section{Name: "west", Interface: "eth0", PeerMAC: dataplane.MAC{2, 0, 0, 0, 0, 1}}
	for _, f := range change {
		f(&s)
	}
	return s
}

func prefixes(p ...string) func(*dataplane.LSP) {
	return func(l *dataplane.LSP) {
		*l = dataplane.LSP{Name: "a", Op: dataplane.ImposeAndForward, Out: l.Out}
		for _, s := range p {
			l.Prefixes = append(l.Prefixes, netip.MustParsePrefix(s))
		}
	}
}

func stack(e ...dataplane.LabelEntry) func(*dataplane.LSP) {
	return func(l *dataplane.LSP) { l.Out.Stack = e }
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b dataplane.Object
		want bool
	}{
		{"the same LSP", lsp(), lsp(), true},
		{"another name", lsp(), lsp(func(l *dataplane.LSP) { l.Name = "b" }), false},
		{"another operation", lsp(), lsp(func(l *dataplane.LSP) { l.Op = dataplane.PopImposeAndForward }), false},
		{"another label", lsp(), lsp(func(l *dataplane.LSP) { l.InLabel = 101 }), false},
		{"another label space", lsp(), lsp(func(l *dataplane.LSP) { l.InSection = "west" }), false},
		{"another section", lsp(), lsp(func(l *dataplane.LSP) { l.Out.Section = "east" }), false},
		{"down", lsp(), lsp(func(l *dataplane.LSP) { l.Down = true }), false},
		{"short-pipe", lsp(), lsp(func(l *dataplane.LSP) { l.TTLMode = dataplane.ShortPipe }), false},
		{"a shorter stack", lsp(), lsp(stack(dataplane.LabelEntry{Label: 300})), false},
		{"another stack", lsp(), lsp(stack(dataplane.LabelEntry{Label: 300}, dataplane.LabelEntry{Label: 201})), false},
		{"TTL 0 is 255", lsp(), lsp(stack(dataplane.LabelEntry{Label: 300, TTL: 255}, dataplane.LabelEntry{Label: 200})), true},
		{"TTL 9 is not", lsp(), lsp(stack(dataplane.LabelEntry{Label: 300, TTL: 9}, dataplane.LabelEntry{Label: 200})), false},
		{"TC counts only where it is set", lsp(), lsp(stack(dataplane.LabelEntry{Label: 300, TC: 5}, dataplane.LabelEntry{Label: 200})), true},
		{"TC 0 set is not TC kept", lsp(), lsp(stack(dataplane.LabelEntry{Label: 300, HasTC: true}, dataplane.LabelEntry{Label: 200})), false},
		{"prefixes in another order", lsp(prefixes("10.0.0.0/8", "2001:db8::/32")), lsp(prefixes("2001:db8::/32", "10.0.0.0/8")), true},
		{"other prefixes", lsp(prefixes("10.0.0.0/8")), lsp(prefixes("10.0.0.0/9")), false},
		{"fewer prefixes", lsp(prefixes("10.0.0.0/8", "2001:db8::/32")), lsp(prefixes("10.0.0.0/8")), false},
		{"an LSP and a section", lsp(), section(), false},
		{"a section and an LSP", section(), lsp(), false},
		{"the same section", section(), section(), true},
		{"multicast by either spelling", section(func(s *dataplane.Section) { s.PeerMAC = dataplane.MAC{} }), section(func(s *dataplane.Section) { s.PeerMAC = dataplane.MulticastMAC() }), true},
		{"another peer", section(), section(func(s *dataplane.Section) { s.PeerMAC[5] = 2 }), false},
		{"another VLAN", section(), section(func(s *dataplane.Section) { s.VLAN = 1 }), false},
	} {
		if got := c.a.Equal(c.b); got != c.want {
			t.Errorf("%s: Equal is %v", c.name, got)
		}
		if got := c.b.Equal(c.a); got != c.want {
			t.Errorf("%s: Equal is not symmetric", c.name)
		}
	}
}

func TestString(t *testing.T) {
	for want, o := range map[string]dataplane.Object{
		"lsp/a swap-and-forward in 100 out 300/200 via west": lsp(),
		"lsp/a swap-and-forward in 100@west out 300(ttl 9)/200(tc 5) via west short-pipe down": lsp(
			stack(dataplane.LabelEntry{Label: 300, TTL: 9}, dataplane.LabelEntry{Label: 200, TTL: 255, TC: 5, HasTC: true}),
			func(l *dataplane.LSP) { l.InSection, l.TTLMode, l.Down = "west", dataplane.ShortPipe, true }),
		"lsp/a impose-and-forward for 10.0.0.0/8,2001:db8::/32 out 300/200 via west": lsp(prefixes("10.0.0.0/8", "2001:db8::/32")),
		"lsp/a pop-and-lookup in 100":                  dataplane.LSP{Name: "a", Op: dataplane.PopAndLookup, InLabel: 100},
		"section/west dev eth0 peer 02:00:00:00:00:01": section(),
		"section/west dev eth0 vlan 7 peer 01:00:5e:90:00:00 space interface down": section(func(s *dataplane.Section) {
			s.VLAN, s.PeerMAC, s.InterfaceLabelSpace, s.Down = 7, dataplane.MAC{}, true, true
		}),
	} {
		if got := o.String(); got != want {
			t.Errorf("String:\n got %s\nwant %s", got, want)
		}
	}
}

func TestCapabilitiesCheck(t *testing.T) {
	all := map[dataplane.Feature]bool{}
	for _, f := range dataplane.Features() {
		all[f] = true
	}
	without := func(f dataplane.Feature) dataplane.Capabilities {
		c := dataplane.Capabilities{Driver: "test", Features: map[dataplane.Feature]bool{}, MaxImpose: 3, MaxReceive: 3, MaxLabel: 1000}
		for g := range all {
			c.Features[g] = g != f
		}
		return c
	}
	for _, c := range []struct {
		name string
		o    dataplane.Object
		lack dataplane.Feature
		want string // Part of the reason; empty: accepted.
	}{
		{"everything", lsp(), "", ""},
		{"swap", lsp(), dataplane.FeatureSwap, "needs swap-and-forward"},
		{"pop", dataplane.LSP{Name: "a", Op: dataplane.PopAndLookup, InLabel: 100}, dataplane.FeaturePopLookup, "needs pop-and-lookup"},
		{"impose", lsp(prefixes("10.0.0.0/8")), dataplane.FeatureImpose, "needs impose-and-forward"},
		{"short-pipe", lsp(func(l *dataplane.LSP) { l.TTLMode = dataplane.ShortPipe }), dataplane.FeatureShortPipe, "needs short-pipe"},
		{"interface label space", lsp(func(l *dataplane.LSP) { l.InSection = "west" }), dataplane.FeatureInterfaceLabelSpace, "needs interface-label-space"},
		{"traffic class 5", lsp(stack(dataplane.LabelEntry{Label: 300, TC: 5, HasTC: true})), dataplane.FeatureTrafficClass, "needs traffic-class-preserved"},
		{"traffic class 0", lsp(stack(dataplane.LabelEntry{Label: 300, HasTC: true})), dataplane.FeatureTrafficClass, ""},
		{"TTL of an imposed label", lsp(stack(dataplane.LabelEntry{Label: 300, TTL: 9}, dataplane.LabelEntry{Label: 200})), dataplane.FeatureImposedTTL, "needs imposed-ttl"},
		{"TTL of a swapped label does not count", lsp(stack(dataplane.LabelEntry{Label: 300}, dataplane.LabelEntry{Label: 200, TTL: 9})), dataplane.FeatureImposedTTL, ""},
		{"VLAN", section(func(s *dataplane.Section) { s.VLAN = 7 }), dataplane.FeatureVLANSection, "needs vlan-section"},
		{"no VLAN", section(), dataplane.FeatureVLANSection, ""},
		{"label space", section(func(s *dataplane.Section) { s.InterfaceLabelSpace = true }), dataplane.FeatureInterfaceLabelSpace, "needs interface-label-space"},
		{"multicast", section(func(s *dataplane.Section) { s.PeerMAC = dataplane.MAC{} }), dataplane.FeatureMulticastReceive, "needs mpls-tp-multicast-receive"},
		{"unicast", section(), dataplane.FeatureMulticastReceive, ""},
		{"four labels", lsp(stack(make([]dataplane.LabelEntry, 4)...)), "", "imposes up to 3"},
		{"label 1001", lsp(func(l *dataplane.LSP) { l.InLabel = 1001 }), "", "labels up to 1000"},
	} {
		err := without(c.lack).Check(c.o)
		oe, ok := errors.AsType[*dataplane.OpError](err)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (!ok || oe.Key != c.o.Key() || oe.Retry || !strings.Contains(oe.Reason, c.want) || !strings.Contains(oe.Reason, "test data plane")):
			t.Errorf("%s: got %v, want a reason with %q and the driver", c.name, err, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	for want, got := range map[string]string{
		"section":                dataplane.KindSection.String(),
		"kind(9)":                dataplane.Kind(9).String(),
		"pop-impose-and-forward": dataplane.PopImposeAndForward.String(),
		"operation(9)":           dataplane.Operation(9).String(),
		"put":                    dataplane.Put.String(),
		"verb(9)":                dataplane.Verb(9).String(),
		"short-pipe":             dataplane.ShortPipe.String(),
		"ttl-mode(9)":            dataplane.TTLMode(9).String(),
		"link-changed":           dataplane.LinkChanged.String(),
		"event(9)":               dataplane.EventKind(9).String(),
		"lsp/a":                  lsp().Key().String(),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	seen := map[dataplane.Feature]bool{}
	for _, f := range dataplane.Features() {
		if seen[f] {
			t.Errorf("%s occurs twice", f)
		}
		seen[f] = true
	}
	for o := dataplane.ImposeAndForward; o <= dataplane.PopAndLookup; o++ {
		if !seen[dataplane.Feature(o.String())] {
			t.Errorf("no feature for %s", o)
		}
	}
}
