package datastore

import (
	"context"

	"github.com/tandem-ne/tandem/server/tree"
)

// Candidate returns the candidate as it is now.
func (s *Session) Candidate() *tree.Node {
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.candidateRoot(s)
}

// candidateRoot returns the tree of the session's candidate; the caller holds mu.
func (s *Store) candidateRoot(session *Session) *tree.Node {
	running := s.Running().Root
	if p := session.private; p != nil {
		if p.branch(running); p.root != nil {
			return p.root
		}
		return p.base
	}
	if s.candidate.root != nil {
		return s.candidate.root
	}
	return running
}

// Edit applies edits to the candidate: all of them, or none if one fails. The
// error is a yangerr.List; in-use if another session has locked the candidate.
func (s *Session) Edit(ctx context.Context, edits []tree.Edit) error {
	return s.Update(ctx, func(root *tree.Node) (*tree.Node, error) {
		next, errs := tree.Apply(root, edits)
		if len(errs) > 0 {
			return nil, errs
		}
		return next, s.Forbidden(next, edits)
	})
}

// Replace makes root the candidate (copy-config and delete-config).
func (s *Session) Replace(ctx context.Context, root *tree.Node) error {
	return s.Update(ctx, func(*tree.Node) (*tree.Node, error) { return root, nil })
}

// Discard makes the candidate equal to running (RFC 6241 section 8.3.4.2), a
// private one to where it branched off.
func (s *Session) Discard(ctx context.Context) error {
	return s.Update(ctx, func(*tree.Node) (*tree.Node, error) { return nil, nil })
}

// Update makes the tree that f returns the candidate, while no other session
// can change it; nil stands for running. If f fails the candidate stays.
func (s *Session) Update(ctx context.Context, f func(candidate *tree.Node) (*tree.Node, error)) error {
	return s.UpdateIf(ctx, nil, f)
}

// UpdateIf is Update with conditions, which are judged when the candidate is
// committed. They are forgotten with it when it is discarded.
func (s *Session) UpdateIf(ctx context.Context, expected []Condition, f func(candidate *tree.Node) (*tree.Node, error)) error {
	st := s.store
	editor := s.editing()
	if err := editor.lock(ctx); err != nil {
		return err
	}
	defer editor.unlock()
	st.mu.Lock()
	err := st.alive(s)
	if s.private == nil && err == nil {
		err = st.free(s, Candidate)
	}
	old := st.candidateRoot(s)
	st.mu.Unlock()
	if err != nil {
		return err
	}
	root, err := f(old)
	if err != nil {
		return err
	}
	if root, err = st.rewritten(old, root); err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if p := s.private; p != nil {
		if p.expected = expect(p.expected, expected); root == nil {
			p.expected = nil
		}
		if p.root = root; root == p.base {
			p.root = nil
		}
		return nil
	}
	// A commit straight to running may have moved it meanwhile. It waits for
	// editor before it carries its change over to the candidate, so a candidate
	// that is still to be changed counts from the old running.
	c := &st.candidate
	c.expected = expect(c.expected, expected)
	switch {
	case root == nil:
		c.reset()
	case root == st.Running().Root:
		c.root, c.by = nil, 0
	case root != old:
		c.root, c.by = root, s.id
	}
	return nil
}

// Validate checks root, or the candidate where root is nil, as a commit would:
// constraints and what the engines say. Who may make it running is not asked:
// others may have edited the candidate too.
func (s *Session) Validate(ctx context.Context, root *tree.Node) error {
	st := s.store
	st.mu.Lock()
	err := st.alive(s)
	if root == nil {
		root = st.candidateRoot(s)
	}
	participants := st.participants
	st.mu.Unlock()
	if err != nil {
		return err
	}
	cur := st.running.Load()
	root, _, err = st.valid(cur, root)
	if err != nil {
		return err
	}
	_, err = ask(ctx, nil, participants, &Change{Old: cur.Root, New: root, Session: s.info})
	return err
}

// rewritten returns what Options.Rewrite makes of an edit; nil stays nil.
func (s *Store) rewritten(old, root *tree.Node) (*tree.Node, error) {
	if s.rewrite == nil || root == nil || root == old {
		return root, nil
	}
	return s.rewrite(old, root)
}
