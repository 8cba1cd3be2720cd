package dataplane

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Limits of the values in objects.
const (
	// MinLabel and MaxLabel bound the labels of LSPs and pseudowires; 0 to 15
	// are special (RFC 3032 section 2.1, RFC 7274).
	MinLabel = 16
	MaxLabel = 1<<20 - 1
	// MaxVLAN is the highest VLAN identifier (IEEE 802.1Q).
	MaxVLAN = 4094
	// MaxInterfaceName is IFNAMSIZ less the terminating zero.
	MaxInterfaceName = 15
)

// Special-purpose labels (RFC 7274 section 5).
const (
	ExplicitNullIPv4 = 0
	RouterAlert      = 1
	ExplicitNullIPv6 = 2
	ImplicitNull     = 3 // Never on the wire.
	EntropyIndicator = 7 // ELI, RFC 6790.
	GAL              = 13
	ExtensionLabel   = 15 // XL: an extended special-purpose label follows.
)

// MulticastMAC is the MPLS-TP point-to-point Ethernet address, RFC 7213
// section 4.
func MulticastMAC() MAC { return MAC{0x01, 0x00, 0x5e, 0x90, 0x00, 0x00} }

// String prints the address in the canonical form of RFC 7042, lower case with
// colons.
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// OrMulticast returns m, or the MPLS-TP multicast address if m is zero.
func (m MAC) OrMulticast() MAC {
	if m == (MAC{}) {
		return MulticastMAC()
	}
	return m
}

// String returns the name in mpls-operations-type (RFC 8960).
func (o Operation) String() string {
	switch o {
	case ImposeAndForward:
		return "impose-and-forward"
	case SwapAndForward:
		return "swap-and-forward"
	case PopAndForward:
		return "pop-and-forward"
	case PopImposeAndForward:
		return "pop-impose-and-forward"
	case PopAndLookup:
		return "pop-and-lookup"
	}
	return fmt.Sprintf("operation(%d)", uint8(o))
}

// String returns "pipe" or "short-pipe".
func (m TTLMode) String() string {
	switch m {
	case Pipe:
		return "pipe"
	case ShortPipe:
		return "short-pipe"
	}
	return fmt.Sprintf("ttl-mode(%d)", uint8(m))
}

// String returns the verb as plans print it.
func (v Verb) String() string {
	switch v {
	case Put:
		return "put"
	case Delete:
		return "delete"
	}
	return fmt.Sprintf("verb(%d)", uint8(v))
}

// String returns the name of the event.
func (k EventKind) String() string {
	switch k {
	case LinkUp:
		return "link-up"
	case LinkDown:
		return "link-down"
	case LinkChanged:
		return "link-changed"
	case Drift:
		return "drift"
	}
	return fmt.Sprintf("event(%d)", uint8(k))
}

// Key returns section/NAME.
func (s Section) Key() Key { return Key{Kind: KindSection, Name: s.Name} }

// Equal reports whether o is the same section with the same forwarding. A zero
// PeerMAC equals the multicast address it stands for.
func (s Section) Equal(o Object) bool {
	t, ok := o.(Section)
	if !ok {
		return false
	}
	s.PeerMAC, t.PeerMAC = s.PeerMAC.OrMulticast(), t.PeerMAC.OrMulticast()
	return s == t
}

// String prints the section on one line.
func (s Section) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s dev %s", s.Key(), s.Interface)
	if s.VLAN != 0 {
		fmt.Fprintf(&b, " vlan %d", s.VLAN)
	}
	fmt.Fprintf(&b, " peer %s", s.PeerMAC.OrMulticast())
	if s.InterfaceLabelSpace {
		b.WriteString(" space interface")
	}
	if q := s.Queues; q.Enabled {
		b.WriteString(" queues")
		if q.Rate != 0 {
			fmt.Fprintf(&b, " rate %d", q.Rate)
		}
		if q.Weights != [8]uint16{} {
			fmt.Fprintf(&b, " weights %s", strings.Trim(strings.ReplaceAll(fmt.Sprint(q.Weights), " ", ","), "[]"))
		}
	}
	s.Condition.print(&b)
	printDown(&b, s.Down)
	return b.String()
}

// Key returns lsp/NAME.
func (l LSP) Key() Key { return Key{Kind: KindLSP, Name: l.Name} }

