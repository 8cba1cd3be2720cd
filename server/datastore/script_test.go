package datastore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// fakeClock stands still until it is moved, and then calls what is due.
type fakeClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*fakeTimer
}

type fakeTimer struct {
	at time.Time
	f  func()
}

var epoch = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &fakeTimer{c.now.Add(d), f}
	c.timers = append(c.timers, t)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.timers, t)
		if i < 0 {
			return false
		}
		c.timers = slices.Delete(c.timers, i, i+1)
		return true
	}
}

// moveTo advances to a time and makes the calls that are due on the way.
func (c *fakeClock) moveTo(at time.Time) {
	for {
		c.mu.Lock()
		next := -1
		for i, t := range c.timers {
			if !t.at.After(at) && (next < 0 || t.at.Before(c.timers[next].at)) {
				next = i
			}
		}
		if next < 0 {
			c.now = at
			c.mu.Unlock()
			return
		}
		t := c.timers[next]
		c.timers = slices.Delete(c.timers, next, next+1)
		if t.at.After(c.now) {
			c.now = t.at
		}
		c.mu.Unlock()
		t.f()
	}
}

// TestScripts plays the scripts of testdata/scripts. A line is
//
//	[at TIME] SESSION VERB ARGUMENTS [-> ERROR]     or     [at TIME] expect WHAT
//
// The leaf that is edited is the description of one LSP. The verbs and what can
// be expected are those of play and expect below. "initial VALUE" in the first
// line is Options.Initial, "startup" there Options.Startup.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/scripts/*.script")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d scripts: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".script"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p := &player{t: t, schema: box(t), clock: &fakeClock{now: epoch}, dir: t.TempDir(), boot: "one"}
			for n, line := range strings.Split(string(text), "\n") {
				line, _, _ = strings.Cut(line, "#")
				if line = strings.TrimSpace(line); line == "" {
					continue
				}
				p.line = fmt.Sprintf("%s:%d: %s", filepath.Base(file), n+1, line)
				words := strings.Fields(line)
				if p.store == nil {
					if p.setUp(words) {
						continue
					}
					p.open()
				}
				p.step(words)
			}
			if err := p.store.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// player is a store under a script.
type player struct {
	t        *testing.T
	line     string
	schema   *schema.Schema
	clock    *fakeClock
	dir      string
	boot     string
	startup  bool
	initial  *tree.Node
	refuse   bool // the engine refuses everything
	store    *Store
	sessions map[string]*Session
	events   []string
}

func (p *player) failf(format string, args ...any) {
	p.t.Helper()
	p.t.Errorf("%s: %s", p.line, fmt.Sprintf(format, args...))
}

// setUp reads what comes before the first step.
func (p *player) setUp(words []string) bool {
	switch words[0] {
	case "initial":
		p.initial = apply(p.t, tree.Empty(p.schema), set(p.schema, "/lsp[name='x']/description", words[1]))
	case "startup":
		p.startup = true
	default:
		return false
	}
	return true
}

func (p *player) open() {
	p.t.Helper()
	st, err := Open(Options{
		Schema: p.schema, Validator: validate.New(p.schema), Dir: p.dir, Log: quiet(), Clock: p.clock, BootID: p.boot, Startup: p.startup,
		Initial: p.initial,
	})
	if err != nil {
		p.t.Fatalf("%s: %v", p.line, err)
	}
	st.Register(prepare(func(*Change) (func(), error) {
		if p.refuse {
			return nil, errTest
		}
		return nil, nil
	}))
	st.OnCommit(func(c Commit) { p.events = append(p.events, "commit:"+description(p.schema, c.New)) })
	st.OnConfirm(func(e ConfirmEvent) {
		text := string(e.Kind)
		if e.Kind != ConfirmTimeout {
			text += ":" + e.Session.User
		}
		p.events = append(p.events, text)
	})
	st.Serve()
	p.store, p.sessions = st, map[string]*Session{}
}

func (p *player) session(name string) *Session {
	s := p.sessions[name]
	if s == nil {
		s = p.store.NewSession(SessionInfo{User: name, Protocol: "netconf"}, nil)
		p.sessions[name] = s
	}
	return s
}

func description(s *schema.Schema, root *tree.Node) string {
	return leaf(s, root, "/lsp[name='x']/description")
}

func (p *player) step(words []string) {
	p.t.Helper()
	if words[0] == "at" {
		d, err := time.ParseDuration(words[1])
		if err != nil {
			p.t.Fatalf("%s: %v", p.line, err)
		}
		p.clock.moveTo(epoch.Add(d))
		if words = words[2:]; len(words) == 0 {
			return
		}
	}
	want := ""
	if i := slices.Index(words, "->"); i >= 0 {
		want, words = words[i+1], words[:i]
	}
	if words[0] == "expect" {
		p.expect(words[1], strings.Join(words[2:], " "))
		return
	}
	err := p.play(words[0], words[1], words[2:])
	if got := tagOf(err); got != want {
		p.failf("error %q (%v), want %q", got, err, want)
	}
}

// tagOf returns an error's tag, for lock-denied with the session-id in the way.
func tagOf(err error) string {
	if err == nil {
		return ""
	}
	tag := string(yangerr.From(err)[0].Tag)
	if id := holder(err); id != "" {
		tag += ":" + id
	}
	return tag
}

