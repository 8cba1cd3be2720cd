package shard

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tandem-ne/tandem/oam"
)

// item is a timer under test.
type item struct {
	timer
	fired []int64
}

func (i *item) expire(now int64) { i.fired = append(i.fired, now) }

func runWheel(w *wheel, now int64) (fired int) {
	return runWheelWith(w, now, &timer{})
}

func runWheelWith(w *wheel, now int64, due *timer) (fired int) {
	due.prev, due.next = due, due
	w.take(now, due)
	for t := pop(due); t != nil; t = pop(due) {
		t.owner.expire(now)
		fired++
	}
	return fired
}

func newItem() *item {
	i := &item{}
	i.owner = i
	return i
}

// TestWheelExact: a timer is due at its deadline and not a nanosecond before,
// on every level, and next leads there.
func TestWheelExact(t *testing.T) {
	for _, start := range []int64{0, 1, tick - 1, 12345678901, 1 << 50} {
		for _, delta := range []int64{0, 1, tick - 1, tick, tick + 1, 50 * tick, 1023 * tick, 1024 * tick, 1025*tick + 7, 5e8, 1e9, 60e9, 105e9, 3600e9, 200 * 3600e9} {
			w := newWheel(start)
			it := newItem()
			at := start + delta
			w.arm(&it.timer, at)
			wakes := 0
			for now := start; now < at; now = w.next() {
				if wakes++; wakes > 10000 {
					t.Fatalf("start %d delta %d: %d wake-ups", start, delta, wakes)
				}
				if w.next() > at {
					t.Fatalf("start %d delta %d: next is %d, after the deadline", start, delta, w.next())
				}
				if runWheel(w, now) != 0 {
					t.Fatalf("start %d delta %d: fired at %d", start, delta, now)
				}
				if w.next() <= now {
					t.Fatalf("start %d delta %d: next does not advance from %d", start, delta, now)
				}
			}
			if runWheel(w, at) != 1 || len(it.fired) != 1 {
				t.Fatalf("start %d delta %d: not fired at its deadline", start, delta)
			}
			if got := w.next(); got != oam.Forever {
				t.Fatalf("start %d delta %d: next is %d when empty", start, delta, got)
			}
		}
	}
}

// TestWheelAgainstModel drives the wheel and a sorted list with the same
// random operations.
func TestWheelAgainstModel(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		now := int64(rng.Uint64N(1 << 40))
		w := newWheel(now)
		items := make([]*item, 200)
		model := make(map[*item]int64)
		for i := range items {
			items[i] = newItem()
		}
		for range 5000 {
			it := items[rng.IntN(len(items))]
			switch rng.IntN(4) {
			case 0:
				w.arm(&it.timer, oam.Forever)
				delete(model, it)
			case 1, 2:
				at := now + int64(rng.Uint64N(1<<(10+rng.Uint64N(28)))) - tick
				w.arm(&it.timer, at)
				model[it] = at
			case 3:
				now += int64(rng.Uint64N(1 << (10 + rng.Uint64N(24))))
				runWheel(w, now)
				for m, at := range model {
					fired := slices.Contains(m.fired, now)
					if fired != (at <= now) {
						t.Fatalf("seed %d at %d: deadline %d, fired %v", seed, now, at, fired)
					}
					if at <= now {
						delete(model, m)
					}
				}
				for _, m := range items {
					if _, armed := model[m]; !armed && m.next != nil {
						t.Fatalf("seed %d: a timer is armed that should not be", seed)
					}
					m.fired = nil
				}
			}
			earliest := oam.Forever
			for _, at := range model {
				earliest = min(earliest, at)
			}
			if next := w.next(); next > earliest {
				t.Fatalf("seed %d: next is %d, the earliest deadline %d", seed, next, earliest)
			}
		}
	}
}

func TestWheelAllocates(t *testing.T) {
	w := newWheel(0)
	items := make([]*item, 100)
	for i := range items {
		items[i] = newItem()
		items[i].fired = make([]int64, 0, 1<<16)
	}
	now, due := int64(0), &timer{}
	if n := testing.AllocsPerRun(200, func() {
		for i, it := range items {
			w.arm(&it.timer, now+int64(i)*tick/3)
			it.fired = it.fired[:0]
		}
		now += 100 * tick
		runWheelWith(w, now, due)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkWheelRearm(b *testing.B) {
	w := newWheel(0)
	items := make([]*item, 1000)
	for i := range items {
		items[i] = newItem()
		w.arm(&items[i].timer, int64(i)*3*tick)
	}
	b.ReportAllocs()
	now := int64(0)
	for i := 0; b.Loop(); i++ {
		now += 3000
		w.arm(&items[i%1000].timer, now+33*tick)
	}
}
