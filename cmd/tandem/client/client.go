// Package client is the NETCONF client of the tandem command: one session over
// SSH, operations as XML text in and out. The protocol itself is
// nemith/netconf; this package adds dialling into network namespaces, host key
// checking and the lock-edit-commit sequence.
package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/nemith/netconf"
	ncssh "github.com/nemith/netconf/transport/ssh"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Target says where an element is and how to authenticate on both sides.
type Target struct {
	Address string // host:port; 830 is the port of RFC 6242.
	User    string
	KeyFile string // Private key of User, in OpenSSH format.
	// AgentSocket is that of an ssh-agent, whose keys are tried besides; empty for none.
	AgentSocket string
	// Ask, if not nil, is asked for the passphrase of KeyFile and for User's
	// password, where nothing else lets the user in.
	Ask func(prompt string) (string, error)
	// HostKeyFile holds the element's public host keys, one per line; empty:
	// KnownHosts is asked.
	HostKeyFile string
	KnownHosts  string // An OpenSSH known_hosts file.
	// Dial replaces net.Dialer, for example to enter a network namespace.
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Timeout time.Duration // For connecting and for each operation; 0: 10 s.
	// OnNotification receives the content of every notification, eventTime
	// first; it runs on the receiving goroutine.
	OnNotification func(eventTime time.Time, content string)
}

// Session is an open NETCONF session. Its methods may be called one at a time.
type Session struct {
	nc      *netconf.Session
	conn    *ssh.Client
	timeout time.Duration
}

// Dial opens a session.
func Dial(ctx context.Context, t Target) (*Session, error) {
	if t.Timeout == 0 {
		t.Timeout = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	config, err := sshConfig(t)
	if err != nil {
		return nil, err
	}
	dial := t.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	raw, err := dial(ctx, "tcp", t.Address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", t.Address, err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := raw.SetDeadline(deadline); err != nil {
			return nil, errors.Join(err, raw.Close())
		}
	}
	conn, chans, reqs, err := ssh.NewClientConn(raw, t.Address, config)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ssh to %s: %w", t.Address, err), raw.Close())
	}
	client := ssh.NewClient(conn, chans, reqs)
	tr, err := ncssh.NewTransport(client)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("netconf subsystem of %s: %w", t.Address, err), client.Close())
	}
	var opts []netconf.SessionOption
	if t.OnNotification != nil {
		opts = append(opts, netconf.WithNotificationHandler(func(m netconf.NotificationMsg) {
			t.OnNotification(m.EventTime, string(m.Data))
		}))
	}
	nc, err := netconf.Open(tr, opts...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("hello of %s: %w", t.Address, err), client.Close())
	}
	if err := raw.SetDeadline(time.Time{}); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &Session{nc: nc, conn: client, timeout: t.Timeout}, nil
}

func sshConfig(t Target) (*ssh.ClientConfig, error) {
	methods, err := authMethods(t)
	if err != nil {
		return nil, err
	}
	check, algorithms, err := hostKeyCheck(t)
	if err != nil {
		return nil, err
	}
	return &ssh.ClientConfig{
		User:            t.User,
		Auth:            methods,
		HostKeyCallback: check,
		// Asking for what is known: the element offers keys of two kinds, and
		// a file may hold one of them.
		HostKeyAlgorithms: algorithms,
		Timeout:           t.Timeout,
	}, nil
}

// hostKeyCheck returns the check and the key algorithms to ask for, nil for all.
func hostKeyCheck(t Target) (ssh.HostKeyCallback, []string, error) {
	if t.HostKeyFile == "" {
		check, err := knownhosts.New(t.KnownHosts)
		if err != nil {
			return nil, nil, fmt.Errorf("known hosts: %w", err)
		}
		return check, nil, nil
	}
	text, err := os.ReadFile(t.HostKeyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("host keys: %w", err)
	}
	known := map[string]bool{}
	var algorithms []string
	for len(text) > 0 {
		key, _, _, rest, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			break
		}
		known[string(key.Marshal())] = true
		algorithms = append(algorithms, key.Type())
		text = rest
	}
	if len(known) == 0 {
		return nil, nil, fmt.Errorf("host keys: %s holds no public key", t.HostKeyFile)
	}
	return func(host string, _ net.Addr, key ssh.PublicKey) error {
		if !known[string(key.Marshal())] {
			return fmt.Errorf("host key of %s (%s) is not in %s", host, ssh.FingerprintSHA256(key), t.HostKeyFile)
		}
		return nil
	}, algorithms, nil
}

// ID returns the session-id the element gave.
func (s *Session) ID() uint64 { return s.nc.SessionID() }

// Capabilities returns what the element's hello announced.
func (s *Session) Capabilities() []string { return s.nc.ServerCapabilities() }

// Close ends the session politely and closes the connection.
func (s *Session) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	return errors.Join(s.nc.Close(ctx), ignoreClosed(s.conn.Close()))
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// RPC sends one operation given as XML text and returns the reply's content.
// An rpc-error becomes an error that names tag, path and message.
func (s *Session) RPC(ctx context.Context, body string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	reply, err := s.nc.Do(ctx, &netconf.RPCMsg{Operation: body})
	if err != nil {
		return "", err
	}
	if len(reply.Errors) > 0 {
		return "", describe(reply.Errors)
	}
	return string(reply.Body), nil
}

func describe(errs netconf.RPCErrors) error {
	var all []error
	for _, e := range errs {
		text := fmt.Sprintf("%s: %s", e.Tag, e.Message)
		if e.Path != "" {
			text += "\n  at " + e.Path
		}
		if e.AppTag != "" {
			text += "\n  rule " + e.AppTag
		}
		all = append(all, errors.New(text))
	}
	return errors.Join(all...)
}

// Get returns running configuration and state; filter is the content of a
// subtree filter, empty for everything.
func (s *Session) Get(ctx context.Context, filter string) (string, error) {
	return s.RPC(ctx, "<get>"+filterElement(filter)+"</get>")
}

// GetConfig returns the configuration of a datastore ("running", "candidate").
func (s *Session) GetConfig(ctx context.Context, source, filter string) (string, error) {
	return s.RPC(ctx, "<get-config><source><"+source+"/></source>"+filterElement(filter)+"</get-config>")
}

func filterElement(filter string) string {
	if filter == "" {
		return ""
	}
	return `<filter type="subtree">` + filter + `</filter>`
}

// Configure locks the candidate, edits it with the content of a <config>
// element, commits and unlocks. When anything is refused the candidate is
// discarded and nothing has changed.
func (s *Session) Configure(ctx context.Context, config string) (err error) {
	if _, err := s.RPC(ctx, "<lock><target><candidate/></target></lock>"); err != nil {
		return fmt.Errorf("lock candidate: %w", err)
	}
	defer func() {
		if err != nil {
			if _, e := s.RPC(ctx, "<discard-changes/>"); e != nil {
				err = errors.Join(err, fmt.Errorf("discard-changes: %w", e))
			}
		}
		if _, e := s.RPC(ctx, "<unlock><target><candidate/></target></unlock>"); e != nil {
			err = errors.Join(err, fmt.Errorf("unlock candidate: %w", e))
		}
	}()
	if _, err := s.RPC(ctx, "<edit-config><target><candidate/></target><config>"+config+"</config></edit-config>"); err != nil {
		return fmt.Errorf("edit-config: %w", err)
	}
	if _, err := s.RPC(ctx, "<commit/>"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
