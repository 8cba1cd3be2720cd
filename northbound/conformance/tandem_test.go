package conformance_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-ne/tandem/northbound/conformance"
	"github.com/tandem-ne/tandem/northbound/netconf"
	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/served"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/validate"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// admin may do everything.
const admin = "admin"

// TestTandem runs the suite on our server, in this process. Every case must
// apply, and pass, and yanglint must accept every message of the server.
func TestTandem(t *testing.T) {
	target := tandem(t, true)
	var said transcript
	target.Record = said.add
	report(t, conformance.Run(t, target, *match))
	for _, problem := range said.lint(t, "modules") {
		t.Error(problem)
	}
}

// TestTandemWithoutStartup runs the case of a server without :startup.
func TestTandemWithoutStartup(t *testing.T) {
	target := tandem(t, false)
	target.NotApplicable = map[string]string{}
	report(t, conformance.Run(t, target, regexp.MustCompile(`^rfc6241-7\.1-no-startup$`)))
}

// notApplicable are the cases that do not apply to our server, with the reason.
func notApplicable() map[string]string {
	return map[string]string{
		"rfc6241-8.2-writable-running": "running changes through the candidate only",
		"rfc6241-7.1-no-startup":       "it runs with :startup here; TestTandemWithoutStartup has the case",
	}
}

// tandem starts our server; it is shut down, and checked for goroutines left
// behind, when the test ends.
func tandem(t *testing.T, startup bool) conformance.Target {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	more, err := served.ReadDir("modules")
	if err != nil {
		t.Fatal(err)
	}
	s, err := served.SchemaWith(served.Choices{Startup: startup, Modules: more})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	control := nacm.New(nacm.Options{Schema: s, RecoveryUser: admin, Log: log})
	store, err := datastore.Open(datastore.Options{
		Schema: s, Validator: validate.New(s), Dir: t.TempDir(), Log: log, Startup: startup,
		Authorize: func(who datastore.SessionInfo, c *datastore.Change) yangerr.List {
			return control.Checker(nacm.Identity{User: who.User}).Write(c.Old, c.New)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	hub := oper.New(s, store.Running().Root, nil)
	store.OnCommit(func(c datastore.Commit) {
		control.Update(c.New)
		hub.PublishCommit(c.Old, c.New, c.Time)
	})
	for i, name := range []string{"denied-operations", "denied-data-writes", "denied-notifications"} {
		path := "/" + nacm.ModuleName + ":nacm/" + name
		if err := hub.Provide(path, deniedCounter{control, i}); err != nil {
			t.Fatal(err)
		}
	}
	srv, err := netconf.New(netconf.Options{
		Schema: s, Store: store, Hub: hub, NACM: control, Log: log, Actions: actions(s, hub),
		Limits: netconf.Limits{Sessions: 1000}, URLs: netconf.URLs{Dir: t.TempDir()},
	})
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
	return conformance.Target{
		Name: "tandem", Can: []string{"users", "emit"}, NotApplicable: notApplicable(),
		Dial: func(user string) (io.ReadWriteCloser, error) {
			here, there := net.Pipe()
			if user == "" {
				user = admin
			}
			go srv.ServeConn(there, user, "netconf-tls", "192.0.2.1:4711")
			return here, nil
		},
	}
}

// deniedCounter is one of the counters of access control.
type deniedCounter struct {
	control *nacm.Control
	which   int
}

func (d deniedCounter) Read(_ context.Context, req oper.Request) error {
	operations, writes, notifications := d.control.Denied()
	n := [...]uint32{operations, writes, notifications}[d.which]
	for _, p := range req.Instances {
		req.Build.Set(p, schema.StringValue(p[len(p)-1].Node.Type, strconv.FormatUint(uint64(n), 10)))
	}
	return nil
}

// actions implements the operations of the test modules.
func actions(s *schema.Schema, hub *oper.Hub) map[string]netconf.ActionFunc {
	find := func(path string) *schema.Node {
		n, err := s.Find(path)
		if err != nil {
			panic(err)
		}
		return n
	}
	event := find("/mtp-conformance-test:event")
	changed := find("/mtp-conformance-test:top/item/mtp-conformance-augment:changed")
	return map[string]netconf.ActionFunc{
		"/mtp-conformance-test:poke": func(_ context.Context, _ tree.Path, input *tree.Node) (*tree.Node, error) {
			out := input.Schema().Parent.Output
			b := tree.NewBuilder(tree.New(out))
			next := strconv.FormatUint(input.ChildNamed("number").Value().Uint()+1, 10)
			b.Leaf(out.Child("number"), schema.MustParse(out.Child("number").Type, next))
			word, _ := tree.Effective(input, input.Schema().Child("word"))
			b.Leaf(out.Child("word"), word)
			return b.Seal(), nil
		},
		"/mtp-conformance-test:top/item/mtp-conformance-augment:echo": func(_ context.Context, _ tree.Path, input *tree.Node) (*tree.Node, error) {
			out := input.Schema().Parent.Output
			b := tree.NewBuilder(tree.New(out))
			b.Leaf(out.Child("text"), input.ChildNamed("text").Value())
			return b.Seal(), nil
		},
		"/mtp-conformance-augment:emit": func(_ context.Context, _ tree.Path, input *tree.Node) (*tree.Node, error) {
			text := input.ChildNamed("text").Value()
			b := tree.NewBuilder(tree.New(event))
			b.Leaf(event.Child("text"), text)
			level, _ := tree.Effective(input, input.Schema().Child("level"))
			b.Leaf(event.Child("level"), level)
			hub.Notify(time.Now(), b.Seal(), nil)
			at, err := tree.ParsePath(s, "/mtp-conformance-test:top/item[name='"+input.ChildNamed("item").Value().String()+"']")
			if err != nil {
				return nil, err
			}
			b = tree.NewBuilder(tree.New(changed))
			b.Leaf(changed.Child("what"), text)
			hub.Notify(time.Now(), b.Seal(), at)
			return nil, nil
		},
	}
}
