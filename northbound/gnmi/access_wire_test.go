package gnmi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/datastore"
	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// as returns the element as a client sees it whose certificate, of the element's
// own authority, has a common name and organizational units.
func (e *element) as(name string, units ...string) *element {
	e.t.Helper()
	ca, err := tls.LoadX509KeyPair(filepath.Join(e.stateDir, "tls", "ca.crt"), filepath.Join(e.stateDir, "tls", "ca.key"))
	if err != nil {
		e.t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		e.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: name, OrganizationalUnit: units},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Leaf, key.Public(), ca.PrivateKey)
	if err != nil {
		e.t.Fatal(err)
	}
	config := e.tls.Clone()
	config.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	conn := e.dial(config)
	e.t.Cleanup(func() { conn.Close() })
	return &element{t: e.t, schema: e.schema, store: e.store, hub: e.hub, client: gpb.NewGNMIClient(conn)}
}

// configure commits lines "path" or "path value" as the whole configuration.
func (e *element) configure(lines ...string) {
	e.t.Helper()
	b := tree.NewBuilder(tree.Empty(e.schema))
	for _, line := range lines {
		path, value, _ := strings.Cut(line, " ")
		p, err := tree.ParsePath(e.schema, path)
		if err != nil {
			e.t.Fatal(err)
		}
		last := p[len(p)-1]
		v := schema.Value{}
		if last.Node.Kind == schema.LeafList {
			v = last.Keys[0]
		} else if v, err = last.Node.Type.Parse(value, e.schema.NameResolver(last.Node.Module)); err != nil {
			e.t.Fatal(err)
		}
		b.Set(p, v)
	}
	session := e.store.NewSession(datastore.SessionInfo{User: "setup", Protocol: "system"}, nil)
	defer session.Close()
	if err := session.Replace(e.t.Context(), b.Seal()); err != nil {
		e.t.Fatal(err)
	}
	if _, err := session.Commit(e.t.Context(), datastore.CommitOptions{}); err != nil {
		e.t.Fatal(err)
	}
}

// controlled starts an element with access control that follows its configuration.
func controlled(t *testing.T) *element {
	s := servedSchema(t)
	control := nacm.New(nacm.Options{Schema: s})
	return start(t, s, func(o *Options) {
		o.NACM = control
		o.Store.OnCommit(func(c datastore.Commit) { control.Update(c.New) })
	})
}

const acm = "/ietf-netconf-acm:nacm/"

// TestGroupsOfCertificates: the organizational units of the certificate are groups,
// and decide in every mode of Subscribe, in Get and in Set.
func TestGroupsOfCertificates(t *testing.T) {
	e := controlled(t)
	rules := []string{
		acm + "read-default deny", acm + "rule-list[name='l']/group[.='ops']",
		acm + "rule-list[name='l']/rule[name='hidden']/path /mtp-node:mpls-tp/node/ttl-mode", acm + "rule-list[name='l']/rule[name='hidden']/action deny",
		acm + "rule-list[name='l']/rule[name='rest']/action permit",
		"/mtp-node:mpls-tp/node/name one", "/mtp-node:mpls-tp/node/ttl-mode pipe",
	}
	ops, other := e.as("alice", "night", "ops"), e.as("alice", "night")
	const node = `path { elem { name: "mpls-tp" } elem { name: "node" } }`
	for _, external := range []string{"true", "false"} {
		e.configure(append(rules, acm+"enable-external-groups "+external)...)
		for what, mode := range map[string]string{
			"ONCE": `mode: ONCE subscription { ` + node + ` }`, "POLL": `mode: POLL subscription { ` + node + ` }`,
			"SAMPLE":    `subscription { ` + node + ` mode: SAMPLE sample_interval: 30000000 }`,
			"ON_CHANGE": `subscription { ` + node + ` mode: ON_CHANGE }`,
		} {
			for who, c := range map[string]*element{"ops": ops, "other": other} {
				sees := who == "ops" && external == "true"
				s := c.subscribe(t, `encoding: PROTO `+mode)
				check := func(when, got string) {
					if strings.Contains(got, "one") != sees || strings.Contains(got, "ttl-mode") || strings.Contains(got, "pipe") {
						t.Errorf("%s, %s, external groups %s, %s: %q", what, who, external, when, got)
					}
				}
				check("first", s.untilSync())
				switch what {
				case "POLL":
					s.send(`poll {}`)
					check("poll", s.untilSync())
				case "SAMPLE":
					if sees {
						check("sample", show(s.next()))
					}
				}
				s.cancel()
			}
		}
		for who, c := range map[string]*element{"ops": ops, "other": other} {
			r, err := c.client.Get(e.context(), &gpb.GetRequest{Path: []*gpb.Path{{Elem: []*gpb.PathElem{{Name: "mpls-tp"}, {Name: "node"}}}}, Encoding: gpb.Encoding_JSON_IETF})
			if sees := who == "ops" && external == "true"; (err == nil) != sees || strings.Contains(r.String(), "ttl-mode") {
				t.Errorf("Get of %s, external groups %s: %v, %v", who, external, r, err)
			}
		}
	}
}

