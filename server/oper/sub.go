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
	hub    *Hub
	max    int
	config bool // of the configuration alone
	regs   []*reg

	last *change // given last; guarded by the hub's mu
	told uint64  // publication it was last given something of; guarded by the hub's mu

	mu        sync.Mutex
	queue     []*change // from head on
	head      int
	bytes     int
	clean     int  // bytes when the backlog was compacted last
	compactAt int  // length at which it is compacted next
	repeats   bool // two changes of the backlog may be at one place
	overflow  bool
	closed    bool
	wake      chan struct{}
}

// Subscribe starts a subscription and returns it with the snapshot that its
// changes continue from: nothing is missed and nothing comes twice.
func (h *Hub) Subscribe(o SubOptions) (*Sub, Snapshot) {
	s := &Sub{hub: h, max: o.MaxBytes, config: o.ConfigOnly, compactAt: firstCompact, wake: make(chan struct{}, 1)}
	if s.max <= 0 {
		s.max = DefaultMaxBytes
	}
	for _, p := range Reduce(o.Paths) {
		s.regs = append(s.regs, &reg{sub: s, pattern: p, exact: isExact(p)})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range s.regs {
		h.index.add(r)
	}
	if s.config {
		h.configSubs++
	}
	return s, *h.snap.Load()
}

// push adds c to the backlog; the caller holds the hub's mu. A change that two
// patterns of the subscription match comes once.
func (s *Sub) push(c *change) {
	if s.last == c || s.config != s.hub.config {
		return
	}
	s.last = c
	s.mu.Lock()
	if s.overflow || s.closed {
		s.mu.Unlock()
		return
	}
	s.queue = append(s.queue, c)
	s.bytes += c.size
	if c.prev >= s.queue[s.head].seq {
		s.repeats = true
	}
	// Compacting costs as much as the backlog is long, so it waits until the
	// backlog has grown by a fair part of that.
	if len(s.queue)-s.head >= s.compactAt || s.bytes > s.max && s.bytes-s.clean > s.max/4 {
		s.compact()
	}
	if s.bytes > s.max {
		s.drop()
		s.overflow = true
	}
	s.mu.Unlock()
	if s.told != s.hub.seq {
		s.told = s.hub.seq
		s.hub.told = append(s.hub.told, s)
	}
}

func (s *Sub) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next waits for a change and returns the oldest that were published together,
// less those that newer ones have replaced: whenever a backlog has doubled it
// is reduced to one change for a path, from the value that the reader
// knew to the latest. The changes are shared with other readers: they must not be
// altered. ErrOverflow asks for Resync, ErrClosed is the end.
func (s *Sub) Next(ctx context.Context) (Batch, error) {
	var one [1]Batch
	_, err := s.Read(ctx, one[:])
	return one[0], err
}

// readBytes is where Read stops, in estimated octets: what it has given out is
// no longer bounded, nor replaced by what is newer.
const readBytes = 64 << 10

// Read is Next for as many publications as wait, up to len(batches), which must
// not be 0, and until they are 64 KiB. It returns how many it has put there.
func (s *Sub) Read(ctx context.Context, batches []Batch) (int, error) {
	for {
		n, err := s.take(batches)
		if n > 0 || err != nil {
			return n, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// Ready receives when Collect may have something that it had not before.
func (s *Sub) Ready() <-chan struct{} { return s.wake }

// Poll is Next without waiting; ok says whether there was a batch.
func (s *Sub) Poll() (b Batch, ok bool, err error) {
	var one [1]Batch
	n, err := s.take(one[:])
	return one[0], n > 0, err
}

// Collect returns, without waiting, all that was published since the last
// reading as one batch of one change for a place, with the time of the last of
// them. Whoever applies the changes in order ends in the present state. ok says
// whether there was anything.
func (s *Sub) Collect() (b Batch, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := s.hub.done.Load()
	switch {
	case s.closed:
		return b, false, ErrClosed
	case s.overflow:
		return b, false, ErrOverflow
	}
	// What belongs to a publication that is under way stays for the next time.
	end := s.head
	for end < len(s.queue) && s.queue[end].seq <= done {
		end++
	}
	if end == s.head {
		return b, false, nil
	}
	list, rest := s.queue[s.head:end], s.queue[end:]
	if s.repeats {
		list = coalesce(list)
	}
	b.Memo = &Memo{}
	for _, c := range list {
		b.Changes = append(b.Changes, c.one[0])
		b.Coalesced += c.dups
		b.Time = c.time
	}
	s.drop()
	for _, c := range rest {
		s.queue = append(s.queue, c)
		s.bytes += c.size
	}
	s.repeats = len(rest) > 0
	return b, len(b.Changes) > 0, nil
}

func (s *Sub) take(batches []Batch) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := s.hub.done.Load()
	switch {
	case s.closed:
		return 0, ErrClosed
	case s.overflow:
		return 0, ErrOverflow
	case len(s.queue) == s.head, s.queue[s.head].seq > done:
		return 0, nil
	}
	if s.queue[len(s.queue)-1].seq != s.queue[s.head].seq && s.bytes-s.clean > s.clean {
		s.compact()
	}
	for read := 0; n < len(batches) && read < readBytes && s.head < len(s.queue) && s.queue[s.head].seq <= done; n++ {
		read += s.first(&batches[n])
	}
	if s.head == len(s.queue) {
		s.queue, s.head, s.bytes, s.clean, s.compactAt, s.repeats = s.queue[:0], 0, 0, 0, firstCompact, false
	}
	return n, nil
}

// first takes the oldest publication out of the backlog into b and returns its
// estimated octets; the caller holds mu.
func (s *Sub) first(b *Batch) int {
	c := s.queue[s.head]
	end := s.head + 1
	for end < len(s.queue) && s.queue[end].seq == c.seq {
		end++
	}
	*b = Batch{Time: c.time, Changes: c.one[:], Memo: &c.memo}
	if end-s.head > 1 {
		list := share(s.queue[s.head:end])
		b.Changes, b.Memo = list.changes, &list.memo
	}
	read := 0
	for i, c := range s.queue[s.head:end] {
		b.Coalesced += c.dups
		read += c.size
		s.queue[s.head+i] = nil
	}
	s.head = end
	s.bytes -= read
	s.clean = max(s.clean-read, 0)
	return read
}

// drop empties the backlog; the caller holds mu.
func (s *Sub) drop() {
	s.queue, s.head, s.bytes, s.clean, s.compactAt, s.repeats = nil, 0, 0, 0, firstCompact, false
}

// compact leaves of all changes at one place the latest, at its place in the
// order: whoever applies the rest in order ends in the same state. The caller
// holds mu.
func (s *Sub) compact() {
	if s.repeats {
		s.queue, s.head, s.bytes = coalesce(s.queue[s.head:]), 0, 0
		for _, c := range s.queue {
			s.bytes += c.size
		}
		s.repeats = false
	}
	s.clean = s.bytes
	s.compactAt = max(firstCompact, 2*(len(s.queue)-s.head))
}

func coalesce(old []*change) []*change {
	type seen struct {
		first, last int
		dups        uint32 // changes before the last, and those they stood for
	}
	places := make(map[uint64]*seen, len(old))
	of := make([]*seen, len(old)) // nil for a change that stays as it is
	for i, c := range old {
		e := places[c.hash]
		switch {
		case e == nil:
			e = &seen{first: i}
			places[c.hash] = e
		case !old[e.last].one[0].Path.Equal(c.one[0].Path):
			// Two places with one hash: both are kept apart.
			continue
		default:
			e.dups += old[e.last].dups + 1
		}
		e.last = i
		of[i] = e
	}
	queue := make([]*change, 0, len(places)+len(places)/2)
	whole := -1 // latest subtree that came or went
	for i, c := range old {
		if isWhole(c.one[0]) {
			whole = i
		}
		if e := of[i]; e != nil {
			if e.last != i {
				continue
			}
			if e.first != i {
				// A leaf that is gone now may have come again with a subtree.
				if c = merge(old[e.first], c, e.dups, whole > e.first); c == nil {
					continue
				}
			}
		}
		queue = append(queue, c)
	}
	return queue
}

// merge returns the change that stands for all from first to last at one place,
// dups of them besides last's own, or nil for a leaf that came and went unless it
// may have come again with a subtree.
func merge(first, last *change, dups uint32, again bool) *change {
	m := &change{one: last.one, time: last.time, seq: last.seq, prev: last.prev, hash: last.hash, size: last.size, dups: last.dups + dups}
	c := &m.one[0]
	c.Old = first.one[0].Old
	if c.Op == tree.Moved || !isLeaf(c.Path[len(c.Path)-1].Node) {
		return m
	}
	switch {
	case c.New == nil && again:
		c.Old = last.one[0].Old
	case c.Old == nil && c.New == nil:
		return nil
	case c.Old == nil:
		c.Op = tree.Created
	case c.New == nil:
		c.Op = tree.Deleted
	default:
		c.Op = tree.Modified
	}
	return m
}

// Resync drops the backlog and returns a snapshot that the following changes
// continue from; it is the way on after ErrOverflow.
func (s *Sub) Resync() Snapshot {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
	s.overflow = false
	return *s.hub.snap.Load()
}

// Backlog returns the number of changes that wait and their estimated octets.
func (s *Sub) Backlog() (changes, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) - s.head, s.bytes
}

// Close ends the subscription and wakes its reader. It may be called again.
func (s *Sub) Close() {
	s.hub.mu.Lock()
	for _, r := range s.regs {
		s.hub.index.remove(r)
	}
	s.regs = nil
	if s.config {
		s.config = false
		s.hub.configSubs--
	}
	s.hub.mu.Unlock()
	s.mu.Lock()
	s.drop()
	s.closed = true
	s.mu.Unlock()
	s.signal()
}

// The estimate of sizes: a change or node with its part of the path, and then
// the texts.
const (
	changeSize = 160
	nodeSize   = 48
)

func sizeOf(c *tree.Change) int {
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
