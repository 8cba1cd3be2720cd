package datastore

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/tandem-ne/tandem/server/yangerr"
)

const (
	defaultConfirmTimeout = 600 * time.Second // RFC 6241 section 8.4.1
	maxConfirmTimeout     = (1<<32 - 1) * time.Second

	// A rollback that an engine or the disk refuses is tried again after this
	// time, doubled each time up to the greatest.
	firstRetry = time.Second
	lastRetry  = time.Minute

	// The comment of a rollback by timeout.
	notConfirmed = "the confirmed commit was not confirmed in time"
)

// pending is a confirmed commit in waiting. Everything but what Pending shows
// belongs to who holds writer.
type pending struct {
	Pending
	token string
	base  *current
	stop  func() bool // of the timer
	retry time.Duration
}

// Pending returns the confirmed commit that waits for its confirmation, or nil.
func (s *Store) Pending() *Pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending == nil {
		return nil
	}
	p := s.pending.Pending
	return &p
}

// OnConfirm has f called for each step of a confirmed commit, in order with the
// calls of OnCommit and under the same rules.
func (s *Store) OnConfirm(f func(ConfirmEvent)) {
	s.notify.add(func(n notice) {
		if n.event != nil {
			f(*n.event)
		}
	})
}

// confirming decides what a commit of the session means to a pending confirmed
// commit (RFC 6241 section 8.4.1); the caller holds writer.
func (s *Session) confirming(o CommitOptions) (confirmRecord, error) {
	p := s.store.pending
	if err := s.mayTouch(p, o.PersistID, "commit"); err != nil {
		return confirmRecord{}, err
	}
	if o.Confirm == nil {
		if p == nil {
			return confirmRecord{}, nil
		}
		return confirmRecord{op: opComplete, base: p.Base}, nil
	}
	r := confirmRecord{op: opStart, base: s.store.Running().ID, timeout: o.Confirm.Timeout, token: o.Confirm.Persist}
	switch {
	case r.timeout == 0:
		r.timeout = defaultConfirmTimeout
	case r.timeout < 0 || r.timeout > maxConfirmTimeout:
		return confirmRecord{}, yangerr.New(yangerr.InvalidValue, nil, "a time of %v to confirm in is out of range", r.timeout).WithType(yangerr.Protocol)
	}
	if p != nil {
		r.op, r.base = opExtend, p.Base
		if r.token == "" {
			r.token = p.token
		}
	}
	return r, nil
}

// mayTouch refuses a session that has no right to confirm, extend or cancel p,
// which may be nil, with the token id.
func (s *Session) mayTouch(p *pending, id, operation string) error {
	switch {
	case p == nil && id != "",
		p != nil && id != "" && !p.Persistent,
		p != nil && p.Persistent && (id != "" || operation == "cancel-commit") && subtle.ConstantTimeCompare([]byte(p.token), []byte(id)) != 1:
		return yangerr.New(yangerr.InvalidValue, nil, "no confirmed commit is pending with this persist-id").WithType(yangerr.Protocol)
	case p != nil && p.Persistent && id == "":
		return yangerr.New(yangerr.InUse, nil, "a persistent confirmed commit is pending: it takes its persist-id to confirm or to extend it").WithType(yangerr.Protocol)
	case p != nil && !p.Persistent && p.SessionID != s.id:
		return yangerr.New(yangerr.InUse, nil, "a confirmed commit of session %d is pending", p.SessionID).WithType(yangerr.Protocol)
	}
	return nil
}

// CancelCommit reverts the pending confirmed commit (RFC 6241 section 8.4.4.1).
// One that is bound to a session can be cancelled there only, a persistent one
// only with its token. Without one pending it is operation-failed.
func (s *Session) CancelCommit(ctx context.Context, persistID string) error {
	st := s.store
	if err := st.writer.lock(ctx); err != nil {
		return err
	}
	err := s.cancelCommit(ctx, persistID)
	st.writer.unlock()
	st.notify.drain()
	return err
}

