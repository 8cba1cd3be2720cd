package dataplane_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
)

func changed[T any](o T, change ...func(*T)) T {
	for _, f := range change {
		f(&o)
	}
	return o
}

func hop(section, group string, labels ...uint32) dataplane.NextHop {
	h := dataplane.NextHop{Section: section, Group: group}
	for _, l := range labels {
		h.Stack = append(h.Stack, dataplane.LabelEntry{Label: l})
	}
	return h
}

// The objects that the tables change.
func group(change ...func(*dataplane.Group)) dataplane.Group {
	return changed(dataplane.Group{Name: "t", Legs: []string{"w", "p"}}, change...)
}

func pseudowire(change ...func(*dataplane.Pseudowire)) dataplane.Pseudowire {
	return changed(dataplane.Pseudowire{Name: "p", InLabel: 500, Out: hop("", "t", 600)}, change...)
}

func service(change ...func(*dataplane.Service)) dataplane.Service {
	return changed(dataplane.Service{Name: "s", Attachment: dataplane.Attachment{Interface: "eth2"}, Send: "p", Receive: []string{"p"}}, change...)
}

func attach(change func(*dataplane.Attachment)) dataplane.Service {
	return service(func(s *dataplane.Service) { change(&s.Attachment) })
}

func imposing(h dataplane.NextHop, p ...string) dataplane.LSP {
	l := dataplane.LSP{Name: "a", Op: dataplane.ImposeAndForward, Out: h}
	for _, s := range p {
		l.Prefixes = append(l.Prefixes, netip.MustParsePrefix(s))
	}
	return l
}

