package netconf

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// errKey refuses a public key; the client may try its next one.
var errKey = errors.New("the key is not one of the user's")

// configureSSH prepares the SSH server: public keys only, and nothing but what
// NETCONF needs.
func (s *Server) configureSSH() error {
	s.ssh = &ssh.ServerConfig{
		MaxAuthTries:  s.limits.AuthTries,
		ServerVersion: "SSH-2.0-Tandem",
		PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if s.access.AuthorizePublicKey(c.User(), key.Marshal()) {
				return nil, nil
			}
			return nil, errKey
		},
	}
	if s.access == nil {
		return nil // sessions come through ServeConn only
	}
	for _, pem := range s.access.HostKeys() {
		key, err := ssh.ParsePrivateKey(pem)
		if err != nil {
			return fmt.Errorf("netconf: host key: %w", err)
		}
		s.ssh.AddHostKey(key)
	}
	return nil
}

// serveSSH does the handshake of a stranger, who leaves the door when that is
// over, and serves the channels of its connection.
func (s *Server) serveSSH(st *stranger) {
	conn, peer := st.conn, st.conn.RemoteAddr().String()
	conn.SetDeadline(time.Now().Add(s.limits.HandshakeTimeout))
	sc, channels, requests, err := ssh.NewServerConn(conn, s.ssh)
	stayed := s.door.leave(st)
	if err != nil {
		s.stats.dropped.Add(1)
		if stayed { // Of the others the door tells, seldom.
			s.log.Info("NETCONF connection without a user", "peer", peer, "reason", err)
		}
		return
	}
	defer sc.Close()
	conn.SetDeadline(time.Time{})
	// A user who opens no session is not worth keeping.
	unused := time.AfterFunc(s.limits.HandshakeTimeout, func() { sc.Close() })
	defer unused.Stop()
	go ssh.DiscardRequests(requests)

	running := make(chan struct{}, s.limits.Channels)
	for nc := range channels {
		if nc.ChannelType() != "session" {
			nc.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		select {
		case running <- struct{}{}:
		default:
			nc.Reject(ssh.ResourceShortage, "too many sessions on this connection")
			continue
		}
		ch, reqs, err := nc.Accept()
		if err != nil {
			<-running
			continue
		}
		unused.Stop()
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			defer func() {
				ch.Close()
				if <-running; len(running) == 0 {
					unused.Reset(s.limits.HandshakeTimeout)
				}
			}()
			s.serveChannel(sc, ch, reqs, peer)
		}()
	}
}

// serveChannel waits for the request of the netconf subsystem, refusing all
// other requests, and runs the session.
func (s *Server) serveChannel(sc *ssh.ServerConn, ch ssh.Channel, reqs <-chan *ssh.Request, peer string) {
	late := time.AfterFunc(s.limits.HandshakeTimeout, func() { ch.Close() })
	for req := range reqs {
		var subsystem struct{ Name string }
		ok := req.Type == "subsystem" && ssh.Unmarshal(req.Payload, &subsystem) == nil && subsystem.Name == "netconf"
		if req.WantReply {
			req.Reply(ok, nil)
		}
		if !ok {
			continue
		}
		if !late.Stop() {
			return
		}
		go ssh.DiscardRequests(reqs)
		conn := &sshChannel{Channel: ch, conn: sc}
		defer conn.finish()
		if err := s.runSession(conn, sc.User(), "netconf-ssh", peer); err != nil && !errors.Is(err, io.EOF) {
			s.log.Info("NETCONF session ended", "user", sc.User(), "peer", peer, "reason", err)
		}
		return
	}
	late.Stop()
}

// closeGrace is how long a client may take to agree to the end of a channel.
const closeGrace = 5 * time.Second

// sshChannel is a channel whose Close ends reading and writing for certain. A
// channel on its own waits for the client's consent; one who does not read would
// keep the session's goroutines for ever.
type sshChannel struct {
	ssh.Channel
	conn io.Closer

	mu    sync.Mutex
	late  *time.Timer
	ended bool
}

// Close implements io.Closer.
func (c *sshChannel) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.late == nil && !c.ended {
		c.late = time.AfterFunc(closeGrace, func() { c.conn.Close() })
	}
	return c.Channel.Close()
}

// finish tells that nobody reads or writes any more.
func (c *sshChannel) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.late != nil {
		c.late.Stop()
	}
}
