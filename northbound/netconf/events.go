package netconf

import (
	"iter"
	"time"

	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// maxReportedEdits bounds the edit list of one netconf-config-change; a commit
// that changed more is described by the top-level nodes that it changed.
const maxReportedEdits = 1000

// The notifications of RFC 6470, and the one that names what was changed.
const (
	notificationsModule = "ietf-netconf-notifications"
	configChange        = "netconf-config-change"
)

// event returns the notification of ietf-netconf-notifications called name, or
// nil where the schema does not have it.
func (s *Server) event(name string) *schema.Node {
	m := s.schema.Module(notificationsModule)
	if m == nil || !m.Implemented {
		return nil
	}
	return s.schema.Notification(m, name)
}

// send builds a notification and hands it to the hub.
func (s *Server) send(n *schema.Node, t time.Time, fill func(*writer)) {
	w := &writer{b: tree.NewBuilder(tree.New(n)), at: []*schema.Node{n}}
	fill(w)
	s.hub.Notify(t, w.b.Seal(), nil)
}

// sessionParameters writes the grouping common-session-parms of RFC 6470.
func sessionParameters(w *writer, user string, id uint32, peer string) {
	w.leaf("username", user)
	w.number("session-id", id)
	if host := hostOf(peer); host != "" {
		w.leaf("source-host", host)
	}
}

func (s *Server) notifySessionStart(sess *session) {
	if n := s.event("netconf-session-start"); n != nil {
		s.send(n, sess.login, func(w *writer) { sessionParameters(w, sess.user, sess.ds.ID(), sess.peer) })
	}
}

func (s *Server) notifySessionEnd(sess *session, reason string) {
	n := s.event("netconf-session-end")
	if n == nil {
		return
	}
	s.send(n, s.now(), func(w *writer) {
		sessionParameters(w, sess.user, sess.ds.ID(), sess.peer)
		if by := sess.killedBy.Load(); by != 0 && reason == endKilled {
			w.number("killed-by", by)
		}
		w.leaf("termination-reason", reason)
	})
}

// watchCommits sends netconf-config-change (RFC 6470 section 2.2) for every
// commit, whatever protocol it came by.
func (s *Server) watchCommits() {
	s.watchConfirms()
	if list, err := s.schema.Find("/ietf-subscribed-notifications:subscriptions/subscription"); err == nil {
		s.store.Register(configuredSubscriptions{list})
	}
	n := s.event(configChange)
	if n == nil {
		return
	}
	s.store.OnCommit(func(c datastore.Commit) {
		s.filtersChanged(c.Old, c.New)
		s.send(n, c.Time, func(w *writer) {
			w.in("changed-by", nil, func() {
				if c.Session.User == "" {
					w.leaf("server", "")
					return
				}
				sessionParameters(w, c.Session.User, c.SessionID, c.Session.Peer)
			})
			w.leaf("datastore", "running")
			for _, e := range reportedEdits(c.Old, c.New) {
				w.in("edit", nil, func() {
					w.leaf("target", e.target.String())
					w.leaf("operation", e.operation)
				})
			}
		})
	})
}

type reportedEdit struct {
	target    tree.Path
	operation string
}

// reportedEdits lists what a commit changed; beyond maxReportedEdits only the
// top-level nodes below which something did, as merge.
func reportedEdits(old, new *tree.Node) []reportedEdit {
	var all, tops []reportedEdit
	for c := range changes(old, new) {
		if len(all) < maxReportedEdits {
			all = append(all, reportedEdit{c.Path, operationName(c.Op)})
			continue
		}
		if tops == nil {
			for _, e := range all {
				tops = addTop(tops, e.target)
			}
		}
		tops = addTop(tops, c.Path)
	}
	if tops != nil {
		return tops
	}
	return all
}

// changes is tree.Diff with what is in containers without presence in place of
// these: a container that comes or goes is no change of its own, and who may read
// it may read nothing of what is in it.
func changes(old, new *tree.Node) iter.Seq[tree.Change] {
	return func(yield func(tree.Change) bool) {
		for c := range tree.Diff(old, new) {
			if !opened(c, yield) {
				return
			}
		}
	}
}

func opened(c tree.Change, yield func(tree.Change) bool) bool {
	n := c.New
	if c.Op == tree.Deleted {
		n = c.Old
	}
	if s := n.Schema(); c.Op > tree.Deleted || s.Kind != schema.Container || s.Presence {
		return yield(c)
	}
	part := func(p tree.Path, k *tree.Node) bool {
		d := tree.Change{Op: c.Op, Path: p}
		if c.Op == tree.Deleted {
			d.Old = k
		} else {
			d.New = k
		}
		return opened(d, yield)
	}
	for k := range n.Children() {
		if !k.IsHolder() {
			if !part(c.Path.Child(k.Schema()), k) {
				return false
			}
			continue
		}
		for e := range k.Children() {
			if !part(c.Path.Child(k.Schema(), e.Keys()...), e) {
				return false
			}
		}
	}
	return true
}

func addTop(tops []reportedEdit, p tree.Path) []reportedEdit {
	if n := len(tops); n > 0 && tops[n-1].target.Equal(p[:1]) {
		return tops
	}
	return append(tops, reportedEdit{p[:1:1], "merge"})
}

// watchConfirms sends netconf-confirmed-commit (RFC 6470 section 2.2).
func (s *Server) watchConfirms() {
	n := s.event("netconf-confirmed-commit")
	if n == nil {
		return
	}
	s.store.OnConfirm(func(c datastore.ConfirmEvent) {
		s.send(n, c.Time, func(w *writer) {
			if c.Kind != datastore.ConfirmTimeout {
				sessionParameters(w, c.Session.User, c.SessionID, c.Session.Peer)
			}
			w.leaf("confirm-event", string(c.Kind))
			if c.Kind == datastore.ConfirmStart || c.Kind == datastore.ConfirmExtend {
				w.number("timeout", uint32(c.Timeout/time.Second))
			}
		})
	})
}

// operationName is the edit operation that makes a change.
func operationName(op tree.ChangeOp) string {
	switch op {
	case tree.Created:
		return "create"
	case tree.Deleted:
		return "delete"
	case tree.Modified:
		return "replace"
	}
	return "merge"
}
