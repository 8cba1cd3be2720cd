package datastore

import "github.com/tandem-ne/tandem/server/tree"

// At returns the configuration that commit id left, 0 for the empty one before
// the first. It is invalid-value with the app-tag "commit-not-kept" where the
// history does not go back so far, and "no-such-commit" for one that has not happened.
func (s *Store) At(id uint64) (Snapshot, error) { return Snapshot{}, notYet() }

// Oldest returns the id of the oldest commit that At knows.
func (s *Store) Oldest() uint64 { return 0 }

// LastChange returns the id of the commit that last changed the node at p or
// something below it (draft-ietf-netconf-transaction-id): exactly for the root
// and for nodes of depth 1 and 2, and that of the nearest such node for others.
func (s *Store) LastChange(p tree.Path) uint64 { return s.Running().ID }
