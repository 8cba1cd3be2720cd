package netconf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tandem-ne/tandem/server/access"
	"github.com/tandem-ne/tandem/server/access/nacm"
)

// errKey refuses a public key; the client may try its next one.
var errKey = errors.New("the key is not one of the user's")

// configureTransports prepares SSH and TLS; without an Authenticator sessions
// come through ServeConn only.
func (s *Server) configureTransports() error {
	if s.access == nil {
		return nil
	}
	s.tls = s.access.TLSConfig()
	algorithms := ssh.SupportedAlgorithms() // those without a known weakness
	s.ssh = &ssh.ServerConfig{
		Config: ssh.Config{
			KeyExchanges: algorithms.KeyExchanges, Ciphers: algorithms.Ciphers, MACs: algorithms.MACs,
		},
		PublicKeyAuthAlgorithms: algorithms.PublicKeyAuths,
		MaxAuthTries:            s.limits.AuthTries,
		ServerVersion:           "SSH-2.0-Tandem",
		PublicKeyCallback:       s.checkKey,
	}
	for _, pem := range s.access.HostKeys() {
		key, err := ssh.ParsePrivateKey(pem)
		if err != nil {
			return fmt.Errorf("netconf: host key: %w", err)
		}
		s.ssh.AddHostKey(key)
	}
	passwords := *s.ssh
	passwords.PasswordCallback = s.checkPassword
	passwords.KeyboardInteractiveCallback = s.askPassword
	s.sshPasswords = &passwords
	return nil
}

// checkKey decides about a public key or an OpenSSH certificate.
func (s *Server) checkKey(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		if s.access.AuthorizePublicKey(c.User(), key.Marshal()) {
			return nil, nil
		}
		return nil, errKey
	}
	if err := s.access.AuthorizeCertificate(c.User(), c.RemoteAddr().String(), cert.Marshal()); err != nil {
		return nil, err
	}
	return &cert.Permissions, nil
}

// checkPassword is the method "password" (RFC 4252 section 8).
func (s *Server) checkPassword(c ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.limits.HandshakeTimeout)
	defer cancel()
	return nil, s.access.CheckPassword(ctx, c.User(), string(password), c.RemoteAddr().String())
}

// askPassword is the method "keyboard-interactive" (RFC 4256) with one question.
func (s *Server) askPassword(c ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	answers, err := ask("", "", []string{"Password: "}, []bool{false})
	if err != nil {
		return nil, err
	}
	if len(answers) != 1 {
		return nil, errors.New("one answer is expected")
	}
	return s.checkPassword(c, []byte(answers[0]))
}

// sshPeer is an SSH connection whose user is known.
type sshPeer struct {
	*ssh.ServerConn
	channels <-chan ssh.NewChannel
	requests <-chan *ssh.Request
	peer     string
}

// identity is the user with the groups that its certificate names, if it came
// with one.
func (p *sshPeer) identity() nacm.Identity {
	who := nacm.Identity{User: p.User()}
	if p.Permissions != nil {
		who.Groups = access.CertificateGroups(p.Permissions.Extensions)
	}
	return who
}

// handshakeSSH makes conn an SSH connection, as its server.
func (s *Server) handshakeSSH(conn net.Conn, peer string) (*sshPeer, error) {
	config := s.ssh
	if s.access.PasswordLogin() {
		config = s.sshPasswords
	}
	conn.SetDeadline(time.Now().Add(s.limits.HandshakeTimeout))
	sc, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		if keysRefused(err) {
			s.access.Failed("", peer, "publickey")
		}
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return &sshPeer{sc, channels, requests, peer}, nil
}

// keysRefused reports whether a client failed with keys or certificates. Its
// passwords are counted one by one; asking for the methods is no failure.
func keysRefused(err error) bool {
	var all *ssh.ServerAuthError
	return errors.As(err, &all) && slices.ContainsFunc(all.Errors, func(err error) bool {
		return !errors.Is(err, ssh.ErrNoAuth) && !errors.Is(err, access.ErrRefused)
	})
}

// serveSSH does the handshake of a stranger, who leaves the door when that is
// over, and serves the channels of its connection.
func (s *Server) serveSSH(st *stranger) {
	peer := st.conn.RemoteAddr().String()
	p, err := s.handshakeSSH(st.conn, peer)
	if stayed := s.door.leave(st); err != nil {
		s.stats.dropped.Add(1)
		if stayed { // Of the others the door tells.
			s.door.refuse(peer, err)
		}
		return
	}
	s.serveChannels(p)
}

// serveChannels runs the sessions of a connection until it ends.
func (s *Server) serveChannels(p *sshPeer) {
	defer p.Close()
	// A user who opens no session is not worth keeping.
	unused := time.AfterFunc(s.limits.HandshakeTimeout, func() { p.Close() })
	defer unused.Stop()
	running := make(chan struct{}, s.limits.Channels)
	for {
		select {
		case req, ok := <-p.requests:
			if !ok {
				p.requests = nil
			} else if req.WantReply {
				req.Reply(false, nil)
			}
			continue
		case nc, ok := <-p.channels:
			if !ok {
				return
			}
			ch, reqs := s.acceptChannel(nc, running, p.peer)
			if ch == nil {
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
				s.serveChannel(p, ch, reqs)
			}()
		}
	}
}

// acceptChannel accepts a channel, which then has a place in running, or tells
// the client why not.
func (s *Server) acceptChannel(nc ssh.NewChannel, running chan struct{}, peer string) (ssh.Channel, <-chan *ssh.Request) {
	if nc.ChannelType() != "session" {
		nc.Reject(ssh.UnknownChannelType, "only sessions")
		return nil, nil
	}
	if s.full() {
		s.stats.dropped.Add(1)
		s.door.refuse(peer, errFull)
		nc.Reject(ssh.ResourceShortage, "there are as many NETCONF sessions as are allowed")
		return nil, nil
	}
	select {
	case running <- struct{}{}:
	default:
		nc.Reject(ssh.ResourceShortage, "too many sessions on this connection")
		return nil, nil
	}
	ch, reqs, err := nc.Accept()
	if err != nil {
		<-running
		return nil, nil
	}
	return ch, reqs
}

// serveChannel waits for the request of the netconf subsystem, refusing all
// other requests, and runs the session.
func (s *Server) serveChannel(p *sshPeer, ch ssh.Channel, reqs <-chan *ssh.Request) {
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
		conn := &sshChannel{Channel: ch, conn: p}
		defer conn.finish()
		if err := s.runSession(conn, p.identity(), "netconf-ssh", p.peer); err != nil && !errors.Is(err, io.EOF) {
			s.log.Info("NETCONF session ended", "user", p.User(), "peer", p.peer, "reason", err)
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
