package datastore

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// Session is one user of the Store; a management session has one for its life.
type Session struct {
	store *Store
	id    uint32
	info  SessionInfo
	kill  func()

	private *private // nil for the shared candidate; guarded by the store's mu
}

// NewSession starts a session. kill, which may be nil, is what Store.Kill calls
// to make the session's transport end.
func (s *Store) NewSession(info SessionInfo, kill func()) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		s.lastSession++
		if s.lastSession != 0 && s.sessions[s.lastSession] == nil {
			break
		}
	}
	session := &Session{store: s, id: s.lastSession, info: info, kill: kill}
	if !s.closed {
		s.sessions[session.id] = session
	}
	return session
}

// ID returns the session-id (RFC 6241 section 8.1), never 0.
func (s *Session) ID() uint32 { return s.id }

// Info returns who is behind the session.
func (s *Session) Info() SessionInfo { return s.info }

// Session returns the open session with the given id, or nil.
func (s *Store) Session(id uint32) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

// Sessions returns the open sessions by ascending id.
func (s *Store) Sessions() []*Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Session, 0, len(s.sessions))
	for _, session := range s.sessions {
		list = append(list, session)
	}
	slices.SortFunc(list, func(a, b *Session) int { return cmp.Compare(a.id, b.id) })
	return list
}

// Kill ends another session (RFC 6241 section 7.9): its locks are free and its
// uncommitted changes under a lock are gone when Kill returns. An id that no
// session has is invalid-value.
func (s *Store) Kill(id uint32) error {
	session := s.Session(id)
	if session == nil {
		return yangerr.New(yangerr.InvalidValue, nil, "there is no session %d", id)
	}
	// The end of its transport makes a session give up what it is doing.
	if session.kill != nil {
		session.kill()
	}
	session.Close()
	return nil
}

// Close ends the session: a confirmed commit that is bound to it is rolled back
// (RFC 6241 section 8.4.1), then its locks are released. If it held the lock of
// the candidate, the changes in it are discarded (section 8.3.5.2).
func (s *Session) Close() {
	st := s.store
	// An edit or commit of this session that is under way must not come after
	// the release.
	editor := s.editing()
	if err := editor.lock(context.Background()); err != nil {
		return
	}
	st.mu.Lock()
	open := st.sessions[s.id] == s
	delete(st.sessions, s.id)
	bound := st.pending != nil && !st.pending.Persistent && st.pending.SessionID == s.id
	st.mu.Unlock()
	editor.unlock()
	if !open {
		return
	}
	if bound {
		st.sessionEnded(s)
	}
	if err := st.editor.lock(context.Background()); err != nil {
		return
	}
	defer st.editor.unlock()
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, name := range []Name{Running, Candidate, Startup} {
		if lock, ok := st.locks[name]; ok && lock.SessionID == s.id {
			st.release(name)
		}
	}
	st.releasePartials(s.id)
}

// release frees a lock; the caller holds editor and mu.
func (s *Store) release(name Name) {
	delete(s.locks, name)
	if name == Candidate {
		s.candidate.reset()
	}
}

// Locks returns the locks that are held, running's first and partial ones last.
// That of a private candidate concerns nobody else and is not among them.
func (s *Store) Locks() []Lock {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Lock
	for _, name := range []Name{Running, Candidate, Startup} {
		if lock, ok := s.locks[name]; ok {
			list = append(list, lock)
		}
	}
	return append(list, s.partials...)
}

