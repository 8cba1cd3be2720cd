// Package datastore holds the configuration: the running and the candidate
// datastore (RFC 6241 sections 5.1 and 8.3), the sessions and locks on them, the
// one commit pipeline that every protocol goes through, and the journal that
// makes a commit durable.
package datastore

import (
	"context"
	"log/slog"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// Name names a datastore.
type Name string

// The datastores that can be locked.
const (
	Running   Name = "running"
	Candidate Name = "candidate"
	Startup   Name = "startup" // only with Options.Startup
)

// Options for Open.
type Options struct {
	Schema    *schema.Schema
	Validator *validate.Validator
	Dir       string       // of the journal and its checkpoints, made with mode 0700 where absent
	Initial   *tree.Node   // configuration of the first start; empty where nil
	Log       *slog.Logger // slog.Default() where nil
	Clock     Clock        // the host's where nil

	// Startup makes <startup> a datastore (RFC 6241 section 8.7): a start in
	// another boot of the host then begins with it.
	Startup bool
	// BootID is the host's present boot. An empty one is never another boot.
	BootID string

	// Authorize decides whether the session may make the change; it is called
	// after validation. Nil allows everything (the place of RFC 8341).
	Authorize func(SessionInfo, *Change) yangerr.List
	// Rewrite returns what is stored in place of new, the outcome of an edit of
	// old: the place where a password in clear text becomes its hash. It runs
	// before anybody can read new. Nil stores it as it is.
	Rewrite func(old, new *tree.Node) (*tree.Node, error)
}

// Clock tells the time and calls back. Tests inject one.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f in a goroutine of its own after d. stop prevents a call
	// that has not begun.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

type hostClock struct{}

func (hostClock) Now() time.Time { return time.Now() }

func (hostClock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	return time.AfterFunc(d, f).Stop
}

// SessionInfo tells who is behind a session.
type SessionInfo struct {
	User     string   // authenticated name
	Groups   []string // of the user, as the transport knows them (RFC 8341 section 2.5)
	Protocol string   // "netconf", "gnmi", "cli", "system"
	Peer     string   // address of the client, empty where there is none
}

// Snapshot is one state of running. Its tree never changes.
type Snapshot struct {
	Root *tree.Node
	ID   uint64    // of the commit that made it; 0 before the first
	Time time.Time // of that commit

	versions *versions // of running only
}

// CommitOptions are the parameters of a commit.
type CommitOptions struct {
	Comment string
	// Confirm makes it a confirmed commit (RFC 6241 section 8.4): the first one,
	// or one that follows and sets the time anew.
	Confirm *Confirm
	// PersistID is the token of the pending confirmed commit that this commit
	// confirms or extends; empty for one that is bound to its session.
	PersistID string
}

// Confirm is what a confirmed commit asks for.
type Confirm struct {
	Timeout time.Duration // until the rollback; 0 stands for 600 s
	// Persist, if not empty, lets the commit outlive its session and is the token
	// that PersistID has to repeat.
	Persist string
}

// Pending is a confirmed commit that waits for its confirmation.
type Pending struct {
	Deadline   time.Time
	Timeout    time.Duration // from the latest confirmed commit to Deadline
	SessionID  uint32        // of the latest confirmed commit; 0 if an earlier process had it
	Session    SessionInfo
	Persistent bool
	Commit     uint64 // the latest confirmed commit
	Base       uint64 // the commit that a rollback leads back to
}

// ConfirmKind is what happened to a confirmed commit, in the words of RFC 6470.
type ConfirmKind string

// The confirm-events of RFC 6470.
const (
	ConfirmStart    ConfirmKind = "start"
	ConfirmExtend   ConfirmKind = "extend"
	ConfirmComplete ConfirmKind = "complete"
	ConfirmCancel   ConfirmKind = "cancel" // cancelled, or its session ended
	ConfirmTimeout  ConfirmKind = "timeout"
)

// ConfirmEvent tells of a step of the confirmed-commit procedure. With Cancel
// and Timeout the rollback is a Commit of its own just before it.
type ConfirmEvent struct {
	Kind      ConfirmKind
	Time      time.Time
	SessionID uint32      // that caused it; 0 for Timeout
	Session   SessionInfo // of that session
	Timeout   time.Duration
	Commit    uint64 // running after it
}

// ConfirmState tells what became of a confirmed commit.
type ConfirmState string

// The states of a commit in the history; a plain commit has none.
const (
	NotConfirmed ConfirmState = ""
	StatePending ConfirmState = "pending"
	Confirmed    ConfirmState = "confirmed"
	RolledBack   ConfirmState = "rolled-back"
)

// Commit is what a commit did. Old and New are the same tree, and ID, Time and
// the rest those of an earlier commit's, if there was nothing to change.
type Commit struct {
	ID        uint64
	Time      time.Time
	SessionID uint32
	Session   SessionInfo
	Comment   string
	Old, New  *tree.Node
	// LastChange is the id of the commit that last changed running: ID, or an
	// earlier one if this commit changed nothing.
	LastChange uint64
}

// CommitInfo is one line of the history.
type CommitInfo struct {
	ID        uint64
	Time      time.Time
	SessionID uint32
	Session   SessionInfo
	Comment   string
	Confirm   ConfirmState

	confirm confirmRecord
}

// Change is a valid change that has not happened yet.
type Change struct {
	Old, New *tree.Node
	Session  SessionInfo
	Comment  string
}

// Participant is an engine that carries out the configuration.
type Participant interface {
	// Prepare may refuse the change: the error, best a *yangerr.Error with a
	// path, goes to the client and nothing happens. It must leave no trace,
	// because the change may still be refused by another participant, fail to be
	// written, or be a mere <validate>. apply, which may be nil, runs after the
	// change has become the running configuration, in the order of commits; it
	// must not block and cannot fail.
	Prepare(ctx context.Context, c *Change) (apply func(), err error)
}

// Lock is a lock that a session holds.
type Lock struct {
	Datastore Name
	SessionID uint32
	Since     time.Time
	// Of a partial lock (RFC 5717) only: its id, never 0, and the nodes that it
	// protects at present.
	Partial uint32
	Nodes   []tree.Path
}
