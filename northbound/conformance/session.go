package conformance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
)

// The capabilities that decide the framing.
const (
	base10 = "urn:ietf:params:netconf:base:1.0"
	base11 = "urn:ietf:params:netconf:base:1.1"
)

// Session is one NETCONF session. Its methods fail the case where the server
// breaks what every message has to keep.
type Session struct {
	c       *Context
	conn    io.ReadWriteCloser
	chunked bool
	nextID  int

	Hello        *Element
	ID           string
	Capabilities []string

	framing       chan bool // closed or told when the reader may go on after hello
	messages      chan received
	notifications chan *Element
	once          sync.Once

	mu   sync.Mutex
	sent map[string]string // the requests by message-id, for Target.Record
}

// messageID is the attribute of an <rpc> or an <rpc-reply>.
var messageID = regexp.MustCompile(`\smessage-id\s*=\s*(?:"([^"]*)"|'([^']*)')`)

func idOf(msg string) string {
	if m := messageID.FindStringSubmatch(msg); m != nil {
		return m[1] + m[2]
	}
	return ""
}

type received struct {
	raw []byte
	doc *Element
	err error
}

// dial opens a session as user, and reads the server's hello. The empty user is
// the administrator.
func (c *Context) dial(user string) *Session {
	conn, err := c.target.Dial(user)
	if err != nil {
		c.Fatalf("connect: %v", err)
	}
	s := &Session{
		c: c, conn: conn, framing: make(chan bool, 1), sent: map[string]string{},
		messages: make(chan received, 4096), notifications: make(chan *Element, 65536),
	}
	c.sessions = append(c.sessions, s)
	go s.read()
	hello := s.receive("hello")
	s.Hello = hello.doc
	if s.Hello.Space != nsBase || s.Hello.Local != "hello" {
		c.Fatalf("the first message is <%s>, not <hello> (RFC 6241 section 8.1)", s.Hello.Local)
	}
	s.Capabilities = s.Hello.Values("nc:capabilities/nc:capability")
	s.ID = s.Hello.Get("nc:session-id").Value()
	return s
}

// open opens a session of base:1.1 where the server speaks that.
func (c *Context) open(user string) *Session {
	s := c.dial(user)
	base := base10
	for _, capability := range s.Capabilities {
		if capability == base11 {
			base = base11
		}
	}
	s.hello(base)
	return s
}

