package datastore

import (
	"context"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// Commit makes the candidate the running configuration (RFC 6241 section
// 8.3.4.1). When it returns without error the change is on stable storage and
// the engines have been told. With an error, a yangerr.List where the client is
// at fault, nothing has changed and the candidate keeps its content.
//
// While a confirmed commit is pending, Commit confirms it, or with o.Confirm
// follows it up (RFC 6241 section 8.4): in-use if it is another session's,
// invalid-value if o.PersistID is not its token.
func (s *Session) Commit(ctx context.Context, o CommitOptions) (Commit, error) {
	st := s.store
	if err := st.writer.lock(ctx); err != nil {
		return Commit{}, err
	}
	commit := s.commitCandidate
	if s.Private() {
		commit = s.commitPrivate
	}
	c, err := commit(ctx, o)
	st.writer.unlock()
	st.notify.drain()
	return c, err
}

func (s *Session) commitCandidate(ctx context.Context, o CommitOptions) (Commit, error) {
	st := s.store
	if err := st.catchUp(); err != nil {
		return Commit{}, err
	}
	if err := st.editor.lock(ctx); err != nil {
		return Commit{}, err
	}
	defer st.editor.unlock()
	st.mu.Lock()
	err := st.free(s, Running, Candidate)
	root, expected := st.candidateRoot(s), st.candidate.expected
	st.mu.Unlock()
	if err != nil {
		return Commit{}, err
	}
	confirm, err := s.confirming(o)
	if err != nil {
		return Commit{}, err
	}
	if err := unexpected(st.Running(), expected); err != nil {
		return Commit{}, err
	}
	c, err := s.write(ctx, o, confirm, root)
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
// with in-use while another session has locked running or the candidate, and
// while a confirmed commit is pending, whose rollback would undo it. An
// uncommitted candidate receives the change too, except where it has changes of
// its own, so that its commit does not undo this one.
func (s *Session) Transact(ctx context.Context, f func(running *tree.Node) ([]tree.Edit, error), o CommitOptions) (Commit, error) {
	return s.commit(ctx, o, func(running *tree.Node) (*tree.Node, error) {
		edits, err := f(running)
		if err != nil {
			return nil, err
		}
		root, errs := tree.Apply(running, edits)
		if len(errs) > 0 {
			return nil, errs
		}
		return root, s.Forbidden(root, edits)
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
	if o.Confirm != nil || o.PersistID != "" {
		return Commit{}, yangerr.New(yangerr.OperationNotSupported, nil, "only a candidate can be committed until it is confirmed")
	}
	if err := st.catchUp(); err != nil {
		return Commit{}, err
	}
	st.mu.Lock()
	err := st.free(s, Running, Candidate)
	if err == nil && st.pending != nil {
		err = yangerr.New(yangerr.InUse, nil, "a confirmed commit is pending").WithType(yangerr.Protocol)
	}
	st.mu.Unlock()
	if err != nil {
		return Commit{}, err
	}
	running := st.Running().Root
	root, err := f(running)
	if err != nil {
		return Commit{}, err
	}
	if root, err = st.rewritten(running, root); err != nil {
		return Commit{}, err
	}
	c, err := s.write(ctx, o, confirmRecord{}, root)
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

// write makes root running if it is valid: data that a when forbids now is
// deleted, the constraints and the permissions are checked. A commit that
// neither changes anything nor says anything about a confirmed commit is none.
// The caller holds writer.
func (s *Session) write(ctx context.Context, o CommitOptions, confirm confirmRecord, root *tree.Node) (Commit, error) {
	st := s.store
	cur := st.running.Load()
	info := CommitInfo{SessionID: s.id, Session: s.info, Comment: o.Comment, confirm: confirm}
	if same(cur.Root, root) {
		if confirm.op == opNone {
			return Commit{
				ID: cur.ID, Time: cur.Time, SessionID: s.id, Session: s.info, Comment: o.Comment, Old: cur.Root, New: cur.Root,
				LastChange: cur.versions.root.last,
			}, nil
		}
		return st.install(ctx, cur, cur.Root, cur.checked, info, nil)
	}
	asked := root
	root, checked, err := st.valid(cur, root)
	if err != nil {
		return Commit{}, err
	}
	if err := st.untouched(s.id, cur.Root, root); err != nil {
		return Commit{}, err
	}
	return st.install(ctx, cur, root, checked, info, st.authorizing(asked))
}

// authorizing asks for permission to make asked, which is what the session wants:
// nobody needs the right to delete what a when deletes then (RFC 8341 section
// 3.2.5).
func (s *Store) authorizing(asked *tree.Node) func(SessionInfo, *Change) yangerr.List {
	if s.authorize == nil {
		return nil
	}
	return func(i SessionInfo, c *Change) yangerr.List {
		wanted := *c
		wanted.New = asked
		return s.authorize(i, &wanted)
	}
}

// valid deletes from root what a when forbids (RFC 7950 section 8.2) and checks
// the rest as a change of cur.
func (s *Store) valid(cur *current, root *tree.Node) (*tree.Node, *validate.State, error) {
	root, _ = s.validator.Prune(cur.checked, root)
	checked, errs := s.validator.Change(cur.checked, root)
	return root, checked, errs.Err()
}

// install is the pipeline behind validation: permission, engines, journal, swap,
// apply. info comes without ID and Time. The caller holds writer.
func (s *Store) install(ctx context.Context, cur *current, root *tree.Node, checked *validate.State, info CommitInfo,
	authorize func(SessionInfo, *Change) yangerr.List) (Commit, error) {
	var applies []func()
	var redo, undo []tree.Edit
	if root != cur.Root {
		s.mu.Lock()
		participants := s.participants
		s.mu.Unlock()
		change := &Change{Old: cur.Root, New: root, Session: info.Session, Comment: info.Comment}
		var err error
		if applies, err = ask(ctx, authorize, participants, change); err != nil {
			return Commit{}, err
		}
		redo, undo = tree.Edits(cur.Root, root), tree.Edits(root, cur.Root)
	}
	if ctx.Err() != nil {
		return Commit{}, yangerr.New(yangerr.OperationFailed, nil, "the commit was given up before it was made: %v", context.Cause(ctx))
	}
	info.ID, info.Time = cur.ID+1, s.clock.Now()
	if err := s.journal.append(info.ID, encodeRecord(s.journal.print, info, redo, undo)); err != nil {
		s.log.Error("a commit could not be written", "user", info.Session.User, "session", info.SessionID, "reason", err)
		return Commit{}, yangerr.New(yangerr.OperationFailed, nil,
			"the change could not be written to stable storage and was not made: %v", err)
	}
	next := &current{Snapshot{root, info.ID, info.Time, cur.versions.after(cur.Root, root, info.ID)}, checked}
	s.running.Store(next)
	s.mu.Lock()
	s.remember(info)
	s.mu.Unlock()
	for _, apply := range applies {
		apply()
	}
	c := Commit{
		ID: info.ID, Time: info.Time, SessionID: info.SessionID, Session: info.Session, Comment: info.Comment,
		Old: cur.Root, New: root, LastChange: next.versions.root.last,
	}
	if c.Old != c.New {
		s.notify.put(notice{commit: &c})
	}
	s.settle(cur, &info)
	s.journal.maybeCheckpoint(next.Snapshot)
	return c, nil
}

// ask asks for permission, where authorize is not nil, and then every engine.
func ask(ctx context.Context, authorize func(SessionInfo, *Change) yangerr.List, participants []Participant, c *Change) ([]func(), error) {
	if authorize != nil {
		if err := authorize(c.Session, c).Err(); err != nil {
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
