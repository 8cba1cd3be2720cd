package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openconfig/gnmi/proto/gnmi"
	"golang.org/x/crypto/ssh"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/tandem-ne/tandem/cmd/tandem/client"
	"github.com/tandem-ne/tandem/cmd/tandem/lab"
)

// user is somebody with an SSH key and a client certificate.
type user struct {
	name, keyFile string
	keyData       string // of ietf-system
}

// newUser makes a key pair.
func newUser(t *testing.T, name string) user {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(crypto.PrivateKey(private), name)
	if err != nil {
		t.Fatal(err)
	}
	wire, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	u := user{name, filepath.Join(t.TempDir(), name), base64.StdEncoding.EncodeToString(wire.Marshal())}
	if err := os.WriteFile(u.keyFile, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return u
}

// config is the user in ietf-system (RFC 7317).
func (u user) config() string {
	return `<user><name>` + u.name + `</name><authorized-key><name>test</name><algorithm>ssh-ed25519</algorithm><key-data>` +
		u.keyData + `</key-data></authorized-key></user>`
}

// netconf opens a session of the user.
func (u user) netconf(t *testing.T, r *rig, node string) *client.Session {
	t.Helper()
	s, err := client.Dial(t.Context(), client.Target{
		Address: netconfAddr, User: u.name, KeyFile: u.keyFile, HostKeyFile: filepath.Join(r.StateDir(node), "ssh", "ssh_host_ed25519_key.pub"),
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			return r.Dial(ctx, node, network, address)
		}, Timeout: 30 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// gnmi opens a channel of the user, with a certificate of the element's CA.
func (u user) gnmi(t *testing.T, r *rig, node string) gnmi.GNMIClient {
	t.Helper()
	config := r.tlsConfig(t, node)
	ca, err := tls.LoadX509KeyPair(filepath.Join(r.StateDir(node), "tls", "ca.crt"), filepath.Join(r.StateDir(node), "tls", "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: u.name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca.Leaf, key.Public(), ca.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	config.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	config.NextProtos = nil
	conn, err := grpc.NewClient("passthrough:///"+net.JoinHostPort("127.0.0.1", lab.GNMIPort),
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return r.Dial(ctx, node, "tcp", address) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return gnmi.NewGNMIClient(conn)
}

const nacmOpen = `<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm">`

// testAccess: a user who may read all but not write, and one who is limited to one
// LSP, over NETCONF and gNMI (RFC 8341).
func testAccess(t *testing.T, r *rig) {
	const node = "p2"
	reader, owner := newUser(t, "reader"), newUser(t, "owner")
	for name, label := range map[string]int{"mine": 560, "theirs": 570} {
		r.commit(t, node, transit(name, label))
		defer r.commit(t, node, removal(name))
	}
	r.commit(t, node, `<system xmlns="urn:ietf:params:xml:ns:yang:ietf-system"><authentication>`+reader.config()+owner.config()+`</authentication></system>`+
		nacmOpen+`<groups><group><name>readers</name><user-name>reader</user-name></group><group><name>owners</name><user-name>owner</user-name></group></groups>`+
		`<rule-list><name>owners</name><group>owners</group>`+
		`<rule><name>mine</name><path xmlns:n="urn:tandem:yang:mtp-node" xmlns:l="urn:tandem:yang:mtp-lsp">/n:mpls-tp/l:lsps/l:static-lsp[l:name='mine']</path><action>permit</action></rule>`+
		`<rule><name>no-other</name><path xmlns:n="urn:tandem:yang:mtp-node" xmlns:l="urn:tandem:yang:mtp-lsp">/n:mpls-tp/l:lsps/l:static-lsp</path><action>deny</action></rule>`+
		`</rule-list></nacm>`)
	defer r.commit(t, node, `<system xmlns="urn:ietf:params:xml:ns:yang:ietf-system"><authentication xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">`+
		`<user nc:operation="delete"><name>reader</name></user><user nc:operation="delete"><name>owner</name></user></authentication></system>`+
		`<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">`+
		`<groups><group nc:operation="delete"><name>readers</name></group><group nc:operation="delete"><name>owners</name></group></groups>`+
		`<rule-list nc:operation="delete"><name>owners</name></rule-list></nacm>`)

	t.Run("reader", func(t *testing.T) { testReader(t, r, node, reader) })
	t.Run("owner over NETCONF", func(t *testing.T) { testOwnerNETCONF(t, r, node, owner) })
	t.Run("owner over gNMI", func(t *testing.T) { testOwnerGNMI(t, r, node, owner) })

	// What was refused has been counted.
	counters := r.rpc(t, node, `<get><filter>`+nacmOpen+`<denied-operations/><denied-data-writes/></nacm></filter></get>`)
	for _, none := range []string{"<denied-operations>0<", "<denied-data-writes>0<"} {
		if strings.Contains(counters, none) || !strings.Contains(counters, none[:len(none)-2]) {
			t.Errorf("counters: %s", counters)
		}
	}
}

// refused expects access-denied about a path.
func refused(t *testing.T, s *client.Session, body, path string) {
	t.Helper()
	_, err := s.RPC(t.Context(), body)
	if err == nil || !strings.Contains(err.Error(), "access-denied") || !strings.Contains(err.Error(), path) {
		t.Errorf("%s: %v, want access-denied about %s", body, err, path)
	}
}

func testReader(t *testing.T, r *rig, node string, u user) {
	s := u.netconf(t, r, node)
	call := func(body string) string {
		t.Helper()
		reply, err := s.RPC(t.Context(), body)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return reply
	}
	all := call(`<get-config><source><running/></source></get-config>`)
	for _, want := range []string{"<name>mine</name>", "<name>theirs</name>", "<name>reader</name>"} {
		if !strings.Contains(all, want) {
			t.Errorf("get-config lacks %s", want)
		}
	}
	if strings.Contains(all, "<nacm") {
		t.Error("get-config shows /nacm, which is default-deny-all")
	}
	refused(t, s, edit(transit("new", 580)), "static-lsp")
	refused(t, s, edit(removal("mine")), "static-lsp")
	refused(t, s, `<kill-session><session-id>1</session-id></kill-session>`, "kill-session")
	refused(t, s, mepAction("to-pe1", "<lock/>"), "lock") // default-deny-all
	refused(t, s, `<copy-config><target><candidate/></target><source><config/></source></copy-config>`, "")
	call(`<discard-changes/>`)
	call(`<commit/>`) // of nothing

	c := u.gnmi(t, r, node)
	if _, err := c.Get(t.Context(), &gnmi.GetRequest{Path: []*gnmi.Path{lspPath("mine")}, Encoding: gnmi.Encoding_JSON_IETF}); err != nil {
		t.Error(err)
	}
	_, err := c.Set(t.Context(), &gnmi.SetRequest{Delete: []*gnmi.Path{lspPath("mine")}})
	if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "static-lsp[name='mine']") {
		t.Errorf("Set: %v", err)
	}
}

func testOwnerNETCONF(t *testing.T, r *rig, node string, u user) {
	s := u.netconf(t, r, node)
	get := func(filter string) string {
		t.Helper()
		reply, err := s.RPC(t.Context(), `<get-config><source><running/></source>`+filter+`</get-config>`)
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	if all := get(""); !strings.Contains(all, "<name>mine</name>") || strings.Contains(all, "theirs") || strings.Contains(all, "570") {
		t.Errorf("get-config: %s", all)
	}
	// A filter does not tell what is there either.
	theirs := `<filter>` + inLSPs(`<static-lsp><in-segment><incoming-label>570</incoming-label></in-segment></static-lsp>`) + `</filter>`
	if reply := get(theirs); strings.Contains(reply, "static-lsp") {
		t.Errorf("get-config of a label: %s", reply)
	}
	xpath := `<filter type="xpath" xmlns:n="urn:tandem:yang:mtp-node" xmlns:l="urn:tandem:yang:mtp-lsp" select="/n:mpls-tp/n:node/n:name[count(/n:mpls-tp/l:lsps/l:static-lsp) > 1]"/>`
	if reply := get(xpath); strings.Contains(reply, "<node>") {
		t.Errorf("get-config by XPath counts what is hidden: %s", reply)
	}
	describe := func(name string) string {
		return edit(inLSPs(`<static-lsp><name>` + name + `</name><description>by its owner</description></static-lsp>`))
	}
	for _, body := range []string{describe("mine"), `<commit/>`} {
		if _, err := s.RPC(t.Context(), body); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
	}
	refused(t, s, describe("theirs"), "lsps")
	refused(t, s, edit(transit("new", 580)), "lsps")
	refused(t, s, edit(inLSPs(`<static-lsp xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="create"><name>theirs</name></static-lsp>`)), "")
}

func testOwnerGNMI(t *testing.T, r *rig, node string, u user) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := u.gnmi(t, r, node)
	all, err := c.Get(ctx, &gnmi.GetRequest{Path: []*gnmi.Path{{Elem: lspPath("").Elem[:2]}}, Encoding: gnmi.Encoding_JSON_IETF})
	if err != nil || !strings.Contains(all.String(), "mine") || strings.Contains(all.String(), "theirs") {
		t.Errorf("Get: %v, %v", all, err)
	}
	// What may not be read and what is not there are the same.
	for _, name := range []string{"theirs", "nothing"} {
		_, err := c.Get(ctx, &gnmi.GetRequest{Path: []*gnmi.Path{lspPath(name)}, Encoding: gnmi.Encoding_JSON_IETF})
		if status.Code(err) != codes.NotFound {
			t.Errorf("Get of %s: %v", name, err)
		}
	}
	describe := func(name, text string) error {
		_, err := c.Set(ctx, &gnmi.SetRequest{Update: []*gnmi.Update{{
			Path: lspPath(name, "description"), Val: &gnmi.TypedValue{Value: &gnmi.TypedValue_StringVal{StringVal: text}}}}})
		return err
	}
	if err := describe("theirs", "not mine"); status.Code(err) != codes.PermissionDenied {
		t.Errorf("Set of another LSP: %v", err)
	}

	stream, err := c.Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&gnmi.SubscribeRequest{Request: &gnmi.SubscribeRequest_Subscribe{Subscribe: &gnmi.SubscriptionList{
		Mode: gnmi.SubscriptionList_STREAM, Encoding: gnmi.Encoding_PROTO,
		Subscription: []*gnmi.Subscription{{Path: &gnmi.Path{Elem: append(lspPath("").Elem[:2:2], &gnmi.PathElem{Name: "static-lsp"}, &gnmi.PathElem{Name: "description"})}, Mode: gnmi.SubscriptionMode_ON_CHANGE}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	// until reads to an update with a value; none of those on the way, this one
	// included, may have another value than these.
	until := func(want string, allowed ...string) {
		t.Helper()
		for {
			m, err := stream.Recv()
			if err != nil {
				t.Fatalf("waiting for %q: %v", want, err)
			}
			if m.GetSyncResponse() && want == "" {
				return
			}
			for _, up := range m.GetUpdate().GetUpdate() {
				got := up.GetVal().GetStringVal()
				if got == want {
					return
				}
				if !strings.Contains(strings.Join(allowed, "|"), got) {
					t.Fatalf("the subscription shows %q", got)
				}
			}
		}
	}
	until("", "by its owner")
	// The administrator changes both: one change is seen.
	admin := func(name, text string) {
		r.commit(t, node, inLSPs(`<static-lsp><name>`+name+`</name><description>`+text+`</description></static-lsp>`))
	}
	admin("theirs", "secret")
	admin("mine", "public")
	until("public")
	if err := describe("mine", "by gNMI"); err != nil {
		t.Error(err)
	}
	until("by gNMI")
	// Other rules reach the subscription that runs.
	rule := func(operation string) {
		r.commit(t, node, fmt.Sprintf(nacmOpen+`<rule-list><name>owners</name><rule xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="%s"><name>no-other</name>`+
			`<path xmlns:n="urn:tandem:yang:mtp-node" xmlns:l="urn:tandem:yang:mtp-lsp">/n:mpls-tp/l:lsps/l:static-lsp</path><action>deny</action></rule></rule-list></nacm>`, operation))
	}
	rule("delete")
	until("secret", "by gNMI")
	rule("create")
	for {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if d := m.GetUpdate().GetDelete(); len(d) > 0 {
			if !strings.Contains(d[0].String(), "theirs") {
				t.Errorf("deleted %v", d)
			}
			break
		}
	}
}
