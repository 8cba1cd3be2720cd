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
	ControlWord
	SectionDown
	GroupDown
	PayloadTooLong
	Policed
	PseudowireDown
	ServiceDown
	reasons
)

// String returns the name as DropCounters shows it.
func (r Reason) String() string {
	return [...]string{
		"", "not-for-us", "no-label", "ttl-expired", "special-label", "extension-label", "entropy-label", "not-ip",
		"blocked", "not-selected", "control-word", "section-down", "group-down", "payload-too-long", "policed",
		"pseudowire-down", "service-down",
	}[r]
}

// Reasons calls f with every reason and the index of its counting action.
func Reasons(f func(index uint32, name string)) {
	for r := NotOurs; r < reasons; r++ {
		f(indexReason+uint32(r), r.String())
	}
}
