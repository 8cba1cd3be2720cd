package netconf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tandem-ne/tandem/server/access"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/tree"
)

// set commits leafs written as "path = value"; a line without a value removes.
func (e *element) set(lines ...string) {
	e.t.Helper()
	var edits []tree.Edit
	for _, line := range lines {
		text, value, set := strings.Cut(line, " = ")
		p, err := tree.ParsePath(e.schema, text)
		if err != nil {
			e.t.Fatalf("%s: %v", line, err)
		}
		edit := tree.Edit{Op: tree.Remove, Path: p}
		if set {
			leaf := p[len(p)-1].Node
			edit.Op = tree.Merge
			if edit.Value, err = leaf.Type.Parse(value, e.schema.NameResolver(leaf.Module)); err != nil {
				e.t.Fatalf("%s: %v", line, err)
			}
		}
		edits = append(edits, edit)
	}
	s := e.store.NewSession(datastore.SessionInfo{User: "tester"}, func() {})
	defer s.Close()
	_, err := s.Transact(context.Background(), func(*tree.Node) ([]tree.Edit, error) { return edits, nil }, datastore.CommitOptions{})
	if err != nil {
		e.t.Fatal(err)
	}
}

// state reads a leaf of the operational state; "" where there is none.
func (e *element) state(path string) string {
	e.t.Helper()
	p, err := tree.ParsePath(e.schema, path)
	if err != nil {
		e.t.Fatal(err)
	}
	view, err := e.hub.View(context.Background(), e.store.Running().Root, tree.FilterOf(e.schema.Root(), p))
	if err != nil {
		e.t.Fatal(err)
	}
	v, ok := view.GetValue(p)
	if !ok {
		return ""
	}
	return v.String()
}

const nms = "/mtp-management:management/call-home/client[name='nms']"

func endpointLines(name, address, port string) []string {
	at := nms + "/endpoint[name='" + name + "']"
	return []string{at + "/address = " + address, at + "/port = " + port}
}

// call is one attempt that an element made.
type call struct {
	address string
	at      time.Duration
}

// ledger notes the attempts and refuses them.
type ledger struct {
	began time.Time
	mu    sync.Mutex
	calls []call
}

var errNobody = errors.New("nobody is there")

func (l *ledger) dial(_ context.Context, _, address string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call{address, time.Since(l.began)})
	return nil, errNobody
}

func (l *ledger) all() []call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]call(nil), l.calls...)
}

// TestCallHomeBackOff: the order of endpoints, the doubling of the pauses with
// jitter and the report, all in the time of a bubble.
func TestCallHomeBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{began: time.Now()}
		e := newElement(t, func(o *Options) { o.Dial = l.dial })
		notes, err := e.hub.Notifications("NETCONF", 0)
		if err != nil {
			t.Fatal(err)
		}
		defer notes.Close()
		e.set(append(append([]string{nms + "/reconnect/max-delay = 16", nms + "/reconnect/report-after = 60", nms + "/reconnect/max-attempts = 2"},
			endpointLines("b", "192.0.2.2", "1")...), append(endpointLines("a", "2001:db8::1", "2"), nms+"/endpoint[name='c']/address = nms.example.com")...)...)
		over := make(chan error, 1)
		l.began = time.Now()
		go func() { over <- e.CallHome() }()
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if got := e.state(nms + "/state/status"); got != "waiting" {
			t.Errorf("status is %q amid failures", got)
		}
		if got := e.state(nms + "/state/last-error"); got != errNobody.Error() {
			t.Errorf("last-error is %q", got)
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		calls := l.all()
		wantOrder := []string{"192.0.2.2:1", "192.0.2.2:1", "[2001:db8::1]:2", "[2001:db8::1]:2", "nms.example.com:4334", "nms.example.com:4334", "192.0.2.2:1"}
		if len(calls) < len(wantOrder) {
			t.Fatalf("only %d attempts in 65 s: %v", len(calls), calls)
		}
		for i, want := range wantOrder {
			if calls[i].address != want {
				t.Errorf("attempt %d goes to %s, want %s", i, calls[i].address, want)
			}
		}
		pause := time.Second
		for i := 1; i < len(calls); i++ {
			if got := calls[i].at - calls[i-1].at; got < pause/2 || got > pause {
				t.Errorf("the pause before attempt %d is %v, want %v to %v", i, got, pause/2, pause)
			}
			pause = min(2*pause, 16*time.Second)
		}
		if got := e.state(nms + "/state/attempts"); got != fmt.Sprint(len(calls)) {
			t.Errorf("%s attempts are shown, %d were made", got, len(calls))
		}
		told := func() string {
			for {
				n, err := notes.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if n.Node.Schema().Name == "call-home-change" {
					return n.Node.ChildNamed("client").Value().String() + " " + n.Node.ChildNamed("reachable").Value().String()
				}
			}
		}
		if got := told(); got != "nms false" {
			t.Errorf("the notification says %q", got)
		}
		// An entry that is gone is called no more.
		e.set("/mtp-management:management/call-home")
		synctest.Wait()
		before := len(l.all())
		time.Sleep(time.Hour)
		if after := len(l.all()); after != before {
			t.Errorf("%d attempts for a client that is gone", after-before)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-over; !errors.Is(err, ErrServerClosed) {
			t.Errorf("CallHome returned %v", err)
		}
	})
}

