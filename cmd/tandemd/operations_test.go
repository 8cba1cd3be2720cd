package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	juniper "github.com/Juniper/go-netconf/netconf"
	"github.com/nemith/netconf"
	"github.com/nemith/netconf/transport"
	ncssh "github.com/nemith/netconf/transport/ssh"
	nctls "github.com/nemith/netconf/transport/tls"
	"golang.org/x/crypto/ssh"

	"github.com/tandem-ne/tandem/cmd/tandem/lab"
)

// TestStockClientOperations: each operation that a stock client has, done by
// that client with an element that offers :startup.
func TestStockClientOperations(t *testing.T) {
	r := bringOne(t, "--startup")
	t.Run("ncclient", func(t *testing.T) {
		out := r.run(t, "one", python(t), filepath.Join("testdata", "operations.py"), lab.NETCONFPort, r.KeyFile())
		if n := strings.Count(out, "fine: "); n != 11 {
			t.Errorf("%d of 11 parts:\n%s", n, out)
		}
	})
	t.Run("nemith over SSH", func(t *testing.T) { testNemithOperations(t, r, r.nemithSSH) })
	t.Run("nemith over TLS", func(t *testing.T) { testNemithOperations(t, r, r.nemithTLS) })
	t.Run("Juniper", func(t *testing.T) { testJuniperOperations(t, r) })
}

