package dataplane

import (
	"fmt"
	"net/netip"
	"strings"
)

// Validate checks one object by itself: ranges, and what its operation needs
// and forbids. References and conflicts between objects are checked by plan.Set.
// The error is an *OpError with Retry false.
func Validate(o Object) error {
	var reason string
	switch o := o.(type) {
	case Section:
		reason = o.fault()
	case LSP:
		reason = o.fault()
	case Group:
		reason = o.fault()
	case Pseudowire:
		reason = o.fault()
	case Service:
		reason = o.fault()
	case SwitchingPoint:
		reason = o.fault()
	case nil:
		return &OpError{Reason: "no object"}
	default:
		reason = fmt.Sprintf("a data plane does not know objects of type %T", o)
	}
	if reason == "" {
		return nil
	}
	return &OpError{Key: o.Key(), Reason: reason}
}

// faultOfName returns what is wrong with the name of an object; names that
// begin with "?" are those of Dump.
func faultOfName(name, what string) string {
	if name == "" || strings.HasPrefix(name, "?") {
		return fmt.Sprintf("%q cannot be the name of %s", name, what)
	}
	return ""
}

func faultOfInterface(name string) string {
	if name == "" || len(name) > MaxInterfaceName || strings.ContainsAny(name, "/ \t\n") || name == "." || name == ".." {
		return fmt.Sprintf("%q cannot be the name of an interface", name)
	}
	return ""
}

func faultOfVLAN(vlan uint16) string {
	if vlan > MaxVLAN {
		return fmt.Sprintf("VLAN %d is outside 1..%d", vlan, MaxVLAN)
	}
	return ""
}

// first returns the first fault.
func first(faults ...string) string {
	for _, f := range faults {
		if f != "" {
			return f
		}
	}
	return ""
}

// fault returns what is wrong with s, "" if nothing is.
func (s Section) fault() string {
	if f := first(faultOfName(s.Name, "a section"), faultOfInterface(s.Interface), faultOfVLAN(s.VLAN)); f != "" {
		return f
	}
	if s.PeerMAC[0]&1 != 0 && s.PeerMAC != MulticastMAC() {
		return fmt.Sprintf("peer address %s is a group address; only %s may be used (RFC 7213 section 4)", s.PeerMAC, MulticastMAC())
	}
	if !s.Queues.Enabled && s.Queues != (Queues{}) {
		return "queues have a rate or weights and are not enabled"
	}
	if s.Loop != "" {
		return "a section cannot be looped"
	}
	return ""
}

// fault returns what is wrong with l, "" if nothing is.
func (l LSP) fault() string {
	if f := faultOfName(l.Name, "an LSP"); f != "" {
		return f
	}
	switch {
	case l.Op < ImposeAndForward || l.Op > PopAndLookup:
		return fmt.Sprintf("there is no operation %d", uint8(l.Op))
	case l.TTLMode > ShortPipe:
		return fmt.Sprintf("there is no TTL mode %d", uint8(l.TTLMode))
	case l.Class != nil && *l.Class > 7:
		return fmt.Sprintf("traffic class %d of an L-LSP is outside 0..7", *l.Class)
	}
	return first(l.faultIn(), l.faultOut(), l.faultExtra(), l.Condition.fault())
}

// faultIn checks what enters against the operation.
func (l LSP) faultIn() string {
	if l.Op == ImposeAndForward {
		if l.InLabel != 0 || l.InSection != "" {
			return l.Op.String() + " takes no incoming label"
		}
		return faultOfPrefixes(l.Prefixes)
	}
	if l.InLabel < MinLabel || l.InLabel > MaxLabel {
		return fmt.Sprintf("incoming label %d is outside %d..%d", l.InLabel, MinLabel, MaxLabel)
	}
	if len(l.Prefixes) != 0 {
		return l.Op.String() + " takes no prefixes"
	}
	return ""
}

func faultOfPrefixes(prefixes []netip.Prefix) string {
	for _, p := range prefixes {
		if !p.IsValid() || p != p.Masked() {
			return fmt.Sprintf("prefix %s has bits set behind its length", p)
		}
	}
	return ""
}

// faultOut checks the next hop, or those of the branches, against the
// operation.
func (l LSP) faultOut() string {
	if len(l.Branches) == 0 {
		return l.faultHop(l.Out)
	}
	if l.Op == PopAndLookup {
		return l.Op.String() + " has no branches"
	}
	if l.Out.Section != "" || l.Out.Group != "" || len(l.Out.Stack) != 0 {
		return "an LSP with branches has no next hop beside them"
	}
	names := make(map[string]bool, len(l.Branches))
	for _, b := range l.Branches {
		if b.Name == "" {
			return "a branch has no name"
		}
		if names[b.Name] {
			return fmt.Sprintf("branch %s occurs twice", b.Name)
		}
		names[b.Name] = true
		if f := l.faultHop(b.NextHop); f != "" {
			return fmt.Sprintf("branch %s: %s", b.Name, f)
		}
	}
	return ""
}

