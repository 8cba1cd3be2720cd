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
	reasons
)

// String returns the name as DropCounters shows it.
func (r Reason) String() string {
	return [...]string{
		"", "foreign-mac", "unknown-label", "ttl-expired", "special-label", "extension-label", "entropy-label", "unknown-payload",
		"blocked", "not-selected", "section-down", "group-down", "lsp-down", "malformed",
	}[r]
}

// IndexTTL is the index of the action of kind mpls that takes one off the TTL
// of every packet and drops those that have expired.
const IndexTTL = 0x54500001

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