// cases are objects, how they print, and what is wrong with them.
func clientCases() []struct {
	object dataplane.Object
	text   string // Of String; empty: not looked at.
	fault  string // Part of what Validate says; empty: valid.
	lack   dataplane.Feature
} {
	one, eight := uint8(1), uint8(8)
	tree := func(change ...func(*dataplane.LSP)) dataplane.LSP {
		return changed(dataplane.LSP{Name: "a", Op: dataplane.SwapAndForward, InLabel: 100, Branches: []dataplane.Branch{
			{Name: "x", NextHop: hop("west", "", 200)}, {Name: "y", NextHop: hop("", "t", 300)},
		}}, change...)
	}
	ends := func(change ...func(*dataplane.LSP)) dataplane.LSP {
		return changed(dataplane.LSP{Name: "a", Op: dataplane.PopAndLookup, InLabel: 100}, change...)
	}
	return []struct {
		object dataplane.Object
		text   string
		fault  string
		lack   dataplane.Feature
	}{
		// Groups.
		{object: group(), text: "group/t legs w,p", lack: dataplane.FeatureHierarchy},
		{object: group(func(g *dataplane.Group) { g.Permanent, g.Active, g.Down = true, 1, true }), text: "group/t legs w,p permanent active 1 down", lack: dataplane.FeatureOnePlusOne},
		{object: group(func(g *dataplane.Group) { g.Pseudowires = true }), text: "group/t of pseudowires legs w,p", lack: dataplane.FeaturePWGroup},
		{object: group(func(g *dataplane.Group) { g.Prefixes = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }), text: "group/t legs w,p for 10.0.0.0/8"},
		{object: group(func(g *dataplane.Group) { g.Name = "" }), fault: `"" cannot be the name of a group`},
		{object: group(func(g *dataplane.Group) { g.Legs = nil }), fault: "needs a leg"},
		{object: group(func(g *dataplane.Group) { g.Legs = []string{"a", "b", "c"} }), fault: "at most two legs, not 3"},
		{object: group(func(g *dataplane.Group) { g.Legs = []string{"w", "w"} }), fault: "w is both legs"},
		{object: group(func(g *dataplane.Group) { g.Legs = []string{"w", ""} }), fault: `"" cannot be the name of a leg`},
		{object: group(func(g *dataplane.Group) { g.Active = 2 }), fault: "leg 2 cannot be active, the group has 2"},
		{object: group(func(g *dataplane.Group) { g.Legs, g.Permanent = []string{"w"}, true }), fault: "permanent bridge needs two legs"},
		{object: group(func(g *dataplane.Group) { g.Prefixes = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/8")} }), fault: "bits set behind"},
		{object: group(func(g *dataplane.Group) {
			g.Pseudowires, g.Prefixes = true, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		}), fault: "pseudowires takes no prefixes"},
		// LSPs.
		{object: lsp(func(l *dataplane.LSP) { l.Out = hop("", "t", 200) }), text: "lsp/a swap-and-forward in 100 out 200 via group t", lack: dataplane.FeatureHierarchy},
		{object: tree(), text: "lsp/a swap-and-forward in 100 branch x out 200 via west branch y out 300 via group t", lack: dataplane.FeatureP2MP},
		{object: tree(func(l *dataplane.LSP) { l.Bud = true }), text: "lsp/a swap-and-forward in 100 branch x out 200 via west branch y out 300 via group t bud", lack: dataplane.FeatureBud},
		{object: lsp(func(l *dataplane.LSP) { l.Class = &one }), text: "lsp/a swap-and-forward in 100 out 300/200 via west class 1", lack: dataplane.FeatureLLSP},
		{object: changed(imposing(hop("west", "", 200)), func(l *dataplane.LSP) { l.EntropyLabel = true }), text: "lsp/a impose-and-forward out 200 via west entropy-label", lack: dataplane.FeatureEntropy},
		{object: ends(func(l *dataplane.LSP) { l.Selector, l.SelectorLeg = "t", 1 }), text: "lsp/a pop-and-lookup in 100 selector t leg 1", lack: dataplane.FeatureOnePlusOne},
		{object: ends(func(l *dataplane.LSP) { l.Blocked = true }), text: "lsp/a pop-and-lookup in 100 blocked", lack: dataplane.FeatureBlock},
		{object: ends(func(l *dataplane.LSP) { l.Loop, l.Down = "b", true }), text: "lsp/a pop-and-lookup in 100 loop b down", lack: dataplane.FeatureLoopback},
		{object: imposing(hop("west", "", 200, 0), "10.0.0.0/8"), text: "lsp/a impose-and-forward for 10.0.0.0/8 out 200/0 via west"},
		{object: imposing(hop("west", "", 2), "2001:db8::/32")},
		{object: lsp(func(l *dataplane.LSP) { l.Out = hop("west", "", 0) })},
		{object: imposing(hop("west", "", 2), "10.0.0.0/8"), fault: "explicit null 2 is not that of prefix 10.0.0.0/8"},
		{object: imposing(hop("west", "", 0), "2001:db8::/32"), fault: "explicit null 0 is not that of prefix"},
		{object: imposing(hop("west", "", 0, 200)), fault: "outgoing label 0"},
		{object: imposing(hop("west", "", 3)), fault: "outgoing label 3"},
		{object: imposing(hop("west", "", 200, 1)), fault: "outgoing label 1 "},
		{object: imposing(hop("west", "t", 200)), fault: "cannot send on section west and enter group t"},
		{object: imposing(hop("", "", 200)), fault: "needs the section to send on, or the group to enter"},
		{object: ends(func(l *dataplane.LSP) { l.Out.Group = "t" }), fault: "has no next hop"},
		{object: ends(func(l *dataplane.LSP) { l.Branches = tree().Branches }), fault: "has no branches"},
		{object: tree(func(l *dataplane.LSP) { l.Out = hop("west", "", 200) }), fault: "no next hop beside"},
		{object: tree(func(l *dataplane.LSP) { l.Branches[1].Name = "x" }), fault: "branch x occurs twice"},
		{object: tree(func(l *dataplane.LSP) { l.Branches[1].Name = "" }), fault: "has no name"},
		{object: tree(func(l *dataplane.LSP) { l.Branches[1].Stack = nil }), fault: "branch y: swap-and-forward needs an outgoing label"},
		{object: tree(func(l *dataplane.LSP) { l.Branches[1].Group = "" }), fault: "branch y: swap-and-forward needs the section"},
		{object: lsp(func(l *dataplane.LSP) { l.Bud = true }), fault: "a bud node has branches"},
		{object: tree(func(l *dataplane.LSP) { l.Op, l.InLabel, l.Bud = dataplane.ImposeAndForward, 0, true }), fault: "a bud node needs an incoming label"},
		{object: lsp(func(l *dataplane.LSP) { l.Class = &eight }), fault: "traffic class 8 of an L-LSP"},
		{object: lsp(func(l *dataplane.LSP) { l.EntropyLabel = true }), fault: "an entropy label is put in where IP clients enter"},
		{object: tree(func(l *dataplane.LSP) { l.Op, l.InLabel, l.EntropyLabel = dataplane.ImposeAndForward, 0, true }), fault: "no use on a point-to-multipoint"},
		{object: lsp(func(l *dataplane.LSP) { l.Selector = "t" }), fault: "a selector is at the end"},
		{object: ends(func(l *dataplane.LSP) { l.SelectorLeg = 1 }), fault: "leg 1 of no selector"},
		{object: ends(func(l *dataplane.LSP) { l.Selector, l.SelectorLeg = "t", 2 }), fault: "selector leg 2"},
		{object: ends(func(l *dataplane.LSP) { l.Loop = "?b" }), fault: "cannot loop into"},
		// Sections.
		{object: section(func(s *dataplane.Section) { s.Queues = dataplane.Queues{Enabled: true} }), text: "section/west dev eth0 peer 02:00:00:00:00:01 queues", lack: dataplane.FeatureQueues},
		{object: section(func(s *dataplane.Section) {
			s.Queues = dataplane.Queues{Enabled: true, Rate: 1e6, Weights: [8]uint16{1, 2}}
		}),
			text: "section/west dev eth0 peer 02:00:00:00:00:01 queues rate 1000000 weights 1,2,0,0,0,0,0,0"},
		{object: section(func(s *dataplane.Section) { s.Queues.Rate = 1 }), fault: "not enabled"},
		// Pseudowires.
		{object: pseudowire(), text: "pseudowire/p ethernet in 500 out 600 via group t", lack: dataplane.FeatureEthernetPW},
		{object: pseudowire(func(p *dataplane.Pseudowire) {
			p.Type, p.ControlWord, p.Sequencing, p.MTU, p.Down = dataplane.EthernetTagged, true, true, 9000, true
		}),
			text: "pseudowire/p ethernet-tagged in 500 out 600 via group t control-word sequencing mtu 9000 down", lack: dataplane.FeatureSequencing},
		{object: pseudowire(func(p *dataplane.Pseudowire) {
			p.Type, p.EncapsulationLabel, p.Blocked = dataplane.NetworkLayer, true, true
		}),
			text: "pseudowire/p network-layer in 500 out 600 via group t encapsulation-label blocked", lack: dataplane.FeatureNetworkLayer},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.InLabel = 0 }), text: "pseudowire/p ethernet out 600 via group t", lack: dataplane.FeatureP2MPPW},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.Out = dataplane.NextHop{} }), text: "pseudowire/p ethernet in 500", lack: dataplane.FeatureP2MPPW},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.ControlWord = true }), lack: dataplane.FeatureControlWord},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.Loop = "p" }), lack: dataplane.FeatureLoopback},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.Name = "?p" }), fault: "cannot be the name of a pseudowire"},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.Type = 3 }), fault: "no pseudowire type 3"},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.InLabel = 15 }), fault: "receive-label 15"},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.InLabel = 1 << 20 }), fault: "receive-label 1048576"},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.InLabel, p.Out = 0, dataplane.NextHop{} }), fault: "needs a receive-label or a transmit-label"},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.Out.Stack = nil }), fault: "needs a transmit-label"},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.Out.Group = "" }), fault: "needs the section"},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.Out = hop("", "t", 0) }), fault: "outgoing label 0"},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.Out.Stack[0].TC = 8 }), fault: "traffic class 8"},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.Sequencing = true }), fault: "sequencing needs the control word"},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.EncapsulationLabel = true }), fault: "not for type ethernet"},
		{object: pseudowire(func(p *dataplane.Pseudowire) { p.Type, p.ControlWord = dataplane.NetworkLayer, true }), fault: "has no control word"},
		// Services.
		{object: service(), text: "service/s dev eth2 send p receive p"},
		{object: service(func(s *dataplane.Service) {
			s.Attachment = dataplane.Attachment{Interface: "eth2", OuterVLAN: 10, InnerVLAN: 20, NNI: true, Operation: dataplane.TranslateTag, VLAN: 30, PeerMAC: dataplane.MAC{2}}
			s.Send, s.SendGroup, s.Receive, s.Down = "pair", true, []string{"p", "q"}, true
			s.Profile = &dataplane.Profile{CIR: 1, CBS: 2, EIR: 3, EBS: 4}
			s.Classes = &dataplane.ClassMap{Green: [8]uint8{7, 6, 5, 4, 3, 2, 1, 0}}
		}), text: "service/s dev eth2 nni vlan 10 inner 20 translate 30 peer 02:00:00:00:00:00 send group pair receive p,q cir 1 cbs 2 eir 3 ebs 4 green 76543210 yellow 00000000 down",
			lack: dataplane.FeatureQinQ},
		{object: service(func(s *dataplane.Service) { s.Send, s.Receive = "", nil }), text: "service/s dev eth2"},
		{object: attach(func(a *dataplane.Attachment) { a.OuterVLAN, a.Operation = 10, dataplane.PopTags }), text: "service/s dev eth2 vlan 10 pop send p receive p", lack: dataplane.FeatureVLANOps},
		{object: attach(func(a *dataplane.Attachment) { a.Operation, a.VLAN = dataplane.PushTag, 7 }), text: "service/s dev eth2 push 7 send p receive p", lack: dataplane.FeatureVLANOps},
		{object: service(func(s *dataplane.Service) { s.Profile = &dataplane.Profile{CIR: 8, CBS: 1} }), lack: dataplane.FeaturePolicing},
		{object: service(func(s *dataplane.Service) { s.Classes = &dataplane.ClassMap{} }), lack: dataplane.FeatureClassMap},
		{object: service(func(s *dataplane.Service) { s.SendGroup = true }), lack: dataplane.FeaturePWGroup},
		{object: service(func(s *dataplane.Service) { s.Name = "" }), fault: "cannot be the name of a service"},
		{object: service(func(s *dataplane.Service) { s.Send, s.SendGroup = "", true }), fault: "has no name"},
		{object: service(func(s *dataplane.Service) { s.Receive = []string{"p", "p"} }), fault: "received from twice"},
		{object: service(func(s *dataplane.Service) { s.Receive = []string{""} }), fault: "cannot be the name of a pseudowire"},
		{object: service(func(s *dataplane.Service) { s.Profile = &dataplane.Profile{} }), fault: "passes nothing"},
		{object: service(func(s *dataplane.Service) { s.Profile = &dataplane.Profile{CIR: 2e12, CBS: 1} }), fault: "rate 2000000000000 bit/s"},
		{object: service(func(s *dataplane.Service) { s.Profile = &dataplane.Profile{CIR: 1, CBS: 1<<30 + 1} }), fault: "burst of 1073741825"},
		{object: service(func(s *dataplane.Service) { s.Profile = &dataplane.Profile{CIR: 1} }), fault: "needs a committed burst"},
		{object: service(func(s *dataplane.Service) { s.Profile = &dataplane.Profile{EIR: 1} }), fault: "needs an excess burst"},
		{object: service(func(s *dataplane.Service) { s.Classes = &dataplane.ClassMap{Yellow: [8]uint8{0, 0, 8}} }), fault: "traffic class 8 of priority 2"},
		{object: attach(func(a *dataplane.Attachment) { a.Interface = "" }), fault: "name of an interface"},
		{object: attach(func(a *dataplane.Attachment) { a.OuterVLAN = 4095 }), fault: "VLAN 4095"},
		{object: attach(func(a *dataplane.Attachment) { a.InnerVLAN = 5 }), fault: "inner VLAN 5 needs an outer one"},
		{object: attach(func(a *dataplane.Attachment) { a.Operation = 9 }), fault: "no VLAN operation 9"},
		{object: attach(func(a *dataplane.Attachment) { a.Operation = dataplane.PopTags }), fault: "pop needs the VLAN"},
		{object: attach(func(a *dataplane.Attachment) { a.Operation, a.VLAN = dataplane.TranslateTag, 5 }), fault: "translate needs the VLAN that the circuit matches"},
		{object: attach(func(a *dataplane.Attachment) { a.Operation = dataplane.PushTag }), fault: "push needs the VLAN to write"},
		{object: attach(func(a *dataplane.Attachment) { a.VLAN = 5 }), fault: "VLAN 5 is not used by keep"},
		{object: attach(func(a *dataplane.Attachment) { a.PeerMAC = dataplane.MAC{1} }), fault: "group address"},
		// Switching points.
		{object: dataplane.SwitchingPoint{Name: "s", Segments: [2]string{"p", "q"}}, text: "switching-point/s joins p and q", lack: dataplane.FeatureSwitchingPW},
		{object: dataplane.SwitchingPoint{Name: "s", Segments: [2]string{"p", "p"}}, fault: "cannot be both segments"},
		{object: dataplane.SwitchingPoint{Name: "s", Segments: [2]string{"p", ""}}, fault: "cannot be the name of a segment"},
		{object: dataplane.SwitchingPoint{Segments: [2]string{"p", "q"}}, fault: "name of a switching point"},
	}
}

