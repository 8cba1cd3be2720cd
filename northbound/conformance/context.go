package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Context is what a case works with. Its methods that check end the case when
// the check fails.
type Context struct {
	target   *Target
	has      map[string]bool
	main     *Session
	sessions []*Session
	cleanups []func()
}

// failure is the panic that ends a case.
type failure struct{ err error }

var errConnection = errors.New("connection lost")

// Fatalf ends the case as failed.
func (c *Context) Fatalf(format string, args ...any) {
	panic(failure{fmt.Errorf(format, args...)})
}

// try runs f and returns what ended it early.
func (c *Context) try(f func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			fail, ok := p.(failure)
			if !ok { // A reply that is nothing like what the case goes on with.
				fail.err = fmt.Errorf("the case cannot go on: %v", p)
			}
			err = fail.err
		}
	}()
	f()
	return nil
}

// Cleanup calls f after the case, the last one first.
func (c *Context) Cleanup(f func()) { c.cleanups = append(c.cleanups, f) }

// finish runs the clean-ups and closes the sessions.
func (c *Context) finish() error {
	var errs []error
	for _, f := range slices.Backward(c.cleanups) {
		errs = append(errs, c.try(f))
	}
	c.end()
	return errors.Join(errs...)
}

func (c *Context) end() {
	for _, s := range c.sessions {
		s.Close()
	}
}

// Has reports whether the server announces something; see Case.Needs.
func (c *Context) Has(need string) bool { return c.has[need] }

// Main returns the session that a case uses where it needs no particular one.
func (c *Context) Main() *Session {
	if c.main == nil {
		c.main = c.open("")
	}
	return c.main
}

// Open opens another session of the administrator.
func (c *Context) Open() *Session { return c.open("") }

// OpenAs opens a session of a user, which needs "can:users".
func (c *Context) OpenAs(user string) *Session { return c.open(user) }

// RPC sends an operation in the main session.
func (c *Context) RPC(operation string) *Reply { return c.Main().RPC(operation) }

// Target is the datastore that is edited: <nc:candidate/> where there is one.
func (c *Context) Target() string {
	if c.has[":candidate"] {
		return "<nc:candidate/>"
	}
	return "<nc:running/>"
}

const operationNS = ` xmlns:yang="urn:ietf:params:xml:ns:yang:1"`

// editConfig returns an edit-config operation; options stand before the config.
func editConfig(target, options, config string) string {
	return "<nc:edit-config><nc:target>" + target + "</nc:target>" + options + "<nc:config" + operationNS + ">" + config + "</nc:config></nc:edit-config>"
}

// Edit sends an edit-config of the target, with parameters before the
// configuration such as <nc:default-operation>.
func (s *Session) Edit(config string, options ...string) *Reply {
	return s.RPC(editConfig(s.c.Target(), strings.Join(options, ""), config))
}

// Edit edits in the main session.
func (c *Context) Edit(config string, options ...string) *Reply {
	return c.Main().Edit(config, options...)
}

// Commit makes the candidate running; without a candidate there is nothing to do.
func (s *Session) Commit() {
	if s.c.has[":candidate"] {
		s.RPC("<nc:commit/>").OK()
	}
}

// Set edits and commits, which must work: it is how cases make what they need.
func (s *Session) Set(config string) {
	s.Edit(config).OK()
	s.Commit()
}

// Set sets in the main session.
func (c *Context) Set(config string) { c.Main().Set(config) }

// Refused edits and commits and returns the reply that refuses it; constraints
// are checked at either (RFC 7950 section 8.3.3).
func (c *Context) Refused(config string) *Reply {
	r := c.Edit(config)
	if !r.Failed() && c.has[":candidate"] {
		r = c.RPC("<nc:commit/>")
		c.RPC("<nc:discard-changes/>").OK()
	}
	if !r.Failed() {
		c.Fatalf("%s\nis accepted", config)
	}
	return r
}

