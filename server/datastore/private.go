package datastore

import (
	"context"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
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

// private is the candidate of one session: a branch of running.
type private struct {
	editor semaphore  // held while it is being changed
	base   *tree.Node // running where it branched off; nil before the first access
	root   *tree.Node // nil while it is base
	locked bool

	expected []Condition
}

// branch makes the candidate, at the first access, from running.
func (p *private) branch(running *tree.Node) {
	if p.base == nil {
		p.base = running
	}
}

// SetPrivate gives the session a candidate of its own, made from running when it
// is first used. Everything that the session does to the candidate, lock and
// commit included, is then about that one. It is called before any of these.
func (s *Session) SetPrivate() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if s.private == nil {
		s.private = &private{editor: make(semaphore, 1)}
	}
}

// Private reports whether the session has a candidate of its own.
func (s *Session) Private() bool {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	return s.private != nil
}

// Base returns the running configuration that the private candidate branched off
// from or was last brought up to; running itself for the shared candidate.
func (s *Session) Base() *tree.Node {
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	running := st.Running().Root
	if s.private == nil {
		return running
	}
	s.private.branch(running)
	return s.private.base
}

// editing is what a change of the session's candidate holds.
func (s *Session) editing() semaphore {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if s.private != nil {
		return s.private.editor
	}
	return s.store.editor
}

// UpdateCandidate brings the private candidate up to running: what only running
// has changed is taken over. With RevertOnConflict the error, a yangerr.List, has
// an operation-failed with the path of each node that both have changed, and
// nothing happens. A session without a private candidate gets
// operation-not-supported.
func (s *Session) UpdateCandidate(ctx context.Context, r Resolution) error {
	st := s.store
	if !s.Private() {
		return yangerr.New(yangerr.OperationNotSupported, nil, "the session has no private candidate").WithType(yangerr.Protocol)
	}
	if err := s.private.editor.lock(ctx); err != nil {
		return err
	}
	defer s.private.editor.unlock()
	st.mu.Lock()
	err := st.alive(s)
	st.mu.Unlock()
	if err != nil {
		return err
	}
	running := st.Running().Root
	root, err := s.merged(running, r)
	if err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	s.private.base, s.private.root = running, root
	return nil
}

// merged returns the private candidate on top of running, nil if it has changed
// nothing. The caller holds the private candidate's editor.
func (s *Session) merged(running *tree.Node, r Resolution) (*tree.Node, error) {
	s.store.mu.Lock()
	base, root := s.private.base, s.private.root
	s.store.mu.Unlock()
	if root == nil || base == running {
		return root, nil
	}
	root, conflicts := merge(base, running, root, r == PreferRunning)
	if r != RevertOnConflict || len(conflicts) == 0 {
		return root, nil
	}
	var errs yangerr.List
	for _, p := range conflicts {
		errs = append(errs, yangerr.New(yangerr.OperationFailed, p, "running has changed here since the candidate was made"))
	}
	return nil, errs
}

// commitPrivate is commitCandidate for a session with a candidate of its own.
func (s *Session) commitPrivate(ctx context.Context, o CommitOptions) (Commit, error) {
	st := s.store
	if err := st.catchUp(); err != nil {
		return Commit{}, err
	}
	if err := s.private.editor.lock(ctx); err != nil {
		return Commit{}, err
	}
	defer s.private.editor.unlock()
	st.mu.Lock()
	err := st.free(s, Running)
	st.mu.Unlock()
	if err != nil {
		return Commit{}, err
	}
	confirm, err := s.confirming(o)
	if err != nil {
		return Commit{}, err
	}
	if err := unexpected(st.Running(), s.private.expected); err != nil {
		return Commit{}, err
	}
	running := st.Running().Root
	root, err := s.merged(running, RevertOnConflict)
	if err != nil {
		return Commit{}, err
	}
	if root == nil {
		root = running
	}
	c, err := s.write(ctx, o, confirm, root)
	if err != nil {
		return Commit{}, err
	}
	if c.Old != c.New {
		st.carryOver(c)
	}
	st.mu.Lock()
	s.private.base, s.private.root, s.private.expected = c.New, nil, nil
	st.mu.Unlock()
	return c, nil
}

// lockPrivate locks the private candidate, which no other session can be in the
// way of; the caller holds mu.
func (s *Session) lockPrivate() error {
	switch p := s.private; {
	case p.locked:
		return lockDenied(s.id, "the lock on <candidate> is held by this session")
	case p.root != nil && !same(p.base, p.root):
		return lockDenied(s.id, "<candidate> has changes that were neither committed nor discarded")
	}
	s.private.locked, s.private.expected = true, nil
	return nil
}

// unlockPrivate discards the changes, as with the shared candidate; the caller
// holds mu.
func (s *Session) unlockPrivate() error {
	if !s.private.locked {
		return yangerr.New(yangerr.OperationFailed, nil, "<candidate> is not locked").WithType(yangerr.Protocol)
	}
	s.private.locked, s.private.root, s.private.expected = false, nil, nil
	return nil
}
