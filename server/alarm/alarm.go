// Package alarm keeps the alarm list, its summary and the alarm inventory of
// RFC 8632 and sends the alarm notifications.
package alarm

import (
	"container/list"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
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

func severities() []Severity { return []Severity{Indeterminate, Warning, Minor, Major, Critical} }

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

const (
	// maxStatusChanges is the default of max-alarm-status-changes, RFC 8632
	// section 5; the older changes of an alarm are forgotten.
	maxStatusChanges = 32
	// maxCleared bounds the cleared alarms in the list. The one that has been
	// cleared for the longest time goes first, as RFC 8632 section 4.5 allows.
	maxCleared = 1000
)

// List is the alarm list of the element. It is safe for concurrent use, and its
// changes reach the hub in their order.
type List struct {
	hub   *oper.Hub
	now   func() time.Time
	model *model
	types map[string]Type

	mu      sync.Mutex
	alarms  map[string]*entry
	cleared *list.List // of *entry, the one cleared first at the front
	counts  map[Severity]*count
}

// entry is one alarm of the list.
type entry struct {
	key      string
	id       schema.Value // alarm-type-id
	path     tree.Path    // in the alarm list
	keys     [3]schema.Value
	severity Severity
	text     string
	active   bool
	changed  time.Time
	changes  []time.Time // of status-change, the oldest first
	element  *list.Element
}

// count is one line of the summary.
type count struct{ active, cleared uint32 }

// New makes an empty list of the alarm types in Types and publishes it. The
// schema must have the modules ietf-alarms and mtp-alarms. now is time.Now where
// nil.
func New(hub *oper.Hub, s *schema.Schema, now func() time.Time) (*List, error) {
	if now == nil {
		now = time.Now
	}
	m, err := newModel(s)
	if err != nil {
		return nil, fmt.Errorf("alarm: %w", err)
	}
	l := &List{
		hub: hub, now: now, model: m, types: make(map[string]Type),
		alarms: make(map[string]*entry), cleared: list.New(), counts: make(map[Severity]*count),
	}
	at := now()
	edits := m.total(0, at)
	for _, sev := range severities() {
		l.counts[sev] = &count{}
		edits = append(edits, m.summary(sev, *l.counts[sev])...)
	}
	for _, t := range Types() {
		inventory, err := m.inventory(t)
		if err != nil {
			return nil, fmt.Errorf("alarm: %w", err)
		}
		l.types[t.ID] = t
		edits = append(edits, inventory...)
	}
	if err := hub.Publish(at, edits); err != nil {
		return nil, fmt.Errorf("alarm: %w", err)
	}
	return l, nil
}

// Raise reports that an alarm is active. A repeated report that says nothing new
// changes nothing. The error says that the report makes no sense: its type is
// not in Types, its severity is none of the type's, or its text is empty.
func (l *List) Raise(a Alarm) error {
	t, ok := l.types[a.TypeID]
	if !ok {
		return fmt.Errorf("alarm: %q is no alarm type of the element", a.TypeID)
	}
	if a.Severity == "" {
		a.Severity = t.Severity
	}
	if !slices.Contains(t.Levels, a.Severity) {
		return fmt.Errorf("alarm: %s cannot have the severity %q", a.TypeID, a.Severity)
	}
	if a.Text == "" {
		return fmt.Errorf("alarm: a report of %s has no text", a.TypeID)
	}
	if len(a.Resource) == 0 {
		return fmt.Errorf("alarm: a report of %s has no resource", a.TypeID)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	k := a.ID.key()
	e := l.alarms[k]
	if e != nil && e.active && e.severity == a.Severity && e.text == a.Text {
		return nil
	}
	at := l.eventTime(e, a.Time)
	var edits []tree.Edit
	if e == nil {
		var err error
		if e, err = l.model.entry(a.ID); err != nil {
			return fmt.Errorf("alarm: %w", err)
		}
		e.key = k
		l.alarms[k] = e
		e.set(a, at)
		l.counts[e.severity].active++
		edits = append(edits, l.model.create(e), l.model.count(len(l.alarms)))
		edits = append(edits, l.model.summary(e.severity, *l.counts[e.severity])...)
	} else {
		raised := !e.active
		touched := l.uncount(e)
		if raised {
			l.cleared.Remove(e.element)
		}
		e.set(a, at)
		l.counts[e.severity].active++
		edits = append(l.model.update(e, raised), l.summaries(touched, e.severity)...)
		edits = append(edits, e.trim(l.model)...)
	}
	return l.publish(e, at, edits)
}

// Clear reports that an alarm is no longer active. An alarm that is not in the
// list, or cleared already, stays as it is. t is now where zero.
func (l *List) Clear(id ID, t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.alarms[id.key()]
	if e == nil || !e.active {
		return nil
	}
	at := l.eventTime(e, t)
	touched := l.uncount(e)
	e.active = false
	e.changed = at
	e.changes = append(e.changes, at)
	l.counts[e.severity].cleared++
	e.element = l.cleared.PushBack(e)
	edits := append(l.model.update(e, false), l.summaries(touched, e.severity)...)
	edits = append(edits, e.trim(l.model)...)
	if l.cleared.Len() > maxCleared {
		edits = append(edits, l.forget(l.cleared.Front().Value.(*entry))...)
	}
	return l.publish(e, at, edits)
}

// forget takes a cleared alarm out of the list.
func (l *List) forget(e *entry) []tree.Edit {
	l.cleared.Remove(e.element)
	delete(l.alarms, e.key)
	l.counts[e.severity].cleared--
	edits := []tree.Edit{{Op: tree.Remove, Path: e.path}, l.model.count(len(l.alarms))}
	return append(edits, l.model.summary(e.severity, *l.counts[e.severity])...)
}

func (l *List) publish(e *entry, at time.Time, edits []tree.Edit) error {
	edits = append(edits, l.model.lastChanged(at))
	if err := l.hub.Publish(at, edits); err != nil {
		return fmt.Errorf("alarm: %w", err)
	}
	l.hub.Notify(at, l.model.notification(e), nil)
	return nil
}

// eventTime returns t, or the next time after the alarm's latest change: the
// times of an alarm's changes differ and their order is that of the reports.
func (l *List) eventTime(e *entry, t time.Time) time.Time {
	if t.IsZero() {
		t = l.now()
	}
	t = t.UTC().Truncate(time.Microsecond)
	if e != nil && !t.After(e.changed) {
		t = e.changed.Add(time.Microsecond)
	}
	return t
}

func (l *List) uncount(e *entry) Severity {
	if e.active {
		l.counts[e.severity].active--
	} else {
		l.counts[e.severity].cleared--
	}
	return e.severity
}

func (l *List) summaries(before, after Severity) []tree.Edit {
	edits := l.model.summary(after, *l.counts[after])
	if before != after {
		edits = append(edits, l.model.summary(before, *l.counts[before])...)
	}
	return edits
}

func (e *entry) set(a Alarm, at time.Time) {
	e.active, e.severity, e.text, e.changed = true, a.Severity, a.Text, at
	e.changes = append(e.changes, at)
}

// trim forgets the oldest status change beyond the bound.
func (e *entry) trim(m *model) []tree.Edit {
	if len(e.changes) <= maxStatusChanges {
		return nil
	}
	oldest := e.changes[0]
	e.changes = slices.Delete(e.changes, 0, 1)
	return m.dropChange(e, oldest)
}

func (id ID) key() string {
	return id.TypeID + "\x00" + id.Qualifier + "\x00" + id.Resource.String()
}
