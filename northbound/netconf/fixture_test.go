package netconf

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/served"
	"github.com/tandem-ne/tandem/server/validate"
)

// compileServed compiles the modules that the element serves, and more.
func compileServed(t testing.TB, c served.Choices, more ...schema.Source) *schema.Schema {
	t.Helper()
	s, err := served.SchemaWith(c, more...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// element is a server with datastore and hub behind it.
type element struct {
	*Server
	t testing.TB
}

// newElement starts a server; it is shut down, and checked for goroutines left
// behind, when the test ends.
func newElement(t testing.TB, change func(*Options), more ...schema.Source) *element {
	t.Helper()
	return newElementWith(t, served.Choices{}, change, more...)
}

// newElementWith is newElement with an operator's choices.
func newElementWith(t testing.TB, c served.Choices, change func(*Options), more ...schema.Source) *element {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	s := compileServed(t, c, more...)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	store, err := datastore.Open(datastore.Options{Schema: s, Validator: validate.New(s), Dir: t.TempDir(), Log: log, Startup: c.Startup})
	if err != nil {
		t.Fatal(err)
	}
	hub := oper.New(s, store.Running().Root, nil)
	store.OnCommit(func(c datastore.Commit) { hub.PublishCommit(c.Old, c.New, c.Time) })
	o := Options{Schema: s, Store: store, Hub: hub, Log: log}
	if change != nil {
		change(&o)
	}
	srv, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		goleak.VerifyNone(t, leaks)
	})
	return &element{srv, t}
}

// client is a tiny NETCONF client that sees the very octets.
type client struct {
	t     testing.TB
	conn  net.Conn
	in    *frameReader
	out   frameWriter
	hello string
	over  chan error // what ServeConn returned
}

const clientHello = `<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities><capability>%s</capability></capabilities></hello>`

// connect opens a session over a pipe without a client's hello.
func (e *element) connect() *client {
	here, there := net.Pipe()
	c := &client{t: e.t, conn: here, over: make(chan error, 1)}
	here.SetDeadline(time.Now().Add(20 * time.Second))
	c.in = newFrameReader(bufio.NewReader(here), 64<<20)
	c.out.w = here
	go func() { c.over <- e.ServeConn(there, "tester", "netconf-tls", "192.0.2.1:4711") }()
	e.t.Cleanup(func() { here.Close() })
	return c
}

// open opens a session that speaks base and has more capabilities.
func (e *element) open(base string, more ...string) *client {
	e.t.Helper()
	c := e.connect()
	c.hello = c.next()
	c.send(fmt.Sprintf(clientHello, strings.Join(append([]string{base}, more...), "</capability><capability>")))
	c.in.chunked, c.out.chunked = base == base11, base == base11
	return c
}

func (c *client) send(msg string) {
	c.t.Helper()
	io.WriteString(&c.out, msg)
	if err := c.out.end(); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

func (c *client) next() string {
	c.t.Helper()
	msg, err := c.in.next()
	if err != nil {
		c.t.Fatalf("receive: %v", err)
	}
	return string(msg)
}

// rpc sends an operation and returns the reply.
func (c *client) rpc(operation string) string {
	c.t.Helper()
	c.send(`<rpc xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" message-id="1">` + operation + `</rpc>`)
	return c.next()
}

// want sends an operation whose reply must contain a text.
func (c *client) want(operation, part string) string {
	c.t.Helper()
	got := c.rpc(operation)
	if !strings.Contains(got, part) {
		c.t.Fatalf("%s\nis answered\n%s\nwithout\n%s", operation, got, part)
	}
	return got
}

// ended waits for the end of the session.
func (c *client) ended() error {
	c.t.Helper()
	select {
	case err := <-c.over:
		return err
	case <-time.After(10 * time.Second):
		c.t.Fatal("the session does not end")
		return nil
	}
}