// Equal reports whether o is the same LSP with the same forwarding. The order
// of prefixes does not matter; a TTL of 0 equals the 255 it stands for.
func (l LSP) Equal(o Object) bool {
	m, ok := o.(LSP)
	if !ok || l.Name != m.Name || l.Op != m.Op || l.InLabel != m.InLabel || l.InSection != m.InSection ||
		l.TTLMode != m.TTLMode || l.Down != m.Down || l.Bud != m.Bud || l.EntropyLabel != m.EntropyLabel ||
		l.Selector != m.Selector || l.SelectorLeg != m.SelectorLeg || l.Condition != m.Condition ||
		!sameValue(l.Class, m.Class) || !l.Out.equal(m.Out) || len(l.Branches) != len(m.Branches) {
		return false
	}
	return sameBranches(l.Branches, m.Branches) && samePrefixes(l.Prefixes, m.Prefixes)
}

func (n NextHop) equal(m NextHop) bool {
	return n.Section == m.Section && n.Group == m.Group &&
		slices.EqualFunc(n.Stack, m.Stack, func(a, b LabelEntry) bool { return a.effective() == b.effective() })
}

// sameBranches compares as sets.
func sameBranches(a, b []Branch) bool {
	for _, x := range a {
		i := slices.IndexFunc(b, func(y Branch) bool { return x.Name == y.Name })
		if i < 0 || !x.equal(b[i].NextHop) {
			return false
		}
	}
	return true
}

// samePrefixes compares as sets; short lists, the usual case, without memory.
func samePrefixes(a, b []netip.Prefix) bool {
	if slices.Equal(a, b) {
		return true
	}
	if len(a) != len(b) {
		return false
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, netip.Prefix.Compare)
	slices.SortFunc(b, netip.Prefix.Compare)
	return slices.Equal(a, b)
}

// String prints the LSP on one line, in the manner of "ip -f mpls route":
// "lsp/x swap-and-forward in 100 out 200/300 via west".
func (l LSP) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", l.Key(), l.Op)
	if l.InLabel != 0 {
		fmt.Fprintf(&b, " in %d", l.InLabel)
	}
	if l.InSection != "" {
		fmt.Fprintf(&b, "@%s", l.InSection)
	}
	printPrefixes(&b, l.Prefixes)
	l.Out.print(&b)
	for _, br := range l.Branches {
		fmt.Fprintf(&b, " branch %s", br.Name)
		br.NextHop.print(&b)
	}
	if l.Bud {
		b.WriteString(" bud")
	}
	if l.TTLMode != Pipe {
		fmt.Fprintf(&b, " %s", l.TTLMode)
	}
	if l.Class != nil {
		fmt.Fprintf(&b, " class %d", *l.Class)
	}
	if l.EntropyLabel {
		b.WriteString(" entropy-label")
	}
	if l.Selector != "" {
		fmt.Fprintf(&b, " selector %s leg %d", l.Selector, l.SelectorLeg)
	}
	l.Condition.print(&b)
	printDown(&b, l.Down)
	return b.String()
}

// print prints labels and where they go: " out 200/300 via west", " out 500 via
// group t".
func (n NextHop) print(b *strings.Builder) {
	for i, e := range n.Stack {
		if i == 0 {
			b.WriteString(" out ")
		} else {
			b.WriteByte('/')
		}
		b.WriteString(e.String())
	}
	if n.Section != "" {
		fmt.Fprintf(b, " via %s", n.Section)
	}
	if n.Group != "" {
		fmt.Fprintf(b, " via group %s", n.Group)
	}
}

func printPrefixes(b *strings.Builder, prefixes []netip.Prefix) {
	for i, p := range prefixes {
		if i == 0 {
			b.WriteString(" for ")
		} else {
			b.WriteByte(',')
		}
		b.WriteString(p.String())
	}
}

// effective returns e with its defaults written out, for comparison.
func (e LabelEntry) effective() LabelEntry {
	e.TTL = e.EffectiveTTL()
	if !e.HasTC {
		e.TC = 0
	}
	return e
}

// EffectiveTTL is the TTL that an imposed label gets: 255 where none is
// configured.
func (e LabelEntry) EffectiveTTL() uint8 {
	if e.TTL == 0 {
		return 255
	}
	return e.TTL
}

// String prints the label, with "ttl" and "tc" where they are not the default:
// "200", "200(ttl 9,tc 5)".
func (e LabelEntry) String() string {
	var extra []string
	if e.EffectiveTTL() != 255 {
		extra = append(extra, fmt.Sprintf("ttl %d", e.TTL))
	}
	if e.HasTC {
		extra = append(extra, fmt.Sprintf("tc %d", e.TC))
	}
	if extra == nil {
		return fmt.Sprint(e.Label)
	}
	return fmt.Sprintf("%d(%s)", e.Label, strings.Join(extra, ","))
}
