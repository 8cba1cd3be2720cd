package shard

import (
	"math/bits"

	"github.com/tandem-ne/tandem/oam"
)

// The wheel has three levels of 1024 slots: 102.4 ms in steps of 100 us,
// 105 s, and 30 h. Later deadlines wait in the last slot of the last level.
const (
	tick      = 100_000 // Nanoseconds.
	levelBits = 10
	slots     = 1 << levelBits
	levels    = 3
	horizon   = int64(1)<<(levels*levelBits) - 1 // In ticks.
)

// expirer is what a timer belongs to.
type expirer interface {
	expire(now int64)
}

// timer is one deadline on a wheel. It lives in its owner, so that arming it
// allocates nothing.
type timer struct {
	owner      expirer
	at         int64
	prev, next *timer // Nil when not armed.
	level      uint8
	slot       uint16
}

// wheel is a hierarchical timing wheel. Deadlines are exact: a slot only
// says where to look.
type wheel struct {
	cur  int64 // The tick up to which everything due has been taken.
	list [levels][slots]timer
	used [levels][slots / 64]uint64
}

func newWheel(now int64) *wheel {
	w := &wheel{cur: now / tick}
	for l := range w.list {
		for i := range w.list[l] {
			head := &w.list[l][i]
			head.prev, head.next = head, head
		}
	}
	return w
}

// arm sets t to expire at an instant; Forever stops it.
func (w *wheel) arm(t *timer, at int64) {
	if t.next != nil {
		if t.at == at {
			return
		}
		w.stop(t)
	}
	t.at = at
	if at != oam.Forever {
		w.insert(t)
	}
}

// stop disarms t.
func (w *wheel) stop(t *timer) {
	if t.next == nil {
		return
	}
	t.prev.next, t.next.prev = t.next, t.prev
	t.prev, t.next = nil, nil
	if head := &w.list[t.level][t.slot]; head.next == head {
		w.used[t.level][t.slot/64] &^= 1 << (t.slot % 64)
	}
}

func (w *wheel) insert(t *timer) {
	at := max(t.at/tick, w.cur)
	delta := at - w.cur
	if delta > horizon {
		at, delta = w.cur+horizon, horizon
	}
	level := 0
	for delta >= slots {
		delta >>= levelBits
		level++
	}
	slot := int(at>>(level*levelBits)) & (slots - 1)
	head := &w.list[level][slot]
	t.prev, t.next = head.prev, head
	head.prev.next, head.prev = t, t
	t.level, t.slot = uint8(level), uint16(slot)
	w.used[level][slot/64] |= 1 << (slot % 64)
}

// next returns an instant not after the earliest deadline: that deadline
// where it is less than 102.4 ms away, else when to look again.
func (w *wheel) next() int64 {
	at := oam.Forever
	if off, ok := w.scan(0, int(w.cur)&(slots-1)); ok {
		slot := (int(w.cur) + off) & (slots - 1)
		head := &w.list[0][slot]
		for t := head.next; t != head; t = t.next {
			at = min(at, t.at)
		}
	}
	for level := 1; level < levels; level++ {
		shift := level * levelBits
		block := w.cur >> shift
		if off, ok := w.scan(level, int(block+1)&(slots-1)); ok {
			at = min(at, (block+1+int64(off))<<shift*tick)
		}
	}
	return at
}

// scan finds the first used slot of a level from a slot on, around the wheel.
func (w *wheel) scan(level, from int) (offset int, ok bool) {
	const words = slots / 64
	word, bit := from/64, from%64
	if v := w.used[level][word] >> bit; v != 0 {
		return bits.TrailingZeros64(v), true
	}
	for i := 1; i <= words; i++ {
		if v := w.used[level][(word+i)%words]; v != 0 {
			off := i*64 - bit + bits.TrailingZeros64(v)
			return off, off < slots
		}
	}
	return 0, false
}

// take moves the wheel to now and chains every timer due by then to due,
// a list head made by newList; they are disarmed.
func (w *wheel) take(now int64, due *timer) {
	target := now / tick
	for {
		// What is due in the current slot; in the last one only part may be.
		head := &w.list[0][int(w.cur)&(slots-1)]
		for t := head.next; t != head; {
			following := t.next
			if t.at <= now {
				w.stop(t)
				t.prev, t.next = due.prev, due
				due.prev.next, due.prev = t, t
			}
			t = following
		}
		if w.cur >= target {
			return
		}
		// Go to the next used slot, the next cascade or the target, whichever is first.
		end := min(target, (w.cur|(slots-1))+1)
		if off, ok := w.scan(0, int(w.cur+1)&(slots-1)); ok {
			end = min(end, w.cur+1+int64(off))
		}
		w.cur = end
		if w.cur&(slots-1) == 0 {
			w.cascade()
		}
	}
}

// cascade moves the timers of the block that begins at cur one level down.
func (w *wheel) cascade() {
	for level := levels - 1; level > 0; level-- {
		shift := level * levelBits
		if w.cur&(1<<shift-1) != 0 {
			continue
		}
		head := &w.list[level][int(w.cur>>shift)&(slots-1)]
		for t := head.next; t != head; {
			following := t.next
			w.stop(t)
			w.insert(t)
			t = following
		}
	}
}

// pop takes the first timer off a list that take filled.
func pop(due *timer) *timer {
	t := due.next
	if t == due {
		return nil
	}
	due.next, t.next.prev = t.next, due
	t.prev, t.next = nil, nil
	return t
}
