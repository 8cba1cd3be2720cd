package netconf

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tandem-ne/tandem/server/access"
	"github.com/tandem-ne/tandem/server/access/nacm"
	"github.com/tandem-ne/tandem/server/datastore"
)

// controlled gives an element access control that follows its configuration.
func controlled(o *Options) {
	control := nacm.New(nacm.Options{Schema: o.Schema, Log: o.Log})
	o.NACM = control
	o.Store.OnCommit(func(c datastore.Commit) { control.Update(c.New) })
}

// forGroup lets the group ops read and nobody else.
const forGroup = `<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"><enable-external-groups>EXTERNAL</enable-external-groups><read-default>deny</read-default>` +
	`<rule-list><name>l</name><group>ops</group><rule><name>r</name><action>permit</action></rule></rule-list></nacm>`

// asks commits the rules and reports what a session of alice sees and which groups it has.
func asks(e *element, c *client, external string) (sees bool, groups []string) {
	e.t.Helper()
	e.commit(strings.Replace(forGroup, "EXTERNAL", external, 1) + nodeName("seen"))
	reply := c.rpc(`<get-config><source><running/></source></get-config>`)
	return strings.Contains(reply, ">seen<"), e.list()[0].ds.Info().Groups
}

// overSSH says hello in the subsystem of an SSH connection.
func overSSH(t *testing.T, conn *ssh.Client) *client {
	t.Helper()
	in, out := subsystem(t, conn)
	c := &client{t: t, in: newFrameReader(out, 64<<20)}
	c.out.w = in
	if _, err := c.in.next(); err != nil {
		t.Fatal(err)
	}
	c.send(fmt.Sprintf(clientHello, base11))
	c.in.chunked, c.out.chunked = true, true
	return c
}

// TestGroupsOfSSHCertificates: the extension groups@tandem names groups, which count
// while enable-external-groups is true (RFC 8341 section 2.5).
func TestGroupsOfSSHCertificates(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		extension, external string
		groups              []string
		sees                bool
	}{
		"a group":         {"night, ops,,", "true", []string{"night", "ops"}, true},
		"another":         {"night", "true", []string{"night"}, false},
		"none":            {"", "true", nil, false},
		"not to count":    {"ops", "false", []string{"ops"}, false},
		"part of a name":  {"ops2", "true", []string{"ops2"}, false},
		"not for signing": {"*", "true", []string{"*"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSSH(t, Limits{}, controlled)
			r.access.Configure(access.Settings{Authorities: [][]byte{authority.PublicKey().Marshal()}})
			cert := &ssh.Certificate{
				Key: r.signer.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{"alice"},
				ValidBefore: uint64(time.Now().Add(time.Minute).Unix()),
				Permissions: ssh.Permissions{Extensions: map[string]string{"permit-pty": ""}},
			}
			if test.extension != "" {
				cert.Extensions[access.GroupsExtension] = test.extension
			}
			if err := cert.SignCert(rand.Reader, authority); err != nil {
				t.Fatal(err)
			}
			signer, err := ssh.NewCertSigner(cert, r.signer)
			if err != nil {
				t.Fatal(err)
			}
			config := r.config()
			config.User, config.Auth = "alice", []ssh.AuthMethod{ssh.PublicKeys(signer)}
			conn, err := ssh.Dial("tcp", r.addr, config)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if sees, groups := asks(r.element, overSSH(t, conn), test.external); sees != test.sees || !slices.Equal(groups, test.groups) {
				t.Errorf("sees %v, groups %q; want %v, %q", sees, groups, test.sees, test.groups)
			}
		})
	}
}

// TestGroupsOfTLSCertificates: the organizational units are groups, unless the
// configuration says who the client is.
func TestGroupsOfTLSCertificates(t *testing.T) {
	for name, test := range map[string]struct {
		units     []string
		external  string
		specified bool
		groups    []string
		sees      bool
	}{
		"a group":      {[]string{"night", "ops"}, "true", false, []string{"ops", "night"}, true}, // in DER order,
		"none":         {nil, "true", false, nil, false},
		"not to count": {[]string{"ops"}, "false", false, []string{"ops"}, false},
		"specified":    {[]string{"ops"}, "true", true, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTLS(t, Limits{}, controlled)
			if test.specified {
				r.trust(access.Settings{CertToName: []access.CertToName{
					{ID: 1, Fingerprint: fingerprint(r.operator.cert), Map: access.MapSpecified, Name: "alice"},
				}})
			}
			cert := r.operator.client("alice", func(c *x509.Certificate) { c.Subject.OrganizationalUnit = test.units })
			c, err := r.dial(r.config(&cert))
			if err != nil {
				t.Fatal(err)
			}
			if sees, groups := asks(r.element, c, test.external); sees != test.sees || !slices.Equal(groups, test.groups) {
				t.Errorf("sees %v, groups %q; want %v, %q", sees, groups, test.sees, test.groups)
			}
		})
	}
}
