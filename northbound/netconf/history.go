package netconf

import (
	"fmt"
	"io"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// parseRollback reads <rollback> of mtp-commits: an earlier configuration becomes
// the candidate.
func parseRollback(q *request) (func() error, error) {
	input, err := q.input(q.rpcNode(nsCommits, "rollback"))
	if err != nil {
		return nil, err
	}
	return func() error {
		id := q.srv.store.Running().ID
		if n := input.ChildNamed("steps"); n != nil {
			steps := n.Value().Uint()
			if steps > id {
				return wrongValue("steps", "there have been %d commits, not %d", id, steps)
			}
			id -= steps
		} else {
			id = input.ChildNamed("commit-id").Value().Uint()
		}
		at, err := q.commitAt("commit-id", id)
		if err == nil {
			err = q.replace(at.Root)
		}
		if err != nil {
			return err
		}
		return q.ok()
	}, nil
}

// commitAt returns the configuration that a commit left.
func (q *request) commitAt(parameter string, id uint64) (datastore.Snapshot, error) {
	at, err := q.srv.store.At(id)
	if err == nil {
		return at, nil
	}
	list := yangerr.From(err)
	for _, e := range list {
		if e.Tag == yangerr.InvalidValue && len(e.Info) == 0 {
			e.WithType(yangerr.Protocol).WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: parameter})
		}
	}
	return at, list
}

// parseCompareCommits reads <compare-commits> of mtp-commits.
func parseCompareCommits(q *request) (func() error, error) {
	input, err := q.input(q.rpcNode(nsCommits, "compare-commits"))
	if err != nil {
		return nil, err
	}
	return func() error {
		from, err := q.commitAt("from", input.ChildNamed("from").Value().Uint())
		if err != nil {
			return err
		}
		to := q.srv.store.Running()
		if n := input.ChildNamed("to"); n != nil {
			if to, err = q.commitAt("to", n.Value().Uint()); err != nil {
				return err
			}
		}
		p := patch{dst: fmt.Appendf(nil, `<differences xmlns="%s">`, nsCommits)}
		comment := fmt.Sprintf("from commit %d to commit %d", from.ID, to.ID)
		if p.differences("compare-commits", comment, q.orEmpty(q.nacm.Read(from.Root)), q.orEmpty(q.nacm.Read(to.Root))) {
			p.dst = append(p.dst, "</differences>"...)
		} else {
			p.dst = fmt.Appendf(p.dst[:0], `<no-differences xmlns="%s"/>`, nsCommits)
		}
		return q.reply(func(w io.Writer) { w.Write(p.dst) })
	}, nil
}

// parseGetCommit reads <get-commit> of mtp-commits.
func parseGetCommit(q *request) (func() error, error) {
	input, err := q.input(q.rpcNode(nsCommits, "get-commit"))
	if err != nil {
		return nil, err
	}
	return func() error {
		at, err := q.commitAt("commit-id", input.ChildNamed("commit-id").Value().Uint())
		if err != nil {
			return err
		}
		return q.replyAnydata(nsCommits, "config", q.nacm.Read(at.Root), codec.EncodeOptions{Defaults: tree.Explicit, ConfigOnly: true})
	}, nil
}
