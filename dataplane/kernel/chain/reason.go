package chain

import "github.com/tandem-ne/tandem/dataplane/kernel/mplsnl"

// Reason is why a packet that belongs to no object is dropped.
type Reason uint8

// The reasons.
const (
	ForeignMAC Reason = iota + 1
	NoLabel
	TTLZero
	SpecialLabel
	ExtensionLabel
	EntropyLabel
	NotIP
	Blocked
	NotSelected
	SectionDown
	GroupDown
	LSPDown
	Malformed
	TooLong
	PseudowireDown
	ServiceDown
	ControlWord
	PayloadTooLong
	VLANMismatch
	NoAttachment
	Policed
	Runt
	reasons
)

// String returns the name as DropCounters shows it.
func (r Reason) String() string {
	return [...]string{
		"", "foreign-mac", "unknown-label", "ttl-expired", "special-label", "extension-label", "entropy-label", "unknown-payload",
		"blocked", "not-selected", "section-down", "group-down", "lsp-down", "malformed",
		"too-long", "pseudowire-down", "service-down", "control-word", "payload-too-long", "vlan-mismatch", "no-attachment", "policed", "runt",
	}[r]
}

// IndexTTL is the index of the action of kind mpls that takes one off the TTL
// of every packet and drops those that have expired.
const IndexTTL = 0x54500001

// IndexTag is the index of the action of kind vlan that takes tags off client
// frames first: what it drops is cut short.
const IndexTag = 0x54500002

// Reasons calls f with every reason and the indices of its counting actions.
func Reasons(f func(index uint32, name string)) {
	for r := ForeignMAC; r < reasons; r++ {
		f(indexReason+uint32(r), r.String())
		f(indexNote+uint32(r), r.String())
	}
}

// noting counts the end of a copy; the packet goes on. An action of an index
// has one verdict, so it is another one than that of dropping.
func noting(r Reason) mplsnl.Action { return counting(indexNote + uint32(r)) }

// notes counts the ways that are down, from the one on, of what has others.
func (c *Compiled) notes(from int) []mplsnl.Action {
	var all []mplsnl.Action
	for _, r := range c.dead[min(from, len(c.dead)):] {
		all = append(all, noting(r))
	}
	return all
}

// ends drops what has no way that is not down: as many as have been tried, from
// the one on, are counted.
func (c *Compiled) ends(from int) []mplsnl.Action {
	if len(c.dead) <= from {
		return []mplsnl.Action{dropping(GroupDown)} // A group without legs.
	}
	all := c.notes(from)
	all[len(all)-1] = dropping(c.dead[len(c.dead)-1])
	return all
}

// notes is a filter that no packet meets and that has all noting actions. A
// filter may note one reason twice; the kernel never ends making an action that
// it finds twice in one request, unless it is there already.
func notes() mplsnl.Filter {
	f := mplsnl.Filter{
		Block: Ingress, Chain: chainRecord, Pref: 2, Protocol: mplsnl.EtherMPLS, Handle: 1, Match: mplsnl.Match{Kind: mplsnl.Flower},
	}
	for r := ForeignMAC; r < reasons; r++ {
		f.Actions = append(f.Actions, noting(r))
	}
	return f
}