// TestClientObjects checks what Validate, Check and String say of each.
func TestClientObjects(t *testing.T) {
	caps := func(lack dataplane.Feature) dataplane.Capabilities {
		c := dataplane.Capabilities{Driver: "test", Features: map[dataplane.Feature]bool{}, MaxImpose: 4, MaxBranches: 2, MaxLabel: 1000}
		for _, f := range dataplane.Features() {
			c.Features[f] = f != lack
		}
		return c
	}
	for _, c := range clientCases() {
		if c.text != "" && c.object.String() != c.text {
			t.Errorf("String:\n got %s\nwant %s", c.object, c.text)
		}
		if c.fault == "" && !c.object.Equal(c.object) {
			t.Errorf("%s does not equal itself", c.object)
		}
		err := dataplane.Validate(c.object)
		oe, ok := errors.AsType[*dataplane.OpError](err)
		switch {
		case c.fault == "" && err != nil:
			t.Errorf("Validate of %s: %v", c.object, err)
		case c.fault != "" && (!ok || oe.Key != c.object.Key() || !strings.Contains(oe.Reason, c.fault)):
			t.Errorf("Validate of %s: got %v, want %q", c.object, err, c.fault)
		}
		if c.fault != "" {
			continue
		}
		if err := caps("").Check(c.object); err != nil {
			t.Errorf("Check of %s with every feature: %v", c.object, err)
		}
		if c.lack == "" {
			continue
		}
		if err := caps(c.lack).Check(c.object); err == nil || !strings.Contains(err.Error(), "needs "+string(c.lack)+",") {
			t.Errorf("Check of %s without %s: %v", c.object, c.lack, err)
		}
	}
}

