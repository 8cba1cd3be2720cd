package access

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"slices"
)

// User is a user of the configuration (ietf-system, RFC 7317 section 3.5)
// with the key-data of each authorized key.
type User struct {
	Name     string
	Password string   // a value of ianach:crypt-hash, not clear text; empty for none
	Keys     [][]byte // SSH wire form
}

// Settings are what the configuration says about who may come in.
type Settings struct {
	Users         []User
	PasswordLogin bool // user-authentication-order has local-users

	Authorities [][]byte // public keys of those who issue OpenSSH certificates, SSH wire form
	Revoked     []Revocation

	TrustAnchors        [][]byte // authorities of client certificates, X.509 in DER
	RevokedCertificates []Fingerprint
	CertToName          []CertToName
}

// settings are Settings ready for use. They never change.
type settings struct {
	Settings
	keys      map[string][]authorizedKey
	passwords map[string]cryptHash
	clientCAs *x509.CertPool
}

// Configure replaces what the configuration adds to the files of the state
// directory. Whatever cannot be used is left out and logged. Connections that
// are there stay.
func (a *Access) Configure(s Settings) {
	next := &settings{
		Settings:  s,
		keys:      make(map[string][]authorizedKey, len(s.Users)),
		passwords: map[string]cryptHash{},
		clientCAs: a.clientCAs,
	}
	for _, u := range s.Users {
		if err := CheckUser(u.Name); err != nil {
			a.log.Warn("left out a configured user", "user", u.Name, "reason", err)
			continue
		}
		for _, k := range u.Keys {
			if err := CheckPublicKey(k); err != nil {
				a.log.Warn("left out a configured key", "user", u.Name, "reason", err)
				continue
			}
			next.keys[u.Name] = append(next.keys[u.Name], bytes.Clone(k))
		}
		if u.Password == "" {
			continue
		}
		hash, err := parseHash(u.Password)
		if err != nil {
			a.log.Warn("left out a configured password", "user", u.Name, "reason", err)
			continue
		}
		next.passwords[u.Name] = hash
	}
	next.Authorities = slices.DeleteFunc(slices.Clone(s.Authorities), func(k []byte) bool {
		err := CheckPublicKey(k)
		if err != nil {
			a.log.Warn("left out an authority of user certificates", "reason", err)
		}
		return err != nil
	})
	if len(s.TrustAnchors) > 0 {
		next.clientCAs = a.clientCAs.Clone()
		for _, der := range s.TrustAnchors {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				a.log.Warn("left out a trust anchor", "reason", err)
				continue
			}
			next.clientCAs.AddCert(cert)
		}
	}
	next.CertToName = slices.SortedFunc(slices.Values(s.CertToName), func(x, y CertToName) int { return cmp.Compare(x.ID, y.ID) })
	a.config.Store(next)
}
