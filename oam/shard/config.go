package shard

import (
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/tandem-ne/tandem/oam"
)

// Bounds of what a path can be.
const (
	firstLabel = 16 // Labels below are special-purpose ones.
	lastLabel  = 1<<20 - 1
	maxLabels  = 16
)

// maxChanges is how many MEGs one turn takes from the mailbox: a commit of
// thousands must not cost a running session its interval.
const maxChanges = 32

// control is the configuration as its writers see it, and the mailbox to the loop.
type control struct {
	mu      sync.Mutex
	megs    map[string]*meg
	configs map[string]oam.MEG
	keys    map[rxKey]string // Name of the MEG that has the key.
	mailbox []change

	pending atomic.Bool // There is something in the mailbox.
}

func (c *control) init() {
	c.megs = make(map[string]*meg)
	c.configs = make(map[string]oam.MEG)
	c.keys = make(map[rxKey]string)
}

// change is one MEG's change on its way to the loop.
type change struct {
	meg      *meg
	remove   bool
	config   oam.MEG
	sessions []assignment // By engine.
}

// assignment says what becomes of one engine's session: a new one, the one
// there is, or, with neither, none.
type assignment struct {
	open *hosted
	keep bool
}

// Prepare checks a delta against the rules of this package and of every
// engine, and against the MEGs there are. It changes nothing. The error is a
// *oam.ConfigError.
func (s *Shard) Prepare(d oam.Delta) error {
	s.control.mu.Lock()
	defer s.control.mu.Unlock()
	gone := make(map[string]bool, len(d.Delete)+len(d.Put))
	for _, name := range d.Delete {
		gone[name] = true
	}
	for i := range d.Put {
		gone[d.Put[i].Name] = true
	}
	keys := make(map[rxKey]string, len(d.Put))
	names := make(map[string]bool, len(d.Put))
	for i := range d.Put {
		m := &d.Put[i]
		if names[m.Name] {
			return &oam.ConfigError{MEG: m.Name, Field: "name", Rule: "given twice"}
		}
		names[m.Name] = true
		if err := check(m); err != nil {
			return err
		}
		for _, e := range s.engines {
			if err := e.Check(m); err != nil {
				return err
			}
		}
		key := keyOf(m)
		other, taken := keys[key]
		if !taken {
			other, taken = s.control.keys[key]
			taken = taken && !gone[other]
		}
		if taken {
			return &oam.ConfigError{MEG: m.Name, Field: "rx-label",
				Rule: fmt.Sprintf("frames arrive where those of MEG %q do", other)}
		}
		keys[key] = m.Name
	}
	return nil
}

// check applies the rules on where a MEG's frames leave and arrive.
func check(m *oam.MEG) error {
	refuse := func(field, format string, args ...any) error {
		return &oam.ConfigError{MEG: m.Name, Field: field, Rule: fmt.Sprintf(format, args...)}
	}
	switch {
	case m.Name == "":
		return refuse("name", "is empty")
	case (m.Path.Section == "") == (m.Path.Group == ""):
		return refuse("path.section", "exactly one of section and group is needed")
	case m.Path.Control > oam.ControlRouterAlert:
		return refuse("path.control", "%d is not known", m.Path.Control)
	case m.Path.GALTC > 7:
		return refuse("path.gal-tc", "%d is above 7", m.Path.GALTC)
	case len(m.Path.Labels) > maxLabels:
		return refuse("path.labels", "%d labels, at most %d are possible", len(m.Path.Labels), maxLabels)
	}
	for _, l := range m.Path.Labels {
		switch {
		case l.Label < firstLabel || l.Label > lastLabel:
			return refuse("path.labels", "label %d is outside %d to %d", l.Label, firstLabel, lastLabel)
		case l.TC > 7:
			return refuse("path.labels", "TC %d of label %d is above 7", l.TC, l.Label)
		case l.TTL == 0:
			return refuse("path.labels", "TTL of label %d is 0", l.Label)
		}
	}
	switch m.Entity {
	case oam.Section:
		if m.Path.Group != "" || m.Path.Control != oam.ControlGAL {
			return refuse("path", "a section MEG sends on its section, with a GAL")
		}
		if len(m.Path.Labels) != 0 || m.RxHasLabel || m.RxLabel != 0 {
			return refuse("entity", "a section MEG has no label above the GAL")
		}
		if m.RxSection == "" {
			return refuse("rx-section", "is empty")
		}
	case oam.LSP, oam.Pseudowire:
		if len(m.Path.Labels) == 0 {
			return refuse("path.labels", "an MEG of %v sends under at least one label", m.Entity)
		}
		if m.Entity == oam.LSP && m.Path.Control != oam.ControlGAL {
			return refuse("path.control", "an LSP MEG sends with a GAL")
		}
		if !m.RxHasLabel || m.RxLabel < firstLabel || m.RxLabel > lastLabel {
			return refuse("rx-label", "it receives with a label of %d to %d", firstLabel, lastLabel)
		}
	default:
		return refuse("entity", "%v is not supported", m.Entity)
	}
	return nil
}

