package plan_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/plan"
)

func key(k dataplane.Kind, name string) dataplane.Key { return dataplane.Key{Kind: k, Name: name} }

// into is the next hop into a group.
func into(group string, labels ...uint32) dataplane.NextHop {
	h := dataplane.NextHop{Group: group}
	for _, l := range labels {
		h.Stack = append(h.Stack, dataplane.LabelEntry{Label: l})
	}
	return h
}

func leg(name string, next dataplane.NextHop) dataplane.LSP {
	return dataplane.LSP{Name: name, Op: dataplane.ImposeAndForward, Out: next}
}

func group(name string, legs ...string) dataplane.Group {
	return dataplane.Group{Name: name, Legs: legs}
}

func pair(name string, legs ...string) dataplane.Group {
	return dataplane.Group{Name: name, Legs: legs, Pseudowires: true}
}

func wire(name string, in, out uint32, change ...func(*dataplane.Pseudowire)) dataplane.Pseudowire {
	p := dataplane.Pseudowire{Name: name, InLabel: in, Out: into("t", out)}
	for _, f := range change {
		f(&p)
	}
	return p
}

func service(name, port string, vlan, inner uint16, send string, receive ...string) dataplane.Service {
	return dataplane.Service{
		Name: name, Attachment: dataplane.Attachment{Interface: port, OuterVLAN: vlan, InnerVLAN: inner},
		Send: send, Receive: receive,
	}
}

func layer3(p *dataplane.Pseudowire)      { p.Type = dataplane.NetworkLayer }
func controlWord(p *dataplane.Pseudowire) { p.ControlWord = true }

