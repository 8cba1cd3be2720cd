package datastore

import (
	"context"

	"github.com/tandem-ne/tandem/server/tree"
)

// HasStartup reports whether <startup> exists (Options.Startup).
func (s *Store) HasStartup() bool { return false }

// Startup returns <startup>: what the next boot begins with. ID is the commit
// that running was at when it was written. Without HasStartup it is zero.
func (s *Store) Startup() Snapshot { return Snapshot{} }

// SetStartup makes root the startup configuration (copy-config); nil stands for
// its deletion (delete-config). The error is a yangerr.List: in-use if another
// session has locked <startup>, or what makes root invalid.
func (s *Session) SetStartup(ctx context.Context, root *tree.Node) error { return notYet() }
