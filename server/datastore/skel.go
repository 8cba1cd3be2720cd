package datastore

import (
	"context"

	"github.com/tandem-ne/tandem/server/tree"
)

// Store is the set of datastores.
type Store struct{}

// Session is one user of the Store.
type Session struct{}

func Open(o Options) (*Store, error)                                 { return &Store{}, nil }
func (s *Store) Close() error                                        { return nil }
func (s *Store) Running() Snapshot                                   { return Snapshot{} }
func (s *Store) NewSession(info SessionInfo, kill func()) *Session   { return &Session{} }
func (s *Store) Session(id uint32) *Session                          { return nil }
func (s *Store) Sessions() []*Session                                { return nil }
func (s *Store) Kill(id uint32) error                                { return nil }
func (s *Store) Register(p Participant)                              {}
func (s *Store) OnCommit(f func(Commit))                             {}
func (s *Store) Locks() []Lock                                       { return nil }
func (s *Store) History(n int) []CommitInfo                          { return nil }
func (s *Session) ID() uint32                                        { return 0 }
func (s *Session) Info() SessionInfo                                 { return SessionInfo{} }
func (s *Session) Close()                                            {}
func (s *Session) Candidate() *tree.Node                             { return nil }
func (s *Session) Edit(ctx context.Context, edits []tree.Edit) error { return nil }
func (s *Session) Update(ctx context.Context, f func(candidate *tree.Node) (*tree.Node, error)) error {
	return nil
}
func (s *Session) Replace(ctx context.Context, root *tree.Node) error          { return nil }
func (s *Session) Discard(ctx context.Context) error                           { return nil }
func (s *Session) Validate(ctx context.Context, root *tree.Node) error         { return nil }
func (s *Session) Lock(ctx context.Context, n Name) error                      { return nil }
func (s *Session) Unlock(ctx context.Context, n Name) error                    { return nil }
func (s *Session) Commit(ctx context.Context, o CommitOptions) (Commit, error) { return Commit{}, nil }
func (s *Session) Transact(ctx context.Context, f func(running *tree.Node) ([]tree.Edit, error), o CommitOptions) (Commit, error) {
	return Commit{}, nil
}
