// Package oper shows the operational state: it joins the running configuration,
// the state that engines push and the state that providers read when asked, and
// it carries every change and notification to those who subscribed.
package oper

import (
	"context"
	"errors"
	"time"

	"github.com/tandem-ne/tandem/server/tree"
)

// ErrOverflow is what a reader gets whose backlog passed its bound: it has lost
// changes and must take a new snapshot (Sub.Resync).
var ErrOverflow = errors.New("oper: the subscriber is too slow: its backlog was dropped")

// ErrClosed is what Next returns after Close.
var ErrClosed = errors.New("oper: the subscription is closed")

// Provider reads state that nobody pushes, such as counters.
type Provider interface {
	// Read puts what the request wants into req.Build.
	Read(ctx context.Context, req Request) error
}

// Request is one question to a Provider.
type Request struct {
	Running *tree.Node
	// Filter is what is wanted below the provider's root; its Node is the
	// provider's root. Nil stands for all of it.
	Filter *tree.Filter
	// Instances are the instances of the provider's root that are wanted: one
	// for each entry, in running or in the pushed state, that the lists above it
	// have and the question asks for; a root in no list has one. A root that is
	// itself a list of the configuration gives its entries, a list of state only
	// its holder.
	Instances []tree.Path
	// Build holds what is known already; Set with the paths of Instances adds to
	// it. Whatever was not asked for is taken out again.
	Build *tree.Builder
}

// Snapshot is one state of what the Hub holds.
type Snapshot struct {
	Running *tree.Node
	State   *tree.Node
	Time    time.Time // of the latest change in it
}

// SubOptions say what a subscriber wants.
type SubOptions struct {
	// Paths are patterns: a list step without keys stands for every entry, and a
	// zero Value among the keys for every value of that key. A pattern takes in
	// all below it; the empty pattern everything.
	Paths []tree.Path
	// ConfigOnly gives the changes of the running configuration as they are in it,
	// and none of state.
	ConfigOnly bool
	// MaxBytes bounds the backlog, counted in estimated octets of paths and
	// values; 0 stands for DefaultMaxBytes.
	MaxBytes int
}

// DefaultMaxBytes is the bound of a backlog where none is given.
const DefaultMaxBytes = 8 << 20

// Batch is what changed at one time.
type Batch struct {
	Time    time.Time
	Changes []tree.Change
	// Coalesced counts the earlier changes that these replaced because the
	// reader had not read them.
	Coalesced uint32
	// Memo is the same for all readers that get the same changes.
	Memo *Memo
}

// Notification is one notification of a stream (RFC 5277 section 2.2.1).
type Notification struct {
	Time time.Time  // eventTime
	Node *tree.Node // instance of a schema node of kind Notification
	Path tree.Path  // of the node it is defined in (RFC 7950 section 7.16); empty at top level
}

// NETCONF is the name of the stream that RFC 5277 section 3.2.3 requires.
const NETCONF = "NETCONF"