// TestClientsDiffer compares each object with each: only the same are equal.
func TestClientsDiffer(t *testing.T) {
	cases := clientCases()
	for i, a := range cases {
		for j, b := range cases {
			if a.text == "" || b.text == "" {
				continue
			}
			// The active leg alone makes no difference.
			if same := a.object.Equal(b.object); same != (i == j) {
				t.Errorf("%s\n%s\nEqual is %v", a.object, b.object, same)
			}
		}
	}
	for _, c := range []struct {
		what string
		a, b dataplane.Object
	}{
		{"the active leg", group(), group(func(g *dataplane.Group) { g.Active = 1 })},
		{"the MTU written out", pseudowire(), pseudowire(func(p *dataplane.Pseudowire) { p.MTU = 1500 })},
		{"the order of what is received", service(func(s *dataplane.Service) { s.Receive = []string{"a", "b"} }), service(func(s *dataplane.Service) { s.Receive = []string{"b", "a"} })},
		{"the order of segments", dataplane.SwitchingPoint{Name: "s", Segments: [2]string{"p", "q"}}, dataplane.SwitchingPoint{Name: "s", Segments: [2]string{"q", "p"}}},
		{"profiles by value", service(func(s *dataplane.Service) { s.Profile = &dataplane.Profile{CIR: 1, CBS: 1} }), service(func(s *dataplane.Service) { s.Profile = &dataplane.Profile{CIR: 1, CBS: 1} })},
	} {
		if !c.a.Equal(c.b) || !c.b.Equal(c.a) {
			t.Errorf("%s makes a difference", c.what)
		}
	}
}

