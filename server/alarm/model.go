package alarm

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// timeFormat is a date-and-time (RFC 6991) in UTC; its order is that of time.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// model holds the nodes of ietf-alarms. Those of a feature that is not
// supported are nil, and nothing is published for them.
type model struct {
	schema                                 *schema.Schema
	listPath                               tree.Path // /alarms/alarm-list
	alarm, change                          *schema.Node
	number, last                           *schema.Node
	summaryPath, inventoryPath             tree.Path
	summaryList, inventoryList, notifyNode *schema.Node
}

// Module makes the model resolve the module names in values.
func (m *model) Module(name string) *schema.Module { return m.schema.Module(name) }

func newModel(s *schema.Schema) (*model, error) {
	m := &model{schema: s}
	path := func(text string) (tree.Path, *schema.Node) {
		n, err := s.Find(text)
		if err != nil {
			return nil, nil
		}
		var p tree.Path
		for at := n; at.Parent != nil; at = at.Parent {
			p = append(tree.Path{{Node: at}}, p...)
		}
		return p, n
	}
	var list *schema.Node
	m.listPath, list = path("/ietf-alarms:alarms/alarm-list")
	module := s.Module("ietf-alarms")
	if list == nil || module == nil {
		return nil, fmt.Errorf("the schema has no /ietf-alarms:alarms/alarm-list")
	}
	m.alarm = list.Child("alarm")
	m.change = m.alarm.Child("status-change")
	m.number, m.last = list.Child("number-of-alarms"), list.Child("last-changed")
	m.summaryPath, m.summaryList = path("/ietf-alarms:alarms/summary/alarm-summary")
	m.inventoryPath, m.inventoryList = path("/ietf-alarms:alarms/alarm-inventory/alarm-type")
	m.notifyNode = s.Notification(module, "alarm-notification")
	if m.inventoryList == nil || m.notifyNode == nil {
		return nil, fmt.Errorf("the schema has no alarm inventory or no alarm-notification")
	}
	return m, nil
}

// value parses what reports bring along; text that the package makes itself is
// known to be right and goes through str.
func (m *model) value(leaf *schema.Node, text string) (schema.Value, error) {
	v, err := leaf.Type.Parse(text, m)
	if err != nil {
		return v, fmt.Errorf("%s: %q: %w", leaf.Name, text, err)
	}
	return v, nil
}

// must is value for the words that the model itself defines.
func (m *model) must(leaf *schema.Node, text string) schema.Value {
	return schema.MustParse(leaf.Type, text)
}

func stamp(leaf *schema.Node, t time.Time) schema.Value {
	return schema.StringValue(leaf.Type, t.UTC().Format(timeFormat))
}

func number(leaf *schema.Node, n uint32) schema.Value {
	return schema.StringValue(leaf.Type, strconv.FormatUint(uint64(n), 10))
}

func put(p tree.Path, leaf *schema.Node, v schema.Value) tree.Edit {
	return tree.Edit{Op: tree.Merge, Path: p.Child(leaf), Value: v}
}

func (m *model) entry(id ID) (*entry, error) {
	e := &entry{}
	for i, text := range []string{id.Resource.String(), id.TypeID, id.Qualifier} {
		v, err := m.value(m.alarm.Keys[i], text)
		if err != nil {
			return nil, err
		}
		e.keys[i] = v
	}
	e.path = m.listPath.Child(m.alarm, e.keys[:]...)
	return e, nil
}

// create returns the edit that adds e to the list.
func (m *model) create(e *entry) tree.Edit {
	b := tree.NewBuilder(tree.New(m.alarm.Parent))
	b.Enter(m.alarm, e.keys[:]...)
	created := m.alarm.Child("time-created")
	b.Leaf(created, stamp(created, e.changed))
	raised := m.alarm.Child("last-raised")
	b.Leaf(raised, stamp(raised, e.changed))
	for _, ed := range m.status(e) {
		b.Leaf(ed.Path[len(ed.Path)-1].Node, ed.Value)
	}
	if m.change != nil {
		b.Enter(m.change, stamp(m.change.Keys[0], e.changed))
		for _, ed := range m.changeLeafs(e, nil) {
			b.Leaf(ed.Path[0].Node, ed.Value)
		}
		b.Leave()
	}
	b.Leave()
	return tree.Edit{Op: tree.Replace, Path: e.path, Tree: b.Seal().Child(m.alarm).EntryAt(0)}
}

