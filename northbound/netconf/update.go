package netconf

import (
	"fmt"
	"io"

	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// parseUpdate reads <update> (draft-ietf-netconf-privcand section 4.8.1).
func parseUpdate(q *request) (func() error, error) {
	input, err := q.input(q.rpcNode(nsPrivate, "update"))
	if err != nil {
		return nil, err
	}
	mode := datastore.RevertOnConflict
	if n := input.ChildNamed("resolution-mode"); n != nil {
		switch n.Value().String() {
		case "prefer-candidate":
			mode = datastore.PreferCandidate
		case "prefer-running":
			mode = datastore.PreferRunning
		}
	}
	return func() error {
		q.rememberCreation()
		if err := q.ds.UpdateCandidate(q.ctx, mode); err != nil {
			return err
		}
		return q.ok()
	}, nil
}

// rememberCreation keeps what the private candidate was made from, before anything
// brings it up to running for the first time.
func (sess *session) rememberCreation() {
	if sess.created == nil && sess.ds.Private() {
		sess.created = sess.ds.Base()
	}
}

// comparePrivate compares the private candidate with the point of running that the
// client names, in place of the other datastore, which must be running.
func (q *request) comparePrivate(source, target datastore.Name, filter *selection, point string, etag func(tree.Path) string) error {
	if source != datastore.Running && target != datastore.Running {
		return yangerr.New(yangerr.InvalidValue, nil, "a reference-point is one of running").WithType(yangerr.Protocol).
			WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: "reference-point"})
	}
	base := q.ds.Base()
	if point == "creation-point" {
		q.rememberCreation()
		base = q.created
	}
	p := patch{dst: fmt.Appendf(nil, `<differences xmlns="%s">`, nsCompare), etag: etag}
	p.oldAll, p.newAll = q.visible(base), q.visible(q.ds.Candidate())
	if source == datastore.Candidate {
		p.oldAll, p.newAll = p.newAll, p.oldAll
	}
	sides := make([]*tree.Node, 2)
	for i, whole := range []*tree.Node{p.oldAll, p.newAll} {
		var err error
		if sides[i], err = filter.apply(whole); err != nil {
			return err
		}
	}
	if filter != nil && sides[0] == nil && sides[1] == nil {
		return q.reply(func(w io.Writer) { fmt.Fprintf(w, `<no-matches xmlns="%s"/>`, nsCompare) })
	}
	p.differences("compare", fmt.Sprintf("from %s to %s, %s", source, target, point), q.orEmpty(sides[0]), q.orEmpty(sides[1]))
	p.dst = append(p.dst, "</differences>"...)
	return q.reply(func(w io.Writer) { w.Write(p.dst) })
}
