package dataplane

import (
	"fmt"
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

// fault returns what is wrong with s, "" if nothing is.
func (s Section) fault() string {
	switch {
	case s.Name == "" || strings.HasPrefix(s.Name, "?"):
		return fmt.Sprintf("%q cannot be the name of a section", s.Name)
	case s.Interface == "" || len(s.Interface) > MaxInterfaceName || strings.ContainsAny(s.Interface, "/ \t\n") || s.Interface == "." || s.Interface == "..":
		return fmt.Sprintf("%q cannot be the name of an interface", s.Interface)
	case s.VLAN > MaxVLAN:
		return fmt.Sprintf("VLAN %d is outside 1..%d", s.VLAN, MaxVLAN)
	case s.PeerMAC[0]&1 != 0 && s.PeerMAC != MulticastMAC():
		return fmt.Sprintf("peer address %s is a group address; only %s may be used (RFC 7213 section 4)", s.PeerMAC, MulticastMAC())
	}
	return ""
}

// fault returns what is wrong with l, "" if nothing is.
func (l LSP) fault() string {
	switch {
	case l.Name == "" || strings.HasPrefix(l.Name, "?"):
		return fmt.Sprintf("%q cannot be the name of an LSP", l.Name)
	case l.Op < ImposeAndForward || l.Op > PopAndLookup:
		return fmt.Sprintf("there is no operation %d", uint8(l.Op))
	case l.TTLMode > ShortPipe:
		return fmt.Sprintf("there is no TTL mode %d", uint8(l.TTLMode))
	}
	if l.Op == ImposeAndForward {
		if l.InLabel != 0 || l.InSection != "" {
			return l.Op.String() + " takes no incoming label"
		}
		for _, p := range l.Prefixes {
			if !p.IsValid() || p != p.Masked() {
				return fmt.Sprintf("prefix %s has bits set behind its length", p)
			}
		}
	} else {
		if l.InLabel < MinLabel || l.InLabel > MaxLabel {
			return fmt.Sprintf("incoming label %d is outside %d..%d", l.InLabel, MinLabel, MaxLabel)
		}
		if len(l.Prefixes) != 0 {
			return l.Op.String() + " takes no prefixes"
		}
	}
	return l.faultOut()
}

// faultOut checks the next hop against the operation.
func (l LSP) faultOut() string {
	n := len(l.Out.Stack)
	switch l.Op {
	case PopAndLookup:
		if l.Out.Section != "" || n != 0 {
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
	if l.Out.Section == "" {
		return l.Op.String() + " needs the section to send on"
	}
	for _, e := range l.Out.Stack {
		if e.Label < MinLabel || e.Label > MaxLabel {
			return fmt.Sprintf("outgoing label %d is outside %d..%d", e.Label, MinLabel, MaxLabel)
		}
		if e.TC > 7 {
			return fmt.Sprintf("traffic class %d is outside 0..7", e.TC)
		}
	}
	return ""
}
