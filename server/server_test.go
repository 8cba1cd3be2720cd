package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/fake"
	"github.com/tandem-ne/tandem/oam"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/oper"
	"github.com/tandem-ne/tandem/server/tree"
	"github.com/tandem-ne/tandem/server/yangerr"
)

// silent is a transport on which nothing ever arrives.
type silent struct {
	wake   chan struct{}
	closed chan struct{}
}

func newSilent() *silent { return &silent{make(chan struct{}, 1), make(chan struct{})} }

func (s *silent) OpenPath(oam.Path) (oam.PathID, error) { return 1, nil }
func (s *silent) ClosePath(oam.PathID)                  {}
func (s *silent) Send(batch []oam.Tx) (int, error)      { return len(batch), nil }
func (s *silent) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
func (s *silent) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}
func (s *silent) Recv(_ []oam.Rx, deadline int64) (int, error) {
	timer := time.NewTimer(time.Until(time.Unix(0, min(deadline, time.Now().Add(time.Hour).UnixNano()))))
	defer timer.Stop()
	select {
	case <-s.closed:
		return 0, os.ErrClosed
	case <-s.wake:
	case <-timer.C:
	}
	return 0, nil
}

// wall is a clock for a transport that counts in Unix time.
type wall struct{}

func (wall) Now() int64 { return time.Now().UnixNano() }

// ports are the interfaces of the fake data plane.
type ports struct {
	all     []Interface
	changes chan Interface
}

func (p *ports) List() ([]Interface, error) { return p.all, nil }
func (p *ports) Changes() <-chan Interface  { return p.changes }
func (p *ports) Close() error               { close(p.changes); return nil }

// sections remembers what the transport was told.
type sections map[string]dataplane.Section

func (s sections) SetSection(o dataplane.Section) { s[o.Name] = o }
func (s sections) RemoveSection(name string)      { delete(s, name) }

// rig is an element on the fake data plane.
type rig struct {
	*Server
	driver   *fake.Driver
	ports    *ports
	sections sections
	session  *datastore.Session
}

func port(name string, last byte) fake.Port {
	return fake.Port{Name: name, MAC: dataplane.MAC{2, 0, 0, 0, 0, last}, Up: true}
}

