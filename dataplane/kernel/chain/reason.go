package chain

// Reason is why a packet that belongs to no object is dropped.
type Reason uint8

// The reasons.
const (
	NotOurs Reason = iota + 1
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
	reasons
)

// String returns the name as DropCounters shows it.
func (r Reason) String() string {
	return [...]string{
		"", "not-for-us", "no-label", "ttl-expired", "special-label", "extension-label", "entropy-label", "unknown-payload",
		"blocked", "not-selected", "section-down", "group-down", "lsp-down", "malformed",
		"too-long", "pseudowire-down", "service-down", "control-word", "payload-too-long", "vlan-mismatch", "no-attachment", "policed",
	}[r]
}

// Reasons calls f with every reason and the index of its counting action.
func Reasons(f func(index uint32, name string)) {
	for r := NotOurs; r < reasons; r++ {
		f(indexReason+uint32(r), r.String())
	}
}
