// Package nacm decides who may do what: the access control model of RFC 8341 on
// trees, paths, operations and notifications of the schema.
//
// Reading order: nacm.go (Control, and Checker as a session has it), rules.go
// (the configuration as rules), compile.go (rules and schema to decisions),
// walk.go (a decision at an instance), then what is asked: read.go, write.go,
// exec.go.
package nacm

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// ModuleName is the module of the rules.
const ModuleName = "ietf-netconf-acm"

// Options for New.
type Options struct {
	Schema *schema.Schema
	// RecoveryUser is the user whose sessions are recovery sessions, which no
	// rule restricts (RFC 8341 section 2.4); none where empty.
	RecoveryUser string
	Log          *slog.Logger // slog.Default() where nil
}

// Identity is who asks.
type Identity struct {
	User string
	// Groups are those that the transport reports (RFC 8341 section 2.5). They
	// count where enable-external-groups is true.
	Groups []string
	// Recovery makes it a recovery session.
	Recovery bool
}

// Control holds the rules that are in force. It is safe for concurrent use;
// who asks never waits for Update.
type Control struct {
	schema   *schema.Schema
	nacm     *schema.Node // nil if the schema has no ietf-netconf-acm
	recovery string
	log      *slog.Logger
	deny     []defaultDeny // by schema node

	mu    sync.Mutex // of Update
	seen  *tree.Node // the container of the rules in force
	rules atomic.Pointer[ruleset]
	next  atomic.Pointer[chan struct{}] // closed by the next change of them

	operations, writes, notifications atomic.Uint32
}

// New returns a Control with the rules of an empty configuration: reading and
// executing is permitted, writing is not.
func New(o Options) *Control {
	c := &Control{schema: o.Schema, recovery: o.RecoveryUser, log: o.Log}
	if c.log == nil {
		c.log = slog.Default()
	}
	if m := o.Schema.Module(ModuleName); m != nil {
		c.nacm = o.Schema.Root().ChildIn(m, "nacm")
	}
	c.deny = defaultDenials(o.Schema)
	c.rules.Store(c.parse(nil))
	next := make(chan struct{})
	c.next.Store(&next)
	return c
}

// Changed returns a channel that is closed when other rules come into force than
// those at the time of the call.
func (k *Checker) Changed() <-chan struct{} {
	if k == nil {
		return nil
	}
	return *k.control.next.Load()
}

// Update puts the rules of the configuration running into force. It costs
// nothing if they are those of the last call. It logs a warning when nobody but
// a recovery session can change the configuration any more.
func (c *Control) Update(running *tree.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var n *tree.Node
	if c.nacm != nil {
		n = running.Child(c.nacm)
	}
	if n == c.seen && n != nil {
		return
	}
	c.seen = n
	rs := c.parse(n)
	c.rules.Store(rs)
	next := make(chan struct{})
	close(*c.next.Swap(&next))
	if !rs.writable() {
		c.log.Warn("no rule of /ietf-netconf-acm:nacm lets anybody change the configuration; a session of --recovery-user can",
			"recovery-user", c.recovery)
	}
}

// Denied returns the counters of RFC 8341 section 3.5.2: refused operations,
// refused writes and dropped notifications since New.
func (c *Control) Denied() (operations, writes, notifications uint32) {
	return c.operations.Load(), c.writes.Load(), c.notifications.Load()
}

// Checker returns what decides for id. It always answers by the rules that are
// in force when it is asked.
func (c *Control) Checker(id Identity) *Checker {
	if c.recovery != "" && id.User == c.recovery {
		id.Recovery = true
	}
	return &Checker{control: c, id: id}
}

// Checker decides for one user. A nil Checker permits everything. It is safe for
// concurrent use.
type Checker struct {
	control *Control
	id      Identity
	cached  atomic.Pointer[rights]
}

// rights returns the user's rights under the present rules; nil where there are
// no restrictions.
func (k *Checker) rights() *rights {
	if k == nil || k.id.Recovery {
		return nil
	}
	rs := k.control.rules.Load()
	if !rs.enabled {
		return nil
	}
	if r := k.cached.Load(); r != nil && r.rules == rs {
		return r
	}
	r := rs.rightsOf(k.id)
	k.cached.Store(r)
	return r
}

// View is what a user may read at one time. Users with equal Views see the same
// of every tree; the zero View is that of who may read everything.
type View struct{ r *rights }

// View returns what the user may read now.
func (k *Checker) View() View {
	r := k.rights()
	if r == nil || r.decisions(opRead).all() {
		return View{}
	}
	return View{r}
}

// IsAll reports whether everything may be read.
func (v View) IsAll() bool { return v.r == nil }

// rightsOf returns the rights of a user. Users in the same groups share them,
// unless a rule speaks of $USER.
func (rs *ruleset) rightsOf(id Identity) *rights {
	groups := slices.Clone(rs.users[id.User])
	if rs.external {
		groups = append(groups, id.Groups...)
	}
	slices.Sort(groups)
	groups = slices.Compact(groups)
	key := strings.Join(groups, "\x00")
	if rs.perUser {
		key = id.User + "\x00\x00" + key
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.shared[key]
	if r == nil {
		r = &rights{rules: rs, list: rs.rulesFor(id.User, groups)}
		rs.shared[key] = r
	}
	return r
}
