package access

import (
	"crypto/ed25519"
	"crypto/rand"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func signer(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAuthorizeCertificate(t *testing.T) {
	authority, stranger, user := signer(t), signer(t), signer(t)
	now := time.Unix(1_800_000_000, 0)
	serial, id := uint64(7), "alice@laptop"
	otherSerial := uint64(8)
	type fields struct {
		change  func(*ssh.Certificate)
		by      ssh.Signer
		peer    string
		user    string
		revoked []Revocation
	}
	for name, test := range map[string]struct {
		fields
		want bool
	}{
		"good":              {want: true},
		"second principal":  {fields{user: "bob"}, true},
		"wrong authority":   {fields{by: stranger}, false},
		"signed by itself":  {fields{by: user}, false},
		"another principal": {fields{user: "carol"}, false},
		"no principals":     {fields{change: func(c *ssh.Certificate) { c.ValidPrincipals = nil }}, false},
		"name that is none": {fields{user: "../alice", change: func(c *ssh.Certificate) { c.ValidPrincipals = []string{"../alice"} }}, false},
		"expired":           {fields{change: func(c *ssh.Certificate) { c.ValidBefore = uint64(now.Unix()) }}, false},
		"not yet valid":     {fields{change: func(c *ssh.Certificate) { c.ValidAfter = uint64(now.Unix()) + 1 }}, false},
		"valid for ever": {fields{change: func(c *ssh.Certificate) {
			c.ValidAfter, c.ValidBefore = 0, ssh.CertTimeInfinity
		}}, true},
		"host certificate":          {fields{change: func(c *ssh.Certificate) { c.CertType = ssh.HostCert }}, false},
		"source address":            {fields{change: critical(sourceAddress, "198.51.100.0/24,192.0.2.1")}, true},
		"source prefix":             {fields{change: critical(sourceAddress, "192.0.2.0/24")}, true},
		"source address of another": {fields{change: critical(sourceAddress, "198.51.100.0/24")}, false},
		"source address, IPv6":      {fields{change: critical(sourceAddress, "2001:db8::/32"), peer: "[2001:db8::1]:22"}, true},
		"source address unreadable": {fields{change: critical(sourceAddress, "nonsense")}, false},
		"source address, no peer":   {fields{change: critical(sourceAddress, "192.0.2.0/24"), peer: "pipe"}, false},
		"forced netconf":            {fields{change: critical(forceCommand, "netconf")}, true},
		"forced shell":              {fields{change: critical(forceCommand, "/bin/sh")}, false},
		"unknown critical option":   {fields{change: critical("verify-required", "")}, false},
		"unknown extension":         {fields{change: func(c *ssh.Certificate) { c.Extensions = map[string]string{"permit-pty": ""} }}, true},
		"revoked by serial":         {fields{revoked: []Revocation{{Serial: &serial}}}, false},
		"revoked by key id":         {fields{revoked: []Revocation{{KeyID: &id}}}, false},
		"revoked user key":          {fields{revoked: []Revocation{{PublicKey: user.PublicKey().Marshal()}}}, false},
		"revoked authority":         {fields{revoked: []Revocation{{PublicKey: authority.PublicKey().Marshal()}}}, false},
		"others revoked":            {fields{revoked: []Revocation{{Serial: &otherSerial}, {PublicKey: stranger.PublicKey().Marshal()}}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			a := open(t, Options{Now: func() time.Time { return now }})
			a.Configure(Settings{Authorities: [][]byte{authority.PublicKey().Marshal(), {1, 2, 3}}, Revoked: test.revoked})
			c := &ssh.Certificate{
				Key: user.PublicKey(), CertType: ssh.UserCert, Serial: serial, KeyId: id, ValidPrincipals: []string{"alice", "bob"},
				ValidAfter: uint64(now.Unix()) - 60, ValidBefore: uint64(now.Unix()) + 60,
			}
			if test.change != nil {
				test.change(c)
			}
			by := authority
			if test.by != nil {
				by = test.by
			}
			if err := c.SignCert(rand.Reader, by); err != nil {
				t.Fatal(err)
			}
			who, peer := "alice", "192.0.2.1:4711"
			if test.user != "" {
				who = test.user
			}
			if test.peer != "" {
				peer = test.peer
			}
			if err := a.AuthorizeCertificate(who, peer, c.Marshal()); (err == nil) != test.want {
				t.Errorf("AuthorizeCertificate = %v, want success %v", err, test.want)
			}
			// A certificate is no plain key, whoever asks for it.
			if a.AuthorizePublicKey(who, c.Marshal()) {
				t.Error("the certificate is accepted as a key")
			}
		})
	}
}

func critical(option, value string) func(*ssh.Certificate) {
	return func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{option: value} }
}

func TestAuthorizeCertificateRefusesGarbage(t *testing.T) {
	a := open(t, Options{})
	authority, user := signer(t), signer(t)
	a.Configure(Settings{Authorities: [][]byte{authority.PublicKey().Marshal()}})
	c := &ssh.Certificate{Key: user.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{"alice"}, ValidBefore: ssh.CertTimeInfinity}
	if err := c.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	good := c.Marshal()
	if err := a.AuthorizeCertificate("alice", "192.0.2.1:1", good); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 1
		if err := a.AuthorizeCertificate("alice", "192.0.2.1:1", bad); err == nil {
			t.Fatalf("accepted with octet %d changed", i)
		}
	}
	for _, bad := range [][]byte{nil, good[:len(good)-1], user.PublicKey().Marshal()} {
		if err := a.AuthorizeCertificate("alice", "192.0.2.1:1", bad); err == nil {
			t.Errorf("%d octets are accepted", len(bad))
		}
	}
}

func TestRevokedKeyIsRefusedWithoutCertificate(t *testing.T) {
	a := open(t, Options{})
	key := signer(t).PublicKey().Marshal()
	users := []User{{Name: "alice", Keys: [][]byte{key}}}
	a.Configure(Settings{Users: users})
	if !a.AuthorizePublicKey("alice", key) {
		t.Fatal("the key is refused")
	}
	a.Configure(Settings{Users: users, Revoked: []Revocation{{PublicKey: key}}})
	if a.AuthorizePublicKey("alice", key) {
		t.Error("a revoked key is accepted")
	}
}
