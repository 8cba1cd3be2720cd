package datastore

import (
	"context"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// Commit makes the candidate the running configuration (RFC 6241 section
// 8.3.4.1). When it returns without error the change is on stable storage and
// the engines have been told. With an error, a yangerr.List where the client is
// at fault, nothing has changed and the candidate keeps its content.
func (s *Session) Commit(ctx context.Context, o CommitOptions) (Commit, error) {
	st := s.store
	if err := st.writer.lock(ctx); err != nil {
		return Commit{}, err
	}
	c, err := s.commitCandidate(ctx, o)
	st.writer.unlock()
	st.notify.drain()
	return c, err
}

func (s *Session) commitCandidate(ctx context.Context, o CommitOptions) (Commit, error) {
	st := s.store
	if err := st.editor.lock(ctx); err != nil {
		return Commit{}, err
	}
	defer st.editor.unlock()
	st.mu.Lock()
	err := st.free(s, Running, Candidate)
	root := st.candidateRoot()
	st.mu.Unlock()
	if err != nil {
		return Commit{}, err
	}
	c, err := s.write(ctx, o, root)
	if err != nil {
		return Commit{}, err
	}
	st.mu.Lock()
	st.candidate.reset()
	st.mu.Unlock()
	return c, nil
}

// Transact changes running in one transaction (gNMI Set, the CLI): f is given
// running and returns the edits. No other commit comes between. It is refused
// with in-use while another session has locked running or the candidate. An
// uncommitted candidate receives the change too, except where it has changes of
// its own, so that its commit does not undo this one.
func (s *Session) Transact(ctx context.Context, f func(running *tree.Node) ([]tree.Edit, error), o CommitOptions) (Commit, error) {
	return s.commit(ctx, o, func(running *tree.Node) (*tree.Node, error) {
		edits, err := f(running)
		if err != nil {
			return nil, err
		}
		root, errs := tree.Apply(running, edits)
		return root, errs.Err()
	})
}

func (s *Session) commit(ctx context.Context, o CommitOptions, f func(*tree.Node) (*tree.Node, error)) (Commit, error) {
	st := s.store
	if err := st.writer.lock(ctx); err != nil {
		return Commit{}, err
	}
	c, err := s.transact(ctx, o, f)
	st.writer.unlock()
	st.notify.drain()
	return c, err
}

func (s *Session) transact(ctx context.Context, o CommitOptions, f func(*tree.Node) (*tree.Node, error)) (Commit, error) {
	st := s.store
	st.mu.Lock()
	err := st.free(s, Running, Candidate)
	st.mu.Unlock()
	if err != nil {
		return Commit{}, err
	}
	root, err := f(st.Running().Root)
	if err != nil {
		return Commit{}, err
	}
	c, err := s.write(ctx, o, root)
	if err != nil {
		return Commit{}, err
	}
	if c.Old != c.New {
		st.carryOver(c)
	}
	return c, nil
}

// carryOver rebases a changed candidate onto what c made of running.
func (s *Store) carryOver(c Commit) {
	s.mu.Lock()
	untouched := s.candidate.root == nil && len(s.editor) == 0
	s.mu.Unlock()
	if untouched {
		return
	}
	if err := s.editor.lock(context.Background()); err != nil {
		return
	}
	defer s.editor.unlock()
	s.mu.Lock()
	root := s.candidate.root
	s.mu.Unlock()
	if root == nil {
		return
	}
	root = rebase(c.Old, c.New, root)
	s.mu.Lock()
	s.candidate.root = root
	s.mu.Unlock()
}

// write is the pipeline: validate, authorise, prepare, journal, swap, apply. The
// caller holds writer.
func (s *Session) write(ctx context.Context, o CommitOptions, root *tree.Node) (Commit, error) {
	st := s.store
	cur := st.running.Load()
	c := Commit{
		ID: cur.ID, Time: cur.Time, SessionID: s.id, Session: s.info,
		Comment: o.Comment, Old: cur.Root, New: cur.Root,
	}
	if same(cur.Root, root) {
		return c, nil
	}
	checked, errs := st.validator.Change(cur.checked, root)
	if err := errs.Err(); err != nil {
		return Commit{}, err
	}
	st.mu.Lock()
	participants := st.participants
	st.mu.Unlock()
	change := &Change{Old: cur.Root, New: root, Session: s.info, Comment: o.Comment}
	applies, err := st.prepare(ctx, participants, change)
	if err != nil {
		return Commit{}, err
	}
	if ctx.Err() != nil {
		return Commit{}, yangerr.New(yangerr.OperationFailed, nil, "the commit was given up before it was made: %v", context.Cause(ctx))
	}
	c.ID, c.Time, c.New = cur.ID+1, st.now(), root
	info := CommitInfo{ID: c.ID, Time: c.Time, SessionID: s.id, Session: s.info, Comment: o.Comment}
	record := encodeRecord(st.journal.print, info, tree.Edits(cur.Root, root))
	if err := st.journal.append(c.ID, record); err != nil {
		st.log.Error("a commit could not be written", "user", s.info.User, "session", s.id, "reason", err)
		return Commit{}, yangerr.New(yangerr.OperationFailed, nil,
			"the change could not be written to stable storage and was not made: %v", err)
	}
	next := &current{Snapshot{root, c.ID, c.Time}, checked}
	st.running.Store(next)
	st.mu.Lock()
	st.remember(info)
	st.mu.Unlock()
	for _, apply := range applies {
		apply()
	}
	st.journal.maybeCheckpoint(next.Snapshot)
	st.notify.put(c)
	return c, nil
}

// prepare asks for permission and then every engine.
func (s *Store) prepare(ctx context.Context, participants []Participant, c *Change) ([]func(), error) {
	if s.authorize != nil {
		if err := s.authorize(c.Session, c).Err(); err != nil {
			return nil, err
		}
	}
	var applies []func()
	for _, p := range participants {
		apply, err := p.Prepare(ctx, c)
		if err != nil {
			return nil, yangerr.From(err)
		}
		if apply != nil {
			applies = append(applies, apply)
		}
	}
	return applies, nil
}
