package netconf

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	juniper "github.com/Juniper/go-netconf/netconf"
	"github.com/nemith/netconf"
	ncssh "github.com/nemith/netconf/transport/ssh"
	"golang.org/x/crypto/ssh"

	"github.com/tandem-ne/tandem/server/access"
)

// sshRig is an element on a loopback port, and the key of its user.
type sshRig struct {
	*element
	addr   string
	signer ssh.Signer
	key    []byte // PEM
	served chan error
	access *access.Access
	dir    string // its directory
}

func newSSH(t testing.TB, limits Limits, change ...func(*Options)) *sshRig {
	t.Helper()
	_, user, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := &sshRig{served: make(chan error, 1)}
	if r.signer, err = ssh.NewSignerFromKey(user); err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(user, "")
	if err != nil {
		t.Fatal(err)
	}
	r.key = pem.EncodeToMemory(block)
	line := string(ssh.MarshalAuthorizedKey(r.signer.PublicKey()))
	r.dir = t.TempDir()
	r.access, err = access.Open(access.Options{Dir: r.dir, AdminKeys: []string{line}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r.element = newElement(t, func(o *Options) {
		o.Access, o.Limits = r.access, limits
		for _, f := range change {
			f(o)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	go func() { r.served <- r.Serve(l) }()
	return r
}

func (r *sshRig) config() *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User: "admin", Auth: []ssh.AuthMethod{ssh.PublicKeys(r.signer)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second,
	}
}

const setName = `<edit-config><target><candidate/></target><config><mpls-tp xmlns="urn:tandem:yang:mtp-node"><node><name>NAME</name></node></mpls-tp></config></edit-config>`

func (r *sshRig) nodeName() string {
	name := r.store.Running().Root.ChildNamed("mpls-tp").ChildNamed("node").ChildNamed("name")
	return name.Value().String()
}

func TestClientJuniper(t *testing.T) {
	r := newSSH(t, Limits{})
	s, err := juniper.DialSSH(r.addr, r.config())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, op := range []string{"<lock><target><candidate/></target></lock>", strings.Replace(setName, "NAME", "juniper", 1), "<commit/>", "<unlock><target><candidate/></target></unlock>"} {
		if reply, err := s.Exec(juniper.RawMethod(op)); err != nil || !strings.Contains(reply.RawReply, "<ok/>") {
			t.Fatalf("%s: %+v, %v", op, reply, err)
		}
	}
	reply, err := s.Exec(juniper.MethodGetConfig("running"))
	if err != nil || !strings.Contains(reply.Data, "<name>juniper</name>") || r.nodeName() != "juniper" {
		t.Errorf("get-config: %+v, %v", reply, err)
	}
	if _, err := s.Exec(juniper.RawMethod("<commit><nonsense/></commit>")); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("an rpc-error arrives as %v", err)
	}
}

func TestClientNemith(t *testing.T) {
	r := newSSH(t, Limits{})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tr, err := ncssh.Dial(ctx, "tcp", r.addr, r.config())
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan string, 16)
	s, err := netconf.Open(tr, netconf.WithNotificationHandler(func(m netconf.NotificationMsg) {
		if text := string(m.Data); strings.Contains(text, "netconf-config-change") {
			events <- text
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range []string{`<create-subscription xmlns="` + nsNotification + `"/>`, strings.Replace(setName, "NAME", "nemith", 1), "<validate><source><candidate/></source></validate>", "<commit/>"} {
		if reply, err := s.Do(ctx, &netconf.RPCMsg{Operation: op}); err != nil || len(reply.Errors) > 0 {
			t.Fatalf("%s: %+v, %v", op, reply, err)
		}
	}
	select {
	case text := <-events:
		if !strings.Contains(text, "/mtp-node:mpls-tp") && !strings.Contains(text, ":mpls-tp") {
			t.Errorf("config change %s", text)
		}
	case <-ctx.Done():
		t.Error("no notification of the commit")
	}
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if r.nodeName() != "nemith" {
		t.Errorf("the name is %q", r.nodeName())
	}
}

// python returns the interpreter that has ncclient.
func python(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{os.Getenv("TANDEM_VENV"), "../../.build/venv"} {
		p := filepath.Join(dir, "bin", "python")
		if _, err := os.Stat(p); dir != "" && err == nil {
			return p
		}
	}
	t.Fatal("no Python with ncclient: run .ci/deps python, or name a virtual environment in TANDEM_VENV")
	return ""
}

const ncclientScript = `
import sys
from ncclient import manager
from ncclient.operations import RPCError
host, port, key = sys.argv[1:4]
with manager.connect(host=host, port=int(port), username="admin", key_filename=key,
                     hostkey_verify=False, allow_agent=False, look_for_keys=False, timeout=20) as m:
    assert ":candidate" in m.server_capabilities and ":validate:1.1" in m.server_capabilities
    assert any("module=mtp-node" in c for c in m.server_capabilities)
    config = '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">%s</config>'
    node = '<mpls-tp xmlns="urn:tandem:yang:mtp-node"><node><name>%s</name></node></mpls-tp>'
    with m.locked("candidate"):
        m.edit_config(target="candidate", config=config % (node % "ncclient"), default_operation="merge",
                      test_option="test-then-set", error_option="rollback-on-error")
        m.validate("candidate")
        m.commit()
    data = m.get_config("running", filter=("subtree", '<mpls-tp xmlns="urn:tandem:yang:mtp-node"/>')).data_xml
    assert "<name>ncclient</name>" in data, data
    state = m.get(filter=("subtree", '<netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"><schemas/></netconf-state>')).data_xml
    assert "<identifier>mtp-node</identifier>" in state
    assert m.get_schema("mtp-node").data.startswith("module mtp-node"), "get-schema"
    try:
        m.edit_config(target="candidate", config=config % (node.replace("name", "nome") % "x"))
        raise SystemExit("an unknown element was accepted")
    except RPCError as e:
        assert e.tag == "unknown-element" and "mpls-tp" in e.path, (e.tag, e.path)
    m.copy_config(source="running", target="candidate")
    m.discard_changes()
    m.create_subscription()
    m.edit_config(target="candidate", config=config % (node % "again"))
    m.commit()
    n = m.take_notification(timeout=10)
    assert n is not None and "eventTime" in n.notification_xml
print("fine")
`

func TestClientNcclient(t *testing.T) {
	r := newSSH(t, Limits{})
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, r.key, 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(r.addr)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, python(t), "-c", ncclientScript, host, port, key).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "fine" {
		t.Fatalf("%v\n%s", err, out)
	}
	if r.nodeName() != "again" {
		t.Errorf("the name is %q", r.nodeName())
	}
}

// dial opens an SSH connection; it is closed when the test ends.
func (r *sshRig) dial() *ssh.Client {
	r.t.Helper()
	c, err := ssh.Dial("tcp", r.addr, r.config())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// subsystem opens a session on c and returns its streams.
func subsystem(t testing.TB, c *ssh.Client) (io.WriteCloser, *bufio.Reader) {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, _ := s.StdinPipe()
	out, _ := s.StdoutPipe()
	if err := s.RequestSubsystem("netconf"); err != nil {
		t.Fatal(err)
	}
	return in, bufio.NewReader(out)
}

func TestSSHRefusesStrangers(t *testing.T) {
	r := newSSH(t, Limits{})
	_, other, _ := ed25519.GenerateKey(rand.Reader)
	signer, _ := ssh.NewSignerFromKey(other)
	for name, change := range map[string]func(*ssh.ClientConfig){
		"key":      func(c *ssh.ClientConfig) { c.Auth = []ssh.AuthMethod{ssh.PublicKeys(signer)} },
		"user":     func(c *ssh.ClientConfig) { c.User = "root" },
		"password": func(c *ssh.ClientConfig) { c.Auth = []ssh.AuthMethod{ssh.Password("admin")} },
		"nothing":  func(c *ssh.ClientConfig) { c.Auth = nil },
	} {
		config := r.config()
		change(config)
		if c, err := ssh.Dial("tcp", r.addr, config); err == nil {
			c.Close()
			t.Errorf("%s: the connection is accepted", name)
		}
	}
}

func TestSSHOffersNothingButNETCONF(t *testing.T) {
	r := newSSH(t, Limits{})
	c := r.dial()
	for _, kind := range []string{"direct-tcpip", "x11", "nonsense"} {
		if _, _, err := c.OpenChannel(kind, nil); err == nil {
			t.Errorf("a channel of type %s is accepted", kind)
		}
	}
	if ok, _, err := c.SendRequest("tcpip-forward", true, nil); ok || err != nil {
		t.Errorf("tcpip-forward: %t, %v", ok, err)
	}
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, err := range map[string]error{
		"env": s.Setenv("A", "b"), "pty": s.RequestPty("vt100", 24, 80, nil), "shell": s.Shell(), "subsystem": s.RequestSubsystem("sftp"),
	} {
		if err == nil {
			t.Errorf("the request %s is accepted", name)
		}
	}
}

func TestSSHLimitsChannels(t *testing.T) {
	r := newSSH(t, Limits{Channels: 2})
	c := r.dial()
	subsystem(t, c)
	subsystem(t, c)
	if _, err := c.NewSession(); err == nil {
		t.Error("a third channel is accepted")
	}
}

func TestSSHLimitsSessions(t *testing.T) {
	r := newSSH(t, Limits{Sessions: 1})
	c := r.dial()
	_, out := subsystem(t, c)
	if _, err := out.ReadByte(); err != nil { // Its hello: the session is there.
		t.Fatal(err)
	}
	var refused *ssh.OpenChannelError
	if _, err := c.NewSession(); !errors.As(err, &refused) || refused.Reason != ssh.ResourceShortage {
		t.Errorf("a second session gets %v", err)
	}
}

func TestSSHLimitsUnauthenticated(t *testing.T) {
	r := newSSH(t, Limits{Unauthenticated: 3}) // one for each address
	r.door.setGrace(time.Second)
	stranger := func() *bufio.Reader {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(10 * time.Second))
		in := bufio.NewReader(c)
		// The server's version line shows that the handshake has begun.
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		return in
	}
	first := stranger()
	stranger()
	if _, err := io.Copy(io.Discard, first); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the first stranger is still there when the second has come")
	}
	// Those who are known take no place from strangers, nor the other way round.
	_, out := subsystem(t, r.dial())
	stranger()
	if _, err := out.ReadString('>'); err != nil {
		t.Errorf("a user who is in: %v", err)
	}
}

func TestSSHHandshakeTimeout(t *testing.T) {
	r := newSSH(t, Limits{HandshakeTimeout: 100 * time.Millisecond})
	for name, prepare := range map[string]func() io.Reader{
		"silent connection": func() io.Reader {
			c, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return c
		},
		"channel without subsystem": func() io.Reader {
			ch, reqs, err := r.dial().OpenChannel("session", nil)
			if err != nil {
				t.Fatal(err)
			}
			go ssh.DiscardRequests(reqs)
			return ch
		},
	} {
		if _, err := io.Copy(io.Discard, prepare()); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestShutdownEndsSSH(t *testing.T) {
	r := newSSH(t, Limits{})
	_, out := subsystem(t, r.dial())
	if _, err := out.ReadString('>'); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-r.served; !errors.Is(err, ErrServerClosed) {
		t.Errorf("Serve returned %v", err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil && !errors.Is(err, io.EOF) {
		t.Logf("the client sees %v", err)
	}
	if c, err := net.Dial("tcp", r.addr); err == nil {
		c.Close()
		t.Error("the port still listens on " + strconv.Quote(r.addr))
	}
}

// TestSSHStuckClientCanBeKilled fills the window of a channel whose client does
// not read, and ends its session from another one.
func TestSSHStuckClientCanBeKilled(t *testing.T) {
	r := newSSH(t, Limits{})
	r.commit(lsps(10000))
	in, out := subsystem(t, r.dial())
	w := frameWriter{w: in}
	fmt.Fprintf(&w, clientHello, base11)
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	if _, err := newFrameReader(out, 1<<20).next(); err != nil {
		t.Fatal(err)
	}
	w.chunked = true
	fmt.Fprintf(&w, `<rpc xmlns="%s" message-id="1"><get/></rpc>`, nsBase)
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	// The reply has begun, so that the session is writing; nobody reads the rest.
	if _, err := out.ReadByte(); err != nil {
		t.Fatal(err)
	}
	stuck := r.list()[0]
	c := r.open(base11)
	c.want("<get-config><source><running/></source><filter/></get-config>", "<data>")
	c.want(fmt.Sprintf("<kill-session><session-id>%d</session-id></kill-session>", stuck.ds.ID()), "<ok/>")
	select {
	case <-stuck.done:
	case <-time.After(4 * closeGrace):
		t.Error("the stuck session does not end")
	}
}