func (s *Session) cancelCommit(ctx context.Context, persistID string) error {
	st := s.store
	st.mu.Lock()
	err := st.alive(s)
	st.mu.Unlock()
	if err != nil {
		return err
	}
	if err := st.catchUp(); err != nil {
		return err
	}
	if err := s.mayTouch(st.pending, persistID, "cancel-commit"); err != nil {
		return err
	}
	if st.pending == nil {
		return yangerr.New(yangerr.OperationFailed, nil, "no confirmed commit is pending").WithType(yangerr.Protocol)
	}
	return st.rollback(ctx, opCancel, CommitInfo{SessionID: s.id, Session: s.info, Comment: "the confirmed commit was cancelled"})
}

// rollback leads running back to where it was before the pending confirmed
// commit. who says on whose account. The caller holds writer. Nobody is asked
// whether the change is permitted, and what was valid is valid.
func (s *Store) rollback(ctx context.Context, op confirmOp, who CommitInfo) error {
	p := s.pending
	who.confirm = confirmRecord{op: op, base: p.Base}
	c, err := s.install(ctx, s.running.Load(), p.base.Root, p.base.checked, who, nil)
	if err != nil {
		return err
	}
	if c.Old != c.New {
		s.carryOver(c)
	}
	return nil
}

// systemSession is who makes the changes that nobody asked for.
func systemSession() SessionInfo { return SessionInfo{User: "system", Protocol: "system"} }

// settle makes of a commit that is in the journal what it means to the pending
// confirmed commit. old is running before it. The caller holds writer.
func (s *Store) settle(old *current, info *CommitInfo) {
	r := info.confirm
	if r.op == opNone {
		return
	}
	e := ConfirmEvent{
		Time: info.Time, SessionID: info.SessionID, Session: info.Session, Timeout: r.timeout, Commit: info.ID,
	}
	var next *pending
	switch r.op {
	case opStart, opExtend:
		e.Kind = ConfirmStart
		base := old
		if r.op == opExtend {
			e.Kind, base = ConfirmExtend, s.pending.base
		}
		next = &pending{
			Pending: Pending{
				Deadline: info.Time.Add(r.timeout), Timeout: r.timeout, SessionID: info.SessionID, Session: info.Session,
				Persistent: r.token != "", Commit: info.ID, Base: r.base,
			},
			token: r.token, base: base,
		}
	case opComplete:
		e.Kind = ConfirmComplete
	case opCancel:
		e.Kind = ConfirmCancel
	case opTimeout:
		e.Kind = ConfirmTimeout
	}
	s.setPending(next, r.timeout)
	s.notify.put(notice{event: &e})
}

// setPending replaces the pending confirmed commit, which may be nil, and its
// timer. The caller holds writer.
func (s *Store) setPending(p *pending, left time.Duration) {
	if s.pending != nil && s.pending.stop != nil {
		s.pending.stop()
	}
	s.mu.Lock()
	s.pending = p
	s.mu.Unlock()
	if p == nil {
		s.journal.keepAfter(nothingNeeded)
		return
	}
	s.journal.keepAfter(p.Base)
	s.arm(p, left)
}

func (s *Store) arm(p *pending, left time.Duration) {
	s.timers.Add(1)
	stop := s.clock.AfterFunc(left, func() {
		defer s.timers.Done()
		s.expire(p)
	})
	p.stop = func() bool {
		stopped := stop()
		if stopped {
			s.timers.Done()
		}
		return stopped
	}
}

// expire rolls p back, if it is still what is pending.
func (s *Store) expire(p *pending) {
	if s.writer.lock(context.Background()) != nil {
		return
	}
	s.mu.Lock()
	gone := s.closed || s.pending != p
	s.mu.Unlock()
	if !gone {
		s.revert(p, opTimeout, CommitInfo{Session: systemSession(), Comment: notConfirmed})
	}
	s.writer.unlock()
	s.notify.drain()
}

// revert is a rollback that has to happen. While an engine or the disk refuses
// it, p stays pending and it is tried again. The caller holds writer.
func (s *Store) revert(p *pending, op confirmOp, who CommitInfo) {
	err := s.rollback(context.Background(), op, who)
	if err == nil {
		s.log.Warn("rolled a confirmed commit back", "why", who.Comment, "commit", p.Commit, "to", p.Base)
		return
	}
	p.retry = min(max(2*p.retry, firstRetry), lastRetry)
	s.log.Error("a confirmed commit cannot be rolled back; trying again", "commit", p.Commit, "in", p.retry, "reason", err)
	if p.stop != nil {
		p.stop()
	}
	s.arm(p, p.retry)
}