// Lock takes a lock (RFC 6241 section 7.5). It is refused with lock-denied, and
// the session-id of whoever is in the way, if any session holds it, this one
// included, and for the candidate also if it differs from running; that id is 0
// if the session that changed the candidate is gone. Lock waits for the edit or
// commit that is under way.
func (s *Session) Lock(ctx context.Context, name Name) error {
	st := s.store
	gate, err := st.gate(name)
	if err != nil {
		return err
	}
	if err := gate.lock(ctx); err != nil {
		return err
	}
	defer gate.unlock()
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.alive(s); err != nil {
		return err
	}
	if name == Candidate && s.private != nil {
		return s.lockPrivate()
	}
	if lock, ok := st.locks[name]; ok {
		return lockDenied(lock.SessionID, "the lock on <%s> is held by session %d", name, lock.SessionID)
	}
	if name == Running {
		if e := st.lockedByPending(s); e != nil {
			return e
		}
		if len(st.partials) > 0 {
			return lockDenied(st.partials[0].SessionID, "session %d has locked parts of <running>", st.partials[0].SessionID)
		}
	}
	if name == Candidate && st.candidate.differs(st.Running().Root) {
		by := st.candidate.by
		if st.sessions[by] == nil {
			by = 0
		}
		return lockDenied(by, "<candidate> has changes that were neither committed nor discarded")
	}
	if name == Candidate {
		st.candidate.reset() // what others expected of a commit that they did not make
	}
	st.locks[name] = Lock{Datastore: name, SessionID: s.id, Since: st.clock.Now()}
	return nil
}

// Unlock gives a lock back (RFC 6241 section 7.6); with the candidate's, the
// changes in it are discarded (section 8.3.5.2).
func (s *Session) Unlock(ctx context.Context, name Name) error {
	st := s.store
	if _, err := st.gate(name); err != nil {
		return err
	}
	if err := st.editor.lock(ctx); err != nil {
		return err
	}
	defer st.editor.unlock()
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.alive(s); err != nil {
		return err
	}
	if name == Candidate && s.private != nil {
		return s.unlockPrivate()
	}
	lock, ok := st.locks[name]
	switch {
	case !ok:
		return yangerr.New(yangerr.OperationFailed, nil, "<%s> is not locked", name).WithType(yangerr.Protocol)
	case lock.SessionID != s.id:
		return lockDenied(lock.SessionID, "the lock on <%s> is held by session %d", name, lock.SessionID)
	}
	st.release(name)
	return nil
}

// gate is what a change of the datastore holds.
func (s *Store) gate(name Name) (semaphore, error) {
	switch name {
	case Running:
		return s.writer, nil
	case Candidate:
		return s.editor, nil
	case Startup:
		if s.HasStartup() {
			return s.starter, nil
		}
	}
	return nil, yangerr.New(yangerr.OperationNotSupported, nil, "there is no datastore %q to lock", string(name)).WithType(yangerr.Protocol)
}

// alive refuses what comes after the end of the session; the caller holds mu.
func (s *Store) alive(session *Session) error {
	if s.closed {
		return yangerr.New(yangerr.OperationFailed, nil, "the server is stopping")
	}
	if s.sessions[session.id] != session {
		return yangerr.New(yangerr.OperationFailed, nil, "session %d has ended", session.id)
	}
	return nil
}

// free refuses the session a datastore that another session has locked; the
// caller holds mu.
func (s *Store) free(session *Session, names ...Name) error {
	if err := s.alive(session); err != nil {
		return err
	}
	for _, name := range names {
		if lock, ok := s.locks[name]; ok && lock.SessionID != session.id {
			return yangerr.New(yangerr.InUse, nil, "<%s> is locked by session %d", name, lock.SessionID).WithType(yangerr.Protocol)
		}
	}
	return nil
}

func lockDenied(holder uint32, format string, args ...any) *yangerr.Error {
	return yangerr.New(yangerr.LockDenied, nil, format, args...).WithType(yangerr.Protocol).
		WithInfo(yangerr.Info{Name: yangerr.InfoSessionID, Value: strconv.FormatUint(uint64(holder), 10)})
}

// candidate is the shared candidate. Without a root of its own it is running.
type candidate struct {
	root     *tree.Node
	by       uint32 // session of the latest change
	expected []Condition
}

func (c *candidate) reset() { *c = candidate{} }

func (c *candidate) differs(running *tree.Node) bool {
	return c.root != nil && !same(running, c.root)
}

// same reports whether two trees are equal, in time that follows the difference.
func same(a, b *tree.Node) bool {
	if a == b {
		return true
	}
	for range tree.Diff(a, b) {
		return false
	}
	return true
}
