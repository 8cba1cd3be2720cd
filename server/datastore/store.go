package datastore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// Store is the set of datastores. It is safe for concurrent use. Readers of
// running take no lock; whoever writes takes, in this order and as needed:
// writer, editor, mu.
type Store struct {
	schema    *schema.Schema
	validator *validate.Validator
	log       *slog.Logger
	clock     Clock
	authorize func(SessionInfo, *Change) yangerr.List
	rewrite   func(old, new *tree.Node) (*tree.Node, error)
	journal   *journal
	recovery  Recovery
	instance  string // of the ids of commits

	running atomic.Pointer[current]

	writer  semaphore // held through a commit
	editor  semaphore // held while the candidate is being changed
	starter semaphore // held while <startup> is being written

	mu           sync.Mutex
	closed       bool
	sessions     map[uint32]*Session
	lastSession  uint32
	locks        map[Name]Lock
	partials     []Lock
	lastPartial  uint32
	candidate    candidate
	participants []Participant
	history      []CommitInfo // the oldest first
	pending      *pending     // written under writer and mu
	startup      *Snapshot    // nil where there is no <startup>

	timers sync.WaitGroup
	notify notifier
}

// current is running with the indexes that validate the next change to it;
// checked is nil while running is known to break a constraint.
type current struct {
	Snapshot
	checked *validate.State
}

// semaphore is a mutex that a context can be waited with.
type semaphore chan struct{}

func (s semaphore) lock(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	default:
	}
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return yangerr.New(yangerr.ResourceDenied, nil, "gave up waiting for another session: %v", context.Cause(ctx))
	}
}

func (s semaphore) unlock() { <-s }

// Open loads the configuration from o.Dir, or commits o.Initial there if the
// directory holds none. What it found is told by Recovery and in the log.
func Open(o Options) (*Store, error) {
	lim := defaultLimits()
	lim.atClose = true
	return open(o, lim)
}

func open(o Options, lim limits) (*Store, error) {
	if o.Schema == nil || o.Validator == nil || o.Dir == "" {
		return nil, errors.New("datastore: Options need a Schema, a Validator and a Dir")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = hostClock{}
	}
	s := &Store{
		schema: o.Schema, validator: o.Validator, log: o.Log, clock: o.Clock, authorize: o.Authorize, rewrite: o.Rewrite,
		writer: make(semaphore, 1), editor: make(semaphore, 1), starter: make(semaphore, 1),
		sessions: make(map[uint32]*Session), locks: make(map[Name]Lock),
	}
	j, l, err := openJournal(o.Dir, o.Schema, o.Log, lim)
	if err != nil {
		return nil, err
	}
	s.journal, s.recovery = j, l.Recovery
	s.recovery.history = nil
	if err := s.begin(&o, l); err != nil {
		return nil, errors.Join(fmt.Errorf("datastore: %w", err), s.Close())
	}
	return s, nil
}

// begin brings running to where it has to be before anything is served.
func (s *Store) begin(o *Options, l *loaded) error {
	var last CommitInfo // the latest word about a confirmed commit
	for _, info := range l.history {
		s.remember(info)
		if info.confirm.op != opNone {
			last = info
		}
	}
	root := l.root
	if root == nil {
		root = tree.Empty(o.Schema)
	}
	checked, errs := o.Validator.Full(root)
	s.recovery.Invalid = errs
	versions := l.versions
	if versions == nil {
		versions = newVersions(l.Last)
	}
	s.running.Store(&current{Snapshot{root, l.Last, l.Time, versions}, checked})
	s.report()
	rebooted, err := s.rebooted(o.BootID)
	if err != nil {
		return err
	}
	if op := last.confirm.op; op == opStart || op == opExtend {
		if err := s.resumePending(last, rebooted); err != nil {
			return err
		}
	}
	first := l.root == nil
	if o.Startup {
		if err := s.beginStartup(o.Initial, first, rebooted); err != nil {
			return err
		}
	} else if first {
		if err := s.commitInitial(o.Initial); err != nil {
			return err
		}
	}
	if err := s.beginInstance(first); err != nil {
		return err
	}
	return s.noteBoot(o.BootID)
}

func (s *Store) report() {
	r := &s.recovery
	for _, d := range r.Damage {
		s.log.Error("the stored configuration is damaged", "what", d, "started with commit", r.Last, "of", r.Time)
	}
	if r.SchemaChanged {
		s.log.Warn("the configuration was stored under another set of YANG modules", "commit", r.Last)
	}
	if r.Torn != "" {
		s.log.Warn("a write that was cut off is dropped", "what", r.Torn)
	}
	for _, e := range r.Invalid {
		s.log.Error("the stored configuration breaks a constraint", "reason", e)
	}
}

// commitInitial makes root, if there is one, the first commit.
func (s *Store) commitInitial(root *tree.Node) error {
	if root == nil {
		return nil
	}
	session := s.NewSession(systemSession(), nil)
	defer session.Close()
	_, err := session.commit(context.Background(), CommitOptions{Comment: "initial configuration"},
		func(*tree.Node) (*tree.Node, error) { return root, nil })
	if err != nil {
		return fmt.Errorf("initial configuration: %w", err)
	}
	return nil
}

// Close ends all sessions and closes the journal. Commits that are under way
// finish first; later ones are refused.
func (s *Store) Close() error {
	for _, session := range s.Sessions() {
		session.Close()
	}
	defer s.timers.Wait()
	if err := s.writer.lock(context.Background()); err != nil {
		return err
	}
	defer s.writer.unlock()
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if was {
		return nil
	}
	if s.pending != nil && s.pending.stop != nil {
		s.pending.stop()
	}
	var last Snapshot
	if cur := s.running.Load(); cur != nil {
		last = cur.Snapshot
	}
	return s.journal.close(last)
}

// Recovery tells what Open found.
func (s *Store) Recovery() Recovery { return s.recovery }

// Running returns the running configuration. It never waits.
func (s *Store) Running() Snapshot { return s.running.Load().Snapshot }

// Register adds an engine to the commits that follow. Engines are asked in the
// order in which they were registered.
func (s *Store) Register(p Participant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.participants = append(s.participants, p)
}

// OnCommit has f called after each commit that changed something, in the order
// of commits, before the commit is answered and without any lock that other
// commits need to be written. f must not wait for a commit.
func (s *Store) OnCommit(f func(Commit)) {
	s.notify.add(func(n notice) {
		if n.commit != nil {
			f(*n.commit)
		}
	})
}

// notice is what callbacks are told: one of the two.
type notice struct {
	commit *Commit
	event  *ConfirmEvent
}

// notifier hands notices to the callbacks in their order.
type notifier struct {
	mu    sync.Mutex // guards the queue
	queue []notice
	calls sync.Mutex // held while callbacks run
	fs    []func(notice)
}

func (n *notifier) add(f func(notice)) {
	n.calls.Lock()
	defer n.calls.Unlock()
	n.fs = append(n.fs, f)
}

func (n *notifier) put(x notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queue = append(n.queue, x)
}

// drain returns when all that was put before has been handed on.
func (n *notifier) drain() {
	n.calls.Lock()
	defer n.calls.Unlock()
	n.mu.Lock()
	queue := n.queue
	n.queue = nil
	n.mu.Unlock()
	for _, x := range queue {
		for _, f := range n.fs {
			f(x)
		}
	}
}
