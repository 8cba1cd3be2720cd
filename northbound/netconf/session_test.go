package netconf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/tree"

	"github.com/tandem-ne/tandem/server/served"
)

func TestHello(t *testing.T) {
	hello := func(body string) string { return `<hello xmlns="` + nsBase + `">` + body + `</hello>` }
	caps := func(list ...string) string {
		return "<capabilities><capability>" + strings.Join(list, "</capability><capability>") + "</capability></capabilities>"
	}
	for name, tc := range map[string]struct {
		msg string
		v11 bool
		err string
	}{
		"base:1.0":             {hello(caps(base10)), false, ""},
		"base:1.1":             {hello(caps(base11)), true, ""},
		"both":                 {hello(caps(base10, base11, "urn:ietf:params:xml:ns:netconf:capability:exi:1.0")), true, ""},
		"with white space":     {`<?xml version="1.0"?>` + hello("\n <capabilities>\n  <capability>\n"+base11+"\n</capability></capabilities>"), true, ""},
		"with prefix":          {`<n:hello xmlns:n="` + nsBase + `"><n:capabilities><n:capability>` + base11 + `</n:capability></n:capabilities></n:hello>`, true, ""},
		"neither base":         {hello(caps("urn:x")), false, "neither base:1.0 nor base:1.1"},
		"no capabilities":      {hello(""), false, "no capabilities"},
		"capabilities twice":   {hello(caps(base11) + caps(base11)), false, "twice"},
		"session-id":           {hello(caps(base11) + "<session-id>4</session-id>"), false, "must not have a session-id"},
		"unknown element":      {hello(caps(base11) + "<x/>"), false, "unknown element <x>"},
		"unknown capability":   {hello("<capabilities><x/></capabilities>"), false, "unknown element <x>"},
		"element inside":       {hello("<capabilities><capability><x/></capability></capabilities>"), false, "an element in it"},
		"other namespace":      {strings.Replace(hello(caps(base11)), nsBase, "urn:x", 1), false, "not <hello>"},
		"another message":      {`<rpc xmlns="` + nsBase + `" message-id="1"><get/></rpc>`, false, "the first message is <rpc>"},
		"malformed":            {"<hello", false, "line 1"},
		"empty":                {"", false, ""},
		"two documents":        {hello(caps(base11)) + "<x/>", false, "line 1"},
		"document type":        {"<!DOCTYPE hello>" + hello(caps(base11)), false, "document type"},
		"nothing but a prolog": {"<?xml version='1.0'?>", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			hello, err := parseHello([]byte(tc.msg))
			v11 := hello.v11
			ok := err == nil && tc.v11 || err == nil && (name == "base:1.0")
			if ok != (tc.v11 || name == "base:1.0") || v11 != tc.v11 || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("parseHello: %t, %v", v11, err)
			}
		})
	}
}

func TestBadHelloEndsTheSession(t *testing.T) {
	e := newElement(t, nil)
	c := e.connect()
	c.next()
	c.send("<goodbye/>")
	if err := c.ended(); err == nil || !strings.Contains(err.Error(), "not <hello>") {
		t.Errorf("the session ended with %v", err)
	}
	if n := e.stats.badHellos.Load(); n != 1 {
		t.Errorf("in-bad-hellos is %d", n)
	}
}

func TestHelloNamesEveryModule(t *testing.T) {
	e := newElement(t, nil)
	c := e.open(base11)
	for _, m := range e.schema.Modules() {
		want := m.Namespace + "?module=" + m.Name + "&amp;revision=" + m.Revision
		if !strings.Contains(c.hello, want) {
			t.Errorf("hello lacks %s", want)
		}
	}
	if !strings.Contains(c.hello, "yang-library:1.1?revision=2019-01-04&amp;content-id="+e.schema.ContentID()) {
		t.Error("hello lacks the content-id")
	}
}