// TestSampleFollowsRules: what becomes hidden is in no later sample and no poll.
func TestSampleFollowsRules(t *testing.T) {
	e := controlled(t)
	hide := []string{
		acm + "rule-list[name='l']/group[.='ops']",
		acm + "rule-list[name='l']/rule[name='hidden']/path /mtp-node:mpls-tp/node/ttl-mode", acm + "rule-list[name='l']/rule[name='hidden']/action deny",
	}
	data := []string{"/mtp-node:mpls-tp/node/name one", "/mtp-node:mpls-tp/node/ttl-mode pipe"}
	e.configure(data...)
	ops := e.as("alice", "ops")
	const node = `path { elem { name: "mpls-tp" } elem { name: "node" } }`
	sample := ops.subscribe(t, `encoding: PROTO subscription { `+node+` mode: SAMPLE sample_interval: 30000000 }`)
	poll := ops.subscribe(t, `encoding: PROTO mode: POLL subscription { `+node+` }`)
	for what, s := range map[string]*subscriber{"sample": sample, "poll": poll} {
		if got := s.untilSync(); !strings.Contains(got, "pipe") {
			t.Errorf("%s before: %s", what, got)
		}
	}
	e.configure(append(hide, data...)...)
	poll.send(`poll {}`)
	if got := poll.untilSync(); strings.Contains(got, "ttl-mode") || !strings.Contains(got, "one") {
		t.Errorf("poll: %s", got)
	}
	deadline := time.Now().Add(10 * time.Second)
	for strings.Contains(show(sample.next()), "pipe") { // until those on the way are read
		if time.Now().After(deadline) {
			t.Fatal("the leaf is still sampled")
		}
	}
	for range 3 {
		if got := show(sample.next()); strings.Contains(got, "ttl-mode") || !strings.Contains(got, "one") {
			t.Errorf("sample: %s", got)
		}
	}
}

// TestSetErrorsAreDiscreet: an error of Set names nothing that the user may not read.
func TestSetErrorsAreDiscreet(t *testing.T) {
	e := controlled(t)
	data := []string{
		"/ietf-interfaces:interfaces/interface[name='eth0']/type iana-if-type:ethernetCsmacd",
		"/mtp-node:mpls-tp/sections/section[name='west']/interface eth0",
	}
	for _, hidden := range []bool{true, false} {
		lines := append([]string{acm + "write-default permit", acm + "rule-list[name='l']/group[.='ops']"}, data...)
		if hidden {
			lines = append(lines, acm+"rule-list[name='l']/rule[name='hidden']/path /mtp-node:mpls-tp/sections",
				acm+"rule-list[name='l']/rule[name='hidden']/access-operations read", acm+"rule-list[name='l']/rule[name='hidden']/action deny")
		}
		e.configure(lines...)
		_, err := e.as("alice", "ops").client.Set(e.context(), &gpb.SetRequest{Delete: []*gpb.Path{{Elem: []*gpb.PathElem{{Name: "interfaces"}}}}})
		if status.Code(err) != codes.InvalidArgument {
			t.Fatalf("hidden %v: %v", hidden, err)
		}
		text := err.Error() + status.Convert(err).Proto().String()
		if strings.Contains(text, "west") == hidden || strings.Contains(text, "eth0") == hidden {
			t.Errorf("hidden %v: %s", hidden, text)
		}
	}
}

// TestSharedChangesPerView: subscribers that see the same share what is encoded;
// those that see other things never get it.
func TestSharedChangesPerView(t *testing.T) {
	e := controlled(t)
	rules := func(name, mode, door string) []string {
		return []string{
			acm + "rule-list[name='ops']/group[.='ops']",
			acm + "rule-list[name='ops']/rule[name='r']/path /mtp-node:mpls-tp/node/ttl-mode", acm + "rule-list[name='ops']/rule[name='r']/action deny",
			acm + "rule-list[name='night']/group[.='night']",
			acm + "rule-list[name='night']/rule[name='r']/path /mtp-node:mpls-tp/node/name", acm + "rule-list[name='night']/rule[name='r']/action deny",
			acm + "rule-list[name='me']/group[.='me']",
			acm + "rule-list[name='me']/rule[name='r']/path /ietf-interfaces:interfaces/interface[name=$USER]", acm + "rule-list[name='me']/rule[name='r']/action deny",
			"/mtp-node:mpls-tp/node/name " + name, "/mtp-node:mpls-tp/node/ttl-mode " + mode,
			"/ietf-interfaces:interfaces/interface[name='ann']/type iana-if-type:ethernetCsmacd", "/ietf-interfaces:interfaces/interface[name='ann']/description " + door,
			"/ietf-interfaces:interfaces/interface[name='bob']/type iana-if-type:ethernetCsmacd", "/ietf-interfaces:interfaces/interface[name='bob']/description " + door,
		}
	}
	e.configure(rules("name-1", "pipe", "door-1")...)
	type watcher struct {
		sub          *subscriber
		want, hidden string
	}
	const all = `encoding: PROTO subscription { path { elem { name: "mpls-tp" } elem { name: "node" } } mode: ON_CHANGE } ` +
		`subscription { path { elem { name: "interfaces" } elem { name: "interface" } elem { name: "description" } } mode: ON_CHANGE }`
	var watchers []watcher
	for _, w := range []struct{ user, group, want, hidden string }{
		{"ann", "ops", "name-2", "short-pipe"}, {"bob", "ops", "name-2", "short-pipe"},
		{"ann", "night", "short-pipe", "name-2"}, {"bob", "night", "short-pipe", "name-2"},
		{"ann", "me", `"bob"`, `"ann"`}, {"bob", "me", `"ann"`, `"bob"`},
	} {
		s := e.as(w.user, w.group).subscribe(t, all)
		s.untilSync()
		watchers = append(watchers, watcher{s, w.want, w.hidden})
	}
	e.configure(rules("name-2", "short-pipe", "door-2")...)
	for i, w := range watchers {
		got := ""
		for !strings.Contains(got, w.want) || !strings.Contains(got, "door-2") {
			got += w.sub.next().String()
		}
		if strings.Contains(got, w.hidden) {
			t.Errorf("subscriber %d sees %s", i, got)
		}
	}
}