// resumePending takes up the confirmed commit that info is the latest word of
// and that an earlier process left. It is rolled back at once if its session
// ended with that process, its time is over, or the host was booted (RFC 6241
// section 8.4.1); otherwise it has the time that is left.
func (s *Store) resumePending(info CommitInfo, rebooted bool) error {
	r := info.confirm
	base, err := s.At(r.base)
	if err != nil {
		what := fmt.Sprintf("commit %d was not confirmed, and what was before it cannot be had: %v", info.ID, err)
		s.recovery.Damage = append(s.recovery.Damage, what)
		s.log.Error("a confirmed commit cannot be rolled back and stays", "reason", what)
		return nil
	}
	checked, _ := s.validator.Full(base.Root)
	now := s.clock.Now()
	// A clock that was set back gives nobody more time than they asked for.
	left := min(info.Time.Add(r.timeout).Sub(now), r.timeout)
	p := &pending{
		Pending: Pending{
			Deadline: now.Add(left), Timeout: r.timeout, Session: info.Session, Persistent: r.token != "",
			Commit: info.ID, Base: r.base,
		},
		token: r.token, base: &current{base, checked},
	}
	op, why := opTimeout, ""
	switch {
	case !p.Persistent:
		op, why = opCancel, "the session of the confirmed commit ended with the server"
	case rebooted:
		op, why = opCancel, "the host was booted before the confirmed commit was confirmed"
	case left <= 0:
		why = notConfirmed
	default:
		s.log.Info("a confirmed commit is pending", "commit", p.Commit, "left", left)
		s.pending = p
		s.journal.keepAfter(p.Base)
		return nil
	}
	s.pending = p
	if err := s.rollback(context.Background(), op, CommitInfo{Session: systemSession(), Comment: why}); err != nil {
		return fmt.Errorf("roll a confirmed commit back: %w", err)
	}
	s.log.Warn("rolled a confirmed commit back", "why", why, "commit", p.Commit, "to", p.Base)
	return nil
}

// Serve lets the time of a confirmed commit run on that an earlier process left.
// It is called once, when the engines and callbacks are registered: the rollback
// that it may lead to has to reach them. One whose time was over when the store
// was opened is rolled back already.
func (s *Store) Serve() {
	if s.writer.lock(context.Background()) != nil {
		return
	}
	defer s.writer.unlock()
	if p := s.pending; p != nil && p.stop == nil {
		s.arm(p, max(p.Deadline.Sub(s.clock.Now()), 0))
	}
}

// sessionEnded rolls back the confirmed commit that is bound to a session which
// has ended (RFC 6241 section 8.4.1).
func (s *Store) sessionEnded(session *Session) {
	if s.writer.lock(context.Background()) != nil {
		return
	}
	if p := s.pending; p != nil && !p.Persistent && p.SessionID == session.id {
		s.revert(p, opCancel, CommitInfo{SessionID: session.id, Session: session.info, Comment: "the session of the confirmed commit ended"})
	}
	s.writer.unlock()
	s.notify.drain()
}

// catchUp rolls the pending confirmed commit back if its time is over and only
// the timer has not come to it yet. While that is refused, so is everything
// else. The caller holds writer.
func (s *Store) catchUp() error {
	p := s.pending
	if p == nil || s.clock.Now().Before(p.Deadline) {
		return nil
	}
	if s.revert(p, opTimeout, CommitInfo{Session: systemSession(), Comment: notConfirmed}); s.pending != p {
		return nil
	}
	return yangerr.New(yangerr.InUse, nil, "a confirmed commit was not confirmed in time and is being rolled back").WithType(yangerr.Protocol)
}

// lockedByPending refuses the lock of running while another session's confirmed
// commit is pending (RFC 6241 section 7.5). The caller holds mu.
func (s *Store) lockedByPending(session *Session) *yangerr.Error {
	p := s.pending
	if p == nil || p.SessionID == session.id {
		return nil
	}
	by := p.SessionID
	if s.sessions[by] == nil {
		by = 0
	}
	return lockDenied(by, "a confirmed commit of another session is pending")
}