func TestTimeouts(t *testing.T) {
	short := 50 * time.Millisecond
	for name, tc := range map[string]struct {
		limits Limits
		run    func(*element) *client
	}{
		"hello": {Limits{HelloTimeout: short}, func(e *element) *client { c := e.connect(); c.next(); return c }},
		"idle":  {Limits{IdleTimeout: short}, func(e *element) *client { return e.open(base11) }},
		"write": {Limits{WriteTimeout: short}, func(e *element) *client {
			c := e.open(base11)
			c.send(`<rpc xmlns="` + nsBase + `" message-id="1"><get/></rpc>`)
			return c
		}},
		"write of hello": {Limits{WriteTimeout: short}, func(e *element) *client { return e.connect() }},
	} {
		t.Run(name, func(t *testing.T) {
			e := newElement(t, func(o *Options) { o.Limits = tc.limits })
			if err := tc.run(e).ended(); err == nil {
				t.Error("the session ended without a reason")
			}
			if len(e.store.Sessions()) > 0 {
				t.Error("the datastore keeps the session")
			}
		})
	}
}

func TestSubscribersMayBeIdle(t *testing.T) {
	e := newElement(t, func(o *Options) { o.Limits = Limits{IdleTimeout: 50 * time.Millisecond} })
	c := e.open(base11)
	c.want(`<create-subscription xmlns="`+nsNotification+`"/>`, "<ok/>")
	// A second session shows that the idle limit has passed.
	if err := e.open(base11).ended(); err == nil {
		t.Fatal("the idle session stayed")
	}
	for {
		if msg := c.next(); strings.Contains(msg, "<termination-reason>timeout<") {
			break
		}
	}
	c.send(`<rpc xmlns="` + nsBase + `" message-id="1"><close-session/></rpc>`)
	for !strings.Contains(c.next(), "<ok/>") {
	}
	if err := c.ended(); err != nil {
		t.Errorf("the subscriber's session ended with %v", err)
	}
}

func TestSlowReaderBlocksNobody(t *testing.T) {
	e := newElement(t, nil)
	slow := e.open(base11)
	slow.send(`<rpc xmlns="` + nsBase + `" message-id="1"><get/></rpc>`) // and never reads
	c := e.open(base11)
	c.want(strings.Replace(setName, "NAME", "fast", 1), "<ok/>")
	c.want("<commit/>", "<ok/>")
	c.want("<get/>", "<name>fast</name>")
	c.want("<kill-session><session-id>1</session-id></kill-session>", "<ok/>")
	if err := slow.ended(); err == nil {
		t.Error("the slow session ended without a reason")
	}
}

func TestBadFramingEndsTheSession(t *testing.T) {
	e := newElement(t, nil)
	c := e.open(base11)
	if _, err := io.WriteString(c.conn, "\n#0\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.ended(); !errors.Is(err, errFraming) {
		t.Errorf("the session ended with %v", err)
	}
}

func TestTooLargeMessage(t *testing.T) {
	e := newElement(t, func(o *Options) { o.Limits = Limits{Message: 1000} })
	c := e.open(base11)
	if _, err := io.WriteString(c.conn, "\n#1001\n"); err != nil {
		t.Fatal(err)
	}
	if msg := c.next(); !strings.Contains(msg, "<error-tag>too-big</error-tag>") {
		t.Errorf("the answer is %s", msg)
	}
	if err := c.ended(); !errors.Is(err, errMessageSize) {
		t.Errorf("the session ended with %v", err)
	}
}

func TestTooDeepMessage(t *testing.T) {
	e := newElement(t, nil)
	c := e.open(base11)
	deep := strings.Repeat("<a>", 1000) + strings.Repeat("</a>", 1000)
	c.want("<get><filter>"+deep+"</filter></get>", "<error-tag>too-big</error-tag>")
	c.want("<get-config><source><running/></source></get-config>", "<data>")
}

func TestTooLargeFilter(t *testing.T) {
	e := newElement(t, nil)
	c := e.open(base11)
	c.want("<get><filter>"+strings.Repeat("<a/>", maxFilterNodes)+"</filter></get>", "<data></data>")
	c.want("<get><filter>"+strings.Repeat("<a/>", maxFilterNodes+1)+"</filter></get>", "<error-tag>too-big</error-tag>")
}