// TestCallHomeUnchanged: a commit that leaves a client as it was leaves its
// connection alone.
func TestCallHomeUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{began: time.Now()}
		e := newElement(t, func(o *Options) { o.Dial = l.dial })
		e.set(append(endpointLines("a", "192.0.2.1", "1"), nms+"/reconnect/initial-delay = 3600", nms+"/reconnect/max-delay = 3600")...)
		over := make(chan error, 1)
		go func() { over <- e.CallHome() }()
		synctest.Wait()
		e.set("/mtp-management:management/netconf/max-sessions = 7", "/mtp-management:management/call-home/client[name='other']/endpoint[name='x']/address = 192.0.2.9")
		synctest.Wait()
		if got := l.all(); len(got) != 2 || got[0].address != "192.0.2.1:1" || got[1].address != "192.0.2.9:4334" {
			t.Errorf("attempts after an unrelated change: %v", got)
		}
		e.set(nms + "/transport = tls")
		synctest.Wait()
		if got := l.all(); len(got) != 3 || got[2].address != "192.0.2.1:1" {
			t.Errorf("attempts after a change of the client: %v", got)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-over
	})
}

// station is a management system that waits for calls on a loopback port.
type station struct {
	net.Listener
	t testing.TB
}

func newStation(t testing.TB) *station {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &station{l, t}
}

func (s *station) lines(name string) []string {
	host, port, _ := net.SplitHostPort(s.Addr().String())
	return endpointLines(name, host, port)
}

