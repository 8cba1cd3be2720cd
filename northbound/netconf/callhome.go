package netconf

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// The ports that IANA has given to call home (RFC 8071 section 5).
const (
	portCallHomeSSH = 4334
	portCallHomeTLS = 4335
)

// dialTimeout bounds one attempt to connect.
const dialTimeout = 15 * time.Second

const callHomeState = "/mtp-management:management/call-home/client/state"

// callHome connects to the management systems of /management/call-home (RFC
// 8071): one caller, with one goroutine, for each of them.
type callHome struct {
	srv  *Server
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu      sync.Mutex
	running bool
	callers map[string]*caller
	ended   sync.WaitGroup
}

// CallHome keeps the connections to the configured clients until Shutdown, and
// then returns ErrServerClosed.
func (s *Server) CallHome() error {
	h := &s.home
	h.mu.Lock()
	h.running = true
	h.mu.Unlock()
	h.update(s.store.Running().Root)
	<-s.stopped
	h.mu.Lock()
	h.running = false
	for _, c := range h.callers {
		c.hangUp()
	}
	h.mu.Unlock()
	h.ended.Wait()
	return ErrServerClosed
}

// update starts, ends and restarts callers as the configuration says; those whose
// entry is what it was stay connected.
func (h *callHome) update(running *tree.Node) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running {
		return
	}
	configured := map[string]*tree.Node{}
	if list := within(running, "management", "call-home", "client"); list != nil {
		for n := range list.Children() {
			configured[within(n, "name").Value().String()] = n
		}
	}
	for name, c := range h.callers {
		if n := configured[name]; n == nil || n != c.config && !tree.Equal(n, c.config) {
			c.hangUp()
			delete(h.callers, name)
		}
	}
	for name, n := range configured {
		if h.callers[name] != nil {
			continue
		}
		c := newCaller(h, name, n)
		h.callers[name] = c
		h.ended.Add(1)
		go func() {
			defer h.ended.Done()
			c.run()
		}()
	}
}

// provide registers the state of the clients.
func (h *callHome) provide() error {
	node, err := h.srv.schema.Find(callHomeState)
	if err != nil {
		return nil // A schema without the module has no clients either.
	}
	if err := h.srv.hub.Provide(callHomeState, homeState{h, node}); err != nil {
		return fmt.Errorf("netconf: %w", err)
	}
	return nil
}

// homeState shows how it stands with each client.
type homeState struct {
	home *callHome
	node *schema.Node
}

// Read implements oper.Provider.
func (s homeState) Read(_ context.Context, req oper.Request) error {
	for _, p := range req.Instances {
		name := p[len(p)-2].Keys[0].String()
		s.home.mu.Lock()
		c := s.home.callers[name]
		s.home.mu.Unlock()
		if c == nil {
			continue
		}
		c.show(func(leaf, value string) {
			if n := s.node.Child(leaf); n != nil && value != "" {
				req.Build.Set(p.Child(n), schema.StringValue(n.Type, value))
			}
		})
	}
	return nil
}

// caller keeps the connection to one client.
type caller struct {
	home   *callHome
	name   string
	config *tree.Node
	tls    bool

	endpoints    []endpoint
	interval     time.Duration // of keepalives
	misses       int
	startLast    bool
	attempts     int // at one endpoint
	initial, max time.Duration
	reportAfter  time.Duration
	ctx          context.Context
	cancel       context.CancelFunc

	mu       sync.Mutex
	status   homeStatus
	reported bool // that the client cannot be reached
}

type endpoint struct{ name, address string }

// homeStatus is what the state of a client shows.
type homeStatus struct {
	status, endpoint      string
	since, next           time.Time
	attempts, connections uint32
	err                   string
}

