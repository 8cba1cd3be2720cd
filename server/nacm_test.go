package server

import (
	"log/slog"
	"testing"

	"github.com/tandem-ne/tandem/dataplane/fake"
	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// TestFirstStartLetsTheAdministratorIn: the first start has rules with which the
// administrator may do everything, and others what RFC 8341 gives by default.
func TestFirstStartLetsTheAdministratorIn(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	admin, other := r.NACM.Checker(nacm.Identity{User: "admin"}), r.NACM.Checker(nacm.Identity{User: "eve"})
	if !admin.View().IsAll() || admin.ExecName("ietf-netconf", "delete-config") != nil {
		t.Error("the administrator may not do everything")
	}
	secret := tree.Path{{Node: r.Schema.Root().Child("nacm")}}
	if other.CanRead(secret) || other.ExecName("ietf-netconf", "kill-session") == nil {
		t.Error("another user may do what is denied by default")
	}
	must(t, r.commit(t, "/mtp-node:mpls-tp/node/name = one"))
	r.session.Close()
	r.session = r.Store.NewSession(datastore.SessionInfo{User: "eve", Protocol: "test"}, nil)
	err := r.commit(t, "/mtp-node:mpls-tp/node/name = two")
	if list := yangerr.From(err); err == nil || !list.Has(yangerr.AccessDenied) || list[0].Path.String() != "/mtp-node:mpls-tp/node/name" {
		t.Errorf("another user's commit: %v", err)
	}
	if got := r.value(t, "/ietf-netconf-acm:nacm/denied-data-writes"); got != "1" {
		t.Errorf("denied-data-writes is %q", got)
	}
	// A group that the transport tells counts for commits too.
	r.session.Close()
	r.session = r.Store.NewSession(datastore.SessionInfo{User: "eve", Groups: []string{"night", "admin"}, Protocol: "test"}, nil)
	must(t, r.commit(t, "/mtp-node:mpls-tp/node/name = three", "/ietf-netconf-acm:nacm/enable-external-groups = false"))
	if err := r.commit(t, "/mtp-node:mpls-tp/node/name = four"); !yangerr.From(err).Has(yangerr.AccessDenied) {
		t.Errorf("a commit with a group that does not count: %v", err)
	}
	if got := r.value(t, "/ietf-netconf-acm:nacm/denied-operations"); got != "1" {
		t.Errorf("denied-operations is %q", got)
	}
}

// TestRecoveryUserMendsTheRules: who takes the rules away can write no more, a
// start with a recovery user can.
func TestRecoveryUserMendsTheRules(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, nil)
	must(t, r.commit(t, "/ietf-netconf-acm:nacm"))
	if err := r.commit(t, "/mtp-node:mpls-tp/node/name = one"); !yangerr.From(err).Has(yangerr.AccessDenied) {
		t.Errorf("a commit without any rules: %v", err)
	}
	r.stop(t)

	again := &rig{driver: fake.New(port("eth0", 1)), ports: &ports{changes: make(chan Interface)}, sections: sections{}}
	var err error
	again.Server, err = New(t.Context(), Options{
		StateDir: dir, RecoveryUser: "admin", Driver: again.driver, DriverReason: "test", Transport: newSilent(), Clock: wall{},
		Sections: again.sections, Links: again.ports, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	again.session = again.Store.NewSession(datastore.SessionInfo{User: "admin", Protocol: "test"}, nil)
	must(t, again.commit(t, "/ietf-netconf-acm:nacm/groups/group[name='ops']/user-name[.='admin'] = admin",
		"/ietf-netconf-acm:nacm/rule-list[name='ops']/group[.='ops'] = ops", "/ietf-netconf-acm:nacm/rule-list[name='ops']/rule[name='all']/action = permit"))
	again.stop(t)

	r = start(t, dir, nil)
	defer r.stop(t)
	must(t, r.commit(t, "/mtp-node:mpls-tp/node/name = one"))
}
