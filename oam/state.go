package oam

import (
	"fmt"
	"strings"
	"time"
)

// BFDState is the state of a BFD session with its value on the wire (RFC 5880 section 4.1).
type BFDState uint8

// The BFD states.
const (
	AdminDown BFDState = 0
	Down      BFDState = 1
	Init      BFDState = 2
	Up        BFDState = 3
)

// String returns the name RFC 9314 (ietf-bfd-types) gives to the state.
func (s BFDState) String() string {
	switch s {
	case AdminDown:
		return "adminDown"
	case Down:
		return "down"
	case Init:
		return "init"
	case Up:
		return "up"
	}
	return fmt.Sprintf("state-%d", uint8(s))
}

// Diag is a BFD diagnostic code, 0 to 31 (RFC 5880 section 4.1, RFC 6428 section 3.2).
type Diag uint8

// The diagnostic codes in use.
const (
	DiagNone                Diag = 0
	DiagDetectionExpired    Diag = 1
	DiagEchoFailed          Diag = 2
	DiagNeighborDown        Diag = 3
	DiagForwardingReset     Diag = 4
	DiagPathDown            Diag = 5
	DiagConcatenatedDown    Diag = 6
	DiagAdminDown           Diag = 7
	DiagReverseConcatenated Diag = 8
	DiagMisConnectivity     Diag = 9
)

// Defect is one defect condition of a MEP.
type Defect uint8

// The defects of proactive CC, CV and RDI.
const (
	LossOfContinuity        Defect = iota // RFC 6371 section 5.1.1.1, RFC 6428 section 3.7.2.
	MisConnectivity                       // RFC 6371 section 5.1.1.2, RFC 6428 section 3.7.3.
	UnexpectedPeriod                      // RFC 6371 section 5.1.1.3: period misconfiguration.
	UnexpectedEncapsulation               // RFC 6371 section 5.1.1.4.
	RemoteDefectIndication                // RFC 6371 section 5.2, RFC 6428 section 3.2.
	NumDefects
)

// String returns the defect's name.
func (d Defect) String() string {
	switch d {
	case LossOfContinuity:
		return "loss-of-continuity"
	case MisConnectivity:
		return "mis-connectivity"
	case UnexpectedPeriod:
		return "unexpected-period"
	case UnexpectedEncapsulation:
		return "unexpected-encapsulation"
	case RemoteDefectIndication:
		return "remote-defect-indication"
	}
	return fmt.Sprintf("defect-%d", uint8(d))
}

// Defects is a set of Defect.
type Defects uint8

// Has reports whether d is in the set.
func (s Defects) Has(d Defect) bool { return s&(1<<d) != 0 }

// With returns the set with d.
func (s Defects) With(d Defect) Defects { return s | 1<<d }

// Without returns the set without d.
func (s Defects) Without(d Defect) Defects { return s &^ (1 << d) }

// String lists the names, separated by a space.
func (s Defects) String() string {
	var names []string
	for d := range NumDefects {
		if s.Has(d) {
			names = append(names, d.String())
		}
	}
	return strings.Join(names, " ")
}

// DropReason says why a received frame was not used.
type DropReason uint8

// The drop reasons. The ones up to DropNoMEG are counted per shard only, the
// others per MEG as well.
const (
	DropTruncated       DropReason = iota // The transport cut the frame.
	DropNotACH                            // The payload does not start with an ACH of version 0.
	DropNoMEG                             // No MEG at this section and label.
	DropUnknownChannel                    // No engine has this channel type.
	DropAdminDown                         // The MEG is administratively down or does not run this function.
	DropLength                            // Shorter than a BFD packet, or its Length field is wrong.
	DropVersion                           // BFD version is not 1.
	DropDetectMult                        // Detect Mult is 0.
	DropFlags                             // M is set, or D is set, or P and F are.
	DropMyDiscr                           // My Discriminator is 0.
	DropYourDiscrZero                     // Your Discriminator is 0 in state Init or Up.
	DropYourDiscr                         // Your Discriminator is not this session's.
	DropAuth                              // An authentication section where none is configured.
	DropMEPIDMalformed                    // The MEP-ID TLV of a CV packet cannot be read.
	DropMEPIDUnexpected                   // The MEP-ID is not the configured peer's.
	DropNoCV                              // A CV packet in a MEG that has CV off.
	DropEncapsulation                     // BFD in an encapsulation this MEG does not use.
	NumDropReasons
)

// String returns the reason's name.
func (r DropReason) String() string {
	names := [NumDropReasons]string{
		"truncated", "not-ach", "no-meg", "unknown-channel", "admin-down", "length", "version",
		"detect-mult", "flags", "my-discriminator", "your-discriminator-zero", "your-discriminator",
		"authentication", "mep-id-malformed", "mep-id-unexpected", "unexpected-cv", "encapsulation",
	}
	if r < NumDropReasons {
		return names[r]
	}
	return fmt.Sprintf("drop-%d", uint8(r))
}

// Counters of one session, since it was made.
type Counters struct {
	SentCC, SentCV         uint64
	ReceivedCC, ReceivedCV uint64                 // Accepted ones.
	Drops                  [NumDropReasons]uint64 // Received and not used, by reason.
}

// Dropped is the sum of Drops.
func (c *Counters) Dropped() (n uint64) {
	for _, v := range c.Drops {
		n += v
	}
	return n
}

// SessionState is a snapshot of one CC/CV session. The names are those of RFC 5880 section 6.8.1.
type SessionState struct {
	LocalState, RemoteState BFDState
	LocalDiag, RemoteDiag   Diag
	LocalDiscr, RemoteDiscr uint32 // RemoteDiscr is 0 while unknown.
	NegotiatedTx            time.Duration
	NegotiatedRx            time.Duration
	DetectionTime           time.Duration // 0 while no packet has been received.
	Defects                 Defects
	LastChange              int64 // When LocalState changed last.
	UpCount, DownCount      uint32
	Counters                Counters
}

// EventKind says what happened.
type EventKind uint8

// The kinds of event.
const (
	DefectEntered EventKind = iota
	DefectCleared
	// StateChanged says that the local state changed, or, with the State
	// there was before, that other values of SessionState did, counters
	// aside: such changes are told together, up to 100 ms late.
	StateChanged
	// EventsLost says that the observer was too slow: some events are
	// missing, read the states instead. MEG is empty.
	EventsLost
)

// String returns the kind's name.
func (k EventKind) String() string {
	switch k {
	case DefectEntered:
		return "defect-entered"
	case DefectCleared:
		return "defect-cleared"
	case StateChanged:
		return "state-changed"
	case EventsLost:
		return "events-lost"
	}
	return fmt.Sprintf("event-%d", uint8(k))
}

// Event is one thing that happened to a MEG.
type Event struct {
	Time   int64 // When it happened (for a received packet: when the kernel saw it).
	MEG    string
	Kind   EventKind
	Defect Defect   // Of DefectEntered and DefectCleared.
	State  BFDState // The local state after the event.
	Diag   Diag     // The local diagnostic after the event.
	Info   string   // What a person wants to know beside it, such as the unexpected MEP-ID.
}

// Observer takes the events of a shard, one at a time and in order, on a
// goroutine of its own: a slow observer never delays a session.
type Observer interface {
	OnEvent(Event)
}
