package netconf

import (
	"time"

	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/tree"
)

// watchSettings follows what the configuration says about sessions and call home.
func (s *Server) watchSettings() {
	running := s.store.Running().Root
	s.configure(running)
	s.store.OnCommit(func(c datastore.Commit) {
		if within(c.Old, "management") != within(c.New, "management") {
			s.configure(c.New)
			s.home.update(c.New)
		}
	})
}

// configure takes the limits of /management/netconf. What is not configured is
// as Options have it, whose defaults are those of the module.
func (s *Server) configure(running *tree.Node) {
	l := s.limits
	n := within(running, "management", "netconf")
	set := func(name string, f func(uint64)) {
		if leaf := within(n, name); leaf != nil {
			f(leaf.Value().Uint())
		}
	}
	set("max-sessions", func(v uint64) { l.Sessions = int(v) })
	set("hello-timeout", func(v uint64) { l.HelloTimeout = time.Duration(v) * time.Second })
	set("idle-timeout", func(v uint64) {
		l.IdleTimeout = time.Duration(v) * time.Second
		if v == 0 {
			l.IdleTimeout = -1
		}
	})
	set("max-message-size", func(v uint64) { l.Message = int(v) })
	s.present.Store(&l)
}

// within follows names down; nil where one is missing.
func within(n *tree.Node, names ...string) *tree.Node {
	for _, name := range names {
		if n == nil {
			return nil
		}
		n = n.ChildNamed(name)
	}
	return n
}
