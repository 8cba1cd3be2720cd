package oper

import (
	"slices"
	"sync/atomic"

	"github.com/tandem-ne/tandem/server/tree"
)

// Memo is where the readers of one batch keep what they make of it and others
// make as well, such as its encoded form. All readers that get the same changes
// get the same Memo; it goes when nobody holds the batch. The zero Memo is
// empty. It is safe for concurrent use.
type Memo struct{ first atomic.Pointer[memoEntry] }

type memoEntry struct {
	key, value any
	next       *memoEntry
}

// Get returns the value under key, which must be comparable. make makes it where
// there is none; it may be called by several at the same time, of whom one wins.
func (m *Memo) Get(key any, make func() any) any {
	var e *memoEntry
	for {
		first := m.first.Load()
		for o := first; o != nil; o = o.next {
			if o.key == key {
				return o.value
			}
		}
		if e == nil {
			e = &memoEntry{key: key, value: make()}
		}
		if e.next = first; m.first.CompareAndSwap(first, e) {
			return e.value
		}
	}
}

// shared is a batch of several changes.
type shared struct {
	memo    Memo
	list    []*change
	changes []tree.Change
	next    *shared
}

// maxShared is how many different batches that begin with one change are kept
// for others: one who gets yet another list shares with nobody.
const maxShared = 16

// share returns the batch of list, new or known.
func share(list []*change) *shared {
	var s *shared
	for {
		first := list[0].lists.Load()
		n := 0
		for o := first; o != nil; o = o.next {
			if slices.Equal(o.list, list) {
				return o
			}
			n++
		}
		if s == nil {
			s = &shared{list: slices.Clone(list), changes: make([]tree.Change, len(list))}
			for i, c := range list {
				s.changes[i] = c.one[0]
			}
		}
		if s.next = first; n >= maxShared || list[0].lists.CompareAndSwap(first, s) {
			return s
		}
	}
}

// places says in which publication each place was changed last, so that a
// backlog knows whether looking for repetitions can find any.
type places struct {
	at    map[uint64]published // by the hash of the place
	floor uint64               // what is not in at may have been changed up to here
}

// published are the two latest publications that changed a place.
type published struct{ last, before uint64 }

// maxPlaces bounds places; beyond it they are forgotten all at once.
const maxPlaces = 16 << 10

// put notes that seq changes the place with this hash, and returns the latest
// publication before it that may have done so.
func (p *places) put(hash, seq uint64) uint64 {
	at, ok := p.at[hash]
	switch {
	case !ok:
		if len(p.at) >= maxPlaces {
			clear(p.at)
			p.floor = seq
		}
		at.before = p.floor
	case at.last == seq:
		return at.before
	default:
		at.before = at.last
	}
	at.last = seq
	p.at[hash] = at
	return at.before
}
