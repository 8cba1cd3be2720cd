package shard

import "github.com/tandem-ne/tandem/oam"

// rxKey is where a MEG's frames arrive.
type rxKey struct {
	section  string // "" is any section.
	label    uint32
	hasLabel bool
}

func keyOf(m *oam.MEG) rxKey { return rxKey{m.RxSection, m.RxLabel, m.RxHasLabel} }

// meg is one MEG on the loop.
type meg struct {
	shard    *Shard
	config   oam.MEG
	opened   bool
	path     oam.PathID
	retry    timer
	sessions []*hosted // By engine; nil where the MEG does not use it.
}

// expire tries to open the path again.
func (m *meg) expire(now int64) { m.openPath(now) }

func (m *meg) openPath(now int64) {
	id, err := m.shard.transport.OpenPath(m.config.Path)
	if err != nil {
		m.shard.wheel.arm(&m.retry, now+retryPath)
		return
	}
	m.path, m.opened = id, true
}

// closePath sends what is queued for the path and closes it.
func (m *meg) closePath() {
	m.shard.wheel.stop(&m.retry)
	if m.opened {
		m.shard.flush()
		m.shard.transport.ClosePath(m.path)
		m.opened = false
	}
}

// hosted is one session on the loop, and the session's host.
type hosted struct {
	meg     *meg
	session oam.Session
	timer   timer
}

func (h *hosted) expire(now int64) {
	h.session.Expire(now, h.meg.shard.seen)
	h.meg.shard.wheel.arm(&h.timer, h.session.Next())
}

// Buffer implements oam.Host.
func (h *hosted) Buffer() []byte { return h.meg.shard.buffers[h.meg.shard.txLen][:0] }

// Send implements oam.Host.
func (h *hosted) Send(frame []byte) bool {
	s := h.meg.shard
	if !h.meg.opened {
		s.notSent.Add(1)
		return false
	}
	s.tx[s.txLen] = oam.Tx{Path: h.meg.path, Payload: frame}
	s.txLen++
	if s.txLen == len(s.tx) {
		s.flush()
	}
	return true
}

// Watch implements oam.Host.
func (h *hosted) Watch(octets []byte) *oam.Seen {
	w := h.meg.shard.watcher
	if w == nil {
		return nil
	}
	m := &h.meg.config
	return w.Watch(oam.Arrival{Section: m.RxSection, Label: m.RxLabel, HasLabel: m.RxHasLabel, Reason: m.Path.Control.Reason()}, octets)
}

// Unwatch implements oam.Host.
func (h *hosted) Unwatch(s *oam.Seen) { h.meg.shard.watcher.Unwatch(s) }

// Drop implements oam.Host.
func (h *hosted) Drop(r oam.DropReason) { h.meg.shard.drop(r) }

// Emit implements oam.Host.
func (h *hosted) Emit(ev oam.Event) {
	ev.MEG = h.meg.config.Name
	h.meg.shard.events.push(ev)
}
