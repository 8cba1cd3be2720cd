package datastore

import (
	"context"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

func notYet() error { return yangerr.New(yangerr.OperationNotSupported, nil, "not supported") }

// PartialLock locks parts of running (RFC 5717 section 2.4.1): the nodes at
// paths with all that is below them. again, which may be nil, is called with
// running once more under the lock of writers; its paths are then the ones that count.
func (s *Session) PartialLock(ctx context.Context, paths []tree.Path, again func(running *tree.Node) ([]tree.Path, error)) (id uint32, err error) {
	return 0, notYet()
}

// PartialUnlock gives a partial lock of the session back (section 2.4.2).
func (s *Session) PartialUnlock(ctx context.Context, id uint32) error { return notYet() }
