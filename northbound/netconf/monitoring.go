package netconf

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// provide registers the state about the server itself, of those modules that
// the schema has.
func (s *Server) provide() error {
	for path, read := range map[string]func(*writer){
		"/ietf-netconf-monitoring:netconf-state":       s.netconfState,
		"/ietf-yang-library:yang-library":              s.yangLibrary,
		"/ietf-yang-library:modules-state":             s.modulesState,
		"/mtp-commits:commit-log":                      s.commitLog,
		"/nc-notifications:netconf":                    s.streams,
		"/ietf-subscribed-notifications:streams":       s.subscribedStreams,
		"/ietf-subscribed-notifications:subscriptions": s.subscriptionState,
	} {
		n, err := s.schema.Find(path)
		if err != nil {
			continue
		}
		if err := s.hub.Provide(path, provider{n, read}); err != nil {
			return fmt.Errorf("netconf: %w", err)
		}
	}
	return nil
}

// provider reads one top-level container.
type provider struct {
	node *schema.Node
	read func(*writer)
}

// Read implements oper.Provider.
func (p provider) Read(_ context.Context, req oper.Request) error {
	w := &writer{b: req.Build, at: []*schema.Node{p.node}}
	w.b.Enter(p.node)
	p.read(w)
	w.b.Leave()
	return nil
}

// writer puts state into a Builder by name. Nodes that the schema does not have,
// because a deviation or a feature takes them away, are left out.
type writer struct {
	b  *tree.Builder
	at []*schema.Node
}

// leaf sets the leaf called name, or adds to the leaf-list, in canonical form.
func (w *writer) leaf(name, value string) {
	if n := w.at[len(w.at)-1].Child(name); n != nil {
		w.b.Leaf(n, schema.StringValue(n.Type, value))
	}
}

func (w *writer) number(name string, v uint32) { w.leaf(name, strconv.FormatUint(uint64(v), 10)) }

// in enters the container, or the list entry with the given keys, called name.
func (w *writer) in(name string, keys []string, f func()) {
	n := w.at[len(w.at)-1].Child(name)
	if n == nil {
		return
	}
	values := make([]schema.Value, len(keys))
	for i, k := range keys {
		values[i] = schema.StringValue(n.Keys[i].Type, k)
	}
	w.b.Enter(n, values...)
	w.at = append(w.at, n)
	f()
	w.at = w.at[:len(w.at)-1]
	w.b.Leave()
}

// timestamp is the canonical form of yang:date-and-time in UTC.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999999999Z07:00") }

// netconfState writes the state of ietf-netconf-monitoring (RFC 6022 section 2).
func (s *Server) netconfState(w *writer) {
	w.in("capabilities", nil, func() {
		for _, c := range s.capabilities {
			w.leaf("capability", c)
		}
	})
	w.in("datastores", nil, func() { s.datastoreState(w) })
	w.in("schemas", nil, func() {
		for _, m := range s.schema.Modules() {
			schemaEntry(w, m.Name, m.Revision, m.Namespace)
			for _, sub := range m.Submodules {
				schemaEntry(w, sub.Name, sub.Revision, m.Namespace)
			}
		}
	})
	sessions := s.list()
	w.in("sessions", nil, func() {
		for _, sess := range sessions {
			w.in("session", []string{strconv.FormatUint(uint64(sess.ds.ID()), 10)}, func() {
				w.leaf("transport", "ietf-netconf-monitoring:"+sess.transport)
				w.leaf("username", sess.user)
				if host := hostOf(sess.peer); host != "" {
					w.leaf("source-host", host)
				}
				w.leaf("login-time", timestamp(sess.login))
				w.number("in-rpcs", sess.inRPCs.Load())
				w.number("in-bad-rpcs", sess.inBadRPCs.Load())
				w.number("out-rpc-errors", sess.outErrors.Load())
				w.number("out-notifications", sess.outNotifications.Load())
			})
		}
	})
	w.in("statistics", nil, func() {
		rpcs, bad, errs, notifications := s.stats.rpcs.Load(), s.stats.badRPCs.Load(), s.stats.errs.Load(), s.stats.notifications.Load()
		for _, sess := range sessions {
			rpcs += sess.inRPCs.Load()
			bad += sess.inBadRPCs.Load()
			errs += sess.outErrors.Load()
			notifications += sess.outNotifications.Load()
		}
		w.leaf("netconf-start-time", timestamp(s.started))
		w.number("in-bad-hellos", s.stats.badHellos.Load())
		w.number("in-sessions", s.stats.sessions.Load())
		w.number("dropped-sessions", s.stats.dropped.Load())
		w.number("in-rpcs", rpcs)
		w.number("in-bad-rpcs", bad)
		w.number("out-rpc-errors", errs)
		w.number("out-notifications", notifications)
	})
}

// datastoreState writes the datastores with their locks (RFC 6022 section 2.1.2).
func (s *Server) datastoreState(w *writer) {
	names := []datastore.Name{datastore.Running, datastore.Candidate}
	if s.startup {
		names = append(names, datastore.Startup)
	}
	locks := s.store.Locks()
	for _, name := range names {
		w.in("datastore", []string{string(name)}, func() {
			held := slices.DeleteFunc(slices.Clone(locks), func(l datastore.Lock) bool { return l.Datastore != name })
			if len(held) == 0 {
				return
			}
			w.in("locks", nil, func() {
				for _, l := range held {
					s.lockState(w, l)
				}
			})
		})
	}
}

func (s *Server) lockState(w *writer, l datastore.Lock) {
	holder := func() {
		w.number("locked-by-session", l.SessionID)
		w.leaf("locked-time", timestamp(l.Since))
	}
	if l.Partial == 0 {
		w.in("global-lock", nil, holder)
		return
	}
	w.in("partial-lock", []string{strconv.FormatUint(uint64(l.Partial), 10)}, func() {
		holder()
		for _, text := range s.partial.of(l.Partial) {
			w.leaf("select", text)
		}
		for _, p := range l.Nodes {
			w.leaf("locked-node", p.String())
		}
	})
}

// schemaEntry writes what get-schema can be asked for.
func schemaEntry(w *writer, name, revision, namespace string) {
	w.in("schema", []string{name, revision, "ietf-netconf-monitoring:yang"}, func() {
		w.leaf("namespace", namespace)
		w.leaf("location", "NETCONF")
	})
}

// list returns the sessions by ascending id.
func (s *Server) list() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*session
	for _, sess := range s.sessions {
		all = append(all, sess)
	}
	slices.SortFunc(all, func(a, b *session) int { return cmp.Compare(a.ds.ID(), b.ds.ID()) })
	return all
}
