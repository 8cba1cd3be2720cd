package datastore

import (
	"context"

	"github.com/tandem-ne/tandem/server/tree"
)

// Resolution says what UpdateCandidate does where the private candidate and
// running have both changed the same node (draft-ietf-netconf-privcand).
type Resolution uint8

// The resolution-modes of the draft.
const (
	RevertOnConflict Resolution = iota // refuse, and name the conflicts
	PreferCandidate                    // the candidate's change stays
	PreferRunning                      // running's change stays
)

// SetPrivate gives the session a candidate of its own, which begins as running.
// Everything that the session does to the candidate, a commit included, is then
// about that one.
func (s *Session) SetPrivate() {}

// Private reports whether the session has a candidate of its own.
func (s *Session) Private() bool { return false }

// UpdateCandidate brings the private candidate up to running. With
// RevertOnConflict the error, a yangerr.List, has one operation-failed with the
// path of each conflict, and nothing changes.
func (s *Session) UpdateCandidate(ctx context.Context, r Resolution) error { return notYet() }

// Base returns the running configuration that the private candidate was made
// from or last brought up to, and running for the shared one.
func (s *Session) Base() *tree.Node { return s.store.Running().Root }