// hello sends the client's hello; the framing follows from the capability.
func (s *Session) hello(capabilities ...string) {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><hello xmlns="` + nsBase + `"><capabilities>`)
	chunks := false
	for _, c := range capabilities {
		b.WriteString("<capability>" + c + "</capability>")
		chunks = chunks || c == base11
	}
	b.WriteString("</capabilities></hello>")
	s.octets(b.String() + endOfMessage)
	s.setFraming(chunks)
}

func (s *Session) setFraming(chunks bool) {
	s.chunked = chunks
	s.framing <- chunks
}

// read receives messages until the stream ends.
func (s *Session) read() {
	r := bufio.NewReader(s.conn)
	msg, err := readMarked(r)
	s.deliver(msg, err)
	if err != nil {
		return
	}
	next := readMarked
	if <-s.framing {
		next = readChunked
	}
	for err == nil {
		msg, err = next(r)
		s.deliver(msg, err)
	}
}

func (s *Session) deliver(msg []byte, err error) {
	if err != nil {
		s.messages <- received{err: err}
		return
	}
	if record := s.c.target.Record; record != nil {
		got := string(msg)
		s.mu.Lock()
		sent := s.sent[idOf(got)]
		s.mu.Unlock()
		record(sent, got)
	}
	doc, err := parse(msg)
	if err != nil {
		s.messages <- received{raw: msg, err: fmt.Errorf("%w\n%s", err, msg)}
		return
	}
	if doc.Local == "notification" {
		select {
		case s.notifications <- doc:
		default:
		}
		return
	}
	s.messages <- received{raw: msg, doc: doc}
}

// octets sends octets as they are.
func (s *Session) octets(text string) {
	if _, err := io.WriteString(s.conn, text); err != nil {
		s.c.Fatalf("%w: send: %w", errConnection, err)
	}
}

// Send sends a message in the framing of the session.
func (s *Session) Send(msg string) {
	s.mu.Lock()
	s.sent[idOf(msg)] = msg
	s.mu.Unlock()
	if s.chunked {
		s.octets(chunked(msg))
	} else {
		s.octets(msg + endOfMessage)
	}
}

// receive waits for a message that is no notification.
func (s *Session) receive(what string) received {
	m, err := s.tryReceive()
	if err == nil {
		err = m.err
	}
	if err != nil {
		s.c.Fatalf("%s: %v", what, err)
	}
	return m
}

func (s *Session) tryReceive() (received, error) {
	late := time.NewTimer(s.c.target.patience())
	defer late.Stop()
	select {
	case m := <-s.messages:
		return m, nil
	case <-late.C:
		return received{}, errors.New("the server says nothing")
	}
}

// Ended fails the case unless the server ends the session, whatever it says before.
func (s *Session) Ended() {
	for {
		m, err := s.tryReceive()
		if err != nil {
			s.c.Fatalf("the session has to end: %v", err)
		}
		if m.err != nil && m.raw == nil {
			return
		}
	}
}

// EndedSilently fails the case if the server sends anything but the end.
func (s *Session) EndedSilently() {
	m, err := s.tryReceive()
	switch {
	case err != nil:
		s.c.Fatalf("the session has to end: %v", err)
	case m.raw != nil:
		s.c.Fatalf("the session has to end without a word, but the server says\n%s", m.raw)
	}
}

// Close ends the connection without a word.
func (s *Session) Close() {
	s.once.Do(func() {
		s.conn.Close()
		select {
		case s.framing <- false: // The reader may still wait for the hello to come.
		default:
		}
	})
}

// RPC sends an operation and returns its reply. The prefixes of the cases are
// declared; what has no prefix is in the namespace of the test module.
func (s *Session) RPC(operation string) *Reply {
	s.nextID++
	id := fmt.Sprint(s.nextID)
	s.Send(`<nc:rpc xmlns:nc="` + nsBase + `" xmlns="` + nsTest + `" xmlns:ct="` + nsTest + `" message-id="` + id + `">` + operation + `</nc:rpc>`)
	return s.reply(operation, id)
}

// Raw sends a whole <rpc> element and returns its reply, whatever its attributes.
func (s *Session) Raw(rpc string) *Reply {
	s.Send(rpc)
	return s.reply(rpc, "")
}

func (s *Session) reply(sent, id string) *Reply {
	m := s.receive(sent)
	if m.doc.Space != nsBase || m.doc.Local != "rpc-reply" {
		s.c.Fatalf("%s\nis answered <%s>, not <rpc-reply>", sent, m.doc.Local)
	}
	if got, _ := m.doc.Attr("", "message-id"); id != "" && got != id {
		s.c.Fatalf("%s\nhas the message-id %s and is answered with %q", sent, id, got)
	}
	return &Reply{Element: m.doc, Sent: sent, Text: string(m.raw), c: s.c}
}

// Notification waits for a notification in which an element of that local name is.
func (s *Session) Notification(local string) *Element {
	n := s.MaybeNotification(local, s.c.target.patience())
	if n == nil {
		s.c.Fatalf("no notification <%s> comes", local)
	}
	return n
}

// MaybeNotification waits that long; nil when none has come.
func (s *Session) MaybeNotification(local string, wait time.Duration) *Element {
	late := time.NewTimer(wait)
	defer late.Stop()
	for {
		select {
		case n := <-s.notifications:
			if len(n.below(local)) > 0 {
				return n
			}
		case <-late.C:
			return nil
		}
	}
}