func TestPipelinedRequests(t *testing.T) {
	e := newElement(t, nil)
	c := e.open(base11)
	const n = 50
	sent := make(chan error, 1)
	go func() {
		var all bytes.Buffer
		w := frameWriter{w: &all, chunked: true}
		for i := range n {
			fmt.Fprintf(&w, `<rpc xmlns="%s" message-id="%d"><get-config><source><running/></source></get-config></rpc>`, nsBase, i)
			w.end()
		}
		_, err := c.conn.Write(all.Bytes())
		sent <- err
	}()
	for i := range n {
		if msg, want := c.next(), fmt.Sprintf(`message-id="%d"`, i); !strings.Contains(msg, want) {
			t.Fatalf("reply %d is %s", i, msg)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestGetSchemaOfEveryModule(t *testing.T) {
	e := newElement(t, nil)
	c := e.open(base11)
	for _, m := range e.schema.Modules() {
		reply := c.rpc(fmt.Sprintf(`<get-schema xmlns="%s"><identifier>%s</identifier><version>%s</version><format xmlns:n="%s">n:yang</format></get-schema>`,
			nsMonitoring, m.Name, m.Revision, nsMonitoring))
		r := xmltok.NewReader([]byte(reply), xmltok.Limits{})
		text := ""
		for kind := xmltok.Start; kind != xmltok.EOF; {
			var err error
			if kind, err = r.Next(); err != nil {
				t.Fatal(err)
			}
			if kind == xmltok.Text {
				text += string(r.Text())
			}
		}
		if text != string(m.Source) {
			t.Errorf("the text of %s differs", m.Name)
		}
	}
}

// decoded reads the data of a reply with the codec: it must be valid.
func (c *client) decoded(e *element, reply string) *tree.Node {
	c.t.Helper()
	r := xmltok.NewReader([]byte(reply), xmltok.Limits{})
	for !r.Is(nsBase, "data") {
		if kind, err := r.Next(); err != nil || kind == xmltok.EOF {
			c.t.Fatalf("no data in %s: %v", reply, err)
		}
	}
	root, err := codec.DecodeData(e.schema, e.schema.Root(), r, codec.DataOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	return root
}

// names returns the values of a leaf in all entries of a list below n.
func names(n *tree.Node, path ...string) []string {
	for _, step := range path[:len(path)-1] {
		if n = n.ChildNamed(step); n == nil {
			return nil
		}
	}
	var list []string
	for e := range n.Children() {
		if v := e.ChildNamed(path[len(path)-1]); v != nil {
			list = append(list, v.Value().String())
		} else {
			list = append(list, "")
		}
	}
	return list
}

func TestMonitoring(t *testing.T) {
	e := newElement(t, nil)
	a, b := e.open(base11), e.open(base10)
	b.want("<lock><target><running/></target></lock>", "<ok/>")
	b.want("<fly/>", "operation-not-supported")
	state := a.decoded(e, a.rpc(`<get><filter><netconf-state xmlns="`+nsMonitoring+`"/></filter></get>`)).ChildNamed("netconf-state")
	if got := names(state, "sessions", "session", "session-id"); fmt.Sprint(got) != "[1 2]" {
		t.Errorf("sessions %v", got)
	}
	if got := names(state, "sessions", "session", "out-rpc-errors"); fmt.Sprint(got) != "[0 1]" {
		t.Errorf("errors %v", got)
	}
	if got := names(state, "datastores", "datastore", "name"); fmt.Sprint(got) != "[candidate running]" && fmt.Sprint(got) != "[running candidate]" {
		t.Errorf("datastores %v", got)
	}
	if got := len(names(state, "schemas", "schema", "identifier")); got != len(e.schema.Modules()) {
		t.Errorf("%d schemas, %d modules", got, len(e.schema.Modules()))
	}
	for d := range state.ChildNamed("datastores").ChildNamed("datastore").Children() {
		locked := d.ChildNamed("locks") != nil
		if name := d.ChildNamed("name").Value().String(); locked != (name == "running") {
			t.Errorf("%s locked: %t", name, locked)
		}
	}
	stats := state.ChildNamed("statistics")
	for name, want := range map[string]uint64{"in-sessions": 2, "in-rpcs": 3, "in-bad-rpcs": 1, "out-rpc-errors": 1, "in-bad-hellos": 0} {
		if got := stats.ChildNamed(name).Value().Uint(); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
}

func TestYangLibrary(t *testing.T) {
	e := newElement(t, nil)
	c := e.open(base11)
	root := c.decoded(e, c.rpc(`<get><filter><yang-library xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library"/><modules-state xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library"/></filter></get>`))
	lib := root.ChildNamed("yang-library")
	if got := lib.ChildNamed("content-id").Value().String(); got != e.schema.ContentID() {
		t.Errorf("content-id %q", got)
	}
	var implemented, imported int
	for set := range lib.ChildNamed("module-set").Children() {
		implemented += set.ChildNamed("module").Len()
		if only := set.ChildNamed("import-only-module"); only != nil {
			imported += only.Len()
		}
	}
	if implemented+imported != len(e.schema.Modules()) {
		t.Errorf("%d modules implemented and %d imported, of %d", implemented, imported, len(e.schema.Modules()))
	}
	if old := root.ChildNamed("modules-state"); old != nil && len(names(old, "module", "name")) != len(e.schema.Modules()) {
		t.Errorf("modules-state has %d modules", len(names(old, "module", "name")))
	}
}

func TestShutdownLetsTheRequestFinish(t *testing.T) {
	e := newElement(t, func(o *Options) {})
	c := e.open(base11)
	// The client has sent a request and does not read the reply before Shutdown waits.
	c.send(`<rpc xmlns="` + nsBase + `" message-id="1"><get/></rpc>`)
	down := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	first := make([]byte, 1)
	if _, err := io.ReadFull(c.conn, first); err != nil {
		t.Fatal(err)
	}
	go func() { down <- e.Shutdown(ctx) }()
	c.in = newFrameReader(io.MultiReader(bytes.NewReader(first), c.conn), 1<<26)
	c.in.chunked = true
	if msg := c.next(); !strings.HasSuffix(msg, "</rpc-reply>") {
		t.Error("the reply is cut")
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
	if err := e.ServeConn(struct{ io.ReadWriteCloser }{closedConn()}, "late", "netconf-tls", ""); !errors.Is(err, ErrServerClosed) {
		t.Errorf("a session after Shutdown gets %v", err)
	}
}

func closedConn() net.Conn {
	a, b := net.Pipe()
	b.Close()
	return a
}

func TestManySessions(t *testing.T) {
	e := newElement(t, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		c := e.open([]string{base10, base11}[i%2])
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range 10 {
				edit := fmt.Sprintf(`<edit-config><target><candidate/></target><config><mpls-tp xmlns="urn:tandem:yang:mtp-node"><node><name>%d-%d</name></node></mpls-tp></config></edit-config>`, i, j)
				for _, op := range []string{edit, "<commit/>", "<get/>", "<get-config><source><running/></source></get-config>"} {
					if reply := c.rpc(op); strings.Contains(reply, "<rpc-error>") {
						t.Errorf("%s: %s", op, reply)
					}
				}
			}
			c.send(`<rpc xmlns="` + nsBase + `" message-id="1"><close-session/></rpc>`)
			c.next()
			if err := c.ended(); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
}

func TestNewRefusesUnknownActions(t *testing.T) {
	s := compileServed(t, served.Choices{})
	for _, path := range []string{"/nix:rpc", "/mtp-node:mpls-tp"} {
		_, err := New(Options{Schema: s, Actions: map[string]ActionFunc{path: nil}})
		if err == nil || !strings.Contains(err.Error(), path) && !strings.Contains(err.Error(), "nix") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