// TestSetCheckClients starts from tunnel t in tunnel u, four pseudowires, a
// service, a pair, and a switching point.
func TestSetCheckClients(t *testing.T) {
	start := dataplane.Delta{Put: list(
		section("west", "eth0"), section("east", "eth1"),
		leg("u-w", dataplane.NextHop{Section: "west", Stack: []dataplane.LabelEntry{{Label: 400}}}), group("u", "u-w"),
		leg("t-w", into("u", 300)), leg("t-p", dataplane.NextHop{Section: "east", Stack: []dataplane.LabelEntry{{Label: 301}}}), group("t", "t-w", "t-p"),
		swap("x", 100, "east", 200),
		wire("p", 500, 600), wire("q", 501, 601), wire("r", 502, 602), wire("a", 503, 603), wire("b", 504, 604), wire("free", 505, 605),
		service("s", "ac0", 10, 0, "p", "p"),
		func() dataplane.Service {
			v := service("red", "ac0", 20, 5, "pair", "q", "r")
			v.SendGroup = true
			return v
		}(), pair("pair", "q", "r"),
		dataplane.SwitchingPoint{Name: "sp", Segments: [2]string{"a", "b"}},
	)}
	put := func(o ...dataplane.Object) dataplane.Delta { return dataplane.Delta{Put: o} }
	del := func(keys ...dataplane.Key) dataplane.Delta { return dataplane.Delta{Delete: keys} }
	const (
		kLSP, kGroup, kPW, kService, kSP = dataplane.KindLSP, dataplane.KindGroup, dataplane.KindPseudowire,
			dataplane.KindService, dataplane.KindSwitchingPoint
	)
	prefixed := group("t", "t-w", "t-p")
	prefixed.Prefixes = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	tagged := section("tagged", "ac0")
	own := section("own", "eth5")
	own.InterfaceLabelSpace = true
	returned := swap("y", 101, "own", 207)
	returned.InSection = "own"
	nni := service("v", "ac0", 10, 0, "free", "free")
	nni.Attachment.NNI = true
	tree := dataplane.LSP{Name: "y", Op: dataplane.SwapAndForward, InLabel: 101, Branches: []dataplane.Branch{
		{Name: "1", NextHop: dataplane.NextHop{Section: "west", Stack: []dataplane.LabelEntry{{Label: 210}}}},
		{Name: "2", NextHop: dataplane.NextHop{Section: "west", Stack: []dataplane.LabelEntry{{Label: 210}}}},
	}}
	selects := dataplane.LSP{Name: "y", Op: dataplane.PopAndLookup, InLabel: 101, Selector: "t", SelectorLeg: 1}
	client := service("v", "ac1", 0, 0, "free", "free")
	client.Attachment.PeerMAC = dataplane.MAC{2, 0, 0, 0, 0, 9}
	for _, c := range []struct {
		name  string
		delta dataplane.Delta
		key   dataplane.Key
		want  string
	}{
		{name: "a label of a pseudowire for an LSP", delta: put(swap("y", 500, "west", 207)), key: key(kLSP, "y"), want: "label 500 belongs to pseudowire/p"},
		{name: "a label of an LSP for a pseudowire", delta: put(wire("n", 100, 607)), key: key(kPW, "n"), want: "label 100 belongs to lsp/x"},
		{name: "the label moves to a pseudowire", delta: dataplane.Delta{Put: list(wire("n", 100, 607)), Delete: []dataplane.Key{key(kLSP, "x")}}},
		{name: "two LSPs merge", delta: put(swap("y", 101, "east", 200)), key: key(kLSP, "y"), want: "outgoing label 200 on section east is that of lsp/x, and transport paths do not merge"},
		{name: "the same label on another section", delta: put(swap("y", 101, "west", 200))},
		{name: "the same label in an SPME", delta: put(swap("y", 101, "east", 250, 200))},
		{name: "two pseudowires merge", delta: put(wire("n", 510, 600)), key: key(kPW, "n"), want: "outgoing label 600 into group t is that of pseudowire/p"},
		{name: "the same label in another group", delta: put(wire("n", 510, 600, func(p *dataplane.Pseudowire) { p.Out.Group = "u" }))},
		{name: "a merge that ends in the same change", delta: dataplane.Delta{Put: list(swap("y", 101, "east", 200)), Delete: []dataplane.Key{key(kLSP, "x")}}},
		{name: "two branches with one label", delta: put(tree), key: key(kLSP, "y"), want: "outgoing label 210 on section west occurs twice"},
		{name: "explicit nulls do not merge", delta: put(swap("y", 101, "east", 0), swap("z", 102, "east", 0))},
		{name: "a loop of two nodes", delta: put(own, returned), key: key(kLSP, "y"), want: "sent back on section own"},
		{name: "a group that is not there", delta: put(swap("y", 101, "", 200), leg("l", into("none", 9999))), key: key(kLSP, "y"), want: "needs the section"},
		{name: "an LSP into a group that is not there", delta: put(leg("l", into("none", 9999))), key: key(kLSP, "l"), want: "there is no group none"},
		{name: "an LSP into a group of pseudowires", delta: put(leg("l", into("pair", 9999))), key: key(kLSP, "l"), want: "group pair is of pseudowires"},
		{name: "a leg that is not there", delta: put(group("g", "none")), key: key(kGroup, "g"), want: "there is no LSP none"},
		{name: "a leg that does not begin here", delta: put(group("g", "x")), key: key(kGroup, "g"), want: "LSP x does not begin here"},
		{name: "a leg of another group", delta: put(group("g", "t-w")), key: key(kGroup, "g"), want: "LSP t-w is a leg of group/t"},
		{name: "a leg becomes something else", delta: put(swap("t-p", 120, "east", 301)), key: key(kGroup, "t"), want: "LSP t-p does not begin here"},
		{name: "a group in use goes", delta: del(key(kGroup, "u")), key: key(kLSP, "t-w"), want: "there is no group u"},
		{name: "a leg in use goes", delta: del(key(kLSP, "t-p")), key: key(kGroup, "t"), want: "there is no LSP t-p"},
		{name: "a group enters itself through its leg", delta: put(leg("u-w", into("u", 400))), key: key(kLSP, "u-w"), want: "LSP u-w enters group u, leg LSP u-w"},
		{name: "groups enter each other", delta: put(leg("u-w", into("t", 400))), key: key(kLSP, "u-w"), want: "LSP u-w enters group t, leg LSP t-w enters group u, leg LSP u-w"},
		{name: "a selector", delta: put(selects)},
		{name: "a selector of no group", delta: put(func() dataplane.LSP { l := selects; l.Selector = "none"; return l }()), key: key(kLSP, "y"), want: "there is no group none"},
		{name: "a selector of a leg that is not there", delta: put(func() dataplane.LSP { l := selects; l.Selector = "u"; return l }()), key: key(kLSP, "y"), want: "group u has no leg 1"},
		{name: "prefixes of a group and an LSP", delta: put(prefixed, impose("y", "east", 220, "198.51.100.0/24")), key: key(kLSP, "y"), want: "prefix 198.51.100.0/24 belongs to group/t"},
		{name: "an attachment circuit that is taken", delta: put(service("v", "ac0", 10, 0, "free", "free")), key: key(kService, "v"), want: "interface ac0 VLAN 10 belongs to service/s"},
		{name: "the VLAN as S-VLAN", delta: put(nni)},
		{name: "an inner VLAN of a VLAN", delta: put(service("v", "ac0", 10, 7, "free", "free"))},
		{name: "the interface beside its VLANs", delta: put(service("v", "ac0", 0, 0, "free", "free"))},
		{name: "an interface of a section", delta: put(service("v", "eth0", 0, 0, "free", "free")), key: key(kService, "v"), want: "interface eth0 belongs to section/west"},
		{name: "a VLAN of a section's interface", delta: put(service("v", "eth0", 9, 0, "free", "free"))},
		{name: "a section on the VLAN of a service", delta: put(func() dataplane.Section { s := tagged; s.VLAN = 10; return s }()), key: sectionKey("tagged"), want: "interface ac0 VLAN 10 belongs to service/s"},
		{name: "a section on a VLAN with inner circuits", delta: put(func() dataplane.Section { s := tagged; s.VLAN = 20; return s }()), key: sectionKey("tagged"), want: "interface ac0 VLAN 20 belongs to service/red"},
		{name: "an inner circuit on the VLAN of a section", delta: put(func() dataplane.Section { s := section("n", "ac7"); s.VLAN = 20; return s }(), service("v", "ac7", 20, 5, "free", "free")), key: key(kService, "v"), want: "interface ac7 VLAN 20 belongs to section/n"},
		{name: "a pseudowire in two services", delta: put(service("v", "ac1", 0, 0, "p", "p")), key: key(kService, "v"), want: "pseudowire p is used by service/s"},
		{name: "a pseudowire in a service and a switching point", delta: put(service("v", "ac1", 0, 0, "a", "a")), key: key(kService, "v"), want: "pseudowire a is used by switching-point/sp"},
		{name: "a pseudowire of a group in a service of its own", delta: put(service("v", "ac1", 0, 0, "q")), key: key(kService, "v"), want: "pseudowire q is used by service/red"},
		{name: "a pseudowire of a service in a group", delta: put(pair("g", "p", "free")), key: key(kGroup, "g"), want: "pseudowire p is used by service/s"},
		{name: "a pseudowire in two groups", delta: put(pair("g", "q", "free")), key: key(kGroup, "g"), want: "pseudowire q is a leg of group/pair"},
		{name: "a switching point with a leg", delta: dataplane.Delta{Put: list(dataplane.SwitchingPoint{Name: "n", Segments: [2]string{"free", "r"}}), Delete: []dataplane.Key{key(kService, "red")}}, key: key(kSP, "n"), want: "pseudowire r is a leg of group/pair"},
		{name: "a service on a group of LSPs", delta: put(func() dataplane.Service { v := service("v", "ac1", 0, 0, "t"); v.SendGroup = true; return v }()), key: key(kService, "v"), want: "group t is not of pseudowires"},
		{name: "a service on nothing", delta: put(service("v", "ac1", 0, 0, "none")), key: key(kService, "v"), want: "there is no pseudowire none"},
		{name: "a pseudowire in use goes", delta: del(key(kPW, "p")), key: key(kService, "s"), want: "there is no pseudowire p"},
		{name: "a pseudowire of a service stops receiving", delta: put(wire("p", 0, 600)), key: key(kService, "s"), want: "pseudowire p receives nothing"},
		{name: "segments with one control word", delta: put(wire("a", 503, 603, controlWord)), key: key(kSP, "sp"), want: "only one has a control word"},
		{name: "segments with both control words", delta: put(wire("a", 503, 603, controlWord), wire("b", 504, 604, controlWord))},
		{name: "a segment that ends here", delta: put(wire("a", 503, 603, layer3)), key: key(kSP, "sp"), want: "network-layer client"},
		{name: "a segment that cannot send", delta: put(wire("b", 504, 0, func(p *dataplane.Pseudowire) { p.Out = dataplane.NextHop{} })), key: key(kSP, "sp"), want: "pseudowire a receives and b cannot send"},
		{name: "a network-layer client", delta: put(wire("free", 505, 605, layer3), client)},
		{name: "a network-layer client without address", delta: put(wire("free", 505, 605, layer3), service("v", "ac1", 0, 0, "free", "free")), key: key(kService, "v"), want: "needs the Ethernet address"},
		{name: "the address of an Ethernet client", delta: put(client), key: key(kService, "v"), want: "network-layer clients only"},
		{name: "one leg of a pair becomes a network-layer client", delta: put(wire("q", 501, 601, layer3)), want: "of type", key: key(kGroup, "pair")},
		{name: "everything goes at once", delta: del(func() []dataplane.Key {
			var keys []dataplane.Key
			for _, o := range start.Put {
				keys = append(keys, o.Key())
			}
			return keys
		}()...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var set plan.Set
			if err := set.Check(start); err != nil {
				t.Fatalf("Check of the start: %v", err)
			}
			set.Apply(start)
			err := set.Check(c.delta)
			if c.want == "" {
				if err != nil {
					t.Errorf("Check: %v", err)
				}
				return
			}
			oe, ok := errors.AsType[*dataplane.OpError](err)
			if !ok || !strings.Contains(oe.Reason, c.want) || oe.Retry {
				t.Fatalf("Check: got %v, want %s: ...%s...", err, c.key, c.want)
			}
			// Of users that a change breaks, any may be named first.
			if oe.Key != c.key && c.key.Kind != kGroup {
				t.Errorf("Check names %s, want %s", oe.Key, c.key)
			}
		})
	}
}