func newCaller(h *callHome, name string, n *tree.Node) *caller {
	c := &caller{home: h, name: name, config: n}
	// What is not configured has its default.
	value := func(names ...string) schema.Value {
		parent, s := n, n.Schema()
		for _, name := range names[:len(names)-1] {
			parent, s = within(parent, name), s.Child(name)
		}
		leaf := s.Child(names[len(names)-1])
		if parent == nil {
			parent = tree.New(s)
		}
		v, _ := tree.Effective(parent, leaf)
		return v
	}
	seconds := func(names ...string) time.Duration { return time.Duration(value(names...).Uint()) * time.Second }
	c.tls = value("transport").String() == "tls"
	for e := range within(n, "endpoint").Children() {
		port := uint64(portCallHomeSSH)
		if c.tls {
			port = portCallHomeTLS
		}
		if p := within(e, "port"); p != nil {
			port = p.Value().Uint()
		}
		address := net.JoinHostPort(within(e, "address").Value().String(), strconv.FormatUint(port, 10))
		c.endpoints = append(c.endpoints, endpoint{within(e, "name").Value().String(), address})
	}
	c.interval = seconds("keepalive", "interval")
	c.misses = int(value("keepalive", "max-attempts").Uint())
	c.startLast = value("reconnect", "start-with").String() == "last-connected"
	c.attempts = int(value("reconnect", "max-attempts").Uint())
	c.initial = seconds("reconnect", "initial-delay")
	c.max = max(c.initial, seconds("reconnect", "max-delay"))
	c.reportAfter = seconds("reconnect", "report-after")
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.status = homeStatus{status: "connecting", since: h.srv.now()}
	return c
}

// hangUp ends the caller; it does not wait. A request under way is finished.
func (c *caller) hangUp() { c.cancel() }

// run connects, again and again, until hangUp.
func (c *caller) run() {
	log := c.home.srv.log.With("client", c.name)
	report := time.AfterFunc(c.reportAfter, c.unreachable)
	defer func() { report.Stop() }()
	at, tries, failures := 0, 0, 0
	for c.ctx.Err() == nil {
		e := c.endpoints[at]
		began := c.home.srv.now()
		err := c.attempt(e, report)
		if c.ctx.Err() != nil {
			return
		}
		lasted := c.home.srv.now().Sub(began)
		if connected := c.lost(err); connected {
			log.Info("call home: the connection has ended", "endpoint", e.name, "reason", err)
			report.Reset(c.reportAfter)
			tries = 0
			if !c.startLast {
				at = 0
			}
			// A client that hangs up at once is treated like one that is not
			// there; a lasting connection makes good for all before it.
			if lasted > c.max {
				failures = 0
			}
		} else {
			if failures == 0 {
				log.Warn("call home: no connection", "endpoint", e.name, "address", e.address, "reason", err)
			}
			if tries++; tries >= c.attempts {
				at, tries = (at+1)%len(c.endpoints), 0
			}
		}
		if !c.wait(c.delay(failures)) {
			return
		}
		failures++
	}
}

// delay is the pause after as many failures before this one: it doubles, up to
// max, less a random part of up to a half, so that elements that lost the same
// client come back one after the other.
func (c *caller) delay(failures int) time.Duration {
	d := c.max
	if failures < 12 {
		d = min(d, c.initial<<failures)
	}
	return d - time.Duration(rand.Int64N(int64(d)/2+1))
}

