package gnmi

import (
	"log/slog"
	"net"
	"sync"

	"google.golang.org/grpc/credentials"
)

// maxStrangers bounds the connections whose client is not known yet: each costs
// a goroutine and a file, and anybody can open them.
const maxStrangers = 64

// door is a listener that closes connections at once while too many are still
// in the TLS handshake.
type door struct {
	net.Listener
	tokens chan struct{} // one for each stranger
	log    *slog.Logger
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case d.tokens <- struct{}{}:
			return &stranger{Conn: c, leave: sync.OnceFunc(func() { <-d.tokens })}, nil
		default:
			// Whoever comes now may try again.
			d.log.Warn("gNMI connection refused", "peer", c.RemoteAddr(), "reason", "too many unauthenticated connections")
			c.Close()
		}
	}
}

// stranger is a connection that holds a token until its client is known or gone.
type stranger struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (s *stranger) Close() error {
	s.leave()
	return s.Conn.Close()
}

// greeter are credentials that give the token back when the client is known.
type greeter struct {
	credentials.TransportCredentials
}

// ServerHandshake implements credentials.TransportCredentials.
func (g greeter) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := g.TransportCredentials.ServerHandshake(c)
	if s, ok := c.(*stranger); ok && err == nil {
		s.leave()
	}
	return conn, info, err
}

// Clone implements credentials.TransportCredentials.
func (g greeter) Clone() credentials.TransportCredentials {
	return greeter{g.TransportCredentials.Clone()}
}
