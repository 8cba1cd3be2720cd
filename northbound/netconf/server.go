package netconf

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/xpath"
)

// Authenticator knows the element's keys and its users'. peer is the address of
// a client with its port.
type Authenticator interface {
	// HostKeys returns the private host keys in PEM form, the preferred one first.
	HostKeys() [][]byte
	// AuthorizePublicKey reports whether the key, in SSH wire form, is one of user's.
	AuthorizePublicKey(user string, key []byte) bool
	// AuthorizeCertificate decides about an OpenSSH certificate in SSH wire form.
	AuthorizeCertificate(user, peer string, cert []byte) error
	// PasswordLogin reports whether users may come in with passwords at all.
	PasswordLogin() bool
	// CheckPassword decides about a password; a refusal takes its time.
	CheckPassword(ctx context.Context, user, password, peer string) error
	// Failed counts a connection that did not become a user's.
	Failed(user, peer, method string)
	// TLSConfig returns the configuration of a server that demands certificates.
	TLSConfig() *tls.Config
	// PeerUser returns the user that verified chains of certificates stand for.
	PeerUser(chains [][]*x509.Certificate) (string, error)
	// PeerGroups returns the groups that they name.
	PeerGroups(chains [][]*x509.Certificate) []string
}

// ActionFunc carries out an RPC or an action. path is the instance that an
// action was invoked on and empty for an RPC; output may be nil.
type ActionFunc func(ctx context.Context, path tree.Path, input *tree.Node) (output *tree.Node, err error)

// Options for New.
type Options struct {
	Schema *schema.Schema
	Store  *datastore.Store
	Hub    *oper.Hub
	Access Authenticator
	// NACM decides who may do what; nil permits everything to everybody.
	NACM *nacm.Control
	// Actions holds the RPCs and actions besides those of NETCONF itself, by
	// schema path: "/ietf-system:system-restart".
	Actions map[string]ActionFunc
	Limits  Limits
	URLs    URLs
	// Dial connects to the clients of call home; a net.Dialer where nil.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Log  *slog.Logger     // slog.Default() where nil
	Now  func() time.Time // time.Now where nil
}

// Limits bound what clients can make the server hold. Zero fields take the
// defaults. What /management/netconf says comes first.
type Limits struct {
	Sessions         int           // NETCONF sessions, default 1,200
	Unauthenticated  int           // connections in the handshake of SSH or TLS, default 128, at most half of them from one address: the oldest makes room
	Channels         int           // sessions of one SSH connection, default 8
	AuthTries        int           // of one connection, default 6
	HandshakeTimeout time.Duration // until a user is authenticated and the subsystem requested, default 20 s
	HelloTimeout     time.Duration // until the client's hello, default 20 s
	IdleTimeout      time.Duration // between requests of a session without subscription, default 1 h; negative for none
	WriteTimeout     time.Duration // for a client to take one piece of a reply, default 2 min
	Message          int           // octets of one message, default 64 MiB
}

func (l Limits) withDefaults() Limits {
	l.Sessions = cmp.Or(l.Sessions, 1200)
	l.Unauthenticated = cmp.Or(l.Unauthenticated, 128)
	l.Channels = cmp.Or(l.Channels, 8)
	l.AuthTries = cmp.Or(l.AuthTries, 6)
	l.HandshakeTimeout = cmp.Or(l.HandshakeTimeout, 20*time.Second)
	l.HelloTimeout = cmp.Or(l.HelloTimeout, 20*time.Second)
	l.IdleTimeout = cmp.Or(l.IdleTimeout, time.Hour)
	l.WriteTimeout = cmp.Or(l.WriteTimeout, 2*time.Minute)
	l.Message = cmp.Or(l.Message, 64<<20)
	return l
}

// Server serves NETCONF sessions on any number of listeners.
type Server struct {
	schema   *schema.Schema
	defaults *xpath.Defaults
	store    *datastore.Store
	hub      *oper.Hub
	actions  map[string]ActionFunc
	limits   Limits
	present  atomic.Pointer[Limits] // limits as configured now
	log      *slog.Logger
	now      func() time.Time

	ssh          *ssh.ServerConfig // keys and certificates
	sshPasswords *ssh.ServerConfig // passwords too
	tls          *tls.Config
	home         callHome
	access       Authenticator
	nacm         *nacm.Control
	operations   map[name]parser
	startup      bool // there is a startup datastore
	urls         *urls
	partial      selects
	capabilities []string
	door         *door

	started time.Time
	stats   statistics
	subs    subscriptions

	buffers sync.Pool     // *[]byte of frameWriters
	stopped chan struct{} // closed by Shutdown

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]bool
	conns     map[io.Closer]bool // SSH connections, and others given to ServeConn
	sessions  map[uint32]*session
	wg        sync.WaitGroup // one for each connection
}

