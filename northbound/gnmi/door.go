package gnmi

import (
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
)

// maxStrangers bounds the connections whose client is not known yet: each costs
// a goroutine and a file, and anybody can open them.
const maxStrangers = 64

// refusalInterval is the time between two lines of the log about connections
// that were refused, whose number is up to strangers.
const refusalInterval = 10 * time.Second

// door is a listener that closes connections at once while too many are still
// in the TLS handshake.
type door struct {
	net.Listener
	tokens chan struct{} // one for each stranger
	log    *slog.Logger
	now    func() time.Time // time.Now where nil

	// Of the goroutine that accepts.
	refused int       // connections since the last line of the log
	told    time.Time // when that was
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
			d.refuse(c)
		}
	}
}

// refuse closes a connection, and tells so unless it did a moment ago.
func (d *door) refuse(c net.Conn) {
	d.refused++
	now := time.Now
	if d.now != nil {
		now = d.now
	}
	if t := now(); t.Sub(d.told) >= refusalInterval {
		d.log.Warn("gNMI connections refused", "reason", "too many unauthenticated connections",
			"count", d.refused, "last-peer", c.RemoteAddr())
		d.refused, d.told = 0, t
	}
	c.Close()
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
