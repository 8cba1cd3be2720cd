package bfd

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/oam/ach"
)

// Engine makes the CC/CV sessions and knows them by the name of their MEG.
// It implements oam.Engine.
type Engine struct {
	random func() uint32

	mu       sync.Mutex
	sessions map[string]*session
	discrs   map[uint32]*session // By local discriminator.
}

// NewEngine returns an engine. random is the source of discriminators and of
// the seeds of the jitter; nil takes math/rand/v2, which is seeded by the
// operating system.
func NewEngine(random func() uint32) *Engine {
	if random == nil {
		random = rand.Uint32
	}
	return &Engine{random: random, sessions: make(map[string]*session), discrs: make(map[uint32]*session)}
}

// Channels implements oam.Engine. Beside CC and CV these are the other
// encapsulations of BFD, where hearing the peer is a defect.
func (e *Engine) Channels() []ach.ChannelType {
	return []ach.ChannelType{ach.CC, ach.CV, ach.BFD, ach.IPv4, ach.IPv6}
}

// Check implements oam.Engine.
func (e *Engine) Check(m *oam.MEG) error {
	refuse := func(field, format string, args ...any) error {
		return &oam.ConfigError{MEG: m.Name, Field: field, Rule: fmt.Sprintf(format, args...)}
	}
	if !m.CC.Enabled {
		if m.CV {
			return refuse("cv", "connectivity verification needs continuity check (RFC 6428 section 3)")
		}
		return nil
	}
	if m.CC.Mode != oam.Coordinated {
		return refuse("cc.mode", "only the coordinated mode is supported")
	}
	for _, iv := range []struct {
		field string
		value time.Duration
	}{{"cc.tx-interval", m.CC.TxInterval}, {"cc.rx-interval", m.CC.RxInterval}} {
		if iv.value < oam.MinInterval || iv.value > oam.MaxInterval {
			return refuse(iv.field, "%v is outside %v to %v", iv.value, oam.MinInterval, oam.MaxInterval)
		}
		if iv.value%time.Microsecond != 0 {
			return refuse(iv.field, "%v is not a whole number of microseconds", iv.value)
		}
	}
	if !m.CV {
		return nil
	}
	want := ach.MEPIDSection
	switch m.Entity {
	case oam.LSP:
		want = ach.MEPIDLSP
	case oam.Pseudowire:
		want = ach.MEPIDPW
	}
	for _, id := range []struct {
		field string
		value ach.MEPID
	}{{"local", m.Local}, {"peer", m.Peer}} {
		if id.value.Type != want {
			return refuse(id.field, "MEP-ID is of type %v, the MEG needs %v", id.value.Type, want)
		}
		if err := id.value.Check(); err != nil {
			return refuse(id.field, "%v", err)
		}
		if id.value.NodeID == 0 {
			return refuse(id.field, "Node_ID 0 is not valid (RFC 6370 section 4)")
		}
	}
	if m.Local == m.Peer {
		return refuse("peer", "is the local MEP itself: %v", m.Peer)
	}
	return nil
}

// Wants implements oam.Engine.
func (e *Engine) Wants(m *oam.MEG) bool { return m.CC.Enabled }

// Open implements oam.Engine.
func (e *Engine) Open(m *oam.MEG, host oam.Host) oam.Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	discr := e.random()
	for discr == 0 || e.discrs[discr] != nil {
		discr = e.random()
	}
	s := &session{engine: e, host: host, name: m.Name}
	s.m = newMachine(discr, uint64(e.random())<<32|uint64(e.random()))
	s.published.store(&s.m)
	e.sessions[m.Name] = s
	e.discrs[discr] = s
	return s
}

// Forget implements oam.Engine.
func (e *Engine) Forget(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.sessions[name]; s != nil {
		delete(e.sessions, name)
		delete(e.discrs, s.m.localDiscr)
	}
}

// State returns the state and counters of the session of a MEG, and false if
// the MEG has none. It may be called at any time from any goroutine and does
// not disturb the session.
func (e *Engine) State(name string) (oam.SessionState, bool) {
	e.mu.Lock()
	s := e.sessions[name]
	e.mu.Unlock()
	if s == nil {
		return oam.SessionState{}, false
	}
	return s.state(), true
}

// Each calls f with the state of every session, in no particular order.
func (e *Engine) Each(f func(name string, state oam.SessionState)) {
	e.mu.Lock()
	all := make([]*session, 0, len(e.sessions))
	for _, s := range e.sessions {
		all = append(all, s)
	}
	e.mu.Unlock()
	for _, s := range all {
		f(s.name, s.state())
	}
}

// owner names the MEG that has a local discriminator, "" if there is none.
func (e *Engine) owner(discr uint32) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.discrs[discr]; s != nil {
		return s.name
	}
	return ""
}