func (l LSP) faultHop(h NextHop) string {
	switch n := len(h.Stack); l.Op {
	case PopAndLookup:
		if h.Section != "" || h.Group != "" || n != 0 {
			return l.Op.String() + " has no next hop"
		}
		return ""
	case PopAndForward:
		if n != 0 {
			return l.Op.String() + " imposes no label"
		}
	default:
		if n == 0 {
			return l.Op.String() + " needs an outgoing label"
		}
	}
	return first(h.fault(l.Op.String(), true), l.faultNull(h))
}

// faultNull refuses an explicit null that contradicts the clients of the LSP.
func (l LSP) faultNull(h NextHop) string {
	if len(h.Stack) == 0 {
		return ""
	}
	null := h.Stack[len(h.Stack)-1].Label
	for _, p := range l.Prefixes {
		if null == ExplicitNullIPv4 && p.Addr().Is6() || null == ExplicitNullIPv6 && p.Addr().Is4() {
			return fmt.Sprintf("explicit null %d is not that of prefix %s (RFC 3032 section 2.1)", null, p)
		}
	}
	return ""
}

// fault returns what is wrong with a next hop that must lead somewhere. null
// tells whether the lowest label may be an explicit null.
func (h NextHop) fault(who string, null bool) string {
	if h.Section == "" && h.Group == "" {
		return who + " needs the section to send on, or the group to enter"
	}
	if h.Section != "" && h.Group != "" {
		return fmt.Sprintf("%s cannot send on section %s and enter group %s", who, h.Section, h.Group)
	}
	for i, e := range h.Stack {
		special := e.Label == ExplicitNullIPv4 || e.Label == ExplicitNullIPv6
		if special && null && i == len(h.Stack)-1 {
			special = false
		} else {
			special = e.Label < MinLabel
		}
		if special || e.Label > MaxLabel {
			return fmt.Sprintf("outgoing label %d is outside %d..%d", e.Label, MinLabel, MaxLabel)
		}
		if e.TC > 7 {
			return fmt.Sprintf("traffic class %d is outside 0..7", e.TC)
		}
	}
	return ""
}

// faultExtra checks what only some operations can have.
func (l LSP) faultExtra() string {
	switch {
	case l.Bud && len(l.Branches) == 0:
		return "a bud node has branches as well"
	case l.Bud && l.Op == ImposeAndForward:
		return "a bud node needs an incoming label, " + l.Op.String() + " has none"
	case l.EntropyLabel && l.Op != ImposeAndForward:
		return "an entropy label is put in where IP clients enter, " + l.Op.String() + " imposes none"
	case l.EntropyLabel && len(l.Branches) != 0:
		return "an entropy label has no use on a point-to-multipoint LSP"
	case l.Selector != "" && l.Op != PopAndLookup:
		return "a selector is at the end of an LSP, " + l.Op.String() + " is not"
	case l.Selector == "" && l.SelectorLeg != 0:
		return fmt.Sprintf("leg %d of no selector", l.SelectorLeg)
	case l.SelectorLeg > 1:
		return fmt.Sprintf("selector leg %d is outside 0..1", l.SelectorLeg)
	}
	return ""
}

func (c Condition) fault() string {
	if strings.HasPrefix(c.Loop, "?") {
		return fmt.Sprintf("cannot loop into %q", c.Loop)
	}
	return ""
}

// fault returns what is wrong with g, "" if nothing is.
func (g Group) fault() string {
	if f := faultOfName(g.Name, "a group"); f != "" {
		return f
	}
	switch n := len(g.Legs); {
	case n == 0:
		return "a group needs a leg"
	case n > 2:
		return fmt.Sprintf("a group has at most two legs, not %d", n)
	case n == 2 && g.Legs[0] == g.Legs[1]:
		return fmt.Sprintf("%s is both legs of the group", g.Legs[0])
	case int(g.Active) >= n:
		return fmt.Sprintf("leg %d cannot be active, the group has %d", g.Active, n)
	case g.Permanent && n != 2:
		return "a permanent bridge needs two legs"
	case g.Pseudowires && len(g.Prefixes) != 0:
		return "a group of pseudowires takes no prefixes"
	}
	for _, l := range g.Legs {
		if f := faultOfName(l, "a leg"); f != "" {
			return f
		}
	}
	return faultOfPrefixes(g.Prefixes)
}
