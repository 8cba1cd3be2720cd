package oper

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// Hub is where state, configuration and subscribers meet. It is safe for
// concurrent use. Publishers wait for each other, never for a subscriber.
type Hub struct {
	schema *schema.Schema
	snap   atomic.Pointer[Snapshot] // replaced under mu, read without
	done   atomic.Uint64            // the latest publication that readers may have

	mu    sync.Mutex // of publishers and of who subscribes
	seq   uint64     // of the latest publication
	told  []*Sub     // to be woken when it is complete
	index index
	keys  []byte // scratch of deliver
	place []byte // scratch of hash
	seed  maphash.Seed
	paths []tree.Path // scratch of changesAt
	last  places
	// made has, by hash, the parts of the subtree being delivered that were
	// handed to somebody, where several may want the same.
	made    map[uint64]*change
	several bool

	configSubs int  // how many want the configuration alone
	config     bool // the changes being delivered are for them

	providersMu sync.RWMutex
	providers   []provided

	streams streams
}

// New returns a Hub that starts from the given running configuration, which may
// be nil, and no state. now is the clock for that start; time.Now where nil.
func New(s *schema.Schema, running *tree.Node, now func() time.Time) *Hub {
	if now == nil {
		now = time.Now
	}
	empty := tree.Empty(s)
	start := now()
	if running == nil {
		running = empty
	}
	h := &Hub{schema: s, index: newIndex(), seed: maphash.MakeSeed(), made: make(map[uint64]*change), last: places{at: make(map[uint64]published)}}
	h.streams.log = newEventLog(start)
	h.snap.Store(&Snapshot{Running: running, State: empty, Time: start})
	return h
}

// Snapshot returns what the Hub holds now, without waiting.
func (h *Hub) Snapshot() Snapshot { return *h.snap.Load() }

// State returns the state that was pushed, without waiting.
func (h *Hub) State() *tree.Node { return h.snap.Load().State }

// Publish changes the pushed state as of time t and tells the subscribers. The
// error is a yangerr.List; nothing has happened then.
func (h *Hub) Publish(t time.Time, edits []tree.Edit) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.snap.Load()
	next, errs := tree.Apply(old.State, edits)
	if err := errs.Err(); err != nil {
		return err
	}
	h.snap.Store(&Snapshot{Running: old.Running, State: next, Time: t})
	h.publish(t, old.Running, func(f func(tree.Change)) { h.changes(old.State, next, edits, f) })
	return nil
}

// PublishCommit makes new the running configuration as of time t and tells the
// subscribers what differs from old. The caller calls it in the order of commits.
func (h *Hub) PublishCommit(old, new *tree.Node, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	snap := h.snap.Load()
	h.snap.Store(&Snapshot{Running: new, State: snap.State, Time: t})
	h.publish(t, snap.State, func(f func(tree.Change)) {
		for c := range tree.Diff(old, new) {
			f(c)
		}
	})
	if h.configSubs == 0 {
		return
	}
	h.config = true
	defer func() { h.config = false }()
	h.publish(t, nil, func(f func(tree.Change)) {
		for c := range tree.Diff(old, new) {
			f(c)
		}
	})
}

// change is a tree.Change on its way to readers, shared by all of them. It is an
// array of one so that a batch of it needs no memory of its own.
type change struct {
	one  [1]tree.Change
	time time.Time
	seq  uint64 // of the publication
	prev uint64 // latest publication before it that may have changed the same place
	hash uint64 // of the place
	size int    // estimated octets
	dups uint32 // earlier changes that this one stands for

	memo  Memo                   // of the batch that is this change alone
	lists atomic.Pointer[shared] // batches of several that begin with it
}

// newChange prepares c, whose place has the given hash, for the readers; the
// caller holds mu.
func (h *Hub) newChange(t time.Time, c tree.Change, hash uint64) *change {
	return &change{one: [1]tree.Change{c}, time: t, seq: h.seq, size: sizeOf(&c), hash: hash, prev: h.last.put(hash, h.seq)}
}

// hash differs, in all likelihood, for changes at different places, where a
// subtree that goes and one that comes are two places: the second does not say
// all that the first does.
func (h *Hub) hash(c *tree.Change) uint64 {
	h.place = h.place[:0]
	for i := range c.Path {
		h.place = appendKeys(h.place, &c.Path[i])
	}
	last := c.Path[len(c.Path)-1].Node
	h.place = binary.AppendUvarint(h.place, uint64(last.ID))
	if !isLeaf(last) || c.Op == tree.Moved {
		h.place = append(h.place, byte(c.Op))
	}
	return maphash.Bytes(h.seed, h.place)
}

