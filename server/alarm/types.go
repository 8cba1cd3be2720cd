package alarm

// Type is one kind of alarm that the element can report (RFC 8632 section 4.4).
type Type struct {
	ID string // identity, "module:name"
	// Qualifiers are those known beforehand; none stands for the empty one.
	Qualifiers []string
	Severity   Severity   // where a report gives none
	Levels     []Severity // all that reports can have, Severity among them
}

// Types returns the alarm types of module mtp-alarms. Each of them clears when
// its cause is gone. The severities follow what an operator has to do: traffic
// that is lost at once is critical, protection that no longer protects is major,
// a consequence of a fault that has its own alarm elsewhere is minor or warning.
func Types() []Type {
	return []Type{
		{ID: "mtp-alarms:loss-of-continuity", Severity: Critical, Levels: []Severity{Major, Critical}},
		{ID: "mtp-alarms:mis-connectivity", Severity: Critical, Levels: []Severity{Critical}},
		{ID: "mtp-alarms:period-misconfiguration", Severity: Minor, Levels: []Severity{Minor}},
		{ID: "mtp-alarms:unexpected-encapsulation", Severity: Minor, Levels: []Severity{Minor}},
		{ID: "mtp-alarms:server-signal-fail", Severity: Minor, Levels: []Severity{Minor}},
		{ID: "mtp-alarms:locked", Severity: Warning, Levels: []Severity{Warning}},
		{ID: "mtp-alarms:remote-defect-indication", Severity: Minor, Levels: []Severity{Minor}},
		{ID: "mtp-alarms:client-signal-fail", Severity: Minor, Levels: []Severity{Minor}},
		{ID: "mtp-alarms:protection-protocol-failure", Qualifiers: []string{"cm", "nr", "to"}, Severity: Major, Levels: []Severity{Major}},
		{ID: "mtp-alarms:pseudowire-fault", Severity: Major, Levels: []Severity{Minor, Major}},
		{ID: "mtp-alarms:pseudowire-mtu", Severity: Major, Levels: []Severity{Major}},
		{ID: "mtp-alarms:data-plane-mismatch", Severity: Major, Levels: []Severity{Warning, Major}},
		{ID: "mtp-alarms:ttl-expiry-storm", Severity: Major, Levels: []Severity{Major}},
		{ID: "mtp-alarms:label-space-exhausted", Severity: Warning, Levels: []Severity{Warning}},
	}
}