func (c *caller) wait(d time.Duration) bool {
	c.mu.Lock()
	c.status.status, c.status.next = "waiting", c.home.srv.now().Add(d)
	c.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// attempt connects to an endpoint, and serves the connection until it ends. The
// error is never nil.
func (c *caller) attempt(e endpoint, report *time.Timer) error {
	s := c.home.srv
	c.mu.Lock()
	c.status.status, c.status.endpoint, c.status.next = "connecting", e.name, time.Time{}
	c.status.attempts++
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(c.ctx, dialTimeout)
	defer cancel()
	dial := c.home.dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", e.address)
	if err != nil {
		return err
	}
	if !s.track(conn) {
		conn.Close()
		return ErrServerClosed
	}
	defer s.untrack(conn)
	unwatch := context.AfterFunc(c.ctx, func() { s.hangUp(conn) })
	defer unwatch()
	keepAlive(conn, c.interval, c.misses, max(c.interval*time.Duration(c.misses), s.limits.WriteTimeout))
	if c.tls {
		return c.serveTLS(conn, e, report)
	}
	return c.serveSSH(conn, e, report)
}

func (c *caller) serveTLS(conn net.Conn, e endpoint, report *time.Timer) error {
	secure, who, err := c.home.srv.handshakeTLS(conn, e.address)
	if err != nil {
		return err
	}
	c.connected(who.User, report)
	c.home.srv.sessionTLS(secure, who, e.address)
	return errors.New("the session has ended")
}

func (c *caller) serveSSH(conn net.Conn, e endpoint, report *time.Timer) error {
	p, err := c.home.srv.handshakeSSH(conn, e.address)
	if err != nil {
		return err
	}
	c.connected(p.User(), report)
	over := make(chan struct{})
	var probing sync.WaitGroup
	probing.Go(func() { c.probe(p, over) })
	c.home.srv.serveChannels(p)
	close(over)
	probing.Wait()
	return errors.New("the connection has ended")
}

// probe asks the client for a sign of life, whatever it answers, and closes the
// connection when too many stay out (RFC 4254 section 4; OpenSSH's name is known
// everywhere as one that means nothing).
func (c *caller) probe(p *sshPeer, over <-chan struct{}) {
	dead := time.AfterFunc(c.interval*time.Duration(c.misses+1), func() { p.Close() })
	defer dead.Stop()
	tick := time.NewTicker(c.interval)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
		}
		if _, _, err := p.SendRequest("keepalive@openssh.com", true, nil); err != nil {
			return
		}
		dead.Reset(c.interval * time.Duration(c.misses+1))
	}
}

// connected notes that the client is there and authenticated.
func (c *caller) connected(user string, report *time.Timer) {
	report.Stop()
	c.mu.Lock()
	c.status.status, c.status.since = "connected", c.home.srv.now()
	c.status.connections++
	reported := c.reported
	c.reported = false
	endpoint := c.status.endpoint
	c.mu.Unlock()
	c.home.srv.log.Info("call home: connected", "client", c.name, "endpoint", endpoint, "user", user)
	if reported {
		c.notify(true, "")
	}
}

// lost notes why an attempt failed or a connection ended, and reports which of
// them it was.
func (c *caller) lost(err error) (connected bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.err = err.Error()
	connected = c.status.status == "connected"
	if connected {
		c.status.since = c.home.srv.now()
	}
	return connected
}

// unreachable tells that there was no connection for as long as report-after.
func (c *caller) unreachable() {
	c.mu.Lock()
	if c.status.status == "connected" || c.ctx.Err() != nil {
		c.mu.Unlock()
		return
	}
	c.reported = true
	reason := c.status.err
	c.mu.Unlock()
	c.home.srv.log.Warn("call home: the client cannot be reached", "client", c.name, "for", c.reportAfter, "reason", reason)
	c.notify(false, reason)
}

// notify sends call-home-change.
func (c *caller) notify(reachable bool, reason string) {
	s := c.home.srv
	m := s.schema.Module("mtp-management")
	if m == nil || !m.Implemented {
		return
	}
	s.send(s.schema.Notification(m, "call-home-change"), s.now(), func(w *writer) {
		w.leaf("client", c.name)
		w.leaf("reachable", strconv.FormatBool(reachable))
		if reason != "" {
			w.leaf("last-error", reason)
		}
	})
}

// show gives the leafs of the client's state; empty ones are left out.
func (c *caller) show(leaf func(name, value string)) {
	c.mu.Lock()
	st := c.status
	c.mu.Unlock()
	leaf("status", st.status)
	leaf("endpoint", st.endpoint)
	leaf("since", timestamp(st.since))
	if st.status == "waiting" {
		leaf("next-attempt", timestamp(st.next))
	}
	leaf("attempts", strconv.FormatUint(uint64(st.attempts), 10))
	leaf("connections", strconv.FormatUint(uint64(st.connections), 10))
	leaf("last-error", st.err)
}

// hangUp ends the sessions of a connection after the requests they carry out,
// and then the connection.
func (s *Server) hangUp(conn net.Conn) {
	s.mu.Lock()
	closing := s.closed
	s.mu.Unlock()
	if closing {
		return // Shutdown sees to it.
	}
	conn.Close()
}