// Get returns what a datastore holds of the test module, all of it.
func (s *Session) Get(datastore string) *Element {
	return s.RPC("<nc:get-config><nc:source><nc:" + datastore + "/></nc:source><nc:filter type=\"subtree\">" + allFilter + "</nc:filter></nc:get-config>").Data()
}

// Running returns what running holds of the test module.
func (c *Context) Running() *Element { return c.Main().Get("running") }

// Edited returns what the target of edits holds of the test module.
func (c *Context) Edited() *Element {
	if c.has[":candidate"] {
		return c.Main().Get("candidate")
	}
	return c.Running()
}

// containers are the configuration at the top of the test module.
func containers() []string {
	return []string{"top", "types", "must-rule", "mandatory-leaf", "mandatory-choice", "limits", "uniques", "whens", "choices"}
}

const allFilter = "<top/><types/><must-rule/><mandatory-leaf/><mandatory-choice/><limits/><uniques/><whens/><choices/>"

// clear empties the test module.
func (c *Context) clear() {
	if c.main == nil {
		panic(failure{errConnection})
	}
	if m, err := c.main.idle(); err != nil {
		panic(failure{fmt.Errorf("%w: %w (%s)", errConnection, err, m.raw)})
	}
	if c.has[":candidate"] {
		c.RPC("<nc:discard-changes/>").OK()
	}
	var b strings.Builder
	for _, name := range containers() {
		fmt.Fprintf(&b, `<%s nc:operation="remove"/>`, name)
	}
	c.Edit(b.String()).OK()
	c.Main().Commit()
}

// idle returns what has come without being asked for.
func (s *Session) idle() (received, error) {
	select {
	case m := <-s.messages:
		return m, m.err
	default:
		return received{}, nil
	}
}

// Want compares what a datastore holds with the configuration expected, written
// in the namespace of the test module. Containers without presence that hold
// nothing may be there or not (RFC 7950 section 7.5.7).
func (c *Context) Want(got *Element, config string) {
	want, err := parse([]byte(`<data xmlns="` + nsBase + `" xmlns:ct="` + nsTest + `"><x xmlns="` + nsTest + `">` + config + `</x></data>`))
	if err != nil {
		c.Fatalf("the case expects what is %v", err)
	}
	have := &Element{Space: nsTest, Local: "x", Children: got.Children}
	prune(have)
	prune(want.Children[0])
	if g, w := have.canonical(), want.Children[0].canonical(); g != w {
		c.Fatalf("the configuration is\n%s\nnot\n%s", g, w)
	}
}

// prune removes the empty containers without presence of the test module.
func prune(e *Element) {
	for _, c := range e.Children {
		prune(c)
	}
	e.Children = slices.DeleteFunc(e.Children, func(c *Element) bool {
		switch c.Local {
		case "top", "types", "uniques", "whens", "choices", "inner", "endpoint", "beta", "two-c":
			return len(c.Children) == 0
		}
		return false
	})
}

// Same fails the case unless two lists are equal.
func (c *Context) Same(what string, got, want []string) {
	if !slices.Equal(got, want) {
		c.Fatalf("%s is %q, not %q", what, got, want)
	}
}

// Check fails the case unless ok.
func (c *Context) Check(ok bool, format string, args ...any) {
	if !ok {
		c.Fatalf(format, args...)
	}
}

// setOption returns the parameter that keeps an edit from being validated, where
// the server knows it.
func (c *Context) setOption() []string {
	if c.has[":validate:1.1"] {
		return []string{"<nc:test-option>set</nc:test-option>"}
	}
	return nil
}

// Eventually fails the case unless what is asked becomes true in time.
func (c *Context) Eventually(what string, ok func() bool) {
	deadline := time.Now().Add(c.target.patience())
	for !ok() {
		if time.Now().After(deadline) {
			c.Fatalf("it does not happen that %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// Stays fails the case if what is asked becomes false within a second and a half,
// which is longer than any time-out that the cases set to one second.
func (c *Context) Stays(ok func() bool) {
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); <-time.After(100 * time.Millisecond) {
		c.Check(ok(), "it does not stay so")
	}
}
