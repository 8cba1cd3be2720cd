package netconf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/tree"
)

// session is one NETCONF session. Its goroutine reads a message, carries it out
// and writes the reply, in this order, so that replies come in the order of the
// requests; a second goroutine, if there is a subscription, writes notifications
// between them.
type session struct {
	srv       *Server
	conn      io.ReadWriteCloser
	ds        *datastore.Session
	user      string
	groups    []string // that the transport tells
	nacm      *nacm.Checker
	transport string
	peer      string
	login     time.Time
	v11       bool
	created   *tree.Node // what the private candidate was made from; nil until that changes
	limits    *Limits

	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when the session is over
	idle   *time.Timer   // nil where there is no limit

	outMu sync.Mutex // a message at a time
	out   frameWriter

	subscribed    atomic.Bool  // with create-subscription
	subscriptions atomic.Int32 // of any kind
	notifier      sync.WaitGroup

	busy     sync.Mutex // held while a request is carried out
	stopping atomic.Bool
	killedBy atomic.Uint32
	reason   atomic.Pointer[string] // why the server ends the session, for the notification

	inRPCs, inBadRPCs, outErrors, outNotifications atomic.Uint32
}

// The termination reasons of RFC 6470 section 2.2.
const (
	endClosed   = "closed"
	endKilled   = "killed"
	endDropped  = "dropped"
	endTimeout  = "timeout"
	endBadHello = "bad-hello"
	endOther    = "other"
)

// errClosed ends a session after close-session.
var errClosed = errors.New("close-session")

// errFull refuses a session beyond max-sessions.
var errFull = errors.New("netconf: there are as many sessions as are allowed")

// full reports whether there is no room for another session. It may be wrong a
// moment later; enter decides.
func (s *Server) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions) >= s.present.Load().Sessions
}

// runSession serves one session of a user and returns why it ended; io.EOF stands for a
// client that has gone, nil for close-session.
func (s *Server) runSession(conn io.ReadWriteCloser, who nacm.Identity, transport, peer string) error {
	sess := &session{
		srv: s, conn: conn, user: who.User, groups: who.Groups, nacm: s.checker(who), transport: transport, peer: peer,
		login: s.now(), done: make(chan struct{}), limits: s.present.Load(),
	}
	sess.ctx, sess.cancel = context.WithCancel(context.Background())
	sess.out.w, sess.out.pool = timedWriter{conn, s.limits.WriteTimeout, sess}, &s.buffers
	defer sess.cancel()
	if err := s.enter(sess); err != nil {
		s.stats.dropped.Add(1)
		conn.Close()
		return err
	}
	end := endDropped
	defer func() {
		conn.Close()
		sess.cancel()
		sess.notifier.Wait()
		sess.ds.Close()
		s.leave(sess)
		if r := sess.reason.Load(); r != nil {
			end = *r
		}
		s.notifySessionEnd(sess, end)
		close(sess.done)
	}()
	frames := newFrameReader(conn, sess.limits.Message)
	if err := sess.exchangeHello(frames); err != nil {
		s.stats.badHellos.Add(1)
		end = endBadHello
		return err
	}
	s.log.Info("NETCONF session", "session", sess.ds.ID(), "user", who.User, "peer", peer, "transport", transport)
	s.notifySessionStart(sess)
	err := sess.serve(frames)
	switch {
	case errors.Is(err, errClosed):
		end = endClosed
		return nil
	case errors.Is(err, errFraming), errors.Is(err, errMessageSize), errors.Is(err, errMalformed):
		end = endOther
	}
	return err
}

// enter gives the session an id and a place in the table.
func (s *Server) enter(sess *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrServerClosed
	case len(s.sessions) >= sess.limits.Sessions:
		return errFull
	}
	info := datastore.SessionInfo{User: sess.user, Groups: sess.groups, Protocol: "netconf", Peer: sess.peer}
	sess.ds = s.store.NewSession(info, func() { sess.end(endKilled) })
	s.sessions[sess.ds.ID()] = sess
	s.stats.sessions.Add(1)
	return nil
}

// leave takes the session out of the table and keeps its counters.
func (s *Server) leave(sess *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, sess.ds.ID())
	s.stats.rpcs.Add(sess.inRPCs.Load())
	s.stats.badRPCs.Add(sess.inBadRPCs.Load())
	s.stats.errs.Add(sess.outErrors.Load())
	s.stats.notifications.Add(sess.outNotifications.Load())
}

// end makes the session end now, for a reason of RFC 6470.
func (sess *session) end(reason string) {
	sess.reason.CompareAndSwap(nil, &reason)
	sess.cancel()
	sess.conn.Close()
}

// stop makes the session end after the request that is being carried out. It
// does not wait.
func (sess *session) stop() {
	sess.stopping.Store(true)
	if sess.busy.TryLock() {
		sess.end(endOther)
		sess.busy.Unlock()
	}
}

// exchangeHello sends the server's hello, reads the client's, and chooses the
// framing (RFC 6242 section 4.1).
func (sess *session) exchangeHello(frames *frameReader) error {
	late := time.AfterFunc(sess.limits.HelloTimeout, func() { sess.end(endTimeout) })
	defer late.Stop()
	// The client may send its hello first and read nothing before that is done.
	sent := make(chan error, 1)
	go func() {
		sess.out.Write(appendHello(nil, sess.srv.capabilities, sess.ds.ID()))
		sent <- sess.out.end()
	}()
	msg, err := frames.next()
	if err != nil {
		sess.conn.Close()
		<-sent
		return fmt.Errorf("hello: %w", err)
	}
	if err := <-sent; err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	hello, err := parseHello(trimStart(msg))
	if err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	sess.v11, frames.chunked, sess.out.chunked = hello.v11, hello.v11, hello.v11
	if hello.private {
		sess.ds.SetPrivate()
	}
	return nil
}

// serve carries out requests until the session ends.
func (sess *session) serve(frames *frameReader) error {
	limit := sess.limits.IdleTimeout
	if limit > 0 {
		sess.idle = time.AfterFunc(limit, func() {
			if sess.subscriptions.Load() == 0 {
				sess.end(endTimeout)
			}
		})
		defer sess.idle.Stop()
	}
	for {
		msg, err := frames.next()
		if errors.Is(err, errMessageSize) {
			sess.refuseSize()
		}
		if err != nil {
			return err
		}
		if sess.idle != nil {
			sess.idle.Reset(limit)
		}
		sess.busy.Lock()
		err = sess.request(trimStart(msg))
		if err == nil && sess.stopping.Load() {
			err = ErrServerClosed
		}
		sess.busy.Unlock()
		if err != nil {
			return err
		}
	}
}

// trimStart drops white space in front of a message. There are clients that send
// a line feed after the end-of-message marker, and an XML declaration must be the
// first thing in a document.
func trimStart(msg []byte) []byte { return bytes.TrimLeft(msg, " \t\r\n") }

// timedWriter ends the session when the client takes nothing for too long.
type timedWriter struct {
	w       io.Writer
	timeout time.Duration
	sess    *session
}

func (t timedWriter) Write(p []byte) (int, error) {
	late := time.AfterFunc(t.timeout, func() { t.sess.end(endDropped) })
	defer late.Stop()
	return t.w.Write(p)
}