// Apply makes a delta that passed Prepare the desired state. The sessions of
// new MEGs can be read at once; the loop takes the change at its next turn,
// which Apply brings about without waiting for it. Deletions come first.
func (s *Shard) Apply(d oam.Delta) {
	s.control.mu.Lock()
	for _, name := range d.Delete {
		s.delete(name)
	}
	for i := range d.Put {
		s.put(d.Put[i])
	}
	s.control.pending.Store(len(s.control.mailbox) > 0)
	s.control.mu.Unlock()
	s.transport.Wake()
}

func (s *Shard) delete(name string) {
	c := &s.control
	m := c.megs[name]
	if m == nil {
		return
	}
	old := c.configs[name]
	if c.keys[keyOf(&old)] == name {
		delete(c.keys, keyOf(&old))
	}
	for _, e := range s.engines {
		if e.Wants(&old) {
			e.Forget(name)
		}
	}
	delete(c.megs, name)
	delete(c.configs, name)
	c.mailbox = append(c.mailbox, change{meg: m, remove: true})
}

func (s *Shard) put(cfg oam.MEG) {
	c := &s.control
	cfg.Path.Labels = append([]oam.LSE(nil), cfg.Path.Labels...)
	old, exists := c.configs[cfg.Name]
	if exists && reflect.DeepEqual(old, cfg) {
		return
	}
	m := c.megs[cfg.Name]
	if m == nil {
		m = &meg{shard: s}
		m.retry.owner = m
		c.megs[cfg.Name] = m
	} else if c.keys[keyOf(&old)] == cfg.Name {
		delete(c.keys, keyOf(&old))
	}
	c.configs[cfg.Name] = cfg
	c.keys[keyOf(&cfg)] = cfg.Name

	sessions := make([]assignment, len(s.engines))
	for i, e := range s.engines {
		had := exists && e.Wants(&old)
		switch wants := e.Wants(&cfg); {
		case wants && had:
			sessions[i].keep = true
		case wants:
			h := &hosted{meg: m}
			h.timer.owner = h
			h.session = e.Open(&cfg, h)
			sessions[i].open = h
		case had:
			e.Forget(cfg.Name)
		}
	}
	c.mailbox = append(c.mailbox, change{meg: m, config: cfg, sessions: sessions})
}

// configure takes changes in the mailbox onto the loop.
func (s *Shard) configure(now int64) {
	if !s.control.pending.Load() {
		return
	}
	var changes [maxChanges]change
	s.control.mu.Lock()
	n := copy(changes[:], s.control.mailbox)
	clear(s.control.mailbox[:n]) // What is done is not to be kept alive.
	s.control.mailbox = s.control.mailbox[n:]
	s.control.pending.Store(len(s.control.mailbox) > 0)
	s.control.mu.Unlock()
	for i := range changes[:n] {
		if changes[i].remove {
			s.remove(now, changes[i].meg)
		} else {
			s.replace(now, &changes[i])
		}
	}
}

func (s *Shard) remove(now int64, m *meg) {
	for _, h := range m.sessions {
		s.closeSession(now, h)
	}
	m.closePath()
	s.unkey(m)
}

func (s *Shard) replace(now int64, c *change) {
	m := c.meg
	first := m.sessions == nil
	if !first {
		s.unkey(m)
	}
	samePath := !first && reflect.DeepEqual(m.config.Path, c.config.Path)
	sessions := make([]*hosted, len(s.engines))
	for i, a := range c.sessions {
		sessions[i] = a.open
		switch {
		case a.keep:
			sessions[i] = m.sessions[i]
		case !first:
			s.closeSession(now, m.sessions[i])
		}
	}
	if !samePath {
		m.closePath()
	}
	m.config, m.sessions = c.config, sessions
	if cc := &m.config.CC; s.adaptive && cc.Enabled {
		s.granularity = min(s.granularity, int64(min(cc.TxInterval, cc.RxInterval))/restShare)
	}
	if !samePath {
		m.openPath(now)
	}
	s.megs[keyOf(&m.config)] = m
	for _, h := range m.sessions {
		if h != nil {
			h.session.Configure(now, &m.config)
			s.wheel.arm(&h.timer, h.session.Next())
		}
	}
}

// unkey stops frames to m, unless another MEG has its place already.
func (s *Shard) unkey(m *meg) {
	if key := keyOf(&m.config); s.megs[key] == m {
		delete(s.megs, key)
	}
}

func (s *Shard) closeSession(now int64, h *hosted) {
	if h != nil {
		h.session.Close(now)
		s.wheel.stop(&h.timer)
	}
}
