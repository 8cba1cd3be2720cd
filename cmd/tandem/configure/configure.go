// Package configure is the configuration mode of the tandem command: lines of
// words that the element's schema gives their meaning edit a working copy of the
// configuration, and commit sends what differs as one edit-config.
//
// Read Mode first, then commands.go (the table), path.go (how words become
// paths), and edit_config.go (how a difference becomes a message).
package configure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tandem-ne/tandem/server/codec"
	"github.com/tandem-ne/tandem/server/codec/xmltok"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// Element is the NETCONF session to the element.
type Element interface {
	// RPC sends an operation and returns the content of its reply; an rpc-error
	// is an error whose text names tag, path and message.
	RPC(ctx context.Context, body string) (string, error)
	Capabilities() []string
}

// Options for Open.
type Options struct {
	Schema  *schema.Schema
	Element Element
	Out     io.Writer
	// Name is what the prompt calls the element.
	Name string
	// Shared leaves the candidate unlocked; a commit then locks it for its own time.
	Shared bool
	Now    func() time.Time // time.Now where nil
}

// Mode is one visit of the configuration mode. It is for one goroutine.
type Mode struct {
	schema  *schema.Schema
	element Element
	out     io.Writer
	name    string
	shared  bool
	now     func() time.Time

	target  string     // what edit-config writes to
	running *tree.Node // as the element last said
	work    *tree.Node // running with the changes of this visit
	at      tree.Path  // where edit has gone
	// deadline is when a confirmed commit of this visit is rolled back; zero
	// where none is pending.
	deadline time.Time
	token    string // of the pending confirmed commit, if it persists
}

// ErrExit is what Run returns for exit and quit.
var ErrExit = errors.New("exit")

// Open reads the running configuration and, unless it is shared, locks the
// candidate until Close.
func Open(ctx context.Context, o Options) (*Mode, error) {
	m := &Mode{schema: o.Schema, element: o.Element, out: o.Out, name: o.Name, shared: o.Shared, now: o.Now, target: "candidate"}
	if m.now == nil {
		m.now = time.Now
	}
	switch {
	case m.capable("candidate"):
	case m.capable("writable-running"):
		m.target = "running"
	default:
		return nil, errors.New("the element has neither a candidate nor a writable running datastore: it cannot be configured")
	}
	if !m.shared {
		if err := m.lock(ctx); err != nil {
			return nil, err
		}
	}
	if err := m.refresh(ctx); err != nil {
		return nil, errors.Join(err, m.Close(ctx))
	}
	return m, nil
}

// capable reports whether the element announced a capability of NETCONF itself.
func (m *Mode) capable(name string) bool {
	return slices.ContainsFunc(m.element.Capabilities(), func(c string) bool {
		rest, ok := strings.CutPrefix(c, "urn:ietf:params:netconf:capability:"+name+":")
		return ok && rest != ""
	})
}

func (m *Mode) lock(ctx context.Context) error {
	if _, err := m.element.RPC(ctx, "<lock><target><"+m.target+"/></target></lock>"); err != nil {
		return fmt.Errorf("lock %s: %w", m.target, err)
	}
	return nil
}

func (m *Mode) unlock(ctx context.Context) error {
	if _, err := m.element.RPC(ctx, "<unlock><target><"+m.target+"/></target></unlock>"); err != nil {
		return fmt.Errorf("unlock %s: %w", m.target, err)
	}
	return nil
}

// Close gives the lock back. What was not committed is gone.
func (m *Mode) Close(ctx context.Context) error {
	if m.shared {
		return nil
	}
	return m.unlock(ctx)
}

// refresh reads running and starts from it.
func (m *Mode) refresh(ctx context.Context) error {
	root, err := m.get(ctx, "<get-config><source><running/></source></get-config>", true)
	if err != nil {
		return fmt.Errorf("get-config: %w", err)
	}
	m.running, m.work = root, root
	return nil
}

// get sends an operation whose reply is <data> with instances of the schema.
func (m *Mode) get(ctx context.Context, body string, configOnly bool) (*tree.Node, error) {
	reply, err := m.element.RPC(ctx, body)
	if err != nil {
		return nil, err
	}
	return m.data(reply, func(*xmltok.Reader) bool { return true }, configOnly)
}

// data decodes the content of the first element of a reply that is the one.
func (m *Mode) data(reply string, is func(*xmltok.Reader) bool, configOnly bool) (*tree.Node, error) {
	r := xmltok.NewReader([]byte(reply), xmltok.Limits{Bytes: len(reply) + 1})
	for {
		kind, err := r.Next()
		switch {
		case err != nil:
			return nil, err
		case kind == xmltok.EOF:
			return nil, errors.New("the reply has no data in it")
		case kind == xmltok.Start && is(r):
			return codec.DecodeData(m.schema, m.schema.Root(), r, codec.DataOptions{ConfigOnly: configOnly})
		}
	}
}

// Changed reports whether there is something to commit.
func (m *Mode) Changed() bool {
	for range tree.Diff(m.running, m.work) {
		return true
	}
	return false
}

// Prompt returns the prompt, with the place that edit has gone to.
func (m *Mode) Prompt() string {
	var b strings.Builder
	if !m.deadline.IsZero() {
		fmt.Fprintf(&b, "(confirm by %s) ", m.deadline.Format(time.TimeOnly))
	}
	b.WriteString(m.name)
	if len(m.at) > 0 {
		b.WriteString(" [" + words(m.at) + "]")
	}
	if m.Changed() {
		b.WriteString("*")
	}
	return b.String() + "# "
}

// Run carries out one line. An error leaves the working copy as it was.
func (m *Mode) Run(ctx context.Context, line string) error {
	if err := m.expire(ctx); err != nil {
		return err
	}
	tokens, err := split(line)
	if err != nil {
		return err
	}
	if len(tokens) == 0 {
		return nil
	}
	c, err := lookup(tokens[0])
	if err != nil {
		return err
	}
	tokens, filters, err := pipes(tokens[1:])
	if err != nil {
		return err
	}
	if filters.any() && !c.prints {
		return fmt.Errorf("%s prints nothing that could be piped", c.name)
	}
	return c.run(m, ctx, tokens, filters)
}

// expire notices that the element has rolled a confirmed commit back.
func (m *Mode) expire(ctx context.Context) error {
	if m.deadline.IsZero() || m.now().Before(m.deadline) {
		return nil
	}
	m.deadline, m.token = time.Time{}, ""
	work, was := m.work, m.running
	if err := m.refresh(ctx); err != nil {
		return err
	}
	fmt.Fprintln(m.out, "nobody confirmed the commit in time: the element has rolled it back")
	return m.rebase(was, work)
}

// rebase puts the changes from base to work on top of running.
func (m *Mode) rebase(base, work *tree.Node) error {
	root, errs := tree.Apply(m.running, tree.Edits(base, work))
	if len(errs) > 0 {
		return fmt.Errorf("the changes of this visit do not fit what is running now and are gone: %w", errs)
	}
	m.work = root
	return nil
}
