package datastore

import (
	"context"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// The error-app-tags of RFC 5717 section 2.4.1.
const (
	AppNoMatches                  = "no-matches"
	AppOutstandingConfirmedCommit = "outstanding-confirmed-commit"
)

// PartialLock locks parts of running (RFC 5717 section 2.4.1): the nodes at paths
// with all that is or comes below them, also after they are deleted. again, which
// may be nil, is called with running when nobody can change it any more and
// returns the paths that count.
//
// lock-denied with the session-id in the way: running is locked as a whole, by
// whichever session; another session has locked a node in one of the subtrees or
// above it; or its confirmed commit is pending. No path at all is
// operation-failed with the app-tag no-matches.
func (s *Session) PartialLock(ctx context.Context, paths []tree.Path, again func(running *tree.Node) ([]tree.Path, error)) (id uint32, err error) {
	st := s.store
	if err := st.writer.lock(ctx); err != nil {
		return 0, err
	}
	defer st.writer.unlock()
	if again != nil {
		if paths, err = again(st.Running().Root); err != nil {
			return 0, err
		}
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.alive(s); err != nil {
		return 0, err
	}
	if len(paths) == 0 {
		return 0, yangerr.New(yangerr.OperationFailed, nil, "there is no such node to lock").WithType(yangerr.Protocol).WithAppTag(AppNoMatches)
	}
	if lock, ok := st.locks[Running]; ok {
		return 0, lockDenied(lock.SessionID, "the lock on <running> is held by session %d", lock.SessionID)
	}
	if e := st.lockedByPending(s); e != nil {
		return 0, e.WithAppTag(AppOutstandingConfirmedCommit)
	}
	for _, p := range paths {
		if lock := st.partialAt(p, s.id); lock != nil {
			return 0, lockDenied(lock.SessionID, "%s is locked by session %d", p, lock.SessionID)
		}
	}
	for {
		st.lastPartial++
		if id = st.lastPartial; id != 0 && st.partial(id) < 0 {
			break
		}
	}
	st.partials = append(st.partials, Lock{Datastore: Running, SessionID: s.id, Since: st.clock.Now(), Partial: id, Nodes: paths})
	return id, nil
}

// PartialUnlock gives a partial lock of the session back (RFC 5717 section
// 2.4.2); invalid-value if it holds none with this id.
func (s *Session) PartialUnlock(ctx context.Context, id uint32) error {
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.alive(s); err != nil {
		return err
	}
	i := st.partial(id)
	if i < 0 || st.partials[i].SessionID != s.id {
		return yangerr.New(yangerr.InvalidValue, nil, "this session holds no partial lock %d", id).WithType(yangerr.Protocol)
	}
	st.partials = append(st.partials[:i:i], st.partials[i+1:]...)
	return nil
}

// partial returns the place of a partial lock, or -1; the caller holds mu.
func (s *Store) partial(id uint32) int {
	for i := range s.partials {
		if s.partials[i].Partial == id {
			return i
		}
	}
	return -1
}

// releasePartials ends those of a session; the caller holds mu.
func (s *Store) releasePartials(session uint32) {
	var rest []Lock
	for _, lock := range s.partials {
		if lock.SessionID != session {
			rest = append(rest, lock)
		}
	}
	s.partials = rest
}

// partialAt returns a partial lock of another session on a node in the subtree
// at p or above it, or nil; the caller holds mu.
func (s *Store) partialAt(p tree.Path, session uint32) *Lock {
	for i := range s.partials {
		lock := &s.partials[i]
		if lock.SessionID == session {
			continue
		}
		for _, node := range lock.Nodes {
			if p.HasPrefix(node) || node.HasPrefix(p) {
				return lock
			}
		}
	}
	return nil
}

// untouched refuses a change of what other sessions have locked in part.
func (s *Store) untouched(session uint32, old, new *tree.Node) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.partials) == 0 {
		return nil
	}
	var errs yangerr.List
	for c := range tree.Diff(old, new) {
		if lock := s.partialAt(c.Path, session); lock != nil {
			errs = append(errs, yangerr.New(yangerr.InUse, c.Path, "session %d has locked this part of <running>", lock.SessionID).WithType(yangerr.Protocol))
		}
	}
	return errs.Err()
}
