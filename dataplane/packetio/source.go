package packetio

import (
	"encoding/binary"

	"github.com/tandem-ne/tandem/oam"
)

// Frame is one punted frame.
type Frame struct {
	Time     int64 // CLOCK_MONOTONIC in nanoseconds.
	IfIndex  uint32
	VLAN     uint16
	Reason   oam.Reason
	Label    uint32 // The label that led to the punt: the one above the GAL.
	HasLabel bool
	// Stack is the label stack and what follows it. It is the source's memory
	// and good until Release.
	Stack     []byte
	Truncated bool
	// Snapshot is zero where the source has none.
	Snapshot Snapshot
}

// Snapshot is what had been received on the LSP of a punted frame, the frame
// included, when it was punted: the basis of direct loss measurement.
type Snapshot struct{ Packets, Octets uint64 }

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