// statistics are the counters of RFC 6022 section 2.1.5 that are not the sum of
// those of sessions.
type statistics struct {
	badHellos, sessions, dropped       atomic.Uint32
	rpcs, badRPCs, errs, notifications atomic.Uint32
}

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("netconf: server closed")

// New makes a server and registers the state that it provides (ietf-netconf-monitoring,
// ietf-yang-library) with the hub. The error tells of a host key that cannot be
// used or an action that the schema does not know.
func New(o Options) (*Server, error) {
	s := &Server{
		schema: o.Schema, defaults: xpath.NewDefaults(o.Schema), store: o.Store, hub: o.Hub, access: o.Access, nacm: o.NACM, actions: o.Actions,
		limits: o.Limits.withDefaults(), log: o.Log, now: o.Now,
		listeners: map[net.Listener]bool{}, conns: map[io.Closer]bool{}, sessions: map[uint32]*session{},
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.started = s.now()
	s.stopped = make(chan struct{})
	s.door = &door{limit: s.limits.Unauthenticated, grace: doorGrace, now: s.now, log: s.log}
	s.home = callHome{srv: s, dial: o.Dial, callers: map[string]*caller{}}
	s.operations = operations()
	maps.Copy(s.operations, moduleOperations(o.Schema))
	if m := o.Schema.Module("ietf-netconf"); m != nil {
		s.startup = slices.Contains(m.Features, "startup")
	}
	var err error
	if s.urls, err = openURLs(o.URLs); err != nil {
		return nil, err
	}
	s.capabilities = capabilities(o.Schema, s.urls.schemes())
	for path := range o.Actions {
		n, err := o.Schema.Find(path)
		if err != nil {
			return nil, fmt.Errorf("netconf: action: %w", err)
		}
		if n.Kind != schema.RPC && n.Kind != schema.Action {
			return nil, fmt.Errorf("netconf: %s is a %s, not an RPC or action", path, n.Kind)
		}
	}
	if err := s.configureTransports(); err != nil {
		return nil, err
	}
	if err := s.provide(); err != nil {
		return nil, err
	}
	if err := s.home.provide(); err != nil {
		return nil, err
	}
	s.watchSettings()
	s.watchCommits()
	return s, nil
}

// track enters a connection that Shutdown must end; false when it is too late.
func (s *Server) track(c io.Closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[c] = true
	s.wg.Add(1)
	return true
}

func (s *Server) untrack(c io.Closer) {
	c.Close()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.wg.Done()
}

// ServeConn runs one session over a transport that has authenticated the user,
// and returns when the session has ended. It closes conn. transport is the
// identity of ietf-netconf-monitoring, such as "netconf-tls".
func (s *Server) ServeConn(conn io.ReadWriteCloser, user, transport, peer string) error {
	if !s.track(conn) {
		conn.Close()
		return ErrServerClosed
	}
	defer s.untrack(conn)
	return s.runSession(conn, nacm.Identity{User: user}, transport, peer)
}

// Shutdown stops accepting, lets the requests under way finish until ctx ends,
// and closes every session.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.urls.close()
	s.mu.Lock()
	if !s.closed {
		close(s.stopped)
	}
	s.closed = true
	for l := range s.listeners {
		l.Close()
	}
	for _, sess := range s.sessions {
		sess.stop()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	if s.sessionsDone(ctx) {
		// What is left are SSH connections without a session.
		s.closeConns()
		<-done
		return nil
	}
	s.closeConns()
	<-done
	return ctx.Err()
}

// sessionsDone waits until no session is left, or ctx ends.
func (s *Server) sessionsDone(ctx context.Context) bool {
	for {
		s.mu.Lock()
		var one *session
		for _, sess := range s.sessions {
			one = sess
		}
		s.mu.Unlock()
		if one == nil {
			return true
		}
		select {
		case <-one.done:
		case <-ctx.Done():
			return false
		}
	}
}

func (s *Server) closeConns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}
