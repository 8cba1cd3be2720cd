// Package alarm keeps the alarm list, its summary and the alarm inventory of
// RFC 8632 and sends the alarm notifications.
package alarm

import (
	"time"

	"github.com/tandem-ne/tandem/server/tree"
)

// Severity of an alarm that is not cleared (RFC 8632 section 4.3).
type Severity string

// The severities, least severe first.
const (
	Indeterminate Severity = "indeterminate"
	Warning       Severity = "warning"
	Minor         Severity = "minor"
	Major         Severity = "major"
	Critical      Severity = "critical"
)

// ID identifies an alarm: the same resource, type and qualifier are the same alarm.
type ID struct {
	Resource  tree.Path
	TypeID    string // identity, "mtp-alarms:loss-of-continuity"
	Qualifier string // empty for most types
}

// Alarm is a report that an alarm is active.
type Alarm struct {
	ID
	Severity Severity  // the type's default where empty
	Text     string    // alarm-text, never empty
	Time     time.Time // of the event; now where zero
}
