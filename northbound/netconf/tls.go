package netconf

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/tandem-ne/tandem/server/access/nacm"
)

// serveTLS does the handshake of a stranger, who leaves the door when that is
// over, and runs the session.
func (s *Server) serveTLS(st *stranger) {
	peer := st.conn.RemoteAddr().String()
	conn, who, err := s.handshakeTLS(st.conn, peer)
	if stayed := s.door.leave(st); err != nil {
		s.stats.dropped.Add(1)
		if stayed {
			s.door.refuse(peer, err)
		}
		return
	}
	s.sessionTLS(conn, who, peer)
}

// handshakeTLS makes conn a TLS connection, as its server, and finds out the
// user (RFC 7589 sections 5 to 7).
func (s *Server) handshakeTLS(conn net.Conn, peer string) (*tls.Conn, nacm.Identity, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.limits.HandshakeTimeout)
	defer cancel()
	secure := tls.Server(conn, s.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no TLS handshake within %v", s.limits.HandshakeTimeout)
		}
		return nil, nacm.Identity{}, err
	}
	chains := secure.ConnectionState().VerifiedChains
	user, err := s.access.PeerUser(chains)
	if err != nil {
		// The handshake is over for the client too; it sees an orderly end.
		s.access.Failed("", peer, "certificate")
		secure.Close()
		return nil, nacm.Identity{}, err
	}
	return secure, nacm.Identity{User: user, Groups: s.access.PeerGroups(chains)}, nil
}

// sessionTLS runs the one session of a TLS connection.
func (s *Server) sessionTLS(conn *tls.Conn, who nacm.Identity, peer string) {
	err := s.runSession(&tlsConn{conn}, who, "netconf-tls", peer)
	switch {
	case errors.Is(err, errFull):
		s.door.refuse(peer, err)
	case err != nil && !errors.Is(err, io.EOF):
		s.log.Info("NETCONF session ended", "user", who.User, "peer", peer, "reason", err)
	}
}

// tlsConn is a connection whose Close does not wait for a peer that reads
// nothing: crypto/tls gives the closing alert 5 s while a write is stuck.
type tlsConn struct{ *tls.Conn }

// Close implements io.Closer.
func (c *tlsConn) Close() error {
	// Writers that are stuck give way, so that the alert can go out.
	c.Conn.NetConn().SetWriteDeadline(time.Now())
	return c.Conn.Close()
}
