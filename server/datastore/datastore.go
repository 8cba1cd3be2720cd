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
)

// Options for Open.
type Options struct {
	Schema    *schema.Schema
	Validator *validate.Validator
	Dir       string           // of the journal and its checkpoints, made with mode 0700 where absent
	Initial   *tree.Node       // configuration of the first start; empty where nil
	Log       *slog.Logger     // slog.Default() where nil
	Now       func() time.Time // time.Now where nil

	// Authorize decides whether the session may make the change; it is called
	// after validation. Nil allows everything (the place of RFC 8341).
	Authorize func(SessionInfo, *Change) yangerr.List
}

// SessionInfo tells who is behind a session.
type SessionInfo struct {
	User     string // authenticated name
	Protocol string // "netconf", "gnmi", "cli", "system"
	Peer     string // address of the client, empty where there is none
}

// Snapshot is one state of running. Its tree never changes.
type Snapshot struct {
	Root *tree.Node
	ID   uint64    // of the commit that made it; 0 before the first
	Time time.Time // of that commit
}

// CommitOptions describe a commit in the history.
type CommitOptions struct {
	Comment string
}

// Commit is what a commit did. Old and New are the same tree, and ID, Time and
// the rest those of an earlier commit's, if there was nothing to change.
type Commit struct {
	ID        uint64
	Time      time.Time
	SessionID uint32
	Session   SessionInfo
	Comment   string
	Old, New  *tree.Node
}

// CommitInfo is one line of the history.
type CommitInfo struct {
	ID        uint64
	Time      time.Time
	SessionID uint32
	Session   SessionInfo
	Comment   string
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
}
