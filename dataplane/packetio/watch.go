package packetio

import "github.com/tandem-ne/tandem/oam"

// Watch implements oam.Watcher.
func (t *Transport) Watch(at oam.Arrival, octets []byte) *oam.Seen {
	if t.consumer == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return nil
	}
	a := Arrival{Label: at.Label, HasLabel: at.HasLabel, Reason: at.Reason}
	if at.Section != "" {
		sec := t.sections[at.Section]
		if sec == nil || sec.IfIndex == 0 || !sec.Up {
			return nil
		}
		a.IfIndex, a.VLAN = uint32(sec.IfIndex), sec.VLAN
	}
	seen, err := t.consumer.Watch(a, octets)
	if err != nil {
		t.count.unwatched.Add(1)
		return nil
	}
	t.watches[seen] = at.Section
	return seen
}

// Unwatch implements oam.Watcher.
func (t *Transport) Unwatch(s *oam.Seen) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.watches[s]; !ok || t.closed.Load() {
		return
	}
	delete(t.watches, s)
	t.consumer.Unwatch(s)
}

// muteWatches has the frames of a section that changes received again: they may
// come in elsewhere from now on. Their sessions watch anew.
func (t *Transport) muteWatches(section string) {
	for s, of := range t.watches {
		if of == section {
			t.consumer.Mute(s)
		}
	}
}
