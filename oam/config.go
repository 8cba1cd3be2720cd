package oam

import (
	"fmt"
	"time"

	"github.com/tandem-ne/tandem/oam/ach"
)

// EntityKind says what a MEG monitors.
type EntityKind uint8

// The kinds of entity.
const (
	Section    EntityKind = iota // A section: the GAL is the only label.
	LSP                          // An LSP or SPME: the GAL is below the LSP's label.
	Pseudowire                   // A pseudowire: the ACH or a GAL is below its label.
	NoEntity                     // Of a received frame: the label is nobody's.
)

// String returns the kind's name.
func (k EntityKind) String() string {
	switch k {
	case Section:
		return "section"
	case LSP:
		return "lsp"
	case Pseudowire:
		return "pseudowire"
	case NoEntity:
		return "none"
	}
	return fmt.Sprintf("entity-%d", uint8(k))
}

// Mode is the BFD mode of RFC 6428, section 3.1.
type Mode uint8

// Coordinated is one session for both directions: its state follows the
// defects of either (RFC 6428 figure 7).
const Coordinated Mode = 0

// Bounds of the CC configuration.
const (
	MinInterval  = 3300 * time.Microsecond // 3.33 ms, written 3.3 ms in RFC 6371 section 5.1.3.
	MaxInterval  = 60 * time.Second
	CCMultiplier = 3 // The CC code point implies a Detect Mult of 3 (RFC 6428).
)

// CCConfig configures the continuity check of a MEG.
type CCConfig struct {
	Enabled    bool
	Mode       Mode
	TxInterval time.Duration // Interval wanted for sending, MinInterval to MaxInterval.
	RxInterval time.Duration // Interval wanted from the peer, MinInterval to MaxInterval.
	Multiplier uint8         // Detect Mult sent, 1 to 255; 0 is taken as CCMultiplier.
}

// MEG is one maintenance entity group with its MEP at this node.
type MEG struct {
	Name   string
	Entity EntityKind

	Path       Path   // Where this MEP transmits.
	RxSection  string // Where its peer's frames arrive; "" for any section (label space per platform).
	RxLabel    uint32 // The label they arrive with.
	RxHasLabel bool   // False for a section MEG.

	Local, Peer ach.MEPID // Peer is what a CV packet must carry.
	CC          CCConfig
	CV          bool // Send one CV packet a second and verify the peer's (RFC 6428 section 3).
	AdminUp     bool
}

// Delta is a change of the desired state. A MEG in Put replaces the one of
// the same name; what did not change in it goes on undisturbed.
type Delta struct {
	Put    []MEG
	Delete []string
}

// ConfigError refuses a MEG: Field names the part of it, Rule what it breaks.
type ConfigError struct {
	MEG   string
	Field string
	Rule  string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("meg %q: %s: %s", e.MEG, e.Field, e.Rule)
}
