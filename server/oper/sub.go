package oper

import (
	"context"
	"sync"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// firstCompact is the length of a backlog that is looked through for the first
// time for changes that later ones have replaced.
const firstCompact = 64

// Sub is one subscription. One goroutine at a time may read it.
type Sub struct {
	hub  *Hub
	max  int
	regs []*reg

	last *change // given last; guarded by the hub's mu

	mu        sync.Mutex
	queue     []*change
	bytes     int
	clean     int // bytes when the backlog was compacted last
	compactAt int // length at which it is compacted next
	overflow  bool
	closed    bool
	wake      chan struct{}
}

// Subscribe starts a subscription and returns it with the snapshot that its
// changes continue from: nothing is missed and nothing comes twice.
func (h *Hub) Subscribe(o SubOptions) (*Sub, Snapshot) {
	s := &Sub{hub: h, max: o.MaxBytes, compactAt: firstCompact, wake: make(chan struct{}, 1)}
	if s.max <= 0 {
		s.max = DefaultMaxBytes
	}
	for _, p := range reduce(o.Paths) {
		s.regs = append(s.regs, &reg{sub: s, pattern: p, exact: isExact(p)})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range s.regs {
		h.index.add(r)
	}
	return s, *h.snap.Load()
}

// push adds c to the backlog; the caller holds the hub's mu. A change that two
// patterns of the subscription match comes once.
func (s *Sub) push(c *change) {
	if s.last == c {
		return
	}
	s.last = c
	if c.size == 0 {
		c.size = sizeOf(c)
	}
	s.mu.Lock()
	if s.overflow || s.closed {
		s.mu.Unlock()
		return
	}
	s.queue = append(s.queue, c)
	s.bytes += c.size
	// Compacting costs as much as the backlog is long, so it waits until the
	// backlog has grown by a fair part of that.
	if len(s.queue) >= s.compactAt || s.bytes > s.max && s.bytes-s.clean > s.max/4 {
		s.compact()
	}
	if s.bytes > s.max {
		s.queue, s.bytes, s.clean, s.compactAt = nil, 0, 0, firstCompact
		s.overflow = true
	}
	wake := len(s.queue) <= 1
	s.mu.Unlock()
	if wake {
		s.signal()
	}
}

func (s *Sub) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next waits for a change and returns the oldest that were published together,
// less those that newer ones have replaced: whenever a backlog has grown by a
// quarter it is reduced to one change for a path, from the value that the reader
// knew to the latest. ErrOverflow asks for Resync, ErrClosed is the end.
func (s *Sub) Next(ctx context.Context) (Batch, error) {
	for {
		b, ok, err := s.take()
		if ok || err != nil {
			return b, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Batch{}, context.Cause(ctx)
		}
	}
}

func (s *Sub) take() (b Batch, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return b, false, ErrClosed
	case s.overflow:
		return b, false, ErrOverflow
	case len(s.queue) == 0:
		return b, false, nil
	}
	if s.queue[len(s.queue)-1].seq != s.queue[0].seq && s.bytes-s.clean > s.clean/4 {
		s.compact()
	}
	if len(s.queue) == 0 {
		return b, false, nil
	}
	first := s.queue[0]
	n, read := 0, 0
	for n < len(s.queue) && s.queue[n].seq == first.seq {
		n++
	}
	b = Batch{Time: first.time, Changes: make([]tree.Change, n)}
	for i, c := range s.queue[:n] {
		b.Changes[i] = c.Change
		b.Coalesced += c.dups
		read += c.size
		s.queue[i] = nil
	}
	s.bytes -= read
	s.queue = s.queue[n:]
	s.clean = max(s.clean-read, 0)
	if len(s.queue) == 0 {
		s.queue, s.bytes, s.clean, s.compactAt = s.queue[:0], 0, 0, firstCompact
	}
	return b, true, nil
}

// place identifies what a change is about. A subtree that goes and one that
// comes are kept apart, because the second does not say all that the first does.
type place struct {
	id   int
	op   tree.ChangeOp
	keys string
}

func placeOf(c *change) place {
	p := place{id: -1}
	if len(c.Path) > 0 {
		p.id = c.Path[len(c.Path)-1].Node.ID
		p.keys = pathKeys(c.Path)
	}
	if c.Op == tree.Moved || len(c.Path) == 0 || !isLeaf(c.Path[len(c.Path)-1].Node) {
		p.op = c.Op
	}
	return p
}

// compact leaves of all changes at one place the latest, at its place in the
// order: whoever applies the rest in order ends in the same state. The caller
// holds mu.
func (s *Sub) compact() {
	type seen struct {
		first, last int
		dups        uint32 // changes before the last, and those they stood for
	}
	places := make(map[place]*seen, len(s.queue))
	of := make([]*seen, len(s.queue))
	for i, c := range s.queue {
		p := placeOf(c)
		e := places[p]
		if e == nil {
			e = &seen{first: i}
			places[p] = e
		} else {
			e.dups += s.queue[e.last].dups + 1
		}
		e.last = i
		of[i] = e
	}
	if len(places) < len(s.queue) {
		old := s.queue
		s.queue, s.bytes = make([]*change, 0, 2*len(places)), 0
		for i, c := range old {
			e := of[i]
			if e.last != i {
				continue
			}
			if e.first != i {
				if c = merge(old[e.first], c, e.dups); c == nil {
					continue
				}
			}
			s.queue = append(s.queue, c)
			s.bytes += c.size
		}
	}
	s.clean = s.bytes
	s.compactAt = max(firstCompact, 2*len(s.queue))
}

// merge returns the change that stands for all from first to last at one place,
// dups of them besides last's own, or nil for a leaf that came and went.
func merge(first, last *change, dups uint32) *change {
	m := *last
	m.Old = first.Old
	m.dups += dups
	if m.Op == tree.Moved || !isLeaf(m.Path[len(m.Path)-1].Node) {
		return &m
	}
	switch {
	case m.Old == nil && m.New == nil:
		return nil
	case m.Old == nil:
		m.Op = tree.Created
	case m.New == nil:
		m.Op = tree.Deleted
	default:
		m.Op = tree.Modified
	}
	return &m
}

// Resync drops the backlog and returns a snapshot that the following changes
// continue from; it is the way on after ErrOverflow.
func (s *Sub) Resync() Snapshot {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue, s.bytes, s.clean, s.compactAt, s.overflow = nil, 0, 0, firstCompact, false
	return *s.hub.snap.Load()
}

// Backlog returns the number of changes that wait and their estimated octets.
func (s *Sub) Backlog() (changes, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue), s.bytes
}

// Close ends the subscription and wakes its reader. It may be called again.
func (s *Sub) Close() {
	s.hub.mu.Lock()
	for _, r := range s.regs {
		s.hub.index.remove(r)
	}
	s.regs = nil
	s.hub.mu.Unlock()
	s.mu.Lock()
	s.closed, s.queue = true, nil
	s.mu.Unlock()
	s.signal()
}

// The estimate of sizes: a change or node with its part of the path, and then
// the texts.
const (
	changeSize = 160
	nodeSize   = 48
)

func sizeOf(c *change) int {
	n := changeSize
	for i := range c.Path {
		for _, k := range c.Path[i].Keys {
			n += len(k.String())
		}
	}
	return n + nodeBytes(c.New)
}

func nodeBytes(n *tree.Node) int {
	if n == nil {
		return 0
	}
	size := nodeSize
	switch n.Schema().Kind {
	case schema.Anydata, schema.Anyxml:
		if a := n.Anydata(); a != nil {
			size += len(a.XML) + len(a.JSON)
		}
	default:
		size += len(n.Value().String())
		for c := range n.Children() {
			size += nodeBytes(c)
		}
	}
	return size
}