func (p *player) play(who, verb string, args []string) error {
	p.t.Helper()
	values := map[string]string{}
	for _, arg := range args {
		k, v, _ := strings.Cut(arg, "=")
		values[k] = v
	}
	switch who + " " + verb {
	case "server crash", "server stop": // [boot=ID] [down=TIME] [startup=on|off]
		p.restart(verb == "crash", values)
		return nil
	case "disk spoil": // a file is overwritten, to be found at the next start
		edit(p.t, filepath.Join(p.dir, args[0]), func(b []byte) []byte { return []byte(strings.Repeat("x", len(b))) })
		return nil
	case "engine refuse":
		p.refuse = true
		return nil
	case "engine accept":
		p.refuse = false
		return nil
	}
	s := p.session(who)
	change := func() []tree.Edit { return []tree.Edit{set(p.schema, "/lsp[name='x']/description", args[0])} }
	switch verb {
	case "edit":
		return s.Edit(bg, change())
	case "break": // an edit that no commit accepts
		return s.Edit(bg, []tree.Edit{set(p.schema, "/lsp[name='x']/section", "nowhere")})
	case "discard":
		return s.Discard(bg)
	case "transact":
		_, err := s.Transact(bg, func(*tree.Node) ([]tree.Edit, error) { return change(), nil }, CommitOptions{})
		return err
	case "commit": // [confirmed] [timeout=TIME] [persist=TOKEN] [id=TOKEN]
		o := CommitOptions{PersistID: values["id"]}
		if _, ok := values["confirmed"]; ok {
			o.Confirm = &Confirm{Persist: values["persist"]}
			if text := values["timeout"]; text != "" {
				var err error
				if o.Confirm.Timeout, err = time.ParseDuration(text); err != nil {
					p.t.Fatalf("%s: %v", p.line, err)
				}
			}
		}
		_, err := s.Commit(bg, o)
		return err
	case "save":
		return s.SetStartup(bg, p.store.Running().Root)
	case "save-candidate":
		return s.SetStartup(bg, s.Candidate())
	case "delete-startup":
		return s.SetStartup(bg, nil)
	case "cancel":
		return s.CancelCommit(bg, values["id"])
	case "lock":
		return s.Lock(bg, Name(args[0]))
	case "unlock":
		return s.Unlock(bg, Name(args[0]))
	case "partial-lock":
		_, err := s.PartialLock(bg, []tree.Path{parse(p.schema, "/lsp[name='x']")}, nil)
		return err
	case "private":
		s.SetPrivate()
		return nil
	case "close":
		s.Close()
		delete(p.sessions, who)
		return nil
	case "kill":
		err := p.store.Kill(p.sessions[args[0]].ID())
		delete(p.sessions, args[0])
		return err
	}
	p.t.Fatalf("%s: there is no verb %q", p.line, verb)
	return nil
}

// restart opens the store again. After a crash it sees the files as they were
// when the process died.
func (p *player) restart(crash bool, values map[string]string) {
	p.t.Helper()
	if crash {
		before := p.store
		p.dir = copyDir(p.t, p.dir)
		defer func() {
			if err := before.Close(); err != nil {
				p.t.Error(err)
			}
		}()
		// The dead process sees no timer any more.
		p.clock.mu.Lock()
		for _, t := range p.clock.timers {
			f := before.timers.Done
			t.at, t.f = epoch.AddDate(100, 0, 0), f
		}
		dead := p.clock.timers
		p.clock.timers = nil
		p.clock.mu.Unlock()
		defer func() {
			for _, t := range dead {
				t.f()
			}
		}()
		if before.pending != nil {
			before.pending.stop = nil
		}
	} else if err := p.store.Close(); err != nil {
		p.t.Error(err)
	}
	if boot := values["boot"]; boot != "" {
		p.boot = boot
	}
	if _, ok := values["startup"]; ok {
		p.startup = values["startup"] != "off"
	}
	if down := values["down"]; down != "" {
		d, err := time.ParseDuration(down)
		if err != nil {
			p.t.Fatalf("%s: %v", p.line, err)
		}
		p.clock.moveTo(p.clock.Now().Add(d))
	}
	p.events = nil
	p.open()
}

// copyDir returns a copy of the files in dir, without the lock of its owner.
func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		raw, e2 := os.ReadFile(filepath.Join(dir, e.Name()))
		err = errors.Join(err, e2, os.WriteFile(filepath.Join(to, e.Name()), raw, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func (p *player) expect(what, want string) {
	p.t.Helper()
	var got string
	switch what {
	case "running":
		got = description(p.schema, p.store.Running().Root)
	case "candidate": // SESSION VALUE
		who, value, _ := strings.Cut(want, " ")
		got, want = description(p.schema, p.session(who).Candidate()), value
	case "pending": // none, or the time that is left and who has it
		got = "none"
		if c := p.store.Pending(); c != nil {
			got = c.Deadline.Sub(p.clock.Now()).String() + " " + c.Session.User
			if c.Persistent {
				got += " persistent"
			}
		}
	case "events": // since the last look
		got = strings.Join(p.events, " ")
		p.events = nil
	case "log": // states of the latest commits, the latest first
		var states []string
		for _, c := range p.store.History(len(strings.Fields(want))) {
			state := string(c.Confirm)
			if state == "" {
				state = "plain"
			}
			states = append(states, state)
		}
		got = strings.Join(states, " ")
	case "startup":
		got = "none"
		if p.store.HasStartup() {
			got = description(p.schema, p.store.Startup().Root)
		}
	case "recovery": // clean, or damaged
		got = "clean"
		if len(p.store.Recovery().Damage) > 0 {
			got = "damaged"
		}
	case "id":
		got = fmt.Sprint(p.store.Running().ID)
	default:
		p.t.Fatalf("%s: nothing is called %q", p.line, what)
	}
	if got != want {
		p.failf("%s is %q, want %q", what, got, want)
	}
}