// start brings up an element; dir "" is a first start.
func start(t *testing.T, dir string, driver *fake.Driver) *rig {
	t.Helper()
	r, err := open(t, dir, driver, "")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// open is start with the modules of an operator, and may fail.
func open(t *testing.T, dir string, driver *fake.Driver, yangDir string) (*rig, error) {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	if driver == nil {
		driver = fake.New(port("eth0", 1), port("eth1", 2))
	}
	r := &rig{
		driver:   driver,
		ports:    &ports{changes: make(chan Interface)},
		sections: sections{},
	}
	for i, name := range []string{"eth0", "eth1"} {
		r.ports.all = append(r.ports.all, Interface{Name: name, Index: i + 1, MTU: 1500, Up: true, Carrier: true})
	}
	var err error
	r.Server, err = New(t.Context(), Options{
		StateDir: dir, YANGDir: yangDir, Driver: driver, DriverReason: "test",
		Transport: newSilent(), Clock: wall{}, Sections: r.sections, Links: r.ports,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	r.session = r.Store.NewSession(datastore.SessionInfo{User: "admin", Protocol: "test"}, nil)
	return r, nil
}

func (r *rig) stop(t *testing.T) {
	t.Helper()
	r.session.Close()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// commit makes edits written as "path = value"; a line without a value removes.
func (r *rig) commit(t *testing.T, lines ...string) error {
	t.Helper()
	var edits []tree.Edit
	for _, line := range lines {
		text, value, set := strings.Cut(line, " = ")
		p, err := tree.ParsePath(r.Schema, text)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		e := tree.Edit{Op: tree.Remove, Path: p}
		if set {
			leaf := p[len(p)-1].Node
			e.Op = tree.Merge
			if e.Value, err = leaf.Type.Parse(value, r.Schema.NameResolver(leaf.Module)); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		edits = append(edits, e)
	}
	_, err := r.session.Transact(t.Context(), func(*tree.Node) ([]tree.Edit, error) { return edits, nil }, datastore.CommitOptions{})
	return err
}

// value reads one leaf of the operational view; "" where there is none.
func (r *rig) value(t *testing.T, path string) string {
	t.Helper()
	p, err := tree.ParsePath(r.Schema, path)
	if err != nil {
		t.Fatal(err)
	}
	view, err := r.Hub.View(t.Context(), r.Store.Running().Root, tree.FilterOf(r.Schema.Root(), p))
	if err != nil {
		t.Fatal(err)
	}
	v, ok := view.GetValue(p)
	if !ok {
		return ""
	}
	return v.String()
}

// patience is how long a condition may take on a machine that is busy with other
// things; a condition that holds takes none of it.
const patience = time.Minute

// counts waits until a counter that nobody pushes is more than 0.
func (r *rig) counts(t *testing.T, path string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		switch got := r.value(t, path); {
		case got != "" && got != "0":
			return
		case time.Now().After(end):
			t.Fatalf("%s is %q after %v, want packets", path, got, patience)
		}
	}
}

// becomes waits until a leaf has a value.
func (r *rig) becomes(t *testing.T, path, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sub, _ := r.Hub.Subscribe(oper.SubOptions{Paths: []tree.Path{nil}})
	defer sub.Close()
	for {
		got := r.value(t, path)
		if got == want {
			return
		}
		if _, err := sub.Next(ctx); err != nil {
			t.Fatalf("%s is %q, want %q: %v", path, r.value(t, path), want, err)
		}
	}
}

const (
	ifc     = "/ietf-interfaces:interfaces/interface[name='%']/type = iana-if-type:ethernetCsmacd"
	section = "/mtp-node:mpls-tp/sections/section[name='west']"
	lsps    = "/mtp-node:mpls-tp/mtp-lsp:lsps/static-lsp"
	meg     = "/mtp-node:mpls-tp/mtp-oam:oam/meg[name='west']"
)

func basics() []string {
	return []string{
		strings.ReplaceAll(ifc, "%", "eth0"), strings.ReplaceAll(ifc, "%", "eth1"), strings.ReplaceAll(ifc, "%", "eth9"),
		"/mtp-node:mpls-tp/node/global-id = 64496",
		"/mtp-node:mpls-tp/node/node-id = 192.0.2.1",
		section + "/interface = eth0",
		section + "/if-num = 1",
		section + "/peer/global-id = 64496",
		section + "/peer/node-id = 192.0.2.2",
		section + "/peer/if-num = 1",
	}
}

func swap(name, in, out string) []string {
	l := lsps + "[name='" + name + "']"
	return []string{
		l + "/operation = swap-and-forward",
		l + "/in-segment/incoming-label = " + in,
		l + "/out-segment/nhlfe-single/outgoing-section = west",
		l + "/out-segment/nhlfe-single/mpls-label-stack/entry[id='1']/label = " + out,
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCommitReachesTheDataPlane(t *testing.T) {
	// glog, which goyang brings, starts a goroutine with the process.
	defer goleak.VerifyNone(t, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
	r := start(t, "", nil)
	defer r.stop(t)
	must(t, r.commit(t, append(basics(), swap("transit", "100", "200")...)...))
	must(t, r.Settled(t.Context()))
	r.becomes(t, lsps+"[name='transit']/data-plane-state/state", "applied")
	r.becomes(t, lsps+"[name='transit']/oper-state", "up")
	r.becomes(t, section+"/oper-state", "up")
	if s := r.sections["west"]; s.Interface != "eth0" {
		t.Errorf("the transport knows section west as %v", s)
	}
	if text := r.driver.Text(); !strings.Contains(text, "transit") {
		t.Errorf("the data plane holds:\n%s", text)
	}
	must(t, r.commit(t, lsps+"[name='transit']"))
	must(t, r.Settled(t.Context()))
	if text := r.driver.Text(); strings.Contains(text, "transit") {
		t.Errorf("the data plane still holds:\n%s", text)
	}
	r.becomes(t, lsps+"[name='transit']/oper-state", "")
}

func TestStateOfWhatCannotBeApplied(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	far := strings.ReplaceAll(section, "west", "far")
	must(t, r.commit(t, append(basics(), far+"/interface = eth9")...))
	r.becomes(t, far+"/data-plane-state/state", "failed")
	if reason := r.value(t, far+"/data-plane-state/reason"); !strings.Contains(reason, "eth9") {
		t.Errorf("the reason is %q, want one that names eth9", reason)
	}
	r.becomes(t, far+"/oper-state", "not-installed")
	alarm := "/ietf-alarms:alarms/alarm-list/alarm[resource=\"" + far + "\"][alarm-type-id='mtp-alarms:data-plane-mismatch'][alarm-type-qualifier='']"
	r.becomes(t, alarm+"/is-cleared", "false")
	r.driver.SetPort(port("eth9", 9))
	r.becomes(t, far+"/data-plane-state/state", "applied")
	r.becomes(t, alarm+"/is-cleared", "true")
	if reason := r.value(t, far+"/data-plane-state/reason"); reason != "" {
		t.Errorf("the reason %q stayed", reason)
	}
}

// TestMEPState runs a MEP for as long as the machine needs: how many packets it
// sends meanwhile is not known, but that they are counted.
func TestMEPState(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	must(t, r.commit(t, append(basics(), meg+"/section = west", meg+"/mep/cc/enabled = true", meg+"/mep/cv/enabled = false")...))
	r.becomes(t, meg+"/mep/state/session/local-state", "down")
	r.counts(t, meg+"/mep/state/session/send-packet-count")
	if n := r.value(t, meg+"/mep/state/session/send-cv-packet-count"); n != "0" {
		t.Errorf("send-cv-packet-count is %q in a MEG without CV", n)
	}
	if n := r.value(t, meg+"/mep/state/session/local-discriminator"); n == "" || n == "0" {
		t.Errorf("local-discriminator is %q", n)
	}
	must(t, r.commit(t, meg))
	r.becomes(t, meg+"/mep/state/session/local-state", "")
}

func TestLinkStateIsOperState(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	must(t, r.commit(t, append(basics(), swap("transit", "100", "200")...)...))
	r.becomes(t, lsps+"[name='transit']/oper-state", "up")
	r.ports.changes <- Interface{Name: "eth0", Index: 1, Up: true}
	r.becomes(t, section+"/oper-state", "down")
	r.becomes(t, lsps+"[name='transit']/oper-state", "down")
	r.becomes(t, "/ietf-interfaces:interfaces/interface[name='eth0']/oper-status", "down")
	r.ports.changes <- Interface{Name: "eth0", Index: 1, Up: true, Carrier: true}
	r.becomes(t, lsps+"[name='transit']/oper-state", "up")
}

// TestPairsAndTunnelsFollowTheirLSPs goes through the ways in which what is made
// of LSPs comes, changes and goes: with the whole subtree, one by one, and by a
// change of an LSP alone.
func TestPairsAndTunnelsFollowTheirLSPs(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	const (
		pair   = "/mtp-node:mpls-tp/mtp-lsp:lsps/bidirectional-lsp[name='both']"
		tunnel = "/mtp-node:mpls-tp/mtp-lsp:tunnels/tunnel[name='t']"
	)
	impose, pop := lsps+"[name='out']", lsps+"[name='in']"
	lines := append(basics(),
		impose+"/operation = impose-and-forward",
		impose+"/out-segment/nhlfe-single/outgoing-section = west",
		impose+"/out-segment/nhlfe-single/mpls-label-stack/entry[id='1']/label = 100",
		pop+"/operation = pop-and-lookup", pop+"/in-segment/incoming-label = 200")
	pairLines := []string{pair + "/forward-lsp = out", pair + "/reverse-lsp = in"}
	tunnelLines := []string{
		tunnel + "/tunnel-num = 1", tunnel + "/destination/node-id = 192.0.2.2",
		tunnel + "/lsp[lsp-num='1']/bidirectional-lsp = both",
	}
	must(t, r.commit(t, append(append(lines, pairLines...), tunnelLines...)...))
	r.becomes(t, pair+"/oper-state", "up")
	r.becomes(t, tunnel+"/oper-state", "up")
	must(t, r.commit(t, impose+"/admin-state = down"))
	r.becomes(t, pair+"/oper-state", "down")
	r.becomes(t, tunnel+"/oper-state", "down")
	must(t, r.commit(t, impose+"/admin-state = up"))
	r.becomes(t, tunnel+"/oper-state", "up")
	must(t, r.commit(t, tunnel+"/admin-state = down"))
	r.becomes(t, tunnel+"/oper-state", "down")
	must(t, r.commit(t, tunnel, pair))
	r.becomes(t, tunnel+"/oper-state", "")
	r.becomes(t, pair+"/oper-state", "")
	must(t, r.commit(t, append(pairLines, tunnelLines...)...))
	r.becomes(t, tunnel+"/oper-state", "up")
	must(t, r.commit(t, "/mtp-node:mpls-tp/mtp-lsp:tunnels", "/mtp-node:mpls-tp/mtp-lsp:lsps"))
	r.becomes(t, tunnel+"/oper-state", "")
	r.becomes(t, pair+"/oper-state", "")
}

func TestConfiguredUsersMayLogIn(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	key := []byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + strings.Repeat("k", 32))
	user := "/ietf-system:system/authentication/user[name='op']"
	if r.Access.AuthorizePublicKey("op", key) {
		t.Fatal("a user that is not configured may log in")
	}
	must(t, r.commit(t, user+"/authorized-key[name='laptop']/algorithm = ssh-ed25519",
		user+"/authorized-key[name='laptop']/key-data = "+base64.StdEncoding.EncodeToString(key)))
	if !r.Access.AuthorizePublicKey("op", key) {
		t.Error("the configured user may not log in")
	}
	must(t, r.commit(t, user))
	if r.Access.AuthorizePublicKey("op", key) {
		t.Error("the user that was removed may still log in")
	}
}

func TestRefusals(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	must(t, r.commit(t, append(basics(), swap("transit", "100", "200")...)...))
	before := r.Store.Running()
	for _, c := range []struct {
		name  string
		lines []string
		tag   yangerr.Tag
		path  string
	}{
		{"a label that is taken", swap("second", "100", "201"), yangerr.OperationFailed, "incoming-label"},
		{"a section that is not there", []string{lsps + "[name='transit']/out-segment/nhlfe-single/outgoing-section = nowhere"}, yangerr.DataMissing, "outgoing-section"},
		{"an LSP without its operation", []string{lsps + "[name='x']/description = x"}, yangerr.MissingElement, "operation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := r.commit(t, c.lines...)
			var list yangerr.List
			if !errors.As(err, &list) {
				t.Fatalf("got %v, want a list of errors", err)
			}
			found := false
			for _, e := range list {
				found = found || e.Path != nil && strings.Contains(e.Path.String(), c.path)
			}
			if !found {
				t.Errorf("no error has a path with %s: %v", c.path, list)
			}
			if after := r.Store.Running(); after != before {
				t.Error("running changed")
			}
		})
	}
}

func TestRestartAdopts(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, nil)
	must(t, r.commit(t, append(basics(), swap("transit", "100", "200")...)...))
	must(t, r.Settled(t.Context()))
	r.becomes(t, lsps+"[name='transit']/oper-state", "up")
	r.stop(t)
	again := r.driver.Reopen()
	again.TakeOps()
	r = start(t, dir, again)
	defer r.stop(t)
	must(t, r.Settled(t.Context()))
	r.becomes(t, lsps+"[name='transit']/oper-state", "up")
	if ops := again.TakeOps(); len(ops) != 0 {
		t.Errorf("the restart touched the data plane: %v", ops)
	}
}

// TestOwners holds that every configuration leaf has an owner: New refuses to
// start otherwise.
func TestOwners(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	for _, c := range r.intent.Coverage() {
		t.Logf("%+v", c)
	}
}

// TestExplicitNull follows an explicit null from the configuration to a frame.
func TestExplicitNull(t *testing.T) {
	r := start(t, "", nil)
	defer r.stop(t)
	l := lsps + "[name='out']"
	must(t, r.commit(t, append(append(basics(), impose("out", "300")...), l+"/in-segment/ip-prefix[.='198.51.100.0/24'] = 198.51.100.0/24",
		l+"/out-segment/nhlfe-single/mpls-label-stack/entry[id='2']/label = 0", l+"/out-segment/nhlfe-single/mpls-label-stack/entry[id='2']/traffic-class = 5")...))
	must(t, r.Settled(t.Context()))
	packet := []byte{0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 203, 0, 113, 1, 198, 51, 100, 9}
	out := r.driver.Forward("eth1", append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 9, 8, 0}, packet...))
	want := []byte{0x88, 0x47, 0, 0x12, 0xc0, 255, 0, 0, 0x0b, 255, 0x45} // 300, then 0 with TC 5 and the S bit.
	if len(out) != 1 || len(out[0].Frame) < 12+len(want) || !bytes.Equal(out[0].Frame[12:12+len(want)], want) {
		t.Errorf("got %x, want a frame with %x", out, want)
	}
	// IPv6 has an explicit null of its own.
	if err := r.commit(t, l+"/in-segment/ip-prefix[.='2001:db8::/32'] = 2001:db8::/32"); err == nil {
		t.Error("an IPv6 prefix above an explicit null of IPv4 is taken")
	}
	if err := r.commit(t, l+"/out-segment/nhlfe-single/mpls-label-stack/entry[id='3']/label = 301"); err == nil {
		t.Error("a label below an explicit null is taken")
	}
}