// complete lets readers have the publication, whose changes stay together, and
// wakes them. The caller holds mu.
func (h *Hub) complete() {
	h.done.Store(h.seq)
	for i, s := range h.told {
		s.signal()
		h.told[i] = nil
	}
	h.told = h.told[:0]
}

// publish hands on what changes yields, the changes of one of the two trees that
// the subscriber sees joined; other is the second one. The caller holds mu.
func (h *Hub) publish(t time.Time, other *tree.Node, changes func(func(tree.Change))) {
	h.seq++
	defer h.complete()
	if h.index.empty() {
		return
	}
	changes(func(c tree.Change) {
		if isWhole(c) {
			h.join(t, c, other.Get(c.Path))
		} else {
			h.deliver(t, c)
		}
	})
}

// isWhole reports whether c is a container or entry that came or went.
func isWhole(c tree.Change) bool {
	return c.Op == tree.Created && !isValue(c.New) || c.Op == tree.Deleted && !isValue(c.Old)
}

// join reports c as the joined tree shows it. Where a container or entry
// appears or goes that the other tree has as well, only what is in it does.
func (h *Hub) join(t time.Time, c tree.Change, other *tree.Node) {
	if other == nil || !isWhole(c) {
		h.deliver(t, c)
		return
	}
	n := c.New
	if n == nil {
		n = c.Old
	}
	for child := range n.Children() {
		s := child.Schema()
		if s.IsKey() {
			continue
		}
		if child.IsHolder() {
			// The changes of Diff are about entries, never about holders.
			for e := range child.Children() {
				h.join(t, part(c, e, c.Path), other.Child(s).Entry(e.Keys()...))
			}
			continue
		}
		h.join(t, part(c, child, c.Path), other.Child(s))
	}
}

// part is the share that n, a child of the node at p or an entry in it, has in
// a subtree that was created or deleted.
func part(c tree.Change, n *tree.Node, p tree.Path) tree.Change {
	c.Path = p.Child(n.Schema(), n.Keys()...)
	c.After = nil
	if c.Op == tree.Created {
		c.New = n
	} else {
		c.Old = n
	}
	return c
}

func isValue(n *tree.Node) bool {
	switch n.Schema().Kind {
	case schema.Leaf, schema.Anydata, schema.Anyxml:
		return true
	case schema.LeafList:
		return !n.IsHolder()
	}
	return false
}

// maxMade is up to how long a map is emptied and kept.
const maxMade = 1024

// deliver gives c to every subscriber with a pattern that matches: at the
// changed node or above it by one look-up for each level of the path, below it
// by following the pattern through the subtree that came or went.
func (h *Hub) deliver(t time.Time, c tree.Change) {
	if len(c.Path) == 0 {
		return
	}
	var shared *change // made when somebody wants it
	push := func(r *reg) {
		if shared == nil {
			shared = h.newChange(t, c, h.hash(&c))
		}
		r.sub.push(shared)
	}
	h.keys = h.keys[:0]
	h.index.root.each(h.keys, c.Path, push)
	for i := range c.Path {
		st := &c.Path[i]
		h.keys = appendKeys(h.keys, st)
		if b := h.index.at[st.Node.ID]; b != nil {
			b.each(h.keys, c.Path, push)
		}
	}
	if c.Op != tree.Created && c.Op != tree.Deleted {
		return
	}
	last := c.Path[len(c.Path)-1].Node
	if isLeaf(last) {
		return
	}
	below := h.index.below[last.ID]
	h.several = len(below) > 1
	for _, r := range below {
		if r.matches(c.Path) {
			n := c.New
			if c.Op == tree.Deleted {
				n = c.Old
			}
			h.descend(t, r, c.Op, n, c.Path)
		}
	}
	switch {
	case len(h.made) > maxMade:
		h.made = make(map[uint64]*change)
	case h.several:
		clear(h.made)
	}
}

func isLeaf(s *schema.Node) bool {
	switch s.Kind {
	case schema.Leaf, schema.LeafList, schema.Anydata, schema.Anyxml:
		return true
	}
	return false
}
