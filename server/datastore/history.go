package datastore

import (
	"slices"

	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// The app-tags of At.
const (
	AppCommitNotKept = "commit-not-kept" // the history does not go back so far
	AppNoSuchCommit  = "no-such-commit"  // it has not happened
)

// History returns up to n of the latest commits, the latest first; all that are
// kept, the latest 1,000 at least, where n is 0.
func (s *Store) History(n int) []CommitInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n <= 0 || n > len(s.history) {
		n = len(s.history)
	}
	latest := slices.Clone(s.history[len(s.history)-n:])
	slices.Reverse(latest)
	return latest
}

// remember adds to the history and tells the confirmed commits in it what became
// of them; the caller holds mu, or is Open.
func (s *Store) remember(info CommitInfo) {
	if keep := s.journal.limits.historyRecords; len(s.history) >= 2*keep {
		s.history = append(s.history[:0], s.history[len(s.history)-keep:]...)
	}
	outcome := NotConfirmed
	switch info.confirm.op {
	case opStart, opExtend:
		info.Confirm = StatePending
	case opComplete:
		outcome = Confirmed
	case opCancel, opTimeout:
		outcome = RolledBack
	}
	if outcome != NotConfirmed {
		for i := len(s.history) - 1; i >= 0 && s.history[i].ID > info.confirm.base; i-- {
			if s.history[i].Confirm == StatePending {
				s.history[i].Confirm = outcome
			}
		}
	}
	s.history = append(s.history, info)
}

// At returns the configuration that commit id left, 0 standing for the empty one
// before the first. It is made from running by taking the commits since back:
// the cost follows what they changed and how many there are. The error is
// invalid-value with the app-tag AppCommitNotKept where the journal does not go
// back so far (Oldest), or AppNoSuchCommit for a commit that has not happened.
func (s *Store) At(id uint64) (Snapshot, error) {
	cur := s.Running()
	switch {
	case id > cur.ID:
		return Snapshot{}, yangerr.New(yangerr.InvalidValue, nil, "there is no commit %d, the latest is %d", id, cur.ID).WithAppTag(AppNoSuchCommit)
	case id == cur.ID:
		return cur, nil
	}
	root, at, err := s.undo(cur, id)
	if err != nil {
		return Snapshot{}, err
	}
	at.Root = root
	return at, nil
}

// undo takes the commits after id back. The Snapshot has its ID and Time.
func (s *Store) undo(cur Snapshot, id uint64) (*tree.Node, Snapshot, error) {
	at := Snapshot{ID: id}
	from := id
	if oldest := s.Oldest(); id < oldest {
		return nil, at, notKept(id, oldest)
	} else if id > oldest {
		from-- // for the time of commit id itself
	}
	var back [][]tree.Edit
	err := s.journal.between(from, cur.ID, func(n uint64, raw []byte) error {
		info, _, d, err := openRecord(s.schema, raw)
		if err != nil {
			return err
		}
		if n == id {
			at.Time = info.Time
			return nil
		}
		if _, err := d.edits(); err != nil {
			return err
		}
		edits, err := d.edits()
		if err != nil {
			return err
		}
		back = append(back, edits)
		return d.end()
	})
	root := cur.Root
	for i := len(back) - 1; i >= 0 && err == nil; i-- {
		var errs yangerr.List
		root, errs = tree.Apply(root, back[i])
		err = errs.Err()
	}
	if err == nil {
		return root, at, nil
	}
	if oldest := s.Oldest(); id < oldest {
		return nil, at, notKept(id, oldest) // pruned meanwhile
	}
	return nil, at, yangerr.New(yangerr.InvalidValue, nil, "commit %d cannot be had: %v", id, err).WithAppTag(AppCommitNotKept)
}

func notKept(id, oldest uint64) error {
	return yangerr.New(yangerr.InvalidValue, nil, "the history does not go back to commit %d, the oldest is %d", id, oldest).WithAppTag(AppCommitNotKept)
}

// Oldest returns the id of the oldest commit that At knows.
func (s *Store) Oldest() uint64 { return s.journal.oldest() }