// nemithSSH dials the element of bringOne.
func (r *rig) nemithSSH(t *testing.T) transport.Transport {
	t.Helper()
	raw, err := r.Dial(t.Context(), "one", "tcp", netconfAddr)
	if err != nil {
		t.Fatal(err)
	}
	conn, chans, reqs, err := ssh.NewClientConn(raw, netconfAddr, r.sshConfig(t, "one"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // Closed by its user or by the server already.
	tr, err := ncssh.NewTransport(ssh.NewClient(conn, chans, reqs))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// nemithTLS dials the element of bringOne with the certificate that it made.
func (r *rig) nemithTLS(t *testing.T) transport.Transport {
	t.Helper()
	raw, err := r.Dial(t.Context(), "one", "tcp", "127.0.0.1:"+lab.NETCONFTLSPort)
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(untilClosed{raw}, r.tlsConfig(t, "one"))
	t.Cleanup(func() { _ = conn.Close() }) // Closed by its user or by the server already.
	return nctls.NewTransport(conn)
}

// untilClosed ends with io.EOF when its own side closes it: the client reads on
// for ever after any other error.
type untilClosed struct{ net.Conn }

func (c untilClosed) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, net.ErrClosed) {
		err = io.EOF
	}
	return n, err
}

// testNemithOperations uses the client's own function for everything that it
// has one for.
func testNemithOperations(t *testing.T, r *rig, dial func(*testing.T) transport.Transport) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	open := func(opts ...netconf.SessionOption) *netconf.Session {
		t.Helper()
		s, err := netconf.Open(dial(t), opts...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	refused := func(tag netconf.ErrTag, err error) {
		t.Helper()
		var one netconf.RPCError
		var many netconf.RPCErrors
		if errors.As(err, &many) && len(many) == 1 {
			one = many[0]
		} else if !errors.As(err, &one) {
			t.Fatalf("want %s: %v", tag, err)
		}
		if one.Tag != tag {
			t.Errorf("want %s: %v", tag, err)
		}
	}
	contact := func(text string) string {
		return `<system xmlns="urn:ietf:params:xml:ns:yang:ietf-system"><contact>` + text + `</contact></system>`
	}
	s, other := open(), open()
	is := func(store netconf.Datastore, text string) {
		t.Helper()
		config, err := s.GetConfig(ctx, store)
		ok(err)
		if !strings.Contains(string(config), "<contact>"+text+"</contact>") {
			t.Errorf("%s has not the contact %q: %s", store, text, config)
		}
	}
	set := func(s *netconf.Session, text string) {
		t.Helper()
		ok(s.EditConfig(ctx, netconf.Candidate, contact(text), netconf.WithTestStrategy(netconf.TestThenSet),
			netconf.WithErrorStrategy(netconf.RollbackOnError), netconf.WithDefaultMergeStrategy(netconf.MergeConfig)))
	}

	set(s, "nemith")
	ok(s.Validate(ctx, netconf.Candidate))
	ok(s.Commit(ctx))
	is(netconf.Running, "nemith")

	ok(s.CopyConfig(ctx, netconf.Running, netconf.Startup))
	is(netconf.Startup, "nemith")

	// Not with its Lock and Unlock: these send an element in no namespace.
	do := func(s *netconf.Session, op string) error {
		reply, err := s.Do(ctx, &netconf.RPCMsg{Operation: op})
		if err == nil && len(reply.Errors) > 0 {
			err = reply.Errors
		}
		return err
	}
	const lock, unlock = `<lock><target><running/></target></lock>`, `<unlock><target><running/></target></unlock>`
	ok(do(s, lock))
	refused(netconf.ErrLockDenied, do(other, lock))
	set(other, "locked out")
	refused(netconf.ErrInUse, other.Commit(ctx))
	ok(do(s, unlock))

	ok(other.Commit(ctx, netconf.WithConfirmedTimeout(10*time.Minute)))
	is(netconf.Running, "locked out")
	ok(other.CancelCommit(ctx))
	is(netconf.Running, "nemith")

	set(other, "kept")
	ok(other.Commit(ctx, netconf.WithConfirmed(), netconf.WithPersist("token")))
	refused(netconf.ErrInvalidValue, s.Commit(ctx, netconf.WithPersistID("another")))
	ok(s.Commit(ctx, netconf.WithPersistID("token")))
	is(netconf.Running, "kept")

	ok(s.CopyConfig(ctx, netconf.Startup, netconf.Candidate))
	ok(s.Commit(ctx))
	is(netconf.Running, "nemith")
	ok(s.DeleteConfig(ctx, netconf.Startup))
	if config, err := s.GetConfig(ctx, netconf.Startup); err != nil || strings.Contains(string(config), "contact") {
		t.Errorf("startup after delete-config: %s, %v", config, err)
	}

	notes := make(chan netconf.NotificationMsg, 256)
	subscriber := open(netconf.WithNotificationHandler(func(n netconf.NotificationMsg) { notes <- n }))
	ok(subscriber.CreateSubscription(ctx, netconf.WithStreamOption("NETCONF")))
	set(s, "notified")
	ok(s.Commit(ctx))
	for seen := false; !seen; {
		select {
		case n := <-notes:
			seen = strings.Contains(string(n.Data), "netconf-config-change") && strings.Contains(string(n.Data), "contact")
		case <-ctx.Done():
			t.Fatal("no netconf-config-change of the commit")
		}
	}

	ok(s.KillSession(ctx, uint32(subscriber.SessionID())))
	eventually(t, "the killed session is gone", func() bool {
		for _, session := range r.get(t, "one", monitor).NETCONF {
			if session.ID == subscriber.SessionID() {
				return false
			}
		}
		return true
	})
	refused(netconf.ErrInvalidValue, s.KillSession(ctx, uint32(s.SessionID())))
	ok(other.Close(ctx))
	ok(s.Close(ctx))
}

// testJuniperOperations: what Juniper's client sends as it is told to, over the
// framing of base:1.0, the only one that it knows.
func testJuniperOperations(t *testing.T, r *rig) {
	s := r.juniper(t, "one")
	const contact = `<system xmlns="urn:ietf:params:xml:ns:yang:ietf-system"><contact>Juniper</contact></system>`
	for _, op := range []struct{ rpc, want string }{
		{edit(contact), "<ok/>"},
		{`<validate><source><candidate/></source></validate>`, "<ok/>"},
		{`<commit><confirmed/><confirm-timeout>600</confirm-timeout></commit>`, "<ok/>"},
		{`<get-config><source><running/></source><filter type="xpath" xmlns:s="urn:ietf:params:xml:ns:yang:ietf-system" select="/s:system/s:contact"/></get-config>`, "<contact>Juniper</contact>"},
		{`<cancel-commit/>`, "<ok/>"},
		{`<get-config><source><running/></source><with-defaults xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults">report-all</with-defaults></get-config>`, "<write-default>deny</write-default>"},
		{`<partial-lock xmlns="urn:ietf:params:xml:ns:netconf:partial-lock:1.0" xmlns:s="urn:ietf:params:xml:ns:yang:ietf-system"><select>/s:system</select></partial-lock>`, "lock-id"},
		{`<copy-config><source><running/></source><target><startup/></target></copy-config>`, "<ok/>"},
		{`<delete-config><target><startup/></target></delete-config>`, "<ok/>"},
		{`<discard-changes/>`, "<ok/>"},
	} {
		if reply, err := s.Exec(juniper.RawMethod(op.rpc)); err != nil || !strings.Contains(reply.RawReply, op.want) {
			t.Errorf("%s: %+v, %v; want %s", op.rpc, reply, err, op.want)
		}
	}
	for _, op := range []struct{ rpc, want string }{
		{`<cancel-commit/>`, "confirmed commit"},
		{`<commit><persist-id>none</persist-id></commit>`, "persist"},
		{`<get><filter type="xpath" select="/none:such"/></get>`, "none"},
		{`<kill-session><session-id>4000000000</session-id></kill-session>`, "4000000000"},
	} {
		if reply, err := s.Exec(juniper.RawMethod(op.rpc)); err == nil || !strings.Contains(err.Error(), op.want) {
			t.Errorf("%s: %+v, %v; want an error with %q", op.rpc, reply, err, op.want)
		}
	}
}