// TestDepthOfObjects checks limits in numbers.
func TestDepthOfObjects(t *testing.T) {
	c := dataplane.Capabilities{Driver: "test", Features: map[dataplane.Feature]bool{}, MaxImpose: 3, MaxBranches: 1, MaxLabel: 1000}
	for _, f := range dataplane.Features() {
		c.Features[f] = true
	}
	branch := func(name string, labels ...uint32) dataplane.Branch {
		return dataplane.Branch{Name: name, NextHop: hop("west", "", labels...)}
	}
	tree := dataplane.LSP{Name: "a", Op: dataplane.SwapAndForward, InLabel: 100}
	for _, x := range []struct {
		object dataplane.Object
		want   string
	}{
		{changed(imposing(hop("west", "", 200, 201)), func(l *dataplane.LSP) { l.EntropyLabel = true }), "4 labels are to be imposed"},
		{changed(imposing(hop("west", "", 200)), func(l *dataplane.LSP) { l.EntropyLabel = true }), ""},
		{changed(tree, func(l *dataplane.LSP) { l.Branches = []dataplane.Branch{branch("x", 1, 2, 3, 4)} }), "4 labels are to be imposed"},
		{changed(tree, func(l *dataplane.LSP) { l.Branches = []dataplane.Branch{branch("x", 200), branch("y", 201)} }), "2 branches, the test data plane has up to 1"},
		{pseudowire(func(p *dataplane.Pseudowire) { p.InLabel = 1001 }), "receive-label 1001: the test data plane has labels up to 1000"},
		{pseudowire(func(p *dataplane.Pseudowire) {
			p.Type, p.EncapsulationLabel, p.Out = dataplane.NetworkLayer, true, hop("west", "", 200, 201, 202)
		}), "4 labels are to be imposed"},
	} {
		if err := c.Check(x.object); x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("Check of %s: got %v, want %q", x.object, err, x.want)
		}
	}
}
