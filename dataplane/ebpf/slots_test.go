package ebpf

import (
	"testing"
	"time"
)

// TestSlotsAfterAdoption: a slot that was found in use and freed is given out
// once, whichever way it comes.
func TestSlotsAfterAdoption(t *testing.T) {
	s, now := newSlots(8), time.Unix(1000, 0)
	for _, adopted := range []uint32{2, 3, 5} {
		s.take(adopted)
	}
	s.put(3, now)
	s.put(3, now) // Twice counts once.
	s.put(6, now) // Nobody's.
	got := map[uint32]bool{}
	for range 5 {
		slot := s.get(now)
		if slot == 0 || got[slot] || slot == 2 || slot == 5 {
			t.Fatalf("slot %d after %v, with 2 and 5 in use", slot, got)
		}
		got[slot] = true
	}
	if slot := s.get(now); slot != 0 {
		t.Errorf("slot %d of a full table", slot)
	}
	s.put(4, now)
	if slot := s.get(now.Add(rest)); slot != 4 {
		t.Errorf("slot %d after its rest, want 4", slot)
	}
}