// update returns the edits that bring e up to its latest change.
func (m *model) update(e *entry, raised bool) []tree.Edit {
	edits := m.status(e)
	if raised {
		leaf := m.alarm.Child("last-raised")
		edits = append(edits, put(e.path, leaf, stamp(leaf, e.changed)))
	}
	if m.change != nil {
		edits = append(edits, m.changeLeafs(e, e.path.Child(m.change, stamp(m.change.Keys[0], e.changed)))...)
	}
	return edits
}

func (m *model) status(e *entry) []tree.Edit {
	cleared, severity := m.alarm.Child("is-cleared"), m.alarm.Child("perceived-severity")
	text, changed := m.alarm.Child("alarm-text"), m.alarm.Child("last-changed")
	return []tree.Edit{
		put(e.path, cleared, m.must(cleared, strconv.FormatBool(!e.active))),
		put(e.path, severity, m.must(severity, string(e.severity))),
		put(e.path, text, schema.StringValue(text.Type, e.text)),
		put(e.path, changed, stamp(changed, e.changed)),
	}
}

// changeLeafs are those of the status change at p that are no keys.
func (m *model) changeLeafs(e *entry, p tree.Path) []tree.Edit {
	severity, text := m.change.Child("perceived-severity"), m.change.Child("alarm-text")
	return []tree.Edit{
		put(p, severity, m.must(severity, e.shown())),
		put(p, text, schema.StringValue(text.Type, e.text)),
	}
}

// shown is the severity-with-clear.
func (e *entry) shown() string {
	if !e.active {
		return "cleared"
	}
	return string(e.severity)
}

func (m *model) dropChange(e *entry, t time.Time) []tree.Edit {
	if m.change == nil {
		return nil
	}
	return []tree.Edit{{Op: tree.Remove, Path: e.path.Child(m.change, stamp(m.change.Keys[0], t))}}
}

func (m *model) count(n int) tree.Edit { return put(m.listPath, m.number, number(m.number, uint32(n))) }

func (m *model) lastChanged(t time.Time) tree.Edit { return put(m.listPath, m.last, stamp(m.last, t)) }

func (m *model) total(n int, t time.Time) []tree.Edit {
	return []tree.Edit{m.count(n), m.lastChanged(t)}
}

func (m *model) summary(sev Severity, c count) []tree.Edit {
	s := m.summaryList
	if s == nil {
		return nil
	}
	p := m.summaryPath[:len(m.summaryPath)-1].Child(s, m.must(s.Keys[0], string(sev)))
	total, active, cleared := s.Child("total"), s.Child("not-cleared"), s.Child("cleared")
	return []tree.Edit{
		put(p, total, number(total, c.active+c.cleared)),
		put(p, active, number(active, c.active)),
		put(p, cleared, number(cleared, c.cleared)),
	}
}

func (m *model) inventory(t Type) ([]tree.Edit, error) {
	s := m.inventoryList
	id, err := m.value(s.Keys[0], t.ID)
	if err != nil {
		return nil, err
	}
	qualifiers := t.Qualifiers
	if len(qualifiers) == 0 {
		qualifiers = []string{""}
	}
	var edits []tree.Edit
	for _, q := range qualifiers {
		p := m.inventoryPath[:len(m.inventoryPath)-1].Child(s, id, schema.StringValue(s.Keys[1].Type, q))
		clears, level, text := s.Child("will-clear"), s.Child("severity-level"), s.Child("description")
		edits = append(edits,
			put(p, clears, m.must(clears, "true")),
			put(p, text, schema.StringValue(text.Type, m.describe(t.ID))))
		for _, sev := range t.Levels {
			edits = append(edits, tree.Edit{Op: tree.Merge, Path: p.Child(level, m.must(level, string(sev)))})
		}
	}
	return edits, nil
}

// describe returns the description of the identity on one line.
func (m *model) describe(id string) string {
	module, name, _ := strings.Cut(id, ":")
	if mod := m.schema.Module(module); mod != nil {
		if i := m.schema.Identity(mod, name); i != nil && i.Description != "" {
			return strings.Join(strings.Fields(i.Description), " ")
		}
	}
	return id
}

// notification returns the alarm-notification about the latest change of e.
func (m *model) notification(e *entry) *tree.Node {
	n := m.notifyNode
	b := tree.NewBuilder(tree.New(n))
	for i, name := range []string{"resource", "alarm-type-id", "alarm-type-qualifier"} {
		b.Leaf(n.Child(name), e.keys[i])
	}
	at, severity, text := n.Child("time"), n.Child("perceived-severity"), n.Child("alarm-text")
	b.Leaf(at, stamp(at, e.changed))
	b.Leaf(severity, m.must(severity, e.shown()))
	b.Leaf(text, schema.StringValue(text.Type, e.text))
	return b.Seal()
}