// TestLimits checks depth on both sides of a change: what is put, and what
// stands upon it.
func TestLimits(t *testing.T) {
	set := plan.Set{Limits: plan.Limits{Groups: 2, Labels: 4, Driver: "small"}}
	via := func(section string, labels ...uint32) dataplane.NextHop {
		h := into("", labels...)
		h.Section = section
		return h
	}
	start := dataplane.Delta{Put: list(section("west", "eth0"),
		leg("u-w", via("west", 400)), group("u", "u-w"),
		leg("t-w", into("u", 300)), group("t", "t-w"), wire("p", 500, 600))}
	if err := set.Check(start); err != nil {
		t.Fatalf("three labels in two groups: %v", err)
	}
	set.Apply(start)
	for _, c := range []struct {
		name string
		put  []dataplane.Object
		want string
	}{
		{"a leg one label deeper", list(leg("u-w", via("west", 401, 400))), ""},
		{"a leg two labels deeper", list(leg("u-w", via("west", 402, 401, 400))), "pseudowire/p: 5 labels are to be imposed with those of groups, the small data plane imposes up to 4"},
		{"a third group", list(leg("s-w", into("t", 200)), group("s", "s-w")), "group/s: 3 groups lie on the way of one packet, the small data plane has up to 2"},
		{"a group below", list(leg("v-w", via("west", 410)), group("v", "v-w"), leg("u-w", into("v", 400))), "3 groups lie on the way"},
		{"too many by itself", list(swap("x", 100, "west", 1001, 1002, 1003, 1004, 1005)), "lsp/x: 5 labels are to be imposed, the small"},
		{"as many as there may be", list(swap("x", 100, "west", 1001, 1002, 1003, 1004)), ""},
	} {
		err := set.Check(dataplane.Delta{Put: c.put})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