// next waits for a call.
func (s *station) next() net.Conn {
	s.t.Helper()
	s.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
	conn, err := s.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// calling is an SSH rig that calls home.
func calling(t *testing.T, limits Limits) *sshRig {
	t.Helper()
	r := newSSH(t, limits)
	over := make(chan error, 1)
	go func() { over <- r.CallHome() }()
	t.Cleanup(func() {
		r.Shutdown(context.Background())
		if err := <-over; !errors.Is(err, ErrServerClosed) {
			t.Errorf("CallHome returned %v", err)
		}
	})
	return r
}

// sshOver is the client's side of SSH on a call.
func (r *sshRig) sshOver(conn net.Conn) *ssh.Client {
	r.t.Helper()
	c, channels, requests, err := ssh.NewClientConn(conn, "element", r.config())
	if err != nil {
		r.t.Fatal(err)
	}
	return ssh.NewClient(c, channels, requests)
}

func TestCallHomeSSH(t *testing.T) {
	r := calling(t, Limits{})
	s := newStation(t)
	r.set(append(s.lines("first"), nms+"/reconnect/max-delay = 1")...)
	c := r.sshOver(s.next())
	_, out := subsystem(t, c)
	if hello, err := out.ReadString('>'); err != nil {
		t.Fatalf("%q, %v", hello, err)
	}
	for leaf, want := range map[string]string{"status": "connected", "endpoint": "first", "connections": "1", "attempts": "1", "last-error": ""} {
		if got := r.state(nms + "/state/" + leaf); got != want {
			t.Errorf("%s is %q, want %q", leaf, got, want)
		}
	}
	if sess := r.list()[0]; sess.peer != s.Addr().String() || sess.transport != "netconf-ssh" {
		t.Errorf("the session is with %s over %s", sess.peer, sess.transport)
	}
	// The client goes; the element is back in no time.
	c.Close()
	again := r.sshOver(s.next())
	subsystem(t, again)
	if got := r.state(nms + "/state/connections"); got != "2" {
		t.Errorf("%s connections", got)
	}
	again.Close()
}

func TestCallHomeTLS(t *testing.T) {
	r := newTLS(t, Limits{})
	over := make(chan error, 1)
	go func() { over <- r.CallHome() }()
	s := newStation(t)
	r.set(append(s.lines("first"), nms+"/transport = tls", nms+"/reconnect/max-delay = 1")...)

	stranger := newAuthority(t).client("alice", nil)
	refused := tlsClient(s.next(), r.config(&stranger))
	if _, err := io.Copy(io.Discard, refused); err == nil {
		t.Error("a stranger's certificate is accepted")
	}
	cert := r.operator.client("alice", nil)
	conn := tlsClient(s.next(), r.config(&cert))
	hello, err := newFrameReader(conn, 1<<20).next()
	if err != nil || !strings.Contains(string(hello), "<session-id>") {
		t.Fatalf("%.80s, %v", hello, err)
	}
	if sess := r.list()[0]; sess.user != "alice" || sess.transport != "netconf-tls" {
		t.Errorf("the session is one of %s over %s", sess.user, sess.transport)
	}
	r.Shutdown(context.Background())
	if err := <-over; !errors.Is(err, ErrServerClosed) {
		t.Errorf("CallHome returned %v", err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("the client sees %v, want an orderly end", err)
	}
}

// TestCallHomeStartsWith: after a connection to the second endpoint the next call
// goes where start-with says.
func TestCallHomeStartsWith(t *testing.T) {
	for start, wantFirst := range map[string]bool{"first-listed": true, "last-connected": false} {
		t.Run(start, func(t *testing.T) {
			first, second := newStation(t), newStation(t)
			r := calling(t, Limits{})
			r.set(append(append(append([]string{nms + "/reconnect/start-with = " + start, nms + "/reconnect/max-attempts = 1", nms + "/reconnect/max-delay = 1"},
				first.lines("z")...), second.lines("a")...), nms+"/keepalive/interval = 1")...)
			first.next().Close()
			c := r.sshOver(second.next())
			subsystem(t, c)
			if got := r.state(nms + "/state/endpoint"); got != "a" {
				t.Errorf("connected to %q", got)
			}
			c.Close()
			called := make(chan bool, 2)
			var listening sync.WaitGroup
			for _, s := range []*station{first, second} {
				listening.Go(func() {
					if conn, err := s.Accept(); err == nil {
						called <- s == first
						conn.Close()
					}
				})
			}
			defer listening.Wait()
			defer second.Close()
			defer first.Close()
			select {
			case got := <-called:
				if got != wantFirst {
					t.Errorf("the call after the loss goes to the first one: %v, want %v", got, wantFirst)
				}
			case <-time.After(20 * time.Second):
				t.Error("there is no call")
			}
		})
	}
}

// TestCallHomeKeepalive: a client that answers no more is given up, and its locks
// are free.
func TestCallHomeKeepalive(t *testing.T) {
	r := calling(t, Limits{})
	s := newStation(t)
	r.set(append(s.lines("first"), nms+"/keepalive/interval = 1", nms+"/keepalive/max-attempts = 1", nms+"/reconnect/max-delay = 1")...)
	raw := &mute{Conn: s.next()}
	c := r.sshOver(raw)
	in, out := subsystem(t, c)
	fmt.Fprintf(in, clientHello+endOfMessage, base10)
	fmt.Fprintf(in, `<rpc xmlns="%s" message-id="1"><lock><target><running/></target></lock></rpc>`+endOfMessage, nsBase)
	for text := ""; !strings.Contains(text, "<ok/>"); {
		part, err := out.ReadString('>')
		if err != nil {
			t.Fatal(err)
		}
		text += part
	}
	if n := len(r.store.Locks()); n != 1 {
		t.Fatalf("%d locks", n)
	}
	// From now on the client takes everything and says nothing, as behind a
	// firewall that has forgotten the connection.
	raw.silent()
	s.next()
	if n := len(r.store.Locks()); n != 0 {
		t.Errorf("%d locks are left of the dead client", n)
	}
}

// mute is a connection whose writes can be lost.
type mute struct {
	net.Conn
	mu   sync.Mutex
	lost bool
}

func (m *mute) silent() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost = true
}

func (m *mute) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lost {
		return len(p), nil
	}
	return m.Conn.Write(p)
}

const ncclientCallHomeScript = `
import sys
from ncclient import manager
port, key = sys.argv[1:3]
with manager.call_home(host="127.0.0.1", port=int(port), username="admin", key_filename=key, hostkey_verify=False,
                       allow_agent=False, look_for_keys=False, timeout=30) as m:
    state = m.get(filter=("subtree", '<management xmlns="urn:tandem:yang:mtp-management"><call-home/></management>')).data_xml
    assert "<status>connected</status>" in state, state
print("fine")
`

func TestClientNcclientCallHome(t *testing.T) {
	r := calling(t, Limits{})
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, r.key, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newStation(t) // Only for a port that is free.
	lines := s.lines("ncclient")
	_, port, _ := net.SplitHostPort(s.Addr().String())
	s.Close()
	r.set(append(lines, nms+"/reconnect/max-delay = 1")...)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, python(t), "-c", ncclientCallHomeScript, port, key).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "fine" {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestCallHomeWithoutClients: nothing is configured, nothing runs.
func TestCallHomeWithoutClients(t *testing.T) {
	e := newElement(t, func(o *Options) { o.Log = slog.New(slog.DiscardHandler) })
	over := make(chan error, 1)
	go func() { over <- e.CallHome() }()
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-over; !errors.Is(err, ErrServerClosed) {
		t.Errorf("CallHome returned %v", err)
	}
}

var _ Authenticator = (*access.Access)(nil)
