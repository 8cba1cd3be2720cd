// Package oam is the contract between the OAM engines and the rest of the
// element: the transport they send and receive G-ACh frames on, the desired
// state they are given, and the state, counters and events they give back.
// It holds types only. The loop that hosts the engines is package shard; the
// engines are the packages beside it (package bfd: CC, CV and RDI).
//
// Every instant in this package is in nanoseconds of CLOCK_MONOTONIC.
package oam

import (
	"fmt"
	"sync/atomic"
)

// Forever is the deadline that never comes.
const Forever = int64(1<<63 - 1)

// LSE is one label stack entry as seen or to be sent. The S bit follows from
// the position in the stack.
type LSE struct {
	Label uint32 // 0 to 1048575.
	TC    uint8  // 0 to 7.
	TTL   uint8
}

// Reason says why the data plane punted a frame.
type Reason uint8

// The punt reasons.
const (
	ReasonGAL         Reason = iota // A GAL (label 13) was found where the stack ends (RFC 5586).
	ReasonTTLExpired                // The TTL of a label expired here.
	ReasonRouterAlert               // Label 1 was on top.
	ReasonReserved                  // Another special-purpose label this node does not handle.
	ReasonPWACH                     // An ACH follows a pseudowire's label where a control word would (RFC 4385 section 5).
)

// String returns a short name.
func (r Reason) String() string {
	switch r {
	case ReasonGAL:
		return "gal"
	case ReasonTTLExpired:
		return "ttl-expired"
	case ReasonRouterAlert:
		return "router-alert"
	case ReasonReserved:
		return "reserved-label"
	case ReasonPWACH:
		return "pw-ach"
	}
	return fmt.Sprintf("reason-%d", uint8(r))
}

// Rx is one punted frame. Payload starts behind the bottom of the label stack
// (for a G-ACh frame that is the ACH) and aliases a buffer of the transport
// until the next Recv.
type Rx struct {
	Time    int64  // When the kernel saw the frame; not later than Clock.Now at Recv's return.
	IfIndex uint32 // The interface it came in on.
	Section string // The section of that interface; "" when there is none.
	Reason  Reason
	// Entity is what the frame belongs to: the LSP or pseudowire of Label, or
	// the section; NoEntity for a label that is nobody's here.
	Entity    EntityKind
	Label     uint32 // The label that led to the punt: the one above the GAL, that of the pseudowire.
	HasLabel  bool   // False when the GAL was on top (a section's G-ACh); Label is 0 then.
	Depth     uint8  // Number of label stack entries seen, the GAL included.
	Truncated bool   // Payload was cut by the transport.
	Snapshot  Snapshot
	Stack     []byte // The label stack as it came, Depth entries of 4 octets; aliases like Payload.
	Payload   []byte
}

// Snapshot is what the counters of an LSP, pseudowire or section were when a
// frame of it was punted, that frame included: the basis of direct loss
// measurement (RFC 6374 section 2.2). It is zero where the data plane has none.
type Snapshot struct {
	InPackets, InOctets, OutPackets, OutOctets uint64
}

// Path says how a MEP's frames leave: on the interface of Section, or by the
// active leg of Group, under Labels (top first, the GAL not included). The
// transport adds the GAL with S=1, unless Control says otherwise, and the
// Ethernet header.
type Path struct {
	Section string
	// Group names the transport path that carries this one (an SPME, a tunnel
	// below the LSP or pseudowire): the data plane adds its labels as they are
	// when the frame leaves. Exactly one of Section and Group is set.
	Group   string
	Labels  []LSE // Empty for a section MEG.
	Control Control
	GALTTL  uint8 // TTL of the GAL; at least 1 (RFC 6428 section 3.5), 0 is taken as 1.
	GALTC   uint8 // TC of the GAL, 0 to 7.
}

// Control is how a frame is told from the user traffic of its path.
type Control uint8

// The ways.
const (
	// ControlGAL: a GAL below the labels, that of a pseudowire included (RFC
	// 5586 section 4, RFC 6423).
	ControlGAL Control = iota
	// ControlPWACH: the ACH directly behind the pseudowire's label, in the place
	// of the control word (RFC 4385 section 5, VCCV type 1 of RFC 5085).
	ControlPWACH
	// ControlRouterAlert: a router alert label above the last label, the
	// pseudowire's, and the ACH behind that (VCCV type 2).
	ControlRouterAlert
)

