package packetio

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/tandem-ne/tandem/oam"
)

// Frame is one punted frame.
type Frame struct {
	Time     int64 // CLOCK_MONOTONIC in nanoseconds.
	IfIndex  uint32
	VLAN     uint16
	Reason   oam.Reason
	Entity   oam.EntityKind
	Label    uint32 // The label that led to the punt: the one above the GAL.
	HasLabel bool
	// Stack is the label stack and what follows it. It is the source's memory
	// and good until Release.
	Stack     []byte
	Truncated bool
	// Snapshot is zero where the source has none.
	Snapshot oam.Snapshot
}

// Source gives punted frames.
type Source interface {
	// FD is a file descriptor that polls as readable while Next may have
	// frames.
	FD() int
	// Next fills dst with frames, without waiting, and returns their number;
	// less than len(dst) says that there are no more.
	Next(dst []Frame) int
	// Release takes back the memory of all frames given so far.
	Release()
	Close() error
}

// Consumer is what a Source may be besides: its data plane consumes frames that
// sessions expect. Calls do not overlap.
type Consumer interface {
	// Watch has frames that arrive there and are octets
	// (oam.WatchLen of them) from the ACH on noted instead of punted. An Arrival
	// has one Watch.
	Watch(at Arrival, octets []byte) (*oam.Seen, error)
	// Mute has the frames punted again; what is in Seen stays there until
	// Unwatch.
	Mute(*oam.Seen)
	// Unwatch ends a Watch. Seen is not to be looked at any more, or not for
	// long: it may become another Watch's.
	Unwatch(*oam.Seen)
}

// Arrival is oam.Arrival as the data plane knows it; IfIndex 0: any section.
type Arrival struct {
	IfIndex  uint32
	VLAN     uint16
	Label    uint32
	HasLabel bool
	Reason   oam.Reason
}

// Grouper is what a Source may be besides: its data plane sends frames by the
// active leg of a group.
type Grouper interface {
	// Outlet returns where frames for a group go, the same for the same name.
	// It does not wait for the data plane.
	Outlet(group string) *Outlet
}

// Outlet is the way into a group: frames with an 802.1ad tag, or with a label
// above all others, on an interface of the data plane's own. The zero value is
// shut.
type Outlet struct{ v atomic.Uint64 }

const (
	outletOpen  = 1 << 63
	outletLabel = 1 << 62 // By a label.
	labelBits   = 20
)

// Open says which interface and which tag (TCI) lead into the group from now on.
func (o *Outlet) Open(ifindex int, tci uint16) {
	o.v.Store(outletOpen | uint64(uint32(ifindex))<<16 | uint64(tci))
}

// OpenLabel says which interface and which label lead into the group from now
// on. The label has the traffic class of the one below.
func (o *Outlet) OpenLabel(ifindex int, label uint32) {
	o.v.Store(outletOpen | outletLabel | uint64(uint32(ifindex))<<labelBits | uint64(label&(1<<labelBits-1)))
}

// Shut says that the group is not there.
func (o *Outlet) Shut() { o.v.Store(0) }

// maxDepth is the deepest label stack taken.
const maxDepth = 16

// walk finds the end of a label stack: the number of entries and what is
// behind them. ok is false if there is none in b.
func walk(b []byte) (depth int, payload []byte, ok bool) {
	for depth < maxDepth && len(b) >= 4 {
		v := binary.BigEndian.Uint32(b)
		b = b[4:]
		depth++
		if v>>8&1 != 0 {
			return depth, b, true
		}
	}
	return depth, nil, false
}
