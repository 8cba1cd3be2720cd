package ebpf

import "time"

// slots gives out indexes of an array map from 1 on; 0 stands for none. A freed
// slot rests before it is used again: a program that looked it up just before
// must not find another object in it.
type slots struct {
	next, size uint32
	used       map[uint32]bool // false: in free
	free       []freed         // oldest first
}

type freed struct {
	slot uint32
	at   time.Time
}

// rest is far longer than a program runs.
const rest = 100 * time.Millisecond

func newSlots(size uint32) *slots {
	return &slots{next: 1, size: size, used: map[uint32]bool{}}
}

// take marks a slot found in a map as used.
func (s *slots) take(slot uint32) { s.used[slot] = true }

// get returns an unused slot, 0 if there is none.
func (s *slots) get(now time.Time) uint32 {
	if len(s.free) > 0 && now.Sub(s.free[0].at) >= rest {
		return s.reuse()
	}
	// One that was found in a map and has been freed since is ahead of next and
	// among the free ones: it must not be given out twice.
	for s.next < s.size && s.known(s.next) {
		s.next++
	}
	if s.next < s.size {
		slot := s.next
		s.next++
		s.used[slot] = true
		return slot
	}
	if len(s.free) > 0 {
		return s.reuse()
	}
	return 0
}

// known tells whether a slot is in use or free; the others are new.
func (s *slots) known(slot uint32) bool {
	_, ok := s.used[slot]
	return ok
}

func (s *slots) reuse() uint32 {
	slot := s.free[0].slot
	s.free = s.free[1:]
	s.used[slot] = true
	return slot
}

func (s *slots) put(slot uint32, now time.Time) {
	if slot == 0 || !s.used[slot] {
		return
	}
	s.used[slot] = false
	s.free = append(s.free, freed{slot, now})
}