// PathID names an opened Path on one transport.
type PathID int32

// Tx is one frame to send on an opened path. Payload starts at the ACH and
// is not used any more once Send has returned.
type Tx struct {
	Path    PathID
	Payload []byte
}

// Transport carries the G-ACh frames of one shard. The shard calls OpenPath,
// ClosePath, Send and Recv from one goroutine only, locked to its thread;
// Wake and Close may be called from any goroutine.
type Transport interface {
	// OpenPath resolves a path once, so that sending on it costs no look-up.
	// A section whose interface is down or not there yet is no error: frames
	// for it are not taken until it comes. An error means the path can never
	// work (a label out of range, too many labels, an unknown section); the
	// shard tries again once a second.
	OpenPath(Path) (PathID, error)

	// ClosePath frees the path. It may be called for every opened path once.
	ClosePath(PathID)

	// Send hands every frame of batch to the kernel in order, without
	// blocking and without allocating, and returns how many it took. The
	// frames it did not take are lost; err is the first reason.
	Send(batch []Tx) (sent int, err error)

	// Recv fills batch with received frames and returns their number. It
	// waits until there is at least one, until deadline (an instant of the
	// shard's Clock; one in the past means: do not wait), until Wake or
	// until Close. n < len(batch) says that the queue was empty at return.
	// Frames of one interface come in the order of Time. The only error is
	// one after which the transport is of no more use, os.ErrClosed after Close.
	Recv(batch []Rx, deadline int64) (n int, err error)

	// Wake makes a waiting Recv, or else the next one, return at once.
	Wake()

	// Close ends the transport; a waiting Recv returns os.ErrClosed.
	Close() error
}

// Reason is what the data plane punts the frames of the other end for.
func (c Control) Reason() Reason {
	switch c {
	case ControlPWACH:
		return ReasonPWACH
	case ControlRouterAlert:
		return ReasonRouterAlert
	}
	return ReasonGAL
}

// Watcher is what a Transport may be besides: its data plane consumes the frames
// of sessions to which they tell nothing new. Called like OpenPath.
type Watcher interface {
	// Watch has frames that arrive there, and are from the ACH on
	// octets and then padding, noted in Seen instead of received. It returns
	// nil where that cannot be. Frames on their way are received yet, and all
	// are again when the data plane had to forget: the caller watches again.
	Watch(at Arrival, octets []byte) *Seen
	// Unwatch ends it, once for every Watch. What was noted until then is in
	// Seen.
	Unwatch(*Seen)
}

// WatchLen is the number of octets that Watch takes: an ACH and a BFD control
// packet.
const WatchLen = 28

// Arrival is where the frames of a MEP arrive.
type Arrival struct {
	Section  string // "" is any.
	Label    uint32
	HasLabel bool
	Reason   Reason
}

// Seen is where the data plane notes consumed frames. It is memory that the two
// share, so that looking costs no system call.
type Seen struct{ last, count uint64 }

// Load returns how many frames have been noted and when the kernel saw the last
// of them, at least. The zero value never had one.
func (s *Seen) Load() (last int64, count uint64) {
	// Note writes in the opposite order: no frame is counted before its time is
	// there.
	count = atomic.LoadUint64(&s.count)
	return int64(atomic.LoadUint64(&s.last)), count
}

// Note notes a frame, as the data plane does.
func (s *Seen) Note(at int64) {
	atomic.StoreUint64(&s.last, uint64(at))
	atomic.AddUint64(&s.count, 1)
}

// Clock tells CLOCK_MONOTONIC. Waiting for an instant is Recv's business.
type Clock interface {
	Now() int64
}

// Sleeper is what a Clock may be besides. A shard whose clock is one rests
// after a turn that had work, so that under load a turn serves many frames
// and timers instead of one; without it every frame wakes the shard.
type Sleeper interface {
	// SleepUntil returns at the instant t, as precisely as the system can
	// (clock_nanosleep with TIMER_ABSTIME). It may keep the thread.
	SleepUntil(t int64)
}
