package server

import (
	"log/slog"
	"testing"

	"github.com/tandem-ne/tandem/dataplane/fake"
	"github.com/tandem-ne/tandem/server/datastore"
)

// TestStartup starts an element in two boots of its host. Running survives a
// restart in any case, and a boot where there is no <startup>; where there is
// one, a boot begins with it.
func TestStartup(t *testing.T) {
	const contact = "/ietf-system:system/contact"
	for name, test := range map[string]struct {
		startup  bool
		rebooted string
	}{
		"without": {false, "two"},
		"with":    {true, "one"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			boot := func(id string) *rig {
				r := &rig{driver: fake.New(port("eth0", 1)), ports: &ports{changes: make(chan Interface)}, sections: sections{}}
				r.ports.all = []Interface{{Name: "eth0", Index: 1, MTU: 1500, Up: true, Carrier: true}}
				var err error
				r.Server, err = New(t.Context(), Options{
					StateDir: dir, Driver: r.driver, DriverReason: "test", Startup: test.startup, BootID: id,
					Transport: newSilent(), Clock: wall{}, Sections: r.sections, Links: r.ports, Log: slog.New(slog.DiscardHandler),
				})
				if err != nil {
					t.Fatal(err)
				}
				r.session = r.Store.NewSession(datastore.SessionInfo{User: "admin", Protocol: "test"}, nil)
				return r
			}
			r := boot("first")
			if r.Store.HasStartup() != test.startup {
				t.Error("the datastore is there, or is not, against the option")
			}
			must(t, r.commit(t, contact+" = one"))
			if err := r.session.SetStartup(t.Context(), r.Store.Running().Root); (err == nil) != test.startup {
				t.Errorf("save: %v", err)
			}
			must(t, r.commit(t, contact+" = two"))
			r.stop(t)
			r = boot("first")
			if got := r.value(t, contact); got != "two" {
				t.Errorf("after a restart: %q, want %q", got, "two")
			}
			r.stop(t)
			r = boot("second")
			if got := r.value(t, contact); got != test.rebooted {
				t.Errorf("after a boot: %q, want %q", got, test.rebooted)
			}
			r.stop(t)
		})
	}
}
