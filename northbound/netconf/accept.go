package netconf

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// The shortest and the longest pause after an accept that failed for want of
// something, such as file descriptors, that comes back.
const (
	acceptPause    = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// Serve accepts SSH connections (RFC 6242) until Shutdown, and then returns
// ErrServerClosed.
func (s *Server) Serve(l net.Listener) error { return s.accept(l, s.serveSSH) }

// ServeTLS accepts TLS connections (RFC 7589) until Shutdown, and then returns
// ErrServerClosed.
func (s *Server) ServeTLS(l net.Listener) error { return s.accept(l, s.serveTLS) }

// accept takes connections and leaves each to serve, once the door has a place.
func (s *Server) accept(l net.Listener, serve func(*stranger)) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrServerClosed
	}
	s.listeners[l] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.listeners, l)
	}()
	pause := acceptPause
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = acceptPause
		case s.isClosed():
			return ErrServerClosed
		case !passing(err):
			return fmt.Errorf("netconf: accept: %w", err)
		default:
			// Those who wait are kept by the host meanwhile.
			s.log.Warn("NETCONF connections cannot be accepted, trying again", "reason", err, "pause", pause)
			if !s.pause(pause) {
				return ErrServerClosed
			}
			pause = min(2*pause, maxAcceptPause)
			continue
		}
		if !s.track(conn) {
			conn.Close()
			continue
		}
		keepAlive(conn, probeInterval, probes, s.limits.WriteTimeout)
		go func() {
			defer s.untrack(conn)
			if st := s.door.enter(conn, hostOf(conn.RemoteAddr().String())); st != nil {
				serve(st)
			}
		}()
	}
}

// passing reports whether a failure of accept is one that passes by itself.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// pause waits; false says that the server was closed meanwhile.
func (s *Server) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.stopped:
		return false
	}
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Probes of the peers of accepted connections: one that is dead is known to be
// after a minute, and its locks are free.
const (
	probeInterval = 15 * time.Second
	probes        = 3
)

// keepAlive makes the host probe the peer of a TCP connection that is silent for
// interval, and give it up after missing as many answers as count says, or when
// it takes nothing for as long as stuck says.
func keepAlive(conn net.Conn, interval time.Duration, count int, stuck time.Duration) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	// A host that refuses keeps its own times.
	tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: interval, Interval: interval, Count: count})
	setUserTimeout(tcp, stuck)
}
